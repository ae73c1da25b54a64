//! Drift: whether a segment still sells as it used to. Pure statistics over closed days; the
//! rollup feeds them and `model::alert` has the words. `docs/drift.md` tells the method.
//!
//! Everything here is a function of its arguments: the same closed days give the same verdict, so a
//! correction re-decides it. Floats are derived from exact counts each time and are never state.

pub mod amounts;
pub mod arl;
mod baseline;
mod calibrate;
pub mod chart;
mod explain;
mod judge;
pub mod many;
pub mod mix;
pub mod shrink;
pub mod siblings;
mod supply;

pub use crate::model::interval;
pub use baseline::DayFacts;
pub use explain::{Member, explain};
pub use judge::{Days, Stream, Verdict, judge};
