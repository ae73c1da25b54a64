//! When people work and buy: weekdays, office hours, month of the quarter, time of the year.

use chrono::Datelike;

use super::dice::Dice;
use super::{DAY, HOUR};
use crate::model::time;

/// Monday first.
const WEEKDAY: [f64; 7] = [1.15, 1.20, 1.15, 1.05, 0.90, 0.08, 0.05];
/// Hours of the day in UTC.
const HOURS: [f64; 24] = [
    0.03, 0.02, 0.02, 0.02, 0.03, 0.08, 0.2, 0.5, 1.1, 1.7, 1.9, 1.7, 1.1, 1.4, 1.7, 1.6, 1.4, 1.0,
    0.5, 0.3, 0.2, 0.15, 0.1, 0.05,
];
/// January first: a slow summer, a strong autumn.
const YEAR: [f64; 12] = [0.95, 1.0, 1.08, 1.0, 1.0, 1.06, 0.88, 0.82, 1.08, 1.08, 1.1, 0.9];
/// First month of the quarter first.
const QUARTER: [f64; 3] = [0.95, 1.0, 1.05];

/// No moment weighs more than this.
pub(super) const HIGHEST: f64 =
    highest(&WEEKDAY) * highest(&HOURS) * highest(&YEAR) * highest(&QUARTER);

/// How much is going on at a moment; 1 on average.
pub(super) fn weight(ms: i64) -> f64 {
    let day = ms.div_euclid(DAY);
    let month = date(day).month0() as usize;
    let hour = (ms.rem_euclid(DAY) / HOUR) as usize;
    let product = WEEKDAY[weekday(day)] * HOURS[hour] * YEAR[month] * QUARTER[month % 3];
    product / (mean(&WEEKDAY) * mean(&HOURS) * mean(&YEAR) * mean(&QUARTER))
}

/// How much is going on on a day; 1 on average.
pub(super) fn of_day(day: i64) -> f64 {
    let month = date(day).month0() as usize;
    WEEKDAY[weekday(day)] * YEAR[month] / (mean(&WEEKDAY) * mean(&YEAR))
}

/// A moment near `ms` when somebody is at work: mostly no weekend, in office hours.
pub(super) fn at_work(ms: i64, dice: &mut Dice) -> i64 {
    let mut day = ms.div_euclid(DAY);
    let to_monday = 7 - weekday(day) as i64;
    if to_monday <= 2 && dice.chance(0.95) {
        // To Thursday, Friday, Monday or Tuesday: one day alone would stand out.
        day += to_monday + [-4, -3, 0, 1][dice.below(4)];
    }
    in_office(day, dice)
}

/// A closing moment: at work, and drawn to the end of the quarter, as quotas do.
pub(super) fn closing(ms: i64, dice: &mut Dice) -> i64 {
    let day = ms.div_euclid(DAY);
    let date = date(day);
    let first_month = date.month0() / 3 * 3 + 1;
    let start = date.with_day(1).and_then(|d| d.with_month(first_month));
    let into = start.map_or(0, |start| (date - start).num_days());
    // Quarters have 90 to 92 days; the last work days are what matters.
    let left = 90 - into;
    let last_days = if (0..24).contains(&left) && dice.chance(0.25) {
        day + left - dice.below(4) as i64
    } else if into < 14 && dice.chance(0.3) {
        day - into - 1 - dice.below(5) as i64
    } else {
        return at_work(ms, dice);
    };
    // A weekend would be too late: the Friday before it.
    in_office(last_days - (weekday(last_days) as i64 - 4).max(0), dice)
}

/// The mean of two uniforms: most around one o'clock, nothing before seven or after seven.
fn in_office(day: i64, dice: &mut Dice) -> i64 {
    let hour = 7.0 + 6.0 * (dice.unit() + dice.unit());
    day * DAY + (hour * HOUR as f64) as i64
}

fn weekday(day: i64) -> usize {
    // 1970-01-01 was a Thursday.
    (day + 3).rem_euclid(7) as usize
}

pub(super) fn date(day: i64) -> chrono::NaiveDate {
    time::Day(day as i32).date()
}

const fn mean(values: &[f64]) -> f64 {
    let (mut sum, mut i) = (0.0, 0);
    while i < values.len() {
        sum += values[i];
        i += 1;
    }
    sum / values.len() as f64
}

const fn highest(values: &[f64]) -> f64 {
    let (mut max, mut i) = (0.0, 0);
    while i < values.len() {
        if values[i] > max {
            max = values[i];
        }
        i += 1;
    }
    max / mean(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_weighs_one_on_average_and_never_more_than_the_highest() {
        let hours = (0..365 * 24).map(|h| weight(1_735_689_600_000 + h * HOUR));
        let sum: f64 = hours.clone().sum();
        assert!((sum / (365.0 * 24.0) - 1.0).abs() < 0.02, "{sum}");
        assert!(hours.fold(0.0, f64::max) <= HIGHEST);
    }

    #[test]
    fn the_epoch_was_a_thursday() {
        assert_eq!(weekday(0), 3);
        assert_eq!(weekday(4), 0);
    }
}
