//! Evidence for the drift detectors: what `docs/drift.md` says of them, on simulated streams and,
//! where present, on reference data. The streams are seeded, so each run gives the same figures.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use tidemark::drift::mix::{Part, kitagawa};
use tidemark::drift::{DayFacts, Days, Stream, Verdict, judge};
use tidemark::model::alert::{Gates, Phase, Rule, Signal, Silence, State};
use tidemark::model::segment::Segment;
use tidemark::model::time::Day;

#[path = "support/drift_streams.rs"]
mod streams;

#[path = "support/oracle.rs"]
mod oracle;

use oracle::{csv, shared};
use streams::Subject;

#[test]
fn run_lengths_are_the_published_ones() {
    for (name, ours, published) in streams::references() {
        assert!((ours / published - 1.0).abs() < 0.01, "{name}: {ours}, published {published}");
    }
}

#[test]
fn a_drift_is_found_as_soon_as_promised() {
    let of = |subject, name: &str| {
        let scores = streams::scores(subject, 20_261_123, 300);
        scores.into_iter().find(|s| s.name == name).unwrap()
    };
    let ratio = of(Subject::Losses, "tidemark: Bernoulli CUSUM, h = 26");
    assert!((900.0..1400.0).contains(&ratio.arl0), "{ratio:?}");
    assert!(ratio.delay[0] <= 90.0 && ratio.delay[1] <= 50.0, "{ratio:?}");
    let days = of(Subject::Days, "tidemark: CUSUM of ln(days + 1), ARL 1,000");
    assert!((900.0..1400.0).contains(&days.arl0), "{days:?}");
    assert!(days.delay[0] <= 115.0 && days.delay[1] <= 40.0, "{days:?}");
}

#[test]
fn what_is_shipped_keeps_to_the_false_alarms_it_was_told() {
    for (subject, name) in [
        (Subject::Losses, "tidemark as shipped"),
        (Subject::Days, "tidemark as shipped"),
        (Subject::Days, "tidemark with chart"),
    ] {
        let scores = streams::scores(subject, 7, 100);
        let shipped = scores.iter().find(|s| s.name.starts_with(name)).unwrap();
        // A baseline of 200 deals is an estimate, so a run is now longer, now shorter.
        assert!(shipped.arl0 > 800.0, "{shipped:?}");
        assert!(shipped.delay[1] < 150.0, "{shipped:?}");
    }
}

#[test]
fn hundreds_of_reps_are_best_watched_by_what_adds_up() {
    let found = streams::reps(7, 20);
    let of = |name: &str| found.iter().find(|w| w.name == name).unwrap();
    let naive = of("two proportions, fallen with p < 0.05");
    let plain = of("CUSUM, h = 5");
    let shrunk = of("CUSUM, baseline shrunk over siblings, h = 5");
    assert!(naive.wrong > 3.0 * shrunk.wrong, "{naive:?} {shrunk:?}");
    // Of 285 reps whose win rate has not changed it says what it promises, Fisher's test less.
    assert!((0.035..0.06).contains(&(naive.wrong / 285.0)), "{naive:?}");
    let exact = of("Fisher's exact test, fallen with p < 0.05");
    assert!((1.0..naive.wrong).contains(&exact.wrong), "{exact:?}");
    // One month of a rep proves nothing among so many.
    let [month, quarter] = ["", " of the last 3 months"]
        .map(|of_what| of(&format!("two proportions{of_what}, Benjamini-Hochberg at 0.1")));
    assert!(month.wrong < 0.1 && month.found[1] < 0.05, "{month:?}");
    assert!(quarter.wrong < 0.5 && quarter.found[1] > month.found[1], "{quarter:?}");
    assert!(quarter.found[1] < shrunk.found[1], "{quarter:?}");
    assert!(shrunk.wrong < plain.wrong, "{shrunk:?} {plain:?}");
    assert!(shrunk.found[1] > 0.35, "{shrunk:?}");
}

