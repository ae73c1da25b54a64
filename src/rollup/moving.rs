//! Moving windows: rolling and to-date windows, and what each window is compared with. Their
//! totals follow `now` by difference, so a tick costs what entered and left, whatever the length.

use super::segment::last_day;
use crate::model::against::Against;
use crate::model::calendar::Calendar;
use crate::model::definition::Definition;
use crate::model::slice::FINE;
use crate::model::time::Timestamp;
use crate::model::window::{SliceRange, WindowKind};

/// A window that moves with `now`.
#[derive(Clone, Copy, Debug)]
pub struct Moving {
    /// Kind of the window that it is, or that it is compared with.
    pub kind: WindowKind,
    /// Rows are published for it; otherwise it only serves a comparison.
    pub shown: bool,
    /// The slices it holds now.
    pub range: SliceRange,
    /// The last day that it reaches into.
    pub last_day: i32,
    /// The days of a quarter and of a year ago that it is compared with.
    pub far: [Option<SliceRange>; 2],
}

impl Moving {
    /// Where the window stands at `now`.
    pub fn range_at(&self, calendar: &Calendar, now: Timestamp) -> SliceRange {
        if self.shown {
            self.kind.current(calendar, now)
        } else {
            self.kind.compared(calendar, now)
        }
    }

    /// Puts the window where it stands at `now`. Returns where it stood.
    pub fn advance(&mut self, calendar: &Calendar, now: Timestamp) -> SliceRange {
        let to = self.range_at(calendar, now);
        self.last_day = last_day(to, calendar);
        let today = calendar.day_of(Timestamp(now.0 - 1));
        self.far = Against::FAR.map(|against| against.days(self.kind, to, today));
        std::mem::replace(&mut self.range, to)
    }
}

/// The moving windows of a definition: for each rolling or to-date window itself and what it is
/// compared with; for each calendar window only the latter.
pub fn of(definition: &Definition, calendar: &Calendar, now: Timestamp) -> Vec<Moving> {
    let mut out = Vec::new();
    for kind in &definition.windows {
        let shown: &[bool] = match kind {
            WindowKind::Calendar(_) => &[false],
            // What it is compared with must still be kept; otherwise growth stays absent.
            WindowKind::RollingFine(n) if !fine_twice(*n, definition) => &[true],
            _ => &[true, false],
        };
        for shown in shown {
            let empty = SliceRange { tier: kind.current(calendar, now).tier, lo: 0, hi: 0 };
            let mut moving =
                Moving { kind: *kind, shown: *shown, range: empty, last_day: 0, far: [None; 2] };
            moving.advance(calendar, now);
            out.push(moving);
        }
    }
    out
}

/// Whether fine slices are kept for twice the window, and a slice in progress.
fn fine_twice(slices: u32, definition: &Definition) -> bool {
    i64::from(slices) * 2 < definition.retention.fine.0 / FINE.0
}
