//! The drift alerts of the API.

use axum::http::StatusCode;

use super::{fixture::state, json};

#[tokio::test]
async fn alerts_come_as_published_with_those_that_are_open_first() {
    let state = state(&[]);
    let none = json(&state, "/api/v1/alerts").await;
    assert_eq!(none, (StatusCode::OK, serde_json::json!({ "alerts": [] })));
    let alert = |id: &str, word: &str, day: u32| {
        format!(
            "{{\"id\":\"{id}\",\"state\":\"{word}\",\"withdrawn\":false,\
             \"as_of\":\"2026-03-{day:02}T00:00:00Z\",\"version\":{day}}}"
        )
    };
    for (id, word, day) in [("a", "resolved", 9), ("b", "firing", 3), ("c", "resolved", 12)] {
        state.alerts.apply(id, Some(alert(id, word, day).as_bytes()));
    }
    let (_, body) = json(&state, "/api/v1/alerts").await;
    let ids: Vec<&str> =
        body["alerts"].as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["b", "c", "a"]);
}

#[tokio::test]
async fn alerts_are_chosen_by_state_kpi_and_segment() {
    let state = state(&[]);
    for (id, word, kpi, segment) in [
        ("a", "firing", "win_rate", "{\"territory\":\"West\"}"),
        ("b", "resolved", "win_rate", "{\"territory\":\"West\",\"channel\":\"web\"}"),
        ("c", "firing", "cycle_length_mean", "{\"rep\":\"r-1\"}"),
        ("d", "pending", "win_rate", "{}"),
    ] {
        let alert = format!(
            "{{\"id\":\"{id}\",\"kpi\":\"{kpi}\",\"segment\":{segment},\"state\":\"{word}\",\
             \"withdrawn\":false,\"as_of\":\"2026-03-01T00:00:00Z\",\"version\":1}}"
        );
        assert!(state.alerts.apply(id, Some(alert.as_bytes())));
    }
    for (query, wanted) in [
        ("", "acdb"),
        ("?state=firing", "ac"),
        ("?kpi=win_rate", "adb"),
        ("?kpi=win_rate&state=resolved", "b"),
        ("?rep=r-1", "c"),
        ("?grain=territory_channel&channel=web", "b"),
        ("?grain=overall", "d"),
        ("?rep=r-2", ""),
    ] {
        let (status, body) = json(&state, &format!("/api/v1/alerts{query}")).await;
        let ids = body["alerts"].as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap());
        assert_eq!((status, ids.collect::<String>().as_str()), (StatusCode::OK, wanted), "{query}");
    }
    for path in [
        "alerts?foo=1",
        "alerts?state=open",
        "alerts?kpi=x",
        "kpis?foo=1",
        "members?foo=1",
        "status?foo=1",
    ] {
        let (status, body) = json(&state, &format!("/api/v1/{path}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert!(path.contains(body["error"]["parameter"].as_str().unwrap()), "{path}: {body}");
    }
}
