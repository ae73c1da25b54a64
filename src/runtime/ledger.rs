//! Drives the ledger: events in; partials, shard progress, images and too-late events out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::arrival::Arrival;
use super::deals;
use super::guard::guarded;
use super::halted::Halted;
use super::images::{self, Images};
use super::news::News;
use super::partials::{Partials, Strays};
use super::{BATCH, BEAT, Context, Every, FLUSH, Fault, Pace, TELL, Worker, record_before};
use crate::clock::{monotonic, since};
use crate::intake::{Stored, read_stored};
use crate::ledger::{Applied, Ledger, Verdict};
use crate::log::{
    Bounds, Header, Member, Offset, Outgoing, Partition, Position, Reader, Record, TopicPartition,
    Writer,
};
use crate::model::deadletter::{Code, DeadLetter, Reason};
use crate::model::definition::Definition;
use crate::model::kin::Kin;
use crate::model::partial::ShardBeat;
use crate::model::time::Timestamp;
use crate::telemetry::{Ignored, Stage};

/// Time between two looks at sizes and lag, for metrics and monitors.
const MEASURE: Duration = Duration::from_secs(5);

/// Time between publications while more events are waiting.
const BEHIND: Duration = Duration::from_secs(2);

struct Shard {
    ledger: Ledger,
    images: Images,
    /// Bytes of events read since the image.
    read: u64,
    image: Every,
    repair: Every,
    /// The oldest record that changed something since the last publish.
    since: Option<Arrival>,
    /// From here on events are new: an owner before may have told of those below.
    fresh: Offset,
    /// What was last told of its progress, and when.
    beat: Option<(ShardBeat, Instant)>,
    strays: Strays,
}

struct Bookkeeper {
    context: Context,
    definition: Arc<Definition>,
    /// Which cells are needed on other partitions too.
    kin: Kin,
    reader: Box<dyn Reader>,
    writer: Box<dyn Writer>,
    member: Box<dyn Member>,
    /// What the group said and was not acted upon yet.
    news: News,
    shards: BTreeMap<u32, Shard>,
    /// Shards that stand still.
    halted: Halted,
    /// What the group has given to this member.
    wanted: Vec<u32>,
    events: Arc<str>,
    partials: Arc<str>,
    /// Partitions of the late and of the dead-letter topic.
    aside: (u32, u32),
    batch: Vec<Record>,
    publishing: Pace,
    beating: Every,
    measuring: Every,
}

/// Opens the stage.
pub fn open(context: &Context) -> Result<Box<dyn Worker>, Fault> {
    context.telemetry.none_stopped(Stage::Ledger);
    deals::begin(context);
    let config = &context.config;
    let group = format!("{}.g{}.ledger", config.app, config.generation);
    let partitions = |topic: &str| -> Result<u32, Fault> {
        Ok(context.log.describe(topic)?.map_or(1, |t| t.partitions.max(1)))
    };
    let now = (context.timer)();
    Ok(Box::new(Bookkeeper {
        aside: (partitions(&context.topics.late)?, partitions(&context.topics.dlq)?),
        definition: Arc::new(config.definition.clone()),
        kin: Kin::of(&config.drift, config.definition.partitions),
        reader: context.log.reader()?,
        writer: context.log.writer()?,
        member: context.log.join(&group, &[&context.topics.events])?,
        news: News::default(),
        shards: BTreeMap::new(),
        halted: Halted::default(),
        wanted: Vec::new(),
        events: context.topics.events.as_str().into(),
        partials: context.topics.partials.as_str().into(),
        batch: Vec::with_capacity(BATCH),
        publishing: Pace::new(config.publish.publish_interval, BEHIND, now),
        beating: Every::new(BEAT, now),
        measuring: Every::new(MEASURE, now),
        context: context.clone(),
    }))
}

