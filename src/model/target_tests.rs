//! Targets by hand, and the laws of their steps.

use proptest::prelude::*;

use super::*;
use crate::model::definition::{Directory, DirectoryEntry};
use crate::model::fiscal::{Fiscal, Pattern, Weekday, YearEnd};
use crate::model::workdays::WorkCalendars;

pub(super) fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

pub(super) fn goal(value: i128, holds: Holds) -> Goal {
    Goal {
        aim: Aim::Target,
        kpi: "revenue".to_owned(),
        accrues: true,
        ripens: false,
        holds,
        value: Exact::whole(value),
        growth: Exact(0),
        valid_from: None,
        owner: None,
        note: None,
        stated: Stated::default(),
    }
}

fn rep(name: &str) -> Segment {
    Segment::of([("rep", name)])
}

fn targets(goals: Vec<(Scope, Goal)>) -> Targets {
    let mut out = Targets { steps: true, ..Targets::default() };
    goals.into_iter().for_each(|(scope, goal)| out.insert(scope, goal));
    out
}

fn of(name: &str) -> Scope {
    Scope::Of(rep(name))
}

/// How a rep's revenue of `won` stands in a window that begins on `start`.
fn stands(
    targets: &Targets,
    rep_of: &str,
    kind: WindowKind,
    dates: (&str, &str),
    won: i128,
) -> Vec<Standing> {
    let (work, directory) = (WorkCalendars::default(), Directory::default());
    let segment = rep(rep_of);
    let stand = Stand {
        segment: &segment,
        kind,
        start: day(dates.0),
        today: day(dates.1),
        work: work.of(&segment, &directory),
    };
    let value = KpiValue { value: Some(Number::Exact(Exact::whole(won))), ..KpiValue::default() };
    targets.stand(&stand, &[("revenue".into(), Unit::Money, value)])
}

const MONTH: WindowKind = WindowKind::Calendar(Period::Month);

#[test]
fn a_month_in_progress_by_hand() {
    let all = targets(vec![(of("r-1"), goal(21_000, Holds::Every(Period::Month)))]);
    // May 2026: 21 working days; to Friday the 15th 11 of them, and 11 with it from there on.
    let found = stands(&all, "r-1", MONTH, ("2026-05-01", "2026-05-15"), 8_800);
    let [found] = &found[..] else { panic!("one target") };
    assert_eq!(found.days, Some(WorkingDays { total: 21, elapsed: 11, remaining: 11 }));
    assert_eq!(found.attainment, Some(8_800.0 / 21_000.0));
    assert_eq!(found.gap, Some(Number::Exact(Exact::whole(-12_200))));
    assert!((found.pace.unwrap() - 0.8).abs() < 1e-12);
    assert_eq!(found.required_per_day, Some(12_200.0 / 11.0));
    // A running month to date is a part of the same month.
    let to_date = WindowKind::ToDate(Period::Month);
    assert_eq!(&stands(&all, "r-1", to_date, ("2026-05-01", "2026-05-15"), 8_800)[0], found);
    // A month that ended has no day left, and its pace is its attainment.
    let over = &stands(&all, "r-1", MONTH, ("2026-04-01", "2026-05-15"), 42_000)[0];
    assert_eq!((over.pace, over.attainment, over.required_per_day), (Some(2.0), Some(2.0), None));
    // Reached: nothing is missing.
    let reached = &stands(&all, "r-1", MONTH, ("2026-05-01", "2026-05-15"), 22_000)[0];
    assert_eq!(reached.required_per_day, Some(0.0));
    assert_eq!(stands(&all, "r-2", MONTH, ("2026-05-01", "2026-05-15"), 1), []);
}

