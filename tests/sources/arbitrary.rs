//! Any mapping that the configuration takes, and any record: it ends, the same way each time.

use std::sync::Arc;

use proptest::prelude::*;
use tidemark::config::mapping_from_toml;
use tidemark::intake::Decoder;
use tidemark::model::source::System;

use crate::robust::take;
use crate::{decoder, now, record};

/// Names that both mappings and records use, so that they meet.
const NAMES: [&str; 6] = ["a", "b", "c", "id", "t", "all"];

fn path() -> impl Strategy<Value = String> {
    let hop = prop_oneof![
        4 => prop::sample::select(&NAMES[..]).prop_map(|name| format!(".{name}")),
        1 => (-2i8..3).prop_map(|at| format!("[{at}]")),
        1 => prop::sample::select(&NAMES[..]).prop_map(|name| format!("[{name}=x]")),
        1 => Just("[@]".to_owned()),
        1 => Just("[id=@]".to_owned()),
    ];
    let root = prop_oneof![
        6 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned),
        2 => Just("@".to_owned()),
        1 => Just("$op".to_owned()),
        1 => Just("$before.a".to_owned()),
    ];
    (root, prop::collection::vec(hop, 0..3)).prop_map(|(root, hops)| match root.as_str() {
        "$op" => root,
        _ => format!("{root}{}", hops.concat()),
    })
}

const STEPS: [&str; 16] = [
    "first = true",
    "last = true",
    "trim = true",
    "trim_prefix = \"x\"",
    "split = { by = \"x\", n = -1 }",
    "replace = { find = \"x\", with = \"yy\" }",
    "lower = true",
    "upper = true",
    "map = { x = \"y\", true = \"\" }, unlisted = \"keep\"",
    "map = { x = \"y\" }, else = \"z\"",
    "map = { x = \"y\" }, unlisted = \"leave\"",
    "number = \"percent\"",
    "neg = true",
    "bool = true",
    "hash = true",
    "number = true",
];

fn steps() -> impl Strategy<Value = String> {
    prop::sample::subsequence(&STEPS[..], 0..3).prop_map(|steps| {
        let maps = steps.iter().filter(|step| step.starts_with("map")).count();
        let numbers = steps.iter().filter(|step| step.starts_with("number")).count();
        let steps = if maps > 1 || numbers > 1 { &steps[..1] } else { &steps[..] };
        steps.iter().map(|step| format!(", {step}")).collect()
    })
}

fn value() -> impl Strategy<Value = String> {
    let leaf = (path(), steps()).prop_map(|(path, steps)| format!("{{ from = '{path}'{steps} }}"));
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3)
                .prop_map(|all| format!("{{ coalesce = [{}] }}", all.join(", "))),
            prop::collection::vec(inner.clone(), 1..3)
                .prop_map(|all| format!("{{ concat = [{}], by = \"/\" }}", all.join(", "))),
            (inner, steps()).prop_map(|(inner, steps)| format!("{{ from = {inner}{steps} }}")),
        ]
    })
}

fn rule() -> impl Strategy<Value = String> {
    let time =
        prop::sample::select(&["rfc3339", "s", "ms", "us", "days", "date", "naive", "dotnet"][..]);
    let money = prop::sample::select(
        &["\"major\"", "\"minor\"", "\"cents\"", "\"micros\"", "\"connect\", scale = 3"][..],
    );
    (value(), value(), path(), path(), path(), time, money, any::<u8>()).prop_map(
        |(id, text, when, at, amount, time, money, bits)| {
            let on =
                |bit: u8, text: String| if bits >> bit & 1 == 1 { text } else { String::new() };
            [
                "[[map]]\nexplode = \"all\"\n".to_owned(),
                on(0, format!("when = {{ '{when}' = [\"x\", 1, true] }}\n")),
                format!("entity = {{ type = \"order\", id = {{ coalesce = [{id}, {{ const = \"e\" }}] }} }}\n"),
                on(1, format!("time = {{ coalesce = [{{ from = '{at}', time = \"{time}\" }}, {{ received = true }}] }}\n")),
                on(
                    2,
                    "op = { coalesce = ['a', { const = \"n\" }], map = { x = \"delete\" }, else = \"create\" }\n".to_owned(),
                ),
                on(3, format!("nulls = \"unknown\"\nchanged = '{when}'\n")),
                on(4, format!("id = [{text}]\n")),
                on(5, format!("order = ['{at}']\n")),
                format!("[map.set]\nname = {text}\n\"x.c\" = {{ const = 1 }}\n\"x.b\" = '{when}'\n"),
                on(
                    6,
                    format!(
                        "amount = {{ from = '{amount}', money = {money}, currency = '{when}' }}\n"
                    ),
                ),
                on(7, format!("created_at = {{ from = '{amount}', time = \"{time}\" }}\n")),
            ]
            .concat()
        },
    )
}

