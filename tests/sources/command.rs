//! `tidemark decode` as a person at a terminal sees it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn decode(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"))
        .arg("decode")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, usize, String) {
    let events =
        output.stdout.split(|b| *b == b'\n').filter(|l| l.starts_with(b"{\"v\":1,")).count();
    (output.status.code(), events, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn events_go_to_standard_output_and_nothing_was_bad() {
    let (code, events, told) =
        said(&decode(&["--system", "hubspot", "hubspot/v3_deal_life.json"], ""));
    assert_eq!((code, events), (Some(0), 7), "{told}");
    assert_eq!(told, "7 events, 0 ignored, 0 test, 0 dead letters\n");
}

#[test]
fn what_is_ignored_or_bad_is_told_with_file_and_element() {
    let file = "hubspot/v3_other_elements.json";
    let (code, events, told) = said(&decode(&["--system", "hubspot", file], ""));
    assert_eq!((code, events), (Some(1), 12), "{told}");
    for line in [
        "hubspot/v3_other_elements.json, element 6: ignored: field_not_read: notes_last_updated",
        "hubspot/v3_other_elements.json, element 9: dead letter: BAD_AMOUNT: amount: not a decimal number",
        "12 events, 4 ignored, 0 test, 4 dead letters",
        "error: 4 dead letters",
    ] {
        assert!(told.lines().any(|l| l == line), "{line}\n{told}");
    }
    let (_, _, told) = said(&decode(&["--system", "hubspot", "--json", file], ""));
    let first: serde_json::Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    assert_eq!((&first["what"], &first["element"]), (&"ignored".into(), &3.into()));
}

#[test]
fn lines_are_bodies_and_requests_have_headers() {
    let request = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/shopify/orders_paid.json"),
    );
    let request = request.unwrap().replace('\n', " ");
    let input = format!("{request}\n\n{{\"id\":1}}\n");
    let (code, events, told) = said(&decode(&["--system", "shopify", "-"], &input));
    assert_eq!((code, events), (Some(1), 1), "{told}");
    assert!(told.starts_with("-:3: dead letter: UNKNOWN_SHAPE: "), "{told}");
    // A file that is broken is one body that is broken.
    let (code, _, told) = said(&decode(&["--system", "stripe", "-"], "{\n\"id\":\n"));
    assert_eq!(code, Some(1));
    assert!(told.starts_with("-: dead letter: DECODE_JSON: "), "{told}");
}

#[test]
fn who_does_not_say_whose_files_they_are_is_asked() {
    let (code, _, told) = said(&decode(&["close/opportunities.json"], ""));
    assert_eq!(code, Some(2));
    assert!(told.contains("--source NAME, --system SYSTEM, or --mapping MAPPING"), "{told}");
    let (code, _, told) = said(&decode(&["--system", "siebel", "close/opportunities.json"], ""));
    assert_eq!(code, Some(2));
    assert!(told.contains("is none of canonical, hubspot, "), "{told}");
}

#[test]
fn a_source_of_the_configuration_brings_its_settings() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("t.toml");
    let text = "[[sources]]\nname = \"crm\"\nsystem = \"hubspot\"\ntopics = [\"raw\"]\n\
                currency = \"GBP\"\ntenant = \"north\"\nfields = { dealstage = \"x.step\" }\n";
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let file = "hubspot/v3_deal_life.json";
    let output = decode(&["--config", config, "--source", "crm", file], "");
    let events = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for part in [
        "\"currency\":\"GBP\"",
        "\"tenant\":\"north\"",
        "\"source\":\"crm\"",
        "\"x.step\":\"closedwon\"",
    ] {
        assert!(events.contains(part), "{part}\n{events}");
    }
    let (code, _, told) = said(&decode(&["--config", config, "--source", "erp", file], ""));
    assert_eq!(code, Some(2));
    assert!(told.contains("there is no source \"erp\"; the configuration has \"crm\""), "{told}");
}

