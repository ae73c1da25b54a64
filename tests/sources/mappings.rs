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

/// A rule over rows; what the events of these records say.
fn rows(more: &str, bodies: &[String]) -> String {
    let text =
        format!("system = \"crm\"\n[[map]]\nentity = {{ type = \"deal\", id = \"id\" }}\n{more}");
    let mut decoder = decoder(System::Canonical);
    decoder.reading.mapping = Some(Arc::new(mapping_from_toml(&text, "own.toml").unwrap()));
    let mut record = record(&format!("[{}]", bodies.join(",")));
    record.timestamp_ms = Some(1_752_000_000_000);
    shown(&decoder.take(&record, now()))
}

fn orders(bodies: &[String]) -> Vec<[i64; 2]> {
    let mapping =
        "[[map]]\nentity = { type = \"deal\", id = \"id\" }\n[map.set]\nstage = \"stage\"\n";
    let mapping = format!("system = \"crm\"\n{mapping}");
    let mut decoder = decoder(System::Canonical);
    decoder.reading.mapping = Some(Arc::new(mapping_from_toml(&mapping, "own.toml").unwrap()));
    let record = record(&format!("[{}]", bodies.join(",")));
    let taken = decoder.take(&record, now());
    assert_eq!(taken.dead_letters, []);
    taken.events.iter().map(|event| event.order).collect()
}

