//! What the law tests share: a seeded shuffle, deliveries as a broker would make them, and rows as
//! a reader of the results topic sees them.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use tidemark::intake::{Decoder, Limits};
use tidemark::model::calendar::Calendar;
use tidemark::model::definition::{Attribution, Definition, Directory, StageTable};
use tidemark::model::kpi::Kpis;
use tidemark::model::money::Currency;
use tidemark::model::record::{Offset, Partition, Record};
use tidemark::model::row::{Row, segment_json};
use tidemark::model::slice::Retention;
use tidemark::model::source::{Reading, System};
use tidemark::model::time::{Span, Timestamp};
use tidemark::model::window::{Period, WindowKind};
use tidemark::replay::{Counts, Replay};

/// SplitMix64: small, seeded, the same on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// The events as a careless broker delivers them: in any order, `percent` of them twice, in
/// arrays of any size (single ones bare as often as not).
pub fn deliver(events: &[Value], percent: usize, seed: u64) -> Vec<Record> {
    let mut random = Random::new(seed);
    let mut all: Vec<&Value> = events.iter().collect();
    for event in events {
        if random.below(100) < percent {
            all.push(event);
        }
    }
    random.shuffle(&mut all);
    let mut out = Vec::new();
    let mut rest = all.as_slice();
    while !rest.is_empty() {
        let n = (1 + random.below(40)).min(rest.len());
        let (batch, others) = rest.split_at(n);
        rest = others;
        let value = match batch {
            [one] if random.below(2) == 0 => one.to_string(),
            _ => Value::Array(batch.iter().map(|v| (*v).clone()).collect()).to_string(),
        };
        out.push(record(out.len() as u64, value));
    }
    out
}

/// A record of the source topic.
pub fn record(offset: u64, value: String) -> Record {
    Record {
        topic: "sales".into(),
        partition: Partition(0),
        offset: Offset(offset),
        timestamp_ms: None,
        key: None,
        value: Some(value.into_bytes()),
        headers: Vec::new(),
    }
}

/// A decoder in a zone.
pub fn decoder(zone: &str) -> Decoder {
    Decoder {
        source: "crm".to_owned(),
        system: System::Canonical,
        reading: Reading::default(),
        calendar: calendar(zone),
        limits: Limits {
            max_record_bytes: 1 << 20,
            max_array: 10_000,
            future_limit: Span::days(1),
        },
    }
}

/// The decoder of a job.
pub fn decoder_of(definition: &Definition) -> Decoder {
    Decoder { calendar: definition.dates().clone(), ..decoder(definition.calendar.zone()) }
}

pub fn calendar(zone: &str) -> Calendar {
    Calendar::of(zone).expect("a zone of the tz database")
}

pub fn currency(code: &str) -> Currency {
    Currency::parse(code).expect("three letters")
}

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap_or_else(|| panic!("\"{text}\" is not RFC 3339"))
}

/// A definition: zone, reporting currency, dimension sets, windows; the rest plain.
pub fn definition(
    zone: &str,
    code: &str,
    segments: &[&[&str]],
    windows: &[WindowKind],
) -> Definition {
    Definition {
        shards: 4,
        partitions: 3,
        calendar: calendar(zone),
        zones: Default::default(),
        retention: Retention { fine: Span::days(8), days: Some(800) },
        windows: windows.to_vec(),
        segments: segments
            .iter()
            .map(|set| set.iter().map(|d| (*d).to_owned()).collect())
            .collect(),
        currency: currency(code),
        fx: tidemark::model::fx::Fx::default(),
        attribution: Attribution::AtEvent,
        settle: Span::minutes(5),
        cycle_from: Default::default(),
        stages: StageTable::default(),
        directory: Directory::default(),
        channels: Default::default(),
        kpis: Kpis::ALL,
        measures: Default::default(),
        work: tidemark::model::workdays::WorkCalendars::default(),
        targets: tidemark::model::target::Targets::default(),
        sizes: true,
        customers: Default::default(),
    }
}

pub const MONTH: WindowKind = WindowKind::Calendar(Period::Month);
pub const DAY: WindowKind = WindowKind::Calendar(Period::Day);

/// Runs records through a replay.
pub fn replay(
    definition: &Definition,
    records: &[Record],
    as_of: Option<Timestamp>,
) -> (Rows, Counts) {
    let mut replay = Replay::new(definition.clone(), decoder_of(definition), as_of);
    for record in records {
        let dead = replay.feed(record);
        assert!(dead.is_empty(), "dead letters: {dead:?}");
    }
    let mut rows = Rows::default();
    let counts = replay.finish(|row| rows.take(&row));
    (rows, counts)
}

/// Rows by kind of window, its start and end, and segment; values are the KPIs as JSON text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows(pub BTreeMap<RowName, String>);

/// What names a row: kind, start, end, segment as JSON.
pub type RowName = (String, String, String, String);

impl Rows {
    /// Takes a row; none may come twice.
    pub fn take(&mut self, row: &Row) {
        let (start, end) = (row.start.to_string(), row.end.to_string());
        let name = (row.kind.name(), start, end, segment_json(&row.segment));
        let before = self.0.insert(name.clone(), row.kpis_json());
        assert!(before.is_none(), "row {name:?} stands twice");
    }

    /// The KPIs of one row.
    pub fn kpis(&self, name: &RowName) -> Value {
        let kpis = self.0.get(name).unwrap_or_else(|| panic!("no row {name:?}"));
        serde_json::from_str(kpis).expect("KPIs are JSON")
    }

