//! Drift: closed days of each watched segment, judged when the watermark passes a day or a
//! correction reaches one. A verdict is made from the days anew each time, so the order in which
//! they came decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::Rollup;
use crate::drift::{DayFacts, Days, Stream, Verdict, judge};
use crate::model::alert::{self, Reading, Rule, Seen, State};
use crate::model::record::Partition;
use crate::model::segment::Segment;
use crate::model::slice::{Slice, Tier};
use crate::model::time::{Day, Timestamp};

/// An alert that is due, as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueAlert {
    /// Key on the alerts topic: the alert's id.
    pub key: String,
    /// Partition of the alerts topic.
    pub partition: Partition,
    /// JSON.
    pub json: String,
    /// The word that its state is.
    pub state: &'static str,
}

/// What was published of an alert.
#[derive(Debug)]
struct Told {
    /// JSON without the version.
    json: String,
    is_open: bool,
    withdrawn: bool,
    /// Start of the first day not looked at.
    as_of: Option<Timestamp>,
}

/// What is watched, and what was said of it.
#[derive(Debug, Default)]
pub(super) struct Watch {
    rules: Vec<Rule>,
    /// By place of the segment and of the rule.
    streams: BTreeMap<(usize, usize), (Stream, Option<Reading>)>,
    /// Segments to be looked at.
    changed: BTreeSet<usize>,
    all: bool,
    /// The first day that is not closed.
    closed: Option<i32>,
    /// By id.
    told: BTreeMap<String, Told>,
    repeat: bool,
}

impl Watch {
    /// A day of a segment has changed.
    pub(super) fn changed(&mut self, segment: usize, slice: Slice) {
        let closed = slice.tier == Tier::Day && self.closed.is_some_and(|day| slice.index < day);
        if closed && !self.rules.is_empty() {
            self.changed.insert(segment);
        }
    }

    /// Every segment is looked at again.
    pub(super) fn look_again(&mut self) {
        self.all = true;
    }

    /// Every alert is said again.
    pub(super) fn repeat(&mut self) {
        (self.repeat, self.all) = (true, true);
    }
}

impl Rollup {
    /// Watches for drift by these rules.
    pub fn watching(mut self, rules: &[Rule]) -> Rollup {
        self.watch = Watch { rules: rules.to_vec(), all: true, ..Watch::default() };
        self
    }

    /// Takes an alert as it stands on the alerts topic, so that one that is no more is taken back.
    pub fn seen_alert(&mut self, key: &str, value: &[u8]) {
        let (Some(seen), Ok(text)) = (Seen::parse(value), std::str::from_utf8(value)) else {
            return;
        };
        let told = Told {
            json: alert::without_version(text),
            is_open: seen.is_open(),
            withdrawn: seen.withdrawn,
            as_of: seen.order().1,
        };
        self.watch.told.insert(key.to_owned(), told);
    }

    /// Judges what has changed since the last time. Returns the alerts that say something new.
    pub fn decide(&mut self) -> Vec<DueAlert> {
        let Some(watermark) = self.watermark().filter(|_| self.watch.is_needed()) else {
            return Vec::new();
        };
        let day = self.definition.calendar.day_of(watermark).0;
        if self.watch.closed.is_none_or(|closed| closed < day) {
            self.watch.closed = Some(day);
            self.watch.all = true;
        }
        let closed = self.watch.closed.unwrap_or(day);
        let mut due = Vec::new();
        let everything = std::mem::take(&mut self.watch.all);
        let mut look: Vec<usize> = std::mem::take(&mut self.watch.changed).into_iter().collect();
        if everything {
            look = (0..self.segments.len()).collect();
        }
        let doubtful = self.doubtful_days();
        for i in look {
            for r in 0..self.watch.rules.len() {
                if self.watch.rules[r].watches(&self.segments[i].segment) {
                    let verdict = self.judge_stream(i, r, closed, &doubtful);
                    self.tell(i, r, verdict, &mut due);
                }
            }
        }
        if everything {
            self.take_back_unwatched(&mut due);
        }
        self.watch.repeat = false;
        due.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        due
    }

    fn judge_stream(&mut self, i: usize, r: usize, closed: i32, doubts: &[(i32, i32)]) -> Verdict {
        let (state, rule) = (&self.segments[i], &self.watch.rules[r]);
        let facts: Vec<(i32, DayFacts)> = state
            .days(closed)
            .map(|(day, measures)| (day, DayFacts::of(rule.signal, measures)))
            .collect();
        let (memo, _) = self.watch.streams.entry((i, r)).or_default();
        judge(rule, &state.segment, Days { facts: &facts, closed, doubtful: doubts }, memo)
    }

