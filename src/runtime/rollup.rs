//! Drives the rollup: partials in; rows and metric pages out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::arrival::Arrival;
use super::guard::guarded;
use super::halted::Halted;
use super::news::News;
use super::reps::Reps;
use super::targets::Follower;
use super::{BATCH, Context, Every, FLUSH, Fault, Pace, Worker, read_through};
use crate::clock::{monotonic, since, wall_ms};
use crate::http::{Caps, KpiSnapshot};
use crate::log::{Member, Offset, Outgoing, Partition, Reader, Record, TopicPartition, Writer};
use crate::model::definition::Definition;
use crate::model::partial::{PartialError, PartialMessage};
use crate::model::row::{self, Pane};
use crate::model::time::{Span, Timestamp};
use crate::rollup::{Merged, Rollup};
use crate::telemetry::Stage;

/// Shortest time between two metric pages of a partition: a scrape sees no more.
const PAGE: Duration = Duration::from_secs(2);
/// Time between emissions while more partials are waiting.
const BEHIND: Duration = Duration::from_secs(5);
/// How far the wall clock may go back before the windows are built anew: less is a correction of a
/// few seconds, which they wait out.
const STEP_BACK: Span = Span::minutes(1);
/// What is said of drift in the notes on health.
const DRIFT: &str = "drift";
/// Time between two looks at sizes and lag.
const MEASURE: Duration = Duration::from_secs(5);

/// What a published row says about its firing.
#[derive(serde::Deserialize)]
struct Seen<'a> {
    status: String,
    revision: u64,
    #[serde(default)]
    incomplete: bool,
    #[serde(borrow)]
    kpis: &'a serde_json::value::RawValue,
    #[serde(borrow, default)]
    funnel: Option<&'a serde_json::value::RawValue>,
}

impl Seen<'_> {
    /// What it told of its window.
    fn told(&self) -> String {
        row::told(self.kpis.get().to_owned(), self.funnel.map(|funnel| funnel.get()))
    }
}

struct Part {
    rollup: Rollup,
    next: Offset,
    repair: Every,
    page: Every,
    changed: bool,
    /// The oldest record behind what was merged and not yet told.
    since: Option<Arrival>,
}

struct Merger {
    context: Context,
    definition: Arc<Definition>,
    reader: Box<dyn Reader>,
    writer: Box<dyn Writer>,
    member: Box<dyn Member>,
    /// What the group said and was not acted upon yet.
    news: News,
    parts: BTreeMap<u32, Part>,
    /// Parts that stand still.
    halted: Halted,
    /// What the group has given to this member, and whether it has answered at all.
    wanted: Vec<u32>,
    seated: bool,
    partials: Arc<str>,
    kpis: Arc<str>,
    alerts: Arc<str>,
    batch: Vec<Record>,
    emitting: Pace,
    /// Latest time that windows were moved to.
    latest: Timestamp,
    measuring: Every,
    /// Where targets come from a topic too.
    follower: Option<Follower>,
    /// Whether a shard runs with other rules of drift; `None` until that was looked at.
    at_odds: Option<bool>,
    reps: Reps,
}

/// Opens the stage.
pub fn open(context: &Context) -> Result<Box<dyn Worker>, Fault> {
    context.telemetry.none_stopped(Stage::Rollup);
    let config = &context.config;
    let group = format!("{}.g{}.rollup", config.app, config.generation);
    let now = (context.timer)();
    let follower = Follower::open(context)?;
    Ok(Box::new(Merger {
        follower,
        definition: Arc::new(config.definition.clone()),
        reader: context.log.reader()?,
        writer: context.log.writer()?,
        member: context.log.join(&group, &[&context.topics.partials])?,
        news: News::default(),
        parts: BTreeMap::new(),
        halted: Halted::default(),
        wanted: Vec::new(),
        seated: false,
        partials: context.topics.partials.as_str().into(),
        kpis: context.topics.kpis.as_str().into(),
        alerts: context.topics.alerts.as_str().into(),
        batch: Vec::with_capacity(BATCH),
        emitting: Pace::new(config.publish.emit_interval, BEHIND, now),
        latest: (context.clock)(),
        measuring: Every::new(MEASURE, now),
        at_odds: None,
        reps: Reps::default(),
        context: context.clone(),
    }))
}

