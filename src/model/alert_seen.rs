//! An alert as it is read back from the alerts topic.

use std::collections::BTreeMap;

use super::alert::State;
use super::time::Timestamp;

/// What is read back of an alert: enough to order it, and to know whether it was closed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Seen {
    /// Where it stood.
    pub state: String,
    /// Whether it was taken back.
    pub withdrawn: bool,
    /// First instant not looked at.
    pub as_of: String,
    /// First instant that was not closed when it was judged.
    #[serde(default)]
    pub judged_to: Option<String>,
    /// By which settings it was judged, where that is told.
    #[serde(default)]
    judged_by: Option<String>,
    /// Version.
    pub version: u64,
    /// The day that made it so.
    #[serde(default)]
    since: Option<String>,
    /// What is said of it beside its siblings.
    #[serde(default)]
    siblings: Option<Beside>,
    /// Where: value by dimension.
    #[serde(default)]
    segment: BTreeMap<String, String>,
}

/// Dimensions of which a member is a part of the business, and not one person.
const LARGE: [&str; 4] = ["territory", "region", "channel", "team"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
struct Beside {
    believed: bool,
}

/// By which alerts are listed, the greatest first: what fires, what is pending, and what is over; of
/// what is open first what is believed beside its siblings, then what has none, then what is to be
/// doubted; of each the larger segments (the whole; a territory, region, channel or team; then others,
/// as reps), and of those the newest; of what is over what was looked at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u8, u8, u8, Option<Timestamp>);

impl Seen {
    /// From the bytes on the topic.
    pub fn parse(value: &[u8]) -> Option<Seen> {
        serde_json::from_slice(value).ok()
    }

    /// Whether it still stands.
    pub fn is_open(&self) -> bool {
        self.state() != State::Resolved
    }

    /// Where it is listed among others.
    pub fn rank(&self) -> Rank {
        let at = |text: &str| Timestamp::parse_rfc3339(text);
        let standing = match self.state() {
            State::Firing => 2,
            State::Pending => 1,
            _ => return Rank(0, 0, 0, at(&self.as_of)),
        };
        let trust = match self.siblings {
            Some(Beside { believed: true }) => 2,
            None => 1,
            Some(Beside { believed: false }) => 0,
        };
        let mut dimensions = self.segment.keys();
        let size = match (dimensions.next(), dimensions.next()) {
            (None, _) => 2,
            (Some(one), None) if LARGE.contains(&one.as_str()) => 1,
            _ => 0,
        };
        Rank(standing, trust, size, self.since.as_deref().and_then(at))
    }

    /// By which readers order the states of one alert.
    pub fn order(&self) -> (u64, Option<Timestamp>) {
        (self.version, self.judged_to())
    }

    /// How far days were closed when it was judged; an alert that does not say, up to where it
    /// looked.
    pub fn judged_to(&self) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(self.judged_to.as_deref().unwrap_or(&self.as_of))
    }

    /// By which settings it was judged; an older build told nothing of it.
    pub fn judged_by(&self) -> Option<u64> {
        u64::from_str_radix(self.judged_by.as_deref()?, 16).ok()
    }

    /// Where it stood; what is not known is over.
    pub fn state(&self) -> State {
        let known = [State::Pending, State::Firing].into_iter().find(|s| s.as_str() == self.state);
        known.unwrap_or(State::Resolved)
    }
}
