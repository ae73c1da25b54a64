//! The verdict on one stream: a fold over its closed days behind the baseline.

use super::baseline::{Baseline, DayFacts, IsSure, Totals, figure, is_lost};
use super::calibrate::{Charts, Side};
use super::chart::{Chart, Mixture};
use super::siblings::{Prior, e_value};
use super::supply::Supply;
use crate::model::alert::{Alert, End, Kind, Reading, Rule, Signal, Silence, State};
use crate::model::segment::Segment;
use crate::model::time::Day;

/// A quiet stream shows so many days; without a look in them it has no data.
const SHOWN: i32 = 28;
/// Looks in a row with little evidence until an alert is resolved.
const LOW_LOOKS: u32 = 2;

/// The closed days of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Days<'a> {
    /// What each day says, in order; a day without a case need not be there.
    pub facts: &'a [(i32, DayFacts)],
    /// The first day that is not closed.
    pub closed: i32,
    /// The first day that is kept; `i32::MIN` where all are.
    pub floor: i32,
    /// Ranges of days, ends excluded and in order, that may lack records: they are not looked at.
    pub doubtful: &'a [(i32, i32)],
}

impl Days<'_> {
    /// Whether all records of a day are there.
    pub(super) fn is_sure(&self, day: i32) -> bool {
        let begun = self.doubtful.partition_point(|(from, _)| *from <= day);
        begun.checked_sub(1).is_none_or(|last| self.doubtful[last].1 <= day)
    }

    /// The days that may be looked at, and the first one that may not.
    fn looked_at(&self, rule: &Rule) -> (Vec<(i32, DayFacts)>, i32) {
        let end = self.closed.saturating_sub(rule.signal.delay());
        let is_whole = |day: i32| day < end && self.is_sure(day);
        (self.facts.iter().filter(|(day, _)| is_whole(*day)).copied().collect(), end)
    }

    /// The baseline as these days alone have it.
    pub(super) fn baseline(&self, rule: &Rule) -> Option<Baseline> {
        let (facts, end) = self.looked_at(rule);
        let kept = !is_lost(rule, self.facts, self.floor);
        kept.then(|| Baseline::find(rule, &facts, end, &|day| self.is_sure(day)))?
    }
}

/// What was calibrated for a stream, kept because it seldom changes.
#[derive(Clone, Debug, Default)]
pub struct Stream(Option<(Baseline, Charts)>);

/// What is to be said of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What it reads like now.
    pub reading: Reading,
    /// Its episodes, each as it stands; first those that rise, in order.
    pub alerts: Vec<Alert>,
    /// Evidence now, of both sides together, as an e-value ([`super::siblings::believed`]); `None`
    /// without a baseline.
    pub evidence: Option<f64>,
}

/// Judges a stream. The verdict follows from the rule, the days and what siblings say alone.
pub fn judge(
    rule: &Rule,
    segment: &Segment,
    days: Days<'_>,
    prior: Option<Prior>,
    memo: &mut Stream,
) -> Verdict {
    let is_sure = |day: i32| days.is_sure(day);
    let (facts, end) = days.looked_at(rule);
    if is_lost(rule, days.facts, days.floor) {
        return no_baseline(rule, &facts, end, &is_sure, State::Lost);
    }
    let Some(mut baseline) = Baseline::find(rule, &facts, end, &is_sure) else {
        return no_baseline(rule, &facts, end, &is_sure, State::NoData);
    };
    if let Some(prior) = prior {
        prior.pull(&mut baseline);
    }
    let (baseline, charts) = match memo.0.take() {
        Some((known, charts)) if known == baseline => (known, charts),
        _ => {
            let charts = Charts::of(rule, &baseline);
            (baseline, charts)
        }
    };
    let supply =
        (rule.signal == Signal::CycleLength).then(|| Supply::of(&baseline, &facts, end, &is_sure));
    let looks = looks(rule, &baseline, &facts, end, (&is_sure, supply.as_ref()));
    let why = |from: i32, to: i32| silence(&facts, from..to, &is_sure, supply.as_ref());
    let recent = recent(rule, &baseline, &looks, end);
    let walks = charts.sides.each_ref().map(|side| {
        let mut walk = Walk::new(rule, &baseline, &charts, side, &why);
        for (day, facts) in &looks {
            walk.wait(*day);
            walk.look(*day, facts);
        }
        walk.wait(end);
        walk
    });
    let silent = (recent.days == 0).then(|| why(end - SHOWN, end));
    let verdict = conclude(rule, segment, &baseline, (&recent, silent), walks, days.closed);
    memo.0 = Some((baseline, charts));
    verdict
}

