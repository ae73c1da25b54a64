//! What is told of readiness, and of who owns what.

use super::{Stage, Telemetry, clip};

impl Telemetry {
    /// Whether a check of `/readyz` holds.
    pub fn ready(&self, check: &str, holds: bool) {
        self.metrics.ready.with_label_values(&[clip(check)]).set(f64::from(u8::from(holds)));
    }

    /// What the process was configured with, as hashes: `Definition::hash`, `reference_hash` and `Kin::judging`.
    pub fn configured(&self, definition: u64, reference: u64, drift: u64) {
        let hashes = [definition, reference, drift].map(|hash| format!("{hash:016x}"));
        self.metrics.config_info.with_label_values(&hashes).set(1.0);
    }

    /// How many parts a stage has over all processes. With the parts that each process tells of it
    /// shows which have no owner.
    pub fn parts(&self, stage: Stage, parts: u32) {
        self.metrics.parts.with_label_values(&[stage.as_str()]).set(f64::from(parts));
    }
}
