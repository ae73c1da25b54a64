//! Query parameters of `/api/v1/rows` and its neighbors: text in, a [`Query`] or a [`Filter`] out, or
//! what exactly is wrong.

use std::fmt;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::ServerInfo;
use super::alerts::Filter;
use super::board::{Cursor, Query, Segments, Since, Start};
use crate::model::alert::{Signal, State};
use crate::model::row::Pane;
use crate::model::time::{Day, EARLIEST, LATEST, Span, Timestamp};

/// Microseconds of a day.
const DAY: i64 = Span::days(1).0;
/// Rows in one answer where the request names no number.
const DEFAULT_LIMIT: usize = 500;
/// Most rows in one answer: about 10 MB of JSON.
const MAX_LIMIT: usize = 5_000;
/// Longest value shown back in an error, characters.
const SHOWN: usize = 100;

/// A parameter that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadParameter {
    parameter: String,
    value: String,
    message: String,
    allowed: Vec<String>,
}

impl BadParameter {
    pub(super) fn new(
        parameter: &str,
        value: &str,
        message: &str,
        allowed: Vec<String>,
    ) -> BadParameter {
        let cut = |text: &str| text.chars().take(SHOWN).collect();
        BadParameter {
            parameter: cut(parameter),
            value: cut(value),
            message: message.to_owned(),
            allowed,
        }
    }
}

impl BadParameter {
    /// Its name.
    pub fn parameter(&self) -> &str {
        &self.parameter
    }
}

/// Without the parameter's name, which a command line writes in its own way.
impl fmt::Display for BadParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is {}", self.value, self.message)?;
        if self.allowed.is_empty() { Ok(()) } else { write!(f, ": {}", self.allowed.join(", ")) }
    }
}

impl IntoResponse for BadParameter {
    fn into_response(self) -> Response {
        let body = Json(serde_json::json!({ "error": self }));
        (StatusCode::BAD_REQUEST, body).into_response()
    }
}

/// Reads the parameters in the order in which they were given.
pub(crate) fn parse(pairs: &[(String, String)], info: &ServerInfo) -> Result<Query, BadParameter> {
    let dimensions = info.dimensions();
    let mut query = Query { limit: DEFAULT_LIMIT, ..Query::default() };
    let mut grain = None;
    let mut dims: Vec<(String, String)> = Vec::new();
    for (i, (name, value)) in pairs.iter().enumerate() {
        once(pairs, i)?;
        match name.as_str() {
            "window" => query.window = Some(one_of(name, value, &info.windows)?),
            "grain" => grain = Some(one_of(name, value, &info.grain_names())?),
            "from" => query.from = Some(start(name, value)?),
            "to" => query.to = Some(start(name, value)?),
            "status" => {
                let names = [Pane::Early, Pane::OnTime, Pane::Corrected].map(Pane::as_str);
                query.status = Pane::parse(&one_of(name, value, &names)?);
            }
            "limit" => query.limit = whole(name, value, 1, MAX_LIMIT)?,
            "offset" => query.offset = whole(name, value, 0, usize::MAX)?,
            "since" => query.since = Some(since(name, value)?),
            _ if dimensions.contains(&name.as_str()) => dims.push((name.clone(), value.clone())),
            _ => {
                let known = ["window", "grain", "from", "to", "status", "limit", "offset", "since"];
                return Err(unknown(name, value, &known, &dimensions));
            }
        }
    }
    query.segments = segments(grain, dims, info)?;
    Ok(query)
}

/// Reads the parameters of `/api/v1/alerts`; segments are chosen as in [`parse`].
pub(super) fn alerts(
    pairs: &[(String, String)],
    info: &ServerInfo,
) -> Result<Filter, BadParameter> {
    let dimensions = info.dimensions();
    let (mut asked, mut grain, mut dims) = (Filter::default(), None, Vec::new());
    for (i, (name, value)) in pairs.iter().enumerate() {
        once(pairs, i)?;
        match name.as_str() {
            "state" => {
                let states = [State::Pending, State::Firing, State::Resolved];
                let word = one_of(name, value, &states.map(State::as_str))?;
                asked.state = states.into_iter().find(|state| state.as_str() == word);
            }
            "kpi" => {
                asked.kpi = Some(one_of(name, value, &Signal::ALL.map(|(_, name)| name))?);
            }
            "grain" => grain = Some(one_of(name, value, &info.grain_names())?),
            _ if dimensions.contains(&name.as_str()) => dims.push((name.clone(), value.clone())),
            _ => return Err(unknown(name, value, &["state", "kpi", "grain"], &dimensions)),
        }
    }
    asked.segments = segments(grain, dims, info)?;
    Ok(asked)
}

/// Of what takes no parameters.
pub(super) fn none(pairs: &[(String, String)]) -> Result<(), BadParameter> {
    match pairs.first() {
        None => Ok(()),
        Some((name, value)) => Err(unknown(name, value, &[], &[])),
    }
}

