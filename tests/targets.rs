//! Targets from a configuration to rows, metrics, tables; and against a published set of quotas.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tidemark::config::Config;
use tidemark::export::{Layout, Parts, Table, csv, row_of};
use tidemark::http::{Caps, KpiSnapshot};
use tidemark::intake::{Decoder, Limits};
use tidemark::model::kpi::{Kpi, Kpis};
use tidemark::model::record::{Offset, Partition, Record};
use tidemark::model::row::Row;
use tidemark::model::source::{Reading, System};
use tidemark::model::target::Aim;
use tidemark::model::time::{Day, Timestamp};
use tidemark::replay::Replay;

const JOB: &str = r#"
[windows]
rolling = []
calendar = ["day", "month", "quarter"]
to_date = ["month"]
[segments]
sets = ["overall", "rep", "territory"]
[money]
currency = "EUR"
"#;

/// A directory with a configuration and files beside it.
struct Dir(tempfile::TempDir);

impl Dir {
    fn new(config: &str, files: &[(&str, &str)]) -> Dir {
        let dir = tempfile::tempdir().expect("there is a directory for temporary files");
        for (name, text) in files.iter().chain(&[("tidemark.toml", config)]) {
            std::fs::write(dir.path().join(name), text).expect("it can be written");
        }
        Dir(dir)
    }

