//! The definition of the job, from its sections.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::build::{reference, repeated, small};
use super::calendar;
use super::credit;
use super::deals;
use super::fault::Origin;
use super::formulas;
use super::leaf::{Given, show_duration};
use super::measures;
use super::read::{Reader, child};
use super::targets;
use super::typed::{self, DimensionSet, RepRow, StageRow};
use super::zones;
use crate::model::channel::{ChannelRule, ChannelRules, Origins};
use crate::model::customers::{CustomerRules, NEVER_LAPSED, Purchase};
use crate::model::definition::{Definition, Directory, DirectoryEntry, Stage, StageTable};
use crate::model::fiscal::Fiscal;
use crate::model::kpi::Kpis;
use crate::model::own::OwnMeasures;
use crate::model::slice::Retention;
use crate::model::target::Targets;
use crate::model::time::Span;
use crate::model::window::{FINE_MINUTES, WindowKind};

/// The sections that decide numbers.
pub(super) struct Parts {
    pub(super) topology: typed::Topology,
    pub(super) time: typed::Time,
    pub(super) slices: typed::Slices,
    pub(super) windows: typed::Windows,
    pub(super) segments: typed::Segments,
    pub(super) money: typed::Money,
    pub(super) fx: typed::Fx,
    pub(super) customers: typed::Customers,
    pub(super) kpis: typed::Kpis,
    pub(super) measures: Option<typed::Measures>,
    pub(super) attribution: typed::Credit,
    pub(super) stages: typed::Stages,
    pub(super) deals: deals::Typed,
    pub(super) directory: typed::Directory,
    pub(super) channels: Arc<ChannelRules>,
    pub(super) calendar: calendar::Typed,
    pub(super) targets: targets::Typed,
}

impl Parts {
    /// The definition; what is wrong with it goes to the reader.
    pub(super) fn define(self, reader: &mut Reader, base: &Path) -> Definition {
        let fiscal = calendar::fiscal(&self.calendar);
        let windows = windows(reader, &self.windows, fiscal);
        retention(reader, &self.slices, &windows);
        let segments = segments(reader, self.segments);
        let (directory, own) = directory(reader, self.directory, base);
        let dimensions: Vec<String> = segments.iter().flatten().cloned().collect();
        let measures = measures::measures(reader, self.measures, &dimensions);
        let stages = stages(reader, self.stages, base);
        let mut out = Definition {
            shards: small(self.topology.shards.0.0),
            partitions: small(self.topology.partitions.0.0),
            zones: zones::meant(reader, own, &self.time.zone.0.0, &segments),
            calendar: self.time.zone.0.0,
            retention: Retention {
                fine: Span::from(self.slices.fine_retention.0.0),
                days: self.slices.day_retention.0.0,
            },
            windows: windows.into_iter().map(|(_, kind)| kind).collect(),
            segments,
            currency: self.money.currency.0,
            fx: super::fx::rates(reader, self.fx, self.money.currency.0, base),
            attribution: self.attribution.credit.0,
            settle: Span::from(self.time.settle.0),
            cycle_from: deals::cycle_start(reader, self.deals, &stages),
            stages,
            directory,
            channels: self.channels,
            customers: CustomerRules {
                by: self.customers.by.0,
                exact_up_to: small(self.customers.exact_up_to.0.0),
                lapse_after: self.customers.lapse_after.0.0.map_or(NEVER_LAPSED, u32::cast_signed),
            },
            sizes: false,
            kpis: kpis(reader, self.kpis, &measures, self.customers.by.0),
            measures,
            work: calendar::work(reader, self.calendar, base),
            targets: Targets::default(),
        };
        measures::check_kept(reader, out.kept().len());
        out.targets = targets::meant(reader, self.targets, base, (&out, fiscal));
        out
    }
}

