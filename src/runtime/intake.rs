//! Drives intake: source records in; events, dead letters, gaps and progress out.
//!
//! At least once: offsets are committed behind the acknowledgement of what was made of them. A
//! repetition is harmless, since the ledger joins an event twice to the same state.

mod resume;
mod wait;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::arrival::Arrival;
use super::registry::Schemas;
use super::{BATCH, BEAT, Context, Every, FLUSH, Fault, TELL, Worker};
use crate::config::{Config, Source};
use crate::intake::{self, Breaker, Decoder, Intake, Limits};
use crate::log::{
    Header, Member, Offset, Outgoing, Partition, Position, Reader, Record, TopicPartition, Writer,
};
use crate::model::deadletter::{Code, DeadLetter, Reason};
use crate::model::event::{Event, EventKind, shard_of};
use crate::model::time::Timestamp;
use crate::model::watermark::Heartbeat;
use crate::telemetry::{Ignored, Stage};

/// Longest time between an acknowledged event and the commit of its source offset.
const COMMIT: Duration = Duration::from_millis(500);

/// Time between two looks at the lag, for metrics.
const MEASURE: Duration = Duration::from_secs(5);

/// A source partition that this worker owns.
struct Part {
    next: Offset,
    /// Fingerprint of the record before `next`.
    mark: Option<u64>,
    latest: Option<Timestamp>,
    /// What was last told: watermark, position, and when.
    sent: Option<(Timestamp, Offset, Instant)>,
    quiet_since: Instant,
    breaker: Breaker,
    /// Why it stands still, where it does.
    stopped: Option<String>,
    /// Whether it waits for a schema.
    waits: bool,
    /// Where the partition last ended, and since when.
    end: Option<(Offset, Instant)>,
}

impl Part {
    /// Whether all is read, up to an end that stays where it is.
    fn is_at(&mut self, end: Offset, ended: bool, now: Instant, still: Duration) -> bool {
        let since = match self.end {
            Some((known, since)) if known == end => since,
            _ => now,
        };
        self.end = Some((end, since));
        self.next >= end || (ended && now.saturating_duration_since(since) >= still)
    }
}

struct Intaker {
    context: Context,
    schemas: Option<Schemas>,
    decoders: BTreeMap<Arc<str>, Decoder>,
    reader: Box<dyn Reader>,
    writer: Box<dyn Writer>,
    member: Box<dyn Member>,
    parts: BTreeMap<TopicPartition, Part>,
    events: Arc<str>,
    dlq: Arc<str>,
    dlq_partitions: u32,
    uncommitted: bool,
    topology: Vec<(String, u32)>,
    batch: Vec<Record>,
    committing: Every,
    beating: Every,
    measuring: Every,
}

/// The decoder of a configured source.
pub fn decoder(config: &Config, source: &Source) -> Decoder {
    Decoder {
        source: source.name.clone(),
        system: source.system,
        reading: source.reading.clone(),
        calendar: config.definition.dates().clone(),
        limits: Limits {
            max_record_bytes: config.intake.max_record_bytes,
            max_array: config.intake.max_array,
            future_limit: config.time.future_limit,
        },
    }
}

/// Opens the stage.
pub fn open(context: &Context) -> Result<Box<dyn Worker>, Fault> {
    Ok(Box::new(Intaker::new(context)?))
}

