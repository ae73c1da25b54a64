//! The log port: what Tidemark needs of a log, and nothing more.
//!
//! Three implementations stand behind it: [`memory`] (replay, tests, crash simulation),
//! [`embedded`] (durable, one process) and `kafka` (feature `kafka`). All three pass the one suite
//! in `tests/log_conformance.rs`.
//!
//! Two jobs are kept apart on purpose. A [`Member`] takes part in a consumer group and learns
//! which partitions this process owns; it never hands out records. A [`Reader`] reads partitions
//! from positions that we name. So no record is ever read at a position that the client library
//! chose, a restore never runs inside a rebalance callback, and `auto.offset.reset` has no say.

pub mod embedded;
mod group;
#[cfg(feature = "kafka")]
pub mod kafka;
mod local;
pub mod memory;

use std::collections::BTreeSet;
use std::time::Duration;

pub use crate::model::record::{Header, Offset, Outgoing, Partition, Record, TopicPartition};

/// Why the log could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log cannot be reached now; the same call may succeed later.
    #[error("the log is not reachable: {0}")]
    Unavailable(String),
    /// The topic or partition does not exist.
    #[error("topic partition \"{0}\" does not exist")]
    NoSuchPartition(TopicPartition),
    /// The position asked for is outside what the log still holds.
    #[error(
        "offset {asked} of {partition} is outside {start}..{end} (retention passed it, or the topic was re-created)"
    )]
    OutOfRange {
        /// Partition read.
        partition: TopicPartition,
        /// Position asked for.
        asked: Offset,
        /// First offset held.
        start: Offset,
        /// End offset.
        end: Offset,
    },
    /// A record is larger than the log takes.
    #[error("record of {size} bytes for topic \"{topic}\" is larger than the log takes: {detail}")]
    TooLarge {
        /// Topic written to.
        topic: String,
        /// Size of key and value, bytes.
        size: usize,
        /// What the log said.
        detail: String,
    },
    /// Access was denied; names the operation.
    #[error("access denied: {0}")]
    Denied(String),
    /// A commit for a partition that another member owns, or that was lost and won back since the
    /// member last polled. Not to be repeated: the new owner has its own position.
    #[error("partition \"{0}\" is not owned by this member of the group")]
    NotOwner(TopicPartition),
    /// The log takes no such topic or record, whenever it is asked.
    #[error("the log refused: {0}")]
    Refused(String),
    /// The directory of the embedded log is open in another process, or twice in this one.
    #[error("the log in \"{0}\" is in use: only one process may open it at a time")]
    InUse(String),
    /// The store takes nothing more until its process opens it again.
    #[error("{0}")]
    Closed(String),
    /// The client or the store broke in a way that needs a new one.
    #[error("log client failed: {0}")]
    Fatal(String),
}

impl LogError {
    /// Whether the same call may succeed later, unchanged.
    pub fn is_retriable(&self) -> bool {
        matches!(self, LogError::Unavailable(_))
    }
}

/// Result of a call on the log.
pub type Result<T> = std::result::Result<T, LogError>;

/// How a topic forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// Keeps records for a time; `None` keeps them for ever.
    Delete {
        /// Retention.
        retention: Option<Duration>,
    },
    /// Keeps at least the newest record of each key.
    Compact {
        /// How long a superseded record stays at least (`min.compaction.lag.ms`).
        min_lag: Duration,
    },
}

/// A topic as we want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Name.
    pub name: String,
    /// Number of partitions.
    pub partitions: u32,
    /// Replication factor; ignored by the in-process logs.
    pub replication: u16,
    /// How it forgets.
    pub cleanup: Cleanup,
    /// Largest record it takes, bytes.
    pub max_record_bytes: usize,
}

/// A topic as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Number of partitions.
    pub partitions: u32,
    /// How it forgets: one way, or both; `None` where the log does not let us see.
    pub cleanup: Option<Vec<Cleanup>>,
}

/// First and end offset of a partition: records `start..end` can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// First offset held.
    pub start: Offset,
    /// One past the last record.
    pub end: Offset,
}