fn rule(signal: Signal, phase: Phase, from: &str, days: u32) -> Rule {
    Rule {
        signal,
        segments: vec![Vec::new()],
        streams: 1,
        false_alarms_a_year: 4,
        phase,
        baseline_days: days,
        baseline_from: Day::parse(from),
        gates: Gates { min_n: 30, min_baseline: 100, effect_percent: 15 },
        chart: Default::default(),
        interval: Default::default(),
        currency: tidemark::model::money::Currency::parse("EUR").unwrap(),
    }
}

fn verdict(rule: &Rule, facts: &[(i32, DayFacts)], closed: i32) -> Verdict {
    let days = Days { facts, closed, floor: i32::MIN, doubtful: &[] };
    judge(rule, &Segment::overall(), days, None, &mut Stream::default())
}

/// Deals won, and won and lost, of each day, by what a line of the reference data is of.
fn closings<'a>(
    lines: &[BTreeMap<&'a str, &'a str>],
    of: impl Fn(&BTreeMap<&'a str, &'a str>) -> &'a str,
) -> BTreeMap<&'a str, BTreeMap<i32, (u64, u64)>> {
    let mut out: BTreeMap<&str, BTreeMap<i32, (u64, u64)>> = BTreeMap::new();
    for line in lines {
        let won = match line["type"] {
            "deal.closed_won" => true,
            "deal.closed_lost" => false,
            _ => continue,
        };
        let day = Day::parse(line["ts"]).expect("a day").0;
        let (hits, n) = out.entry(of(line)).or_default().entry(day).or_default();
        *hits += u64::from(won);
        *n += 1;
    }
    out
}

#[test]
fn a_season_raises_no_alarm_where_the_phase_is_known_and_many_where_it_is_not() {
    let Some(text) = shared("events.csv") else {
        println!("skipped: the reference data is not here");
        return;
    };
    let lines = csv(&text);
    let all = closings(&lines, |_| "all").remove("all").expect("deals");
    let facts: Vec<(i32, DayFacts)> = all
        .iter()
        .map(|(day, (hits, n))| (*day, DayFacts { n: *n, hits: *hits, ..DayFacts::default() }))
        .collect();
    let end = Day::parse("2018-01-01").expect("a day").0;
    // One month of each of the quarter is all there is for a baseline: March to May.
    let fired = |phase| {
        let rule = rule(Signal::WinRate, phase, "2017-03-01", 92);
        verdict(&rule, &facts, end).alerts.iter().filter(|a| a.fired).count()
    };
    assert!(fired(Phase::MonthOfQuarter) <= 1, "{}", fired(Phase::MonthOfQuarter));
    assert!(fired(Phase::None) >= 1, "a baseline without the season takes it for a drift");

    // What many do: each month against the one before, p < 0.05.
    let mut months: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for line in &lines {
        let won = match line["type"] {
            "deal.closed_won" => 1,
            "deal.closed_lost" => 0,
            _ => continue,
        };
        let (hits, n) = months.entry(&line["ts"][..7]).or_default();
        (*hits, *n) = (*hits + won, *n + 1);
    }
    let months: Vec<(u64, u64)> = months.into_values().collect();
    let z = |pair: &[(u64, u64)]| streams::two_proportions(pair[1], pair[0]).abs();
    let naive = months.windows(2).filter(|pair| z(pair) > 1.96).count();
    assert!(naive >= 5, "{naive} of {} months", months.len() - 1);
}

