//! End to end on a real Kafka: the whole process, next to a bare program that only consumes and
//! parses the same topic. `make bench` runs it; events/s and CPU-seconds per million events.
//!
//! usage: KAFKA_BOOTSTRAP=… cargo run --release --example bench_kafka [EVENTS]

#[cfg(not(feature = "kafka"))]
fn main() {
    eprintln!("this benchmark needs the feature kafka");
}

#[cfg(feature = "kafka")]
fn main() -> anyhow::Result<()> {
    bench::main()
}

#[cfg(feature = "kafka")]
mod bench {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};
    use std::sync::Arc;
    use std::time::Duration;

    use anyhow::{Context as _, anyhow, bail};
    use tidemark::app;
    use tidemark::clock::{monotonic, wall_ms};
    use tidemark::config::Config;
    use tidemark::intake::{Decoder, Limits};
    use tidemark::log::kafka::{KafkaLog, KafkaSettings};
    use tidemark::log::{Log, Outgoing, TopicPartition};
    use tidemark::model::event::shard_of;
    use tidemark::model::source::{Reading, System};
    use tidemark::model::time::{LATEST, Span, Timestamp};
    use tidemark::world::{World, WorldSettings};

    const PARTITIONS: u32 = 4;
    const PORT: u16 = 19_464;

    pub fn main() -> anyhow::Result<()> {
        let mut arguments = std::env::args().skip(1);
        let first = arguments.next().unwrap_or_else(|| "300000".to_owned());
        let bootstrap = std::env::var("KAFKA_BOOTSTRAP")
            .context("KAFKA_BOOTSTRAP is not set: run it with `scripts/kafka run -- …`")?;
        if first == "bare" {
            let topic = arguments.next().context("bare TOPIC EVENTS")?;
            let events = arguments.next().context("bare TOPIC EVENTS")?.parse()?;
            return bare(&*log(&bootstrap)?, &topic, events);
        }
        compare(&bootstrap, first.parse()?)
    }

    fn log(bootstrap: &str) -> anyhow::Result<Arc<dyn Log>> {
        let log = KafkaLog::new(KafkaSettings {
            brokers: bootstrap.to_owned(),
            client_id: "bench".to_owned(),
            properties: Vec::new(),
            session_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(20),
        })?;
        Ok(Arc::new(log))
    }

    fn compare(bootstrap: &str, events: u64) -> anyhow::Result<()> {
        let app = format!("bench-{}", wall_ms());
        let source = format!("{app}.source");
        let text = format!(
            "[app]\nname = \"{app}\"\n[kafka]\nbrokers = \"{bootstrap}\"\n[topology]\nshards = 4\npartitions = 2\n\
             [[sources]]\nname = \"crm\"\ntopics = [\"{source}\"]\n[money]\ncurrency = \"EUR\"\n\
             [http]\nlisten = \"127.0.0.1:{PORT}\"\n"
        );
        let config = Config::from_toml(&text, "bench", std::iter::empty())?;
        let file = std::env::temp_dir().join(format!("{app}.toml"));
        std::fs::write(&file, &text)?;
        let log = log(bootstrap)?;
        app::create_topics(&config, &*log)?;
        app::create_sources(&config, &*log, PARTITIONS)?;
        let bytes = fill(&*log, &source, events)?;
        println!("{events} events, {} bytes each, {PARTITIONS} partitions", bytes / events);
        for round in ["first", "second"] {
            report(&format!("bare consume and parse, {round}"), events, run_bare(&source, events)?);
        }
        report("tidemark run, all stages", events, run_all(&file, events)?);
        std::fs::remove_file(&file)?;
        Ok(())
    }

    fn report(what: &str, events: u64, (wall, cpu): (f64, f64)) {
        let million = events as f64 / 1e6;
        println!(
            "{what}: {:.0} events/s, {:.2} CPU-seconds per million events",
            events as f64 / wall,
            cpu / million
        );
    }

    fn fill(log: &dyn Log, topic: &str, events: u64) -> anyhow::Result<u64> {
        let start = Timestamp::from_millis(wall_ms()) - Span::days(400);
        let mut world = World::new(WorldSettings { start, days: None, ..WorldSettings::default() });
        let mut writer = log.writer()?;
        let mut bytes = 0;
        for _ in 0..events {
            let arrival = world.next_before(LATEST).ok_or_else(|| anyhow!("the world ended"))?;
            bytes += arrival.json.len() as u64;
            writer.send(Outgoing {
                topic: topic.into(),
                partition: shard_of(&arrival.key, PARTITIONS),
                key: Some(arrival.key.into_bytes()),
                value: Some(arrival.json.into_bytes()),
                headers: Vec::new(),
            })?;
        }
        writer.flush(Duration::from_secs(120))?;
        Ok(bytes)
    }

    /// Consumes and parses a topic in this process; prints wall and CPU seconds.
    fn bare(log: &dyn Log, topic: &str, events: u64) -> anyhow::Result<()> {
        let decoder = Decoder {
            source: "crm".into(),
            system: System::Canonical,
            reading: Reading::default(),
            calendar: tidemark::model::calendar::Calendar::of("UTC")?,
            limits: Limits {
                max_record_bytes: 1 << 20,
                max_array: 1000,
                future_limit: Span::days(1),
            },
        };
        let mut reader = log.reader()?;
        let mut at = Vec::new();
        for p in 0..PARTITIONS {
            let partition = TopicPartition::new(topic, p);
            let start = reader.bounds(&partition)?.start;
            at.push((partition, start));
        }
        let started = monotonic();
        reader.assign(&at)?;
        let (mut seen, mut parsed, mut batch) = (0u64, 0usize, Vec::new());
        while seen < events {
            batch.clear();
            seen += reader.poll(2000, Duration::from_millis(50), &mut batch)? as u64;
            parsed += batch.iter().map(|r| decoder.take(r, None).events.len()).sum::<usize>();
        }
        println!(
            "{} {} {parsed}",
            started.elapsed().as_secs_f64(),
            cpu_seconds(std::process::id())?
        );
        Ok(())
    }

    fn run_bare(topic: &str, events: u64) -> anyhow::Result<(f64, f64)> {
        let out = Command::new(std::env::current_exe()?)
            .args(["bare", topic, &events.to_string()])
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8(out.stdout)?;
        let mut numbers = text.split_whitespace();
        let mut next = || numbers.next().context("no figure")?.parse::<f64>().context("no figure");
        Ok((next()?, next()?))
    }

    fn binary() -> anyhow::Result<PathBuf> {
        let here = std::env::current_exe()?;
        let dir = here.parent().and_then(Path::parent).context("not in target/release/examples")?;
        let binary = dir.join("tidemark");
        if !binary.exists() {
            bail!("{} is missing: `cargo build --release` first", binary.display());
        }
        Ok(binary)
    }

    fn run_all(file: &Path, events: u64) -> anyhow::Result<(f64, f64)> {
        let mut child = Command::new(binary()?)
            .args(["run", "--config"])
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let outcome = watch(&mut child, events);
        child.kill()?;
        child.wait()?;
        outcome
    }

    /// From the first record taken to the last event folded into cells and merged.
    fn watch(child: &mut Child, events: u64) -> anyhow::Result<(f64, f64)> {
        let mut began = None;
        loop {
            if let Some(status) = child.try_wait()? {
                bail!("tidemark ended: {status}");
            }
            let page = get("/metrics").unwrap_or_default();
            let taken = sum(&page, "tidemark_records_taken_total");
            if taken > 0.0 && began.is_none() {
                began = Some((monotonic(), cpu_seconds(child.id())?, taken));
            }
            let lag = sum(&page, "tidemark_lag_messages");
            if let Some((started, cpu, before)) = began
                && taken >= events as f64
                && lag == 0.0
            {
                // Lag is looked at every five seconds: the wall time is an upper bound.
                let share = (taken - before) / taken;
                let wall = started.elapsed().as_secs_f64() / share;
                return Ok((wall, (cpu_seconds(child.id())? - cpu) / share));
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }

    fn sum(page: &str, family: &str) -> f64 {
        let lines = page.lines().filter(|l| l.starts_with(family));
        lines.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    fn get(path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", PORT)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// User and system time of a process so far.
    fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> = stat.rsplit(") ").next().context("stat")?.split(' ').collect();
        let ticks =
            |i: usize| -> anyhow::Result<f64> { Ok(fields.get(i).context("stat")?.parse()?) };
        // Clock ticks are 100 a second on every Linux that we know of.
        Ok((ticks(11)? + ticks(12)?) / 100.0)
    }
}
