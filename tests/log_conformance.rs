//! One suite for all logs: what the folds rely on holds in memory, embedded, and on Kafka.

mod support;

#[path = "log_conformance/embedded.rs"]
mod embedded_only;
#[path = "log_conformance/fixture.rs"]
mod fixture;
#[path = "log_conformance/groups.rs"]
mod groups;
#[cfg(feature = "kafka")]
#[path = "log_conformance/kafka.rs"]
mod kafka_only;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fixture::*;
use groups::{commits_outlive_the_members, disjoint_cover, group_shares_and_takes_over, settle};
use support::{await_some, fresh_name};
use tidemark::log::{
    Cleanup, Header, LogError, Offset, Outgoing, Partition, Record, TopicPartition, TopicSpec,
};

fn create_is_idempotent(f: &Fixture) {
    let spec = spec(&fresh_name("conf"), 3, Cleanup::Delete { retention: None });
    assert!(f.log.create(&spec).unwrap());
    assert!(!f.log.create(&spec).unwrap());
    assert!(!f.log.create(&TopicSpec { partitions: 5, ..spec.clone() }).unwrap());
    let info = f.log.describe(&spec.name).unwrap().unwrap();
    assert_eq!(info.partitions, 3, "an existing topic is left as it is");
    assert_eq!(info.cleanup, Some(vec![Cleanup::Delete { retention: None }]));
}

fn describe_tells_compacted_and_missing(f: &Fixture) {
    assert_eq!(f.log.describe(&fresh_name("missing")).unwrap(), None);
    let compact = Cleanup::Compact { min_lag: Duration::from_secs(60) };
    let topic = f.topic(2, compact);
    let info = f.log.describe(&topic).unwrap().unwrap();
    assert_eq!((info.partitions, info.cleanup), (2, Some(vec![compact])));
    let delete = Cleanup::Delete { retention: Some(Duration::from_secs(3600)) };
    let info = f.log.describe(&f.topic(1, delete)).unwrap().unwrap();
    assert_eq!(info.cleanup, Some(vec![delete]));
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

fn end_is_seen_behind_the_last_record(f: &Fixture) {
    let topic = f.kept(2);
    fill(f, &topic, 0, 0..30);
    let [full, empty] = [0, 1].map(|p| TopicPartition::new(topic.clone(), p));
    let mut reader = f.log.reader().unwrap();
    reader.assign(&[(full.clone(), Offset(0)), (empty.clone(), Offset(0))]).unwrap();
    assert!(!reader.ended(&full) && !reader.ended(&empty), "nothing is known before a poll");
    let mut got = Vec::new();
    await_some("both ends", PATIENCE, || {
        reader.poll(7, SHORT, &mut got).unwrap();
        assert!(!reader.ended(&full) || got.len() == 30, "{} records, then an end", got.len());
        (reader.ended(&full) && reader.ended(&empty)).then_some(())
    });
    fill(f, &topic, 0, 30..32);
    await_some("the end again", PATIENCE, || {
        reader.poll(7, SHORT, &mut got).unwrap();
        (reader.ended(&full) && got.len() == 32).then_some(())
    });
    reader.assign(&[(full.clone(), Offset(31))]).unwrap();
    assert!(!reader.ended(&full) && !reader.ended(&empty), "another assignment, another end");
    await_some("the end once more", PATIENCE, || {
        reader.poll(7, SHORT, &mut got).unwrap();
        reader.ended(&full).then_some(())
    });
    assert_eq!(got.len(), 33);
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

fn commit_of_a_strange_partition_is_refused(f: &Fixture) {
    let topic = f.kept(2);
    let group = fresh_name("group");
    let mut first = f.log.join(&group, &[&topic]).unwrap();
    let mut second = f.log.join(&group, &[&topic]).unwrap();
    let all: BTreeSet<_> = (0..2).map(|p| TopicPartition::new(topic.clone(), p)).collect();
    let mut held = [Vec::new(), Vec::new()];
    settle(&mut [&mut first, &mut second], &mut held, "two share", |h| disjoint_cover(h, &all));
    let strange = held[1][0].clone();
    let e = first
        .commit(&[(held[0][0].clone(), Offset(0).into()), (strange.clone(), Offset(0).into())]);
    assert!(matches!(e, Err(LogError::NotOwner(tp)) if tp == strange));
    assert_eq!(first.committed(&held[0]).unwrap(), [None], "all or nothing");
    second.commit(&[(strange, Offset(0).into())]).unwrap();
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
    end_is_seen_behind_the_last_record
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