/// A shop whose deals are created at a pace of so many a day until a day: what was sold before goes on
/// closing, later and later. By day of the closing the cycles, by day of the creation the cohorts.
fn shop(seed: u64, a_day: i32, stop: i32, end: i32) -> [BTreeMap<i32, DayFacts>; 2] {
    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let (mut cycles, mut cohorts): (BTreeMap<i32, DayFacts>, BTreeMap<i32, DayFacts>) =
        Default::default();
    for created in 0..stop {
        for deal in 0..a_day {
            let u: f64 = dice.random();
            // A long tail: half are won within 15 days, a tenth take more than 130.
            let age = (15.0 * (u / (1.0 - u))) as i32;
            let won = (created * a_day + deal) % 10 < 3;
            let cohort = cohorts.entry(created).or_default();
            cohort.n += 1;
            cohort.hits += u64::from(won && age <= 90);
            cycles.entry(created).or_default().created += 1;
            if won && created + age < end {
                let ln = f64::from(age).ln_1p();
                let cycle = cycles.entry(created + age).or_default();
                cycle.n += 1;
                cycle.sum += ln;
                cycle.squares += ln * ln;
            }
        }
    }
    [cycles, cohorts]
}

#[test]
fn where_no_more_deals_are_created_there_is_no_data_and_no_alarm() {
    let (stop, end) = (250, 500);
    let [cycles, cohorts] = shop(3, 5, stop, end);
    let typical = |from: i32, to: i32| {
        let of =
            cycles.range(from..to).fold((0.0, 0.0), |s, (_, f)| (s.0 + f.sum, s.1 + f.n as f64));
        (of.0 / of.1).exp_m1()
    };
    let before = typical(150, 250);
    let after = [typical(250, 280), typical(280, 340), typical(340, 460)];
    assert!(
        before < after[0] && after[0] < after[1] && after[1] < after[2] && after[2] > 3.0 * before,
        "by closing day the cycle seems to grow and grow: {before} {after:?}"
    );
    let mut cohort_rule = rule(Signal::CohortConversion, Phase::None, "1970-01-01", 84);
    cohort_rule.baseline_from = None;
    let facts: Vec<(i32, DayFacts)> = cohorts.into_iter().collect();
    for closed in stop..end {
        let said = verdict(&cohort_rule, &facts, closed);
        assert_eq!(said.alerts, [], "day {closed}");
        let cohort = closed - Signal::CohortConversion.delay();
        // Cohorts come of age for 90 days more; four weeks later there is nothing to look at.
        let is_silent = cohort >= stop + 28;
        assert_eq!(said.reading.state == State::NoData, is_silent, "day {closed}");
    }
    // Of cycles themselves nothing is said either, be the shop small or large: the days on which only
    // old deals were left to be won are not looked at.
    let (stop, end) = (400, 650);
    for (seed, a_day) in (3..9).flat_map(|seed| [(seed, 5), (seed, 50)]) {
        let [mut cycles, _] = shop(seed, a_day, stop, end);
        // A holiday of the baseline, in which nothing is created, makes a week without usual.
        cycles.range_mut(300..307).for_each(|(_, facts)| facts.created = 0);
        let facts: Vec<(i32, DayFacts)> = cycles.into_iter().collect();
        // Its first months have only deals that were quick.
        let mut cycle_rule = rule(Signal::CycleLength, Phase::None, "1970-01-01", 84);
        cycle_rule.baseline_from = Some(Day(250));
        let fired = |facts: &[(i32, DayFacts)], closed| {
            let said = verdict(&cycle_rule, facts, closed);
            let late = said.alerts.iter().filter(|a| a.fired && a.since >= Day(stop)).count();
            (late, said.reading.state)
        };
        for closed in stop..end {
            let (fired, state) = fired(&facts, closed);
            assert_eq!(fired, 0, "seed {seed}, {a_day} a day, day {closed}");
            assert!(closed < stop + 28 + 7 || state == State::NoData, "day {closed}: {state:?}");
        }
        // One that knows nothing of what is created takes it for a drift.
        let blind = |(day, f): &(i32, DayFacts)| (*day, DayFacts { created: 0, ..*f });
        let blind: Vec<(i32, DayFacts)> = facts.iter().map(blind).collect();
        let said = verdict(&cycle_rule, &blind, end).alerts;
        assert!(said.iter().any(|a| a.fired && a.effect > 1.0), "seed {seed}, {a_day} a day");
    }
}

