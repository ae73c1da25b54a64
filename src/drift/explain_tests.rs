use super::super::{Stream, judge};
use super::*;
use crate::model::alert::{BaselineShown, Direction, Figure, Gates, Signal, State};
use proptest::prelude::*;

const QUIET: i32 = 100;
const END: i32 = 130;

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

fn alert(signal: Signal) -> Alert {
    let figure = Figure::default();
    Alert {
        signal,
        currency: crate::model::money::Currency::parse("EUR").unwrap(),
        segment: Segment::overall(),
        direction: Direction::Down,
        episode: 1,
        state: State::Firing,
        fired: true,
        withdrawn: false,
        since: Day(QUIET + 5),
        resolved: None,
        end: None,
        silence: None,
        change: Day(QUIET),
        now: figure,
        now_days: (Day(QUIET), Day(END)),
        baseline: BaselineShown { from: Day(0), to: Day(84), figure },
        explained: Vec::new(),
        siblings: None,
        effect: 0.0,
        statistic: 0.0,
        threshold: 1.0,
        e_value: 1.0,
        arl0: 1.0,
        false_alarms: 1.0,
        as_of: Day(END),
        judged_to: Day(END),
        judged_by: 0,
    }
}

fn closings(n: u64, hits: u64) -> DayFacts {
    DayFacts { n, hits, ..DayFacts::default() }
}

/// Won deals of these lengths, in days.
fn cycles(days: &[u32]) -> DayFacts {
    let ln = || days.iter().map(|d| f64::from(*d).ln_1p());
    let squares = ln().map(|x| x * x).sum();
    DayFacts { n: days.len() as u64, hits: 0, sum: ln().sum(), squares, ..DayFacts::default() }
}

fn whole(members: &[Vec<(i32, DayFacts)>]) -> Vec<(i32, DayFacts)> {
    let mut out: std::collections::BTreeMap<i32, DayFacts> = Default::default();
    for (day, facts) in members.iter().flatten() {
        out.entry(*day).or_default().add(facts);
    }
    out.into_iter().collect()
}

fn days(facts: &[(i32, DayFacts)]) -> Days<'_> {
    Days { facts, closed: END, floor: i32::MIN, doubtful: &[] }
}

fn named(n: usize) -> Vec<Segment> {
    (0..n).map(|i| Segment::of([("territory", ["east", "north", "south", "west"][i])])).collect()
}

fn explained(
    rule: &Rule,
    alert: &Alert,
    members: &[Vec<(i32, DayFacts)>],
) -> Option<(f64, Explained)> {
    let all = whole(members);
    let names = named(members.len());
    let list: Vec<Member<'_>> = names
        .iter()
        .zip(members)
        .map(|(segment, facts)| Member { segment, facts: facts.clone() })
        .collect();
    explain(rule, alert, days(&all), "territory", &list)
}

/// Days of one member: before and since the change, each day the same.
fn member(before: DayFacts, now: DayFacts) -> Vec<(i32, DayFacts)> {
    (0..END).map(|d| (d, if d < QUIET { before } else { now })).collect()
}

#[test]
fn who_fell_is_named_first() {
    let steady = || member(closings(4, 2), closings(4, 2));
    let members = [steady(), member(closings(6, 3), closings(6, 1)), steady()];
    let (unlike, found) =
        explained(&rule(Signal::WinRate), &alert(Signal::WinRate), &members).expect("they add up");
    let north = &found.contributors[0];
    assert_eq!(north.segment, Segment::of([("territory", "north")]));
    assert_eq!(found.contributors.len(), 1, "the others did nothing: {found:?}");
    assert_eq!((north.n, north.baseline_n), (180, 504));
    assert!((north.now.unwrap() - 1.0 / 6.0).abs() < 1e-12 && north.baseline == Some(0.5));
    assert!(
        (found.change + 2.0 / 14.0).abs() < 1e-12 && (north.effect - found.change).abs() < 1e-12
    );
    assert!(found.mix.unwrap().abs() < 1e-12 && !found.simpson);
    let (low, high) = found.rate_interval.unwrap();
    assert!(low < found.rate.unwrap() && found.rate.unwrap() < high && high < 0.0, "{found:?}");
    assert!(unlike > 5.0, "{unlike}");
}

