//! A receiver of the test's own, over a log that the test can look into and hurt.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tidemark::app::{self, Running};
use tidemark::clock::wall_ms;
use tidemark::config::Config;
use tidemark::http::Mode;
use tidemark::log::memory::MemoryLog;
use tidemark::log::{
    Log, LogError, Member, Offset, Outgoing, Reader, Record, TopicInfo, TopicPartition, TopicSpec,
    Unacknowledged, Writer,
};
use tidemark::model::time::Timestamp;
use tidemark::runtime::StopReason;

use super::client::Ask;
use super::sign;
use super::support::await_some;

/// What stands before the path in the address that HubSpot was given.
pub const URL: &str = "https://hooks.example.com";

/// Secrets, by the variables that hold them.
pub const SECRETS: [(&str, &str); 5] = [
    ("HUBSPOT", "hubspot's secret"),
    ("STRIPE_OLD", "whsec_old"),
    ("STRIPE_NEW", "whsec_new"),
    ("META", "meta's secret"),
    ("META_TOKEN", "a token typed in"),
];

const ENDPOINTS: &str = r#"
[[sources]]
name = "crm"
system = "hubspot"
topics = ["crm.raw"]
[[sources]]
name = "pay"
system = "stripe"
topics = ["pay.raw"]
[[sources]]
name = "any"
topics = ["any.raw"]
[[hooks.endpoint]]
path = "/hubspot"
source = "crm"
verify = "hubspot"
secrets = [{ env = "HUBSPOT" }]
[[hooks.endpoint]]
path = "/stripe"
source = "pay"
verify = "stripe"
secrets = [{ env = "STRIPE_NEW" }, { env = "STRIPE_OLD" }]
[[hooks.endpoint]]
path = "/meta"
source = "any"
verify = "meta"
secrets = [{ env = "META" }]
verify_token = { env = "META_TOKEN" }
[[hooks.endpoint]]
path = "/monday"
source = "any"
verify = "monday"
secrets = [{ env = "META_TOKEN" }]
[[hooks.endpoint]]
path = "/mailchimp"
source = "any"
verify = "mailchimp"
secrets = [{ env = "META_TOKEN" }]
[[hooks.endpoint]]
path = "/own"
source = "any"
secrets = [{ env = "META" }]
max_age = "1m"
[hooks.endpoint.scheme]
algorithm = "hmac-sha256"
message = ["{header:x-id}", "/", "{timestamp}", "/", "{body}"]
signature = { header = "x-sig", encoding = "base64", prefix = "v0=" }
timestamp = { header = "x-at", unit = "ms" }
[[hooks.endpoint]]
path = "/open"
source = "any"
verify = "none"
headers = ["X-Request-Id"]
"#;

/// A receiver at work.
pub struct Site {
    pub address: SocketAddr,
    pub running: Option<Running>,
    log: Arc<dyn Log>,
}

pub fn config(extra: &str) -> Config {
    let text = format!(
        "[topology]\nshards = 2\npartitions = 1\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [hooks]\nlisten = \"127.0.0.1:0\"\npublic_url = \"{URL}\"\n{extra}\n{ENDPOINTS}"
    );
    let env = SECRETS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_toml(&text, "test", env).unwrap_or_else(|e| panic!("{e}"))
}

impl Site {
    /// Opens a receiver over a log in memory; `extra` is more of `[hooks]`.
    pub fn open(extra: &str) -> Site {
        Site::over(Arc::new(MemoryLog::default()), extra)
    }

    /// Opens a receiver over that log.
    pub fn over(log: Arc<dyn Log>, extra: &str) -> Site {
        let site = Site::before(log, extra);
        site.reachable();
        site
    }

    /// Opens a receiver, and does not wait until the log takes anything.
    pub fn before(log: Arc<dyn Log>, extra: &str) -> Site {
        let config = config(extra);
        let _ = app::create_sources(&config, &*log, 2);
        let _ = app::create_topics(&config, &*log);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let hooks = app::bind_hooks(&config).unwrap().unwrap();
        let clock = Arc::new(|| Timestamp::from_millis(wall_ms()));
        let mut running = app::open(config, log.clone(), Mode::Embedded, clock, listener).unwrap();
        let address = running.receive(hooks).unwrap().unwrap();
        Site { address, running: Some(running), log }
    }

    /// Waits until records are written.
    pub fn reachable(&self) {
        self.is_said(true);
    }

    /// Waits until it is known that none can be.
    pub fn unreachable(&self) {
        self.is_said(false);
    }

    fn is_said(&self, well: bool) {
        let health = &self.running.as_ref().unwrap().health;
        await_some("the health of the receiver", Duration::from_secs(20), || {
            std::thread::park_timeout(Duration::from_millis(5));
            let (checks, notes) = (health.checks(), health.notes());
            let ready = checks.iter().any(|(name, ok)| name == "hooks" && ok.is_ok());
            let said = notes.iter().any(|(name, ok)| name == "hooks crm.raw" && ok.is_ok() == well);
            (said && (ready || !well)).then_some(())
        });
    }

    /// Waits until so many requests wait for their turn.
    pub fn waiting(&self, n: usize) {
        self.until("requests wait", |page| page.contains(&format!("tidemark_hook_waiting {n}\n")));
    }

    /// Waits until a request is believed, and with the writer.
    pub fn held(&self) {
        self.until("a request is held", |page| {
            page.contains("tidemark_hook_bytes_total{")
                && page.contains("tidemark_hook_waiting 0\n")
        });
    }

    /// Waits until the metrics say so.
    pub fn until(&self, what: &str, mut holds: impl FnMut(&str) -> bool) {
        await_some(what, Duration::from_secs(20), || {
            std::thread::park_timeout(Duration::from_millis(5));
            holds(&self.metrics()).then_some(())
        });
    }

