//! The configuration: as typed (`typed`) and as meant ([`Config`]).
//!
//! Three layers: `config/default.toml`, the user's file, environment variables
//! `TIDEMARK_SECTION__KEY`. Everything is checked before anything starts, and all faults are
//! reported together, each with its place, what is wrong, and how to mend it. Secrets stand in
//! files or variables that the file names; they never reach a log, a dump or a message.
//!
//! Edge, not core: reads files; never the clock, never the network.

mod build;
mod calendar;
mod credit;
mod deals;
mod define;
mod drift;
mod estimate;
mod families;
mod fault;
mod files;
mod formulas;
mod fx;
mod hook_words;
mod hooks;
mod leaf;
mod mapping;
mod measures;
pub(crate) mod near;
mod properties;
mod read;
mod receivers;
mod registry;
mod scrape;
mod shape;
mod summary;
mod target_record;
mod targets;
mod topics;
mod typed;
mod variables;
mod warn;
mod words;
mod zones;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::alert::Rule;
use crate::model::definition::Definition;
use crate::model::fiscal::Fiscal;
use crate::model::source::{Reading, System};
use crate::model::time::Span;

pub use estimate::{Estimate, SetEstimate};
pub use families::Family;
pub use fault::{ConfigError, Fault, Origin};
pub use hooks::{Hook, HookToken, Hooks};
pub use mapping::{PACKS, load_mapping, mapping_from_toml};
pub use receivers::{Receiver, ReceiverKind, ReceiverUrl};
pub use registry::{Credentials, SchemaRegistry};
pub use scrape::PLACES;
pub use summary::Setting;
pub use topics::{Cleanup, TopicSpec, Topics};
pub use warn::Warning;
pub use words::DIMENSIONS;

/// The defaults: every key, its unit and a sentence about it.
pub const DEFAULT: &str = include_str!("../../config/default.toml");

/// The configuration of `tidemark demo`.
pub const DEMO: &str = include_str!("../../config/demo.toml");

/// The configuration as meant: complete and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the deployment: prefix of its topics and consumer groups.
    pub app: String,
    /// Names the internal topics; a changed definition is a new generation.
    pub generation: u32,
    /// The brokers and how to talk to them.
    pub kafka: Kafka,
    /// What is read. May be empty: events can be written to the events topic directly.
    pub sources: Vec<Source>,
    /// What decides the numbers.
    pub definition: Definition,
    /// What is watched for drift, a rule a KPI.
    pub drift: Vec<Rule>,
    /// Who is told of drift alerts, beside the topic.
    pub receivers: Vec<Receiver>,
    /// How time advances.
    pub time: TimeRules,
    /// When results and images are written.
    pub publish: Publish,
    /// Bounds on what is taken in.
    pub intake: IntakeLimits,
    /// Where schemas are asked for; nowhere without it.
    pub schema_registry: Option<SchemaRegistry>,
    /// The HTTP server.
    pub http: Http,
    /// The webhook receiver, where there is one.
    pub hooks: Option<Hooks>,
    /// Bounds on what is published.
    pub limits: Limits,
    /// Where each setting came from.
    pub origin: Origins,
    /// The fiscal year that targets of the topic are checked by, where it is read.
    followed: Option<Fiscal>,
    topics: Topics,
    specs: Vec<TopicSpec>,
}

/// The brokers and how to talk to them. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Kafka {
    /// `host:port`, joined by commas.
    pub brokers: String,
    /// Name in the brokers' logs and quotas.
    pub client_id: String,
    /// Further librdkafka properties, secrets resolved. Never print the values.
    pub properties: Vec<(String, String)>,
    /// After which silence a group gives a member's partitions away.
    pub session_timeout: Duration,
    /// How long an admin or metadata request may take.
    pub request_timeout: Duration,
    /// Replicas of the topics that `topics create` makes.
    pub replication: u16,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |name: &str, value: &str| match properties::is_public(name) {
            true => value.to_owned(),
            false => summary::REDACTED.to_owned(),
        };
        let properties: BTreeMap<&str, String> = self
            .properties
            .iter()
            .map(|(name, value)| (name.as_str(), shown(name, value)))
            .collect();
        f.debug_struct("Kafka")
            .field("brokers", &self.brokers)
            .field("client_id", &self.client_id)
            .field("properties", &properties)
            .field("session_timeout", &self.session_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("replication", &self.replication)
            .finish()
    }
}

/// One connection that events come through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name, unique; the `source` of its events.
    pub name: String,
    /// Which decoder reads it.
    pub system: System,
    /// What it leaves open.
    pub reading: Reading,
    /// Topics read.
    pub topics: Vec<String>,
}

