//! Webhooks: those that come in, and those by which drift alerts go out. Without a receiver of
//! either there are no series, and no alerts.

use super::Expr::Is;
use super::{Alert, Area, Severity, Told, of};

pub(super) fn alerts() -> Vec<Alert> {
    of(Area::Webhooks, ALERTS)
}

const ALERTS: &[Told] = &[
    (
        "HooksRefused",
        Severity::Warning,
        Is(
            "sum by (job, endpoint, outcome) (\n  increase(tidemark_hook_requests_total{outcome!~\"accepted|handshake|no_endpoint|not_allowed\"}[15m])\n) > 5\n\
             and on (job, endpoint)\n\
             sum by (job, endpoint) (rate(tidemark_hook_requests_total{outcome!~\"accepted|handshake|no_endpoint|not_allowed\"}[15m]))\n  \
             > 0.05 * sum by (job, endpoint) (rate(tidemark_hook_requests_total[15m]))",
        ),
        "10m",
        "15m",
        "Webhooks to {{ $labels.endpoint }} are refused: {{ $labels.outcome }}",
        "More than one in twenty was not taken in the last 15 minutes. A refused signature is \
             most often a secret that was changed on one side; `queue_full`, `log_away` and \
             `unacknowledged` mean that the log does not keep up, and the sender tries again.",
    ),
    (
        "HookTopicClosed",
        Severity::Critical,
        Is("max by (job, topic) (max_over_time(tidemark_hook_topic_open[3m])) == 0"),
        "2m",
        "5m",
        "Topic {{ $labels.topic }} takes no webhooks: its endpoints answer 503",
        "No partition of the topic could be written. Senders try again for a time of their own \
             (hours, mostly) and then give up, so this is a race. `/readyz` says what the log said.",
    ),
    (
        "HookPartitionsPassedOver",
        Severity::Warning,
        Is("min by (job, topic) (min_over_time(tidemark_hook_partitions_passed_over[5m])) > 0"),
        "15m",
        "15m",
        "{{ $value }} partitions of {{ $labels.topic }} take no webhooks",
        "The others are written instead, so nothing is lost. The brokers that lead these \
             partitions are away or do not acknowledge.",
    ),
    (
        "HooksSlow",
        Severity::Warning,
        Is(
            "histogram_quantile(0.99, sum by (job, le) (rate(tidemark_hook_seconds_bucket[10m]))) > 4",
        ),
        "10m",
        "15m",
        "One webhook in a hundred takes {{ $value | humanizeDuration }} or longer",
        "Some senders give up after 5 seconds, and send again. The time is that of the log's \
             acknowledgement: look at the brokers.",
    ),
    (
        "AlertsNotDelivered",
        Severity::Warning,
        Is("sum by (job, receiver) (min_over_time(tidemark_notify_waiting[5m])) > 0"),
        "15m",
        "15m",
        "{{ $value }} drift alerts wait for the receiver {{ $labels.receiver }}",
        "It does not answer, or refuses us. What waits is told when it answers again, and given up \
             once it was tried for `give_up_after` (3 days unless told otherwise). `/readyz` says under \
             `notes` what it answers.",
    ),
    (
        "AlertsNotRenewed",
        Severity::Warning,
        Is(
            "sum by (job, receiver) (increase(tidemark_notifications_total{outcome=\"failed\"}[10m])) > 0\n\
             unless on (job, receiver)\n\
             sum by (job, receiver) (increase(tidemark_notifications_total{outcome=~\"delivered|renewed\"}[10m])) > 0\n\
             unless on (job, receiver)\n\
             sum by (job, receiver) (tidemark_notify_waiting) > 0",
        ),
        "15m",
        "15m",
        "The receiver {{ $labels.receiver }} takes nothing, though nothing new waits for it",
        "What is open is told an Alertmanager again and again, or it ends there after five minutes. It \
             refuses all of that, or does not answer. `/readyz` says under `notes` what it answers.",
    ),
    (
        "AlertsGivenUp",
        Severity::Warning,
        Is(
            "sum by (job, receiver) (increase(tidemark_notifications_total{outcome=\"given_up\"}[15m])) > 0",
        ),
        "0s",
        "15m",
        "The receiver {{ $labels.receiver }} was not told of a drift alert",
        "It said three times that the message is wrong, or took it not once in `give_up_after`. It \
             was given up; the alert stands on the alerts topic and on the page, and what comes of it \
             later is told.",
    ),
];
