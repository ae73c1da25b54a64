//! The customers of a segment: what each bought when, and from it how many there are of which sort.
//!
//! Distinct counts of windows do not add up, so each window has its own, changed by difference: a
//! purchase changes that of a window only where no other one of its customer lies in it, which its
//! neighbors tell. What holds of all time (the first purchase, the second, a lapse) is counted by
//! day. A change costs what it moves, however long the windows are.

use std::collections::{BTreeMap, BTreeSet};

use super::Map;
use super::cells::Cells;
use super::moving::Moving;
use super::segment::{SegmentState, outside};
use super::tally::Tally;
use super::totals::Bought;
use crate::model::calendar::Calendar;
use crate::model::customers::{COUNTED, is_sampled};
use crate::model::fx;
use crate::model::kpi::{Kpi, KpiValue};
use crate::model::measure::{Measure, MeasureKey, Measures};
use crate::model::money::Currency;
use crate::model::slice::{Slice, Tier};
use crate::model::time::Day;
use crate::model::window::SliceRange;

/// How often a customer bought in which slices, in order.
#[derive(Debug, Default)]
struct Dates(Vec<(i32, i128)>);

/// How one purchase more or less moves the slices in which somebody bought.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    /// One slice more, or less.
    sign: i64,
    before: Option<i32>,
    after: Option<i32>,
}

impl Dates {
    /// Slices in which anything was bought, and how much.
    fn bought(&self) -> impl DoubleEndedIterator<Item = (i32, i128)> + '_ {
        self.0.iter().copied().filter(|(_, n)| *n > 0)
    }

    fn add(&mut self, at: i32, n: i128) -> Step {
        let place = self.0.partition_point(|(slice, _)| *slice < at);
        let held = self.0.get_mut(place).filter(|(slice, _)| *slice == at);
        let (was, is) = match held {
            Some((_, held)) => {
                *held += n;
                (*held - n, *held)
            }
            None => {
                self.0.insert(place, (at, n));
                (0, n)
            }
        };
        if is == 0 {
            self.0.remove(place);
        }
        let behind = self.0[place..].iter().filter(|(slice, n)| *slice > at && *n > 0).map(|d| d.0);
        let ahead = self.0[..place].iter().rev().filter(|(_, n)| *n > 0).map(|d| d.0);
        Step {
            sign: i64::from(is > 0) - i64::from(was > 0),
            before: { ahead }.next(),
            after: { behind }.next(),
        }
    }

    fn first(&self) -> Option<i32> {
        self.bought().next().map(|(slice, _)| slice)
    }

    /// The slice of the second purchase.
    fn second(&self) -> Option<i32> {
        let mut seen = 0;
        let reached = self.bought().find(|(_, n)| {
            seen += n;
            seen >= 2
        });
        reached.map(|(slice, _)| slice)
    }

    fn any_in(&self, range: SliceRange) -> bool {
        let from = self.0.partition_point(|(slice, _)| *slice < range.lo);
        self.0[from..].iter().take_while(|(slice, _)| *slice < range.hi).any(|(_, n)| *n > 0)
    }
}

/// One customer.
#[derive(Debug, Default)]
struct Customer {
    days: Dates,
    fine: Dates,
}

impl Customer {
    /// The fine slice in which it became one, where all of that day is still kept in fine slices: of
    /// a day that is kept in part, the first of it may be gone.
    fn fine_first(&self, day_of: impl Fn(i32) -> i32) -> Option<i32> {
        let slice = self.fine.first()?;
        let day = day_of(slice);
        let (_, all) = self.days.bought().next().filter(|(first, _)| *first == day)?;
        let kept = self.fine.0.iter().take_while(|(slice, _)| day_of(*slice) <= day);
        (kept.map(|(_, n)| n).sum::<i128>() == all).then_some(slice)
    }

    fn in_range(&self, range: SliceRange, day_of: impl Fn(i32) -> i32) -> Bought {
        let (dates, first) = match range.tier {
            Tier::Day => (&self.days, self.days.first()),
            Tier::Fine => (&self.fine, self.fine_first(day_of)),
        };
        let new = first.is_some_and(|at| (range.lo..range.hi).contains(&at));
        Bought { buying: dates.any_in(range).into(), new: new.into() }
    }
}

