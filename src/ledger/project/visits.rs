//! Visits of stages: from a deal's move into a stage to its next move, or until it is won or lost.
//!
//! A visit counts where it began, whatever became of it later: so the visits that began in a window
//! are those that advanced, went back, were lost, left the pipeline, or go on.

use std::cmp::Ordering;

use super::stages::{Meant, Named, fits};
use super::{Contribution, Projector, Standing, is_deleted};
use crate::ledger::Verdict;
use crate::ledger::entity::{Entity, Held, Kind, Slot, Stamp};
use crate::ledger::settle::ByZone;
use crate::ledger::symbols::Credit;
use crate::model::calendar::Calendar;
use crate::model::definition::Attribution;
use crate::model::event::Status;
use crate::model::measure::{Measure, MeasureKey};
use crate::model::stage::StageIndex;
use crate::model::time::Timestamp;
use crate::model::zones::ZoneSet;

/// Where a deal stands, and the row of the stage table for it.
#[derive(Clone, Copy)]
struct Placed {
    named: Named,
    meant: Option<Meant>,
}

/// Changes of a deal's status.
type Changes = Vec<(Stamp, Status)>;

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Advanced,
    Back,
    Lost,
    /// With another pipeline, a stage that the table does not know, or none.
    Left,
}

/// A visit of a stage, as its deal stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The event that it began with; no two visits of a deal begin with the same.
    since: Stamp,
    stage: StageIndex,
    /// The event that it ended with, and how.
    end: Option<(Stamp, End)>,
    /// Whether the stage means open.
    is_open: bool,
}

impl Visit {
    /// What it adds to where it began, place by place: a place of another visit, or of the same one
    /// at another time, holds what replaces it.
    fn keys(&self, calendar: &Calendar) -> [Option<MeasureKey>; 2] {
        let ended = self.end.map(|(to, how)| {
            let measure = match how {
                End::Advanced => Measure::StageAdvanced,
                End::Back => Measure::StageBack,
                End::Lost => Measure::StageLost,
                End::Left => Measure::StageLeft,
            };
            let days = calendar.days_between(self.since.time, to.time);
            MeasureKey::stage_days(measure, self.stage, days)
        });
        [Some(MeasureKey::stage(Measure::StageEntered, self.stage)), ended]
    }
}