    fn load(&self) -> Result<Config, String> {
        let file = self.0.path().join("tidemark.toml");
        let read = Config::load(&file, std::iter::empty());
        // The directory has another name each time.
        read.map_err(|e| e.to_string().replace(&format!("{}/", self.0.path().display()), ""))
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("a time")
}

/// The rows of a replay that ends at `now`, by key.
fn rows(config: &Config, events: &[Value], now: &str) -> BTreeMap<String, Row> {
    let decoder = Decoder {
        source: "crm".into(),
        system: System::Canonical,
        reading: Reading::default(),
        calendar: config.definition.calendar.clone(),
        limits: Limits {
            max_record_bytes: 1 << 20,
            max_array: 1000,
            future_limit: config.time.future_limit,
        },
    };
    let mut replay = Replay::new(config.definition.clone(), decoder, Some(at(now)));
    for (i, event) in events.iter().enumerate() {
        let record = Record {
            topic: "source".into(),
            partition: Partition(0),
            offset: Offset(i as u64),
            timestamp_ms: None,
            key: None,
            value: Some(event.to_string().into_bytes()),
            headers: Vec::new(),
        };
        assert_eq!(replay.feed(&record), [], "{event}");
    }
    let mut out = BTreeMap::new();
    replay.finish(|row| {
        out.insert(row.key(), row);
    });
    out
}

fn deal(id: &str, time: &str, set: Value) -> Value {
    json!({"id": format!("{id}@{time}"), "entity": {"type": "deal", "id": id}, "time": time,
        "op": "update", "set": set})
}

fn won(id: &str, time: &str, rep: &str, amount: &str) -> Value {
    let money = json!({"value": amount, "currency": "EUR"});
    deal(id, time, json!({"status": "won", "owner": rep, "amount": money}))
}

const CSV: &str = "segment,kpi,period,start,value,valid_from,owner,note\n\
    rep=*,revenue,month,,21000,,,\n\
    rep=r-1,revenue,month,2026-05-01,42000,,Ana,doubled\n\
    rep=r-1,revenue,month,2026-05-01,10500,2026-05-08,Ana,\n";

fn may() -> (Config, BTreeMap<String, Row>) {
    let config = format!(
        "{JOB}[targets]\nfiles = [\"targets.csv\"]\n[[targets.target]]\nkind = \"benchmark\"\n\
         kpi = \"win_rate\"\nvalue = \"0.25\"\nsegment = \"rep=*\"\n\
         [[targets.target]]\nkpi = \"commission\"\nperiod = \"month\"\nvalue = 2100\n\
         segment = \"rep=r-1\"\n[kpis.custom.commission]\nformula = \"0.1 * revenue\"\n\
         [calendar]\nholidays = \"off.csv\"\n"
    );
    let dir = Dir::new(
        &config,
        &[("targets.csv", CSV), ("off.csv", "date,name\n2026-05-01,Labor Day\n")],
    );
    let config = dir.load().expect("it is right");
    let events = [
        won("D1", "2026-05-06T10:00:00Z", "r-1", "4200"),
        won("D2", "2026-05-06T10:00:00Z", "r-2", "2100"),
    ];
    let rows = rows(&config, &events, "2026-05-15T18:00:00Z");
    (config, rows)
}

#[test]
fn rows_carry_targets_and_are_read_back_with_them() {
    let (config, rows) = may();
    let of = |key: &str| -> Value { serde_json::from_str(&rows[key].to_json()).expect("JSON") };
    // May 2026 without Labor Day: 20 working days, 10 of them up to the 15th, 11 with it from there.
    let r1 = of("month:2026-05-01T00:00:00Z|rep=r-1");
    let target = &r1["targets"]["revenue"];
    assert_eq!(target["target"], 10500);
    assert_eq!((&target["attainment"], &target["gap"]), (&json!(0.4), &json!(-6300)));
    assert_eq!(target["pace"], 0.8);
    assert_eq!(target["working_days"], json!({"total": 20, "elapsed": 10, "remaining": 11}));
    let missing = target["required_per_day"].as_f64().expect("there are days left");
    assert!((missing - 6300.0 / 11.0).abs() < 1e-9);
    assert_eq!(target["owner"], "Ana");
    assert_eq!(r1["benchmarks"]["win_rate"], json!({"benchmark": 0.25, "gap": 0.75, "share": 4.0}));
    assert_eq!(of("month_to_date|rep=r-1")["targets"], r1["targets"]);
    let r2 = of("month:2026-05-01T00:00:00Z|rep=r-2");
    assert_eq!(r2["targets"]["revenue"]["attainment"], 0.1);
    // A day is a step of the month; the whole has no target.
    let day = of("day:2026-05-06T00:00:00Z|rep=r-2");
    assert_eq!(day["targets"]["revenue"]["target"], 1050);
    assert_eq!(day["targets"]["revenue"]["step_of"], "month");
    assert_eq!(of("month:2026-05-01T00:00:00Z|overall").get("targets"), None);
    // One of one's own that adds up has a pace too.
    let own = &r1["targets"]["commission"];
    assert_eq!((&own["attainment"], &own["pace"]), (&json!(0.2), &json!(0.4)));
    let kpis = &config.definition.kpis;
    for row in rows.values() {
        assert_eq!(&row_of(&row.to_json(), kpis).expect("a row").targets, &row.targets);
    }
}

#[test]
fn metrics_and_tables_show_them() {
    let (config, rows) = may();
    let month = &rows["month:2026-05-01T00:00:00Z|rep=r-1"];
    let page = KpiSnapshot::render(&[month], &Kpis::ALL, Caps::NONE).text();
    for line in [
        "tidemark_rep_won_amount_target{rep=\"r-1\",window=\"month\"} 10500",
        "tidemark_rep_won_amount_target_attainment_ratio{rep=\"r-1\",window=\"month\"} 0.4",
        "tidemark_rep_won_amount_target_pace_ratio{rep=\"r-1\",window=\"month\"} 0.8",
        "tidemark_rep_won_amount_target_gap{rep=\"r-1\",window=\"month\"} -6300",
        "tidemark_rep_win_ratio_benchmark_gap{rep=\"r-1\",window=\"month\"} 0.75",
        "tidemark_rep_win_ratio_benchmark_ratio{rep=\"r-1\",window=\"month\"} 4",
    ] {
        assert!(page.lines().any(|l| l == line), "{line}\n{page}");
    }
    let kpi = |name| Kpi::named(name).expect("it is in the catalogue").clone();
    let kpis = [kpi("revenue"), kpi("win_rate")];
    let goals = [(Aim::Target, kpis[0].clone()), (Aim::Benchmark, kpis[1].clone())];
    let dimensions = ["rep".to_owned()];
    let table =
        Table::new(&dimensions, kpis.to_vec(), Layout::Wide, Parts::None).with_goals(&goals);
    let names: Vec<&str> = table.columns().iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names[names.len() - 8..],
        [
            "revenue_target",
            "revenue_target_gap",
            "revenue_attainment",
            "revenue_pace",
            "revenue_required_per_day",
            "win_rate_benchmark",
            "win_rate_benchmark_gap",
            "win_rate_benchmark_share"
        ]
    );
    let cells = |table: &Table| {
        let mut out = Vec::new();
        let done: Result<(), ()> = table.lines(month, |line| {
            out.push(format!("{:?}", &line[line.len() - 8..]));
            Ok(())
        });
        done.expect("it always goes on");
        out
    };
    assert!(cells(&table)[0].contains("Real(0.4), Real(0.8)"), "{:?}", cells(&table));
    let long = Table::new(&dimensions, kpis.to_vec(), Layout::Long, Parts::None).with_goals(&goals);
    assert_eq!(cells(&long).len(), 2);
    assert_eq!(config.definition.targets.len(), 5);
    // The writer takes columns of every kind.
    let mut text = Vec::new();
    csv::write(&long, [month], b',', &mut text).expect("memory takes all");
    assert!(String::from_utf8(text).expect("text").contains("required_per_day"));
}

