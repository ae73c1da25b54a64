//! The definition of the job, from its sections.

use std::collections::BTreeMap;
use std::path::Path;

use super::build::{reference, repeated, small};
use super::fault::Origin;
use super::leaf::show_duration;
use super::read::Reader;
use super::typed::{self, DimensionSet, RepRow, StageRow};
use crate::model::definition::{Definition, Directory, DirectoryEntry, StageTable};
use crate::model::kpi::Groups;
use crate::model::slice::Retention;
use crate::model::time::Span;
use crate::model::window::{FINE_MINUTES, Period, WindowKind};

/// The sections that decide numbers.
pub(super) struct Parts {
    pub(super) topology: typed::Topology,
    pub(super) time: typed::Time,
    pub(super) slices: typed::Slices,
    pub(super) windows: typed::Windows,
    pub(super) segments: typed::Segments,
    pub(super) money: typed::Money,
    pub(super) kpis: typed::Kpis,
    pub(super) attribution: typed::Credit,
    pub(super) stages: typed::Stages,
    pub(super) directory: typed::Directory,
}

impl Parts {
    /// The definition; what is wrong with it goes to the reader.
    pub(super) fn define(self, reader: &mut Reader, base: &Path) -> Definition {
        let windows = windows(reader, &self.windows);
        retention(reader, &self.slices, &windows);
        Definition {
            shards: small(self.topology.shards.0.0),
            partitions: small(self.topology.partitions.0.0),
            calendar: self.time.zone.0.0,
            retention: Retention {
                fine: Span::from(self.slices.fine_retention.0.0),
                days: self.slices.day_retention.0.0,
            },
            windows: windows.into_iter().map(|(_, kind)| kind).collect(),
            segments: segments(reader, self.segments),
            currency: self.money.currency.0,
            attribution: self.attribution.credit.0,
            settle: Span::from(self.time.settle.0),
            stages: stages(reader, self.stages, base),
            directory: directory(reader, self.directory, base),
            kpis: kpis(reader, &self.kpis),
        }
    }
}

/// The windows, each with the key that asks for it.
fn windows(reader: &mut Reader, typed: &typed::Windows) -> Vec<(String, WindowKind)> {
    let mut out = Vec::new();
    let rolling = typed.rolling.iter().map(|w| w.0.0);
    out.extend(rolling.enumerate().map(|(i, kind)| (format!("windows.rolling[{i}]"), kind)));
    let calendar = typed.calendar.iter().map(|p| WindowKind::Calendar(p.0));
    out.extend(calendar.enumerate().map(|(i, kind)| (format!("windows.calendar[{i}]"), kind)));
    let to_date = typed.to_date.iter().map(|p| WindowKind::ToDate(p.0));
    out.extend(to_date.enumerate().map(|(i, kind)| (format!("windows.to_date[{i}]"), kind)));
    if reader.faulty(&["windows"]) {
        return out;
    }
    if out.is_empty() {
        reader.fault(
            "windows",
            "there is no window, so nothing would be published",
            "name at least one, such as calendar = [\"month\"]",
        );
    }
    for i in repeated(out.iter().map(|(_, kind)| *kind)) {
        let what = format!("the window {} is there twice", out[i].1.name());
        reader.fault(&out[i].0, what, "remove one of the two");
    }
    out
}

/// How many day slices a window and what it is compared with reach back over.
fn days_needed(kind: WindowKind) -> u64 {
    match kind {
        WindowKind::RollingFine(_) => 0,
        WindowKind::RollingDays(days) => u64::from(days) * 2,
        WindowKind::Calendar(period) | WindowKind::ToDate(period) => match period {
            Period::Day => 2,
            Period::Week => 14,
            Period::Month => 62,
            Period::Quarter => 184,
            Period::Year => 732,
        },
    }
}

/// Whether the slices that the windows are read off are kept long enough.
fn retention(reader: &mut Reader, typed: &typed::Slices, windows: &[(String, WindowKind)]) {
    const DAY_MINUTES: u64 = 24 * 60;
    if reader.faulty(&["windows", "slices"]) {
        return;
    }
    let fine_minutes = |kind: WindowKind| match kind {
        WindowKind::RollingFine(slices) => u64::from(slices) * FINE_MINUTES.unsigned_abs(),
        _ => 0,
    };
    if let Some((key, kind)) = windows.iter().max_by_key(|(_, kind)| fine_minutes(*kind)) {
        let needed = std::time::Duration::from_secs((fine_minutes(*kind) + DAY_MINUTES) * 60);
        let kept = typed.fine_retention.0.0;
        if fine_minutes(*kind) > 0 && kept < needed {
            let what = format!(
                "slices.fine_retention = {} is too short for the window {}, which needs {}: its length, and a day for late events",
                show_duration(kept),
                kind.name(),
                show_duration(needed)
            );
            let mend = format!(
                "set slices.fine_retention = \"{}\", or shorten the window",
                show_duration(needed)
            );
            reader.fault(setter(reader, "slices.fine_retention", key), what, mend);
        }
    }
    let longest = windows.iter().max_by_key(|(_, kind)| days_needed(*kind));
    if let (Some((key, kind)), Some(kept)) = (longest, typed.day_retention.0.0) {
        let needed = days_needed(*kind);
        if u64::from(kept) < needed {
            let what = format!(
                "slices.day_retention = {kept}d is too short for the window {}, which needs {needed}d: itself, and the one it is compared with",
                kind.name()
            );
            let mend = format!(
                "set slices.day_retention = \"{needed}d\" or more, or leave the window out"
            );
            reader.fault(setter(reader, "slices.day_retention", key), what, mend);
        }
    }
}

