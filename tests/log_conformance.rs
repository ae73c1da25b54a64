//! One suite for all logs: what the folds rely on holds in memory, embedded, and on Kafka.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use support::{await_some, fresh_name};
use tidemark::log::embedded::EmbeddedLog;
use tidemark::log::memory::MemoryLog;
use tidemark::log::{
    Cleanup, Header, Log, LogError, Member, Offset, Outgoing, Partition, Reader, Record,
    TopicPartition, TopicSpec, Writer,
};

const PATIENCE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);

/// A log under test, and what only its own kind can do.
struct Fixture {
    log: Box<dyn Log>,
    truncate: Box<dyn Fn(&TopicPartition, Offset)>,
    compact: Box<dyn Fn(&str)>,
    _dir: Option<tempfile::TempDir>,
}

impl Fixture {
    fn memory() -> Option<Fixture> {
        let log = MemoryLog::default();
        let (a, b) = (log.clone(), log.clone());
        Some(Fixture {
            log: Box::new(log),
            truncate: Box::new(move |tp, start| a.truncate(tp, start).unwrap()),
            compact: Box::new(move |topic| b.compact(topic)),
            _dir: None,
        })
    }

    fn embedded() -> Option<Fixture> {
        let dir = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(dir.path(), tidemark::clock::wall_ms).unwrap();
        let (a, b) = (log.clone(), log.clone());
        Some(Fixture {
            log: Box::new(log),
            truncate: Box::new(move |tp, start| a.truncate(tp, start).unwrap()),
            compact: Box::new(move |_| b.compact_now().unwrap()),
            _dir: Some(dir),
        })
    }

    #[cfg(feature = "kafka")]
    fn kafka() -> Option<Fixture> {
        let bootstrap = support::kafka_bootstrap()?;
        let log = support::kafka_log(&bootstrap);
        Some(Fixture {
            log: Box::new(log),
            truncate: Box::new(move |tp, start| support::delete_records(&bootstrap, tp, start)),
            // Compaction comes when the broker likes; what holds before and after it is tested.
            compact: Box::new(|_| {}),
            _dir: None,
        })
    }

    fn topic(&self, partitions: u32, cleanup: Cleanup) -> Arc<str> {
        let spec = spec(&fresh_name("conf"), partitions, cleanup);
        assert!(self.log.create(&spec).unwrap(), "a fresh topic");
        spec.name.into()
    }

    fn kept(&self, partitions: u32) -> Arc<str> {
        self.topic(partitions, Cleanup::Delete { retention: None })
    }

    fn reader_at(&self, tp: &TopicPartition, at: u64) -> Box<dyn Reader> {
        let mut reader = self.log.reader().unwrap();
        reader.assign(&[(tp.clone(), Offset(at))]).unwrap();
        reader
    }
}

fn spec(name: &str, partitions: u32, cleanup: Cleanup) -> TopicSpec {
    TopicSpec {
        name: name.to_owned(),
        partitions,
        replication: 1,
        cleanup,
        max_record_bytes: 1 << 20,
    }
}

fn out(topic: &Arc<str>, partition: u32, key: &str, value: Option<&str>) -> Outgoing {
    Outgoing {
        topic: topic.clone(),
        partition: Partition(partition),
        key: Some(key.as_bytes().to_vec()),
        value: value.map(|v| v.as_bytes().to_vec()),
        headers: Vec::new(),
    }
}

fn write(writer: &mut dyn Writer, records: impl IntoIterator<Item = Outgoing>) {
    for record in records {
        writer.send(record).unwrap();
    }
    writer.flush(PATIENCE).unwrap();
}

/// Writes `values` to one partition through a fresh writer.
fn fill(fixture: &Fixture, topic: &Arc<str>, partition: u32, values: std::ops::Range<u32>) {
    let mut writer = fixture.log.writer().unwrap();
    write(writer.as_mut(), values.map(|v| out(topic, partition, "k", Some(&v.to_string()))));
}

