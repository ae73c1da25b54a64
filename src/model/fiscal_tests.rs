//! Fiscal years against an independent layout with jiff, and against published calendars.

use jiff::civil::{Date, Weekday as JiffWeekday};
use jiff::{Span, ToSpan};
use proptest::prelude::*;

use super::*;
use crate::model::window::Period;

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn jiff_weekday(weekday: Weekday) -> JiffWeekday {
    JiffWeekday::from_monday_zero_offset(weekday as i8).unwrap()
}

/// The end of the year of weeks whose last month lies in `year`, the long way.
fn year_end(fiscal: &Fiscal, year: i16) -> Date {
    let month = if fiscal.first_month == 1 { 12 } else { fiscal.first_month as i8 - 1 };
    let in_month = Date::new(year, month, 1).unwrap();
    match fiscal.end {
        YearEnd::Last(weekday) => in_month.nth_weekday_of_month(-1, jiff_weekday(weekday)).unwrap(),
        YearEnd::Nearest(weekday) => {
            let last = in_month.last_of_month();
            (-3i64..=3)
                .map(|off| last.checked_add(off.days()).unwrap())
                .find(|date| date.weekday() == jiff_weekday(weekday))
                .unwrap()
        }
    }
}

/// The first days of all months, quarters and years from 1990 to 2080, laid out one behind the
/// other.
fn layout(fiscal: &Fiscal) -> [Vec<Date>; 3] {
    let (mut months, mut quarters, mut years) = (vec![], vec![], vec![]);
    let months_of = match fiscal.pattern {
        Pattern::Months => [0; 3],
        Pattern::Weeks445 => [4, 4, 5],
        Pattern::Weeks454 => [4, 5, 4],
        Pattern::Weeks544 => [5, 4, 4],
    };
    for year in 1990i16..2080 {
        let mut at = match fiscal.pattern {
            Pattern::Months => Date::new(year, fiscal.first_month as i8, 1).unwrap(),
            _ => year_end(fiscal, year).tomorrow().unwrap(),
        };
        years.push(at);
        for month in 0..12 {
            if month % 3 == 0 {
                quarters.push(at);
            }
            months.push(at);
            let step: Span = match fiscal.pattern {
                Pattern::Months => 1.month(),
                _ => i64::from(months_of[month % 3]).weeks(),
            };
            at = at.checked_add(step).unwrap();
        }
    }
    [months, quarters, years]
}

fn any_fiscal() -> impl Strategy<Value = Fiscal> {
    (1u8..=12, 0..4usize, 0..7usize, any::<bool>()).prop_map(|(first_month, pattern, day, last)| {
        let weekday = Weekday::ALL[day].0;
        let end = if last { YearEnd::Last(weekday) } else { YearEnd::Nearest(weekday) };
        Fiscal { first_month, pattern: Pattern::ALL[pattern].0, end }
    })
}

proptest! {
    #[test]
    fn agrees_with_a_layout_by_jiff(fiscal in any_fiscal(), n in 8_000i32..39_000) {
        let date = Date::new(1970, 1, 1).unwrap().checked_add(i64::from(n).days()).unwrap();
        let periods =
            [Period::FiscalMonth(fiscal), Period::FiscalQuarter(fiscal), Period::FiscalYear(fiscal)];
        for (period, starts) in periods.into_iter().zip(layout(&fiscal)) {
            let i = starts.partition_point(|start| *start <= date) - 1;
            let start = period.start(Day(n));
            prop_assert_eq!(start.to_string(), starts[i].to_string(), "{:?} of {}", period, date);
            prop_assert_eq!(period.next(start).to_string(), starts[i + 1].to_string());
        }
    }

    #[test]
    fn fiscal_periods_partition_the_days(fiscal in any_fiscal(), day in -20_000i32..84_000) {
        for period in
            [Period::FiscalMonth(fiscal), Period::FiscalQuarter(fiscal), Period::FiscalYear(fiscal)]
        {
            let start = period.start(Day(day));
            let next = period.next(start);
            prop_assert!(start.0 <= day && day < next.0);
            prop_assert_eq!(period.start(next), next);
            prop_assert_eq!(period.start(Day(next.0 - 1)), start);
            prop_assert_eq!(period.previous(next), start);
        }
    }

    #[test]
    fn sunday_weeks_are_those_of_jiff(n in 0i32..40_000) {
        let date = Date::new(1970, 1, 1).unwrap().checked_add(i64::from(n).days()).unwrap();
        let back = i64::from(date.weekday().to_sunday_zero_offset());
        let sunday = date.checked_sub(back.days()).unwrap();
        prop_assert_eq!(Period::SundayWeek.start(Day(n)).to_string(), sunday.to_string());
    }
}

