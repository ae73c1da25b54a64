//! Exchange rates, from the file itself or a file beside it: TOML, or CSV as a bank or a
//! spreadsheet gives it.

use std::collections::BTreeMap;
use std::path::Path;

use super::build::reference;
use super::files;
use super::leaf::{Given, Leaf, Problem, Raw, clip, text};
use super::read::Reader;
use super::typed::{self, RateRow};
use crate::model::fx::{Fx, Rate};
use crate::model::money::Currency;
use crate::model::time::Day;

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
        Some(file) if file.0.to_lowercase().ends_with(".csv") => {
            files::rows::<typed::RatesFile>(reader, base, "fx", &file.0).and_then(|f| f.rate)
        }
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