/// Reads until `enough` says so.
fn read(reader: &mut dyn Reader, what: &str, enough: impl Fn(&[Record]) -> bool) -> Vec<Record> {
    let mut got = Vec::new();
    await_some(what, PATIENCE, || {
        match reader.poll(1_000, SHORT, &mut got) {
            Ok(_) | Err(LogError::Unavailable(_)) => {}
            Err(e) => panic!("{what}: {e}"),
        }
        enough(&got).then_some(())
    });
    got
}

fn read_n(reader: &mut dyn Reader, n: usize) -> Vec<Record> {
    let got = read(reader, &format!("{n} records"), |got| got.len() >= n);
    assert_eq!(got.len(), n);
    got
}

fn text(bytes: &Option<Vec<u8>>) -> String {
    String::from_utf8(bytes.clone().unwrap()).unwrap()
}

fn values(records: &[Record]) -> Vec<u32> {
    records.iter().map(|r| text(&r.value).parse().unwrap()).collect()
}

/// Reads until the error comes that reading from there must give.
fn read_error(fixture: &Fixture, tp: &TopicPartition, at: u64) -> LogError {
    let mut reader = fixture.log.reader().unwrap();
    if let Err(e) = reader.assign(&[(tp.clone(), Offset(at))]) {
        return e;
    }
    await_some("an error", PATIENCE, || {
        let mut got = Vec::new();
        let polled = reader.poll(10, SHORT, &mut got);
        assert_eq!(got, [], "nothing may be read from a wrong position");
        polled.err().filter(|e| !e.is_retriable())
    })
}

fn create_is_idempotent(f: &Fixture) {
    let spec = spec(&fresh_name("conf"), 3, Cleanup::Delete { retention: None });
    assert!(f.log.create(&spec).unwrap());
    assert!(!f.log.create(&spec).unwrap());
    assert!(!f.log.create(&TopicSpec { partitions: 5, ..spec.clone() }).unwrap());
    let info = f.log.describe(&spec.name).unwrap().unwrap();
    assert_eq!(info.partitions, 3, "an existing topic is left as it is");
    assert_eq!(info.compacted, Some(false));
}

fn describe_tells_compacted_and_missing(f: &Fixture) {
    assert_eq!(f.log.describe(&fresh_name("missing")).unwrap(), None);
    let topic = f.topic(2, Cleanup::Compact { min_lag: Duration::from_secs(60) });
    let info = f.log.describe(&topic).unwrap().unwrap();
    assert_eq!((info.partitions, info.compacted), (2, Some(true)));
}

fn cluster_id_is_stable(f: &Fixture) {
    let id = f.log.cluster_id().unwrap();
    assert!(!id.is_empty());
    assert_eq!(f.log.cluster_id().unwrap(), id);
}

fn unknown_partition_is_an_error(f: &Fixture) {
    let topic = f.kept(1);
    for tp in [TopicPartition::new(topic, 7), TopicPartition::new(fresh_name("missing"), 0)] {
        let e = read_error(f, &tp, 0);
        assert!(matches!(&e, LogError::NoSuchPartition(named) if *named == tp), "{e}");
        let e = f.log.reader().unwrap().bounds(&tp).unwrap_err();
        assert!(matches!(&e, LogError::NoSuchPartition(named) if *named == tp), "{e}");
        let mut writer = f.log.writer().unwrap();
        let sent = writer.send(out(&tp.topic, tp.partition.0, "k", Some("v")));
        let e = sent.and_then(|()| writer.flush(PATIENCE)).unwrap_err();
        assert!(matches!(&e, LogError::NoSuchPartition(named) if *named == tp), "{e}");
        // The writer is not spoilt by it.
        writer.flush(PATIENCE).unwrap();
    }
}

