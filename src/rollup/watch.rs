//! Drift: closed days of each watched segment, judged when the watermark passes a day or a
//! correction reaches one. A verdict is made from the days anew each time, so the order in which
//! they came decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::judging::{Look, Streams};
use super::relatives::Relatives;
use super::{Merged, Rollup};
use crate::drift::Verdict;
use crate::model::alert::{self, Alert, End, Reading, Rule, Seen, State};
use crate::model::alive::Alive;
use crate::model::definition::Definition;
use crate::model::kin::Kin;
use crate::model::partial::{Partial, epoch_of};
use crate::model::record::{Offset, Partition};
use crate::model::segment::Segment;
use crate::model::slice::{Slice, Tier};
use crate::model::time::{Day, Timestamp};
use crate::model::zones::ZoneId;

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
    /// By which settings, where that is known.
    judged_by: Option<u64>,
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
    pub(super) rules: Vec<Rule>,
    pub(super) relatives: Relatives,
    pub(super) streams: Streams,
    /// Segments to be looked at.
    changed: BTreeSet<Segment>,
    all: bool,
    /// The first day that is not closed, by number of the zone.
    closed: Vec<i32>,
    /// Days that say nothing of a count, by number of the zone.
    pub(super) quiet: Vec<Vec<(i32, i32)>>,
    /// By id.
    told: BTreeMap<String, Told>,
    repeat: bool,
}

impl Watch {
    /// A day of a segment has changed.
    pub(super) fn changed(&mut self, segment: &Segment, slice: Slice, zone: ZoneId) {
        let end = self.closed.get(zone.index());
        let closed = slice.tier == Tier::Day && end.is_some_and(|day| slice.index < *day);
        if closed && !self.rules.is_empty() {
            self.changed.extend(self.relatives.told_of_by(segment));
        }
    }

    /// A copy of a day is out of retention.
    pub(super) fn forget(&mut self, shard: u32, slice: Slice, segment: &str, of: &Definition) {
        if let Some(segment) = self.relatives.forget(shard, slice.index, segment) {
            self.changed(&segment, slice, of.zone_of(&segment));
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
        let kin = Kin::of(rules, self.definition.partitions);
        let mut relatives = Relatives::new(kin, self.partition);
        self.segments.iter().for_each(|state| relatives.meet(&state.segment));
        // Who is known in advance has no data here, though it lies elsewhere.
        self.definition.known_segments().iter().for_each(|segment| relatives.meet(segment));
        self.watch = Watch { rules: rules.to_vec(), relatives, all: true, ..Watch::default() };
        self
    }

    /// Takes a copy of a cell that lies elsewhere.
    pub(super) fn merge_copy(&mut self, offset: Offset, partial: Partial) -> Merged {
        let Partial { shard, version, segment, slice, measures } = partial;
        self.newest = self.newest.max(offset);
        if epoch_of(version) < self.epochs.get(&shard).copied().unwrap_or(0) {
            return Merged::Stale;
        }
        // What was copied by rules of before may still stand there.
        if !self.watch.relatives.wants(&segment) {
            return Merged::Stale;
        }
        match self.watch.relatives.merge(&segment, slice.index, (shard, version), measures) {
            None => return Merged::Stale,
            Some(true) => {
                let zone = self.definition.zone_of(&segment);
                self.watch.changed(&segment, slice, zone);
            }
            Some(false) => {}
        }
        Merged::New
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
            judged_by: seen.judged_by(),
        };
        self.watch.told.insert(key.to_owned(), told);
    }

    /// A round of the days of one zone.
    fn round(&self, zone: ZoneId) -> Round {
        let closed = self.watch.closed.get(zone.index());
        let closed = closed.map(|day| self.definition.calendar_at(zone).start_of(Day(*day)));
        Round { version: self.newest.0, partition: self.partition, judged_to: closed }
    }

    /// A round about what is watched no longer: of the zone in which the last day closed.
    fn last_round(&self) -> Round {
        let rounds = self.definition.zones.ids().map(|zone| self.round(zone));
        let last = rounds.max_by_key(|round| round.judged_to);
        last.unwrap_or_else(|| self.round(ZoneId::JOB))
    }

    /// The first day that every shard still keeps: each lets go of days by its own watermark, which
    /// may be ahead of that of all.
    pub(super) fn floor_of_days(&self) -> i32 {
        let ahead = self.beats.values().filter_map(|beat| beat.watermark).max();
        let ahead = ahead.map_or(self.now, |watermark| watermark.min(self.now));
        self.definition.floors(ahead).1
    }

    /// Days of a zone that may lack records.
    pub(super) fn doubtful_days(&self, zone: ZoneId) -> Vec<(i32, i32)> {
        let day = |at: Timestamp| self.definition.calendar_at(zone).day_of(at).0;
        let until = |at: Timestamp| day(Timestamp(at.0 - 1)) + 1;
        let days =
            |d: &crate::model::watermark::Doubt| (d.since.map_or(i32::MIN, day), until(d.until));
        self.doubts.iter().map(days).collect()
    }

    /// Days that say nothing of a count, by number of the zone, where the days before these are
    /// closed. A source that died looks like a business in which nothing happens: a day without
    /// anything is no day without a case.
    pub(super) fn quiet_days(&self, closed: &[i32]) -> Vec<Vec<(i32, i32)>> {
        let mut alive = Alive::default();
        let told = self.beats.values().filter_map(|beat| beat.alive.as_ref());
        told.clone().for_each(|of| alive.join(of));
        // Of a shard that does not tell, something may have happened on every day.
        if told.count() < self.beats.len() {
            return vec![Vec::new(); closed.len()];
        }
        // Without the whole the days of all zones are one set.
        let Definition { zones, segments, .. } = &*self.definition;
        let is_mixed = !zones.is_one() && !segments.iter().any(Vec::is_empty);
        let days = zones.ids().zip(closed);
        days.map(|(zone, end)| {
            let today = self.definition.calendar_at(zone).day_of(self.now);
            alive.unborne(*end, today.0, is_mixed || zone != ZoneId::JOB)
        })
        .collect()
    }

