//! A log in memory: replay, tests, and simulated crashes, which keep the log and drop the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::group::{Coordinator, GroupHost};
use super::local::{Growth, LocalReader, Room, Shelf, check_record, check_spec, partition_of};
use super::{
    Bounds, Log, LogError, Member, Offset, Outgoing, Position, Reader, Record, Result, TopicInfo,
    TopicPartition, TopicSpec, Writer,
};

/// A log in memory. Clones share their content.
#[derive(Clone, Default)]
pub struct MemoryLog {
    inner: Arc<Inner>,
}

struct Inner {
    id: String,
    content: Mutex<Content>,
    growth: Growth,
    groups: Coordinator,
}

#[derive(Default)]
struct Content {
    topics: BTreeMap<Arc<str>, Topic>,
    committed: BTreeMap<(String, TopicPartition), Position>,
}

struct Topic {
    spec: TopicSpec,
    partitions: Vec<Shard>,
}

/// One partition. Records are in order of offset; compaction leaves gaps.
#[derive(Default)]
struct Shard {
    start: Offset,
    end: Offset,
    records: Vec<Record>,
}

impl Default for Inner {
    fn default() -> Self {
        // A counter, so that runs are alike.
        static LOGS: AtomicU64 = AtomicU64::new(1);
        Inner {
            id: format!("memory-{}", LOGS.fetch_add(1, Ordering::Relaxed)),
            content: Mutex::default(),
            growth: Growth::default(),
            groups: Coordinator::default(),
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().expect("no code panics while it holds the content")
    }

    fn append(&self, out: Outgoing, timestamp_ms: Option<i64>) -> Result<Offset> {
        let mut content = self.lock();
        let topic = content.topics.get_mut(&out.topic);
        let topic = topic.ok_or_else(|| LogError::NoSuchPartition(partition_of(&out)))?;
        check_record(&out, &topic.spec, usize::MAX)?;
        let shard = &mut topic.partitions[out.partition.0 as usize];
        let offset = shard.end;
        shard.end = offset.next();
        shard.records.push(Record {
            topic: out.topic,
            partition: out.partition,
            offset,
            timestamp_ms,
            key: out.key,
            value: out.value,
            headers: out.headers,
        });
        drop(content);
        self.growth.announce();
        Ok(offset)
    }
}

impl Content {
    fn shard(&mut self, of: &TopicPartition) -> Result<&mut Shard> {
        let topic = self.topics.get_mut(&of.topic);
        let shard = topic.and_then(|t| t.partitions.get_mut(of.partition.0 as usize));
        shard.ok_or_else(|| LogError::NoSuchPartition(of.clone()))
    }
}

impl MemoryLog {
    /// Appends one record, with a timestamp if it has one. Errors as [`Writer::send`].
    pub fn append(&self, out: Outgoing, timestamp_ms: Option<i64>) -> Result<Offset> {
        self.inner.append(out, timestamp_ms)
    }

    /// Drops every record of the topic whose key was written again later, as a compaction that has
    /// reached the end would; offsets stay, so gaps remain. Nothing happens to an unknown topic.
    pub fn compact(&self, topic: &str) {
        self.compact_before(topic, i64::MAX);
    }

    /// The same among the records not younger than a moment (milliseconds since 1970), as
    /// `min.compaction.lag.ms` has it: neither do younger ones go, nor do they make older ones go.
    pub fn compact_before(&self, topic: &str, moment: i64) {
        let mut content = self.inner.lock();
        let Some(topic) = content.topics.get_mut(topic) else {
            return;
        };
        for shard in &mut topic.partitions {
            let mut seen = BTreeSet::new();
            let mut kept: Vec<Record> = std::mem::take(&mut shard.records);
            kept.reverse();
            let old = |r: &Record| r.timestamp_ms.is_none_or(|at| at <= moment);
            kept.retain(|r| !old(r) || r.key.as_ref().is_none_or(|key| seen.insert(key.clone())));
            kept.reverse();
            shard.records = kept;
        }
    }

    /// Deletes the topic, as an operator would; it can be created anew, from offset 0.
    pub fn delete(&self, topic: &str) {
        self.inner.lock().topics.remove(topic);
    }

    /// Forgets where a group stands, as brokers do with one that was away for long.
    pub fn forget_group(&self, group: &str) {
        self.inner.lock().committed.retain(|(of, _), _| of != group);
    }

    /// Drops everything below `start`, as retention would. Fails on an unknown partition.
    pub fn truncate(&self, partition: &TopicPartition, start: Offset) -> Result<()> {
        let mut content = self.inner.lock();
        let shard = content.shard(partition)?;
        shard.start = start.min(shard.end).max(shard.start);
        let below = shard.records.partition_point(|r| r.offset < shard.start);
        shard.records.drain(..below);
        Ok(())
    }
}

impl Shelf for Inner {
    fn bounds(&self, partition: &TopicPartition) -> Result<Bounds> {
        self.lock().shard(partition).map(|s| Bounds { start: s.start, end: s.end })
    }

    fn fetch(
        &self,
        of: &TopicPartition,
        from: Offset,
        room: &mut Room,
        out: &mut Vec<Record>,
    ) -> Result<()> {
        let mut content = self.lock();
        let shard = content.shard(of)?;
        let first = shard.records.partition_point(|r| r.offset < from);
        for record in &shard.records[first..] {
            if room.is_full() {
                break;
            }
            room.take(record);
            out.push(record.clone());
        }
        Ok(())
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
        self.lock().topics.get(topic).map_or(0, |t| t.spec.partitions)
    }

    fn store(&self, group: &str, at: &[(TopicPartition, Position)]) -> Result<()> {
        let committed = &mut self.lock().committed;
        committed.extend(at.iter().map(|(tp, at)| ((group.to_owned(), tp.clone()), *at)));
        Ok(())
    }

    fn stored(&self, group: &str, of: &TopicPartition) -> Result<Option<Position>> {
        Ok(self.lock().committed.get(&(group.to_owned(), of.clone())).copied())
    }
}

impl Log for MemoryLog {
    fn cluster_id(&self) -> Result<String> {
        Ok(self.inner.id.clone())
    }

    fn describe(&self, topic: &str) -> Result<Option<TopicInfo>> {
        let content = self.inner.lock();
        Ok(content.topics.get(topic).map(|t| TopicInfo {
            partitions: t.spec.partitions,
            cleanup: Some(vec![t.spec.cleanup]),
        }))
    }

    fn create(&self, spec: &TopicSpec) -> Result<bool> {
        check_spec(spec)?;
        let mut content = self.inner.lock();
        if content.topics.contains_key(spec.name.as_str()) {
            return Ok(false);
        }
        let partitions = (0..spec.partitions).map(|_| Shard::default()).collect();
        content.topics.insert(spec.name.as_str().into(), Topic { spec: spec.clone(), partitions });
        drop(content);
        self.inner.groups.topic_created(self.inner.as_ref());
        Ok(true)
    }

    fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(MemoryWriter { inner: self.inner.clone() }))
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(LocalReader::new(self.inner.clone())))
    }

    fn join(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Member>> {
        Ok(Coordinator::join(self.inner.clone(), group, topics))
    }
}

/// Writes are visible as soon as they are sent, as on a broker that answers at once.
struct MemoryWriter {
    inner: Arc<Inner>,
}

impl Writer for MemoryWriter {
    fn send(&mut self, out: Outgoing) -> Result<()> {
        self.inner.append(out, None).map(drop)
    }

    fn flush(&mut self, _within: Duration) -> Result<()> {
        Ok(())
    }
}
