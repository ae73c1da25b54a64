//! The consumer groups of the in-process logs.
//!
//! One coordinator serves all groups of one log. Partitions change hands at once: a member that
//! has not polled since still believes that it owns what it lost, which is the zombie of a real
//! cluster, and its commits are refused just the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::{LogError, Member, Position, Result, TopicPartition};
use crate::clock;

/// What the coordinator needs of the log that it serves.
pub(super) trait GroupHost: Send + Sync {
    /// The coordinator of this log.
    fn groups(&self) -> &Coordinator;
    /// Number of partitions of a topic; 0 where it does not exist.
    fn partitions(&self, topic: &str) -> u32;
    /// Stores committed positions of a group.
    fn store(&self, group: &str, at: &[(TopicPartition, Position)]) -> Result<()>;
    /// The committed position of a group.
    fn stored(&self, group: &str, of: &TopicPartition) -> Result<Option<Position>>;
}

/// All groups of one log.
#[derive(Default)]
pub(super) struct Coordinator {
    groups: Mutex<Groups>,
    changed: Condvar,
}

#[derive(Default)]
struct Groups {
    next_id: u64,
    // Ordered, so that every run of a simulation assigns alike.
    by_name: BTreeMap<String, BTreeMap<u64, Seat>>,
}

/// One member's place in its group.
#[derive(Default)]
struct Seat {
    topics: BTreeSet<Arc<str>>,
    owned: BTreeSet<TopicPartition>,
    /// Lost since the member last asked. Something that was lost and won back has had another
    /// owner in between, so the member hears of the loss first.
    lost: BTreeSet<TopicPartition>,
}

impl Coordinator {
    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().expect("no code panics while it holds the groups")
    }

    /// Seats a new member.
    pub(super) fn join(host: Arc<dyn GroupHost>, group: &str, topics: &[&str]) -> Box<dyn Member> {
        let coordinator = host.groups();
        let mut groups = coordinator.lock();
        groups.next_id += 1;
        let id = groups.next_id;
        let seats = groups.by_name.entry(group.to_owned()).or_default();
        let topics = topics.iter().map(|t| Arc::from(*t)).collect();
        seats.insert(id, Seat { topics, ..Seat::default() });
        share_out(seats, host.as_ref());
        drop(groups);
        coordinator.changed.notify_all();
        Box::new(LocalMember { host, group: group.to_owned(), id, reported: None })
    }

    /// Shares out the partitions of a topic that has just been created.
    pub(super) fn topic_created(&self, host: &dyn GroupHost) {
        for seats in self.lock().by_name.values_mut() {
            share_out(seats, host);
        }
        self.changed.notify_all();
    }
}

/// Gives every partition to one subscriber: what is owned stays, what is free goes to the least
/// loaded, then members that hold two more than another hand over.
fn share_out(seats: &mut BTreeMap<u64, Seat>, host: &dyn GroupHost) {
    let topics: BTreeSet<Arc<str>> =
        seats.values().flat_map(|s| s.topics.iter().cloned()).collect();
    for topic in topics {
        for partition in 0..host.partitions(&topic) {
            let tp = TopicPartition::new(topic.clone(), partition);
            if seats.values().any(|s| s.owned.contains(&tp)) {
                continue;
            }
            // `min_by_key` takes the first of equals: the member that joined first.
            let least = seats
                .values_mut()
                .filter(|s| s.topics.contains(&topic))
                .min_by_key(|s| s.owned.len());
            least.expect("the topic came from a subscriber").owned.insert(tp);
        }
    }
    while let Some((from, to, tp)) = unfair(seats) {
        let giver = seats.get_mut(&from).expect("the giver is seated");
        giver.owned.remove(&tp);
        giver.lost.insert(tp.clone());
        seats.get_mut(&to).expect("the taker is seated").owned.insert(tp);
    }
}

/// A partition that should move, from whom and to whom. Each move lowers the sum of the squared
/// loads, so the moves end.
fn unfair(seats: &BTreeMap<u64, Seat>) -> Option<(u64, u64, TopicPartition)> {
    for (&from, giver) in seats {
        for tp in giver.owned.iter().rev() {
            let taker = seats
                .iter()
                .filter(|(_, s)| s.topics.contains(&tp.topic))
                .min_by_key(|(_, s)| s.owned.len());
            if let Some((&to, _)) = taker.filter(|(_, s)| s.owned.len() + 2 <= giver.owned.len()) {
                return Some((from, to, tp.clone()));
            }
        }
    }
    None
}

/// A member of a group of an in-process log.
struct LocalMember {
    host: Arc<dyn GroupHost>,
    group: String,
    id: u64,
    reported: Option<BTreeSet<TopicPartition>>,
}

impl LocalMember {
    /// What to tell the member next, if anything.
    fn news(&mut self, groups: &mut Groups) -> Option<Vec<TopicPartition>> {
        let seat = groups.by_name.get_mut(&self.group)?.get_mut(&self.id)?;
        let lost = std::mem::take(&mut seat.lost);
        let told = self.reported.as_ref();
        let was_lost =
            |tp: &&TopicPartition| lost.contains(*tp) && told.is_some_and(|t| t.contains(*tp));
        let now: BTreeSet<TopicPartition> =
            seat.owned.iter().filter(|tp| !was_lost(tp)).cloned().collect();
        if told == Some(&now) {
            return None;
        }
        self.reported = Some(now.clone());
        Some(now.into_iter().collect())
    }

    fn quit(&self) {
        let coordinator = self.host.groups();
        let mut groups = coordinator.lock();
        if let Some(seats) = groups.by_name.get_mut(&self.group) {
            seats.remove(&self.id);
            share_out(seats, self.host.as_ref());
            if seats.is_empty() {
                groups.by_name.remove(&self.group);
            }
        }
        drop(groups);
        coordinator.changed.notify_all();
    }
}

impl Member for LocalMember {
    fn poll(&mut self, wait: Duration) -> Result<Option<Vec<TopicPartition>>> {
        let host = self.host.clone();
        let coordinator = host.groups();
        let deadline = clock::monotonic() + wait;
        let mut groups = coordinator.lock();
        loop {
            if let Some(now) = self.news(&mut groups) {
                return Ok(Some(now));
            }
            let left = deadline.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return Ok(None);
            }
            let waited = coordinator.changed.wait_timeout(groups, left);
            groups = waited.expect("no code panics while it holds the groups").0;
        }
    }

    fn commit(&mut self, at: &[(TopicPartition, Position)]) -> Result<()> {
        // The lock is held over the store, so that no rebalance comes between check and write.
        let groups = self.host.groups().lock();
        let seat = groups.by_name.get(&self.group).and_then(|seats| seats.get(&self.id));
        let owns = |tp: &TopicPartition| {
            seat.is_some_and(|s| s.owned.contains(tp) && !s.lost.contains(tp))
        };
        match at.iter().find(|(tp, _)| !owns(tp)) {
            Some((tp, _)) => Err(LogError::NotOwner(tp.clone())),
            None => self.host.store(&self.group, at),
        }
    }

    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Position>>> {
        of.iter().map(|tp| self.host.stored(&self.group, tp)).collect()
    }

    fn leave(self: Box<Self>) {
        // Leaving is what `Drop` does.
    }
}

impl Drop for LocalMember {
    fn drop(&mut self) {
        self.quit();
    }
}
