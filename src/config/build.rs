//! From the layers to the configuration as meant: all but the definition.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::fault::{ConfigError, Fault, Origin};
use super::leaf::{Given, show_duration};
use super::read::{Layer, Reader, child, root};
use super::topics::{self, Topics};
use super::typed::{self, Property, SecretRef, Settings, SourceRow};
use super::{
    Budget, Config, DEFAULT, Http, IntakeLimits, Kafka, Limits, Origins, Publish, Source,
    TimeRules, calendar, define, drift, estimate, hooks, mapping, receivers, registry, scrape,
    summary,
};
use crate::model::alert::Signal;
use crate::model::channel::ChannelRules;
use crate::model::event::{Field, FieldName};
use crate::model::money::Currency;
use crate::model::source::{Reading, System, Wrapping};
use crate::model::time::Span;

/// Variables by name.
pub(super) type Env = BTreeMap<String, String>;

/// Reads, layers and checks.
pub(super) fn build(text: &str, name: &str, env: Env) -> Result<Config, ConfigError> {
    let mut reader = Reader::default();
    let defaults = reader.defaults(DEFAULT);
    let file = reader.text(name, text, root(), "");
    let variables = reader.variables(env.iter().map(|(k, v)| (k.clone(), v.clone())));
    let Some(file) = file else {
        // Without the file there is nothing to say about what follows from it.
        reader.finish()?;
        return Err(unforeseen(config::ConfigError::Message("not TOML".to_owned())));
    };
    let (settings, typed) = merge([defaults, file, variables]).map_err(unforeseen)?;
    let base = Path::new(name).parent().unwrap_or(Path::new(""));
    let config = meant(&mut reader, typed, base, &env);
    reader.finish()?;
    Ok(Config { origin: Origins { settings: summary::settings(&settings), reader }, ..config })
}

/// The layers, the last one on top: as plain values and as typed.
fn merge(layers: [Layer; 3]) -> Result<(config::Value, Settings), config::ConfigError> {
    let builder =
        layers.into_iter().fold(config::Config::builder(), |b, layer| b.add_source(layer));
    let merged = builder.build()?;
    Ok((merged.clone().try_deserialize()?, merged.try_deserialize()?))
}

/// What passed the shape but not serde: a fault of ours.
fn unforeseen(error: config::ConfigError) -> ConfigError {
    let mend = "this should have been found earlier and told better: please report it".to_owned();
    ConfigError::Faults(vec![Fault::new(Origin::Default, None, error.to_string(), mend)])
}

fn intake_limits(typed: &typed::Intake) -> IntakeLimits {
    IntakeLimits {
        max_record_bytes: usize_of(typed.max_record_bytes.0.0),
        max_array: usize_of(typed.max_array.0.0),
        on_gap: typed.on_gap.0,
        breaker_in_a_row: small(typed.breaker_in_a_row.0.0),
        breaker_percent: small(typed.breaker_percent.0.0),
        breaker_window: small(typed.breaker_window.0.0),
        connect_headers: typed.connect_headers.0,
    }
}

fn limits(typed: &typed::Limits, budget: Budget) -> Limits {
    Limits {
        max_series: usize_of(typed.max_series.0.0),
        max_series_per_family: usize_of(typed.max_series_per_family.0.0),
        budget,
    }
}