#[test]
fn before_the_first_working_day_there_is_no_pace() {
    let all = targets(vec![(of("r-1"), goal(100, Holds::Every(Period::Month)))]);
    // August 2026 begins on a Saturday.
    let found = &stands(&all, "r-1", MONTH, ("2026-08-01", "2026-08-02"), 5)[0];
    assert_eq!((found.pace, found.attainment), (None, Some(0.05)));
    // A target of zero: nothing is divided by it.
    let zero = targets(vec![(of("r-1"), goal(0, Holds::Every(Period::Month)))]);
    let found = &stands(&zero, "r-1", MONTH, ("2026-05-01", "2026-05-15"), 5)[0];
    assert_eq!((found.attainment, found.pace), (None, None));
    assert_eq!(found.gap, Some(Number::Exact(Exact::whole(5))));
}

#[test]
fn the_newest_revision_that_is_valid_decides() {
    let may = Holds::Once(Period::Month, day("2026-05-01"));
    let revised = |value, from| Goal { valid_from: Some(day(from)), ..goal(value, may) };
    let all = targets(vec![
        (of("r-1"), revised(300, "2026-05-20")),
        (of("r-1"), goal(100, may)),
        (of("r-1"), revised(200, "2026-05-10")),
        (of("r-1"), revised(900, "2026-06-03")),
    ]);
    let on = |today| stands(&all, "r-1", MONTH, ("2026-05-01", today), 1)[0].value;
    assert_eq!(on("2026-05-09"), Exact::whole(100));
    assert_eq!(on("2026-05-10"), Exact::whole(200));
    assert_eq!(on("2026-05-31"), Exact::whole(300));
    // A month that ended stays measured by what held on its last day.
    assert_eq!(on("2026-07-01"), Exact::whole(300));
    assert_eq!(stands(&all, "r-1", MONTH, ("2026-06-01", "2026-06-05"), 1), []);
}

#[test]
fn the_most_special_target_decides() {
    let each = Scope::Each("rep".to_owned());
    let all = targets(vec![
        (each, goal(100, Holds::Every(Period::Month))),
        (of("r-1"), goal(200, Holds::From(Period::Month, day("2026-04-01")))),
        (of("r-1"), goal(250, Holds::From(Period::Month, day("2026-05-01")))),
        (of("r-1"), goal(300, Holds::Once(Period::Month, day("2026-06-01")))),
    ]);
    let of = |rep, start, today| {
        stands(&all, rep, MONTH, (start, today), 1).first().map(|found| found.value)
    };
    assert_eq!(of("r-2", "2026-05-01", "2026-05-04"), Some(Exact::whole(100)));
    assert_eq!(of("r-1", "2026-03-01", "2026-03-04"), Some(Exact::whole(100)));
    assert_eq!(of("r-1", "2026-04-01", "2026-04-04"), Some(Exact::whole(200)));
    assert_eq!(of("r-1", "2026-05-01", "2026-05-04"), Some(Exact::whole(250)));
    assert_eq!(of("r-1", "2026-06-01", "2026-06-04"), Some(Exact::whole(300)));
    assert_eq!(of("unknown", "2026-05-01", "2026-05-04"), None);
}

#[test]
fn a_target_grows_with_its_periods() {
    let growing = Goal {
        growth: Exact(EXACT_ONE / 10),
        ..goal(1000, Holds::From(Period::Quarter, day("2026-01-01")))
    };
    let all = targets(vec![(of("r-1"), growing)]);
    let quarter = WindowKind::Calendar(Period::Quarter);
    let in_quarter = |start| stands(&all, "r-1", quarter, (start, start), 1)[0].value;
    assert_eq!(in_quarter("2026-01-01"), Exact::whole(1000));
    assert_eq!(in_quarter("2026-04-01"), Exact::whole(1100));
    assert_eq!(in_quarter("2027-01-01").to_string(), "1464.1");
    // Beyond all numbers there is none.
    let wild = Goal {
        growth: Exact::whole(10),
        ..goal(1000, Holds::From(Period::Day, day("1970-01-01")))
    };
    let wild = targets(vec![(of("r-1"), wild)]);
    let of_day = WindowKind::Calendar(Period::Day);
    assert_eq!(stands(&wild, "r-1", of_day, ("2190-01-01", "2190-01-01"), 1), []);
}

