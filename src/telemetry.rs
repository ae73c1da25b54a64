//! Metrics of the pipeline itself, and the log: what operators watch. The sales numbers are not
//! here, they are in [`crate::http::metrics`].
//!
//! Every metric is declared once, in `declare!` below: the registry, `docs/metrics.md` and the
//! tests come from that list. Labels are bounded: either from a type of ours, or admitted up to a
//! fixed number of values, so that nothing a sender writes can mint series.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{IntCounterVec, Registry};

use crate::model::deadletter::Code;
use crate::model::event::EntityKind;
use crate::model::row::Pane;
use crate::model::source::Unread;
use crate::model::time::Timestamp;

mod catalogue;
mod credit;
mod deals;
mod declared;
mod drift;
mod health;
mod hooks;
mod latency;
mod logging;
mod notify;

pub use deals::{Named, SoldIn};
pub use declared::table;
pub use logging::{LogFilterError, init_logging};

use declared::Metrics;

/// Most values of one free label (topic, source, kind of log error); the rest is `other`.
const LABEL_LIMIT: usize = 200;
/// Longest label value, bytes.
const LABEL_BYTES: usize = 128;
/// The label value that stands for all values beyond the limit.
const OTHER: &str = "other";

/// A stage of the pipeline, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Bytes to events.
    Intake,
    /// Events to partials.
    Ledger,
    /// Partials to rows.
    Rollup,
    /// Rows to the page.
    Board,
}

impl Stage {
    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Intake => "intake",
            Stage::Ledger => "ledger",
            Stage::Rollup => "rollup",
            Stage::Board => "board",
        }
    }
}

/// Why an event changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// Each of its fields was already known, or known from a later event.
    DuplicateOrOlder,
    /// Flagged as a test by its source.
    Test,
    /// A gap report: it says what is missing, and is no sale.
    Gap,
    /// Of a kind of entity that no KPI counts.
    EntityNotCounted,
    /// It states nothing that a number depends on.
    NothingCounted,
}

impl Ignored {
    /// All reasons.
    pub const ALL: [Ignored; 5] = [
        Ignored::DuplicateOrOlder,
        Ignored::Test,
        Ignored::Gap,
        Ignored::EntityNotCounted,
        Ignored::NothingCounted,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Ignored::DuplicateOrOlder => "duplicate_or_older",
            Ignored::Test => "test",
            Ignored::Gap => "gap",
            Ignored::EntityNotCounted => "entity_not_counted",
            Ignored::NothingCounted => "nothing_counted",
        }
    }
}

/// The values of a free label seen so far.
#[derive(Debug, Default)]
struct Admitted(RwLock<BTreeSet<Box<str>>>);

impl Admitted {
    /// The value itself while there is room, else [`OTHER`].
    fn admit<'a>(&self, value: &'a str) -> &'a str {
        let value = clip(value);
        {
            let seen = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if seen.contains(value) {
                return value;
            }
        }
        let mut seen = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < LABEL_LIMIT {
            seen.insert(value.into());
        }
        if seen.contains(value) { value } else { OTHER }
    }
}

fn clip(value: &str) -> &str {
    if value.len() <= LABEL_BYTES {
        return value;
    }
    let mut end = LABEL_BYTES;
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    &value[..end]
}

/// All metrics of one process, on a registry of its own.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    metrics: Metrics,
    topics: Admitted,
    sources: Admitted,
    kinds: Admitted,
    latest: latency::Latest,
    deals: deals::Deals,
}

