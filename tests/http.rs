//! The HTTP edge: the router without a socket here, serving with one in `http/serve.rs`.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tidemark::http::{HttpState, router};
use tidemark::model::deadletter::Code;
use tidemark::model::event::EntityKind;
use tidemark::model::row::{Pane, Row};
use tidemark::model::source::Unread;
use tidemark::model::window::{Period, WindowKind};
use tidemark::telemetry::{SoldIn, Stage};
use tower::ServiceExt;

#[path = "http/alerts.rs"]
mod alerts;
#[path = "http/drift.rs"]
mod drift;
#[path = "board/fixture.rs"]
mod fixture;
#[path = "http/forecast.rs"]
mod forecast;
#[path = "http/leaderboard.rs"]
mod leaderboard;
#[path = "http/promtool.rs"]
mod promtool;
#[path = "http/serve.rs"]
mod serve;
#[path = "http/targets.rs"]
mod targets;
#[path = "http/truth.rs"]
mod truth;
#[path = "http/words.rs"]
mod words;
#[path = "http/zones.rs"]
mod zones;

use fixture::{Sales, at, row, state};

const MONTH: WindowKind = WindowKind::Calendar(Period::Month);

fn sales(won: i128, lost: i128) -> Sales {
    Sales { won, lost, revenue: won * 100, cycle: 3, ..Sales::default() }
}

fn rows() -> Vec<Row> {
    let (march, february) = (at("2026-03-20T12:00:00Z"), at("2026-02-10T12:00:00Z"));
    let mut corrected = row(MONTH, february, &[], sales(5, 5));
    corrected.pane = Pane::Corrected;
    let rolling = WindowKind::RollingDays(28);
    vec![
        corrected,
        row(MONTH, march, &[], sales(3, 1)),
        row(MONTH, march, &[("rep", "r-001")], sales(2, 1)),
        row(MONTH, march, &[("rep", "O\"Brien | x")], sales(1, 0)),
        row(MONTH, march, &[("territory", "West"), ("channel", "web")], sales(1, 1)),
        row(rolling, march, &[], sales(3, 1)),
    ]
}

async fn get(state: &HttpState, path: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::get(path).body(Body::empty()).expect("paths here are valid");
    send(state, request).await
}

async fn send(state: &HttpState, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let response = router(state.clone()).oneshot(request).await.expect("the router never fails");
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.expect("bodies are in memory").to_bytes();
    (head.status, head.headers, String::from_utf8(bytes.to_vec()).expect("bodies are text"))
}

async fn json(state: &HttpState, path: &str) -> (StatusCode, Value) {
    let (status, headers, body) = get(state, path).await;
    assert_eq!(headers["content-type"], "application/json", "{path}");
    (status, serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path}: {e}\n{body}")))
}

#[tokio::test]
async fn everything_carries_the_security_headers() {
    let state = state(&rows());
    let paths = [
        "/",
        "/assets/app.js",
        "/assets/none",
        "/metrics",
        "/livez",
        "/readyz",
        "/none",
        "/api/v1/rows",
        "/api/v1/alerts",
        "/api/v1/leaderboard",
        "/api/v1/forecast",
        "/api/v1/rows?window=x",
        "/api/v1/kpis",
        "/api/v1/members",
        "/api/v1/status",
    ];
    for path in paths {
        let (_, headers, _) = get(&state, path).await;
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        let cached =
            if path == "/" || path.starts_with("/assets") { "no-cache" } else { "no-store" };
        assert_eq!(headers["cache-control"], cached, "{path}");
    }
}

#[tokio::test]
async fn the_page_and_all_that_it_names_are_served() {
    let state = state(&[]);
    let (status, headers, page) = get(&state, "/").await;
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::OK, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains("onclick"));
    let mut named: Vec<String> = page
        .split('"')
        .filter_map(|part| part.strip_prefix("assets/").map(str::to_owned))
        .collect();
    let (_, _, script) = get(&state, "/assets/app.js").await;
    named.extend(script.split('"').filter_map(|p| p.strip_prefix("./").map(str::to_owned)));
    assert!(named.len() >= 7, "{named:?}");
    for name in named {
        let (status, headers, body) = get(&state, &format!("/assets/{name}")).await;
        assert_eq!(status, StatusCode::OK, "{name}");
        assert!(!body.contains("innerHTML") && !body.contains("https://"), "{name}");
        let kind = headers["content-type"].to_str().unwrap();
        assert!(!name.ends_with(".js") || kind.starts_with("text/javascript"), "{name}: {kind}");
    }
}

