//! Watermarks: how far event time is complete.
//!
//! A source partition's watermark is a promise "no event older than this is expected"; a shard's
//! is the minimum over the source partitions of the declared topology, the rollup's is the minimum
//! over the shards. A part that has never reported holds the minimum: it is unknown, not idle.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The watermark of one source partition, as intake writes it into every shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Source topic.
    pub topic: String,
    /// Source partition.
    pub partition: u32,
    /// All source topics of the job with their numbers of partitions: every one of them must
    /// report, and one that left the config holds nothing up any more.
    pub topology: Vec<(String, u32)>,
    /// No older event is expected from this partition.
    pub watermark: Timestamp,
    /// Whether the partition is read to its end and quiet, so that the watermark follows the clock.
    pub idle: bool,
}

/// The minimum over reported parts of a declared number of parts. Only moves forward.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    parts: BTreeMap<(String, u32), Timestamp>,
    declared: BTreeMap<String, u32>,
    reached: Option<Timestamp>,
}

impl Frontier {
    /// Declares that `group` has `count` parts, each of which must report.
    pub fn declare(&mut self, group: &str, count: u32) {
        let known = self.declared.entry(group.to_owned()).or_default();
        *known = (*known).max(count);
    }

    /// Declares all groups and their numbers of parts; what is not among them is forgotten.
    pub fn declare_all(&mut self, groups: &[(String, u32)]) {
        self.declared = groups.iter().cloned().collect();
        let declared = &self.declared;
        self.parts.retain(|(group, part), _| declared.get(group).is_some_and(|n| part < n));
    }

    /// Takes a report; an older one than known is ignored.
    pub fn report(&mut self, group: &str, part: u32, watermark: Timestamp) {
        let known = self.parts.entry((group.to_owned(), part)).or_insert(watermark);
        *known = (*known).max(watermark);
        if let Some(now) = self.minimum() {
            self.reached = Some(self.reached.map_or(now, |r| r.max(now)));
        }
    }

    fn minimum(&self) -> Option<Timestamp> {
        let expected: u64 = self.declared.values().map(|n| u64::from(*n)).sum();
        if expected == 0 || (self.parts.len() as u64) < expected {
            return None;
        }
        self.parts.values().min().copied()
    }

    /// The watermark; `None` until every declared part has reported once.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.reached
    }

    /// The part that holds the watermark: one that never reported, or the one furthest behind.
    pub fn holder(&self) -> Option<(String, u32, Option<Timestamp>)> {
        for (group, count) in &self.declared {
            for part in 0..*count {
                if !self.parts.contains_key(&(group.clone(), part)) {
                    return Some((group.clone(), part, None));
                }
            }
        }
        let ((group, part), at) = self.parts.iter().min_by_key(|(_, at)| **at)?;
        Some((group.clone(), *part, Some(*at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_never_reported_holds_the_watermark() {
        let mut f = Frontier::default();
        f.declare("raw", 2);
        f.report("raw", 0, Timestamp(50));
        assert_eq!(f.watermark(), None);
        assert_eq!(f.holder(), Some(("raw".into(), 1, None)));
        f.report("raw", 1, Timestamp(30));
        assert_eq!(f.watermark(), Some(Timestamp(30)));
        assert_eq!(f.holder(), Some(("raw".into(), 1, Some(Timestamp(30)))));
    }

    #[test]
    fn a_group_that_left_the_topology_holds_nothing_up() {
        let mut f = Frontier::default();
        f.declare_all(&[("old".into(), 1), ("raw".into(), 1)]);
        f.report("old", 0, Timestamp(10));
        f.report("raw", 0, Timestamp(50));
        assert_eq!(f.watermark(), Some(Timestamp(10)));
        f.declare_all(&[("raw".into(), 1), ("new".into(), 1)]);
        f.report("raw", 0, Timestamp(60));
        assert_eq!(f.holder(), Some(("new".into(), 0, None)));
        f.report("new", 0, Timestamp(55));
        assert_eq!(f.watermark(), Some(Timestamp(55)));
    }

    #[test]
    fn it_never_goes_back() {
        let mut f = Frontier::default();
        f.declare("raw", 1);
        f.report("raw", 0, Timestamp(50));
        f.report("raw", 0, Timestamp(20));
        assert_eq!(f.watermark(), Some(Timestamp(50)));
        f.declare("raw", 2);
        f.report("raw", 1, Timestamp(10));
        assert_eq!(f.watermark(), Some(Timestamp(50)));
    }
}
