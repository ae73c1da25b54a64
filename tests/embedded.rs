//! `tidemark run --embedded DIR`: one process, no broker; its data outlives restarts and kills.

mod support;

#[path = "support/process.rs"]
mod process;

#[path = "support/rows.rs"]
mod rows;

#[path = "support/tmpfs.rs"]
mod tmpfs;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use process::{Process, run_to_end};
use rows::{await_rows, company, expected};
use tidemark::config::Config;
use tidemark::log::embedded::EmbeddedLog;
use tidemark::log::{Log, Offset, TopicPartition};
use tidemark::model::time::{Day, Timestamp};
use tmpfs::SmallDisk;

const CONFIG: &str = "[[sources]]\nname = \"crm\"\ntopics = [\"sales.events\"]\n\
    [topology]\nshards = 3\npartitions = 2\n[time]\nidle_after = \"1s\"\n\
    [windows]\nrolling = [\"28d\"]\ncalendar = [\"day\", \"week\", \"month\", \"quarter\", \"year\"]\n\
    [publish]\nemit_interval = \"200ms\"\nimage_interval = \"1s\"\n\
    [http]\nlisten = \"127.0.0.1:0\"\n";

#[test]
fn data_outlives_a_kill_and_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("t.toml"), CONFIG).unwrap();
    let config = Config::from_toml(CONFIG, "test", std::iter::empty()).unwrap();
    let events = company(2, 40);
    let (first, second) = events.split_at(events.len() / 2);
    std::fs::write(path("first.jsonl"), first.join("\n")).unwrap();
    std::fs::write(path("second.jsonl"), second.join("\n")).unwrap();
    let start = |name: &str, input: Option<&str>| {
        let (config, store) = (path("t.toml"), path("store"));
        let mut arguments = vec!["run", "--config", &config, "--embedded", &store];
        let input = input.map(&path);
        if let Some(input) = &input {
            arguments.extend(["--input", input]);
        }
        Process::start(dir.path(), name, &arguments)
    };

    let mut life = start("first", Some("first.jsonl"));
    await_rows(&mut life, &expected(&config, first));
    life.kill();
    // Nothing is fed again: what is shown comes from the store.
    let mut life = start("second", None);
    await_rows(&mut life, &expected(&config, first));
    assert!(life.terminate().success(), "{}", life.said());
    let mut life = start("third", Some("second.jsonl"));
    await_rows(&mut life, &expected(&config, &events));

    // One process a directory: a second one is told so.
    let mut other = start("other", None);
    let ended = other.wait(Duration::from_secs(30));
    assert_eq!(ended.code(), Some(3), "{}", other.said());
    assert!(other.said().contains("store"), "{}", other.said());
}

/// One job with three zones, live: every row is that of the replay, whose rows the laws of
/// `tests/zones.rs` hold to a recount; and rows of several zones stand side by side by their dates.
#[test]
fn segments_of_several_zones_stand_side_by_side_in_one_job() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let text = CONFIG.replace("[time]\n", "[time]\nzone = \"Europe/Berlin\"\n");
    let text = format!(
        "{text}[segments]\nsets = [\"overall\", \"rep\", \"territory\"]\n\
         [directory.zones.territory]\nnorth = \"Asia/Tokyo\"\nsouth = \"America/Los_Angeles\"\n"
    );
    std::fs::write(path("t.toml"), &text).unwrap();
    let config = Config::from_toml(&text, "test", std::iter::empty()).unwrap();
    let events = company(5, 40);
    std::fs::write(path("events.jsonl"), events.join("\n")).unwrap();
    let (config_file, store, input) = (path("t.toml"), path("store"), path("events.jsonl"));
    let arguments = ["run", "--config", &config_file, "--embedded", &store, "--input", &input];
    let mut life = Process::start(dir.path(), "zones", &arguments);
    await_rows(&mut life, &expected(&config, &events));

    // A day in the middle: the same date in each zone, at three instants.
    let now = Timestamp::from_millis(tidemark::clock::wall_ms());
    let day = Day(config.definition.calendar.day_of(now).0 - 130);
    let next = Day(day.0 + 1);
    let get = |life: &mut Process, path: String| -> serde_json::Value {
        let (status, body) = life.get(&path).expect("it answers");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    let rows =
        get(&mut life, format!("/api/v1/rows?window=day&grain=territory&from={day}&to={next}"));
    let shown: BTreeMap<&str, (&str, &str)> = rows["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let window = |key: &str| row["window"][key].as_str().unwrap();
            (row["segment"]["territory"].as_str().unwrap(), (window("zone"), window("start")))
        })
        .collect();
    for (territory, zone) in
        [("north", "Asia/Tokyo"), ("south", "America/Los_Angeles"), ("west", "Europe/Berlin")]
    {
        let zone_of = jiff::tz::TimeZoneDatabase::bundled().get(zone).unwrap();
        let date: jiff::civil::Date = day.to_string().parse().unwrap();
        let start = date.to_zoned(zone_of).unwrap().timestamp().to_string();
        assert_eq!(shown.get(territory), Some(&(zone, start.as_str())), "{shown:?}");
    }
    let board = get(
        &mut life,
        format!("/api/v1/leaderboard?window=day&grain=territory&kpi=deals_created&start={day}"),
    );
    assert_eq!(board["window"]["zone"], "Europe/Berlin", "{board}");
    let of = |territory: &str| -> &serde_json::Value {
        let lists = ["ranked", "unranked"].map(|list| board[list].as_array().unwrap());
        let mut all = lists.into_iter().flatten();
        all.find(|member| member["segment"]["territory"] == territory).expect("it is there")
    };
    assert_eq!(of("north")["window"]["zone"], "Asia/Tokyo");
    assert_eq!(of("north")["window"]["start"], shown["north"].1);
    assert_eq!(of("west")["window"], serde_json::Value::Null, "that of the board");
    let status = get(&mut life, "/api/v1/status".to_owned());
    assert_eq!(status["zones"], serde_json::json!(["America/Los_Angeles", "Asia/Tokyo"]));
    let running = get(
        &mut life,
        "/api/v1/forecast?window=month&kpi=deals_created&territory=north".to_owned(),
    );
    assert_eq!(running["zone"], "Asia/Tokyo", "{running}");
    assert!(life.terminate().success(), "{}", life.said());
}

