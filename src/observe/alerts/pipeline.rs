//! From records to rows.

use super::Expr::{Grew, Is};
use super::{Alert, Area, Severity, Told, of};

pub(super) fn alerts() -> Vec<Alert> {
    let parts = [FLOW, CONTENTS, STATE];
    parts.into_iter().flat_map(|told| of(Area::Pipeline, told)).collect()
}

/// What stands still, or does not keep up.
const FLOW: &[Told] = &[
    (
        "PartStopped",
        Severity::Critical,
        Is("max by (job, stage, part) (max_over_time(tidemark_stopped[3m])) == 1"),
        "1m",
        "5m",
        "Part {{ $labels.part }} of {{ $labels.stage }} stands still",
        "Going on would lose records or show wrong numbers, so it waits for a person. The \
             watermark waits for it, and no window closes. `/readyz` and the log line with `stands \
             still` say why; `When a part stands still` in docs/operations.md has what to do.",
    ),
    (
        "ShardWithoutOwner",
        Severity::Critical,
        Is("max by (job, stage) (max_over_time(tidemark_parts[3m]))\n\
             -\n\
             (\n  count by (job, stage) (count by (job, stage, part) (max_over_time(tidemark_cells[3m])))\n  \
             or\n  0 * max by (job, stage) (max_over_time(tidemark_parts[3m]))\n) > 0"),
        "10m",
        "5m",
        "{{ $value }} parts of {{ $labels.stage }} have no owner",
        "Nobody folds them: their numbers stand still, and they hold the watermark of all. Start \
             instances, or see why those that run do not restore (TidemarkNotReady).",
    ),
    (
        "LagGrowing",
        Severity::Warning,
        Is("min_over_time(job_stage:tidemark_lag_messages:sum[15m]) > 1000\n\
             and\n\
             deriv(job_stage:tidemark_lag_messages:sum[15m]) > 0"),
        "15m",
        "15m",
        "{{ $labels.stage }} is {{ $value | humanize }} messages behind, and falls back",
        "It gets more than it can do: start instances (as many as there are partitions), or see \
             what slows it, most often the brokers. Numbers are late and not wrong.",
    ),
    (
        "WatermarkStalled",
        Severity::Critical,
        Is("changes(job:tidemark_watermark_timestamp_seconds:min[15m]) == 0\n\
             and\n\
             time() - job:tidemark_watermark_timestamp_seconds:min\n  \
             > 900 + max by (job) (max_over_time(tidemark_watermark_allowed_lag_seconds[3m]))"),
        "5m",
        "5m",
        "The watermark of {{ $labels.job }} has not moved for 15 minutes",
        "Windows do not close. A source partition or a shard holds it: `tidemark explain \
             watermark --config FILE` names it, with offsets, lag and the rule. A quiet source does \
             not hold it: an idle partition follows the clock.",
    ),
    (
        "WatermarkBehind",
        Severity::Warning,
        Is("time() - job:tidemark_watermark_timestamp_seconds:min\n  \
             > 3600 + max by (job) (max_over_time(tidemark_watermark_allowed_lag_seconds[3m]))"),
        "15m",
        "15m",
        "Numbers of {{ $labels.job }} are complete only to {{ $value | humanizeDuration }} ago",
        "It moves and is an hour further behind than `time.out_of_orderness` and \
             `time.idle_after` allow: a backlog is read, or one source sends old events. Normal \
             while a new generation or a restart catches up; look at the lag.",
    ),
    (
        "FreshnessMissed",
        Severity::Warning,
        Is(
            "1 - sum by (job) (increase(tidemark_event_latency_seconds_bucket{le=~\"60([.]0)?\"}[1h]))\n  \
             / sum by (job) (increase(tidemark_event_latency_seconds_count[1h])) > 0.01\n\
             and\n\
             sum by (job) (increase(tidemark_event_latency_seconds_count[1h]))\n  \
             - sum by (job) (increase(tidemark_event_latency_seconds_bucket{le=~\"60([.]0)?\"}[1h])) > 2.5\n\
             or\n\
             1 - sum by (job) (increase(tidemark_event_latency_seconds_bucket{le=~\"60([.]0)?\"}[6h]))\n  \
             / sum by (job) (increase(tidemark_event_latency_seconds_count[6h])) > 0.5\n\
             and\n\
             sum by (job) (increase(tidemark_event_latency_seconds_count[6h]))\n  \
             - sum by (job) (increase(tidemark_event_latency_seconds_bucket{le=~\"60([.]0)?\"}[6h])) > 2.5",
        ),
        "5m",
        "15m",
        "{{ $value | humanizePercentage }} of the publishes tell of records more than a minute after they came",
        "More than one in a hundred of an hour, or half of those of six hours where few come, and at least three: rows promise to follow their records within a minute. From the time of the record in \
             its source topic to the acknowledgement of the last row: lag, slow brokers, or a source \
             that writes records with old times. Normal while a backlog or a new generation is read.",
    ),
    (
        "PublishSlow",
        Severity::Warning,
        Is("job_stage:tidemark_publish_seconds:p99_10m > 5"),
        "15m",
        "15m",
        "One publish in a hundred of {{ $labels.stage }} takes {{ $value | humanizeDuration }} or longer",
        "Rows reach the page and Kafka late. The time ends with the acknowledgement of the last \
             partial or row: slow brokers, or far more rows than `tidemark validate` estimates.",
    ),
    (
        "LogErrors",
        Severity::Warning,
        Is("sum by (job, instance, kind) (increase(tidemark_log_errors_total[10m])) > 3"),
        "5m",
        "15m",
        "The log fails again and again on {{ $labels.instance }}: {{ $labels.kind }}",
        "Each time a worker starts again and reads on from where it was. `unavailable` is the \
             brokers or the network, `denied` a right that is missing, `out_of_range` deleted records.",
    ),
    (
        "SchemaRegistryAway",
        Severity::Warning,
        Is("sum by (job) (increase(tidemark_schema_fetches_total{result=\"away\"}[10m])) > 1"),
        "10m",
        "10m",
        "Partitions wait for the schema registry",
        "Values with a schema that is not known yet cannot be read; the partitions wait and \
             nothing is lost. `/readyz` says what the registry answered; credentials that it refuses \
             count as away too.",
    ),
];

