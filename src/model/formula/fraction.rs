//! Fractions of whole numbers without bound: sums, products and quotients are exact in any order,
//! and there is one rounding, where a fraction is shown as a float.

use num_bigint::{BigInt, Sign};

use crate::model::money::{EXACT_ONE, Exact};

/// A fraction; its denominator is above 0. Not in lowest terms.
#[derive(Clone, Debug)]
pub struct Fraction {
    num: BigInt,
    den: BigInt,
}

impl Fraction {
    /// An exact number.
    pub fn exact(number: Exact) -> Fraction {
        match number.to_whole() {
            Some(whole) => Fraction { num: whole.into(), den: 1.into() },
            None => Fraction { num: number.0.into(), den: EXACT_ONE.into() },
        }
    }

    /// What a float stands for, which is a fraction too; `None` where it is no number.
    pub fn float(number: f64) -> Option<Fraction> {
        if !number.is_finite() {
            return None;
        }
        let bits = number.to_bits();
        let (exponent, rest) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
        // A float below the normal ones has no hidden bit.
        let (mantissa, shift) = match exponent {
            0 => (rest, -1074),
            _ => (rest | 1 << 52, exponent as i64 - 1075),
        };
        let mantissa = BigInt::from(mantissa) * if number < 0.0 { -1 } else { 1 };
        Some(match shift {
            0.. => Fraction { num: mantissa << shift, den: 1.into() },
            _ => Fraction { num: mantissa, den: BigInt::from(1) << -shift },
        })
    }

    /// Whether it is 0.
    pub fn is_zero(&self) -> bool {
        self.num.sign() == Sign::NoSign
    }

    /// The negative.
    pub fn negative(self) -> Fraction {
        Fraction { num: -self.num, den: self.den }
    }

    /// The sum.
    pub fn plus(self, other: Fraction) -> Fraction {
        if self.den == other.den {
            return Fraction { num: self.num + other.num, den: self.den };
        }
        let num = self.num * &other.den + other.num * &self.den;
        Fraction { num, den: self.den * other.den }
    }

    /// The product.
    pub fn times(self, other: Fraction) -> Fraction {
        Fraction { num: self.num * other.num, den: self.den * other.den }
    }

    /// The quotient; `None` by 0.
    pub fn over(self, other: Fraction) -> Option<Fraction> {
        let (num, den) = (self.num * other.den, self.den * other.num);
        match den.sign() {
            Sign::NoSign => None,
            Sign::Minus => Some(Fraction { num: -num, den: -den }),
            Sign::Plus => Some(Fraction { num, den }),
        }
    }

    /// The exact number that it is; `None` where it has more decimals, or is too large.
    pub fn to_exact(&self) -> Option<Exact> {
        let steps = &self.num * BigInt::from(EXACT_ONE);
        let whole = &steps / &self.den;
        let exact = i128::try_from(&whole).ok()?;
        (whole * &self.den == steps).then_some(Exact(exact))
    }

    /// The nearest float.
    pub fn to_f64(&self) -> f64 {
        let (num, den) = (self.num.magnitude(), &self.den);
        // A quotient of 64 bits or a few more, and below them whether anything is left: so that the
        // one rounding, to 53 bits, is that of the fraction itself.
        let shift = 66 + den.bits() as i64 - num.bits() as i64;
        let num = BigInt::from(num.clone());
        let (num, den) = match shift {
            0.. => (num << shift, den.clone()),
            _ => (num, den << -shift),
        };
        let quotient = &num / &den;
        let left = u128::from(&quotient * &den != num);
        let Ok(digits) = u128::try_from(&quotient) else {
            return f64::NAN;
        };
        let scaled = (digits | left) as f64;
        // Two steps, as one power of two may be too small for a float though the result is not.
        let half = i32::try_from(-shift / 2).unwrap_or(0);
        let rest = i32::try_from(-shift).unwrap_or(0) - half;
        let size = scaled * 2f64.powi(half) * 2f64.powi(rest);
        if self.num.sign() == Sign::Minus { -size } else { size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(n: i128) -> Fraction {
        Fraction::exact(Exact::whole(n))
    }

    #[test]
    fn quotients_are_rounded_once() {
        let of = |a: i128, b: i128| whole(a).over(whole(b)).unwrap().to_f64();
        assert_eq!(of(1, 3), 1.0 / 3.0);
        assert_eq!(of(-2, 3), -2.0 / 3.0);
        assert_eq!(of(0, 7), 0.0);
        assert_eq!(of(1 << 60, 1), (1u64 << 60) as f64);
        // Halfway between two floats, and a little more: up, though 53 bits cannot tell.
        assert_eq!(of((1 << 54) + 2, 2), (1u64 << 53) as f64);
        assert_eq!(of((1 << 54) * 1000 + 2001, 2000), ((1u64 << 53) + 2) as f64);
        assert!(whole(1).over(whole(0)).is_none());
    }

    proptest! {
        #[test]
        fn a_float_is_the_fraction_that_it_stands_for(n in proptest::num::f64::NORMAL) {
            prop_assert_eq!(Fraction::float(n).unwrap().to_f64(), n);
        }

        #[test]
        fn sums_are_exact(a in -1_000_000i128..1_000_000, b in -1_000_000i128..1_000_000) {
            let sum = Fraction::exact(Exact(a)).plus(Fraction::exact(Exact(b)));
            prop_assert_eq!(sum.to_exact(), Some(Exact(a + b)));
        }
    }
}
