//! The Prometheus families that a configuration leads to, each by name with its series: what
//! [`super::estimate`] reckons with, one by one.

use std::collections::BTreeMap;

use super::estimate::{BEHIND, Estimate, estimate, members_of, thousands};
use super::{Budget, Config, PLACES};
use crate::model::alert::Rule;
use crate::model::definition::Definition;
use crate::model::funnel::FAMILIES;

/// What is told of a stream that is watched for drift, behind its grain.
pub(super) const DRIFT: [&str; 11] = [
    "state",
    "score",
    "arl0",
    "value",
    "value_lower",
    "value_upper",
    "samples",
    "effect_ratio",
    "baseline",
    "baseline_samples",
    "baseline_end_timestamp_seconds",
];

/// What the process tells of itself is of no set.
const PROCESS: &str = "the process";

/// A family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name on `/metrics`.
    pub name: String,
    /// What it is of: the dimensions of its set in one name, or the process.
    pub of: String,
    /// Most series that it can have.
    pub series: u64,
}

/// All of them, those with most series first.
pub(super) fn families(definition: &Definition, budget: &Budget, drift: &[Rule]) -> Vec<Family> {
    let all = estimate(definition, budget, drift);
    let mut out: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut add = |grain: &str, end: &str, n: u64| {
        let name = format!("tidemark_{}_{end}", name_of(grain));
        let held = out.entry((name, name_of(grain))).or_default();
        *held = held.saturating_add(n);
    };
    for set in &all.sets {
        let grain = grain_of(&set.dimensions);
        let rows = set.members.saturating_mul(all.windows);
        for kpi in definition.kpis.kpis() {
            add(&grain, &kpi.family, rows);
            for (_, beside) in BEHIND.iter().filter(|(name, _)| *name == kpi.name) {
                add(&grain, beside, rows);
            }
        }
        add(&grain, "window_complete_ratio", rows);
        for family in FAMILIES.iter().filter(|_| set.stages > 0) {
            add(&grain, family, rows.saturating_mul(set.stages));
        }
    }
    let members = |grain: &str| members_of_grain(&all, grain);
    for (grain, kpi, ends, n) in definition.targets.families(&definition.windows, members) {
        let family = definition.kpis.named(kpi).map_or(kpi, |kpi| &kpi.family);
        ends.iter().for_each(|end| add(&grain, &format!("{family}{end}"), n));
    }
    for rule in drift {
        for set in &rule.segments {
            let streams = members_of(definition, budget, set);
            let grain = grain_of(set);
            DRIFT.iter().for_each(|end| add(&grain, &format!("drift_{end}"), streams));
        }
    }
    let places = members("territory").saturating_mul(members("channel")).min(PLACES as u64);
    let process = [
        ("tidemark_kpi_info", all.kpis),
        ("tidemark_rep_info", definition.directory.reps.len() as u64),
        ("tidemark_deals_won_total", places),
        ("tidemark_deals_lost_total", places),
    ];
    let process = process.map(|(name, n)| ((name.to_owned(), PROCESS.to_owned()), n));
    let all = out.into_iter().chain(process).filter(|(_, series)| *series > 0);
    let mut all: Vec<Family> =
        all.map(|((name, of), series)| Family { name, of, series }).collect();
    all.sort_by(|a, b| b.series.cmp(&a.series).then_with(|| a.name.cmp(&b.name)));
    all
}

fn grain_of(dimensions: &[String]) -> String {
    if dimensions.is_empty() { "overall".to_owned() } else { dimensions.join("_") }
}

fn members_of_grain(all: &Estimate, grain: &str) -> u64 {
    let set = all.sets.iter().find(|set| set.dimensions.join("_") == grain);
    set.map_or(1, |set| set.members)
}

/// As `/metrics` writes what names must not have.
fn name_of(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Those that have most series, in words. The KPIs of one set have as many each.
pub(super) fn largest(families: &[Family]) -> String {
    const TOLD: usize = 3;
    let of_sets: Vec<&Family> = families.iter().filter(|family| family.of != PROCESS).collect();
    let alike = of_sets.chunk_by(|a, b| a.series == b.series && a.of == b.of);
    let told: Vec<String> = alike
        .take(TOLD)
        .filter_map(|alike| {
            let first = alike.first()?;
            let series = thousands(first.series);
            Some(match alike.len() {
                1 => format!("{} ({series})", first.name),
                _ => format!("those of {} like {} ({series} each)", first.of, first.name),
            })
        })
        .collect();
    format!(
        "the largest families are {}; `tidemark validate --families` lists all",
        told.join(", ")
    )
}

impl Config {
    /// The Prometheus families, those with most series first.
    pub fn families(&self) -> Vec<Family> {
        families(&self.definition, &self.limits.budget, &self.drift)
    }

    /// They as a table, one a line.
    pub fn families_text(&self) -> String {
        let all = self.families();
        let sum = all.iter().fold(0u64, |sum, family| sum.saturating_add(family.series));
        let width = thousands(sum).len().max("SERIES".len());
        let name = all.iter().map(|family| family.name.len()).max().unwrap_or(0);
        let mut out = format!("{:>width$}  {:<name$}  OF\n", "SERIES", "FAMILY");
        for family in &all {
            let Family { name: of, series, .. } = family;
            out.push_str(&format!("{:>width$}  {of:<name$}  {}\n", thousands(*series), family.of));
        }
        let whole = format!("{} families, at most {} series", all.len(), thousands(sum));
        format!("{out}{whole}, {} allowed\n", thousands(self.limits.max_series as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &str = "\"deals\", \"activities\", \"orders\", \"subscriptions\", \"funnel\"";

    /// What is told one by one is what is reckoned with.
    #[test]
    fn families_add_up_to_the_estimate() {
        let whole = format!(
            "[limits]\nmax_series = 10000000\n[kpis]\ngroups = [{GROUPS}]\n\
             [kpis.custom.net]\nformula = \"won_amount - spend\"\n\
             [segments]\nsets = [\"overall\", \"rep\", \"territory\", [\"territory\", \"x.industry\"], \"stage\"]\n\
             [segments.budget]\n\"x.industry\" = 7\nstage = 4\n\
             [[stages.stage]]\nstage = \"talk\"\nstatus = \"open\"\n\
             [[stages.stage]]\nstage = \"done\"\nstatus = \"won\"\n\
             [[directory.rep]]\nid = \"r1\"\n[[directory.rep]]\nid = \"r2\"\n\
             [drift]\nsegments = [\"overall\", \"territory\"]\n\
             [[targets.target]]\nkpi = \"revenue\"\nsegment = \"rep=*\"\nperiod = \"month\"\nvalue = 100\n\
             [[targets.target]]\nkind = \"benchmark\"\nkpi = \"win_rate\"\nvalue = \"0.25\"\n"
        );
        for text in ["", "[kpis]\ngroups = [\"spend\"]\n", &whole] {
            let config = Config::from_toml(text, "t.toml", std::iter::empty())
                .unwrap_or_else(|refused| panic!("{refused}"));
            let all = config.families();
            let sum: u64 = all.iter().map(|family| family.series).sum();
            assert_eq!(sum, config.estimate().series, "{}", config.families_text());
            assert!(all.is_sorted_by(|a, b| a.series >= b.series));
            let mut names: Vec<&str> = all.iter().map(|family| family.name.as_str()).collect();
            names.sort_unstable();
            assert!(names.is_sorted_by(|a, b| a < b), "each once");
        }
    }
}