fn too_large_a_record_is_refused(f: &Fixture) {
    let topic = f.kept(1);
    let mut writer = f.log.writer().unwrap();
    // Every second byte differs, so that no codec makes it small.
    let noise: Vec<u8> = (0u64..600_000)
        .flat_map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes())[..4].to_vec())
        .collect();
    let record = Outgoing { value: Some(noise), ..out(&topic, 0, "k", None) };
    let e = writer.send(record).and_then(|()| writer.flush(PATIENCE)).unwrap_err();
    assert!(matches!(e, LogError::TooLarge { .. }), "{e}");
    write(writer.as_mut(), [out(&topic, 0, "k", Some("1"))]);
    let mut reader = f.reader_at(&TopicPartition::new(topic, 0), 0);
    assert_eq!(values(&read_n(reader.as_mut(), 1)), [1]);
}

fn records_come_back_whole(f: &Fixture) {
    let topic = f.kept(1);
    let headers = vec![
        Header::new("trace", b"a".to_vec()),
        Header::new("empty", b"".to_vec()),
        Header::new("trace", vec![0, 255, 10]),
    ];
    let record = |key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]| Outgoing {
        topic: topic.clone(),
        partition: Partition(0),
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        headers: headers.to_vec(),
    };
    let sent = [
        record(Some(b"key"), Some(b"value"), &headers),
        record(None, Some(b"no key"), &[]),
        record(Some(b"tombstone"), None, &headers[..1]),
        record(Some(b""), Some(b""), &[]),
        record(Some(&[0, 159, 146, 150]), Some(&[255; 100_000]), &[]),
        record(None, None, &[]),
    ];
    write(f.log.writer().unwrap().as_mut(), sent.clone());
    let mut reader = f.reader_at(&TopicPartition::new(topic.clone(), 0), 0);
    let got = read_n(reader.as_mut(), sent.len());
    for (i, (sent, got)) in sent.iter().zip(&got).enumerate() {
        assert_eq!(got.offset, Offset(i as u64));
        assert_eq!((&got.topic, got.partition), (&topic, Partition(0)));
        assert_eq!((&got.key, &got.value), (&sent.key, &sent.value), "record {i}");
        assert_eq!(got.headers, sent.headers, "record {i}");
    }
    assert_eq!(got[0].header("trace"), Some(&[0, 255, 10][..]));
}

fn order_holds_in_each_partition(f: &Fixture) {
    let topic = f.kept(3);
    let mut writer = f.log.writer().unwrap();
    write(writer.as_mut(), (0..9_000).map(|v| out(&topic, v % 3, "k", Some(&v.to_string()))));
    let mut reader = f.log.reader().unwrap();
    let all: Vec<_> = (0..3).map(|p| (TopicPartition::new(topic.clone(), p), Offset(0))).collect();
    reader.assign(&all).unwrap();
    let got = read_n(reader.as_mut(), 9_000);
    for p in 0..3 {
        let of: Vec<&Record> = got.iter().filter(|r| r.partition == Partition(p)).collect();
        let offsets: Vec<u64> = of.iter().map(|r| r.offset.0).collect();
        assert_eq!(offsets, (0..3_000).collect::<Vec<u64>>());
        let values: Vec<u32> = of.iter().map(|r| text(&r.value).parse().unwrap()).collect();
        assert_eq!(values, (0..3_000).map(|i| i * 3 + p).collect::<Vec<u32>>());
    }
}

fn reader_starts_where_it_is_told(f: &Fixture) {
    let topic = f.kept(2);
    fill(f, &topic, 0, 0..50);
    fill(f, &topic, 1, 100..150);
    let tp = TopicPartition::new(topic.clone(), 0);
    let mut reader = f.reader_at(&tp, 20);
    assert_eq!(values(&read_n(reader.as_mut(), 30)), (20..50).collect::<Vec<u32>>());
    // Another assignment replaces the first whole, forward and backward.
    reader.assign(&[(TopicPartition::new(topic.clone(), 1), Offset(45))]).unwrap();
    assert_eq!(values(&read_n(reader.as_mut(), 5)), (145..150).collect::<Vec<u32>>());
    reader.assign(&[(tp.clone(), Offset(48))]).unwrap();
    assert_eq!(values(&read_n(reader.as_mut(), 2)), [48, 49]);
    // At the end: nothing, until something is written.
    let mut got = Vec::new();
    assert_eq!(reader.poll(10, SHORT, &mut got).unwrap(), 0);
    fill(f, &topic, 0, 50..52);
    assert_eq!(values(&read_n(reader.as_mut(), 2)), [50, 51]);
    reader.assign(&[]).unwrap();
    assert_eq!(reader.poll(10, Duration::ZERO, &mut got).unwrap(), 0);
}

