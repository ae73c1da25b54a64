use super::*;
use crate::model::deadletter::Burial;
use crate::model::event::{Field, FieldName, Op, Status, Value};
use crate::model::record::{Header, Offset, Partition};
use proptest::prelude::*;

fn decoder() -> Decoder {
    Decoder {
        source: "crm".to_owned(),
        system: System::Canonical,
        reading: Reading::default(),
        calendar: Calendar::of("Europe/Berlin").unwrap(),
        limits: Limits { max_record_bytes: 10_000, max_array: 5, future_limit: Span::days(1) },
    }
}

fn record(value: &str) -> Record {
    Record {
        topic: "sales.events".into(),
        partition: Partition(3),
        offset: Offset(42),
        timestamp_ms: Some(7),
        key: Some(b"k".to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: vec![Header::new("trace", "t1")],
    }
}

const GOOD: &str = r#"{"v":1,"id":"e1","system":"hubspot","kind":"patch",
  "entity":{"type":"deal","id":"7036839888"},"op":"update","time":"2025-11-25T16:00:00.123Z",
  "order":[1764086400123,0],"prev":{"stage":"x"},"colour":"red",
  "set":{"stage":"closedwon","amount":{"value":"50000.10","currency":"EUR"},"status":"won",
         "owner":null,"x.industry":"retail","probability":0.35,
         "splits":[{"owner":"r-2","share":0.40},{"share":"0.6","owner":"r-1","type":"revenue"}],"closed_at":"2025-11-25"}}"#;

fn now() -> Option<Timestamp> {
    Timestamp::parse_rfc3339("2026-01-01T00:00:00Z")
}

/// The stable code of the one dead letter that a record makes.
fn code(value: &str) -> &'static str {
    let record = record(value);
    let out = decoder().take(&record, now());
    assert_eq!((out.events.len(), out.dead_letters.len()), (0, 1), "{value}");
    out.dead_letters[0].reason.code.as_str()
}

#[test]
fn a_canonical_event_is_read_whole() {
    let record = record(GOOD);
    let out = decoder().take(&record, now());
    assert_eq!(out.dead_letters, []);
    let event = &out.events[0];
    assert_eq!((&*event.source, &*event.system, event.op), ("crm", "hubspot", Op::Update));
    assert_eq!(event.order, [1_764_086_400_123, 0]);
    assert_eq!(event.key(), "default/deal/7036839888");
    let get = |f: Field| event.set.iter().find(|(n, _)| *n == FieldName::Known(f)).map(|(_, v)| v);
    assert_eq!(get(Field::Owner), Some(&Value::Null));
    assert_eq!(get(Field::Status), Some(&Value::Status(Status::Won)));
    let Some(Value::Money(money)) = get(Field::Amount) else { panic!("no amount") };
    assert_eq!(money.amount.exact().to_string(), "50000.1");
    let Some(Value::Splits(splits)) = get(Field::Splits) else { panic!("no splits") };
    assert_eq!(splits.packed(), "0;60000000;3;r-10;40000000;3;r-2");
    // A date is the start of that day in the configured zone.
    let start = Timestamp::parse_rfc3339("2025-11-24T23:00:00Z").unwrap();
    assert_eq!(get(Field::ClosedAt), Some(&Value::Time(start)));
    assert_eq!(event.raw.as_ref().map(|r| (r.partition.0, r.offset.0, r.index)), Some((3, 42, 0)));
}

#[test]
fn what_is_written_to_the_events_topic_reads_back_the_same() {
    let source = record(GOOD);
    let out = decoder().take(&source, now());
    let stored =
        Record { key: None, ..record(std::str::from_utf8(&encode_event(&out.events[0])).unwrap()) };
    let Ok(Stored::Event(back)) = read_stored(&stored, &decoder().calendar) else {
        panic!("unread")
    };
    assert_eq!(back, out.events[0]);
}

