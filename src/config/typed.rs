//! The configuration as typed: one struct a section, one field a key. Defaults are not here but in
//! `config/default.toml`, which is the lowest layer of every configuration.

use serde::Deserialize;

use super::OnGap;
use super::drift::{self, BaselineDays, FalseAlarms, StatedDay};
use super::formulas::{self, KpiName};
use super::fx::CivilDay;
use super::hook_words::{HeaderName, HookPath, NotHere, PublicUrl};
use super::leaf::{Bytes, Given, Keep, KeepDays, Positive, Problem, Whole};
use super::measures;
use super::near::did_you_mean;
use super::properties::{self, PropertyText};
use super::receivers::{self, Patience, UrlOrSecret};
use super::registry::Urls;
use super::shape::{Key, Shape, Shaped, Table, map, table};
use super::words::{
    self, Brokers, Dimension, FieldText, Name, Pattern, Rolling, SetName, Site, TopicName, Zone,
};
use crate::model::alert::{ChartKind, IntervalKind, Phase, Signal};
use crate::model::customers::{MOST_EXACT, Purchase};
use crate::model::definition::Attribution;
use crate::model::event::Status;
use crate::model::fx::Rate;
use crate::model::kpi::{self, Grain, Group};
use crate::model::money::Currency;
use crate::model::own::Moment;
use crate::model::source::{System, Wrapping};
use crate::model::window::Period;
use crate::notify::Standing;
use crate::verify::scheme::{Algorithm, Encoding, Part, Pick, Unit};
use crate::verify::{Handshake, Preset};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

