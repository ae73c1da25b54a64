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

/// Copies on the topic that another kin wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Strays {
    /// There may be some, and rollups that run with that kin may judge by them.
    Unsaid,
    /// Those were told that the shard has another kin: nothing is judged by them any more.
    Said,
    None,
}

impl Strays {
    /// The kin that an image tells of.
    pub fn kin(self, kin: &Kin) -> u64 {
        if self == Strays::None { kin.hash() } else { 0 }
    }
}

/// The topic, for as long as something is written to it.
pub(super) struct Partials<'a> {
    pub writer: &'a mut dyn Writer,
    pub topic: &'a Arc<str>,
    pub definition: &'a Definition,
    pub kin: &'a Kin,
    /// That of all who may have had copies sent elsewhere, while that is not made good.
    pub before: Option<&'a Kin>,
    /// Whether cells delete those copies: rollups with other rules were told that these are not theirs.
    pub deletes: bool,
}

impl Partials<'_> {
    /// A cell, to the partition of its segment, and to those that judge by it. Days before `floor` have
    /// no flows any more, and nobody judges by what lasts.
    pub fn cell(&mut self, partial: Partial, floor: i32, headers: &[Header]) -> Result<(), Fault> {
        let partition = partial.segment.partition(self.definition.partitions);
        let copy = self.kin.copy(&partial);
        let strays =
            if self.deletes { self.strays(&partial.segment, partial.slice) } else { Vec::new() };
        let key = copy_key(partial.shard, &partial.segment, partial.slice);
        let message = PartialMessage::Cell(partial);
        self.send(partition, message.key(), Some(message.encode()), headers)?;
        for partition in strays {
            self.send(partition, key.clone(), None, &[])?;
        }
        let Some((copy, at)) = copy else { return Ok(()) };
        let is_over = copy.slice.index < floor && copy.measures.is_zero();
        let value = (!is_over).then(|| PartialMessage::Copy(copy).encode());
        for partition in at {
            self.send(partition, key.clone(), value.clone(), &[])?;
        }
        Ok(())
    }

    /// A cell is no more, nor are its copies.
    pub fn gone(&mut self, shard: u32, segment: &Segment, slice: Slice) -> Result<(), Fault> {
        let partition = segment.partition(self.definition.partitions);
        self.send(partition, cell_key(shard, segment, slice), None, &[])?;
        let copies = (slice.tier == Tier::Day).then(|| self.kin.wanted_at(segment));
        let strays = self.strays(segment, slice);
        for partition in copies.into_iter().flatten().chain(strays) {
            self.send(partition, copy_key(shard, segment, slice), None, &[])?;
        }
        Ok(())
    }

    /// Where copies may lie that nobody wants.
    fn strays(&self, segment: &Segment, slice: Slice) -> Vec<Partition> {
        let Some(before) = self.before.filter(|_| slice.tier == Tier::Day) else {
            return Vec::new();
        };
        let (mut at, wanted) = (before.wanted_at(segment), self.kin.wanted_at(segment));
        at.retain(|partition| !wanted.contains(partition));
        at
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
