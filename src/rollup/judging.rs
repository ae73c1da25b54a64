//! Judging: which watched streams are looked at, with what their relatives say.

use std::collections::{BTreeMap, BTreeSet};

use super::Rollup;
use super::watch::DueAlert;
use crate::drift::amounts::{Limits, Reading};
use crate::drift::siblings::{Own, Prior, believed, own, prior};
use crate::drift::{DayFacts, Days, Member, Stream, Verdict, explain, judge};
use crate::model::alert::{Alert, Kind, Rule, Signal};
use crate::model::explained::Explained;
use crate::model::kin::Kin;
use crate::model::measure::Measures;
use crate::model::segment::Segment;
use crate::model::zones::ZoneId;

/// A watched stream: a segment, and the place of its rule.
type Key = (Segment, usize);

/// The streams that differ in the value of their last dimension only: what is above them, that
/// dimension, and the place of their rule.
type Family = (Segment, Box<str>, usize);

/// What is kept of a stream between two looks: nothing that does not follow from its days and from
/// those of its siblings.
#[derive(Debug, Default)]
pub(super) struct Watched {
    memo: Stream,
    own: Option<Own>,
    /// What its siblings say of it.
    prior: Option<Prior>,
    pub(super) verdict: Option<Verdict>,
    /// How many siblings there are, itself among them, and whether it is believed beside them.
    siblings: Option<(usize, bool)>,
}

/// The moment at which streams are judged.
struct Moment {
    floor: i32,
    /// By number of the zone.
    zones: Vec<Zone>,
}

/// The moment in one zone.
struct Zone {
    /// The first day that is not closed.
    closed: i32,
    /// Days in doubt.
    doubtful: Vec<(i32, i32)>,
    /// The same with those that say nothing of a count.
    of_counts: Vec<(i32, i32)>,
}

impl Moment {
    fn days<'a>(&'a self, zone: ZoneId, kind: Kind, facts: &'a [(i32, DayFacts)]) -> Days<'a> {
        let Zone { closed, doubtful, of_counts } = &self.zones[zone.index()];
        let doubtful = if kind == Kind::Count { of_counts } else { doubtful };
        Days { facts, closed: *closed, floor: self.floor, doubtful }
    }
}

/// Ranges in order, of which no two touch.
fn joined(mut ranges: Vec<(i32, i32)>) -> Vec<(i32, i32)> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let joins = next.0 <= kept.1;
        if joins {
            kept.1 = kept.1.max(next.1);
        }
        joins
    });
    ranges
}

fn family((segment, r): &Key) -> Option<Family> {
    let (dimension, _) = segment.parts.last()?;
    Some((Kin::above(segment), dimension.clone(), *r))
}

impl Rollup {
    /// Judges what has changed since the last time. Returns the alerts that say something new.
    pub fn decide(&mut self) -> Vec<DueAlert> {
        let Some(watermark) = self.watermark().filter(|_| self.watch.is_needed()) else {
            return Vec::new();
        };
        if !self.has_all_copies() {
            return Vec::new();
        }
        let zones = || self.definition.zones.ids();
        let days = zones().map(|zone| self.definition.calendar_at(zone).day_of(watermark).0);
        let days: Vec<i32> = days.collect();
        let quiet = self.quiet_days(&days);
        if self.watch.quiet != quiet {
            self.watch.look_again();
        }
        let (closed, look) = self.watch.begin(days);
        let zone = |((zone, closed), quiet): ((ZoneId, i32), &Vec<(i32, i32)>)| {
            let doubtful = joined(self.doubtful_days(zone));
            let of_counts = joined([doubtful.as_slice(), quiet].concat());
            Zone { closed, doubtful, of_counts }
        };
        let zones = zones().zip(closed).zip(&quiet).map(zone).collect();
        self.watch.quiet = quiet;
        let moment = Moment { floor: self.floor_of_days(), zones };
        let said = self.judge_all(&look.segments, &moment);
        let mut due = Vec::new();
        for key in said {
            let Some(watched) = self.watch.streams.get(&key) else { continue };
            let Some(mut verdict) = watched.verdict.clone() else { continue };
            for alert in verdict.alerts.iter_mut().filter(|alert| alert.resolved.is_none()) {
                alert.siblings = watched.siblings;
            }
            self.tell(&key, &verdict, &mut due);
        }
        if look.everything {
            self.end_unwatched(&mut due);
        }
        self.repeat_the_rest(&mut due);
        due.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        due
    }

