//! Parts that stand still while the others of their stage go on.

use std::collections::BTreeMap;

use super::Context;
use crate::telemetry::Stage;

/// Parts that cannot be proved to agree with the log, and why.
#[derive(Default)]
pub struct Halted(BTreeMap<u32, String>);

impl Halted {
    /// Stops a part, and says so everywhere.
    pub fn halt(&mut self, context: &Context, stage: Stage, part: u32, why: String) {
        tracing::error!(stage = stage.as_str(), part, "stands still: {why}");
        context.telemetry.stopped(stage, &part.to_string());
        self.0.insert(part, why);
    }

    /// Whether a part stands still.
    pub fn holds(&self, part: u32) -> bool {
        self.0.contains_key(&part)
    }

    /// Forgets the parts that are owned no more: whoever owns them finds out.
    pub fn retain(&mut self, context: &Context, stage: Stage, owned: &[u32]) {
        self.0.retain(|part, _| {
            let keep = owned.contains(part);
            if !keep {
                context.telemetry.forget(stage, &part.to_string());
            }
            keep
        });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// For readiness.
    pub fn state(&self) -> Result<(), String> {
        let told: Vec<String> =
            self.0.iter().map(|(part, why)| format!("part {part} stands still: {why}")).collect();
        if told.is_empty() { Ok(()) } else { Err(told.join("; ")) }
    }
}
