//! Where the cycle of a deal begins, as the definition declares it.

use std::collections::BTreeSet;

use super::Projector;
use crate::ledger::entity::{Entity, HISTORY_LIMIT, Held, Slot};
use crate::model::cycle::{CycleStart, moment};
use crate::model::event::Status;
use crate::model::time::Timestamp;

impl Projector<'_> {
    /// When the cycle of a deal began; none of one that lacks what cycles begin with. It must be the
    /// deal of which it is noted where it stood.
    pub(super) fn cycle_began(
        &self,
        entity: &Entity,
        created: Option<Timestamp>,
    ) -> Option<Timestamp> {
        match &self.definition.cycle_from {
            CycleStart::Created => created,
            CycleStart::Stage(names) => self.first_entered(entity, names),
            CycleStart::Field(_) => match entity.latest(self.own.cycle_slot()?)?.1 {
                Held::Text(text) => moment(self.symbols.text(text), self.definition.dates()),
                Held::Number(n) => moment(&n.to_string(), self.definition.dates()),
                Held::Time(at) => Some(at),
                _ => None,
            },
        }
    }

    /// When a deal first moved into one of these stages while they mean that it is open, by the order
    /// of its events. Of a history that is full the first moves may be gone, so nobody knows.
    fn first_entered(&self, entity: &Entity, names: &BTreeSet<String>) -> Option<Timestamp> {
        if entity.history(Slot::STAGE).count() >= HISTORY_LIMIT {
            return None;
        }
        let mut stands = self.buffers.stands.iter().peekable();
        while let Some(stand) = stands.next() {
            // What a stage means may follow from a pipeline that is told later in the same stay.
            if stands.peek().is_some_and(|next| next.moved_at == stand.moved_at) {
                continue;
            }
            let is_open = stand.meant.is_some_and(|meant| meant.status == Status::Open);
            let is_start = |stage| names.contains(self.symbols.text(stage));
            if is_open && stand.named.is_some_and(|named| is_start(named.stage)) {
                return stand.moved_at.map(|moved| moved.time);
            }
        }
        None
    }
}