fn poll_takes_no_more_than_asked(f: &Fixture) {
    let topic = f.kept(1);
    fill(f, &topic, 0, 0..100);
    let mut reader = f.reader_at(&TopicPartition::new(topic, 0), 0);
    let mut got = Vec::new();
    await_some("a hundred records in sevens", PATIENCE, || {
        let before = got.len();
        let came = reader.poll(7, SHORT, &mut got).unwrap();
        assert!(came <= 7 && got.len() == before + came);
        (got.len() == 100).then_some(())
    });
    assert_eq!(values(&got), (0..100).collect::<Vec<u32>>());
}

fn waiting_poll_wakes_up(f: &Fixture) {
    let topic = f.kept(1);
    let mut reader = f.reader_at(&TopicPartition::new(topic.clone(), 0), 0);
    std::thread::scope(|threads| {
        let woken = threads.spawn(move || {
            let mut got = Vec::new();
            reader.poll(10, PATIENCE, &mut got).unwrap();
            values(&got)
        });
        fill(f, &topic, 0, 0..1);
        assert_eq!(woken.join().unwrap(), [0]);
    });
}

fn bounds_follow_the_log(f: &Fixture) {
    let topic = f.kept(1);
    let tp = TopicPartition::new(topic.clone(), 0);
    let mut reader = f.log.reader().unwrap();
    let mut bounds = || reader.bounds(&tp).map(|b| (b.start.0, b.end.0)).unwrap();
    assert_eq!(bounds(), (0, 0));
    fill(f, &topic, 0, 0..10);
    assert_eq!(bounds(), (0, 10));
    (f.truncate)(&tp, Offset(4));
    assert_eq!(bounds(), (4, 10));
}

fn flushed_is_visible_to_a_new_reader(f: &Fixture) {
    let topic = f.kept(1);
    let tp = TopicPartition::new(topic.clone(), 0);
    let mut writer = f.log.writer().unwrap();
    for round in 0..20u32 {
        write(writer.as_mut(), [out(&topic, 0, "k", Some(&round.to_string()))]);
        let end = f.log.reader().unwrap().bounds(&tp).unwrap().end;
        assert_eq!(end, Offset(u64::from(round) + 1));
    }
    assert_eq!(read_n(f.reader_at(&tp, 0).as_mut(), 20).len(), 20);
}

fn out_of_range_is_an_error_with_bounds(f: &Fixture) {
    let topic = f.kept(1);
    let tp = TopicPartition::new(topic.clone(), 0);
    fill(f, &topic, 0, 0..10);
    (f.truncate)(&tp, Offset(6));
    for asked in [0, 5, 11, 1_000] {
        match read_error(f, &tp, asked) {
            LogError::OutOfRange { partition, asked: at, start, end } => {
                assert_eq!((partition, at.0, start.0, end.0), (tp.clone(), asked, 6, 10));
            }
            e => panic!("asked for {asked}: {e}"),
        }
    }
    assert_eq!(values(&read_n(f.reader_at(&tp, 6).as_mut(), 4)), [6, 7, 8, 9]);
}

fn one_bad_position_does_not_hide_the_others(f: &Fixture) {
    let topic = f.kept(2);
    fill(f, &topic, 0, 0..10);
    fill(f, &topic, 1, 0..10);
    let (bad, good) = (TopicPartition::new(topic.clone(), 0), TopicPartition::new(topic, 1));
    let mut reader = f.log.reader().unwrap();
    reader.assign(&[(bad.clone(), Offset(99)), (good.clone(), Offset(0))]).unwrap();
    let mut got = Vec::new();
    let e = await_some("an error", PATIENCE, || {
        reader.poll(100, SHORT, &mut got).err().filter(|e| !e.is_retriable())
    });
    assert!(matches!(&e, LogError::OutOfRange { partition, .. } if *partition == bad), "{e}");
    // Whoever repairs the one position goes on with the other where it was.
    let at = got.last().map_or(Offset(0), |r| r.offset.next());
    reader.assign(&[(bad, Offset(10)), (good, at)]).unwrap();
    let rest = 10 - got.len();
    got.extend(read_n(reader.as_mut(), rest));
    assert_eq!(values(&got), (0..10).collect::<Vec<u32>>());
}

