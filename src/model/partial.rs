//! Partials: what crosses from the ledger to the rollup.
//!
//! A shard publishes the whole value of a cell, stamped with the events offset that it is the fold
//! of; the rollup keeps the highest version a shard. So duplicates, replays and zombies change
//! nothing: the merge is a join-semilattice. Versioned postcard on the wire.

use serde::{Deserialize, Serialize};

use super::alive::Alive;
use super::measure::Measures;
use super::record::Offset;
use super::segment::Segment;
use super::slice::Slice;
use super::time::Timestamp;
use super::watermark::{Doubt, Holder};

/// First byte of every value on the partials topic; raised when the layout changes.
const FORMAT: u8 = 3;

/// What writing a message relies on.
const PLAIN: &str = "plain data always serializes into memory";

/// Bits of a version that hold the offset; the epoch stands above them.
const OFFSET_BITS: u32 = 44;

/// The version of what a shard publishes: the events offset that it is the fold of, below the epoch
/// of its reference data. A shard that counts by another directory or stage table begins an epoch,
/// because the same offset then has other values.
pub fn version(epoch: u64, next: Offset) -> u64 {
    (epoch << OFFSET_BITS) | next.0.min((1 << OFFSET_BITS) - 1)
}

/// The epoch of a version.
pub fn epoch_of(version: u64) -> u64 {
    version >> OFFSET_BITS
}

/// The events offset of a version.
pub fn offset_of(version: u64) -> u64 {
    version & ((1 << OFFSET_BITS) - 1)
}

/// The lowest version of an epoch.
pub fn first_of(epoch: u64) -> u64 {
    epoch << OFFSET_BITS
}

/// The value of one cell in one shard, absolute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// Shard that it is of.
    pub shard: u32,
    /// Epoch and events offset behind which it was computed ([`version`]): a higher one supersedes.
    pub version: u64,
    /// Segment of the cell.
    pub segment: Segment,
    /// Slice of the cell.
    pub slice: Slice,
    /// Its whole value.
    pub measures: Measures,
}

/// How far a shard's event time is complete, written to every partials partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardBeat {
    /// Shard.
    pub shard: u32,
    /// Number of shards of the topology.
    pub shards: u32,
    /// Epoch and events offset at which it held ([`version`]).
    pub version: u64,
    /// Watermark of the shard; `None` while a source partition has never reported.
    pub watermark: Option<Timestamp>,
    /// The source partition that holds it there.
    pub holder: Option<Holder>,
    /// Times of which not all events are known, in order.
    pub doubts: Vec<Doubt>,
    /// The first slice of five minutes that it still keeps.
    pub fine_floor: i32,
    /// Hash of the definition that the shard runs.
    pub definition: u64,
    /// Hash of the rules of drift that its owner runs with, and sends copies for (`Kin::judging`).
    pub kin: u64,
    /// The days on which something happened in it; `None` of a shard that does not tell. It stands
    /// behind the message, where those that do not know of it do not read.
    #[serde(skip)]
    pub alive: Option<Alive>,
}

impl ShardBeat {
    /// Whether it says the same of a later offset.
    pub fn repeats(&self, before: &ShardBeat) -> bool {
        *self == ShardBeat { version: self.version, ..before.clone() }
    }
}

/// A value on the partials topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PartialMessage {
    /// A cell.
    Cell(Partial),
    /// A shard's progress.
    Beat(ShardBeat),
    /// A copy of a cell, on a partition that is not that of its segment (`Kin`).
    Copy(Partial),
}

/// Bytes that are no message of a format that we know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartialError {
    /// Written by a newer version of Tidemark.
    #[error("partial format {0} is newer than this binary knows ({FORMAT}); upgrade it")]
    Newer(u8),
    /// Written by an older version, in a layout that is not read any more.
    #[error("partial format {0} is of an older release: raise app.generation to count anew")]
    Older(u8),
    /// Not a partial.
    #[error("not a partial: {0}")]
    Broken(String),
}

impl PartialMessage {
    /// The compaction key: one a (cell, shard), and one a shard for its progress.
    pub fn key(&self) -> String {
        match self {
            PartialMessage::Cell(p) => cell_key(p.shard, &p.segment, p.slice),
            PartialMessage::Beat(b) => format!("beat|{}", b.shard),
            PartialMessage::Copy(p) => copy_key(p.shard, &p.segment, p.slice),
        }
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out = postcard::to_extend(self, out).expect(PLAIN);
        if let PartialMessage::Beat(ShardBeat { alive: Some(alive), .. }) = self {
            out = postcard::to_extend(alive, out).expect(PLAIN);
        }
        out
    }

