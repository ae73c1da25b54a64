//! The circuit breaker of a source partition: a source that sends nothing but what is no event (a
//! bad deployment, a changed schema) must stop, and not be emptied into the dead letters.

use std::collections::VecDeque;

/// When a breaker trips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerLimits {
    /// So many bad records in a row; 0 is never.
    pub in_a_row: u32,
    /// More than so many hundredths of the last [`BreakerLimits::window`] records; 100 is never.
    pub percent: u32,
    /// How many records the share is of. Nothing is said of it before so many were seen.
    pub window: u32,
}

/// The records of one partition as good or bad, since it was assigned.
#[derive(Clone, Debug)]
pub struct Breaker {
    limits: BreakerLimits,
    row: u32,
    recent: VecDeque<bool>,
    bad: u32,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(limits: BreakerLimits) -> Breaker {
        Breaker { limits, row: 0, recent: VecDeque::new(), bad: 0 }
    }

    /// Takes the next record; says why it trips, if it does.
    pub fn judge(&mut self, is_bad: bool) -> Option<String> {
        let BreakerLimits { in_a_row, percent, window } = self.limits;
        self.row = if is_bad { self.row + 1 } else { 0 };
        self.recent.push_back(is_bad);
        self.bad += u32::from(is_bad);
        while self.recent.len() > window as usize {
            self.bad -= u32::from(self.recent.pop_front() == Some(true));
        }
        if in_a_row > 0 && self.row >= in_a_row {
            return Some(format!("{} records in a row are no events", self.row));
        }
        let whole = self.recent.len() == window as usize;
        let share = u64::from(self.bad) * 100;
        if is_bad && whole && share > u64::from(percent) * u64::from(window) {
            return Some(format!("{} of the last {window} records are no events", self.bad));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trips(limits: BreakerLimits, records: impl IntoIterator<Item = bool>) -> Option<usize> {
        let mut breaker = Breaker::new(limits);
        records.into_iter().position(|bad| breaker.judge(bad).is_some())
    }

    #[test]
    fn so_many_in_a_row_trip_it() {
        let limits = BreakerLimits { in_a_row: 3, percent: 100, window: 10 };
        assert_eq!(trips(limits, [true, true, false, true, true, true, true]), Some(5));
        assert_eq!(trips(limits, [true, true, false].into_iter().cycle().take(99)), None);
        let never = BreakerLimits { in_a_row: 0, ..limits };
        assert_eq!(trips(never, [true; 99]), None);
    }

    #[test]
    fn a_share_of_a_whole_window_trips_it() {
        let limits = BreakerLimits { in_a_row: 0, percent: 50, window: 4 };
        // Half is not more than half, and the first ones are no window yet.
        assert_eq!(trips(limits, [true, true, false, false].into_iter().cycle().take(99)), None);
        assert_eq!(trips(limits, [true, true, true, false, true]), Some(4));
        // What left the window counts no more.
        assert_eq!(trips(limits, [true, true, false, false, false, true, true, false]), None);
    }
}
