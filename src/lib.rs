//! Tidemark: streaming sales KPIs, exact and self-correcting.
//!
//! The tour, in reading order: [`model`] has the nouns; [`intake`], [`ledger`] and [`rollup`] are
//! the three pure folds; [`replay`] runs them over a file.
pub mod intake;
pub mod ledger;
pub mod model;
pub mod replay;
pub mod rollup;
