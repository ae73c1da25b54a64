//! The ledger: one fold a shard. Events become entity states; the difference of what an entity
//! contributed before and contributes now goes into cells; changed cells leave as partials.
//!
//! Everything here is a function of the log's prefix `..next`: two owners that read the same
//! prefix hold the same state and write the same bytes.

mod closed;
mod dimensions;
mod emit;
mod entity;
mod image;
mod own;
mod project;
mod settle;
mod symbols;

pub use closed::Closed;
pub use image::ImageError;
pub use symbols::MAX_DIMENSIONS;

use std::collections::BTreeMap;
use std::sync::Arc;

use dimensions::Dimensions;
use entity::{Entity, Held, Kind, Slot, Stamp};
use own::Own;
use project::{Buffers, Projector, Visit};
use settle::{ByZone, Settling};
use symbols::{Credits, Map, SegmentId, Symbols};

use crate::model::channel::Origins;
use crate::model::definition::Definition;
use crate::model::event::{Event, EventKind, Field, FieldName, Op, Status, Value};
use crate::model::measure::Measures;
use crate::model::partial::Partial;
use crate::model::record::{Offset, Partition};
use crate::model::segment::Segment;
use crate::model::slice::Slice;
use crate::model::time::Timestamp;
use crate::model::watermark::{Doubt, Frontier, Heartbeat, Holder, Lost, Report};
use crate::model::zones::ZoneSet;

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Applied {
    /// What became of it.
    pub verdict: Verdict,
    /// It changed the state though its time lies behind the shard's watermark: it amended what was
    /// complete, or may have been published as complete.
    pub late: bool,
    /// Some of what it changed lies in slices no longer kept.
    pub too_late: bool,
    /// The stage table does not know its stage.
    pub unknown_stage: bool,
    /// It won or lost a deal.
    pub closed: Option<Closed>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Verdict {
    /// It changed the state.
    #[default]
    Counted,
    /// It stated nothing that the state did not hold: a repetition.
    Repeated,
    /// It stated nothing that a number depends on.
    Irrelevant,
    /// The ledger keeps no entities of its kind; the event stays in the log.
    NotKept,
    /// It only says that changes were lost.
    Gap,
    /// Its offset was folded before.
    Folded,
}

/// What a shard publishes.
#[derive(Debug, Default)]
pub struct Publication {
    /// Changed cells, absolute, sorted by segment and slice.
    pub cells: Vec<Partial>,
    /// Cells that fell out of retention: to be deleted.
    pub expired: Vec<(Segment, Slice)>,
}

/// Sizes, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Entities held.
    pub entities: usize,
    /// Cells held.
    pub cells: usize,
    /// Memory of the entities with their keys, bytes, estimated from capacities.
    pub entity_bytes: usize,
}

/// The slot of a field that rules read, beside the dimensions. Stages are kept only where a stage
/// table reads them.
fn fixed_slot(kind: Kind, name: &FieldName<'_>, stages: bool) -> Option<Slot> {
    let FieldName::Known(field) = name else {
        return None;
    };
    match (field, kind) {
        (Field::Owner, _) => Some(Slot::OWNER),
        (Field::CreatedAt, _) => Some(Slot::CREATED_AT),
        (Field::Status, Kind::Deal) => Some(Slot::STATUS),
        (Field::Amount, Kind::Deal) => Some(Slot::AMOUNT),
        (Field::ClosedAt, Kind::Deal) => Some(Slot::CLOSED_AT),
        (Field::Splits, Kind::Deal) => Some(Slot::SPLITS),
        (Field::Account, Kind::Deal) => Some(Slot::ACCOUNT),
        (Field::Stage, Kind::Deal) if stages => Some(Slot::STAGE),
        (Field::Pipeline, Kind::Deal) if stages => Some(Slot::PIPELINE),
        (_, Kind::Deal) => None,
        _ => project::slot(kind, *field),
    }
}

#[derive(Debug, Default)]
struct Cell {
    measures: Measures,
    dirty: bool,
    /// It was published, by this owner or (as far as an image tells) by another one.
    sent: bool,
    /// It is out of retention, and keeps only what lasts.
    bare: bool,
    /// It says that something happened on its day: as of the last publication, since between two
    /// what is told and taken back depends on when they are.
    alive: bool,
}

