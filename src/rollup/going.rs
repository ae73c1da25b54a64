//! What goes out of a segment: what a shard took back, and what is out of retention.

use super::moving::Moving;
use super::segment::{SegmentState, converted, negated};
use super::totals::DayWindows;
use crate::model::measure::Measures;
use crate::model::reads::Reads;
use crate::model::slice::{Slice, Tier};
use crate::model::time::Day;
use crate::model::window::Period;

impl SegmentState {
    /// Takes back what a shard published below a version, as if it had published nothing instead.
    pub fn supersede(
        &mut self,
        shard: u32,
        first: u64,
        (moving, periods, reads): (&[Moving], &[Period], &Reads),
        today: Day,
    ) {
        let old: Vec<Slice> = self
            .cells
            .iter()
            .filter(|(_, cell)| cell.version(shard).is_some_and(|v| v < first))
            .map(|(slice, _)| *slice)
            .collect();
        let mut windows = DayWindows::default();
        for slice in old {
            windows.turn_to(slice.index, periods);
            let at = (moving, &windows, reads);
            self.merge(slice, (shard, first), Measures::new(), at, today);
        }
    }

    /// Forgets a shard's value of a slice that fell out of retention. Calendar windows keep the flows
    /// that they hold; a moving window that still reaches there follows its cells. What lasts is not
    /// forgotten for its age: where it goes, it was taken back.
    pub fn forget(
        &mut self,
        shard: u32,
        slice: Slice,
        (moving, reads): (&[Moving], &Reads),
        today: Day,
    ) {
        let Some(cell) = self.cells.get_mut(&slice) else {
            return;
        };
        let mut held = cell.forget(shard);
        if cell.is_empty() {
            self.cells.remove(&slice);
        }
        let buyers = held.take_buyers();
        held.drop_sizes();
        if !buyers.is_zero() {
            self.count_customers(slice, &negated(&buyers), moving);
        }
        let (flow, stock) = held.split_stock();
        let is_day = slice.tier == Tier::Day;
        if is_day && !stock.is_zero() {
            self.move_stock(slice.index, &negated(&stock), (moving, reads), today);
        }
        let own = self.definition.currency;
        let definition = self.definition.clone();
        let flow = converted(&definition, self.zone, slice, &flow);
        let gone = negated(&flow);
        if is_day {
            self.park(&gone);
            let mut windows = DayWindows::default();
            windows.turn_to(slice.index, &self.calendar.keys().copied().collect::<Vec<_>>());
            self.remember(slice.index, &gone, (moving, &windows, reads));
            if self.spend(slice.index, &gone) || !buyers.is_zero() {
                self.stands_anew(slice, true, moving, today);
            }
        }
        let compared = reads.compared_of(&gone);
        for (total, window) in self.moving.iter_mut().zip(moving) {
            if window.range.contains(slice) {
                total.flow.plus(if window.shown { &gone } else { &compared }, own);
                total.change(true);
                self.dirty = true;
            }
        }
    }

    /// Drops windows that begin before the first day kept: they can no longer be amended whole.
    pub fn retire(&mut self, day_floor: i32) {
        self.floor = self.floor.max(day_floor);
        for totals in self.calendar.values_mut() {
            *totals = totals.split_off(&self.floor);
        }
    }
}
