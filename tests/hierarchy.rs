//! Levels: whatever happens, what is summed over the reps of a team is the team's, over the teams of a
//! territory the territory's, and over the territories the company's, in every window.

#[path = "support/oracle.rs"]
mod oracle;

use std::collections::BTreeMap;

use oracle::{MONTH, Rows, definition, record, replay};
use proptest::prelude::*;
use serde_json::{Value, json};
use tidemark::config::Config;
use tidemark::model::customers::COUNTED;
use tidemark::model::definition::{Attribution, Definition, TerritoryEntry};
use tidemark::model::kpi::{Formula, Kpi, Kpis};
use tidemark::model::money::Currency;
use tidemark::model::time::Day;
use tidemark::model::window::WindowKind;
use tidemark::world::{World, WorldSettings, directory};

/// Each level with the one above it behind it.
const LEVELS: [&[&str]; 5] = [
    &["region", "territory", "team", "rep"],
    &["region", "territory", "team"],
    &["region", "territory"],
    &["region"],
    &[],
];

/// What of a KPI may be summed: the value of a count or a sum, the parts of a quotient of such. Who is
/// a customer of two reps is one of their team, so customers are not, nor what is made of them.
fn summed(kpi: &Kpi) -> &'static [&'static str] {
    let of_customers = kpi.measures().iter().any(|m| COUNTED.contains(m));
    match &kpi.formula {
        _ if of_customers => &[],
        _ if kpi.is_exact() => &["value", "n"],
        Formula::Share(..) | Formula::MoneyPer(..) | Formula::MoneyShare(..) => &["num", "den"],
        _ => &[],
    }
}

/// The sums of each level, by window, segment of that level, KPI and part.
type Sums = BTreeMap<(String, String, String, &'static str, &'static str), f64>;

fn sums(rows: &Rows, level: &[&str], above: &[&str]) -> Sums {
    let mut out = Sums::new();
    for (name, kpis) in &rows.0 {
        let (kind, start, _, segment) = name;
        let segment: BTreeMap<String, Value> = serde_json::from_str(segment).expect("an object");
        if segment.len() != level.len() {
            continue;
        }
        let above: BTreeMap<_, _> = above.iter().map(|key| (*key, &segment[*key])).collect();
        let above = serde_json::to_string(&above).expect("an object");
        let kpis: Value = serde_json::from_str(kpis).expect("KPIs are JSON");
        for kpi in Kpis::ALL.kpis() {
            for part in summed(kpi) {
                let found = &kpis[kpi.name.as_ref()][*part];
                let n = found.as_f64().unwrap_or(0.0);
                let key = (kind.clone(), start.clone(), above.clone(), part_of(&kpi.name), *part);
                *out.entry(key).or_default() += n;
            }
        }
    }
    out.retain(|_, n| n.abs() > 1e-9);
    out
}

fn part_of(name: &str) -> &'static str {
    Kpi::named(name).expect("of the catalogue").name.as_ref()
}

/// Every other territory is in the North. One in three goes over to the West in the middle, and one in
/// five is in no region that anybody knows. One rep in three goes over to the team and territory of the
/// next one, and back. Pounds have a rate, francs have none.
fn job(settings: &WorldSettings, attribution: Attribution) -> Definition {
    let windows = [MONTH, WindowKind::RollingDays(28), WindowKind::RollingFine(288)];
    let mut job = Definition {
        attribution,
        directory: directory(settings),
        ..definition("Europe/Berlin", "EUR", &LEVELS, &windows)
    };
    let middle = Day(job.calendar.day_of(settings.start).0 + 20);
    let territories = job.directory.members["territory"].iter().enumerate();
    let known = territories.filter(|(i, _)| i % 5 != 4).map(|(i, name)| {
        let region = if i % 2 == 0 { "North" } else { "South" }.to_owned();
        let moves = (i % 3 == 0).then(|| (middle, "West".to_owned()));
        (name.clone(), TerritoryEntry { region, moves: moves.into_iter().collect() })
    });
    job.directory.territories = known.collect();
    let homes: Vec<_> = job.directory.reps.values().map(|rep| rep.values.clone()).collect();
    for (i, rep) in job.directory.reps.values_mut().enumerate().filter(|(i, _)| i % 3 == 0) {
        let other = homes[(i + 1) % homes.len()].clone();
        rep.moves = [(Day(middle.0 - 5), other), (Day(middle.0 + 5), homes[i].clone())].into();
    }
    let pounds = Currency::parse("GBP").expect("a code");
    job.fx.insert(pounds, Day(0), "1.25".parse().expect("a rate"));
    job
}

