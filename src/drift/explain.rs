//! Why a stream moved: its change, divided over the parts of its segment.

use std::ops::Range;

use super::baseline::{DayFacts, unlog};
use super::interval;
use super::judge::Days;
use super::mix::{Part, Split, kitagawa};
use crate::model::alert::{Alert, Kind, Phase, Rule};
use crate::model::explained::{Contributor, Explained};
use crate::model::segment::Segment;
use crate::model::time::Day;

/// So many contributors are named.
const NAMED: usize = 3;

/// A part of the segment that moved, and what its days say.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// Which.
    pub segment: &'a Segment,
    /// Its days, in order.
    pub facts: Vec<(i32, DayFacts)>,
}

/// Divides the change of an alert over the members that one more dimension (`by`) divides its
/// segment into; `days` are those of the segment. The days since the change are compared with the
/// baseline, of which each phase counts as often as since the change: a season is no mix.
///
/// With it comes how unlike the members moved, in standard deviations of what chance does: by a
/// dimension whose members all moved alike nothing is explained. `None` where the members do not
/// add up to the segment, as while a correction of one of them is under way.
pub fn explain(
    rule: &Rule,
    alert: &Alert,
    days: Days<'_>,
    by: &str,
    members: &[Member<'_>],
) -> Option<(f64, Explained)> {
    let kind = rule.signal.kind();
    let periods = Periods::of(rule, alert, days);
    let whole = periods.sums(days.facts);
    let sums: Vec<Sums> = members.iter().map(|m| periods.sums(&m.facts)).collect();
    if !whole.are_those_of(&sums) {
        return None;
    }
    let weights = periods.weights(kind, &whole);
    let parts: Vec<Part> = sums.iter().map(|sums| sums.part(kind, &weights)).collect();
    let split = match kind {
        Kind::Count => counts(&parts, periods.now_days(&weights))?,
        Kind::Proportion | Kind::Duration | Kind::Amount => kitagawa(&parts)?,
    };
    let shown = Shown::of(kind, &parts, periods.now_days(&weights));
    let has_weights = kind != Kind::Count;
    let spread = whole.spread(kind, &parts);
    let explained = Explained {
        by: by.to_owned(),
        change: shown.change(split.total),
        mix: has_weights.then(|| shown.change(split.mix)),
        rate: has_weights.then(|| shown.change(split.rate)),
        rate_interval: has_weights.then(|| {
            let (low, high) = interval::around(split.rate, rate_variance(&parts, &sums, spread));
            (shown.change(low), shown.change(high))
        }),
        simpson: has_weights && split.simpson,
        contributors: contributors(members, &sums, &parts, &split, &shown, has_weights),
    };
    Some((unlike(kind, &sums, &parts, spread), explained))
}

/// The days of the baseline, and those since the change.
struct Periods<'a> {
    phase: Phase,
    before: Range<i32>,
    now: Range<i32>,
    days: Days<'a>,
}

