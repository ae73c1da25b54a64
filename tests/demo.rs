//! The two things that a newcomer does first: `tidemark demo`, and the config of the README.

mod support;

#[path = "support/process.rs"]
mod process;
#[path = "http/promtool.rs"]
mod promtool;

use std::time::Duration;

use process::{Process, get, pause};
use support::await_some;
use tidemark::config::{Config, DEMO};
use tidemark::world::{WorldSettings, directory};

/// Waits until the demo says where its page is.
fn address_of(demo: &Process) -> std::net::SocketAddr {
    await_some("the address", Duration::from_secs(60), || {
        let said = demo.said();
        let found =
            said.split("http://").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok());
        if found.is_none() {
            pause();
        }
        found
    })
}

#[test]
fn the_demo_shows_a_drift() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Process::start(dir.path(), "demo", &["demo", "--days", "110", "--port", "0"]);
    let address = address_of(&demo);
    let alert = await_some("an alert", Duration::from_secs(180), || {
        let (_, body) = get(address, "/api/v1/alerts")?;
        let told: serde_json::Value = serde_json::from_str(&body).ok()?;
        let fires = |alert: &&serde_json::Value| {
            let of = alert["id"].as_str().and_then(|id| id.split("|20").next());
            alert["state"] == "firing" && of == Some("win_rate|territory=north")
        };
        let found = told["alerts"].as_array()?.iter().find(fires).cloned();
        if found.is_none() {
            pause();
        }
        found
    });
    assert_eq!(alert["direction"], "down");
    // Why it moved goes along: by channel, which the demo counts together with territory.
    let explained = &alert["explained"][0];
    let [change, mix, rate] =
        ["change", "mix", "rate"].map(|part| explained[part].as_f64().unwrap());
    assert!(change < -0.05 && (mix + rate - change).abs() < 1e-9, "{alert}");
    let named = explained["contributors"].as_array().unwrap();
    assert!(explained["by"] == "channel" && !named.is_empty(), "{alert}");
    assert!(named.iter().all(|who| who["segment"]["territory"] == "north"), "{alert}");
    // As a scrape has it, with the series of drift and all that a process tells.
    let metrics = await_some("the drift on /metrics", Duration::from_secs(60), || {
        let (_, page) = get(address, "/metrics")?;
        let is_there = page.contains("tidemark_territory_drift_state{");
        if !is_there {
            pause();
        }
        is_there.then_some(page)
    });
    promtool::finds_nothing(&metrics);
    estimated(&metrics);
    // What was injected comes first, before what it does to the whole and what chance picked.
    let (_, body) = get(address, "/api/v1/alerts").unwrap();
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    let ids: Vec<&str> =
        told["alerts"].as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap()).collect();
    assert!(ids[0].starts_with("win_rate|territory=north|"), "{ids:?}");
    assert!(demo.terminate().success(), "{}", demo.said());
}

/// `validate` reckons with every member in every window: a process never has more series than that,
/// and not by far fewer, as what is absent has none.
fn estimated(metrics: &str) {
    let mut config = Config::from_toml(DEMO, "demo.toml", std::iter::empty()).unwrap();
    config.definition.directory = directory(&WorldSettings::default());
    let estimate = config.estimate();
    let series = |prefix: &str| metrics.lines().filter(|line| line.starts_with(prefix)).count();
    let mut all = series("tidemark_kpi_info{") + series("tidemark_rep_info{");
    all += series("tidemark_deals_won_total{") + series("tidemark_deals_lost_total{");
    let mut grains: Vec<String> = Vec::new();
    for set in &estimate.sets {
        let grain = set.dimensions.join("_");
        let grain = if grain.is_empty() { "overall".to_owned() } else { grain };
        // Each row has one of these.
        let rows = series(&format!("tidemark_{grain}_window_complete_ratio{{"));
        let reckoned = (set.members * estimate.windows) as usize;
        println!("{grain}: {rows} of {reckoned} rows");
        assert!(rows <= reckoned && rows * 5 >= reckoned * 2, "{grain}: {rows} of {reckoned} rows");
        grains.push(format!("tidemark_{grain}_"));
    }
    let of_rows = |line: &&str| grains.iter().any(|grain| line.starts_with(grain));
    all += metrics.lines().filter(of_rows).count() - series("tidemark_rep_info{");
    let reckoned = estimate.series as usize;
    println!("{all} of {reckoned} series");
    assert!(all <= reckoned && all * 5 >= reckoned * 3, "{all} of {reckoned} series");
}

#[test]
fn the_demo_shows_numbers_and_ends_clean() {
    let dir = tempfile::tempdir().unwrap();
    // A port that is taken: the demo takes another one.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut demo = Process::start(dir.path(), "demo", &["demo", "--days", "60", "--port", &port]);
    let address = address_of(&demo);
    await_some("revenue on the page's own query", Duration::from_secs(120), || {
        let (_, body) = get(address, "/api/v1/rows?window=rolling_28d&grain=overall")?;
        let rows: serde_json::Value = serde_json::from_str(&body).ok()?;
        let revenue = rows["rows"][0]["kpis"]["revenue"]["value"].as_f64().unwrap_or(0.0);
        if revenue <= 0.0 {
            pause();
        }
        (revenue > 0.0).then_some(())
    });
    let (status, page) = get(address, "/").unwrap();
    assert!(status == 200 && page.contains("Tidemark"), "{page}");
    let (_, metrics) = get(address, "/metrics").unwrap();
    assert!(metrics.contains("tidemark_territory_won_amount{territory="), "{metrics}");
    assert!(demo.terminate().success(), "{}", demo.said());
}

#[test]
fn the_config_of_the_readme_is_valid() {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let block = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(block.lines().count() <= 12, "the README promises twelve lines");
    Config::from_toml(block, "README.md", std::iter::empty()).unwrap();
}
