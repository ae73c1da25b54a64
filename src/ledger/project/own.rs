//! Measures of the user's own: what a moment of an entity adds to them. Conditions look at what the
//! entity holds now, so what is said later of it moves the moment's slice, as amounts do.

use super::{Contribution, Projector, created_at};
use crate::ledger::entity::{Entity, Held, Slot, Stamp};
use crate::ledger::own::{Place, Plan, Summed};
use crate::ledger::symbols::{Credit, Symbols};
use crate::model::measure::Measure;
use crate::model::money::{Amount, Money};
use crate::model::own::Moment;
use crate::model::time::Timestamp;

impl Projector<'_> {
    /// Adds to those that count this moment.
    pub(super) fn count_own(
        &mut self,
        entity: &Entity,
        moment: Moment,
        (at, credit): (Timestamp, Credit),
        out: &mut Vec<Contribution>,
    ) {
        for plan in self.own.at(entity.kind, moment) {
            if !self.holds(plan, entity, credit) {
                continue;
            }
            let mut add = |key, n| out.push(Contribution { at, credit, key, n });
            let measure = &plan.measure;
            match plan.sum {
                Summed::One => add(measure.key(Measure::OwnCount), 1),
                Summed::Money(slot) => {
                    let Some(money) = money(entity, slot) else { continue };
                    add(
                        measure.money_key(Measure::OwnAmount, money.currency),
                        money.amount.exact().0,
                    );
                    add(measure.money_key(Measure::OwnPriced, money.currency), 1);
                }
                Summed::Number(slot) => {
                    let Some(number) = number(entity, slot, self.symbols) else { continue };
                    add(measure.key(Measure::OwnQuantity), number.exact().0);
                    add(measure.key(Measure::OwnNumbered), 1);
                }
                Summed::Stated(slot, beside) => {
                    let Some(number) = number(entity, slot, self.symbols) else { continue };
                    let beside = beside.and_then(|slot| money(entity, slot));
                    let currency = beside.map_or(self.definition.currency, |money| money.currency);
                    add(measure.money_key(Measure::OwnAmount, currency), number.exact().0);
                    add(measure.money_key(Measure::OwnPriced, currency), 1);
                }
            }
        }
    }

    /// The same of its creation, where that was seen and no other measure asks for it.
    pub(super) fn count_own_creation(&mut self, entity: &Entity, out: &mut Vec<Contribution>) {
        if self.own.at(entity.kind, Moment::Created).next().is_none() {
            return;
        }
        let born: Option<Stamp> = entity.first_creation().or(entity.first_stamp());
        if let Some((at, born)) = created_at(entity).zip(born) {
            let credit = self.credit(entity, born, at);
            self.count_own(entity, Moment::Created, (at, credit), out);
        }
    }

    fn holds(&self, plan: &Plan, entity: &Entity, credit: Credit) -> bool {
        plan.measure.meant().condition.holds(|test| {
            let symbol = match plan.places.get(test)? {
                Place::Credited(dimension) => self.credits.value_of(credit, *dimension)?,
                Place::Held(slot) => match entity.latest((*slot)?)?.1 {
                    Held::Text(symbol) | Held::Named(symbol, _) => symbol,
                    // A subscription's, where it is called as that of a deal.
                    Held::Status(status) => return Some(status.as_str()),
                    _ => return None,
                },
            };
            Some(self.symbols.text(symbol))
        })
    }
}

fn money(entity: &Entity, slot: Slot) -> Option<Money> {
    match entity.latest(slot)?.1 {
        Held::Money(money) => Some(money),
        _ => None,
    }
}

fn number(entity: &Entity, slot: Slot, symbols: &Symbols) -> Option<Amount> {
    match entity.latest(slot)?.1 {
        Held::Number(number) => Some(number),
        Held::Text(symbol) => symbols.text(symbol).trim().parse().ok(),
        _ => None,
    }
}
