use crate::model::kpi::{CATALOGUE, View};
use crate::model::measure::{Measure, MeasureKey, Measures};
use crate::model::money::{Currency, EXACT_ONE};
use crate::model::row::{Pane, Row};
use crate::model::segment::Segment;
use crate::model::time::Timestamp;
use crate::model::window::{Period, WindowKind};

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// The closed March of a business with a euro and some dollars.
pub(crate) fn row() -> Row {
    let code = |text| Currency::parse(text).unwrap();
    let (eur, usd) = (code("EUR"), code("USD"));
    let flow: Measures = [
        (MeasureKey::plain(Measure::DealsWon), 1),
        (MeasureKey::plain(Measure::DealsLost), 2),
        (MeasureKey::currency(Measure::WonAmount, eur), EXACT_ONE / 4),
        (MeasureKey::currency(Measure::WonPriced, eur), 1),
        (MeasureKey::currency(Measure::WonAmount, usd), 3 * EXACT_ONE / 2),
        (MeasureKey::days(Measure::CycleWon, 2), 1),
    ]
    .into_iter()
    .collect();
    let stock = Measures::new();
    let view = View {
        flow: &flow,
        stock: &stock,
        opening: &stock,
        first_day: crate::model::time::Day(0),
        before: [None; 3],
        age_days: 0,
        followed: None,
        working_days: Some(20),
        currency: eur,
    };
    Row {
        kind: WindowKind::Calendar(Period::Month),
        start: at("2026-02-28T23:00:00Z"),
        end: at("2026-03-31T22:00:00Z"),
        zone: "Europe/Berlin".to_owned(),
        segment: Segment::overall(),
        pane: Pane::OnTime,
        revision: 0,
        version: 41,
        as_of: Some(at("2026-04-01T08:00:00Z")),
        complete_ratio: 1.0,
        incomplete: false,
        kpis: CATALOGUE.iter().map(|k| (k.name.clone(), k.unit, k.compute(&view))).collect(),
        currency: eur,
        targets: Vec::new(),
        funnel: None,
    }
}
