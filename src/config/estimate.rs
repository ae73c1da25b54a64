//! How many rows and series a configuration leads to, reckoned before it runs.

use std::collections::BTreeSet;

use super::families::{DRIFT, families, largest};
use super::read::Reader;
use super::{Budget, Config, Limits, PLACES};
use crate::model::alert::Rule;
use crate::model::definition::{Definition, TerritoryEntry};
use crate::model::funnel::FAMILIES;
use crate::model::kpi::Group;

/// How many rows and series there can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// KPIs of the chosen groups.
    pub kpis: u64,
    /// Windows.
    pub windows: u64,
    /// By dimension set, in the order of the definition.
    pub sets: Vec<SetEstimate>,
    /// Rows of each window: members over all sets.
    pub rows_per_window: u64,
    /// Rows over all windows.
    pub rows: u64,
    /// Prometheus series over all families, with one for each KPI that says what it is, and one for
    /// each rep of the directory.
    pub series: u64,
    /// Of these, how many targets and benchmarks lead to.
    pub targets: u64,
    /// Of these, how many the watch for drift leads to.
    pub drift: u64,
    /// Of these, those beside the KPIs of a row: how complete it is, and what its rates and cycle lengths
    /// are of.
    pub beside: u64,
    /// The part of each chosen group of KPIs, one's own last.
    pub groups: Vec<(Group, u64)>,
    /// Series of each of one's own KPIs, by the name of its family.
    pub own: Vec<(String, u64)>,
}

/// The part of one dimension set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetEstimate {
    /// Its dimensions; none for the whole business.
    pub dimensions: Vec<String>,
    /// Its members: all combinations of the members of its dimensions, but of territories with the
    /// regions that the directory has them in.
    pub members: u64,
    /// Series of one Prometheus family: members × windows; where a funnel is shown × stages.
    pub series_per_family: u64,
    /// Stages that a funnel shows of each member; 0 without one.
    pub stages: u64,
    /// Series over the families of the set, one a KPI.
    pub series: u64,
}

impl SetEstimate {
    /// The set in words: `overall`, `territory × channel`.
    pub fn name(&self) -> String {
        set_name(&self.dimensions)
    }

    /// How many series a row has, in words: over all families, or in the largest one.
    fn factor(&self, whole: bool, kpis: u64) -> String {
        match (whole, self.stages) {
            (true, 0) => format!(" × {kpis} KPIs"),
            (true, n) => format!(" × ({kpis} KPIs + {n} stages × {})", FAMILIES.len()),
            (false, 0) => String::new(),
            (false, n) => format!(" × {n} stages"),
        }
    }
}

pub(super) fn set_name(dimensions: &[String]) -> String {
    if dimensions.is_empty() { "overall".to_owned() } else { dimensions.join(" × ") }
}

/// Members of a dimension to reckon with: those known in advance and `unknown`, or else the budget.
fn members(definition: &Definition, budget: &Budget, dimension: &str) -> u64 {
    match definition.known(dimension).len() as u64 {
        0 => budget.of(dimension),
        known => known + 1,
    }
}

/// Members of a set to reckon with: all combinations of those of its dimensions, but of territories
/// with the regions that the directory ever has them in.
pub(super) fn members_of(definition: &Definition, budget: &Budget, set: &[String]) -> u64 {
    let pairs = pairs(definition, set);
    let paired = |d: &String| pairs.is_some() && PAIR.contains(&d.as_str());
    let others = set.iter().filter(|d| !paired(d)).map(|d| members(definition, budget, d));
    others.fold(pairs.unwrap_or(1), u64::saturating_mul)
}

/// The dimensions of which the second one decides the first.
const PAIR: [&str; 2] = ["region", "territory"];

