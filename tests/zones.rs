//! Zones of segments: every row of a segment is what a recount of its own says that knows its zone
//! only, whatever the job's is, however the events come, and where they are credited in between.

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

use std::collections::BTreeMap;

use course::{
    Course, DAY_MINUTES, SETS, START, ZONES, careless_by, courses, exact, plain_by,
    published_is_current,
};
use flow::Flow;
use oracle::{Random, Rows, at, calendar, deliver};
use proptest::prelude::*;
use recount::{Clock, Question};
use serde_json::{Map, Value, json};
use tidemark::intake::placed;
use tidemark::ledger::Ledger;
use tidemark::model::definition::Definition;
use tidemark::model::record::Partition;
use tidemark::model::time::{Day, Precision};
use tidemark::model::zones::Zones;
use windows::check_by;
use world::{Story, amended, events, in_line, stories};

/// Zones of values: two that change their clocks apart, one by half an hour, one that is 45 minutes
/// off, and one that is the job's.
const ALL: [(&str, &str, &str); 6] = [
    ("territory", "West", "America/Los_Angeles"),
    ("territory", "East", "Asia/Tokyo"),
    ("rep", "r1", "Australia/Lord_Howe"),
    ("channel", "partner", "Asia/Kathmandu"),
    ("rep", "r2", "UTC"),
    ("territory", "unknown", "America/St_Johns"),
];

/// Some of them.
fn zoned() -> impl Strategy<Value = Vec<(&'static str, &'static str, &'static str)>> {
    proptest::sample::subsequence(ALL.to_vec(), 1..=ALL.len())
}

fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { 48 };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

type Rules = [(&'static str, &'static str, &'static str)];

fn job(course: &Course, zoned: &Rules) -> Definition {
    let job = course.definition();
    let row = |(d, v, z): &(&str, &str, &str)| ((*d).to_owned(), (*v).to_owned(), calendar(z));
    let zones = Zones::new(&job.calendar, zoned.iter().map(row));
    assert_eq!(zones.too_far_apart(&job.calendar), None);
    Definition { zones, ..job }
}

/// The zone of a segment: of its first value that has one.
fn zone_of(
    segment: &Map<String, Value>,
    set: &[&str],
    own: &'static str,
    zoned: &Rules,
) -> &'static str {
    let of = |dimension: &&str| {
        let value = segment[*dimension].as_str()?;
        let rule = zoned.iter().find(|(d, v, _)| d == dimension && *v == value)?;
        Some(rule.2)
    };
    set.iter().find_map(of).unwrap_or(own)
}

/// Compares the rows of all segments of a zone with a recount in that zone; of every zone.
fn check_all(
    rows: &Rows,
    events: &[Value],
    question: &Question<'static>,
    zoned: &Rules,
) -> Result<BTreeMap<&'static str, usize>, String> {
    let mut all: Vec<&'static str> = zoned.iter().map(|(.., zone)| *zone).collect();
    all.push(question.zone);
    all.sort_unstable();
    all.dedup();
    let mut out = BTreeMap::new();
    for zone in &all {
        let is_of = |segment: &Map<String, Value>| {
            let set = SETS.iter().find(|set| {
                set.len() == segment.len() && set.iter().all(|d| segment.contains_key(*d))
            });
            zone_of(segment, set.expect("a set of the job"), question.zone, zoned) == *zone
        };
        let own = Question { zone, ..*question };
        let clock = Clock::with_dates(zone, &all);
        let cells = check_by(rows, events, &own, &clock, &is_of);
        out.insert(*zone, cells.map_err(|why| format!("{zone} of {all:?}: {why}"))?);
    }
    Ok(out)
}

