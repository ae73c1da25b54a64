//! How a history reaches the folds, and what must hold of the rows that come out.
#![allow(dead_code, reason = "each test program uses a part of it")]

use proptest::prelude::*;
use serde_json::Value;
use tidemark::model::customers::{CustomerRules, Purchase};
use tidemark::model::cycle::CycleStart;
use tidemark::model::definition::{Attribution, Definition};
use tidemark::model::time::Timestamp;
use tidemark::model::watermark::Heartbeat;
use tidemark::model::window::{Period, WindowKind};
use tidemark::rollup::Rollup;

use crate::flow::Flow;
use crate::oracle::{DAY, MONTH, Random, Rows, at, definition, deliver, is_blank, kpis_of, record};
use crate::recount::Question;

pub const SETS: &[&[&str]] = &[&[], &["rep"], &["territory"], &["territory", "channel"]];
pub const WINDOWS: &[WindowKind] = &[
    DAY,
    WindowKind::Calendar(Period::Week),
    MONTH,
    WindowKind::ToDate(Period::Month),
    WindowKind::RollingDays(28),
    WindowKind::RollingFine(288),
];
/// Short, so that customers lapse and come back.
const LAPSE_AFTER: i32 = 12;
pub const DAY_MINUTES: u32 = 24 * 60;
pub const HOUR: i64 = 3_600_000_000;
/// Four months from here hold a change of the clocks and cohorts of 90 days.
pub const START: &str = "2026-01-20T20:00:00Z";
pub const ZONES: [&str; 3] = ["Europe/Berlin", "America/Vancouver", "UTC"];

pub fn sales(zone: &str) -> Definition {
    definition(zone, "EUR", SETS, WINDOWS)
}

/// How the events reach the folds.
#[derive(Clone, Debug)]
pub struct Course {
    pub seed: u64,
    pub zone: usize,
    /// Days from the start to where the windows stand.
    pub days: i64,
    pub current: bool,
}

pub fn courses() -> impl Strategy<Value = Course> {
    // A cohort is of age after 90 days: one course in four reaches there.
    let days = prop_oneof![3 => 1i64..60, 1 => 90i64..220];
    (any::<u64>(), 0..ZONES.len(), days, any::<bool>())
        .prop_map(|(seed, zone, days, current)| Course { seed, zone, days, current })
}

impl Course {
    pub fn definition(&self) -> Definition {
        let attribution = match self.current {
            true => Attribution::Current,
            false => Attribution::AtEvent,
        };
        let customers = CustomerRules {
            by: if self.by_orders() { Purchase::Orders } else { Purchase::Deals },
            lapse_after: LAPSE_AFTER,
            ..CustomerRules::default()
        };
        let cycle_from = match self.cycle_field() {
            Some(_) => CycleStart::Field("first_contact_at".to_owned()),
            None => CycleStart::Created,
        };
        Definition { attribution, customers, cycle_from, ..sales(ZONES[self.zone]) }
    }

    fn cycle_field(&self) -> Option<&'static str> {
        (self.seed % 4 == 1).then_some("x.first_contact_at")
    }

    fn by_orders(&self) -> bool {
        self.seed.is_multiple_of(3)
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(at(START).0 + self.days * 24 * HOUR + (self.seed % 24) as i64 * HOUR)
    }

    pub fn question(&self) -> Question<'static> {
        Question {
            zone: ZONES[self.zone],
            currency: "EUR",
            settle: 300_000_000,
            sets: SETS,
            current: self.current,
            now: self.now().0,
            as_of: self.now().0 - HOUR,
            customers: (if self.by_orders() { "orders" } else { "deals" }, LAPSE_AFTER.into()),
            cycle_field: self.cycle_field(),
        }
    }

    pub fn beat(&self, watermark: Timestamp) -> Heartbeat {
        Heartbeat {
            topic: "sales".to_owned(),
            partition: 0,
            topology: vec![("sales".to_owned(), 1)],
            watermark,
            idle: false,
            next: 0,
            newest: Some(watermark),
            mark: None,
        }
    }

    pub fn last_beat(&self) -> Heartbeat {
        self.beat(Timestamp(self.now().0 - HOUR))
    }
}

