//! Quantiles of counts by whole days or by amounts, exact until the last division.

use super::kpi::{KpiValue, Number, divide};
use super::money::EXACT_ONE;
use super::size;

/// Quantile `num/den` of so many of each number of days, in their order.
pub(super) fn quantile(
    of: impl Iterator<Item = (i64, i128)> + Clone,
    num: i128,
    den: i128,
) -> KpiValue {
    between(of, (num, den), (i128::from, 1))
}

/// The same of so many of each rank of amounts.
pub(super) fn quantile_of_amounts(
    of: impl Iterator<Item = (i64, i128)> + Clone,
    (num, den): (i128, i128),
) -> KpiValue {
    between(of, (num, den), (|rank| size::amount_of(rank).0, EXACT_ONE))
}

/// Of values that `meant` gives, in parts of `one`.
fn between(
    of: impl Iterator<Item = (i64, i128)> + Clone,
    (num, den): (i128, i128),
    (meant, one): (impl Fn(i64) -> i128, i128),
) -> KpiValue {
    let n = of.clone().map(|(_, n)| n).sum();
    let mut out = KpiValue { n, ..KpiValue::default() };
    if n <= 0 {
        return out;
    }
    // Rank (n − 1) × num / den, between two neighbors: exact until the last division.
    let (rank, part) = ((n - 1) * num / den, (n - 1) * num % den);
    let nth = |k: i128| {
        let mut seen = 0;
        let at = of.clone().find(|(_, c)| {
            seen += c;
            seen > k
        });
        at.map_or(0, |(d, _)| meant(d))
    };
    let (low, high) = (nth(rank), nth((rank + 1).min(n - 1)));
    out.value = Some(Number::Float(divide(low * den + (high - low) * part, den * one)));
    out
}
