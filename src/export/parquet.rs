//! Parquet: typed columns. Sums are DECIMAL(38, 12), counts INT64, quotients DOUBLE, instants
//! TIMESTAMP in UTC with microseconds; every column may be null.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray,
    FixedLenByteArrayType, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use super::ExportError;
use super::table::{Cell, Column, Kind, Table};
use crate::model::money::{EXACT_SCALE, Exact};
use crate::model::row::Row;

/// Lines a row group: what is held before it is written.
const GROUP: usize = 65_536;
/// Digits of a decimal, and how many bytes hold them.
const PRECISION: i32 = 38;
const DECIMAL_BYTES: i32 = 16;
const DECIMAL_LIMIT: i128 = 10_i128.pow(PRECISION as u32);

/// Writes rows, and returns how many lines they made.
pub fn write(table: &Table, rows: &[Row], out: impl Write + Send) -> Result<u64, ExportError> {
    let fields =
        table.columns().iter().map(field).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let schema = Type::group_type_builder("row").with_fields(fields).build().map_err(failed)?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut file =
        SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)).map_err(failed)?;
    let mut lines = 0;
    let mut group = Group::new(table);
    for row in rows {
        table.lines(row, |cells| {
            lines += 1;
            group.push(cells)
        })?;
        if group.lines >= GROUP {
            group.flush(&mut file).map_err(failed)?;
        }
    }
    group.flush(&mut file).map_err(failed)?;
    file.close().map_err(failed)?;
    Ok(lines)
}

fn field(column: &Column) -> Result<TypePtr, ParquetError> {
    let (physical, logical) = match column.kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Instant => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
        Kind::Flag => (Physical::BOOLEAN, None),
        Kind::Whole => (Physical::INT64, None),
        Kind::Exact => {
            let decimal = LogicalType::decimal(EXACT_SCALE as i32, PRECISION);
            (Physical::FIXED_LEN_BYTE_ARRAY, Some(decimal))
        }
        Kind::Real | Kind::Number => (Physical::DOUBLE, None),
    };
    let mut builder = Type::primitive_type_builder(&column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    if column.kind == Kind::Exact {
        builder = builder
            .with_length(DECIMAL_BYTES)
            .with_precision(PRECISION)
            .with_scale(EXACT_SCALE as i32);
    }
    builder.build().map(Arc::new)
}

/// The lines of a row group, by columns.
struct Group {
    columns: Vec<Values>,
    lines: usize,
}

/// The values of a column that are there, and for each line whether it has one.
enum Values {
    Text(Vec<ByteArray>, Vec<i16>),
    Whole(Vec<i64>, Vec<i16>),
    Flag(Vec<bool>, Vec<i16>),
    Exact(Vec<FixedLenByteArray>, Vec<i16>),
    Real(Vec<f64>, Vec<i16>),
}

impl Group {
    fn new(table: &Table) -> Group {
        let columns = table.columns().iter().map(|column| match column.kind {
            Kind::Text => Values::Text(Vec::new(), Vec::new()),
            Kind::Instant | Kind::Whole => Values::Whole(Vec::new(), Vec::new()),
            Kind::Flag => Values::Flag(Vec::new(), Vec::new()),
            Kind::Exact => Values::Exact(Vec::new(), Vec::new()),
            Kind::Real | Kind::Number => Values::Real(Vec::new(), Vec::new()),
        });
        Group { columns: columns.collect(), lines: 0 }
    }

    fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        self.lines += 1;
        self.columns.iter_mut().zip(cells).try_for_each(|(values, cell)| values.push(cell))
    }

    fn flush<W: Write + Send>(
        &mut self,
        file: &mut SerializedFileWriter<W>,
    ) -> Result<(), ParquetError> {
        if self.lines == 0 {
            return Ok(());
        }
        let mut group = file.next_row_group()?;
        for values in &mut self.columns {
            let Some(mut column) = group.next_column()? else { break };
            values.write(&mut column)?;
            column.close()?;
        }
        group.close()?;
        self.lines = 0;
        Ok(())
    }
}

impl Values {
    fn push(&mut self, cell: &Cell<'_>) -> Result<(), ExportError> {
        let there = match (&mut *self, cell) {
            (Values::Text(values, _), Cell::Text(text)) => {
                values.push(text.as_bytes().to_vec().into());
                1
            }
            (Values::Whole(values, _), Cell::Whole(number)) => {
                values.push(i64::try_from(*number).map_err(|_| too_large(&number.to_string()))?);
                1
            }
            (Values::Whole(values, _), Cell::Instant(at)) => {
                values.push(at.0);
                1
            }
            (Values::Flag(values, _), Cell::Flag(flag)) => {
                values.push(*flag);
                1
            }
            (Values::Exact(values, _), Cell::Exact(number)) => {
                values.push(decimal(*number)?);
                1
            }
            (Values::Real(values, _), Cell::Real(number)) => {
                values.push(*number);
                1
            }
            (Values::Real(values, _), Cell::Exact(number)) => {
                values.push(number.to_f64());
                1
            }
            _ => 0,
        };
        self.levels().push(there);
        Ok(())
    }

    fn levels(&mut self) -> &mut Vec<i16> {
        match self {
            Values::Text(_, levels)
            | Values::Whole(_, levels)
            | Values::Flag(_, levels)
            | Values::Exact(_, levels)
            | Values::Real(_, levels) => levels,
        }
    }

    /// Writes them, and has none any more.
    fn write(&mut self, column: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        match self {
            Values::Text(values, levels) => put::<ByteArrayType>(column, values, levels),
            Values::Whole(values, levels) => put::<Int64Type>(column, values, levels),
            Values::Flag(values, levels) => put::<BoolType>(column, values, levels),
            Values::Exact(values, levels) => put::<FixedLenByteArrayType>(column, values, levels),
            Values::Real(values, levels) => put::<DoubleType>(column, values, levels),
        }
    }
}

fn put<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    values: &mut Vec<T::T>,
    levels: &mut Vec<i16>,
) -> Result<(), ParquetError> {
    column.typed::<T>().write_batch(values, Some(levels), None)?;
    values.clear();
    levels.clear();
    Ok(())
}

fn decimal(number: Exact) -> Result<FixedLenByteArray, ExportError> {
    if number.0.abs_diff(0) >= DECIMAL_LIMIT.unsigned_abs() {
        return Err(too_large(&number.to_string()));
    }
    Ok(FixedLenByteArray::from(number.0.to_be_bytes().to_vec()))
}

fn too_large(number: &str) -> ExportError {
    ExportError::TooLarge {
        format: "Parquet",
        what: format!("the number {number}"),
        mend: "write --format csv",
    }
}

fn failed(error: ParquetError) -> ExportError {
    ExportError::Format { format: "Parquet", source: error.into() }
}
