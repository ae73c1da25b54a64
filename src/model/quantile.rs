//! Quantiles of counts by whole days, exact until the last division.

use super::kpi::{KpiValue, Number, divide};

/// Quantile `num/den` of so many of each number of days, in their order.
pub(super) fn quantile(
    of: impl Iterator<Item = (i64, i128)> + Clone,
    num: i128,
    den: i128,
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
        at.map_or(0, |(d, _)| i128::from(d))
    };
    let (low, high) = (nth(rank), nth((rank + 1).min(n - 1)));
    out.value = Some(Number::Float(divide(low * den + (high - low) * part, den)));
    out
}
