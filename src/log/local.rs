//! What the two in-process logs share: the wake-up of waiting readers, the reader, the checks.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::{
    Bounds, LogError, Offset, Outgoing, Reader, Record, Result, TopicPartition, TopicSpec,
};
use crate::clock;

/// Partitions that an in-process log gives a reader.
pub(super) trait Shelf: Send + Sync {
    /// What is held of a partition.
    fn bounds(&self, partition: &TopicPartition) -> Result<Bounds>;
    /// Appends records at or behind `from`, which lies inside the bounds, while there is room.
    fn fetch(
        &self,
        of: &TopicPartition,
        from: Offset,
        room: &mut Room,
        out: &mut Vec<Record>,
    ) -> Result<()>;
    /// Counts appends.
    fn growth(&self) -> &Growth;
}

/// What one poll may still take. The bytes are bounded too: a poll for a thousand records must not
/// pull a gigabyte of images into memory.
pub(super) struct Room {
    records: usize,
    bytes: usize,
}

impl Room {
    const POLL_BYTES: usize = 8 << 20;

    /// Room for `max` records of an ordinary size.
    pub(super) fn new(max: usize) -> Self {
        Room { records: max, bytes: Self::POLL_BYTES }
    }

    /// Whether no further record should be taken.
    pub(super) fn is_full(&self) -> bool {
        self.records == 0 || self.bytes == 0
    }

    /// Counts a record that was taken; the last one may exceed the bytes.
    pub(super) fn take(&mut self, record: &Record) {
        let headers = record.headers.iter().map(|h| h.name.len() + h.value.len());
        let size = record.key.as_ref().map_or(0, Vec::len)
            + record.value.as_ref().map_or(0, Vec::len)
            + headers.sum::<usize>();
        self.records = self.records.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
    }
}

/// A counter of appends that readers wait on.
#[derive(Default)]
pub(super) struct Growth {
    count: Mutex<u64>,
    grown: Condvar,
}

impl Growth {
    fn count(&self) -> u64 {
        *self.count.lock().expect("no code panics while it holds the count")
    }

    /// Tells waiting readers that something was appended.
    pub(super) fn announce(&self) {
        *self.count.lock().expect("no code panics while it holds the count") += 1;
        self.grown.notify_all();
    }

    /// Waits until the count differs from `seen`, or the time is up.
    fn wait(&self, seen: u64, within: Duration) {
        let count = self.count.lock().expect("no code panics while it holds the count");
        drop(self.grown.wait_timeout_while(count, within, |count| *count == seen));
    }
}

/// A reader of an in-process log.
pub(super) struct LocalReader<S> {
    shelf: Arc<S>,
    at: Vec<(TopicPartition, Offset)>,
    /// Whose turn it is to be read first, so that a busy partition cannot starve the others.
    turn: usize,
    /// Which partitions were read to their end.
    ended: Vec<bool>,
}

impl<S: Shelf> LocalReader<S> {
    pub(super) fn new(shelf: Arc<S>) -> Self {
        LocalReader { shelf, at: Vec::new(), turn: 0, ended: Vec::new() }
    }

    /// One round over the partitions. An error counts only where it comes before any record: the
    /// turn goes round, so that it is not put off for ever.
    fn read(&mut self, max: usize, out: &mut Vec<Record>) -> Result<usize> {
        let before = out.len();
        let mut room = Room::new(max);
        let first = self.turn;
        self.turn = self.turn.wrapping_add(1);
        for i in 0..self.at.len() {
            let slot = first.wrapping_add(i) % self.at.len();
            let (partition, next) = &mut self.at[slot];
            let done = read_one(self.shelf.as_ref(), partition, next, &mut room, out);
            // With room left, everything there was has been taken.
            self.ended[slot] = done.is_ok() && !room.is_full();
            match done {
                Err(e) if out.len() == before => return Err(e),
                _ if room.is_full() => break,
                _ => {}
            }
        }
        Ok(out.len() - before)
    }
}

/// Appends what there is room for of one partition, and moves its position. An error leaves both
/// as they were.
fn read_one<S: Shelf>(
    shelf: &S,
    of: &TopicPartition,
    next: &mut Offset,
    room: &mut Room,
    out: &mut Vec<Record>,
) -> Result<()> {
    in_range(shelf.bounds(of)?, of, *next)?;
    let had = out.len();
    shelf.fetch(of, *next, room, out)?;
    if let Some(last) = out[had..].last() {
        let after = last.offset.next();
        // Retention may have passed in between: what it took must not look like a gap.
        if let Err(passed) = in_range(shelf.bounds(of)?, of, *next) {
            out.truncate(had);
            return Err(passed);
        }
        *next = after;
    }
    Ok(())
}