/// How time advances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeRules {
    /// How far the watermark stays behind the newest event of a source partition.
    pub out_of_orderness: Span,
    /// After which silence a source partition, read to its end, no longer holds the watermark.
    pub idle_after: Duration,
    /// How far ahead of the clock an event may be dated.
    pub future_limit: Span,
}

impl TimeRules {
    /// How far the watermark may be behind the clock although nothing is wrong: a partition that
    /// falls silent holds it until it counts as idle.
    pub fn allowed_lag(&self) -> Duration {
        let behind = u64::try_from(self.out_of_orderness.0).unwrap_or(0);
        Duration::from_micros(behind).saturating_add(self.idle_after)
    }
}

/// When results and images are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// How often the ledger emits changed partials.
    pub publish_interval: Duration,
    /// Shortest time between two rows of one key.
    pub emit_interval: Duration,
    /// How often everything live is written again.
    pub repair_interval: Duration,
    /// Longest time between two images of a shard that changed.
    pub image_interval: Duration,
    /// How much log may be read before the next image, bytes.
    pub image_bytes: u64,
    /// Directory that keeps a copy of each owned shard's newest image; none without it.
    pub image_cache: Option<PathBuf>,
}

/// Bounds on what is taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntakeLimits {
    /// Largest record decoded, bytes; a larger one is a dead letter.
    pub max_record_bytes: usize,
    /// Most events in one record.
    pub max_array: usize,
    /// What to do where a source topic no longer holds what was to be read next.
    pub on_gap: OnGap,
    /// So many records in a row that are no events stop their partition; 0 is never.
    pub breaker_in_a_row: u32,
    /// More than so many hundredths of the last [`IntakeLimits::breaker_window`] records stop it;
    /// 100 is never.
    pub breaker_percent: u32,
    /// How many records the share is of.
    pub breaker_window: u32,
    /// Whether dead letters carry the header names of Kafka Connect too.
    pub connect_headers: bool,
}

/// What to do where a source topic no longer holds what was to be read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGap {
    /// Stop the partition and say so.
    Stop,
    /// Go on with what is there, and mark the rows that may lack something.
    Skip,
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Address listened on.
    pub listen: SocketAddr,
    /// Whether an address other than loopback was meant. Holds for any `listen` that is not one.
    pub allow_remote: bool,
    /// Whether OpenMetrics names the entity behind a latency.
    pub exemplars: bool,
}

/// Bounds on what is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most Prometheus series, over all families.
    pub max_series: usize,
    /// Most Prometheus series of one family; more are left out and counted.
    pub max_series_per_family: usize,
    /// How many members to reckon with.
    pub budget: Budget,
}

/// How many members of a dimension to reckon with where the directory knows none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Of a dimension that is not named below.
    pub default: u64,
    /// By dimension.
    pub dimensions: BTreeMap<String, u64>,
}

impl Budget {
    /// Of one dimension.
    pub fn of(&self, dimension: &str) -> u64 {
        self.dimensions.get(dimension).copied().unwrap_or(self.default)
    }
}

/// Where each setting came from.
#[derive(Clone)]
pub struct Origins {
    reader: read::Reader,
    /// Key and value as TOML, secrets left out.
    settings: Vec<(String, String)>,
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The texts that were read may hold secrets.
        f.debug_struct("Origins").finish_non_exhaustive()
    }
}

impl Config {
    /// Reads a file, and the variables that `env` yields.
    pub fn load(
        file: &Path,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ConfigError::Read { path: file.to_owned(), source })?;
        Config::from_toml(&text, &file.display().to_string(), env)
    }

    /// Reads a text. `name` is shown in messages; files that the text names are searched beside it.
    pub fn from_toml(
        text: &str,
        name: &str,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        build::build(text, name, env.collect())
    }

    /// The defaults alone.
    pub fn defaults() -> Config {
        Config::from_toml("", "default.toml", std::iter::empty())
            .expect("a test loads the defaults")
    }

    /// The names of the topics.
    pub fn topics(&self) -> Topics {
        self.topics.clone()
    }

    /// What the topics must be like.
    pub fn specs(&self) -> Vec<TopicSpec> {
        let of_targets = topics::of_targets(&self.topics);
        self.specs.iter().cloned().chain(of_targets).collect()
    }

    /// An error about a key, for checks that need more than the configuration (a decoder, a
    /// broker): shown like the others, where the key was set.
    pub fn fault(&self, key: &str, what: &str, mend: &str) -> ConfigError {
        ConfigError::Faults(vec![self.origin.reader.fault_for(
            key,
            what.to_owned(),
            mend.to_owned(),
        )])
    }
}

/// The variables of the process, without those that are not Unicode.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The names of all variables that set a key.
pub fn variable_names() -> Vec<String> {
    variables::names()
}
