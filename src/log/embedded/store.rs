//! The keyspaces of the embedded log.
//!
//! | keyspace    | key                          | value                        |
//! |-------------|------------------------------|------------------------------|
//! | `meta`      | `store`, `topic/<name>`      | identity, kept topic         |
//! | `records`   | topic, partition, offset     | record                       |
//! | `bounds`    | topic, partition             | first and end offset         |
//! | `newest`    | topic, partition, record key | offset (compacted topics)    |
//! | `stale`     | due, topic, partition, offset| `[1]` where it is a tombstone|
//! | `committed` | group, topic, partition      | offset                       |

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};

use super::codec::{self, FORMAT, Identity, KeptTopic, Place};
use crate::log::local::Room;
use crate::log::{Bounds, LogError, Offset, Outgoing, Position, Record, Result, TopicPartition};

/// Least time a tombstone stays, so that a reader that follows the topic sees it.
const TOMBSTONE_LAG: Duration = Duration::from_secs(60);

/// The open database.
pub(super) struct Store {
    db: Database,
    dir: PathBuf,
    meta: Keyspace,
    pub(super) records: Keyspace,
    bounds: Keyspace,
    pub(super) newest: Keyspace,
    pub(super) stale: Keyspace,
    committed: Keyspace,
}

/// Any failure of the store: it refuses writes from then on, and has to be opened again.
pub(super) fn broken(e: fjall::Error) -> LogError {
    LogError::Closed(match e {
        // It does not say why: the reason was met by a thread of its own.
        fjall::Error::Poisoned => "the embedded log failed to write and takes nothing more: see \
                                   that its disk has room, then start again"
            .to_owned(),
        e => format!("embedded log: {e}"),
    })
}

impl Store {
    pub(super) fn open(dir: &Path) -> Result<Store> {
        let opened = Database::builder(dir)
            .cache_size(32 << 20)
            .max_journaling_size(128 << 20)
            .worker_threads(2)
            .open();
        let db = opened.map_err(|e| match e {
            fjall::Error::Locked => LogError::InUse(dir.display().to_string()),
            e => LogError::Fatal(format!("cannot open the log in \"{}\": {e}", dir.display())),
        })?;
        let keyspace = |name: &str, memtable: u64| {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(memtable);
            db.keyspace(name, options).map_err(broken)
        };
        Ok(Store {
            meta: keyspace("meta", 1 << 20)?,
            records: keyspace("records", 16 << 20)?,
            bounds: keyspace("bounds", 1 << 20)?,
            newest: keyspace("newest", 8 << 20)?,
            stale: keyspace("stale", 4 << 20)?,
            committed: keyspace("committed", 1 << 20)?,
            dir: dir.to_owned(),
            db,
        })
    }

    /// The identity of this store; given once, when it is new.
    pub(super) fn identity(&self, now_ms: i64) -> Result<String> {
        if let Some(kept) = self.meta.get("store").map_err(broken)? {
            let kept: Identity = codec::decode(&kept)?;
            if kept.format != FORMAT {
                let found = kept.format;
                return Err(LogError::Fatal(format!(
                    "the embedded log has format {found}, this program reads {FORMAT}"
                )));
            }
            return Ok(kept.id);
        }
        // The time and the directory tell stores apart as well as a random number would, and a
        // test that fixes both gets the same name again.
        let place = xxhash_rust::xxh3::xxh3_64(self.dir.as_os_str().as_encoded_bytes()) as u32;
        let id = format!("embedded-{now_ms:x}-{place:08x}");
        let identity = Identity { format: FORMAT, id: id.clone() };
        self.meta.insert("store", codec::encode(&identity)?).map_err(broken)?;
        self.sync()?;
        Ok(id)
    }

    /// All topics, by name.
    pub(super) fn topics(&self) -> Result<Vec<(String, KeptTopic)>> {
        let mut topics = Vec::new();
        for entry in self.meta.prefix("topic/") {
            let (key, value) = entry.into_inner().map_err(broken)?;
            let name = String::from_utf8_lossy(&key["topic/".len()..]).into_owned();
            topics.push((name, codec::decode(&value)?));
        }
        Ok(topics)
    }

    /// Keeps a new topic, durably.
    pub(super) fn put_topic(&self, name: &str, topic: &KeptTopic) -> Result<()> {
        self.meta.insert(format!("topic/{name}"), codec::encode(topic)?).map_err(broken)?;
        self.sync()
    }

    /// First and end offset of a partition; zeros where nothing was written yet.
    pub(super) fn bounds(&self, place: Place) -> Result<Bounds> {
        let kept = self.bounds.get(place.bytes()).map_err(broken)?;
        let (start, end) = kept.map_or(Ok((0, 0)), |value| codec::parse_bounds(&value))?;
        Ok(Bounds { start: Offset(start), end: Offset(end) })
    }

