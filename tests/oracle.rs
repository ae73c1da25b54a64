//! The oracle: a published data set and its truth table, computed by SQL over the finished data,
//! against a replay of the same data as events in any order, some twice, in arrays of any size.
//! The same on a made-up company, against the independent recount: that one needs no data set.

#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/recount.rs"]
mod recount;

use std::collections::BTreeMap;

use oracle::{
    DAY, MONTH, RowName, Rows, at, csv, definition, deliver, maven_events, replay, shared,
};
use serde_json::{Value, json};
use tidemark::config::Config;
use tidemark::model::definition::Definition;
use tidemark::model::kpi::{Formula, Group, Kpi, Kpis, Unit};
use tidemark::model::measure::Measure;
use tidemark::model::segment::Segment;
use tidemark::model::time::Span;
use tidemark::model::window::WindowKind;
use tidemark::world::{World, WorldSettings, directory};

/// Columns of the truth and KPIs of the rows.
type Columns = &'static [(&'static str, &'static str)];

const MONTHLY_EXACT: Columns = &[
    ("deals_opened", "deals_created"),
    ("deals_won", "deals_won"),
    ("deals_lost", "deals_lost"),
    ("revenue", "revenue"),
    ("open_at_month_end", "open_deals"),
    ("customers_buying", "buying_customers"),
    ("cohort_open_asof", "cohort_open"),
    ("open_list_value_at_month_end", "open_pipeline"),
];

const MONTHLY_QUOTIENTS: Columns = &[
    ("cycle_p50_days", "cycle_length_p50"),
    ("cycle_p90_days", "cycle_length_p90"),
    ("cycle_mean_days", "cycle_length_mean"),
    ("cycle_mean_lost_days", "lost_cycle_length_mean"),
    ("avg_deal_size", "average_deal_size"),
    ("win_rate_closed", "win_rate"),
    ("cohort_conversion_asof", "cohort_conversion"),
    ("cohort_conversion_90d", "cohort_conversion_90d"),
    ("revenue_growth_mom", "revenue_growth"),
    ("win_per_opened_eventtime", "wins_per_created"),
    ("sales_per_customer", "sales_per_customer"),
    ("sales_velocity_per_day", "sales_velocity"),
    ("price_realisation", "list_realization"),
];

const ROLLING_EXACT: Columns =
    &[("deals_won", "deals_won"), ("deals_lost", "deals_lost"), ("revenue", "revenue")];

const ROLLING_QUOTIENTS: Columns = &[
    ("win_rate_closed", "win_rate"),
    ("cycle_mean_days", "cycle_length_mean"),
    ("cycle_p50_days", "cycle_length_p50"),
];

const LIST_PRICES: &str = r#"
[measures.list_won]
of = "deal"
at = "won"
sum = "x.list_price"
[kpis.custom.list_realization]
formula = "revenue / list_won"
"#;

fn maven() -> Definition {
    let sets: [&[&str]; 6] =
        [&[], &["rep"], &["territory"], &["product"], &["x.manager"], &["x.sector"]];
    let mut out = definition("UTC", "USD", &sets, &[MONTH, WindowKind::RollingDays(28), DAY]);
    // W3, which is in no catalogue.
    let created = Formula::Share(Measure::DealsWon, &[Measure::DealsCreated]);
    let open = Formula::Count(Measure::CohortOpen);
    // List prices are in no deal: whoever has them sends them along, and measures them.
    let config = Config::from_toml(LIST_PRICES, "test", std::iter::empty());
    let listed = config.unwrap_or_else(|e| panic!("{e}")).definition;
    let realized = listed.kpis.kpis().find(|kpi| kpi.name == "list_realization");
    out.kpis = out.kpis.with_own(vec![
        own("wins_per_created", Unit::Ratio, created),
        own("cohort_open", Unit::Count, open),
        realized.expect("it is configured").clone(),
    ]);
    out.measures = listed.measures;
    out
}

/// Compares cells, and counts them.
#[derive(Default)]
struct Comparison {
    exact: usize,
    quotients: usize,
    absent: usize,
    faults: Vec<String>,
}

