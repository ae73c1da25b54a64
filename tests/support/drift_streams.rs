//! Simulated streams of closed deals, and how soon each of our charts alarms on them: evidence for
//! `docs/drift.md`. `make bench-drift` runs detectors of others on the same streams.
//!
//! A stream begins with [`WARM`] deals within the baseline; then it goes on within it, or shifts.
#![allow(dead_code, reason = "each program uses a part of it")]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, DiscreteCDF, Hypergeometric, Normal};
use tidemark::drift::arl::{Lattice, normal_threshold};
use tidemark::drift::chart::{Cusum, Ewma, FACTOR, Mixture, ODDS, bernoulli, odds_times};
use tidemark::drift::many::e_bh;
use tidemark::drift::{DayFacts, Days, Stream, judge, shrink};
use tidemark::model::alert::{ChartKind, Gates, Phase, Rule, Signal};
use tidemark::model::segment::Segment;

/// Deals before anything may shift.
pub const WARM: usize = 200;
/// Deals behind them where nothing shifts: run lengths are capped by it.
pub const QUIET: usize = 10_000;
/// Deals behind them where something does: delays are capped by it.
pub const SHIFTED: usize = 2_000;
/// A detector is of use if it alarms within so many deals.
pub const SOON: usize = 100;

/// Standard deviation of the logarithm of cycle lengths, and their median in days.
const SIGMA: f64 = 0.9;
const MEDIAN: f64 = 40.0;
/// Deals a day, where a detector looks at days.
const A_DAY: usize = 5;

/// What is simulated: a win rate of 30 %, or cycle lengths of 40 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// 1 where the deal was lost.
    Losses,
    /// Whole days.
    Days,
}

impl Subject {
    /// Its name in files and tables, and its shifts: the chance to win, or the factor.
    pub fn named(self) -> (&'static str, [f64; 2]) {
        match self {
            Subject::Losses => ("win_rate", [0.20, 0.15]),
            Subject::Days => ("cycle_length", [1.25, 1.5]),
        }
    }
}

fn dice(seed: u64, run: u64, what: u64) -> ChaCha8Rng {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    dice.set_stream(run * 16 + what);
    dice
}

