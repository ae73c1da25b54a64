//! The second opinion on its own: by hand, and against itself.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;

use tidemark::world::{Arrival, World, WorldSettings, directory};

#[path = "support/recount.rs"]
mod recount;

use recount::{Question, Tally, days, months};

fn totals(arrivals: &[Arrival]) -> BTreeMap<(String, String), Tally> {
    let directory = directory(&WorldSettings::default());
    let dimensions = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let question = Question {
        segments: vec![
            dimensions(&[]),
            dimensions(&["rep"]),
            dimensions(&["territory", "channel"]),
        ],
        windows: months("2025-01-01", 5),
        directory: &directory,
        currency: "EUR",
    };
    recount::recount(arrivals.iter().map(|a| a.json.as_str()), &question)
}

/// Every law that ties the counts together, on generated data.
#[test]
fn the_recount_is_consistent_with_itself() {
    let arrivals: Vec<Arrival> = World::new(WorldSettings::default()).collect();
    let tallies = totals(&arrivals);
    for month in ["2025-01", "2025-02", "2025-03", "2025-04"] {
        let overall = &tallies[&(month.to_owned(), "overall".to_owned())];
        assert!(overall.deals_won > 200 && overall.leads_created > 1500, "{overall:?}");
        for grain in ["rep=", "territory="] {
            let mut sum = Tally::default();
            for (_, tally) in
                tallies.iter().filter(|((m, s), _)| m == month && s.starts_with(grain))
            {
                sum.leads_created += tally.leads_created;
                sum.deals_created += tally.deals_created;
                sum.deals_won += tally.deals_won;
                sum.deals_lost += tally.deals_lost;
                sum.revenue += tally.revenue;
                sum.open_deals += tally.open_deals;
                sum.open_amount += tally.open_amount;
                for (from, to) in [
                    (&tally.cycle_won, &mut sum.cycle_won),
                    (&tally.won_sizes, &mut sum.won_sizes),
                    (&tally.cohort_won, &mut sum.cohort_won),
                    (&tally.cohort_lost, &mut sum.cohort_lost),
                ] {
                    from.iter().for_each(|(days, n)| *to.entry(*days).or_default() += n);
                }
            }
            assert_eq!(&sum, overall, "{grain} {month}");
        }
    }
    // The same events in any order.
    let mut shuffled = arrivals.clone();
    shuffled.sort_by_key(|a| a.json.len());
    assert_eq!(tallies, totals(&shuffled));
}

