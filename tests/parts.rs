//! Parts that cannot go on, and the others that do: what was to be read next is gone, a topic was
//! created anew, nothing that comes is an event, a record breaks a fold, foreign bytes on our topics.

#[path = "parts/deals.rs"]
mod deals;
#[path = "support/instance.rs"]
mod instance;
#[path = "parts/latency.rs"]
mod latency;
#[path = "parts/rules.rs"]
mod rules;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use instance::{Clocks, context};
use tidemark::app;
use tidemark::config::Config;
use tidemark::log::memory::MemoryLog;
use tidemark::log::{Log, Offset, Outgoing, Partition, Record, TopicPartition};
use tidemark::model::partial::PartialMessage;
use tidemark::model::time::Timestamp;
use tidemark::runtime::{Context, Fault, STAGES, Worker};

/// Two partitions, one shard; `extra` is more of the `[intake]` section.
fn job(extra: &str) -> (Arc<Config>, MemoryLog, Clocks) {
    let text = format!(
        "[app]\nname = \"t\"\n[[sources]]\nname = \"crm\"\ntopics = [\"source\"]\n\
         [topology]\nshards = 1\npartitions = 1\n[windows]\nrolling = []\ncalendar = [\"day\"]\n\
         [segments]\nsets = [\"overall\"]\n[time]\nidle_after = \"1s\"\n[intake]\n{extra}"
    );
    let config = Arc::new(Config::from_toml(&text, "t.toml", std::iter::empty()).unwrap());
    let log = MemoryLog::default();
    app::create_sources(&config, &log, 2).unwrap();
    app::create_topics(&config, &log).unwrap();
    // 2026-03-02T12:00:00Z
    (config, log, Clocks::new(Timestamp(1_772_452_800_000_000)))
}

fn open(stage: &str, context: &Context) -> Box<dyn Worker> {
    let (_, open) = STAGES.iter().find(|(name, _)| *name == stage).unwrap();
    open(context).unwrap()
}

/// Steps the worker while time passes.
fn work(worker: &mut Box<dyn Worker>, clocks: &Clocks) {
    for _ in 0..20 {
        clocks.pass(300);
        worker.step().unwrap();
    }
}

fn won(id: u32) -> String {
    format!(
        "{{\"id\":\"e{id}\",\"entity\":{{\"type\":\"deal\",\"id\":\"{id}\"}},\
         \"time\":\"2026-03-02T10:00:00Z\",\"set\":{{\"status\":\"won\"}}}}"
    )
}

fn feed(log: &MemoryLog, partition: u32, values: impl IntoIterator<Item = String>) {
    for value in values {
        let out = Outgoing {
            topic: "source".into(),
            partition: Partition(partition),
            key: None,
            value: Some(value.into_bytes()),
            headers: Vec::new(),
        };
        log.append(out, None).unwrap();
    }
}

fn read(log: &MemoryLog, topic: &str, partitions: u32) -> Vec<Record> {
    let mut reader = log.reader().unwrap();
    let at: Vec<_> = (0..partitions).map(|p| (TopicPartition::new(topic, p), Offset(0))).collect();
    reader.assign(&at).unwrap();
    let mut out = Vec::new();
    while reader.poll(1000, Duration::ZERO, &mut out).unwrap() > 0 {}
    out
}

/// The deals of the events topic, each once.
fn deals(log: &MemoryLog) -> Vec<String> {
    let keys =
        read(log, "t.events", 1).into_iter().map(|r| String::from_utf8(r.key.unwrap()).unwrap());
    let mut out: Vec<String> =
        keys.filter_map(|k| Some(k.strip_prefix("default/deal/")?.to_owned())).collect();
    out.sort();
    out.dedup();
    out
}

