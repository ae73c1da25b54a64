//! The shipped mappings, each over fixtures of ours in the shapes that its vendor documents.

use std::path::PathBuf;
use std::sync::Arc;

use tidemark::config::{PACKS, load_mapping};
use tidemark::intake::Decoder;
use tidemark::model::record::Record;
use tidemark::model::source::System;

use crate::{decoder, now, record, shown};

/// A source that is read by a mapping.
pub fn mapped(mapping: &str) -> Decoder {
    let mut decoder = decoder(System::Canonical);
    decoder.reading.mapping = Some(Arc::new(load_mapping(mapping).unwrap()));
    decoder
}

/// The names of the shipped mappings.
pub fn packs() -> impl Iterator<Item = &'static str> {
    PACKS.iter().map(|(name, _)| *name)
}

/// The fixtures of a mapping: JSON, and forms as text.
pub fn fixtures(pack: &str) -> Vec<PathBuf> {
    let dir = format!("{}/tests/fixtures/mappings/{pack}", env!("CARGO_MANIFEST_DIR"));
    let all = std::fs::read_dir(dir).unwrap();
    let mut out: Vec<PathBuf> = all.map(|entry| entry.unwrap().path()).collect();
    out.sort();
    out
}

fn read(file: &PathBuf) -> Record {
    record(&std::fs::read_to_string(file).unwrap())
}

#[test]
fn every_shipped_mapping_has_fixtures_and_each_gives_what_was_read_by_a_person() {
    for pack in packs() {
        let files = fixtures(pack);
        assert!(!files.is_empty(), "no fixtures of {pack}");
        let decoder = mapped(pack);
        for file in files {
            let record = read(&file);
            let taken = decoder.take(&record, now());
            let name = file.file_stem().unwrap().to_str().unwrap();
            insta::assert_snapshot!(format!("{pack}__{name}"), shown(&taken));
        }
    }
}
