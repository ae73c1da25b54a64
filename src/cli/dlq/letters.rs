//! The dead letters of a topic, each once.

use std::collections::BTreeMap;

use crate::cli::whole::read_whole;
use crate::log::{Header, Log, LogError, Outgoing, Partition, Record, TopicPartition};
use crate::model::deadletter::{CONNECT, REDRIVE_ATTEMPT, REDRIVE_FIRST};

/// Headers of ours on a dead letter start so.
const OURS: &str = "tidemark.error.";
/// On a record that was put back: the id of its dead letter, so that a second failure is known.
pub const REDRIVE_ID: &str = "tidemark.redrive.id";
/// On a note in the dead-letter topic: the id of the dead letter that was put back.
const REDRIVEN: &str = "tidemark.redrive.of";

/// A dead letter, folded over its repetitions.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Place of what is dead: topic, partition, offset, and index where it is an element.
    pub id: String,
    /// Why.
    pub code: String,
    /// Why, for people.
    pub message: String,
    /// Stage that gave it up.
    pub stage: String,
    /// Where it was read from.
    pub origin: (String, u32, u64),
    /// Original key.
    pub key: Option<Vec<u8>>,
    /// Original bytes.
    pub value: Option<Vec<u8>>,
    /// Original headers.
    pub headers: Vec<Header>,
    /// Timestamp of the original record, milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// When it was written, milliseconds since 1970.
    pub written_ms: Option<i64>,
    /// Its bytes were cut: it cannot be put back.
    pub is_cut: bool,
    /// How often it lies on the topic: more than once after a crash.
    pub copies: u32,
    /// How often it was put back, by the notes on the topic.
    pub redriven: u32,
    /// How often it had been put back when it failed.
    pub attempt: u32,
    /// When it failed first, before it was put back, milliseconds since 1970.
    pub first_ms: Option<i64>,
}

fn text(record: &Record, name: &str) -> Option<String> {
    record.header(name).map(|v| String::from_utf8_lossy(v).into_owned())
}

fn number<T: std::str::FromStr>(record: &Record, name: &str) -> Option<T> {
    text(record, name)?.parse().ok()
}

/// The headers that the record had: without ours, also those that we wrote in the names of Kafka
/// Connect.
fn original(headers: Vec<Header>) -> Vec<Header> {
    let value = |name: &str| headers.iter().find(|h| h.name == name).map(|h| h.value.clone());
    let class = value(&format!("{CONNECT}class.name"));
    let connect = class.is_some_and(|class| class == b"tidemark");
    let ours = |h: &Header| h.name.starts_with(OURS) || (connect && h.name.starts_with(CONNECT));
    headers.iter().filter(|h| !ours(h)).cloned().collect()
}

impl Letter {
    /// From a record of the dead-letter topic; `None` where it is none of ours.
    fn of(record: Record) -> Option<Letter> {
        let ours = |name: &str| text(&record, &format!("{OURS}{name}"));
        let origin =
            (ours("topic")?, ours("partition")?.parse().ok()?, ours("offset")?.parse().ok()?);
        Some(Letter {
            id: ours("id")?,
            code: ours("code")?,
            message: ours("message").unwrap_or_default(),
            stage: ours("stage").unwrap_or_default(),
            origin,
            timestamp_ms: ours("timestamp").and_then(|t| t.parse().ok()),
            written_ms: record.timestamp_ms,
            is_cut: ours("size").is_some(),
            copies: 1,
            redriven: 0,
            attempt: number(&record, REDRIVE_ATTEMPT).unwrap_or(0),
            first_ms: number(&record, &format!("{OURS}first_seen")).or(record.timestamp_ms),
            headers: original(record.headers),
            key: record.key,
            value: record.value,
        })
    }

    /// The record to put back where it came from. Its identity and its time are in its bytes and
    /// headers, which stay; headers of ours say that it comes again.
    pub fn again(&self) -> Outgoing {
        let mut headers = self.headers.clone();
        let ours = [REDRIVE_ID, REDRIVE_ATTEMPT, REDRIVE_FIRST];
        headers.retain(|h| !ours.contains(&h.name.as_str()));
        headers.push(Header::new(REDRIVE_ID, self.id.clone().into_bytes()));
        let attempt = (self.attempt + 1).to_string();
        headers.push(Header::new(REDRIVE_ATTEMPT, attempt.into_bytes()));
        if let Some(first) = self.first_ms {
            headers.push(Header::new(REDRIVE_FIRST, first.to_string().into_bytes()));
        }
        Outgoing {
            topic: self.origin.0.as_str().into(),
            partition: Partition(self.origin.1),
            key: self.key.clone(),
            value: self.value.clone(),
            headers,
        }
    }

    /// The note in the dead-letter topic that it was put back.
    pub fn note(&self, topic: &str, partitions: u32) -> Outgoing {
        Outgoing {
            topic: topic.into(),
            partition: Partition(self.origin.1 % partitions.max(1)),
            key: Some(self.id.clone().into_bytes()),
            value: None,
            headers: vec![Header::new(REDRIVEN, self.id.clone().into_bytes())],
        }
    }
}

