//! The folds, one thread, warm. `cargo bench` prints time a call; docs/performance.md has the
//! figures with the machine and the command.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tidemark::intake::{Decoder, Limits, encode_event};
use tidemark::ledger::Ledger;
use tidemark::model::calendar::Calendar;
use tidemark::model::definition::{Attribution, Definition, Directory, Stage, StageTable};
use tidemark::model::event::Status;
use tidemark::model::kpi::{Group, Kpis};
use tidemark::model::measure::{Measure, MeasureKey};
use tidemark::model::money::Currency;
use tidemark::model::partial::PartialMessage;
use tidemark::model::record::{Offset, Partition, Record};
use tidemark::model::segment::Segment;
use tidemark::model::slice::{Retention, Tier};
use tidemark::model::source::{Reading, System};
use tidemark::model::time::{LATEST, Span, Timestamp};
use tidemark::model::window::{Period, WindowKind};
use tidemark::rollup::Rollup;
use tidemark::world::{World, WorldSettings};

// As the binary has it.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn definition(windows: Vec<WindowKind>) -> Arc<Definition> {
    let sets: [&[&str]; 4] = [&[], &["rep"], &["territory"], &["channel"]];
    Arc::new(Definition {
        shards: 1,
        partitions: 1,
        calendar: Calendar::of("Europe/Berlin").unwrap(),
        zones: Default::default(),
        retention: Retention { fine: Span::days(8), days: Some(800) },
        windows,
        segments: sets.iter().map(|s| s.iter().map(|d| (*d).to_owned()).collect()).collect(),
        currency: Currency::parse("EUR").unwrap(),
        fx: tidemark::model::fx::Fx::default(),
        attribution: Attribution::AtEvent,
        settle: Span::seconds(5),
        cycle_from: Default::default(),
        stages: StageTable::default(),
        directory: Directory::default(),
        channels: Default::default(),
        kpis: tidemark::model::kpi::Kpis::ALL,
        measures: Default::default(),
        work: tidemark::model::workdays::WorkCalendars::default(),
        targets: tidemark::model::target::Targets::default(),
        sizes: false,
        customers: Default::default(),
    })
}

fn usual() -> Vec<WindowKind> {
    let mut windows: Vec<_> =
        Period::ALL[..5].iter().map(|(p, _)| WindowKind::Calendar(*p)).collect();
    windows.extend([24 * 60, 7 * 24 * 60, 28 * 24 * 60].map(|m| WindowKind::rolling(m).unwrap()));
    windows
}

fn decoder() -> Decoder {
    Decoder {
        source: "crm".to_owned(),
        system: System::Canonical,
        reading: Reading::default(),
        calendar: Calendar::of("Europe/Berlin").unwrap(),
        limits: Limits { max_record_bytes: 1 << 20, max_array: 1000, future_limit: Span::days(1) },
    }
}

fn records(n: usize) -> Vec<Record> {
    let mut world = World::new(WorldSettings { days: None, ..WorldSettings::default() });
    (0..n)
        .map_while(|i| {
            let arrival = world.next_before(LATEST)?;
            Some(Record {
                topic: "sales.events".into(),
                partition: Partition(0),
                offset: Offset(i as u64),
                timestamp_ms: None,
                key: Some(arrival.key.into_bytes()),
                value: Some(arrival.json.into_bytes()),
                headers: Vec::new(),
            })
        })
        .collect()
}

fn intake(c: &mut Criterion) {
    let (records, decoder) = (records(20_000), decoder());
    let bytes: usize = records.iter().map(|r| r.value.as_ref().map_or(0, Vec::len)).sum();
    let mut group = c.benchmark_group("intake");
    group.throughput(Throughput::Elements(1));
    println!("intake: {} bytes an event on average", bytes / records.len());
    let mut next = records.iter().cycle();
    group.bench_function("decode", |b| {
        b.iter(|| {
            black_box(decoder.take(next.next().unwrap(), Some(Timestamp(1 << 52))).events.len())
        });
    });
    group.bench_function("decode and encode", |b| {
        b.iter(|| {
            let out = decoder.take(next.next().unwrap(), Some(Timestamp(1 << 52)));
            out.events.iter().map(|e| encode_event(e).len()).sum::<usize>()
        });
    });
    group.finish();
}