/// What is in the records.
const CONTENTS: &[Told] = &[
    (
        "DeadLetters",
        Severity::Warning,
        Is("sum by (job, code) (increase(tidemark_dead_letters_total[15m])) > 10\n\
             and on (job)\n\
             job:tidemark_dead_letters:ratio_rate15m > 0.01"),
        "5m",
        "15m",
        "{{ $value | humanize }} records in 15 minutes were no event: {{ $labels.code }}",
        "More than one record in a hundred. They are kept and can be put back once the source or \
             the mapping is mended: `tidemark dlq ls --config FILE --code {{ $labels.code }} --since \
             1h` shows them.",
    ),
    (
        "RecordsSkipped",
        Severity::Critical,
        Grew("job, topic", "tidemark_records_skipped_total", "15m"),
        "0m",
        "1h",
        "Records of {{ $labels.topic }} were gone before they were read",
        "The source topic deletes faster than intake reads, and `intake.on_gap = \"skip\"` says \
             to go on. Rows that may lack something say `incomplete`. `<app>.gaps` has the ranges: \
             have the source send them again.",
    ),
    (
        "TooLate",
        Severity::Warning,
        Is("sum by (job) (increase(tidemark_too_late_total[1h])) > 10"),
        "5m",
        "1h",
        "{{ $value | humanize }} events in an hour were older than the retention",
        "They change no count or sum and lie in `<app>.late`. A source sends history: raise \
             `slices.day_retention` in a new generation, if it is to be counted.",
    ),
    (
        "LateHigh",
        Severity::Warning,
        Is(
            "sum by (job) (rate(tidemark_late_total[1h]))\n  > 0.2 * sum by (job) (rate(tidemark_events_counted_total[1h]))\n\
             and on (job)\n\
             sum by (job) (increase(tidemark_late_total[1h])) > 100",
        ),
        "30m",
        "1h",
        "More than one event in five comes behind the watermark",
        "Numbers become right, and closed windows are published again and again. Raise \
             `time.out_of_orderness` to what the source needs, or mend the source that is behind.",
    ),
    (
        "UnknownStage",
        Severity::Warning,
        Grew("job, source", "tidemark_unknown_stage_total", "30m"),
        "0m",
        "1h",
        "Source {{ $labels.source }} has deals in a stage that the stage table lacks",
        "Somebody changed the pipeline in the CRM. Such deals count as open unless the source \
             states their status, so wins may be missing. Add the stage to `[stages]` and restart: \
             the past is restated.",
    ),
    (
        "UnconvertedAmounts",
        Severity::Warning,
        Is(
            "sum by (job) (\n  max by (job, part) (min_over_time(tidemark_unconverted_amounts[5m]))\n) > 0",
        ),
        "1h",
        "15m",
        "{{ $value }} amounts have no exchange rate",
        "They are in no sum of money. `unconverted` in the rows names the currencies; add dated \
             rates to `[fx]` and restart: the rows are corrected.",
    ),
    (
        "TargetsStale",
        Severity::Info,
        Is("max by (job) (max_over_time(tidemark_targets_stale[5m])) > 0"),
        "1h",
        "15m",
        "{{ $value }} targets have ended, with none for the current period",
        "Attainment and pace are not shown for them. `tidemark validate --config FILE` names \
             them; add the new period to the file of targets and restart.",
    ),
    (
        "SourceSilent",
        Severity::Info,
        Is("sum by (job, topic) (increase(tidemark_records_taken_total[3d])) == 0\n\
             and on (job, topic)\n\
             count by (job, topic) (max_over_time(tidemark_records_taken_total[1h] offset 3d))"),
        "1h",
        "1h",
        "Nothing has come on {{ $labels.topic }} for three days",
        "Longer than a weekend. An idle topic does not hold the watermark, so windows close \
             without it: a connector that died looks like days without sales. A topic that is \
             configured and never had a record counts too.",
    ),
    (
        "DriftNotJudged",
        Severity::Warning,
        Is("max by (job, instance) (max_over_time(tidemark_drift_judging[5m])) == 0"),
        "15m",
        "15m",
        "Drift is not judged on {{ $labels.instance }}: a shard runs with another [drift]",
        "No alert of drift begins, changes or ends until all instances run with one `[drift]`. \
             Normal for minutes while a changed configuration is rolled out; an instance that was \
             left out keeps it so.",
    ),
];

