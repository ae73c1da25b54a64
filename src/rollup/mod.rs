//! The rollup: one fold a partials partition. Partials of all shards are merged by version into
//! cells; windows are running totals over cells, changed by difference; KPIs are read off windows
//! when a row is due. Closed days are judged for drift.

mod cells;
mod clock;
mod customers;
mod exchange;
mod far;
mod firing;
mod going;
mod judging;
mod moving;
mod relatives;
mod rows;
mod segment;
mod tally;
mod totals;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::model::definition::Definition;
use crate::model::funnel::{self, Step};
use crate::model::kpi::Group;
use crate::model::partial::{
    Partial, PartialMessage, ShardBeat, epoch_of, first_of, offset_of, parse_cell_key,
    parse_copy_key,
};
use crate::model::reads::Reads;
use crate::model::record::{Offset, Partition};
use crate::model::row::Pane;
use crate::model::segment::Segment;
use crate::model::slice::{Slice, Tier};
use crate::model::target::Targets;
use crate::model::time::{Day, Timestamp};
use crate::model::watermark::{Doubt, Frontier, Holder, Report};
use crate::model::window::{Period, WindowKind};
use clock::Clock;
use firing::content_hash;
use rows::standing_hash;
use segment::SegmentState;
use totals::{DayWindows, Published};
pub use watch::DueAlert;
use watch::Watch;

type Map<K, V> = HashMap<K, V, FixedState>;

/// Longest horizon of a cohort KPI in the catalogue, days.
const HORIZON_DAYS: i32 = 90;

/// What a message did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// It changed a cell.
    New,
    /// A newer or the same version was merged before.
    Stale,
    /// Progress of a shard.
    Progress,
    /// It belongs to another definition: this process must not merge it.
    Foreign {
        /// Hash in the message.
        found: u64,
        /// Hash of this process.
        own: u64,
    },
}

/// A row that is due, as it goes out.
#[derive(Debug)]
pub struct DueRow {
    /// Key on the results topic.
    pub key: String,
    /// Partition of the results topic.
    pub partition: Partition,
    /// JSON.
    pub json: String,
    /// Firing, for metrics.
    pub pane: Pane,
}

/// The state of one partials partition.
#[derive(Debug)]
pub struct Rollup {
    definition: Arc<Definition>,
    definition_hash: u64,
    partition: Partition,
    periods: Vec<Period>,
    /// By number of the zone.
    clocks: Vec<Clock>,
    /// What rows are over.
    reads: Reads,
    /// The stages that rows show; `None` where no row does.
    steps: Option<Vec<Arc<Step>>>,
    frontier: Frontier,
    /// The newest progress of each shard.
    beats: BTreeMap<u32, ShardBeat>,
    /// Times of which not all events are known, over all shards, in order.
    doubts: Vec<Doubt>,
    by_segment: Map<Segment, usize>,
    by_text: Map<String, usize>,
    segments: Vec<SegmentState>,
    restored: Map<String, Published>,
    /// The calendar windows of the day merged last.
    windows: DayWindows,
    /// The newest epoch of each shard.
    epochs: Map<u32, u64>,
    newest: Offset,
    now: Timestamp,
    started: bool,
    /// Rows went out that say of no time that events are complete.
    blind: bool,
    /// The next tick repeats every row.
    repair: bool,
    /// What is watched for drift.
    watch: Watch,
    /// What KPIs should be, where that is not the definition's for good.
    targets: Option<Arc<Targets>>,
}

impl Rollup {
    /// An empty partition at `now`, with the members known in advance.
    pub fn new(definition: Arc<Definition>, partition: Partition, now: Timestamp) -> Rollup {
        let periods = definition
            .windows
            .iter()
            .filter_map(|w| match w {
                WindowKind::Calendar(p) => Some(*p),
                _ => None,
            })
            .collect();
        let mut frontier = Frontier::default();
        frontier.declare("shard", definition.shards);
        let told = definition.kpis.has(Group::Funnel) && !definition.stages.is_empty();
        let mut out = Rollup {
            steps: told.then(|| funnel::steps(&definition.stages)),
            definition_hash: definition.hash(),
            clocks: clock::all(&definition, now),
            reads: Reads::of(definition.kpis.kpis()).and(if told {
                &funnel::MEASURES
            } else {
                &[]
            }),
            definition,
            partition,
            periods,
            frontier,
            beats: BTreeMap::new(),
            doubts: Vec::new(),
            by_segment: Map::default(),
            by_text: Map::default(),
            segments: Vec::new(),
            restored: Map::default(),
            windows: DayWindows::default(),
            epochs: Map::default(),
            newest: Offset(0),
            now,
            started: false,
            blind: false,
            repair: false,
            watch: Watch::default(),
            targets: None,
        };
        for segment in out.definition.known_segments() {
            if segment.partition(out.definition.partitions) == partition {
                out.state(&segment);
            }
        }
        out
    }

