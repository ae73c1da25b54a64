//! One segment's windows: running totals, changed by difference only.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::cells::Cells;
use super::customers::Customers;
use super::moving::Moving;
use super::tally::Tally;
use super::totals::{Bought, DayWindows, MovingTotal, Total, Windows};
use crate::model::calendar::Calendar;
use crate::model::definition::Definition;
use crate::model::fx::Fx;
use crate::model::measure::{Measure, MeasureKey, Measures};
use crate::model::money::Currency;
use crate::model::reads::Reads;
use crate::model::row::Pane;
use crate::model::segment::Segment;
use crate::model::slice::{Slice, Tier};
use crate::model::survival;
use crate::model::time::Day;
use crate::model::window::{Period, SliceRange};
use crate::model::zones::ZoneId;

/// A segment's state.
#[derive(Debug)]
pub struct SegmentState {
    /// Which.
    pub segment: Segment,
    /// By which it counts days.
    pub zone: ZoneId,
    pub(super) cells: Cells,
    /// By period, then by first day. From the first window on without a gap (but for days).
    pub calendar: BTreeMap<Period, BTreeMap<i32, Total>>,
    /// By number of the moving window.
    pub moving: Vec<MovingTotal>,
    stock: BTreeMap<i32, Measures>,
    stock_total: Measures,
    /// Whether it ever had a subscription: then past stocks of them are asked for.
    counts_subscriptions: bool,
    /// Who bought when; `None` where no KPI asks.
    pub(super) customers: Option<Box<Customers>>,
    /// Amounts of day slices that no rate converts, by currency.
    parked: BTreeMap<Currency, i128>,
    /// What windows are compared with from afar, by day, as windows hold it.
    pub(super) past: BTreeMap<MeasureKey, Tally>,
    pub(super) definition: Arc<Definition>,
    /// First day still kept: a window that begins before it is no longer whole.
    pub(super) floor: i32,
    /// Something in it waits to be published.
    pub dirty: bool,
}

impl SegmentState {
    /// The next tick looks at its every row.
    pub fn touch(&mut self) {
        let calendar = self.calendar.values_mut().flat_map(|t| t.values_mut());
        calendar.for_each(|total| total.dirty = true);
        self.moving.iter_mut().for_each(|total| total.dirty = true);
        self.dirty = true;
    }

    /// A segment of which nothing is known.
    pub fn new(
        segment: Segment,
        definition: &Arc<Definition>,
        periods: &[Period],
        moving: usize,
    ) -> SegmentState {
        SegmentState {
            zone: definition.zone_of(&segment),
            segment,
            definition: definition.clone(),
            parked: BTreeMap::new(),
            past: BTreeMap::new(),
            cells: Cells::new(),
            calendar: periods.iter().map(|p| (*p, BTreeMap::new())).collect(),
            moving: (0..moving).map(|_| MovingTotal::default()).collect(),
            stock: BTreeMap::new(),
            stock_total: Measures::new(),
            counts_subscriptions: false,
            customers: definition.kpis.tell_of_customers().then(Box::default),
            floor: i32::MIN,
            dirty: false,
        }
    }

    /// Merges a shard's partial into a cell and into every window that holds its slice. Returns
    /// whether it was new.
    pub fn merge(
        &mut self,
        slice: Slice,
        (shard, version): (u32, u64),
        value: Measures,
        (moving, windows, reads): (&[Moving], &DayWindows, &Reads),
        today: Day,
    ) -> bool {
        let Some(change) = self.cells.entry(slice).or_default().merge(shard, version, value) else {
            return false;
        };
        if change.is_zero() {
            return true;
        }
        let mut change = change;
        let buyers = change.take_buyers();
        change.drop_sizes();
        let (flow, stock) = change.split_stock();
        if slice.tier == Tier::Day && !stock.is_zero() {
            self.move_stock(slice.index, &stock, (moving, reads), today);
        }
        if !flow.is_zero() {
            self.add_flow(slice, &flow, (moving, windows, reads), today);
        }
        // Behind the flows, which open the windows that it counts in.
        if !buyers.is_zero() && self.customers.is_some() {
            self.count_customers(slice, &buyers, moving);
            self.stands_anew(slice, true, moving, today);
        }
        true
    }