#[test]
fn a_changed_target_is_no_new_definition() {
    let hashes = |value: &str| {
        let config = format!(
            "{JOB}[[targets.target]]\nkpi = \"revenue\"\nperiod = \"month\"\nvalue = \"{value}\"\n"
        );
        let config = Dir::new(&config, &[]).load().expect("it is right");
        assert_eq!(config.definition.targets.len(), 1);
        (config.definition.hash(), config.definition.reference_hash())
    };
    let none = Dir::new(JOB, &[]).load().expect("it is right").definition;
    assert_eq!(hashes("1"), hashes("2"));
    assert_eq!(hashes("1"), (none.hash(), none.reference_hash()));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let refusal = |files: &[(&str, &str)]| {
        let config = format!("{JOB}[targets]\nfiles = [\"{}\"]\n", files[0].0);
        Dir::new(&config, files).load().expect_err("it is wrong")
    };
    let csv = "segment,kpi,period,start,value,valid_from\n\
        overall,revenue,mnoth,,1,\n\
        overall,revenue,month,2026-05-01,many,\n\
        \"rep=r-1,x\",revenue,month,,1,\n";
    insta::assert_snapshot!("cells", refusal(&[("t.csv", csv)]));
    insta::assert_snapshot!(
        "heads",
        refusal(&[("t.csv", "segment,kpis,value\noverall,revenue,1\n")])
    );
    let toml = r#"
[[target]]
kpi = "revenu"
period = "month"
value = 5

[[target]]
kpi = "revenue"
period = "month"
start = "2026-05-02"
value = 5

[[target]]
kpi = "revenue"
period = "month"
start = "2026-05-01"
value = 5

[[target]]
kpi = "revenue"
period = "month"
start = "2026-05-01"
value = 6

[[target]]
kpi = "revenue"
period = "month"
start = "2026-05-01"
value = 6
valid_from = "2026-06-01"

[[target]]
segment = "team=a"
kpi = "revenue"
period = "month"
value = 6

[[target]]
kpi = "revenue"
value = 6

[[target]]
kpi = "revenue"
period = "month"
growth = "0.1"
value = 6

[[target]]
kpi = "win_rate"
period = "year"
value = "0.3"
"#;
    insta::assert_snapshot!("rows", refusal(&[("t.toml", toml)]));
}

#[test]
fn what_ended_and_whom_nobody_knows_is_told() {
    let config = format!(
        "{JOB}[directory]\nrep = [{{ id = \"r-01\" }}]\n[[targets.target]]\nsegment = \"rep=r-10\"\n\
         kpi = \"revenue\"\nperiod = \"month\"\nstart = \"2026-05-01\"\nvalue = \"1\"\n"
    );
    let config = Dir::new(&config, &[]).load().expect("it is right");
    let day = |text| Day::parse(text).expect("a date");
    assert_eq!(config.stale_targets(day("2026-05-31")), []);
    let told = config.stale_targets(day("2026-06-01"));
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].what,
        "the target of revenue for rep=r-10 ended: since 2026-06-01 no month has one"
    );
    let unknown = config.warnings();
    assert_eq!(unknown[0].mend, "did you mean \"r-01\"?");
}

