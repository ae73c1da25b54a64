//! The catalogue: every KPI that Tidemark publishes, declared once.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use super::formula;
use super::kpi::{Against, Clock, Compiled, Formula, Kpi, Unit};
use super::measure::Measure;

/// A family of KPIs, as `kpis.groups` chooses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Group {
    /// Leads, deals, revenue, pipeline.
    Deals = 0,
    /// Calls, e-mails, meetings, and what was planned of them.
    Activities = 1,
    /// Orders and invoices paid, refunds.
    Orders = 2,
    /// Spend of campaigns, and what it costs to win.
    Spend = 3,
    /// Answers to surveys.
    Surveys = 4,
    /// Opens, clicks, visits, replies, forms.
    Touches = 5,
    /// Subscriptions and what they bring a month.
    Subscriptions = 6,
    /// What deals and work yield: velocity, averages, activities a win, and what open cohorts will.
    Yields = 7,
    /// Who is credited with what was won, where deals are shared.
    Splits = 8,
    /// Customers: new, returning, lapsed, and what they are worth.
    Customers = 9,
    /// What became of the visits of each stage: a table of its own in rows, and no KPI.
    Funnel = 10,
    /// How large the deals won are and how long the lost ones took, beyond means. What it is made of is
    /// kept where it is asked for only.
    Distribution = 11,
    /// The user's own, of `kpis.custom`. Whoever has some wants them: no choice.
    Custom = 255,
}

impl Group {
    /// All groups that can be chosen, by their names in the config, in the order in which rows list
    /// them.
    pub const ALL: [(Group, &'static str); 12] = [
        (Group::Deals, "deals"),
        (Group::Activities, "activities"),
        (Group::Orders, "orders"),
        (Group::Spend, "spend"),
        (Group::Surveys, "surveys"),
        (Group::Touches, "touches"),
        (Group::Subscriptions, "subscriptions"),
        (Group::Yields, "yields"),
        (Group::Splits, "splits"),
        (Group::Customers, "customers"),
        (Group::Funnel, "funnel"),
        (Group::Distribution, "distribution"),
    ];

    /// The name in the config.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(group, _)| *group == self).map_or("custom", |(_, name)| *name)
    }

    /// From the name in the config.
    pub fn parse(text: &str) -> Option<Group> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(group, _)| *group)
    }
}

/// The KPIs of a job: those of the chosen groups, then the user's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Kpis {
    groups: u32,
    own: Option<Arc<[Kpi]>>,
    /// Whether one of the user's own is made of what is kept for the group `distribution` only.
    own_distribution: bool,
}

impl Kpis {
    /// All of the catalogue, and none of one's own.
    pub const ALL: Kpis =
        Kpis { groups: (1 << Group::ALL.len()) - 1, own: None, own_distribution: false };

    /// With these of one's own behind those of the catalogue.
    pub fn with_own(self, own: Vec<Kpi>) -> Kpis {
        let asked = |m: &Measure| matches!(m, Measure::CycleLost | Measure::WonAmounts);
        let own_distribution = own.iter().any(|kpi| kpi.measures().iter().any(asked));
        Kpis { own: (!own.is_empty()).then(|| own.into()), own_distribution, ..self }
    }

    /// The user's own.
    pub fn own(&self) -> &[Kpi] {
        self.own.as_deref().unwrap_or_default()
    }

    /// Whether a group is among them.
    pub fn has(&self, group: Group) -> bool {
        match group {
            Group::Custom => self.own.is_some(),
            chosen => self.groups & (1 << chosen as u8) != 0,
        }
    }

    /// Them, in the order in which rows list them.
    pub fn kpis(&self) -> impl Iterator<Item = &Kpi> {
        CATALOGUE.iter().filter(|kpi| self.has(kpi.group)).chain(self.own())
    }

    /// All that are known: the whole catalogue, chosen or not, and the user's own.
    pub fn known(&self) -> impl Iterator<Item = &Kpi> {
        CATALOGUE.iter().chain(self.own())
    }

    /// The known KPI of a name.
    pub fn named(&self, name: &str) -> Option<&Kpi> {
        self.known().find(|kpi| kpi.name == name)
    }

    /// Whether any of them asks who bought.
    pub fn tell_of_customers(&self) -> bool {
        let asked = |m: &Measure| (Measure::Buyers..=Measure::LifetimePriced).contains(m);
        self.has(Group::Customers) || self.own().iter().any(|kpi| kpi.measures().iter().any(asked))
    }

    /// Whether any of them asks how closings are spread: cells have it only then.
    pub fn tell_of_distribution(&self) -> bool {
        self.has(Group::Distribution) || self.own_distribution
    }

    /// Whether any of them asks how many days were worked on.
    pub fn ask_for_working_days(&self) -> bool {
        let own = || self.own().iter().any(|kpi| kpi.formula.asks_for_working_days());
        self.has(Group::Yields) || own()
    }

    /// Whether any of them asks for what stood at a window's start.
    pub fn ask_for_opening(&self) -> bool {
        let own = || self.own().iter().any(|kpi| kpi.formula.asks_for_opening());
        self.has(Group::Subscriptions) || self.has(Group::Customers) || own()
    }
}

impl FromIterator<Group> for Kpis {
    fn from_iter<T: IntoIterator<Item = Group>>(groups: T) -> Kpis {
        let chosen = groups.into_iter().filter(|group| *group != Group::Custom);
        let groups = chosen.fold(0, |bits, group| bits | 1 << group as u8);
        Kpis { groups, own: None, own_distribution: false }
    }
}

/// A formula that is written out, over measures and KPIs of the catalogue.
macro_rules! written {
    ($text:literal) => {
        Formula::Written(Compiled::Shipped({
            static PROGRAM: LazyLock<formula::Program> = LazyLock::new(|| {
                formula::shipped($text).expect("a test compiles every formula of the catalogue")
            });
            &PROGRAM
        }))
    };
}

macro_rules! kpi {
    ($group:ident, $name:literal, $family:literal, $unit:ident, $clock:ident, $lead:literal, $formula:expr, $text:literal, $doc:literal) => {
        Kpi {
            group: Group::$group,
            name: Cow::Borrowed($name),
            family: Cow::Borrowed($family),
            unit: Unit::$unit,
            clock: Clock::$clock,
            leading: $lead,
            formula: $formula,
            text: Cow::Borrowed($text),
            doc: Cow::Borrowed($doc),
            least_n: None,
            shortest: None,
        }
    };
}

