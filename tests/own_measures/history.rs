//! Random histories of deals, activities and orders.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tidemark::model::time::Timestamp;

use super::oracle::at;
use super::{DAYS, HOUR, START};

/// One change of an entity: hours since the last one, what happened, and what was stated.
#[derive(Clone, Debug)]
pub struct Step {
    pub hours: i64,
    pub op: &'static str,
    pub set: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub struct Told {
    pub kind: &'static str,
    pub steps: Vec<Step>,
}

/// What may be stated of a kind of entity.
fn stated(kind: usize) -> impl Strategy<Value = (String, Value)> {
    let text = |name: &str, values: &[&str]| {
        let values: Vec<Value> =
            values.iter().map(|v| if v.is_empty() { Value::Null } else { json!(v) }).collect();
        (Just(name.to_owned()), proptest::sample::select(values)).boxed()
    };
    let money = || {
        let amount = (-100_000i64..5_000_000, proptest::sample::select(vec!["EUR", "GBP", "CHF"]));
        amount.prop_map(|(cents, code)| {
            let sign = if cents < 0 { "-" } else { "" };
            let cents = cents.abs();
            json!({"value": format!("{sign}{}.{:02}", cents / 100, cents % 100), "currency": code})
        })
    };
    let owner = text("owner", &["r1", "r2", "r3", "r4", ""]);
    let all = match kind {
        0 => vec![
            owner,
            text("status", &["won", "lost", "open", "won", ""]),
            (Just("amount".to_owned()), money()).boxed(),
            text("x.cost", &["120", " 7.25 ", "much", "-3", ""]),
            text("x.industry", &["health", "Pharma", "steel", ""]),
            text("lost_reason", &["price", ""]),
            text("type", &["Enterprise", "corporate", "small", ""]),
        ],
        1 => vec![
            owner,
            text("kind", &["meeting", "Call", "note", ""]),
            text("x.demo", &["yes", "no", ""]),
            text("outcome", &["no answer", "connected", ""]),
            (Just("duration_s".to_owned()), (0u32..5_000).prop_map(|n| json!(n))).boxed(),
            (Just("done".to_owned()), prop_oneof![3 => Just(json!(true)), 1 => Just(json!(false))])
                .boxed(),
        ],
        _ => vec![
            owner,
            text("plan", &["free", "pro", ""]),
            text("x.seats", &["3", " 12.5 ", "many", "-2", ""]),
            (Just("paid_at".to_owned()), 0i64..DAYS * 24)
                .prop_map(|(name, hours)| (name, json!(time(hours).to_string())))
                .boxed(),
            text("paid_at", &[""]),
        ],
    };
    proptest::strategy::Union::new(all)
}

pub fn told() -> impl Strategy<Value = Vec<Told>> {
    let entity = (0usize..3).prop_flat_map(|kind| {
        let set = proptest::collection::vec(stated(kind), 1..5)
            .prop_map(|all| all.into_iter().collect::<Map<String, Value>>());
        let op = prop_oneof![
            12 => Just("update"), 1 => Just("delete"), 1 => Just("restore"), 1 => Just("snapshot"),
        ];
        let step = (1i64..130, op, set).prop_map(|(hours, op, set)| Step { hours, op, set });
        (proptest::collection::vec(step, 1..8), any::<bool>()).prop_map(move |(mut steps, seen)| {
            if seen {
                steps[0].op = "create";
            }
            Told { kind: ["deal", "activity", "order"][kind], steps }
        })
    });
    proptest::collection::vec(entity, 1..12)
}

pub fn time(hours: i64) -> Timestamp {
    Timestamp(at(START).0 + hours * HOUR)
}

pub fn events(told: &[Told]) -> Vec<Value> {
    let mut out = Vec::new();
    for (i, entity) in told.iter().enumerate() {
        let mut hours = 0;
        for (n, step) in entity.steps.iter().enumerate() {
            hours += step.hours;
            out.push(json!({
                "id": format!("{i}-{n}"), "entity": {"type": entity.kind, "id": i.to_string()},
                "op": step.op, "time": time(hours).to_string(), "set": step.set,
            }));
        }
    }
    out
}