#[test]
fn other_weights_are_mix_and_a_paradox_is_flagged() {
    let (rule, alert) = (rule(Signal::WinRate), alert(Signal::WinRate));
    let weights =
        [member(closings(10, 8), closings(2, 1)), member(closings(10, 2), closings(20, 4))];
    let (_, found) = explained(&rule, &alert, &weights).unwrap();
    assert!(found.mix.unwrap() < -0.15 && found.mix.unwrap() < 2.0 * found.rate.unwrap());
    let paradox =
        [member(closings(10, 8), closings(6, 5)), member(closings(10, 2), closings(20, 5))];
    let (_, found) = explained(&rule, &alert, &paradox).unwrap();
    assert!(found.simpson && found.rate.unwrap() > 0.0 && found.change < 0.0, "{found:?}");
}

#[test]
fn members_that_do_not_add_up_explain_nothing() {
    let (rule, alert) = (rule(Signal::WinRate), alert(Signal::WinRate));
    let members = [member(closings(4, 2), closings(4, 1)), member(closings(4, 2), closings(4, 2))];
    let all = whole(&members);
    let names = named(2);
    let list = |late: usize| {
        let facts =
            |i: usize| members[i][..members[i].len() - if i == 1 { late } else { 0 }].to_vec();
        (0..2).map(|i| Member { segment: &names[i], facts: facts(i) }).collect::<Vec<_>>()
    };
    assert!(explain(&rule, &alert, days(&all), "territory", &list(0)).is_some());
    assert_eq!(explain(&rule, &alert, days(&all), "territory", &list(1)), None);
    assert_eq!(explain(&rule, &alert, days(&all), "territory", &[]), None);
    // Days that may lack records are looked at in neither.
    let doubtful = Days { doubtful: &[(END - 1, END)], ..days(&all) };
    assert!(explain(&rule, &alert, doubtful, "territory", &list(1)).is_some());
}

#[test]
fn a_season_is_no_mix() {
    let rule = Rule { phase: Phase::Weekday, ..rule(Signal::WinRate) };
    // On weekends only the second sells, and since the change there are more of them.
    let facts = |d: i32, i: usize| match (rule.phase.of(Day(d)) >= 5, i) {
        (true, 0) => closings(0, 0),
        (true, _) => closings(5, 4),
        (false, _) => closings(5, 2),
    };
    let some = |d: &i32| *d < QUIET || rule.phase.of(Day(*d)) >= 5;
    let one = |i: usize| (0..END).filter(some).map(|d| (d, facts(d, i))).collect::<Vec<_>>();
    let alert = alert(Signal::WinRate);
    let (_, found) = explained(&rule, &alert, &[one(0), one(1)]).unwrap();
    assert!(found.change.abs() < 1e-12 && found.contributors.is_empty(), "{found:?}");
    let (_, blind) =
        explained(&Rule { phase: Phase::None, ..rule }, &alert, &[one(0), one(1)]).unwrap();
    assert!(blind.change > 0.1, "{blind:?}");
}

#[test]
fn a_count_is_the_sum_of_its_members() {
    let signal = Signal::LeadsCreated;
    let counted = |n| DayFacts { n, ..DayFacts::default() };
    let members = [
        member(counted(3), counted(3)),
        member(counted(8), counted(0)),
        member(counted(2), counted(3)),
    ];
    let (unlike, found) = explained(&rule(signal), &alert(signal), &members).unwrap();
    assert!((found.change + 7.0).abs() < 1e-9, "{found:?}");
    assert_eq!((found.mix, found.rate, found.simpson), (None, None, false));
    let [north, south] = &found.contributors[..] else { panic!("{found:?}") };
    assert_eq!(north.segment, Segment::of([("territory", "north")]));
    assert!((north.effect + 8.0).abs() < 1e-9 && (south.effect - 1.0).abs() < 1e-9);
    assert_eq!((north.now, north.n, north.baseline), (Some(0.0), 0, Some(8.0)));
    assert!(unlike > 5.0, "{unlike}");
}