/// A warning about a row of a file names the line of that file, whatever stands between.
#[test]
fn warnings_point_at_the_row_that_they_are_about() {
    let csv = "# quotas\nsegment,kpi,period,start,value\n\nrep=r-01,revenue,month,,5\n\
               # later\nrep=r-10,revenue,month,2026-05-01,7\n";
    let toml =
        "[[target]]\nsegment = \"rep=r-99\"\nkpi = \"revenue\"\nperiod = \"month\"\nvalue = 1\n";
    let config = format!(
        "{JOB}[directory]\nrep = [{{ id = \"r-01\" }}]\n[targets]\nfiles = [\"q.csv\", \"q.toml\"]\n"
    );
    let dir = Dir::new(&config, &[("q.csv", csv), ("q.toml", toml)]);
    let config = dir.load().expect("it is right");
    let place = |warning: &tidemark::config::Warning| {
        let place = warning.origin.to_string();
        place.rsplit('/').next().expect("a name").to_owned()
    };
    let unknown: Vec<String> = config.warnings().iter().map(place).collect();
    assert_eq!(unknown, ["q.csv:6:1", "q.toml:1:1"]);
    let ended = config.stale_targets(Day::parse("2026-06-01").expect("a date"));
    assert_eq!(ended.iter().map(place).collect::<Vec<_>>(), ["q.csv:6:1"]);
}

fn adventureworks() -> Option<PathBuf> {
    let base = std::env::var("TIDEMARK_SHARED").unwrap_or_else(|_| "../shared".into());
    let dir = PathBuf::from(base).join("data/adventureworks_quota");
    if dir.is_dir() {
        return Some(dir);
    }
    println!("skipped: {} is not there", dir.display());
    None
}

