//! Small made-up histories for the laws: leads and deals with everything that can happen to them.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tidemark::model::time::Timestamp;

const MINUTE: i64 = 60_000_000;

/// What may happen to an entity: what, how many minutes behind the start, and which values.
pub type Step = (u8, u32, u16);

/// One entity's steps, and how its events are ordered.
#[derive(Clone, Debug)]
pub struct Story {
    pub kind: &'static str,
    /// Orders are given, with ties, instead of following from the time.
    pub ordered: bool,
    pub steps: Vec<Step>,
}

/// A world of 1 to `most` entities whose events lie in `minutes` from the start.
pub fn stories(most: usize, minutes: u32) -> impl Strategy<Value = Vec<Story>> {
    let steps = proptest::collection::vec((0u8..20, 0..minutes, any::<u16>()), 1..9);
    let story = (0u8..14, any::<bool>(), steps).prop_map(|(kind, ordered, mut steps)| {
        // Most entities are created; some are only ever seen in mid-life.
        if !matches!(kind, 1 | 7) {
            steps[0].0 = 0;
        }
        let kind = match kind {
            0 => "lead",
            1..=4 => "deal",
            5..=7 => ["activity", "touch", "activity"][usize::from(kind) - 5],
            8 => "order",
            9 => "invoice",
            10 => "campaign_day",
            11 => "survey_response",
            _ => "subscription",
        };
        Story { kind, ordered, steps }
    });
    proptest::collection::vec(story, 1..most)
}

/// The events of a world that starts at an instant.
pub fn events(stories: &[Story], start: Timestamp) -> Vec<Value> {
    let mut out = Vec::new();
    for (i, story) in stories.iter().enumerate() {
        for (k, (what, minute, pick)) in story.steps.iter().copied().enumerate() {
            // Pairs of one order and one time: nothing but their contents can break the tie.
            let minute = if story.ordered { story.steps[k / 2 * 2].1 } else { minute };
            out.push(event(i, k, story, (what, minute, pick), start));
        }
    }
    out
}

fn event(i: usize, k: usize, story: &Story, (what, minute, pick): Step, start: Timestamp) -> Value {
    let apart = if story.ordered { 0 } else { i64::from(pick % 3) * 1000 };
    let at = Timestamp(start.0 + i64::from(minute) * MINUTE + apart);
    let near = Timestamp(at.0 + (i64::from(pick % 7) - 2) * 700 * MINUTE).to_string();
    let kind = story.kind;
    let (op, mut set) = said(what, pick, &near);
    if kind == "lead" && what % 3 == 2 {
        let field = ["responded_at", "first_call_at", "first_email_at"][usize::from(pick / 3 % 3)];
        set[field] = if pick.is_multiple_of(11) { Value::Null } else { json!(near) };
    }
    if kind == "lead" && what % 3 == 1 {
        set["converted_deal"] =
            [json!("d-1"), json!("d-2"), json!(""), json!(null)][usize::from(pick / 3 % 4)].clone();
    }
    if kind == "deal" && what % 5 == 1 {
        let ms = (at.0 / 1000).to_string();
        let told =
            [json!(near), json!("2026-02-05"), json!(ms), json!("soon"), json!(null), json!(near)];
        set["x.first_contact_at"] = told[usize::from(pick / 11 % 6)].clone();
    }
    if !matches!(kind, "lead" | "deal") {
        own(kind, what, pick, &near, &mut set);
    }
    let id = match i % 3 {
        0 => format!("{kind}{i}/2026-02-{:02}", 1 + i % 20),
        _ => format!("{kind}{i}"),
    };
    let mut event = json!({
        "v": 1, "id": format!("{i}-{k}"), "entity": {"type": kind, "id": id},
        "op": op, "time": at.to_string(), "set": set,
    });
    if story.ordered {
        event["order"] = json!([k / 2, 0]);
    }
    event
}

