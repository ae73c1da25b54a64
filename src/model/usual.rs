//! What KPIs are usually called elsewhere, and what stands on a page of its own.

/// Where something is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is this KPI.
    Kpi(&'static str),
    /// It is no KPI: what tells it.
    Elsewhere(&'static str),
}

const FUNNEL: &str = "the funnel tells it of each stage: `funnel` of rows, with the group \"funnel\" in kpis.groups and a stage table; see docs/kpis.md, Funnel";
const TARGETS: &str =
    "it stands beside a KPI that has a target: `targets` of rows; see docs/targets.md";
const SHARES: &str =
    "the leaderboard tells it: `share` of `/api/v1/leaderboard`; see docs/operations.md";
const RANKS: &str = "the leaderboard tells it: `rank`, and `rank_between` where chance leaves it open, of `/api/v1/leaderboard`; see docs/operations.md";
const FORECASTS: &str =
    "`/api/v1/forecast` tells it of the running period; see docs/targets.md, Forecasts";

/// Usual names.
pub const USUAL: [(&str, Found); 58] = [
    ("acv", Found::Elsewhere("a contract's value is its deal's amount: average_deal_size")),
    ("aov", Found::Kpi("average_order_value")),
    ("arpa", Found::Kpi("average_mrr")),
    ("arpu", Found::Kpi("average_mrr")),
    ("attainment", Found::Elsewhere(TARGETS)),
    ("average_sale", Found::Kpi("average_deal_size")),
    ("bookings", Found::Kpi("revenue")),
    ("bottleneck", Found::Elsewhere(FUNNEL)),
    ("cac", Found::Kpi("customer_acquisition_cost")),
    ("channel_share", Found::Elsewhere(SHARES)),
    ("churn", Found::Kpi("churn_rate")),
    ("close_rate", Found::Kpi("win_rate")),
    ("closing_ratio", Found::Kpi("win_rate")),
    ("clv", Found::Kpi("revenue_per_customer")),
    (
        "conversion_rate",
        Found::Elsewhere(
            "say of what: lead_conversion (of leads to deals), cohort_conversion (of deals created to \
             won), win_rate (of deals closed), or the step rates of the funnel",
        ),
    ),
    ("cpa", Found::Kpi("cost_per_conversion")),
    ("cpc", Found::Kpi("cost_per_click")),
    ("cpl", Found::Kpi("cost_per_lead")),
    ("ctr", Found::Kpi("click_through_rate")),
    ("customer_lifetime_value", Found::Kpi("revenue_per_customer")),
    ("cycle_length", Found::Kpi("cycle_length_mean")),
    ("deal_closure_rate", Found::Kpi("win_rate")),
    ("deal_size", Found::Kpi("average_deal_size")),
    ("drop_off", Found::Elsewhere(FUNNEL)),
    ("first_response_time", Found::Kpi("response_time_mean")),
    ("forecast", Found::Elsewhere(FORECASTS)),
    ("grr", Found::Kpi("gross_revenue_retention")),
    ("lead_conversion_rate", Found::Kpi("lead_conversion")),
    ("ltv", Found::Kpi("revenue_per_customer")),
    (
        "market_share",
        Found::Elsewhere(
            "with the size of the market as the benchmark of revenue, it is `share` beside it; see \
             docs/targets.md",
        ),
    ),
    ("nrr", Found::Kpi("net_revenue_retention")),
    ("pace", Found::Elsewhere(TARGETS)),
    ("pipeline", Found::Kpi("open_pipeline")),
    ("pipeline_coverage", Found::Kpi("pipeline_to_revenue")),
    ("pipeline_velocity", Found::Kpi("sales_velocity")),
    ("price_realisation", Found::Kpi("price_realization")),
    ("product_mix", Found::Elsewhere(SHARES)),
    ("quota_attainment", Found::Elsewhere(TARGETS)),
    ("rank", Found::Elsewhere(RANKS)),
    ("refund_rate", Found::Kpi("refund_share")),
    ("repeat_rate", Found::Kpi("repeat_purchase_rate")),
    ("response_time", Found::Kpi("response_time_mean")),
    ("retention", Found::Kpi("retention_rate")),
    ("return_on_investment", Found::Kpi("roi")),
    ("roas", Found::Kpi("return_on_ad_spend")),
    ("romi", Found::Kpi("roi")),
    ("run_rate", Found::Elsewhere(FORECASTS)),
    ("sales", Found::Kpi("revenue")),
    ("sales_cycle", Found::Kpi("cycle_length_mean")),
    ("sales_cycle_length", Found::Kpi("cycle_length_mean")),
    ("sales_growth", Found::Kpi("revenue_growth")),
    ("speed_to_lead", Found::Kpi("response_time_mean")),
    ("stage_conversion", Found::Elsewhere(FUNNEL)),
    ("step_rate", Found::Elsewhere(FUNNEL)),
    ("time_in_stage", Found::Elsewhere(FUNNEL)),
    ("total_sales", Found::Kpi("revenue")),
    ("velocity", Found::Kpi("sales_velocity")),
    ("weighted_pipeline", Found::Elsewhere(FORECASTS)),
];

/// What a usual name means here, whatever its case, with `-` and spaces for `_`.
///
/// ```
/// use tidemark::model::usual::{Found, named};
/// assert_eq!(named("CAC"), Some(Found::Kpi("customer_acquisition_cost")));
/// assert_eq!(named("win_rate"), None);
/// ```
pub fn named(name: &str) -> Option<Found> {
    let plain = name.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    USUAL.iter().find(|(usual, _)| *usual == plain).map(|(_, found)| *found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kpi::Kpi;
    use crate::model::untold;

    #[test]
    fn usual_names_lead_to_kpis_and_are_none() {
        for (name, found) in USUAL {
            assert!(Kpi::named(name).is_none() && untold::named(name).is_none(), "{name}");
            if let Found::Kpi(kpi) = found {
                assert!(Kpi::named(kpi).is_some(), "{kpi}");
            }
        }
        assert!(USUAL.is_sorted_by_key(|(name, _)| *name));
        assert_eq!(named("Quota Attainment"), Some(Found::Elsewhere(TARGETS)));
    }
}
