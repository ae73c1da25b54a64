//! The revisions of targets and benchmarks, former and later ones too: what each says, where it is
//! stated, and which of them decides.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Aim, Goal, Holds, Targets, direct};
use crate::model::record::Offset;
use crate::model::segment::Segment;
use crate::model::time::Day;

/// Where a revision is stated. It decides nothing: two that say the same are equal wherever they
/// stand, so a target that only moved to another line is no change.
#[derive(Clone, Debug, Default)]
pub enum Stated {
    /// Nobody noted it.
    #[default]
    Somewhere,
    /// On this line of a file, from 1.
    File(Arc<str>, usize),
    /// In this record of the topic of targets.
    Record(Offset),
}

impl PartialEq for Stated {
    fn eq(&self, _: &Stated) -> bool {
        true
    }
}

impl Eq for Stated {}

/// A revision among those of its target.
#[derive(Clone, Debug)]
pub struct Revision<'t> {
    /// The segment, or `rep=*`.
    pub scope: String,
    /// What it says.
    pub goal: &'t Goal,
    /// Its place among the revisions of the same target (segment, KPI, period), by the day from which
    /// they are valid, from 1.
    pub number: usize,
    /// How many those are.
    pub of: usize,
    /// Whether it decides in the period that holds the day.
    pub holds: bool,
}

/// What revisions of one target have in common.
type Target<'t> = (Aim, &'t str, Holds);

impl Targets {
    /// Where what is for a segment alone is stated: the first of it.
    pub fn stated(&self, segment: &Segment) -> Option<&Stated> {
        self.own.get(segment)?.first().map(|goal| &goal.stated)
    }

    /// The revisions that are for a segment, its own before those for each of its kind; or all there
    /// are. `on` is the day in whose periods they are compared, `today` the day that is running: in a
    /// period that is over the revision that was valid on its last day decides.
    pub fn revisions(
        &self,
        segment: Option<&Segment>,
        on: Day,
        today: impl Fn(&Segment) -> Day,
    ) -> Vec<Revision<'_>> {
        let mut out = Vec::new();
        match segment {
            Some(segment) => {
                let lists = self.of(segment);
                let names = [segment.to_string(), format!("{}=*", segment.grain())];
                let days = (on, today(segment));
                tell(lists, names.into_iter().zip(lists), days, &mut out);
            }
            None => {
                for segment in self.own.keys() {
                    let lists = self.of(segment);
                    let own = [(segment.to_string(), lists[0])];
                    tell(lists, own, (on, today(segment)), &mut out);
                }
                for (grain, goals) in &self.each {
                    let own = [(format!("{grain}=*"), &goals[..])];
                    let days = (on, today(&Segment::overall()));
                    tell([goals, &[]], own, days, &mut out);
                }
            }
        }
        out
    }
}

/// Tells of some lists, as they stand among all that are for a segment.
fn tell<'t>(
    all: [&'t [Goal]; 2],
    lists: impl IntoIterator<Item = (String, &'t [Goal])>,
    (on, today): (Day, Day),
    out: &mut Vec<Revision<'t>>,
) {
    for (scope, list) in lists {
        let mut targets: BTreeMap<Target<'_>, Vec<&Goal>> = BTreeMap::new();
        for goal in list {
            targets.entry((goal.aim, &goal.kpi, goal.holds)).or_default().push(goal);
        }
        for ((aim, kpi, holds), mut revisions) in targets {
            revisions.sort_by_key(|goal| goal.valid_from);
            let same = |goal: &&Goal| goal.aim == aim && goal.kpi == kpi;
            let goals = all.map(|list| list.iter().filter(same).collect::<Vec<_>>());
            let period = holds.period();
            let start = period.map_or(on, |period| period.start(on));
            let decides = direct(&goals, period, start, today).map(|(goal, _)| goal);
            let of = revisions.len();
            for (i, goal) in revisions.into_iter().enumerate() {
                let holds = decides.is_some_and(|decides| std::ptr::eq(decides, goal));
                out.push(Revision { scope: scope.clone(), goal, number: i + 1, of, holds });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::target::Scope;
    use crate::model::target::tests::{day, goal};
    use crate::model::window::Period;

    fn revision(value: i128, holds: Holds, valid_from: Option<&str>) -> Goal {
        Goal { valid_from: valid_from.map(day), ..goal(value, holds) }
    }

    #[test]
    fn revisions_are_numbered_and_the_one_that_decides_is_marked() {
        let rep = |name| Segment::of([("rep", name)]);
        let (may, month) =
            (Holds::Once(Period::Month, day("2026-05-01")), Holds::Every(Period::Month));
        let mut all = Targets::new(false);
        for (value, from) in [(3, Some("2026-05-20")), (1, None), (2, Some("2026-05-08"))] {
            all.insert(Scope::Of(rep("a")), revision(value, may, from));
        }
        all.insert(Scope::Of(rep("a")), goal(7, month));
        all.insert(Scope::Each("rep".to_owned()), goal(9, month));
        let told = |segment: Option<&Segment>, on: &str, today: &str| -> Vec<_> {
            let told = all.revisions(segment, day(on), |_| day(today)).into_iter();
            told.map(|r| (r.scope, r.goal.value.to_whole().unwrap(), r.number, r.of, r.holds))
                .collect()
        };
        let of =
            |who: &str, value, number, of, holds| (format!("rep={who}"), value, number, of, holds);
        // The second revision is valid, the third not yet; in June the month's own.
        let a = rep("a");
        let first = [of("a", 7, 1, 1, false), of("a", 1, 1, 3, false), of("a", 2, 2, 3, true)];
        let rest = [of("a", 3, 3, 3, false), of("*", 9, 1, 1, false)];
        assert_eq!(told(Some(&a), "2026-05-01", "2026-05-10"), [&first[..], &rest].concat());
        // A period that is over keeps what was valid on its last day.
        let late = told(Some(&a), "2026-05-01", "2026-07-10");
        assert_eq!(late.iter().filter(|r| r.4).map(|r| r.1).collect::<Vec<_>>(), [3]);
        let june = told(Some(&a), "2026-06-01", "2026-05-10");
        assert_eq!(june.iter().filter(|r| r.4).map(|r| r.1).collect::<Vec<_>>(), [7]);
        // Another rep has what is for each; of all there are, that decides where nothing else does.
        assert_eq!(told(Some(&rep("b")), "2026-05-01", "2026-05-10"), [of("*", 9, 1, 1, true)]);
        let whole = told(None, "2026-05-01", "2026-05-10");
        assert_eq!(whole.len(), 5);
        assert_eq!(whole.iter().filter(|r| r.4).map(|r| r.1).collect::<Vec<_>>(), [2, 9]);
    }

    #[test]
    fn where_a_revision_stands_is_no_part_of_what_it_says() {
        let mut a = goal(1, Holds::Anywhere);
        let b = a.clone();
        a.stated = Stated::Record(Offset(4));
        assert_eq!(a, b);
    }
}
