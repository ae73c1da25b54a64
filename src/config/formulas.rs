//! KPIs of the user's own: `[kpis.custom.<name>]`, with a formula over measures and other KPIs.

use std::collections::BTreeMap;

use super::build::small;
use super::leaf::{Leaf, Problem, Raw, clip, text};
use super::near::nearest;
use super::read::{Reader, child};
use super::typed::{CustomKpi, CustomKpis};
use super::words::one_of;
use crate::model::formula::{self, Program, What, Written};
use crate::model::funnel::FAMILIES;
use crate::model::kpi::{CATALOGUE, Clock, Compiled, Formula, Grain, Group, Kpi, Unit};
use crate::model::own::OwnMeasures;

/// Longest name, characters: it is part of every row and of the name of a metric.
const NAME_CHARS: usize = 60;
/// Families that stand beside those of KPIs.
const TAKEN_FAMILIES: [&str; 3] = ["deals_closed", "cycle_samples", "window_complete_ratio"];

/// What families of others begin with.
const TAKEN_STARTS: [&str; 1] = ["drift_"];
/// What stands behind a family where there are targets and benchmarks.
const FAMILY_ENDS: [&str; 8] = [
    "_target",
    "_target_gap",
    "_target_attainment_ratio",
    "_target_pace_ratio",
    "_target_required_per_day",
    "_benchmark",
    "_benchmark_gap",
    "_benchmark_ratio",
];
/// The columns of exports that are there whatever the KPIs are.
const COLUMNS: [&str; 12] = [
    "window_kind",
    "window_start",
    "window_end",
    "zone",
    "grain",
    "status",
    "revision",
    "as_of",
    "complete_ratio",
    "incomplete",
    "currency",
    "name",
];
/// What stands behind the name of a KPI in other columns of it.
const COLUMN_ENDS: [&str; 12] = [
    "_num",
    "_den",
    "_n",
    "_unconverted",
    "_target",
    "_target_gap",
    "_attainment",
    "_pace",
    "_required_per_day",
    "_benchmark",
    "_benchmark_gap",
    "_benchmark_share",
];

/// The one of `names` that `whole` is with one of `ends` behind it.
fn begun<'a>(
    whole: &str,
    ends: &[&str],
    mut names: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    names.find(|name| whole.strip_prefix(name).is_some_and(|end| ends.contains(&end)))
}

/// The name of a KPI, or of its family on `/metrics`.
#[derive(Clone, Debug)]
pub(super) struct KpiName(pub(super) String);

impl Leaf for KpiName {
    fn read(raw: Raw<'_>) -> Result<KpiName, Problem> {
        let name = text(raw, "a name", "write it in quotes")?;
        spelled(name, "a KPI").map(|()| KpiName(name.to_owned()))
    }
}

/// Whether a KPI or a measure may be spelled so.
pub(super) fn spelled(name: &str, noun: &str) -> Result<(), Problem> {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if starts && name.len() <= NAME_CHARS && name.chars().all(valid) {
        return Ok(());
    }
    Err(Problem::new(
        format!("\"{}\" cannot be the name of {noun}", clip(name)),
        format!(
            "write a letter, then letters, digits and _, all lower case and at most {NAME_CHARS}: \
             \"demos_per_win\""
        ),
    ))
}

/// Whether one's own KPI may have this name.
pub(super) fn name_rule(name: &str) -> Result<(), Problem> {
    spelled(name, "a KPI")?;
    let mend = "choose another name, such as \"our_…\"";
    if Kpi::named(name).is_some() {
        return Err(Problem::new(format!("\"{name}\" is a KPI of the catalogue"), mend));
    }
    if formula::measures().any(|(measure, _)| measure == name) {
        return Err(Problem::new(format!("\"{name}\" is a measure"), mend));
    }
    if COLUMNS.contains(&name) {
        return Err(Problem::new(format!("\"{name}\" is a column of every export"), mend));
    }
    if let Some(of) = begun(name, &COLUMN_ENDS, CATALOGUE.iter().map(|kpi| &*kpi.name)) {
        return Err(Problem::new(format!("\"{name}\" is a column of \"{of}\" in exports"), mend));
    }
    Ok(())
}

const UNITS: [Unit; 6] =
    [Unit::Count, Unit::Money, Unit::Ratio, Unit::Days, Unit::Minutes, Unit::Points];

impl Leaf for Unit {
    fn read(raw: Raw<'_>) -> Result<Unit, Problem> {
        one_of(raw, "a unit", &UNITS.map(Unit::as_str), |name| {
            UNITS.into_iter().find(|unit| unit.as_str() == name)
        })
    }
}

impl Leaf for Grain {
    fn read(raw: Raw<'_>) -> Result<Grain, Problem> {
        one_of(raw, "a length of windows", &Grain::ALL.map(|(_, name)| name), |name| {
            Grain::ALL.into_iter().find(|(_, known)| *known == name).map(|(grain, _)| grain)
        })
    }
}

/// One that was read, and waits for those that it names.
struct Waiting {
    row: CustomKpi,
    text: String,
    written: Vec<Written>,
}