    fn state(&mut self, segment: &Segment) -> usize {
        if let Some(i) = self.by_segment.get(segment) {
            return *i;
        }
        let i = self.segments.len();
        let clock = &self.clocks[self.definition.zone_of(segment).index()];
        let (definition, moving) = (&self.definition, clock.moving.len());
        let mut state = SegmentState::new(segment.clone(), definition, &self.periods, moving);
        if self.started {
            for period in &self.periods {
                state.roll(*period, clock.today);
            }
            state.show_moving(&clock.moving);
        }
        // Also before the first tick: a restore opens no window that it would close at once.
        state.retire(self.floor());
        self.segments.push(state);
        self.watch.relatives.meet(segment);
        self.by_segment.insert(segment.clone(), i);
        self.by_text.insert(segment.to_string(), i);
        i
    }

    /// The first day still kept.
    fn floor(&self) -> i32 {
        self.definition.floors(self.now).1
    }

    /// Event time is complete up to here, over all shards.
    pub fn watermark(&self) -> Option<Timestamp> {
        // An idle source follows the clock of its machine, which may be years ahead of ours.
        self.frontier.watermark().map(|watermark| watermark.min(self.now))
    }

    /// Which shard holds the watermark.
    pub fn watermark_holder(&self) -> Option<Holder> {
        self.frontier.holder()
    }

    /// What a shard said last of its progress.
    pub fn shard_progress(&self, shard: u32) -> Option<&ShardBeat> {
        self.beats.get(&shard)
    }

    /// Segments and cells held.
    pub fn sizes(&self) -> (usize, usize) {
        let own: usize = self.segments.iter().map(SegmentState::cells).sum();
        (self.segments.len(), own + self.watch.relatives.cells())
    }

    /// Merges a message of the partials topic.
    pub fn merge(&mut self, offset: Offset, message: PartialMessage) -> Merged {
        match message {
            PartialMessage::Cell(partial) => self.merge_cell(offset, partial),
            PartialMessage::Beat(beat) => self.merge_beat(offset, beat),
            PartialMessage::Copy(partial) => self.merge_copy(offset, partial),
        }
    }

    fn merge_beat(&mut self, offset: Offset, beat: ShardBeat) -> Merged {
        // What a row says follows from progress too, so its version counts it.
        self.newest = self.newest.max(offset);
        if beat.definition != self.definition_hash {
            return Merged::Foreign { found: beat.definition, own: self.definition_hash };
        }
        self.supersede(beat.shard, beat.version);
        if let Some(watermark) = beat.watermark {
            let next = offset_of(beat.version);
            self.frontier.report("shard", beat.shard, Report { watermark, idle: false, next });
        }
        self.doubt(&beat.doubts);
        let known = self.beats.entry(beat.shard).or_insert_with(|| beat.clone());
        if beat.version >= known.version {
            *known = beat;
        }
        Merged::Progress
    }

    /// A shard tells of times of which not all events are known. The rows that say so are newer
    /// ones, though no number in them changed.
    fn doubt(&mut self, doubts: &[Doubt]) {
        let mut all = self.doubts.clone();
        doubts.iter().for_each(|doubt| doubt.add(&mut all));
        if all != self.doubts {
            self.doubts = all;
            self.touch();
            self.watch.look_again();
        }
    }

    /// A shard that counts by another directory or stage table has published all its cells anew:
    /// what it published before, and does not have any more, counts no longer.
    fn supersede(&mut self, shard: u32, version: u64) {
        let epoch = epoch_of(version);
        let known = self.epochs.entry(shard).or_default();
        if epoch <= *known {
            return;
        }
        *known = epoch;
        let first = first_of(epoch);
        for state in &mut self.segments {
            let Clock { moving, today, .. } = &self.clocks[state.zone.index()];
            state.supersede(shard, first, (moving, &self.periods, &self.reads), *today);
        }
        self.watch.relatives.supersede(shard, first);
        self.watch.look_again();
    }

