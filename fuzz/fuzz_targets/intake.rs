//! Any bytes of a source record end as events or dead letters, and every event can be written to
//! the events topic and read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidemark::intake::{Decoder, Limits, Stored, encode_event, read_stored};
use tidemark::model::calendar::Calendar;
use tidemark::model::money::Currency;
use tidemark::model::record::{Header, Offset, Partition, Record};
use tidemark::model::source::{Reading, System};
use tidemark::model::time::Span;

fn record(value: Vec<u8>, headers: Vec<Header>) -> Record {
    Record {
        topic: "t".into(),
        partition: Partition(0),
        offset: Offset(0),
        timestamp_ms: None,
        key: None,
        value: Some(value),
        headers,
    }
}

fuzz_target!(|data: &[u8]| {
    let calendar = Calendar::of("Europe/Berlin").expect("a zone of the bundled database");
    let limits = Limits { max_record_bytes: 1 << 16, max_array: 16, future_limit: Span::days(1) };
    let decoder = Decoder {
        source: "s".into(),
        system: System::Canonical,
        reading: Reading { currency: Currency::parse("EUR"), ..Reading::default() },
        calendar: calendar.clone(),
        limits,
    };
    read(&decoder, data);
});

/// Takes the bytes, with and without the headers of CloudEvents.
fn read(decoder: &Decoder, data: &[u8]) {
    for headers in [
        Vec::new(),
        vec![
            Header::new("ce_specversion", "1.0"),
            Header::new("ce_id", "1"),
            Header::new("ce_source", "/s"),
            Header::new("ce_time", "2026-01-01T00:00:00Z"),
        ],
    ] {
        let source = record(data.to_vec(), headers);
        for event in decoder.take(&source, None).events {
            let stored = record(encode_event(&event), Vec::new());
            match read_stored(&stored, &decoder.calendar) {
                Ok(Stored::Event(back)) => assert_eq!(back, event),
                other => panic!("{other:?}"),
            }
        }
    }
}
