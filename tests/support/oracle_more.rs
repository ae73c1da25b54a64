//! The recount of what is neither lead nor deal: which marks one entity leaves, and what the marks
//! of a window say. Like the rest of the recount it shares no code with the pipeline.
#![allow(dead_code, reason = "each test program uses a part of it")]

#[path = "oracle_customers.rs"]
pub mod customers;
#[path = "oracle_retention.rs"]
mod retention;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::Value;

use crate::recount::{Clock, Credit, Facts, History, Holding, Money, Place, money};
pub use retention::Kept;

/// Something that counts at a moment: how much (in hundredths), and of which currency.
pub struct Mark {
    pub at: i64,
    pub credit: Credit,
    pub what: String,
    pub n: i128,
    pub currency: Option<String>,
    /// The day on which that began which ended.
    pub began: Option<Date>,
}

/// One entity, as far as its kind does not matter.
pub struct Life<'a> {
    pub history: &'a History,
    pub clock: &'a Clock,
    pub first: Place,
    pub birth: Option<Place>,
    pub created: Option<i64>,
    pub credit_at: &'a dyn Fn(Place) -> Credit,
}

impl Life<'_> {
    pub fn count(&self, kind: &str, id: &str, by: &str, out: &mut Facts) {
        match kind {
            "activity" => self.activity(out),
            "order" | "invoice" => self.payment(kind, by, out),
            "campaign_day" => self.campaign_day(id, out),
            "touch" => self.touch(out),
            "survey_response" => self.survey(out),
            "subscription" => self.subscription(out),
            other => panic!("no such kind: {other}"),
        }
    }

    fn now(&self, field: &str) -> Option<&Value> {
        self.history.last(field).map(|(_, v)| v)
    }

    fn time(&self, field: &str) -> Option<i64> {
        self.now(field).and_then(|v| self.clock.read(v))
    }

    fn word(&self, field: &str) -> String {
        self.now(field).and_then(Value::as_str).unwrap_or("").to_lowercase()
    }

    /// The first write of the last run of such values.
    fn run(&self, field: &str, such: impl Fn(&Value) -> bool) -> Option<Place> {
        let writes: Vec<_> = self.history.fields.get(field)?.iter().collect();
        let behind = writes.iter().rposition(|(_, v)| !such(v)).map_or(0, |i| i + 1);
        writes.get(behind).map(|(place, _)| **place)
    }

    fn activity(&self, out: &mut Facts) {
        let done = match self.now("done") {
            Some(Value::Bool(true)) => self.run("done", |v| *v == true),
            Some(Value::Bool(false)) => None,
            _ => self.run("done_at", Value::is_string),
        };
        if let Some(place) = done {
            let stated = self.history.last("done_at").filter(|(p, _)| p.0 >= place.0);
            let at = stated.and_then(|(_, v)| self.clock.read(v)).unwrap_or(place.2);
            let (kind, credit) = (self.word("kind"), (self.credit_at)(place));
            out.mark(at, &credit, format!("done {kind}"), 100, None);
            let seconds = self.now("duration_s").and_then(hundredths).filter(|_| kind == "call");
            if let Some(seconds) = seconds {
                out.mark(at, &credit, "seconds", seconds, None);
            }
        }
        let Some(planned) = self.time("planned_at") else { return };
        if self.word("outcome") == "rescheduled" {
            return;
        }
        let value = self.now("planned_at").cloned();
        let first = *self.history.fields["planned_at"].keys().next().expect("a write");
        let born = self.created.unwrap_or(self.first.2);
        let later = self.clock.day(planned) > self.clock.day(born);
        if done.is_some_and(|place| place <= first) && !later {
            return;
        }
        let place = self.run("planned_at", |v| Some(v) == value.as_ref()).expect("the newest");
        let credit = (self.credit_at)(place);
        out.mark(planned, &credit, "due", 100, None);
        if done.is_some() {
            out.mark(planned, &credit, "kept", 100, None);
        }
    }

    fn payment(&self, kind: &str, by: &str, out: &mut Facts) {
        let Some(at) = self.time("paid_at") else { return };
        let place = self.run("paid_at", Value::is_string).expect("the newest");
        let credit = (self.credit_at)(place);
        out.mark(at, &credit, format!("{kind} paid"), 100, None);
        if by.strip_suffix('s') == Some(kind) {
            let said = ["account", "customer", "amount", "refunded"].map(|field| self.now(field));
            out.buy(at, credit.clone(), said);
        }
        let parts = ["amount", "discount"].map(|field| self.now(field).and_then(money));
        if let ("order", [Some((amount, of)), Some((off, same))]) = (kind, parts)
            && of == same
        {
            out.mark(at, &credit, "sold", amount, Some(of.clone()));
            out.mark(at, &credit, "listed", amount + off, Some(of));
        }
        for (field, what) in [("amount", "amount"), ("refunded", "refunded")] {
            let sum = self.now(field).and_then(money);
            if let Some((n, currency)) = sum.filter(|s| field == "amount" || s.0 != 0) {
                out.mark(at, &credit, format!("{kind} {what}"), n, Some(currency));
            }
        }
    }

    fn campaign_day(&self, id: &str, out: &mut Facts) {
        let named = id.rsplit('/').next().and_then(|day| day.parse::<Date>().ok());
        let happened = self.created.unwrap_or(self.first.2);
        let at = named.map_or(happened, |day| self.clock.date(day));
        let credit = self.history.credit([i64::MAX; 2], None);
        out.mark(at, &credit, "campaign day", 100, None);
        if let Some((n, currency)) = self.now("spend").and_then(money) {
            out.mark(at, &credit, "spend", n, Some(currency));
        }
        for field in ["impressions", "clicks", "conversions"] {
            if let Some(n) = self.now(field).and_then(hundredths) {
                out.mark(at, &credit, field, n, None);
            }
        }
    }

    fn happened(&self) -> (i64, Credit) {
        let at = self.created.unwrap_or(self.first.2);
        (at, (self.credit_at)(self.birth.unwrap_or(self.first)))
    }

    fn touch(&self, out: &mut Facts) {
        let (at, credit) = self.happened();
        out.mark(at, &credit, format!("touch {}", self.word("kind")), 100, None);
    }

    fn survey(&self, out: &mut Facts) {
        let (at, credit) = self.happened();
        let Some(score) = self.now("score").and_then(hundredths) else { return };
        let (metric, usual) = match self.word("metric").as_str() {
            "nps" => ("nps", 1000),
            "csat" => ("csat", 500),
            "ces" => ("ces", 700),
            _ => return,
        };
        let top = self.now("scale_max").and_then(hundredths).unwrap_or(usual);
        if score < 0 || score > top {
            return;
        }
        let share = score as f64 / top as f64;
        let grade = match metric {
            "nps" if share >= 0.9 => "promoter",
            "nps" if share <= 0.6 => "detractor",
            "nps" => "passive",
            "csat" if score == top || (top > 200 && score >= top - 100) => "top",
            "csat" => "other",
            _ => "score",
        };
        out.mark(at, &credit, format!("{metric} {grade}"), score, None);
    }

    fn subscription(&self, out: &mut Facts) {
        const WAITING: [&str; 2] = ["trialing", "incomplete"];
        const OVER: [&str; 2] = ["canceled", "expired"];
        let is = |list: &[&str], v: &Value| v.as_str().is_some_and(|s| list.contains(&s));
        let waits = |v: &Value| is(&WAITING, v);
        if self.now("status").is_some_and(waits) {
            return;
        }
        let mut start = self.time("started_at").or(self.created).unwrap_or(self.first.2);
        let stated = self.time("started_at").and_then(|_| self.run("started_at", Value::is_string));
        let mut begun = stated.or(self.birth).unwrap_or(self.first);
        let waited = self.history.fields.get("status").is_some_and(|w| w.values().any(waits));
        if waited {
            begun = self.run("status", |v| !waits(v)).expect("the newest does not wait");
            start = start.max(begun.2);
        }
        let ended = match self.time("ended_at") {
            Some(at) => self.run("ended_at", Value::is_string).map(|place| (place, at)),
            None => {
                let over = self.now("status").is_some_and(|v| is(&OVER, v));
                let place = self.run("status", |v| is(&OVER, v)).filter(|_| over);
                place.map(|place| (place, place.2))
            }
        };
        let ended = ended.map(|(place, at)| (place, at.max(start)));
        let prices: Vec<(Place, Option<Money>)> = match self.history.fields.get("mrr") {
            Some(writes) => writes.iter().map(|(p, v)| (*p, money(v))).collect(),
            None => Vec::new(),
        };
        let credit = (self.credit_at)(begun);
        out.mark(start, &credit, "started", 100, None);
        let then = prices.iter().rev().find(|p| p.0.0 <= begun.0).and_then(|p| p.1.clone());
        let since = || prices.iter().filter(|p| p.0 > begun).find_map(|p| p.1.clone());
        let first = then.or_else(since);
        if let Some((n, currency)) = first.clone() {
            out.mark(start, &credit, "new mrr", n, Some(currency));
        }
        self.running(begun, start, ended.map(|e| e.1), out);
        if let Some((place, at)) = ended {
            let credit = (self.credit_at)(place);
            out.mark(at, &credit, "ended", 100, None);
            out.marks.last_mut().expect("just marked").began = Some(self.clock.day(start));
            let ran = out.running.iter().rev().find_map(|(_, held)| held.as_ref());
            let lost = ran.and_then(|(_, price)| price.clone());
            if let Some((n, currency)) = lost.or(first) {
                out.mark(at, &credit, "churned mrr", n, Some(currency));
            }
        }
    }

    /// From which day on it runs, for whom and for how much.
    fn running(&self, begun: Place, start: i64, end: Option<i64>, out: &mut Facts) {
        let fields = ["rep", "territory", "channel", "mrr"];
        let written = fields.iter().filter_map(|f| self.history.fields.get(*f));
        let mut places: Vec<Place> = written.flat_map(|f| f.keys().copied()).collect();
        places.retain(|place| *place > begun);
        places.push(begun);
        places.sort_unstable();
        places.dedup();
        let mut now = start;
        let mut was: Option<Money> = None;
        for place in places {
            let at = if place == begun { start } else { place.2 };
            now = now.max(at);
            if end.is_none_or(|end| now < end) {
                let price = self.history.as_of("mrr", place.0).and_then(money);
                let credit = self.history.credit(place.0, None);
                let both = was.as_ref().zip(price.as_ref()).filter(|(a, b)| a.1 == b.1);
                if let Some((old, new)) = both.filter(|(a, b)| a.0 != b.0) {
                    let what = if new.0 > old.0 { "expansion mrr" } else { "contraction mrr" };
                    out.mark(now, &credit, what, (new.0 - old.0).abs(), Some(new.1.clone()));
                }
                was = price.clone();
                out.running.push((self.clock.day(now), Some((credit, price))));
            }
        }
        out.running.extend(end.map(|end| (self.clock.day(end), None)));
    }
}