    /// Whether every shard runs with these rules. While a changed configuration is rolled out some do
    /// not: what is there of the copies may not be all, and instances would come to different judgments
    /// of one family, so nothing is judged.
    pub fn has_all_copies(&self) -> bool {
        let kin = self.watch.relatives.kin.judging();
        self.watch.rules.is_empty() || self.beats.values().all(|beat| beat.kin == kin)
    }

    /// Judges these segments, and the siblings of which they say something else now. Returns the
    /// streams of which there may be something new.
    fn judge_all(&mut self, look: &BTreeSet<Segment>, moment: &Moment) -> BTreeSet<Key> {
        let mut look = self.keys_of(look);
        for key in &look {
            let said =
                self.with_days(key, moment, |rollup, days| own(&rollup.watch.rules[key.1], days));
            self.watch.streams.entry(key.clone()).or_default().own = said;
        }
        let families: BTreeSet<Family> = look.iter().filter_map(family).collect();
        for of in &families {
            let siblings = self.siblings(of);
            let owns: Vec<Own> =
                siblings.iter().filter_map(|key| self.watch.streams.get(key)?.own).collect();
            let kind = self.watch.rules[of.2].signal.kind();
            for key in siblings {
                let Some(watched) = self.watch.streams.get_mut(&key) else { continue };
                let new = watched.own.and_then(|own| prior(kind, &own, &owns));
                if std::mem::replace(&mut watched.prior, new) != new {
                    look.insert(key);
                }
            }
        }
        for key in &look {
            let verdict = self.judge_stream(key, moment);
            self.watch.streams.entry(key.clone()).or_default().verdict = Some(verdict);
        }
        for of in &families {
            look.extend(self.believe(of));
        }
        look
    }

    /// Says which siblings are believed. Returns those of which that is new.
    fn believe(&mut self, of: &Family) -> Vec<Key> {
        let siblings = self.siblings(of);
        let evidence = |key: &Key| self.watch.streams.get(key)?.verdict.as_ref()?.evidence;
        let evidence: BTreeMap<Key, f64> =
            siblings.into_iter().filter_map(|key| Some((key.clone(), evidence(&key)?))).collect();
        let values: Vec<f64> = evidence.values().copied().collect();
        let several = values.len() > 1;
        let mut out = Vec::new();
        for (key, believed) in evidence.into_keys().zip(believed(&values)) {
            let Some(watched) = self.watch.streams.get_mut(&key) else { continue };
            let new = several.then_some((values.len(), believed));
            if std::mem::replace(&mut watched.siblings, new) != new {
                out.push(key);
            }
        }
        out
    }

    fn keys_of(&self, segments: &BTreeSet<Segment>) -> BTreeSet<Key> {
        let rules = |segment: &Segment| {
            let watching = self.watch.rules.iter().enumerate();
            let watching = watching.filter(|(_, rule)| rule.watches(segment));
            watching.map(|(r, _)| (segment.clone(), r)).collect::<Vec<_>>()
        };
        segments.iter().flat_map(rules).collect()
    }

    fn siblings(&self, of: &Family) -> Vec<Key> {
        let all = self.watch.relatives.judged().iter().map(|segment| (segment.clone(), of.2));
        all.filter(|key| family(key).as_ref() == Some(of)).collect()
    }

