//! The drift alerts, tailed from the alerts topic by every instance: of each the newest state.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Deserialize;

use super::board::Segments;
use crate::model::alert::{Rank, Seen, State};
use crate::model::segment::Segment;
use crate::model::time::Timestamp;

/// Most alerts held; beyond it, those leave first that ended first.
const MOST: usize = 10_000;

#[derive(Debug)]
struct Entry {
    order: (u64, Option<Timestamp>),
    rank: Rank,
    state: State,
    /// What it is of; of an alert that does not say, nothing.
    of: Of,
    json: Arc<str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Of {
    kpi: String,
    /// Its dimensions in the order of the config.
    segment: serde_json::Map<String, serde_json::Value>,
}

impl Of {
    fn segment(&self) -> Segment {
        let part = |(name, value): (&'_ String, &'_ serde_json::Value)| {
            (name.as_str().into(), value.as_str().unwrap_or_default().into())
        };
        Segment { parts: self.segment.iter().map(part).collect() }
    }
}

/// Which alerts are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Where they stand.
    pub state: Option<State>,
    /// What they watch.
    pub kpi: Option<String>,
    /// Whom they are of.
    pub segments: Segments,
}

impl Filter {
    fn holds(&self, entry: &Entry) -> bool {
        let of_state = self.state.is_none_or(|state| state == entry.state);
        let of_kpi = self.kpi.as_ref().is_none_or(|kpi| *kpi == entry.of.kpi);
        of_state && of_kpi && self.segments.hold(&entry.of.segment())
    }
}

/// The shared view.
#[derive(Debug, Default)]
pub struct Alerts {
    held: RwLock<BTreeMap<Arc<str>, Entry>>,
}

impl Alerts {
    /// None yet.
    pub fn new() -> Arc<Alerts> {
        Arc::default()
    }

    /// Takes a record of the alerts topic; without a value it is a tombstone. What is older than
    /// what is held changes nothing. Returns whether it did.
    pub fn apply(&self, key: &str, value: Option<&[u8]>) -> bool {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let Some(value) = value else {
            return held.remove(key).is_some();
        };
        let (Some(seen), Ok(json)) = (Seen::parse(value), std::str::from_utf8(value)) else {
            return false;
        };
        let order = seen.order();
        if held.get(key).is_some_and(|known| known.order > order) {
            return false;
        }
        let (rank, state) = (seen.rank(), seen.state());
        let of = serde_json::from_str(json).unwrap_or_default();
        held.insert(key.into(), Entry { order, rank, state, of, json: json.into() });
        if held.len() > MOST {
            let last = held.iter().min_by_key(|(_, e)| e.rank).map(|(key, _)| Arc::clone(key));
            last.map(|key| held.remove(&key));
        }
        true
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<str>> {
        self.list(&Filter::default())
    }

    /// Those that are asked for as they were published, in the order of their [`Rank`], then of
    /// their ids.
    pub fn list(&self, asked: &Filter) -> Vec<Arc<str>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> = held.iter().filter(|(_, entry)| asked.holds(entry)).collect();
        list.sort_by(|a, b| b.1.rank.cmp(&a.1.rank).then(a.0.cmp(b.0)));
        list.into_iter().map(|(_, entry)| Arc::clone(&entry.json)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(state: &str, as_of: &str, version: u64) -> String {
        format!(
            "{{\"state\":\"{state}\",\"withdrawn\":false,\"as_of\":\"{as_of}\",\"version\":{version}}}"
        )
    }

    #[test]
    fn the_newest_state_stays_whatever_comes_later() {
        let alerts = Alerts::new();
        let newer = json("firing", "2026-03-02T00:00:00Z", 8);
        assert!(alerts.apply("a", Some(newer.as_bytes())));
        assert!(!alerts.apply("a", Some(json("pending", "2026-03-03T00:00:00Z", 7).as_bytes())));
        assert!(!alerts.apply("a", Some(b"no alert")));
        let over = json("resolved", "2026-03-09T00:00:00Z", 9);
        assert!(alerts.apply("b", Some(over.as_bytes())));
        let shown: Vec<String> = alerts.all().iter().map(|j| j.to_string()).collect();
        assert_eq!(shown, [newer, over]);
        assert!(alerts.apply("a", None) && !alerts.apply("a", None));
        assert_eq!(alerts.all().len(), 1);
    }

    #[test]
    fn what_is_believed_stands_before_what_chance_may_have_picked() {
        let alerts = Alerts::new();
        let open = |state: &str, day: u32, siblings: &str| {
            let json = json(state, "2026-03-20T00:00:00Z", 1);
            let since = format!("\"since\":\"2026-03-{day:02}T00:00:00Z\"");
            json.replacen('{', &format!("{{{since},\"siblings\":{siblings},"), 1)
        };
        let in_a = |dimension: &str, json: String| {
            json.replacen('{', &format!("{{\"segment\":{{\"{dimension}\":\"x\"}},"), 1)
        };
        let of = |believed: bool| format!("{{\"streams\":4,\"believed\":{believed}}}");
        for (id, json) in [
            ("over", open("resolved", 19, &of(true))),
            ("pending", open("pending", 19, &of(true))),
            ("doubted", open("firing", 18, &of(false))),
            ("alone", open("firing", 17, "null")),
            ("c believed", open("firing", 2, &of(true))),
            ("b believed", open("firing", 2, &of(true))),
            ("a believed, newer", open("firing", 3, &of(true))),
            ("rep", in_a("rep", open("firing", 9, "null"))),
            ("territory", in_a("territory", open("firing", 5, "null"))),
        ] {
            let named = json.replacen('{', &format!("{{\"id\":\"{id}\","), 1);
            assert!(alerts.apply(id, Some(named.as_bytes())));
        }
        let ids = alerts.all().into_iter().map(|json| {
            let json: serde_json::Value = serde_json::from_str(&json).unwrap();
            json["id"].as_str().unwrap().to_owned()
        });
        let order = [
            "a believed, newer",
            "b believed",
            "c believed",
            "alone",
            "territory",
            "rep",
            "doubted",
        ];
        assert_eq!(ids.collect::<Vec<_>>(), [&order[..], &["pending", "over"]].concat());
    }
}