    fn merge_cell(&mut self, offset: Offset, partial: Partial) -> Merged {
        let Partial { shard, version, segment, slice, measures } = partial;
        self.newest = self.newest.max(offset);
        if epoch_of(version) < self.epochs.get(&shard).copied().unwrap_or(0) {
            return Merged::Stale;
        }
        // Windows follow `now`: while a backlog is read, its fine cells come too late for them.
        if self.is_past(slice) {
            return Merged::Stale;
        }
        let i = self.state(&segment);
        if slice.tier == Tier::Day {
            self.windows.turn_to(slice.index, &self.periods);
        }
        let state = &mut self.segments[i];
        let clock = &self.clocks[state.zone.index()];
        let windows = (&clock.moving[..], &self.windows, &self.reads);
        if state.merge(slice, (shard, version), measures, windows, clock.today) {
            self.watch.changed(&segment, slice, state.zone);
            Merged::New
        } else {
            Merged::Stale
        }
    }

    /// Whether the key is of a fine cell that no window will hold again, by our clock. It may be
    /// wrong, so this is no reason to delete it.
    pub fn looks_expired(&self, key: &str) -> bool {
        parse_cell_key(key).is_some_and(|(_, slice, _)| self.is_past(slice))
    }

    /// Whether the key is of a fine cell that its shard let go of, as its progress says.
    pub fn is_expired(&self, key: &str) -> bool {
        parse_cell_key(key).is_some_and(|(shard, slice, _)| {
            let floor = self.beats.get(&shard).map_or(i32::MIN, |beat| beat.fine_floor);
            slice.tier == Tier::Fine && slice.index < floor
        })
    }

    fn is_past(&self, slice: Slice) -> bool {
        let Definition { calendar, retention, .. } = &*self.definition;
        slice.tier == Tier::Fine && slice.index < retention.floors(calendar, self.now).0
    }

    /// Takes a deletion: the slice of that key is out of retention. Windows that held it say
    /// something else from here on, so the versions of their rows count it.
    pub fn forget(&mut self, offset: Offset, key: &str) {
        self.newest = self.newest.max(offset);
        if let Some((shard, slice, segment)) = parse_copy_key(key) {
            return self.watch.forget(shard, slice, segment, &self.definition);
        }
        let Some((shard, slice, segment)) = parse_cell_key(key) else {
            return;
        };
        if let Some(i) = self.by_text.get(segment) {
            let state = &mut self.segments[*i];
            let clock = &self.clocks[state.zone.index()];
            state.forget(shard, slice, (&clock.moving, &self.reads), clock.today);
            self.watch.changed(&state.segment, slice, state.zone);
        }
    }

    /// Takes a row as it stands on the results topic, with what it told of its window
    /// ([`told`](crate::model::row::told)), so that revisions go on where they were, and that the
    /// first tick closes windows that were shown early.
    pub fn seen(&mut self, key: &str, told: &str, incomplete: bool, pane: Pane, revision: u64) {
        let hash = content_hash(told, incomplete);
        // How it stood against targets is not read back: rows are repeated after a restart.
        let targets = standing_hash(&[]);
        self.restored.insert(key.to_owned(), Published { hash, targets, pane, revision });
    }

    /// A quiet window has no cell that would bring it back after a restart: its row does. A later
    /// correction of a stock, or of the window before, must find it.
    fn open_restored(&mut self) {
        for key in self.restored.keys() {
            let Some((window, segment)) = key.split_once('|') else {
                continue;
            };
            let calendar = window.split_once(':').and_then(|(period, start)| {
                let period = self.periods.iter().find(|p| p.as_str() == period)?;
                Some((*period, Timestamp::parse_rfc3339(start)?))
            });
            if let (Some((period, start)), Some(i)) = (calendar, self.by_text.get(segment)) {
                let state = &mut self.segments[*i];
                state.open(period, self.definition.calendar_at(state.zone).day_of(start));
            }
        }
    }

    /// Moves to `now` (never back) and returns the rows that are due: changed, closed, corrected,
    /// or of a window that just began.
    pub fn tick(&mut self, now: Timestamp) -> Vec<DueRow> {
        self.advance(now);
        let mut due = Vec::new();
        for i in 0..self.segments.len() {
            if std::mem::take(&mut self.segments[i].dirty) {
                self.segments[i].settle();
                self.collect_due(i, &mut due);
            }
        }
        self.repair = false;
        due.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        due
    }

    /// The next tick repeats every row as it is: after a takeover, and now and then as a repair.
    pub fn re_emit(&mut self) {
        self.repair = true;
        self.touch();
        self.watch.repeat();
    }

    /// The next tick looks at every row.
    fn touch(&mut self) {
        self.segments.iter_mut().for_each(SegmentState::touch);
    }

    /// The first day of any cell, over all segments.
    pub fn first_day(&self) -> Option<Day> {
        self.segments.iter().filter_map(SegmentState::first_day).min().map(Day)
    }
}

#[cfg(test)]
mod tests;
