//! How the embedded log forgets: superseded records, tombstones, retention.

use std::time::Duration;

use super::codec::{self, Place, named};
use super::store::broken;
use super::{Inner, Topic};
use crate::log::{Bounds, Cleanup, LogError, Offset, Result, TopicPartition};

/// How often writers look for superseded records that are due.
const SWEEP_EVERY_MS: i64 = 1_000;
/// How often writers look for records past their retention.
const RETAIN_EVERY_MS: i64 = 60_000;
/// Most removals in one pass, so that upkeep does not hold up the writer that does it.
const PASS: usize = 10_000;

/// When upkeep is due next. Whoever holds it may change records.
#[derive(Default)]
pub(super) struct Upkeep {
    sweep_at_ms: i64,
    retain_at_ms: i64,
    /// Notes due before this have been worked off: a search from the first note would wade through
    /// all the removed ones.
    swept_to_ms: i64,
}

impl Inner {
    /// Does what is due.
    pub(super) fn tidy(&self, upkeep: &mut Upkeep, now_ms: i64) -> Result<()> {
        // A clock that was set back must not stop the upkeep for long.
        let due = |at: i64, every: i64| now_ms >= at || now_ms + every < at;
        if due(upkeep.sweep_at_ms, SWEEP_EVERY_MS) {
            let more = self.sweep(&mut upkeep.swept_to_ms, now_ms)?;
            upkeep.sweep_at_ms = if more { now_ms } else { now_ms + SWEEP_EVERY_MS };
        }
        if due(upkeep.retain_at_ms, RETAIN_EVERY_MS) {
            let more = self.retain(now_ms)?;
            upkeep.retain_at_ms = if more { now_ms } else { now_ms + RETAIN_EVERY_MS };
        }
        Ok(())
    }

    /// Removes all that is superseded, due or not.
    pub(super) fn sweep_all(&self) -> Result<()> {
        let _changing = self.upkeep();
        let mut from = 0;
        while self.sweep(&mut from, i64::MAX)? {}
        Ok(())
    }

    /// Removes all that is past its retention.
    pub(super) fn retain_all(&self) -> Result<()> {
        let _changing = self.upkeep();
        while self.retain((self.clock)())? {}
        Ok(())
    }

    /// Works off notes due by `now_ms`; whether there are more. `from` moves behind them.
    fn sweep(&self, from_ms: &mut i64, now_ms: i64) -> Result<bool> {
        let mut write = self.store.write();
        let mut passed = 0;
        let mut kept_from = None;
        for entry in self.store.stale.range(codec::due(*from_ms)..) {
            let (note, kind) = entry.into_inner().map_err(broken)?;
            let (due_ms, place, offset) = codec::parse_stale(&note)?;
            if due_ms > now_ms || passed == PASS {
                kept_from = kept_from.or(Some(due_ms));
                break;
            }
            passed += 1;
            let tombstone = kind.first() == Some(&1);
            if tombstone && !self.forget_key(&mut write, place, offset)? {
                kept_from = kept_from.or(Some(due_ms));
                continue;
            }
            write.remove_record(place, offset);
            write.remove_note(&note);
        }
        write.commit()?;
        *from_ms = kept_from.unwrap_or(now_ms).min(now_ms);
        Ok(passed == PASS)
    }

    /// Forgets the key of a tombstone that is still the newest of its key. False where the
    /// tombstone has to stay, since it is the last record of its partition.
    fn forget_key(
        &self,
        write: &mut super::store::Write<'_>,
        place: Place,
        offset: u64,
    ) -> Result<bool> {
        let topic = self.all_topics().into_iter().find(|t| t.id == place.topic);
        let topic = topic.ok_or_else(|| codec::damaged("a note names no topic"))?;
        let end = topic.bounds().get(place.partition as usize).map(|b| b.end);
        if end == Some(Offset(offset).next()) {
            return Ok(false);
        }
        let Some(bytes) = self.store.records.get(place.record(offset)).map_err(broken)? else {
            return Ok(true);
        };
        let record = codec::parse_record(&named(&topic.name, place.partition), offset, &bytes)?;
        let key = place.newest(record.key.as_deref().unwrap_or_default());
        let newest = self.store.newest.get(&key).map_err(broken)?;
        if newest.map(|n| codec::parse_offset(&n)).transpose()? == Some(offset) {
            write.remove_newest(&key);
        }
        Ok(true)
    }

    /// One pass over all topics with a retention; whether there is more to do.
    fn retain(&self, now_ms: i64) -> Result<bool> {
        let mut more = false;
        for topic in self.all_topics() {
            let Cleanup::Delete { retention: Some(retention) } = topic.spec.cleanup else {
                continue;
            };
            for partition in 0..topic.spec.partitions {
                more |= self.retain_partition(&topic, partition, now_ms, retention)?;
            }
        }
        Ok(more)
    }

    fn retain_partition(
        &self,
        topic: &Topic,
        partition: u32,
        now_ms: i64,
        retention: Duration,
    ) -> Result<bool> {
        let oldest_ms = now_ms.saturating_sub_unsigned(retention.as_millis() as u64);
        let place = topic.place(partition);
        let Bounds { start, end } = topic.bounds()[partition as usize];
        let mut past = start;
        let mut passed = 0;
        for entry in self.store.records.range(place.record(start.0)..place.record(end.0)).take(PASS)
        {
            let (key, value) = entry.into_inner().map_err(broken)?;
            if codec::timestamp_of(&value)? >= oldest_ms {
                break;
            }
            past = Offset(codec::offset_of(&key)?).next();
            passed += 1;
        }
        self.cut(topic, partition, past)?;
        Ok(passed == PASS)
    }

    /// Drops everything of a partition below `start`.
    pub(super) fn truncate(&self, of: &TopicPartition, start: Offset) -> Result<()> {
        let _changing = self.upkeep();
        let topic = self.topic(&of.topic).filter(|t| of.partition.0 < t.spec.partitions);
        let topic = topic.ok_or_else(|| LogError::NoSuchPartition(of.clone()))?;
        self.cut(&topic, of.partition.0, start)
    }

    fn cut(&self, topic: &Topic, partition: u32, start: Offset) -> Result<()> {
        let place = topic.place(partition);
        let Bounds { start: was, end } = topic.bounds()[partition as usize];
        let start = start.min(end);
        if start <= was {
            return Ok(());
        }
        let mut write = self.store.write();
        for entry in self.store.records.range(place.record(was.0)..place.record(start.0)) {
            write.remove_record(place, codec::offset_of(&entry.key().map_err(broken)?)?);
        }
        let bounds = Bounds { start, end };
        write.bounds(place, bounds);
        // Published before the records go: a reader that misses one finds out why.
        topic.bounds()[partition as usize] = bounds;
        write.commit()
    }
}