/// Deal, op, time, fields: a history by hand.
const BY_HAND: &[(&str, &str, &str, &str)] = &[
    // The owner comes within 5 s, the territory from the directory; amended after the win.
    ("a", "create", "2025-01-10T09:00:00Z", r#""amount":{"value":"100.10","currency":"EUR"}"#),
    ("a", "update", "2025-01-10T09:00:04Z", r#""owner":"r-001""#),
    ("a", "update", "2025-02-03T09:00:00Z", r#""status":"won","closed_at":"2025-02-02""#),
    ("a", "update", "2025-02-20T09:00:00Z", r#""owner":"r-002""#),
    ("a", "update", "2025-03-01T09:00:00Z", r#""amount":{"value":"90.05","currency":"EUR"}"#),
    // Won, reopened, won again by another rep; the old close date does not count.
    ("b", "create", "2025-01-31T23:59:59Z", r#""owner":"r-001""#),
    ("b", "update", "2025-02-01T00:00:00Z", r#""amount":{"value":5,"currency":"EUR"}"#),
    ("b", "update", "2025-02-05T09:00:00Z", r#""status":"won","closed_at":"2025-02-05""#),
    ("b", "update", "2025-02-06T09:00:00Z", r#""status":"open""#),
    ("b", "update", "2025-02-07T09:00:00Z", r#""owner":"r-002""#),
    ("b", "update", "2025-03-01T00:00:00Z", r#""status":"won""#),
    ("b", "snapshot", "2025-03-09T00:00:00Z", r#""status":"won""#),
    // Deleted and restored: it exists, and was lost in between.
    ("c", "create", "2025-02-01T00:00:00Z", r#""territory":"moon""#),
    ("c", "delete", "2025-02-02T00:00:00Z", ""),
    ("c", "update", "2025-02-03T00:00:00Z", r#""status":"lost""#),
    ("c", "restore", "2025-02-04T00:00:00Z", ""),
    // Merged: nowhere.
    ("d", "create", "2025-02-01T00:00:00Z", r#""owner":"r-001""#),
    ("d", "merge", "2025-02-02T00:00:00Z", ""),
];

/// The newest first, and one of them twice.
fn by_hand() -> Vec<String> {
    let json = |(n, (deal, op, time, set)): (usize, &(&str, &str, &str, &str))| {
        let order = recount::micros(time) / 1000;
        format!(
            r#"{{"v":1,"id":"{n}","tenant":"t","source":"s","system":"s","kind":"patch",
               "entity":{{"type":"deal","id":"{deal}"}},"op":"{op}","time":"{time}",
               "order":[{order},{n}],"set":{{{set}}}}}"#
        )
    };
    let mut events: Vec<String> = BY_HAND.iter().enumerate().map(json).collect();
    events.push(events[2].clone());
    events.reverse();
    events
}

#[test]
fn the_recount_counts_what_its_header_says() {
    let directory = directory(&WorldSettings::default());
    let question = Question {
        segments: vec![vec![], vec!["rep".to_owned()], vec!["territory".to_owned()]],
        windows: [days("2025-02-02", "2025-02-07"), months("2025-01-01", 3)].concat(),
        directory: &directory,
        currency: "EUR",
    };
    let got = recount::recount(by_hand().iter().map(String::as_str), &question);
    let of = |window: &str, segment: &str| {
        got.get(&(window.to_owned(), segment.to_owned())).cloned().unwrap_or_default()
    };
    let january = Tally {
        deals_created: 2,
        cohort_won: [(23, 1), (29, 1)].into(),
        open_deals: 2,
        open_amount: "100.1".parse().unwrap(),
        ..Tally::default()
    };
    assert_eq!(of("2025-01", "overall"), january);
    assert_eq!(of("2025-01", "rep=r-001"), january);
    assert_eq!(of("2025-01", "territory=north"), january);
    assert_eq!((january.cohort_won_ever(), january.cohort_won_within(28)), (2, 1));

    let february = of("2025-02", "overall");
    let counts = (february.deals_created, february.deals_won, february.deals_lost);
    assert_eq!(counts, (1, 1, 1));
    assert_eq!(february.revenue.to_string(), "90.05");
    assert_eq!(february.cycle_won, [(23, 1)].into());
    assert_eq!(february.cohort_lost, [(2, 1)].into());
    assert_eq!(of("2025-02", "territory=moon").deals_lost, 1);
    assert_eq!(of("2025-02", "rep=unknown").deals_lost, 1);
    assert_eq!(of("2025-02", "rep=r-001").deals_won, 1);
    assert_eq!(of("2025-02", "rep=r-002").deals_won, 0);

    // Deal a leaves on the second, as its close date says. Deal b is open again on the sixth,
    // moves on the seventh, and is won in March's first moment.
    let open = |window: &str, segment: &str| of(window, segment).open_deals;
    assert_eq!((open("2025-02-02", "rep=r-001"), open("2025-02-05", "rep=r-001")), (1, 0));
    assert_eq!((open("2025-02-06", "rep=r-001"), open("2025-02-07", "rep=r-001")), (1, 0));
    assert_eq!((open("2025-02-07", "rep=r-002"), open("2025-02", "rep=r-002")), (1, 1));
    assert_eq!(of("2025-02", "overall").open_amount.to_string(), "5");
    let march = Tally {
        deals_won: 1,
        revenue: "5".parse().unwrap(),
        cycle_won: [(29, 1)].into(),
        won_sizes: [(2699, 1)].into(),
        ..Tally::default()
    };
    assert_eq!(of("2025-03", "rep=r-002"), march);
}
