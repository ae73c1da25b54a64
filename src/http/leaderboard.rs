//! `GET /api/v1/leaderboard`: the members of a grain by one KPI, in one window.
//!
//! Who has too few cases for the value to mean much is listed apart and has no rank, and so are
//! those without a value and `unknown`.

use std::borrow::Cow;
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
use super::board::{Query, Segments, Start};
use super::params::{BadParameter, missing, once, one_of, segments, start, unknown};
use super::rank::{Entrant, First, order, rank};
use super::wire::maybe_instant;
use super::{App, ServerInfo, failure};
use crate::model::calendar::Calendar;
use crate::model::interval::{count, mean, wilson};
use crate::model::kpi::{Formula, Kpi};
use crate::model::segment::{Segment, UNKNOWN};
use crate::model::time::{Day, Timestamp};
use crate::model::window::WindowKind;

/// The values of a segment by dimension. A value may hold escapes, so it may not be borrowed.
type Parts<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// What is asked for.
#[derive(Debug)]
struct Asked<'a> {
    window: String,
    start: Option<Start>,
    grain: String,
    /// Who of the grain.
    segments: Segments,
    kpi: &'a Kpi,
    first: First,
}

/// A row, as far as it is looked at.
#[derive(Deserialize)]
struct WireRow<'a> {
    #[serde(borrow)]
    window: &'a RawValue,
    #[serde(borrow)]
    segment: Parts<'a>,
    #[serde(borrow)]
    kpis: BTreeMap<&'a str, &'a RawValue>,
}

/// A window, as far as it is looked at.
#[derive(Deserialize)]
struct Zoned {
    zone: String,
    start: String,
}

/// A KPI in it.
#[derive(Deserialize)]
struct WireKpi<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    num: Option<f64>,
    den: Option<f64>,
    squares: Option<f64>,
    n: i64,
    interval: Option<[f64; 2]>,
    #[serde(default)]
    low_n: bool,
    #[serde(default)]
    approx: bool,
    unit: &'a str,
}

/// A member, ranked or not.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    place: Option<PlaceShown>,
    segment: &'a Parts<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    value: Option<&'a RawValue>,
    /// Where it is another one than that of the answer: the same dates in another zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<&'a RawValue>,
    /// Of the total of all members.
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
    n: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Serialize)]
struct PlaceShown {
    rank: usize,
    tied: bool,
    /// `null` where it has no interval.
    rank_between: Option<[usize; 2]>,
}

/// The answer.
#[derive(Serialize)]
struct Board<'a> {
    window: Option<&'a RawValue>,
    #[serde(serialize_with = "maybe_instant")]
    as_of: Option<Timestamp>,
    grain: &'a str,
    kpi: &'a str,
    unit: Option<&'a str>,
    first: &'static str,
    min_n: u32,
    ranked: Vec<Shown<'a>>,
    unranked: Vec<Shown<'a>>,
}

