//! One seeded schedule.

use std::sync::Arc;

use tidemark::app;
use tidemark::config::Config;
use tidemark::log::memory::MemoryLog;
use tidemark::log::{Offset, Outgoing, Partition};
use tidemark::model::time::{Span, Timestamp};
use tidemark::runtime::{Context, Fault, STAGES, Worker};
use tidemark::world::{World, WorldSettings};

use super::dice::{Dice, Faults};
use super::faulty::{FaultyLog, Mishaps};
use super::witness::{Witness, records};
use crate::instance::{Clocks, context};
use crate::rows;

const CONFIG: &str = "[app]\nname = \"sim\"\n[[sources]]\nname = \"crm\"\ntopics = [\"source\"]\n\
    [topology]\nshards = 3\npartitions = 2\n[time]\nidle_after = \"2s\"\n\
    [windows]\nrolling = [\"28d\"]\ncalendar = [\"day\", \"week\", \"month\"]\n\
    [segments]\nsets = [\"overall\", \"rep\", \"territory\"]\n[money]\ncurrency = \"EUR\"\n\
    [publish]\nemit_interval = \"300ms\"\nimage_interval = \"3s\"\nrepair_interval = \"4s\"\n";

const SOURCES: u32 = 3;
const MOST_INSTANCES: usize = 3;

/// A process: its stages, each of which may be down.
struct Instance {
    context: Context,
    log: FaultyLog,
    clocks: Clocks,
    stages: Vec<Option<Box<dyn Worker>>>,
    frozen: bool,
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
    witness: Witness,
}

