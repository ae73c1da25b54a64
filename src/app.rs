//! The composition root: puts config, log, stages and server together, and takes them down.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{monotonic, wall_ms};
use crate::config::Config;
use crate::http::{
    self, Alerts, Board, Caps, Health, HttpState, Members, MetricsPages, Mode, ServerInfo,
    TargetsNow,
};
use crate::log::{Log, LogError};
use crate::model::calendar::tzdb_version;
use crate::model::kin::Kin;
use crate::model::window::{Period, WindowKind};
use crate::runtime::{self, Clock, Context, Stop, StopReason};
use crate::telemetry::{Stage, Telemetry};

mod hooks;
mod topics;

pub use hooks::bind_hooks;
pub use topics::{check_settings, check_topics, create_sources, create_topics};

/// Most rows that the board of one process holds.
const BOARD_ROWS: usize = 500_000;
/// Longest time that a stop may take before the process ends all the same.
const STOP_WITHIN: Duration = Duration::from_secs(12);

/// Why the process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} ({key}): {source}")]
    Listen {
        /// Address.
        address: SocketAddr,
        /// Key that has it.
        key: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Topics are missing or wrong.
    #[error("{}", .0.join("\n"))]
    Topics(Vec<String>),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// A process at work.
pub struct Running {
    /// Address of the HTTP server.
    pub address: SocketAddr,
    /// Readiness.
    pub health: Arc<Health>,
    /// Ends it.
    pub stop: Stop,
    context: Context,
    workers: Vec<JoinHandle<()>>,
    servers: Vec<JoinHandle<()>>,
}

/// Opens the server: alive, and not ready until the stages run.
pub fn open(
    config: Config,
    log: Arc<dyn Log>,
    mode: Mode,
    clock: Clock,
    listener: TcpListener,
) -> Result<Running, AppError> {
    let topics = Arc::new(config.topics());
    let currency = config.definition.currency.to_string();
    let telemetry = Telemetry::new(env!("CARGO_PKG_VERSION"), tzdb_version(), &currency);
    let definition = &config.definition;
    let judging = Kin::of(&config.drift, definition.partitions).judging();
    telemetry.configured(definition.hash(), definition.reference_hash(), judging);
    telemetry.kpis(&config.definition.kpis);
    telemetry.allowed_lag(config.time.allowed_lag());
    telemetry.parts(Stage::Ledger, config.definition.shards);
    telemetry.parts(Stage::Rollup, config.definition.partitions);
    let limits = &config.limits;
    let caps = Caps { per_family: limits.max_series_per_family, total: limits.max_series };
    let context = Context {
        topics,
        log,
        health: Arc::new(Health::new(runtime::STAGES.iter().map(|(name, _)| *name))),
        board: Board::new(wall_ms(), BOARD_ROWS),
        alerts: Alerts::new(),
        pages: MetricsPages::new(telemetry.clone(), caps),
        targets: TargetsNow::new(config.definition.targets.clone(), config.topics().targets),
        telemetry,
        clock,
        timer: Arc::new(monotonic),
        wait: runtime::POLL,
        probe: Arc::new(|_| ()),
        poison: Arc::default(),
        stop: Stop::default(),
        config: Arc::new(config),
    };
    let address = listener.local_addr().map_err(|source| AppError::Listen {
        address: context.config.http.listen,
        key: "http.listen",
        source,
    })?;
    let server = serve(&context, mode, listener)?;
    let (health, stop) = (context.health.clone(), context.stop.clone());
    Ok(Running { address, health, stop, context, workers: Vec::new(), servers: vec![server] })
}

/// Binds the configured address.
pub fn bind(address: SocketAddr) -> Result<TcpListener, AppError> {
    listen(address, "http.listen")
}

fn listen(address: SocketAddr, key: &'static str) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).map_err(|source| AppError::Listen { address, key, source })
}

/// What the API says of a configuration, and checks its parameters against.
pub fn server_info(config: &Config, mode: Mode) -> ServerInfo {
    ServerInfo {
        mode,
        calendar: config.definition.calendar.clone(),
        zones: config.definition.zones.clone(),
        currency: config.definition.currency.to_string(),
        app: config.app.clone(),
        windows: config.definition.windows.iter().map(|w| w.name()).collect(),
        grains: config.definition.segments.clone(),
        kpis: config.definition.kpis.clone(),
        members: Members::of(&config.definition),
        periods: periods(&config.definition.windows),
        work: config.definition.work.clone(),
        directory: config.definition.directory.clone(),
    }
}

fn periods(windows: &[WindowKind]) -> Vec<Period> {
    let period = |kind: &WindowKind| match kind {
        WindowKind::Calendar(period) => Some(*period),
        _ => None,
    };
    windows.iter().filter_map(period).collect()
}

fn serve(context: &Context, mode: Mode, listener: TcpListener) -> Result<JoinHandle<()>, AppError> {
    let info = server_info(&context.config, mode);
    let state = HttpState {
        board: context.board.clone(),
        alerts: context.alerts.clone(),
        telemetry: context.telemetry.clone(),
        pages: context.pages.clone(),
        health: context.health.clone(),
        targets: context.targets.clone(),
        info: Arc::new(info),
    };
    let router = http::router(state);
    spawn_server("http", context.stop.clone(), listener, router, http::Limits::default())
}

/// Serves on a thread of its own, with a runtime of its own: neither server slows the other.
fn spawn_server(
    name: &str,
    stop: Stop,
    listener: TcpListener,
    router: axum::Router,
    limits: http::Limits,
) -> Result<JoinHandle<()>, AppError> {
    listener.set_nonblocking(true).map_err(AppError::Thread)?;
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || serve_until(stop, listener, router, limits))
        .map_err(AppError::Thread)
}

fn serve_until(stop: Stop, listener: TcpListener, router: axum::Router, limits: http::Limits) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            stop.request(StopReason::Refused(format!("no runtime for the server: {error}")));
            return;
        }
    };
    runtime.block_on(async move {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                stop.request(StopReason::Refused(format!("no listener for the server: {error}")));
                return;
            }
        };
        let asked = async move {
            let waiting =
                tokio::task::spawn_blocking(move || while !stop.wait(Duration::from_secs(3600)) {});
            // A panic in there means stop as well.
            let _ = waiting.await;
        };
        http::serve(listener, router, limits, asked).await;
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
}

impl Running {
    /// Starts all stages. The topics must be right already.
    pub fn start(&mut self) {
        self.workers = runtime::start(&self.context);
    }

    /// The log behind it.
    pub fn log(&self) -> &dyn Log {
        &*self.context.log
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.context.config
    }

    /// Waits until something asks for the stop, then takes everything down. Returns the reason,
    /// and whether all ended in time.
    pub fn wait(self) -> (StopReason, bool) {
        while !self.stop.wait(Duration::from_secs(3600)) {}
        let reason = self.stop.reason().unwrap_or(StopReason::Asked);
        let deadline = monotonic() + STOP_WITHIN;
        let mut clean = true;
        for worker in self.workers.into_iter().chain(self.servers) {
            // A worker may be stuck behind brokers that are gone: then it is left to the exit.
            while !worker.is_finished() && monotonic() < deadline {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            clean &= worker.is_finished();
            if worker.is_finished() {
                let _ = worker.join();
            }
        }
        (reason, clean)
    }
}
