//! What one has to know to use a KPI: when it is absent, how many things must be behind it, in which
//! windows it means something, what it is made of, and which test recounts it.

use super::customers::COUNTED;
use super::kpi::{Against, Clock, Formula, Group, Kpi, Unit};
use super::measure::Measure;

/// The shortest windows in which a KPI means something. In shorter ones it is given all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grain {
    /// Any window.
    Any,
    /// A day or longer.
    Day,
    /// A week or longer.
    Week,
    /// A month or longer.
    Month,
    /// A quarter or longer.
    Quarter,
}

impl Grain {
    /// All, with their names in the config.
    pub const ALL: [(Grain, &'static str); 5] = [
        (Grain::Any, "any"),
        (Grain::Day, "day"),
        (Grain::Week, "week"),
        (Grain::Month, "month"),
        (Grain::Quarter, "quarter"),
    ];

    /// The name in the config and the API.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl Kpi {
    /// So many things must be behind a value, or it is marked `low_n`. Half the width of Wilson's
    /// interval of a share of 30 % is 0.25 at 10, 0.16 at 30.
    pub fn min_n(&self) -> u32 {
        let usual = match &self.formula {
            _ if self.is_sum() => 0,
            // As the sum that it is a piece of.
            Formula::Written(program) if program.is_a_day() => 0,
            Formula::Share(..)
            | Formula::Proportion(..)
            | Formula::Cohort(..)
            | Formula::Incidence(_)
            | Formula::Points(..)
            | Formula::Churn(..)
            | Formula::OfOpening(..)
            | Formula::MoneyKept(..)
            | Formula::MoneyShare(..) => 30,
            // Three of thirty lie beyond it.
            Formula::QuantileDays(_, 9, 10) | Formula::QuantileMoney(9, 10) => 30,
            _ => 10,
        };
        self.least_n.unwrap_or(usual)
    }

    /// The shortest windows in which it means something.
    pub fn grain(&self) -> Grain {
        let usual = match &self.formula {
            _ if self.is_sum() => Grain::Any,
            Formula::Cohort(..)
            | Formula::Churn(..)
            | Formula::OfOpening(..)
            | Formula::MoneyKept(..)
            | Formula::Growth(..)
            | Formula::Incidence(_)
            | Formula::ClosingAge => Grain::Month,
            _ => Grain::Week,
        };
        self.shortest.unwrap_or(usual)
    }

    /// Where it is absent, in words; `None` where nothing is 0.
    pub fn absent(&self) -> Option<&'static str> {
        if self.is_sum() {
            let days = "in rolling windows up to 7 days, which begin within a day";
            return self.formula.asks_for_working_days().then_some(days);
        }
        Some(match &self.formula {
            Formula::Written(program) if program.is_a_day() => {
                "before the first working day, and in rolling windows up to 7 days, which begin \
                 within a day"
            }
            Formula::Written(program) if program.parts().is_none() => {
                "where any part is absent, and where a denominator is 0, or below 0 of money by money"
            }
            Formula::Cohort(.., Some(_)) => {
                "where none was created, and until the whole cohort is old enough"
            }
            Formula::Incidence(_) => {
                "where no deal was created, and until one of the cohort was followed for so long, \
                 unless of those followed none is left open before"
            }
            Formula::ClosingAge => "until more than half of the cohort is estimated to be closed",
            Formula::Growth(_, Against::Before) => {
                "where the window before has no revenue, or less than none, and where it is not kept"
            }
            Formula::Growth(..) => {
                "where that window has no revenue or less than none, in windows that are longer than what they would be \
                 compared with, and in rolling windows up to 7 days, which are of fine slices"
            }
            Formula::MeanDays(Measure::ResponseMinutes)
            | Formula::QuantileDays(Measure::ResponseMinutes, ..) => "where no lead was answered",
            Formula::MeanDays(Measure::CycleLost)
            | Formula::QuantileDays(Measure::CycleLost, ..) => "where no deal was lost",
            Formula::MeanDays(_) | Formula::QuantileDays(..) => "where no deal was won",
            Formula::QuantileMoney(..) => "where no deal was won with a known amount",
            Formula::MoneyPer(Measure::PurchaseAmount, ..) | Formula::StockMoneyPer(..) => {
                "where the denominator is 0, and where no amount is known"
            }
            Formula::MoneyPer(..) => "where the denominator is 0, and where no spend was stated",
            Formula::Stated(..) => "where the denominator is 0, and where no activity is counted",
            Formula::MoneyKept(..) => {
                "where the denominator is 0 or below, and in rolling windows up to 7 days, which \
                 begin within a day"
            }
            _ if self.parts() == Some((Unit::Money, Unit::Money)) => {
                "where the denominator is 0 or below"
            }
            _ => "where the denominator is 0",
        })
    }

