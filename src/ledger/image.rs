//! Images: a whole shard at an offset, as bytes. Any complete image is valid, whoever wrote it,
//! because a shard's state is a function of the log's prefix.
//!
//! Layout: magic `TMIM`, format byte, CRC-32 of the rest, then zstd-compressed postcard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::emit::{note_life, of_job};
use super::entity::Entity;
use super::{Cell, Ledger};
use crate::model::definition::Definition;
use crate::model::measure::Measures;
use crate::model::record::{Offset, Partition};
use crate::model::segment::Segment;
use crate::model::slice::{Slice, Tier};
use crate::model::watermark::{Doubt, Frontier};

const MAGIC: &[u8; 4] = b"TMIM";
const FORMAT: u8 = 2;
const HEAD: usize = 9;

/// Why bytes are no image for this shard.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Not an image, cut, or changed.
    #[error("image is broken: {0}")]
    Broken(String),
    /// Written by a newer version.
    #[error("image format {0} is newer than this binary knows ({FORMAT}); upgrade it")]
    Newer(u8),
    /// Written by an older version, in a layout that is not read any more.
    #[error("image format {0} is of an older release: raise `app.generation` to count anew")]
    Older(u8),
    /// Of another definition.
    #[error(
        "image was made with definition {found:016x}, this process runs {own:016x}: segments, \
         slices, measures, zones or shards were changed; give the changed job a new \
         `app.generation`, which runs beside the old one"
    )]
    Definition {
        /// Hash in the image.
        found: u64,
        /// Hash of this process.
        own: u64,
    },
    /// Of another shard.
    #[error("image is of shard {found}, asked for shard {own}")]
    Shard {
        /// Shard in the image.
        found: u32,
        /// Shard asked for.
        own: u32,
    },
}

/// What an image holds: `K`, `E`, `S` and `M` are owned where it is read, and borrowed where it is
/// written, since a worker that copied its whole state first would stand still for twice as long.
#[derive(Serialize, Deserialize)]
struct State<K, E, S, M> {
    definition: u64,
    reference: u64,
    epoch: u64,
    shard: u32,
    next: u64,
    tail: Option<u64>,
    floors: (i32, i32),
    frontier: Frontier,
    doubts: Vec<Doubt>,
    texts: Vec<Arc<str>>,
    entities: Vec<(K, E)>,
    segments: Vec<S>,
    cells: Vec<(u32, Slice, M)>,
}

type Owned = State<Box<str>, Entity, Segment, Measures>;

impl Ledger {
    /// The whole shard as bytes.
    pub fn image(&self) -> Vec<u8> {
        let mut entities: Vec<_> = self.entities.iter().map(|(k, e)| (&**k, e)).collect();
        entities.sort_unstable_by(|a, b| a.0.cmp(b.0));
        // Numbered by name, since ids and the order of a map depend on how the state came about.
        let ids: BTreeSet<_> = self.cells.keys().map(|(segment, _)| *segment).collect();
        let named: BTreeMap<&Segment, _> =
            ids.into_iter().map(|id| (self.credits.resolve(id), id)).collect();
        let places: BTreeMap<_, _> = named.values().copied().zip(0u32..).collect();
        let segments: Vec<_> = named.into_keys().collect();
        let mut cells: Vec<_> = self
            .cells
            .iter()
            .map(|((segment, slice), cell)| (places[segment], *slice, &cell.measures))
            .collect();
        cells.sort_unstable_by_key(|(segment, slice, _)| (*slice, *segment));
        let state = State {
            definition: self.definition_hash,
            reference: self.definition.reference_hash(),
            epoch: self.epoch,
            shard: self.shard.0,
            next: self.next.0,
            tail: self.tail,
            floors: self.floors,
            frontier: self.frontier.clone(),
            doubts: self.doubts.clone(),
            texts: self.symbols.texts().to_vec(),
            entities,
            segments,
            cells,
        };
        let plain = postcard::to_allocvec(&state).expect("plain data serializes into memory");
        let packed =
            zstd::bulk::compress(&plain, 1).expect("zstd compresses from memory to memory");
        let mut out = Vec::with_capacity(packed.len() + HEAD + 8);
        out.extend_from_slice(MAGIC);
        out.push(FORMAT);
        let body: Vec<u8> = [(plain.len() as u64).to_le_bytes().as_slice(), &packed].concat();
        out.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        out.extend_from_slice(&body);
        out
    }