/// The handler.
pub(super) async fn leaderboard(State(app): State<Arc<App>>, pairs: Pairs) -> Response {
    let info = &app.state.info;
    let asked = match asked(pairs, |pairs| parse(pairs, info)) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let windows = app.state.board.current_windows(info.calendar.zone());
    let Some(current) = windows.into_iter().find(|w| *w.kind == *asked.window) else {
        return failure(StatusCode::NOT_FOUND, "there are no rows of this window yet");
    };
    // A moving window has one row a member, which states where it stood when it last changed.
    let moves = !info.periods.iter().any(|period| period.as_str() == asked.window);
    if moves && asked.start.is_some() {
        let message = "not for a window that moves: it is where it is now";
        return BadParameter::new("from", "", message, Vec::new()).into_response();
    }
    let days = info.zones.calendar_named(&info.calendar, &current.zone);
    let (from, to) = civil(asked.start.unwrap_or(Start::At(current.start)), days);
    let answer = app.state.board.query(&Query {
        window: Some(asked.window.clone()),
        segments: asked.segments.clone(),
        from: (!moves).then_some(from),
        to: (!moves).then_some(to),
        ..Query::default()
    });
    let rows = answer.rows.iter().filter_map(|(_, row)| serde_json::from_str(row).ok());
    render(&asked, &rows.collect::<Vec<WireRow<'_>>>(), app.state.board.as_of(), info)
}

/// From where to where windows start that have the same dates as one that starts there.
fn civil(start: Start, calendar: &Calendar) -> (Start, Start) {
    let day = match start {
        Start::On(day) => day,
        Start::At(at) if calendar.start_of(calendar.day_of(at)) == at => calendar.day_of(at),
        Start::At(at) => return (start, Start::At(Timestamp(at.0 + 1))),
    };
    (Start::On(day), Start::On(Day(day.0 + 1)))
}

fn parse<'a>(pairs: &[(String, String)], info: &'a ServerInfo) -> Result<Asked<'a>, BadParameter> {
    let kpis: Vec<&str> = info.kpis.kpis().map(|kpi| &*kpi.name).collect();
    let grains: Vec<String> = info.grain_names().into_iter().filter(|g| g != "overall").collect();
    let (mut window, mut start, mut grain, mut name, mut first) =
        (None, None, None, None, First::Highest);
    let (dimensions, mut dims) = (info.dimensions(), Vec::new());
    for (i, (key, value)) in pairs.iter().enumerate() {
        once(pairs, i)?;
        match key.as_str() {
            "window" => window = Some(one_of(key, value, &info.windows)?),
            // Rows call it "from"; here it was "start" at first.
            "from" | "start" if start.is_some() => {
                let message = "given more than once: \"from\" and \"start\" are one";
                return Err(BadParameter::new(key, value, message, Vec::new()));
            }
            "from" | "start" => start = Some(self::start(key, value)?),
            "grain" => grain = Some(one_of(key, value, &grains)?),
            "kpi" => name = Some(one_of(key, value, &kpis)?),
            "first" => {
                let which = one_of(key, value, &["highest", "lowest"])?;
                first = if which == "lowest" { First::Lowest } else { First::Highest };
            }
            _ if dimensions.contains(&key.as_str()) => dims.push((key.clone(), value.clone())),
            _ => {
                let known = ["window", "from", "grain", "kpi", "first"];
                return Err(unknown(key, value, &known, &dimensions));
            }
        }
    }
    let name = name.ok_or_else(|| missing("kpi", &kpis))?;
    let kpi = info.kpis.kpis().find(|kpi| kpi.name == name);
    let grain = grain.ok_or_else(|| missing("grain", &grains))?;
    Ok(Asked {
        window: window.ok_or_else(|| missing("window", &info.windows))?,
        start,
        segments: segments(Some(grain.clone()), dims, info)?,
        grain,
        kpi: kpi.ok_or_else(|| missing("kpi", &kpis))?,
        first,
    })
}

/// A value that is told in more digits than a decimal holds is as large as can be.
fn decimal(text: &str) -> Decimal {
    let read = text.parse().ok().or_else(|| Decimal::from_scientific(text).ok());
    read.unwrap_or(if text.starts_with('-') { Decimal::MIN } else { Decimal::MAX })
}

fn render(
    asked: &Asked<'_>,
    rows: &[WireRow<'_>],
    as_of: Option<Timestamp>,
    info: &ServerInfo,
) -> Response {
    let found: Vec<(&WireRow<'_>, WireKpi<'_>)> = rows
        .iter()
        .filter_map(|row| {
            let kpi = row.kpis.get(&*asked.kpi.name)?;
            Some((row, serde_json::from_str(kpi.get()).ok()?))
        })
        .collect();
    let (mut ranked, mut unranked) = (Vec::new(), Vec::new());
    let window = common(rows, info);
    let away = |row: &WireRow<'_>| asked.other_dates(row.window, window, info);
    let total =
        asked.total(found.iter().filter(|(row, _)| away(row).is_none()).map(|(_, kpi)| kpi));
    for (row, kpi) in &found {
        let away = away(row);
        let total = total.filter(|_| away.is_none());
        let share = total.and_then(|total| share(kpi.decimal()?, total));
        let own = Some(row.window).filter(|own| Some(own.get()) != window.map(RawValue::get));
        let shown = Shown { share, window: own, ..asked.shown(row, kpi, info) };
        match why_not(row, kpi, asked.kpi).or(away) {
            Some(why) => unranked.push(Shown { why: Some(why), ..shown }),
            None => ranked.push((kpi.decimal().unwrap_or_default(), shown)),
        }
    }
    // The segment parts what is equal.
    ranked.sort_by(|(a, left), (b, right)| {
        order(*a, *b, asked.first).then_with(|| left.segment.cmp(right.segment))
    });
    let entrant = |(value, shown): &(Decimal, Shown<'_>)| Entrant {
        value: *value,
        interval: shown.interval.map(|[low, high]| (low, high)),
    };
    let entrants: Vec<Entrant> = ranked.iter().map(entrant).collect();
    let places = rank(&entrants, asked.first).into_iter();
    let ranked = ranked.into_iter().zip(places).map(|((_, shown), place)| {
        let rank_between = place.between.map(|(best, worst)| [best, worst]);
        let place = PlaceShown { rank: place.rank, tied: place.tied, rank_between };
        Shown { place: Some(place), ..shown }
    });
    Json(Board {
        window,
        as_of,
        grain: &asked.grain,
        kpi: &asked.kpi.name,
        unit: found.first().map(|(_, kpi)| kpi.unit),
        first: if asked.first == First::Lowest { "lowest" } else { "highest" },
        min_n: asked.kpi.min_n(),
        ranked: ranked.collect(),
        unranked,
    })
    .into_response()
}

/// The window of the reporting zone, where any row has it.
fn common<'a>(rows: &[WireRow<'a>], info: &ServerInfo) -> Option<&'a RawValue> {
    let zone = |row: &&WireRow<'_>| serde_json::from_str(row.window.get()).ok();
    let is_of = |row: &&WireRow<'_>| {
        zone(row).is_some_and(|window: Zoned| window.zone == info.calendar.zone())
    };
    rows.iter().find(is_of).or(rows.first()).map(|row| row.window)
}