    /// Whether it is a count or a sum, exact or not.
    fn is_sum(&self) -> bool {
        match &self.formula {
            Formula::Minutes(..) => true,
            Formula::Written(program) => program.adds_up(),
            _ => self.is_exact(),
        }
    }

    /// Whether it adds up over the days of a window: a sum, of which no part stands at its end.
    pub fn accrues(&self) -> bool {
        let whole = |m: &Measure| {
            m.is_stock() || matches!(m, Measure::BuyingCustomers | Measure::ReturningCustomers)
        };
        self.is_sum() && !self.measures().iter().any(whole)
    }

    /// Whether its past periods go on growing when they are over, as those of cohorts do: a running one
    /// cannot be told by them.
    pub fn ripens(&self) -> bool {
        // Of the user's own by what it is made of: one such part makes the whole grow.
        let dated = [Measure::StageEntered, Measure::StageWon, Measure::StageClosed];
        let ripe = |m: &Measure| {
            let name = m.name();
            matches!(m, Measure::LeadsConverted | Measure::ResponseMinutes)
                || name.starts_with("cohort_")
                || (name.starts_with("stage_") && !dated.contains(m))
        };
        let written = match &self.formula {
            Formula::Written(program) => {
                self.measures().iter().any(ripe) || amended(&program.formulas().collect::<Vec<_>>())
            }
            one => amended(&[one]),
        };
        self.clock == Clock::CohortSoFar || written
    }

    /// Whether it only grows while a period goes on, corrections apart. Amounts may be negative, so of
    /// them the days have to be looked at too.
    pub fn grows(&self) -> bool {
        let counts = matches!(
            self.formula,
            Formula::Count(_)
                | Formula::CountIn(_)
                | Formula::CountAt(..)
                | Formula::Money(..)
                | Formula::Quantity(..)
                | Formula::Minutes(..)
        );
        counts && self.accrues()
    }

    /// Whether the members of a dimension, `unknown` too, make the whole: each has a share.
    pub fn adds_up_over_segments(&self) -> bool {
        self.is_sum() && !self.tells_of_customers() && !self.formula.asks_for_working_days()
    }

