//! `tidemark export`: rows as files, from the results topic or from what `replay` wrote.

mod source;

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};

use super::out::note;
use super::{Failure, kpis, load};
use crate::app::server_info;
use crate::config::Config;
use crate::export::{ExportError, Layout, Parts, Table, csv, openmetrics, row_of};
use crate::http::board::{Board, Query};
use crate::http::{Mode, ServerInfo, params};
use crate::model::kpi::{Kpi, Kpis};
use crate::model::row::{Pane, Row};
use crate::model::target::Aim;
use crate::model::window::WindowKind;

#[derive(clap::Args)]
pub struct Arguments {
    /// Configuration (TOML). With `--input` it can be left out: windows, dimensions and zone are then
    /// those of the rows.
    #[arg(long, required_unless_present = "input")]
    config: Option<PathBuf>,
    /// The directory of an embedded log whose process is down.
    #[arg(long, value_name = "DIR", conflicts_with = "input", requires = "config")]
    embedded: Option<PathBuf>,
    /// Rows, one JSON value a line, as `replay` writes them, instead of the results topic. `-` is
    /// standard input.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Format.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// File to write; `-` is standard output, the default of the formats that are text.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
    /// One line a row with columns for each KPI, one line a row and KPI, or one line a row and stage
    /// of its funnel.
    #[arg(long, value_enum, default_value_t = Shape::Wide)]
    layout: Shape,
    /// Leave out numerators, denominators, sample sizes and amounts in other currencies.
    #[arg(long)]
    values_only: bool,
    /// What parts the fields of CSV: one character.
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = delimiter)]
    delimiter: u8,
    /// Refuse more rows than this: all are held in memory.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    max_rows: usize,
}

/// The words of `/api/v1/rows`.
#[derive(clap::Args)]
struct Which {
    /// Only this kind of window, such as month or rolling_28d; can be repeated.
    #[arg(long, value_name = "KIND")]
    window: Vec<String>,
    /// Only windows that start at or after: a date, or RFC 3339.
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Only windows that start before: a date, or RFC 3339.
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Only segments of this dimension set, such as rep or territory_channel.
    #[arg(long)]
    grain: Option<String>,
    /// Only the segment with exactly this value; can be repeated, one a dimension. With --grain: those
    /// of the set that have it.
    #[arg(long, value_name = "DIMENSION=VALUE")]
    segment: Vec<String>,
    /// Only rows of this status: early, on_time or corrected; can be repeated.
    #[arg(long)]
    status: Vec<String>,
    /// Only this KPI; can be repeated.
    #[arg(long, value_name = "NAME")]
    kpi: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Comma-separated values.
    Csv,
    /// An Excel workbook.
    Xlsx,
    /// Apache Parquet.
    Parquet,
    /// OpenMetrics text for `promtool tsdb create-blocks-from openmetrics`.
    Openmetrics,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Shape {
    /// One line a row.
    Wide,
    /// One line a row and KPI.
    Long,
    /// One line a row and stage of its funnel.
    Funnel,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [c] if !c.is_ascii_alphanumeric() && !b"\"'\r\n+-.:_ ".contains(c) => Ok(*c),
        _ => Err("write one character such as , or ; or \\t that no number or time has".to_owned()),
    }
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    super::logging(false)?;
    arguments.format.check()?;
    arguments.check_output()?;
    arguments.check_layout()?;
    let config = arguments.config.as_deref().map(load).transpose()?;
    let known = config.as_ref().map_or(Kpis::ALL, |config| config.definition.kpis.clone());
    let kpis = arguments.which.kpis(&known)?;
    let (rows, info) = arguments.rows(config.as_ref(), &known)?;
    if arguments.is_of_funnels() && !rows.iter().any(|row| row.funnel.is_some()) {
        note(format_args!(
            "none of {} rows has a funnel: it takes \"funnel\" in kpis.groups and a stage table",
            rows.len()
        ));
    }
    let table = arguments.table(&rows, (&info, config.as_ref()), kpis);
    let Some((written, left_out)) = arguments.write(&rows, &table, &known)? else {
        return Ok(());
    };
    note(format_args!("{} rows, {written} {}{left_out}", rows.len(), arguments.format.lines()));
    Ok(())
}

impl Format {
    fn lines(self) -> &'static str {
        if self == Format::Openmetrics { "samples" } else { "lines" }
    }

    fn is_binary(self) -> bool {
        matches!(self, Format::Xlsx | Format::Parquet)
    }

    /// Whether this binary can write it; said before anything is read or created.
    fn check(self) -> Result<(), Failure> {
        let feature = match self {
            Format::Xlsx if cfg!(not(feature = "xlsx")) => "xlsx",
            Format::Parquet if cfg!(not(feature = "parquet")) => "parquet",
            _ => return Ok(()),
        };
        Err(Failure::Environment(anyhow!(
            "this binary was built without {feature}: build it with `cargo build --release --features \
             {feature}`, or write --format csv"
        )))
    }
}