    fn judge_stream(&mut self, key: &Key, moment: &Moment) -> Verdict {
        let watched = self.watch.streams.entry(key.clone()).or_default();
        let (prior, mut memo) = (watched.prior, std::mem::take(&mut watched.memo));
        let verdict = self.with_days(key, moment, |rollup, days| {
            let mut verdict = judge(&rollup.watch.rules[key.1], &key.0, days, prior, &mut memo);
            rollup.explain(key, &mut verdict.alerts, days);
            verdict
        });
        self.watch.streams.entry(key.clone()).or_default().memo = memo;
        verdict
    }

    /// Says why a stream moved, by each dimension that divides its segment; what says most first. Of
    /// an alert that is over nothing is said: there may be many, and days of all members to read.
    fn explain(&self, (segment, r): &Key, alerts: &mut [Alert], days: Days<'_>) {
        let mut open = alerts.iter_mut().filter(|alert| alert.resolved.is_none()).peekable();
        if open.peek().is_none() {
            return;
        }
        let rule = &self.watch.rules[*r];
        let limits = self.limits(segment, rule, days);
        let member = |segment| {
            let facts = self.facts(segment, rule.signal, days.closed, limits);
            Member { segment, facts }
        };
        // Days of other zones are others: they do not add up to those of the segment.
        let zone = self.definition.zone_of(segment);
        let alike =
            |of: &Vec<&Segment>| of.iter().all(|part| self.definition.zone_of(part) == zone);
        let parts = self.watch.relatives.parts(segment).into_iter().filter(|(_, of)| alike(of));
        let parts: Vec<(&str, Vec<Member<'_>>)> =
            parts.map(|((by, _), of)| (by, of.into_iter().map(member).collect())).collect();
        for alert in open {
            let one =
                |(by, members): &(&str, Vec<Member<'_>>)| explain(rule, alert, days, by, members);
            let mut out: Vec<(f64, Explained)> = parts.iter().filter_map(one).collect();
            out.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.by.cmp(&b.1.by)));
            alert.explained = out.into_iter().map(|(_, explained)| explained).collect();
        }
    }

    fn with_days<T>(
        &self,
        (segment, r): &Key,
        moment: &Moment,
        with: impl FnOnce(&Rollup, Days<'_>) -> T,
    ) -> T {
        let rule = &self.watch.rules[*r];
        let kind = rule.signal.kind();
        let days = |facts| moment.days(self.definition.zone_of(segment), kind, facts);
        let limits = self.limits(segment, rule, days(&[]));
        let facts = self.facts(segment, rule.signal, days(&[]).closed, limits);
        with(self, days(&facts))
    }

    fn facts(
        &self,
        segment: &Segment,
        signal: Signal,
        end: i32,
        limits: Option<Limits>,
    ) -> Vec<(i32, DayFacts)> {
        let amounts = Reading { limits, ..self.amounts() };
        let days = self.days_of(segment, end);
        days.map(|(day, of)| (day, DayFacts::of(signal, (day, of), amounts))).collect()
    }

    /// Within which limits the amounts of a segment and of its parts are read.
    fn limits(&self, segment: &Segment, rule: &Rule, moment: Days<'_>) -> Option<Limits> {
        if rule.signal.kind() != Kind::Amount {
            return None;
        }
        let days: Vec<(i32, &Measures)> = self.days_of(segment, moment.closed).collect();
        self.amounts().limits_of(rule, &days, moment)
    }

    fn amounts(&self) -> Reading<'_> {
        Reading { fx: &self.definition.fx, own: self.definition.currency, limits: None }
    }

    /// The days of a segment that lies here, or of which copies do.
    fn days_of(&self, segment: &Segment, end: i32) -> impl Iterator<Item = (i32, &Measures)> {
        let own = self.by_segment.get(segment).map(|i| self.segments[*i].days(end));
        own.into_iter().flatten().chain(self.watch.relatives.days(segment, end))
    }
}

/// The watched streams.
pub(super) type Streams = BTreeMap<Key, Watched>;

/// What is looked at in a round.
pub(super) struct Look {
    pub(super) segments: BTreeSet<Segment>,
    pub(super) everything: bool,
}
