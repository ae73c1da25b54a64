//! From contributions to cells: what an entity adds comes to the day that it is in each segment.

use super::entity::Entity;
use super::project::{Contribution, Projector};
use super::symbols::{Credit, SegmentId};
use super::{Ledger, Scratch};
use crate::model::calendar::Calendar;
use crate::model::measure::MeasureKey;
use crate::model::slice::Slice;
use crate::model::time::Timestamp;
use crate::model::zones::{ZoneId, ZoneSet};

/// What an entity contributes, as the days of each zone have it that it is credited in. Of those of
/// a zone only the segments with that zone take any.
#[derive(Debug, Default)]
pub(super) struct ByZone {
    job: Vec<Contribution>,
    others: Vec<(ZoneId, Vec<Contribution>)>,
}

impl ByZone {
    pub(super) fn clear(&mut self) {
        self.job.clear();
        self.others.iter_mut().for_each(|(_, list)| list.clear());
    }

    /// Takes back what it would add.
    pub(super) fn negate(&mut self) {
        let others = self.others.iter_mut().flat_map(|(_, list)| list);
        self.job.iter_mut().chain(others).for_each(|c| c.n = -c.n);
    }

    /// As the days of the job have it: all of it.
    pub(super) fn of_job(&self) -> &[Contribution] {
        &self.job
    }

    pub(super) fn of(&mut self, zone: ZoneId) -> &mut Vec<Contribution> {
        if zone == ZoneId::JOB {
            return &mut self.job;
        }
        let i = self.others.iter().position(|(known, _)| *known == zone).unwrap_or_else(|| {
            self.others.push((zone, Vec::new()));
            self.others.len() - 1
        });
        &mut self.others[i].1
    }
}

impl Projector<'_> {
    /// Lists what the entity contributes, in every zone that it has credit in. A credit does not
    /// depend on the zone, so the first look tells of all of them; a look that tells of another one
    /// all the same is followed.
    pub(super) fn project_all(&mut self, entity: &Entity, out: &mut ByZone) {
        self.met = ZoneSet::default();
        self.project(entity, &mut out.job);
        if self.definition.zones.is_one() {
            return;
        }
        let mut done = ZoneSet::default().with(ZoneId::JOB);
        while let Some(zone) = self.met.first_beyond(done) {
            self.calendar = self.definition.calendar_at(zone);
            self.project(entity, out.of(zone));
            done = done.with(zone);
        }
        self.calendar = &self.definition.calendar;
    }
}

/// What is settled at once: contributions of one zone.
#[derive(Clone, Copy)]
struct Of<'a> {
    zone: ZoneId,
    calendar: &'a Calendar,
    /// The time of the event that says so, if one does.
    said: Option<Timestamp>,
}

/// What comes to one moment and credit, sorted by key: what its day takes, and what its fine slice.
#[derive(Debug, Default)]
pub(super) struct Settling {
    day: Vec<(MeasureKey, i128)>,
    fine: Vec<(MeasureKey, i128)>,
}

impl Ledger {
    /// Adds contributions to the cells of every segment and tier. What cancels out touches none.
    /// Returns whether something fell behind the retention that an event `said` of its own day.
    pub(super) fn settle(&mut self, scratch: &mut Scratch, said: Option<Timestamp>) -> bool {
        let definition = self.definition.clone();
        let Scratch { contributions: all, settling, .. } = scratch;
        let mut settle = |zone, list: &mut Vec<Contribution>| {
            let of = Of { zone, calendar: definition.calendar_at(zone), said };
            self.settle_difference(list, settling, of)
        };
        let mut too_late = settle(ZoneId::JOB, &mut all.job);
        for (zone, list) in &mut all.others {
            too_late |= settle(*zone, list);
        }
        too_late
    }

    fn settle_difference(
        &mut self,
        contributions: &mut [Contribution],
        settling: &mut Settling,
        of: Of<'_>,
    ) -> bool {
        contributions.sort_unstable_by_key(|c| (c.at, c.credit, c.key));
        let mut too_late = false;
        for list in contributions.chunk_by(|a, b| (a.at, a.credit) == (b.at, b.credit)) {
            let sums = list.chunk_by(|a, b| a.key == b.key).map(|same| {
                let n: i128 = same.iter().map(|c| c.n).sum();
                (same[0].key, n)
            });
            settling.day.clear();
            settling.day.extend(sums.filter(|(_, n)| *n != 0));
            if !settling.day.is_empty() {
                too_late |= self.credit_cells((list[0].at, list[0].credit), settling, of);
            }
        }
        too_late
    }

    fn credit_cells(
        &mut self,
        (at, credit): (Timestamp, Credit),
        Settling { day: in_day, fine: in_fine }: &mut Settling,
        of: Of<'_>,
    ) -> bool {
        if !self.credits.zones_of(credit).holds(of.zone) {
            return false;
        }
        let (fine_floor, day_floor) = self.floors;
        let day = Slice::day(of.calendar, at);
        let fine = Slice::fine(at);
        in_fine.clear();
        if fine.index >= fine_floor {
            in_fine.extend(in_day.iter().filter(|(key, _)| key.measure.is_in_fine()));
        }
        let mut too_late = false;
        if day.index < day_floor {
            // What becomes of a cohort or a visit amends the day on which it began, however old that
            // is: the event itself may be on time.
            let is_old = of.said.is_some_and(|at| of.calendar.day_of(at).0 < day_floor);
            let is_lost = |key: &MeasureKey| !key.measure.lasts();
            let is_late = |key: &MeasureKey| !key.measure.is_followed() || is_old;
            too_late = in_day.iter().any(|(key, _)| is_lost(key) && is_late(key));
            in_day.retain(|(key, _)| !is_lost(key));
        }
        for k in 0..self.credits.segments_of(credit).len() {
            let (segment, zone) = self.credits.segments_of(credit)[k];
            if zone == of.zone {
                self.add(segment, day, in_day);
                self.add(segment, fine, in_fine);
            }
        }
        too_late
    }

    /// Adds to a cell, by key.
    fn add(&mut self, segment: SegmentId, slice: Slice, sums: &[(MeasureKey, i128)]) {
        if sums.is_empty() {
            return;
        }
        let cell = self.cells.entry((segment, slice)).or_default();
        cell.measures.plus_sorted(sums);
        if !cell.dirty {
            cell.dirty = true;
            self.dirty.push((segment, slice));
        }
    }
}
