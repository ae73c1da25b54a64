//! `tidemark generate`: events of a made-up company, schemas, reference pages, and what Prometheus
//! and Grafana load.

mod observed;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::out::{failed, note};
use super::run::{Signals, signals};
use super::{Failure, kafka, load};
use crate::clock::{monotonic, since, wall_ms};
use crate::log::{Log, Outgoing, Writer};
use crate::model::event::shard_of;
use crate::model::kpi::Kpis;
use crate::model::time::{Span, Timestamp};
use crate::observe;
use crate::reference;
use crate::world::{World, WorldSettings, directory};

#[derive(clap::Args)]
pub struct Arguments {
    /// What to make.
    #[arg(value_enum, default_value_t = Kind::Events)]
    kind: Kind,
    /// To this file (events: one a line); `-` is standard output. Dashboards: to this directory.
    #[arg(long, conflicts_with = "topic", default_value = "-")]
    output: PathBuf,
    /// Alerts and dashboards: write nothing, and fail where this file or directory is stale.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["output", "topic"])]
    check: Option<PathBuf>,
    /// Alerts and dashboards: where the runbooks are read.
    #[arg(long, value_name = "URL", default_value = observe::RUNBOOKS)]
    runbooks: String,
    /// Events to this Kafka topic; needs --config.
    #[arg(long, requires = "config")]
    topic: Option<String>,
    /// Configuration (TOML), for the brokers, and for the KPIs of dashboards.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Seed: equal seeds and settings make equal bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// First moment (RFC 3339). Where absent: 2025-01-01, and with --rate as many days ago as
    /// --days says.
    #[arg(long)]
    start: Option<String>,
    /// Length, days.
    #[arg(long, default_value_t = 120)]
    days: u32,
    /// Most events.
    #[arg(long)]
    events: Option<u64>,
    /// Events a second; as fast as possible where absent.
    #[arg(long)]
    rate: Option<f64>,
    /// Reps.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..))]
    reps: u32,
    /// Territories.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    territories: u32,
    /// Deals created a day, on average.
    #[arg(long, default_value_t = 40.0)]
    deals_per_day: f64,
    /// Share of won deals that several reps share, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    splits: f64,
    /// Share of leads that tell when they were first answered, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    answers: f64,
    /// Share of deals, orders and invoices in pounds, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    foreign: f64,
    /// Events: activities, orders, invoices, subscriptions, spend, touches and answers to surveys
    /// too.
    #[arg(long)]
    others: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Canonical events.
    Events,
    /// The directory of the reps behind the events, as TOML to append to a config.
    Directory,
    /// JSON Schema of the canonical event.
    Schema,
    /// JSON Schema of a drift alert (docs/alert.schema.json).
    AlertSchema,
    /// Reference page of the KPIs (docs/kpis.md).
    Kpis,
    /// Reference page of the metrics (docs/metrics.md).
    Metrics,
    /// Reference page of the fields and dead-letter codes (docs/events-reference.md).
    EventsPage,
    /// Recording and alerting rules for Prometheus (deploy/prometheus/rules/tidemark.yml).
    Alerts,
    /// Dashboards for Grafana (deploy/grafana/dashboards/); with --config those of its KPIs, its own
    /// among them.
    Dashboards,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    if arguments.check.is_some() && !matches!(arguments.kind, Kind::Alerts | Kind::Dashboards) {
        return Err(Failure::Config(anyhow!("--check is for alerts and dashboards")));
    }
    let settings = settings(&arguments)?;
    match arguments.kind {
        Kind::Events => events(&arguments, settings),
        Kind::Directory => print(&arguments, &reference::directory_toml(&directory(&settings))),
        Kind::Schema => print(&arguments, &reference::event_schema()),
        Kind::AlertSchema => print(&arguments, &reference::alert_schema()),
        Kind::Kpis => print(&arguments, &reference::kpis()),
        Kind::Metrics => print(&arguments, &reference::metrics()),
        Kind::EventsPage => print(&arguments, &reference::events()),
        Kind::Alerts => alerts(&arguments),
        Kind::Dashboards => dashboards(&arguments),
    }
}

fn alerts(arguments: &Arguments) -> Result<(), Failure> {
    let text = observe::rules::yaml(&arguments.runbooks);
    match &arguments.check {
        Some(path) => observed::check_file(path, &text, &mend(arguments, "alerts", path)),
        None => print(arguments, &text),
    }
}

fn dashboards(arguments: &Arguments) -> Result<(), Failure> {
    let kpis = match &arguments.config {
        Some(path) => load(path)?.definition.kpis,
        None => Kpis::ALL,
    };
    let files = observe::boards::files(&kpis, &arguments.runbooks);
    let owned = observe::boards::owned;
    if let Some(directory) = &arguments.check {
        let mend = mend(arguments, "dashboards", directory);
        return observed::check_files(directory, &files, owned, &mend);
    }
    if arguments.output.as_os_str() == "-" {
        let what = "dashboards are several files: say where with --output DIRECTORY";
        return Err(Failure::Config(anyhow!(what)));
    }
    observed::write_files(&arguments.output, &files, owned)
}

