//! The only reader of the clock.
//!
//! Everything else takes the time as a value or as a function, so that folds stay pure and tests
//! name the time they run at. `clippy.toml` denies the standard readers everywhere but here.

#![expect(clippy::disallowed_methods, reason = "the only reader of the clock")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic clock, for deadlines and durations.
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The wall clock, milliseconds since 1970; negative on a machine set before that.
pub fn wall_ms() -> i64 {
    let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => millis(after),
        Err(before) => -millis(before.duration()),
    }
}

/// How long ago a moment of the monotonic clock was.
pub fn since(moment: Instant) -> Duration {
    monotonic().saturating_duration_since(moment)
}
