//! What is told of amounts, and of what they should be.

use super::{Telemetry, clip};

impl Telemetry {
    /// Amounts of a rollup partition that no rate converts.
    pub fn unconverted(&self, part: &str, n: i128) {
        self.metrics.unconverted.with_label_values(&[clip(part)]).set(n as f64);
    }

    /// How many records of the targets topic hold, and the keys of which the newest one is no target.
    pub fn target_records(&self, held: usize, refused: usize) {
        for (state, n) in [("held", held), ("refused", refused)] {
            self.metrics.target_records.with_label_values(&[state]).set(n as f64);
        }
    }

    /// How many targets have no value for the current period.
    pub fn targets_stale(&self, targets: usize) {
        self.metrics.targets_stale.with_label_values::<&str>(&[]).set(targets as f64);
    }
}
