//! Intervals of 95 %: what a number on few cases can be trusted for.

use statrs::distribution::{Beta, ContinuousCDF, Gamma, StudentsT};

/// The normal quantile of 97.5 %.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's interval of a proportion: it covers what it promises at any n, and never leaves 0 to 1.
/// All of it where there is nothing.
pub fn wilson(hits: u64, n: u64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (count, p) = (n as f64, hits as f64 / n as f64);
    let whole = 1.0 + Z * Z / count;
    let middle = (p + Z * Z / (2.0 * count)) / whole;
    let half = Z / whole * (p * (1.0 - p) / count + Z * Z / (4.0 * count * count)).sqrt();
    let low = if hits == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if hits == n { 1.0 } else { (middle + half).min(1.0) };
    (low, high)
}

/// Jeffreys' interval of a proportion.
pub fn jeffreys(hits: u64, n: u64) -> (f64, f64) {
    let (hits, misses) = (hits as f64, n.saturating_sub(hits) as f64);
    let Ok(beta) = Beta::new(hits + 0.5, misses + 0.5) else {
        return (0.0, 1.0);
    };
    let low = if hits == 0.0 { 0.0 } else { beta.inverse_cdf(0.025) };
    let high = if misses == 0.0 { 1.0 } else { beta.inverse_cdf(0.975) };
    (low, high)
}

/// Student's interval of a mean, from the sums of `n` values and of their squares. `None` where
/// there are fewer than two.
pub fn mean(n: u64, sum: f64, squares: f64) -> Option<(f64, f64)> {
    if n < 2 {
        return None;
    }
    let count = n as f64;
    let mean = sum / count;
    let variance = ((squares - sum * mean) / (count - 1.0)).max(0.0);
    let t = StudentsT::new(0.0, 1.0, count - 1.0).ok()?.inverse_cdf(0.975);
    let half = t * (variance / count).sqrt();
    Some((mean - half, mean + half))
}

/// The interval of an estimate that is about normal, from its variance.
pub fn around(value: f64, variance: f64) -> (f64, f64) {
    let half = Z * variance.max(0.0).sqrt();
    (value - half, value + half)
}

/// The quantile of Student's distribution with so many degrees of freedom; `None` without any.
pub fn student(freedom: f64, p: f64) -> Option<f64> {
    Some(StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(p))
}

/// Interval of a Poisson mean a unit of exposure, by the square root: `n` counted over `exposure`.
pub fn rate(n: u64, exposure: f64) -> (f64, f64) {
    if exposure <= 0.0 {
        return (0.0, f64::INFINITY);
    }
    let low = (n as f64).sqrt() - Z / 2.0;
    let high = ((n + 1) as f64).sqrt() + Z / 2.0;
    (if low > 0.0 { low * low / exposure } else { 0.0 }, high * high / exposure)
}

/// Above so many the square root is exact to a thousandth of its width.
const MANY: u64 = 100_000;

/// Garwood's exact interval of the mean of a Poisson count: of things that happen independently of
/// each other.
pub fn count(n: u64) -> Option<(f64, f64)> {
    if n > MANY {
        return Some(rate(n, 1.0));
    }
    let quantile = |shape: u64, p| Some(Gamma::new(shape as f64, 1.0).ok()?.inverse_cdf(p));
    let low = if n == 0 { 0.0 } else { quantile(n, 0.025)? };
    Some((low, quantile(n + 1, 0.975)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_is_as_wide_as_published() {
        for (hits, n, half) in [(3, 10, 0.25), (6, 20, 0.19), (15, 50, 0.12), (120, 400, 0.045)] {
            let (low, high) = wilson(hits, n);
            assert!(((high - low) / 2.0 - half).abs() < 0.006, "{n}: {low} {high}");
        }
        let (low, high) = wilson(0, 10);
        assert!(low == 0.0 && (high - 0.278).abs() < 0.0005, "{low} {high}");
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert_eq!(wilson(10, 10).1, 1.0);
    }

    #[test]
    fn jeffreys_has_the_quantiles_of_its_beta() {
        // R: qbeta(c(.025, .975), 3.5, 7.5)
        let (low, high) = jeffreys(3, 10);
        assert!((low - 0.0927).abs() < 1e-3 && (high - 0.6058).abs() < 1e-3, "{low} {high}");
        assert_eq!((jeffreys(0, 10).0, jeffreys(10, 10).1), (0.0, 1.0));
        for (hits, n) in [(0, 0), (1, 1), (300, 1_000), (2, 50_000), (300_000, 1_000_000)] {
            let (low, high) = jeffreys(hits, n);
            assert!((0.0..=1.0).contains(&low) && low < high && high <= 1.0, "{hits} of {n}");
            if hits > 100 {
                let (wilson_low, wilson_high) = wilson(hits, n);
                assert!((low - wilson_low).abs() < 1e-3 && (high - wilson_high).abs() < 1e-3);
            }
        }
    }

    /// The share of outcomes of ten trials whose interval holds the truth.
    #[test]
    fn intervals_cover_what_they_promise() {
        let (n, p) = (10u64, 0.1f64);
        let choose = |k: u64| (0..k).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64);
        let chance = |k: u64| choose(k) * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32);
        let cover = |of: fn(u64, u64) -> (f64, f64)| -> f64 {
            (0..=n).filter(|k| of(*k, n).0 <= p && p <= of(*k, n).1).map(chance).sum()
        };
        assert!((cover(wilson) - 0.93).abs() < 0.005, "{}", cover(wilson));
        assert!((cover(jeffreys) - 0.987).abs() < 0.005, "{}", cover(jeffreys));
    }

    #[test]
    fn a_mean_has_students_interval() {
        // Values 1 to 5: 3 ± 2.776 × sqrt(2.5 / 5).
        let (low, high) = mean(5, 15.0, 55.0).unwrap();
        assert!((low - 1.0368).abs() < 1e-3 && (high - 4.9632).abs() < 1e-3, "{low} {high}");
        assert_eq!(mean(1, 3.0, 9.0), None);
        let (low, high) = rate(100, 10.0);
        assert!((low - 8.14).abs() < 0.05 && (high - 12.16).abs() < 0.05, "{low} {high}");
    }

    #[test]
    fn a_count_has_the_quantiles_of_its_gamma() {
        // R: poisson.test(n)$conf.int
        for (n, low, high) in [
            (0, 0.0, 3.688879),
            (1, 0.025318, 5.571643),
            (10, 4.795389, 18.39036),
            (100, 81.36399, 121.62679),
        ] {
            let (found, to) = count(n).unwrap();
            assert!((found - low).abs() < 1e-4 && (to - high).abs() < 1e-4, "{n}: {found} {to}");
        }
        // Where the exact one ends, the other one begins.
        let ((low, high), (root, to)) = (count(MANY).unwrap(), rate(MANY, 1.0));
        assert!((low - root).abs() < 1.0 && (high - to).abs() < 1.0, "{low} {root} {high} {to}");
    }
}