/// The nearest float, as which it is written.
fn share(part: Decimal, total: Decimal) -> Option<f64> {
    part.checked_div(total)?.to_string().parse().ok()
}

impl WireKpi<'_> {
    fn decimal(&self) -> Option<Decimal> {
        Some(decimal(self.value?.get()))
    }

    /// The interval that chance leaves: of shares, of means of days and minutes, and of counts. Of sums
    /// of money there is none, since rows have no squares of amounts; nor of medians.
    fn chance(&self, of: &Kpi) -> Option<(f64, f64)> {
        // Counts are whole, and small enough for a float.
        match of.formula {
            _ if of.is_proportion() => {
                let parts = self.num.zip(self.den);
                let (num, den) = parts.filter(|(a, b)| *a >= 0.0 && *b > 0.0 && a <= b)?;
                Some(wilson(num as u64, den as u64))
            }
            Formula::MeanDays(_) => mean(u64::try_from(self.n).ok()?, self.num?, self.squares?),
            // Customers by a sample are an estimate, which chance moves otherwise.
            Formula::Count(_) | Formula::CountAt(..) if !self.approx => {
                count(u64::try_from(self.n).ok()?)
            }
            _ => None,
        }
    }
}

impl Asked<'_> {
    /// Where a member of another zone stands at other dates, as around the turn of a month: a window
    /// that moves is where it is now, and now is another day there.
    fn other_dates(
        &self,
        row: &RawValue,
        common: Option<&RawValue>,
        info: &ServerInfo,
    ) -> Option<String> {
        if matches!(WindowKind::parse(&self.window), Some(WindowKind::RollingFine(_))) {
            return None;
        }
        let read = |window: &RawValue| serde_json::from_str::<Zoned>(window.get()).ok();
        let day = |of: &Zoned| {
            let calendar = info.zones.calendar_named(&info.calendar, &of.zone);
            Some(calendar.day_of(Timestamp::parse_rfc3339(&of.start)?))
        };
        let (own, common) = read(row).zip(common.and_then(read))?;
        let (here, there) = (day(&own)?, day(&common)?);
        let is_other = own.zone != common.zone && here != there;
        is_other.then(|| format!("its window began on {here}, in {}", own.zone))
    }

    /// What all members have together, `unknown` too, where that is the whole; `None` where one has
    /// less than nothing, as no part of a whole has.
    fn total<'k, 'w: 'k>(&self, found: impl Iterator<Item = &'k WireKpi<'w>>) -> Option<Decimal> {
        let mut values = found.map(|kpi| kpi.decimal().unwrap_or_default());
        let add = |sum: Decimal, n: Decimal| sum.checked_add(n).filter(|_| n >= Decimal::ZERO);
        let total = values.try_fold(Decimal::ZERO, add);
        total.filter(|total| self.kpi.adds_up_over_segments() && *total > Decimal::ZERO)
    }

    fn shown<'a>(
        &self,
        row: &'a WireRow<'a>,
        kpi: &'a WireKpi<'a>,
        info: &ServerInfo,
    ) -> Shown<'a> {
        let interval = kpi.interval.or_else(|| kpi.chance(self.kpi).map(|(a, b)| [a, b]));
        let label = label(row, info);
        let (segment, value) = (&row.segment, kpi.value);
        let n = kpi.n;
        Shown {
            place: None,
            segment,
            label,
            value,
            window: None,
            share: None,
            n,
            interval,
            why: None,
        }
    }
}

/// Why a member has no rank; `None` where it has one.
fn why_not(row: &WireRow<'_>, kpi: &WireKpi<'_>, of: &Kpi) -> Option<String> {
    if row.segment.values().any(|value| value == UNKNOWN) {
        return Some("it is nobody's".to_owned());
    }
    if kpi.value.is_none() {
        return Some("there is no value".to_owned());
    }
    kpi.low_n.then(|| format!("{} of the {} cases that it takes", kpi.n, of.min_n()))
}

/// The names of its values, where some are known.
fn label(row: &WireRow<'_>, info: &ServerInfo) -> Option<String> {
    let segment = Segment::of(row.segment.iter().map(|(name, value)| (&**name, &**value)));
    info.members.label(&segment)
}
