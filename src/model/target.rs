//! Targets and benchmarks: what a KPI should be, beside what it is.
//!
//! They come from reference files and from a topic, with the day from which each revision is valid.
//! They touch rows only: no cell depends on them, so they are part of no hash, and a change needs no
//! new generation. Of several revisions the newest that is valid at the moment decides; the moment is
//! today, and in a window that ended its last day. Nothing is prorated between revisions.

#[path = "target_history.rs"]
mod history;
#[path = "target_json.rs"]
mod json;
#[path = "target_stale.rs"]
mod stale;
#[path = "target_topic.rs"]
mod topic;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use history::{Revision, Stated};
pub use json::standings_json;
pub use stale::Stale;
pub use topic::{MOST_RECORDS, TargetRecords};

use super::kpi::{KpiValue, Number, Unit, Words};
use super::money::{EXACT_ONE, Exact};
use super::segment::{Segment, UNKNOWN};
use super::time::Day;
use super::window::{Period, WindowKind};
use super::workdays::{WorkCalendar, WorkOf};

/// What a value is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aim {
    /// To be reached.
    Target,
    /// To be compared with.
    Benchmark,
}

/// In which periods a goal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// In windows of every kind: benchmarks only.
    Anywhere,
    /// In every such period.
    Every(Period),
    /// From the period that begins on the day on.
    From(Period, Day),
    /// In the period that begins on the day.
    Once(Period, Day),
}

impl Holds {
    /// The kind of period; `None` for any.
    pub fn period(self) -> Option<Period> {
        match self {
            Holds::Anywhere => None,
            Holds::Every(period) | Holds::From(period, _) | Holds::Once(period, _) => Some(period),
        }
    }

    /// Whether it holds in the period `period` that begins on `start`.
    fn at(self, period: Option<Period>, start: Day) -> bool {
        match self {
            Holds::Anywhere => true,
            Holds::Every(own) => period == Some(own),
            Holds::From(own, from) => period == Some(own) && from <= start,
            Holds::Once(own, first) => period == Some(own) && first == start,
        }
    }
}

/// One revision of one target or benchmark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// Target or benchmark.
    pub aim: Aim,
    /// Name of the KPI.
    pub kpi: String,
    /// Whether the KPI adds up over the days of a window: then there is a pace.
    pub accrues: bool,
    /// Whether its windows go on growing when they are over: then there is none after all.
    pub ripens: bool,
    /// When it holds.
    pub holds: Holds,
    /// The value; of a growing one that of the first period.
    pub value: Exact,
    /// By which share each period's value exceeds the former one's.
    pub growth: Exact,
    /// From which day on the revision is valid; always without one.
    pub valid_from: Option<Day>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Why it is what it is.
    pub note: Option<String>,
    /// Where it is stated.
    pub stated: Stated,
}

impl Goal {
    /// The value in the period that begins on `start`; `None` beyond what can be kept.
    fn value_at(&self, start: Day) -> Option<Exact> {
        match self.holds {
            Holds::From(period, from) if self.growth.0 != 0 => {
                let factor =
                    power(EXACT_ONE.checked_add(self.growth.0)?, period.between(from, start))?;
                Some(Exact(times(self.value.0, factor)?))
            }
            _ => Some(self.value),
        }
    }
}

fn times(a: i128, b: i128) -> Option<i128> {
    Some(a.checked_mul(b)? / EXACT_ONE)
}

/// A fixed-point number to the power of `n`, by squaring.
fn power(base: i128, n: u32) -> Option<i128> {
    let (mut out, mut square, mut left) = (EXACT_ONE, base, n);
    while left > 0 {
        if left & 1 == 1 {
            out = times(out, square)?;
        }
        left >>= 1;
        if left > 0 {
            square = times(square, square)?;
        }
    }
    Some(out)
}

/// All targets and benchmarks.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Targets {
    /// Whether the target of a longer period is parted among shorter ones that have none.
    pub steps: bool,
    /// Of one segment.
    own: BTreeMap<Segment, Arc<Vec<Goal>>>,
    /// By the name of the dimension set: of every member that has none of its own.
    each: BTreeMap<String, Arc<Vec<Goal>>>,
}

/// Whom a goal is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// One segment.
    Of(Segment),
    /// Every member of a dimension set (`rep`, `territory_channel`), but for unknown ones.
    Each(String),
}

