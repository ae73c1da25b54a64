//! Nothing that is fed is lost from the counts: each element is an event, a dead letter or test data,
//! and each event is counted, too late, or ignored for a reason. On a real broker.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use tidemark::log::{Offset, Record, TopicPartition};
use tidemark::model::time::{Span, Timestamp};

use crate::job::Job;
use crate::process::{Process, pause};
use crate::support::{await_some, kafka_bootstrap};

/// Of each composition so many deals.
const DEALS: usize = 40;

/// The sum of all series of a metric whose labels hold `label`.
fn metric(instance: &mut Process, name: &str, label: &str) -> u64 {
    let (_, page) = instance.get("/metrics").unwrap();
    let of = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|r| r.starts_with([' ', '{']) && r.contains(label))
    };
    let values = page.lines().filter(of).filter_map(|l| l.rsplit_once(' ')?.1.parse::<f64>().ok());
    values.sum::<f64>() as u64
}

/// An event so many days ago, at the same moment for all of a run.
fn event(id: &str, kind: &str, entity: &str, days: i64, rest: &str) -> String {
    static NOW: OnceLock<i64> = OnceLock::new();
    let now = Timestamp::from_millis(*NOW.get_or_init(tidemark::clock::wall_ms));
    let time = now - Span::days(days);
    format!(
        "{{\"id\":\"{id}\",\"entity\":{{\"type\":\"{kind}\",\"id\":\"{entity}\"}},\
         \"time\":\"{time}\"{rest}}}"
    )
}

/// Waits until a topic holds `n` records, and reads them all.
fn await_records(job: &Job, topic: &str, n: usize) -> Vec<Record> {
    let partitions = job.log.describe(topic).unwrap().unwrap().partitions;
    let parts = (0..partitions).map(|p| (TopicPartition::new(topic, p), Offset(0)));
    let parts: Vec<_> = parts.collect();
    let mut reader = job.log.reader().unwrap();
    reader.assign(&parts).unwrap();
    let mut found = Vec::new();
    await_some(&format!("{n} records in {topic}"), Duration::from_secs(60), || {
        reader.poll(1000, Duration::from_millis(200), &mut found).unwrap();
        (found.len() >= n && parts.iter().all(|(p, _)| reader.ended(p))).then_some(())
    });
    assert_eq!(found.len(), n, "{topic}");
    found
}

fn header(record: &Record, name: &str) -> String {
    String::from_utf8_lossy(record.header(name).unwrap_or_default()).into_owned()
}

fn values(records: &[Record]) -> Vec<String> {
    let text = |r: &Record| String::from_utf8_lossy(r.value.as_deref().unwrap()).into_owned();
    let mut values: Vec<String> = records.iter().map(text).collect();
    values.sort();
    values
}

/// The feed: what is counted first, so that the rest meets entities that are there.
fn first() -> Vec<String> {
    let deal = |i| {
        let set = ",\"op\":\"create\",\"set\":{\"owner\":\"r\",\"amount\":{\"value\":\"5\",\"currency\":\"USD\"}}";
        event(&format!("made-{i}"), "deal", &format!("D-{i}"), 60, set)
    };
    (0..DEALS).map(deal).collect()
}

/// One of each kind for each deal; a record of several elements is an array.
fn second() -> Vec<String> {
    let mut records = Vec::new();
    for i in 0..DEALS {
        let deal = format!("D-{i}");
        let say = |id: &str, days: i64, rest: &str| {
            event(&format!("{id}-{i}"), "deal", &deal, days, rest)
        };
        let won = say("won", 57, ",\"set\":{\"status\":\"won\"}");
        let named = say("named", 56, ",\"set\":{\"name\":\"a better name\"}");
        let test = say("test", 56, ",\"flags\":[\"test\"],\"set\":{\"status\":\"lost\"}");
        let gap = say("gap", 56, ",\"kind\":\"gap\"");
        let rep = event(&format!("rep-{i}"), "rep", &format!("A-{i}"), 56, "");
        records.push(format!("[{won},{named}, {{\"id\":\"no entity {i}\"}} ,{i}]"));
        records.push(first()[i].clone());
        records.extend([test, gap, rep, format!("not json {i}")]);
    }
    records
}

/// An old deal for each: created and won years behind the retention.
fn too_late() -> Vec<String> {
    let old = |i| {
        let set = ",\"op\":\"create\",\"set\":{\"owner\":\"r\"}";
        event(&format!("old-{i}"), "deal", &format!("O-{i}"), 2000, set)
    };
    (0..DEALS).map(old).collect()
}