/// The KPIs, each compiled once; what is wrong goes to the reader.
pub(super) fn own(
    reader: &mut Reader,
    typed: Option<CustomKpis>,
    measures: &OwnMeasures,
) -> Vec<Kpi> {
    let rows = typed.map(|custom| custom.0).unwrap_or_default();
    let mut waiting = BTreeMap::new();
    for (name, row) in rows {
        if let Some(read) = read(reader, &name, row) {
            waiting.insert(name, read);
        }
    }
    let names: Vec<String> = waiting.keys().cloned().collect();
    for (name, read) in &waiting {
        unknown_names(reader, name, read, &names, measures);
        if measures.named(name).is_some() {
            let mend = "choose another name: a formula could not tell the two apart";
            reader.fault(&key_of(name, ""), format!("\"{name}\" is a measure of yours"), mend);
        }
        if let Some(of) = begun(name, &COLUMN_ENDS, names.iter().map(String::as_str)) {
            let what = format!("\"{name}\" is a column of \"{of}\" in exports");
            reader.fault(&key_of(name, ""), what, "choose another name for one of the two");
        }
    }
    let mut kpis = Vec::new();
    for (name, (row, text, program)) in compile_all(reader, waiting, measures) {
        kpis.extend(kpi_of(reader, &name, row, &text, program));
    }
    for (i, kpi) in kpis.iter().enumerate() {
        if let Some(whose) = family_taken(kpi, &kpis[..i], &kpis) {
            let what = format!("the family \"{}\" of \"{}\" is {whose} too", kpi.family, kpi.name);
            let mend = "choose another name, or state a family = \"…\" of its own";
            reader.fault(&key_of(&kpi.name, ""), what, mend);
        }
    }
    kpis
}

/// Whose family a KPI has: that of one before it, or of anything else on `/metrics`.
fn family_taken(kpi: &Kpi, before: &[Kpi], own: &[Kpi]) -> Option<String> {
    let family = &*kpi.family;
    if let Some(other) = before.iter().find(|other| other.family == kpi.family) {
        return Some(format!("that of \"{}\"", other.name));
    }
    if CATALOGUE.iter().any(|k| k.family == kpi.family) {
        return Some("one of the catalogue".to_owned());
    }
    let starts = TAKEN_STARTS.iter().any(|start| family.starts_with(start));
    let taken = TAKEN_FAMILIES.contains(&family) || FAMILIES.contains(&family);
    if starts || taken {
        return Some("one of Tidemark's own".to_owned());
    }
    let families = CATALOGUE.iter().chain(own).map(|k| &*k.family);
    begun(family, &FAMILY_ENDS, families).map(|of| format!("for targets or benchmarks of \"{of}\""))
}

fn key_of(name: &str, key: &str) -> String {
    let whole = child("kpis.custom", name);
    if key.is_empty() { whole } else { child(&whole, key) }
}

fn read(reader: &mut Reader, name: &str, row: CustomKpi) -> Option<Waiting> {
    let key = key_of(name, "formula");
    let Some(text) = row.formula.as_ref().map(|formula| formula.0.clone()) else {
        if !reader.faulty(&[&key]) {
            let mend = "add formula = \"…\", such as \"demos / deals_won\"";
            reader.fault(&key_of(name, ""), format!("\"{name}\" has no formula"), mend);
        }
        return None;
    };
    match formula::read(&text) {
        Ok(written) => Some(Waiting { row, text, written }),
        Err(fault) => {
            reader.fault_in(&key, &text, fault.at, fault.what, fault.mend);
            None
        }
    }
}

fn names_of(written: &[Written]) -> impl Iterator<Item = (&str, &Written)> {
    written.iter().filter_map(|w| match &w.what {
        What::Name(name) => Some((name.as_str(), w)),
        _ => None,
    })
}

fn unknown_names(
    reader: &mut Reader,
    name: &str,
    read: &Waiting,
    own: &[String],
    yours: &OwnMeasures,
) {
    for (used, at) in names_of(&read.written) {
        // One that has a fault of its own is known all the same.
        let faulty = reader.faulty(&[&key_of(used, ""), &child("measures", used)]);
        let known = own.iter().any(|n| n == used) || stands_for(used, yours).is_some();
        if faulty || known {
            continue;
        }
        let mend = if used == "call_seconds" {
            "write \"call_minutes\"".to_owned()
        } else {
            let measures: Vec<String> = formula::measures().map(|(name, _)| name).collect();
            let known = CATALOGUE.iter().map(|kpi| &*kpi.name);
            let yours = yours.all().iter().map(|measure| &measure.name);
            let known = known.chain(own.iter().chain(&measures).chain(yours).map(String::as_str));
            match nearest(used, known) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => {
                    "`tidemark kpis list` has the KPIs, docs/kpis.md the measures too".to_owned()
                }
            }
        };
        let what = format!("there is no KPI or measure \"{}\"", clip(used));
        reader.fault_in(&key_of(name, "formula"), &read.text, at.at.clone(), what, mend);
    }
}

