//! Evidence for the drift detectors: run lengths beside the published ones, our charts on simulated
//! streams, and the streams themselves for detectors of others (`scripts/bench-drift`).
//!
//!     cargo run --release --example bench_drift DIR [RUNS] [SEED]
//!
//! Writes the streams into DIR, as whole numbers of two bytes, little-endian, one stream behind the
//! other, and what was found as JSON to standard output.

use std::error::Error;
use std::path::PathBuf;

use serde_json::{Value, json};

#[path = "../tests/support/drift_streams.rs"]
mod streams;

use streams::Subject;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("usage: bench_drift DIR [RUNS] [SEED]")?);
    let runs: u64 = args.next().map_or(Ok(300), |n| n.parse())?;
    let seed: u64 = args.next().map_or(Ok(20_261_123), |n| n.parse())?;
    let mut subjects = serde_json::Map::new();
    for subject in [Subject::Losses, Subject::Days] {
        let (name, shifts) = subject.named();
        for shift in [None, Some(0), Some(1)] {
            let all = (0..runs).flat_map(|run| streams::stream(subject, shift, seed, run));
            let bytes: Vec<u8> = all.flat_map(u16::to_le_bytes).collect();
            let file = shift.map_or_else(|| "quiet".to_owned(), |i| format!("shift{i}"));
            std::fs::write(dir.join(format!("{name}.{file}")), bytes)?;
        }
        let scores = streams::scores(subject, seed, runs);
        let scores: Vec<Value> = scores
            .iter()
            .map(|s| {
                json!({"name": s.name, "arl0": s.arl0, "capped": s.capped, "early": s.early,
                    "delay": s.delay, "soon": s.soon})
            })
            .collect();
        subjects.insert(name.to_owned(), json!({"shifts": shifts, "scores": scores}));
    }
    let reps: Vec<Value> = streams::reps(seed, runs.min(200))
        .iter()
        .map(|w| json!({"name": w.name, "wrong": w.wrong, "found": w.found}))
        .collect();
    let references: Vec<Value> = streams::references()
        .iter()
        .map(|(name, ours, published)| json!({"name": name, "ours": ours, "published": published}))
        .collect();
    let found = json!({"runs": runs, "seed": seed, "warm": streams::WARM,
        "quiet": streams::QUIET, "shifted": streams::SHIFTED, "soon": streams::SOON,
        "references": references, "subjects": subjects, "reps": reps});
    println!("{found}");
    Ok(())
}
