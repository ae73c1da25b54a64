//! Images and restores, measured: ledgers of many deals, their images on a log, and back. On a log
//! in memory, and on a real Kafka where `KAFKA_BOOTSTRAP` names one.
//!
//! usage: cargo run --release --example bench_restore [DEALS] [SHARDS]

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tidemark::app;
use tidemark::clock::{monotonic, since, wall_ms};
use tidemark::config::Config;
use tidemark::http::{Alerts, Board, Caps, Health, MetricsPages};
use tidemark::ledger::Ledger;
use tidemark::log::memory::MemoryLog;
use tidemark::log::{Log, Offset, Partition};
use tidemark::model::definition::Definition;
use tidemark::model::event::{
    EntityKind, EntityRef, Event, EventKind, Field, FieldName, Flags, Op, Status, Value,
};
use tidemark::model::money::{Currency, Money};
use tidemark::model::time::{Precision, Span, Timestamp};
use tidemark::model::watermark::Heartbeat;
use tidemark::runtime::images::{Images, restore};
use tidemark::runtime::{Context, Stop};
use tidemark::telemetry::Telemetry;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let deals = arguments.next().map_or(Ok(1_000_000), |n| n.parse())?;
    let shards = arguments.next().map_or(Ok(16), |n| n.parse())?;
    println!("{deals} deals, {shards} shards");
    measure("memory", deals, shards, Arc::new(MemoryLog::default()))?;
    #[cfg(feature = "kafka")]
    if let Ok(brokers) = std::env::var("KAFKA_BOOTSTRAP") {
        use tidemark::log::kafka::{KafkaLog, KafkaSettings};
        let log = KafkaLog::new(KafkaSettings {
            brokers,
            client_id: "bench".to_owned(),
            properties: Vec::new(),
            session_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(20),
        })?;
        measure("Kafka", deals, shards, Arc::new(log))?;
    }
    Ok(())
}

/// How long something took, shard by shard: the longest and the sum, and CPU seconds, which
/// neighbors on the machine change less.
#[derive(Default)]
struct Times {
    longest: Duration,
    sum: Duration,
    cpu: f64,
}

impl Times {
    fn of<T>(&mut self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let (started, cpu) = (monotonic(), cpu_seconds()?);
        let done = work()?;
        let took = since(started);
        (self.longest, self.sum) = (self.longest.max(took), self.sum + took);
        self.cpu += cpu_seconds()? - cpu;
        Ok(done)
    }

    fn tell(&self, what: &str) {
        let Times { longest, sum, cpu } = self;
        println!(
            "  {what}: {sum:.2?} ({cpu:.2} CPU-seconds) in all, {longest:.2?} the longest shard"
        );
    }
}

/// User and system time of this process so far; 0 where the system does not say.
fn cpu_seconds() -> anyhow::Result<f64> {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
        return Ok(0.0);
    };
    let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11);
    let mut ticks = || anyhow::Ok(fields.next().unwrap_or("0").parse::<f64>()?);
    // Clock ticks are 100 a second on every Linux that we know of.
    Ok((ticks()? + ticks()?) / 100.0)
}

fn measure(name: &str, deals: u64, shards: u32, log: Arc<dyn Log>) -> anyhow::Result<()> {
    let context = context(shards, log)?;
    let definition = Arc::new(context.config.definition.clone());
    println!("{name}:");
    let (mut imaging, mut writing) = (Times::default(), Times::default());
    let (mut bytes, mut cells, mut memory) = (0, 0, 0);
    let (mut writer, mut reader) = (context.log.writer()?, context.log.reader()?);
    for shard in (0..shards).map(Partition) {
        let ledger = build(&definition, shard, deals / u64::from(shards))?;
        let sizes = ledger.sizes();
        (cells, memory) = (cells + sizes.cells, memory + sizes.entity_bytes);
        imaging.of(|| Ok(std::hint::black_box(ledger.image())))?;
        let mut images = Images::none(&context, shard);
        bytes += writing
            .of(|| Ok(images.write(&context, &mut *writer, &mut *reader, (&ledger, 0))?.bytes))?;
    }
    println!("  images: {bytes} bytes; {cells} cells, {memory} bytes of entities");
    imaging.tell("image()");
    writing.tell("image() and writing it");
    let (mut restoring, mut kept, mut read) = (Times::default(), Vec::new(), 0);
    for shard in (0..shards).map(Partition) {
        let restored = restoring.of(|| {
            let mut reader = context.log.reader()?;
            Ok(restore(&context, &mut *reader, &definition, shard, &mut || Ok(true))?)
        })?;
        let restored = restored.ok_or_else(|| anyhow::anyhow!("nothing restored"))?;
        read += restored.bytes;
        kept.push(restored.ledger);
    }
    restoring.tell("restore, one shard after the other");
    let entities: usize = kept.iter().map(|l| l.sizes().entities).sum();
    println!("  {entities} entities restored from {read} bytes");
    Ok(())
}