#[test]
fn steps_follow_the_working_days() {
    let all = targets(vec![(of("r-1"), goal(2_100, Holds::Every(Period::Month)))]);
    let step = |kind, start| {
        let found = stands(&all, "r-1", WindowKind::Calendar(kind), (start, start), 1);
        found.first().map(|f| (f.value.to_string(), f.step_of))
    };
    // May 2026 has 21 working days: 100 each.
    let of_month = |text: &str| Some((text.to_owned(), Some(Period::Month)));
    assert_eq!(step(Period::Day, "2026-05-04"), of_month("100"));
    assert_eq!(step(Period::Day, "2026-05-03"), of_month("0"));
    assert_eq!(step(Period::Week, "2026-05-04"), of_month("500"));
    // The week of June 1st lies in June, which has 22; that of April 27th in two months.
    assert_eq!(step(Period::Week, "2026-04-27"), of_month("481.818181818181"));
    // A longer window is not summed up from shorter targets.
    assert_eq!(step(Period::Quarter, "2026-04-01"), None);
    let plain = Targets { steps: false, ..all.clone() };
    let week = WindowKind::Calendar(Period::Week);
    assert_eq!(stands(&plain, "r-1", week, ("2026-05-04", "2026-05-04"), 1), []);
}

#[test]
fn a_benchmark_is_compared_with_and_never_paced() {
    let benchmark = Goal {
        aim: Aim::Benchmark,
        kpi: "win_rate".to_owned(),
        accrues: false,
        value: Exact(EXACT_ONE / 4),
        ..goal(0, Holds::Anywhere)
    };
    let all = targets(vec![(Scope::Each("rep".to_owned()), benchmark)]);
    let (work, directory) = (WorkCalendars::default(), Directory::default());
    let segment = rep("r-1");
    let kind = WindowKind::RollingDays(28);
    let stand = Stand {
        segment: &segment,
        kind,
        start: day("2026-05-01"),
        today: day("2026-05-28"),
        work: work.of(&segment, &directory),
    };
    let value = KpiValue { value: Some(Number::Float(0.75)), ..KpiValue::default() };
    let found = all.stand(&stand, &[("win_rate".into(), Unit::Ratio, value)]);
    assert_eq!(
        standings_json(&found),
        ",\"benchmarks\":{\"win_rate\":{\"benchmark\":0.25,\"gap\":0.5,\"share\":3.0}}"
    );
    let absent = all.stand(&stand, &[("win_rate".into(), Unit::Ratio, KpiValue::default())]);
    assert_eq!(
        standings_json(&absent),
        ",\"benchmarks\":{\"win_rate\":{\"benchmark\":0.25,\"gap\":null,\"share\":null}}"
    );
    assert_eq!(standings_json(&[]), "");
}

#[test]
fn a_target_is_stale_when_its_last_period_ended() {
    let once = |start| goal(1, Holds::Once(Period::Month, day(start)));
    let all = targets(vec![
        (of("r-1"), once("2026-04-01")),
        (of("r-1"), once("2026-05-01")),
        (of("r-2"), once("2026-05-01")),
        (of("r-2"), goal(1, Holds::From(Period::Month, day("2026-01-01")))),
    ]);
    assert_eq!(all.stale(day("2026-05-31")), []);
    let stale = all.stale(day("2026-06-01"));
    let expected = Stale {
        scope: "rep=r-1".to_owned(),
        kpi: "revenue".to_owned(),
        period: Period::Month,
        since: day("2026-06-01"),
        stated: Stated::default(),
    };
    assert_eq!(stale, [expected]);
}

