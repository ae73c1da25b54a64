//! Tails the results topic whole, so that every instance answers for all segments.

use super::{BATCH, Context, Fault, Worker};
use crate::log::{Offset, Reader, Record, TopicPartition};

struct Tailer {
    context: Context,
    reader: Box<dyn Reader>,
    /// Where each partition stands, and where it ended when the tailer was opened.
    at: Vec<(TopicPartition, Offset, Offset)>,
    batch: Vec<Record>,
    ready: bool,
}

/// Opens the stage.
pub fn open(context: &Context) -> Result<Box<dyn Worker>, Fault> {
    let mut reader = context.log.reader()?;
    let mut at = Vec::new();
    for p in 0..context.config.definition.partitions {
        let partition = TopicPartition::new(context.topics.kpis.as_str(), p);
        let bounds = reader.bounds(&partition)?;
        at.push((partition, bounds.start, bounds.end));
    }
    reader.assign(&at.iter().map(|(p, start, _)| (p.clone(), *start)).collect::<Vec<_>>())?;
    let batch = Vec::with_capacity(BATCH);
    Ok(Box::new(Tailer { context: context.clone(), reader, at, batch, ready: false }))
}

impl Worker for Tailer {
    fn step(&mut self) -> Result<(), Fault> {
        self.reader.poll(BATCH, self.context.wait, &mut self.batch)?;
        for record in self.batch.drain(..) {
            let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default());
            self.context.board.apply(&key, record.value.as_deref());
            self.at[record.partition.0 as usize].1 = record.offset.next();
        }
        let read =
            |(p, next, end): &(TopicPartition, Offset, Offset)| next >= end || self.reader.ended(p);
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
