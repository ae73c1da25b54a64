//! The shipped mappings, each over fixtures of ours in the shapes that its vendor documents.

use std::path::PathBuf;
use std::sync::Arc;

use tidemark::config::{Config, PACKS, load_mapping, mapping_from_toml};
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

/// The blocks of a language in the page about mappings.
fn blocks(language: &str) -> Vec<&'static str> {
    let page = include_str!("../../docs/mapping.md");
    let open = format!("```{language}\n");
    page.split(open.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_page_about_mappings_is_true() {
    let page = include_str!("../../docs/mapping.md");
    let mut seen = 0;
    for block in blocks("toml") {
        if block.contains("[[map]]") {
            mapping_from_toml(block, "page.toml").unwrap_or_else(|e| panic!("{e}"));
            continue;
        }
        // The file that the first one names is not there.
        let block = block.replace("mappings/own.toml", "odoo");
        let config = Config::from_toml(&block, "page.toml", std::iter::empty());
        let config = config.unwrap_or_else(|e| panic!("{e}"));
        seen += config.sources.iter().filter(|s| s.reading.mapping.is_some()).count();
    }
    assert_eq!(seen, PACKS.len() + 2);
    for name in packs() {
        assert!(page.contains(&format!("### `{name}`")), "{name} is not in docs/mapping.md");
    }
    let mapping = mapping_from_toml(blocks("toml")[1], "page.toml").unwrap();
    let mut decoder = decoder(System::Canonical);
    decoder.reading.mapping = Some(Arc::new(mapping));
    let record = record(blocks("json")[0]);
    let told = shown(&decoder.take(&record, now()));
    let set = r#""set":{"amount":{"value":"1250.5","currency":"EUR"},"owner":"7","stage":"offer","status":"won","x.region":"west"}"#;
    assert!(told.contains(set) && told.contains(r#"{"type":"deal","id":"1"}"#), "{told}");
}

/// Every key that a mapping may have is explained: the faults list them all.
#[test]
fn every_key_of_a_mapping_is_on_its_page() {
    let page = include_str!("../../docs/mapping.md");
    for text in [
        "nothing = 1\n[[map]]\nentity = {}\n",
        "[[map]]\nnothing_known = 1\n",
        "[[map]]\n[map.set]\nname = { nothing_known = 1 }\n",
    ] {
        let told = mapping_from_toml(text, "page.toml").unwrap_err().to_string();
        let keys = told.split("the keys here are ").nth(1).unwrap();
        for key in keys.lines().next().unwrap().split(", ") {
            let key = key.trim_matches('"');
            let named = page.contains(&format!("`{key}`")) || page.contains(&format!("[[{key}]]"));
            assert!(named, "{key} is not in docs/mapping.md");
        }
    }
}
