//! The frozen past of a stream, and what it expects of a day.

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
    /// Of a duration: sum of ln(days + 1).
    pub sum: f64,
    /// Of a duration: sum of its squares.
    pub squares: f64,
}

impl DayFacts {
    /// Reads them off a day's measures.
    pub fn of(signal: Signal, day: &Measures) -> DayFacts {
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
                let mut out = DayFacts::default();
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
        }
    }

    pub(super) fn add(&mut self, other: &DayFacts) {
        self.n += other.n;
        self.hits += other.hits;
        self.sum += other.sum;
        self.squares += other.squares;
    }
}

/// So many closings begin the records of a segment.
const BEGUN: i128 = 10;

/// The first day from which it is known what was created: before deals were closed, by ten of them,
/// what is there of created deals and leads is only what was still open when records began. To take
/// those few for a baseline would show growth, and conversion, that never was. All of it where fewer
/// were ever closed, and for signals of what was closed.
pub fn records_begin<'a>(signal: Signal, days: impl Iterator<Item = (i32, &'a Measures)>) -> i32 {
    if !signal.is_of_creation() {
        return i32::MIN;
    }
    let mut closed = 0;
    for (day, measures) in days {
        closed += measures.total(Measure::DealsWon) + measures.total(Measure::DealsLost);
        if closed >= BEGUN {
            return day;
        }
    }
    i32::MIN
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
    /// Mean of ln(days + 1), and the standard deviation around it.
    Duration(Vec<f64>, f64),
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
            Kind::Duration => (duration(&phases, &all), all.n as f64 / length * MONTH),
            Kind::Count => (count(rule.phase, days, &phases, &sure), MONTH),
        };
        let expected = match rule.signal.kind() {
            Kind::Proportion => all.hits as f64,
            Kind::Duration => all.sum,
            Kind::Count => all.n as f64,
        };
        let all = Totals { facts: all, expected, days: sure.len() as u32 };
        Baseline { from, to, all, usual, a_month, seen }
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
            Usual::Duration(phases, _) => {
                let change = level - self.all.facts.sum / self.all.facts.n as f64;
                phases.iter_mut().for_each(|mean| *mean += change);
            }
            Usual::Count(..) => {}
        }
    }

    /// Of a duration: the variance of one logarithm.
    pub(super) fn variance(&self) -> f64 {
        match self.usual {
            Usual::Duration(_, sigma) => sigma * sigma,
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
            Usual::Duration(mean, _) => facts.n as f64 * mean[phase],
            Usual::Count(mean, _) => mean[phase],
        }
    }

    /// As it is shown beside days: its value is what those days would have had under it.
    pub(super) fn beside(&self, kind: Kind, totals: &Totals) -> BaselineShown {
        let own = figure(kind, &self.all);
        let value = expected(kind, totals).or(own.value);
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

fn duration(phases: &[DayFacts], all: &DayFacts) -> Usual {
    let mean = |f: &DayFacts| if f.n > 0 { f.sum / f.n as f64 } else { 0.0 };
    // Around the mean of each phase: seasons are no noise.
    let spread: f64 = phases.iter().map(|f| f.squares - f.sum * mean(f)).sum();
    let variance = spread.max(0.0) / (all.n as f64 - phases.len() as f64).max(1.0);
    let each: Vec<_> = phases.iter().map(|f| (f.n, mean(f))).collect();
    Usual::Duration(shrink::means(&each, variance), variance.sqrt().max(LEAST_SIGMA))
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
        Kind::Duration => (n > 0.0).then(|| (totals.expected / n).exp_m1()),
        Kind::Count => (totals.days > 0).then(|| totals.expected / f64::from(totals.days)),
    }
}

/// The value of these days, with its interval. Of durations it is the typical one: the geometric
/// mean, which a few long deals do not move.
pub(super) fn figure(kind: Kind, totals: &Totals) -> Figure {
    let facts = &totals.facts;
    let n = facts.n as f64;
    let (value, interval) = match kind {
        Kind::Proportion => {
            ((n > 0.0).then(|| facts.hits as f64 / n), Some(interval::wilson(facts.hits, facts.n)))
        }
        Kind::Duration => {
            let interval = interval::mean(facts.n, facts.sum, facts.squares);
            let days = |(low, high): (f64, f64)| (low.exp_m1(), high.exp_m1());
            ((n > 0.0).then(|| (facts.sum / n).exp_m1()), interval.map(days))
        }
        Kind::Count => {
            let days = f64::from(totals.days);
            ((days > 0.0).then(|| n / days), (days > 0.0).then(|| interval::rate(facts.n, days)))
        }
    };
    Figure { value, n: facts.n, interval: interval.filter(|_| facts.n > 0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alert::Gates;

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
        let of = |signal| DayFacts::of(signal, &measures);
        assert_eq!((of(Signal::WinRate).hits, of(Signal::WinRate).n), (3, 8));
        assert_eq!((of(Signal::CohortConversion).hits, of(Signal::CohortConversion).n), (2, 7));
        let cycle = of(Signal::CycleLength);
        assert_eq!((cycle.n, cycle.sum), (3, 2.0 * 10f64.ln()));
        assert_eq!((of(Signal::DealsCreated).n, of(Signal::LeadsCreated).n), (7, 0));
    }

    #[test]
    fn what_was_created_before_records_begin_is_no_baseline() {
        let measures = |created, closed| -> Measures {
            let key = MeasureKey::plain;
            [(key(Measure::DealsCreated), created), (key(Measure::DealsLost), closed)]
                .into_iter()
                .collect()
        };
        // A stray closing begins nothing.
        let mut days = vec![(-90, measures(1, 1))];
        days.extend((-60..0).map(|d| (d, measures(1, 0))));
        days.extend((0..90).map(|d| (d, measures(9, 5))));
        let begin =
            |signal| records_begin(signal, days.iter().map(|(day, measures)| (*day, measures)));
        assert_eq!((begin(Signal::DealsCreated), begin(Signal::LeadsCreated)), (1, 1));
        assert_eq!((begin(Signal::CohortConversion), begin(Signal::WinRate)), (1, i32::MIN));
        days.truncate(61);
        let begin = |days: &[(i32, Measures)]| {
            records_begin(Signal::DealsCreated, days.iter().map(|(day, m)| (*day, m)))
        };
        assert_eq!(begin(&days), i32::MIN, "nobody closes anything there");
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
        assert_eq!(figure(Kind::Count, &half.all).value, Some(4.0));
        assert_eq!(half.usual, whole.usual);
        let closed: Vec<_> = (42..84).map(|d| (d, day(4))).collect();
        let half = Baseline::find(&deals, &closed, 84, &|d| d >= 42).unwrap();
        assert!((half.a_month - 4.0 * MONTH).abs() < 1e-9, "{}", half.a_month);
    }

    #[test]
    fn phases_of_counts_that_agree_become_one_and_one_unseen_says_nothing() {
        let counts = Rule {
            signal: Signal::LeadsCreated,
            phase: Phase::Weekday,
            baseline_days: 28,
            ..rule()
        };
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
}
