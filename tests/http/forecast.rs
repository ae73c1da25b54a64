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

/// Each weekday 300 euros, and of what is open in the stage to which 20 deals had come of those closed on a day, 8 of them won, a
/// little more each day. Gives what was open by month and weekday, too.
fn rows(funnel: bool) -> (Vec<Row>, BTreeMap<String, Vec<f64>>) {
    let (first, last) = (at("2025-02-23T10:00:00Z"), at("2026-03-20T10:00:00Z"));
    let days = (last.0 - first.0) / 86_400_000_000;
    let mut opens: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut rows = Vec::new();
    for day in (0..=days).filter(|day| (day + 6) % 7 < 5) {
        let pipeline = 10_000 + i128::from(day * day);
        let day = Timestamp(first.0 + day * 86_400_000_000);
        opens.entry(day.to_string()[..7].to_owned()).or_default().push(pipeline as f64);
        let sales = Sales { won: 3, lost: 1, revenue: 300, cycle: 3, ..Sales::default() };
        let mut whole = row(DAY, day, &[("territory", "West")], sales);
        whole.funnel = whole.funnel.filter(|_| funnel);
        rows.push(whole);
        let open = Sales { open: 40, pipeline, ..Sales::default() };
        rows.push(row(DAY, day, &[("territory", "West"), ("stage", "6120")], open));
        let other = Sales { open: 9, pipeline: 777_777, ..Sales::default() };
        rows.push(row(DAY, day, &[("territory", "East"), ("stage", "6120")], other));
        rows.push(row(DAY, day, &[("channel", "web")], sales));
    }
    (rows, opens)
}

fn of<'b>(body: &'b Value, list: &str) -> &'b Value {
    let all = body[list].as_array().unwrap().iter();
    all.clone().find(|m| m["method"] == "weighted_pipeline").unwrap_or(&Value::Null)
}

#[tokio::test]
async fn what_is_open_counts_by_what_came_of_it_before() {
    let (rows, opens) = rows(true);
    let state = state(&rows);
    let path = "/api/v1/forecast?window=month&territory=West&kpi";
    let (status, body) = json(&state, &format!("{path}=revenue")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    // Months that are whole, and before which 30 deals were closed.
    let past: Vec<&Vec<f64>> =
        opens.range("2025-03".to_owned().."2026-03".to_owned()).map(|m| m.1).collect();
    // 14 of the 22 working days of March are over.
    let worked = |n: usize| (n as f64 * 14.0 / 22.0).round() as usize;
    let rest: usize = past.iter().map(|days| days.len() - worked(days.len())).sum();
    let open: f64 = past.iter().map(|days| days[worked(days.len()) - 1]).sum();
    let value = 14.0 * 300.0 + 300.0 * rest as f64 / open * opens["2026-03"][13];
    let told = of(&body, "forecasts");
    assert!((told["value"].as_f64().unwrap() - value).abs() < 1e-6, "{value}: {body}");
    assert_eq!(
        told["backtest"]["periods"], 9,
        "of twelve past months three only tell how much comes"
    );
    assert!(told["backtest"]["mape"].is_number() && told["backtest"]["checked"] == 5, "{told}");

    let (_, body) = json(&state, &format!("{path}=deals_won")).await;
    assert!(of(&body, "forecasts")["value"].as_f64().unwrap() > 14.0 * 3.0, "{body}");
    let (_, body) = json(&state, &format!("{path}=deals_created")).await;
    assert_eq!((of(&body, "forecasts"), of(&body, "none")), (&Value::Null, &Value::Null));
    // Leads of past months had longer to become deals.
    let (status, body) = json(&state, &format!("{path}=leads_converted")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
}

/// What no rate converts stands beside what is made without it: won so far, and open now.
#[tokio::test]
async fn a_forecast_says_what_no_rate_converts() {
    let (mut rows, _) = rows(true);
    let yen = tidemark::model::money::Currency::parse("JPY").unwrap();
    let mut park = |of: &dyn Fn(&Row) -> bool, kpi: &str, n: i128| {
        for row in rows.iter_mut().filter(|row| of(row)) {
            let found = row.kpis.iter_mut().find(|(name, ..)| *name == kpi).unwrap();
            found.2.unconverted = vec![(yen, tidemark::model::money::Exact::whole(n))];
        }
    };
    let west = |row: &Row| row.segment.value("territory") == Some("West");
    let staged = |row: &Row| row.segment.value("stage").is_some();
    let since = |row: &Row, day: &str| row.start >= at(&format!("{day}T00:00:00Z"));
    // In February, which is over; on three days of March; and open, of which the last day that is over
    // is what the number is made of.
    park(&|row| west(row) && !staged(row) && !since(row, "2026-02-20"), "revenue", 999);
    park(&|row| west(row) && !staged(row) && since(row, "2026-03-16"), "revenue", 10);
    park(&|row| west(row) && staged(row) && !since(row, "2026-03-18"), "open_pipeline", 700);
    park(&|row| west(row) && staged(row) && since(row, "2026-03-18"), "open_pipeline", 5);
    park(&|row| west(row) && staged(row) && since(row, "2026-03-19"), "open_pipeline", 4_000);
    let path = "/api/v1/forecast?window=month&territory=West&kpi=revenue";
    let (status, body) = json(&state(&rows), path).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let come = body["unconverted"]["JPY"].as_i64().unwrap();
    // The 17th to the 19th: days begin before midnight by UTC, and the 20th is not over.
    assert_eq!(come, 30, "{body}");
    let of = |method: &str| {
        let all = body["forecasts"].as_array().unwrap().iter();
        let found = all.clone().find(|m| m["method"] == method);
        found.map_or(&Value::Null, |m| &m["unconverted"])
    };
    assert_eq!(of("run_rate")["JPY"], come);
    assert_eq!(of("weighted_pipeline")["JPY"], come + 5);
    assert_eq!(of("same_month_last_quarter"), &Value::Null);
}

#[tokio::test]
async fn what_the_pipeline_forecast_lacks_is_named_with_its_mend() {
    let why = async |rows: &[Row], query: &str| {
        let path = format!("/api/v1/forecast?window=month&kpi=revenue&{query}");
        let (status, body) = json(&state(rows), &path).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(of(&body, "forecasts"), &Value::Null, "{body}");
        of(&body, "none")["why"].as_str().unwrap().to_owned()
    };
    let sets = why(&rows(true).0, "channel=web").await;
    assert!(sets.contains("add [\"channel\", \"stage\"] to segments.sets"), "{sets}");
    let funnel = why(&rows(false).0, "territory=West").await;
    assert!(funnel.contains("add \"funnel\" to kpis.groups"), "{funnel}");
    let (mut idle, _) = rows(true);
    idle.retain(|row| row.segment.value("stage").is_none());
    assert_eq!(why(&idle, "territory=West").await, "nothing is open by stage");
    let (mut few, _) = rows(true);
    let mut days = 0;
    for row in few.iter_mut().filter(|row| row.segment.value("territory") == Some("West")) {
        days += usize::from(row.segment.value("stage").is_none());
        row.funnel = row.funnel.take().filter(|_| days == 200);
    }
    let closed = why(&few, "territory=West").await;
    assert!(closed.contains("had come to 20 stages, and 30 are needed"), "{closed}");
}
