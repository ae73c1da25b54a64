//! Windows: half-open intervals `[start, end)` that numbers are published for. All window
//! arithmetic lives here.

use chrono::Datelike;
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::fiscal::{Fiscal, Weekday};
use super::slice::{FINE, Slice, Tier};
use super::time::{Day, Timestamp};

/// A calendar period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Period {
    /// Civil day.
    Day,
    /// ISO 8601 week, from Monday.
    Week,
    /// Month.
    Month,
    /// Quarter of the calendar year.
    Quarter,
    /// Calendar year.
    Year,
    /// Week from Sunday.
    SundayWeek,
    /// Month of a fiscal year.
    FiscalMonth(Fiscal),
    /// Quarter of a fiscal year.
    FiscalQuarter(Fiscal),
    /// Fiscal year.
    FiscalYear(Fiscal),
}

impl Period {
    /// All periods with their names; fiscal ones of the default calendar.
    pub const ALL: [(Period, &'static str); 9] = [
        (Period::Day, "day"),
        (Period::Week, "week"),
        (Period::Month, "month"),
        (Period::Quarter, "quarter"),
        (Period::Year, "year"),
        (Period::SundayWeek, "sunday_week"),
        (Period::FiscalMonth(Fiscal::CIVIL), "fiscal_month"),
        (Period::FiscalQuarter(Fiscal::CIVIL), "fiscal_quarter"),
        (Period::FiscalYear(Fiscal::CIVIL), "fiscal_year"),
    ];

    /// The name in configs, rows and labels.
    pub fn as_str(self) -> &'static str {
        let plain = self.of_fiscal(Fiscal::CIVIL);
        Self::ALL.iter().find(|(period, _)| *period == plain).map_or("", |(_, name)| name)
    }

    /// From its name. Which fiscal calendar is meant the name does not say: see
    /// [`Period::of_fiscal`]. To name a window, any will do.
    pub fn parse(text: &str) -> Option<Period> {
        Self::ALL.iter().find(|(_, n)| *n == text).map(|(p, _)| *p)
    }

    /// The same period, of this fiscal calendar where it is a fiscal one.
    pub fn of_fiscal(self, fiscal: Fiscal) -> Period {
        match self {
            Period::FiscalMonth(_) => Period::FiscalMonth(fiscal),
            Period::FiscalQuarter(_) => Period::FiscalQuarter(fiscal),
            Period::FiscalYear(_) => Period::FiscalYear(fiscal),
            civil => civil,
        }
    }

    /// Most days that two of them in a row have.
    pub fn longest_pair(self) -> u32 {
        match self {
            Period::Day => 2,
            Period::Week | Period::SundayWeek => 14,
            Period::Month => 62,
            Period::Quarter => 184,
            Period::Year => 732,
            // Of weeks: 5 and the 53rd behind one of 5, 13 weeks before 14, 52 before 53.
            Period::FiscalMonth(_) => 77,
            Period::FiscalQuarter(_) => 189,
            Period::FiscalYear(_) => 735,
        }
    }

    /// The first day of the period that holds `day`.
    pub fn start(self, day: Day) -> Day {
        let date = day.date();
        let first = |month: u32| {
            Day::from_date(date.with_day(1).and_then(|d| d.with_month(month)).unwrap_or(date))
        };
        match self {
            Period::Day => day,
            // 1970-01-01 was a Thursday, so day −3 was a Monday.
            Period::Week => Day((day.0 + 3).div_euclid(7) * 7 - 3),
            Period::Month => first(date.month()),
            Period::Quarter => first((date.month0() / 3) * 3 + 1),
            Period::Year => first(1),
            Period::SundayWeek => Weekday::Sunday.at_or_before(day),
            Period::FiscalMonth(fiscal) => fiscal.month_start(day),
            Period::FiscalQuarter(fiscal) => fiscal.quarter_start(day),
            Period::FiscalYear(fiscal) => fiscal.year_start(day),
        }
    }

    /// The first day of the next period; `start` is the first day of one.
    pub fn next(self, start: Day) -> Day {
        // Far enough to be in the next period, near enough not to skip one.
        let step = match self {
            Period::Day => return Day(start.0 + 1),
            Period::Week | Period::SundayWeek => return Day(start.0 + 7),
            Period::Month => 31,
            Period::Quarter => 92,
            Period::Year => 366,
            // Months of weeks have 28 to 42 days.
            Period::FiscalMonth(_) => 42,
            Period::FiscalQuarter(_) => 98,
            Period::FiscalYear(_) => 371,
        };
        self.start(Day(start.0 + step))
    }