table! {
    /// All of it.
    Settings {
        app: App,
        kafka: Kafka,
        topology: Topology,
        sources: Option<Vec<SourceRow>>,
        time: Time,
        calendar: super::calendar::Typed,
        slices: Slices,
        windows: Windows,
        segments: Segments,
        money: Money,
        fx: Fx,
        customers: Customers,
        kpis: Kpis,
        measures: Option<Measures>,
        drift: Drift,
        alerts: Option<Alerts>,
        attribution: Credit,
        stages: Stages,
        deals: super::deals::Typed,
        directory: Directory,
        targets: super::targets::Typed,
        channels: Channels,
        publish: Publish,
        intake: Intake,
        schema_registry: SchemaRegistry,
        http: Http,
        hooks: Hooks,
        limits: Limits,
        topics: Topics,
    }
    App {
        name: Given<Name>,
        generation: Given<Whole<1, 1_000_000>>,
    }
    Kafka {
        brokers: Given<Brokers>,
        client_id: Given<Name>,
        session_timeout: Given<Positive>,
        request_timeout: Given<Positive>,
        replication: Given<Whole<1, 100>>,
        properties: Option<Properties>,
    }
    /// A secret that stands elsewhere.
    SecretRef {
        file: Option<Given<String>>,
        env: Option<Given<String>>,
    }
    Topology {
        shards: Given<Whole<1, 1024>>,
        partitions: Given<Whole<1, 1024>>,
    }
    SourceRow {
        name: Given<Name>,
        system: Option<Given<System>>,
        envelope: Option<Given<Wrapping>>,
        mapping: Option<Given<String>>,
        topics: Vec<Given<TopicName>>,
        currency: Option<Given<Currency>>,
        tenant: Option<Given<Name>>,
        fields: Option<Fields>,
    }
    Time {
        zone: Given<Zone>,
        out_of_orderness: Given<Duration>,
        idle_after: Given<Positive>,
        future_limit: Given<Duration>,
        settle: Given<Duration>,
    }
    Slices {
        fine_retention: Given<Positive>,
        day_retention: Given<KeepDays>,
    }
    Windows {
        rolling: Vec<Given<Rolling>>,
        calendar: Vec<Given<Period>>,
        to_date: Vec<Given<Period>>,
    }
    Segments {
        sets: Vec<DimensionSet>,
        budget: Budget,
    }
    Money {
        currency: Given<Currency>,
    }
    Fx {
        file: Option<Given<String>>,
        rate: Option<Vec<RateRow>>,
    }
    /// A file of rates.
    RatesFile {
        rate: Option<Vec<RateRow>>,
    }
    RateRow {
        date: Given<CivilDay>,
        from: Given<Currency>,
        to: Given<Currency>,
        rate: Given<Rate>,
    }
    Customers {
        by: Given<Purchase>,
        exact_up_to: Given<Whole<1, { MOST_EXACT as u64 }>>,
        lapse_after: Given<KeepDays>,
    }
    Kpis {
        groups: Vec<Given<Group>>,
        custom: Option<CustomKpis>,
    }
    /// A KPI of the user's own.
    CustomKpi {
        formula: Option<Given<String>>,
        unit: Option<Given<kpi::Unit>>,
        family: Option<Given<KpiName>>,
        leading: Option<Given<bool>>,
        doc: Option<Given<String>>,
        min_n: Option<Given<Whole<0, 1_000_000>>>,
        grain: Option<Given<Grain>>,
    }
    /// A measure of the user's own.
    MeasureRow {
        of: Option<Given<measures::Counted>>,
        at: Option<Given<Moment>>,
        r#where: Option<Given<measures::Where>>,
        sum: Option<Given<String>>,
        unit: Option<Given<measures::SumUnit>>,
        doc: Option<Given<String>>,
    }
    Drift {
        kpis: Vec<Given<Signal>>,
        segments: Option<Vec<DimensionSet>>,
        false_alarms: Given<FalseAlarms>,
        baseline: Given<BaselineDays>,
        baseline_from: Option<Given<StatedDay>>,
        min_n: Given<Whole<1, 1_000_000>>,
        min_baseline: Given<Whole<1, 1_000_000>>,
        min_effect_percent: Given<Whole<0, 1_000>>,
        chart: Given<ChartKind>,
        interval: Given<IntervalKind>,
        phases: Phases,
    }
    Alerts {
        receivers: Option<Vec<ReceiverRow>>,
    }
    /// Somebody who is told of drift alerts.
    ReceiverRow {
        name: Given<Name>,
        r#type: Given<receivers::Type>,
        url: UrlOrSecret,
        secret: Option<Secret>,
        states: Option<Vec<Given<Standing>>>,
        timeout: Option<Given<Patience>>,
        give_up_after: Option<Given<Positive>>,
    }
    Credit {
        credit: Given<Attribution>,
    }
    Stages {
        file: Option<Given<String>>,
        stage: Option<Vec<StageRow>>,
    }
    /// A file of stages.
    StagesFile {
        stage: Option<Vec<StageRow>>,
    }
    StageRow {
        system: Option<Given<String>>,
        pipeline: Option<Given<String>>,
        stage: Given<String>,
        status: Given<Status>,
        order: Option<Given<Whole<0, 1_000_000>>>,
        label: Option<Given<String>>,
    }
    Directory {
        file: Option<Given<String>>,
        rep: Option<Vec<RepRow>>,
        territory: Option<Vec<TerritoryRow>>,
        members: Option<Members>,
        zones: Option<Zones>,
    }
    /// A file with the directory.
    DirectoryFile {
        rep: Option<Vec<RepRow>>,
        territory: Option<Vec<TerritoryRow>>,
        members: Option<Members>,
        zones: Option<Zones>,
    }
    /// The region that a territory is in.
    TerritoryRow {
        id: Given<String>,
        region: Given<String>,
        moves: Option<Vec<RegionMove>>,
    }
    RegionMove {
        from: Given<CivilDay>,
        region: Given<String>,
    }
    Channels {
        default_grouping: Given<bool>,
        own_sites: Vec<Given<Site>>,
        rule: Option<Vec<ChannelRow>>,
    }
    ChannelRow {
        medium: Option<Given<Pattern>>,
        source: Option<Given<Pattern>>,
        referrer: Option<Given<Pattern>>,
        campaign: Option<Given<Pattern>>,
        stated: Option<Given<Pattern>>,
        channel: Given<String>,
    }
    Publish {
        publish_interval: Given<Positive>,
        emit_interval: Given<Positive>,
        repair_interval: Given<Positive>,
        image_interval: Given<Positive>,
        image_bytes: Given<Bytes<{ 64 << 10 }, { 1 << 40 }>>,
        image_cache: Option<Given<String>>,
    }
    Intake {
        max_record_bytes: Given<Bytes<{ 1 << 10 }, { 256 << 20 }>>,
        max_array: Given<Whole<1, 1_000_000>>,
        on_gap: Given<OnGap>,
        breaker_in_a_row: Given<Whole<0, 1_000_000>>,
        breaker_percent: Given<Whole<1, 100>>,
        breaker_window: Given<Whole<1, 1_000_000>>,
        connect_headers: Given<bool>,
    }
    SchemaRegistry {
        url: Option<Given<Urls>>,
        username: Option<Given<String>>,
        password: Option<Secret>,
        token: Option<Secret>,
        ca: Option<Given<String>>,
        timeout: Given<Positive>,
    }
    Http {
        listen: Given<SocketAddr>,
        allow_remote: Given<bool>,
        exemplars: Given<bool>,
    }
    Hooks {
        listen: Option<Given<SocketAddr>>,
        allow_remote: Given<bool>,
        public_url: Option<Given<PublicUrl>>,
        max_connections: Given<Whole<1, 100_000>>,
        header_timeout: Given<Positive>,
        body_timeout: Given<Positive>,
        ack_timeout: Given<Positive>,
        max_body: Given<Bytes<{ 1 << 10 }, { 256 << 20 }>>,
        max_buffered: Given<Bytes<{ 1 << 10 }, { 64 << 30 }>>,
        max_waiting: Given<Whole<1, 1_000_000>>,
        max_rate: Given<Whole<0, 1_000_000>>,
        endpoint: Option<Vec<EndpointRow>>,
    }
    EndpointRow {
        path: Given<HookPath>,
        source: Given<Name>,
        verify: Option<Given<&'static Preset>>,
        scheme: Option<SchemeTable>,
        secrets: Option<Vec<Secret>>,
        headers: Option<Vec<Given<HeaderName>>>,
        max_age: Option<Given<Positive>>,
        max_ahead: Option<Given<Positive>>,
        handshake: Option<Given<Handshake>>,
        verify_token: Option<Secret>,
        batches: Option<Given<bool>>,
    }
    /// How a system signs that has no preset.
    SchemeTable {
        algorithm: Option<Given<Algorithm>>,
        secret_encoding: Option<Given<Encoding>>,
        message: Option<Vec<Given<Part>>>,
        signature: Option<SignatureTable>,
        timestamp: Option<StampTable>,
    }
    SignatureTable {
        header: Option<Given<HeaderName>>,
        query: Option<Given<String>>,
        field: Option<Given<String>>,
        encoding: Option<Given<Encoding>>,
        prefix: Option<Given<String>>,
        pick: Option<Given<Pick>>,
    }
    StampTable {
        header: Option<Given<HeaderName>>,
        pick: Option<Given<Pick>>,
        unit: Option<Given<Unit>>,
    }
    Limits {
        max_series: Given<Whole<1, 100_000_000>>,
        max_series_per_family: Given<Whole<1, 100_000_000>>,
    }
    Topics {
        events: Option<Given<TopicName>>,
        dlq: Option<Given<TopicName>>,
        late: Option<Given<TopicName>>,
        gaps: Option<Given<TopicName>>,
        kpis: Option<Given<TopicName>>,
        alerts: Option<Given<TopicName>>,
        partials: Option<Given<TopicName>>,
        images: Option<Given<TopicName>>,
        targets: Option<Given<TopicName>>,
        events_retention: Given<Keep>,
        dlq_retention: Given<Keep>,
        late_retention: Given<Keep>,
        gaps_retention: Given<Keep>,
        dlq_partitions: Given<Whole<1, 1024>>,
        late_partitions: Given<Whole<1, 1024>>,
        gaps_partitions: Given<Whole<1, 1024>>,
    }
}

