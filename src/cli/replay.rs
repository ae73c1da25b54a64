//! `tidemark replay`: the folds over a file.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use super::out::note;
use super::{Failure, load_beyond_limits};
use crate::config::Config;
use crate::intake::Decoder;
use crate::model::record::{Offset, Partition, Record};
use crate::model::time::{Day, Timestamp};
use crate::replay::Replay;
use crate::runtime;

#[derive(clap::Args)]
pub struct Arguments {
    /// Configuration (TOML).
    #[arg(long)]
    config: PathBuf,
    /// Events, one JSON value a line: an event, an array, or a CloudEvent; of a native system what
    /// it sends. `-` is standard input.
    #[arg(long)]
    input: PathBuf,
    /// Source of the configuration whose events they are. Where absent: the first one.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Rows, one JSON value a line. `-` is standard output.
    #[arg(long)]
    output: PathBuf,
    /// Stand at this moment (RFC 3339, or a date: the start of that day): later events are left
    /// out. Where absent: at the last event.
    #[arg(long, value_name = "RFC3339")]
    as_of: Option<String>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = load_beyond_limits(&arguments.config)?;
    let as_of = match &arguments.as_of {
        Some(text) => Some(moment(&config, text).ok_or_else(|| {
            Failure::Config(anyhow!("--as-of \"{text}\" is neither RFC 3339 nor a date"))
        })?),
        None => None,
    };
    let now = Timestamp::from_millis(crate::clock::wall_ms());
    let mut replay = Replay::new(
        config.definition.clone(),
        decoder(&config, arguments.source.as_deref())?,
        as_of,
    )
    .at(as_of.map_or(now, |t| t.max(now)));
    feed(&arguments.input, &mut replay).map_err(Failure::Runtime)?;
    let mut out = output(&arguments.output).map_err(Failure::Runtime)?;
    let mut failed = None;
    let counts = replay.finish(|row| {
        if failed.is_none() {
            failed = writeln!(out, "{}", row.to_json()).err();
        }
    });
    let written = failed.map_or_else(|| out.flush(), Err);
    if super::is_broken_pipe(&written) {
        return Ok(());
    }
    written.context("cannot write the rows").map_err(Failure::Runtime)?;
    note(format_args!(
        "{} records, {} events ({} repetitions), {} ignored, {} test events dropped, \
         {} behind --as-of, {} with a stage that the table does not know, {} dead letters, {} rows",
        counts.records,
        counts.events,
        counts.repeated,
        counts.ignored,
        counts.test,
        counts.after_as_of,
        counts.unknown_stages,
        counts.dead_letters,
        counts.rows
    ));
    Ok(())
}

fn moment(config: &Config, text: &str) -> Option<Timestamp> {
    let day = || Day::parse(text).map(|day| config.definition.calendar.start_of(day));
    Timestamp::parse_rfc3339(text).or_else(day).filter(|t| t.in_range())
}

/// The decoder of the named source; of the first one where none is named.
fn decoder(config: &Config, named: Option<&str>) -> Result<Decoder, Failure> {
    match (named, config.sources.first()) {
        (Some(name), _) => Ok(runtime::decoder(config, super::source(config, name)?)),
        (None, Some(first)) => Ok(runtime::decoder(config, first)),
        (None, None) => Ok(runtime::decoder(config, &super::unnamed(config, "replay"))),
    }
}

fn feed(input: &Path, replay: &mut Replay) -> anyhow::Result<()> {
    let reader: Box<dyn BufRead> = if input.as_os_str() == "-" {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        let file = File::open(input).with_context(|| format!("cannot open {}", input.display()))?;
        Box::new(BufReader::with_capacity(1 << 20, file))
    };
    let mut record = Record {
        topic: input.display().to_string().into(),
        partition: Partition(0),
        offset: Offset(0),
        timestamp_ms: None,
        key: None,
        value: None,
        headers: Vec::new(),
    };
    for (number, line) in (1u64..).zip(reader.split(b'\n')) {
        let line = line.with_context(|| format!("cannot read {}", input.display()))?;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        record.value = Some(line);
        record.offset = Offset(number);
        for dead in replay.feed(&record) {
            let place = dead.index.map_or(String::new(), |i| format!(", element {i}"));
            let (code, message) = (dead.reason.code.as_str(), &dead.reason.message);
            note(format_args!("{}:{number}{place}: {code}: {message}", input.display()));
        }
    }
    Ok(())
}

fn output(path: &Path) -> anyhow::Result<Box<dyn Write>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufWriter::new(std::io::stdout())));
    }
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(Box::new(BufWriter::with_capacity(1 << 20, file)))
}
