//! The rollups of all partitions, fed as the ledger feeds them, and made-up deals for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tidemark::config::Config;
use tidemark::model::alert::Reading;
use tidemark::model::alert_schema::alert_schema;
use tidemark::model::alive::Alive;
use tidemark::model::definition::Definition;
use tidemark::model::kin::Kin;
use tidemark::model::measure::{Measure, MeasureKey, Measures};
use tidemark::model::money::{Currency, Exact};
use tidemark::model::partial::{Partial, PartialMessage, ShardBeat};
use tidemark::model::record::{Offset, Partition};
use tidemark::model::segment::Segment;
use tidemark::model::size;
use tidemark::model::slice::{Slice, Tier};
use tidemark::model::time::{Day, Span};
use tidemark::rollup::{Merged, Rollup};

pub const SHARDS: u32 = 2;
pub const FIRST: &str = "2026-01-05";
/// Days until something changes, and days in all.
pub const QUIET: i32 = 100;
pub const DAYS: i32 = 130;

pub fn config(partitions: u32, sets: &str, drift: &str) -> Config {
    let text = format!(
        "[money]\ncurrency = \"EUR\"\n\
         [topology]\nshards = {SHARDS}\npartitions = {partitions}\n[segments]\nsets = {sets}\n\
         [segments.budget]\nterritory = 4\nchannel = 3\nrep = 8\n[drift]\n{drift}\n"
    );
    Config::from_toml(&text, "test", std::iter::empty()).unwrap_or_else(|e| panic!("{e}"))
}

pub fn first() -> i32 {
    Day::parse(FIRST).unwrap().0
}