impl Schedule {
    pub fn new(seed: u64) -> Schedule {
        let mut dice = Dice::new(seed);
        // Half of the schedules have no repair, so that what a takeover alone must mend is seen.
        let never = CONFIG.replace("repair_interval = \"4s\"", "repair_interval = \"10h\"");
        let text = if seed.is_multiple_of(2) { CONFIG } else { never.as_str() };
        let config = Config::from_toml(text, "sim.toml", std::iter::empty()).unwrap();
        let log = MemoryLog::default();
        app::create_sources(&config, &log, SOURCES).unwrap();
        app::create_topics(&config, &log).unwrap();
        // Noon of 2026-01-01: the schedule must not depend on the day on which it runs.
        let now = Timestamp(1_767_268_800_000_000);
        let mut world = World::new(WorldSettings {
            seed,
            // Of long ago, or so young that cohorts are not of age.
            start: now - Span::days(if dice.roll(2) == 0 { 150 } else { 20 }),
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
            witness: Witness::default(),
        }
    }

    /// Runs the schedule; an error says what is wrong.
    pub fn run(mut self) -> Result<Faults, String> {
        self.join();
        while !self.pending.is_empty() {
            self.happen();
        }
        // Quiet at last: every stage works until nothing moves any more.
        if self.instances.is_empty() {
            self.join();
        }
        for i in 0..self.instances.len() {
            self.thaw(i);
            self.instances[i].log.calm();
            self.instances[i].clocks.jump_to(0);
        }
        self.settle(25);
        let now = self.clocks.now();
        let expected = rows::expected_at(&self.config, &self.fed, now);
        self.witness.look(&self.log, &self.config)?;
        self.witness.compare(&expected, now).map_err(|why| format!("at rest: {why}"))?;
        self.witness.covers(&self.log, &self.config)?;
        // It costs as much as all before it.
        if self.dice.roll(4) == 0 {
            self.after_compaction()?;
        }
        for instance in &self.instances {
            note(&mut self.faults, &instance.log);
        }
        Ok(self.faults)
    }

    fn settle(&mut self, rounds: u32) {
        for _ in 0..rounds {
            self.clocks.pass(400);
            for i in 0..self.instances.len() {
                (0..STAGES.len()).for_each(|stage| self.step(i, stage));
            }
        }
    }

    /// What is left once the log has forgotten all that it may forget tells a newcomer the same.
    fn after_compaction(&mut self) -> Result<(), String> {
        self.settle(40);
        self.compact();
        self.instances.clear();
        self.join();
        self.instances[0].log.calm();
        self.settle(25);
        let mut newcomer = Witness::default();
        newcomer.look(&self.log, &self.config)?;
        let now = self.clocks.now();
        let expected = rows::expected_at(&self.config, &self.fed, now);
        newcomer.compare(&expected, now).map_err(|why| format!("after compaction: {why}"))
    }

    fn happen(&mut self) {
        match self.dice.roll(1000) {
            0..590 => {
                let (i, stage) = self.any_stage();
                self.step(i, stage);
            }
            590..770 => self.feed(),
            770..880 => {
                let millis = self.dice.roll(700);
                self.clocks.pass(millis);
            }
            880..895 => self.crash(),
            895..910 => {
                let (i, stage) = self.any_stage();
                self.instances[i].stages[stage] = None;
                self.faults.note("stage crashes", 1);
            }
            910..920 => self.leave(),
            920..940 if self.instances.len() < MOST_INSTANCES => self.join(),
            940..955 => self.compact(),
            955..970 => self.freeze(),
            970..978 => self.jump(),
            978..982 => self.poison(),
            _ => self.repeat(),
        }
        for instance in self.instances.iter().filter(|i| i.frozen) {
            let most = self.dice.roll(4);
            instance.log.land(most);
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
        if self.instances[i].frozen {
            if self.dice.roll(6) == 0 {
                self.thaw(i);
            }
            return;
        }
        let Instance { context, stages, .. } = &mut self.instances[i];
        let name = STAGES[stage].0;
        let slot = &mut stages[stage];
        let done = match slot {
            Some(worker) => worker.step(),
            None => (STAGES[stage].1)(context).and_then(|worker| slot.insert(worker).step()),
        };
        match done {
            Ok(()) => {}
            // What a supervisor does: it starts again from the log.
            Err(Fault::Log(_) | Fault::ClockWentBack(_)) => *slot = None,
            // In this world nothing is ever refused.
            Err(fault) => panic!("{name}: {fault}"),
        }
    }

    fn join(&mut self) {
        let clocks = self.clocks.of_another_machine();
        let log = FaultyLog::new(&self.log, &self.clocks, self.dice.roll(u64::MAX));
        let context = context(&self.config, Arc::new(log.clone()), &clocks);
        let stages = STAGES.iter().map(|_| None).collect();
        self.instances.push(Instance { context, log, clocks, stages, frozen: false });
        self.faults.note("joins", 1);
    }

    /// All stages are gone in the middle of whatever they did.
    fn crash(&mut self) {
        let (i, _) = self.any_stage();
        let instance = self.instances.swap_remove(i);
        let log = instance.log.clone();
        drop(instance);
        // What a frozen one had sent may be on its way still.
        log.land(self.dice.roll(50));
        note(&mut self.faults, &log);
        self.faults.note("crashes", 1);
    }

    fn leave(&mut self) {
        let (i, _) = self.any_stage();
        self.thaw(i);
        let instance = self.instances.swap_remove(i);
        let log = instance.log.clone();
        for stage in instance.stages.into_iter().flatten() {
            // One that cannot finish is a crash.
            let _ = stage.finish();
        }
        note(&mut self.faults, &log);
        self.faults.note("leaves", 1);
    }

    /// An instance loses its sessions in the middle of a round of all its stages: what it writes in
    /// it lands when others have taken over.
    fn freeze(&mut self) {
        let (i, _) = self.any_stage();
        if self.instances[i].frozen {
            return;
        }
        self.instances[i].log.freeze();
        for _ in 0..=self.dice.roll(2) {
            (0..STAGES.len()).for_each(|stage| self.step(i, stage));
        }
        self.instances[i].frozen = true;
        self.faults.note("freezes", 1);
    }

    fn thaw(&mut self, i: usize) {
        self.instances[i].frozen = false;
        self.instances[i].log.thaw();
    }

    /// The wall clock of one machine is wrong from now on.
    fn jump(&mut self) {
        let (i, _) = self.any_stage();
        // Ahead by days, which ages what is kept; behind by an hour at most: a day behind shows
        // windows that a right clock never would.
        let ahead = [1_000, 3_600_000, 86_400_000 * 20][self.dice.roll(3) as usize];
        let skew = self.dice.roll(ahead + 3_600_000) as i64 - 3_600_000;
        self.instances[i].clocks.jump_to(skew);
        self.faults.note("clock jumps", 1);
    }

    /// A record that is no event.
    fn poison(&mut self) {
        let partition = self.dice.roll(u64::from(SOURCES)) as u32;
        self.append("source", partition, None, Some(b"{\"id\":1,".to_vec()));
        self.faults.note("poison records", 1);
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
        self.log.append(out, Some(self.clocks.now().0 / 1000)).unwrap();
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
        let records = records(&self.log, &topic, partition, Offset(0));
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
        self.faults.note(if stale { "stale writes" } else { "repetitions" }, 1);
    }

    /// The log forgets superseded records, as far as the compaction lag lets it; images at once.
    fn compact(&mut self) {
        // What goes is looked at first.
        self.witness.look(&self.log, &self.config).unwrap_or_else(|why| panic!("{why}"));
        let topics = self.config.topics();
        let lag = 2 * self.config.publish.repair_interval.as_millis() as i64;
        let moment = self.clocks.now().0 / 1000 - lag;
        for topic in [&topics.partials, &topics.kpis] {
            self.log.compact_before(topic, moment);
        }
        self.log.compact(&topics.images);
        self.faults.note("compactions", 1);
    }
}

fn note(faults: &mut Faults, log: &FaultyLog) {
    let Mishaps { failures, lost_acks, torn_writes, landed_late } = log.mishaps();
    faults.note("failed calls", failures);
    faults.note("lost acknowledgements", lost_acks);
    faults.note("torn writes", torn_writes);
    faults.note("late landings", landed_late);
}