impl<'a> Periods<'a> {
    fn of(rule: &Rule, alert: &Alert, days: Days<'a>) -> Periods<'a> {
        let before = alert.baseline.from.0..alert.baseline.to.0;
        let (from, to) = alert.now_days;
        Periods { phase: rule.phase, before, now: from.0..to.0, days }
    }

    fn sums(&self, facts: &[(i32, DayFacts)]) -> Sums {
        let none = vec![DayFacts::default(); self.phase.count()];
        let mut out = Sums { before: none.clone(), now: none };
        for (day, facts) in facts.iter().filter(|(day, _)| self.days.is_sure(*day)) {
            let phase = self.phase.of(Day(*day));
            if self.before.contains(day) {
                out.before[phase].add(facts);
            } else if self.now.contains(day) {
                out.now[phase].add(facts);
            }
        }
        out
    }

    /// How many days of each phase there are of which all records are there.
    fn lengths(&self, of: &Range<i32>) -> Vec<f64> {
        let mut out = vec![0.0; self.phase.count()];
        for day in of.clone().filter(|day| self.days.is_sure(*day)) {
            out[self.phase.of(Day(day))] += 1.0;
        }
        out
    }

    /// How often a phase of the baseline counts, so that it weighs what it does now. `None` where
    /// the baseline has not seen it: then its days are not looked at.
    fn weights(&self, kind: Kind, whole: &Sums) -> Vec<Option<f64>> {
        let cases = |of: &[DayFacts]| of.iter().map(|facts| facts.n as f64).collect();
        let (before, now): (Vec<f64>, Vec<f64>) = match kind {
            Kind::Count => (self.lengths(&self.before), self.lengths(&self.now)),
            Kind::Proportion | Kind::Duration | Kind::Amount => {
                (cases(&whole.before), cases(&whole.now))
            }
        };
        let weight = |(before, now): (f64, f64)| (before > 0.0).then(|| now / before);
        before.into_iter().zip(now).map(weight).collect()
    }

    /// Days since the change that are looked at.
    fn now_days(&self, weights: &[Option<f64>]) -> f64 {
        let known = self.lengths(&self.now).into_iter().zip(weights);
        known.filter_map(|(days, weight)| weight.map(|_| days)).sum()
    }
}

/// What a segment had in both, by phase.
struct Sums {
    before: Vec<DayFacts>,
    now: Vec<DayFacts>,
}

impl Sums {
    /// Whether they are the sums of those.
    fn are_those_of(&self, parts: &[Sums]) -> bool {
        let all = |sums: &Sums| -> Vec<DayFacts> {
            sums.before.iter().chain(&sums.now).copied().collect()
        };
        let mut together = vec![DayFacts::default(); self.before.len() + self.now.len()];
        for part in parts {
            together.iter_mut().zip(all(part)).for_each(|(sum, facts)| sum.add(&facts));
        }
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + b.abs());
        let same = |(sum, own): (&DayFacts, DayFacts)| {
            (sum.n, sum.hits) == (own.n, own.hits) && near(sum.sum, own.sum)
        };
        together.iter().zip(all(self)).all(same)
    }

    /// What is divided (hits, logarithms, or the count itself) and by how many cases.
    fn part(&self, kind: Kind, weights: &[Option<f64>]) -> Part {
        let of = |facts: &DayFacts, weight: f64| {
            let sum = match kind {
                Kind::Proportion => facts.hits as f64,
                Kind::Duration | Kind::Amount => facts.sum,
                Kind::Count => facts.n as f64,
            };
            (weight * sum, weight * facts.n as f64)
        };
        let add = |sum: (f64, f64), more: (f64, f64)| (sum.0 + more.0, sum.1 + more.1);
        let known = || weights.iter().enumerate().filter_map(|(i, w)| Some((i, (*w)?)));
        Part {
            before: known().map(|(i, w)| of(&self.before[i], w)).fold((0.0, 0.0), add),
            now: known().map(|(i, _)| of(&self.now[i], 1.0)).fold((0.0, 0.0), add),
        }
    }

    fn cases(of: &[DayFacts]) -> u64 {
        of.iter().map(|facts| facts.n).sum()
    }

    /// The variance of one case, where there is one for all.
    fn spread(&self, kind: Kind, parts: &[Part]) -> f64 {
        match kind {
            Kind::Duration | Kind::Amount => {
                let mut all = DayFacts::default();
                self.before.iter().for_each(|facts| all.add(facts));
                let n = all.n as f64;
                ((all.squares - all.sum * all.sum / n) / (n - 1.0).max(1.0)).max(0.0)
            }
            Kind::Proportion | Kind::Count => {
                let hits: f64 = parts.iter().map(|p| p.before.0 + p.now.0).sum();
                let n: f64 = parts.iter().map(|p| p.before.1 + p.now.1).sum();
                let p = if n > 0.0 { hits / n } else { 0.0 };
                p * (1.0 - p)
            }
        }
    }
}

/// The split of a count: what each adds a day has no weight, so all of it is its own.
fn counts(parts: &[Part], days: f64) -> Option<Split> {
    let parts: Vec<(f64, f64)> =
        parts.iter().map(|part| (0.0, (part.now.0 - part.before.0) / days)).collect();
    let total = parts.iter().map(|(_, rate)| rate).sum::<f64>();
    (days > 0.0).then_some(Split { total, mix: 0.0, rate: total, parts, simpson: false })
}

/// From what is divided to the unit of the alert.
struct Shown {
    kind: Kind,
    days: f64,
    /// Of durations and amounts: how many days or how much money a logarithm is worth, which is the logarithmic mean of both ends.
    scale: f64,
}

