//! Fiscal years: of months from a declared first one, or of 52 and 53 whole weeks (4-4-5 and its
//! kin) that end by a declared rule.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use super::time::Day;

/// A day of the week; `Monday as u8` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Weekday {
    /// All of them with their names, from Monday.
    pub const ALL: [(Weekday, &'static str); 7] = [
        (Weekday::Monday, "monday"),
        (Weekday::Tuesday, "tuesday"),
        (Weekday::Wednesday, "wednesday"),
        (Weekday::Thursday, "thursday"),
        (Weekday::Friday, "friday"),
        (Weekday::Saturday, "saturday"),
        (Weekday::Sunday, "sunday"),
    ];

    /// The weekday of a day. 1970-01-01 was a Thursday.
    pub fn of(day: Day) -> Weekday {
        Self::ALL[(i64::from(day.0) + 3).rem_euclid(7) as usize].0
    }

    /// From its name.
    pub fn parse(text: &str) -> Option<Weekday> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(day, _)| *day)
    }

    /// The last one at or before a day.
    pub fn at_or_before(self, day: Day) -> Day {
        let back = (Weekday::of(day) as i32 - self as i32).rem_euclid(7);
        Day(day.0 - back)
    }
}

/// How a fiscal year is parted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum Pattern {
    /// Twelve months.
    #[default]
    Months,
    /// Quarters of 4, 4 and 5 weeks.
    Weeks445,
    /// Quarters of 4, 5 and 4 weeks.
    Weeks454,
    /// Quarters of 5, 4 and 4 weeks.
    Weeks544,
}

impl Pattern {
    /// All of them with their names.
    pub const ALL: [(Pattern, &'static str); 4] = [
        (Pattern::Months, "months"),
        (Pattern::Weeks445, "4-4-5"),
        (Pattern::Weeks454, "4-5-4"),
        (Pattern::Weeks544, "5-4-4"),
    ];

    /// From its name.
    pub fn parse(text: &str) -> Option<Pattern> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(pattern, _)| *pattern)
    }

    /// In how many weeks of the quarter its second and its third month begin; `None` for months.
    fn weeks(self) -> Option<[i32; 2]> {
        match self {
            Pattern::Months => None,
            Pattern::Weeks445 => Some([4, 8]),
            Pattern::Weeks454 => Some([4, 9]),
            Pattern::Weeks544 => Some([5, 9]),
        }
    }
}

/// On which day a year of weeks ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum YearEnd {
    /// The last such weekday of the year's last month.
    Last(Weekday),
    /// The one nearest to the last day of that month: up to three days behind it.
    Nearest(Weekday),
}

/// A fiscal calendar.
///
/// ```
/// # use tidemark::model::fiscal::Fiscal;
/// # use tidemark::model::time::Day;
/// let from_april = Fiscal { first_month: 4, ..Fiscal::default() };
/// let day = Day::parse("2026-03-31").unwrap();
/// assert_eq!(from_april.year_start(day), Day::parse("2025-04-01").unwrap());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fiscal {
    /// The month that the year begins with, 1 to 12; a year of weeks begins near it.
    pub first_month: u8,
    /// How the year is parted.
    pub pattern: Pattern,
    /// How a year of weeks ends.
    pub end: YearEnd,
}

impl Default for Fiscal {
    fn default() -> Fiscal {
        Fiscal::CIVIL
    }
}

/// Weeks in a quarter; the fourth of a long year has one more.
const QUARTER_WEEKS: i32 = 13;

impl Fiscal {
    /// Months from January: the civil year.
    pub const CIVIL: Fiscal =
        Fiscal { first_month: 1, pattern: Pattern::Months, end: YearEnd::Last(Weekday::Saturday) };

    /// The first day of the fiscal year that holds `day`.
    pub fn year_start(&self, day: Day) -> Day {
        let year = day.date().year();
        if self.pattern == Pattern::Months {
            let first = self.first_of_months(year);
            return if first <= day { first } else { self.first_of_months(year - 1) };
        }
        // A year of weeks begins at most a week before its month and three days behind it.
        let starts = [year + 1, year, year - 1].map(|year| self.first_of_weeks(year));
        starts.into_iter().find(|start| *start <= day).unwrap_or(day)
    }

    fn first_of_months(&self, year: i32) -> Day {
        let date = NaiveDate::from_ymd_opt(year, u32::from(self.first_month), 1);
        Day::from_date(date.unwrap_or(NaiveDate::MIN))
    }

    /// The day behind the end of the year of weeks that ends before `first_month` of `year`.
    fn first_of_weeks(&self, year: i32) -> Day {
        let last = Day(self.first_of_months(year).0 - 1);
        let end = match self.end {
            YearEnd::Last(weekday) => weekday.at_or_before(last),
            YearEnd::Nearest(weekday) => weekday.at_or_before(Day(last.0 + 3)),
        };
        Day(end.0 + 1)
    }

    /// The first day of the fiscal quarter that holds `day`.
    pub fn quarter_start(&self, day: Day) -> Day {
        let year = self.year_start(day);
        match self.pattern {
            Pattern::Months => months_behind(year, months_between(year, day) / 3 * 3),
            _ => Day(year.0 + quarter_of(year, day) * QUARTER_WEEKS * 7),
        }
    }

    /// The first day of the fiscal month that holds `day`.
    pub fn month_start(&self, day: Day) -> Day {
        let Some(cuts) = self.pattern.weeks() else {
            return months_behind(day, 0);
        };
        let quarter = self.quarter_start(day);
        let week = (day.0 - quarter.0) / 7;
        let first = cuts.into_iter().rfind(|cut| *cut <= week).unwrap_or(0);
        Day(quarter.0 + first * 7)
    }
}

/// The quarter of a year of weeks, 0 to 3: the 53rd week belongs to the last one.
fn quarter_of(year: Day, day: Day) -> i32 {
    ((day.0 - year.0) / 7 / QUARTER_WEEKS).min(3)
}

fn months_between(from: Day, to: Day) -> i32 {
    let (from, to) = (from.date(), to.date());
    (to.year() - from.year()) * 12 + to.month0() as i32 - from.month0() as i32
}

/// The first day of the month that is so many months behind that of `day`.
fn months_behind(day: Day, months: i32) -> Day {
    let date = day.date();
    let month = date.year() * 12 + date.month0() as i32 + months;
    let first = NaiveDate::from_ymd_opt(month.div_euclid(12), month.rem_euclid(12) as u32 + 1, 1);
    Day::from_date(first.unwrap_or(date))
}

#[cfg(test)]
#[path = "fiscal_tests.rs"]
mod tests;
