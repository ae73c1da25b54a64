//! The frozen past of a stream, and what it expects of a day.

use super::amounts::Reading;
use super::chart::odds_times;
use super::interval;
use super::shrink;
use crate::model::alert::{BaselineShown, Figure, Kind, Phase, Rule, Signal};
use crate::model::measure::{Measure, MeasureKey, Measures};
use crate::model::time::Day;

/// Days in a month, on average.
const MONTH: f64 = 365.25 / 12.0;
/// A proportion is nearer to its ends than this for nobody.
const LEAST: f64 = 0.005;
/// Cycle lengths of one segment differ by at least so much, as a standard deviation of logarithms.
const LEAST_SIGMA: f64 = 0.1;
/// How often a baseline may be doubled in length until it holds enough.
const DOUBLINGS: u32 = 2;

/// What a day says of a signal: sums only, so it is the same in whatever order the deals came.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct DayFacts {
    /// Cases.
    pub n: u64,
    /// Of a proportion: hits.
    pub hits: u64,
    /// Of a duration: sum of ln(days + 1). Of an amount: sum of its winsorized logarithms.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
    /// Of a cycle length: deals created on the day.
    pub created: u64,
}

impl DayFacts {
    /// Reads them off the measures of a day (its number); `amounts` says how those are read.
    pub fn of(signal: Signal, (number, day): (i32, &Measures), amounts: Reading<'_>) -> DayFacts {
        // A correction may stand here before what it corrects: what is below zero is not there yet.
        let count = |n: i128| u64::try_from(n).unwrap_or(0);
        let plain = |m| count(day.at(MeasureKey::plain(m)));
        match signal {
            Signal::WinRate => {
                let hits = plain(Measure::DealsWon);
                DayFacts { n: hits + plain(Measure::DealsLost), hits, ..DayFacts::default() }
            }
            Signal::CohortConversion => {
                let ages =
                    day.of(Measure::CohortWon).filter(|(age, _)| *age <= signal.delay().into());
                let n = plain(Measure::DealsCreated);
                let hits = count(ages.map(|(_, n)| n).sum()).min(n);
                DayFacts { n, hits, ..DayFacts::default() }
            }
            Signal::CycleLength => {
                let created = plain(Measure::DealsCreated);
                let mut out = DayFacts { created, ..DayFacts::default() };
                for (days, n) in day.of(Measure::CycleWon).map(|(days, n)| (days, count(n))) {
                    let ln = (days.max(0) as f64).ln_1p();
                    out.n += n;
                    out.sum += n as f64 * ln;
                    out.squares += n as f64 * ln * ln;
                }
                out
            }
            Signal::DealsCreated => {
                DayFacts { n: plain(Measure::DealsCreated), ..DayFacts::default() }
            }
            Signal::LeadsCreated => {
                DayFacts { n: plain(Measure::LeadsCreated), ..DayFacts::default() }
            }
            Signal::DealSize => amounts.facts(number, day),
        }
    }

    pub(super) fn add(&mut self, other: &DayFacts) {
        self.n += other.n;
        self.hits += other.hits;
        self.sum += other.sum;
        self.squares += other.squares;
        self.created += other.created;
    }
}

/// Facts over days: what there was, and what the baseline expected there.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(super) struct Totals {
    pub(super) facts: DayFacts,
    /// Hits, sum of logarithms, or count that the baseline expected.
    pub(super) expected: f64,
    pub(super) days: u32,
}

/// What a day of each phase is like.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Usual {
    /// Share of hits.
    Proportion(Vec<f64>),
    /// Mean of the logarithms of durations or amounts, and the standard deviation around it.
    Logarithm(Vec<f64>, f64),
    /// Count a day, and how many times its variance is that of a Poisson.
    Count(Vec<f64>, f64),
}

/// The frozen past.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Baseline {
    pub(super) from: i32,
    pub(super) to: i32,
    pub(super) all: Totals,
    pub(super) usual: Usual,
    /// Observations a month: cases, or days of a count.
    pub(super) a_month: f64,
    /// Cases of a day that has any.
    pub(super) a_look: f64,
    /// Whether it has anything to say of a phase.
    seen: Vec<bool>,
}

/// Whether records of a day may be lacking.
pub(super) type IsSure<'a> = &'a dyn Fn(i32) -> bool;

/// Whether days of the baseline may be let go of already, so that what is left of it, or the next
/// days in line, must not pass for it. Of a stated one that is known. Otherwise cases as near to the
/// floor as a baseline is long tell of a stream that may be older than what is kept.
pub(super) fn is_lost(rule: &Rule, days: &[(i32, DayFacts)], floor: i32) -> bool {
    match rule.baseline_from {
        Some(from) => from.0 < floor,
        None => {
            let near = floor.saturating_add(rule.baseline_days as i32);
            days.iter().any(|(day, facts)| *day < near && facts.n > 0)
        }
    }
}