    /// The shard that an image holds.
    pub fn restore(
        definition: Arc<Definition>,
        shard: Partition,
        bytes: &[u8],
    ) -> Result<Ledger, ImageError> {
        let state = decode(bytes)?;
        let mut out = Ledger::new(definition, shard);
        if state.shard != shard.0 {
            return Err(ImageError::Shard { found: state.shard, own: shard.0 });
        }
        if state.definition != out.definition_hash {
            return Err(ImageError::Definition {
                found: state.definition,
                own: out.definition_hash,
            });
        }
        for text in &state.texts {
            out.symbols.intern(text);
        }
        out.entities = state.entities.into_iter().collect();
        let ids: Vec<_> = state.segments.into_iter().map(|s| out.credits.segment(s).0).collect();
        out.cells.reserve(state.cells.len());
        for (place, slice, measures) in state.cells {
            let segment = ids.get(place as usize).ok_or_else(|| {
                ImageError::Broken("a cell names a segment that is not there".to_owned())
            })?;
            let mut cell = Cell { measures, sent: true, ..Cell::default() };
            if slice.tier == Tier::Day && of_job(&out.definition, out.credits.resolve(*segment)) {
                note_life(&mut out.alive, slice.index, &mut cell);
            }
            out.cells.insert((*segment, slice), cell);
        }
        out.next = Offset(state.next);
        out.tail = state.tail;
        out.floors = state.floors;
        out.frontier = state.frontier;
        out.doubts = state.doubts;
        (out.epoch, out.restored_epoch) = (state.epoch, state.epoch);
        if state.reference != out.definition.reference_hash() {
            out.rebuild();
        }
        Ok(out)
    }
}

fn decode(bytes: &[u8]) -> Result<Owned, ImageError> {
    let broken = |why: &str| ImageError::Broken(why.to_owned());
    if bytes.len() < HEAD + 8 || &bytes[..4] != MAGIC {
        return Err(broken("no image header"));
    }
    match bytes[4] {
        FORMAT => {}
        newer if newer > FORMAT => return Err(ImageError::Newer(newer)),
        older if older >= 1 => return Err(ImageError::Older(older)),
        _ => return Err(broken("unknown format")),
    }
    let (head, body) = bytes.split_at(HEAD);
    if head[5..] != crc32fast::hash(body).to_le_bytes() {
        return Err(broken("checksum does not match"));
    }
    let (length, packed) = body.split_at(8);
    let length = u64::from_le_bytes(length.try_into().expect("split at 8 gives 8 bytes"));
    let length = usize::try_from(length).map_err(|_| broken("length does not fit memory"))?;
    let plain = unpack(packed, length)?;
    postcard::from_bytes(&plain).map_err(|e| broken(&e.to_string()))
}

/// Largest factor by which an image may be compressed. Real ones reach about ten; without a bound a
/// few forged bytes could ask for all memory.
const MAX_RATIO: usize = 1 << 12;

/// Decompresses to exactly `length` bytes.
fn unpack(packed: &[u8], length: usize) -> Result<Vec<u8>, ImageError> {
    let broken = |why: &str| ImageError::Broken(why.to_owned());
    if length > packed.len().saturating_mul(MAX_RATIO) {
        return Err(broken("it states a length that it cannot hold"));
    }
    let plain = zstd::bulk::decompress(packed, length).map_err(|e| broken(&e.to_string()))?;
    if plain.len() == length { Ok(plain) } else { Err(broken("its length is not as stated")) }
}