impl Telemetry {
    /// Registers everything; the arguments are what the `_info` metrics say.
    pub fn new(version: &str, tzdata: &str, currency: &str) -> Arc<Telemetry> {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry);
        #[cfg(target_os = "linux")]
        registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect("no metric of ours begins with process_");
        metrics.build_info.with_label_values(&[version]).set(1.0);
        metrics.tzdata_info.with_label_values(&[tzdata]).set(1.0);
        metrics.reporting_currency_info.with_label_values(&[currency]).set(1.0);
        // Series known in advance begin at 0: a rate over them then sees the first increase.
        for (_, code, _) in Code::ALL {
            metrics.dead_letters.with_label_values(&[code]);
        }
        for reason in Ignored::ALL {
            metrics.events_ignored.with_label_values(&[reason.as_str()]);
        }
        for pane in [Pane::Early, Pane::OnTime, Pane::Corrected] {
            metrics.rows_published.with_label_values(&[pane.as_str()]);
        }
        let (topics, sources, kinds, latest, deals) = Default::default();
        let telemetry = Telemetry { registry, metrics, topics, sources, kinds, latest, deals };
        telemetry.begin_latencies();
        Arc::new(telemetry)
    }

    /// The registry, for exposition.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Records read from a source topic.
    pub fn taken(&self, topic: &str, n: u64) {
        self.metrics.records_taken.with_label_values(&[self.topics.admit(topic)]).inc_by(n);
    }

    /// Events decoded.
    pub fn events(&self, source: &str, entity: EntityKind, n: u64) {
        let source = self.sources.admit(source);
        self.metrics.events.with_label_values(&[source, entity.as_str()]).inc_by(n);
    }

    /// Events that changed nothing.
    pub fn ignored(&self, reason: Ignored, n: u64) {
        self.metrics.events_ignored.with_label_values(&[reason.as_str()]).inc_by(n);
    }

    /// Elements of records that told of nothing that is read.
    pub fn unread(&self, source: &str, reason: Unread, n: u64) {
        let source = self.sources.admit(source);
        self.metrics.records_ignored.with_label_values(&[source, reason.as_str()]).inc_by(n);
    }

    /// A dead letter.
    pub fn dead_letter(&self, code: Code) {
        self.metrics.dead_letters.with_label_values(&[code.as_str()]).inc();
    }

    /// Events that the ledger read.
    pub fn folded(&self, n: u64) {
        self.metrics.events_folded.inc_by(n);
    }

    /// Events that changed the state of an entity.
    pub fn counted(&self, n: u64) {
        self.metrics.events_counted.inc_by(n);
    }

    /// Records that were gone before they were read.
    pub fn skipped(&self, topic: &str, n: u64) {
        self.metrics.records_skipped.with_label_values(&[self.topics.admit(topic)]).inc_by(n);
    }

    /// A part stands still.
    pub fn stopped(&self, stage: Stage, part: &str) {
        self.metrics.stopped.with_label_values(&[stage.as_str(), clip(part)]).set(1.0);
    }

    /// A part that stood still goes on.
    pub fn goes_on(&self, stage: Stage, part: &str) {
        let _ = self.metrics.stopped.remove_label_values(&[stage.as_str(), clip(part)]);
    }

    /// A question to the schema registry.
    pub fn schema_fetched(&self, result: &str) {
        self.metrics.schema_fetches.with_label_values(&[result]).inc();
    }

    /// No part of a stage stands still: it begins.
    pub fn none_stopped(&self, stage: Stage) {
        let families = self.metrics.stopped.collect();
        for metric in families.iter().flat_map(|f| f.get_metric()) {
            let label = |name: &str| metric.get_label().iter().find(|l| l.name() == name);
            if let (Some(of), Some(part)) = (label("stage"), label("part"))
                && of.value() == stage.as_str()
            {
                let _ = self.metrics.stopped.remove_label_values(&[of.value(), part.value()]);
            }
        }
    }

    /// A stage broke an invariant of its own.
    pub fn panicked(&self, stage: &str) {
        self.metrics.panics.with_label_values(&[stage]).inc();
    }

    /// Events older than the retention.
    pub fn too_late(&self, n: u64) {
        self.metrics.too_late.inc_by(n);
    }

    /// Events behind the watermark that amended their slice.
    pub fn late(&self, n: u64) {
        self.metrics.late.inc_by(n);
    }

    /// Fields that the contract does not know.
    pub fn unknown_fields(&self, topic: &str, n: u64) {
        let topic = self.topics.admit(topic);
        self.metrics.unknown_fields.with_label_values(&[topic]).inc_by(n);
    }

    /// Events that name a stage which the stage table does not have.
    pub fn unknown_stage(&self, source: &str, n: u64) {
        self.metrics.unknown_stage.with_label_values(&[self.sources.admit(source)]).inc_by(n);
    }

    /// Partials written by the ledger.
    pub fn partials_published(&self, n: u64) {
        self.metrics.partials_published.inc_by(n);
    }

    /// Partials taken by the rollup: newer than what it had, and not.
    pub fn partials_merged(&self, newer: u64, stale: u64) {
        self.metrics.partials_merged.inc_by(newer);
        self.metrics.partials_stale.inc_by(stale);
    }

    /// Rows written.
    pub fn rows_published(&self, pane: Pane, n: u64) {
        self.metrics.rows_published.with_label_values(&[pane.as_str()]).inc_by(n);
    }

    /// Where the watermark of a part (source partition, shard, rollup partition) stands.
    pub fn watermark(&self, stage: Stage, part: &str, at: Timestamp) {
        let gauge = &self.metrics.watermark;
        gauge.with_label_values(&[stage.as_str(), clip(part)]).set(at.seconds_f64());
    }

    /// Messages between a stage's position and the end of its partition.
    pub fn lag(&self, stage: Stage, partition: &str, messages: u64) {
        let gauge = &self.metrics.lag;
        gauge.with_label_values(&[stage.as_str(), clip(partition)]).set(messages as f64);
    }

    /// Drops what was said about a part that this process no longer owns: its last value would
    /// stand for ever, beside that of the new owner.
    pub fn forget(&self, stage: Stage, part: &str) {
        let labels = [stage.as_str(), clip(part)];
        // Absent is fine: not every part has every gauge.
        let _ = self.metrics.watermark.remove_label_values(&labels);
        let _ = self.metrics.lag.remove_label_values(&labels);
        let _ = self.metrics.stopped.remove_label_values(&labels);
        if stage == Stage::Rollup {
            let _ = self.metrics.unconverted.remove_label_values(&labels[1..]);
        }
        if stage == Stage::Ledger {
            for gauge in [&self.metrics.entities, &self.metrics.image_bytes] {
                let _ = gauge.remove_label_values(&labels[1..]);
            }
        }
        let _ = self.metrics.cells.remove_label_values(&labels);
    }

    /// Entities that a shard holds.
    pub fn entities(&self, shard: &str, n: usize) {
        self.metrics.entities.with_label_values(&[clip(shard)]).set(n as f64);
    }

    /// Cells that a part of a stage holds.
    pub fn cells(&self, stage: Stage, part: &str, n: usize) {
        self.metrics.cells.with_label_values(&[stage.as_str(), clip(part)]).set(n as f64);
    }

    /// An image of a shard is complete on the log.
    pub fn image_written(&self, shard: &str, bytes: usize) {
        self.metrics.image_bytes.with_label_values(&[clip(shard)]).set(bytes as f64);
        self.metrics.images_written.inc();
        self.metrics.image_bytes_written.inc_by(bytes as u64);
    }

    /// An image is there and cannot be used.
    pub fn image_unusable(&self) {
        self.metrics.images_unusable.inc();
    }

    /// A stage begins to restore.
    pub fn restoring(&self, stage: Stage) {
        self.metrics.restored.with_label_values(&[stage.as_str()]).set(0.0);
    }

    /// A stage has restored a part, in so long and from so many bytes.
    pub fn restored(&self, stage: Stage, took: Duration, bytes: u64) {
        let label = [stage.as_str()];
        self.metrics.restored.with_label_values(&label).set(1.0);
        self.metrics.restore.with_label_values(&label).set(took.as_secs_f64());
        self.metrics.restore_bytes.with_label_values(&label).set(bytes as f64);
    }

    /// A restore was dropped, because its part belongs to another process: what is left is there.
    pub fn restore_dropped(&self, stage: Stage) {
        self.metrics.restored.with_label_values(&[stage.as_str()]).set(1.0);
    }

    /// The log (broker or file) failed; `kind` is a fixed name or librdkafka's code.
    pub fn log_error(&self, kind: &str) {
        self.metrics.log_errors.with_label_values(&[self.kinds.admit(kind)]).inc();
    }

    /// How many KPI series a family has now.
    pub fn series(&self, family: &str, n: u64) {
        if n == 0 {
            let _ = self.metrics.series.remove_label_values(&[family]);
        } else {
            self.metrics.series.with_label_values(&[family]).set(n as f64);
        }
    }

    /// What the honesty strip says.
    pub fn totals(&self) -> Totals {
        let m = &self.metrics;
        let dead_letters = Code::ALL
            .iter()
            .map(|(_, code, _)| (*code, m.dead_letters.with_label_values(&[code]).get()))
            .filter(|(_, n)| *n > 0)
            .collect();
        Totals {
            records: sum(&m.records_taken),
            events: sum(&m.events),
            late: m.late.get(),
            too_late: m.too_late.get(),
            dead_letters,
        }
    }

    /// The least watermark over the rollup partitions that this process owns.
    pub fn rollup_watermark(&self) -> Option<Timestamp> {
        let families = self.metrics.watermark.collect();
        let mut least: Option<f64> = None;
        for metric in families.iter().flat_map(|f| f.get_metric()) {
            let is_rollup = metric
                .get_label()
                .iter()
                .any(|l| l.name() == "stage" && l.value() == Stage::Rollup.as_str());
            if is_rollup {
                let at = metric.get_gauge().get_value();
                least = Some(least.map_or(at, |l| l.min(at)));
            }
        }
        least.map(|seconds| Timestamp::from_millis((seconds * 1000.0).round() as i64))
    }
}

