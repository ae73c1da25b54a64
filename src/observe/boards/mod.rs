//! The dashboards: six boards, from the whole to the part. What KPIs they show comes from the
//! catalogue, so a new KPI has its panels when the files are generated anew.
//!
//! They are classic JSON (`schemaVersion` 42), the only model that Grafana reads from files. All data
//! come from the data source that a variable names. Windows overlap and grains hold the same sales,
//! so every query of a KPI pins its window and reads the family of one grain; `max by` takes the
//! instances apart from what they tell, since while a partition moves two may tell the same.

mod drift;
mod frame;
mod ops;
mod panel;
mod sales;

use serde_json::Value;

use crate::model::kpi::Kpis;
use crate::observe::RUNBOOKS;

/// The span that the boards look at when they are opened.
const SPAN: &str = "now-7d";

/// All boards as files: name, and JSON. `runbooks` is where the pages of `docs/runbooks/` are read.
pub fn files(kpis: &Kpis, runbooks: &str) -> Vec<(String, String)> {
    boards(kpis, runbooks)
        .into_iter()
        .map(|board| {
            let uid = board["uid"].as_str().unwrap_or("tidemark");
            let text = serde_json::to_string_pretty(&board).expect("plain data serializes");
            (format!("{uid}.json"), format!("{text}\n"))
        })
        .collect()
}

/// The boards of the whole catalogue, as they lie under `deploy/grafana/dashboards/`.
pub fn shipped() -> Vec<(String, String)> {
    files(&Kpis::ALL, RUNBOOKS)
}

/// Whether a file of that name in their directory is one of ours.
pub fn owned(name: &str) -> bool {
    name.starts_with("tidemark-") && name.ends_with(".json")
}

fn boards(kpis: &Kpis, runbooks: &str) -> Vec<Value> {
    let all = [
        sales::executive(kpis),
        sales::territory(kpis),
        sales::rep(kpis),
        sales::channel(kpis),
        drift::board(),
        ops::board(),
    ];
    all.into_iter().map(|board| board.json(runbooks)).collect()
}
