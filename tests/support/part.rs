//! A rollup that is told of cells, what it published, and made-up sales for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use serde_json::Value;
use tidemark::config::Config;
use tidemark::model::definition::Definition;
use tidemark::model::kin::Kin;
use tidemark::model::measure::{Measure, MeasureKey, Measures};
use tidemark::model::partial::{Partial, PartialMessage, ShardBeat};
use tidemark::model::record::{Offset, Partition};
use tidemark::model::segment::Segment;
use tidemark::model::slice::{Slice, Tier};
use tidemark::model::time::{Day, Span, Timestamp};
use tidemark::model::watermark::Doubt;
use tidemark::rollup::{DueAlert, Rollup};

pub const SHARDS: u32 = 2;
pub const FIRST: &str = "2026-01-05";
/// Days until the win rate falls, and days after.
pub const QUIET: i32 = 100;
pub const FALLEN: i32 = 30;

pub fn config(extra: &str) -> Config {
    let text = format!(
        "[topology]\nshards = {SHARDS}\npartitions = 1\n[segments]\nsets = [\"overall\", \"rep\"]\n\
         [drift]\nkpis = [\"win_rate\"]\n{extra}"
    );
    Config::from_toml(&text, "test", std::iter::empty()).unwrap_or_else(|e| panic!("{e}"))
}

pub fn first() -> i32 {
    Day::parse(FIRST).unwrap().0
}

/// A rollup that is told of cells, and what it published.
pub struct Part {
    pub rollup: Rollup,
    pub definition: Arc<Definition>,
    pub offset: u64,
    pub kin: Kin,
    pub topic: BTreeMap<String, String>,
}

impl Part {
    pub fn new(config: &Config, seen: &BTreeMap<String, String>) -> Part {
        let definition = Arc::new(config.definition.clone());
        let start = definition.calendar.start_of(Day(first()));
        let mut rollup = Rollup::new(definition.clone(), Partition(0), start);
        rollup = rollup.watching(&config.drift);
        seen.iter().for_each(|(key, json)| rollup.seen_alert(key, json.as_bytes()));
        let kin = Kin::of(&config.drift, definition.partitions);
        Part { rollup, definition, offset: 0, kin, topic: seen.clone() }
    }

    pub fn cell(&mut self, shard: u32, version: u64, day: i32, won: i128, lost: i128) {
        let count = |measure, n| (MeasureKey::plain(measure), n);
        self.merge(
            shard,
            version,
            day,
            [count(Measure::DealsWon, won), count(Measure::DealsLost, lost)],
        );
    }

    /// A cohort of ten, of which so many were won within ten days.
    pub fn cohort(&mut self, day: i32, won: i128) {
        let created = (MeasureKey::plain(Measure::DealsCreated), 10);
        self.merge(0, 1, day, [created, (MeasureKey::days(Measure::CohortWon, 10), won)]);
    }

    pub fn merge(&mut self, shard: u32, version: u64, day: i32, cells: [(MeasureKey, i128); 2]) {
        let measures: Measures = cells.into_iter().collect();
        let slice = Slice { tier: Tier::Day, index: first() + day };
        let partial = Partial { shard, version, segment: Segment::overall(), slice, measures };
        self.offset += 1;
        self.rollup.merge(Offset(self.offset), PartialMessage::Cell(partial));
    }

    /// Every shard is complete up to the start of a day. Returns what is new on the topic.
    pub fn close(&mut self, day: i32) -> Vec<DueAlert> {
        self.close_with(day, Vec::new())
    }

    pub fn close_with(&mut self, day: i32, doubts: Vec<Doubt>) -> Vec<DueAlert> {
        self.close_upto(self.early_on(day), &doubts)
    }

    pub fn close_at(&mut self, watermark: Timestamp) -> Vec<DueAlert> {
        self.close_upto(watermark, &[])
    }

    pub fn close_upto(&mut self, watermark: Timestamp, doubts: &[Doubt]) -> Vec<DueAlert> {
        (0..SHARDS).for_each(|shard| self.beat_at(shard, watermark, doubts.to_vec()));
        self.rollup.tick(watermark);
        self.told()
    }

    pub fn early_on(&self, day: i32) -> Timestamp {
        self.definition.calendar.start_of(Day(first() + day)) + Span::minutes(1)
    }

    /// One shard is complete up to the start of a day.
    pub fn beat(&mut self, shard: u32, day: i32, doubts: Vec<Doubt>) {
        self.beat_at(shard, self.early_on(day), doubts);
    }

    pub fn beat_at(&mut self, shard: u32, watermark: Timestamp, doubts: Vec<Doubt>) {
        self.offset += 1;
        let beat = ShardBeat {
            shard,
            shards: SHARDS,
            version: self.offset,
            watermark: Some(watermark),
            holder: None,
            doubts,
            fine_floor: i32::MIN,
            definition: self.definition.hash(),
            kin: self.kin.judging(),
            alive: None,
        };
        self.rollup.merge(Offset(self.offset), PartialMessage::Beat(beat));
    }

    pub fn told(&mut self) -> Vec<DueAlert> {
        let due = self.rollup.decide();
        for alert in &due {
            assert_eq!(alert.partition, Partition(0));
            self.topic.insert(alert.key.clone(), alert.json.clone());
        }
        due
    }

    /// How what was told is over, each once, none of it withdrawn.
    pub fn ends(&self) -> Vec<String> {
        self.standing().iter().map(|a| a["end"].as_str().unwrap_or("open").to_owned()).collect()
    }

    /// What stands on the topic, without what it is ordered by, but for what was taken back.
    pub fn standing(&self) -> Vec<Value> {
        let read = |json: &String| -> Value { serde_json::from_str(json).unwrap() };
        let mut out: Vec<Value> = self.topic.values().map(read).collect();
        out.retain(|alert| alert["withdrawn"] == false);
        for alert in &mut out {
            let alert = alert.as_object_mut().unwrap();
            alert.remove("version");
            alert.remove("judged_to");
        }
        out
    }
}

/// Won and lost of each day, by seed: ten deals a day, half of them won, then a fifth.
pub fn sales(seed: u64) -> Vec<(i128, i128)> {
    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..QUIET + FALLEN)
        .map(|day| {
            let chance = if day < QUIET { 0.5 } else { 0.2 };
            let won = (0..10).filter(|_| dice.random_bool(chance)).count() as i128;
            (won, 10 - won)
        })
        .collect()
}

pub fn live(part: &mut Part, sales: &[(i128, i128)]) {
    for (day, (won, lost)) in sales.iter().enumerate() {
        let day = day as i32;
        part.cell(day as u32 % SHARDS, 1, day, *won, *lost);
        part.close(day + 1);
    }
}