    /// Days that may lack records.
    fn doubtful_days(&self) -> Vec<(i32, i32)> {
        let day = |at: Timestamp| self.definition.calendar.day_of(at).0;
        let until = |at: Timestamp| day(Timestamp(at.0 - 1)) + 1;
        let days =
            |d: &crate::model::watermark::Doubt| (d.since.map_or(i32::MIN, day), until(d.until));
        self.doubts.iter().map(days).collect()
    }

    /// Says what is new of a stream, and takes back what is no more.
    fn tell(&mut self, i: usize, r: usize, verdict: Verdict, due: &mut Vec<DueAlert>) {
        let calendar = &self.definition.calendar;
        let Verdict { reading, alerts } = verdict;
        let stem = alert::stem(reading.signal, &self.segments[i].segment);
        let base = reading.baseline.map(|b| alert::stem_of_baseline(&stem, b.from));
        let mut gone: BTreeSet<String> = self.watch.under(&stem);
        for alert in &alerts {
            let id = alert.id();
            gone.remove(&id);
            let told = Told {
                json: alert.json(calendar),
                is_open: alert.state != State::Resolved,
                withdrawn: false,
                as_of: Some(calendar.start_of(alert.as_of)),
            };
            self.watch.publish(
                id,
                told,
                alert.state.as_str(),
                (self.newest.0, self.partition),
                due,
            );
        }
        let closed = self.watch.closed.map(|day| calendar.start_of(Day(day)));
        for id in gone {
            let Some(told) = self.watch.told.get(&id) else { continue };
            // What the days of another baseline led to stays history. What was said with more days
            // than are closed here is not ours to judge.
            let same = base.as_ref().is_some_and(|base| id.starts_with(base));
            if (told.is_open || same) && !told.withdrawn && told.as_of <= closed {
                self.watch.take_back(&id, (self.newest.0, self.partition), due);
            }
        }
        if let Some((_, shown)) = self.watch.streams.get_mut(&(i, r)) {
            *shown = Some(reading);
        }
    }

    /// Ends the alerts of what is watched no longer.
    fn take_back_unwatched(&mut self, due: &mut Vec<DueAlert>) {
        let watched: Vec<String> = self
            .watch
            .streams
            .keys()
            .map(|(i, r)| alert::stem(self.watch.rules[*r].signal, &self.segments[*i].segment))
            .collect();
        let is_watched = |id: &str| watched.iter().any(|stem| id.starts_with(stem.as_str()));
        let open = self.watch.told.iter().filter(|(_, told)| told.is_open);
        let gone: Vec<String> =
            open.map(|(id, _)| id.clone()).filter(|id| !is_watched(id)).collect();
        for id in gone {
            self.watch.take_back(&id, (self.newest.0, self.partition), due);
        }
    }

    /// What each watched stream reads like now, for `/metrics`.
    pub fn readings(&self) -> Vec<(&Segment, &Reading)> {
        let streams = self.watch.streams.iter();
        streams
            .filter_map(|((i, _), (_, r))| Some((&self.segments[*i].segment, r.as_ref()?)))
            .collect()
    }
}

impl Watch {
    /// Without rules there may still be alerts to end.
    fn is_needed(&self) -> bool {
        !self.rules.is_empty() || !self.told.is_empty()
    }

    fn under(&self, stem: &str) -> BTreeSet<String> {
        let from = self.told.range(stem.to_owned()..);
        from.map(|(id, _)| id).take_while(|id| id.starts_with(stem)).cloned().collect()
    }

    fn publish(
        &mut self,
        id: String,
        told: Told,
        state: &'static str,
        (version, partition): (u64, Partition),
        due: &mut Vec<DueAlert>,
    ) {
        let known = self.told.get(&id);
        if self.repeat || known.is_none_or(|known| known.json != told.json) {
            let json = alert::with_version(&told.json, version);
            due.push(DueAlert { key: id.clone(), partition, json, state });
        }
        self.told.insert(id, told);
    }

    fn take_back(&mut self, id: &str, at: (u64, Partition), due: &mut Vec<DueAlert>) {
        let Some(told) = self.told.remove(id) else { return };
        let json = alert::taken_back(&told.json).unwrap_or_else(|| told.json.clone());
        let resolved = Told { json, is_open: false, withdrawn: true, ..told };
        // Compared with what it was: it is news.
        self.publish(id.to_owned(), resolved, State::Resolved.as_str(), at, due);
    }
}
