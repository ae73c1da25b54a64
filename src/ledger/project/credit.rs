//! Whom a contribution is credited to.

use super::Projector;
use crate::ledger::entity::{Entity, Held, Slot, Stamp};
use crate::ledger::symbols::{Credit, MAX_DIMENSIONS, Symbol};
use crate::model::channel::Origins;
use crate::model::definition::Attribution;
use crate::model::event::Order;
use crate::model::money::Money;
use crate::model::time::Timestamp;

/// As of when it is asked who has the credit.
#[derive(Clone, Copy, Debug)]
pub(super) struct AsOf {
    /// The position among the entity's events.
    order: Order,
    /// The fact that a value may follow within the time to settle.
    settle: Option<Stamp>,
    /// The moment by which the directory is asked; its newest values without one.
    at: Option<Timestamp>,
}

impl AsOf {
    /// What holds now.
    const NOW: AsOf = AsOf { order: [i64::MAX; 2], settle: None, at: None };

    /// A fact, and when it happened.
    fn fact(fact: Stamp, at: Timestamp) -> AsOf {
        AsOf { order: fact.order, settle: Some(fact), at: Some(at) }
    }

    /// Where something stands behind an event, at a moment.
    pub(super) fn stock(order: Order, at: Timestamp) -> AsOf {
        AsOf { order, settle: None, at: Some(at) }
    }
}

