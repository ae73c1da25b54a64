//! The boards and rules against a real Prometheus that scrapes the running demo, and beside it an
//! instance with events of the kinds that the demo has not: every query of every panel has data,
//! every metric is there, every rule computes, and a drift reaches Alertmanager.

mod support;

#[path = "prometheus/kinds.rs"]
mod kinds;
#[path = "support/process.rs"]
mod process;
#[path = "support/promql.rs"]
mod promql;
#[path = "prometheus/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use process::{Process, get, pause};
use serde_json::Value;
use server::Server;
use support::await_some;
use tidemark::clock::{monotonic, wall_ms};
use tidemark::model::kpi::{Group, Kpi};
use tidemark::observe::alerts::{RECORDINGS, alerts};
use tidemark::observe::boards::shipped;

/// Metrics that the demo has no reason to show, each with why. All of them are declared, and
/// `tests/http.rs` shows them on a page.
const NOT_IN_THE_DEMO: [(&str, &str); 11] = [
    ("tidemark_hook_requests_total", "it has no webhook receiver"),
    ("tidemark_hook_bytes_total", "as above"),
    ("tidemark_hook_waiting", "as above"),
    ("tidemark_hook_topic_open", "as above"),
    ("tidemark_hook_partitions_passed_over", "as above"),
    ("tidemark_stopped", "nothing stands still"),
    ("tidemark_log_errors_total", "its log does not fail"),
    ("tidemark_panics_total", "nothing panics"),
    ("tidemark_records_skipped_total", "its log deletes nothing"),
    ("tidemark_unknown_stage_total", "it has no stage table"),
    ("tidemark_schema_fetches_total", "it has no schema registry"),
];
/// Likewise, of which the page shows some at some times.
const SOMETIMES: [(&str, &str); 2] = [
    ("tidemark_series_dropped_total", "its families are below the limit"),
    ("tidemark_drift_baseline_lost", "no baseline is lost"),
];
/// KPIs that no current window of 28 days can have. For one that is new and lacks data here add an
/// event to `tests/prometheus/kinds.rs` rather than a line.
const UNDEFINED: [(&str, &str); 3] = [
    ("cohort_conversion_90d", "defined only 90 days after the end of a window"),
    ("order_revenue_growth_year", "the orders of the fixture go back less than a year"),
    ("lead_conversion_90d", "defined only 90 days after the end of a window"),
];

fn demo(dir: &std::path::Path) -> (Process, SocketAddr) {
    let groups: Vec<&str> = Group::ALL.iter().map(|(_, name)| *name).collect();
    let variables = [
        ("TIDEMARK_KPIS__GROUPS", groups.join(",")),
        // With pairs the series are more than the demo may have.
        ("TIDEMARK_SEGMENTS__SETS", "overall,rep,territory,channel,team".to_owned()),
        ("TIDEMARK_LIMITS__MAX_SERIES", "250000".to_owned()),
        (
            "TIDEMARK_DRIFT__KPIS",
            "win_rate,cycle_length_mean,cohort_conversion_90d,deals_created,leads_created,\
             average_deal_size"
                .to_owned(),
        ),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let demo =
        Process::start_with(dir, "demo", &variables, &["demo", "--days", "110", "--port", "0"]);
    let address = await_some("the address", Duration::from_secs(120), || {
        let said = demo.said();
        let found =
            said.split("http://").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok());
        if found.is_none() {
            pause();
        }
        found
    });
    // Until its drift has fired, the history is not read to its end.
    await_some("a drift", Duration::from_secs(300), || {
        let page = get(address, "/metrics").map(|(_, page)| page).unwrap_or_default();
        let firing = "tidemark_territory_drift_state{territory=\"north\",kpi=\"win_rate\"} 2";
        if !page.contains(firing) {
            pause();
        }
        page.contains(firing).then_some(())
    });
    (demo, address)
}

/// An instance with events of all kinds.
fn all_kinds(dir: &std::path::Path) -> Process {
    let groups: Vec<&str> = Group::ALL.iter().map(|(_, name)| *name).collect();
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let (config, input, log) = (path("kinds.toml"), path("kinds.jsonl"), path("kinds-log"));
    std::fs::write(&config, kinds::CONFIG.replace("GROUPS", &groups.join("\", \""))).unwrap();
    std::fs::write(&input, kinds::events()).unwrap();
    let arguments = ["run", "--embedded", &log, "--config", &config, "--input", &input];
    let mut process = Process::start(dir, "kinds", &arguments);
    let (seen, address) = ("tidemark_territory_recurring_monthly_amount", process.address());
    await_some("events of all kinds", Duration::from_secs(120), || {
        let page = get(address, "/metrics").map(|(_, page)| page).unwrap_or_default();
        if !page.contains(seen) {
            pause();
        }
        page.contains(seen).then_some(())
    });
    process
}