/// Standard normal, by Box and Muller.
fn normal(dice: &mut ChaCha8Rng) -> f64 {
    let (a, b): (f64, f64) = (dice.random(), dice.random());
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

/// A stream: within the baseline, or behind [`WARM`] deals by one of the shifts.
pub fn stream(subject: Subject, shift: Option<usize>, seed: u64, run: u64) -> Vec<u16> {
    let what = shift.map_or(0, |i| i as u64 + 1) + 8 * u64::from(subject == Subject::Days);
    let mut dice = dice(seed, run, what);
    let n = WARM + shift.map_or(QUIET, |_| SHIFTED);
    let (_, shifts) = subject.named();
    (0..n)
        .map(|i| {
            let shifted = shift.filter(|_| i >= WARM).map(|s| shifts[s]);
            match subject {
                Subject::Losses => u16::from(!dice.random_bool(shifted.unwrap_or(0.3))),
                Subject::Days => {
                    let days = MEDIAN * shifted.unwrap_or(1.0) * (SIGMA * normal(&mut dice)).exp();
                    days.round().min(60_000.0) as u16
                }
            }
        })
        .collect()
}

/// Finds the first alarm of a stream: the place of the deal that raised it.
pub type First = Box<dyn Fn(&[u16]) -> Option<usize>>;

/// Takes deal by deal.
fn singly<D: FnMut(f64) -> bool>(start: impl Fn() -> D + 'static) -> First {
    Box::new(move |stream| {
        let mut alarms = start();
        stream.iter().position(|x| alarms(f64::from(*x)))
    })
}

fn losses(threshold: f64) -> First {
    singly(move || {
        let mut chart = Cusum::new(threshold);
        move |lost| {
            chart.add(if lost > 0.0 { 1.0 } else { -3.0 });
            chart.is_over()
        }
    })
}

fn mixture(least: f64) -> First {
    singly(move || {
        let grid = [0.75, 0.775, 0.8, 0.825, 0.85, 0.875, 0.9].map(|q| bernoulli(0.7, q));
        let mut chart = Mixture::new(grid.len());
        move |lost| {
            chart.add(grid.iter().map(|(hit, miss)| if lost > 0.0 { *hit } else { *miss }));
            chart.value() >= least
        }
    })
}

/// What many dashboards do: the last fifty deals against the baseline, at every deal.
fn rolling(least: f64) -> First {
    Box::new(move |stream| {
        let sd = (0.3 * 0.7 / 50.0_f64).sqrt();
        let mut lost: u32 = stream[..50].iter().map(|x| u32::from(*x)).sum();
        (50..stream.len()).find(|i| {
            lost = lost + u32::from(stream[*i]) - u32::from(stream[*i - 50]);
            ((f64::from(lost) / 50.0 - 0.7) / sd).abs() > least
        })
    })
}

/// Mean and standard deviation of ln(days + 1) within the baseline.
fn usual_days() -> (f64, f64) {
    let mut dice = dice(1, 0, 15);
    let n = 200_000;
    let (mut sum, mut squares) = (0.0, 0.0);
    for _ in 0..n {
        let ln = (MEDIAN * (SIGMA * normal(&mut dice)).exp()).round().ln_1p();
        (sum, squares) = (sum + ln, squares + ln * ln);
    }
    let mean = sum / f64::from(n);
    (mean, (squares / f64::from(n) - mean * mean).sqrt())
}

fn durations(run_length: f64) -> First {
    let (mean, sigma) = usual_days();
    let k = FACTOR.ln() / sigma / 2.0;
    let threshold = normal_threshold(k, 2.0 * run_length);
    singly(move || {
        let mut charts = [Cusum::new(threshold), Cusum::new(threshold)];
        move |days| {
            let z = (days.ln_1p() - mean) / sigma;
            charts[0].add(z - k);
            charts[1].add(-z - k);
            charts.iter().any(Cusum::is_over)
        }
    })
}

fn smoothed() -> First {
    let (mean, sigma) = usual_days();
    singly(move || {
        let mut chart = Ewma::new(0.1, 2.8143);
        move |days| chart.add((days.ln_1p() - mean) / sigma).abs() >= chart.limit()
    })
}

/// The whole of what is shipped: days of five deals, a baseline of the first 200 deals, both ways,
/// gates, and a run length of 1,000 deals asked for.
fn shipped(subject: Subject, chart: ChartKind) -> First {
    let rule = Rule {
        signal: match subject {
            Subject::Losses => Signal::WinRate,
            Subject::Days => Signal::CycleLength,
        },
        segments: vec![Vec::new()],
        // 79 streams of 152 deals a month, and 12 false alarms a month tolerated.
        streams: 79,
        false_alarms_a_year: 144,
        phase: Phase::None,
        baseline_days: (WARM / A_DAY) as u32,
        baseline_from: None,
        gates: Gates { min_n: 30, min_baseline: 100, effect_percent: 15 },
        chart,
        interval: Default::default(),
        currency: tidemark::model::money::Currency::parse("EUR").expect("a currency"),
    };
    Box::new(move |stream| {
        let facts: Vec<(i32, DayFacts)> =
            (0..).zip(stream.chunks(A_DAY).map(|deals| day(subject, deals))).collect();
        let days =
            Days { facts: &facts, closed: facts.len() as i32, floor: i32::MIN, doubtful: &[] };
        let verdict = judge(&rule, &Segment::overall(), days, None, &mut Stream::default());
        let fired = verdict.alerts.iter().filter(|a| a.fired).map(|a| a.since.0 as usize);
        Some((fired.min()? + 1) * A_DAY - 1)
    })
}

fn day(subject: Subject, deals: &[u16]) -> DayFacts {
    let mut out = DayFacts { n: deals.len() as u64, ..DayFacts::default() };
    for deal in deals {
        match subject {
            Subject::Losses => out.hits += u64::from(*deal == 0),
            Subject::Days => {
                let ln = f64::from(*deal).ln_1p();
                (out.sum, out.squares) = (out.sum + ln, out.squares + ln * ln);
            }
        }
    }
    out
}

/// Our detectors.
pub fn detectors(subject: Subject) -> Vec<(&'static str, First)> {
    match subject {
        Subject::Losses => vec![
            ("tidemark: Bernoulli CUSUM, h = 26", losses(26.0)),
            ("tidemark: Bernoulli CUSUM, h = 39", losses(39.0)),
            ("tidemark: mixture e-detector at 1,000", mixture(1000.0)),
            (
                "tidemark as shipped: days, baseline of 200 deals",
                shipped(subject, ChartKind::Cusum),
            ),
            ("rule of thumb: last 50 deals, 1.96 σ at every deal", rolling(1.96)),
            ("rule of thumb: last 50 deals, 3 σ at every deal", rolling(3.0)),
        ],
        Subject::Days => vec![
            ("tidemark: CUSUM of ln(days + 1), ARL 500", durations(500.0)),
            ("tidemark: CUSUM of ln(days + 1), ARL 1,000", durations(1000.0)),
            ("tidemark: EWMA of ln(days + 1), λ = 0.1, ARL 500", smoothed()),
            (
                "tidemark as shipped: days, baseline of 200 deals",
                shipped(subject, ChartKind::Cusum),
            ),
            ("tidemark with chart = \"ewma\": the same", shipped(subject, ChartKind::Ewma)),
        ],
    }
}

/// How a detector did.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Its name.
    pub name: &'static str,
    /// Mean deals until a false alarm, capped.
    pub arl0: f64,
    /// Share of runs that reached the cap.
    pub capped: f64,
    /// Share of runs with a false alarm within 500 deals.
    pub early: f64,
    /// By shift: mean deals until it is found, of the runs without an earlier alarm.
    pub delay: [f64; 2],
    /// By shift: share of those found within [`SOON`] deals.
    pub soon: [f64; 2],
}

