//! The parameters of the API: one word for one thing on all paths, and answers that are alike.

use axum::http::StatusCode;
use serde_json::Value;

use super::{json, rows, state};

const FORECAST: &str = "forecast?window=month&kpi=revenue&";
const BOARD: &str = "leaderboard?window=month&grain=rep&kpi=revenue&";

#[tokio::test]
async fn what_cannot_be_used_is_told_alike_on_all_paths() {
    let state = state(&rows());
    for (path, query, parameter, says) in [
        ("rows?", "rep=a&channel=b", "rep", "no set of segments.sets is just rep, channel"),
        ("alerts?", "rep=a&channel=b", "rep", "no set of segments.sets is just rep, channel"),
        ("targets?", "rep=a&channel=b", "rep", "no set of segments.sets is just rep, channel"),
        (FORECAST, "rep=a&channel=b", "rep", "no set of segments.sets is just rep, channel"),
        ("rows?", "at=1", "at", "there is no such parameter"),
        ("alerts?", "at=1", "at", "there is no such parameter"),
        ("targets?", "at=1", "at", "there is no such parameter"),
        (FORECAST, "at=1", "at", "there is no such parameter"),
        (BOARD, "at=1", "at", "there is no such parameter"),
        ("rows?", "rep=a&rep=b", "rep", "given more than once"),
        ("targets?", "rep=a&rep=b", "rep", "given more than once"),
        (FORECAST, "rep=a&rep=b", "rep", "given more than once"),
        (BOARD, "kpi=revenue", "kpi", "given more than once"),
        (BOARD, "from=2026-03-01&start=2026-03-01", "start", "\"from\" and \"start\" are one"),
        ("forecast?", "window=month&kpi=win_rate", "kpi", "adds up over days"),
        ("forecast?", "window=month&kpi=winrate", "kpi", "not one of the allowed values"),
        ("targets?", "kpi=winrate", "kpi", "not one of the allowed values"),
    ] {
        let (status, body) = json(&state, &format!("/api/v1/{path}{query}")).await;
        let error = &body["error"];
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}{query}: {body}");
        assert_eq!(error["parameter"], parameter, "{path}{query}: {body}");
        assert!(error["message"].as_str().unwrap().contains(says), "{path}{query}: {body}");
        assert!(error["allowed"].is_array(), "{path}{query}: {body}");
    }
}

/// It may come to be: lists are empty, and what is made of rows is not there.
#[tokio::test]
async fn a_member_that_nobody_has_heard_of_is_no_fault() {
    let state = state(&rows());
    for (path, list) in [("rows?", "rows"), ("alerts?", "alerts"), ("targets?", "revisions")] {
        let (status, body) = json(&state, &format!("/api/v1/{path}rep=nobody")).await;
        assert_eq!((status, &body[list]), (StatusCode::OK, &Value::Array(Vec::new())), "{path}");
    }
    let (status, body) = json(&state, &format!("/api/v1/{FORECAST}rep=nobody")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body["error"]["message"].is_string(), "{body}");
}

#[tokio::test]
async fn a_leaderboard_takes_the_words_of_rows() {
    let state = state(&rows());
    let (status, by_from) = json(&state, &format!("/api/v1/{BOARD}from=2026-03-01")).await;
    assert_eq!((status, by_from["ranked"].as_array().unwrap().len()), (StatusCode::OK, 2));
    let (_, by_start) = json(&state, &format!("/api/v1/{BOARD}start=2026-03-01")).await;
    assert_eq!(by_from, by_start);
    let part = "leaderboard?window=month&grain=territory_channel&kpi=revenue&channel=";
    for (channel, ranked) in [("web", 1), ("mail", 0)] {
        let (_, body) = json(&state, &format!("/api/v1/{part}{channel}")).await;
        assert_eq!(body["ranked"].as_array().unwrap().len(), ranked, "{body}");
    }
}
