//! Tails the results topic whole, so that every instance answers for all segments.

use super::{BATCH, Context, Fault, POLL};
use crate::log::{Offset, TopicPartition};

/// Runs the worker until the stop.
pub fn run(context: &Context) -> Result<(), Fault> {
    let mut reader = context.log.reader()?;
    let mut at: Vec<(TopicPartition, Offset)> = Vec::new();
    let mut ends = Vec::new();
    for p in 0..context.config.definition.partitions {
        let partition = TopicPartition::new(context.topics.kpis.as_str(), p);
        let bounds = reader.bounds(&partition)?;
        at.push((partition, bounds.start));
        ends.push(bounds.end);
    }
    reader.assign(&at)?;
    let mut batch = Vec::with_capacity(BATCH);
    let mut ready = false;
    while !context.stop.is_requested() {
        batch.clear();
        reader.poll(BATCH, POLL, &mut batch)?;
        for record in &batch {
            let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default());
            context.board.apply(&key, record.value.as_deref());
            at[record.partition.0 as usize].1 = record.offset.next();
        }
        if !ready && at.iter().zip(&ends).all(|((p, next), end)| next >= end || reader.ended(p)) {
            ready = true;
            context.health.set("board", Ok(()));
        }
    }
    Ok(())
}