/// The state of one shard.
#[derive(Debug)]
pub struct Ledger {
    definition: Arc<Definition>,
    definition_hash: u64,
    dimensions: Dimensions,
    own: Own,
    shard: Partition,
    next: Offset,
    /// Fingerprint of the record before `next`.
    tail: Option<u64>,
    symbols: Symbols,
    credits: Credits,
    entities: Map<Box<str>, Entity>,
    cells: Map<(SegmentId, Slice), Cell>,
    dirty: Vec<(SegmentId, Slice)>,
    expired: Vec<(SegmentId, Slice)>,
    frontier: Frontier,
    /// Times of which not all events are known, in order.
    doubts: Vec<Doubt>,
    /// How many cells of the day say that something happened on it, as of the last publication.
    alive: BTreeMap<i32, u32>,
    /// First fine and first day slice still kept.
    floors: (i32, i32),
    /// The epoch of the image that it came from.
    restored_epoch: u64,
    /// Counts how often the cells were computed anew by other reference data.
    epoch: u64,
    /// Nothing is published before this offset is reached: a new epoch must be complete.
    held_until: Offset,
    scratch: Scratch,
}

/// Buffers kept between events, so that a fold does not allocate them anew.
#[derive(Debug, Default)]
struct Scratch {
    key: String,
    values: Vec<(Slot, Held)>,
    contributions: ByZone,
    /// The entity, its visits of stages and its changes of status before the event.
    former: Option<Entity>,
    visits: Vec<Visit>,
    changes: Vec<(Stamp, Status)>,
    buffers: Buffers,
    settling: Settling,
}

impl Ledger {
    /// An empty shard: the fold of no event.
    pub fn new(definition: Arc<Definition>, shard: Partition) -> Ledger {
        let dimensions = Dimensions::of(&definition);
        Ledger {
            definition_hash: definition.hash(),
            own: Own::of(&definition, &dimensions),
            dimensions,
            credits: Credits::of(&definition),
            definition,
            shard,
            next: Offset(0),
            tail: None,
            symbols: Symbols::default(),
            entities: Map::default(),
            cells: Map::default(),
            dirty: Vec::new(),
            expired: Vec::new(),
            frontier: Frontier::default(),
            doubts: Vec::new(),
            alive: BTreeMap::new(),
            floors: (i32::MIN, i32::MIN),
            restored_epoch: 0,
            epoch: 0,
            held_until: Offset(0),
            scratch: Scratch::default(),
        }
    }

    /// The offset of the next event to fold.
    pub fn next(&self) -> Offset {
        self.next
    }

    /// Fingerprint of the record before [`Ledger::next`], where it is known: tells whether a log is
    /// the one that was folded.
    pub fn tail(&self) -> Option<u64> {
        self.tail
    }

    /// Takes note of the fingerprint of the record that is folded now.
    pub fn note_tail(&mut self, mark: u64) {
        self.tail = Some(mark);
    }

    /// What a dimension says of a deal that was closed; `None` where nothing is counted by it alone.
    pub fn value_of(&self, closed: &Closed, dimension: &str) -> Option<&str> {
        let of = self.credits.segments_of(closed.credit).iter();
        let alone = |segment: &&Segment| segment.parts.len() == 1;
        let mut of = of.map(|(segment, _)| self.credits.resolve(*segment)).filter(alone);
        of.find_map(|segment| segment.value(dimension))
    }

    /// The shard.
    pub fn shard(&self) -> Partition {
        self.shard
    }

    /// Begins at an offset, since the events before it are gone: what happened before `until` is in
    /// doubt.
    pub fn begin(&mut self, at: Offset, until: Timestamp) {
        self.next = at;
        Doubt { since: None, until }.add(&mut self.doubts);
    }

