//! What is looked at behind the brokers' back, by the test's own clients: the rows as they are
//! published, and what became of every record that was fed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::value::RawValue;
use tidemark::log::{Log, Offset, Reader, Record, TopicPartition};
use tidemark::model::time::Timestamp;

#[derive(serde::Deserialize)]
struct Published<'a> {
    version: u64,
    as_of: Option<&'a str>,
    #[serde(borrow)]
    kpis: &'a RawValue,
}

type Version = (u64, Option<Timestamp>);

/// Follows the results topic through a whole run, as a reader of rows does.
///
/// A row is the fold of a prefix of its partials partition, and its version says of which: the
/// newest partial in it, and the watermark. So the versions of one key are a chain, whoever wrote
/// them: where one is ahead it is ahead in both parts. Equal versions are equal numbers. A stale
/// owner may write a row behind a newer one: the reader that keeps the highest does not go back.
#[derive(Default)]
pub struct Tail {
    rows: BTreeMap<String, BTreeMap<Version, u64>>,
    /// What a reader that keeps the highest version shows.
    pub shown: BTreeMap<String, (Version, String)>,
    pub read: u64,
    /// Rows that came behind a newer one of their key.
    pub stale: u64,
    pub broken: Vec<String>,
}

impl Tail {
    /// Reads the topic until it is asked to stop, and then to its end.
    pub fn follow(log: &dyn Log, topic: &str, partitions: u32, stop: &AtomicBool) -> Tail {
        let mut tail = Tail::default();
        each(log, topic, partitions, stop, |record| tail.take(record));
        tail
    }

    fn take(&mut self, record: &Record) {
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
        // A rolling window moves with the clock, which is no part of a version.
        let (Some(value), true) = (record.value.as_deref(), key.contains(':')) else {
            return;
        };
        let row: Published<'_> = match serde_json::from_slice(value) {
            Ok(row) => row,
            Err(e) => return self.broken.push(format!("{key} is no row: {e}")),
        };
        let version = (row.version, row.as_of.and_then(Timestamp::parse_rfc3339));
        self.read += 1;
        let kpis = row.kpis.get();
        let hash = xxhash_rust::xxh3::xxh3_64(kpis.as_bytes());
        let known = self.rows.entry(key.clone()).or_default();
        if known.get(&version).is_some_and(|other| *other != hash) {
            self.broken.push(format!("{key} at version {version:?} has two values; one is {kpis}"));
        }
        let below = known.range(..version).next_back();
        let above = known.range(version..).find(|(v, _)| **v != version);
        let parts = [below.map(|(v, _)| (*v, version)), above.map(|(v, _)| (version, *v))];
        for (low, high) in parts.into_iter().flatten() {
            if low.1 > high.1 {
                self.broken.push(format!("{key}: {low:?} and {high:?} are no chain"));
            }
        }
        known.insert(version, hash);
        match self.shown.get(&key) {
            Some((newest, _)) if *newest > version => self.stale += 1,
            _ => drop(self.shown.insert(key, (version, kpis.to_owned()))),
        }
    }
}

/// Reads all partitions of a topic until it is asked to stop, and then to their end. Brokers may
/// come and go meanwhile.
fn each(
    log: &dyn Log,
    topic: &str,
    partitions: u32,
    stop: &AtomicBool,
    mut take: impl FnMut(&Record),
) {
    let mut next: BTreeMap<TopicPartition, Offset> =
        (0..partitions).map(|p| (TopicPartition::new(topic, p), Offset(0))).collect();
    let mut reader: Option<Box<dyn Reader>> = None;
    let mut batch = Vec::new();
    loop {
        let stopping = stop.load(Ordering::Relaxed);
        let open = || -> tidemark::log::Result<Box<dyn Reader>> {
            let mut reader = log.reader()?;
            let at: Vec<_> = next.iter().map(|(p, o)| (p.clone(), *o)).collect();
            reader.assign(&at)?;
            Ok(reader)
        };
        if reader.is_none() {
            reader = open().ok();
        }
        batch.clear();
        let polled = match &mut reader {
            Some(reader) => reader.poll(1_000, Duration::from_millis(200), &mut batch),
            None => Ok(0),
        };
        for record in &batch {
            next.insert(record.topic_partition(), record.offset.next());
            take(record);
        }
        if polled.is_err() {
            reader = None;
        }
        let Some(reader) = reader.as_mut().filter(|_| stopping && batch.is_empty()) else {
            continue;
        };
        let mut at_end = |(p, o): (&TopicPartition, &Offset)| {
            reader.bounds(p).is_ok_and(|bounds| *o >= bounds.end)
        };
        if next.iter().all(&mut at_end) {
            return;
        }
    }
}

