//! Copies of the days of segments that lie on other partitions, and who is related to whom here.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::Cell;
use crate::model::kin::Kin;
use crate::model::measure::Measures;
use crate::model::record::Partition;
use crate::model::segment::Segment;

/// The relatives of the segments that are judged here.
#[derive(Debug, Default)]
pub(super) struct Relatives {
    pub(super) kin: Kin,
    /// This partition; `None` where nothing is watched.
    here: Option<Partition>,
    copies: BTreeMap<Segment, BTreeMap<i32, Cell>>,
    by_text: BTreeMap<String, Segment>,
    /// The segments that are judged here.
    judged: BTreeSet<Segment>,
    /// The known parts of each of them.
    parts: BTreeMap<Segment, BTreeSet<Segment>>,
}

impl Relatives {
    pub(super) fn new(kin: Kin, here: Partition) -> Relatives {
        Relatives { kin, here: Some(here), ..Relatives::default() }
    }

    /// A segment is there.
    pub(super) fn meet(&mut self, segment: &Segment) {
        if self.is_judged_here(segment) {
            self.judged.insert(segment.clone());
        }
        for whole in self.wholes_here(segment) {
            self.parts.entry(whole).or_default().insert(segment.clone());
        }
    }

    fn is_judged_here(&self, segment: &Segment) -> bool {
        self.kin.watches(segment) && Some(self.kin.home(segment)) == self.here
    }

    fn wholes_here(&self, segment: &Segment) -> Vec<Segment> {
        let mut out = self.kin.wholes(segment);
        out.retain(|whole| Some(self.kin.home(whole)) == self.here);
        out
    }

    /// The segments that are judged here.
    pub(super) fn judged(&self) -> &BTreeSet<Segment> {
        &self.judged
    }

    /// Whose verdicts tell of a segment.
    pub(super) fn told_of_by(&self, segment: &Segment) -> Vec<Segment> {
        let mut out = self.wholes_here(segment);
        out.push(segment.clone());
        out.retain(|segment| self.judged.contains(segment));
        out
    }

    /// The parts of a segment that is judged here, by the dimension that divides it and the set that
    /// they are of.
    pub(super) fn parts(&self, whole: &Segment) -> BTreeMap<(&str, Vec<&str>), Vec<&Segment>> {
        let mut out: BTreeMap<(&str, Vec<&str>), Vec<&Segment>> = BTreeMap::new();
        for part in self.parts.get(whole).into_iter().flatten() {
            let set: Vec<&str> = part.parts.iter().map(|(d, _)| &**d).collect();
            let Some(by) = set.iter().find(|d| whole.value(d).is_none()) else { continue };
            out.entry((by, set)).or_default().push(part);
        }
        out
    }

    /// Whether copies of a segment are for this partition.
    pub(super) fn wants(&self, segment: &Segment) -> bool {
        self.here.is_some_and(|here| self.kin.wanted_at(segment).contains(&here))
    }

    /// Merges a copy. Returns whether what is there says something else by it; `None` where it is not
    /// new.
    pub(super) fn merge(
        &mut self,
        segment: &Segment,
        day: i32,
        (shard, version): (u32, u64),
        value: Measures,
    ) -> Option<bool> {
        let first = !self.copies.contains_key(segment);
        if first {
            self.copies.insert(segment.clone(), BTreeMap::new());
            self.by_text.insert(segment.to_string(), segment.clone());
            self.meet(segment);
        }
        let days = self.copies.get_mut(segment).map(|days| days.entry(day).or_default());
        let change = days.and_then(|cell| cell.merge(shard, version, value))?;
        Some(first || change != Measures::new())
    }

    /// Forgets a shard's value of a day. Returns whose it was.
    pub(super) fn forget(&mut self, shard: u32, day: i32, segment: &str) -> Option<Segment> {
        let segment = self.by_text.get(segment)?;
        let days = self.copies.get_mut(segment)?;
        let cell = days.get_mut(&day)?;
        cell.forget(shard);
        if cell.is_empty() {
            days.remove(&day);
        }
        Some(segment.clone())
    }

    /// Takes back what a shard copied below a version.
    pub(super) fn supersede(&mut self, shard: u32, first: u64) {
        for cell in self.copies.values_mut().flat_map(|days| days.values_mut()) {
            if cell.version(shard).is_some_and(|version| version < first) {
                cell.merge(shard, first, Measures::new());
            }
        }
    }

    /// The days of a copied segment before a day.
    pub(super) fn days(
        &self,
        segment: &Segment,
        end: i32,
    ) -> impl Iterator<Item = (i32, &Measures)> + use<'_> {
        let days = self.copies.get(segment).into_iter();
        days.flat_map(move |days| days.range(..end)).map(|(day, cell)| (*day, cell.sum()))
    }

    /// Number of cells held.
    pub(super) fn cells(&self) -> usize {
        self.copies.values().map(BTreeMap::len).sum()
    }
}
