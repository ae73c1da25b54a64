//! A partition of the alerts topic, and what a receiver heard of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::log::{Offset, Position};
use crate::model::time::Timestamp;
use crate::notify::Outbox;

/// How long no judgment may follow until one of the past is told of.
const STANDS: Duration = Duration::from_secs(300);

/// A partition, as far as a receiver heard of it.
pub(super) struct Part {
    pub(super) outbox: Outbox,
    /// Behind the last record taken.
    pub(super) next: Position,
    pub(super) committed: Option<Offset>,
    /// What was tried in vain, and since when.
    pub(super) failing: BTreeMap<Offset, Instant>,
    /// Of a receiver that is new: how far judgments were, and since when they are that far.
    pub(super) catches_up: Option<(Option<Timestamp>, Instant)>,
}

impl Part {
    /// Years of history are read one judgment behind the other, and what is open in one of them may be
    /// over in the next. Where none follows for a while, what stands is told as it stands.
    pub(super) fn catch_up(&mut self, since: Timestamp, now: Instant) {
        let Some((judged_to, moved)) = &mut self.catches_up else { return };
        if *judged_to != self.outbox.judged_to() {
            (*judged_to, *moved) = (self.outbox.judged_to(), now);
        }
        let behind = judged_to.is_some_and(|at| at < since);
        let so = behind && now.saturating_duration_since(*moved) < STANDS;
        self.outbox.catches_up(so);
        if !behind && judged_to.is_some() {
            self.catches_up = None;
        }
    }
}
