//! The alerts: each with what is wrong, and for how long it must be.
//!
//! A failed scrape takes all series of a target away until the next one, which would reset `for`.
//! So no alert looks at a gauge as it is: `max_over_time` or `min_over_time` bridges what is missing.
//! A counter that first appears with its first increment has no `increase`; `grew` sees it.

mod drift;
mod pipeline;
mod process;
mod webhooks;

/// How urgent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Somebody gets up at night: numbers stand still or records are lost.
    Critical,
    /// Somebody looks at it on the same day.
    Warning,
    /// Worth knowing.
    Info,
}

impl Severity {
    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// What an alert is about: the name of its group of rules, and its label `area`, by which
/// Alertmanager can send drift to sales and the rest to those who run Tidemark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// The process and its scrape.
    Process,
    /// From records to rows.
    Pipeline,
    /// The webhook receiver.
    Webhooks,
    /// KPIs that no longer are what they were.
    Drift,
}

impl Area {
    /// All areas, in the order of the file.
    pub const ALL: [Area; 4] = [Area::Process, Area::Pipeline, Area::Webhooks, Area::Drift];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Area::Process => "process",
            Area::Pipeline => "pipeline",
            Area::Webhooks => "webhooks",
            Area::Drift => "drift",
        }
    }
}

/// One alerting rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its name, and that of its runbook.
    pub name: String,
    /// What it is about.
    pub area: Area,
    /// How urgent it is.
    pub severity: Severity,
    /// PromQL: what it returns is wrong.
    pub expr: String,
    /// How long it must be wrong, as a duration of Prometheus.
    pub hold: &'static str,
    /// How long it goes on firing when it is right again: an alert must not flap.
    pub keep: &'static str,
    /// One line, a template of Prometheus.
    pub summary: String,
    /// What it means and what to do first, a template of Prometheus.
    pub description: String,
}

/// One recording rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Name, `level:metric:operation`.
    pub name: &'static str,
    /// PromQL.
    pub expr: &'static str,
}

/// What several alerts and dashboards read.
pub const RECORDINGS: &[Recording] = &[
    Recording {
        name: "job_stage:tidemark_lag_messages:sum",
        expr: "sum by (job, stage) (\n  max by (job, stage, partition) (max_over_time(tidemark_lag_messages[3m]))\n)",
    },
    Recording {
        name: "job:tidemark_watermark_timestamp_seconds:min",
        expr: "min by (job) (\n  max by (job, part) (\n    max_over_time(tidemark_watermark_timestamp_seconds{stage=\"rollup\"}[3m])\n  )\n)",
    },
    Recording {
        name: "job:tidemark_dead_letters:ratio_rate15m",
        expr: "sum by (job) (rate(tidemark_dead_letters_total[15m]))\n/\nsum by (job) (rate(tidemark_records_taken_total[15m]))",
    },
    Recording {
        name: "job_stage:tidemark_publish_seconds:p99_10m",
        expr: "histogram_quantile(0.99, sum by (job, stage, le) (rate(tidemark_publish_seconds_bucket[10m])))",
    },
    Recording {
        name: "job:tidemark_event_latency_seconds:p99_10m",
        expr: "histogram_quantile(0.99, sum by (job, le) (rate(tidemark_event_latency_seconds_bucket[10m])))",
    },
];

/// All alerts, area by area.
pub fn alerts() -> Vec<Alert> {
    let mut all = process::alerts();
    all.extend(pipeline::alerts());
    all.extend(webhooks::alerts());
    all.extend(drift::alerts());
    all
}

/// What is wrong.
enum Expr {
    /// What this returns.
    Is(&'static str),
    /// A counter that grew: summed by these labels, its name, within so long.
    Grew(&'static str, &'static str, &'static str),
}

/// What an alert of an area says, in the order of its fields.
type Told = (&'static str, Severity, Expr, &'static str, &'static str, &'static str, &'static str);

fn of(area: Area, told: &[Told]) -> Vec<Alert> {
    let alert = |(name, severity, expr, hold, keep, summary, description): &Told| Alert {
        name: format!("Tidemark{name}"),
        area,
        severity: *severity,
        expr: match expr {
            Expr::Is(expr) => (*expr).to_owned(),
            Expr::Grew(by, metric, range) => grew(by, metric, range),
        },
        hold,
        keep,
        summary: (*summary).to_owned(),
        description: (*description).to_owned(),
    };
    told.iter().map(alert).collect()
}

/// Whether a counter grew within `range`, summed by these labels, `job` and `instance` among those of
/// its series: also one that came into being with its first increment. It looks back twice as long,
/// so that one missed scrape is no birth, and only at targets that were there before, so that what is
/// old when Prometheus starts is no news.
fn grew(by: &str, metric: &str, range: &str) -> String {
    format!(
        "sum by ({by}) (increase({metric}[{range}])) > 0\n\
         or\n\
         sum by ({by}) (\n  {metric} > 0\n  \
         unless max_over_time({metric}[{range}] offset {range})\n  \
         and on (job, instance) max_over_time(tidemark_build_info[{range}] offset {range})\n) > 0"
    )
}
