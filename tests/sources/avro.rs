//! Avro as JSON: against the writer of the `apache-avro` crate, and against bytes that nobody wrote.

use std::collections::HashMap;

use apache_avro::types::Value;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tidemark::intake::Schema;

/// A schema, a value of it, and the JSON that it is.
#[derive(Clone, Debug)]
struct Case {
    schema: Json,
    value: Value,
    json: Json,
}

fn case(schema: Json, value: Value, json: Json) -> Case {
    Case { schema, value, json }
}

fn leaf() -> impl Strategy<Value = Case> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..20);
    let base64 = |bytes: &[u8]| {
        use base64::Engine as _;
        json!(base64::engine::general_purpose::STANDARD.encode(bytes))
    };
    prop_oneof![
        Just(case(json!("null"), Value::Null, json!(null))),
        any::<bool>().prop_map(|b| case(json!("boolean"), Value::Boolean(b), json!(b))),
        any::<i32>().prop_map(|n| case(json!("int"), Value::Int(n), json!(n))),
        any::<i64>().prop_map(|n| case(json!({"type": "long"}), Value::Long(n), json!(n))),
        any::<f32>().prop_map(|x| {
            let text = serde_json::to_string(&x).unwrap();
            case(json!("float"), Value::Float(x), serde_json::from_str(&text).unwrap())
        }),
        any::<f64>().prop_map(|x| {
            let text = serde_json::to_string(&x).unwrap();
            case(json!("double"), Value::Double(x), serde_json::from_str(&text).unwrap())
        }),
        any::<String>().prop_map(|s| case(json!("string"), Value::String(s.clone()), json!(s))),
        bytes().prop_map(move |b| case(json!("bytes"), Value::Bytes(b.clone()), base64(&b))),
        (0u32..3).prop_map(|n| {
            let schema = json!({"type": "enum", "name": "E", "symbols": ["a", "b", "c"]});
            let symbol = ["a", "b", "c"][n as usize];
            case(schema, Value::Enum(n, symbol.to_owned()), json!(symbol))
        }),
        (0i64..4_000_000_000_000).prop_map(|n| {
            let schema = json!({"type": "long", "logicalType": "timestamp-millis"});
            let at = tidemark::model::time::Timestamp::from_millis(n);
            case(schema, Value::TimestampMillis(n), json!(at.to_string()))
        }),
        (0i64..4_000_000_000_000_000).prop_map(|n| {
            let schema = json!({"type": "long", "logicalType": "local-timestamp-micros"});
            let text = tidemark::model::time::Timestamp(n).to_string();
            case(schema, Value::LocalTimestampMicros(n), json!(text.trim_end_matches('Z')))
        }),
        any::<i128>().prop_map(|n| {
            let schema =
                json!({"type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 3});
            let digits = format!("{:04}", n.unsigned_abs());
            let (whole, rest) = digits.split_at(digits.len() - 3);
            let text = format!("{}{whole}.{rest}", if n < 0 { "-" } else { "" });
            let number = serde_json::from_str(&text).unwrap();
            case(schema, Value::Decimal(n.to_be_bytes().to_vec().into()), number)
        }),
    ]
}

fn nested() -> impl Strategy<Value = Case> {
    // Named types may be defined once: names are made different by what they hold.
    leaf().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            // All items are of one schema, which those of a value of it are.
            (inner.clone(), 0usize..4).prop_map(|(item, n)| {
                let schema = json!({"type": "array", "items": item.schema});
                case(schema, Value::Array(vec![item.value; n]), json!(vec![item.json; n]))
            }),
            (inner.clone(), any::<String>()).prop_map(|(item, key)| {
                let schema = json!({"type": "map", "values": item.schema});
                let map = HashMap::from([(key.clone(), item.value)]);
                case(schema, Value::Map(map), json!({key: item.json}))
            }),
            inner
                .clone()
                .prop_filter("no union in a union", |c| {
                    !c.schema.is_array() && c.schema != json!("null")
                })
                .prop_map(|c| {
                    let value = Value::Union(1, Box::new(c.value));
                    case(json!(["null", c.schema]), value, c.json)
                }),
            (inner.clone(), inner).prop_map(|(a, b)| {
                let schema = json!({"type": "record", "name": "R", "fields": [
                    {"name": "a", "type": a.schema}, {"name": "b", "type": b.schema}]});
                let fields = vec![("a".to_owned(), a.value), ("b".to_owned(), b.value)];
                case(schema, Value::Record(fields), json!({"a": a.json, "b": b.json}))
            }),
        ]
    })
}

