//! The writer: an idempotent producer whose acknowledgements we count.
//!
//! The client's own flush polls in steps of 100 ms. Counting acknowledgements as they come lets a
//! flush end with the last of them, and says which record failed first.

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
use crate::log::{LogError, Outgoing, Result, TopicPartition, Writer};

/// A writer on Kafka.
pub(super) struct KafkaWriter {
    cluster: Arc<Cluster>,
    producer: ThreadedProducer<Deliveries>,
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
    type DeliveryOpaque = ();

    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        let mut state = self.lock();
        state.in_flight -= 1;
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
        Ok(KafkaWriter { cluster, producer })
    }

    fn deliveries(&self) -> &Deliveries {
        self.producer.client().context()
    }

    /// Replaces a producer that broke. What it had not acknowledged is reported by the next flush.
    fn mend(&mut self) -> Result<()> {
        let (in_flight, failed, why) = {
            let mut state = self.deliveries().lock();
            let Some(why) = state.broken.clone() else {
                return Ok(());
            };
            (state.in_flight, state.failed.take(), why)
        };
        let producer = create(&self.cluster)?;
        tracing::warn!(in_flight, why, "the Kafka producer broke; a new one takes over");
        let lost = || {
            LogError::Unavailable(format!(
                "{in_flight} records lost with a producer that broke: {why}"
            ))
        };
        producer.client().context().lock().failed = failed.or_else(|| (in_flight > 0).then(lost));
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
        let mut record = BaseRecord::<[u8], [u8]>::to(&out.topic).partition(out.partition.0 as i32);
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
            let Err((e, unsent)) = self.producer.send(record) else {
                return Ok(());
            };
            let mut state = deliveries.lock();
            state.in_flight -= 1;
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
}