    /// How many periods lie between the one that begins on `from` and a later one.
    pub fn between(self, from: Day, start: Day) -> u32 {
        let days = i64::from(start.0) - i64::from(from.0);
        // Periods in 400 years of 146,097 days. No start is half a period away from its mean.
        let many = match self {
            Period::Day => 146_097,
            Period::Week | Period::SundayWeek => 20_871,
            Period::Month | Period::FiscalMonth(_) => 4_800,
            Period::Quarter | Period::FiscalQuarter(_) => 1_600,
            Period::Year | Period::FiscalYear(_) => 400,
        };
        u32::try_from((days * many * 2 + 146_097).div_euclid(146_097 * 2)).unwrap_or(0)
    }

    /// The first day of the period before; `start` is the first day of one.
    pub fn previous(self, start: Day) -> Day {
        self.start(Day(start.0 - 1))
    }
}

/// A kind of window, as the config names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WindowKind {
    /// A whole calendar period.
    Calendar(Period),
    /// The running period from its first day to now.
    ToDate(Period),
    /// The last `n` fine slices, up to 7 days.
    RollingFine(u32),
    /// The last `n` civil days, today included.
    RollingDays(u32),
}

/// Longest rolling window on the fine tier, in fine slices: 7 days.
const FINE_LIMIT: u32 = 7 * 24 * 12;

impl WindowKind {
    /// A rolling window of `minutes`: on the fine tier up to 7 days, on the day tier beyond.
    /// `None` where it is no multiple of 5 minutes (or of a day, beyond 7 days), or zero.
    pub fn rolling(minutes: u32) -> Option<WindowKind> {
        let fine = minutes / 5;
        if minutes == 0 || !minutes.is_multiple_of(5) {
            None
        } else if fine <= FINE_LIMIT {
            Some(WindowKind::RollingFine(fine))
        } else if minutes.is_multiple_of(24 * 60) {
            Some(WindowKind::RollingDays(minutes / (24 * 60)))
        } else {
            None
        }
    }

    /// The name in rows and labels: `month`, `month_to_date`, `rolling_28d`, `rolling_24h`.
    pub fn name(self) -> String {
        match self {
            WindowKind::Calendar(p) => p.as_str().to_owned(),
            WindowKind::ToDate(p) => format!("{}_to_date", p.as_str()),
            WindowKind::RollingDays(n) => format!("rolling_{n}d"),
            WindowKind::RollingFine(n) => match n * 5 {
                m if m % (24 * 60) == 0 && m > 24 * 60 => format!("rolling_{}d", m / (24 * 60)),
                m if m % 60 == 0 => format!("rolling_{}h", m / 60),
                m => format!("rolling_{m}m"),
            },
        }
    }

    /// From the name in rows and labels.
    pub fn parse(name: &str) -> Option<WindowKind> {
        if let Some(rest) = name.strip_prefix("rolling_") {
            let unit = [('m', 1), ('h', 60), ('d', 24 * 60)].into_iter();
            let minutes = unit.filter_map(|(unit, minutes)| {
                rest.strip_suffix(unit)?.parse::<u32>().ok()?.checked_mul(minutes)
            });
            // A length has one name only.
            return minutes.filter_map(WindowKind::rolling).find(|kind| kind.name() == name);
        }
        match name.strip_suffix("_to_date") {
            Some(period) => Period::parse(period).map(WindowKind::ToDate),
            None => Period::parse(name).map(WindowKind::Calendar),
        }
    }

    /// The slices of the window that is current at `now`. The end is the end of the slice in
    /// progress, so a `now` on a boundary names the window just finished.
    pub fn current(self, calendar: &Calendar, now: Timestamp) -> SliceRange {
        let last = Timestamp(now.0 - 1);
        let today = calendar.day_of(last);
        match self {
            WindowKind::Calendar(p) => {
                let start = p.start(today);
                SliceRange::days(start, p.next(start))
            }
            WindowKind::ToDate(p) => SliceRange::days(p.start(today), Day(today.0 + 1)),
            WindowKind::RollingDays(n) => {
                SliceRange::days(Day(today.0 + 1 - n as i32), Day(today.0 + 1))
            }
            WindowKind::RollingFine(n) => {
                let hi = Slice::fine(last).index + 1;
                SliceRange { tier: Tier::Fine, lo: hi - n as i32, hi }
            }
        }
    }

    /// What the current window is compared with: the same elapsed part of the one before.
    pub fn compared(self, calendar: &Calendar, now: Timestamp) -> SliceRange {
        let last = Timestamp(now.0 - 1);
        match self {
            WindowKind::Calendar(p) | WindowKind::ToDate(p) => {
                let today = calendar.day_of(last);
                let start = p.start(today);
                let before = p.previous(start);
                let elapsed = today.0 + 1 - start.0;
                SliceRange::days(before, Day((before.0 + elapsed).min(start.0)))
            }
            WindowKind::RollingDays(_) | WindowKind::RollingFine(_) => {
                let SliceRange { tier, lo, hi } = self.current(calendar, now);
                SliceRange { tier, lo: lo - (hi - lo), hi: lo }
            }
        }
    }
}

