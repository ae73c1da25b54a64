//! `tidemark run`: the pipeline.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::{Failure, kafka, load, wall_clock};
use crate::app::{self, Running};
use crate::config::{Config, environment};
use crate::http::Mode;
use crate::log::embedded::EmbeddedLog;
use crate::log::{Log, LogError, Outgoing, Partition};
use crate::runtime::{Stop, StopReason};

/// What embedded mode runs where no file is named: the defaults, and one source to write to.
const EMBEDDED: &str = "[[sources]]\nname = \"events\"\ntopics = [\"sales.events\"]\n[topology]\nshards = 4\npartitions = 2\n";

/// Open files that a process on Kafka needs: its clients with a few brokers, and some for the server.
const FILES: u64 = 256;

#[derive(clap::Args)]
pub struct Arguments {
    /// Configuration (TOML).
    #[arg(long, required_unless_present = "embedded")]
    config: Option<PathBuf>,
    /// Keep everything in this directory, without Kafka: one process, durable.
    #[arg(long, value_name = "DIR")]
    embedded: Option<PathBuf>,
    /// With --embedded: append the lines of this file (`-` for standard input) to the first
    /// source topic; each is a canonical event, an array of them, or a CloudEvent.
    #[arg(long, value_name = "FILE", requires = "embedded")]
    input: Option<PathBuf>,
    /// Log as JSON lines.
    #[arg(long)]
    json_logs: bool,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    super::logging(arguments.json_logs)?;
    let config = match &arguments.config {
        Some(file) => load(file)?,
        None => Config::from_toml(EMBEDDED, "embedded defaults", environment())
            .map_err(|e| Failure::Config(e.into()))?,
    };
    for warning in config.warnings() {
        tracing::warn!(key = warning.key, "{}; {}", warning.what, warning.mend);
    }
    if let Some(input) = arguments.input.as_deref().filter(|i| i.as_os_str() != "-") {
        std::fs::File::open(input)
            .with_context(|| format!("cannot open {}", input.display()))
            .map_err(Failure::Config)?;
    }
    let stop_signals = signals()?;
    let (log, mode): (Arc<dyn Log>, _) = match &arguments.embedded {
        Some(dir) => (Arc::new(open_embedded(dir)?), Mode::Embedded),
        None => {
            check_files()?;
            (kafka(&config)?, Mode::Kafka)
        }
    };
    let listener = app::bind(config.http.listen)?;
    let hooks = app::bind_hooks(&config)?;
    if mode == Mode::Embedded {
        app::create_sources(&config, &*log, 1)?;
        app::create_topics(&config, &*log)?;
    }
    let source = config.sources.first().and_then(|s| s.topics.first()).cloned();
    let mut running = app::open(config, log.clone(), mode, wall_clock(), listener)?;
    tracing::info!(address = %running.address, "serving the board, /metrics and the API");
    if let Some(listener) = hooks {
        running.receive(listener)?;
    }
    if !await_topics(&running, mode, &stop_signals)? {
        return Ok(());
    }
    running.start();
    if let Some(input) = arguments.input {
        let topic = source
            .ok_or_else(|| Failure::Config(anyhow!("--input needs a source in the config")))?;
        append(input, topic, log, running.stop.clone());
    }
    end(running, &stop_signals)
}

/// Refuses to start where too few files may be open: the clients would only say, again and again,
/// that no broker can be reached. Says nothing where the system does not tell.
fn check_files() -> Result<(), Failure> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    match soft {
        Some(soft) if soft < FILES => Err(Failure::Environment(anyhow!(
            "this process may open {soft} files, and needs {FILES} at least: raise the limit \
             (ulimit -n, LimitNOFILE= of a systemd unit)"
        ))),
        _ => Ok(()),
    }
}

/// Opens the embedded log.
pub fn open_embedded(dir: &std::path::Path) -> Result<EmbeddedLog, Failure> {
    EmbeddedLog::open(dir, crate::clock::wall_ms).map_err(|e| Failure::Environment(e.into()))
}

/// The log in a directory, of a verb that only reads: it makes none.
pub fn open_existing(dir: &std::path::Path) -> Result<EmbeddedLog, Failure> {
    let what = match EmbeddedLog::is_in(dir) {
        true => return open_embedded(dir),
        false if dir.is_dir() => "there is no log in that directory",
        false => "there is no directory of that name",
    };
    let (shown, mend) = (dir.display(), "name the one that `tidemark run --embedded` was given");
    Err(Failure::Environment(anyhow!("--embedded \"{shown}\": {what}: {mend}")))
}