/// Runs our detectors.
pub fn scores(subject: Subject, seed: u64, runs: u64) -> Vec<Score> {
    let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len().max(1) as f64;
    let share = |list: &[f64], is: &dyn Fn(f64) -> bool| {
        list.iter().filter(|x| is(**x)).count() as f64 / list.len().max(1) as f64
    };
    let [quiet, first, second] = [None, Some(0), Some(1)]
        .map(|shift| (0..runs).map(|run| stream(subject, shift, seed, run)).collect::<Vec<_>>());
    let end = WARM + QUIET;
    detectors(subject)
        .into_iter()
        .map(|(name, alarm)| {
            // A detector that learns the baseline begins behind it, which the cap leaves out.
            let runs: Vec<f64> =
                quiet.iter().map(|s| alarm(s).unwrap_or(end).min(QUIET) as f64).collect();
            let delays = |streams: &[Vec<u16>]| -> Vec<f64> {
                let all = streams.iter().map(|s| alarm(s).unwrap_or(WARM + SHIFTED));
                all.filter(|at| *at >= WARM).map(|at| (at - WARM) as f64).collect()
            };
            let delays = [delays(&first), delays(&second)];
            Score {
                name,
                arl0: mean(&runs),
                capped: share(&runs, &|n| n >= QUIET as f64),
                early: share(&runs, &|n| n < 500.0),
                delay: delays.each_ref().map(|d| mean(d)),
                soon: delays.each_ref().map(|d| share(d, &|n| n < SOON as f64)),
            }
        })
        .collect()
}

/// How a rule did that looks at every rep once a month.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// Its name.
    pub name: &'static str,
    /// Reps a month in alarm whose win rate has not changed.
    pub wrong: f64,
    /// Share of those found, whose win rate fell, within 3 and within 6 months.
    pub found: [f64; 2],
}

const REPS: usize = 300;
const FELL: usize = 15;
const A_MONTH: usize = 20;
const MONTHS: usize = 6;
/// What a test of one window calls rare, and the share of wrong ones that Benjamini and Hochberg allow.
const RARE: f64 = 0.05;
const WRONG: f64 = 0.1;