    /// Says what is new of a stream, and takes back what is no more.
    pub(super) fn tell(
        &mut self,
        (segment, r): &(Segment, usize),
        verdict: &Verdict,
        due: &mut Vec<DueAlert>,
    ) {
        let zone = self.definition.zone_of(segment);
        let (round, calendar) = (self.round(zone), self.definition.calendar_at(zone));
        let json = |alert: &Alert| match zone {
            ZoneId::JOB => alert.json(calendar),
            _ => alert::with_zone(&alert.json(calendar), calendar.zone()),
        };
        let Verdict { reading, alerts, .. } = verdict;
        let stem = alert::stem(reading.signal, segment);
        let of = |from| alert::stem_of_baseline(&stem, from);
        let base = reading.baseline.map(|b| of(b.from));
        let rule = &self.watch.rules[*r];
        let (stated, settings) = (rule.baseline_from.map(of), rule.hash());
        let mut gone: BTreeSet<String> = self.watch.under(&stem);
        for alert in alerts {
            let id = alert.id();
            gone.remove(&id);
            let told = Told {
                json: json(alert),
                state: alert.state,
                withdrawn: false,
                judged_to: Some(calendar.start_of(alert.judged_to)),
                judged_by: Some(alert.judged_by),
            };
            self.watch.publish(id, told, round, due);
        }
        // Without its baseline nothing can be said of what was said.
        gone.retain(|_| reading.state != State::Lost);
        for id in gone {
            let Some(told) = self.watch.told.get(&id) else { continue };
            // What another baseline or other settings led to stays history. Where no baseline is stated,
            // a later one was begun while earlier days had not arrived yet.
            let is_other = match (&stated, &base) {
                _ if told.judged_by.is_some_and(|by| by != settings) => true,
                (Some(stated), _) => !id.starts_with(stated.as_str()),
                (None, Some(base)) => id.as_str() < base.as_str(),
                (None, None) => false,
            };
            if is_other && told.is_open() {
                self.watch.end(&id, Some(End::Rebaselined), round, due);
            } else if !is_other && (told.is_open() || base.is_some()) && !told.withdrawn {
                self.watch.end(&id, None, round, due);
            }
        }
    }

    /// Ends the alerts of what is watched no longer.
    pub(super) fn end_unwatched(&mut self, due: &mut Vec<DueAlert>) {
        let watched: Vec<String> = self
            .watch
            .streams
            .keys()
            .map(|(segment, r)| alert::stem(self.watch.rules[*r].signal, segment))
            .collect();
        let is_watched = |id: &str| watched.iter().any(|stem| id.starts_with(stem.as_str()));
        let open = self.watch.told.iter().filter(|(_, told)| told.is_open());
        let gone: Vec<String> =
            open.map(|(id, _)| id.clone()).filter(|id| !is_watched(id)).collect();
        for id in gone {
            self.watch.end(&id, Some(End::Unwatched), self.last_round(), due);
        }
    }

    /// Where everything is to be said again: also what no judgment yields any more.
    pub(super) fn repeat_the_rest(&mut self, due: &mut Vec<DueAlert>) {
        if std::mem::take(&mut self.watch.repeat) {
            self.watch.say_the_rest(self.last_round(), due);
        }
    }

    /// What each watched stream reads like now, for `/metrics`.
    pub fn readings(&self) -> Vec<(&Segment, &Reading)> {
        let streams = self.watch.streams.iter();
        streams
            .filter_map(|((segment, _), of)| Some((segment, &of.verdict.as_ref()?.reading)))
            .collect()
    }
}

impl Watch {
    /// Begins a round, in which days before these are closed, by number of the zone. Returns the
    /// first day of each that is not, and what is to be looked at.
    pub(super) fn begin(&mut self, days: Vec<i32>) -> (Vec<i32>, Look) {
        if self.closed.len() != days.len() {
            (self.closed, self.all) = (days, true);
        } else {
            for (closed, day) in self.closed.iter_mut().zip(days).filter(|(c, day)| **c < *day) {
                (*closed, self.all) = (day, true);
            }
        }
        let everything = std::mem::take(&mut self.all);
        let mut segments = std::mem::take(&mut self.changed);
        if everything {
            segments.clone_from(self.relatives.judged());
        }
        (self.closed.clone(), Look { segments, everything })
    }

    /// Without rules there may still be alerts to end.
    pub(super) fn is_needed(&self) -> bool {
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
        if self.told.get(&id).is_none_or(|known| known.json != told.json) {
            due.push(told.due(&id, round));
        }
        self.told.insert(id, told);
    }

    /// Ends an alert that no judgment yields any more: a change of the rules did, or else corrections
    /// undid it.
    fn end(&mut self, id: &str, end: Option<End>, round: Round, due: &mut Vec<DueAlert>) {
        if self.is_ahead(id, round) {
            return;
        }
        let Some(told) = self.told.get_mut(id) else { return };
        let json = match end {
            Some(end) => alert::ended(&told.json, end, round.judged_to),
            None => alert::taken_back(&told.json),
        };
        told.json = json.unwrap_or_else(|| told.json.clone());
        (told.state, told.withdrawn, told.judged_to) =
            (State::Resolved, end.is_none(), round.judged_to);
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
