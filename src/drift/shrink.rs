//! Empirical-Bayes shrinkage: what few cases say is pulled towards what their siblings say, by as
//! much as the siblings agree.

/// A beta prior fitted to the proportions of siblings by moments: mean, and how many cases it is
/// worth. Infinite where the siblings differ by no more than chance.
pub fn beta_prior(siblings: &[(u64, u64)]) -> Option<(f64, f64)> {
    let n: f64 = siblings.iter().map(|(_, n)| *n as f64).sum();
    if n <= 0.0 {
        return None;
    }
    let mean = siblings.iter().map(|(hits, _)| *hits as f64).sum::<f64>() / n;
    let some: Vec<_> = siblings.iter().filter(|(_, n)| *n > 0).collect();
    let spread: f64 =
        some.iter().map(|(hits, n)| *n as f64 * (*hits as f64 / *n as f64 - mean).powi(2)).sum();
    let squares: f64 = some.iter().map(|(_, n)| (*n as f64).powi(2)).sum();
    let chance = mean * (1.0 - mean);
    let between = spread - (some.len() as f64 - 1.0) * chance;
    let variance = between / (n - squares / n);
    if some.len() < 2 || !variance.is_finite() || variance <= 0.0 {
        return Some((mean, f64::INFINITY));
    }
    Some((mean, (chance / variance - 1.0).max(1.0)))
}

/// A proportion, shrunk by a prior of [`beta_prior`].
pub fn proportion(hits: u64, n: u64, (mean, worth): (f64, f64)) -> f64 {
    if worth.is_infinite() {
        return mean;
    }
    (hits as f64 + mean * worth) / (n as f64 + worth)
}

/// The mean of all siblings and the variance between them, beyond what chance does. Of each: how
/// many, and their mean; `variance` is that of a single value. `None` where there is nothing.
pub fn between(siblings: &[(u64, f64)], variance: f64) -> Option<(f64, f64)> {
    let n: f64 = siblings.iter().map(|(n, _)| *n as f64).sum();
    if n <= 0.0 {
        return None;
    }
    let all = siblings.iter().map(|(n, mean)| *n as f64 * mean).sum::<f64>() / n;
    let some: Vec<_> = siblings.iter().filter(|(n, _)| *n > 0).collect();
    let spread: f64 = some.iter().map(|(n, mean)| *n as f64 * (mean - all).powi(2)).sum();
    let squares: f64 = some.iter().map(|(n, _)| (*n as f64).powi(2)).sum();
    let between = (spread - (some.len() as f64 - 1.0) * variance) / (n - squares / n);
    Some((all, if between.is_finite() { between.max(0.0) } else { 0.0 }))
}

/// Means of siblings, each shrunk towards the mean of all, as [`between`] takes them.
pub fn means(siblings: &[(u64, f64)], variance: f64) -> Vec<f64> {
    let Some((all, between)) = between(siblings, variance) else {
        return siblings.iter().map(|(_, mean)| *mean).collect();
    };
    siblings
        .iter()
        .map(|(n, mean)| {
            let own = between / (between + variance / (*n as f64).max(1e-9));
            if *n == 0 || !own.is_finite() { all } else { all + own * (mean - all) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siblings_that_agree_become_one() {
        let prior = beta_prior(&[(30, 100), (31, 100), (29, 100)]).unwrap();
        assert!((prior.0 - 0.3).abs() < 1e-12 && prior.1.is_infinite());
        assert_eq!(proportion(2, 2, prior), 0.3);
        assert_eq!(beta_prior(&[]), None);
    }

    #[test]
    fn siblings_that_differ_keep_what_they_can_prove() {
        let prior = beta_prior(&[(820, 1000), (490, 1000), (540, 1000), (2, 2)]).unwrap();
        assert!(prior.1.is_finite(), "{prior:?}");
        assert!((proportion(820, 1000, prior) - 0.82).abs() < 0.01);
        // Two of two is no certainty.
        assert!(proportion(2, 2, prior) < 0.8, "{}", proportion(2, 2, prior));
    }

    #[test]
    fn means_shrink_by_their_cases() {
        let got = means(&[(1000, 3.0), (1000, 2.0), (3, 9.0)], 1.0);
        assert!((got[0] - 3.0).abs() < 0.02 && (got[1] - 2.0).abs() < 0.02, "{got:?}");
        assert!(got[2] < 9.0 && got[2] > 2.5, "{got:?}");
        let same = means(&[(50, 2.0), (50, 2.1), (0, 0.0)], 1.0);
        assert!(same.iter().all(|m| (m - 2.05).abs() < 1e-9), "{same:?}");
    }
}