#[test]
fn longer_cycles_are_found_while_deals_are_created_as_ever() {
    let [cycles, _] = shop(3, 5, 300, 300);
    let slower = |(day, facts): (&i32, &DayFacts)| {
        let more = if *day < 220 { 0.0 } else { 1.5f64.ln() };
        let (n, sum) = (facts.n as f64, facts.sum);
        let squares = facts.squares + 2.0 * more * sum + n * more * more;
        (*day, DayFacts { sum: sum + n * more, squares, ..*facts })
    };
    let facts: Vec<(i32, DayFacts)> = cycles.iter().map(slower).collect();
    let mut rule = rule(Signal::CycleLength, Phase::None, "1970-01-01", 84);
    rule.baseline_from = Some(Day(130));
    let blind = |(day, f): &(i32, DayFacts)| (*day, DayFacts { created: 0, ..*f });
    let blind: Vec<(i32, DayFacts)> = facts.iter().map(blind).collect();
    let (said, without) = (verdict(&rule, &facts, 300), verdict(&rule, &blind, 300));
    let [alert] = &said.alerts[..] else { panic!("{:?}", said.alerts) };
    assert!(alert.fired && alert.since < Day(270), "{alert:?}");
    assert_eq!(said.alerts, without.alerts, "no day was left out");

    // In batches, a month's deals on one day: most weeks have none, as those of the baseline.
    let mut batches: BTreeMap<i32, DayFacts> = facts.iter().copied().collect();
    batches.values_mut().for_each(|facts| facts.created = 0);
    for (day, f) in &facts {
        batches.entry(day / 30 * 30).or_default().created += f.created;
    }
    let mut batches: Vec<(i32, DayFacts)> = batches.into_iter().collect();
    let said = verdict(&rule, &batches, 300).alerts;
    let [alert] = &said[..] else { panic!("{said:?}") };
    assert!(alert.fired && alert.since < Day(270), "nor where deals come in batches: {alert:?}");
    // Batches that end leave old deals only.
    batches.iter_mut().filter(|(day, _)| *day > 220).for_each(|(_, facts)| facts.created = 0);
    let reading = verdict(&rule, &batches, 300).reading;
    assert_eq!((reading.state, reading.silence), (State::NoData, Some(Silence::Supply)));
}

#[test]
fn mix_and_rate_are_those_of_the_reference_data() {
    let names = ["events.csv", "accounts.csv", "truth_mix_rate.csv"];
    let [Some(text), Some(accounts), Some(truth)] = names.map(shared) else {
        println!("skipped: the reference data is not here");
        return;
    };
    let lines = csv(&text);
    let sectors: BTreeMap<&str, &str> =
        csv(&accounts).into_iter().map(|line| (line["account"], line["sector"])).collect();
    let mut compared = 0;
    for line in csv(&truth) {
        let days = closings(&lines, |deal| match line["dim"] {
            "sector" => sectors[deal["account"]],
            dim => deal[dim],
        });
        let start = Day::parse(line["month"]).expect("a day");
        let before = tidemark::model::window::Period::Month.start(Day(start.0 - 1));
        let next = tidemark::model::window::Period::Month.start(Day(start.0 + 31));
        let sum = |days: &BTreeMap<i32, (u64, u64)>, from: Day, to: Day| {
            let list = days.range(from.0..to.0).map(|(_, c)| *c);
            let (hits, n) = list.fold((0, 0), |sum, c| (sum.0 + c.0, sum.1 + c.1));
            (hits as f64, n as f64)
        };
        let parts: Vec<Part> = days
            .values()
            .map(|d| Part { before: sum(d, before, start), now: sum(d, start, next) })
            .collect();
        let split = kitagawa(&parts).expect("closings");
        for (name, ours) in
            [("mix_effect", split.mix), ("rate_effect", split.rate), ("total_change", split.total)]
        {
            let expected: f64 = line[name].parse().expect("a number");
            assert!((ours - expected).abs() < 1e-12, "{line:?}: {name} is {ours}");
            compared += 1;
        }
    }
    assert_eq!(compared, 36 * 3);
}
