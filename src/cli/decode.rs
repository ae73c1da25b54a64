//! `tidemark decode`: what a source's decoder makes of files. Events go to standard output, what was
//! ignored or bad to standard error, with file and element.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use serde_json::value::RawValue;

use super::out::{failed, note};
use super::{Failure, load, source, unnamed};
use crate::config::{Config, load_mapping};
use crate::intake::{Decoder, Lookup, Schema, encode_event};
use crate::model::deadletter::Reason;
use crate::model::record::{Header, Offset, Partition, Record};
use crate::model::source::System;
use crate::model::time::Timestamp;
use crate::runtime;

#[derive(clap::Args)]
pub struct Arguments {
    /// Files: one body, or several as JSON lines; `{"headers": …, "body": …}` is a captured request.
    /// `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Name of the source: as in the configuration, or any with `--system`.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Configuration (TOML). Where absent: the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// System to read the files as, instead of the source's own.
    #[arg(long, conflicts_with = "mapping")]
    system: Option<String>,
    /// Mapping to read the files by, instead of the source's own: the name of a shipped one, or a
    /// file.
    #[arg(long, value_name = "NAME|FILE")]
    mapping: Option<String>,
    /// Schema of Avro (`.avsc`) that values in Confluent's framing were written with; without it the
    /// configured schema registry is asked.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Standard error as JSON lines.
    #[arg(long)]
    json: bool,
}

/// What came of all files.
#[derive(Default)]
struct Tally {
    events: u64,
    ignored: u64,
    test: u64,
    dead_letters: u64,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = configuration(arguments)?;
    let decoder = decoder(&config, arguments)?;
    let mut schemas = Schemas::open(&config, arguments)?;
    let mut out = std::io::stdout().lock();
    let mut tally = Tally::default();
    for file in &arguments.files {
        let said = Said { json: arguments.json, shown: file.display().to_string() };
        match one_file(&decoder, file, &mut schemas, &said, &mut out, &mut tally).map_err(failed) {
            // The verdict is of what was read.
            Err(Failure::SeenEnough) => break,
            read => read?,
        }
    }
    let Tally { events, ignored, test, dead_letters } = tally;
    if !arguments.json {
        note(format_args!(
            "{events} events, {ignored} ignored, {test} test, {dead_letters} dead letters"
        ));
    }
    match dead_letters {
        0 => Ok(()),
        n => Err(Failure::Runtime(anyhow!("{n} dead letters"))),
    }
}

fn configuration(arguments: &Arguments) -> Result<Config, Failure> {
    match &arguments.config {
        Some(file) => load(file),
        None => Config::from_toml("", "defaults", crate::config::environment())
            .map_err(|e| Failure::Config(e.into())),
    }
}

/// Where the schemas of framed values are from: a file for all of them, or a registry.
struct Schemas {
    given: Option<Schema>,
    ask: Option<runtime::Ask>,
}

impl Schemas {
    fn open(config: &Config, arguments: &Arguments) -> Result<Schemas, Failure> {
        let refused = |why: String| Failure::Config(anyhow!(why));
        if let Some(file) = &arguments.schema {
            let text = std::fs::read_to_string(file)
                .map_err(|e| refused(format!("cannot read {}: {e}", file.display())))?;
            let given = Schema::avro(&text, &[])
                .map_err(|reason| refused(format!("{}: {}", file.display(), reason.message)))?;
            return Ok(Schemas { given: Some(given), ask: None });
        }
        let ask = config.schema_registry.as_ref().map(runtime::ask);
        Ok(Schemas { given: None, ask: ask.transpose().map_err(refused)? })
    }

    /// The schema of a record, where it needs one and somebody has it.
    fn of(&mut self, decoder: &Decoder, record: &Record) -> anyhow::Result<Found> {
        let (Some(key), None) = (decoder.wants(record), &self.given) else {
            return Ok(Found::Nothing);
        };
        Ok(match self.ask.as_mut().map(|ask| ask(key)) {
            None => Found::Nothing,
            Some(runtime::Answer::Schema(schema)) => Found::Schema(schema),
            Some(runtime::Answer::Refused(reason)) => Found::Refused(reason),
            Some(runtime::Answer::Away(why)) => {
                return Err(anyhow!("the schema registry is away: {why}"));
            }
        })
    }
}

/// What the registry said of a schema.
enum Found {
    Nothing,
    Schema(Box<Schema>),
    Refused(Reason),
}

impl Found {
    fn lookup<'s>(&'s self, given: Option<&'s Schema>) -> Lookup<'s> {
        match (self, given) {
            (Found::Schema(schema), _) => Lookup::Found(schema),
            (Found::Refused(reason), _) => Lookup::Refused(reason),
            (Found::Nothing, Some(schema)) => Lookup::Found(schema),
            (Found::Nothing, None) => Lookup::Unasked,
        }
    }
}

/// How, and of which file, something is said.
struct Said {
    json: bool,
    shown: String,
}

