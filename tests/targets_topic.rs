//! Targets from the compacted topic, by the real workers over logs in memory and on disk: revised,
//! deleted and wrong records, before, between and behind the events, and over restarts.

#[path = "support/instance.rs"]
mod instance;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use instance::{Clocks, context};
use serde_json::{Value, json};
use tidemark::app;
use tidemark::config::Config;
use tidemark::http::Query;
use tidemark::log::embedded::EmbeddedLog;
use tidemark::log::memory::MemoryLog;
use tidemark::log::{Cleanup, Log, Offset, Outgoing, Partition, Record, TopicPartition, TopicSpec};
use tidemark::model::kpi::Group;
use tidemark::model::target::Stated;
use tidemark::model::time::Timestamp;
use tidemark::runtime::{Context, STAGES, Worker};

const CONFIG: &str = r#"
[app]
name = "t"
[[sources]]
name = "crm"
topics = ["source"]
[topology]
shards = 2
partitions = 3
[time]
zone = "UTC"
[windows]
rolling = []
calendar = ["month"]
to_date = []
[segments]
sets = ["overall", "rep"]
[money]
currency = "EUR"
[targets]
topic = true
steps = false
[[targets.target]]
kpi = "revenue"
period = "month"
value = 100000
"#;

fn config() -> Arc<Config> {
    Arc::new(Config::from_toml(CONFIG, "t.toml", std::iter::empty()).expect("it is right"))
}