impl Worker for Bookkeeper {
    fn step(&mut self) -> Result<(), Fault> {
        self.rebalance()?;
        let mut batch = std::mem::take(&mut self.batch);
        batch.clear();
        self.reader.poll(BATCH, self.context.wait, &mut batch)?;
        for record in &batch {
            self.fold(record)?;
        }
        self.batch = batch;
        let now = (self.context.timer)();
        if self.publishing.due(now, self.caught_up()) {
            let beat = self.beating.due(now);
            self.take_images()?;
            self.publish(beat)?;
        }
        if self.measuring.due(now) {
            self.measure()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Fault> {
        // An epoch that no image holds must not be published, here as in a step.
        self.take_images()?;
        self.publish(true)?;
        self.member.leave();
        Ok(())
    }
}

impl Bookkeeper {
    /// Whether every owned partition was read to its end.
    fn caught_up(&self) -> bool {
        self.shards.keys().all(|p| self.reader.ended(&self.partition(*p)))
    }

    /// Takes what the group gives and takes away. At most one part is restored in a step, so that
    /// the group hears from this member in between.
    fn rebalance(&mut self) -> Result<(), Fault> {
        let mut changed = false;
        while let Some(owned) = self.news.take(&mut *self.member)? {
            changed = true;
            self.halted.retain(&self.context, Stage::Ledger, &owned);
            let telemetry = &self.context.telemetry;
            self.shards.retain(|shard, _| {
                let keep = owned.contains(shard);
                if !keep {
                    telemetry.forget(Stage::Ledger, &shard.to_string());
                }
                keep
            });
            self.wanted = owned;
        }
        let there = |p: &u32| self.shards.contains_key(p) || self.halted.holds(*p);
        let missing = self.wanted.iter().find(|p| !there(p)).copied();
        if let Some(shard) = missing {
            match self.restore(Partition(shard)) {
                Ok(Some(restored)) => {
                    self.shards.insert(shard, restored);
                    changed = true;
                }
                // The group took it away meanwhile: the next step hears of that.
                Ok(None) => {}
                Err(Fault::Part(why)) => {
                    self.halted.halt(&self.context, Stage::Ledger, shard, why);
                    changed = true;
                }
                Err(other) => return Err(other),
            }
        }
        if !changed {
            return Ok(());
        }
        let at = |(shard, s): (&u32, &Shard)| (self.partition(*shard), s.ledger.next());
        let at: Vec<_> = self.shards.iter().map(at).collect();
        self.reader.assign(&at)?;
        if at.len() + self.halted.len() == self.wanted.len() {
            tracing::info!(stage = "ledger", parts = at.len(), "assigned");
            self.context.health.set("ledger", self.halted.state());
        }
        Ok(())
    }

    fn partition(&self, shard: u32) -> TopicPartition {
        TopicPartition { topic: self.events.clone(), partition: Partition(shard) }
    }

    /// `None` where the group took the shard away in between.
    fn restore(&mut self, shard: Partition) -> Result<Option<Shard>, Fault> {
        let started = monotonic();
        self.context.telemetry.restoring(Stage::Ledger);
        self.context.health.set("ledger", Err(format!("restoring shard {shard}")));
        let mut reader = self.context.log.reader()?;
        let mut keep = || Ok(self.news.keeps(&mut *self.member, shard.0)?);
        let (context, definition) = (&self.context, &self.definition);
        let restored = images::restore(context, &mut *reader, definition, shard, &mut keep)?;
        let Some(restored) = restored else {
            context.telemetry.restore_dropped(Stage::Ledger);
            tracing::info!(stage = "ledger", %shard, "taken away in the middle of its restore");
            return Ok(None);
        };
        let mut ledger = restored.ledger;
        let bounds = reader.bounds(&self.partition(shard.0))?;
        if restored.begins && bounds.start > ledger.next() {
            self.begin_late(&mut ledger, bounds, &mut *reader)?;
        }
        let next = ledger.next();
        self.agree(shard, &ledger, bounds, &mut *reader)?;
        // Partials that the owner before did not get out, and any stale one that it may yet write,
        // are superseded by repeating all of them.
        ledger.re_emit();
        ledger.hold_until(bounds.end);
        let publish = &self.context.config.publish;
        let now = (self.context.timer)();
        // A shard without an image gets its first one soon: it also fixes which directory and
        // stage table its partials were made with.
        let image = match restored.images.newest() {
            Some(_) => Every::later(publish.image_interval, now),
            None => Every::new(publish.image_interval, now),
        };
        let repair = Every::later(publish.repair_interval, now);
        self.context.telemetry.restored(Stage::Ledger, since(started), restored.bytes);
        tracing::info!(stage = "ledger", %shard, %next, took = ?since(started), "restored");
        let (images, fresh, kin) = (restored.images, bounds.end, self.kin.hash());
        let strays = images.newest().map_or(!restored.begins, |image| image.kin != kin);
        let strays = if strays { Strays::Unsaid } else { Strays::None };
        let (read, since, beat) = (0, None, None);
        Ok(Some(Shard { ledger, images, read, image, repair, since, fresh, beat, strays }))
    }

    /// A new generation over an events topic that does not go back to the first event counts from
    /// what is left, and says of all before that it may lack something.
    fn begin_late(
        &self,
        ledger: &mut Ledger,
        bounds: Bounds,
        reader: &mut dyn Reader,
    ) -> Result<(), Fault> {
        let at = self.partition(ledger.shard().0);
        let first = record_before(&self.context, reader, &at, bounds.start.next())?;
        let millis = first.and_then(|record| record.timestamp_ms);
        let until = millis.map_or_else(|| (self.context.clock)(), Timestamp::from_millis);
        tracing::warn!(stage = "ledger", %at, start = %bounds.start, %until,
            "older events are gone: counting from what is left");
        ledger.begin(bounds.start, until);
        Ok(())
    }

    /// Whether the state of a shard and its log are of one piece; an error says how they are not.
    fn agree(
        &self,
        shard: Partition,
        ledger: &Ledger,
        bounds: Bounds,
        reader: &mut dyn Reader,
    ) -> Result<(), Fault> {
        let (events, next) = (&self.events, ledger.next());
        let anew = |how: String| {
            Err(Fault::Part(format!(
                "the image of shard {shard} stands at offset {next} of {events}, {how}: the topic \
                 was deleted and created anew, or lost acknowledged events; raise app.generation to \
                 count from what is there"
            )))
        };
        if next > bounds.end {
            return anew(format!("which ends at {}", bounds.end));
        }
        if next < bounds.start {
            return Err(Fault::Part(format!(
                "shard {shard} needs {events} from offset {next}, but it starts at {}: events were \
                 trimmed before they were folded; raise app.generation to count from what is left",
                bounds.start
            )));
        }
        let Some(mark) = ledger.tail().filter(|_| next > bounds.start) else {
            return Ok(());
        };
        let before = record_before(&self.context, reader, &self.partition(shard.0), next)?;
        match before.is_some_and(|record| record.mark() != mark) {
            true => anew("and what stands before it is not what it folded".to_owned()),
            false => Ok(()),
        }
    }

    fn fold(&mut self, record: &Record) -> Result<(), Fault> {
        let Some(shard) = self.shards.get_mut(&record.partition.0) else {
            return Ok(());
        };
        let offset = record.offset;
        shard.read += record.value.as_ref().map_or(0, |v| v.len() as u64);
        shard.ledger.note_tail(record.mark());
        if self.context.poison.has_failed(record) {
            // Every owner that meets it comes to the same end, so the state stays one of the log.
            shard.ledger.skip(offset);
            return self.bury(record, Reason::new(Code::Panicked, "folding it broke an invariant"));
        }
        let stored = match read_stored(record, self.definition.dates()) {
            Ok(stored) => stored,
            Err(reason) => {
                shard.ledger.skip(offset);
                return self.bury(record, reason);
            }
        };
        let ledger = &mut shard.ledger;
        let applied = guarded(&self.context, record, || match &stored {
            Stored::Event(event) => Some(ledger.apply(offset, event)),
            Stored::Beat(beat) => {
                ledger.beat(offset, beat);
                None
            }
            Stored::Lost(lost) => {
                ledger.lose(offset, lost);
                None
            }
        })?;
        if let (Some(applied), Stored::Event(event)) = (applied, &stored) {
            let is_new = offset >= shard.fresh && !applied.too_late;
            if is_new && applied.verdict == Verdict::Counted {
                if let Some(closed) = &applied.closed {
                    deals::note(&self.context, &shard.ledger, closed, &event.entity.id);
                }
                let named = self.context.config.http.exemplars;
                Arrival::note(&mut shard.since, Arrival::of_event(record, named));
            }
            self.count(applied, event.source.as_ref());
            if applied.too_late {
                self.forward_too_late(record)?;
            }
        }
        Ok(())
    }

    fn bury(&mut self, record: &Record, reason: Reason) -> Result<(), Fault> {
        self.context.telemetry.dead_letter(reason.code);
        let dead = DeadLetter::new(record, reason, None);
        Ok(self.writer.send(Outgoing {
            topic: self.context.topics.dlq.as_str().into(),
            partition: Partition(record.partition.0 % self.aside.1),
            key: dead.key.clone(),
            value: dead.value.clone(),
            headers: dead.headers(&self.context.burial("ledger")),
        })?)
    }

    fn count(&self, applied: Applied, source: &str) {
        let telemetry = &self.context.telemetry;
        if applied.verdict != Verdict::Folded {
            telemetry.folded(1);
        }
        match applied.verdict {
            Verdict::Folded => {}
            Verdict::Counted if applied.too_late => {}
            Verdict::Counted => telemetry.counted(1),
            Verdict::Irrelevant => telemetry.ignored(Ignored::NothingCounted, 1),
            Verdict::Repeated => telemetry.ignored(Ignored::DuplicateOrOlder, 1),
            Verdict::NotKept => telemetry.ignored(Ignored::EntityNotCounted, 1),
            Verdict::Gap => telemetry.ignored(Ignored::Gap, 1),
        }
        if applied.late {
            telemetry.late(1);
        }
        if applied.too_late {
            telemetry.too_late(1);
        }
        if applied.unknown_stage {
            telemetry.unknown_stage(source, 1);
        }
    }

    fn forward_too_late(&mut self, record: &Record) -> Result<(), Fault> {
        let mut headers = record.headers.clone();
        let place = format!("{}/{}/{}", record.topic, record.partition, record.offset);
        headers.push(Header::new("tidemark.late.origin", place));
        headers.push(Header::new("tidemark.late.reason", "behind slices.day_retention"));
        Ok(self.writer.send(Outgoing {
            topic: self.context.topics.late.as_str().into(),
            partition: Partition(record.partition.0 % self.aside.0),
            key: record.key.clone(),
            value: record.value.clone(),
            headers,
        })?)
    }

    fn publish(&mut self, beat: bool) -> Result<(), Fault> {
        let started = monotonic();
        let mut sent = 0;
        let now = (self.context.timer)();
        let strays = self.shards.values().any(|state| state.strays != Strays::None);
        let widest = strays.then(|| Kin::widest(&self.definition));
        for (shard, state) in &mut self.shards {
            if state.repair.due(now) {
                state.ledger.re_emit();
            }
            let out = state.ledger.publish();
            sent += out.cells.len();
            let headers = Arrival::headers(state.since.as_ref());
            let mut partials = Partials {
                writer: &mut *self.writer,
                topic: &self.partials,
                definition: &self.definition,
                kin: &self.kin,
                before: widest.as_ref().filter(|_| state.strays != Strays::None),
                deletes: state.strays == Strays::Said,
            };
            let floor = state.ledger.day_floor();
            out.cells.into_iter().try_for_each(|cell| partials.cell(cell, floor, &headers))?;
            for (segment, slice) in out.expired {
                partials.gone(*shard, &segment, slice)?;
            }
            let progress = ShardBeat { kin: self.kin.judging(), ..state.ledger.progress() };
            let beat = beat && !state.ledger.is_held();
            let news = state.beat.as_ref().is_none_or(|(told, when)| {
                let stale = now.saturating_duration_since(*when) >= TELL;
                !progress.repeats(told) || (stale && told.version != progress.version)
            });
            if beat && news {
                state.beat = Some((progress.clone(), now));
                partials.beat(progress)?;
            }
        }
        self.writer.flush(FLUSH)?;
        // What is held back goes out later, with the time since when it waits.
        for state in self.shards.values_mut().filter(|state| !state.ledger.is_held()) {
            state.since = None;
            match state.strays {
                Strays::Unsaid if state.beat.is_some() => {
                    state.strays = Strays::Said;
                    state.ledger.re_emit();
                }
                Strays::Said => state.strays = Strays::None,
                Strays::Unsaid | Strays::None => {}
            }
        }
        if sent > 0 {
            self.context.telemetry.partials_published(sent as u64);
            self.context.telemetry.published(Stage::Ledger, since(started));
        }
        Ok(())
    }

    /// Takes an image when as much was read as a restore should read at most, or after a while if
    /// anything changed: bounded writing, bounded restore.
    fn take_images(&mut self) -> Result<(), Fault> {
        let now = (self.context.timer)();
        for (shard, state) in &mut self.shards {
            let size = state.images.newest().map_or(0, |m| m.bytes as u64);
            let grown = state.read > self.context.config.publish.image_bytes.max(size);
            let kin = state.strays.kin(&self.kin);
            // Both before what it says is published: a later owner with the rules of before must know
            // that copies may lie elsewhere.
            let other_kin = state.images.newest().is_some_and(|image| image.kin != kin);
            // An image of an epoch that is not out yet would make the next owner think that it is.
            let due = grown || other_kin || state.ledger.begins_epoch();
            if !state.ledger.is_held() && (due || (state.read > 0 && state.image.due(now))) {
                let (writer, reader) = (&mut *self.writer, &mut *self.reader);
                let manifest =
                    state.images.write(&self.context, writer, reader, (&state.ledger, kin))?;
                tracing::debug!(stage = "ledger", shard, image = manifest.image, "image written");
                state.ledger.epoch_kept();
                state.read = 0;
                state.image = Every::later(self.context.config.publish.image_interval, now);
            }
        }
        Ok(())
    }

    fn measure(&mut self) -> Result<(), Fault> {
        let mut next: Vec<(TopicPartition, Position)> = Vec::new();
        for (shard, state) in &self.shards {
            let (label, sizes) = (shard.to_string(), state.ledger.sizes());
            let telemetry = &self.context.telemetry;
            telemetry.entities(&label, sizes.entities);
            telemetry.cells(Stage::Ledger, &label, sizes.cells);
            if let Some(watermark) = state.ledger.watermark() {
                telemetry.watermark(Stage::Ledger, &label, watermark);
            }
            let partition = self.partition(*shard);
            let end = self.reader.bounds(&partition)?.end;
            let at = state.ledger.next();
            telemetry.lag(Stage::Ledger, &label, end.0.saturating_sub(at.0));
            next.push((partition, at.into()));
        }
        // For lag monitors only: the image's offset decides where a shard resumes.
        if let Err(error) = self.member.commit(&next) {
            tracing::debug!(stage = "ledger", %error, "commit refused");
        }
        Ok(())
    }
}
