//! When an Alertmanager is told again of what is open: once a minute, in one request or in as many as
//! it takes. One that it refuses is divided until it is known which alert it does not want, so that one
//! bad alert does not end all others.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Time between two times that Alertmanager is told what is open.
pub const RENEW: Duration = Duration::from_secs(60);
/// The same behind one that failed.
const AGAIN: Duration = Duration::from_secs(15);

/// So many refusals in a row find one bad alert among many. Who refuses more, and took nothing in a
/// round, is asked less and less often.
const IN_A_ROW: u32 = 10;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    /// It has it.
    Taken,
    /// It does not want it.
    Refused,
    /// It may take it later.
    Failed,
}

/// How the rounds of renewals go.
#[derive(Debug)]
pub struct Renewal {
    next: Instant,
    /// What is to be told in this round, of what is open. Halves of what was refused come last, so that
    /// what is taken is told first.
    turns: VecDeque<Range<usize>>,
    /// Most alerts in a request.
    most: usize,
    /// Whether something of this round was not told.
    failed: bool,
    /// Whether something was refused for itself in it, and not for its size.
    found: bool,
    /// Half of what was too much for it.
    half: Option<usize>,
    /// Whether something of this round was taken, and what was refused until then.
    taken: bool,
    refusals: u32,
    /// Of a round that is over: whether something was taken.
    over: Option<bool>,
}

impl Renewal {
    /// Due at once.
    pub fn new(now: Instant) -> Renewal {
        let (turns, most, failed, found) = (VecDeque::new(), usize::MAX, false, false);
        let (half, taken, refusals, over) = (None, false, 0, None);
        Renewal { next: now, turns, most, failed, found, half, taken, refusals, over }
    }

    /// Which of so many open alerts have their turn, if any has.
    pub fn turn(&mut self, open: usize, now: Instant) -> Option<Range<usize>> {
        if now < self.next {
            return None;
        }
        if self.turns.is_empty() {
            let chunk = |at: usize| at..at.saturating_add(self.most).min(open);
            self.turns = (0..open).step_by(self.most).map(chunk).collect();
        }
        // Some may be over since the round began.
        while self.turns.front().is_some_and(|turn| turn.start >= open) {
            self.turns.pop_front();
        }
        let Some(turn) = self.turns.front() else {
            self.end(now);
            return None;
        };
        Some(turn.start..turn.end.min(open))
    }

    /// What became of this turn. Returns whether the next one may come at once though it was refused.
    pub fn went(&mut self, turn: &Range<usize>, now: Instant, how: Went) -> bool {
        self.turns.pop_front();
        let half = turn.len() / 2;
        match how {
            Went::Taken => self.taken = true,
            Went::Refused if half == 0 => (self.failed, self.found) = (true, true),
            Went::Refused => {
                let middle = turn.start + half;
                self.turns.extend([turn.start..middle, middle..turn.end]);
                self.half = Some(self.half.map_or(half, |least| least.min(half)));
            }
            Went::Failed => (self.failed, self.half) = (true, Some(half.max(1))),
        }
        self.refusals += u32::from(how == Went::Refused);
        let goes_on = how == Went::Refused && (self.taken || self.refusals < IN_A_ROW);
        if self.turns.is_empty() {
            self.end(now);
        }
        goes_on
    }

    /// Whether something of a round was taken, where one is over since this was asked.
    pub fn over(&mut self) -> Option<bool> {
        self.over.take()
    }