const RULES: [&str; 11] = [
    "two proportions, fallen with p < 0.05",
    "Fisher's exact test, fallen with p < 0.05",
    "two proportions, Benjamini-Hochberg at 0.1",
    "two proportions of the last 3 months, Benjamini-Hochberg at 0.1",
    "CUSUM, h = 4",
    "CUSUM, h = 5",
    "CUSUM, h = 6",
    "CUSUM, baseline shrunk over siblings, h = 4",
    "CUSUM, baseline shrunk over siblings, h = 5",
    "CUSUM, baseline shrunk over siblings, h = 6",
    "mixture e-detector, shrunk, patience of 12 months, e-BH at 0.5",
];

/// 300 reps with 20 closings a month and a baseline of 12 months; the win rate of 15 falls to 60 %
/// of theirs. An alarm is not reset.
pub fn reps(seed: u64, runs: u64) -> Vec<Watched> {
    let mut wrong = [0usize; RULES.len()];
    let mut found = [[0usize; 2]; RULES.len()];
    for run in 0..runs {
        let alarms = months_of_reps(&mut dice(seed, run, 14));
        for (rule, months) in alarms.iter().enumerate() {
            wrong[rule] += months.iter().flat_map(|reps| &reps[FELL..]).filter(|a| **a).count();
            for (i, within) in [3, 6].into_iter().enumerate() {
                let is_found = |rep: &usize| months[..within].iter().any(|reps| reps[*rep]);
                found[rule][i] += (0..FELL).filter(is_found).count();
            }
        }
    }
    let of = |n: usize, whole: usize| n as f64 / (whole as u64 * runs) as f64;
    (0..RULES.len())
        .map(|i| Watched {
            name: RULES[i],
            wrong: of(wrong[i], MONTHS),
            found: found[i].map(|n| of(n, FELL)),
        })
        .collect()
}

/// Who is in alarm, by rule, month and rep.
fn months_of_reps(dice: &mut ChaCha8Rng) -> [Vec<Vec<bool>>; RULES.len()] {
    let chances: Vec<f64> =
        (0..REPS).map(|_| (0.3 + 0.07 * normal(dice)).clamp(0.1, 0.6)).collect();
    let draw = |dice: &mut ChaCha8Rng, p: f64, n: usize| -> Vec<bool> {
        (0..n).map(|_| dice.random_bool(p)).collect()
    };
    let wins = |deals: &[bool]| deals.iter().filter(|won| **won).count() as u64;
    let past = (12 * A_MONTH) as u64;
    // Wins by month: those of the baseline, then what comes.
    let mut history: Vec<Vec<u64>> = chances
        .iter()
        .map(|p| draw(dice, *p, 12 * A_MONTH).chunks(A_MONTH).map(wins).collect())
        .collect();
    let before: Vec<(u64, u64)> =
        history.iter().map(|months| (months.iter().sum(), past)).collect();
    let prior = shrink::beta_prior(&before).expect("there are reps");
    let own = |(hits, n): (u64, u64)| (hits as f64 / n as f64).clamp(0.005, 0.995);
    let shrunk = |(hits, n): (u64, u64)| shrink::proportion(hits, n, prior).clamp(0.005, 0.995);
    let mut charts: Vec<[Cusum; 6]> =
        (0..REPS).map(|_| [4.0, 5.0, 6.0, 4.0, 5.0, 6.0].map(Cusum::new)).collect();
    let grid = [1.25, 1.5, ODDS, 2.25, 3.0];
    let mut mixtures: Vec<Mixture> = (0..REPS).map(|_| Mixture::new(grid.len())).collect();
    let mut out: [Vec<Vec<bool>>; RULES.len()] = Default::default();
    for _ in 0..MONTHS {
        let mut now = vec![vec![false; REPS]; RULES.len()];
        for rep in 0..REPS {
            let chance = chances[rep] * if rep < FELL { 0.6 } else { 1.0 };
            let deals = draw(dice, chance, A_MONTH);
            history[rep].push(wins(&deals));
            for won in deals {
                let step = |p: f64| {
                    let (hit, miss) = bernoulli(p, odds_times(p, 1.0 / ODDS));
                    if won { hit } else { miss }
                };
                let (plain, pulled) = (step(own(before[rep])), step(shrunk(before[rep])));
                for (i, chart) in charts[rep].iter_mut().enumerate() {
                    chart.add(if i < 3 { plain } else { pulled });
                }
                let p = shrunk(before[rep]);
                mixtures[rep].add(grid.iter().map(|factor| {
                    let (hit, miss) = bernoulli(p, odds_times(p, 1.0 / factor));
                    if won { hit } else { miss }
                }));
            }
            for (i, chart) in charts[rep].iter().enumerate() {
                now[4 + i][rep] = chart.is_over();
            }
        }
        now[..4].clone_from_slice(&by_window(&history, &before));
        // The expectation of a Shiryaev-Roberts sum grows by one a deal, so over a year of deals
        // this share of it is an e-value.
        let values: Vec<f64> = mixtures.iter().map(|m| m.value() / past as f64).collect();
        e_bh(&values, REPS, 0.5).into_iter().for_each(|rep| now[10][rep] = true);
        out.iter_mut().zip(now).for_each(|(months, reps)| months.push(reps));
    }
    out
}

