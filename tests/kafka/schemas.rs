//! Values in Confluent's framing on a real broker, with a schema registry that is away first.

use std::time::Duration;

use apache_avro::Schema;
use apache_avro::types::Value;
use tidemark::log::{Header, Outgoing, Partition};

use crate::job::Job;
use crate::process::pause;
use crate::registry::{Registry, avro, framed};
use crate::rows::{await_rows, company};
use crate::support::{await_some, fresh_name, kafka_bootstrap};

const OUTBOX: &str = r#"{"type":"record","name":"Envelope","namespace":"shop.public.outbox","fields":[
    {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
        {"name":"id","type":"long"},{"name":"payload","type":"string"}]}]},
    {"name":"after","type":["null","Value"]},
    {"name":"source","type":{"type":"record","name":"Source","fields":[
        {"name":"connector","type":"string"},{"name":"ts_ms","type":"long"},
        {"name":"table","type":"string"},{"name":"lsn","type":["null","long"]}]}},
    {"name":"op","type":"string"}]}"#;

const CHANGE: &str = r#"{"type":"record","name":"OpportunityChangeEvent","namespace":"io.confluent.salesforce","fields":[
    {"name":"ReplayId","type":["null","string"]},
    {"name":"ChangeEventHeader","type":{"type":"record","name":"Header","fields":[
        {"name":"entityName","type":"string"},
        {"name":"recordIds","type":{"type":"array","items":"string"}},
        {"name":"changeType","type":"string"},
        {"name":"transactionKey","type":"string"},
        {"name":"sequenceNumber","type":"int"},
        {"name":"commitTimestamp","type":"long"},
        {"name":"commitNumber","type":"long"},
        {"name":"changedFields","type":{"type":"array","items":"string"}},
        {"name":"nulledFields","type":{"type":"array","items":"string"}}]}},
    {"name":"OwnerId","type":["null","string"]},
    {"name":"Amount","type":["null",{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}]},
    {"name":"CurrencyIsoCode","type":["null","string"]},
    {"name":"IsWon","type":["null","boolean"]},
    {"name":"IsClosed","type":["null","boolean"]},
    {"name":"_ObjectType","type":"string"},
    {"name":"_EventType","type":"string"}]}"#;

