//! What is said of the watch for drift before it runs.

use tidemark::config::Config;

use super::read;

#[test]
fn the_summary_says_whether_baselines_are_shrunk() {
    let said = |drift: &str| {
        let text = format!("[segments]\nsets = [\"overall\", \"rep\"]\n[drift]\n{drift}");
        let summary = read(&text, &[]).unwrap().summary();
        summary.lines().find(|line| line.contains("shrinkage")).map(str::to_owned)
    };
    let off = "drift       shrinkage over siblings: off, state drift.baseline_from";
    let reps = "segments = [\"rep\"]\n";
    assert_eq!(said(reps).as_deref(), Some(off));
    let on = "drift       shrinkage over siblings: on, of baselines from 2026-01-05, where five have one";
    let stated = format!("{reps}baseline_from = \"2026-01-05\"\n");
    assert_eq!(said(&stated).as_deref(), Some(on));
    // The whole has no siblings, and volumes of siblings are not alike.
    assert_eq!(said("segments = [\"overall\"]\n"), None);
    assert_eq!(said(&format!("{reps}kpis = [\"deals_created\"]\n")), None);
    assert_eq!(said("kpis = []\n"), None);
}

#[test]
fn sizes_of_deals_are_kept_where_drift_watches_them() {
    let of = |text: &str| Config::from_toml(text, "t.toml", std::iter::empty()).unwrap().definition;
    let plain = of("");
    let watched = of("[drift]\nkpis = [\"average_deal_size\"]\n");
    assert_eq!((plain.sizes, watched.sizes), (false, true));
    assert_eq!(plain.hash(), watched.hash(), "no new generation");
    assert_ne!(plain.reference_hash(), watched.reference_hash(), "cells are computed anew");
}
