//! Firing: which rows are due, as which firing, and whether they have to go out.

use super::rows::standing_hash;
use super::segment::SegmentState;
use super::totals::Published;
use super::{DueRow, HORIZON_DAYS, Rollup};
use crate::model::row::{Pane, Row};
use crate::model::time::Day;
use crate::model::window::{Period, WindowKind};

impl Rollup {
    /// Takes the rows of a segment that are due.
    pub(super) fn collect_due(&mut self, i: usize, due: &mut Vec<DueRow>) {
        let mut windows: Vec<(Period, Day, bool)> = Vec::new();
        let floor = self.floor();
        for (period, totals) in &mut self.segments[i].calendar {
            for (start, total) in totals.iter_mut().filter(|(_, t)| t.dirty) {
                total.dirty = false;
                let changed = std::mem::take(&mut total.changed);
                // What it is compared with is let go of: its row stays as it was.
                if period.previous(Day(*start)).0 >= floor {
                    windows.push((*period, Day(*start), changed));
                }
            }
        }
        for (period, start, changed) in windows {
            let row = self.calendar_row(&self.segments[i], period, start);
            let age = self.age_days(self.segments[i].zone, period.next(start).0);
            let known =
                self.segments[i].calendar.get(&period).and_then(|t| t.get(&start.0)?.published);
            let before = due.len();
            let published = self.fire(row, known, changed, due);
            let blind = self.is_blind(due.len() > before);
            if let Some(total) =
                self.segments[i].calendar.get_mut(&period).and_then(|t| t.get_mut(&start.0))
            {
                total.published = Some(published);
                total.mature = age >= HORIZON_DAYS;
                total.blind |= blind;
            }
        }
        let z = self.segments[i].zone.index();
        for m in 0..self.clocks[z].moving.len() {
            // What it is compared with follows in the list, and is asked before it is cleared.
            let compared = self.clocks[z].compared(m).map(|c| &self.segments[i].moving[c]);
            let compared = compared.map_or((false, false), |c| (c.dirty, c.changed));
            let total = &mut self.segments[i].moving[m];
            let dirty = std::mem::take(&mut total.dirty) || compared.0;
            let changed = std::mem::take(&mut total.changed) || compared.1;
            if !dirty || !self.clocks[z].moving[m].shown {
                continue;
            }
            let known = total.published;
            let row = self.moving_row(&self.segments[i], m);
            let before = due.len();
            let published = self.fire(row, known, changed, due);
            let blind = self.is_blind(due.len() > before);
            let total = &mut self.segments[i].moving[m];
            total.published = Some(published);
            total.blind |= blind;
        }
    }

    /// Whether a row, if it went out, did not say up to where events are complete.
    fn is_blind(&mut self, sent: bool) -> bool {
        let blind = sent && self.watermark().is_none();
        self.blind |= blind;
        blind
    }

    /// Decides which firing a row is, and whether it has to go out.
    ///
    /// One that says what was last said of it goes out all the same where what it tells of has
    /// `changed` in between. Another owner, which reads the same but ticks at other moments, may have
    /// published what it said meanwhile, under a higher version than ours: readers would stay there.
    fn fire(
        &mut self,
        mut row: Row,
        known: Option<Published>,
        changed: bool,
        due: &mut Vec<DueRow>,
    ) -> Published {
        let key = row.key();
        let known = known.or_else(|| self.restored.remove(&key));
        let told = row.told_json();
        let hash = content_hash(&told, row.incomplete);
        let moving = !matches!(row.kind, WindowKind::Calendar(_));
        let (pane, revision) = match known {
            // A moving window never ends: its row always describes the current one.
            _ if moving => (Pane::Early, 0),
            // A closed window stays closed, also while a rebuilt frontier is not yet whole.
            Some(p) if p.pane != Pane::Early && p.hash == hash => (p.pane, p.revision),
            Some(p) if p.pane != Pane::Early => (Pane::Corrected, p.revision + 1),
            _ => (row.pane, 0),
        };
        let targets = standing_hash(&row.targets);
        let published = Published { hash, targets, pane, revision };
        if self.repair || changed || known != Some(published) {
            (row.pane, row.revision) = (pane, revision);
            let partition = self.partition;
            due.push(DueRow { json: row.json_with(&told), key, partition, pane });
        }
        published
    }
}

impl SegmentState {
    /// The next tick repeats the rows that went out blind.
    pub fn see(&mut self) {
        let calendar = self.calendar.values_mut().flat_map(|t| t.values_mut());
        for total in calendar.filter(|total| total.blind) {
            total.blind = false;
            total.change(true);
            self.dirty = true;
        }
        for total in self.moving.iter_mut().filter(|total| total.blind) {
            total.blind = false;
            total.change(true);
            self.dirty = true;
        }
    }
}

/// What a row says besides where it stands: equal hashes are no news.
pub(super) fn content_hash(told: &str, incomplete: bool) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(told.as_bytes(), u64::from(incomplete))
}
