//! Where in a value of the group a number stands: a measure, and a place of it.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::measure::Measure;
use super::money::Currency;
use super::stage::StageIndex;
use super::time::Day;

/// Days of a stage are counted up to here; what took longer took so many. A power of two, so that
/// stage and days share a place.
pub const STAGE_DAYS: i64 = 4096;

/// Codes of currencies lie below, so that a currency and a day share a place.
pub const CURRENCIES: i64 = 1 << 16;

/// A measure and its place: currency code, day, word, customer, stage, own measure, or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MeasureKey {
    /// Which measure.
    pub measure: Measure,
    /// Currency code, whole days, a civil day, that times [`CURRENCIES`] and currency code, a word's
    /// number, a customer's hash, a stage's number, that times [`STAGE_DAYS`] and days, a currency and
    /// size or amount, the hash of a measure of the user's own, that times [`CURRENCIES`] and currency code, or
    /// 0, by the measure's kind. Beside the value it takes no more room than 32 bits would.
    pub place: i64,
}

/// The lower half of a number of 128 bits.
const MASK: i128 = u64::MAX as i128;

impl Ord for MeasureKey {
    fn cmp(&self, other: &MeasureKey) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for MeasureKey {
    fn partial_cmp(&self, other: &MeasureKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl MeasureKey {
    /// Measure, then place, as one number: a search compares it without a branch to guess.
    fn rank(&self) -> i128 {
        i128::from(self.measure as u8) << 64 | i128::from(self.place ^ i64::MIN) & MASK
    }

    /// The key of a plain count or stock.
    pub fn plain(measure: Measure) -> MeasureKey {
        MeasureKey { measure, place: 0 }
    }
    /// The key of a currency.
    pub fn currency(measure: Measure, currency: Currency) -> MeasureKey {
        MeasureKey { measure, place: currency.code().into() }
    }
    /// The key of a currency and a civil day.
    pub fn currency_day(measure: Measure, currency: Currency, day: Day) -> MeasureKey {
        let place = i64::from(day.0) * CURRENCIES + i64::from(currency.code());
        MeasureKey { measure, place }
    }
    /// The key of a number of days.
    pub fn days(measure: Measure, days: i32) -> MeasureKey {
        MeasureKey { measure, place: days.into() }
    }
    /// The key of a word: [`ACTIVITIES`](super::words::ACTIVITIES) or [`TOUCHES`](super::words::TOUCHES) give the number.
    pub fn word(measure: Measure, number: i32) -> MeasureKey {
        MeasureKey { measure, place: number.into() }
    }
    /// The key of a stage.
    pub fn stage(measure: Measure, stage: StageIndex) -> MeasureKey {
        MeasureKey { measure, place: stage.0.into() }
    }
    /// The key of a stage and a number of days.
    pub fn stage_days(measure: Measure, stage: StageIndex, days: i32) -> MeasureKey {
        let days = i64::from(days).clamp(0, STAGE_DAYS - 1);
        MeasureKey { measure, place: i64::from(stage.0) * STAGE_DAYS + days }
    }
    /// The key of a civil day.
    pub fn day(measure: Measure, day: Day) -> MeasureKey {
        MeasureKey { measure, place: day.0.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_are_in_order_of_measure_then_place(
            a in 0usize..Measure::ALL.len(), x in any::<i64>(),
            b in 0usize..Measure::ALL.len(), y in any::<i64>(), same in any::<bool>(),
        ) {
            let key = |m: usize, place| MeasureKey { measure: Measure::ALL[m].0, place };
            let b = if same { a } else { b };
            prop_assert_eq!(key(a, x).cmp(&key(b, y)), (a, x).cmp(&(b, y)));
        }
    }
}
