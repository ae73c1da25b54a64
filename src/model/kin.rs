//! Kin: segments whose days are looked at together where one of them is judged for drift, and the
//! partition on which they meet.
//!
//! The segments of a family (the members of one set below the same one, as all territories) are
//! judged on one partition, that of the segment above them, which so has all of them at hand. Copies
//! of their days go there, with those of the segments one dimension below, which say why one moved.

use super::alert::{Rule, Signal};
use super::definition::Definition;
use super::measure::{Measure, Measures};
use super::partial::Partial;
use super::record::Partition;
use super::segment::Segment;
use super::slice::Tier;

/// Dimensions of which there are too many members to be copied and read at each look; those of the
/// others a directory or a form bounds.
const TOO_MANY: [&str; 2] = ["account", "contact"];

/// Who is watched, and so whose days are needed where.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Kin {
    watched: Vec<Vec<String>>,
    partitions: u32,
    /// Hash of the rules.
    rules: u64,
}

impl Kin {
    /// That of some rules, where partials lie on so many partitions.
    pub fn of(rules: &[Rule], partitions: u32) -> Kin {
        let mut watched: Vec<Vec<String>> =
            rules.iter().flat_map(|rule| rule.segments.iter().cloned()).collect();
        watched.sort_unstable();
        watched.dedup();
        let mut all: Vec<(u64, Vec<&Vec<String>>)> =
            rules.iter().map(|rule| (rule.hash(), rule.segments.iter().collect())).collect();
        all.iter_mut().for_each(|(_, sets)| sets.sort_unstable());
        all.sort_unstable();
        let rules = xxhash_rust::xxh3::xxh3_64(format!("{all:?}").as_bytes());
        Kin { watched, partitions, rules }
    }

    /// That of rules which watch all that is counted: no other kin sends a copy to another place.
    pub fn widest(definition: &Definition) -> Kin {
        let (watched, partitions) = (definition.segments.clone(), definition.partitions);
        Kin { watched, partitions, rules: 0 }
    }

    /// A stable hash: shards and rollups that agree in it send and await the same copies, of the same
    /// measures.
    pub fn hash(&self) -> u64 {
        let copied: Vec<Measure> =
            Measure::ALL.iter().map(|(m, ..)| *m).filter(|m| Signal::reads(*m)).collect();
        xxhash_rust::xxh3::xxh3_64(format!("{:?} {copied:?}", self.watched).as_bytes())
    }

    /// A stable hash of all that judging depends on: with the copies, the settings of each rule. Two
    /// instances that agree in it come to the same judgments.
    pub fn judging(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(format!("{:x} {:x}", self.hash(), self.rules).as_bytes())
    }

    /// The segment above a family: without the last dimension. The whole business is above itself.
    pub fn above(segment: &Segment) -> Segment {
        let keep = segment.parts.len().saturating_sub(1);
        Segment { parts: segment.parts[..keep].to_vec() }
    }

    /// The partition on which a watched segment is judged.
    pub fn home(&self, segment: &Segment) -> Partition {
        Kin::above(segment).partition(self.partitions)
    }

    /// Whether some rule watches it.
    pub fn watches(&self, segment: &Segment) -> bool {
        self.watched.iter().any(|set| segment.is_of(set))
    }

    /// The watched segments that it is a part of: those with one dimension less, unless that is one
    /// of too many members.
    pub fn wholes(&self, segment: &Segment) -> Vec<Segment> {
        let value =
            |dimension: &String| segment.parts.iter().find(|(d, _)| **d == **dimension).cloned();
        let one_less = self.watched.iter().filter(|set| set.len() + 1 == segment.parts.len());
        let whole = |set: &Vec<String>| {
            Some(Segment { parts: set.iter().map(value).collect::<Option<Vec<_>>>()? })
        };
        let wholes = one_less.filter_map(whole);
        let missing = |whole: &Segment| {
            segment.parts.iter().find(|(d, _)| whole.value(d).is_none()).map(|(d, _)| &**d)
        };
        wholes.filter(|whole| missing(whole).is_some_and(|d| !TOO_MANY.contains(&d))).collect()
    }