    fn add_flow(
        &mut self,
        slice: Slice,
        flow: &Measures,
        (moving, windows, reads): (&[Moving], &DayWindows, &Reads),
        today: Day,
    ) {
        let own = self.definition.currency;
        let definition = self.definition.clone();
        let flow = converted(&definition, self.zone, slice, flow);
        if slice.tier == Tier::Day {
            self.park(&flow);
            self.add_calendar((windows, reads), &flow, today);
            self.remember(slice.index, &flow, (moving, windows, reads));
            if self.spend(slice.index, &flow) {
                self.stands_anew(slice, true, moving, today);
            }
        }
        let (shown, compared) = (reads.any(&flow), reads.any_compared(&flow));
        let mut told = None;
        for (total, window) in self.moving.iter_mut().zip(moving) {
            if !window.range.contains(slice) {
                continue;
            }
            if window.shown {
                total.flow.plus(&flow, own);
                total.change(shown);
            } else if compared {
                total.flow.plus(told.get_or_insert_with(|| reads.compared_of(&flow)), own);
                total.change(true);
            }
        }
        self.dirty = true;
    }

    fn add_calendar(
        &mut self,
        (windows, reads): (&DayWindows, &Reads),
        flow: &Measures,
        today: Day,
    ) {
        let own = self.definition.currency;
        let (shown, compared) = (reads.any(flow), reads.any_compared(flow));
        for ((period, totals), &Windows { start, after, .. }) in
            self.calendar.iter_mut().zip(&windows.spans)
        {
            if start.0 < self.floor {
                continue;
            }
            if !totals.contains_key(&start.0) {
                open_windows(*period, totals, start, today);
            }
            // The window, and the next one, whose growth is relative to it.
            let mut windows = totals.range_mut(start.0..);
            if let Some((_, total)) = windows.next().filter(|(at, _)| **at == start.0) {
                total.flow.plus(flow, own);
                total.change(shown);
            }
            if let Some((_, next)) = windows.next().filter(|(at, _)| **at == after.0) {
                next.change(compared);
            }
        }
    }

    pub(super) fn move_stock(
        &mut self,
        day: i32,
        stock: &Measures,
        (moving, reads): (&[Moving], &Reads),
        today: Day,
    ) {
        let told = reads.any(stock);
        self.stock_total.plus(stock);
        self.counts_subscriptions |= stock.of(Measure::ActiveSubscriptions).next().is_some();
        let held = self.stock.entry(day).or_default();
        held.plus(stock);
        if held.is_zero() {
            self.stock.remove(&day);
        }
        self.stands_anew(Slice { tier: Tier::Day, index: day }, told, moving, today);
    }

    /// A stock is a sum over all time: every window that ends behind the slice changes.
    pub(super) fn stands_anew(&mut self, slice: Slice, told: bool, moving: &[Moving], today: Day) {
        let (day, is_fine) = (slice.index, slice.tier == Tier::Fine);
        for (period, totals) in self.calendar.iter_mut().filter(|_| !is_fine) {
            let mut start = period.start(Day(day.max(self.floor)));
            if start.0 < self.floor {
                start = period.next(start);
            }
            open_windows(*period, totals, start, today);
            totals.range_mut(start.0..).for_each(|(_, total)| total.change(told));
        }
        let moving = self.moving.iter_mut().zip(moving);
        moving
            .filter(|(_, window)| window.shown && (is_fine || window.last_day >= day))
            .for_each(|(total, _)| total.change(told));
        self.dirty = true;
    }

    /// Sum of the stocks up to the end of a day. Later days are taken off the total, so the
    /// current window, which is asked for most, costs nothing.
    pub fn stock_at(&self, last_day: i32) -> Measures {
        let mut out = self.stock_total.clone();
        for (_, later) in self.stock.range(last_day.saturating_add(1)..) {
            out.minus(later);
        }
        out
    }

    /// The stocks that a rate is of, at the end of the day before. Without any it costs nothing.
    pub fn opening(&self, first_day: i32) -> Measures {
        let asked = [Measure::ActiveSubscriptions, Measure::Mrr, Measure::MrrPriced];
        let of = |m: &Measures| -> Measures {
            asked.iter().flat_map(|a| m.of(*a).map(|(place, n)| (key(*a, place), n))).collect()
        };
        let mut out = of(&self.stock_total);
        if self.counts_subscriptions {
            self.stock.range(first_day..).for_each(|(_, later)| out.minus(&of(later)));
        }
        out
    }

