//! Every column of the published quotas, people and territories of AdventureWorks that is a measured
//! value, against rows. `tests/targets.rs` has the quota history; docs/targets.md says what is
//! compared where, and what is not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};
use tidemark::config::Config;
use tidemark::intake::{Decoder, Limits};
use tidemark::model::record::{Offset, Partition, Record};
use tidemark::model::source::{Reading, System};
use tidemark::model::time::{Day, Timestamp};
use tidemark::replay::Replay;

/// The cells of a file without a head, parted by tabs; none where the data is not there.
fn cells(file: &str) -> Option<Vec<Vec<String>>> {
    let base = std::env::var("TIDEMARK_SHARED").unwrap_or_else(|_| "../shared".into());
    let path = PathBuf::from(base).join("data/adventureworks_quota").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not there", path.display());
        return None;
    };
    Some(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

fn config(text: &str) -> Config {
    let text = format!(
        "[time]\nzone = \"UTC\"\n[money]\ncurrency = \"USD\"\n[slices]\nday_retention = \"forever\"\n{text}"
    );
    Config::from_toml(&text, "t.toml", std::iter::empty()).unwrap_or_else(|e| panic!("{e}"))
}

fn won(id: &str, time: &str, amount: &str, mut set: Value) -> String {
    set["status"] = json!("won");
    set["amount"] = json!({"value": amount, "currency": "USD"});
    let event = json!({"id": id, "entity": {"type": "deal", "id": id}, "time": time,
        "op": "update", "set": set});
    event.to_string()
}

/// The rows at the beginning of 2015, by key.
fn rows(config: &Config, events: &[String]) -> BTreeMap<String, Value> {
    let decoder = Decoder {
        source: "erp".into(),
        system: System::Canonical,
        reading: Reading::default(),
        calendar: config.definition.calendar.clone(),
        limits: Limits {
            max_record_bytes: 1 << 20,
            max_array: 1000,
            future_limit: config.time.future_limit,
        },
    };
    let end = Timestamp::parse_rfc3339("2015-01-05T00:00:00Z");
    let mut replay = Replay::new(config.definition.clone(), decoder, end);
    for (i, event) in (0u64..).zip(events) {
        let record = Record {
            topic: "source".into(),
            partition: Partition(0),
            offset: Offset(i),
            timestamp_ms: None,
            key: None,
            value: Some(event.clone().into_bytes()),
            headers: Vec::new(),
        };
        assert_eq!(replay.feed(&record), [], "{event}");
    }
    let mut out = BTreeMap::new();
    replay.finish(|row| {
        out.insert(row.key(), serde_json::from_str(&row.to_json()).expect("JSON"));
    });
    out
}

fn number(text: &str) -> f64 {
    text.parse().expect("a number")
}

#[track_caller]
fn same(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found} is no number: {expected}"));
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{found} {expected}");
}

/// Revenue of the year and of the one before it, and growth, of a segment.
#[track_caller]
fn year(rows: &BTreeMap<String, Value>, segment: &str, this: f64, last: f64) {
    let of = |year: &str| &rows[&format!("year:{year}-01-01T00:00:00Z|{segment}")]["kpis"];
    same(&of("2014")["revenue"]["value"], this);
    same(&of("2013")["revenue"]["value"], last);
    let growth = &of("2014")["revenue_growth"]["value"];
    if last == 0.0 { assert_eq!(*growth, Value::Null) } else { same(growth, this / last - 1.0) }
}

/// SalesTerritory: TerritoryID, CountryRegionCode, Group, SalesYTD, SalesLastYear, and that
/// CostYTD and CostLastYear say nothing.
#[test]
fn territories_countries_and_regions() {
    let Some(table) = cells("SalesTerritory.csv") else { return };
    let mut text = "[windows]\nrolling = []\ncalendar = [\"year\"]\nto_date = []\n[segments]\n\
        sets = [\"overall\", \"region\", [\"region\", \"territory\"], \"x.country\"]\n"
        .to_owned();
    let mut events = Vec::new();
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for row in &table {
        let [id, _, country, region, this, last] = [0, 1, 2, 3, 4, 5].map(|i| row[i].as_str());
        let _ = write!(text, "[[directory.territory]]\nid = \"{id}\"\nregion = \"{region}\"\n");
        let set = json!({"territory": id, "x.country": country});
        events.push(won(&format!("{id} this"), "2014-06-15T12:00:00Z", this, set.clone()));
        events.push(won(&format!("{id} last"), "2013-06-15T12:00:00Z", last, set));
        let part = format!("region={region},territory={id}");
        let of =
            ["overall".into(), format!("region={region}"), format!("x.country={country}"), part];
        for segment in of {
            let sum = sums.entry(segment).or_default();
            *sum = (sum.0 + number(this), sum.1 + number(last));
        }
        assert_eq!(row[6..8], ["0", "0"], "a cost to compare with");
    }
    let rows = rows(&config(&text), &events);
    for (segment, (this, last)) in &sums {
        year(&rows, segment, *this, *last);
    }
    println!("{} territories, {} segments", table.len(), sums.len());
    assert_eq!((table.len(), sums.len()), (10, 1 + 3 + 6 + 10));
}

