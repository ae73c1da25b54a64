//! What the clients of one cluster share: the settings, and a client for questions.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;

use super::client::{self, Plain};
use super::{KafkaSettings, not_created};
use crate::log::{Bounds, LogError, Offset, Result, TopicPartition};

/// One cluster as we know it.
pub(super) struct Cluster {
    pub(super) settings: KafkaSettings,
    probe: BaseConsumer<Plain>,
    /// Partitions of topics that were seen; they never become fewer.
    known: Mutex<HashMap<String, u32>>,
}

/// A topic by its metadata.
pub(super) struct Seen {
    pub(super) partitions: u32,
    /// Whether every partition has a leader.
    pub(super) led: bool,
}

impl Cluster {
    pub(super) fn new(settings: KafkaSettings) -> Result<Cluster> {
        client::check_properties(&settings)?;
        let probe = client::probe(&settings).create_with_context(Plain::default());
        let probe = probe.map_err(|e| not_created("client", &e))?;
        Ok(Cluster { settings, probe, known: Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.known.lock().expect("no code panics while it holds the topics")
    }

    /// The identity of the cluster.
    pub(super) fn id(&self) -> Result<String> {
        let id = self.probe.client().fetch_cluster_id(self.settings.request_timeout);
        self.settle(Duration::ZERO);
        id.ok_or_else(|| {
            LogError::Unavailable("asking for the cluster id: no answer in time".to_owned())
        })
    }

    /// The topic as the brokers know it now.
    pub(super) fn look_up(&self, topic: &str) -> Result<Option<Seen>> {
        let doing = format!("asking for topic \"{topic}\"");
        let metadata = self.probe.fetch_metadata(Some(topic), self.settings.request_timeout);
        self.settle(Duration::ZERO);
        let metadata = metadata.map_err(|e| client::meaning_of(&e, &doing))?;
        let Some(found) = metadata.topics().first() else {
            return Ok(None);
        };
        match found.error().map(Code::from) {
            Some(code) if client::missing(code) => Ok(None),
            Some(code) => Err(client::meaning(code, &doing)),
            None => {
                let partitions = u32::try_from(found.partitions().len()).unwrap_or(u32::MAX);
                let led = found.partitions().iter().all(|p| p.leader() >= 0);
                self.known().insert(topic.to_owned(), partitions);
                Ok(Some(Seen { partitions, led }))
            }
        }
    }

    /// Fails where the partition does not exist. Asks the brokers only about what is not known.
    pub(super) fn check(&self, partition: &TopicPartition) -> Result<()> {
        let known = self.known().get(&*partition.topic).copied();
        if known.is_some_and(|partitions| partition.partition.0 < partitions) {
            return Ok(());
        }
        match self.look_up(&partition.topic)? {
            Some(seen) if partition.partition.0 < seen.partitions => Ok(()),
            _ => Err(LogError::NoSuchPartition(partition.clone())),
        }
    }

    /// First and end offset of a partition.
    pub(super) fn bounds(&self, of: &TopicPartition) -> Result<Bounds> {
        self.check(of)?;
        let within = self.settings.request_timeout;
        let asked = self.probe.fetch_watermarks(&of.topic, of.partition.0 as i32, within);
        self.settle(Duration::ZERO);
        match asked {
            Ok((start, end)) => {
                Ok(Bounds { start: Offset(start.max(0) as u64), end: Offset(end.max(0) as u64) })
            }
            Err(e) if e.rdkafka_error_code().is_some_and(client::missing) => {
                self.forget(&of.topic);
                Err(LogError::NoSuchPartition(of.clone()))
            }
            Err(e) => Err(client::meaning_of(&e, &format!("asking for the bounds of {of}"))),
        }
    }

    /// Asks again before the topic is next used.
    pub(super) fn forget(&self, topic: &str) {
        self.known().remove(topic);
    }

    /// Takes the probe's events off its queue, where they would pile up; waits up to `within`.
    pub(super) fn settle(&self, within: Duration) {
        while self.probe.poll(within).is_some() {}
    }
}