fn decoder(config: &Config, arguments: &Arguments) -> Result<Decoder, Failure> {
    let system = match &arguments.system {
        None => None,
        Some(name) => Some(System::parse(name).ok_or_else(|| {
            let names: Vec<_> = System::ALL.iter().map(|(_, name, _)| *name).collect();
            Failure::Config(anyhow!("--system \"{name}\" is none of {}", names.join(", ")))
        })?),
    };
    let mapping = match &arguments.mapping {
        None => None,
        Some(given) => Some(load_mapping(given).map_err(|e| Failure::Config(e.into()))?),
    };
    let said = match (system, &mapping) {
        (Some(system), _) => Some(system.as_str()),
        (None, Some(mapping)) => Some(mapping.system.as_str()),
        (None, None) => None,
    };
    let base = match (arguments.source.as_deref(), said) {
        (Some(name), None) => source(config, name)?.clone(),
        (Some(name), Some(_)) => {
            source(config, name).cloned().unwrap_or_else(|_| unnamed(config, name))
        }
        (None, Some(said)) => unnamed(config, said),
        (None, None) => match &config.sources[..] {
            [only] => only.clone(),
            _ => {
                return Err(Failure::Config(anyhow!(
                    "say whose files they are: --source NAME, --system SYSTEM, or --mapping MAPPING"
                )));
            }
        },
    };
    let mut decoder = runtime::decoder(config, &base);
    if said.is_some() {
        decoder.system = system.unwrap_or(System::Canonical);
        decoder.reading.mapping = mapping.map(Arc::new);
    }
    Ok(decoder)
}

fn one_file(
    decoder: &Decoder,
    path: &Path,
    schemas: &mut Schemas,
    said: &Said,
    out: &mut impl Write,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let Said { json, shown } = said;
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    }
    let now = Timestamp::from_millis(crate::clock::wall_ms());
    for (line, body) in bodies(&bytes) {
        let place = if line == 0 { shown.clone() } else { format!("{shown}:{line}") };
        let record = request(shown, line, body, now);
        let found = schemas.of(decoder, &record)?;
        let taken = decoder.take_with(&record, found.lookup(schemas.given.as_ref()), Some(now));
        for event in &taken.events {
            out.write_all(&encode_event(event))
                .and_then(|()| out.write_all(b"\n"))
                .context("cannot write the events")?;
        }
        let tell = |element: Option<u32>, what: &str, code: &str, message: &str| {
            if *json {
                let line = serde_json::json!({
                    "place": place, "element": element, "what": what, "code": code, "message": message
                });
                note(line);
            } else {
                let element = element.map_or(String::new(), |i| format!(", element {i}"));
                note(format_args!("{place}{element}: {what}: {code}: {message}"));
            }
        };
        for ignored in &taken.ignored {
            tell(Some(ignored.index), "ignored", ignored.reason.as_str(), &ignored.what);
        }
        for dead in &taken.dead_letters {
            tell(dead.index, "dead letter", dead.reason.code.as_str(), &dead.reason.message);
        }
        tally.events += taken.events.len() as u64;
        tally.ignored += taken.ignored.len() as u64;
        tally.test += u64::from(taken.test);
        tally.dead_letters += taken.dead_letters.len() as u64;
    }
    Ok(())
}

/// One body, or one a line where the file is several JSON values; lines are counted from 1, and 0
/// is the whole file. Bytes of Confluent's framing are one value.
fn bodies(bytes: &[u8]) -> Vec<(u64, &[u8])> {
    if matches!(bytes.first(), Some(0 | 1)) {
        return vec![(0, bytes)];
    }
    let full = |line: &&[u8]| !line.iter().all(u8::is_ascii_whitespace);
    let several = bytes.split(|b| *b == b'\n').filter(full).count() > 1;
    if !several || serde_json::from_slice::<&RawValue>(bytes).is_ok() {
        return vec![(0, bytes)];
    }
    let lines: Vec<_> =
        (1u64..).zip(bytes.split(|b| *b == b'\n')).filter(|(_, l)| full(l)).collect();
    // A single body that is broken is told as one, not line by line.
    let parses = |(_, line): &(u64, &[u8])| serde_json::from_slice::<&RawValue>(line).is_ok();
    if lines.iter().any(parses) { lines } else { vec![(0, bytes)] }
}

/// The record that a body, or a captured request with headers, would have arrived as: now, unless
/// it says when.
fn request(topic: &str, line: u64, body: &[u8], now: Timestamp) -> Record {
    #[derive(serde::Deserialize)]
    struct Captured<'a> {
        headers: std::collections::BTreeMap<String, serde_json::Value>,
        #[serde(default)]
        timestamp: Option<i64>,
        #[serde(borrow)]
        body: &'a RawValue,
    }
    let captured = serde_json::from_slice::<Captured<'_>>(body).ok();
    let (headers, value) = match &captured {
        Some(Captured { headers, body, .. }) => (
            headers
                .iter()
                .filter_map(|(n, v)| Some(Header::new(format!("http.{n}"), v.as_str()?)))
                .collect(),
            body.get().as_bytes(),
        ),
        None => (Vec::new(), body),
    };
    Record {
        topic: Arc::from(topic),
        partition: Partition(0),
        offset: Offset(line),
        timestamp_ms: captured.as_ref().and_then(|c| c.timestamp).or(Some(now.millis())),
        key: None,
        value: Some(value.to_vec()),
        headers,
    }
}
