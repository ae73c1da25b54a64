//! `GET /api/v1/targets`: the revisions of targets and benchmarks, with what each says, where it is
//! stated, and which of them decides.

use std::sync::{Arc, PoisonError, RwLock};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as Pairs, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;

use super::params::{BadParameter, one_of, whole};
use super::{App, ServerInfo, failure};
use crate::clock;
use crate::model::segment::Segment;
use crate::model::target::{Aim, Holds, Revision, Stated, Targets};
use crate::model::time::{Day, Timestamp};

const MAX_LIMIT: usize = 5_000;

/// The targets that rows are compared with, kept up to date by whoever follows their topic.
#[derive(Debug, Default)]
pub struct TargetsNow {
    held: RwLock<Arc<Targets>>,
    topic: Option<String>,
}

impl TargetsNow {
    /// Those of files, and the topic of which more may come.
    pub fn new(files: Targets, topic: Option<String>) -> Arc<TargetsNow> {
        Arc::new(TargetsNow { held: RwLock::new(Arc::new(files)), topic })
    }

    /// Others hold from now on.
    pub fn tell(&self, targets: Arc<Targets>) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = targets;
    }

    /// What holds now.
    pub fn now(&self) -> Arc<Targets> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is asked for.
#[derive(Debug, Default)]
struct Asked {
    segment: Vec<(String, String)>,
    kpi: Option<String>,
    on: Option<Day>,
    limit: Option<usize>,
    offset: usize,
}

/// A revision, for the list.
#[derive(Serialize)]
struct Shown<'a> {
    segment: &'a str,
    kind: &'static str,
    kpi: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeat: bool,
    value: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    growth: Option<Box<RawValue>>,
    valid_from: Option<String>,
    revision: usize,
    revisions: usize,
    holds: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stated: Option<Place<'a>>,
}

/// Where a revision is stated.
#[derive(Serialize)]
#[serde(untagged)]
enum Place<'a> {
    File { file: &'a str, line: usize },
    Record { topic: &'a str, partition: u32, offset: u64 },
}

fn number(digits: String) -> Option<Box<RawValue>> {
    RawValue::from_string(digits).ok()
}

fn shown<'a>(revision: &'a Revision<'_>, topic: &'a str) -> Option<Shown<'a>> {
    let goal = revision.goal;
    let (start, repeat) = match goal.holds {
        Holds::Once(_, day) => (Some(day), false),
        Holds::From(_, day) => (Some(day), true),
        Holds::Every(_) => (None, true),
        Holds::Anywhere => (None, false),
    };
    Some(Shown {
        segment: &revision.scope,
        kind: if goal.aim == Aim::Target { "target" } else { "benchmark" },
        kpi: &goal.kpi,
        period: goal.holds.period().map(|period| period.as_str()),
        start: start.map(|day| day.to_string()),
        repeat,
        value: number(goal.value.to_string())?,
        growth: (goal.growth.0 != 0).then(|| number(goal.growth.to_string())).flatten(),
        valid_from: goal.valid_from.map(|day| day.to_string()),
        revision: revision.number,
        revisions: revision.of,
        holds: revision.holds,
        owner: goal.owner.as_deref(),
        note: goal.note.as_deref(),
        stated: match &goal.stated {
            Stated::Somewhere => None,
            Stated::File(file, line) => Some(Place::File { file, line: *line }),
            Stated::Record(offset) => Some(Place::Record { topic, partition: 0, offset: offset.0 }),
        },
    })
}

/// `GET /api/v1/targets`.
pub(super) async fn targets(
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
    let now = Timestamp::from_millis(clock::wall_ms());
    let today = |segment: &Segment| info.calendar_of(segment).day_of(now);
    let segment = match (asked.segment.is_empty(), pairs.iter().any(|(name, _)| name == "grain")) {
        (true, false) => None,
        _ => Some(info.segment(&asked.segment)),
    };
    let on = asked.on.unwrap_or_else(|| today(&segment.clone().unwrap_or_else(Segment::overall)));
    let held = app.state.targets.now();
    let mut all = held.revisions(segment.as_ref(), on, today);
    all.retain(|revision| asked.kpi.as_ref().is_none_or(|kpi| *kpi == revision.goal.kpi));
    let page = all.iter().skip(asked.offset).take(asked.limit.unwrap_or(MAX_LIMIT));
    let topic = app.state.targets.topic.as_deref().unwrap_or_default();
    let page: Vec<Shown<'_>> = page.filter_map(|revision| shown(revision, topic)).collect();
    Json(serde_json::json!({ "on": on.to_string(), "total": all.len(), "revisions": page }))
        .into_response()
}

fn parse(pairs: &[(String, String)], info: &ServerInfo) -> Result<Asked, BadParameter> {
    let mut asked = Asked::default();
    let dimensions = info.dimensions();
    for (i, (name, value)) in pairs.iter().enumerate() {
        if pairs[..i].iter().any(|(earlier, _)| earlier == name) {
            return Err(BadParameter::new(name, value, "given more than once", Vec::new()));
        }
        match name.as_str() {
            "kpi" => {
                let kpis: Vec<&str> = info.kpis.kpis().map(|kpi| &*kpi.name).collect();
                asked.kpi = Some(one_of(name, value, &kpis)?);
            }
            "on" => {
                let allowed = vec!["2026-03-01".to_owned()];
                let bad = || BadParameter::new(name, value, "not a date", allowed);
                let day = Day::parse(value).filter(|day| info.calendar.start_of(*day).in_range());
                asked.on = Some(day.ok_or_else(bad)?);
            }
            // The whole has no dimension to ask by.
            "grain" => _ = one_of(name, value, &["overall"])?,
            "limit" => asked.limit = Some(whole(name, value, 1, MAX_LIMIT)?),
            "offset" => asked.offset = whole(name, value, 0, usize::MAX)?,
            _ if dimensions.contains(&name.as_str()) => {
                asked.segment.push((name.clone(), value.clone()));
            }
            _ => {
                let known = ["kpi", "on", "grain", "limit", "offset"];
                let allowed = known.iter().chain(&dimensions).map(|n| (*n).to_owned()).collect();
                return Err(BadParameter::new(name, value, "there is no such parameter", allowed));
            }
        }
    }
    Ok(asked)
}
