//! One partition of the partials and those who own it, one after the other and several at once: each
//! reads, publishes and gets its rows out when it likes, an owner that lost the partition as well.
//! When the last owner is done, a reader that keeps the highest version has the numbers of all that
//! was read, whatever the others wrote, and whenever it arrived.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use proptest::prelude::*;
use tidemark::http::{Board, Query};
use tidemark::model::calendar::Calendar;
use tidemark::model::definition::{Attribution, Definition, Directory, StageTable};
use tidemark::model::kpi::Kpis;
use tidemark::model::measure::{Measure, MeasureKey, Measures};
use tidemark::model::money::{Currency, EXACT_ONE};
use tidemark::model::partial::{Partial, PartialMessage, ShardBeat};
use tidemark::model::record::{Offset, Partition};
use tidemark::model::row::Pane;
use tidemark::model::segment::Segment;
use tidemark::model::slice::{Retention, Slice, Tier};
use tidemark::model::time::{Span, Timestamp};
use tidemark::model::window::{Period, WindowKind};
use tidemark::rollup::Rollup;

const SHARDS: u32 = 3;
const MINUTE: i64 = 60_000_000;

/// What happens next. Owners are named by how long ago they took over.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A shard states a cell.
    State { shard: u32, cell: usize, value: i128 },
    /// A shard that lost its own partition states again what it stated long ago.
    Repeat(usize),
    /// A shard tells how far it is, in hours.
    Beat { shard: u32, hours: i64 },
    /// An owner reads some of what is there.
    Read(usize, usize),
    /// An owner publishes what is due; it is on its way from then on.
    Tick(usize),
    /// Some of what an owner published arrives.
    Land(usize, usize),
    /// Another owner takes over.
    Take,
    /// Some minutes pass.
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let owner = || prop_oneof![3 => Just(0usize), 2 => Just(1), 1 => Just(2)];
    let state = (0..SHARDS, 0..8usize, 0..3i128);
    let step = prop_oneof![
        10 => state.prop_map(|(shard, cell, value)| Step::State { shard, cell, value }),
        1 => (0..100usize).prop_map(Step::Repeat),
        2 => (0..SHARDS, 0..120i64).prop_map(|(shard, hours)| Step::Beat { shard, hours }),
        8 => (owner(), 1..6usize).prop_map(|(owner, n)| Step::Read(owner, n)),
        6 => owner().prop_map(Step::Tick),
        4 => (owner(), 1..8usize).prop_map(|(owner, n)| Step::Land(owner, n)),
        1 => Just(Step::Take),
        1 => (1..10i64).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..120)
}

/// 512 cases, or as many as `PROPTEST_CASES` asks for; `PROPTEST_RNG_SEED` repeats a run.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { 512 };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn rows_of_several_owners_end_as_the_fold_of_all_that_was_read(steps in steps()) {
        let mut story = Story::new();
        steps.into_iter().for_each(|step| story.happen(step));
        story.end();
        let expected = story.expected();
        prop_assert!(expected.len() > 4);
        let shown = story.shown();
        for (key, kpis) in &expected {
            prop_assert!(shown.get(key) == Some(kpis), "{key} is {:?}", shown.get(key));
        }
    }
}

fn definition() -> Arc<Definition> {
    let set = |dimensions: &[&str]| dimensions.iter().map(|d| (*d).to_owned()).collect();
    let calendar = [Period::Day, Period::Week, Period::Month].map(WindowKind::Calendar);
    Arc::new(Definition {
        shards: SHARDS,
        partitions: 1,
        calendar: Calendar::of("UTC").unwrap(),
        zones: Default::default(),
        retention: Retention { fine: Span::days(8), days: Some(400) },
        windows: [&calendar[..], &[WindowKind::RollingDays(28)]].concat(),
        segments: vec![set(&[]), set(&["rep"])],
        currency: Currency::parse("EUR").unwrap(),
        attribution: Attribution::AtEvent,
        settle: Span::minutes(5),
        cycle_from: Default::default(),
        stages: StageTable::default(),
        directory: Directory::default(),
        kpis: Kpis::ALL,
        measures: Default::default(),
        channels: Default::default(),
        fx: Default::default(),
        work: Default::default(),
        targets: Default::default(),
        sizes: false,
        customers: Default::default(),
    })
}

/// Noon of 2026-04-08: nothing here lasts until midnight, where the numbers of a running window
/// change with the clock.
fn noon() -> Timestamp {
    Timestamp::parse_rfc3339("2026-04-08T12:00:00Z").unwrap()
}

fn won(n: i128) -> Measures {
    let eur = Currency::parse("EUR").unwrap();
    let amount = (MeasureKey::currency(Measure::WonAmount, eur), n * 10 * EXACT_ONE);
    let priced = (MeasureKey::currency(Measure::WonPriced, eur), n);
    [(MeasureKey::plain(Measure::DealsWon), n), amount, priced].into_iter().collect()
}

/// One who owns the partition, or believes to.
struct Owner {
    rollup: Rollup,
    next: usize,
    under_way: VecDeque<(String, String)>,
}

impl Owner {
    fn read(&mut self, log: &[PartialMessage], most: usize) {
        for message in log.iter().skip(self.next).take(most) {
            self.rollup.merge(Offset(self.next as u64), message.clone());
            self.next += 1;
        }
    }

