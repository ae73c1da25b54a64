//! What keeps the receiver within its limits: bytes held, and requests a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Bytes that may be held at one time.
#[derive(Debug)]
pub struct Budget(AtomicUsize);

impl Budget {
    pub fn of(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget(AtomicUsize::new(bytes)))
    }

    /// Holds nothing yet.
    pub fn hold(self: &Arc<Budget>) -> Held {
        Held { budget: self.clone(), bytes: 0 }
    }
}

/// Bytes held; given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Held {
    /// Takes more; false where there are no more.
    pub fn more(&mut self, bytes: usize) -> bool {
        let take = |left: usize| left.checked_sub(bytes);
        let taken = self.budget.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        self.bytes += if taken { bytes } else { 0 };
        taken
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// A token bucket that holds what one second brings.
#[derive(Debug)]
pub struct Bucket {
    rate: u32,
    /// What is in it, as the time that it took to come.
    saved: Duration,
    since: Instant,
}

impl Bucket {
    pub fn full(rate: u32, now: Instant) -> Bucket {
        Bucket { rate: rate.max(1), saved: Duration::from_secs(1), since: now }
    }

    /// Takes one; false where there is none.
    pub fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since);
        self.since = self.since.max(now);
        self.saved = (self.saved + passed).min(Duration::from_secs(1));
        match self.saved.checked_sub(Duration::from_secs(1) / self.rate) {
            Some(left) => {
                self.saved = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    #[test]
    fn a_bucket_gives_its_rate_and_no_more() {
        let start = monotonic();
        let mut bucket = Bucket::full(10, start);
        let mut taken = |at: u64| {
            let at = start + Duration::from_millis(at);
            (0..100).filter(|_| bucket.take(at)).count()
        };
        assert_eq!([taken(0), taken(0), taken(100), taken(350), taken(350)], [10, 0, 1, 2, 0]);
        assert_eq!(taken(3_600_000), 10, "what is not used is not saved for ever");
        assert_eq!(taken(0), 0, "a timer that stands back gives nothing");
    }

    #[test]
    fn bytes_are_given_back() {
        let budget = Budget::of(10);
        let mut first = budget.hold();
        assert!(first.more(6) && !first.more(5) && first.more(4));
        let mut second = budget.hold();
        assert!(second.more(0) && !second.more(1));
        drop(first);
        assert!(second.more(10));
    }
}
