//! Rows as files that other programs read: CSV, XLSX, Parquet, and OpenMetrics history.
//!
//! The columns are those of a [`Table`], the same in every format and the same whatever the rows
//! say. Counts and sums keep every digit; what is absent is an empty cell, never 0; a text of a
//! source can be no formula ([`safe`]). Nothing here reads the log, a clock or the terminal.

pub mod csv;
mod funnel;
pub mod openmetrics;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod read;
pub mod safe;
mod standing;
pub mod table;
#[cfg(feature = "xlsx")]
pub mod xlsx;
mod zones;

pub use read::{NoRow, row_of};
pub use table::{Layout, Parts, Table};
pub use zones::Zones;

/// Why rows could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file or pipe took no more.
    #[error("cannot write the rows")]
    Write(#[from] std::io::Error),
    /// The writer of the format refused.
    #[error("cannot write the rows as {format}")]
    Format {
        /// Format.
        format: &'static str,
        /// What its writer said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A value is larger than the format holds.
    #[error("{format} cannot hold {what}: {mend}")]
    TooLarge {
        /// Format.
        format: &'static str,
        /// What is too large.
        what: String,
        /// What helps.
        mend: &'static str,
    },
}

impl ExportError {
    /// Whether whoever reads what is written has seen enough, as `head` has.
    pub fn is_broken_pipe(&self) -> bool {
        let broken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
        let mut at: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = at {
            if error.downcast_ref().is_some_and(broken) {
                return true;
            }
            at = error.source();
        }
        false
    }
}

#[cfg(test)]
pub(crate) mod tests;
