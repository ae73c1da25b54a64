//! Visits of stages: from a deal's move into a stage to its next move, or until it is won or lost.
//!
//! A visit counts where it began, whatever became of it later: so the visits that began in a window
//! are those that advanced, went back, were lost, left the pipeline, or go on.

use super::stages::{Named, Stand, fits};
use super::{Contribution, Projector};
use crate::ledger::entity::{Entity, Stamp};
use crate::model::definition::Found;
use crate::model::event::Status;
use crate::model::measure::{Measure, MeasureKey};

/// Where a deal stands, and the row of the stage table for it.
#[derive(Clone, Copy)]
struct Placed<'s> {
    named: Named<'s>,
    found: Option<Found<'s>>,
}

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Advanced,
    Back,
    Lost,
    /// With another pipeline, a stage that the table does not know, or none.
    Left,
}

impl Projector<'_> {
    /// The visits of a deal, by what it moved and by how it stood. A stage that the table does not
    /// know has none, and neither has one of which the beginning is forgotten.
    pub(super) fn visits(
        &mut self,
        entity: &Entity,
        changes: &[(Stamp, Status)],
        out: &mut Vec<Contribution>,
    ) {
        if self.definition.stages.is_empty() {
            return;
        }
        // How the deal stands now, after all of it.
        let now = changes.last().map_or(Status::Open, |(_, status)| *status);
        let mut ended = Vec::new();
        self.walk(entity, changes, |since, found, end| {
            let days = |to: Stamp| self.calendar.days_between(since.time, to.time);
            let end = end.map(|(to, how)| (how, days(to)));
            let won = (found.stage.status == Status::Open && now != Status::Open)
                .then_some(now == Status::Won);
            ended.push((since, found.index, end, won));
        });
        for (since, stage, end, won) in ended {
            let at = since.time;
            let credit = self.credit(entity, since, at);
            let mut add = |key| out.push(Contribution { at, credit, key, n: 1 });
            add(MeasureKey::stage(Measure::StageEntered, stage));
            let how = match end.map(|(how, _)| how) {
                None => Some(Measure::StageHeld),
                Some(End::Advanced) => Some(Measure::StageAdvanced),
                Some(End::Back) => Some(Measure::StageBack),
                Some(End::Lost) => Some(Measure::StageLost),
                Some(End::Left) => None,
            };
            how.into_iter().for_each(|m| add(MeasureKey::stage(m, stage)));
            if let Some(won) = won {
                add(MeasureKey::stage(Measure::StageClosed, stage));
                won.then(|| add(MeasureKey::stage(Measure::StageWon, stage)));
            }
            if let Some((_, days)) = end {
                add(MeasureKey::stage_days(Measure::StageDays, stage, days));
            }
        }
    }

    /// Goes through the moves and the changes of status together, and tells of each visit.
    fn walk<'s>(
        &'s self,
        entity: &Entity,
        changes: &[(Stamp, Status)],
        mut tell: impl FnMut(Stamp, Found<'s>, Option<(Stamp, End)>),
    ) {
        let mut stands: Vec<Stand<'s>> = Vec::new();
        self.stands(entity, |stand| stands.push(stand));
        let (mut stands, mut changes) = (stands.into_iter().peekable(), changes.iter().peekable());
        let mut status = Status::Open;
        let mut place: Option<Placed<'s>> = None;
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
                let next = stand.named.map(|named| self.placed(named));
                if stand.is_move() {
                    if let (Some(began), Some((from, found))) = (since, known(place)) {
                        tell(began, found, Some((at, end((from, found), next, status))));
                    }
                    // A deal that is closed where it comes to was not seen there while it was open,
                    // but where this event both moves and closes it.
                    let is_open = next.and_then(|n| n.found).map(|f| f.stage.status);
                    let is_open = is_open == Some(Status::Open);
                    let was_open = before == Status::Open && place.is_some();
                    let seen = !is_open || status == Status::Open || was_open;
                    since = next.filter(|_| seen).map(|_| at);
                }
                // Of which pipeline it is may be told without a move.
                place = next;
            }
            let Some((_, found)) = known(place).filter(|(_, f)| f.stage.status == Status::Open)
            else {
                continue;
            };
            match since {
                // Closed where it stands.
                Some(began) if status != Status::Open => {
                    let how = if status == Status::Won { End::Advanced } else { End::Lost };
                    tell(began, found, Some((at, how)));
                    since = None;
                }
                // Reopened where it stands.
                None if before != Status::Open && status == Status::Open => since = Some(at),
                _ => {}
            }
        }
        if let (Some(began), Some((_, found))) = (since, known(place)) {
            tell(began, found, None);
        }
    }

    fn placed<'s>(&'s self, named: Named<'s>) -> Placed<'s> {
        let stage = self.symbols.text(named.stage);
        let pipeline = named.pipeline.unwrap_or("");
        Placed { named, found: self.definition.stages.find(named.system, pipeline, stage) }
    }
}

fn known<'s>(place: Option<Placed<'s>>) -> Option<(Named<'s>, Found<'s>)> {
    place.and_then(|place| Some((place.named, place.found?)))
}

/// How a visit ended whose deal moved on, and stands so behind that.
fn end((from, left): (Named<'_>, Found<'_>), to: Option<Placed<'_>>, now: Status) -> End {
    let was = left.stage.status;
    let next = known(to);
    // Closed in a stage that it moved on to: it is won or lost there, and once.
    let is_onward = next.is_some_and(|(_, found)| found.stage.status == Status::Open);
    match now {
        Status::Lost if was != Status::Lost && !is_onward => return End::Lost,
        Status::Won if was != Status::Won && !is_onward => return End::Advanced,
        _ => {}
    }
    match next.filter(|(to, _)| to.system == from.system && fits(to.pipeline, from.pipeline)) {
        None => End::Left,
        // Out of a stage that closes, and open again.
        Some(_) if was != Status::Open && is_onward => End::Back,
        Some((_, next)) if next.rank() > left.rank() => End::Advanced,
        Some(_) => End::Back,
    }
}
