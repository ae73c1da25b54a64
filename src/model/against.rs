//! What a window is compared with, beside the one before it: the same window of the last quarter and
//! of the last year.

use super::measure::Measures;
use super::time::Day;
use super::window::{Period, SliceRange, WindowKind};

/// Which window another one is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The one before it.
    Before,
    /// The same one of the quarter before.
    Quarter,
    /// The same one of the year before.
    Year,
}

/// The sums over the windows that one is compared with, by [`Against`]; `None` where there is none.
pub type Compared<'a> = [Option<&'a Measures>; 3];

impl Against {
    /// Those further away than the window before.
    pub const FAR: [Against; 2] = [Against::Quarter, Against::Year];

    /// How many periods lie between the beginnings of two that are compared. Of days and weeks whole
    /// weeks, since a Monday is like no Sunday. A year is no part of a quarter.
    fn steps(self, period: Period) -> Option<u32> {
        let [quarter, year] = match period {
            Period::Day => [91, 364],
            Period::Week | Period::SundayWeek => [13, 52],
            Period::Month | Period::FiscalMonth(_) => [3, 12],
            Period::Quarter | Period::FiscalQuarter(_) => [1, 4],
            Period::Year | Period::FiscalYear(_) => [0, 1],
        };
        let steps = match self {
            Against::Before => 1,
            Against::Quarter => quarter,
            Against::Year => year,
        };
        (steps > 0).then_some(steps)
    }

    /// First day of the period that the one that begins on `start` is compared with.
    pub fn of(self, period: Period, start: Day) -> Option<Day> {
        let steps = self.steps(period)?;
        Some(match period {
            Period::Day => Day(start.0 - steps as i32),
            Period::Week | Period::SundayWeek => Day(start.0 - 7 * steps as i32),
            _ => (0..steps).fold(start, |at, _| period.previous(at)),
        })
    }

    /// First day of the period that is compared with the one that begins on `start`.
    pub fn reverse(self, period: Period, start: Day) -> Option<Day> {
        let steps = self.steps(period)?;
        Some(match period {
            Period::Day => Day(start.0 + steps as i32),
            Period::Week | Period::SundayWeek => Day(start.0 + 7 * steps as i32),
            _ => (0..steps).fold(start, |at, _| period.next(at)),
        })
    }

    /// The days that a window is compared with: of a running one the same elapsed part, of a rolling
    /// one as many days with the same weekdays. What is longer than a year is compared with the days
    /// right before it. `None` where nothing is the same window, and where it is of fine slices, which
    /// are not kept for so long.
    pub fn days(self, kind: WindowKind, range: SliceRange, today: Day) -> Option<SliceRange> {
        let length = range.hi - range.lo;
        match kind {
            WindowKind::Calendar(period) | WindowKind::ToDate(period) => {
                let start = Day(range.lo);
                let base = self.of(period, start)?;
                let running = start <= today && today < period.next(start);
                let elapsed = if running { today.0 + 1 - start.0 } else { i32::MAX };
                let end = base.0.saturating_add(elapsed).min(period.next(base).0);
                Some(SliceRange::days(base, Day(end)))
            }
            WindowKind::RollingDays(_) => {
                let back = match self {
                    Against::Before => length,
                    Against::Quarter => (length <= 91).then_some(91)?,
                    Against::Year => length.max(364),
                };
                Some(SliceRange { lo: range.lo - back, hi: range.hi - back, ..range })
            }
            WindowKind::RollingFine(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::calendar::Calendar;
    use crate::model::fiscal::Fiscal;
    use crate::model::time::Timestamp;
    use proptest::prelude::*;

    proptest! {
        /// A period is compared with one of its kind, and found again from there.
        #[test]
        fn what_is_compared_is_found_from_either_side(day in -15_000i32..80_000) {
            for (period, _) in Period::ALL {
                let start = period.start(Day(day));
                for against in [Against::Before, Against::Quarter, Against::Year] {
                    let Some(base) = against.of(period, start) else { continue };
                    prop_assert_eq!(period.start(base), base);
                    prop_assert_eq!(against.reverse(period, base), Some(start));
                }
                if period == Period::Month {
                    let of = |against: Against| against.of(period, start).unwrap().to_string();
                    let (y, m) = (start.to_string()[..4].parse::<i32>().unwrap(), &start.to_string()[4..]);
                    prop_assert_eq!(of(Against::Year), format!("{:04}{m}", y - 1));
                }
            }
        }
    }

    fn shown(against: Against, kind: &str, now: &str) -> String {
        let utc = Calendar::of("UTC").unwrap();
        let now = Timestamp::parse_rfc3339(now).unwrap();
        let kind = WindowKind::parse(kind).unwrap();
        let range = kind.current(&utc, now);
        let today = utc.day_of(Timestamp(now.0 - 1));
        match against.days(kind, range, today) {
            Some(r) => format!("{}..{}", Day(r.lo), Day(r.hi)),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn a_running_window_is_compared_with_the_same_part_of_a_quarter_and_of_a_year_ago() {
        let [quarter, year] = Against::FAR;
        let now = "2026-05-31T12:00:00Z";
        for (kind, a_quarter_ago, a_year_ago) in [
            // February has no 31st.
            ("month", "2026-02-01..2026-03-01", "2025-05-01..2025-06-01"),
            ("quarter", "2026-01-01..2026-03-03", "2025-04-01..2025-06-01"),
            ("quarter_to_date", "2026-01-01..2026-03-03", "2025-04-01..2025-06-01"),
            ("year", "none", "2025-01-01..2025-06-01"),
            ("week", "2026-02-23..2026-03-02", "2025-05-26..2025-06-02"),
            ("day", "2026-03-01..2026-03-02", "2025-06-01..2025-06-02"),
            ("rolling_28d", "2026-02-02..2026-03-02", "2025-05-05..2025-06-02"),
            ("rolling_90d", "2025-12-02..2026-03-02", "2025-03-04..2025-06-02"),
            ("rolling_365d", "none", "2024-06-01..2025-06-01"),
            ("rolling_24h", "none", "none"),
        ] {
            let told = (shown(quarter, kind, now), shown(year, kind, now));
            assert_eq!(told, (a_quarter_ago.to_owned(), a_year_ago.to_owned()), "{kind}");
        }
    }

    #[test]
    fn a_month_of_weeks_is_compared_with_the_same_one_of_the_fiscal_year_before() {
        let period = Period::FiscalMonth(Fiscal::CIVIL);
        let start = period.start(Day::parse("2026-08-20").unwrap());
        let year = Against::Year.of(period, start).unwrap();
        assert_eq!(Period::FiscalYear(Fiscal::CIVIL).start(year).to_string(), "2025-01-01");
    }
}
