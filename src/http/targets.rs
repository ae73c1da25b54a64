//! `GET /api/v1/targets`: the revisions of targets and benchmarks, with what each says, where it is
//! stated, and which of them decides.

use std::sync::{Arc, PoisonError, RwLock};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;

use super::api::{Pairs, asked};
use super::params::{BadParameter, exact, once, one_of, unknown, whole};
use super::{App, ServerInfo};
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
    /// The whole has no dimension to ask by.
    whole: bool,
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
        stated: place(&goal.stated, topic),
    })
}

fn place<'a>(stated: &'a Stated, topic: &'a str) -> Option<Place<'a>> {
    match stated {
        Stated::Somewhere => None,
        Stated::File(file, line) => Some(Place::File { file, line: *line }),
        Stated::Record(offset) => Some(Place::Record { topic, partition: 0, offset: offset.0 }),
    }
}

/// A target that has ended, with none behind it.
#[derive(Serialize)]
struct StaleShown<'a> {
    segment: &'a str,
    kpi: &'a str,
    period: &'static str,
    /// The first day that no target covers.
    since: String,
    stated: Option<Place<'a>>,
}

/// Whether a scope is that of a segment, or of each of its kind.
fn is_for(scope: &str, segment: &Segment) -> bool {
    scope == segment.to_string() || scope == format!("{}=*", segment.grain())
}

/// `GET /api/v1/targets`.
pub(super) async fn targets(State(app): State<Arc<App>>, pairs: Pairs) -> Response {
    let info = &app.state.info;
    let asked = match asked(pairs, |pairs| parse(pairs, info)) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let now = Timestamp::from_millis(clock::wall_ms());
    let today = |segment: &Segment| info.calendar_of(segment).day_of(now);
    let one = asked.whole || !asked.segment.is_empty();
    let segment = one.then(|| info.segment(&asked.segment));
    let on = asked.on.unwrap_or_else(|| today(&segment.clone().unwrap_or_else(Segment::overall)));
    let held = app.state.targets.now();
    let mut all = held.revisions(segment.as_ref(), on, today);
    all.retain(|revision| asked.kpi.as_ref().is_none_or(|kpi| *kpi == revision.goal.kpi));
    let page = all.iter().skip(asked.offset).take(asked.limit.unwrap_or(MAX_LIMIT));
    let topic = app.state.targets.topic.as_deref().unwrap_or_default();
    let page: Vec<Shown<'_>> = page.filter_map(|revision| shown(revision, topic)).collect();
    let mut stale = held.stale(info.calendar.day_of(now));
    stale.retain(|stale| {
        asked.kpi.as_ref().is_none_or(|kpi| *kpi == stale.kpi)
            && segment.as_ref().is_none_or(|segment| is_for(&stale.scope, segment))
    });
    let stale = stale.iter().map(|stale| StaleShown {
        segment: &stale.scope,
        kpi: &stale.kpi,
        period: stale.period.as_str(),
        since: stale.since.to_string(),
        stated: place(&stale.stated, topic),
    });
    let stale: Vec<StaleShown<'_>> = stale.collect();
    Json(serde_json::json!({
        "on": on.to_string(), "total": all.len(), "revisions": page, "stale": stale,
    }))
    .into_response()
}

fn parse(pairs: &[(String, String)], info: &ServerInfo) -> Result<Asked, BadParameter> {
    let mut asked = Asked::default();
    let dimensions = info.dimensions();
    for (i, (name, value)) in pairs.iter().enumerate() {
        once(pairs, i)?;
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
            "grain" => asked.whole = !one_of(name, value, &["overall"])?.is_empty(),
            "limit" => asked.limit = Some(whole(name, value, 1, MAX_LIMIT)?),
            "offset" => asked.offset = whole(name, value, 0, usize::MAX)?,
            _ if dimensions.contains(&name.as_str()) => {
                asked.segment.push((name.clone(), value.clone()));
            }
            _ => {
                let known = ["kpi", "on", "grain", "limit", "offset"];
                return Err(unknown(name, value, &known, &dimensions));
            }
        }
    }
    asked.segment = exact(asked.segment, info)?;
    Ok(asked)
}
