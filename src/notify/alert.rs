//! An alert as it is read back from its topic.

use serde_json::{Map, Value};

use super::Standing;
use crate::model::alert::{Seen, State};
use crate::model::calendar::Calendar;
use crate::model::time::{Day, Timestamp};

/// An alert of the alerts topic: what messages are made of. The JSON goes along, so that whoever
/// gets it whole also gets what is not read here.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    pub(super) seen: Seen,
    pub(super) said: Said,
    pub(super) fired: bool,
    pub(super) json: Box<str>,
}

/// Fields of its JSON (`docs/drift.md`).
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub(super) struct Said {
    pub(super) id: String,
    pub(super) kpi: String,
    pub(super) segment: Map<String, Value>,
    pub(super) direction: String,
    fired: bool,
    pub(super) since: Timestamp3339,
    pub(super) resolved: Option<Timestamp3339>,
    pub(super) end: Option<String>,
    #[serde(default)]
    pub(super) end_reason: Option<String>,
    pub(super) change_time: Timestamp3339,
    pub(super) now: Option<f64>,
    pub(super) n: u64,
    pub(super) interval: Option<(f64, f64)>,
    pub(super) baseline: Option<f64>,
    pub(super) unit: String,
    /// Whose days its days are, where that is not the zone of the job.
    #[serde(default)]
    zone: Option<String>,
    pub(super) effect: Option<f64>,
    #[serde(rename = "expected_false_alarms_per_month")]
    pub(super) false_alarms: Option<f64>,
    /// Cases (days, of counts) between two false alarms.
    #[serde(default)]
    pub(super) arl0: Option<f64>,
    #[serde(default)]
    pub(super) siblings: Option<Siblings>,
    #[serde(default)]
    pub(super) explained: Vec<Explained>,
}

impl Said {
    /// The day of an instant that it states, in a job of this calendar.
    pub(super) fn day_of(&self, at: Timestamp3339, job: &Calendar) -> Day {
        let own = self.zone.as_ref().and_then(|zone| Calendar::of(zone).ok());
        own.as_ref().unwrap_or(job).day_of(at.0)
    }
}

/// What is said of it beside those that were looked at with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub(super) struct Siblings {
    pub(super) streams: u64,
    pub(super) believed: bool,
}

/// Why it moved, by one dimension.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub(super) struct Explained {
    pub(super) by: String,
    pub(super) change: f64,
    pub(super) mix: Option<f64>,
    pub(super) rate: Option<f64>,
    pub(super) simpson: bool,
    pub(super) contributors: Vec<Contributor>,
}

/// Who moved it.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub(super) struct Contributor {
    pub(super) segment: Map<String, Value>,
    pub(super) effect: f64,
    pub(super) now: Option<f64>,
    pub(super) n: u64,
    pub(super) baseline: Option<f64>,
}

/// An instant as the topic writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Timestamp3339(pub(super) Timestamp);

impl TryFrom<String> for Timestamp3339 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = Timestamp::parse_rfc3339(&text);
        parsed.map(Timestamp3339).ok_or_else(|| format!("\"{text}\" is no time"))
    }
}

impl Alert {
    /// From the value of a record; `None` where it is no alert that can be read.
    pub fn parse(value: &[u8]) -> Option<Alert> {
        let json = std::str::from_utf8(value).ok()?;
        let said: Said = serde_json::from_str(json).ok()?;
        Some(Alert { seen: Seen::parse(value)?, fired: said.fired, said, json: json.into() })
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.said.id
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        match self.seen.state() {
            _ if self.seen.withdrawn => Standing::Withdrawn,
            State::Pending => Standing::Pending,
            State::Firing => Standing::Firing,
            _ => Standing::Resolved,
        }
    }

    /// As it stands on the topic.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// How far days were closed when it was judged.
    pub(super) fn judged_to(&self) -> Option<Timestamp> {
        self.seen.judged_to()
    }

    /// Since when it is over: as stated, else as far as it was looked at.
    pub(super) fn over_since(&self) -> Option<Timestamp> {
        self.said.resolved.map(|at| at.0).or_else(|| Timestamp::parse_rfc3339(&self.seen.as_of))
    }

    /// By which readers order the states of one alert.
    pub(super) fn order(&self) -> (u64, Option<Timestamp>) {
        self.seen.order()
    }
}