fn readiness(context: &Context) -> String {
    let states = context.health.checks();
    states.into_iter().find_map(|(_, state)| state.err()).unwrap_or_default()
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

/// Takes the first four records, ends, and loses what came since in partition 0.
fn trimmed(extra: &str) -> (Arc<Config>, MemoryLog, Clocks) {
    trimmed_at(extra, 5)
}

fn trimmed_at(extra: &str, start: u64) -> (Arc<Config>, MemoryLog, Clocks) {
    let (config, log, clocks) = job(extra);
    feed(&log, 0, (0..2).map(won));
    feed(&log, 1, (2..4).map(won));
    let mut first = open("intake", &context(&config, Arc::new(log.clone()), &clocks));
    work(&mut first, &clocks);
    first.finish().unwrap();
    feed(&log, 0, (10..15).map(won));
    feed(&log, 1, (20..22).map(won));
    log.truncate(&TopicPartition::new("source", 0), Offset(start)).unwrap();
    (config, log, clocks)
}

#[test]
fn a_partition_trimmed_before_it_was_read_stands_still_and_the_others_go_on() {
    let (config, log, clocks) = trimmed("");
    let context = context(&config, Arc::new(log.clone()), &clocks);
    let mut worker = open("intake", &context);
    work(&mut worker, &clocks);
    assert_eq!(deals(&log), ["0", "1", "2", "20", "21", "3"]);
    let said = readiness(&context);
    assert!(said.contains("source[0] stands still at offset 2"), "{said}");
    assert!(said.contains("offsets 2 to 4 were deleted before they were read"), "{said}");
    assert!(said.contains("intake.on_gap = \"skip\""), "{said}");
    assert_eq!(metric(&context, "tidemark_stopped"), 1.0);
    assert_eq!(metric(&context, "tidemark_records_skipped_total"), 0.0);
    // It stays where it was, for whoever comes next.
    worker.finish().unwrap();
    let mut member = log.join("t.events.intake", &["source"]).unwrap();
    let at = member.committed(&[TopicPartition::new("source", 0)]).unwrap();
    assert_eq!(at[0].map(|p| p.next), Some(Offset(2)));
}

#[test]
fn a_gap_that_is_to_be_skipped_is_named_to_the_offset() {
    let (config, log, clocks) = trimmed("on_gap = \"skip\"\n");
    let context = context(&config, Arc::new(log.clone()), &clocks);
    let mut worker = open("intake", &context);
    work(&mut worker, &clocks);
    assert_eq!(deals(&log), ["0", "1", "13", "14", "2", "20", "21", "3"]);
    assert_eq!(readiness(&context), "");
    assert_eq!(metric(&context, "tidemark_records_skipped_total"), 3.0);
    let told: Vec<_> = ["t.events", "t.gaps"]
        .iter()
        .flat_map(|topic| read(&log, topic, 1))
        .filter(|r| r.key.as_deref() == Some(b"lost|source|0"))
        .map(|r| serde_json::from_slice::<serde_json::Value>(&r.value.unwrap()).unwrap())
        .collect();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|t| t["from"] == 2 && t["to"] == 5), "{told:?}");
    // The next one finds nothing to skip.
    worker.finish().unwrap();
    let mut next = open("intake", &context);
    work(&mut next, &clocks);
    assert_eq!(metric(&context, "tidemark_records_skipped_total"), 3.0);
}

/// The brokers forgot the group's offsets; what intake told the shards tells the same.
#[test]
fn a_gap_is_noticed_though_the_brokers_forgot_the_group() {
    for lost in [true, false] {
        let (config, log, clocks) = trimmed("");
        log.forget_group("t.events.intake");
        if !lost {
            // Nothing is missing: all is taken in again, which changes nothing.
            let (_, whole, _) = trimmed_at("", 0);
            whole.forget_group("t.events.intake");
            let context = context(&config, Arc::new(whole.clone()), &clocks);
            let mut worker = open("intake", &context);
            work(&mut worker, &clocks);
            assert_eq!((readiness(&context).as_str(), deals(&whole).len()), ("", 11));
            continue;
        }
        let context = context(&config, Arc::new(log.clone()), &clocks);
        let mut worker = open("intake", &context);
        work(&mut worker, &clocks);
        let said = readiness(&context);
        assert!(said.contains("offsets 2 to 4 were deleted before they were read"), "{said}");
    }
}