fn small() -> impl Strategy<Value = Vec<Story>> {
    prop_oneof![3 => stories(14, 50 * DAY_MINUTES), 1 => stories(30, 125 * DAY_MINUTES)]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn rows_of_each_zone_are_those_of_a_recount_in_it(
        stories in small(), course in courses(), zoned in zoned(),
    ) {
        let events = events(&stories, at(START));
        let flow = careless_by(job(&course, &zoned), &events, &course);
        let rows = flow.rows();
        let told = check_all(&rows, &events, &course.question(), &zoned);
        prop_assert!(told.is_ok(), "{}", told.unwrap_err());
        published_is_current(&flow)?;
        let other = plain_by(job(&course, &zoned), &events, &course).rows().spoken();
        prop_assert_eq!(rows.spoken().differences(&other), Vec::<String>::new());
    }

    /// Whatever the zones are, each thing that happened is on one day of each set.
    #[test]
    fn over_all_days_each_set_counts_everything_once(
        stories in small(), course in courses(), zoned in zoned(),
    ) {
        // So far behind that every day is over, also of what is dated ahead.
        let course = Course { days: course.days.max(200), ..course };
        let rows = careless_by(job(&course, &zoned), &events(&stories, at(START)), &course).rows();
        let counts = [
            "leads_created", "deals_created", "deals_won", "deals_lost", "activities_done", "touches",
            "orders_paid", "invoices_paid", "subscriptions_started", "subscriptions_ended",
            "ad_clicks",
        ];
        let mut sums: BTreeMap<Vec<String>, Vec<i128>> = BTreeMap::new();
        for ((kind, .., segment), kpis) in &rows.0 {
            let parts: Value = serde_json::from_str(segment).expect("JSON");
            let set = parts.as_object().expect("parts").keys().cloned().collect();
            let sum = sums.entry(set).or_insert_with(|| vec![0; counts.len()]);
            let kpis: Value = serde_json::from_str(kpis).expect("JSON");
            if kind == "day" {
                sum.iter_mut().zip(counts).for_each(|(n, kpi)| *n += exact(&kpis, kpi));
            }
        }
        for (set, sum) in &sums {
            prop_assert_eq!(Some(sum), sums.get(&Vec::new()), "{:?}", set);
        }
    }

    /// What was told wrong and put right, and what was deleted, leaves nothing behind in any zone.
    #[test]
    fn an_amended_history_leaves_no_trace_in_any_zone(
        stories in small(), lies in any::<u64>(), course in courses(), zoned in zoned(),
    ) {
        let right = in_line(&stories, at(START));
        let rows = careless_by(job(&course, &zoned), &amended(&right, lies), &course).rows();
        let told = check_all(&rows, &right, &course.question(), &zoned);
        prop_assert!(told.is_ok(), "{}", told.unwrap_err());
    }

    /// Shards and rollups that are lost and restored in the middle.
    #[test]
    fn a_crash_changes_no_day_of_any_zone(
        stories in small(), course in courses(), zoned in zoned(),
    ) {
        let events = events(&stories, at(START));
        let mut random = Random::new(course.seed);
        let job = job(&course, &zoned);
        let mut flow = Flow::new(job.clone(), at(START));
        for source in deliver(&events, 20, course.seed) {
            flow.accept(&source);
            let shard = random.below(flow.ledgers.len());
            flow.fold(shard, 1 + random.below(3));
            match random.below(4) {
                0 => {
                    let image = flow.ledgers[shard].image();
                    let restored = Ledger::restore(flow.definition.clone(), Partition(shard as u32), &image);
                    prop_assert!(restored.expect("a whole image").image() == image);
                    flow.restart_ledger(shard, Some(&image));
                }
                1 => flow.publish(shard),
                2 => { flow.merge_all(); flow.tick(at(START)); }
                _ => flow.restart_rollups(),
            }
        }
        flow.beat(&course.last_beat());
        flow.settle(course.now());
        let told = check_all(&flow.rows(), &events, &course.question(), &zoned);
        prop_assert!(told.is_ok(), "{}", told.unwrap_err());
    }

    /// A replay of the file says what the flow says where it ends.
    #[test]
    fn a_replay_says_the_same(stories in small(), course in courses(), zoned in zoned()) {
        let events = events(&stories, at(START));
        let events: Vec<Value> = events
            .into_iter()
            .filter(|e| at(e["time"].as_str().expect("a time")) <= course.now())
            .collect();
        let (rows, _) = oracle::replay(
            &job(&course, &zoned), &deliver(&events, 20, course.seed), Some(course.now()));
        // Of a rolling window a replay has a row a day: the last of each segment stands now.
        let mut last: BTreeMap<(String, String), String> = BTreeMap::new();
        for (kind, _, end, segment) in rows.0.keys().filter(|name| name.0.starts_with("rolling")) {
            let known = last.entry((kind.clone(), segment.clone())).or_default();
            *known = known.clone().max(end.clone());
        }
        let is_last = |name: &oracle::RowName| {
            last.get(&(name.0.clone(), name.3.clone())).is_none_or(|end| *end == name.2)
        };
        let rows = Rows(rows.0.into_iter().filter(|(name, _)| is_last(name)).collect());
        let question = Question { as_of: course.now().0, ..course.question() };
        let told = check_all(&rows, &events, &question, &zoned);
        prop_assert!(told.is_ok(), "{}", told.unwrap_err());
    }
}

/// What is added up over days, of a row.
fn flows(kpis: &str) -> [i128; 4] {
    let kpis: Value = serde_json::from_str(kpis).expect("JSON");
    ["deals_created", "deals_won", "revenue", "activities_done"].map(|kpi| exact(&kpis, kpi))
}

