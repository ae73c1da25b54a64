//! Follows the topic of targets: read from its start before any row goes out, and then along with the
//! partials. Every instance reads it whole, since each has segments of its own.
//!
//! What is no target takes away what its key held, and becomes a dead letter once: of the instances
//! the one that the group gives the topic to writes it, and commits behind the acknowledgement.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

use super::{BATCH, Context, FLUSH, Fault, read_through};
use crate::log::{
    self, Member, Offset, Outgoing, Partition, Position, Reader, Record, TopicPartition, Writer,
};
use crate::model::deadletter::{Code, DeadLetter, Reason};
use crate::model::target::{Goal, MOST_RECORDS, Scope, Stated, TargetRecords, Targets};

/// The stage that dead letters name.
const STAGE: &str = "targets";

/// Which bad records are dead letters.
#[derive(Clone, Copy)]
struct Told {
    /// Those before it are.
    end: Offset,
    /// Whether they were judged as this instance judges.
    by_same_rules: bool,
}

pub(super) struct Follower {
    context: Context,
    reader: Box<dyn Reader>,
    member: Box<dyn Member>,
    at: TopicPartition,
    next: Offset,
    records: TargetRecords,
    /// The hashes of keys whose newest record is no target, with where it stands. At most so many as
    /// there may be targets: it decides what is counted and what is told once more, not what holds.
    refused: BTreeMap<u128, Offset>,
    targets: Arc<Targets>,
    /// Whether the group gave the topic to this instance.
    owns: bool,
    /// Behind the last record that is no target.
    bad: Offset,
    /// Which bad records are dead letters, where that is known.
    told: Option<Told>,
    /// By which rules records are judged. They stand with the commit: under others a record that was
    /// a target may be none.
    rules: u64,
    batch: Vec<Record>,
}

impl Follower {
    /// Reads the topic to its end; `None` where targets come from files alone.
    pub fn open(context: &Context) -> Result<Option<Follower>, Fault> {
        let config = &context.config;
        let Some(topic) = context.topics.targets.as_deref() else { return Ok(None) };
        // Of all generations: a new one has nothing to say of what an older one told already.
        let group = format!("{}.targets", config.app);
        let mut follower = Follower {
            reader: context.log.reader()?,
            member: context.log.join(&group, &[topic])?,
            at: TopicPartition::new(topic, 0),
            next: Offset(0),
            records: TargetRecords::default(),
            refused: BTreeMap::new(),
            targets: Arc::new(config.definition.targets.clone()),
            owns: false,
            bad: Offset(0),
            told: None,
            rules: config.target_rules(),
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
                self.refused.remove(&xxh3_128(&key));
                let at = Stated::Record(record.offset);
                let target = target.map(|(scope, goal)| (scope, Goal { stated: at, ..goal }));
                self.records.apply(&key, record.offset, target);
            }
            Err(reason) => {
                let (partition, offset) = (record.topic_partition(), record.offset);
                tracing::warn!(%partition, %offset, reason = reason.message, "refused a target");
                self.records.apply(&key, record.offset, None);
                self.bad = self.next;
                let hash = xxh3_128(&key);
                if self.refused.len() < MOST_RECORDS || self.refused.contains_key(&hash) {
                    self.refused.insert(hash, record.offset);
                }
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
            self.context.config.target_of(key, value)
        }));
        let broke = |_| Err(Reason::new(Code::Panicked, "reading it broke an invariant"));
        judged.unwrap_or_else(broke).map(Some)
    }

    /// Brings the targets up to date; whether they changed.
    fn tell(&mut self) -> bool {
        let telemetry = &self.context.telemetry;
        telemetry.target_records(self.records.len(), self.refused.len());
        let changed = self.records.tell(&self.context.config.definition.targets, &mut self.targets);
        self.context.targets.tell(self.targets.clone());
        changed
    }

    /// Makes dead letters of bad records, where this instance is the one that does.
    fn bury(&mut self, writer: &mut dyn Writer) -> Result<(), Fault> {
        match self.member.poll(Duration::ZERO) {
            Ok(Some(owned)) => {
                self.owns = owned.contains(&self.at);
                self.told = None;
            }
            Ok(None) => {}
            Err(error) if error.is_retriable() => {}
            Err(error) => return Err(error.into()),
        }
        if !self.owns {
            return Ok(());
        }
        let told = match self.told {
            Some(told) => told,
            None => match self.committed() {
                Ok(told) => told,
                Err(error) if error.is_retriable() => return Ok(()),
                Err(error) => return Err(error.into()),
            },
        };
        self.told = Some(told);
        let again = |at: &Offset| *at < told.end && !told.by_same_rules;
        let again: BTreeSet<Offset> =
            self.refused.values().filter(|at| again(at)).copied().collect();
        if told.end >= self.bad && again.is_empty() {
            return Ok(());
        }
        self.bury_since(told.end, &again, writer)?;
        writer.flush(FLUSH)?;
        let end = self.next.max(told.end);
        let position = Position { next: end, mark: Some(self.rules) };
        if let Err(error) = self.member.commit(&[(self.at.clone(), position)]) {
            // Whoever owns it now repeats it; dead letters of one record have one id.
            tracing::debug!(stage = STAGE, %error, "commit refused");
        }
        self.told = Some(Told { end, by_same_rules: true });
        Ok(())
    }

    /// Up to where bad records are dead letters by what the group committed.
    fn committed(&mut self) -> log::Result<Told> {
        let committed = self.member.committed(std::slice::from_ref(&self.at))?;
        let nothing = Told { end: Offset(0), by_same_rules: true };
        let Some(position) = committed.first().copied().flatten() else { return Ok(nothing) };
        // A topic that was created anew begins at 0 again.
        if position.next > self.reader.bounds(&self.at)?.end {
            return Ok(nothing);
        }
        let by_same_rules = position.mark.is_none_or(|mark| mark == self.rules);
        Ok(Told { end: position.next, by_same_rules })
    }

    /// Writes the bad records from an offset on, read once more: also those superseded by now. Of
    /// those before it the ones named.
    fn bury_since(
        &self,
        end: Offset,
        again: &BTreeSet<Offset>,
        writer: &mut dyn Writer,
    ) -> Result<(), Fault> {
        let context = &self.context;
        let mut reader = context.log.reader()?;
        let from = again.first().copied().unwrap_or(end).min(end);
        let from = reader.bounds(&self.at)?.start.max(from);
        let each = |record: Record| {
            let due = record.offset >= end || again.contains(&record.offset);
            match self.judge(&record).err().filter(|_| due && record.offset < self.next) {
                Some(reason) => {
                    let letter = self.letter(DeadLetter::new(&record, reason, None));
                    Ok(writer.send(letter)?)
                }
                None => Ok(()),
            }
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
