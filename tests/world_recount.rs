//! The folds against the independent batch recount, on a made-up company with raised shares of
//! reopened, amended, re-owned, deleted and merged deals: every day, every segment, nine numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidemark::intake::{Decoder, Limits};
use tidemark::ledger::Ledger;
use tidemark::model::calendar::Calendar;
use tidemark::model::definition::{Attribution, Definition, StageTable};
use tidemark::model::event::shard_of;
use tidemark::model::measure::{Measure, MeasureKey, Measures};
use tidemark::model::money::{Currency, Exact};
use tidemark::model::record::{Offset, Partition, Record};
use tidemark::model::size;
use tidemark::model::slice::{Retention, Tier};
use tidemark::model::source::{Reading, System};
use tidemark::model::time::Span;
use tidemark::world::{Arrival, World, WorldSettings, directory};

#[path = "support/recount.rs"]
mod recount;

const SHARDS: u32 = 4;
const SETS: [&[&str]; 6] =
    [&[], &["rep"], &["territory"], &["channel"], &["team"], &["territory", "channel"]];

fn settings(seed: u64) -> WorldSettings {
    WorldSettings {
        seed,
        days: Some(120),
        reopen: 0.1,
        amend: 0.2,
        reown: 0.2,
        delete: 0.02,
        merge: 0.02,
        split: 0.2,
        deals_per_day: 10.0,
        ..WorldSettings::default()
    }
}

fn definition(settings: &WorldSettings) -> Arc<Definition> {
    Arc::new(Definition {
        shards: SHARDS,
        partitions: 1,
        calendar: Calendar::of("UTC").unwrap(),
        zones: Default::default(),
        retention: Retention { fine: Span::days(8), days: None },
        windows: Vec::new(),
        segments: SETS.iter().map(|s| s.iter().map(|d| (*d).to_owned()).collect()).collect(),
        currency: settings.currency,
        fx: tidemark::model::fx::Fx::default(),
        attribution: Attribution::AtEvent,
        settle: Span::seconds(5),
        cycle_from: Default::default(),
        stages: StageTable::default(),
        directory: directory(settings),
        channels: Default::default(),
        kpis: tidemark::model::kpi::Kpis::ALL,
        measures: Default::default(),
        work: tidemark::model::workdays::WorkCalendars::default(),
        targets: tidemark::model::target::Targets::default(),
        sizes: true,
        customers: Default::default(),
    })
}

/// The day cells of all shards together, by segment and day.
fn fold(
    arrivals: &[Arrival],
    definition: &Arc<Definition>,
) -> BTreeMap<String, BTreeMap<i32, Measures>> {
    let decoder = Decoder {
        source: "x".into(),
        system: System::Canonical,
        reading: Reading::default(),
        calendar: definition.calendar.clone(),
        limits: Limits { max_record_bytes: 1 << 20, max_array: 10, future_limit: Span::days(1) },
    };
    let mut ledgers: Vec<Ledger> =
        (0..SHARDS).map(|s| Ledger::new(definition.clone(), Partition(s))).collect();
    for (i, arrival) in arrivals.iter().enumerate() {
        let record = Record {
            topic: "t".into(),
            partition: Partition(0),
            offset: Offset(i as u64),
            timestamp_ms: None,
            key: None,
            value: Some(arrival.json.clone().into_bytes()),
            headers: Vec::new(),
        };
        let taken = decoder.take(&record, Some(arrival.at));
        assert_eq!(taken.dead_letters, [], "{}", arrival.json);
        assert_eq!(taken.unknown_fields, 0, "{}", arrival.json);
        for event in &taken.events {
            assert_eq!(event.key(), arrival.key);
            let shard = shard_of(&arrival.key, SHARDS).0 as usize;
            ledgers[shard].apply(Offset(i as u64), event);
        }
    }
    let mut out: BTreeMap<String, BTreeMap<i32, Measures>> = BTreeMap::new();
    for cell in ledgers.iter_mut().flat_map(|l| l.publish().cells) {
        if cell.slice.tier == Tier::Day {
            let days = out.entry(cell.segment.to_string()).or_default();
            days.entry(cell.slice.index).or_default().plus(&cell.measures);
        }
    }
    out
}

