//! Instances join, leave and die while events flow; the rows end as the replay's.

use std::time::Duration;

use crate::job::{Job, SOURCES};
use crate::process::pause;
use crate::rows::{await_rows, company};
use crate::support::{add_partitions, await_some, kafka_bootstrap};

/// Two instances, then three; one is killed, one is asked to end; one comes back.
#[test]
fn instances_come_and_go_and_the_rows_are_exact() {
    let Some(bootstrap) = kafka_bootstrap() else {
        return;
    };
    let job = Job::new(&bootstrap, "scale", "");
    job.create_topics();
    let events = company(11, 60);
    let parts: Vec<&[String]> = events.chunks(events.len() / 4 + 1).collect();

    let (mut a, mut b) = (job.start("a"), job.start("b"));
    job.feed(parts[0]);
    a.ready();
    b.ready();
    let mut c = job.start("c");
    job.feed(parts[1]);
    c.ready();
    a.kill();
    job.feed(parts[2]);
    assert!(b.terminate().success(), "{}", b.said());
    let mut d = job.start("d");
    job.feed(parts[3]);

    let expected = job.expected(&events);
    await_rows(&mut c, &expected);
    await_rows(&mut d, &expected);
}

/// A single instance is killed again and again while it works.
#[test]
fn an_instance_killed_again_and_again_loses_and_repeats_nothing() {
    let Some(bootstrap) = kafka_bootstrap() else {
        return;
    };
    let job = Job::new(&bootstrap, "kills", "");
    job.create_topics();
    let events = company(5, 40);
    for (i, part) in events.chunks(events.len() / 4 + 1).enumerate() {
        let mut instance = job.start(&format!("life{i}"));
        job.feed(part);
        instance.ready();
        instance.kill();
    }
    let mut last = job.start("last");
    await_rows(&mut last, &job.expected(&events));
}

/// A source topic gets more partitions while it is read: they are read from their start, and the
/// watermark waits for them too.
#[test]
fn partitions_added_to_a_source_are_read_from_their_start() {
    let Some(bootstrap) = kafka_bootstrap() else {
        return;
    };
    let often = "[kafka.properties]\n\"topic.metadata.refresh.interval.ms\" = \"1000\"\n";
    let job = Job::new(&bootstrap, "grow", often);
    job.create_topics();
    let events = company(12, 30);
    let (first, second) = events.split_at(events.len() / 2);
    let mut instance = job.start("a");
    job.feed(first);
    await_rows(&mut instance, &job.expected(first));
    add_partitions(&bootstrap, &job.source, SOURCES as usize + 3);
    job.feed_over(second, SOURCES + 3);
    await_rows(&mut instance, &job.expected(&events));
    let newest = format!("tidemark_watermark_timestamp_seconds{{part=\"{}[6]\"", job.source);
    await_some("the newest partition has a watermark", Duration::from_secs(60), || {
        let (_, page) = instance.get("/metrics").unwrap();
        pause();
        page.contains(&newest).then_some(())
    });
}

/// The sales data of the oracle tests, shuffled, over several partitions and two instances.
#[test]
fn the_maven_data_through_two_instances() {
    let Some(bootstrap) = kafka_bootstrap() else {
        return;
    };
    let Some(events) = maven() else {
        println!("skipped: no maven_crm data beside the repository");
        return;
    };
    let extra = "[money]\ncurrency = \"USD\"\n[segments]\nsets = [\"overall\", \"rep\", \"territory\", \"product\"]\n[slices]\nday_retention = \"5000d\"\n";
    let job = Job::new(&bootstrap, "maven", extra);
    job.create_topics();
    let (mut a, mut b) = (job.start("a"), job.start("b"));
    job.feed(&events);
    let expected = job.expected(&events);
    await_rows(&mut a, &expected);
    await_rows(&mut b, &expected);
    // The same month that truth.csv has: win rate of July 2017, closed basis.
    let july = &expected.rows["month:2017-07-01T00:00:00Z|overall"];
    assert!(july.contains("\"win_rate\":{\"value\":0.49"), "{july}");
}

/// `events.csv` as canonical events in a scattered order, every twentieth twice.
fn maven() -> Option<Vec<String>> {
    let base = std::env::var("TIDEMARK_SHARED").unwrap_or_else(|_| "../shared".into());
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(base);
    let text = std::fs::read_to_string(root.join("data/maven_crm/events.csv")).ok()?;
    let mut out: Vec<String> = text.lines().skip(1).map(event).collect();
    let again: Vec<String> = out.iter().step_by(20).cloned().collect();
    out.extend(again);
    // A stride coprime to the length visits every place once, far from the original order.
    let n = out.len();
    let stride = (n / 3..n).find(|s| gcd(*s, n) == 1)?;
    Some((0..n).map(|i| out[i * stride % n].clone()).collect())
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn event(line: &str) -> String {
    let f: Vec<&str> = line.split(',').collect();
    let (op, state) = match f[1] {
        "deal.created" => ("create", String::new()),
        "deal.closed_won" => (
            "update",
            format!(
                ",\"status\":\"won\",\"amount\":{{\"value\":\"{}\",\"currency\":\"USD\"}}",
                f[7]
            ),
        ),
        _ => ("update", ",\"status\":\"lost\"".to_owned()),
    };
    format!(
        "{{\"id\":\"{}/{}\",\"entity\":{{\"type\":\"deal\",\"id\":\"{}\"}},\"op\":\"{op}\",\"time\":\"{}\",\
         \"set\":{{\"owner\":\"{}\",\"territory\":\"{}\",\"product\":\"{}\",\"account\":\"{}\"{state}}}}}",
        f[0], f[1], f[0], f[2], f[3], f[4], f[5], f[6]
    )
}
