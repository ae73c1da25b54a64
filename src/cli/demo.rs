//! `tidemark demo`: a made-up company, live, on the embedded log. Nothing to install, no port but
//! one on loopback, nothing left behind.
//!
//! Its clock runs faster than the wall's, so that days pass while a person watches; history up to
//! the start is read in first, as a backlog.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::Failure;
use super::out::say;
use super::run::{end, open_embedded, signals};
use crate::app::{self, Running};
use crate::clock::{monotonic, since, wall_ms};
use crate::config::{Config, DEMO, environment};
use crate::http::Mode;
use crate::log::{Log, Outgoing, Partition};
use crate::model::time::{Span, Timestamp};
use crate::runtime::{Clock, Stop};
use crate::world::{Drift, World, WorldSettings, directory};

/// How many days before the start the win rate of one territory falls.
const DRIFT_DAYS: i64 = 6;
/// With less history there is no baseline.
const HISTORY_DAYS: u32 = 100;

#[derive(clap::Args)]
pub struct Arguments {
    /// Port on 127.0.0.1; the next free one is taken where it is in use.
    #[arg(long, default_value_t = 9464)]
    port: u16,
    /// Seed of the company.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Days of history.
    #[arg(long, default_value_t = 120)]
    days: u32,
    /// How many minutes pass in a second.
    #[arg(long, default_value_t = 30)]
    speed: u32,
    /// Keep the data in this directory instead of a temporary one.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Stop by itself after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    stop_after: Option<u64>,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    super::logging(false)?;
    let mut config = Config::from_toml(DEMO, "demo.toml", environment())
        .map_err(|e| Failure::Config(e.into()))?;
    let (dir, temporary) = directory_of(&arguments)?;
    let log: Arc<dyn Log> = Arc::new(open_embedded(&dir)?);
    app::create_sources(&config, &*log, 1)?;
    app::create_topics(&config, &*log)?;
    let now = Timestamp::from_millis(wall_ms());
    let settings = WorldSettings {
        seed: arguments.seed,
        start: now - Span::days(i64::from(arguments.days)),
        days: None,
        drift: drift(now, arguments.days),
        others: true,
        ..WorldSettings::default()
    };
    config.definition.directory = directory(&settings);
    let topic: Arc<str> = config.sources[0].topics[0].as_str().into();
    let clock = fast_clock(now, arguments.speed);
    let signals = signals()?;
    let listener = listen(arguments.port)?;
    let mut running = app::open(config, log.clone(), Mode::Embedded, clock.clone(), listener)?;
    running.start();
    greet(&running, &arguments);
    let feeder = feed(World::new(settings), topic, log, clock, running.stop.clone());
    if let Some(seconds) = arguments.stop_after {
        let stop = running.stop.clone();
        std::thread::spawn(move || {
            stop.wait(Duration::from_secs(seconds));
            stop.request(crate::runtime::StopReason::Asked);
        });
    }
    let done = end(running, &signals);
    if feeder.join().is_err() {
        tracing::warn!("the generator ended early");
    }
    if temporary {
        let _ = std::fs::remove_dir_all(&dir);
    }
    done
}

/// Some days before the start a competitor comes to one territory, so that an alert fires while a
/// person watches. Without a history there is no baseline to notice it by.
fn drift(now: Timestamp, days: u32) -> Option<Drift> {
    let at = now - Span::days(DRIFT_DAYS);
    let territory = "north".to_owned();
    (days >= HISTORY_DAYS).then_some(Drift { at, territory, win_factor: 0.45 })
}

fn directory_of(arguments: &Arguments) -> Result<(PathBuf, bool), Failure> {
    if let Some(dir) = &arguments.keep {
        return Ok((dir.clone(), false));
    }
    let dir =
        std::env::temp_dir().join(format!("tidemark-demo-{}-{}", std::process::id(), wall_ms()));
    std::fs::create_dir_all(&dir)
        .with_context(|| format!("cannot create {}", dir.display()))
        .map_err(Failure::Environment)?;
    Ok((dir, true))
}

/// A clock that starts at `from` and lets `speed` minutes pass in a second.
fn fast_clock(from: Timestamp, speed: u32) -> Clock {
    let started = monotonic();
    Arc::new(move || {
        let passed = i64::try_from(since(started).as_micros()).unwrap_or(i64::MAX);
        from + Span(passed.saturating_mul(i64::from(speed) * 60))
    })
}

fn listen(port: u16) -> Result<TcpListener, Failure> {
    let ports = (port..=port.saturating_add(20)).chain([0]);
    let mut first = None;
    for port in ports {
        match app::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
            Ok(listener) => return Ok(listener),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    let error = first.map_or_else(|| anyhow!("no port"), Into::into);
    Err(Failure::Environment(error))
}

/// It goes on whether or not anybody reads this.
fn greet(running: &Running, arguments: &Arguments) {
    let (address, days, speed) = (running.address, arguments.days, arguments.speed);
    let _ = say(format_args!(
        "\n  Tidemark demo: a made-up company, {days} days of history, then live\n  \
           ({speed} minutes pass in a second; no Kafka, nothing leaves this machine).\n\n  \
           board     http://{address}/\n  \
           alerts    http://{address}/api/v1/alerts\n  \
           metrics   http://{address}/metrics\n  \
           rows      http://{address}/api/v1/rows?window=month&grain=territory\n\n  \
           Stop it with Ctrl-C.\n"
    ));
}

/// Writes the company's events into the source topic: history at once, the rest when it is due.
fn feed(
    mut world: World,
    topic: Arc<str>,
    log: Arc<dyn Log>,
    clock: Clock,
    stop: Stop,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut writer = match log.writer() {
            Ok(writer) => writer,
            Err(error) => {
                tracing::error!(%error, "the generator cannot write");
                return;
            }
        };
        let mut sent = 0u64;
        while !stop.is_requested() {
            while let Some(arrival) = world.next_before(clock()) {
                let out = Outgoing {
                    topic: topic.clone(),
                    partition: Partition(0),
                    key: Some(arrival.key.into_bytes()),
                    value: Some(arrival.json.into_bytes()),
                    headers: Vec::new(),
                };
                sent += 1;
                let flushed = if sent.is_multiple_of(2_000) {
                    writer.flush(Duration::from_secs(30))
                } else {
                    Ok(())
                };
                if let Err(error) = writer.send(out).and(flushed) {
                    tracing::error!(%error, "the generator cannot write");
                    return;
                }
                if stop.is_requested() {
                    return;
                }
            }
            if let Err(error) = writer.flush(Duration::from_secs(30)) {
                tracing::error!(%error, "the generator cannot write");
                return;
            }
            stop.wait(Duration::from_millis(100));
        }
    })
}