#[test]
fn arrays_keep_good_neighbors_of_bad_elements() {
    let text = format!("[{GOOD},{{\"id\":\"e2\"}},7,{GOOD}]");
    let record = record(&text);
    let out = decoder().take(&record, now());
    assert_eq!(
        out.events.iter().map(|e| e.raw.as_ref().unwrap().index).collect::<Vec<_>>(),
        [0, 3]
    );
    let dead: Vec<_> = out.dead_letters.iter().map(|d| (d.index, d.reason.code)).collect();
    assert_eq!(dead, [(Some(1), Code::MissingEntity), (Some(2), Code::NotAnEvent)]);
    assert_eq!(out.dead_letters[0].value.as_deref(), Some(br#"{"id":"e2"}"#.as_slice()));
    assert_eq!(out.dead_letters[0].id(), "sales.events/3/42/1");
}

#[test]
fn every_bad_input_has_a_stable_code() {
    let with = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        GOOD.replace(from, to)
    };
    assert_eq!(code("nonsense"), "NOT_AN_EVENT");
    assert_eq!(code("{"), "DECODE_JSON");
    assert_eq!(code("[{},{}"), "DECODE_JSON");
    assert_eq!(code(&"[".repeat(5000)), "DECODE_JSON");
    assert_eq!(code(&format!("[{}]", ["{}"; 6].join(","))), "TOO_MANY");
    assert_eq!(code(&format!("{{\"a\":\"{}\"}}", "x".repeat(10_000))), "TOO_LARGE");
    assert_eq!(code(&with("\"v\":1", "\"v\":2")), "UNKNOWN_VERSION");
    assert_eq!(code(&with("\"id\":\"e1\"", "\"id\":\"\"")), "BAD_ID");
    assert_eq!(code(&with("\"id\":\"e1\",", "")), "MISSING_FIELD");
    assert_eq!(code(&with("\"deal\"", "\"boat\"")), "UNKNOWN_ENTITY");
    assert_eq!(code(&with("\"7036839888\"", "\"\"")), "MISSING_ENTITY");
    assert_eq!(code(&with("\"patch\"", "\"pach\"")), "UNKNOWN_VALUE");
    assert_eq!(code(&with("2025-11-25T16:00:00.123Z", "yesterday")), "BAD_TIME");
    assert_eq!(code(&with("2025-11-25T16:00:00.123Z", "1066-10-14T09:00:00Z")), "BAD_TIME");
    assert_eq!(code(&with("\"2025-11-25T16:00:00.123Z\"", "1764086400123")), "BAD_TIME");
    assert_eq!(code(&with("2025-11-25T16:00:00.123Z", "2026-01-02T00:00:01Z")), "FUTURE_TIMESTAMP");
    assert_eq!(
        code(&with("\"closed_at\":\"2025-11-25\"", "\"closed_at\":\"2190-11-25\"")),
        "FUTURE_TIMESTAMP"
    );
    assert_eq!(code(&with("50000.10", "50.000,10")), "BAD_AMOUNT");
    assert_eq!(code(&with("\"EUR\"", "\"euro\"")), "BAD_CURRENCY");
    assert_eq!(code(&with("\"status\":\"won\"", "\"status\":\"Closed Won\"")), "UNKNOWN_VALUE");
    assert_eq!(code(&with("[1764086400123,0]", "[1]")), "DECODE_JSON");
    assert_eq!(code(&with("\"closedwon\"", "{}")), "DECODE_JSON");
}

#[test]
fn no_value_and_no_utf8_are_dead_letters() {
    for (value, expected) in
        [(None, Code::Empty), (Some(vec![]), Code::Empty), (Some(vec![b'{', 0xff]), Code::NotUtf8)]
    {
        let record = Record { value, ..record("") };
        assert_eq!(decoder().take(&record, None).dead_letters[0].reason.code, expected);
    }
}

#[test]
fn dead_letters_carry_origin_and_original_headers() {
    let record = record("nonsense");
    let dead = decoder().take(&record, None).dead_letters.remove(0);
    let now = Timestamp::from_millis(0);
    let headers = dead.headers(&Burial { stage: "intake", app: "a", now, connect: false });
    let get = |n: &str| {
        headers.iter().find(|h| h.name == n).map(|h| String::from_utf8_lossy(&h.value).into_owned())
    };
    assert_eq!(get("trace").as_deref(), Some("t1"));
    assert_eq!(get("tidemark.error.code").as_deref(), Some("NOT_AN_EVENT"));
    assert_eq!(get("tidemark.error.topic").as_deref(), Some("sales.events"));
    assert_eq!(get("tidemark.error.partition").as_deref(), Some("3"));
    assert_eq!(get("tidemark.error.offset").as_deref(), Some("42"));
    assert_eq!(
        (dead.key.as_deref(), dead.value.as_deref()),
        (Some(b"k".as_slice()), Some(b"nonsense".as_slice()))
    );
}

#[test]
fn test_data_is_dropped_and_counted() {
    let text = GOOD.replace("\"v\":1", "\"v\":1,\"flags\":[\"test\"]");
    let record = record(&text);
    let out = decoder().take(&record, now());
    assert_eq!((out.events.len(), out.dead_letters.len(), out.test), (0, 0, 1));
}

const INNER: &str = r#"{"entity":{"type":"lead","id":5},"op":"create","set":{}}"#;

#[test]
fn cloud_events_lend_id_and_time() {
    use base64::Engine as _;
    let head = r#""specversion":"1.0","id":"7","source":"/crm","type":"lead","time":"2025-01-01T00:00:00Z""#;
    let plain = format!("{{{head},\"data\":{INNER}}}");
    let coded = base64::engine::general_purpose::STANDARD.encode(INNER);
    let base64 = format!("{{{head},\"data_base64\":\"{coded}\"}}");
    let batch = format!("[{plain}]");
    let several = format!("{{{head},\"data\":[{INNER},{INNER}]}}");
    for (text, ids) in [
        (&plain, vec!["/crm#7"]),
        (&base64, vec!["/crm#7"]),
        (&batch, vec!["/crm#7"]),
        (&several, vec!["/crm#7#0", "/crm#7#1"]),
    ] {
        let record = record(text);
        let out = decoder().take(&record, now());
        assert_eq!(out.dead_letters, [], "{text}");
        assert_eq!(out.events.iter().map(|e| &*e.id).collect::<Vec<_>>(), ids);
        assert_eq!(out.events[0].time.to_string(), "2025-01-01T00:00:00Z");
        assert_eq!(out.events[0].entity.id, "5");
    }
    let mut binary = record(INNER);
    for (name, value) in [
        ("ce_specversion", "1.0"),
        ("ce_id", "7"),
        ("ce_source", "/crm"),
        ("ce_type", "lead"),
        ("ce_time", "2025-01-01T00:00:00Z"),
    ] {
        binary.headers.push(Header::new(name, value));
    }
    let out = decoder().take(&binary, now());
    assert_eq!(
        (&*out.events[0].id, out.events[0].time.to_string().as_str()),
        ("/crm#7", "2025-01-01T00:00:00Z")
    );
    assert_eq!(code(&plain.replace("\"1.0\"", "\"0.3\"")), "BAD_CLOUDEVENT");
    assert_eq!(code(&format!("{{{head}}}")), "BAD_CLOUDEVENT");
    // However deep a chain of envelopes is, it is refused at the second one.
    let chain = (0..60).fold(INNER.to_owned(), |data, _| format!("{{{head},\"data\":{data}}}"));
    assert_eq!(code(&chain), "BAD_CLOUDEVENT");
    let enveloped = base64::engine::general_purpose::STANDARD.encode(&plain);
    assert_eq!(code(&format!("{{{head},\"data_base64\":\"{enveloped}\"}}")), "BAD_CLOUDEVENT");
    assert_eq!(code(&base64.replace(&coded, "*")), "BAD_CLOUDEVENT");
}

#[test]
fn the_schema_names_every_field_that_the_decoder_reads() {
    let schema = event_schema();
    let set = schema["properties"]["set"]["properties"].as_object().unwrap();
    assert_eq!(set.len(), Field::ALL.len());
    let published = include_str!("../../docs/event.schema.json");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(published).unwrap(),
        schema,
        "docs/event.schema.json is stale: run `make docs`"
    );
}

