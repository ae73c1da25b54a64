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
    state: State,
    withdrawn: bool,
    /// Start of the first day that was not closed when it was judged.
    judged_to: Option<Timestamp>,
}

impl Told {
    fn is_open(&self) -> bool {
        self.state != State::Resolved
    }

    fn due(&self, id: &str, round: Round) -> DueAlert {
        DueAlert {
            key: id.to_owned(),
            partition: round.partition,
            json: alert::with_version(&self.json, self.judged_to, round.version),
            state: self.state.as_str(),
        }
    }
}

/// What a round of judgments is made with.
#[derive(Clone, Copy)]
struct Round {
    version: u64,
    partition: Partition,
    /// Start of the first day that is not closed.
    judged_to: Option<Timestamp>,
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
            state: seen.state(),
            withdrawn: seen.withdrawn,
            judged_to: seen.judged_to(),
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
        let floor = self.floor_of_days();
        for i in look {
            for r in 0..self.watch.rules.len() {
                if self.watch.rules[r].watches(&self.segments[i].segment) {
                    let facts = self.facts(i, r, closed);
                    let days = Days { facts: &facts, closed, floor, doubtful: &doubtful };
                    let verdict = self.judge_stream(i, r, days);
                    self.tell(i, r, verdict, &mut due);
                }
            }
        }
        if everything {
            self.take_back_unwatched(&mut due);
        }
        if std::mem::take(&mut self.watch.repeat) {
            self.watch.say_the_rest(self.round(), &mut due);
        }
        due.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        due
    }

    fn facts(&self, i: usize, r: usize, closed: i32) -> Vec<(i32, DayFacts)> {
        let signal = self.watch.rules[r].signal;
        let days = self.segments[i].days(closed);
        days.map(|(day, measures)| (day, DayFacts::of(signal, measures))).collect()
    }

    fn judge_stream(&mut self, i: usize, r: usize, days: Days<'_>) -> Verdict {
        let (memo, _) = self.watch.streams.entry((i, r)).or_default();
        judge(&self.watch.rules[r], &self.segments[i].segment, days, memo)
    }

    fn round(&self) -> Round {
        let closed = self.watch.closed.map(|day| self.definition.calendar.start_of(Day(day)));
        Round { version: self.newest.0, partition: self.partition, judged_to: closed }
    }

    /// The first day that every shard still keeps: each lets go of days by its own watermark, which
    /// may be ahead of that of all.
    fn floor_of_days(&self) -> i32 {
        let ahead = self.beats.values().filter_map(|beat| beat.watermark).max();
        let ahead = ahead.map_or(self.now, |watermark| watermark.min(self.now));
        self.definition.retention.floors(&self.definition.calendar, ahead).1
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
        let round = self.round();
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
                state: alert.state,
                withdrawn: false,
                judged_to: Some(calendar.start_of(alert.judged_to)),
            };
            self.watch.publish(id, told, round, due);
        }
        // Without its baseline nothing can be said of what was said.
        gone.retain(|_| reading.state != State::Lost);
        for id in gone {
            let Some(told) = self.watch.told.get(&id) else { continue };
            // What an earlier baseline led to stays history. A later one was begun while earlier days
            // had not arrived yet.
            let undone = base.as_ref().is_some_and(|base| id.as_str() >= base.as_str());
            if (told.is_open() || undone) && !told.withdrawn {
                self.watch.take_back(&id, round, due);
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
        let open = self.watch.told.iter().filter(|(_, told)| told.is_open());
        let gone: Vec<String> =
            open.map(|(id, _)| id.clone()).filter(|id| !is_watched(id)).collect();
        for id in gone {
            self.watch.take_back(&id, self.round(), due);
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

    /// What was said with more days than are closed here is not ours to judge.
    fn is_ahead(&self, id: &str, round: Round) -> bool {
        self.told.get(id).is_some_and(|known| known.judged_to > round.judged_to)
    }

    fn publish(&mut self, id: String, told: Told, round: Round, due: &mut Vec<DueAlert>) {
        if self.is_ahead(&id, round) {
            return;
        }
        if self.repeat || self.told.get(&id).is_none_or(|known| known.json != told.json) {
            due.push(told.due(&id, round));
        }
        self.told.insert(id, told);
    }

    fn take_back(&mut self, id: &str, round: Round, due: &mut Vec<DueAlert>) {
        if self.is_ahead(id, round) {
            return;
        }
        let Some(told) = self.told.get_mut(id) else { return };
        told.json = alert::taken_back(&told.json).unwrap_or_else(|| told.json.clone());
        (told.state, told.withdrawn, told.judged_to) = (State::Resolved, true, round.judged_to);
        due.push(told.due(id, round));
    }

    /// A repair repeats also what no judgment yields any more: a late word of the owner before may
    /// stand over it.
    fn say_the_rest(&self, round: Round, due: &mut Vec<DueAlert>) {
        let said: BTreeSet<String> = due.iter().map(|alert| alert.key.clone()).collect();
        let rest = self.told.iter().filter(|(id, _)| !said.contains(*id));
        due.extend(rest.map(|(id, told)| told.due(id, round)));
    }
}
