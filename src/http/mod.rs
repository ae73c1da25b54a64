//! The HTTP edge: the page, the API, `/metrics` and health. Read only: nothing here changes a
//! number. Beside it, on a listener of its own, the receiver of webhooks ([`hooks`]).
//!
//! The router is built apart from serving, so that tests call it without a socket.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use crate::clock;
use crate::model::calendar::Calendar;
use crate::model::definition::Directory;
use crate::model::kpi::Kpis;
use crate::model::segment::Segment;
use crate::model::time::Timestamp;
use crate::model::window::Period;
use crate::model::workdays::WorkCalendars;
use crate::model::zones::Zones;
use crate::telemetry::Telemetry;

mod alerts;
mod api;
mod assets;
pub mod board;
mod drift;
mod forecast;
pub(crate) mod funnel;
pub mod health;
pub mod hooks;
mod leaderboard;
mod lines;
pub mod members;
pub mod metrics;
mod pages;
pub(crate) mod params;
mod rank;
mod reps;
mod serve;
mod targets;
pub(crate) mod wire;

pub use alerts::Alerts;
pub use api::{FigureShown, KpiShown, figures_shown};
pub use board::{Board, Query};
pub use health::Health;
pub use members::Members;
pub use metrics::{Caps, KpiPage, KpiSnapshot};
pub use pages::MetricsPages;
pub use serve::{Limits, serve};
pub use targets::TargetsNow;

/// Only what this server sends may run or be shown; no other page may frame it.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Which log the process runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The embedded log, one process.
    Embedded,
    /// Kafka.
    Kafka,
}

/// What the process is, for the page and for checking parameters.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    /// Which log.
    pub mode: Mode,
    /// Calendar of the reporting zone.
    pub calendar: Calendar,
    /// Which segments have a zone of their own.
    pub zones: Zones,
    /// Reporting currency.
    pub currency: String,
    /// The app's name, the prefix of its topics.
    pub app: String,
    /// Configured kinds of windows, by name.
    pub windows: Vec<String>,
    /// Configured dimension sets; the empty one is the whole business.
    pub grains: Vec<Vec<String>>,
    /// Configured KPIs.
    pub kpis: Kpis,
    /// How members are shown.
    pub members: Members,
    /// The periods of its calendar windows.
    pub periods: Vec<Period>,
    /// Working days.
    pub work: WorkCalendars,
    /// Who is known in advance: a rep works as the territory does.
    pub directory: Directory,
}

impl ServerInfo {
    /// The name of a dimension set, as [`crate::model::segment::Segment::grain`] has it.
    fn grain_name(dimensions: &[String]) -> String {
        if dimensions.is_empty() { "overall".to_owned() } else { dimensions.join("_") }
    }

    /// The segment of these values, with its dimensions in the order of the configuration.
    fn segment(&self, parts: &[(String, String)]) -> Segment {
        let place = |name: &str| parts.iter().position(|(dimension, _)| dimension == name);
        let places = self.grains.iter().filter(|grain| grain.len() == parts.len());
        let mut places = places.filter_map(|grain| {
            grain.iter().map(|dimension| place(dimension)).collect::<Option<Vec<_>>>()
        });
        let places = places.next().unwrap_or_else(|| (0..parts.len()).collect());
        Segment::of(places.into_iter().map(|i| (parts[i].0.as_str(), parts[i].1.as_str())))
    }

    /// The calendar by which a segment counts days.
    fn calendar_of(&self, segment: &Segment) -> &Calendar {
        self.zones.calendar_of(&self.calendar, segment)
    }

    fn grain_names(&self) -> Vec<String> {
        self.grains.iter().map(|g| Self::grain_name(g)).collect()
    }

    /// The dimensions of all sets, each once.
    pub(crate) fn dimensions(&self) -> Vec<&str> {
        let mut out: Vec<&str> = self.grains.iter().flatten().map(String::as_str).collect();
        out.sort_unstable();
        out.dedup();
        out
    }
}

/// What the handlers read.
#[derive(Clone, Debug)]
pub struct HttpState {
    /// The rows.
    pub board: Arc<Board>,
    /// The drift alerts.
    pub alerts: Arc<Alerts>,
    /// The operational metrics.
    pub telemetry: Arc<Telemetry>,
    /// The newest KPI pages of the rollup partitions owned here.
    pub pages: Arc<MetricsPages>,
    /// Whether the process may take traffic.
    pub health: Arc<Health>,
    /// The targets that hold.
    pub targets: Arc<TargetsNow>,
    /// What the process is.
    pub info: Arc<ServerInfo>,
}

/// What every handler gets.
#[derive(Debug)]
struct App {
    state: HttpState,
    /// When counting began: the totals of the honesty strip are since then.
    started: Timestamp,
}

/// All routes.
pub fn router(state: HttpState) -> Router {
    let app = Arc::new(App { state, started: Timestamp::from_millis(clock::wall_ms()) });
    let live = Router::new()
        .route("/metrics", get(api::metrics))
        .route("/livez", get(api::livez))
        .route("/readyz", get(api::readyz))
        .route("/api/v1/rows", get(api::rows))
        .route("/api/v1/alerts", get(api::alerts))
        .route("/api/v1/forecast", get(forecast::forecast))
        .route("/api/v1/leaderboard", get(leaderboard::leaderboard))
        .route("/api/v1/targets", get(targets::targets))
        .route("/api/v1/kpis", get(api::kpis))
        .route("/api/v1/members", get(api::members))
        .route("/api/v1/status", get(api::status))
        .fallback(not_found)
        .layer(map_response(|response| uncached(response, "no-store")));
    Router::new()
        .route("/", get(assets::page))
        .route("/assets/{name}", get(assets::asset))
        .layer(map_response(|response| uncached(response, "no-cache")))
        .merge(live)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response(secured))
        .with_state(app)
}

async fn not_found() -> Response {
    failure(StatusCode::NOT_FOUND, "there is nothing here")
}

async fn method_not_allowed() -> Response {
    failure(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered")
}

fn failure(status: StatusCode, message: &str) -> Response {
    let body = axum::Json(serde_json::json!({ "error": { "message": message } }));
    (status, body).into_response()
}

async fn uncached(mut response: Response, how: &'static str) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(how));
    response
}

async fn secured(mut response: Response) -> Response {
    let headers: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