/// An events topic that does not go back to the first event: a new generation counts what is left.
#[test]
fn a_new_generation_over_trimmed_events_counts_what_is_left_and_says_so() {
    let (config, log, clocks) = job("");
    feed(&log, 0, (0..6).map(won));
    let context = context(&config, Arc::new(log.clone()), &clocks);
    let mut intake = open("intake", &context);
    work(&mut intake, &clocks);
    log.truncate(&TopicPartition::new("t.events", 0), Offset(2)).unwrap();
    let mut ledger = open("ledger", &context);
    work(&mut ledger, &clocks);
    assert_eq!(readiness(&context), "");
    assert_eq!(metric(&context, "tidemark_entities"), 4.0);
    let beat = read(&log, "t.g1.partials", 1).into_iter().rev().find_map(|record| {
        match PartialMessage::decode(&record.value?) {
            Ok(PartialMessage::Beat(beat)) => Some(beat),
            _ => None,
        }
    });
    assert_eq!(beat.unwrap().doubts.len(), 1);
    // Once something was published, a trimmed topic is a loss again.
    drop(ledger);
    log.delete("t.g1.images");
    app::create_topics(&config, &log).unwrap();
    let mut ledger = open("ledger", &context);
    work(&mut ledger, &clocks);
    assert!(readiness(&context).contains("trimmed before they were folded"));
}

#[test]
fn a_topic_created_anew_is_noticed_though_it_is_as_long_as_before() {
    let (config, log, clocks) = job("");
    feed(&log, 0, (0..4).map(won));
    let context = context(&config, Arc::new(log.clone()), &clocks);
    let mut worker = open("intake", &context);
    work(&mut worker, &clocks);
    worker.finish().unwrap();
    // The same topic goes on.
    let mut worker = open("intake", &context);
    work(&mut worker, &clocks);
    assert_eq!(readiness(&context), "");
    worker.finish().unwrap();
    log.delete("source");
    app::create_sources(&config, &log, 2).unwrap();
    feed(&log, 0, (30..40).map(won));
    let mut worker = open("intake", &context);
    work(&mut worker, &clocks);
    let said = readiness(&context);
    assert!(said.contains("deleted and created anew"), "{said}");
    assert_eq!(deals(&log), ["0", "1", "2", "3"], "nothing is read from a wrong place");
}

#[test]
fn a_source_of_nothing_but_bad_records_stops_before_it_floods_the_dead_letters() {
    let (config, log, clocks) = job("breaker_in_a_row = 5\n");
    feed(&log, 0, [won(1)]);
    feed(&log, 0, (0..50).map(|_| "no event".to_owned()));
    feed(&log, 1, (2..4).map(won));
    let context = context(&config, Arc::new(log.clone()), &clocks);
    let mut worker = open("intake", &context);
    work(&mut worker, &clocks);
    assert_eq!(read(&log, "t.dlq", 4).len(), 4);
    let said = readiness(&context);
    assert!(
        said.contains("source[0] stands still at offset 5: 5 records in a row are no"),
        "{said}"
    );
    assert_eq!(metric(&context, "tidemark_stopped"), 1.0);
    // The other partition goes on, and the watermark waits for the one that stands still.
    feed(&log, 1, (4..6).map(won));
    work(&mut worker, &clocks);
    assert_eq!(deals(&log), ["1", "2", "3", "4", "5"]);
    worker.finish().unwrap();
    // With the limit raised, the rest goes to the dead letters and nothing is lost.
    let (config, ..) = job("breaker_in_a_row = 0\nbreaker_percent = 100\n");
    let context = instance::context(&config, Arc::new(log.clone()), &clocks);
    let mut worker = open("intake", &context);
    work(&mut worker, &clocks);
    assert_eq!(read(&log, "t.dlq", 4).len(), 50);
    assert_eq!(readiness(&context), "");
}

