//! Money and credit over random histories: deals of several currencies, rates that change, reps who
//! hand over deals and who move from team to team. Levels sum to the one above them, whatever the
//! order of arrival, and revenue is that of a recount that shares no code with the folds.

#[path = "support/oracle_flow.rs"]
mod flow;
#[path = "support/oracle.rs"]
mod oracle;

use std::collections::{BTreeMap, BTreeSet};

use flow::Flow;
use oracle::{DAY, MONTH, at, currency, definition, deliver};
use proptest::prelude::*;
use serde_json::{Value, json};
use tidemark::model::definition::{Attribution, Definition, DirectoryEntry};
use tidemark::model::kpi::{Kpi, Number, Unit};
use tidemark::model::row::Row;
use tidemark::model::time::{Day, Timestamp};
use tidemark::model::window::WindowKind;

const START: &str = "2026-03-01T00:00:00Z";
const REPS: [&str; 3] = ["r1", "r2", "r3"];
const CODES: [&str; 4] = ["USD", "GBP", "JPY", "CHF"];
/// Each set with the one that it sums to.
const LEVELS: [(&[&str], &[&str]); 6] = [
    (&["rep"], &[]),
    (&["team"], &[]),
    (&["x.region"], &[]),
    (&["x.region", "territory"], &["x.region"]),
    (&["territory", "team"], &["territory"]),
    (&["team", "rep"], &["team"]),
];

/// What a job is given: rates in 10^-10 by currency and day of March, and moves by rep and day.
#[derive(Clone, Debug)]
struct World {
    rates: BTreeMap<(usize, u32), u64>,
    moves: BTreeMap<(usize, u32), usize>,
    rule: usize,
}

/// A deal: hours from the start when it was created, handed over and closed, reps, amounts.
#[derive(Clone, Debug)]
struct Told {
    hours: [i64; 3],
    owners: [usize; 2],
    currency: usize,
    /// In 10^-4.
    amounts: [i64; 2],
    outcome: usize,
}

fn world() -> impl Strategy<Value = World> {
    // Swiss francs have no rate.
    let rate = ((1usize..3, 1u32..28), 1u64..300_000_000_000);
    let change = ((0usize..3, 1u32..28), 0usize..4);
    let rates = proptest::collection::btree_map(rate.0, rate.1, 1..8);
    let moves = proptest::collection::btree_map(change.0, change.1, 0..6);
    (rates, moves, 0..3usize).prop_map(|(rates, moves, rule)| World { rates, moves, rule })
}

fn told() -> impl Strategy<Value = Vec<Told>> {
    let amount = || 0i64..50_000_000;
    let one = (
        [0i64..600, 0i64..200, 0i64..200],
        [0usize..3, 0usize..3],
        0..CODES.len(),
        [amount(), amount()],
        0usize..3,
    );
    let deal = one.prop_map(|([created, wait, work], owners, currency, amounts, outcome)| Told {
        hours: [created, created + 1 + wait, created + 2 + wait + work],
        owners,
        currency,
        amounts,
        outcome,
    });
    proptest::collection::vec(deal, 1..14)
}

fn day(n: u32) -> Day {
    Day::parse(&format!("2026-03-{n:02}")).unwrap()
}

/// A team is in one territory, and a territory in one region, though of some reps only one is known.
fn place(i: usize) -> BTreeMap<String, String> {
    let of = |key: &str, value: String| (key.to_owned(), value);
    let mut out = BTreeMap::from([of("team", format!("t{i}"))]);
    if i > 0 {
        out.extend([of("territory", format!("T{}", i / 2)), of("x.region", "R".to_owned())]);
    }
    out
}

fn job(world: &World) -> Definition {
    let mut sets: Vec<&[&str]> = vec![&[], &["territory"]];
    sets.extend(LEVELS.map(|(set, _)| set));
    let mut job = definition("UTC", "USD", &sets, &[MONTH, DAY, WindowKind::RollingDays(28)]);
    job.attribution = Attribution::ALL[world.rule].0;
    for (i, rep) in REPS.iter().enumerate() {
        let entry = DirectoryEntry { values: place(i), ..DirectoryEntry::default() };
        job.directory.reps.insert((*rep).to_owned(), entry);
    }
    for ((rep, n), to) in &world.moves {
        let entry = job.directory.reps.get_mut(REPS[*rep]).unwrap();
        entry.moves.insert(day(*n), place(*to));
    }
    for ((code, n), rate) in &world.rates {
        let text = format!("{}.{:010}", rate / 10_000_000_000, rate % 10_000_000_000);
        job.fx.insert(currency(CODES[*code]), day(*n), text.parse().unwrap());
    }
    job
}

