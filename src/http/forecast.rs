//! `GET /api/v1/forecast`: what the running period of a segment will come to, and how wrong the
//! methods were before. It reads the rows of days.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::api::{Pairs, asked};
use super::board::{self, Query, Segments, Start};
use super::params::{BadParameter, exact, missing, once, one_of, unknown};
use super::{App, ServerInfo, failure};
use crate::model::calendar::Calendar;
use crate::model::forecast as model;
use crate::model::forecast::{
    FEWEST_CLOSED, Forecast, Known, LEAST, LEVEL, Lack, MOST, Method, Outlook, Pipeline, outlook,
};
use crate::model::kpi::Kpi;
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
    #[serde(default)]
    segment: BTreeMap<String, String>,
    #[serde(default)]
    funnel: WireFunnel,
}

impl<'a> WireRow<'a> {
    fn day(&self, info: &ServerInfo) -> Option<Day> {
        let calendar = info.zones.calendar_named(&info.calendar, &self.window.zone);
        Some(calendar.day_of(Timestamp::parse_rfc3339(&self.window.start)?))
    }

    fn kpi(&self, name: &str) -> Option<WireKpi<'a>> {
        self.kpis.get(name).and_then(|kpi| serde_json::from_str(kpi.get()).ok())
    }
}

#[derive(Default, Deserialize)]
struct WireFunnel {
    stages: Vec<WireStage>,
}

#[derive(Deserialize)]
struct WireStage {
    stage: String,
    #[serde(default)]
    won: u64,
    #[serde(default)]
    closed: u64,
}

#[derive(Deserialize)]
struct WireWindow {
    start: String,
    zone: String,
}

#[derive(Deserialize)]
struct WireKpi<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    unit: String,
    #[serde(borrow, default)]
    unconverted: BTreeMap<&'a str, &'a RawValue>,
}

/// What no rate converts, by currency.
type Parked = BTreeMap<String, Decimal>;

impl WireKpi<'_> {
    fn value(&self) -> Option<f64> {
        self.value?.get().parse().ok()
    }

    /// To the last digit, where so many are told as a decimal holds.
    fn exact(&self) -> Option<Decimal> {
        decimal(self.value?)
    }

    fn park(&self, all: &mut Parked) {
        for (currency, raw) in &self.unconverted {
            let (held, more) = (all.entry((*currency).to_owned()).or_default(), decimal(raw));
            *held = more.and_then(|more| held.checked_add(more)).unwrap_or(*held);
        }
    }
}

fn decimal(raw: &RawValue) -> Option<Decimal> {
    let text = raw.get();
    text.parse().ok().or_else(|| Decimal::from_scientific(text).ok())
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
    so_far: Box<RawValue>,
    /// What has come and is not in it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unconverted: BTreeMap<String, Box<RawValue>>,
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
    /// It was raised to what has come.
    #[serde(skip_serializing_if = "is_not")]
    clipped: bool,
    level: f64,
    /// What it is made of without: of what came so far, of the pipeline what is open too.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unconverted: BTreeMap<String, Box<RawValue>>,
    backtest: Backtest,
}

#[derive(Serialize)]
struct Backtest {
    periods: usize,
    left_out: usize,
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
pub(super) async fn forecast(State(app): State<Arc<App>>, pairs: Pairs) -> Response {
    let info = &app.state.info;
    let asked = match asked(pairs, |pairs| parse(pairs, info)) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let calendar = info.calendar_of(&info.segment(&asked.segment));
    let from = app.state.board.as_of().map(|as_of| earliest(asked.period, as_of, calendar));
    let days = |segments| {
        let window = Some(WindowKind::Calendar(Period::Day).name());
        app.state.board.query(&Query { window, segments, from, ..Query::default() })
    };
    let answer = days(Segments::Exact(asked.segment.clone()));
    let rows = read(&answer);
    let stages = by_stage(&asked, info).map(|segments| segments.map(days));
    let as_of = app.state.board.as_of();
    let today = as_of.map(|as_of| calendar.day_of(as_of));
    let pipeline = stages.map(|stages| {
        stages.and_then(|stages| pipeline(&asked, &rows, (&read(&stages), today), info))
    });
    match as_of {
        Some(as_of) if !rows.is_empty() => render(&asked, &rows, pipeline.as_ref(), as_of, info),
        _ => failure(StatusCode::NOT_FOUND, "there are no rows of days of this segment yet"),
    }
}

/// From here on days are looked at: of the past periods, and two years before the first of them,
/// where methods look back.
fn earliest(period: Period, as_of: Timestamp, calendar: &Calendar) -> Start {
    let running = period.start(calendar.day_of(as_of));
    let first = (0..MOST).fold(running, |start, _| period.previous(start));
    Start::On(Day(first.0 - 800))
}

fn read(answer: &board::Answer) -> Vec<WireRow<'_>> {
    answer.rows.iter().filter_map(|(_, row)| serde_json::from_str(row).ok()).collect()
}

