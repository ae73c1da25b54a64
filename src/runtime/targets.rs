//! Follows the topic of targets: read from its start before any row goes out, and then along with the
//! partials. Every instance reads it whole, since each has segments of its own.
//!
//! What is no target takes away what its key held, and becomes a dead letter once: of the instances
//! the one that the group gives the topic to writes it, and commits behind the acknowledgement.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::{BATCH, Context, FLUSH, Fault, read_through};
use crate::log::{Member, Offset, Outgoing, Partition, Reader, Record, TopicPartition, Writer};
use crate::model::deadletter::{Code, DeadLetter, Reason};
use crate::model::target::{Goal, MOST_RECORDS, Scope, TargetRecords, Targets};

/// The stage that dead letters name.
const STAGE: &str = "targets";

pub(super) struct Follower {
    context: Context,
    reader: Box<dyn Reader>,
    member: Box<dyn Member>,
    at: TopicPartition,
    next: Offset,
    records: TargetRecords,
    /// The keys whose newest record is no target.
    refused: BTreeSet<Vec<u8>>,
    targets: Arc<Targets>,
    /// Whether the group gave the topic to this instance.
    owns: bool,
    /// Behind the last record that is no target.
    bad: Offset,
    /// Up to where bad records are dead letters, where that is known.
    buried: Option<Offset>,
    batch: Vec<Record>,
}

impl Follower {
    /// Reads the topic to its end; `None` where targets come from files alone.
    pub fn open(context: &Context) -> Result<Option<Follower>, Fault> {
        let config = &context.config;
        if !config.follows_targets() {
            return Ok(None);
        }
        let topic = context.topics.targets.as_str();
        let group = format!("{}.g{}.targets", config.app, config.generation);
        let mut follower = Follower {
            reader: context.log.reader()?,
            member: context.log.join(&group, &[topic])?,
            at: TopicPartition::new(topic, 0),
            next: Offset(0),
            records: TargetRecords::default(),
            refused: BTreeSet::new(),
            targets: Arc::default(),
            owns: false,
            bad: Offset(0),
            buried: None,
            batch: Vec::new(),
            context: context.clone(),
        };
        context.health.set("rollup", Err("reading the targets".to_owned()));
        let at = follower.at.clone();
        // A reader of its own, so that the follower's can be named in what it does with the records.
        let mut reader = context.log.reader()?;
        let each = |record: Record| {
            follower.take(&record);
            Ok(())
        };
        let read = read_through(context, &mut *reader, &at, None, &mut || Ok(true), each)?;
        follower.next = read.map_or(follower.next, |read| read.end);
        follower.reader.assign(&[(at, follower.next)])?;
        follower.tell();
        tracing::info!(targets = follower.records.len(), refused = follower.refused.len(), "read");
        Ok(Some(follower))
    }

    /// What holds now.
    pub fn targets(&self) -> Arc<Targets> {
        self.targets.clone()
    }

    /// Takes what came; whether something else holds since.
    pub fn step(&mut self, writer: &mut dyn Writer) -> Result<bool, Fault> {
        let mut batch = std::mem::take(&mut self.batch);
        self.reader.poll(BATCH, Duration::ZERO, &mut batch)?;
        let came = !batch.is_empty();
        for record in batch.drain(..) {
            self.take(&record);
        }
        self.batch = batch;
        let changed = came && self.tell();
        self.bury(writer)?;
        Ok(changed)
    }

    fn take(&mut self, record: &Record) {
        self.next = record.offset.next();
        let key = record.key.clone().unwrap_or_default();
        match self.judge(record) {
            Ok(target) => {
                self.refused.remove(&key);
                self.records.apply(&key, record.offset, target);
            }
            Err(reason) => {
                let (partition, offset) = (record.topic_partition(), record.offset);
                tracing::warn!(%partition, %offset, reason = reason.message, "refused a target");
                self.records.apply(&key, record.offset, None);
                self.refused.insert(key);
                self.bad = self.next;
            }
        }
    }

