//! What each part of the mapping language does, one small mapping each.

use std::sync::Arc;

use serde_json::Value;
use tidemark::config::mapping_from_toml;
use tidemark::intake::{Decoder, Intake, encode_event};
use tidemark::model::record::{Header, Record};
use tidemark::model::source::System;

use crate::{decoder, now, record};

fn by(text: &str) -> Decoder {
    let mapping = mapping_from_toml(text, "own.toml").unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut decoder = decoder(System::Canonical);
    decoder.reading.mapping = Some(Arc::new(mapping));
    decoder
}

/// A rule about a deal whose time is `t`.
fn deal(more: &str) -> String {
    format!(
        "[[map]]\nentity = {{ type = \"deal\", id = \"id\" }}\n\
         time = {{ from = \"t\", time = \"ms\" }}\n{more}\n"
    )
}

const ROW: &str = r#""id":"1","t":1772438400000"#;

/// The record of a body; the rest of a row stands behind id and time.
fn row(rest: &str) -> Record {
    let mut record = record(&format!("{{{ROW},{rest}}}"));
    record.key = Some(b"the key".to_vec());
    record.timestamp_ms = Some(1_772_438_400_999);
    record.headers.push(Header::new("http.X-Kind", "web"));
    record
}

/// The events as JSON, or what was wrong.
fn told(taken: &Intake<'_>) -> Result<Vec<Value>, String> {
    if let Some(dead) = taken.dead_letters.first() {
        return Err(format!("{}: {}", dead.reason.code.as_str(), dead.reason.message));
    }
    Ok(taken.events.iter().map(|e| serde_json::from_slice(&encode_event(e)).unwrap()).collect())
}

/// What a value gives for a field of a deal: its JSON; nothing where it is not stated.
fn value(field: &str, value: &str, rest: &str) -> Result<String, String> {
    let decoder = by(&deal(&format!("[map.set]\nname = {{ const = \"n\" }}\n{field} = {value}")));
    let record = row(rest);
    let event = told(&decoder.take(&record, now()))?.remove(0);
    let field = field.trim_matches('"');
    Ok(event["set"].get(field).map_or(String::new(), Value::to_string))
}

