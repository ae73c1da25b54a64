//! Activities: counted when they were done, and as due when they were planned.

use super::slots::{DONE, DONE_AT, DURATION, OUTCOME, PLANNED_AT, WORD};
use super::{Contribution, Projector, created_at, since};
use crate::ledger::entity::{Entity, Held, Slot, Stamp};
use crate::ledger::symbols::Symbols;
use crate::model::measure::{ACTIVITIES, Measure, MeasureKey, word_number};
use crate::model::own::Moment;
use crate::model::time::Timestamp;

/// The number of calls in [`ACTIVITIES`].
const CALL: i32 = 1;

impl Projector<'_> {
    pub(super) fn activity(&mut self, entity: &Entity, out: &mut Vec<Contribution>) {
        self.count_own_creation(entity, out);
        let done = done(entity);
        if let Some((fact, at)) = done {
            let credit = self.credit(entity, fact, at);
            let mut add = |key, n| out.push(Contribution { at, credit, key, n });
            let kind = word(entity, WORD, &ACTIVITIES, self.symbols);
            add(MeasureKey::word(Measure::ActivitiesDone, kind), 1);
            if let (CALL, Some((_, Held::Number(seconds)))) = (kind, entity.latest(DURATION)) {
                add(MeasureKey::plain(Measure::CallSeconds), seconds.exact().0);
                add(MeasureKey::plain(Measure::CallsTimed), 1);
            }
            self.count_own(entity, Moment::Done, (at, credit), out);
        }
        if let Some((fact, at)) = self.plan(entity) {
            // Also of what is only logged, by the days of this zone: by those of another one it may be
            // planned.
            let credit = self.credit(entity, fact, at);
            if self.is_logged(entity, done, at) {
                return;
            }
            let mut add = |measure| {
                let key = MeasureKey::plain(measure);
                out.push(Contribution { at, credit, key, n: 1 });
            };
            add(Measure::ActivitiesDue);
            if done.is_some() {
                add(Measure::ActivitiesKept);
            }
            self.count_own(entity, Moment::Due, (at, credit), out);
        }
    }

    /// For when it is planned, and by which event; `None` where it never was, or another one takes
    /// its place.
    fn plan(&self, entity: &Entity) -> Option<(Stamp, Timestamp)> {
        let (_, Held::Time(at)) = entity.latest(PLANNED_AT)? else {
            return None;
        };
        if let Some((_, Held::Text(outcome))) = entity.latest(OUTCOME)
            && self.symbols.text(outcome).eq_ignore_ascii_case("rescheduled")
        {
            return None;
        }
        let fact = since(entity, PLANNED_AT, |held| held == Held::Time(at))?;
        Some((fact, at))
    }

    /// Systems give a plan to what is only logged: done by the time when the plan was first stated,
    /// and planned for no later day than that of its creation.
    fn is_logged(
        &self,
        entity: &Entity,
        done: Option<(Stamp, Timestamp)>,
        planned: Timestamp,
    ) -> bool {
        let first = entity.history(PLANNED_AT).next().map(|(stamp, _)| stamp);
        let seen = entity.first_stamp().map(|stamp| stamp.time);
        let Some((first, born)) = first.zip(created_at(entity).or(seen)) else { return false };
        done.is_some_and(|(fact, _)| fact <= first)
            && self.calendar.days_between(born, planned) <= 0
    }
}

/// Since which event it is done, and when that was: as stated at or behind that event, else its
/// time. Who says nothing of `done` may still say when.
fn done(entity: &Entity) -> Option<(Stamp, Timestamp)> {
    let stated = entity.latest(DONE_AT);
    let fact = match entity.latest(DONE) {
        Some((_, Held::Bool(true))) => since(entity, DONE, |held| held == Held::Bool(true))?,
        Some((_, Held::Bool(false))) => return None,
        _ => since(entity, DONE_AT, |held| matches!(held, Held::Time(_)))?,
    };
    let at = match stated {
        Some((stamp, Held::Time(at))) if stamp.order >= fact.order => at,
        _ => fact.time,
    };
    Some((fact, at))
}

/// The number of the word that a slot holds.
pub(super) fn word(entity: &Entity, slot: Slot, words: &[&str], symbols: &Symbols) -> i32 {
    match entity.latest(slot) {
        Some((_, Held::Text(text))) => word_number(words, symbols.text(text)),
        _ => 0,
    }
}
