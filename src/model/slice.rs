//! Slices: the stored pieces of time. Windows are read off slices, so an event touches one slice a
//! tier, whatever the number and length of the windows (Flink's `SliceAssigner`, Scotty).

use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::time::{Day, Span, Timestamp};

/// Length of a fine slice. Five minutes nest in the civil days of every zone, since 1970 all
/// offsets of zones in use are multiples of fifteen minutes.
pub const FINE: Span = Span::minutes(5);

/// Which grid a slice belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tier {
    /// Five-minute slices, kept for about a week: rolling windows up to 7 days.
    Fine,
    /// Civil days in the configured zone, kept for years: everything longer, and stocks.
    Day,
}

/// One stored piece of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slice {
    /// Its grid.
    pub tier: Tier,
    /// Its number: five-minute steps or civil days since 1970.
    pub index: i32,
}

impl Slice {
    /// The fine slice of an instant.
    pub fn fine(at: Timestamp) -> Slice {
        Slice { tier: Tier::Fine, index: at.0.div_euclid(FINE.0) as i32 }
    }

    /// The day slice of an instant.
    pub fn day(calendar: &Calendar, at: Timestamp) -> Slice {
        Slice { tier: Tier::Day, index: calendar.day_of(at).0 }
    }

    /// Its first instant.
    pub fn start(self, calendar: &Calendar) -> Timestamp {
        match self.tier {
            Tier::Fine => Timestamp(i64::from(self.index) * FINE.0),
            Tier::Day => calendar.start_of(Day(self.index)),
        }
    }
}

/// How long slices are kept behind the watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Fine slices.
    pub fine: Span,
    /// Day slices; `None` keeps them for ever (replay).
    pub days: Option<u32>,
}

impl Retention {
    /// The first fine and the first day slice still kept at a watermark.
    pub fn floors(&self, calendar: &Calendar, watermark: Timestamp) -> (i32, i32) {
        let fine = Slice::fine(watermark - self.fine).index;
        let day = match self.days {
            Some(days) => calendar.day_of(watermark).0.saturating_sub(days.min(1 << 20) as i32),
            None => i32::MIN,
        };
        (fine, day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_half_open_also_before_the_epoch() {
        let utc = Calendar::of("UTC").unwrap();
        let edge = Slice { tier: Tier::Fine, index: -1 };
        assert_eq!(Slice::fine(Timestamp(-1)), edge);
        assert_eq!(Slice::fine(edge.start(&utc)), edge);
        assert_eq!(Slice::fine(Timestamp(0)).index, 0);
        assert_eq!(Slice::fine(Timestamp(FINE.0 - 1)).index, 0);
        assert_eq!(Slice::fine(Timestamp(FINE.0)).index, 1);
    }

    #[test]
    fn floors_follow_the_watermark() {
        let utc = Calendar::of("UTC").unwrap();
        let keep = Retention { fine: Span::days(8), days: Some(800) };
        let at = utc.start_of(Day(10_000));
        assert_eq!(keep.floors(&utc, at), (9_992 * 288, 9_200));
        assert_eq!(Retention { days: None, ..keep }.floors(&utc, at).1, i32::MIN);
    }
}
