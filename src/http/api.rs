//! The handlers behind the page: rows, catalogue, status, metrics, health.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::board::{Answer, WindowShown};
use super::wire::{instant, maybe_instant};
use super::{App, Mode, failure, metrics as exposition, params};
use crate::clock;
use crate::model::calendar::tzdb_version;
use crate::model::figures::{FIGURES, Figure};
use crate::model::kpi::{Group, Kpi, Kpis, Words};
use crate::model::row::json_string;
use crate::model::time::Timestamp;

/// The parameters of a request, where they can be read.
pub(super) type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// `GET /api/v1/rows`: rows as published, their keys, and where to go on with `since`.
pub(super) async fn rows(State(app): State<Arc<App>>, pairs: Pairs) -> Response {
    match asked(pairs, |pairs| params::parse(pairs, &app.state.info)) {
        Ok(query) => json(render(&app.state.board.query(&query))),
        Err(response) => *response,
    }
}

/// What the parameters ask for, or the answer to those that cannot be used.
pub(super) fn asked<T>(
    pairs: Pairs,
    read: impl FnOnce(&[(String, String)]) -> Result<T, params::BadParameter>,
) -> Result<T, Box<Response>> {
    match pairs {
        Ok(Query(pairs)) => read(&pairs).map_err(|bad| Box::new(bad.into_response())),
        Err(rejection) => Err(Box::new(failure(StatusCode::BAD_REQUEST, &rejection.body_text()))),
    }
}

/// Rows are put in as the bytes that were published: nothing is parsed or rounded on the way.
fn render(answer: &Answer) -> String {
    let size: usize = answer.rows.iter().map(|(key, row)| key.len() + row.len() + 8).sum();
    let mut out = String::with_capacity(size + 200);
    out.push_str("{\"rows\":[");
    for (i, (_, row)) in answer.rows.iter().enumerate() {
        out.push_str(if i > 0 { ",\n" } else { "\n" });
        out.push_str(row);
    }
    out.push_str("],\n\"keys\":[");
    for (i, (key, _)) in answer.rows.iter().enumerate() {
        out.push_str(if i > 0 { "," } else { "" });
        out.push_str(&json_string(key));
    }
    out.push_str(&format!(
        "],\n\"total\":{},\"cursor\":\"{}\",\"reset\":{}}}\n",
        answer.total, answer.cursor, answer.reset
    ));
    out
}

fn json(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// `GET /api/v1/alerts`: the drift alerts as published, those that are open first.
pub(super) async fn alerts(State(app): State<Arc<App>>, pairs: Pairs) -> Response {
    match asked(pairs, |pairs| params::alerts(pairs, &app.state.info)) {
        Ok(filter) => {
            let list = app.state.alerts.list(&filter).join(",\n");
            json(format!("{{\"alerts\":[{list}]}}\n"))
        }
        Err(response) => *response,
    }
}

/// A KPI of the catalogue, for lists.
#[derive(Debug, Serialize)]
pub struct KpiShown {
    name: Words,
    group: &'static str,
    unit: &'static str,
    clock: &'static str,
    leading: bool,
    formula: Words,
    doc: Words,
    family: Words,
    measures: Vec<String>,
    absent: Option<&'static str>,
    min_n: u32,
    grain: &'static str,
}

impl From<&Kpi> for KpiShown {
    fn from(kpi: &Kpi) -> KpiShown {
        KpiShown {
            name: kpi.name.clone(),
            group: kpi.group.as_str(),
            unit: kpi.unit.as_str(),
            clock: kpi.clock.as_str(),
            leading: kpi.leading,
            formula: kpi.text.clone(),
            doc: kpi.doc.clone(),
            family: kpi.family.clone(),
            measures: kpi.measure_names(),
            absent: kpi.absent(),
            min_n: kpi.min_n(),
            grain: kpi.grain().as_str(),
        }
    }
}

/// What the funnel tells of each stage, in JSON.
#[derive(Serialize)]
pub struct FigureShown {
    name: &'static str,
    unit: &'static str,
    clock: &'static str,
    leading: bool,
    formula: &'static str,
    family: &'static str,
    absent: &'static str,
    of: &'static str,
    min_n: u32,
}

impl From<&Figure> for FigureShown {
    fn from(figure: &Figure) -> FigureShown {
        let Figure { name, family, unit, clock, leading, formula, absent, of, min_n } = *figure;
        let (unit, clock) = (unit.as_str(), clock.as_str());
        FigureShown { name, unit, clock, leading, formula, family, absent, of, min_n }
    }
}

/// Those that rows with these KPIs have.
pub fn figures_shown(kpis: &Kpis) -> Vec<FigureShown> {
    let all = FIGURES.iter().filter(|_| kpis.has(Group::Funnel));
    all.map(FigureShown::from).collect()
}

/// `GET /api/v1/kpis`: the KPIs that rows have.
pub(super) async fn kpis(State(app): State<Arc<App>>, pairs: Pairs) -> Response {
    if let Err(response) = asked(pairs, params::none) {
        return *response;
    }
    let all = &app.state.info.kpis;
    let kpis: Vec<KpiShown> = all.kpis().map(KpiShown::from).collect();
    Json(serde_json::json!({ "kpis": kpis, "funnel": figures_shown(all) })).into_response()
}

/// `GET /api/v1/members`: the names of reps, the labels and the order of stages, by dimension.
pub(super) async fn members(State(app): State<Arc<App>>, pairs: Pairs) -> Response {
    if let Err(response) = asked(pairs, params::none) {
        return *response;
    }
    Json(serde_json::json!({ "members": &app.state.info.members })).into_response()
}

#[derive(Serialize)]
struct Status<'a> {
    app: &'a str,
    version: &'static str,
    tzdb: &'static str,
    mode: Mode,
    zone: &'a str,
    /// Those of segments that have one of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    zones: Vec<&'a str>,
    currency: &'a str,
    ready: bool,
    #[serde(serialize_with = "instant")]
    now: Timestamp,
    #[serde(serialize_with = "instant")]
    started: Timestamp,
    /// Least over the rollup partitions of this process.
    #[serde(serialize_with = "maybe_instant")]
    watermark: Option<Timestamp>,
    /// Newest behind any row of the board, whoever published it.
    #[serde(serialize_with = "maybe_instant")]
    as_of: Option<Timestamp>,
    records_taken: u64,
    events_taken: u64,
    late: u64,
    too_late: u64,
    dead_letters: DeadLetters,
    rows: usize,
    grains: Vec<GrainShown<'a>>,
    windows: Vec<WindowShown>,
}

