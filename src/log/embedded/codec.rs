//! How the embedded log writes keys and values. Numbers in keys are big-endian, so that the order
//! of keys is the order of offsets and of due times.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::log::{
    Cleanup, Header, LogError, Offset, Outgoing, Partition, Position, Record, Result,
    TopicPartition, TopicSpec,
};

/// Changes when any encoding in this file does.
pub(super) const FORMAT: u32 = 1;

/// Who this store is.
#[derive(Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) format: u32,
    pub(super) id: String,
}

/// One partition by numbers: keys stay short, and one topic's records lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) topic: u32,
    pub(super) partition: u32,
}

impl Place {
    pub(super) fn bytes(self) -> [u8; 8] {
        ((u64::from(self.topic) << 32) | u64::from(self.partition)).to_be_bytes()
    }

    /// Key of a record.
    pub(super) fn record(self, offset: u64) -> [u8; 16] {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.bytes());
        key[8..].copy_from_slice(&offset.to_be_bytes());
        key
    }

    /// Key of the newest offset of a record key.
    pub(super) fn newest(self, key: &[u8]) -> Vec<u8> {
        [&self.bytes()[..], key].concat()
    }

    /// Key of the note that a record may go at that time.
    pub(super) fn stale(self, due_ms: i64, offset: u64) -> [u8; 24] {
        let mut key = [0; 24];
        key[..8].copy_from_slice(&due(due_ms));
        key[8..].copy_from_slice(&self.record(offset));
        key
    }
}

/// A time as the first part of a key; times before 1970 count as 1970.
pub(super) fn due(due_ms: i64) -> [u8; 8] {
    due_ms.max(0).to_be_bytes()
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64> {
    let eight = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
    eight.map(u64::from_be_bytes).ok_or_else(|| damaged("a number is cut short"))
}

/// The offset in the key of a record.
pub(super) fn offset_of(record_key: &[u8]) -> Result<u64> {
    u64_at(record_key, 8)
}

/// The time, place and offset in the key of a stale note.
pub(super) fn parse_stale(key: &[u8]) -> Result<(i64, Place, u64)> {
    let (due_ms, place, offset) = (u64_at(key, 0)?, u64_at(key, 8)?, u64_at(key, 16)?);
    let place = Place { topic: (place >> 32) as u32, partition: place as u32 };
    Ok((due_ms as i64, place, offset))
}

/// First and end offset as a value.
pub(super) fn bounds(start: u64, end: u64) -> [u8; 16] {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&start.to_be_bytes());
    value[8..].copy_from_slice(&end.to_be_bytes());
    value
}

/// Reads what [`bounds`] wrote.
pub(super) fn parse_bounds(value: &[u8]) -> Result<(u64, u64)> {
    Ok((u64_at(value, 0)?, u64_at(value, 8)?))
}

/// Reads one offset.
pub(super) fn parse_offset(value: &[u8]) -> Result<u64> {
    u64_at(value, 0)
}

/// A committed position as a value: the offset, and the mark where there is one.
pub(super) fn position(at: Position) -> Vec<u8> {
    let mut value = at.next.0.to_be_bytes().to_vec();
    value.extend(at.mark.into_iter().flat_map(u64::to_be_bytes));
    value
}

/// Reads what [`position`] wrote.
pub(super) fn parse_position(value: &[u8]) -> Result<Position> {
    let mark = if value.len() > 8 { Some(u64_at(value, 8)?) } else { None };
    Ok(Position { next: Offset(u64_at(value, 0)?), mark })
}

/// Key of a committed position. The lengths keep names apart, whatever they contain.
pub(super) fn committed(group: &str, of: &TopicPartition) -> Vec<u8> {
    let mut key = Vec::with_capacity(group.len() + of.topic.len() + 12);
    for name in [group, &of.topic] {
        key.extend_from_slice(&(name.len() as u32).to_be_bytes());
        key.extend_from_slice(name.as_bytes());
    }
    key.extend_from_slice(&of.partition.0.to_be_bytes());
    key
}

