//! Which partitions of a topic take records, as far as it was tried.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::log::{Partition, TopicPartition};

/// Time until a partition that took nothing is tried again.
const RETRY: Duration = Duration::from_secs(3);

/// The partitions of one topic.
#[derive(Debug, Default)]
struct Lanes {
    /// When each that took nothing is tried again; `None` for one that takes records.
    sick: Vec<Option<Instant>>,
    next: usize,
}

/// The partitions of the topics that one thread writes to. It outlives its writers: what took nothing
/// yesterday is not where a new one begins.
#[derive(Debug, Default)]
pub(super) struct AllLanes(BTreeMap<Arc<str>, Lanes>);

impl AllLanes {
    /// A topic has so many partitions. Where none took records, each gets another chance.
    pub(super) fn know(&mut self, topic: &Arc<str>, partitions: u32) {
        let lanes = self.0.entry(topic.clone()).or_default();
        lanes.sick.resize(partitions.max(1) as usize, None);
        if lanes.sick.iter().all(Option::is_some) {
            lanes.sick.fill(None);
        }
    }

    /// The next partition that takes records, one after the other; any where none does.
    pub(super) fn next(&mut self, topic: &Arc<str>) -> TopicPartition {
        let lanes = self.0.entry(topic.clone()).or_default();
        let n = lanes.sick.len().max(1);
        let takes = |at: &usize| lanes.sick.get(*at).is_some_and(Option::is_none);
        let turn = (0..n).map(|i| (lanes.next + i) % n).find(takes);
        let at = turn.unwrap_or(lanes.next % n);
        lanes.next = at + 1;
        TopicPartition { topic: topic.clone(), partition: Partition(at as u32) }
    }

    /// A partition took nothing; whether that is news.
    pub(super) fn fell_sick(&mut self, at: &TopicPartition, now: Instant) -> bool {
        let lane = self.lane(at);
        lane.is_some_and(|lane| lane.replace(now + RETRY).is_none())
    }

    /// A partition took what it was sent; whether that is news.
    pub(super) fn recovered(&mut self, at: &TopicPartition) -> bool {
        self.lane(at).is_some_and(|lane| lane.take().is_some())
    }

    /// A partition that took nothing, and is to be tried again.
    pub(super) fn due(&self, topic: &Arc<str>, now: Instant) -> Option<TopicPartition> {
        let lanes = self.0.get(topic)?;
        let at = lanes.sick.iter().position(|again| again.is_some_and(|again| again <= now))?;
        Some(TopicPartition { topic: topic.clone(), partition: Partition(at as u32) })
    }

    /// How many partitions of a topic take records, and how many do not.
    pub(super) fn count(&self, topic: &Arc<str>) -> (usize, usize) {
        let sick = self.0.get(topic).map_or(&[][..], |lanes| &lanes.sick);
        let n = sick.iter().filter(|again| again.is_some()).count();
        (sick.len() - n, n)
    }

    fn lane(&mut self, at: &TopicPartition) -> Option<&mut Option<Instant>> {
        self.0.get_mut(&at.topic)?.sick.get_mut(at.partition.0 as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    #[test]
    fn what_takes_nothing_is_passed_over_until_it_is_tried_again() {
        let (topic, now) = (Arc::<str>::from("raw"), monotonic());
        let mut lanes = AllLanes::default();
        lanes.know(&topic, 3);
        let turns = |lanes: &mut AllLanes| [0; 4].map(|_| lanes.next(&topic).partition.0);
        assert_eq!(turns(&mut lanes), [0, 1, 2, 0]);
        let second = TopicPartition::new(topic.clone(), 1);
        assert!(lanes.fell_sick(&second, now) && !lanes.fell_sick(&second, now));
        assert_eq!(turns(&mut lanes), [2, 0, 2, 0]);
        assert_eq!((lanes.due(&topic, now), lanes.count(&topic)), (None, (2, 1)));
        assert_eq!(lanes.due(&topic, now + RETRY), Some(second.clone()));
        // A new writer knows what the one before learned.
        lanes.know(&topic, 4);
        assert_eq!(lanes.count(&topic), (3, 1));
        assert!(lanes.recovered(&second) && !lanes.recovered(&second));
        (0..4).for_each(|p| {
            lanes.fell_sick(&TopicPartition::new(topic.clone(), p), now);
        });
        assert_eq!(lanes.count(&topic), (0, 4));
        lanes.know(&topic, 4);
        assert_eq!(lanes.count(&topic), (4, 0));
    }
}
