//! The declarations: name, type, labels and help of every metric, once.

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

/// Bounds of `tidemark_publish_seconds`: a publish is due every 250 ms and must stay far below the
/// minute that freshness promises.
const PUBLISH_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Bounds of `tidemark_event_latency_seconds`: fine below the minute that is promised, and far enough
/// to tell an outage of minutes from one of a night.
pub(super) const FRESHNESS_BUCKETS: &[f64] = &[
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 21_600.0,
    86_400.0,
];

/// Name, type, help and labels of one metric.
pub type Declared = (&'static str, &'static str, &'static str, &'static [&'static str]);

macro_rules! declare {
    (@type counter) => { IntCounter };
    (@type counters) => { IntCounterVec };
    (@type gauges) => { GaugeVec };
    (@type histogram) => { Histogram };
    (@type histograms) => { HistogramVec };
    (@type freshness) => { Histogram };
    (@name counter) => { "counter" };
    (@name counters) => { "counter" };
    (@name gauges) => { "gauge" };
    (@name histogram) => { "histogram" };
    (@name histograms) => { "histogram" };
    (@name freshness) => { "histogram" };
    (@make counter $name:literal $help:literal $labels:expr) => { IntCounter::new($name, $help) };
    (@make counters $name:literal $help:literal $labels:expr) => {
        IntCounterVec::new(Opts::new($name, $help), $labels)
    };
    (@make gauges $name:literal $help:literal $labels:expr) => {
        GaugeVec::new(Opts::new($name, $help), $labels)
    };
    (@make histogram $name:literal $help:literal $labels:expr) => {
        Histogram::with_opts(HistogramOpts::new($name, $help).buckets(PUBLISH_BUCKETS.to_vec()))
    };
    (@make histograms $name:literal $help:literal $labels:expr) => {
        HistogramVec::new(
            HistogramOpts::new($name, $help).buckets(PUBLISH_BUCKETS.to_vec()),
            $labels,
        )
    };
    (@make freshness $name:literal $help:literal $labels:expr) => {
        Histogram::with_opts(HistogramOpts::new($name, $help).buckets(FRESHNESS_BUCKETS.to_vec()))
    };
    ($($field:ident $kind:ident $name:literal [$($label:literal)*] $help:literal;)*) => {
        #[derive(Debug)]
        pub(super) struct Metrics { $(pub(super) $field: declare!(@type $kind)),* }

        const DECLARED: &[Declared] = &[$(($name, declare!(@name $kind), $help, &[$($label),*])),*];

        impl Metrics {
            pub(super) fn register(registry: &Registry) -> Metrics {
                $(
                    let labels: &[&str] = &[$($label),*];
                    let _ = labels;
                    let $field = declare!(@make $kind $name $help labels)
                        .expect("declared names and labels are valid");
                    registry
                        .register(Box::new($field.clone()))
                        .expect("a name is declared once");
                )*
                Metrics { $($field),* }
            }
        }
    };
}

declare! {
    build_info gauges "tidemark_build_info" ["version"]
        "Always 1: the version that runs.";
    tzdata_info gauges "tidemark_tzdata_info" ["version"]
        "Always 1: the version of the tz database that decides civil days.";
    reporting_currency_info gauges "tidemark_reporting_currency_info" ["currency"]
        "Always 1: the currency of all amounts.";
    config_info gauges "tidemark_config_info" ["definition" "reference" "drift"]
        "Always 1: hashes of what decides which numbers there are, of whom they are credited to, and of how they are judged for drift; instances of one job have the same.";
    kpi_info gauges "tidemark_kpi_info" ["kpi" "family" "unit" "clock" "kind"]
        "Always 1: a KPI that rows have, the end of the name of its families, its unit and clock, and whether it is leading or lagging.";
    records_taken counters "tidemark_records_taken_total" ["topic"]
        "Records read from source topics, from 0 on for each that is configured.";
    events counters "tidemark_events_total" ["source" "entity"]
        "Events decoded from records.";
    events_ignored counters "tidemark_events_ignored_total" ["reason"]
        "Events that changed nothing, by reason.";
    records_ignored counters "tidemark_records_ignored_total" ["source" "reason"]
        "Records, or elements of records, of a native system that told of nothing that is read, by reason.";
    dead_letters counters "tidemark_dead_letters_total" ["code"]
        "Records or elements of records that are no event, by code.";
    events_folded counter "tidemark_events_folded_total" []
        "Events that the ledger read from the events topic: each of them is counted, too late or ignored.";
    events_counted counter "tidemark_events_counted_total" []
        "Events that changed the state of an entity, and all that follows from it.";
    deals_won counters "tidemark_deals_won_total" ["territory" "channel"]
        "Deals that an event was seen to win since the process started, as they come in: corrections take none back, and a deal won again counts again. How many are won say the KPI families tidemark_<grain>_deals_won.";
    deals_lost counters "tidemark_deals_lost_total" ["territory" "channel"]
        "Deals that an event was seen to lose, likewise.";
    records_skipped counters "tidemark_records_skipped_total" ["topic"]
        "Records of a source topic that were gone before they were read, and that intake.on_gap says to skip.";
    stopped gauges "tidemark_stopped" ["stage" "part"]
        "1 while a part of a stage stands still because going on would lose records or show wrong numbers; the log and /readyz say why.";
    ready gauges "tidemark_ready" ["check"]
        "1 while a check of /readyz holds, 0 while it fails; the process is ready when all hold.";
    parts gauges "tidemark_parts" ["stage"]
        "Parts that a stage has over all processes: shards of the ledger, partitions of the rollup.";
    schema_fetches counters "tidemark_schema_fetches_total" ["result"]
        "Questions to the schema registry: found, refused (it has no such schema, or one that cannot be used), away.";
    panics counters "tidemark_panics_total" ["stage"]
        "Times that a stage broke an invariant of its own; it restored its state and went on.";
    too_late counter "tidemark_too_late_total" []
        "Events older than the retention of their slice: they change no KPI.";
    late counter "tidemark_late_total" []
        "Counted events whose time lay behind the watermark of their shard: they amended what was complete. Repetitions, and events too late for their slice, are not among them.";
    unknown_fields counters "tidemark_unknown_fields_total" ["topic"]
        "Fields in events that the contract does not know; they were ignored.";
    unknown_stage counters "tidemark_unknown_stage_total" ["source"]
        "Events that name a deal stage which the stage table does not have.";
    unconverted gauges "tidemark_unconverted_amounts" ["part"]
        "Closed and paid amounts that no exchange rate converts to the reporting currency, in the days that a rollup partition holds.";
    partials_published counter "tidemark_partials_published_total" []
        "Partials written by the ledger.";
    partials_merged counter "tidemark_partials_merged_total" []
        "Partials newer than what the rollup had.";
    partials_stale counter "tidemark_partials_stale_total" []
        "Partials that the rollup left out because it had the same or a newer version.";
    rows_published counters "tidemark_rows_published_total" ["status"]
        "Rows written to the results topic.";
    alerts_published counters "tidemark_alerts_published_total" ["state"]
        "Drift alerts written to the alerts topic, each time that one said something new.";
    drift_judging gauges "tidemark_drift_judging" []
        "1 while drift is judged, 0 while a shard runs with another [drift] than this process: then no alert begins, changes or ends.";
    notifications counters "tidemark_notifications_total" ["receiver" "outcome"]
        "Messages about drift alerts to a receiver: delivered; renewed, of what is open at an Alertmanager; failed, and tried again; given_up, since it refused them.";
    notify_waiting gauges "tidemark_notify_waiting" ["receiver"]
        "Drift alerts of which a receiver is still to be told; above 0 for minutes while it takes none.";
    watermark gauges "tidemark_watermark_timestamp_seconds" ["stage" "part"]
        "Event time up to which a part of a stage is complete.";
    lag gauges "tidemark_lag_messages" ["stage" "partition"]
        "Messages between a stage's position and the end of its partition.";
    entities gauges "tidemark_entities" ["shard"]
        "Entities in the state of a shard.";
    cells gauges "tidemark_cells" ["stage" "part"]
        "Cells (segment and slice) in the state of a part.";
    restore gauges "tidemark_restore_seconds" ["stage"]
        "How long the last restore of a stage took.";
    restore_bytes gauges "tidemark_restore_bytes" ["stage"]
        "Bytes read in the last restore of a stage: of its log, and of the cache of images.";
    restored gauges "tidemark_restored" ["stage"]
        "1 when a stage has restored its state, 0 while it restores.";
    image_bytes gauges "tidemark_image_bytes" ["shard"]
        "Size of a shard's newest image, compressed.";
    images_written counter "tidemark_images_written_total" []
        "Images written to the log.";
    image_bytes_written counter "tidemark_image_bytes_written_total" []
        "Size of the images written to the log, compressed.";
    images_unusable counter "tidemark_images_unusable_total" []
        "Images found incomplete or broken at a restore; the next best was taken.";
    publish histograms "tidemark_publish_seconds" ["stage"]
        "Time from the first partial (ledger) or row (rollup) computed to the last one acknowledged, one publish.";
    event_latency freshness "tidemark_event_latency_seconds" []
        "Time from the oldest source record behind a publish of rows, by the record's own time, to the acknowledgement of its last row; repairs and restores are not among them.";
    allowed_lag gauges "tidemark_watermark_allowed_lag_seconds" []
        "How far the watermark may be behind the clock by the configuration alone: time.out_of_orderness and time.idle_after.";
    log_errors counters "tidemark_log_errors_total" ["kind"]
        "Errors of the log, broker or file, by kind.";
    hook_requests counters "tidemark_hook_requests_total" ["endpoint" "outcome"]
        "Requests to the webhook receiver, by endpoint and outcome; `accepted` are in the log.";
    hook_seconds histogram "tidemark_hook_seconds" []
        "Time from the head of a webhook to its answer, the acknowledgement of the log included.";
    hook_bytes counters "tidemark_hook_bytes_total" ["endpoint"]
        "Size of the bodies of authentic webhooks.";
    hook_waiting gauges "tidemark_hook_waiting" []
        "Webhooks that wait for their turn to be written.";
    hook_topic gauges "tidemark_hook_topic_open" ["topic"]
        "1 while a source topic takes webhooks, as far as it was tried; 0 while its endpoints answer 503.";
    hook_partitions gauges "tidemark_hook_partitions_passed_over" ["topic"]
        "Partitions of a source topic that took no webhook when one was last tried on them; the others are written.";
    targets_stale gauges "tidemark_targets_stale" []
        "Targets whose last period has ended, with none for the current one: `validate` names them.";
    target_records gauges "tidemark_target_records" ["state"]
        "Keys of the targets topic by what their newest record is: held, a target that counts; refused, none, and a dead letter.";
    series gauges "tidemark_series" ["family"]
        "KPI series that this process exposes, by family.";
    series_dropped counters "tidemark_series_dropped_total" ["family"]
        "KPI series left out of the page, summed over publishes: above 0 a limit is too low, or label values are equal where they are cut.";
}

/// What the process collector adds on Linux.
const PROCESS: &[Declared] = &[
    (
        "process_cpu_seconds_total",
        "counter",
        "Total user and system CPU time spent in seconds.",
        &[],
    ),
    ("process_max_fds", "gauge", "Maximum number of open file descriptors.", &[]),
    ("process_open_fds", "gauge", "Number of open file descriptors.", &[]),
    ("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", &[]),
    (
        "process_start_time_seconds",
        "gauge",
        "Start time of the process since unix epoch in seconds.",
        &[],
    ),
    ("process_threads", "gauge", "Number of OS threads in the process.", &[]),
    ("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", &[]),
];

/// Every operational metric, for `docs/metrics.md`: name, type, help, labels.
pub fn table() -> Vec<Declared> {
    [DECLARED, PROCESS].concat()
}