/// What is kept.
const STATE: &[Told] = &[
    (
        "RestoreLong",
        Severity::Warning,
        Is("max by (job, instance, stage) (max_over_time(tidemark_restored[3m])) == 0"),
        "5m",
        "5m",
        "{{ $labels.stage }} of {{ $labels.instance }} has restored for more than five minutes",
        "Its parts stand still meanwhile. Without a usable image a shard folds from the start of \
             the events topic; `tidemark_images_unusable_total` and the log say so. If its lag falls, \
             wait.",
    ),
    (
        "ImagesUnusable",
        Severity::Warning,
        Grew("job, instance", "tidemark_images_unusable_total", "15m"),
        "0m",
        "1h",
        "{{ $labels.instance }} found a broken or incomplete image",
        "The next best one was taken, and no number is wrong; the restore took longer. Again and \
             again it points at the images topic: its cleanup policy and retention, or its disks.",
    ),
    (
        "ImagesNotWritten",
        Severity::Warning,
        Is("sum by (job) (increase(tidemark_images_written_total[1h])) == 0\n\
             and on (job)\n\
             sum by (job) (increase(tidemark_events_folded_total[1h])) > 1000"),
        "1h",
        "15m",
        "No image was written for an hour although events came",
        "A restart would read all that came since. The log says why images fail: the rights on \
             the images topic, or `max.message.bytes` of it.",
    ),
    (
        "SeriesDropped",
        Severity::Warning,
        Is("sum by (job, family) (increase(tidemark_series_dropped_total[15m])) > 0"),
        "15m",
        "15m",
        "Family {{ $labels.family }} lacks series: over a limit, or equal where cut",
        "`limits.max_series_per_family` or `limits.max_series` holds. Rows, page and API are whole; dashboards and \
             alerts lack segments. Raise the limit, or take a segment set or a window away.",
    ),
];