fn meant(reader: &mut Reader, typed: Settings, base: &Path, env: &Env) -> Config {
    let followed = typed.targets.topic.0.then(|| calendar::fiscal(&typed.calendar));
    let topics = Topics::new(&typed.app, &typed.topics, followed.is_some());
    topics::check(reader, &topics);
    let rows = typed.sources.unwrap_or_default();
    let channels = define::channels(reader, typed.channels);
    let mut sources = sources(reader, rows, typed.money.currency.0, &topics, base);
    let channels = Arc::new(ChannelRules { stated_by: stating(&sources), ..channels });
    sources.iter_mut().for_each(|s| s.reading.channels = channels.clone());
    let kafka = kafka(reader, typed.kafka, base, env);
    let http = http(reader, &typed.http);
    let hooks = hooks::hooks(reader, typed.hooks, &sources, base, env);
    let publish = publish(reader, &typed.publish, &typed.topics, base);
    let time = TimeRules {
        out_of_orderness: Span::from(typed.time.out_of_orderness.0),
        idle_after: typed.time.idle_after.0.0,
        future_limit: Span::from(typed.time.future_limit.0),
    };
    let intake = intake_limits(&typed.intake);
    let schema_registry = registry::meant(reader, typed.schema_registry, base, env);
    let limits = limits(&typed.limits, budget(typed.segments.budget.clone()));
    let specs = topics::specs(&topics, &typed.topics, &typed.topology, &publish, &intake);
    let (app, generation) = (typed.app.name.0.0.clone(), small(typed.app.generation.0.0));
    let mut definition = define::Parts {
        topology: typed.topology,
        time: typed.time,
        slices: typed.slices,
        windows: typed.windows,
        segments: typed.segments,
        money: typed.money,
        fx: typed.fx,
        customers: typed.customers,
        kpis: typed.kpis,
        measures: typed.measures,
        attribution: typed.attribution,
        stages: typed.stages,
        deals: typed.deals,
        directory: typed.directory,
        channels,
        calendar: typed.calendar,
        targets: typed.targets,
    }
    .define(reader, base);
    let drift = drift::rules(reader, typed.drift, &definition, &limits.budget);
    definition.sizes = drift.iter().any(|rule| rule.signal == Signal::DealSize);
    estimate::check(reader, &definition, &limits, &drift);
    scrape::check(reader, &definition);
    let told = typed.alerts.and_then(|alerts| alerts.receivers).unwrap_or_default();
    let receivers = receivers::receivers(reader, told, base, env);
    Config {
        app,
        generation,
        kafka,
        sources,
        definition,
        drift,
        receivers,
        time,
        publish,
        intake,
        schema_registry,
        http,
        hooks,
        limits,
        origin: Origins { reader: Reader::default(), settings: Vec::new() },
        followed,
        topics,
        specs,
    }
}

