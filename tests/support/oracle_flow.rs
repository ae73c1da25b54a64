//! The whole flow in memory: a log a shard, a compacted topic of partials a partition, the newest
//! row a key. Every step is explicit, so that a test decides what is read, lost, or read twice.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use tidemark::intake::{
    Decoder, Stored, beat_key, encode_event, encode_heartbeat, encode_lost, lost_key, read_stored,
};
use tidemark::ledger::{Applied, Ledger};
use tidemark::model::definition::Definition;
use tidemark::model::event::shard_of;
use tidemark::model::partial::{PartialMessage, cell_key};
use tidemark::model::record::{Offset, Partition, Record};
use tidemark::model::row::Pane;
use tidemark::model::time::Timestamp;
use tidemark::model::watermark::{Heartbeat, Lost};
use tidemark::rollup::{Merged, Rollup};

use crate::oracle::{Rows, decoder_of, record, told_of};

/// A record of a compacted topic: key, and value or tombstone.
pub type Compacted = (String, Option<Vec<u8>>);

pub struct Flow {
    pub definition: Arc<Definition>,
    pub decoder: Decoder,
    /// The events topic, a log a shard.
    pub logs: Vec<Vec<Record>>,
    pub ledgers: Vec<Ledger>,
    /// The partials topic, a log a partition.
    pub partials: Vec<Vec<Compacted>>,
    pub rollups: Vec<Rollup>,
    merged: Vec<usize>,
    /// The results topic, compacted.
    pub results: BTreeMap<String, String>,
    /// What the last tick wrote.
    pub written: Vec<(String, String)>,
    pub now: Timestamp,
}

impl Flow {
    pub fn new(definition: Definition, now: Timestamp) -> Flow {
        let definition = Arc::new(definition);
        let (shards, partitions) = (definition.shards, definition.partitions);
        Flow {
            decoder: decoder_of(&definition),
            logs: vec![Vec::new(); shards as usize],
            ledgers: (0..shards).map(|s| Ledger::new(definition.clone(), Partition(s))).collect(),
            partials: vec![Vec::new(); partitions as usize],
            rollups: (0..partitions)
                .map(|p| Rollup::new(definition.clone(), Partition(p), now))
                .collect(),
            merged: vec![0; partitions as usize],
            results: BTreeMap::new(),
            written: Vec::new(),
            now,
            definition,
        }
    }

    /// Intake: a source record becomes events in the logs of their shards.
    pub fn accept(&mut self, source: &Record) {
        let taken = self.decoder.take(source, None);
        assert!(taken.dead_letters.is_empty(), "{:?}", taken.dead_letters);
        for event in &taken.events {
            let shard = shard_of(&event.key(), self.definition.shards).0 as usize;
            self.append(shard, event.key(), encode_event(event));
        }
    }

    /// Intake: progress of a source partition goes to every shard.
    pub fn beat(&mut self, beat: &Heartbeat) {
        for shard in 0..self.logs.len() {
            self.append(shard, beat_key(beat), encode_heartbeat(beat));
        }
    }

    /// Intake: a loss goes to every shard.
    pub fn lose(&mut self, lost: &Lost) {
        for shard in 0..self.logs.len() {
            self.append(shard, lost_key(lost), encode_lost(lost));
        }
    }

    fn append(&mut self, shard: usize, key: String, value: Vec<u8>) {
        let text = String::from_utf8(value).expect("JSON is UTF-8");
        let log = &mut self.logs[shard];
        log.push(Record { key: Some(key.into_bytes()), ..record(log.len() as u64, text) });
    }

    /// Folds what a shard has not read yet, at most `limit` records.
    pub fn fold(&mut self, shard: usize, limit: usize) -> Vec<Applied> {
        let (ledger, log) = (&mut self.ledgers[shard], &self.logs[shard]);
        let from = ledger.next().0 as usize;
        let mut out = Vec::new();
        for record in log[from..].iter().take(limit) {
            match read_stored(record, self.definition.dates()).expect("written by intake") {
                Stored::Event(event) => out.push(ledger.apply(record.offset, &event)),
                Stored::Beat(beat) => ledger.beat(record.offset, &beat),
                Stored::Lost(lost) => ledger.lose(record.offset, &lost),
            }
        }
        out
    }

    pub fn fold_all(&mut self) -> Vec<Applied> {
        (0..self.ledgers.len()).flat_map(|s| self.fold(s, usize::MAX)).collect()
    }

    /// A shard writes its changed cells and its progress.
    pub fn publish(&mut self, shard: usize) {
        let out = self.ledgers[shard].publish();
        for partial in out.cells {
            let partition = partial.segment.partition(self.definition.partitions).0;
            self.send(partition, PartialMessage::Cell(partial));
        }
        for (segment, slice) in out.expired {
            let partition = segment.partition(self.definition.partitions).0 as usize;
            let key = cell_key(shard as u32, &segment, slice);
            self.partials[partition].push((key, None));
        }
        for partition in 0..self.definition.partitions {
            let beat = PartialMessage::Beat(self.ledgers[shard].progress());
            self.send(partition, beat);
        }
    }

