use super::*;
use crate::model::alert::Gates;
use crate::model::fx::Fx;
use crate::model::money::Currency;

fn rule() -> Rule {
    Rule {
        signal: Signal::WinRate,
        segments: vec![vec![]],
        streams: 1,
        false_alarms_a_year: 4,
        phase: Phase::None,
        baseline_days: 84,
        baseline_from: None,
        gates: Gates { min_n: 30, min_baseline: 100, effect_percent: 15 },
        chart: Default::default(),
        interval: Default::default(),
        currency: crate::model::money::Currency::parse("EUR").unwrap(),
    }
}

fn find(rule: &Rule, days: &[(i32, DayFacts)], end: i32) -> Option<Baseline> {
    Baseline::find(rule, days, end, &|_| true)
}

fn day(n: u64) -> DayFacts {
    DayFacts { n, hits: n / 2, ..DayFacts::default() }
}

#[test]
fn a_stray_deal_begins_no_baseline_and_a_later_day_moves_none() {
    let mut days = vec![(-500, day(1))];
    days.extend((0..84).map(|d| (d, day(2))));
    assert_eq!(find(&rule(), &days, 83), None, "its last day has not closed");
    let found = find(&rule(), &days, 84).unwrap();
    assert_eq!((found.from, found.to, found.all.facts.n), (0, 84, 168));
    assert!((found.a_month - 2.0 * MONTH).abs() < 1e-9);
    days.extend((84..400).map(|d| (d, day(9))));
    assert_eq!(find(&rule(), &days, 400), Some(found));
}

#[test]
fn few_cases_need_longer_and_too_few_are_none() {
    let days: Vec<_> = (0..700).step_by(2).map(|d| (d, day(1))).collect();
    let found = find(&rule(), &days, 700).unwrap();
    assert_eq!((found.from, found.to), (0, 336));
    let rare: Vec<_> = (0..700).step_by(9).map(|d| (d, day(1))).collect();
    assert_eq!(find(&rule(), &rare, 700), None);
}

#[test]
fn a_stated_first_day_holds() {
    let days: Vec<_> = (0..300).map(|d| (d, day(4))).collect();
    let from = Rule { baseline_from: Some(Day(100)), ..rule() };
    let found = find(&from, &days, 300).unwrap();
    assert_eq!((found.from, found.to), (100, 184));
    let gone = Rule { baseline_from: Some(Day(290)), ..rule() };
    assert_eq!(find(&gone, &days, 300), None);
}

#[test]
fn phases_differ_as_far_as_they_can_prove() {
    let months = Rule { phase: Phase::MonthOfQuarter, baseline_days: 336, ..rule() };
    let facts = |d: i32| {
        let hits = [16, 10, 11][Phase::MonthOfQuarter.of(Day(d))];
        DayFacts { n: 20, hits, ..DayFacts::default() }
    };
    let days: Vec<_> = (20_000..20_400).map(|d| (d, facts(d))).collect();
    let found = find(&months, &days, 20_400).unwrap();
    let Usual::Proportion(p) = &found.usual else { panic!("{found:?}") };
    assert!((p[0] - 0.8).abs() < 0.01 && (p[1] - 0.5).abs() < 0.01, "{p:?}");
    let Usual::Proportion(one) = &find(&rule(), &days, 20_400).unwrap().usual else {
        panic!("a proportion")
    };
    assert_eq!(one.len(), 1);
}

#[test]
fn facts_are_read_off_a_day() {
    let measures: Measures = [
        (MeasureKey::plain(Measure::DealsWon), 3),
        (MeasureKey::plain(Measure::DealsLost), 5),
        (MeasureKey::plain(Measure::DealsCreated), 7),
        (MeasureKey::days(Measure::CycleWon, -2), 1),
        (MeasureKey::days(Measure::CycleWon, 9), 2),
        (MeasureKey::days(Measure::CohortWon, 10), 2),
        (MeasureKey::days(Measure::CohortWon, 91), 4),
    ]
    .into_iter()
    .collect();
    let (fx, own) = (Fx::default(), Currency::parse("EUR").unwrap());
    let amounts = Reading { fx: &fx, own, limits: None };
    let of = |signal| DayFacts::of(signal, (0, &measures), amounts);
    assert_eq!((of(Signal::WinRate).hits, of(Signal::WinRate).n), (3, 8));
    assert_eq!((of(Signal::CohortConversion).hits, of(Signal::CohortConversion).n), (2, 7));
    let cycle = of(Signal::CycleLength);
    assert_eq!((cycle.n, cycle.sum), (3, 2.0 * 10f64.ln()));
    assert_eq!((of(Signal::DealsCreated).n, of(Signal::LeadsCreated).n), (7, 0));
}

