//! Many streams at once: which of them to believe.

/// The streams that e-BH believes at a level, by place: among `streams` of them, of which these
/// have e-values worth a look. The share of wrong ones stays below the level whatever the
/// dependence between streams (Wang and Ramdas, 2022).
pub fn e_bh(e_values: &[f64], streams: usize, level: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..e_values.len()).collect();
    order.sort_by(|a, b| e_values[*b].total_cmp(&e_values[*a]).then(a.cmp(b)));
    let streams = streams.max(e_values.len()) as f64;
    let enough = |k: usize| k as f64 * e_values[order[k - 1]] >= streams / level;
    let keep = (1..=order.len()).rev().find(|k| enough(*k)).unwrap_or(0);
    let mut out = order[..keep].to_vec();
    out.sort_unstable();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_agree_the_less_each_must_prove() {
        // One of ten needs 10 / 0.1; each of two needs half of it.
        assert_eq!(e_bh(&[99.0], 10, 0.1), Vec::<usize>::new());
        assert_eq!(e_bh(&[100.0], 10, 0.1), [0]);
        assert_eq!(e_bh(&[50.0, 1.0, 60.0], 10, 0.1), [0, 2]);
        assert_eq!(e_bh(&[50.0, 1.0, 49.0], 10, 0.1), Vec::<usize>::new());
        assert_eq!(e_bh(&[], 0, 0.1), Vec::<usize>::new());
    }
}
