//! The board of the pipeline itself.

use serde_json::Value;

use super::frame::{Board, many};
use super::panel::{folded, lines, number, query, query_named, row, states, table};

/// Labels that pick what was chosen.
const PICK: &str = "{job=\"$job\", instance=~\"$instance\"}";

/// A title, what it is, unit, expressions with legends.
type Shown<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)]);

fn course((title, about, unit, asked): Shown<'_>, size: (u64, u64)) -> Value {
    let one = |(i, (expr, legend)): (usize, &(&str, &str))| {
        let names = i == 0 && expr.contains("tidemark_event_latency_seconds_bucket{}");
        let ask = if names { query_named } else { query };
        ask(&expr.replace("{}", PICK), legend)
    };
    let asked = asked.iter().enumerate().map(one).collect();
    lines((title, about), unit, size, asked)
}

fn courses(shown: &[Shown<'_>]) -> Vec<Value> {
    shown.iter().map(|one| course(*one, (8, 7))).collect()
}

pub(super) fn board() -> Board {
    Board {
        uid: "tidemark-ops",
        title: "Tidemark 6: Pipeline",
        about: "Whether the pipeline runs, how far it is, and what it refuses. Each panel names what \
                to look at next; alerts have runbooks.",
        variables: vec![many(
            "instance",
            "Instance",
            "label_values(tidemark_build_info{job=\"$job\"}, instance)",
        )],
        rows: vec![
            row("", headlines()),
            row("How far it is", courses(&FAR)),
            row("What comes in", courses(&COMES)),
            row("What goes out", courses(&GOES)),
            row("State and restores", courses(&STATE)),
            row("Process", courses(&PROCESS)),
            folded("What is wrong (empty is well)", courses(&WRONG)),
            folded("Webhooks (empty without a receiver)", courses(&HOOKS)),
        ],
    }
}

fn headlines() -> Vec<Value> {
    let ready = states(
        ("Ready", "The checks of /readyz by instance; /readyz?verbose says why one fails."),
        (10, 8),
        vec![query(
            &format!("min by (instance, check) (tidemark_ready{PICK})"),
            "{{instance}} {{check}}",
        )],
        &[(0, "fails", "red"), (1, "holds", "green")],
    );
    let told = ("Watermark age", "How long ago the time is up to which numbers are complete.");
    let age = "time() - job:tidemark_watermark_timestamp_seconds:min{job=\"$job\"}";
    let behind = number(told, "s", (3, 8), vec![query(age, "")]);
    let told = ("Instances", "How many Prometheus reaches.");
    let up = number(told, "short", (3, 8), vec![query("sum(up{job=\"$job\"})", "")]);
    let told = ("Versions", "Release and tz database of each instance: all should be the same.");
    let version = format!(
        "max by (instance, version) (tidemark_build_info{PICK})\n* on (instance) group_left (tzdata)\n\
         max by (instance, tzdata) (label_replace(tidemark_tzdata_info{PICK}, \"tzdata\", \"$1\", \"version\", \"(.+)\"))"
    );
    let versions = table(told, (5, 8), &[("Runs", "short", &version)]);
    let told = ("Firing alerts", "Of Tidemark, by name and severity.");
    let firing = "sum by (severity) (ALERTS{alertname=~\"Tidemark.+\", alertstate=\"firing\"}) or on () vector(0)";
    let alerts = number(told, "short", (3, 8), vec![query(firing, "{{severity}}")]);
    vec![ready, behind, up, alerts, versions]
}

const FAR: [Shown<'static>; 3] = [
    (
        "Lag by stage",
        "Messages between a stage and the end of its partitions. Growing: it does not keep up, or a \
         partition has no owner.",
        "short",
        &[("job_stage:tidemark_lag_messages:sum{job=\"$job\"}", "{{stage}}")],
    ),
    (
        "Lag, the five worst partitions",
        "One partition alone: it has no owner, stands still, or has a hot key.",
        "short",
        &[(
            "topk(5, max by (stage, partition) (tidemark_lag_messages{}))",
            "{{stage}} {{partition}}",
        )],
    ),
    (
        "Watermark age by stage",
        "The least over the parts of each stage. Intake old: a source; ledger old: a shard.",
        "s",
        &[(
            "time() - min by (stage) (max by (stage, part) (tidemark_watermark_timestamp_seconds{}))",
            "{{stage}}",
        )],
    ),
];

const COMES: [Shown<'static>; 6] = [
    (
        "Records taken",
        "By source topic, a second.",
        "short",
        &[("sum by (topic) (rate(tidemark_records_taken_total{}[$__rate_interval]))", "{{topic}}")],
    ),
    (
        "Events decoded",
        "By source and entity, a second.",
        "short",
        &[(
            "sum by (source, entity) (rate(tidemark_events_total{}[$__rate_interval]))",
            "{{source}} {{entity}}",
        )],
    ),
    (
        "Dead letters",
        "By code, in five minutes: `tidemark dlq ls --code CODE` shows them.",
        "short",
        &[(
            "sum by (code) (increase(tidemark_dead_letters_total{}[5m])) > 0 or on () sum(increase(tidemark_dead_letters_total{}[5m]))",
            "{{code}}",
        )],
    ),
    (
        "Share of dead letters",
        "Of the records taken, over 15 minutes.",
        "percentunit",
        &[("job:tidemark_dead_letters:ratio_rate15m{job=\"$job\"}", "dead letters")],
    ),
    (
        "Late and too late",
        "Late events amend their window; too late ones change nothing, and lie in the late topic. A second.",
        "short",
        &[
            ("sum(rate(tidemark_late_total{}[$__rate_interval]))", "late"),
            ("sum(rate(tidemark_too_late_total{}[$__rate_interval]))", "too late"),
        ],
    ),
    (
        "Events that changed nothing",
        "By reason, a second. Duplicates are harmless, and normal after a takeover.",
        "short",
        &[(
            "sum by (reason) (rate(tidemark_events_ignored_total{}[$__rate_interval]))",
            "{{reason}}",
        )],
    ),
];

const GOES: [Shown<'static>; 8] = [
    (
        "Events folded and counted",
        "By the ledger, a second.",
        "short",
        &[
            ("sum(rate(tidemark_events_folded_total{}[$__rate_interval]))", "folded"),
            ("sum(rate(tidemark_events_counted_total{}[$__rate_interval]))", "counted"),
        ],
    ),
    (
        "Time of a publish",
        "From the first partial or row computed to the last one acknowledged, by stage.",
        "s",
        &[
            (
                "histogram_quantile(0.5, sum by (stage, le) (rate(tidemark_publish_seconds_bucket{}[$__rate_interval])))",
                "{{stage}}, median",
            ),
            (
                "job_stage:tidemark_publish_seconds:p99_10m{job=\"$job\"}",
                "{{stage}}, 99th percentile of 10 minutes",
            ),
        ],
    ),
    (
        "From a record to its rows",
        "From the oldest source record behind a publish to the acknowledgement of its last row. A \
         minute is promised. Dots (exemplars) name an entity.",
        "s",
        &[
            (
                "histogram_quantile(0.5, sum by (le) (rate(tidemark_event_latency_seconds_bucket{}[$__rate_interval])))",
                "median",
            ),
            (
                "histogram_quantile(0.9, sum by (le) (rate(tidemark_event_latency_seconds_bucket{}[$__rate_interval])))",
                "90th percentile",
            ),
            (
                "job:tidemark_event_latency_seconds:p99_10m{job=\"$job\"}",
                "99th percentile of 10 minutes",
            ),
        ],
    ),
    (
        "Publishes within a minute",
        "The share of publishes whose oldest record came less than a minute before, over an hour.",
        "percentunit",
        &[(
            "sum(rate(tidemark_event_latency_seconds_bucket{job=\"$job\", instance=~\"$instance\", le=~\"60([.]0)?\"}[1h])) / sum(rate(tidemark_event_latency_seconds_count{}[1h]))",
            "within a minute",
        )],
    ),
    (
        "Rows written",
        "By status, a second. `corrected` are windows that were complete and changed.",
        "short",
        &[(
            "sum by (status) (rate(tidemark_rows_published_total{}[$__rate_interval]))",
            "{{status}}",
        )],
    ),
    (
        "Partials",
        "Written by the ledger, taken and left out by the rollup, a second.",
        "short",
        &[
            ("sum(rate(tidemark_partials_published_total{}[$__rate_interval]))", "published"),
            ("sum(rate(tidemark_partials_merged_total{}[$__rate_interval]))", "merged"),
            ("sum(rate(tidemark_partials_stale_total{}[$__rate_interval]))", "left out"),
        ],
    ),
    (
        "Drift alerts written",
        "By state, in an hour.",
        "short",
        &[("sum by (state) (increase(tidemark_alerts_published_total{}[1h]))", "{{state}}")],
    ),
    (
        "Series on /metrics, the ten largest families",
        "Near `limits.max_series_per_family` series are left out.",
        "short",
        &[("topk(10, sum by (family) (tidemark_series{}))", "{{family}}")],
    ),
];

const STATE: [Shown<'static>; 6] = [
    (
        "Entities",
        "In the state of all shards.",
        "short",
        &[("sum(tidemark_entities{})", "entities")],
    ),
    (
        "Cells",
        "Segments by slices of time, by stage.",
        "short",
        &[("sum by (stage) (tidemark_cells{})", "{{stage}}")],
    ),
    (
        "Owned parts",
        "Parts that have an owner, and how many there are: both must be the same.",
        "short",
        &[
            ("count by (stage) (count by (stage, part) (tidemark_cells{}))", "{{stage}} owned"),
            ("max by (stage) (tidemark_parts{})", "{{stage}} in all"),
        ],
    ),
    (
        "Restored",
        "1 when a stage has restored, 0 while it does.",
        "short",
        &[("min by (instance, stage) (tidemark_restored{})", "{{instance}} {{stage}}")],
    ),
    (
        "Time of the last restore",
        "By stage.",
        "s",
        &[("max by (instance, stage) (tidemark_restore_seconds{})", "{{instance}} {{stage}}")],
    ),
    (
        "Bytes of the last restore",
        "Read from the log and from the cache of images, by stage.",
        "bytes",
        &[("max by (instance, stage) (tidemark_restore_bytes{})", "{{instance}} {{stage}}")],
    ),
];

const PROCESS: [Shown<'static>; 6] = [
    ("Memory", "Resident.", "bytes", &[("process_resident_memory_bytes{}", "{{instance}}")]),
    (
        "Processor",
        "Cores in use.",
        "short",
        &[("rate(process_cpu_seconds_total{}[$__rate_interval])", "{{instance}}")],
    ),
    (
        "Open files",
        "Against the limit of the process.",
        "percentunit",
        &[("process_open_fds{} / process_max_fds{}", "{{instance}}")],
    ),
    (
        "Uptime",
        "Since the last start.",
        "s",
        &[("time() - process_start_time_seconds{}", "{{instance}}")],
    ),
    (
        "Samples a scrape",
        "Over `sample_limit` Prometheus drops the whole scrape.",
        "short",
        &[("scrape_samples_post_metric_relabeling{}", "{{instance}}")],
    ),
    (
        "Time of a scrape",
        "As Prometheus sees it.",
        "s",
        &[("scrape_duration_seconds{}", "{{instance}}")],
    ),
];

const WRONG: [Shown<'static>; 9] = [
    (
        "Parts that stand still",
        "/readyz and the log say why; nothing goes on there until it is mended.",
        "short",
        &[("max by (stage, part) (tidemark_stopped{})", "{{stage}} {{part}}")],
    ),
    (
        "Errors of the log",
        "By kind, in five minutes.",
        "short",
        &[(
            "sum by (instance, kind) (increase(tidemark_log_errors_total{}[5m]))",
            "{{instance}} {{kind}}",
        )],
    ),
    (
        "Panics",
        "Bugs of ours, in an hour. The stage restored its state and went on.",
        "short",
        &[(
            "sum by (instance, stage) (increase(tidemark_panics_total{}[1h]))",
            "{{instance}} {{stage}}",
        )],
    ),
    (
        "Records that were gone",
        "Deleted before they were read, in an hour.",
        "short",
        &[("sum by (topic) (increase(tidemark_records_skipped_total{}[1h]))", "{{topic}}")],
    ),
    (
        "Unknown stages",
        "Events with a stage that the stage table lacks, by source, in an hour.",
        "short",
        &[("sum by (source) (increase(tidemark_unknown_stage_total{}[1h]))", "{{source}}")],
    ),
    (
        "Questions to the schema registry",
        "By result, in five minutes.",
        "short",
        &[("sum by (result) (increase(tidemark_schema_fetches_total{}[5m]))", "{{result}}")],
    ),
    (
        "Series left out",
        "By family, in 15 minutes: over a limit, or names that are equal where they are cut.",
        "short",
        &[("sum by (family) (increase(tidemark_series_dropped_total{}[15m]))", "{{family}}")],
    ),
    (
        "Amounts without a rate",
        "They are in no sum of money: add rates to `[fx]`.",
        "short",
        &[("sum(max by (job, part) (tidemark_unconverted_amounts{}))", "amounts")],
    ),
    (
        "Targets that have ended, unusable images, drift unjudged",
        "`tidemark validate` names the targets; images are counted over a day. Where shards run \
         with another `[drift]`, an instance judges nothing.",
        "short",
        &[
            ("max(tidemark_targets_stale{})", "targets"),
            ("sum(increase(tidemark_images_unusable_total{}[1d]))", "images"),
            ("count(tidemark_drift_judging{} == 0) or vector(0)", "instances that judge no drift"),
        ],
    ),
];

const HOOKS: [Shown<'static>; 6] = [
    (
        "Requests",
        "By endpoint and outcome, a second; only `accepted` are in the log.",
        "short",
        &[(
            "sum by (endpoint, outcome) (rate(tidemark_hook_requests_total{}[$__rate_interval]))",
            "{{endpoint}} {{outcome}}",
        )],
    ),
    (
        "Time to the answer",
        "The acknowledgement of the log included.",
        "s",
        &[(
            "histogram_quantile(0.99, sum by (le) (rate(tidemark_hook_seconds_bucket{}[$__rate_interval])))",
            "99th percentile",
        )],
    ),
    (
        "Bytes",
        "Of authentic webhooks, a second.",
        "Bps",
        &[(
            "sum by (endpoint) (rate(tidemark_hook_bytes_total{}[$__rate_interval]))",
            "{{endpoint}}",
        )],
    ),
    (
        "Waiting",
        "For their turn to be written.",
        "short",
        &[("sum(tidemark_hook_waiting{})", "webhooks")],
    ),
    (
        "Topics that take webhooks",
        "1 takes them, 0 answers 503.",
        "short",
        &[("max by (topic) (tidemark_hook_topic_open{})", "{{topic}}")],
    ),
    (
        "Partitions passed over",
        "They took no webhook when last tried; the others are written.",
        "short",
        &[("max by (topic) (tidemark_hook_partitions_passed_over{})", "{{topic}}")],
    ),
];