/// The days behind the baseline that say something. To a count, a day without a case says much.
fn looks(
    rule: &Rule,
    baseline: &Baseline,
    facts: &[(i32, DayFacts)],
    end: i32,
    (is_sure, supply): (IsSure<'_>, Option<&Supply>),
) -> Vec<(i32, DayFacts)> {
    let knows = |day: i32| baseline.knows(rule.phase.of(Day(day)));
    let behind = facts.iter().filter(|(day, _)| *day >= baseline.to && knows(*day));
    if let Some(supply) = supply {
        return behind.filter(|(day, f)| f.n > 0 && supply.is_steady(*day)).copied().collect();
    }
    if rule.signal.kind() != Kind::Count {
        return behind.filter(|(_, f)| f.n > 0).copied().collect();
    }
    let mut known = behind.peekable();
    (baseline.to..end)
        .filter_map(|day| {
            let there = known.next_if(|(d, _)| *d == day).map_or(DayFacts::default(), |(_, f)| *f);
            (is_sure(day) && knows(day)).then_some((day, there))
        })
        .collect()
}

/// Why there was no look in these days: for what is not looked at, or because nothing came.
fn silence(
    facts: &[(i32, DayFacts)],
    days: std::ops::Range<i32>,
    is_sure: IsSure<'_>,
    supply: Option<&Supply>,
) -> Silence {
    let there = facts.iter().filter(|(day, facts)| days.contains(day) && facts.n > 0);
    let unsteady = |day: &i32| supply.is_some_and(|supply| !supply.is_steady(*day));
    if there.map(|(day, _)| day).any(unsteady) {
        return Silence::Supply;
    }
    let (all, unsure) = (days.len(), days.filter(|day| !is_sure(*day)).count());
    if unsure * 2 > all { Silence::Doubt } else { Silence::Quiet }
}

fn recent(rule: &Rule, baseline: &Baseline, looks: &[(i32, DayFacts)], end: i32) -> Totals {
    let mut out = Totals::default();
    for (day, facts) in looks.iter().filter(|(day, _)| *day >= end - SHOWN) {
        take(&mut out, facts, baseline.expects(rule.phase.of(Day(*day)), facts));
    }
    out
}

fn take(totals: &mut Totals, facts: &DayFacts, expected: f64) {
    totals.facts.add(facts);
    totals.expected += expected;
    totals.days += 1;
}

fn no_baseline(
    rule: &Rule,
    facts: &[(i32, DayFacts)],
    end: i32,
    is_sure: IsSure<'_>,
    state: State,
) -> Verdict {
    let mut totals = Totals::default();
    for (_, facts) in facts.iter().filter(|(day, _)| *day >= end - SHOWN) {
        take(&mut totals, facts, 0.0);
    }
    totals.days = (end.saturating_sub(SHOWN)..end).filter(|day| is_sure(*day)).count() as u32;
    let mut now = figure(rule, &totals);
    // Their limits are those of the baseline.
    if rule.signal.kind() == Kind::Amount {
        (now.value, now.interval) = (None, None);
    }
    let lost = state == State::Lost;
    let silence = Some(if lost { Silence::BaselineLost } else { Silence::NoBaseline });
    let (signal, score, baseline, arl0, effect) = (rule.signal, 0.0, None, None, None);
    let reading = Reading { signal, state, score, now, baseline, arl0, effect, silence };
    Verdict { reading, alerts: Vec::new(), evidence: None }
}

/// What an episode showed when its evidence was last strong.
#[derive(Clone, Copy)]
struct Shown {
    totals: Totals,
    /// The first day of the totals.
    from: i32,
    statistic: f64,
    e_value: f64,
    as_of: i32,
}

struct Episode {
    since: i32,
    change: i32,
    fired: bool,
    resolved: Option<(i32, End)>,
    silence: Option<Silence>,
    low: u32,
    shown: Shown,
}

/// One chart on its way through the days.
struct Walk<'a> {
    rule: &'a Rule,
    baseline: &'a Baseline,
    charts: &'a Charts,
    side: &'a Side,
    /// Why there was no look in some days.
    why: &'a dyn Fn(i32, i32) -> Silence,
    chart: Chart,
    mixture: Mixture,
    /// Looks that the mixture has taken.
    looks: u32,
    /// The first day since the chart was last at rest, and what there was since.
    change: i32,
    since: Totals,
    /// The day of the last look.
    looked: Option<i32>,
    episodes: Vec<Episode>,
}