/// Where a group stands in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Next offset to read.
    pub next: Offset,
    /// Fingerprint of the record before it ([`Record::mark`]), where one was read: a topic that was
    /// deleted and created anew has another record there, or none.
    pub mark: Option<u64>,
}

impl From<Offset> for Position {
    fn from(next: Offset) -> Position {
        Position { next, mark: None }
    }
}

/// A log: topics of partitions of records.
pub trait Log: Send + Sync {
    /// Identity of the cluster or store, stable over restarts.
    fn cluster_id(&self) -> Result<String>;
    /// The topic as it is; `None` where it does not exist.
    fn describe(&self, topic: &str) -> Result<Option<TopicInfo>>;
    /// Creates the topic. `false` where it existed already (it is left as it is).
    fn create(&self, spec: &TopicSpec) -> Result<bool>;
    /// Opens a writer. Records of one writer to one partition keep their order.
    fn writer(&self) -> Result<Box<dyn Writer>>;
    /// Opens a reader, with nothing assigned.
    fn reader(&self) -> Result<Box<dyn Reader>>;
    /// Joins a consumer group that shares all partitions of the topics among its members.
    fn join(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Member>>;
}

/// Writes records; every record is acknowledged by all in-sync replicas before `flush` returns.
pub trait Writer: Send {
    /// Takes a record into the bounded buffer; waits while the buffer is full.
    fn send(&mut self, out: Outgoing) -> Result<()>;
    /// Waits until every record sent so far is acknowledged. An error says that at least one was
    /// not (or not within the time); what was written stays written, and the caller repeats its
    /// work: every consumer of ours ignores repetitions.
    fn flush(&mut self, within: Duration) -> Result<()>;
    /// The same of these partitions alone, to which all went that was sent since the last flush: an
    /// error names those that did not acknowledge all of it; the others did. After an error records
    /// may still be under way.
    fn flush_each(
        &mut self,
        sent: &BTreeSet<TopicPartition>,
        within: Duration,
    ) -> std::result::Result<(), Unacknowledged> {
        self.flush(within).map_err(|why| Unacknowledged { partitions: sent.clone(), why })
    }
}

/// Partitions that did not acknowledge all that they were sent.
#[derive(Debug)]
pub struct Unacknowledged {
    /// Which.
    pub partitions: BTreeSet<TopicPartition>,
    /// What the first of them said.
    pub why: LogError,
}

/// Reads partitions from named positions.
pub trait Reader: Send {
    /// Replaces the whole assignment. Nothing below a named position is ever returned.
    fn assign(&mut self, at: &[(TopicPartition, Offset)]) -> Result<()>;
    /// Appends up to `max` records to `out`; waits up to `wait` for the first one. Records of one
    /// partition come in order of offset, without a gap except where the log compacted or
    /// trimmed. Returns how many came: fewer than `max` where they are large. An error leaves `out`
    /// as it was, and comes again until the assignment is changed, or the log reachable.
    fn poll(&mut self, max: usize, wait: Duration, out: &mut Vec<Record>) -> Result<usize>;
    /// What the log holds of a partition now.
    fn bounds(&mut self, partition: &TopicPartition) -> Result<Bounds>;
    /// Whether the end of an assigned partition was seen behind the records returned last. Offsets
    /// alone cannot tell: compaction may have taken the newest records away.
    fn ended(&self, partition: &TopicPartition) -> bool;
}

/// A member of a consumer group.
pub trait Member: Send {
    /// Takes part in the group; call it at least every few seconds. `Some` is the member's whole
    /// assignment, sorted, after a change. What was lost and won back in between is first reported
    /// as lost, since another owner may have had it. An error that [`LogError::is_retriable`] does
    /// not end the membership: go on polling.
    fn poll(&mut self, wait: Duration) -> Result<Option<Vec<TopicPartition>>>;
    /// Commits positions for the group. Refused for partitions of another owner.
    fn commit(&mut self, at: &[(TopicPartition, Position)]) -> Result<()>;
    /// Committed positions of the group.
    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Position>>>;
    /// Leaves the group at once, so that others take over without waiting for a timeout.
    fn leave(self: Box<Self>);
}
