//! Orders and invoices: counted when they were paid. What was refunded amends that moment.

use super::slots::{DISCOUNT, PAID_AT, REFUNDED};
use super::{Contribution, Projector, since};
use crate::ledger::entity::{Entity, Held, Kind, Slot};
use crate::model::customers::Purchase;
use crate::model::measure::{Measure, MeasureKey};
use crate::model::money::Money;
use crate::model::own::Moment;

impl Projector<'_> {
    pub(super) fn payment(&mut self, entity: &Entity, out: &mut Vec<Contribution>) {
        self.count_own_creation(entity, out);
        let Some((_, Held::Time(at))) = entity.latest(PAID_AT) else {
            return;
        };
        // A corrected moment is still the same payment.
        let Some(fact) = since(entity, PAID_AT, |held| matches!(held, Held::Time(_))) else {
            return;
        };
        let credit = self.credit(entity, fact, at);
        let [count, sum, priced, refunded, refunds] = match entity.kind {
            Kind::Invoice => [
                Measure::InvoicesPaid,
                Measure::InvoiceAmount,
                Measure::InvoicePriced,
                Measure::InvoiceRefunded,
                Measure::InvoiceRefunds,
            ],
            _ => [
                Measure::OrdersPaid,
                Measure::OrderAmount,
                Measure::OrderPriced,
                Measure::OrderRefunded,
                Measure::OrderRefunds,
            ],
        };
        let mut add = |key, n| out.push(Contribution { at, credit, key, n });
        add(MeasureKey::plain(count), 1);
        if let Some((_, Held::Money(money))) = entity.latest(Slot::AMOUNT) {
            add(MeasureKey::currency(sum, money.currency), money.amount.exact().0);
            add(MeasureKey::currency(priced, money.currency), 1);
        }
        if let Some((_, Held::Money(money))) = entity.latest(REFUNDED)
            && money.amount.exact().0 != 0
        {
            add(MeasureKey::currency(refunded, money.currency), money.amount.exact().0);
            add(MeasureKey::currency(refunds, money.currency), 1);
        }
        if let Some((money, list)) = at_list(entity) {
            let currency = |measure| MeasureKey::currency(measure, money.currency);
            add(currency(Measure::OrderSoldPrice), money.amount.exact().0);
            add(currency(Measure::OrderListPrice), list);
            add(currency(Measure::OrderListPriced), 1);
        }
        let what = match entity.kind {
            Kind::Invoice => Purchase::Invoices,
            _ => Purchase::Orders,
        };
        self.purchase(entity, what, (at, credit), out);
        self.count_own(entity, Moment::Paid, (at, credit), out);
    }
}

/// The amount of an order, and what it would be at list prices; known where a discount was stated,
/// be it none.
fn at_list(entity: &Entity) -> Option<(Money, i128)> {
    let (Some((_, Held::Money(amount))), Some((_, Held::Money(discount)))) = (
        entity.latest(Slot::AMOUNT),
        entity.latest(DISCOUNT).filter(|_| entity.kind == Kind::Order),
    ) else {
        return None;
    };
    let list = amount.amount.exact().0 + discount.amount.exact().0;
    (amount.currency == discount.currency).then_some((amount, list))
}
