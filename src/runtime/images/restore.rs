//! From the images partition, or the cache and what came behind it, to a shard.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::cache::{self, Cached};
use super::{Images, MANIFEST, Manifest, PART, partition};
use crate::ledger::{ImageError, Ledger};
use crate::log::{Offset, Partition, Reader, TopicPartition};
use crate::model::definition::Definition;
use crate::model::partial::{PartialMessage, epoch_of};
use crate::runtime::{Context, Fault, read_through};

/// What a shard starts from.
pub struct Restored {
    /// The shard.
    pub ledger: Ledger,
    /// What is on its images partition.
    pub images: Images,
    /// Bytes read for it.
    pub bytes: u64,
    /// Nothing was ever published or kept of the shard: it begins.
    pub begins: bool,
}

/// Restores a shard from the best image that can be used; from nothing where there is none. `None`
/// where `keep` said in between that the shard is no longer wanted.
pub fn restore(
    context: &Context,
    reader: &mut dyn Reader,
    definition: &Arc<Definition>,
    shard: Partition,
    keep: &mut dyn FnMut() -> Result<bool, Fault>,
) -> Result<Option<Restored>, Fault> {
    let at = partition(context, shard);
    let mut bytes = 0;
    let cached = cache::load(context, reader, &at)?;
    let tail = match &cached {
        None => None,
        Some(cached) => {
            bytes += cached.bytes.len() as u64;
            let Some(found) = read(context, reader, &at, Some(cached.position), keep)? else {
                return Ok(None);
            };
            bytes += found.bytes;
            let continues = found.continues(&cached.manifest);
            if !continues {
                tracing::info!(%at, "cached image is superseded, reading the whole partition");
            }
            continues.then_some(found)
        }
    };
    let (found, cached) = match tail {
        Some(found) => (found, cached),
        None => {
            let Some(found) = read(context, reader, &at, None, keep)? else {
                return Ok(None);
            };
            bytes += found.bytes;
            (found, None)
        }
    };
    let mut seen: BTreeSet<String> =
        found.chunks.keys().chain(found.manifests.keys()).cloned().collect();
    seen.extend(cached.iter().flat_map(|c| c.manifest.keys()));
    let (mut ledger, newest) = best(context, definition, shard, found, cached)?;
    let mut begins = false;
    if newest.is_none() {
        match published(context, reader, shard, keep)? {
            None => return Ok(None),
            Some(Some(epoch)) => ledger.outrank(epoch),
            Some(None) => begins = seen.is_empty(),
        }
    }
    let images = Images { at, newest, seen };
    Ok(Some(Restored { ledger, images, bytes, begins }))
}

/// What lies on an images partition.
struct Found {
    chunks: HashMap<String, Vec<u8>>,
    manifests: HashMap<String, Vec<u8>>,
    bytes: u64,
}

/// Reads the partition, from its start or from a position.
fn read(
    context: &Context,
    reader: &mut dyn Reader,
    at: &TopicPartition,
    from: Option<Offset>,
    keep: &mut dyn FnMut() -> Result<bool, Fault>,
) -> Result<Option<Found>, Fault> {
    let mut found = Found { chunks: HashMap::new(), manifests: HashMap::new(), bytes: 0 };
    let read = read_through(context, reader, at, from, keep, |record| {
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
        let place = match key.as_str() {
            key if key.starts_with(MANIFEST) => &mut found.manifests,
            key if key.starts_with(PART) => &mut found.chunks,
            // What came before had one manifest a shard, and images of another layout.
            "manifest" if record.value.is_some() => {
                return Err(Fault::Refused(format!(
                    "{at} holds images of an older release: raise app.generation to count anew"
                )));
            }
            // Of a version to come: not ours to read, nor to delete.
            _ => return Ok(()),
        };
        match record.value {
            None => drop(place.remove(&key)),
            Some(value) => drop(place.insert(key, value)),
        }
        Ok(())
    })?;
    Ok(read.map(|read| Found { bytes: read.bytes, ..found }))
}

fn parse(json: &[u8]) -> Option<Manifest> {
    serde_json::from_slice(json).ok()
}

impl Found {
    /// Whether this is all that counts behind a cached image: the image's manifest is there, so
    /// that this is still the topic on which it was written; and what is better is here whole.
    fn continues(&self, cached: &Manifest) -> bool {
        let own = self.manifests.get(&cached.key()).and_then(|json| parse(json));
        own.as_ref() == Some(cached)
            && self
                .manifests
                .values()
                .filter_map(|json| parse(json))
                .filter(|manifest| manifest.rank() > cached.rank())
                .all(|better| {
                    (0..better.chunks).all(|i| self.chunks.contains_key(&better.chunk_key(i)))
                })
    }

