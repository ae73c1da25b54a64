//! The thread of one topic at work.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use super::lanes::AllLanes;
use super::state::{CHECK, State, States};
use crate::clock::monotonic;
use crate::http::hooks::{Offered, Unwritten, Waiting};
use crate::log::{LogError, Outgoing, Record, TopicPartition, Writer};
use crate::model::deadletter::{Code, DeadLetter, Reason};
use crate::model::record::{Offset, Partition};
use crate::runtime::{Context, FLUSH, Fault};

/// Most records of one round trip.
const BATCH: usize = 1_000;
/// Bytes of a dead letter that the log did not take at its usual size.
const CUT: usize = 64 * 1024;
/// Longest wait for requests, and the same while a record is tried on a partition.
const WAIT: Duration = Duration::from_millis(500);
const WAIT_ON_TRIAL: Duration = Duration::from_millis(10);

/// The record that was tried on a partition, where it did not take it.
type Tried = (TopicPartition, Option<Offered>);

pub(super) struct Scribe<'c> {
    context: &'c Context,
    states: &'c States,
    topic: &'c Arc<str>,
    dlq: Arc<str>,
    writer: Box<dyn Writer>,
    lanes: &'c mut AllLanes,
    trial: Option<Receiver<Tried>>,
    within: Duration,
}

/// What was not written, and why.
type Left = (Vec<Offered>, LogError);