/// The pairs of region and territory that there can be, of a set with both: those of the directory,
/// moves included. A territory that it has no region for, `unknown` among them, is in that of a rep.
fn pairs(definition: &Definition, set: &[String]) -> Option<u64> {
    let (table, reps) = (&definition.directory.territories, &definition.directory.reps);
    if table.is_empty() || !PAIR.iter().all(|d| set.iter().any(|of| of == d)) {
        return None;
    }
    let ever = |entry: &TerritoryEntry| {
        entry.moves.values().chain([&entry.region]).collect::<BTreeSet<_>>().len()
    };
    let stated = table.values().map(ever).sum::<usize>();
    let of_reps: BTreeSet<&str> = reps.values().flat_map(|rep| rep.ever("region")).collect();
    let others = definition.known("territory").iter().filter(|t| !table.contains_key(**t)).count();
    Some((stated + (others + 1) * (of_reps.len() + 1)) as u64)
}

/// Families of what is watched for drift: each stream has a series in each.
const DRIFT_FAMILIES: u64 = DRIFT.len() as u64;

/// KPIs that have one more family, of what they are of.
pub(super) const BEHIND: [(&str, &str); 2] =
    [("win_rate", "deals_closed"), ("cycle_length_mean", "cycle_samples")];

pub(super) fn estimate(definition: &Definition, budget: &Budget, drift: &[Rule]) -> Estimate {
    let windows = definition.windows.len() as u64;
    let kpis = definition.kpis.kpis().count() as u64;
    let stages = match definition.kpis.has(Group::Funnel) {
        true => definition.stages.rows().count() as u64,
        false => 0,
    };
    let sets: Vec<SetEstimate> = definition
        .segments
        .iter()
        .map(|set| {
            let members = members_of(definition, budget, set);
            let rows = members.saturating_mul(windows);
            // Within one stage there is none.
            let stages = if set.iter().any(|d| d == "stage") { 0 } else { stages };
            SetEstimate {
                dimensions: set.clone(),
                members,
                series_per_family: rows.saturating_mul(stages.max(1)),
                stages,
                series: rows.saturating_mul(kpis + stages * FAMILIES.len() as u64),
            }
        })
        .collect();
    let rows_per_window = sets.iter().fold(0u64, |n, s| n.saturating_add(s.members));
    let rows = rows_per_window.saturating_mul(windows);
    let of_group = |group| definition.kpis.kpis().filter(|k| k.group == group).count() as u64;
    let groups = Group::ALL.iter().map(|(group, _)| *group).chain([Group::Custom]);
    let of_kpis = rows.saturating_mul(kpis);
    let all = sets.iter().fold(0u64, |n, s| n.saturating_add(s.series));
    let funnel = all.saturating_sub(of_kpis);
    let groups = groups.map(|group| match group {
        Group::Funnel => (group, funnel),
        _ => (group, rows.saturating_mul(of_group(group))),
    });
    let groups = groups.filter(|(group, _)| definition.kpis.has(*group)).collect();
    let of_set = |grain: &str| {
        let set = sets.iter().find(|set| set.dimensions.join("_") == grain);
        set.map_or(1, |set| set.members)
    };
    let targets = definition.targets.series(&definition.windows, of_set);
    let streams = drift.iter().fold(0u64, |n, rule| n.saturating_add(rule.streams));
    let drift = streams.saturating_mul(DRIFT_FAMILIES);
    // Beside its numbers each KPI has one series that says what it is. Who is who: one a rep of the directory.
    let reps = definition.directory.reps.len() as u64;
    // Deals seen to be won, and lost.
    let alone = |dimension: &str| of_set(dimension);
    let places = alone("territory").saturating_mul(alone("channel"));
    let deals = 2 * places.min(PLACES as u64);
    let has_more = |name: &str| BEHIND.iter().any(|(kpi, _)| *kpi == name);
    let behind = definition.kpis.kpis().filter(|kpi| has_more(&kpi.name)).count() as u64;
    let beside = rows.saturating_mul(1 + behind);
    let parts = [targets, drift, kpis, reps, deals, beside];
    let series = parts.into_iter().fold(all, u64::saturating_add);
    let own = definition.kpis.own().iter().map(|kpi| (kpi.family.to_string(), rows)).collect();
    Estimate {
        kpis,
        windows,
        rows_per_window,
        rows,
        series,
        targets,
        drift,
        beside,
        groups,
        own,
        sets,
    }
}

