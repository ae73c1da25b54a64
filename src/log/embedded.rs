//! A durable log for one process, on an LSM store in a directory.
//!
//! What a reader has seen survives `kill -9`: a batch of records reaches the operating system
//! before its offsets are published, and an offset is never used twice, not even when the record
//! that had it was removed. What was flushed survives a power cut too.
//!
//! A compacted topic keeps the newest offset of each key; writing a key again queues the old
//! record, and the queue is worked off by the writers, as is the retention of other topics. So an
//! idle log does no work, and there is no thread of its own to stop.

mod clean;
mod codec;
mod store;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;

use self::clean::Upkeep;
use self::codec::{KeptTopic, Place, named};
use self::store::Store;
use super::group::{Coordinator, GroupHost};
use super::local::{Growth, LocalReader, Room, Shelf, check_record, check_spec, partition_of};
use super::{
    Bounds, Cleanup, Log, LogError, Member, Offset, Outgoing, Position, Reader, Record, Result,
    TopicInfo, TopicPartition, TopicSpec, Writer,
};

/// Longest key of a record on a compacted topic, bytes: the store's limit, less our prefix.
const MAX_KEY: usize = 60_000;

/// A durable log in a directory, for one process. Clones share it.
#[derive(Clone)]
pub struct EmbeddedLog {
    inner: Arc<Inner>,
}

struct Inner {
    id: String,
    clock: fn() -> i64,
    store: Store,
    topics: RwLock<BTreeMap<Arc<str>, Arc<Topic>>>,
    /// Held by whoever changes records: offsets are given out and published in one order.
    upkeep: Mutex<Upkeep>,
    growth: Growth,
    groups: Coordinator,
}

struct Topic {
    id: u32,
    name: Arc<str>,
    spec: TopicSpec,
    /// What readers may see of each partition.
    bounds: Mutex<Vec<Bounds>>,
}

impl Topic {
    fn place(&self, partition: u32) -> Place {
        Place { topic: self.id, partition }
    }

    fn bounds(&self) -> MutexGuard<'_, Vec<Bounds>> {
        self.bounds.lock().expect("no code panics while it holds the bounds")
    }

    fn load(name: &str, kept: &KeptTopic, store: &Store) -> Result<Topic> {
        let spec = kept.spec(name);
        let place = |partition| Place { topic: kept.id, partition };
        let bounds = (0..spec.partitions).map(|p| store.bounds(place(p))).collect::<Result<_>>()?;
        Ok(Topic { id: kept.id, name: name.into(), spec, bounds: Mutex::new(bounds) })
    }
}

impl EmbeddedLog {
    /// Opens the log in that directory, which is created if needed. `clock` gives the wall time in
    /// milliseconds; records are stamped with it, and retention goes by it.
    ///
    /// # Errors
    /// [`LogError::InUse`] where another process (or this one) has it open, [`LogError::Fatal`]
    /// where it cannot be read.
    pub fn open(dir: impl AsRef<Path>, clock: fn() -> i64) -> Result<EmbeddedLog> {
        let store = Store::open(dir.as_ref())?;
        let id = store.identity(clock())?;
        let mut topics = BTreeMap::new();
        for (name, kept) in store.topics()? {
            let topic = Topic::load(&name, &kept, &store)?;
            topics.insert(topic.name.clone(), Arc::new(topic));
        }
        let inner = Inner {
            id,
            clock,
            store,
            topics: RwLock::new(topics),
            upkeep: Mutex::default(),
            growth: Growth::default(),
            groups: Coordinator::default(),
        };
        Ok(EmbeddedLog { inner: Arc::new(inner) })
    }

    /// Whether a directory holds a log. To open one makes it where there is none.
    pub fn is_in(dir: impl AsRef<Path>) -> bool {
        // Where the database keeps what was written.
        dir.as_ref().join("keyspaces").is_dir()
    }

    /// Removes every superseded record and every tombstone now, as if all lags had passed. The last
    /// record of a partition stays, so that a reader can still reach the end.
    pub fn compact_now(&self) -> Result<()> {
        self.inner.sweep_all()
    }

    /// Removes what is older than the retention of its topic. Writers do it once a minute.
    pub fn retain(&self) -> Result<()> {
        self.inner.retain_all()
    }

    /// Drops everything of a partition below `start`.
    pub fn truncate(&self, partition: &TopicPartition, start: Offset) -> Result<()> {
        self.inner.truncate(partition, start)
    }
}

