//! What is no fault, and yet seldom meant.

use std::fmt;

use super::near::nearest;
use super::{Config, Origin, Source};
use crate::model::alert::{Phase, Rule};
use crate::model::kpi::Group;
use crate::model::source::System;
use crate::model::target::{Stale, Stated};
use crate::model::time::Day;

/// How often a baseline should have seen each phase of a season.
const PERIODS: u32 = 12;

/// Something that is worth a look. It stops nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where it is.
    pub origin: Origin,
    /// The key.
    pub key: String,
    /// What it leads to.
    pub what: String,
    /// How to mend it, or why it may be right.
    pub mend: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Warning { origin, key, what, mend } = self;
        write!(f, "warning: {what}\n --> {origin}\n  = key: {key}\n  = help: {mend}")
    }
}

/// The same, of what is stated there.
fn stated_at(warning: Warning, stated: &Stated) -> Warning {
    match stated {
        Stated::File(name, line) => {
            let origin = Origin::File { name: name.to_string(), line: *line, column: 1 };
            Warning { origin, ..warning }
        }
        _ => warning,
    }
}

impl Config {
    /// What is no fault, and yet seldom meant, in the order of the sections.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut out = self.shared_tenants();
        out.extend(self.unknown_places());
        out.extend(self.large_bodies());
        out.extend(self.nothing_to_tell());
        out.extend(self.unknown_targets());
        out.extend(self.no_stages());
        out.extend(self.unused_regions());
        out.extend(self.unknown_calendars());
        out.extend(self.odd_zones());
        out.extend(self.short_seasons());
        out.extend(self.nothing_watched());
        out.extend(self.large_scrapes());
        out
    }

    /// A season that the baseline has seen a few times only proves little.
    fn short_seasons(&self) -> Vec<Warning> {
        let one = |rule: &Rule| {
            let (cycle, each) = match rule.phase {
                Phase::None => return None,
                Phase::Weekday => (700, "day of the week"),
                Phase::WeekOfMonth => (3_044, "week of the month"),
                Phase::MonthOfQuarter => (9_131, "month of the quarter"),
            };
            let (days, kpi) = (rule.baseline_days, rule.signal.as_str());
            let held = days.saturating_mul(100) / cycle;
            let enough = (PERIODS * cycle).div_ceil(100);
            let what = format!(
                "{kpi} is compared with the same {each}, and a baseline of {days}d holds each of them {held} times, not {PERIODS}"
            );
            let mend = format!(
                "set drift.baseline = \"{enough}d\", with slices.day_retention twice as long, or leave the phase out; with fewer, chance passes for season where cases are few"
            );
            (held < PERIODS).then(|| self.warning(format!("drift.phases.{kpi}"), what, mend))
        };
        let mut out: Vec<Warning> = self.drift.iter().filter_map(one).collect();
        out.dedup();
        out
    }

    /// Baselines that no day can be compared with, as of `today`: not begun, or not kept.
    pub fn dated_baselines(&self, today: Day) -> Option<Warning> {
        let from = self.drift.first()?.baseline_from?;
        let kept = self.definition.retention.days.and_then(|days| i32::try_from(days).ok());
        let first = kept.map_or(i32::MIN, |days| today.0.saturating_sub(days));
        let what = if from > today {
            format!(
                "the baseline begins on {from}, which is to come: nothing is watched until it is over"
            )
        } else if from.0 < first {
            let first = Day(first);
            format!(
                "the baseline begins on {from}, and days before {first} are kept no longer: it is lost, and nothing is watched"
            )
        } else {
            return None;
        };
        let mend =
            "state a day within slices.day_retention that is past, or leave the key out".to_owned();
        Some(self.warning("drift.baseline_from".to_owned(), what, mend))
    }

    /// KPIs are named, and no set is watched in which they are counted.
    fn nothing_watched(&self) -> Option<Warning> {
        let what =
            "KPIs are watched for drift in no set of segments, so nothing is watched".to_owned();
        let mend = "name sets of segments.sets in drift.segments, or write kpis = []".to_owned();
        let idle = self.drift.first()?.segments.is_empty();
        idle.then(|| self.warning("drift.segments".to_owned(), what, mend))
    }

    fn unused_regions(&self) -> Option<Warning> {
        let of = &self.definition;
        let what = "territories are put into regions, and no set has those".to_owned();
        let mend = "add \"region\" or [\"region\", \"territory\"] to segments.sets".to_owned();
        let used = of.segments.iter().flatten().any(|dimension| dimension == "region");
        let idle = !of.directory.territories.is_empty() && !used;
        idle.then(|| self.warning("directory.territory".to_owned(), what, mend))
    }

    /// A calendar of a territory that is spelled otherwise in the directory is of nobody.
    fn unknown_calendars(&self) -> Vec<Warning> {
        let known = self.definition.known("territory");
        let named = self.definition.work.territories.keys().filter(|_| !known.is_empty());
        let unknown = named.filter(|territory| !known.contains(territory.as_str()));
        let warn = |territory: &String| {
            let what = format!(
                "there is a calendar of the territory \"{territory}\", and the directory knows none of that name"
            );
            let mend = match nearest(territory, known.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "leave it where events bring that territory".to_owned(),
            };
            self.warning(format!("calendar.territories.{territory}"), what, mend)
        };
        unknown.map(warn).collect()
    }

    fn no_stages(&self) -> Option<Warning> {
        let what =
            "a funnel is asked for, and there is no stage table, so rows have none".to_owned();
        let mend =
            "write the stages of your pipelines in [stages], or leave out \"funnel\"".to_owned();
        let asked = self.definition.kpis.has(Group::Funnel) && self.definition.stages.is_empty();
        asked.then(|| self.warning("kpis.groups".to_owned(), what, mend))
    }

    /// Targets of which the last period has ended on `today`, with none for the current one.
    pub fn stale_targets(&self, today: Day) -> Vec<Warning> {
        let each = self.definition.targets.stale(today).into_iter().map(|stale| {
            let Stale { scope, kpi, period, since, stated } = stale;
            let period = period.as_str();
            let what =
                format!("the target of {kpi} for {scope} ended: since {since} no {period} has one");
            let mend = format!(
                "add the target of the current {period}, or let the last one repeat (repeat = true)"
            );
            stated_at(self.warning("targets".to_owned(), what, mend), &stated)
        });
        each.collect()
    }

    /// A member that the directory does not know is mostly a slip.
    fn unknown_targets(&self) -> Vec<Warning> {
        let mut out = Vec::new();
        for segment in self.definition.targets.segments() {
            for (dimension, value) in &segment.parts {
                let known = self.definition.known(dimension);
                if known.is_empty() || known.contains(&**value) {
                    continue;
                }
                let what = format!(
                    "there is a target for {segment}, and the directory knows no {dimension} \"{value}\""
                );
                let mend = match nearest(value, known) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => "leave it where events bring that value".to_owned(),
                };
                let warning = self.warning("targets".to_owned(), what, mend);
                let stated = self.definition.targets.stated(segment).cloned();
                out.push(stated_at(warning, &stated.unwrap_or_default()));
            }
        }
        out
    }

    /// What is beyond `intake.max_record_bytes` is acknowledged and then only a part of a dead letter.
    fn large_bodies(&self) -> Option<Warning> {
        let (body, record) = (self.hooks.as_ref()?.max_body, self.intake.max_record_bytes);
        let what = "webhooks larger than intake.max_record_bytes are taken, and become dead letters that are cut".to_owned();
        let mend = "lower hooks.max_body, or raise intake.max_record_bytes and max.message.bytes of the topics".to_owned();
        (body > record).then(|| self.warning("hooks.max_body".to_owned(), what, mend))
    }

    fn nothing_to_tell(&self) -> Option<Warning> {
        let what = "nothing is watched, so receivers are told of nothing".to_owned();
        let mend = "name KPIs in drift.kpis, or remove the receivers".to_owned();
        let idle = self.drift.is_empty() && !self.receivers.is_empty();
        idle.then(|| self.warning("alerts.receivers".to_owned(), what, mend))
    }

    pub(super) fn warning(&self, key: String, what: String, mend: String) -> Warning {
        Warning { origin: self.origin.reader.origin(&key), key, what, mend }
    }

    /// Two accounts of one system number their deals from 1, each for itself.
    fn shared_tenants(&self) -> Vec<Warning> {
        let mut out = Vec::new();
        for (i, source) in self.sources.iter().enumerate() {
            let tenant = |at: usize| self.sources[at].reading.tenant.as_deref();
            let name = |source: &Source| match &source.reading.mapping {
                Some(mapping) => mapping.system.clone(),
                None => source.system.as_str().to_owned(),
            };
            let same =
                |at: &usize| name(&self.sources[*at]) == name(source) && tenant(*at) == tenant(i);
            let native = source.system != System::Canonical || source.reading.mapping.is_some();
            let Some(other) = (0..i).filter(|_| native).find(same) else { continue };
            let what = format!(
                "the sources \"{}\" and \"{}\" are both {} and share the tenant \"{}\": where their ids are the same, two deals become one",
                self.sources[other].name,
                source.name,
                name(source),
                tenant(i).unwrap_or("default"),
            );
            let mend = "give one of them a tenant of its own; leave it where both come from one account, such as its webhooks and its journal".to_owned();
            let key = if tenant(i).is_some() { "tenant" } else { "name" };
            out.push(self.warning(format!("sources[{i}].{key}"), what, mend));
        }
        out
    }

    /// A rep's ids are looked up by names of sources and systems. Canonical events may name any
    /// system, so only what is nearly a known name is told.
    fn unknown_places(&self) -> Vec<Warning> {
        let known = || {
            let systems = System::ALL.iter().map(|(_, name, _)| *name);
            systems.chain(self.sources.iter().map(|source| source.name.as_str()))
        };
        let mut out: Vec<Warning> = Vec::new();
        for (rep, entry) in &self.definition.directory.reps {
            for place in entry.ids.keys().filter(|place| !known().any(|name| name == *place)) {
                let Some(near) = nearest(place, known()) else { continue };
                let what = format!(
                    "no source and no system is named \"{place}\", by which the rep \"{rep}\" is to be known"
                );
                let mend = format!(
                    "did you mean \"{near}\"? Leave it where canonical events name that system"
                );
                out.push(self.warning("directory.rep".to_owned(), what, mend));
            }
        }
        out
    }
}
