use super::*;
use crate::model::definition::Directory;
use crate::model::segment::Segment;
use crate::model::workdays::WorkCalendars;

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn look(daily: &BTreeMap<Day, f64>, first: &str, today: &str, period: Period) -> Outlook {
    let (calendars, directory) = (WorkCalendars::default(), Directory::default());
    let segment = Segment::overall();
    let work = calendars.of(&segment, &directory);
    outlook(
        &Known { daily, first: day(first), today: day(today), work, pipeline: None, grows: true },
        period,
    )
}

/// A hundred each weekday, more in the second half of a month by a factor.
fn sales(from: &str, to: &str, later: f64) -> BTreeMap<Day, f64> {
    use chrono::Datelike;
    let works = |d: &Day| WorkCalendars::default().default.works(*d);
    let value = |d: Day| if d.date().day() > 15 { 100.0 * later } else { 100.0 };
    let days = (day(from).0..day(to).0).map(Day).filter(works);
    days.map(|d| (d, value(d))).collect()
}

#[test]
fn an_even_stream_is_forecast_to_the_cent() {
    let daily = sales("2025-01-01", "2026-05-12", 1.0);
    let out = look(&daily, "2025-01-01", "2026-05-12", Period::Month);
    // May 2026 has 21 weekdays, seven of them before the 12th.
    assert_eq!((out.worked, out.so_far), ((7, 21), 700.0));
    let run = out.forecasts[0];
    assert_eq!((run.method, run.value, run.interval), (Method::RunRate, 2100.0, (2100.0, 2100.0)));
    assert_eq!(
        run.backtest,
        Backtest { periods: 16, left_out: 0, error: Some(0.0), covered: (12, 12) }
    );
}

#[test]
fn a_month_that_always_ends_well_has_its_interval_above_the_run_rate() {
    let daily = sales("2025-01-01", "2026-05-12", 3.0);
    let out = look(&daily, "2025-01-01", "2026-05-12", Period::Month);
    let run = out.forecasts.iter().find(|f| f.method == Method::RunRate).unwrap();
    assert_eq!(run.value, 2100.0);
    // It comes to 11 × 100 + 10 × 300.
    assert!(run.interval.0 > 3900.0 && run.interval.1 < 4500.0, "{run:?}");
    assert!(run.backtest.error.unwrap() > 0.4, "{run:?}");
    let before = out.forecasts.iter().find(|f| f.method == Method::LastQuarter).unwrap();
    assert!(before.backtest.error.unwrap() < 0.1, "{before:?}");
    assert_eq!(out.forecasts[0].method, Method::LastQuarter, "the least error comes first");
    assert_eq!(before.backtest.periods, 13);
    assert_eq!(out.lacking, [(Method::LastYear, Lack::History(4))]);
}

#[test]
fn without_history_nothing_is_forecast_and_it_says_so() {
    let daily = sales("2026-01-01", "2026-05-12", 1.0);
    let out = look(&daily, "2026-01-01", "2026-05-12", Period::Month);
    assert_eq!(out.forecasts, []);
    assert_eq!(out.lacking[0], (Method::RunRate, Lack::History(4)));
    let weeks = look(&daily, "2026-01-01", "2026-05-12", Period::Week);
    assert_eq!(weeks.forecasts[0].value, 500.0);
    // The first of a month that begins on a Saturday: no working day is over.
    let daily = sales("2025-01-01", "2026-08-03", 1.0);
    let out = look(&daily, "2025-01-01", "2026-08-03", Period::Month);
    assert_eq!(out.lacking[0], (Method::RunRate, Lack::TooEarly));
    assert_eq!(out.so_far.to_string(), "0", "and not -0");
    assert!(out.forecasts.iter().any(|f| f.method == Method::LastQuarter));
}

#[test]
fn that_nothing_came_is_no_lack_of_time() {
    let mut daily = sales("2024-01-01", "2026-05-22", 1.0);
    daily.retain(|d, _| {
        *d < day("2026-05-01") && !(day("2025-05-01")..day("2025-06-01")).contains(d)
    });
    let out = look(&daily, "2024-01-01", "2026-05-22", Period::Month);
    let of = |method| out.lacking.iter().find(|(m, _)| *m == method).map(|(_, lack)| *lack);
    assert_eq!(of(Method::RunRate), Some(Lack::NothingCame));
    assert_eq!(of(Method::LastYear), Some(Lack::NothingThen));
}

