//! The configuration for people: a summary for `validate`, and all settings with their origin for
//! `--print`. Neither shows a secret.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use config::{Value, ValueKind};

use super::estimate::{set_name, thousands};
use super::fault::Origin;
use super::leaf::{show_duration, show_size};
use super::properties::is_public;
use super::read::{child, root};
use super::receivers::{is_url, shown_url};
use super::shape::{Shape, Table};
use super::topics::{Cleanup, TopicSpec};
use super::{Config, Kafka, Source};
use crate::model::alert::{Kind, Rule};
use crate::model::calendar::tzdb_version;
use crate::model::cycle::CycleStart;
use crate::model::definition::{Definition, StageTable};
use crate::model::event::Status;
use crate::model::own::OwnMeasure;
use crate::model::time::Span;

pub(super) const REDACTED: &str = "[redacted]";

/// One setting in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Key, such as `kafka.brokers`.
    pub key: String,
    /// Value as TOML; secrets are redacted.
    pub value: String,
    /// Where it was set.
    pub origin: Origin,
}

/// Keys and values in the order of the sections.
pub(super) fn settings(merged: &Value) -> Vec<(String, String)> {
    let mut out = Vec::new();
    flatten("", merged, Some(root()), &mut out);
    out
}

fn flatten(path: &str, value: &Value, shape: Option<&Table>, out: &mut Vec<(String, String)>) {
    match &value.kind {
        ValueKind::Table(table) if !is_secret_ref(path, value) => {
            let mut keys: Vec<&String> = table.keys().collect();
            let rank = |key: &str| {
                shape.and_then(|s| s.keys.iter().position(|k| k.name == key)).unwrap_or(usize::MAX)
            };
            keys.sort_by_key(|key| (rank(key), key.as_str()));
            for key in keys {
                let inner =
                    shape.and_then(|s| s.keys.iter().find(|k| k.name == key)).map(|k| &k.shape);
                let inner = match inner {
                    Some(Shape::Table(table) | Shape::List(Shape::Table(table))) => Some(*table),
                    _ => None,
                };
                flatten(&child(path, key), &table[key], inner, out);
            }
        }
        ValueKind::Array(items) if items.iter().any(|v| matches!(v.kind, ValueKind::Table(_))) => {
            for (i, item) in items.iter().enumerate() {
                flatten(&format!("{path}[{i}]"), item, shape, out);
            }
        }
        _ => out.push((path.to_owned(), shown(path, value))),
    }
}

/// Whether a table only says where a secret stands.
fn is_secret_ref(path: &str, value: &Value) -> bool {
    path.starts_with("kafka.properties.") && matches!(value.kind, ValueKind::Table(_))
}

fn shown(path: &str, value: &Value) -> String {
    if let (true, ValueKind::String(url)) = (is_url(path), &value.kind) {
        return format!("\"{}\"", shown_url(url));
    }
    if let Some(property) = path.strip_prefix("kafka.properties.") {
        let is_plain = !matches!(value.kind, ValueKind::Table(_));
        if is_plain && !is_public(property.trim_matches('"')) {
            return format!("\"{REDACTED}\"");
        }
    }
    toml_text(value)
}