impl Worker for Merger {
    fn step(&mut self) -> Result<(), Fault> {
        self.follow()?;
        self.rebalance()?;
        let mut batch = std::mem::take(&mut self.batch);
        self.reader.poll(BATCH, self.context.wait, &mut batch)?;
        let mut halted = false;
        for record in batch.drain(..) {
            let number = record.partition.0;
            let Some(part) = self.parts.get_mut(&number) else { continue };
            match merge(&self.context, part, &record) {
                Ok(()) => {}
                Err(Fault::Part(why)) => {
                    self.halt(number, why);
                    halted = true;
                }
                Err(other) => return Err(other),
            }
        }
        self.batch = batch;
        if halted {
            self.read_on()?;
        }
        let now = (self.context.timer)();
        if self.emitting.due(now, self.caught_up()) {
            self.emit()?;
        }
        if self.measuring.due(now) {
            self.measure()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Fault> {
        self.emit()?;
        self.member.leave();
        Ok(())
    }
}

fn merge(context: &Context, part: &mut Part, record: &Record) -> Result<(), Fault> {
    part.next = record.offset.next();
    let Some(value) = record.value.as_deref() else {
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default());
        part.rollup.forget(record.offset, &key);
        return Ok(());
    };
    let refused = |why: String| Err(Fault::Refused(why));
    let stops = |why: String| Err(Fault::Part(why));
    let place = || format!("{} at offset {}", record.topic_partition(), record.offset);
    if context.poison.has_failed(record) {
        return stops(format!(
            "merging {} panicked twice; please report it, and raise app.generation to go on",
            place()
        ));
    }
    match PartialMessage::decode(value) {
        Err(error @ (PartialError::Newer(_) | PartialError::Older(_))) => {
            refused(format!("{}: {error}", place()))
        }
        Err(error) => stops(format!(
            "{}: {error}; nobody but Tidemark may write there: raise app.generation to go on",
            place()
        )),
        Ok(message) => {
            match guarded(context, record, || part.rollup.merge(record.offset, message))? {
                Merged::Foreign { found, own } => refused(format!(
                    "{} holds progress of definition {found:016x}, this process runs {own:016x}: \
                 give the changed job a new app.generation",
                    record.topic
                )),
                Merged::Stale => {
                    context.telemetry.partials_merged(0, 1);
                    Ok(())
                }
                Merged::New => {
                    part.changed = true;
                    let named = context.config.http.exemplars;
                    Arrival::note(&mut part.since, Arrival::of_partial(record, named));
                    context.telemetry.partials_merged(1, 0);
                    Ok(())
                }
                Merged::Progress => Ok(()),
            }
        }
    }
}

/// An alert as it was published.
fn told(rollup: &mut Rollup, record: Record) -> Result<(), Fault> {
    let key = record.key.as_deref().and_then(|k| std::str::from_utf8(k).ok());
    if let (Some(key), Some(value)) = (key, &record.value) {
        rollup.seen_alert(key, value);
    }
    Ok(())
}

impl Merger {
    /// Whether every owned partition was read to its end.
    fn caught_up(&self) -> bool {
        self.parts.keys().all(|p| self.reader.ended(&self.partition(*p)))
    }

    fn partition(&self, partition: u32) -> TopicPartition {
        TopicPartition { topic: self.partials.clone(), partition: Partition(partition) }
    }

    /// Takes what came on the topic of targets: rows that stand otherwise since are due.
    fn follow(&mut self) -> Result<(), Fault> {
        let Some(follower) = &mut self.follower else { return Ok(()) };
        if follower.step(&mut *self.writer)? {
            for part in self.parts.values_mut() {
                part.rollup.aim(follower.targets());
                part.changed = true;
            }
        }
        Ok(())
    }

    /// Takes what the group gives and takes away. At most one part is restored in a step, so that
    /// the group hears from this member in between.
    fn rebalance(&mut self) -> Result<(), Fault> {
        let mut changed = false;
        while let Some(owned) = self.news.take(&mut *self.member)? {
            changed = true;
            self.halted.retain(&self.context, Stage::Rollup, &owned);
            let lost: Vec<u32> =
                self.parts.keys().filter(|p| !owned.contains(p)).copied().collect();
            for partition in lost {
                self.parts.remove(&partition);
                self.context.pages.remove(partition);
                self.context.telemetry.forget(Stage::Rollup, &partition.to_string());
            }
            (self.wanted, self.seated) = (owned, true);
        }
        let there = |p: &u32| self.parts.contains_key(p) || self.halted.holds(*p);
        let missing = self.wanted.iter().find(|p| !there(p)).copied();
        if let Some(partition) = missing {
            match self.restore(Partition(partition)) {
                Ok(Some(part)) => {
                    // What a restore reads was told of before, but for what came in between.
                    self.parts.insert(partition, Part { since: None, ..part });
                    changed = true;
                }
                // The group took it away meanwhile: the next step hears of that.
                Ok(None) => {}
                Err(Fault::Part(why)) => {
                    self.halt(partition, why);
                    changed = true;
                }
                Err(other) => return Err(other),
            }
        }
        if changed { self.read_on() } else { Ok(()) }
    }

