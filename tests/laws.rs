//! The laws: whatever the order, the batches, the crashes, the moments of publication, the same
//! history gives the same numbers, and they are the numbers of a batch recount.

#[path = "support/oracle_course.rs"]
mod course;
#[path = "support/oracle_flow.rs"]
mod flow;
#[path = "support/oracle_more.rs"]
mod more;
#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/oracle_recount.rs"]
mod recount;
#[path = "support/oracle_windows.rs"]
mod windows;
#[path = "support/oracle_world.rs"]
mod world;

use course::{
    DAY_MINUTES, HOUR, SETS, START, WINDOWS, careless, courses, days_sum_to_months, plain,
    published_is_current, sums_hold,
};
use flow::{Compacted, Flow, merge};
use oracle::{Random, Rows, at, definition, deliver, kpis_of};
use proptest::prelude::*;
use recount::Question;
use serde_json::{Value, json};
use tidemark::ledger::Ledger;
use tidemark::model::definition::Definition;
use tidemark::model::record::Partition;
use tidemark::model::time::Timestamp;
use windows::check;
use world::{Story, amended, events, in_line, stories};

/// Minutes between two ticks: mostly some hours, now and then a week.
fn moves() -> impl Strategy<Value = i64> {
    prop_oneof![5 => 0i64..60 * 30, 1 => 0i64..60 * 24 * 9]
}

fn small() -> impl Strategy<Value = Vec<Story>> {
    prop_oneof![3 => stories(12, 50 * DAY_MINUTES), 1 => stories(40, 125 * DAY_MINUTES)]
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
    fn any_delivery_gives_the_rows_of_the_recount(stories in small(), course in courses()) {
        let events = events(&stories, at(START));
        let flow = careless(&events, &course);
        let rows = flow.rows();
        let cells = check(&rows, &events, &course.question());
        prop_assert!(cells.as_ref().is_ok(), "{}", cells.unwrap_err());
        published_is_current(&flow)?;
        let other = plain(&events, &course).rows().spoken();
        prop_assert_eq!(rows.spoken().differences(&other), Vec::<String>::new());
    }

    #[test]
    fn children_sum_to_their_parent_and_nothing_is_negative(
        stories in small(), course in courses(),
    ) {
        let rows = careless(&events(&stories, at(START)), &course).rows();
        sums_hold(&rows)?;
        days_sum_to_months(&rows)?;
    }
}