    /// All records of a topic.
    pub fn records(&self, topic: &str) -> Vec<Record> {
        let mut reader = self.log.reader().unwrap();
        let partitions = self.log.describe(topic).unwrap().unwrap().partitions;
        let mut out = Vec::new();
        for partition in (0..partitions).map(|p| TopicPartition::new(topic, p)) {
            let end = reader.bounds(&partition).unwrap().end;
            reader.assign(&[(partition, Offset(0))]).unwrap();
            let mut of_one = Vec::new();
            while (of_one.len() as u64) < end.0 {
                reader.poll(100, Duration::from_millis(100), &mut of_one).unwrap();
            }
            out.extend(of_one);
        }
        out
    }

    /// A body that HubSpot signed just now.
    pub fn hubspot(&self, body: &[u8]) -> Ask {
        sign::hubspot(SECRETS[0].1, URL, "/hubspot", body, wall_ms())
    }

    /// The metrics page.
    pub fn metrics(&self) -> String {
        self.page("/metrics").body
    }

    /// A page of the board's server.
    pub fn page(&self, target: &str) -> super::client::Answer {
        Ask::get(target).send(self.running.as_ref().unwrap().address)
    }

    /// Ends it; whether all of it ended in time.
    pub fn stop(&mut self) -> bool {
        let running = self.running.take().unwrap();
        running.stop.request(StopReason::Asked);
        running.wait().1
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.stop.request(StopReason::Asked);
        }
    }
}

/// A log in memory whose writers do as the test says.
#[derive(Clone, Default)]
pub struct Hurt {
    inner: MemoryLog,
    how: Arc<(Mutex<How>, Condvar)>,
    /// Partitions that take nothing, whatever the others do.
    ill: Arc<Mutex<Ill>>,
}

#[derive(Default)]
struct Ill {
    partitions: BTreeSet<TopicPartition>,
    /// They do not even refuse.
    silent: bool,
    asked: usize,
}

/// What a writer does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum How {
    /// What it is asked to.
    #[default]
    Well,
    /// It cannot reach the log.
    Away,
    /// It waits until it does something else.
    Stuck,
}

impl Hurt {
    /// These partitions of a topic take nothing from now on: they refuse, or say nothing.
    pub fn ail(&self, topic: &str, partitions: &[u32], silent: bool) {
        let mut ill = self.ill.lock().unwrap();
        ill.partitions.retain(|at| &*at.topic != topic);
        ill.partitions.extend(partitions.iter().map(|p| TopicPartition::new(topic, *p)));
        ill.silent = silent;
    }

    /// How often they were asked.
    pub fn asked_of_ill(&self) -> usize {
        self.ill.lock().unwrap().asked
    }

    pub fn set(&self, how: How) {
        *self.how.0.lock().unwrap() = how;
        self.how.1.notify_all();
    }

    fn asked(&self) -> Result<(), LogError> {
        let how = self.how.0.lock().unwrap();
        let how = self.how.1.wait_while(how, |how| *how == How::Stuck).unwrap();
        match *how {
            How::Away => Err(LogError::Unavailable("as the test says".to_owned())),
            _ => Ok(()),
        }
    }
}

impl Log for Hurt {
    fn cluster_id(&self) -> Result<String, LogError> {
        self.inner.cluster_id()
    }

    fn describe(&self, topic: &str) -> Result<Option<TopicInfo>, LogError> {
        self.asked()?;
        self.inner.describe(topic)
    }

    fn create(&self, spec: &TopicSpec) -> Result<bool, LogError> {
        self.inner.create(spec)
    }

    fn writer(&self) -> Result<Box<dyn Writer>, LogError> {
        let inner = self.inner.writer()?;
        Ok(Box::new(HurtWriter { log: self.clone(), inner, torn: BTreeSet::new() }))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        self.inner.reader()
    }

    fn join(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Member>, LogError> {
        self.inner.join(group, topics)
    }
}

struct HurtWriter {
    log: Hurt,
    inner: Box<dyn Writer>,
    torn: BTreeSet<TopicPartition>,
}

impl Writer for HurtWriter {
    fn send(&mut self, out: Outgoing) -> Result<(), LogError> {
        let at = TopicPartition { topic: out.topic.clone(), partition: out.partition };
        let mut ill = self.log.ill.lock().unwrap();
        if ill.partitions.contains(&at) {
            ill.asked += 1;
            self.torn.insert(at);
            return Ok(());
        }
        drop(ill);
        self.inner.send(out)
    }

    fn flush(&mut self, within: Duration) -> Result<(), LogError> {
        self.log.asked()?;
        self.inner.flush(within)?;
        if self.torn.is_empty() {
            return Ok(());
        }
        let ill = self.log.ill.lock().unwrap();
        let said = match ill.silent {
            // Nobody wakes it: this is the wait for an answer that does not come.
            true => {
                drop(ill);
                let alone = (Mutex::new(()), Condvar::new());
                let waited = alone.1.wait_timeout_while(alone.0.lock().unwrap(), within, |()| true);
                drop(waited.unwrap());
                "does not answer"
            }
            false => {
                self.torn.clear();
                "has no leader"
            }
        };
        Err(LogError::Unavailable(format!("the partition {said}")))
    }

    fn flush_each(
        &mut self,
        sent: &BTreeSet<TopicPartition>,
        within: Duration,
    ) -> Result<(), Unacknowledged> {
        let partitions: BTreeSet<_> = sent.intersection(&self.torn).cloned().collect();
        match self.flush(within) {
            Ok(()) => Ok(()),
            Err(why) if partitions.is_empty() => {
                Err(Unacknowledged { partitions: sent.clone(), why })
            }
            Err(why) => Err(Unacknowledged { partitions, why }),
        }
    }
}
