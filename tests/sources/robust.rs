//! Whatever happens to a record on its way, it ends as events, ignored, test data or dead letters.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use tidemark::intake::{Decoder, Stored, encode_event, read_stored};
use tidemark::model::record::Record;
use tidemark::model::source::System;

use crate::{decoder, fixtures, mappings, natives, now, record};

/// All fixtures of all systems and of all shipped mappings, with what reads them.
static ALL: LazyLock<Vec<(Arc<Decoder>, Record)>> = LazyLock::new(|| {
    let natives = natives().map(|system| (decoder(system), fixtures(system)));
    let mapped = mappings::packs().map(|pack| (mappings::mapped(pack), mappings::fixtures(pack)));
    let read = |(decoder, files): (Decoder, Vec<PathBuf>)| {
        let decoder = Arc::new(decoder);
        let text = |file: PathBuf| std::fs::read_to_string(file).unwrap();
        let both = files.into_iter().map(move |file| (decoder.clone(), record(&text(file))));
        both.collect::<Vec<_>>()
    };
    natives.chain(mapped).flat_map(read).collect()
});

/// Values that come where others were expected.
const VALUES: [&str; 12] = [
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "\"x\"",
    "-1",
    "1e400",
    "0.00000000000000000001",
    "99999999999999999999",
    "\"9999-12-31\"",
    "[[{\"id\":null}]]",
];

/// Takes the record; every event must be one that the events topic gives back as it is.
pub fn take(decoder: &Decoder, record: &Record) -> usize {
    let taken = decoder.take(record, now());
    for event in &taken.events {
        let stored = Record { value: Some(encode_event(event)), key: None, ..record.clone() };
        match read_stored(&stored, &decoder.calendar) {
            Ok(Stored::Event(back)) => assert_eq!(back, *event),
            other => panic!("{other:?}"),
        }
    }
    taken.events.len() + taken.ignored.len() + taken.dead_letters.len() + taken.test as usize
}

/// Where the values of a JSON text begin and end: behind a colon, a comma or a bracket.
fn values(text: &str) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    for (at, c) in text.char_indices() {
        if matches!(c, ':' | ',' | '[') {
            let rest = &text[at + 1..];
            let from = at + 1 + (rest.len() - rest.trim_start().len());
            let mut read = serde_json::Deserializer::from_str(&text[from..])
                .into_iter::<&serde_json::value::RawValue>();
            if let Some(Ok(value)) = read.next() {
                out.push((from, from + value.get().len()));
            }
        }
    }
    out
}

#[test]
fn a_fixture_as_it_is_can_be_stored_and_read_back() {
    for (decoder, record) in ALL.iter() {
        assert!(take(decoder, record) > 0);
    }
}

#[test]
fn any_value_may_be_any_other() {
    for (decoder, whole) in ALL.iter() {
        let text = std::str::from_utf8(whole.value.as_deref().unwrap()).unwrap();
        for (i, (from, to)) in values(text).into_iter().enumerate() {
            // Two of twelve a place, another two at the next: each value meets each field somewhere.
            for value in [VALUES[i % VALUES.len()], VALUES[(i * 5 + 3) % VALUES.len()]] {
                let text = format!("{}{value}{}", &text[..from], &text[to..]);
                take(decoder, &Record { value: Some(text.into_bytes()), ..whole.clone() });
            }
        }
    }
}

/// An event of our own, with values of every type.
const CANONICAL: &str = r#"[{"v":1,"id":"e1","tenant":"default","source":"s","system":"crm",
    "kind":"patch","entity":{"type":"deal","id":"d1"},"op":"update","time":"2026-03-02T08:00:00Z",
    "time_precision":"s","order":[1,0],"flags":["import"],"set":{"amount":{"value":"1.5",
    "currency":"EUR"},"status":"won","splits":[{"owner":"a","share":"1","type":"revenue"}],
    "probability":"0.5","name":"x","closed_at":"2026-03-02T08:00:00Z"},
    "raw":{"topic":"t","partition":0,"offset":1,"index":0}}]"#;

/// Whoever reads a log or a metric of dead letters must not read of a customer there.
#[test]
fn no_dead_letter_quotes_what_it_could_not_read() {
    let mut buried = 0;
    let canonical = (Arc::new(decoder(System::Canonical)), record(CANONICAL));
    for (decoder, whole) in ALL.iter().chain([&canonical]) {
        let text = std::str::from_utf8(whole.value.as_deref().unwrap()).unwrap();
        for (from, to) in values(text) {
            let text = format!("{}\"Ana Lopez <ana@example.com>\"{}", &text[..from], &text[to..]);
            let record = Record { value: Some(text.into_bytes()), ..whole.clone() };
            for dead in decoder.take(&record, now()).dead_letters {
                buried += 1;
                let told = &dead.reason.message;
                assert!(!told.contains("Ana") && !told.contains("example.com"), "{told}");
            }
        }
    }
    assert!(buried > 500, "{buried}");
}

#[test]
fn headers_may_be_missing() {
    for (decoder, whole) in ALL.iter() {
        assert!(take(decoder, &Record { headers: Vec::new(), ..whole.clone() }) > 0);
    }
}

proptest! {
    #[test]
    fn a_cut_record_is_a_dead_letter(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let (decoder, whole) = which.get(&ALL);
        let bytes = whole.value.as_deref().unwrap().trim_ascii();
        // Of a form nobody knows that it goes on.
        prop_assume!(bytes.starts_with(b"{") || bytes.starts_with(b"["));
        let cut = bytes[..at.index(bytes.len() - 1) + 1].to_vec();
        if cut.len() < bytes.len() {
            let record = Record { value: Some(cut), ..whole.clone() };
            let taken = decoder.take(&record, now());
            prop_assert_eq!((taken.events.len(), taken.dead_letters.len()), (0, 1));
        }
    }

    #[test]
    fn changed_bytes_never_panic(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte: u8) {
        let (decoder, whole) = which.get(&ALL);
        let mut bytes = whole.value.clone().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        take(decoder, &Record { value: Some(bytes), ..whole.clone() });
    }
}
