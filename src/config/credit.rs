//! Moves of reps from team to team and from territory to territory, and of territories from region
//! to region.

use std::collections::BTreeMap;

use super::read::Reader;
use super::typed::{MoveRow, TerritoryRow};
use crate::model::definition::TerritoryEntry;
use crate::model::time::Day;

/// Dimension values by name.
type Values = BTreeMap<String, String>;

/// The moves of a rep by their days; what is wrong with them goes to the reader.
pub(super) fn moves(
    reader: &mut Reader,
    rep: &str,
    rows: Option<Vec<MoveRow>>,
    before: &Values,
    checked: bool,
) -> BTreeMap<Day, Values> {
    let mut out: BTreeMap<Day, (usize, Values)> = BTreeMap::new();
    for (i, MoveRow { from, values }) in rows.into_iter().flatten().enumerate() {
        let day = from.0.0;
        let values: Values = values.into_iter().map(|(k, v)| (k, v.0)).collect();
        let key = format!("{rep}.moves[{i}]");
        if checked && values.is_empty() {
            let mend = "name what changes, such as team = \"enterprise\"";
            reader.fault(&key, format!("the move of {day} changes nothing"), mend);
        }
        if out.insert(day, (i, values)).is_some() && checked {
            let what = format!("there are two moves on {day}");
            reader.fault(&format!("{key}.from"), what, "make them one");
        }
    }
    let mut held = before.clone();
    for (day, (i, values)) in &out {
        for (dimension, value) in values {
            let was = held.insert(dimension.clone(), value.clone());
            if checked && was.as_ref() == Some(value) {
                let what = format!("{dimension} is \"{value}\" already before {day}");
                let mend = "state where the rep moves to; what a move does not name stays";
                reader.fault(&format!("{rep}.moves[{i}].{dimension}"), what, mend);
            }
        }
    }
    out.into_iter().map(|(day, (_, values))| (day, values)).collect()
}

/// The territories with their regions; what is wrong with them goes to the reader.
pub(super) fn territories(
    reader: &mut Reader,
    rows: Option<Vec<TerritoryRow>>,
    checked: bool,
) -> BTreeMap<String, TerritoryEntry> {
    let mut out: BTreeMap<String, TerritoryEntry> = BTreeMap::new();
    for (i, row) in rows.into_iter().flatten().enumerate() {
        let at = format!("directory.territory[{i}]");
        let mut moves: BTreeMap<Day, (usize, String)> = BTreeMap::new();
        for (k, step) in row.moves.into_iter().flatten().enumerate() {
            let day = step.from.0.0;
            if moves.insert(day, (k, step.region.0)).is_some() && checked {
                let what = format!("there are two moves on {day}");
                reader.fault(&format!("{at}.moves[{k}].from"), what, "keep one of the two");
            }
        }
        let mut held = &row.region.0;
        for (day, (k, region)) in &moves {
            if checked && held == region {
                let what = format!("the region is \"{region}\" already before {day}");
                let mend = "state where the territory moves to";
                reader.fault(&format!("{at}.moves[{k}].region"), what, mend);
            }
            held = region;
        }
        let moves = moves.into_iter().map(|(day, (_, region))| (day, region)).collect();
        let entry = TerritoryEntry { region: row.region.0.clone(), moves };
        if out.insert(row.id.0.clone(), entry).is_some() && checked {
            let what = format!("there are two territories with the id \"{}\"", row.id.0);
            let mend = "make them one: where it goes to another region is one of its moves";
            reader.fault(&format!("{at}.id"), what, mend);
        }
    }
    out
}
