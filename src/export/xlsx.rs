//! XLSX: a sheet of rows, and a sheet that says what the KPIs are.
//!
//! Texts are written as texts, so none can be a formula. Excel keeps 15 digits of a number: an exact
//! value that has more is written as text, with all of them. Excel knows no zones: instants are what
//! the clocks of the row's zone show.

use std::io::Write;

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::table::{Cell, Column, Kind, Table};
use super::{ExportError, Zones};
use crate::model::kpi::Unit;
use crate::model::money::Exact;
use crate::model::row::Row;
use crate::model::time::Timestamp;

/// Lines of a sheet, the head included.
const MAX_LINES: u32 = 1_048_576;
/// Digits of a number that Excel keeps.
const DIGITS: usize = 15;
/// Characters of a cell.
const MAX_TEXT: usize = 32_767;

/// Writes rows, and returns how many lines they made.
pub fn write(table: &Table, rows: &[Row], mut out: impl Write) -> Result<u64, ExportError> {
    let mut book = Workbook::new();
    // The clock has no say in what a file holds: equal rows are equal files.
    let newest = rows.iter().filter_map(|row| row.as_of).max().unwrap_or_default();
    let made = instant(newest).map_err(failed)?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&made));
    let formats: Vec<Format> = table.columns().iter().map(format).collect();
    let sheet = book.add_worksheet();
    head(sheet, table).map_err(failed)?;
    let mut zones = Zones::default();
    let mut line = 0;
    for row in rows {
        table.lines(row, |cells| {
            line += 1;
            if line >= MAX_LINES {
                return Err(too_large(
                    format!("more than {} lines", MAX_LINES - 1),
                    "narrow them down, or write --format csv or parquet",
                ));
            }
            (0..).zip(cells.iter().zip(&formats)).try_for_each(|(column, (cell, format))| {
                put(sheet, (line, column), cell, format, |at| zones.civil(&row.zone, at))
            })
        })?;
    }
    if let Some(last) = table.columns().len().checked_sub(1).filter(|_| line > 0) {
        sheet.autofilter(0, 0, line, last as u16).map_err(failed)?;
    }
    meanings(book.add_worksheet(), table).map_err(failed)?;
    out.write_all(&book.save_to_buffer().map_err(failed)?)?;
    Ok(line.into())
}

fn head(sheet: &mut Worksheet, table: &Table) -> Result<(), XlsxError> {
    let bold = Format::new().set_bold();
    sheet.set_name("rows")?.set_freeze_panes(1, 0)?;
    for (i, column) in (0..).zip(table.columns()) {
        let width = if column.kind == Kind::Instant { 19 } else { column.name.len().max(8) + 2 };
        sheet.set_column_width(i, width as f64)?;
        sheet.write_string_with_format(0, i, &column.name, &bold)?;
    }
    Ok(())
}

fn meanings(sheet: &mut Worksheet, table: &Table) -> Result<(), XlsxError> {
    let bold = Format::new().set_bold();
    sheet.set_name("kpis")?.set_freeze_panes(1, 0)?;
    for (i, (name, width)) in
        (0..).zip([("kpi", 24), ("unit", 8), ("formula", 60), ("clock", 32), ("notes", 90)])
    {
        sheet.set_column_width(i, f64::from(width))?;
        sheet.write_string_with_format(0, i, name, &bold)?;
    }
    for (line, kpi) in (1..).zip(table.kpis()) {
        let texts: [&str; 5] =
            [&kpi.name, kpi.unit.as_str(), &kpi.text, kpi.clock.as_str(), &kpi.doc];
        for (i, text) in (0..).zip(texts) {
            sheet.write_string(line, i, text)?;
        }
    }
    Ok(())
}

/// How numbers are shown; what they are stays.
fn format(column: &Column) -> Format {
    let shown = match (column.kind, column.unit) {
        (Kind::Instant, _) => "yyyy-mm-dd hh:mm:ss",
        (Kind::Exact | Kind::Real, Some(Unit::Money)) => "#,##0.00",
        (Kind::Real, Some(Unit::Ratio)) => "0.0%",
        (Kind::Real, Some(Unit::Days | Unit::Minutes | Unit::Points)) => "0.0",
        _ => "General",
    };
    Format::new().set_num_format(shown)
}

fn put(
    sheet: &mut Worksheet,
    (line, column): (u32, u16),
    cell: &Cell<'_>,
    format: &Format,
    civil: impl FnOnce(Timestamp) -> Timestamp,
) -> Result<(), ExportError> {
    let done = match cell {
        Cell::Absent => return Ok(()),
        Cell::Text(text) if text.chars().count() > MAX_TEXT => {
            let what = format!("a text of more than {MAX_TEXT} characters");
            return Err(too_large(what, "write --format csv or parquet"));
        }
        Cell::Text(text) => sheet.write_string(line, column, text.as_ref()),
        Cell::Instant(at) => instant(civil(*at))
            .and_then(|at| sheet.write_datetime_with_format(line, column, &at, format)),
        Cell::Flag(flag) => sheet.write_boolean(line, column, *flag),
        Cell::Whole(number) => exact(sheet, (line, column), Exact::whole(*number), format),
        Cell::Exact(number) => exact(sheet, (line, column), *number, format),
        Cell::Real(number) => sheet.write_number_with_format(line, column, *number, format),
    };
    done.map(|_| ()).map_err(failed)
}

fn exact<'s>(
    sheet: &'s mut Worksheet,
    (line, column): (u32, u16),
    number: Exact,
    format: &Format,
) -> Result<&'s mut Worksheet, XlsxError> {
    let text = number.to_string();
    let digits = text.bytes().filter(u8::is_ascii_digit);
    // Through the text: the nearest float there is, which shows the same 15 digits.
    let nearest = text.parse::<f64>().ok().filter(|_| digits.count() <= DIGITS);
    match nearest {
        Some(nearest) => sheet.write_number_with_format(line, column, nearest, format),
        None => sheet.write_string(line, column, &text),
    }
}

fn instant(at: Timestamp) -> Result<ExcelDateTime, XlsxError> {
    ExcelDateTime::from_timestamp(at.millis().div_euclid(1000))
}

fn too_large(what: String, mend: &'static str) -> ExportError {
    ExportError::TooLarge { format: "XLSX", what, mend }
}

fn failed(error: XlsxError) -> ExportError {
    ExportError::Format { format: "XLSX", source: error.into() }
}