/// All customers of a segment.
#[derive(Debug, Default)]
pub struct Customers {
    by_place: Map<i64, Customer>,
    /// How many cells are samples of a level.
    levels: BTreeMap<u32, i128>,
    first: Tally,
    second: Tally,
    lapses: Tally,
    /// Lapsed, less those that came back.
    dormant: Tally,
    /// What they spent, in the reporting currency where a rate converts it.
    spent: BTreeMap<MeasureKey, Tally>,
}

/// How a purchase moves what windows count.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    step: Step,
    /// The first day, before and after.
    first: [Option<i32>; 2],
    /// The first fine slice, likewise.
    fine_first: [Option<i32>; 2],
}

impl Customers {
    /// The level of the sample that they are counted by: that of the thinnest cell. 0 counts all.
    pub fn level(&self) -> u32 {
        self.levels.keys().next_back().copied().unwrap_or(0)
    }

    /// Takes note of cells that became samples, or ceased to be. Returns whether customers are
    /// counted by another sample now.
    fn thin(&mut self, change: &Measures) -> bool {
        let before = self.level();
        for (level, n) in change.of(Measure::BuyersLevel) {
            let level = u32::try_from(level).unwrap_or(0);
            let held = self.levels.entry(level).or_default();
            *held += n;
            if *held == 0 {
                self.levels.remove(&level);
            }
        }
        self.level() != before
    }

    fn apply(
        &mut self,
        slice: Slice,
        (place, n): (i64, i128),
        lapse_after: i32,
        day_of: impl Fn(i32) -> i32 + Copy,
    ) -> Moved {
        let customer = self.by_place.entry(place).or_default();
        let fine_before = customer.fine_first(day_of);
        let (first, second) = (customer.days.first(), customer.days.second());
        let step = match slice.tier {
            Tier::Day => customer.days.add(slice.index, n),
            Tier::Fine => customer.fine.add(slice.index, n),
        };
        let moved = Moved {
            step,
            first: [first, customer.days.first()],
            fine_first: [fine_before, customer.fine_first(day_of)],
        };
        let seconds = [second, customer.days.second()];
        if customer.days.0.is_empty() && customer.fine.0.is_empty() {
            self.by_place.remove(&place);
        }
        if slice.tier == Tier::Day {
            move_one(&mut self.first, moved.first);
            move_one(&mut self.second, seconds);
            self.lapse(slice.index, step, lapse_after);
        }
        moved
    }

    /// A purchase lapses so many days behind it where no other one comes first.
    fn lapse(&mut self, day: i32, Step { sign, before, after }: Step, lapse_after: i32) {
        let mut gap = |from: Option<i32>, to: Option<i32>, sign: i64| {
            let Some(at) = from.map(|from| from.saturating_add(lapse_after)) else { return };
            if to.is_some_and(|to| to <= at) {
                return;
            }
            self.lapses.add(at, sign.into());
            self.dormant.add(at, sign.into());
            if let Some(to) = to {
                self.dormant.add(to, -i128::from(sign));
            }
        };
        if sign != 0 {
            gap(before, after, -sign);
            gap(before, Some(day), sign);
            gap(Some(day), after, sign);
        }
    }

    fn spend(&mut self, day: i32, flow: &Measures) -> bool {
        let mut any = false;
        for measure in [Measure::PurchaseAmount, Measure::PurchasePriced] {
            for (place, n) in flow.of(measure) {
                any = true;
                self.spent.entry(MeasureKey { measure, place }).or_default().add(day, n);
            }
        }
        any
    }

    fn spent_upto(&self, day: i32, own: Currency) -> Measures {
        let sums = self.spent.iter().map(|(key, tally)| (*key, tally.upto(day))).collect();
        let mut out = Measures::new();
        fx::plus(&mut out, &sums, own);
        out
    }

