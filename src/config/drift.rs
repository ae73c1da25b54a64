//! What is watched for drift: the words of `[drift]`, and the rules that follow from them.

use std::time::Duration;

use super::Budget;
use super::build::small;
use super::estimate::{members_of, set_name};
use super::leaf::{Given, Leaf, Problem, Raw, clip, show_duration, text};
use super::read::Reader;
use super::typed::{self, DimensionSet};
use super::words::one_of;
use crate::model::alert::{ChartKind, Gates, IntervalKind, Phase, Rule, Signal};
use crate::model::definition::Definition;
use crate::model::time::Day;

/// What is watched unless told otherwise: few streams, and large ones.
const WATCHED: [&[&str]; 4] = [&[], &["territory"], &["channel"], &["team"]];

impl Leaf for Signal {
    fn read(raw: Raw<'_>) -> Result<Signal, Problem> {
        let names = Signal::ALL.map(|(_, name)| name);
        one_of(raw, "a KPI that can be watched for drift", &names, Signal::parse)
    }
}

impl Leaf for Phase {
    fn read(raw: Raw<'_>) -> Result<Phase, Problem> {
        one_of(raw, "a part of a season", &Phase::ALL.map(|(_, name)| name), Phase::parse)
    }
}

impl Leaf for ChartKind {
    fn read(raw: Raw<'_>) -> Result<ChartKind, Problem> {
        one_of(raw, "a chart", &ChartKind::ALL.map(|(_, name)| name), ChartKind::parse)
    }
}

impl Leaf for IntervalKind {
    fn read(raw: Raw<'_>) -> Result<IntervalKind, Problem> {
        let names = IntervalKind::ALL.map(|(_, name)| name);
        one_of(raw, "an interval of a ratio", &names, IntervalKind::parse)
    }
}

/// Checks the name of a KPI that has a phase.
pub(super) fn watched(name: &str) -> Result<(), Problem> {
    Signal::read(Raw::Text(name)).map(|_| ())
}

/// Most false alarms that can be tolerated a year: a hundred a month. Beyond it chance alone is told,
/// and thresholds are so low that run lengths say nothing any more.
const MOST_A_YEAR: u32 = 1_200;

/// How many false alarms are tolerated, a year.
#[derive(Clone, Copy, Debug)]
pub(super) struct FalseAlarms(pub(super) u32);

impl Leaf for FalseAlarms {
    fn read(raw: Raw<'_>) -> Result<FalseAlarms, Problem> {
        let mend = "write a whole number and month, quarter or year: \"1 per quarter\"";
        let words = text(raw, "a number of false alarms", mend)?;
        let read = || {
            let (n, period) = words.split_once(" per ")?;
            let a_year = match period.trim() {
                "month" => 12,
                "quarter" => 4,
                "year" => 1,
                _ => return None,
            };
            let n = n.trim().parse::<u32>().ok().filter(|n| *n > 0)?;
            Some(n.saturating_mul(a_year))
        };
        let said = clip(words);
        match read() {
            Some(a_year) if a_year <= MOST_A_YEAR => Ok(FalseAlarms(a_year)),
            Some(_) => Err(Problem::new(
                format!("\"{said}\" are more false alarms than anybody would look at"),
                "tolerate 100 a month at most, of each KPI over all its segments: \"1 per quarter\"",
            )),
            None => Err(Problem::new(format!("\"{said}\" is not a number of false alarms"), mend)),
        }
    }
}

/// Length of a baseline: whole days.
#[derive(Clone, Copy, Debug)]
pub(super) struct BaselineDays(pub(super) u32);

impl Leaf for BaselineDays {
    fn read(raw: Raw<'_>) -> Result<BaselineDays, Problem> {
        let length = Duration::read(raw)?;
        let days = length.as_secs() / 86_400;
        let whole = length == Duration::from_secs(days * 86_400);
        match u32::try_from(days).ok().filter(|days| whole && (28..=1500).contains(days)) {
            Some(days) => Ok(BaselineDays(days)),
            None => Err(Problem::new(
                format!("a baseline is whole days, 28 to 1500, not {}", show_duration(length)),
                "write \"84d\" for twelve weeks",
            )),
        }
    }
}

/// A civil day.
#[derive(Clone, Copy, Debug)]
pub(super) struct StatedDay(pub(super) Day);

impl Leaf for StatedDay {
    fn read(raw: Raw<'_>) -> Result<StatedDay, Problem> {
        let mend = "write it in quotes, as \"2026-01-05\"";
        let day = text(raw, "a day", mend)?;
        let parsed = Day::parse(day).map(StatedDay);
        parsed.ok_or_else(|| Problem::new(format!("\"{}\" is not a day", clip(day)), mend))
    }
}