#[test]
fn a_row_of_a_snapshot_without_position_never_beats_a_change_that_has_one() {
    let body = |op: &str, source: &str| {
        format!(
            r#"{{"op":"{op}","before":null,"after":{{"id":1,"stage":"{op}"}},"source":{{"ts_ms":1652513039549,{source}}}}}"#
        )
    };
    let live = body("u", r#""connector":"mysql","file":"binlog.000003","pos":157"#);
    for source in [
        r#""connector":"mysql","file":"","pos":0"#,
        r#""connector":"postgresql""#,
        r#""lsn":null"#,
        r#""change_lsn":null,"commit_lsn":null"#,
    ] {
        let snapshot = body("r", source);
        assert_eq!(orders(&[snapshot.clone(), live.clone()]), [[0, 0], [3, 157]], "{source}");
        assert_eq!(orders(&[live.clone(), snapshot]), [[3, 157], [0, 0]], "{source}");
    }
    // What has no positions is ordered by its time.
    assert_eq!(orders(&[body("r", r#""connector":"own""#)]), [[1_652_513_039_549, 0]]);
}

#[test]
fn a_row_of_a_snapshot_that_looks_like_an_insert_is_one_of_a_snapshot() {
    for (snapshot, op) in [
        (r#""true""#, "snapshot"),
        ("true", "snapshot"),
        (r#""last""#, "snapshot"),
        (r#""false""#, "create"),
        ("false", "create"),
        ("null", "create"),
    ] {
        let body = format!(
            r#"{{"op":"c","after":{{"id":1}},"source":{{"connector":"mysql","snapshot":{snapshot},"ts_ms":0}}}}"#
        );
        let told = rows("", &[body]);
        assert!(told.contains(&format!(r#""op":"{op}""#)), "{snapshot}: {told}");
        assert!(told.contains("\"time\":\"2025-07-08T"), "{told}");
    }
}

#[test]
fn a_deletion_is_dated_by_the_change_feed() {
    let mapping = "time = { from = \"updated_at\", time = \"rfc3339\" }\n";
    for before in [r#"{"id":1}"#, r#"{"id":1,"updated_at":"2025-01-01T00:00:00Z"}"#] {
        let body = format!(
            r#"{{"op":"d","before":{before},"after":null,"source":{{"lsn":900,"ts_ms":1752438400000}}}}"#
        );
        let told = rows(mapping, &[body]);
        assert!(told.contains("1752438400000") && told.contains("2025-07-13T"), "{told}");
    }
}

/// What a row was ordered by is not in its key: its deletion comes behind all changes before it, or
/// says what is missing.
#[test]
fn a_deletion_that_knows_the_key_alone_has_its_place_among_the_changes() {
    let ts = 1_752_438_400_000_i64;
    let update = format!(
        r#"{{"op":"u","before":null,"after":{{"id":1,"at":"2025-07-13T20:26:40Z","n":9}},"source":{{"lsn":1,"ts_ms":{ts}}}}}"#
    );
    let gone = |before: &str, ts: i64| {
        format!(r#"{{"op":"d","before":{before},"after":null,"source":{{"lsn":2,"ts_ms":{ts}}}}}"#)
    };
    let keyed = [r#"{"id":1}"#, r#"{"id":1,"at":null,"n":null}"#];
    let at = r#"{ from = "at", time = "rfc3339" }"#;
    let of = |order: &str, body: &str| {
        let told =
            rows(&format!("order = [{order}]\n[map.set]\nname = \"n\"\n"), &[body.to_owned()]);
        match told.split_once("\"order\":[") {
            Some((_, rest)) => rest.split(']').next().unwrap().to_owned(),
            None => told,
        }
    };
    let numbers = |text: String| -> Vec<i64> {
        text.split(',').map(|n| n.trim().parse().unwrap_or_else(|_| panic!("{text}"))).collect()
    };
    let by_time = format!("{at}, \"n\"");
    let changed = numbers(of(&by_time, &update));
    assert_eq!(changed, [ts, 9]);
    for before in keyed {
        let deleted = numbers(of(&by_time, &gone(before, ts)));
        assert!(deleted > changed && deleted < vec![ts + 1, 0], "{deleted:?}");
        assert!(numbers(of("\"n\"", &gone(before, ts))) > changed);
        // Nothing says where it belongs among numbers of the source's own.
        let told = of("\"n\", \"id\"", &gone(before, ts));
        assert!(told.contains("MISSING_FIELD") && told.contains("REPLICA IDENTITY FULL"), "{told}");
    }
    // The row as it was says so, and what is deleted wins over what was last.
    let whole = gone(r#"{"id":1,"at":"2025-07-13T20:26:40Z","n":9}"#, ts + 5);
    assert_eq!(numbers(of("\"n\", \"id\"", &whole)), [9, 1]);
}

/// A connector's decimals are read as such whether or not an envelope had their schema; a decimal
/// without places looks like base64.
#[test]
fn decimals_that_an_envelope_converted_are_read_as_they_are() {
    let set = "[map.set]\namount = { from = \"value\", money = \"connect\", scale = 2 }\n";
    let with = |scale: i32, value: &str| {
        let decimal = format!(
            r#"{{"field":"value","type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{{"scale":"{scale}"}}}}"#
        );
        format!(
            r#"{{"schema":{{"type":"struct","fields":[{decimal}]}},"payload":{{"id":1,"value":{value}}}}}"#
        )
    };
    for (body, amount) in [
        (r#"{"id":1,"value":"AeI6"}"#.to_owned(), "1234.5"),
        (with(2, "\"AeI6\""), "1234.5"),
        (with(0, "\"BNI=\""), "1234"),
        (with(-2, "\"Ew==\""), "1900"),
        (with(2, "1234.50"), "1234.5"),
    ] {
        let told = rows(set, std::slice::from_ref(&body));
        let expected = format!(r#""amount":{{"value":"{amount}","currency":"EUR"}}"#);
        assert!(told.contains(&expected), "{body}: {told}");
    }
}

/// `{"id": null}` is nobody, as `null` is; an object of another shape is no value.
#[test]
fn what_is_null_inside_is_null() {
    let set = "[map.set]\nowner = { coalesce = [\"a.id\", \"a\"] }\n";
    for (given, expected) in [
        (r#"{"id":"7","name":"Ana"}"#, r#""owner":"7""#),
        (r#""7""#, r#""owner":"7""#),
        (r#"{"id":null,"name":"Ana"}"#, r#""owner":null"#),
        ("null", r#""owner":null"#),
        (r#"{"uid":"7"}"#, "owner: expected a single value, found an object"),
    ] {
        let told = rows(set, &[format!("{{\"id\":1,\"a\":{given}}}")]);
        assert!(told.contains(expected), "{given}: {told}");
    }
}
