//! Targets as records of a compacted topic, beside those of files.
//!
//! The newest record of each key decides, and one that is no target decides too: it takes away what
//! its key held. So what holds follows from what compaction leaves as from the whole topic, and not
//! from when it was read.

use std::collections::BTreeMap;

use super::{Goal, Scope, Targets};
use crate::model::record::Offset;

/// Most targets that are held from a topic: some hundred megabytes.
pub const MOST_RECORDS: usize = 200_000;

/// What the records of a topic say, by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetRecords {
    held: BTreeMap<Vec<u8>, (Offset, Scope, Goal)>,
}

impl TargetRecords {
    /// Takes a record; without a target it takes away what its key held. Records come in order of
    /// offset.
    pub fn apply(&mut self, key: &[u8], offset: Offset, target: Option<(Scope, Goal)>) {
        match target {
            Some((scope, goal)) => {
                self.held.insert(key.to_vec(), (offset, scope, goal));
            }
            None => {
                self.held.remove(key);
            }
        }
    }

    /// How many targets are held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether a record of this key would be one too many.
    pub fn is_full_for(&self, key: &[u8]) -> bool {
        self.held.len() >= MOST_RECORDS && !self.held.contains_key(key)
    }

    /// These and those of files. Where both state the same revision of the same target (segment,
    /// KPI, period, `valid_from`), the record holds; of two records the one written last. Any other
    /// two are revisions of one history, wherever they stand.
    pub fn with_files(&self, files: &Targets) -> Targets {
        let mut out = files.clone();
        let mut records: Vec<_> = self.held.values().collect();
        records.sort_unstable_by_key(|(offset, ..)| *offset);
        for (_, scope, goal) in records {
            out.put(scope.clone(), goal.clone());
        }
        out
    }
}

impl Targets {
    /// Adds one in the place of the same revision of the same target, if there is one.
    fn put(&mut self, scope: Scope, goal: Goal) {
        let revision = |goal: &Goal| (goal.aim, goal.kpi.clone(), goal.holds, goal.valid_from);
        let goals = self.goals_mut(scope);
        let of = revision(&goal);
        match goals.iter_mut().find(|other| revision(other) == of) {
            Some(same) => *same = goal,
            None => goals.push(goal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::money::Exact;
    use crate::model::segment::Segment;
    use crate::model::target::{Aim, Holds};
    use crate::model::time::Day;
    use crate::model::window::Period;
    use proptest::prelude::*;

    fn goal(value: i128, valid_from: Option<Day>) -> Goal {
        Goal {
            aim: Aim::Target,
            kpi: "revenue".to_owned(),
            accrues: true,
            holds: Holds::Every(Period::Month),
            value: Exact(value),
            growth: Exact(0),
            valid_from,
            owner: None,
            note: None,
        }
    }

    fn rep(name: &str) -> Scope {
        Scope::Of(Segment::of([("rep", name)]))
    }

    #[test]
    fn a_record_goes_before_a_file_and_its_deletion_gives_the_file_back() {
        let mut files = Targets::new(true);
        files.insert(rep("a"), goal(1, None));
        let mut records = TargetRecords::default();
        records.apply(b"k", Offset(3), Some((rep("a"), goal(2, None))));
        records.apply(b"later", Offset(4), Some((rep("a"), goal(3, Some(Day(9))))));
        let both = records.with_files(&files);
        let mut expected = Targets::new(true);
        expected.insert(rep("a"), goal(2, None));
        expected.insert(rep("a"), goal(3, Some(Day(9))));
        assert_eq!(both, expected);
        records.apply(b"k", Offset(5), None);
        records.apply(b"later", Offset(6), None);
        assert_eq!((records.with_files(&files), records.len()), (files, 0));
    }

    #[test]
    fn of_two_keys_with_one_revision_the_one_written_last_holds() {
        let mut records = TargetRecords::default();
        records.apply(b"b", Offset(1), Some((rep("a"), goal(1, None))));
        records.apply(b"a", Offset(2), Some((rep("a"), goal(2, None))));
        let mut expected = Targets::default();
        expected.insert(rep("a"), goal(2, None));
        assert_eq!(records.with_files(&Targets::default()), expected);
    }

    proptest! {
        /// Whatever compaction took of it: the topic says the same.
        #[test]
        fn a_compacted_topic_says_what_the_whole_one_says(
            writes in proptest::collection::vec(
                (0..5u8, 0..3usize, proptest::option::of(0..4i128), any::<bool>()), 0..40),
        ) {
            let (mut whole, mut compacted) = (TargetRecords::default(), TargetRecords::default());
            let mut kept = vec![true; writes.len()];
            for (i, (key, name, value, goes)) in writes.iter().enumerate() {
                let target = value.map(|value| (rep(["a", "b", "c"][*name]), goal(value, None)));
                whole.apply(&[*key], Offset(i as u64), target.clone());
                let superseded = writes[i + 1..].iter().any(|later| later.0 == *key);
                // A deletion stays as long as anything that it deletes.
                let last = !(0..i).any(|j| writes[j].0 == *key && kept[j]) && target.is_none();
                kept[i] = !(*goes && (superseded || last));
                if kept[i] {
                    compacted.apply(&[*key], Offset(i as u64), target);
                }
            }
            let files = Targets::new(true);
            prop_assert_eq!(whole.with_files(&files), compacted.with_files(&files));
        }
    }
}
