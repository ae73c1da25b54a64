//! The runtime: workers that drive the folds over the log. All I/O, all threads and every look at
//! the clock are here; no rule about a number is.
//!
//! A worker owns its reader, writer and group membership, and gives them up as a whole when one of
//! them fails: it starts again from the log, which costs a restore and never a number.

mod arrival;
mod board;
mod deals;
mod guard;
mod halted;
pub mod hooks;
pub mod images;
mod intake;
mod ledger;
mod news;
pub mod notify;
mod partials;
mod registry;
mod reps;
mod rollup;
mod targets;

pub use guard::{Poison, Probe};
pub use intake::decoder;
pub use registry::{Answer, Ask, ask};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::monotonic;
use crate::config::{Config, Topics};
use crate::http::{Alerts, Board, Health, MetricsPages, TargetsNow};
use crate::log::{Log, LogError, Offset, Reader, Record, TopicPartition};
use crate::model::deadletter::Burial;
use crate::model::time::Timestamp;
use crate::telemetry::Telemetry;

/// Reads the monotonic clock, for intervals: a seam of its own, so that a simulation can step it.
pub type Timer = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Reads the time. The wall clock in production; the demo runs on a faster one.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Most records taken from the log at once.
const BATCH: usize = 2_000;
/// Longest wait for records in a step of a worker thread.
pub const POLL: Duration = Duration::from_millis(50);
/// Longest wait for acknowledgements before the worker starts again.
const FLUSH: Duration = Duration::from_secs(30);
/// Shortest time between two progress records of one part.
const BEAT: Duration = Duration::from_secs(1);
/// After so long, progress is told again though the watermark stands, so that people can see how far
/// a part has read.
const TELL: Duration = Duration::from_secs(10);

/// Everything that workers share.
#[derive(Clone)]
pub struct Context {
    /// Config.
    pub config: Arc<Config>,
    /// Names of our topics.
    pub topics: Arc<Topics>,
    /// The log.
    pub log: Arc<dyn Log>,
    /// Metrics.
    pub telemetry: Arc<Telemetry>,
    /// Readiness.
    pub health: Arc<Health>,
    /// Rows, for the API.
    pub board: Arc<Board>,
    /// Drift alerts, for the API.
    pub alerts: Arc<Alerts>,
    /// KPI series, for `/metrics`.
    pub pages: Arc<MetricsPages>,
    /// The targets that hold, for the API.
    pub targets: Arc<TargetsNow>,
    /// Clock.
    pub clock: Clock,
    /// Timer.
    pub timer: Timer,
    /// Longest wait for records in one step; nothing in a simulation.
    pub wait: Duration,
    /// Sees every record before it is folded: a seam for simulations.
    pub probe: Probe,
    /// Records that broke a fold.
    pub poison: Arc<Poison>,
    /// Ends everything.
    pub stop: Stop,
}

impl Context {
    /// What a stage says on the records that it gives up.
    pub fn burial<'a>(&'a self, stage: &'a str) -> Burial<'a> {
        let (app, now) = (self.config.app.as_str(), (self.clock)());
        Burial { stage, app, now, connect: self.config.intake.connect_headers }
    }
}

/// Why everything ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Asked to.
    Asked,
    /// Going on would publish wrong numbers; the text says what to do.
    Refused(String),
}

/// A request to stop that threads can wait on.
#[derive(Clone, Default)]
pub struct Stop(Arc<(Mutex<Option<StopReason>>, Condvar)>);

impl Stop {
    /// Asks everything to stop; the first reason stays.
    pub fn request(&self, reason: StopReason) {
        let (lock, woken) = &*self.0;
        lock.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        woken.notify_all();
    }

    /// The reason, once asked.
    pub fn reason(&self) -> Option<StopReason> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it was asked.
    pub fn is_requested(&self) -> bool {
        self.reason().is_some()
    }

    /// Waits up to `time`; returns whether it was asked meanwhile.
    pub fn wait(&self, time: Duration) -> bool {
        let (lock, woken) = &*self.0;
        let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, _) = woken
            .wait_timeout_while(guard, time, |reason| reason.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        guard.is_some()
    }
}

