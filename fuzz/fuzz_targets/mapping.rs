//! Any text as a mapping is a mapping or faults that can be shown; and what any bytes make of one
//! is events or dead letters, the same ones at the second delivery, and every event can be written
//! to the events topic and read back the same. A zero byte parts the mapping from the body; an empty
//! mapping is a shipped one, which the first byte of the body chooses.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tidemark::config::{PACKS, load_mapping, mapping_from_toml};
use tidemark::intake::{Decoder, Limits, Stored, encode_event, read_stored};
use tidemark::model::calendar::Calendar;
use tidemark::model::money::Currency;
use tidemark::model::record::{Header, Offset, Partition, Record};
use tidemark::model::source::{Reading, System};
use tidemark::model::time::Span;

fn record(value: Vec<u8>) -> Record {
    Record {
        topic: "t".into(),
        partition: Partition(0),
        offset: Offset(0),
        timestamp_ms: Some(1_772_442_000_000),
        key: Some(b"k".to_vec()),
        value: Some(value),
        headers: vec![Header::new("http.x-kind", "opportunity")],
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(at) = data.iter().position(|byte| *byte == 0) else { return };
    let (text, mut body) = (&data[..at], &data[at + 1..]);
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mapping = if text.is_empty() {
        let [pack, rest @ ..] = body else { return };
        body = rest;
        load_mapping(PACKS[usize::from(*pack) % PACKS.len()].0).expect("a shipped mapping")
    } else {
        match mapping_from_toml(text, "fuzz.toml") {
            Ok(mapping) => mapping,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return;
            }
        }
    };
    let decoder = Decoder {
        source: "s".into(),
        system: System::Canonical,
        reading: Reading {
            currency: Currency::parse("EUR"),
            mapping: Some(Arc::new(mapping)),
            ..Reading::default()
        },
        calendar: Calendar::of("Europe/Berlin").expect("a zone of the bundled database"),
        limits: Limits { max_record_bytes: 1 << 16, max_array: 16, future_limit: Span::days(1) },
    };
    let source = record(body.to_vec());
    let taken = decoder.take(&source, None);
    assert_eq!(taken.events, decoder.take(&source, None).events);
    for event in taken.events {
        match read_stored(&record(encode_event(&event)), &decoder.calendar) {
            Ok(Stored::Event(back)) => assert_eq!(back, event),
            other => panic!("{other:?}"),
        }
    }
});
