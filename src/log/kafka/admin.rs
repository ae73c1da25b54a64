//! Creating and describing topics.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode as Code;

use super::cluster::Cluster;
use super::{client, not_created};
use crate::clock;
use crate::log::{Cleanup, LogError, Result, TopicInfo, TopicSpec};

/// What a batch adds to the records in it, bytes; generous.
const BATCH_OVERHEAD: usize = 64 << 10;
/// Smallest batch that the topic has to take, since a producer gathers up to 1 MB.
const BATCH_MIN: usize = 1_000_000;

/// The topic as it is.
pub(super) fn describe(cluster: &Cluster, topic: &str) -> Result<Option<TopicInfo>> {
    let Some(seen) = cluster.look_up(topic)? else {
        return Ok(None);
    };
    let (client, options) = admin(cluster)?;
    let asked = [ResourceSpecifier::Topic(topic)];
    let cleanup = match block_on(client.describe_configs(&asked, &options)) {
        Ok(answers) => answers.iter().flatten().find_map(cleanup_of),
        Err(e) => match client::meaning_of(&e, &format!("describing topic \"{topic}\"")) {
            LogError::Denied(_) => None,
            e => return Err(e),
        },
    };
    Ok(Some(TopicInfo { partitions: seen.partitions, cleanup }))
}

/// How a topic forgets, by its settings.
fn cleanup_of(resource: &ConfigResource) -> Option<Vec<Cleanup>> {
    let setting = |name: &str| resource.get(name)?.value.as_deref();
    let millis = |name: &str| -> Option<Duration> {
        // -1 means for ever.
        Some(Duration::from_millis(setting(name)?.parse().ok()?))
    };
    let one = |policy: &str| match policy.trim() {
        "compact" => Some(Cleanup::Compact { min_lag: millis("min.compaction.lag.ms")? }),
        // A bound on bytes may take anything at any time.
        "delete" if setting("retention.bytes").is_some_and(|bytes| bytes != "-1") => {
            Some(Cleanup::Delete { retention: Some(Duration::ZERO) })
        }
        "delete" => {
            setting("retention.ms")?;
            Some(Cleanup::Delete { retention: millis("retention.ms") })
        }
        _ => None,
    };
    // What is not shown is not judged.
    setting("cleanup.policy")?.split(',').map(one).collect()
}

/// Creates the topic and waits until it can be used; false where it existed.
pub(super) fn create(cluster: &Cluster, spec: &TopicSpec) -> Result<bool> {
    let (client, options) = admin(cluster)?;
    let configs = configs(spec);
    let replication = TopicReplication::Fixed(i32::from(spec.replication));
    let partitions = i32::try_from(spec.partitions).unwrap_or(i32::MAX);
    let mut topic = NewTopic::new(&spec.name, partitions, replication);
    for (name, value) in &configs {
        topic = topic.set(name, value);
    }
    let doing = format!("creating topic \"{}\"", spec.name);
    let answers = block_on(client.create_topics([&topic], &options));
    let answers = answers.map_err(|e| client::meaning_of(&e, &doing))?;
    match answers.into_iter().next() {
        Some(Ok(_)) => wait_for_leaders(cluster, spec).map(|()| true),
        Some(Err((_, Code::TopicAlreadyExists))) => Ok(false),
        Some(Err((_, Code::InvalidReplicationFactor))) => Err(LogError::Refused(format!(
            "{doing}: {} replicas need as many brokers",
            spec.replication
        ))),
        Some(Err((_, code))) => Err(client::meaning(code, &doing)),
        None => Err(LogError::Fatal(format!("{doing}: the brokers gave no answer"))),
    }
}

/// The topic's own settings; the brokers' defaults hold for the rest.
fn configs(spec: &TopicSpec) -> Vec<(&'static str, String)> {
    let millis = |d: Duration| d.as_millis().min(i64::MAX as u128).to_string();
    // Brokers measure whole batches. So small records together must fit too.
    let largest = spec.max_record_bytes.max(BATCH_MIN) + BATCH_OVERHEAD;
    let mut configs = vec![("max.message.bytes", largest.to_string())];
    match spec.cleanup {
        Cleanup::Delete { retention } => {
            configs.push(("cleanup.policy", "delete".to_owned()));
            configs.push(("retention.ms", retention.map_or("-1".to_owned(), millis)));
            configs.push(("retention.bytes", "-1".to_owned()));
        }
        Cleanup::Compact { min_lag } => {
            configs.push(("cleanup.policy", "compact".to_owned()));
            configs.push(("min.compaction.lag.ms", millis(min_lag)));
            // The newest segment is never compacted, so that it must not grow or stay for long.
            configs.push(("segment.ms", millis(Duration::from_secs(3_600))));
            configs.push(("segment.bytes", (64 << 20).to_string()));
            configs.push(("min.cleanable.dirty.ratio", "0.3".to_owned()));
            configs.push(("delete.retention.ms", millis(Duration::from_secs(86_400))));
        }
    }
    if spec.replication >= 3 {
        // Acknowledged then means: on two brokers at least.
        configs.push(("min.insync.replicas", "2".to_owned()));
    }
    configs
}

/// Right after its creation a topic is not yet known everywhere.
fn wait_for_leaders(cluster: &Cluster, spec: &TopicSpec) -> Result<()> {
    let deadline = clock::monotonic() + cluster.settings.request_timeout;
    loop {
        let seen = match cluster.look_up(&spec.name) {
            Err(e) if !e.is_retriable() => return Err(e),
            seen => seen.ok().flatten(),
        };
        if seen.is_some_and(|s| s.led && s.partitions == spec.partitions) {
            return Ok(());
        }
        if clock::monotonic() >= deadline {
            let name = &spec.name;
            return Err(LogError::Unavailable(format!(
                "topic \"{name}\" was created but has no leaders yet"
            )));
        }
        cluster.settle(Duration::from_millis(20));
    }
}

/// A client for one operation: they are rare, and it would only hold connections in between.
fn admin(cluster: &Cluster) -> Result<(AdminClient<DefaultClientContext>, AdminOptions)> {
    let client = client::admin(&cluster.settings).create();
    let client = client.map_err(|e| not_created("admin client", &e))?;
    let within = Some(cluster.settings.request_timeout);
    let options = AdminOptions::new().request_timeout(within).operation_timeout(within);
    Ok((client, options))
}

/// Waits for an answer on this thread. The answers come from a thread of the client, so that no
/// runtime is needed, and being inside one does no harm.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