/// Where a window stands that goals are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Stand<'a> {
    /// Segment.
    pub segment: &'a Segment,
    /// Kind of window.
    pub kind: WindowKind,
    /// Its first day.
    pub start: Day,
    /// The day that is running.
    pub today: Day,
    /// The working days of the segment.
    pub work: WorkOf<'a>,
}

impl<'a> Stand<'a> {
    /// The working days, by where a rep is today, or was on the last day of a window that ended.
    fn work(&self) -> &'a WorkCalendar {
        let last = period_of(self.kind).map_or(self.today, |p| Day(p.next(self.start).0 - 1));
        self.work.on(self.today.min(last))
    }
}

/// The working days of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkingDays {
    /// All.
    pub total: i64,
    /// Up to today, today included.
    pub elapsed: i64,
    /// From today on, today included: it is not over.
    pub remaining: i64,
}

/// How a KPI stands against a target or benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Target or benchmark.
    pub aim: Aim,
    /// Name of the KPI.
    pub kpi: String,
    /// What it should be.
    pub value: Exact,
    /// The longer period that it is a step of.
    pub step_of: Option<Period>,
    /// The KPI divided by it, of a benchmark its share; absent where it is zero, or the KPI is absent.
    pub attainment: Option<f64>,
    /// The KPI less it.
    pub gap: Option<Number>,
    /// Attainment divided by the elapsed share of the working days.
    pub pace: Option<f64>,
    /// What is missing, for each working day that remains.
    pub required_per_day: Option<f64>,
    /// The working days, where the KPI adds up over them.
    pub days: Option<WorkingDays>,
    /// Whether there is no pace, since windows of the KPI go on growing when they are over.
    pub ripens: bool,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Why it is what it is.
    pub note: Option<String>,
}

/// What stands behind a KPI in the names of the families of its target; the last two where it adds
/// up over days.
const TARGET_ENDS: [&str; 5] = [
    "_target",
    "_target_gap",
    "_target_attainment_ratio",
    "_target_pace_ratio",
    "_target_required_per_day",
];
/// The same of a benchmark.
const BENCHMARK_ENDS: [&str; 3] = ["_benchmark", "_benchmark_gap", "_benchmark_ratio"];

impl Targets {
    /// None yet.
    pub fn new(steps: bool) -> Targets {
        Targets { steps, ..Targets::default() }
    }

    /// Adds one.
    pub fn insert(&mut self, scope: Scope, goal: Goal) {
        let goals = match scope {
            Scope::Of(segment) => self.own.entry(segment).or_default(),
            Scope::Each(grain) => self.each.entry(grain).or_default(),
        };
        Arc::make_mut(goals).push(goal);
    }

    /// Whether a segment has the same in both.
    pub fn agree_on(&self, segment: &Segment, other: &Targets) -> bool {
        self.steps == other.steps && self.of(segment) == other.of(segment)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.each.is_empty()
    }

    /// How many revisions there are.
    pub fn len(&self) -> usize {
        self.scopes().map(|(_, goals)| goals.len()).sum()
    }