fn ledger(c: &mut Criterion) {
    let (records, decoder) = (records(200_000), decoder());
    let events: Vec<_> = records.iter().flat_map(|r| decoder.take(r, None).events).collect();
    let definition = definition(usual());
    let mut group = c.benchmark_group("ledger");
    group.throughput(Throughput::Elements(events.len() as u64));
    group.sample_size(10);
    group.bench_function("fold 200k events, 4 segments", |b| {
        b.iter_batched(
            || Ledger::new(definition.clone(), Partition(0)),
            |mut ledger| {
                for (i, event) in events.iter().enumerate() {
                    ledger.apply(Offset(i as u64), event);
                }
                ledger
            },
            BatchSize::PerIteration,
        );
    });
    let staged = with_stages(&definition, Kpis::ALL);
    group.bench_function("the same with a stage table", |b| {
        b.iter_batched(
            || Ledger::new(staged.clone(), Partition(0)),
            |mut ledger| {
                for (i, event) in events.iter().enumerate() {
                    ledger.apply(Offset(i as u64), event);
                }
                ledger
            },
            BatchSize::PerIteration,
        );
    });
    let mut ledger = Ledger::new(definition, Partition(0));
    for (i, event) in events.iter().enumerate() {
        ledger.apply(Offset(i as u64), event);
    }
    let sizes = ledger.sizes();
    println!(
        "ledger: {} entities, {} bytes each; {} cells; image {} bytes",
        sizes.entities,
        sizes.entity_bytes / sizes.entities.max(1),
        sizes.cells,
        ledger.image().len()
    );
    group.finish();
}

/// The life of the `i`th entity of a kind, as canonical events: what usually happens to it.
fn life(kind: &str, i: usize) -> Vec<String> {
    // Five minutes apart: like a log, nearly in the order of time.
    let at =
        |hours: usize| WorldSettings::default().start + Span::minutes((i * 5 + hours * 60) as i64);
    let (rep, channel) = (format!("r-{}", i % 40), ["web", "paid", "email"][i % 3]);
    let of = format!("\"owner\":\"{rep}\",\"territory\":\"t{}\",\"channel\":\"{channel}\"", i % 8);
    let money = format!("{{\"value\":\"{}.50\",\"currency\":\"EUR\"}}", 20 + i % 500);
    let steps = match kind {
        "activity" => vec![
            ("create", 0, format!("{of},\"kind\":\"call\",\"planned_at\":\"{}\"", at(30))),
            ("update", 31, "\"done\":true,\"duration_s\":240".to_owned()),
        ],
        "order" => vec![
            ("create", 0, format!("{of},\"amount\":{money}")),
            ("update", 1, format!("\"paid_at\":\"{}\"", at(1))),
        ],
        "campaign_day" => vec![
            ("snapshot", 27, format!("{of},\"spend\":{money},\"clicks\":{i}")),
            ("snapshot", 51, format!("{of},\"spend\":{money},\"clicks\":{}", i + 3)),
        ],
        "survey_response" => {
            vec![("create", 0, format!("{of},\"metric\":\"nps\",\"score\":{}", i % 11))]
        }
        "touch" => vec![("create", 0, format!("{of},\"kind\":\"click\""))],
        _ => vec![
            ("create", 0, format!("{of},\"mrr\":{money},\"started_at\":\"{}\"", at(0))),
            ("update", 900, format!("\"ended_at\":\"{}\"", at(900))),
        ],
    };
    let event = |(k, (op, hours, set)): (usize, (&str, usize, String))| {
        format!(
            "{{\"id\":\"{kind}-{i}-{k}\",\"entity\":{{\"type\":\"{kind}\",\"id\":\"{kind}-{i}\"}},\
             \"op\":\"{op}\",\"time\":\"{}\",\"set\":{{{set}}}}}",
            at(hours)
        )
    };
    steps.into_iter().enumerate().map(event).collect()
}

fn kinds(c: &mut Criterion) {
    let (decoder, definition) = (decoder(), definition(usual()));
    let mut group = c.benchmark_group("ledger by kind, 4 segments");
    group.sample_size(10);
    for kind in ["activity", "order", "campaign_day", "survey_response", "touch", "subscription"] {
        let bodies: Vec<String> = (0..100_000).flat_map(|i| life(kind, i)).collect();
        let records: Vec<Record> = bodies
            .into_iter()
            .take(100_000)
            .enumerate()
            .map(|(i, body)| Record {
                topic: "sales.events".into(),
                partition: Partition(0),
                offset: Offset(i as u64),
                timestamp_ms: None,
                key: None,
                value: Some(body.into_bytes()),
                headers: Vec::new(),
            })
            .collect();
        let events: Vec<_> = records.iter().flat_map(|r| decoder.take(r, None).events).collect();
        assert_eq!(events.len(), records.len());
        let fold = |mut ledger: Ledger| {
            for (i, event) in events.iter().enumerate() {
                ledger.apply(Offset(i as u64), event);
            }
            ledger
        };
        group.throughput(Throughput::Elements(events.len() as u64));
        group.bench_function(kind, |b| {
            let empty = || Ledger::new(definition.clone(), Partition(0));
            b.iter_batched(empty, fold, BatchSize::PerIteration);
        });
        let sizes = fold(Ledger::new(definition.clone(), Partition(0))).sizes();
        let bytes = sizes.entity_bytes / sizes.entities.max(1);
        println!("{kind}: {} entities, {bytes} bytes each", sizes.entities);
    }
    group.finish();
}

/// The stages of the made-up company.
const STAGES: [(&str, Status); 6] = [
    ("qualified", Status::Open),
    ("demo", Status::Open),
    ("proposal", Status::Open),
    ("negotiation", Status::Open),
    ("closed_won", Status::Won),
    ("closed_lost", Status::Lost),
];