impl<'a> Walk<'a> {
    fn new(
        rule: &'a Rule,
        baseline: &'a Baseline,
        charts: &'a Charts,
        side: &'a Side,
        why: &'a dyn Fn(i32, i32) -> Silence,
    ) -> Walk<'a> {
        Walk {
            rule,
            baseline,
            charts,
            side,
            why,
            chart: side.chart,
            mixture: Mixture::new(5),
            looks: 0,
            change: baseline.to,
            since: Totals::default(),
            looked: None,
            episodes: Vec::new(),
        }
    }

    /// It comes to the next look, or to the end. An episode of a stream that fell silent is over.
    fn wait(&mut self, until: i32) {
        let silent = self.looked.map(|day| day.saturating_add(SHOWN)).filter(|day| *day < until);
        if let Some(day) = silent {
            let why = self.why;
            if let Some(episode) = self.open() {
                episode.silence = Some(why(day + 1 - SHOWN, day + 1));
                self.resolve(day, End::NoData);
            }
        }
    }

    /// Ends the open episode. The next one is one of its own.
    fn resolve(&mut self, day: i32, end: End) {
        if let Some(episode) = self.open() {
            episode.resolved = Some((day, end));
        }
        self.chart = self.side.chart;
        (self.mixture, self.looks) = (Mixture::new(5), 0);
        (self.change, self.since) = (day + 1, Totals::default());
    }

    fn open(&mut self) -> Option<&mut Episode> {
        self.episodes.last_mut().filter(|e| e.resolved.is_none())
    }

    fn look(&mut self, day: i32, facts: &DayFacts) {
        self.looked = Some(day);
        let phase = self.rule.phase.of(Day(day));
        let usual = &self.baseline.usual;
        let step = self.side.step(usual, phase, facts);
        let sum = self.chart.add(step);
        self.mixture.add(self.side.ratios(usual, phase, facts).into_iter());
        self.looks += 1;
        // What is open is told from where it began.
        if !self.chart.is_at_rest() || self.open().is_some() {
            take(&mut self.since, facts, self.baseline.expects(phase, facts));
        } else {
            (self.change, self.since) = (day + 1, Totals::default());
        }
        let (over, low) = (self.chart.is_over(), self.chart.is_low());
        let strong = self.chart.is_strong();
        let shown = Shown {
            totals: self.since,
            from: self.change,
            statistic: sum,
            e_value: self.mixture.value(),
            as_of: day + 1,
        };
        let convincing = over && self.gates_are_open();
        let change = self.change;
        if let Some(episode) = self.open() {
            if strong {
                episode.shown = shown;
            }
            episode.low = if low { episode.low + 1 } else { 0 };
            if convincing && !episode.fired {
                (episode.fired, episode.since) = (true, day);
            }
            if episode.low >= LOW_LOOKS {
                self.resolve(day, End::Recovered);
            }
        } else if over {
            let fired = convincing;
            self.episodes.push(Episode {
                since: day,
                change,
                fired,
                resolved: None,
                silence: None,
                low: 0,
                shown,
            });
        }
    }

    /// Whether enough was seen since the change, and it moved far enough.
    fn gates_are_open(&self) -> bool {
        let gates = &self.rule.gates;
        let seen = match self.rule.signal.kind() {
            // That nothing comes any more is seen by what was to come.
            Kind::Count => self.since.expected.max(self.since.facts.n as f64),
            _ => self.since.facts.n as f64,
        };
        let least = f64::from(gates.effect_percent) / 100.0;
        seen >= gates.min_n as f64 && effect(self.rule.signal.kind(), &self.since).abs() >= least
    }

    fn alert(&self, number: usize, episode: &Episode, segment: &Segment, closed: i32) -> Alert {
        let kind = self.rule.signal.kind();
        let Shown { totals, from, statistic, e_value, as_of } = episode.shown;
        Alert {
            signal: self.rule.signal,
            currency: self.rule.currency,
            segment: segment.clone(),
            direction: self.side.direction,
            episode: number as u32 + 1,
            state: match (episode.resolved, episode.fired) {
                (Some(_), _) => State::Resolved,
                (None, true) => State::Firing,
                (None, false) => State::Pending,
            },
            fired: episode.fired,
            withdrawn: false,
            since: Day(episode.since),
            resolved: episode.resolved.map(|(day, _)| Day(day)),
            end: episode.resolved.map(|(_, end)| end),
            silence: episode.silence,
            change: Day(episode.change),
            now: figure(self.rule, &totals),
            now_days: (Day(from), Day(as_of)),
            baseline: self.baseline.beside(self.rule, &totals),
            explained: Vec::new(),
            siblings: None,
            effect: effect(kind, &totals),
            statistic,
            threshold: self.side.chart.threshold(),
            e_value,
            arl0: self.charts.arl0,
            false_alarms: self.charts.false_alarms,
            as_of: Day(as_of.max(episode.resolved.map_or(as_of, |(day, _)| day + 1))),
            judged_to: Day(closed),
            judged_by: self.rule.hash(),
        }
    }
}