map! {
    /// Properties handed to librdkafka.
    Properties(Property), keys: properties::check
}

map! {
    /// Canonical fields, by the names that a source has for what fills them.
    Fields(Given<FieldText>), keys: |_| Ok(())
}

map! {
    /// Members to reckon with, by dimension.
    Budget(Given<Whole<1, 100_000_000>>), keys: |name| match name {
        "default" => Ok(()),
        _ => words::dimension(name),
    }
}

map! {
    /// What of a season a day is compared with, by KPI.
    Phases(Given<Phase>), keys: drift::watched
}

map! {
    /// Members known in advance, by dimension.
    Members(Vec<Given<String>>), keys: words::dimension
}

map! {
    /// Zones of values, by dimension.
    Zones(ValueZones), keys: words::dimension
}

map! {
    /// Zones, by value.
    ValueZones(Given<Zone>), keys: |_| Ok(())
}

map! {
    /// KPIs of the user's own, by name.
    CustomKpis(CustomKpi), keys: formulas::name_rule
}

map! {
    /// Measures of the user's own, by name.
    Measures(MeasureRow), keys: measures::name_rule
}

map! {
    /// Ids of a rep, by the names of systems or sources.
    Ids(Given<String>), keys: |_| Ok(())
}

/// A rep of the directory: ids, and beside them id, name and the dimensions that they stand for.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RepRow {
    pub(super) ids: Option<Ids>,
    pub(super) moves: Option<Vec<MoveRow>>,
    #[serde(flatten)]
    pub(super) values: BTreeMap<String, Given<String>>,
}

