//! An EWMA keeps its promises however many deals a day has.

use super::super::judge::{Days, Stream, judge};
use super::*;
use crate::model::alert::{Gates, IntervalKind, Phase, Signal};
use crate::model::money::Currency;
use crate::model::segment::Segment;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIGMA: f64 = 0.9;
const BASELINE: i32 = 84;

fn rule(false_alarms_a_year: u32) -> Rule {
    Rule {
        signal: Signal::CycleLength,
        segments: vec![vec![]],
        streams: 1,
        false_alarms_a_year,
        phase: Phase::None,
        baseline_days: BASELINE as u32,
        baseline_from: None,
        gates: Gates { min_n: 30, min_baseline: 100, effect_percent: 15 },
        chart: ChartKind::Ewma,
        interval: IntervalKind::Wilson,
        currency: Currency::parse("EUR").unwrap(),
    }
}

fn normal(dice: &mut ChaCha8Rng) -> f64 {
    let (a, b): (f64, f64) = (dice.random(), dice.random());
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

/// A day of `n` deals whose logarithms have this mean.
fn day(dice: &mut ChaCha8Rng, n: u64, mean: f64, sigma: f64) -> DayFacts {
    let count = n as f64;
    let sum = count * mean + sigma * count.sqrt() * normal(dice);
    let squares = sum * sum / count + (count - 1.0).max(0.0) * sigma * sigma;
    DayFacts { n, hits: 0, sum, squares, ..DayFacts::default() }
}

/// Days of which so many are within the baseline, and the rest half as long again.
fn days(seed: u64, n: u64, within: i32, behind: i32) -> Vec<(i32, DayFacts)> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mean = |d: i32| if d < within { 3.7 } else { 3.7 + FACTOR.ln() };
    (0..within + behind).map(|d| (d, day(&mut dice, n, mean(d), SIGMA))).collect()
}

/// Mean cases until one of both charts alarms, beside what is told.
fn run_length(a_year: u32, sizes: std::ops::RangeInclusive<u64>) -> (f64, Charts) {
    let mut dice = ChaCha8Rng::seed_from_u64(7);
    let mut some = |mean: f64, sigma: f64| {
        let n = dice.random_range(sizes.clone());
        day(&mut dice, n, mean, sigma)
    };
    let past: Vec<_> = (0..BASELINE).map(|d| (d, some(3.7, SIGMA))).collect();
    let mut baseline = Baseline::find(&rule(a_year), &past, BASELINE, &|_| true).unwrap();
    // The sizes of 84 days are an estimate of how many cases a day has.
    baseline.a_look = (sizes.start() + sizes.end()) as f64 / 2.0;
    baseline.a_month = baseline.a_look * 365.25 / 12.0;
    let charts = Charts::of(&rule(a_year), &baseline);
    let Usual::Logarithm(mean, sigma) = &baseline.usual else { panic!("{baseline:?}") };
    const RUNS: u32 = 4_000;
    let mut cases = 0;
    for _ in 0..RUNS {
        let mut both = charts.sides.each_ref().map(|side| (side, side.chart));
        while !both.iter().any(|(_, chart)| chart.is_over()) {
            let facts = some(mean[0], *sigma);
            cases += facts.n;
            for (side, chart) in &mut both {
                chart.add(side.step(&baseline.usual, 0, &facts));
            }
        }
    }
    (cases as f64 / f64::from(RUNS), charts)
}

#[test]
fn false_alarms_are_as_many_as_are_told_at_any_volume() {
    for (a_year, sizes) in [(12, 5..=5), (12, 50..=50), (12, 100..=100), (4, 1..=9), (4, 60..=140)]
    {
        let (cases, charts) = run_length(a_year, sizes.clone());
        // A run is about as far off as it is long: 4,000 are known to 1.6 %, and the limit to a
        // thousandth.
        let off = cases / charts.arl0 - 1.0;
        assert!(off.abs() < 0.05, "{sizes:?}: {cases}, told {}", charts.arl0);
        let told = charts.false_alarms * 12.0 / f64::from(a_year);
        assert!((told - 1.0).abs() < 1e-6, "{sizes:?}: {told}");
    }
}

#[test]
fn growth_by_half_is_found_in_days_at_any_volume() {
    for (n, soon) in [(5, 21), (50, 5), (100, 4)] {
        let found = (0..60).filter(|seed| {
            let facts = days(*seed, n, 120, soon);
            let days = Days { facts: &facts, closed: 120 + soon, floor: i32::MIN, doubtful: &[] };
            let said = judge(&rule(4), &Segment::overall(), days, None, &mut Stream::default());
            said.alerts.iter().any(|a| a.fired && a.direction == Direction::Up && a.since.0 >= 120)
        });
        let found = found.count();
        assert!(found >= 57, "{n} a day: {found} of 60 within {soon} days");
    }
}
