//! Any bytes on the events topic, event, progress or loss, are folded or refused, never a panic.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tidemark::config::Config;
use tidemark::intake::{Stored, read_stored};
use tidemark::ledger::Ledger;
use tidemark::model::record::{Offset, Partition, Record};

fuzz_target!(|data: &[u8]| {
    let definition = Arc::new(Config::defaults().definition);
    let mut ledger = Ledger::new(definition.clone(), Partition(0));
    for (i, line) in data.split(|b| *b == b'\n').enumerate() {
        // Progress, losses, or events.
        let (key, at) = match line.first() {
            Some(b'!') => ("beat|t|0", 1),
            Some(b'?') => ("lost|t|0", 1),
            _ => ("k", 0),
        };
        let record = Record {
            topic: "t".into(),
            partition: Partition(0),
            offset: Offset(i as u64),
            timestamp_ms: None,
            key: Some(key.into()),
            value: Some(line[at..].to_vec()),
            headers: Vec::new(),
        };
        match read_stored(&record, &definition.calendar) {
            Ok(Stored::Event(event)) => drop(ledger.apply(record.offset, &event)),
            Ok(Stored::Beat(beat)) => ledger.beat(record.offset, &beat),
            Ok(Stored::Lost(lost)) => ledger.lose(record.offset, &lost),
            Err(_) => ledger.skip(record.offset),
        }
    }
    ledger.publish();
    let image = ledger.image();
    assert_eq!(Ledger::restore(definition, Partition(0), &image).expect("own image").image(), image);
});
