//! Where state and log cannot be proved to agree, a part stops, or the process refuses to start, with
//! a sentence that names the mend. On a real broker.

use std::time::Duration;

use tidemark::log::{Offset, Outgoing, Partition, Position, TopicPartition};

use crate::job::{Job, SOURCES};
use crate::process::{Process, pause};
use crate::rows::{await_rows, company};
use crate::support::{alter_topic, await_some, delete_records, delete_topic, kafka_bootstrap};

/// Waits until `/readyz` holds a text.
fn await_reason(instance: &mut Process, text: &str) -> String {
    await_some(&format!("readyz says {text:?}"), Duration::from_secs(90), || {
        let body = instance.get("/readyz?verbose").map(|(_, body)| body).unwrap_or_default();
        if !body.contains(text) {
            pause();
        }
        body.contains(text).then_some(body)
    })
}

fn metric(instance: &mut Process, name: &str) -> f64 {
    let (_, page) = instance.get("/metrics").unwrap();
    page.lines()
        .filter(|l| l.starts_with(name) && !l.starts_with('#'))
        .filter_map(|l| l.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

/// Replaces a key of the job's file; `old` must be there.
fn change(job: &Job, old: &str, new: &str) {
    let text = std::fs::read_to_string(&job.file).unwrap();
    assert!(text.contains(old), "{text}");
    std::fs::write(&job.file, text.replace(old, new)).unwrap();
}

/// Retention passes intake in one partition while it is down: that partition stops, the others go
/// on; told to skip, it goes on as well, and the rows say what they may lack.
#[test]
fn a_gap_stops_its_partition_or_is_skipped_with_its_range() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let job = Job::new(&bootstrap, "gap", "[intake]\non_gap = \"stop\"\n");
    job.create_topics();
    let events = company(31, 30);
    let (first, second) = events.split_at(events.len() / 2);
    let mut instance = job.start("before");
    job.feed(first);
    await_rows(&mut instance, &job.expected(first));
    assert!(instance.terminate().success(), "{}", instance.said());

    let partition = TopicPartition::new(job.source.as_str(), 1);
    let old = job.log.reader().unwrap().bounds(&partition).unwrap().end;
    job.feed(second);
    delete_records(&bootstrap, &partition, Offset(old.0 + 7));
    let kept: Vec<String> = lost(first, second, 7);

    let mut stopped = job.start("stopped");
    let said = await_reason(&mut stopped, "stands still");
    let range = format!("offsets {old} to {} were deleted before they were read", old.0 + 6);
    assert!(said.contains(&range) && said.contains("intake.on_gap"), "{said}");
    // The three other partitions are taken in.
    let others = events.len() - events.iter().skip(1).step_by(SOURCES as usize).count();
    await_some("the others go on", Duration::from_secs(60), || {
        let taken = metric(&mut stopped, "tidemark_records_taken_total");
        pause();
        (taken >= (others - first.len() * 3 / 4 - 3) as f64).then_some(())
    });
    assert_eq!(metric(&mut stopped, "tidemark_stopped{"), 1.0);
    assert!(stopped.terminate().success(), "{}", stopped.said());

    change(&job, "on_gap = \"stop\"", "on_gap = \"skip\"");
    let mut skipping = job.start("skipping");
    await_rows(&mut skipping, &job.expected(&kept));
    assert_eq!(metric(&mut skipping, "tidemark_records_skipped_total"), 7.0);
    let (_, rows) = skipping.get("/api/v1/rows?window=year&limit=1000").unwrap();
    assert!(rows.contains("\"incomplete\":true"), "{rows}");
    assert!(skipping.said().contains(&format!("from={old}")), "{}", skipping.said());
}

/// Appends a record that somebody else wrote.
fn append(job: &Job, topic: &str, partition: u32) {
    let mut writer = job.log.writer().unwrap();
    let (key, value) = (Some(b"default/deal/x".to_vec()), Some(b"{}".to_vec()));
    let (topic, partition) = (topic.into(), Partition(partition));
    writer.send(Outgoing { topic, partition, key, value, headers: Vec::new() }).unwrap();
    writer.flush(Duration::from_secs(60)).unwrap();
}

/// The events without the first `n` of the second half in source partition 1.
fn lost(first: &[String], second: &[String], n: usize) -> Vec<String> {
    let mut gone = 0;
    let second = second.iter().enumerate().filter(|(i, _)| {
        let lost = *i as u32 % SOURCES == 1 && gone < n;
        gone += usize::from(lost);
        !lost
    });
    first.iter().cloned().chain(second.map(|(_, e)| e.clone())).collect()
}

/// A source topic is deleted and created anew. The brokers forget the group's offsets with it; what
/// intake told the shards tells that other records stand where it was. Told to skip, it takes all of
/// the new topic, beside what was taken in of the old one.
#[test]
fn a_source_topic_created_anew_is_noticed_and_read_from_its_start_on_demand() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let job = Job::new(&bootstrap, "anew", "[intake]\non_gap = \"stop\"\n");
    job.create_topics();
    let events = company(32, 20);
    let mut instance = job.start("before");
    job.feed(&events);
    await_rows(&mut instance, &job.expected(&events));
    assert!(instance.terminate().success(), "{}", instance.said());
    delete_topic(&bootstrap, &job.source);
    job.create_topics();
    let more = company(33, 25);
    assert!(more.len() > events.len(), "as long as before, so that only the records differ");
    job.feed(&more);
    let mut stopped = job.start("stopped");
    let said = await_reason(&mut stopped, "stands still");
    assert!(said.contains("deleted and created anew"), "{said}");
    assert!(stopped.terminate().success(), "{}", stopped.said());
    change(&job, "on_gap = \"stop\"", "on_gap = \"skip\"");
    let mut instance = job.start("after");
    await_rows(&mut instance, &job.expected(&[events, more].concat()));
}