/// Why a worker gave up.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The log failed; starting again may help.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Going on would publish wrong numbers.
    #[error("{0}")]
    Refused(String),
    /// Going on with this part would publish wrong numbers; the others can go on.
    #[error("{0}")]
    Part(String),
    /// A fold broke an invariant of its own: the state has to be restored from the log.
    #[error("{0}")]
    Panicked(String),
    /// The wall clock went back: windows never do, so they have to be built anew.
    #[error("the clock went back by {0:?}")]
    ClockWentBack(Duration),
    /// The stop came in the middle of a restore: what was read so far must not be shown.
    #[error("stopped")]
    Stopped,
}

/// A stage at work. One step takes what there is, for at most [`Context::wait`], and does what is
/// due; a worker whose step failed is thrown away and opened again.
pub trait Worker: Send {
    /// One round.
    fn step(&mut self) -> Result<(), Fault>;
    /// Gives up in order: writes what is due and leaves the group.
    fn finish(self: Box<Self>) -> Result<(), Fault>;
}

/// A worker at work, or why there is none.
pub type Opened = Result<Box<dyn Worker>, Fault>;

/// Opens a stage.
pub type Open = fn(&Context) -> Opened;

/// The stages that a process can run.
pub const STAGES: [(&str, Open); 4] = [
    ("intake", intake::open),
    ("ledger", ledger::open),
    ("rollup", rollup::open),
    ("board", board::open),
];

/// Starts a thread a stage, and one a receiver of alerts. Each runs until the stop is requested.
pub fn start(context: &Context) -> Vec<std::thread::JoinHandle<()>> {
    let spawn = |name: String, run: Run| {
        let context = context.clone();
        std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || run(&context, &name))
            .expect("the system starts a handful of threads")
    };
    let stages = STAGES.iter().map(|(name, open)| {
        let run = move |context: &Context, name: &str| supervise(context, name, open, Health::set);
        spawn((*name).to_owned(), Box::new(run))
    });
    let receivers = context.config.receivers.iter().cloned().map(|receiver| {
        let name = notify::note(&receiver);
        let open = move |context: &Context| notify::open(context, &receiver);
        // Numbers are right without it, so it is no reason not to be ready.
        let run =
            move |context: &Context, name: &str| supervise(context, name, &open, Health::tell);
        spawn(name, Box::new(run))
    });
    stages.chain(receivers).collect()
}

/// Drives a worker on its thread.
type Run = Box<dyn FnOnce(&Context, &str) + Send>;

/// Says how a worker does.
type Say = fn(&Health, &str, Result<(), String>);

/// Runs a worker again and again until the stop. Says each trouble once, not at every attempt.
fn supervise(context: &Context, name: &str, open: &dyn Fn(&Context) -> Opened, say: Say) {
    // Whether the worker did something since it last failed: the next trouble is a new one.
    let worked = std::cell::Cell::new(false);
    let run = || {
        let mut worker = open(context)?;
        while !context.stop.is_requested() {
            worker.step()?;
            worked.set(true);
        }
        worker.finish()
    };
    let mut said = String::new();
    while !context.stop.is_requested() {
        let outcome = catch_unwind(AssertUnwindSafe(run));
        let fault = match outcome {
            Ok(Ok(()) | Err(Fault::Stopped)) => return,
            Ok(Err(Fault::Refused(why) | Fault::Part(why))) => {
                tracing::error!(stage = name, why, "stopped");
                say(&context.health, name, Err(why.clone()));
                context.stop.request(StopReason::Refused(why));
                return;
            }
            // No worker of this process can mend it; the next process opens the store anew.
            Ok(Err(Fault::Log(LogError::Closed(why)))) => {
                context.telemetry.log_error("closed");
                tracing::error!(stage = name, why, "stopped");
                say(&context.health, name, Err(why.clone()));
                context.stop.request(StopReason::Refused(why));
                return;
            }
            Ok(Err(Fault::Log(error))) => {
                context.telemetry.log_error(kind(&error));
                error.to_string()
            }
            Ok(Err(fault @ Fault::ClockWentBack(_))) => fault.to_string(),
            Ok(Err(Fault::Panicked(what))) => {
                context.telemetry.panicked(name);
                format!("{what}; its state is restored from the log")
            }
            Err(_) => {
                context.telemetry.panicked(name);
                "the worker panicked; its state is restored from the log".to_owned()
            }
        };
        say(&context.health, name, Err(fault.clone()));
        if fault != said || worked.replace(false) {
            tracing::warn!(stage = name, fault, "worker starts again");
            said = fault;
        }
        context.stop.wait(Duration::from_secs(1));
    }
}

