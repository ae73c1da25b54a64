//! The forecast that reads what is open by stage.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::Value;
use tidemark::model::row::Row;
use tidemark::model::time::Timestamp;
use tidemark::model::window::{Period, WindowKind};

use super::fixture::{Sales, at, row, state};
use super::json;

const DAY: WindowKind = WindowKind::Calendar(Period::Day);

/// Each weekday 300 euros, and 10,000 open in the stage of which 8 of 20 visits were won.
fn rows(funnel: bool) -> (Vec<Row>, BTreeMap<String, f64>) {
    let (first, last) = (at("2025-04-27T10:00:00Z"), at("2026-03-20T10:00:00Z"));
    let days = (last.0 - first.0) / 86_400_000_000;
    let mut weekdays: BTreeMap<String, f64> = BTreeMap::new();
    let mut rows = Vec::new();
    for day in (0..=days).filter(|day| (day + 6) % 7 < 5) {
        let day = Timestamp(first.0 + day * 86_400_000_000);
        *weekdays.entry(day.to_string()[..7].to_owned()).or_default() += 1.0;
        let sales = Sales { won: 3, lost: 1, revenue: 300, cycle: 3, ..Sales::default() };
        let mut whole = row(DAY, day, &[], sales);
        whole.funnel = whole.funnel.filter(|_| funnel);
        rows.push(whole);
        let open = Sales { open: 40, pipeline: 10_000, ..Sales::default() };
        rows.push(row(DAY, day, &[("stage", "6120")], open));
        rows.push(row(DAY, day, &[("territory", "West")], sales));
    }
    (rows, weekdays)
}

fn of<'b>(body: &'b Value, list: &str) -> &'b Value {
    let all = body[list].as_array().unwrap().iter();
    all.clone().find(|m| m["method"] == "weighted_pipeline").unwrap_or(&Value::Null)
}

#[tokio::test]
async fn what_is_open_counts_by_what_came_of_it_before() {
    let (rows, mut weekdays) = rows(true);
    let state = state(&rows);
    let (status, body) = json(&state, "/api/v1/forecast?window=month&kpi=revenue").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    // 14 of the 22 working days of March are over.
    for cut in ["2025-04", "2026-03"] {
        weekdays.remove(cut).unwrap();
    }
    let rest: f64 = weekdays.values().map(|n| (n - (n * 14.0 / 22.0).round()) * 300.0).sum();
    let weighted = 0.4 * 10_000.0;
    let value = 14.0 * 300.0 + rest / (weekdays.len() as f64 * weighted) * weighted;
    let told = of(&body, "forecasts");
    assert!((told["value"].as_f64().unwrap() - value).abs() < 1e-6, "{value}: {told}");
    assert_eq!(told["backtest"]["periods"], 7, "of ten past months three only tell how much comes");
    assert!(told["backtest"]["mape"].as_f64().unwrap() < 0.05, "{told}");

    let (_, body) = json(&state, "/api/v1/forecast?window=month&kpi=deals_won").await;
    assert!(of(&body, "forecasts")["value"].as_f64().unwrap() > 14.0 * 3.0, "{body}");
    let (_, body) = json(&state, "/api/v1/forecast?window=month&kpi=deals_created").await;
    assert_eq!((of(&body, "forecasts"), of(&body, "none")), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn what_the_pipeline_forecast_lacks_is_named_with_its_mend() {
    let why = async |rows: &[Row], query: &str| {
        let path = format!("/api/v1/forecast?window=month&kpi=revenue{query}");
        let (status, body) = json(&state(rows), &path).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(of(&body, "forecasts"), &Value::Null, "{body}");
        of(&body, "none")["why"].as_str().unwrap().to_owned()
    };
    let all = rows(true).0;
    let sets = why(&all, "&territory=West").await;
    assert!(sets.contains("add [\"stage\", \"territory\"] to segments.sets"), "{sets}");
    let funnel = why(&rows(false).0, "").await;
    assert!(funnel.contains("add \"funnel\" to kpis.groups"), "{funnel}");
    let open = Sales { open: 1, pipeline: 5, ..Sales::default() };
    let mut strange = all.clone();
    strange.push(row(DAY, at("2026-03-18T10:00:00Z"), &[("stage", "new")], open));
    let stage = why(&strange, "").await;
    assert!(stage.contains("stage \"new\"") && stage.contains("0 are of deals"), "{stage}");
}
