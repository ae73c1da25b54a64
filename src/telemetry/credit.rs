//! What is told of amounts and whom they are credited to.

use super::{Telemetry, clip};

impl Telemetry {
    /// Amounts of a rollup partition that no rate converts.
    pub fn unconverted(&self, part: &str, n: i128) {
        self.metrics.unconverted.with_label_values(&[clip(part)]).set(n as f64);
    }
}
