//! What the proxy does to the traffic: rules that can be set and lifted while it flows, each with
//! a count of how often it struck. A fault that never happened proves nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidemark::clock;

use super::wire::Api;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Requests,
    Responses,
    Both,
}

impl Way {
    fn holds(self, way: Way) -> bool {
        self == Way::Both || self == way
    }
}

/// What happens to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The connection ends in its place.
    Cut,
    /// It waits, and all behind it on its connection; for less where the rule is lifted.
    Hold(Duration),
    /// It is gone. A connection never goes on behind a hole: it stays open, and ends with the next
    /// message that is not swallowed, or when the rule is lifted.
    Swallow,
    /// It goes out a byte at a time.
    Trickle,
    /// It goes out at so many bytes a second.
    Slow(u64),
    /// The connection is not accepted.
    Refuse,
}

/// A rule: to what it applies, from when on, how often.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// A broker by its place; all where absent.
    pub broker: Option<usize>,
    /// A client by its `client.id`; all where absent.
    pub client: Option<&'static str>,
    /// A kind of request and its responses; all where empty.
    pub apis: &'static [Api],
    /// A text that stands near its front, such as the name of a topic; any where absent.
    pub naming: Option<&'static str>,
    /// It is at least so long, bytes.
    pub least: usize,
    pub way: Way,
    /// So many messages pass before it strikes.
    pub after: u64,
    /// It strikes at most so often.
    pub times: u64,
    pub effect: Effect,
}

impl Rule {
    /// For all messages of all brokers, both ways, from now on.
    pub fn new(effect: Effect) -> Rule {
        Rule {
            broker: None,
            client: None,
            apis: &[],
            naming: None,
            least: 0,
            way: Way::Both,
            after: 0,
            times: u64::MAX,
            effect,
        }
    }

    pub fn broker(self, broker: usize) -> Rule {
        Rule { broker: Some(broker), ..self }
    }

    pub fn client(self, client: &'static str) -> Rule {
        Rule { client: Some(client), ..self }
    }

    pub fn requests(self, apis: &'static [Api]) -> Rule {
        Rule { apis, way: Way::Requests, ..self }
    }

    pub fn responses(self, apis: &'static [Api]) -> Rule {
        Rule { apis, way: Way::Responses, ..self }
    }

    pub fn naming(self, text: &'static str) -> Rule {
        Rule { naming: Some(text), ..self }
    }

    pub fn least(self, bytes: usize) -> Rule {
        Rule { least: bytes, ..self }
    }

    pub fn way(self, way: Way) -> Rule {
        Rule { way, ..self }
    }

    pub fn after(self, after: u64) -> Rule {
        Rule { after, ..self }
    }

    pub fn times(self, times: u64) -> Rule {
        Rule { times, ..self }
    }

    fn matches(&self, message: &Message<'_>) -> bool {
        let named = self.apis.is_empty() || message.api.is_some_and(|a| self.apis.contains(&a));
        self.broker.is_none_or(|b| b == message.broker)
            && self.client.is_none_or(|c| Some(c) == message.client)
            && self.way.holds(message.way)
            && named
            && message.body.len() >= self.least
            && self.naming.is_none_or(|text| message.names(text))
    }
}

/// What of a message decides whether a rule strikes it.
pub struct Message<'a> {
    pub broker: usize,
    pub client: Option<&'a str>,
    pub api: Option<Api>,
    pub way: Way,
    pub body: &'a [u8],
}

impl Message<'_> {
    /// Whether a text stands where a request says what it is about: records come behind it.
    fn names(&self, text: &str) -> bool {
        let front = &self.body[..self.body.len().min(400)];
        front.windows(text.len()).any(|w| w == text.as_bytes())
    }
}

/// A rule at work.
#[derive(Debug)]
pub struct Active {
    pub rule: Rule,
    seen: AtomicU64,
    struck: AtomicU64,
    lifted: AtomicBool,
}

impl Active {
    /// How often it struck.
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    /// Whether it was lifted.
    pub fn is_lifted(&self) -> bool {
        self.lifted.load(Ordering::Relaxed)
    }

    /// Whether it strikes this message.
    fn strikes(&self) -> bool {
        let seen = self.seen.fetch_add(1, Ordering::Relaxed);
        let strikes = seen >= self.rule.after && seen - self.rule.after < self.rule.times;
        if strikes {
            self.struck.fetch_add(1, Ordering::Relaxed);
        }
        strikes
    }
}

/// The rules of a proxy.
#[derive(Default)]
pub struct Rules {
    active: Mutex<Vec<Arc<Active>>>,
    changed: Condvar,
}

impl Rules {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Active>>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a rule. It holds until it is lifted.
    pub fn set(&self, rule: Rule) -> Arc<Active> {
        let (seen, struck) = (AtomicU64::new(0), AtomicU64::new(0));
        let active = Arc::new(Active { rule, seen, struck, lifted: AtomicBool::new(false) });
        self.lock().push(active.clone());
        active
    }

    /// Lifts a rule; what it held goes on at once.
    pub fn lift(&self, rule: &Arc<Active>) {
        rule.lifted.store(true, Ordering::Relaxed);
        self.lock().retain(|a| !Arc::ptr_eq(a, rule));
        self.changed.notify_all();
    }

    /// Lifts all rules.
    pub fn heal(&self) {
        for rule in self.lock().drain(..) {
            rule.lifted.store(true, Ordering::Relaxed);
        }
        self.changed.notify_all();
    }

    /// What strikes a message: the rules in the order in which they were set.
    pub fn strike(&self, message: &Message<'_>) -> Vec<Arc<Active>> {
        let refuses = |a: &Active| a.rule.effect == Effect::Refuse;
        let hits = |a: &&Arc<Active>| !refuses(a) && a.rule.matches(message) && a.strikes();
        self.lock().iter().filter(hits).cloned().collect()
    }

    /// Whether a new connection is refused.
    pub fn refuses(&self, broker: usize) -> bool {
        let refuses = |a: &Arc<Active>| {
            a.rule.effect == Effect::Refuse
                && a.rule.broker.is_none_or(|b| b == broker)
                && a.strikes()
        };
        self.lock().iter().any(refuses)
    }

    /// Waits out a hold, or until its rule is lifted.
    pub fn hold(&self, rule: &Active, time: Duration) {
        let deadline = clock::monotonic() + time;
        let mut active = self.lock();
        while !rule.is_lifted() {
            let left = deadline.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return;
            }
            let woken = self.changed.wait_timeout(active, left);
            active = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