#[test]
fn texts_are_taken_as_they_are_and_changed_in_a_fixed_order() {
    for (expr, rest, expected) in [
        (r#""a""#, r#""a":"x""#, r#""x""#),
        (r#""a""#, r#""a":17"#, r#""17""#),
        (r#""a""#, r#""a":true"#, r#""true""#),
        (r#""a""#, r#""a":null"#, "null"),
        (r#""a""#, r#""a":"""#, "null"),
        (r#""a""#, r#""b":1"#, ""),
        (r#""a.b[1].c""#, r#""a":{"b":[0,{"c":"x"}]}"#, r#""x""#),
        (r#""a[-1]""#, r#""a":["x","y"]"#, r#""y""#),
        (r#""a[-3]""#, r#""a":["x","y"]"#, ""),
        (r#""a[k=b].v""#, r#""a":[{"k":"a","v":1},{"k":"b","v":2},{"k":"b","v":3},7]"#, r#""2""#),
        (r#""a[k=2].v""#, r#""a":[{"k":2,"v":"x"}]"#, r#""x""#),
        (r#"'["a.b"]'"#, r#""a.b":"x""#, r#""x""#),
        (r#""a.b""#, r#""a":"x""#, ""),
        (r#"{ const = "k" }"#, r#""a":1"#, r#""k""#),
        (r#"{ coalesce = ["a", "b", "c"] }"#, r#""a":null,"c":"x""#, r#""x""#),
        (r#"{ coalesce = ["a", "b"] }"#, r#""b":null"#, "null"),
        (r#"{ coalesce = ["a", "b"] }"#, r#""c":1"#, ""),
        (r#"{ concat = ["a", "b"], by = "/" }"#, r#""a":"x","b":2"#, r#""x/2""#),
        (r#"{ concat = ["a", "b"] }"#, r#""a":"x""#, ""),
        (r#"{ concat = ["a", "b"] }"#, r#""a":"x","b":null"#, "null"),
        (r#"{ header = "x-kind" }"#, r#""a":1"#, r#""web""#),
        (r#"{ key = true }"#, r#""a":1"#, r#""the key""#),
        (r#"{ from = "a", first = true }"#, r#""a":["x","y"]"#, r#""x""#),
        (r#"{ from = "a", last = true }"#, r#""a":["x","y"]"#, r#""y""#),
        (r#"{ from = "a", last = true }"#, r#""a":[]"#, "null"),
        (r#"{ from = "a", first = true }"#, r#""a":"x""#, r#""x""#),
        (r#"{ from = "a", trim = true }"#, r#""a":"  x ""#, r#""x""#),
        (r#"{ from = "a", trim = true }"#, r#""a":"  ""#, "null"),
        (r#"{ from = "a", trim_prefix = "p:" }"#, r#""a":"p:x""#, r#""x""#),
        (r#"{ from = "a", trim_prefix = "p:" }"#, r#""a":"x""#, r#""x""#),
        (r#"{ from = "a", split = { by = ".", n = 1 } }"#, r#""a":"x.y.z""#, r#""y""#),
        (r#"{ from = "a", split = { by = ".", n = -1 } }"#, r#""a":"x.y.z""#, r#""z""#),
        (r#"{ from = "a", split = { by = ".", n = 5 } }"#, r#""a":"x.y.z""#, ""),
        (r#"{ from = "a", replace = { find = " ", with = "_" } }"#, r#""a":"x y z""#, r#""x_y_z""#),
        (r#"{ from = "a", lower = true }"#, r#""a":"ÄB""#, r#""äb""#),
        (r#"{ from = "a", upper = true }"#, r#""a":"äb""#, r#""ÄB""#),
        (r#"{ from = "a", map = { x = "y" } }"#, r#""a":"x""#, r#""y""#),
        (r#"{ from = "a", map = { 1 = "y" } }"#, r#""a":1"#, r#""y""#),
        (r#"{ from = "a", map = { x = "y" }, else = "z" }"#, r#""a":"w""#, r#""z""#),
        (r#"{ from = "a", map = { x = "y" }, unlisted = "keep" }"#, r#""a":"w""#, r#""w""#),
        (r#"{ from = "a", map = { x = "y" }, unlisted = "leave" }"#, r#""a":"w""#, ""),
        (r#"{ from = "a", map = { x = "y" } }"#, r#""a":null"#, "null"),
        (r#"{ from = "a", hash = true }"#, r#""a":"x""#, "\"b0d4d9ebc5396df87af4db0ddd4f4b5a\""),
        (
            r#"{ from = { from = "a", map = { x = "Y" } }, lower = true, trim = true }"#,
            r#""a":"x""#,
            r#""y""#,
        ),
        (
            r#"{ from = "a", trim = true, trim_prefix = "p.", split = { by = ".", n = 0 }, replace = { find = "-", with = "" }, upper = true, map = { XY = "z" } }"#,
            r#""a":" p.x-y.q ""#,
            r#""z""#,
        ),
    ] {
        let given = value("stage", expr, rest);
        if expr.contains("hash") {
            let hash = given.unwrap();
            assert_eq!((hash.len(), value("stage", expr, rest)), (34, Ok(hash.clone())));
            continue;
        }
        assert_eq!(given.as_deref(), Ok(expected), "{expr} of {rest}");
    }
}

#[test]
fn numbers_money_and_booleans_are_exact() {
    for (field, expr, rest, expected) in [
        ("probability", r#""a""#, r#""a":0.35"#, "0.35"),
        ("probability", r#"{ from = "a", number = "percent" }"#, r#""a":35"#, "0.35"),
        ("probability", r#"{ from = "a", number = true }"#, r#""a":" 7e-1 ""#, "0.7"),
        ("probability", r#"{ from = "a", neg = true }"#, r#""a":"-0.5""#, "0.5"),
        ("active", r#"{ from = "a", bool = true }"#, r#""a":"Yes""#, "true"),
        ("active", r#"{ from = "a", bool = true }"#, r#""a":0"#, "false"),
        ("active", r#""a""#, r#""a":false"#, "false"),
    ] {
        assert_eq!(value(field, expr, rest).as_deref(), Ok(expected), "{expr} of {rest}");
    }
    for (expr, rest, amount, currency) in [
        (r#"{ from = "a", money = "major" }"#, r#""a":50000.10"#, "50000.1", "EUR"),
        (
            r#"{ from = "a", money = "cents", currency = "c" }"#,
            r#""a":"995","c":"jpy""#,
            "9.95",
            "JPY",
        ),
        (
            r#"{ from = "a", money = "minor", currency = "c" }"#,
            r#""a":995,"c":"JPY""#,
            "995",
            "JPY",
        ),
        (
            r#"{ from = "a", money = "minor", currency = "c" }"#,
            r#""a":995,"c":"KWD""#,
            "0.995",
            "KWD",
        ),
        (r#"{ from = "a", money = "minor" }"#, r#""a":995"#, "9.95", "EUR"),
        (
            r#"{ from = "a", money = "minor", currency = "c" }"#,
            r#""a":995,"c":null"#,
            "9.95",
            "EUR",
        ),
        (r#"{ from = "a", money = "micros" }"#, r#""a":1250500000"#, "1250.5", "EUR"),
        (
            r#"{ from = "a", money = "major", currency = { const = "USD" } }"#,
            r#""a":"1e3""#,
            "1000",
            "USD",
        ),
        // 1234.50 and -0.01 with two decimals; the same as a number, and with another scale.
        (r#"{ from = "a", money = "connect", scale = 2 }"#, r#""a":"AeI6""#, "1234.5", "EUR"),
        (r#"{ from = "a", money = "connect", scale = 2 }"#, r#""a":"/w==""#, "-0.01", "EUR"),
        (r#"{ from = "a", money = "connect", scale = 2 }"#, r#""a":1234.50"#, "1234.5", "EUR"),
        (
            r#"{ from = "a", money = "connect", scale = 2 }"#,
            r#""a":{"scale":1,"value":"AeI6"}"#,
            "12345",
            "EUR",
        ),
        (r#"{ from = "a", money = "connect", scale = -2 }"#, r#""a":"Ew==""#, "1900", "EUR"),
        (
            r#"{ from = "a", money = "connect", scale = 2 }"#,
            r#""a":{"scale":-2,"value":"/w=="}"#,
            "-100",
            "EUR",
        ),
    ] {
        let expected = format!("{{\"value\":\"{amount}\",\"currency\":\"{currency}\"}}");
        assert_eq!(value("amount", expr, rest), Ok(expected), "{expr} of {rest}");
    }
}

#[test]
fn times_have_a_form_and_dates_a_zone() {
    for (expr, given, expected) in [
        (r#"time = "rfc3339""#, r#""2026-03-02T09:00:00+01:00""#, "2026-03-02T08:00:00Z"),
        (r#"time = "s""#, "1772438400", "2026-03-02T08:00:00Z"),
        (r#"time = "s""#, "1772438400.25", "2026-03-02T08:00:00.250Z"),
        (r#"time = "ms""#, r#""1772438400123""#, "2026-03-02T08:00:00.123Z"),
        (r#"time = "us""#, "1772438400000123", "2026-03-02T08:00:00.000123Z"),
        (r#"time = "days", zone = "UTC""#, "20514", "2026-03-02T00:00:00Z"),
        (r#"time = "date", zone = "UTC""#, r#""2026-03-02""#, "2026-03-02T00:00:00Z"),
        // Of the configuration: Berlin.
        (r#"time = "date""#, r#""2026-03-02T00:00:00Z""#, "2026-03-01T23:00:00Z"),
        (r#"time = "naive""#, r#""2026-03-02 08:00:00.5""#, "2026-03-02T08:00:00.500Z"),
        (
            r#"time = "naive", zone = "America/New_York""#,
            r#""2026-07-02T08:00:00""#,
            "2026-07-02T12:00:00Z",
        ),
        (r#"time = "dotnet""#, r#""/Date(1772438400123+0100)/""#, "2026-03-02T08:00:00.123Z"),
        (r#"time = "dotnet""#, r#""/Date(1772438400123)/""#, "2026-03-02T08:00:00.123Z"),
    ] {
        let expr = format!("{{ from = \"a\", {expr} }}");
        let told = value("created_at", &expr, &format!("\"a\":{given}"));
        assert_eq!(told, Ok(format!("\"{expected}\"")), "{expr} of {given}");
    }
    assert_eq!(
        value("created_at", "{ received = true }", "\"a\":1"),
        Ok("\"2026-03-02T08:00:00.999Z\"".to_owned())
    );
}

/// Field, value, what the source has there, and why it is bad; no reason where it is not.
const BAD: &[(&str, &str, &str, &str)] = &[
    (
        "stage",
        r#""a""#,
        "{}",
        "DECODE_JSON: stage (from a): expected a single value, found an object",
    ),
    (
        "stage",
        r#"{ from = "a", trim = true }"#,
        "[1]",
        "DECODE_JSON: stage (from a): expected a single value, found an array",
    ),
    (
        "status",
        r#""a""#,
        "\"Parked\"",
        "UNKNOWN_VALUE: the status of a deal is none of open, won, lost",
    ),
    (
        "status",
        r#"{ from = "a", map = { Won = "won" } }"#,
        "\"Parked\"",
        "UNKNOWN_VALUE: status (from a): a text, 6 characters long, that is not in the map",
    ),
    ("probability", r#""a""#, "\"half\"", "BAD_AMOUNT: probability (from a): not a decimal number"),
    (
        "active",
        r#"{ from = "a", bool = true }"#,
        "\"maybe\"",
        "DECODE_JSON: active (from a): expected a word for yes or no (true, yes, 1, …)",
    ),
    (
        "amount",
        r#"{ from = "a", money = "major" }"#,
        "\"50,000\"",
        "BAD_AMOUNT: amount (from a): the amount: not a decimal number",
    ),
    (
        "amount",
        r#"{ from = "a", money = "major", currency = { coalesce = ["c", { const = "" }] } }"#,
        "1",
        "",
    ),
    (
        "amount",
        r#"{ from = "a", money = "major", currency = "id" }"#,
        "1",
        "BAD_CURRENCY: amount (from a): the amount: the currency is no code of three letters",
    ),
    (
        "amount",
        r#"{ from = "a", money = "connect", scale = 2 }"#,
        "\"12.50\"",
        "BAD_AMOUNT: amount (from a): no decimal of Kafka Connect: it is not base64; read digits as money = \"major\"",
    ),
    (
        "amount",
        r#"{ from = "a", money = "connect", scale = 2 }"#,
        "true",
        "BAD_AMOUNT: amount (from a): no decimal of Kafka Connect: expected base64 or a number",
    ),
    (
        "amount",
        r#"{ from = "a", money = "connect", scale = 2 }"#,
        "{\"value\":\"AeI6\"}",
        "BAD_AMOUNT: amount (from a): no decimal of Kafka Connect: it is an object without a scale",
    ),
    (
        "amount",
        r#"{ from = "a", money = "connect", scale = -20 }"#,
        "\"AeI6\"",
        "BAD_AMOUNT: amount (from a): the amount: beyond the largest amount, 10^15",
    ),
    (
        "created_at",
        r#"{ from = "a", time = "rfc3339" }"#,
        "\"2026-03-02 08:00:00\"",
        "BAD_TIME: created_at (from a): no time of the form rfc3339",
    ),
    (
        "created_at",
        r#"{ from = "a", time = "naive" }"#,
        "\"2026-03-02T08:00:00Z\"",
        "BAD_TIME: created_at (from a): no time of the form naive",
    ),
    (
        "created_at",
        r#"{ from = "a", time = "date" }"#,
        "\"tomorrow\"",
        "BAD_TIME: created_at (from a): no time of the form date",
    ),
    (
        "created_at",
        r#"{ from = "a", time = "ms" }"#,
        "1e12",
        "BAD_TIME: created_at (from a): no time of the form ms",
    ),
    (
        "created_at",
        r#"{ from = "a", time = "ms" }"#,
        "99999999999999999",
        "BAD_TIME: created_at is dated outside 1970 to 2199",
    ),
    (
        "created_at",
        r#"{ from = "a", time = "rfc3339" }"#,
        "\"2030-01-01T00:00:00Z\"",
        "FUTURE_TIMESTAMP: created_at is dated 2030-01-01T00:00:00Z, beyond time.future_limit",
    ),
];

#[test]
fn what_cannot_be_read_is_a_dead_letter_that_names_the_field() {
    for (field, expr, given, expected) in BAD {
        let told = value(field, expr, &format!("\"a\":{given}"));
        match *expected {
            "" => assert!(told.is_ok(), "{told:?}"),
            _ => assert_eq!(told, Err((*expected).to_owned()), "{expr} of {given}"),
        }
    }
}

/// All that is told of elements that a mapping reads.
fn shown(mapping: &str, body: &str) -> String {
    let decoder = by(mapping);
    let mut record = record(body);
    record.timestamp_ms = Some(1_772_438_400_999);
    crate::shown(&decoder.take(&record, now()))
}

#[test]
fn the_first_rule_that_fits_takes_an_element_and_what_no_rule_takes_is_told() {
    let mapping = [
        "[[map]]\nwhen = { kind = \"b\" }\nignore = \"machine\"\n",
        "[[map]]\nwhen = { kind = [\"a\", 7, true], gone = { exists = false }, left = { not = [\"x\", \"y\"] } }\n",
        "entity = { type = \"lead\", id = \"id\" }\nop = \"create\"\nid = [\"id\"]\n",
        "[[map]]\nwhen = { kind = { exists = true } }\nexplode = \"all\"\n",
        "entity = { type = \"deal\", id = { concat = [\"@.n\", \"kind\"] } }\nid = [\"id\"]\n[map.set]\nstage = \"@.s\"\n",
        "[[map]]\nwhen = { \"@.n\" = 3 }\nexplode = \"all\"\n",
        "entity = { type = \"touch\", id = \"@.n\" }\nid = [\"id\"]\nop = \"create\"\n",
    ]
    .concat();
    let body = r#"[
        {"id":1,"kind":"a"}, {"id":2,"kind":7,"left":"z"}, {"id":3,"kind":true,"gone":null},
        {"id":4,"kind":"a","left":"x","all":[{"n":1,"s":"s1"},{"n":2}]},
        {"id":5,"kind":"a","gone":1}, {"id":6,"kind":"b"}, {"id":7}, {"id":8,"all":[{"n":3},{"n":4}]}
    ]"#;
    insta::assert_snapshot!(shown(&mapping, body));
}

#[test]
fn nulls_clear_fields_unless_the_mapping_says_that_they_are_unknown() {
    let set = "[map.set]\nstage = \"row.stage\"\nowner = \"row.owner\"\nteam = \"row.team\"\n";
    let body = format!(r#"{{{ROW},"row":{{"stage":"s","owner":null,"team":null}},"ch":["team"]}}"#);
    for (nulls, stated) in [
        ("", r#"{"owner":null,"stage":"s","team":null}"#),
        ("nulls = \"cleared\"\n", r#"{"owner":null,"stage":"s","team":null}"#),
        ("nulls = \"unknown\"\n", r#"{"stage":"s"}"#),
        ("nulls = \"unknown\"\nchanged = \"ch\"\n", r#"{"stage":"s","team":null}"#),
    ] {
        let decoder = by(&deal(&format!("{nulls}{set}")));
        let record = record(&body);
        let event = told(&decoder.take(&record, now())).unwrap().remove(0);
        assert_eq!(event["set"].to_string(), stated, "{nulls}");
    }
}

#[test]
fn operations_orders_flags_and_merges_are_told() {
    let mapping = deal(
        "op = { from = \"op\", map = { del = \"delete\", mrg = \"merge\" }, unlisted = \"keep\" }\n\
         merged_into = \"into\"\norder = [\"t\", \"seq\"]\n\
         [map.flags]\nimport = { by = \"csv\" }\ntest = { test = true }\n[map.set]\nname = \"name\"",
    );
    let one = |rest: &str| format!("{{{ROW},{rest}}}");
    let body = [
        one(r#""op":"update","name":"x","seq":9,"by":"csv""#),
        one(r#""op":"del","name":"x""#),
        one(r#""op":"mrg","into":"2","seq":null"#),
        one(r#""op":"upsert","name":"x""#),
        one(r#""op":"update""#),
        one(r#""op":"update","name":"x","test":true"#),
        one(r#""op":"update","name":"x","seq":"soon""#),
        one(r#""name":"x""#),
    ];
    insta::assert_snapshot!(shown(&mapping, &format!("[{}]", body.join(","))));
}

#[test]
fn events_are_named_by_what_happened() {
    let ids = |mapping: &str, bodies: &[String], at: i64| -> Vec<String> {
        let decoder = by(mapping);
        let of = |body: &String| {
            let mut record = record(body);
            record.timestamp_ms = Some(at);
            decoder.take(&record, now()).events[0].id.to_string()
        };
        bodies.iter().map(of).collect()
    };
    let row = |id: &str, t: i64, name: &str, attempt: u32| {
        format!(r#"{{"id":"{id}","t":{t},"name":"{name}","attempt":{attempt}}}"#)
    };
    let t = 1_772_438_400_000;
    let rows = [row("1", t, "a", 1), row("1", t, "a", 2), row("1", t, "b", 1), row("2", t, "a", 1)];
    // What it states, where the mapping names nothing; a delivery makes no difference.
    let set = "[map.set]\nname = \"name\"";
    let told = ids(&deal(set), &rows, t);
    assert!(told[0] == told[1] && told[0] != told[2] && told[0] != told[3], "{told:?}");
    assert_eq!(told, ids(&deal(set), &rows, t + 5));
    // What the mapping names, and always the entity.
    let told = ids(&deal(&format!("id = [\"t\"]\n{set}")), &rows, t);
    assert!(told[0] == told[1] && told[0] == told[2] && told[0] != told[3], "{told:?}");
    // Parts do not run into each other.
    let two = deal("id = [\"name\", \"attempt\"]\n[map.set]\nname = { const = \"n\" }");
    let told = ids(&two, &[row("1", t, "a1", 1), row("1", t, "a", 11)], t);
    assert_ne!(told[0], told[1]);
    // A record that comes again at another time is the same event.
    let undated =
        "[[map]]\nentity = { type = \"deal\", id = \"id\" }\n[map.set]\nname = \"name\"\n";
    assert_eq!(ids(undated, &rows, t), ids(undated, &rows, t + 5));
    // None of its parts is there: two such events would be one.
    let decoder = by(&deal("id = [\"nowhere\"]\n[map.set]\nname = \"name\""));
    let record = record(&rows[0]);
    let told = told_of(&decoder, &record);
    assert_eq!(told, Err("MISSING_FIELD: each part of id is absent".to_owned()));
}

fn told_of(decoder: &Decoder, record: &Record) -> Result<Vec<Value>, String> {
    told(&decoder.take(record, now()))
}

/// Of every array no more than `intake.max_array` is read, and no more is stated than a record of
/// its size could.
#[test]
fn an_element_cannot_ask_for_more_than_its_size() {
    let many = |text: &str, n: usize| vec![text; n].join(",");
    let explode = "[[map]]\nexplode = \"all\"\nentity = { type = \"deal\", id = { concat = [\"@\", \"id\"] } }\n\
                   id = [\"id\"]\n[map.set]\nname = \"long\"\n";
    let decoder = by(explode);
    let one =
        |all: String, long: &str| record(&format!(r#"{{"id":1,"all":[{all}],"long":"{long}"}}"#));
    let codes = |record: &Record| match told_of(&decoder, record) {
        Ok(events) => events.len().to_string(),
        Err(why) => why.split(':').next().unwrap().to_owned(),
    };
    let with_time = |record: Record| Record { timestamp_ms: Some(1_772_438_400_000), ..record };
    assert_eq!(codes(&with_time(one(many("1", 1000), "x"))), "1000");
    assert_eq!(codes(&with_time(one(many("1", 1001), "x"))), "TOO_MANY");
    assert_eq!(codes(&with_time(one(many("1", 1000), &"x".repeat(100_000)))), "TOO_MANY");
    let grow = by(&deal(
        "[map.set]\nname = { from = \"a\", replace = { find = \"x\", with = \"0123456789\" } }",
    ));
    let record = row(&format!("\"a\":\"{}\"", "x".repeat(200_000)));
    let why = told_of(&grow, &record).unwrap_err();
    assert!(
        why.starts_with("TOO_LARGE: name (from a): a text of more than 1048576 bytes"),
        "{why}"
    );
}

#[test]
fn a_form_is_read_as_objects_and_json_too() {
    let mapping = format!(
        "decode = \"form\"\n{}",
        deal("[map.set]\nname = \"data.merges.FNAME\"").replace("\"ms\"", "\"naive\"")
    );
    let decoder = by(&mapping);
    let form = record("id=1&t=2026-03-02+08%3A00%3A00&data%5Bmerges%5D%5BFNAME%5D=Ana");
    let json = record(r#"{"id":"1","t":"2026-03-02 08:00:00","data":{"merges":{"FNAME":"Ana"}}}"#);
    let told = told_of(&decoder, &form).unwrap();
    assert_eq!(told[0]["set"]["name"], "Ana");
    assert_eq!(told, told_of(&decoder, &json).unwrap());
    let bad = record("id=1");
    assert_eq!(decoder.take(&bad, now()).dead_letters[0].value, bad.value);
}
