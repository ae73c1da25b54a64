//! What is said of the watch for drift before it runs.

use tidemark::config::Config;
use tidemark::model::time::Day;

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
fn what_watches_nothing_is_told() {
    let told = |text: &str| {
        let config = read(text, &[]).unwrap_or_else(|e| panic!("{e}"));
        let today = Day::parse("2026-11-30").unwrap();
        let all = config.warnings().into_iter().chain(config.dated_baselines(today));
        let all: Vec<String> = all.map(|warning| warning.to_string()).collect();
        (all.join("\n"), config.summary())
    };
    for text in ["[drift]\nsegments = []\n", "[segments]\nsets = [\"rep\"]\n"] {
        let (warned, summary) = told(text);
        assert!(warned.contains("so nothing is watched") && warned.contains("drift.segments"));
        assert!(summary.contains("nothing is watched: no set of drift.segments"), "{summary}");
    }
    let dated = |day: &str| told(&format!("[drift]\nbaseline_from = \"{day}\"\n")).0;
    assert!(dated("2026-12-01").contains("begins on 2026-12-01, which is to come"));
    assert!(dated("2020-01-01").contains("begins on 2020-01-01, and days before 2024-"));
    assert_eq!(dated("2026-06-01"), "");
    assert_eq!(told("").0, "");
}

#[test]
fn reps_take_nothing_of_what_is_tolerated_elsewhere() {
    let of = |segments: &str| {
        let text = format!(
            "[segments]\nsets = [\"overall\", \"territory\", \"rep\"]\nbudget = {{ rep = 300 }}\n\
             [limits]\nmax_series = 200000\n[drift]\nsegments = {segments}\n"
        );
        read(&text, &[]).unwrap_or_else(|e| panic!("{e}"))
    };
    let (without, with) =
        (of("[\"overall\", \"territory\"]"), of("[\"overall\", \"rep\", \"territory\", \"rep\"]"));
    assert_eq!((without.drift.len(), with.drift.len()), (2, 4));
    assert_eq!(with.drift[0], without.drift[0]);
    assert_eq!((with.drift[1].streams, with.drift[1].segments.len()), (300, 1));
    let summary = with.summary();
    let line = "in overall, territory (26 streams) and apart in rep (300 streams), ";
    assert!(summary.contains(line) && summary.contains("of each in each share"), "{summary}");
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
