//! Randomness as a pure function of (seed, stream, number, step).
//!
//! Nobody hands a generator around: each step of each entity has dice of its own, cut from a
//! ChaCha8 key stream by position. So an entity's fate does not depend on what others did before.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Whose dice.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    LeadBirths = 0,
    DealBirths = 1,
    Lead = 2,
    Deal = 3,
    Cast = 4,
    Beside = 5,
}

/// Source of all dice of a world.
pub(super) struct Fate(ChaCha8Rng);

/// Randomness for one step.
pub(super) struct Dice(ChaCha8Rng);

impl Fate {
    pub(super) fn new(seed: u64) -> Fate {
        Fate(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(super) fn dice(&self, stream: Stream, number: u64, step: u64) -> Dice {
        let mut rng = self.0.clone();
        rng.set_stream(number << 3 | stream as u64);
        // A step draws far fewer than 4,096 words, so steps never share a word.
        rng.set_word_pos(u128::from(step) << 12);
        Dice(rng)
    }
}

impl Dice {
    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        self.0.random()
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Uniform in [low, high).
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform whole number below `n`; 0 for `n` = 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n.saturating_sub(1))
    }

    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Standard normal (Box–Muller; the second value is not used, to keep no state).
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    pub(super) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    pub(super) fn log_uniform(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.unit())
    }

    /// An index, by running totals of weights.
    pub(super) fn pick(&mut self, totals: &[f64]) -> usize {
        let at = self.unit() * totals.last().copied().unwrap_or(0.0);
        totals.partition_point(|total| *total <= at).min(totals.len().saturating_sub(1))
    }
}

/// Running totals of weights, for [`Dice::pick`].
pub(super) fn totals(weights: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sum = 0.0;
    weights
        .into_iter()
        .map(|weight| {
            sum += weight;
            sum
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_are_a_function_of_their_place_alone() {
        let fate = Fate::new(7);
        let first = fate.dice(Stream::Deal, 3, 1).unit();
        let _ = fate.dice(Stream::Deal, 3, 0).unit();
        assert_eq!(fate.dice(Stream::Deal, 3, 1).unit(), first);
        assert_ne!(fate.dice(Stream::Lead, 3, 1).unit(), first);
        assert_ne!(fate.dice(Stream::Deal, 4, 1).unit(), first);
        assert_ne!(Fate::new(8).dice(Stream::Deal, 3, 1).unit(), first);
    }

    #[test]
    fn picks_follow_the_weights() {
        let mut dice = Fate::new(1).dice(Stream::Cast, 0, 0);
        let totals = totals([1.0, 0.0, 3.0]);
        let mut seen = [0; 3];
        for _ in 0..4000 {
            seen[dice.pick(&totals)] += 1;
        }
        assert_eq!(seen[1], 0);
        assert!((900..1100).contains(&seen[0]), "{seen:?}");
    }
}
