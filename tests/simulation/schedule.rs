//! One seeded schedule.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tidemark::app;
use tidemark::config::Config;
use tidemark::log::memory::MemoryLog;
use tidemark::log::{Log, Outgoing, Partition, Record, TopicPartition};
use tidemark::model::time::{Span, Timestamp};
use tidemark::runtime::{Context, STAGES, Worker};
use tidemark::world::{World, WorldSettings};

use crate::instance::{Clocks, context};
use crate::rows;

const CONFIG: &str = "[app]\nname = \"sim\"\n[[sources]]\nname = \"crm\"\ntopics = [\"source\"]\n\
    [topology]\nshards = 3\npartitions = 2\n[time]\nidle_after = \"2s\"\n\
    [windows]\nrolling = [\"28d\"]\ncalendar = [\"day\", \"week\", \"month\"]\n\
    [segments]\nsets = [\"overall\", \"rep\", \"territory\"]\n[money]\ncurrency = \"EUR\"\n\
    [publish]\nemit_interval = \"300ms\"\nimage_interval = \"3s\"\nrepair_interval = \"20s\"\n";

const SOURCES: u32 = 3;
const MOST_INSTANCES: usize = 3;

/// How often each fault happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub crashes: u64,
    pub stage_crashes: u64,
    pub leaves: u64,
    pub joins: u64,
    pub repetitions: u64,
    pub stale_writes: u64,
    pub compactions: u64,
}

impl Faults {
    fn counts(&self) -> [u64; 7] {
        [
            self.crashes,
            self.stage_crashes,
            self.leaves,
            self.joins,
            self.repetitions,
            self.stale_writes,
            self.compactions,
        ]
    }

    pub fn plus(self, o: Faults) -> Faults {
        Faults {
            crashes: self.crashes + o.crashes,
            stage_crashes: self.stage_crashes + o.stage_crashes,
            leaves: self.leaves + o.leaves,
            joins: self.joins + o.joins,
            repetitions: self.repetitions + o.repetitions,
            stale_writes: self.stale_writes + o.stale_writes,
            compactions: self.compactions + o.compactions,
        }
    }

    pub fn all_happened(&self) -> bool {
        self.counts().iter().all(|n| *n > 0)
    }
}

/// SplitMix64: small, seeded, the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below.max(1)
    }
}

/// A process: its stages, each of which may be down.
struct Instance {
    context: Context,
    stages: Vec<Option<Box<dyn Worker>>>,
}

pub struct Schedule {
    dice: Dice,
    log: MemoryLog,
    config: Arc<Config>,
    clocks: Clocks,
    instances: Vec<Instance>,
    pending: Vec<String>,
    fed: Vec<String>,
    faults: Faults,
}

impl Schedule {
    pub fn new(seed: u64) -> Schedule {
        let mut dice = Dice(seed.wrapping_mul(0x2545_F491_4F6C_DD1D));
        let config = Config::from_toml(CONFIG, "sim.toml", std::iter::empty()).unwrap();
        let log = MemoryLog::default();
        app::create_sources(&config, &log, SOURCES).unwrap();
        app::create_topics(&config, &log).unwrap();
        // 2026-01-01: the schedule must not depend on the day on which it runs.
        let now = Timestamp(1_767_225_600_000_000);
        let mut world = World::new(WorldSettings {
            seed,
            start: now - Span::days(150),
            days: Some(4),
            opening_days: 10,
            reps: 3,
            territories: 2,
            deals_per_day: 2.0,
            ..WorldSettings::default()
        });
        let mut pending: Vec<String> =
            std::iter::from_fn(|| world.next_before(now)).map(|a| a.json).take(150).collect();
        for i in (1..pending.len()).rev() {
            pending.swap(i, dice.roll(i as u64 + 1) as usize);
        }
        Schedule {
            dice,
            log,
            config: Arc::new(config),
            clocks: Clocks::new(now),
            instances: Vec::new(),
            pending,
            fed: Vec::new(),
            faults: Faults::default(),
        }
    }

    /// Runs the schedule; an error says how the rows differ.
    pub fn run(mut self) -> Result<Faults, String> {
        self.join();
        while !self.pending.is_empty() {
            self.happen();
        }
        // Quiet at last: every stage works until nothing moves any more.
        if self.instances.is_empty() {
            self.join();
        }
        for _ in 0..25 {
            self.clocks.pass(400);
            for i in 0..self.instances.len() {
                for stage in 0..STAGES.len() {
                    self.step(i, stage);
                }
            }
        }
        let now = self.clocks.now();
        let expected = rows::expected_at(&self.config, &self.fed, now);
        self.compare(&expected)?;
        Ok(self.faults)
    }

    fn happen(&mut self) {
        match self.dice.roll(100) {
            0..60 => {
                let (i, stage) = self.any_stage();
                self.step(i, stage);
            }
            60..78 => self.feed(),
            78..90 => {
                let millis = self.dice.roll(700);
                self.clocks.pass(millis);
            }
            90..92 => self.crash(),
            92..94 => {
                let (i, stage) = self.any_stage();
                self.instances[i].stages[stage] = None;
                self.faults.stage_crashes += 1;
            }
            94 => self.leave(),
            95..97 if self.instances.len() < MOST_INSTANCES => self.join(),
            97 => self.compact(),
            _ => self.repeat(),
        }
    }