impl<'c> Scribe<'c> {
    /// Reaches the log and looks at its topics.
    pub(super) fn open(
        context: &'c Context,
        topic: &'c Arc<str>,
        lanes: &'c mut AllLanes,
        states: &'c States,
    ) -> Result<Scribe<'c>, Fault> {
        let dlq: Arc<str> = context.topics.dlq.as_str().into();
        for topic in [topic, &dlq] {
            let Some(info) = context.log.describe(topic)? else {
                return Err(LogError::NoSuchPartition(TopicPartition::new(topic.clone(), 0)).into());
            };
            lanes.know(topic, info.partitions);
        }
        let within = context.config.hooks.as_ref().map_or(FLUSH, |hooks| hooks.ack_timeout);
        let writer = context.log.writer()?;
        Ok(Scribe { context, states, topic, dlq, writer, lanes, trial: None, within })
    }

    /// Says how its topic is.
    pub(super) fn tell(&self) {
        let state = match self.lanes.count(self.topic) {
            (_, 0) => State::Open,
            (well, sick) => State::Partly { sick, of: well + sick },
        };
        self.states.tell(self.context, self.topic, state);
    }

    /// Writes what comes until no request can.
    pub(super) fn work(mut self, waiting: &Waiting, worked: &Cell<bool>) -> Result<(), Fault> {
        let mut batch = Vec::new();
        loop {
            let wait = if self.trial.is_some() { WAIT_ON_TRIAL } else { WAIT };
            if !waiting.take(BATCH, wait, &mut batch) {
                return Ok(());
            }
            self.context.telemetry.hook_waiting(waiting.waiting());
            // What was tried in vain has no time left for another trial.
            if !self.end_trial(&mut batch) {
                self.begin_trial(&mut batch);
            }
            if batch.is_empty() {
                continue;
            }
            if let Err((left, error)) = self.write(std::mem::take(&mut batch)) {
                // Closed first: whoever comes again at once is told so at once.
                waiting.set_open(false);
                left.into_iter().for_each(|offered| offered.answer(Err(Unwritten)));
                return Err(error.into());
            }
            worked.set(true);
        }
    }

    /// Writes records and answers them. What a partition does not take in half of the time goes to
    /// another one; what is left then is given back.
    fn write(&mut self, batch: Vec<Offered>) -> Result<(), Left> {
        let others = self.lanes.count(self.topic).0 > 1;
        let within = if others { self.within / 2 } else { self.within };
        let mut written = self.all(batch, within);
        if others && self.lanes.count(self.topic).0 > 0 {
            written = match written {
                Err((left, error)) if !matches!(error, LogError::TooLarge { .. }) => {
                    self.all(left, within)
                }
                written => written,
            };
        }
        let Err((left, error)) = written else { return Ok(()) };
        if matches!(error, LogError::TooLarge { .. }) {
            return self.each(left);
        }
        // That no dead letter can be written is no matter of those that are none, and partitions that
        // were not tried may be well.
        let limit = self.context.config.intake.max_record_bytes;
        let none_is_well = self.lanes.count(self.topic).0 == 0;
        let closes = |offered: &Offered| none_is_well && offered.value.len() <= limit;
        let (left, given_up): (Vec<_>, Vec<_>) = left.into_iter().partition(closes);
        given_up.into_iter().for_each(|offered| offered.answer(Err(Unwritten)));
        if left.is_empty() { Ok(()) } else { Err((left, error)) }
    }

    /// Writes records, each to the next partition, and answers those that the log has.
    fn all(&mut self, batch: Vec<Offered>, within: Duration) -> Result<(), Left> {
        let (mut placed, mut unsent) = (Vec::with_capacity(batch.len()), Vec::new());
        let (mut sent, mut refused) = (BTreeSet::new(), None);
        for offered in batch {
            if refused.is_some() {
                unsent.push(offered);
                continue;
            }
            let out = self.outgoing(&offered);
            let at = TopicPartition { topic: out.topic.clone(), partition: out.partition };
            match self.writer.send(out) {
                Ok(()) => {
                    sent.insert(at.clone());
                    placed.push((at, offered));
                }
                Err(error) => {
                    refused = Some((at, error));
                    unsent.push(offered);
                }
            }
        }
        let (mut torn, mut why) = match self.writer.flush_each(&sent, within) {
            Ok(()) => (BTreeSet::new(), None),
            Err(failed) => (failed.partitions, Some(failed.why)),
        };
        let mut left = Vec::new();
        for (at, offered) in placed {
            if torn.contains(&at) { left.push(offered) } else { offered.answer(Ok(())) }
        }
        left.append(&mut unsent);
        if let Some((at, error)) = refused {
            torn.insert(at);
            why = why.or(Some(error));
        }
        let Some(why) = why else { return Ok(()) };
        if !matches!(why, LogError::TooLarge { .. }) {
            self.pass_over(&torn, &why).map_err(|error| (std::mem::take(&mut left), error))?;
        }
        Err((left, why))
    }

    /// One of them is too large for its topic, and the others are not at fault: one after the other.
    fn each(&mut self, batch: Vec<Offered>) -> Result<(), Left> {
        let mut rest = batch.into_iter();
        while let Some(offered) = rest.next() {
            match self.one(&offered) {
                Ok(()) => offered.answer(Ok(())),
                // Nobody's size closes the receiver, nor does the topic of dead letters: its sender
                // would repeat it for ever.
                Err((_, LogError::TooLarge { .. })) => offered.answer(Err(Unwritten)),
                Err((topic, _)) if topic == self.dlq || self.lanes.count(&topic).0 > 0 => {
                    offered.answer(Err(Unwritten));
                }
                Err((_, error)) => {
                    let left = std::iter::once(offered).chain(rest).collect();
                    return Err((left, error));
                }
            }
        }
        Ok(())
    }

    /// Writes one; a dead letter in its place where its topic does not take it. That one is made
    /// smaller until the log takes it. Where it takes none, the sender keeps what it has: nothing is
    /// acknowledged that is not in the log.
    fn one(&mut self, offered: &Offered) -> Result<(), (Arc<str>, LogError)> {
        let out = self.outgoing(offered);
        let mut written = self.put(out);
        let usual = self.context.config.intake.max_record_bytes;
        for limit in [usual, CUT.min(usual), 0] {
            let Err((_, LogError::TooLarge { detail, .. })) = &written else { return written };
            let out = self.buried(offered, &format!("it was not taken: {detail}"), limit);
            written = self.put(out);
        }
        if let Err((_, LogError::TooLarge { detail, .. })) = &written {
            tracing::error!(detail, "the log takes not even the smallest dead letter of a webhook");
        }
        written
    }

    /// Writes a record to its partition, or to another one.
    fn put(&mut self, mut out: Outgoing) -> Result<(), (Arc<str>, LogError)> {
        let topic = out.topic.clone();
        for last in [false, true] {
            let at = TopicPartition { topic: topic.clone(), partition: out.partition };
            let sent = BTreeSet::from([at]);
            let written = self.writer.send(out.clone()).and_then(|()| {
                self.writer.flush_each(&sent, self.within / 2).map_err(|failed| failed.why)
            });
            match written {
                Ok(()) => return Ok(()),
                Err(error @ LogError::TooLarge { .. }) => return Err((topic, error)),
                Err(error) => {
                    self.pass_over(&sent, &error).map_err(|error| (topic.clone(), error))?;
                    if last {
                        return Err((topic, error));
                    }
                    out.partition = self.lanes.next(&topic).partition;
                }
            }
        }
        Ok(())
    }

    /// Passes partitions over that took nothing. Their records are still with the writer, which would
    /// wait for them: another one takes over.
    fn pass_over(&mut self, at: &BTreeSet<TopicPartition>, why: &LogError) -> Result<(), LogError> {
        let now = monotonic();
        for at in at {
            if self.lanes.fell_sick(at, now) && self.lanes.count(&at.topic).0 > 0 {
                tracing::warn!(partition = %at, %why, "webhooks go to the other partitions");
            }
        }
        let writer = self.context.log.writer()?;
        let torn = std::mem::replace(&mut self.writer, writer);
        // To end it takes its time, and requests wait. Where no thread is to be had it ends here.
        let _ = std::thread::Builder::new().name("hooks end".to_owned()).spawn(move || drop(torn));
        if self.lanes.count(self.topic).0 > 0 {
            self.tell();
        }
        Ok(())
    }

    /// Tries a record on a partition that took nothing, beside all else: what it does not take goes
    /// to another.
    fn begin_trial(&mut self, batch: &mut Vec<Offered>) {
        let limit = self.context.config.intake.max_record_bytes;
        if self.trial.is_some() || batch.last().is_none_or(|last| last.value.len() > limit) {
            return;
        }
        let Some(at) = self.lanes.due(self.topic, monotonic()) else { return };
        let writer = self.context.log.writer();
        // It is tried again later, whatever comes of this.
        self.lanes.fell_sick(&at, monotonic());
        let (Ok(mut writer), Some(offered)) = (writer, batch.pop()) else { return };
        let (sender, tried) = channel();
        let (out, within) = (whole(&offered, at.partition), self.within / 2);
        self.trial = Some(tried);
        let attempt = move || {
            let written = writer.send(out).and_then(|()| writer.flush(within));
            let left = match written {
                Ok(()) => {
                    offered.answer(Ok(()));
                    None
                }
                Err(_) => Some(offered),
            };
            // Where nobody listens any more, the request is told so as the record is dropped.
            let _ = sender.send((at, left));
        };
        // Without a thread the record is dropped, and its sender asked to come again.
        let _ = std::thread::Builder::new().name("hooks trial".to_owned()).spawn(attempt);
    }

    /// Takes back what the partition did not take; whether there is such a record.
    fn end_trial(&mut self, batch: &mut Vec<Offered>) -> bool {
        let Some(tried) = &self.trial else { return false };
        let mut in_vain = false;
        match tried.try_recv() {
            Err(TryRecvError::Empty) => return false,
            Err(TryRecvError::Disconnected) => {}
            Ok((_, Some(offered))) => {
                in_vain = true;
                batch.push(offered);
            }
            Ok((at, None)) => {
                if self.lanes.recovered(&at) {
                    tracing::info!(partition = %at, "takes webhooks again");
                }
                self.tell();
            }
        }
        self.trial = None;
        in_vain
    }

    /// The record as it goes out: whole, or as a dead letter where it is known to be too large.
    fn outgoing(&mut self, offered: &Offered) -> Outgoing {
        let limit = self.context.config.intake.max_record_bytes;
        if offered.value.len() > limit {
            let why = format!("{} bytes; the limit is {limit}", offered.value.len());
            return self.buried(offered, &why, limit);
        }
        whole(offered, self.lanes.next(self.topic).partition)
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
        // No record is tried on a partition of theirs: they come back as they are.
        if let Some(at) = self.lanes.due(&self.dlq, monotonic()) {
            self.lanes.recovered(&at);
        }
        Outgoing {
            partition: self.lanes.next(&self.dlq).partition,
            topic: self.dlq.clone(),
            key: dead.key.clone(),
            value: dead.value.clone(),
            headers: dead.headers(&self.context.burial(CHECK)),
        }
    }
}

/// The record as it came, for that partition.
fn whole(offered: &Offered, partition: Partition) -> Outgoing {
    Outgoing {
        topic: offered.topic.clone(),
        partition,
        // Intake spreads by entity: which partition a body takes says nothing.
        key: None,
        value: Some(offered.value.clone()),
        headers: offered.headers.clone(),
    }
}