/// Each event once, in order, read to the end, then published once.
pub fn plain(events: &[Value], course: &Course) -> Flow {
    plain_by(course.definition(), events, course)
}

/// The same, of another job.
pub fn plain_by(job: Definition, events: &[Value], course: &Course) -> Flow {
    let mut flow = Flow::new(job, at(START));
    for (i, event) in (0u64..).zip(events) {
        flow.accept(&record(i, event.to_string()));
    }
    flow.beat(&course.last_beat());
    flow.settle(course.now());
    flow
}

/// In any order, some twice, in arrays of any size, published and shown now and then on the way.
pub fn careless(events: &[Value], course: &Course) -> Flow {
    careless_by(course.definition(), events, course)
}

/// The same, of another job.
pub fn careless_by(job: Definition, events: &[Value], course: &Course) -> Flow {
    let mut random = Random::new(course.seed);
    let mut flow = Flow::new(job, at(START));
    let mut now = at(START);
    for source in deliver(events, 20, course.seed) {
        flow.accept(&source);
        if random.below(3) == 0 {
            flow.beat(&course.beat(Timestamp(now.0 - HOUR)));
        }
        if random.below(3) == 0 {
            let rest = (course.now().0 - now.0).max(1);
            now = Timestamp(now.0 + (random.next() % rest as u64) as i64 / 2);
            flow.settle(now);
        }
    }
    flow.beat(&course.last_beat());
    flow.settle(course.now());
    flow
}

/// What readers of the results topic hold is what the rollups would say now.
pub fn published_is_current(flow: &Flow) -> Result<(), TestCaseError> {
    let today = |row: &tidemark::model::row::Row| !matches!(row.kind, WindowKind::Calendar(_));
    let first = flow.rollups.iter().filter_map(Rollup::first_day).min();
    for rollup in &flow.rollups {
        let calendar = first.iter().flat_map(|day| rollup.calendar_rows(*day));
        for row in rollup.pane_rows(false).into_iter().chain(calendar) {
            let kpis = row.kpis_json();
            match flow.results.get(&row.key()) {
                Some(shown) => prop_assert_eq!(kpis_of(shown), &kpis, "{}", row.key()),
                // Days and windows before a segment's first have no row of their own.
                None => prop_assert!(
                    !today(&row) && only_follows(&kpis),
                    "{} was never shown: {}",
                    row.key(),
                    kpis
                ),
            }
        }
    }
    Ok(())
}

/// Whether nothing happened in a window: it may still have a stock, and a growth of -1.
pub fn only_follows(kpis: &str) -> bool {
    let mut kpis: Value = serde_json::from_str(kpis).expect("KPIs are JSON");
    let list = kpis.as_object_mut().expect("KPIs are an object");
    for name in [
        "open_deals",
        "open_pipeline",
        "revenue_growth",
        "revenue_growth_quarter",
        "revenue_growth_year",
        "order_revenue_growth",
        "order_revenue_growth_quarter",
        "order_revenue_growth_year",
        "active_subscriptions",
        "mrr",
        "churn_rate",
        "average_open_deal",
        "average_mrr",
        "retention_rate",
        "net_revenue_retention",
        "gross_revenue_retention",
        "sales_velocity",
        "pipeline_to_revenue",
        "customers",
        "repeat_customers",
        "repeat_purchase_rate",
        "customer_retention",
        "active_customers",
        "customers_lapsed",
        "customer_churn_rate",
        "revenue_per_customer",
    ] {
        list.remove(name);
    }
    is_blank(&kpis.to_string())
}

/// A number of a row as an exact decimal of twelve places.
pub fn exact(kpis: &Value, kpi: &str) -> i128 {
    let text = kpis[kpi]["value"].to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    let digits = format!("{}{part:0<12}", whole.trim_start_matches('-'));
    sign * digits.parse::<i128>().unwrap_or_else(|e| panic!("{text}: {e}"))
}

