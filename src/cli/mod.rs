//! The command line: one file a verb. Exit codes: 0 done, 1 failed while running, 2 bad
//! configuration or arguments, 3 the environment is not as it must be.

mod decode;
mod demo;
mod dlq;
mod explain;
mod export;
mod generate;
mod kpis;
mod out;
mod replay;
mod run;
mod topics;
mod validate;
mod whole;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use self::out::note;
use crate::app::AppError;
use crate::config::{Config, Source, environment};
use crate::model::source::{Reading, System};
use crate::model::time::Timestamp;
use crate::runtime::Clock;

/// Streaming sales KPIs from Kafka: rolling, self-correcting, exact.
#[derive(Parser)]
#[command(name = "tidemark", version, about)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the pipeline on Kafka, or in one process with `--embedded DIR`.
    Run(run::Arguments),
    /// Show it: a made-up company, live, without Kafka.
    Demo(demo::Arguments),
    /// Check a configuration and print what it costs.
    Validate(validate::Arguments),
    /// Check or create the topics.
    Topics(topics::Arguments),
    /// Look at dead letters, and put them back where they came from.
    Dlq(dlq::Arguments),
    /// Say what stands behind a number: what holds the watermark.
    Explain(explain::Arguments),
    /// Write rows to a file: CSV, XLSX, Parquet, or OpenMetrics history for Prometheus.
    Export(export::Arguments),
    /// List the KPIs, or show what one means.
    Kpis(kpis::Arguments),
    /// Show what a source's decoder makes of files: canonical events, and what is ignored or bad.
    Decode(decode::Arguments),
    /// Make events of a made-up company, or print schemas and reference pages.
    Generate(generate::Arguments),
    /// Run the same folds over a file and write the final row of every window and segment.
    Replay(replay::Arguments),
}

/// Why a verb failed, with its exit code.
#[derive(Debug)]
pub enum Failure {
    /// While running: 1.
    Runtime(anyhow::Error),
    /// Configuration or arguments: 2.
    Config(anyhow::Error),
    /// Environment: 3.
    Environment(anyhow::Error),
    /// Whoever reads what is written has seen enough: 0.
    SeenEnough,
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Failure {
        Failure::Environment(error.into())
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Run(arguments) => run::run(arguments),
        Verb::Demo(arguments) => demo::run(arguments),
        Verb::Validate(arguments) => validate::run(&arguments),
        Verb::Topics(arguments) => topics::run(&arguments),
        Verb::Dlq(arguments) => dlq::run(arguments),
        Verb::Explain(arguments) => explain::run(&arguments),
        Verb::Export(arguments) => export::run(&arguments),
        Verb::Kpis(arguments) => kpis::run(arguments),
        Verb::Decode(arguments) => decode::run(&arguments),
        Verb::Generate(arguments) => generate::run(arguments),
        Verb::Replay(arguments) => replay::run(&arguments),
    };
    let (code, error) = match done {
        Ok(()) | Err(Failure::SeenEnough) => return ExitCode::SUCCESS,
        Err(Failure::Runtime(error)) => (1, error),
        Err(Failure::Config(error)) => (2, error),
        Err(Failure::Environment(error)) => (3, error),
    };
    let text = format!("{error:#}");
    // The faults of a configuration each say that they are errors.
    if text.starts_with("error: ") {
        note(text);
    } else {
        note(format_args!("error: {text}"));
    }
    ExitCode::from(code)
}

/// Whether whoever reads what is written has seen enough, as `head` has.
fn is_broken_pipe<T>(written: &std::io::Result<T>) -> bool {
    written.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn load(file: &Path) -> Result<Config, Failure> {
    Config::load(file, environment()).map_err(|e| Failure::Config(e.into()))
}

/// The highest that a limit of series can be.
const MOST_SERIES: u64 = 100_000_000;

/// The configuration with the budget of series out of the way.
fn load_without_limits(file: &Path) -> Option<Config> {
    let raised = ["MAX_SERIES", "MAX_SERIES_PER_FAMILY"]
        .map(|limit| (format!("TIDEMARK_LIMITS__{limit}"), MOST_SERIES.to_string()));
    Config::load(file, environment().chain(raised)).ok()
}

/// The configuration, of a verb that exposes no series: a budget that is too small is told, and
/// stops nothing.
fn load_beyond_limits(file: &Path) -> Result<Config, Failure> {
    load(file).or_else(|refused| {
        let config = load_without_limits(file).ok_or(refused)?;
        note("warning: this leads to more series than [limits] allows, and `tidemark run` would refuse it: see `tidemark validate`");
        Ok(config)
    })
}

/// A source of the configuration by its name.
fn source<'c>(config: &'c Config, name: &str) -> Result<&'c Source, Failure> {
    config.sources.iter().find(|s| s.name == name).ok_or_else(|| {
        let names: Vec<_> = config.sources.iter().map(|s| format!("\"{}\"", s.name)).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Failure::Config(anyhow::anyhow!(
            "there is no source \"{name}\"; the configuration has {known}"
        ))
    })
}

/// A source of canonical events where the configuration has none.
fn unnamed(config: &Config, name: &str) -> Source {
    Source {
        name: name.to_owned(),
        system: System::Canonical,
        reading: Reading { currency: Some(config.definition.currency), ..Reading::default() },
        topics: Vec::new(),
    }
}

/// The wall clock.
fn wall_clock() -> Clock {
    Arc::new(|| Timestamp::from_millis(crate::clock::wall_ms()))
}

/// The Kafka log of a configuration.
#[cfg(feature = "kafka")]
fn kafka(config: &Config) -> Result<Arc<dyn crate::log::Log>, Failure> {
    use crate::log::kafka::{KafkaLog, KafkaSettings};
    let settings = KafkaSettings {
        brokers: config.kafka.brokers.clone(),
        client_id: config.kafka.client_id.clone(),
        properties: config.kafka.properties.clone(),
        session_timeout: config.kafka.session_timeout,
        request_timeout: config.kafka.request_timeout,
    };
    let log = KafkaLog::new(settings).map_err(|e| Failure::Config(e.into()))?;
    Ok(Arc::new(log))
}

/// This build has no Kafka client.
#[cfg(not(feature = "kafka"))]
fn kafka(_: &Config) -> Result<Arc<dyn crate::log::Log>, Failure> {
    Err(Failure::Environment(anyhow::anyhow!(
        "this binary was built without Kafka: build it with `cargo build --release` (feature kafka), \
         or use `tidemark run --embedded DIR`"
    )))
}

fn logging(json: bool) -> Result<(), Failure> {
    crate::telemetry::init_logging(json).map_err(|e| Failure::Config(anyhow::anyhow!("{e}")))
}
