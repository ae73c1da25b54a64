//! Customers: a published truth of who bought again, and what becomes of cells with very many.

#[path = "support/oracle_flow.rs"]
mod flow;
#[path = "support/oracle.rs"]
mod oracle;

use std::collections::{BTreeMap, BTreeSet};

use flow::Flow;
use oracle::{DAY, MONTH, Rows, at, csv, definition, deliver, record, replay, shared};
use serde_json::{Value, json};
use tidemark::ledger::Ledger;
use tidemark::model::customers::{CustomerRules, Purchase};
use tidemark::model::definition::Definition;
use tidemark::model::kpi::Group;
use tidemark::model::measure::Measure;
use tidemark::model::time::Timestamp;
use tidemark::model::watermark::Heartbeat;
use tidemark::model::window::WindowKind;

/// Columns of the truth and KPIs of the rows.
type Columns = &'static [(&'static str, &'static str)];

const MONTHLY: Columns = &[
    ("orders", "orders_paid"),
    ("customers", "buying_customers"),
    ("new_customers", "new_customers"),
    ("revenue", "order_revenue"),
    ("aov", "average_order_value"),
    ("sales_per_customer", "sales_per_customer"),
    ("purchase_frequency", "purchase_frequency"),
];

const COHORT: Columns = &[
    ("active", "buying_customers"),
    ("cohort_size", "customers"),
    ("retention", "customer_retention"),
    ("revenue", "order_revenue"),
    ("clv_to_date", "revenue_per_customer"),
];

fn job(by: Purchase, sets: &[&[&str]], windows: &[WindowKind]) -> Definition {
    let customers = CustomerRules { by, ..CustomerRules::default() };
    Definition { customers, ..definition("UTC", "USD", sets, windows) }
}

/// Each line as an order paid on its day; the channel is the month of the customer's first order.
fn orders(text: &str) -> Vec<Value> {
    let lines = csv(text);
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    for line in &lines {
        let known = first.entry(line["id"]).or_insert(line["d"]);
        *known = (*known).min(line["d"]);
    }
    let order = |(i, line): (usize, &BTreeMap<&str, &str>)| {
        let (who, day) = (line["id"], line["d"]);
        json!({
            "v": 1, "id": format!("{i}"), "entity": {"type": "order", "id": format!("o-{i}")},
            "op": "create", "time": day, "time_precision": "day",
            "set": {"account": who, "paid_at": day, "channel": &first[who][..7],
                "amount": {"value": line["v"], "currency": "USD"}},
        })
    };
    lines.iter().enumerate().map(order).collect()
}

/// Compares the columns of a line of the truth, and counts them.
fn compare(
    rows: &Rows,
    start: &str,
    segment: Value,
    truth: &BTreeMap<&str, &str>,
    of: Columns,
) -> usize {
    let first: chrono::NaiveDate = start.parse().expect("a date");
    let next = first.checked_add_months(chrono::Months::new(1)).expect("in range");
    let [start, end] = [first, next].map(|day| format!("{day}T00:00:00Z"));
    let kpis = rows.kpis(&("month".to_owned(), start.clone(), end, segment.to_string()));
    for (column, kpi) in of {
        let got = kpis[*kpi]["value"].as_f64();
        let want: f64 = truth[column].parse().expect("a number");
        // The truth is rounded to six places.
        let same = got.is_some_and(|got| (got - want).abs() <= 6e-7);
        assert!(same, "{start} {segment} {kpi}: {want} expected, {got:?} found");
    }
    of.len()
}

/// Who buys again and what they are worth, by month and by cohort of the first purchase: the cohort
/// is the segment, so what a row says of it is the truth's line of that age.
#[test]
fn the_published_truth_of_customers_is_reproduced_from_any_delivery() {
    let files =
        ["../cdnow/cdnow_transactions.csv", "../cdnow/truth.csv", "../cdnow/truth_cohort.csv"];
    let [Some(lines), Some(months), Some(cohorts)] = files.map(shared) else {
        println!(
            "skipped: the reference data is not here; tests/laws.rs recounts made-up purchases"
        );
        return;
    };
    let events = orders(&lines);
    let job = job(Purchase::Orders, &[&[], &["channel"]], &[MONTH]);
    let as_of = Some(at("1998-07-01T00:00:00Z"));
    let (rows, counts) = replay(&job, &deliver(&events, 5, 19_970_101), as_of);
    assert_eq!((counts.dead_letters, counts.events - counts.repeated), (0, events.len() as u64));
    let mut cells = 0;
    for truth in &csv(&months) {
        cells += compare(&rows, truth["month"], json!({}), truth, MONTHLY);
    }
    for truth in &csv(&cohorts) {
        let first: chrono::NaiveDate = truth["cohort"].parse().expect("a date");
        let age = chrono::Months::new(truth["age"].parse().expect("a number"));
        let month = first.checked_add_months(age).expect("in range").to_string();
        let segment = json!({"channel": &truth["cohort"][..7]});
        // In the month in which it became a customer nobody was one before.
        let of: Vec<_> = match truth["age"] {
            "0" => COHORT.iter().copied().filter(|(column, _)| *column != "retention").collect(),
            _ => COHORT.to_vec(),
        };
        cells += compare(&rows, &month, segment, truth, of.leak());
    }
    println!("{cells} cells of {} orders compared", events.len());
    assert_eq!(cells, 18 * 7 + (18 + 17 + 16) * 5 - 3);
}