impl Comparison {
    fn cells(
        &mut self,
        rows: &Rows,
        name: &RowName,
        truth: &BTreeMap<&str, &str>,
        (exact, quotients): (Columns, Columns),
    ) {
        let kpis = rows.kpis(name);
        let found = |kpi: &str| &kpis[kpi]["value"];
        for (column, kpi) in exact {
            let (want, got) = (truth[column], found(kpi));
            self.exact += 1;
            // Counts and sums are compared as text: no float is on the way.
            let got = got.to_string();
            if got != want {
                self.faults.push(format!("{name:?} {kpi}: {want} expected, {got} found"));
            }
        }
        for (column, kpi) in quotients {
            let (want, got) = (truth[column], found(kpi));
            self.quotients += 1;
            self.absent += usize::from(want.is_empty());
            let same = match (want.parse::<f64>(), got.as_f64()) {
                (Ok(want), Some(got)) => (want - got).abs() <= 1e-9 * want.abs().max(1.0),
                _ => want.is_empty() && got.is_null(),
            };
            if !same {
                self.faults.push(format!("{name:?} {kpi}: \"{want}\" expected, {got} found"));
            }
        }
    }

    fn check(&self, what: &str) {
        let faults = &self.faults;
        let first = faults.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
        assert!(faults.is_empty(), "{what}: {} cells differ\n{first}", faults.len());
    }
}

fn segment(truth: &BTreeMap<&str, &str>) -> String {
    match truth["dim"] {
        "all" => "{}".to_owned(),
        dim @ ("rep" | "territory" | "product") => json!({dim: truth["key"]}).to_string(),
        "manager" => json!({"x.manager": truth["key"]}).to_string(),
        // Deals whose account is not known yet.
        "sector" if truth["key"] == "<null>" => json!({"x.sector": "unknown"}).to_string(),
        "sector" => json!({"x.sector": truth["key"]}).to_string(),
        dim => panic!("no such dimension: {dim}"),
    }
}

fn day_after(day: chrono::NaiveDate, days: i64) -> String {
    format!("{}T00:00:00Z", day + chrono::TimeDelta::days(days))
}

/// SQL's sum over no row is NULL, so its growth from something to nothing is NULL too; a window
/// without a win has revenue 0 here, and the growth is -1. Likewise no win by the deals created is 0,
/// and where none was created none is open.
fn with_zeros(truth: &mut [BTreeMap<&'static str, &'static str>]) {
    for line in truth.iter_mut() {
        if line["deals_won"] == "0" && line["deals_opened"] != "0" {
            line.insert("win_per_opened_eventtime", "0.0");
        }
        if line["deals_opened"] == "0" {
            assert_eq!(line.insert("cohort_open_asof", "0"), Some(""));
        }
        if line["open_at_month_end"] == "0" {
            assert_eq!(line.insert("open_list_value_at_month_end", "0"), Some(""));
        }
    }
    for i in 1..truth.len() {
        let same = ["dim", "key"].iter().all(|c| truth[i][c] == truth[i - 1][c]);
        if same && truth[i]["deals_won"] == "0" && truth[i - 1]["revenue"] != "0" {
            truth[i].insert("revenue_growth_mom", "-1");
        }
    }
}

fn compare(
    rows: &Rows,
    months: &[BTreeMap<&str, &str>],
    days: &[BTreeMap<&str, &str>],
) -> [usize; 3] {
    let mut all = Comparison::default();
    for truth in months {
        let segment = segment(truth);
        let start: chrono::NaiveDate = truth["month"].parse().expect("a date");
        let next = start.checked_add_months(chrono::Months::new(1)).expect("in range");
        let name = ("month".to_owned(), day_after(start, 0), day_after(next, 0), segment);
        all.cells(rows, &name, truth, (MONTHLY_EXACT, MONTHLY_QUOTIENTS));
    }
    for truth in days {
        let segment = segment(truth);
        let day: chrono::NaiveDate = truth["day"].parse().expect("a date");
        let name = ("rolling_28d".to_owned(), day_after(day, -27), day_after(day, 1), segment);
        all.cells(rows, &name, truth, (ROLLING_EXACT, ROLLING_QUOTIENTS));
    }
    all.check("truth");
    [all.exact, all.quotients, all.absent]
}

