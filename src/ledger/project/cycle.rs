//! Where the cycle of a deal begins, as the definition declares it.

use std::collections::BTreeSet;

use super::Projector;
use crate::ledger::entity::{Entity, HISTORY_LIMIT, Held, Slot};
use crate::model::cycle::{CycleStart, moment};
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

    /// When a deal first moved into one of these stages, by the order of its events. Of a history
    /// that is full the first moves may be gone, so nobody knows.
    fn first_entered(&self, entity: &Entity, names: &BTreeSet<String>) -> Option<Timestamp> {
        if entity.history(Slot::STAGE).count() >= HISTORY_LIMIT {
            return None;
        }
        let is_start = |stage| names.contains(self.symbols.text(stage));
        let mut moves = self.buffers.stands.iter().filter(|stand| stand.is_move());
        let first = moves.find(|stand| {
            stand.meant.is_some() && stand.named.is_some_and(|named| is_start(named.stage))
        });
        first.map(|stand| stand.at.time)
    }
}