/// The command that writes what a check compared with.
fn mend(arguments: &Arguments, what: &str, to: &Path) -> String {
    let mut command = format!("tidemark generate {what}");
    // Alerts are the same whatever the configuration.
    let config = arguments.config.as_ref().filter(|_| arguments.kind == Kind::Dashboards);
    let config = config.map(|path| ("--config", path.display().to_string()));
    let runbooks = (arguments.runbooks != observe::RUNBOOKS).then(|| arguments.runbooks.clone());
    let runbooks = runbooks.map(|url| ("--runbooks", url));
    let output = Some(("--output", to.display().to_string()));
    for (name, value) in [config, runbooks, output].into_iter().flatten() {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:~@%+=,".contains(c);
        let value = match value.chars().all(plain) {
            true => value,
            false => format!("'{}'", value.replace('\'', r"'\''")),
        };
        command.push_str(&format!(" {name} {value}"));
    }
    command
}

fn print(arguments: &Arguments, text: &str) -> Result<(), Failure> {
    let mut out = file(&arguments.output).map_err(Failure::Runtime)?;
    let done = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    done.context("cannot write").map_err(failed)
}

fn settings(arguments: &Arguments) -> Result<WorldSettings, Failure> {
    let base = WorldSettings::default();
    let start = match &arguments.start {
        Some(text) => Timestamp::parse_rfc3339(text).filter(|t| t.in_range()).ok_or_else(|| {
            Failure::Config(anyhow!("--start \"{text}\" is not RFC 3339 (2026-01-01T00:00:00Z)"))
        })?,
        // Paced events are meant for a live pipeline, whose windows end now.
        None if arguments.rate.is_some() => {
            Timestamp::from_millis(wall_ms()) - Span::days(i64::from(arguments.days))
        }
        None => base.start,
    };
    if !(arguments.deals_per_day > 0.0 && arguments.deals_per_day.is_finite()) {
        return Err(Failure::Config(anyhow!("--deals-per-day must be above 0")));
    }
    if arguments.rate.is_some_and(|r| !(r > 0.0 && r.is_finite())) {
        return Err(Failure::Config(anyhow!("--rate must be above 0")));
    }
    Ok(WorldSettings {
        seed: arguments.seed,
        start,
        days: Some(arguments.days),
        reps: arguments.reps,
        territories: arguments.territories,
        deals_per_day: arguments.deals_per_day,
        split: arguments.splits,
        answer: arguments.answers,
        foreign: arguments.foreign,
        others: arguments.others,
        ..base
    })
}

enum Sink {
    File(Box<dyn Write>),
    Topic { writer: Box<dyn Writer>, topic: Arc<str>, partitions: u32 },
}

fn events(arguments: &Arguments, settings: WorldSettings) -> Result<(), Failure> {
    let signals = signals()?;
    let mut sink = match (&arguments.topic, &arguments.config) {
        (Some(topic), Some(config)) => {
            super::logging(false)?;
            topic_sink(topic, &*kafka(&load(config)?)?)?
        }
        _ => Sink::File(file(&arguments.output).map_err(Failure::Runtime)?),
    };
    let sent = pour(arguments, World::new(settings), &mut sink, &signals).map_err(failed)?;
    note(format_args!("{sent} events"));
    Ok(())
}

fn file(path: &Path) -> anyhow::Result<Box<dyn Write>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufWriter::new(std::io::stdout())));
    }
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(Box::new(BufWriter::with_capacity(1 << 20, file)))
}

fn topic_sink(topic: &str, log: &dyn Log) -> Result<Sink, Failure> {
    let environment = |e: crate::log::LogError| Failure::Environment(e.into());
    let Some(info) = log.describe(topic).map_err(environment)? else {
        return Err(Failure::Environment(anyhow!("topic \"{topic}\" is missing: create it first")));
    };
    let writer = log.writer().map_err(environment)?;
    Ok(Sink::Topic { writer, topic: topic.into(), partitions: info.partitions })
}

fn pour(
    arguments: &Arguments,
    mut world: World,
    sink: &mut Sink,
    signals: &Signals,
) -> anyhow::Result<u64> {
    let started = monotonic();
    let limit = arguments.events.unwrap_or(u64::MAX);
    let mut sent = 0;
    while sent < limit && !signals.asked() {
        let Some(arrival) = world.next_before(crate::model::time::LATEST) else {
            break;
        };
        match sink {
            Sink::File(out) => {
                out.write_all(arrival.json.as_bytes())?;
                out.write_all(b"\n")?;
            }
            Sink::Topic { writer, topic, partitions } => writer.send(Outgoing {
                topic: topic.clone(),
                partition: shard_of(&arrival.key, *partitions),
                key: Some(arrival.key.into_bytes()),
                value: Some(arrival.json.into_bytes()),
                headers: Vec::new(),
            })?,
        }
        sent += 1;
        if let Some(rate) = arguments.rate {
            pace(started, sent as f64 / rate, sink, signals)?;
        }
    }
    match sink {
        Sink::File(out) => out.flush()?,
        Sink::Topic { writer, .. } => writer.flush(Duration::from_secs(60))?,
    }
    Ok(sent)
}

/// Waits until the event behind is due; what was sent is flushed before a wait that a person sees.
fn pace(
    started: std::time::Instant,
    due: f64,
    sink: &mut Sink,
    signals: &Signals,
) -> anyhow::Result<()> {
    let ahead = due - since(started).as_secs_f64();
    if ahead < 0.02 {
        return Ok(());
    }
    if let Sink::File(out) = sink {
        out.flush()?;
    }
    signals.wait(Duration::from_secs_f64(ahead));
    Ok(())
}