proptest! {
    #[test]
    fn any_bytes_end_as_events_or_dead_letters(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let record = Record { value: Some(bytes), ..record("") };
        let out = decoder().take(&record, now());
        prop_assert!(!out.events.is_empty() || !out.dead_letters.is_empty() || out.test > 0
            || record.value.as_deref().is_some_and(|v| v.iter().all(u8::is_ascii_whitespace) || v.starts_with(b"[")));
    }

    #[test]
    fn a_cut_event_is_a_dead_letter(at in 1..GOOD.len() - 1) {
        let record = record(&GOOD[..at]);
        let out = decoder().take(&record, now());
        prop_assert_eq!((out.events.len(), out.dead_letters.len()), (0, 1));
    }
}

/// As a member of a dimension it would be a row and a label of its own that nobody sees.
#[test]
fn a_text_with_nothing_in_it_is_stated_as_none() {
    let value = r#"{"id":"e1","entity":{"type":"deal","id":"1"},"op":"update",
      "time":"2025-11-25T16:00:00Z",
      "set":{"territory":"","owner":"  ","x.industry":"\t","channel":" web"}}"#;
    let record = record(value);
    let out = decoder().take(&record, now());
    let set: Vec<_> = out.events[0].set.iter().map(|(_, value)| value.clone()).collect();
    assert_eq!(set, [Value::Null, Value::Null, Value::Null, Value::Text(" web".into())]);
}