/// Refuses a parameter that stands before it as well.
pub(super) fn once(pairs: &[(String, String)], i: usize) -> Result<(), BadParameter> {
    let (name, value) = &pairs[i];
    match pairs[..i].iter().any(|(earlier, _)| earlier == name) {
        true => Err(BadParameter::new(name, value, "given more than once", Vec::new())),
        false => Ok(()),
    }
}

/// What is said of a parameter that has to be there.
pub(super) fn missing<S: AsRef<str>>(name: &str, allowed: &[S]) -> BadParameter {
    let allowed = allowed.iter().map(|a| a.as_ref().to_owned()).collect();
    BadParameter::new(name, "", "missing", allowed)
}

/// What is said of a parameter that there is not.
pub(super) fn unknown(
    name: &str,
    value: &str,
    known: &[&str],
    dimensions: &[&str],
) -> BadParameter {
    let allowed = known.iter().chain(dimensions).map(|name| (*name).to_owned()).collect();
    BadParameter::new(name, value, "there is no such parameter", allowed)
}

pub(super) fn segments(
    grain: Option<String>,
    dims: Vec<(String, String)>,
    info: &ServerInfo,
) -> Result<Segments, BadParameter> {
    let Some(grain) = grain else {
        return Ok(if dims.is_empty() {
            Segments::All
        } else {
            Segments::Exact(exact(dims, info)?)
        });
    };
    let names = info.grains.iter().find(|g| ServerInfo::grain_name(g) == grain);
    let names = names.map(Vec::as_slice).unwrap_or_default();
    if let Some((name, value)) = dims.iter().find(|(name, _)| !names.contains(name)) {
        let message = format!("the grain \"{grain}\" does not have this dimension");
        return Err(BadParameter::new(name, value, &message, names.to_vec()));
    }
    Ok(Segments::Grain(grain, dims))
}

/// The values of one segment: there is none where no set has just these dimensions.
pub(super) fn exact(
    dims: Vec<(String, String)>,
    info: &ServerInfo,
) -> Result<Vec<(String, String)>, BadParameter> {
    let fits = |set: &Vec<String>| {
        set.len() == dims.len() && dims.iter().all(|(name, _)| set.contains(name))
    };
    match dims.first() {
        Some((name, value)) if !info.grains.iter().any(fits) => {
            let names: Vec<&str> = dims.iter().map(|(name, _)| name.as_str()).collect();
            let message =
                format!("of no segment: no set of segments.sets is just {}", names.join(", "));
            Err(BadParameter::new(name, value, &message, info.grain_names()))
        }
        _ => Ok(dims),
    }
}

pub(super) fn one_of<S: AsRef<str>>(
    name: &str,
    value: &str,
    allowed: &[S],
) -> Result<String, BadParameter> {
    if allowed.iter().any(|a| a.as_ref() == value) {
        return Ok(value.to_owned());
    }
    let allowed = allowed.iter().map(|a| a.as_ref().to_owned()).collect();
    Err(BadParameter::new(name, value, "not one of the allowed values", allowed))
}

pub(super) fn whole(
    name: &str,
    value: &str,
    min: usize,
    max: usize,
) -> Result<usize, BadParameter> {
    let number = value.parse().ok().filter(|n| (min..=max).contains(n));
    let range =
        if max == usize::MAX { format!("{min} or more") } else { format!("{min} to {max}") };
    number.ok_or_else(|| BadParameter::new(name, value, "not a whole number in range", vec![range]))
}

/// RFC 3339, or a date: that day in the zone of each row.
pub(super) fn start(name: &str, value: &str) -> Result<Start, BadParameter> {
    // The `+` of an offset arrives as a space unless the client escaped it.
    let text = value.replace(' ', "+");
    let at = Timestamp::parse_rfc3339(&text).filter(|at| at.in_range()).map(Start::At);
    let days = Day(EARLIEST.0.div_euclid(DAY) as i32)..Day(LATEST.0.div_euclid(DAY) as i32);
    let on = || Day::parse(&text).filter(|day| days.contains(day)).map(Start::On);
    at.or_else(on).ok_or_else(|| {
        let allowed = ["2026-03-01T00:00:00Z", "2026-03-01"].map(str::to_owned).to_vec();
        BadParameter::new(name, value, "neither an RFC 3339 time nor a date, 1970 to 2199", allowed)
    })
}

