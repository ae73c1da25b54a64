//! Instances with different rules of drift: nothing is judged, and it is said; and copies of days are
//! where these rules want them, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::instance::{Clocks, context};
use super::{feed, job, open, read, won, work};
use tidemark::app;
use tidemark::config::Config;
use tidemark::log::memory::MemoryLog;
use tidemark::model::kin::Kin;
use tidemark::model::partial::{PartialMessage, copy_key};
use tidemark::model::slice::Tier;
use tidemark::model::time::Timestamp;
use tidemark::runtime::Context;

#[test]
fn while_a_shard_runs_with_other_rules_of_drift_it_is_said() {
    for drift in [
        "kpis = []",
        "kpis = [\"win_rate\"]",
        "min_n = 31",
        "min_effect_percent = 16",
        "min_baseline = 101",
        "false_alarms = \"1 per year\"",
        "baseline = \"85d\"",
        "baseline_from = \"2026-01-05\"",
        "chart = \"ewma\"",
        "phases = { win_rate = \"weekday\" }",
    ] {
        said_of_other_rules(drift);
    }
}

fn said_of_other_rules(drift: &str) {
    let (config, log, clocks) = job("");
    let (other, ..) = job(&format!("\n[drift]\n{drift}\n"));
    let [here, there] = [config, other].map(|c| context(&c, Arc::new(log.clone()), &clocks));
    let said = || here.health.notes().into_iter().find(|(name, _)| name == "drift").map(|n| n.1);
    feed(&log, 0, [won(1)]);
    let mut rollup = open("rollup", &here);
    let mut shard = ["intake", "ledger"].map(|stage| open(stage, &there));
    shard.iter_mut().for_each(|worker| work(worker, &clocks));
    work(&mut rollup, &clocks);
    let why = said().expect("a note").expect_err(drift);
    assert!(why.contains("another [drift]: nothing is judged"), "{why}");
    assert_eq!(judging(&here), Some(0.0));
    assert!(here.health.checks().iter().all(|(name, state)| name != "rollup" || state.is_ok()));
    for worker in shard {
        worker.finish().unwrap();
    }
    let mut shard = ["intake", "ledger"].map(|stage| open(stage, &here));
    shard.iter_mut().for_each(|worker| work(worker, &clocks));
    work(&mut rollup, &clocks);
    assert_eq!(said(), Some(Ok(())));
    assert_eq!(judging(&here), Some(1.0));
}

#[test]
fn the_order_in_which_rules_are_written_is_no_other_rule() {
    let two = |kpis: &str, segments: &str| {
        let kin = Kin::of(&watching(&format!("kpis = {kpis}\nsegments = {segments}")).drift, 8);
        (kin.hash(), kin.judging())
    };
    let written = two("[\"win_rate\", \"deals_created\"]", "[\"overall\", \"territory\"]");
    assert_eq!(two("[\"deals_created\", \"win_rate\"]", "[\"territory\", \"overall\"]"), written);
    let fewer = two("[\"win_rate\"]", "[\"overall\", \"territory\"]");
    assert!(fewer.0 == written.0 && fewer.1 != written.1, "the copies are the same");
}

/// What is told of it on `/metrics`.
fn judging(context: &Context) -> Option<f64> {
    let families = context.telemetry.registry().gather();
    let family = families.iter().find(|family| family.name() == "tidemark_drift_judging")?;
    Some(family.get_metric().first()?.get_gauge().get_value())
}

const PARTITIONS: u32 = 8;

/// One shard and many partitions, some of them watched.
fn watching(drift: &str) -> Arc<Config> {
    let text = format!(
        "[app]\nname = \"t\"\n[[sources]]\nname = \"crm\"\ntopics = [\"source\"]\n\
         [topology]\nshards = 1\npartitions = {PARTITIONS}\n[windows]\nrolling = []\n\
         calendar = [\"day\"]\n[segments]\nsets = [\"overall\", \"territory\", \"channel\", \
         [\"territory\", \"channel\"]]\n[slices]\nday_retention = \"500d\"\n\
         [time]\nidle_after = \"1s\"\n[drift]\n{drift}"
    );
    Arc::new(
        Config::from_toml(&text, "t.toml", std::iter::empty()).unwrap_or_else(|e| panic!("{e}")),
    )
}

