//! What any bytes make of a native system's decoder: events or dead letters, the same ones at the
//! second delivery, and every event can be written to the events topic and read back the same. The
//! first byte chooses the system, the second one the topic that a header names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidemark::intake::{Decoder, Limits, Stored, encode_event, read_stored};
use tidemark::model::calendar::Calendar;
use tidemark::model::money::Currency;
use tidemark::model::record::{Header, Offset, Partition, Record};
use tidemark::model::source::{Reading, System};
use tidemark::model::time::Span;

/// What Shopify and Redpanda tell in headers; the first one stands for none.
const TOPICS: &[&str] = &[
    "",
    "orders/create",
    "orders/paid",
    "orders/updated",
    "orders/cancelled",
    "refunds/create",
    "customers/create",
    "draft_orders/create",
    "subscription_contracts/create",
];

fn record(value: Vec<u8>, headers: Vec<Header>) -> Record {
    Record {
        topic: "t".into(),
        partition: Partition(0),
        offset: Offset(0),
        timestamp_ms: Some(1_772_442_000_000),
        key: None,
        value: Some(value),
        headers,
    }
}

fn headers(topic: &str) -> Vec<Header> {
    if topic.is_empty() {
        return Vec::new();
    }
    vec![
        Header::new("http.x-shopify-topic", topic),
        Header::new("http.x-shopify-event-id", "e-1"),
        Header::new("http.x-shopify-triggered-at", "2026-03-02T09:00:00.123456Z"),
        Header::new("operation", "read"),
        Header::new("sobject", "Opportunity"),
        Header::new("record_ids", "[\"006\"]"),
    ]
}

fuzz_target!(|data: &[u8]| {
    let [system, topic, body @ ..] = data else { return };
    let (system, ..) = System::ALL[usize::from(*system) % System::ALL.len()];
    let topic = TOPICS[usize::from(*topic) % TOPICS.len()];
    let decoder = Decoder {
        source: "s".into(),
        system,
        reading: Reading { currency: Currency::parse("EUR"), ..Reading::default() },
        calendar: Calendar::of("Europe/Berlin").expect("a zone of the bundled database"),
        limits: Limits { max_record_bytes: 1 << 16, max_array: 16, future_limit: Span::days(1) },
    };
    let source = record(body.to_vec(), headers(topic));
    let taken = decoder.take(&source, None);
    assert_eq!(taken.events, decoder.take(&source, None).events);
    for event in taken.events {
        let stored = record(encode_event(&event), Vec::new());
        match read_stored(&stored, &decoder.calendar) {
            Ok(Stored::Event(back)) => assert_eq!(back, event),
            other => panic!("{other:?}"),
        }
    }
});
