//! Targets as records of a compacted topic, beside those of files.
//!
//! The newest record of each key decides, and one that is no target decides too: it takes away what
//! its key held. So what holds follows from what compaction leaves as from the whole topic, and not
//! from when it was read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Goal, Scope, Targets};
use crate::model::record::Offset;

/// Most targets that are held from a topic: some hundred megabytes.
pub const MOST_RECORDS: usize = 200_000;

/// What the records of a topic say, by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetRecords {
    /// By key: for whom it states something, and where it stands.
    held: BTreeMap<Vec<u8>, (Scope, Offset)>,
    /// What they state, in the order in which it was written.
    stated: BTreeMap<Scope, BTreeMap<Offset, Goal>>,
    /// For whom something else is stated since it was last told.
    changed: BTreeSet<Scope>,
}

impl TargetRecords {
    /// Takes a record; without a target it takes away what its key held. Records come in order of
    /// offset.
    pub fn apply(&mut self, key: &[u8], offset: Offset, target: Option<(Scope, Goal)>) {
        if let Some((scope, at)) = self.held.remove(key) {
            if let Some(goals) = self.stated.get_mut(&scope) {
                goals.remove(&at);
                if goals.is_empty() {
                    self.stated.remove(&scope);
                }
            }
            self.changed.insert(scope);
        }
        if let Some((scope, goal)) = target {
            self.held.insert(key.to_vec(), (scope.clone(), offset));
            self.changed.insert(scope.clone());
            self.stated.entry(scope).or_default().insert(offset, goal);
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

    /// Brings what was told last, at first the targets of files, up to date: these records and those
    /// of files. Where both state the same revision of the same target (segment, KPI, period,
    /// `valid_from`), the record holds; of two records the one written last. Any other two are
    /// revisions of one history, wherever they stand. Returns whether anything changed.
    pub fn tell(&mut self, files: &Targets, told: &mut Arc<Targets>) -> bool {
        let mut any = false;
        for scope in std::mem::take(&mut self.changed) {
            let goals = self.goals(files, &scope);
            any |= told.goals(&scope) != goals.as_ref();
            // Also where only the place changed in which it is stated.
            Arc::make_mut(told).set(scope, goals);
        }
        any
    }

    fn goals(&self, files: &Targets, scope: &Scope) -> Option<Arc<Vec<Goal>>> {
        let own = files.goals(scope);
        let Some(stated) = self.stated.get(scope) else { return own.cloned() };
        let own = own.into_iter().flat_map(|goals| goals.iter());
        let revision = |goal: &'_ Goal| (goal.aim, goal.holds, goal.valid_from);
        let mut out: BTreeMap<_, &Goal> = BTreeMap::new();
        for goal in own.chain(stated.values()) {
            out.insert((goal.kpi.as_str(), revision(goal)), goal);
        }
        Some(Arc::new(out.into_values().cloned().collect()))
    }
}

impl Targets {
    fn goals(&self, scope: &Scope) -> Option<&Arc<Vec<Goal>>> {
        match scope {
            Scope::Of(segment) => self.own.get(segment),
            Scope::Each(grain) => self.each.get(grain),
        }
    }

    fn set(&mut self, scope: Scope, goals: Option<Arc<Vec<Goal>>>) {
        match (scope, goals) {
            (Scope::Of(segment), Some(goals)) => self.own.insert(segment, goals),
            (Scope::Of(segment), None) => self.own.remove(&segment),
            (Scope::Each(grain), Some(goals)) => self.each.insert(grain, goals),
            (Scope::Each(grain), None) => self.each.remove(&grain),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::money::Exact;
    use crate::model::segment::Segment;
    use crate::model::target::{Aim, Holds, Stated};
    use crate::model::time::Day;
    use crate::model::window::Period;
    use proptest::prelude::*;

    fn goal(value: i128, valid_from: Option<Day>) -> Goal {
        Goal {
            aim: Aim::Target,
            kpi: "revenue".to_owned(),
            accrues: true,
            ripens: false,
            holds: Holds::Every(Period::Month),
            value: Exact(value),
            growth: Exact(0),
            valid_from,
            owner: None,
            note: None,
            stated: Stated::default(),
        }
    }

    /// What records and files say together.
    fn with_files(records: &TargetRecords, files: &Targets) -> Targets {
        let mut told = Arc::new(files.clone());
        records.clone().tell(files, &mut told);
        (*told).clone()
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
        let both = with_files(&records, &files);
        let mut expected = Targets::new(true);
        expected.insert(rep("a"), goal(2, None));
        expected.insert(rep("a"), goal(3, Some(Day(9))));
        assert_eq!(both, expected);
        records.apply(b"k", Offset(5), None);
        records.apply(b"later", Offset(6), None);
        assert_eq!((with_files(&records, &files), records.len()), (files, 0));
    }

    #[test]
    fn of_two_keys_with_one_revision_the_one_written_last_holds() {
        let mut records = TargetRecords::default();
        records.apply(b"b", Offset(1), Some((rep("a"), goal(1, None))));
        records.apply(b"a", Offset(2), Some((rep("a"), goal(2, None))));
        let mut expected = Targets::default();
        expected.insert(rep("a"), goal(2, None));
        assert_eq!(with_files(&records, &Targets::default()), expected);
    }

    proptest! {
        /// Whatever compaction took of it, and however it was read: the topic says the same.
        #[test]
        fn a_compacted_topic_says_what_the_whole_one_says(
            writes in proptest::collection::vec(
                (0..5u8, 0..3usize, proptest::option::of(0..4i128), any::<bool>()), 0..40),
        ) {
            let (mut whole, mut compacted) = (TargetRecords::default(), TargetRecords::default());
            let mut kept = vec![true; writes.len()];
            let mut files = Targets::new(true);
            files.insert(rep("a"), goal(9, None));
            let (mut along, mut told) = (TargetRecords::default(), Arc::new(files.clone()));
            for (i, (key, name, value, goes)) in writes.iter().enumerate() {
                let target = value.map(|value| (rep(["a", "b", "c"][*name]), goal(value, None)));
                whole.apply(&[*key], Offset(i as u64), target.clone());
                if *goes {
                    along.tell(&files, &mut told);
                }
                along.apply(&[*key], Offset(i as u64), target.clone());
                let superseded = writes[i + 1..].iter().any(|later| later.0 == *key);
                // A deletion stays as long as anything that it deletes.
                let last = !(0..i).any(|j| writes[j].0 == *key && kept[j]) && target.is_none();
                kept[i] = !(*goes && (superseded || last));
                if kept[i] {
                    compacted.apply(&[*key], Offset(i as u64), target);
                }
            }
            let expected = with_files(&whole, &files);
            prop_assert_eq!(&expected, &with_files(&compacted, &files));
            let before = told.clone();
            let changed = along.tell(&files, &mut told);
            prop_assert_eq!((&*told, changed), (&expected, *before != expected));
            prop_assert!(!along.tell(&files, &mut told));
        }
    }
}