/// Of two keys that do not go together, the one that somebody set.
fn setter<'a>(reader: &Reader, first: &'a str, second: &'a str) -> &'a str {
    if reader.origin(first) == Origin::Default { second } else { first }
}

fn segments(reader: &mut Reader, typed: typed::Segments) -> Vec<Vec<String>> {
    let sets: Vec<Vec<String>> = typed
        .sets
        .into_iter()
        .map(|set| match set {
            DimensionSet::One(name) => name.0.0.into_iter().collect(),
            DimensionSet::Several(dimensions) => dimensions.into_iter().map(|d| d.0.0).collect(),
        })
        .collect();
    if reader.faulty(&["segments.sets"]) {
        return sets;
    }
    if sets.is_empty() {
        reader.fault(
            "segments.sets",
            "there is no dimension set, so nothing would be published",
            "write at least [\"overall\"]",
        );
    }
    for (i, set) in sets.iter().enumerate() {
        if let Some(twice) = repeated(set).first() {
            let what = format!("the dimension \"{}\" is in one set twice", set[*twice]);
            reader.fault(&format!("segments.sets[{i}][{twice}]"), what, "remove one of the two");
        }
    }
    let unordered = |set: &Vec<String>| {
        let mut set = set.clone();
        set.sort();
        set
    };
    for i in repeated(sets.iter().map(unordered)) {
        let what = format!("the set {} is there twice", super::estimate::set_name(&sets[i]));
        reader.fault(
            &format!("segments.sets[{i}]"),
            what,
            "remove one of the two; the order of the dimensions makes no difference",
        );
    }
    sets
}

fn kpis(reader: &mut Reader, typed: &typed::Kpis) -> Groups {
    if typed.groups.is_empty() && !reader.faulty(&["kpis.groups"]) {
        reader.fault(
            "kpis.groups",
            "there is no group of KPIs, so rows would be empty",
            "write at least [\"deals\"]",
        );
    }
    typed.groups.iter().map(|group| group.0).collect()
}

/// Notes where a table is given both inline and as a file.
fn one_place(reader: &mut Reader, section: &str, inline: &str, has_both: bool) {
    if has_both {
        let what = format!("[{section}] names a file and has entries of its own");
        reader.fault(&format!("{section}.{inline}"), what, "keep one of the two");
    }
}

fn stages(reader: &mut Reader, typed: typed::Stages, base: &Path) -> StageTable {
    one_place(reader, "stages", "stage", typed.file.is_some() && typed.stage.is_some());
    let rows = match typed.file {
        Some(file) => {
            reference::<typed::StagesFile>(reader, base, "stages", &file.0).and_then(|f| f.stage)
        }
        None => typed.stage,
    };
    let checked = !reader.faulty(&["stages"]);
    let mut table = StageTable::default();
    for (i, StageRow { system, pipeline, stage, status }) in rows.into_iter().flatten().enumerate()
    {
        let key = (
            system.map_or(String::new(), |s| s.0),
            pipeline.map_or(String::new(), |p| p.0),
            stage.0,
        );
        let name = key.2.clone();
        if table.stages.insert(key, status.0).is_some() && checked {
            let what =
                format!("the stage \"{name}\" is there twice for the same system and pipeline");
            reader.fault(&format!("stages.stage[{i}].stage"), what, "remove one of the two");
        }
    }
    table
}

fn directory(reader: &mut Reader, typed: typed::Directory, base: &Path) -> Directory {
    let (key, both) = match typed.rep {
        Some(_) => ("rep", typed.file.is_some()),
        None => ("members", typed.file.is_some() && typed.members.is_some()),
    };
    one_place(reader, "directory", key, both);
    let (reps, members) = match typed.file {
        Some(file) => reference::<typed::DirectoryFile>(reader, base, "directory", &file.0)
            .map_or((None, None), |f| (f.rep, f.members)),
        None => (typed.rep, typed.members),
    };
    let checked = !reader.faulty(&["directory"]);
    let mut out = Directory::default();
    for (i, RepRow(row)) in reps.into_iter().flatten().enumerate() {
        let mut values: BTreeMap<String, String> = row.into_iter().map(|(k, v)| (k, v.0)).collect();
        let id = values.remove("id").unwrap_or_default();
        let name = values.remove("name");
        if out.reps.insert(id.clone(), DirectoryEntry { name, values }).is_some() && checked {
            let what = format!("there are two reps with the id \"{id}\"");
            reader.fault(
                &format!("directory.rep[{i}].id"),
                what,
                "remove one of the two, or give it the id that the CRM knows it by",
            );
        }
    }
    for (dimension, values) in members.into_iter().flat_map(|m| m.0) {
        out.members.insert(dimension, values.into_iter().map(|v| v.0).collect());
    }
    out
}
