//! When an Alertmanager is told again of what is open: once a minute, in chunks that shrink where it
//! refuses one, so that one bad alert does not end all others.

use std::ops::Range;
use std::time::{Duration, Instant};

/// Time between two times that Alertmanager is told what is open.
pub const RENEW: Duration = Duration::from_secs(60);
/// The same behind one that failed.
const AGAIN: Duration = Duration::from_secs(15);

/// How the rounds of renewals go.
#[derive(Debug)]
pub struct Renewal {
    next: Instant,
    /// Where the next chunk begins among what is open.
    at: usize,
    /// Most alerts in a chunk.
    most: usize,
    /// Whether a chunk of this round failed.
    failed: bool,
}

impl Renewal {
    /// Due at once.
    pub fn new(now: Instant) -> Renewal {
        Renewal { next: now, at: 0, most: usize::MAX, failed: false }
    }

    /// Which of so many open alerts have their turn, if any has.
    pub fn turn(&mut self, open: usize, now: Instant) -> Option<Range<usize>> {
        if now < self.next {
            return None;
        }
        if open == 0 {
            // What begins to be open was just told.
            (self.at, self.next) = (0, now + RENEW);
            return None;
        }
        let from = if self.at < open { self.at } else { 0 };
        Some(from..from.saturating_add(self.most).min(open))
    }

    /// These of so many were told of, or not.
    pub fn went(&mut self, turn: &Range<usize>, open: usize, now: Instant, well: bool) {
        self.at = turn.end;
        if !well {
            self.failed = true;
            self.most = (turn.len() / 2).max(1);
        }
        if turn.end < open {
            return;
        }
        self.at = 0;
        if std::mem::take(&mut self.failed) {
            // It ends what it is not told of in time.
            self.next = now + AGAIN;
        } else {
            (self.next, self.most) = (now + RENEW, self.most.saturating_mul(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    #[test]
    fn a_round_that_fails_is_repeated_soon_in_halves_and_the_interval_stays() {
        let (mut now, bad) = (monotonic(), 5);
        let mut renewal = Renewal::new(now);
        assert_eq!(renewal.turn(0, now), None);
        assert_eq!(renewal.turn(8, now), None, "it was just told");
        let mut rounds = Vec::new();
        for _ in 0..4 {
            now += RENEW;
            let mut told = Vec::new();
            while let Some(turn) = renewal.turn(8, now) {
                let well = !turn.contains(&bad);
                renewal.went(&turn, 8, now, well);
                told.extend(turn.filter(|_| well));
            }
            rounds.push(told);
        }
        assert_eq!(rounds[0], [0; 0]);
        assert_eq!(rounds[3], [0, 1, 2, 3, 4, 6, 7]);
        assert_eq!(renewal.turn(8, now + AGAIN), Some(0..1));
        // All is well again: one chunk in the end, and a minute between two.
        for _ in 0..9 {
            now += RENEW;
            while let Some(turn) = renewal.turn(8, now) {
                renewal.went(&turn, 8, now, true);
            }
        }
        assert_eq!(renewal.turn(8, now + AGAIN), None);
        assert_eq!(renewal.turn(8, now + RENEW), Some(0..8));
    }
}