#[test]
fn a_target_is_stale_in_a_gap_and_not_where_another_covers() {
    let once = |start| goal(1, Holds::Once(Period::Month, day(start)));
    let since = |all: &Targets, today| {
        let stale = all.stale(day(today)).into_iter();
        stale.map(|s| format!("{} {}", s.scope, s.since)).collect::<Vec<_>>()
    };
    // June has none, though July has.
    let gap = vec![(of("r-1"), once("2026-05-01")), (of("r-1"), once("2026-07-01"))];
    let all = targets(gap.clone());
    assert!(since(&all, "2026-04-30").is_empty(), "it has not begun");
    assert_eq!(since(&all, "2026-06-15"), ["rep=r-1 2026-06-01"]);
    assert!(since(&all, "2026-07-01").is_empty());
    // One for each rep, or a quarter that June is a step of.
    for (scope, holds) in [
        (Scope::Each("rep".to_owned()), Holds::Every(Period::Month)),
        (of("r-1"), Holds::Every(Period::Quarter)),
    ] {
        let with = |goal| targets([gap.clone(), vec![(scope.clone(), goal)]].concat());
        assert!(since(&with(goal(9, holds)), "2026-06-15").is_empty(), "{holds:?}");
        let later = Goal { valid_from: Some(day("2026-06-20")), ..goal(9, holds) };
        assert_eq!(since(&with(later), "2026-06-15"), ["rep=r-1 2026-06-01"]);
    }
    let quarter = (of("r-1"), goal(9, Holds::Every(Period::Quarter)));
    let whole = Targets { steps: false, ..targets([gap, vec![quarter]].concat()) };
    assert_eq!(since(&whole, "2026-06-15"), ["rep=r-1 2026-06-01"]);
}

#[test]
fn a_revision_leaves_the_steps_that_are_over() {
    let may = Holds::Once(Period::Month, day("2026-05-01"));
    let revised = Goal { valid_from: Some(day("2026-05-11")), ..goal(4_200, may) };
    let all = targets(vec![(of("r-1"), goal(2_100, may)), (of("r-1"), revised)]);
    let step = |start, today| {
        stands(&all, "r-1", WindowKind::Calendar(Period::Week), (start, today), 1)[0].value
    };
    assert_eq!(step("2026-05-04", "2026-05-10"), Exact::whole(500));
    assert_eq!(step("2026-05-04", "2026-05-15"), Exact::whole(500));
    assert_eq!(step("2026-05-11", "2026-05-15"), Exact::whole(1_000));
}

#[test]
fn a_rep_who_moved_works_by_the_calendar_of_the_moment() {
    let all = targets(vec![(of("r-1"), goal(2_100, Holds::Every(Period::Month)))]);
    let mut work = WorkCalendars::default();
    work.territories.insert("South".to_owned(), WorkCalendar::new(&[Weekday::Monday], []));
    let territory = [("territory".to_owned(), "South".to_owned())];
    let moves = [(day("2026-05-10"), territory.into())].into();
    let mut directory = Directory::default();
    directory.reps.insert("r-1".to_owned(), DirectoryEntry { moves, ..Default::default() });
    let segment = rep("r-1");
    let total = |start, today| {
        let work = work.of(&segment, &directory);
        let (start, today) = (day(start), day(today));
        let stand = Stand { segment: &segment, kind: MONTH, start, today, work };
        let found = all.stand(&stand, &[("revenue".into(), Unit::Money, KpiValue::default())]);
        found[0].days.unwrap().total
    };
    assert_eq!(total("2026-05-01", "2026-05-09"), 21);
    assert_eq!(total("2026-05-01", "2026-05-10"), 4);
    // April ended before the move.
    assert_eq!(total("2026-04-01", "2026-05-15"), 22);
}

proptest! {
    /// What the days of a month are to reach is what the month is to reach.
    #[test]
    fn steps_sum_to_the_whole(month in 0i32..600, value in 1i128..1_000_000, weekly in any::<bool>()) {
        let start = (0..month).fold(day("1990-01-01"), |at, _| Period::Month.next(at));
        let end = Period::Month.next(start);
        let all = targets(vec![(of("r-1"), goal(value, Holds::Every(Period::Quarter)))]);
        let quarter = Period::Quarter.start(start);
        let kind = if weekly { Period::Month } else { Period::Day };
        let (mut at, mut sum) = (quarter, 0);
        while at < Period::Quarter.next(quarter) {
            let text = at.to_string();
            sum += stands(&all, "r-1", WindowKind::Calendar(kind), (&text, &text), 0)[0].value.0;
            at = kind.next(at);
        }
        prop_assert!((sum - Exact::whole(value).0).abs() <= 92, "{} {}", sum, end);
    }

    #[test]
    fn periods_are_counted_as_they_follow(first in 1u8..=12, pattern in 0..4usize, n in 0u32..700, from in 8_000i32..20_000) {
        let fiscal = Fiscal {
            first_month: first,
            pattern: Pattern::ALL[pattern].0,
            end: YearEnd::Nearest(Weekday::Saturday),
        };
        for (period, _) in Period::ALL {
            let period = period.of_fiscal(fiscal);
            let n = if period.longest_pair() > 100 { n / 8 } else { n };
            let start = period.start(Day(from));
            let later = (0..n).fold(start, |at, _| period.next(at));
            prop_assert_eq!(period.between(start, later), n, "{:?}", period);
        }
    }
}

