//! The writer: an idempotent producer whose acknowledgements we count.
//!
//! The client's own flush polls in steps of 100 ms. Counting acknowledgements as they come lets a
//! flush end with the last of them, and says which record failed first.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use super::cluster::Cluster;
use super::{client, not_created};
use crate::clock;
use crate::log::{LogError, Outgoing, Result, TopicPartition, Unacknowledged, Writer};

/// A writer on Kafka.
pub(super) struct KafkaWriter {
    cluster: Arc<Cluster>,
    producer: ThreadedProducer<Deliveries>,
    /// What became of the records of each partition.
    lanes: HashMap<TopicPartition, Arc<Lane>>,
}

/// The records of one partition.
#[derive(Default)]
struct Lane {
    in_flight: AtomicU64,
    /// Whether one failed since the last flush.
    failed: AtomicBool,
}

impl Lane {
    /// Whether all records were acknowledged; forgets what failed.
    fn settle(&self) -> bool {
        let none_under_way = self.in_flight.load(Ordering::Acquire) == 0;
        // Behind the count: a failure is noted before it is counted off.
        let failed = self.failed.swap(false, Ordering::AcqRel);
        none_under_way && !failed
    }
}

/// Counts what was sent and not yet acknowledged. The producer's thread reports to it.
#[derive(Default)]
struct Deliveries {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    in_flight: u64,
    /// The first failure since the last flush.
    failed: Option<LogError>,
    /// Why this producer cannot be used any more.
    broken: Option<String>,
}

impl Deliveries {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds the state")
    }

    /// Waits while the condition holds.
    fn wait_while(
        &self,
        deadline: Instant,
        holds: impl Fn(&State) -> bool,
    ) -> MutexGuard<'_, State> {
        let left = deadline.saturating_duration_since(clock::monotonic());
        let waited = self.changed.wait_timeout_while(self.lock(), left, |state| holds(state));
        waited.expect("no code panics while it holds the state").0
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        client::log_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        if error.rdkafka_error_code() == Some(Code::Fatal) {
            self.lock().broken.get_or_insert_with(|| reason.to_owned());
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Lane>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, lane: Arc<Lane>) {
        let mut state = self.lock();
        state.in_flight -= 1;
        lane.failed.fetch_or(delivered.is_err(), Ordering::AcqRel);
        lane.in_flight.fetch_sub(1, Ordering::AcqRel);
        if let Err((e, message)) = delivered {
            let size = message.key_len() + message.payload_len();
            let partition = TopicPartition::new(message.topic(), message.partition().max(0) as u32);
            let (failed, broken) = failure(e, partition, size);
            if broken {
                state.broken.get_or_insert_with(|| failed.to_string());
            }
            state.failed.get_or_insert(failed);
        }
        drop(state);
        self.changed.notify_all();
    }
}

/// What a record that was not taken means, and whether the producer is of no more use.
fn failure(e: &KafkaError, partition: TopicPartition, size: usize) -> (LogError, bool) {
    let doing = format!("writing to {partition}");
    match e.rdkafka_error_code() {
        Some(code) if client::missing(code) => (LogError::NoSuchPartition(partition), false),
        Some(
            code @ (Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidMessageSize),
        ) => {
            let (topic, detail) = (partition.topic.to_string(), code.to_string());
            (LogError::TooLarge { topic, size, detail }, false)
        }
        Some(code) => match client::meaning(code, &doing) {
            // The next call makes a new producer, so that a repetition may succeed.
            LogError::Fatal(text) => (LogError::Unavailable(text), true),
            other => (other, false),
        },
        None => (LogError::Unavailable(format!("{doing}: {e}")), true),
    }
}

impl KafkaWriter {
    pub(super) fn new(cluster: Arc<Cluster>) -> Result<KafkaWriter> {
        let producer = create(&cluster)?;
        Ok(KafkaWriter { cluster, producer, lanes: HashMap::new() })
    }

    fn deliveries(&self) -> &Deliveries {
        self.producer.client().context()
    }

