//! Reference files that a person keeps in a spreadsheet or a text editor: rows as CSV, or as an
//! array of tables in TOML, by the ending of the name. Both are checked against one shape, and
//! faults are told with the line of the file.

use std::path::Path;

use config::{Map, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::leaf::{Problem, Raw, clip};
use super::near::did_you_mean;
use super::read::{Layer, Place, Reader};
use super::shape::{Key, Shape, Shaped, Table};

/// Most rows of one file: a century of days of two dozen currencies.
const MOST: usize = 1_000_000;

/// Reads a file beside the configuration. `key` names it in the configuration, and stands before the
/// keys of its rows. `None` where it cannot be read; what is wrong goes to the reader.
pub(super) fn rows<T: DeserializeOwned + Shaped>(
    reader: &mut Reader,
    base: &Path,
    key: &str,
    file: &str,
) -> Option<T> {
    let path = base.join(file);
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) => {
            let what = format!("the file \"{name}\" cannot be read: {e}");
            let mend = "name an existing file; a relative path starts at the configuration file";
            reader.fault(key, what, mend);
            return None;
        }
    };
    let Shape::Table(shape) = T::SHAPE else {
        return None;
    };
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_lowercase);
    let layer = match ending.as_deref() {
        Some("csv") => csv_rows(reader, &name, &text, shape, key)?,
        Some("toml") => reader.text(&name, &text, shape, key)?,
        _ => {
            let what = format!("the file \"{name}\" is neither .csv nor .toml");
            reader.fault(key, what, "name it by what is in it");
            return None;
        }
    };
    match Value::new(None, ValueKind::Table(layer.0)).try_deserialize() {
        Ok(read) => Some(read),
        Err(e) => {
            reader.fault(key, format!("the file \"{name}\" cannot be used: {e}"), "mend the file");
            None
        }
    }
}

/// The list that a file of rows is, and the table that each row is.
fn list_of(shape: &'static Table) -> Option<(&'static str, &'static Table)> {
    shape.keys.iter().find_map(|key| match key.shape {
        Shape::List(Shape::Table(row)) => Some((key.name, *row)),
        _ => None,
    })
}

/// What parts the cells: many spreadsheets write semicolons where the comma is that of decimals.
fn separator(body: &str) -> u8 {
    let mut lines = body.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    if lines.next().is_some_and(|head| head.contains(';')) { b';' } else { b',' }
}

/// A row a line, columns named in the first one. An empty cell states nothing; a line that begins
/// with # is a remark.
fn csv_rows(
    reader: &mut Reader,
    name: &str,
    text: &str,
    shape: &'static Table,
    key: &str,
) -> Option<Layer> {
    let (list, row_shape) = list_of(shape)?;
    let source = reader.keep(name, text);
    // Spreadsheets like to begin with a byte order mark.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(::csv::Trim::All)
        .flexible(true)
        .comment(Some(b'#'))
        .delimiter(separator(body))
        .from_reader(body.as_bytes());
    let mut head: Option<Vec<String>> = None;
    let mut out = Vec::new();
    for record in lines.records() {
        let at = |from: usize| Some(line_at(source, text, text.len() - body.len() + from));
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let from = error.position().map_or(0, |p| p.byte() as usize);
                let problem = Problem::new(format!("not CSV: {error}"), "mend the line");
                reader.push_problem(at(from), key, problem);
                return None;
            }
        };
        // Blanks alone are an empty line.
        if record.len() == 1 && record[0].is_empty() {
            continue;
        }
        let place = at(record.position().map_or(0, |p| p.byte() as usize));
        let Some(columns) = &head else {
            let columns: Vec<String> = record.iter().map(str::to_ascii_lowercase).collect();
            if !check_head(reader, &columns, row_shape, (&place, key)) {
                return None;
            }
            head = Some(columns);
            continue;
        };
        let path = format!("{key}.{list}[{}]", out.len());
        if out.len() == MOST {
            let problem =
                Problem::new(format!("there are more than {MOST} rows"), "leave out old ones");
            reader.push_problem(place, &path, problem);
            return None;
        }
        reader.set_place(&path, place.clone());
        out.push(csv_row(reader, &record, columns, row_shape, (&place, &path)));
    }
    let rows = out.into_iter().flatten().collect();
    Some(Layer([(list.to_owned(), Value::new(None, ValueKind::Array(rows)))].into_iter().collect()))
}

