//! Zones of segments: whose days the days of a segment are.
//!
//! A zone belongs to a value of a dimension (`territory=Tokyo`) for good. A segment has that of its
//! first value with one, else that of the job.

use std::collections::BTreeMap;

use super::calendar::Calendar;
use super::segment::Segment;
use super::time::Day;

/// A zone of a job, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ZoneId(u8);

impl ZoneId {
    /// That of the job: of the whole business, and of every segment without one of its own.
    pub const JOB: ZoneId = ZoneId(0);

    /// Its place among the zones of the job.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Some zones of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ZoneSet(u64);

impl ZoneSet {
    /// With one more.
    #[must_use]
    pub fn with(self, zone: ZoneId) -> ZoneSet {
        ZoneSet(self.0 | 1 << zone.0)
    }

    /// Whether it is one of them.
    pub fn holds(self, zone: ZoneId) -> bool {
        self.0 & 1 << zone.0 != 0
    }

    /// Those of both.
    #[must_use]
    pub fn and(self, others: ZoneSet) -> ZoneSet {
        ZoneSet(self.0 | others.0)
    }

    /// The first that the other set does not have.
    pub fn first_beyond(self, others: ZoneSet) -> Option<ZoneId> {
        let rest = self.0 & !others.0;
        (rest != 0).then(|| ZoneId(rest.trailing_zeros() as u8))
    }
}

/// The zones that segments have of their own.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Zones {
    /// Behind that of the job, in the order of their names.
    calendars: Vec<Calendar>,
    by_value: BTreeMap<String, BTreeMap<String, ZoneId>>,
    /// Where dates without a time stand; `None` where the job has one zone.
    dates: Option<Calendar>,
}

/// Two zones in which it is never the same date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooFarApart {
    /// One of them.
    pub ahead: String,
    /// The other one.
    pub behind: String,
    /// A day that is over in the one before it begins in the other.
    pub day: Day,
}

impl Zones {
    /// Most zones beside that of the job.
    pub const MOST: usize = 63;

    /// The zones of values of dimensions, in a job of this zone. At most [`Zones::MOST`] different
    /// ones are taken.
    pub fn new(
        job: &Calendar,
        rows: impl IntoIterator<Item = (String, String, Calendar)>,
    ) -> Zones {
        let rows: Vec<_> = rows.into_iter().collect();
        let mut named: BTreeMap<&str, &Calendar> =
            rows.iter().map(|(.., calendar)| (calendar.zone(), calendar)).collect();
        named.remove(job.zone());
        let calendars: Vec<Calendar> = named.into_values().take(Zones::MOST).cloned().collect();
        let mut out = Zones { calendars, ..Zones::default() };
        for (dimension, value, calendar) in &rows {
            let place = out.calendars.iter().position(|own| own == calendar);
            let id = place.map_or(ZoneId::JOB, |i| ZoneId(i as u8 + 1));
            out.by_value.entry(dimension.clone()).or_default().insert(value.clone(), id);
        }
        let all: Vec<&Calendar> = [job].into_iter().chain(&out.calendars).collect();
        out.dates = (all.len() > 1).then(|| Calendar::last_to_begin(&all));
        out
    }

    /// Whether every segment has the zone of the job.
    pub fn is_one(&self) -> bool {
        self.calendars.is_empty()
    }

    /// The zone of a segment.
    pub fn of(&self, segment: &Segment) -> ZoneId {
        let own = |(dimension, value): &(Box<str>, Box<str>)| {
            self.by_value.get(&**dimension)?.get(&**value).copied()
        };
        segment.parts.iter().find_map(own).unwrap_or(ZoneId::JOB)
    }

    /// The calendar of a zone, in a job of this one.
    pub fn calendar<'a>(&'a self, job: &'a Calendar, zone: ZoneId) -> &'a Calendar {
        zone.index().checked_sub(1).and_then(|i| self.calendars.get(i)).unwrap_or(job)
    }

    /// The calendar by which a segment counts days, in a job of this one.
    pub fn calendar_of<'a>(&'a self, job: &'a Calendar, segment: &Segment) -> &'a Calendar {
        self.calendar(job, self.of(segment))
    }

    /// The calendar of a zone by its name, in a job of this one; that of the job where it has no zone
    /// of that name.
    pub fn calendar_named<'a>(&'a self, job: &'a Calendar, zone: &str) -> &'a Calendar {
        self.calendars.iter().find(|own| own.zone() == zone).unwrap_or(job)
    }

    /// All zones, that of the job first.
    pub fn ids(&self) -> impl Iterator<Item = ZoneId> + use<> {
        (0..=self.calendars.len() as u8).map(ZoneId)
    }