    /// The bytes of an image, if all of them are here.
    fn assemble(&mut self, manifest: &Manifest) -> Result<Vec<u8>, ImageError> {
        let broken = |why: String| Err(ImageError::Broken(why));
        let mut chunks = Vec::new();
        for i in 0..manifest.chunks {
            match self.chunks.remove(&manifest.chunk_key(i)) {
                Some(chunk) => chunks.push(chunk),
                None => return broken(format!("chunk {i} of {} is missing", manifest.chunks)),
            }
        }
        let bytes = chunks.concat();
        if bytes.len() != manifest.bytes || crc32fast::hash(&bytes) != manifest.crc {
            return broken("its chunks are not what its manifest says".to_owned());
        }
        Ok(bytes)
    }
}

/// The shard of the best image: that of the highest epoch, then offset. One that cannot be used is
/// passed over, since any complete image is right, and a state from nothing is too.
fn best(
    context: &Context,
    definition: &Arc<Definition>,
    shard: Partition,
    mut found: Found,
    cached: Option<Cached>,
) -> Result<(Ledger, Option<Manifest>), Fault> {
    let cluster = context.log.cluster_id()?;
    let unusable = |image: &str, why: &dyn std::fmt::Display| {
        context.telemetry.image_unusable();
        tracing::warn!(%shard, image, %why, "image cannot be used, taking the next best");
    };
    let mut manifests = Vec::new();
    for (key, json) in &found.manifests {
        match parse(json) {
            Some(manifest) => manifests.push(manifest),
            None => unusable(key, &"its manifest cannot be read"),
        }
    }
    manifests.sort_by_key(|manifest| Reverse(manifest.rank()));
    // The highest epoch that may have been published under, and is not restored.
    let mut passed_over = 0;
    let (mut cached, any) = (cached, !found.manifests.is_empty());
    for manifest in manifests {
        if manifest.cluster != cluster {
            return Err(foreign(shard, &manifest, &cluster));
        }
        let whole = cached.take_if(|c| c.manifest.image == manifest.image);
        let restored = match whole {
            Some(cached) => Ok(cached.bytes),
            None => found.assemble(&manifest),
        }
        .and_then(|bytes| Ledger::restore(definition.clone(), shard, &bytes));
        match restored {
            Ok(mut ledger) => {
                if passed_over > manifest.epoch {
                    ledger.outrank(passed_over);
                }
                return Ok((ledger, Some(manifest)));
            }
            Err(why @ ImageError::Broken(_)) => {
                unusable(&manifest.image, &why);
                passed_over = passed_over.max(manifest.epoch);
            }
            Err(e) => {
                return Err(Fault::Refused(format!("shard {shard} cannot be restored: {e}")));
            }
        }
    }
    if any {
        tracing::warn!(%shard, "no image can be used, folding from the start");
    }
    let mut ledger = Ledger::new(definition.clone(), shard);
    // Which directory they were made with, only the lost images knew.
    if any || passed_over > 0 {
        ledger.outrank(passed_over);
    }
    Ok((ledger, None))
}

/// The epoch under which a shard has published, by its own progress; `None` where it never has.
/// Without an image nothing else tells, and what is published under a lower one counts no more.
fn published(
    context: &Context,
    reader: &mut dyn Reader,
    shard: Partition,
    keep: &mut dyn FnMut() -> Result<bool, Fault>,
) -> Result<Option<Option<u64>>, Fault> {
    // Every partition has the progress of all shards.
    let at = TopicPartition::new(context.topics.partials.as_str(), 0);
    let mut epoch = None;
    let read = read_through(context, reader, &at, None, keep, |record| {
        let value = record.value.as_deref().unwrap_or_default();
        if let Ok(PartialMessage::Beat(beat)) = PartialMessage::decode(value)
            && beat.shard == shard.0
        {
            epoch = epoch.max(Some(epoch_of(beat.version)));
        }
        Ok(())
    })?;
    Ok(read.map(|_| epoch))
}

fn foreign(shard: Partition, manifest: &Manifest, cluster: &str) -> Fault {
    Fault::Refused(format!(
        "the image of shard {shard} was made on cluster \"{}\", this is \"{cluster}\": point \
         kafka.brokers at the right cluster, or raise app.generation to start over here",
        manifest.cluster
    ))
}
