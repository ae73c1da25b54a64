//! The reader: a consumer that reads from positions that we name, and belongs to no group.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset as Position, TopicPartitionList};

use super::client::{self, Plain};
use super::cluster::Cluster;
use super::not_created;
use crate::clock;
use crate::log::local::Room;
use crate::log::{Bounds, Header, LogError, Offset, Reader, Record, Result, TopicPartition};

/// How long to wait for a topic that the client does not know. It asks by itself after a second.
const LEARN_WITHIN: Duration = Duration::from_secs(1);

/// How long closing may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// How long the client may take to stop reading a partition. Asked to stop it twice meanwhile, it
/// aborts the process (<https://github.com/confluentinc/librdkafka/issues/5573>).
const STOPS_WITHIN: Duration = Duration::from_millis(250);

/// A reader on Kafka.
pub(super) struct KafkaReader {
    cluster: Arc<Cluster>,
    /// There until it is dropped.
    consumer: Option<BaseConsumer<Plain>>,
    /// The lowest offset that may come next of each partition, sorted by partition.
    next: Vec<(TopicPartition, Offset)>,
    /// The client has given up a partition without saying which.
    in_doubt: bool,
    /// An error that came after records, kept for the next poll.
    pending: Option<LogError>,
    /// Which partitions, in the order of `next`, were read to their end.
    ended: Vec<bool>,
    /// Partitions that the client was told to stop a short time ago.
    stopped: BTreeMap<TopicPartition, Instant>,
}

impl KafkaReader {
    pub(super) fn new(cluster: Arc<Cluster>) -> Result<KafkaReader> {
        let consumer = client::reader(&cluster.settings).create_with_context(Plain::default());
        let consumer = Some(consumer.map_err(|e| not_created("reader", &e))?);
        Ok(KafkaReader {
            cluster,
            consumer,
            next: Vec::new(),
            in_doubt: false,
            pending: None,
            ended: Vec::new(),
            stopped: BTreeMap::new(),
        })
    }

    fn consumer(&self) -> &BaseConsumer<Plain> {
        self.consumer.as_ref().expect("the consumer is there until the reader is dropped")
    }

    /// Lets the client know the topics of an assignment. It would else find out about a new one with
    /// its next round, which is once a second: each restore of a shard would take that long.
    fn learn(&self, at: &[(TopicPartition, Offset)]) {
        let topics: BTreeSet<&str> = at.iter().map(|(tp, _)| &*tp.topic).collect();
        for topic in topics {
            if self.next.iter().all(|(tp, _)| &*tp.topic != topic) {
                // Where this fails, the client goes on asking.
                if let Err(error) = self.consumer().fetch_metadata(Some(topic), LEARN_WITHIN) {
                    tracing::debug!(topic, %error, "not known to the reader yet");
                }
            }
        }
    }

    /// Makes the client read all of `next` from there.
    fn position(&mut self) -> Result<()> {
        let list = listed(self.next.iter().map(|(tp, offset)| (tp, Some(*offset))))?;
        self.consumer().assign(&list).map_err(|e| not_assigned(&e))
    }

    /// Says that the client is told to stop partitions now, once it has stopped those among them
    /// that it was told to before.
    fn stop(&mut self, partitions: &[TopicPartition]) {
        let last = partitions.iter().filter_map(|tp| self.stopped.get(tp)).max();
        let until = last.map(|at| *at + STOPS_WITHIN);
        while let Some(left) = until.and_then(|at| at.checked_duration_since(clock::monotonic()))
            && !left.is_zero()
        {
            std::thread::park_timeout(left);
        }
        let now = clock::monotonic();
        self.stopped.retain(|_, at| now.saturating_duration_since(*at) < STOPS_WITHIN);
        self.stopped.extend(partitions.iter().map(|tp| (tp.clone(), now)));
    }

    /// Finds which partition the client gave up. An error where one is out of range or gone; where
    /// none is, the client is made to read on.
    fn examine(&mut self) -> Result<()> {
        for &(ref tp, asked) in &self.next {
            self.cluster.forget(&tp.topic);
            let Bounds { start, end } = self.cluster.bounds(tp)?;
            if asked < start || asked > end {
                return Err(LogError::OutOfRange { partition: tp.clone(), asked, start, end });
            }
        }
        let all: Vec<TopicPartition> = self.next.iter().map(|(tp, _)| tp.clone()).collect();
        self.stop(&all);
        self.position()?;
        self.in_doubt = false;
        Ok(())
    }

    /// The client saw the end of a partition. It says the number and not the topic, so where
    /// several topics are read it says nothing.
    fn end(&mut self, partition: i32) {
        let mut same = (0..self.next.len())
            .filter(|i| i64::from(self.next[*i].0.partition.0) == i64::from(partition));
        if let (Some(place), None) = (same.next(), same.next()) {
            self.ended[place] = true;
        }
    }

    /// What an error of the client means; `None` where it is of no concern.
    fn explain(&mut self, e: &KafkaError) -> Option<LogError> {
        let gone = |code| {
            client::missing(code) || matches!(code, Code::AutoOffsetReset | Code::OffsetOutOfRange)
        };
        if e.rdkafka_error_code().is_some_and(gone) {
            self.in_doubt = true;
            return self.examine().err();
        }
        self.consumer().context().reason.explain(e, "reading")
    }
}

