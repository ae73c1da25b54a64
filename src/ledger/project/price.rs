//! What becomes of the monthly revenue of a running subscription.

use crate::model::measure::{Measure, MeasureKey};
use crate::model::money::{Currency, Money};
use crate::model::time::Day;

/// The monthly revenue, as the rises that it is made of: what rose last is lost first. So a fall
/// below what was there on a day is told from one that only takes back what has risen since.
#[derive(Debug, Default)]
pub(super) struct Price {
    currency: Option<Currency>,
    /// Since which day there is how much: what it came with, then rises above 0.
    layers: Vec<(Day, i128)>,
}

impl Price {
    /// It is another one from a moment of a day on. What was not known before, or was of another
    /// currency, is no change: it came on that day.
    pub(super) fn turn(
        &mut self,
        money: Option<Money>,
        day: Day,
        mut add: impl FnMut(MeasureKey, i128),
    ) {
        let Some(Money { amount, currency }) = money else {
            *self = Price::default();
            return;
        };
        let exact = amount.exact().0;
        let since = self.layers.first().filter(|_| self.currency == Some(currency));
        let Some((since, _)) = since.copied() else {
            (self.currency, self.layers) = (Some(currency), vec![(day, exact)]);
            return;
        };
        let by = exact - self.layers.iter().map(|(_, n)| n).sum::<i128>();
        if by == 0 {
            return;
        }
        let (sum, count) = match by > 0 {
            true => (Measure::ExpansionMrr, Measure::ExpansionMrrPriced),
            false => (Measure::ContractionMrr, Measure::ContractionMrrPriced),
        };
        add(MeasureKey::currency(sum, currency), by.abs());
        add(MeasureKey::currency(count, currency), 1);
        add(MeasureKey::currency_day(Measure::MrrChange, currency, since), by);
        match by > 0 {
            true => self.layers.push((day, by)),
            false => self.fall(-by, currency, add),
        }
    }

    /// What it came with bears what no rise does. What is no fall loses nothing.
    fn fall(&mut self, by: i128, currency: Currency, mut add: impl FnMut(MeasureKey, i128)) {
        if by <= 0 {
            return;
        }
        let mut rest = by;
        let mut first = self.layers.len();
        for (i, (since, n)) in self.layers.iter_mut().enumerate().rev() {
            let part = if i == 0 { rest } else { rest.min(*n) };
            add(MeasureKey::currency_day(Measure::MrrFall, currency, *since), -part);
            (*n, rest) = (*n - part, rest - part);
            if *n != 0 || rest == 0 {
                break;
            }
            first = i;
        }
        self.layers.truncate(first.max(1));
    }

    /// The subscription ends: it brings nothing from then on.
    pub(super) fn end(mut self, mut add: impl FnMut(MeasureKey, i128)) {
        let since = self.layers.first().copied();
        let (Some(currency), Some((since, _))) = (self.currency, since) else { return };
        let all = self.layers.iter().map(|(_, n)| n).sum::<i128>();
        add(MeasureKey::currency_day(Measure::MrrChange, currency, since), -all);
        self.fall(all, currency, add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// In a window that begins with any day: what there was at its start and what changed of it
        /// make what there is in the end, and what fell of it leaves the least that there was.
        #[test]
        fn a_fall_is_told_from_what_takes_a_rise_back(
            steps in proptest::collection::vec((0i32..3, -50i32..200), 1..20),
            ends in any::<bool>(),
            first in 1i32..30,
        ) {
            let currency = Currency::parse("EUR").unwrap();
            let (mut price, mut day) = (Price::default(), 0);
            let (mut changes, mut held) = (Vec::new(), Vec::new());
            for (days, n) in &steps {
                day += days;
                let money = Money { amount: n.to_string().parse().unwrap(), currency };
                price.turn(Some(money), Day(day), |key, n| changes.push((day, key, n)));
                held.push((day, money.amount.exact().0));
            }
            if ends {
                price.end(|key, n| changes.push((day, key, n)));
                held.push((day, 0));
            }
            let start = held.iter().rev().find(|(on, _)| *on < first).map_or(0, |(_, n)| *n);
            let within = held.iter().filter(|(on, _)| *on >= first).map(|(_, n)| *n);
            let told = |measure| -> i128 {
                let before = MeasureKey::currency_day(measure, currency, Day(first));
                let of = changes.iter().filter(|(on, key, _)| {
                    *on >= first && key.measure == measure && *key < before
                });
                of.map(|(.., n)| *n).sum()
            };
            let was_there = held[0].0 < first;
            let (least, last) = (within.clone().min(), within.clone().next_back());
            let last = last.filter(|_| was_there).unwrap_or(start);
            prop_assert_eq!(start + told(Measure::MrrChange), last);
            let least = least.filter(|_| was_there).unwrap_or(start).min(start);
            prop_assert_eq!(start + told(Measure::MrrFall), least);
        }
    }
}