/// Who is in alarm by the four tests of a window: the wins of each month by rep, and the baselines.
fn by_window(history: &[Vec<u64>], before: &[(u64, u64)]) -> [Vec<bool>; 4] {
    let chances = |months: usize, chance: fn((u64, u64), (u64, u64)) -> f64| -> Vec<f64> {
        let hits = history.iter().map(|won| won.iter().rev().take(months).sum::<u64>());
        let n = (months * A_MONTH) as u64;
        hits.zip(before).map(|(hits, before)| chance((hits, n), *before)).collect()
    };
    let rare = |chances: &[f64]| -> Vec<bool> { chances.iter().map(|p| *p < RARE).collect() };
    // Benjamini and Hochberg believe what e-BH does of 1 / p.
    let believed = |chances: &[f64]| -> Vec<bool> {
        let values: Vec<f64> = chances.iter().map(|p| 1.0 / p).collect();
        let believed = e_bh(&values, REPS, WRONG);
        (0..REPS).map(|rep| believed.contains(&rep)).collect()
    };
    let month = chances(1, so_low);
    [rare(&month), rare(&chances(1, fisher)), believed(&month), believed(&chances(3, so_low))]
}

/// The chance that so few are won, or fewer, while nothing has changed: by the statistic of two
/// proportions.
fn so_low(now: (u64, u64), before: (u64, u64)) -> f64 {
    Normal::standard().cdf(two_proportions(now, before))
}

/// The same by Fisher's exact test.
fn fisher(now: (u64, u64), before: (u64, u64)) -> f64 {
    let all = Hypergeometric::new(now.1 + before.1, now.0 + before.0, now.1);
    all.expect("they are drawn from all").cdf(now.0)
}

/// The statistic of two proportions with a common variance.
pub fn two_proportions(now: (u64, u64), before: (u64, u64)) -> f64 {
    let share = |(hits, n): (u64, u64)| hits as f64 / n as f64;
    let all = share((now.0 + before.0, now.1 + before.1));
    let variance = all * (1.0 - all) * (1.0 / now.1 as f64 + 1.0 / before.1 as f64);
    if variance > 0.0 { (share(now) - share(before)) / variance.sqrt() } else { 0.0 }
}

