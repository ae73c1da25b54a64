//! What judging costs: a stream of a year, and why it moved. docs/performance.md has the figures with
//! the machine and the command.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tidemark::drift::{DayFacts, Days, Member, Stream, explain, judge};
use tidemark::model::alert::{ChartKind, Gates, IntervalKind, Phase, Rule, Signal, State};
use tidemark::model::segment::Segment;

/// A year of closings; a tenth of it behind a change.
const DAYS: i32 = 365;
const CHANGE: i32 = 330;

fn rule(chart: ChartKind) -> Rule {
    Rule {
        signal: Signal::CycleLength,
        segments: vec![Vec::new()],
        streams: 20,
        false_alarms_a_year: 4,
        phase: Phase::None,
        baseline_days: 84,
        baseline_from: None,
        gates: Gates { min_n: 30, min_baseline: 100, effect_percent: 15 },
        chart,
        interval: IntervalKind::Wilson,
        currency: tidemark::model::money::Currency::parse("EUR").unwrap(),
    }
}

/// `n` deals a day whose cycles grow by half.
fn facts(n: u64) -> Vec<(i32, DayFacts)> {
    let day = |day: i32| {
        let usual: f64 = if day < CHANGE { 40.0 } else { 60.0 };
        let ln = usual.ln_1p() + 0.1 * f64::from(day % 3 - 1);
        let (sum, count) = (n as f64 * ln, n as f64);
        (day, DayFacts { n, hits: 0, sum, squares: count * (ln * ln + 0.8), ..DayFacts::default() })
    };
    (0..DAYS).map(day).collect()
}

fn days(facts: &[(i32, DayFacts)]) -> Days<'_> {
    Days { facts, closed: DAYS, floor: i32::MIN, doubtful: &[] }
}

fn judging(c: &mut Criterion) {
    let mut group = c.benchmark_group("judge a stream of 365 days");
    let facts = facts(20);
    for (name, chart) in ChartKind::ALL.map(|(chart, name)| (name, chart)) {
        let (rule, whole) = (rule(chart), Segment::overall());
        let look = |memo: &mut Stream| judge(&rule, &whole, days(&facts), None, memo);
        let mut memo = Stream::default();
        assert!(look(&mut memo).alerts.iter().any(|alert| alert.state == State::Firing));
        group.bench_function(format!("{name}, calibrated before"), |b| {
            b.iter(|| black_box(look(&mut memo)));
        });
        group.bench_function(format!("{name}, anew"), |b| {
            b.iter(|| black_box(look(&mut Stream::default())));
        });
    }
    group.finish();
}

fn explaining(c: &mut Criterion) {
    let mut group = c.benchmark_group("explain an alert, 365 days");
    for members in [20u64, 300] {
        let rule = rule(ChartKind::Cusum);
        let whole = facts(members);
        let said = judge(&rule, &Segment::overall(), days(&whole), None, &mut Stream::default());
        let alert = said.alerts.last().unwrap();
        let reps: Vec<Segment> =
            (0..members).map(|i| Segment::of([("rep", format!("r-{i}").as_str())])).collect();
        let member = |segment| Member { segment, facts: facts(1) };
        let all: Vec<Member<'_>> = reps.iter().map(member).collect();
        assert!(explain(&rule, alert, days(&whole), "rep", &all).is_some());
        group.bench_function(format!("by {members} members"), |b| {
            b.iter(|| black_box(explain(&rule, alert, days(&whole), "rep", &all)));
        });
    }
    group.finish();
}

criterion_group!(benches, judging, explaining);
criterion_main!(benches);
