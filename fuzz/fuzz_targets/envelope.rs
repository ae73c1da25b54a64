//! Any bytes in any envelope, found or pinned, end as events, ignored or dead letters; a dead letter
//! that is put back is dead again or decodes. Any schema reads any bytes to a bounded end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidemark::intake::{Decoder, Limits, Lookup, Schema};
use tidemark::model::calendar::Calendar;
use tidemark::model::money::Currency;
use tidemark::model::record::{Header, Offset, Partition, Record};
use tidemark::model::source::{Reading, System, Wrapping};
use tidemark::model::time::Span;

const SCHEMA: &str = r#"{"type":"record","name":"E","fields":[
    {"name":"before","type":["null","E"]},
    {"name":"after","type":["null",{"type":"map","values":["null","string","long","double"]}]},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"n","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
    {"name":"op","type":{"type":"enum","name":"O","symbols":["c","u","d"]}},
    {"name":"all","type":{"type":"array","items":["null","E"]}}]}"#;

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
    let limits = Limits { max_record_bytes: 1 << 16, max_array: 16, future_limit: Span::days(1) };
    let mut decoder = Decoder {
        source: "s".into(),
        system: System::Canonical,
        reading: Reading { currency: Currency::parse("EUR"), ..Reading::default() },
        calendar: Calendar::of("UTC").expect("a zone of the bundled database"),
        limits,
    };
    let known = Schema::avro(SCHEMA, &[]).expect("the schema is one");
    let hooked = vec![Header::new("webhook-id", "m"), Header::new("ce_time", "x")];
    let mut keyed = data.to_vec();
    keyed.truncate(17);
    for (wrapping, ..) in Wrapping::ALL {
        decoder.reading.wrapping = *wrapping;
        for system in [System::Canonical, System::Salesforce] {
            decoder.system = system;
            for headers in [
                Vec::new(),
                hooked.clone(),
                vec![Header::new("__value_schema_id", keyed.clone())],
            ] {
                let source = record(data.to_vec(), headers);
                for dead in decoder.take_with(&source, Lookup::Found(&known), None).dead_letters {
                    let again = record(dead.value.unwrap_or_default(), dead.headers);
                    decoder.take_with(&again, Lookup::Found(&known), None);
                }
            }
        }
    }
    // A schema of the fuzzer's own, and a value behind it.
    if let Some((at, rest)) = data.split_first() {
        let (schema, value) = rest.split_at(usize::from(*at).min(rest.len()));
        let schema = std::str::from_utf8(schema).ok().and_then(|s| Schema::avro(s, &[]).ok());
        for schema in [Some(known), schema].into_iter().flatten() {
            if let Ok(text) = schema.to_json(value, 1 << 16) {
                assert!(text.len() <= 1 << 16);
            }
        }
    }
});