    /// Adds what a row tells of them to its measures.
    pub fn tell(&self, of: &Told, [flow, stock, opening]: [&mut Measures; 3]) {
        let scale = |n: i128| n << self.level();
        let Told { bought, days: (first, last), today, own, is_fine } = *of;
        let add = |to: &mut Measures, m, n| to.add(MeasureKey::plain(m), scale(n));
        // Of a window ahead of its time no day tells more than the last: it waits for its first one.
        let until = if first > today { last } else { last.min(today) };
        add(flow, Measure::BuyingCustomers, bought.buying.into());
        add(flow, Measure::NewCustomers, bought.new.into());
        add(flow, Measure::ReturningCustomers, (bought.buying - bought.new).into());
        add(flow, Measure::LapsedCustomers, self.lapses.between(first, last.min(today)));
        let active = |day: i32| self.first.upto(day) - self.dormant.upto(day);
        add(stock, Measure::Customers, self.first.upto(last));
        add(stock, Measure::RepeatCustomers, self.second.upto(last));
        add(stock, Measure::ActiveCustomers, active(until));
        for (key, n) in self.spent_upto(last, own).entries().iter().filter(|(k, _)| k.place >= 0) {
            let measure = match key.measure {
                Measure::PurchaseAmount => Measure::LifetimeAmount,
                _ => Measure::LifetimePriced,
            };
            stock.add(MeasureKey { measure, ..*key }, *n);
        }
        // A window of fine slices begins in the middle of a day; who was one then is not known.
        if !is_fine {
            add(opening, Measure::Customers, self.first.upto(first.saturating_sub(1)));
            add(opening, Measure::ActiveCustomers, active(first.saturating_sub(1)));
        }
    }
}

/// The window that a row tells of.
pub struct Told {
    /// Who bought in it.
    pub bought: Bought,
    /// Its first and its last day.
    pub days: (i32, i32),
    /// Today: nobody has lapsed before the time.
    pub today: i32,
    /// Reporting currency.
    pub own: Currency,
    /// Whether it is of fine slices.
    pub is_fine: bool,
}

fn move_one(tally: &mut Tally, [from, to]: [Option<i32>; 2]) {
    if from != to {
        from.into_iter().for_each(|day| tally.add(day, -1));
        to.into_iter().for_each(|day| tally.add(day, 1));
    }
}

impl Moved {
    /// By how much it changes a range of slices, of the slice that moved.
    fn within(&self, slice: Slice, range: SliceRange) -> Bought {
        let holds = |at: i32| (range.lo..range.hi).contains(&at);
        let Step { sign, before, after } = self.step;
        let alone = !before.is_some_and(holds) && !after.is_some_and(holds);
        let moved = slice.tier == range.tier && holds(slice.index) && alone;
        let [from, to] = match range.tier {
            Tier::Day => self.first,
            Tier::Fine => self.fine_first,
        };
        let is_in = |at: Option<i32>| i64::from(at.is_some_and(holds));
        Bought { buying: if moved { sign } else { 0 }, new: is_in(to) - is_in(from) }
    }
}

impl SegmentState {
    /// Counts what a slice says of customers; what is left is not about them one by one.
    pub(super) fn count_customers(&mut self, slice: Slice, buyers: &Measures, moving: &[Moving]) {
        let Some(customers) = self.customers.as_mut() else { return };
        // A day holds its fine slices: it is halved as often as any of them.
        if slice.tier == Tier::Day && customers.thin(buyers) {
            return self.recount_customers(moving);
        }
        let level = customers.level();
        for (place, n) in buyers.of(Measure::Buyers).filter(|(p, _)| is_sampled(*p, level)) {
            self.purchase(slice, (place, n), moving);
        }
    }

    /// Counts them anew, since they are counted by another sample.
    fn recount_customers(&mut self, moving: &[Moving]) {
        let Some(customers) = self.customers.take() else { return };
        let Customers { levels, spent, .. } = *customers;
        let fresh = Customers { levels, spent, ..Customers::default() };
        let level = fresh.level();
        self.customers = Some(Box::new(fresh));
        let calendar = self.calendar.values_mut().flat_map(|totals| totals.values_mut());
        calendar.for_each(|total| total.bought = Bought::default());
        self.moving.iter_mut().for_each(|total| total.bought = Bought::default());
        let cells = std::mem::take(&mut self.cells);
        for (slice, cell) in &cells {
            let buyers = cell.sum().of(Measure::Buyers);
            for (place, n) in buyers.filter(|(place, _)| is_sampled(*place, level)) {
                self.purchase(*slice, (place, n), moving);
            }
        }
        self.cells = cells;
        // What was exact is estimated now, or the other way round: in windows of any time.
        let totals = self.calendar.values_mut().flat_map(|totals| totals.values_mut());
        totals.for_each(|total| total.change(true));
        let moving = self.moving.iter_mut().zip(moving).filter(|(_, window)| window.shown);
        moving.for_each(|(total, _)| total.change(true));
        self.dirty = true;
    }

