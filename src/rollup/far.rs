//! What windows are compared with from afar: sums over any days of the past.

use super::moving::Moving;
use super::segment::SegmentState;
use super::tally::Tally;
use super::totals::DayWindows;
use crate::model::fx;
use crate::model::measure::Measures;
use crate::model::reads::Reads;
use crate::model::slice::{Slice, Tier};
use crate::model::window::SliceRange;

impl SegmentState {
    /// Notes what windows are compared with from afar, and marks those that are compared with the day.
    pub(super) fn remember(
        &mut self,
        day: i32,
        flow: &Measures,
        (moving, windows, reads): (&[Moving], &DayWindows, &Reads),
    ) {
        let mut any = false;
        for (key, n) in flow.entries().iter().filter(|(key, _)| reads.far(key.measure)) {
            any = true;
            self.past.entry(*key).or_default().add(day, *n);
        }
        if !any {
            return;
        }
        for ((_, totals), windows) in self.calendar.iter_mut().zip(&windows.spans) {
            for start in windows.far.into_iter().flatten() {
                totals.entry(start.0).and_modify(|total| total.change(true));
            }
        }
        for (total, window) in self.moving.iter_mut().zip(moving) {
            let slice = Slice { tier: Tier::Day, index: day };
            if window.shown && window.far.iter().flatten().any(|range| range.contains(slice)) {
                total.change(true);
            }
        }
        self.dirty = true;
    }

    /// The sums over days that a window is compared with from afar.
    pub fn past(&self, range: SliceRange) -> Measures {
        let sum = |tally: &Tally| tally.between(range.lo, range.hi - 1);
        let sums = self.past.iter().map(|(key, tally)| (*key, sum(tally))).collect();
        let mut out = Measures::new();
        fx::plus(&mut out, &sums, self.definition.currency);
        out
    }
}
