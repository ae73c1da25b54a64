//! Rows: a window's totals, read as KPIs.

use std::borrow::Cow;
use std::sync::Arc;

use super::Rollup;
use super::customers::Told;
use super::segment::SegmentState;
use super::totals::Bought;
use crate::model::against::Against;
use crate::model::funnel::Funnel;
use crate::model::kpi::View;
use crate::model::measure::Measures;
use crate::model::row::{Pane, Row};
use crate::model::slice::Tier;
use crate::model::target::{Stand, Standing, Targets, standings_json};
use crate::model::time::{Day, Timestamp};
use crate::model::window::{Period, SliceRange, WindowKind};
use crate::model::zones::ZoneId;

impl Rollup {
    /// The row of a calendar window.
    pub(super) fn calendar_row(&self, state: &SegmentState, period: Period, start: Day) -> Row {
        let flow = state.flow(period, start).unwrap_or_default();
        let end = period.next(start);
        let kind = WindowKind::Calendar(period);
        let clock = &self.clocks[state.zone.index()];
        let running = (start..end).contains(&clock.today);
        let before = if running {
            let m = clock.moving.iter().position(|m| m.kind == kind && !m.shown);
            m.map(|m| state.moving_flow(m))
        } else {
            state.flow(period, period.previous(start))
        };
        let range = SliceRange::days(start, end);
        let far = Against::FAR.map(|against| against.days(kind, range, clock.today));
        let window = (kind, range, end.0 - 1);
        self.row(state, window, (flow, state.bought(period, start)), (before.as_deref(), far))
    }

    /// The row of a moving window, where it stands now.
    pub(super) fn moving_row(&self, state: &SegmentState, m: usize) -> Row {
        let clock = &self.clocks[state.zone.index()];
        let window = &clock.moving[m];
        let before = clock.compared(m).map(|c| state.moving_flow(c));
        let flow = (state.moving_flow(m), state.moving[m].bought);
        let place = (window.kind, window.range, window.last_day);
        self.row(state, place, flow, (before.as_deref(), window.far))
    }

