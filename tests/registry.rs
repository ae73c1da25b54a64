//! Intake with a schema registry that is away, there, slow, or does not have it. The registry is a
//! real HTTP server in this process, which speaks Confluent's API as its reference says.
#![cfg(feature = "registry")]

#[path = "support/instance.rs"]
mod instance;
#[path = "support/registry.rs"]
mod registry;

use std::sync::Arc;
use std::time::Duration;

use apache_avro::types::{Record as AvroRecord, Value};
use instance::{Clocks, context};
use registry::{Registry, framed};
use tidemark::app;
use tidemark::clock::monotonic;
use tidemark::config::Config;
use tidemark::intake::{Stored, read_stored};
use tidemark::log::memory::MemoryLog;
use tidemark::log::{Log, Offset, Outgoing, Partition, Record, TopicPartition};
use tidemark::model::time::Timestamp;
use tidemark::runtime::{Context, STAGES, Worker};

const DEAL: &str = r#"{"type":"record","name":"Deal","namespace":"sales","fields":[
    {"name":"id","type":"string"},{"name":"entity","type":"sales.Entity"},
    {"name":"time","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#;
const ENTITY: &str = r#"{"type":"record","name":"Entity","namespace":"sales","fields":[
    {"name":"type","type":"string"},{"name":"id","type":"string"}]}"#;

/// A deal in Avro.
fn deal(id: &str) -> Vec<u8> {
    let whole = DEAL.replace("\"sales.Entity\"", ENTITY);
    let schema = apache_avro::Schema::parse_str(&whole).unwrap();
    let mut record = AvroRecord::new(&schema).unwrap();
    record.put("id", format!("e-{id}"));
    let entity = [("type", "deal"), ("id", id)];
    let entity = entity.map(|(name, value)| (name.to_owned(), Value::String(value.to_owned())));
    record.put("entity", Value::Record(entity.to_vec()));
    record.put("time", Value::TimestampMillis(1_772_442_000_000));
    registry::avro(&schema, record)
}

fn job(url: &str, extra: &str) -> (Arc<Config>, MemoryLog, Clocks) {
    let text = format!(
        "[app]\nname = \"t\"\n[[sources]]\nname = \"crm\"\ntopics = [\"source\"]\n\
         [topology]\nshards = 1\npartitions = 1\n[windows]\nrolling = []\ncalendar = [\"day\"]\n\
         [segments]\nsets = [\"overall\"]\n[time]\nidle_after = \"1s\"\n\
         [schema_registry]\nurl = \"{url}\"\ntimeout = \"2s\"\n{extra}"
    );
    let env = [("SECRET".to_owned(), "s3cret".to_owned())];
    let config = Arc::new(Config::from_toml(&text, "t.toml", env.into_iter()).unwrap());
    let log = MemoryLog::default();
    app::create_sources(&config, &log, 2).unwrap();
    app::create_topics(&config, &log).unwrap();
    // 2026-03-02T12:00:00Z
    (config, log, Clocks::new(Timestamp(1_772_452_800_000_000)))
}

fn feed(log: &MemoryLog, partition: u32, value: Vec<u8>) {
    let (topic, partition) = ("source".into(), Partition(partition));
    let out = Outgoing { topic, partition, key: None, value: Some(value), headers: Vec::new() };
    log.append(out, None).unwrap();
}

fn plain(id: &str) -> Vec<u8> {
    format!(
        "{{\"id\":\"{id}\",\"entity\":{{\"type\":\"deal\",\"id\":\"{id}\"}},\
         \"time\":\"2026-03-02T10:00:00Z\"}}"
    )
    .into_bytes()
}

fn read(log: &MemoryLog, topic: &str) -> Vec<Record> {
    let partitions = log.describe(topic).unwrap().unwrap().partitions;
    let mut reader = log.reader().unwrap();
    let at: Vec<_> = (0..partitions).map(|p| (TopicPartition::new(topic, p), Offset(0))).collect();
    reader.assign(&at).unwrap();
    let mut out = Vec::new();
    while reader.poll(1000, Duration::ZERO, &mut out).unwrap() > 0 {}
    out
}