/// What one deal is worth in the cells of a day: territory, channel, rep, and what it adds.
#[derive(Clone, Debug)]
pub struct Fact {
    pub day: i32,
    pub who: [(&'static str, String); 3],
    pub key: MeasureKey,
    pub n: i128,
}

/// The rollups of all partitions, fed as the ledger feeds them.
pub struct Fleet {
    pub definition: Arc<Definition>,
    pub kin: Kin,
    pub rollups: Vec<Rollup>,
    pub offset: u64,
    pub schema: jsonschema::Validator,
    pub topic: BTreeMap<String, Value>,
    /// The days on which something happened, by shard; `None` where shards do not tell.
    pub alive: Option<[Alive; SHARDS as usize]>,
}

impl Fleet {
    pub fn new(config: &Config) -> Fleet {
        let definition = Arc::new(config.definition.clone());
        let start = definition.calendar.start_of(Day(first()));
        let rollup =
            |p| Rollup::new(definition.clone(), Partition(p), start).watching(&config.drift);
        let rollups = (0..definition.partitions).map(rollup).collect();
        let kin = Kin::of(&config.drift, definition.partitions);
        let schema = jsonschema::validator_for(&alert_schema()).unwrap();
        Fleet { definition, kin, rollups, offset: 0, schema, topic: BTreeMap::new(), alive: None }
    }

    /// The cells that facts come to, one a segment, day and shard.
    pub fn cells(&self, facts: &[Fact], version: u64) -> Vec<Partial> {
        let mut cells: BTreeMap<(Segment, i32, u32), Measures> = BTreeMap::new();
        for (i, fact) in facts.iter().enumerate() {
            for set in &self.definition.segments {
                let value = |d: &String| {
                    let (name, value) = fact.who.iter().find(|(name, _)| name == d).unwrap();
                    (*name, value.as_str())
                };
                let place = (Segment::of(set.iter().map(value)), fact.day, i as u32 % SHARDS);
                cells.entry(place).or_default().add(fact.key, fact.n);
            }
        }
        let partial = |((segment, day, shard), measures): ((Segment, i32, u32), Measures)| {
            let slice = Slice { tier: Tier::Day, index: first() + day };
            Partial { shard, version, segment, slice, measures }
        };
        cells.into_iter().map(partial).collect()
    }

    pub fn send(&mut self, cell: &Partial) {
        self.offset += 1;
        if let Some(alive) = &mut self.alive {
            // Its cells are only ever added to.
            if cell.slice.tier == Tier::Day && Alive::shows_in(&cell.measures) {
                alive[cell.shard as usize].add(cell.slice.index);
            }
        }
        let own = cell.segment.partition(self.definition.partitions);
        if let Some((copy, at)) = self.kin.copy(cell) {
            assert!(!at.contains(&own));
            for partition in at {
                self.merge(partition, PartialMessage::Copy(copy.clone()));
            }
        }
        self.merge(own, PartialMessage::Cell(cell.clone()));
    }

    pub fn merge(&mut self, partition: Partition, message: PartialMessage) -> Merged {
        self.rollups[partition.0 as usize].merge(Offset(self.offset), message)
    }

    pub fn beat(&mut self, day: i32, kin: u64) {
        let watermark = self.definition.calendar.start_of(Day(first() + day)) + Span::minutes(1);
        for shard in 0..SHARDS {
            self.offset += 1;
            let beat = ShardBeat {
                shard,
                shards: SHARDS,
                version: self.offset,
                watermark: Some(watermark),
                holder: None,
                doubts: Vec::new(),
                fine_floor: i32::MIN,
                definition: self.definition.hash(),
                kin,
                alive: self.alive.as_ref().map(|of| of[shard as usize].clone()),
            };
            for p in 0..self.rollups.len() {
                self.merge(Partition(p as u32), PartialMessage::Beat(beat.clone()));
            }
        }
        self.rollups.iter_mut().for_each(|rollup| {
            rollup.tick(watermark);
        });
    }

    pub fn close(&mut self, day: i32) {
        self.beat(day, self.kin.judging());
        self.decide();
    }

    pub fn decide(&mut self) {
        for rollup in &mut self.rollups {
            for alert in rollup.decide() {
                let mut json: Value = serde_json::from_str(&alert.json).unwrap();
                if let Err(fault) = self.schema.validate(&json) {
                    panic!("{fault}: {json:#}");
                }
                json.as_object_mut().unwrap().remove("version");
                json.as_object_mut().unwrap().remove("judged_to");
                self.topic.insert(alert.key, json);
            }
        }
    }

    pub fn standing(&self) -> Vec<Value> {
        self.topic.values().filter(|alert| alert["withdrawn"] == false).cloned().collect()
    }

    pub fn firing(&self, id: &str) -> &Value {
        let of =
            |(key, alert): &(&String, &Value)| key.starts_with(id) && alert["state"] == "firing";
        let found = self.topic.iter().find(of).map(|(_, alert)| alert);
        found.unwrap_or_else(|| panic!("{id} of {:#?}", self.topic))
    }

    /// How every watched stream reads.
    pub fn readings(&self) -> BTreeMap<(String, String), String> {
        let all = self.rollups.iter().flat_map(Rollup::readings);
        let one = |(segment, reading): (&Segment, &Reading)| {
            ((segment.to_string(), reading.signal.as_str().to_owned()), format!("{reading:?}"))
        };
        let count = self.rollups.iter().flat_map(Rollup::readings).count();
        let out: BTreeMap<_, _> = all.map(one).collect();
        assert_eq!(out.len(), count, "each is judged once");
        out
    }
}

pub const SETS: &str =
    "[\"overall\", \"territory\", \"channel\", \"rep\", [\"territory\", \"channel\"]]";

/// A deal won of so many euros.
pub fn sized(euros: i128) -> MeasureKey {
    let currency = Currency::parse("EUR").unwrap();
    size::key(Measure::WonSizes, currency, Exact::whole(euros)).unwrap()
}

/// Ten deals of a day, whose chance of winning is by day and place.
pub fn deals(seed: u64, chance: impl Fn(i32, &str, &str, usize) -> f64) -> Vec<Fact> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut out = Vec::new();
    for day in 0..DAYS {
        for _ in 0..16 {
            let territory = ["east", "north", "south", "west"][dice.random_range(0..4)];
            let channel = ["event", "referral", "web"][dice.random_range(0..3)];
            let rep = dice.random_range(0..8usize);
            let won = dice.random_bool(chance(day, territory, channel, rep));
            let who = [
                ("territory", territory.to_owned()),
                ("channel", channel.to_owned()),
                ("rep", format!("r{rep}")),
            ];
            let days = dice.random_range(5..80);
            let key = MeasureKey::plain(if won { Measure::DealsWon } else { Measure::DealsLost });
            if won {
                let key = MeasureKey::days(Measure::CycleWon, days);
                out.push(Fact { day, who: who.clone(), key, n: 1 });
                let amount = 4_000 + 150 * i128::from(days) - 20 * i128::from(day);
                out.push(Fact { day, who: who.clone(), key: sized(amount), n: 1 });
            }
            out.push(Fact { day, who, key, n: 1 });
        }
    }
    out
}

/// The north falls, and no other territory.
pub fn north_falls(day: i32, territory: &str, _: &str, _: usize) -> f64 {
    if day >= QUIET && territory == "north" { 0.12 } else { 0.5 }
}

pub fn told(config: &Config, facts: &[Fact]) -> Fleet {
    let mut fleet = Fleet::new(config);
    for cell in fleet.cells(facts, 1) {
        fleet.send(&cell);
    }
    fleet.close(DAYS);
    fleet
}