    fn row(
        &self,
        state: &SegmentState,
        (kind, range, last_day): (WindowKind, SliceRange, i32),
        (mut flow, bought): (Cow<'_, Measures>, Bought),
        (before, far): (Option<&Measures>, [Option<SliceRange>; 2]),
    ) -> Row {
        let calendar = self.definition.calendar_at(state.zone);
        let (start, end) = (range.start(calendar), range.end(calendar));
        let as_of = self.watermark();
        let mut stock = self.stock(state, last_day);
        let first_day = calendar.day_of(start);
        let mut opening = self.opening(state, first_day, range.tier);
        if let Some(customers) = &state.customers {
            let told = Told {
                bought,
                days: (first_day.0, last_day),
                today: self.today(state.zone).0,
                own: self.definition.currency,
                is_fine: range.tier == Tier::Fine,
            };
            customers.tell(&told, [flow.to_mut(), &mut stock, &mut opening]);
        }
        let today = self.today(state.zone);
        let work = self.definition.work.of(&state.segment, &self.definition.directory);
        let [quarter, year] = far.map(|range| Some(state.past(range?)));
        let view = View {
            flow: &flow,
            stock: &stock,
            opening: &opening,
            first_day,
            before: [before, quarter.as_ref(), year.as_ref()],
            age_days: self.age_days(state.zone, last_day + 1),
            followed: as_of.map(|at| calendar.day_of(Timestamp(at.0 - 1))),
            working_days: (range.tier == Tier::Day).then(|| {
                let over = as_of.is_some_and(|w| w >= end);
                work.begun(first_day, Day(last_day), if over { Day(last_day) } else { today })
            }),
            currency: self.definition.currency,
        };
        let kpis: Vec<_> = self
            .definition
            .kpis
            .kpis()
            .map(|k| (k.name.clone(), k.unit, state.estimated(k, k.compute(&view))))
            .collect();
        let stand = Stand { segment: &state.segment, kind, start: first_day, today, work };
        Row {
            kind,
            start,
            end,
            zone: calendar.zone().to_owned(),
            segment: state.segment.clone(),
            pane: if as_of.is_some_and(|w| w >= end) { Pane::OnTime } else { Pane::Early },
            revision: 0,
            version: self.newest.0,
            as_of,
            complete_ratio: complete(start, end, as_of),
            incomplete: self.doubts.iter().any(|doubt| doubt.touches(start, end)),
            targets: self.targets().stand(&stand, &kpis),
            kpis,
            currency: self.definition.currency,
            funnel: self.funnel(state, &flow),
        }
    }

    /// Takes targets in the place of the definition's. Rows that stand otherwise by them are due; as
    /// no number of theirs changed, that corrects nothing.
    pub fn aim(&mut self, targets: Arc<Targets>) {
        let before = self.targets.as_deref().unwrap_or(&self.definition.targets);
        for state in &mut self.segments {
            if !before.agree_on(&state.segment, &targets) {
                state.touch();
            }
        }
        self.targets = Some(targets);
    }

    fn targets(&self) -> &Targets {
        self.targets.as_deref().unwrap_or(&self.definition.targets)
    }

    /// The funnel of a window. Within one stage there is none.
    fn funnel(&self, state: &SegmentState, flow: &Measures) -> Option<Funnel> {
        let steps = self.steps.as_ref().filter(|_| state.segment.value("stage").is_none())?;
        Some(Funnel::of(flow, steps))
    }

    /// The current row of every window kind, for every segment: what `/metrics` shows.
    pub fn current_rows(&self) -> Vec<Row> {
        let mut out = Vec::new();
        for state in &self.segments {
            let today = self.today(state.zone);
            for period in &self.periods {
                out.push(self.calendar_row(state, *period, period.start(today)));
            }
            out.extend(self.moving_rows(state));
        }
        out
    }

    fn moving_rows<'a>(&'a self, state: &'a SegmentState) -> impl Iterator<Item = Row> + 'a {
        let moving = &self.clocks[state.zone.index()].moving;
        (0..moving.len()).filter(move |m| moving[*m].shown).map(move |m| self.moving_row(state, m))
    }

    /// The rows of the moving windows where they stand now, optionally only those of whole days.
    pub fn pane_rows(&self, days_only: bool) -> Vec<Row> {
        let keep = |row: &Row| !(days_only && matches!(row.kind, WindowKind::RollingFine(_)));
        self.segments.iter().flat_map(|s| self.moving_rows(s)).filter(keep).collect()
    }

    /// Those of windows of whole days, of the segments that count days by a zone: replay writes one a
    /// day.
    pub fn day_panes(&self, zone: ZoneId) -> Vec<Row> {
        let of_zone = self.segments.iter().filter(|state| state.zone == zone);
        let rows = of_zone.flat_map(|state| self.moving_rows(state));
        rows.filter(|row| matches!(row.kind, WindowKind::RollingDays(_))).collect()
    }

    /// The rows of every calendar window from the one that holds `first` to the current one, for
    /// every segment, zero rows included: what replay writes.
    pub fn calendar_rows(&self, first: Day) -> impl Iterator<Item = Row> + '_ {
        self.segments.iter().flat_map(move |state| {
            let today = self.today(state.zone);
            self.periods.iter().flat_map(move |period| {
                let mut at = period.start(first);
                std::iter::from_fn(move || {
                    let start = at;
                    at = period.next(start);
                    (start <= today).then(|| self.calendar_row(state, *period, start))
                })
            })
        })
    }
}

fn complete(start: Timestamp, end: Timestamp, as_of: Option<Timestamp>) -> f64 {
    let Some(as_of) = as_of else { return 0.0 };
    let (length, passed) = (end.0 - start.0, as_of.0 - start.0);
    if length <= 0 { 1.0 } else { (passed as f64 / length as f64).clamp(0.0, 1.0) }
}

/// What a row says beside its KPIs: equal hashes are no news.
pub(super) fn standing_hash(standings: &[Standing]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(standings_json(standings).as_bytes())
}