fn said(what: u8, pick: u16, near: &str) -> (&'static str, Value) {
    let owner = ["r1", "r2", "r3", "O'Brien, é|=%"][usize::from(pick % 4)];
    let territory = [json!("West"), json!("East"), json!(null)][usize::from(pick / 4 % 3)].clone();
    let channel = ["web", "partner"][usize::from(pick / 12 % 2)];
    let money = [
        json!({"value": format!("{}.{:02}", pick % 900, pick % 100), "currency": "EUR"}),
        json!({"value": pick % 50, "currency": "USD"}),
        json!({"value": "-12.5", "currency": "EUR"}),
        json!(null),
    ][usize::from([0, 0, 0, 0, 1, 2, 3][usize::from(pick % 7)] as u8)]
    .clone();
    let account = [json!("a-1"), json!("a-2"), json!("a-3"), json!(" a-1"), json!(""), json!(null)]
        [usize::from(pick / 5 % 6)]
    .clone();
    let whole = json!({"account": account, "owner": owner, "territory": territory, "channel": channel, "amount": money});
    match what {
        0 | 1 if pick.is_multiple_of(3) => ("create", json!({"owner": owner})),
        0 | 1 => ("create", whole),
        2 => ("update", json!({"amount": money, "status": "won"})),
        3 => ("update", json!({"owner": owner})),
        4 => ("update", json!({"amount": money})),
        5 => ("update", json!({"status": "won"})),
        6 => ("update", json!({"status": "lost"})),
        7 => ("update", json!({"status": "open"})),
        8 => ("delete", json!({})),
        9 => ("restore", json!({})),
        10 if pick.is_multiple_of(2) => ("merge", json!({})),
        10 => ("update", json!({"account": account})),
        11 => ("snapshot", whole),
        12 => ("update", json!({"owner": null, "territory": null, "status": null})),
        13 => ("update", json!({"created_at": near})),
        14 => ("update", json!({"closed_at": near})),
        15 => ("update", json!({"territory": territory, "channel": channel})),
        16 => ("update", json!({"status": "won", "closed_at": near, "amount": money})),
        17 if pick.is_multiple_of(4) => ("update", json!({"created_at": null, "closed_at": null})),
        17 => ("create", json!({"owner": null, "channel": channel})),
        18 => ("update", json!({"splits": shared(pick)})),
        19 => ("update", json!({"status": "won", "amount": money, "splits": shared(pick)})),
        _ => ("update", json!({})),
    }
}

/// Who shares in a deal, in the order in which a list is kept.
fn shared(pick: u16) -> Value {
    let list = |entries: &[(&str, &str, &str)]| {
        let one = |(owner, share, kind): &(&str, &str, &str)| json!({"owner": owner, "share": share, "type": kind});
        Value::Array(entries.iter().map(one).collect())
    };
    let third = "0.33333333";
    match pick / 5 % 6 {
        0 => Value::Null,
        1 => list(&[("r1", "0.6", "revenue"), ("r2", "0.4", "revenue")]),
        2 => list(&[
            ("O'Brien, é|=%", third, "revenue"),
            ("r1", third, "revenue"),
            ("r4", third, "revenue"),
        ]),
        3 => list(&[("r2", "1", "revenue"), ("r3", "0.25", "overlay")]),
        4 => list(&[("r1", "1", "overlay"), ("r2", "0.7", "overlay")]),
        _ => list(&[
            ("r1", "0.00000001", "revenue"),
            ("r2", "0.99999999", "revenue"),
            ("r1", "0.5", "overlay"),
        ]),
    }
}

/// What an event of another kind says beside, or instead of the status of a deal.
fn own(kind: &str, what: u8, pick: u16, near: &str, set: &mut Value) {
    let set = set.as_object_mut().expect("a set is an object");
    set.retain(|field, _| !matches!(field.as_str(), "status" | "closed_at" | "splits"));
    if matches!(what, 8..=10 | 13 | 15) {
        return;
    }
    let amount = set.remove("amount");
    let amount = amount.unwrap_or_else(|| json!({"value": pick % 700, "currency": "EUR"}));
    let one = |list: &[Value]| list[usize::from(pick / 7) % list.len()].clone();
    let mut say = |field: &str, value: Value| drop(set.insert(field.to_owned(), value));
    let words = |list: &[&str]| list.iter().map(|w| json!(w)).collect::<Vec<_>>();
    let whole = matches!(what, 0 | 1 | 11);
    match kind {
        "activity" => {
            if whole {
                say("kind", one(&words(&["call", "Email", "meeting", "task", "demo", "lunch"])));
                say("duration_s", one(&[json!(90), json!(300.5), json!(null)]));
            }
            match what % 6 {
                0 if whole => say("done", json!(pick.is_multiple_of(2))),
                0 | 1 => say("planned_at", one(&[json!(near), json!(near), json!(null)])),
                2 => say("done", one(&[json!(true), json!(true), json!(null)])),
                3 => say("done_at", one(&[json!(near), json!(null)])),
                4 => say("done", json!(false)),
                _ => say("outcome", one(&words(&["Rescheduled", "held", "no_show"]))),
            }
        }
        "order" | "invoice" => {
            if whole || what.is_multiple_of(4) {
                say("amount", amount.clone());
            }
            if pick % 3 == 1 {
                let off = |c: &str| json!({"value": pick % 90, "currency": c});
                say("discount", one(&[off("EUR"), off("EUR"), off("GBP"), json!(null)]));
            }
            if pick.is_multiple_of(3) {
                say("customer", one(&words(&["a-1", "c-2", ""])));
            }
            match what % 4 {
                0 if whole => {}
                0 | 1 => say("paid_at", one(&[json!(near), json!(near), json!(near), json!(null)])),
                2 => say("refunded", amount),
                _ => say("paid_at", json!(near)),
            }
        }
        "campaign_day" => {
            say("spend", amount);
            say("clicks", json!(pick % 50));
            say("impressions", one(&[json!(pick), json!(null)]));
            say("conversions", one(&[json!(1.5), json!(2)]));
        }
        "touch" => say("kind", one(&words(&["open", "click", "Reply", "visit", "form", "print"]))),
        "survey_response" => {
            say("metric", one(&words(&["nps", "CSAT", "ces", "nps", "mood"])));
            say("score", one(&[json!(pick % 12), json!(pick % 6), json!(4.5), json!(-1)]));
            say("scale_max", one(&[json!(null), json!(10), json!(5), json!(2), json!(7)]));
        }
        _ => match what % 6 {
            0 | 1 => say("mrr", amount),
            2 => say("started_at", one(&[json!(near), json!(null)])),
            3 => say("ended_at", one(&[json!(near), json!(near), json!(null)])),
            4 => say("status", one(&words(&["active", "trialing", "past_due"]))),
            _ => say("status", one(&words(&["canceled", "active", "expired", "incomplete"]))),
        },
    }
}

