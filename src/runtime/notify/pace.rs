//! When a receiver that failed is tried again: soon, then less and less often.

use std::time::{Duration, Instant};

use crate::log::Offset;

/// First and longest pause.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Longest pause that a receiver may ask for.
const ASKED: Duration = Duration::from_secs(3_600);

/// How a receiver did of late.
#[derive(Debug, Default)]
pub struct Pace {
    failures: u32,
    again: Option<Instant>,
    /// Whether the last failure was a refusal.
    refused: bool,
    /// What is refused, and how often.
    refusals: Option<((u32, Offset), u32)>,
}

impl Pace {
    /// Whether it may be tried.
    pub fn is_open(&self, now: Instant) -> bool {
        self.again.is_none_or(|again| again <= now)
    }

    /// Whether it did not fail since it last took something.
    pub fn is_well(&self) -> bool {
        self.failures == 0
    }

    /// Whether the last failure was a refusal.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// It took something. Returns whether that is news. What it refuses it may refuse still.
    pub fn worked(&mut self) -> bool {
        let (failed, refusals) = (self.failures > 0, self.refusals.take());
        *self = Pace { refusals, ..Pace::default() };
        failed
    }

    /// It failed: it is tried again after a pause, or when it says. Returns whether that is news.
    pub fn failed(&mut self, now: Instant, after: Option<Duration>, refused: bool) -> bool {
        let pause = PAUSES.0 * 2_u32.pow(self.failures.min(6));
        let pause = after.map_or(pause.min(PAUSES.1), |asked| asked.clamp(PAUSES.0, ASKED));
        self.again = Some(now + pause);
        self.failures = self.failures.saturating_add(1);
        self.refused = refused;
        self.failures == 1
    }

    /// How often this was refused, with the last time; 0 where it failed otherwise.
    pub fn refusals(&mut self, partition: u32, from: Offset) -> u32 {
        if !self.refused {
            return 0;
        }
        let what = (partition, from);
        let before = self.refusals.filter(|(of, _)| *of == what).map_or(0, |(_, n)| n);
        self.refusals = Some((what, before + 1));
        before + 1
    }

    /// What was refused is left out: the next one is tried at once.
    pub fn gave_up(&mut self) {
        self.refusals = None;
        self.go_on();
    }

    /// Something else is tried at once: it answers, and refuses only what it was asked.
    pub fn go_on(&mut self) {
        self.again = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    #[test]
    fn pauses_double_to_a_minute_and_what_is_asked_for_holds() {
        let now = monotonic();
        let mut pace = Pace::default();
        let mut seconds = Vec::new();
        for _ in 0..9 {
            pace.failed(now, None, false);
            seconds.push((pace.again.unwrap() - now).as_secs());
        }
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        pace.failed(now, Some(Duration::from_secs(90)), false);
        assert!(!pace.is_open(now + Duration::from_secs(89)));
        assert!(pace.is_open(now + Duration::from_secs(90)));
        pace.failed(now, Some(Duration::from_secs(90_000)), false);
        assert_eq!(pace.again, Some(now + ASKED));
        assert!(pace.worked() && !pace.worked() && pace.is_open(now));
    }

    #[test]
    fn refusals_are_counted_of_one_thing_and_in_a_row_of_nothing_else() {
        let (now, mut pace) = (monotonic(), Pace::default());
        assert!(pace.failed(now, None, true));
        assert_eq!((pace.refusals(0, Offset(1)), pace.refusals(0, Offset(1))), (1, 2));
        assert_eq!(pace.refusals(1, Offset(1)), 1);
        assert!(!pace.failed(now, None, false));
        assert_eq!(pace.refusals(1, Offset(1)), 0);
        // What it takes in between is something else.
        assert!(pace.worked() && !pace.failed(now, None, true) || pace.refusals(1, Offset(1)) == 2);
    }
}