fn deal(id: u32, status: &str, territory: &str) -> String {
    format!(
        "{{\"id\":\"e{id}\",\"entity\":{{\"type\":\"deal\",\"id\":\"{id}\"}},\"op\":\"create\",\
         \"time\":\"2026-03-02T10:00:00Z\",\"set\":{{\"status\":\"{status}\",\
         \"territory\":\"{territory}\",\"channel\":\"web\"}}}}"
    )
}

/// What a place on the partials topic holds in the end.
fn held(log: &MemoryLog) -> BTreeMap<(u32, String), PartialMessage> {
    let mut out = BTreeMap::new();
    for record in read(log, "t.g1.partials", PARTITIONS) {
        let at = (record.partition.0, String::from_utf8(record.key.unwrap()).unwrap());
        match record.value {
            Some(value) => out.insert(at, PartialMessage::decode(&value).unwrap()),
            None => out.remove(&at),
        };
    }
    out
}

type Places = BTreeSet<(u32, String)>;

/// Where copies are, and where they are wanted by some rules.
fn copies(log: &MemoryLog, config: &Config) -> (Places, Places) {
    let kin = Kin::of(&config.drift, PARTITIONS);
    let (mut there, mut wanted) = (Places::new(), Places::new());
    for (at, message) in held(log) {
        match message {
            PartialMessage::Copy(_) => drop(there.insert(at)),
            PartialMessage::Cell(cell) if cell.slice.tier == Tier::Day => {
                let key = copy_key(cell.shard, &cell.segment, cell.slice);
                wanted.extend(kin.wanted_at(&cell.segment).into_iter().map(|p| (p.0, key.clone())));
            }
            _ => {}
        }
    }
    (there, wanted)
}

/// A log with deals that intake has taken, and its clocks.
fn with_deals(config: &Arc<Config>) -> (MemoryLog, Clocks) {
    let (log, clocks) = (MemoryLog::default(), Clocks::new(Timestamp(1_772_452_800_000_000)));
    app::create_sources(config, &log, 1).unwrap();
    app::create_topics(config, &log).unwrap();
    let deals = ["north", "south", "east", "west"].into_iter().zip(1..);
    feed(&log, 0, deals.clone().map(|(territory, id)| deal(id, "won", territory)));
    feed(&log, 0, deals.map(|(territory, id)| deal(10 + id, "open", territory)));
    let mut intake = open("intake", &context(config, Arc::new(log.clone()), &clocks));
    work(&mut intake, &clocks);
    intake.finish().unwrap();
    (log, clocks)
}

#[test]
fn copies_that_other_rules_do_not_want_are_deleted_whoever_ran_in_between() {
    let both = "kpis = [\"win_rate\"]\nsegments = [\"overall\", \"territory\"]";
    let [both, pairs, none] =
        [both, "kpis = [\"win_rate\"]\nsegments = [[\"territory\", \"channel\"]]", "kpis = []"]
            .map(watching);
    let (log, clocks) = with_deals(&both);
    // Who stops in good order keeps an image; who crashes may not.
    let in_turn = [(&both, true), (&pairs, true), (&none, true), (&both, true), (&pairs, false)];
    for (config, stops) in in_turn.into_iter().chain([(&both, false), (&none, false)]) {
        let mut ledger = open("ledger", &context(config, Arc::new(log.clone()), &clocks));
        work(&mut ledger, &clocks);
        let (there, wanted) = copies(&log, config);
        assert_eq!(there, wanted);
        assert_eq!(there.is_empty(), config.drift.is_empty(), "else nothing is shown");
        if stops {
            ledger.finish().unwrap();
        }
    }
}

#[test]
fn copies_of_days_out_of_retention_are_deleted() {
    let config = watching("kpis = [\"win_rate\"]\nsegments = [\"overall\", \"territory\"]");
    let (log, clocks) = with_deals(&config);
    let mut stages =
        ["intake", "ledger"].map(|s| open(s, &context(&config, Arc::new(log.clone()), &clocks)));
    stages.iter_mut().for_each(|worker| work(worker, &clocks));
    let (there, wanted) = copies(&log, &config);
    assert!(!there.is_empty() && there == wanted);
    // What may be let go of is judged by events, so there is one of a year and a half later.
    clocks.pass(505 * 86_400_000);
    feed(&log, 0, [deal(99, "won", "north").replace("2026-03-02", "2027-07-20")]);
    for _ in 0..3 {
        stages.iter_mut().for_each(|worker| work(worker, &clocks));
    }
    let then = there.iter().map(|(_, key)| key.split('|').next().unwrap()).next().unwrap();
    let (there, wanted) = copies(&log, &config);
    let old = |key: &String| key.split('|').next() == Some(then);
    assert_eq!(there.iter().filter(|(_, key)| old(key)).count(), 0, "{there:?}");
    // The deals of that day are open still, so its cells are there; and of the new day there are copies.
    assert!(wanted.iter().any(|(_, key)| old(key)) && !there.is_empty());
}