    /// The target of a record, none for a deletion, or why it is none.
    fn judge(&self, record: &Record) -> Result<Option<(Scope, Goal)>, Reason> {
        let Some(value) = record.value.as_deref() else {
            return Ok(None);
        };
        let Some(key) = &record.key else {
            let what = "a record without a key; give each revision of each target its own";
            return Err(Reason::new(Code::BadTarget, what));
        };
        if self.records.is_full_for(key) {
            let what = format!("there are {MOST_RECORDS} targets already; delete old ones");
            return Err(Reason::new(Code::TooMany, what));
        }
        let judged = catch_unwind(AssertUnwindSafe(|| {
            (self.context.probe)(record);
            self.context.config.target_of(value)
        }));
        let broke = |_| Err(Reason::new(Code::Panicked, "reading it broke an invariant"));
        judged.unwrap_or_else(broke).map(Some)
    }

    /// Makes the targets anew; whether they changed.
    fn tell(&mut self) -> bool {
        let telemetry = &self.context.telemetry;
        telemetry.target_records(self.records.len(), self.refused.len());
        let files = &self.context.config.definition.targets;
        let targets = self.records.with_files(files);
        let changed = *self.targets != targets;
        if changed {
            self.targets = Arc::new(targets);
        }
        changed
    }

    /// Makes dead letters of bad records, where this instance is the one that does.
    fn bury(&mut self, writer: &mut dyn Writer) -> Result<(), Fault> {
        match self.member.poll(Duration::ZERO) {
            Ok(Some(owned)) => {
                self.owns = owned.contains(&self.at);
                self.buried = None;
            }
            Ok(None) => {}
            Err(error) if error.is_retriable() => {}
            Err(error) => return Err(error.into()),
        }
        if !self.owns {
            return Ok(());
        }
        let known = match self.buried {
            Some(known) => known,
            None => {
                let committed = self.member.committed(std::slice::from_ref(&self.at))?;
                let known = committed.first().copied().flatten().map_or(Offset(0), |p| p.next);
                // A topic that was created anew begins at 0 again.
                if known > self.next { Offset(0) } else { known }
            }
        };
        self.buried = Some(known);
        if known >= self.bad {
            return Ok(());
        }
        self.bury_since(known, writer)?;
        writer.flush(FLUSH)?;
        if let Err(error) = self.member.commit(&[(self.at.clone(), self.next.into())]) {
            // Whoever owns it now repeats it; dead letters of one record have one id.
            tracing::debug!(stage = STAGE, %error, "commit refused");
        }
        self.buried = Some(self.next);
        Ok(())
    }

    /// Writes the bad records from an offset on, read once more: also those superseded by now.
    fn bury_since(&self, known: Offset, writer: &mut dyn Writer) -> Result<(), Fault> {
        let context = &self.context;
        let mut reader = context.log.reader()?;
        let from = reader.bounds(&self.at)?.start.max(known);
        let each = |record: Record| match self
            .judge(&record)
            .err()
            .filter(|_| record.offset < self.next)
        {
            Some(reason) => {
                let letter = self.letter(DeadLetter::new(&record, reason, None));
                Ok(writer.send(letter)?)
            }
            None => Ok(()),
        };
        read_through(context, &mut *reader, &self.at, Some(from), &mut || Ok(true), each)?;
        Ok(())
    }

    fn letter(&self, mut dead: DeadLetter) -> Outgoing {
        let topic: Arc<str> = self.context.topics.dlq.as_str().into();
        dead.cut(self.context.config.intake.max_record_bytes);
        self.context.telemetry.dead_letter(dead.reason.code);
        Outgoing {
            topic,
            partition: Partition(0),
            key: dead.key.clone(),
            value: dead.value.clone(),
            headers: dead.headers(&self.context.burial(STAGE)),
        }
    }
}
