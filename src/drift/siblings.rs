//! Siblings: streams of one family. What few cases say of one is pulled towards what all say, and
//! what is believed of one depends on how many were looked at.

use super::baseline::Baseline;
use super::judge::Days;
use super::many::e_bh;
use super::shrink;
use crate::model::alert::{Kind, Rule};

/// From so many siblings with a baseline on it can be told how far they differ.
const ENOUGH: usize = 5;
/// Looks over which evidence of a stream may be waited for: a sum of it that grew for no longer is
/// divided by so many, so that it is one on average while nothing has changed.
const PATIENCE: u32 = 365;
/// The share of the streams that are believed which may be wrong, on average.
const WRONG: f64 = 0.5;

/// What the baseline of a stream says by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Own {
    /// The first day behind the baseline.
    to: i32,
    n: u64,
    /// Hits, or the mean of the logarithms.
    value: f64,
    /// Of durations and amounts: the variance of one.
    variance: f64,
}

/// What the siblings of a stream say of it before it says anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prior {
    /// Mean of a proportion, and how many cases that is worth.
    Proportion(f64, f64),
    /// Mean of logarithms, and the variance between siblings.
    Logarithm(f64, f64),
}

/// What a stream says for its siblings; `None` where it has no baseline, or is a count: volumes of
/// siblings are not alike. `None` too where the first day of baselines is not stated: then siblings
/// lose theirs one by one, and what one says must not hang on whether another is still kept.
pub fn own(rule: &Rule, days: Days<'_>) -> Option<Own> {
    rule.baseline_from?;
    let baseline = days.baseline(rule)?;
    let (to, all) = (baseline.to, baseline.all);
    let n = all.facts.n;
    match rule.signal.kind() {
        Kind::Proportion => Some(Own { to, n, value: all.facts.hits as f64, variance: 0.0 }),
        Kind::Duration | Kind::Amount => {
            let (count, sum) = (n as f64, all.facts.sum);
            let variance = (all.facts.squares - sum * sum / count) / (count - 1.0).max(1.0);
            Some(Own { to, n, value: sum / count, variance: variance.max(0.0) })
        }
        Kind::Count => None,
    }
}

/// What siblings, itself among them, say of one before it says anything; `None` where they are too
/// few. Only those count whose baseline ended no later than its own: what comes later moves no
/// baseline that is frozen.
pub fn prior(kind: Kind, of: &Own, siblings: &[Own]) -> Option<Prior> {
    let siblings: Vec<Own> = siblings.iter().filter(|own| own.to <= of.to).copied().collect();
    if siblings.len() < ENOUGH {
        return None;
    }
    match kind {
        Kind::Proportion => {
            let counts: Vec<_> = siblings.iter().map(|own| (own.value as u64, own.n)).collect();
            shrink::beta_prior(&counts).map(|(mean, worth)| Prior::Proportion(mean, worth))
        }
        Kind::Duration | Kind::Amount => {
            let cases = siblings.iter().map(|own| own.n as f64).sum::<f64>();
            let spread = siblings.iter().map(|own| own.n as f64 * own.variance).sum::<f64>();
            let means: Vec<_> = siblings.iter().map(|own| (own.n, own.value)).collect();
            let (all, between) = shrink::between(&means, spread / cases)?;
            Some(Prior::Logarithm(all, between))
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
            Prior::Logarithm(all, between) => {
                let facts = baseline.all.facts;
                let own = facts.sum / facts.n as f64;
                let variance = baseline.variance();
                let keep = between / (between + variance / facts.n as f64);
                baseline.move_to(all + if keep.is_finite() { keep } else { 1.0 } * (own - all));
            }
        }
    }
}

/// What a sum of evidence is worth that has grown by one a look, on average, for so many looks.
pub(super) fn e_value(sum: f64, looks: u32) -> f64 {
    sum / f64::from(looks.max(PATIENCE))
}

/// Which of siblings to believe, by place, from their evidence ([`super::Verdict::evidence`]): of
/// those believed at most about half are wrong, on average, whatever they have in common.
pub fn believed(values: &[f64]) -> Vec<bool> {
    let mut out = vec![false; values.len()];
    e_bh(values, values.len(), WRONG).into_iter().for_each(|i| out[i] = true);
    out
}

#[cfg(test)]
mod tests {
    use super::super::{DayFacts, Stream, judge};
    use super::*;
    use crate::model::alert::{Gates, Phase, Signal, State};
    use crate::model::segment::Segment;
    use crate::model::time::Day;

    fn rule(signal: Signal) -> Rule {
        Rule {
            signal,
            segments: vec![vec!["rep".to_owned()]],
            streams: 1,
            false_alarms_a_year: 12,
            phase: Phase::None,
            baseline_days: 84,
            baseline_from: Some(Day(0)),
            gates: Gates { min_n: 20, min_baseline: 100, effect_percent: 15 },
            chart: Default::default(),
            interval: Default::default(),
            currency: crate::model::money::Currency::parse("EUR").unwrap(),
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
        assert_eq!(
            prior(Kind::Proportion, &all[0], &all[..4]),
            None,
            "four say nothing of a fifth"
        );
        let later = all.iter().enumerate().map(|(i, own)| Own { to: own.to + i as i32, ..*own });
        let later: Vec<Own> = later.collect();
        assert_eq!(
            prior(Kind::Proportion, &later[0], &later),
            None,
            "of the first one no other is"
        );
        assert!(prior(Kind::Proportion, &later[4], &later).is_some());
        let stated_no_first = Rule { baseline_from: None, ..rule.clone() };
        assert_eq!(own(&stated_no_first, days(&streams[0])), None);
        let prior = prior(Kind::Proportion, &all[0], &all).unwrap();
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
            let facts =
                DayFacts { n: 3, hits: 0, sum: ln.iter().sum(), squares, ..DayFacts::default() };
            (0..100).map(|d| (d, facts)).collect()
        };
        let streams: Vec<_> = [20.0, 21.0, 22.0, 23.0, 28.0].map(stream).to_vec();
        let all: Vec<Own> =
            streams.iter().map(|facts| own(&rule_of_days, days(facts)).unwrap()).collect();
        // Of 84 times three logarithms.
        let ln = [10.0, 20.0, 40.0].map(f64::ln_1p);
        let mean = ln.iter().sum::<f64>() / 3.0;
        let variance = 84.0 * ln.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 251.0;
        assert!((all[0].variance / variance - 1.0).abs() < 1e-9, "{:?}", all[0]);
        let prior = prior(Kind::Duration, &all[4], &all);
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
        let enough = e_value(2.0 * 365.0, 100);
        assert_eq!(e_value(730.0, 730), 1.0, "what grew for longer is worth less");
        assert_eq!(believed(&[enough]), [true]);
        assert_eq!(believed(&[enough, 0.0]), [false, false]);
        assert_eq!(believed(&[enough, enough]), [true, true]);
    }
}
