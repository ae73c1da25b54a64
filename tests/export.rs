//! `tidemark export`: what is written is what was published, from a log and from a file. Parquet and
//! CSV are read back by DuckDB in `scripts/oracle`, whole and digit for digit.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use calamine::{Data, DataType as _, Reader as _, Xlsx};
use tidemark::config::Config;
use tidemark::log::embedded::EmbeddedLog;
use tidemark::log::{Log, Outgoing, Partition};
use tidemark::model::row::{Pane, Row};
use tidemark::model::window::{Period, WindowKind};

#[path = "board/fixture.rs"]
mod fixture;

use fixture::{Sales, at, row};

const MONTH: WindowKind = WindowKind::Calendar(Period::Month);
const CONFIG: &str = "[app]\nname = \"sold\"\n[topology]\nshards = 2\npartitions = 2\n\
    [time]\nzone = \"Europe/Berlin\"\n[windows]\nrolling = [\"28d\"]\ncalendar = [\"month\"]\n\
    to_date = []\n[segments]\nsets = [\"overall\", \"rep\", [\"territory\", \"channel\"]]\n\
    [segments.budget]\nterritory = 20\n\
    [money]\ncurrency = \"EUR\"\n\
    [[directory.rep]]\nid = \"-7\"\nname = \"=Ana\"\n";
/// A rep who would like to be a formula.
const FORMULA: &str = "=HYPERLINK(\"http://evil\";1)";

fn sales(won: i128, lost: i128) -> Sales {
    Sales { won, lost, revenue: won * 100, cycle: 3, ..Sales::default() }
}

/// Two closed months of the whole and of two reps; the running month; a rolling window.
fn rows() -> Vec<Row> {
    let (february, march) = (at("2026-02-10T12:00:00Z"), at("2026-03-20T12:00:00Z"));
    let closed = |mut row: Row, pane| {
        (row.pane, row.as_of, row.complete_ratio) = (pane, Some(at("2026-03-20T12:00:00Z")), 1.0);
        row
    };
    let mut corrected =
        closed(row(MONTH, february, &[("rep", FORMULA)], sales(1, 2)), Pane::Corrected);
    corrected.revision = 2;
    vec![
        closed(row(MONTH, february, &[], sales(3, 1)), Pane::OnTime),
        corrected,
        closed(row(MONTH, february, &[("rep", "-7")], sales(0, 0)), Pane::OnTime),
        row(MONTH, march, &[], sales(5, 5)),
        row(MONTH, march, &[("territory", "West"), ("channel", "web")], sales(1, 1)),
        row(WindowKind::RollingDays(28), march, &[], sales(6, 5)),
    ]
}

fn jsonl(rows: &[Row]) -> String {
    rows.iter().map(|row| row.to_json() + "\n").collect()
}

/// A directory with a config and rows as `replay` writes them.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("t.toml"), CONFIG).unwrap();
    std::fs::write(dir.path().join("rows.jsonl"), jsonl(&rows())).unwrap();
    dir
}