/// Numbers here are bounded by their types in `typed`.
pub(super) fn small(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

pub(super) fn usize_of(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn budget(typed: typed::Budget) -> Budget {
    let mut dimensions: BTreeMap<String, u64> =
        typed.0.into_iter().map(|(k, v)| (k, v.0.0)).collect();
    Budget { default: dimensions.remove("default").unwrap_or(100), dimensions }
}

fn sources(
    reader: &mut Reader,
    rows: Vec<SourceRow>,
    currency: Currency,
    own: &Topics,
    base: &Path,
) -> Vec<Source> {
    let mut out: Vec<Source> = Vec::new();
    // Rows with faults are left out, and the indices behind them no longer match.
    let checked = !reader.faulty(&["sources"]);
    for (i, row) in rows.into_iter().enumerate() {
        let at = format!("sources[{i}]");
        let mapping = row.mapping.as_ref().filter(|_| checked);
        let mapping = mapping.and_then(|given| {
            check_mapping(reader, &at, &row);
            mapping::of_source(reader, &child(&at, "mapping"), &given.0, base)
        });
        let name = row.name.0.0;
        let system = row.system.map_or(System::Canonical, |s| s.0);
        let fields = row.fields.into_iter().flat_map(|f| f.0);
        let reading = Reading {
            tenant: row.tenant.map(|t| t.0.0),
            wrapping: row.envelope.map_or(Wrapping::Auto, |e| e.0),
            currency: Some(row.currency.map_or(currency, |c| c.0)),
            fields: fields.map(|(native, field)| (native, field.0.0)).collect(),
            mapping,
            ..Reading::default()
        };
        let topics: Vec<String> = row.topics.into_iter().map(|t| t.0.0).collect();
        if checked {
            check_source(reader, &at, (&name, &topics), &out, own);
        }
        out.push(Source { name, system, reading, topics });
    }
    out
}

/// The sources that state the channel by a field of their own.
fn stating(sources: &[Source]) -> BTreeSet<String> {
    let states = |source: &&Source| {
        source.reading.fields.values().any(|field| *field == FieldName::Known(Field::Channel))
    };
    sources.iter().filter(states).map(|source| source.name.clone()).collect()
}

/// What does not go with a mapping.
fn check_mapping(reader: &mut Reader, at: &str, row: &SourceRow) {
    if row.system.is_some() {
        let what = "a source has a system or a mapping, not both";
        reader.fault(&child(at, "system"), what, "remove one of the two");
    }
    if row.fields.is_some() {
        let what = "fields go with a system; a mapping names the fields itself";
        reader.fault(&child(at, "fields"), what, "copy the mapping, and add them to its [map.set]");
    }
}

fn check_source(
    reader: &mut Reader,
    at: &str,
    (name, topics): (&str, &[String]),
    before: &[Source],
    own: &Topics,
) {
    if before.iter().any(|s| s.name == name) {
        let mend = "give each source a name of its own: it tells their events apart";
        reader.fault(&format!("{at}.name"), format!("there are two sources \"{name}\""), mend);
    }
    if topics.is_empty() {
        reader.fault(
            &format!("{at}.topics"),
            format!("the source \"{name}\" reads nothing"),
            "name its topics: [\"sales.events\"]",
        );
    }
    for (i, topic) in topics.iter().enumerate() {
        let key = format!("{at}.topics[{i}]");
        let other = before.iter().find(|s| s.topics.contains(topic)).map(|s| s.name.as_str());
        if let Some(other) = other.or_else(|| topics[..i].contains(topic).then_some(name)) {
            let what = match other == name {
                true => format!("the topic \"{topic}\" is read twice by \"{name}\""),
                false => {
                    format!("the topic \"{topic}\" is read twice, by \"{other}\" and by \"{name}\"")
                }
            };
            reader.fault(&key, what, "name it once: each record would be taken in twice");
        }
        if let Some((key_of_own, _)) = own.named().into_iter().find(|(_, own)| own == topic) {
            let whose = match key_of_own {
                "targets" => "which holds targets",
                _ => "which Tidemark writes itself",
            };
            let what =
                format!("the source \"{name}\" reads \"{topic}\", {whose} (topics.{key_of_own})");
            reader.fault(&key, what, "name the topic that the events come in by; canonical events may also be written to the events topic without a source");
        }
    }
}

fn kafka(reader: &mut Reader, typed: typed::Kafka, base: &Path, env: &Env) -> Kafka {
    let mut properties = Vec::new();
    for (name, property) in typed.properties.into_iter().flat_map(|p| p.0) {
        let value = match property {
            Property::Text(Given(text)) => Some(text.0),
            Property::Secret(secret) => match resolve(&secret, base, env) {
                Ok(value) => Some(value),
                Err((what, mend)) => {
                    let key = child("kafka.properties", &name);
                    if !reader.faulty(&[&key]) {
                        reader.fault(&key, what, mend);
                    }
                    None
                }
            },
        };
        properties.extend(value.map(|value| (name, value)));
    }
    Kafka {
        brokers: typed.brokers.0.0,
        client_id: typed.client_id.0.0,
        properties,
        session_timeout: typed.session_timeout.0.0,
        request_timeout: typed.request_timeout.0.0,
        replication: u16::try_from(typed.replication.0.0).unwrap_or(u16::MAX),
    }
}

/// The value of a secret; never part of a message.
pub(super) fn resolve(
    secret: &SecretRef,
    base: &Path,
    env: &Env,
) -> Result<String, (String, String)> {
    match (&secret.file, &secret.env) {
        (Some(Given(file)), None) => {
            let path = base.join(file);
            match std::fs::read_to_string(&path) {
                Ok(text) if text.trim().is_empty() => {
                    Err((format!("the secret file \"{}\" is empty", path.display()), "write the secret into it".to_owned()))
                }
                Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(e) => Err((
                    format!("the secret file \"{}\" cannot be read: {e}", path.display()),
                    "create it, readable for this user only; a relative path starts at the configuration file".to_owned(),
                )),
            }
        }
        (None, Some(Given(name))) => match env.get(name) {
            // As in files: whoever fills variables from files brings their last line break along.
            Some(value) if !value.trim().is_empty() => {
                Ok(value.trim_end_matches(['\r', '\n']).to_owned())
            }
            _ => Err((
                format!("the environment variable {name} is not set"),
                format!("set {name} to the secret"),
            )),
        },
        (file, _) => Err((
            format!(
                "the secret names {}",
                if file.is_some() {
                    "both a file and a variable"
                } else {
                    "neither a file nor a variable"
                }
            ),
            "write either { file = \"/path\" } or { env = \"NAME\" }".to_owned(),
        )),
    }
}

fn http(reader: &mut Reader, typed: &typed::Http) -> Http {
    let (listen, allow_remote) = (typed.listen.0, typed.allow_remote.0);
    if !listen.ip().is_loopback()
        && !allow_remote
        && !reader.faulty(&["http.listen", "http.allow_remote"])
    {
        let what = format!(
            "{listen} can be reached from other machines, which http.allow_remote = false forbids"
        );
        let mend = format!(
            "listen on 127.0.0.1:{}; or, behind a proxy or firewall that decides who may come in, set http.allow_remote = true",
            listen.port()
        );
        reader.fault("http.listen", what, mend);
    }
    Http { listen, allow_remote, exemplars: typed.exemplars.0 }
}

fn publish(
    reader: &mut Reader,
    typed: &typed::Publish,
    topics: &typed::Topics,
    base: &Path,
) -> Publish {
    let out = Publish {
        publish_interval: typed.publish_interval.0.0,
        emit_interval: typed.emit_interval.0.0,
        repair_interval: typed.repair_interval.0.0,
        image_interval: typed.image_interval.0.0,
        image_bytes: typed.image_bytes.0.0,
        image_cache: typed.image_cache.as_ref().map(|dir| base.join(&dir.0)),
    };
    let often = [("publish_interval", out.publish_interval), ("emit_interval", out.emit_interval)];
    for (name, interval) in often {
        let keys = [format!("publish.{name}"), "publish.repair_interval".to_owned()];
        if interval > out.repair_interval && !reader.faulty(&[&keys[0], &keys[1]]) {
            let what = format!(
                "repair_interval = {} is shorter than {name} = {}: everything would be repeated more often than what changed",
                show_duration(out.repair_interval),
                show_duration(interval)
            );
            let at = keys
                .iter()
                .rev()
                .find(|k| reader.places.contains_key(*k))
                .unwrap_or(&keys[1])
                .clone();
            reader.fault(
                &at,
                what,
                format!(
                    "make publish.repair_interval at least \"{}\"; 10m is usual",
                    show_duration(interval)
                ),
            );
        }
    }
    if let Some(keep) = topics.events_retention.0.0 {
        let least = out.image_interval * 2;
        if keep <= least && !reader.faulty(&["topics.events_retention", "publish.image_interval"]) {
            let what = format!(
                "events are kept for {}, but an image may be {} old: what follows it could be gone, and a shard could not restore",
                show_duration(keep),
                show_duration(least)
            );
            let mend = "keep events for \"forever\"; a shorter time also means that a new generation does not know what came before";
            reader.fault("topics.events_retention", what, mend);
        }
    }
    out
}

/// Reads a reference file beside the configuration, against its own shape.
pub(super) fn reference<T: serde::de::DeserializeOwned + super::shape::Shaped>(
    reader: &mut Reader,
    base: &Path,
    section: &str,
    file: &str,
) -> Option<T> {
    let path = base.join(file);
    let key = format!("{section}.file");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) => {
            let what = format!("the file \"{}\" cannot be read: {e}", path.display());
            reader.fault(
                &key,
                what,
                "name an existing file; a relative path starts at the configuration file",
            );
            return None;
        }
    };
    let super::shape::Shape::Table(shape) = T::SHAPE else {
        return None;
    };
    let layer = reader.text(&path.display().to_string(), &text, shape, section)?;
    let table = config::Value::new(None, config::ValueKind::Table(layer.0));
    match table.try_deserialize() {
        Ok(read) => Some(read),
        Err(e) => {
            reader.fault(
                &key,
                format!("the file \"{}\" cannot be used: {e}", path.display()),
                "mend the file",
            );
            None
        }
    }
}

/// Values that occur twice, with the index of the second.
pub(super) fn repeated<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    values.into_iter().enumerate().filter_map(|(i, v)| (!seen.insert(v)).then_some(i)).collect()
}
