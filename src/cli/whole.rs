//! Reads partitions from their first record to where they end now.

use std::time::Duration;

use crate::clock::monotonic;
use crate::log::{LogError, Reader, Record, TopicPartition};

/// How long nothing may come before it is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gives each record of a partition, in order. What is written meanwhile is left.
pub fn read_whole(
    reader: &mut dyn Reader,
    partition: &TopicPartition,
    mut take: impl FnMut(Record),
) -> Result<(), LogError> {
    let bounds = reader.bounds(partition)?;
    let mut next = bounds.start;
    reader.assign(&[(partition.clone(), next)])?;
    let mut last = monotonic();
    let mut batch = Vec::new();
    while next < bounds.end && !reader.ended(partition) {
        if reader.poll(2_000, Duration::from_millis(200), &mut batch)? > 0 {
            last = monotonic();
        } else if monotonic() >= last + PATIENCE {
            return Err(LogError::Unavailable(format!(
                "nothing more comes of {partition} at {next}"
            )));
        }
        for record in batch.drain(..) {
            next = record.offset.next();
            take(record);
        }
    }
    Ok(())
}
