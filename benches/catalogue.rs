//! What the whole catalogue costs beside its spine (leads and deals, the group `deals`), an event:
//! rounds of both alternate in one run, and medians are compared. docs/performance.md has the figures
//! with the machine and the command.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use tidemark::clock;
use tidemark::intake::{Decoder, Limits};
use tidemark::ledger::Ledger;
use tidemark::model::calendar::Calendar;
use tidemark::model::definition::{Attribution, Definition, Directory, Stage, StageTable};
use tidemark::model::event::{Event, Status};
use tidemark::model::kpi::{Group, Kpis};
use tidemark::model::money::Currency;
use tidemark::model::partial::PartialMessage;
use tidemark::model::record::{Offset, Partition, Record};
use tidemark::model::slice::Retention;
use tidemark::model::source::{Reading, System};
use tidemark::model::time::{LATEST, Span, Timestamp};
use tidemark::model::window::{Period, WindowKind};
use tidemark::rollup::Rollup;
use tidemark::world::{World, WorldSettings};

// As the binary has it.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: usize = 100_000;
const ROUNDS: usize = 7;

/// So many events a publication: what comes in 250 ms at 800 a second, and at 80,000 a second, as when
/// a log is read from its start.
const BATCHES: [usize; 2] = [200, 20_000];

/// So many events a look at which rows are due.
const LOOK: usize = 20_000;

fn definition(kpis: Kpis, stages: bool) -> Arc<Definition> {
    let sets: [&[&str]; 4] = [&[], &["rep"], &["territory"], &["channel"]];
    let mut windows: Vec<_> =
        Period::ALL[..5].iter().map(|(p, _)| WindowKind::Calendar(*p)).collect();
    windows.extend([24 * 60, 7 * 24 * 60, 28 * 24 * 60].map(|m| WindowKind::rolling(m).unwrap()));
    let mut table = StageTable::default();
    if stages {
        for (stage, status) in [
            ("qualified", Status::Open),
            ("demo", Status::Open),
            ("proposal", Status::Open),
            ("negotiation", Status::Open),
            ("closed_won", Status::Won),
            ("closed_lost", Status::Lost),
        ] {
            table.insert(Default::default(), stage, Stage::of(status));
        }
    }
    Arc::new(Definition {
        shards: 1,
        partitions: 1,
        calendar: Calendar::of("Europe/Berlin").unwrap(),
        retention: Retention { fine: Span::days(8), days: Some(800) },
        windows,
        segments: sets.iter().map(|s| s.iter().map(|d| (*d).to_owned()).collect()).collect(),
        currency: Currency::parse("EUR").unwrap(),
        fx: Default::default(),
        attribution: Attribution::AtEvent,
        settle: Span::seconds(5),
        cycle_from: Default::default(),
        stages: table,
        directory: Directory::default(),
        channels: Default::default(),
        kpis,
        work: Default::default(),
        targets: Default::default(),
        sizes: false,
        customers: Default::default(),
        measures: Default::default(),
        zones: Default::default(),
    })
}

fn records(others: bool) -> Vec<Record> {
    let settings = WorldSettings { days: None, others, ..WorldSettings::default() };
    let mut world = World::new(settings);
    let arrivals = std::iter::from_fn(|| world.next_before(LATEST)).take(EVENTS).enumerate();
    arrivals
        .map(|(i, arrival)| Record {
            topic: "sales.events".into(),
            partition: Partition(0),
            offset: Offset(i as u64),
            timestamp_ms: None,
            key: Some(arrival.key.into_bytes()),
            value: Some(arrival.json.into_bytes()),
            headers: Vec::new(),
        })
        .collect()
}

/// What one round took: folding and publishing, merging, looking for rows.
#[derive(Clone, Copy, Default)]
struct Took([Duration; 3]);

