//! KPIs that no longer are what they were. The statistics are made by Tidemark (`docs/drift.md`),
//! so a rule is a plain comparison. It picks families by a pattern: each grain that is watched has
//! one, and which are watched is for the configuration to say.

use super::{Alert, Area, Severity};
use crate::model::alert::Signal;

/// The segment of a series, from its labels.
const SEGMENT: &str = "{{ range $name, $value := $labels }}{{ if not (eq $name \"job\" \"kpi\") }}\
     {{ $name }} {{ $value }}: {{ end }}{{ end }}";

pub(super) fn alerts() -> Vec<Alert> {
    let mut all: Vec<Alert> =
        Signal::ALL.iter().map(|(signal, kpi)| drifts(*signal, kpi)).collect();
    all.push(Alert {
        name: "TidemarkDriftBaselineLost".to_owned(),
        // Who runs Tidemark mends it, and not who sells.
        area: Area::Pipeline,
        severity: Severity::Warning,
        expr: "max without (instance) (\n  max_over_time({__name__=~\"tidemark_.+_drift_baseline_lost\"}[5m])\n) == 1"
            .to_owned(),
        hold: "1h",
        keep: "15m",
        summary: format!("{SEGMENT}{{{{ $labels.kpi }}}} has lost its baseline"),
        description: "Days of the frozen past are kept no longer, so this segment is not watched any \
                      more and none of its alerts can change. State `drift.baseline_from` within what \
                      `slices.day_retention` keeps, and restart."
            .to_owned(),
    });
    all.push(behind_target());
    all
}

/// Which windows may tell of pace: where half is over in days, chance decides, and one to date is
/// nearly complete on its first day.
const PACED: &str = "window!~\"day|week|sunday_week|.+_to_date\"";

/// Sums, by the names of their families, of which less is better or no matter: behind the pace is
/// where they should be.
const LESS: [&str; 9] = [
    "anonymous_purchases",
    "churned_recurring_monthly_amount",
    "deals_lost",
    "detractors",
    "invoice_refunded_amount",
    "lapsed_customers",
    "order_refunded_amount",
    "spend_amount",
    "subscriptions_ended",
];

/// Reps are for looking closer, as with drift. Which KPI it is stands in the name of a family, and
/// two may have the same labels, so the name becomes one.
fn behind_target() -> Alert {
    let less = LESS
        .map(|name| format!("__name__!~\"tidemark_.+_{name}_target_pace_ratio\",\n     "))
        .concat();
    Alert {
        name: "TidemarkTargetPaceBehind".to_owned(),
        area: Area::Drift,
        severity: Severity::Info,
        expr: format!(
            "max without (instance) (\n  max_over_time(label_replace(\n    \
             {{__name__=~\"tidemark_.+_target_pace_ratio\",\n     {less}rep=\"\", {PACED}}},\n    \
             \"of\", \"$1\", \"__name__\", \"tidemark_(.+)_target_pace_ratio\"\n  )[10m:1m])\n) < 0.75\n\
             and ignoring (of)\n\
             max without (instance) (\n  max_over_time({{__name__=~\"tidemark_.+_window_complete_ratio\", {PACED}}}[10m])\n) > 0.5"
        ),
        hold: "6h",
        keep: "1h",
        summary: "{{ $labels.of }} of this {{ $labels.window }} is at {{ $value | humanizePercentage }} of the pace of its target"
            .to_owned(),
        description: "More than half of the window is over, and attainment is below three quarters of \
                      the elapsed working days. Of whole windows of a month or longer, not of single \
                      reps, and not of what should be little, like deals lost. Where much is closed at the end of a quarter, this is usual until then: \
                      `/api/v1/forecast` knows the season, and a pace does not."
            .to_owned(),
    }
}

fn drifts(signal: Signal, kpi: &str) -> Alert {
    let (name, what, look) = match signal {
        Signal::WinRate => (
            "WinRate",
            "The win rate",
            "{{ if lt $value 0.0 }}Look at the lost deals since the change: their reasons, products and \
             competitors, and whether a bulk closing of old deals is behind it.{{ else }}Look whether \
             lost deals are entered still, and then at what is won more often, and why.{{ end }}",
        ),
        Signal::CohortConversion => (
            "CohortConversion",
            "Conversion within 90 days",
            "These deals were created three months ago: look at what was let into the pipeline then, \
             and by which channel.",
        ),
        Signal::CycleLength => (
            "CycleLength",
            "The time from creation to winning",
            "Look at the stages where deals wait, and at the mix of large and small ones.",
        ),
        Signal::DealsCreated => (
            "DealsCreated",
            "The number of deals created",
            "Look at the sources first: one of several connectors that stopped, or one that sends twice, looks the same.",
        ),
        Signal::DealSize => (
            "DealSize",
            "The typical size of the deals won",
            "Look at discounts, at products and at who buys: a new price list, or smaller customers. \
             A few very large deals do not raise it.",
        ),
        Signal::LeadsCreated => (
            "LeadsCreated",
            "The number of leads created",
            "Look at the sources first: a form or one of several connectors that stopped, or a campaign that began.",
        ),
    };
    Alert {
        name: format!("Tidemark{name}Drift"),
        area: Area::Drift,
        severity: Severity::Warning,
        expr: format!(
            "max without (instance) (\n  last_over_time({{__name__=~\"tidemark_.+_drift_effect_ratio\", kpi=\"{kpi}\"}}[3m])\n)\n\
             and max without (instance) (\n  max_over_time({{__name__=~\"tidemark_.+_drift_state\", kpi=\"{kpi}\"}}[3m])\n) == 2"
        ),
        hold: "5m",
        keep: "15m",
        summary: format!(
            "{SEGMENT}{what} is {{{{ if lt $value 0.0 }}}}down{{{{ else }}}}up{{{{ end }}}} for good: \
             {{{{ $value | humanizePercentage }}}} against its baseline"
        ),
        description: format!(
            "The evidence is beyond what `drift.false_alarms` tolerates, on enough cases, and by \
             enough. Since when, from what to what and on how many cases is in `/api/v1/alerts` and \
             on the drift board. {look} It ends by itself when the statistic falls back."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kpi::CATALOGUE;

    #[test]
    fn what_should_be_little_has_the_names_of_the_catalogue() {
        for less in LESS {
            assert!(CATALOGUE.iter().any(|kpi| kpi.family == less), "{less}");
        }
    }
}