/// No difference, shown as the first few where there is one.
fn same(a: Rows, b: Rows) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.spoken().differences(&b.spoken()), Vec::<String>::new());
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    /// Images are taken at any record; a shard is lost at any later one, restored from the newest
    /// or an older image, or from nothing, and reads on.
    #[test]
    fn a_crash_at_any_record_changes_nothing(stories in small(), course in courses()) {
        let events = events(&stories, at(START));
        let mut random = Random::new(course.seed);
        let mut flow = Flow::new(course.definition(), at(START));
        let shards = flow.ledgers.len();
        let mut images: Vec<Vec<Vec<u8>>> = vec![Vec::new(); shards];
        for source in deliver(&events, 20, course.seed) {
            flow.accept(&source);
            let shard = random.below(shards);
            flow.fold(shard, 1 + random.below(3));
            match random.below(6) {
                0 => images[shard].push(flow.ledgers[shard].image()),
                1 => flow.publish(shard),
                2 => {
                    let which = random.below(images[shard].len() + 1);
                    let image = images[shard].get(which).cloned();
                    flow.restart_ledger(shard, image.as_deref());
                }
                3 => { flow.merge_all(); flow.tick(at(START)); }
                4 => flow.restart_rollups(),
                _ => {}
            }
        }
        flow.beat(&course.last_beat());
        flow.settle(course.now());
        published_is_current(&flow)?;
        same_state(&flow, &images)?;
        let rows = flow.rows();
        check(&rows, &events, &course.question()).map_err(TestCaseError::fail)?;
        same(rows, plain(&events, &course).rows())?;
    }

    /// Partials reach the rollups late, twice, and in any order; also those of owners that were
    /// replaced and went on writing.
    #[test]
    fn stale_repeated_and_reordered_partials_change_nothing(
        stories in small(), course in courses(),
    ) {
        let events = events(&stories, at(START));
        let mut random = Random::new(course.seed);
        let mut flow = Flow::new(course.definition(), at(START));
        for source in deliver(&events, 5, course.seed) {
            flow.accept(&source);
            flow.fold_all();
            if random.below(2) == 0 {
                flow.publish(random.below(4));
            }
            if random.below(4) == 0 {
                // A zombie repeats everything it holds.
                flow.ledgers.iter_mut().for_each(Ledger::re_emit);
            }
        }
        flow.beat(&course.last_beat());
        flow.fold_all();
        flow.publish_all();
        for log in &mut flow.partials {
            let again: Vec<Compacted> =
                log.iter().filter(|_| random.below(3) == 0).cloned().collect();
            log.extend(again);
            random.shuffle(log);
        }
        for p in 0..flow.rollups.len() {
            let mut now = at(START);
            for (i, message) in flow.partials[p].clone().iter().enumerate() {
                merge(&mut flow.rollups[p], i, message);
                if random.below(8) == 0 {
                    now = Timestamp(now.0 + HOUR * random.below(30) as i64).min(course.now());
                    flow.rollups[p].tick(now);
                }
            }
        }
        flow.rollups.iter_mut().for_each(|r| drop(r.tick(course.now())));
        same(flow.rows(), plain(&events, &course).rows())?;
    }

    /// What was told wrong and put right, what was deleted, and what was deleted and restored,
    /// leaves the numbers of the history that was right from the start.
    #[test]
    fn an_amended_history_is_the_history_written_right(
        stories in small(), ghosts in small(), lies in any::<u64>(), course in courses(),
    ) {
        let right = in_line(&stories, at(START));
        let mut told = amended(&right, lies);
        let far = 1_000_000;
        for (i, event) in in_line(&ghosts, at(START)).into_iter().enumerate() {
            let id = format!("ghost-{}", event["entity"]["id"]);
            let mut event = event;
            event["entity"]["id"] = json!(id);
            event["id"] = json!(format!("ghost-{i}"));
            let mut end = event.clone();
            end["op"] = json!("delete");
            end["order"] = json!([far, 0]);
            end["id"] = json!(format!("ghost-{i}-end"));
            told.extend([event, end]);
        }
        let gone = |e: &Value| right.iter()
            .any(|a| a["entity"] == e["entity"] && (a["op"] == "delete" || a["op"] == "merge"));
        for event in right.iter().take(3).filter(|e| !gone(e)) {
            let with = |op: &str, order: i64| {
                let mut out = event.clone();
                out["op"] = json!(op);
                out["set"] = json!({});
                out["order"] = json!([far, order]);
                out["id"] = json!(format!("{op}-{}", event["id"]));
                out
            };
            told.extend([with("delete", 0), with("restore", 1)]);
        }
        let rows = careless(&told, &course).rows();
        same(rows, plain(&right, &course).rows())?;
    }

    /// Days fall out of retention while late events amend, delete and date back: what is no longer
    /// whole is not shown, and nothing that is shown goes below zero.
    #[test]
    fn nothing_is_negative_at_the_edge_of_the_retention(
        stories in small(), course in courses(), keep in 30u32..60,
    ) {
        let mut random = Random::new(course.seed);
        let mut job = course.definition();
        job.retention.days = Some(keep);
        let mut flow = Flow::new(job, at(START));
        let mut now = at(START);
        for source in deliver(&events(&stories, at(START)), 10, course.seed) {
            flow.accept(&source);
            if random.below(2) == 0 {
                let hours = if random.below(4) == 0 { random.below(24 * 30) } else { random.below(2) };
                now = Timestamp(now.0 + HOUR * hours as i64);
                flow.beat(&course.beat(Timestamp(now.0 - HOUR)));
                flow.settle(now);
                for (key, json) in &flow.written {
                    no_count_is_negative(key, json)?;
                }
            }
        }
    }

    /// Rolling totals follow `now` by difference; a rollup that reads everything and moves once
    /// counts from scratch.
    #[test]
    fn totals_by_difference_are_totals_from_scratch(
        stories in stories(20, 40 * DAY_MINUTES),
        course in courses(),
        steps in proptest::collection::vec((moves(), 0usize..40), 1..16),
    ) {
        let events = events(&stories, at(START));
        let mut flow = Flow::new(course.definition(), at(START));
        for source in deliver(&events, 0, course.seed) {
            flow.accept(&source);
            flow.fold_all();
            flow.publish_all();
        }
        let whole = flow.partials.clone();
        let mut read = vec![0; whole.len()];
        let mut now = at(START);
        for (step, (minutes, messages)) in steps.into_iter().enumerate() {
            now = Timestamp(now.0 + minutes * 60_000_000);
            for (p, log) in whole.iter().enumerate() {
                let upto = (read[p] + messages).min(log.len());
                (read[p]..upto).for_each(|i| merge(&mut flow.rollups[p], i, &log[i]));
                read[p] = upto;
            }
            flow.tick(now);
            published_is_current(&flow)?;
            if step % 3 == 0 {
                same(flow.rows(), from_scratch(&course.definition(), &whole, &read, now))?;
            }
        }
    }
}

/// The rows of rollups that read the logs up to some place, then move to `now` at once.
fn from_scratch(
    definition: &Definition,
    logs: &[Vec<Compacted>],
    read: &[usize],
    now: Timestamp,
) -> Rows {
    let mut flow = Flow::new(definition.clone(), now);
    for (p, log) in logs.iter().enumerate() {
        for (i, message) in log.iter().take(read[p]).enumerate() {
            merge(&mut flow.rollups[p], i, message);
        }
    }
    flow.tick(now);
    flow.rows()
}

