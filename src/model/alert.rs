//! Drift alerts: what is watched, what a stream of days reads like, and the JSON of an alert, which
//! is the contract of the alerts topic and the API (`docs/drift.md`).

use std::fmt::Write as _;

pub use super::alert_choice::{ChartKind, IntervalKind};
pub use super::alert_rule::{Gates, Rule};
pub use super::alert_seen::{Rank, Seen};
pub use super::alert_silence::Silence;
use super::calendar::Calendar;
use super::explained::{self, Explained};
use super::measure::Measure;
use super::money::Currency;
use super::row::{json_float, json_string, segment_json};
use super::segment::Segment;
use super::time::{Day, Timestamp};
use super::window::Period;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Deals won of those closed on a day (W1).
    WinRate,
    /// Deals won within 90 days of those created on a day (W4): cohorts that have come of age, so
    /// what is still open is not taken for lost.
    CohortConversion,
    /// Days from creation to winning, of the deals won on a day.
    CycleLength,
    /// Deals created on a day.
    DealsCreated,
    /// Leads created on a day.
    LeadsCreated,
    /// Amounts of the deals won on a day.
    DealSize,
}

/// Age at which a cohort is looked at, days.
const COHORT_DAYS: i32 = 90;

/// How a signal is distributed, which decides its chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// So many of so many.
    Proportion,
    /// Lengths of time.
    Duration,
    /// How many a day.
    Count,
    /// Amounts of money.
    Amount,
}

impl Signal {
    /// All signals, by the KPI that shows each.
    pub const ALL: [(Signal, &'static str); 6] = [
        (Signal::WinRate, "win_rate"),
        (Signal::CohortConversion, "cohort_conversion_90d"),
        (Signal::CycleLength, "cycle_length_mean"),
        (Signal::DealsCreated, "deals_created"),
        (Signal::LeadsCreated, "leads_created"),
        (Signal::DealSize, "average_deal_size"),
    ];

    /// The KPI.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// From the KPI.
    pub fn parse(text: &str) -> Option<Signal> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(signal, _)| *signal)
    }

    /// How it is distributed.
    pub fn kind(self) -> Kind {
        match self {
            Signal::WinRate | Signal::CohortConversion => Kind::Proportion,
            Signal::CycleLength => Kind::Duration,
            Signal::DealsCreated | Signal::LeadsCreated => Kind::Count,
            Signal::DealSize => Kind::Amount,
        }
    }

    /// Whether some signal is made of a measure.
    pub fn reads(measure: Measure) -> bool {
        use Measure::{
            CohortWon, CycleWon, DealsCreated, DealsLost, DealsWon, LeadsCreated, WonSizes,
        };
        let counts = matches!(measure, DealsWon | DealsLost | DealsCreated | LeadsCreated);
        counts || matches!(measure, CohortWon | CycleWon | WonSizes)
    }

    /// How many days a day must be past before it is looked at.
    pub fn delay(self) -> i32 {
        if self == Signal::CohortConversion { COHORT_DAYS } else { 0 }
    }
}

/// What of a season a day is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Phase {
    /// All days are alike.
    #[default]
    None,
    /// The same day of the week.
    Weekday,
    /// The same seven days of the month; what is behind the 28th is the fifth.
    WeekOfMonth,
    /// The same month of the quarter.
    MonthOfQuarter,
}

impl Phase {
    /// All with their names.
    pub const ALL: [(Phase, &'static str); 4] = [
        (Phase::None, "none"),
        (Phase::Weekday, "weekday"),
        (Phase::WeekOfMonth, "week_of_month"),
        (Phase::MonthOfQuarter, "month_of_quarter"),
    ];

    /// From its name.
    pub fn parse(text: &str) -> Option<Phase> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(phase, _)| *phase)
    }

    /// How many there are.
    pub fn count(self) -> usize {
        match self {
            Phase::None => 1,
            Phase::Weekday => 7,
            Phase::WeekOfMonth => 5,
            Phase::MonthOfQuarter => 3,
        }
    }

    /// Which one a day is in, from 0.
    pub fn of(self, day: Day) -> usize {
        use chrono::Datelike;
        match self {
            Phase::None => 0,
            Phase::Weekday => (day.0 - Period::Week.start(day).0) as usize,
            Phase::WeekOfMonth => (day.date().day0() / 7) as usize,
            Phase::MonthOfQuarter => (day.date().month0() % 3) as usize,
        }
    }
}

/// Where an alert, or a stream, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Too little is known to say anything.
    NoData,
    /// No data: days of the baseline are kept no longer.
    Lost,
    /// Nothing to say.
    Inactive,
    /// The evidence is there, and a gate is shut.
    Pending,
    /// It has drifted.
    Firing,
    /// It has come back.
    Resolved,
}

