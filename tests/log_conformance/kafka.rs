//! What only concerns Kafka: settings, an unreachable cluster, other group protocols, a broker
//! that crashes.

use std::process::Command;
use std::time::{Duration, Instant};

use tidemark::clock::monotonic;
use tidemark::log::kafka::{KafkaLog, KafkaSettings};
use tidemark::log::{Cleanup, Log, LogError, Offset, TopicPartition};

use super::support::{await_some, fresh_name, kafka_bootstrap, kafka_log};
use super::{Fixture, PATIENCE, SHORT, fill, groups, out, read_n, spec, values, write};

fn settings(brokers: &str, properties: &[(&str, &str)]) -> KafkaSettings {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    KafkaSettings {
        brokers: brokers.to_owned(),
        client_id: "tidemark-test".to_owned(),
        properties: properties.iter().map(own).collect(),
        session_timeout: Duration::from_secs(10),
        request_timeout: Duration::from_secs(20),
    }
}

fn fixture(properties: &[(&str, &str)]) -> Option<Fixture> {
    let bootstrap = kafka_bootstrap()?;
    let log = KafkaLog::new(settings(&bootstrap, properties)).unwrap();
    Some(Fixture { log: Box::new(log), ..Fixture::kafka()? })
}

#[test]
fn properties_are_checked_and_secrets_are_not_shown() {
    let refused = |name: &str, value: &str| {
        let settings = settings("127.0.0.1:1", &[(name, value)]);
        let shown = format!("{settings:?}");
        assert!(shown.contains(name) && !shown.contains("hunter2"), "{shown}");
        let Err(LogError::Refused(why)) = KafkaLog::new(settings) else {
            panic!("{name} was taken")
        };
        assert!(why.contains(name) && !why.contains("hunter2"), "{why}");
    };
    for reserved in ["auto.offset.reset", "enable.idempotence", "acks", "enable.auto.commit"] {
        refused(reserved, "hunter2");
    }
    refused("no.such.property", "hunter2");
    refused("compression.type", "hunter2");
    let secret = settings("127.0.0.1:1", &[("sasl.password", "hunter2"), ("ssl.key.pem", "12345")]);
    let shown = format!("{secret:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("12345"), "{shown}");
}

/// Nothing hangs, panics or fails for good where nobody answers.
#[test]
fn unreachable_cluster_is_unavailable() {
    let started = monotonic();
    // Port 1 refuses connections.
    let log = KafkaLog::new(KafkaSettings {
        request_timeout: Duration::from_secs(1),
        ..settings("127.0.0.1:1", &[])
    });
    let log = log.unwrap();
    let tp = TopicPartition::new("t", 0);
    let unavailable = |e: LogError| assert!(e.is_retriable(), "{e}");
    unavailable(log.cluster_id().unwrap_err());
    unavailable(log.describe("t").unwrap_err());
    unavailable(log.create(&spec("t", 1, Cleanup::Delete { retention: None })).unwrap_err());
    let mut writer = log.writer().unwrap();
    unavailable(writer.send(out(&tp.topic, 0, "k", Some("v"))).unwrap_err());
    writer.flush(SHORT).unwrap();
    let mut reader = log.reader().unwrap();
    unavailable(reader.bounds(&tp).unwrap_err());
    unavailable(reader.assign(&[(tp.clone(), Offset(0))]).unwrap_err());
    let mut member = log.join("g", &["t"]).unwrap();
    let e = await_some("to be told", PATIENCE, || member.poll(SHORT).err());
    unavailable(e);
    unavailable(member.committed(&[tp]).unwrap_err());
    member.leave();
    drop((writer, reader, log));
    assert!(started.elapsed() < Duration::from_secs(120), "took {:?}", started.elapsed());
}

#[test]
fn groups_work_with_the_eager_protocol() {
    if let Some(f) = fixture(&[("partition.assignment.strategy", "range")]) {
        groups::commits_outlive_the_members(&f);
        super::commit_of_a_strange_partition_is_refused(&f);
    }
}

#[test]
fn groups_work_with_the_consumer_protocol() {
    if let Some(f) = fixture(&[("group.protocol", "consumer")]) {
        groups::group_shares_and_takes_over(&f);
        groups::commits_outlive_the_members(&f);
        super::commit_of_a_strange_partition_is_refused(&f);
    }
}

/// The client's own flush polls in steps of 100 ms.
#[test]
fn flush_ends_with_the_last_acknowledgement() {
    let Some(f) = fixture(&[]) else { return };
    let topic = f.kept(1);
    fill(&f, &topic, 0, 0..1);
    let mut writer = f.log.writer().unwrap();
    write(writer.as_mut(), [out(&topic, 0, "k", Some("1"))]);
    let mut took: Vec<Duration> = (0..40)
        .map(|v| {
            let started: Instant = monotonic();
            write(writer.as_mut(), [out(&topic, 0, "k", Some(&v.to_string()))]);
            started.elapsed()
        })
        .collect();
    took.sort();
    println!("flush of one record: median {:?}, longest {:?}", took[20], took[39]);
    assert!(took[20] < Duration::from_secs(2), "median {:?}", took[20]);
}

#[test]
fn send_waits_while_the_buffer_is_full() {
    let Some(f) = fixture(&[("queue.buffering.max.messages", "10")]) else {
        return;
    };
    let topic = f.kept(1);
    fill(&f, &topic, 0, 0..2_000);
    let mut reader = f.reader_at(&TopicPartition::new(topic, 0), 0);
    assert_eq!(values(&read_n(reader.as_mut(), 2_000)), (0..2_000).collect::<Vec<u32>>());
}

/// A cluster of its own, which ends with the test.
struct Cluster {
    dir: tempfile::TempDir,
    bootstrap: String,
}

impl Cluster {
    fn start() -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let said = script(&["start", "--dir", dir.path().to_str().unwrap()]);
        let bootstrap = said.lines().find_map(|l| l.strip_prefix("KAFKA_BOOTSTRAP=")).unwrap();
        Cluster { bootstrap: bootstrap.to_owned(), dir }
    }

    fn run(&self, verb: &[&str]) {
        script(&[verb, &["--dir", self.dir.path().to_str().unwrap()]].concat());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.run(&["stop"]);
    }
}