    fn tick(&mut self, now: Timestamp) {
        let due = self.rollup.tick(now).into_iter().map(|row| (row.key, row.json));
        self.under_way.extend(due);
    }
}

struct Story {
    definition: Arc<Definition>,
    now: Timestamp,
    versions: [u64; SHARDS as usize],
    partials: Vec<PartialMessage>,
    rows: Vec<(String, String)>,
    board: Arc<Board>,
    /// The newest first.
    owners: VecDeque<Owner>,
}

impl Story {
    fn new() -> Story {
        let mut story = Story {
            definition: definition(),
            now: noon(),
            versions: [0; SHARDS as usize],
            partials: Vec::new(),
            rows: Vec::new(),
            board: Board::new(1, 10_000),
            owners: VecDeque::new(),
        };
        for cell in 0..8 {
            story.happen(Step::State { shard: 0, cell, value: 1 });
        }
        story.happen(Step::Take);
        story
    }

    fn happen(&mut self, step: Step) {
        let last = self.owners.len().saturating_sub(1);
        match step {
            Step::State { shard, cell, value } => self.state(shard, cell, value),
            Step::Repeat(which) => {
                let old = self.partials[which % self.partials.len()].clone();
                self.partials.push(old);
            }
            Step::Beat { shard, hours } => self.beat(shard, hours),
            Step::Read(owner, n) => self.owners[owner.min(last)].read(&self.partials, n),
            Step::Tick(owner) => self.owners[owner.min(last)].tick(self.now),
            Step::Land(owner, n) => self.land(owner.min(last), n),
            Step::Take => self.take(),
            Step::Pass(minutes) => self.now = self.now + Span(minutes * MINUTE),
        }
    }

    /// Four days over the turn of a month, each of the whole business and of one rep; every other
    /// value is of a stock as well.
    fn state(&mut self, shard: u32, cell: usize, value: i128) {
        let day = Slice::day(&self.definition.calendar, noon()).index - 9 + (cell / 2) as i32;
        let segment = match cell % 2 {
            0 => Segment::overall(),
            _ => Segment::of([("rep", "r1")]),
        };
        let mut measures = won(value);
        if cell == 2 {
            measures.add(MeasureKey::plain(Measure::OpenDeals), value);
        }
        self.versions[shard as usize] += 1;
        self.partials.push(PartialMessage::Cell(Partial {
            shard,
            version: self.versions[shard as usize],
            segment,
            slice: Slice { tier: Tier::Day, index: day },
            measures,
        }));
    }

    fn beat(&mut self, shard: u32, hours: i64) {
        self.versions[shard as usize] += 1;
        self.partials.push(PartialMessage::Beat(ShardBeat {
            shard,
            shards: SHARDS,
            version: self.versions[shard as usize],
            watermark: Some(Timestamp(noon().0 - (240 - hours) * 60 * MINUTE)),
            holder: None,
            doubts: Vec::new(),
            fine_floor: i32::MIN,
            definition: self.definition.hash(),
            kin: 0,
            alive: None,
        }));
    }

    fn land(&mut self, owner: usize, most: usize) {
        for _ in 0..most {
            let Some((key, json)) = self.owners[owner].under_way.pop_front() else { return };
            self.board.apply(&key, Some(json.as_bytes()));
            self.rows.push((key, json));
        }
    }

    /// As the runtime restores a part.
    fn take(&mut self) {
        let mut rollup = Rollup::new(self.definition.clone(), Partition(0), self.now);
        for (key, json) in &self.rows {
            let row: serde_json::Value = serde_json::from_str(json).unwrap();
            let pane = Pane::parse(row["status"].as_str().unwrap()).unwrap();
            rollup.seen(key, kpis(json), false, pane, row["revision"].as_u64().unwrap());
        }
        let mut owner = Owner { rollup, next: 0, under_way: VecDeque::new() };
        owner.read(&self.partials, usize::MAX);
        owner.rollup.re_emit();
        self.owners.push_front(owner);
    }

    /// The last owner reads and publishes all; what the others sent arrives behind it.
    fn end(&mut self) {
        self.owners[0].read(&self.partials, usize::MAX);
        self.owners[0].tick(self.now);
        (0..self.owners.len()).for_each(|owner| self.land(owner, usize::MAX));
    }

    /// The KPIs of each row of one who read everything at once.
    fn expected(&self) -> BTreeMap<String, String> {
        let rollup = Rollup::new(self.definition.clone(), Partition(0), self.now);
        let mut owner = Owner { rollup, next: 0, under_way: VecDeque::new() };
        owner.read(&self.partials, usize::MAX);
        owner.rollup.re_emit();
        owner.tick(self.now);
        owner.under_way.iter().map(|(key, json)| (key.clone(), kpis(json).to_owned())).collect()
    }

    fn shown(&self) -> BTreeMap<String, String> {
        let rows = self.board.query(&Query::default()).rows;
        rows.iter().map(|(key, json)| (key.to_string(), kpis(json).to_owned())).collect()
    }
}

/// The KPIs in a row: they stand last.
fn kpis(json: &str) -> &str {
    let (_, kpis) = json.split_once(",\"kpis\":").unwrap();
    kpis.strip_suffix('}').unwrap()
}
