//! Clocks: how far time is in each zone that segments count days by.

use super::moving::{self, Moving};
use super::segment::SegmentState;
use super::{HORIZON_DAYS, Rollup};
use crate::model::calendar::Calendar;
use crate::model::definition::Definition;
use crate::model::measure::Measure;
use crate::model::time::{Day, Timestamp};
use crate::model::window::SliceRange;
use crate::model::zones::ZoneId;

/// What follows the time of one zone.
#[derive(Debug)]
pub(super) struct Clock {
    zone: ZoneId,
    /// The day in progress.
    pub(super) today: Day,
    /// The moving windows, where they stand.
    pub(super) moving: Vec<Moving>,
    /// The day up to which windows were closed.
    closed_before: Option<Day>,
    /// The day up to which open deals were followed.
    followed: Option<Day>,
}

impl Clock {
    /// What a shown moving window is compared with: it follows in the list, where it is kept.
    pub(super) fn compared(&self, m: usize) -> Option<usize> {
        let next = self.moving.get(m + 1)?;
        (next.kind == self.moving[m].kind && !next.shown).then_some(m + 1)
    }
}

/// The day in progress: a moment on a boundary is still of the one just finished.
fn today(calendar: &Calendar, now: Timestamp) -> Day {
    calendar.day_of(Timestamp(now.0 - 1))
}

/// The clocks of a definition at `now`, by number of their zones.
pub(super) fn all(definition: &Definition, now: Timestamp) -> Vec<Clock> {
    let of = |zone| {
        let calendar = definition.calendar_at(zone);
        Clock {
            zone,
            today: today(calendar, now),
            moving: moving::of(definition, calendar, now),
            closed_before: None,
            followed: None,
        }
    };
    definition.zones.ids().map(of).collect()
}

impl Rollup {
    /// Moves the windows to `now`.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        let zones = 0..self.clocks.len();
        let days: Vec<(Day, Day)> = zones.clone().map(|z| self.advance_clock(z)).collect();
        let first = !std::mem::replace(&mut self.started, true);
        if first {
            self.open_restored();
        }
        if first || days.iter().any(|(before, today)| before != today) {
            self.new_day(&days, first);
        }
        zones.for_each(|z| self.close(z));
        // They would say so until a number changes.
        if self.blind && self.watermark().is_some() {
            self.blind = false;
            self.segments.iter_mut().for_each(SegmentState::see);
        }
    }

    /// Moves the windows of a zone. Returns the day that was in progress, and the one that is.
    fn advance_clock(&mut self, z: usize) -> (Day, Day) {
        let clock = &mut self.clocks[z];
        let calendar = self.definition.calendar_at(clock.zone);
        let today = today(calendar, self.now);
        let before = std::mem::replace(&mut clock.today, today);
        for i in 0..clock.moving.len() {
            let from = clock.moving[i].advance(calendar, self.now);
            let to = clock.moving[i].range;
            if from != to {
                let opening = |range: SliceRange| calendar.day_of(range.start(calendar));
                let reopened = opening(from) != opening(to);
                for state in self.segments.iter_mut().filter(|s| s.zone == clock.zone) {
                    state.shift(i, clock.moving[i].shown, (from, to), &self.reads);
                    if reopened {
                        state.reopen(i);
                    }
                }
            }
        }
        (before, today)
    }

    /// A new day, somewhere: windows begin, and every running or moving window shows where it now
    /// stands.
    fn new_day(&mut self, days: &[(Day, Day)], first: bool) {
        let floor = self.floor();
        for state in &mut self.segments {
            let (before, today) = days[state.zone.index()];
            if first || before != today {
                for period in &self.periods {
                    // The growth of a running window is relative to as many days of the one before,
                    // that of a window that ran until now to the whole of it.
                    state.turn(*period, before, today);
                    state.roll(*period, today);
                }
                state.show_moving(&self.clocks[state.zone.index()].moving);
            }
            state.retire(floor);
        }
    }

    /// Closes the windows that the watermark has passed.
    fn close(&mut self, z: usize) {
        let Some(watermark) = self.watermark() else {
            return;
        };
        let clock = &mut self.clocks[z];
        let zone = clock.zone;
        let calendar = self.definition.calendar_at(zone);
        // Open deals were followed up to another day.
        let day = today(calendar, watermark);
        let told = self.reads.measure(Measure::CohortOpen);
        let follow = told && clock.followed.is_none_or(|known| known < day);
        let followed = if follow { clock.followed.replace(day) } else { None };
        let end = calendar.day_of(watermark);
        let closes = clock.closed_before.is_none_or(|known| known < end);
        if closes {
            clock.closed_before = Some(end);
        }
        for state in self.segments.iter_mut().filter(|s| s.zone == zone) {
            if follow {
                state.mark_followed(followed, day);
            }
            if closes {
                state.mark_due(end, HORIZON_DAYS);
            }
        }
    }

    /// The day in progress, of the zone of a segment.
    pub(super) fn today(&self, zone: ZoneId) -> Day {
        self.clocks[zone.index()].today
    }

    /// How many days behind its end a window is, by the watermark.
    pub(super) fn age_days(&self, zone: ZoneId, end_day: i32) -> i32 {
        let calendar = self.definition.calendar_at(zone);
        self.watermark().map_or(i32::MIN, |w| calendar.day_of(w).0.saturating_sub(end_day))
    }
}
