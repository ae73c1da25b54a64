//! Members with zones of their own, side by side.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::Value;
use tidemark::http::HttpState;
use tidemark::model::calendar::Calendar;
use tidemark::model::row::Row;
use tidemark::model::window::{Period, WindowKind};
use tidemark::model::zones::Zones;

use super::fixture::{at, calendar, row, state};
use super::{json, sales};

/// The row of a territory, where a window of a zone stands at an instant.
fn member(kind: WindowKind, now: &str, territory: &str, zone: &Calendar, won: i128) -> Row {
    let range = kind.current(zone, at(now));
    let plain = row(kind, at(now), &[("territory", territory)], sales(won, 0));
    let (start, end) = (range.start(zone), range.end(zone));
    Row { start, end, zone: zone.zone().to_owned(), ..plain }
}

fn of_three(kind: WindowKind, now: &str) -> HttpState {
    let zone = |name| Calendar::of(name).expect("a zone");
    let (tokyo, york) = (zone("Asia/Tokyo"), zone("America/New_York"));
    let rows = [
        member(kind, now, "Berlin", &calendar(), 20),
        member(kind, now, "Tokyo", &tokyo, 30),
        member(kind, now, "York", &york, 50),
    ];
    let mut state = state(&rows);
    let mut info = (*state.info).clone();
    info.windows.push(kind.name());
    let row = |value: &str, zone| ("territory".to_owned(), value.to_owned(), zone);
    info.zones = Zones::new(&info.calendar, [row("Tokyo", tokyo), row("York", york)]);
    state.info = Arc::new(info);
    state
}

fn names(list: &Value) -> Vec<&str> {
    let members = list.as_array().expect("a list").iter();
    members.map(|m| m["segment"]["territory"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn members_are_ranked_by_the_same_dates() {
    let state = of_three(WindowKind::Calendar(Period::Month), "2026-03-20T12:00:00Z");
    let path = "/api/v1/leaderboard?window=month&grain=territory&kpi=deals_won";
    for start in ["", "&start=2026-03-01", "&start=2026-02-28T23:00:00Z"] {
        let (status, body) = json(&state, &format!("{path}{start}")).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(names(&body["ranked"]), ["York", "Tokyo", "Berlin"], "{start}: {body}");
        assert_eq!(body["window"]["zone"], "Europe/Berlin");
        assert_eq!(body["ranked"][0]["window"]["zone"], "America/New_York");
        assert_eq!(body["ranked"][2]["window"], Value::Null);
        assert_eq!(body["ranked"][0]["share"], 0.5);
    }
    // An instant that is no midnight of the job is that instant.
    let (_, body) = json(&state, &format!("{path}&start=2026-02-28T15:00:00Z")).await;
    assert_eq!(names(&body["ranked"]), ["Tokyo"], "{body}");
    let (_, body) = json(&state, "/api/v1/rows?window=month&from=2026-03-01&to=2026-03-02").await;
    assert_eq!(body["total"], 3, "{body}");
}

#[tokio::test]
async fn who_is_in_another_month_already_has_no_rank() {
    // In Tokyo it is the first of April.
    let state = of_three(WindowKind::ToDate(Period::Month), "2026-03-31T16:00:00Z");
    let path = "/api/v1/leaderboard?window=month_to_date&grain=territory&kpi=deals_won";
    let (status, body) = json(&state, path).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(names(&body["ranked"]), ["York", "Berlin"], "{body}");
    assert_eq!(body["unranked"][0]["why"], "its window began on 2026-04-01, in Asia/Tokyo");
    assert_eq!(body["unranked"][0]["share"], Value::Null);
    let shares = [0, 1].map(|i| body["ranked"][i]["share"].as_f64().expect("a share"));
    assert!((shares[0] + shares[1] - 1.0).abs() < 1e-12, "{body}");
}
