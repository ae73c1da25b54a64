//! What only the embedded log promises: it outlives its process, and it forgets by the clock.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tidemark::clock::wall_ms;
use tidemark::log::embedded::EmbeddedLog;
use tidemark::log::{Bounds, Cleanup, Log, LogError, Offset, Record, TopicPartition};

use super::{PATIENCE, out, read_n, spec, text, values, write};

const KEPT: Cleanup = Cleanup::Delete { retention: None };

fn bounds(log: &EmbeddedLog, tp: &TopicPartition) -> (u64, u64) {
    let Bounds { start, end } = log.reader().unwrap().bounds(tp).unwrap();
    (start.0, end.0)
}

/// All records of a partition.
fn all(log: &EmbeddedLog, tp: &TopicPartition) -> Vec<Record> {
    let mut reader = log.reader().unwrap();
    let start = reader.bounds(tp).unwrap().start;
    reader.assign(&[(tp.clone(), start)]).unwrap();
    let mut got = Vec::new();
    while reader.poll(1_000, Duration::ZERO, &mut got).unwrap() > 0 {}
    got
}

fn put(log: &EmbeddedLog, topic: &Arc<str>, key: &str, value: Option<&str>) {
    write(log.writer().unwrap().as_mut(), [out(topic, 0, key, value)]);
}

fn keys_and_values(records: &[Record]) -> Vec<(String, Option<String>)> {
    records.iter().map(|r| (text(&r.key), r.value.as_ref().map(|_| text(&r.value)))).collect()
}

#[test]
fn reopening_keeps_everything_and_continues_offsets() {
    let dir = tempfile::tempdir().unwrap();
    let topic: Arc<str> = "t".into();
    let tp = TopicPartition::new(topic.clone(), 0);
    let log = EmbeddedLog::open(dir.path(), wall_ms).unwrap();
    let id = log.cluster_id().unwrap();
    assert!(log.create(&spec("t", 2, KEPT)).unwrap());
    let mut writer = log.writer().unwrap();
    write(writer.as_mut(), (0..10).map(|v| out(&topic, 0, "k", Some(&v.to_string()))));
    let before = all(&log, &tp);
    let mut member = log.join("g", &["t"]).unwrap();
    assert_eq!(member.poll(Duration::ZERO).unwrap().unwrap().len(), 2);
    member.commit(&[(tp.clone(), Offset(4).into())]).unwrap();
    drop((writer, member, log));

    let log = EmbeddedLog::open(dir.path(), wall_ms).unwrap();
    assert_eq!(log.cluster_id().unwrap(), id);
    assert_eq!(log.describe("t").unwrap().unwrap().partitions, 2);
    assert_eq!(all(&log, &tp), before, "timestamps too");
    let mut member = log.join("g", &["t"]).unwrap();
    assert_eq!(member.committed(std::slice::from_ref(&tp)).unwrap(), [Some(Offset(4).into())]);
    // The whole partition is removed; its offsets are not given out again.
    log.truncate(&tp, Offset(10)).unwrap();
    drop((member, log));
    let log = EmbeddedLog::open(dir.path(), wall_ms).unwrap();
    assert_eq!(bounds(&log, &tp), (10, 10));
    put(&log, &topic, "k", Some("new"));
    assert_eq!(all(&log, &tp)[0].offset, Offset(10));
}

#[test]
fn second_open_is_refused_and_names_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = EmbeddedLog::open(dir.path(), wall_ms).unwrap();
    let Err(e) = EmbeddedLog::open(dir.path(), wall_ms) else { panic!("opened twice") };
    assert!(matches!(e, LogError::InUse(_)), "{e}");
    assert!(e.to_string().contains(dir.path().to_str().unwrap()), "{e}");
    drop(first);
    EmbeddedLog::open(dir.path(), wall_ms).unwrap();
}

/// Not a test by itself: the process that [`what_was_flushed_outlives_a_kill`] kills.
#[test]
fn child_that_writes_until_killed() {
    let Ok(dir) = std::env::var("TIDEMARK_TEST_CHILD_DIR") else {
        return;
    };
    let log = EmbeddedLog::open(dir, wall_ms).unwrap();
    let topic: Arc<str> = "t".into();
    log.create(&spec("t", 1, KEPT)).unwrap();
    let tp = TopicPartition::new(topic.clone(), 0);
    let mut next = bounds(&log, &tp).1;
    let mut writer = log.writer().unwrap();
    loop {
        write(writer.as_mut(), (0..7).map(|i| out(&topic, 0, "k", Some(&(next + i).to_string()))));
        next += 7;
        println!("flushed {next}");
    }
}

