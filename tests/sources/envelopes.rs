//! What is wrapped around elements, and what is left when it is taken off.

use proptest::prelude::*;
use tidemark::config::Config;
use tidemark::intake::{Decoder, Lookup, Schema};
use tidemark::model::deadletter::DeadLetter;
use tidemark::model::event::Field;
use tidemark::model::record::{Header, Record};
use tidemark::model::source::{System, Wrapping};

use crate::{decoder, now, record, shown};

fn pinned(system: System, wrapping: Wrapping) -> Decoder {
    let mut decoder = decoder(system);
    decoder.reading.wrapping = wrapping;
    decoder
}

fn fixture(name: &str) -> Record {
    let path = format!("{}/tests/fixtures/envelopes/{name}.json", env!("CARGO_MANIFEST_DIR"));
    record(&std::fs::read_to_string(path).unwrap())
}

fn codes(decoder: &Decoder, record: &Record) -> Vec<&'static str> {
    decoder.take(record, now()).dead_letters.iter().map(|d| d.reason.code.as_str()).collect()
}

fn ids(decoder: &Decoder, record: &Record) -> Vec<String> {
    let taken = decoder.take(record, now());
    assert_eq!(taken.dead_letters, []);
    taken.events.iter().map(|e| e.id.to_string()).collect()
}

/// Each in `auto`, and pinned to what it is: that is the same.
const FIXTURES: &[(&str, System, Wrapping)] = &[
    ("debezium_outbox", System::Canonical, Wrapping::Debezium),
    ("debezium_rows", System::Canonical, Wrapping::Debezium),
    ("debezium_cloudevents", System::Canonical, Wrapping::Debezium),
    ("debezium_outbox_hubspot", System::HubSpot, Wrapping::Debezium),
    ("connect_canonical", System::Canonical, Wrapping::Connect),
    ("standard_webhook", System::Canonical, Wrapping::StandardWebhooks),
    ("svix_webhook_bare", System::Canonical, Wrapping::StandardWebhooks),
];

#[test]
fn every_envelope_gives_what_was_read_by_a_person_found_or_pinned() {
    for (name, system, wrapping) in FIXTURES {
        let record = fixture(name);
        let found = shown(&decoder(*system).take(&record, now()));
        insta::assert_snapshot!(format!("envelopes__{name}"), found);
        let pinned = pinned(*system, *wrapping);
        assert_eq!(shown(&pinned.take(&record, now())), found, "{name}");
    }
}

const LEAD: &str = r#"{"id":"e","entity":{"type":"lead","id":"5"},"time":"2025-01-01T00:00:00Z"}"#;