/// The retail calendar of the National Retail Federation: 4-5-4, to the Saturday nearest to the end
/// of January. Its years of 53 weeks are 2006, 2012, 2017 and 2023.
#[test]
fn the_retail_calendar_has_its_long_years() {
    let retail = Fiscal {
        first_month: 2,
        pattern: Pattern::Weeks454,
        end: YearEnd::Nearest(Weekday::Saturday),
    };
    let year = Period::FiscalYear(retail);
    let mut long = Vec::new();
    let mut at = year.start(day("2005-06-01"));
    for number in 2005..=2026 {
        let next = year.next(at);
        if next.0 - at.0 == 53 * 7 {
            long.push(number);
        }
        at = next;
    }
    assert_eq!(long, [2006, 2012, 2017, 2023]);
    let span = |text: &str| {
        let start = year.start(day(text));
        format!("{start}..{}", year.next(start))
    };
    assert_eq!(span("2023-06-01"), "2023-01-29..2024-02-04");
    assert_eq!(span("2024-06-01"), "2024-02-04..2025-02-02");
    assert_eq!(span("2025-06-01"), "2025-02-02..2026-02-01");
    // February of 4 weeks, March of 5, April of 4; the 53rd week makes January one of 5.
    let month = Period::FiscalMonth(retail);
    let starts = |from: &str, n: usize| {
        let mut at = month.start(day(from));
        let mut out = Vec::new();
        for _ in 0..n {
            out.push(at.to_string());
            at = month.next(at);
        }
        out
    };
    assert_eq!(starts("2023-01-29", 4), ["2023-01-29", "2023-02-26", "2023-04-02", "2023-04-30"]);
    assert_eq!(starts("2024-01-01", 2), ["2023-12-31", "2024-02-04"]);
    // A day of the 53rd week is in the last quarter, month and year.
    assert_eq!(Period::FiscalQuarter(retail).start(day("2024-02-03")), day("2023-10-29"));
}

/// A year to the last Saturday of September, 4-4-5: 2023 ran from 2022-09-25 over 53 weeks.
#[test]
fn a_year_may_end_on_the_last_saturday() {
    let fiscal = Fiscal { first_month: 10, pattern: Pattern::Weeks445, ..Fiscal::default() };
    let year = Period::FiscalYear(fiscal);
    let start = year.start(day("2023-01-01"));
    assert_eq!((start, year.next(start)), (day("2022-09-25"), day("2023-10-01")));
    assert_eq!(year.previous(start), day("2021-09-26"));
    assert_eq!(year.next(day("2023-10-01")), day("2024-09-29"));
    let month = Period::FiscalMonth(fiscal);
    assert_eq!(month.next(day("2022-09-25")), day("2022-10-23"));
    // The last month of the long year: 5 weeks and the 53rd.
    assert_eq!(month.start(day("2023-09-30")), day("2023-08-20"));
}

#[test]
fn a_year_of_months_begins_with_the_declared_one() {
    let april = Fiscal { first_month: 4, ..Fiscal::default() };
    let start = |period: Period, text: &str| period.start(day(text)).to_string();
    assert_eq!(start(Period::FiscalYear(april), "2026-03-31"), "2025-04-01");
    assert_eq!(start(Period::FiscalQuarter(april), "2026-03-31"), "2026-01-01");
    assert_eq!(start(Period::FiscalQuarter(april), "2026-04-01"), "2026-04-01");
    assert_eq!(start(Period::FiscalMonth(april), "2026-03-31"), "2026-03-01");
    // From December on, a quarter straddles the new year.
    let december = Fiscal { first_month: 12, ..Fiscal::default() };
    assert_eq!(start(Period::FiscalQuarter(december), "2026-02-28"), "2025-12-01");
    // From January on, all are those of the civil calendar.
    for n in (0..40_000).step_by(11).map(Day) {
        let civil = Fiscal::default();
        assert_eq!(Period::FiscalYear(civil).start(n), Period::Year.start(n));
        assert_eq!(Period::FiscalQuarter(civil).start(n), Period::Quarter.start(n));
    }
}
