//! What real systems really sent, where it lies beside the repository: it is not ours to keep.

use std::path::PathBuf;

use serde_json::{Value, json};
use tidemark::intake::encode_event;
use tidemark::model::source::{System, Wrapping};

use crate::{decoder, files, mappings, natives, now, record};

/// Real payloads that are no delivery of the system, each with what it is.
const NO_DELIVERIES: &[(&str, &str)] = &[
    (
        "track_email_link_clicked.json",
        "an excerpt of the documentation, without messageId and time",
    ),
    ("track_email_opened.json", "an excerpt of the documentation, without messageId and time"),
    ("resource_charge.json", "a resource of the API"),
    ("resource_checkout_session.json", "a resource of the API"),
    ("resource_customer.json", "a resource of the API"),
    ("resource_dispute.json", "a resource of the API"),
    ("resource_invoice.json", "a resource of the API"),
    ("resource_payment_intent.json", "a resource of the API"),
    ("resource_refund.json", "a resource of the API"),
    ("resource_subscription.json", "a resource of the API"),
];

fn payloads() -> Option<PathBuf> {
    let base = std::env::var("TIDEMARK_SHARED").unwrap_or_else(|_| "../shared".into());
    let dir = PathBuf::from(base).join("payloads");
    if dir.is_dir() {
        return Some(dir);
    }
    println!("skipped: {} is not there", dir.display());
    None
}

/// Where the payloads of a system lie.
fn directories(system: System) -> &'static [&'static str] {
    match system {
        System::Canonical => &[],
        System::HubSpot => &["hubspot"],
        System::Salesforce => &["salesforce_cdc", "confluent_salesforce"],
        System::Pipedrive => &["pipedrive"],
        System::Close => &["close"],
        System::Stripe => &["stripe"],
        System::Segment | System::RudderStack => &["segment"],
        System::Shopify => &["shopify"],
        System::Calendly => &["calendly"],
        System::Typeform => &["typeform"],
        System::Twilio => &["twilio"],
        // Nothing of these lies there that was really delivered.
        System::SendGrid | System::CustomerIo | System::Aircall | System::Survey => &[],
    }
}

/// Where the payloads of a shipped mapping lie, and what the first event of the first one is.
const MAPPED: &[(&str, &str, &str)] = &[
    (
        "copper",
        "copper",
        r#"{"entity":{"type":"deal","id":"123456"},"op":"update","set":{"amount":{"value":"50000","currency":"EUR"},"status":"won"}}"#,
    ),
    (
        "zoho",
        "zoho_crm",
        r#"{"entity":{"type":"deal","id":"554023000000527002"},"op":"update","set":{"stage":"Closed Won"}}"#,
    ),
    (
        "dynamics",
        "dynamics365",
        r#"{"entity":{"type":"deal","id":"o0"},"op":"update","set":{"amount":{"value":"50000","currency":"EUR"},"stage":"4-Close"}}"#,
    ),
    (
        "twenty",
        "twenty",
        r#"{"entity":{"type":"deal","id":"o1"},"op":"update","set":{"amount":{"value":"50000","currency":"EUR"},"expected_close":"2026-03-30T22:00:00Z","name":"Acme","owner":"u1","stage":"CUSTOMER"}}"#,
    ),
    (
        "odoo",
        "odoo",
        r#"{"entity":{"type":"deal","id":"42"},"op":"update","set":{"amount":{"value":"50000","currency":"EUR"},"name":"Acme","owner":"7","probability":1,"stage":"4","status":"won"}}"#,
    ),
    (
        "google_lead_form",
        "google_ads",
        r#"{"entity":{"type":"lead","id":"TeSter-123"},"op":"create","set":{"campaign":"123456789","medium":"cpc","source":"google","x.ad_group":"20000000000","x.form":"40000000000"}}"#,
    ),
];

#[test]
fn what_lies_there_of_a_shipped_mapping_is_read_whole() {
    let Some(payloads) = payloads() else { return };
    for (pack, dir, expected) in MAPPED {
        let all = files(&payloads.join(dir));
        assert!(!all.is_empty(), "no payload of {pack}");
        for file in &all {
            let text = std::fs::read_to_string(file).unwrap();
            let mut record = record(&text.replace("\"is_test\": true", "\"is_test\": false"));
            record.timestamp_ms = Some(1_772_442_000_000);
            let taken = mappings::mapped(pack).take(&record, now());
            assert_eq!(taken.dead_letters, [], "{}", file.display());
            assert!(taken.events.len() + taken.ignored.len() > 0, "{}", file.display());
            if file == &all[0] {
                let event: Value = serde_json::from_slice(&encode_event(&taken.events[0])).unwrap();
                let told =
                    json!({"entity": event["entity"], "op": event["op"], "set": event["set"]});
                assert_eq!(told, serde_json::from_str::<Value>(expected).unwrap(), "{pack}");
            }
        }
    }
}

