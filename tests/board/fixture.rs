//! A server without a pipeline: rows with known numbers on a board.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::Arc;

use tidemark::config::Config;
use tidemark::http::metrics::{Caps, KpiSnapshot};
use tidemark::http::{Alerts, Board, Health, HttpState, Members, MetricsPages, Mode, ServerInfo};
use tidemark::model::calendar::{Calendar, tzdb_version};
use tidemark::model::definition::{Directory, Stage, StageTable};
use tidemark::model::event::Status;
use tidemark::model::funnel::{self, Funnel};
use tidemark::model::kpi::{CATALOGUE, Kpis, View};
use tidemark::model::measure::{Measure, MeasureKey, Measures};
use tidemark::model::money::{Currency, Exact};
use tidemark::model::row::{Pane, Row};
use tidemark::model::segment::Segment;
use tidemark::model::stage::StageIndex;
use tidemark::model::time::{Day, Timestamp};
use tidemark::model::window::{Period, WindowKind};
use tidemark::model::workdays::WorkCalendars;
use tidemark::telemetry::Telemetry;

/// What a segment sold in a window.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sales {
    /// Deals won.
    pub won: i128,
    /// Deals lost.
    pub lost: i128,
    /// Sum of the amounts won, whole euros.
    pub revenue: i128,
    /// The same in the window before.
    pub before: i128,
    /// Deals open at the end.
    pub open: i128,
    /// Their amounts, whole euros.
    pub pipeline: i128,
    /// Days that each deal took.
    pub cycle: i32,
}

/// Berlin, like the rows.
pub fn calendar() -> Calendar {
    Calendar::of("Europe/Berlin").expect("Berlin is in the database")
}

/// The instant of a text.
pub fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("tests write times right")
}

/// The row of the window of a kind that holds `now`.
pub fn row(kind: WindowKind, now: Timestamp, parts: &[(&str, &str)], sales: Sales) -> Row {
    let eur = Currency::parse("EUR").expect("three letters");
    let plain = MeasureKey::plain;
    let money = |m| MeasureKey::currency(m, eur);
    let flow: Measures = [
        (plain(Measure::DealsWon), sales.won),
        (plain(Measure::DealsLost), sales.lost),
        (plain(Measure::DealsCreated), sales.won + sales.lost + 3),
        (money(Measure::WonAmount), Exact::whole(sales.revenue).0),
        (money(Measure::WonPriced), sales.won),
        (MeasureKey::days(Measure::CycleWon, sales.cycle), sales.won),
        (MeasureKey::days(Measure::CohortWon, sales.cycle), sales.won),
        (MeasureKey::days(Measure::CohortLost, sales.cycle), sales.lost),
        // A call for each open deal.
        (MeasureKey::word(Measure::ActivitiesDone, 1), sales.open),
    ]
    .into_iter()
    .collect();
    let before: Measures =
        [(money(Measure::WonAmount), Exact::whole(sales.before).0)].into_iter().collect();
    let stock: Measures = [
        (plain(Measure::OpenDeals), sales.open),
        (money(Measure::OpenAmount), Exact::whole(sales.pipeline).0),
        (money(Measure::OpenPriced), sales.open),
    ]
    .into_iter()
    .collect();
    let view = View {
        flow: &flow,
        stock: &stock,
        opening: &stock,
        first_day: Day(0),
        before: [Some(&before), None, Some(&before)],
        age_days: 0,
        followed: Some(Day(0)),
        working_days: Some(20),
        currency: eur,
    };
    let calendar = calendar();
    let range = kind.current(&calendar, now);
    Row {
        kind,
        start: range.start(&calendar),
        end: range.end(&calendar),
        zone: calendar.zone().to_owned(),
        segment: Segment::of(parts.iter().copied()),
        pane: Pane::Early,
        revision: 0,
        version: 1,
        as_of: Some(now),
        complete_ratio: 0.75,
        incomplete: false,
        kpis: CATALOGUE.iter().map(|k| (k.name.clone(), k.unit, k.compute(&view))).collect(),
        currency: eur,
        targets: Vec::new(),
        funnel: parts.iter().all(|(name, _)| *name != "stage").then(funnel),
    }
}

/// Of 40 visits 10 were lost and 24 advanced, after 3 days each; a third of the advanced are won.
fn funnel() -> Funnel {
    let mut stages = StageTable::default();
    for (name, status) in [("6120", Status::Open), ("won", Status::Won)] {
        let label = (name == "6120").then(|| "Qualified".to_owned());
        stages.insert(Default::default(), name, Stage { label, ..Stage::of(status) });
    }
    let at = |m, stage| MeasureKey::stage(m, StageIndex(stage));
    let ended = |m| MeasureKey::stage_days(m, StageIndex(0), 3);
    let visits: Measures = [
        (at(Measure::StageEntered, 0), 40),
        (ended(Measure::StageLost), 10),
        (ended(Measure::StageAdvanced), 24),
        (at(Measure::StageWon, 0), 8),
        (at(Measure::StageClosed, 0), 20),
        (at(Measure::StageEntered, 1), 8),
    ]
    .into_iter()
    .collect();
    Funnel::of(&visits, &funnel::steps(&stages))
}

/// A rep with a name, and stages with an order.
fn members() -> Members {
    let text = r#"
segments.sets = ["rep", "stage"]
[[directory.rep]]
id = "r-001"
name = "Ana Costa"
[[directory.rep]]
id = "r-idle"
[[stages.stage]]
stage = "6120"
status = "open"
order = 1
label = "Qualified <b>"
[[stages.stage]]
stage = "5988"
status = "open"
order = 2
[[stages.stage]]
stage = "1"
status = "lost"
"#;
    let config = Config::from_toml(text, "test", std::iter::empty());
    Members::of(&config.unwrap_or_else(|e| panic!("{e}")).definition)
}

/// Everything a router needs, with these rows on the board and on the metrics page.
pub fn state(rows: &[Row]) -> HttpState {
    let telemetry = Telemetry::new(env!("CARGO_PKG_VERSION"), tzdb_version(), "EUR");
    let board = Board::new(1, 100_000);
    for row in rows {
        board.apply(&row.key(), Some(row.to_json().as_bytes()));
    }
    let pages = MetricsPages::new(Arc::clone(&telemetry), Caps::NONE);
    let current: Vec<&Row> = rows.iter().filter(|r| r.pane == Pane::Early).collect();
    pages.put(0, KpiSnapshot::render(&current, &Kpis::ALL, Caps::NONE));
    let health = Arc::new(Health::new(["ledger", "rollup"]));
    health.set("ledger", Ok(()));
    health.set("rollup", Ok(()));
    let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let info = ServerInfo {
        mode: Mode::Embedded,
        calendar: calendar(),
        currency: "EUR".to_owned(),
        app: "tidemark".to_owned(),
        windows: names(&[
            "rolling_24h",
            "rolling_7d",
            "rolling_28d",
            "day",
            "week",
            "month",
            "quarter",
            "year",
        ]),
        kpis: Kpis::ALL,
        grains: vec![
            vec![],
            names(&["rep"]),
            names(&["territory"]),
            names(&["channel"]),
            names(&["stage"]),
            names(&["territory", "channel"]),
            names(&["territory", "stage"]),
        ],
        members: members(),
        periods: vec![Period::Day, Period::Week, Period::Month, Period::Quarter, Period::Year],
        work: WorkCalendars::default(),
        directory: Directory::default(),
        zones: Default::default(),
    };
    HttpState {
        board,
        alerts: Alerts::new(),
        telemetry,
        pages,
        health,
        targets: Arc::default(),
        info: Arc::new(info),
    }
}