/// By how much it moved, relative to what the baseline expected.
fn effect(kind: Kind, totals: &Totals) -> f64 {
    let facts = &totals.facts;
    let ratio = match kind {
        Kind::Proportion => facts.hits as f64 / totals.expected,
        Kind::Duration | Kind::Amount => ((facts.sum - totals.expected) / facts.n as f64).exp(),
        Kind::Count => facts.n as f64 / totals.expected,
    };
    if ratio.is_finite() { ratio - 1.0 } else { 0.0 }
}

fn conclude(
    rule: &Rule,
    segment: &Segment,
    baseline: &Baseline,
    (recent, silence): (&Totals, Option<Silence>),
    mut walks: [Walk<'_>; 2],
    closed: i32,
) -> Verdict {
    let open = walks.iter_mut().filter_map(|walk| walk.open().map(|e| (e.fired, e.shown.totals)));
    let open = open.max_by_key(|(fired, _)| *fired);
    let score = |w: &Walk<'_>| w.chart.sum() / w.chart.threshold();
    let state = match &open {
        _ if silence.is_some() => State::NoData,
        Some((true, _)) => State::Firing,
        Some((false, _)) => State::Pending,
        None => State::Inactive,
    };
    let shown = open.map_or(*recent, |(_, totals)| totals);
    let reading = Reading {
        signal: rule.signal,
        state,
        score: score(&walks[0]).max(score(&walks[1])),
        now: figure(rule, &shown),
        baseline: Some(baseline.beside(rule, &shown)),
        arl0: Some(walks[0].charts.arl0),
        effect: silence.is_none().then(|| effect(rule.signal.kind(), &shown)),
        silence,
    };
    let of = |walk: &Walk<'_>| -> Vec<Alert> {
        walk.episodes.iter().enumerate().map(|(i, e)| walk.alert(i, e, segment, closed)).collect()
    };
    let evidence = walks.iter().map(|walk| e_value(walk.mixture.value(), walk.looks)).sum::<f64>();
    let evidence = Some(evidence / walks.len() as f64);
    Verdict { reading, alerts: walks.iter().flat_map(of).collect(), evidence }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