    /// Moves a moving window: slices that left are subtracted, slices that entered are added.
    /// One that is not shown holds what windows are compared by.
    pub fn shift(
        &mut self,
        i: usize,
        shown: bool,
        (from, to): (SliceRange, SliceRange),
        reads: &Reads,
    ) {
        if shown {
            self.shift_customers(i, from, to);
        }
        let held = |key: &MeasureKey| match shown {
            true => key.measure.is_flow(),
            false => reads.compares(key.measure),
        };
        let mut change = Measures::new();
        for (range, other, sign) in [(from, to, -1i128), (to, from, 1)] {
            for part in outside(range, other) {
                let keys = Slice { tier: part.tier, index: part.lo }..Slice {
                    tier: part.tier,
                    index: part.hi,
                };
                if keys.start >= keys.end {
                    continue;
                }
                for (slice, cell) in self.cells.range(keys) {
                    let sums = converted(&self.definition, self.zone, *slice, cell.sum());
                    for (key, n) in sums.entries().iter().filter(|(k, _)| held(k)) {
                        change.add(*key, sign * n);
                    }
                }
            }
        }
        if !change.is_zero() {
            let total = &mut self.moving[i];
            total.flow.plus(&change, self.definition.currency);
            total.dirty = true;
            self.dirty = true;
        }
    }

    /// A moving window begins with another day: what was there at its start is another number.
    pub fn reopen(&mut self, i: usize) {
        if self.counts_subscriptions || self.customers.is_some() {
            self.moving[i].dirty = true;
            self.dirty = true;
        }
    }

    /// Opens the current window of a period, so that a quiet segment shows a zero row.
    pub fn roll(&mut self, period: Period, today: Day) {
        if let Some(totals) = self.calendar.get_mut(&period) {
            let start = period.start(today);
            open_windows(period, totals, start, today);
            // One that was opened ahead of its time has a gap before it.
            if period != Period::Day && !totals.contains_key(&period.previous(start).0) {
                fill(period, totals, start, start);
            }
            totals.entry(start.0).or_default().dirty = true;
            // What is open follows the rate of the day, also in windows that lie ahead.
            if !self.definition.fx.is_empty() {
                totals.range_mut(start.0..).for_each(|(_, total)| total.dirty = true);
            }
            self.dirty = true;
        }
    }

    /// Looks again at the window that held a day, and at those since where days alone move them.
    pub fn turn(&mut self, period: Period, day: Day, today: Day) {
        let Some(totals) = self.calendar.get_mut(&period) else { return };
        let start = period.start(day).0;
        let moved = self.customers.is_some() || self.definition.kpis.ask_for_working_days();
        let last = if moved { today.0.max(start) } else { start };
        for (_, total) in totals.range_mut(start..=last) {
            total.dirty = true;
            self.dirty = true;
        }
    }

    /// Shows every moving window where it stands.
    pub fn show_moving(&mut self, moving: &[Moving]) {
        for (total, window) in self.moving.iter_mut().zip(moving) {
            total.dirty |= window.shown;
        }
        self.dirty = true;
    }

    /// Shows a window again that was published before a restart.
    pub fn open(&mut self, period: Period, start: Day) {
        if let Some(totals) = self.calendar.get_mut(&period).filter(|_| start.0 >= self.floor) {
            totals.entry(start.0).or_default().dirty = true;
            self.dirty = true;
        }
    }

    /// Marks what the clock changed: windows that the watermark closed, cohorts that came of age.
    pub fn mark_due(&mut self, closed_before: Day, horizon: i32) {
        for (period, totals) in &mut self.calendar {
            for (start, total) in totals.iter_mut() {
                let end = period.next(Day(*start)).0;
                let closing =
                    end <= closed_before.0 && total.published.is_none_or(|p| p.pane == Pane::Early);
                let ripe = !total.mature && end + horizon <= closed_before.0;
                if (closing || ripe) && !total.dirty {
                    total.dirty = true;
                    self.dirty = true;
                }
            }
        }
    }

    /// Marks what changes where open deals were followed up to another day.
    pub fn mark_followed(&mut self, before: Option<Day>, day: Day) {
        let calendar = self.calendar.values_mut().flat_map(|totals| totals.values_mut());
        let calendar = calendar.map(|total| (&mut total.flow, &mut total.dirty));
        let moving = self.moving.iter_mut().map(|total| (&mut total.flow, &mut total.dirty));
        let own = self.definition.currency;
        for (flow, dirty) in calendar.chain(moving) {
            flow.settle(own);
            if survival::moves(&flow.sum(own), before, day) {
                (*dirty, self.dirty) = (true, true);
            }
        }
    }

    /// The first day that any calendar window of the segment begins with.
    pub fn first_day(&self) -> Option<i32> {
        self.cells.range(Slice { tier: Tier::Day, index: i32::MIN }..).map(|(s, _)| s.index).next()
    }

    /// Who bought in a calendar window.
    pub fn bought(&self, period: Period, start: Day) -> Bought {
        let total = self.calendar.get(&period).and_then(|totals| totals.get(&start.0));
        total.map_or(Bought::default(), |total| total.bought)
    }

