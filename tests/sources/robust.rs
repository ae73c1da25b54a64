//! Whatever happens to a record on its way, it ends as events, ignored, test data or dead letters.

use std::sync::LazyLock;

use proptest::prelude::*;
use tidemark::intake::{Stored, encode_event, read_stored};
use tidemark::model::record::Record;
use tidemark::model::source::System;

use crate::{decoder, fixtures, natives, now, record};

/// All fixtures of all systems.
static ALL: LazyLock<Vec<(System, Record)>> = LazyLock::new(|| {
    let of = |system| fixtures(system).into_iter().map(move |file| (system, file));
    let read = |(system, file)| (system, record(&std::fs::read_to_string(file).unwrap()));
    natives().flat_map(of).map(read).collect()
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
fn take(system: System, record: &Record) -> usize {
    let decoder = decoder(system);
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
    for (system, record) in ALL.iter() {
        assert!(take(*system, record) > 0);
    }
}

#[test]
fn any_value_may_be_any_other() {
    for (system, whole) in ALL.iter() {
        let text = std::str::from_utf8(whole.value.as_deref().unwrap()).unwrap();
        for (i, (from, to)) in values(text).into_iter().enumerate() {
            // Two of twelve a place, another two at the next: each value meets each field somewhere.
            for value in [VALUES[i % VALUES.len()], VALUES[(i * 5 + 3) % VALUES.len()]] {
                let text = format!("{}{value}{}", &text[..from], &text[to..]);
                take(*system, &Record { value: Some(text.into_bytes()), ..whole.clone() });
            }
        }
    }
}

#[test]
fn headers_may_be_missing() {
    for (system, whole) in ALL.iter() {
        assert!(take(*system, &Record { headers: Vec::new(), ..whole.clone() }) > 0);
    }
}

proptest! {
    #[test]
    fn a_cut_record_is_a_dead_letter(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let (system, whole) = which.get(&ALL);
        let bytes = whole.value.as_deref().unwrap().trim_ascii();
        let cut = bytes[..at.index(bytes.len() - 1) + 1].to_vec();
        if cut.len() < bytes.len() {
            let record = Record { value: Some(cut), ..whole.clone() };
            let taken = decoder(*system).take(&record, now());
            prop_assert_eq!((taken.events.len(), taken.dead_letters.len()), (0, 1));
        }
    }

    #[test]
    fn changed_bytes_never_panic(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte: u8) {
        let (system, whole) = which.get(&ALL);
        let mut bytes = whole.value.clone().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        take(*system, &Record { value: Some(bytes), ..whole.clone() });
    }
}
