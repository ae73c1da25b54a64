//! The log as one instance sees it: calls fail, acknowledgements get lost, writes of a dead or frozen
//! instance land late, and a member loses its session without knowing. Everything by seed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tidemark::log::memory::MemoryLog;
use tidemark::log::{
    Bounds, Log, LogError, Member, Offset, Outgoing, Position, Reader, Record, Result, TopicInfo,
    TopicPartition, TopicSpec, Writer,
};

use super::dice::Dice;
use crate::instance::Clocks;

type Seat = Arc<Mutex<Option<Box<dyn Member>>>>;

/// What goes wrong, and how often it did.
#[derive(Default)]
pub struct Mishaps {
    /// Calls that failed.
    pub failures: u64,
    /// Flushes that failed though everything was written.
    pub lost_acks: u64,
    /// Flushes that failed with a part of it written.
    pub torn_writes: u64,
    /// Records that landed after their writer was dead or had lost its partitions.
    pub landed_late: u64,
}

struct State {
    dice: Dice,
    /// Frozen in mid-step: it believes that it owns what it has lost, and what it writes lands later.
    zombie: bool,
    /// Whether calls fail at all.
    trouble: bool,
    limbo: VecDeque<Outgoing>,
    seats: Vec<Seat>,
    mishaps: Mishaps,
}

/// The log of one instance. Clones are the same instance's.
#[derive(Clone)]
pub struct FaultyLog {
    log: MemoryLog,
    clocks: Clocks,
    state: Arc<Mutex<State>>,
}

impl FaultyLog {
    pub fn new(log: &MemoryLog, clocks: &Clocks, seed: u64) -> FaultyLog {
        let state = State {
            dice: Dice::new(seed),
            zombie: false,
            trouble: true,
            limbo: VecDeque::new(),
            seats: Vec::new(),
            mishaps: Mishaps::default(),
        };
        let state = Arc::new(Mutex::new(state));
        FaultyLog { log: log.clone(), clocks: clocks.clone(), state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on nothing fails.
    pub fn calm(&self) {
        self.state().trouble = false;
    }

    /// What happened since the last call.
    pub fn mishaps(&self) -> Mishaps {
        std::mem::take(&mut self.state().mishaps)
    }

    /// The session ends while the instance is in the middle of something.
    pub fn freeze(&self) {
        let seats = {
            let mut state = self.state();
            state.zombie = true;
            state.seats.clone()
        };
        for seat in seats {
            // Dropped outside of our lock: the group is shared anew.
            let member = seat.lock().unwrap().take();
            drop(member);
        }
    }

    /// Some of what it wrote lands, in its order.
    pub fn land(&self, most: u64) {
        for _ in 0..most {
            let Some(out) = self.state().limbo.pop_front() else { return };
            self.state().mishaps.landed_late += 1;
            self.append(out);
        }
    }

    /// The instance goes on: all that it wrote is there, and it will learn what it lost.
    pub fn thaw(&self) {
        self.land(u64::MAX);
        self.state().zombie = false;
    }

    fn append(&self, out: Outgoing) {
        let now = self.clocks.now().0 / 1000;
        self.log.append(out, Some(now)).expect("topics and records are right");
    }

    /// Fails now and then.
    fn chance(&self, one_in: u64, what: &str) -> Result<()> {
        let mut state = self.state();
        if state.trouble && !state.zombie && state.dice.roll(one_in) == 0 {
            state.mishaps.failures += 1;
            return Err(LogError::Unavailable(format!("{what}, as the seed has it")));
        }
        Ok(())
    }
}

impl Log for FaultyLog {
    fn cluster_id(&self) -> Result<String> {
        self.log.cluster_id()
    }

    fn describe(&self, topic: &str) -> Result<Option<TopicInfo>> {
        self.chance(60, "describing")?;
        self.log.describe(topic)
    }

    fn create(&self, spec: &TopicSpec) -> Result<bool> {
        self.log.create(spec)
    }

    fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(FaultyWriter { log: self.clone(), buffer: VecDeque::new() }))
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        self.chance(60, "opening a reader")?;
        Ok(Box::new(FaultyReader { log: self.clone(), inner: self.log.reader()? }))
    }

