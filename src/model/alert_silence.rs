//! Why nothing can be said of a stream.

/// Why a stream has no data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Too few cases for a baseline, so far.
    NoBaseline,
    /// Days of the baseline are kept no longer.
    BaselineLost,
    /// Nothing came of it.
    Quiet,
    /// Fewer deals are created than before, so the lengths of those that end say nothing.
    Supply,
    /// Days may lack records: a source died, or records were lost.
    Doubt,
}

impl Silence {
    /// All with their names.
    pub const ALL: [(Silence, &'static str); 5] = [
        (Silence::NoBaseline, "no_baseline"),
        (Silence::BaselineLost, "baseline_lost"),
        (Silence::Quiet, "quiet"),
        (Silence::Supply, "supply"),
        (Silence::Doubt, "doubt"),
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}