/// What a name stands for that is no KPI of one's own.
fn stands_for(name: &str, measures: &OwnMeasures) -> Option<Program> {
    formula::catalogued(name).or_else(|| measures.named(name).map(Program::of_own))
}

type Done = BTreeMap<String, (CustomKpi, String, Program)>;

/// Compiles each one behind those that it names. What is left in the end names itself in a circle,
/// or one that has a fault.
fn compile_all(
    reader: &mut Reader,
    mut waiting: BTreeMap<String, Waiting>,
    measures: &OwnMeasures,
) -> Done {
    let mut done = Done::new();
    loop {
        let ready = waiting.iter().find(|(_, read)| {
            names_of(&read.written)
                .all(|(used, _)| done.contains_key(used) || stands_for(used, measures).is_some())
        });
        let Some(name) = ready.map(|(name, _)| name.clone()) else { break };
        let Some(read) = waiting.remove(&name) else { break };
        let named = |used: &str| match done.get(used) {
            Some((.., program)) => Some(program.clone()),
            None => stands_for(used, measures),
        };
        match Program::compile(&read.written, named) {
            Ok(program) => _ = done.insert(name, (read.row, read.text, program)),
            Err(fault) => {
                let key = key_of(&name, "formula");
                reader.fault_in(&key, &read.text, fault.at, fault.what, fault.mend);
            }
        }
    }
    circles(reader, &waiting);
    done
}

fn circles(reader: &mut Reader, waiting: &BTreeMap<String, Waiting>) {
    let mut told: Vec<&str> = Vec::new();
    for start in waiting.keys() {
        let mut path: Vec<&str> = Vec::new();
        let mut at = start.as_str();
        let (closing, read, written) = loop {
            let Some(read) = waiting.get(at) else { break (None, None, None) };
            path.push(at);
            let next = names_of(&read.written).find(|(used, _)| waiting.contains_key(*used));
            let Some((next, written)) = next else { break (None, None, None) };
            if let Some(from) = path.iter().position(|seen| *seen == next) {
                break (Some(from), Some(read), Some(written));
            }
            at = next;
        };
        let (Some(from), Some(read), Some(written)) = (closing, read, written) else { continue };
        let circle = &path[from..];
        if circle.iter().any(|name| told.contains(name)) {
            continue;
        }
        told.extend(circle);
        let what = match circle {
            [one] => format!("\"{one}\" is made of itself"),
            _ => format!("these are made of each other: {}", circle.join(", ")),
        };
        let key = key_of(circle.last().unwrap_or(&""), "formula");
        let mend = "write one of them out over measures";
        reader.fault_in(&key, &read.text, written.at.clone(), what, mend);
    }
}

fn kpi_of(
    reader: &mut Reader,
    name: &str,
    row: CustomKpi,
    text: &str,
    program: Program,
) -> Option<Kpi> {
    let unit = match (program.unit(), row.unit) {
        (_, Some(given)) if program.dimension().is_share() => match given.0 {
            Unit::Ratio | Unit::Points | Unit::Count => given.0,
            other => {
                let what = format!("the formula gives a share, not {}", other.as_str());
                let mend = "leave the unit out, or write \"ratio\", \"points\" or \"count\"";
                reader.fault(&key_of(name, "unit"), what, mend);
                return None;
            }
        },
        (Ok(unit), Some(given)) if unit != given.0 => {
            let kind = program.dimension();
            let what = format!("the formula gives {kind}, not {}", given.0.as_str());
            let mend = format!("leave the unit out, or write \"{}\"", unit.as_str());
            reader.fault(&key_of(name, "unit"), what, mend);
            return None;
        }
        (Ok(unit), _) => unit,
        (Err(kind), _) => {
            let what = format!("the formula gives {kind}, for which there is no unit");
            let mend = "turn the quotient round, or divide once more";
            reader.fault_in(&key_of(name, "formula"), text, 0..text.len(), what, mend);
            return None;
        }
    };
    let family = row.family.map_or_else(|| family_of(name, unit), |family| family.0.0);
    Some(Kpi {
        group: Group::Custom,
        name: name.to_owned().into(),
        family: family.into(),
        unit,
        clock: program.clock().unwrap_or(Clock::OfParts),
        leading: row.leading.is_some_and(|leading| leading.0),
        formula: Formula::Written(Compiled::Own(program.into())),
        text: text.split_whitespace().collect::<Vec<_>>().join(" ").into(),
        doc: row.doc.map_or_else(|| "Of this configuration.".to_owned(), |doc| doc.0).into(),
        least_n: row.min_n.map(|n| small(n.0.0)),
        shortest: row.grain.map(|grain| grain.0),
    })
}

/// The name with the unit behind it, as Prometheus has it.
fn family_of(name: &str, unit: Unit) -> String {
    let suffix = match unit {
        Unit::Count => return name.to_owned(),
        Unit::Money => "amount",
        Unit::Ratio => "ratio",
        Unit::Days | Unit::Minutes => "seconds",
        Unit::Points => "points",
    };
    match name.rsplit_once('_') {
        Some((_, last)) if last == suffix => name.to_owned(),
        _ => format!("{name}_{suffix}"),
    }
}