    fn any_stage(&mut self) -> (usize, usize) {
        if self.instances.is_empty() {
            self.join();
        }
        let i = self.dice.roll(self.instances.len() as u64) as usize;
        (i, self.dice.roll(STAGES.len() as u64) as usize)
    }

    /// One round of a stage; one that is down comes up first, one that fails goes down.
    fn step(&mut self, i: usize, stage: usize) {
        let Instance { context, stages } = &mut self.instances[i];
        let worker = match &mut stages[stage] {
            Some(worker) => worker,
            down => down.insert((STAGES[stage].1)(context).unwrap()),
        };
        if let Err(fault) = worker.step() {
            // In this world nothing is ever out of reach or refused.
            panic!("{}: {fault}", STAGES[stage].0);
        }
    }

    fn join(&mut self) {
        let context = context(&self.config, Arc::new(self.log.clone()), &self.clocks);
        self.instances.push(Instance { context, stages: STAGES.iter().map(|_| None).collect() });
        self.faults.joins += 1;
    }

    /// All stages are gone in the middle of whatever they did.
    fn crash(&mut self) {
        let (i, _) = self.any_stage();
        self.instances.swap_remove(i);
        self.faults.crashes += 1;
    }

    fn leave(&mut self) {
        let (i, _) = self.any_stage();
        for stage in self.instances.swap_remove(i).stages.into_iter().flatten() {
            stage.finish().unwrap();
        }
        self.faults.leaves += 1;
    }

    fn feed(&mut self) {
        for _ in 0..=self.dice.roll(8) {
            let Some(event) = self.pending.pop() else { return };
            let partition = self.dice.roll(u64::from(SOURCES)) as u32;
            self.append("source", partition, None, Some(event.clone().into_bytes()));
            self.fed.push(event);
        }
    }

    fn append(&self, topic: &str, partition: u32, key: Option<Vec<u8>>, value: Option<Vec<u8>>) {
        let out = Outgoing {
            topic: topic.into(),
            partition: Partition(partition),
            key,
            value,
            headers: Vec::new(),
        };
        self.log.append(out, None).unwrap();
    }

    fn records(&self, topic: &str, partition: u32) -> Vec<Record> {
        let mut reader = self.log.reader().unwrap();
        let at = TopicPartition::new(topic, partition);
        let start = reader.bounds(&at).unwrap().start;
        reader.assign(&[(at, start)]).unwrap();
        let mut out = Vec::new();
        while reader.poll(10_000, Duration::ZERO, &mut out).unwrap() > 0 {}
        out
    }

    /// An old record appears again at the end of its partition: a repetition of an event or of
    /// progress, a stale partial, or a stale row, as a zombie writes them.
    fn repeat(&mut self) {
        let topics = self.config.topics();
        let (topic, partitions) = match self.dice.roll(4) {
            0 => ("source".to_owned(), SOURCES),
            1 => (topics.events, 3),
            2 => (topics.partials, 2),
            _ => (topics.kpis, 2),
        };
        let partition = self.dice.roll(u64::from(partitions)) as u32;
        let records = self.records(&topic, partition);
        if records.is_empty() {
            return;
        }
        let record = &records[self.dice.roll(records.len() as u64) as usize];
        let stale = topic != "source" && !topic.ends_with(".events");
        // A deletion is no version: only values are written by a zombie that lags behind.
        if record.value.is_none() {
            return;
        }
        self.append(&topic, partition, record.key.clone(), record.value.clone());
        if stale { self.faults.stale_writes += 1 } else { self.faults.repetitions += 1 }
    }

    /// The log forgets superseded records, as far as the compaction lag would let it: a stale
    /// partial or row that was written last is repaired before it is alone, which the lag promises,
    /// so here only images are compacted.
    fn compact(&mut self) {
        self.log.compact(&self.config.topics().images);
        self.faults.compactions += 1;
    }

    /// The rows on the results topic, highest version a key, against the expected ones.
    fn compare(&self, expected: &rows::Expected) -> Result<(), String> {
        #[derive(serde::Deserialize)]
        struct Seen<'a> {
            version: u64,
            as_of: Option<&'a str>,
            #[serde(borrow)]
            kpis: &'a RawValue,
        }
        let mut held: BTreeMap<String, (u64, Option<Timestamp>, String)> = BTreeMap::new();
        for record in (0..2).flat_map(|p| self.records(&self.config.topics().kpis, p)) {
            let (Some(key), Some(value)) = (record.key, record.value) else { continue };
            let row: Seen<'_> = serde_json::from_slice(&value).unwrap();
            let as_of = row.as_of.and_then(Timestamp::parse_rfc3339);
            let entry = held.entry(String::from_utf8(key).unwrap()).or_default();
            if (row.version, as_of) >= (entry.0, entry.1) {
                *entry = (row.version, as_of, row.kpis.get().to_owned());
            }
        }
        if expected.telling.is_empty() {
            return Err("nothing is expected: the schedule proves nothing".to_owned());
        }
        let calendar = held
            .into_iter()
            .filter(|(key, _)| key.split('|').next().is_some_and(|w| w.contains(':')));
        expected.compare(&calendar.map(|(key, (.., kpis))| (key, kpis)).collect())
    }
}
