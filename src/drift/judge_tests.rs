use super::*;
use crate::model::alert::{ChartKind, Direction, Gates, IntervalKind, Phase, Signal};
use crate::model::interval;
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
        chart: Default::default(),
        interval: Default::default(),
        currency: crate::model::money::Currency::parse("EUR").unwrap(),
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
    let days = Days { facts, closed, floor: i32::MIN, doubtful: &[] };
    judge(rule, &Segment::overall(), days, None, &mut Stream::default())
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
    assert_eq!(after.as_of.0, after.resolved.unwrap().0 + 1);
    assert_eq!(over.reading.state, State::Inactive);
}

#[test]
fn an_alert_is_over_at_the_second_look_in_a_row_with_little_evidence() {
    let rule = rule(Signal::WinRate);
    for seed in 1..6 {
        let days = closings(seed, phases(&[(100, 0.5), (40, 0.25), (60, 0.55)]));
        let baseline = Baseline::find(&rule, &days, 200, &|_| true).unwrap();
        let charts = Charts::of(&rule, &baseline);
        let side = charts.sides.iter().find(|side| side.direction == Direction::Down).unwrap();
        let (mut chart, mut open, mut low) = (side.chart, false, 0);
        let over = days[baseline.to as usize..].iter().find(|(_, facts)| {
            chart.add(side.step(&baseline.usual, 0, facts));
            low = if open && chart.is_low() { low + 1 } else { 0 };
            open |= chart.is_over();
            low == 2
        });
        let alerts = verdict(&rule, &days, 200).alerts;
        let first = alerts.iter().find(|alert| alert.direction == Direction::Down).unwrap();
        assert_eq!(first.resolved, over.map(|(day, _)| Day(*day)), "{seed}");
        assert!(over.is_some());
    }
}

#[test]
fn evidence_is_of_the_looks_since_the_chart_began_anew() {
    let rule = rule(Signal::WinRate);
    let days = closings(1, phases(&[(100, 0.5), (30, 0.2), (60, 0.5)]));
    let baseline = Baseline::find(&rule, &days, 190, &|_| true).unwrap();
    let charts = Charts::of(&rule, &baseline);
    let side = charts.sides.iter().find(|side| side.direction == Direction::Down).unwrap();
    let mut walk = Walk::new(&rule, &baseline, &charts, side, &|_, _| Silence::Quiet);
    for (day, facts) in &days[baseline.to as usize..] {
        walk.wait(*day);
        walk.look(*day, facts);
    }
    let (over, _) = walk.episodes.last().unwrap().resolved.unwrap();
    assert_eq!(walk.looks as i32, 189 - over);
}

#[test]
fn of_both_sides_evidence_is_the_mean() {
    let rule = rule(Signal::WinRate);
    let days = closings(1, phases(&[(100, 0.5), (30, 0.2)]));
    let said = verdict(&rule, &days, 130);
    // The other side has next to none, and both have had fewer looks than are waited for.
    let [alert] = &said.alerts[..] else { panic!("{:?}", said.alerts) };
    let half = alert.e_value / 365.0 / 2.0;
    assert!((said.evidence.unwrap() / half - 1.0).abs() < 1e-3, "{said:?}");
}

#[test]
fn a_count_without_a_baseline_is_told_by_the_days_that_are_sure() {
    let rule = rule(Signal::LeadsCreated);
    let days: Vec<_> = (0..40).map(|d| (d, DayFacts { n: 5, ..DayFacts::default() })).collect();
    let days = Days { facts: &days, closed: 40, floor: i32::MIN, doubtful: &[(20, 30)] };
    let said = judge(&rule, &Segment::overall(), days, None, &mut Stream::default());
    assert_eq!((said.reading.state, said.reading.now.value), (State::NoData, Some(5.0)));
}

