//! What leaves a shard: changed cells as partials, cells out of retention as deletions, progress.

use std::collections::BTreeMap;

use super::project::Projector;
use super::{Cell, Ledger, Publication};
use crate::model::alive::Alive;
use crate::model::customers::thinned;
use crate::model::definition::Definition;
use crate::model::measure::Measures;
use crate::model::partial::{Partial, ShardBeat, version};
use crate::model::record::Offset;
use crate::model::segment::Segment;
use crate::model::slice::Tier;
use crate::model::zones::{ZoneId, ZoneSet};

/// Whether days of the segment are those of the job: of other zones only where nothing has the job's.
pub(super) fn of_job(definition: &Definition, segment: &Segment) -> bool {
    definition.zones.is_one()
        || definition.zone_of(segment) == ZoneId::JOB
        || !definition.segments.iter().any(Vec::is_empty)
}

/// Counts a cell among those that say that something happened on its day, or no more.
pub(super) fn note_life(alive: &mut BTreeMap<i32, u32>, day: i32, cell: &mut Cell) {
    let now = Alive::shows_in(&cell.measures);
    if now == std::mem::replace(&mut cell.alive, now) {
        return;
    }
    let held = alive.entry(day).or_default();
    *held = if now { *held + 1 } else { held.saturating_sub(1) };
    if *held == 0 {
        alive.remove(&day);
    }
}

impl Ledger {
    pub(super) fn expire(&mut self) {
        let (fine_floor, day_floor) = self.floors;
        let (expired, dirty, alive) = (&mut self.expired, &mut self.dirty, &mut self.alive);
        self.cells.retain(|(segment, slice), cell| {
            let old = match slice.tier {
                Tier::Fine => slice.index < fine_floor,
                Tier::Day => slice.index < day_floor,
            };
            if !old {
                return true;
            }
            // Once only: nothing but what lasts comes to so old a slice.
            if cell.bare && !cell.measures.is_zero() {
                return true;
            }
            // What is told of all time outlives the slice's flows, by day.
            let before = cell.measures.entries().len();
            match slice.tier {
                Tier::Fine => cell.measures = Measures::new(),
                Tier::Day => {
                    cell.measures.retain_lasting();
                    note_life(alive, slice.index, cell);
                }
            }
            if cell.measures.is_zero() {
                if cell.sent {
                    expired.push((*segment, *slice));
                }
                return false;
            }
            cell.bare = true;
            if cell.measures.entries().len() != before && !cell.dirty {
                cell.dirty = true;
                dirty.push((*segment, *slice));
            }
            true
        });
    }

    /// Marks every cell as changed, so that the next publication repeats all of them: after a
    /// takeover, and now and then as a repair.
    pub fn re_emit(&mut self) {
        for (key, cell) in &mut self.cells {
            if !cell.dirty {
                cell.dirty = true;
                self.dirty.push(*key);
            }
        }
    }

    /// Computes all cells anew from the entities: the directory, the stage table or the rules of
    /// credit changed, so what the cells hold is no longer what the entities contribute.
    pub(super) fn rebuild(&mut self) {
        for cell in self.cells.values_mut() {
            cell.measures = Measures::new();
        }
        self.re_emit();
        let entities = std::mem::take(&mut self.entities);
        let mut scratch = std::mem::take(&mut self.scratch);
        for entity in entities.values() {
            scratch.contributions.clear();
            let mut projector = Projector {
                definition: &self.definition,
                calendar: &self.definition.calendar,
                met: ZoneSet::default(),
                dimensions: &mut self.dimensions,
                own: &self.own,
                symbols: &mut self.symbols,
                credits: &mut self.credits,
                buffers: &mut scratch.buffers,
            };
            projector.project_all(entity, &mut scratch.contributions);
            projector.change_visits(entity, &[], &mut scratch.contributions);
            self.settle(&mut scratch, None);
        }
        self.entities = entities;
        self.scratch = scratch;
        self.epoch += 1;
    }

    /// Takes what changed since the last call.
    pub fn publish(&mut self) -> Publication {
        if self.is_held() {
            return Publication::default();
        }
        let mut keys = std::mem::take(&mut self.dirty);
        let most = self.definition.customers.exact_up_to;
        let (shard, version) = (self.shard.0, version(self.epoch, self.next));
        let mut cells = Vec::with_capacity(keys.len());
        for (segment, slice) in keys.drain(..) {
            let Some(cell) = self.cells.get_mut(&(segment, slice)).filter(|c| c.dirty) else {
                continue;
            };
            (cell.dirty, cell.sent) = (false, true);
            let measures = thinned(&cell.measures, most);
            let segment = self.credits.resolve(segment).clone();
            if slice.tier == Tier::Day && of_job(&self.definition, &segment) {
                note_life(&mut self.alive, slice.index, cell);
            }
            cells.push(Partial { shard, version, segment, slice, measures });
        }
        self.dirty = keys;
        cells.sort_unstable_by(|a, b| (a.slice, &a.segment).cmp(&(b.slice, &b.segment)));
        let expired = std::mem::take(&mut self.expired)
            .into_iter()
            // A stock may have come to an old slice since: its cell lives.
            .filter(|key| !self.cells.contains_key(key))
            .map(|(segment, slice)| (self.credits.resolve(segment).clone(), slice))
            .collect();
        Publication { cells, expired }
    }

    /// Holds publications back until the fold has reached `end`, if an epoch began: the former owner
    /// may have published cells of events up to there, and the beat of a new epoch says that all of
    /// its cells are out.
    pub fn hold_until(&mut self, end: Offset) {
        if self.begins_epoch() {
            self.held_until = end;
        }
    }

    /// Whether an epoch began that no image holds yet. It must be in one before it is published:
    /// a later owner that knew nothing of it would be taken for a stale one.
    pub fn begins_epoch(&self) -> bool {
        self.epoch > self.restored_epoch
    }

    /// The epoch that it publishes under.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Begins an epoch above one that another owner may have published under, where this state does
    /// not come from its image, since that cannot be read: what was published under it, perhaps by
    /// another directory, would outrank this shard for ever.
    pub fn outrank(&mut self, epoch: u64) {
        self.epoch = self.epoch.max(epoch + 1);
        self.re_emit();
    }

    /// An image holds the epoch.
    pub fn epoch_kept(&mut self) {
        self.restored_epoch = self.epoch;
    }

    /// Whether publications are held back.
    pub fn is_held(&self) -> bool {
        self.next < self.held_until
    }

    /// The first day whose flows are kept.
    pub fn day_floor(&self) -> i32 {
        self.floors.1
    }

    /// The shard's progress, for the rollups.
    pub fn progress(&self) -> ShardBeat {
        ShardBeat {
            shard: self.shard.0,
            shards: self.definition.shards,
            version: version(self.epoch, self.next),
            watermark: self.watermark(),
            holder: self.frontier.holder(),
            doubts: self.doubts.clone(),
            fine_floor: self.floors.0,
            definition: self.definition_hash,
            // Who runs the shard knows what is watched.
            kin: 0,
            alive: Some(self.alive.keys().copied().collect()),
        }
    }
}
