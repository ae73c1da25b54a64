//! The dashboards as files: fresh, whole, and naming only what is there. What Grafana's own types say
//! of them is checked by `scripts/check-deploy`, that their queries have data by `tests/prometheus.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use tidemark::model::alert::Signal;
use tidemark::model::kpi::CATALOGUE;
use tidemark::observe::alerts::{RECORDINGS, alerts};
use tidemark::observe::boards::{owned, shipped};

#[path = "support/promql.rs"]
mod promql;

/// What Prometheus itself says of a target, or of alerts.
const PROMETHEUS: [&str; 4] =
    ["up", "ALERTS", "scrape_samples_post_metric_relabeling", "scrape_duration_seconds"];
/// What stands beside a KPI, behind `tidemark_<grain>_`.
const BESIDE: [&str; 15] = [
    "deals_closed",
    "window_complete_ratio",
    "won_amount_target",
    "won_amount_target_attainment_ratio",
    "won_amount_target_pace_ratio",
    "won_amount_target_required_per_day",
    "stage_entered",
    "stage_advanced",
    "stage_lost",
    "stage_held",
    "stage_won",
    "stage_closed",
    "stage_step_ratio",
    "stage_drop_off_ratio",
    "stage_p50_seconds",
];
const DRIFT: [&str; 6] = ["state", "score", "value", "value_lower", "value_upper", "baseline"];
const GRAINS: [&str; 5] = ["overall", "territory", "rep", "channel", "team"];
/// Whose drift is shown against its baseline: what is watched unless told otherwise.
const WATCHED: [&str; 4] = ["overall", "territory", "channel", "team"];

fn boards() -> Vec<Value> {
    shipped().iter().map(|(_, text)| serde_json::from_str(text).unwrap()).collect()
}

/// All panels of a board, those of folded rows among them, and without the rows.
fn panels(board: &Value) -> Vec<&Value> {
    let top = board["panels"].as_array().map_or(&[][..], Vec::as_slice);
    top.iter()
        .flat_map(|panel| match panel["type"].as_str() {
            Some("row") => panel["panels"].as_array().into_iter().flatten().collect(),
            _ => vec![panel],
        })
        .collect()
}

fn text<'v>(of: &'v Value, key: &str) -> &'v str {
    of[key].as_str().unwrap_or_else(|| panic!("{key} of {of}"))
}

fn queries(panel: &Value) -> Vec<&str> {
    let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
    targets.iter().map(|target| text(target, "expr")).collect()
}

#[test]
fn the_files_are_fresh() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/dashboards");
    let mut named = BTreeSet::new();
    for (name, text) in shipped() {
        assert!(owned(&name), "{name}");
        let held = std::fs::read_to_string(directory.join(&name)).unwrap_or_default();
        assert!(held == text, "deploy/grafana/dashboards/{name} is stale: run `make docs`");
        named.insert(name);
    }
    let held: BTreeSet<String> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(held, named);
}

#[test]
fn every_kpi_is_on_a_panel_of_each_grain() {
    let all: BTreeSet<String> = boards()
        .iter()
        .flat_map(|board| {
            panels(board)
                .into_iter()
                .flat_map(queries)
                .flat_map(promql::metrics)
                .collect::<Vec<_>>()
        })
        .collect();
    for kpi in CATALOGUE {
        for grain in ["territory", "rep", "channel"] {
            let family = format!("tidemark_{grain}_{}", kpi.family);
            assert!(all.contains(&family), "{family} is on no panel");
        }
    }
}

/// Every metric that a query may name: declared, a KPI's, of drift, recorded, or Prometheus's own.
fn known() -> BTreeSet<String> {
    let mut known: BTreeSet<String> = PROMETHEUS.iter().map(|name| (*name).to_owned()).collect();
    for (name, kind, ..) in tidemark::telemetry::table() {
        known.insert(name.to_owned());
        if kind == "histogram" {
            known.extend(["bucket", "count"].map(|part| format!("{name}_{part}")));
        }
    }
    known.insert("tidemark_rep_info".to_owned());
    known.extend(RECORDINGS.iter().map(|rule| rule.name.to_owned()));
    for grain in GRAINS {
        let kpis = CATALOGUE.iter().map(|kpi| &*kpi.family).chain(BESIDE);
        known.extend(kpis.map(|family| format!("tidemark_{grain}_{family}")));
        known.extend(DRIFT.iter().map(|suffix| format!("tidemark_{grain}_drift_{suffix}")));
    }
    let of_all = ["arl0", "baseline_samples", "baseline_end_timestamp_seconds"];
    for suffix in ["state", "score", "baseline_lost", "effect_ratio"].into_iter().chain(of_all) {
        known.insert(format!("~tidemark_.+_drift_{suffix}"));
    }
    known.extend(
        ["target_pace", "window_complete"].map(|name| format!("~tidemark_.+_{name}_ratio")),
    );
    known
}