    /// The names of those that are not the job's.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.calendars.iter().map(Calendar::zone)
    }

    /// The zone of each value of a dimension that has one, with its name, in a job of this one.
    pub fn rows<'a>(
        &'a self,
        job: &'a Calendar,
    ) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
        self.by_value.iter().flat_map(move |(dimension, values)| {
            let zone = |id: &ZoneId| self.calendar(job, *id).zone();
            values.iter().map(move |(value, id)| (dimension.as_str(), value.as_str(), zone(id)))
        })
    }

    /// Where dates without a time stand, in a job of this calendar: a date begins when it is that
    /// date everywhere. So it is of the same day in every segment.
    pub fn dates<'a>(&'a self, job: &'a Calendar) -> &'a Calendar {
        self.dates.as_ref().unwrap_or(job)
    }

    /// Two zones, that of the job among them, in which it is never the same date, if any.
    pub fn too_far_apart(&self, job: &Calendar) -> Option<TooFarApart> {
        let all: Vec<&Calendar> = self.ids().map(|id| self.calendar(job, id)).collect();
        let pairs = all.iter().flat_map(|ahead| all.iter().map(move |behind| (ahead, behind)));
        pairs.filter(|(ahead, behind)| ahead != behind).find_map(|(ahead, behind)| {
            let day = ahead.day_over_before(behind)?;
            let (ahead, behind) = (ahead.zone().to_owned(), behind.zone().to_owned());
            Some(TooFarApart { ahead, behind, day })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    fn zones(job: &str, rows: &[(&str, &str, &str)]) -> (Calendar, Zones) {
        let job = Calendar::of(job).unwrap();
        let row = |(d, v, z): &(&str, &str, &str)| {
            ((*d).to_owned(), (*v).to_owned(), Calendar::of(z).unwrap())
        };
        let zones = Zones::new(&job, rows.iter().map(row));
        (job, zones)
    }

    #[test]
    fn a_segment_has_the_zone_of_its_first_value_with_one() {
        let (job, zones) = zones(
            "Europe/Berlin",
            &[
                ("territory", "Tokyo", "Asia/Tokyo"),
                ("territory", "Berlin", "Europe/Berlin"),
                ("rep", "r-1", "America/New_York"),
            ],
        );
        let of = |parts: &[(&str, &str)]| {
            zones.calendar_of(&job, &Segment::of(parts.iter().copied())).zone().to_owned()
        };
        assert_eq!(of(&[]), "Europe/Berlin");
        assert_eq!(of(&[("territory", "Tokyo")]), "Asia/Tokyo");
        assert_eq!(of(&[("territory", "tokyo")]), "Europe/Berlin");
        assert_eq!(of(&[("rep", "r-1"), ("territory", "Tokyo")]), "America/New_York");
        assert_eq!(of(&[("rep", "r-2"), ("territory", "Tokyo")]), "Asia/Tokyo");
        // One that says the zone of the job has it, whatever its other values have.
        assert_eq!(of(&[("territory", "Berlin"), ("rep", "r-1")]), "Europe/Berlin");
        assert_eq!(zones.ids().count(), 3);
        assert_eq!(zones.names().collect::<Vec<_>>(), ["America/New_York", "Asia/Tokyo"]);
    }

    #[test]
    fn zones_that_never_share_a_date_are_told() {
        let (job, far) = zones("Pacific/Honolulu", &[("team", "k", "Pacific/Kiritimati")]);
        let told = far.too_far_apart(&job).unwrap();
        assert_eq!((&*told.ahead, &*told.behind), ("Pacific/Kiritimati", "Pacific/Honolulu"));
        let (job, near) = zones("America/Los_Angeles", &[("team", "k", "Asia/Tokyo")]);
        assert_eq!(near.too_far_apart(&job), None);
    }

    #[test]
    fn in_a_job_of_one_zone_dates_stand_where_they_stood() {
        let (job, one) = zones("Europe/Berlin", &[("territory", "Berlin", "Europe/Berlin")]);
        assert!(one.is_one());
        assert_eq!(one.dates(&job), &job);
    }

    #[test]
    fn a_date_is_the_same_day_in_every_zone() {
        let (job, zones) = zones(
            "Europe/Berlin",
            &[
                ("t", "a", "Asia/Tokyo"),
                ("t", "b", "America/New_York"),
                ("t", "c", "America/Los_Angeles"),
                ("t", "d", "America/Havana"),
                ("t", "e", "Australia/Lord_Howe"),
                ("t", "f", "America/Sao_Paulo"),
            ],
        );
        let dates = zones.dates(&job);
        // Every day from 1970 to 2038, those of all changes of clocks among them.
        for day in (1..25_000).map(Day) {
            let at = dates.start_of(day);
            let starts = || zones.ids().map(|id| zones.calendar(&job, id).start_of(day));
            assert_eq!(Some(at), starts().max(), "{day}");
            for id in zones.ids() {
                assert_eq!(zones.calendar(&job, id).day_of(at), day);
            }
            assert_eq!(dates.day_of(at), day);
            assert!(dates.day_of(Timestamp(at.0 - 1)) < day);
            let first = dates.first_began(at);
            assert_eq!(Some(first), starts().min(), "{day}");
            assert!(dates.is_all_on(at, day) && !dates.is_all_on(Timestamp(at.0 - 1), day));
            let noon = Timestamp(at.0 + 3_600_000_000 * 20);
            assert!(!dates.is_all_on(noon, day), "in Tokyo it is the next day");
            // In one zone a date is what it was.
            assert_eq!(job.first_began(noon), noon);
        }
    }

    #[test]
    fn zones_that_were_far_apart_once_are_not_refused() {
        let (job, zones) = zones("Pacific/Auckland", &[("t", "samoa", "Pacific/Apia")]);
        assert_eq!(zones.too_far_apart(&job), None);
    }
}
