//! A job of one or more shards on a watched log, driven by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidemark::app;
use tidemark::config::Config;
use tidemark::intake::{Stored, read_stored};
use tidemark::ledger::Ledger;
use tidemark::log::{Log, Offset, Outgoing, Partition, Record, TopicPartition};
use tidemark::model::time::Timestamp;
use tidemark::runtime::images::{Images, Manifest};
use tidemark::runtime::{Context, Fault, STAGES, Worker};

use crate::instance::{Clocks, context};
use crate::watched::Watched;

/// 2026-04-01.
const NOW: Timestamp = Timestamp(1_775_001_600_000_000);

pub struct Job {
    pub log: Watched,
    pub config: Arc<Config>,
    clocks: Clocks,
    fed: u64,
}

/// A stage of an instance.
pub struct Owner {
    pub context: Context,
    worker: Box<dyn Worker>,
}

pub fn config(more: &str) -> Arc<Config> {
    let text = format!(
        "[app]\nname = \"job\"\n[topology]\nshards = 1\npartitions = 1\n\
         [segments]\nsets = [\"overall\", \"territory\"]\n[slices]\nday_retention = \"forever\"\n{more}"
    );
    Arc::new(Config::from_toml(&text, "job.toml", std::iter::empty()).unwrap())
}

/// A directory in which the only rep belongs to a territory.
pub fn directory(territory: &str) -> Arc<Config> {
    config(&format!("[[directory.rep]]\nid = \"r1\"\nterritory = \"{territory}\"\n"))
}

impl Job {
    pub fn new(config: Arc<Config>) -> Job {
        let log = Watched::default();
        app::create_topics(&config, &log).unwrap();
        Job { log, config, clocks: Clocks::new(NOW), fed: 0 }
    }

    /// One whose first owner has folded ten events and taken an image.
    pub fn with_image(config: Arc<Config>) -> Job {
        let mut job = Job::new(config);
        job.feed(10);
        job.settle(&mut job.owner()).unwrap();
        assert_eq!(job.best().0.next, 10);
        job
    }

    pub fn context(&self) -> Context {
        context(&self.config, Arc::new(self.log.clone()), &self.clocks)
    }

    pub fn owner(&self) -> Owner {
        self.stage("ledger")
    }

    pub fn stage(&self, name: &str) -> Owner {
        let context = self.context();
        let open = STAGES.iter().find(|(stage, _)| *stage == name).unwrap().1;
        Owner { worker: open(&context).unwrap(), context }
    }

    /// Appends events to every shard.
    pub fn feed(&mut self, n: u64) {
        for i in self.fed..self.fed + n {
            let (day, rep) = (1 + i % 28, 1 + i % 5);
            let text = format!(
                r#"{{"id":"e{i}","entity":{{"type":"deal","id":"d{i}"}},"op":"create","time":"2026-03-{day:02}T10:00:00Z","set":{{"owner":"r{rep}","status":"won","amount":{{"value":"{i}.50","currency":"EUR"}}}}}}"#
            );
            self.event(text.as_bytes());
        }
        self.fed += n;
    }

    /// Appends a record to every shard.
    pub fn event(&self, value: &[u8]) {
        for shard in 0..self.config.definition.shards {
            self.append(&self.config.topics().events, shard, "k", Some(value.to_vec()));
        }
    }

    pub fn append(&self, topic: &str, partition: u32, key: &str, value: Option<Vec<u8>>) {
        let out = Outgoing {
            topic: topic.into(),
            partition: Partition(partition),
            key: Some(key.into()),
            value,
            headers: Vec::new(),
        };
        self.log.inner.append(out, None).unwrap();
    }

    pub fn put(&self, key: &str, value: Option<Vec<u8>>) {
        self.append(&self.config.topics().images, 0, key, value);
    }

    pub fn pass(&self, millis: u64) {
        self.clocks.pass(millis);
    }

