//! What the decoders of the native systems make of what these systems send. The fixtures are ours,
//! in the shapes that the vendors document; the events they give are in
//! `tests/snapshots/sources__*.snap`, and every one of them is to be read by a person.

#[path = "sources/arbitrary.rs"]
mod arbitrary;
#[path = "sources/avro.rs"]
mod avro;
#[path = "sources/channels.rs"]
mod channels;
#[path = "sources/command.rs"]
mod command;
#[path = "sources/edges.rs"]
mod edges;
#[path = "sources/envelopes.rs"]
mod envelopes;
#[path = "sources/language.rs"]
mod language;
#[path = "sources/life.rs"]
mod life;
#[path = "sources/mappings.rs"]
mod mappings;
#[path = "sources/real.rs"]
mod real;
#[path = "sources/redrive.rs"]
mod redrive;
#[path = "sources/robust.rs"]
mod robust;
#[path = "sources/vendors.rs"]
mod vendors;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_json::value::RawValue;
use tidemark::intake::{Decoder, Intake, Limits, encode_event};
use tidemark::model::calendar::Calendar;
use tidemark::model::event::{EntityKind, FieldName};
use tidemark::model::money::Currency;
use tidemark::model::record::{Header, Offset, Partition, Record};
use tidemark::model::source::{Reading, System};
use tidemark::model::time::{Span, Timestamp};

/// A source of the system whose amounts are euros.
pub fn decoder(system: System) -> Decoder {
    Decoder {
        source: "mine".to_owned(),
        system,
        reading: Reading { currency: Currency::parse("EUR"), ..Reading::default() },
        calendar: Calendar::of("Europe/Berlin").unwrap(),
        limits: Limits { max_record_bytes: 1 << 20, max_array: 1000, future_limit: Span::days(1) },
    }
}

/// The clock of these tests.
pub fn now() -> Option<Timestamp> {
    Timestamp::parse_rfc3339("2026-12-01T00:00:00Z")
}

/// A record as a receiver would write it: the body, and the request's headers as `http.*`.
pub fn record(text: &str) -> Record {
    #[derive(serde::Deserialize)]
    struct Captured<'a> {
        headers: BTreeMap<String, Value>,
        /// Of the record, in milliseconds.
        #[serde(default)]
        timestamp: Option<i64>,
        #[serde(borrow)]
        body: &'a RawValue,
    }
    let captured = serde_json::from_str::<Captured<'_>>(text).ok();
    let (headers, body) = match &captured {
        Some(captured) => {
            let header = |(name, value): (&String, &Value)| {
                Header::new(format!("http.{name}"), value.as_str().unwrap_or_default())
            };
            (captured.headers.iter().map(header).collect(), captured.body.get())
        }
        None => (Vec::new(), text),
    };
    Record {
        topic: "raw".into(),
        partition: Partition(0),
        offset: Offset(1),
        timestamp_ms: captured.as_ref().and_then(|captured| captured.timestamp),
        key: None,
        value: Some(body.as_bytes().to_vec()),
        headers,
    }
}

/// The JSON files of a directory, sorted.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = std::fs::read_dir(dir)
        .map(|all| all.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    out.retain(|path| path.extension().is_some_and(|e| e == "json"));
    out.sort();
    out
}

/// Our fixtures of a system.
pub fn fixtures(system: System) -> Vec<PathBuf> {
    let dir = format!("{}/tests/fixtures/{}", env!("CARGO_MANIFEST_DIR"), system.as_str());
    files(Path::new(&dir))
}

/// The native systems.
pub fn natives() -> impl Iterator<Item = System> {
    System::ALL.iter().map(|(system, ..)| *system).filter(|s| *s != System::Canonical)
}

/// All that came of a record, for people.
fn shown(taken: &Intake<'_>) -> String {
    let mut out = String::new();
    for event in &taken.events {
        let text = String::from_utf8(encode_event(event)).unwrap();
        // Where it was read from is the same for all.
        let end = text.find(",\"raw\":").unwrap();
        let index = event.raw.as_ref().unwrap().index;
        writeln!(out, "{index}: {}}}", &text[..end]).unwrap();
    }
    for ignored in &taken.ignored {
        writeln!(out, "{}: ignored: {}: {}", ignored.index, ignored.reason.as_str(), ignored.what)
            .unwrap();
    }
    for dead in &taken.dead_letters {
        let index = dead.index.map_or("whole".to_owned(), |i| i.to_string());
        let reason = &dead.reason;
        writeln!(out, "{index}: dead letter: {}: {}", reason.code.as_str(), reason.message)
            .unwrap();
    }
    if taken.test > 0 {
        writeln!(out, "test: {}", taken.test).unwrap();
    }
    out
}

#[test]
fn every_system_has_fixtures_and_each_gives_what_was_read_by_a_person() {
    for system in natives() {
        let files = fixtures(system);
        assert!(!files.is_empty(), "no fixtures of {}", system.as_str());
        for file in files {
            let record = record(&std::fs::read_to_string(&file).unwrap());
            let taken = decoder(system).take(&record, now());
            let name = file.file_stem().unwrap().to_str().unwrap();
            insta::assert_snapshot!(format!("{}__{name}", system.as_str()), shown(&taken));
        }
    }
}

