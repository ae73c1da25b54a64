//! Exchange rates, dated, and how sums are converted by them.
//!
//! Cells keep the original amounts. Where a slice enters the total of a window, its amounts are
//! converted at the rate of the slice's day, so what was won keeps the rate of its day, and what is
//! open follows the rate until it is closed. An amount without a rate stays in its own currency:
//! parked, shown, and counted; never taken for an amount of the reporting currency.
//!
//! Conversion is linear, to the last digit: a product that has more decimals than
//! [`Exact`](super::money::Exact) keeps is split into whole steps and a rest, and rests are summed
//! too. So the order of merging does not matter, a difference is converted as the difference of
//! what is converted, and the members of a dimension sum to their parent. Only a row cuts the rest
//! off, below 10^-12; there is none where amount and rate have at most 12 decimals together.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use super::measure::{CURRENCIES, Measure, MeasureKey, MeasureKind, Measures};
use super::money::{Amount, Currency, EXACT_ONE};
use super::size;
use super::time::Day;

/// Decimals of a rate.
pub const RATE_SCALE: u32 = 10;

/// Steps of a rate in 1, and of a rest in one step of a sum.
pub const RATE_ONE: i128 = 10_i128.pow(RATE_SCALE);

/// Largest rate: the cheapest currency costs less than that of the dearest.
const RATE_LIMIT: i128 = 10_i128.pow(7);

/// The place of a rest among the currencies of a sum. No currency has this code.
const REST: i64 = -1;

/// How much of the reporting currency one unit of another one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(i128);

impl Rate {
    /// In steps: [`RATE_ONE`] of them are 1.
    pub fn steps(self) -> i128 {
        self.0
    }
}

/// Why a text is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Not a decimal number.
    #[error("is not a decimal number")]
    NotDecimal,
    /// Zero or below.
    #[error("is not above zero")]
    NotPositive,
    /// More decimals than are kept.
    #[error("has more than {RATE_SCALE} decimals")]
    TooPrecise,
    /// Beyond the largest rate.
    #[error("is beyond the largest rate, {RATE_LIMIT}")]
    TooLarge,
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Rate, RateError> {
        use super::money::AmountError::{NotDecimal, TooLarge, TooPrecise};
        let steps = match text.parse::<Amount>() {
            Ok(amount) => amount.exact().0,
            Err(NotDecimal(_)) => return Err(RateError::NotDecimal),
            Err(TooPrecise(_)) => return Err(RateError::TooPrecise),
            Err(TooLarge(_)) => return Err(RateError::TooLarge),
        };
        let finer = EXACT_ONE / RATE_ONE;
        match steps {
            ..=0 => Err(RateError::NotPositive),
            steps if steps % finer != 0 => Err(RateError::TooPrecise),
            steps if steps / EXACT_ONE >= RATE_LIMIT => Err(RateError::TooLarge),
            steps => Ok(Rate(steps / finer)),
        }
    }
}

/// The rates to the reporting currency, each from its day until the next one of its currency.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Fx {
    rates: BTreeMap<Currency, BTreeMap<Day, Rate>>,
}

impl Fx {
    /// Whether there is no rate.
    pub fn is_empty(&self) -> bool {
        self.rates.is_empty()
    }

    /// Adds a rate; returns the one that it replaces.
    pub fn insert(&mut self, from: Currency, day: Day, rate: Rate) -> Option<Rate> {
        self.rates.entry(from).or_default().insert(day, rate)
    }

