//! Retention of revenue: what is left of the monthly revenue of a window's start.
//!
//! Each change of it stands in the slice of its day, at the day on which that began which it is a
//! change of. What began before the window was there at its start; what began in it is left out. So
//! the numbers are sums over slices, and exact in windows of any length.

use super::amounts::of_something;
use super::kpi::{KpiValue, View, quotient};
use super::measure::{CURRENCIES, Measure, MeasureKey};
use super::money::Exact;

/// The share of a stock at the window's start that is there behind the changes of what made it up.
pub(super) fn money_kept(view: &View<'_>, change: Measure, stock: Measure) -> KpiValue {
    let at = |m| view.opening.at(MeasureKey::currency(m, view.currency));
    let start = at(stock);
    let own = i64::from(view.currency.code());
    let before = view.flow.of(change).filter(|(place, _)| {
        let (day, code) = (place.div_euclid(CURRENCIES), place.rem_euclid(CURRENCIES));
        code == own && day < view.first_day.0.into()
    });
    let kept = start + before.map(|(_, n)| n).sum::<i128>();
    let mut out = of_something(quotient(Exact(kept), Exact(start), at(stock.counted())));
    out.unconverted = view.opening.foreign(stock, view.currency);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kpi::Number;
    use crate::model::measure::Measures;
    use crate::model::money::{Currency, EXACT_ONE};
    use crate::model::time::Day;

    #[test]
    fn what_came_with_the_window_and_other_currencies_are_left_out() {
        let [eur, usd] = ["EUR", "USD"].map(|c| Currency::parse(c).unwrap());
        let key = |currency, day| MeasureKey::currency_day(Measure::MrrChange, currency, Day(day));
        let flow: Measures = [
            (key(eur, -3), -10 * EXACT_ONE),
            (key(eur, 9), -5 * EXACT_ONE),
            (key(eur, 10), -20 * EXACT_ONE),
            (key(usd, 9), -40 * EXACT_ONE),
        ]
        .into_iter()
        .collect();
        let stock = |m, c| MeasureKey::currency(m, c);
        let opening: Measures = [
            (stock(Measure::Mrr, eur), 100 * EXACT_ONE),
            (stock(Measure::MrrPriced, eur), 4),
            (stock(Measure::Mrr, usd), 7 * EXACT_ONE),
        ]
        .into_iter()
        .collect();
        let view = |opening| View {
            flow: &flow,
            stock: &flow,
            opening,
            first_day: Day(10),
            before: [None; 3],
            age_days: 0,
            followed: None,
            working_days: Some(20),
            currency: eur,
        };
        let kept = money_kept(&view(&opening), Measure::MrrChange, Measure::Mrr);
        assert_eq!((kept.value, kept.n), (Some(Number::Float(0.85)), 4));
        assert_eq!(kept.unconverted, [(usd, Exact(7 * EXACT_ONE))]);
        let none = money_kept(&view(&Measures::new()), Measure::MrrChange, Measure::Mrr);
        assert_eq!((none.value, none.n), (None, 0));
    }
}
