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
const SHARES: &str = "the leaderboard tells it: `share` of `/api/v1/leaderboard`, of deals that each state one product; see docs/operations.md";
const RANKS: &str = "the leaderboard tells it: `rank`, and `rank_between` where chance leaves it open, of `/api/v1/leaderboard`; see docs/operations.md";
const FORECASTS: &str =
    "`/api/v1/forecast` tells it of the running period; see docs/targets.md, Forecasts";

/// Usual names.
pub const USUAL: [(&str, Found); 99] = [
    ("acv", Found::Elsewhere("a contract's value is its deal's amount: average_deal_size")),
    ("amount_at_close", Found::Kpi("revenue_at_close")),
    ("aov", Found::Kpi("average_order_value")),
    ("arpa", Found::Kpi("average_mrr")),
    ("arpu", Found::Kpi("average_mrr")),
    ("attainment", Found::Elsewhere(TARGETS)),
    ("average_order", Found::Kpi("average_order_value")),
    ("average_sale", Found::Kpi("average_deal_size")),
    ("benchmark", Found::Elsewhere(TARGETS)),
    ("bookings", Found::Kpi("revenue")),
    ("bottleneck", Found::Elsewhere(FUNNEL)),
    (
        "break_even",
        Found::Elsewhere(
            "`revenue_after_spend` of `year_to_date` or of a long window: broken even where it is above 0; `tidemark kpis show break_even_date` says why no day is told",
        ),
    ),
    ("cac", Found::Kpi("customer_acquisition_cost")),
    (
        "campaign_performance",
        Found::Elsewhere(
            "leads_created, deals_won, revenue, spend and roi by the dimension `campaign`: a set of `segments.sets`",
        ),
    ),
    ("channel_share", Found::Elsewhere(SHARES)),
    ("churn", Found::Kpi("churn_rate")),
    ("cif_180d", Found::Kpi("win_incidence_180d")),
    ("cif_30d", Found::Kpi("win_incidence_30d")),
    ("cif_60d", Found::Kpi("win_incidence_60d")),
    ("cif_90d", Found::Kpi("win_incidence_90d")),
    ("close_rate", Found::Kpi("win_rate")),
    ("closing_ratio", Found::Kpi("win_rate")),
    ("clv", Found::Kpi("revenue_per_customer")),
    ("collected", Found::Kpi("invoice_revenue")),
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
    ("customer_satisfaction", Found::Kpi("csat")),
    ("cycle_length", Found::Kpi("cycle_length_mean")),
    ("deal_closure_rate", Found::Kpi("win_rate")),
    ("deal_size", Found::Kpi("average_deal_size")),
    ("drop_off", Found::Elsewhere(FUNNEL)),
    ("email_response_rate", Found::Kpi("reply_to_open")),
    ("emails_sent", Found::Kpi("emails")),
    (
        "engagement",
        Found::Elsewhere(
            "it is several: click_to_open and reply_to_open of e-mails, meetings, touches, active_customers by customers; `tidemark kpis show active_share` says what is not told",
        ),
    ),
    ("first_response_time", Found::Kpi("response_time_mean")),
    (
        "follow_ups",
        Found::Elsewhere(
            "activities_due and completion_rate tell of what was planned and done; calls, emails and meetings of what was done",
        ),
    ),
    (
        "followups",
        Found::Elsewhere(
            "activities_due and completion_rate tell of what was planned and done; calls, emails and meetings of what was done",
        ),
    ),
    ("forecast", Found::Elsewhere(FORECASTS)),
    ("funnel", Found::Elsewhere(FUNNEL)),
    ("grr", Found::Kpi("gross_revenue_retention")),
    (
        "invoiced",
        Found::Elsewhere(
            "invoice_revenue is of what was paid; what was billed is a measure of your own: `of = \"invoice\"`, `at = \"created\"`, `sum = \"amount\"`",
        ),
    ),
    ("lead_conversion_rate", Found::Kpi("lead_conversion")),
    ("leaderboard", Found::Elsewhere(RANKS)),
    (
        "leads_per_channel",
        Found::Elsewhere(
            "leads_created by the dimension `channel`; their share of all is `share` of `/api/v1/leaderboard`",
        ),
    ),
    ("lost_cycle_length", Found::Kpi("lost_cycle_length_mean")),
    ("loyalty", Found::Kpi("repeat_purchase_rate")),
    ("ltv", Found::Kpi("revenue_per_customer")),
    (
        "market_share",
        Found::Elsewhere(
            "with the size of the market as the benchmark of revenue, it is `share` beside it; see \
             docs/targets.md",
        ),
    ),
    ("median_deal_size", Found::Kpi("deal_size_p50")),
    ("meetings_held", Found::Kpi("meetings")),
    (
        "meetings_scheduled",
        Found::Elsewhere(
            "a measure of your own: `of = \"activity\"`, `at = \"due\"`, `where = \"kind = 'meeting'\"`; meetings is of those held",
        ),
    ),
    ("nrr", Found::Kpi("net_revenue_retention")),
    ("number_of_customers", Found::Kpi("customers")),
    ("number_of_sales", Found::Kpi("deals_won")),
    ("pace", Found::Elsewhere(TARGETS)),
    (
        "payback",
        Found::Elsewhere(
            "`tidemark kpis show cac_payback` has the formula, by revenue or with a margin of yours",
        ),
    ),
    ("pipeline", Found::Kpi("open_pipeline")),
    ("pipeline_coverage", Found::Kpi("pipeline_to_revenue")),
    ("pipeline_velocity", Found::Kpi("sales_velocity")),
    ("price_realisation", Found::Kpi("price_realization")),
    ("product_mix", Found::Elsewhere(SHARES)),
    (
        "productivity",
        Found::Elsewhere(
            "by rep: revenue_per_working_day, deals_won_per_working_day, activities_per_working_day; revenue_per_activity and activities_per_win; the pace beside a target",
        ),
    ),
    ("quota", Found::Elsewhere(TARGETS)),
    ("quota_attainment", Found::Elsewhere(TARGETS)),
    ("rank", Found::Elsewhere(RANKS)),
    ("refund_rate", Found::Kpi("refund_share")),
    ("repeat_rate", Found::Kpi("repeat_purchase_rate")),
    ("reply_rate", Found::Kpi("reply_to_open")),
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
    ("sales_per_working_day", Found::Kpi("revenue_per_working_day")),
    ("sales_volume", Found::Kpi("deals_won")),
    (
        "seasonality",
        Found::Elsewhere(
            "revenue_growth_year compares with the year before, forecasts go by the same period of the year before, and drift by phases of the week, month and quarter; see docs/drift.md",
        ),
    ),
    ("speed_to_lead", Found::Kpi("response_time_mean")),
    ("stage_conversion", Found::Elsewhere(FUNNEL)),
    ("step_rate", Found::Elsewhere(FUNNEL)),
    ("target", Found::Elsewhere(TARGETS)),
    ("time_in_stage", Found::Elsewhere(FUNNEL)),
    ("total_customers", Found::Kpi("customers")),
    ("total_sales", Found::Kpi("revenue")),
    ("traffic", Found::Kpi("visits")),
    ("velocity", Found::Kpi("sales_velocity")),
    ("w1", Found::Kpi("win_rate")),
    ("w2", Found::Kpi("cohort_conversion")),
    ("w4", Found::Kpi("cohort_conversion_90d")),
    ("w5", Found::Kpi("win_incidence_90d")),
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
