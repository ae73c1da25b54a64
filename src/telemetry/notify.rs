//! What is counted of those who are told of drift alerts. Receivers are configured, so that nobody
//! can mint one.

use super::{Telemetry, clip};

impl Telemetry {
    /// A receiver is told from now on: its series begin at 0.
    pub fn notifies(&self, receiver: &str) {
        for outcome in ["delivered", "renewed", "failed", "given_up"] {
            self.metrics.notifications.with_label_values(&[clip(receiver), outcome]);
        }
        self.notify_waiting(receiver, 0);
    }

    /// A message to a receiver, and what became of it.
    pub fn notified(&self, receiver: &str, outcome: &str) {
        self.metrics.notifications.with_label_values(&[clip(receiver), outcome]).inc();
    }

    /// Alerts that wait for a receiver.
    pub fn notify_waiting(&self, receiver: &str, n: usize) {
        self.metrics.notify_waiting.with_label_values(&[clip(receiver)]).set(n as f64);
    }
}