/// Waits for the broker, saying so once, then checks the topics. `false` where a signal came first.
fn await_topics(running: &Running, mode: Mode, signals: &Signals) -> Result<bool, Failure> {
    let brokers = &running.config().kafka.brokers;
    let mut said = false;
    running.health.set("log", Err(format!("waiting for {brokers}")));
    loop {
        match check(running, mode) {
            Ok(wrong) if wrong.is_empty() => break,
            Ok(wrong) => return Err(app::AppError::Topics(wrong).into()),
            Err(error) if error.is_retriable() => {
                if !said {
                    tracing::warn!(%error, brokers, "waiting for the brokers");
                    said = true;
                }
            }
            Err(error) => return Err(app::AppError::Log(error).into()),
        }
        if signals.wait(Duration::from_secs(1)) {
            return Ok(false);
        }
    }
    running.health.set("log", Ok(()));
    Ok(true)
}

/// What is wrong with the topics. The embedded log keeps topics as they were first created, and its
/// directory is one process's own.
fn check(running: &Running, mode: Mode) -> Result<Vec<String>, LogError> {
    let mut wrong = app::check_topics(running.config(), running.log())?;
    if mode == Mode::Kafka {
        wrong.extend(app::check_settings(running.config(), running.log())?);
    }
    Ok(wrong)
}

/// SIGTERM and SIGINT, as a stop that can be waited for.
pub struct Signals {
    stop: Stop,
}

impl Signals {
    /// Whether one came.
    pub fn asked(&self) -> bool {
        self.stop.is_requested()
    }

    /// Waits up to `time` for one.
    pub fn wait(&self, time: Duration) -> bool {
        self.stop.wait(time)
    }
}

/// Catches SIGTERM and SIGINT; a second one ends the process at once.
pub fn signals() -> Result<Signals, Failure> {
    let stop = Stop::default();
    let mut caught = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGINT,
    ])
    .context("cannot catch signals")
    .map_err(Failure::Environment)?;
    let asked = stop.clone();
    std::thread::spawn(move || {
        for _ in caught.forever() {
            if asked.is_requested() {
                // The default action of the signal, since the first one was not fast enough.
                let _ =
                    signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTERM);
            }
            asked.request(StopReason::Asked);
        }
    });
    Ok(Signals { stop })
}

/// Waits for a signal or for a stage that refuses to go on, then takes everything down.
pub fn end(running: Running, signals: &Signals) -> Result<(), Failure> {
    let (asked, stop) = (signals.stop.clone(), running.stop.clone());
    std::thread::spawn(move || {
        while !asked.wait(Duration::from_secs(3600)) {}
        stop.request(StopReason::Asked);
    });
    match running.wait() {
        (StopReason::Asked, clean) => {
            if !clean {
                tracing::warn!(
                    "some work was not acknowledged in time; it is done again at the next start"
                );
            }
            Ok(())
        }
        (StopReason::Refused(why), _) => Err(Failure::Environment(anyhow!(why))),
    }
}

/// Appends lines to a topic from a thread of its own; flushes whenever the input pauses for a
/// batch.
fn append(input: PathBuf, topic: String, log: Arc<dyn Log>, stop: Stop) {
    std::thread::spawn(move || {
        if let Err(error) = append_lines(&input, &topic, &*log, &stop) {
            tracing::error!(input = %input.display(), error = format!("{error:#}"), "input ended");
        }
    });
}

fn append_lines(input: &PathBuf, topic: &str, log: &dyn Log, stop: &Stop) -> anyhow::Result<()> {
    let mut writer = log.writer()?;
    let reader: Box<dyn BufRead> = if input.as_os_str() == "-" {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        let file = std::fs::File::open(input)
            .with_context(|| format!("cannot open {}", input.display()))?;
        Box::new(BufReader::new(file))
    };
    let topic: Arc<str> = topic.into();
    let flush = |writer: &mut Box<dyn crate::log::Writer>| -> Result<(), LogError> {
        writer.flush(Duration::from_secs(30))
    };
    let mut lines = 0u64;
    for line in reader.split(b'\n') {
        let line = line?;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        writer.send(Outgoing {
            topic: topic.clone(),
            partition: Partition(0),
            key: None,
            value: Some(line),
            headers: Vec::new(),
        })?;
        lines += 1;
        // A pipe may pause at any line: each batch is flushed before the next read could block.
        if lines.is_multiple_of(500) || input.as_os_str() == "-" {
            flush(&mut writer)?;
        }
        if stop.is_requested() {
            break;
        }
    }
    flush(&mut writer)?;
    tracing::info!(lines, input = %input.display(), "input read to its end");
    Ok(())
}
