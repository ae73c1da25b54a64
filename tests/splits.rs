//! Deals that several people share, over random shares and amounts: what is credited to members is
//! what was won, to the last digit, whatever the order of arrival; overlays are in no total; and what
//! is deleted leaves nothing behind. Each member's sum is recounted by code that shares none with the
//! folds.

#[path = "support/oracle_flow.rs"]
mod flow;
#[path = "support/oracle.rs"]
mod oracle;

use std::collections::BTreeMap;

use flow::Flow;
use oracle::{DAY, MONTH, at, currency, definition, deliver, is_blank};
use proptest::prelude::*;
use serde_json::{Value, json};
use tidemark::model::definition::{Definition, DirectoryEntry};
use tidemark::model::kpi::Number;
use tidemark::model::row::Row;
use tidemark::model::time::Timestamp;

const START: &str = "2026-03-01T00:00:00Z";
const REPS: [&str; 6] = ["r1", "r2", "r3", "r4", "r5", "r6"];
/// What a deal says of itself, and what the directory says of reps.
const SETS: [&[&str]; 6] =
    [&["rep"], &["team"], &["territory"], &["product"], &["team", "rep"], &[]];
const TERRITORIES: [&str; 2] = ["N", "S"];
const PRODUCTS: [&str; 3] = ["A", "B", "C"];
const WHOLE: u32 = 100_000_000;

#[derive(Clone, Debug)]
struct Told {
    /// In 10^-12.
    amount: i64,
    /// 0: the reporting currency; 1: one with a rate; 2: one without.
    currency: usize,
    owner: usize,
    /// Rep and share in 10^-8, whole together; nobody where it is empty.
    revenue: Vec<(usize, u32)>,
    overlay: Vec<(usize, u32)>,
    hours: i64,
    won: bool,
}

/// Shares of one to six reps that are whole: cut anywhere, or thirds with a step too few or many.
fn whole() -> impl Strategy<Value = Vec<(usize, u32)>> {
    let cut = proptest::collection::vec((0..REPS.len(), 0..=WHOLE), 0..6).prop_map(|cuts| {
        let mut ends: Vec<u32> = cuts.iter().map(|cut| cut.1).chain([WHOLE]).collect();
        ends.sort_unstable();
        let starts = [0].into_iter().chain(ends.clone());
        let shares = ends.iter().zip(starts).map(|(end, start)| end - start);
        let reps = cuts.iter().map(|cut| cut.0).chain([0]);
        reps.zip(shares).collect::<Vec<(usize, u32)>>()
    });
    let thirds = (0u32..3)
        .prop_map(|more| vec![(3usize, 33_333_333u32), (1, 33_333_333), (5, 33_333_333 + more)]);
    prop_oneof![1 => Just(Vec::new()), 2 => cut, 1 => thirds]
}

fn told() -> impl Strategy<Value = Vec<Told>> {
    const CENT: i64 = 10_000_000_000;
    let amount = prop_oneof![
        Just(CENT),
        Just(-CENT),
        Just(100 * CENT),
        -20i64..20,
        -999_999_999_999_999_999i64..999_999_999_999_999_999,
        (-50_000_000i64..50_000_000).prop_map(|cents| cents * CENT),
    ];
    let overlay = proptest::collection::vec((0..REPS.len(), 0..=WHOLE), 0..3);
    let deal = (amount, 0usize..4, 0..REPS.len(), whole(), overlay, 1i64..600, 0u8..5);
    let deal = deal.prop_map(|(amount, currency, owner, revenue, overlay, hours, won)| Told {
        amount,
        currency: currency % 3,
        owner,
        revenue,
        overlay,
        hours,
        won: won > 0,
    });
    proptest::collection::vec(deal, 1..8)
}

fn job() -> Definition {
    let mut job = definition("UTC", "EUR", &SETS, &[MONTH, DAY]);
    for (i, rep) in REPS.iter().enumerate().take(5) {
        let values = [("team".to_owned(), format!("t{}", i / 2))];
        let entry = DirectoryEntry { values: values.into(), ..DirectoryEntry::default() };
        job.directory.reps.insert((*rep).to_owned(), entry);
    }
    let day = tidemark::model::time::Day::parse("2026-01-01").unwrap();
    job.fx.insert(currency("GBP"), day, "1.25".parse().unwrap());
    job
}

fn time(hours: i64) -> Timestamp {
    Timestamp(at(START).0 + hours * 3_600_000_000)
}

