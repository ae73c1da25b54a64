//! Health: what must hold before this process takes traffic.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The reason of a check that nobody has reported on yet.
const STARTING: &str = "starting";

/// Named checks. Ready means that all of them hold; a check that was declared and never set fails.
#[derive(Debug, Default)]
pub struct Health {
    checks: Mutex<BTreeMap<String, Result<(), String>>>,
    notes: Mutex<BTreeMap<String, Result<(), String>>>,
}

impl Health {
    /// Checks that must be reported before the process is ready.
    pub fn new<N: Into<String>>(declared: impl IntoIterator<Item = N>) -> Health {
        let starting = |name: N| (name.into(), Err(STARTING.to_owned()));
        let checks = Mutex::new(declared.into_iter().map(starting).collect());
        Health { checks, notes: Mutex::default() }
    }

    /// Reports on a check; an unknown name declares it.
    pub fn set(&self, name: &str, state: Result<(), String>) {
        lock(&self.checks).insert(name.to_owned(), state);
    }

    /// Reports on what people should know of, and what is no reason not to be ready.
    pub fn tell(&self, name: &str, state: Result<(), String>) {
        lock(&self.notes).insert(name.to_owned(), state);
    }

    /// Takes a check back, for a part that this process no longer owns.
    pub fn remove(&self, name: &str) {
        lock(&self.checks).remove(name);
    }

    /// Whether every check holds.
    pub fn ready(&self) -> bool {
        lock(&self.checks).values().all(Result::is_ok)
    }

    /// All checks, by name.
    pub fn checks(&self) -> Vec<(String, Result<(), String>)> {
        lock(&self.checks).iter().map(|(name, state)| (name.clone(), state.clone())).collect()
    }

    /// What else was reported, by name.
    pub fn notes(&self) -> Vec<(String, Result<(), String>)> {
        lock(&self.notes).iter().map(|(name, state)| (name.clone(), state.clone())).collect()
    }
}

fn lock(
    of: &Mutex<BTreeMap<String, Result<(), String>>>,
) -> MutexGuard<'_, BTreeMap<String, Result<(), String>>> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_all_declared_checks() {
        let health = Health::new(["ledger", "rollup"]);
        assert!(!health.ready());
        health.set("ledger", Ok(()));
        assert!(!health.ready());
        health.set("rollup", Ok(()));
        assert!(health.ready());
        health.set("shard 3", Err("log was trimmed".to_owned()));
        assert!(!health.ready());
        health.remove("shard 3");
        assert!(health.ready());
        health.tell("hooks pay.raw", Err("no leader".to_owned()));
        assert!(health.ready() && health.notes()[0].1.is_err());
    }
}
