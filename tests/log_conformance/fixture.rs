//! The logs under test, and what the cases do with them.

use std::sync::Arc;
use std::time::Duration;

use tidemark::log::embedded::EmbeddedLog;
use tidemark::log::memory::MemoryLog;
use tidemark::log::{
    Cleanup, Log, LogError, Offset, Outgoing, Partition, Reader, Record, TopicPartition, TopicSpec,
    Writer,
};

use crate::support::{await_some, fresh_name};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const SHORT: Duration = Duration::from_millis(200);

/// Drops what is below an offset.
pub(crate) type Truncate = Box<dyn Fn(&TopicPartition, Offset)>;

/// A log under test, and what only its own kind can do.
pub(crate) struct Fixture {
    pub(crate) log: Box<dyn Log>,
    pub(crate) truncate: Truncate,
    pub(crate) compact: Box<dyn Fn(&str)>,
    pub(crate) _dir: Option<tempfile::TempDir>,
}

impl Fixture {
    pub(crate) fn memory() -> Option<Fixture> {
        let log = MemoryLog::default();
        let (a, b) = (log.clone(), log.clone());
        Some(Fixture {
            log: Box::new(log),
            truncate: Box::new(move |tp, start| a.truncate(tp, start).unwrap()),
            compact: Box::new(move |topic| b.compact(topic)),
            _dir: None,
        })
    }

    pub(crate) fn embedded() -> Option<Fixture> {
        let dir = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(dir.path(), tidemark::clock::wall_ms).unwrap();
        let (a, b) = (log.clone(), log.clone());
        Some(Fixture {
            log: Box::new(log),
            truncate: Box::new(move |tp, start| a.truncate(tp, start).unwrap()),
            compact: Box::new(move |_| b.compact_now().unwrap()),
            _dir: Some(dir),
        })
    }

    #[cfg(feature = "kafka")]
    pub(crate) fn kafka() -> Option<Fixture> {
        let bootstrap = crate::support::kafka_bootstrap()?;
        let log = crate::support::kafka_log(&bootstrap);
        Some(Fixture {
            log: Box::new(log),
            truncate: Box::new(move |tp, start| {
                crate::support::delete_records(&bootstrap, tp, start)
            }),
            // Compaction comes when the broker likes; what holds before and after it is tested.
            compact: Box::new(|_| {}),
            _dir: None,
        })
    }

    pub(crate) fn topic(&self, partitions: u32, cleanup: Cleanup) -> Arc<str> {
        let spec = spec(&fresh_name("conf"), partitions, cleanup);
        assert!(self.log.create(&spec).unwrap(), "a fresh topic");
        spec.name.into()
    }

    pub(crate) fn kept(&self, partitions: u32) -> Arc<str> {
        self.topic(partitions, Cleanup::Delete { retention: None })
    }

    pub(crate) fn reader_at(&self, tp: &TopicPartition, at: u64) -> Box<dyn Reader> {
        let mut reader = self.log.reader().unwrap();
        reader.assign(&[(tp.clone(), Offset(at))]).unwrap();
        reader
    }
}

pub(crate) fn spec(name: &str, partitions: u32, cleanup: Cleanup) -> TopicSpec {
    TopicSpec {
        name: name.to_owned(),
        partitions,
        replication: 1,
        cleanup,
        max_record_bytes: 1 << 20,
    }
}

pub(crate) fn out(topic: &Arc<str>, partition: u32, key: &str, value: Option<&str>) -> Outgoing {
    Outgoing {
        topic: topic.clone(),
        partition: Partition(partition),
        key: Some(key.as_bytes().to_vec()),
        value: value.map(|v| v.as_bytes().to_vec()),
        headers: Vec::new(),
    }
}

pub(crate) fn write(writer: &mut dyn Writer, records: impl IntoIterator<Item = Outgoing>) {
    for record in records {
        writer.send(record).unwrap();
    }
    writer.flush(PATIENCE).unwrap();
}

/// Writes `values` to one partition through a fresh writer.
pub(crate) fn fill(
    fixture: &Fixture,
    topic: &Arc<str>,
    partition: u32,
    values: std::ops::Range<u32>,
) {
    let mut writer = fixture.log.writer().unwrap();
    write(writer.as_mut(), values.map(|v| out(topic, partition, "k", Some(&v.to_string()))));
}

/// Reads until `enough` says so.
pub(crate) fn read(
    reader: &mut dyn Reader,
    what: &str,
    enough: impl Fn(&[Record]) -> bool,
) -> Vec<Record> {
    let mut got = Vec::new();
    await_some(what, PATIENCE, || {
        match reader.poll(1_000, SHORT, &mut got) {
            Ok(_) | Err(LogError::Unavailable(_)) => {}
            Err(e) => panic!("{what}: {e}"),
        }
        enough(&got).then_some(())
    });
    got
}

pub(crate) fn read_n(reader: &mut dyn Reader, n: usize) -> Vec<Record> {
    let got = read(reader, &format!("{n} records"), |got| got.len() >= n);
    assert_eq!(got.len(), n);
    got
}

pub(crate) fn text(bytes: &Option<Vec<u8>>) -> String {
    String::from_utf8(bytes.clone().unwrap()).unwrap()
}

pub(crate) fn values(records: &[Record]) -> Vec<u32> {
    records.iter().map(|r| text(&r.value).parse().unwrap()).collect()
}

/// Reads until the error comes that reading from there must give.
pub(crate) fn read_error(fixture: &Fixture, tp: &TopicPartition, at: u64) -> LogError {
    let mut reader = fixture.log.reader().unwrap();
    if let Err(e) = reader.assign(&[(tp.clone(), Offset(at))]) {
        return e;
    }
    await_some("an error", PATIENCE, || {
        let mut got = Vec::new();
        let polled = reader.poll(10, SHORT, &mut got);
        assert_eq!(got, [], "nothing may be read from a wrong position");
        polled.err().filter(|e| !e.is_retriable())
    })
}