#[test]
fn the_published_truth_is_reproduced_from_any_delivery() {
    let files = ["events.csv", "truth.csv", "truth_rolling28d.csv"].map(shared);
    let [Some(stream), Some(months), Some(days)] = files else {
        println!("skipped: the reference data is not here; the law below runs on generated data");
        return;
    };
    let events = maven_events(&stream);
    let mut months = csv(months.leak());
    with_zeros(&mut months);
    let days = csv(&days);
    let definition = maven();
    let as_of = Some(at("2018-01-01T00:00:00Z"));
    let mut first: Option<Rows> = None;
    for seed in [1, 20_261_123, u64::MAX] {
        println!("seed {seed}");
        let records = deliver(&events, 5, seed);
        let (rows, counts) = replay(&definition, &records, as_of);
        assert_eq!((counts.dead_letters, counts.after_as_of), (0, 0));
        assert_eq!(counts.events - counts.repeated, events.len() as u64);
        assert!(counts.repeated > 500, "5 % of 15,011 events were sent twice");
        let [exact, quotients, absent] = compare(&rows, &months, &days);
        println!(
            "{exact} counts and sums, {quotients} quotients ({absent} absent), {} rows",
            rows.0.len()
        );
        // 58 segments in 15 months and 1,224 rolling windows: nothing may pass on an empty file.
        let months = 58 * 15;
        assert_eq!((exact, quotients), (months * 8 + 1_224 * 3, months * 13 + 1_224 * 3));
        let first = first.get_or_insert_with(|| rows.clone());
        assert_eq!(first.differences(&rows), Vec::<String>::new());
    }
}

/// What a column of a truth says of a cohort, by a KPI that is not in the catalogue.
fn own(name: &'static str, unit: Unit, formula: Formula) -> Kpi {
    let kpi = Kpi::named("deals_created").expect("a KPI of the catalogue");
    Kpi { group: Group::Custom, name: name.into(), unit, formula, ..kpi.clone() }
}

const COHORT_EXACT: Columns =
    &[("n", "deals_created"), ("won", "won"), ("lost", "lost"), ("open", "open")];

const COHORT_QUOTIENTS: Columns = &[
    ("naive_won_mean", "naive_won_mean"),
    ("naive_won_median", "naive_won_median"),
    ("km_median_time_to_any_close", "time_to_close_p50"),
];

/// Censored estimates of the truth, which goes on with the last one where nobody was followed for so
/// long: the KPI is absent there.
const CENSORED: [(&str, &str, i64); 4] = [
    ("cif_won_30d", "win_incidence_30d", 30),
    ("cif_won_60d", "win_incidence_60d", 60),
    ("cif_won_90d", "win_incidence_90d", 90),
    ("cif_won_180d", "win_incidence_180d", 180),
];

/// By group of the truth, the most days that a deal was at risk on: until it was closed, or until the
/// last day; and whether one is still open.
fn longest(events: &[Value], last_day: i64) -> BTreeMap<String, (i64, bool)> {
    let mut deals: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for event in events {
        deals.entry(event["entity"]["id"].as_str().expect("a text")).or_default().push(event);
    }
    let mut out: BTreeMap<String, (i64, bool)> = BTreeMap::new();
    for deal in deals.values() {
        let day = |event: &Value| event["order"][0].as_i64().expect("a number");
        let days = deal.get(1).map_or(last_day, |closed| day(closed)) - day(deal[0]);
        let month = &deal[0]["time"].as_str().expect("a day")[..7];
        let territory = deal[0]["set"]["territory"].as_str().expect("a text");
        for group in ["all".to_owned(), format!("territory={territory}"), format!("cohort={month}")]
        {
            let (longest, open) = out.entry(group).or_default();
            (*longest, *open) = (days.max(*longest), *open || deal.len() == 1);
        }
    }
    out
}

