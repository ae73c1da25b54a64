//! The rows that an instance shows, against the replay's over the same records.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::value::RawValue;
use tidemark::config::Config;
use tidemark::intake::{Decoder, Limits};
use tidemark::model::record::{Offset, Partition, Record};
use tidemark::model::row::Row;
use tidemark::model::source::{Reading, System};
use tidemark::model::time::Timestamp;
use tidemark::replay::Replay;
use tidemark::world::{World, WorldSettings};

use crate::process::{Process, pause};
use crate::support::await_some;

/// The calendar rows of a replay: KPIs by key, and which of them say something. A row that says
/// nothing may be missing, since live rows begin when a segment is first seen; none may differ.
#[derive(Debug, Default)]
pub struct Expected {
    pub rows: BTreeMap<String, String>,
    pub telling: std::collections::BTreeSet<String>,
}

impl Expected {
    /// How the rows shown differ.
    pub fn compare(&self, shown: &BTreeMap<String, String>) -> Result<(), String> {
        let missing = self.telling.iter().filter(|key| !shown.contains_key(*key));
        let mut wrong: Vec<String> = missing.map(|key| format!("{key} is missing")).collect();
        for (key, kpis) in shown {
            match self.rows.get(key) {
                Some(expected) if expected == kpis => {}
                Some(expected) => {
                    wrong.push(format!("{key}\n  shown    {kpis}\n  expected {expected}"));
                }
                None => {
                    wrong.push(format!("{key} is shown, and the replay has no such row: {kpis}"))
                }
            }
        }
        match wrong.first() {
            None => Ok(()),
            Some(first) => {
                Err(format!("{} of {} rows differ, first: {first}", wrong.len(), shown.len()))
            }
        }
    }
}

/// The calendar rows that must come out now: KPIs by key.
pub fn expected(config: &Config, records: &[String]) -> Expected {
    expected_at(config, records, Timestamp::from_millis(tidemark::clock::wall_ms()))
}

/// The calendar rows that must come out at a moment: KPIs by key.
pub fn expected_at(config: &Config, records: &[String], now: Timestamp) -> Expected {
    let decoder = Decoder {
        source: "crm".into(),
        system: System::Canonical,
        reading: Reading::default(),
        calendar: config.definition.dates().clone(),
        limits: Limits {
            max_record_bytes: config.intake.max_record_bytes,
            max_array: config.intake.max_array,
            future_limit: config.time.future_limit,
        },
    };
    let mut replay = Replay::new(config.definition.clone(), decoder, Some(now));
    for (i, value) in records.iter().enumerate() {
        let record = Record {
            topic: "source".into(),
            partition: Partition(0),
            offset: Offset(i as u64),
            timestamp_ms: None,
            key: None,
            value: Some(value.clone().into_bytes()),
            headers: Vec::new(),
        };
        assert_eq!(replay.feed(&record), [], "{value}");
    }
    let mut out = Expected::default();
    replay.finish(|row: Row| {
        if !row.is_rolling() {
            if says_something(&row) {
                out.telling.insert(row.key());
            }
            out.rows.insert(row.key(), row.kpis_json());
        }
    });
    out
}

/// Waits until the rows that an instance shows are the expected ones.
pub fn await_rows(instance: &mut Process, expected: &Expected) {
    assert!(
        expected.telling.len() > 100,
        "only {} rows are expected: too few to prove anything",
        expected.telling.len()
    );
    let mut last = String::new();
    let deadline = tidemark::clock::monotonic() + Duration::from_secs(120);
    await_some("the rows are the replay's", Duration::from_secs(150), || {
        match expected.compare(&shown(instance)) {
            Ok(()) => return Some(()),
            Err(difference) => last = difference,
        }
        if tidemark::clock::monotonic() > deadline {
            panic!("after 120 s: {last}\n{}", instance.said());
        }
        pause();
        None
    });
}

/// A row that says nothing may be missing: live, zero rows begin when a segment is first seen.
fn says_something(row: &Row) -> bool {
    row.kpis.iter().any(|(name, _, v)| {
        let counted = ["leads_created", "deals_created", "deals_won", "deals_lost"];
        counted.contains(&&**name) && v.n != 0
    })
}

#[derive(serde::Deserialize)]
struct Shown<'a> {
    window: Window,
    segment: BTreeMap<String, String>,
    #[serde(borrow)]
    kpis: &'a RawValue,
}

#[derive(serde::Deserialize)]
struct Window {
    kind: String,
    start: String,
}

#[derive(serde::Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    rows: Vec<&'a RawValue>,
    total: usize,
}

/// The calendar rows that an instance shows: KPIs by key.
pub fn shown(instance: &mut Process) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for kind in ["day", "week", "month", "quarter", "year"] {
        let mut offset = 0;
        loop {
            let path = format!("/api/v1/rows?window={kind}&limit=1000&offset={offset}");
            let Some((200, body)) = instance.get(&path) else {
                break;
            };
            let page: Page<'_> = serde_json::from_str(&body).unwrap();
            for raw in &page.rows {
                let row: Shown<'_> = serde_json::from_str(raw.get()).unwrap();
                let segment = tidemark::model::segment::Segment::of(
                    row.segment.iter().map(|(d, v)| (d.as_str(), v.as_str())),
                );
                let key = format!("{}:{}|{segment}", row.window.kind, row.window.start);
                out.insert(key, row.kpis.get().to_owned());
            }
            offset += page.rows.len();
            if page.rows.is_empty() || offset >= page.total {
                break;
            }
        }
    }
    out
}

/// Events of a made-up company that ended some months ago, duplicates and late ones included.
pub fn company(seed: u64, days: u32) -> Vec<String> {
    let now = Timestamp::from_millis(tidemark::clock::wall_ms());
    let mut world = World::new(WorldSettings {
        seed,
        start: now - tidemark::model::time::Span::days(i64::from(days) + 120),
        days: Some(days),
        opening_days: 60,
        reps: 8,
        deals_per_day: 12.0,
        ..WorldSettings::default()
    });
    std::iter::from_fn(|| world.next_before(now)).map(|a| a.json).collect()
}
