//! Working days: which days of the week are worked on, less the holidays, by territory.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::Directory;
use super::fiscal::Weekday;
use super::segment::Segment;
use super::time::Day;

/// The working days of one territory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkCalendar {
    week: [bool; 7],
    holidays: BTreeSet<Day>,
}

/// Monday to Friday, without holidays.
impl Default for WorkCalendar {
    fn default() -> WorkCalendar {
        let week = Weekday::ALL.map(|(day, _)| day < Weekday::Saturday);
        WorkCalendar { week, holidays: BTreeSet::new() }
    }
}

impl WorkCalendar {
    /// A calendar of the weekdays that are worked on, and the days that are not.
    pub fn new(week: &[Weekday], holidays: impl IntoIterator<Item = Day>) -> WorkCalendar {
        let week = Weekday::ALL.map(|(day, _)| week.contains(&day));
        WorkCalendar { week, holidays: holidays.into_iter().collect() }
    }

    /// Whether a day is worked on.
    pub fn works(&self, day: Day) -> bool {
        self.in_week(day) && !self.holidays.contains(&day)
    }

    fn in_week(&self, day: Day) -> bool {
        self.week[Weekday::of(day) as usize]
    }

    /// How many days of `from..to` are worked on: whole weeks are not walked through.
    pub fn count(&self, from: Day, to: Day) -> i64 {
        if to <= from {
            return 0;
        }
        let weeks = (to.0 - from.0) / 7;
        let a_week = self.week.iter().filter(|works| **works).count() as i64;
        let rest = (from.0 + weeks * 7..to.0).filter(|day| self.in_week(Day(*day))).count() as i64;
        let off = self.holidays.range(from..to).filter(|day| self.in_week(**day)).count() as i64;
        i64::from(weeks) * a_week + rest - off
    }

    /// How many holidays it knows.
    pub fn holidays(&self) -> usize {
        self.holidays.len()
    }

    /// The last holiday that it knows.
    pub fn last_holiday(&self) -> Option<Day> {
        self.holidays.last().copied()
    }
}

/// The working days of all territories.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WorkCalendars {
    /// Of every territory that is not named.
    pub default: WorkCalendar,
    /// By territory.
    pub territories: BTreeMap<String, WorkCalendar>,
}

impl WorkCalendars {
    /// The working days of a segment: those of its territory, or of its rep's.
    pub fn of<'a>(&'a self, segment: &'a Segment, directory: &'a Directory) -> WorkOf<'a> {
        WorkOf { calendars: self, segment, directory }
    }
}

/// The working days of a segment. A rep may move to another territory.
#[derive(Clone, Copy, Debug)]
pub struct WorkOf<'a> {
    calendars: &'a WorkCalendars,
    segment: &'a Segment,
    directory: &'a Directory,
}

impl<'a> WorkOf<'a> {
    /// How many working days of a window, from its first day to its last one, have begun: `today` is
    /// one of them. By where a rep is today, or was on the last day, as targets are.
    pub fn begun(&self, first: Day, last: Day, today: Day) -> i64 {
        let until = today.min(last);
        self.on(until).count(first, Day(until.0 + 1))
    }

    /// The calendar by which it works on a day.
    pub fn on(&self, day: Day) -> &'a WorkCalendar {
        let of_rep = || {
            let rep = self.directory.reps.get(self.segment.value("rep")?)?;
            rep.value("territory", rep.moves.range(..=day).count())
        };
        let territory = self.segment.value("territory").or_else(of_rep);
        let own = territory.and_then(|name| self.calendars.territories.get(name));
        own.unwrap_or(&self.calendars.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::definition::DirectoryEntry;
    use proptest::prelude::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    proptest! {
        #[test]
        fn counting_is_walking(
            from in -1000i32..30_000,
            length in 0i32..900,
            week in proptest::collection::vec(any::<bool>(), 7),
            off in proptest::collection::vec(-1000i32..31_000, 0..200),
        ) {
            let days: Vec<Weekday> =
                Weekday::ALL.iter().zip(&week).filter(|(_, on)| **on).map(|((d, _), _)| *d).collect();
            let calendar = WorkCalendar::new(&days, off.into_iter().map(Day));
            let walked = (from..from + length).filter(|d| calendar.works(Day(*d))).count() as i64;
            prop_assert_eq!(calendar.count(Day(from), Day(from + length)), walked);
        }
    }

    #[test]
    fn a_month_by_hand() {
        let plain = WorkCalendar::default();
        // May 2026 begins on a Friday and has 31 days: 21 weekdays.
        assert_eq!(plain.count(day("2026-05-01"), day("2026-06-01")), 21);
        // Of the holidays one falls on a Saturday, and costs nothing.
        let off = ["2026-05-01", "2026-05-14", "2026-05-16", "2026-05-25"].map(day);
        let week = &Weekday::ALL.map(|(d, _)| d)[..5];
        assert_eq!(WorkCalendar::new(week, off).count(day("2026-05-01"), day("2026-06-01")), 18);
        // Where the weekend is Friday and Saturday.
        let gulf = [
            Weekday::Sunday,
            Weekday::Monday,
            Weekday::Tuesday,
            Weekday::Wednesday,
            Weekday::Thursday,
        ];
        assert_eq!(WorkCalendar::new(&gulf, []).count(day("2026-05-01"), day("2026-05-04")), 1);
        assert_eq!(plain.count(day("2026-05-04"), day("2026-05-01")), 0);
    }

    #[test]
    fn a_rep_works_as_the_territory_does() {
        let mut calendars = WorkCalendars::default();
        let north = WorkCalendar::new(&[Weekday::Monday], []);
        calendars.territories.insert("North".to_owned(), north.clone());
        let mut directory = Directory::default();
        let territory = |name: &str| [("territory".to_owned(), name.to_owned())].into();
        let values = territory("North");
        directory.reps.insert("r-1".to_owned(), DirectoryEntry { values, ..Default::default() });
        let moves = [
            (day("2026-05-11"), [("team".to_owned(), "core".to_owned())].into()),
            (day("2026-05-20"), territory("North")),
        ];
        let moved = DirectoryEntry {
            values: territory("South"),
            moves: moves.into(),
            ..Default::default()
        };
        directory.reps.insert("r-3".to_owned(), moved);
        let on = |parts: &[(&str, &str)], on: &str| {
            calendars.of(&Segment::of(parts.iter().copied()), &directory).on(day(on)).clone()
        };
        let of = |parts: &[(&str, &str)]| on(parts, "2026-05-19");
        assert_eq!(of(&[("rep", "r-1")]), north);
        assert_eq!(of(&[("territory", "North"), ("channel", "web")]), north);
        assert_eq!(of(&[("rep", "r-2")]), WorkCalendar::default());
        assert_eq!(of(&[]), WorkCalendar::default());
        // From the day of a move on by the new one.
        assert_eq!(of(&[("rep", "r-3")]), WorkCalendar::default());
        assert_eq!(on(&[("rep", "r-3")], "2026-05-20"), north);
        // May 2026 by Mondays since the move, before it by weekdays.
        let segment = Segment::of([("rep", "r-3")]);
        let begun = |today: &str| {
            calendars.of(&segment, &directory).begun(
                day("2026-05-01"),
                day("2026-05-31"),
                day(today),
            )
        };
        assert_eq!(
            ["2026-04-30", "2026-05-04", "2026-05-19", "2026-06-09"].map(begun),
            [0, 2, 13, 4]
        );
    }
}