#[test]
fn days_that_may_lack_records_are_no_days_without_cases() {
    let deals = Rule { baseline_from: Some(Day(0)), ..rule() };
    let counts = Rule { signal: Signal::LeadsCreated, phase: Phase::Weekday, ..deals.clone() };
    let days: Vec<_> = (0..84).map(|d| (d, DayFacts { n: 4, ..DayFacts::default() })).collect();
    let sure: Vec<_> = days.iter().filter(|(d, _)| *d >= 42).copied().collect();
    let whole = find(&counts, &days, 84).unwrap();
    let half = Baseline::find(&counts, &sure, 84, &|d| d >= 42).unwrap();
    assert_eq!((half.all.days, whole.all.days), (42, 84));
    assert_eq!(figure(&counts, &half.all).value, Some(4.0));
    assert_eq!(half.usual, whole.usual);
    let closed: Vec<_> = (42..84).map(|d| (d, day(4))).collect();
    let half = Baseline::find(&deals, &closed, 84, &|d| d >= 42).unwrap();
    assert!((half.a_month - 4.0 * MONTH).abs() < 1e-9, "{}", half.a_month);
}

#[test]
fn phases_of_counts_that_agree_become_one_and_one_unseen_says_nothing() {
    let counts =
        Rule { signal: Signal::LeadsCreated, phase: Phase::Weekday, baseline_days: 28, ..rule() };
    // By chance the days of the week differ a little.
    let facts =
        |d: i32| DayFacts { n: [4, 5, 6, 4, 5, 4, 5][d as usize % 7], ..DayFacts::default() };
    let days: Vec<_> = (0..28).map(|d| (d, facts(d))).collect();
    let found = find(&counts, &days, 28).unwrap();
    let Usual::Count(mean, _) = &found.usual else { panic!("{found:?}") };
    assert!(mean.iter().all(|m| (m - 33.0 / 7.0).abs() < 1e-9), "{mean:?}");
    assert!((0..7).all(|phase| found.knows(phase)));
    let sundays = |d: i32| Phase::Weekday.of(Day(d)) == 6;
    let days: Vec<_> = days.into_iter().filter(|(d, _)| !sundays(*d)).collect();
    let found = Baseline::find(&counts, &days, 28, &|d| !sundays(d)).unwrap();
    assert!(found.knows(0) && !found.knows(6));
}

#[test]
fn a_baseline_is_lost_before_the_next_days_in_line_could_pass_for_it() {
    let days: Vec<_> = (0..400).map(|d| (d, day(4))).collect();
    let kept = |rule: &Rule, floor: i32| {
        let at = days.partition_point(|(d, _)| *d < floor);
        !is_lost(rule, &days[at..], floor)
    };
    assert!(kept(&rule(), i32::MIN) && kept(&rule(), -84));
    assert!((-83..400).all(|floor| !kept(&rule(), floor)));
    let stated = Rule { baseline_from: Some(Day(100)), ..rule() };
    assert!((-200..=100).all(|floor| kept(&stated, floor)));
    assert!((101..400).all(|floor| !kept(&stated, floor)));
}

#[test]
fn counts_that_vary_more_than_a_poisson_weigh_less() {
    let counts = Rule { signal: Signal::LeadsCreated, ..rule() };
    let of = |facts: fn(i32) -> u64| {
        let day = |d| (d, DayFacts { n: facts(d), ..DayFacts::default() });
        match find(&counts, &(0..84).map(day).collect::<Vec<_>>(), 84).unwrap().usual {
            Usual::Count(_, spread) => spread,
            other => panic!("{other:?}"),
        }
    };
    // None on one day and twenty on the next: a variance of 100 where the mean is ten.
    assert!((of(|d| 20 * ((d + 1) % 2) as u64) - 84.0 * 10.0 / 83.0).abs() < 1e-9);
    assert_eq!(of(|_| 10), 1.0, "never less than one");
}