#[test]
fn an_interval_is_the_one_that_was_chosen() {
    let days = closings(1, phases(&[(100, 0.5), (40, 0.25)]));
    let of = |interval| {
        let rule = Rule { interval, ..rule(Signal::WinRate) };
        let now = verdict(&rule, &days, 130).alerts.remove(0).now;
        (now.interval.unwrap(), (now.value.unwrap() * now.n as f64).round() as u64, now.n)
    };
    let (wilson, hits, n) = of(IntervalKind::Wilson);
    assert_eq!(wilson, interval::wilson(hits, n));
    assert_eq!(of(IntervalKind::Jeffreys).0, interval::jeffreys(hits, n));
    assert_ne!(wilson, interval::jeffreys(hits, n));
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
    let of = |n: u64| {
        let all = (100..140).flat_map(|closed| verdict(&rule, &days, closed).alerts);
        all.into_iter().find(|alert| alert.now.n == n).map(|alert| alert.state)
    };
    assert_eq!((of(190), of(200)), (Some(State::Pending), Some(State::Firing)));
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
            ..DayFacts::default()
        }
    };
    let days: Vec<_> = (0..130)
        .map(|d| (d, cycles(if d >= 100 { 33.0 } else { 20.4 - 0.8 * f64::from(d % 2) })))
        .collect();
    let rule = rule(Signal::CycleLength);
    let smoothed = verdict(&Rule { chart: ChartKind::Ewma, ..rule.clone() }, &days, 130);
    let [alert] = &smoothed.alerts[..] else { panic!("{:?}", smoothed.alerts) };
    assert_eq!((alert.state, alert.direction), (State::Firing, Direction::Up));
    assert!((99..=104).contains(&alert.change.0) && alert.threshold < 1.0, "{alert:?}");
    let firing = verdict(&rule, &days, 130);
    let [alert] = &firing.alerts[..] else { panic!("{:?}", firing.alerts) };
    assert_eq!((alert.state, alert.direction), (State::Firing, Direction::Up));
    assert!((alert.now.value.unwrap() - 33.0).abs() < 0.5, "{alert:?}");
    assert!((alert.baseline.figure.value.unwrap() - 20.0).abs() < 0.5, "{alert:?}");
    assert_eq!(verdict(&rule, &days, 400).reading.state, State::NoData);
    let early = verdict(&rule, &days, 50).reading;
    assert_eq!((early.state, early.silence), (State::NoData, Some(Silence::NoBaseline)));
    assert_eq!(verdict(&rule, &[], 50).reading.now.value, None);
    let nothing = verdict(&Rule { signal: Signal::WinRate, ..rule }, &[], 50).reading.now;
    assert_eq!((nothing.value, nothing.interval), (None, None));
}

#[test]
fn what_an_ewma_found_stays_told_until_it_is_over() {
    // One deal a day, a log-sd of 0.9. Behind the longer cycles they are a little shorter than before,
    // so the mean falls below zero while the CUSUM beside it is still up; and they come once more.
    let cycle = |d: i32| {
        let days: f64 = match d {
            100..160 | 184..190 => 60.0,
            160.. => 17.0,
            _ => 20.0,
        };
        let ln = days.ln_1p() + if d % 2 == 0 { 0.9 } else { -0.9 };
        (d, DayFacts { n: 1, hits: 0, sum: ln, squares: ln * ln, ..DayFacts::default() })
    };
    let days: Vec<_> = (0..280).map(cycle).collect();
    let gates = Gates { min_n: 5, min_baseline: 80, effect_percent: 15 };
    let rule = rule(Signal::CycleLength);
    let rule = Rule { chart: ChartKind::Ewma, false_alarms_a_year: 1, gates, ..rule };
    let (mut open, mut over) = (0, 0);
    for closed in (120..280).step_by(3) {
        let alerts = verdict(&rule, &days, closed).alerts;
        let alert = alerts.iter().find(|a| a.direction == Direction::Up).unwrap();
        match alert.state {
            State::Firing => open = closed,
            State::Resolved => over += 1,
            state => panic!("{closed} {state:?}"),
        }
        assert!(alert.statistic >= alert.threshold / 2.0, "{closed} {alert:?}");
        assert!(alert.now.n >= 15 && alert.effect > 0.5, "{closed} {alert:?}");
        assert_eq!((alert.change, alert.now_days.0), (Day(100), Day(100)), "{closed} {alert:?}");
    }
    assert!(open >= 189 && over > 3, "{open} {over}");
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
    let doubtful = Days { facts: &days, closed: 160, floor: i32::MIN, doubtful: &[(100, 120)] };
    let judged = judge(&rule, &Segment::overall(), doubtful, None, &mut Stream::default());
    assert_eq!(judged.alerts, []);
}