fn won(deal: usize, account: &str, day: &str) -> Value {
    json!({
        "v": 1, "id": format!("{deal}"), "entity": {"type": "deal", "id": format!("d-{deal}")},
        "op": "create", "time": format!("{day}T10:00:00Z"),
        "set": {"account": account, "status": "won", "amount": {"value": 10, "currency": "USD"}},
    })
}

fn gone(deal: usize) -> Value {
    json!({
        "v": 1, "id": format!("{deal}-gone"), "entity": {"type": "deal", "id": format!("d-{deal}")},
        "op": "delete", "time": "2026-03-20T10:00:00Z", "set": {},
    })
}

fn progress(now: Timestamp) -> Heartbeat {
    Heartbeat {
        topic: "sales".to_owned(),
        partition: 0,
        topology: vec![("sales".to_owned(), 1)],
        watermark: now,
        idle: false,
        next: 0,
        newest: Some(now),
        mark: None,
    }
}

fn played(job: Definition, events: &[Value], now: Timestamp) -> Flow {
    let mut flow = Flow::new(job, at("2026-03-01T00:00:00Z"));
    for (i, event) in (0u64..).zip(events) {
        flow.accept(&record(i, event.to_string()));
    }
    flow.beat(&progress(now));
    flow.settle(now);
    flow
}

fn kpis(flow: &Flow, kind: &str, start: &str) -> Value {
    let rows = flow.rows();
    let name = rows.0.keys().find(|n| n.0 == kind && n.1.starts_with(start) && n.3 == "{}");
    rows.kpis(name.expect("such a row"))
}

/// Above the bound a shard publishes a sample: what rows tell is near, and says so; and what is
/// taken back from it leaves exactly what was never told.
#[test]
fn above_the_bound_customers_are_estimated_and_marked_and_taken_back() {
    let now = at("2026-04-10T00:00:00Z");
    let sampled = |most| {
        let mut out = job(Purchase::Deals, &[&[]], &[DAY, MONTH, WindowKind::RollingFine(288)]);
        out.customers.exact_up_to = most;
        out
    };
    let many: Vec<Value> =
        (0..8_000).map(|i| won(i, &format!("a-{}", i % 4_000), "2026-03-10")).collect();
    let exact = kpis(&played(sampled(50_000), &many, now), "month", "2026-03");
    assert_eq!(exact["customers"], json!({"value": 4000, "n": 4000, "unit": "count"}));
    assert_eq!(exact["repeat_purchase_rate"]["value"], json!(1.0));
    let flow = played(sampled(200), &many, now);
    let near = kpis(&flow, "month", "2026-03");
    for kpi in ["customers", "buying_customers", "new_customers", "repeat_customers"] {
        let told = near[kpi]["value"].as_i64().expect("a count");
        assert!((3_400..4_600).contains(&told), "{kpi}: {told}");
        assert_eq!(near[kpi]["approx"], json!(true), "{kpi}");
    }
    // Each shard has some 1,750 of them: halved four times they are below 200.
    assert_eq!(near["customers"]["value"].as_i64().expect("a count") % 16, 0);
    assert_eq!(near["deals_won"], json!({"value": 8000, "n": 8000, "unit": "count"}));

    let mut fewer = many.clone();
    fewer.extend((100..8_000).map(gone));
    let few: Vec<Value> = many[..100].to_vec();
    let (amended, right) = (played(sampled(200), &fewer, now), played(sampled(200), &few, now));
    assert_eq!(kpis(&amended, "month", "2026-03"), kpis(&right, "month", "2026-03"));
    assert_eq!(kpis(&right, "month", "2026-03")["customers"]["value"], json!(100));
    // The same where the rollup had already merged the many.
    let mut late = flow;
    (100..8_000).for_each(|i| late.accept(&record(i as u64, gone(i).to_string())));
    late.settle(now);
    assert_eq!(kpis(&late, "month", "2026-03"), kpis(&right, "month", "2026-03"));
}