impl<S: Shelf> Reader for LocalReader<S> {
    fn assign(&mut self, at: &[(TopicPartition, Offset)]) -> Result<()> {
        for (partition, _) in at {
            self.shelf.bounds(partition)?;
        }
        self.at = at.to_vec();
        self.ended = vec![false; at.len()];
        Ok(())
    }

    fn poll(&mut self, max: usize, wait: Duration, out: &mut Vec<Record>) -> Result<usize> {
        let deadline = clock::monotonic() + wait;
        loop {
            let seen = self.shelf.growth().count();
            let came = self.read(max, out)?;
            let left = deadline.saturating_duration_since(clock::monotonic());
            if came > 0 || max == 0 || left.is_zero() {
                return Ok(came);
            }
            self.shelf.growth().wait(seen, left);
        }
    }

    fn bounds(&mut self, partition: &TopicPartition) -> Result<Bounds> {
        self.shelf.bounds(partition)
    }

    fn ended(&self, partition: &TopicPartition) -> bool {
        let place = self.at.iter().position(|(p, _)| p == partition);
        place.is_some_and(|i| self.ended[i])
    }
}

fn in_range(bounds: Bounds, of: &TopicPartition, asked: Offset) -> Result<()> {
    let Bounds { start, end } = bounds;
    if (start..=end).contains(&asked) {
        return Ok(());
    }
    Err(LogError::OutOfRange { partition: of.clone(), asked, start, end })
}

/// Refuses a topic that Kafka would refuse too, so that what runs in process moves to a cluster.
pub(super) fn check_spec(spec: &TopicSpec) -> Result<()> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name = spec.name.as_str();
    if name.is_empty() || name.len() > 249 || matches!(name, "." | "..") || !name.chars().all(legal)
    {
        return Err(LogError::Refused(format!("topic name \"{name}\" is not legal")));
    }
    if spec.partitions == 0 {
        return Err(LogError::Refused(format!("topic \"{name}\" needs at least one partition")));
    }
    Ok(())
}

/// Refuses a record that the topic does not take. `max_key` bounds the key of a compacted topic.
pub(super) fn check_record(out: &Outgoing, spec: &TopicSpec, max_key: usize) -> Result<()> {
    if out.partition.0 >= spec.partitions {
        return Err(LogError::NoSuchPartition(partition_of(out)));
    }
    let key = out.key.as_ref().map_or(0, Vec::len);
    let size = key + out.value.as_ref().map_or(0, Vec::len);
    let too_large =
        |detail: String| LogError::TooLarge { topic: out.topic.to_string(), size, detail };
    if size > spec.max_record_bytes {
        return Err(too_large(format!("the topic takes {} bytes", spec.max_record_bytes)));
    }
    if matches!(spec.cleanup, super::Cleanup::Compact { .. }) {
        if out.key.is_none() {
            return Err(LogError::Refused(format!(
                "compacted topic \"{}\" takes no record without a key",
                out.topic
            )));
        }
        if key > max_key {
            return Err(too_large(format!("its key is longer than {max_key} bytes")));
        }
    }
    Ok(())
}

/// The partition that a record goes to.
pub(super) fn partition_of(out: &Outgoing) -> TopicPartition {
    TopicPartition { topic: out.topic.clone(), partition: out.partition }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Header;

    #[test]
    fn a_batch_has_room_for_bytes_wherever_a_record_has_them() {
        let record = |key: usize, value: usize, header: usize| Record {
            topic: "t".into(),
            partition: crate::log::Partition(0),
            offset: Offset(0),
            timestamp_ms: None,
            key: Some(vec![0; key]),
            value: Some(vec![0; value]),
            headers: vec![Header::new("h", vec![0; header])],
        };
        const MIB: usize = 1 << 20;
        for large in [record(MIB, 0, 0), record(0, MIB, 0), record(0, 0, MIB)] {
            let mut room = Room::new(2_000);
            let taken = (0..).find(|_| {
                let full = room.is_full();
                room.take(&large);
                full
            });
            assert_eq!(taken, Some(8));
        }
        let mut room = Room::new(1);
        room.take(&record(0, 0, 0));
        assert!(room.is_full());
    }
}
