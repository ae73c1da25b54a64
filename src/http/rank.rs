//! Ranks, as a leaderboard shows them: with ties, and with how far each can be trusted.

use std::cmp::Ordering;

use rust_decimal::Decimal;

/// Which end is the first place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// The highest value.
    Highest,
    /// The lowest value: of a cycle length, the fastest.
    Lowest,
}

/// Who takes part: a value, and its interval where it has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entrant {
    /// The value, exact.
    pub value: Decimal,
    /// Its interval of 95 %.
    pub interval: Option<(f64, f64)>,
}

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// One more than those who are ahead: equal values share a rank, and the next one is left out
    /// (1, 2, 2, 4).
    pub rank: usize,
    /// Whether others have the same value.
    pub tied: bool,
    /// The best and the worst rank that the intervals leave open: others whose interval overlaps,
    /// or who have none, may as well be ahead, or behind. `None` of who has no interval: how far
    /// chance moves a sum of money or a median is not known here.
    pub between: Option<(usize, usize)>,
}

/// The place of each, in the order given.
pub fn rank(entrants: &[Entrant], first: First) -> Vec<Place> {
    let ahead = |a: Decimal, b: Decimal| match first {
        First::Highest => a > b,
        First::Lowest => a < b,
    };
    let place = |own: &Entrant| {
        let count = |is: &dyn Fn(&Entrant) -> bool| entrants.iter().filter(|e| is(e)).count();
        let rank = 1 + count(&|e| ahead(e.value, own.value));
        let equal = count(&|e| e.value == own.value);
        let surely = |a: &Entrant, b: &Entrant| match (a.interval, b.interval) {
            (Some(a), Some(b)) if first == First::Highest => a.0 > b.1,
            (Some(a), Some(b)) => a.1 < b.0,
            _ => false,
        };
        let best = 1 + count(&|e| surely(e, own));
        let worst = entrants.len() - count(&|e| surely(own, e));
        Place { rank, tied: equal > 1, between: own.interval.map(|_| (best, worst)) }
    };
    entrants.iter().map(place).collect()
}

/// How two values stand in a list, the first place first.
pub fn order(a: Decimal, b: Decimal, first: First) -> Ordering {
    match first {
        First::Highest => b.cmp(&a),
        First::Lowest => a.cmp(&b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(values: &[i64]) -> Vec<Entrant> {
        let entrant = |v: &i64| Entrant { value: Decimal::from(*v), interval: None };
        values.iter().map(entrant).collect()
    }

    #[test]
    fn ties_share_a_rank_and_the_next_one_is_left_out() {
        let places = rank(&plain(&[5, 9, 5, 1]), First::Highest);
        assert_eq!(places.iter().map(|p| p.rank).collect::<Vec<_>>(), [2, 1, 2, 4]);
        assert_eq!(places.iter().map(|p| p.tied).collect::<Vec<_>>(), [true, false, true, false]);
        assert!(
            places.iter().all(|p| p.between.is_none()),
            "no interval, nothing is known of chance"
        );
        let places = rank(&plain(&[5, 9, 5, 1]), First::Lowest);
        assert_eq!(places.iter().map(|p| p.rank).collect::<Vec<_>>(), [2, 4, 2, 1]);
    }

    #[test]
    fn intervals_that_overlap_leave_ranks_open() {
        let with = |value: i64, low: f64, high: f64| Entrant {
            value: Decimal::from(value),
            interval: Some((low, high)),
        };
        let all = [with(9, 7.0, 11.0), with(8, 6.0, 10.0), with(2, 1.0, 3.0)];
        let between = |first| rank(&all, first).iter().map(|p| p.between).collect::<Vec<_>>();
        let some = |all: [(usize, usize); 3]| all.map(Some).to_vec();
        assert_eq!(between(First::Highest), some([(1, 2), (1, 2), (3, 3)]));
        assert_eq!(between(First::Lowest), some([(2, 3), (2, 3), (1, 1)]));
        let without = Entrant { interval: None, ..all[1] };
        let places = rank(&[all[0], without, all[2]], First::Highest);
        let between: Vec<_> = places.iter().map(|p| p.between).collect();
        assert_eq!(between, [Some((1, 2)), None, Some((2, 3))], "who has none may be anywhere");
    }

    proptest! {
        #[test]
        fn a_rank_lies_between_and_the_order_given_decides_nothing(
            list in proptest::collection::vec((0i64..20, 0u8..10), 1..12),
            turn in 0usize..12,
        ) {
            let entrants: Vec<Entrant> = list
                .iter()
                .map(|(value, wide)| Entrant {
                    value: Decimal::from(*value),
                    interval: Some((*value as f64 - f64::from(*wide), *value as f64 + f64::from(*wide))),
                })
                .collect();
            let places = rank(&entrants, First::Highest);
            for place in &places {
                let (best, worst) = place.between.unwrap();
                prop_assert!(best <= place.rank && place.rank <= worst);
            }
            let turn = turn % entrants.len();
            let (mut turned, mut want) = (entrants, places);
            turned.rotate_left(turn);
            want.rotate_left(turn);
            prop_assert_eq!(rank(&turned, First::Highest), want);
        }
    }
}
