//! Sizes: amounts by their logarithm, in steps that integers alone decide, so that a histogram of
//! them is a measure like any other and no float is ever part of a sum.

use super::fx::{RATE_ONE, Rate};
use super::measure::{Measure, MeasureKey, Measures};
use super::money::{Currency, Exact};

/// Steps of an octave: one is 1.1 % of the amount.
pub const STEPS: i64 = 64;

/// Sizes of one currency: a power of two above the largest.
const PLACES: i64 = 8192;

/// Steps of an octave where amounts are told by them, as a power of two: one is 0.54 %.
const FINE: u32 = 7;

/// Fine sizes of one currency.
const FINE_PLACES: i64 = 1 << 14;

/// The place of an amount of 0, which has no logarithm.
const ZERO: i64 = FINE_PLACES - 1;

/// The largest fine size, 120 octaves: no amount that an event may carry comes there at any rate.
const MAX: i64 = 120 << FINE;

/// The size of an amount: how many steps, each a factor of 2^(1/[`STEPS`]), it is above the smallest
/// amount there is. `None` of what is not above zero, which has no logarithm.
pub fn size_of(amount: Exact) -> Option<i64> {
    logarithm(u128::try_from(amount.0).ok()?, STEPS.ilog2())
}

/// The logarithm to the base 2 of a number, with so many bits behind the point, cut off.
fn logarithm(number: u128, bits: u32) -> Option<i64> {
    let octaves = number.checked_ilog2()?;
    // Between 1 and 2, with 63 bits behind the point. Squaring it doubles the logarithm, whose bits
    // come out one by one.
    let mut mantissa = match octaves.checked_sub(63) {
        Some(more) => number >> more,
        None => number << (63 - octaves),
    };
    let mut part = 0;
    for _ in 0..bits {
        let square = mantissa * mantissa;
        let bit = square >> 127;
        part = 2 * part + bit as i64;
        mantissa = square >> (63 + bit as u32);
    }
    Some((i64::from(octaves) << bits) + part)
}

/// The place of an amount in a measure of sizes.
pub fn key(measure: Measure, currency: Currency, amount: Exact) -> Option<MeasureKey> {
    let place = i64::from(currency.code()) * PLACES + size_of(amount)?;
    Some(MeasureKey { measure, place })
}

/// The place of an amount of any sign in a measure of amounts.
pub fn amount_key(measure: Measure, currency: Currency, amount: Exact) -> MeasureKey {
    let size = logarithm(amount.0.unsigned_abs(), FINE).map_or(0, |size| size.min(MAX) + 1);
    let place = amount_place(currency.code().into(), size * amount.0.signum() as i64);
    MeasureKey { measure, place }
}

/// The place of a currency's code and a rank: 0 of nothing, the size and one of an amount above it,
/// and that below 0 of one below. Places of one currency on one side of 0 are in the order of amounts.
fn amount_place(code: i64, rank: i64) -> i64 {
    match rank {
        0 => code * FINE_PLACES + ZERO,
        1.. => code * FINE_PLACES + rank - 1,
        _ => !(code * FINE_PLACES - rank - 1),
    }
}

/// Currency code and rank of such a place.
fn amount_parts(place: i64) -> (i64, i64) {
    let (sign, place) = if place < 0 { (-1, !place) } else { (1, place) };
    let (code, size) = (place.div_euclid(FINE_PLACES), place.rem_euclid(FINE_PLACES));
    (code, if size == ZERO { 0 } else { sign * (size + 1) })
}

/// The currency's code in the place of an amount.
pub fn amount_code(place: i64) -> i64 {
    amount_parts(place).0
}

/// The place that an amount has in another currency: that of the middle of its step, at the rate.
pub fn converted(place: i64, to: Currency, rate: Rate) -> i64 {
    const BITS: u32 = 24;
    let (_, rank) = amount_parts(place);
    let log = |n: i128| logarithm(n.unsigned_abs(), BITS).unwrap_or(0);
    let middle = (2 * (rank.abs() - 1) + 1) << (BITS - FINE - 1);
    let size = (middle + log(rate.steps()) - log(RATE_ONE)) >> (BITS - FINE);
    let rank = rank.signum() * (size.clamp(0, MAX) + 1);
    amount_place(to.code().into(), rank)
}

/// The ranks of a currency's amounts, from the least amount to the greatest, and how many there are.
pub fn ranks(
    of: &Measures,
    measure: Measure,
    currency: Currency,
) -> impl Iterator<Item = (i64, i128)> + Clone + '_ {
    let code = i64::from(currency.code());
    let all = of.of(measure).map(|(place, n)| (amount_parts(place), n));
    let own = all.filter(move |((of, _), _)| *of == code).map(|((_, rank), n)| (rank, n));
    let side = move |sign: i64| own.clone().filter(move |(rank, _)| rank.signum() == sign);
    side(-1).chain(side(0)).chain(side(1))
}

/// An amount of a rank: of all in its step the one with the fewest digits, since prices are round.
pub fn amount_of(rank: i64) -> Exact {
    let size = rank.abs() - 1;
    if size < 0 {
        return Exact(0);
    }
    let (low, high) = (power(size), power(size + 1));
    let middle = low + (high - low) / 2;
    let mut digit = 10_i128.pow(middle.max(1).ilog10());
    while digit > 1 {
        let near = (middle + digit / 2) / digit * digit;
        if logarithm(near.unsigned_abs(), FINE) == Some(size) {
            return Exact(near * i128::from(rank.signum()));
        }
        digit /= 10;
    }
    Exact(middle * i128::from(rank.signum()))
}