    /// A round is over.
    fn end(&mut self, now: Instant) {
        let (failed, found) = (std::mem::take(&mut self.failed), std::mem::take(&mut self.found));
        self.most = match self.half.take() {
            None => self.most.saturating_mul(2),
            Some(half) if !found => half,
            Some(_) => self.most,
        };
        (self.over, self.taken, self.refusals) = (Some(self.taken), false, 0);
        // It ends what it is not told of in time.
        self.next = now + if failed { AGAIN } else { RENEW };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    /// A round: what it was asked, and whether it took that.
    fn round(
        renewal: &mut Renewal,
        open: usize,
        now: Instant,
        answer: impl Fn(&Range<usize>) -> Went,
    ) -> Vec<(Range<usize>, Went)> {
        let mut asked = Vec::new();
        while let Some(turn) = renewal.turn(open, now) {
            let how = answer(&turn);
            renewal.went(&turn, now, how);
            asked.push((turn, how));
        }
        asked
    }

    fn taken(asked: &[(Range<usize>, Went)]) -> Vec<usize> {
        let mut told: Vec<usize> = asked
            .iter()
            .filter(|(_, how)| *how == Went::Taken)
            .flat_map(|(turn, _)| turn.clone())
            .collect();
        told.sort_unstable();
        told
    }

    #[test]
    fn a_bad_alert_is_found_in_one_round_and_the_others_are_told_in_that_round() {
        let mut now = monotonic();
        let mut renewal = Renewal::new(now);
        assert_eq!(renewal.turn(0, now), None);
        assert_eq!(renewal.turn(8, now), None, "it was just told");
        let answer = |bad: usize| {
            move |turn: &Range<usize>| {
                if turn.contains(&bad) { Went::Refused } else { Went::Taken }
            }
        };
        for bad in [5, 0, 7] {
            now += RENEW;
            let asked = round(&mut renewal, 8, now, answer(bad));
            let all: Vec<usize> = (0..8).filter(|i| *i != bad).collect();
            assert_eq!((taken(&asked), asked[0].0.clone(), asked.len()), (all, 0..8, 7));
            // It is tried again soon, and nothing is smaller for it.
            assert_eq!(
                (renewal.turn(8, now + AGAIN / 2), renewal.turn(8, now + AGAIN)),
                (None, Some(0..8))
            );
            renewal.turns.clear();
            assert_eq!(renewal.over(), Some(true));
        }
        now += RENEW;
        assert_eq!(round(&mut renewal, 8, now, answer(9)), [(0..8, Went::Taken)]);
        assert_eq!(renewal.turn(8, now + AGAIN), None);
        assert_eq!(renewal.turn(8, now + RENEW), Some(0..8));
    }

    #[test]
    fn what_is_too_much_is_told_in_smaller_parts_and_what_gets_no_answer_as_well() {
        for not_taken in [Went::Refused, Went::Failed] {
            let mut now = monotonic();
            let mut renewal = Renewal::new(now);
            let answer = |turn: &Range<usize>| if turn.len() > 3 { not_taken } else { Went::Taken };
            let mut rounds = Vec::new();
            for _ in 0..4 {
                rounds.push(round(&mut renewal, 10, now, answer).len());
                now += RENEW;
            }
            let refused = not_taken == Went::Refused;
            assert_eq!(rounds, if refused { vec![7, 5, 7, 5] } else { vec![1, 2, 5, 3] });
        }
    }

    #[test]
    fn who_refuses_everything_is_asked_with_pauses_and_nothing_was_taken() {
        let now = monotonic();
        let mut renewal = Renewal::new(now);
        let mut goes_on = Vec::new();
        while let Some(turn) = renewal.turn(16, now) {
            goes_on.push(renewal.went(&turn, now, Went::Refused));
        }
        let at_once = goes_on.iter().take_while(|on| **on).count();
        assert_eq!((goes_on.len(), at_once), (31, IN_A_ROW as usize - 1));
        assert!(goes_on[at_once..].iter().all(|on| !on));
        assert_eq!((renewal.over(), renewal.over()), (Some(false), None));
        assert_eq!(round(&mut renewal, 16, now + AGAIN, |_| Went::Taken), [(0..16, Went::Taken)]);
    }

    #[test]
    fn what_is_over_in_the_midst_of_a_round_has_no_turn() {
        let now = monotonic();
        let mut renewal = Renewal::new(now);
        assert_eq!(renewal.turn(8, now), Some(0..8));
        renewal.went(&(0..8), now, Went::Refused);
        assert_eq!(renewal.turn(3, now), Some(0..3));
        renewal.went(&(0..3), now, Went::Taken);
        assert_eq!(renewal.turn(3, now), None);
        assert_eq!(renewal.turn(3, now + RENEW), Some(0..3), "a round of its own");
    }
}
