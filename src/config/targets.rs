//! Targets and benchmarks, from files and from the section itself: as typed, and as meant.

use std::collections::BTreeMap;
use std::path::Path;

use super::files;
use super::leaf::{Given, Leaf, Problem, Raw, clip, text};
use super::near::did_you_mean;
use super::read::Reader;
use super::shape::table;
use crate::model::definition::Definition;
use crate::model::fiscal::Fiscal;
use crate::model::kpi::Kpi;
use crate::model::money::{Amount, EXACT_ONE, Exact};
use crate::model::row::json_string;
use crate::model::segment::Segment;
use crate::model::target::{Aim, Goal, Holds, Scope, Stated, Targets};
use crate::model::time::Day;
use crate::model::window::{Period, WindowKind};

table! {
    /// The section.
    Typed {
        files: Vec<Given<String>>,
        topic: Given<bool>,
        steps: Given<bool>,
        target: Option<Vec<TargetRow>>,
    }
    /// A file of targets.
    TargetsFile {
        target: Option<Vec<TargetRow>>,
    }
    TargetRow {
        kind: Option<Given<Aim>>,
        segment: Option<Given<ScopeText>>,
        kpi: Given<String>,
        value: Given<Decimal>,
        period: Option<Given<Period>>,
        start: Option<Given<Day>>,
        repeat: Option<Given<bool>>,
        growth: Option<Given<Decimal>>,
        valid_from: Option<Given<Day>>,
        owner: Option<Given<String>>,
        note: Option<Given<String>>,
    }
}

/// A decimal number in quotes, so that every digit is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal(Exact);

impl Leaf for Decimal {
    fn read(raw: Raw<'_>) -> Result<Decimal, Problem> {
        let usual = "write a number in quotes, such as \"50000\" or \"0.25\"";
        let number = match raw {
            Raw::Whole(n) => n.to_string(),
            _ => text(raw, "a number", usual)?.to_owned(),
        };
        let read = number.parse::<Amount>();
        read.map(|a| Decimal(a.exact())).map_err(|e| Problem::new(e.to_string(), usual))
    }
}

impl Leaf for Aim {
    fn read(raw: Raw<'_>) -> Result<Aim, Problem> {
        let names = ["target", "benchmark"];
        match text(raw, "what the value is", "write \"target\" or \"benchmark\"")? {
            "target" => Ok(Aim::Target),
            "benchmark" => Ok(Aim::Benchmark),
            other => {
                let what = format!("\"{}\" is neither a target nor a benchmark", clip(other));
                Err(Problem::new(what, did_you_mean(other, &names)))
            }
        }
    }
}

/// `overall`, `rep=r-1`, `territory=West,channel=web`, `rep=*`: dimensions and values.
#[derive(Clone, Debug)]
pub(super) struct ScopeText(Vec<(String, String)>);

impl Leaf for ScopeText {
    fn read(raw: Raw<'_>) -> Result<ScopeText, Problem> {
        let usual = "write \"overall\", or dimension=value, joined by commas: \"rep=r-1\"";
        let text = text(raw, "a segment", usual)?;
        if text == "overall" {
            return Ok(ScopeText(Vec::new()));
        }
        let not = || Problem::new(format!("\"{}\" is not a segment", clip(text)), usual);
        let mut parts = Vec::new();
        for part in text.split(',') {
            let (dimension, value) = part.split_once('=').ok_or_else(not)?;
            let value = decode(value.trim()).filter(|value| !value.is_empty()).ok_or_else(not)?;
            parts.push((dimension.trim().to_owned(), value));
        }
        Ok(ScopeText(parts))
    }
}

/// Takes percent-encoding off, as [`Segment`] puts it on.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

