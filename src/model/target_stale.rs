//! Targets that ended, with nothing behind them.

use std::collections::BTreeSet;

use super::{Aim, Goal, Goals, Holds, Stated, Targets, direct, longer};
use crate::model::time::Day;
use crate::model::window::Period;

/// A target of which a period has ended, with none for the one that is running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The segment, or `rep=*`.
    pub scope: String,
    /// Name of the KPI.
    pub kpi: String,
    /// Kind of period.
    pub period: Period,
    /// The first day that no target covers.
    pub since: Day,
    /// Where the last one is stated.
    pub stated: Stated,
}

impl Targets {
    /// The targets of which a period has ended, with none for the one that is running: neither of
    /// the segment, nor for each of its kind, nor as a step.
    pub fn stale(&self, today: Day) -> Vec<Stale> {
        let own = self.own.keys().map(|segment| (segment.to_string(), self.of(segment)));
        let each = self.each.iter().map(|(grain, goals)| (format!("{grain}=*"), [&goals[..], &[]]));
        let mut out = Vec::new();
        for (scope, lists) in own.chain(each) {
            let targets = || lists[0].iter().filter(|goal| goal.aim == Aim::Target);
            let asked: BTreeSet<(&str, Period)> =
                targets().filter_map(|g| Some((g.kpi.as_str(), g.holds.period()?))).collect();
            for (kpi, period) in asked {
                let of_kpi = |goal: &&Goal| goal.aim == Aim::Target && goal.kpi == kpi;
                let goals: Goals<'_> = lists.map(|list| list.iter().filter(of_kpi).collect());
                let ends = goals.iter().flatten().filter_map(|goal| match goal.holds {
                    Holds::Once(own, start) if own == period => Some((period.next(start), *goal)),
                    _ => None,
                });
                let ended = ends
                    .filter(|(end, _)| *end <= today)
                    .max_by_key(|(end, g)| (*end, g.valid_from));
                let ended = ended.filter(|_| !covered(&goals, period, today, self.steps));
                if let Some((since, last)) = ended {
                    let (scope, kpi, stated) = (scope.clone(), kpi.to_owned(), last.stated.clone());
                    out.push(Stale { scope, kpi, period, since, stated });
                }
            }
        }
        out
    }
}

/// Whether the period that is running has a goal, or is a step towards one.
fn covered(goals: &Goals<'_>, period: Period, today: Day, steps: bool) -> bool {
    let (start, end) = (period.start(today), period.next(period.start(today)));
    let stepped = |whole: &Period| {
        let parts = std::iter::successors(Some(whole.start(start)), |at| Some(whole.next(*at)));
        parts.take_while(|at| *at < end).all(|at| direct(goals, Some(*whole), at, today).is_some())
    };
    direct(goals, Some(period), start, today).is_some()
        || steps && longer(goals, period).iter().any(stepped)
}
