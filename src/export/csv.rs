//! CSV: commas, line feeds, a head; every number in all its digits.

use std::io::Write;

use super::safe::harmless;
use super::table::{Cell, Table};
use super::{ExportError, Zones};
use crate::model::row::Row;

/// Writes rows, and returns how many lines they made.
pub fn write<'r>(
    table: &Table,
    rows: impl IntoIterator<Item = &'r Row>,
    delimiter: u8,
    out: impl Write,
) -> Result<u64, ExportError> {
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(out);
    let head = table.columns().iter().map(|column| harmless(&column.name).into_owned());
    writer.write_record(head).map_err(failed)?;
    let mut zones = Zones::default();
    let mut lines = 0;
    for row in rows {
        table.lines(row, |cells| {
            lines += 1;
            let texts = cells.iter().map(|cell| text(cell, &row.zone, &mut zones));
            writer.write_record(texts.collect::<Vec<_>>()).map_err(failed)
        })?;
    }
    writer.flush()?;
    Ok(lines)
}

fn text(cell: &Cell<'_>, zone: &str, zones: &mut Zones) -> String {
    match cell {
        Cell::Absent => String::new(),
        Cell::Text(text) => harmless(text).into_owned(),
        Cell::Instant(at) => zones.rfc3339(zone, *at),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Whole(number) => number.to_string(),
        Cell::Exact(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
    }
}

fn failed(error: csv::Error) -> ExportError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => ExportError::Write(error),
        other => ExportError::Format { format: "CSV", source: format!("{other:?}").into() },
    }
}
