//! Tidemark: streaming sales KPIs, exact and self-correcting.
pub mod model;
