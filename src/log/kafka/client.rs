//! The settings of librdkafka clients, their log lines, and what their errors mean.

use std::sync::Mutex;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::KafkaSettings;
use crate::log::{LogError, Result};

/// Properties on which the promises rest.
const RESERVED: [&str; 16] = [
    "acks",
    "allow.auto.create.topics",
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "bootstrap.servers",
    "client.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "metadata.broker.list",
    "request.required.acks",
    "session.timeout.ms",
    "transactional.id",
];

/// Longest heartbeat interval of a member. It is with a heartbeat that a member hears of a rebalance,
/// and a partition that moves has no owner until all have heard of the second one.
const HEARTBEAT_MAX: Duration = Duration::from_millis(500);

/// Refuses properties that are not the user's to set.
pub(super) fn check_properties(settings: &KafkaSettings) -> Result<()> {
    let reserved = |name: &str| RESERVED.contains(&name);
    match settings.properties.iter().find(|(name, _)| reserved(name)) {
        Some((name, _)) => {
            Err(LogError::Refused(format!("kafka property \"{name}\" cannot be overridden")))
        }
        None => Ok(()),
    }
}

/// What all clients are created with.
fn common(settings: &KafkaSettings, ours: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers);
    config.set("client.id", &settings.client_id);
    config.set("log.connection.close", "false");
    config.set("socket.keepalive.enable", "true");
    config.set("reconnect.backoff.max.ms", "5000");
    config.set("topic.metadata.refresh.interval.ms", "60000");
    config.set("topic.metadata.propagation.max.ms", "10000");
    for (name, value) in ours {
        config.set(*name, *value);
    }
    let given = |name: &str| settings.properties.iter().find(|(n, _)| n == name).map(|(_, v)| v);
    let encrypted = given("security.protocol").is_some_and(|p| p.to_lowercase().contains("ssl"));
    let trusted = ["ssl.ca.location", "ssl.ca.pem", "ssl.ca.certificate.stores"];
    if encrypted && !trusted.iter().any(|name| given(name).is_some()) {
        // An OpenSSL that is linked in does not know where this system keeps its authorities.
        config.set("ssl.ca.location", "probe");
    }
    for (name, value) in &settings.properties {
        config.set(name, value);
    }
    // The level would else follow the `log` crate, which nobody here sets up.
    config.set_log_level(RDKafkaLogLevel::Info);
    config
}

/// For questions about topics; never creates one, never joins a group.
pub(super) fn probe(settings: &KafkaSettings) -> ClientConfig {
    let mut config = common(settings, &[("allow.auto.create.topics", "false")]);
    // Its events are looked at only after a question, so they must not pile up.
    config.set_log_level(RDKafkaLogLevel::Emerg);
    config
}

/// For creating topics.
pub(super) fn admin(settings: &KafkaSettings) -> ClientConfig {
    let mut config = common(settings, &[]);
    config.set_log_level(RDKafkaLogLevel::Emerg);
    config
}

/// For writers: every record acknowledged by all in-sync replicas, once, in order.
pub(super) fn producer(settings: &KafkaSettings) -> ClientConfig {
    common(
        settings,
        &[
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("compression.type", "lz4"),
            ("linger.ms", "5"),
            ("queue.buffering.max.messages", "100000"),
            ("queue.buffering.max.kbytes", "65536"),
            // The topic's limit decides: this one only has to be above it.
            ("message.max.bytes", "16000000"),
            // A record for a cluster that is gone must not wait for ever.
            ("message.timeout.ms", "30000"),
        ],
    )
}

/// What readers and members share.
const CONSUMER: [(&str, &str); 6] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("allow.auto.create.topics", "false"),
    ("isolation.level", "read_committed"),
    ("check.crcs", "true"),
];

/// Most bytes that a broker puts into one answer to a reader, compressed; beyond it only a single
/// batch that is larger.
const FETCH_BYTES: &str = "65536";