/// With a table of them.
fn with_stages(definition: &Definition, kpis: Kpis) -> Arc<Definition> {
    let mut out = Definition { kpis, ..definition.clone() };
    for (stage, status) in STAGES {
        out.stages.insert(Default::default(), stage, Stage::of(status));
    }
    Arc::new(out)
}

/// Rows that are due where a stage table is known, with and without the funnel in them.
fn funnel(c: &mut Criterion) {
    let plain = definition(usual());
    let partials = partials(with_stages(&plain, Kpis::ALL));
    let end = WorldSettings::default().start + Span::days(300);
    let mut group = c.benchmark_group("merge 100k events and tick");
    group.sample_size(10);
    let others = Group::ALL.iter().map(|(group, _)| *group).filter(|g| *g != Group::Funnel);
    for (name, kpis) in [("without funnel", others.collect()), ("with funnel", Kpis::ALL)] {
        let definition = with_stages(&plain, kpis);
        group.bench_function(name, |b| {
            b.iter_batched(
                || (Rollup::new(definition.clone(), Partition(0), end), partials.clone()),
                |(mut rollup, partials)| {
                    for (i, message) in partials.into_iter().enumerate() {
                        rollup.merge(Offset(i as u64), message);
                    }
                    black_box(rollup.tick(end).len());
                    rollup
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn partials(definition: Arc<Definition>) -> Vec<PartialMessage> {
    let (records, decoder) = (records(100_000), decoder());
    let mut ledger = Ledger::new(definition, Partition(0));
    let mut out = Vec::new();
    let events = records.iter().flat_map(|r| decoder.take(r, None).events);
    for (i, event) in events.enumerate() {
        ledger.apply(Offset(i as u64), &event);
        if i % 200 == 0 {
            out.extend(ledger.publish().cells.into_iter().map(PartialMessage::Cell));
        }
    }
    out
}

fn rollup(c: &mut Criterion) {
    let partials = partials(definition(usual()));
    let end = WorldSettings::default().start + Span::days(300);
    let mut group = c.benchmark_group("rollup");
    group.throughput(Throughput::Elements(partials.len() as u64));
    group.sample_size(10);
    println!("rollup: {} partials", partials.len());
    group.bench_function("merge", |b| {
        b.iter_batched(
            || (Rollup::new(definition(usual()), Partition(0), end), partials.clone()),
            |(mut rollup, partials)| {
                for (i, message) in partials.into_iter().enumerate() {
                    rollup.merge(Offset(i as u64), message);
                }
                rollup
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
    // The same partials and ticks behind windows of different length: the time must not follow it.
    let mut group = c.benchmark_group("tick a day, by window length");
    group.sample_size(10);
    for days in [14, 28, 90, 365] {
        let windows = vec![WindowKind::rolling(days * 24 * 60).unwrap()];
        let mut rollup = Rollup::new(definition(windows), Partition(0), end);
        for (i, message) in partials.iter().cloned().enumerate() {
            rollup.merge(Offset(i as u64), message);
        }
        let mut now = end;
        rollup.tick(now);
        group.bench_function(format!("{days} days"), |b| {
            b.iter(|| {
                now = now + Span::days(1);
                black_box(rollup.tick(now).len())
            });
        });
    }
    group.finish();
    amend(c, &partials);
}

/// What it takes to amend a day of the whole, and to tell it, by the length of the one window.
fn amend(c: &mut Criterion, partials: &[PartialMessage]) {
    let days = partials.iter().filter_map(|message| match message {
        PartialMessage::Cell(cell) if cell.slice.tier == Tier::Day => Some(cell),
        _ => None,
    });
    let whole = days.filter(|cell| cell.segment == Segment::default());
    let newest = whole.max_by_key(|cell| cell.slice).expect("the whole has days");
    // All of the windows hold it.
    let end = Timestamp(i64::from(newest.slice.index + 1) * Span::days(1).0);
    let mut group = c.benchmark_group("amend a day, by window length");
    group.sample_size(10);
    for days in [28, 90, 365] {
        let windows = vec![WindowKind::rolling(days * 24 * 60).unwrap()];
        let mut rollup = Rollup::new(definition(windows), Partition(0), end);
        for (i, message) in partials.iter().cloned().enumerate() {
            rollup.merge(Offset(i as u64), message);
        }
        rollup.tick(end);
        let (mut cell, mut at) = (newest.clone(), partials.len() as u64);
        group.bench_function(format!("{days} days"), |b| {
            b.iter(|| {
                (cell.version, at) = (cell.version + 1, at + 1);
                cell.measures.add(MeasureKey::plain(Measure::DealsWon), 1);
                rollup.merge(Offset(at), PartialMessage::Cell(cell.clone()));
                black_box(rollup.tick(end).len())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, intake, ledger, kinds, rollup, funnel);
criterion_main!(benches);
