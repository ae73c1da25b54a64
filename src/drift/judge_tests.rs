use super::*;
use crate::model::alert::{Direction, Gates, Phase, Signal};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};

fn rule(signal: Signal) -> Rule {
    Rule {
        signal,
        segments: vec![vec![]],
        streams: 1,
        false_alarms_a_year: 4,
        phase: Phase::None,
        baseline_days: 84,
        baseline_from: None,
        gates: Gates { min_n: 30, min_baseline: 100, effect_percent: 15 },
    }
}

/// Closings of ten deals a day with these chances of winning, by seed.
fn closings(seed: u64, chances: impl Iterator<Item = f64>) -> Vec<(i32, DayFacts)> {
    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    chances
        .enumerate()
        .map(|(day, p)| {
            let hits = (0..10).filter(|_| dice.random_bool(p)).count() as u64;
            (day as i32, DayFacts { n: 10, hits, ..DayFacts::default() })
        })
        .collect()
}

fn verdict(rule: &Rule, facts: &[(i32, DayFacts)], closed: i32) -> Verdict {
    let days = Days { facts, closed, doubtful: &[] };
    judge(rule, &Segment::overall(), days, &mut Stream::default())
}

fn phases(list: &[(usize, f64)]) -> impl Iterator<Item = f64> {
    list.iter().flat_map(|(days, p)| std::iter::repeat_n(*p, *days))
}

#[test]
fn a_fall_fires_once_and_resolves_when_it_is_over() {
    let days = closings(1, phases(&[(100, 0.5), (40, 0.25), (60, 0.5)]));
    let rule = rule(Signal::WinRate);
    let quiet = verdict(&rule, &days, 100);
    assert_eq!((quiet.reading.state, quiet.alerts.len()), (State::Inactive, 0));
    let firing = verdict(&rule, &days, 130);
    let [alert] = &firing.alerts[..] else { panic!("{:?}", firing.alerts) };
    assert_eq!((alert.state, alert.direction), (State::Firing, Direction::Down));
    assert_eq!(firing.reading.state, State::Firing);
    assert!((95..=104).contains(&alert.change.0), "{:?}", alert.change);
    assert!((101..=112).contains(&alert.since.0), "{:?}", alert.since);
    let (now, usual) = (alert.now.value.unwrap(), alert.baseline.figure.value.unwrap());
    assert!((now - 0.25).abs() < 0.08 && (usual - 0.5).abs() < 0.05, "{now} {usual}");
    assert!(alert.effect < -0.4 && alert.e_value > 1000.0, "{alert:?}");
    assert!(alert.false_alarms <= 4.0 / 12.0 && alert.false_alarms > 0.2, "{alert:?}");
    let over = verdict(&rule, &days, 200);
    let [after] = &over.alerts[..] else { panic!("{:?}", over.alerts) };
    assert_eq!((after.state, after.id()), (State::Resolved, alert.id()));
    assert!(after.resolved.unwrap().0 > 140, "{:?}", after.resolved);
    assert_eq!(over.reading.state, State::Inactive);
}

#[test]
fn too_few_cases_wait_behind_the_gate_and_a_small_move_stays_there() {
    let days = closings(2, phases(&[(100, 0.5), (60, 0.2)]));
    let mut rule = rule(Signal::WinRate);
    rule.gates.min_n = 200;
    let pending = (100..118).map(|closed| verdict(&rule, &days, closed).reading.state);
    assert!(pending.clone().any(|s| s == State::Pending));
    assert!(pending.into_iter().all(|s| s != State::Firing));
    assert_eq!(verdict(&rule, &days, 140).reading.state, State::Firing);
    rule.gates.effect_percent = 90;
    assert_eq!(verdict(&rule, &days, 140).reading.state, State::Pending);
}

#[test]
fn longer_cycles_fire_and_silence_is_no_data() {
    let cycles = |days: f64| {
        let ln = days.ln_1p();
        // Five deals around it, a log-sd of about 0.7.
        let list = [-1.0, -0.5, 0.0, 0.5, 1.0].map(|z| ln + z);
        DayFacts {
            n: 5,
            hits: 0,
            sum: list.iter().sum(),
            squares: list.iter().map(|x| x * x).sum(),
        }
    };
    let days: Vec<_> = (0..130).map(|d| (d, cycles(if d < 100 { 20.0 } else { 33.0 }))).collect();
    let rule = rule(Signal::CycleLength);
    let firing = verdict(&rule, &days, 130);
    let [alert] = &firing.alerts[..] else { panic!("{:?}", firing.alerts) };
    assert_eq!((alert.state, alert.direction), (State::Firing, Direction::Up));
    assert!((alert.now.value.unwrap() - 33.0).abs() < 0.5, "{alert:?}");
    assert!((alert.baseline.figure.value.unwrap() - 20.0).abs() < 0.5, "{alert:?}");
    assert_eq!(verdict(&rule, &days, 400).reading.state, State::NoData);
    assert_eq!(verdict(&rule, &days, 50).reading.state, State::NoData);
    assert_eq!(verdict(&rule, &[], 50).reading.now.value, None);
}