#[test]
fn the_change_of_a_duration_is_that_of_its_alert() {
    let signal = Signal::CycleLength;
    let members = [
        member(cycles(&[20, 30, 44]), cycles(&[50, 90, 130])),
        member(cycles(&[8, 12]), cycles(&[7, 12, 13])),
    ];
    let all = whole(&members);
    let judged =
        judge(&rule(signal), &Segment::overall(), days(&all), None, &mut Stream::default());
    let [alert] = &judged.alerts[..] else { panic!("{judged:?}") };
    let (_, found) = explained(&rule(signal), alert, &members).unwrap();
    let moved = alert.now.value.unwrap() - alert.baseline.figure.value.unwrap();
    assert!((found.change - moved).abs() < 1e-9, "{} {moved}", found.change);
    assert!((found.mix.unwrap() + found.rate.unwrap() - found.change).abs() < 1e-12);
    assert_eq!(found.contributors[0].segment, Segment::of([("territory", "east")]));
    let effects: f64 = found.contributors.iter().map(|c| c.effect).sum();
    assert!((effects - found.change).abs() < 1e-9);
}

#[test]
fn members_that_move_alike_say_less_than_those_that_do_not() {
    let (rule, alert) = (rule(Signal::WinRate), alert(Signal::WinRate));
    let alike = [member(closings(10, 5), closings(10, 3)), member(closings(4, 2), closings(10, 3))];
    let unlike =
        [member(closings(10, 5), closings(10, 5)), member(closings(4, 2), closings(10, 1))];
    let of = |members: &[_]| explained(&rule, &alert, members).unwrap().0;
    assert!(of(&alike) < 0.0 && of(&unlike) > 5.0, "{} {}", of(&alike), of(&unlike));
    assert_eq!(of(&alike[..1]), f64::NEG_INFINITY, "one member explains nothing");
}

proptest! {
    /// Mix and rate are the whole, and so are the effects of the members, whatever the numbers.
    #[test]
    fn mix_and_rate_are_the_change(
        list in proptest::collection::vec(
            proptest::collection::vec((0i32..END, 0u64..9, 0u64..9), 0..60), 1..4),
        phase in prop_oneof![Just(Phase::None), Just(Phase::Weekday), Just(Phase::WeekOfMonth)],
        durations: bool,
    ) {
        let signal = if durations { Signal::CycleLength } else { Signal::WinRate };
        let facts = |(day, a, b): &(i32, u64, u64)| match durations {
            true => (*day, cycles(&vec![*b as u32 * 7; *a as usize])),
            false => (*day, closings(a + b, *a)),
        };
        let members: Vec<Vec<(i32, DayFacts)>> =
            list.iter().map(|days| whole(&[days.iter().map(facts).collect()])).collect();
        let rule = Rule { phase, ..rule(signal) };
        if let Some((_, found)) = explained(&rule, &alert(signal), &members) {
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * (1.0 + b.abs());
            prop_assert!(near(found.mix.unwrap() + found.rate.unwrap(), found.change), "{found:?}");
            let effects: f64 = found.contributors.iter().map(|c| c.effect).sum();
            prop_assert!((effects - found.change).abs() <= 1e-12 * (1.0 + 100.0), "{found:?}");
        }
    }
}

#[test]
fn how_unlike_counts_moved_is_a_chi_square() {
    let leads = |n: u64| DayFacts { n, ..DayFacts::default() };
    let members = [20, 20, 40].map(|now| member(leads(10), leads(now)));
    let signal = Signal::LeadsCreated;
    let (unlike, _) = explained(&rule(signal), &alert(signal), &members).expect("they add up");
    // Of 300 expected each 600, 600 and 1,200 came: a chi-square of 300 with two degrees of freedom.
    assert!((unlike - 149.0).abs() < 1e-9, "{unlike}");
}

#[test]
fn as_many_deals_of_other_lengths_do_not_add_up() {
    let signal = Signal::CycleLength;
    let of = member(cycles(&[20, 30]), cycles(&[40, 50]));
    let segment = Segment::of([("territory", "east")]);
    let list = [Member { segment: &segment, facts: of.clone() }];
    let explained = |all: &[(i32, DayFacts)]| {
        explain(&rule(signal), &alert(signal), days(all), "territory", &list).is_some()
    };
    assert!(explained(&of));
    let mut other = of;
    other[QUIET as usize].1.sum += 0.1;
    assert!(!explained(&other));
}