    /// The other partitions on which its days are needed, in order.
    pub fn wanted_at(&self, segment: &Segment) -> Vec<Partition> {
        let mut out: Vec<Partition> =
            self.wholes(segment).iter().map(|whole| self.home(whole)).collect();
        if self.watches(segment) {
            out.push(self.home(segment));
        }
        let own = segment.partition(self.partitions);
        out.retain(|partition| *partition != own);
        out.sort_unstable();
        out.dedup();
        out
    }

    /// The copy of a cell that is needed elsewhere, and where. What is copied does not depend on
    /// what is watched, so that a version always has the same value.
    pub fn copy(&self, partial: &Partial) -> Option<(Partial, Vec<Partition>)> {
        if partial.slice.tier != Tier::Day || self.watched.is_empty() {
            return None;
        }
        let at = self.wanted_at(&partial.segment);
        if at.is_empty() {
            return None;
        }
        let mut measures: Measures = partial.measures.clone();
        measures.retain(|key| Signal::reads(key.measure));
        Some((Partial { measures, segment: partial.segment.clone(), ..*partial }, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::measure::MeasureKey;
    use crate::model::slice::Slice;

    fn kin(watched: &[&[&str]], partitions: u32) -> Kin {
        let set = |set: &&[&str]| set.iter().map(|d| (*d).to_owned()).collect();
        Kin { watched: watched.iter().map(set).collect(), partitions, rules: 0 }
    }

    #[test]
    fn a_family_meets_on_the_partition_of_the_one_above() {
        let kin = kin(&[&[], &["territory"], &["rep", "territory"]], 64);
        let north = Segment::of([("territory", "north")]);
        let ana = Segment::of([("territory", "north"), ("rep", "ana")]);
        assert_eq!(kin.home(&Segment::overall()), Segment::overall().partition(64));
        assert_eq!(kin.home(&north), Segment::overall().partition(64));
        assert_eq!(kin.home(&ana), north.partition(64));
        assert_eq!(kin.wholes(&north), [Segment::overall()]);
        assert_eq!(kin.wholes(&ana), std::slice::from_ref(&north));
        assert_eq!(kin.wanted_at(&north), [Segment::overall().partition(64)]);
        // As a part of north, which is judged with its family.
        assert_eq!(kin.wanted_at(&ana), [Segment::overall().partition(64)]);
        assert_eq!(kin.wanted_at(&Segment::overall()), []);
    }

    #[test]
    fn on_one_partition_nothing_is_copied_and_of_nothing_watched_neither() {
        let north = Segment::of([("territory", "north")]);
        assert_eq!(kin(&[&[], &["territory"]], 1).wanted_at(&north), []);
        assert_eq!(kin(&[], 64).wanted_at(&north), []);
        assert_eq!(kin(&[&["team"]], 64).wanted_at(&north), []);
    }

    #[test]
    fn a_copy_has_what_any_rule_could_read_and_no_more() {
        let kin = kin(&[&[]], 64);
        let key = MeasureKey::plain;
        let measures = [(key(Measure::DealsWon), 2), (key(Measure::OpenDeals), 5)];
        let mut cell = Partial {
            shard: 1,
            version: 7,
            segment: Segment::of([("territory", "north")]),
            slice: Slice { tier: Tier::Day, index: 3 },
            measures: measures.into_iter().collect(),
        };
        let (copy, at) = kin.copy(&cell).unwrap();
        assert_eq!(at, [Segment::overall().partition(64)]);
        assert_eq!(copy.measures.entries(), [(key(Measure::DealsWon), 2)]);
        assert_eq!((copy.version, copy.slice), (7, cell.slice));
        cell.slice.tier = Tier::Fine;
        assert_eq!(kin.copy(&cell), None);
    }
}