fn toml_text(value: &Value) -> String {
    match &value.kind {
        // A JSON string is a TOML string.
        ValueKind::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        ValueKind::Array(items) => {
            format!("[{}]", items.iter().map(toml_text).collect::<Vec<_>>().join(", "))
        }
        ValueKind::Table(table) => {
            let mut pairs: Vec<String> =
                table.iter().map(|(k, v)| format!("{k} = {}", toml_text(v))).collect();
            pairs.sort();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

/// Label and text.
type Line = (&'static str, String);

impl Config {
    /// Every setting in effect, with where it was set.
    pub fn settings(&self) -> Vec<Setting> {
        let origin = |key: &str| self.origin.reader.origin(key);
        self.origin
            .settings
            .iter()
            .map(|(key, value)| Setting {
                key: key.clone(),
                value: value.clone(),
                origin: origin(key),
            })
            .collect()
    }

    /// The settings as text, one a line, for `validate --print`.
    pub fn print(&self) -> String {
        let settings = self.settings();
        let lines: Vec<String> =
            settings.iter().map(|s| format!("{} = {}", s.key, s.value)).collect();
        let width = lines.iter().map(|l| l.chars().count()).filter(|w| *w <= 80).max().unwrap_or(0);
        let mut out = String::new();
        for (line, setting) in lines.iter().zip(&settings) {
            let _ = writeln!(out, "{line:width$}  # {}", setting.origin);
        }
        out
    }

    /// What the configuration means, in a screen of text.
    pub fn summary(&self) -> String {
        let mut out = String::new();
        for (label, text) in
            [self.edge_lines(), self.definition_lines(), self.topic_lines()].concat()
        {
            let _ = writeln!(out, "{label:<11} {text}");
        }
        out
    }

    /// What the configuration would cost, by set and group, where a budget refuses it.
    pub fn cost(&self) -> String {
        const SHOWN: [&str; 7] =
            ["windows", "segments", "estimate", "families", "kpis", "drift", "targets"];
        let mut out = String::new();
        let lines = self.definition_lines().into_iter();
        for (label, text) in lines.filter(|(label, _)| SHOWN.contains(label)) {
            // Which limit there is, is what the refusal says.
            let text = text.split(" of at most ").next().unwrap_or_default();
            let _ = writeln!(out, "{label:<11} {text}");
        }
        out
    }

    fn edge_lines(&self) -> Vec<Line> {
        let mut out = vec![
            ("app", format!("{}, generation {}", self.app, self.generation)),
            ("kafka", kafka(&self.kafka)),
        ];
        if self.sources.is_empty() {
            out.push(("sources", "none: events must be written to the events topic".to_owned()));
        }
        for Source { name, system, reading, topics } in &self.sources {
            let system = match &reading.mapping {
                Some(mapping) => format!("{} (mapping)", mapping.system),
                None => system.as_str().to_owned(),
            };
            out.push(("source", format!("{name}: {system} from {}", topics.join(", "))));
        }
        let remote = if self.http.allow_remote { ", remote allowed" } else { "" };
        out.push(("http", format!("{}{remote}", self.http.listen)));
        out.extend(self.hook_lines());
        out.extend(self.receiver_lines());
        out
    }

    fn definition_lines(&self) -> Vec<Line> {
        let definition = &self.definition;
        let (shards, partitions) = (definition.shards, definition.partitions);
        let days = definition.retention.days.map_or("forever".to_owned(), |d| format!("{d}d"));
        let windows: Vec<String> = definition.windows.iter().map(|w| w.name()).collect();
        let estimate = self.estimate();
        let sets: Vec<String> = estimate
            .sets
            .iter()
            .map(|s| format!("{} ({})", s.name(), thousands(s.members)))
            .collect();
        let groups: Vec<String> = estimate
            .groups
            .iter()
            .map(|(group, series)| (group.as_str().to_owned(), *series))
            .chain(estimate.own.iter().map(|(family, n)| (format!("…_{family}"), *n)))
            .chain([("and what is behind them".to_owned(), estimate.beside)])
            .map(|(name, series)| format!("{name} ({} series)", thousands(series)))
            .collect();
        let each = estimate.sets.iter().map(|set| {
            let stages = if set.stages > 1 { set.stages } else { 1 };
            format!("{} {}", set.name(), thousands(set.series_per_family / stages))
        });
        let each = each.collect::<Vec<_>>().join(", ");
        let families = format!("each KPI has one a set: {each}; all: validate --families");
        let credit = definition.attribution.as_str();
        let limit = thousands(self.limits.max_series as u64);
        let (rows, series) = (thousands(estimate.rows), thousands(estimate.series));
        let mut out = vec![
            (
                "topology",
                format!(
                    "{}, {}",
                    count(shards as usize, "shard"),
                    count(partitions as usize, "partition")
                ),
            ),
            ("time", self.time_line()),
            (
                "slices",
                format!("5 minutes for {}, days for {days}", span(definition.retention.fine)),
            ),
            ("windows", windows.join(", ")),
            ("segments", sets.join(", ")),
            ("estimate", format!("{rows} rows, {series} Prometheus series of at most {limit}")),
            ("families", families),
            ("kpis", groups.join(", ")),
            ("drift", self.drift_line()),
            ("money", format!("{}{}, credit {credit}", definition.currency, rates(definition))),
            ("stages", stages(&definition.stages)),
            ("directory", count(definition.directory.reps.len(), "rep")),
            ("targets", self.targets_line()),
        ];
        if let Some(said) = self.shrinkage_line() {
            let at = out.iter().position(|(label, _)| *label == "money").unwrap_or(out.len());
            out.insert(at, ("drift", said));
        }
        if definition.cycle_from != CycleStart::Created {
            let start = definition.cycle_from.text();
            let line = format!("from {start} to winning; a deal without that has none");
            let at = out.iter().position(|(label, _)| *label == "directory").unwrap_or(out.len());
            out.insert(at, ("cycles", line));
        }
        if !definition.measures.all().is_empty() {
            let at = out.iter().position(|(label, _)| *label == "drift").unwrap_or(out.len());
            out.insert(at, ("measures", measures(definition)));
        }
        out
    }

    fn topic_lines(&self) -> Vec<Line> {
        let line = |spec: &TopicSpec| {
            let cleanup = match spec.cleanup {
                Cleanup::Delete { retention: None } => "kept forever".to_owned(),
                Cleanup::Delete { retention: Some(keep) } => {
                    format!("kept {}", show_duration(keep))
                }
                Cleanup::Compact { min_lag } => {
                    format!("compacted after {}", show_duration(min_lag))
                }
            };
            let partitions = count(spec.partitions as usize, "partition");
            let size = show_size(spec.max_record_bytes as u64);
            ("topic", format!("{}: {partitions}, {cleanup}, records up to {size}", spec.name))
        };
        self.specs().iter().map(line).collect()
    }

    fn targets_line(&self) -> String {
        let targets = &self.definition.targets;
        if targets.is_empty() {
            return if self.follows_targets() { "of the topic" } else { "none" }.to_owned();
        }
        let mut kpis: Vec<&str> = targets.kpis().map(|(_, kpi)| kpi).collect();
        kpis.sort_unstable();
        kpis.dedup();
        let series = thousands(self.estimate().targets);
        let more = if self.follows_targets() { ", and those of the topic" } else { "" };
        format!("{} of {} ({series} series){more}", count(targets.len(), "row"), kpis.join(", "))
    }

    fn drift_line(&self) -> String {
        let Some(first) = self.drift.first() else {
            return "nothing is watched".to_owned();
        };
        if first.segments.is_empty() {
            return "nothing is watched: no set of drift.segments".to_owned();
        }
        let shares = self.drift.iter().filter(|rule| rule.signal == first.signal);
        let share = |rule: &Rule| {
            let sets: Vec<_> = rule.segments.iter().map(|set| set_name(set)).collect();
            let streams = count(super::build::usize_of(rule.streams), "stream");
            format!("{} ({streams})", sets.join(", "))
        };
        let shares: Vec<String> = shares.map(share).collect();
        let mut kpis: Vec<_> = self.drift.iter().map(|rule| rule.signal.as_str()).collect();
        kpis.dedup();
        let each = if shares.len() > 1 { " in each share" } else { "" };
        format!(
            "{} in {}, {} series, {} false alarms a year tolerated of each{each}",
            kpis.join(", "),
            shares.join(" and apart in "),
            thousands(self.estimate().drift),
            first.false_alarms_a_year,
        )
    }

    /// Whether baselines are shrunk over siblings; `None` where none can be.
    fn shrinkage_line(&self) -> Option<String> {
        let first = self.drift.iter().find(|rule| {
            rule.signal.kind() != Kind::Count && rule.segments.iter().any(|set| !set.is_empty())
        })?;
        let said = match first.baseline_from {
            Some(from) => format!("on, of baselines from {from}, where five have one"),
            None => "off, state drift.baseline_from".to_owned(),
        };
        Some(format!("shrinkage over siblings: {said}"))
    }

    fn time_line(&self) -> String {
        format!(
            "{}{} (tzdb {}), out of order up to {}, idle after {}, at most {} ahead, settled after {}",
            self.definition.calendar.zone(),
            others(&self.definition),
            tzdb_version(),
            span(self.time.out_of_orderness),
            show_duration(self.time.idle_after),
            span(self.time.future_limit),
            span(self.definition.settle),
        )
    }
}

/// The zones that segments have beside that of the job.
fn others(definition: &Definition) -> String {
    let names: Vec<&str> = definition.zones.names().collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(", of some segments {}", names.join(", "))
    }
}

/// The measures of the user's own, and what is kept for them.
fn measures(definition: &Definition) -> String {
    let of = |own: &Arc<OwnMeasure>| {
        format!("{} ({} {})", own.name, own.meant().of.as_str(), own.meant().at.as_str())
    };
    let all: Vec<String> = definition.measures.all().iter().map(of).collect();
    let kept = definition.kept();
    let kept: Vec<String> =
        kept.iter().map(|(of, field)| format!("{field} of each {}", of.as_str())).collect();
    let kept = if kept.is_empty() { String::new() } else { format!("; keeps {}", kept.join(", ")) };
    format!("{}{kept}", all.join(", "))
}

/// Of which currencies there are rates, and from when the newest of them holds.
fn rates(definition: &Definition) -> String {
    let all: Vec<_> = definition.fx.currencies().collect();
    let Some(newest) = all.iter().map(|(_, _, last)| *last).max() else {
        return String::new();
    };
    let more = if all.len() > 8 { ", …" } else { "" };
    let codes: Vec<String> = all.iter().take(8).map(|(code, ..)| code.to_string()).collect();
    format!(", rates of {}{more} up to {newest}", codes.join(", "))
}

/// How many rows there are for which system and pipeline, and what they mean.
fn stages(table: &StageTable) -> String {
    const SHOWN: usize = 8;
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut means = Status::ALL.map(|(_, name)| (0, name));
    for ((system, pipeline), _, row) in table.rows() {
        let any = |name: &str| if name.is_empty() { "any" } else { name }.to_owned();
        let place = if pipeline.is_empty() { any(system) } else { any(system) + "/" + pipeline };
        *places.entry(place).or_default() += 1;
        means[row.status as usize].0 += 1;
    }
    let all: usize = places.values().sum();
    if all == 0 {
        return "0 in the table: won and lost come from a status only".to_owned();
    }
    let more = if places.len() > SHOWN { ", …" } else { "" };
    let places: Vec<_> = places.iter().take(SHOWN).map(|(p, n)| format!("{p} {n}")).collect();
    let means = means.map(|(n, name)| format!("{n} {name}")).join(", ");
    format!("{all} in the table: {means}; {}{more}", places.join(", "))
}

fn kafka(kafka: &Kafka) -> String {
    let names: Vec<&str> = kafka.properties.iter().map(|(name, _)| name.as_str()).collect();
    let properties =
        if names.is_empty() { String::new() } else { format!(", with {}", names.join(", ")) };
    format!(
        "{} as {}, replication {}{properties}",
        kafka.brokers, kafka.client_id, kafka.replication
    )
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn span(span: Span) -> String {
    show_duration(std::time::Duration::from_micros(span.0.unsigned_abs()))
}