impl Shown {
    fn of(kind: Kind, parts: &[Part], days: f64) -> Shown {
        let mean = |of: fn(&Part) -> (f64, f64)| {
            let sum = |sum: (f64, f64), part: &Part| (sum.0 + of(part).0, sum.1 + of(part).1);
            let (sum, n) = parts.iter().fold((0.0, 0.0), sum);
            sum / n
        };
        let (before, now) = (mean(|p| p.before), mean(|p| p.now));
        let scale = match kind {
            Kind::Duration | Kind::Amount if (now - before).abs() > 1e-9 => {
                (now.exp() - before.exp()) / (now - before)
            }
            Kind::Duration | Kind::Amount => now.exp(),
            Kind::Proportion | Kind::Count => 1.0,
        };
        Shown { kind, days, scale }
    }

    fn change(&self, of: f64) -> f64 {
        of * self.scale
    }

    fn value(&self, (sum, n): (f64, f64)) -> Option<f64> {
        match self.kind {
            Kind::Proportion => (n > 0.0).then(|| sum / n),
            Kind::Duration | Kind::Amount => (n > 0.0).then(|| unlog(self.kind, sum / n)),
            Kind::Count => Some(sum / self.days),
        }
    }
}

fn contributors(
    members: &[Member<'_>],
    sums: &[Sums],
    parts: &[Part],
    split: &Split,
    shown: &Shown,
    has_weights: bool,
) -> Vec<Contributor> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    let effect = |i: usize| split.parts[i].0 + split.parts[i].1;
    order.retain(|i| effect(*i) != 0.0);
    order.sort_by(|a, b| {
        let size = effect(*b).abs().total_cmp(&effect(*a).abs());
        size.then_with(|| members[*a].segment.cmp(members[*b].segment))
    });
    let contributor = |i: usize| Contributor {
        segment: members[i].segment.clone(),
        effect: shown.change(effect(i)),
        mix: has_weights.then(|| shown.change(split.parts[i].0)),
        rate: has_weights.then(|| shown.change(split.parts[i].1)),
        now: shown.value(parts[i].now),
        n: Sums::cases(&sums[i].now),
        baseline: shown.value(parts[i].before),
        baseline_n: Sums::cases(&sums[i].before),
    };
    order.into_iter().take(NAMED).map(contributor).collect()
}

/// The variance of a member's own change, as its cases of both periods have it.
fn own_variance(sums: &Sums, spread: f64) -> Option<f64> {
    let (before, now) = (Sums::cases(&sums.before), Sums::cases(&sums.now));
    (before > 0 && now > 0).then(|| spread * (1.0 / before as f64 + 1.0 / now as f64))
}

/// The variance of the rate effect by the delta method, the weights taken as they are.
fn rate_variance(parts: &[Part], sums: &[Sums], spread: f64) -> f64 {
    let n = |of: fn(&Part) -> f64| parts.iter().map(of).sum::<f64>();
    let (before, now) = (n(|p| p.before.1), n(|p| p.now.1));
    let each = parts.iter().zip(sums).filter_map(|(part, sums)| {
        let weight = (part.before.1 / before + part.now.1 / now) / 2.0;
        Some(weight * weight * own_variance(sums, spread)?)
    });
    each.sum()
}

/// How unlike members moved: a chi-square of their changes, less what chance does, in its standard
/// deviations.
fn unlike(kind: Kind, sums: &[Sums], parts: &[Part], spread: f64) -> f64 {
    // Of each: its change, and what speaks for how precise it is.
    let moved: Vec<(f64, f64)> = match kind {
        Kind::Count => {
            let some = parts.iter().filter(|part| part.before.0 > 0.0);
            some.map(|part| (part.now.0 / part.before.0, part.before.0)).collect()
        }
        Kind::Proportion | Kind::Duration | Kind::Amount => {
            let one = |(part, sums): (&Part, &Sums)| {
                let change = part.now.0 / part.now.1 - part.before.0 / part.before.1;
                Some((change, 1.0 / own_variance(sums, spread)?)).filter(|m| m.1.is_finite())
            };
            parts.iter().zip(sums).filter_map(one).collect()
        }
    };
    let weight: f64 = moved.iter().map(|(_, w)| w).sum();
    let mean = moved.iter().map(|(change, w)| change * w).sum::<f64>() / weight;
    let square: f64 = moved.iter().map(|(change, w)| w * (change - mean).powi(2)).sum();
    let square = if kind == Kind::Count { square / mean } else { square };
    let free = moved.len() as f64 - 1.0;
    let out = (square - free) / (2.0 * free).sqrt();
    if free >= 1.0 && out.is_finite() { out } else { f64::NEG_INFINITY }
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