impl Shaped for RepRow {
    const SHAPE: Shape = Shape::Table(&Table {
        keys: &[
            Key { name: "id", shape: Given::<String>::SHAPE, required: true },
            Key { name: "name", shape: Given::<String>::SHAPE, required: false },
            Key { name: "ids", shape: Ids::SHAPE, required: false },
            Key { name: "moves", shape: <Vec<MoveRow> as Shaped>::SHAPE, required: false },
        ],
        others: Some((rep_key, Given::<String>::SHAPE)),
    });
}

/// What a rep stands for from a day on.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct MoveRow {
    pub(super) from: Given<CivilDay>,
    #[serde(flatten)]
    pub(super) values: BTreeMap<String, Given<String>>,
}

impl Shaped for MoveRow {
    const SHAPE: Shape = Shape::Table(&Table {
        keys: &[Key { name: "from", shape: Given::<CivilDay>::SHAPE, required: true }],
        others: Some((rep_key, Given::<String>::SHAPE)),
    });
}

fn rep_key(name: &str) -> Result<(), Problem> {
    match name {
        "rep" => {
            Err(Problem::new("\"rep\" is not a key of a rep", "the rep's id is the key \"id\""))
        }
        "email" => Err(Problem::new(
            "\"email\" is not a key of a rep",
            "remove it: Tidemark keeps no addresses of people",
        )),
        _ => words::dimension(name).map_err(|p| {
            let keys: Vec<&str> = ["id", "ids", "moves", "name"]
                .into_iter()
                .chain(words::DIMENSIONS)
                .filter(|k| *k != "rep")
                .collect();
            Problem::new(
                format!("unknown key \"{}\" of a rep", super::leaf::clip(name)),
                if name.starts_with("x.") { p.mend } else { did_you_mean(name, &keys) },
            )
        }),
    }
}

/// A property of librdkafka: its value, or where the value stands.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Property {
    Text(Given<PropertyText>),
    Secret(SecretRef),
}

impl std::fmt::Debug for Property {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Shaped for Property {
    const SHAPE: Shape = Shape::Either(&<Given<PropertyText> as Shaped>::SHAPE, &SecretRef::SHAPE);
}

/// A secret that stands elsewhere; written out it is refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Secret {
    Elsewhere(SecretRef),
    Here(Given<NotHere>),
}

impl Shaped for Secret {
    const SHAPE: Shape = Shape::Either(&<Given<NotHere> as Shaped>::SHAPE, &SecretRef::SHAPE);
}

/// A dimension set: one word, or an array of dimensions.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum DimensionSet {
    One(Given<SetName>),
    Several(Vec<Given<Dimension>>),
}