fn compacted_topic_keeps_the_newest_of_each_key(f: &Fixture) {
    let topic = f.topic(1, Cleanup::Compact { min_lag: Duration::ZERO });
    let tp = TopicPartition::new(topic.clone(), 0);
    let mut writer = f.log.writer().unwrap();
    for round in 0..5u32 {
        let value = |key: u32| format!("{key}@{round}");
        let records = (0..10).map(|key| out(&topic, 0, &key.to_string(), Some(&value(key))));
        write(writer.as_mut(), records);
    }
    write(writer.as_mut(), [out(&topic, 0, "3", None), out(&topic, 0, "end", Some("end"))]);
    (f.compact)(&topic);
    let mut reader = f.reader_at(&tp, 0);
    let end = reader.bounds(&tp).unwrap().end;
    assert_eq!(end, Offset(52));
    let got = read(reader.as_mut(), "the last record", |got| {
        got.last().is_some_and(|r| r.offset.next() == end)
    });
    assert!(got.windows(2).all(|w| w[0].offset < w[1].offset), "offsets stay as they were");
    let newest: BTreeMap<String, Option<String>> =
        got.iter().map(|r| (text(&r.key), r.value.as_ref().map(|_| text(&r.value)))).collect();
    for key in (0..10).filter(|k| *k != 3) {
        assert_eq!(newest[&key.to_string()], Some(format!("{key}@4")));
    }
    assert_eq!(newest.get("3").cloned().flatten(), None);
    assert_eq!(newest["end"].as_deref(), Some("end"));
}

/// Polls the members until each holds what `settled` wants; the parts in order of the members.
fn settle(
    members: &mut [&mut Box<dyn Member>],
    held: &mut [Vec<TopicPartition>],
    what: &str,
    settled: impl Fn(&[Vec<TopicPartition>]) -> bool,
) {
    await_some(what, PATIENCE, || {
        for (member, held) in members.iter_mut().zip(held.iter_mut()) {
            if let Some(now) = member.poll(Duration::from_millis(50)).unwrap() {
                assert!(now.is_sorted(), "an assignment is sorted");
                *held = now;
            }
        }
        settled(held).then_some(())
    });
}

fn disjoint_cover(held: &[Vec<TopicPartition>], all: &BTreeSet<TopicPartition>) -> bool {
    let union: BTreeSet<TopicPartition> = held.iter().flatten().cloned().collect();
    let count: usize = held.iter().map(Vec::len).sum();
    union == *all && count == all.len() && held.iter().all(|h| !h.is_empty())
}

fn group_shares_and_takes_over(f: &Fixture) {
    let (topic, other) = (f.kept(4), f.kept(2));
    let group = fresh_name("group");
    let all: BTreeSet<TopicPartition> = (0..4)
        .map(|p| TopicPartition::new(topic.clone(), p))
        .chain((0..2).map(|p| TopicPartition::new(other.clone(), p)))
        .collect();
    let everything: Vec<TopicPartition> = all.iter().cloned().collect();
    // Records are there, and no member ever sees one.
    fill(f, &topic, 0, 0..10);
    let topics = [&*topic, &*other];
    let mut first = f.log.join(&group, &topics).unwrap();
    let mut held = [Vec::new(), Vec::new()];
    settle(&mut [&mut first], &mut held[..1], "one gets all", |h| h[0] == everything);
    let mut second = f.log.join(&group, &topics).unwrap();
    settle(&mut [&mut first, &mut second], &mut held, "two share", |h| disjoint_cover(h, &all));
    assert_eq!(held[0].len(), 3);
    second.leave();
    let left = tidemark::clock::monotonic();
    settle(&mut [&mut first], &mut held[..1], "the first takes over", |h| h[0] == everything);
    // Well below the session timeout: it was told, it did not wait.
    assert!(left.elapsed() < Duration::from_secs(10), "took {:?}", left.elapsed());
    first.leave();
}

