//! `GET /api/v1/forecast`: what the running period of a segment will come to, and how wrong the
//! methods were before. It reads the rows of days.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as Pairs, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::board::{Query, Segments};
use super::params::{BadParameter, one_of};
use super::{App, ServerInfo, failure};
use crate::model::forecast::{Forecast, Known, LEAST, LEVEL, Lack, Outlook, outlook};
use crate::model::kpi::Kpi;
use crate::model::segment::Segment;
use crate::model::time::{Day, Timestamp};
use crate::model::window::{Period, WindowKind};

/// What is asked for.
#[derive(Debug)]
struct Asked<'a> {
    period: Period,
    kpi: &'a Kpi,
    segment: Vec<(String, String)>,
}

/// A row of a day, as far as it is looked at.
#[derive(Deserialize)]
struct WireRow<'a> {
    window: WireWindow,
    #[serde(borrow)]
    kpis: BTreeMap<&'a str, &'a RawValue>,
}

#[derive(Deserialize)]
struct WireWindow {
    start: String,
}

#[derive(Deserialize)]
struct WireKpi {
    value: Option<f64>,
    unit: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    window: &'static str,
    start: String,
    end: String,
    zone: &'a str,
    segment: BTreeMap<&'a str, &'a str>,
    kpi: &'a str,
    unit: Option<String>,
    as_of: String,
    so_far: f64,
    working_days: WorkingDays,
    /// That of the least error first.
    forecasts: Vec<Shown>,
    none: Vec<Unsaid<'a>>,
}

#[derive(Serialize)]
struct WorkingDays {
    over: i64,
    of: i64,
}

#[derive(Serialize)]
struct Shown {
    method: &'static str,
    value: f64,
    interval: [f64; 2],
    level: f64,
    backtest: Backtest,
}

#[derive(Serialize)]
struct Backtest {
    periods: usize,
    mape: Option<f64>,
    covered: usize,
    checked: usize,
}

#[derive(Serialize)]
struct Unsaid<'a> {
    method: &'a str,
    why: String,
}

/// The handler.
pub(super) async fn forecast(
    State(app): State<Arc<App>>,
    pairs: Result<Pairs<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let pairs = match pairs {
        Ok(Pairs(pairs)) => pairs,
        Err(rejection) => return failure(StatusCode::BAD_REQUEST, &rejection.body_text()),
    };
    let info = &app.state.info;
    let asked = match parse(&pairs, info) {
        Ok(asked) => asked,
        Err(bad) => return bad.into_response(),
    };
    let answer = app.state.board.query(&Query {
        window: Some(WindowKind::Calendar(Period::Day).name()),
        segments: Segments::Exact(asked.segment.clone()),
        ..Query::default()
    });
    let rows: Vec<WireRow<'_>> =
        answer.rows.iter().filter_map(|(_, row)| serde_json::from_str(row).ok()).collect();
    match app.state.board.as_of() {
        Some(as_of) if !rows.is_empty() => render(&asked, &rows, as_of, info),
        _ => failure(StatusCode::NOT_FOUND, "there are no rows of days of this segment yet"),
    }
}

fn parse<'a>(pairs: &[(String, String)], info: &'a ServerInfo) -> Result<Asked<'a>, BadParameter> {
    let day = WindowKind::Calendar(Period::Day).name();
    let periods: Vec<Period> = info.periods.iter().copied().filter(|p| *p != Period::Day).collect();
    let windows: Vec<String> = periods.iter().map(|p| p.as_str().to_owned()).collect();
    // What is added up over days; anything else has no run rate.
    let can = info.kpis.kpis().filter(|kpi| kpi.accrues());
    let kpis: Vec<String> = can.map(|kpi| kpi.name.to_string()).collect();
    let (mut period, mut kpi, mut segment) = (None, None, Vec::new());
    for (i, (name, value)) in pairs.iter().enumerate() {
        if pairs[..i].iter().any(|(earlier, _)| earlier == name) {
            return Err(BadParameter::new(name, value, "given more than once", Vec::new()));
        }
        match name.as_str() {
            "window" => {
                let name = one_of(name, value, &windows)?;
                period = periods.iter().find(|p| p.as_str() == name).copied();
            }
            "kpi" => {
                let name = one_of(name, value, &kpis)?;
                kpi = info.kpis.kpis().find(|kpi| kpi.name == name);
            }
            _ if info.dimensions().contains(&name.as_str()) => {
                segment.push((name.clone(), value.clone()));
            }
            _ => {
                let known = ["window", "kpi"].into_iter().chain(info.dimensions());
                let allowed = known.map(str::to_owned).collect();
                return Err(BadParameter::new(name, value, "there is no such parameter", allowed));
            }
        }
    }
    if !info.windows.contains(&day) {
        let message = "not to be forecast without rows of days: add \"day\" to windows.calendar";
        return Err(BadParameter::new("window", "", message, Vec::new()));
    }
    let missing = |name: &str, allowed| BadParameter::new(name, "", "missing", allowed);
    Ok(Asked {
        period: period.ok_or_else(|| missing("window", windows))?,
        kpi: kpi.ok_or_else(|| missing("kpi", kpis))?,
        segment,
    })
}

fn render(
    asked: &Asked<'_>,
    rows: &[WireRow<'_>],
    as_of: Timestamp,
    info: &ServerInfo,
) -> Response {
    let mut daily: BTreeMap<Day, f64> = BTreeMap::new();
    let mut unit = None;
    for row in rows {
        let kpi = row.kpis.get(&*asked.kpi.name);
        let kpi = kpi.and_then(|kpi| serde_json::from_str::<WireKpi>(kpi.get()).ok());
        let start = Timestamp::parse_rfc3339(&row.window.start);
        if let (Some(kpi), Some(start)) = (kpi, start) {
            daily.insert(info.calendar.day_of(start), kpi.value.unwrap_or(0.0));
            unit = Some(kpi.unit);
        }
    }
    let parts = || asked.segment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let segment = Segment::of(parts());
    let Some(first) = daily.keys().next().copied() else {
        return failure(StatusCode::NOT_FOUND, "there are no rows of days of this segment yet");
    };
    let work = info.work.of(&segment, &info.directory);
    let known = Known { daily: &daily, first, today: info.calendar.day_of(as_of), work };
    let Outlook { start, end, so_far, worked, forecasts, lacking } = outlook(&known, asked.period);
    let none = lacking.iter().map(|(method, lack)| Unsaid {
        method: method.as_str(),
        why: match lack {
            Lack::TooEarly => {
                "nothing of the period is over yet that it could go on with".to_owned()
            }
            Lack::History(n) => {
                format!("it can be tried on {n} past periods, and {LEAST} are needed")
            }
        },
    });
    let at = |day: Day| info.calendar.start_of(day).to_string();
    let answer = Answer {
        window: asked.period.as_str(),
        start: at(start),
        end: at(end),
        zone: info.calendar.zone(),
        segment: parts().collect(),
        kpi: &asked.kpi.name,
        unit,
        as_of: as_of.to_string(),
        so_far,
        working_days: WorkingDays { over: worked.0, of: worked.1 },
        forecasts: forecasts.iter().map(shown).collect(),
        none: none.collect(),
    };
    Json(answer).into_response()
}

fn shown(forecast: &Forecast) -> Shown {
    let Forecast { method, value, interval, backtest } = *forecast;
    let (covered, checked) = backtest.covered;
    let backtest = Backtest { periods: backtest.periods, mape: backtest.error, covered, checked };
    let interval = [interval.0, interval.1];
    Shown { method: method.as_str(), value, interval, level: LEVEL, backtest }
}