    fn purchase(&mut self, slice: Slice, (place, n): (i64, i128), moving: &[Moving]) {
        let Some(customers) = self.customers.as_mut() else { return };
        let day_of = |index| day_of(index, self.definition.calendar_at(self.zone));
        let lapse_after = self.definition.customers.lapse_after;
        let moved = customers.apply(slice, (place, n), lapse_after, day_of);
        for (total, window) in self.moving.iter_mut().zip(moving).filter(|(_, w)| w.shown) {
            total.bought += moved.within(slice, window.range);
        }
        if slice.tier == Tier::Fine {
            return;
        }
        let touched = [Some(slice.index), moved.first[0], moved.first[1]];
        for (period, totals) in &mut self.calendar {
            let starts = touched.iter().flatten().map(|day| period.start(Day(*day)));
            for start in starts.collect::<BTreeSet<_>>() {
                let range = SliceRange::days(start, period.next(start));
                let change = moved.within(slice, range);
                if start.0 >= self.floor && change != Bought::default() {
                    totals.entry(start.0).or_default().bought += change;
                }
            }
        }
    }

    /// Moves a moving window: who bought only in what left does not count any more.
    pub(super) fn shift_customers(&mut self, i: usize, from: SliceRange, to: SliceRange) {
        let Some(customers) = self.customers.as_ref() else { return };
        let level = customers.level();
        let day_of = |index| day_of(index, self.definition.calendar_at(self.zone));
        let parts = [outside(from, to), outside(to, from)].concat();
        let mut change = Bought::default();
        let places = parts.into_iter().flat_map(|part| buyers(&self.cells, part));
        for place in places.collect::<BTreeSet<_>>() {
            let Some(customer) =
                customers.by_place.get(&place).filter(|_| is_sampled(place, level))
            else {
                continue;
            };
            change += customer.in_range(to, day_of);
            change -= customer.in_range(from, day_of);
        }
        if change != Bought::default() {
            self.moving[i].bought += change;
            self.moving[i].dirty = true;
            self.dirty = true;
        }
    }

    /// Marks what is counted by a sample.
    pub(super) fn estimated(&self, kpi: &Kpi, mut value: KpiValue) -> KpiValue {
        let level = self.customers.as_ref().map_or(0, |customers| customers.level());
        value.approx = level > 0 && kpi.measures().iter().any(|m| COUNTED.contains(m));
        // Behind an estimate are those of the sample, however many they stand for.
        let few = value.n >> level < i128::from(kpi.min_n());
        value.low_n |= value.approx && value.value.is_some() && few;
        value
    }

    /// What was spent on a day, as windows hold it. Returns whether anything was.
    pub(super) fn spend(&mut self, day: i32, flow: &Measures) -> bool {
        self.customers.as_mut().is_some_and(|customers| customers.spend(day, flow))
    }
}

/// The day that a fine slice begins in.
fn day_of(index: i32, calendar: &Calendar) -> i32 {
    calendar.day_of(Slice { tier: Tier::Fine, index }.start(calendar)).0
}

/// Who bought in a range of slices.
fn buyers(cells: &Cells, range: SliceRange) -> impl Iterator<Item = i64> + '_ {
    let slice = |index| Slice { tier: range.tier, index };
    let keys = slice(range.lo)..slice(range.hi.max(range.lo));
    let cells = cells.range(keys);
    cells.flat_map(|(_, cell)| cell.sum().of(Measure::Buyers).map(|(place, _)| place))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two purchases on the first day, the second in the window. The shard lets the first slice go,
    /// before or behind what it had told of it.
    #[test]
    fn a_day_that_is_kept_in_part_makes_no_second_purchase_a_first_one() {
        let day_of = |slice: i32| slice.div_euclid(288);
        let window = SliceRange { tier: Tier::Fine, lo: 200, hi: 488 };
        let told = |fine: &[(i32, i128)], on_day: i128| {
            let mut customer = Customer::default();
            customer.days.add(0, on_day);
            fine.iter().for_each(|(slice, n)| _ = customer.fine.add(*slice, *n));
            let bought = customer.in_range(window, day_of);
            (bought.buying, bought.new)
        };
        assert_eq!(told(&[(120, 1), (240, 1)], 2), (1, 0));
        assert_eq!(told(&[(120, 1), (240, 1), (120, -1)], 2), (1, 0));
        assert_eq!(told(&[(240, 1)], 2), (1, 0));
        assert_eq!(told(&[(240, 1), (300, 1)], 1), (1, 1), "the whole day is there");
    }
}