fn json() -> impl Strategy<Value = String> {
    const LEAVES: [&str; 14] = [
        "null",
        "true",
        "\"x\"",
        "\"\"",
        "1",
        "-0.5",
        "1772438400",
        "1772438400000",
        "1e400",
        "\"2026-03-02T08:00:00Z\"",
        "\"2026-03-02 08:00:00\"",
        "\"/Date(1772438400000)/\"",
        "\"AeI6\"",
        "\"EUR\"",
    ];
    let leaf = prop::sample::select(&LEAVES[..]).prop_map(str::to_owned);
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|all| format!("[{}]", all.join(","))),
            members(inner),
        ]
    })
}

fn members(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec((prop::sample::select(&NAMES[..]), inner), 0..5).prop_map(|all| {
        let all: Vec<_> = all.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", all.join(","))
    })
}

/// A record with something to explode.
fn body() -> impl Strategy<Value = String> {
    let items = prop::collection::vec(members(json()), 1..4);
    (members(json()), items).prop_map(|(rest, items)| {
        let comma = if rest == "{}" { "" } else { "," };
        format!("{}{comma}\"all\":[{}]}}", &rest[..rest.len() - 1], items.join(","))
    })
}

fn by(rules: &[String]) -> Option<Decoder> {
    let mapping = mapping_from_toml(&rules.concat(), "any.toml").ok()?;
    let mut decoder = decoder(System::Canonical);
    decoder.reading.mapping = Some(Arc::new(mapping));
    Some(decoder)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_mapping_ends_and_gives_the_same_each_time(
        rules in prop::collection::vec(rule(), 1..3),
        bodies in prop::collection::vec(body(), 1..4),
    ) {
        let Some(decoder) = by(&rules) else { return Ok(()) };
        let mut whole = record(&format!("[{}]", bodies.join(",")));
        whole.timestamp_ms = Some(1_772_438_400_000);
        prop_assert!(take(&decoder, &whole) > 0);
        let told = |at| {
            let mut record = whole.clone();
            record.timestamp_ms = Some(at);
            let taken = decoder.take(&record, now());
            let ids: Vec<_> = taken.events.iter().map(|e| e.id.to_string()).collect();
            (ids, taken.ignored, taken.dead_letters.len())
        };
        // Another delivery comes at another time.
        prop_assert_eq!(told(1_772_438_400_000), told(1_772_438_500_000));
    }
}

/// The strategy would prove nothing if what it makes was refused, or gave nothing.
#[test]
fn most_of_these_mappings_are_taken_and_give_events() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut taken, mut events) = (0, 0);
    for _ in 0..300 {
        let rules = vec![rule().new_tree(&mut runner).unwrap().current()];
        let body = body().new_tree(&mut runner).unwrap().current();
        let Some(decoder) = by(&rules) else { continue };
        let mut record = record(&body);
        record.timestamp_ms = Some(1_772_438_400_000);
        taken += 1;
        events += decoder.take(&record, now()).events.len();
    }
    assert!(taken > 200 && events > 10, "{taken} mappings, {events} events");
}
