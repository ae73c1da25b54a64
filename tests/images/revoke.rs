//! A restore that is no longer wanted ends at once: the group is asked between its batches.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tidemark::log::{Log, Member};
use tidemark::runtime::{Fault, StopReason};

use crate::job::{Job, Owner};

type Joined = Arc<Mutex<Option<Box<dyn Member>>>>;

/// Two shards and two partitions, with images, partials and rows of both.
fn job() -> Job {
    let two = tidemark::config::Config::from_toml(
        "[app]\nname = \"job\"\n[topology]\nshards = 2\npartitions = 2\n\
         [segments]\nsets = [\"overall\", \"territory\", \"rep\"]\n",
        "job.toml",
        std::iter::empty(),
    );
    let mut job = Job::new(Arc::new(two.unwrap()));
    job.feed(10);
    let mut ledger = job.owner();
    job.settle(&mut ledger).unwrap();
    job.feed(2);
    job.settle(&mut ledger).unwrap();
    drop(ledger);
    let mut rollup = job.stage("rollup");
    job.settle(&mut rollup).unwrap();
    job
}

/// The topics that a stage restores from, and what its group shares.
fn stages(job: &Job) -> [(&'static str, Vec<String>, String); 2] {
    let topics = job.config.topics();
    [
        ("ledger", vec![topics.images], topics.events),
        ("rollup", vec![topics.kpis, topics.partials.clone()], topics.partials),
    ]
}

/// Does something before the second poll of a restore of partition 1; returns how many polls of
/// it there were.
fn in_the_middle(
    job: &Job,
    topic: &str,
    mut what: impl FnMut() + Send + 'static,
) -> Arc<Mutex<u32>> {
    let (polls, topic) = (Arc::new(Mutex::new(0)), topic.to_owned());
    let counted = polls.clone();
    job.log.on_read(move |at| {
        if *at.topic == *topic && at.partition.0 == 1 {
            *counted.lock().unwrap() += 1;
            if *counted.lock().unwrap() == 1 {
                what();
            }
        }
    });
    polls
}

/// What the group of a stage lets another member have of it.
fn join(job: &Job, stage: &str, topic: &str) -> Box<dyn Member> {
    job.log.inner.join(&format!("job.g1.{stage}"), &[topic]).unwrap()
}

/// Whether a stage says that all of it is there.
fn restored(owner: &Owner, stage: &str) -> bool {
    owner.check(stage).is_ok()
}

#[test]
fn a_stop_in_the_middle_of_a_restore_ends_it() {
    let job = job();
    for (stage, topics, _) in stages(&job) {
        for topic in topics {
            assert!(job.records(&topic, 1).len() > 1, "{topic} has an inside");
            let mut owner = job.stage(stage);
            let stop = owner.context.stop.clone();
            let polls = in_the_middle(&job, &topic, move || stop.request(StopReason::Asked));
            let mut steps = (0..3).map(|_| owner.step());
            assert!(steps.any(|step| matches!(step, Err(Fault::Stopped))), "{stage} at {topic}");
            assert_eq!(*polls.lock().unwrap(), 1);
            job.log.unhook();
        }
    }
}

#[test]
fn a_restore_of_what_the_group_took_away_is_dropped() {
    let job = job();
    for (stage, topics, shared) in stages(&job) {
        for topic in topics {
            let mut owner = job.stage(stage);
            let other: Joined = Arc::default();
            let (joins, log, own) = (other.clone(), job.log.inner.clone(), shared.clone());
            let polls = in_the_middle(&job, &topic, move || {
                let group = format!("job.g1.{stage}");
                *joins.lock().unwrap() = Some(log.join(&group, &[&own]).unwrap());
            });
            for _ in 0..6 {
                owner.step().unwrap();
            }
            assert_eq!(*polls.lock().unwrap(), 1, "{stage} reads {topic} no further");
            assert!(restored(&owner, stage), "it has all that is left to it");
            assert_eq!(owner.metric("tidemark_restored"), 1.0);
            // Given back, it is restored from the start.
            job.log.unhook();
            drop(other.lock().unwrap().take());
            job.log.keys_read();
            owner.step().unwrap();
            let read: BTreeSet<String> = job.log.keys_read().into_iter().collect();
            let there = job.records(&topic, 1).into_iter().filter_map(|r| r.value.and(r.key));
            for key in there {
                assert!(read.contains(&*String::from_utf8(key).unwrap()), "{stage} at {topic}");
            }
            assert!(restored(&owner, stage));
        }
    }
}

#[test]
fn what_was_lost_and_won_back_in_the_middle_of_another_restore_is_restored_again() {
    let job = job();
    for (stage, _, shared) in stages(&job) {
        let topic = &stages(&job)[usize::from(stage == "rollup")].1[0];
        // Partition 1 is at work; then 0 comes, and while it is restored 1 has another owner.
        let mut taker = join(&job, stage, &shared);
        taker.poll(std::time::Duration::ZERO).unwrap();
        let mut owner = job.stage(stage);
        for _ in 0..3 {
            owner.step().unwrap();
        }
        let lost = Arc::new(Mutex::new(0));
        let (counted, log, read, own) =
            (lost.clone(), job.log.inner.clone(), topic.clone(), shared.clone());
        let other: Joined = Arc::default();
        job.log.on_read(move |at| {
            if *at.topic == *read && at.partition.0 == 0 {
                let mut other = other.lock().unwrap();
                let mut n = counted.lock().unwrap();
                *n += 1;
                match *n {
                    1 => *other = Some(log.join(&format!("job.g1.{stage}"), &[&own]).unwrap()),
                    2 => *other = None,
                    _ => {}
                }
            }
        });
        taker.leave();
        job.log.keys_read();
        owner.step().unwrap();
        assert!(*lost.lock().unwrap() >= 3, "{stage}: the restore of 0 went on");
        job.log.unhook();
        for _ in 0..3 {
            owner.step().unwrap();
        }
        let read = job.log.keys_read();
        let one = job
            .records(topic, 1)
            .into_iter()
            .filter_map(|r| r.value.and(r.key))
            .collect::<Vec<_>>();
        assert!(!one.is_empty());
        for key in one {
            let key = String::from_utf8(key).unwrap();
            assert!(read.contains(&key), "{stage}: partition 1 was not restored again: {key}");
        }
        assert!(restored(&owner, stage));
    }
}
