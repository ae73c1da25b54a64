//! The funnel: whatever the order, the repetitions, the crashes, rows tell of the visits that an
//! independent recount of the raw events finds; and a log in the shape of a published one.

#[path = "support/oracle_flow.rs"]
mod flow;
#[path = "support/oracle_funnel.rs"]
mod funnel;
#[path = "support/oracle.rs"]
mod oracle;

use std::collections::BTreeMap;

use flow::Flow;
use funnel::{Closed, Funnels, TableRow, Visit, Win, same};
use oracle::{DAY, MONTH, Random, at, definition, deliver, record};
use proptest::prelude::*;
use serde_json::{Value, json};
use tidemark::model::cycle::CycleStart;
use tidemark::model::definition::{Definition, Stage};
use tidemark::model::event::Status;
use tidemark::model::funnel::Funnel;
use tidemark::model::kpi::{Group, Kpis};
use tidemark::model::row::Row;
use tidemark::model::time::Timestamp;
use tidemark::model::watermark::Heartbeat;
use tidemark::model::window::WindowKind;
use tidemark::rollup::Rollup;

const TABLE: &[TableRow] = &[
    ("", "talk", "open", Some(1)),
    ("", "won", "won", Some(9)),
    ("", "offer", "open", None),
    ("", "demo", "open", Some(2)),
    ("", "gone", "lost", Some(8)),
    ("renewals", "talk", "open", Some(3)),
    ("renewals", "signed", "won", None),
    ("renewals", "warranty", "open", Some(5)),
];
const ZONE: &str = "Europe/Berlin";
const START: &str = "2026-01-20T20:00:00Z";
const HOUR: i64 = 3_600_000_000;
const DAYS: u32 = 70;

fn job(table: &[TableRow]) -> Definition {
    let windows = [DAY, MONTH, WindowKind::RollingDays(28), WindowKind::RollingFine(288)];
    let mut job = definition(ZONE, "EUR", &[&[], &["rep"], &["stage"]], &windows);
    for (pipeline, stage, status, order) in table {
        let place = (String::new(), (*pipeline).to_owned());
        let status = Status::parse(status).unwrap();
        job.stages.insert(place, stage, Stage { order: *order, ..Stage::of(status) });
    }
    job
}

fn funnels(table: &[TableRow]) -> Funnels<'_> {
    Funnels { table, zone: ZONE, settle: 300_000_000 }
}

/// What happens to a deal: what, how many minutes behind the start, which values.
type Step = (u8, u32, u16);

fn deals() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = (0u8..16, 0..DAYS * 24 * 60, any::<u16>());
    proptest::collection::vec(proptest::collection::vec(step, 1..10), 1..12)
}

/// Events with an order of their own each; their times follow it or not.
fn events(deals: &[Vec<Step>]) -> Vec<Value> {
    let mut out = Vec::new();
    for (i, steps) in deals.iter().enumerate() {
        for (k, (what, minute, pick)) in steps.iter().enumerate() {
            let time = Timestamp(at(START).0 + i64::from(*minute) * HOUR / 60);
            let (op, set) = said(if k == 0 && i % 4 > 0 { 0 } else { *what }, *pick);
            out.push(json!({
                "v": 1, "id": format!("{i}-{k}"), "entity": {"type": "deal", "id": format!("d{i}")},
                "op": op, "time": time.to_string(), "order": [k, 0], "set": set,
            }));
        }
    }
    out
}

fn said(what: u8, pick: u16) -> (&'static str, Value) {
    let pick = usize::from(pick);
    let stages = [
        json!("talk"),
        json!("demo"),
        json!("offer"),
        json!("won"),
        json!("gone"),
        json!("signed"),
        json!("warranty"),
        json!(null),
    ];
    let stage = stages[pick % 8].clone();
    let pipeline =
        [json!("renewals"), json!("sales"), json!("renewals"), json!(null)][pick / 8 % 4].clone();
    let status = ["won", "lost", "open"][pick / 32 % 3];
    let owner = ["r1", "r2", "r3"][pick / 96 % 3];
    match what {
        0 => ("create", json!({"stage": stages[pick % 3], "owner": owner})),
        1..=5 => ("update", json!({"stage": stage})),
        6 => ("update", json!({"stage": stage, "pipeline": pipeline})),
        7 => ("update", json!({"pipeline": pipeline})),
        8 | 9 => ("update", json!({"status": status})),
        10 => ("update", json!({"stage": stage, "status": status})),
        11 | 12 => ("update", json!({"owner": owner})),
        13 if pick.is_multiple_of(3) => ("delete", json!({})),
        14 => ("restore", json!({"stage": stage})),
        _ => ("update", json!({"amount": {"value": pick % 90, "currency": "EUR"}})),
    }
}