    /// Lets an owner work until there is nothing to do, an image included.
    pub fn settle(&self, owner: &mut Owner) -> Result<(), Fault> {
        for _ in 0..4 {
            owner.step()?;
        }
        self.pass(700_000);
        owner.step()
    }

    /// All events before an offset are gone: who does not restore beyond it must refuse.
    pub fn trim(&self, below: u64) {
        let events = TopicPartition::new(self.config.topics().events.as_str(), 0);
        self.log.inner.truncate(&events, Offset(below)).unwrap();
    }

    pub fn records(&self, topic: &str, partition: u32) -> Vec<Record> {
        let mut reader = self.log.inner.reader().unwrap();
        let at = TopicPartition::new(topic, partition);
        let start = reader.bounds(&at).unwrap().start;
        reader.assign(&[(at, start)]).unwrap();
        let mut out = Vec::new();
        while reader.poll(10_000, Duration::ZERO, &mut out).unwrap() > 0 {}
        out
    }

    /// What a compaction would leave of the images.
    pub fn live(&self) -> BTreeMap<String, Vec<u8>> {
        let mut out = BTreeMap::new();
        for record in self.records(&self.config.topics().images, 0) {
            let key = String::from_utf8(record.key.unwrap()).unwrap();
            match record.value {
                Some(value) => out.insert(key, value),
                None => out.remove(&key),
            };
        }
        out
    }

    /// All complete images, best last.
    pub fn complete(&self) -> Vec<(Manifest, Vec<u8>)> {
        let live = self.live();
        let manifests = live.iter().filter(|(key, _)| key.starts_with("manifest|"));
        let mut out: Vec<(Manifest, Vec<u8>)> = manifests
            .filter_map(|(_, json)| {
                let manifest: Manifest = serde_json::from_slice(json).unwrap();
                let key = |i| format!("chunk|{}|{i}", manifest.image);
                let chunks: Option<Vec<_>> =
                    (0..manifest.chunks).map(|i| live.get(&key(i)).cloned()).collect();
                Some((manifest, chunks?.concat()))
            })
            .collect();
        out.sort_by_key(|(m, _)| (m.epoch, m.next));
        out
    }

    pub fn best(&self) -> (Manifest, Vec<u8>) {
        self.complete().pop().expect("a complete image")
    }

    /// The shard as a fold of the first events alone.
    pub fn folded(&self, config: &Config, next: u64) -> Ledger {
        let definition = Arc::new(config.definition.clone());
        let mut ledger = Ledger::new(definition.clone(), Partition(0));
        for record in self.records(&config.topics().events, 0) {
            match read_stored(&record, &definition.calendar) {
                Ok(Stored::Event(event)) if record.offset < Offset(next) => {
                    ledger.note_tail(record.mark());
                    ledger.apply(record.offset, &event);
                }
                _ => {}
            }
        }
        ledger
    }

    /// An image of a ledger, as a zombie writes it that has seen nothing of the others.
    pub fn write(&self, ledger: &Ledger) -> Manifest {
        let context = self.context();
        let (mut writer, mut reader) = (self.log.writer().unwrap(), self.log.reader().unwrap());
        let mut images = Images::none(&context, Partition(0));
        images.write(&context, &mut *writer, &mut *reader, (ledger, 0)).unwrap().clone()
    }
}

impl Owner {
    pub fn step(&mut self) -> Result<(), Fault> {
        self.worker.step()
    }

    pub fn finish(self) -> Result<(), Fault> {
        self.worker.finish()
    }

    /// The value of a metric, summed over its labels.
    pub fn metric(&self, name: &str) -> f64 {
        let families = self.context.telemetry.registry().gather();
        let family = families.iter().find(|f| f.name() == name).expect("it is declared");
        let values = family.get_metric().iter();
        values.map(|m| m.get_counter().get_value() + m.get_gauge().get_value()).sum()
    }

    pub fn check(&self, name: &str) -> Result<(), String> {
        let checks = self.context.health.checks();
        checks.into_iter().find(|(n, _)| n == name).map_or(Err("unknown".to_owned()), |(_, s)| s)
    }
}
