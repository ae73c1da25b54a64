//! Instants as the clocks of their row's zone show them.

use std::collections::BTreeMap;

use crate::model::calendar::Calendar;
use crate::model::time::Timestamp;

/// The calendars of the zones met so far: making one is dear, and rows share theirs.
#[derive(Debug, Default)]
pub struct Zones {
    known: BTreeMap<String, Option<Calendar>>,
}

impl Zones {
    /// Seconds ahead of UTC; 0 for a zone that is not known here.
    fn offset(&mut self, zone: &str, at: Timestamp) -> i64 {
        if !self.known.contains_key(zone) {
            self.known.insert(zone.to_owned(), Calendar::of(zone).ok());
        }
        let calendar = self.known.get(zone).and_then(Option::as_ref);
        calendar.map_or(0, |calendar| calendar.offset_at(at).into())
    }

    /// The instant whose reading in UTC is what the zone's clocks show.
    pub fn civil(&mut self, zone: &str, at: Timestamp) -> Timestamp {
        Timestamp(at.0.saturating_add(self.offset(zone, at) * 1_000_000))
    }

    /// RFC 3339 with the zone's offset: the same instant as in the row, read as its civil time.
    pub fn rfc3339(&mut self, zone: &str, at: Timestamp) -> String {
        let offset = self.offset(zone, at);
        // RFC 3339 has no seconds in offsets; zones had them only before 1970.
        if offset == 0 || offset % 60 != 0 {
            return at.to_string();
        }
        let civil = Timestamp(at.0.saturating_add(offset * 1_000_000)).to_string();
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
        format!("{}{sign}{:02}:{:02}", civil.trim_end_matches('Z'), minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_back_the_same_and_shows_the_civil_day() {
        let mut zones = Zones::default();
        for (zone, utc, shown) in [
            ("Europe/Berlin", "2026-02-28T23:00:00Z", "2026-03-01T00:00:00+01:00"),
            ("Europe/Berlin", "2026-03-31T22:00:00Z", "2026-04-01T00:00:00+02:00"),
            ("America/St_Johns", "2026-01-01T03:30:00.5Z", "2026-01-01T00:00:00.500-03:30"),
            ("UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("No/Where", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ] {
            let at = Timestamp::parse_rfc3339(utc).unwrap();
            assert_eq!(zones.rfc3339(zone, at), shown);
            assert_eq!(Timestamp::parse_rfc3339(shown), Some(at));
        }
    }
}
