//! Writes what the webhook receiver believes to the source topics.
//!
//! One thread a topic, with a writer of its own, takes what waits, writes it, and answers all of it
//! behind the acknowledgement: many requests share one round trip, and the next ones gather
//! meanwhile. Where the topic takes nothing, what waits is answered at once, and nothing is taken
//! until it can be written again; the other topics go on.
//! A record may be written and yet be answered as if it were not: its sender repeats it, and a
//! repetition changes no number.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Context, Fault, kind};
use crate::http::hooks::{Offered, Unwritten, Waiting};
use crate::log::{LogError, Outgoing, Partition, Record, TopicPartition, Writer};
use crate::model::deadletter::{Code, DeadLetter, Reason};
use crate::model::record::Offset;

/// Most records of one round trip.
const BATCH: usize = 1_000;
/// Time between two attempts to reach the log.
const AGAIN: Duration = Duration::from_secs(1);
/// The part of `/readyz` that this is.
const CHECK: &str = "hooks";
/// Bytes of a dead letter that the log did not take at its usual size.
const CUT: usize = 64 * 1024;

struct Scribe<'c> {
    context: &'c Context,
    writer: Box<dyn Writer>,
    /// Partitions of each topic, and which one is next.
    topics: BTreeMap<Arc<str>, (u32, u32)>,
    dlq: Arc<str>,
    within: Duration,
}

/// Which topics cannot be written, as far as it was tried: a topic that nobody writes to says nothing
/// of the log.
#[derive(Debug)]
struct Troubles(Mutex<BTreeMap<Arc<str>, String>>);

impl Troubles {
    fn tell(&self, context: &Context, topic: &Arc<str>, trouble: Option<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match trouble {
            Some(trouble) => all.insert(topic.clone(), trouble),
            None => all.remove(topic),
        };
        let first = all.first_key_value().map(|(topic, trouble)| format!("{topic}: {trouble}"));
        context.health.set(CHECK, first.map_or(Ok(()), Err));
    }
}

/// Starts a thread a topic. They end when no request can come any more.
pub fn start(
    context: &Context,
    waiting: Vec<(Arc<str>, Waiting)>,
) -> std::io::Result<Vec<JoinHandle<()>>> {
    let starting = |(topic, _): &(Arc<str>, Waiting)| (topic.clone(), "starting".to_owned());
    let troubles = Arc::new(Troubles(Mutex::new(waiting.iter().map(starting).collect())));
    let threads = waiting.into_iter().map(|(topic, waiting)| {
        let (context, troubles) = (context.clone(), troubles.clone());
        let run = move || run(&context, &topic, &waiting, &troubles);
        std::thread::Builder::new().name("hooks".to_owned()).spawn(run)
    });
    threads.collect()
}

/// Writes until no request can come. Says each trouble once, not at every attempt.
fn run(context: &Context, topic: &Arc<str>, waiting: &Waiting, troubles: &Troubles) {
    let worked = Cell::new(false);
    let attempt = || -> Result<(), Fault> {
        let scribe = Scribe::open(context, topic)?;
        troubles.tell(context, topic, None);
        waiting.set_open(true);
        scribe.work(waiting, &worked)
    };
    let mut said = String::new();
    loop {
        let fault = match catch_unwind(AssertUnwindSafe(attempt)) {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => {
                if let Fault::Log(error) = &fault {
                    context.telemetry.log_error(kind(error));
                }
                fault.to_string()
            }
            Err(_) => {
                context.telemetry.panicked(CHECK);
                "the thread that writes webhooks panicked".to_owned()
            }
        };
        waiting.set_open(false);
        troubles.tell(context, topic, Some(fault.clone()));
        if fault != said || worked.replace(false) {
            tracing::warn!(fault, %topic, "webhooks are refused until their topic takes them");
            said = fault;
        }
        if context.stop.wait(AGAIN) {
            return;
        }
    }
}

