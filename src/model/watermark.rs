//! Watermarks: how far event time is complete.
//!
//! A source partition's watermark is a promise "no event older than this is expected"; a shard's
//! is the minimum over the source partitions of the declared topology, the rollup's is the minimum
//! over the shards. A part that has never reported holds the minimum: it is unknown, not idle.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::time::{Span, Timestamp};

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
    /// Next offset that intake reads.
    #[serde(default)]
    pub next: u64,
    /// Time of the newest event that intake saw since it owned the partition. What is old enough to
    /// be let go of is judged by events: the clock of an idle machine may be wrong by years.
    #[serde(default)]
    pub newest: Option<Timestamp>,
    /// Fingerprint of the record before `next`: it says where intake stood, where the brokers have
    /// forgotten the group's offsets.
    #[serde(default)]
    pub mark: Option<u64>,
}

/// Records of a source partition that were gone before intake read them, as it writes them into
/// every shard where `intake.on_gap` says to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Source topic.
    pub topic: String,
    /// Source partition.
    pub partition: u32,
    /// First offset that was not read.
    pub from: u64,
    /// First offset read again. Not above `from` where the topic was created anew, since nobody
    /// knows then how much was lost.
    pub to: u64,
    /// When the loss was seen: what was lost happened before.
    pub until: Timestamp,
}

/// A time of which not all events are known, `[since, until)`; `None` is "from the beginning".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Doubt {
    /// From here.
    pub since: Option<Timestamp>,
    /// To here.
    pub until: Timestamp,
}

impl Doubt {
    /// Whether it touches `[start, end)`.
    pub fn touches(&self, start: Timestamp, end: Timestamp) -> bool {
        self.since.is_none_or(|since| since < end) && start < self.until
    }

    /// Adds a time to those in order; what overlaps becomes one.
    pub fn add(self, to: &mut Vec<Doubt>) {
        to.push(self);
        to.sort_unstable();
        to.dedup_by(|next, kept| {
            let joins = next.since.is_none_or(|since| since <= kept.until);
            if joins {
                kept.until = kept.until.max(next.until);
            }
            joins
        });
    }
}

/// What a part last reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Its watermark.
    pub watermark: Timestamp,
    /// Whether it follows the clock.
    pub idle: bool,
    /// Next offset that it reads.
    pub next: u64,
}

/// The part that holds a watermark back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Group (topic) of the part.
    pub group: String,
    /// Number of the part.
    pub part: u32,
    /// What it last reported; `None` where it never did.
    pub report: Option<Report>,
}

/// The minimum over reported parts of a declared number of parts. Only moves forward.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    parts: BTreeMap<(String, u32), Report>,
    declared: BTreeMap<String, u32>,
    reached: Option<Timestamp>,
    newest: Option<Timestamp>,
}

/// How far the watermark may be ahead of the newest event for what it lets go of.
const AHEAD: Span = Span::days(1);

impl Frontier {
    /// Takes note of an event time.
    pub fn saw(&mut self, newest: Option<Timestamp>) {
        self.newest = self.newest.max(newest);
    }

    /// Up to where time has surely come: the watermark, as far as events bear it out.
    pub fn sure(&self) -> Option<Timestamp> {
        Some(self.watermark()?.min(self.newest? + AHEAD))
    }

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
    pub fn report(&mut self, group: &str, part: u32, report: Report) {
        let known = self.parts.entry((group.to_owned(), part)).or_insert(report);
        let next = known.next.max(report.next);
        if report.watermark >= known.watermark {
            *known = report;
        }
        known.next = next;
        if let Some(now) = self.minimum() {
            self.reached = Some(self.reached.map_or(now, |r| r.max(now)));
        }
    }

    fn minimum(&self) -> Option<Timestamp> {
        let expected: u64 = self.declared.values().map(|n| u64::from(*n)).sum();
        if expected == 0 || (self.parts.len() as u64) < expected {
            return None;
        }
        self.parts.values().map(|r| r.watermark).min()
    }

    /// The watermark; `None` until every declared part has reported once.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.reached
    }

    /// The part that holds the watermark: one that never reported, or the one furthest behind.
    pub fn holder(&self) -> Option<Holder> {
        for (group, count) in &self.declared {
            for part in 0..*count {
                if !self.parts.contains_key(&(group.clone(), part)) {
                    return Some(Holder { group: group.clone(), part, report: None });
                }
            }
        }
        let ((group, part), report) = self.parts.iter().min_by_key(|(_, r)| r.watermark)?;
        Some(Holder { group: group.clone(), part: *part, report: Some(*report) })
    }

    /// What a part last reported.
    pub fn reported(&self, group: &str, part: u32) -> Option<Report> {
        self.parts.get(&(group.to_owned(), part)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(t: i64) -> Report {
        Report { watermark: Timestamp(t), idle: false, next: 0 }
    }

    fn held_by(group: &str, part: u32, at: Option<Report>) -> Option<Holder> {
        Some(Holder { group: group.into(), part, report: at })
    }

    #[test]
    fn doubts_that_touch_become_one() {
        let doubt = |since: Option<i64>, until| Doubt {
            since: since.map(Timestamp),
            until: Timestamp(until),
        };
        let mut all = Vec::new();
        for d in
            [doubt(Some(50), 60), doubt(Some(10), 20), doubt(Some(20), 30), doubt(Some(12), 15)]
        {
            d.add(&mut all);
        }
        assert_eq!(all, [doubt(Some(10), 30), doubt(Some(50), 60)]);
        assert!(all[0].touches(Timestamp(29), Timestamp(40)));
        assert!(!all[0].touches(Timestamp(30), Timestamp(50)));
        doubt(None, 5).add(&mut all);
        assert_eq!(all.len(), 3);
        doubt(None, 55).add(&mut all);
        assert_eq!(all, [doubt(None, 60)]);
    }

    #[test]
    fn a_part_that_never_reported_holds_the_watermark() {
        let mut f = Frontier::default();
        f.declare("raw", 2);
        f.report("raw", 0, at(50));
        assert_eq!(f.watermark(), None);
        assert_eq!(f.holder(), held_by("raw", 1, None));
        f.report("raw", 1, at(30));
        assert_eq!(f.watermark(), Some(Timestamp(30)));
        assert_eq!(f.holder(), held_by("raw", 1, Some(at(30))));
    }

    #[test]
    fn a_group_that_left_the_topology_holds_nothing_up() {
        let mut f = Frontier::default();
        f.declare_all(&[("old".into(), 1), ("raw".into(), 1)]);
        f.report("old", 0, at(10));
        f.report("raw", 0, at(50));
        assert_eq!(f.watermark(), Some(Timestamp(10)));
        f.declare_all(&[("raw".into(), 1), ("new".into(), 1)]);
        f.report("raw", 0, at(60));
        assert_eq!(f.holder(), held_by("new", 0, None));
        f.report("new", 0, at(55));
        assert_eq!(f.watermark(), Some(Timestamp(55)));
    }

    #[test]
    fn it_never_goes_back() {
        let mut f = Frontier::default();
        f.declare("raw", 1);
        f.report("raw", 0, at(50));
        f.report("raw", 0, at(20));
        assert_eq!(f.watermark(), Some(Timestamp(50)));
        f.declare("raw", 2);
        f.report("raw", 1, at(10));
        assert_eq!(f.watermark(), Some(Timestamp(50)));
    }
}