/// The deals of the events topic, each once.
fn deals(log: &MemoryLog) -> Vec<String> {
    let key = |r: Record| String::from_utf8(r.key.unwrap()).unwrap();
    let keys = read(log, "t.events").into_iter().map(key);
    let mut out: Vec<String> =
        keys.filter_map(|k| Some(k.strip_prefix("default/deal/")?.to_owned())).collect();
    out.sort();
    out.dedup();
    out
}

fn open(context: &Context) -> Box<dyn Worker> {
    let (_, open) = STAGES.iter().find(|(name, _)| *name == "intake").unwrap();
    open(context).unwrap()
}

/// Steps the worker, while time passes, until it is so.
fn until(worker: &mut Box<dyn Worker>, clocks: &Clocks, what: &str, is: impl Fn() -> bool) {
    let deadline = monotonic() + Duration::from_secs(30);
    while !is() {
        assert!(monotonic() < deadline, "never: {what}");
        clocks.pass(300);
        worker.step().unwrap();
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn readiness(context: &Context) -> String {
    context.health.checks().into_iter().find_map(|(_, state)| state.err()).unwrap_or_default()
}

fn metric(context: &Context, name: &str) -> f64 {
    let families = context.telemetry.registry().gather();
    let family = families.iter().find(|f| f.name() == name);
    family.map_or(0.0, |f| {
        let value =
            |m: &prometheus::proto::Metric| m.get_counter().get_value() + m.get_gauge().get_value();
        f.get_metric().iter().map(value).sum()
    })
}

#[test]
fn a_registry_that_is_away_holds_up_its_partition_and_nothing_is_lost() {
    let registry = Registry::start();
    registry.put(7, DEAL, &[("entities/a b", 3)]);
    registry.put_version("entities/a b", 3, ENTITY);
    registry.set_away(true);
    let (config, log, clocks) = job(&registry.url, "");
    let context = context(&config, Arc::new(log.clone()), &clocks);
    let mut worker = open(&context);
    feed(&log, 0, plain("first"));
    feed(&log, 0, framed(7, &deal("second")));
    feed(&log, 0, plain("third"));
    feed(&log, 1, plain("other"));
    until(&mut worker, &clocks, "it waits", || readiness(&context).contains("waits"));
    until(&mut worker, &clocks, "it asks again", || registry.asked() > 2);
    // The other partition goes on; what lies behind the record waits, in order.
    assert_eq!(deals(&log), ["first", "other"]);
    let said = readiness(&context);
    assert!(said.contains("source[0] waits at offset 1: the schema registry is away"), "{said}");
    assert!(said.contains("answers 503"), "{said}");
    assert_eq!(metric(&context, "tidemark_stopped"), 1.0);
    assert!(metric(&context, "tidemark_schema_fetches_total") >= 2.0);
    // It is quiet, and yet not idle: the watermark of the shards waits for it.
    for record in read(&log, "t.events") {
        if let Ok(Stored::Beat(beat)) = read_stored(&record, &config.definition.calendar) {
            assert!(beat.partition == 1 || (!beat.idle && beat.next <= 1), "{beat:?}");
        }
    }
    // Nothing behind the record is committed.
    worker.finish().unwrap();
    let mut member = log.join("t.events.intake", &["source"]).unwrap();
    let at = member.committed(&[TopicPartition::new("source", 0)]).unwrap();
    assert_eq!(at[0].map(|p| p.next), Some(Offset(1)));
    member.leave();

    let mut worker = open(&context);
    until(&mut worker, &clocks, "it waits again", || readiness(&context).contains("waits"));
    registry.set_away(false);
    until(&mut worker, &clocks, "all came", || deals(&log).len() == 4);
    assert_eq!(deals(&log), ["first", "other", "second", "third"]);
    assert_eq!((readiness(&context).as_str(), metric(&context, "tidemark_stopped")), ("", 0.0));
    assert_eq!(read(&log, "t.dlq").len(), 0);
    // What is known is not asked for again.
    let asked = registry.asked();
    feed(&log, 1, framed(7, &deal("fifth")));
    until(&mut worker, &clocks, "the fifth came", || deals(&log).len() == 5);
    assert_eq!(registry.asked(), asked);
}

#[test]
fn what_the_registry_does_not_have_is_a_dead_letter() {
    let registry = Registry::start();
    registry.put(1, "{\"type\":\"record\"}", &[]);
    registry.put(2, DEAL, &[("gone", 1)]);
    registry.put_kind(3, "PROTOBUF", "syntax = \"proto3\";");
    registry.put_kind(4, "JSON", "{}");
    let (config, log, clocks) = job(&registry.url, "");
    let context = context(&config, Arc::new(log.clone()), &clocks);
    let mut worker = open(&context);
    for id in [9, 1, 2, 3, 4] {
        feed(&log, 0, framed(id, &deal("x")));
    }
    feed(&log, 0, framed(9, &plain("json")));
    until(&mut worker, &clocks, "the last one came", || deals(&log) == ["json"]);
    let codes: Vec<(String, String)> = read(&log, "t.dlq")
        .iter()
        .map(|r| {
            let text = |name: &str| String::from_utf8_lossy(r.header(name).unwrap()).into_owned();
            (text("tidemark.error.code"), text("tidemark.error.message"))
        })
        .collect();
    let expected = [
        ("UNKNOWN_SCHEMA", "schema 9: the registry does not have it: Schema 9 not found"),
        ("UNKNOWN_SCHEMA", "schema 1: the schema of Avro: record has no \"name\""),
        ("UNKNOWN_SCHEMA", "schema 2: the registry does not have it: Subject 'gone' not found."),
        (
            "UNKNOWN_SCHEMA",
            "schema 3: the schema is of Protobuf, which is not read: write Avro or JSON",
        ),
        ("DECODE_JSON", "schema 4: the schema is of JSON, and the value is not JSON"),
    ];
    assert_eq!(codes, expected.map(|(code, why)| (code.to_owned(), why.to_owned())));
}

/// Registries before Confluent Platform 8.0 have no GUIDs.
#[test]
fn a_guid_that_an_old_registry_cannot_know_is_a_dead_letter() {
    let registry = Registry::start();
    registry.without_guids();
    let (config, log, clocks) = job(&registry.url, "");
    let context = context(&config, Arc::new(log.clone()), &clocks);
    let mut worker = open(&context);
    feed(&log, 0, [&[1_u8; 17], &deal("x")[..]].concat());
    feed(&log, 0, plain("next"));
    until(&mut worker, &clocks, "the next one came", || deals(&log) == ["next"]);
    let dead = read(&log, "t.dlq");
    let said = String::from_utf8_lossy(dead[0].header("tidemark.error.message").unwrap());
    assert!(said.contains("too old for GUIDs"), "{said}");
}

/// The first URL is nobody's; a wrong password is no reason to bury anything.
#[test]
fn several_urls_are_tried_and_credentials_are_sent() {
    let registry = Registry::start();
    registry.put(7, &DEAL.replace("\"sales.Entity\"", ENTITY), &[]);
    registry.demand("Basic bWU6czNjcmV0");
    let urls = format!("http://127.0.0.1:9,{}", registry.url);
    for (extra, good) in [
        ("username = \"me\"\npassword = { env = \"SECRET\" }\n", true),
        ("token = { env = \"SECRET\" }\n", false),
    ] {
        let (config, log, clocks) = job(&urls, extra);
        assert!(!format!("{config:?}").contains("s3cret"));
        let context = context(&config, Arc::new(log.clone()), &clocks);
        let mut worker = open(&context);
        feed(&log, 0, framed(7, &deal("x")));
        if good {
            until(&mut worker, &clocks, "it came", || deals(&log) == ["x"]);
        } else {
            until(&mut worker, &clocks, "it waits", || {
                readiness(&context).contains("it refuses the credentials")
            });
        }
    }
}