/// An operator sets the group back: everything is taken in twice, and counted once.
#[test]
fn offsets_that_an_operator_resets_change_no_number() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let job = Job::new(&bootstrap, "reset", "");
    job.create_topics();
    let events = company(34, 20);
    let mut instance = job.start("before");
    job.feed(&events);
    await_rows(&mut instance, &job.expected(&events));
    assert!(instance.terminate().success(), "{}", instance.said());
    let group = format!("{}.intake", job.config.topics().events);
    let mut member = job.log.join(&group, &[&job.source]).unwrap();
    let owned = await_some("the group is ours", Duration::from_secs(60), || {
        member.poll(Duration::from_millis(200)).unwrap().filter(|p| p.len() == SOURCES as usize)
    });
    let start: Vec<_> = owned.into_iter().map(|p| (p, Position::from(Offset(0)))).collect();
    member.commit(&start).unwrap();
    member.leave();
    let mut instance = job.start("after");
    await_rows(&mut instance, &job.expected(&events));
    await_some("all is taken in again", Duration::from_secs(60), || {
        let taken = metric(&mut instance, "tidemark_records_taken_total");
        pause();
        (taken >= events.len() as f64).then_some(())
    });
    await_rows(&mut instance, &job.expected(&events));
}

/// The events topic was trimmed before it was folded, or created anew: the shards cannot be proved.
#[test]
fn an_events_topic_that_was_trimmed_or_created_anew_stops_the_shards() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let job = Job::new(&bootstrap, "truth", "");
    job.create_topics();
    let events = company(35, 20);
    let mut instance = job.start("before");
    job.feed(&events);
    await_rows(&mut instance, &job.expected(&events));
    assert!(instance.terminate().success(), "{}", instance.said());
    let topic = job.config.topics().events;
    // Intake alone goes on: events come in, and go before the ledger folds them.
    let shard = TopicPartition::new(topic.as_str(), 2);
    let end = job.log.reader().unwrap().bounds(&shard).unwrap().end;
    append(&job, &topic, 2);
    append(&job, &topic, 2);
    delete_records(&bootstrap, &shard, end.next());
    let mut after = job.start("trimmed");
    let said = await_reason(&mut after, "stands still");
    assert!(said.contains("part 2 stands still: shard 2 needs"), "{said}");
    assert!(
        said.contains("trimmed before they were folded") && said.contains("app.generation"),
        "{said}"
    );
    assert_eq!(metric(&mut after, "tidemark_stopped{"), 1.0, "the other shards go on");
    assert!(after.terminate().success(), "{}", after.said());
    // The mend that the message names: a new generation counts what is left, and says so.
    change(&job, "[app]\n", "[app]\ngeneration = 2\n");
    job.create_topics();
    let mut next = job.start("generation2");
    next.ready();
    await_some("the rows say what they lack", Duration::from_secs(90), || {
        pause();
        let (_, rows) = next.get("/api/v1/rows?window=year&limit=1000").unwrap();
        rows.contains("\"incomplete\":true").then_some(())
    });
    assert!(next.terminate().success(), "{}", next.said());
    change(&job, "[app]\ngeneration = 2\n", "[app]\n");

    delete_topic(&bootstrap, &topic);
    job.create_topics();
    let mut anew = job.start("anew");
    let said = await_reason(&mut anew, "stands still");
    assert!(said.contains("created anew") && said.contains("app.generation"), "{said}");
    assert!(anew.terminate().success(), "{}", anew.said());
}

