//! The made-up business is the same for everyone, says what the contract allows, and is as messy
//! as it was asked to be.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tidemark::model::event::{EntityKind, Field, FieldType, Op, Status};
use tidemark::model::money::Amount;
use tidemark::model::time::{Day, Precision, Span, Timestamp};
use tidemark::world::{Arrival, Drift, World, WorldSettings, directory};

#[path = "support/recount.rs"]
mod recount;

use recount::{Question, Tally, months};

fn world(change: impl FnOnce(&mut WorldSettings)) -> World {
    let mut settings = WorldSettings::default();
    change(&mut settings);
    World::new(settings)
}

fn played(change: impl FnOnce(&mut WorldSettings)) -> Vec<Arrival> {
    world(change).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_does_not() {
    let first = played(|s| s.days = Some(20));
    assert_eq!(first, played(|s| s.days = Some(20)));
    assert_ne!(first, played(|s| (s.days, s.seed) = (Some(20), 2)));
    assert!(first.len() > 10_000, "{}", first.len());
}

/// Whatever else a business leaves behind, its leads and deals are those that it has without.
#[test]
fn other_things_leave_leads_and_deals_as_they_are() {
    let plain = played(|s| s.days = Some(20));
    let all = played(|s| (s.days, s.others) = (Some(20), true));
    assert_eq!(all, played(|s| (s.days, s.others) = (Some(20), true)));
    let is_plain = |a: &&Arrival| matches!(a.entity, EntityKind::Lead | EntityKind::Deal);
    let of_both: Vec<&Arrival> = all.iter().filter(is_plain).collect();
    // At one moment the order of arrival is that of writing.
    let sorted = |mut list: Vec<Arrival>| {
        list.sort_by(|a, b| (a.at, &a.json).cmp(&(b.at, &b.json)));
        list
    };
    assert_eq!(sorted(of_both.into_iter().cloned().collect()), sorted(plain));
    let end = WorldSettings::default().start + Span::days(20);
    for kind in ["activity", "order", "invoice", "subscription", "campaign_day", "touch"] {
        let events = all.iter().filter(|a| a.entity.as_str() == kind);
        let (mut n, mut ids) = (0, BTreeSet::new());
        for event in events {
            assert!(event.time >= WorldSettings::default().start && event.time < end);
            n += usize::from(!event.duplicate);
            ids.insert(event.json[..event.json.find(",\"tenant\"").unwrap()].to_owned());
        }
        assert!(n > 80, "{kind}: {n}");
        assert_eq!(ids.len(), n, "{kind}: no two events have one id");
    }
}

#[test]
fn pacing_and_length_change_nothing_but_the_end() {
    let whole = played(|s| (s.days, s.others) = (Some(12), true));
    // In steps of a quarter of an hour, as a live demo takes them, from a world without an end.
    let mut endless = world(|s| (s.days, s.others) = (None, true));
    let mut paced = Vec::new();
    let mut now = endless.settings().start;
    let end = now + Span::days(10);
    while now < end {
        now = now + Span::minutes(15);
        while let Some(arrival) = endless.next_before(now) {
            assert!(arrival.at < now);
            paced.push(arrival);
        }
    }
    assert_eq!(paced[..], whole[..paced.len()]);
    assert!(whole[paced.len()..].iter().all(|a| a.at >= end));
}

#[test]
fn arrivals_never_run_backwards_nor_come_before_they_happen() {
    let arrivals = played(|_| ());
    let start = WorldSettings::default().start;
    assert!(arrivals.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(arrivals.iter().all(|a| a.time <= a.at && a.time >= start));
}

#[test]
fn every_event_keeps_the_contract() {
    let mut seen_ops = BTreeSet::new();
    let mut seen_precisions = BTreeSet::new();
    for arrival in played(|s| (s.days, s.split, s.answer, s.foreign) = (Some(60), 0.2, 0.5, 0.2)) {
        let event: Value = serde_json::from_str(&arrival.json).expect("valid JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        assert_eq!((&event["v"], text(&event["kind"]).as_str()), (&Value::from(1), "patch"));
        let kind = EntityKind::parse(&text(&event["entity"]["type"])).expect("a known type");
        let key = format!(
            "{}/{}/{}",
            text(&event["tenant"]),
            kind.as_str(),
            text(&event["entity"]["id"])
        );
        assert_eq!((&arrival.key, arrival.entity), (&key, kind));
        for required in ["id", "source", "system"] {
            assert!(!text(&event[required]).is_empty());
        }
        let op = text(&event["op"]);
        assert!(Op::ALL.iter().any(|(_, name)| *name == op));
        assert_eq!(event.get("merged_into").is_some(), op == "merge");
        let precision = text(&event["time_precision"]);
        let time = moment(&text(&event["time"]));
        assert!(Precision::parse(&precision).is_some());
        assert!(time <= arrival.time && arrival.time < time + Span::days(1));
        assert_eq!(event["order"].as_array().map(Vec::len), Some(2));
        assert_eq!(event["order"][0].as_i64(), Some(time.millis()));
        seen_ops.insert(op);
        seen_precisions.insert(precision);
        for (name, value) in event["set"].as_object().expect("an object") {
            check_field(name, value);
        }
    }
    assert_eq!(seen_ops.len(), Op::ALL.len(), "{seen_ops:?}");
    assert_eq!(seen_precisions.into_iter().collect::<Vec<_>>(), ["day", "ms", "s"]);
}

fn check_field(name: &str, value: &Value) {
    let field = Field::parse(name).unwrap_or_else(|| panic!("\"{name}\" is no field"));
    match (field.field_type(), value) {
        (_, Value::Null) => {}
        (FieldType::Text, Value::String(text)) => assert!(!text.is_empty()),
        (FieldType::Status, Value::String(text)) => assert!(Status::parse(text).is_some()),
        (FieldType::Time, Value::String(text)) => _ = moment(text),
        (FieldType::Number, Value::Number(n)) => assert!(n.to_string().parse::<Amount>().is_ok()),
        (FieldType::Money, Value::Object(money)) => {
            assert!(["EUR", "GBP"].contains(&money["currency"].as_str().expect("a text")));
            let cents = money["value"].as_str().expect("a text").split_once('.').expect("cents").1;
            assert_eq!(cents.len(), 2);
        }
        (FieldType::Splits, Value::Array(list)) => {
            assert!(list.len() > 1 && list.iter().all(|split| split["owner"].is_string()));
        }
        _ => panic!("\"{name}\" cannot be {value}"),
    }
}

fn moment(text: &str) -> Timestamp {
    let midnight = |day: Day| Timestamp::from_millis(i64::from(day.0) * 86_400_000);
    Timestamp::parse_rfc3339(text).or_else(|| Day::parse(text).map(midnight)).expect("a moment")
}

#[test]
fn duplicates_are_the_same_bytes_and_ids_are_otherwise_unique() {
    let arrivals = played(|s| s.days = Some(60));
    let mut by_id: BTreeMap<String, &str> = BTreeMap::new();
    for arrival in &arrivals {
        let event: Value = serde_json::from_str(&arrival.json).unwrap();
        let first = by_id.insert(event["id"].as_str().unwrap().to_owned(), &arrival.json);
        assert_eq!(first.is_some(), arrival.duplicate, "{}", arrival.json);
        assert!(first.is_none_or(|json| json == arrival.json));
    }
}

/// What the deals of a world went through, by looking at what came.
#[derive(Debug, Default)]
struct Mess {
    deals: usize,
    closings: usize,
    won: usize,
    reopened: usize,
    reowned: usize,
    amended: usize,
    deleted: usize,
    restored: usize,
    merged: usize,
    out_of_order: usize,
}

impl Mess {
    /// Adds a deal by its events, in the order of arrival.
    fn add(&mut self, mut events: Vec<Value>) {
        let order = |e: &Value| (e["order"][0].as_i64(), e["order"][1].as_i64());
        self.deals += 1;
        self.out_of_order += usize::from(!events.is_sorted_by_key(order));
        events.sort_by_key(order);
        let did = |op: &str| usize::from(events.iter().any(|e| e["op"] == op));
        self.deleted += did("delete");
        self.restored += did("restore");
        self.merged += did("merge");
        let mut owners: Vec<&str> =
            events.iter().filter_map(|e| e["set"]["owner"].as_str()).collect();
        owners.dedup();
        self.reowned += usize::from(owners.len() > 1);
        let (mut closed, mut amended) = (None, false);
        for event in &events {
            let at = event["order"][0].as_i64().unwrap();
            match (closed, event["set"]["status"].as_str()) {
                (None, Some(status @ ("won" | "lost"))) => {
                    self.closings += 1;
                    self.won += usize::from(status == "won");
                    closed = Some(at);
                }
                (Some(_), Some("open")) => {
                    self.reopened += 1;
                    closed = None;
                }
                // What belongs to the closing itself comes within a second.
                (Some(since), None) if at > since + 1000 => {
                    amended |=
                        ["amount", "closed_at"].iter().any(|f| event["set"].get(f).is_some());
                }
                _ => {}
            }
        }
        self.amended += usize::from(amended);
    }
}

#[test]
fn the_world_is_as_messy_as_it_was_asked_to_be() {
    let arrivals = played(|s| {
        (s.days, s.opening_days) = (Some(365), 0);
        // Rare by default: more of them, so that a share can be told from chance.
        (s.delete, s.merge) = (0.02, 0.02);
    });
    let firsts: Vec<&Arrival> = arrivals.iter().filter(|a| !a.duplicate).collect();
    let near = |what: &str, n: usize, of: usize, asked: f64| {
        let got = n as f64 / of as f64;
        assert!((0.75..1.25).contains(&(got / asked)), "{what}: {got} is not near {asked}");
    };
    near("duplicates", arrivals.len() - firsts.len(), firsts.len(), 0.02);
    let late: Vec<_> = firsts.iter().filter(|a| a.late).collect();
    near("late", late.len(), firsts.len(), 0.03);
    assert!(late.iter().all(|a| a.at >= a.time + Span::minutes(60)));

    let mut deals: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for arrival in firsts.iter().filter(|a| a.entity == EntityKind::Deal) {
        let event = serde_json::from_str(&arrival.json).unwrap();
        deals.entry(&arrival.key).or_default().push(event);
    }
    let mut mess = Mess::default();
    deals.into_values().for_each(|events| mess.add(events));
    near("deals", mess.deals, 365, 40.0);
    near("won", mess.won, mess.closings, 0.56);
    near("reopened", mess.reopened, mess.closings, 0.02);
    near("re-owned", mess.reowned, mess.deals, 0.04);
    near("amended", mess.amended, mess.closings, 0.05);
    near("deleted", mess.deleted, mess.deals, 0.02);
    near("merged", mess.merged, mess.deals, 0.02);
    assert!(mess.restored > 5 && mess.restored < mess.deleted, "{mess:?}");
    assert!(mess.out_of_order > mess.deals / 4, "{mess:?}");
}

#[test]
fn memory_follows_the_open_business_and_not_the_length() {
    let mut endless = world(|s| (s.days, s.deals_per_day) = (None, 20.0));
    let start = endless.settings().start;
    let mut most = [0, 0];
    for (year, most) in most.iter_mut().enumerate() {
        let end = start + Span::days(365 * (year as i64 + 1));
        while endless.next_before(end).is_some() {
            *most = endless.pending().max(*most);
        }
    }
    assert!(most[1] < most[0] * 5 / 4, "{most:?}");
    assert!(most[1] < 20 * 300, "{most:?}");
}

#[test]
fn the_directory_knows_every_rep_and_channel_and_does_not_depend_on_the_seed() {
    let settings = WorldSettings::default();
    let known = directory(&settings);
    assert_eq!(known.reps.len(), 24);
    assert_eq!(known, directory(&WorldSettings { seed: 99, ..settings.clone() }));
    assert_eq!(
        known.known("territory").into_iter().collect::<Vec<_>>(),
        ["east", "north", "south", "west"]
    );
    for arrival in world(|s| s.days = Some(30)) {
        let event: Value = serde_json::from_str(&arrival.json).unwrap();
        for (field, dimension) in
            [("owner", "rep"), ("channel", "channel"), ("territory", "territory")]
        {
            if let Some(value) = event["set"].get(field).and_then(Value::as_str) {
                assert!(known.known(dimension).contains(value), "{field} {value}");
            }
        }
    }
}

#[test]
fn odd_settings_are_bent_into_a_world() {
    let arrivals = played(|s| {
        (s.reps, s.territories, s.days) = (1, 9, Some(10));
        s.channels.clear();
        (s.duplicates, s.reopen, s.reown) = (f64::NAN, 7.0, 1.0);
    });
    assert!(arrivals.len() > 1000);
    assert!(arrivals.iter().all(|a| !a.duplicate));
    assert_eq!(played(|s| s.deals_per_day = 0.0).len(), 0);
}

fn by_territory(arrivals: &[Arrival]) -> BTreeMap<(String, String), Tally> {
    let directory = directory(&WorldSettings::default());
    let question = Question {
        segments: vec![vec!["territory".to_owned()]],
        windows: months("2025-01-01", 6),
        directory: &directory,
        currency: "EUR",
    };
    recount::recount(arrivals.iter().map(|a| a.json.as_str()), &question)
}

#[test]
fn a_drift_lowers_the_win_rate_there_and_then_and_nowhere_else() {
    let at = Timestamp::parse_rfc3339("2025-04-01T00:00:00Z").unwrap();
    let plain = played(|s| s.days = Some(181));
    let drift = Drift { at, territory: "south".to_owned(), win_factor: 0.5 };
    let drifted = played(|s| (s.days, s.drift) = (Some(181), Some(drift)));
    let [plain, drifted] = [plain, drifted].map(|arrivals| by_territory(&arrivals));
    let rate = |tallies: &BTreeMap<(String, String), Tally>, months: &[&str], territory: &str| {
        let of = |month: &&str| {
            tallies[&((*month).to_owned(), format!("territory={territory}"))].clone()
        };
        let won: i64 = months.iter().map(|m| of(m).deals_won).sum();
        won as f64 / (won + months.iter().map(|m| of(m).deals_lost).sum::<i64>()) as f64
    };
    let (before, after) = (["2025-01", "2025-02", "2025-03"], ["2025-04", "2025-05", "2025-06"]);
    let fall = rate(&drifted, &after, "south") / rate(&drifted, &before, "south");
    assert!((0.4..0.6).contains(&fall), "{fall}");
    for territory in ["north", "west", "east"] {
        let change = rate(&drifted, &after, territory) - rate(&plain, &after, territory);
        assert!(change.abs() < 0.01, "{territory}: {change}");
        assert!((0.45..0.65).contains(&rate(&drifted, &after, territory)));
    }
}