    /// Stops a part: its rows stay as they were published, and the others go on.
    fn halt(&mut self, partition: u32, why: String) {
        self.parts.remove(&partition);
        self.context.pages.remove(partition);
        self.context.telemetry.forget(Stage::Rollup, &partition.to_string());
        self.halted.halt(&self.context, Stage::Rollup, partition, why);
    }

    fn read_on(&mut self) -> Result<(), Fault> {
        let at: Vec<_> =
            self.parts.iter().map(|(p, part)| (self.partition(*p), part.next)).collect();
        self.reader.assign(&at)?;
        if at.len() + self.halted.len() == self.wanted.len() {
            tracing::info!(stage = "rollup", parts = at.len(), "assigned");
            self.context.health.set("rollup", self.halted.state());
        }
        Ok(())
    }

    /// A partition of which nothing is read yet.
    fn empty(&self, partition: Partition, now: Timestamp) -> Rollup {
        let rollup = Rollup::new(self.definition.clone(), partition, now);
        let mut rollup = rollup.watching(&self.context.config.drift);
        if let Some(follower) = &self.follower {
            rollup.aim(follower.targets());
        }
        rollup
    }

    /// The state is a view of the compacted partials; revisions go on from the rows published. `None`
    /// where the group took the partition away in between.
    fn restore(&mut self, partition: Partition) -> Result<Option<Part>, Fault> {
        let started = monotonic();
        let context = &self.context;
        context.telemetry.restoring(Stage::Rollup);
        context.health.set("rollup", Err(format!("restoring partition {partition}")));
        let mut reader = context.log.reader()?;
        let now = (context.clock)();
        let mut rollup = self.empty(partition, now);
        let rows = TopicPartition { topic: self.kpis.clone(), partition };
        let mut keep = || Ok(self.news.keeps(&mut *self.member, partition.0)?);
        let dropped = || {
            context.telemetry.restore_dropped(Stage::Rollup);
            tracing::info!(stage = "rollup", %partition, "taken away in the middle of its restore");
            Ok(None)
        };
        let seen = read_through(context, &mut *reader, &rows, None, &mut keep, |record| {
            let row: Option<Seen> =
                record.value.as_deref().and_then(|v| serde_json::from_slice(v).ok());
            let key = record.key.as_deref().and_then(|k| std::str::from_utf8(k).ok());
            if let (Some(row), Some(key)) = (row, key) {
                let pane = Pane::parse(&row.status).unwrap_or(Pane::Early);
                rollup.seen(key, &row.told(), row.incomplete, pane, row.revision);
            }
            Ok(())
        })?;
        let Some(seen) = seen else {
            return dropped();
        };
        let alerts = TopicPartition { topic: self.alerts.clone(), partition };
        let each = |record| told(&mut rollup, record);
        if read_through(context, &mut *reader, &alerts, None, &mut keep, each)?.is_none() {
            return dropped();
        }
        let timer = (context.timer)();
        let repair = Every::later(context.config.publish.repair_interval, timer);
        let page = Every::new(PAGE, timer);
        let mut part = Part { rollup, next: Offset(0), repair, page, changed: true, since: None };
        let partials = TopicPartition { topic: self.partials.clone(), partition };
        let mut swept = Vec::new();
        let read = read_through(context, &mut *reader, &partials, None, &mut keep, |record| {
            // A shard deletes what it lets go of, unless it died in between: then nobody else would.
            let cell = record.key.as_deref().and_then(|k| std::str::from_utf8(k).ok());
            if record.value.is_some() && cell.is_some_and(|key| part.rollup.looks_expired(key)) {
                swept.extend(record.key);
                return Ok(());
            }
            merge(context, &mut part, &record)
        })?;
        let Some(read) = read else {
            return dropped();
        };
        let let_go =
            |key: &Vec<u8>| std::str::from_utf8(key).is_ok_and(|key| part.rollup.is_expired(key));
        for key in swept.into_iter().filter(let_go) {
            let (topic, key) = (self.partials.clone(), Some(key));
            self.writer.send(Outgoing {
                topic,
                partition,
                key,
                value: None,
                headers: Vec::new(),
            })?;
        }
        part.next = read.end;
        part.rollup.re_emit();
        context.telemetry.restored(Stage::Rollup, since(started), seen.bytes + read.bytes);
        tracing::info!(stage = "rollup", %partition, end = %read.end, took = ?since(started), "restored");
        Ok(Some(part))
    }