/// For readers. librdkafka wants a group for any assignment; nothing ever joins this one.
pub(super) fn reader(settings: &KafkaSettings) -> ClientConfig {
    let group = format!("{}.reader", settings.client_id);
    let ours = [
        ("group.id", group.as_str()),
        ("queued.max.messages.kbytes", "16384"),
        ("queued.min.messages", "2000"),
        // An answer is decompressed whole, however full the queue is by then.
        ("fetch.max.bytes", FETCH_BYTES),
        ("fetch.message.max.bytes", FETCH_BYTES),
        // The client raises `fetch.max.bytes` to this. A larger record still comes, alone.
        ("message.max.bytes", FETCH_BYTES),
        ("fetch.queue.backoff.ms", "20"),
        ("fetch.error.backoff.ms", "200"),
        ("fetch.wait.max.ms", "100"),
        ("enable.partition.eof", "true"),
    ];
    common(settings, &[&CONSUMER[..], &ours[..]].concat())
}

/// For members of a group.
pub(super) fn member(settings: &KafkaSettings, group: &str) -> ClientConfig {
    let session = settings.session_timeout.as_millis().to_string();
    let heartbeat = (settings.session_timeout / 3).min(HEARTBEAT_MAX).as_millis().to_string();
    let ours = [
        ("group.id", group),
        ("max.poll.interval.ms", "300000"),
        // Partitions are paused, so these only bound what slips through before that.
        ("queued.min.messages", "1"),
        ("queued.max.messages.kbytes", "1024"),
    ];
    let classic = [
        ("session.timeout.ms", session.as_str()),
        ("heartbeat.interval.ms", heartbeat.as_str()),
        ("partition.assignment.strategy", "cooperative-sticky"),
    ];
    let mut all = [&CONSUMER[..], &ours[..]].concat();
    let newer = |(name, value): &(String, String)| name == "group.protocol" && value == "consumer";
    if !settings.properties.iter().any(newer) {
        // With the newer protocol the broker decides these, and the client refuses them.
        all.extend(classic);
    }
    common(settings, &all)
}

/// A property as it may be shown: by value only where no secret can be in it.
pub(super) fn shown(name: &str, value: &str) -> String {
    let open = ["security.protocol", "sasl.mechanism", "sasl.mechanisms", "ssl.ca.location"];
    let number =
        value.parse::<f64>().is_ok() && !name.starts_with("sasl.") && !name.starts_with("ssl.");
    match number || open.contains(&name) {
        true => format!("{name}={value}"),
        false => format!("{name}=<hidden>"),
    }
}

/// A property that librdkafka does not take, without its value, which may be a secret.
pub(super) fn refused_property(e: &KafkaError) -> Option<LogError> {
    let KafkaError::ClientConfig(kind, _, name, _) = e else {
        return None;
    };
    let why = match kind {
        rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN => "is not known to this build",
        _ => "has a value that is not valid",
    };
    Some(LogError::Refused(format!("kafka property \"{name}\" {why}")))
}

/// What a code means to a caller. `doing` names the operation.
pub(super) fn meaning(code: Code, doing: &str) -> LogError {
    let text = format!("{doing}: {code}");
    match code {
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::Authentication
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState => LogError::Denied(text),
        Code::InvalidTopic
        | Code::InvalidConfig
        | Code::InvalidReplicationFactor
        | Code::InvalidPartitions
        | Code::InvalidArgument
        | Code::InvalidRecord
        | Code::InvalidGroupId
        | Code::InvalidSessionTimeout
        | Code::InconsistentGroupProtocol
        | Code::PolicyViolation => LogError::Refused(text),
        code if passes(code) => LogError::Unavailable(text),
        _ => LogError::Fatal(text),
    }
}