#[test]
fn a_record_that_breaks_the_fold_twice_is_a_dead_letter_and_its_neighbors_count() {
    let (config, log, clocks) = job("");
    feed(&log, 0, (0..6).map(won));
    let mut context = context(&config, Arc::new(log.clone()), &clocks);
    let mut intake = open("intake", &context);
    work(&mut intake, &clocks);
    let broken = Arc::new(AtomicU32::new(0));
    let count = broken.clone();
    context.probe = Arc::new(move |record| {
        if record.key.as_deref() == Some(b"default/deal/3") {
            count.fetch_add(1, Ordering::Relaxed);
            panic!("an invariant is broken, as this test wants");
        }
    });
    let mut panics = 0;
    let mut ledger = open("ledger", &context);
    for _ in 0..40 {
        clocks.pass(300);
        match ledger.step() {
            Ok(()) => {}
            // What a supervisor does.
            Err(Fault::Panicked(what)) => {
                assert!(what.contains("t.events[0] at offset"), "{what}");
                panics += 1;
                ledger = open("ledger", &context);
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((panics, broken.load(Ordering::Relaxed)), (2, 2), "the loop ends");
    let dead = read(&log, "t.dlq", 4);
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].header("tidemark.error.code"), Some(&b"PANICKED"[..]));
    assert_eq!(dead[0].key.as_deref(), Some(&b"default/deal/3"[..]));
    assert_eq!(metric(&context, "tidemark_entities"), 5.0);
    // The same in intake: there the first panic is enough, since it keeps no state.
    context.probe = Arc::new(|_| panic!("an invariant is broken, as this test wants"));
    drop(intake);
    feed(&log, 0, [won(9)]);
    let mut intake = open("intake", &context);
    work(&mut intake, &clocks);
    assert_eq!(read(&log, "t.dlq", 4).len(), 2);
}

#[test]
fn an_events_topic_created_anew_stops_its_shards() {
    let (config, log, clocks) = job("");
    feed(&log, 0, (0..6).map(won));
    let context = context(&config, Arc::new(log.clone()), &clocks);
    let mut intake = open("intake", &context);
    work(&mut intake, &clocks);
    let mut ledger = open("ledger", &context);
    work(&mut ledger, &clocks);
    ledger.finish().unwrap();
    // The same topic goes on.
    let mut ledger = open("ledger", &context);
    work(&mut ledger, &clocks);
    assert_eq!(readiness(&context), "");
    ledger.finish().unwrap();
    log.delete("t.events");
    app::create_topics(&config, &log).unwrap();
    feed(&log, 0, (50..90).map(won));
    work(&mut intake, &clocks);
    assert!(read(&log, "t.events", 1).len() > 40, "it is longer than it was");
    let before = read(&log, "t.g1.partials", 1).len();
    let mut ledger = open("ledger", &context);
    work(&mut ledger, &clocks);
    let said = readiness(&context);
    assert!(said.contains("created anew") && said.contains("raise app.generation"), "{said}");
    assert_eq!(metric(&context, "tidemark_stopped"), 1.0);
    assert_eq!(read(&log, "t.g1.partials", 1).len(), before, "it publishes nothing");
}

#[test]
fn foreign_bytes_among_the_partials_stop_their_part() {
    let (config, log, clocks) = job("");
    let context = context(&config, Arc::new(log.clone()), &clocks);
    let mut rollup = open("rollup", &context);
    work(&mut rollup, &clocks);
    assert_eq!(readiness(&context), "");
    let (topic, partition) = (config.topics().partials.as_str().into(), Partition(0));
    let (key, value) = (Some(b"cell".to_vec()), Some(b"{}".to_vec()));
    log.append(Outgoing { topic, partition, key, value, headers: Vec::new() }, None).unwrap();
    work(&mut rollup, &clocks);
    let said = readiness(&context);
    assert!(said.contains("part 0 stands still: t.g1.partials[0] at offset 0"), "{said}");
    assert_eq!(metric(&context, "tidemark_stopped"), 1.0);
}