/// Whoever bought before the retention is still no new customer, and what it spent counts.
#[test]
fn what_is_out_of_retention_made_a_customer_all_the_same() {
    let mut job = job(Purchase::Deals, &[&[]], &[MONTH, WindowKind::RollingDays(28)]);
    job.retention.days = Some(62);
    let events = [won(0, "a", "2026-01-05"), won(1, "b", "2026-01-06"), won(2, "a", "2026-06-10")];
    let mut flow = played(job, &events, at("2026-06-12T00:00:00Z"));
    for _ in 0..2 {
        let month = kpis(&flow, "month", "2026-06");
        let told = ["customers", "new_customers", "returning_customers", "repeat_customers"]
            .map(|kpi| month[kpi]["value"].as_i64());
        assert_eq!(told, [Some(2), Some(0), Some(1), Some(1)]);
        assert_eq!(month["revenue_per_customer"]["value"], json!(15.0));
        assert_eq!(month["customer_retention"]["value"], json!(0.5));
        // The same from what is left on the partials topic.
        flow.restart_rollups();
        flow.merge_all();
        flow.tick(at("2026-06-12T00:00:00Z"));
    }
}

/// The account is what the deal names last: one that comes later was the customer all along.
#[test]
fn the_newest_account_is_the_customer() {
    let job = job(Purchase::Deals, &[&[]], &[MONTH]);
    let mut events =
        vec![won(0, "", "2026-03-02"), won(1, "x", "2026-03-03"), won(2, "y", "2026-03-04")];
    let now = at("2026-03-20T00:00:00Z");
    let told = |events: &[Value]| {
        let month = kpis(&played(job.clone(), events, now), "month", "2026-03");
        ["customers", "repeat_customers", "anonymous_purchases"].map(|k| month[k]["n"].as_i64())
    };
    assert_eq!(told(&events), [Some(2), Some(0), Some(1)]);
    for (deal, account) in [(0, "x"), (2, "x")] {
        events.push(json!({
            "v": 1, "id": format!("named-{deal}"), "op": "update", "time": "2026-03-09T10:00:00Z",
            "entity": {"type": "deal", "id": format!("d-{deal}")}, "set": {"account": account},
        }));
    }
    assert_eq!(told(&events), [Some(1), Some(1), Some(0)]);
    events.reverse();
    assert_eq!(told(&events), [Some(1), Some(1), Some(0)]);
}

/// Who is a customer of several segments is one of the whole: children do not sum to it.
#[test]
fn a_customer_of_two_reps_is_one_of_the_company() {
    let job = job(Purchase::Deals, &[&[], &["rep"]], &[MONTH]);
    let mut events = vec![won(0, "x", "2026-03-02"), won(1, "x", "2026-03-03")];
    events[0]["set"]["owner"] = json!("r1");
    events[1]["set"]["owner"] = json!("r2");
    let rows = played(job, &events, at("2026-03-20T00:00:00Z")).rows();
    let told = |segment: &str| {
        let name = rows.0.keys().find(|name| name.3 == segment).expect("such a row");
        rows.kpis(name)["customers"]["value"].clone()
    };
    let all: BTreeSet<String> = rows.0.keys().map(|name| name.3.clone()).collect();
    assert_eq!(all.len(), 3);
    assert_eq!(
        [told("{}"), told("{\"rep\":\"r1\"}"), told("{\"rep\":\"r2\"}")],
        [1, 1, 1].map(Value::from)
    );
}

/// Rows of windows that begin on a day or later and do not stand on the results topic as the rollup
/// would tell them now. What is out of retention stands as it was told last.
fn stale(flow: &Flow, from: &str) -> Vec<String> {
    let rows = flow.rows();
    let told = flow.results.iter().filter(|(key, json)| {
        let (window, _) = key.split_once('|').expect("a key of a row");
        let json: Value = serde_json::from_str(json).expect("a row is JSON");
        let segment = |text: &str| serde_json::from_str::<Value>(text).expect("a segment is JSON");
        let name = rows.0.keys().find(|name| {
            window == format!("{}:{}", name.0, name.1) && json["segment"] == segment(&name.3)
        });
        name.is_some_and(|name| name.1.as_str() >= from && rows.kpis(name) != json["kpis"])
    });
    told.map(|(key, _)| key.clone()).collect()
}