impl Arguments {
    /// Bytes that no terminal shows go there only by a mistake.
    fn check_output(&self) -> Result<(), Failure> {
        let to_stdout = self.output.as_deref().is_none_or(|path| path.as_os_str() == "-");
        let unasked = self.output.is_none() || std::io::stdout().is_terminal();
        if self.format.is_binary() && to_stdout && unasked {
            let why = "this format is not text";
            return Err(Failure::Config(anyhow!(
                "{why}: name a file with --output FILE, or write --output - into a pipe"
            )));
        }
        Ok(())
    }

    fn is_of_funnels(&self) -> bool {
        matches!(self.layout, Shape::Funnel)
    }

    /// A funnel is a table of its own, without KPIs.
    fn check_layout(&self) -> Result<(), Failure> {
        let what = match self.format {
            _ if !self.is_of_funnels() => return Ok(()),
            Format::Openmetrics => {
                "--layout funnel is for tables: --format openmetrics has the funnel's families"
            }
            _ if !self.which.kpi.is_empty() => "--layout funnel has no KPIs: leave --kpi out",
            _ => return Ok(()),
        };
        Err(Failure::Config(anyhow!(what)))
    }

    /// The rows asked for, in the order of the API, and what they were asked of.
    fn rows(
        &self,
        config: Option<&Config>,
        known_kpis: &Kpis,
    ) -> Result<(Vec<Row>, ServerInfo), Failure> {
        let mode = if self.embedded.is_some() { Mode::Embedded } else { Mode::Kafka };
        let known = config.map(|config| server_info(config, mode));
        // Without a configuration the words are those of the rows, so that these are read first.
        let queries = known.as_ref().map(|info| self.which.queries(info)).transpose()?;
        let board = Board::new(0, self.max_rows.saturating_add(1));
        let mut source = source::Source::new(&board, self.max_rows, queries.as_deref(), known_kpis);
        match (&self.input, config) {
            (Some(input), _) => source.file(input)?,
            (None, Some(config)) => source.topic(config, self.embedded.as_deref())?,
            (None, None) => return Err(Failure::Config(anyhow!("name a --config"))),
        }
        let info = match known {
            Some(info) => info,
            None => source::info_of(&board)?,
        };
        let queries = queries.map_or_else(|| self.which.queries(&info), Ok)?;
        let rows = self.which.select(&board, &queries, known_kpis)?;
        Ok((rows, info))
    }

    /// All configured dimensions have a column, whatever was asked for; then others that rows have.
    fn table(
        &self,
        rows: &[Row],
        (info, config): (&ServerInfo, Option<&Config>),
        kpis: Vec<Kpi>,
    ) -> Table {
        let mut dimensions: Vec<String> = Vec::new();
        let configured = info.grains.iter().flatten();
        let found = rows.iter().flat_map(|row| &row.segment.parts);
        let mut others: Vec<String> = found.map(|(name, _)| name.to_string()).collect();
        others.sort_unstable();
        for name in configured.chain(&others) {
            if !dimensions.contains(name) {
                dimensions.push(name.clone());
            }
        }
        let layout = match self.layout {
            Shape::Wide => Layout::Wide,
            Shape::Long => Layout::Long,
            Shape::Funnel => Layout::Funnel,
        };
        let kpis = if self.is_of_funnels() { Vec::new() } else { kpis };
        let parts = if self.values_only { Parts::None } else { Parts::All };
        let goals = goals(rows, config, &kpis);
        let table = Table::new(&dimensions, kpis, layout, parts).with_goals(&goals);
        table.with_names(info.members.clone())
    }

    /// Writes the rows; how many lines they made, and what was left out. `None` where whoever reads
    /// them had seen enough.
    fn write(
        &self,
        rows: &[Row],
        table: &Table,
        known: &Kpis,
    ) -> Result<Option<(u64, String)>, Failure> {
        let mut out = self.open().map_err(Failure::Runtime)?;
        let mut left_out = String::new();
        let written = match self.format {
            Format::Csv => csv::write(table, rows, self.delimiter, &mut out),
            #[cfg(feature = "xlsx")]
            Format::Xlsx => crate::export::xlsx::write(table, rows, &mut out),
            #[cfg(feature = "parquet")]
            Format::Parquet => crate::export::parquet::write(table, rows, &mut out),
            Format::Openmetrics => {
                let (history, other) = self.which.history(rows);
                if other > 0 {
                    left_out = format!(
                        ", {other} rows left out that are no history: windows still open, and rolling \
                         and to-date windows that --window does not name"
                    );
                }
                openmetrics::write(history, table.kpis(), known, &mut out)
            }
            #[cfg(not(all(feature = "xlsx", feature = "parquet")))]
            format => return format.check().map(|()| Some((0, left_out))),
        };
        let flushed = written.and_then(|n| out.flush().map(|()| n).map_err(ExportError::Write));
        match flushed {
            Ok(written) => Ok(Some((written, left_out))),
            Err(error) if error.is_broken_pipe() => Ok(None),
            Err(error) => Err(Failure::Runtime(error.into())),
        }
    }