/// The cells of a file without a head, parted by tabs.
fn cells(dir: &Path, file: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(dir.join(file)).expect("it can be read");
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// The quota of a date stands for the quarter that begins with the next first of March, June,
/// September or December, a day or two off: `2011-05-31`, `2012-02-29`, `2014-03-01`.
fn quarter(date: &str) -> String {
    let (year, month) = (&date[..4], &date[5..7]);
    let month = match month {
        "02" | "03" => "03",
        "05" | "06" => "06",
        "08" | "09" => "09",
        _ => "12",
    };
    format!("{year}-{month}-01")
}

/// SalesPersonQuotaHistory (BusinessEntityID, QuotaDate, SalesQuota), SalesPerson (SalesYTD).
#[test]
fn attainment_of_the_quotas_of_adventureworks() {
    let Some(dir) = adventureworks() else { return };
    let quotas = cells(&dir, "SalesPersonQuotaHistory.csv");
    let mut file = "segment,kpi,period,start,value\n".to_owned();
    for row in &quotas {
        file += &format!("rep={},revenue,fiscal_quarter,{},{}\n", row[1], quarter(&row[2]), row[3]);
    }
    let config = "[windows]\nrolling = []\ncalendar = [\"fiscal_quarter\"]\nto_date = []\n\
        [segments]\nsets = [\"rep\"]\n[money]\ncurrency = \"USD\"\n\
        [slices]\nday_retention = \"forever\"\n[calendar]\nfiscal_first_month = 6\n\
        [targets]\nfiles = [\"quotas.csv\"]\n";
    let config = Dir::new(config, &[("quotas.csv", &file)]).load().expect("it is right");
    assert_eq!(config.definition.targets.len(), quotas.len());
    // What was sold in the year, as one deal of its last quarter.
    let people = cells(&dir, "SalesPerson.csv");
    let events: Vec<Value> = people
        .iter()
        .map(|p| {
            let money = json!({"value": p[5], "currency": "USD"});
            deal(
                &p[0],
                "2014-03-20T12:00:00Z",
                json!({"status": "won", "owner": p[0], "amount": money}),
            )
        })
        .collect();
    let first = deal("first", "2011-06-01T12:00:00Z", json!({"status": "open", "owner": "274"}));
    let events: Vec<Value> = events.into_iter().chain([first]).collect();
    let rows = rows(&config, &events, "2014-06-01T00:00:00Z");
    let mut compared = 0;
    for row in quotas.iter().filter(|row| row[2].starts_with("2014-03")) {
        let person = people.iter().find(|p| p[0] == row[1]).expect("who has a quota is a person");
        let key = format!("fiscal_quarter:2014-03-01T00:00:00Z|rep={}", row[1]);
        let [standing] = &rows[&key].targets[..] else { panic!("one target of {key}") };
        let number = |text: &str| text.parse::<f64>().expect("a number");
        let expected = number(&person[5]) / number(&row[3]);
        let found = standing.attainment.expect("the quota is not zero");
        assert!((found - expected).abs() < 1e-9 * expected, "{key}: {found} {expected}");
        compared += 1;
    }
    // Every quota of every quarter is that of its row.
    let mut quarters = 0;
    for row in &quotas {
        let key = format!("fiscal_quarter:{}T00:00:00Z|rep={}", quarter(&row[2]), row[1]);
        let Some(shown) = rows.get(&key) else { panic!("{key} has no row") };
        assert_eq!(shown.targets[0].value.to_string(), row[3], "{key}");
        quarters += 1;
    }
    println!("attainment of {compared} people, {quarters} quotas");
    assert!(compared > 10 && quarters == quotas.len());
}

/// SalesTerritoryHistory (BusinessEntityID, TerritoryID, StartDate, EndDate): what is won before a
/// move stays where it was won, and what was open goes along.
#[test]
fn territory_moves_of_adventureworks() {
    let Some(dir) = adventureworks() else { return };
    let history = cells(&dir, "SalesTerritoryHistory.csv");
    let config = "[windows]\nrolling = []\ncalendar = [\"year\"]\n[segments]\nsets = [\"territory\"]\n\
        [money]\ncurrency = \"EUR\"\n[slices]\nday_retention = \"forever\"\n";
    let config = Dir::new(config, &[]).load().expect("it is right");
    let mut events = Vec::new();
    let mut expected: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut moves = 0;
    for (n, row) in history.iter().enumerate() {
        let (rep, territory, from, to) = (&row[1], &row[2], &row[3][..10], &row[4]);
        let amount = 100 + n as i64;
        let set = |status: &str| {
            json!({"status": status, "owner": rep, "territory": territory,
                "amount": {"value": amount.to_string(), "currency": "EUR"}})
        };
        let noon = format!("{from}T12:00:00Z");
        events.push(deal(&format!("W{n}"), &noon, set("won")));
        *expected.entry((from[..4].to_owned(), territory.clone())).or_default() += amount;
        let next =
            history.iter().find(|other| !to.is_empty() && other[1] == *rep && other[3] > *to);
        let Some(next) = next else { continue };
        // Open before the move, and won behind it.
        let (id, moved) = (format!("O{n}"), &next[3][..10]);
        events.push(deal(&id, &noon, set("open")));
        events.push(deal(&id, &format!("{moved}T12:00:00Z"), json!({"territory": next[2]})));
        events.push(deal(&id, &format!("{moved}T18:00:00Z"), json!({"status": "won"})));
        *expected.entry((moved[..4].to_owned(), next[2].clone())).or_default() += amount;
        moves += 1;
    }
    let rows = rows(&config, &events, "2014-06-01T00:00:00Z");
    for ((year, territory), amount) in &expected {
        let key = format!("year:{year}-01-01T00:00:00Z|territory={territory}");
        let row: Value = serde_json::from_str(&rows[&key].to_json()).expect("JSON");
        assert_eq!(row["kpis"]["revenue"]["value"], *amount, "{key}");
    }
    println!("{} stays, {moves} moves", history.len());
    assert!(moves >= 3);
}
