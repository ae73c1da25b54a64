//! Replay: the same three folds over a file, in memory, without a log, a clock, or a thread. The
//! answer to "what would the board have shown", and the bench for every law.

use std::sync::Arc;

use crate::intake::{Decoder, Intake};
use crate::ledger::{Ledger, Publication};
use crate::model::deadletter::DeadLetter;
use crate::model::definition::Definition;
use crate::model::event::shard_of;
use crate::model::partial::{PartialMessage, cell_key};
use crate::model::record::{Offset, Partition, Record};
use crate::model::row::Row;
use crate::model::slice::Tier;
use crate::model::time::{Day, Timestamp};
use crate::model::watermark::Heartbeat;
use crate::model::zones::ZoneId;
use crate::rollup::Rollup;

/// Events between two progress records: fine slices behind the retention are let go meanwhile.
const PROGRESS_EVERY: u64 = 65_536;

/// What a replay counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records read.
    pub records: u64,
    /// Events folded.
    pub events: u64,
    /// Events that lie behind `--as-of`, left out.
    pub after_as_of: u64,
    /// Records, or elements of records, that told of nothing that is read.
    pub ignored: u64,
    /// Test events dropped.
    pub test: u64,
    /// Events that stated nothing new.
    pub repeated: u64,
    /// Events whose stage the stage table does not know.
    pub unknown_stages: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Rows written.
    pub rows: u64,
}

/// A replay under way.
pub struct Replay {
    definition: Arc<Definition>,
    decoder: Decoder,
    as_of: Option<Timestamp>,
    /// Against which the far future is refused, as a running pipeline does.
    now: Option<Timestamp>,
    ledgers: Vec<Ledger>,
    /// Next offset a shard.
    offsets: Vec<u64>,
    latest: Option<Timestamp>,
    counts: Counts,
}

impl Replay {
    /// A replay of a definition. Its day slices are kept for ever, so that every window of the
    /// file is whole. With `as_of`, events behind it are left out and windows stand there.
    pub fn new(mut definition: Definition, decoder: Decoder, as_of: Option<Timestamp>) -> Replay {
        definition.retention.days = None;
        let definition = Arc::new(definition);
        let shards = definition.shards;
        Replay {
            ledgers: (0..shards).map(|s| Ledger::new(definition.clone(), Partition(s))).collect(),
            offsets: vec![0; shards as usize],
            definition,
            decoder,
            as_of,
            now: None,
            latest: None,
            counts: Counts::default(),
        }
    }

    /// Refuses events further ahead of `now` than the limit of the decoder.
    pub fn at(mut self, now: Timestamp) -> Replay {
        self.now = Some(now);
        self
    }

    /// Folds one record; returns its dead letters.
    pub fn feed(&mut self, record: &Record) -> Vec<DeadLetter> {
        let Intake { events, dead_letters, test, ignored, .. } =
            self.decoder.take(record, self.now);
        self.counts.records += 1;
        self.counts.ignored += ignored.len() as u64;
        self.counts.test += u64::from(test);
        self.counts.dead_letters += dead_letters.len() as u64;
        for event in &events {
            if self.as_of.is_some_and(|limit| event.time > limit) {
                self.counts.after_as_of += 1;
                continue;
            }
            let shard = shard_of(&event.key(), self.definition.shards).0 as usize;
            let applied = self.ledgers[shard].apply(Offset(self.offsets[shard]), event);
            self.offsets[shard] += 1;
            self.counts.events += 1;
            self.counts.repeated += u64::from(applied.verdict == crate::ledger::Verdict::Repeated);
            self.counts.unknown_stages += u64::from(applied.unknown_stage);
            self.latest = self.latest.max(Some(event.time));
            if self.counts.events.is_multiple_of(PROGRESS_EVERY) {
                self.progress(self.latest);
            }
        }
        dead_letters
    }

    fn progress(&mut self, watermark: Option<Timestamp>) {
        let Some(watermark) = watermark else { return };
        let beat = Heartbeat {
            topic: "replay".into(),
            partition: 0,
            topology: vec![("replay".into(), 1)],
            watermark,
            idle: false,
            next: 0,
            newest: Some(watermark),
            mark: None,
        };
        for (ledger, offset) in self.ledgers.iter_mut().zip(&mut self.offsets) {
            ledger.beat(Offset(*offset), &beat);
            *offset += 1;
        }
    }

