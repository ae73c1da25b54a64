//! The command line as people use it: what is refused says what it would have cost, and whoever reads
//! only the beginning of what is written is no fault.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const STAGES: &str = "[windows]\nrolling = []\ncalendar = [\"day\"]\nto_date = []\n[segments]\n\
    sets = [\"overall\", \"rep\"]\n[[stages.stage]]\nstage = \"talk\"\nstatus = \"open\"\n";

fn command(dir: &Path, arguments: &str) -> Command {
    let mut out = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    out.args(arguments.split_whitespace()).current_dir(dir).stdin(Stdio::null());
    out
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn place(config: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("t.toml"), config).unwrap();
    dir
}

#[test]
fn what_a_budget_refuses_says_what_it_would_cost() {
    let dir = place("[limits]\nmax_series = 100\n[segments]\nsets = [\"overall\", \"rep\"]\n");
    let validate = || said(&command(dir.path(), "validate --config t.toml").output().unwrap());
    let (code, shown, told) = validate();
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.starts_with("error: up to ") && told.contains("limits.max_series = 100"),
        "{told}"
    );
    let line = |label: &str| shown.lines().find(|line| line.starts_with(label)).unwrap_or_default();
    assert!(line("segments").contains("overall (1), rep (100)"), "{shown}");
    assert!(line("estimate").ends_with(" Prometheus series"), "{shown}");
    assert!(line("kpis").contains("deals (") && line("kpis").contains("activities ("), "{shown}");
    // What is wrong in another way has no cost to show.
    std::fs::write(dir.path().join("t.toml"), "[limits]\nmax_serie = 100\n").unwrap();
    let (code, shown, _) = validate();
    assert_eq!((code, shown.as_str()), (Some(2), ""));
}

#[test]
fn a_stale_file_is_mended_by_the_whole_command() {
    let dir = place("[kpis]\ngroups = [\"deals\"]\n");
    let run = |arguments: &str| said(&command(dir.path(), arguments).output().unwrap());
    for (made, to, command) in [
        ("alerts", "r.yml", "alerts --runbooks https://wiki.example.com/t --output r.yml"),
        (
            "dashboards",
            "boards",
            "dashboards --config t.toml --runbooks https://wiki.example.com/t --output boards",
        ),
    ] {
        let check = format!("generate {}", command.replace("--output", "--check"));
        let (code, _, told) = run(&check);
        assert_eq!(code, Some(1), "{made}: {told}");
        let mend = told.lines().last().unwrap().split_once(": ").unwrap().1;
        assert_eq!(mend, format!("tidemark generate {command}"));
        assert_eq!(run(mend.strip_prefix("tidemark ").unwrap()).0, Some(0), "{made}");
        assert!(dir.path().join(to).exists());
        assert_eq!(run(&check).0, Some(0), "{made}");
    }
    // What is as usual need not be said, and a name with a space is one argument.
    let check = ["generate", "alerts", "--config", "t.toml", "--check", "my rules.yml"];
    let told = said(&command(dir.path(), "").args(check).output().unwrap()).2;
    assert!(told.ends_with("tidemark generate alerts --output 'my rules.yml'\n"), "{told}");
}

/// Deals, each on a day of its own, of a rep of its own.
fn events(n: usize) -> String {
    let event = |i: usize| {
        let stage = if i.is_multiple_of(3) { "talk" } else { "unheard of" };
        let (month, day) = (1 + i / 28 % 12, 1 + i % 28);
        format!(
            "{{\"v\":1,\"id\":\"{i}\",\"entity\":{{\"type\":\"deal\",\"id\":\"d{i}\"}},\"op\":\"create\",\
             \"time\":\"2026-{month:02}-{day:02}T10:00:00Z\",\"set\":{{\"owner\":\"r{i}\",\"stage\":\"{stage}\"}}}}\n"
        )
    };
    (0..n).map(event).collect()
}

#[test]
fn a_replay_counts_stages_that_the_table_does_not_know() {
    let dir = place(STAGES);
    std::fs::write(dir.path().join("events.jsonl"), events(9)).unwrap();
    let all = "replay --config t.toml --input events.jsonl --output rows.jsonl";
    let (code, _, told) = said(&command(dir.path(), all).output().unwrap());
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains(" 6 with a stage that the table does not know, 0 dead letters"),
        "{told}"
    );
}

/// A replay exposes no series, so the budget of them stops nothing.
#[test]
fn a_replay_is_warned_of_a_budget_and_runs() {
    let dir = place(&format!("[limits]\nmax_series = 1\n{STAGES}"));
    std::fs::write(dir.path().join("events.jsonl"), events(9)).unwrap();
    let replay = "replay --config t.toml --input events.jsonl --output -";
    let (code, rows, told) = said(&command(dir.path(), replay).output().unwrap());
    assert_eq!(code, Some(0), "{told}");
    assert!(rows.lines().count() > 9 && told.starts_with("warning: "), "{told}");
    std::fs::write(dir.path().join("t.toml"), "[limits]\nmax_series = 1\n[app]\nnme = 1\n")
        .unwrap();
    let (code, _, told) = said(&command(dir.path(), replay).output().unwrap());
    assert!(code == Some(2) && told.contains("unknown key"), "{told}");
}