/// Windows that nothing happened in are estimates from then on, and exact again, and say so at once.
#[test]
fn an_overfull_day_makes_estimates_of_the_windows_before_it() {
    let now = at("2026-04-10T00:00:00Z");
    let mut job = job(Purchase::Deals, &[&[]], &[MONTH]);
    job.customers.exact_up_to = 20;
    let day = |i| format!("2026-02-{}", 10 + i % 4);
    let february: Vec<Value> = (0..40).map(|i| won(i, &format!("f-{i}"), &day(i))).collect();
    let mut flow = played(job, &february, now);
    let before = flow.results.clone();
    assert_eq!(
        (kpis(&flow, "month", "2026-02")["customers"]["n"].clone(), stale(&flow, "2026-02")),
        (json!(40), vec![])
    );
    (40..340).for_each(|i| {
        flow.accept(&record(i, won(i as usize, &format!("m-{i}"), "2026-03-10").to_string()));
    });
    flow.settle(now);
    assert_eq!(stale(&flow, "2026-02"), Vec::<String>::new());
    let told = kpis(&flow, "month", "2026-02");
    assert_eq!(told["customers"]["approx"], json!(true));
    // It is a share of a handful, which stands for some 40.
    let rate = &told["repeat_purchase_rate"];
    assert_eq!((rate["n"].as_i64() >= Some(10), &rate["low_n"]), (true, &json!(true)));
    (40..340).for_each(|i| flow.accept(&record(i, gone(i as usize).to_string())));
    flow.settle(now);
    assert_eq!(stale(&flow, "2026-02"), Vec::<String>::new());
    let february = |results: &BTreeMap<String, String>| {
        let (_, json) =
            results.iter().find(|(key, _)| key.starts_with("month:2026-02")).expect("it");
        oracle::kpis_of(json).to_owned()
    };
    assert_eq!(february(&flow.results), february(&before));
}

/// What is out of retention and is taken back goes from what is told of all time, stocks too.
#[test]
fn what_is_taken_back_out_of_retention_is_told_at_once() {
    let mut job = job(Purchase::Deals, &[&[]], &[MONTH]);
    job.retention.days = Some(100);
    let now = at("2026-06-12T00:00:00Z");
    let open = json!({
        "v": 1, "id": "open", "entity": {"type": "deal", "id": "d-7"}, "op": "create",
        "time": "2026-01-04T10:00:00Z", "set": {"amount": {"value": 10, "currency": "USD"}},
    });
    let events = [won(0, "a", "2026-01-05"), won(1, "b", "2026-05-06"), open];
    let told = |flow: &Flow| {
        let month = kpis(flow, "month", "2026-06");
        ["customers", "open_deals"].map(|kpi| month[kpi]["value"].as_i64())
    };
    // A customer alone, a stock alone: each has to be told by itself.
    for (deal, left) in [(0, [Some(1), Some(1)]), (7, [Some(2), Some(0)])] {
        let mut flow = played(job.clone(), &events, at("2026-02-01T00:00:00Z"));
        // The deletion and the progress that ends the retention come between two publications.
        flow.accept(&record(20, gone(deal).to_string()));
        flow.beat(&progress(now));
        flow.settle(now);
        assert_eq!((told(&flow), stale(&flow, "2026-04")), (left, vec![]));
        flow.restart_rollups();
        flow.merge_all();
        flow.tick(now);
        assert_eq!(told(&flow), left);
    }
}

/// Money of a customer that no rate converts is not in the mean, which says so.
#[test]
fn what_has_no_rate_is_told_beside_what_a_customer_spends() {
    let mut events = [won(0, "x", "2026-03-02"), won(1, "y", "2026-03-03")];
    events[1]["set"]["amount"]["currency"] = json!("EUR");
    let job = job(Purchase::Deals, &[&[]], &[MONTH]);
    let month = kpis(&played(job, &events, at("2026-03-20T00:00:00Z")), "month", "2026-03");
    for kpi in ["sales_per_customer", "revenue_per_customer"] {
        let told = [&month[kpi]["value"], &month[kpi]["unconverted"]];
        assert_eq!(told, [&json!(5.0), &json!({"EUR": 10})], "{kpi}");
    }
}

/// Where no KPI asks for customers cells hold none, and a group that is added later shows the past.
#[test]
fn customers_are_kept_where_they_are_asked_for_only() {
    let asked = job(Purchase::Deals, &[&[]], &[MONTH]);
    let mut quiet = asked.clone();
    quiet.kpis = [Group::Deals].into_iter().collect();
    assert_ne!(asked.reference_hash(), quiet.reference_hash());
    let now = at("2026-03-20T00:00:00Z");
    let (mut ledger, mut images) = (played(quiet, &[won(0, "x", "2026-03-02")], now), Vec::new());
    for ledger in &mut ledger.ledgers {
        images.push(ledger.image());
    }
    let buyers = |ledger: &mut Ledger| {
        ledger.re_emit();
        let cells = ledger.publish().cells;
        cells.iter().map(|cell| cell.measures.total(Measure::Buyers)).sum::<i128>()
    };
    assert_eq!(ledger.ledgers.iter_mut().map(buyers).sum::<i128>(), 0);
    let asked = std::sync::Arc::new(asked);
    let restored = images.iter().zip(0..).map(|(image, shard)| {
        let shard = tidemark::model::record::Partition(shard);
        buyers(&mut Ledger::restore(asked.clone(), shard, image).expect("a whole image"))
    });
    assert_eq!(restored.sum::<i128>(), 1);
}