    /// What it says in which windows, and how it is carried over to longer ones.
    pub fn windows(&self) -> &'static str {
        match &self.formula {
            _ if self.is_sum() && self.tells_of_customers() => match self.accrues() {
                true => {
                    "added up over windows that do not overlap; not over segments, since a customer may be \
                     one of several"
                }
                false => {
                    "not added up over windows or segments, since a customer may be one of several: read \
                     a longer window"
                }
            },
            _ if self.accrues() => "added up over windows that do not overlap",
            _ if self.is_sum() && self.clock == Clock::Stock => {
                "what stands at the window's end; it is not added up over windows"
            }
            _ if self.is_sum() => {
                "not added up over windows: part of it stands at the window's end"
            }
            Formula::Growth(_, Against::Before) => {
                "compared with the window before, a running one with the same elapsed part of it; a \
                 rolling window up to 7 days needs slices.fine_retention above twice its length"
            }
            Formula::Growth(..) => {
                "compared with the month or quarter of the same place in the quarter or year before; days \
                 and weeks with those 13 or 52 weeks ago, rolling windows likewise, so that weekdays \
                 agree; a running window with the same elapsed part"
            }
            Formula::Cohort(.., Some(_)) => {
                "by the day of their creation; recent windows have no value yet"
            }
            Formula::Cohort(.., None) => {
                "by the day of their creation; windows go on changing after they are closed"
            }
            Formula::Incidence(_) | Formula::ClosingAge => {
                "deals by the day of their creation; not averaged over windows or segments: read a \
                 longer window. It follows open deals to the watermark's day, so rows of closed \
                 windows are corrected without an event, once a day at most"
            }
            _ if self.tells_of_customers() => {
                "not averaged or summed over windows or segments, since a customer may be one of \
                 several: read a longer window"
            }
            Formula::QuantileDays(..) | Formula::QuantileMoney(..) => {
                "not averaged over windows or segments: read a longer window"
            }
            Formula::Written(program) if program.is_a_day() => {
                "not averaged over windows: sum num and den, or read a longer window; over segments \
                 sum num alone, since all of them have the same days"
            }
            Formula::Written(program) if program.parts().is_none() => {
                "not averaged over windows or segments: read a longer window"
            }
            _ => "not averaged over windows or segments: sum num and den, or read a longer window",
        }
    }

    fn tells_of_customers(&self) -> bool {
        self.measures().iter().any(|m| COUNTED.contains(m))
    }

    /// The measures that it is computed from, each once, in their order.
    pub fn measures(&self) -> Vec<Measure> {
        let mut out = self.formula.measures();
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Their names, each once: those of the user's own as the user named them.
    pub fn measure_names(&self) -> Vec<String> {
        let mut own: Vec<String> = self.formula.own().map(|own| own.name.clone()).collect();
        own.sort_unstable();
        own.dedup();
        let all = self.measures().into_iter().filter(|measure| !measure.is_own());
        all.map(Measure::name).chain(own).collect()
    }

    /// The tests that compare it with numbers from elsewhere: another program's count of the same
    /// events, for all of them, and beside it a published truth.
    pub fn tests(&self) -> Vec<&'static str> {
        const RECOUNTED: &str = "tests/laws.rs::any_delivery_gives_the_rows_of_the_recount";
        let recounted = (self.group != Group::Custom).then_some(RECOUNTED);
        let beside = BESIDE.iter().filter(|(_, kpis)| kpis.contains(&&*self.name));
        recounted.into_iter().chain(beside.map(|(test, _)| *test)).collect()
    }
}

/// Tests that compare some of the KPIs with published numbers, or with another recount.
const BESIDE: [(&str, &[&str]); 6] = [
    (
        "tests/oracle.rs::the_published_truth_is_reproduced_from_any_delivery",
        &[
            "deals_created",
            "deals_won",
            "deals_lost",
            "revenue",
            "average_deal_size",
            "win_rate",
            "cohort_conversion",
            "cohort_conversion_90d",
            "cycle_length_mean",
            "cycle_length_p50",
            "cycle_length_p90",
            "open_deals",
            "revenue_growth",
            "sales_velocity",
            "buying_customers",
            "sales_per_customer",
        ],
    ),
    (
        "tests/oracle.rs::the_published_survival_is_reproduced",
        &[
            "deals_created",
            "win_incidence_30d",
            "win_incidence_60d",
            "win_incidence_90d",
            "win_incidence_180d",
            "time_to_close_p50",
        ],
    ),
    (
        "tests/customers.rs::the_published_truth_of_customers_is_reproduced_from_any_delivery",
        &[
            "orders_paid",
            "order_revenue",
            "average_order_value",
            "customers",
            "new_customers",
            "buying_customers",
            "sales_per_customer",
            "purchase_frequency",
            "customer_retention",
            "revenue_per_customer",
        ],
    ),
    ("tests/adventureworks.rs::territories_countries_and_regions", &["revenue", "revenue_growth"]),
    (
        "tests/adventureworks.rs::people_by_quota_commission_and_the_year_before",
        &["revenue", "revenue_growth"],
    ),
    (
        "tests/splits.rs::each_member_has_what_a_recount_gives",
        &["credited_revenue", "credited_deals_won", "overlay_revenue"],
    ),
];

/// Whether it tells what was amended since: outright, or as the sums that are now beside those that
/// were at the close, which alone stand still.
fn amended(formulas: &[&Formula]) -> bool {
    let at_close = |f: &Formula| matches!(f, Formula::NetMoney(_, Measure::AmendedAmount, _));
    let now = |f: &Formula| !at_close(f) && f.measures().contains(&Measure::WonAmount);
    formulas.iter().any(|f| matches!(f, Formula::Money(Measure::AmendedAmount, _)))
        || (formulas.iter().any(|f| at_close(f)) && formulas.iter().any(|f| now(f)))
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