fn since(name: &str, value: &str) -> Result<Since, BadParameter> {
    if value == "0" {
        return Ok(Since::Start);
    }
    Cursor::parse(value).map(Since::Cursor).ok_or_else(|| {
        let allowed = vec!["0".to_owned(), "the cursor of an earlier answer".to_owned()];
        BadParameter::new(name, value, "not a cursor", allowed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Mode, ServerInfo};
    use crate::model::calendar::Calendar;

    fn info() -> ServerInfo {
        let grain = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        ServerInfo {
            mode: Mode::Embedded,
            calendar: Calendar::of("Europe/Berlin").unwrap(),
            currency: "EUR".to_owned(),
            app: "sales".to_owned(),
            windows: vec!["month".to_owned(), "rolling_28d".to_owned()],
            grains: vec![grain(&[]), grain(&["rep"]), grain(&["territory", "channel"])],
            kpis: crate::model::kpi::Kpis::ALL,
            members: crate::http::Members::default(),
            periods: Vec::new(),
            work: crate::model::workdays::WorkCalendars::default(),
            directory: crate::model::definition::Directory::default(),
            zones: crate::model::zones::Zones::default(),
        }
    }

    fn read(pairs: &[(&str, &str)]) -> Result<Query, BadParameter> {
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        parse(&pairs, &info())
    }

    #[test]
    fn parameters_become_a_query() {
        let query = read(&[("window", "month"), ("from", "2026-03-01"), ("limit", "7")]).unwrap();
        assert_eq!(query.from, Day::parse("2026-03-01").map(Start::On));
        assert_eq!((query.limit, query.segments), (7, Segments::All));
        let offset = read(&[("to", "2026-03-01T01:00:00 01:00")]).unwrap();
        let at = Timestamp::parse_rfc3339("2026-03-01T00:00:00Z");
        assert_eq!(offset.to, at.map(Start::At));
        let web = vec![("channel".to_owned(), "web".to_owned())];
        let both = [("territory", "West"), ("channel", "web")];
        let exact = read(&both).unwrap();
        let owned = both.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(exact.segments, Segments::Exact(owned.to_vec()));
        let grain = read(&[("channel", "web"), ("grain", "territory_channel")]).unwrap();
        assert_eq!(grain.segments, Segments::Grain("territory_channel".to_owned(), web));
        assert_eq!(read(&[("since", "0")]).unwrap().since, Some(Since::Start));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        let bad = |name: &str, value: &str| read(&[(name, value)]).unwrap_err();
        assert_eq!(bad("window", "mnoth").allowed, ["month", "rolling_28d"]);
        assert_eq!(bad("grain", "team").allowed, ["overall", "rep", "territory_channel"]);
        assert_eq!(bad("status", "late").allowed, ["early", "on_time", "corrected"]);
        assert_eq!(bad("limit", "0").allowed, ["1 to 5000"]);
        assert_eq!(bad("limit", "5001").parameter, "limit");
        assert_eq!(bad("offset", "-1").allowed, ["0 or more"]);
        assert_eq!(bad("from", "yesterday").value, "yesterday");
        assert_eq!(bad("from", "3026-01-01").parameter, "from");
        assert_eq!(bad("since", "x").parameter, "since");
        assert!(bad("team", "x").allowed.contains(&"territory".to_owned()));
        assert_eq!(bad(&"x".repeat(9_000), "y").parameter.len(), SHOWN);
        let twice = read(&[("limit", "1"), ("limit", "2")]).unwrap_err();
        assert_eq!(twice.message, "given more than once");
        let other = read(&[("grain", "rep"), ("channel", "web")]).unwrap_err();
        assert_eq!(other.allowed, ["rep"]);
        // No set is of the channel alone, so nothing can ever be found.
        let none = bad("channel", "web");
        assert_eq!(none.message, "of no segment: no set of segments.sets is just channel");
        assert_eq!(none.allowed, ["overall", "rep", "territory_channel"]);
    }

    #[test]
    fn alerts_are_asked_for_by_state_kpi_and_segment() {
        let ask = |pairs: &[(&str, &str)]| {
            let own = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
            alerts(&pairs.iter().map(own).collect::<Vec<_>>(), &info())
        };
        let asked = ask(&[("state", "firing"), ("kpi", "win_rate"), ("rep", "a")]).unwrap();
        assert_eq!((asked.state, asked.kpi.as_deref()), (Some(State::Firing), Some("win_rate")));
        assert_eq!(asked.segments, Segments::Exact(vec![("rep".to_owned(), "a".to_owned())]));
        let overall = ask(&[("grain", "overall")]).unwrap().segments;
        assert_eq!(overall, Segments::Grain("overall".to_owned(), Vec::new()));
        let bad = |name: &str, value: &str| ask(&[(name, value)]).unwrap_err().allowed;
        assert_eq!(bad("state", "open"), ["pending", "firing", "resolved"]);
        assert!(bad("kpi", "revenue").contains(&"win_rate".to_owned()));
        assert_eq!(
            bad("window", "month"),
            ["state", "kpi", "grain", "channel", "rep", "territory"]
        );
        let twice = ask(&[("kpi", "win_rate"), ("kpi", "win_rate")]).unwrap_err();
        assert_eq!(twice.message, "given more than once");
    }
}