/// The targets; what is wrong with them goes to the reader.
pub(super) fn meant(
    reader: &mut Reader,
    typed: Typed,
    base: &Path,
    (definition, fiscal): (&Definition, Fiscal),
) -> Targets {
    let mut rows: Vec<(String, TargetRow)> = Vec::new();
    let keyed = |at: &str, list: Option<Vec<TargetRow>>| -> Vec<(String, TargetRow)> {
        let list = list.into_iter().flatten().enumerate();
        list.map(|(i, row)| (format!("{at}.target[{i}]"), row)).collect()
    };
    for (i, file) in typed.files.iter().enumerate() {
        let at = format!("targets.files[{i}]");
        let read = files::rows::<TargetsFile>(reader, base, &at, &file.0);
        rows.extend(keyed(&at, read.and_then(|file| file.target)));
    }
    rows.extend(keyed("targets", typed.target));
    let mut out = Targets::new(typed.steps.0);
    // Rows with faults are left out, and the numbers of those behind them no longer match.
    if reader.faulty(&["targets", "windows", "segments", "kpis", "calendar"]) {
        return out;
    }
    let check = Check { definition, fiscal, steps: typed.steps.0 };
    let mut seen: BTreeMap<Revision, String> = BTreeMap::new();
    let mut lines = reader.lines();
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(at, row)| {
            let stated = lines.of(&at).map(|(file, line)| Stated::File(file, line));
            (at, row, stated.unwrap_or_default())
        })
        .collect();
    for (at, row, stated) in rows {
        match check.row(row) {
            Ok((scope, goal)) => {
                let goal = Goal { stated, ..goal };
                let revision =
                    (scope.clone(), goal.aim, goal.kpi.clone(), goal.holds, goal.valid_from);
                if seen.insert(revision, at.clone()).is_some() {
                    let since = goal
                        .valid_from
                        .map_or("no valid_from".to_owned(), |day| format!("valid_from = {day}"));
                    let what = format!(
                        "there is another {} of {} for the same segment and period with {since}",
                        word(goal.aim),
                        goal.kpi
                    );
                    let mend =
                        "remove one of the two, or say from which day on the revision is valid";
                    reader.fault(&at, what, mend);
                    continue;
                }
                out.insert(scope, goal);
            }
            Err((key, problem)) => reader.fault(&format!("{at}.{key}"), problem.what, problem.mend),
        }
    }
    out
}

type Revision = (Scope, Aim, String, Holds, Option<Day>);

fn word(aim: Aim) -> &'static str {
    match aim {
        Aim::Target => "target",
        Aim::Benchmark => "benchmark",
    }
}

/// Longest owner and note, bytes of their JSON: each row that the target is shown in has them, for
/// each of its KPIs, and all of it must fit into one record.
const LONGEST_TEXTS: [(&str, usize); 2] = [("owner", 200), ("note", 500)];

/// Whether texts that rows repeat are short.
fn short(row: &TargetRow) -> Result<(), At> {
    for ((key, most), text) in LONGEST_TEXTS.into_iter().zip([&row.owner, &row.note]) {
        // Without the quotes; what JSON escapes counts as it is written.
        let bytes = text.as_ref().map_or(0, |text| json_string(&text.0).len() - 2);
        if bytes > most {
            let what = format!("{bytes} bytes as JSON, and rows show at most {most}");
            return Err((key, Problem::new(what, "shorten it, or name where the rest is told")));
        }
    }
    Ok(())
}

/// A problem, and the key of the row that it is with.
pub(super) type At = (&'static str, Problem);

pub(super) struct Check<'a> {
    pub(super) definition: &'a Definition,
    pub(super) fiscal: Fiscal,
    pub(super) steps: bool,
}