pub const COUNTS: [&str; 13] = [
    "leads_created",
    "deals_created",
    "deals_won",
    "deals_lost",
    "open_deals",
    "activities_done",
    "activities_due",
    "orders_paid",
    "invoices_paid",
    "touches",
    "subscriptions_started",
    "subscriptions_ended",
    "active_subscriptions",
];
/// Stocks first.
pub const ADDITIVE: [&str; 25] = [
    "open_deals",
    "open_pipeline",
    "active_subscriptions",
    "mrr",
    "leads_created",
    "deals_created",
    "deals_won",
    "deals_lost",
    "revenue",
    "activities_done",
    "calls",
    "activities_due",
    "order_revenue",
    "invoice_refunds",
    "spend",
    "ad_clicks",
    "nps_promoters",
    "touches",
    "subscriptions_started",
    "subscriptions_ended",
    "churned_mrr",
    "expansion_mrr",
    "contraction_mrr",
    "revenue_at_close",
    "amended_revenue",
];
const STOCKS: usize = 4;

pub type Window = (String, String, String);
pub type Sums = std::collections::BTreeMap<(Window, Vec<String>), [i128; ADDITIVE.len()]>;

pub fn sums(rows: &Rows) -> Sums {
    let mut out = Sums::new();
    for ((kind, start, end, segment), kpis) in &rows.0 {
        let kpis: Value = serde_json::from_str(kpis).expect("KPIs are JSON");
        let parts: Value = serde_json::from_str(segment).expect("a segment is JSON");
        let set = parts.as_object().expect("an object").keys().cloned().collect();
        let window = (kind.clone(), start.clone(), end.clone());
        let sum = out.entry((window, set)).or_default();
        for (n, kpi) in sum.iter_mut().zip(ADDITIVE) {
            *n += exact(&kpis, kpi);
        }
    }
    out
}

pub fn sums_hold(rows: &Rows) -> Result<(), TestCaseError> {
    for (name, kpis) in &rows.0 {
        let kpis: Value = serde_json::from_str(kpis).expect("KPIs are JSON");
        for count in COUNTS {
            prop_assert!(exact(&kpis, count) >= 0, "{name:?} {count} {}", kpis[count]);
        }
        for kpi in kpis.as_object().expect("an object").values() {
            prop_assert!(kpi["n"].as_i64() >= Some(0), "{name:?} {kpi}");
        }
    }
    let sums = sums(rows);
    for ((window, set), sum) in &sums {
        let whole = sums.get(&(window.clone(), Vec::new()));
        prop_assert_eq!(Some(sum), whole, "{:?} {:?}", window, set);
    }
    Ok(())
}

/// The flows of a month's days sum to the month, and each day begins where the last one ended.
pub fn days_sum_to_months(rows: &Rows) -> Result<(), TestCaseError> {
    let sums = sums(rows);
    let flows = |s: &[i128; ADDITIVE.len()]| s[STOCKS..].to_vec();
    for (((kind, start, end), set), month) in &sums {
        if kind != "month" {
            continue;
        }
        let mut days: Vec<_> = sums
            .iter()
            .filter(|((w, s), _)| w.0 == "day" && s == set && w.1 >= *start && w.2 <= *end)
            .collect();
        // Text sorts like time: all instants are whole seconds in UTC.
        days.sort_by(|a, b| a.0.cmp(b.0));
        for pair in days.windows(2) {
            prop_assert_eq!(&pair[0].0.0.2, &pair[1].0.0.1);
        }
        let mut total = vec![0; ADDITIVE.len() - STOCKS];
        for (_, day) in &days {
            total.iter_mut().zip(flows(day)).for_each(|(t, n)| *t += n);
        }
        // Of the month in progress the days up to today have rows.
        let whole = days.last().is_some_and(|d| d.0.0.2 == *end);
        prop_assert!(!whole || total == flows(month), "{start} {set:?}: {total:?} {month:?}");
    }
    Ok(())
}
