//! The member: takes part in a group and reads nothing.
//!
//! The whole rebalance is done here. The default of the client library drops the errors of
//! incremental changes, and hooks around it come at the wrong moment to pause what was assigned.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset as Place, TopicPartitionList};

use super::client::{self, Reason};
use super::cluster::Cluster;
use super::not_created;
use crate::clock;
use crate::log::{LogError, Member, Offset, Position, Result, TopicPartition};

/// What stands before a mark in the metadata of a committed offset.
const MARK: &str = "tidemark:";

/// The mark in the metadata of a committed offset; an operator's reset leaves none.
fn mark_in(metadata: &str, next: Offset) -> Option<u64> {
    // A mirror copies the metadata beside an offset that it translated: then it says nothing.
    let (of, mark) = metadata.strip_prefix(MARK)?.split_once(':')?;
    if of != next.to_string() {
        return None;
    }
    u64::from_str_radix(mark, 16).ok()
}

/// How long leaving may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// A member of a group on Kafka.
pub(super) struct KafkaMember {
    group: String,
    request_timeout: Duration,
    /// There until the member leaves.
    consumer: Option<BaseConsumer<Seat>>,
    reported: Option<BTreeSet<TopicPartition>>,
}

/// What the rebalances came to. They run inside `poll`, so that each is seen by its end.
#[derive(Default)]
struct Seat {
    held: Mutex<Held>,
    /// Asked once: asking while the client closes could hang.
    cooperative: OnceLock<bool>,
    reason: Reason,
}

#[derive(Default)]
struct Held {
    /// `None` until the group first gave an answer.
    partitions: Option<BTreeSet<TopicPartition>>,
    failed: Option<LogError>,
}

impl Seat {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no code panics while it holds the assignment")
    }

    fn is_cooperative(&self, consumer: &BaseConsumer<Self>) -> bool {
        let ask = || matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        *self.cooperative.get_or_init(ask)
    }

    /// Accepts partitions, paused from the start.
    fn accept(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &mut TopicPartitionList,
    ) -> KafkaResult<()> {
        // A position at the end keeps the client from asking for committed ones, and from having
        // anything to read before the pause takes hold.
        list.set_all_offsets(Place::End)?;
        match self.is_cooperative(consumer) {
            true => consumer.incremental_assign(list)?,
            false => consumer.assign(list)?,
        }
        if list.count() > 0 { consumer.pause(list) } else { Ok(()) }
    }

    /// Gives partitions up.
    fn release(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        match self.is_cooperative(consumer) {
            true => consumer.incremental_unassign(list),
            false => consumer.unassign(),
        }
    }
}

impl ClientContext for Seat {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        client::log_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reason.note(&error, reason);
    }
}

impl ConsumerContext for Seat {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        change: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let named: Vec<TopicPartition> = partitions(list);
        let assigned = change == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let done = match assigned {
            true => self.accept(consumer, list),
            false => self.release(consumer, list),
        };
        let lost = !assigned && consumer.assignment_lost();
        tracing::debug!(assigned, lost, partitions = named.len(), "the group was rebalanced");
        let cooperative = self.is_cooperative(consumer);
        let mut held = self.lock();
        if let Err(e) = done {
            held.failed = Some(LogError::Fatal(format!("rebalancing: {e}")));
        }
        let before = held.partitions.take().unwrap_or_default();
        held.partitions = Some(match (assigned, cooperative) {
            (true, true) => before.into_iter().chain(named).collect(),
            (true, false) => named.into_iter().collect(),
            (false, true) => before.into_iter().filter(|tp| !named.contains(tp)).collect(),
            (false, false) => BTreeSet::new(),
        });
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<TopicPartition> {
    let named = |topic: &str, partition: i32| TopicPartition::new(topic, partition.max(0) as u32);
    list.elements().iter().map(|e| named(e.topic(), e.partition())).collect()
}

impl KafkaMember {
    pub(super) fn join(cluster: &Cluster, group: &str, topics: &[&str]) -> Result<KafkaMember> {
        let config = client::member(&cluster.settings, group);
        let consumer: BaseConsumer<Seat> =
            config.create_with_context(Seat::default()).map_err(|e| not_created("member", &e))?;
        let subscribed = consumer.subscribe(topics);
        let member = KafkaMember {
            group: group.to_owned(),
            request_timeout: cluster.settings.request_timeout,
            consumer: Some(consumer),
            reported: None,
        };
        let doing = || format!("joining group \"{group}\"");
        subscribed.map_err(|e| client::meaning_of(&e, &doing()))?;
        Ok(member)
    }

    fn consumer(&self) -> &BaseConsumer<Seat> {
        self.consumer.as_ref().expect("the consumer is there until the member leaves")
    }