/// Every KPI, in the order in which rows list them.
pub static CATALOGUE: &[Kpi] = &[
    kpi!(
        Deals,
        "leads_created",
        "leads_created",
        Count,
        EventTime,
        true,
        Formula::Count(Measure::LeadsCreated),
        "leads created in the window",
        "Credit goes to the owner at creation."
    ),
    kpi!(
        Deals,
        "deals_created",
        "deals_created",
        Count,
        EventTime,
        true,
        Formula::Count(Measure::DealsCreated),
        "deals created in the window",
        "Deals whose creation was never seen are not counted here."
    ),
    kpi!(
        Deals,
        "deals_won",
        "deals_won",
        Count,
        EventTime,
        false,
        Formula::Count(Measure::DealsWon),
        "deals won in the window",
        "A reopened deal leaves the window in which it was won."
    ),
    kpi!(
        Deals,
        "deals_lost",
        "deals_lost",
        Count,
        EventTime,
        false,
        Formula::Count(Measure::DealsLost),
        "deals lost in the window",
        "A reopened deal leaves the window in which it was lost."
    ),
    kpi!(
        Deals,
        "revenue",
        "won_amount",
        Money,
        EventTime,
        false,
        Formula::Money(Measure::WonAmount, Measure::WonPriced),
        "sum of the amounts of deals won in the window",
        "Bookings in the reporting currency; other currencies are converted by [fx] or shown beside it, never added. An amendment changes the window in which the deal was won."
    ),
    kpi!(
        Deals,
        "average_deal_size",
        "average_deal_amount",
        Money,
        EventTime,
        false,
        Formula::MeanMoney(Measure::WonAmount, Measure::WonPriced),
        "revenue / deals won with an amount",
        "Deals without an amount are left out, not counted as 0."
    ),
    kpi!(
        Deals,
        "win_rate",
        "win_ratio",
        Ratio,
        ClosedBasis,
        false,
        Formula::Share(Measure::DealsWon, &[Measure::DealsWon, Measure::DealsLost]),
        "deals won / (deals won + deals lost), both closed in the window",
        "W1. Ignores open deals: if nobody marks deals lost it is 1."
    ),
    kpi!(
        Deals,
        "win_rate_amount",
        "win_amount_ratio",
        Ratio,
        ClosedBasis,
        false,
        Formula::MoneyShare(
            Measure::WonAmount,
            &[Measure::WonAmount, Measure::LostAmount],
            &[Measure::WonPriced, Measure::LostPriced]
        ),
        "amount won / (amount won + amount lost), both closed in the window",
        "W1 weighted by amount, in the reporting currency."
    ),
    kpi!(
        Deals,
        "cohort_conversion",
        "cohort_conversion_ratio",
        Ratio,
        CohortSoFar,
        false,
        Formula::Cohort(Measure::CohortWon, Measure::DealsCreated, None),
        "deals created in the window and won so far / deals created in the window",
        "W2. Recent cohorts look bad because they are young."
    ),
    kpi!(
        Deals,
        "cohort_conversion_90d",
        "cohort_conversion_90d_ratio",
        Ratio,
        CohortHorizon,
        false,
        Formula::Cohort(Measure::CohortWon, Measure::DealsCreated, Some(90)),
        "deals created in the window and won within 90 days / deals created in the window",
        "W4. Absent until 90 days after the window's end."
    ),
    kpi!(
        Deals,
        "cycle_length_mean",
        "cycle_mean_seconds",
        Days,
        EventTime,
        false,
        Formula::MeanDays(Measure::CycleWon),
        "mean of civil days from the cycle's start to winning, deals won in the window",
        "The start is the creation, or what `deals.cycle_from` declares. Won deals only; open deals are censored, so it under-states. Same-day wins are 0 days."
    ),
    kpi!(
        Deals,
        "cycle_length_p50",
        "cycle_p50_seconds",
        Days,
        EventTime,
        false,
        Formula::QuantileDays(Measure::CycleWon, 1, 2),
        "median of the same days, interpolated",
        "Exact, from a histogram of whole days."
    ),
    kpi!(
        Deals,
        "cycle_length_p90",
        "cycle_p90_seconds",
        Days,
        EventTime,
        false,
        Formula::QuantileDays(Measure::CycleWon, 9, 10),
        "90th percentile of the same days, interpolated",
        "Exact, from a histogram of whole days."
    ),
    kpi!(
        Deals,
        "open_deals",
        "open_deals",
        Count,
        Stock,
        true,
        Formula::Stock(Measure::OpenDeals),
        "deals open at the window's end",
        "Follows the current owner: a handed-over deal moves. A deal that is reopened was open at the window's end where it was not closed yet, and its former close is not counted any more: so deals created less won and lost of all windows need not be what is open at the end of an earlier one."
    ),
    kpi!(
        Deals,
        "open_pipeline",
        "open_pipeline_amount",
        Money,
        Stock,
        true,
        Formula::StockMoney(Measure::OpenAmount, Measure::OpenPriced),
        "sum of the amounts of deals open at the window's end",
        "In the reporting currency; deals without an amount are not in it."
    ),
    kpi!(
        Deals,
        "revenue_growth",
        "revenue_growth_ratio",
        Ratio,
        EventTime,
        false,
        Formula::Growth(Measure::WonAmount, Against::Before),
        "revenue / revenue of the window before - 1",
        "A window still running is compared with the same elapsed part of the one before."
    ),
    kpi!(
        Deals,
        "revenue_growth_quarter",
        "revenue_growth_quarter_ratio",
        Ratio,
        EventTime,
        false,
        Formula::Growth(Measure::WonAmount, Against::Quarter),
        "revenue / revenue of the same window of the last quarter - 1",
        "Months by their place in the quarter; days, weeks and rolling windows 13 weeks apart, so that weekdays agree. A window still running is compared with the same elapsed part."
    ),
    kpi!(
        Deals,
        "revenue_growth_year",
        "revenue_growth_year_ratio",
        Ratio,
        EventTime,
        false,
        Formula::Growth(Measure::WonAmount, Against::Year),
        "revenue / revenue of the same window of the last year - 1",
        "Months and quarters by their place in the year; days, weeks and rolling windows 52 weeks apart, so that weekdays agree. A window still running is compared with the same elapsed part."
    ),
    kpi!(
        Activities,
        "activities_done",
        "activities_done",
        Count,
        EventTime,
        true,
        Formula::Count(Measure::ActivitiesDone),
        "activities done in the window",
        "Of any kind, for whoever owned them when they were done. What is only planned is not in it."
    ),
    kpi!(
        Activities,
        "calls",
        "calls",
        Count,
        EventTime,
        true,
        Formula::CountAt(Measure::ActivitiesDone, 1),
        "calls done in the window",
        "Both directions; a call that was not taken is none unless its source says that it was done."
    ),
    kpi!(
        Activities,
        "emails",
        "emails",
        Count,
        EventTime,
        true,
        Formula::CountAt(Measure::ActivitiesDone, 2),
        "e-mails done in the window",
        "As activities of the CRM, both directions; mass mail is not one."
    ),
    kpi!(
        Activities,
        "meetings",
        "meetings",
        Count,
        EventTime,
        true,
        Formula::CountAt(Measure::ActivitiesDone, 3),
        "meetings done in the window",
        "Held ones, not those in the calendar."
    ),
    kpi!(
        Activities,
        "tasks",
        "tasks",
        Count,
        EventTime,
        true,
        Formula::CountAt(Measure::ActivitiesDone, 4),
        "tasks done in the window",
        "Follow-ups and the like."
    ),
    kpi!(
        Activities,
        "demos",
        "demos",
        Count,
        EventTime,
        true,
        Formula::CountAt(Measure::ActivitiesDone, 6),
        "demos done in the window",
        "Only where the source tells them from meetings."
    ),
    kpi!(
        Activities,
        "call_minutes",
        "call_seconds",
        Minutes,
        EventTime,
        true,
        Formula::Minutes(Measure::CallSeconds, Measure::CallsTimed),
        "minutes of the calls done in the window",
        "Calls without a duration are left out; n is those with one."
    ),
    kpi!(
        Activities,
        "activities_due",
        "activities_due",
        Count,
        EventTime,
        true,
        Formula::Count(Measure::ActivitiesDue),
        "activities planned for a moment in the window",
        "What was only logged when it was done had no plan; what was rescheduled is due when its successor is."
    ),
    kpi!(
        Activities,
        "completion_rate",
        "completion_ratio",
        Ratio,
        EventTime,
        true,
        Formula::Share(Measure::ActivitiesKept, &[Measure::ActivitiesDue]),
        "activities due in the window and done, whenever that was / activities due in the window",
        "What is due later in a window still running is in it already."
    ),
    kpi!(
        Activities,
        "leads_answered",
        "leads_answered",
        Count,
        CohortSoFar,
        true,
        Formula::Count(Measure::ResponseMinutes),
        "leads created in the window and answered since",
        "Where the source tells when: HubSpot (first outreach), Salesforce (first call and e-mail of Sales Engagement), or `responded_at` by a mapping. An answer before the creation is none."
    ),
    kpi!(
        Activities,
        "response_rate",
        "response_ratio",
        Ratio,
        CohortSoFar,
        true,
        Formula::Share(Measure::ResponseMinutes, &[Measure::LeadsCreated]),
        "leads_answered / leads_created",
        "Rises while leads of the window are answered, so recent windows read low. It reads 0 too where no source tells of answers: then leads_answered is 0 in every window, and it means nothing."
    ),
    kpi!(
        Activities,
        "response_time_mean",
        "response_mean_seconds",
        Minutes,
        CohortSoFar,
        true,
        Formula::MeanDays(Measure::ResponseMinutes),
        "mean minutes from creation to the first answer, of the leads created in the window",
        "Of those answered so far only: leads that still wait would raise it. Read it beside response_rate."
    ),
    kpi!(
        Activities,
        "response_time_p50",
        "response_p50_seconds",
        Minutes,
        CohortSoFar,
        true,
        Formula::QuantileDays(Measure::ResponseMinutes, 1, 2),
        "median of the same minutes, interpolated",
        "Exact, from a histogram of whole minutes."
    ),
    kpi!(
        Activities,
        "response_time_p90",
        "response_p90_seconds",
        Minutes,
        CohortSoFar,
        true,
        Formula::QuantileDays(Measure::ResponseMinutes, 9, 10),
        "90th percentile of the same minutes, interpolated",
        "Exact, from a histogram of whole minutes."
    ),
    kpi!(
        Activities,
        "leads_converted",
        "leads_converted",
        Count,
        CohortSoFar,
        false,
        Formula::Count(Measure::LeadsConverted),
        "leads created in the window that have become a deal since",
        "Where the source names the deal: Salesforce (ConvertedOpportunityId), Pipedrive (converted_deal_id), or `converted_deal` by a mapping. A lead of several deals counts once; one that is deleted does not count. A Salesforce lead that was converted without an opportunity does not count. HubSpot's contacts name no deal: there a measure of your own over leads tells how many are customers now, `where = \"stage = 'customer'\"`."
    ),
    kpi!(
        Activities,
        "lead_conversion",
        "lead_conversion_ratio",
        Ratio,
        CohortSoFar,
        false,
        Formula::Share(Measure::LeadsConverted, &[Measure::LeadsCreated]),
        "leads_converted / leads_created",
        "W2 of leads. Recent windows read low, since their leads are young. It reads 0 too where no source names the deal of a lead: then leads_converted is 0 in every window, and it means nothing."
    ),
    kpi!(
        Activities,
        "lead_conversion_90d",
        "lead_conversion_90d_ratio",
        Ratio,
        CohortHorizon,
        false,
        Formula::Cohort(Measure::LeadsConverted, Measure::LeadsCreated, Some(90)),
        "leads created in the window that became a deal within 90 days / leads created in the window",
        "W4 of leads. Absent until 90 days after the window's end. The day of conversion is that of the event since which a deal is named; a second deal does not move it, and one that is taken back does not count. A lead that was first told of when it had long been converted, as by a source that is connected in mid-life, counts by the day on which that was told."
    ),
    kpi!(
        Orders,
        "orders_paid",
        "orders_paid",
        Count,
        EventTime,
        false,
        Formula::Count(Measure::OrdersPaid),
        "orders paid in the window",
        "Dated by the payment, whatever the status says; an order that was only placed or sent is not in it."
    ),
    kpi!(
        Orders,
        "order_revenue",
        "order_net_amount",
        Money,
        EventTime,
        false,
        Formula::NetMoney(Measure::OrderAmount, Measure::OrderRefunded, Measure::OrderPriced),
        "amounts of the orders paid in the window - what was refunded of them",
        "Collected money: bookings are `revenue`. A later refund amends the window of the payment. Other currencies are shown beside it, never added."
    ),
    kpi!(
        Orders,
        "average_order_value",
        "average_order_amount",
        Money,
        EventTime,
        false,
        Formula::MeanMoney(Measure::OrderAmount, Measure::OrderPriced),
        "amounts of the orders paid in the window / those orders",
        "Refunds are not taken off; orders without an amount are left out."
    ),
    kpi!(
        Orders,
        "order_refunds",
        "order_refunded_amount",
        Money,
        EventTime,
        false,
        Formula::Money(Measure::OrderRefunded, Measure::OrderRefunds),
        "what was refunded of the orders paid in the window",
        "By the date of the payment; n is the orders of which something was refunded."
    ),
    kpi!(
        Orders,
        "refund_share",
        "order_refund_ratio",
        Ratio,
        EventTime,
        false,
        Formula::MoneyShare(
            Measure::OrderRefunded,
            &[Measure::OrderAmount],
            &[Measure::OrderPriced]
        ),
        "refunds of the orders paid in the window / their amounts",
        "In the reporting currency."
    ),
    kpi!(
        Orders,
        "price_realization",
        "order_price_realization_ratio",
        Ratio,
        EventTime,
        false,
        Formula::MoneyShare(
            Measure::OrderSoldPrice,
            &[Measure::OrderListPrice],
            &[Measure::OrderListPriced]
        ),
        "amounts of the orders paid in the window / what they would be at list prices",
        "List prices are amounts with the discounts added back. Orders of which no discount is stated, not even 0, are left out; refunds are not taken off. With shipping and taxes in both where amounts have them."
    ),
    kpi!(
        Orders,
        "invoices_paid",
        "invoices_paid",
        Count,
        EventTime,
        false,
        Formula::Count(Measure::InvoicesPaid),
        "invoices paid in the window",
        "Dated by the payment, whatever the status says; an invoice that was only placed or sent is not in it."
    ),
    kpi!(
        Orders,
        "invoice_revenue",
        "invoice_net_amount",
        Money,
        EventTime,
        false,
        Formula::NetMoney(Measure::InvoiceAmount, Measure::InvoiceRefunded, Measure::InvoicePriced),
        "amounts of the invoices paid in the window - what was refunded of them",
        "Apart from orders, since a source may tell one sale as both."
    ),
    kpi!(
        Orders,
        "invoice_refunds",
        "invoice_refunded_amount",
        Money,
        EventTime,
        false,
        Formula::Money(Measure::InvoiceRefunded, Measure::InvoiceRefunds),
        "what was refunded of the invoices paid in the window",
        "By the date of the payment; n is the invoices of which something was refunded."
    ),
    kpi!(
        Orders,
        "order_revenue_growth",
        "order_revenue_growth_ratio",
        Ratio,
        EventTime,
        false,
        Formula::Growth(Measure::OrderAmount, Against::Before),
        "order revenue / order revenue of the window before - 1",
        "Less refunds in both, whenever those were. A window still running is compared with the same elapsed part of the one before."
    ),
    kpi!(
        Orders,
        "order_revenue_growth_quarter",
        "order_revenue_growth_quarter_ratio",
        Ratio,
        EventTime,
        false,
        Formula::Growth(Measure::OrderAmount, Against::Quarter),
        "order revenue / order revenue of the same window of the last quarter - 1",
        "As `revenue_growth_quarter`."
    ),
    kpi!(
        Orders,
        "order_revenue_growth_year",
        "order_revenue_growth_year_ratio",
        Ratio,
        EventTime,
        false,
        Formula::Growth(Measure::OrderAmount, Against::Year),
        "order revenue / order revenue of the same window of the last year - 1",
        "As `revenue_growth_year`."
    ),
    kpi!(
        Spend,
        "spend",
        "spend_amount",
        Money,
        EventTime,
        true,
        Formula::Money(Measure::Spend, Measure::SpendPriced),
        "spend of the campaign days in the window",
        "n is campaign days. It stands in the segments that its own fields name: what no rep spent is `unknown`."
    ),
    kpi!(
        Spend,
        "ad_impressions",
        "ad_impressions",
        Count,
        EventTime,
        true,
        Formula::Quantity(Measure::Impressions, Measure::CampaignDays),
        "impressions of the campaign days in the window",
        "As the platform counts them; n is campaign days."
    ),
    kpi!(
        Spend,
        "ad_clicks",
        "ad_clicks",
        Count,
        EventTime,
        true,
        Formula::Quantity(Measure::AdClicks, Measure::CampaignDays),
        "clicks of the campaign days in the window",
        "As the platform counts them; n is campaign days."
    ),
    kpi!(
        Spend,
        "ad_conversions",
        "ad_conversions",
        Count,
        EventTime,
        true,
        Formula::Quantity(Measure::AdConversions, Measure::CampaignDays),
        "conversions of the campaign days in the window",
        "As the platform credits them: may be fractions, and may claim what others claim too."
    ),
    kpi!(
        Spend,
        "click_through_rate",
        "click_through_ratio",
        Ratio,
        EventTime,
        true,
        written!("ad_clicks / ad_impressions"),
        "clicks / impressions of the campaign days in the window",
        "As the platform counts both; n is campaign days."
    ),
    kpi!(
        Spend,
        "cost_per_click",
        "cost_per_click_amount",
        Money,
        EventTime,
        false,
        Formula::MoneyPer(Measure::Spend, Measure::SpendPriced, Measure::AdClicks),
        "spend / clicks of the campaign days in the window",
        "Absent without a click; the spend is its numerator."
    ),
    kpi!(
        Spend,
        "cost_per_conversion",
        "cost_per_conversion_amount",
        Money,
        EventTime,
        false,
        Formula::MoneyPer(Measure::Spend, Measure::SpendPriced, Measure::AdConversions),
        "spend / conversions of the campaign days in the window",
        "By the conversions that the platform credits itself with."
    ),
    kpi!(
        Spend,
        "cost_per_lead",
        "cost_per_lead_amount",
        Money,
        EventTime,
        false,
        Formula::MoneyPer(Measure::Spend, Measure::SpendPriced, Measure::LeadsCreated),
        "spend in the window / leads created in the window",
        "All leads of the segment, whatever brought them: ask by channel or campaign for paid ones."
    ),
    kpi!(
        Spend,
        "cost_per_opportunity",
        "cost_per_opportunity_amount",
        Money,
        EventTime,
        false,
        Formula::MoneyPer(Measure::Spend, Measure::SpendPriced, Measure::DealsCreated),
        "spend in the window / deals created in the window",
        "All deals of the segment, whatever brought them."
    ),
    kpi!(
        Spend,
        "cost_per_sale",
        "cost_per_sale_amount",
        Money,
        EventTime,
        false,
        Formula::MoneyPer(Measure::Spend, Measure::SpendPriced, Measure::DealsWon),
        "spend in the window / deals won in the window",
        "The same window for both, though a sale may follow its spend by months."
    ),
    kpi!(
        Spend,
        "cost_per_subscription",
        "cost_per_subscription_amount",
        Money,
        EventTime,
        false,
        Formula::MoneyPer(Measure::Spend, Measure::SpendPriced, Measure::SubscriptionsStarted),
        "spend in the window / subscriptions started in the window",
        "The same window for both. What it costs to win a customer only where one subscription is one customer."
    ),
    kpi!(
        Spend,
        "revenue_after_spend",
        "revenue_after_spend_amount",
        Money,
        EventTime,
        false,
        written!("revenue - spend"),
        "revenue of the window - spend of the window",
        "Above 0 the window is beyond its break-even on revenue; below 0 it is the amount that remains to it. No other cost is taken off. n is amounts of both."
    ),
    kpi!(
        Spend,
        "return_on_ad_spend",
        "revenue_to_spend_ratio",
        Ratio,
        EventTime,
        false,
        written!("revenue / spend"),
        "revenue of the window / spend of the window",
        "1 is break-even on revenue; roi is this less 1. n is campaign days."
    ),
    kpi!(
        Spend,
        "roi",
        "return_on_spend_ratio",
        Ratio,
        EventTime,
        false,
        Formula::Return(Measure::WonAmount, Measure::Spend),
        "(revenue - spend) / spend, both of the window",
        "On revenue of deals won, not on margin, in the reporting currency. n is deals won with an amount."
    ),
    kpi!(
        Surveys,
        "nps",
        "net_promoter_points",
        Points,
        EventTime,
        false,
        Formula::Points(Measure::NpsPromoters, Measure::NpsDetractors, Measure::NpsAnswers),
        "100 × (promoters - detractors) / answers in the window",
        "-100 to 100. Promoters gave 9 or 10 of 10, detractors 0 to 6; of another scale the same shares of its top."
    ),
    kpi!(
        Surveys,
        "nps_promoters",
        "promoters",
        Count,
        EventTime,
        false,
        Formula::Count(Measure::NpsPromoters),
        "promoters among the answers in the window",
        "With the detractors and n it tells how sure the score is."
    ),
    kpi!(
        Surveys,
        "nps_detractors",
        "detractors",
        Count,
        EventTime,
        false,
        Formula::Count(Measure::NpsDetractors),
        "detractors among the answers in the window",
        "With the promoters and n it tells how sure the score is."
    ),
    kpi!(
        Surveys,
        "csat",
        "satisfied_ratio",
        Ratio,
        EventTime,
        false,
        Formula::Share(Measure::CsatTop, &[Measure::CsatAnswers]),
        "answers in the two best grades / answers in the window",
        "Top two boxes, 4 and 5 of 5; of a scale with two grades the better one."
    ),
    kpi!(
        Surveys,
        "ces",
        "effort_score",
        Points,
        EventTime,
        false,
        Formula::MeanQuantity(Measure::CesScore, Measure::CesAnswers),
        "mean score of the answers in the window",
        "As answered: scales that differ are not converted."
    ),
    kpi!(
        Touches,
        "touches",
        "touches",
        Count,
        EventTime,
        true,
        Formula::Count(Measure::Touches),
        "touches in the window",
        "Of any kind."
    ),
    kpi!(
        Touches,
        "opens",
        "opens",
        Count,
        EventTime,
        true,
        Formula::CountAt(Measure::Touches, 1),
        "opens in the window",
        "Mail programs open by themselves too: clicks say more. Not unique."
    ),
    kpi!(
        Touches,
        "clicks",
        "clicks",
        Count,
        EventTime,
        true,
        Formula::CountAt(Measure::Touches, 2),
        "clicks in the window",
        "Clicks of touches; `ad_clicks` are those that a platform reports. Not unique."
    ),
    kpi!(
        Touches,
        "replies",
        "replies",
        Count,
        EventTime,
        true,
        Formula::CountAt(Measure::Touches, 3),
        "replies in the window",
        "Not unique."
    ),
    kpi!(
        Touches,
        "visits",
        "visits",
        Count,
        EventTime,
        true,
        Formula::CountAt(Measure::Touches, 4),
        "visits in the window",
        "Visits that a campaign brought, or whatever the source sends as one."
    ),
    kpi!(
        Touches,
        "forms",
        "forms",
        Count,
        EventTime,
        true,
        Formula::CountAt(Measure::Touches, 5),
        "forms filled in in the window",
        "Not unique."
    ),
    kpi!(
        Touches,
        "click_to_open",
        "click_to_open_ratio",
        Ratio,
        EventTime,
        true,
        Formula::Proportion(Measure::Touches, 2, 1),
        "clicks / opens in the window",
        "Neither is unique, so it may be above 1."
    ),
    kpi!(
        Touches,
        "reply_to_open",
        "reply_to_open_ratio",
        Ratio,
        EventTime,
        true,
        written!("replies / opens"),
        "replies / opens in the window",
        "Neither is unique, and mail programs open by themselves."
    ),
    kpi!(
        Subscriptions,
        "subscriptions_started",
        "subscriptions_started",
        Count,
        EventTime,
        false,
        Formula::Count(Measure::SubscriptionsStarted),
        "subscriptions started in the window",
        "A trial starts when it is paid for."
    ),
    kpi!(
        Subscriptions,
        "subscriptions_ended",
        "subscriptions_ended",
        Count,
        EventTime,
        false,
        Formula::Count(Measure::SubscriptionsEnded),
        "subscriptions ended in the window",
        "An end that is only planned lies in the window of its day."
    ),
    kpi!(
        Subscriptions,
        "active_subscriptions",
        "active_subscriptions",
        Count,
        Stock,
        false,
        Formula::Stock(Measure::ActiveSubscriptions),
        "subscriptions active at the window's end",
        "Overdue ones are active until they end."
    ),
    kpi!(
        Subscriptions,
        "mrr",
        "recurring_monthly_amount",
        Money,
        Stock,
        false,
        Formula::StockMoney(Measure::Mrr, Measure::MrrPriced),
        "monthly recurring revenue of the subscriptions active at the window's end",
        "In the reporting currency; subscriptions without one are not in it."
    ),
    kpi!(
        Subscriptions,
        "new_mrr",
        "new_recurring_monthly_amount",
        Money,
        EventTime,
        false,
        Formula::Money(Measure::NewMrr, Measure::NewMrrPriced),
        "monthly recurring revenue of the subscriptions started in the window",
        "As it was when they started."
    ),
    kpi!(
        Subscriptions,
        "churned_mrr",
        "churned_recurring_monthly_amount",
        Money,
        EventTime,
        false,
        Formula::Money(Measure::ChurnedMrr, Measure::ChurnedMrrPriced),
        "monthly recurring revenue of the subscriptions ended in the window",
        "As it was when they ended, where that is told beforehand too; what their end itself says of it is no change."
    ),
    kpi!(
        Subscriptions,
        "expansion_mrr",
        "expansion_recurring_monthly_amount",
        Money,
        EventTime,
        false,
        Formula::Money(Measure::ExpansionMrr, Measure::ExpansionMrrPriced),
        "rises of the monthly recurring revenue of running subscriptions in the window",
        "n is rises. A first amount, and the first one in another currency, is none."
    ),
    kpi!(
        Subscriptions,
        "contraction_mrr",
        "contraction_recurring_monthly_amount",
        Money,
        EventTime,
        false,
        Formula::Money(Measure::ContractionMrr, Measure::ContractionMrrPriced),
        "falls of the monthly recurring revenue of running subscriptions in the window",
        "As a number above 0. n is falls. An end is none: that is churned_mrr."
    ),
    kpi!(
        Subscriptions,
        "net_new_mrr",
        "net_new_recurring_monthly_amount",
        Money,
        EventTime,
        false,
        written!("new_mrr + expansion_mrr - contraction_mrr - churned_mrr"),
        "new_mrr + expansion_mrr - contraction_mrr - churned_mrr",
        "n is what all four are of. Whoever comes back with a new subscription is in new_mrr; one that is set active again has not ended."
    ),
    kpi!(
        Subscriptions,
        "average_mrr",
        "average_recurring_monthly_amount",
        Money,
        Stock,
        false,
        written!("mrr / mrr_priced"),
        "mrr / subscriptions active at the window's end with a known monthly revenue",
        "In the reporting currency."
    ),
    kpi!(
        Subscriptions,
        "churn_rate",
        "churn_ratio",
        Ratio,
        EventTime,
        false,
        Formula::Churn(Measure::SubscriptionsEnded, Measure::ActiveSubscriptions),
        "of the subscriptions active at the window's start, those ended in it / subscriptions active at its start",
        "Those that started in the window are in neither part. Absent where none was active. The start is that of its first day."
    ),
    kpi!(
        Subscriptions,
        "retention_rate",
        "retention_ratio",
        Ratio,
        EventTime,
        false,
        written!("1 - churn_rate"),
        "1 - churn_rate",
        "Of the subscriptions active at the window's start the share that did not end in it. By count: by revenue it is gross_revenue_retention."
    ),
    kpi!(
        Subscriptions,
        "net_revenue_retention",
        "net_revenue_retention_ratio",
        Ratio,
        EventTime,
        false,
        Formula::MoneyKept(Measure::MrrChange, Measure::Mrr),
        "(monthly recurring revenue at the window's start + expansion - contraction - churn, of the subscriptions active then) / monthly recurring revenue at its start",
        "NRR. What started in the window is in no part, nor what becomes of it there. By subscription, not by customer: whoever replaces one by another has churned and is new. A subscription that changes hands is no change: the row that it left counts it as kept, the row that it came to counts its later changes, though it was not there at the start. One that changes its currency, or whose price is not known any more, counts as kept from then on, also where it ends later. The start by the rate of the day before the window, changes by those of their days: with several currencies the rates' own moves are in it, and may carry it below 0."
    ),
    kpi!(
        Subscriptions,
        "gross_revenue_retention",
        "gross_revenue_retention_ratio",
        Ratio,
        EventTime,
        false,
        Formula::MoneyKept(Measure::MrrFall, Measure::Mrr),
        "(monthly recurring revenue at the window's start - contraction - churn, of what was there then) / monthly recurring revenue at its start",
        "GRR, 1 at most. Expansion is not counted, nor the loss of what was gained in the window: a subscription that rose from 100 to 150 and ended lost 100. A fall counts though it rises again. So of each subscription it is the lowest that it had in the window, up to what it had at the start. For the rest see net_revenue_retention."
    ),
    kpi!(
        Yields,
        "average_open_deal",
        "average_open_deal_amount",
        Money,
        Stock,
        true,
        written!("open_amount / open_priced"),
        "open pipeline / open deals with an amount, at the window's end",
        "Deals without an amount are left out, not counted as 0."
    ),
    kpi!(
        Yields,
        "average_lost_deal",
        "average_lost_deal_amount",
        Money,
        EventTime,
        false,
        written!("lost_amount / lost_priced"),
        "amounts of the deals lost in the window / those with an amount",
        "Beside average_deal_size it tells whether large deals are lost."
    ),
    kpi!(
        Yields,
        "pipeline_to_revenue",
        "pipeline_to_revenue_ratio",
        Ratio,
        OfParts,
        true,
        written!("open_pipeline / revenue"),
        "open pipeline at the window's end / revenue of the window",
        "How many windows like this one the pipeline would make if all of it were won. It is no coverage of a target."
    ),
    kpi!(
        Yields,
        "sales_velocity",
        "sales_velocity_amount",
        Money,
        OfParts,
        true,
        written!("open_deals * win_rate * average_deal_size / cycle_length_mean"),
        "open deals × win rate × average deal size / mean cycle length",
        "Money a civil day. The four factors stand beside it under their own names; where one is absent, or all deals were won on the day their cycle began, so is it. It follows no deal: read its changes."
    ),
    kpi!(
        Yields,
        "average_call_minutes",
        "average_call_seconds",
        Minutes,
        EventTime,
        true,
        written!("call_minutes / calls_timed"),
        "minutes of the calls done in the window / those with a duration",
        "Calls without a duration are left out."
    ),
    kpi!(
        Yields,
        "activities_per_win",
        "activities_per_win_ratio",
        Ratio,
        EventTime,
        true,
        Formula::Stated(Measure::ActivitiesDone, Measure::DealsWon),
        "activities done in the window / deals won in the window",
        "Activities of all deals, won or not, and of the same window though a win may follow by months: a correlation, no cause. Absent where no activity is counted: a segment by something that activities do not state, such as a product, has none."
    ),
    kpi!(
        Yields,
        "wins_per_meeting",
        "wins_per_meeting_ratio",
        Ratio,
        EventTime,
        true,
        written!("deals_won / meetings"),
        "deals won in the window / meetings done in the window",
        "A yield of the window, not of single meetings: may be above 1."
    ),
    kpi!(
        Yields,
        "wins_per_demo",
        "wins_per_demo_ratio",
        Ratio,
        EventTime,
        true,
        written!("deals_won / demos"),
        "deals won in the window / demos done in the window",
        "A yield of the window, not of single demos: may be above 1."
    ),
    kpi!(
        Yields,
        "meetings_per_call",
        "meetings_per_call_ratio",
        Ratio,
        EventTime,
        true,
        written!("meetings / calls"),
        "meetings done in the window / calls done in the window",
        "What calling leads to, where calls are made to arrange meetings."
    ),
    kpi!(
        Yields,
        "revenue_per_activity",
        "revenue_per_activity_amount",
        Money,
        EventTime,
        false,
        written!("revenue / activities_done"),
        "revenue of the window / activities done in the window",
        "By rep it is what their work yields. A correlation, no cause."
    ),
    kpi!(
        Yields,
        "revenue_per_working_day",
        "revenue_per_working_day_amount",
        Money,
        EventTime,
        false,
        written!("revenue / working_days"),
        "revenue of the window / its working days that have begun, today included",
        "By the working days and holidays of the segment's territory, or of its rep's ([calendar]). What was won on a day that is not worked on is in it all the same. Of a running window it follows the days, with a new value each working day."
    ),
    kpi!(
        Yields,
        "deals_won_per_working_day",
        "deals_won_per_working_day_ratio",
        Ratio,
        EventTime,
        false,
        written!("deals_won / working_days"),
        "deals won in the window / its working days that have begun, today included",
        "See revenue_per_working_day."
    ),
    kpi!(
        Yields,
        "activities_per_working_day",
        "activities_per_working_day_ratio",
        Ratio,
        EventTime,
        true,
        written!("activities_done / working_days"),
        "activities done in the window / its working days that have begun, today included",
        "See revenue_per_working_day. How much a rep does a day."
    ),
    kpi!(
        Yields,
        "revenue_at_close",
        "revenue_at_close_amount",
        Money,
        EventTime,
        false,
        Formula::NetMoney(Measure::WonAmount, Measure::AmendedAmount, Measure::WonPriced),
        "sum of the amounts that deals won in the window had when they were won",
        "`revenue` is by the amounts as they are now; this is what was booked, which no later amendment moves. The amount at the close is what was last said until it, or within `settle` behind it; where nothing was, the first that was said since, for that completes and amends nothing. A deal that is reopened and won again has the amount of its last close. Of an amount that was stated more than 256 times the earliest statements are forgotten, and what was booked with them. n is that of revenue."
    ),
    kpi!(
        Yields,
        "amended_revenue",
        "amended_revenue_amount",
        Money,
        EventTime,
        false,
        Formula::Money(Measure::AmendedAmount, Measure::AmendedPriced),
        "revenue - revenue_at_close: what was changed of the amounts of deals won in the window since they were won",
        "Below 0 deals shrank behind their close. In the window of the close, whenever it was changed. An amount that was cleared counts as lost whole. n is deals amended; one that has changed its currency is in the sums of both and counts in both, also where it is converted."
    ),
    kpi!(
        Yields,
        "win_incidence_30d",
        "win_incidence_30d_ratio",
        Ratio,
        CohortCensored,
        false,
        Formula::Incidence(30),
        "of the deals created in the window, the share won within 30 days (Aalen-Johansen; open deals censored at the watermark's day, lost ones compete)",
        "W5. Young cohorts do not look bad, unlike in W2, and it need not wait for the last deal, unlike W4: a deal counts for as long as it was followed. n is the deals closed within 30 days or followed for so long; without any other it is W4."
    ),
    kpi!(
        Yields,
        "win_incidence_60d",
        "win_incidence_60d_ratio",
        Ratio,
        CohortCensored,
        false,
        Formula::Incidence(60),
        "of the deals created in the window, the share won within 60 days (Aalen-Johansen; open deals censored at the watermark's day, lost ones compete)",
        "W5. See win_incidence_30d."
    ),
    kpi!(
        Yields,
        "win_incidence_90d",
        "win_incidence_90d_ratio",
        Ratio,
        CohortCensored,
        false,
        Formula::Incidence(90),
        "of the deals created in the window, the share won within 90 days (Aalen-Johansen; open deals censored at the watermark's day, lost ones compete)",
        "W5. See win_incidence_30d. Once the whole cohort is 90 days old it is cohort_conversion_90d."
    ),
    kpi!(
        Yields,
        "win_incidence_180d",
        "win_incidence_180d_ratio",
        Ratio,
        CohortCensored,
        false,
        Formula::Incidence(180),
        "of the deals created in the window, the share won within 180 days (Aalen-Johansen; open deals censored at the watermark's day, lost ones compete)",
        "W5. See win_incidence_30d."
    ),
    kpi!(
        Yields,
        "time_to_close_p50",
        "time_to_close_p50_seconds",
        Days,
        CohortCensored,
        false,
        Formula::ClosingAge,
        "of the deals created in the window, the age in civil days at which more than half are closed, won or lost (Kaplan-Meier; open deals censored at the watermark's day)",
        "The median that cycle_length_p50 under-states, as that knows won deals only. n is the deals created."
    ),
    kpi!(
        Splits,
        "credited_revenue",
        "credited_amount",
        Money,
        EventTime,
        false,
        written!("won_amount + split_amount"),
        "amounts of the deals won in the window × revenue share",
        "Without splits all of a deal is its owner's. Rows of reps sum to revenue. n counts credits: a deal that three share is three."
    ),
    kpi!(
        Splits,
        "credited_deals_won",
        "credited_deals_won",
        Count,
        EventTime,
        false,
        written!("deals_won + split_deals"),
        "revenue shares of the deals won in the window",
        "A deal is 1 in all, and its share in the row of each who shares in it. n counts credits."
    ),
    kpi!(
        Splits,
        "overlay_revenue",
        "overlay_amount",
        Money,
        EventTime,
        false,
        Formula::Money(Measure::OverlayAmount, Measure::OverlayPriced),
        "amounts of the deals won in the window × overlay share",
        "Credit beside that of revenue, in none of its totals; of one deal it may be more than its amount."
    ),
    kpi!(
        Customers,
        "customers",
        "customers",
        Count,
        Stock,
        false,
        Formula::Stock(Measure::Customers),
        "customers that bought up to the window's end",
        "Accounts with a purchase, ever: nobody ceases to be one. What a purchase is says [customers]. Not the sum of its segments."
    ),
    kpi!(
        Customers,
        "new_customers",
        "new_customers",
        Count,
        EventTime,
        false,
        Formula::Count(Measure::NewCustomers),
        "customers whose first purchase lies in the window",
        "By segment the first one there. A purchase that is told late, or taken back, moves its customer to another window."
    ),
    kpi!(
        Customers,
        "buying_customers",
        "buying_customers",
        Count,
        EventTime,
        false,
        Formula::Count(Measure::BuyingCustomers),
        "customers with a purchase in the window",
        "Each once, however often it bought: neither the sum of windows nor of segments."
    ),
    kpi!(
        Customers,
        "returning_customers",
        "returning_customers",
        Count,
        EventTime,
        false,
        Formula::Count(Measure::ReturningCustomers),
        "customers with a purchase in the window and one before it",
        "buying_customers less new_customers."
    ),
    kpi!(
        Customers,
        "repeat_customers",
        "repeat_customers",
        Count,
        Stock,
        false,
        Formula::Stock(Measure::RepeatCustomers),
        "customers that bought twice or more up to the window's end",
        "Two purchases on one day are two."
    ),
    kpi!(
        Customers,
        "repeat_purchase_rate",
        "repeat_customer_ratio",
        Ratio,
        Stock,
        false,
        written!("repeat_customers / customers"),
        "repeat_customers / customers",
        "Low while many customers are young: they had no time yet to come back."
    ),
    kpi!(
        Customers,
        "purchase_frequency",
        "purchases_per_customer_ratio",
        Ratio,
        EventTime,
        false,
        written!("purchases / buying_customers"),
        "purchases of known customers in the window / customers with a purchase in it",
        "At least 1, but for estimates."
    ),
    kpi!(
        Customers,
        "sales_per_customer",
        "sales_per_customer_amount",
        Money,
        EventTime,
        false,
        Formula::MoneyPer(
            Measure::PurchaseAmount,
            Measure::PurchasePriced,
            Measure::BuyingCustomers
        ),
        "amounts of the purchases of known customers in the window / customers with a purchase in it",
        "Refunds of orders and invoices are taken off. In the reporting currency; a customer of whom only amounts without a rate are known is among the customers all the same."
    ),
    kpi!(
        Customers,
        "customer_retention",
        "customer_retention_ratio",
        Ratio,
        EventTime,
        false,
        Formula::OfOpening(Measure::ReturningCustomers, Measure::Customers),
        "customers with a purchase in the window and one before it / customers at the window's start",
        "Of all that ever bought the share that bought again in the window. Customers at its start are never taken off, so it falls with the years: customer_churn_rate looks at the active ones. Absent in rolling windows up to 7 days, which begin within a day."
    ),
    kpi!(
        Customers,
        "active_customers",
        "active_customers",
        Count,
        Stock,
        false,
        Formula::Stock(Measure::ActiveCustomers),
        "customers with a purchase in the last customers.lapse_after up to the window's end",
        "Up to today in a window still running."
    ),
    kpi!(
        Customers,
        "customers_lapsed",
        "lapsed_customers",
        Count,
        EventTime,
        false,
        Formula::Count(Measure::LapsedCustomers),
        "customers whose last purchase was customers.lapse_after ago on a day of the window, and none since",
        "The day on which it had been so long. Whoever buys again later has lapsed all the same, and is active from then on. By whole days: a window of hours tells of its whole first day."
    ),
    kpi!(
        Customers,
        "customer_churn_rate",
        "customer_churn_ratio",
        Ratio,
        EventTime,
        false,
        Formula::OfOpening(Measure::LapsedCustomers, Measure::ActiveCustomers),
        "customers lapsed in the window / active customers at its start",
        "Churn without contracts; churn_rate is that of subscriptions. For windows up to customers.lapse_after: in longer ones those lapse too that came in the window. Absent in rolling windows up to 7 days."
    ),
    kpi!(
        Customers,
        "revenue_per_customer",
        "lifetime_revenue_per_customer_amount",
        Money,
        Stock,
        false,
        Formula::StockMoneyPer(
            Measure::LifetimeAmount,
            Measure::LifetimePriced,
            Measure::Customers
        ),
        "amounts of all purchases of known customers up to the window's end / customers",
        "Historic lifetime value, of revenue and not of margin; nothing is predicted. In the reporting currency at the rates of the days of purchase."
    ),
    kpi!(
        Customers,
        "customer_acquisition_cost",
        "customer_acquisition_cost_amount",
        Money,
        EventTime,
        false,
        Formula::MoneyPer(Measure::Spend, Measure::SpendPriced, Measure::NewCustomers),
        "spend in the window / new customers in the window",
        "CAC. The same window for both, though a customer may follow its spend by months. Absent without a new customer; the spend is its numerator."
    ),
    kpi!(
        Customers,
        "anonymous_purchases",
        "anonymous_purchases",
        Count,
        EventTime,
        false,
        Formula::Count(Measure::AnonymousPurchases),
        "purchases in the window without an account",
        "They are no customers in any of these numbers. Many of them mean that the source does not send accounts."
    ),
    kpi!(
        Distribution,
        "lost_cycle_length_mean",
        "lost_cycle_mean_seconds",
        Days,
        EventTime,
        false,
        Formula::MeanDays(Measure::CycleLost),
        "mean of civil days from the cycle's start to losing, deals lost in the window",
        "The start is that of `cycle_length_mean`. Beside it, it says how long what comes to nothing takes; deals that nobody marks lost are in neither."
    ),
    kpi!(
        Distribution,
        "lost_cycle_length_p50",
        "lost_cycle_p50_seconds",
        Days,
        EventTime,
        false,
        Formula::QuantileDays(Measure::CycleLost, 1, 2),
        "median of the same days, interpolated",
        "Exact, from a histogram of whole days."
    ),
    kpi!(
        Distribution,
        "lost_cycle_length_p90",
        "lost_cycle_p90_seconds",
        Days,
        EventTime,
        false,
        Formula::QuantileDays(Measure::CycleLost, 9, 10),
        "90th percentile of the same days, interpolated",
        "Exact, from a histogram of whole days."
    ),
    kpi!(
        Distribution,
        "deal_size_p50",
        "deal_size_p50_amount",
        Money,
        EventTime,
        false,
        Formula::QuantileMoney(1, 2),
        "median of the amounts of deals won in the window, interpolated",
        "Each amount is told within 1 %: it is counted in steps of 0.5 %, at the rate of its day where it is converted, and the roundest amount of a step is told. Deals without an amount are left out, not counted as 0; amounts of 0 and below count. A few large deals move `average_deal_size`, and not this."
    ),
    kpi!(
        Distribution,
        "deal_size_p90",
        "deal_size_p90_amount",
        Money,
        EventTime,
        false,
        Formula::QuantileMoney(9, 10),
        "90th percentile of the same amounts, interpolated",
        "Within 1 %, as the median."
    ),
];
