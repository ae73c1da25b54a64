//! What salespeople ask for and no KPI tells, with the reason, and what there is instead.

/// Something that is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Untold {
    /// As one would ask for it.
    pub name: &'static str,
    /// Why not.
    pub why: &'static str,
    /// What to use.
    pub instead: &'static str,
}

/// All of it.
pub const UNTOLD: [Untold; 29] = [
    Untold {
        name: "upsell",
        why: "customers are merged over the shards by who bought and when, not by how much: whether a purchase is larger than the one before is not known",
        instead: "`returning_customers` and `repeat_customers` by `product`, of those that bought the same again; `expansion_mrr` of subscriptions; of deals a measure of your own by the type that the CRM states: `of = \"deal\"`, `at = \"won\"`, `where = \"type = 'Upsell'\"`, `sum = \"amount\"`",
    },
    Untold {
        name: "cross_sell",
        why: "a row knows its own segment: whether somebody new to a product had bought another one before is in no row, and the amounts of customers are not merged",
        instead: "the sum of `new_customers` over all products, less `new_customers` of the whole, is how often somebody took up a further product (a first purchase of two products counts there too); or a measure of your own by the deal's type, as of upsell",
    },
    Untold {
        name: "attribution",
        why: "touches and the deal that they led to lie in different shards, so no first-touch or linear shares are computed",
        instead: "`channel` and `campaign` as the source attributes them, or as `[channels]` tells them by the link",
    },
    Untold {
        name: "lead_cycle_length",
        why: "a lead, a touch and the deal that they led to lie in different shards, and no shard reads another's entities",
        instead: "`cycle_length_mean` and its kin with `[deals] cycle_from = { field = \"x.lead_created_at\" }`, where the CRM copies that time to the deal, or with `{ stage = \"qualified\" }`, the deal's first move into a stage",
    },
    Untold {
        name: "gross_margin",
        why: "no source that is read tells by itself what the goods cost; `roi` and `revenue_after_spend` are of revenue",
        instead: "where a field tells it: `[measures.cost] of = \"deal\"`, `at = \"won\"`, `sum = \"x.cost\"`, `unit = \"money\"`, and `[kpis.custom.margin] formula = \"revenue - cost\"`; of it `(revenue - cost - spend) / spend`",
    },
    Untold {
        name: "price_realization_of_deals",
        why: "`price_realization` is of orders, which state their discount; a deal's list price is in a field that each CRM names otherwise",
        instead: "`[measures.list] of = \"deal\"`, `at = \"won\"`, `sum = \"x.list_price\"`, `unit = \"money\"`, and `[kpis.custom.realized] formula = \"revenue / list\"`; where deals state a discount: `sum = \"discount\"` and `revenue / (revenue + discounts)`",
    },
    Untold {
        name: "spend_allocation",
        why: "spend counts on the day that the source states it for: a bill of a month is not spread over its days, and none is shared out over products or territories, since by which key is a choice of the business",
        instead: "one event of the type \"campaign_day\" a day, with `product` or a field of your own as its dimension, each stating its share; later statements of the same day replace earlier ones; windows of a month or longer for bills of a month",
    },
    Untold {
        name: "lead_to_customer",
        why: "a lead and the deal that it became lie in different shards, so whether that deal was won is not known of the lead",
        instead: "`lead_conversion` (leads to deals) and `cohort_conversion` or `win_incidence_90d` (deals created to won), one after the other; where the CRM writes the outcome to the lead: a measure `of = \"lead\"` with `where = \"x.customer = 'yes'\"` over `leads_created`",
    },
    Untold {
        name: "revenue_by_currency",
        why: "rows tell money in the currency of reports, and of other currencies what no rate converts",
        instead: "a field of your own with the currency's code, such as `x.currency`, as a dimension, or in the `where` of a measure; the amounts as they were stated are in the events topic",
    },
    Untold {
        name: "hourly_windows",
        why: "a calendar window is a day or longer: at sales volumes an hour holds too little",
        instead: "a rolling window: `windows.rolling = [\"1h\"]`, told anew every five minutes",
    },
    Untold {
        name: "units_sold",
        why: "line items are not read",
        instead: "`orders_paid`, `deals_won`; a measure of your own where a field states them: `sum = \"x.units\"`",
    },
    Untold {
        name: "predicted_lifetime_value",
        why: "it is a model with assumptions of its own",
        instead: "`revenue_per_customer` so far; `[kpis.custom.lifetime_value] formula = \"average_mrr / churn_rate\"`",
    },
    Untold {
        name: "cac_payback",
        why: "what a customer leaves a month needs the margin, which no source tells by itself",
        instead: "months by revenue: `[kpis.custom.cac_payback] formula = \"customer_acquisition_cost / average_mrr\"`; with a margin of 80 %: `formula = \"customer_acquisition_cost / (0.8 * average_mrr)\"`",
    },
    Untold {
        name: "break_even_date",
        why: "a row tells of its own window, not of the first day on which a running sum turned",
        instead: "`revenue_after_spend` of `year_to_date` or of a long rolling window: broken even where it is above 0; `[kpis.custom.after_margin] formula = \"0.8 * revenue - spend\"` with a margin",
    },
    Untold {
        name: "open_rate",
        why: "opens and clicks of e-mails are read, deliveries are not, and several opens of one e-mail are several touches",
        instead: "`click_to_open`, `reply_to_open`; where a mapping states deliveries as touches of a kind of their own, `[measures.delivered] of = \"touch\"`, `at = \"touched\"`, `where = \"kind = 'delivered'\"` and `[kpis.custom.opens_per_delivered] formula = \"opens / delivered\"`",
    },
    Untold {
        name: "cumulative_time_in_stage",
        why: "the funnel counts visits: a deal that comes back begins another one, with days of its own",
        instead: "median and 90th percentile of the days of visits, and how many went back, in the funnel of rows",
    },
    Untold {
        name: "lagged_cac",
        why: "a row compares its window with earlier ones by growth alone, so spend of a cycle ago is not at hand",
        instead: "`customer_acquisition_cost` of windows that are long beside the cycle, such as quarters; `tidemark export` of `spend` and `new_customers` for a lag",
    },
    Untold {
        name: "csat_mean",
        why: "`csat` is the share of the two best grades; a mean over scales that differ says nothing",
        instead: "where all ask on one scale: `[measures.csat_points] of = \"survey_response\"`, `at = \"answered\"`, `where = \"metric = 'csat'\"`, `sum = \"score\"`, and `[kpis.custom.csat_average] formula = \"csat_points / csat_answers\"`",
    },
    Untold {
        name: "attributed_revenue",
        why: "as attribution: what a touch led to is not known",
        instead: "`revenue` by `channel` or `campaign` as a dimension, and `roi` there",
    },
    Untold {
        name: "lead_lag_correlation",
        why: "it compares windows with later ones, and a row knows its own and those it is compared with",
        instead: "`leading` and `lagging` as a label of each KPI; `tidemark export` for the rest",
    },
    Untold {
        name: "trend",
        why: "a row compares its window with the one before and with those of the last quarter and year; a line through more of them depends on how many, which each reader chooses otherwise",
        instead: "`revenue_growth`, `revenue_growth_quarter` and `revenue_growth_year`; drift, which says when something has moved for good; the trend on the page; `tidemark export` of days for a slope",
    },
    Untold {
        name: "rep_step_rate",
        why: "a row knows its own segment: that of the team stands in another row, and how far to shrink towards it depends on all its reps",
        instead: "`step_rate` of the funnel of each rep and of each team, with `entered`, the number behind it",
    },
    Untold {
        name: "commission",
        why: "what a deal pays whom is a contract of its own",
        instead: "`credited_revenue` by rep, which shares deals as agreed, and a KPI of your own such as `[kpis.custom.commission] formula = \"0.05 * credited_revenue\"`; `tidemark export`",
    },
    Untold {
        name: "inter_purchase_gap",
        why: "which purchases of a customer follow each other changes with each one that comes late or is taken back, in windows far from its own; rows count who bought and how often",
        instead: "`purchase_frequency`, `repeat_purchase_rate` and `returning_customers`",
    },
    Untold {
        name: "customer_cohorts",
        why: "customers are not grouped by when they first bought, but where a field says so",
        instead: "with the cohort as a dimension of the account's orders or deals (`x.cohort`): `customer_retention`, `repeat_purchase_rate` and `revenue_per_customer` by it and by window",
    },
    Untold {
        name: "active_share",
        why: "who is engaged is told by e-mails, meetings and sessions of a customer, which lie in other shards than what the customer bought",
        instead: "`active_customers` by `customers`; `click_to_open`, `reply_to_open`, `meetings`",
    },
    Untold {
        name: "activity_yield",
        why: "an activity and the deal that it helped lie in different shards, so what was won within so many days of it is not known",
        instead: "`activities_per_win`, `wins_per_meeting`, `wins_per_demo` and `revenue_per_activity` of one window: they go together, which proves no cause",
    },
    Untold {
        name: "suppressed_values",
        why: "values with few things behind them are told",
        instead: "`low_n` beside them, which says that they mean little; leaderboards do not rank them",
    },
    Untold {
        name: "customers_by_several",
        why: "customers are told by purchases of one kind, `customers.by`, so deals and orders do not make one count",
        instead: "a second job with another `customers.by`, over the same events topic",
    },
];

/// What is said of a name, whatever its case, with `-` and spaces for `_`.
pub fn named(name: &str) -> Option<&'static Untold> {
    let plain = name.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    let plain = match plain.as_str() {
        "upselling" => "upsell",
        "cross_selling" => "cross_sell",
        "units" => "units_sold",
        "margin" => "gross_margin",
        other => other,
    };
    UNTOLD.iter().find(|untold| untold.name == plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kpi::Kpi;

    #[test]
    fn what_is_told_is_not_said_to_be_untold() {
        for untold in &UNTOLD {
            assert!(Kpi::named(untold.name).is_none(), "{}", untold.name);
            // Every name in code that looks like a KPI is one.
            let told = untold.instead.split('`').skip(1).step_by(2);
            let plain = |text: &&str| {
                text.contains('_') && text.chars().all(|c| c == '_' || c.is_ascii_lowercase())
            };
            for name in told
                .filter(plain)
                .filter(|name| !["created_at", "year_to_date", "step_rate", "low_n"].contains(name))
            {
                assert!(Kpi::named(name).is_some(), "{name}");
            }
        }
        assert_eq!(named("upsell").map(|untold| untold.name), Some("upsell"));
    }
}