/// Sums since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records read from source topics.
    pub records: u64,
    /// Events decoded from them.
    pub events: u64,
    /// Events that amended a slice behind the watermark.
    pub late: u64,
    /// Events older than the retention.
    pub too_late: u64,
    /// Dead letters by code, without zeros.
    pub dead_letters: Vec<(&'static str, u64)>,
}

fn sum(counters: &IntCounterVec) -> u64 {
    let families = counters.collect();
    families.iter().flat_map(|f| f.get_metric()).map(|m| m.get_counter().get_value() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telemetry() -> Arc<Telemetry> {
        Telemetry::new("0.0.0", "2026a", "EUR")
    }

    #[test]
    fn every_declared_metric_is_registered_under_its_name_and_type() {
        let telemetry = telemetry();
        let m = &telemetry.metrics;
        for (name, kind, help, _) in table().into_iter().filter(|t| t.0.starts_with("tidemark_")) {
            assert!(help.ends_with('.'), "{name}: a help text is a sentence");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        }
        m.series_dropped.with_label_values(&["f"]).inc();
        let shown = telemetry.registry().gather();
        assert!(shown.iter().any(|f| f.name() == "tidemark_series_dropped_total"));
        assert!(
            shown.iter().any(|f| f.name() == "tidemark_late_total"),
            "unlabeled ones begin at 0"
        );
    }

    #[test]
    fn free_labels_are_bounded() {
        let telemetry = telemetry();
        for i in 0..LABEL_LIMIT + 50 {
            telemetry.taken(&format!("topic-{i}"), 1);
        }
        telemetry.taken(&"é".repeat(500), 1);
        let families = telemetry.metrics.records_taken.collect();
        assert_eq!(families[0].get_metric().len(), LABEL_LIMIT + 1);
        assert_eq!(telemetry.totals().records as usize, LABEL_LIMIT + 51);
    }

    #[test]
    fn the_watermark_is_the_least_and_a_lost_part_is_forgotten() {
        let telemetry = telemetry();
        assert_eq!(telemetry.rollup_watermark(), None);
        telemetry.watermark(Stage::Rollup, "0", Timestamp::from_millis(1_764_000_000_123));
        telemetry.watermark(Stage::Rollup, "1", Timestamp::from_millis(1_763_000_000_000));
        telemetry.watermark(Stage::Ledger, "0", Timestamp::from_millis(1));
        assert_eq!(telemetry.rollup_watermark(), Some(Timestamp::from_millis(1_763_000_000_000)));
        telemetry.forget(Stage::Rollup, "1");
        assert_eq!(telemetry.rollup_watermark(), Some(Timestamp::from_millis(1_764_000_000_123)));
    }

    #[test]
    fn totals_name_the_codes_that_occurred() {
        let telemetry = telemetry();
        telemetry.dead_letter(Code::BadAmount);
        telemetry.events("crm", EntityKind::ALL[0].0, 3);
        telemetry.late(2);
        let totals = telemetry.totals();
        assert_eq!(totals.dead_letters, [("BAD_AMOUNT", 1)]);
        assert_eq!((totals.events, totals.late, totals.too_late), (3, 2, 0));
    }
}