impl Scribe<'_> {
    /// Reaches the log and looks at its topics.
    fn open<'c>(context: &'c Context, topic: &Arc<str>) -> Result<Scribe<'c>, Fault> {
        let hooks = context.config.hooks.as_ref();
        let mut topics = BTreeMap::new();
        let dlq: Arc<str> = context.topics.dlq.as_str().into();
        for topic in [topic.clone(), dlq.clone()] {
            let Some(info) = context.log.describe(&topic)? else {
                return Err(LogError::NoSuchPartition(TopicPartition::new(topic, 0)).into());
            };
            topics.insert(topic, (info.partitions.max(1), 0));
        }
        let within = hooks.map_or(super::FLUSH, |hooks| hooks.ack_timeout);
        Ok(Scribe { context, writer: context.log.writer()?, topics, dlq, within })
    }

    /// Writes what comes until no request can.
    fn work(mut self, waiting: &Waiting, worked: &Cell<bool>) -> Result<(), Fault> {
        let mut batch = Vec::new();
        while waiting.take(BATCH, Duration::from_millis(500), &mut batch) {
            self.context.telemetry.hook_waiting(waiting.waiting());
            if batch.is_empty() {
                continue;
            }
            match self.all(&batch) {
                Ok(()) => batch.drain(..).for_each(|offered| offered.answer(Ok(()))),
                // One of them is too large for its topic, and the others are not at fault.
                Err(LogError::TooLarge { .. }) => {
                    let mut rest = batch.drain(..);
                    for offered in rest.by_ref() {
                        let written = self.one(&offered);
                        offered.answer(written.as_ref().map_err(|_| Unwritten).copied());
                        // Nobody's size closes the receiver: its sender would repeat it for ever.
                        if let Err(error) = written
                            && !matches!(error, LogError::TooLarge { .. })
                        {
                            waiting.set_open(false);
                            rest.for_each(|offered| offered.answer(Err(Unwritten)));
                            return Err(error.into());
                        }
                    }
                }
                Err(error) => {
                    // Closed first: whoever comes again at once is told so at once.
                    waiting.set_open(false);
                    batch.drain(..).for_each(|offered| offered.answer(Err(Unwritten)));
                    return Err(error.into());
                }
            }
            worked.set(true);
        }
        Ok(())
    }

    /// Writes records, and waits for the log.
    fn all(&mut self, batch: &[Offered]) -> Result<(), LogError> {
        for offered in batch {
            let out = self.outgoing(offered);
            self.writer.send(out)?;
        }
        self.writer.flush(self.within)
    }

    /// Writes one; a dead letter in its place where its topic does not take it. That one is made
    /// smaller until the log takes it. Where it takes none, the sender keeps what it has: nothing is
    /// acknowledged that is not in the log.
    fn one(&mut self, offered: &Offered) -> Result<(), LogError> {
        let mut written = self.all(std::slice::from_ref(offered));
        let usual = self.context.config.intake.max_record_bytes;
        for limit in [usual, CUT.min(usual), 0] {
            let Err(LogError::TooLarge { detail, .. }) = &written else { return written };
            let out = self.buried(offered, &format!("it was not taken: {detail}"), limit);
            written = self.writer.send(out).and_then(|()| self.writer.flush(self.within));
        }
        if let Err(LogError::TooLarge { detail, .. }) = &written {
            tracing::error!(detail, "the log takes not even the smallest dead letter of a webhook");
        }
        written
    }

    /// The record as it goes out: whole, or as a dead letter where it is known to be too large.
    fn outgoing(&mut self, offered: &Offered) -> Outgoing {
        let limit = self.context.config.intake.max_record_bytes;
        if offered.value.len() > limit {
            let why = format!("{} bytes; the limit is {limit}", offered.value.len());
            return self.buried(offered, &why, limit);
        }
        Outgoing {
            topic: offered.topic.clone(),
            partition: self.next(&offered.topic),
            // Intake spreads by entity: which partition a body takes says nothing.
            key: None,
            value: Some(offered.value.clone()),
            headers: offered.headers.clone(),
        }
    }

    /// The next partition of a topic, one after the other.
    fn next(&mut self, topic: &Arc<str>) -> Partition {
        let Some((partitions, next)) = self.topics.get_mut(topic) else {
            return Partition(0);
        };
        let partition = Partition(*next % *partitions);
        *next = partition.0 + 1;
        partition
    }

    /// A dead letter cut to a limit; to 0 it holds neither value nor headers of its own. It never
    /// was on its topic, so a fingerprint stands for the offset: deliveries of one body are one dead
    /// letter.
    fn buried(&mut self, offered: &Offered, why: &str, limit: usize) -> Outgoing {
        let record = Record {
            topic: offered.topic.clone(),
            partition: Partition(0),
            offset: Offset(xxhash_rust::xxh3::xxh3_64(&offered.value)),
            timestamp_ms: None,
            key: None,
            value: Some(offered.value.clone()),
            headers: offered.headers.clone(),
        };
        let mut dead = DeadLetter::new(&record, Reason::new(Code::TooLarge, why), None);
        dead.cut(limit);
        if limit == 0 {
            (dead.value, dead.headers) = (None, Vec::new());
        }
        self.context.telemetry.dead_letter(Code::TooLarge);
        let dlq = self.dlq.clone();
        Outgoing {
            partition: self.next(&dlq),
            topic: dlq,
            key: dead.key.clone(),
            value: dead.value.clone(),
            headers: dead.headers(CHECK),
        }
    }
}