impl Worker for Intaker {
    fn step(&mut self) -> Result<(), Fault> {
        self.rebalance()?;
        self.wake()?;
        let mut batch = std::mem::take(&mut self.batch);
        batch.clear();
        self.reader.poll(BATCH, self.context.wait, &mut batch)?;
        let mut halted = false;
        for record in &batch {
            halted |= self.take(record)?;
        }
        self.batch = batch;
        if halted {
            self.read_on()?;
        }
        let now = (self.context.timer)();
        if self.beating.due(now) {
            let measure = self.measuring.due(now);
            self.beat(measure)?;
        }
        if self.uncommitted && self.committing.due(now) {
            self.commit()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Fault> {
        // The last word on how far it came, for whoever finds no committed offset.
        self.beat(false)?;
        self.commit()?;
        self.member.leave();
        Ok(())
    }
}

impl Intaker {
    fn new(context: &Context) -> Result<Intaker, Fault> {
        context.telemetry.none_stopped(Stage::Intake);
        let config = &context.config;
        let mut decoders = BTreeMap::new();
        for source in &config.sources {
            for topic in &source.topics {
                decoders.insert(Arc::<str>::from(topic.as_str()), decoder(config, source));
            }
        }
        let topics: Vec<&str> = decoders.keys().map(|t| &**t).collect();
        // A topic that stays silent has to be seen as well.
        topics.iter().for_each(|topic| context.telemetry.taken(topic, 0));
        // Named by the topic that it fills: another events topic starts from the sources' start.
        let group = format!("{}.intake", context.topics.events);
        let dlq: Arc<str> = context.topics.dlq.as_str().into();
        let now = (context.timer)();
        Ok(Intaker {
            reader: context.log.reader()?,
            writer: context.log.writer()?,
            member: context.log.join(&group, &topics)?,
            dlq_partitions: context.log.describe(&dlq)?.map_or(1, |t| t.partitions),
            schemas: wait::schemas(context)?,
            context: context.clone(),
            decoders,
            parts: BTreeMap::new(),
            events: context.topics.events.as_str().into(),
            dlq,
            uncommitted: false,
            topology: Vec::new(),
            batch: Vec::with_capacity(BATCH),
            committing: Every::new(COMMIT, now),
            beating: Every::new(BEAT, now),
            measuring: Every::new(MEASURE, now),
        })
    }

    fn rebalance(&mut self) -> Result<(), Fault> {
        let Some(owned) = self.member.poll(Duration::ZERO)? else {
            return Ok(());
        };
        self.commit()?;
        let new: Vec<_> = owned.iter().filter(|p| !self.parts.contains_key(p)).cloned().collect();
        let telemetry = &self.context.telemetry;
        self.parts.retain(|p, _| {
            let keep = owned.contains(p);
            if !keep {
                telemetry.forget(Stage::Intake, &p.to_string());
            }
            keep
        });
        let committed = self.member.committed(&new)?;
        let forgotten = committed.iter().any(Option::is_none);
        let told = if forgotten { self.last_told()? } else { BTreeMap::new() };
        for (partition, committed) in new.iter().zip(committed) {
            let part = self.resume(partition, committed, told.get(partition).copied())?;
            self.parts.insert(partition.clone(), part);
        }
        self.topology.clear();
        for topic in self.decoders.keys() {
            let partitions = self.context.log.describe(topic)?.map_or(1, |t| t.partitions);
            self.topology.push((topic.to_string(), partitions));
        }
        self.read_on()?;
        tracing::info!(stage = "intake", partitions = self.parts.len(), "assigned");
        Ok(())
    }

    /// Reads every partition that does not stand still, and tells which do.
    fn read_on(&mut self) -> Result<(), Fault> {
        self.assign()?;
        self.tell();
        Ok(())
    }

    fn assign(&mut self) -> Result<(), Fault> {
        let moving = self.parts.iter().filter(|(_, p)| p.stopped.is_none() && !p.waits);
        let at: Vec<_> = moving.map(|(p, part)| (p.clone(), part.next)).collect();
        Ok(self.reader.assign(&at)?)
    }

    /// Tells people what stands still.
    fn tell(&self) {
        let mut stopped: Vec<_> = self.parts.values().filter_map(|p| p.stopped.clone()).collect();
        stopped.extend(self.waiting());
        let state = if stopped.is_empty() { Ok(()) } else { Err(stopped.join("; ")) };
        self.context.health.set("intake", state);
    }

    /// Takes a record; true where its partition comes to stand still instead.
    fn take(&mut self, record: &Record) -> Result<bool, Fault> {
        let context = self.context.clone();
        let place = record.topic_partition();
        let (Some(decoder), Some(part)) =
            (self.decoders.get(&record.topic), self.parts.get_mut(&place))
        else {
            return Ok(false);
        };
        if part.stopped.is_some() || part.waits {
            return Ok(false);
        }
        let now = (context.clock)();
        let Some(schema) = wait::schema(decoder, record, &mut self.schemas, (context.timer)())
        else {
            part.waits = true;
            return Ok(true);
        };
        // The last line of defense: whatever a record does, the next one is read.
        let taken = catch_unwind(AssertUnwindSafe(|| {
            (context.probe)(record);
            decoder.take_with(record, schema, Some(now))
        }));
        let taken = taken.unwrap_or_else(|_| {
            let reason = Reason::new(Code::Panicked, "decoding it broke an invariant");
            let dead_letters = vec![DeadLetter::new(record, reason, None)];
            Intake { dead_letters, ..Intake::default() }
        });
        let is_bad = taken.events.is_empty() && !taken.dead_letters.is_empty();
        // A deletion of the source, and what an operator put back, say nothing of the source's state.
        let judged = record.value.is_some() && record.header("tidemark.redrive.id").is_none();
        if let Some(why) = judged.then(|| part.breaker.judge(is_bad)).flatten() {
            self.trip(&place, &why);
            return Ok(true);
        }
        context.telemetry.taken(&record.topic, 1);
        if taken.test > 0 {
            context.telemetry.ignored(Ignored::Test, u64::from(taken.test));
        }
        for ignored in &taken.ignored {
            context.telemetry.unread(&decoder.source, ignored.reason, 1);
        }
        if taken.unknown_fields > 0 {
            context.telemetry.unknown_fields(&record.topic, u64::from(taken.unknown_fields));
        }
        let placed = |e: &Event<'_>| intake::placed(e.time, e.precision, &decoder.calendar);
        let latest = taken.events.iter().map(placed).max();
        for dead in taken.dead_letters {
            self.bury(dead)?;
        }
        let since = Arrival::headers_of(record);
        for event in &taken.events {
            self.send_event(event, since.clone())?;
        }
        if let Some(part) = self.parts.get_mut(&place) {
            part.next = part.next.max(record.offset.next());
            part.mark = Some(record.mark());
            part.latest = part.latest.max(latest);
            part.quiet_since = (self.context.timer)();
        }
        self.uncommitted = true;
        Ok(false)
    }

    /// Stops a partition of which too much is no event.
    fn trip(&mut self, place: &TopicPartition, why: &str) {
        let mut part = self.parts.remove(place).expect("it was there a moment ago");
        self.halt(
            place,
            &mut part,
            format!(
                "{why}; mend the source and restart, or raise intake.breaker_in_a_row and \
                 breaker_percent to send them to the dead letters"
            ),
        );
        self.parts.insert(place.clone(), part);
    }

    fn send_event(&mut self, event: &Event<'_>, headers: Vec<Header>) -> Result<(), Fault> {
        self.context.telemetry.events(&event.source, event.entity.kind, 1);
        let key = event.key();
        let out = Outgoing {
            topic: self.events.clone(),
            partition: shard_of(&key, self.context.config.definition.shards),
            key: Some(key.into_bytes()),
            value: Some(intake::encode_event(event)),
            headers,
        };
        if event.kind == EventKind::Gap {
            let topic = self.context.topics.gaps.as_str().into();
            self.writer.send(Outgoing { topic, partition: Partition(0), ..out.clone() })?;
        }
        Ok(self.writer.send(out)?)
    }

    fn bury(&mut self, mut dead: DeadLetter) -> Result<(), Fault> {
        dead.cut(self.context.config.intake.max_record_bytes);
        self.context.telemetry.dead_letter(dead.reason.code);
        let out = Outgoing {
            topic: self.dlq.clone(),
            partition: Partition(dead.origin.1 % self.dlq_partitions.max(1)),
            key: dead.key.clone(),
            value: dead.value.clone(),
            headers: dead.headers(&self.context.burial("intake")),
        };
        Ok(self.writer.send(out)?)
    }

    fn commit(&mut self) -> Result<(), Fault> {
        if !self.uncommitted {
            return Ok(());
        }
        self.writer.flush(FLUSH)?;
        let at = |part: &Part| Position { next: part.next, mark: part.mark };
        let next: Vec<_> = self.parts.iter().map(|(p, part)| (p.clone(), at(part))).collect();
        if let Err(error) = self.member.commit(&next) {
            // Another member owns some of them by now, or the group is rebalancing: whoever owns
            // them repeats what we did, and nothing is counted twice.
            tracing::debug!(stage = "intake", %error, "commit refused");
        }
        self.uncommitted = false;
        Ok(())
    }

    /// Tells every shard how far each owned source partition is complete. Sent behind the events
    /// that it covers, by the same writer, so no shard sees it before them.
    fn beat(&mut self, measure: bool) -> Result<(), Fault> {
        let (now, timer) = ((self.context.clock)(), (self.context.timer)());
        let rules = &self.context.config.time;
        for (partition, part) in &mut self.parts {
            let quiet = timer.saturating_duration_since(part.quiet_since) >= rules.idle_after;
            let end = if quiet || measure || part.sent.is_none() {
                Some(self.reader.bounds(partition)?.end)
            } else {
                None
            };
            if let Some(end) = end {
                let lag = end.0.saturating_sub(part.next.0);
                self.context.telemetry.lag(Stage::Intake, &partition.to_string(), lag);
            }
            if part.stopped.is_some() || part.waits {
                continue;
            }
            // Idle is a fact about the partition, not about a timer: read to its end, and quiet. The
            // last offset may be a transaction's marker, which nobody reads: then the end is where it
            // was seen, if it stayed there.
            let ended = self.reader.ended(partition);
            let idle =
                quiet && end.is_some_and(|end| part.is_at(end, ended, timer, rules.idle_after));
            let reached =
                if idle { Some(part.latest.map_or(now, |l| l.max(now))) } else { part.latest };
            let Some(watermark) = reached.map(|t| t - rules.out_of_orderness) else {
                continue;
            };
            let told = part.sent.is_some_and(|(sent, next, when)| {
                let stale = next != part.next && timer.saturating_duration_since(when) >= TELL;
                sent >= watermark && !stale
            });
            if told {
                continue;
            }
            // A watermark never goes back, also where the clock does.
            let watermark = part.sent.map_or(watermark, |(sent, ..)| sent.max(watermark));
            part.sent = Some((watermark, part.next, timer));
            self.context.telemetry.watermark(Stage::Intake, &partition.to_string(), watermark);
            let beat = Heartbeat {
                topic: partition.topic.to_string(),
                partition: partition.partition.0,
                topology: self.topology.clone(),
                watermark,
                idle,
                next: part.next.0,
                newest: part.latest,
                mark: part.mark,
            };
            let (key, value) = (intake::beat_key(&beat), intake::encode_heartbeat(&beat));
            for shard in 0..self.context.config.definition.shards {
                self.writer.send(Outgoing {
                    topic: self.events.clone(),
                    partition: Partition(shard),
                    key: Some(key.clone().into_bytes()),
                    value: Some(value.clone()),
                    headers: Vec::new(),
                })?;
            }
            self.uncommitted = true;
        }
        Ok(())
    }
}
