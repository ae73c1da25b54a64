//! Orderly ends: a rolling restart pauses no shard and no partition for long, and an end in the
//! middle of a backlog or of a restore is an end like any other. On a real broker.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tidemark::clock::{monotonic, since};
use tidemark::log::{Outgoing, Partition, Record, TopicPartition};
use tidemark::model::partial::PartialMessage;
use tidemark::model::time::{Span, Timestamp};

use crate::job::{Job, SOURCES};
use crate::process::{Process, pause};
use crate::rows::{await_rows, company};
use crate::support::{await_some, kafka_bootstrap};

/// Time within which an instance that is asked to end has to be gone.
const ENDS_WITHIN: Duration = Duration::from_secs(15);
/// Bound on the time that a shard or a partition may stand still while instances come and go. It is
/// two to four seconds as a rule, more where a shard is on its way when its next owner ends too; the
/// bound is wide, since a loaded machine is no fault of ours. The figure is printed.
const PAUSE: Duration = Duration::from_secs(30);
/// Time between two events of one source partition.
const TICK: Duration = Duration::from_millis(100);

/// Asks an instance to end; says how long it took.
fn end(instance: &mut Process) -> Duration {
    let asked = monotonic();
    instance.ask_to_end();
    let status = instance.wait(ENDS_WITHIN);
    assert!(status.success(), "{status}: {}", instance.said());
    since(asked)
}

/// A thread that works until it is told to stop, and then says what it has.
struct Worker<T>(Sender<()>, JoinHandle<T>);

impl<T: Send + 'static> Worker<T> {
    fn start(work: impl FnOnce(Receiver<()>) -> T + Send + 'static) -> Worker<T> {
        let (stop, stopped) = channel();
        Worker(stop, std::thread::spawn(move || work(stopped)))
    }

    fn stop(self) -> T {
        drop(self.0);
        self.1.join().unwrap()
    }
}

/// An event of a deal of its own, some days ago.
fn event(i: usize) -> String {
    let now = Timestamp::from_millis(tidemark::clock::wall_ms());
    let time = now - Span::days(i as i64 % 20 + 1);
    format!(
        "{{\"id\":\"e{i}\",\"entity\":{{\"type\":\"deal\",\"id\":\"D{i}\"}},\"op\":\"create\",\
         \"time\":\"{time}\",\"set\":{{\"owner\":\"r{}\"}}}}",
        i % 30
    )
}

/// Writes an event to each source partition every [`TICK`], whatever happens meanwhile.
fn feed(job: &Job) -> Worker<Vec<String>> {
    let (mut writer, topic) = (job.log.writer().unwrap(), job.source.clone());
    Worker::start(move |stopped| {
        let (mut fed, mut next) = (Vec::new(), monotonic());
        loop {
            for partition in 0..SOURCES {
                let value = event(fed.len());
                fed.push(value.clone());
                let (topic, partition) = (topic.as_str().into(), Partition(partition));
                let (value, headers) = (Some(value.into_bytes()), Vec::new());
                writer.send(Outgoing { topic, partition, key: None, value, headers }).unwrap();
            }
            next += TICK;
            let left = next.saturating_duration_since(monotonic());
            if stopped.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                writer.flush(Duration::from_secs(60)).unwrap();
                return fed;
            }
        }
    })
}

/// The longest time that each shard and each results partition made no progress.
#[derive(Default)]
struct Pauses(BTreeMap<String, (u64, Instant, Duration)>);

impl Pauses {
    /// Takes what was read. A shard moves when more of its events are in its partials.
    fn note(&mut self, record: &Record, partials: &str) {
        let (part, at) = if &*record.topic == partials {
            let decoded = record.value.as_deref().map(|v| PartialMessage::decode(v).unwrap());
            let (shard, version) = match decoded {
                Some(PartialMessage::Cell(cell)) => (cell.shard, cell.version),
                _ => return,
            };
            (format!("shard {}", shard), version)
        } else {
            (format!("results {}", record.partition), record.offset.0)
        };
        let now = monotonic();
        let (reached, when, longest) = self.0.entry(part).or_insert((at, now, Duration::ZERO));
        if at > *reached {
            *longest = (*longest).max(now - *when);
            (*reached, *when) = (at, now);
        }
    }
}

