//! Memory, files and threads are bounded, whatever the sources hold. On a real broker.

use std::process::Command;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use tidemark::log::{Cleanup, TopicSpec};

use crate::job::Job;
use crate::process::{Process, pause};
use crate::rows::{await_rows, company};
use crate::support::kafka_bootstrap;

/// Partitions of the source topic.
const PARTITIONS: u32 = 64;
/// What a record is padded with, bytes: it compresses to next to nothing.
const PADDING: usize = 256 << 10;
/// The most memory that the process may ever have, MiB.
const RESIDENT_MIB: u64 = 256;
/// Beyond so much, MiB, the system refuses more: heap and the stacks of some fifty threads.
const DATA_MIB: u64 = 384;

/// Writes records over all partitions as a source that compresses well does.
fn feed_compressed(bootstrap: &str, topic: &str, records: &[String]) {
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config.set("compression.type", "zstd").set("linger.ms", "200");
    config.set("queue.buffering.max.kbytes", "262144");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create().unwrap();
    for (i, value) in records.iter().enumerate() {
        // Every second one into one of two: what one answer can hold of a partition counts as well.
        let partition = if i % 2 == 0 { i / 2 % PARTITIONS as usize } else { i / 2 % 2 };
        let partition = partition as i32;
        let mut record = BaseRecord::<[u8], str>::to(topic).partition(partition).payload(value);
        while let Err((error, unsent)) = producer.send(record) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            assert_eq!(error, full);
            record = unsent;
            pause();
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
}

/// A backlog of several hundred MB in 64 partitions that is small on the wire: what is read ahead
/// is bounded, and the rows are exact.
#[test]
fn a_compressed_backlog_in_64_partitions_stays_within_bounded_memory() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let job = Job::new(&bootstrap, "memory", "");
    let spec = TopicSpec {
        name: job.source.clone(),
        partitions: PARTITIONS,
        replication: 1,
        cleanup: Cleanup::Delete { retention: None },
        max_record_bytes: 1 << 20,
    };
    job.log.create(&spec).unwrap();
    job.create_topics();
    let events = company(41, 25);
    let padding = "Thank you for your order. ".repeat(PADDING / 26);
    let padded = |e: &String| format!("{{\"padding\":\"{padding}\",{}", &e[1..]);
    let started = tidemark::clock::monotonic();
    let backlog: Vec<String> = events.iter().map(padded).collect();
    feed_compressed(&bootstrap, &job.source, &backlog);
    let size = backlog.iter().map(String::len).sum::<usize>() >> 20;
    println!("{} records, {size} MiB, fed in {:?}", backlog.len(), tidemark::clock::since(started));
    drop(backlog);

    let arguments = ["run", "--config", job.file.to_str().unwrap()];
    let limits = ["-s 1024".to_owned(), format!("-d {}", DATA_MIB << 10)];
    let limits: Vec<&str> = limits.iter().map(String::as_str).collect();
    let mut instance = match can_limit(&limits) {
        true => Process::start_limited(job.dir.path(), "a", &limits, &arguments),
        false => {
            println!("skipped: this system sets no limit on memory; its peak alone is looked at");
            job.start("a")
        }
    };
    await_rows(&mut instance, &job.expected(&events));
    let Some(peak) = instance.status_kib("VmHWM").map(|kib| kib >> 10) else {
        println!("skipped: this system does not say how much memory a process had");
        return;
    };
    println!("peak memory {peak} MiB, all there in {:?}", tidemark::clock::since(started));
    assert!(peak < RESIDENT_MIB, "{peak} MiB of memory, {RESIDENT_MIB} are allowed");
    assert!(instance.terminate().success(), "{}", instance.said());
}

/// Whether the shell can set these limits for what it starts.
fn can_limit(limits: &[&str]) -> bool {
    let set: Vec<String> = limits.iter().map(|limit| format!("ulimit {limit}")).collect();
    Command::new("sh").args(["-c", &set.join(" && ")]).status().is_ok_and(|s| s.success())
}

/// With too few files for its clients it ends at once and names the limit, instead of finding no
/// broker again and again.
#[test]
fn too_few_files_end_with_3_and_name_the_limit() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    if !std::path::Path::new("/proc/self/limits").exists() || !can_limit(&["-n 64"]) {
        println!("skipped: this system does not tell or set how many files may be open");
        return;
    }
    let job = Job::new(&bootstrap, "files", "");
    job.create_topics();
    let arguments = ["run", "--config", job.file.to_str().unwrap()];
    let mut instance = Process::start_limited(job.dir.path(), "few", &["-n 64"], &arguments);
    let status = instance.wait(Duration::from_secs(30));
    assert_eq!(status.code(), Some(3), "{}", instance.said());
    let said = instance.said();
    assert!(said.contains("may open 64 files") && said.contains("ulimit -n"), "{said}");

    let mut enough = Process::start_limited(job.dir.path(), "enough", &["-n 256"], &arguments);
    enough.ready();
    let (_, page) = enough.get("/metrics").unwrap();
    let open = page.lines().find_map(|l| l.strip_prefix("process_open_fds "));
    let open: u64 = open.unwrap().parse().unwrap();
    println!("{open} files are open");
    assert!(open < 192, "{open} files are open, and there must be some to spare of 256");
}