#[test]
fn a_lost_baseline_is_no_data() {
    let days = closings(1, phases(&[(100, 0.5), (40, 0.25)]));
    let rule = rule(Signal::WinRate);
    let at = |rule: &Rule, floor: i32| {
        let kept = days.partition_point(|(day, _)| *day < floor);
        let days = Days { facts: &days[kept..], closed: 140, floor, doubtful: &[] };
        judge(rule, &Segment::overall(), days, None, &mut Stream::default())
    };
    assert_eq!(at(&rule, -84), at(&rule, i32::MIN));
    assert_eq!(at(&rule, -84).reading.state, State::Firing);
    for floor in [-83, 0, 1, 30] {
        let lost = at(&rule, floor);
        assert_eq!(lost.reading.state, State::Lost, "{floor}");
        assert_eq!((lost.alerts, lost.reading.baseline), (vec![], None));
    }
    let stated = Rule { baseline_from: Some(Day(2)), ..rule };
    assert_eq!(at(&stated, 2).reading.state, State::Firing);
    assert_eq!(at(&stated, 3).reading.state, State::Lost);
}

#[test]
fn counts_of_days_that_may_lack_records_are_no_data() {
    let rule = rule(Signal::LeadsCreated);
    let days: Vec<_> =
        (0..160).map(|d| (d, DayFacts { n: 5 + d as u64 % 3, ..DayFacts::default() })).collect();
    let judged = |doubtful: &[(i32, i32)]| {
        let days = Days { facts: &days, closed: 160, floor: i32::MIN, doubtful };
        judge(&rule, &Segment::overall(), days, None, &mut Stream::default())
    };
    assert_eq!(judged(&[]).reading.state, State::Inactive);
    assert_eq!(judged(&[(133, 160)]).reading.state, State::Inactive);
    let silent = judged(&[(132, 160)]).reading;
    assert_eq!((silent.state, silent.silence), (State::NoData, Some(Silence::Doubt)));
    // Of the baseline half may lack records; what is left is as it was.
    let half = judged(&[(10, 52)]);
    assert_eq!((half.reading.state, half.alerts.len()), (State::Inactive, 0));
    assert!((half.reading.baseline.unwrap().figure.value.unwrap() - 6.0).abs() < 0.1);
}

#[test]
fn a_stream_that_falls_silent_ends_its_alert() {
    let mut days = closings(1, phases(&[(100, 0.5), (30, 0.2)]));
    let rule = rule(Signal::WinRate);
    let open = verdict(&rule, &days, 130 + SHOWN - 1);
    assert_eq!((open.reading.state, open.alerts[0].state), (State::Firing, State::Firing));
    let over = verdict(&rule, &days, 130 + SHOWN);
    let [alert] = &over.alerts[..] else { panic!("{:?}", over.alerts) };
    let quiet = Some(Silence::Quiet);
    assert_eq!((over.reading.state, over.reading.silence), (State::NoData, quiet));
    assert_eq!((alert.state, alert.end), (State::Resolved, Some(End::NoData)));
    assert_eq!((alert.silence, open.reading.silence), (quiet, None));
    assert_eq!(alert.resolved, Some(Day(129 + SHOWN)));
    assert_eq!(verdict(&rule, &days, 300).alerts[0].resolved, alert.resolved);
    // When it speaks again, nothing of before counts.
    days.extend(closings(9, phases(&[(60, 0.2)])).into_iter().map(|(d, f)| (d + 200, f)));
    let again = verdict(&rule, &days, 260);
    let [first, second] = &again.alerts[..] else { panic!("{:?}", again.alerts) };
    assert_eq!(
        (first, second.state),
        (&Alert { judged_to: Day(260), ..alert.clone() }, State::Firing)
    );
    assert!(second.change >= Day(158) && second.now.n <= 600, "{second:?}");
}