fn no_count_is_negative(key: &str, json: &str) -> Result<(), TestCaseError> {
    let kpis: Value = serde_json::from_str(kpis_of(json)).expect("KPIs are JSON");
    for (name, kpi) in kpis.as_object().expect("KPIs are an object") {
        prop_assert!(kpi["n"].as_i64() >= Some(0), "{key} {name}: {kpi}");
        let beyond = [
            "revenue_growth",
            "revenue_growth_quarter",
            "revenue_growth_year",
            "order_revenue_growth",
            "order_revenue_growth_quarter",
            "order_revenue_growth_year",
            "win_rate_amount",
            "refund_share",
            "roi",
            "click_to_open",
            "churn_rate",
            "retention_rate",
            "pipeline_to_revenue",
            "activities_per_win",
            "wins_per_meeting",
            "wins_per_demo",
            "meetings_per_call",
            "click_through_rate",
            "return_on_ad_spend",
            "reply_to_open",
            "purchase_frequency",
            "customer_churn_rate",
            "net_revenue_retention",
            // What came by handover may be lost by those who had none of it at the start; and a price
            // below 0 stays where others end.
            "gross_revenue_retention",
            "price_realization",
        ];
        let share = kpi["unit"] == "ratio" && !beyond.contains(&name.as_str());
        let value = kpi["value"].as_f64().unwrap_or(0.0);
        prop_assert!(!share || (0.0..=1.0).contains(&value), "{key} {name}: {kpi}");
    }
    Ok(())
}

/// Two owners that read the same prefix hold the same state and write the same bytes.
fn same_state(flow: &Flow, images: &[Vec<Vec<u8>>]) -> Result<(), TestCaseError> {
    for (shard, images) in images.iter().enumerate() {
        let now = flow.ledgers[shard].image();
        for image in images.iter().chain([&now]) {
            let partition = Partition(shard as u32);
            let restored = Ledger::restore(flow.definition.clone(), partition, image);
            prop_assert!(restored.expect("a whole image").image() == *image);
            let mut other = Flow::new((*flow.definition).clone(), flow.now);
            other.logs = flow.logs.clone();
            other.restart_ledger(shard, Some(image));
            prop_assert!(other.ledgers[shard].image() == now, "shard {shard} differs");
        }
    }
    Ok(())
}

/// Two days before and behind a change of the clocks, in hours of UTC.
const CHANGES: [(&str, &str, &str, i64); 4] = [
    ("Europe/Berlin", "2026-03-27T00:00:00Z", "2026-03-28T23:00:00Z", 23),
    ("Europe/Berlin", "2026-10-23T00:00:00Z", "2026-10-24T22:00:00Z", 25),
    ("America/Vancouver", "2026-03-06T00:00:00Z", "2026-03-08T08:00:00Z", 23),
    // The last change before the law of 2026.
    ("America/Vancouver", "2025-10-31T00:00:00Z", "2025-11-02T07:00:00Z", 25),
];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn days_of_a_clock_change_are_whole(
        stories in stories(16, 5 * DAY_MINUTES), which in 0..CHANGES.len(), seed in any::<u64>(),
    ) {
        let (zone, start, day, hours) = CHANGES[which];
        let mut events = events(&stories, at(start));
        events.push(json!({"id": "sure", "entity": {"type": "deal", "id": "sure"}, "op": "create",
            "time": start, "set": {}}));
        let definition = definition(zone, "EUR", SETS, WINDOWS);
        let now = Timestamp(at(start).0 + 6 * 24 * HOUR);
        let (rows, _) = oracle::replay(&definition, &deliver(&events, 20, seed), Some(now));
        let question = Question {
            zone, currency: "EUR", settle: 300_000_000, sets: SETS, current: false,
            now: now.0, as_of: now.0,
            customers: ("deals", 365),
            cycle_field: None,
        };
        let counted = Rows(rows.0.into_iter().filter(is_final(now)).collect());
        check(&counted, &events, &question).map_err(TestCaseError::fail)?;
        days_sum_to_months(&counted)?;
        let lengths: Vec<i64> = counted.0.keys()
            .filter(|name| name.0 == "day" && name.1 == day)
            .map(|name| (at(&name.2).0 - at(&name.1).0) / HOUR)
            .collect();
        prop_assert!(!lengths.is_empty() && lengths.iter().all(|h| *h == hours), "{lengths:?}");
    }
}

/// Replay has a row of a rolling window of days for each day: the last of them stands at `now`.
fn is_final(now: Timestamp) -> impl Fn(&(oracle::RowName, String)) -> bool {
    move |(name, _)| !name.0.starts_with("rolling_28d") || at(&name.2) >= now
}