impl Inner {
    fn upkeep(&self) -> MutexGuard<'_, Upkeep> {
        self.upkeep.lock().expect("no code panics while it changes records")
    }

    fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().expect("no code panics while it holds the topics").get(name).cloned()
    }

    fn all_topics(&self) -> Vec<Arc<Topic>> {
        let topics = self.topics.read().expect("no code panics while it holds the topics");
        topics.values().cloned().collect()
    }

    fn check(&self, out: &Outgoing) -> Result<()> {
        let topic = self.topic(&out.topic);
        let topic = topic.ok_or_else(|| LogError::NoSuchPartition(partition_of(out)))?;
        check_record(out, &topic.spec, MAX_KEY)
    }

    /// Appends records, publishes them, and does the upkeep that is due.
    fn append(&self, batch: &[Outgoing]) -> Result<()> {
        let mut upkeep = self.upkeep();
        let now = (self.clock)();
        let mut write = self.store.write();
        let mut ends: BTreeMap<(Arc<str>, u32), (Arc<Topic>, Bounds)> = BTreeMap::new();
        for out in batch {
            let slot = (out.topic.clone(), out.partition.0);
            let (topic, bounds) = match ends.entry(slot) {
                std::collections::btree_map::Entry::Occupied(held) => held.into_mut(),
                std::collections::btree_map::Entry::Vacant(free) => {
                    let topic = self.topic(&out.topic);
                    let topic =
                        topic.ok_or_else(|| LogError::NoSuchPartition(partition_of(out)))?;
                    let bounds = topic.bounds()[out.partition.0 as usize];
                    free.insert((topic, bounds))
                }
            };
            let place = topic.place(out.partition.0);
            write.record(place, bounds.end.0, out, now)?;
            if let Cleanup::Compact { min_lag } = topic.spec.cleanup {
                write.supersede(place, bounds.end.0, out, now, min_lag)?;
            }
            bounds.end = bounds.end.next();
        }
        for ((_, partition), (topic, bounds)) in &ends {
            write.bounds(topic.place(*partition), *bounds);
        }
        write.commit()?;
        for ((_, partition), (topic, bounds)) in ends {
            topic.bounds()[partition as usize] = bounds;
        }
        self.growth.announce();
        self.tidy(&mut upkeep, now)
    }
}

impl Shelf for Inner {
    fn bounds(&self, partition: &TopicPartition) -> Result<Bounds> {
        let topic = self.topic(&partition.topic);
        let bounds = topic.and_then(|t| t.bounds().get(partition.partition.0 as usize).copied());
        bounds.ok_or_else(|| LogError::NoSuchPartition(partition.clone()))
    }

    fn fetch(
        &self,
        of: &TopicPartition,
        from: Offset,
        room: &mut Room,
        out: &mut Vec<Record>,
    ) -> Result<()> {
        let topic = self.topic(&of.topic).ok_or_else(|| LogError::NoSuchPartition(of.clone()))?;
        let end = self.bounds(of)?.end;
        let of = named(&topic.name, of.partition.0);
        self.store.fetch(topic.place(of.partition.0), &of, from, end, room, out)
    }

    fn growth(&self) -> &Growth {
        &self.growth
    }
}

impl GroupHost for Inner {
    fn groups(&self) -> &Coordinator {
        &self.groups
    }

    fn partitions(&self, topic: &str) -> u32 {
        self.topic(topic).map_or(0, |t| t.spec.partitions)
    }

    fn store(&self, group: &str, at: &[(TopicPartition, Position)]) -> Result<()> {
        self.store.put_committed(group, at)
    }

    fn stored(&self, group: &str, of: &TopicPartition) -> Result<Option<Position>> {
        self.store.committed(group, of)
    }
}

impl Log for EmbeddedLog {
    fn cluster_id(&self) -> Result<String> {
        Ok(self.inner.id.clone())
    }

    fn describe(&self, topic: &str) -> Result<Option<TopicInfo>> {
        Ok(self.inner.topic(topic).map(|t| TopicInfo {
            partitions: t.spec.partitions,
            cleanup: Some(vec![t.spec.cleanup]),
        }))
    }

    fn create(&self, spec: &TopicSpec) -> Result<bool> {
        check_spec(spec)?;
        let changing = self.inner.upkeep();
        if self.inner.topic(&spec.name).is_some() {
            return Ok(false);
        }
        // Topics are never removed, so the next number is free.
        let id = self.inner.all_topics().iter().map(|t| t.id + 1).max().unwrap_or(0);
        let kept = KeptTopic::new(id, spec);
        self.inner.store.put_topic(&spec.name, &kept)?;
        let topic = Arc::new(Topic::load(&spec.name, &kept, &self.inner.store)?);
        let mut topics =
            self.inner.topics.write().expect("no code panics while it holds the topics");
        topics.insert(topic.name.clone(), topic);
        drop(topics);
        drop(changing);
        self.inner.groups.topic_created(self.inner.as_ref());
        Ok(true)
    }

    fn writer(&self) -> Result<Box<dyn Writer>> {
        let inner = self.inner.clone();
        Ok(Box::new(EmbeddedWriter { inner, waiting: Vec::new(), bytes: 0, unsynced: false }))
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(LocalReader::new(self.inner.clone())))
    }

    fn join(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Member>> {
        Ok(Coordinator::join(self.inner.clone(), group, topics))
    }
}

/// Gathers records and appends them together: one write to the journal costs much the same for one
/// record as for a thousand.
struct EmbeddedWriter {
    inner: Arc<Inner>,
    waiting: Vec<Outgoing>,
    bytes: usize,
    unsynced: bool,
}

impl EmbeddedWriter {
    const MAX_WAITING: usize = 2_048;
    const MAX_BYTES: usize = 1 << 20;

    fn append(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        // Taken out first: after an error the caller repeats its work, and so must not find these
        // records sent a second time.
        self.bytes = 0;
        let batch = std::mem::take(&mut self.waiting);
        self.unsynced = true;
        self.inner.append(&batch)
    }
}

impl Writer for EmbeddedWriter {
    fn send(&mut self, out: Outgoing) -> Result<()> {
        self.inner.check(&out)?;
        self.bytes += out.value.as_ref().map_or(0, Vec::len);
        self.waiting.push(out);
        if self.waiting.len() >= Self::MAX_WAITING || self.bytes >= Self::MAX_BYTES {
            self.append()?;
        }
        Ok(())
    }

    fn flush(&mut self, _within: Duration) -> Result<()> {
        self.append()?;
        if self.unsynced {
            self.inner.store.sync()?;
            self.unsynced = false;
        }
        Ok(())
    }
}