    /// The same rows without those that say nothing at all: whether a segment that once had
    /// something still has zero rows depends on the way, its numbers do not.
    pub fn spoken(mut self) -> Rows {
        self.0.retain(|_, kpis| !is_blank(kpis));
        self
    }

    /// The first differences, in words.
    pub fn differences(&self, other: &Rows) -> Vec<String> {
        let names: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        names
            .into_iter()
            .filter(|n| self.0.get(*n) != other.0.get(*n))
            .take(5)
            .map(|n| format!("{n:?}{}", kpi_differences(self.0.get(n), other.0.get(n))))
            .collect()
    }
}

fn kpi_differences(a: Option<&String>, b: Option<&String>) -> String {
    let (Some(a), Some(b)) = (a, b) else {
        return format!(": {a:?}\n  {b:?}");
    };
    let [a, b]: [Value; 2] = [a, b].map(|v| serde_json::from_str(v).expect("KPIs are JSON"));
    let list = a.as_object().expect("KPIs are an object");
    let differ = list.iter().filter(|(kpi, value)| **value != b[*kpi]);
    differ.map(|(kpi, value)| format!("\n  {kpi}: {value} or {}", b[kpi])).collect()
}

/// What a row without targets tells of its window, as it stands in its text.
pub fn told_of(json: &str) -> &str {
    let from = json.find("\"kpis\":").expect("a row has KPIs") + 7;
    &json[from..json.len() - 1]
}

/// The KPIs of a row, as they stand in its text.
pub fn kpis_of(json: &str) -> &str {
    let told = told_of(json);
    &told[..told.find(",\"funnel\":").unwrap_or(told.len())]
}

/// Leaves out what is told by working days where nothing happened: the days pass all the same.
fn without_idle_days(kpis: &str) -> String {
    let mut parts = kpis.split("_per_working_day\":{");
    let first = parts.next().unwrap_or_default();
    let told = parts.map(|of| match of.split_once('}') {
        Some((days, rest)) if days.contains("\"n\":0,") => rest,
        _ => of,
    });
    std::iter::once(first).chain(told).collect()
}

/// Whether every KPI of a row is zero or absent, over nothing.
pub fn is_blank(kpis: &str) -> bool {
    let kpis = &without_idle_days(kpis);
    let token = |rest: &str| rest[..rest.find([',', '}']).expect("more follows")].to_owned();
    let zero = |part: &str| matches!(token(part).as_str(), "0" | "0.0" | "null");
    let all_zero = |name: &str| kpis.split(name).skip(1).all(zero);
    let names = ["\"value\":", "\"n\":", "\"den\":"];
    names.into_iter().all(all_zero) && !kpis.contains("unconverted")
}

/// A file of the shared reference data; `None` where it is not on this machine.
pub fn shared(name: &str) -> Option<String> {
    let root = std::env::var_os("TIDEMARK_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join("data/maven_crm").join(name);
    path.is_file().then(|| {
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    })
}

/// The second column of a reference file by the first one.
fn second_by_first(file: &str) -> BTreeMap<String, String> {
    let text = shared(file).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| {
        let mut cells = line.split(',').map(str::to_owned);
        cells.next().zip(cells.next())
    });
    pairs.collect()
}

/// The Maven data set as canonical events: a creation states all but its own time; a closing states the
/// outcome, and the amount where won. Until then the amount is the list price.
pub fn maven_events(text: &str) -> Vec<Value> {
    let managers = second_by_first("sales_teams.csv");
    let sectors = second_by_first("accounts.csv");
    let products = shared("products.csv").unwrap_or_default();
    let prices: BTreeMap<&str, &str> =
        csv(&products).iter().map(|line| (line["product"], line["sales_price"])).collect();
    csv(text)
        .into_iter()
        .map(|line| {
            let (deal, day, ord) = (line["deal_id"], line["ts"], line["ord"]);
            let date: chrono::NaiveDate = day.parse().expect("a date");
            let days = date.signed_duration_since(chrono::NaiveDate::default()).num_days();
            let (op, set) = match line["type"] {
                "deal.created" => {
                    let set = json!({"owner": line["rep"], "territory": line["territory"],
                        "product": line["product"], "account": line["account"],
                        "x.manager": managers[line["rep"]], "x.sector": sectors.get(line["account"]),
                        "x.list_price": prices[line["product"]],
                        "amount": {"value": prices[line["product"]], "currency": "USD"}});
                    ("create", set)
                }
                "deal.closed_won" => {
                    let amount = json!({"value": line["amount"], "currency": "USD"});
                    ("update", json!({"status": "won", "amount": amount}))
                }
                "deal.closed_lost" => ("update", json!({"status": "lost"})),
                other => panic!("unknown type {other}"),
            };
            json!({
                "v": 1, "id": format!("{deal}:{ord}"), "entity": {"type": "deal", "id": deal},
                "op": op, "time": day, "time_precision": "day",
                "order": [days, ord.parse::<i64>().expect("a number")], "set": set,
            })
        })
        .collect()
}

/// The lines of a CSV file by column. The reference files have no quoted fields.
pub fn csv(text: &str) -> Vec<BTreeMap<&str, &str>> {
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            assert_eq!(fields.len(), head.len(), "{line}");
            head.iter().copied().zip(fields).collect()
        })
        .collect()
}