    /// Event time is complete up to here.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.frontier.watermark()
    }

    /// Which source partition holds the watermark.
    pub fn watermark_holder(&self) -> Option<Holder> {
        self.frontier.holder()
    }

    /// Sizes, for metrics.
    pub fn sizes(&self) -> Sizes {
        let entity_bytes = self
            .entities
            .iter()
            .map(|(k, e)| k.len() + e.heap_bytes() + size_of::<(Box<str>, Entity)>() + 1)
            .sum();
        Sizes { entities: self.entities.len(), cells: self.cells.len(), entity_bytes }
    }

    /// Folds one event.
    pub fn apply(&mut self, offset: Offset, event: &Event<'_>) -> Applied {
        if offset < self.next {
            return Applied { verdict: Verdict::Folded, ..Applied::default() };
        }
        self.next = offset.next();
        let mut applied = Applied::default();
        let Some(kind) = Kind::of(event.entity.kind) else {
            return Applied { verdict: Verdict::NotKept, ..applied };
        };
        if event.kind == EventKind::Gap {
            return Applied { verdict: Verdict::Gap, ..applied };
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        self.values(kind, event, &mut scratch);
        applied.verdict = self.join(kind, event, &mut scratch);
        applied.unknown_stage = self.unknown_stage(event, &scratch);
        if applied.verdict == Verdict::Counted {
            let closed = || Closed::of(&scratch.contributions);
            applied.closed = (kind == Kind::Deal).then(closed).flatten();
            applied.too_late = self.settle(&mut scratch, Some(event.time));
            applied.late = !applied.too_late && self.watermark().is_some_and(|w| event.time < w);
        }
        self.scratch = scratch;
        applied
    }

    /// Joins the event into its entity; leaves the contributions to add (after) and to take back
    /// (before, negated) in `scratch`.
    fn join(&mut self, kind: Kind, event: &Event<'_>, scratch: &mut Scratch) -> Verdict {
        let Scratch { key, values, contributions, former, visits, changes, buffers, .. } = scratch;
        key.clear();
        for part in [&event.tenant, "/", event.entity.kind.as_str(), "/", &event.entity.id] {
            key.push_str(part);
        }
        let mut projector = Projector {
            definition: &self.definition,
            calendar: &self.definition.calendar,
            met: ZoneSet::default(),
            dimensions: &mut self.dimensions,
            own: &self.own,
            symbols: &mut self.symbols,
            credits: &mut self.credits,
            buffers,
        };
        contributions.clear();
        let stamp = Stamp::of(event.order, event.op, event.time);
        let Some(entity) = self.entities.get_mut(key.as_str()) else {
            let mut entity = Entity::new(kind);
            entity.join(stamp, values, projector.symbols);
            projector.project_all(&entity, contributions);
            projector.change_visits(&entity, &[], contributions);
            self.entities.insert(key.as_str().into(), entity);
            return Verdict::Counted;
        };
        // An event without a value that counts can still be the first one known of the entity.
        if values.is_empty() && entity.first_stamp().is_some_and(|first| first <= stamp) {
            return Verdict::Irrelevant;
        }
        let is_first = entity.first_stamp().is_some_and(|first| stamp < first);
        if !is_first && projector.only_moves(entity, values) {
            let former = (former, visits, changes);
            return projector.move_on(entity, (stamp, values), former, contributions);
        }
        projector.project_all(entity, contributions);
        // What has other credit behind the event is taken back while it has the old one.
        if projector.moves_credit(values) {
            projector.change_visits(entity, &[], contributions);
            projector.buffers.visits.clear();
        }
        projector.take_visits(visits);
        contributions.negate();
        if !entity.join(stamp, values, projector.symbols) {
            contributions.clear();
            return Verdict::Repeated;
        }
        projector.project_all(entity, contributions);
        projector.change_visits(entity, visits, contributions);
        Verdict::Counted
    }

    /// What the event states of the fields that numbers depend on.
    fn values(&mut self, kind: Kind, event: &Event<'_>, scratch: &mut Scratch) {
        let Scratch { key: buffer, values: out, .. } = scratch;
        out.clear();
        match event.op {
            Op::Create | Op::Snapshot | Op::Restore => out.push((Slot::EXISTS, Held::Bool(true))),
            Op::Delete | Op::Merge => out.push((Slot::EXISTS, Held::Bool(false))),
            Op::Update => {}
        }
        if kind == Kind::CampaignDay {
            let day = project::day_of_id(&event.entity.id, self.definition.dates());
            out.extend(day.map(|at| (project::DAY, Held::Time(at))));
        }
        for (name, value) in &event.set {
            let fixed = fixed_slot(kind, name, !self.definition.stages.is_empty());
            let dimension = self.dimensions.slot(kind, name);
            if let Some(slot) = self.dimensions.origin_slot(name) {
                out.push((slot, self.origin(event, name, value, buffer)));
            }
            let own = self.own.slot(kind, name);
            if fixed.is_none() && dimension.is_none() && own.is_none() {
                continue;
            }
            let held = match value {
                Value::Null => Held::Null,
                Value::Text(text) => Held::Text(self.symbols.intern(text)),
                Value::Status(status) => Held::Status(*status),
                Value::Money(money) => Held::Money(*money),
                Value::Time(at) => Held::Time(*at),
                Value::Number(n) => Held::Number(*n),
                Value::Bool(b) => Held::Bool(*b),
                Value::Splits(splits) => Held::Text(self.symbols.intern(&splits.packed())),
            };
            // Other kinds keep something else where a deal keeps its stage and its splits.
            let is_named = fixed == Some(Slot::OWNER)
                || (kind == Kind::Deal && matches!(fixed, Some(Slot::STAGE | Slot::SPLITS)));
            let is_buyer = match kind {
                Kind::Deal => fixed == Some(Slot::ACCOUNT),
                Kind::Order | Kind::Invoice => {
                    matches!(fixed, Some(Slot::ACCOUNT | project::CUSTOMER))
                }
                _ => false,
            };
            let named = match held {
                Held::Text(text) if is_named => {
                    let origin = self.symbols.origin(&event.system, &event.source, buffer);
                    Held::Named(text, origin)
                }
                Held::Text(text) if is_buyer => {
                    Held::Named(text, self.symbols.intern(&event.tenant))
                }
                _ => held,
            };
            out.extend(fixed.map(|slot| (slot, named)));
            out.extend(dimension.or(own).map(|slot| (slot, held)));
        }
    }

    /// What a field says of where something came from, as rules compare it, and which source said it.
    fn origin(
        &mut self,
        event: &Event<'_>,
        name: &FieldName<'_>,
        value: &Value<'_>,
        buffer: &mut String,
    ) -> Held {
        let (FieldName::Known(field), Value::Text(text)) = (name, value) else {
            return Held::Null;
        };
        let Some(told) = Origins::told(*field, text) else { return Held::Null };
        let origin = self.symbols.origin(&event.system, &event.source, buffer);
        Held::Named(self.symbols.intern(&told), origin)
    }

    /// Whether the event states a stage that the stage table does not know, in the pipeline that
    /// its deal is in as of the event.
    fn unknown_stage(&self, event: &Event<'_>, scratch: &Scratch) -> bool {
        let stage = scratch.values.iter().find_map(|value| match value {
            (Slot::STAGE, Held::Named(stage, _)) => Some(self.symbols.text(*stage)),
            _ => None,
        });
        let Some((stage, entity)) = stage.zip(self.entities.get(scratch.key.as_str())) else {
            return false;
        };
        let pipeline = match entity.as_of(Slot::PIPELINE, event.order) {
            Some(Held::Text(pipeline)) => self.symbols.text(pipeline),
            _ => "",
        };
        self.definition.stages.find(&event.system, pipeline, stage).is_none()
    }

    /// Folds the progress of a source partition.
    pub fn beat(&mut self, offset: Offset, beat: &Heartbeat) {
        if offset < self.next {
            return;
        }
        self.next = offset.next();
        self.frontier.declare_all(&beat.topology);
        let Heartbeat { watermark, idle, next, newest, .. } = *beat;
        self.frontier.saw(newest);
        self.frontier.report(&beat.topic, beat.partition, Report { watermark, idle, next });
        let Some(sure) = self.frontier.sure() else {
            return;
        };
        let floors = self.definition.floors(sure);
        if floors != self.floors {
            self.floors = floors;
            self.expire();
        }
    }

    /// Folds a loss: what happened between the watermark that its source partition had reached and
    /// the moment when the loss was seen is in doubt.
    pub fn lose(&mut self, offset: Offset, lost: &Lost) {
        if offset < self.next {
            return;
        }
        self.next = offset.next();
        let since = self.frontier.reported(&lost.topic, lost.partition).map(|r| r.watermark);
        // A watermark may be ahead of the clock; the moment itself is in doubt at least.
        let since = since.map(|s| s.min(Timestamp(lost.until.0 - 1)));
        Doubt { since, until: lost.until }.add(&mut self.doubts);
    }

    /// Skips a record that could not be read.
    pub fn skip(&mut self, offset: Offset) {
        self.next = self.next.max(offset.next());
    }
}

#[cfg(test)]
mod tests;
