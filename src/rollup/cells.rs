//! Cells of one segment, merged over shards by version.

use std::collections::BTreeMap;

use crate::model::measure::Measures;
use crate::model::slice::Slice;

/// The value of a cell: the newest partial of each shard, and their sum.
#[derive(Debug, Default)]
pub struct Cell {
    shards: Vec<(u32, u64, Measures)>,
    /// Kept while there are several shards.
    sum: Measures,
}

impl Cell {
    /// The sum over the shards.
    pub fn sum(&self) -> &Measures {
        match &self.shards[..] {
            [(.., only)] => only,
            _ => &self.sum,
        }
    }

    /// Takes a shard's value. Returns by how much the sum changed; `None` where a newer or the
    /// same version was merged before.
    pub fn merge(&mut self, shard: u32, version: u64, value: Measures) -> Option<Measures> {
        let change = match self.shards.iter_mut().find(|(s, ..)| *s == shard) {
            Some((_, known, _)) if *known >= version => return None,
            Some((_, known, held)) => {
                let change = Measures::difference(&value, held);
                (*known, *held) = (version, value);
                change
            }
            None => {
                if let [(.., only)] = &self.shards[..] {
                    self.sum = only.clone();
                }
                self.shards.push((shard, version, value.clone()));
                value
            }
        };
        if self.shards.len() > 1 {
            self.sum.plus(&change);
        }
        Some(change)
    }

    /// Forgets a shard's value, and returns it: the slice is out of retention.
    pub fn forget(&mut self, shard: u32) -> Measures {
        let Some(i) = self.shards.iter().position(|(s, ..)| *s == shard) else {
            return Measures::new();
        };
        let (.., held) = self.shards.swap_remove(i);
        if self.shards.len() > 1 {
            self.sum.minus(&held);
        } else {
            self.sum = Measures::new();
        }
        held
    }

    /// The version of a shard's value.
    pub fn version(&self, shard: u32) -> Option<u64> {
        self.shards.iter().find(|(s, ..)| *s == shard).map(|(_, version, _)| *version)
    }

    /// Whether no shard has a value here.
    pub fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }
}

/// The cells of a segment, by slice.
pub type Cells = BTreeMap<Slice, Cell>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::measure::{Measure, MeasureKey};
    use proptest::prelude::*;

    fn won(n: i128) -> Measures {
        [(MeasureKey::plain(Measure::DealsWon), n)].into_iter().collect()
    }

    #[test]
    fn a_stale_or_repeated_version_changes_nothing() {
        let mut cell = Cell::default();
        assert_eq!(cell.merge(1, 10, won(3)), Some(won(3)));
        assert_eq!(cell.merge(1, 10, won(3)), None);
        assert_eq!(cell.merge(1, 9, won(99)), None);
        assert_eq!(cell.merge(2, 5, won(1)), Some(won(1)));
        assert_eq!(cell.merge(1, 11, won(2)), Some(won(-1)));
        assert_eq!(cell.sum(), &won(3));
        assert_eq!((cell.forget(1), cell.is_empty()), (won(2), false));
        assert_eq!(cell.sum(), &won(1));
        assert_eq!((cell.forget(2), cell.is_empty()), (won(1), true));
    }

    proptest! {
        #[test]
        fn merging_is_independent_of_order_and_repetition(
            log in proptest::collection::vec((0u32..3, 1u64..6), 1..30),
            rotate in 0usize..30,
        ) {
            // The value is a function of (shard, version), as determinism promises.
            let value = |shard: u32, version: u64| won(i128::from(shard) * 100 + version as i128);
            let fold = |list: &[(u32, u64)]| {
                let mut cell = Cell::default();
                for (s, v) in list {
                    cell.merge(*s, *v, value(*s, *v));
                }
                cell.sum().clone()
            };
            let mut other = log.clone();
            other.rotate_left(rotate % log.len());
            other.extend_from_slice(&log);
            prop_assert_eq!(fold(&log), fold(&other));
        }
    }
}