/// The same record delivered again, and delivered apart, gives events of the same names.
#[test]
fn events_are_named_the_same_in_every_delivery() {
    let file = format!("{}/tests/fixtures/hubspot/v3_deal_life.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(file).unwrap();
    let elements: Vec<&RawValue> = serde_json::from_str(&text).unwrap();
    let ids = |texts: &[&str]| -> Vec<String> {
        let decoder = decoder(System::HubSpot);
        let all = texts.iter().flat_map(|text| {
            let record = record(text);
            let taken = decoder.take(&record, now());
            taken.events.iter().map(|e| e.id.to_string()).collect::<Vec<_>>()
        });
        all.collect()
    };
    let apart: Vec<&str> = elements.iter().map(|e| e.get()).collect();
    let whole = ids(&[&text]);
    assert_eq!(whole, ids(&apart));
    // A legacy and a generic subscription to one property, at the first and the second attempt.
    assert_eq!(whole[5], whole[6]);
}

#[test]
fn twilio_posts_forms() {
    let body = "CallSid=CA9&CallStatus=completed&Direction=outbound-dial&CallDuration=7&\
                Timestamp=Mon%2C+02+Mar+2026+14%3A32%3A18+%2B0000&SequenceNumber=3";
    let whole = record(body);
    let taken = decoder(System::Twilio).take(&whole, now());
    insta::assert_snapshot!(shown(&taken));
    let other = record("From=somewhere");
    let taken = decoder(System::Twilio).take(&other, now());
    assert_eq!(taken.dead_letters[0].reason.code.as_str(), "UNKNOWN_SHAPE");
    // Buried as it came, not as what was made of it.
    assert_eq!((taken.dead_letters[0].index, &taken.dead_letters[0].value), (None, &other.value));
}

/// A workflow tells of several instants at once: where one of them is bad, none is believed.
#[test]
fn a_bad_element_gives_no_event_at_all() {
    let file = format!("{}/tests/fixtures/hubspot/workflow_deal.json", env!("CARGO_MANIFEST_DIR"));
    let good = std::fs::read_to_string(file).unwrap();
    let bad = good.replace("0.34999999999999997779553950749686919152736663818359375", "soon");
    assert_ne!(good, bad);
    let record = record(&bad);
    let taken = decoder(System::HubSpot).take(&record, now());
    assert_eq!((taken.events.len(), taken.ignored.len()), (0, 0));
    let [dead] = &taken.dead_letters[..] else { panic!("{:?}", taken.dead_letters) };
    assert_eq!((dead.reason.code.as_str(), dead.index), ("BAD_AMOUNT", None));
    assert_eq!(dead.value, record.value);
}

/// `fields` can take something from what any system sends.
#[test]
fn every_system_has_fields_that_a_source_can_map() {
    for (system, native, kind) in [
        (System::HubSpot, "dealname", EntityKind::Deal),
        (System::Salesforce, "Name", EntityKind::Deal),
        (System::Pipedrive, "title", EntityKind::Deal),
        (System::Close, "lead_id", EntityKind::Deal),
        (System::Stripe, "object", EntityKind::Lead),
        (System::Segment, "lead_source", EntityKind::Lead),
        (System::RudderStack, "currency", EntityKind::Order),
        (System::Shopify, "currency_code", EntityKind::Lead),
        (System::Shopify, "currency_code", EntityKind::Subscription),
        (System::SendGrid, "email", EntityKind::Touch),
        (System::CustomerIo, "delivery_id", EntityKind::Touch),
        (System::Calendly, "status", EntityKind::Activity),
        (System::Typeform, "plan", EntityKind::Touch),
        (System::Survey, "plan", EntityKind::SurveyResponse),
        (System::Twilio, "To", EntityKind::Activity),
        (System::Aircall, "raw_digits", EntityKind::Activity),
    ] {
        let own = FieldName::Custom("own".into());
        let mut decoder = decoder(system);
        decoder.reading.fields = BTreeMap::from([(native.to_owned(), own.clone())]);
        let states = fixtures(system).iter().any(|file| {
            let record = record(&std::fs::read_to_string(file).unwrap());
            let taken = decoder.take(&record, now());
            let of_kind = taken.events.iter().filter(|event| event.entity.kind == kind);
            of_kind.flat_map(|event| &event.set).any(|(name, _)| *name == own)
        });
        assert!(states, "{} {native}", system.as_str());
    }
}

#[test]
fn the_fields_of_a_source_are_its_own() {
    let mut decoder = decoder(System::HubSpot);
    let own = FieldName::Custom("industry".into());
    let region = FieldName::Known(tidemark::model::event::Field::Territory);
    let amount = FieldName::Known(tidemark::model::event::Field::Amount);
    decoder.reading.fields = BTreeMap::from([
        ("industry__c".to_owned(), own),
        ("region".to_owned(), region),
        ("amount_in_home_currency".to_owned(), amount),
    ]);
    decoder.reading.tenant = Some("north".to_owned());
    let change = |name: &str, value: &str| {
        format!(
            r#"{{"subscriptionType":"deal.propertyChange","portalId":1,"objectId":2,
                "occurredAt":1772442000000,"propertyName":"{name}","propertyValue":"{value}"}}"#
        )
    };
    let all = [
        change("industry__c", "retail"),
        change("region", "West"),
        change("amount_in_home_currency", "12.50"),
        change("amount", "2000"),
    ];
    let record = record(&format!("[{}]", all.join(",")));
    insta::assert_snapshot!(shown(&decoder.take(&record, now())));
}
