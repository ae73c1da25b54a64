//! Tails the results and alerts topics whole, so that every instance answers for all segments.

use std::collections::HashMap;

use super::{BATCH, Context, Fault, Worker};
use crate::log::{Offset, Reader, Record, TopicPartition};

struct Tailer {
    context: Context,
    reader: Box<dyn Reader>,
    /// Where each partition stands, and where it ended when the tailer was opened.
    at: HashMap<TopicPartition, (Offset, Offset)>,
    batch: Vec<Record>,
    ready: bool,
}

/// Opens the stage.
pub fn open(context: &Context) -> Result<Box<dyn Worker>, Fault> {
    let mut reader = context.log.reader()?;
    let mut at = HashMap::new();
    for topic in [&context.topics.kpis, &context.topics.alerts] {
        for p in 0..context.config.definition.partitions {
            let partition = TopicPartition::new(topic.as_str(), p);
            let bounds = reader.bounds(&partition)?;
            at.insert(partition, (bounds.start, bounds.end));
        }
    }
    let from: Vec<_> = at.iter().map(|(p, (start, _))| (p.clone(), *start)).collect();
    reader.assign(&from)?;
    let batch = Vec::with_capacity(BATCH);
    Ok(Box::new(Tailer { context: context.clone(), reader, at, batch, ready: false }))
}

impl Worker for Tailer {
    fn step(&mut self) -> Result<(), Fault> {
        self.reader.poll(BATCH, self.context.wait, &mut self.batch)?;
        for record in self.batch.drain(..) {
            let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default());
            if *record.topic == *self.context.topics.alerts {
                self.context.alerts.apply(&key, record.value.as_deref());
            } else {
                self.context.board.apply(&key, record.value.as_deref());
            }
            if let Some((next, _)) = self.at.get_mut(&record.topic_partition()) {
                *next = record.offset.next();
            }
        }
        let read = |(p, (next, end)): (&TopicPartition, &(Offset, Offset))| {
            next >= end || self.reader.ended(p)
        };
        if !self.ready && self.at.iter().all(read) {
            self.ready = true;
            self.context.health.set("board", Ok(()));
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Fault> {
        Ok(())
    }
}
