//! How long it takes from a record to the rows that it changes, and which record took so long.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::declared::FRESHNESS_BUCKETS;
use super::{Stage, Telemetry};

/// The family of latencies.
pub(super) const FAMILY: &str = "tidemark_event_latency_seconds";
/// Most characters of all names and values of an exemplar, as OpenMetrics has it.
const LONGEST: usize = 128;

/// What came to a row last in a bucket of the histogram.
#[derive(Clone, Debug)]
struct Exemplar {
    /// Names and values in braces.
    labels: String,
    took: Duration,
    at_ms: i64,
}

/// The newest exemplar of each bucket, by its place.
#[derive(Debug, Default)]
pub(super) struct Latest(Mutex<BTreeMap<usize, Exemplar>>);

impl Telemetry {
    /// Series that are known in advance begin at 0.
    pub(super) fn begin_latencies(&self) {
        for stage in [Stage::Ledger, Stage::Rollup] {
            self.metrics.publish.with_label_values(&[stage.as_str()]);
        }
        self.allowed_lag(Duration::ZERO);
    }

    /// A publish of a stage, from the first partial or row computed to the last one acknowledged.
    pub fn published(&self, stage: Stage, took: Duration) {
        self.metrics.publish.with_label_values(&[stage.as_str()]).observe(took.as_secs_f64());
    }

    /// How far the watermark may be behind the clock although nothing is wrong.
    pub fn allowed_lag(&self, lag: Duration) {
        self.metrics.allowed_lag.with_label_values::<&str>(&[]).set(lag.as_secs_f64());
    }

    /// Rows are acknowledged, so long after the oldest record behind them came in. `entity` is what
    /// that tells of, as `tenant/kind/id`.
    pub fn event_told(&self, took: Duration, entity: Option<&str>, now_ms: i64) {
        self.metrics.event_latency.observe(took.as_secs_f64());
        let Some(labels) = entity.and_then(labels) else { return };
        let seconds = took.as_secs_f64();
        let bucket = FRESHNESS_BUCKETS.iter().take_while(|bound| seconds > **bound).count();
        let mut held = self.latest.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(bucket, Exemplar { labels, took, at_ms: now_ms });
    }

    /// The text of the latencies, with what stands beside their buckets.
    pub(super) fn with_entities(&self, text: &str) -> String {
        let held = self.latest.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut out, mut bucket) = (String::with_capacity(text.len()), 0);
        for line in text.lines() {
            out.push_str(line);
            if line.starts_with(FAMILY) && line.contains("_bucket{") {
                if let Some(Exemplar { labels, took, at_ms }) = held.get(&bucket) {
                    exemplar(&mut out, labels, took.as_secs_f64(), *at_ms);
                }
                bucket += 1;
            }
            out.push('\n');
        }
        out
    }
}

/// Writes an exemplar behind its sample: names and values in braces, value, time.
pub(super) fn exemplar(out: &mut String, labels: &str, value: f64, at_ms: i64) {
    let (seconds, millis) = (at_ms.div_euclid(1000), at_ms.rem_euclid(1000));
    let _ = write!(out, " # {labels} {value} {seconds}.{millis:03}");
}

/// Names and values of an exemplar in braces; none where they are too long.
pub(super) fn braced(labels: [(&str, &str); 2]) -> Option<String> {
    let count = |(name, value): &(&str, &str)| name.chars().count() + value.chars().count();
    let fits = labels.iter().map(count).sum::<usize>() <= LONGEST;
    let [(first, a), (second, b)] = labels.map(|(name, value)| (name, escaped(value)));
    fits.then(|| format!("{{{first}=\"{a}\",{second}=\"{b}\"}}"))
}

/// A label value as it stands between quotes.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Kind and id of an entity as labels; none where they are too long.
fn labels(entity: &str) -> Option<String> {
    let mut parts = entity.splitn(3, '/').skip(1);
    braced([("kind", parts.next()?), ("id", parts.next()?)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::{Encoder, TextEncoder};

    fn page(telemetry: &Telemetry) -> String {
        let all = telemetry.registry().gather();
        let family = all.into_iter().find(|family| family.name() == FAMILY).unwrap();
        let mut text = Vec::new();
        TextEncoder::new().encode(&[family], &mut text).unwrap();
        telemetry.with_exemplars(FAMILY, std::str::from_utf8(&text).unwrap())
    }

    #[test]
    fn an_exemplar_stands_in_the_bucket_of_its_value() {
        let telemetry = Telemetry::new("0.0.0", "2026a", "EUR");
        let told = |millis, entity: Option<&str>| {
            telemetry.event_told(Duration::from_millis(millis), entity, 1_764_000_000_042);
        };
        told(400, Some("acme/deal/D-\"1\"/x"));
        told(500, Some("acme/lead/L-1"));
        told(999_000_000, Some("acme/deal/D-2"));
        told(90, None);
        told(90, Some(&format!("acme/deal/{}", "é".repeat(200))));
        let text = page(&telemetry);
        let line = |le: &str| {
            let is = |line: &&str| line.contains(&format!("le=\"{le}\""));
            text.lines().find(is).unwrap().split_once("} ").unwrap().1.to_owned()
        };
        assert_eq!(line("0.1"), "2");
        assert_eq!(line("0.25"), "2");
        assert_eq!(line("0.5"), "4 # {kind=\"lead\",id=\"L-1\"} 0.5 1764000000.042");
        assert_eq!(line("+Inf"), "5 # {kind=\"deal\",id=\"D-2\"} 999000 1764000000.042");
        told(300, Some("acme/deal/D-\"1\"/x"));
        let text = page(&telemetry);
        assert!(text.contains("id=\"D-\\\"1\\\"/x\"} 0.3 "), "{text}");
        assert_eq!(telemetry.with_exemplars("other", "a_bucket{} 1"), "a_bucket{} 1");
    }
}
