//! What the webhook receiver counts.

use std::time::Duration;

use super::{Telemetry, clip};

impl Telemetry {
    /// A request of the webhook receiver, and what became of it. Endpoints are configured, so that
    /// nobody can mint one.
    pub fn hook_request(&self, endpoint: &str, outcome: &str) {
        self.metrics.hook_requests.with_label_values(&[clip(endpoint), outcome]).inc();
    }

    /// How long the answer to a webhook took.
    pub fn hook_took(&self, took: Duration) {
        self.metrics.hook_seconds.observe(took.as_secs_f64());
    }

    /// Bytes of authentic webhooks.
    pub fn hook_bytes(&self, endpoint: &str, bytes: u64) {
        self.metrics.hook_bytes.with_label_values(&[clip(endpoint)]).inc_by(bytes);
    }

    /// Webhooks that wait for the log.
    pub fn hook_waiting(&self, n: usize) {
        self.metrics.hook_waiting.with_label_values::<&str>(&[]).set(n as f64);
    }

    /// Whether a topic takes webhooks, and how many of its partitions do not.
    pub fn hook_topic(&self, topic: &str, takes: bool, sick: usize) {
        let topic = clip(topic);
        self.metrics.hook_topic.with_label_values(&[topic]).set(f64::from(u8::from(takes)));
        self.metrics.hook_partitions.with_label_values(&[topic]).set(sick as f64);
    }
}