impl Baseline {
    /// The earliest run of days, as long as the rule says, that holds as many cases as the rule
    /// asks; where there is none, one of twice or four times the length. Once its last day has
    /// closed it stays, but for corrections of its own days. A stray deal of years ago begins none.
    pub(super) fn find(
        rule: &Rule,
        days: &[(i32, DayFacts)],
        end: i32,
        is_sure: IsSure<'_>,
    ) -> Option<Baseline> {
        let need = rule.gates.min_baseline.max(1);
        let starts = days.iter().enumerate().filter(|(_, (day, f))| match rule.baseline_from {
            Some(from) => *day >= from.0,
            None => f.n > 0,
        });
        let mut best: Option<(i32, i32)> = None;
        for (i, (first, _)) in starts {
            let first = rule.baseline_from.map_or(*first, |from| from.0);
            let mut n = 0;
            let mut at = i;
            for doubling in 0..=DOUBLINGS {
                let to = first.saturating_add((rule.baseline_days as i32) << doubling);
                while let Some((_, facts)) = days.get(at).filter(|(day, _)| *day < to) {
                    n += facts.n;
                    at += 1;
                }
                if n >= need && to <= end {
                    if best.is_none_or(|(_, known)| to < known) {
                        best = Some((first, to));
                    }
                    break;
                }
            }
            // Later starts end later.
            let shortest = first.saturating_add(rule.baseline_days as i32);
            let stated = rule.baseline_from.is_some();
            if stated || best.is_some_and(|(_, to)| to <= shortest) {
                break;
            }
        }
        let (from, to) = best?;
        let inside =
            days.partition_point(|(d, _)| *d < from)..days.partition_point(|(d, _)| *d < to);
        Some(Baseline::over(rule, &days[inside], from..to, is_sure))
    }

    fn over(
        rule: &Rule,
        days: &[(i32, DayFacts)],
        span: std::ops::Range<i32>,
        is_sure: IsSure<'_>,
    ) -> Baseline {
        let mut phases = vec![DayFacts::default(); rule.phase.count()];
        let mut all = DayFacts::default();
        for (day, facts) in days {
            phases[rule.phase.of(Day(*day))].add(facts);
            all.add(facts);
        }
        let (from, to) = (span.start, span.end);
        let sure: Vec<i32> = span.filter(|day| is_sure(*day)).collect();
        let length = sure.len().max(1) as f64;
        let mut seen: Vec<bool> = phases.iter().map(|facts| facts.n > 0).collect();
        if rule.signal.kind() == Kind::Count {
            sure.iter().for_each(|day| seen[rule.phase.of(Day(*day))] = true);
        }
        let (usual, a_month) = match rule.signal.kind() {
            Kind::Proportion => (proportion(&phases), all.n as f64 / length * MONTH),
            Kind::Duration | Kind::Amount => {
                (logarithm(&phases, &all), all.n as f64 / length * MONTH)
            }
            Kind::Count => (count(rule.phase, days, &phases, &sure), MONTH),
        };
        let expected = match rule.signal.kind() {
            Kind::Proportion => all.hits as f64,
            Kind::Duration | Kind::Amount => all.sum,
            Kind::Count => all.n as f64,
        };
        let looks = days.iter().filter(|(_, facts)| facts.n > 0).count().max(1);
        let a_look = (all.n as f64 / looks as f64).max(1.0);
        let all = Totals { facts: all, expected, days: sure.len() as u32 };
        Baseline { from, to, all, usual, a_month, a_look, seen }
    }

    /// Moves its level to another share of hits, or mean of logarithms; its season stays.
    pub(super) fn move_to(&mut self, level: f64) {
        match &mut self.usual {
            Usual::Proportion(phases) => {
                let own = self.all.facts.hits as f64 / self.all.facts.n as f64;
                let odds =
                    |p: f64| p.clamp(LEAST, 1.0 - LEAST) / (1.0 - p.clamp(LEAST, 1.0 - LEAST));
                let factor = odds(level) / odds(own);
                for p in phases {
                    *p = odds_times(*p, factor).clamp(LEAST, 1.0 - LEAST);
                }
            }
            Usual::Logarithm(phases, _) => {
                let change = level - self.all.facts.sum / self.all.facts.n as f64;
                phases.iter_mut().for_each(|mean| *mean += change);
            }
            Usual::Count(..) => {}
        }
    }

    /// Of durations and amounts: the variance of one logarithm.
    pub(super) fn variance(&self) -> f64 {
        match self.usual {
            Usual::Logarithm(_, sigma) => sigma * sigma,
            Usual::Proportion(_) | Usual::Count(..) => 0.0,
        }
    }

    /// Whether it can be compared with: a phase that it has not seen proves nothing.
    pub(super) fn knows(&self, phase: usize) -> bool {
        self.seen[phase]
    }

    /// What a day was expected to have: hits, sum of logarithms, or count.
    pub(super) fn expects(&self, phase: usize, facts: &DayFacts) -> f64 {
        match &self.usual {
            Usual::Proportion(p) => facts.n as f64 * p[phase],
            Usual::Logarithm(mean, _) => facts.n as f64 * mean[phase],
            Usual::Count(mean, _) => mean[phase],
        }
    }

