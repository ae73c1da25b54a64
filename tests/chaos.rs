//! Real processes on three real brokers, behind proxies that hurt the traffic between them: each
//! directed test is named for what must hold under its faults, and asserts that they happened; a
//! seeded run draws faults for as long as it is told. A failing run is had again by its seed:
//! `make chaos SEED=n MINUTES=m`.
#![cfg(feature = "kafka")]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "chaos/directed.rs"]
mod directed;
#[path = "chaos/fault.rs"]
mod fault;
#[path = "support/job.rs"]
mod job;
#[path = "support/process.rs"]
mod process;
#[path = "support/proxy/mod.rs"]
mod proxy;
#[path = "support/recount.rs"]
mod recount;
#[path = "chaos/recounted.rs"]
mod recounted;
#[path = "support/rows.rs"]
mod rows;
#[path = "chaos/seeded.rs"]
mod seeded;
#[path = "chaos/stage.rs"]
mod stage;
mod support;
#[path = "chaos/verdict.rs"]
mod verdict;
#[path = "chaos/verify.rs"]
mod verify;
