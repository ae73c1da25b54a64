//! The newest image of a shard in a local directory, so that a process which comes back reads from
//! the log only what is newer. Whatever is wrong with it costs a warning and a read of the topic.
//!
//! A file: magic `TMIC`, format byte, length and CRC-32 of the header, the header as JSON, the image.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Manifest;
use crate::log::{LogError, Offset, Reader, TopicPartition};
use crate::runtime::{Context, Fault};

const MAGIC: &[u8; 5] = b"TMIC\x01";
/// Magic, length of the header, its CRC.
const HEAD: usize = MAGIC.len() + 8;

#[derive(Serialize, Deserialize)]
struct Header {
    manifest: Manifest,
    /// Where on the images partition to read on: its manifest lies there or behind.
    position: u64,
}

/// An image from the cache.
pub struct Cached {
    pub manifest: Manifest,
    pub position: Offset,
    pub bytes: Vec<u8>,
}

/// Whether there is to be a cache.
pub fn is_on(context: &Context) -> bool {
    context.config.publish.image_cache.is_some()
}

/// The file of a shard, where there is to be a cache. Each cluster has its directory.
fn path(context: &Context, cluster: &str, at: &TopicPartition) -> Option<PathBuf> {
    let dir = context.config.publish.image_cache.as_ref()?;
    // A cluster may name itself as it likes; a topic is named as Kafka allows.
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    let cluster: String = cluster.chars().map(plain).collect();
    Some(dir.join(cluster).join(format!("{}-{}.image", at.topic, at.partition)))
}

/// Keeps an image. Trouble is a warning.
pub fn store(
    context: &Context,
    at: &TopicPartition,
    manifest: &Manifest,
    position: Result<Offset, LogError>,
    bytes: &[u8],
) {
    let Some(path) = path(context, &manifest.cluster, at) else {
        return;
    };
    let kept = position.map_err(io::Error::other).and_then(|position| {
        let header = Header { manifest: manifest.clone(), position: position.0 };
        write(&path, &header, bytes)
    });
    if let Err(error) = kept {
        let path = path.display();
        tracing::warn!(%at, %error, %path, "image is not cached (publish.image_cache)");
    }
}

/// Writes beside the file and renames: what is under its name is always whole.
fn write(path: &Path, header: &Header, bytes: &[u8]) -> io::Result<()> {
    let json = serde_json::to_vec(header)?;
    let length = u32::try_from(json.len()).map_err(io::Error::other)?;
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let beside = path.with_extension("new");
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(MAGIC)?;
        file.write_all(&length.to_le_bytes())?;
        file.write_all(&crc32fast::hash(&json).to_le_bytes())?;
        file.write_all(&json)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().inspect_err(|_| {
        // It may be what fills the disk. The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    })
}

/// The cached image, if there is one that can be used.
pub fn load(
    context: &Context,
    reader: &mut dyn Reader,
    at: &TopicPartition,
) -> Result<Option<Cached>, Fault> {
    if !is_on(context) {
        return Ok(None);
    }
    let cluster = context.log.cluster_id()?;
    let Some(path) = path(context, &cluster, at) else {
        return Ok(None);
    };
    let bounds = reader.bounds(at)?;
    let cached = match fs::read(&path) {
        Ok(file) => parse(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error.to_string()),
    };
    let cached = cached.and_then(|cached| {
        if cached.manifest.cluster != cluster {
            return Err(format!("it was made on cluster \"{}\"", cached.manifest.cluster));
        }
        if !(bounds.start..=bounds.end).contains(&cached.position) {
            return Err(format!("{at} has no offset {}", cached.position));
        }
        Ok(cached)
    });
    match cached {
        Ok(cached) => Ok(Some(cached)),
        Err(why) => {
            let path = path.display();
            tracing::warn!(%at, why, %path, "cached image is ignored (publish.image_cache)");
            Ok(None)
        }
    }
}

fn parse(mut file: Vec<u8>) -> Result<Cached, String> {
    let broken = || "it is broken".to_owned();
    let head = file.get(..HEAD).filter(|h| h.starts_with(MAGIC)).ok_or_else(broken)?;
    let number =
        |i: usize| head[i..i + 4].iter().rev().fold(0u32, |n, byte| n << 8 | u32::from(*byte));
    let (length, crc) = (number(MAGIC.len()) as usize, number(MAGIC.len() + 4));
    let json = file[HEAD..].get(..length).filter(|j| crc32fast::hash(j) == crc);
    let Header { manifest, position } =
        json.and_then(|json| serde_json::from_slice(json).ok()).ok_or_else(broken)?;
    file.drain(..HEAD + length);
    if file.len() != manifest.bytes || crc32fast::hash(&file) != manifest.crc {
        return Err(broken());
    }
    Ok(Cached { manifest, position: Offset(position), bytes: file })
}
