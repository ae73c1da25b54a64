//! The process and its scrape.

use super::Expr::{Grew, Is};
use super::{Alert, Area, Severity, Told, of};

pub(super) fn alerts() -> Vec<Alert> {
    of(Area::Process, ALERTS)
}

const ALERTS: &[Told] = &[
    (
        "Down",
        Severity::Critical,
        Is("max_over_time(up{job=\"tidemark\"}[3m]) == 0"),
        "1m",
        "5m",
        "Tidemark on {{ $labels.instance }} does not answer",
        "Prometheus has not reached {{ $labels.instance }} for four minutes. Other instances take \
             its partitions over; without any, numbers stand still. Nothing is lost: what was not \
             acknowledged is read again. Look whether the process runs, and at the scrape error of \
             the target: over `sample_limit` or `body_size_limit` the scrape fails too.",
    ),
    (
        "Absent",
        Severity::Critical,
        Is("absent_over_time(tidemark_build_info[5m])"),
        "5m",
        "5m",
        "Prometheus scrapes no Tidemark at all",
        "No instance has told anything for ten minutes. Either all are gone, or the scrape \
             configuration names none of them. While this fires no other alert of Tidemark can.",
    ),
    (
        "NotReady",
        Severity::Critical,
        Is("max_over_time(tidemark_ready[3m]) == 0"),
        "10m",
        "5m",
        "Check {{ $labels.check }} of {{ $labels.instance }} has failed for ten minutes",
        "`/readyz` of {{ $labels.instance }} says why `{{ $labels.check }}` fails. A restore \
             after a start or a takeover is a good reason for minutes, and none for longer.",
    ),
    (
        "Restarting",
        Severity::Warning,
        Is("changes(process_start_time_seconds{job=\"tidemark\"}[1h]) > 2"),
        "0m",
        "30m",
        "{{ $labels.instance }} was started {{ $value }} times in an hour",
        "It ends by itself again and again. The last line of its log says why; exit code 3 is \
             the environment (brokers, topics, state of another log), 2 the configuration.",
    ),
    (
        "Panicked",
        Severity::Warning,
        Grew("job, instance, stage", "tidemark_panics_total", "15m"),
        "0m",
        "1h",
        "Stage {{ $labels.stage }} of {{ $labels.instance }} broke an invariant of its own",
        "A bug of ours. The stage restored its state and went on, so no number is wrong; a \
             record that does it twice becomes a dead letter `PANICKED`. Please report it with the \
             log line that begins with `panicked`.",
    ),
    (
        "FilesNearLimit",
        Severity::Warning,
        Is(
            "max_over_time(process_open_fds{job=\"tidemark\"}[5m])\n  > 0.8 * max_over_time(process_max_fds{job=\"tidemark\"}[5m])",
        ),
        "15m",
        "15m",
        "{{ $labels.instance }} has {{ $value }} files open, near its limit",
        "At the limit connections to brokers fail. Raise LimitNOFILE of the unit, or find what \
             holds them: a broker has about ten, a client of the page one.",
    ),
    (
        "MixedVersions",
        Severity::Info,
        Is(
            "count by (job) (\n  count by (job, version) (max_over_time(tidemark_build_info[5m]))\n) > 1\n\
             or\n\
             count by (job) (\n  count by (job, version) (max_over_time(tidemark_tzdata_info[5m]))\n) > 1",
        ),
        "1h",
        "15m",
        "Instances of {{ $labels.job }} run different releases",
        "A roll-out that stopped half-way. With different tz databases two instances may put \
             the same moment on different days.",
    ),
    (
        "ScrapeNearLimit",
        Severity::Warning,
        Is("max_over_time(scrape_samples_post_metric_relabeling{job=\"tidemark\"}[10m]) > 57000"),
        "30m",
        "30m",
        "{{ $labels.instance }} exposes {{ $value }} samples; over 60000 the scrape fails",
        "`sample_limit` in the scrape configuration is 60000, and over it Prometheus drops the \
             whole scrape. Take segments or windows out of the configuration, lower \
             `limits.max_series`, or raise `sample_limit`.",
    ),
];