    /// The segments that have one of their own.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.own.keys()
    }

    fn scopes(&self) -> impl Iterator<Item = (String, &[Goal])> {
        let own = self.own.iter().map(|(segment, goals)| (segment.to_string(), &goals[..]));
        own.chain(self.each.iter().map(|(grain, goals)| (format!("{grain}=*"), &goals[..])))
    }

    /// The KPIs that have one, with what for.
    pub fn kpis(&self) -> impl Iterator<Item = (Aim, &str)> {
        self.scopes().flat_map(|(_, goals)| goals).map(|goal| (goal.aim, goal.kpi.as_str()))
    }

    /// How many Prometheus series they lead to in these windows; `members` has how many segments
    /// the set of a name has.
    pub fn series(&self, windows: &[WindowKind], members: impl Fn(&str) -> u64) -> u64 {
        let all = self.families(windows, members).into_iter();
        all.fold(0, |sum, (_, _, ends, n)| sum.saturating_add(n.saturating_mul(ends.len() as u64)))
    }

    /// The Prometheus families of them: dimensions in one name, KPI, what stands behind it in the
    /// names of its families, and how many series each of these has. What has one of its own and what
    /// is for each of its kind are told apart.
    pub fn families(
        &self,
        windows: &[WindowKind],
        members: impl Fn(&str) -> u64,
    ) -> Vec<(String, &str, &'static [&'static str], u64)> {
        let own = self.own.iter();
        let own = own.map(|(segment, goals)| (segment.grain(), segment.to_string(), goals, 1));
        let each = self.each.iter();
        let each =
            each.map(|(grain, goals)| (grain.clone(), format!("{grain}=*"), goals, members(grain)));
        let mut shown = BTreeMap::new();
        for (grain, scope, goals, segments) in own.chain(each) {
            for goal in goals.iter() {
                let ends = match (goal.aim, goal.accrues && !goal.ripens) {
                    (Aim::Target, true) => &TARGET_ENDS[..],
                    (Aim::Target, false) => &TARGET_ENDS[..3],
                    (Aim::Benchmark, _) => &BENCHMARK_ENDS,
                };
                for kind in windows.iter().filter(|kind| self.shows(goal, **kind)) {
                    let family = (grain.clone(), goal.kpi.as_str(), ends, segments);
                    shown.insert((scope.clone(), goal.aim, &goal.kpi, *kind), family);
                }
            }
        }
        shown.into_values().collect()
    }

    /// Whether windows of the kind show a goal, or a step towards it.
    pub fn shows(&self, goal: &Goal, kind: WindowKind) -> bool {
        match (goal.holds.period(), period_of(kind)) {
            (None, _) => true,
            (Some(period), Some(own)) if period == own => true,
            (Some(period), Some(own)) => {
                let stepped = self.steps && goal.accrues && goal.aim == Aim::Target;
                stepped && own.longest_pair() < period.longest_pair()
            }
            (Some(_), None) => false,
        }
    }

    /// What is for a segment: its own before what is for each of its kind.
    fn of(&self, segment: &Segment) -> [&[Goal]; 2] {
        let known = segment.parts.iter().all(|(_, value)| &**value != UNKNOWN);
        let each = self.each.get(&segment.grain()).filter(|_| known && !segment.parts.is_empty());
        [self.own.get(segment), each].map(|goals| goals.map_or(&[][..], |g| g))
    }

    /// How the KPIs of a row stand.
    pub fn stand(&self, stand: &Stand<'_>, kpis: &[(Words, Unit, KpiValue)]) -> Vec<Standing> {
        let mut out = Vec::new();
        if self.is_empty() {
            return out;
        }
        let goals = self.of(stand.segment);
        for aim in [Aim::Target, Aim::Benchmark] {
            for (name, _, value) in kpis {
                let of_kpi = |goal: &&Goal| goal.aim == aim && goal.kpi == *name;
                let goals = goals.map(|list| list.iter().filter(of_kpi).collect::<Vec<_>>());
                out.extend(found(&goals, stand, self.steps).map(|f| f.standing(stand, value)));
            }
        }
        out
    }
}

/// What was found for a KPI in a window.
struct Found<'a> {
    goal: &'a Goal,
    value: Exact,
    step_of: Option<Period>,
}

type Goals<'a> = [Vec<&'a Goal>; 2];

fn period_of(kind: WindowKind) -> Option<Period> {
    match kind {
        WindowKind::Calendar(period) | WindowKind::ToDate(period) => Some(period),
        WindowKind::RollingDays(_) | WindowKind::RollingFine(_) => None,
    }
}

fn found<'a>(goals: &Goals<'a>, stand: &Stand<'_>, steps: bool) -> Option<Found<'a>> {
    let period = period_of(stand.kind);
    let direct = direct(goals, period, stand.start, stand.today);
    let direct = direct.map(|(goal, value)| Found { goal, value, step_of: None });
    direct.or_else(|| if steps { step(goals, period?, stand) } else { None })
}

/// The goal of just this period: the most special one, in its newest revision that is valid.
fn direct<'a>(
    goals: &Goals<'a>,
    period: Option<Period>,
    start: Day,
    today: Day,
) -> Option<(&'a Goal, Exact)> {
    let moment = match period {
        Some(period) => today.clamp(start, Day(period.next(start).0 - 1)),
        None => today,
    };
    let valid = |goal: &&&Goal| {
        goal.holds.at(period, start) && goal.valid_from.is_none_or(|from| from <= moment)
    };
    let newest = |list: &Vec<&'a Goal>| {
        list.iter().filter(valid).max_by_key(|goal| (goal.holds, goal.valid_from)).copied()
    };
    let goal = goals.iter().find_map(newest)?;
    Some((goal, goal.value_at(start)?))
}

