//! Fractions of whole numbers without bound: sums, products and quotients are exact in any order,
//! and there is one rounding, where a fraction is shown as a float.

use num_bigint::{BigInt, Sign};

use crate::model::money::{EXACT_ONE, Exact};

/// A fraction; its denominator is above 0. Not in lowest terms.
#[derive(Clone, Debug)]
pub enum Fraction {
    /// Of numbers that fit: nearly all, and they need no memory of their own.
    Small(i128, i128),
    /// Of any numbers.
    Big(BigInt, BigInt),
}

use Fraction::{Big, Small};

impl Fraction {
    /// An exact number.
    pub fn exact(number: Exact) -> Fraction {
        match number.to_whole() {
            Some(whole) => Small(whole, 1),
            None => Small(number.0, EXACT_ONE),
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
            0.. => Big(mantissa << shift, 1.into()),
            _ => Big(mantissa, BigInt::from(1) << -shift),
        })
    }

    fn into_big(self) -> (BigInt, BigInt) {
        match self {
            Small(num, den) => (num.into(), den.into()),
            Big(num, den) => (num, den),
        }
    }

    /// Whether it is 0.
    pub fn is_zero(&self) -> bool {
        match self {
            Small(num, _) => *num == 0,
            Big(num, _) => num.sign() == Sign::NoSign,
        }
    }

    /// Whether it is above 0.
    pub fn is_positive(&self) -> bool {
        match self {
            Small(num, _) => *num > 0,
            Big(num, _) => num.sign() == Sign::Plus,
        }
    }

    /// The negative.
    pub fn negative(self) -> Fraction {
        if let Small(num, den) = self
            && let Some(num) = num.checked_neg()
        {
            return Small(num, den);
        }
        let (num, den) = self.into_big();
        Big(-num, den)
    }

    /// The sum.
    pub fn plus(self, other: Fraction) -> Fraction {
        let small = |a: i128, b: i128, c: i128, d: i128| match b == d {
            true => Some(Small(a.checked_add(c)?, b)),
            false => {
                let num = a.checked_mul(d)?.checked_add(c.checked_mul(b)?)?;
                Some(Small(num, b.checked_mul(d)?))
            }
        };
        if let (Small(a, b), Small(c, d)) = (&self, &other)
            && let Some(sum) = small(*a, *b, *c, *d)
        {
            return sum;
        }
        let ((a, b), (c, d)) = (self.into_big(), other.into_big());
        if b == d { Big(a + c, b) } else { Big(a * &d + c * &b, b * d) }
    }

    /// The product.
    pub fn times(self, other: Fraction) -> Fraction {
        if let (Small(a, b), Small(c, d)) = (&self, &other)
            && let (Some(num), Some(den)) = (a.checked_mul(*c), b.checked_mul(*d))
        {
            return Small(num, den);
        }
        let ((a, b), (c, d)) = (self.into_big(), other.into_big());
        Big(a * c, b * d)
    }

    /// The quotient; `None` by 0.
    pub fn over(self, other: Fraction) -> Option<Fraction> {
        if other.is_zero() {
            return None;
        }
        let turned = match other {
            Small(num @ 1.., den) => Small(den, num),
            other => match other.into_big() {
                (num, den) if num.sign() == Sign::Minus => Big(-den, -num),
                (num, den) => Big(den, num),
            },
        };
        Some(self.times(turned))
    }

    /// The exact number that it is; `None` where it has more decimals, or is too large.
    pub fn to_exact(&self) -> Option<Exact> {
        match self {
            Small(num, 1) => num.checked_mul(EXACT_ONE).map(Exact),
            Small(num, EXACT_ONE) => Some(Exact(*num)),
            _ => {
                let (num, den) = self.clone().into_big();
                let steps = num * BigInt::from(EXACT_ONE);
                let whole = &steps / &den;
                let exact = i128::try_from(&whole).ok()?;
                (whole * den == steps).then_some(Exact(exact))
            }
        }
    }

    /// The nearest float.
    pub fn to_f64(&self) -> f64 {
        let (signed, den) = self.clone().into_big();
        let num = signed.magnitude();
        // A quotient of 64 bits or a few more, and below them whether anything is left: so that the
        // one rounding, to 53 bits, is that of the fraction itself.
        let shift = 66 + den.bits() as i64 - num.bits() as i64;
        let num = BigInt::from(num.clone());
        let (num, den) = match shift {
            0.. => (num << shift, den),
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
        if signed.sign() == Sign::Minus { -size } else { size }
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

        /// Small and big are one arithmetic.
        #[test]
        fn numbers_that_fit_and_those_that_do_not_agree(
            (a, b) in (any::<i64>(), 1i64..),
            (c, d) in (any::<i64>(), 1i64..),
        ) {
            let small = |a: i64, b: i64| Small(a.into(), b.into());
            let big = |a: i64, b: i64| Big(a.into(), b.into());
            let shown = |f: Fraction| (f.to_exact(), f.to_f64());
            let (p, q, big_p, big_q) = (small(a, b), small(c, d), big(a, b), big(c, d));
            prop_assert_eq!(
                shown(p.clone().plus(q.clone())),
                shown(big_p.clone().plus(big_q.clone()))
            );
            prop_assert_eq!(
                shown(p.clone().times(q.clone())),
                shown(big_p.clone().times(big_q.clone()))
            );
            prop_assert_eq!(p.clone().over(q).map(shown), big_p.clone().over(big_q).map(shown));
            prop_assert_eq!(shown(p.negative()), shown(big_p.negative()));
        }

        #[test]
        fn sums_are_exact(a in -1_000_000i128..1_000_000, b in -1_000_000i128..1_000_000) {
            let sum = Fraction::exact(Exact(a)).plus(Fraction::exact(Exact(b)));
            prop_assert_eq!(sum.to_exact(), Some(Exact(a + b)));
        }
    }
}
