//! Where intake goes on in a partition, and what it does where it cannot.

use std::collections::BTreeMap;

use super::{Intaker, Part};
use crate::config::OnGap;
use crate::intake::{Breaker, BreakerLimits, Stored, encode_lost, lost_key, read_stored};
use crate::log::{Bounds, Offset, Outgoing, Partition, Position, TopicPartition};
use crate::model::watermark::Lost;
use crate::runtime::{Fault, read_through, record_before};
use crate::telemetry::Stage;

/// How much of a shard is searched for intake's newest word: it is told every few seconds.
const TAIL: u64 = 50_000;

/// Why the position that the group committed is not where to go on.
enum Gap {
    /// Retention took what was to be read next.
    Trimmed,
    /// The topic holds other records than those that were read, or fewer.
    Replaced,
}

impl Intaker {
    /// A partition from where the group left it; one that stands still where that is gone and the
    /// config does not say to skip.
    pub(super) fn resume(
        &mut self,
        partition: &TopicPartition,
        committed: Option<Position>,
        told: Option<Position>,
    ) -> Result<Part, Fault> {
        let bounds = self.reader.bounds(partition)?;
        // Brokers forget a group that was away for long, and the offsets of a deleted topic: what
        // intake told the shards says whether something is missing. If not, all is taken in again.
        let start = Position::from(bounds.start);
        let Some(at) = committed.or(told) else {
            return Ok(self.part(start));
        };
        let Some(gap) = self.gap(partition, at, bounds)? else {
            return Ok(self.part(committed.unwrap_or(start)));
        };
        let what = match gap {
            Gap::Trimmed => format!(
                "the topic's retention passed us: offsets {} to {} were deleted before they were read",
                at.next,
                bounds.start.0.saturating_sub(1)
            ),
            Gap::Replaced => format!(
                "the topic was deleted and created anew, or lost acknowledged records: what stands \
                 before offset {} is not what was read there, and it holds {}..{}",
                at.next, bounds.start, bounds.end
            ),
        };
        match self.context.config.intake.on_gap {
            OnGap::Stop => {
                let mut part = self.part(at);
                let mend = "have them sent again if you can, then set intake.on_gap = \"skip\" and \
                            restart to go on with what is there";
                self.halt(partition, &mut part, format!("{what}; {mend}"));
                Ok(part)
            }
            OnGap::Skip => {
                tracing::error!(stage = "intake", %partition, from = at.next.0, to = bounds.start.0,
                    "skipped as intake.on_gap asks: {what}");
                self.tell_of_loss(partition, at.next, bounds.start)?;
                Ok(self.part(Position::from(bounds.start)))
            }
        }
    }

    fn part(&self, at: Position) -> Part {
        let limits = &self.context.config.intake;
        Part {
            next: at.next,
            mark: at.mark,
            latest: None,
            sent: None,
            quiet_since: (self.context.timer)(),
            breaker: Breaker::new(BreakerLimits {
                in_a_row: limits.breaker_in_a_row,
                percent: limits.breaker_percent,
                window: limits.breaker_window,
            }),
            stopped: None,
            waits: false,
            end: None,
        }
    }

    /// Where intake stood in each source partition, by its newest word to the first shard.
    pub(super) fn last_told(&self) -> Result<BTreeMap<TopicPartition, Position>, Fault> {
        let at = TopicPartition { topic: self.events.clone(), partition: Partition(0) };
        let mut reader = self.context.log.reader()?;
        let bounds = reader.bounds(&at)?;
        let from = Offset(bounds.end.0.saturating_sub(TAIL)).max(bounds.start);
        let mut told = BTreeMap::new();
        read_through(&self.context, &mut *reader, &at, Some(from), &mut || Ok(true), |record| {
            if let Ok(Stored::Beat(beat)) =
                read_stored(&record, self.context.config.definition.dates())
            {
                let place = TopicPartition::new(beat.topic.as_str(), beat.partition);
                told.insert(place, Position { next: Offset(beat.next), mark: beat.mark });
            }
            Ok(())
        })?;
        Ok(told)
    }

    /// Stops a partition: nothing of it is read, committed or said to be complete any more, and the
    /// others go on.
    pub(super) fn halt(&self, partition: &TopicPartition, part: &mut Part, why: String) {
        tracing::error!(stage = "intake", %partition, at = part.next.0, "stands still: {why}");
        self.context.telemetry.stopped(Stage::Intake, &partition.to_string());
        part.stopped = Some(format!("{partition} stands still at offset {}: {why}", part.next));
    }

    fn gap(
        &mut self,
        partition: &TopicPartition,
        at: Position,
        bounds: Bounds,
    ) -> Result<Option<Gap>, Fault> {
        if at.next < bounds.start {
            return Ok(Some(Gap::Trimmed));
        }
        if at.next > bounds.end {
            return Ok(Some(Gap::Replaced));
        }
        let Some(mark) = at.mark.filter(|_| at.next > bounds.start) else {
            return Ok(None);
        };
        let before = record_before(&self.context, &mut *self.reader, partition, at.next)?;
        // Where it is gone by compaction there is nothing to compare.
        Ok(before.filter(|record| record.mark() != mark).map(|_| Gap::Replaced))
    }

    /// Tells every shard that records were lost, so that rows say so, and the gaps topic.
    fn tell_of_loss(
        &mut self,
        partition: &TopicPartition,
        from: Offset,
        to: Offset,
    ) -> Result<(), Fault> {
        let lost = Lost {
            topic: partition.topic.to_string(),
            partition: partition.partition.0,
            from: from.0,
            to: to.0,
            until: (self.context.clock)(),
        };
        self.context.telemetry.skipped(&lost.topic, to.0.saturating_sub(from.0));
        let gaps = (self.context.topics.gaps.as_str().into(), Partition(0));
        let shards = self.context.config.definition.shards;
        let shards = (0..shards).map(|shard| (self.events.clone(), Partition(shard)));
        for (topic, partition) in shards.chain([gaps]) {
            self.writer.send(Outgoing {
                topic,
                partition,
                key: Some(lost_key(&lost).into_bytes()),
                value: Some(encode_lost(&lost)),
                headers: Vec::new(),
            })?;
        }
        self.uncommitted = true;
        Ok(())
    }
}
