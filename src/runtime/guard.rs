//! The last line of defense: a fold that breaks an invariant of its own takes down neither the
//! process nor, again and again, its worker.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Context, Fault};
use crate::log::{Offset, Record, TopicPartition};

/// Sees every record before it is folded. Does nothing in production; a simulation panics in it, as
/// a fault of ours in a fold would.
pub type Probe = Arc<dyn Fn(&Record) + Send + Sync>;

/// How often a record may break a fold before it is left out.
const ATTEMPTS: u32 = 2;

/// Most records remembered; more mean that the records are not at fault.
const REMEMBERED: usize = 1_000;

/// Records at which a fold panicked, and how often. Kept beside the workers, which are thrown away
/// when it happens.
#[derive(Debug, Default)]
pub struct Poison(Mutex<BTreeMap<(TopicPartition, Offset), u32>>);

impl Poison {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(TopicPartition, Offset), u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, record: &Record) {
        let mut seen = self.lock();
        let key = (record.topic_partition(), record.offset);
        if seen.len() < REMEMBERED || seen.contains_key(&key) {
            *seen.entry(key).or_default() += 1;
        }
    }

    /// Whether the record broke a fold so often that it must be left out.
    pub fn has_failed(&self, record: &Record) -> bool {
        let seen = self.lock();
        !seen.is_empty()
            && seen.get(&(record.topic_partition(), record.offset)).is_some_and(|n| *n >= ATTEMPTS)
    }
}

/// Folds a record. After a panic the state may be half changed, so the worker has to be thrown
/// away: the fault says so, and the record is remembered.
pub(super) fn guarded<T>(
    context: &Context,
    record: &Record,
    fold: impl FnOnce() -> T,
) -> Result<T, Fault> {
    let folded = catch_unwind(AssertUnwindSafe(|| {
        (context.probe)(record);
        fold()
    }));
    folded.map_err(|_| {
        context.poison.note(record);
        let (partition, offset) = (record.topic_partition(), record.offset);
        Fault::Panicked(format!("folding {partition} at offset {offset} panicked"))
    })
}