    fn open(&self) -> anyhow::Result<Box<dyn Write + Send>> {
        match self.output.as_deref().filter(|path| path.as_os_str() != "-") {
            None => Ok(Box::new(BufWriter::new(std::io::stdout()))),
            Some(path) => {
                let file = File::create(path);
                let file = file.with_context(|| format!("cannot create {}", path.display()))?;
                Ok(Box::new(BufWriter::with_capacity(1 << 20, file)))
            }
        }
    }
}

impl Which {
    /// The KPIs asked for, in the order of rows.
    fn kpis(&self, known: &Kpis) -> Result<Vec<Kpi>, Failure> {
        for name in &self.kpi {
            kpis::named(known, name)?;
        }
        let asked = |kpi: &&Kpi| self.kpi.is_empty() || self.kpi.iter().any(|n| *n == kpi.name);
        Ok(known.known().filter(asked).cloned().collect())
    }

    /// A query a kind of window and status asked for, checked as the API checks its parameters.
    fn queries(&self, info: &ServerInfo) -> Result<Vec<Query>, Failure> {
        let mut shared: Vec<(String, String)> = Vec::new();
        for text in &self.segment {
            let pair = text.split_once('=').ok_or_else(|| {
                Failure::Config(anyhow!("--segment \"{text}\" is no pair: write dimension=value"))
            })?;
            shared.push((pair.0.to_owned(), pair.1.to_owned()));
        }
        let known = info.dimensions();
        if let Some((name, _)) = shared.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            let mend = crate::config::near::did_you_mean(name, &known);
            return Err(Failure::Config(anyhow!("--segment: no dimension is \"{name}\": {mend}")));
        }
        let named = [("grain", &self.grain), ("from", &self.from), ("to", &self.to)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        shared.extend(named.map(|(name, value)| (name.to_owned(), value)));
        let mut queries: Vec<Query> = Vec::new();
        for window in some_or_none(&self.window) {
            for status in some_or_none(&self.status) {
                let mut pairs = shared.clone();
                let own = [("window", window), ("status", status)];
                let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
                pairs.extend(own.map(|(name, value)| (name.to_owned(), value.clone())));
                let query = params::parse(&pairs, info)
                    .map_err(|bad| Failure::Config(anyhow!("{} {bad}", option(&bad, &known))))?;
                let query = Query { limit: usize::MAX, ..query };
                if !queries.contains(&query) {
                    queries.push(query);
                }
            }
        }
        Ok(queries)
    }

    /// The rows of the board that are asked for, sorted by kind of window, start and segment.
    fn select(&self, board: &Board, queries: &[Query], kpis: &Kpis) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        for (key, json) in queries.iter().flat_map(|query| board.query(query).rows) {
            let row = row_of(&json, kpis).with_context(|| format!("cannot use the row \"{key}\""));
            rows.push(row.map_err(Failure::Runtime)?);
        }
        let place = |row: &Row| (row.kind.name(), row.start, row.segment.to_string());
        rows.sort_by_cached_key(place);
        Ok(rows)
    }

    /// The rows that are history, and how many are none.
    fn history<'r>(&self, rows: &'r [Row]) -> (Vec<&'r Row>, usize) {
        let is_history = |row: &&Row| {
            let named = self.window.contains(&row.kind.name());
            let closed = row.pane != Pane::Early || !self.status.is_empty();
            closed && (named || matches!(row.kind, WindowKind::Calendar(_)))
        };
        let history: Vec<&Row> = rows.iter().filter(is_history).collect();
        let others = rows.len() - history.len();
        (history, others)
    }
}

/// The option that a parameter was given by.
fn option(bad: &params::BadParameter, dimensions: &[&str]) -> String {
    let name = bad.parameter();
    if dimensions.contains(&name) { format!("--segment {name}:") } else { format!("--{name}") }
}

/// Each value, or once none.
fn some_or_none(values: &[String]) -> Vec<Option<&String>> {
    if values.is_empty() { vec![None] } else { values.iter().map(Some).collect() }
}

/// What has a target or a benchmark: by the configuration, so that the columns are stable, or else
/// by the rows.
fn goals(rows: &[Row], config: Option<&Config>, known: &[Kpi]) -> Vec<(Aim, Kpi)> {
    let configured = config.into_iter().flat_map(|config| config.definition.targets.kpis());
    let found = rows.iter().flat_map(|row| &row.targets).map(|s| (s.aim, s.kpi.as_str()));
    let mut out: Vec<(Aim, Kpi)> = Vec::new();
    for (aim, name) in configured.chain(found) {
        let there = |(other, kpi): &(Aim, Kpi)| *other == aim && kpi.name == name;
        let kpi = known.iter().find(|kpi| kpi.name == name);
        if let Some(kpi) = kpi.filter(|_| !out.iter().any(there)) {
            out.push((aim, kpi.clone()));
        }
    }
    out
}