/// The rules, one a KPI.
pub(super) fn rules(
    reader: &mut Reader,
    typed: typed::Drift,
    definition: &Definition,
    budget: &Budget,
) -> Vec<Rule> {
    if reader.faulty(&["drift", "segments", "directory"]) {
        return Vec::new();
    }
    let sets = sets(reader, typed.segments, definition);
    let streams_of = |sets: &[Vec<String>]| {
        sets.iter().map(|set| members_of(definition, budget, set)).fold(0, u64::saturating_add)
    };
    let baseline_days = typed.baseline.0.0;
    too_long(reader, baseline_days, definition);
    if typed.min_effect_percent.0.0 >= 100 {
        let what = "nothing falls by 100 % or more, so no fall would ever fire";
        reader.fault("drift.min_effect_percent", what, "write 99 or less; 15 is usual");
    }
    let gates = Gates {
        min_n: typed.min_n.0.0,
        min_baseline: typed.min_baseline.0.0,
        effect_percent: small(typed.min_effect_percent.0.0),
    };
    let baseline_from = typed.baseline_from.map(|Given(day)| day.0);
    let phases = typed.phases.0;
    let mut signals: Vec<Signal> = typed.kpis.into_iter().map(|Given(signal)| signal).collect();
    signals.sort_unstable();
    signals.dedup();
    let rule = |signal: Signal, sets: &Vec<Vec<String>>| Rule {
        signal,
        segments: sets.clone(),
        streams: streams_of(sets),
        false_alarms_a_year: typed.false_alarms.0.0,
        phase: phases.get(signal.as_str()).map_or(Phase::None, |Given(phase)| *phase),
        baseline_days,
        baseline_from,
        gates,
        chart: typed.chart.0,
        interval: typed.interval.0,
        currency: definition.currency,
    };
    let shares = shares(sets);
    let each = |signal| shares.iter().map(move |sets| (signal, sets));
    signals.into_iter().flat_map(each).map(|(signal, sets)| rule(signal, sets)).collect()
}

/// The sets that share what is tolerated: those that are watched unless told otherwise, and each other
/// one by itself, so that many reps do not make territories deaf. Without a set one that has none.
fn shares(sets: Vec<Vec<String>>) -> Vec<Vec<Vec<String>>> {
    let (usual, others): (Vec<_>, Vec<_>) =
        sets.into_iter().partition(|set| WATCHED.iter().any(|usual| set == usual));
    let mut out: Vec<Vec<Vec<String>>> = others.into_iter().map(|set| vec![set]).collect();
    if !usual.is_empty() || out.is_empty() {
        out.insert(0, usual);
    }
    out
}

/// The dimension sets that are watched; those of the default only where they are counted.
fn sets(
    reader: &mut Reader,
    typed: Option<Vec<DimensionSet>>,
    definition: &Definition,
) -> Vec<Vec<String>> {
    let is_counted = |set: &Vec<String>| definition.segments.contains(set);
    let Some(typed) = typed else {
        let usual = WATCHED.map(|set| set.iter().map(|d| (*d).to_owned()).collect());
        return usual.into_iter().filter(is_counted).collect();
    };
    let mut out = Vec::new();
    for (i, set) in typed.into_iter().enumerate() {
        let set: Vec<String> = match set {
            DimensionSet::One(name) => name.0.0.into_iter().collect(),
            DimensionSet::Several(dimensions) => dimensions.into_iter().map(|d| d.0.0).collect(),
        };
        if !is_counted(&set) {
            let what = format!("the set {} is not counted", set_name(&set));
            let same =
                |of: &&Vec<String>| of.len() == set.len() && of.iter().all(|d| set.contains(d));
            let mend = match definition.segments.iter().find(same) {
                Some(of) => format!("did you mean {of:?}, as segments.sets has it?"),
                None => "add it to segments.sets, or leave it out here".to_owned(),
            };
            reader.fault(&format!("drift.segments[{i}]"), what, mend);
        }
        if !out.contains(&set) {
            out.push(set);
        }
    }
    out
}

/// A baseline must still be kept while it is compared with. How long one that is not stated can be is
/// bounded here; that a stated first day falls out of retention is for the clock, so `/metrics` says
/// it (`docs/drift.md`, limits).
fn too_long(reader: &mut Reader, days: u32, definition: &Definition) {
    let Some(kept) = definition.retention.days.filter(|kept| days.saturating_mul(2) > *kept) else {
        return;
    };
    let what = format!("a baseline of {days}d leaves too little of slices.day_retention = {kept}d");
    let mend = format!("set slices.day_retention = \"{}d\" or more", days.saturating_mul(2));
    reader.fault("drift.baseline", what, mend);
}