#[test]
fn every_metric_that_a_rule_or_a_panel_names_is_declared() {
    let known = known();
    let mut all: Vec<(String, String)> = Vec::new();
    all.extend(alerts().into_iter().map(|alert| (alert.name, alert.expr)));
    all.extend(RECORDINGS.iter().map(|rule| (rule.name.to_owned(), rule.expr.to_owned())));
    for board in boards() {
        for panel in panels(&board) {
            let place = format!("{}: {}", text(&board, "title"), text(panel, "title"));
            all.extend(queries(panel).into_iter().map(|query| (place.clone(), query.to_owned())));
        }
        for variable in board["templating"]["list"].as_array().unwrap() {
            let Some(query) = variable["query"]["query"].as_str() else { continue };
            let place = format!("{}: ${}", text(&board, "title"), text(variable, "name"));
            let series = promql::of_variable(query);
            all.push((place, series.to_owned()));
        }
    }
    for (place, query) in all {
        let names = promql::metrics(&query);
        assert!(!names.is_empty(), "{place}: {query}");
        for name in names {
            assert!(known.contains(&name), "{place}: {name} is nothing that is exposed");
        }
    }
}

#[test]
fn a_board_is_as_grafana_and_its_linter_want_it() {
    assert_eq!(boards().len(), 6);
    for board in boards() {
        let title = text(&board, "title");
        assert_eq!(board["schemaVersion"], 42, "{title}");
        assert_eq!(board["editable"], false, "{title}");
        let mut ids = BTreeSet::new();
        for panel in board["panels"].as_array().unwrap().iter().chain(panels(&board)) {
            ids.insert(panel["id"].as_u64().unwrap());
        }
        let rows =
            board["panels"].as_array().unwrap().iter().filter(|p| p["type"] == "row").count();
        assert_eq!(ids.len(), panels(&board).len() + rows, "{title}: ids are unique");
        let variables: BTreeMap<&str, &Value> = board["templating"]["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|variable| (text(variable, "name"), variable))
            .collect();
        assert!(variables.contains_key("datasource") && variables.contains_key("job"), "{title}");
        for (name, variable) in &variables {
            let asked = variable["query"]["query"].as_str().unwrap_or_default();
            let depends =
                variables.keys().any(|of| *of != "job" && asked.contains(&format!("${of}\"")));
            assert!(
                !depends || variable["allValue"].is_null(),
                "{title}: all of ${name} is not all"
            );
            assert_eq!(depends, *name == "rep", "{title}: ${name}");
            assert!(variable["type"] != "query" || variable["refresh"] == 2, "{title}: ${name}");
        }
        for panel in panels(&board) {
            whole(title, panel, &variables);
        }
    }
}

fn whole(board: &str, panel: &Value, variables: &BTreeMap<&str, &Value>) {
    let place = format!("{board}: {}", text(panel, "title"));
    assert!(text(panel, "description").len() > 8, "{place}: says nothing of itself");
    assert!(!text(&panel["fieldConfig"]["defaults"], "unit").is_empty(), "{place}");
    assert_eq!(panel["datasource"]["uid"], "${datasource}", "{place}");
    assert!(!queries(panel).is_empty(), "{place}");
    let grid = &panel["gridPos"];
    assert!(grid["x"].as_u64().unwrap() + grid["w"].as_u64().unwrap() <= 24, "{place}");
    for query in queries(panel) {
        for name in promql::metrics(query) {
            let kpi = GRAINS.iter().any(|grain| name.starts_with(&format!("tidemark_{grain}_")));
            // Targets have a window of their own each.
            let pinned = query.contains("window=\"$window\"")
                || query.contains("by (window)")
                || query.contains(", window)");
            assert!(!kpi || name.contains("_drift_") || pinned, "{place}: pin the window: {query}");
            if name.ends_with("_total") || name.ends_with("_bucket") {
                let asked = query.matches(&name).count();
                let rated = ["rate(", "increase("]
                    .iter()
                    .map(|f| query.matches(&format!("{f}{name}")).count());
                assert_eq!(
                    asked,
                    rated.sum::<usize>(),
                    "{place}: a counter alone says nothing: {query}"
                );
            }
        }
        for used in query.split('$').skip(1) {
            let name: String =
                used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let own = name.starts_with("__") || name.chars().all(|c| c.is_ascii_digit());
            assert!(own || variables.contains_key(&*name), "{place}: there is no ${name}");
        }
    }
    if let Some(repeat) = panel["repeat"].as_str() {
        assert!(variables.contains_key(repeat), "{place}");
    }
}

/// The names of a board's variables.
fn variables(board: &Value) -> BTreeSet<&str> {
    let all = board["templating"]["list"].as_array().unwrap();
    all.iter().map(|variable| text(variable, "name")).collect()
}

/// A job may publish no row of the whole business; its other boards are asked with a window as well.
#[test]
fn no_variable_needs_rows_of_the_whole_business() {
    for board in boards() {
        for variable in board["templating"]["list"].as_array().unwrap() {
            let asked = variable["query"].to_string();
            assert!(!asked.contains("tidemark_overall_"), "{}: {asked}", text(&board, "title"));
        }
    }
}

/// From the whole to the part: each board but the first is reached by a link of a panel, and a link
/// carries the span, and variables that both boards have.
#[test]
fn links_lead_to_every_board_and_carry_what_was_chosen() {
    let boards = boards();
    let by_uid: BTreeMap<&str, &Value> = boards.iter().map(|b| (text(b, "uid"), b)).collect();
    let mut reached = BTreeSet::new();
    for board in &boards {
        for panel in panels(board) {
            for link in panel["fieldConfig"]["defaults"]["links"].as_array().into_iter().flatten() {
                let place = format!("{}: {}", text(board, "title"), text(panel, "title"));
                let (uid, carried) =
                    text(link, "url").strip_prefix("/d/").unwrap().split_once('?').unwrap();
                let Some(target) = by_uid.get(uid) else { panic!("{place}: no board is {uid}") };
                assert_ne!(uid, text(board, "uid"), "{place}: leads to where one is");
                assert!(!text(link, "title").is_empty(), "{place}");
                reached.insert(uid);
                carries(&place, carried, (&variables(board), &variables(target)));
            }
        }
    }
    let all: BTreeSet<&str> = boards.iter().skip(1).map(|board| text(board, "uid")).collect();
    assert_eq!(reached, all);
}

fn carries(place: &str, carried: &str, (here, there): (&BTreeSet<&str>, &BTreeSet<&str>)) {
    let mut told = BTreeSet::new();
    for part in carried.split('&') {
        if part == "${__url_time_range}" {
            told.insert("time");
        } else if let Some((name, value)) =
            part.strip_prefix("var-").and_then(|part| part.split_once('='))
        {
            assert!(there.contains(name), "{place}: ${name} is not where it leads");
            let of =
                ["${__field.labels.", "${__data.fields."].map(|from| format!("{from}{name}}}"));
            assert!(of.iter().any(|of| of == value), "{place}: {value} is no {name}");
            told.insert(name);
        } else {
            let name = part.strip_prefix("${").and_then(|part| part.strip_suffix(":queryparam}"));
            let name = name.unwrap_or_else(|| panic!("{place}: what is {part}?"));
            assert!(here.contains(name), "{place}: there is no ${name}");
            assert!(there.contains(name), "{place}: ${name} is not where it leads");
            told.insert(name);
        }
    }
    for name in ["time", "datasource", "job"].into_iter().chain(here.intersection(there).copied()) {
        assert!(told.contains(name), "{place}: {name} is left behind");
    }
}

/// What is watched for drift has a row on its board, with the baseline as a band.
#[test]
fn drift_is_shown_against_its_baseline() {
    let board = boards().into_iter().find(|b| b["uid"] == "tidemark-drift").unwrap();
    for (_, kpi) in Signal::ALL {
        for grain in WATCHED {
            let shown = panels(&board).into_iter().filter(|panel| {
                let all = queries(panel).join(" ");
                let band = panel["fieldConfig"].to_string().contains("custom.fillBelowTo");
                let baseline = format!("tidemark_{grain}_drift_baseline{{");
                band && all.contains(&format!("kpi=\"{kpi}\"")) && all.contains(&baseline)
            });
            assert_eq!(shown.count(), 1, "{kpi} by {grain}");
        }
    }
}

/// What may be watched is told apart by its name, reps among it.
#[test]
fn streams_of_drift_are_told_apart() {
    let board = boards().into_iter().find(|b| b["uid"] == "tidemark-drift").unwrap();
    let mut seen = 0;
    for panel in panels(&board) {
        for target in panel["targets"].as_array().unwrap() {
            let all = text(target, "expr").contains("__name__=~\"tidemark_.+_drift_");
            let Some(legend) = target["legendFormat"].as_str().filter(|_| all) else { continue };
            for label in ["kpi", "territory", "channel", "team", "rep", "region"] {
                let label = format!("{{{{{label}}}}}");
                assert!(legend.contains(&label), "{}: {legend}", text(panel, "title"));
            }
            seen += 1;
        }
    }
    assert!(seen > 1);
}

#[test]
fn how_seldom_false_alarms_are_is_shown() {
    let board = boards().into_iter().find(|b| b["uid"] == "tidemark-drift").unwrap();
    let all: BTreeSet<String> =
        panels(&board).into_iter().flat_map(queries).flat_map(promql::metrics).collect();
    assert!(all.contains("~tidemark_.+_drift_arl0"), "{all:?}");
}

/// Dots on a panel need a query that asks for exemplars, and a family that has them.
#[test]
fn panels_show_exemplars_of_deals_and_of_latencies() {
    let mut named = BTreeSet::new();
    for board in boards() {
        for panel in panels(&board) {
            for target in panel["targets"].as_array().unwrap() {
                let asks = target["exemplar"] == true;
                let asked = asks.then(|| promql::metrics(text(target, "expr")));
                named.extend(asked.into_iter().flatten());
                let told = text(panel, "description").contains("exemplars");
                assert!(!asks || told, "{}: does not say so", text(panel, "title"));
            }
        }
    }
    let wanted = ["deals_lost_total", "deals_won_total", "event_latency_seconds_bucket"];
    assert_eq!(named, wanted.map(|name| format!("tidemark_{name}")).into());
}