    /// Ends the replay: gives the final row of every (window, segment). Calendar windows run from
    /// the first event to the last, rolling windows of days have one row a day, shorter rolling
    /// and to-date windows one where the replay ends.
    pub fn finish(mut self, mut write: impl FnMut(Row)) -> Counts {
        let Some(end) = self.as_of.or(self.latest) else {
            return self.counts;
        };
        self.progress(Some(end));
        let parts: Vec<_> = self.ledgers.iter_mut().map(Ledger::publish).collect();
        // An event may date what it tells of before itself, so the cells say where to begin.
        let calendar = &self.definition.calendar;
        let cells = parts.iter().flat_map(|p| &p.cells).filter(|c| c.slice.tier == Tier::Day);
        let begin = cells.map(|c| Day(c.slice.index)).min();
        let begin = begin.unwrap_or_else(|| calendar.day_of(end));
        let now = Timestamp(self.first_to_begin(begin).0 + 1);
        let mut rollups: Vec<Rollup> = (0..self.definition.partitions)
            .map(|p| Rollup::new(self.definition.clone(), Partition(p), now))
            .collect();
        let mut offset = Offset(0);
        for (ledger, out) in self.ledgers.iter().zip(parts) {
            merge_all(ledger, out, &mut rollups, &mut offset);
        }
        let mut rows = 0;
        let mut count = |row: Row| {
            rows += 1;
            write(row);
        };
        for rollup in &mut rollups {
            self.walk(rollup, begin, end, &mut count);
            rollup.calendar_rows(begin).for_each(&mut count);
        }
        self.counts.rows = rows;
        self.counts
    }

    /// Moves a rollup through time, from the end of a day to that of the next, of whichever zone.
    fn walk(&self, rollup: &mut Rollup, begin: Day, end: Timestamp, write: &mut impl FnMut(Row)) {
        // The instant of the last event is inside the last window, not behind it.
        let end = if self.as_of.is_some() { end } else { Timestamp(end.0 + 1) };
        if self.first_to_begin(begin) >= end {
            return;
        }
        for (now, zone) in self.ends_of_days(begin, end) {
            rollup.tick(now);
            rollup.day_panes(zone).into_iter().for_each(&mut *write);
        }
        rollup.tick(end);
        rollup.pane_rows(false).into_iter().for_each(&mut *write);
    }

    /// When a day begins in the first of the zones.
    fn first_to_begin(&self, day: Day) -> Timestamp {
        let zones = self.definition.zones.ids();
        let starts = zones.map(|zone| self.definition.calendar_at(zone).start_of(day));
        starts.min().unwrap_or_else(|| self.definition.calendar.start_of(day))
    }

    /// When days end before `end`, and of which zone they are, in order.
    fn ends_of_days(&self, begin: Day, end: Timestamp) -> Vec<(Timestamp, ZoneId)> {
        let of = |zone| {
            let calendar = self.definition.calendar_at(zone);
            let days = (begin.0..).map(|day| calendar.start_of(Day(day + 1)));
            days.take_while(|at| *at < end).map(move |at| (at, zone))
        };
        let mut out: Vec<_> = self.definition.zones.ids().flat_map(of).collect();
        out.sort_unstable();
        out
    }
}

fn merge_all(ledger: &Ledger, out: Publication, rollups: &mut [Rollup], offset: &mut Offset) {
    for partial in out.cells {
        let partition = partial.segment.partition(rollups.len() as u32).0 as usize;
        rollups[partition].merge(*offset, PartialMessage::Cell(partial));
        *offset = offset.next();
    }
    for (segment, slice) in out.expired {
        let partition = segment.partition(rollups.len() as u32).0 as usize;
        let shard = ledger.progress().shard;
        rollups[partition].forget(*offset, &cell_key(shard, &segment, slice));
    }
    for rollup in rollups {
        rollup.merge(*offset, PartialMessage::Beat(ledger.progress()));
    }
}
