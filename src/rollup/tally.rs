//! Numbers by day, of which sums over any days are asked for.

use std::collections::BTreeMap;

/// A number by day, summed up to a day: beside the days it keeps sums of blocks of them, so asking
/// costs some days and the later blocks, wherever the day lies.
#[derive(Debug, Default)]
pub struct Tally {
    days: BTreeMap<i32, i128>,
    blocks: BTreeMap<i32, i128>,
    total: i128,
}

/// Days of a block, as a power of 2.
const BLOCK: u32 = 6;

impl Tally {
    /// Adds to a day.
    pub fn add(&mut self, day: i32, n: i128) {
        self.total += n;
        for (sums, at) in [(&mut self.days, day), (&mut self.blocks, day >> BLOCK)] {
            let held = sums.entry(at).or_default();
            *held += n;
            if *held == 0 {
                sums.remove(&at);
            }
        }
    }

    /// Up to the end of a day. What is later is taken off.
    pub fn upto(&self, day: i32) -> i128 {
        let block = day >> BLOCK;
        let blocks = self.blocks.range(block + 1..).map(|(_, n)| n);
        let next = (block + 1) << BLOCK;
        let days = self.days.range(day.saturating_add(1).min(next)..next).map(|(_, n)| n);
        self.total - blocks.chain(days).sum::<i128>()
    }

    /// From one day to another, both included.
    pub fn between(&self, first: i32, last: i32) -> i128 {
        if first > last { 0 } else { self.upto(last) - self.upto(first.saturating_sub(1)) }
    }
}