/// A run of slices `lo..hi` of one tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceRange {
    /// Tier.
    pub tier: Tier,
    /// First slice.
    pub lo: i32,
    /// One past the last slice.
    pub hi: i32,
}

impl SliceRange {
    /// The days `from..to`.
    pub fn days(from: Day, to: Day) -> SliceRange {
        SliceRange { tier: Tier::Day, lo: from.0, hi: to.0 }
    }

    /// Whether the slice is one of them.
    pub fn contains(&self, slice: Slice) -> bool {
        slice.tier == self.tier && (self.lo..self.hi).contains(&slice.index)
    }

    /// First instant.
    pub fn start(&self, calendar: &Calendar) -> Timestamp {
        Slice { tier: self.tier, index: self.lo }.start(calendar)
    }

    /// First instant after it.
    pub fn end(&self, calendar: &Calendar) -> Timestamp {
        Slice { tier: self.tier, index: self.hi }.start(calendar)
    }
}

/// Minutes in a fine slice, for messages.
pub const FINE_MINUTES: i64 = FINE.0 / 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn periods_partition_the_days(day in -20_000i32..84_000) {
            for (period, _) in Period::ALL {
                let start = period.start(Day(day));
                let next = period.next(start);
                prop_assert!(start.0 <= day && day < next.0);
                prop_assert_eq!(period.start(next), next);
                prop_assert_eq!(period.start(Day(next.0 - 1)), start);
                prop_assert_eq!(period.previous(next), start);
            }
        }

        #[test]
        fn weeks_are_iso_weeks(day in -20_000i32..84_000) {
            let monday = Period::Week.start(Day(day));
            prop_assert_eq!(monday.date().weekday(), chrono::Weekday::Mon);
            prop_assert_eq!(monday.date().iso_week(), Day(day).date().iso_week());
        }

        #[test]
        fn calendar_windows_partition_time(second in 86_400i64 * 800..4_000_000_000, zone in 0..3usize) {
            let calendar = Calendar::of(["UTC", "Europe/Berlin", "America/Vancouver"][zone]).unwrap();
            let at = Timestamp(second * 1_000_000);
            for (period, _) in Period::ALL {
                let range = WindowKind::Calendar(period).current(&calendar, Timestamp(at.0 + 1));
                prop_assert!(range.start(&calendar) <= at && at < range.end(&calendar));
            }
        }
    }

    #[test]
    fn rolling_windows_take_the_tier_that_holds_them() {
        assert_eq!(WindowKind::rolling(24 * 60).unwrap().name(), "rolling_24h");
        assert_eq!(WindowKind::rolling(7 * 24 * 60), Some(WindowKind::RollingFine(2016)));
        assert_eq!(WindowKind::rolling(7 * 24 * 60).unwrap().name(), "rolling_7d");
        assert_eq!(WindowKind::rolling(28 * 24 * 60), Some(WindowKind::RollingDays(28)));
        assert_eq!(WindowKind::rolling(90).unwrap().name(), "rolling_90m");
        assert_eq!(WindowKind::rolling(7), None);
        assert_eq!(WindowKind::rolling(8 * 24 * 60 + 60), None);
    }

    #[test]
    fn kinds_are_read_back_by_their_names() {
        let names = "day week month quarter year sunday_week fiscal_month fiscal_quarter fiscal_year \
                     fiscal_year_to_date month_to_date year_to_date rolling_90m rolling_24h \
                     rolling_7d rolling_28d rolling_365d";
        for name in names.split_whitespace() {
            assert_eq!(WindowKind::parse(name).map(WindowKind::name).as_deref(), Some(name));
        }
        for name in ["", "mnoth", "rolling_", "rolling_1d", "rolling_60m", "rolling_4294967295d"] {
            assert_eq!(WindowKind::parse(name), None, "{name}");
        }
        assert_eq!(WindowKind::parse("rolling_0d"), None);
    }

    #[test]
    fn a_running_period_is_compared_with_the_same_elapsed_part() {
        let utc = Calendar::of("UTC").unwrap();
        let now = Timestamp::parse_rfc3339("2026-03-31T12:00:00Z").unwrap();
        let month = WindowKind::Calendar(Period::Month);
        let shown = |r: SliceRange| format!("{}..{}", Day(r.lo), Day(r.hi));
        assert_eq!(shown(month.current(&utc, now)), "2026-03-01..2026-04-01");
        // February has no 31st: the whole month is compared.
        assert_eq!(shown(month.compared(&utc, now)), "2026-02-01..2026-03-01");
        let rolling = WindowKind::RollingDays(28);
        assert_eq!(shown(rolling.current(&utc, now)), "2026-03-04..2026-04-01");
        assert_eq!(shown(rolling.compared(&utc, now)), "2026-02-04..2026-03-04");
        let early = Timestamp::parse_rfc3339("2026-03-02T00:00:00Z").unwrap();
        assert_eq!(shown(month.compared(&utc, early)), "2026-02-01..2026-02-02");
    }
}