impl State {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            State::NoData | State::Lost => "no_data",
            State::Inactive => "inactive",
            State::Pending => "pending",
            State::Firing => "firing",
            State::Resolved => "resolved",
        }
    }

    /// The number on `/metrics`.
    pub fn number(self) -> i32 {
        match self {
            State::NoData | State::Lost => -1,
            State::Inactive | State::Resolved => 0,
            State::Pending => 1,
            State::Firing => 2,
        }
    }
}

/// A value with how many cases are behind it and the interval of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Figure {
    /// The value; `None` where nothing is behind it.
    pub value: Option<f64>,
    /// Cases.
    pub n: u64,
    /// Interval; `None` where it has none.
    pub interval: Option<(f64, f64)>,
}

/// The frozen past that a stream is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaselineShown {
    /// First day.
    pub from: Day,
    /// First day after it.
    pub to: Day,
    /// Its value.
    pub figure: Figure,
}

/// What a stream reads like now.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What is watched.
    pub signal: Signal,
    /// Where it stands; never resolved.
    pub state: State,
    /// Statistic of the stronger side, in thresholds: 1 is enough.
    pub score: f64,
    /// The last 28 closed days; since the change, while an alert is open.
    pub now: Figure,
    /// The baseline; `None` while there is none.
    pub baseline: Option<BaselineShown>,
    /// Mean cases (days, of counts) between two false alarms; `None` without a baseline.
    pub arl0: Option<f64>,
    /// By how much it is off, relative to the baseline; `None` without data.
    pub effect: Option<f64>,
    /// Why it has no data, where it has none.
    pub silence: Option<Silence>,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// The value rises.
    Up,
    /// The value falls.
    Down,
}

impl Direction {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        if self == Direction::Up { "up" } else { "down" }
    }
}

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The evidence is gone.
    Recovered,
    /// The stream fell silent.
    NoData,
    /// It is compared with another baseline, or judged by other settings, now.
    Rebaselined,
    /// Its KPI or its segment is watched no longer.
    Unwatched,
}

