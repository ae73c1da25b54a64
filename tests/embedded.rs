//! `tidemark run --embedded DIR`: one process, no broker; its data outlives restarts and kills.

mod support;

#[path = "support/process.rs"]
mod process;

#[path = "support/rows.rs"]
mod rows;

use process::{Process, run_to_end};
use rows::{await_rows, company, expected};
use tidemark::config::Config;

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
    let ended = other.wait(std::time::Duration::from_secs(30));
    assert_eq!(ended.code(), Some(3), "{}", other.said());
    assert!(other.said().contains("store"), "{}", other.said());
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
