//! What a shard says on the partials topic, and where.

use std::sync::Arc;

use super::Fault;
use crate::log::{Header, Outgoing, Writer};
use crate::model::definition::Definition;
use crate::model::kin::Kin;
use crate::model::partial::{Partial, PartialMessage, ShardBeat, cell_key, copy_key};
use crate::model::record::Partition;
use crate::model::segment::Segment;
use crate::model::slice::{Slice, Tier};

/// The topic, for as long as something is written to it.
pub(super) struct Partials<'a> {
    pub writer: &'a mut dyn Writer,
    pub topic: &'a Arc<str>,
    pub definition: &'a Definition,
    pub kin: &'a Kin,
}

impl Partials<'_> {
    /// A cell, to the partition of its segment, and to those that judge by it.
    pub fn cell(&mut self, partial: Partial, headers: &[Header]) -> Result<(), Fault> {
        let partition = partial.segment.partition(self.definition.partitions);
        let copy = self.kin.copy(&partial);
        let message = PartialMessage::Cell(partial);
        self.send(partition, message.key(), Some(message.encode()), headers)?;
        let Some((copy, at)) = copy else { return Ok(()) };
        let message = PartialMessage::Copy(copy);
        for partition in at {
            self.send(partition, message.key(), Some(message.encode()), &[])?;
        }
        Ok(())
    }

    /// A cell is no more, nor are its copies.
    pub fn gone(&mut self, shard: u32, segment: &Segment, slice: Slice) -> Result<(), Fault> {
        let partition = segment.partition(self.definition.partitions);
        self.send(partition, cell_key(shard, segment, slice), None, &[])?;
        let copies = (slice.tier == Tier::Day).then(|| self.kin.wanted_at(segment));
        for partition in copies.into_iter().flatten() {
            self.send(partition, copy_key(shard, segment, slice), None, &[])?;
        }
        Ok(())
    }

    /// Progress, to everyone.
    pub fn beat(&mut self, progress: ShardBeat) -> Result<(), Fault> {
        let message = PartialMessage::Beat(progress);
        for p in 0..self.definition.partitions {
            self.send(Partition(p), message.key(), Some(message.encode()), &[])?;
        }
        Ok(())
    }

    fn send(
        &mut self,
        partition: Partition,
        key: String,
        value: Option<Vec<u8>>,
        headers: &[Header],
    ) -> Result<(), Fault> {
        let (topic, key) = (self.topic.clone(), Some(key.into_bytes()));
        let headers = headers.to_vec();
        Ok(self.writer.send(Outgoing { topic, partition, key, value, headers })?)
    }
}
