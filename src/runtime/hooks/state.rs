//! What is told of the topics that webhooks go to: to `/readyz`, and as numbers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::Context;

/// The part of `/readyz` that this is.
pub(super) const CHECK: &str = "hooks";

/// How a topic is, as far as it was tried: one that nobody writes to says nothing of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It was not tried yet.
    Starting,
    /// All of its partitions take records.
    Open,
    /// Some of its partitions take none.
    Partly { sick: usize, of: usize },
    /// It takes nothing.
    Closed(String),
    /// Nor can the log be asked about it.
    LogAway(String),
}

impl State {
    /// Whether records are taken.
    fn takes(&self) -> bool {
        matches!(self, State::Open | State::Partly { .. })
    }

    fn told(&self) -> Result<(), String> {
        match self {
            State::Open => Ok(()),
            State::Starting => Err("starting".to_owned()),
            State::Partly { sick, of } => Err(format!("{sick} of {of} partitions take nothing")),
            State::Closed(why) | State::LogAway(why) => Err(why.clone()),
        }
    }
}

/// The topics of the receiver.
#[derive(Debug)]
pub(super) struct States(Mutex<BTreeMap<Arc<str>, State>>);

impl States {
    pub(super) fn of<'t>(topics: impl Iterator<Item = &'t Arc<str>>) -> States {
        States(Mutex::new(topics.map(|topic| (topic.clone(), State::Starting)).collect()))
    }

    /// Tells of one. The process is not ready where no topic takes records, or the log cannot be
    /// asked: one sick topic is no reason to take the others, and the page, away.
    pub(super) fn tell(&self, context: &Context, topic: &Arc<str>, state: State) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sick = match &state {
            State::Partly { sick, .. } => *sick,
            _ => 0,
        };
        context.telemetry.hook_topic(topic, state.takes(), sick);
        context.health.tell(&format!("{CHECK} {topic}"), state.told());
        all.insert(topic.clone(), state);
        context.health.set(CHECK, overall(&all));
    }
}

fn overall(all: &BTreeMap<Arc<str>, State>) -> Result<(), String> {
    let bad = |state: &State| matches!(state, State::Starting | State::LogAway(_));
    let stops = all.iter().find(|(_, state)| bad(state));
    let none = || all.iter().find(|_| !all.values().any(State::takes));
    let first = stops.or_else(none);
    first.map_or(Ok(()), |(topic, state)| state.told().map_err(|why| format!("{topic}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sick_topic_is_no_reason_not_to_be_ready() {
        let why = || "no leader".to_owned();
        let of = |states: [State; 2]| {
            let names = ["a", "b"].map(Arc::<str>::from);
            overall(&names.into_iter().zip(states).collect())
        };
        assert_eq!(of([State::Open, State::Closed(why())]), Ok(()));
        assert_eq!(of([State::Partly { sick: 1, of: 2 }, State::Closed(why())]), Ok(()));
        let none = of([State::Closed(why()), State::Closed(why())]);
        assert_eq!(none, Err("a: no leader".to_owned()));
        assert_eq!(of([State::Open, State::LogAway(why())]), Err("b: no leader".to_owned()));
        assert_eq!(of([State::Open, State::Starting]), Err("b: starting".to_owned()));
    }
}