/// What stands before the key and the value of a record; those follow as plain bytes, uncopied.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    timestamp_ms: i64,
    key: Option<usize>,
    has_value: bool,
    #[serde(borrow)]
    headers: Vec<(&'a str, &'a [u8])>,
}

/// A record as a value.
pub(super) fn record(out: &Outgoing, timestamp_ms: i64) -> Result<Vec<u8>> {
    let headers = out.headers.iter().map(|h| (h.name.as_str(), h.value.as_slice())).collect();
    let key = out.key.as_deref().map(<[u8]>::len);
    let head = Head { timestamp_ms, key, has_value: out.value.is_some(), headers };
    let mut bytes = encode(&head)?;
    bytes.extend_from_slice(out.key.as_deref().unwrap_or_default());
    bytes.extend_from_slice(out.value.as_deref().unwrap_or_default());
    Ok(bytes)
}

/// Reads what [`record`] wrote.
pub(super) fn parse_record(of: &TopicPartition, offset: u64, bytes: &[u8]) -> Result<Record> {
    let (head, rest): (Head<'_>, _) =
        postcard::take_from_bytes(bytes).map_err(|e| damaged(&e.to_string()))?;
    let split = rest.split_at_checked(head.key.unwrap_or(0));
    let (key, value) = split.ok_or_else(|| damaged("a record is cut short"))?;
    Ok(Record {
        topic: of.topic.clone(),
        partition: of.partition,
        offset: Offset(offset),
        timestamp_ms: Some(head.timestamp_ms),
        key: head.key.map(|_| key.to_vec()),
        value: head.has_value.then(|| value.to_vec()),
        headers: head.headers.into_iter().map(|(name, value)| Header::new(name, value)).collect(),
    })
}

/// The timestamp of a record, without reading the rest.
pub(super) fn timestamp_of(bytes: &[u8]) -> Result<i64> {
    postcard::take_from_bytes(bytes).map(|(ms, _)| ms).map_err(|e| damaged(&e.to_string()))
}

/// A topic as kept.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptTopic {
    pub(super) id: u32,
    partitions: u32,
    replication: u16,
    compact: bool,
    /// Retention, or how long superseded records stay; milliseconds.
    lag_ms: Option<u64>,
    max_record_bytes: u64,
}

impl KeptTopic {
    pub(super) fn new(id: u32, spec: &TopicSpec) -> Self {
        let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let (compact, lag_ms) = match spec.cleanup {
            Cleanup::Compact { min_lag } => (true, Some(millis(min_lag))),
            Cleanup::Delete { retention } => (false, retention.map(millis)),
        };
        KeptTopic {
            id,
            partitions: spec.partitions,
            replication: spec.replication,
            compact,
            lag_ms,
            max_record_bytes: spec.max_record_bytes as u64,
        }
    }

    pub(super) fn spec(&self, name: &str) -> TopicSpec {
        let lag = self.lag_ms.map(Duration::from_millis);
        TopicSpec {
            name: name.to_owned(),
            partitions: self.partitions,
            replication: self.replication,
            cleanup: match self.compact {
                true => Cleanup::Compact { min_lag: lag.unwrap_or_default() },
                false => Cleanup::Delete { retention: lag },
            },
            max_record_bytes: usize::try_from(self.max_record_bytes).unwrap_or(usize::MAX),
        }
    }
}

/// Encodes a small value.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|e| LogError::Fatal(format!("cannot encode: {e}")))
}

/// Decodes a small value.
pub(super) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|e| damaged(&e.to_string()))
}

/// The store holds something that this program did not write.
pub(super) fn damaged(what: &str) -> LogError {
    LogError::Fatal(format!("the embedded log is damaged: {what}"))
}

/// A partition of that topic, as others name it.
pub(super) fn named(topic: &Arc<str>, partition: u32) -> TopicPartition {
    TopicPartition { topic: topic.clone(), partition: Partition(partition) }
}