/// What is open in the stages of a segment is in the rows of its segments by stage. `None` where the
/// number has nothing to do with the pipeline, or no rows of a segment have a funnel.
fn by_stage(asked: &Asked<'_>, info: &ServerInfo) -> Option<Result<Segments, String>> {
    open_of(asked.kpi)?;
    let mut set: Vec<&str> = asked.segment.iter().map(|(name, _)| name.as_str()).collect();
    if set.contains(&STAGE) {
        return None;
    }
    set.push(STAGE);
    set.sort_unstable();
    let is_it = |grain: &&Vec<String>| {
        let mut grain: Vec<&str> = grain.iter().map(String::as_str).collect();
        grain.sort_unstable();
        grain == set
    };
    let grain = info.grains.iter().find(is_it).map(|grain| ServerInfo::grain_name(grain));
    Some(match grain {
        Some(grain) => Ok(Segments::Grain(grain, asked.segment.clone())),
        None => Err(format!(
            "it needs rows of what is open by stage: add [\"{}\"] to segments.sets, with a new app.generation",
            set.join("\", \"")
        )),
    })
}

const STAGE: &str = "stage";

/// The stock that becomes this number.
fn open_of(kpi: &Kpi) -> Option<&'static str> {
    match &*kpi.name {
        "revenue" => Some("open_pipeline"),
        "deals_won" => Some("open_deals"),
        _ => None,
    }
}