    /// Appends records in `from..end` while there is room.
    pub(super) fn fetch(
        &self,
        place: Place,
        of: &TopicPartition,
        from: Offset,
        end: Offset,
        room: &mut Room,
        out: &mut Vec<Record>,
    ) -> Result<()> {
        if from >= end {
            return Ok(());
        }
        for entry in self.records.range(place.record(from.0)..place.record(end.0)) {
            if room.is_full() {
                break;
            }
            let (key, value) = entry.into_inner().map_err(broken)?;
            let record = codec::parse_record(of, codec::offset_of(&key)?, &value)?;
            room.take(&record);
            out.push(record);
        }
        Ok(())
    }

    /// Keeps committed positions: they survive the process, and a power cut once anything is
    /// flushed after them.
    pub(super) fn put_committed(
        &self,
        group: &str,
        at: &[(TopicPartition, Position)],
    ) -> Result<()> {
        let mut batch = self.db.batch();
        for (tp, at) in at {
            let key = codec::committed(group, tp);
            batch.insert(&self.committed, key, codec::position(*at));
        }
        batch.commit().map_err(broken)
    }

    /// A committed position.
    pub(super) fn committed(&self, group: &str, of: &TopicPartition) -> Result<Option<Position>> {
        let kept = self.committed.get(codec::committed(group, of)).map_err(broken)?;
        kept.map(|value| codec::parse_position(&value)).transpose()
    }

    /// Makes everything committed so far survive a power cut.
    pub(super) fn sync(&self) -> Result<()> {
        self.db.persist(PersistMode::SyncData).map_err(broken)
    }

    /// Begins an atomic change.
    pub(super) fn write(&self) -> Write<'_> {
        Write { store: self, batch: self.db.batch(), newest: HashMap::new() }
    }
}

/// One atomic change of the store.
pub(super) struct Write<'a> {
    store: &'a Store,
    batch: OwnedWriteBatch,
    /// Newest offsets that this change itself sets.
    newest: HashMap<Vec<u8>, u64>,
}

impl Write<'_> {
    /// Adds a record.
    pub(super) fn record(
        &mut self,
        place: Place,
        offset: u64,
        out: &Outgoing,
        now_ms: i64,
    ) -> Result<()> {
        let value = codec::record(out, now_ms)?;
        self.batch.insert(&self.store.records, place.record(offset), value);
        Ok(())
    }

    /// Makes this record the newest of its key and sees to the one that was.
    pub(super) fn supersede(
        &mut self,
        place: Place,
        offset: u64,
        out: &Outgoing,
        now_ms: i64,
        min_lag: Duration,
    ) -> Result<()> {
        let key = place.newest(out.key.as_deref().unwrap_or_default());
        let due = |lag: Duration| now_ms.saturating_add_unsigned(lag.as_millis() as u64);
        if let Some(old) = self.newest.insert(key.clone(), offset) {
            // Set by this very batch, in which one key cannot be both written and removed.
            self.batch.insert(&self.store.stale, place.stale(due(min_lag), old), []);
        } else if let Some(old) = self.store.newest.get(&key).map_err(broken)? {
            let old = codec::parse_offset(&old)?;
            match min_lag.is_zero() {
                true => self.remove_record(place, old),
                false => self.batch.insert(&self.store.stale, place.stale(due(min_lag), old), []),
            }
        }
        if out.value.is_none() {
            let note = place.stale(due(min_lag.max(TOMBSTONE_LAG)), offset);
            self.batch.insert(&self.store.stale, note, [1]);
        }
        self.batch.insert(&self.store.newest, key, offset.to_be_bytes());
        Ok(())
    }

    /// Sets first and end offset.
    pub(super) fn bounds(&mut self, place: Place, bounds: Bounds) {
        let value = codec::bounds(bounds.start.0, bounds.end.0);
        self.batch.insert(&self.store.bounds, place.bytes(), value);
    }

    /// Removes a record.
    pub(super) fn remove_record(&mut self, place: Place, offset: u64) {
        self.batch.remove(&self.store.records, place.record(offset));
    }

    /// Removes a stale note.
    pub(super) fn remove_note(&mut self, note: &[u8]) {
        self.batch.remove(&self.store.stale, note);
    }

    /// Forgets the newest offset of a key.
    pub(super) fn remove_newest(&mut self, key: &[u8]) {
        self.batch.remove(&self.store.newest, key);
    }

    /// Changes all at once, or nothing. When it returns, the change survives the process.
    pub(super) fn commit(self) -> Result<()> {
        self.batch.commit().map_err(broken)
    }
}
