//! What `/metrics` takes with 50,000 KPI series: to render a page, as each publish does once, and to
//! answer a scrape. docs/performance.md has the figures with the machine and the command.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tidemark::http::MetricsPages;
use tidemark::http::metrics::{Caps, Format, KpiSnapshot, expose};
use tidemark::model::kpi::{CATALOGUE, Kpis, View};
use tidemark::model::measure::{Measure, MeasureKey, Measures};
use tidemark::model::money::{Currency, Exact};
use tidemark::model::row::{Pane, Row};
use tidemark::model::segment::Segment;
use tidemark::model::time::{Day, Timestamp};
use tidemark::model::window::{Period, WindowKind};
use tidemark::telemetry::Telemetry;

const SERIES: u64 = 50_000;

/// Windows of each rep.
const WINDOWS: [WindowKind; 4] = [
    WindowKind::RollingDays(28),
    WindowKind::Calendar(Period::Week),
    WindowKind::Calendar(Period::Month),
    WindowKind::Calendar(Period::Quarter),
];

fn row(kind: WindowKind, rep: usize, eur: Currency) -> Row {
    let won = 1 + rep as i128 % 40;
    let flow: Measures = [
        (MeasureKey::plain(Measure::DealsWon), won),
        (MeasureKey::plain(Measure::DealsLost), won + 7),
        (MeasureKey::plain(Measure::DealsCreated), won + 9),
        (MeasureKey::currency(Measure::WonAmount, eur), Exact::whole(won * 1_137).0 / 8),
        (MeasureKey::currency(Measure::WonPriced, eur), won),
        (MeasureKey::days(Measure::CycleWon, 20), won),
    ]
    .into_iter()
    .collect();
    let stock = Measures::new();
    let view = View {
        flow: &flow,
        stock: &stock,
        opening: &stock,
        first_day: Day(0),
        before: [None; 3],
        age_days: 0,
        followed: None,
        working_days: Some(20),
        currency: eur,
    };
    Row {
        kind,
        start: Timestamp(0),
        end: Timestamp(1),
        zone: "UTC".to_owned(),
        segment: Segment::of([("rep", format!("r-{rep:06}").as_str())]),
        pane: Pane::Early,
        revision: 0,
        version: 1,
        as_of: None,
        complete_ratio: 0.5,
        incomplete: false,
        kpis: CATALOGUE.iter().map(|k| (k.name.clone(), k.unit, k.compute(&view))).collect(),
        currency: eur,
        targets: Vec::new(),
        funnel: None,
    }
}

fn metrics(c: &mut Criterion) {
    let eur = Currency::parse("EUR").unwrap();
    let caps = Caps::NONE;
    let (mut rows, mut series) = (Vec::new(), 0);
    for rep in 0.. {
        if series >= SERIES {
            break;
        }
        let new: Vec<Row> = WINDOWS.iter().map(|kind| row(*kind, rep, eur)).collect();
        let page = KpiSnapshot::render(&new.iter().collect::<Vec<_>>(), &Kpis::ALL, caps);
        series += page.series().map(|(_, n)| n).sum::<u64>();
        rows.extend(new);
    }
    let rows: Vec<&Row> = rows.iter().collect();
    let telemetry = Telemetry::new("bench", "bench", "EUR");
    let pages = MetricsPages::new(telemetry.clone(), caps);
    let page = KpiSnapshot::render(&rows, &Kpis::ALL, caps);
    println!("{series} series in {} families, {} rows", page.series().count(), rows.len());
    pages.put(0, page);
    let mut group = c.benchmark_group("50,000 series");
    group.sample_size(30);
    group.bench_function("render, once a publish", |b| {
        b.iter(|| black_box(KpiSnapshot::render(&rows, &Kpis::ALL, caps)));
    });
    for (name, format) in [("text", Format::Text), ("OpenMetrics", Format::OpenMetrics)] {
        println!("{name}: {} bytes", expose(&telemetry, &pages, format).unwrap().len());
        group.bench_function(format!("scrape, {name}"), |b| {
            b.iter(|| black_box(expose(&telemetry, &pages, format).unwrap().len()));
        });
    }
    // As eight partitions, of which one was published again before each scrape.
    let parts: Vec<Vec<&Row>> =
        (0..8).map(|p| rows.iter().skip(p).step_by(8).copied().collect()).collect();
    let parts: Vec<_> =
        parts.iter().map(|rows| KpiSnapshot::render(rows, &Kpis::ALL, caps)).collect();
    for (name, total) in [("", usize::MAX), (", and cut to 40,000", 40_000)] {
        let pages = MetricsPages::new(telemetry.clone(), Caps { total, ..caps });
        for (partition, page) in (0..).zip(&parts) {
            pages.put(partition, page.clone());
        }
        group.bench_function(format!("first scrape of 8 partitions{name}"), |b| {
            b.iter_batched(
                || parts[0].clone(),
                |page| {
                    pages.put(0, page);
                    black_box(expose(&telemetry, &pages, Format::OpenMetrics).unwrap().len())
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, metrics);
criterion_main!(benches);