fn script(arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka");
    let ran = Command::new(script).args(arguments).env_remove("KAFKA_BOOTSTRAP").output().unwrap();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn all_clients_outlive_a_broker_crash() {
    if kafka_bootstrap().is_none() {
        return;
    }
    let cluster = Cluster::start();
    let log = kafka_log(&cluster.bootstrap);
    let spec = spec(&fresh_name("crash"), 1, Cleanup::Delete { retention: None });
    log.create(&spec).unwrap();
    let tp = TopicPartition::new(spec.name.as_str(), 0);
    let mut writer = log.writer().unwrap();
    let mut reader = log.reader().unwrap();
    reader.assign(&[(tp.clone(), Offset(0))]).unwrap();
    let mut member = log.join("g", &[&spec.name]).unwrap();
    let own = |held: Option<Vec<TopicPartition>>| held.filter(|h| *h == [tp.clone()]);
    await_some("an assignment", PATIENCE, || own(member.poll(SHORT).unwrap()));
    let record = |v: u32| out(&tp.topic, 0, "k", Some(&v.to_string()));
    write(writer.as_mut(), (0..100).map(record));
    assert_eq!(read_n(reader.as_mut(), 100).len(), 100);

    cluster.run(&["stop-broker", "1", "--kill"]);
    for v in 100..200 {
        writer.send(record(v)).unwrap();
    }
    assert!(writer.flush(Duration::from_secs(1)).unwrap_err().is_retriable());
    let e = await_some("the reader to be told", PATIENCE, || {
        assert!(member.poll(SHORT).err().is_none_or(|e| e.is_retriable()));
        reader.poll(10, SHORT, &mut Vec::new()).err()
    });
    assert!(e.is_retriable(), "{e}");
    cluster.run(&["start-broker", "1"]);
    // The records that were waiting arrive, once each and in order.
    writer.flush(PATIENCE).unwrap();
    let got = read_n(reader.as_mut(), 100);
    assert_eq!(values(&got), (100..200).collect::<Vec<u32>>());
    assert_eq!(got[0].offset, Offset(100));
    await_some("a commit", PATIENCE, || {
        assert!(member.poll(SHORT).err().is_none_or(|e| e.is_retriable()));
        member.commit(&[(tp.clone(), Offset(200).into())]).ok()
    });
    member.leave();
}
