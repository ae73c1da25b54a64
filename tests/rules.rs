//! The alerting rules: fresh, valid, each with a runbook, and each fires when it must and only then.
//!
//! `promtool test rules` computes them over made-up series. In each run every sixth scrape fails, so
//! a rule that a missed scrape resets or sets off is found.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tidemark::observe::alerts::alerts;
use tidemark::observe::{RUNBOOKS, rules};

#[path = "rules/cases.rs"]
mod cases;

use cases::Case;

const TARGET: &str = "job=\"tidemark\",instance=\"a:9464\"";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs promtool; `None` where it is not installed.
fn promtool(arguments: &[&str]) -> Option<(bool, String)> {
    match Command::new("promtool").args(arguments).output() {
        Ok(out) => {
            let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
            Some((out.status.success(), said))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: promtool is not installed (apt-get install prometheus)");
            None
        }
        Err(e) => panic!("promtool does not start: {e}"),
    }
}

#[test]
fn the_file_of_rules_is_fresh_and_valid() {
    let file = root("deploy/prometheus/rules/tidemark.yml");
    let held = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(held == rules::yaml(RUNBOOKS), "{} is stale: run `make docs`", file.display());
    let Some((valid, said)) =
        promtool(&["check", "rules", "--lint=all", "--lint-fatal", file.to_str().unwrap()])
    else {
        return;
    };
    assert!(valid, "{said}");
}

#[test]
fn every_alert_has_its_runbook_and_every_runbook_its_alert() {
    let names: BTreeSet<String> = alerts().into_iter().map(|alert| alert.name).collect();
    let pages: BTreeSet<String> = std::fs::read_dir(root("docs/runbooks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".md").map(str::to_owned))
        .filter(|name| name != "README")
        .collect();
    assert_eq!(names, pages);
    let index = std::fs::read_to_string(root("docs/runbooks/README.md")).unwrap();
    for name in names {
        let page = std::fs::read_to_string(root(&format!("docs/runbooks/{name}.md"))).unwrap();
        let headings: Vec<&str> = page.lines().filter(|line| line.starts_with('#')).collect();
        let title = format!("# {name}");
        let wanted = [&*title, "## What it means", "## First three looks", "## Mend", "## Silence"];
        assert_eq!(headings, wanted, "{name}");
        let looks =
            page.split("## First three looks").nth(1).unwrap().split("\n## ").next().unwrap();
        let numbered: Vec<&str> = looks
            .lines()
            .filter(|line| ["1. ", "2. ", "3. ", "4. "].iter().any(|n| line.starts_with(n)))
            .collect();
        assert_eq!(numbered.len(), 3, "{name}: three looks");
        assert!(numbered.iter().all(|look| look.contains('`')), "{name}: a look is a command");
        assert!(index.contains(&format!("[{name}]({name}.md)")), "the index lacks {name}");
    }
}

#[test]
fn every_alert_has_a_rule_test() {
    let tested: BTreeSet<String> =
        cases::all().iter().map(|case| format!("Tidemark{}", case.alert)).collect();
    let declared: BTreeSet<String> = alerts().into_iter().map(|alert| alert.name).collect();
    assert_eq!(declared, tested);
}

/// Every sixth scrape fails: all series of the target end, and `up` is 0.
fn scraped(series: &str, value: f64, minute: u32) -> String {
    match minute % 6 {
        5 if series.starts_with("up{") => "0".to_owned(),
        5 if !value.is_nan() => "stale".to_owned(),
        _ if value.is_nan() => "_".to_owned(),
        _ => value.to_string(),
    }
}

fn input(case: &Case, wrong: bool) -> String {
    let mut out = String::new();
    for line in &case.lines {
        let value = if wrong { line.1 } else { line.2 };
        let points: Vec<String> =
            (0..=case.minutes).map(|minute| scraped(line.0, value(minute), minute)).collect();
        let series = line.0.replace('§', TARGET);
        let _ = writeln!(out, "      - series: '{series}'\n        values: '{}'", points.join(" "));
    }
    out
}

/// Beyond this many minutes rules are computed each half hour, for the time that it takes.
const LONG: u32 = 1_000;

/// Has promtool test these cases, each written by `test`: the verdicts and what was said.
fn run(test: fn(&Case) -> String) -> Option<Vec<(bool, String)>> {
    let file = root("deploy/prometheus/rules/tidemark.yml");
    let dir = tempfile::tempdir().unwrap();
    let mut said = Vec::new();
    for (long, every) in [(false, "1m"), (true, "30m")] {
        let file = file.display();
        let mut text = format!("rule_files: ['{file}']\nevaluation_interval: {every}\ntests:\n");
        for case in cases::all().iter().filter(|case| (case.minutes > LONG) == long) {
            text.push_str(&test(case));
        }
        let path = dir.path().join("rules.test.yml");
        std::fs::write(&path, text).unwrap();
        said.push(promtool(&["test", "rules", path.to_str().unwrap()])?);
    }
    Some(said)
}

/// Firing at the end where something is wrong, and at no minute where all is well.
fn fires(case: &Case) -> String {
    let mut text = String::new();
    let firing = format!("ALERTS{{alertname=\"Tidemark{}\",alertstate=\"firing\"}}", case.alert);
    for wrong in [true, false] {
        let (expr, samples) = if wrong {
            (format!("min({firing})"), "[{labels: '{}', value: 1}]")
        } else {
            (format!("count_over_time({firing}[{}m])", case.minutes), "[]")
        };
        let _ = write!(
            text,
            "  - interval: 1m\n    input_series:\n{}    promql_expr_test:\n      - expr: '{expr}'\n        \
             eval_time: {}m\n        exp_samples: {samples}\n",
            input(case, wrong),
            case.minutes
        );
    }
    text
}

/// Wants nothing, so that promtool tells what it got.
fn told(case: &Case) -> String {
    format!(
        "  - interval: 1m\n    input_series:\n{}    alert_rule_test:\n      - eval_time: {}m\n        \
         alertname: Tidemark{}\n        exp_alerts: []\n",
        input(case, true),
        case.minutes,
        case.alert
    )
}

#[test]
fn each_fires_when_it_must_and_only_then() {
    for (passed, said) in run(fires).into_iter().flatten() {
        assert!(passed, "{said}");
    }
}

/// What a person reads.
#[test]
fn what_an_alert_says_is_whole() {
    let Some(runs) = run(told) else { return };
    assert!(runs.iter().all(|(passed, _)| !passed), "nothing fired");
    let said: String = runs.into_iter().map(|(_, said)| said).collect();
    for case in cases::all() {
        let name = format!("alertname=\"Tidemark{}\"", case.alert);
        assert!(said.contains(&name), "{name}: {said}");
    }
    for bad in ["error expanding", "<no value>", "summary=\"\"", "{{"] {
        assert!(!said.contains(bad), "{bad}: {said}");
    }
    assert!(
        said.contains(
            "summary=\"territory north: The win rate is down for good: -30% against its baseline\""
        ),
        "{said}"
    );
}