/// The least number of a fine size, but for what is cut off: 2 to the power of it.
fn power(size: i64) -> i128 {
    const POINT: u32 = 62;
    let mut mantissa = 1_u128 << POINT;
    let mut root = 2_u128 << POINT;
    for bit in (0..FINE).rev() {
        root = (root << POINT).isqrt();
        if size >> bit & 1 == 1 {
            mantissa = (mantissa * root) >> POINT;
        }
    }
    let octaves = (size >> FINE) as u32;
    let shifted = match octaves.checked_sub(POINT) {
        Some(more) => mantissa << more,
        None => mantissa >> (POINT - octaves),
    };
    shifted as i128
}

/// Currency code and size of a place.
pub fn parts(place: i64) -> (i64, i64) {
    (place.div_euclid(PLACES), place.rem_euclid(PLACES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_octave_has_its_steps() {
        assert_eq!([0, -5, i128::MIN].map(|n| size_of(Exact(n))), [None; 3]);
        let of = |n: i128| size_of(Exact(n)).unwrap();
        assert_eq!([of(1), of(2), of(4)], [0, 64, 128]);
        assert_eq!(of(i128::MAX), 126 * STEPS + 63);
        assert!(of(i128::MAX) < PLACES);
        // 2^(1/2) is 1.41421356…
        let half = 40 * STEPS + 32;
        assert_eq!(of(1_414_213_562 * (1 << 40) / 1_000_000_000), half - 1);
        assert_eq!(of(1_414_213_563 * (1 << 40) / 1_000_000_000), half);
    }

    #[test]
    fn amounts_are_in_order_and_round() {
        let own = Currency::parse("AAA").unwrap();
        let key = |n: i128| amount_key(Measure::WonAmounts, own, Exact::whole(n));
        let all = [-20_000, -7, 0, 1, 10, 1_000, 1_001, 50_000_000];
        let held: Measures = all.iter().rev().map(|n| (key(*n), 1)).collect();
        let told = ranks(&held, Measure::WonAmounts, own).map(|(rank, _)| amount_of(rank));
        let told: Vec<Exact> = told.collect();
        // 1,000 and 1,001 are of one step: the rounder one is told.
        assert_eq!(told, [-20_000, -7, 0, 1, 10, 1_000, 50_000_000].map(Exact::whole));
        let other = Currency::parse("EUR").unwrap();
        assert_eq!(ranks(&held, Measure::WonAmounts, other).count(), 0);
        let rate: Rate = "0.1".parse().unwrap();
        let moved = |n: i128| amount_of(amount_parts(converted(key(n).place, other, rate)).1);
        assert_eq!(moved(0), Exact(0));
        assert!((moved(-70).0 - Exact::whole(-7).0).abs() <= Exact::whole(7).0 / 100);
    }

    proptest! {
        /// As logarithms have it, but for what floats round.
        #[test]
        fn sizes_are_logarithms(octave in 0u32..127, steps in any::<u128>()) {
            let steps = ((1u128 << octave) + steps % (1u128 << octave)) as i128;
            let size = size_of(Exact(steps)).unwrap();
            let log = (steps as f64).log2() * STEPS as f64;
            prop_assert!((size as f64) <= log + 1e-6 && log - 1e-6 < size as f64 + 1.0);
        }

        /// Shown is an amount of the same step, of the same sign, and no further from it than a step.
        #[test]
        fn an_amount_is_told_within_a_step(
            mantissa in -999_999_999_999_999_999..999_999_999_999_999_999i64, scale in 0u8..=12,
        ) {
            let own = Currency::parse("EUR").unwrap();
            let amount = crate::model::money::Amount::from_parts(mantissa, scale).exact();
            let key = amount_key(Measure::WonAmounts, own, amount);
            let held: Measures = [(key, 1)].into_iter().collect();
            let all: Vec<_> = ranks(&held, Measure::WonAmounts, own).collect();
            prop_assert_eq!((all.len(), amount_code(key.place)), (1, i64::from(own.code())));
            let told = amount_of(all[0].0);
            let off = (told.0 - amount.0).unsigned_abs();
            prop_assert!(off as f64 <= 0.00544 * amount.0.unsigned_abs() as f64 + 1.0, "{told}");
            prop_assert_eq!(told.0.signum(), amount.0.signum());
            prop_assert_eq!(amount_key(Measure::WonAmounts, own, told), key);
        }

        /// In another currency it is within 1 % of the product.
        #[test]
        fn an_amount_is_converted(cents in 1i64..1_000_000_000_000, rate in 1u64..100_000_000_000_000) {
            let (own, other) = ["EUR", "JPY"].map(|code| Currency::parse(code).unwrap()).into();
            let amount = crate::model::money::Amount::from_parts(cents, 2).exact();
            let text = format!("{}.{:010}", rate / 10_000_000_000, rate % 10_000_000_000);
            let parsed: Rate = text.parse().unwrap();
            let key = amount_key(Measure::WonAmounts, other, amount);
            let place = converted(key.place, own, parsed);
            let (code, rank) = amount_parts(place);
            prop_assert_eq!(code, i64::from(own.code()));
            let want = amount.0 as f64 * (rate as f64 / 1e10);
            prop_assert!((amount_of(rank).0 as f64 - want).abs() <= 0.0082 * want + 2.0);
        }

        #[test]
        fn a_place_has_its_parts(amount in 1..i128::MAX, code in 0usize..3) {
            let currency = Currency::parse(["EUR", "JPY", "AAA"][code]).unwrap();
            let at = key(Measure::WonSizes, currency, Exact(amount)).unwrap().place;
            let size = size_of(Exact(amount)).unwrap();
            prop_assert_eq!(parts(at), (i64::from(currency.code()), size));
        }
    }
}