/// A definition that changed without a new generation, and settings on which the promise rests.
#[test]
fn another_definition_and_weaker_topics_end_with_3_and_name_the_mend() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let job = Job::new(&bootstrap, "other", "");
    job.create_topics();
    let mut instance = job.start("before");
    let events = company(38, 20);
    job.feed(&events);
    await_rows(&mut instance, &job.expected(&events));
    assert!(instance.terminate().success(), "{}", instance.said());

    change(&job, "rolling = [\"28d\"]", "rolling = [\"14d\"]");
    let mut instance = job.start("changed");
    assert_eq!(instance.wait(Duration::from_secs(90)).code(), Some(3), "{}", instance.said());
    assert!(instance.said().contains("app.generation"), "{}", instance.said());
    change(&job, "rolling = [\"14d\"]", "rolling = [\"28d\"]");

    let partials = job.config.topics().partials;
    alter_topic(
        &bootstrap,
        &partials,
        &[("cleanup.policy", "compact"), ("min.compaction.lag.ms", "1000")],
    );
    let mut instance = job.start("weaker");
    assert_eq!(instance.wait(Duration::from_secs(90)).code(), Some(3), "{}", instance.said());
    let said = instance.said();
    assert!(
        said.contains("--add-config cleanup.policy=compact,min.compaction.lag.ms=1200000"),
        "{said}"
    );
    alter_topic(
        &bootstrap,
        &partials,
        &[("cleanup.policy", "compact"), ("min.compaction.lag.ms", "1200000")],
    );
    let mut instance = job.start("mended");
    await_rows(&mut instance, &job.expected(&events));
}

/// All that can be made again from the events topic is lost: it is made again.
#[test]
fn lost_images_partials_and_results_are_made_again_from_the_events() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let job = Job::new(&bootstrap, "disaster", "");
    job.create_topics();
    let events = company(39, 20);
    let mut instance = job.start("before");
    job.feed(&events);
    await_rows(&mut instance, &job.expected(&events));
    assert!(instance.terminate().success(), "{}", instance.said());
    let topics = job.config.topics();
    for lost in [[&topics.images, &topics.images], [&topics.partials, &topics.kpis]] {
        for topic in lost {
            if job.log.describe(topic).unwrap().is_some() {
                delete_topic(&bootstrap, topic);
            }
        }
        job.create_topics();
        let mut instance = job.start("after");
        await_rows(&mut instance, &job.expected(&events));
        assert!(instance.terminate().success(), "{}", instance.said());
    }
}