/// Reads all dead letters, in the order of their writing.
pub fn read(log: &dyn Log, topic: &str) -> Result<Vec<Letter>, LogError> {
    let Some(info) = log.describe(topic)? else {
        return Err(LogError::NoSuchPartition(TopicPartition::new(topic, 0)));
    };
    let mut letters: BTreeMap<String, Letter> = BTreeMap::new();
    let mut notes: BTreeMap<String, u32> = BTreeMap::new();
    let mut reader = log.reader()?;
    for partition in 0..info.partitions {
        let at = TopicPartition::new(topic, partition);
        read_whole(&mut *reader, &at, |record| take(record, &mut letters, &mut notes))?;
    }
    let mut out: Vec<Letter> = letters.into_values().collect();
    for letter in &mut out {
        letter.redriven = notes.get(&letter.id).copied().unwrap_or(0);
    }
    out.sort_by(|a, b| (a.written_ms, &a.origin, &a.id).cmp(&(b.written_ms, &b.origin, &b.id)));
    Ok(out)
}

fn take(record: Record, letters: &mut BTreeMap<String, Letter>, notes: &mut BTreeMap<String, u32>) {
    if let Some(id) = text(&record, REDRIVEN) {
        *notes.entry(id).or_default() += 1;
        return;
    }
    let Some(letter) = Letter::of(record) else { return };
    match letters.get_mut(&letter.id) {
        // The same record read twice: the stage died before it committed.
        Some(known) => known.copies += 1,
        None => drop(letters.insert(letter.id.clone(), letter)),
    }
}

/// Which dead letters are meant.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of this id.
    pub id: Option<String>,
    /// With this code.
    pub code: Option<String>,
    /// Written at or after, milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Of this topic.
    pub topic: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

impl Wanted {
    /// Keeps those that are meant.
    pub fn keep(&self, letters: Vec<Letter>) -> Vec<Letter> {
        let meant = |l: &Letter| {
            self.id.as_ref().is_none_or(|id| *id == l.id)
                && self.code.as_ref().is_none_or(|code| *code == l.code)
                && self.topic.as_ref().is_none_or(|topic| *topic == l.origin.0)
                && self.since_ms.is_none_or(|since| l.written_ms.is_some_and(|at| at >= since))
        };
        let limit = self.limit.unwrap_or(usize::MAX);
        letters.into_iter().filter(meant).take(limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Cleanup, Offset, TopicSpec, memory::MemoryLog};
    use crate::model::deadletter::{Burial, Code, DeadLetter, Reason};
    use crate::model::time::Timestamp;

    fn record(offset: u64, value: &str) -> Record {
        Record {
            topic: "source".into(),
            partition: Partition(1),
            offset: Offset(offset),
            timestamp_ms: Some(1_000),
            key: Some(b"k".to_vec()),
            value: Some(value.as_bytes().to_vec()),
            headers: vec![Header::new("ce_id", "7")],
        }
    }

    fn bury(log: &MemoryLog, code: Code, record: &Record, written: i64) {
        let dead = DeadLetter::new(record, Reason::new(code, "as the test wants"), None);
        let out = Outgoing {
            topic: "t.dlq".into(),
            partition: Partition(0),
            key: dead.key.clone(),
            value: dead.value.clone(),
            headers: dead.headers(&Burial {
                stage: "intake",
                app: "a",
                now: Timestamp::from_millis(written),
                connect: true,
            }),
        };
        log.append(out, Some(written)).unwrap();
    }

    #[test]
    fn repetitions_are_one_and_what_was_put_back_is_known() {
        let log = MemoryLog::default();
        log.create(&TopicSpec {
            name: "t.dlq".to_owned(),
            partitions: 2,
            replication: 1,
            cleanup: Cleanup::Delete { retention: None },
            max_record_bytes: 1 << 20,
        })
        .unwrap();
        bury(&log, Code::DecodeJson, &record(5, "{"), 20);
        bury(&log, Code::DecodeJson, &record(5, "{"), 21);
        bury(&log, Code::BadTime, &record(3, "{}"), 10);
        log.append(Outgoing { headers: Vec::new(), ..record_out() }, Some(1)).unwrap();
        let found = read(&log, "t.dlq").unwrap();
        let ids: Vec<(&str, u32)> = found.iter().map(|l| (&*l.id, l.copies)).collect();
        assert_eq!(ids, [("source/1/3", 1), ("source/1/5", 2)], "foreign records are no letters");

        let again = found[1].again();
        assert_eq!((&*again.topic, again.partition), ("source", Partition(1)));
        assert_eq!(
            (again.key.as_deref(), again.value.as_deref()),
            (Some(&b"k"[..]), Some(&b"{"[..]))
        );
        let names: Vec<&str> = again.headers.iter().map(|h| h.name.as_str()).collect();
        assert_eq!(names, ["ce_id", REDRIVE_ID, REDRIVE_ATTEMPT, REDRIVE_FIRST]);
        log.append(found[1].note("t.dlq", 2), Some(30)).unwrap();
        // It fails again, at its new place.
        let failed = Record { headers: again.headers, ..record(9, "{") };
        bury(&log, Code::DecodeJson, &failed, 40);
        let found = read(&log, "t.dlq").unwrap();
        let state: Vec<_> = found.iter().map(|l| (&*l.id, l.redriven, l.attempt)).collect();
        assert_eq!(state, [("source/1/3", 0, 0), ("source/1/5", 1, 0), ("source/1/9", 0, 1)]);
        let first: Vec<_> = found.iter().map(|l| l.first_ms).collect();
        assert_eq!(first, [Some(10), Some(20), Some(20)], "it is known how long it has failed");
        let wanted = Wanted {
            code: Some("DECODE_JSON".to_owned()),
            since_ms: Some(35),
            ..Wanted::default()
        };
        assert_eq!(wanted.keep(found).len(), 1);
    }

    fn record_out() -> Outgoing {
        let (topic, partition) = ("t.dlq".into(), Partition(1));
        Outgoing { topic, partition, key: None, value: Some(b"x".to_vec()), headers: Vec::new() }
    }
}
