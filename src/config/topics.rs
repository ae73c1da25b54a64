//! The topics that Tidemark writes: their names, and what they must be like.

use std::time::Duration;

use super::read::Reader;
use super::{IntakeLimits, Publish, typed};

/// The names of the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// Canonical events, by shard: the truth.
    pub events: String,
    /// Dead letters.
    pub dlq: String,
    /// Events older than the retention of their slices.
    pub late: String,
    /// Gaps: changes that a source says it lost.
    pub gaps: String,
    /// Rows.
    pub kpis: String,
    /// Drift alerts.
    pub alerts: String,
    /// Partials of this generation.
    pub partials: String,
    /// Images of this generation.
    pub images: String,
    /// Targets, where they are read from a topic: written by the user.
    pub targets: Option<String>,
}

impl Topics {
    pub(super) fn new(app: &typed::App, typed: &typed::Topics, follows_targets: bool) -> Topics {
        let (app, generation) = (&app.name.0.0, app.generation.0.0);
        let name = |own: &Option<super::leaf::Given<super::words::TopicName>>, usual: String| {
            own.as_ref().map_or(usual, |given| given.0.0.clone())
        };
        // Rows of two generations must not mix; the first one has the plain name.
        let [kpis, alerts] = ["kpis", "alerts"].map(|what| match generation {
            0 | 1 => format!("{app}.{what}"),
            later => format!("{app}.g{later}.{what}"),
        });
        Topics {
            events: name(&typed.events, format!("{app}.events")),
            dlq: name(&typed.dlq, format!("{app}.dlq")),
            late: name(&typed.late, format!("{app}.late")),
            gaps: name(&typed.gaps, format!("{app}.gaps")),
            kpis: name(&typed.kpis, kpis),
            alerts: name(&typed.alerts, alerts),
            partials: name(&typed.partials, format!("{app}.g{generation}.partials")),
            images: name(&typed.images, format!("{app}.g{generation}.images")),
            targets: follows_targets.then(|| name(&typed.targets, format!("{app}.targets"))),
        }
    }

    /// Each with its key in `[topics]`.
    pub fn named(&self) -> Vec<(&'static str, &str)> {
        let targets = self.targets.as_deref().map(|name| ("targets", name));
        let own: [(&str, &str); 8] = [
            ("events", &self.events),
            ("dlq", &self.dlq),
            ("late", &self.late),
            ("gaps", &self.gaps),
            ("kpis", &self.kpis),
            ("alerts", &self.alerts),
            ("partials", &self.partials),
            ("images", &self.images),
        ];
        own.into_iter().chain(targets).collect()
    }
}

/// Whether a name is given to two topics.
pub(super) fn check(reader: &mut Reader, topics: &Topics) {
    let named = topics.named();
    for (i, (key, name)) in named.iter().enumerate() {
        if let Some((other, _)) = named[..i].iter().find(|(_, n)| n == name) {
            // The one that was set: a default cannot clash with a default.
            let at = [key, other]
                .into_iter()
                .find(|k| reader.places.contains_key(&format!("topics.{k}")))
                .unwrap_or(key);
            let what = format!("\"{name}\" would be the topic of {other} and of {key}");
            reader.fault(&format!("topics.{at}"), what, "give each a name of its own");
        }
    }
}

/// What a topic must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Name.
    pub name: String,
    /// Number of partitions.
    pub partitions: u32,
    /// What becomes of old records.
    pub cleanup: Cleanup,
    /// Largest record, bytes (`max.message.bytes`).
    pub max_record_bytes: usize,
}

/// What becomes of old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// They are deleted.
    Delete {
        /// After which time; `None` keeps them for ever (`retention.ms=-1`).
        retention: Option<Duration>,
    },
    /// The newest of each key stays.
    Compact {
        /// How long all stay (`min.compaction.lag.ms`).
        min_lag: Duration,
    },
}

/// Room for what intake adds to a record: envelope, reason and origin.
const ENVELOPE: usize = 64 << 10;

/// What Kafka takes without being told otherwise; images are chunked to fit.
const USUAL_RECORD: usize = 1 << 20;

pub(super) fn specs(
    topics: &Topics,
    typed: &typed::Topics,
    topology: &typed::Topology,
    publish: &Publish,
    intake: &IntakeLimits,
) -> Vec<TopicSpec> {
    let shards = super::build::small(topology.shards.0.0);
    let partitions = super::build::small(topology.partitions.0.0);
    let incoming = intake.max_record_bytes.saturating_add(ENVELOPE);
    // A stale value may be written once more within a repair interval, and its repair within
    // another: compaction must not leave the stale one alone in between.
    let compact = Cleanup::Compact { min_lag: publish.repair_interval * 2 };
    let delete =
        |keep: &super::leaf::Given<super::leaf::Keep>| Cleanup::Delete { retention: keep.0.0 };
    let spec = |name: &str, partitions: u32, cleanup, max_record_bytes| TopicSpec {
        name: name.to_owned(),
        partitions,
        cleanup,
        max_record_bytes,
    };
    let count = |n: u64| super::build::small(n);
    vec![
        spec(&topics.events, shards, delete(&typed.events_retention), incoming),
        spec(&topics.dlq, count(typed.dlq_partitions.0.0), delete(&typed.dlq_retention), incoming),
        spec(
            &topics.late,
            count(typed.late_partitions.0.0),
            delete(&typed.late_retention),
            incoming,
        ),
        spec(
            &topics.gaps,
            count(typed.gaps_partitions.0.0),
            delete(&typed.gaps_retention),
            incoming,
        ),
        spec(&topics.kpis, partitions, compact, USUAL_RECORD),
        spec(&topics.alerts, partitions, compact, USUAL_RECORD),
        spec(&topics.partials, partitions, compact, USUAL_RECORD),
        spec(&topics.images, shards, compact, USUAL_RECORD),
    ]
}

/// The topic of targets. One partition, so that its records have one order; nothing of it is ever
/// written again by us, so superseded records need not stay.
pub(super) fn of_targets(topics: &Topics) -> Option<TopicSpec> {
    Some(TopicSpec {
        name: topics.targets.clone()?,
        partitions: 1,
        cleanup: Cleanup::Compact { min_lag: Duration::ZERO },
        max_record_bytes: USUAL_RECORD,
    })
}