impl End {
    /// All with their names.
    pub const ALL: [(End, &'static str); 4] = [
        (End::Recovered, "recovered"),
        (End::NoData, "no_data"),
        (End::Rebaselined, "rebaselined"),
        (End::Unwatched, "unwatched"),
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// One episode of drift in one segment. Days are told as their first instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// What is watched.
    pub signal: Signal,
    /// What amounts are told in.
    pub currency: Currency,
    /// Where.
    pub segment: Segment,
    /// Which way it moved.
    pub direction: Direction,
    /// Which episode of this direction since the baseline, from 1.
    pub episode: u32,
    /// Where it stands.
    pub state: State,
    /// It has fired: not all that is pending does.
    pub fired: bool,
    /// Corrections undid it: with what is known now it would never have been.
    pub withdrawn: bool,
    /// The day of which the numbers made it so: pending, then firing.
    pub since: Day,
    /// The day on which it was over.
    pub resolved: Option<Day>,
    /// How it was over.
    pub end: Option<End>,
    /// Why there was no data, where it is over for that.
    pub silence: Option<Silence>,
    /// The first day of the change, as far as can be told.
    pub change: Day,
    /// Since the change.
    pub now: Figure,
    /// The first day of `now`, and the first one behind it.
    pub now_days: (Day, Day),
    /// The baseline; its value is what these days would have had under it.
    pub baseline: BaselineShown,
    /// Why it moved, by each dimension that its segment can be divided by; what says most first.
    pub explained: Vec<Explained>,
    /// While it is open, among its siblings: how many there are, and whether it is believed beside
    /// them. `None` where it has none.
    pub siblings: Option<(usize, bool)>,
    /// By how much it moved, relative to the baseline.
    pub effect: f64,
    /// Statistic of the chart.
    pub statistic: f64,
    /// Where it alarms.
    pub threshold: f64,
    /// Evidence against the baseline, as an e-value of a detector that needs no calibration.
    pub e_value: f64,
    /// Mean cases between two false alarms of this stream.
    pub arl0: f64,
    /// False alarms expected a month, over all streams of the rule.
    pub false_alarms: f64,
    /// The first day that was not looked at.
    pub as_of: Day,
    /// The first day that was not closed when it was judged: of two judgments of one alert the one
    /// with more closed days holds. Not news by itself, so it is no part of [`Alert::json`].
    pub judged_to: Day,
    /// By which settings it was judged ([`Rule::hash`]).
    pub judged_by: u64,
}

impl Alert {
    /// The id, which is the key on the alerts topic: stable over corrections and restarts.
    pub fn id(&self) -> String {
        let stem = stem_of_baseline(&stem(self.signal, &self.segment), self.baseline.from);
        format!("{stem}{}{}", self.direction.as_str(), self.episode)
    }

    /// As one line of JSON, without the version.
    pub fn json(&self, calendar: &Calendar) -> String {
        let at = |day: Day| format!("\"{}\"", calendar.start_of(day));
        let or_null = |day: Option<Day>| day.map_or("null".to_owned(), at);
        let number = |value: Option<f64>| value.map_or("null".to_owned(), json_float);
        let pair = |of: Option<(f64, f64)>| match of {
            Some((low, high)) => format!("[{},{}]", json_float(low), json_float(high)),
            None => "null".to_owned(),
        };
        let unit = match self.signal.kind() {
            Kind::Proportion => "ratio".to_owned(),
            Kind::Duration => "days".to_owned(),
            Kind::Count => "count_per_day".to_owned(),
            Kind::Amount => self.currency.to_string(),
        };
        let mut out = String::with_capacity(700);
        let _ = write!(
            out,
            "{{\"id\":{},\"rule\":\"{name}\",\"kpi\":\"{name}\",\"segment\":{},\"direction\":\"{}\",\
             \"state\":\"{}\",\"fired\":{},\"withdrawn\":{},\"since\":{},\"resolved\":{},\"end\":{},\"change_time\":{},",
            json_string(&self.id()),
            segment_json(&self.segment),
            self.direction.as_str(),
            self.state.as_str(),
            self.fired,
            self.withdrawn,
            at(self.since),
            or_null(self.resolved),
            self.end.map_or("null".to_owned(), |end| json_string(end.as_str())),
            at(self.change),
            name = self.signal.as_str(),
        );
        let base = &self.baseline;
        let _ = write!(
            out,
            "\"now\":{},\"n\":{},\"interval\":{},\"baseline\":{},\"baseline_n\":{},\
             \"baseline_interval\":{},\"baseline_from\":{},\"baseline_to\":{},\"unit\":\"{unit}\",",
            number(self.now.value),
            self.now.n,
            pair(self.now.interval),
            number(base.figure.value),
            base.figure.n,
            pair(base.figure.interval),
            at(base.from),
            at(base.to),
        );
        let _ = write!(
            out,
            "\"effect\":{},\"statistic\":{},\"threshold\":{},\"e_value\":{},\"arl0\":{},\
             \"expected_false_alarms_per_month\":{},\"siblings\":{},\
             \"explained\":{},\"as_of\":{},\"judged_by\":\"{:016x}\"}}",
            json_float(self.effect),
            json_float(self.statistic),
            json_float(self.threshold),
            json_float(self.e_value),
            json_float(self.arl0),
            json_float(self.false_alarms),
            explained::siblings_json(self.siblings),
            explained::json(&self.explained),
            at(self.as_of),
            self.judged_by,
        );
        if let Some(silence) = self.silence {
            out.insert_str(out.len() - 1, &format!(",\"end_reason\":\"{}\"", silence.as_str()));
        }
        out
    }
}

/// What the ids of all alerts of a stream begin with, and those of no other.
pub fn stem(signal: Signal, segment: &Segment) -> String {
    format!("{}|{segment}|", signal.as_str())
}

/// What those under one baseline begin with.
pub fn stem_of_baseline(stem: &str, from: Day) -> String {
    format!("{stem}{from}|")
}

/// The JSON of an alert that corrections undid: how it was over before says nothing any more. `None`
/// where it is none.
pub fn taken_back(json: &str) -> Option<String> {
    let nothing = serde_json::Value::Null;
    over(json, [("withdrawn", true.into()), ("resolved", nothing.clone()), ("end", nothing)])
}

/// The JSON of an alert that a change of the rules ended. `None` where it is none.
pub fn ended(json: &str, end: End, at: Option<Timestamp>) -> Option<String> {
    over(json, [("resolved", at.map(|at| at.to_string()).into()), ("end", end.as_str().into())])
}

fn over<const N: usize>(json: &str, said: [(&str, serde_json::Value); N]) -> Option<String> {
    let mut value: serde_json::Value = serde_json::from_str(json).ok()?;
    let map = value.as_object_mut()?;
    map.insert("state".to_owned(), State::Resolved.as_str().into());
    map.shift_remove("end_reason");
    map.extend(said.map(|(name, value)| (name.to_owned(), value)));
    serde_json::to_string(&value).ok()
}

/// The JSON of an alert, as it was before [`with_version`].
pub fn without_version(json: &str) -> String {
    let at = json.rfind(",\"judged_to\":").or_else(|| json.rfind(",\"version\":"));
    at.map_or_else(|| json.to_owned(), |at| format!("{}}}", &json[..at]))
}

/// The JSON of an alert of a segment that counts days by a zone of its own.
pub fn with_zone(json: &str, zone: &str) -> String {
    let body = json.strip_suffix('}').unwrap_or(json);
    format!("{body},\"zone\":{}}}", json_string(zone))
}

/// The JSON of an alert, with what its readers order by.
pub fn with_version(json: &str, judged_to: Option<Timestamp>, version: u64) -> String {
    let body = json.strip_suffix('}').unwrap_or(json);
    let judged_to = judged_to.map_or("null".to_owned(), |at| format!("\"{at}\""));
    format!("{body},\"judged_to\":{judged_to},\"version\":{version}}}")
}

#[cfg(test)]
#[path = "alert_tests.rs"]
mod tests;
