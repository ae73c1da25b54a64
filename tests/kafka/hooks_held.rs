//! Webhooks that are under way while a broker dies: what was answered with 200 is in the topic.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tidemark::clock::{monotonic, wall_ms};
use tidemark::log::{Cleanup, Offset, TopicPartition, TopicSpec};

use crate::client::{Answer, Ask};
use crate::cluster::Cluster;
use crate::hooks::{HUBSPOT, URL, await_sums, deals, insist, job, receiver};
use crate::job::Job;
use crate::process::{Process, pause};
use crate::sign;
use crate::support::{await_some, kafka_bootstrap};

fn hubspot(change: &Value) -> Ask {
    let body = serde_json::to_vec(&[change]).unwrap();
    sign::hubspot(HUBSPOT, URL, "/hubspot", &body, wall_ms())
}

/// The topic that HubSpot's webhooks go to.
fn topic(job: &Job) -> String {
    let source = job.config.sources.iter().find(|source| source.name == "hub").unwrap();
    source.topics[0].clone()
}

/// The ids of all events in the topic, as often as they are there.
fn ids(job: &Job) -> Vec<u64> {
    let topic = topic(job);
    let mut reader = job.log.reader().unwrap();
    let partitions = job.log.describe(&topic).unwrap().unwrap().partitions;
    let mut records = Vec::new();
    for at in (0..partitions).map(|p| TopicPartition::new(topic.as_str(), p)) {
        // A broker that has just come back leads its partitions only a moment later.
        let within = Duration::from_secs(60);
        let end = await_some("the partition is led", within, || reader.bounds(&at).ok()).end;
        reader.assign(&[(at, Offset(0))]).unwrap();
        let mut of_one = Vec::new();
        await_some("the partition is read", Duration::from_secs(60), || {
            reader.poll(1_000, Duration::from_millis(200), &mut of_one).ok()?;
            (of_one.len() as u64 >= end.0).then_some(())
        });
        records.append(&mut of_one);
    }
    let id = |value: &[u8]| serde_json::from_slice::<Value>(value).unwrap()[0]["eventId"].as_u64();
    records.iter().map(|r| id(r.value.as_deref().unwrap()).unwrap()).collect()
}

/// Sends these at once; ends when all of them are believed, and with the writer or before it.
fn hold<'s>(
    scope: &'s std::thread::Scope<'s, '_>,
    (instance, address): (&mut Process, SocketAddr),
    changes: &'s [Value],
) -> Vec<std::thread::ScopedJoinHandle<'s, Answer>> {
    let taken = |instance: &mut Process| -> Option<u64> {
        let (_, page) = instance.get("/metrics")?;
        let line = page.lines().find(|l| l.starts_with("tidemark_hook_bytes_total{"))?;
        line.rsplit(' ').next()?.parse().ok()
    };
    let before = taken(instance).unwrap_or_default();
    let bytes: usize = changes.iter().map(|change| hubspot(change).body.len()).sum();
    let held = changes.iter().map(|c| scope.spawn(move || hubspot(c).send(address))).collect();
    await_some("all are under way", Duration::from_secs(20), || {
        (taken(instance)? >= before + bytes as u64).then_some(())
    });
    held
}

fn id(change: &Value) -> u64 {
    change["eventId"].as_u64().unwrap()
}

/// Held, and taken when the broker goes on. Returns what was taken.
fn held_and_taken(
    cluster: &Cluster,
    (instance, address): (&mut Process, SocketAddr),
    changes: &[Value],
) -> BTreeSet<u64> {
    let took: Vec<u16> = std::thread::scope(|scope| {
        cluster.freeze(1);
        let held = hold(scope, (instance, address), changes);
        assert!(held.iter().all(|request| !request.is_finished()), "nothing acknowledged them");
        cluster.thaw(1);
        held.into_iter().map(|held| held.join().unwrap().status).collect()
    });
    assert!(took.iter().all(|status| [200, 503].contains(status)), "{took:?}");
    assert!(took.contains(&200), "{took:?}");
    let taken = changes.iter().zip(took).filter(|(_, status)| *status == 200);
    taken.map(|(change, _)| id(change)).collect()
}

/// Held, and never acknowledged: the broker is killed under them.
fn held_and_killed(
    cluster: &Cluster,
    (instance, address): (&mut Process, SocketAddr),
    changes: &[Value],
) {
    std::thread::scope(|scope| {
        cluster.freeze(1);
        let held = hold(scope, (instance, address), changes);
        cluster.kill(1);
        for held in held {
            let answer = held.join().unwrap();
            assert_eq!(answer.status, 503, "no broker can have taken it");
            assert!(answer.header("retry-after").is_some());
        }
    });
    cluster.restart(1);
}