/// Waits until the ledger has folded so many events.
fn await_folded(instance: &mut Process, n: u64) {
    await_some(&format!("{n} events are folded"), Duration::from_secs(60), || {
        let folded = metric(instance, "tidemark_events_folded_total", "");
        if folded < n {
            pause();
        }
        (folded >= n).then_some(())
    });
}

#[test]
fn every_element_fed_is_accounted_for_once() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let extra = "[slices]\nday_retention = \"800d\"\n[intake]\nbreaker_percent = 100\n";
    let job = Job::new(&bootstrap, "conserve", extra);
    job.create_topics();
    let n = DEALS as u64;
    let mut instance = job.start("a");
    job.feed(&first());
    await_folded(&mut instance, n);
    // All that follows shall lie behind the watermark of its shard: the sources are quiet by now.
    let yesterday = u64::try_from(tidemark::clock::wall_ms() / 1000).unwrap() - 86_400;
    let shards = u64::from(job.config.definition.shards);
    await_some("every shard's watermark passed the events", Duration::from_secs(60), || {
        let marks = "tidemark_watermark_timestamp_seconds";
        let passed = metric(&mut instance, marks, "stage=\"ledger\"") > shards * yesterday;
        if !passed {
            pause();
        }
        passed.then_some(())
    });
    job.feed(&second());
    job.feed(&too_late());
    // Won, named, repeated, gap, rep and old.
    await_folded(&mut instance, n * 7);

    let mut of = |name: &str, label: &str| metric(&mut instance, name, label);
    let ignored = "tidemark_events_ignored_total";
    let (events, dead) = (of("tidemark_events_total", ""), of("tidemark_dead_letters_total", ""));
    let test = of(ignored, "reason=\"test\"");
    assert_eq!((events, dead, test), (n * 7, n * 3, n));
    // A record of the second feed is one element, but for one in six, which is an array of four.
    let fed = first().len() + second().len() + DEALS * 3 + too_late().len();
    assert_eq!(fed as u64, events + dead + test);
    let reasons = ["duplicate_or_older", "gap", "entity_not_counted", "nothing_counted"];
    let by_reason = reasons.map(|reason| of(ignored, &format!("reason=\"{reason}\"")));
    assert_eq!(by_reason, [n, n, n, n]);
    let (counted, too_late_n) =
        (of("tidemark_events_counted_total", ""), of("tidemark_too_late_total", ""));
    assert_eq!((counted, too_late_n), (n * 2, n));
    let folded = of("tidemark_events_folded_total", "");
    assert_eq!(folded, counted + too_late_n + by_reason.iter().sum::<u64>());
    assert_eq!(folded, events);
    // Of all that lay behind the watermark, only the wins amended what was complete.
    assert_eq!(of("tidemark_late_total", ""), n);

    set_aside(&job);
}

/// The dead letters and the events that came too late, record by record.
fn set_aside(job: &Job) {
    let topics = job.config.topics();
    let dead = await_records(job, &topics.dlq, DEALS * 3);
    let mut expected: Vec<String> = Vec::new();
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    for record in &dead {
        *codes.entry(header(record, "tidemark.error.code")).or_default() += 1;
        assert_eq!(header(record, "tidemark.error.topic"), job.source);
        assert_eq!(header(record, "tidemark.error.stage"), "intake");
    }
    for i in 0..DEALS {
        let bad = [format!("{{\"id\":\"no entity {i}\"}}"), i.to_string(), format!("not json {i}")];
        expected.extend(bad);
    }
    expected.sort();
    assert_eq!(values(&dead), expected);
    let told = [("MISSING_ENTITY".to_owned(), DEALS), ("NOT_AN_EVENT".to_owned(), DEALS * 2)];
    assert_eq!(codes, BTreeMap::from(told));

    let late = await_records(job, &topics.late, DEALS);
    let mut ids: Vec<String> = values(&late);
    ids.retain(|value| value.contains("\"old-"));
    assert_eq!(ids.len(), DEALS);
    ids.dedup();
    assert_eq!(ids.len(), DEALS);
    for record in &late {
        assert_eq!(header(record, "tidemark.late.reason"), "behind slices.day_retention");
        let origin = header(record, "tidemark.late.origin");
        assert!(origin.starts_with(&format!("{}/", topics.events)), "{origin}");
    }
    await_records(job, &topics.gaps, DEALS);
}
