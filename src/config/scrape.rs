//! What the shipped Prometheus takes of a scrape (`deploy/prometheus/`): over one of these limits it
//! refuses the whole of it, so what would pass one is refused, or warned of, before it runs.

use super::estimate::{set_name, thousands};
use super::read::Reader;
use super::warn::Warning;
use super::{Config, Limits};
use crate::model::definition::Definition;

/// `sample_limit`.
const SAMPLES: usize = 60_000;
/// Of these, about what the process tells of itself.
const OWN: usize = 5_000;
/// `label_name_length_limit`, bytes.
const LABEL: usize = 64;
/// `label_value_length_limit`, bytes. The name of a metric is a value too.
const NAME: usize = 256;
/// What may stand behind a KPI in the name of its family, at most: that of a target.
const TAIL: usize = "_target_required_per_day".len();

/// Refuses sets of which a name is too long.
pub(super) fn check(reader: &mut Reader, definition: &Definition) {
    if reader.faulty(&["segments", "kpis"]) {
        return;
    }
    let longest = definition.kpis.kpis().map(|kpi| kpi.family.len()).max().unwrap_or(0) + TAIL;
    for (i, set) in definition.segments.iter().enumerate() {
        let key = format!("segments.sets[{i}]");
        if let Some(dimension) = set.iter().find(|dimension| dimension.len() > LABEL) {
            let what = format!(
                "the label {dimension} has {} characters, and the shipped Prometheus refuses a scrape with more than {LABEL}",
                dimension.len()
            );
            let most = LABEL - "x.".len();
            let mend = format!("call the field otherwise: at most {most} characters behind \"x.\"");
            reader.fault(&key, what, mend);
        }
        let name = "tidemark_".len() + set.join("_").len() + "_".len() + longest;
        if name > NAME {
            let what = format!(
                "metrics of the set {} have names of up to {name} characters, and the shipped Prometheus refuses a scrape with more than {NAME}",
                set_name(set)
            );
            reader.fault(&key, what, "use fewer dimensions in one set, or shorter names");
        }
    }
}

impl Limits {
    fn is_near(&self) -> bool {
        self.max_series.saturating_add(OWN) > SAMPLES
    }
}

impl Config {
    /// More series than the shipped Prometheus takes would be no series at all.
    pub(super) fn large_scrapes(&self) -> Option<Warning> {
        let what = format!(
            "limits.max_series = {} and about {} of the process itself are more than the sample_limit = {} of the shipped prometheus.yml, over which Prometheus refuses the whole scrape",
            thousands(self.limits.max_series as u64),
            thousands(OWN as u64),
            thousands(SAMPLES as u64),
        );
        let mend = format!(
            "lower it to {}, or raise sample_limit and body_size_limit of the scrape",
            thousands((SAMPLES - OWN) as u64)
        );
        let near = self.limits.is_near();
        near.then(|| self.warning("limits.max_series".to_owned(), what, mend))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_those_that_are_shipped() {
        for file in ["prometheus.yml", "prometheus.local.yml"] {
            let path = format!("{}/deploy/prometheus/{file}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            for (key, limit) in [
                ("sample_limit", SAMPLES),
                ("label_name_length_limit", LABEL),
                ("label_value_length_limit", NAME),
            ] {
                assert!(text.contains(&format!("    {key}: {limit}\n")), "{key} of {file}");
            }
        }
    }
}
