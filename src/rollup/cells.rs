//! Cells of one segment, merged over shards by version.

use std::collections::BTreeMap;

use crate::model::measure::Measures;
use crate::model::slice::Slice;

/// What a shard says of a slice, and as of which version.
#[derive(Debug)]
struct Told {
    shard: u32,
    version: u64,
    value: Measures,
}

/// The value of a cell: the newest partial of each shard, and their sum.
#[derive(Debug, Default)]
pub struct Cell(Of);

/// Most segments are of one shard: what it says is the sum, and lies where the cell is.
#[derive(Debug, Default)]
enum Of {
    #[default]
    None,
    One(Told),
    Many(Box<Many>),
}

#[derive(Debug)]
struct Many {
    shards: Vec<Told>,
    sum: Measures,
}

static ZERO: Measures = Measures::new();

impl Cell {
    /// The sum over the shards.
    pub fn sum(&self) -> &Measures {
        match &self.0 {
            Of::None => &ZERO,
            Of::One(told) => &told.value,
            Of::Many(many) => &many.sum,
        }
    }

    fn shards(&self) -> &[Told] {
        match &self.0 {
            Of::None => &[],
            Of::One(told) => std::slice::from_ref(told),
            Of::Many(many) => &many.shards,
        }
    }

    /// Takes a shard's value. Returns by how much the sum changed; `None` where a newer or the
    /// same version was merged before.
    pub fn merge(&mut self, shard: u32, version: u64, value: Measures) -> Option<Measures> {
        match &mut self.0 {
            Of::None => {
                self.0 = Of::One(Told { shard, version, value: value.clone() });
                Some(value)
            }
            Of::One(told) if told.shard == shard => told.renew(version, value),
            Of::One(_) => {
                let Of::One(told) = std::mem::take(&mut self.0) else { return None };
                let mut many = Many { sum: told.value.clone(), shards: vec![told] };
                let change = many.merge(shard, version, value);
                self.0 = Of::Many(Box::new(many));
                change
            }
            Of::Many(many) => many.merge(shard, version, value),
        }
    }

    /// Forgets a shard's value, and returns it: the slice is out of retention.
    pub fn forget(&mut self, shard: u32) -> Measures {
        match &mut self.0 {
            Of::One(told) if told.shard == shard => {
                let value = std::mem::take(&mut told.value);
                self.0 = Of::None;
                value
            }
            Of::Many(many) => {
                let Some(i) = many.shards.iter().position(|told| told.shard == shard) else {
                    return Measures::new();
                };
                let Told { value, .. } = many.shards.swap_remove(i);
                many.sum.minus(&value);
                if many.shards.len() == 1 {
                    self.0 = many.shards.pop().map_or(Of::None, Of::One);
                }
                value
            }
            _ => Measures::new(),
        }
    }

    /// The version of a shard's value.
    pub fn version(&self, shard: u32) -> Option<u64> {
        self.shards().iter().find(|told| told.shard == shard).map(|told| told.version)
    }

    /// Whether no shard has a value here.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Of::None)
    }
}

impl Told {
    /// Takes a newer value. Returns what is new in it.
    fn renew(&mut self, version: u64, value: Measures) -> Option<Measures> {
        if self.version >= version {
            return None;
        }
        let change = Measures::difference(&value, &self.value);
        (self.version, self.value) = (version, value);
        Some(change)
    }
}

impl Many {
    fn merge(&mut self, shard: u32, version: u64, value: Measures) -> Option<Measures> {
        let change = match self.shards.iter_mut().find(|told| told.shard == shard) {
            Some(told) => told.renew(version, value)?,
            None => {
                self.shards.push(Told { shard, version, value: value.clone() });
                value
            }
        };
        self.sum.plus(&change);
        Some(change)
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