impl Projector<'_> {
    /// As of when a fact is credited, which happened at a moment.
    pub(super) fn as_of(&self, entity: &Entity, fact: Stamp, at: Timestamp) -> AsOf {
        match self.definition.attribution {
            Attribution::AtEvent => AsOf::fact(fact, at),
            Attribution::Current => AsOf::NOW,
            Attribution::AtCreate => match entity.first_creation().or(entity.first_stamp()) {
                Some(born) => AsOf::fact(born, super::created_at(entity).unwrap_or(born.time)),
                None => AsOf::fact(fact, at),
            },
        }
    }

    /// Whom a fact of this event is credited to, which happened at a moment.
    pub(super) fn credit(&mut self, entity: &Entity, fact: Stamp, at: Timestamp) -> Credit {
        let as_of = self.as_of(entity, fact, at);
        self.credit_as_of(entity, as_of)
    }

    /// Whom the entity belongs to as of then.
    pub(super) fn credit_as_of(&mut self, entity: &Entity, as_of: AsOf) -> Credit {
        let owner = self.owner(entity, as_of);
        self.credit_to(entity, owner, None, as_of)
    }

    /// Whom it belongs to as of then, were this its owner. Of a dimension that is the owner's own the
    /// directory is asked first.
    pub(super) fn credit_to(
        &mut self,
        entity: &Entity,
        owner: Option<Symbol>,
        theirs: Option<usize>,
        as_of: AsOf,
    ) -> Credit {
        let mut values = [None; MAX_DIMENSIONS];
        let n = self.dimensions.names().len();
        for (i, value) in values[..n].iter_mut().enumerate() {
            *value = if self.dimensions.rep() == Some(i) {
                owner
            } else if theirs == Some(i) {
                let told = self.directory_value(owner, i, as_of);
                told.or_else(|| self.own(entity, i, as_of))
            } else {
                let own = self.own(entity, i, as_of);
                own.or_else(|| self.directory_value(owner, i, as_of))
            };
        }
        if let Some((region, territory)) = self.dimensions.region() {
            let told = values[territory].and_then(|territory| {
                self.dimensions.region_of(territory, as_of.at, self.definition, self.symbols)
            });
            values[region] = told.or(values[region]);
        }
        self.intern(&values[..n])
    }

    fn intern(&mut self, values: &[Option<Symbol>]) -> Credit {
        let names = self.dimensions.names();
        let credit = self.credits.intern(values, names, self.definition, self.symbols);
        self.met = self.met.and(self.credits.zones_of(credit));
        credit
    }

    pub(super) fn owner(&mut self, entity: &Entity, as_of: AsOf) -> Option<Symbol> {
        match self.held(entity, Slot::OWNER, as_of) {
            Some(Held::Named(owner, origin)) => {
                Some(self.dimensions.rep_of(owner, origin, self.symbols))
            }
            _ => None,
        }
    }

    pub(super) fn held(&self, entity: &Entity, slot: Slot, as_of: AsOf) -> Option<Held> {
        entity.as_of(slot, as_of.order).or_else(|| {
            let fact = as_of.settle?;
            let until = fact.time + self.definition.settle;
            let (stamp, held) = entity.history(slot).next()?;
            (stamp.time <= until).then_some(held)
        })
    }

    /// The events that may move what stands open: those that write its owner, a dimension or its
    /// amount, and those behind whose link the channel is another. What else a link says is of no
    /// weight here, so it dates nothing.
    pub(super) fn moves(&mut self, entity: &Entity, out: &mut Vec<Stamp>) {
        entity.points(|s| (Slot::OWNER.0..Slot::ORIGINS).contains(&s.0), out);
        entity.points(|s| s == Slot::AMOUNT, out);
        let Some(channel) = self.dimensions.channel() else { return };
        if !entity.holds(Slot::tells_channel) {
            return;
        }
        let mut told = Vec::new();
        entity.points(Slot::tells_channel, &mut told);
        for stamp in told {
            let [place, tie] = stamp.order;
            let [before, behind] = [[place, tie.saturating_sub(1)], stamp.order]
                .map(|order| self.own(entity, channel, AsOf::stock(order, stamp.time)));
            if before != behind {
                out.push(stamp);
            }
        }
        out.sort_unstable();
        out.dedup();
    }

    /// What the entity itself says of a dimension: outright, or by its link where it is the channel.
    fn own(&mut self, entity: &Entity, i: usize, as_of: AsOf) -> Option<Symbol> {
        let stated = self.value(entity, i, as_of);
        let is_told = stated.is_none() || self.dimensions.are_renamed();
        if self.dimensions.channel() != Some(i) || !is_told {
            return stated;
        }
        self.channel(entity, as_of, stated).or(stated)
    }

    /// What the entity itself says of a dimension outright.
    fn value(&self, entity: &Entity, i: usize, as_of: AsOf) -> Option<Symbol> {
        match self.held(entity, Slot(Slot::DIMENSIONS + i as u8), as_of) {
            Some(Held::Text(symbol)) => Some(symbol),
            _ => None,
        }
    }

    /// The channel that the fields of its link and its browser tell together, where the source states
    /// none: of what each of them holds, whichever events said so. Else the new name of the one that
    /// is stated.
    fn channel(&mut self, entity: &Entity, as_of: AsOf, is: Option<Symbol>) -> Option<Symbol> {
        let stated_by = &self.definition.channels.stated_by;
        let mut texts = [None; Origins::FIELDS.len()];
        for (i, text) in texts.iter_mut().enumerate() {
            let slot = Slot(Slot::ORIGINS + i as u8);
            *text = match self.held(entity, slot, as_of) {
                Some(Held::Named(text, origin)) => {
                    let is_stated = stated_by.contains(self.symbols.parts(origin).1);
                    (!is_stated).then_some(text)
                }
                _ => None,
            };
        }
        if is.is_none() && texts == [None; Origins::FIELDS.len()] {
            return None;
        }
        self.dimensions.channel_of(texts, is, self.definition, self.symbols)
    }

    fn directory_value(&mut self, owner: Option<Symbol>, i: usize, as_of: AsOf) -> Option<Symbol> {
        self.dimensions.of_owner(owner?, i, as_of.at, self.definition, self.symbols)
    }

    /// What stands open goes along with its owner, and its territory, when the directory moves them,
    /// between two moments. `order` is the last event before.
    pub(super) fn carry(
        &mut self,
        entity: &Entity,
        order: Option<Order>,
        (from, to): (Timestamp, Timestamp),
        held: &mut Option<(Credit, Option<Money>)>,
        mut step: impl FnMut(Timestamp, Option<(Credit, Option<Money>)>, i128),
    ) {
        let (Some(order), Some((mut credit, money))) = (order, *held) else { return };
        if !self.dimensions.are_dated() {
            return;
        }
        let owner = self.owner(entity, AsOf::stock(order, from));
        let mut i = 0;
        while let Some(at) = self.dimensions.points(owner, self.definition, self.symbols).get(i) {
            let at = *at;
            i += 1;
            if at <= from || at >= to {
                continue;
            }
            let next = self.credit_as_of(entity, AsOf::stock(order, at));
            if next != credit {
                step(at, Some((credit, money)), -1);
                step(at, Some((next, money)), 1);
                credit = next;
            }
        }
        *held = Some((credit, money));
    }
}
