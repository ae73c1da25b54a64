//! What the made-up company of the demo does not do: activities, orders, spend, surveys, touches and
//! subscriptions, so that every KPI of the catalogue has a value somewhere.

use serde_json::{Value, json};
use tidemark::clock::wall_ms;
use tidemark::model::time::{Span, Timestamp};

/// An instance with all groups of KPIs, beside the demo.
pub const CONFIG: &str = r#"
[app]
name = "kinds"
[topology]
shards = 1
partitions = 1
[[sources]]
name = "crm"
topics = ["sales.events"]
[windows]
rolling = ["28d"]
calendar = ["month"]
[segments]
sets = ["overall", "rep", "territory", "channel"]
[money]
currency = "EUR"
[[stages.stage]]
stage = "talk"
status = "open"
[kpis]
groups = ["GROUPS"]
[calendar]
working_days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
[[targets.target]]
kpi = "revenue"
value = "90000"
period = "month"
[[alerts.receivers]]
name = "chat"
type = "slack"
url = "http://127.0.0.1:9/services/x"
[http]
listen = "127.0.0.1:0"
"#;

/// So many days ago.
fn ago(days: i64) -> String {
    (Timestamp::from_millis(wall_ms()) - Span::days(days)).to_string()
}

fn eur(value: &str) -> Value {
    json!({ "value": value, "currency": "EUR" })
}

fn event(kind: &str, id: u32, op: &str, days: i64, mut set: Value) -> String {
    for (field, value) in [("owner", "r-1"), ("territory", "north"), ("channel", "web")] {
        if set[field].is_null() {
            set[field] = value.into();
        }
    }
    let (name, time) = (format!("{kind}-{id}"), ago(days));
    let entity = json!({ "type": kind, "id": name });
    json!({ "id": format!("{name}-{days}"), "entity": entity, "op": op, "time": time, "set": set })
        .to_string()
}

/// Events of every kind, one a line.
pub fn events() -> String {
    let mut all = Vec::new();
    let deals = [
        (1, 9, 3, "won", "acme"),
        (2, 9, 2, "lost", "acme"),
        (3, 50, 40, "won", "acme"),
        (5, 8, 5, "won", "bolt"),
        // The same windows of a quarter and of a year ago.
        (6, 105, 100, "won", "acme"),
        (7, 380, 370, "won", "acme"),
    ];
    for (id, born, end, status, account) in deals {
        let set = json!({ "amount": eur("900.00"), "account": account, "stage": "talk" });
        all.push(event("deal", id, "create", born, set));
        all.push(event("deal", id, "update", end, json!({ "status": status })));
    }
    all.push(event("deal", 1, "update", 1, json!({ "amount": eur("950.00") })));
    all.push(event("deal", 4, "create", 4, json!({ "amount": eur("700.00") })));
    // 300 bytes, more than a label may have: cut, or the whole scrape would be refused.
    let long = json!({ "amount": eur("800.00"), "territory": "東".repeat(100) });
    all.push(event("deal", 8, "create", 4, long));
    all.push(event("lead", 1, "create", 5, json!({})));
    all.push(event("lead", 1, "update", 4, json!({ "responded_at": ago(4) })));
    all.push(event("lead", 1, "update", 3, json!({ "converted_deal": "deal-1" })));
    for (kind, id) in ["call", "email", "meeting", "task", "demo"].into_iter().zip(1..) {
        let done = json!({ "kind": kind, "done": true, "done_at": ago(4), "duration_s": 600 });
        all.push(event("activity", id, "snapshot", 4, done));
    }
    let planned = json!({ "kind": "task", "done": false, "planned_at": ago(4) });
    all.push(event("activity", 9, "create", 6, planned));
    all.push(event("activity", 9, "update", 4, json!({ "done": true, "done_at": ago(4) })));
    let paid = json!({ "amount": eur("120.00"), "refunded": eur("20.00"), "paid_at": ago(4) });
    all.push(event("order", 1, "snapshot", 4, paid));
    let day = json!({ "spend": eur("50.00"), "impressions": 1000, "clicks": 40, "conversions": 3 });
    all.push(event("campaign_day", 1, "snapshot", 4, day));
    for ((metric, score, top), id) in
        [("nps", 10, 10), ("csat", 5, 5), ("ces", 6, 7)].into_iter().zip(1..)
    {
        let answer = json!({ "metric": metric, "score": score, "scale_max": top });
        all.push(event("survey_response", id, "snapshot", 4, answer));
    }
    for (kind, id) in ["open", "click", "reply", "visit", "form"].into_iter().zip(1..) {
        all.push(event("touch", id, "snapshot", 4, json!({ "kind": kind })));
    }
    let runs = |days| json!({ "mrr": eur("100.00"), "started_at": ago(days) });
    all.push(event("subscription", 1, "snapshot", 40, runs(40)));
    all.push(event("subscription", 2, "snapshot", 5, runs(5)));
    let mut ended = runs(50);
    ended["ended_at"] = ago(3).into();
    all.push(event("subscription", 3, "snapshot", 3, ended));
    all.join("\n") + "\n"
}
