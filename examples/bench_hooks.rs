//! The webhook receiver on a real Kafka, next to a bare axum handler that only produces: requests/s
//! and the time of an answer, both with HubSpot batches whose signature the receiver verifies.
//! `make bench` runs it.
//!
//! usage: KAFKA_BOOTSTRAP=… cargo run --release --example bench_hooks [SECONDS]

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
    use std::net::{SocketAddr, TcpListener};
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::time::{Duration, Instant};

    use anyhow::{Context as _, bail, ensure};
    use axum::Router;
    use axum::body::Bytes;
    use axum::extract::State;
    use axum::http::StatusCode;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ring::hmac;
    use tidemark::app;
    use tidemark::clock::{monotonic, wall_ms};
    use tidemark::config::Config;
    use tidemark::http::Mode;
    use tidemark::log::kafka::{KafkaLog, KafkaSettings};
    use tidemark::log::{Log, Outgoing, Partition};
    use tidemark::model::time::Timestamp;
    use tidemark::runtime::StopReason;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    const PARTITIONS: u32 = 4;
    const CONNECTIONS: [usize; 3] = [1, 64, 250];
    const ROUNDS: usize = 3;
    const SECRET: &str = "the client secret";
    const URL: &str = "https://hooks.example.com";

    pub fn main() -> anyhow::Result<()> {
        let seconds = std::env::args().nth(1).map_or(Ok(5), |text| text.parse())?;
        let bootstrap = std::env::var("KAFKA_BOOTSTRAP")
            .context("KAFKA_BOOTSTRAP is not set: run it with `scripts/kafka run -- …`")?;
        let app = format!("bench-hooks-{}", wall_ms());
        let topic = format!("{app}.raw");
        let text = format!(
            "[app]\nname = \"{app}\"\n[kafka]\nbrokers = \"{bootstrap}\"\n\
             [topology]\nshards = 1\npartitions = 1\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [[sources]]\nname = \"crm\"\nsystem = \"hubspot\"\ntopics = [\"{topic}\"]\n\
             [hooks]\nlisten = \"127.0.0.1:0\"\npublic_url = \"{URL}\"\nmax_rate = 0\n\
             [[hooks.endpoint]]\npath = \"/hubspot\"\nsource = \"crm\"\nverify = \"hubspot-v3\"\n\
             secrets = [{{ env = \"SECRET\" }}]\n"
        );
        let env = [("SECRET".to_owned(), SECRET.to_owned())];
        let config = Config::from_toml(&text, "bench", env.into_iter())?;
        let log: Arc<dyn Log> = Arc::new(KafkaLog::new(KafkaSettings {
            brokers: bootstrap,
            client_id: "bench".to_owned(),
            properties: Vec::new(),
            session_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(20),
        })?);
        app::create_topics(&config, &*log)?;
        app::create_sources(&config, &*log, PARTITIONS)?;

        let hooks = app::bind_hooks(&config)?.context("a receiver")?;
        let listener = app::bind(config.http.listen)?;
        let clock = Arc::new(|| Timestamp::from_millis(wall_ms()));
        let mut running = app::open(config, log.clone(), Mode::Kafka, clock, listener)?;
        let receiver = running.receive(hooks)?.context("a receiver")?;
        while !running.health.checks().iter().any(|(name, ok)| name == "hooks" && ok.is_ok()) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let runtime = tokio::runtime::Runtime::new()?;
        let bare = runtime.block_on(serve_bare(&*log, &topic))?;
        let outcome = runtime.block_on(compare(bare, receiver, Duration::from_secs(seconds)));
        running.stop.request(StopReason::Asked);
        running.wait();
        outcome
    }

    /// What one side did with so many connections.
    struct Figures {
        rate: f64,
        p50: f64,
        p99: f64,
    }

    async fn compare(bare: SocketAddr, ours: SocketAddr, time: Duration) -> anyhow::Result<()> {
        let body = body();
        println!(
            "HubSpot batches of 10 changes, {} bytes; {PARTITIONS} partitions, acks=all",
            body.len()
        );
        for connections in CONNECTIONS {
            let mut ratios = Vec::new();
            for round in 0..=ROUNDS {
                // Signed anew: a signature holds for five minutes.
                let request: Arc<[u8]> = request(&body).into();
                let mut sides = [("bare", bare), ("receiver", ours)];
                // Each goes first in turn.
                if round % 2 == 1 {
                    sides.reverse();
                }
                let mut rates = [0.0; 2];
                for (name, address) in sides {
                    let figures = load(address, &request, connections, time).await?;
                    rates[usize::from(name == "receiver")] = figures.rate;
                    // The first round warms up.
                    if round > 0 {
                        println!(
                            "{connections:>3} connections, {name:<8} {:>7.0} requests/s, p50 {:.1} ms, p99 {:.1} ms",
                            figures.rate, figures.p50, figures.p99
                        );
                    }
                }
                if round > 0 {
                    ratios.push(rates[1] / rates[0]);
                }
            }
            ratios.sort_by(f64::total_cmp);
            println!(
                "{connections:>3} connections: {:.2} of the bare handler's requests/s",
                ratios[ROUNDS / 2]
            );
        }
        Ok(())
    }

    fn body() -> Vec<u8> {
        let change = |i: i64| {
            format!(
                r#"{{"appId":90001,"portalId":600001,"attemptNumber":0,"changeSource":"CRM_UI","sourceId":"userId:77","eventId":{i},"subscriptionId":12,"occurredAt":{},"subscriptionType":"deal.propertyChange","objectId":9036839888,"propertyName":"amount","propertyValue":"{i}.10"}}"#,
                1_772_442_000_000 + i
            )
        };
        format!("[{}]", (0..10).map(change).collect::<Vec<_>>().join(",")).into_bytes()
    }

    fn request(body: &[u8]) -> Vec<u8> {
        let at = wall_ms().to_string();
        let message = [b"POST", URL.as_bytes(), b"/hubspot", body, at.as_bytes()].concat();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let signature = STANDARD.encode(hmac::sign(&key, &message));
        let head = format!(
            "POST /hubspot HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             x-hubspot-signature-v3: {signature}\r\nx-hubspot-request-timestamp: {at}\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    async fn load(
        address: SocketAddr,
        request: &Arc<[u8]>,
        connections: usize,
        time: Duration,
    ) -> anyhow::Result<Figures> {
        let until = monotonic() + time;
        let tasks: Vec<_> = (0..connections)
            .map(|_| tokio::spawn(connection(address, request.clone(), until)))
            .collect();
        let mut took = Vec::new();
        for task in tasks {
            took.extend(task.await??);
        }
        took.sort_unstable();
        let at = |share: f64| {
            let i = ((took.len() - 1) as f64 * share) as usize;
            took[i].as_secs_f64() * 1e3
        };
        ensure!(took.len() > 100, "only {} answers", took.len());
        let rate = took.len() as f64 / time.as_secs_f64();
        Ok(Figures { rate, p50: at(0.5), p99: at(0.99) })
    }

    /// Sends one request after the other.
    async fn connection(
        address: SocketAddr,
        request: Arc<[u8]>,
        until: Instant,
    ) -> anyhow::Result<Vec<Duration>> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut took = Vec::new();
        let mut answer = [0; 1024];
        while monotonic() < until {
            let began = monotonic();
            stream.write_all(&request).await?;
            let mut n = 0;
            // Answers have no body.
            while !answer[..n].ends_with(b"\r\n\r\n") {
                match stream.read(&mut answer[n..]).await? {
                    0 => bail!("cut off: {}", String::from_utf8_lossy(&answer[..n])),
                    more => n += more,
                }
            }
            ensure!(
                answer.starts_with(b"HTTP/1.1 200"),
                "{}",
                String::from_utf8_lossy(&answer[..n])
            );
            took.push(monotonic().saturating_duration_since(began));
        }
        Ok(took)
    }

    /// A body, and who waits for its acknowledgement.
    type Job = (Bytes, oneshot::Sender<bool>);

    /// A handler that does nothing but produce, with the same writer and acknowledged in batches too.
    async fn serve_bare(log: &dyn Log, topic: &str) -> anyhow::Result<SocketAddr> {
        let (sender, jobs) = sync_channel::<Job>(4096);
        let writer = log.writer()?;
        let topic: Arc<str> = topic.into();
        std::thread::spawn(move || produce(writer, &topic, &jobs));
        let router = Router::new().fallback(bare).with_state(sender);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let never = std::future::pending();
        tokio::spawn(tidemark::http::serve(listener, router, Default::default(), never));
        Ok(address)
    }

    async fn bare(State(sender): State<SyncSender<Job>>, body: Bytes) -> StatusCode {
        let (answer, answered) = oneshot::channel();
        if sender.try_send((body, answer)).is_err() {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        match answered.await {
            Ok(true) => StatusCode::OK,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn produce(mut writer: Box<dyn tidemark::log::Writer>, topic: &Arc<str>, jobs: &Receiver<Job>) {
        let mut turn = 0;
        while let Ok(first) = jobs.recv() {
            let batch: Vec<Job> = [first].into_iter().chain(jobs.try_iter().take(999)).collect();
            let mut sent = true;
            for (body, _) in &batch {
                turn = (turn + 1) % PARTITIONS;
                let out = Outgoing {
                    topic: topic.clone(),
                    partition: Partition(turn),
                    key: None,
                    value: Some(body.to_vec()),
                    headers: Vec::new(),
                };
                sent &= writer.send(out).is_ok();
            }
            let written = sent && writer.flush(Duration::from_secs(3)).is_ok();
            for (_, answer) in batch {
                // A client that is gone needs none.
                let _ = answer.send(written);
            }
        }
    }
}