fn context(shards: u32, log: Arc<dyn Log>) -> anyhow::Result<Context> {
    let text = format!(
        "[app]\nname = \"bench-{}\"\n[topology]\nshards = {shards}\npartitions = 1\n",
        wall_ms()
    );
    let config = Config::from_toml(&text, "bench", std::iter::empty())?;
    app::create_topics(&config, &*log)?;
    let telemetry = Telemetry::new("bench", "bench", "EUR");
    Ok(Context {
        topics: Arc::new(config.topics()),
        config: Arc::new(config),
        log,
        health: Arc::new(Health::default()),
        board: Board::new(1, 1),
        alerts: Alerts::new(),
        pages: MetricsPages::new(telemetry.clone(), Caps::NONE),
        targets: Default::default(),
        telemetry,
        clock: Arc::new(|| Timestamp::from_millis(wall_ms())),
        timer: Arc::new(monotonic),
        wait: Duration::ZERO,
        probe: std::sync::Arc::new(|_| ()),
        poison: std::sync::Arc::default(),
        stop: Stop::default(),
    })
}

/// A deal's life: created, four changes of amount, stage or owner, and mostly an end.
const EVENTS: u64 = 6;

/// A shard of deals over the last two years.
fn build(definition: &Arc<Definition>, shard: Partition, deals: u64) -> anyhow::Result<Ledger> {
    let mut ledger = Ledger::new(definition.clone(), shard);
    let now = Timestamp::from_millis(1_767_225_600_000);
    let topology = vec![("t".to_owned(), 1)];
    let beat = Heartbeat {
        topic: "t".into(),
        partition: 0,
        topology,
        watermark: now,
        idle: false,
        next: 0,
        newest: Some(now),
        mark: None,
    };
    ledger.beat(Offset(0), &beat);
    let currency = Currency::parse("EUR").ok_or_else(|| anyhow::anyhow!("EUR is a currency"))?;
    for i in 0..deals * EVENTS {
        let (deal, step) = (i % deals, i / deals);
        // Spread without a generator of random numbers: a large odd factor, twice.
        let roll = (deal * 16 + u64::from(shard.0)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let created = now - Span::days(720) + Span::seconds((roll % (690 * 86_400)) as i64);
        let time = created + Span::seconds((step * (roll % 400_000)) as i64);
        let id = format!("{:06}-{deal:09}", roll % 1_000_000);
        let amount =
            Money { amount: format!("{}.5", 100 + (roll + step) % 50_000).parse()?, currency };
        let mut set = vec![(FieldName::Known(Field::Amount), Value::Money(amount))];
        let text = |text: String| Value::Text(Cow::Owned(text));
        match step {
            0 => set.extend([
                (FieldName::Known(Field::Owner), text(format!("rep-{}", roll % 400))),
                (FieldName::Known(Field::Territory), text(format!("territory-{}", roll % 25))),
                (FieldName::Known(Field::Channel), text(format!("channel-{}", roll % 12))),
                (FieldName::Known(Field::Status), Value::Status(Status::Open)),
                (FieldName::Known(Field::CreatedAt), Value::Time(time)),
            ]),
            2 => set.push((FieldName::Known(Field::Owner), text(format!("rep-{}", roll % 397)))),
            5 if roll % 10 < 3 => {
                set.push((FieldName::Known(Field::Status), Value::Status(Status::Won)));
            }
            5 if roll % 10 < 9 => {
                set.push((FieldName::Known(Field::Status), Value::Status(Status::Lost)));
            }
            _ => {}
        }
        ledger.apply(Offset(i + 1), &event(&id, step, time, set));
    }
    Ok(ledger)
}

fn event<'a>(
    id: &'a str,
    step: u64,
    time: Timestamp,
    set: Vec<(FieldName<'a>, Value<'a>)>,
) -> Event<'a> {
    Event {
        id: Cow::Borrowed("e"),
        tenant: Cow::Borrowed("default"),
        source: Cow::Borrowed("crm"),
        system: Cow::Borrowed("canonical"),
        kind: EventKind::Patch,
        entity: EntityRef { kind: EntityKind::Deal, id: Cow::Borrowed(id) },
        op: if step == 0 { Op::Create } else { Op::Update },
        merged_into: None,
        time,
        precision: Precision::Seconds,
        order: [time.0, step as i64],
        set,
        flags: Flags::default(),
        raw: None,
    }
}