#[test]
fn whoever_has_seen_enough_ends_it_quietly() {
    let dir = place(STAGES);
    // More than a pipe holds.
    std::fs::write(dir.path().join("events.jsonl"), events(40)).unwrap();
    let replay = "replay --config t.toml --input events.jsonl --output";
    let rows = command(dir.path(), &format!("{replay} rows.jsonl")).output().unwrap();
    assert!(rows.status.success(), "{rows:?}");
    for arguments in [
        format!("{replay} -"),
        "export --input rows.jsonl".to_owned(),
        "export --input rows.jsonl --format parquet --output -".to_owned(),
    ] {
        let (out, err) = (Stdio::piped(), Stdio::piped());
        let mut child = command(dir.path(), &arguments).stdout(out).stderr(err).spawn().unwrap();
        let mut seen = Vec::new();
        let mut stdout = BufReader::with_capacity(64, child.stdout.take().unwrap());
        stdout.read_until(b'\n', &mut seen).unwrap();
        drop(stdout);
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert!(child.wait().unwrap().success(), "{arguments}: {told}");
        assert!(!told.contains("error"), "{arguments}: {told}");
    }
}

/// Nobody reads from the very beginning: each write fails, whatever a pipe could hold.
#[test]
fn no_verb_minds_that_nobody_reads() {
    let dir = place(STAGES);
    std::fs::write(dir.path().join("events.jsonl"), events(40)).unwrap();
    let rows = "replay --config t.toml --input events.jsonl --output rows.jsonl";
    assert!(command(dir.path(), rows).output().unwrap().status.success());
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    for arguments in [
        "kpis list",
        "kpis list --json",
        "kpis show win_rate",
        "kpis show won_amount --json",
        "validate --config t.toml",
        "decode --system canonical events.jsonl",
        "generate events --days 3",
        "generate kpis",
        "generate schema",
        "replay --config t.toml --input events.jsonl --output -",
        "export --input rows.jsonl",
        "export --input rows.jsonl --format openmetrics --output -",
    ] {
        let whole = command(dir.path(), arguments).output().unwrap();
        assert!(whole.status.success(), "{arguments}: {}", said(&whole).2);
        assert!(!whole.stdout.is_empty(), "{arguments} writes nothing");
        let (code, _, told) =
            said(&command(dir.path(), arguments).stdout(closed()).output().unwrap());
        assert_eq!(code, Some(0), "{arguments}: {told}");
        assert!(!told.contains("panicked") && !told.contains("error"), "{arguments}: {told}");
        let deaf = command(dir.path(), arguments).stdout(closed()).stderr(closed()).status();
        assert_eq!(deaf.unwrap().code(), Some(0), "{arguments}");
    }
    // What is wrong is wrong all the same.
    let wrong = "validate --config no.toml";
    let deaf = command(dir.path(), wrong).stdout(closed()).stderr(closed()).status().unwrap();
    assert_eq!(deaf.code(), Some(2));
}

/// Reading makes no log where there is none.
#[test]
fn a_directory_that_is_not_there_is_named() {
    let dir = place("");
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for (verb, named, what) in
        ["export", "explain watermark", "dlq ls"].into_iter().flat_map(|verb| {
            [(verb, "nodir", "directory of that name"), (verb, "empty", "log in that")]
        })
    {
        let verb = format!("{verb} --config t.toml --embedded {named}");
        let (code, _, told) = said(&command(dir.path(), &verb).output().unwrap());
        let says = format!("--embedded \"{named}\": there is no {what}");
        assert!(code == Some(3) && told.contains(&says), "{verb}: {told}");
        assert!(told.contains("name the one that `tidemark run --embedded` was given"), "{told}");
    }
    assert!(!dir.path().join("nodir").exists());
    assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0);
}

#[test]
fn a_measure_says_what_it_counts_and_in_which_kpis() {
    let dir = tempfile::tempdir().unwrap();
    let of =
        |what: &str| said(&command(dir.path(), &format!("kpis show {what}")).output().unwrap());
    let (code, shown, _) = of("cycle_won");
    assert_eq!(code, Some(0));
    assert!(shown.contains("cycle_length_mean, cycle_length_p50"), "{shown}");
    let (_, shown, _) = of("won_amount --json");
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["unit"], &shown["in_formulas"]), (&"money".into(), &true.into()));
    assert!(shown["kpis"].as_array().unwrap().contains(&"revenue".into()), "{shown}");
}

#[test]
fn what_a_kpi_is_usually_called_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let of =
        |name: &str| said(&command(dir.path(), &format!("kpis show {name}")).output().unwrap());
    let (code, shown, _) = of("nrr");
    assert_eq!(code, Some(0));
    assert!(shown.starts_with("net_revenue_retention\n"), "{shown}");
    let (code, _, told) = of("quota_attainment");
    assert!(
        code == Some(2) && told.contains("is no KPI: it stands beside a KPI that has a target"),
        "{told}"
    );
}