/// Reads a topic as it is now.
fn whole(log: &dyn Log, topic: &str, take: impl FnMut(&Record)) {
    let partitions = log.describe(topic).unwrap().unwrap().partitions;
    each(log, topic, partitions, &AtomicBool::new(true), take);
}

/// What became of the records of the source.
#[derive(Debug, Default)]
pub struct Account {
    pub source: usize,
    pub events: u64,
    pub dead_letters: u64,
    /// Records that are test data: intake drops and counts them.
    pub tests: usize,
    /// Events and dead letters beyond the first of their coordinate.
    pub repeated: u64,
    pub faults: Vec<String>,
}

type Place = (u32, u64);

/// Whether a record of the source is test data.
fn is_test(value: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Flagged {
        #[serde(default)]
        flags: Vec<String>,
    }
    serde_json::from_slice::<Flagged>(value).is_ok_and(|f| f.flags.iter().any(|f| f == "test"))
}

#[derive(serde::Deserialize)]
struct Origin<'a> {
    #[serde(borrow)]
    topic: std::borrow::Cow<'a, str>,
    partition: u32,
    offset: u64,
}

#[derive(serde::Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    raw: Option<Origin<'a>>,
}

impl Account {
    /// Every coordinate of the source, but for test data, is in the events or the dead letters, and no other is.
    pub fn of(log: &dyn Log, source: &str, events: &str, dlq: &str) -> Account {
        let mut out = Account::default();
        let (mut all, mut tests) = (BTreeSet::<Place>::new(), BTreeSet::<Place>::new());
        whole(log, source, |record| {
            let place = (record.partition.0, record.offset.0);
            all.insert(place);
            if is_test(record.value.as_deref().unwrap_or_default()) {
                tests.insert(place);
            }
        });
        (out.source, out.tests) = (all.len(), tests.len());
        let mut missing: BTreeSet<Place> = all.difference(&tests).copied().collect();
        let mut seen = |topic: &str, place: Place, faults: &mut Vec<String>| -> bool {
            if topic != source || !all.contains(&place) || tests.contains(&place) {
                faults.push(format!("{topic}/{}/{} was never to come", place.0, place.1));
            }
            !missing.remove(&place)
        };
        whole(log, events, |record| {
            if record.key.as_deref().is_some_and(|k| k.starts_with(b"beat|")) {
                return;
            }
            out.events += 1;
            let value = record.value.as_deref().unwrap_or_default();
            match serde_json::from_slice::<Event<'_>>(value).ok().and_then(|e| e.raw) {
                Some(raw) => {
                    let place = (raw.partition, raw.offset);
                    out.repeated += u64::from(seen(&raw.topic, place, &mut out.faults));
                }
                None => out.faults.push("an event without its origin".to_owned()),
            }
        });
        whole(log, dlq, |record| {
            out.dead_letters += 1;
            let header = |name: &str| {
                let value = record.header(&format!("tidemark.error.{name}"));
                String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
            };
            let number = |name: &str| header(name).parse().unwrap_or(u64::MAX);
            let place = (number("partition") as u32, number("offset"));
            out.repeated += u64::from(seen(&header("topic"), place, &mut out.faults));
        });
        for (partition, offset) in missing.iter().take(5) {
            let n = missing.len();
            out.faults.push(format!("{partition}/{offset} was lost, one of {n} records"));
        }
        out
    }
}
