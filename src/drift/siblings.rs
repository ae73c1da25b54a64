//! Siblings: streams of one family. What few cases say of one is pulled towards what all say, and
//! what is believed of one depends on how many were looked at.

use super::baseline::Baseline;
use super::judge::Days;
use super::many::e_bh;
use super::shrink;
use crate::model::alert::{Kind, Rule};

/// From so many siblings with a baseline on it can be told how far they differ.
const ENOUGH: usize = 5;
/// Days over which evidence of a stream may be waited for: its e-value is of so many looks.
const PATIENCE: f64 = 365.0;
/// The share of the streams that are believed which may be wrong, on average.
const WRONG: f64 = 0.5;

/// What the baseline of a stream says by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Own {
    n: u64,
    /// Hits, or the mean of the logarithms.
    value: f64,
    /// Of a duration: the variance of one.
    variance: f64,
}

/// What the siblings of a stream say of it before it says anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prior {
    /// Mean of a proportion, and how many cases that is worth.
    Proportion(f64, f64),
    /// Mean of logarithms, and the variance between siblings.
    Duration(f64, f64),
}

/// What a stream says for its siblings; `None` where it has no baseline, or is a count: volumes of
/// siblings are not alike.
pub fn own(rule: &Rule, days: Days<'_>) -> Option<Own> {
    let all = days.baseline(rule)?.all;
    let n = all.facts.n;
    match rule.signal.kind() {
        Kind::Proportion => Some(Own { n, value: all.facts.hits as f64, variance: 0.0 }),
        Kind::Duration => {
            let (count, sum) = (n as f64, all.facts.sum);
            let variance = (all.facts.squares - sum * sum / count) / (count - 1.0).max(1.0);
            Some(Own { n, value: sum / count, variance: variance.max(0.0) })
        }
        Kind::Count => None,
    }
}

/// What siblings say together; `None` where they are too few.
pub fn prior(kind: Kind, siblings: &[Own]) -> Option<Prior> {
    if siblings.len() < ENOUGH {
        return None;
    }
    match kind {
        Kind::Proportion => {
            let counts: Vec<_> = siblings.iter().map(|own| (own.value as u64, own.n)).collect();
            shrink::beta_prior(&counts).map(|(mean, worth)| Prior::Proportion(mean, worth))
        }
        Kind::Duration => {
            let cases = siblings.iter().map(|own| own.n as f64).sum::<f64>();
            let spread = siblings.iter().map(|own| own.n as f64 * own.variance).sum::<f64>();
            let means: Vec<_> = siblings.iter().map(|own| (own.n, own.value)).collect();
            let (all, between) = shrink::between(&means, spread / cases)?;
            Some(Prior::Duration(all, between))
        }
        Kind::Count => None,
    }
}

impl Prior {
    /// The baseline with its level pulled towards the siblings; its season stays.
    pub(super) fn pull(self, baseline: &mut Baseline) {
        match self {
            Prior::Proportion(mean, worth) => {
                let facts = baseline.all.facts;
                let pulled = shrink::proportion(facts.hits, facts.n, (mean, worth));
                baseline.move_to(pulled);
            }
            Prior::Duration(all, between) => {
                let facts = baseline.all.facts;
                let own = facts.sum / facts.n as f64;
                let variance = baseline.variance();
                let keep = between / (between + variance / facts.n as f64);
                baseline.move_to(all + if keep.is_finite() { keep } else { 1.0 } * (own - all));
            }
        }
    }
}

/// Which of siblings to believe, by place, from their evidence ([`super::Verdict::evidence`]): of
/// those believed at most half are wrong, on average, whatever they have in common.
pub fn believed(evidence: &[f64]) -> Vec<bool> {
    let values: Vec<f64> = evidence.iter().map(|sum| sum / PATIENCE).collect();
    let mut out = vec![false; values.len()];
    e_bh(&values, values.len(), WRONG).into_iter().for_each(|i| out[i] = true);
    out
}