#[test]
fn counts_know_their_weekdays_and_see_that_nothing_comes() {
    let mut rule = rule(Signal::LeadsCreated);
    rule.phase = Phase::Weekday;
    let usual = |d: i32| if Phase::Weekday.of(Day(d)) >= 5 { 0 } else { 12 + d as u64 % 3 };
    let day = |d: i32, n: u64| (d, DayFacts { n, ..DayFacts::default() });
    let days: Vec<_> = (0..300).map(|d| day(d, usual(d))).collect();
    assert_eq!(verdict(&rule, &days, 300).alerts, []);
    let stops: Vec<_> = days.iter().filter(|(d, _)| *d < 200).copied().collect();
    let seen = verdict(&rule, &stops, 214);
    assert_eq!(seen.reading.state, State::Firing, "{seen:?}");
    assert_eq!(seen.alerts[0].now.value, Some(0.0));
    rule.phase = Phase::None;
    let blind = verdict(&rule, &days, 300);
    assert!(blind.reading.baseline.is_some());
}

#[test]
fn a_season_is_no_drift() {
    // Win rates of .82, .49 and .54 by month of the quarter, four years of them.
    let rate = |d: i32| [0.82, 0.49, 0.54][Phase::MonthOfQuarter.of(Day(d))];
    let start = 18_000;
    let days: Vec<_> = closings(3, (0..1400).map(|d| rate(start + d)))
        .into_iter()
        .map(|(d, facts)| (start + d, facts))
        .collect();
    let mut rule = Rule { baseline_days: 365, ..rule(Signal::WinRate) };
    let blind = verdict(&rule, &days, start + 1400).alerts.len();
    rule.phase = Phase::MonthOfQuarter;
    let same_phase = verdict(&rule, &days, start + 1400).alerts.len();
    // Four a year are tolerated, and these are three years.
    assert!(blind >= 20 && same_phase <= 6, "{blind} {same_phase}");
}

#[test]
fn days_that_may_lack_records_are_not_looked_at() {
    let days = closings(4, phases(&[(100, 0.5), (20, 0.02), (40, 0.5)]));
    let rule = rule(Signal::WinRate);
    assert_eq!(verdict(&rule, &days, 160).alerts.len(), 1);
    let doubtful = Days { facts: &days, closed: 160, doubtful: &[(100, 120)] };
    let judged = judge(&rule, &Segment::overall(), doubtful, &mut Stream::default());
    assert_eq!(judged.alerts, []);
}

/// Streams without drift: a rule that tolerates four false alarms a year has about so many.
#[test]
fn false_alarms_are_as_many_as_were_tolerated() {
    let rule = rule(Signal::WinRate);
    let years = 40;
    let alarms: usize = (0..years)
        .map(|seed| {
            // A baseline as long as half a year, so that chance in it counts little.
            let rule = Rule { baseline_days: 336, ..rule.clone() };
            let days = closings(1000 + seed, std::iter::repeat_n(0.5, 336 + 365));
            let alerts = verdict(&rule, &days, 336 + 365).alerts;
            alerts.iter().filter(|a| a.fired).count()
        })
        .sum();
    let a_year = alarms as f64 / years as f64;
    assert!((0.3..5.0).contains(&a_year), "{a_year}");
}

proptest! {
    /// What was calibrated before never shows.
    #[test]
    fn the_memo_decides_nothing(seed in 0u64..50, cut in 90i32..180, later in 0usize..90) {
        let mut days = closings(seed, phases(&[(120, 0.5), (60, 0.3)]));
        let rule = rule(Signal::WinRate);
        let mut memo = Stream::default();
        judge(&rule, &Segment::overall(), Days { facts: &days, closed: cut, doubtful: &[] }, &mut memo);
        days[later].1.hits = 0;
        let all = Days { facts: &days, closed: 180, doubtful: &[] };
        prop_assert_eq!(
            judge(&rule, &Segment::overall(), all, &mut memo),
            verdict(&rule, &days, 180)
        );
    }
}
