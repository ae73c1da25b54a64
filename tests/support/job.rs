//! A job of a test: fresh topics, a config, records to feed, and the rows that must come out.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidemark::config::Config;
use tidemark::log::{Log, Outgoing, Partition};

use crate::process::{Process, run_to_end};
use crate::rows;
use crate::support::{fresh_name, kafka_log};

/// Partitions of the source topic.
pub const SOURCES: u32 = 4;

/// A job.
pub struct Job {
    pub dir: tempfile::TempDir,
    pub file: PathBuf,
    pub config: Config,
    pub source: String,
    pub log: Arc<dyn Log>,
}

impl Job {
    /// A job on fresh topics, which are still to be created. `extra` is more TOML.
    pub fn new(bootstrap: &str, stem: &str, extra: &str) -> Job {
        Job::behind(bootstrap, bootstrap, stem, 1, extra)
    }

    /// A job whose processes reach the brokers at `brokers`, through a proxy say, while the test
    /// itself writes and reads at `direct`.
    pub fn behind(brokers: &str, direct: &str, stem: &str, replication: u16, extra: &str) -> Job {
        let dir = tempfile::tempdir().unwrap();
        let app = fresh_name(stem);
        let source = format!("{app}.source");
        let text = format!(
            "[app]\nname = \"{app}\"\n[kafka]\nbrokers = \"{brokers}\"\nsession_timeout = \"6s\"\n\
             replication = {replication}\n\
             [topology]\nshards = 6\npartitions = 3\n\
             [[sources]]\nname = \"crm\"\ntopics = [\"{source}\"]\n\
             [time]\nzone = \"UTC\"\nidle_after = \"1s\"\n\
             [windows]\nrolling = [\"28d\"]\ncalendar = [\"day\", \"week\", \"month\", \"quarter\", \"year\"]\n\
             [publish]\nemit_interval = \"200ms\"\nimage_interval = \"2s\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n{extra}"
        );
        let file = dir.path().join("tidemark.toml");
        std::fs::write(&file, &text).unwrap();
        let config = Config::from_toml(&text, "test", std::iter::empty()).unwrap();
        Job { dir, file, config, source, log: Arc::new(kafka_log(direct)) }
    }

    /// Creates the topics with the binary, as an operator does.
    pub fn create_topics(&self) {
        let sources = SOURCES.to_string();
        let file = self.file.to_str().unwrap();
        let (code, out, err) =
            run_to_end(&["topics", "create", "--sources", &sources, "--config", file]);
        assert_eq!(code, Some(0), "{out}{err}");
    }

    /// Starts an instance.
    pub fn start(&self, name: &str) -> Process {
        Process::start(self.dir.path(), name, &["run", "--config", self.file.to_str().unwrap()])
    }

    /// Starts an instance that calls itself by its name towards the brokers.
    pub fn start_as(&self, name: &str) -> Process {
        let file = self.dir.path().join(format!("{name}.toml"));
        let text = std::fs::read_to_string(&self.file).unwrap();
        let named = format!("[kafka]\nclient_id = \"{name}\"\n");
        std::fs::write(&file, text.replace("[kafka]\n", &named)).unwrap();
        Process::start(self.dir.path(), name, &["run", "--config", file.to_str().unwrap()])
    }

    /// Writes records to the source topic, over all its partitions in turn: the order of one
    /// entity's events is lost on purpose.
    pub fn feed(&self, records: &[String]) {
        self.feed_over(records, SOURCES);
    }

    /// The same over another number of partitions.
    pub fn feed_over(&self, records: &[String], partitions: u32) {
        let mut writer = self.log.writer().unwrap();
        for (i, value) in records.iter().enumerate() {
            writer
                .send(Outgoing {
                    topic: self.source.as_str().into(),
                    partition: Partition(i as u32 % partitions),
                    key: None,
                    value: Some(value.clone().into_bytes()),
                    headers: Vec::new(),
                })
                .unwrap();
        }
        writer.flush(Duration::from_secs(60)).unwrap();
    }

    /// The calendar rows that must come out: KPIs by key.
    pub fn expected(&self, records: &[String]) -> rows::Expected {
        rows::expected(&self.config, records)
    }
}