/// Partitions for the client, with where to begin.
fn listed<'p>(
    partitions: impl Iterator<Item = (&'p TopicPartition, Option<Offset>)>,
) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (tp, offset) in partitions {
        let position = match offset {
            Some(offset) => Position::Offset(i64::try_from(offset.0).unwrap_or(i64::MAX)),
            None => Position::Invalid,
        };
        let added = list.add_partition_offset(&tp.topic, tp.partition.0 as i32, position);
        added.map_err(|e| client::meaning_of(&e, &format!("assigning {tp}")))?;
    }
    Ok(list)
}

fn not_assigned(error: &KafkaError) -> LogError {
    LogError::Fatal(format!("assigning: {error}"))
}

/// Takes a message for a record, unless it is one that was not asked for.
fn take(
    next: &mut [(TopicPartition, Offset)],
    message: &BorrowedMessage<'_>,
) -> Option<(Record, usize)> {
    let name = (message.topic(), u32::try_from(message.partition()).ok()?);
    let found = next.binary_search_by(|(tp, _)| (&*tp.topic, tp.partition.0).cmp(&name));
    let place = found.ok()?;
    let (tp, next) = &mut next[place];
    let offset = Offset(u64::try_from(message.offset()).ok()?);
    if offset < *next {
        return None;
    }
    *next = offset.next();
    let record = Record {
        topic: tp.topic.clone(),
        partition: tp.partition,
        offset,
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers(message),
    };
    Some((record, place))
}

/// Headers in order. The client panics on a name that is not UTF-8, and such a name must not take
/// the reader down for good: the header is kept under a name that matches nothing.
fn headers(message: &BorrowedMessage<'_>) -> Vec<Header> {
    let Some(headers) = message.headers() else {
        return Vec::new();
    };
    let one = |i| {
        let read = catch_unwind(AssertUnwindSafe(|| {
            let header = headers.get(i);
            Header::new(header.key, header.value.unwrap_or_default())
        }));
        read.unwrap_or_else(|_| Header::new("\u{fffd}", Vec::new()))
    };
    (0..headers.count()).map(one).collect()
}

impl Reader for KafkaReader {
    fn assign(&mut self, at: &[(TopicPartition, Offset)]) -> Result<()> {
        for (partition, _) in at {
            self.cluster.check(partition)?;
        }
        self.learn(at);
        let mut next = at.to_vec();
        next.sort();
        // What is to be read from where it stands goes on, and is as ended as it was.
        let kept = |held: &(TopicPartition, Offset)| self.next.binary_search(held).ok();
        let places: Vec<Option<usize>> = next.iter().map(kept).collect();
        let ended = places.iter().map(|place| place.is_some_and(|i| self.ended[i])).collect();
        let goes_on = |held: &(TopicPartition, Offset)| next.binary_search(held).is_ok();
        let (held, gone): (Vec<_>, Vec<_>) = self.next.drain(..).partition(goes_on);
        let in_doubt = std::mem::take(&mut self.in_doubt);
        (self.next, self.ended, self.pending) = (next, ended, None);
        if held.is_empty() || in_doubt {
            let all: Vec<_> = gone.into_iter().chain(held).map(|(tp, _)| tp).collect();
            self.stop(&all);
            self.ended.fill(false);
            return self.position();
        }
        let gone: Vec<_> = gone.into_iter().map(|(tp, _)| tp).collect();
        if !gone.is_empty() {
            self.stop(&gone);
            let list = listed(gone.iter().map(|tp| (tp, None)))?;
            self.consumer().incremental_unassign(&list).map_err(|e| not_assigned(&e))?;
        }
        let news = self.next.iter().zip(&places).filter(|(_, place)| place.is_none());
        let list = listed(news.map(|((tp, offset), _)| (tp, Some(*offset))))?;
        if list.count() == 0 {
            return Ok(());
        }
        self.consumer().incremental_assign(&list).map_err(|e| not_assigned(&e))
    }

    fn poll(&mut self, max: usize, wait: Duration, out: &mut Vec<Record>) -> Result<usize> {
        if let Some(e) = self.pending.take() {
            return Err(e);
        }
        if self.in_doubt {
            self.examine()?;
        }
        let before = out.len();
        let deadline = clock::monotonic() + wait;
        let mut room = Room::new(max);
        let mut failed = None;
        while !room.is_full() && failed.is_none() {
            let left = match out.len() > before {
                true => Duration::ZERO,
                false => deadline.saturating_duration_since(clock::monotonic()),
            };
            let consumer = self.consumer.as_ref();
            match consumer.expect("the consumer is there until the reader is dropped").poll(left) {
                // An event may end the wait early, so that nothing means nothing yet.
                None if left.is_zero() => break,
                None => {}
                Some(Ok(message)) => {
                    if let Some((record, place)) = take(&mut self.next, &message) {
                        self.ended[place] = false;
                        room.take(&record);
                        out.push(record);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => self.end(partition),
                Some(Err(e)) => failed = Some(e),
            }
        }
        let came = out.len() - before;
        match failed.and_then(|e| self.explain(&e)) {
            Some(e) if came == 0 => return Err(e),
            later => self.pending = later,
        }
        Ok(came)
    }

    fn bounds(&mut self, partition: &TopicPartition) -> Result<Bounds> {
        self.cluster.bounds(partition)
    }

    fn ended(&self, partition: &TopicPartition) -> bool {
        let place = self.next.iter().position(|(tp, _)| tp == partition);
        place.is_some_and(|i| self.ended[i])
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            client::retire(consumer, CLOSE_WITHIN);
        }
    }
}
