//! Creating the topics, and comparing them with what they must be.

use std::time::Duration;

use super::AppError;
use crate::config::{Cleanup, Config};
use crate::log::{self, Log, LogError};

/// Creates our topics where they are missing. Returns those created.
pub fn create_topics(config: &Config, log: &dyn Log) -> Result<Vec<String>, AppError> {
    let mut created = Vec::new();
    for spec in config.specs() {
        let cleanup = match spec.cleanup {
            Cleanup::Delete { retention } => log::Cleanup::Delete { retention },
            Cleanup::Compact { min_lag } => log::Cleanup::Compact { min_lag },
        };
        let wanted = log::TopicSpec {
            name: spec.name.clone(),
            partitions: spec.partitions,
            replication: config.kafka.replication,
            cleanup,
            max_record_bytes: spec.max_record_bytes,
        };
        if log.create(&wanted)? {
            created.push(spec.name);
        }
    }
    Ok(created)
}

/// Creates missing source topics too. They are the user's on Kafka, so only on demand there.
pub fn create_sources(
    config: &Config,
    log: &dyn Log,
    partitions: u32,
) -> Result<Vec<String>, AppError> {
    let mut created = Vec::new();
    for topic in config.sources.iter().flat_map(|s| &s.topics) {
        let wanted = log::TopicSpec {
            name: topic.clone(),
            partitions,
            replication: config.kafka.replication,
            cleanup: log::Cleanup::Delete { retention: None },
            max_record_bytes: config.intake.max_record_bytes,
        };
        if log.create(&wanted)? {
            created.push(topic.clone());
        }
    }
    Ok(created)
}

/// Compares the topics with what they must be: there, and with as many partitions. Returns what is
/// wrong, each with its mend.
pub fn check_topics(config: &Config, log: &dyn Log) -> Result<Vec<String>, LogError> {
    let mut wrong = Vec::new();
    for spec in config.specs() {
        let Some(info) = log.describe(&spec.name)? else {
            wrong.push(format!(
                "topic \"{}\" is missing: run `tidemark topics create --config FILE`",
                spec.name
            ));
            continue;
        };
        if info.partitions != spec.partitions
            && config.topics().targets.as_deref() == Some(&*spec.name)
        {
            wrong.push(format!(
                "topic \"{}\" has {} partitions, and targets need one, so that their records have one \
                 order: make it anew with one partition (`tidemark topics create --config FILE` does \
                 where there is none) and write them again, or name another in topics.targets",
                spec.name, info.partitions
            ));
        } else if info.partitions != spec.partitions {
            wrong.push(format!(
                "topic \"{}\" has {} partitions, the config asks for {} (topology): set the config \
                 back, or raise app.generation (and topics.events for another number of shards) \
                 and run `tidemark topics create --config FILE`",
                spec.name, info.partitions, spec.partitions
            ));
        }
    }
    for source in &config.sources {
        for topic in &source.topics {
            if log.describe(topic)?.is_none() {
                wrong.push(format!(
                    "source topic \"{topic}\" (sources.{}) is missing: create it, or correct \
                     sources.topics",
                    source.name
                ));
            }
        }
    }
    Ok(wrong)
}

/// Compares how the topics forget with what the promises need. Returns what is wrong, each with its
/// mend. What the brokers do not let us see is not judged.
pub fn check_settings(config: &Config, log: &dyn Log) -> Result<Vec<String>, LogError> {
    let mut wrong = Vec::new();
    // No promise rests on how long dead letters, late events and gaps are kept.
    let events = config.topics().events;
    let matters = |spec: &&crate::config::TopicSpec| {
        spec.name == events || matches!(spec.cleanup, Cleanup::Compact { .. })
    };
    for spec in config.specs().iter().filter(matters) {
        let Some(actual) = log.describe(&spec.name)?.and_then(|info| info.cleanup) else {
            continue;
        };
        let needed = match spec.cleanup {
            Cleanup::Compact { min_lag } => compaction(&actual, min_lag),
            Cleanup::Delete { retention } => deletion(&actual, retention),
        };
        wrong.extend(needed.map(|(why, settings)| {
            format!(
                "topic \"{name}\" {why}: run kafka-configs.sh \
                 --bootstrap-server {brokers} --alter --entity-type topics \
                 --entity-name {name} --add-config {settings}",
                name = spec.name,
                brokers = config.kafka.brokers,
            )
        }));
    }
    Ok(wrong)
}

/// What is wrong with a topic that must be compacted, and the settings that mend it.
fn compaction(actual: &[log::Cleanup], least: Duration) -> Option<(String, String)> {
    let settings = format!("cleanup.policy=compact,min.compaction.lag.ms={}", least.as_millis());
    match *actual {
        [log::Cleanup::Compact { min_lag }] if min_lag >= least => None,
        [log::Cleanup::Compact { min_lag }] => Some((
            format!(
                "keeps superseded records for {min_lag:?} only, and repair needs {least:?} (twice \
                 publish.repair_interval): a stale record of a frozen instance could stay alone"
            ),
            settings,
        )),
        _ => Some(("must have cleanup.policy=compact and nothing else".to_owned(), settings)),
    }
}

/// What is wrong with a topic that must keep its records, and the settings that mend it.
fn deletion(actual: &[log::Cleanup], asked: Option<Duration>) -> Option<(String, String)> {
    let millis = asked.map_or("-1".to_owned(), |d| d.as_millis().to_string());
    let settings = format!("cleanup.policy=delete,retention.ms={millis},retention.bytes=-1");
    match *actual {
        [log::Cleanup::Delete { retention: None }] => None,
        [log::Cleanup::Delete { retention: Some(kept) }] if asked.is_some_and(|a| kept >= a) => {
            None
        }
        [log::Cleanup::Delete { retention: Some(Duration::ZERO) }] => Some((
            "has a bound on its bytes (retention.bytes), which may delete what was not folded"
                .to_owned(),
            settings,
        )),
        [log::Cleanup::Delete { retention: Some(kept) }] => {
            let asked = asked.map_or("for ever".to_owned(), |a| format!("for {a:?}"));
            Some((format!("keeps records for {kept:?}, and the config asks {asked}"), settings))
        }
        _ => Some(("must have cleanup.policy=delete and nothing else".to_owned(), settings)),
    }
}