/// The same history as if each event had first been told wrong and put right at once: every
/// value that is dated by its event is stated falsely, then corrected by a patch behind it.
pub fn amended(events: &[Value], lies: u64) -> Vec<Value> {
    let mut out = Vec::new();
    let mut closed = BTreeSet::new();
    for (i, event) in events.iter().enumerate() {
        // What the first event says holds from the entity's creation on, a correction from its own
        // time on: between the two lie days on which the pipeline was what it was said to be.
        let first = event["id"].as_str().is_some_and(|id| id.ends_with("-0"));
        // An amount that is put right behind the close was another one at the close.
        let deal = event["entity"]["type"] == "deal";
        let kept = deal && (first || closed.contains(&event["entity"]["id"].to_string()));
        if event["set"]["status"] == "won" || event["set"]["status"] == "lost" {
            closed.insert(event["entity"]["id"].to_string());
        }
        let (wrong, right) = wronged(&event["set"], i, kept);
        if lies >> (i % 64) & 1 == 0 || right.is_empty() {
            out.push(event.clone());
            continue;
        }
        let mut first = event.clone();
        first["set"] = wrong;
        let mut second = event.clone();
        second["op"] = json!("update");
        second["id"] = json!(format!("{}-again", event["id"]));
        second["order"] = json!([event["order"][0], 1]);
        second["set"] = Value::Object(right);
        out.extend([first, second]);
    }
    out
}

fn wronged(set: &Value, i: usize, kept: bool) -> (Value, Map<String, Value>) {
    let (mut wrong, mut right) = (set.clone(), Map::new());
    for (field, lie) in [
        ("amount", json!({"value": 777_777 + i, "currency": "GBP"})),
        ("created_at", json!("2026-02-02T02:02:02Z")),
        ("account", json!("a-lie")),
        ("x.first_contact_at", json!("2026-02-04T02:02:02Z")),
        ("converted_deal", json!("d-lie")),
        ("customer", json!("c-lie")),
        ("closed_at", json!("2026-02-03T03:03:03Z")),
        ("done_at", json!("2026-02-03T04:03:03Z")),
        ("paid_at", json!("2026-02-03T05:03:03Z")),
        ("refunded", json!({"value": 555_555 + i, "currency": "GBP"})),
        ("discount", json!({"value": 333_333 + i, "currency": "EUR"})),
        ("spend", json!({"value": 444_444 + i, "currency": "GBP"})),
        ("score", json!(3)),
    ] {
        if let Some(truth) = set.get(field).filter(|_| !(kept && field == "amount")) {
            wrong[field] = lie;
            right.insert(field.to_owned(), truth.clone());
        }
    }
    (wrong, right)
}

/// Events with an order of their own each, so that what follows an event is beyond doubt.
pub fn in_line(stories: &[Story], start: Timestamp) -> Vec<Value> {
    let mut events = events(stories, start);
    for (place, event) in events.iter_mut().enumerate() {
        event["order"] = json!([place, 0]);
    }
    events
}
