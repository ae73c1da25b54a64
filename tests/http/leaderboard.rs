//! What chance leaves open of ranks by counts and by means.

use serde_json::Value;
use tidemark::model::kpi::Kpi;

use super::fixture::{Sales, at, row, state};
use super::{MONTH, json, sales};

fn list<'b>(body: &'b Value, key: &str) -> Vec<&'b Value> {
    body["ranked"].as_array().unwrap().iter().map(|member| &member[key]).collect()
}

fn near(interval: &Value, low: f64, high: f64) -> bool {
    let is = |i: usize, want: f64| (interval[i].as_f64().unwrap() - want).abs() < 1e-3;
    is(0, low) && is(1, high)
}

#[tokio::test]
async fn counts_and_means_of_days_leave_ranks_open() {
    let march = at("2026-03-20T12:00:00Z");
    let rep = |name: &str, of: Sales| row(MONTH, march, &[("rep", name)], of);
    let all = [("a", 100, 9), ("b", 90, 9), ("c", 10, 40)];
    let mut rows: Vec<_> = all
        .iter()
        .map(|(name, won, cycle)| rep(name, Sales { cycle: *cycle, ..sales(*won, 0) }))
        .collect();
    // Half of them at once: a mean that means something has a spread.
    for row in &mut rows {
        let kpi = row.kpis.iter_mut().find(|(name, ..)| name == "cycle_length_mean").unwrap();
        kpi.2.squares = kpi.2.squares.map(|squares| squares + 25 * kpi.2.n);
    }
    let state = state(&rows);
    let path = |kpi: &str| format!("/api/v1/leaderboard?window=month&grain=rep&kpi={kpi}");

    // Garwood's interval of 100, 90 and 10.
    let (_, body) = json(&state, &path("deals_won")).await;
    let intervals = list(&body, "interval");
    assert!(near(intervals[0], 81.364, 121.627) && near(intervals[2], 4.795, 18.390), "{body}");
    let between = list(&body, "rank_between");
    assert_eq!(between, [&Value::from([1, 2]), &[1, 2].into(), &[3, 3].into()], "{body}");

    // Student's, of a variance of 25 n / (n - 1).
    let (_, body) = json(&state, &format!("{}&first=lowest", path("cycle_length_mean"))).await;
    let intervals = list(&body, "interval");
    assert!(near(intervals[0], 9.0 - 0.99708, 9.0 + 0.99708), "{body}");
    assert!(near(intervals[2], 40.0 - 3.77022, 40.0 + 3.77022), "{body}");
    let between = list(&body, "rank_between");
    assert_eq!(between, [&Value::from([1, 2]), &[1, 2].into(), &[3, 3].into()], "{body}");

    // Of money and medians nothing is known.
    for kpi in ["revenue", "cycle_length_p50"] {
        let (_, body) = json(&state, &path(kpi)).await;
        assert!(list(&body, "rank_between").iter().all(|between| between.is_null()), "{body}");
        assert!(Kpi::named(kpi).is_some());
    }
}
