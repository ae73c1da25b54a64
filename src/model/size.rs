//! Sizes: amounts by their logarithm, in steps that integers alone decide, so that a histogram of
//! them is a measure like any other and no float is ever part of a sum.

use super::measure::{Measure, MeasureKey};
use super::money::{Currency, Exact};

/// Steps of an octave: one is 1.1 % of the amount.
pub const STEPS: i64 = 64;

/// Sizes of one currency: a power of two above the largest.
const PLACES: i64 = 8192;

/// The size of an amount: how many steps, each a factor of 2^(1/[`STEPS`]), it is above the smallest
/// amount there is. `None` of what is not above zero, which has no logarithm.
pub fn size_of(amount: Exact) -> Option<i64> {
    let steps = u128::try_from(amount.0).ok()?;
    let octaves = steps.checked_ilog2()?;
    // Between 1 and 2, with 63 bits behind the point. Squaring it doubles the logarithm, whose bits
    // come out one by one.
    let mut mantissa = match octaves.checked_sub(63) {
        Some(more) => steps >> more,
        None => steps << (63 - octaves),
    };
    let mut part = 0;
    for _ in 0..STEPS.ilog2() {
        let square = mantissa * mantissa;
        let bit = square >> 127;
        part = 2 * part + bit as i64;
        mantissa = square >> (63 + bit as u32);
    }
    Some(i64::from(octaves) * STEPS + part)
}

/// The place of an amount in a measure of sizes.
pub fn key(measure: Measure, currency: Currency, amount: Exact) -> Option<MeasureKey> {
    let place = i64::from(currency.code()) * PLACES + size_of(amount)?;
    Some(MeasureKey { measure, place })
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

    proptest! {
        /// As logarithms have it, but for what floats round.
        #[test]
        fn sizes_are_logarithms(octave in 0u32..127, steps in any::<u128>()) {
            let steps = ((1u128 << octave) + steps % (1u128 << octave)) as i128;
            let size = size_of(Exact(steps)).unwrap();
            let log = (steps as f64).log2() * STEPS as f64;
            prop_assert!((size as f64) <= log + 1e-6 && log - 1e-6 < size as f64 + 1.0);
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