/// The longer periods that have targets of which a window of `period` may be a step, shortest first.
fn longer(goals: &Goals<'_>, period: Period) -> Vec<Period> {
    let mut longer: Vec<Period> = goals
        .iter()
        .flatten()
        .filter(|goal| goal.aim == Aim::Target && goal.accrues)
        .filter_map(|goal| goal.holds.period())
        .filter(|other| other.longest_pair() > period.longest_pair())
        .collect();
    longer.sort_unstable_by_key(|period| (period.longest_pair(), *period));
    longer.dedup();
    longer
}

/// The step that a window is towards the target of a longer period, by working days. Where it
/// straddles two of them, it has a part of each. A revision that comes when the window is over does
/// not change it, though it changes the whole.
fn step<'a>(goals: &Goals<'a>, period: Period, stand: &Stand<'_>) -> Option<Found<'a>> {
    let (end, work) = (period.next(stand.start), stand.work());
    let moment = stand.today.min(Day(end.0 - 1));
    longer(goals, period).into_iter().find_map(|whole| {
        let (mut at, mut sum, mut last) = (whole.start(stand.start), 0i128, None);
        while at < end {
            let next = whole.next(at);
            let (goal, value) = direct(goals, Some(whole), at, moment)?;
            let days = work.count(at.max(stand.start), next.min(end));
            let all = work.count(at, next);
            if all == 0 {
                return None;
            }
            let part = value.0.checked_mul(i128::from(days))? / i128::from(all);
            sum = sum.checked_add(part)?;
            (at, last) = (next, Some(goal));
        }
        Some(Found { goal: last?, value: Exact(sum), step_of: Some(whole) })
    })
}

impl Found<'_> {
    fn standing(&self, stand: &Stand<'_>, kpi: &KpiValue) -> Standing {
        let (goal, aim) = (self.goal, self.value);
        // Where all that is known is in currencies without a rate, nobody knows how far it is.
        let known = kpi.value.filter(|_| !kpi.hollow);
        let value = known.map(Number::to_f64).filter(|value| value.is_finite());
        let attainment = value.filter(|_| aim.0 != 0).map(|value| value / aim.to_f64());
        let gap = known.map(|value| match value {
            Number::Exact(exact) => Number::Exact(Exact(exact.0.saturating_sub(aim.0))),
            Number::Float(float) => Number::Float(float - aim.to_f64()),
        });
        let paced = goal.aim == Aim::Target && goal.accrues;
        let days = period_of(stand.kind).filter(|_| paced).map(|period| days(period, stand));
        // What is missing will come by itself, nobody knows how much of it.
        let (reached, value) =
            (attainment.filter(|_| !goal.ripens), value.filter(|_| !goal.ripens));
        let pace = reached.zip(days).filter(|(_, days)| days.elapsed > 0);
        let pace = pace.map(|(a, days)| a * days.total as f64 / days.elapsed as f64);
        let required = value.zip(days).filter(|(_, days)| days.remaining > 0);
        let required = required.map(|(reached, days)| match kpi.value {
            // To the twelfth decimal, so that no more digits are told than there are.
            Some(Number::Exact(exact)) => {
                let (lacks, remaining) = ((aim.0 - exact.0).max(0), i128::from(days.remaining));
                Exact((lacks + remaining / 2) / remaining).to_f64()
            }
            _ => (aim.to_f64() - reached).max(0.0) / days.remaining as f64,
        });
        Standing {
            aim: goal.aim,
            kpi: goal.kpi.clone(),
            value: aim,
            step_of: self.step_of,
            attainment,
            gap,
            pace,
            required_per_day: required,
            days,
            ripens: paced && goal.ripens,
            owner: goal.owner.clone(),
            note: goal.note.clone(),
        }
    }
}

fn days(period: Period, stand: &Stand<'_>) -> WorkingDays {
    let (start, end, work) = (stand.start, period.next(stand.start), stand.work());
    WorkingDays {
        total: work.count(start, end),
        elapsed: work.count(start, Day(stand.today.0 + 1).min(end)),
        remaining: work.count(stand.today.max(start), end),
    }
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