    /// From the bytes on the wire.
    pub fn decode(bytes: &[u8]) -> Result<PartialMessage, PartialError> {
        match bytes.split_first() {
            Some((&FORMAT, body)) => {
                let broken = |e: postcard::Error| PartialError::Broken(e.to_string());
                let (mut message, rest) =
                    postcard::take_from_bytes::<PartialMessage>(body).map_err(broken)?;
                if let (PartialMessage::Beat(beat), false) = (&mut message, rest.is_empty()) {
                    beat.alive = Some(postcard::from_bytes(rest).map_err(broken)?);
                }
                Ok(message)
            }
            Some((&format, _)) if format > FORMAT && format < b' ' => {
                Err(PartialError::Newer(format))
            }
            Some((&format, _)) if (1..FORMAT).contains(&format) => Err(PartialError::Older(format)),
            _ => Err(PartialError::Broken("no format byte".to_owned())),
        }
    }
}

/// The compaction key of a cell of a shard.
pub fn cell_key(shard: u32, segment: &Segment, slice: Slice) -> String {
    format!("{:?}{}|{shard}|{segment}", slice.tier, slice.index)
}

/// What the key of a copy begins with.
const COPY: &str = "copy:";

/// The compaction key of a copy of a cell.
pub fn copy_key(shard: u32, segment: &Segment, slice: Slice) -> String {
    format!("{COPY}{}", cell_key(shard, segment, slice))
}

/// Shard and slice of the compaction key of a copy, and the text of its segment.
pub fn parse_copy_key(key: &str) -> Option<(u32, Slice, &str)> {
    parse_cell_key(key.strip_prefix(COPY)?)
}

/// Shard and slice of a compaction key, and the text of its segment.
pub fn parse_cell_key(key: &str) -> Option<(u32, Slice, &str)> {
    use super::slice::Tier;
    let mut parts = key.splitn(3, '|');
    let slice = parts.next()?;
    let shard = parts.next()?.parse().ok()?;
    let segment = parts.next()?;
    let (tier, index) = match slice.strip_prefix("Fine") {
        Some(index) => (Tier::Fine, index),
        None => (Tier::Day, slice.strip_prefix("Day")?),
    };
    Some((shard, Slice { tier, index: index.parse().ok()? }, segment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::slice::Tier;

    #[test]
    fn messages_round_trip_and_foreign_bytes_are_refused() {
        let slice = Slice { tier: Tier::Day, index: 17_000 };
        let cell = Partial {
            shard: 3,
            version: 99,
            segment: Segment::of([("rep", "a|b")]),
            slice,
            measures: Measures::new(),
        };
        let message = PartialMessage::Cell(cell.clone());
        assert_eq!(PartialMessage::decode(&message.encode()), Ok(message.clone()));
        let place = Some((3, slice, "rep=a%7Cb"));
        assert_eq!((parse_cell_key(&message.key()), parse_copy_key(&message.key())), (place, None));
        let copy = PartialMessage::Copy(cell);
        assert_eq!(PartialMessage::decode(&copy.encode()), Ok(copy.clone()));
        assert_eq!((parse_copy_key(&copy.key()), parse_cell_key(&copy.key())), (place, None));
        let beat = ShardBeat {
            shard: 1,
            shards: 2,
            version: 9,
            watermark: None,
            holder: None,
            doubts: Vec::new(),
            fine_floor: 0,
            definition: 5,
            kin: 6,
            alive: None,
        };
        let mut alive = Alive::default();
        [-1, 20_000, 20_001].into_iter().for_each(|day| alive.add(day));
        let [old, new] = [None, Some(alive)]
            .map(|alive| PartialMessage::Beat(ShardBeat { alive, ..beat.clone() }));
        assert_eq!(PartialMessage::decode(&old.encode()), Ok(old.clone()));
        assert_eq!(PartialMessage::decode(&new.encode()), Ok(new.clone()));
        // One that does not know what stands behind the message reads the rest of it.
        let read = postcard::from_bytes::<PartialMessage>(&new.encode()[1..]);
        assert_eq!(read, Ok(old));
        assert_eq!(PartialMessage::decode(&[9, 1]), Err(PartialError::Newer(9)));
        assert_eq!(PartialMessage::decode(&[1, 1, 0]), Err(PartialError::Older(1)));
        assert!(PartialMessage::decode(&[]).is_err());
        assert!(PartialMessage::decode(b"{}").is_err());
    }
}
