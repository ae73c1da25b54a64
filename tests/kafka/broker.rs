//! Faults of the broker and of the process's time, on a real Kafka.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::job::Job;
use crate::process::pause;
use crate::rows::{await_rows, company};
use crate::support::{await_some, kafka_bootstrap};

/// The only broker is killed while events flow, and comes back with its data.
#[test]
fn a_broker_killed_and_restarted_changes_no_number() {
    if kafka_bootstrap().is_none() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let job = Job::new(&cluster.bootstrap, "broker", "");
    job.create_topics();
    let events = company(21, 30);
    let (first, second) = events.split_at(events.len() / 2);
    let mut instance = job.start("a");
    job.feed(first);
    instance.ready();
    cluster.kill(1);
    await_some("the process notices", Duration::from_secs(60), || {
        let said = instance.said();
        let noticed = said.contains("starts again") || said.contains("Connection refused");
        if !noticed {
            pause();
        }
        noticed.then_some(())
    });
    cluster.restart(1);
    job.feed(second);
    await_rows(&mut instance, &job.expected(&events));
}

/// An owner is stopped for longer than its session, so that another takes over, and then goes on
/// with what it was doing: a zombie. A reader who starts afterwards sees the same rows.
#[test]
fn an_owner_frozen_for_longer_than_its_session_changes_no_number() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let job = Job::new(&bootstrap, "zombie", "");
    job.create_topics();
    let events = company(22, 30);
    let parts: Vec<&[String]> = events.chunks(events.len() / 3 + 1).collect();
    let mut zombie = job.start("zombie");
    job.feed(parts[0]);
    zombie.ready();
    zombie.freeze();
    let mut other = job.start("other");
    job.feed(parts[1]);
    // The other is ready only when it owns what the frozen one owned: the session has run out.
    await_rows(&mut other, &job.expected(&events[..parts[0].len() + parts[1].len()]));
    zombie.wake();
    job.feed(parts[2]);
    let expected = job.expected(&events);
    await_rows(&mut other, &expected);
    await_rows(&mut zombie, &expected);
    let mut late = job.start("late");
    await_rows(&mut late, &expected);
}