#[test]
fn past_periods_without_a_relative_error_are_told_apart() {
    let mut daily = sales("2025-01-01", "2026-05-12", 1.0);
    let mut idle = |from: &str, to: &str| {
        daily.retain(|d, _| !(day(from)..day(to)).contains(d));
    };
    // Nothing came in June; in November nothing had come when the run rate was taken.
    idle("2025-06-01", "2025-07-01");
    idle("2025-11-01", "2025-11-20");
    let out = look(&daily, "2025-01-01", "2026-05-12", Period::Month);
    let run = out.forecasts.iter().find(|f| f.method == Method::RunRate).unwrap();
    assert_eq!((run.backtest.periods, run.backtest.left_out), (14, 2), "{run:?}");
    // Of 16 four are before the first interval and June is no miss; November is one.
    assert_eq!(run.backtest.covered, (10, 11), "{run:?}");
    // Where the third month before had nothing, there was a forecast of nothing.
    let before = out.forecasts.iter().find(|f| f.method == Method::LastQuarter).unwrap();
    assert_eq!((before.backtest.periods, before.backtest.left_out), (11, 2), "{before:?}");
}

#[test]
fn what_only_grows_does_not_fall_behind_what_has_come() {
    let mut daily = sales("2025-01-01", "2026-05-12", 1.0);
    // A great May, and months before it that came to anything between nothing and twice.
    daily.range_mut(day("2026-05-01")..).for_each(|(_, v)| *v *= 10.0);
    let april = day("2026-04-15")..day("2026-05-01");
    daily.range_mut(april).for_each(|(_, v)| *v *= 20.0);
    let (first, today) = ("2025-01-01", "2026-05-12");
    let out = look(&daily, first, today, Period::Month);
    assert_eq!(out.so_far, 7000.0);
    let before = out.forecasts.iter().find(|f| f.method == Method::LastQuarter).unwrap();
    assert!(before.clipped && before.value == 7000.0, "{before:?}");
    // April came to 25,000 where January had 2,200: what is raised is as uncertain as before.
    assert!(before.interval.1 > 5.0 * 7000.0, "{before:?}");
    assert!(out.forecasts.iter().all(|f| f.interval.0 >= 7000.0), "{out:?}");
    // Where a day took something back, a period may end below what it had.
    daily.insert(day("2026-02-03"), -1.0);
    let out = look(&daily, first, today, Period::Month);
    let before = out.forecasts.iter().find(|f| f.method == Method::LastQuarter).unwrap();
    assert!(!before.clipped && before.value < 7000.0, "{before:?}");
}

#[test]
fn what_comes_on_days_off_is_in_the_run_rate() {
    let days = (day("2025-01-01").0..day("2026-06-01").0).map(|d| (Day(d), 100.0));
    let daily: BTreeMap<Day, f64> = days.collect();
    let run = |today: &str| {
        let out = look(&daily, "2025-01-01", today, Period::Month);
        let run = out.forecasts.into_iter().find(|f| f.method == Method::RunRate).unwrap();
        (out.so_far, run.value)
    };
    // All working days of May 2026 are over on its last Sunday, and the Saturday counts.
    let (so_far, value) = run("2026-05-31");
    assert_eq!((so_far, value), (3000.0, 3000.0));
    // Over the weekend of the 9th the run rate does not fall and rise again by a fifth.
    let [friday, monday] = ["2026-05-09", "2026-05-11"].map(|today| run(today).1);
    assert!((monday / friday - 1.0).abs() < 0.3, "{friday} {monday}");
}

#[test]
fn what_is_not_over_is_left_out() {
    let mut daily = sales("2025-01-01", "2026-05-12", 1.0);
    let without = look(&daily, "2025-01-01", "2026-05-12", Period::Month);
    daily.insert(day("2026-05-12"), 1e9);
    daily.insert(day("2027-01-01"), 1e9);
    assert_eq!(look(&daily, "2025-01-01", "2026-05-12", Period::Month), without);
}

#[test]
fn intervals_cover_about_what_they_promise() {
    use rand::{Rng, SeedableRng};
    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(5);
    let (mut held, mut all) = (0, 0);
    for _ in 0..120 {
        let mut daily = sales("2024-01-01", "2026-06-01", 1.0);
        daily.values_mut().for_each(|v| *v *= dice.random_range(0.0..2.0));
        let came: f64 = daily.range(day("2026-05-01")..).map(|(_, v)| v).sum();
        let out = look(&daily, "2024-01-01", "2026-05-14", Period::Month);
        let run = out.forecasts.iter().find(|f| f.method == Method::RunRate).unwrap();
        held += usize::from((run.interval.0..=run.interval.1).contains(&came));
        all += 1;
    }
    let share = held as f64 / all as f64;
    assert!((0.70..0.90).contains(&share), "{share}");
}