fn tidemark(dir: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .args(arguments.split_whitespace())
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What an export of the file writes.
fn export(dir: &Path, arguments: &str) -> String {
    let all = format!("export --config t.toml --input rows.jsonl {arguments}");
    let out = tidemark(dir, &all);
    assert!(out.status.success(), "{arguments}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Exit code and what is said on standard error.
fn fails(dir: &Path, arguments: &str) -> (Option<i32>, String) {
    let out = tidemark(dir, arguments);
    (out.status.code(), String::from_utf8(out.stderr).unwrap())
}

#[test]
fn csv_has_every_digit_and_no_formula() {
    let dir = place();
    let kpis = "--kpi win_rate --kpi revenue --kpi deals_won";
    insta::assert_snapshot!("wide", export(dir.path(), kpis));
    insta::assert_snapshot!("long", export(dir.path(), &format!("{kpis} --layout long")));
    insta::assert_snapshot!("head", export(dir.path(), "").lines().next().unwrap());
    // Without a configuration the words are those of the rows.
    let own = tidemark(dir.path(), &format!("export --input rows.jsonl --window month {kpis}"));
    let own = String::from_utf8(own.stdout).unwrap();
    assert!(own.starts_with("window_kind,window_start,window_end,zone,grain,rep,"), "{own}");

    let all = export(dir.path(), "--delimiter ;");
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(all.as_bytes());
    let rep = reader.headers().unwrap().iter().position(|name| name == "rep").unwrap();
    let reps: Vec<String> = reader.records().map(|r| r.unwrap()[rep].to_owned()).collect();
    let back: Vec<String> = reps.iter().map(|r| tidemark::export::safe::original(r)).collect();
    assert!(back.contains(&FORMULA.to_owned()) && back.contains(&"-7".to_owned()), "{reps:?}");
    assert!(reps.iter().all(|rep| !rep.starts_with(['=', '-'])), "{reps:?}");
}

#[test]
fn filters_are_those_of_the_api() {
    let dir = place();
    let lines = |arguments: &str| export(dir.path(), arguments).lines().count() - 1;
    assert_eq!(lines(""), 6);
    assert_eq!(lines("--window month"), 5);
    assert_eq!(lines("--window month --window rolling_28d --window month"), 6);
    assert_eq!(lines("--from 2026-03-01"), 2);
    assert_eq!(lines("--window month --to 2026-03-01"), 3);
    assert_eq!(lines("--status corrected --status on_time"), 3);
    assert_eq!(lines("--grain rep"), 2);
    assert_eq!(lines("--segment rep=-7"), 1);
    assert_eq!(lines("--segment territory=West --segment channel=web"), 1);
    assert_eq!(lines("--grain territory_channel --segment territory=West"), 1);
    assert_eq!(lines("--segment rep=nobody"), 0);
}

#[test]
fn what_is_wrong_is_named_with_the_exit_code() {
    let dir = place();
    let base = "export --config t.toml --input rows.jsonl";
    for (arguments, code, says) in [
        (
            "--window mnoth",
            2,
            "--window \"mnoth\" is not one of the allowed values: rolling_28d, month",
        ),
        ("--kpi winrate", 2, "did you mean \"win_rate\"?"),
        ("--segment teritory=West", 2, "did you mean \"territory\"?"),
        ("--segment West", 2, "write dimension=value"),
        // No segment is of the territory alone.
        ("--segment territory=West", 2, "--segment territory: \"West\" is of no segment"),
        ("--layout funnel --kpi revenue", 2, "leave --kpi out"),
        ("--layout funnel --format openmetrics", 2, "--layout funnel is for tables"),
        ("--grain team", 2, "overall, rep, territory_channel"),
        ("--from yesterday", 2, "--from \"yesterday\" is neither an RFC 3339 time nor a date"),
        ("--delimiter ab", 2, "write one character"),
        ("--format xlsx", 2, "name a file with --output FILE"),
        ("--format parquet", 2, "name a file with --output FILE"),
        ("--max-rows 5", 1, "more than 5 rows: narrow them down"),
        ("--output no/where.csv", 1, "cannot create no/where.csv"),
    ] {
        let (got, said) = fails(dir.path(), &format!("{base} {arguments}"));
        assert!(got == Some(code) && said.contains(says), "{arguments}: {got:?} {said}");
    }
    assert!(export(dir.path(), "--max-rows 6").lines().count() == 7);
    let (code, said) = fails(dir.path(), "export --format csv");
    assert!(code == Some(2) && said.contains("--config"), "{said}");
    let none = "export --config t.toml --embedded nowhere/at/all";
    assert_eq!(fails(dir.path(), none).0, Some(3));

    let events = format!("{}\n{{\"id\":1}}\n", rows()[0].to_json());
    std::fs::write(dir.path().join("rows.jsonl"), events).unwrap();
    let (code, said) = fails(dir.path(), base);
    assert!(
        code == Some(1) && said.contains("rows.jsonl:2 cannot be used: it is no row"),
        "{said}"
    );
    let float =
        rows()[0].to_json().replace("\"revenue\":{\"value\":300", "\"revenue\":{\"value\":3e2");
    std::fs::write(dir.path().join("rows.jsonl"), float).unwrap();
    let (code, said) = fails(dir.path(), base);
    assert!(code == Some(1) && said.contains("\"3e2\" of its \"revenue\""), "{said}");
}

#[test]
fn of_a_log_the_newest_row_of_each_key_is_written() {
    let dir = place();
    let config = Config::from_toml(CONFIG, "test", std::iter::empty()).unwrap();
    let log = EmbeddedLog::open(dir.path().join("store"), tidemark::clock::wall_ms).unwrap();
    tidemark::app::create_topics(&config, &log).unwrap();
    let mut writer = log.writer().unwrap();
    let mut put = |partition, key: String, value: Option<Vec<u8>>| {
        let (topic, partition) = (config.topics().kpis.as_str().into(), Partition(partition));
        let key = Some(key.into_bytes());
        writer.send(Outgoing { topic, partition, key, value, headers: Vec::new() }).unwrap();
    };
    let rows = rows();
    let bytes = |row: &Row| Some(row.to_json().into_bytes());
    for (i, row) in rows.iter().enumerate() {
        let newer = Row { version: 9, revision: 7, ..row.clone() };
        // The older one behind the newer: a stale writer.
        put(i as u32 % 2, row.key(), bytes(&newer));
        put(i as u32 % 2, row.key(), bytes(row));
    }
    // A rolling window moves on under one key: only the newest is there, whatever it started as.
    let earlier = row(WindowKind::RollingDays(28), at("2026-03-10T12:00:00Z"), &[], sales(1, 1));
    put(1, earlier.key(), bytes(&earlier));
    put(1, rows[3].key(), None);
    put(0, "odd".to_owned(), Some(b"{}".to_vec()));
    writer.flush(Duration::from_secs(30)).unwrap();
    drop((writer, log));

    let all = "export --config t.toml --embedded store --values-only --kpi deals_won";
    let out = tidemark(dir.path(), all);
    let said = String::from_utf8(out.stderr).unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success(), "{said}");
    assert!(said.contains("1 records of sold.kpis are no rows"), "{said}");
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(lines.len(), 5, "one was deleted\n{text}");
    assert!(lines.iter().all(|line| line.contains(",7,2026-03-20T13:00:00+01:00,")), "{text}");
    // A log of another configuration.
    std::fs::write(dir.path().join("t.toml"), CONFIG.replace("\"sold\"", "\"else\"")).unwrap();
    let (code, said) = fails(dir.path(), all);
    assert!(code == Some(3) && said.contains("no \"else.kpis[0]\""), "{said}");
    std::fs::write(dir.path().join("t.toml"), CONFIG).unwrap();
    let old = tidemark(dir.path(), &format!("{all} --window rolling_28d --to 2026-02-15"));
    assert_eq!(String::from_utf8(old.stdout).unwrap().lines().count(), 1, "it has moved on");
}

#[test]
fn a_funnel_is_a_line_a_stage_and_names_stand_last() {
    let dir = place();
    let text = export(dir.path(), "--layout funnel --window month --status on_time");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!((head.last().unwrap().as_str(), head.len()), ("name", 14 + 21 + 1));
    let lines: Vec<csv::StringRecord> = reader.records().map(|line| line.unwrap()).collect();
    assert_eq!(lines.len(), 2 * 2, "two stages of the whole and of a rep\n{text}");
    let of = |line: usize, names: &str| -> Vec<&str> {
        let place = |name: &str| head.iter().position(|column| column == name).unwrap();
        names.split(' ').map(|name| &lines[line][place(name)]).collect()
    };
    let told = "funnel_name funnel_stage funnel_label funnel_status bottleneck";
    assert_eq!(of(0, told), ["6120", "6120", "Qualified", "open", "true"]);
    let counts = "entered advanced back lost left held won closed n";
    assert_eq!(of(0, counts), ["40", "24", "0", "10", "0", "6", "8", "20", "34"]);
    let rates = "step_rate drop_off win_rate days_p50 days_p90";
    let numbers: Vec<f64> = of(0, rates).iter().map(|n| n.parse().unwrap()).collect();
    assert_eq!(numbers, [0.6, 0.25, 0.4, 3.0, 3.0]);
    assert_eq!(of(1, "funnel_name entered held bottleneck"), ["won", "8", "8", "false"]);
    assert_eq!(of(1, rates), [""; 5]);
    // A name is a text of somebody too.
    assert_eq!((of(0, "rep name"), of(2, "rep name")), (vec!["", ""], vec!["'-7", "'=Ana"]));
    for format in ["xlsx", "parquet"] {
        export(dir.path(), &format!("--layout funnel --format {format} --output funnel.{format}"));
    }
    let sheet = cells(&dir.path().join("funnel.xlsx"));
    assert_eq!(sheet.len(), 6 * 2);
    assert_eq!(sheet[0]["entered"], Data::Float(40.0));

    let bare: Vec<Row> = rows().into_iter().map(|row| Row { funnel: None, ..row }).collect();
    std::fs::write(dir.path().join("rows.jsonl"), jsonl(&bare)).unwrap();
    let none = tidemark(dir.path(), "export --config t.toml --input rows.jsonl --layout funnel");
    let said = String::from_utf8(none.stderr).unwrap();
    assert!(none.status.success() && said.contains("none of 6 rows has a funnel"), "{said}");
}

/// The cells of the sheet of rows, by the names of its columns.
fn cells(path: &Path) -> Vec<std::collections::BTreeMap<String, Data>> {
    let mut book: Xlsx<_> = calamine::open_workbook(path).unwrap();
    assert_eq!(book.sheet_names(), ["rows", "kpis"]);
    let formulas = book.worksheet_formula("rows").unwrap();
    assert_eq!(formulas.used_cells().count(), 0, "a formula");
    let range = book.worksheet_range("rows").unwrap();
    let names: Vec<String> = range.rows().next().unwrap().iter().map(Data::to_string).collect();
    let lines = range.rows().skip(1);
    lines.map(|line| names.iter().cloned().zip(line.iter().cloned()).collect()).collect()
}

#[test]
fn a_workbook_has_numbers_as_numbers_and_texts_as_texts() {
    let dir = place();
    let mut large = rows();
    let usd = large[0]
        .to_json()
        .replace("\"revenue\":{\"value\":300", "\"revenue\":{\"value\":1234567890123456.25");
    large.remove(0);
    std::fs::write(dir.path().join("rows.jsonl"), format!("{usd}\n{}", jsonl(&large))).unwrap();
    export(dir.path(), "--format xlsx --output rows.xlsx --window month");
    let lines = cells(&dir.path().join("rows.xlsx"));
    assert_eq!(lines.len(), 5);
    let of = |grain: &str, rep: &str| {
        lines
            .iter()
            .find(|l| l["grain"] == *grain && l["rep"].get_string().unwrap_or_default() == rep)
            .unwrap()
    };
    let (overall, formula, idle) = (of("overall", ""), of("rep", FORMULA), of("rep", "-7"));
    assert_eq!(formula["rep"], Data::String(FORMULA.to_owned()), "as it is: a text");
    assert_eq!(idle["rep"], Data::String("-7".to_owned()));
    assert_eq!(
        (&formula["deals_won"], &formula["win_rate_den"]),
        (&Data::Float(1.0), &Data::Float(3.0))
    );
    assert_eq!(formula["win_rate"], Data::Float(1.0 / 3.0));
    assert_eq!(formula["revenue"], Data::Float(100.0));
    assert_eq!(idle["win_rate"], Data::Empty, "no denominator is no 0");
    assert_eq!(idle["deals_won"], Data::Float(0.0));
    assert_eq!(overall["revenue"], Data::String("1234567890123456.25".to_owned()), "every digit");
    // 2026-02-01 00:00 on Berlin's clocks, in days since 1899-12-30.
    assert!(
        matches!(&formula["window_start"], Data::DateTime(d) if d.as_f64() == 46054.0),
        "{formula:?}"
    );
    assert_eq!(formula["incomplete"], Data::Bool(false));

    let bytes = std::fs::read(dir.path().join("rows.xlsx")).unwrap();
    export(dir.path(), "--format xlsx --output again.xlsx --window month");
    assert!(bytes == std::fs::read(dir.path().join("again.xlsx")).unwrap(), "no clock is in it");
}

#[test]
fn history_has_the_families_of_the_metrics_page() {
    let dir = place();
    let text = export(dir.path(), "--format openmetrics --kpi win_rate");
    insta::assert_snapshot!("history", text);
    let out = tidemark(
        dir.path(),
        "export --config t.toml --input rows.jsonl --format openmetrics --output -",
    );
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(said.contains("3 rows left out that are no history"), "{said}");
    // A window that is named is history once it is closed, and while it is not when that is asked for.
    let rolling = export(dir.path(), "--format openmetrics --window rolling_28d --kpi deals_won");
    assert_eq!(rolling, "# EOF\n");
    let open = "--format openmetrics --window rolling_28d --status early --kpi deals_won";
    let open = export(dir.path(), open);
    let at_watermark = "tidemark_overall_deals_won{window=\"rolling_28d\"} 6 1774008000\n";
    assert!(open.contains(at_watermark), "{open}");
}

#[test]
fn prometheus_takes_the_history() {
    let dir = place();
    export(dir.path(), "--format openmetrics --output history.om");
    let promtool = |arguments: &[&str]| {
        Command::new("promtool").args(arguments).current_dir(dir.path()).output()
    };
    let made = match promtool(&["tsdb", "create-blocks-from", "openmetrics", "history.om", "data"])
    {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: promtool is not installed (apt-get install prometheus)");
            return;
        }
        made => made.expect("promtool starts"),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(made.status.success(), "{}{}", text(&made.stdout), text(&made.stderr));
    // A directory of a running Prometheus has one, and the dump wants it.
    std::fs::create_dir(dir.path().join("data/wal")).unwrap();
    let found = promtool(&["tsdb", "dump", "data"]).expect("promtool starts");
    let found = text(&found.stdout);
    // The end of February in Berlin.
    let end = at("2026-02-28T23:00:00Z").millis();
    for sample in [
        format!("{{__name__=\"tidemark_overall_win_ratio\", window=\"month\"}} 0.75 {end}"),
        format!("{{__name__=\"tidemark_overall_won_amount\", window=\"month\"}} 300 {end}"),
        format!(
            "{{__name__=\"tidemark_rep_deals_won\", rep=\"=HYPERLINK(\\\"http://evil\\\";1)\", \
             window=\"month\"}} 1 {end}"
        ),
    ] {
        assert!(found.contains(&sample), "{sample} in\n{found}");
    }
    let written = std::fs::read_to_string(dir.path().join("history.om")).unwrap();
    let samples = written.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(found.lines().count(), samples, "all of it, and nothing else");
}