impl Facts {
    fn mark(
        &mut self,
        at: i64,
        credit: &Credit,
        what: impl Into<String>,
        n: i128,
        currency: Option<String>,
    ) {
        let (credit, what) = (credit.clone(), what.into());
        self.marks.push(Mark { at, credit, what, n, currency, began: None });
    }

    /// What runs at the end of a day.
    pub fn runs(&self, day: Date) -> Option<&Holding> {
        self.running.iter().rev().find(|(since, _)| *since <= day)?.1.as_ref()
    }
}

fn hundredths(value: &Value) -> Option<i128> {
    let n = value.as_f64()?;
    Some((n * 100.0).round() as i128)
}

/// A KPI as counted: value and how many things are behind it.
type Counted = (Option<f64>, i128);

/// The marks of one window and segment, and what the other kinds' numbers are divided by.
pub struct Marks<'a> {
    pub marks: Vec<&'a Mark>,
    pub currency: &'a str,
    pub first_day: Date,
    pub leads: i128,
    pub deals: i128,
    pub won: i128,
    /// Revenue of the window, and how many amounts it is of.
    pub revenue: (f64, i128),
    /// Active at the window's start.
    pub opening: i128,
    /// Active at its end.
    pub closing: Vec<&'a Holding>,
    /// Revenue of its start; of windows of whole days only.
    pub kept: Option<Kept>,
}

