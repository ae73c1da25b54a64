//! The cases about groups: who owns what, and what they commit.

use std::collections::BTreeSet;
use std::time::Duration;

use tidemark::log::{Member, Offset, Position, TopicPartition};

use super::support::{await_some, fresh_name};
use super::{Fixture, PATIENCE, fill};

/// Polls the members until each holds what `settled` wants; the parts in order of the members.
pub(super) fn settle(
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

pub(super) fn disjoint_cover(held: &[Vec<TopicPartition>], all: &BTreeSet<TopicPartition>) -> bool {
    let union: BTreeSet<TopicPartition> = held.iter().flatten().cloned().collect();
    let count: usize = held.iter().map(Vec::len).sum();
    union == *all && count == all.len() && held.iter().all(|h| !h.is_empty())
}

pub(super) fn group_shares_and_takes_over(f: &Fixture) {
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
    assert!(left.elapsed() < Duration::from_secs(60), "took {:?}", left.elapsed());
    first.leave();
}

pub(super) fn commits_outlive_the_members(f: &Fixture) {
    let topic = f.kept(2);
    let group = fresh_name("group");
    let tps: Vec<_> = (0..2).map(|p| TopicPartition::new(topic.clone(), p)).collect();
    fill(f, &topic, 0, 0..10);
    let mut member = f.log.join(&group, &[&topic]).unwrap();
    let mut held = [Vec::new()];
    settle(&mut [&mut member], &mut held, "one gets all", |h| h[0] == tps);
    assert_eq!(member.committed(&tps).unwrap(), [None, None]);
    member.commit(&[(tps[0].clone(), Offset(7).into())]).unwrap();
    assert_eq!(member.committed(&tps).unwrap(), [Some(Offset(7).into()), None]);
    // What the record before the position was is kept with it.
    let marked = Position { next: Offset(9), mark: Some(0xfedc_ba98_7654_3210) };
    member.commit(&[(tps[0].clone(), marked), (tps[1].clone(), Offset(0).into())]).unwrap();
    member.leave();
    let mut again = f.log.join(&group, &[&topic]).unwrap();
    settle(&mut [&mut again], &mut held, "the next gets all", |h| h[0] == tps);
    assert_eq!(again.committed(&tps).unwrap(), [Some(marked), Some(Offset(0).into())]);
    let mut stranger = f.log.join(&fresh_name("group"), &[&topic]).unwrap();
    assert_eq!(stranger.committed(&tps).unwrap(), [None, None]);
    stranger.leave();
    again.leave();
}