fn round(definition: &Arc<Definition>, events: &[Event<'_>], size: usize) -> (Took, [usize; 2]) {
    let mut ledger = Ledger::new(definition.clone(), Partition(0));
    let mut rollup = Rollup::new(definition.clone(), Partition(0), events[0].time);
    let (mut took, mut partials, mut rows) = (Took::default(), 0, 0);
    let mut now = Timestamp(0);
    for (i, batch) in events.chunks(size).enumerate() {
        let begun = clock::monotonic();
        for (k, event) in batch.iter().enumerate() {
            ledger.apply(Offset((i * size + k) as u64), event);
            now = now.max(event.time);
        }
        let cells = ledger.publish().cells;
        let published = clock::monotonic();
        for cell in cells {
            rollup.merge(Offset(partials), PartialMessage::Cell(cell));
            partials += 1;
        }
        let merged = clock::monotonic();
        if ((i + 1) * size).is_multiple_of(LOOK) {
            rows += black_box(rollup.tick(now)).len();
        }
        for (sum, part) in
            took.0.iter_mut().zip([published - begun, merged - published, clock::since(merged)])
        {
            *sum += part;
        }
    }
    (took, [partials as usize, rows])
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn main() {
    let decoder = Decoder {
        source: "crm".to_owned(),
        system: System::Canonical,
        reading: Reading::default(),
        calendar: Calendar::of("Europe/Berlin").unwrap(),
        limits: Limits { max_record_bytes: 1 << 20, max_array: 1000, future_limit: Span::days(1) },
    };
    let (sales, all) = (records(false), records(true));
    let [sales, all] = [&sales, &all]
        .map(|r| r.iter().flat_map(|r| decoder.take(r, None).events).collect::<Vec<_>>());
    let spine: Kpis = [Group::Deals].into_iter().collect();
    let groups = Group::ALL.iter().map(|(group, _)| *group);
    let alike: Kpis = groups.filter(|g| *g != Group::Customers).collect();
    let cases = [
        ("spine: leads and deals, group deals", definition(spine, false), &sales),
        ("all groups but customers, no stages", definition(alike.clone(), false), &sales),
        ("all groups but customers, stages", definition(alike, true), &sales),
        ("all groups, no stages", definition(Kpis::ALL, false), &sales),
        ("all groups, stages", definition(Kpis::ALL, true), &sales),
        ("the same, all entities", definition(Kpis::ALL, true), &all),
    ];
    // As a test it only shows that it runs.
    if !std::env::args().any(|argument| argument == "--bench") {
        for (_, definition, events) in &cases {
            round(definition, &events[..BATCHES[0]], BATCHES[0]);
        }
        return;
    }
    // As criterion has it: what is given is looked for in the names of the cases.
    let asked = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let cases: Vec<_> = cases
        .into_iter()
        .filter(|(name, ..)| asked.as_ref().is_none_or(|asked| name.contains(asked.as_str())))
        .collect();
    println!("{EVENTS} events, medians of {ROUNDS} rounds, µs an event");
    for size in BATCHES {
        compare(&cases, size);
    }
}

fn compare(cases: &[(&str, Arc<Definition>, &Vec<Event<'_>>)], size: usize) {
    let mut found: Vec<Vec<Took>> = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for (case, found) in cases.iter().zip(&mut found) {
            found.push(round(&case.1, case.2, size).0);
        }
    }
    let title = format!("{size} events a publication");
    println!("{title:36} {:>7} {:>7} {:>7} {:>14}", "ledger", "rollup", "rows", "ledger+rollup");
    let of = |found: &[Took], parts: &[usize], events: usize| {
        let sum = |t: &Took| parts.iter().map(|p| t.0[*p].as_secs_f64()).sum::<f64>();
        median(found.iter().map(sum).collect()) * 1e6 / events as f64
    };
    let mut first = None;
    for ((name, definition, events), found) in cases.iter().zip(&found) {
        let [ledger, rollup, rows] = [0, 1, 2].map(|p| of(found, &[p], events.len()));
        let both = of(found, &[0, 1], events.len());
        let ratio = both / *first.get_or_insert(both);
        let (_, [partials, due]) = round(definition, events, size);
        println!(
            "{name:36} {ledger:7.2} {rollup:7.2} {rows:7.2} {both:8.2} ×{ratio:.2}  \
             {partials} partials, {due} rows"
        );
    }
}