/// The windows, each with the key that asks for it.
fn windows(
    reader: &mut Reader,
    typed: &typed::Windows,
    fiscal: Fiscal,
) -> Vec<(String, WindowKind)> {
    let mut out = Vec::new();
    let rolling = typed.rolling.iter().map(|w| w.0.0);
    out.extend(rolling.enumerate().map(|(i, kind)| (format!("windows.rolling[{i}]"), kind)));
    let calendar = typed.calendar.iter().map(|p| WindowKind::Calendar(p.0.of_fiscal(fiscal)));
    out.extend(calendar.enumerate().map(|(i, kind)| (format!("windows.calendar[{i}]"), kind)));
    let to_date = typed.to_date.iter().map(|p| WindowKind::ToDate(p.0.of_fiscal(fiscal)));
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
        WindowKind::Calendar(period) | WindowKind::ToDate(period) => {
            u64::from(period.longest_pair())
        }
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
    let has = |dimension: &str| sets.iter().flatten().any(|d| d == dimension);
    if has("region") && !has("territory") {
        reader.fault(
            "segments.sets",
            "regions are made of territories, and no set has those",
            "add \"territory\" or [\"region\", \"territory\"]",
        );
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

fn kpis(reader: &mut Reader, typed: typed::Kpis, measures: &OwnMeasures, by: Purchase) -> Kpis {
    if typed.groups.is_empty() && !reader.faulty(&["kpis.groups"]) {
        reader.fault(
            "kpis.groups",
            "there is no group of KPIs, so rows would be empty",
            "write at least [\"deals\"]",
        );
    }
    let chosen: Kpis = typed.groups.iter().map(|group| group.0).collect();
    let all = chosen.with_own(formulas::own(reader, typed.custom, measures));
    if by == Purchase::Nothing && all.tell_of_customers() {
        reader.fault(
            "customers.by",
            "KPIs ask for customers, and nothing makes one",
            "write \"deals\", \"orders\" or \"invoices\", or leave \"customers\" out of kpis.groups",
        );
    }
    all
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
    let mut orders = BTreeMap::new();
    for (i, row) in rows.into_iter().flatten().enumerate() {
        let StageRow { system, pipeline, stage: Given(name), status, order, label } = row;
        let place =
            (system.map_or(String::new(), |s| s.0), pipeline.map_or(String::new(), |p| p.0));
        let order = order.map(|order| small(order.0.0));
        let other = order.and_then(|n| orders.insert((place.clone(), n), name.clone()));
        let stage = Stage { status: status.0, order, label: label.map(|l| l.0) };
        if table.insert(place, &name, stage).is_some() && checked {
            let what =
                format!("the stage \"{name}\" is there twice for the same system and pipeline");
            reader.fault(&format!("stages.stage[{i}].stage"), what, "remove one of the two");
        } else if let (Some(other), true) = (other, checked) {
            let what = format!(
                "the stages \"{other}\" and \"{name}\" of one pipeline have the same order"
            );
            let mend = "number the stages of each pipeline in the order in which deals pass them";
            reader.fault(&format!("stages.stage[{i}].order"), what, mend);
        }
    }
    table
}

fn in_the_file_or_here(reader: &mut Reader, typed: &typed::Directory) {
    let here = [
        ("rep", typed.rep.is_some()),
        ("territory", typed.territory.is_some()),
        ("members", typed.members.is_some()),
        ("zones", typed.zones.is_some()),
    ];
    if let Some((key, _)) = here.iter().find(|(_, given)| *given) {
        one_place(reader, "directory", key, typed.file.is_some());
    }
}

fn directory(
    reader: &mut Reader,
    typed: typed::Directory,
    base: &Path,
) -> (Directory, Option<typed::Zones>) {
    in_the_file_or_here(reader, &typed);
    let (reps, territories, members, zones) = match typed.file {
        Some(file) => reference::<typed::DirectoryFile>(reader, base, "directory", &file.0)
            .map_or((None, None, None, None), |f| (f.rep, f.territory, f.members, f.zones)),
        None => (typed.rep, typed.territory, typed.members, typed.zones),
    };
    let checked = !reader.faulty(&["directory"]);
    let territories = credit::territories(reader, territories, checked);
    let mut out = Directory { territories, ..Directory::default() };
    // Who is known by an id in a source or system.
    let mut claims: BTreeMap<(String, String), String> = BTreeMap::new();
    for (i, RepRow { ids, moves, values }) in reps.into_iter().flatten().enumerate() {
        let mut values: BTreeMap<String, String> =
            values.into_iter().map(|(k, v)| (k, v.0)).collect();
        let id = values.remove("id").unwrap_or_default();
        let name = values.remove("name");
        let ids: BTreeMap<String, String> =
            ids.into_iter().flat_map(|ids| ids.0).map(|(place, id)| (place, id.0)).collect();
        for (place, own) in &ids {
            let other = claims.insert((place.clone(), own.clone()), id.clone());
            if let Some(other) = other.filter(|other| checked && *other != id) {
                let what =
                    format!("\"{own}\" of {place} is claimed by \"{other}\" and by \"{id}\"");
                let key = child(&format!("directory.rep[{i}].ids"), place);
                let mend = "leave it to the one of them whom it names there";
                reader.fault(&key, what, mend);
            }
        }
        let moves = credit::moves(reader, &format!("directory.rep[{i}]"), moves, &values, checked);
        let entry = DirectoryEntry { name, ids, values, moves };
        if out.reps.insert(id.clone(), entry).is_some() && checked {
            let what = format!("there are two reps with the id \"{id}\"");
            reader.fault(
                &format!("directory.rep[{i}].id"),
                what,
                "make them one: what other systems call a rep goes into its ids",
            );
        }
    }
    for (dimension, values) in members.into_iter().flat_map(|m| m.0) {
        out.members.insert(dimension, values.into_iter().map(|v| v.0).collect());
    }
    (out, zones)
}

/// How channels are told.
pub(super) fn channels(reader: &mut Reader, typed: typed::Channels) -> ChannelRules {
    let mut rules = Vec::new();
    for (i, row) in typed.rule.into_iter().flatten().enumerate() {
        let [medium, source, referrer, campaign, stated] =
            [row.medium, row.source, row.referrer, row.campaign, row.stated]
                .map(|p| p.map(|p| p.0.0));
        let channel = row.channel.0;
        let rule = ChannelRule { medium, source, referrer, campaign, stated, channel };
        let key = format!("channels.rule[{i}]");
        if rule.matches(&Origins::default()) && !reader.faulty(&["channels"]) {
            let what = format!("the rule for \"{}\" names nothing that must match", rule.channel);
            let mend =
                "name medium, source, referrer, campaign or stated; * stands for any characters";
            reader.fault(&key, what, mend);
        }
        rules.push(rule);
    }
    let own_sites = typed.own_sites.into_iter().map(|site| site.0.0).collect();
    let default_grouping = typed.default_grouping.0;
    ChannelRules { rules, default_grouping, own_sites, stated_by: BTreeSet::new() }
}