    /// The currencies that there are rates of, with the first and the last day of one.
    pub fn currencies(&self) -> impl Iterator<Item = (Currency, Day, Day)> + '_ {
        self.rates.iter().filter_map(|(currency, rates)| {
            Some((*currency, *rates.keys().next()?, *rates.keys().next_back()?))
        })
    }

    /// The rate of a currency, by its packed code, on a day.
    pub fn rate(&self, code: i64, day: Day) -> Option<Rate> {
        let rates = self.rates.get(&Currency::from_code(code)?)?;
        rates.range(..=day).next_back().map(|(_, rate)| *rate)
    }

    /// The amounts of a day in the reporting currency; those without a rate as they are.
    pub fn convert<'a>(
        &self,
        measures: &'a Measures,
        own: Currency,
        day: Day,
    ) -> Cow<'a, Measures> {
        let foreign = |key: MeasureKey| is_money(key) && code(key) != i64::from(own.code());
        if self.is_empty() || !measures.entries().iter().any(|(key, _)| foreign(*key)) {
            return Cow::Borrowed(measures);
        }
        let mut out = Measures::new();
        for (key, n) in measures.entries() {
            let rate = self.rate(code(*key), day).filter(|_| foreign(*key));
            let Some(rate) = rate else {
                out.add(*key, *n);
                continue;
            };
            let home = with_code(*key, own.code().into());
            match key.measure.kind() {
                MeasureKind::AmountByCurrency => {
                    let place = size::converted(key.place, own, rate);
                    out.add(MeasureKey { place, ..*key }, *n);
                }
                _ if !is_sum(*key) => out.add(home, *n),
                _ => {
                    let (steps, rest) = times(*n, rate);
                    out.add(home, steps);
                    out.add(with_code(*key, REST), rest);
                }
            }
        }
        let changed = out.clone();
        carry(&mut out, &changed, own);
        Cow::Owned(out)
    }

    /// How many amounts are parked for want of a rate, by currency. Those of shared deals are there
    /// already, as what was won, and what amounts were before they were amended is none of their own.
    pub fn parked(measures: &Measures, own: Currency) -> impl Iterator<Item = (Currency, i128)> {
        let counts = measures.entries().iter().filter(move |(key, _)| {
            // An amount of a purchase is that of a deal or an order too.
            let again = matches!(
                key.measure,
                Measure::SplitPriced
                    | Measure::OverlayPriced
                    | Measure::PurchasePriced
                    | Measure::OrderListPriced
                    | Measure::AmendedPriced
            );
            let counts = key.measure.kind() == MeasureKind::CountByCurrency;
            counts && !again && key.place != i64::from(own.code())
        });
        counts.filter_map(|(key, n)| Some((Currency::from_code(key.place)?, *n)))
    }
}

/// Adds converted sums.
pub fn plus(total: &mut Measures, change: &Measures, own: Currency) {
    total.plus(change);
    carry(total, change, own);
}

/// Makes whole steps of the rests that a change touched, so that equal sums are equal values.
fn carry(total: &mut Measures, change: &Measures, own: Currency) {
    let rests = change.entries().iter().map(|(key, _)| *key);
    for key in rests.filter(|key| is_sum(*key) && code(*key) == REST) {
        let steps = total.at(key).div_euclid(RATE_ONE);
        total.add(key, -steps * RATE_ONE);
        total.add(with_code(key, own.code().into()), steps);
    }
}

fn is_sum(key: MeasureKey) -> bool {
    use MeasureKind::{StockSum, Sum, SumByDay, SumByOwn};
    matches!(key.measure.kind(), Sum | StockSum | SumByDay | SumByOwn)
}

/// The currency's code in a place of money, or [`REST`].
fn code(key: MeasureKey) -> i64 {
    match key.measure.kind() {
        MeasureKind::SumByDay | MeasureKind::SumByOwn | MeasureKind::CurrencyByOwn => {
            (key.place - REST).rem_euclid(CURRENCIES) + REST
        }
        MeasureKind::AmountByCurrency => size::amount_code(key.place),
        _ => key.place,
    }
}

/// The key with another code: of the same day or measure of one's own, where it has one.
fn with_code(key: MeasureKey, to: i64) -> MeasureKey {
    MeasureKey { place: key.place - code(key) + to, ..key }
}

fn is_money(key: MeasureKey) -> bool {
    use MeasureKind::{AmountByCurrency, CountByCurrency, CurrencyByOwn, StockByCurrency};
    let counts = matches!(
        key.measure.kind(),
        CountByCurrency | StockByCurrency | CurrencyByOwn | AmountByCurrency
    );
    (counts || is_sum(key)) && code(key) != REST
}