    /// As it is shown beside days: its value is what those days would have had under it.
    pub(super) fn beside(&self, rule: &Rule, totals: &Totals) -> BaselineShown {
        let own = figure(rule, &self.all);
        let value = expected(rule.signal.kind(), totals).or(own.value);
        let figure = Figure { value, ..own };
        BaselineShown { from: Day(self.from), to: Day(self.to), figure }
    }
}

fn proportion(phases: &[DayFacts]) -> Usual {
    let counts: Vec<_> = phases.iter().map(|f| (f.hits, f.n)).collect();
    let prior = shrink::beta_prior(&counts).unwrap_or((0.5, f64::INFINITY));
    let of = |(hits, n): &(u64, u64)| shrink::proportion(*hits, *n, prior);
    Usual::Proportion(counts.iter().map(|c| of(c).clamp(LEAST, 1.0 - LEAST)).collect())
}

fn logarithm(phases: &[DayFacts], all: &DayFacts) -> Usual {
    let mean = |f: &DayFacts| if f.n > 0 { f.sum / f.n as f64 } else { 0.0 };
    // Around the mean of each phase: seasons are no noise.
    let spread: f64 = phases.iter().map(|f| f.squares - f.sum * mean(f)).sum();
    let variance = spread.max(0.0) / (all.n as f64 - phases.len() as f64).max(1.0);
    let each: Vec<_> = phases.iter().map(|f| (f.n, mean(f))).collect();
    Usual::Logarithm(shrink::means(&each, variance), variance.sqrt().max(LEAST_SIGMA))
}

/// Of the days that are sure: a day that may lack records is no day without a case.
fn count(phase: Phase, days: &[(i32, DayFacts)], phases: &[DayFacts], sure: &[i32]) -> Usual {
    let mut lengths = vec![0u64; phases.len()];
    sure.iter().for_each(|day| lengths[phase.of(Day(*day))] += 1);
    let length = sure.len().max(1) as f64;
    let all = phases.iter().map(|f| f.n as f64).sum::<f64>() / length;
    // The mean of a gamma posterior, were the days Poisson. Half a case at least, so that what
    // never happened is not impossible.
    let rate = |(f, length): (&DayFacts, &u64)| (*length, f.n as f64 / (*length).max(1) as f64);
    let each: Vec<_> = phases.iter().zip(&lengths).map(rate).collect();
    let mean = shrink::means(&each, all);
    let mean: Vec<f64> = mean.into_iter().map(|mean| mean.max(0.5 / length)).collect();
    let mut known = days.iter().peekable();
    let pearson: f64 = sure
        .iter()
        .map(|day| {
            while known.next_if(|(d, _)| d < day).is_some() {}
            let n = known.next_if(|(d, _)| d == day).map_or(0, |(_, f)| f.n) as f64;
            let expected = mean[phase.of(Day(*day))];
            (n - expected).powi(2) / expected
        })
        .sum();
    let free = (sure.len() as f64 - mean.len() as f64).max(1.0);
    Usual::Count(mean, (pearson / free).max(1.0))
}

/// What the baseline expected of these days, in the unit of the signal.
pub(super) fn expected(kind: Kind, totals: &Totals) -> Option<f64> {
    let n = totals.facts.n as f64;
    match kind {
        Kind::Proportion => (n > 0.0).then(|| totals.expected / n),
        Kind::Duration | Kind::Amount => (n > 0.0).then(|| unlog(kind, totals.expected / n)),
        Kind::Count => (totals.days > 0).then(|| totals.expected / f64::from(totals.days)),
    }
}

/// Back from a logarithm.
pub(super) fn unlog(kind: Kind, ln: f64) -> f64 {
    if kind == Kind::Duration { ln.exp_m1() } else { ln.exp() }
}

/// The value of these days, with its interval. Of durations and amounts it is the typical one: the
/// geometric mean, which a few long or large deals do not move.
pub(super) fn figure(rule: &Rule, totals: &Totals) -> Figure {
    let facts = &totals.facts;
    let n = facts.n as f64;
    let kind = rule.signal.kind();
    let (value, interval) = match kind {
        Kind::Proportion => {
            let interval = rule.interval.of(facts.hits, facts.n);
            ((n > 0.0).then(|| facts.hits as f64 / n), Some(interval))
        }
        Kind::Duration | Kind::Amount => {
            let interval = interval::mean(facts.n, facts.sum, facts.squares);
            let back = |(low, high): (f64, f64)| (unlog(kind, low), unlog(kind, high));
            ((n > 0.0).then(|| unlog(kind, facts.sum / n)), interval.map(back))
        }
        Kind::Count => {
            let days = f64::from(totals.days);
            ((days > 0.0).then(|| n / days), (days > 0.0).then(|| interval::rate(facts.n, days)))
        }
    };
    Figure { value, n: facts.n, interval: interval.filter(|_| facts.n > 0) }
}

#[cfg(test)]
#[path = "baseline_tests.rs"]
mod tests;
