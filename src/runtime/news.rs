//! What the group says to a member, heard also in the middle of a restore.

use std::collections::VecDeque;
use std::time::Duration;

use crate::log::{LogError, Member};

/// Assignments that came and were not acted upon yet, oldest first. All are kept, not the newest
/// alone: a part that one of them leaves out had another owner in between, though the next one
/// gives it back.
#[derive(Default)]
pub struct News(VecDeque<Vec<u32>>);

impl News {
    /// The next assignment to act upon, if there is one: the partitions that this member owns.
    pub fn take(&mut self, member: &mut dyn Member) -> Result<Option<Vec<u32>>, LogError> {
        if self.0.is_empty() {
            self.hear(member)?;
        }
        Ok(self.0.pop_front())
    }

    /// Asks the group, as it must be asked every few seconds, and says whether the member still
    /// has this part. What it hears stays to be taken.
    pub fn keeps(&mut self, member: &mut dyn Member, part: u32) -> Result<bool, LogError> {
        match self.hear(member) {
            // It does not end the membership, and the restore does not hang on it.
            Err(error) if error.is_retriable() => {}
            heard => heard?,
        }
        Ok(self.0.iter().all(|owned| owned.contains(&part)))
    }

    fn hear(&mut self, member: &mut dyn Member) -> Result<(), LogError> {
        let owned = member.poll(Duration::ZERO)?;
        self.0.extend(owned.map(|owned| owned.iter().map(|tp| tp.partition.0).collect()));
        Ok(())
    }
}
