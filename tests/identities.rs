//! Stages and owners mean what the table and the directory say, whatever the order in which the
//! events arrive, and however often.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use tidemark::config::Config;
use tidemark::intake::{Decoder, Limits};
use tidemark::ledger::Ledger;
use tidemark::model::definition::Definition;
use tidemark::model::measure::Measure;
use tidemark::model::record::{Offset, Partition, Record};
use tidemark::model::segment::Segment;
use tidemark::model::slice::Slice;
use tidemark::model::source::{Reading, System};
use tidemark::model::time::Span;

const JOB: &str = r#"
[topology]
shards = 1
partitions = 1
[windows]
rolling = []
calendar = ["month"]
[segments]
sets = ["overall", "rep", "stage", ["pipeline", "stage"]]
[[stages.stage]]
stage = "talk"
status = "open"
[[stages.stage]]
system = "hubspot"
stage = "signed"
status = "won"
[[stages.stage]]
pipeline = "renewals"
stage = "signed"
status = "lost"
[[directory.rep]]
id = "r-1"
ids = { hubspot = "1", close = "2", us = "9" }
[[directory.rep]]
id = "r-2"
ids = { close = "1", us = "2" }
"#;

fn definition() -> Arc<Definition> {
    let config = Config::from_toml(JOB, "test", std::iter::empty());
    Arc::new(config.unwrap_or_else(|e| panic!("{e}")).definition)
}

fn record(event: &Value) -> Record {
    Record {
        topic: "t".into(),
        partition: Partition(0),
        offset: Offset(0),
        timestamp_ms: None,
        key: None,
        value: Some(event.to_string().into_bytes()),
        headers: Vec::new(),
    }
}

fn apply(ledger: &mut Ledger, event: &Value) {
    let decoder = Decoder {
        source: "s".into(),
        system: System::Canonical,
        reading: Reading::default(),
        calendar: definition().calendar.clone(),
        limits: Limits { max_record_bytes: 10_000, max_array: 1, future_limit: Span::days(1) },
    };
    let record = record(event);
    let taken = decoder.take(&record, None);
    assert!(taken.dead_letters.is_empty(), "{event}");
    ledger.apply(ledger.next(), &taken.events[0]);
}

/// What is in the cells, but for cells of nothing.
fn cells(ledger: &mut Ledger) -> BTreeMap<String, String> {
    ledger.re_emit();
    let cells = ledger.publish().cells.into_iter().filter(|cell| !cell.measures.is_zero());
    let name = |segment: &Segment, slice: Slice| format!("{segment} {slice:?}");
    cells.map(|c| (name(&c.segment, c.slice), format!("{:?}", c.measures))).collect()
}

/// One field that an event may state.
fn field() -> impl Strategy<Value = (&'static str, Value)> {
    let one = |name: &'static str, of: &'static [&'static str]| {
        proptest::sample::select(of).prop_map(move |value| (name, json!(value)))
    };
    prop_oneof![
        3 => one("stage", &["talk", "signed", "odd", "even"]),
        1 => one("status", &["open", "won", "lost"]),
        1 => Just(("status", Value::Null)),
        1 => one("pipeline", &["sales", "renewals"]),
        2 => one("owner", &["1", "2", "9", "r-1"]),
    ]
}

/// Events of one deal: some of one instant, of two systems, of two sources each.
fn history() -> impl Strategy<Value = Vec<Value>> {
    let event = (
        0i64..12,
        proptest::collection::vec(field(), 1..4),
        proptest::sample::select(&["hubspot", "close"][..]),
        proptest::sample::select(&["eu", "us"][..]),
        proptest::bool::weighted(0.2),
    );
    proptest::collection::vec(event, 1..14).prop_map(|events| {
        type Told = (i64, Vec<(&'static str, Value)>, &'static str, &'static str, bool);
        let with = |(i, (hour, fields, system, source, created)): (usize, Told)| {
            let set: serde_json::Map<_, _> =
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            json!({
                "id": i.to_string(), "entity": {"type": "deal", "id": "D"}, "system": system,
                "source": source, "op": if created { "create" } else { "update" },
                "time": format!("2026-03-{:02}T{:02}:00:00Z", 1 + hour / 4, hour), "set": set,
            })
        };
        events.into_iter().enumerate().map(with).collect()
    })
}

fn shuffled(events: &[Value], seed: u64) -> Vec<Value> {
    let n = events.len();
    let mut out = events.to_vec();
    for i in 0..n {
        out.swap(i, ((seed >> (i % 48)) as usize).wrapping_mul(31).wrapping_add(i * 7) % n);
    }
    out.extend_from_slice(&events[..n / 2]);
    out
}

/// The cells behind these events.
fn fold(events: &[Value]) -> BTreeMap<String, String> {
    let mut ledger = Ledger::new(definition(), Partition(0));
    events.iter().for_each(|event| apply(&mut ledger, event));
    cells(&mut ledger)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_repetition_gives_the_same_cells(events in history(), seed in any::<u64>()) {
        prop_assert_eq!(fold(&events), fold(&shuffled(&events, seed)));
    }

    /// The rep is the one whom the newest owner's source or system knows by that id.
    #[test]
    fn the_newest_owner_is_known_by_source_then_system(
        events in history(), system in 0..2usize, us in any::<bool>(), owner in 0..4usize,
    ) {
        let (systems, owners) = (["hubspot", "close"], ["1", "2", "9", "r-1"]);
        let (system, owner) = (systems[system], owners[owner]);
        let rep = match (us, system, owner) {
            (true, _, "9") | (_, "hubspot", "1") => "r-1",
            (true, _, "2") | (_, "close", "1") => "r-2",
            (_, "close", "2") => "r-1",
            _ => owner,
        };
        let mut told = events;
        told.push(json!({
            "id": "last", "entity": {"type": "deal", "id": "D"}, "system": system,
            "source": if us { "us" } else { "eu" }, "op": "update",
            "time": "2026-03-09T10:00:00Z", "set": {"owner": owner, "status": "open"},
        }));
        let mut ledger = Ledger::new(definition(), Partition(0));
        told.iter().for_each(|event| apply(&mut ledger, event));
        let mut open: BTreeMap<String, i128> = BTreeMap::new();
        for cell in ledger.publish().cells {
            let n = cell.measures.total(Measure::OpenDeals);
            *open.entry(cell.segment.to_string()).or_default() += n;
        }
        open.retain(|segment, n| segment.starts_with("rep=") && *n != 0);
        prop_assert_eq!(open, [(format!("rep={rep}"), 1)].into());
    }

    /// Whatever came before: what a source said last holds when a stage comes that no row knows.
    #[test]
    fn an_unknown_stage_overrules_nothing_that_was_said_outright(events in history()) {
        for (status, measure) in [("won", "DealsWon"), ("lost", "DealsLost")] {
            let mut told = events.clone();
            for (hour, set) in [(10, json!({"status": status})), (11, json!({"stage": "odd"}))] {
                told.push(json!({
                    "id": format!("end-{hour}"), "entity": {"type": "deal", "id": "D"},
                    "system": "hubspot", "source": "eu", "op": "update",
                    "time": format!("2026-03-09T{hour}:00:00Z"), "set": set,
                }));
                prop_assert!(format!("{:?}", fold(&told)).contains(measure), "{hour}");
            }
        }
    }
}
