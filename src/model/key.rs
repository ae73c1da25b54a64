//! Where in a value of the group a number stands: a measure, and a place of it.

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MeasureKey {
    /// Which measure.
    pub measure: Measure,
    /// Currency code, whole days, a civil day, that times [`CURRENCIES`] and currency code, a word's
    /// number, a customer's hash, a stage's number, that times [`STAGE_DAYS`] and days, a currency and
    /// size, the hash of a measure of the user's own, that times [`CURRENCIES`] and currency code, or
    /// 0, by the measure's kind. Beside the value it takes no more room than 32 bits would.
    pub place: i64,
}

impl MeasureKey {
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