/// Reads partials and results as they come.
fn watch(job: &Job) -> Worker<Pauses> {
    let topics = job.config.topics();
    let mut reader = job.log.reader().unwrap();
    let mut at = Vec::new();
    for topic in [&topics.partials, &topics.kpis] {
        for p in 0..job.config.definition.partitions {
            let partition = TopicPartition::new(topic.as_str(), p);
            let end = reader.bounds(&partition).unwrap().end;
            at.push((partition, end));
        }
    }
    reader.assign(&at).unwrap();
    Worker::start(move |stopped| {
        let (mut pauses, mut batch) = (Pauses::default(), Vec::new());
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            reader.poll(1000, Duration::from_millis(50), &mut batch).unwrap();
            batch.drain(..).for_each(|record| pauses.note(&record, &topics.partials));
        }
        pauses
    })
}

/// Each of three instances is ended and started again in turn while events flow.
#[test]
fn a_rolling_restart_pauses_each_shard_for_a_few_seconds_at_most() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let job = Job::new(&bootstrap, "rolling", "");
    job.create_topics();
    let feeder = feed(&job);
    let mut instances: Vec<Process> = ["a0", "b0", "c0"].map(|name| job.start(name)).into();
    instances.iter_mut().for_each(Process::ready);
    let watcher = watch(&job);
    for (instance, name) in instances.iter_mut().zip(["a1", "b1", "c1"]) {
        let took = end(instance);
        *instance = job.start(name);
        let started = monotonic();
        instance.ready();
        println!("ended in {took:?}, {name} ready after {:?}", since(started));
    }
    let fed = feeder.stop();
    let expected = job.expected(&fed);
    instances.iter_mut().for_each(|instance| await_rows(instance, &expected));
    let pauses = watcher.stop().0;
    assert_eq!(pauses.len(), 6 + 3, "{:?}", pauses.keys());
    for (part, (_, _, longest)) in &pauses {
        println!("{part}: {longest:?} at most without progress");
    }
    let longest = pauses.values().map(|(_, _, longest)| *longest).max().unwrap();
    assert!(longest < PAUSE, "{longest:?}");
}

fn taken(instance: &mut Process) -> u64 {
    let page = instance.get("/metrics").map(|(_, page)| page).unwrap_or_default();
    let lines = page.lines().filter(|l| l.starts_with("tidemark_records_taken_total{"));
    lines.filter_map(|l| l.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

/// An instance is asked to end while it reads a backlog, and again while it restores.
#[test]
fn an_end_in_the_middle_of_a_backlog_or_a_restore_is_in_time_and_exact() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let job = Job::new(&bootstrap, "ends", "");
    job.create_topics();
    let events = company(51, 60);
    // Each event once, so that none can be missed, and among many that are expected to do nothing:
    // much to read, and little to compute.
    const AMONG: usize = 10;
    let repeated = |e: &String| {
        let first = std::iter::repeat_n(events[0].clone(), AMONG - 1);
        std::iter::once(e.clone()).chain(first).collect::<Vec<_>>()
    };
    job.feed(&events.iter().flat_map(repeated).collect::<Vec<_>>());
    let all = (events.len() * AMONG) as u64;

    let mut instance = job.start("backlog");
    let seen = await_some("it is in the backlog", Duration::from_secs(60), || {
        Some(taken(&mut instance)).filter(|taken| *taken > all / 20)
    });
    let took = end(&mut instance);
    println!("ended in {took:?} behind {seen} of {all} records");

    let shards = job.config.definition.shards as usize;
    let mut caught = 0;
    for attempt in 0..10 {
        let mut instance = job.start(&format!("restore{attempt}"));
        await_some("it restores", Duration::from_secs(60), || {
            let said = instance.get("/readyz?verbose").map(|(_, body)| body)?;
            (said.contains("restoring shard") || said.contains("ledger: ok")).then_some(())
        });
        let took = end(&mut instance);
        let restored = instance.said().matches("stage=\"ledger\" shard=").count();
        println!("ended in {took:?} with {restored} of {shards} shards restored");
        caught += usize::from(restored < shards);
        if caught == 2 {
            break;
        }
    }
    assert_eq!(caught, 2, "the end never came in the middle of a restore");

    let mut instance = job.start("last");
    await_rows(&mut instance, &job.expected(&events));
    let left = await_some("the rest is taken", Duration::from_secs(60), || {
        let left = taken(&mut instance);
        if left == 0 {
            pause();
        }
        (left > 0).then_some(left)
    });
    println!("{left} records were left to the last one");
}
