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
/// `label_limit`.
const LABELS: usize = 16;
/// Of these, beside those of a segment: its name, window, stage, job and instance.
const OTHERS: usize = 5;
/// `label_name_length_limit`, bytes: `words::dimension` keeps names below it.
#[cfg(test)]
const LABEL: usize = 64;
/// `label_value_length_limit`, bytes. The name of a metric is a value too.
const NAME: usize = 256;
/// Most pairs of territory and channel of which the deals that come in are counted: they are among what
/// the process tells of itself.
pub const PLACES: usize = 1_000;
/// What may stand behind a KPI in the name of its family, at most: that of a target.
const TAIL: usize = "_target_required_per_day".len();

/// Refuses sets with too many labels, or of which a name is too long.
pub(super) fn check(reader: &mut Reader, definition: &Definition) {
    if reader.faulty(&["segments", "kpis"]) {
        return;
    }
    let longest = definition.kpis.kpis().map(|kpi| kpi.family.len()).max().unwrap_or(0) + TAIL;
    for (i, set) in definition.segments.iter().enumerate() {
        let key = format!("segments.sets[{i}]");
        if set.len() + OTHERS > LABELS {
            let what = format!(
                "the set {} has {} dimensions, and the shipped Prometheus refuses a scrape with more than {LABELS} labels, of which {OTHERS} are not of segments",
                set_name(set),
                set.len()
            );
            let mend = format!("use at most {} dimensions in one set", LABELS - OTHERS);
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
                ("label_limit", LABELS),
                ("label_name_length_limit", LABEL),
                ("label_value_length_limit", NAME),
            ] {
                assert!(text.contains(&format!("    {key}: {limit}\n")), "{key} of {file}");
            }
        }
    }
}
