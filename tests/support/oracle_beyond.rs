//! Growth of orders and how closings are spread, in the recount.

use std::collections::BTreeMap;

use super::{Closing, Count, Counted, Stretch, Window, quantile, share_of};

impl Count<'_> {
    /// What orders brought within a stretch, less refunds, and of how many amounts.
    fn ordered(&self, within: Stretch) -> (f64, i128) {
        let all = self.facts.iter().flat_map(|f| &f.marks);
        let mine = all.filter(|m| self.mine(&m.credit) && within.holds(m.at, self.clock));
        let own = mine.filter(|m| m.currency.as_deref() == Some(self.currency));
        let (mut cents, mut n) = (0, 0);
        for mark in own {
            match mark.what.as_str() {
                "order amount" => (cents, n) = (cents + mark.n, n + 1),
                "order refunded" => cents -= mark.n,
                _ => {}
            }
        }
        (cents as f64 / 100.0, n)
    }

    pub(super) fn orders_growth(&self, window: &Window, out: &mut BTreeMap<&'static str, Counted>) {
        let (now, n) = self.ordered(window.own);
        for (kpi, then) in [
            ("order_revenue_growth", window.before),
            ("order_revenue_growth_quarter", window.far[0]),
            ("order_revenue_growth_year", window.far[1]),
        ] {
            let then = then.map_or(0.0, |then| self.ordered(then).0);
            out.insert(kpi, (share_of(now - then, then), n));
        }
    }

    pub(super) fn distribution(
        &self,
        closed: &[&Closing],
        out: &mut BTreeMap<&'static str, Counted>,
    ) {
        let lost = closed.iter().filter(|c| !c.won);
        let mut days: Vec<i64> = lost.filter_map(|c| c.cycle).collect();
        days.sort_unstable();
        let n = days.len() as i128;
        let mean = (n > 0).then(|| days.iter().sum::<i64>() as f64 / n as f64);
        out.insert("lost_cycle_length_mean", (mean, n));
        out.insert("lost_cycle_length_p50", (quantile(&days, 0.5), n));
        out.insert("lost_cycle_length_p90", (quantile(&days, 0.9), n));
        let amounts = closed.iter().filter(|c| c.won).filter_map(|c| c.amount.as_ref());
        let own = amounts.filter(|(_, currency)| currency == self.currency);
        let mut cents: Vec<i64> = own.map(|(n, _)| i64::try_from(*n).expect("small")).collect();
        cents.sort_unstable();
        for (kpi, q) in [("deal_size_p50", 0.5), ("deal_size_p90", 0.9)] {
            out.insert(kpi, (quantile(&cents, q).map(|n| n / 100.0), cents.len() as i128));
        }
    }
}