/// Whole steps of the product, and what is left of it. Multiplied in two parts, since the product
/// itself need not fit. Sums beyond the range wrap, which leaves differences right.
fn times(n: i128, Rate(rate): Rate) -> (i128, i128) {
    let (high, low) = (n.div_euclid(RATE_ONE), n.rem_euclid(RATE_ONE));
    let low = low * rate;
    let steps = high.wrapping_mul(rate).wrapping_add(low.div_euclid(RATE_ONE));
    (steps, low.rem_euclid(RATE_ONE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(text: &str) -> Currency {
        Currency::parse(text).unwrap()
    }

    fn sum(currency: &str, amount: &str) -> Measures {
        let key = MeasureKey::currency(Measure::WonAmount, code(currency));
        [(key, amount.parse::<Amount>().unwrap().exact().0)].into_iter().collect()
    }

    fn table(rates: &[(&str, i32, &str)]) -> Fx {
        let mut out = Fx::default();
        for (from, day, rate) in rates {
            out.insert(code(from), Day(*day), rate.parse().unwrap());
        }
        out
    }

    #[test]
    fn a_rate_holds_from_its_day_until_the_next_one() {
        let fx = table(&[("GBP", 10, "1.25"), ("GBP", 20, "1.5")]);
        let convert = |from: Measures, day| fx.convert(&from, code("USD"), Day(day)).into_owned();
        let at = |day| convert(sum("GBP", "100.10"), day);
        assert_eq!(at(9), sum("GBP", "100.10"));
        assert_eq!([at(10), at(19)], [sum("USD", "125.125"), sum("USD", "125.125")]);
        assert_eq!([at(20), at(9_999)], [sum("USD", "150.15"), sum("USD", "150.15")]);
        assert_eq!(convert(sum("USD", "7"), 10), sum("USD", "7"));
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        let refused = |text: &str| text.parse::<Rate>().unwrap_err();
        assert_eq!(refused("0"), RateError::NotPositive);
        assert_eq!(refused("-1.5"), RateError::NotPositive);
        assert_eq!(refused("one"), RateError::NotDecimal);
        assert_eq!(refused("1.12345678901"), RateError::TooPrecise);
        assert_eq!(refused("10000000"), RateError::TooLarge);
        assert_eq!("0.0088781".parse(), Ok(Rate(88_781_000)));
    }

    #[test]
    fn counts_of_amounts_follow_them_and_parked_ones_are_told() {
        let priced = |c: &str| MeasureKey::currency(Measure::WonPriced, code(c));
        // What an amount was before is none of its own.
        let amended = MeasureKey::currency(Measure::AmendedPriced, code("JPY"));
        let cells = [(priced("GBP"), 2), (priced("JPY"), 3), (amended, 1)];
        let cells: Measures = cells.into_iter().collect();
        let out = table(&[("GBP", 0, "1.2")]).convert(&cells, code("USD"), Day(0)).into_owned();
        assert_eq!((out.at(priced("USD")), out.at(priced("JPY"))), (2, 3));
        assert_eq!(Fx::parked(&out, code("USD")).collect::<Vec<_>>(), [(code("JPY"), 3)]);
    }

    #[test]
    fn an_amount_keeps_its_day() {
        let key = |c, day| MeasureKey::currency_day(Measure::MrrChange, code(c), Day(day));
        let cells = |c| Measures::from_iter([(key(c, -3), -EXACT_ONE), (key(c, 4), 3)]);
        let fx = table(&[("GBP", 0, "1.5")]);
        let mut out = fx.convert(&cells("GBP"), code("USD"), Day(0)).into_owned();
        let half = |m: &Measures| (m.at(key("USD", -3)), m.at(key("USD", 4)));
        assert_eq!(half(&out), (-EXACT_ONE * 3 / 2, 4));
        plus(&mut out, &fx.convert(&cells("GBP"), code("USD"), Day(0)), code("USD"));
        assert_eq!(half(&out), (-EXACT_ONE * 3, 9));
        assert_eq!(out.entries().len(), 2);
    }

    /// Amounts of any precision, with rates of any: the rests are kept, and equal a product in
    /// fractions that shares no code.
    fn amounts() -> impl Strategy<Value = Vec<(bool, i64, u8)>> {
        let one = (any::<bool>(), -1_000_000_000i64..1_000_000_000, 0u8..=12);
        proptest::collection::vec(one, 1..12)
    }

    proptest! {
        #[test]
        fn converted_parts_sum_to_the_converted_whole(
            amounts in amounts(), rates in (1i128..99_999_999_999, 1i128..99_999_999_999),
        ) {
            let mut fx = Fx::default();
            fx.insert(code("GBP"), Day(0), Rate(rates.0));
            fx.insert(code("JPY"), Day(0), Rate(rates.1));
            let own = code("USD");
            let key = |c: Currency| MeasureKey::currency(Measure::WonAmount, c);
            let one = |(pounds, mantissa, scale): &(bool, i64, u8)| {
                let (from, rate) = if *pounds { ("GBP", rates.0) } else { ("JPY", rates.1) };
                let n = Amount::from_parts(*mantissa, *scale).exact().0;
                (Measures::from_iter([(key(code(from)), n)]), n * rate)
            };
            let (mut whole, mut parts, mut product) = (Measures::new(), Measures::new(), 0i128);
            for (part, exact) in amounts.iter().map(one) {
                whole.plus(&part);
                plus(&mut parts, &fx.convert(&part, own, Day(0)), own);
                product += exact;
            }
            prop_assert_eq!(&*fx.convert(&whole, own, Day(0)), &parts);
            prop_assert_eq!(parts.at(key(own)), product.div_euclid(RATE_ONE));
            for (part, _) in amounts.iter().map(one) {
                let mut gone = Measures::new();
                gone.minus(&fx.convert(&part, own, Day(0)));
                plus(&mut parts, &gone, own);
            }
            prop_assert!(parts.is_zero());
        }
    }
}
