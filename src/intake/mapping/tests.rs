//! What an array that is exploded costs: nothing around it is read anew for each of its elements.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::config::{load_mapping, mapping_from_toml};
use crate::intake::json::cost;
use crate::intake::{Decoder, Limits};
use crate::model::calendar::Calendar;
use crate::model::event::{Field, FieldName, Value};
use crate::model::mapping::Mapping;
use crate::model::record::{Offset, Partition, Record};
use crate::model::source::{Reading, System, Wrapping};
use crate::model::time::Span;

const IDS: usize = 1000;

/// What the last event states of a field, and what it cost to read all.
fn last(mapping: Mapping, wrapping: Wrapping, body: &str, field: Field) -> (String, usize) {
    let mapping = Some(Arc::new(mapping));
    let decoder = Decoder {
        source: "mine".to_owned(),
        system: System::Canonical,
        reading: Reading { mapping, wrapping, ..Reading::default() },
        calendar: Calendar::of("UTC").unwrap(),
        limits: Limits {
            max_record_bytes: 1 << 24,
            max_array: 10_000,
            future_limit: Span::days(1),
        },
    };
    let record = Record {
        topic: "raw".into(),
        partition: Partition(0),
        offset: Offset(1),
        timestamp_ms: Some(1_767_225_600_000),
        key: None,
        value: Some(body.as_bytes().to_vec()),
        headers: Vec::new(),
    };
    cost::take();
    let taken = decoder.take(&record, None);
    let cost = cost::take();
    assert_eq!(taken.dead_letters, []);
    assert_eq!(taken.events.len(), IDS);
    let set = &taken.events[IDS - 1].set;
    let value = set.iter().find(|(name, _)| *name == FieldName::Known(field)).map(|(_, v)| v);
    let Some(Value::Text(text)) = value else { panic!("{field:?} of the last one: {value:?}") };
    (text.to_string(), cost)
}

/// A body of which a level may be read for each place of the mapping, and each of its elements a few
/// times, but not all of it for each of them.
fn is_read_once(mapping: &str, body: &str, field: Field, expected: &str) {
    let mapping = || match mapping.lines().nth(1) {
        Some(_) => mapping_from_toml(mapping, "own.toml").unwrap(),
        None => load_mapping(mapping).unwrap(),
    };
    let head = r#""specversion":"1.0","id":"7","source":"/crm","type":"t""#;
    let text = serde_json::to_string(body).unwrap();
    for (wrapping, body) in [
        (Wrapping::Raw, body.to_owned()),
        // What is inside was not placed.
        (Wrapping::CloudEvents, format!("{{{head},\"data\":{body}}}")),
        (Wrapping::CloudEvents, format!("{{{head},\"data\":{text}}}")),
    ] {
        let (value, cost) = last(mapping(), wrapping, &body, field);
        assert_eq!(value, expected);
        assert!(cost < 50 * body.len(), "{wrapping:?}: {cost} of {} bytes", body.len());
    }
}

fn ids() -> String {
    let ids: Vec<_> = (0..IDS).map(|i| i.to_string()).collect();
    ids.join(",")
}

/// As many members as there are elements, with what is asked for behind them.
fn members() -> String {
    (0..IDS).fold(String::new(), |mut out, i| {
        write!(out, "\"m{i}\":[null,\"{i}\"],").unwrap();
        out
    })
}

#[test]
fn what_is_the_same_for_all_ids_is_read_once() {
    let body = format!(
        r#"{{{}"ids":[{}],"type":"opportunity","event":"update","timestamp":"2026-01-01T00:00:00Z",
        "updated_attributes":{{{}"name":["a","b"]}}}}"#,
        members(),
        ids(),
        members()
    );
    is_read_once("copper", &body, Field::Name, "b");
}

#[test]
fn a_list_that_ids_point_into_is_read_once() {
    let rows = (0..IDS).fold(String::new(), |mut out, i| {
        let comma = if i == 0 { "" } else { "," };
        write!(out, r#"{comma}{{"record_id":"{i}","values":{{"Stage":"s{i}"}}}}"#).unwrap();
        out
    });
    let body = format!(
        r#"{{"module":"Deals","operation":"edit","server_time":1767225600000,"ids":[{}],
        "affected_values":[{rows}]}}"#,
        ids()
    );
    is_read_once("zoho", &body, Field::Stage, "s999");
}

#[test]
fn names_that_are_items_and_lists_of_what_was_cleared_are_read_once() {
    let mapping = r#"
system = "own"
[[map]]
explode = "ids"
entity = { type = "deal", id = "@" }
op = "update"
nulls = "unknown"
changed = "cleared"
[map.set]
name = { from = "all", first = true }
stage = "names[@]"
owner = "owner"
account = "[@]"
"#;
    let pairs = (0..IDS).fold(String::new(), |mut out, i| {
        write!(out, "\"{i}\":\"n{i}\",").unwrap();
        out
    });
    let body = format!(
        r#"{{{pairs}"ids":[{}],"names":{{{pairs}"z":0}},"all":["x",{}],"owner":null,"cleared":[{},"owner"]}}"#,
        ids(),
        ids(),
        ids()
    );
    for (field, expected) in [(Field::Stage, "n999"), (Field::Account, "n999"), (Field::Name, "x")]
    {
        is_read_once(mapping, &body, field, expected);
    }
}
