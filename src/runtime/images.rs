//! Images on the log: chunks under a fresh id, then a manifest; the image before is deleted only
//! once the new manifest is acknowledged. So at any moment there is one complete image.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Context, FLUSH, Fault, read_through};
use crate::ledger::Ledger;
use crate::log::{Outgoing, Partition, Reader, TopicPartition, Writer};
use crate::model::definition::Definition;

/// Largest chunk, bytes: below the usual limit of a broker, 1 MiB.
const CHUNK: usize = 900_000;

/// Names the newest complete image of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Image id.
    pub image: String,
    /// Number of chunks.
    pub chunks: usize,
    /// Size of all chunks, bytes.
    pub bytes: usize,
    /// Next events offset behind the image.
    pub next: u64,
    /// Identity of the cluster whose events it folded.
    pub cluster: String,
}

fn chunk_key(image: &str, i: usize) -> String {
    format!("chunk|{image}|{i}")
}

const MANIFEST: &str = "manifest";

/// What a shard starts from.
pub struct Restored {
    /// The shard.
    pub ledger: Ledger,
    /// The image that it came from.
    pub manifest: Option<Manifest>,
}

/// Restores a shard from its newest complete image; from nothing where there is none.
pub fn restore(
    context: &Context,
    reader: &mut dyn Reader,
    definition: &Arc<Definition>,
    shard: Partition,
) -> Result<Restored, Fault> {
    let partition =
        TopicPartition { topic: context.topics.images.as_str().into(), partition: shard };
    let mut chunks: HashMap<String, Vec<u8>> = HashMap::new();
    let mut manifest: Option<Manifest> = None;
    read_through(context, reader, &partition, |record| {
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
        match record.value {
            None => drop(chunks.remove(&key)),
            Some(value) if key == MANIFEST => {
                manifest = serde_json::from_slice(&value).ok().or(manifest.take());
            }
            Some(value) => drop(chunks.insert(key, value)),
        }
        Ok(())
    })?;
    let nothing = || Restored { ledger: Ledger::new(definition.clone(), shard), manifest: None };
    let Some(manifest) = manifest else {
        return Ok(nothing());
    };
    let cluster = context.log.cluster_id()?;
    if manifest.cluster != cluster {
        return Err(Fault::Refused(format!(
            "the image of shard {shard} was made on cluster \"{}\", this is \"{cluster}\": point \
             kafka.brokers at the right cluster, or raise app.generation to start over here",
            manifest.cluster
        )));
    }
    let mut bytes = Vec::with_capacity(manifest.bytes);
    for i in 0..manifest.chunks {
        match chunks.get(&chunk_key(&manifest.image, i)) {
            Some(chunk) => bytes.extend_from_slice(chunk),
            None => {
                // A zombie's manifest may name chunks that compaction took. The state is a
                // function of the events: they are read from their start, if they are all there.
                let image = &manifest.image;
                tracing::warn!(%shard, image, chunk = i, "image is incomplete, folding from the start");
                return Ok(nothing());
            }
        }
    }
    let ledger = Ledger::restore(definition.clone(), shard, &bytes)
        .map_err(|e| Fault::Refused(format!("shard {shard} cannot be restored: {e}")))?;
    Ok(Restored { ledger, manifest: Some(manifest) })
}

/// Writes an image of a shard and deletes the one before.
pub fn write(
    context: &Context,
    writer: &mut dyn Writer,
    ledger: &Ledger,
    shard: Partition,
    before: Option<&Manifest>,
) -> Result<Manifest, Fault> {
    let bytes = ledger.image();
    let image = format!("{}-{}", ledger.next(), crate::clock::wall_ms());
    let topic: Arc<str> = context.topics.images.as_str().into();
    let mut put = |key: String, value: Option<Vec<u8>>| {
        writer.send(Outgoing {
            topic: topic.clone(),
            partition: shard,
            key: Some(key.into_bytes()),
            value,
            headers: Vec::new(),
        })
    };
    let mut chunks = 0;
    for (i, chunk) in bytes.chunks(CHUNK).enumerate() {
        put(chunk_key(&image, i), Some(chunk.to_vec()))?;
        chunks = i + 1;
    }
    let next = ledger.next().0;
    let cluster = context.log.cluster_id()?;
    let manifest = Manifest { image, chunks, bytes: bytes.len(), next, cluster };
    let json = serde_json::to_vec(&manifest).expect("plain data serializes into memory");
    writer.flush(FLUSH)?;
    writer.send(Outgoing {
        topic: topic.clone(),
        partition: shard,
        key: Some(MANIFEST.as_bytes().to_vec()),
        value: Some(json),
        headers: Vec::new(),
    })?;
    writer.flush(FLUSH)?;
    if let Some(before) = before.filter(|b| b.image != manifest.image) {
        for i in 0..before.chunks {
            writer.send(Outgoing {
                topic: topic.clone(),
                partition: shard,
                key: Some(chunk_key(&before.image, i).into_bytes()),
                value: None,
                headers: Vec::new(),
            })?;
        }
    }
    Ok(manifest)
}
