//! The sales numbers on `/metrics`: a page a rollup partition, rebuilt whole at each publish.
//!
//! No registry holds them. A series is there exactly while its row is current, so none goes stale;
//! a partition that moves away takes its page with it. Families are one a grain, so that summing
//! over a family's labels never counts a sale twice; a quotient comes with its denominator; what is
//! undefined has no sample. Labels come from events, so values are cut, names are sanitized and each
//! family has a limit: a sender cannot mint series without end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use prometheus::proto::MetricType;
use prometheus::{Encoder, TextEncoder};

use super::funnel;
use super::lines::{Lines, number};
use super::pages::MetricsPages;
use crate::model::kpi::{Kpi, Kpis, Unit};
use crate::model::row::Row;
use crate::model::segment::Segment;
use crate::model::target::Aim;
use crate::telemetry::Telemetry;

/// Seconds in a civil day, as `docs/kpis.md` counts durations.
pub(super) const DAY_SECONDS: f64 = 86_400.0;
/// Longest label value, bytes: Prometheus counts those, and `deploy/prometheus` lets it refuse a scrape
/// over 256.
const VALUE_BYTES: usize = 200;

/// About how much the metrics of the process take, bytes.
const OWN_BYTES: usize = 64 * 1024;

/// How much may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Series a family.
    pub per_family: usize,
    /// Series over all families of an instance; a page alone is not bound by it.
    pub total: usize,
}

impl Caps {
    /// No limit.
    pub const NONE: Caps = Caps { per_family: usize::MAX, total: usize::MAX };

    /// A limit a family, as of a page alone.
    pub fn of_family(per_family: usize) -> Caps {
        Caps { per_family, ..Caps::NONE }
    }
}

/// The KPI series of one rollup partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KpiPage {
    pub(super) families: BTreeMap<String, Family>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Family {
    pub help: String,
    pub lines: String,
    pub series: u64,
    dropped: u64,
}

/// Encodes rows.
#[derive(Debug)]
pub struct KpiSnapshot;

impl KpiSnapshot {
    /// The page of these rows, which are the current windows of one partition. Equal rows, in
    /// whatever order, are equal pages.
    pub fn render(rows: &[&Row], kpis: &Kpis, caps: Caps) -> KpiPage {
        let mut entries: Vec<(String, String, &Row)> = rows
            .iter()
            .map(|row| {
                (name_of(&row.segment.grain()), labels(&row.segment, &row.kind.name()), *row)
            })
            .collect();
        // Newest first among rows whose labels became equal by cutting: only the first is shown.
        let newest = |row: &Row| std::cmp::Reverse((row.version, row.as_of));
        entries.sort_by(|a, b| (&a.0, &a.1, newest(a.2)).cmp(&(&b.0, &b.1, newest(b.2))));
        let mut page = KpiPage::default();
        for of_grain in entries.chunk_by(|a, b| a.0 == b.0) {
            let mut lines = Lines::of(&mut page, &of_grain[0].0, caps);
            for (i, (_, labels, row)) in of_grain.iter().enumerate() {
                let first = i == 0 || of_grain[i - 1].1 != *labels;
                lines.row();
                samples(row, kpis, |suffix, help, value| {
                    lines.add(suffix, help, labels, value, first);
                });
                funnel::samples(row, labels, |suffix, help, labels, value| {
                    lines.add(suffix, Help::Fixed(help), labels, value, first);
                });
            }
            lines.end();
        }
        page
    }
}

impl KpiPage {
    pub(super) fn add(
        &mut self,
        name: &str,
        help: Help<'_>,
        labels: &str,
        value: f64,
        first: bool,
        caps: Caps,
    ) {
        let family = self.families.entry(name.to_owned()).or_insert_with(|| Family::of(help));
        family.add(name, labels, value, first, caps);
    }

    /// The page alone, as text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (name, family) in &self.families {
            head(&mut out, name, &family.help);
            out.push_str(&family.lines);
        }
        out
    }

    /// Families with how many series each has.
    pub fn series(&self) -> impl Iterator<Item = (&str, u64)> {
        self.families.iter().map(|(name, family)| (name.as_str(), family.series))
    }

    /// Families with how many series each had to leave out, without zeros.
    pub fn dropped(&self) -> impl Iterator<Item = (&str, u64)> {
        let all = self.families.iter().map(|(name, family)| (name.as_str(), family.dropped));
        all.filter(|(_, n)| *n > 0)
    }
}