    fn emit(&mut self) -> Result<(), Fault> {
        let (now, timer) = ((self.context.clock)(), (self.context.timer)());
        let back = self.latest.0 - now.0;
        if back > STEP_BACK.0 {
            return Err(Fault::ClockWentBack(Duration::from_micros(back.unsigned_abs())));
        }
        self.latest = self.latest.max(now);
        let started = monotonic();
        let (mut sent, mut told) = (0, Vec::new());
        let caps = Caps::of_family(self.context.config.limits.max_series_per_family);
        for (partition, part) in &mut self.parts {
            if part.repair.due(timer) {
                part.rollup.re_emit();
            }
            let (rows, arrival) = (part.rollup.tick(now), part.since.clone());
            sent += rows.len();
            told.extend(arrival.filter(|_| !rows.is_empty()));
            for row in rows {
                self.context.telemetry.rows_published(row.pane, 1);
                part.changed = true;
                self.writer.send(Outgoing {
                    topic: self.kpis.clone(),
                    partition: row.partition,
                    key: Some(row.key.into_bytes()),
                    value: Some(row.json.into_bytes()),
                    headers: Vec::new(),
                })?;
            }
            for alert in part.rollup.decide() {
                self.context.telemetry.alert_published(alert.state);
                part.changed = true;
                self.writer.send(Outgoing {
                    topic: self.alerts.clone(),
                    partition: alert.partition,
                    key: Some(alert.key.into_bytes()),
                    value: Some(alert.json.into_bytes()),
                    headers: Vec::new(),
                })?;
            }
            if part.changed && part.page.due(timer) {
                part.changed = false;
                let (rows, of) = (part.rollup.current_rows(), &self.definition);
                let rows = rows.iter().collect::<Vec<_>>();
                let mut page = KpiSnapshot::render(&rows, &of.kpis, caps);
                page.add_readings(&part.rollup.readings(), caps, |segment, day| {
                    of.calendar_of(segment).start_of(day)
                });
                self.context.pages.put(*partition, page);
            }
        }
        self.compare_rules();
        self.writer.flush(FLUSH)?;
        self.parts.values_mut().for_each(|part| part.since = None);
        if sent > 0 {
            self.context.telemetry.published(Stage::Rollup, since(started));
        }
        let now_ms = wall_ms();
        for arrival in told {
            if let Some(took) = arrival.age(now_ms) {
                self.context.telemetry.event_told(took, arrival.entity.as_deref(), now_ms);
            }
        }
        Ok(())
    }

    /// Says when shards begin, or cease, to run with other rules of drift than this process.
    fn compare_rules(&mut self) {
        let owns_none = self.parts.is_empty();
        // Whoever owns what this process let go of says it there. What is not restored yet says nothing.
        if owns_none && !(self.seated && self.wanted.is_empty()) {
            return;
        }
        let at_odds = !self.parts.values().all(|part| part.rollup.has_all_copies());
        self.context.telemetry.drift_judging(!at_odds);
        let before = self.at_odds.replace(at_odds);
        if before == Some(at_odds) {
            return;
        }
        let state = match at_odds {
            false => Ok(()),
            true => Err("a shard runs with another [drift]: nothing is judged here until all \
                         instances run with one"
                .to_owned()),
        };
        match &state {
            Ok(()) if before.is_none() || owns_none => {}
            Ok(()) => tracing::info!(stage = "rollup", "all shards run with the same [drift]"),
            Err(why) => tracing::warn!(stage = "rollup", "{why}"),
        }
        self.context.health.tell(DRIFT, state);
    }

    fn measure(&mut self) -> Result<(), Fault> {
        let today = self.definition.calendar.day_of((self.context.clock)());
        self.reps.tell(&self.context, today);
        let followed = self.follower.as_ref().map(Follower::targets);
        let targets = followed.as_deref().unwrap_or(&self.definition.targets);
        self.context.telemetry.targets_stale(targets.stale(today).len());
        let mut next = Vec::new();
        for (partition, part) in &self.parts {
            let label = partition.to_string();
            let telemetry = &self.context.telemetry;
            telemetry.cells(Stage::Rollup, &label, part.rollup.sizes().1);
            telemetry.unconverted(&label, part.rollup.parked().values().sum());
            if let Some(watermark) = part.rollup.watermark() {
                telemetry.watermark(Stage::Rollup, &label, watermark);
            }
            let at = self.partition(*partition);
            let end = self.reader.bounds(&at)?.end;
            telemetry.lag(Stage::Rollup, &label, end.0.saturating_sub(part.next.0));
            next.push((at, part.next.into()));
        }
        if let Err(error) = self.member.commit(&next) {
            tracing::debug!(stage = "rollup", %error, "commit refused");
        }
        Ok(())
    }
}
