//! History for Prometheus: OpenMetrics text for `promtool tsdb create-blocks-from openmetrics`.
//!
//! Families and labels are those of `/metrics`. A closed window is one sample, at the window's end:
//! the last value that its series had on `/metrics`. A window still open is one at its watermark.

use std::collections::BTreeMap;
use std::io::Write;

use super::ExportError;
use crate::http::funnel;
use crate::http::metrics::{self, Help};
use crate::model::kpi::{Kpi, Kpis};
use crate::model::row::{Pane, Row};
use crate::model::time::Timestamp;

/// A family: its help, and its samples by labels and time.
#[derive(Default)]
struct Family {
    help: String,
    samples: BTreeMap<(String, Timestamp), Sample>,
}

struct Sample {
    value: f64,
    /// Labels are cut, so two segments may become one series: the newest row is shown, as there.
    version: (u64, Option<Timestamp>),
}

/// Writes rows, and returns how many samples they made. Of the KPIs only those named are written;
/// what stands beside them on `/metrics` comes along.
pub fn write<'r>(
    rows: impl IntoIterator<Item = &'r Row>,
    kpis: &[Kpi],
    known: &Kpis,
    mut out: impl Write,
) -> Result<u64, ExportError> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for row in rows {
        let Some(at) = moment(row) else { continue };
        let grain = metrics::name_of(&row.segment.grain());
        let labels = metrics::labels(&row.segment, &row.kind.name());
        let version = (row.version, row.as_of);
        let mut sample = |suffix: &str, help: Help<'_>, labels: &str, value| {
            let name = format!("tidemark_{grain}_{suffix}");
            let family = families.entry(name).or_default();
            if family.help.is_empty() {
                family.help = help.text();
            }
            let sample = Sample { value, version };
            let held = family.samples.entry((labels.to_owned(), at));
            held.and_modify(|s| {
                if s.version < version {
                    *s = Sample { value, version };
                }
            })
            .or_insert(sample);
        };
        let chosen = chosen(row, kpis);
        metrics::samples(&chosen, known, |suffix, help, value| {
            sample(suffix, help, &labels, value);
        });
        // Who names KPIs asks for those.
        if chosen.kpis.len() < row.kpis.len() {
            continue;
        }
        funnel::samples(row, &labels, |suffix, help, labels, value| {
            sample(suffix, Help::Fixed(help), labels, value);
        });
    }
    let mut samples = 0;
    for (name, family) in &families {
        let mut head = String::new();
        metrics::head(&mut head, name, &family.help);
        out.write_all(head.as_bytes())?;
        for ((labels, at), sample) in &family.samples {
            writeln!(out, "{name}{labels} {} {}", sample.value, seconds(*at))?;
            samples += 1;
        }
    }
    out.write_all(b"# EOF\n")?;
    out.flush()?;
    Ok(samples)
}

/// When the row's value held.
fn moment(row: &Row) -> Option<Timestamp> {
    if row.pane == Pane::Early { row.as_of.map(|at| at.min(row.end)) } else { Some(row.end) }
}

fn chosen(row: &Row, kpis: &[Kpi]) -> Row {
    let mut row = row.clone();
    row.kpis.retain(|(name, ..)| kpis.iter().any(|kpi| kpi.name == *name));
    row.targets.retain(|standing| kpis.iter().any(|kpi| kpi.name == standing.kpi));
    row
}

/// Seconds since 1970; Prometheus keeps milliseconds.
fn seconds(at: Timestamp) -> String {
    let millis = at.millis();
    match millis.rem_euclid(1000) {
        0 => millis.div_euclid(1000).to_string(),
        part => format!("{}.{part:03}", millis.div_euclid(1000)),
    }
}