fn kind(error: &LogError) -> &'static str {
    match error {
        LogError::Unavailable(_) => "unavailable",
        LogError::NoSuchPartition(_) => "no_such_partition",
        LogError::OutOfRange { .. } => "out_of_range",
        LogError::TooLarge { .. } => "too_large",
        LogError::Denied(_) => "denied",
        LogError::Closed(_) => "closed",
        _ => "fatal",
    }
}

/// Something to do at most every so often.
struct Every {
    interval: Duration,
    next: Instant,
}

impl Every {
    /// Due at once, and then every `interval`.
    fn new(interval: Duration, now: Instant) -> Every {
        Every { interval, next: now }
    }

    /// Due only after a whole interval from now.
    fn later(interval: Duration, now: Instant) -> Every {
        Every { interval, next: now + interval }
    }

    /// Whether it is due; if so it is due again an interval later.
    fn due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + self.interval;
        }
        due
    }
}

/// A publication at an interval; at longer ones while the worker is behind. What changes again
/// before it is published is published once, so catching up costs less the longer it waits.
struct Pace {
    every: Every,
    last: Instant,
    behind: Duration,
}

impl Pace {
    fn new(interval: Duration, behind: Duration, now: Instant) -> Pace {
        Pace { every: Every::new(interval, now), last: now, behind: behind.max(interval) }
    }

    /// Whether it is due, to a worker that has `caught_up` with its partitions or not.
    fn due(&mut self, now: Instant, caught_up: bool) -> bool {
        if !caught_up && now.saturating_duration_since(self.last) < self.behind {
            return false;
        }
        let due = self.every.due(now);
        if due {
            self.last = now;
        }
        due
    }
}

/// The record right before a position, unless compaction took it. Changes what the reader is
/// assigned.
fn record_before(
    context: &Context,
    reader: &mut dyn Reader,
    partition: &TopicPartition,
    next: Offset,
) -> Result<Option<Record>, Fault> {
    reader.assign(&[(partition.clone(), Offset(next.0 - 1))])?;
    let deadline = monotonic() + context.config.kafka.request_timeout;
    let mut found = Vec::new();
    loop {
        reader.poll(1, Duration::from_millis(200), &mut found)?;
        if let Some(record) = found.pop() {
            return Ok((record.offset.next() == next).then_some(record));
        }
        if reader.ended(partition) {
            return Ok(None);
        }
        if context.stop.is_requested() {
            return Err(Fault::Stopped);
        }
        if monotonic() >= deadline {
            return Err(Fault::Log(LogError::Unavailable(format!(
                "reading {partition} at offset {}: no answer in time",
                next.0 - 1
            ))));
        }
    }
}

/// What was read of a partition.
struct Through {
    /// Behind the last record.
    end: Offset,
    /// Size of all records.
    bytes: u64,
}

/// Reads a partition from its start, or from a position, to where it ends now; `each` takes the
/// records in order. Between batches `keep` says whether to go on: it is where the group is asked,
/// so that a restore, however long, holds no rebalance up. `None` where it said no.
fn read_through(
    context: &Context,
    reader: &mut dyn Reader,
    partition: &TopicPartition,
    from: Option<Offset>,
    keep: &mut dyn FnMut() -> Result<bool, Fault>,
    mut each: impl FnMut(Record) -> Result<(), Fault>,
) -> Result<Option<Through>, Fault> {
    let bounds = reader.bounds(partition)?;
    let mut next = from.unwrap_or(bounds.start);
    let mut bytes = 0;
    reader.assign(&[(partition.clone(), next)])?;
    let mut batch = Vec::new();
    while next < bounds.end {
        if context.stop.is_requested() {
            return Err(Fault::Stopped);
        }
        if !keep()? {
            return Ok(None);
        }
        batch.clear();
        reader.poll(BATCH, Duration::from_millis(200), &mut batch)?;
        for record in batch.drain(..) {
            next = record.offset.next();
            let sizes = [&record.key, &record.value].map(|part| part.as_ref().map_or(0, Vec::len));
            bytes += sizes.iter().sum::<usize>() as u64;
            each(record)?;
        }
        // The newest records may be gone by compaction: their offsets never come.
        if reader.ended(partition) {
            break;
        }
    }
    Ok(Some(Through { end: bounds.end.max(next), bytes }))
}