impl Marks<'_> {
    fn of(&self, what: &str) -> (f64, i128) {
        let own = |m: &&&Mark| m.currency.as_deref().is_none_or(|c| c == self.currency);
        let of: Vec<_> =
            self.marks.iter().filter(|m| m.what.starts_with(what)).filter(own).collect();
        (of.iter().map(|m| m.n).sum::<i128>() as f64 / 100.0, of.len() as i128)
    }

    fn count(&self, what: &str) -> Counted {
        let n = self.of(what).1;
        (Some(n as f64), n)
    }

    fn sum(&self, what: &str) -> Counted {
        let (sum, n) = self.of(what);
        (Some(sum), n)
    }

    pub fn kpis(&self, out: &mut BTreeMap<&'static str, Counted>) {
        for (kpi, what) in COUNTS {
            out.insert(kpi, self.count(what));
        }
        for (kpi, what) in SUMS {
            out.insert(kpi, self.sum(what));
        }
        let n = |what: &str| self.of(what).1;
        let (seconds, timed) = self.of("seconds");
        out.insert("call_minutes", (Some(seconds / 60.0), timed));
        out.insert("completion_rate", (ratio(n("kept") as f64, n("due") as f64), n("due")));
        for (kpi, kind) in [("order_revenue", "order"), ("invoice_revenue", "invoice")] {
            let (sum, priced) = self.of(&format!("{kind} amount"));
            out.insert(kpi, (Some(sum - self.of(&format!("{kind} refunded")).0), priced));
        }
        let (sum, priced) = self.of("order amount");
        out.insert("average_order_value", (ratio(sum, priced as f64), priced));
        out.insert("refund_share", (share_of(self.of("order refunded").0, sum), priced));
        let (list, listed) = self.of("listed");
        out.insert("price_realization", (share_of(self.of("sold").0, list), listed));
        let days = n("campaign day");
        for (kpi, what) in [
            ("ad_impressions", "impressions"),
            ("ad_clicks", "clicks"),
            ("ad_conversions", "conversions"),
        ] {
            out.insert(kpi, (Some(self.of(what).0), days));
        }
        let (spend, priced) = self.of("spend");
        let clicks = self.of("clicks").0;
        for (kpi, den) in [
            ("cost_per_click", clicks),
            ("cost_per_lead", self.leads as f64),
            ("cost_per_opportunity", self.deals as f64),
            ("cost_per_conversion", self.of("conversions").0),
            ("cost_per_subscription", n("started") as f64),
            ("cost_per_sale", self.won as f64),
        ] {
            out.insert(kpi, (ratio(spend, den).filter(|_| priced > 0), den as i128));
        }
        out.insert("roi", (share_of(self.revenue.0 - spend, spend), self.revenue.1));
        let answers = n("nps");
        let points = 100 * (n("nps promoter") - n("nps detractor"));
        out.insert("nps", (ratio(points as f64, answers as f64), answers));
        out.insert("csat", (ratio(n("csat top") as f64, n("csat") as f64), n("csat")));
        let (effort, asked) = self.of("ces");
        out.insert("ces", (ratio(effort, asked as f64), asked));
        let (clicked, opened) = (n("touch click"), n("touch open"));
        out.insert("click_to_open", (ratio(clicked as f64, opened as f64), opened));
        let old = |m: &&&Mark| m.began.is_some_and(|day| day < self.first_day);
        let lost = self.marks.iter().filter(old).count() as f64;
        out.insert("churn_rate", (ratio(lost, self.opening as f64), self.opening));
        let active = self.closing.len() as i128;
        out.insert("active_subscriptions", (Some(active as f64), active));
        let own = self.closing.iter().filter_map(|h| h.1.as_ref());
        let own: Vec<i128> = own.filter(|m| m.1 == self.currency).map(|m| m.0).collect();
        let mrr = own.iter().sum::<i128>() as f64 / 100.0;
        out.insert("mrr", (Some(mrr), own.len() as i128));
        let kept = self.kept.as_ref();
        for (kpi, change) in [
            ("net_revenue_retention", kept.map_or(0, |k| k.net)),
            ("gross_revenue_retention", kept.map_or(0, |k| -k.lost)),
        ] {
            let (start, n) = kept.map_or((0, 0), |k| (k.start, k.n));
            out.insert(kpi, (share_of((start + change) as f64, start as f64), n));
        }
        self.made_of_others(out);
    }

    /// What is written in the catalogue as a formula over others, from the marks themselves.
    fn made_of_others(&self, out: &mut BTreeMap<&'static str, Counted>) {
        let n = |what: &str| self.of(what).1;
        let per = |a: i128, b: i128| (ratio(a as f64, b as f64), b);
        let (seconds, timed) = self.of("seconds");
        out.insert("average_call_minutes", (ratio(seconds / 60.0, timed as f64), timed));
        let (value, of) = per(n("done "), self.won);
        out.insert("activities_per_win", (value.filter(|value| *value > 0.0), of));
        out.insert("wins_per_meeting", per(self.won, n("done meeting")));
        out.insert("wins_per_demo", per(self.won, n("done demo")));
        out.insert("meetings_per_call", per(n("done meeting"), n("done call")));
        let done = n("done ");
        out.insert("revenue_per_activity", (ratio(self.revenue.0, done as f64), done));
        let (clicks, shown) = (self.of("clicks").0, self.of("impressions").0);
        out.insert("click_through_rate", (ratio(clicks, shown), n("campaign day")));
        let ((revenue, deals), (spend, days)) = (self.revenue, self.of("spend"));
        out.insert("revenue_after_spend", (Some(revenue - spend), deals + days));
        out.insert("return_on_ad_spend", (share_of(revenue, spend), days));
        out.insert("reply_to_open", per(n("touch reply"), n("touch open")));
        let moves = ["new mrr", "expansion mrr", "contraction mrr", "churned mrr"];
        let [new, more, less, gone] = moves.map(|what| self.of(what));
        let net = new.0 + more.0 - less.0 - gone.0;
        out.insert("net_new_mrr", (Some(net), new.1 + more.1 + less.1 + gone.1));
        let (mrr, priced) = out["mrr"];
        out.insert("average_mrr", (mrr.and_then(|mrr| ratio(mrr, priced as f64)), priced));
        let (churned, opening) = out["churn_rate"];
        out.insert("retention_rate", (churned.map(|share| 1.0 - share), opening));
    }
}

