//! Exchange rates, from the file itself or a file beside it: TOML, or CSV as a bank or a
//! spreadsheet gives it.

use std::collections::BTreeMap;
use std::path::Path;

use super::build::reference;
use super::leaf::{Given, Leaf, Problem, Raw, clip, text};
use super::near::listed;
use super::read::{Place, Reader};
use super::typed::{self, RateRow};
use crate::model::fx::{Fx, Rate};
use crate::model::money::Currency;
use crate::model::time::Day;

/// Most rates of one file: a century of days of two dozen currencies.
const MOST: usize = 1_000_000;

/// The columns of a CSV.
const COLUMNS: [&str; 4] = ["date", "from", "to", "rate"];

/// A civil day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CivilDay(pub(super) Day);

impl Leaf for CivilDay {
    fn read(raw: Raw<'_>) -> Result<CivilDay, Problem> {
        let usual = "write year, month and day in quotes: \"2026-01-31\"";
        let given = text(raw, "a date", usual)?;
        let day = Day::parse(given).map(CivilDay);
        day.ok_or_else(|| Problem::new(format!("\"{}\" is not a date", clip(given)), usual))
    }
}

impl Leaf for Rate {
    fn read(raw: Raw<'_>) -> Result<Rate, Problem> {
        let usual = "write how many units of `to` one unit of `from` is, as a decimal number in quotes: \"1.1311\"";
        let given = match raw {
            Raw::Whole(n) => n.to_string(),
            _ => text(raw, "a rate", usual)?.to_owned(),
        };
        given.parse().map_err(|e| Problem::new(format!("the rate \"{}\" {e}", clip(&given)), usual))
    }
}

/// The rates; what is wrong with them goes to the reader.
pub(super) fn rates(reader: &mut Reader, typed: typed::Fx, own: Currency, base: &Path) -> Fx {
    if typed.file.is_some() && typed.rate.is_some() {
        let what = "[fx] names a file and has rates of its own";
        reader.fault("fx.rate", what, "keep one of the two");
    }
    let rows = match typed.file {
        Some(file) if file.0.to_lowercase().ends_with(".csv") => csv(reader, base, &file.0),
        Some(file) => {
            reference::<typed::RatesFile>(reader, base, "fx", &file.0).and_then(|f| f.rate)
        }
        None => typed.rate,
    };
    let rows = rows.unwrap_or_default();
    // Rows with faults are left out, and the indices behind them no longer match.
    let checked = !reader.faulty(&["fx"]);
    let mut out = Fx::default();
    let mut seen = BTreeMap::new();
    let any = !rows.is_empty();
    for (i, row) in rows.into_iter().enumerate() {
        let RateRow { date: Given(CivilDay(day)), from, to, rate } = row;
        let at = format!("fx.rate[{i}]");
        let (from, to) = (from.0, to.0);
        let twice = seen.insert((day, from, to), i).is_some();
        if checked && from == to {
            let what = format!("{from} is {from}: it needs no rate");
            reader.fault(&format!("{at}.to"), what, "remove the row");
        } else if checked && twice {
            let what = format!("there are two rates from {from} to {to} on {day}");
            reader.fault(&format!("{at}.date"), what, "keep one of the two");
        }
        if to == own {
            out.insert(from, day, rate.0);
        }
    }
    if checked && any && out.is_empty() {
        let what = format!("no rate leads to {own}, the reporting currency");
        let mend = "a rate says how many units of `to`, the reporting currency, one unit of `from` is; invert the others";
        reader.fault("fx", what, mend);
    }
    out
}

/// A CSV with a line of column names. Its rows take the places that rows of TOML would have.
fn csv(reader: &mut Reader, base: &Path, file: &str) -> Option<Vec<RateRow>> {
    let path = base.join(file);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) => {
            let what = format!("the file \"{}\" cannot be read: {e}", path.display());
            let mend = "name an existing file; a relative path starts at the configuration file";
            reader.fault("fx.file", what, mend);
            return None;
        }
    };
    let source = reader.keep(&path.display().to_string(), &text);
    let mut lines = fields_of_lines(&text);
    let head = lines.next().unwrap_or_default();
    let mut places = [0; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        match head.iter().position(|(_, name)| name.eq_ignore_ascii_case(column)) {
            Some(at) => *place = at,
            None => {
                let at = head.first().map_or(0, |(at, _)| *at);
                let span = Place::Text { source, span: at..at + 1 };
                let what = format!("the first line does not name the column \"{column}\"");
                let mend = format!("name the columns {}", listed(COLUMNS));
                reader.push_problem(Some(span), "fx.file", Problem::new(what, mend));
                return None;
            }
        }
    }
    let mut out = Vec::new();
    for (i, fields) in lines.enumerate() {
        let mut line = Line { reader: &mut *reader, source, i, fields: &fields };
        if i == MOST {
            line.problem("date", 0, Problem::new("there are too many rates", "leave out old ones"));
            break;
        }
        let [date, from, to, rate] = places;
        let row = (
            line.read("date", date),
            line.read("from", from),
            line.read("to", to),
            line.read("rate", rate),
        );
        if let (Some(date), Some(from), Some(to), Some(rate)) = row {
            out.push(RateRow { date, from, to, rate });
        }
    }
    Some(out)
}

/// A field of a line, and where it begins.
type Field<'a> = (usize, &'a str);

/// The fields of each line that has any; a line that begins with # is a remark.
fn fields_of_lines(text: &str) -> impl Iterator<Item = Vec<Field<'_>>> {
    let start = text.as_ptr() as usize;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#'));
    lines.map(move |line| {
        let separator = if line.contains(';') { ';' } else { ',' };
        let fields = line.split(separator).map(|field| field.trim().trim_matches('"'));
        fields.map(|field| (field.as_ptr() as usize - start, field)).collect()
    })
}

struct Line<'a> {
    reader: &'a mut Reader,
    source: usize,
    i: usize,
    fields: &'a [Field<'a>],
}

impl Line<'_> {
    fn read<T: Leaf>(&mut self, name: &str, column: usize) -> Option<Given<T>> {
        let Some((at, field)) = self.fields.get(column) else {
            let what = format!("\"{name}\" is missing");
            self.problem(name, 0, Problem::new(what, "give each line as many fields as the first"));
            return None;
        };
        let place = Place::Text { source: self.source, span: *at..at + field.len().max(1) };
        self.reader.set_place(&format!("fx.rate[{}].{name}", self.i), Some(place));
        match T::read(Raw::Text(field)) {
            Ok(value) => Some(Given(value)),
            Err(problem) => {
                self.problem(name, column, problem);
                None
            }
        }
    }

    fn problem(&mut self, name: &str, column: usize, problem: Problem) {
        let (at, field) = self.fields.get(column).copied().unwrap_or((0, " "));
        let place = Place::Text { source: self.source, span: at..at + field.len().max(1) };
        self.reader.push_problem(Some(place), &format!("fx.rate[{}].{name}", self.i), problem);
    }
}
