//! Bad input and wrong surroundings, on a real broker.

use std::time::Duration;

use tidemark::log::{Offset, TopicPartition};

use crate::job::Job;
use crate::process::{Process, pause, run_to_end};
use crate::rows::{await_rows, company};
use crate::support::{await_some, kafka_bootstrap};

#[test]
fn bad_records_become_dead_letters_and_their_neighbors_count() {
    let Some(bootstrap) = kafka_bootstrap() else {
        return;
    };
    let job = Job::new(&bootstrap, "poison", "");
    job.create_topics();
    let good = company(3, 20);
    let bad = [
        "not json".to_owned(),
        "{\"id\":\"x\"}".to_owned(),
        "[1,2]".to_owned(),
        "{\"id\":\"f\",\"entity\":{\"type\":\"deal\",\"id\":\"1\"},\"time\":\"2199-01-01T00:00:00Z\",\"set\":{}}".to_owned(),
    ];
    let mut mixed = good.clone();
    for (i, record) in bad.iter().enumerate() {
        mixed.insert(i * good.len() / 4, record.clone());
    }
    let mut instance = job.start("a");
    job.feed(&mixed);
    // The event from 2199 must not move the watermark: no window would be early any more.
    await_rows(&mut instance, &job.expected(&good));

    let mut codes = Vec::new();
    let topic = job.config.topics().dlq;
    let mut reader = job.log.reader().unwrap();
    let partitions = job.log.describe(&topic).unwrap().unwrap().partitions;
    let at: Vec<_> =
        (0..partitions).map(|p| (TopicPartition::new(topic.as_str(), p), Offset(0))).collect();
    reader.assign(&at).unwrap();
    // `[1,2]` holds two bad elements.
    await_some("five dead letters", Duration::from_secs(60), || {
        let mut batch = Vec::new();
        reader.poll(100, Duration::from_millis(200), &mut batch).unwrap();
        for record in batch {
            let code = record.header("tidemark.error.code").unwrap();
            codes.push(String::from_utf8_lossy(code).into_owned());
            assert!(record.header("tidemark.error.offset").is_some());
            assert!(record.value.is_some());
        }
        (codes.len() >= 5).then_some(())
    });
    codes.sort();
    assert_eq!(
        codes,
        ["FUTURE_TIMESTAMP", "MISSING_ENTITY", "NOT_AN_EVENT", "NOT_AN_EVENT", "NOT_AN_EVENT"]
    );
    let (_, metrics) = instance.get("/metrics").unwrap();
    assert!(
        metrics.contains("tidemark_dead_letters_total{code=\"FUTURE_TIMESTAMP\"} 1"),
        "{metrics}"
    );
    assert!(metrics.contains("tidemark_overall_deals_won{window=\"year\"}"), "{metrics}");
}

#[test]
fn missing_and_wrong_topics_end_with_3_and_name_the_command() {
    let Some(bootstrap) = kafka_bootstrap() else {
        return;
    };
    let job = Job::new(&bootstrap, "wrong", "");
    let file = job.file.to_str().unwrap();
    let mut instance = job.start("missing");
    assert_eq!(instance.wait(Duration::from_secs(60)).code(), Some(3), "{}", instance.said());
    let said = instance.said();
    assert!(said.contains("is missing: run `tidemark topics create --config FILE`"), "{said}");

    job.create_topics();
    let (code, out, _) = run_to_end(&["topics", "check", "--config", file]);
    assert_eq!((code, out.trim()), (Some(0), "all topics are as they must be"));
    let text = std::fs::read_to_string(file).unwrap().replace("shards = 6", "shards = 7");
    std::fs::write(file, text).unwrap();
    let mut instance = job.start("partitions");
    assert_eq!(instance.wait(Duration::from_secs(60)).code(), Some(3), "{}", instance.said());
    let said = instance.said();
    assert!(said.contains("has 6 partitions, the config asks for 7"), "{said}");
}

#[test]
fn without_brokers_it_waits_says_so_once_and_is_not_ready() {
    // A port that was free a moment ago: nothing listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let job = Job::new(&free.to_string(), "away", "");
    let mut instance: Process = job.start("a");
    assert_eq!(instance.get("/livez").unwrap().0, 200);
    await_some("it says that it waits", Duration::from_secs(60), || {
        let said = instance.said().contains("waiting for the brokers");
        if !said {
            pause();
        }
        said.then_some(())
    });
    let (status, body) = instance.get("/readyz?verbose").unwrap();
    assert_eq!(status, 503, "{body}");
    assert!(instance.terminate().success(), "{}", instance.said());
    let said = instance.said();
    assert_eq!(said.matches("waiting for the brokers").count(), 1, "{said}");
}