proptest! {
    #![proptest_config(config())]

    /// Of a window of 28 days a replay has a row for each day of the segment's own zone, which is the
    /// sum of the rows of its days.
    #[test]
    fn a_replay_has_a_row_of_28_days_for_each_day_of_each_zone(
        stories in small(), course in courses(), zoned in zoned(),
    ) {
        let events: Vec<Value> = events(&stories, at(START))
            .into_iter()
            .filter(|e| at(e["time"].as_str().expect("a time")) <= course.now())
            .collect();
        let (rows, _) = oracle::replay(
            &job(&course, &zoned), &deliver(&events, 20, course.seed), Some(course.now()));
        // By segment and end: where it begins, and what it says.
        let mut of = BTreeMap::<_, BTreeMap<_, BTreeMap<_, _>>>::new();
        for ((kind, start, end, segment), kpis) in &rows.0 {
            let segments = of.entry(kind.as_str()).or_default();
            let ends = segments.entry(segment.as_str()).or_default();
            ends.insert(at(end), (at(start), flows(kpis)));
        }
        let none = BTreeMap::new();
        let (days, moving) = (of.get("day").unwrap_or(&none), of.get("rolling_28d").unwrap_or(&none));
        for (segment, days) in days {
            let nothing = BTreeMap::new();
            let moving = moving.get(segment).unwrap_or(&nothing);
            for (end, (_, said)) in days.iter().filter(|(end, _)| **end < course.now()) {
                let is_there = moving.contains_key(end) || said.iter().all(|n| *n == 0);
                prop_assert!(is_there, "{} has no row of 28 days up to {}", segment, end);
            }
            for (end, (start, said)) in moving {
                let within = days.iter().filter(|(to, (from, _))| from >= start && *to <= end);
                let mut sum = [0; 4];
                within.for_each(|(_, (_, day))| {
                    sum.iter_mut().zip(day).for_each(|(sum, n)| *sum += n);
                });
                prop_assert_eq!(&sum, said, "{} from {} to {}", segment, start, end);
                let is_end = days.contains_key(end) || days.range(..*end).next_back().is_some();
                prop_assert!(is_end, "{} ends at {}, where no day does", segment, end);
            }
        }
    }
}

/// A date stands at midnight in Los Angeles, so that it is that date everywhere, and yet comes before
/// what happened in Berlin that morning: an order by where it stands would give the win to nobody.
#[test]
fn a_date_comes_before_the_instants_of_its_day() {
    let zoned = [("territory", "West", "America/Los_Angeles")];
    let course = Course { seed: 1, zone: 0, days: 3, current: false };
    let job = job(&course, &zoned);
    let event = |id: &str, op: &str, time: &str, set: Value| json!({"v": 1, "id": id, "entity": {"type": "deal", "id": "d"}, "op": op, "time": time, "set": set});
    let events = [
        event(
            "1",
            "create",
            "2026-01-21",
            json!({"owner": "r1", "status": "open", "territory": "West"}),
        ),
        event("2", "update", "2026-01-21T07:00:00Z", json!({"status": "won"})),
    ];
    let rows = plain_by(job.clone(), &events, &course).rows();
    let won = |segment: &str, start: &str| {
        let mut found = rows
            .0
            .iter()
            .filter(|((kind, from, _, of), _)| kind == "day" && from == start && of == segment);
        let kpis: Value = serde_json::from_str(found.next().expect("a row").1).expect("JSON");
        kpis["deals_won"]["value"].as_i64()
    };
    assert_eq!(won(r#"{"rep":"r1"}"#, "2026-01-20T23:00:00Z"), Some(1));
    assert_eq!(won("{}", "2026-01-20T23:00:00Z"), Some(1));
    // In Los Angeles it was the evening before.
    assert_eq!(won(r#"{"territory":"West"}"#, "2026-01-20T08:00:00Z"), Some(1));
    // A date of today carries no watermark ahead.
    let date = job.dates().start_of(Day::parse("2026-01-21").expect("a date"));
    assert_eq!(date, at("2026-01-21T08:00:00Z"));
    let placed = |precision| placed(date, precision, job.dates());
    assert_eq!(placed(Precision::Day), at("2026-01-20T23:00:00Z"));
    assert_eq!(placed(Precision::Millis), date);
}

#[test]
fn every_zone_of_the_laws_has_days_that_say_something() {
    let mut random = Random::new(7);
    let kinds = ["deal", "deal", "deal", "activity", "order", "campaign_day", "subscription"];
    let mut story = |i: usize| {
        let mut step =
            || (random.below(20) as u8, random.below(50_000) as u32, random.next() as u16);
        let mut steps: Vec<_> = (0..6).map(|_| step()).collect();
        steps[0].0 = 0;
        Story { kind: kinds[i % kinds.len()], ordered: false, steps }
    };
    let stories: Vec<Story> = (0..60).map(&mut story).collect();
    let course = Course { seed: 1, zone: 0, days: 60, current: false };
    assert_eq!(ZONES[course.zone], "Europe/Berlin");
    let events = events(&stories, at(START));
    // Beside a territory, which comes first in the set, a channel says nothing where both have a zone.
    let channel = [ALL[3]];
    let mut told = BTreeMap::new();
    for zoned in [&ALL[..], &channel] {
        let rows = careless_by(job(&course, zoned), &events, &course).rows();
        let cells = check_all(&rows, &events, &course.question(), zoned).expect("the same");
        cells.into_iter().for_each(|(zone, n)| *told.entry(zone).or_default() += n);
    }
    assert_eq!(told.len(), 7, "{told:?}");
    assert!(told.values().all(|cells: &usize| *cells > 2_000), "{told:?}");
    // By the days of the job alone they are others.
    let plain = careless_by(course.definition(), &events, &course).rows();
    assert!(check_all(&plain, &events, &course.question(), &ALL).is_err());
}