#[test]
fn what_real_systems_sent_is_read_whole() {
    let Some(payloads) = payloads() else { return };
    for system in natives() {
        let mut read = 0;
        for dir in directories(system) {
            for file in files(&payloads.join(dir)) {
                let name = file.file_name().unwrap().to_str().unwrap();
                if NO_DELIVERIES.iter().any(|(other, _)| *other == name) {
                    continue;
                }
                // Most were captured in test mode, which would drop them.
                let text = std::fs::read_to_string(&file).unwrap();
                let text = text
                    .replace("\"livemode\": false", "\"livemode\": true")
                    .replace("\"x-shopify-test\": \"true\"", "\"x-shopify-test\": \"false\"")
                    .replace("\"test\": true", "\"test\": false");
                let record = record(&text);
                let taken = decoder(system).take(&record, now());
                assert_eq!(taken.dead_letters, [], "{name}");
                let told = taken.events.len() + taken.ignored.len();
                assert!(told > 0 && taken.test == 0, "{name}");
                for event in &taken.events {
                    assert_eq!(event.system, system.as_str(), "{name}");
                    assert!(event.order[0] >= 1_000_000_000_000, "{name}: {:?}", event.order);
                }
                read += 1;
            }
        }
        assert!(read > 0 || directories(system).is_empty(), "no payload of {}", system.as_str());
    }
}

/// What lies there of envelopes, each with what becomes of it: none of them holds what is read here,
/// so that it is taken off is told by what is found inside. Those that the documentation cut are no
/// JSON, and are left out.
#[test]
fn what_real_carriers_wrapped_is_taken_off() {
    let Some(payloads) = payloads() else { return };
    let mut read = 0;
    for dir in
        ["cloudevents", "debezium", "kafka_envelopes", "standard_webhooks", "confluent_salesforce"]
    {
        let all = std::fs::read_dir(payloads.join(dir)).unwrap();
        for file in all.map(|entry| entry.unwrap().path()) {
            let text = std::fs::read_to_string(&file).unwrap();
            let name = format!("{dir}/{}", file.file_name().unwrap().to_str().unwrap());
            if serde_json::from_str::<serde_json::Value>(&text).is_err() {
                println!("left out: {name} is no JSON: the documentation cut it");
                continue;
            }
            read += 1;
            let record = record(&text);
            let taken = decoder(System::Canonical).take(&record, now());
            let codes: Vec<_> = taken.dead_letters.iter().map(|d| d.reason.code.as_str()).collect();
            let expected: &[&str] = match dir {
                // Data of no entity, that is no JSON, or no object.
                "cloudevents" => {
                    &["BAD_CLOUDEVENT", "MISSING_ENTITY", "NOT_AN_EVENT", "DECODE_JSON"]
                }
                // Avro in base64 in a CloudEvent is not read.
                "debezium" if text.contains("application/avro") => &["NOT_AN_EVENT"],
                // Rows of customers, and of other things: no entity, or no id.
                _ => &["MISSING_FIELD", "MISSING_ENTITY", "DECODE_JSON"],
            };
            assert_eq!(taken.events.len(), 0, "{name}");
            assert!(
                !codes.is_empty() && codes.iter().all(|c| expected.contains(c)),
                "{name} {codes:?}"
            );
            // Pinned to what it is, it is found to be that.
            let pin = match dir {
                "cloudevents" => Wrapping::CloudEvents,
                "debezium" => Wrapping::Debezium,
                "standard_webhooks" => Wrapping::Raw,
                _ => Wrapping::Connect,
            };
            let mut pinned = decoder(System::Canonical);
            pinned.reading.wrapping = pin;
            let taken = pinned.take(&record, now());
            let found = taken.dead_letters.iter().all(|d| d.reason.code.as_str() != "BAD_ENVELOPE");
            let cloud_avro = text.contains("application/avro");
            assert!(found || cloud_avro, "{name} {:?}", taken.dead_letters);
        }
    }
    assert!(read >= 12, "{read}");
}