    /// The flow of a calendar window; `None` where the segment has none there.
    pub fn flow(&self, period: Period, start: Day) -> Option<Cow<'_, Measures>> {
        let total = self.calendar.get(&period)?.get(&start.0)?;
        Some(total.flow.sum(self.definition.currency))
    }

    /// The flow of a moving window.
    pub fn moving_flow(&self, m: usize) -> Cow<'_, Measures> {
        self.moving[m].flow.sum(self.definition.currency)
    }

    /// Sums up what is about to be read: the windows that wait to be published.
    pub fn settle(&mut self) {
        let own = self.definition.currency;
        let calendar = self.calendar.values_mut().flat_map(|totals| totals.values_mut());
        calendar.filter(|total| total.dirty).for_each(|total| total.flow.settle(own));
        self.moving.iter_mut().for_each(|total| total.flow.settle(own));
    }

    pub(super) fn park(&mut self, change: &Measures) {
        for (currency, n) in Fx::parked(change, self.definition.currency) {
            *self.parked.entry(currency).or_default() += n;
        }
    }

    /// How many amounts of day slices no rate converts, by currency.
    pub fn parked(&self) -> &BTreeMap<Currency, i128> {
        &self.parked
    }

    /// What each day before `end` holds, in order.
    pub fn days(&self, end: i32) -> impl Iterator<Item = (i32, &Measures)> {
        let day = |index| Slice { tier: Tier::Day, index };
        self.cells.range(day(i32::MIN)..day(end)).map(|(slice, cell)| (slice.index, cell.sum()))
    }

    /// Number of cells held.
    pub fn cells(&self) -> usize {
        self.cells.len()
    }
}

fn key(measure: Measure, place: i64) -> MeasureKey {
    MeasureKey { measure, place }
}

pub(super) fn negated(of: &Measures) -> Measures {
    let mut out = Measures::new();
    out.minus(of);
    out
}

/// The flows of a slice as windows hold them.
pub(super) fn converted<'a>(
    definition: &Definition,
    zone: ZoneId,
    slice: Slice,
    measures: &'a Measures,
) -> Cow<'a, Measures> {
    let calendar = definition.calendar_at(zone);
    let day = match slice.tier {
        Tier::Day => Day(slice.index),
        Tier::Fine if definition.fx.is_empty() => Day(0),
        Tier::Fine => calendar.day_of(slice.start(calendar)),
    };
    definition.fx.convert(measures, definition.currency, day)
}

/// Keeps the windows of a period without a gap, from the segment's first to the current one. Days
/// are not filled: there may be hundreds, and each that matters has a change of its own.
fn open_windows(period: Period, totals: &mut BTreeMap<i32, Total>, start: Day, today: Day) {
    if period == Period::Day {
        totals.entry(start.0).or_default();
        return;
    }
    let current = period.start(today);
    // What is planned may lie centuries ahead: its window stands alone, the ones between have no
    // row until their time comes.
    if start.0 > current.0 {
        totals.entry(start.0).or_insert_with(|| Total { dirty: true, ..Total::default() });
    } else if !totals.contains_key(&start.0) {
        fill(period, totals, start, current);
    }
}

/// Opens what is missing between the first window, or one before it, and the current one.
fn fill(period: Period, totals: &mut BTreeMap<i32, Total>, start: Day, current: Day) {
    let from = totals.keys().next().map_or(start.0, |first| start.0.min(*first));
    let mut at = Day(from);
    // Bounded by the calendar's two centuries.
    while at.0 <= current.0 {
        totals.entry(at.0).or_insert_with(|| Total { dirty: true, ..Total::default() });
        at = period.next(at);
    }
}

/// The parts of `range` that `other` does not hold.
pub(super) fn outside(range: SliceRange, other: SliceRange) -> [SliceRange; 2] {
    if range.tier != other.tier || other.hi <= range.lo || range.hi <= other.lo {
        return [range, SliceRange { hi: range.lo, ..range }];
    }
    [
        SliceRange { hi: other.lo.clamp(range.lo, range.hi), ..range },
        SliceRange { lo: other.hi.clamp(range.lo, range.hi), ..range },
    ]
}

/// The last day that a range of slices reaches into.
pub fn last_day(range: SliceRange, calendar: &Calendar) -> i32 {
    match range.tier {
        Tier::Day => range.hi - 1,
        Tier::Fine => {
            let last = Slice { tier: Tier::Fine, index: range.hi - 1 };
            calendar.day_of(last.start(calendar)).0
        }
    }
}