/// What may happen, one at a time.
enum Step {
    Event(&'static str, &'static str, &'static str, u32),
    Target(&'static str, Value),
    Deletion(&'static str),
    /// The instance dies, and another one takes over.
    Restart,
}

struct Story {
    log: Arc<dyn Log>,
    config: Arc<Config>,
    clocks: Clocks,
    instances: Vec<(Context, Vec<Box<dyn Worker>>)>,
}

impl Story {
    fn new(log: Arc<dyn Log>, instances: usize) -> Story {
        Story::with(log, config(), instances)
    }

    fn with(log: Arc<dyn Log>, config: Arc<Config>, instances: usize) -> Story {
        app::create_sources(&config, &*log, 1).expect("created");
        app::create_topics(&config, &*log).expect("created");
        let now = Timestamp::parse_rfc3339("2026-05-15T18:00:00Z").expect("a time");
        let mut story = Story { log, config, clocks: Clocks::new(now), instances: Vec::new() };
        (0..instances).for_each(|_| story.join());
        story
    }

    fn join(&mut self) {
        let context = context(&self.config, self.log.clone(), &self.clocks);
        let stages = STAGES.iter().map(|(_, open)| open(&context).expect("it opens")).collect();
        self.instances.push((context, stages));
    }

    fn happen(&mut self, step: &Step) {
        match step {
            Step::Event(id, time, rep, amount) => {
                let money = json!({"value": amount.to_string(), "currency": "EUR"});
                let set = json!({"status": "won", "owner": rep, "amount": money});
                let event = json!({"id": id, "entity": {"type": "deal", "id": id}, "time": time,
                    "op": "update", "set": set});
                self.write("source", None, Some(event.to_string()));
            }
            Step::Target(key, value) => self.target(key, Some(value.to_string())),
            Step::Deletion(key) => self.target(key, None),
            Step::Restart => {
                self.instances.remove(0);
                self.join();
            }
        }
    }

    fn target(&self, key: &str, value: Option<String>) {
        self.write("t.targets", Some(key), value);
    }

    fn write(&self, topic: &str, key: Option<&str>, value: Option<String>) {
        let mut writer = self.log.writer().expect("a writer");
        let out = Outgoing {
            topic: topic.into(),
            partition: Partition(0),
            key: key.map(|key| key.as_bytes().to_vec()),
            value: value.map(String::into_bytes),
            headers: Vec::new(),
        };
        writer.send(out).expect("it is taken");
        writer.flush(Duration::from_secs(10)).expect("it is acknowledged");
    }

    fn step(&mut self) {
        self.clocks.pass(600);
        for (_, stages) in &mut self.instances {
            stages.iter_mut().for_each(|stage| stage.step().expect("it works"));
        }
    }

    /// Works until `there` is, at most so many rounds.
    fn until(&mut self, what: &str, there: impl Fn(&Story) -> bool) {
        for _ in 0..300 {
            if there(self) {
                return;
            }
            self.step();
        }
        panic!("{what}: {:#?}", self.rows());
    }

    /// The rows that the last instance shows, by key.
    fn rows(&self) -> BTreeMap<String, Value> {
        let Some((context, _)) = self.instances.last() else { return BTreeMap::new() };
        let rows = context.board.query(&Query::default()).rows;
        let read = |json: &str| serde_json::from_str(json).expect("JSON");
        rows.iter().map(|(key, json)| (key.to_string(), read(json))).collect()
    }

    /// Target and attainment of revenue in a month.
    fn stands(&self, month: &str, segment: &str) -> (Value, Value) {
        let rows = self.rows();
        let row = rows.get(&format!("month:{month}-01T00:00:00Z|{segment}"));
        let standing = row.map_or(Value::Null, |row| row["targets"]["revenue"].clone());
        (standing["target"].clone(), standing["attainment"].clone())
    }

    fn records(&self, topic: &str) -> Vec<Record> {
        let partitions = self.log.describe(topic).expect("it answers").expect("it is there");
        let mut out = Vec::new();
        for partition in 0..partitions.partitions {
            let mut reader = self.log.reader().expect("a reader");
            reader.assign(&[(TopicPartition::new(topic, partition), Offset(0))]).expect("assigned");
            while reader.poll(1000, Duration::ZERO, &mut out).expect("it reads") > 0 {}
        }
        out
    }
}

fn target(segment: &str, start: Option<&str>, valid_from: Option<&str>, value: u32) -> Value {
    json!({"segment": segment, "kpi": "revenue", "period": "month", "start": start,
        "valid_from": valid_from, "value": value, "owner": "Ana"})
}

/// The file says 100000 for the whole; here are the events and the records of the topic.
fn steps() -> (Vec<Step>, Vec<Step>) {
    let events = vec![
        Step::Event("D0", "2026-04-10T10:00:00Z", "r-1", 1000),
        Step::Event("D1", "2026-05-06T10:00:00Z", "r-1", 4200),
        Step::Event("D2", "2026-05-06T10:00:00Z", "r-2", 2100),
    ];
    let may = Some("2026-05-01");
    let targets = vec![
        Step::Target("all", target("rep=*", None, None, 21_000)),
        Step::Target("r-1 may", target("rep=r-1", may, None, 42_000)),
        Step::Target("r-1 may 2", target("rep=r-1", may, Some("2026-05-08"), 7_000)),
        Step::Target("wrong", target("rep=r-2", may, None, 1)),
        Step::Target("wrong", json!({"kpi": "revenu", "period": "month", "value": 1})),
        Step::Target("r-1 may 2", target("rep=r-1", may, Some("2026-05-08"), 8_400)),
        Step::Target("gone", target("rep=r-1", may, Some("2026-05-09"), 1)),
        Step::Deletion("gone"),
        Step::Target("whole", target("overall", None, None, 50_000)),
    ];
    (events, targets)
}

/// By hand: r-1 has 8400 since the 8th, r-2 what each has, the whole what the topic says.
fn is_there(story: &Story) -> bool {
    let stands = |month, segment, target: u32, attainment: f64| {
        story.stands(month, segment) == (json!(target), json!(attainment))
    };
    stands("2026-05", "rep=r-1", 8_400, 0.5)
        && stands("2026-05", "rep=r-2", 21_000, 0.1)
        && stands("2026-05", "overall", 50_000, 0.126)
        && stands("2026-04", "rep=r-1", 21_000, 1000.0 / 21_000.0)
}

/// What rows say, without what tells when it was said.
fn said(story: &Story) -> BTreeMap<String, (Value, Value)> {
    let rows = story.rows().into_iter();
    rows.map(|(key, row)| (key, (row["targets"].clone(), row["kpis"].clone()))).collect()
}

fn logs() -> Vec<(&'static str, Arc<dyn Log>, Option<tempfile::TempDir>)> {
    let dir = tempfile::tempdir().expect("there is a directory for temporary files");
    let disk = EmbeddedLog::open(dir.path(), tidemark::clock::wall_ms).expect("it opens");
    vec![("memory", Arc::new(MemoryLog::default()), None), ("disk", Arc::new(disk), Some(dir))]
}

#[test]
fn rows_follow_the_records_in_whatever_order_events_and_restarts_come_between() {
    let mut all = Vec::new();
    for (name, log, _dir) in logs() {
        let mut story = Story::new(log, 1);
        let (events, targets) = steps();
        targets.iter().chain(&events).for_each(|step| story.happen(step));
        story.until(&format!("{name}, targets first"), is_there);
        all.push((format!("{name}, targets first"), said(&story)));
    }
    for (name, log, _dir) in logs() {
        let mut story = Story::new(log, 1);
        let (events, targets) = steps();
        events.iter().for_each(|step| story.happen(step));
        story.until("the rows", |s| s.stands("2026-05", "overall").1 == 0.063);
        // April is over: its row is said anew, and no number of it was corrected.
        story.step();
        for step in &targets {
            story.happen(step);
            story.step();
            story.step();
        }
        story.until(&format!("{name}, targets last"), is_there);
        all.push((format!("{name}, targets last"), said(&story)));
        story.happen(&Step::Restart);
        story.until(&format!("{name}, after a restart"), is_there);
        all.push((format!("{name}, after a restart"), said(&story)));
    }
    let log = MemoryLog::default();
    let mut story = Story::new(Arc::new(log.clone()), 1);
    let (events, targets) = steps();
    targets.iter().for_each(|step| story.happen(step));
    log.compact("t.targets");
    story.happen(&Step::Restart);
    events.iter().for_each(|step| story.happen(step));
    story.until("after compaction", is_there);
    all.push(("after compaction".to_owned(), said(&story)));
    for (name, rows) in &all {
        assert_eq!(rows, &all[0].1, "{name}");
    }
}

#[test]
fn what_is_deleted_gives_the_file_its_target_back_and_the_others_none() {
    let mut story = Story::new(Arc::new(MemoryLog::default()), 1);
    let (events, targets) = steps();
    events.iter().chain(&targets).for_each(|step| story.happen(step));
    story.until("all of it", is_there);
    // The history says which record states what.
    let held = |s: &Story| s.instances[0].0.targets.now();
    let offsets = |s: &Story| -> Vec<bool> {
        let day = tidemark::model::time::Day(20_574);
        let held = held(s);
        let told = held.revisions(None, day, |_| day).into_iter();
        told.map(|revision| matches!(revision.goal.stated, Stated::Record(_))).collect()
    };
    assert!(offsets(&story).iter().filter(|is| **is).count() > 2);
    assert_eq!(held(&story).len(), offsets(&story).len());
    ["all", "r-1 may", "r-1 may 2", "whole"].iter().for_each(|k| story.happen(&Step::Deletion(k)));
    story.until("the file alone", |s| s.stands("2026-05", "overall").0 == 100_000);
    assert_eq!(offsets(&story), [false], "that of the file");
    for segment in ["rep=r-1", "rep=r-2"] {
        assert_eq!(story.stands("2026-05", segment).0, Value::Null, "{segment}");
    }
    // What ends while nobody is there ends all the same.
    let april = "month:2026-04-01T00:00:00Z|rep=r-1";
    assert_eq!(story.rows()[april].get("targets"), None);
    story.happen(&Step::Target("all", target("rep=*", None, None, 5)));
    story.until("it is back", |s| s.stands("2026-04", "rep=r-1").0 == 5);
    story.instances.clear();
    story.happen(&Step::Deletion("all"));
    story.join();
    let stands = |s: &Story| s.rows().get(april).map(|row| row.get("targets").is_some());
    story.until("it is gone", |s| stands(s) == Some(false));
}

#[test]
fn a_bad_record_is_one_dead_letter_with_its_reason_and_stops_nothing() {
    let mut story = Story::new(Arc::new(MemoryLog::default()), 2);
    let (events, targets) = steps();
    events.iter().chain(&targets).for_each(|step| story.happen(step));
    story.until("all of it", is_there);
    let dead = |s: &Story| s.records("t.dlq").len();
    story.until("the dead letter", |s| dead(s) > 0);
    // The key of a record that is wrong holds nothing: also without what compaction takes away.
    assert_eq!(story.stands("2026-05", "rep=r-2").0, 21_000);
    story.happen(&Step::Restart);
    story.happen(&Step::Restart);
    story.target("late", Some("{".to_owned()));
    story.until("the second one", |s| dead(s) > 1);
    (0..20).for_each(|_| story.step());
    let dead = story.records("t.dlq");
    let header = |record: &Record, name: &str| {
        let value = record.header(&format!("tidemark.error.{name}")).expect("it has one");
        String::from_utf8(value.to_vec()).expect("text")
    };
    let told: Vec<[String; 4]> = dead
        .iter()
        .map(|record| ["code", "message", "id", "stage"].map(|name| header(record, name)))
        .collect();
    assert_eq!(
        told[0],
        [
            "BAD_TARGET",
            "kpi: there is no KPI \"revenu\"; did you mean \"revenue\"?",
            "t.targets/0/4",
            "targets"
        ]
    );
    assert_eq!((told[1][0].as_str(), told[1][2].as_str()), ("DECODE_JSON", "t.targets/0/9"));
    assert_eq!(told.len(), 2, "{told:?}");
    let (context, _) = &story.instances[0];
    let families = context.telemetry.registry().gather();
    let encoder = prometheus::TextEncoder::new();
    let page = encoder.encode_to_string(&families).expect("it can be written");
    assert!(page.contains("tidemark_target_records{state=\"refused\"} 2"), "{page}");
    assert!(page.contains("tidemark_target_records{state=\"held\"} 4"), "{page}");
}

#[test]
fn what_other_rules_refuse_is_told_once_more_and_a_new_generation_alone_tells_nothing() {
    let log = Arc::new(MemoryLog::default());
    let mut story = Story::new(log, 1);
    let (events, targets) = steps();
    events.iter().chain(&targets).for_each(|step| story.happen(step));
    story.until("all of it", is_there);
    let ids = |s: &Story| -> Vec<String> {
        let id = |r: &Record| r.header("tidemark.error.id").map(<[u8]>::to_vec);
        let ids = s.records("t.dlq").iter().filter_map(id).collect::<Vec<_>>();
        ids.into_iter().map(|id| String::from_utf8(id).expect("text")).collect()
    };
    story.until("the dead letter", |s| ids(s) == ["t.targets/0/4"]);
    let mut anew = |text: &str| {
        let config = Config::from_toml(text, "t.toml", std::iter::empty()).expect("it is right");
        story.config = Arc::new(config);
        story.instances.clear();
        app::create_topics(&story.config, &*story.log).expect("created");
        story.join();
        (0..20).for_each(|_| story.step());
        ids(&story)
    };
    let next = CONFIG.replace("name = \"t\"", "name = \"t\"\ngeneration = 2");
    assert_eq!(anew(&next), ["t.targets/0/4"], "another generation");
    let later = next.replace("generation = 2", "generation = 3");
    // Without rows of reps a target of one is none: of each key the record that is refused now.
    let narrow = later.replace("\"overall\", \"rep\"", "\"overall\"");
    let mut told = anew(&narrow);
    told.sort();
    let expected = ["0", "1", "4", "4", "5"].map(|at| format!("t.targets/0/{at}"));
    assert_eq!(told, expected);
    let told = anew(&narrow.replace("generation = 3", "generation = 4"));
    assert_eq!(told.len(), 5, "{told:?}");
}

#[test]
fn each_mistake_is_told_with_its_key_and_mend() {
    let config = config();
    let told = |text: &str| {
        let reason = config.target_of(b"k", text.as_bytes()).expect_err(text);
        format!("{} {}", reason.code.as_str(), reason.message)
    };
    let texts = [
        "[]",
        r#"{"kpi": "revenue", "period": "month"}"#,
        r#"{"kpi": "revenue", "period": "month", "value": 0.5}"#,
        r#"{"kpi": "revenue", "perod": "month", "value": 1}"#,
        r#"{"kpi": "revenue", "period": "mnoth", "value": 1}"#,
        r#"{"kpi": "revenue", "period": "month", "value": 1, "start": "2026-05-02"}"#,
        r#"{"kpi": "revenue", "period": "month", "value": 1, "segment": "team=a"}"#,
        r#"{"kpi": "revenue", "period": "year", "value": 1}"#,
        r#"{"kpi": "revenue", "value": 1}"#,
        r#"{"kpi": "revenue", "period": "month", "value": 1, "repeat": "yes"}"#,
        r#"{"kpi": "revenue", "period": "month", "value": [1]}"#,
    ];
    let all: Vec<String> = texts.iter().map(|text| told(text)).collect();
    insta::assert_snapshot!("mistakes", all.join("\n"));
    let long = format!(r#"{{"kpi": "revenue", "note": "{}"}}"#, "x".repeat(4_096));
    assert!(told(&long).ends_with("a target has at most 4096"), "{}", told(&long));
    let key = config.target_of(&[b'x'; 1_025], b"{}").expect_err("the key is long");
    assert!(key.message.contains("a key of 1025 bytes: it has at most 1024"), "{}", key.message);
}

/// A target or benchmark of a KPI with the longest texts that are taken.
fn wordy(kind: &str, kpi: &str) -> Value {
    let month = (kind == "target").then_some("month");
    json!({"kind": kind, "kpi": kpi, "period": month, "value": 4_200,
        "owner": "\"".repeat(100), "note": format!("{}é", "n".repeat(498))})
}

#[test]
fn texts_have_a_bound_in_files_and_records_alike() {
    let config = config();
    let fits = wordy("target", "revenue").to_string();
    config.target_of(b"k", fits.as_bytes()).expect("it fits");
    for (key, most, text) in [("owner", 200, "\"".repeat(101)), ("note", 500, "n".repeat(501))] {
        let mut record = wordy("target", "revenue");
        record[key] = json!(text);
        let told = config.target_of(b"k", record.to_string().as_bytes()).expect_err(key).message;
        assert!(
            told.starts_with(&format!("{key}: 50")) || told.starts_with("owner: 202"),
            "{told}"
        );
        let file = format!("{CONFIG}{key} = '{text}'\n");
        let read = Config::from_toml(&file, "t.toml", std::iter::empty());
        let told = read.expect_err(key).to_string();
        assert!(told.contains(&format!("rows show at most {most}")), "{told}");
        assert!(told.contains(&format!("key: targets.target[0].{key}")), "{told}");
    }
}

#[test]
fn a_row_with_the_longest_texts_beside_each_kpi_is_published() {
    let groups: Vec<&str> = Group::ALL.iter().map(|(_, name)| *name).collect();
    let text = CONFIG.replace("[targets]", &format!("[kpis]\ngroups = {groups:?}\n[targets]"));
    let config = Config::from_toml(&text, "t.toml", std::iter::empty()).expect("it is right");
    let mut story = Story::with(Arc::new(MemoryLog::default()), Arc::new(config), 1);
    let kpis: Vec<String> =
        story.config.definition.kpis.kpis().map(|kpi| kpi.name.to_string()).collect();
    for kpi in &kpis {
        for kind in ["target", "benchmark"] {
            story.target(&format!("{kind} {kpi}"), Some(wordy(kind, kpi).to_string()));
        }
    }
    story.happen(&Step::Event("D1", "2026-05-06T10:00:00Z", "r-1", 4200));
    let (all, key) = (kpis.len(), "month:2026-05-01T00:00:00Z|overall");
    story.until("the row", |s| {
        let rows = s.rows();
        let count = |what: &str| rows.get(key)?[what].as_object().map(|all| all.len());
        (count("targets"), count("benchmarks")) == (Some(all), Some(all))
    });
    let rows = story.records("t.kpis");
    let size = rows.iter().filter_map(|r| r.value.as_ref()).map(Vec::len).max().expect("rows");
    assert!((150_000..1 << 20).contains(&size), "{size} bytes of {all} KPIs");
}

#[test]
fn the_topic_is_there_where_it_is_asked_for_and_is_nobody_elses() {
    let names = |text: &str| {
        let config = Config::from_toml(text, "t.toml", std::iter::empty()).expect("it is right");
        config.specs().into_iter().map(|spec| spec.name).collect::<Vec<_>>()
    };
    assert!(!names("").contains(&"tidemark.targets".to_owned()));
    let own = "[targets]\ntopic = true\n[topics]\ntargets = \"plan.quota\"\n";
    assert_eq!(names(own).last().map(String::as_str), Some("plan.quota"));
    let refusal = |text: &str| {
        let read = Config::from_toml(text, "t.toml", std::iter::empty());
        read.expect_err("it is wrong").to_string()
    };
    let twice = "[targets]\ntopic = true\n[topics]\ntargets = \"a\"\nkpis = \"a\"\n";
    let read =
        "[targets]\ntopic = true\n[[sources]]\nname = \"crm\"\ntopics = [\"tidemark.targets\"]\n";
    // Where targets come from files alone it is a name like any other.
    for text in [twice, read] {
        let files = text.replace("[targets]\ntopic = true\n", "");
        Config::from_toml(&files, "t.toml", std::iter::empty()).expect("it is right");
    }
    insta::assert_snapshot!("names", [refusal(twice), refusal(read)].join("\n"));
}

#[test]
fn a_topic_with_several_partitions_is_refused_with_its_own_mend() {
    let (log, config) = (MemoryLog::default(), config());
    let auto = TopicSpec {
        name: "t.targets".to_owned(),
        partitions: 3,
        replication: 1,
        cleanup: Cleanup::Delete { retention: None },
        max_record_bytes: 1 << 20,
    };
    log.create(&auto).expect("created");
    app::create_sources(&config, &log, 1).expect("created");
    app::create_topics(&config, &log).expect("created");
    let wrong = app::check_topics(&config, &log).expect("it answers");
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    let said = ["\"t.targets\" has 3 partitions", "make it anew with one", "topics.targets"];
    assert!(said.iter().all(|text| wrong[0].contains(text)), "{wrong:?}");
    assert!(!wrong[0].contains("app.generation"), "{wrong:?}");
}
