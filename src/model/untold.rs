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
pub const UNTOLD: [Untold; 8] = [
    Untold {
        name: "upsell",
        why: "what a customer bought before lies in other shards, and no shard reads another's entities",
        instead: "`expansion_mrr` of subscriptions; of deals a measure of your own by the type that the CRM states: `of = \"deal\"`, `at = \"won\"`, `where = \"type = 'Upsell'\"`, `sum = \"amount\"`",
    },
    Untold {
        name: "cross_sell",
        why: "as upsell",
        instead: "a measure of your own by the deal's type, as of upsell",
    },
    Untold {
        name: "attribution",
        why: "touches and the deal that they led to lie in different shards, so no first-touch or linear shares are computed",
        instead: "`channel` and `campaign` as the source attributes them, or as `[channels]` tells them by the link",
    },
    Untold {
        name: "lead_cycle_length",
        why: "a lead and its deal lie in different shards",
        instead: "`cycle_length_mean` and its kin, which begin with `created_at` of the deal: a mapping may state the lead's there",
    },
    Untold {
        name: "gross_margin",
        why: "no source that is read tells what the goods cost",
        instead: "`revenue_after_spend`, `roi` and `return_on_ad_spend`, of revenue",
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
        name: "lead_lag_correlation",
        why: "it compares windows with later ones, and a row knows its own and those it is compared with",
        instead: "`leading` and `lagging` as a label of each KPI; `tidemark export` for the rest",
    },
];

/// What is said of a name.
pub fn named(name: &str) -> Option<&'static Untold> {
    UNTOLD.iter().find(|untold| untold.name == name)
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
            for name in told.filter(plain).filter(|name| *name != "created_at") {
                assert!(Kpi::named(name).is_some(), "{name}");
            }
        }
        assert_eq!(named("upsell").map(|untold| untold.name), Some("upsell"));
    }
}