#[test]
fn the_episode_after_one_that_was_over_begins_anew() {
    // It comes back for a few days only, so the chart has not reached zero.
    let days = closings(1, phases(&[(100, 0.5), (40, 0.2), (9, 0.75), (40, 0.2)]));
    let alerts = verdict(&rule(Signal::WinRate), &days, 189).alerts;
    let down: Vec<_> = alerts.iter().filter(|a| a.direction == Direction::Down).collect();
    let [first, second] = &down[..] else { panic!("{alerts:#?}") };
    assert_eq!(first.end, Some(End::Recovered));
    assert!(second.change > first.resolved.unwrap(), "{alerts:#?}");
    assert!(second.now.n <= 10 * (189 - second.change.0) as u64);
}

#[test]
fn a_phase_without_baseline_proves_nothing() {
    // The baseline is of one month; the next ones are of other phases.
    let start = Day::parse("2026-01-01").unwrap().0;
    let counts = |d: i32| DayFacts { n: if d < 31 { 10 } else { 1 }, ..DayFacts::default() };
    let days: Vec<_> = (0..85).map(|d| (start + d, counts(d))).collect();
    let mut rule = rule(Signal::LeadsCreated);
    (rule.phase, rule.baseline_days) = (Phase::MonthOfQuarter, 28);
    let judged = verdict(&rule, &days, start + 85);
    assert_eq!((judged.reading.state, judged.alerts), (State::NoData, vec![]));
}

/// Streams without drift: a rule that tolerates four false alarms a year has about so many.
#[test]
fn false_alarms_are_as_many_as_were_tolerated() {
    // A baseline as long as half a year, so that chance in it counts little; and no gate.
    let mut rule = Rule { baseline_days: 336, ..rule(Signal::WinRate) };
    (rule.gates.min_n, rule.gates.effect_percent) = (1, 0);
    let (mut alarms, mut promised) = (0.0, 0.0);
    for seed in 0..40 {
        let days = closings(1000 + seed, std::iter::repeat_n(0.5, 336 + 365));
        let baseline = Baseline::find(&rule, &days, 336, &|_| true).unwrap();
        promised += 3650.0 / Charts::of(&rule, &baseline).arl0;
        alarms += verdict(&rule, &days, 336 + 365).alerts.len() as f64;
    }
    // Four a year are tolerated. Days in one step make them rarer, chance in the baseline more
    // frequent; three standard deviations of a Poisson are left for chance.
    assert!((120.0..=160.0).contains(&promised), "{promised}");
    let bounds = promised / 3.0..promised + 3.0 * promised.sqrt();
    assert!(bounds.contains(&alarms), "{alarms} of {promised}");
}

proptest! {
    /// What was calibrated before never shows.
    #[test]
    fn the_memo_decides_nothing(seed in 0u64..50, cut in 90i32..180, later in 0usize..90) {
        let mut days = closings(seed, phases(&[(120, 0.5), (60, 0.3)]));
        let rule = rule(Signal::WinRate);
        let mut memo = Stream::default();
        judge(&rule, &Segment::overall(), Days { facts: &days, closed: cut, floor: i32::MIN, doubtful: &[] }, None, &mut memo);
        days[later].1.hits = 0;
        let all = Days { facts: &days, closed: 180, floor: i32::MIN, doubtful: &[] };
        prop_assert_eq!(
            judge(&rule, &Segment::overall(), all, None, &mut memo),
            verdict(&rule, &days, 180)
        );
    }
}
