//! Why a ratio moved: because its parts did (rate), or because they weigh otherwise (mix).

/// One part of a whole, before and now: numerator and denominator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Numerator and denominator before.
    pub before: (f64, f64),
    /// The same now.
    pub now: (f64, f64),
}

/// A share of all that moved which rounding may make up.
const SLIGHT: f64 = 1e-9;

/// How a ratio's change divides.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The whole change.
    pub total: f64,
    /// By other weights of the parts.
    pub mix: f64,
    /// By other rates of the parts.
    pub rate: f64,
    /// Mix and rate of each part, in the order given. The mix of one is what its weight does beside
    /// the whole: more of a part that is as good as the whole does nothing.
    pub parts: Vec<(f64, f64)>,
    /// The whole moved against every one of its parts.
    pub simpson: bool,
}

/// Kitagawa's split: symmetric, and exact. A part that is new or gone has the rate of the other
/// period, so it counts as mix. `None` where a period has nothing.
pub fn kitagawa(parts: &[Part]) -> Option<Split> {
    let sum = |of: fn(&Part) -> f64| parts.iter().map(of).sum::<f64>();
    let (n0, n1) = (sum(|p| p.before.1), sum(|p| p.now.1));
    if n0 <= 0.0 || n1 <= 0.0 {
        return None;
    }
    let rate = |(num, den): (f64, f64)| (den > 0.0).then(|| num / den);
    // Shares sum to one in both periods, so this takes nothing from the sum of all.
    let middle = (sum(|p| p.before.0) / n0 + sum(|p| p.now.0) / n1) / 2.0;
    let split = |part: &Part| {
        let (s0, s1) = (part.before.1 / n0, part.now.1 / n1);
        let (r0, r1) = match (rate(part.before), rate(part.now)) {
            (Some(r0), Some(r1)) => (r0, r1),
            (Some(r), None) | (None, Some(r)) => (r, r),
            (None, None) => (0.0, 0.0),
        };
        ((s1 - s0) * ((r0 + r1) / 2.0 - middle), (r1 - r0) * (s0 + s1) / 2.0)
    };
    let each: Vec<(f64, f64)> = parts.iter().map(split).collect();
    let total = sum(|p| p.now.0) / n1 - sum(|p| p.before.0) / n0;
    // What rounding leaves of a part that stayed as it was is no move.
    let slight = SLIGHT * each.iter().map(|(mix, rate)| mix.abs() + rate.abs()).sum::<f64>();
    let moved: Vec<f64> = each.iter().map(|(_, rate)| *rate).filter(|r| r.abs() > slight).collect();
    let simpson =
        total.abs() > slight && !moved.is_empty() && moved.iter().all(|r| r * total < 0.0);
    Some(Split {
        total,
        mix: each.iter().map(|(mix, _)| mix).sum(),
        rate: each.iter().map(|(_, rate)| rate).sum(),
        parts: each,
        simpson,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(before: (u32, u32), now: (u32, u32)) -> Part {
        let float = |(a, b): (u32, u32)| (f64::from(a.min(b)), f64::from(b));
        Part { before: float(before), now: float(now) }
    }

    proptest! {
        #[test]
        fn mix_and_rate_are_the_whole(
            list in proptest::collection::vec((0u32..500, 0u32..500, 0u32..500, 0u32..500), 1..12),
        ) {
            let parts: Vec<Part> =
                list.iter().map(|(a, b, c, d)| part((*a, *b), (*c, *d))).collect();
            if let Some(split) = kitagawa(&parts) {
                prop_assert!((split.mix + split.rate - split.total).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_shift_of_weights_is_mix_and_a_paradox_is_flagged() {
        // Both parts win as often as before, the weak one is larger now.
        let split = kitagawa(&[part((60, 100), (30, 50)), part((20, 100), (30, 150))]).unwrap();
        assert!((split.total + 0.1).abs() < 1e-12 && split.rate.abs() < 1e-12, "{split:?}");
        assert!(!split.simpson);
        // The one that shrank is better than the whole, the one that grew is worse.
        assert!(split.parts.iter().all(|(mix, _)| *mix < -0.03), "{split:?}");
        // Both win more often, and the whole wins less.
        let split = kitagawa(&[part((80, 100), (17, 20)), part((20, 100), (54, 180))]).unwrap();
        assert!(split.total < 0.0 && split.rate > 0.0 && split.simpson, "{split:?}");
        // A third that stayed as it was, but for what its sums were rounded to, takes nothing away.
        let stayed = Part { before: (0.3 * 100.0, 100.0), now: (0.1 * 3.0 * 100.0, 100.0) };
        assert!(stayed.before.0 != stayed.now.0);
        let (better, worse) = (part((80, 100), (17, 20)), part((20, 100), (54, 180)));
        for stayed in [stayed, Part { before: stayed.now, now: stayed.before }] {
            assert!(kitagawa(&[better, worse, stayed]).unwrap().simpson);
        }
        // A new part is mix.
        let split = kitagawa(&[part((50, 100), (50, 100)), part((0, 0), (0, 100))]).unwrap();
        assert!(split.rate.abs() < 1e-12 && (split.mix + 0.25).abs() < 1e-12, "{split:?}");
        assert_eq!(kitagawa(&[part((0, 0), (1, 2))]), None);
    }
}
