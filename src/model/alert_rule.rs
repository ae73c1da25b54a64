//! A rule of drift: what is watched, and how it is judged.

use super::alert::{ChartKind, IntervalKind, Phase, Signal};
use super::money::Currency;
use super::segment::Segment;
use super::time::Day;

/// What must hold before an alert fires, however strong its evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gates {
    /// Cases since the change.
    pub min_n: u64,
    /// Cases of the baseline.
    pub min_baseline: u64,
    /// Hundredths by which it must have moved from the baseline.
    pub effect_percent: u32,
}

/// A rule: one KPI, watched in the members of some dimension sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What is watched. Of a signal there is a rule for each share of what is tolerated.
    pub signal: Signal,
    /// In which dimension sets.
    pub segments: Vec<Vec<String>>,
    /// How many members they are reckoned to have together.
    pub streams: u64,
    /// False alarms tolerated a year, over all streams.
    pub false_alarms_a_year: u32,
    /// What a day is compared with.
    pub phase: Phase,
    /// Length of the baseline, days.
    pub baseline_days: u32,
    /// First day of the baseline, where it is stated.
    pub baseline_from: Option<Day>,
    /// Gates.
    pub gates: Gates,
    /// Which chart watches durations and amounts.
    pub chart: ChartKind,
    /// How the interval of a ratio is taken.
    pub interval: IntervalKind,
    /// What amounts are told in.
    pub currency: Currency,
}

impl Rule {
    /// A stable hash of all settings that its judgments depend on, but for whom it watches.
    pub fn hash(&self) -> u64 {
        let Rule { signal, segments: _, streams, false_alarms_a_year, phase, .. } = self;
        let Rule { baseline_days, baseline_from, gates, chart, interval, currency, .. } = self;
        let Gates { min_n, min_baseline, effect_percent } = gates;
        let from = baseline_from.map(|day| day.0);
        let text = format!(
            "{} {streams} {false_alarms_a_year} {phase:?} {baseline_days} {from:?} {min_n} \
             {min_baseline} {effect_percent} {chart:?} {interval:?} {currency}",
            signal.as_str()
        );
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }

    /// Whether it watches a segment.
    pub fn watches(&self, segment: &Segment) -> bool {
        let is = |set: &Vec<String>| {
            set.len() == segment.parts.len()
                && set
                    .iter()
                    .zip(&segment.parts)
                    .all(|(name, (dimension, _))| **name == **dimension)
        };
        self.segments.iter().any(is)
    }
}