    fn join(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Member>> {
        // A frozen instance is out of its groups, whatever it opens.
        let member = if self.state().zombie { None } else { Some(self.log.join(group, topics)?) };
        let seat: Seat = Arc::new(Mutex::new(member));
        self.state().seats.push(seat.clone());
        let topics = topics.iter().map(|t| (*t).to_owned()).collect();
        Ok(Box::new(FaultyMember { log: self.clone(), group: group.to_owned(), topics, seat }))
    }
}

/// Records wait in a buffer until some of them, or a flush, send them on.
struct FaultyWriter {
    log: FaultyLog,
    buffer: VecDeque<Outgoing>,
}

impl FaultyWriter {
    /// Sends on what waits; of each partition a part from its front, where it must not be all.
    fn deliver(&mut self, all: bool) {
        let (zombie, mut dice) = {
            let mut state = self.log.state();
            let seed = state.dice.roll(u64::MAX);
            (state.zombie, Dice::new(seed))
        };
        let mut cut: Vec<(Arc<str>, u32)> = Vec::new();
        for out in self.buffer.drain(..) {
            let place = (out.topic.clone(), out.partition.0);
            if !all && (cut.contains(&place) || dice.roll(4) == 0) {
                cut.push(place);
                continue;
            }
            if zombie {
                self.log.state().limbo.push_back(out);
            } else {
                self.log.append(out);
            }
        }
    }
}

impl Writer for FaultyWriter {
    fn send(&mut self, out: Outgoing) -> Result<()> {
        self.log.chance(1_000, "sending")?;
        self.buffer.push_back(out);
        let now = self.log.state().dice.roll(3) == 0;
        if now {
            self.deliver(true);
        }
        Ok(())
    }

    fn flush(&mut self, _within: Duration) -> Result<()> {
        let (trouble, what) = {
            let mut state = self.log.state();
            (state.trouble && !state.zombie && !self.buffer.is_empty(), state.dice.roll(20))
        };
        match what {
            0 if trouble => {
                self.deliver(true);
                self.log.state().mishaps.lost_acks += 1;
                Err(LogError::Unavailable("the acknowledgement was lost".to_owned()))
            }
            1 if trouble => {
                self.deliver(false);
                self.log.state().mishaps.torn_writes += 1;
                Err(LogError::Unavailable("a part was not acknowledged".to_owned()))
            }
            _ => {
                self.deliver(true);
                Ok(())
            }
        }
    }
}

impl Drop for FaultyWriter {
    /// What was on its way when its process died may land, or not.
    fn drop(&mut self) {
        self.deliver(false);
    }
}

struct FaultyReader {
    log: FaultyLog,
    inner: Box<dyn Reader>,
}

impl Reader for FaultyReader {
    fn assign(&mut self, at: &[(TopicPartition, Offset)]) -> Result<()> {
        self.inner.assign(at)
    }

    fn poll(&mut self, max: usize, wait: Duration, out: &mut Vec<Record>) -> Result<usize> {
        self.log.chance(150, "reading")?;
        // Small batches, so that a step ends anywhere.
        let most = {
            let mut state = self.log.state();
            if state.trouble { 1 + state.dice.roll(40) as usize } else { max }
        };
        self.inner.poll(max.min(most), wait, out)
    }

    fn bounds(&mut self, partition: &TopicPartition) -> Result<Bounds> {
        self.log.chance(150, "asking for bounds")?;
        self.inner.bounds(partition)
    }

    fn ended(&self, partition: &TopicPartition) -> bool {
        self.inner.ended(partition)
    }
}

struct FaultyMember {
    log: FaultyLog,
    group: String,
    topics: Vec<String>,
    seat: Seat,
}

impl Member for FaultyMember {
    fn poll(&mut self, wait: Duration) -> Result<Option<Vec<TopicPartition>>> {
        let mut seat = self.seat.lock().unwrap();
        match &mut *seat {
            Some(member) => member.poll(wait),
            None if self.log.state().zombie => Ok(None),
            None => {
                let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
                *seat = Some(self.log.log.join(&self.group, &topics)?);
                // First it hears that everything is lost.
                Ok(Some(Vec::new()))
            }
        }
    }

    fn commit(&mut self, at: &[(TopicPartition, Position)]) -> Result<()> {
        let mut seat = self.seat.lock().unwrap();
        match (&mut *seat, at.first()) {
            (Some(member), _) => member.commit(at)?,
            (None, Some((partition, _))) => return Err(LogError::NotOwner(partition.clone())),
            (None, None) => {}
        }
        // Committed, and the answer is lost.
        self.log.chance(20, "committing")
    }

    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Position>>> {
        match &mut *self.seat.lock().unwrap() {
            Some(member) => member.committed(of),
            None => Err(LogError::Unavailable("the session has ended".to_owned())),
        }
    }

    fn leave(self: Box<Self>) {
        let member = self.seat.lock().unwrap().take();
        drop(member);
    }
}

impl Drop for FaultyMember {
    fn drop(&mut self) {
        let member = self.seat.lock().unwrap().take();
        drop(member);
        self.log.state().seats.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}
