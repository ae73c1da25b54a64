//! What several test programs need.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidemark::clock;

/// Where the broker for tests is. `None` where the caller wishes to skip: it has been told.
///
/// A test that cannot run must not look like one that passed, so without a broker this panics,
/// unless `TIDEMARK_SKIP_KAFKA=1` says that it was meant.
pub fn kafka_bootstrap() -> Option<String> {
    if let Some(bootstrap) = std::env::var("KAFKA_BOOTSTRAP").ok().filter(|b| !b.is_empty()) {
        return Some(bootstrap);
    }
    if std::env::var("TIDEMARK_SKIP_KAFKA").is_ok_and(|skip| skip == "1") {
        println!("skipped: no Kafka, as TIDEMARK_SKIP_KAFKA=1 asks");
        return None;
    }
    panic!(
        "this test needs a Kafka broker: run `make test`, which starts one, or `scripts/kafka start` \
         and set KAFKA_BOOTSTRAP to what it prints; TIDEMARK_SKIP_KAFKA=1 leaves these tests out"
    );
}

/// A name that no other test, and no earlier run on the same broker, has used.
pub fn fresh_name(stem: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{stem}-{:x}-{:x}-{count}", clock::wall_ms(), std::process::id())
}

/// Calls `step` until it yields something. `step` should wait a little itself, for what it needs
/// to happen. Panics, naming what was awaited, after `within`.
pub fn await_some<T>(what: &str, within: Duration, mut step: impl FnMut() -> Option<T>) -> T {
    let deadline = clock::monotonic() + within;
    loop {
        if let Some(got) = step() {
            return got;
        }
        assert!(clock::monotonic() < deadline, "not within {within:?}: {what}");
    }
}

/// The log on that broker, with a session short enough for tests.
#[cfg(feature = "kafka")]
pub fn kafka_log(bootstrap: &str) -> tidemark::log::kafka::KafkaLog {
    let settings = tidemark::log::kafka::KafkaSettings {
        brokers: bootstrap.to_owned(),
        client_id: "tidemark-test".to_owned(),
        properties: Vec::new(),
        session_timeout: Duration::from_secs(30),
        request_timeout: Duration::from_secs(20),
    };
    tidemark::log::kafka::KafkaLog::new(settings).unwrap()
}

/// Drops the records of a partition below `start`, as retention would.
#[cfg(feature = "kafka")]
pub fn delete_records(
    bootstrap: &str,
    partition: &tidemark::log::TopicPartition,
    start: tidemark::log::Offset,
) {
    use rdkafka::admin::{AdminClient, AdminOptions};
    use rdkafka::client::DefaultClientContext;

    let mut config = rdkafka::ClientConfig::new();
    let admin: AdminClient<DefaultClientContext> =
        config.set("bootstrap.servers", bootstrap).create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    let offset = rdkafka::Offset::Offset(start.0 as i64);
    list.add_partition_offset(&partition.topic, partition.partition.0 as i32, offset).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let done = runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
    done.elements()[0].error().unwrap();
}

/// An admin client, and a runtime to wait for its answers on.
#[cfg(feature = "kafka")]
fn admin(
    bootstrap: &str,
) -> (rdkafka::admin::AdminClient<rdkafka::client::DefaultClientContext>, tokio::runtime::Runtime) {
    let client = rdkafka::ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    (client, tokio::runtime::Builder::new_current_thread().build().unwrap())
}

/// Deletes a topic, and waits until the brokers do not know it any more.
#[cfg(feature = "kafka")]
pub fn delete_topic(bootstrap: &str, topic: &str) {
    use tidemark::log::Log;

    let (admin, runtime) = admin(bootstrap);
    let done =
        runtime.block_on(admin.delete_topics(&[topic], &rdkafka::admin::AdminOptions::new()));
    done.unwrap().pop().unwrap().unwrap();
    await_some("the topic is gone", Duration::from_secs(60), || {
        kafka_log(bootstrap).describe(topic).unwrap().is_none().then_some(())
    });
}

/// Sets a topic's settings; those not named fall back to the brokers' defaults.
#[cfg(feature = "kafka")]
pub fn alter_topic(bootstrap: &str, topic: &str, settings: &[(&str, &str)]) {
    use rdkafka::admin::{AdminOptions, AlterConfig, ResourceSpecifier};

    let (admin, runtime) = admin(bootstrap);
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic));
    let change = settings.iter().fold(change, |change, (name, value)| change.set(name, value));
    let done = runtime.block_on(admin.alter_configs([&change], &AdminOptions::new()));
    done.unwrap().pop().unwrap().unwrap();
}

/// Gives a topic more partitions.
#[cfg(feature = "kafka")]
pub fn add_partitions(bootstrap: &str, topic: &str, total: usize) {
    use rdkafka::admin::{AdminOptions, NewPartitions};

    let (admin, runtime) = admin(bootstrap);
    let more = NewPartitions::new(topic, total);
    let done = runtime.block_on(admin.create_partitions([&more], &AdminOptions::new()));
    done.unwrap().pop().unwrap().unwrap();
}