impl Family {
    /// Without a sample.
    pub(super) fn of(help: Help<'_>) -> Family {
        Family { help: help.text(), ..Family::default() }
    }

    /// A sample. Of those whose labels are equal only the first is shown.
    pub(super) fn add(&mut self, name: &str, labels: &str, value: f64, first: bool, caps: Caps) {
        if !first || self.series >= caps.per_family as u64 {
            self.dropped += 1;
            return;
        }
        self.series += 1;
        for text in [name, labels, " "] {
            self.lines.push_str(text);
        }
        number(&mut self.lines, value);
        self.lines.push('\n');
    }
}

/// A format of the exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The format that an `Accept` header prefers; plain text unless OpenMetrics is asked for.
pub fn negotiate(accept: &str) -> Format {
    let weight = |wanted: &str| {
        let of = |item: &str| {
            let mut parts = item.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
            let q = parts.find_map(|p| p.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
            if named { q } else { None }
        };
        accept.split(',').filter_map(of).fold(0.0_f64, f64::max)
    };
    let open = weight("application/openmetrics-text");
    if open > 0.0 && open >= weight("text/plain") { Format::OpenMetrics } else { Format::Text }
}

/// The whole of `/metrics`.
pub fn expose(
    telemetry: &Telemetry,
    pages: &MetricsPages,
    format: Format,
) -> Result<String, prometheus::Error> {
    // First, since it counts what it shows and what it leaves out.
    let kpis = pages.text();
    let mut out = String::with_capacity(kpis.len() + OWN_BYTES);
    for family in telemetry.registry().gather() {
        let mut text = Vec::new();
        TextEncoder::new().encode(std::slice::from_ref(&family), &mut text)?;
        let text = String::from_utf8_lossy(&text);
        let counter = family.get_field_type() == MetricType::COUNTER;
        if format == Format::Text {
            out.push_str(&text);
            continue;
        }
        let text = telemetry.with_exemplars(family.name(), &text);
        if counter {
            // There a counter is named without the suffix that its sample has.
            let name = family.name();
            let bare = name.strip_suffix("_total").unwrap_or(name);
            for line in text.lines() {
                let comment = line.starts_with("# HELP ") || line.starts_with("# TYPE ");
                let line = if comment { line.replacen(name, bare, 1) } else { line.to_owned() };
                out.push_str(&line);
                out.push('\n');
            }
        } else {
            out.push_str(&text);
        }
    }
    out.push_str(&kpis);
    if format == Format::OpenMetrics {
        out.push_str("# EOF\n");
    }
    Ok(out)
}

pub(crate) fn head(out: &mut String, name: &str, help: &str) {
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n");
}

/// What the help line says; made to text once a family.
#[derive(Clone, Copy)]
pub(crate) enum Help<'k> {
    Kpi(&'k Kpi),
    Fixed(&'static str),
}

impl Help<'_> {
    /// The text.
    pub fn text(self) -> String {
        let (text, unit) = match self {
            Help::Kpi(kpi) => (&*kpi.text, Some(kpi.unit)),
            Help::Fixed(text) => (text, None),
        };
        let suffix = match unit {
            Some(Unit::Money) => " (reporting currency).",
            Some(Unit::Days) => " (in seconds, 86400 a civil day).",
            Some(Unit::Minutes) => " (in seconds).",
            _ => ".",
        };
        // A quote would have to be escaped in one of the two formats and not in the other.
        let text = text.replace('\\', "/").replace('"', "'").replace('\n', " ");
        let mut chars = text.chars();
        let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
        format!("{first}{}{suffix}", chars.as_str())
    }
}

/// Every sample of a row: suffix of its family, help, value.
pub(crate) fn samples(row: &Row, kpis: &Kpis, mut sample: impl FnMut(&str, Help<'_>, f64)) {
    // Rows list them in the same order, so that nearly always the next one is meant.
    let mut next = kpis.kpis();
    for (name, unit, kpi) in &row.kpis {
        let known = next.next().filter(|known| known.name == *name).or_else(|| kpis.named(name));
        let Some(known) = known else { continue };
        if let Some(value) = kpi.value.map(|v| v.to_f64()).filter(|v| v.is_finite()) {
            let value = match unit {
                Unit::Days => value * DAY_SECONDS,
                Unit::Minutes => value * 60.0,
                _ => value,
            };
            sample(&known.family, Help::Kpi(known), value);
        }
        match (&**name, kpi.den) {
            ("win_rate", Some(den)) => {
                let help = "Deals won or lost in the window: the denominator of the win ratio";
                sample("deals_closed", Help::Fixed(help), den.to_f64());
            }
            ("cycle_length_mean", _) => {
                let help = "Deals behind the cycle lengths";
                sample("cycle_samples", Help::Fixed(help), kpi.n as f64);
            }
            _ => {}
        }
    }
    goal_samples(row, kpis, &mut sample);
    let help = "Share of the window that the watermark has passed";
    sample("window_complete_ratio", Help::Fixed(help), row.complete_ratio);
}

/// What a row says of targets and benchmarks: families named as that of the KPI, with what it is of.
fn goal_samples(row: &Row, kpis: &Kpis, sample: &mut impl FnMut(&str, Help, f64)) {
    for standing in &row.targets {
        let Some(kpi) = kpis.named(&standing.kpi) else { continue };
        let base = match kpi.unit {
            Unit::Days => DAY_SECONDS,
            Unit::Minutes => 60.0,
            _ => 1.0,
        };
        let name = match standing.aim {
            Aim::Target => "target",
            Aim::Benchmark => "benchmark",
        };
        let mut one = |what: &str, help, value: Option<f64>| {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                sample(&format!("{}_{name}{what}", kpi.family), Help::Fixed(help), value);
            }
        };
        let based = |value: f64| value * base;
        one("", "What the KPI should be, in its unit", Some(based(standing.value.to_f64())));
        let gap = standing.gap.map(|gap| based(gap.to_f64()));
        one("_gap", "The KPI less what it should be, in its unit", gap);
        let (ratio, help) = match standing.aim {
            Aim::Target => ("_attainment_ratio", "The KPI divided by its target"),
            Aim::Benchmark => ("_ratio", "The KPI divided by its benchmark: of a market its share"),
        };
        one(ratio, help, standing.attainment);
        let help = "Attainment of the target divided by the elapsed share of the working days";
        one("_pace_ratio", help, standing.pace);
        let help =
            "What the target lacks, for each working day that remains, in the unit of the KPI";
        one("_required_per_day", help, standing.required_per_day.map(based));
    }
}

/// `{rep="r-001",window="rolling_28d"}`.
pub(crate) fn labels(segment: &Segment, window: &str) -> String {
    labels_with(segment, "window", window)
}

/// The same with another last label.
pub(super) fn labels_with(segment: &Segment, last: &str, last_value: &str) -> String {
    let mut out = String::from("{");
    let mut names: Vec<String> = Vec::with_capacity(segment.parts.len());
    for (dimension, value) in &segment.parts {
        let mut name = label_of(dimension);
        // Two dimensions may become one name by sanitizing; a name twice would void the page.
        let mut copy = 2;
        while names.contains(&name) {
            name = format!("{}_{copy}", label_of(dimension));
            copy += 1;
        }
        let _ = write!(out, "{name}=\"");
        escape(&mut out, value);
        out.push_str("\",");
        names.push(name);
    }
    let _ = write!(out, "{last}=\"");
    escape(&mut out, last_value);
    out.push_str("\"}");
    out
}

/// Writes a value as a label has it, cut where it is too long. What no reader could see, or what would
/// turn the text around it, is shown as U+FFFD: a NUL ends the page for some parsers.
pub(super) fn escape(out: &mut String, value: &str) {
    let mut room = VALUE_BYTES;
    for c in value.chars() {
        let c = if is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c };
        let Some(left) = room.checked_sub(c.len_utf8()) else { return };
        room = left;
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// Control characters but the end of a line, and the marks that set the direction of text.
fn is_hidden(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\n')
}

/// The name with `_` for every character that names must not have.
pub(crate) fn name_of(text: &str) -> String {
    let valid = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    text.chars().map(valid).collect()
}

/// A dimension as a label name. Some names have a meaning of their own in Prometheus, or here.
fn label_of(dimension: &str) -> String {
    let name = name_of(dimension);
    // A leading double underscore is Prometheus's own.
    let bare = name.trim_start_matches('_');
    if bare.is_empty() {
        "dimension".to_owned()
    } else if bare.starts_with(|c: char| c.is_ascii_digit()) || bare.len() < name.len() {
        format!("_{bare}")
    } else if matches!(bare, "window" | "kpi" | "le" | "quantile") {
        format!("{bare}_")
    } else {
        name
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
pub(super) mod tests;
