//! Scenario scripts: `tests/scenarios/*.txt` tell what happens, line by line, and what readers of
//! the results topic must see. `UPDATE=1 cargo test --test scenarios` rewrites what stands behind
//! `=>`; read the difference before you keep it.
//!
//! ```text
//! !job zone=Europe/Berlin windows=day segments=overall,rep lateness=10m
//! @2026-03-02T10:00:00Z p0 deal D1 won 100.00 EUR owner r1
//! !beat                              every partition reports how far its event time is complete
//! !idle p1 2026-03-02T12:00:00Z      a partition is quiet: its watermark follows the clock
//! !lose p0 2026-03-02T12:00:00Z      records were gone before they were read, as seen at that time
//! !tick 2026-03-02T12:00:00Z         everything is published, and the windows move to now
//! !image                             the ledgers take images
//! !crash                             ledgers and rollups are lost, and start again
//! !expect revenue rep=r1 day 2026-03-02 => on_time#0 100 n=1
//! !last => counted late              what the newest event did
//! !written => nothing                what the newest tick wrote
//! !watermark => 2026-03-02T11:00:00Z
//! ```

#[path = "support/oracle_flow.rs"]
mod flow;
#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/oracle_script.rs"]
mod script;

use std::path::{Path, PathBuf};

use script::Script;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = std::fs::read_dir(&folder).expect("tests/scenarios is there");
    let mut out: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a folder can be read").path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    out.sort();
    out
}

/// The lines that differ, with their numbers.
fn difference(expected: &str, found: &str) -> String {
    let pairs = (1..).zip(expected.lines().zip(found.lines()));
    pairs
        .filter(|(_, (a, b))| a != b)
        .map(|(n, (a, b))| format!("  line {n}\n  - {a}\n  + {b}\n"))
        .collect()
}

#[test]
fn every_scenario_ends_as_it_says() {
    let update = std::env::var("UPDATE").is_ok_and(|v| v == "1");
    let (mut faults, mut expectations) = (String::new(), 0);
    let files = files();
    for path in &files {
        let text = std::fs::read_to_string(path).expect("a scenario can be read");
        let told = Script::tell(&text);
        let here = told.matches(" => ").count();
        assert!(here > 0, "{} expects nothing", path.display());
        expectations += here;
        if told == text {
            continue;
        }
        if update {
            std::fs::write(path, told).expect("a scenario can be written");
        } else {
            faults += &format!("{}\n{}", path.display(), difference(&text, &told));
        }
    }
    println!("{} scenarios, {expectations} expectations", files.len());
    assert!(files.len() >= 12 && expectations > 100, "a scenario is missing");
    assert!(faults.is_empty(), "\n{faults}`UPDATE=1` writes what was found");
}

#[test]
fn a_wrong_expectation_is_found() {
    let text = "!job windows=day\n@2026-03-02T10:00:00Z p0 deal D1 won 5 EUR\n\
        !tick 2026-03-02T12:00:00Z\n!expect revenue overall day 2026-03-02 => early#0 6 n=1\n";
    let told = Script::tell(text);
    assert!(
        difference(text, &told)
            .contains("+ !expect revenue overall day 2026-03-02 => early#0 5 n=1")
    );
}
