//! Images on the log: chunks under a fresh id, then a manifest under the same id, then the deletion
//! of what was there before.
//!
//! **At any moment after the first image there is a complete one.** Whoever deletes has just
//! completed an image, and deletes only what it saw on the partition, or wrote itself, before it
//! began to write that one. So the image of the one who deletes begins behind the image that it
//! deletes. Of all images completed so far take the one whose first chunk has the highest offset:
//! who deleted any record of it would have completed an image that begins higher still. So nobody
//! has. For "A deletes B's and B deletes A's" each would have had to read before the other wrote.
//!
//! It rests on two things: ids are never used twice, since a deletion is by key; and deletions of
//! one writer come behind its manifest's acknowledgement, whatever happens to the process.

mod cache;
mod restore;

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::{Context, FLUSH, Fault};
use crate::ledger::Ledger;
use crate::log::{Outgoing, Partition, Reader, TopicPartition, Writer};

pub use restore::{Restored, restore};

/// Largest chunk, bytes: below the usual limit of a broker, 1 MiB.
const CHUNK: usize = 900_000;

const MANIFEST: &str = "manifest|";
const PART: &str = "chunk|";

/// Says that an image is complete, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Image id.
    pub image: String,
    /// Number of chunks.
    pub chunks: usize,
    /// Size of all chunks, bytes.
    pub bytes: usize,
    /// CRC-32 of all chunks.
    pub crc: u32,
    /// Epoch that it publishes under.
    pub epoch: u64,
    /// Next events offset behind the image.
    pub next: u64,
    /// Identity of the cluster whose events it folded.
    pub cluster: String,
    /// The [kin](crate::model::kin::Kin::hash) whose copies its shard has on the partials topic, and no
    /// others; 0 where that is not known.
    #[serde(default)]
    pub kin: u64,
}

impl Manifest {
    /// What makes one image better than another. The epoch first: one that lags behind with an
    /// older directory may have read further, and restored from it an epoch number would be used
    /// for the second time.
    fn rank(&self) -> (u64, u64) {
        (self.epoch, self.next)
    }

    fn key(&self) -> String {
        format!("{MANIFEST}{}", self.image)
    }

    fn chunk_key(&self, i: usize) -> String {
        format!("{PART}{}|{i}", self.image)
    }

    /// The keys of all its records.
    fn keys(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.chunks).map(|i| self.chunk_key(i)).chain([self.key()])
    }
}

/// What an owner knows of the images partition of its shard.
pub struct Images {
    at: TopicPartition,
    /// The image that the shard came from, or wrote last.
    newest: Option<Manifest>,
    /// Keys of all records there: to be deleted behind the next image.
    seen: BTreeSet<String>,
}

impl Images {
    /// Of a shard of which nothing is there.
    pub fn none(context: &Context, shard: Partition) -> Images {
        Images { at: partition(context, shard), newest: None, seen: BTreeSet::new() }
    }

    /// The newest image.
    pub fn newest(&self) -> Option<&Manifest> {
        self.newest.as_ref()
    }

    /// Writes an image of the shard, and deletes what was on the partition before.
    pub fn write(
        &mut self,
        context: &Context,
        writer: &mut dyn Writer,
        reader: &mut dyn Reader,
        (ledger, kin): (&Ledger, u64),
    ) -> Result<&Manifest, Fault> {
        let bytes = ledger.image();
        let manifest = Manifest {
            image: fresh_id(ledger),
            chunks: bytes.chunks(CHUNK).count(),
            bytes: bytes.len(),
            crc: crc32fast::hash(&bytes),
            epoch: ledger.epoch(),
            next: ledger.next().0,
            cluster: context.log.cluster_id()?,
            kin,
        };
        for (i, chunk) in bytes.chunks(CHUNK).enumerate() {
            put(writer, &self.at, manifest.chunk_key(i), Some(chunk.to_vec()))?;
        }
        writer.flush(FLUSH)?;
        // The manifest comes behind this, whatever else is written meanwhile.
        let position = cache::is_on(context).then(|| reader.bounds(&self.at).map(|b| b.end));
        let json = serde_json::to_vec(&manifest).expect("plain data serializes into memory");
        put(writer, &self.at, manifest.key(), Some(json))?;
        writer.flush(FLUSH)?;
        context.telemetry.image_written(&self.at.partition.to_string(), manifest.bytes);
        let before = std::mem::replace(&mut self.seen, manifest.keys().collect());
        // Manifests first: no image may look complete while its chunks go.
        let (manifests, chunks): (Vec<_>, Vec<_>) =
            before.into_iter().partition(|key| key.starts_with(MANIFEST));
        for key in manifests.into_iter().chain(chunks) {
            put(writer, &self.at, key, None)?;
        }
        if let Some(position) = position {
            // Behind the deletions, which a shard that comes from the cache would not make up for.
            writer.flush(FLUSH)?;
            cache::store(context, &self.at, &manifest, position, &bytes);
        }
        Ok(self.newest.insert(manifest))
    }
}

fn put(
    writer: &mut dyn Writer,
    at: &TopicPartition,
    key: String,
    value: Option<Vec<u8>>,
) -> Result<(), Fault> {
    let (topic, partition, key) = (at.topic.clone(), at.partition, Some(key.into_bytes()));
    Ok(writer.send(Outgoing { topic, partition, key, value, headers: Vec::new() })?)
}

/// An id that no process uses again, though all of them count from 1 under the same process number,
/// as containers do: the seed of `RandomState` comes from the system.
fn fresh_id(ledger: &Ledger) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let mut unique = RandomState::new().build_hasher();
    unique.write_u32(std::process::id());
    unique.write_u64(COUNT.fetch_add(1, Ordering::Relaxed));
    let (epoch, next, now) = (ledger.epoch(), ledger.next(), crate::clock::wall_ms());
    format!("{epoch}-{next}-{now}-{:016x}", unique.finish())
}

/// The images partition of a shard.
fn partition(context: &Context, shard: Partition) -> TopicPartition {
    TopicPartition { topic: Arc::from(context.topics.images.as_str()), partition: shard }
}