    fn send(&mut self, partition: u32, message: PartialMessage) {
        let value = (message.key(), Some(message.encode()));
        self.partials[partition as usize].push(value);
    }

    pub fn publish_all(&mut self) {
        (0..self.ledgers.len()).for_each(|s| self.publish(s));
    }

    /// A rollup reads what it has not read yet.
    pub fn merge_all(&mut self) {
        for (p, rollup) in self.rollups.iter_mut().enumerate() {
            for (i, message) in self.partials[p].iter().enumerate().skip(self.merged[p]) {
                merge(rollup, i, message);
            }
            self.merged[p] = self.partials[p].len();
        }
    }

    /// The rollups move to `now` and write what is due.
    pub fn tick(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        self.written.clear();
        for rollup in &mut self.rollups {
            for row in rollup.tick(self.now) {
                assert_eq!(Pane::parse(status_of(&row.json)), Some(row.pane));
                self.results.insert(row.key.clone(), row.json.clone());
                self.written.push((row.key, row.json));
            }
        }
    }

    /// Everything that was accepted comes out: fold, publish, merge, tick.
    pub fn settle(&mut self, now: Timestamp) -> Vec<Applied> {
        let applied = self.fold_all();
        self.publish_all();
        self.merge_all();
        self.tick(now);
        applied
    }

    /// A ledger is lost: its successor starts from an image (or from nothing) and reads on.
    pub fn restart_ledger(&mut self, shard: usize, image: Option<&[u8]>) {
        let (definition, partition) = (self.definition.clone(), Partition(shard as u32));
        self.ledgers[shard] = match image {
            Some(bytes) => Ledger::restore(definition, partition, bytes).expect("a whole image"),
            None => Ledger::new(definition, partition),
        };
        self.fold(shard, usize::MAX);
        self.ledgers[shard].re_emit();
    }

    /// The rollups are lost: their successors read the compacted topics.
    pub fn restart_rollups(&mut self) {
        for p in 0..self.rollups.len() {
            let partition = Partition(p as u32);
            let mut rollup = Rollup::new(self.definition.clone(), partition, self.now);
            for (key, json) in &self.results {
                let pane = Pane::parse(status_of(json)).expect("one of three");
                let incomplete = is_incomplete(json);
                rollup.seen(key, told_of(json), incomplete, pane, revision_of(json));
            }
            let newest = compact(&self.partials[p]);
            for i in newest {
                merge(&mut rollup, i, &self.partials[p][i]);
            }
            self.merged[p] = self.partials[p].len();
            self.rollups[p] = rollup;
        }
    }

    /// Every window of every segment, as it stands.
    pub fn rows(&self) -> Rows {
        let mut out = Rows::default();
        let first = self.rollups.iter().filter_map(Rollup::first_day).min();
        for rollup in &self.rollups {
            for row in rollup.pane_rows(false) {
                out.take(&row);
            }
            for row in first.iter().flat_map(|day| rollup.calendar_rows(*day)) {
                out.take(&row);
            }
        }
        out
    }

    pub fn watermark(&self) -> Option<Timestamp> {
        self.rollups[0].watermark()
    }
}

/// Merges one record of the partials topic.
pub fn merge(rollup: &mut Rollup, offset: usize, (key, value): &Compacted) {
    match value {
        None => rollup.forget(Offset(offset as u64), key),
        Some(bytes) => {
            let message = PartialMessage::decode(bytes).expect("written by a ledger");
            let merged = rollup.merge(Offset(offset as u64), message);
            assert!(!matches!(merged, Merged::Foreign { .. }));
        }
    }
}

/// The places of the records that compaction keeps: the newest a key, no tombstones.
pub fn compact(log: &[Compacted]) -> Vec<usize> {
    let newest: BTreeMap<&str, usize> =
        log.iter().enumerate().map(|(i, (k, _))| (k.as_str(), i)).collect();
    let mut out: Vec<usize> = newest.into_values().filter(|i| log[*i].1.is_some()).collect();
    out.sort_unstable();
    out
}

fn field<'a>(json: &'a str, name: &str) -> &'a str {
    let head = &json[..json.find("\"kpis\":").expect("a row has KPIs")];
    let from = head.rfind(name).expect("a row has it") + name.len();
    let rest = &head[from..];
    rest[..rest.find(',').expect("more follows")].trim_matches('"')
}

/// Whether a row says that it may lack something.
pub fn is_incomplete(json: &str) -> bool {
    json.contains(",\"incomplete\":true,")
}

pub fn status_of(json: &str) -> &str {
    field(json, "\"status\":")
}

pub fn revision_of(json: &str) -> u64 {
    field(json, "\"revision\":").parse().expect("a number")
}