#[tokio::test]
async fn only_reading_is_answered() {
    let state = state(&[]);
    let post = Request::post("/api/v1/rows").body(Body::from("{}")).unwrap();
    let (status, headers, _) = send(&state, post).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let (status, body) = json(&state, "/api/v2/rows").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body["error"]["message"].is_string());
    let (status, _, _) = get(&state, "/assets/..%2fhttp%2fmod.rs").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn rows_are_filtered_and_come_as_published() {
    let rows = rows();
    let state = state(&rows);
    let total = async |query: &str| {
        let (status, body) = json(&state, &format!("/api/v1/rows?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{query}: {body}");
        body["total"].as_u64().expect("a number")
    };
    assert_eq!(total("").await, 6);
    assert_eq!(total("window=month").await, 5);
    assert_eq!(total("window=month&grain=overall").await, 2);
    assert_eq!(total("window=month&grain=overall&from=2026-03-01").await, 1);
    assert_eq!(total("window=month&grain=overall&to=2026-03-01").await, 1);
    assert_eq!(total("status=corrected").await, 1);
    assert_eq!(total("rep=r-001").await, 1);
    assert_eq!(total("rep=O%22Brien+%7C+x").await, 1);
    assert_eq!(total("territory=West").await, 0, "no segment is of the territory alone");
    assert_eq!(total("grain=territory_channel&territory=West").await, 1);

    let (_, body) = json(&state, "/api/v1/rows?window=month&limit=1&offset=1").await;
    assert_eq!((body["total"].as_u64(), body["rows"].as_array().unwrap().len()), (Some(5), 1));
    let expected: Value = serde_json::from_str(&rows[1].to_json()).unwrap();
    assert_eq!(body["rows"][0], expected);
    assert_eq!(body["keys"][0], rows[1].key());
    let (_, _, text) = get(&state, "/api/v1/rows?rep=r-001").await;
    assert!(text.contains(&rows[2].to_json()), "byte for byte");
}

#[tokio::test]
async fn changes_are_asked_for_by_cursor() {
    let mut rows = rows();
    let state = state(&rows);
    let (_, first) = json(&state, "/api/v1/rows?since=0").await;
    assert_eq!((first["total"].as_u64(), first["reset"].as_bool()), (Some(6), Some(false)));
    let next = format!("/api/v1/rows?since={}", first["cursor"].as_str().unwrap());
    assert_eq!(json(&state, &next).await.1["total"], 0);
    rows[2].version = 2;
    state.board.apply(&rows[2].key(), Some(rows[2].to_json().as_bytes()));
    let (_, changed) = json(&state, &next).await;
    assert_eq!(changed["keys"], serde_json::json!([rows[2].key()]));
    assert_eq!(json(&state, "/api/v1/rows?since=99.1").await.1["reset"], true);
}

#[tokio::test]
async fn a_bad_parameter_is_named_with_what_is_allowed() {
    let state = state(&rows());
    let (status, body) = json(&state, "/api/v1/rows?window=mnoth").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let error = &body["error"];
    assert_eq!((&error["parameter"], &error["value"]), (&"window".into(), &"mnoth".into()));
    assert!(error["allowed"].as_array().unwrap().contains(&"month".into()), "{error}");
    for query in [
        "team=x",
        "limit=0",
        "limit=1&limit=2",
        "from=x",
        "status=late",
        "grain=rep&channel=web",
        "rep=%ff",
    ] {
        let (status, body) = json(&state, &format!("/api/v1/rows?{query}")).await;
        let usable = query == "rep=%ff"; // Bytes that are no UTF-8 match no rep.
        assert_eq!(status == StatusCode::BAD_REQUEST, !usable, "{query}: {body}");
    }
}

#[tokio::test]
async fn the_catalogue_says_what_each_number_means() {
    let (status, body) = json(&state(&[]), "/api/v1/kpis").await;
    assert_eq!(status, StatusCode::OK);
    let kpis = body["kpis"].as_array().unwrap();
    let win_rate = kpis.iter().find(|k| k["name"] == "win_rate").unwrap();
    assert_eq!(win_rate["family"], "win_ratio");
    assert_eq!(win_rate["unit"], "ratio");
    assert!(win_rate["clock"].as_str().unwrap().starts_with("W1"));
    assert!(!win_rate["formula"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn members_have_the_names_that_people_know_and_their_order() {
    let (status, body) = json(&state(&[]), "/api/v1/members").await;
    let expected = serde_json::json!({ "members": {
        "rep": { "r-001": { "label": "Ana Costa" } },
        "stage": {
            "1": {}, "5988": { "order": 2 }, "6120": { "label": "Qualified <b>", "order": 1 },
        },
    }});
    assert_eq!((status, body), (StatusCode::OK, expected));
}

#[tokio::test]
async fn the_status_says_how_far_the_numbers_go() {
    let state = state(&rows());
    state.telemetry.events("crm", EntityKind::ALL[0].0, 41);
    state.telemetry.dead_letter(Code::BadAmount);
    state.telemetry.late(3);
    state.telemetry.watermark(Stage::Rollup, "0", at("2026-03-20T11:59:30Z"));
    let (status, body) = json(&state, "/api/v1/status").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["watermark"], "2026-03-20T11:59:30Z");
    assert_eq!(body["as_of"], "2026-03-20T12:00:00Z");
    assert_eq!(
        (&body["events_taken"], &body["late"], &body["too_late"]),
        (&41.into(), &3.into(), &0.into())
    );
    assert_eq!(body["dead_letters"]["by_code"], serde_json::json!({ "BAD_AMOUNT": 1 }));
    assert_eq!(
        (&body["mode"], &body["zone"], &body["ready"]),
        (&"embedded".into(), &"Europe/Berlin".into(), &true.into())
    );
    let kinds: Vec<&str> =
        body["windows"].as_array().unwrap().iter().map(|w| w["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["rolling_28d", "month"], "in the order of the config");
    assert_eq!(body["windows"][1]["start"], "2026-02-28T23:00:00Z");
}

#[tokio::test]
async fn ready_only_when_all_checks_hold() {
    let state = state(&[]);
    assert_eq!(json(&state, "/livez").await.0, StatusCode::OK);
    assert_eq!(
        json(&state, "/readyz").await,
        (StatusCode::OK, serde_json::json!({ "ready": true, "checks": {} }))
    );
    state.health.set("ledger", Err("replaying shard 3".to_owned()));
    let (status, body) = json(&state, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["checks"], serde_json::json!({ "ledger": "replaying shard 3" }));
    let (_, body) = json(&state, "/readyz?verbose").await;
    assert_eq!(body["checks"]["rollup"], "ok");
    assert_eq!(json(&state, "/livez").await.0, StatusCode::OK);
}

#[tokio::test]
async fn metrics_are_negotiated() {
    let state = state(&rows());
    let (status, headers, text) = get(&state, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(
        text.contains("tidemark_rep_win_ratio{rep=\"O\\\"Brien | x\",window=\"month\"} 1\n"),
        "{text}"
    );
    assert!(text.contains("tidemark_build_info{version="));
    let request = Request::get("/metrics")
        .header("accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
        .body(Body::empty())
        .unwrap();
    let (_, headers, text) = send(&state, request).await;
    assert!(headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    assert!(text.ends_with("# EOF\n"));
}

/// One stream that drifts, one of which nothing is known, and one beyond the cap.
#[tokio::test]
async fn a_leaderboard_has_ties_and_intervals_and_says_who_is_not_in_it() {
    let march = at("2026-03-20T12:00:00Z");
    let rep = |name: &str, won, lost| row(MONTH, march, &[("rep", name)], sales(won, lost));
    let state = state(&[
        rep("r-2", 30, 30),
        rep("r-1", 40, 20),
        rep("r-3", 30, 30),
        rep("r-4", 1, 1),
        rep("r-5", 0, 0),
        rep("r-6", 5, 45),
        rep("unknown", 9, 1),
        row(MONTH, march, &[], sales(500, 500)),
        row(MONTH, at("2026-02-10T12:00:00Z"), &[("rep", "r-9")], sales(90, 1)),
    ]);
    let (status, body) =
        json(&state, "/api/v1/leaderboard?window=month&grain=rep&kpi=win_rate").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
    let path = "/api/v1/leaderboard?window=month&grain=rep&kpi=revenue&first=lowest";
    let (_, body) = json(&state, path).await;
    let ranks: Vec<(&str, u64)> = body["ranked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["segment"]["rep"].as_str().unwrap(), r["rank"].as_u64().unwrap()))
        .collect();
    let want = [("r-5", 1), ("r-4", 2), ("r-6", 3), ("r-2", 4), ("r-3", 4), ("r-1", 6)];
    assert_eq!(ranks, want);
    // The whole is what all have, also who has no rank.
    let share = |list: &str, i: usize| body[list][i]["share"].as_f64().unwrap();
    assert_eq!((share("ranked", 0), share("ranked", 5)), (0.0, 40.0 / 115.0));
    assert_eq!(share("unranked", 0), 9.0 / 115.0);
    // Rows of a moving window state where it stood when they last changed.
    let rolling = WindowKind::RollingDays(28);
    let moved = |name: &str, at, won| row(rolling, at, &[("rep", name)], sales(won, won));
    let earlier = at("2026-03-18T12:00:00Z");
    let state_of_moved = fixture::state(&[moved("r-1", march, 50), moved("r-2", earlier, 60)]);
    let path = "/api/v1/leaderboard?window=rolling_28d&grain=rep&kpi=deals_won";
    let (_, body) = json(&state_of_moved, path).await;
    assert_eq!(body["ranked"].as_array().unwrap().len(), 2, "{body}");
    let (status, _) = json(&state_of_moved, &format!("{path}&start=2026-03-01")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    for (query, parameter) in [
        ("window=month&grain=rep", "kpi"),
        ("window=month&kpi=revenue", "grain"),
        ("grain=rep&kpi=revenue", "window"),
        ("window=month&grain=overall&kpi=revenue", "grain"),
        ("window=month&grain=rep&kpi=revenu", "kpi"),
        ("window=month&grain=rep&kpi=revenue&channel=web", "channel"),
    ] {
        let (status, body) = json(&state, &format!("/api/v1/leaderboard?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(body["error"]["parameter"], parameter, "{query}");
    }
    let (status, _) =
        json(&fixture::state(&[]), "/api/v1/leaderboard?window=month&grain=rep&kpi=revenue").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_forecast_tells_how_wrong_it_was_before() {
    use tidemark::model::time::Timestamp;
    let west = [("territory", "West")];
    let (first, last) = (at("2025-06-01T10:00:00Z"), at("2026-03-20T10:00:00Z"));
    let days = (last.0 - first.0) / 86_400_000_000;
    let rows: Vec<Row> = (0..=days)
        .filter(|day| (day + 6) % 7 < 5)
        .map(|day| {
            let won = 2 + i128::from(day % 3);
            let day = Timestamp(first.0 + day * 86_400_000_000);
            row(WindowKind::Calendar(Period::Day), day, &west, sales(won, 1))
        })
        .collect();
    let state = state(&rows);
    let (status, body) =
        json(&state, "/api/v1/forecast?window=month&kpi=revenue&territory=West").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
    for (query, parameter) in [
        ("kpi=revenue", "window"),
        ("window=month", "kpi"),
        ("window=day&kpi=revenue", "window"),
        ("window=month&kpi=win_rate", "kpi"),
        ("window=month&kpi=open_deals", "kpi"),
        ("window=month&kpi=revenue&team=x", "team"),
    ] {
        let (status, body) = json(&state, &format!("/api/v1/forecast?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(body["error"]["parameter"], parameter, "{query}");
    }
    let (status, _) = json(&state, "/api/v1/forecast?window=month&kpi=revenue").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "there are no rows of the whole");
}

/// How far what drifts is off, by which settings it is judged, and who and what there is.
fn says_what_drift_and_infos_are(page: &str, kpis: usize) {
    let effect =
        "tidemark_rep_drift_effect_ratio{rep=\"O\\\"Brien\",kpi=\"cycle_length_mean\"} -0.425";
    assert!(page.contains(effect), "{page}");
    assert!(page.contains(",drift=\"0000000000000003\",reference=\"0000000000000002\"} 1"));
    let why = "tidemark_overall_drift_no_data{kpi=\"win_rate\",reason=\"supply\"} 1\n";
    assert!(page.contains(why) && !page.contains("tidemark_rep_drift_no_data"), "{page}");
    let ana = "tidemark_rep_info{rep=\"r-1\",name=\"Ana \\\"C\\\"\",team=\"mid\"} 1\n";
    assert!(page.contains(ana), "{page}");
    for info in [
        "kind=\"lagging\",kpi=\"revenue\",unit=\"money\"} 1\n",
        "kind=\"leading\",kpi=\"sales_velocity\",unit=\"money\"} 1\n",
    ] {
        assert!(page.contains(info), "{info}: {page}");
    }
    let told = page.lines().filter(|line| line.starts_with("tidemark_kpi_info{")).count();
    assert_eq!(told, kpis);
}

#[tokio::test]
async fn promtool_finds_nothing_to_say() {
    let state = state(&rows());
    // Something in every family, or it would not be on the page.
    let t = &state.telemetry;
    t.taken("sales", 1);
    t.events("crm", EntityKind::ALL[0].0, 1);
    t.unknown_stage("crm", 1);
    t.unknown_fields("sales", 1);
    t.watermark(Stage::Rollup, "0", at("2026-03-20T11:59:30Z"));
    t.lag(Stage::Intake, "sales-0", 1);
    t.entities("0", 1);
    t.cells(Stage::Ledger, "0", 1);
    t.image_written("0", 1);
    t.restored(Stage::Ledger, Duration::from_millis(1), 1);
    t.published(Stage::Ledger, Duration::from_millis(1));
    t.event_told(Duration::from_millis(1), None, 1);
    let here = SoldIn { territory: "north", channel: "web" };
    t.deal_closed(true, here, 9, None);
    t.deal_closed(false, here, 9, None);
    t.configured(1, 2, 3);
    t.log_error("transport");
    t.unread("crm", Unread::ALL[0].0, 1);
    t.skipped("sales", 1);
    t.stopped(Stage::Intake, "sales-0");
    t.schema_fetched("found");
    t.panicked("ledger");
    t.series_dropped("tidemark_rep_win_ratio", 1);
    t.hook_request("/hubspot", "accepted");
    t.hook_took(Duration::from_millis(1));
    t.hook_bytes("/hubspot", 1);
    t.hook_waiting(1);
    t.alert_published("firing");
    t.notifies("ops");
    t.notified("ops", "delivered");
    t.notify_waiting("ops", 1);
    state.pages.put(1, drift::page());
    state.pages.put_directory(drift::directory());
    t.hook_topic("crm.raw", true, 1);
    t.targets_stale(1);
    t.kpis(&state.info.kpis);
    t.drift_judging(true);
    t.target_records(1, 1);
    t.unconverted("0", 1);
    t.parts(Stage::Ledger, 1);
    let (_, _, page) = get(&state, "/metrics").await;
    assert!(page.contains(
        "tidemark_rep_drift_value{rep=\"O\\\"Brien\",kpi=\"cycle_length_mean\"} 864000\n"
    ));
    for family in ["win_incidence_30d_ratio", "time_to_close_p50_seconds", "stage_lost"] {
        assert!(page.contains(&format!("\ntidemark_rep_{family}{{")), "{family}: {page}");
    }
    assert!(page.contains("tidemark_overall_drift_state{kpi=\"win_rate\"} -1\n"), "{page}");
    assert!(!page.contains("tidemark_overall_drift_arl0"), "it has no baseline");
    let arl0 = "tidemark_rep_drift_arl0{rep=\"O\\\"Brien\",kpi=\"cycle_length_mean\"} 5000\n";
    assert!(page.contains(arl0), "{page}");
    for (name, ..) in tidemark::telemetry::table() {
        let linux = cfg!(target_os = "linux") || !name.starts_with("process_");
        assert!(!linux || page.contains(&format!("# HELP {name} ")), "{name} is not on the page");
    }
    says_what_drift_and_infos_are(&page, state.info.kpis.kpis().count());
    promtool::finds_nothing(&page);
}
