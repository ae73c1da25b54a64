//! What is wrong with a formula.

use std::ops::Range;

/// What is wrong with a formula, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Bytes of the text.
    pub at: Range<usize>,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl Fault {
    pub(super) fn new(at: Range<usize>, what: impl Into<String>, mend: impl Into<String>) -> Fault {
        Fault { at, what: what.into(), mend: mend.into() }
    }

    pub(super) fn unknown(name: &str, at: &Range<usize>) -> Fault {
        let what = format!("there is no KPI or measure \"{name}\"");
        Fault::new(at.clone(), what, "write a name that there is")
    }
}