type At<'a> = (&'a Option<Place>, &'a str);

fn check_head(
    reader: &mut Reader,
    columns: &[String],
    shape: &Table,
    (place, key): At<'_>,
) -> bool {
    let names: Vec<&str> = shape.keys.iter().map(|key| key.name).collect();
    let before = |i: usize| columns[..i].contains(&columns[i]);
    let mut right = true;
    for (i, column) in columns.iter().enumerate() {
        let problem = if !names.contains(&column.as_str()) {
            let what = format!("unknown column \"{}\"", clip(column));
            Problem::new(what, did_you_mean(column, &names))
        } else if before(i) {
            Problem::new(format!("the column \"{column}\" is there twice"), "remove one of the two")
        } else {
            continue;
        };
        reader.push_problem(place.clone(), key, problem);
        right = false;
    }
    for needed in shape.keys.iter().filter(|k| k.required) {
        if !columns.iter().any(|column| column == needed.name) {
            let what = format!("the column \"{}\" is missing", needed.name);
            let problem = Problem::new(what, "the first line names the columns");
            reader.push_problem(place.clone(), key, problem);
            right = false;
        }
    }
    right
}

/// One row; `None` where a cell is wrong.
fn csv_row(
    reader: &mut Reader,
    record: &::csv::StringRecord,
    columns: &[String],
    shape: &Table,
    (place, path): At<'_>,
) -> Option<Value> {
    let mut row = Map::new();
    let mut right = true;
    if record.len() > columns.len() {
        let what = format!("the line has {} cells, the head {}", record.len(), columns.len());
        let mend = "put a cell with a comma in it in double quotes";
        reader.push_problem(place.clone(), path, Problem::new(what, mend));
        right = false;
    }
    for (column, cell) in columns.iter().zip(record).filter(|(_, cell)| !cell.is_empty()) {
        let Some(key) = shape.keys.iter().find(|key| key.name == column) else { continue };
        let Shape::Leaf(check) = key.shape else { continue };
        match read_cell(cell, check) {
            Ok(kind) => {
                row.insert(column.clone(), Value::new(None, kind));
            }
            Err(problem) => {
                let what = format!("{column}: {}", problem.what);
                let problem = Problem::new(what, problem.mend);
                reader.push_problem(place.clone(), &format!("{path}.{column}"), problem);
                right = false;
            }
        }
    }
    let missing = |key: &&Key| right && key.required && !row.contains_key(key.name);
    if let Some(needed) = shape.keys.iter().find(missing) {
        let what = format!("\"{}\" is missing", needed.name);
        let problem = Problem::new(what, format!("fill the column {}", needed.name));
        reader.push_problem(place.clone(), path, problem);
        right = false;
    }
    right.then(|| Value::new(None, ValueKind::Table(row)))
}

/// A cell is a text; where that will not do, the number or the boolean that it spells.
fn read_cell(cell: &str, check: fn(Raw<'_>) -> Result<(), Problem>) -> Result<ValueKind, Problem> {
    let as_text = check(Raw::Text(cell));
    let Err(problem) = as_text else {
        return Ok(ValueKind::String(cell.to_owned()));
    };
    if let Some(n) = cell.parse().ok().filter(|n| check(Raw::Whole(*n)).is_ok()) {
        return Ok(ValueKind::I64(n));
    }
    match cell.parse().ok().filter(|b| check(Raw::Bool(*b)).is_ok()) {
        Some(b) => Ok(ValueKind::Boolean(b)),
        None => Err(problem),
    }
}

/// The line that the record at a byte begins with.
fn line_at(source: usize, text: &str, from: usize) -> Place {
    let mut start = from.min(text.len());
    let rest = |start: usize| text.get(start..).unwrap_or_default();
    // The reader passes over empty lines and remarks.
    while rest(start).starts_with(['\r', '\n', '#']) {
        start += rest(start).find('\n').map_or(rest(start).len(), |at| at + 1);
    }
    let line = rest(start).lines().next().unwrap_or_default();
    Place::Text { source, span: start..start + line.trim_end().len() }
}