/// Six digits are given.
fn to_six(text: &str, got: &Value) -> Option<bool> {
    let (want, got): (f64, f64) = (text.parse().ok()?, got.as_f64()?);
    Some((want - got).abs() <= 5.1e-7)
}

#[test]
fn the_published_survival_is_reproduced() {
    let (Some(stream), Some(truth)) = (shared("events.csv"), shared("truth_survival.csv")) else {
        println!("skipped: the reference data is not here; the laws run on generated data");
        return;
    };
    let events = maven_events(&stream);
    let whole = WindowKind::RollingDays(500);
    let mut definition = definition("UTC", "USD", &[&[], &["territory"]], &[MONTH, whole]);
    definition.kpis = Kpis::ALL.with_own(vec![
        own("won", Unit::Count, Formula::Count(Measure::CohortWon)),
        own("lost", Unit::Count, Formula::Count(Measure::CohortLost)),
        own("open", Unit::Count, Formula::Count(Measure::CohortOpen)),
        own("naive_won_mean", Unit::Days, Formula::MeanDays(Measure::CohortWon)),
        own("naive_won_median", Unit::Days, Formula::QuantileDays(Measure::CohortWon, 1, 2)),
    ]);
    let as_of = at("2018-01-01T00:00:00Z");
    let (rows, _) = replay(&definition, &deliver(&events, 5, 5), Some(as_of));
    let longest = longest(&events, as_of.0 / 86_400_000_000 - 1);
    let (mut all, mut estimates, mut beyond) = (Comparison::default(), 0, 0);
    for truth in csv(&truth) {
        assert_eq!(truth["dataset"], "maven_crm");
        let group = truth["group"];
        let name = match group.split_once('=') {
            Some(("cohort", month)) => {
                let start: chrono::NaiveDate = format!("{month}-01").parse().expect("a date");
                let next = start.checked_add_months(chrono::Months::new(1)).expect("in range");
                ("month".to_owned(), day_after(start, 0), day_after(next, 0), "{}".to_owned())
            }
            territory => {
                let end = chrono::NaiveDate::from_ymd_opt(2018, 1, 1).expect("a date");
                let parts = territory.map_or(json!({}), |(dimension, key)| json!({dimension: key}));
                (whole.name(), day_after(end, -500), day_after(end, 0), parts.to_string())
            }
        };
        let kpis = rows.kpis(&name);
        for (column, kpi) in COHORT_EXACT {
            all.exact += 1;
            let told = kpis[*kpi]["value"].to_string();
            if told != truth[column] {
                all.faults.push(format!("{group} {kpi}: {}, {}", truth[column], kpis[*kpi]));
            }
        }
        for (column, kpi) in COHORT_QUOTIENTS {
            all.quotients += 1;
            if to_six(truth[column], &kpis[*kpi]["value"]) != Some(true) {
                all.faults.push(format!("{group} {kpi}: {}, {}", truth[column], kpis[*kpi]));
            }
        }
        for (column, kpi, horizon) in CENSORED {
            let (days, open) = longest[group];
            let same = if days < horizon && open {
                beyond += 1;
                kpis[kpi]["value"].is_null()
            } else {
                estimates += 1;
                to_six(truth[column], &kpis[kpi]["value"]) == Some(true)
            };
            if !same {
                all.faults.push(format!("{group} {kpi}: {}, {}", truth[column], kpis[kpi]));
            }
        }
    }
    all.check("survival");
    assert_eq!((all.exact, all.quotients, estimates + beyond), (19 * 4, 19 * 3, 19 * 4));
    println!("{estimates} estimates, {beyond} beyond what was followed");
    assert_eq!(beyond, 9);
}