/// Charts whose run lengths are published or were computed exactly: what it is, the value we
/// compute, the value to be met.
pub fn references() -> Vec<(&'static str, f64, f64)> {
    use tidemark::drift::arl::{both_sides, ewma, normal_cusum, siegmund};
    let two =
        |h: f64, shift: f64| both_sides(normal_cusum(0.5, h, shift), normal_cusum(0.5, h, -shift));
    let chart = Lattice { up: 1, down: 3 };
    let ln = |h: f64, factor: f64| {
        let shift = f64::ln(factor) / SIGMA;
        both_sides(siegmund(0.2253, h, shift), siegmund(0.2253, h, -shift))
    };
    vec![
        ("normal CUSUM, two-sided, k = 0.5, h = 4, no shift", two(4.0, 0.0), 167.68),
        ("… shift 0.25 σ", two(4.0, 0.25), 74.22),
        ("… shift 0.5 σ", two(4.0, 0.5), 26.63),
        ("… shift 1 σ", two(4.0, 1.0), 8.38),
        ("… shift 1.5 σ", two(4.0, 1.5), 4.75),
        ("… shift 2 σ", two(4.0, 2.0), 3.34),
        ("normal CUSUM, two-sided, k = 0.5, h = 4.77, no shift", two(4.77, 0.0), 368.56),
        ("… shift 1 σ", two(4.77, 1.0), 9.92),
        ("normal CUSUM, two-sided, k = 0.5, h = 5, no shift", two(5.0, 0.0), 465.44),
        ("… shift 1 σ", two(5.0, 1.0), 10.38),
        ("normal CUSUM, one-sided, k = 0.5, h = 3", normal_cusum(0.5, 3.0, 0.0), 117.60),
        ("… h = 4", normal_cusum(0.5, 4.0, 0.0), 335.37),
        ("… h = 5", normal_cusum(0.5, 5.0, 0.0), 930.89),
        ("EWMA, λ = 0.1, L = 2.7, no shift", ewma(0.1, 2.7, 0.0), 368.99),
        ("… shift 1 σ", ewma(0.1, 2.7, 1.0), 9.73),
        ("… shift 0.5 σ", ewma(0.1, 2.7, 0.5), 28.19),
        ("EWMA, λ = 0.1, L = 2.8143, no shift", ewma(0.1, 2.8143, 0.0), 499.99),
        ("… shift 1 σ", ewma(0.1, 2.8143, 1.0), 10.33),
        ("… shift 0.5 σ", ewma(0.1, 2.8143, 0.5), 31.31),
        ("EWMA, λ = 0.03, L = 2.437, no shift", ewma(0.03, 2.437, 0.0), 499.86),
        ("… shift 0.25 σ", ewma(0.03, 2.437, 0.25), 76.73),
        ("… shift 0.5 σ", ewma(0.03, 2.437, 0.5), 29.32),
        ("… shift 1 σ", ewma(0.03, 2.437, 1.0), 12.60),
        ("Shewhart, 3 σ, no shift", ewma(1.0, 3.0, 0.0), 370.40),
        ("… shift 1 σ", ewma(1.0, 3.0, 1.0), 43.89),
        ("Bernoulli CUSUM, 30 % won, h = 21, no shift", chart.run_length(21, 0.7), 520.1),
        ("… to 20 %", chart.run_length(21, 0.8), 76.6),
        ("… to 15 %", chart.run_length(21, 0.85), 46.9),
        ("Bernoulli CUSUM, 30 % won, h = 26, no shift", chart.run_length(26, 0.7), 1098.3),
        ("… to 20 %", chart.run_length(26, 0.8), 100.8),
        ("… to 15 %", chart.run_length(26, 0.85), 59.4),
        ("Bernoulli CUSUM, 30 % won, h = 39, no shift", chart.run_length(39, 0.7), 6518.9),
        ("… to 20 %", chart.run_length(39, 0.8), 165.1),
        ("… to 15 %", chart.run_length(39, 0.85), 91.9),
        ("CUSUM of ln(days), k = 0.2253, h = 9.2117, no shift", ln(9.2117, 1.0), 500.0),
        ("… ×1.25", ln(9.2117, 1.25), 92.4),
        ("… ×1.5", ln(9.2117, 1.5), 36.3),
        ("CUSUM of ln(days), k = 0.2253, h = 10.6978, no shift", ln(10.6978, 1.0), 1000.0),
        ("… ×1.25", ln(10.6978, 1.25), 118.5),
        ("… ×1.5", ln(10.6978, 1.5), 42.9),
    ]
}
