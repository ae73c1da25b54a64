//! A reader beside the schedule: keeps what it saw, and holds it against what is promised.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use tidemark::config::Config;
use tidemark::log::memory::MemoryLog;
use tidemark::log::{Log, Offset, Record, TopicPartition};
use tidemark::model::measure::Measures;
use tidemark::model::partial::PartialMessage;
use tidemark::model::time::Timestamp;

use crate::rows;

/// The records of a partition from an offset on.
pub fn records(log: &MemoryLog, topic: &str, partition: u32, from: Offset) -> Vec<Record> {
    let mut reader = log.reader().unwrap();
    let at = TopicPartition::new(topic, partition);
    let start = reader.bounds(&at).unwrap().start.max(from);
    reader.assign(&[(at, start)]).unwrap();
    let mut out = Vec::new();
    while reader.poll(10_000, Duration::ZERO, &mut out).unwrap() > 0 {}
    out
}

#[derive(serde::Deserialize)]
struct Seen<'a> {
    version: u64,
    as_of: Option<&'a str>,
    #[serde(borrow)]
    kpis: &'a RawValue,
}

#[derive(Default)]
pub struct Witness {
    next: BTreeMap<(String, u32), Offset>,
    /// The value of each cell at each version.
    partials: BTreeMap<(String, u64), Measures>,
    /// Deals won and revenue of each calendar row at each version.
    flows: BTreeMap<(String, u64), (Value, Value)>,
    /// The highest row of each key.
    rows: BTreeMap<String, (u64, Option<Timestamp>, String)>,
}

impl Witness {
    /// Reads on. An error where one version has two values: then a reader that keeps the highest
    /// version would see what is left to chance.
    pub fn look(&mut self, log: &MemoryLog, config: &Config) -> Result<(), String> {
        let topics = config.topics();
        for partition in 0..config.definition.partitions {
            for record in self.read(log, &topics.partials, partition) {
                let Some(value) = &record.value else { continue };
                let Ok(PartialMessage::Cell(cell)) = PartialMessage::decode(value) else {
                    continue;
                };
                let key = String::from_utf8_lossy(record.key.as_deref().unwrap()).into_owned();
                let known = self.partials.entry((key, cell.version));
                let name = format!("{:?}", known.key());
                if *known.or_insert_with(|| cell.measures.clone()) != cell.measures {
                    return Err(format!("two values of one version: partial {name}"));
                }
            }
            for record in self.read(log, &topics.kpis, partition) {
                self.row(&record)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, log: &MemoryLog, topic: &str, partition: u32) -> Vec<Record> {
        let next = self.next.entry((topic.to_owned(), partition)).or_default();
        let out = records(log, topic, partition, *next);
        if let Some(last) = out.last() {
            *next = last.offset.next();
        }
        out
    }

    fn row(&mut self, record: &Record) -> Result<(), String> {
        let (Some(key), Some(value)) = (&record.key, &record.value) else { return Ok(()) };
        let key = String::from_utf8_lossy(key).into_owned();
        if !key.split('|').next().is_some_and(|window| window.contains(':')) {
            return Ok(());
        }
        let row: Seen<'_> = serde_json::from_slice(value).unwrap();
        let kpis: Value = serde_json::from_str(row.kpis.get()).unwrap();
        let flows = (kpis["deals_won"].clone(), kpis["revenue"].clone());
        let known = self.flows.entry((key.clone(), row.version)).or_insert_with(|| flows.clone());
        if *known != flows {
            return Err(format!(
                "two values of version {}: row {key}: {known:?}, {flows:?}",
                row.version
            ));
        }
        let as_of = row.as_of.and_then(Timestamp::parse_rfc3339);
        let held = self.rows.entry(key).or_default();
        if (row.version, as_of) >= (held.0, held.1) {
            *held = (row.version, as_of, row.kpis.get().to_owned());
        }
        Ok(())
    }

    /// The highest rows against the expected ones. A machine whose clock was ahead showed windows
    /// that have not begun; they are out of sight until they do.
    pub fn compare(&self, expected: &rows::Expected, now: Timestamp) -> Result<(), String> {
        if expected.telling.is_empty() {
            return Err("nothing is expected: the schedule proves nothing".to_owned());
        }
        let begun = |key: &str| {
            let start = key.split('|').next().and_then(|window| window.split_once(':'));
            start.and_then(|(_, at)| Timestamp::parse_rfc3339(at)).is_some_and(|at| at < now)
        };
        let rows = self.rows.iter().filter(|(key, _)| begun(key));
        let held = rows.map(|(key, (.., kpis))| (key.clone(), kpis.clone()));
        expected.compare(&held.collect())
    }

    /// Every record of the sources is an event or a dead letter, and nothing else is.
    pub fn covers(&self, log: &MemoryLog, config: &Config) -> Result<(), String> {
        let topics = config.topics();
        let all = |topic: &str| -> Vec<Record> {
            let partitions = log.describe(topic).unwrap().unwrap().partitions;
            (0..partitions).flat_map(|p| records(log, topic, p, Offset(0))).collect()
        };
        let place = |r: &Record| format!("{}/{}/{}", r.topic, r.partition, r.offset);
        // Test data is left out on purpose, and counted.
        let is_test = |r: &Record| {
            let event = serde_json::from_slice::<Value>(r.value.as_deref().unwrap_or_default());
            let flags = event.ok().and_then(|e| e["flags"].as_array().cloned());
            flags.is_some_and(|flags| flags.contains(&"test".into()))
        };
        let fed: BTreeSet<String> =
            all("source").iter().filter(|r| !is_test(r)).map(place).collect();
        let mut made = BTreeSet::new();
        for record in all(&topics.events) {
            let event: Value = serde_json::from_slice(&record.value.unwrap()).unwrap();
            let raw = &event["raw"];
            if let Some(topic) = raw["topic"].as_str() {
                made.insert(format!("{topic}/{}/{}", raw["partition"], raw["offset"]));
            }
        }
        for record in all(&topics.dlq) {
            let id = record.header("tidemark.error.id").expect("every dead letter has an id");
            made.insert(String::from_utf8_lossy(id).into_owned());
        }
        if let Some(lost) = fed.difference(&made).next() {
            return Err(format!("{lost} was fed, and is neither an event nor a dead letter"));
        }
        match made.difference(&fed).next() {
            None => Ok(()),
            Some(foreign) => Err(format!("{foreign} was never fed, and something came of it")),
        }
    }
}
