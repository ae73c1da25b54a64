//! What was changed of a deal's amount behind its close.

use super::{Contribution, Projector};
use crate::ledger::entity::{Entity, Held, Slot, Stamp};
use crate::ledger::symbols::Credit;
use crate::model::measure::{Measure, MeasureKey};
use crate::model::money::Money;
use crate::model::time::Timestamp;

impl Projector<'_> {
    /// By how much the amount of a deal differs from what it was when the deal was won, by currency,
    /// in the slice of the close. Nothing where it is the same.
    pub(super) fn amended(
        &self,
        entity: &Entity,
        close: Stamp,
        (at, credit): (Timestamp, Credit),
        out: &mut Vec<Contribution>,
    ) {
        let now = entity.latest(Slot::AMOUNT).and_then(|(_, held)| money(held));
        let mut change = |money: Money, by: i128| {
            let key = |measure| MeasureKey::currency(measure, money.currency);
            for (measure, n) in [(Measure::AmendedAmount, by), (Measure::AmendedPriced, 1)] {
                if by != 0 {
                    out.push(Contribution { at, credit, key: key(measure), n });
                }
            }
        };
        match (self.at_close(entity, close), now) {
            (Some(then), Some(now)) if then.currency == now.currency => {
                change(now, now.amount.exact().0 - then.amount.exact().0);
            }
            (then, now) => {
                then.into_iter().for_each(|money| change(money, -money.amount.exact().0));
                now.into_iter().for_each(|money| change(money, money.amount.exact().0));
            }
        }
    }

    /// The amount as of the close. A source may say what changed at once in several events, so what
    /// follows within the time of [`settle`](crate::model::definition::Definition::settle) is of the
    /// close too. What nobody knew then is what was first said of it since: that completes the deal,
    /// and amends nothing.
    fn at_close(&self, entity: &Entity, close: Stamp) -> Option<Money> {
        let until = close.time + self.definition.settle;
        let is_of_it = |s: &Stamp| s.order <= close.order || s.time <= until;
        let mut history = entity.history(Slot::AMOUNT);
        let known = history.clone().rev().find(|(s, _)| is_of_it(s)).and_then(|(_, h)| money(h));
        known.or_else(|| history.find_map(|(s, held)| money(held).filter(|_| !is_of_it(&s))))
    }
}

fn money(held: Held) -> Option<Money> {
    match held {
        Held::Money(money) => Some(money),
        _ => None,
    }
}