#[cfg(test)]
mod tests {
    use super::super::{DayFacts, Stream, judge};
    use super::*;
    use crate::model::alert::{Gates, Phase, Signal, State};
    use crate::model::segment::Segment;

    fn rule(signal: Signal) -> Rule {
        Rule {
            signal,
            segments: vec![vec!["rep".to_owned()]],
            streams: 1,
            false_alarms_a_year: 12,
            phase: Phase::None,
            baseline_days: 84,
            baseline_from: None,
            gates: Gates { min_n: 20, min_baseline: 100, effect_percent: 15 },
        }
    }

    fn days(facts: &[(i32, DayFacts)]) -> Days<'_> {
        Days { facts, closed: 100, floor: i32::MIN, doubtful: &[] }
    }

    /// Two closings a day, of which every `nth` day has one more win.
    fn stream(nth: i32) -> Vec<(i32, DayFacts)> {
        let hits = |d: i32| 1 + u64::from(d % nth == 0);
        (0..100).map(|d| (d, DayFacts { n: 3, hits: hits(d), ..DayFacts::default() })).collect()
    }

    #[test]
    fn a_baseline_is_pulled_by_as_much_as_siblings_agree() {
        let rule = rule(Signal::WinRate);
        let streams: Vec<_> = [2, 3, 4, 5, 6].map(stream).to_vec();
        let all: Vec<Own> = streams.iter().map(|facts| own(&rule, days(facts)).unwrap()).collect();
        assert_eq!(prior(Kind::Proportion, &all[..4]), None, "four say nothing of a fifth");
        let prior = prior(Kind::Proportion, &all).unwrap();
        let value = |prior: Option<Prior>, facts: &[(i32, DayFacts)]| {
            let segment = Segment::of([("rep", "a")]);
            let said = judge(&rule, &segment, days(facts), prior, &mut Stream::default());
            assert_eq!(said.reading.state, State::Inactive);
            said.reading.baseline.unwrap().figure.value.unwrap()
        };
        let (alone, pulled) = (value(None, &streams[0]), value(Some(prior), &streams[0]));
        assert!((alone - 0.5).abs() < 1e-9, "{alone}");
        let Prior::Proportion(mean, _) = prior else { panic!("{prior:?}") };
        assert!(mean < pulled && pulled < alone - 0.02, "{mean} {pulled} {alone}");
    }

    #[test]
    fn durations_are_pulled_too_and_counts_are_not() {
        let rule_of_days = rule(Signal::CycleLength);
        let stream = |days: f64| -> Vec<(i32, DayFacts)> {
            let ln = [days * 0.5, days, days * 2.0].map(f64::ln_1p);
            let squares = ln.iter().map(|x| x * x).sum();
            let facts = DayFacts { n: 3, hits: 0, sum: ln.iter().sum(), squares };
            (0..100).map(|d| (d, facts)).collect()
        };
        let streams: Vec<_> = [20.0, 21.0, 22.0, 23.0, 28.0].map(stream).to_vec();
        let all: Vec<Own> =
            streams.iter().map(|facts| own(&rule_of_days, days(facts)).unwrap()).collect();
        let prior = prior(Kind::Duration, &all);
        let value = |prior| {
            let segment = Segment::of([("rep", "a")]);
            let said =
                judge(&rule_of_days, &segment, days(&streams[4]), prior, &mut Stream::default());
            said.reading.baseline.unwrap().figure.value.unwrap()
        };
        assert!(value(prior) < value(None) - 0.2, "{} {}", value(prior), value(None));
        assert_eq!(own(&rule(Signal::LeadsCreated), days(&streams[0])), None);
    }

    #[test]
    fn what_is_believed_of_one_depends_on_how_many_were_looked_at() {
        let enough = 2.0 * PATIENCE;
        assert_eq!(believed(&[enough]), [true]);
        assert_eq!(believed(&[enough, 0.0]), [false, false]);
        assert_eq!(believed(&[enough, enough]), [true, true]);
    }
}