/// A number of steps of 10^-`scale`, as text.
fn decimal(n: i128, scale: usize) -> String {
    let (sign, magnitude) = (if n < 0 { "-" } else { "" }, n.unsigned_abs());
    let one = 10u128.pow(scale as u32);
    format!("{sign}{}.{:0scale$}", magnitude / one, magnitude % one)
}

fn events(deals: &[Told], deleted: bool) -> Vec<Value> {
    let mut out = Vec::new();
    for (i, deal) in deals.iter().enumerate() {
        let list = |shares: &[(usize, u32)], kind: &str| -> Vec<Value> {
            let one = |(rep, share): &(usize, u32)| json!({"owner": REPS[*rep], "share": decimal(i128::from(*share), 8), "type": kind});
            shares.iter().map(one).collect()
        };
        let splits = [list(&deal.revenue, "revenue"), list(&deal.overlay, "overlay")].concat();
        let amount = decimal(i128::from(deal.amount), 12);
        let mut tell = |step: i64, op: &str, set: Value| {
            out.push(json!({
                "id": format!("{i}-{step}"), "entity": {"type": "deal", "id": i.to_string()},
                "op": op, "time": Timestamp(time(deal.hours).0 + step * 1_000_000).to_string(), "set": set,
            }));
        };
        let code = ["EUR", "GBP", "CHF"][deal.currency];
        tell(
            0,
            "create",
            json!({
                "owner": REPS[deal.owner], "territory": TERRITORIES[i % 2], "product": PRODUCTS[i % 3],
                "amount": {"value": amount, "currency": code},
            }),
        );
        tell(1, "update", json!({"splits": splits}));
        tell(2, "update", json!({"status": if deal.won { "won" } else { "lost" }}));
        if deleted {
            tell(3, "delete", json!({}));
        }
    }
    out
}

fn told_to(events: &[Value], seed: u64) -> Flow {
    let mut flow = Flow::new(job(), at(START));
    for (i, source) in deliver(events, 40, seed).iter().enumerate() {
        flow.accept(source);
        if (i as u64 + seed).is_multiple_of(3) {
            flow.settle(time(i as i64 * 20));
        }
    }
    flow.settle(time(31 * 24));
    flow
}

/// The rows of March.
fn month(flow: &Flow) -> Vec<Row> {
    let first = flow.rollups.iter().filter_map(|r| r.first_day()).min();
    let rollups = flow.rollups.iter();
    let rows = rollups.flat_map(|r| first.into_iter().flat_map(|day| r.calendar_rows(day)));
    rows.filter(|row| row.kind == MONTH && row.start == at(START)).collect()
}

/// Value and n in 10^-12 and pieces, and what is parked.
type Part = (i128, i128, BTreeMap<String, i128>);

fn part(row: &Row, kpi: &str) -> Part {
    let (_, _, value) = row.kpis.iter().find(|(name, ..)| *name == kpi).expect("a KPI");
    let Some(Number::Exact(exact)) = value.value else { panic!("{kpi} is not exact: {value:?}") };
    let parked = value.unconverted.iter().map(|(code, n)| (code.to_string(), n.0));
    (exact.0, value.n, parked.filter(|(_, n)| *n != 0).collect())
}

/// The sum of a set's rows.
fn sum(rows: &[Row], set: &[&str], kpi: &str) -> Part {
    let mut out = Part::default();
    for row in rows
        .iter()
        .filter(|row| row.segment.parts.iter().map(|(d, _)| &**d).eq(set.iter().copied()))
    {
        let (value, n, parked) = part(row, kpi);
        (out.0, out.1) = (out.0 + value, out.1 + n);
        for (code, n) in parked {
            *out.2.entry(code).or_default() += n;
        }
    }
    out.2.retain(|_, n| *n != 0);
    out
}

/// Credited and overlay money of a rep in the reporting currency, in 10^-20, and deals in 10^-8 of
/// one: multiplied out, of each deal on its own.
fn recount(deals: &[Told], rep: usize) -> [i128; 3] {
    let mut out = [0; 3];
    for deal in deals.iter().filter(|deal| deal.won) {
        let of = |shares: &[(usize, u32)]| {
            shares.iter().filter(|s| s.0 == rep).map(|s| i128::from(s.1)).sum::<i128>()
        };
        let owns = i128::from(u8::from(deal.owner == rep)) * i128::from(WHOLE);
        let share = if deal.revenue.is_empty() { owns } else { of(&deal.revenue) };
        out[2] += share;
        // 1.25 of a pound; francs have no rate.
        let quarters = [4, 5, 0][deal.currency];
        out[0] += i128::from(deal.amount) * share * quarters;
        out[1] += i128::from(deal.amount) * of(&deal.overlay) * quarters;
    }
    [out[0] / 4, out[1] / 4, out[2]]
}

fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { 64 };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn members_sum_to_what_was_won(deals in told(), seed in any::<u64>()) {
        let flow = told_to(&events(&deals, false), seed);
        let rows = month(&flow);
        let of_all = |kpi: &str| sum(&rows, &[], kpi);
        let (revenue, won) = (of_all("revenue"), of_all("deals_won"));
        prop_assert_eq!((of_all("credited_revenue").0, of_all("credited_revenue").2), (revenue.0, revenue.2.clone()));
        prop_assert_eq!(of_all("credited_deals_won").0, won.0);
        // Halves and quarters of 10^-12 that pounds leave are cut off in each row.
        let pounds = deals.iter().any(|deal| deal.currency == 1);
        for set in SETS {
            let lacks = if pounds { 2 * REPS.len() as i128 } else { 0 };
            for (kpi, whole) in [("credited_revenue", &revenue), ("credited_deals_won", &won)] {
                let found = sum(&rows, set, kpi);
                let lacking = whole.0 - found.0;
                let most = if kpi == "credited_revenue" { lacks } else { 0 };
                prop_assert!((0..=most).contains(&lacking), "{:?} {} lacks {}", set, kpi, lacking);
                prop_assert_eq!(&found.2, &whole.2, "{:?} {}", set, kpi);
                prop_assert_eq!(found.1, of_all(kpi).1, "{:?} n of {}", set, kpi);
            }
            let (all, found) = (of_all("overlay_revenue"), sum(&rows, set, "overlay_revenue"));
            prop_assert!((0..=lacks).contains(&(all.0 - found.0)), "{:?} overlays", set);
            prop_assert_eq!((found.1, found.2), (all.1, all.2), "{:?} overlays", set);
        }
        // What all sharers have in common is as if nobody shared.
        for row in rows.iter().filter(|row| row.segment.parts.iter().all(|(d, _)| matches!(&**d, "product" | "territory"))) {
            prop_assert_eq!(part(row, "credited_revenue").0, part(row, "revenue").0, "{}", row.segment);
            prop_assert_eq!(part(row, "credited_deals_won").0, part(row, "deals_won").0, "{}", row.segment);
        }
    }

    #[test]
    fn each_member_has_what_a_recount_gives(deals in told(), seed in any::<u64>()) {
        let rows = month(&told_to(&events(&deals, false), seed));
        for (i, rep) in REPS.iter().enumerate() {
            let row = rows.iter().find(|row| row.segment.to_string() == format!("rep={rep}"));
            let found = |kpi: &str| row.map_or(0, |row| part(row, kpi).0);
            let [revenue, overlay, share] = recount(&deals, i);
            // A step or so of each deal is rounded, one of a deal whose shares are a step off the
            // whole is scaled by 10^-8.
            let off = deals.iter().map(|d| 3 + i128::from(d.amount.unsigned_abs()) * 5 / 4 / i128::from(WHOLE) * i128::from(u8::from(is_off(d)))).sum::<i128>();
            for (kpi, want) in [("credited_revenue", revenue), ("overlay_revenue", overlay)] {
                let want = want.div_euclid(i128::from(WHOLE));
                prop_assert!((found(kpi) - want).abs() <= off, "{} {}: {} or {}", rep, kpi, found(kpi), want);
            }
            let off = deals.iter().map(|d| 1 + 10_000 * i128::from(u8::from(is_off(d)))).sum::<i128>();
            let deals_won = found("credited_deals_won");
            prop_assert!((deals_won - share * 10_000).abs() <= off, "{} {} or {}", rep, deals_won, share);
        }
    }

    #[test]
    fn any_delivery_gives_the_same_rows(deals in told(), seed in any::<u64>(), other in any::<u64>()) {
        let [one, two] = [seed, other].map(|seed| told_to(&events(&deals, false), seed).rows().spoken());
        prop_assert_eq!(one.differences(&two), Vec::<String>::new());
    }

    #[test]
    fn what_is_deleted_leaves_nothing(deals in told(), seed in any::<u64>()) {
        let rows = told_to(&events(&deals, true), seed).rows();
        for (name, kpis) in &rows.0 {
            prop_assert!(is_blank(kpis), "{:?} {}", name, kpis);
        }
    }
}

/// Whether its shares are a step off the whole.
fn is_off(deal: &Told) -> bool {
    let sum: u32 = deal.revenue.iter().map(|share| share.1).sum();
    !deal.revenue.is_empty() && sum != WHOLE
}