#[derive(Serialize)]
struct DeadLetters {
    total: u64,
    by_code: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct GrainShown<'a> {
    name: String,
    dimensions: &'a [String],
}

/// `GET /api/v1/status`: how far the numbers can be trusted, for the honesty strip. Counts are
/// those of this process since it started.
pub(super) async fn status(State(app): State<Arc<App>>, pairs: Pairs) -> Response {
    if let Err(response) = asked(pairs, params::none) {
        return *response;
    }
    let state = &app.state;
    let info = &state.info;
    let totals = state.telemetry.totals();
    let windows = state.board.current_windows(info.calendar.zone());
    // In the order of the config, which is the order in which people want to choose.
    let place = |kind: &str| info.windows.iter().position(|name| name == kind);
    let mut windows: Vec<_> = windows.into_iter().filter(|w| place(&w.kind).is_some()).collect();
    windows.sort_by_key(|w| place(&w.kind));
    Json(Status {
        app: &info.app,
        version: env!("CARGO_PKG_VERSION"),
        tzdb: tzdb_version(),
        mode: info.mode,
        zone: info.calendar.zone(),
        zones: info.zones.names().collect(),
        currency: &info.currency,
        ready: state.health.ready(),
        now: Timestamp::from_millis(clock::wall_ms()),
        started: app.started,
        watermark: state.telemetry.rollup_watermark(),
        as_of: state.board.as_of(),
        records_taken: totals.records,
        events_taken: totals.events,
        late: totals.late,
        too_late: totals.too_late,
        dead_letters: DeadLetters {
            total: totals.dead_letters.iter().map(|(_, n)| n).sum(),
            by_code: totals.dead_letters.into_iter().collect(),
        },
        rows: state.board.len(),
        grains: info
            .grains
            .iter()
            .zip(info.grain_names())
            .map(|(dimensions, name)| GrainShown { name, dimensions })
            .collect(),
        windows,
    })
    .into_response()
}

/// `GET /metrics`: the process, then the KPIs of the partitions owned here.
pub(super) async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("");
    let format = exposition::negotiate(accept);
    for (check, state) in app.state.health.checks() {
        app.state.telemetry.ready(&check, state.is_ok());
    }
    // The first scrape behind a publish merges the pages: some milliseconds that others need not wait.
    let encode = move || exposition::expose(&app.state.telemetry, &app.state.pages, format);
    let failed = match tokio::task::spawn_blocking(encode).await {
        Ok(Ok(text)) => {
            return ([(header::CONTENT_TYPE, format.content_type())], text).into_response();
        }
        Ok(Err(e)) => e.to_string(),
        Err(e) => e.to_string(),
    };
    // A page with a part missing would look like series that ended.
    tracing::error!(error = failed, "could not encode metrics");
    failure(StatusCode::INTERNAL_SERVER_ERROR, "could not encode metrics")
}

/// `GET /livez`: the process answers.
pub(super) async fn livez() -> Response {
    Json(serde_json::json!({ "live": true })).into_response()
}

/// `GET /readyz`: 200 when every check holds, else 503. It lists what fails, and of what does not
/// decide what is not well; `?verbose` all.
pub(super) async fn readyz(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    let verbose = query.is_some_and(|q| q.split('&').any(|p| p == "verbose" || p == "verbose=1"));
    let checks = app.state.health.checks();
    let ready = checks.iter().all(|(_, state)| state.is_ok());
    let shown = |all: Vec<(String, Result<(), String>)>| -> serde_json::Map<_, _> {
        let shown = all.into_iter().filter(|(_, state)| verbose || state.is_err());
        shown.map(|(name, state)| (name, state.err().unwrap_or("ok".to_owned()).into())).collect()
    };
    let mut body = serde_json::json!({ "ready": ready, "checks": shown(checks) });
    let notes = shown(app.state.health.notes());
    if !notes.is_empty() {
        body["notes"] = notes.into();
    }
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}