/// SalesPerson: BusinessEntityID, TerritoryID, SalesQuota, CommissionPct, SalesYTD, SalesLastYear.
#[test]
fn people_by_quota_commission_and_the_year_before() {
    let Some(people) = cells("SalesPerson.csv") else { return };
    let mut text = "[windows]\nrolling = []\ncalendar = [\"year\"]\nto_date = []\n[segments]\n\
        sets = [\"rep\", \"territory\"]\n"
        .to_owned();
    let commission = |pct: &str| format!("commission_{}", pct.replace('.', "_"));
    let mut rates: Vec<&str> = people.iter().map(|p| p[4].as_str()).filter(|p| *p != "0").collect();
    rates.sort_unstable();
    rates.dedup();
    let mut events = Vec::new();
    let mut territories: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for person in &people {
        let [id, territory, quota, _, _, this, last] =
            [0, 1, 2, 3, 4, 5, 6].map(|i| person[i].as_str());
        let _ = write!(text, "[[directory.rep]]\nid = \"{id}\"\n");
        if !territory.is_empty() {
            let _ = writeln!(text, "territory = \"{territory}\"");
        }
        if !quota.is_empty() {
            let _ = write!(
                text,
                "[[targets.target]]\nsegment = \"rep={id}\"\nkpi = \"revenue\"\nperiod = \"year\"\n\
                 start = \"2014-01-01\"\nvalue = \"{quota}\"\n"
            );
        }
        let set = json!({"owner": id});
        events.push(won(&format!("{id} this"), "2014-06-15T12:00:00Z", this, set.clone()));
        events.push(won(&format!("{id} last"), "2013-06-15T12:00:00Z", last, set));
        let of = if territory.is_empty() { "unknown" } else { territory };
        let sum = territories.entry(of).or_default();
        *sum = (sum.0 + number(this), sum.1 + number(last));
    }
    for rate in &rates {
        let _ =
            write!(text, "[kpis.custom.{}]\nformula = \"{rate} * revenue\"\n", commission(rate));
    }
    let rows = rows(&config(&text), &events);
    let (mut quotas, mut commissions) = (0, 0);
    for person in &people {
        let (id, this) = (&person[0], number(&person[5]));
        year(&rows, &format!("rep={id}"), this, number(&person[6]));
        let row = &rows[&format!("year:2014-01-01T00:00:00Z|rep={id}")];
        let standing = &row["targets"]["revenue"];
        if person[2].is_empty() {
            assert_eq!(*standing, Value::Null, "{id}");
        } else {
            let quota = number(&person[2]);
            same(&standing["target"], quota);
            same(&standing["attainment"], this / quota);
            same(&standing["gap"], this - quota);
            quotas += 1;
        }
        if person[4] != "0" {
            same(&row["kpis"][commission(&person[4])]["value"], number(&person[4]) * this);
            commissions += 1;
        }
    }
    for (territory, (this, last)) in &territories {
        year(&rows, &format!("territory={territory}"), *this, *last);
    }
    println!("{} people, {quotas} quotas, {commissions} commissions", people.len());
    assert_eq!((people.len(), quotas, commissions), (17, 14, 14));
}

/// SalesTerritoryHistory: BusinessEntityID, TerritoryID, StartDate, EndDate, as moves of the
/// directory: the last second of a stay is in it, and the first one of the next is not.
#[test]
fn stays_begin_and_end_on_their_days() {
    let Some(history) = cells("SalesTerritoryHistory.csv") else { return };
    let mut text = "[windows]\nrolling = []\ncalendar = [\"day\"]\nto_date = []\n[segments]\n\
        sets = [\"territory\"]\n"
        .to_owned();
    let mut stays: BTreeMap<&str, Vec<&Vec<String>>> = BTreeMap::new();
    history.iter().for_each(|row| stays.entry(&row[1]).or_default().push(row));
    let mut events = Vec::new();
    let mut expected: BTreeMap<String, f64> = BTreeMap::new();
    let mut win = |rep: &str, time: String, territory: &str| {
        let amount: u32 = 1 << events.len();
        let key = format!("day:{}T00:00:00Z|territory={territory}", &time[..10]);
        *expected.entry(key).or_default() += f64::from(amount);
        let set = json!({"owner": rep});
        events.push(won(&events.len().to_string(), &time, &amount.to_string(), set));
    };
    let mut moves = 0;
    for (rep, stays) in &stays {
        let _ =
            write!(text, "[[directory.rep]]\nid = \"{rep}\"\nterritory = \"{}\"\n", stays[0][2]);
        for pair in stays.windows(2) {
            let [ends, begins] = [&pair[0][4][..10], &pair[1][3][..10]];
            let day = |text| Day::parse(text).expect("a date");
            assert_eq!(day(ends).0 + 1, day(begins).0, "{rep}");
            let to = &pair[1][2];
            let _ = writeln!(text, "moves = [{{ from = \"{begins}\", territory = \"{to}\" }}]");
            moves += 1;
        }
        for stay in stays {
            win(rep, format!("{}T00:00:00Z", &stay[3][..10]), &stay[2]);
            if !stay[4].is_empty() {
                win(rep, format!("{}T23:59:59Z", &stay[4][..10]), &stay[2]);
            }
        }
    }
    let rows = rows(&config(&text), &events);
    let found = rows.iter().filter_map(|(key, row)| {
        let value = row["kpis"]["revenue"]["value"].as_f64().filter(|value| *value != 0.0)?;
        Some((key.clone(), value))
    });
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
    println!("{} stays, {moves} moves", history.len());
    assert_eq!((history.len(), moves), (17, 3));
}
