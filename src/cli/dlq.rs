//! `tidemark dlq`: looks at dead letters, and puts them back where they came from.

mod letters;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::{Value, json};

use super::out::{note, say};
use super::{Failure, kafka, load, run::open_existing};
use crate::app::AppError;
use crate::clock::{monotonic, since};
use crate::config::Config;
use crate::log::{Log, Writer};
use crate::model::deadletter::Code;
use crate::model::time::{Span, Timestamp};
use letters::{Letter, Wanted};

/// How long the acknowledgement of records that are put back may take.
const FLUSH: Duration = Duration::from_secs(30);
/// Records put back between two flushes: what a crash in between repeats at most.
const BATCH: usize = 100;

#[derive(clap::Args)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// List dead letters, and how many there are of each code.
    Ls(List),
    /// Show one whole: reason, origin, headers and bytes.
    Show(Show),
    /// Put dead letters back into the topics that they came from.
    Redrive(Redrive),
}

#[derive(clap::Args)]
struct At {
    /// Configuration (TOML).
    #[arg(long)]
    config: PathBuf,
    /// The directory of an embedded log whose process is down.
    #[arg(long, value_name = "DIR")]
    embedded: Option<PathBuf>,
}

#[derive(clap::Args)]
struct Which {
    /// Only those with this code.
    #[arg(long)]
    code: Option<String>,
    /// Only those written at or after: an instant (RFC 3339), or so long ago ("2h", "7d").
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those read from this topic.
    #[arg(long)]
    topic: Option<String>,
    /// At most so many, the oldest first.
    #[arg(long)]
    limit: Option<usize>,
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    which: Which,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Show {
    /// Id, as `ls` shows it.
    id: String,
    #[command(flatten)]
    at: At,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Redrive {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    which: Which,
    /// Only the one of this id.
    #[arg(long)]
    id: Option<String>,
    /// At most so many a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Those too that were put back before.
    #[arg(long)]
    again: bool,
    /// Say what would be put back, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    super::logging(false)?;
    match arguments.action {
        Action::Ls(list) => ls(&list),
        Action::Show(which) => show(&which),
        Action::Redrive(what) => redrive(&what),
    }
}

impl At {
    fn open(&self) -> Result<(Config, Arc<dyn Log>), Failure> {
        let config = load(&self.config)?;
        let log: Arc<dyn Log> = match &self.embedded {
            Some(dir) => Arc::new(open_existing(dir)?),
            None => kafka(&config)?,
        };
        Ok((config, log))
    }
}

impl Which {
    fn wanted(&self, id: Option<String>) -> Result<Wanted, Failure> {
        let code = self.code.as_ref().map(|code| code.to_uppercase());
        if let Some(code) = code.as_ref().filter(|c| !Code::ALL.iter().any(|(_, n, _)| n == c)) {
            let known: Vec<&str> = Code::ALL.iter().map(|(_, name, _)| *name).collect();
            let known = known.join(", ");
            return Err(Failure::Config(anyhow!("there is no code {code}; the codes are {known}")));
        }
        let since = self.since.as_deref().map(moment).transpose()?;
        Ok(Wanted { id, code, since_ms: since, topic: self.topic.clone(), limit: self.limit })
    }
}

/// An instant, or so long before now; milliseconds since 1970.
fn moment(text: &str) -> Result<i64, Failure> {
    if let Some(at) = Timestamp::parse_rfc3339(text) {
        return Ok(at.millis());
    }
    let units = [("m", 60), ("h", 3_600), ("d", 86_400)];
    let span = units.iter().find_map(|(unit, seconds)| {
        let n: i64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(Span(n.checked_mul(seconds * 1_000_000)?))
    });
    let span = span.filter(|s| s.0 >= 0).ok_or_else(|| {
        let mend = "write an instant as 2026-11-24T09:00:00Z, or so long ago as 30m, 2h or 7d";
        Failure::Config(anyhow!("--since {text:?} is no time: {mend}"))
    })?;
    Ok(crate::clock::wall_ms() - span.0 / 1000)
}

fn read(log: &dyn Log, config: &Config) -> Result<Vec<Letter>, Failure> {
    letters::read(log, &config.topics().dlq).map_err(|e| AppError::Log(e).into())
}

fn ls(list: &List) -> Result<(), Failure> {
    let (config, log) = list.at.open()?;
    let found = list.which.wanted(None)?.keep(read(&*log, &config)?);
    if list.json {
        return found.iter().try_for_each(|letter| say(brief(letter)));
    }
    for letter in &found {
        let again = if letter.redriven > 0 { " (put back)" } else { "" };
        let at = instant(letter.written_ms);
        say(format_args!("{at}  {}  {}  {}{again}", letter.code, letter.id, letter.message))?;
    }
    let mut by_code: BTreeMap<&str, usize> = BTreeMap::new();
    found.iter().for_each(|letter| *by_code.entry(&letter.code).or_default() += 1);
    let counts: Vec<String> = by_code.iter().map(|(code, n)| format!("{n} {code}")).collect();
    note(format_args!("{} dead letters: {}", found.len(), counts.join(", ")));
    Ok(())
}

fn instant(ms: Option<i64>) -> String {
    ms.map_or("-".to_owned(), |ms| Timestamp::from_millis(ms).to_string())
}

fn brief(letter: &Letter) -> Value {
    let (topic, partition, offset) = &letter.origin;
    json!({
        "id": letter.id, "code": letter.code, "message": letter.message, "stage": letter.stage,
        "topic": topic, "partition": partition, "offset": offset,
        "written": letter.written_ms.map(|_| instant(letter.written_ms)),
        "timestamp": letter.timestamp_ms.map(|_| instant(letter.timestamp_ms)),
        "cut": letter.is_cut, "copies": letter.copies, "redriven": letter.redriven,
        "attempt": letter.attempt,
        "first_seen": letter.first_ms.map(|_| instant(letter.first_ms)),
    })
}

fn show(which: &Show) -> Result<(), Failure> {
    let (config, log) = which.at.open()?;
    let wanted = Wanted { id: Some(which.id.clone()), ..Wanted::default() };
    let found = wanted.keep(read(&*log, &config)?);
    let letter = found.first().ok_or_else(|| {
        Failure::Runtime(anyhow!("no dead letter {}: `tidemark dlq ls` lists them", which.id))
    })?;
    let plain = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if which.json {
        let mut whole = brief(letter);
        whole["key"] = letter.key.as_deref().map(plain).into();
        whole["value"] = letter.value.as_deref().map(plain).into();
        let headers = letter.headers.iter().map(|h| json!([h.name, plain(&h.value)]));
        whole["headers"] = Value::Array(headers.collect());
        return say(whole);
    }
    // A sender's bytes must not steer a terminal.
    let safe = |bytes: &[u8]| -> String {
        let escape = |c: char| match c {
            '\n' | '\t' => c.to_string(),
            c if c.is_control() => c.escape_default().to_string(),
            c => c.to_string(),
        };
        plain(bytes).chars().map(escape).collect()
    };
    say(format_args!("id         {}", letter.id))?;
    say(format_args!("code       {}", letter.code))?;
    say(format_args!("message    {}", letter.message))?;
    say(format_args!("stage      {}", letter.stage))?;
    say(format_args!("written    {}", instant(letter.written_ms)))?;
    say(format_args!("timestamp  {}", instant(letter.timestamp_ms)))?;
    say(format_args!("first seen {}", instant(letter.first_ms)))?;
    say(format_args!("attempt    {}", letter.attempt))?;
    say(format_args!("put back   {} times", letter.redriven))?;
    if let Some(key) = &letter.key {
        say(format_args!("key        {}", safe(key)))?;
    }
    for header in &letter.headers {
        say(format_args!("header     {}: {}", safe(header.name.as_bytes()), safe(&header.value)))?;
    }
    let cut = if letter.is_cut { " (cut: the first part of it)" } else { "" };
    say(format_args!("value{cut}"))?;
    say(safe(letter.value.as_deref().unwrap_or_default()))
}

fn redrive(what: &Redrive) -> Result<(), Failure> {
    let (config, log) = what.at.open()?;
    let mut wanted = what.which.wanted(what.id.clone())?;
    let limit = wanted.limit.take().unwrap_or(usize::MAX);
    let (mut cut, mut before) = (0, 0);
    let mut due = wanted.keep(read(&*log, &config)?);
    due.retain(|letter| {
        let done = letter.redriven > 0 && !what.again;
        cut += usize::from(letter.is_cut);
        before += usize::from(done && !letter.is_cut);
        !letter.is_cut && !done
    });
    due.truncate(limit);
    for letter in &due {
        let (topic, partition, _) = &letter.origin;
        // Whether or not anybody reads it, they are put back.
        let _ = say(format_args!("{}  {}  to {topic}[{partition}]", letter.id, letter.code));
    }
    let left = format!("{cut} cut and {before} put back before are left out");
    if what.dry_run {
        note(format_args!("{} would be put back; {left}", due.len()));
        return Ok(());
    }
    let put = put_back(&due, &*log, &config, what.rate)
        .map_err(|(done, e)| Failure::Runtime(anyhow!("{done} were put back, then: {e}")))?;
    note(format_args!("{put} put back; {left}"));
    Ok(())
}

/// Writes the records, then the notes that they were; so that a crash in between repeats a few, which
/// changes no number, and loses none.
fn put_back(
    due: &[Letter],
    log: &dyn Log,
    config: &Config,
    rate: u32,
) -> Result<usize, (usize, crate::log::LogError)> {
    let dlq = config.topics().dlq;
    let partitions = match log.describe(&dlq) {
        Ok(info) => info.map_or(1, |t| t.partitions),
        Err(e) => return Err((0, e)),
    };
    let mut writer = log.writer().map_err(|e| (0, e))?;
    let (started, mut done) = (monotonic(), 0);
    for some in due.chunks(BATCH.min(rate as usize).max(1)) {
        let at = |n: usize| Duration::from_secs_f64(n as f64 / f64::from(rate));
        while since(started) < at(done) {
            std::thread::park_timeout(at(done).saturating_sub(since(started)));
        }
        write(&mut *writer, some, &dlq, partitions).map_err(|e| (done, e))?;
        done += some.len();
    }
    Ok(done)
}

fn write(
    writer: &mut dyn Writer,
    some: &[Letter],
    dlq: &str,
    partitions: u32,
) -> Result<(), crate::log::LogError> {
    for letter in some {
        writer.send(letter.again())?;
    }
    writer.flush(FLUSH)?;
    for letter in some {
        writer.send(letter.note(dlq, partitions))?;
    }
    writer.flush(FLUSH)
}
