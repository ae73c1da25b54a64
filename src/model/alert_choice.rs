//! What of the watch for drift can be chosen.

use super::interval;

/// Which chart watches durations and amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ChartKind {
    /// Sums what speaks for a drift: soonest for one that comes at once and is about what it is tuned
    /// to.
    #[default]
    Cusum,
    /// A mean that forgets: about as soon, and easier to read.
    Ewma,
}

impl ChartKind {
    /// All with their names.
    pub const ALL: [(ChartKind, &'static str); 2] =
        [(ChartKind::Cusum, "cusum"), (ChartKind::Ewma, "ewma")];

    /// From its name.
    pub fn parse(text: &str) -> Option<ChartKind> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(chart, _)| *chart)
    }
}

/// How the interval of a ratio is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IntervalKind {
    /// Wilson's: from the score test.
    #[default]
    Wilson,
    /// Jeffreys': of a Bayesian who knew nothing before.
    Jeffreys,
}

impl IntervalKind {
    /// All with their names.
    pub const ALL: [(IntervalKind, &'static str); 2] =
        [(IntervalKind::Wilson, "wilson"), (IntervalKind::Jeffreys, "jeffreys")];

    /// From its name.
    pub fn parse(text: &str) -> Option<IntervalKind> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(interval, _)| *interval)
    }

    /// That of so many of so many.
    pub fn of(self, hits: u64, n: u64) -> (f64, f64) {
        match self {
            IntervalKind::Wilson => interval::wilson(hits, n),
            IntervalKind::Jeffreys => interval::jeffreys(hits, n),
        }
    }
}