fn beat(flow: &mut Flow, watermark: Timestamp) {
    flow.beat(&Heartbeat {
        topic: "sales".to_owned(),
        partition: 0,
        topology: vec![("sales".to_owned(), 1)],
        watermark,
        idle: false,
        next: 0,
        newest: Some(watermark),
        mark: None,
    });
}

fn now() -> Timestamp {
    Timestamp(at(START).0 + (i64::from(DAYS) + 1) * 24 * HOUR)
}

/// In any order, some twice, in arrays of any size; published, shown and restarted on the way.
fn careless(job: Definition, events: &[Value], seed: u64) -> Flow {
    let mut random = Random::new(seed);
    let mut flow = Flow::new(job, at(START));
    let mut images: Vec<Option<Vec<u8>>> = vec![None; flow.ledgers.len()];
    for source in deliver(events, 20, seed) {
        flow.accept(&source);
        let shard = random.below(images.len());
        match random.below(5) {
            0 => {
                let until = (now().0 - at(START).0) as u64;
                let to = Timestamp(at(START).0 + (random.next() % until) as i64);
                beat(&mut flow, to);
                flow.settle(to);
            }
            1 => {
                flow.fold(shard, usize::MAX);
                images[shard] = Some(flow.ledgers[shard].image());
            }
            2 => flow.restart_ledger(shard, images[shard].clone().as_deref()),
            3 => flow.restart_rollups(),
            _ => {}
        }
    }
    beat(&mut flow, Timestamp(now().0 - HOUR));
    flow.settle(now());
    flow
}

/// Every row as it stands.
fn rows(flow: &Flow) -> Vec<Row> {
    let first = flow.rollups.iter().filter_map(Rollup::first_day).min();
    let mut out = Vec::new();
    for rollup in &flow.rollups {
        out.extend(rollup.pane_rows(false));
        out.extend(first.iter().flat_map(|day| rollup.calendar_rows(*day)));
    }
    out
}

/// Compares every row with the recount, and what was published with the row. Gives how many visits
/// rows told of.
fn check(
    flow: &Flow,
    (visits, closed): (&[Visit], &[Closed]),
    funnels: &Funnels<'_>,
) -> Result<usize, TestCaseError> {
    let mut told = 0;
    for row in rows(flow) {
        let published: Option<Value> =
            flow.results.get(&row.key()).map(|json| serde_json::from_str(json).unwrap());
        let Some(funnel) = &row.funnel else {
            prop_assert!(row.segment.value("stage").is_some(), "{} has none", row.key());
            prop_assert!(published.is_none_or(|p| p.get("funnel").is_none()));
            continue;
        };
        let found: Value = serde_json::from_str(&funnel.to_json()).unwrap();
        let rep = row.segment.value("rep");
        let is_own = |owner: &Option<String>, at: i64| {
            let credited = rep.is_none_or(|rep| owner.as_deref().unwrap_or("unknown") == rep);
            credited && (row.start.0..row.end.0).contains(&at)
        };
        let own = visits.iter().filter(|v| is_own(&v.owner, v.at));
        told += own.clone().count();
        let wanted = funnels.told(own, closed.iter().filter(|c| is_own(&c.owner, c.at)));
        prop_assert!(same(&found, &wanted), "{}\n{}\n{}", row.key(), found, wanted);
        if let Some(published) = published {
            prop_assert_eq!(&published["funnel"], &found, "{}", row.key());
        }
        for stage in &funnel.stages {
            let parts: i128 = stage.counts()[1..6].iter().map(|(_, n)| n).sum();
            prop_assert!(stage.counts().iter().all(|(_, n)| *n >= 0));
            prop_assert!(stage.won <= stage.closed);
            prop_assert_eq!((stage.entered, stage.n), (parts, stage.entered - stage.held));
        }
    }
    Ok(told)
}

