//! The whole pipeline as processes on a real Kafka: scale-out, kills, dead letters, wrong topics.
//! The reference is `replay` over the same records, which the oracle tests hold against the truth.
#![cfg(feature = "kafka")]

mod bounds;
mod broker;
mod conserve;
mod deadletters;
mod faults;
mod hooks;
mod hooks_held;
mod order;
#[cfg(feature = "notify")]
mod receivers;
mod refusals;
mod scale;
#[cfg(feature = "registry")]
mod schemas;
mod targets;

#[cfg(feature = "notify")]
#[path = "../support/alertmanager.rs"]
mod alertmanager;

#[path = "../hooks/client.rs"]
mod client;

#[path = "../support/cluster.rs"]
mod cluster;

#[cfg(feature = "notify")]
#[path = "../notify/inbox.rs"]
mod inbox;

#[path = "../support/job.rs"]
mod job;

#[path = "../hooks/sign.rs"]
mod sign;

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/process.rs"]
mod process;

#[cfg(feature = "registry")]
#[path = "../support/registry.rs"]
mod registry;

#[path = "../support/rows.rs"]
mod rows;