#[test]
fn a_pinned_source_takes_nothing_else() {
    let cloud = format!(r#"{{"specversion":"1.0","id":"7","source":"/crm","data":{LEAD}}}"#);
    let connect = format!(r#"{{"schema":null,"payload":{LEAD}}}"#);
    let debezium = format!(r#"{{"op":"c","source":{{}},"before":null,"after":{LEAD}}}"#);
    let bodies = [
        (Wrapping::Raw, LEAD),
        (Wrapping::CloudEvents, &cloud),
        (Wrapping::Connect, &connect),
        (Wrapping::Debezium, &debezium),
    ];
    for (pin, _) in bodies {
        for (of, body) in bodies {
            let got = codes(&pinned(System::Canonical, pin), &record(body));
            let good = pin == of;
            assert_eq!(got.is_empty(), good, "{pin:?} {of:?} {got:?}");
            if pin != Wrapping::Raw && !good {
                assert_eq!(got, ["BAD_ENVELOPE"], "{pin:?} {of:?}");
            }
        }
    }
    assert_eq!(
        codes(&pinned(System::Canonical, Wrapping::Connect), &record("{x")),
        ["DECODE_JSON"]
    );
    let mut webhook = record(LEAD);
    let standard = pinned(System::Canonical, Wrapping::StandardWebhooks);
    assert_eq!(codes(&standard, &webhook), ["BAD_ENVELOPE"]);
    webhook.headers.push(Header::new("http.Webhook-Id", "m"));
    // Its own id is the better one.
    assert_eq!(ids(&standard, &webhook), ["e"]);
    assert_eq!(codes(&pinned(System::Canonical, Wrapping::Confluent), &webhook), ["BAD_ENVELOPE"]);
    // What the headers of another envelope say is nothing to a raw source.
    let mut bare = record(&LEAD.replace("\"id\":\"e\",", ""));
    let lent = [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "s")];
    bare.headers = lent.map(|(name, value)| Header::new(name, value)).to_vec();
    assert_eq!(codes(&pinned(System::Canonical, Wrapping::Raw), &bare), ["MISSING_FIELD"]);
    assert_eq!(ids(&pinned(System::Canonical, Wrapping::CloudEvents), &bare), ["s#1"]);
}

#[test]
fn the_empty_record_behind_a_deletion_is_ignored_where_it_is_usual() {
    let tombstone = Record { value: None, ..record(LEAD) };
    for (wrapping, name, _) in Wrapping::ALL {
        let decoder = pinned(System::Canonical, *wrapping);
        let taken = decoder.take(&tombstone, now());
        let usual = ["debezium", "connect", "confluent"].contains(name);
        assert_eq!(
            (taken.ignored.len(), taken.dead_letters.len()),
            (usual.into(), (!usual).into())
        );
    }
}

/// A chain ends at the second envelope of a kind, however deep it goes.
#[test]
fn envelopes_do_not_nest_without_end() {
    let wrap = |inner: String| format!(r#"{{"schema":null,"payload":{inner}}}"#);
    let deep = (0..2000).fold(LEAD.to_owned(), |inner, _| wrap(inner));
    assert_eq!(codes(&decoder(System::Canonical), &record(&deep)).len(), 1);
    assert_eq!(codes(&decoder(System::Stripe), &record(&deep)), ["UNKNOWN_SHAPE"]);
    // Conversion stops at a depth, and each level of it is paid for once.
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let body = format!(
        r#"{{"schema":{{"type":"array","items":{{"name":"org.apache.kafka.connect.data.Date"}}}},"payload":[{deep}]}}"#
    );
    assert_eq!(codes(&decoder(System::Stripe), &record(&body)), ["NOT_AN_EVENT"]);
}

/// A few bytes of payload may not ask for a large schema any number of times.
#[test]
fn a_schema_is_not_read_without_end() {
    let date = r#"{"type":"int32","name":"org.apache.kafka.connect.data.Date","field":"d"}"#;
    let other = format!(r#"{{"type":"string","field":"{}"}}"#, "x".repeat(400_000));
    let items = format!(r#"{{"type":"struct","fields":[{date},{other}]}}"#);
    let body = |n: usize| {
        let payload = vec!["{}"; n].join(",");
        let schema = format!(r#"{{"type":"array","items":{items}}}"#);
        record(&format!(r#"{{"schema":{schema},"payload":[{payload}]}}"#))
    };
    let decoder = pinned(System::Stripe, Wrapping::Connect);
    assert_eq!(codes(&decoder, &body(100_000)), ["TOO_MANY"]);
    assert_eq!(codes(&decoder, &body(2)), ["UNKNOWN_SHAPE", "UNKNOWN_SHAPE"]);
}

/// What is bad in an envelope's array is bad by itself, for the same reason.
#[test]
fn a_dead_letter_of_an_inner_element_can_be_decoded_by_itself() {
    let bad = r#"{"entity":{"type":"nobody","id":"1"}}"#;
    let array = format!("[{LEAD},{bad}]");
    let quoted = serde_json::to_string(&array).unwrap();
    for (pin, body) in [
        (
            Wrapping::CloudEvents,
            format!(r#"{{"specversion":"1.0","id":"7","source":"/c","data":{array}}}"#),
        ),
        (Wrapping::Connect, format!(r#"{{"schema":null,"payload":{array}}}"#)),
        (
            Wrapping::Debezium,
            format!(
                r#"{{"op":"c","source":{{"ts_ms":1}},"after":{{"id":"1","payload":{quoted}}}}}"#
            ),
        ),
    ] {
        for (system, code) in
            [(System::Canonical, "UNKNOWN_ENTITY"), (System::Stripe, "UNKNOWN_SHAPE")]
        {
            let decoder = pinned(system, pin);
            let whole = record(&body);
            let taken = decoder.take(&whole, now());
            let dead = taken.dead_letters.last().unwrap();
            let place = (dead.reason.code.as_str(), dead.index, dead.inner);
            let lone = System::Canonical == system || dead.index.is_some();
            assert!(lone, "{pin:?} {system:?}");
            assert_eq!(place, (code_of(code, dead), Some(0), Some(1)), "{pin:?} {system:?}");
            let again = Record { value: dead.value.clone(), ..whole.clone() };
            let redone = decoder.take(&again, now());
            assert_eq!(redone.dead_letters[0].reason.code, dead.reason.code, "{pin:?} {system:?}");
        }
    }
}

fn code_of(expected: &'static str, dead: &DeadLetter) -> &'static str {
    // Without an id it is told what is missing first.
    if dead.reason.code.as_str() == "MISSING_FIELD" { "MISSING_FIELD" } else { expected }
}

#[test]
fn the_configs_of_the_documentation_are_valid() {
    let path = format!("{}/docs/sources.md", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 2);
    for block in blocks {
        let config = Config::from_toml(block, "docs/sources.md", std::iter::empty());
        // Without the client of registries the config says so, and nothing else.
        let refused = config.err().map(|e| e.to_string()).unwrap_or_default();
        let faults = refused.matches("error:").count();
        let built_without = refused.contains("built without the client of schema registries");
        assert!(refused.is_empty() || (built_without && faults <= 1), "{refused}");
    }
}

/// A frame: of a number, of a GUID, or in a header.
fn frames(payload: &[u8]) -> [Record; 3] {
    let whole = |value: Vec<u8>| Record { value: Some(value), ..record("{}") };
    let guid: Vec<u8> = [1].into_iter().chain(0..16).collect();
    let mut bare = whole(payload.to_vec());
    bare.headers.push(Header::new("__value_schema_id", guid.clone()));
    [whole([&[0, 0, 0, 1, 4], payload].concat()), whole([&guid, payload].concat()), bare]
}

const SCHEMA: &str = r#"{"type":"record","name":"E","namespace":"n","fields":[
    {"name":"id","type":"string"},
    {"name":"entity","type":{"type":"record","name":"R","fields":[
        {"name":"type","type":{"type":"enum","name":"K","symbols":["deal","lead"]}},
        {"name":"id","type":["null","long"]}]}},
    {"name":"time","type":{"type":"long","logicalType":"timestamp-micros"}}]}"#;

/// `id` "a", the second kind, the id -3, an instant.
fn value() -> Vec<u8> {
    let mut out = vec![2, b'a', 2, 2, 5];
    out.extend(number(1_735_689_600_000_000));
    out
}

/// A number as Avro writes it.
fn number(n: i64) -> Vec<u8> {
    let mut rest = ((n << 1) ^ (n >> 63)) as u64;
    let mut out = Vec::new();
    while rest > 0x7f {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

#[test]
fn framed_values_are_json_or_avro() {
    let decoder = decoder(System::Canonical);
    let schema = Schema::avro(SCHEMA, &[]).unwrap();
    for (i, framed) in frames(LEAD.as_bytes()).iter().enumerate() {
        assert_eq!(decoder.wants(framed), None);
        assert_eq!(ids(&decoder, framed), ["e"], "{i}");
    }
    for framed in &frames(&value()) {
        let key = decoder.wants(framed).unwrap();
        let name = key.to_string();
        assert!(name == "260" || name == "00010203-0405-0607-0809-0a0b0c0d0e0f", "{name}");
        let taken = decoder.take_with(framed, Lookup::Found(&schema), now());
        assert_eq!(taken.dead_letters, []);
        let event = &taken.events[0];
        assert_eq!((&*event.id, &*event.entity.id), ("a", "-3"));
        assert_eq!(event.time.to_string(), "2025-01-01T00:00:00Z");
        let asked = decoder.take(framed, now());
        assert_eq!(asked.dead_letters[0].reason.code.as_str(), "UNKNOWN_SCHEMA");
        assert_eq!(asked.dead_letters[0].value, framed.value);
        // Cut anywhere, it is one dead letter with the bytes as they came.
        let value = framed.value.as_deref().unwrap();
        for end in 1..value.len() {
            let cut = Record { value: Some(value[..end].to_vec()), ..framed.clone() };
            let taken = decoder.take_with(&cut, Lookup::Found(&schema), now());
            assert_eq!((taken.events.len(), taken.dead_letters.len()), (0, 1));
            assert_eq!(taken.dead_letters[0].value, cut.value);
        }
    }
    assert_eq!(decoder.wants(&record(LEAD)), None);
    assert_eq!(pinned(System::Canonical, Wrapping::Raw).wants(&frames(&value())[0]), None);
}

#[test]
fn what_is_bad_in_a_frame_is_bad_by_itself() {
    let decoder = pinned(System::Canonical, Wrapping::Confluent);
    let body = format!("[{LEAD},{{\"id\":1}}]");
    for framed in &frames(body.as_bytes()) {
        let taken = decoder.take(framed, now());
        let [dead] = &taken.dead_letters[..] else { panic!("{:?}", taken.dead_letters) };
        assert_eq!((taken.events.len(), dead.index), (1, Some(1)));
        let again = Record { value: dead.value.clone(), ..framed.clone() };
        assert_eq!(codes(&decoder, &again), [dead.reason.code.as_str()]);
    }
}

/// Debezium in a frame of Avro, as its connectors write it with Confluent's converter.
#[test]
fn change_events_in_frames_are_change_events() {
    let row = r#"{"type":"record","name":"Value","fields":[{"name":"id","type":"long"},
        {"name":"payload","type":"string"}]}"#;
    let text = format!(
        r#"{{"type":"record","name":"Envelope","fields":[{{"name":"before","type":["null",{row}]}},
            {{"name":"after","type":["null","Value"]}},{{"name":"op","type":"string"}},
            {{"name":"source","type":{{"type":"record","name":"S","fields":[
                {{"name":"lsn","type":"long"}},{{"name":"ts_ms","type":"long"}}]}}}}]}}"#
    );
    let schema = Schema::avro(&text, &[]).unwrap();
    let mut value = vec![0, 2, 14];
    value.extend(number(LEAD.len() as i64));
    value.extend(LEAD.as_bytes());
    value.extend([2, b'c', 2, 4]);
    let decoder = pinned(System::Canonical, Wrapping::Debezium);
    let framed = &frames(&value)[0];
    let taken = decoder.take_with(framed, Lookup::Found(&schema), now()).events;
    assert_eq!((taken.len(), &*taken[0].id), (1, "e"));
}

#[test]
fn a_receivers_headers_date_a_native_webhook() {
    let mut hook =
        record(r#"{"Id":"0065g00000XyZ12AAF","_ObjectType":"Opportunity","_EventType":"deleted"}"#);
    assert_eq!(codes(&decoder(System::Salesforce), &hook), ["MISSING_FIELD"]);
    for (name, value) in [("http.svix-id", "m"), ("http.Svix-Timestamp", "1772615000")] {
        hook.headers.push(Header::new(name, value));
    }
    let taken = decoder(System::Salesforce).take(&hook, now()).events;
    assert_eq!(taken[0].time.to_string(), "2026-03-04T09:03:20Z");
    assert!(
        taken[0]
            .set
            .iter()
            .all(|(name, _)| *name != tidemark::model::event::FieldName::Known(Field::Owner))
    );
}

proptest! {
    /// Whatever the bytes and the header are, and whatever the source is pinned to, something comes
    /// of the record, and what is dead of it is dead or decoded when it is put back.
    #[test]
    fn any_record_comes_to_something(
        value in prop::collection::vec(any::<u8>(), 1..60),
        header in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        magic in prop::option::of(0u8..2),
        json in prop::option::of(r#"[\[{]?("op"|"c"|"source"|"after"|"before"|"schema"|"payload"|"specversion"|"data"|"__op"|:|,|[{}\[\]]|null){0,16}"#),
    ) {
        let mut value = json.map_or(value, String::into_bytes);
        if let Some(magic) = magic {
            value.insert(0, magic);
        }
        let mut whole = Record { value: Some(value), ..record("{}") };
        whole.headers.extend(header.map(|bytes| Header::new("__value_schema_id", bytes)));
        let schema = Schema::avro(SCHEMA, &[]).unwrap();
        for (wrapping, ..) in Wrapping::ALL {
            for system in [System::Canonical, System::Stripe] {
                let decoder = pinned(system, *wrapping);
                let taken = decoder.take_with(&whole, Lookup::Found(&schema), now());
                let n = taken.events.len() + taken.ignored.len() + taken.dead_letters.len();
                prop_assert!(n > 0 || whole.value.as_deref().is_some_and(|v| v.ends_with(b"]")));
                for dead in &taken.dead_letters {
                    let again = Record { value: dead.value.clone(), ..whole.clone() };
                    decoder.take_with(&again, Lookup::Found(&schema), now());
                }
            }
        }
    }
}
