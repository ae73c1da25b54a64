//! One deal's life in the words of a system, through the same folds as in a running pipeline.

use tidemark::config::Config;
use tidemark::model::row::Row;
use tidemark::model::source::System;
use tidemark::replay::Replay;

use crate::{decoder, now, record};

fn file(path: &str) -> String {
    let path = format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

const CONFIG: &str = r#"
[time]
zone = "UTC"
[money]
currency = "EUR"
[windows]
rolling = []
calendar = ["month"]
to_date = []
[kpis]
groups = ["deals", "orders"]
[segments]
sets = ["overall", "rep"]
[[stages.stage]]
system = "hubspot"
stage = "appointmentscheduled"
status = "open"
[[stages.stage]]
system = "hubspot"
stage = "closedwon"
status = "won"
"#;

/// The last rows of March: overall and of one rep.
fn march_of(system: System, texts: &[String], rep: &str) -> (String, String) {
    let config = Config::from_toml(CONFIG, "life.toml", std::iter::empty()).unwrap();
    let mut replay = Replay::new(config.definition.clone(), decoder(system), now());
    for text in texts {
        assert_eq!(replay.feed(&record(text)), []);
    }
    let mut rows: Vec<Row> = Vec::new();
    replay.finish(|row| rows.push(row));
    let of = |segment: &str| {
        let has = |row: &&String| row.contains("\"start\":\"2026-03-01") && row.contains(segment);
        let texts: Vec<String> = rows.iter().map(Row::to_json).collect();
        texts.iter().find(has).cloned().unwrap_or_default()
    };
    (of("\"segment\":{}"), of(&format!("\"segment\":{{\"rep\":\"{rep}\"}}")))
}

fn march(texts: &[String], rep: &str) -> (String, String) {
    march_of(System::HubSpot, texts, rep)
}

/// The number of a KPI in a row.
fn kpi(row: &str, name: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(row).unwrap();
    value["kpis"][name]["value"].to_string()
}

fn fixture() -> String {
    file("hubspot/v3_deal_life.json")
}

fn stage(name: &str, at: i64) -> String {
    format!(
        r#"{{"subscriptionType":"deal.propertyChange","portalId":600001,"objectId":9036839888,
            "occurredAt":{at},"propertyName":"dealstage","propertyValue":"{name}"}}"#
    )
}

#[test]
fn a_hubspot_deal_is_won_by_the_stage_table() {
    let (overall, rep) = march(&[fixture()], "801122330");
    assert_eq!(kpi(&overall, "deals_created"), "1");
    assert_eq!(kpi(&overall, "deals_won"), "1");
    assert_eq!(kpi(&overall, "revenue"), "50000.1");
    assert_eq!(kpi(&rep, "revenue"), "50000.1");
}

#[test]
fn the_batch_may_come_in_any_order_and_apart() {
    let whole = march(&[fixture()], "801122330");
    let text = fixture();
    let elements: Vec<&serde_json::value::RawValue> = serde_json::from_str(&text).unwrap();
    let mut apart: Vec<String> = elements.iter().map(|e| e.get().to_owned()).collect();
    apart.reverse();
    let strip = |row: &str| serde_json::from_str::<serde_json::Value>(row).unwrap()["kpis"].clone();
    let reversed = march(&apart, "801122330");
    assert_eq!((strip(&whole.0), strip(&whole.1)), (strip(&reversed.0), strip(&reversed.1)));
}

#[test]
fn a_hubspot_deal_that_is_reopened_is_won_no_more() {
    let reopened = stage("appointmentscheduled", 1_772_701_200_000);
    let (overall, rep) = march(&[fixture(), reopened.clone()], "801122330");
    assert_eq!(
        (kpi(&overall, "deals_won"), kpi(&overall, "deals_created")),
        ("0".into(), "1".into())
    );
    assert_eq!(kpi(&rep, "open_deals"), "1");
    // The reopening may come before what it takes back.
    let (late, _) = march(&[reopened, fixture()], "801122330");
    assert_eq!(kpi(&late, "deals_won"), "0");
}

/// A charge tells nothing of its invoice since version 2025-03-31 of Stripe's API.
#[test]
fn what_pays_an_invoice_of_stripe_is_no_order_whatever_comes_first() {
    let text = file("stripe/basil.json");
    let elements: Vec<&serde_json::value::RawValue> = serde_json::from_str(&text).unwrap();
    for first in 0..elements.len() {
        let mut apart: Vec<String> = elements.iter().map(|e| e.get().to_owned()).collect();
        apart.rotate_left(first);
        for texts in [apart.clone(), apart.iter().rev().cloned().collect()] {
            let (overall, _) = march_of(System::Stripe, &texts, "none");
            let told = ["orders_paid", "order_refunds", "invoices_paid", "invoice_refunds"]
                .map(|name| kpi(&overall, name));
            assert_eq!(told, ["0", "0", "1", "25"], "{texts:?}");
        }
    }
}