fn commits_outlive_the_members(f: &Fixture) {
    let topic = f.kept(2);
    let group = fresh_name("group");
    let tps: Vec<_> = (0..2).map(|p| TopicPartition::new(topic.clone(), p)).collect();
    fill(f, &topic, 0, 0..10);
    let mut member = f.log.join(&group, &[&topic]).unwrap();
    let mut held = [Vec::new()];
    settle(&mut [&mut member], &mut held, "one gets all", |h| h[0] == tps);
    assert_eq!(member.committed(&tps).unwrap(), [None, None]);
    member.commit(&[(tps[0].clone(), Offset(7))]).unwrap();
    assert_eq!(member.committed(&tps).unwrap(), [Some(Offset(7)), None]);
    member.commit(&[(tps[0].clone(), Offset(9)), (tps[1].clone(), Offset(0))]).unwrap();
    member.leave();
    let mut again = f.log.join(&group, &[&topic]).unwrap();
    settle(&mut [&mut again], &mut held, "the next gets all", |h| h[0] == tps);
    assert_eq!(again.committed(&tps).unwrap(), [Some(Offset(9)), Some(Offset(0))]);
    let mut stranger = f.log.join(&fresh_name("group"), &[&topic]).unwrap();
    assert_eq!(stranger.committed(&tps).unwrap(), [None, None]);
    stranger.leave();
    again.leave();
}

fn commit_of_a_strange_partition_is_refused(f: &Fixture) {
    let topic = f.kept(2);
    let group = fresh_name("group");
    let mut first = f.log.join(&group, &[&topic]).unwrap();
    let mut second = f.log.join(&group, &[&topic]).unwrap();
    let all: BTreeSet<_> = (0..2).map(|p| TopicPartition::new(topic.clone(), p)).collect();
    let mut held = [Vec::new(), Vec::new()];
    settle(&mut [&mut first, &mut second], &mut held, "two share", |h| disjoint_cover(h, &all));
    let strange = held[1][0].clone();
    let e = first.commit(&[(held[0][0].clone(), Offset(0)), (strange.clone(), Offset(0))]);
    assert!(matches!(e, Err(LogError::NotOwner(tp)) if tp == strange));
    assert_eq!(first.committed(&held[0]).unwrap(), [None], "all or nothing");
    second.commit(&[(strange, Offset(0))]).unwrap();
    second.leave();
    first.leave();
}

macro_rules! suite {
    ($($case:ident)*) => {
        suite!(@log memory [$($case)*]);
        suite!(@log embedded [$($case)*]);
        #[cfg(feature = "kafka")]
        suite!(@log kafka [$($case)*]);
    };
    (@log $kind:ident [$($case:ident)*]) => {
        mod $kind {
            $(#[test]
            fn $case() {
                if let Some(fixture) = super::Fixture::$kind() {
                    super::$case(&fixture);
                }
            })*
        }
    };
}

suite! {
    create_is_idempotent
    describe_tells_compacted_and_missing
    cluster_id_is_stable
    unknown_partition_is_an_error
    too_large_a_record_is_refused
    records_come_back_whole
    order_holds_in_each_partition
    reader_starts_where_it_is_told
    poll_takes_no_more_than_asked
    waiting_poll_wakes_up
    bounds_follow_the_log
    flushed_is_visible_to_a_new_reader
    out_of_range_is_an_error_with_bounds
    one_bad_position_does_not_hide_the_others
    compacted_topic_keeps_the_newest_of_each_key
    group_shares_and_takes_over
    commits_outlive_the_members
    commit_of_a_strange_partition_is_refused
}