/// Whether a fault passes by itself.
pub(super) fn passes(code: Code) -> bool {
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::Resolve
            | Code::SSL
            | Code::OperationTimedOut
            | Code::MessageTimedOut
            | Code::TimedOutQueue
            | Code::WaitCache
            | Code::WaitingForCoordinator
            | Code::InProgress
            | Code::PreviousInProgress
            | Code::Retry
            | Code::QueueFull
            | Code::PurgeQueue
            | Code::PurgeInflight
            | Code::ISRInsufficient
            | Code::NodeUpdate
            | Code::UnknownBroker
            | Code::DestroyBroker
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::RequestTimedOut
            | Code::BrokerNotAvailable
            | Code::ReplicaNotAvailable
            | Code::StaleControllerEpoch
            | Code::StaleBrokerEpoch
            | Code::NotController
            | Code::NetworkException
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::RebalanceInProgress
            | Code::ReassignmentInProgress
            | Code::KafkaStorageError
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::OffsetNotAvailable
            | Code::UnstableOffsetCommit
            | Code::ThrottlingQuotaExceeded
            | Code::PreferredLeaderNotAvailable
            | Code::EligibleLeadersNotAvailable
            | Code::UnknownTopicId
            | Code::RebootstrapRequired
    )
}

/// Whether the topic or partition is not there.
pub(super) fn missing(code: Code) -> bool {
    matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition)
}

/// An error with its code, or as it is where it has none.
pub(super) fn meaning_of(e: &KafkaError, doing: &str) -> LogError {
    // The client library does not give the code of a failed admin operation as one.
    let admin = if let KafkaError::AdminOp(code) = e { Some(*code) } else { None };
    match e.rdkafka_error_code().or(admin) {
        Some(code) => meaning(code, doing),
        None => LogError::Fatal(format!("{doing}: {e}")),
    }
}

/// Passes on a log line. librdkafka repeats what cannot be reached every second or so, and reports
/// it as an error as well: those lines are for debugging.
pub(super) fn log_line(level: RDKafkaLogLevel, facility: &str, line: &str) {
    let noise = matches!(facility, "FAIL" | "ERROR" | "CONFWARN" | "REQTMOUT" | "COMMITFAIL");
    match level {
        _ if noise => tracing::debug!(target: "librdkafka", facility, "{line}"),
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(target: "librdkafka", facility, "{line}"),
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{line}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{line}")
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{line}"),
    }
}

/// Remembers why the last error came: an event carries only its code.
#[derive(Default)]
pub(super) struct Reason(Mutex<String>);

impl Reason {
    pub(super) fn note(&self, error: &KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        *self.0.lock().expect("no code panics while it holds the reason") = reason.to_owned();
    }

    /// What a poll error means; `None` where it passes by itself and nobody need know.
    pub(super) fn explain(&self, e: &KafkaError, doing: &str) -> Option<LogError> {
        let reason = self.0.lock().expect("no code panics while it holds the reason").clone();
        let doing = if reason.is_empty() { doing.to_owned() } else { format!("{doing}: {reason}") };
        if let KafkaError::MessageConsumptionFatal(code) = e {
            return Some(LogError::Fatal(format!("{doing}: {code}")));
        }
        match e.rdkafka_error_code() {
            Some(Code::AllBrokersDown) => Some(LogError::Unavailable(doing)),
            Some(code) if passes(code) => None,
            _ => Some(meaning_of(e, &doing)),
        }
    }
}

/// The context of clients that need no callbacks.
#[derive(Default)]
pub(super) struct Plain {
    pub(super) reason: Reason,
}

impl ClientContext for Plain {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reason.note(&error, reason);
    }
}

impl ConsumerContext for Plain {}

/// Closes a consumer on a thread of its own: closing polls without a deadline, so that it could
/// hang, and this must not.
pub(super) fn retire<C>(consumer: BaseConsumer<C>, within: Duration)
where
    C: ConsumerContext + 'static,
{
    let (closed, closing) = std::sync::mpsc::channel::<()>();
    let close = move || {
        drop(consumer);
        drop(closed);
    };
    // Where no thread can be had, the closure is dropped here, and the consumer with it.
    let thread = std::thread::Builder::new().name("kafka-close".to_owned()).spawn(close);
    if thread.is_ok()
        && closing.recv_timeout(within) == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
    {
        tracing::warn!(?within, "a Kafka consumer did not close in time and was left behind");
    }
}