/// The numbers of one day and segment, as text: from the folds, and recounted.
fn both(
    day: &Measures,
    stock: &Measures,
    want: &recount::Tally,
    own: Currency,
) -> [[String; 2]; 12] {
    let histogram =
        |m| format!("{:?}", day.of(m).map(|(d, n)| (d, n as i64)).collect::<BTreeMap<_, _>>());
    let sizes = |m| {
        let mine = |(place, n)| match size::parts(place) {
            (code, size) if code == i64::from(own.code()) => Some((size, n as i64)),
            _ => None,
        };
        format!("{:?}", day.of(m).filter_map(mine).collect::<BTreeMap<_, _>>())
    };
    let amount = |of: &Measures, m| Exact(of.at(MeasureKey::currency(m, own))).to_string();
    let count = |of: &Measures, m| of.total(m).to_string();
    let closed: i64 = want.cohort_won.values().chain(want.cohort_lost.values()).sum();
    [
        [count(day, Measure::LeadsCreated), want.leads_created.to_string()],
        [count(day, Measure::DealsCreated), want.deals_created.to_string()],
        [count(day, Measure::DealsWon), want.deals_won.to_string()],
        [count(day, Measure::DealsLost), want.deals_lost.to_string()],
        [amount(day, Measure::WonAmount), want.revenue.to_string()],
        [histogram(Measure::CycleWon), format!("{:?}", want.cycle_won)],
        [sizes(Measure::WonSizes), format!("{:?}", want.won_sizes)],
        [histogram(Measure::CohortWon), format!("{:?}", want.cohort_won)],
        [histogram(Measure::CohortLost), format!("{:?}", want.cohort_lost)],
        [count(day, Measure::CohortOpen), (want.deals_created - closed).to_string()],
        [count(stock, Measure::OpenDeals), want.open_deals.to_string()],
        [amount(stock, Measure::OpenAmount), want.open_amount.to_string()],
    ]
}

#[test]
fn every_day_and_segment_equals_the_recount() {
    let mut compared = 0;
    for seed in [1, 2, 3] {
        let settings = settings(seed);
        let definition = definition(&settings);
        let arrivals: Vec<Arrival> = World::new(settings.clone()).collect();
        let cells = fold(&arrivals, &definition);
        let question = recount::Question {
            segments: definition.segments.clone(),
            windows: recount::days("2025-01-01", "2025-06-01"),
            directory: &definition.directory,
            currency: "EUR",
        };
        let want = recount::recount(arrivals.iter().map(|a| a.json.as_str()), &question);
        let mut segments: Vec<String> = cells.keys().cloned().collect();
        segments.extend(want.keys().map(|(_, segment)| segment.clone()));
        segments.sort();
        segments.dedup();
        let (nothing, none) = (BTreeMap::new(), recount::Tally::default());
        for segment in &segments {
            let days = cells.get(segment).unwrap_or(&nothing);
            let mut stock = Measures::new();
            let mut next = i32::MIN;
            for window in &question.windows {
                let day = window.start.div_euclid(86_400_000_000) as i32;
                for (_, before) in days.range(next..=day) {
                    stock.plus(before);
                }
                next = day + 1;
                let zero = Measures::new();
                let tally = want.get(&(window.name.clone(), segment.clone())).unwrap_or(&none);
                let pairs = both(days.get(&day).unwrap_or(&zero), &stock, tally, settings.currency);
                for (i, [folded, recounted]) in pairs.iter().enumerate() {
                    assert_eq!(
                        folded, recounted,
                        "seed {seed}, {segment}, {}, number {i}",
                        window.name
                    );
                    compared += 1;
                }
            }
        }
    }
    println!("{compared} numbers compared");
    assert!(compared > 100_000, "only {compared} numbers were compared");
}

/// Splits move what was won between reps, teams and territories, and nothing of what all who share in
/// a deal have in common.
#[test]
fn splits_move_between_members_and_leave_every_total_alone() {
    let settings = settings(4);
    let arrivals: Vec<Arrival> = World::new(settings.clone()).collect();
    let cells = fold(&arrivals, &definition(&settings));
    let shifts = [Measure::SplitAmount, Measure::SplitDeals];
    let mut moved: BTreeMap<String, usize> = BTreeMap::new();
    let mut left: BTreeMap<(String, i32), Measures> = BTreeMap::new();
    for (segment, days) in &cells {
        let set = segment.split('=').next().unwrap_or_default().to_owned();
        for (day, measures) in days {
            let any = shifts.iter().any(|m| measures.of(*m).next().is_some());
            *moved.entry(set.clone()).or_default() += usize::from(any);
            left.entry((set.clone(), *day)).or_default().plus(measures);
        }
    }
    assert!(moved["rep"] > 100 && moved["territory"] > 0, "{moved:?}");
    assert_eq!((moved["overall"], moved["channel"]), (0, 0));
    for (place, measures) in &left {
        assert!(shifts.iter().all(|m| measures.total(*m) == 0), "{place:?}");
    }
    let overlays = cells["overall"].values().map(|m| m.total(Measure::OverlayPriced)).sum::<i128>();
    assert!(overlays > 10, "{overlays}");
}