/// Leads of this month will become deals in the next one too: how many of them are missing, nobody
/// knows.
#[test]
fn what_goes_on_growing_has_no_pace_and_says_so() {
    let month = WindowKind::Calendar(Period::Month);
    let of_month = goal(100, Holds::Every(Period::Month));
    let ripe = Goal { ripens: true, ..of_month.clone() };
    let dates = ("2026-05-01", "2026-05-15");
    let stood =
        |goal: Goal| stands(&targets(vec![(of("r-1"), goal)]), "r-1", month, dates, 40).remove(0);
    let (plain, ripe) = (stood(of_month), stood(ripe));
    assert!(plain.pace.is_some() && plain.required_per_day.is_some() && !plain.ripens);
    assert_eq!((ripe.attainment, ripe.pace, ripe.required_per_day), (plain.attainment, None, None));
    assert_eq!((ripe.days, ripe.gap), (plain.days, plain.gap));
    let json = standings_json(&[ripe]);
    assert!(json.contains("\"pace\":null,\"required_per_day\":null"), "{json}");
    assert!(json.contains("\"no_pace\":\"what came in this window goes on"), "{json}");
    assert!(!standings_json(&[plain]).contains("no_pace"));
    // Two families less.
    let series = |ripens| {
        let goal = Goal { ripens, ..goal(1, Holds::Every(Period::Month)) };
        targets(vec![(of("r-1"), goal)]).series(&[month], |_| 1)
    };
    assert_eq!((series(false), series(true)), (5, 3));
}

#[test]
fn what_is_missing_a_day_has_no_more_digits_than_there_are() {
    let month = WindowKind::Calendar(Period::Month);
    let all = targets(vec![(of("r-1"), goal(1_000, Holds::Every(Period::Month)))]);
    // 13 working days remain: 660 / 13.
    let stood = stands(&all, "r-1", month, ("2026-05-01", "2026-05-13"), 340).remove(0);
    assert_eq!(stood.days.map(|days| days.remaining), Some(13));
    assert_eq!(stood.required_per_day.map(|n| n.to_string()).as_deref(), Some("50.769230769231"));
}

/// What no rate converts is no 0 that a target is compared with.
#[test]
fn nobody_knows_how_far_amounts_without_a_rate_are() {
    let month = WindowKind::Calendar(Period::Month);
    let all = targets(vec![(of("r-1"), goal(100, Holds::Every(Period::Month)))]);
    let (work, directory, segment) = (WorkCalendars::default(), Directory::default(), rep("r-1"));
    let (start, today) = (day("2026-05-01"), day("2026-05-15"));
    let work = work.of(&segment, &directory);
    let stand = Stand { segment: &segment, kind: month, start, today, work };
    let usd = crate::model::money::Currency::parse("USD").unwrap();
    let value = |hollow| KpiValue {
        value: Some(Number::Exact(Exact(0))),
        unconverted: vec![(usd, Exact::whole(9))],
        hollow,
        ..KpiValue::default()
    };
    let stood =
        |hollow| all.stand(&stand, &[("revenue".into(), Unit::Money, value(hollow))]).remove(0);
    let parked = stood(true);
    assert_eq!((parked.attainment, parked.pace, parked.required_per_day), (None, None, None));
    assert_eq!(parked.gap, None);
    assert_eq!(stood(false).attainment, Some(0.0));
}
