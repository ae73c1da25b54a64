//! Drift alerts on the counters.

use super::Telemetry;

impl Telemetry {
    /// An alert was written, in this state.
    pub fn alert_published(&self, state: &str) {
        self.metrics.alerts_published.with_label_values(&[state]).inc();
    }

    /// Whether drift is judged here.
    pub fn drift_judging(&self, judging: bool) {
        let value = if judging { 1.0 } else { 0.0 };
        self.metrics.drift_judging.with_label_values::<&str>(&[]).set(value);
    }
}