/// A query of a panel, with its place.
struct Asked {
    place: String,
    query: String,
}

fn asked() -> Vec<Asked> {
    let mut all = Vec::new();
    for (_, text) in shipped() {
        let board: Value = serde_json::from_str(&text).unwrap();
        let folded = board["panels"].as_array().unwrap().iter().flat_map(|panel| {
            let inside = panel["panels"].as_array().map_or(&[][..], Vec::as_slice);
            std::iter::once(panel).chain(inside)
        });
        for panel in folded {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let place = format!("{}: {}", board["title"], panel["title"]);
                let query = filled_in(target["expr"].as_str().unwrap());
                all.push(Asked { place, query });
            }
        }
        for variable in board["templating"]["list"].as_array().unwrap() {
            let Some(query) = variable["query"]["query"].as_str() else { continue };
            let series = promql::of_variable(query);
            let place = format!("{}: ${}", board["title"], variable["name"]);
            all.push(Asked { place, query: filled_in(series) });
        }
    }
    all
}

/// The variables as Grafana fills them in: everything where several may be chosen.
fn filled_in(query: &str) -> String {
    let mut out = query.to_owned();
    for (from, to) in [
        ("$__rate_interval", "15s"),
        ("=~\"$territory\"", "=~\".+\""),
        ("=~\"$channel\"", "=~\".+\""),
        ("=~\"$rep\"", "=~\".+\""),
        ("=~\"$instance\"", "=~\".+\""),
        ("=\"$territory\"", "=\"north\""),
        ("=\"$channel\"", "=~\".+\""),
        ("=\"$team\"", "=~\".+\""),
        ("$window", "rolling_28d"),
        ("$job", "tidemark"),
    ] {
        out = out.replace(from, to);
    }
    assert!(!out.replace("\"$1\"", "").contains('$'), "{out}");
    out
}

/// Why a query may have no data; `None` where it must.
fn excused(query: &str) -> Option<&'static str> {
    let names = promql::metrics(query);
    let undefined = UNDEFINED.iter().filter(|(kpi, _)| {
        let family = Kpi::named(kpi).map(|kpi| format!("_{}", kpi.family)).unwrap_or_default();
        names.iter().any(|name| name.ends_with(&family))
    });
    let never = NOT_IN_THE_DEMO.iter().chain(&SOMETIMES);
    let named = never.filter(|(of, _)| names.iter().any(|name| name == of));
    named.chain(undefined).map(|(_, why)| *why).next()
}

#[test]
fn every_panel_has_data_and_a_drift_reaches_alertmanager() {
    let dir = tempfile::tempdir().unwrap();
    let (mut demo, address) = demo(dir.path());
    let mut kinds = all_kinds(dir.path());
    let tidemarks = [address, kinds.address()];
    every_metric_is_there(&tidemarks);
    let nobody: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let alertmanager = server::alertmanager(dir.path());
    let receiver = alertmanager.as_ref().map_or(nobody, |server| server.address);
    let Some(prometheus) = server::prometheus(dir.path(), &tidemarks, receiver) else { return };
    every_query_has_data(&prometheus);
    every_rule_computes(&prometheus);
    deals_are_named(&prometheus);
    if let Some(alertmanager) = alertmanager {
        a_drift_arrives(&alertmanager);
    }
    assert!(demo.terminate().success(), "{}", demo.said());
    assert!(kinds.terminate().success(), "{}", kinds.said());
}

