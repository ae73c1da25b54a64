//! Who bought: the customer behind a deal won, or an order or an invoice paid.

use super::slots::{CUSTOMER, REFUNDED};
use super::{Contribution, Projector};
use crate::ledger::entity::{Entity, Held, Kind, Slot};
use crate::ledger::symbols::Credit;
use crate::model::customers::{Purchase, customer};
use crate::model::measure::{Measure, MeasureKey};
use crate::model::time::Timestamp;

impl Projector<'_> {
    /// A purchase, where such things make customers. Its customer is the account that it names now:
    /// one that is named later, or corrected, was the customer all along. Nobody knows whose purchase
    /// it is without one, so that is counted apart, and is no customer.
    pub(super) fn purchase(
        &self,
        entity: &Entity,
        what: Purchase,
        (at, credit): (Timestamp, Credit),
        out: &mut Vec<Contribution>,
    ) {
        if what != self.definition.purchases() {
            return;
        }
        let mut add = |key, n| out.push(Contribution { at, credit, key, n });
        let Some(place) = self.customer(entity) else {
            return add(MeasureKey::plain(Measure::AnonymousPurchases), 1);
        };
        add(MeasureKey { measure: Measure::Buyers, place }, 1);
        add(MeasureKey::plain(Measure::Purchases), 1);
        if let Some((_, Held::Money(money))) = entity.latest(Slot::AMOUNT) {
            let sum = MeasureKey::currency(Measure::PurchaseAmount, money.currency);
            add(sum, money.amount.exact().0);
            add(MeasureKey::currency(Measure::PurchasePriced, money.currency), 1);
        }
        if entity.kind == Kind::Deal {
            return;
        }
        if let Some((_, Held::Money(money))) = entity.latest(REFUNDED) {
            let sum = MeasureKey::currency(Measure::PurchaseAmount, money.currency);
            add(sum, -money.amount.exact().0);
        }
    }

    /// The account; of an order or an invoice without one, its customer.
    fn customer(&self, entity: &Entity) -> Option<i64> {
        let named = |slot| match entity.latest(slot)? {
            (_, Held::Named(name, tenant)) => {
                let name = self.symbols.text(name).trim();
                let tenant = self.symbols.text(tenant);
                (!name.is_empty()).then(|| customer(tenant, name))
            }
            _ => None,
        };
        let has_customer = matches!(entity.kind, Kind::Order | Kind::Invoice);
        named(Slot::ACCOUNT).or_else(|| named(CUSTOMER).filter(|_| has_customer))
    }
}