impl Config {
    /// How many rows and series there can be.
    pub fn estimate(&self) -> Estimate {
        estimate(&self.definition, &self.limits.budget, &self.drift)
    }
}

/// Refuses what would exceed the limits, naming the set that costs most.
pub(super) fn check(reader: &mut Reader, definition: &Definition, limits: &Limits, drift: &[Rule]) {
    if reader.faulty(&["windows", "segments", "directory", "limits"]) {
        return;
    }
    let all = estimate(definition, &limits.budget, drift);
    let whole = all.series > limits.max_series as u64;
    let cost = |set: &SetEstimate| if whole { set.series } else { set.series_per_family };
    let Some((i, worst)) = all.sets.iter().enumerate().max_by_key(|(_, s)| cost(s)) else {
        return;
    };
    if !whole && worst.series_per_family <= limits.max_series_per_family as u64 {
        return;
    }
    let (count, limit, key) = match whole {
        true => (all.series, limits.max_series, "max_series"),
        false => (worst.series_per_family, limits.max_series_per_family, "max_series_per_family"),
    };
    let of = if whole { "" } else { " of one family" };
    let what = format!(
        "up to {} Prometheus series{of}, more than limits.{key} = {}; the set {} costs most: {} members × {} windows{} = {}",
        thousands(count),
        thousands(limit as u64),
        worst.name(),
        thousands(worst.members),
        all.windows,
        worst.factor(whole, all.kpis),
        thousands(if whole { worst.series } else { worst.series_per_family }),
    );
    let most = largest(&families(definition, &limits.budget, drift));
    let what = if whole { format!("{what}; {most}") } else { what };
    // With what it is.
    let own: u64 = all.own.iter().map(|(_, series)| *series + 1).sum();
    if whole && own > 0 && all.series - own.min(all.series) <= limits.max_series as u64 {
        let families: Vec<String> = all
            .own
            .iter()
            .map(|(family, series)| format!("…_{family} ({})", thousands(*series)))
            .collect();
        let what =
            format!("{what}; your own KPIs cost {}: {}", thousands(own), families.join(", "));
        let mend = "leave some of them out, state real numbers in [segments.budget], or raise limits.max_series";
        reader.fault("kpis.custom", what, mend);
        return;
    }
    if whole && all.drift > worst.series {
        let what = format!(
            "up to {} Prometheus series, more than limits.max_series = {}; the watch for drift costs most: {}; {most}",
            thousands(count),
            thousands(limit as u64),
            thousands(all.drift),
        );
        let mend = "watch fewer and larger segments, or raise limits.max_series";
        reader.fault("drift.segments", what, mend);
        return;
    }
    let mend = format!(
        "reckoned with {}; state real numbers there, leave out the set, some windows or groups of KPIs, or raise limits.{key}",
        members_said(definition, &limits.budget, &worst.dimensions)
    );
    reader.fault(&format!("segments.sets[{i}]"), what, mend);
}

/// How many members the dimensions of a set were reckoned with, and by what.
fn members_said(definition: &Definition, budget: &Budget, set: &[String]) -> String {
    let pairs = pairs(definition, set);
    let single = set.iter().filter(|d| pairs.is_none() || !PAIR.contains(&d.as_str()));
    let pairs = pairs.map(|n| format!("{} = {n} by the directory", PAIR.join(" × ")));
    let parts = single.map(|d| {
        let n = members(definition, budget, d);
        match definition.known(d).len() {
            0 => format!("{d} = {n} by [segments.budget]"),
            _ if d == "stage" => format!("{d} = {n} by the stage table"),
            _ => format!("{d} = {n} by the directory"),
        }
    });
    pairs.into_iter().chain(parts).collect::<Vec<_>>().join(", ")
}

/// A number with commas.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
