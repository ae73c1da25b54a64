//! The log on Kafka, through librdkafka.
//!
//! librdkafka offers more than is used here. A writer is an idempotent producer whose
//! acknowledgements we count ourselves. A reader is a consumer with positions that we name: it
//! joins no group. A member takes part in a group with every partition paused: it reads nothing.
//! Transactions, stored offsets and offset resets have no part.

mod admin;
mod client;
mod cluster;
mod member;
mod reader;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::cluster::Cluster;
use self::member::KafkaMember;
use self::reader::KafkaReader;
use self::writer::KafkaWriter;
use super::{Log, LogError, Member, Reader, Result, TopicInfo, TopicSpec, Writer};

/// How to reach a Kafka cluster.
#[derive(Clone)]
pub struct KafkaSettings {
    /// Bootstrap servers, `host:port` with commas between.
    pub brokers: String,
    /// Name of this program towards the brokers: in their logs, quotas and metrics.
    pub client_id: String,
    /// librdkafka properties that override ours; the ones on which promises rest are refused.
    pub properties: Vec<(String, String)>,
    /// After how long a member that fell silent loses its partitions.
    pub session_timeout: Duration,
    /// How long a question to the cluster may take; a writer waits as long for a full buffer.
    pub request_timeout: Duration,
}

impl fmt::Debug for KafkaSettings {
    /// Names the properties, and shows the values of the few that cannot hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties: Vec<String> =
            self.properties.iter().map(|(name, value)| client::shown(name, value)).collect();
        f.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("client_id", &self.client_id)
            .field("properties", &properties)
            .field("session_timeout", &self.session_timeout)
            .field("request_timeout", &self.request_timeout)
            .finish()
    }
}

/// A log on a Kafka cluster. Clones share one connection for questions; every writer, reader and
/// member has connections of its own.
#[derive(Clone)]
pub struct KafkaLog {
    cluster: Arc<Cluster>,
}

impl KafkaLog {
    /// Prepares the log; brokers are contacted in the background.
    ///
    /// # Errors
    /// [`LogError::Refused`] where a property is unknown, has a wrong value, or is not the user's
    /// to set; [`LogError::Fatal`] where no client can be created.
    pub fn new(settings: KafkaSettings) -> Result<KafkaLog> {
        Ok(KafkaLog { cluster: Arc::new(Cluster::new(settings)?) })
    }
}

impl Log for KafkaLog {
    fn cluster_id(&self) -> Result<String> {
        self.cluster.id()
    }

    fn describe(&self, topic: &str) -> Result<Option<TopicInfo>> {
        admin::describe(&self.cluster, topic)
    }

    fn create(&self, spec: &TopicSpec) -> Result<bool> {
        admin::create(&self.cluster, spec)
    }

    fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(KafkaWriter::new(self.cluster.clone())?))
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(KafkaReader::new(self.cluster.clone())?))
    }

    fn join(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Member>> {
        Ok(Box::new(KafkaMember::join(&self.cluster, group, topics)?))
    }
}

/// What a client cannot be created with is a fault of the settings.
fn not_created(what: &str, e: &rdkafka::error::KafkaError) -> LogError {
    match client::refused_property(e) {
        Some(refused) => refused,
        None => LogError::Fatal(format!("cannot create the Kafka {what}: {e}")),
    }
}
