//! Tidemark: streaming sales KPIs, exact and self-correcting.
//!
//! The tour, in reading order. [`model`] has the nouns. [`intake`], [`ledger`] and [`rollup`] are
//! the three folds: pure, without clock, I/O, randomness or threads; [`drift`] judges, likewise,
//! whether a segment still sells as it used to, and [`notify`] what to tell of it; [`replay`] runs the folds over a file. [`log`] is
//! the port to Kafka and its in-process stand-ins, [`runtime`] drives the folds over it, [`http`]
//! shows the results and receives webhooks, which [`verify`] believes or not. [`app`] puts it all
//! together, [`cli`] starts it. [`world`] makes up a company for the demo and the tests.

#![forbid(unsafe_code)]

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod drift;
pub mod export;
pub mod http;
pub mod intake;
pub mod ledger;
pub mod log;
pub mod model;
pub mod notify;
pub mod observe;
pub mod reference;
pub mod replay;
pub mod rollup;
pub mod runtime;
pub mod telemetry;
pub mod verify;
pub mod world;