#[test]
fn what_was_flushed_outlives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let tp = TopicPartition::new("t", 0);
    let mut flushed = 0;
    for round in 1..=5u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "embedded_only::child_that_writes_until_killed"])
            .env("TIDEMARK_TEST_CHILD_DIR", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let target = flushed + 50 * round;
        while flushed < target {
            let line = lines.next().expect("the child writes until it is killed").unwrap();
            flushed = line.strip_prefix("flushed ").map_or(flushed, |n| n.parse().unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // Lines that it wrote before it died count as well.
        let rest = lines.map_while(Result::ok);
        let said = rest.filter_map(|l| l.strip_prefix("flushed ").and_then(|n| n.parse().ok()));
        flushed = said.fold(flushed, u64::max);

        let log = EmbeddedLog::open(dir.path(), wall_ms).unwrap();
        let got = all(&log, &tp);
        assert!(got.len() as u64 >= flushed, "{} of {flushed} records", got.len());
        assert_eq!(bounds(&log, &tp), (0, got.len() as u64));
        assert_eq!(values(&got), (0..got.len() as u32).collect::<Vec<u32>>());
        flushed = got.len() as u64;
    }
}

#[test]
fn superseded_records_and_tombstones_go_after_their_lag() {
    static NOW: AtomicI64 = AtomicI64::new(1_000_000);
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(dir.path(), || NOW.load(Ordering::Relaxed)).unwrap();
    let topic: Arc<str> = "t".into();
    let tp = TopicPartition::new(topic.clone(), 0);
    let min_lag = Duration::from_secs(600);
    log.create(&spec("t", 1, Cleanup::Compact { min_lag })).unwrap();
    put(&log, &topic, "a", Some("1"));
    put(&log, &topic, "b", Some("1"));
    put(&log, &topic, "a", Some("2"));
    put(&log, &topic, "b", None);
    assert_eq!(all(&log, &tp).len(), 4, "nothing goes before its lag");
    NOW.fetch_add(599_000, Ordering::Relaxed);
    put(&log, &topic, "c", Some("1"));
    assert_eq!(all(&log, &tp).len(), 5);
    NOW.fetch_add(2_000, Ordering::Relaxed);
    put(&log, &topic, "d", Some("1"));
    let left = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
    let now = all(&log, &tp);
    assert_eq!(keys_and_values(&now), [left("a", "2"), left("c", "1"), left("d", "1")]);
    assert_eq!(now.iter().map(|r| r.offset.0).collect::<Vec<_>>(), [2, 4, 5]);
    assert_eq!(bounds(&log, &tp), (0, 6));
    // The last record stays even as a tombstone: a reader reads to the end by its offset.
    put(&log, &topic, "d", None);
    log.compact_now().unwrap();
    assert_eq!(all(&log, &tp).last().map(|r| r.offset), Some(Offset(6)));
    put(&log, &topic, "d", Some("again"));
    log.compact_now().unwrap();
    let now = keys_and_values(&all(&log, &tp));
    assert_eq!(now, [left("a", "2"), left("c", "1"), left("d", "again")]);
}

#[test]
fn retention_goes_by_the_clock() {
    static NOW: AtomicI64 = AtomicI64::new(1_000_000);
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(dir.path(), || NOW.load(Ordering::Relaxed)).unwrap();
    let topic: Arc<str> = "t".into();
    let tp = TopicPartition::new(topic.clone(), 0);
    let retention = Some(Duration::from_secs(100));
    log.create(&spec("t", 1, Cleanup::Delete { retention })).unwrap();
    put(&log, &topic, "k", Some("0"));
    NOW.fetch_add(60_000, Ordering::Relaxed);
    put(&log, &topic, "k", Some("1"));
    let mut reader = log.reader().unwrap();
    reader.assign(&[(tp.clone(), Offset(0))]).unwrap();
    NOW.fetch_add(60_000, Ordering::Relaxed);
    // The writer does it in passing.
    put(&log, &topic, "k", Some("2"));
    assert_eq!(bounds(&log, &tp), (1, 3));
    let e = reader.poll(10, Duration::ZERO, &mut Vec::new()).unwrap_err();
    assert!(matches!(e, LogError::OutOfRange { start: Offset(1), .. }), "{e}");
    reader.assign(&[(tp.clone(), Offset(1))]).unwrap();
    assert_eq!(values(&read_n(reader.as_mut(), 2)), [1, 2]);
    NOW.fetch_add(1_000_000, Ordering::Relaxed);
    log.retain().unwrap();
    assert_eq!(bounds(&log, &tp), (3, 3));
}

#[test]
fn many_writers_share_one_order() {
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(dir.path(), wall_ms).unwrap();
    log.create(&spec("t", 1, KEPT)).unwrap();
    let (topic, tp): (Arc<str>, _) = ("t".into(), TopicPartition::new("t", 0));
    let mut reader = log.reader().unwrap();
    reader.assign(&[(tp, Offset(0))]).unwrap();
    let got = std::thread::scope(|threads| {
        for w in 0..4 {
            let (log, topic) = (log.clone(), topic.clone());
            threads.spawn(move || {
                let mut writer = log.writer().unwrap();
                for v in 0..250 {
                    writer.send(out(&topic, 0, &w.to_string(), Some(&v.to_string()))).unwrap();
                    if v % 10 == 9 {
                        writer.flush(PATIENCE).unwrap();
                    }
                }
            });
        }
        read_n(reader.as_mut(), 1_000)
    });
    assert!(got.iter().enumerate().all(|(i, r)| r.offset.0 == i as u64), "no gap, no repetition");
    for w in 0..4 {
        let of: Vec<Record> =
            got.iter().filter(|r| text(&r.key) == w.to_string()).cloned().collect();
        assert_eq!(values(&of), (0..250).collect::<Vec<u32>>());
    }
}