/// A share of a whole that is above 0.
pub fn share_of(part: f64, whole: f64) -> Option<f64> {
    ratio(part, whole).filter(|_| whole > 0.0)
}

fn ratio(num: f64, den: f64) -> Option<f64> {
    (den != 0.0).then(|| num / den)
}

const COUNTS: [(&str, &str); 19] = [
    ("activities_done", "done "),
    ("calls", "done call"),
    ("emails", "done email"),
    ("meetings", "done meeting"),
    ("tasks", "done task"),
    ("demos", "done demo"),
    ("activities_due", "due"),
    ("orders_paid", "order paid"),
    ("invoices_paid", "invoice paid"),
    ("nps_promoters", "nps promoter"),
    ("nps_detractors", "nps detractor"),
    ("touches", "touch "),
    ("opens", "touch open"),
    ("clicks", "touch click"),
    ("replies", "touch reply"),
    ("visits", "touch visit"),
    ("forms", "touch form"),
    ("subscriptions_started", "started"),
    ("subscriptions_ended", "ended"),
];

const SUMS: [(&str, &str); 7] = [
    ("order_refunds", "order refunded"),
    ("invoice_refunds", "invoice refunded"),
    ("spend", "spend"),
    ("new_mrr", "new mrr"),
    ("churned_mrr", "churned mrr"),
    ("expansion_mrr", "expansion mrr"),
    ("contraction_mrr", "contraction mrr"),
];