impl Projector<'_> {
    /// Notes the visits of a deal in order, by where it is noted to have stood and by its status. A stage that the
    /// table does not know has none, and neither has one of which the beginning is forgotten.
    pub(super) fn note_visits(&mut self, changes: &[(Stamp, Status)]) {
        if self.definition.stages.is_empty() {
            return;
        }
        let mut visits = std::mem::take(&mut self.buffers.visits);
        self.walk(changes, |since, meant, end| {
            let is_open = meant.status == Status::Open;
            visits.push(Visit { since, stage: meant.index, end, is_open });
        });
        self.buffers.visits = visits;
    }

    /// Counts a deal that is closed in each open stage that it came to, once, where it was closed: by
    /// the visits that were noted last.
    pub(super) fn passed(
        &self,
        standing: Standing,
        (at, credit): (Timestamp, Credit),
        out: &mut Vec<Contribution>,
    ) {
        let visits = &self.buffers.visits;
        let seen = |visit: &&Visit| visit.is_open && visit.since <= standing.since;
        for (i, Visit { stage, .. }) in visits.iter().enumerate().filter(|(_, v)| seen(v)) {
            if visits[..i].iter().filter(seen).any(|earlier| earlier.stage == *stage) {
                continue;
            }
            let mut add = |measure| {
                let key = MeasureKey::stage(measure, *stage);
                out.push(Contribution { at, credit, key, n: 1 });
            };
            add(Measure::StageClosed);
            if standing.status == Status::Won {
                add(Measure::StageWon);
            }
        }
    }

    /// Whether what an event writes may move the credit of what its entity did before.
    pub(in crate::ledger) fn moves_credit(&self, values: &[(Slot, Held)]) -> bool {
        self.definition.attribution == Attribution::AtCreate
            || values.iter().any(|(slot, _)| (Slot::OWNER.0..Slot::OWN).contains(&slot.0))
    }

    /// Whether an event writes nothing but where its deal stands, and nothing but visits asks for that.
    pub(in crate::ledger) fn only_moves(&self, entity: &Entity, values: &[(Slot, Held)]) -> bool {
        entity.kind == Kind::Deal
            && !self.own.ask_for_stages()
            && values.iter().all(|(slot, _)| matches!(*slot, Slot::STAGE | Slot::PIPELINE))
    }

    /// Joins an event that only moves a deal, most often to another open stage: then visits are all
    /// that changes. It must not be the first event of the deal. The buffers are for how it was.
    pub(in crate::ledger) fn move_on(
        &mut self,
        entity: &mut Entity,
        (stamp, values): (Stamp, &[(Slot, Held)]),
        (former, visits, changes): (&mut Option<Entity>, &mut Vec<Visit>, &mut Changes),
        out: &mut ByZone,
    ) -> Verdict {
        self.note_moves(entity);
        self.take_visits(visits);
        std::mem::swap(changes, &mut self.buffers.changes);
        let former = former.get_or_insert_with(|| Entity::new(entity.kind));
        former.clone_from(entity);
        if !entity.join(stamp, values, self.symbols) {
            return Verdict::Repeated;
        }
        self.note_moves(entity);
        // A deal that is closed counts where it was closed for each stage that it came to.
        let is_closed = self.buffers.changes.last().is_some_and(|(_, now)| *now != Status::Open);
        if is_closed || *changes != self.buffers.changes {
            self.project_all(former, out);
            out.negate();
            self.project_all(entity, out);
        }
        self.change_visits(entity, visits, out);
        Verdict::Counted
    }

    /// Notes how the status of a deal changed, and its visits.
    fn note_moves(&mut self, entity: &Entity) {
        self.buffers.visits.clear();
        let mut changes = std::mem::take(&mut self.buffers.changes);
        changes.clear();
        if !is_deleted(entity) {
            self.status_changes(entity, &mut changes);
            self.note_visits(&changes);
        }
        self.buffers.changes = changes;
    }

    /// Takes the visits that were noted last.
    pub(in crate::ledger) fn take_visits(&mut self, into: &mut Vec<Visit>) {
        into.clear();
        into.append(&mut self.buffers.visits);
    }

    /// Adds what the visits that were noted last, or takes back what those of before, do not have in
    /// common. Both must be of one entity, with the same credit.
    pub(in crate::ledger) fn change_visits(
        &mut self,
        entity: &Entity,
        before: &[Visit],
        out: &mut ByZone,
    ) {
        let visits = std::mem::take(&mut self.buffers.visits);
        let (mut old, mut new) = (before.iter().peekable(), visits.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (Some(a), Some(b)) => a.since.cmp(&b.since),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let from = old.next_if(|_| order.is_le());
            let to = new.next_if(|_| order.is_ge());
            if from != to {
                self.change_visit(entity, [from, to], out);
            }
        }
        self.buffers.visits = visits;
    }

    fn change_visit(&mut self, entity: &Entity, [from, to]: [Option<&Visit>; 2], out: &mut ByZone) {
        let Some(Visit { since, .. }) = from.or(to).copied() else { return };
        let at = since.time;
        let credit = self.credit(entity, since, at);
        let zones = self.credits.zones_of(credit);
        let mut done = ZoneSet::default();
        while let Some(zone) = zones.first_beyond(done) {
            done = done.with(zone);
            let calendar = self.definition.calendar_at(zone);
            let keys = [from, to].map(|v| v.map_or([None; 2], |visit| visit.keys(calendar)));
            let list = out.of(zone);
            for (from, to) in keys[0].into_iter().zip(keys[1]).filter(|(from, to)| from != to) {
                list.extend(from.map(|key| Contribution { at, credit, key, n: -1 }));
                list.extend(to.map(|key| Contribution { at, credit, key, n: 1 }));
            }
        }
    }

    /// Goes through the moves and the changes of status together, and tells of each visit.
    fn walk(
        &self,
        changes: &[(Stamp, Status)],
        mut tell: impl FnMut(Stamp, Meant, Option<(Stamp, End)>),
    ) {
        let mut stands = self.buffers.stands.iter().peekable();
        let mut changes = changes.iter().peekable();
        let mut status = Status::Open;
        let mut place: Option<Placed> = None;
        // Since when it stands there; `None` where no visit goes on.
        let mut since: Option<Stamp> = None;
        loop {
            let next = [stands.peek().map(|s| s.at), changes.peek().map(|c| c.0)];
            let Some(at) = next.into_iter().flatten().min() else { break };
            let before = status;
            while let Some((_, now)) = changes.next_if(|c| c.0 == at) {
                status = *now;
            }
            if let Some(stand) = stands.next_if(|s| s.at == at) {
                let next = stand.named.map(|named| Placed { named, meant: stand.meant });
                if stand.is_move() {
                    if let (Some(began), Some((from, meant))) = (since, known(place)) {
                        let how = self.end((from, meant), next, status);
                        tell(began, meant, Some((at, how)));
                    }
                    // A deal that is closed where it comes to was not seen there while it was open,
                    // but where this event both moves and closes it.
                    let is_open = next.and_then(|n| n.meant).map(|m| m.status);
                    let is_open = is_open == Some(Status::Open);
                    let was_open = before == Status::Open && place.is_some();
                    let seen = !is_open || status == Status::Open || was_open;
                    since = next.filter(|_| seen).map(|_| at);
                }
                // Of which pipeline it is may be told without a move.
                place = next;
            }
            let Some((_, meant)) = known(place).filter(|(_, f)| f.status == Status::Open) else {
                continue;
            };
            match since {
                // Closed where it stands.
                Some(began) if status != Status::Open => {
                    let how = if status == Status::Won { End::Advanced } else { End::Lost };
                    tell(began, meant, Some((at, how)));
                    since = None;
                }
                // Reopened where it stands.
                None if before != Status::Open && status == Status::Open => since = Some(at),
                _ => {}
            }
        }
        if let (Some(began), Some((_, meant))) = (since, known(place)) {
            tell(began, meant, None);
        }
    }

    /// How a visit ended whose deal moved on, and stands so behind that.
    fn end(&self, (from, left): (Named, Meant), to: Option<Placed>, now: Status) -> End {
        let was = left.status;
        let next = known(to);
        // Closed in a stage that it moved on to: it is won or lost there, and once.
        let is_onward = next.is_some_and(|(_, meant)| meant.status == Status::Open);
        match now {
            Status::Lost if was != Status::Lost && !is_onward => return End::Lost,
            Status::Won if was != Status::Won && !is_onward => return End::Advanced,
            _ => {}
        }
        let goes_on = |to: Named| self.same_system(to, from) && fits(to.pipeline, from.pipeline);
        match next.filter(|(to, _)| goes_on(*to)) {
            None => End::Left,
            // Out of a stage that closes, and open again.
            Some(_) if was != Status::Open && is_onward => End::Back,
            Some((_, next)) if next.rank > left.rank => End::Advanced,
            Some(_) => End::Back,
        }
    }
}

fn known(place: Option<Placed>) -> Option<(Named, Meant)> {
    place.and_then(|place| Some((place.named, place.meant?)))
}
