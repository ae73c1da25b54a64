//! Amounts of other currencies: what stands open at a day's rate, and what no rate converts.

use std::collections::BTreeMap;

use super::Rollup;
use super::segment::SegmentState;
use crate::model::measure::Measures;
use crate::model::money::Currency;
use crate::model::time::Day;

impl Rollup {
    /// The stocks at the end of a day. What is open follows the rate: that of the day, or of today
    /// while the window runs.
    pub(super) fn stock(&self, state: &SegmentState, last_day: i32) -> Measures {
        let stock = state.stock_at(last_day);
        let day = Day(last_day.min(self.today().0));
        self.definition.fx.convert(&stock, self.definition.currency, day).into_owned()
    }

    /// How many amounts in day slices no rate converts, by currency. Each amount is in one segment
    /// of every dimension set, so the first set has them all.
    pub fn parked(&self) -> BTreeMap<Currency, i128> {
        let mut out = BTreeMap::new();
        let Some(set) = self.definition.segments.first() else { return out };
        for state in self.segments.iter().filter(|s| s.segment.is_of(set)) {
            for (currency, n) in state.parked() {
                *out.entry(*currency).or_default() += n;
            }
        }
        out
    }
}