/// Compares the cycles of every row with the recount. Gives how many rows told of.
fn cycles(flow: &Flow, wins: &[Win]) -> Result<usize, TestCaseError> {
    let mut told = 0;
    for row in rows(flow).into_iter().filter(|row| row.segment.value("stage").is_none()) {
        let kpis: Value = serde_json::from_str(&row.kpis_json()).unwrap();
        let rep = row.segment.value("rep");
        let own: Vec<&Win> = wins
            .iter()
            .filter(|win| rep.is_none_or(|rep| win.owner.as_deref().unwrap_or("unknown") == rep))
            .filter(|win| (row.start.0..row.end.0).contains(&win.at))
            .collect();
        let days: Vec<i64> = own.iter().filter_map(|win| win.cycle).collect();
        let (sum, n) = (days.iter().sum::<i64>(), days.len());
        let (won, mean) = (&kpis["deals_won"]["value"], &kpis["cycle_length_mean"]);
        prop_assert_eq!(won.as_u64(), Some(own.len() as u64), "{}", row.key());
        prop_assert_eq!(mean["n"].as_u64(), Some(n as u64), "{}", row.key());
        let (found, wanted) = (mean["value"].as_f64(), (n > 0).then(|| sum as f64 / n as f64));
        let agree = found.zip(wanted).is_none_or(|(a, b)| (a - b).abs() < 1e-9);
        prop_assert!(agree && found.is_some() == wanted.is_some(), "{} {kpis}", row.key());
        told += n;
    }
    Ok(told)
}

/// 64 cases, or as many as `PROPTEST_CASES` asks for; `PROPTEST_RNG_SEED` repeats a run.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { 64 };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_delivery_gives_the_funnels_of_the_recount(deals in deals(), seed in any::<u64>()) {
        let events = events(&deals);
        let (visits, closed) = funnels(TABLE).visits(&events);
        let flow = careless(job(TABLE), &events, seed);
        check(&flow, (&visits, &closed), &funnels(TABLE))?;
    }

    /// Cycles that begin with a stage are those of the recount, whichever event comes last.
    #[test]
    fn any_delivery_gives_the_cycles_of_the_recount(
        deals in deals(), seed in any::<u64>(), several in any::<bool>(),
    ) {
        let from: &[&str] = if several { &["offer", "warranty", "won"] } else { &["demo"] };
        let events = events(&deals);
        let names = from.iter().map(|name| (*name).to_owned()).collect();
        let job = Definition { cycle_from: CycleStart::Stage(names), ..job(TABLE) };
        cycles(&careless(job, &events, seed), &funnels(TABLE).wins(&events, from))?;
    }

    /// Deals that were deleted, and what was told of them, leave nothing behind.
    #[test]
    fn what_is_deleted_was_never_there(
        deals in deals(), ghosts in deals(), seed in any::<u64>(),
    ) {
        let right = events(&deals);
        let mut told = right.clone();
        for mut event in events(&ghosts) {
            let id = format!("ghost-{}", event["entity"]["id"]);
            event["entity"]["id"] = json!(id);
            let mut end = event.clone();
            (end["op"], end["order"], end["set"]) = (json!("delete"), json!([1000, 0]), json!({}));
            told.extend([event, end]);
        }
        let flow = careless(job(TABLE), &told, seed);
        let (visits, closed) = funnels(TABLE).visits(&right);
        check(&flow, (&visits, &closed), &funnels(TABLE))?;
    }
}

#[test]
fn the_recount_of_a_fixed_history_has_visits_of_every_sort() {
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    let mut random = Random::new(7);
    let deals: Vec<Vec<Step>> = (0..60)
        .map(|_| {
            let step = |_| {
                let minute = random.below((DAYS * 24 * 60) as usize) as u32;
                (random.below(16) as u8, minute, random.next() as u16)
            };
            (0..8).map(step).collect()
        })
        .collect();
    let events = events(&deals);
    let (visits, closed) = funnels(TABLE).visits(&events);
    for visit in &visits {
        *ends.entry(visit.end.map_or("held", |end| end.0)).or_default() += 1;
    }
    assert!(ends.len() == 5 && ends.values().all(|n| *n > 5), "{ends:?}");
    let flow = careless(job(TABLE), &events, 1);
    let told = check(&flow, (&visits, &closed), &funnels(TABLE)).unwrap();
    assert!(told > 500, "rows told of {told} visits");
    let of = |won: bool| closed.iter().filter(|c| c.won == won && c.rows.len() > 1).count();
    assert!(of(true) > 3 && of(false) > 3, "{} and {}", of(true), of(false));
    let cycle_from = CycleStart::Stage(["demo".to_owned()].into());
    let wins = funnels(TABLE).wins(&events, &["demo"]);
    assert!(wins.iter().filter(|win| win.cycle.is_none()).count() > 3);
    let flow = careless(Definition { cycle_from, ..job(TABLE) }, &events, 1);
    let told = cycles(&flow, &wins).unwrap();
    assert!(told > 20, "rows told of {told} cycles");
}