    /// Replaces a producer that broke. What it had not acknowledged is reported by the next flush.
    fn mend(&mut self) -> Result<()> {
        let Some(why) = self.deliveries().lock().broken.clone() else {
            return Ok(());
        };
        // Without a new producer the failure stays for the next flush to tell.
        let producer = create(&self.cluster)?;
        let (in_flight, failed) = {
            let mut state = self.deliveries().lock();
            (state.in_flight, state.failed.take())
        };
        tracing::warn!(in_flight, why, "the Kafka producer broke; a new one takes over");
        let lost = || {
            LogError::Unavailable(format!(
                "{in_flight} records lost with a producer that broke: {why}"
            ))
        };
        producer.client().context().lock().failed = failed.or_else(|| (in_flight > 0).then(lost));
        // What the broken one still holds is lost: its reports, if any come, are not waited for.
        self.lanes.retain(|_, lane| !lane.settle());
        for lane in self.lanes.values_mut() {
            *lane = Arc::new(Lane { failed: AtomicBool::new(true), ..Lane::default() });
        }
        self.producer = producer;
        Ok(())
    }
}

fn create(cluster: &Cluster) -> Result<ThreadedProducer<Deliveries>> {
    let producer = client::producer(&cluster.settings).create_with_context(Deliveries::default());
    producer.map_err(|e| not_created("producer", &e))
}

impl Writer for KafkaWriter {
    fn send(&mut self, out: Outgoing) -> Result<()> {
        let partition = TopicPartition { topic: out.topic.clone(), partition: out.partition };
        // Brokers may create what a producer names, so that the topic has to be known first.
        self.cluster.check(&partition)?;
        self.mend()?;
        let lane = self.lanes.entry(partition.clone()).or_default().clone();
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(&out.topic, lane.clone())
            .partition(out.partition.0 as i32);
        record.key = out.key.as_deref();
        record.payload = out.value.as_deref();
        if !out.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(out.headers.len());
            record.headers = Some(out.headers.iter().fold(headers, |headers, h| {
                headers.insert(Header { key: &h.name, value: Some(&h.value) })
            }));
        }
        let deadline = clock::monotonic() + self.cluster.settings.request_timeout;
        let deliveries = self.deliveries();
        loop {
            // Counted first: the acknowledgement may come before `send` returns.
            deliveries.lock().in_flight += 1;
            lane.in_flight.fetch_add(1, Ordering::AcqRel);
            let Err((e, unsent)) = self.producer.send(record) else {
                return Ok(());
            };
            let mut state = deliveries.lock();
            state.in_flight -= 1;
            lane.in_flight.fetch_sub(1, Ordering::AcqRel);
            let held = state.in_flight;
            if e.rdkafka_error_code() != Some(Code::QueueFull) {
                let size =
                    out.key.as_ref().map_or(0, Vec::len) + out.value.as_ref().map_or(0, Vec::len);
                let (failed, broken) = failure(&e, partition, size);
                if broken {
                    state.broken.get_or_insert_with(|| failed.to_string());
                }
                return Err(failed);
            }
            drop(state);
            if clock::monotonic() >= deadline {
                return Err(LogError::Unavailable(format!(
                    "the buffer stays full: {held} records wait for the brokers"
                )));
            }
            drop(deliveries.wait_while(deadline, |state| state.in_flight >= held && held > 0));
            record = unsent;
        }
    }

    fn flush(&mut self, within: Duration) -> Result<()> {
        let deadline = clock::monotonic() + within;
        let mut state = self.deliveries().wait_while(deadline, |state| state.in_flight > 0);
        if state.in_flight > 0 {
            let waiting = state.in_flight;
            return Err(LogError::Unavailable(format!(
                "{waiting} records were not acknowledged within {within:?}"
            )));
        }
        state.failed.take().map_or(Ok(()), Err)
    }

    fn flush_each(
        &mut self,
        sent: &BTreeSet<TopicPartition>,
        within: Duration,
    ) -> std::result::Result<(), Unacknowledged> {
        let flushed = self.flush(within);
        let torn = |partition: &&TopicPartition| {
            self.lanes.get(*partition).is_some_and(|lane| !lane.settle())
        };
        let partitions: BTreeSet<_> = sent.iter().filter(torn).cloned().collect();
        match flushed {
            // What was sent to others before may still be under way.
            Err(why) if !partitions.is_empty() => Err(Unacknowledged { partitions, why }),
            Ok(()) if !partitions.is_empty() => {
                let why = LogError::Unavailable("records were not acknowledged".to_owned());
                Err(Unacknowledged { partitions, why })
            }
            _ => Ok(()),
        }
    }
}