fn record(fields: Vec<(&str, Value)>) -> Value {
    Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn some(value: Value) -> Value {
    Value::Union(1, Box::new(value))
}

fn none() -> Value {
    Value::Union(0, Box::new(Value::Null))
}

/// A row of an outbox, as Debezium's connector for Postgres tells of it.
fn change(schema: &Schema, id: usize, op: &str, payload: &str) -> Vec<u8> {
    let row = some(record(vec![("id", Value::Long(id as i64)), ("payload", text(payload))]));
    let source = record(vec![
        ("connector", text("postgresql")),
        ("ts_ms", Value::Long(tidemark::clock::wall_ms())),
        ("table", text("outbox")),
        ("lsn", some(Value::Long(id as i64))),
    ]);
    let (before, after) = if op == "d" { (row, none()) } else { (none(), row) };
    avro(
        schema,
        record(vec![("before", before), ("after", after), ("source", source), ("op", text(op))]),
    )
}

/// A won opportunity, as Confluent's connector writes it; and the canonical event that it is.
fn opportunity(schema: &Schema, i: i64, at: i64) -> (Vec<u8>, String) {
    let list = || Value::Array(vec![text("Amount"), text("OwnerId")]);
    let id = format!("0065g00000XyZ{i:05}");
    let header = record(vec![
        ("entityName", text("Opportunity")),
        ("recordIds", Value::Array(vec![text(&id)])),
        ("changeType", text("CREATE")),
        ("transactionKey", text(&format!("t-{i}"))),
        ("sequenceNumber", Value::Int(1)),
        ("commitTimestamp", Value::Long(at)),
        ("commitNumber", Value::Long(1_725_357_365_187_780_609)),
        ("changedFields", list()),
        ("nulledFields", Value::Array(Vec::new())),
    ]);
    let value = record(vec![
        ("ReplayId", none()),
        ("ChangeEventHeader", header),
        ("OwnerId", some(text("rep-of-salesforce"))),
        ("Amount", some(Value::Decimal((1_000_050 + i).to_be_bytes().to_vec().into()))),
        ("CurrencyIsoCode", some(text("USD"))),
        ("IsWon", some(Value::Boolean(true))),
        ("IsClosed", some(Value::Boolean(true))),
        ("_ObjectType", text("Opportunity")),
        ("_EventType", text("created")),
    ]);
    let time = tidemark::model::time::Timestamp::from_millis(at);
    let cents = 1_000_050 + i;
    let canonical = format!(
        "{{\"id\":\"{id}\",\"entity\":{{\"type\":\"deal\",\"id\":\"{id}\"}},\"op\":\"create\",\
         \"time\":\"{time}\",\"set\":{{\"owner\":\"rep-of-salesforce\",\"status\":\"won\",\
         \"amount\":{{\"value\":\"{}.{:02}\",\"currency\":\"USD\"}}}}}}",
        cents / 100,
        cents % 100,
    );
    (avro(schema, value), canonical)
}

fn send(job: &Job, topic: &str, values: Vec<(Option<Vec<u8>>, Vec<Header>)>) {
    let mut writer = job.log.writer().unwrap();
    for (i, (value, headers)) in values.into_iter().enumerate() {
        let (topic, partition) = (topic.into(), Partition(i as u32 % crate::job::SOURCES));
        writer.send(Outgoing { topic, partition, key: None, value, headers }).unwrap();
    }
    writer.flush(Duration::from_secs(60)).unwrap();
}

/// The rows are those of the same events, had they come as canonical JSON.
#[test]
fn framed_change_events_count_once_their_schemas_are_there() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let registry = Registry::start();
    registry.put(11, OUTBOX, &[]);
    let guid: Vec<u8> = (0..16).collect();
    registry.put("00010203-0405-0607-0809-0a0b0c0d0e0f", CHANGE, &[]);
    registry.set_away(true);
    let (outbox, salesforce) = (fresh_name("outbox"), fresh_name("salesforce"));
    let extra = format!(
        "[[sources]]\nname = \"shop\"\nenvelope = \"debezium\"\ntopics = [\"{outbox}\"]\n\
         [[sources]]\nname = \"sf\"\nsystem = \"salesforce\"\nenvelope = \"confluent\"\n\
         topics = [\"{salesforce}\"]\n[schema_registry]\nurl = \"{}\"\n",
        registry.url
    );
    let job = Job::new(&bootstrap, "schemas", &extra);
    job.create_topics();
    let mut instance = job.start("a");
    let mut events = company(43, 20);
    let schema = Schema::parse_str(OUTBOX).unwrap();
    let mut changes = Vec::new();
    for (i, event) in events.iter().enumerate() {
        changes.push((Some(framed(11, &change(&schema, i, "c", event))), Vec::new()));
        // An outbox is emptied behind its back, and Kafka compacts what is gone.
        changes.push((Some(framed(11, &change(&schema, i, "d", ""))), Vec::new()));
        changes.push((None, Vec::new()));
    }
    let schema = Schema::parse_str(CHANGE).unwrap();
    let now = tidemark::clock::wall_ms();
    let mut opportunities = Vec::new();
    for i in 0..30 {
        let (value, canonical) = opportunity(&schema, i, now - (i + 1) * 3_600_000);
        // The framing of version 1: before the value, or in a header.
        let frame = [&[1], &guid[..]].concat();
        opportunities.push(match i % 2 {
            0 => (Some([frame, value].concat()), Vec::new()),
            _ => (Some(value), vec![Header::new("__value_schema_id", frame)]),
        });
        events.push(canonical);
    }
    send(&job, &outbox, changes);
    send(&job, &salesforce, opportunities);
    let said = await_some("the partitions wait for the registry", Duration::from_secs(60), || {
        pause();
        let (_, said) = instance.get("/readyz?verbose")?;
        said.contains("the schema registry is away").then_some(said)
    });
    assert!(said.contains("waits at offset 0"), "{said}");
    registry.set_away(false);
    await_rows(&mut instance, &job.expected(&events));
    instance.ready();
    let (_, page) = instance.get("/metrics").unwrap();
    let dead = page.lines().filter(|line| line.starts_with("tidemark_dead_letters_total{"));
    assert!(dead.clone().count() > 10 && dead.clone().all(|line| line.ends_with(" 0")), "{page}");
    assert!(page.contains("tidemark_schema_fetches_total{result=\"found\"} 2"), "{page}");
}