/// Without the group, rows tell of no funnel; neither do they without a stage table.
#[test]
fn there_is_a_funnel_where_it_is_asked_for_and_there_are_stages() {
    let groups = |all: &[Group]| all.iter().copied().collect::<Kpis>();
    let both = groups(&[Group::Deals, Group::Funnel]);
    let event = json!({
        "v": 1, "id": "1", "entity": {"type": "deal", "id": "d"}, "op": "create", "time": START,
        "set": {"stage": "talk"},
    });
    for (kpis, table, has) in
        [(both.clone(), TABLE, true), (groups(&[Group::Deals]), TABLE, false), (both, &[], false)]
    {
        let flow = careless(Definition { kpis, ..job(table) }, std::slice::from_ref(&event), 3);
        let overall = rows(&flow).into_iter().filter(|row| row.segment.parts.is_empty());
        let found: Vec<bool> = overall.map(|row| row.funnel.is_some()).collect();
        assert!(!found.is_empty() && found.iter().all(|f| *f == has), "{has}: {found:?}");
    }
}

/// So many applications reached each stage.
const REACHED: [(&str, usize); 6] = [
    ("submitted", 13_087),
    ("preaccepted", 7_367),
    ("accepted", 5_113),
    ("offered", 5_015),
    ("returned", 3_254),
    ("approved", 2_246),
];

/// Applications in the shape of the BPI Challenge of 2012: so many reached each stage. Counted by
/// hand: of those that went no further, 100 of each stage are still there, the others were lost.
fn applications() -> Funnel {
    let table: Vec<TableRow> = REACHED
        .iter()
        .map(|(name, _)| ("", *name, if *name == "approved" { "won" } else { "open" }, None))
        .chain([("", "declined", "lost", None)])
        .collect();
    let day = |n: usize| Timestamp(at("2026-02-02T10:00:00Z").0 + n as i64 * 24 * HOUR);
    let mut flow = Flow::new(job(&table), day(0));
    let mut lines = 0;
    let mut send = |flow: &mut Flow, deal: usize, step: usize, stage: &str| {
        let event = json!({
            "v": 1, "id": format!("{deal}-{step}"), "time": day(step * 2).to_string(),
            "entity": {"type": "deal", "id": format!("a{deal}")}, "op": "update",
            "set": {"stage": stage},
        });
        flow.accept(&record(lines, event.to_string()));
        lines += 1;
    };
    for (step, (stage, reached)) in REACHED.iter().enumerate() {
        let next = REACHED.get(step + 1).map_or(*reached, |(_, n)| *n);
        for deal in 0..*reached {
            send(&mut flow, deal, step, stage);
            // The first of those that go no further stay.
            if next < *reached && deal >= (next + 100).min(*reached) {
                send(&mut flow, deal, step + 1, "declined");
            }
        }
    }
    flow.settle(day(20));
    let row = rows(&flow)
        .into_iter()
        .find(|row| row.kind == WindowKind::RollingDays(28) && row.segment.parts.is_empty());
    row.unwrap().funnel.unwrap()
}

#[test]
fn the_shape_of_a_published_log_comes_out_as_it_was_counted_by_hand() {
    let funnel = applications();
    let found: Vec<_> = funnel
        .stages
        .iter()
        .map(|s| (s.step.stage.as_str(), s.entered, s.advanced, s.lost, s.held, s.n))
        .collect();
    assert_eq!(
        found,
        [
            ("submitted", 13_087, 7_367, 5_620, 100, 12_987),
            ("preaccepted", 7_367, 5_113, 2_154, 100, 7_267),
            ("accepted", 5_113, 5_015, 0, 98, 5_015),
            ("offered", 5_015, 3_254, 1_661, 100, 4_915),
            ("returned", 3_254, 2_246, 908, 100, 3_154),
            ("approved", 2_246, 0, 0, 2_246, 0),
            ("declined", 10_343, 0, 0, 10_343, 0),
        ]
    );
    assert_eq!(funnel.bottleneck.as_deref(), Some("submitted"));
    let rate =
        |n: Option<tidemark::model::kpi::Number>| n.map(|n| (n.to_f64() * 1e4).round() / 1e4);
    let rates: Vec<_> =
        funnel.stages[..6].iter().map(|s| (rate(s.step_rate), rate(s.drop_off))).collect();
    assert_eq!(
        rates,
        [
            (Some(0.5629), Some(0.4294)),
            (Some(0.694), Some(0.2924)),
            (Some(0.9808), Some(0.0)),
            (Some(0.6489), Some(0.3312)),
            (Some(0.6902), Some(0.279)),
            (None, None),
        ]
    );
    let days: Vec<_> =
        funnel.stages[..5].iter().map(|s| (rate(s.days_p50), rate(s.days_p90))).collect();
    assert_eq!(days, [(Some(2.0), Some(2.0)); 5]);
}
