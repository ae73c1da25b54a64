//! An alert as it is read back from the alerts topic.

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
    /// Version.
    pub version: u64,
}

impl Seen {
    /// From the bytes on the topic.
    pub fn parse(value: &[u8]) -> Option<Seen> {
        serde_json::from_slice(value).ok()
    }

    /// Whether it still stands.
    pub fn is_open(&self) -> bool {
        self.state() != State::Resolved
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

    /// Where it stood; what is not known is over.
    pub fn state(&self) -> State {
        let known = [State::Pending, State::Firing].into_iter().find(|s| s.as_str() == self.state);
        known.unwrap_or(State::Resolved)
    }
}