#[test]
fn framed_bytes_are_read_with_a_schema_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, value) = (dir.path().join("lead.avsc"), dir.path().join("lead.bin"));
    let text = r#"{"type":"record","name":"L","fields":[{"name":"id","type":"string"},
        {"name":"entity","type":{"type":"record","name":"E","fields":[
            {"name":"type","type":"string"},{"name":"id","type":"string"}]}},
        {"name":"time","type":{"type":"int","logicalType":"date"}}]}"#;
    std::fs::write(&schema, text).unwrap();
    std::fs::write(&value, b"\0\0\0\0\x09\x02\n\x08lead\x025\xc4\xc0\x02").unwrap();
    let (schema, value) = (schema.to_str().unwrap(), value.to_str().unwrap());
    let output = decode(&["--system", "canonical", "--schema", schema, value], "");
    let events = String::from_utf8_lossy(&output.stdout).into_owned();
    let (code, n, told) = said(&output);
    assert_eq!((code, n), (Some(0), 1), "{told}");
    assert!(events.contains("\"id\":\"\\n\"") && events.contains("2026-03-0"), "{events}");
    let (code, _, told) = said(&decode(&["--system", "canonical", value], ""));
    assert_eq!(code, Some(1));
    assert!(
        told.contains("dead letter: UNKNOWN_SCHEMA: the value is Avro or Protobuf of schema 9"),
        "{told}"
    );
    let (code, _, told) = said(&decode(&["--system", "canonical", "--schema", value, value], ""));
    assert_eq!(code, Some(2), "{told}");
}

#[test]
fn a_mapping_needs_no_configuration_and_its_faults_are_told() {
    let file = "mappings/copper/notifications.json";
    let (code, events, told) = said(&decode(&["--mapping", "copper", file], ""));
    assert_eq!((code, events), (Some(1), 9), "{told}");
    for line in [
        "mappings/copper/notifications.json, element 9: ignored: entity_not_read: type = company",
        "mappings/copper/notifications.json, element 5: dead letter: UNKNOWN_VALUE: status (from updated_attributes.status[1]): a text, 6 characters long, that is not in the map",
    ] {
        assert!(told.lines().any(|l| l == line), "{line}\n{told}");
    }
    // A lead that has no time came when its record did: now.
    let lead = r#"{"lead_id":"1","campaign_id":2}"#;
    let (code, events, told) = said(&decode(&["--mapping", "google_lead_form", "-"], lead));
    assert_eq!((code, events), (Some(0), 1), "{told}");
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("own.toml");
    std::fs::write(&own, "[[map]]\nentity = { type = \"deel\", id = \"id\" }\n").unwrap();
    let (code, _, told) = said(&decode(&["--mapping", own.to_str().unwrap(), "-"], ""));
    assert_eq!(code, Some(2));
    assert!(told.contains("own.toml:2:19") && told.contains("did you mean \"deal\"?"), "{told}");
    let (code, _, told) = said(&decode(&["--mapping", "none.toml", "-"], ""));
    assert_eq!(code, Some(2));
    assert!(told.contains("none.toml"), "{told}");
}

/// Numbers from a file of what a mapped system sends.
#[test]
fn a_replay_reads_a_mapped_source() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(
        path("t.toml"),
        "[[sources]]\nname = \"crm\"\nmapping = \"odoo\"\ntopics = [\"raw\"]\ncurrency = \"USD\"\n",
    )
    .unwrap();
    let won = r#"{"_id":42,"_model":"crm.lead","type":"opportunity","expected_revenue":51000.0,"probability":100.0,"active":true,"create_date":"2026-03-02 08:00:00","write_date":"2026-03-04 10:00:00"}"#;
    std::fs::write(path("in.jsonl"), won).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .args(["replay", "--config", &path("t.toml"), "--source", "crm"])
        .args(["--input", &path("in.jsonl"), "--output", "-"])
        .output()
        .unwrap();
    let (rows, told) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(told.starts_with("1 records, 1 events"), "{told}");
    let month = rows.lines().find(|row| row.contains("\"month\"") && row.contains("51000"));
    assert!(month.is_some_and(|row| row.contains("\"deals_won\"")), "{rows}");
}