    /// The assignment, where it is not the one reported last.
    fn news(&mut self) -> Result<Option<Vec<TopicPartition>>> {
        let mut held = self.consumer().context().lock();
        if let Some(failed) = held.failed.take() {
            return Err(failed);
        }
        let now = held.partitions.clone();
        drop(held);
        match now {
            Some(now) if self.reported.as_ref() != Some(&now) => {
                self.reported = Some(now.clone());
                Ok(Some(now.into_iter().collect()))
            }
            _ => Ok(None),
        }
    }

    /// What a poll error means; `None` where the client deals with it.
    fn explain(&self, e: &KafkaError) -> Option<LogError> {
        let code = e.rdkafka_error_code();
        let dealt_with = |code: &Code| {
            // A topic that is not there yet has no partitions to share.
            client::missing(*code) || matches!(code, Code::AutoOffsetReset | Code::UnknownMemberId)
        };
        if code.as_ref().is_some_and(dealt_with) {
            return None;
        }
        if code == Some(Code::PollExceeded) {
            let group = &self.group;
            tracing::warn!(group, "not polled for too long: left the group, joining again");
            return None;
        }
        self.consumer().context().reason.explain(e, &format!("group \"{}\"", self.group))
    }

    fn close(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            client::retire(consumer, LEAVE_WITHIN);
        }
    }
}

impl Member for KafkaMember {
    fn poll(&mut self, wait: Duration) -> Result<Option<Vec<TopicPartition>>> {
        let deadline = clock::monotonic() + wait;
        loop {
            let left = deadline.saturating_duration_since(clock::monotonic());
            // Each poll serves one event, so that a loss is seen before what follows it. A record
            // that slipped through before the pause is dropped here.
            let error = match self.consumer().poll(left) {
                Some(Err(e)) => self.explain(&e),
                Some(Ok(_)) | None => None,
            };
            if let Some(now) = self.news()? {
                return Ok(Some(now));
            }
            if let Some(e) = error {
                return Err(e);
            }
            if left.is_zero() {
                return Ok(None);
            }
        }
    }

    fn commit(&mut self, at: &[(TopicPartition, Position)]) -> Result<()> {
        let held = self.consumer().context().lock().partitions.clone().unwrap_or_default();
        if let Some((tp, _)) = at.iter().find(|(tp, _)| !held.contains(tp)) {
            return Err(LogError::NotOwner(tp.clone()));
        }
        let Some((first, _)) = at.first() else {
            return Ok(());
        };
        let doing = format!("committing for group \"{}\"", self.group);
        let mut list = TopicPartitionList::with_capacity(at.len());
        for (tp, at) in at {
            let offset = Place::Offset(i64::try_from(at.next.0).unwrap_or(i64::MAX));
            let mut added = list.add_partition(&tp.topic, tp.partition.0 as i32);
            added.set_offset(offset).map_err(|e| client::meaning_of(&e, &doing))?;
            if let Some(mark) = at.mark {
                added.set_metadata(format!("{MARK}{}:{mark:016x}", at.next));
            }
        }
        // The client sends its generation along, and the broker compares it.
        self.consumer().commit(&list, CommitMode::Sync).map_err(|e| match e.rdkafka_error_code() {
            Some(
                Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::FencedInstanceId
                | Code::FencedMemberEpoch
                | Code::StaleMemberEpoch
                | Code::AssignmentLost,
            ) => LogError::NotOwner(first.clone()),
            _ => client::meaning_of(&e, &doing),
        })
    }

    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Position>>> {
        let doing = format!("asking for the positions of group \"{}\"", self.group);
        let mut list = TopicPartitionList::with_capacity(of.len());
        for tp in of {
            list.add_partition(&tp.topic, tp.partition.0 as i32);
        }
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let list = self.consumer().committed_offsets(list, self.request_timeout);
        let list = list.map_err(|e| client::meaning_of(&e, &doing))?;
        of.iter()
            .map(|tp| {
                let Some(found) = list.find_partition(&tp.topic, tp.partition.0 as i32) else {
                    return Ok(None);
                };
                match (found.error(), found.offset()) {
                    (Err(e), _) if e.rdkafka_error_code().is_some_and(client::missing) => {
                        Err(LogError::NoSuchPartition(tp.clone()))
                    }
                    (Err(e), _) => Err(client::meaning_of(&e, &doing)),
                    (Ok(()), Place::Offset(offset)) => {
                        let next = u64::try_from(offset).ok().map(Offset);
                        let mark = |next| mark_in(found.metadata(), next);
                        Ok(next.map(|next| Position { next, mark: mark(next) }))
                    }
                    (Ok(()), _) => Ok(None),
                }
            })
            .collect()
    }

    fn leave(mut self: Box<Self>) {
        self.close();
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        self.close();
    }
}