impl Check<'_> {
    pub(super) fn row(&self, row: TargetRow) -> Result<(Scope, Goal), At> {
        short(&row)?;
        let aim = row.kind.map_or(Aim::Target, |kind| kind.0);
        let scope = self.scope(row.segment.map_or(Vec::new(), |s| s.0.0))?;
        let kpi = self.kpi(&row.kpi.0)?;
        let period = row.period.map(|period| period.0.of_fiscal(self.fiscal));
        let start = row.start.map(|day| day.0);
        let repeat = row.repeat.is_some_and(|repeat| repeat.0);
        let growth = row.growth.map(|growth| growth.0.0);
        let holds = self.holds(aim, period, start, repeat || growth.is_some())?;
        let growth = growth.unwrap_or(Exact(0));
        if growth.0 <= -EXACT_ONE || growth.0 > 10 * EXACT_ONE {
            let what = format!("a growth of {growth} a period is not from -1 to 10");
            return Err(("growth", Problem::new(what, "write a share: \"0.02\" is 2 % a period")));
        }
        let goal = Goal {
            aim,
            kpi: kpi.name.to_string(),
            accrues: kpi.accrues(),
            ripens: kpi.ripens(),
            holds,
            value: row.value.0.0,
            growth,
            valid_from: row.valid_from.map(|day| day.0),
            owner: row.owner.map(|owner| owner.0),
            note: row.note.map(|note| note.0),
            stated: Stated::default(),
        };
        self.shown(&goal)?;
        if let (Holds::Once(period, start), Some(from)) = (holds, goal.valid_from)
            && from >= period.next(start)
        {
            let what = format!(
                "valid_from = {from} lies behind the {}, which ends on {}: it would never hold",
                period.as_str(),
                Day(period.next(start).0 - 1)
            );
            let mend = "name a day within the period or before it; what a window was measured by when it ended stays";
            return Err(("valid_from", Problem::new(what, mend)));
        }
        Ok((scope, goal))
    }

    fn kpi(&self, name: &str) -> Result<&Kpi, At> {
        if let Some(kpi) = self.definition.kpis.kpis().find(|kpi| kpi.name == name) {
            return Ok(kpi);
        }
        if let Some(kpi) = Kpi::named(name) {
            let what = format!("rows do not have the KPI \"{name}\"");
            let mend = format!("add \"{}\" to kpis.groups", kpi.group.as_str());
            return Err(("kpi", Problem::new(what, mend)));
        }
        let names: Vec<&str> = self.definition.kpis.kpis().map(|kpi| &*kpi.name).collect();
        let mend = match super::near::nearest(name, names) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "`tidemark kpis list` has their names".to_owned(),
        };
        Err(("kpi", Problem::new(format!("there is no KPI \"{}\"", clip(name)), mend)))
    }

    fn scope(&self, parts: Vec<(String, String)>) -> Result<Scope, At> {
        let named: Vec<&str> = parts.iter().map(|(dimension, _)| dimension.as_str()).collect();
        let same = |set: &&Vec<String>| {
            set.len() == named.len() && set.iter().all(|d| named.contains(&d.as_str()))
        };
        let Some(set) = self.definition.segments.iter().find(same) else {
            let shown = if named.is_empty() { "overall".to_owned() } else { named.join(" × ") };
            let what = format!("there are no rows of {shown}");
            let sets: Vec<String> =
                self.definition.segments.iter().map(|s| super::estimate::set_name(s)).collect();
            let mend = format!("rows are of {}; add the set to segments.sets", sets.join(", "));
            return Err(("segment", Problem::new(what, mend)));
        };
        let of = |dimension: &String| {
            parts.iter().find(|(name, _)| name == dimension).map_or("", |(_, value)| value.as_str())
        };
        let stars = parts.iter().filter(|(_, value)| value == "*").count();
        if stars > 0 && stars < parts.len() {
            let what = "a segment names the values of all its dimensions, or * for all of them";
            let mend = "write a target for each value that is meant";
            return Err(("segment", Problem::new(what, mend)));
        }
        let segment = Segment::of(set.iter().map(|d| (d.as_str(), of(d))));
        Ok(if stars > 0 { Scope::Each(segment.grain()) } else { Scope::Of(segment) })
    }

    fn holds(
        &self,
        aim: Aim,
        period: Option<Period>,
        start: Option<Day>,
        repeat: bool,
    ) -> Result<Holds, At> {
        let Some(period) = period else {
            if aim == Aim::Target {
                let mend =
                    "name one: period = \"month\"; only a benchmark holds in windows of any kind";
                return Err(("kpi", Problem::new("a target is for a period", mend)));
            }
            return match start {
                None if !repeat => Ok(Holds::Anywhere),
                _ => {
                    let what = "start, repeat and growth go with a period";
                    Err(("kpi", Problem::new(what, "add period = \"month\", or remove them")))
                }
            };
        };
        let Some(start) = start else {
            return match repeat {
                false => Ok(Holds::Every(period)),
                true => {
                    let what = "repeat and growth count from start, which is not there";
                    let mend = "add start, the first day of the first period; without all three it holds in every period";
                    Err(("kpi", Problem::new(what, mend)))
                }
            };
        };
        let first = period.start(start);
        if first != start {
            let what = format!("{start} is not the first day of a {}", period.as_str());
            let mend = format!("write \"{first}\" or \"{}\"", period.next(first));
            return Err(("start", Problem::new(what, mend)));
        }
        Ok(if repeat { Holds::From(period, start) } else { Holds::Once(period, start) })
    }

    /// Whether any window shows it.
    fn shown(&self, goal: &Goal) -> Result<(), At> {
        let shows = |kind: &WindowKind| Targets::new(self.steps).shows(goal, *kind);
        let Some(period) =
            goal.holds.period().filter(|_| !self.definition.windows.iter().any(shows))
        else {
            return Ok(());
        };
        let name = period.as_str();
        let what = format!("no window shows it: there is none of a {name}");
        let mend = format!("add \"{name}\" to windows.calendar or to windows.to_date");
        Err(("period", Problem::new(what, mend)))
    }
}