/// Gives every named type a name of its own.
fn named(schema: &mut Json, n: &mut u32) {
    match schema {
        Json::Object(object) => {
            if let Some(name) = object
                .get_mut("name")
                .filter(|name| name.as_str().is_some_and(|s| s.len() == 1 && s < "a"))
            {
                *n += 1;
                *name = json!(format!("N{n}"));
            }
            object.values_mut().for_each(|inner| named(inner, n));
        }
        Json::Array(all) => all.iter_mut().for_each(|inner| named(inner, n)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn what_the_crate_writes_is_read_the_same(case in nested()) {
        let Case { mut schema, value, json } = case;
        named(&mut schema, &mut 0);
        let text = schema.to_string();
        let theirs = apache_avro::Schema::parse_str(&text).unwrap();
        let writer = apache_avro::writer::datum::GenericDatumWriter::builder(&theirs).build().unwrap();
        let mut bytes = Vec::new();
        writer.write_value(&mut bytes, value).unwrap();
        let ours = Schema::avro(&text, &[]).unwrap();
        let read = ours.to_json(&bytes, 1 << 20).map_err(|r| r.message);
        let read: Json = serde_json::from_str(&read.unwrap()).unwrap();
        prop_assert_eq!(read, json, "{}", text);
        // Cut anywhere it ends early, and says so.
        for end in 0..bytes.len() {
            prop_assert!(ours.to_json(&bytes[..end], 1 << 20).is_err());
        }
    }

    #[test]
    fn any_bytes_end_and_are_bounded(case in nested(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut schema = case.schema;
        named(&mut schema, &mut 0);
        let ours = Schema::avro(&schema.to_string(), &[]).unwrap();
        if let Ok(text) = ours.to_json(&bytes, 1000) {
            prop_assert!(text.len() <= 1000);
            serde_json::from_str::<Json>(&text).unwrap();
        }
    }

    #[test]
    fn any_text_is_a_schema_or_is_refused(text in "\\PC*", json in r#"[\[{]?("type"|"name"|"fields"|:|,|"record"|"array"|"items"|[{}\[\]]|"x"){0,20}"#) {
        let _ = Schema::avro(&text, &[]);
        let _ = Schema::avro(&json, &[]);
    }
}

fn read(schema: &str, bytes: &[u8]) -> Result<String, String> {
    Schema::avro(schema, &[]).unwrap().to_json(bytes, 10_000).map_err(|r| r.message)
}

/// What would make a careless reader call itself, count or allocate without end.
#[test]
fn hostile_values_end_at_a_limit() {
    // A list as deep as the bytes say, and one that needs no bytes at all.
    let list = r#"{"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]}]}"#;
    assert_eq!(read(list, &[2, 2, 0]).unwrap(), r#"{"n":{"n":{"n":null}}}"#);
    assert!(read(list, &[2; 100_000]).unwrap_err().contains("deep"));
    let endless = r#"{"type":"record","name":"A","fields":[{"name":"a","type":"A"}]}"#;
    assert!(read(endless, &[]).unwrap_err().contains("deep"));
    // Items of no bytes, as many as a number can say; the end may never come.
    let nulls = r#"{"type":"array","items":"null"}"#;
    let many = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert!(read(nulls, &many).unwrap_err().contains("more than 10000 bytes"));
    let least = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0];
    assert!(read(nulls, &least).unwrap_err().contains("more than 10000 bytes"));
    assert!(read("\"string\"", &many).unwrap_err().contains("ends early"));
    assert!(read("\"long\"", &[0xff; 11]).unwrap_err().contains("64 bits"));
    assert!(read("\"bytes\"", &[1]).unwrap_err().contains("negative"));
    assert!(read("\"null\"", &[1]).unwrap_err().contains("1 bytes are left"));
    assert!(read(r#"["null","long"]"#, &[4]).unwrap_err().contains("a branch"));
    // A block may state its size, for those who skip it.
    assert_eq!(read(r#"{"type":"array","items":"long"}"#, &[3, 4, 2, 4, 0]).unwrap(), "[1,2]");
}

#[test]
fn values_become_what_a_person_writes() {
    for (schema, bytes, json) in [
        (r#"{"type":"int","logicalType":"date"}"#, &[0xc4, 0xc0, 0x02][..], "\"2026-03-02\""),
        (r#"{"type":"int","logicalType":"time-millis"}"#, &[2], "\"00:00:00.001\""),
        (
            r#"{"type":"long","logicalType":"timestamp-nanos"}"#,
            &[2],
            "\"1970-01-01T00:00:00.000000001Z\"",
        ),
        (
            r#"{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}"#,
            &[2],
            "\"1969-12-31T23:59:59.999999\"",
        ),
        (
            r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#,
            &[4, 0xff, 0x85],
            "-1.23",
        ),
        (
            r#"{"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":4}"#,
            &[1, 0],
            "256",
        ),
        (r#"{"type":"fixed","name":"F","size":2}"#, &[1, 0], "\"AQA=\""),
        ("\"double\"", &[0, 0, 0, 0, 0, 0, 0xf0, 0x7f], "null"),
        ("\"double\"", &[0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f], "0.1"),
        (
            r#"{"type":"record","name":"VariableScaleDecimal","namespace":"io.debezium.data","fields":[
                {"name":"scale","type":"int"},{"name":"value","type":"bytes"}]}"#,
            &[6, 4, 0x13, 0x88],
            "5.000",
        ),
    ] {
        let bytes: Vec<u8> = match schema.contains("MicroTimestamp") {
            true => vec![1],
            false => bytes.to_vec(),
        };
        assert_eq!(read(schema, &bytes).unwrap(), json, "{schema}");
    }
    let uuid = r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#;
    let bytes: Vec<u8> = (0..16).collect();
    assert_eq!(read(uuid, &bytes).unwrap(), "\"00010203-0405-0607-0809-0a0b0c0d0e0f\"");
}

#[test]
fn schemas_may_refer_to_others_and_to_themselves() {
    let inner = r#"{"type":"enum","name":"Kind","namespace":"a","symbols":["x","y"]}"#;
    let outer = r#"{"type":"record","name":"R","namespace":"a","fields":[
        {"name":"k","type":"Kind"},{"name":"l","type":"a.Kind"}]}"#;
    let schema = Schema::avro(outer, &[inner.to_owned()]).unwrap();
    assert_eq!(schema.to_json(&[0, 2], 100).unwrap(), r#"{"k":"x","l":"y"}"#);
    let said = Schema::avro(outer, &[]).unwrap_err().message;
    assert_eq!(said, "the schema of Avro: it names \"a.Kind\", which it does not define");
    // As deep as JSON itself is read.
    let deep = format!("{}\"null\"{}", r#"{"type":"array","items":"#.repeat(500), "}".repeat(500));
    assert!(Schema::avro(&deep, &[]).unwrap_err().message.contains("not JSON"));
}
