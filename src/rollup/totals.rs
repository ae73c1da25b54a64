//! What a segment's windows hold, and what was last published of them.

use std::borrow::Cow;
use std::ops::{AddAssign, SubAssign};

use crate::model::against::Against;
use crate::model::fx;
use crate::model::measure::Measures;
use crate::model::money::Currency;
use crate::model::row::Pane;
use crate::model::time::Day;
use crate::model::window::Period;

/// What was last published of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Hash of what it told of its window, as JSON.
    pub hash: u64,
    /// Hash of how they stand against targets, which the day and a changed file move: no correction.
    pub targets: u64,
    /// Firing.
    pub pane: Pane,
    /// Amendments so far.
    pub revision: u64,
}

/// Who bought in a window: no sum over its slices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bought {
    /// Customers that did.
    pub buying: i64,
    /// Of them those that never had before.
    pub new: i64,
}

impl AddAssign for Bought {
    fn add_assign(&mut self, more: Bought) {
        (self.buying, self.new) = (self.buying + more.buying, self.new + more.new);
    }
}

impl SubAssign for Bought {
    fn sub_assign(&mut self, less: Bought) {
        (self.buying, self.new) = (self.buying - less.buying, self.new - less.new);
    }
}

/// A running sum of flows. Where it has many keys, changes are held apart until there are some: each
/// alone would search all of them for its handful.
#[derive(Debug, Default)]
pub struct Flow {
    held: Measures,
    fresh: Measures,
}

/// So many keys are few, and as many are held apart at most.
const FRESH: usize = 64;

impl Flow {
    /// Adds converted sums.
    pub fn plus(&mut self, change: &Measures, own: Currency) {
        if self.held.entries().len() <= FRESH {
            return fx::plus(&mut self.held, change, own);
        }
        self.fresh.plus(change);
        if self.fresh.entries().len() > FRESH {
            fx::plus(&mut self.held, &self.fresh, own);
            self.fresh.clear();
        }
    }

    /// Takes in what is held apart, so that reading the sum copies nothing.
    pub fn settle(&mut self, own: Currency) {
        fx::plus(&mut self.held, &std::mem::take(&mut self.fresh), own);
    }

    /// The sum.
    pub fn sum(&self, own: Currency) -> Cow<'_, Measures> {
        let mut out = Cow::Borrowed(&self.held);
        if !self.fresh.is_zero() {
            fx::plus(out.to_mut(), &self.fresh, own);
        }
        out
    }
}

/// The running total of a calendar window.
#[derive(Debug, Default)]
pub struct Total {
    /// Sum over its slices, without stocks.
    pub flow: Flow,
    /// Who bought in it.
    pub bought: Bought,
    /// What was last published.
    pub published: Option<Published>,
    /// Whether its cohort was old enough for the horizon KPIs when last published.
    pub mature: bool,
    /// Waits to be published.
    pub dirty: bool,
    /// Something that it tells of changed since it was published, though it may tell the same again:
    /// another owner may have published what it told in between, under a higher version.
    pub changed: bool,
    /// Its row went out while nobody knew up to where events are complete.
    pub blind: bool,
}

/// The running total of a moving window.
#[derive(Debug, Default)]
pub struct MovingTotal {
    /// Sum over the slices it holds now, without stocks.
    pub flow: Flow,
    /// Who bought in them.
    pub bought: Bought,
    /// What was last published.
    pub published: Option<Published>,
    /// Waits to be published.
    pub dirty: bool,
    /// Something that it tells of changed since it was published, though it may tell the same again:
    /// another owner may have published what it told in between, under a higher version.
    pub changed: bool,
    /// Its row went out while nobody knew up to where events are complete.
    pub blind: bool,
}

impl Total {
    /// Its slices changed; `told` where a row tells of what did.
    pub fn change(&mut self, told: bool) {
        self.dirty = true;
        self.changed |= told;
    }
}

impl MovingTotal {
    /// Its slices changed; `told` where a row tells of what did.
    pub fn change(&mut self, told: bool) {
        self.dirty = true;
        self.changed |= told;
    }
}

/// The calendar windows that one day is of concern to, by period and in their order. Partials come
/// sorted by slice, so it serves many in a row.
#[derive(Debug, Default)]
pub struct DayWindows {
    day: Option<i32>,
    /// Those of each period.
    pub spans: Vec<Windows>,
}

/// The windows of a period that a day is of concern to.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// First day of the one that holds it.
    pub start: Day,
    /// First day of the next, which is compared with it.
    pub after: Day,
    /// First days of those that are compared with it a quarter and a year later.
    pub far: [Option<Day>; 2],
}

impl DayWindows {
    /// Makes it the windows of a day.
    pub fn turn_to(&mut self, day: i32, periods: &[Period]) {
        if self.day.replace(day) == Some(day) {
            return;
        }
        self.spans.clear();
        let mut sorted = periods.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        self.spans.extend(sorted.into_iter().map(|period| {
            let start = period.start(Day(day));
            let far = Against::FAR.map(|against| against.reverse(period, start));
            Windows { start, after: period.next(start), far }
        }));
    }
}
