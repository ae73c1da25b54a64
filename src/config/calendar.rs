//! Calendars: the fiscal year, and which days are worked on where.

use std::path::Path;

use super::files;
use super::leaf::{Given, Leaf, Problem, Raw, Whole, clip, text};
use super::near::{did_you_mean, nearest};
use super::read::{Reader, child};
use super::shape::{map, table};
use crate::model::fiscal::{Fiscal, Pattern, Weekday, YearEnd};
use crate::model::time::Day;
use crate::model::workdays::{WorkCalendar, WorkCalendars};

table! {
    /// The section.
    Typed {
        fiscal_first_month: Given<Whole<1, 12>>,
        fiscal_pattern: Given<Pattern>,
        fiscal_year_end: Given<YearEnd>,
        working_days: Vec<Given<Weekday>>,
        holidays: Option<Given<String>>,
        territories: Option<Territories>,
    }
    Territory {
        working_days: Option<Vec<Given<Weekday>>>,
        holidays: Option<Given<String>>,
    }
    /// A file of holidays.
    HolidaysFile {
        holiday: Option<Vec<Holiday>>,
    }
    Holiday {
        date: Given<Day>,
        name: Option<Given<String>>,
    }
}

map! {
    /// Calendars by territory.
    Territories(Territory), keys: |_| Ok(())
}

impl Leaf for Weekday {
    fn read(raw: Raw<'_>) -> Result<Weekday, Problem> {
        let names = Weekday::ALL.map(|(_, name)| name);
        let usual = "write a weekday in quotes: \"monday\"";
        let name = text(raw, "a weekday", usual)?;
        let what = || format!("\"{}\" is not a weekday", clip(name));
        Weekday::parse(name).ok_or_else(|| Problem::new(what(), did_you_mean(name, &names)))
    }
}

impl Leaf for Pattern {
    fn read(raw: Raw<'_>) -> Result<Pattern, Problem> {
        let names = Pattern::ALL.map(|(_, name)| name);
        let name = text(raw, "how a fiscal year is parted", "write \"months\" or \"4-4-5\"")?;
        let what = || format!("\"{}\" is no way to part a fiscal year", clip(name));
        Pattern::parse(name).ok_or_else(|| Problem::new(what(), did_you_mean(name, &names)))
    }
}

impl Leaf for YearEnd {
    fn read(raw: Raw<'_>) -> Result<YearEnd, Problem> {
        let usual = "write \"last saturday\" (of the year's last month) or \"nearest saturday\" (to its end)";
        let rule = text(raw, "the day that a year of weeks ends on", usual)?;
        let not = || format!("\"{}\" is no rule for the end of a year of weeks", clip(rule));
        let (word, day) = rule.split_once(' ').ok_or_else(|| Problem::new(not(), usual))?;
        let Some(weekday) = Weekday::parse(day.trim()) else {
            let near = nearest(day, Weekday::ALL.map(|(_, name)| name));
            let mend =
                near.map_or(usual.to_owned(), |near| format!("did you mean \"{word} {near}\"?"));
            return Err(Problem::new(not(), mend));
        };
        match word {
            "last" => Ok(YearEnd::Last(weekday)),
            "nearest" => Ok(YearEnd::Nearest(weekday)),
            _ => Err(Problem::new(not(), usual)),
        }
    }
}

impl Leaf for Day {
    fn read(raw: Raw<'_>) -> Result<Day, Problem> {
        let usual = "write year, month and day in quotes: \"2026-01-31\"";
        let date = text(raw, "a date", usual)?;
        let known = Day::parse(date).filter(|day| (Day(0)..Day(84_006)).contains(day));
        let what = || format!("\"{}\" is not a date from 1970 to 2199", clip(date));
        known.ok_or_else(|| Problem::new(what(), usual))
    }
}

/// The fiscal year.
pub(super) fn fiscal(typed: &Typed) -> Fiscal {
    Fiscal {
        // 1 to 12 by its type.
        first_month: u8::try_from(typed.fiscal_first_month.0.0).unwrap_or(1),
        pattern: typed.fiscal_pattern.0,
        end: typed.fiscal_year_end.0,
    }
}

/// The working days; what is wrong with them goes to the reader.
pub(super) fn work(reader: &mut Reader, typed: Typed, base: &Path) -> WorkCalendars {
    let at = "calendar";
    let week = week(reader, at, &typed.working_days);
    let days = holidays(reader, at, typed.holidays, base).unwrap_or_default();
    let mut out = WorkCalendars {
        default: WorkCalendar::new(&week, days.iter().copied()),
        ..WorkCalendars::default()
    };
    for (name, territory) in typed.territories.into_iter().flat_map(|t| t.0) {
        let at = child("calendar.territories", &name);
        let own = territory.working_days.map(|days| self::week(reader, &at, &days));
        let off = holidays(reader, &at, territory.holidays, base);
        let calendar = WorkCalendar::new(
            own.as_deref().unwrap_or(&week),
            off.as_ref().unwrap_or(&days).iter().copied(),
        );
        out.territories.insert(name, calendar);
    }
    out
}

fn week(reader: &mut Reader, at: &str, typed: &[Given<Weekday>]) -> Vec<Weekday> {
    let key = format!("{at}.working_days");
    if typed.is_empty() && !reader.faulty(&[&key]) {
        reader.fault(&key, "there is no working day", "name those of the week: [\"monday\", …]");
    }
    typed.iter().map(|day| day.0).collect()
}

/// The days of a file; `None` where no file is named.
fn holidays(
    reader: &mut Reader,
    at: &str,
    file: Option<Given<String>>,
    base: &Path,
) -> Option<Vec<Day>> {
    let key = format!("{at}.holidays");
    let file = files::rows::<HolidaysFile>(reader, base, &key, &file?.0)?;
    let list: Vec<Holiday> = file.holiday.into_iter().flatten().collect();
    for i in super::build::repeated(list.iter().map(|holiday| holiday.date.0)) {
        if !reader.faulty(&[&key]) {
            let Holiday { date, name } = &list[i];
            let name = name.as_ref().map_or(String::new(), |name| format!(" ({})", name.0));
            let what = format!("the holiday {}{name} is there twice", date.0);
            reader.fault(&format!("{key}.holiday[{i}]"), what, "remove one of the two");
        }
    }
    Some(list.into_iter().map(|holiday| holiday.date.0).collect())
}
