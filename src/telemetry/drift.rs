//! Drift alerts on the counters.

use super::Telemetry;

impl Telemetry {
    /// An alert was written, in this state.
    pub fn alert_published(&self, state: &str) {
        self.metrics.alerts_published.with_label_values(&[state]).inc();
    }
}