/// One cell of a recounted month: the KPI's name, its value, what stands in the row.
fn cells<'a>(
    tally: &recount::Tally,
    kpis: &'a Value,
    age: i64,
) -> Vec<(&'static str, Option<f64>, &'a Value)> {
    let cycles: Vec<i64> = tally.cycle_won.iter().flat_map(|(d, n)| (0..*n).map(|_| *d)).collect();
    let mean = cycles.iter().sum::<i64>() as f64 / cycles.len() as f64;
    let share = |num: i64, den: i64| (den != 0).then(|| num as f64 / den as f64);
    let revenue: f64 = tally.revenue.to_string().parse().expect("a number");
    let pipeline: f64 = tally.open_amount.to_string().parse().expect("a number");
    let ripe =
        (age >= 90).then(|| share(tally.cohort_won_within(90), tally.deals_created)).flatten();
    [
        ("leads_created", Some(tally.leads_created as f64)),
        ("deals_created", Some(tally.deals_created as f64)),
        ("deals_won", Some(tally.deals_won as f64)),
        ("deals_lost", Some(tally.deals_lost as f64)),
        ("revenue", Some(revenue)),
        ("open_deals", Some(tally.open_deals as f64)),
        ("open_pipeline", Some(pipeline)),
        ("win_rate", share(tally.deals_won, tally.deals_won + tally.deals_lost)),
        ("cohort_conversion", share(tally.cohort_won_ever(), tally.deals_created)),
        ("cohort_conversion_90d", ripe),
        ("cycle_length_mean", (!cycles.is_empty()).then_some(mean)),
    ]
    .map(|(kpi, want)| (kpi, want, &kpis[kpi]["value"]))
    .to_vec()
}

#[test]
fn a_made_up_company_is_recounted_from_any_delivery() {
    let settings = WorldSettings {
        days: Some(150),
        reopen: 0.1,
        amend: 0.2,
        reown: 0.2,
        delete: 0.02,
        merge: 0.02,
        ..WorldSettings::default()
    };
    let sets: [&[&str]; 5] =
        [&[], &["rep"], &["territory"], &["channel"], &["territory", "channel"]];
    let mut definition = definition("UTC", "EUR", &sets, &[MONTH]);
    definition.settle = Span::seconds(5);
    definition.directory = directory(&settings);
    let arrivals: Vec<String> = World::new(settings).map(|a| a.json).collect();
    let question = recount::Question {
        segments: definition.segments.clone(),
        windows: recount::months("2023-01-01", 32),
        directory: &definition.directory,
        currency: "EUR",
    };
    let want = recount::recount(arrivals.iter().map(String::as_str), &question);
    let events: Vec<Value> =
        arrivals.iter().map(|a| serde_json::from_str(a).expect("an event is JSON")).collect();
    let as_of = at("2025-09-01T00:00:00Z");
    let (rows, counts) = replay(&definition, &deliver(&events, 5, 7), Some(as_of));
    assert_eq!((counts.dead_letters, counts.after_as_of), (0, 0));
    let mut compared = 0;
    for ((kind, start, end, segment), text) in &rows.0 {
        assert_eq!(kind, "month");
        let parts: BTreeMap<&str, &str> = serde_json::from_str(segment).expect("a segment");
        let order = ["rep", "territory", "channel"];
        let named = order.iter().filter_map(|d| Some((*d, *parts.get(d)?)));
        let name = (start[..7].to_owned(), Segment::of(named).to_string());
        let none = recount::Tally::default();
        let age = (as_of.0 - at(end).0) / 86_400_000_000;
        let kpis: Value = serde_json::from_str(text).expect("KPIs are JSON");
        for (kpi, want, got) in cells(want.get(&name).unwrap_or(&none), &kpis, age) {
            let same = match (want, got.as_f64()) {
                (Some(want), Some(got)) => (want - got).abs() <= 1e-9 * want.abs().max(1.0),
                (want, got) => want.is_none() && got.is_none(),
            };
            assert!(same, "{name:?} {kpi}: {want:?} expected, {got} found");
            compared += 1;
        }
    }
    for name in want.keys() {
        assert!(rows.0.keys().any(|row| row.1.starts_with(&name.0)), "no row of {name:?}");
    }
    println!("{compared} cells of {} events compared", events.len());
    assert!(compared > 3_000 && events.len() > 10_000, "{compared} {}", events.len());
}