fn time(hours: i64) -> Timestamp {
    Timestamp(at(START).0 + hours * 3_600_000_000)
}

fn events(deals: &[Told]) -> Vec<Value> {
    let mut out = Vec::new();
    for (i, deal) in deals.iter().enumerate() {
        let money = |n: i64| {
            let value = format!("{}.{:04}", n / 10_000, n % 10_000);
            json!({"value": value, "currency": CODES[deal.currency]})
        };
        let mut tell = |step: usize, op: &str, set: Value| {
            out.push(json!({
                "id": format!("{i}-{step}"), "entity": {"type": "deal", "id": i.to_string()},
                "op": op, "time": time(deal.hours[step]).to_string(), "set": set,
            }));
        };
        let [first, last] = deal.amounts.map(money);
        tell(0, "create", json!({"owner": REPS[deal.owners[0]], "amount": first}));
        tell(1, "update", json!({"owner": REPS[deal.owners[1]]}));
        let status = ["open", "won", "lost"][deal.outcome];
        tell(2, "update", json!({"status": status, "amount": last}));
    }
    out
}

/// The flow after all was told, by way of some restarts.
fn rows(world: &World, deals: &[Told], seed: u64) -> Vec<Row> {
    let mut flow = Flow::new(job(world), at(START));
    for (i, source) in deliver(&events(deals), 20, seed).iter().enumerate() {
        flow.accept(source);
        if i % 3 == 0 {
            flow.settle(time(i as i64 * 7));
        }
    }
    flow.settle(time(31 * 24));
    if seed.is_multiple_of(2) {
        flow.restart_rollups();
        flow.tick(time(31 * 24));
    }
    let first = flow.rollups.iter().filter_map(|r| r.first_day()).min();
    let mut out = Vec::new();
    for rollup in &flow.rollups {
        out.extend(rollup.pane_rows(false));
        out.extend(first.iter().flat_map(|day| rollup.calendar_rows(*day)));
    }
    out
}

/// The dimensions of a row's segment.
fn set_of(row: &Row) -> Vec<&str> {
    row.segment.parts.iter().map(|(d, _)| &**d).collect()
}

fn exact(value: Option<Number>) -> i128 {
    match value {
        Some(Number::Exact(n)) => n.0,
        other => panic!("{other:?} is not exact"),
    }
}

/// What a row adds to its parent: the value in 10^-12, and what is parked by currency.
type Part = BTreeMap<(String, String), i128>;

fn part(row: &Row) -> Part {
    let mut out = Part::new();
    for (name, _, value) in &row.kpis {
        if Kpi::named(name).is_some_and(Kpi::is_exact) {
            *out.entry((name.to_string(), String::new())).or_default() += exact(value.value);
            *out.entry((name.to_string(), "n".to_owned())).or_default() += value.n;
            for (code, n) in &value.unconverted {
                *out.entry((name.to_string(), code.to_string())).or_default() += n.0;
            }
        }
    }
    out.retain(|_, n| *n != 0);
    out
}

/// Sums of a set's rows, by window and the values of the parent's dimensions.
fn sums(
    rows: &[Row],
    set: &[&str],
    parent: &[&str],
) -> BTreeMap<(String, Timestamp, Vec<String>), Part> {
    let mut out = BTreeMap::new();
    for row in rows.iter().filter(|row| set_of(row) == set) {
        let of = parent.iter().map(|d| row.segment.value(d).expect("it has it").to_owned());
        let sum: &mut Part = out.entry((row.kind.name(), row.start, of.collect())).or_default();
        for (key, n) in part(row) {
            *sum.entry(key).or_default() += n;
        }
        sum.retain(|_, n| *n != 0);
    }
    out.retain(|_, sum| !sum.is_empty());
    out
}

