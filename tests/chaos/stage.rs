//! What the tests share: three brokers behind a proxy, started once a test program. Tests take
//! turns, since a broker that one of them kills is every other's as well.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use tidemark::clock;
use tidemark::log::TopicPartition;

use crate::cluster::Cluster;
use crate::job::Job;
use crate::process::{Process, pause};
use crate::proxy::{Active, Proxy};
use crate::rows::{await_rows, company};
use crate::support::await_some;

/// The brokers of a cluster.
pub const BROKERS: usize = 3;
/// After a fault heals, a process may wait for its own timeouts before it works again.
pub const HEALED_WITHIN: Duration = Duration::from_secs(60);

/// Three brokers behind a proxy.
pub struct Ground {
    pub cluster: Cluster,
    pub proxy: Proxy,
}

/// The ground, for one test at a time, healed. `None` where the caller wishes to skip: it was told.
pub fn ground() -> Option<MutexGuard<'static, Ground>> {
    static GROUND: OnceLock<Mutex<Ground>> = OnceLock::new();
    if std::env::var("TIDEMARK_SKIP_KAFKA").is_ok_and(|skip| skip == "1") {
        println!("skipped: no Kafka, as TIDEMARK_SKIP_KAFKA=1 asks");
        return None;
    }
    let start = || {
        let proxy = Proxy::bind(BROKERS);
        let cluster = Cluster::start(BROKERS, proxy.ports());
        proxy.connect(cluster.proxied.clone());
        Mutex::new(Ground { cluster, proxy })
    };
    let ground = GROUND.get_or_init(start).lock().unwrap_or_else(PoisonError::into_inner);
    // What a test that failed left behind is none of the next one's faults.
    ground.proxy.heal();
    for broker in (1..=BROKERS).filter(|b| !ground.cluster.is_alive(*b)) {
        ground.cluster.restart(broker);
    }
    Some(ground)
}

/// The broker that coordinates a group: it leads the group's partition of the offsets topic.
pub fn coordinator(bootstrap: &str, group: &str) -> usize {
    const OFFSETS: &str = "__consumer_offsets";
    let hash = group.bytes().fold(0i32, |h, b| h.wrapping_mul(31).wrapping_add(i32::from(b)));
    let mut config = rdkafka::ClientConfig::new();
    let client: BaseConsumer = config.set("bootstrap.servers", bootstrap).create().unwrap();
    await_some("the group has a coordinator", Duration::from_secs(30), || {
        let seen = client.fetch_metadata(Some(OFFSETS), Duration::from_secs(10)).ok()?;
        let partitions = seen.topics().first()?.partitions();
        let mine = (hash & i32::MAX) % i32::try_from(partitions.len()).ok().filter(|n| *n > 0)?;
        let leader = partitions.iter().find(|p| p.id() == mine)?.leader();
        usize::try_from(leader).ok().filter(|l| *l > 0)
    })
}

/// A job on the ground, fed a slice at a time.
pub struct Play<'a> {
    pub ground: &'a Ground,
    pub job: Job,
    events: Vec<String>,
    fed: usize,
}

impl<'a> Play<'a> {
    pub fn new(ground: &'a Ground, stem: &str, seed: u64) -> Play<'a> {
        let brokers = ground.proxy.bootstrap();
        let job = Job::behind(&brokers, &ground.cluster.bootstrap, stem, 3, "");
        job.create_topics();
        Play { ground, job, events: company(seed, 30), fed: 0 }
    }

    /// Feeds the next of `parts` equal slices of the events.
    pub fn feed(&mut self, parts: usize) {
        let end = (self.fed + self.events.len().div_ceil(parts)).min(self.events.len());
        assert!(end > self.fed, "no events are left to feed");
        self.job.feed(&self.events[self.fed..end]);
        self.fed = end;
    }

    /// The same, where there is one.
    pub fn feed_if_any(&mut self, parts: usize) {
        if self.fed < self.events.len() {
            self.feed(parts);
        }
    }

    /// Feeds slices, with a pause between them, until the rules have struck so often.
    pub fn feed_until_struck(&mut self, rules: &[&Arc<Active>], times: u64) {
        let struck = || rules.iter().all(|r| r.struck() >= times);
        await_some("the fault strikes", Duration::from_secs(60), || {
            if struck() {
                return Some(());
            }
            self.feed_if_any(20);
            pause();
            None
        });
    }

    /// Starts instances that are ready.
    pub fn start<const N: usize>(&self, names: [&str; N]) -> [Process; N] {
        let mut instances = names.map(|name| self.job.start_as(name));
        instances.iter_mut().for_each(Process::ready);
        assert!(self.ground.proxy.requests() > 0, "they go past the proxy");
        instances
    }

    /// How many records were written to the results topic.
    pub fn rows_published(&self) -> u64 {
        let topic = self.job.config.topics().kpis;
        let mut reader = self.job.log.reader().unwrap();
        let parts = 0..self.job.config.definition.partitions;
        parts.map(|p| reader.bounds(&TopicPartition::new(topic.as_str(), p)).unwrap().end.0).sum()
    }

    /// Waits until an instance shows the rows of what was fed.
    pub fn check(&self, instance: &mut Process) {
        await_rows(instance, &self.job.expected(&self.events[..self.fed]));
    }

    /// Lifts all rules, and waits until every instance shows the rows of what was fed: within a
    /// bound, for a process that never recovers has no wrong number either.
    pub fn heal_and_check(&self, instances: &mut [Process]) {
        let fed = &self.events[..self.fed];
        let expected = self.job.expected(fed);
        let numbers = crate::recounted::agree(&expected, fed).unwrap_or_else(|why| panic!("{why}"));
        assert!(numbers.is_some_and(|n| n > 100), "an independent recount was compared");
        self.ground.proxy.heal();
        let healed = clock::monotonic();
        for instance in instances.iter_mut() {
            await_rows(instance, &expected);
        }
        let took = clock::monotonic() - healed;
        println!("{took:.1?} from healing to the exact rows");
        assert!(took < HEALED_WITHIN, "{took:?} from healing to the exact rows");
        for instance in instances {
            assert!(instance.ended().is_none(), "{}", instance.said());
        }
    }

    /// The ordinary end: asked to, at once.
    pub fn end(&self, instances: &mut [Process]) {
        instances.iter().for_each(Process::ask_to_end);
        for instance in instances {
            assert!(instance.wait(Duration::from_secs(15)).success(), "{}", instance.said());
        }
    }
}
