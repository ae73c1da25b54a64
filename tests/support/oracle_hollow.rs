//! What no rate converts, in the recount: where nothing else is known of a sum of money, no quotient
//! is made of it.

use std::collections::BTreeMap;

use super::{Count, Counted, Stretch, Window};
use crate::recount::Money;

impl Count<'_> {
    /// Takes away quotients of sums of which all that is known is in other currencies.
    pub(super) fn without_hollow(
        &self,
        window: &Window,
        out: &mut BTreeMap<&'static str, Counted>,
    ) {
        let hollow = |amounts: &[&Money]| {
            !amounts.is_empty() && amounts.iter().all(|m| m.1 != self.currency)
        };
        let closed = |within: Stretch, won: bool| {
            let closed = self.closed(within).into_iter().filter(|c| c.won == won);
            hollow(&closed.filter_map(|c| c.amount.as_ref()).collect::<Vec<_>>())
        };
        let day = window.own.last_day(self.clock);
        let open = self.facts.iter().filter_map(|f| {
            let newest = f.open.iter().rev().find(|(since, _)| *since <= day)?;
            newest.1.as_ref().filter(|(credit, _)| self.mine(credit))?.1.as_ref()
        });
        let (won, open) = (closed(window.own, true), hollow(&open.collect::<Vec<_>>()));
        let marks = self.facts.iter().flat_map(|f| &f.marks);
        let marks: Vec<_> =
            marks.filter(|m| self.mine(&m.credit) && window.own.holds(m.at, self.clock)).collect();
        let of = |what: &str| {
            let all = marks.iter().filter(|m| m.what.starts_with(what));
            let own: Vec<bool> =
                all.map(|m| m.currency.as_deref() == Some(self.currency)).collect();
            !own.is_empty() && own.iter().all(|own| !own)
        };
        let ordered = |within: Stretch| {
            let all = self.facts.iter().flat_map(|f| &f.marks);
            let mine = all.filter(|m| self.mine(&m.credit) && within.holds(m.at, self.clock));
            let amounts = mine.filter(|m| m.what == "order amount");
            let own: Vec<bool> =
                amounts.map(|m| m.currency.as_deref() == Some(self.currency)).collect();
            !own.is_empty() && own.iter().all(|own| !own)
        };
        let far_orders = window.far.map(|far| far.is_some_and(ordered));
        let before = window.before.is_some_and(|b| closed(b, true));
        let far = window.far.map(|far| far.is_some_and(|far| closed(far, true)));
        for (kpi, hollow) in [
            ("win_rate_amount", won || closed(window.own, false)),
            ("revenue_growth", won || before),
            ("revenue_growth_quarter", won || far[0]),
            ("revenue_growth_year", won || far[1]),
            ("pipeline_to_revenue", won || open),
            ("order_revenue_growth", ordered(window.own) || window.before.is_some_and(ordered)),
            ("order_revenue_growth_quarter", ordered(window.own) || far_orders[0]),
            ("order_revenue_growth_year", ordered(window.own) || far_orders[1]),
            ("revenue_per_activity", won),
            ("revenue_per_working_day", won),
            ("roi", won || of("spend")),
            ("return_on_ad_spend", won || of("spend")),
            ("refund_share", of("order refunded") || of("order amount")),
            ("price_realization", of("sold") || of("listed")),
        ] {
            if hollow {
                out.entry(kpi).and_modify(|known| known.0 = None);
            }
        }
    }
}