#[test]
fn what_is_said_of_rules_is_said_by_whoever_owns_the_partitions_and_goes_with_them() {
    let (config, log, clocks) = job("");
    let (other, ..) = job("\n[drift]\nkpis = []\n");
    let [here, there, elsewhere] = [config.clone(), other, config]
        .map(|config| context(&config, Arc::new(log.clone()), &clocks));
    let said = || here.health.notes().into_iter().find(|(name, _)| name == "drift").map(|n| n.1);
    feed(&log, 0, [won(1)]);
    let mut shard = ["intake", "ledger"].map(|stage| open(stage, &there));
    shard.iter_mut().for_each(|worker| work(worker, &clocks));
    let mut rollup = open("rollup", &here);
    work(&mut rollup, &clocks);
    assert!(said().expect("a note").is_err());
    // It fails and is opened anew: it still is so, and is over when the shard has the same rules.
    drop(rollup);
    let mut rollup = open("rollup", &here);
    work(&mut rollup, &clocks);
    assert!(said().expect("a note").is_err(), "nothing changed");
    drop(rollup);
    for worker in shard {
        worker.finish().unwrap();
    }
    let mut shard = ["intake", "ledger"].map(|stage| open(stage, &here));
    shard.iter_mut().for_each(|worker| work(worker, &clocks));
    let mut rollup = open("rollup", &here);
    work(&mut rollup, &clocks);
    assert_eq!(said(), Some(Ok(())), "though the one that failed said otherwise");
    for worker in shard {
        worker.finish().unwrap();
    }
    let mut shard = ["intake", "ledger"].map(|stage| open(stage, &there));
    shard.iter_mut().for_each(|worker| work(worker, &clocks));
    work(&mut rollup, &clocks);
    assert!(said().expect("a note").is_err());
    // Its only partition goes to another instance, as by a worker that joins and one that waits.
    rollup.finish().unwrap();
    let mut next = open("rollup", &elsewhere);
    work(&mut next, &clocks);
    let mut rollup = open("rollup", &here);
    for _ in 0..3 {
        work(&mut next, &clocks);
        work(&mut rollup, &clocks);
    }
    let notes = elsewhere.health.notes();
    let of_the_other = notes.iter().find(|(name, _)| name == "drift");
    assert!(of_the_other.is_some_and(|(_, state)| state.is_err()), "who owns it says so");
    assert_eq!(said(), Some(Ok(())), "who owns nothing is not at odds");
}

#[test]
fn rollups_hear_of_other_rules_before_what_they_judge_by_is_deleted() {
    let [both, none] =
        ["kpis = [\"win_rate\"]\nsegments = [\"overall\", \"territory\"]", "kpis = []"]
            .map(watching);
    let (log, clocks) = with_deals(&both);
    let run = |config: &Arc<Config>| {
        let mut ledger = open("ledger", &context(config, Arc::new(log.clone()), &clocks));
        work(&mut ledger, &clocks);
        ledger.finish().unwrap();
        read(&log, "t.g1.partials", PARTITIONS)
    };
    let (before, after) = (run(&both), run(&none));
    let kin = Kin::of(&none.drift, PARTITIONS).judging();
    let mut deleted = 0;
    for p in 0..PARTITIONS {
        let known = before.iter().filter(|record| record.partition.0 == p).count();
        let mut told = false;
        for record in after.iter().filter(|record| record.partition.0 == p).skip(known) {
            match record.value.as_deref().map(PartialMessage::decode) {
                Some(Ok(PartialMessage::Beat(beat))) => told |= beat.kin == kin,
                Some(_) => {}
                None => {
                    assert!(told, "{:?}", record.key);
                    deleted += 1;
                }
            }
        }
    }
    assert!(deleted > 0);
}