/// Revenue of March by rep, in 10^-14 (amounts of 10^-4 times rates of 10^-10), and what is parked.
fn recount(
    world: &World,
    deals: &[Told],
) -> BTreeMap<&'static str, (i128, BTreeMap<&'static str, i128>)> {
    let mut out: BTreeMap<_, (i128, BTreeMap<_, i128>)> = BTreeMap::new();
    for deal in deals.iter().filter(|deal| deal.outcome == 1 && deal.hours[2] < 31 * 24) {
        let owner = match Attribution::ALL[world.rule].0 {
            Attribution::AtCreate => deal.owners[0],
            Attribution::AtEvent | Attribution::Current => deal.owners[1],
        };
        let on = deal.hours[2] / 24 + 1;
        let rates = world.rates.iter().filter(|((code, _), _)| *code == deal.currency);
        let newest = rates.filter(|((_, n), _)| i64::from(*n) <= on).max_by_key(|((_, n), _)| *n);
        let amount = i128::from(deal.amounts[1]);
        let (sum, parked) = out.entry(REPS[owner]).or_default();
        match (deal.currency, newest) {
            (0, _) => *sum += amount * 10_000_000_000,
            (_, Some((_, rate))) => *sum += amount * i128::from(*rate),
            (other, None) => *parked.entry(CODES[other]).or_default() += amount,
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Amounts of four decimals and rates of ten have rests, so rows of the members may lack some
    /// 10^-12 that the parent has, less than one each; all that is whole is equal.
    #[test]
    fn levels_sum_to_the_one_above(world in world(), deals in told(), seed in any::<u64>()) {
        let rows = rows(&world, &deals, seed);
        let mut seen = BTreeSet::new();
        for (set, parent) in LEVELS {
            let (children, parents) = (sums(&rows, set, parent), sums(&rows, parent, parent));
            let keys: BTreeSet<_> = children.keys().chain(parents.keys()).collect();
            for key in keys {
                let (a, b) = (children.get(key), parents.get(key));
                let (a, b) = (a.cloned().unwrap_or_default(), b.cloned().unwrap_or_default());
                for kpi in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                    let of = |part: &Part| part.get(kpi).copied().unwrap_or(0);
                    let lacking = of(&b) - of(&a);
                    let is_money = Kpi::named(&kpi.0).is_some_and(|k| k.unit == Unit::Money);
                    let money = is_money && kpi.1.is_empty();
                    let most = if money { 8 } else { 0 };
                    prop_assert!((0..=most).contains(&lacking), "{set:?} {key:?} {kpi:?} {lacking}");
                    seen.insert(kpi.0.clone());
                }
            }
        }
        prop_assert!(seen.contains("deals_created"));
    }

    #[test]
    fn revenue_is_that_of_a_recount(world in world(), deals in told(), seed in any::<u64>()) {
        let rows = rows(&world, &deals, seed);
        let counted = recount(&world, &deals);
        for rep in REPS {
            let is_row = |row: &&Row| row.kind == MONTH && row.start == at(START)
                && set_of(row) == ["rep"] && row.segment.value("rep") == Some(rep);
            let row = rows.iter().find(is_row);
            let (sum, parked) = counted.get(rep).cloned().unwrap_or_default();
            let Some(row) = row else {
                prop_assert_eq!(sum, 0, "{} has no row", rep);
                continue;
            };
            let (_, _, value) = row.kpis.iter().find(|(name, ..)| *name == "revenue").unwrap();
            prop_assert_eq!(exact(value.value), sum.div_euclid(100), "{}", rep);
            let told = value.unconverted.iter().map(|(c, n)| (c.to_string(), n.0 / 100_000_000));
            let parked = parked.iter().filter(|(_, n)| **n != 0);
            let parked: BTreeMap<_, _> = parked.map(|(c, n)| ((*c).to_owned(), *n)).collect();
            prop_assert_eq!(told.collect::<BTreeMap<_, _>>(), parked, "{}", rep);
        }
    }

    /// Whoever learns of the rates later shows what one shows who had them from the start.
    #[test]
    fn a_table_that_comes_later_gives_the_same_rows(
        world in world(), deals in told(), seed in any::<u64>(),
    ) {
        let mut flow = Flow::new(Definition { fx: Default::default(), ..job(&world) }, at(START));
        deliver(&events(&deals), 5, seed).iter().for_each(|source| flow.accept(source));
        flow.settle(time(31 * 24));
        flow.definition = std::sync::Arc::new(job(&world));
        flow.restart_rollups();
        flow.tick(time(31 * 24));
        let mut other = Flow::new(job(&world), at(START));
        deliver(&events(&deals), 5, seed).iter().for_each(|source| other.accept(source));
        other.settle(time(31 * 24));
        let differences = flow.rows().spoken().differences(&other.rows().spoken());
        prop_assert_eq!(differences, Vec::<String>::new());
    }
}