/// Killed while some are acknowledged and some are not. Returns what was taken.
fn killed_under_load(cluster: &Cluster, address: SocketAddr, changes: &[Value]) -> BTreeSet<u64> {
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (next, over) = (&next, &over);
    let answered: Vec<(u64, u16)> = std::thread::scope(|scope| {
        let client = move || {
            let mut answered = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let Some(change) = changes.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                answered.push((id(change), hubspot(change).send(address).status));
            }
            answered
        };
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        await_some("some are sent", Duration::from_secs(60), || {
            pause();
            (next.load(Ordering::Relaxed) > 40).then_some(())
        });
        cluster.kill(1);
        over.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let of = |wanted: u16| answered.iter().filter(move |(_, status)| *status == wanted);
    println!("under load: {} taken, {} refused", of(200).count(), of(503).count());
    assert_eq!(of(200).count() + of(503).count(), answered.len());
    assert!(of(200).count() > 30, "the broker died in the midst of them");
    cluster.restart(1);
    of(200).map(|(id, _)| *id).collect()
}

/// The broker stands still with requests at the receiver, and goes on, or is killed; then it is
/// killed under load. Each request is answered with 503, or with 200 once it is in the topic.
#[test]
fn what_is_under_way_when_the_broker_dies_is_in_the_log_or_refused() {
    if kafka_bootstrap().is_none() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let dir = tempfile::tempdir().unwrap();
    let job = job(&cluster.bootstrap, dir.path(), "hooksheld");
    job.create_topics();
    let mut instance = job.start("a");
    let address = receiver(&instance);
    let (changes, sums) = deals(120);
    let (first, others) = changes.split_at(6);
    let (killed, rest) = others.split_at(6);
    instance.ready();
    insist(address, || hubspot(&first[0]));
    let mut taken = held_and_taken(&cluster, (&mut instance, address), first);
    held_and_killed(&cluster, (&mut instance, address), killed);
    insist(address, || hubspot(&first[0]));
    taken.append(&mut killed_under_load(&cluster, address, rest));

    // All that was taken is there, before anything is sent again.
    let there: BTreeSet<u64> = ids(&job).into_iter().collect();
    let missing: Vec<_> = taken.difference(&there).collect();
    assert_eq!(missing, [&0; 0], "acknowledged and not in the topic");
    // What was refused is taken when it comes again, and the numbers are right.
    for change in changes.iter().filter(|change| !taken.contains(&id(change))) {
        insist(address, || hubspot(change));
    }
    let all = ids(&job);
    let there: BTreeSet<u64> = all.iter().copied().collect();
    println!("{} requests, {} records in the topic", changes.len(), all.len());
    assert_eq!(there, changes.iter().map(id).collect());
    await_sums(&mut instance, &sums, 0);
}

/// One of three brokers dies, and with it the only replica of a third of the topic. The rest of it
/// takes all webhooks, and all of it does when the broker is back.
#[test]
fn a_partition_without_a_leader_does_not_close_its_topic() {
    if kafka_bootstrap().is_none() {
        return;
    }
    let cluster = Cluster::start(3, &[]);
    let dir = tempfile::tempdir().unwrap();
    let job = job(&cluster.bootstrap, dir.path(), "hookspart");
    let topic = topic(&job);
    let spec = TopicSpec {
        name: topic.clone(),
        partitions: 6,
        replication: 1,
        cleanup: Cleanup::Delete { retention: None },
        max_record_bytes: 1 << 20,
    };
    job.log.create(&spec).unwrap();
    job.create_topics();
    let mut instance = job.start("a");
    let address = receiver(&instance);
    let (changes, _) = deals(400);
    let mut changes = changes.iter();
    let mut taken = BTreeSet::new();
    let mut send = || {
        let change = changes.next().expect("there are enough of them");
        let began = monotonic();
        let status = hubspot(change).send(address).status;
        assert!([200, 503].contains(&status), "{status}");
        assert!(monotonic() - began < Duration::from_secs(5), "the sender has given up");
        if status == 200 {
            taken.insert(id(change));
        }
        status == 200
    };
    await_some("webhooks are taken", Duration::from_secs(60), || {
        pause();
        send().then_some(())
    });
    cluster.kill(2);
    let passed = |instance: &mut Process| -> Option<u64> {
        let name = format!("tidemark_hook_partitions_passed_over{{topic=\"{topic}\"}} ");
        let (_, page) = instance.get("/metrics")?;
        page.lines().find_map(|line| line.strip_prefix(&name))?.parse().ok()
    };
    await_some("the dead partitions are known", Duration::from_secs(90), || {
        pause();
        send();
        (passed(&mut instance)? == 2).then_some(())
    });
    let taken_while_dead = (0..60).filter(|_| send()).count();
    assert_eq!(taken_while_dead, 60, "four of six partitions are well");
    cluster.restart(2);
    await_some("the dead partitions are used again", Duration::from_secs(90), || {
        pause();
        send();
        (passed(&mut instance)? == 0).then_some(())
    });
    let there: BTreeSet<u64> = ids(&job).into_iter().collect();
    let missing: Vec<_> = taken.difference(&there).collect();
    assert_eq!(missing, [&0; 0], "acknowledged and not in the topic");
    println!("{} taken, {} in the topic", taken.len(), there.len());
}