/// What rules and panels name is on the page of the running binary, or excused by name.
fn every_metric_is_there(tidemarks: &[SocketAddr]) {
    let page: String = tidemarks.iter().map(|at| get(*at, "/metrics").unwrap().1).collect();
    let shown: BTreeSet<&str> = page
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let own = ["up", "ALERTS", "scrape_samples_post_metric_relabeling", "scrape_duration_seconds"];
    let mut named: BTreeSet<String> =
        asked().iter().flat_map(|asked| promql::metrics(&asked.query)).collect();
    named.extend(alerts().iter().flat_map(|alert| promql::metrics(&alert.expr)));
    named.extend(RECORDINGS.iter().flat_map(|rule| promql::metrics(rule.expr)));
    for name in named.iter().filter(|name| !own.contains(&name.as_str()) && !name.contains(':')) {
        let there = match name.strip_prefix("~tidemark_.+_") {
            Some(suffix) => shown.iter().any(|shown| shown.ends_with(suffix)),
            None => shown.contains(name.as_str()),
        };
        let plain = name.replace("~tidemark_.+_", "tidemark_");
        let never = NOT_IN_THE_DEMO.iter().any(|(excused, _)| *excused == plain);
        let seldom = SOMETIMES.iter().any(|(excused, _)| *excused == plain);
        let undefined = excused(name).is_some();
        assert!(there || never || seldom || undefined, "{name} is not on /metrics");
        assert!(!(there && never), "{name} is there: it needs no excuse");
    }
}

fn every_query_has_data(prometheus: &Server) {
    let (mut waiting, excused): (Vec<Asked>, Vec<Asked>) =
        asked().into_iter().partition(|asked| excused(&asked.query).is_none());
    let all = waiting.len();
    assert!(all > 300 && excused.len() < 30, "{all} queries, {} excused", excused.len());
    // Rates need a few scrapes, recorded series one more.
    let deadline = monotonic() + Duration::from_secs(90);
    loop {
        waiting.retain(|asked| prometheus.count(&asked.query) == 0);
        if waiting.is_empty() {
            break;
        }
        let wanting: Vec<String> =
            waiting.iter().map(|asked| format!("{}: {}", asked.place, asked.query)).collect();
        assert!(monotonic() < deadline, "without data:\n{}", wanting.join("\n"));
        pause();
    }
    println!("{all} queries have data, {} are excused by name", excused.len());
}

fn every_rule_computes(prometheus: &Server) {
    let told = prometheus.ask("/api/v1/rules", &[]);
    let mut computed = 0;
    for group in told["data"]["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            assert_eq!(rule["health"], "ok", "{rule}");
            computed += 1;
        }
    }
    assert_eq!(computed, alerts().len() + RECORDINGS.len());
}

/// Prometheus keeps which deal was won, and how large it is.
fn deals_are_named(prometheus: &Server) {
    let (end, start) = (wall_ms() / 1_000, wall_ms() / 1_000 - 3_600);
    let (start, end) = (start.to_string(), end.to_string());
    let query = "sum by (territory) (increase(tidemark_deals_won_total{territory=~\".+\"}[1m]))";
    let pairs = [("query", query), ("start", &*start), ("end", &*end)];
    let told = prometheus.ask("/api/v1/query_exemplars", &pairs);
    let found = told["data"].as_array().unwrap().iter().flat_map(|series| {
        assert_eq!(series["seriesLabels"]["__name__"], "tidemark_deals_won_total", "{series}");
        series["exemplars"].as_array().unwrap()
    });
    let named = found.filter(|exemplar| {
        let amount = exemplar["value"].as_str().and_then(|value| value.parse::<f64>().ok());
        let deal = exemplar["labels"]["deal_id"].as_str().is_some_and(|deal| !deal.is_empty());
        deal && amount.is_some_and(|amount| amount > 0.0)
    });
    assert!(named.count() > 0, "{told}");
    let joined = "max by (rep) (tidemark_rep_deals_won{window=\"rolling_28d\"}) * on (rep) \
                  group_left (name, team) max by (rep, name, team) (tidemark_rep_info)";
    assert!(prometheus.count(joined) > 0, "reps have names");
}

fn a_drift_arrives(alertmanager: &Server) {
    let alert = await_some("the alert", Duration::from_secs(60), || {
        let told = alertmanager.ask("/api/v2/alerts", &[]);
        let ours = |alert: &&Value| {
            let labels = &alert["labels"];
            labels["alertname"] == "TidemarkWinRateDrift" && labels["territory"] == "north"
        };
        let found = told.as_array().unwrap().iter().find(ours).cloned();
        if found.is_none() {
            pause();
        }
        found
    });
    assert_eq!(alert["receivers"], serde_json::json!([{ "name": "sales" }]));
    let url = alert["annotations"]["runbook_url"].as_str().unwrap();
    assert!(url.ends_with("/docs/runbooks/TidemarkWinRateDrift.md"), "{url}");
    let summary = alert["annotations"]["summary"].as_str().unwrap();
    assert!(summary.starts_with("territory north: The win rate is down for good: -"), "{summary}");
}