/// Some entities have their money in pounds, and some in francs.
fn in_currencies(key: &str, json: String) -> String {
    match key.bytes().map(u32::from).sum::<u32>() % 7 {
        0 | 1 => json.replace("\"EUR\"", "\"GBP\""),
        2 => json.replace("\"EUR\"", "\"CHF\""),
        _ => json,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn children_sum_to_their_parent(
        seed in 0u64..1_000,
        [reopen, reown, split, delete] in [0.0..0.3f64, 0.0..0.4, 0.0..0.6, 0.0..0.1],
        credit in 0..Attribution::ALL.len(),
    ) {
        let settings = WorldSettings {
            seed, reopen, reown, split, delete,
            days: Some(40),
            deals_per_day: 6.0,
            reps: 9,
            others: true,
            ..WorldSettings::default()
        };
        let job = job(&settings, Attribution::ALL[credit].0);
        let records: Vec<_> = (0u64..)
            .zip(World::new(settings))
            .map(|(i, arrival)| record(i, in_currencies(&arrival.key, arrival.json)))
            .collect();
        let (rows, _) = replay(&job, &records, None);
        let mut compared = 0;
        for pair in LEVELS.windows(2) {
            let (children, parents) =
                (sums(&rows, pair[0], pair[1]), sums(&rows, pair[1], pair[1]));
            for (key, n) in &children {
                let parent = parents.get(key).copied().unwrap_or_default();
                // tests/splits.rs compares parts of amounts to the last digit.
                let same = (n - parent).abs() <= 1e-9 * parent.abs().max(1.0);
                prop_assert!(same, "{:?}: {} below {}", key, n, parent);
            }
            prop_assert_eq!(children.len(), parents.len());
            compared += children.len();
        }
        prop_assert!(compared > 2_000, "{}", compared);
    }
}

/// A value of a KPI by segment, in the month that begins on a day.
fn month(rows: &Rows, start: &str, kpi: &str) -> BTreeMap<String, f64> {
    let of_month =
        rows.0.iter().filter(|((kind, at, ..), _)| kind == "month" && at.starts_with(start));
    let mut out = BTreeMap::new();
    for ((.., segment), kpis) in of_month {
        let kpis: Value = serde_json::from_str(kpis).expect("KPIs are JSON");
        let value = kpis[kpi]["value"].as_f64().unwrap_or(0.0);
        if value != 0.0 {
            out.insert(segment.clone(), value);
        }
    }
    out
}

/// The open pipeline by segment, at the end of a day.
fn pipeline(rows: &Rows, start: &str) -> BTreeMap<String, f64> {
    let of_day = rows.0.iter().filter(|((kind, at, ..), _)| kind == "day" && at.starts_with(start));
    let values = of_day.filter_map(|((.., segment), kpis)| {
        let kpis: Value = serde_json::from_str(kpis).ok()?;
        let value = kpis["open_pipeline"]["value"].as_f64().filter(|value| *value != 0.0)?;
        Some((segment.clone(), value))
    });
    values.collect()
}

/// Galicia goes from the North to the South on May 10th. By hand: what was won before stays, what is
/// open goes along; the territory that a deal states decides, and not that of its owner; who is in no
/// territory of the table is in no region.
#[test]
fn a_territory_takes_what_is_open_along_to_its_new_region() {
    let text = "[time]\nzone = \"UTC\"\n[windows]\nrolling = []\ncalendar = [\"day\", \"month\"]\n\
        to_date = []\n[money]\ncurrency = \"EUR\"\n\
        [segments]\nsets = [\"region\", [\"region\", \"territory\"]]\n\
        [[directory.rep]]\nid = \"r-1\"\nterritory = \"Galicia\"\n\
        [[directory.territory]]\nid = \"Galicia\"\nregion = \"North\"\n\
        moves = [{ from = \"2026-05-10\", region = \"South\" }]\n\
        [[directory.territory]]\nid = \"Vigo\"\nregion = \"North\"\n";
    let config = Config::from_toml(text, "t.toml", std::iter::empty()).expect("it is right");
    assert_eq!(
        config.definition.known("region").into_iter().collect::<Vec<_>>(),
        ["North", "South"]
    );
    let deal = |id: &str, day: &str, set: Value| {
        let event = json!({"id": format!("{id}{day}"), "entity": {"type": "deal", "id": id},
            "time": format!("2026-05-{day}T12:00:00Z"), "op": "update", "set": set});
        event.to_string()
    };
    let set = |status: &str, amount: u32| json!({"status": status, "owner": "r-1", "amount": {"value": amount.to_string(), "currency": "EUR"}});
    let stated = json!({"status": "won", "owner": "r-1", "territory": "Vigo",
        "amount": {"value": "8", "currency": "EUR"}});
    let nobody = json!({"status": "open", "territory": "Galicia", "amount": {"value": "32", "currency": "EUR"}});
    let events = [
        deal("early", "09", set("won", 1)),
        deal("late", "10", set("won", 2)),
        deal("open", "08", set("open", 4)),
        deal("stated", "12", stated),
        deal("nobody", "08", nobody),
        deal(
            "nowhere",
            "12",
            json!({"status": "won", "amount": {"value": "16", "currency": "EUR"}}),
        ),
    ];
    let end = Some(
        tidemark::model::time::Timestamp::parse_rfc3339("2026-05-20T00:00:00Z").expect("a time"),
    );
    let mut by_rule = BTreeMap::new();
    for (rule, name) in Attribution::ALL {
        let job = Definition { attribution: rule, ..config.definition.clone() };
        let records: Vec<_> = (0u64..).zip(&events).map(|(i, e)| record(i, e.clone())).collect();
        let (rows, _) = replay(&job, &records, end);
        let won = month(&rows, "2026-05", "revenue");
        let open = |day: &str| pipeline(&rows, day);
        let of = |rows: &BTreeMap<String, f64>, region: &str| {
            rows.get(&json!({"region": region}).to_string()).copied().unwrap_or(0.0)
        };
        assert_eq!(
            (of(&open("2026-05-09"), "North"), of(&open("2026-05-09"), "South")),
            (36.0, 0.0)
        );
        assert_eq!(
            (of(&open("2026-05-10"), "North"), of(&open("2026-05-10"), "South")),
            (0.0, 36.0)
        );
        assert_eq!(of(&won, "unknown"), 16.0, "{name}");
        by_rule.insert(name, (of(&won, "North"), of(&won, "South")));
        assert_eq!(won[&json!({"region": "North", "territory": "Vigo"}).to_string()], 8.0);
    }
    // By where it is now all of Galicia was always in the South.
    let expected = [("at_create", (9.0, 2.0)), ("at_event", (9.0, 2.0)), ("current", (8.0, 3.0))];
    assert_eq!(by_rule, expected.into_iter().collect());
}

#[test]
fn what_is_wrong_with_regions_is_told_with_its_place() {
    let refusal = |text: &str| {
        let read = Config::from_toml(text, "t.toml", std::iter::empty());
        read.expect_err("it is wrong").to_string()
    };
    let alone = "[segments]\nsets = [\"overall\", \"region\"]\n";
    let rows = "[[directory.territory]]\nid = \"a\"\nregion = \"N\"\n\
        moves = [{ from = \"2026-05-10\", region = \"N\" }, { from = \"2026-05-10\", region = \"S\" }]\n\
        [[directory.territory]]\nid = \"b\"\nregion = \"N\"\n\
        moves = [{ from = \"2026-05-10\", region = \"N\" }]\n\
        [[directory.territory]]\nid = \"b\"\nregion = \"S\"\n\
        [[directory.territory]]\nid = \"c\"\n";
    let twice = rows.replace("[[directory.territory]]\nid = \"c\"\n", "");
    let all = [alone, rows, &twice].map(refusal);
    insta::assert_snapshot!("regions", all.join("\n"));
}

/// 119 territories of ten regions, one of which moves, and the sets of the docs.
fn sold_in_territories(more: &str) -> Config {
    let mut text = "[windows]\nrolling = [\"1h\", \"24h\", \"30d\"]\n\
        calendar = [\"day\", \"week\", \"month\"]\nto_date = [\"month\", \"quarter\"]\n\
        [segments]\nsets = [\"overall\", \"region\", [\"region\", \"territory\"]]\n"
        .to_owned();
    for i in 0..119 {
        let row = format!("[[directory.territory]]\nid = \"t{i}\"\nregion = \"r{}\"\n", i % 10);
        text.push_str(&row);
    }
    let moves = "moves = [{ from = \"2026-05-10\", region = \"r1\" }, \
        { from = \"2026-06-10\", region = \"r8\" }]\n";
    let text = format!("{text}{moves}{more}");
    Config::from_toml(&text, "t.toml", std::iter::empty()).expect("it is within the limits")
}

#[test]
fn the_estimate_knows_that_a_territory_is_in_one_region() {
    let members = |more: &str| {
        let sets = sold_in_territories(more).estimate().sets;
        sets.iter().map(|set| set.members).collect::<Vec<_>>()
    };
    // The last one is in r8, r1 and r8 again; `unknown` in `unknown`.
    assert_eq!(members(""), [1, 11, 119 + 1 + 1]);
    // Reps bring two regions, and a territory without one of its own.
    let reps = "[[directory.rep]]\nid = \"a\"\nregion = \"r1\"\nterritory = \"new\"\n\
        [[directory.rep]]\nid = \"b\"\nregion = \"r2\"\nterritory = \"t1\"\n";
    assert_eq!(members(reps)[2], 119 + 1 + 2 * 3);
}

#[test]
fn regions_that_no_set_has_are_warned_of() {
    let told =
        |config: &Config| config.warnings().iter().map(|w| w.key.clone()).collect::<Vec<_>>();
    assert_eq!(told(&sold_in_territories("")), [""; 0]);
    let text = "[[directory.territory]]\nid = \"t\"\nregion = \"r\"\n";
    let config = Config::from_toml(text, "t.toml", std::iter::empty()).expect("it is right");
    assert_eq!(told(&config), ["directory.territory"]);
}