/// What the source topic of a store holds.
fn kept(store: &Path) -> Vec<String> {
    let log = EmbeddedLog::open(store, tidemark::clock::wall_ms).unwrap();
    let mut reader = log.reader().unwrap();
    let source = TopicPartition::new("sales.events", 0);
    let end = reader.bounds(&source).unwrap().end;
    reader.assign(&[(source, Offset(0))]).unwrap();
    let mut batch = Vec::new();
    while (batch.len() as u64) < end.0 {
        reader.poll(10_000, Duration::from_secs(1), &mut batch).unwrap();
    }
    batch.into_iter().map(|r| String::from_utf8(r.value.unwrap()).unwrap()).collect()
}

/// The disk is full in the middle of the work: it says so, keeps what it had taken, and goes on
/// once there is room and it is started again.
#[test]
fn a_full_disk_loses_nothing_that_was_taken() {
    let Some(disk) = SmallDisk::mount(256) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let store = disk.path().join("store");
    std::fs::write(path("t.toml"), CONFIG).unwrap();
    let config = Config::from_toml(CONFIG, "test", std::iter::empty()).unwrap();
    let events = company(3, 60);
    let (first, second) = events.split_at(events.len() / 2);
    std::fs::write(path("first.jsonl"), first.join("\n")).unwrap();
    std::fs::write(path("second.jsonl"), second.join("\n")).unwrap();
    let start = |name: &str, input: Option<&str>| {
        let config = path("t.toml");
        let mut arguments = vec!["run", "--config", &config];
        arguments.extend(["--embedded", store.to_str().unwrap()]);
        let input = input.map(path);
        arguments.extend(input.iter().flat_map(|input| ["--input", input]));
        Process::start(dir.path(), name, &arguments)
    };
    let mut life = start("first", Some("first.jsonl"));
    await_rows(&mut life, &expected(&config, first));
    assert!(life.terminate().success(), "{}", life.said());

    disk.fill(300_000);
    let mut life = start("full", Some("second.jsonl"));
    // No worker can open the store again, so the process ends, and whoever watches it starts it.
    assert_eq!(life.wait(Duration::from_secs(60)).code(), Some(3), "{}", life.said());
    let said = life.said();
    assert!(said.contains("No space left") || said.contains("its disk has room"), "{said}");

    disk.free();
    let taken = kept(&store);
    assert!(taken.len() >= first.len() && taken[..first.len()] == *first, "{}", taken.len());
    assert!(events.starts_with(&taken));
    let mut life = start("again", None);
    await_rows(&mut life, &expected(&config, &taken));
    assert!(life.terminate().success(), "{}", life.said());
    let mut life = start("rest", Some("second.jsonl"));
    await_rows(&mut life, &expected(&config, &events));
}

#[test]
fn a_bad_configuration_ends_with_2_and_names_place_and_mend() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.toml");
    std::fs::write(&file, "[time]\nzoen = \"UTC\"\n").unwrap();
    for verb in ["validate", "run"] {
        let (code, _, said) = run_to_end(&[verb, "--config", file.to_str().unwrap()]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("t.toml:2:1") && said.contains("zone"), "{said}");
    }
}
