//! Amounts of other currencies: what stands open at a day's rate, and what no rate converts.

use std::collections::BTreeMap;

use super::Rollup;
use super::segment::SegmentState;
use crate::model::measure::{Measure, Measures};
use crate::model::money::Currency;
use crate::model::slice::Tier;
use crate::model::time::Day;
use crate::model::zones::ZoneId;

impl Rollup {
    /// The stocks at the end of a day. What is open follows the rate: that of the day, or of today
    /// while the window runs.
    pub(super) fn stock(&self, state: &SegmentState, last_day: i32) -> Measures {
        self.at_rate_of(state.zone, &state.stock_at(last_day), last_day)
    }

    /// What stood at the end of the day before a window's first. A window that begins within a day
    /// begins with other amounts.
    pub(super) fn opening(&self, state: &SegmentState, first_day: Day, tier: Tier) -> Measures {
        if !self.definition.kpis.ask_for_opening() {
            return Measures::new();
        }
        let mut out = state.opening(first_day.0);
        if tier == Tier::Fine {
            out.retain(|key| key.measure == Measure::ActiveSubscriptions);
        }
        self.at_rate_of(state.zone, &out, first_day.0 - 1)
    }

    fn at_rate_of(&self, zone: ZoneId, stock: &Measures, day: i32) -> Measures {
        let day = Day(day.min(self.today(zone).0));
        self.definition.fx.convert(stock, self.definition.currency, day).into_owned()
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
