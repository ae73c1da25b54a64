//! Campaign days: whole values, as stated last, on the day that they are of.

use super::slots::{CLICKS, CONVERSIONS, DAY, IMPRESSIONS};
use super::{AsOf, Contribution, Projector, happened};
use crate::ledger::entity::{Entity, Held, Slot};
use crate::model::measure::{Measure, MeasureKey};
use crate::model::own::Moment;

impl Projector<'_> {
    pub(super) fn campaign_day(&mut self, entity: &Entity, out: &mut Vec<Contribution>) {
        let Some((at, _)) = happened(entity) else {
            return;
        };
        let at = match entity.latest(DAY) {
            Some((_, Held::Time(day))) => day,
            _ => at,
        };
        // It is told anew as a whole, so what was said of it last holds for all of it.
        let credit = self.credit_as_of(entity, AsOf::stock([i64::MAX; 2], at));
        self.count_own(entity, Moment::Day, (at, credit), out);
        let mut add = |key, n| out.push(Contribution { at, credit, key, n });
        add(MeasureKey::plain(Measure::CampaignDays), 1);
        if let Some((_, Held::Money(money))) = entity.latest(Slot::AMOUNT) {
            add(MeasureKey::currency(Measure::Spend, money.currency), money.amount.exact().0);
            add(MeasureKey::currency(Measure::SpendPriced, money.currency), 1);
        }
        for (slot, measure) in [
            (IMPRESSIONS, Measure::Impressions),
            (CLICKS, Measure::AdClicks),
            (CONVERSIONS, Measure::AdConversions),
        ] {
            if let Some((_, Held::Number(n))) = entity.latest(slot) {
                add(MeasureKey::plain(measure), n.exact().0);
            }
        }
    }
}
