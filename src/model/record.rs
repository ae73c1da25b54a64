//! One message of the log, and where it stands.
//!
//! The folds take records as plain values, so that the same code runs on Kafka, on the embedded
//! log, and in memory.

use std::fmt;
use std::sync::Arc;

/// A partition of a topic, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u32);

/// A position in a partition: the offset of a record, or (as an end) one past the last record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

impl Offset {
    /// The position behind this record.
    pub fn next(self) -> Offset {
        Offset(self.0 + 1)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition in it.
    pub partition: Partition,
}

impl TopicPartition {
    /// Names one partition of a topic.
    pub fn new(topic: impl Into<Arc<str>>, partition: u32) -> Self {
        TopicPartition { topic: topic.into(), partition: Partition(partition) }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// A header of a record: names may repeat, values are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Header name, case-sensitive as on Kafka.
    pub name: String,
    /// Header value.
    pub value: Vec<u8>,
}

impl Header {
    /// A header from a name and bytes.
    pub fn new(name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Header { name: name.into(), value: value.into() }
    }
}

/// One message as read from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Topic it was read from.
    pub topic: Arc<str>,
    /// Partition it was read from.
    pub partition: Partition,
    /// Its offset.
    pub offset: Offset,
    /// Broker or producer timestamp, milliseconds since 1970; never used to compute a KPI.
    pub timestamp_ms: Option<i64>,
    /// Key bytes.
    pub key: Option<Vec<u8>>,
    /// Value bytes; `None` is a tombstone on a compacted topic.
    pub value: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<Header>,
}

impl Record {
    /// The last header of that name, as the Kafka clients' `lastHeader`.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().rev().find(|h| h.name == name).map(|h| h.value.as_slice())
    }

    /// Fingerprint of the record: tells whether an offset still holds what it held. Of offset,
    /// timestamp, key and value; the headers may be huge and are left out.
    pub fn mark(&self) -> u64 {
        use xxhash_rust::xxh3::xxh3_64_with_seed;
        let stamp = self.timestamp_ms.map_or(1, |ms| (ms as u64) << 1);
        let key = xxh3_64_with_seed(self.key.as_deref().unwrap_or_default(), self.offset.0);
        xxh3_64_with_seed(self.value.as_deref().unwrap_or_default(), key ^ stamp)
    }

    /// The partition this record was read from.
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: self.partition }
    }
}

/// One message to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Topic to write to.
    pub topic: Arc<str>,
    /// Partition to write to: always chosen by us, never by a client's partitioner.
    pub partition: Partition,
    /// Key bytes.
    pub key: Option<Vec<u8>>,
    /// Value bytes; `None` writes a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<Header>,
}
