//! A log in memory that can be made to fail at a record, and to do something while it is read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidemark::log::memory::MemoryLog;
use tidemark::log::{
    Bounds, Log, LogError, Member, Offset, Outgoing, Reader, Record, Result, TopicInfo,
    TopicPartition, TopicSpec, Writer,
};

type Sending = Box<dyn FnMut(&Outgoing) -> bool + Send>;
type Reading = Box<dyn FnMut(&TopicPartition) + Send>;

#[derive(Clone, Default)]
pub struct Watched {
    pub inner: MemoryLog,
    hooks: Arc<Mutex<Hooks>>,
}

#[derive(Default)]
struct Hooks {
    cluster: Option<String>,
    sending: Option<Sending>,
    reading: Option<Reading>,
    keys: Vec<String>,
}

impl Watched {
    /// Asked of each record sent: whether it arrives. One that does not is an error to the sender.
    pub fn on_send(&self, hook: impl FnMut(&Outgoing) -> bool + Send + 'static) {
        self.hooks.lock().unwrap().sending = Some(Box::new(hook));
    }

    /// Called before each poll of a reader that has one partition.
    pub fn on_read(&self, hook: impl FnMut(&TopicPartition) + Send + 'static) {
        self.hooks.lock().unwrap().reading = Some(Box::new(hook));
    }

    pub fn unhook(&self) {
        let mut hooks = self.hooks.lock().unwrap();
        (hooks.sending, hooks.reading) = (None, None);
    }

    /// Calls itself so from now on.
    pub fn name(&self, cluster: &str) {
        self.hooks.lock().unwrap().cluster = Some(cluster.to_owned());
    }

    /// The keys of all records read since this was last asked, deletions aside.
    pub fn keys_read(&self) -> Vec<String> {
        std::mem::take(&mut self.hooks.lock().unwrap().keys)
    }
}

impl Log for Watched {
    fn cluster_id(&self) -> Result<String> {
        let own = self.hooks.lock().unwrap().cluster.clone();
        own.map_or_else(|| self.inner.cluster_id(), Ok)
    }
    fn describe(&self, topic: &str) -> Result<Option<TopicInfo>> {
        self.inner.describe(topic)
    }
    fn create(&self, spec: &TopicSpec) -> Result<bool> {
        self.inner.create(spec)
    }
    fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(WatchedWriter(self.inner.writer()?, self.hooks.clone())))
    }
    fn reader(&self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(WatchedReader(self.inner.reader()?, self.hooks.clone(), Vec::new())))
    }
    fn join(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Member>> {
        self.inner.join(group, topics)
    }
}

struct WatchedWriter(Box<dyn Writer>, Arc<Mutex<Hooks>>);

impl Writer for WatchedWriter {
    fn send(&mut self, out: Outgoing) -> Result<()> {
        let arrives = self.1.lock().unwrap().sending.as_mut().is_none_or(|hook| hook(&out));
        if arrives { self.0.send(out) } else { Err(LogError::Unavailable("killed".to_owned())) }
    }
    fn flush(&mut self, within: Duration) -> Result<()> {
        self.0.flush(within)
    }
}

struct WatchedReader(Box<dyn Reader>, Arc<Mutex<Hooks>>, Vec<TopicPartition>);

impl Reader for WatchedReader {
    fn assign(&mut self, at: &[(TopicPartition, Offset)]) -> Result<()> {
        self.2 = at.iter().map(|(tp, _)| tp.clone()).collect();
        self.0.assign(at)
    }
    fn poll(&mut self, max: usize, wait: Duration, out: &mut Vec<Record>) -> Result<usize> {
        let hook = self.1.lock().unwrap().reading.take();
        if let (Some(mut hook), [at]) = (hook, &self.2[..]) {
            hook(at);
            self.1.lock().unwrap().reading.get_or_insert(hook);
        }
        // One at a time in a restore, so that it has an inside.
        let restores = self.2.first().is_some_and(|tp| !tp.topic.ends_with("events"));
        let before = out.len();
        let came = self.0.poll(if restores { 1 } else { max }, wait, out)?;
        let key = |r: &Record| String::from_utf8(r.key.clone().unwrap_or_default()).unwrap();
        self.1
            .lock()
            .unwrap()
            .keys
            .extend(out[before..].iter().filter(|r| r.value.is_some()).map(key));
        Ok(came)
    }
    fn bounds(&mut self, partition: &TopicPartition) -> Result<Bounds> {
        self.0.bounds(partition)
    }
    fn ended(&self, partition: &TopicPartition) -> bool {
        self.0.ended(partition)
    }
}