/// The stages, by the rows of days of the segment and of its segments by stage.
fn pipeline(
    asked: &Asked<'_>,
    rows: &[WireRow<'_>],
    (stages, today): (&[WireRow<'_>], Option<Day>),
    info: &ServerInfo,
) -> Result<(Pipeline, Parked), String> {
    let mut out = Pipeline::default();
    let mut newest: BTreeMap<&str, (Day, WireKpi<'_>)> = BTreeMap::new();
    if rows.iter().all(|row| row.funnel.stages.is_empty()) {
        let why = "it needs the funnel: add \"funnel\" to kpis.groups, and a stage table";
        return Err(why.to_owned());
    }
    for row in rows {
        let Some(day) = row.day(info) else { continue };
        for stage in &row.funnel.stages {
            out.ends(&stage.stage, day, stage.won, stage.closed);
        }
    }
    for row in stages {
        let stock = open_of(asked.kpi).and_then(|stock| row.kpi(stock));
        let (Some(day), Some(stage), Some(stock)) = (row.day(info), row.segment.get(STAGE), stock)
        else {
            continue;
        };
        if let Some(open) = stock.value() {
            out.open(stage, day, open);
        }
        // The number is made of what was open before the day that is not over.
        let is_over = today.is_none_or(|today| day < today);
        if is_over && newest.get(stage.as_str()).is_none_or(|(before, _)| *before <= day) {
            newest.insert(stage, (day, stock));
        }
    }
    let mut parked = Parked::new();
    newest.values().for_each(|(_, stock)| stock.park(&mut parked));
    Ok((out, parked))
}

fn parse<'a>(pairs: &[(String, String)], info: &'a ServerInfo) -> Result<Asked<'a>, BadParameter> {
    let day = WindowKind::Calendar(Period::Day).name();
    let periods: Vec<Period> = info.periods.iter().copied().filter(|p| *p != Period::Day).collect();
    let windows: Vec<String> = periods.iter().map(|p| p.as_str().to_owned()).collect();
    // What is added up over days; anything else has no run rate.
    let can = info.kpis.kpis().filter(|kpi| kpi.accrues() && !kpi.ripens());
    let kpis: Vec<String> = can.map(|kpi| kpi.name.to_string()).collect();
    let (mut period, mut kpi, mut segment) = (None, None, Vec::new());
    for (i, (name, value)) in pairs.iter().enumerate() {
        once(pairs, i)?;
        match name.as_str() {
            "window" => {
                let name = one_of(name, value, &windows)?;
                period = periods.iter().find(|p| p.as_str() == name).copied();
            }
            "kpi" => {
                if !kpis.contains(value) && info.kpis.kpis().any(|kpi| kpi.name == *value) {
                    let message = "not a number that adds up over days";
                    return Err(BadParameter::new(name, value, message, kpis));
                }
                let name = one_of(name, value, &kpis)?;
                kpi = info.kpis.kpis().find(|kpi| kpi.name == name);
            }
            _ if info.dimensions().contains(&name.as_str()) => {
                segment.push((name.clone(), value.clone()));
            }
            _ => return Err(unknown(name, value, &["window", "kpi"], &info.dimensions())),
        }
    }
    if !info.windows.contains(&day) {
        let message = "not to be forecast without rows of days: add \"day\" to windows.calendar";
        return Err(BadParameter::new("window", "", message, Vec::new()));
    }
    Ok(Asked {
        period: period.ok_or_else(|| missing("window", &windows))?,
        kpi: kpi.ok_or_else(|| missing("kpi", &kpis))?,
        segment: exact(segment, info)?,
    })
}

fn render(
    asked: &Asked<'_>,
    rows: &[WireRow<'_>],
    pipeline: Option<&Result<(Pipeline, Parked), String>>,
    as_of: Timestamp,
    info: &ServerInfo,
) -> Response {
    let segment = info.segment(&asked.segment);
    let calendar = info.calendar_of(&segment);
    let mut daily: BTreeMap<Day, f64> = BTreeMap::new();
    let mut exact: BTreeMap<Day, Option<Decimal>> = BTreeMap::new();
    let mut unit = None;
    let mut parked: BTreeMap<Day, Parked> = BTreeMap::new();
    for row in rows {
        if let (Some(kpi), Some(day)) = (row.kpi(&asked.kpi.name), row.day(info)) {
            daily.insert(day, kpi.value().unwrap_or(0.0));
            exact.insert(day, kpi.exact());
            kpi.park(parked.entry(day).or_default());
            unit = Some(kpi.unit);
        }
    }
    let parts = || asked.segment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let Some(first) = daily.keys().next().copied() else {
        return failure(StatusCode::NOT_FOUND, "there are no rows of days of this segment yet");
    };
    let work = info.work.of(&segment, &info.directory);
    let weighed = pipeline.and_then(|pipeline| pipeline.as_ref().ok());
    let today = calendar.day_of(as_of);
    let grows = asked.kpi.grows();
    let weighed = weighed.map(|(pipeline, _)| pipeline);
    let known = Known { daily: &daily, first, today, work, pipeline: weighed, grows };
    let Outlook { start, end, so_far, worked, forecasts, lacking } = outlook(&known, asked.period);
    let none = lacking
        .iter()
        .map(|(method, lack)| Unsaid { method: method.as_str(), why: why(lack, worked) });
    let missing = pipeline.and_then(|pipeline| pipeline.as_ref().err());
    let missing = missing.map(|why| Unsaid { method: Method::Pipeline.as_str(), why: why.clone() });
    let come: Vec<&Parked> =
        parked.range(start..end.min(today).max(start)).map(|(_, day)| day).collect();
    let open = pipeline.and_then(|pipeline| pipeline.as_ref().ok()).map(|(_, open)| open);
    let beside = |method: Method| match method {
        Method::RunRate => together(&come, None),
        Method::Pipeline => together(&come, open),
        _ => BTreeMap::new(),
    };
    let at = |day: Day| calendar.start_of(day).to_string();
    let answer = Answer {
        window: asked.period.as_str(),
        start: at(start),
        end: at(end),
        zone: calendar.zone(),
        segment: parts().collect(),
        kpi: &asked.kpi.name,
        unit,
        as_of: as_of.to_string(),
        so_far: told(&exact, start, end.min(today), so_far),
        unconverted: together(&come, None),
        working_days: WorkingDays { over: worked.0, of: worked.1 },
        forecasts: forecasts.iter().map(|f| shown(f, beside(f.method))).collect(),
        none: none.chain(missing).collect(),
    };
    Json(answer).into_response()
}

/// Why a method says nothing, where so many of all working days are over.
fn why(lack: &Lack, (over, all): (i64, i64)) -> String {
    match lack {
        Lack::TooEarly => {
            "no working day of the period is over yet that it could go on with".to_owned()
        }
        Lack::NothingCame => {
            format!(
                "what came on the {over} of {all} working days that are over adds up to nothing"
            )
        }
        Lack::NothingThen => {
            "what came in the period that it goes by adds up to nothing".to_owned()
        }
        Lack::History(n) => {
            format!("it can be tried on {n} past periods, and {LEAST} are needed")
        }
        Lack::Closed(closed) => format!(
            "deals closed in the last 365 days had come to {closed} stages, and \
             {FEWEST_CLOSED} are needed"
        ),
        Lack::NothingOpen => "nothing is open by stage".to_owned(),
    }
}

/// What days have together, to the last digit; as a float where a decimal cannot hold it.
fn told(exact: &BTreeMap<Day, Option<Decimal>>, from: Day, to: Day, near: f64) -> Box<RawValue> {
    let mut days = exact.range(from..to.max(from)).map(|(_, value)| *value);
    let sum = days.try_fold(Decimal::ZERO, |sum, value| sum.checked_add(value.unwrap_or_default()));
    let text = sum.map_or_else(|| near.to_string(), |sum| sum.normalize().to_string());
    RawValue::from_string(text).unwrap_or_default()
}

/// Amounts together, by currency, as they are written.
fn together(all: &[&Parked], more: Option<&Parked>) -> BTreeMap<String, Box<RawValue>> {
    let mut sums = Parked::new();
    for (currency, n) in all.iter().copied().chain(more).flatten() {
        let held = sums.entry(currency.clone()).or_default();
        *held = held.checked_add(*n).unwrap_or(*held);
    }
    let told = sums.into_iter().filter(|(_, n)| !n.is_zero());
    told.filter_map(|(currency, n)| {
        Some((currency, RawValue::from_string(n.normalize().to_string()).ok()?))
    })
    .collect()
}

fn is_not(said: &bool) -> bool {
    !said
}

fn shown(forecast: &Forecast, unconverted: BTreeMap<String, Box<RawValue>>) -> Shown {
    let Forecast { method, value, interval, clipped, backtest } = *forecast;
    let model::Backtest { periods, left_out, error: mape, covered: (covered, checked) } = backtest;
    let backtest = Backtest { periods, left_out, mape, covered, checked };
    let interval = [interval.0, interval.1];
    let level = LEVEL;
    Shown { method: method.as_str(), value, interval, clipped, level, unconverted, backtest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_add_up_to_cents() {
        let days = [(1, "0.1"), (2, "0.2"), (3, "447722.49"), (4, "1e-3"), (9, "5")];
        let exact = days.map(|(day, text)| {
            let kpi: WireKpi<'_> = WireKpi {
                value: Some(serde_json::from_str(text).unwrap()),
                unit: "EUR".to_owned(),
                unconverted: BTreeMap::new(),
            };
            (Day(day), kpi.exact())
        });
        let told = |to| told(&exact.into(), Day(1), Day(to), f64::NAN).get().to_owned();
        assert_eq!((told(3), told(5), told(0)), ("0.3".into(), "447722.791".into(), "0".into()));
    }
}
