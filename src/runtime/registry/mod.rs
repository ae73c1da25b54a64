//! Schemas from a registry, for intake: asked for on a thread of their own, so that a registry that
//! is slow or away holds up those partitions alone whose records need it. What came is kept; a
//! registry that is away is asked again, less and less often, and nothing is lost meanwhile.

#[cfg(feature = "registry")]
mod client;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::config::SchemaRegistry;
use crate::intake::{Lookup, Schema, SchemaKey};
use crate::model::deadletter::{Code, Reason};

/// Most schemas that are kept; a topic has a handful.
const KEPT: usize = 1_000;
/// How long a schema that the registry does not have is not asked for again: registries that follow
/// another one have it late.
const REFUSED: Duration = Duration::from_secs(60);
/// As long where it only failed to give it, again and again.
const GIVEN_UP: Duration = Duration::from_secs(600);
/// So often a question fails, while the registry answers others, before the schema is refused.
const FAILURES: u32 = 10;
/// First and longest pause before a registry that is away is asked again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What a registry says of a schema.
#[derive(Debug)]
pub enum Answer {
    /// This is it.
    Schema(Box<Schema>),
    /// It has none of that name, or one that cannot be used.
    Refused(Reason),
    /// It did not answer, or not as a registry does: ask again.
    Away(Trouble),
}

/// Why a registry gave no answer.
#[derive(Debug)]
pub enum Trouble {
    /// It is away, or lets nobody in: this says nothing of the schema.
    Away(String),
    /// It, or what stands before it, fails: at this schema where it answers for others.
    Fails(String),
    /// The registry itself rejects the question.
    Rejects(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Trouble::Away(why) | Trouble::Fails(why) | Trouble::Rejects(why)) = self;
        f.write_str(why)
    }
}

/// Asks a registry.
pub type Ask = Box<dyn FnMut(SchemaKey) -> Answer + Send>;

/// Who asks the configured registry.
#[cfg(feature = "registry")]
pub fn ask(config: &SchemaRegistry) -> Result<Ask, String> {
    let mut client = client::Client::new(config)?;
    Ok(Box::new(move |key| client.fetch(key)))
}

/// Who asks the configured registry: nobody, and the configuration said so already.
#[cfg(not(feature = "registry"))]
pub fn ask(_: &SchemaRegistry) -> Result<Ask, String> {
    Err("this binary was built without the client of schema registries".to_owned())
}

enum Known {
    Schema(Box<Schema>),
    Refused(Reason, Instant),
}

/// A question that failed.
struct Failing {
    why: String,
    failures: u32,
    /// What the registry had answered by the first failure.
    answered: u64,
    again: Instant,
    pause: Duration,
    /// Whether who waits was told to try again, and did not ask yet.
    called: bool,
}

/// The schemas that are known, and how the others are asked for: in turn, each at its own pace, so
/// that one that the registry fails at holds up nobody who waits for another one.
pub struct Schemas {
    known: BTreeMap<SchemaKey, Known>,
    questions: Sender<SchemaKey>,
    answers: Receiver<(SchemaKey, Answer)>,
    asked: Option<SchemaKey>,
    queue: VecDeque<SchemaKey>,
    failing: BTreeMap<SchemaKey, Failing>,
    answered: u64,
}

/// News of a registry.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing new: who waits goes on waiting.
    None,
    /// Who waits may try again.
    Try,
    /// A schema came, or was refused: `found` or `refused`.
    Came(&'static str),
    /// It is away.
    Away(String),
}

impl Schemas {
    /// Starts a thread that asks.
    pub fn start(mut ask: Ask) -> std::io::Result<Schemas> {
        let (questions, asked) = channel::<SchemaKey>();
        let (answering, answers) = channel();
        // It ends when nobody can ask any more, at the latest behind the request that it is at.
        std::thread::Builder::new().name("registry".to_owned()).spawn(move || {
            for key in asked {
                if answering.send((key, ask(key))).is_err() {
                    break;
                }
            }
        })?;
        Ok(Schemas {
            known: BTreeMap::new(),
            questions,
            answers,
            asked: None,
            queue: VecDeque::new(),
            failing: BTreeMap::new(),
            answered: 0,
        })
    }

    /// What is known of a schema; where nothing is, it is asked for.
    pub fn lookup(&mut self, key: SchemaKey, now: Instant) -> Option<Lookup<'_>> {
        if matches!(self.known.get(&key), Some(Known::Refused(_, until)) if *until <= now) {
            self.known.remove(&key);
        }
        if !self.known.contains_key(&key) {
            if let Some(failing) = self.failing.get_mut(&key) {
                if !failing.called && failing.again > now {
                    return None;
                }
                failing.called = false;
            }
            self.want(key);
            return None;
        }
        self.known.get(&key).map(|known| match known {
            Known::Schema(schema) => Lookup::Found(schema),
            Known::Refused(reason, _) => Lookup::Refused(reason),
        })
    }

    /// Puts a question at the end of the queue, once.
    fn want(&mut self, key: SchemaKey) {
        if self.asked != Some(key) && !self.queue.contains(&key) {
            self.queue.push_back(key);
        }
        self.ask_next();
    }

    fn ask_next(&mut self) {
        if self.asked.is_none()
            && let Some(key) = self.queue.front().copied()
            && self.questions.send(key).is_ok()
        {
            self.queue.pop_front();
            self.asked = Some(key);
        }
    }

    /// Takes what was answered since.
    pub fn poll(&mut self, now: Instant) -> News {
        let Ok((key, answer)) = self.answers.try_recv() else {
            return if self.due(now) { News::Try } else { News::None };
        };
        self.asked = None;
        let news = match answer {
            Answer::Away(trouble) => self.failed(key, &trouble, now),
            Answer::Schema(schema) => self.came(key, Known::Schema(schema), "found"),
            Answer::Refused(reason) => {
                self.came(key, Known::Refused(reason, now + REFUSED), "refused")
            }
        };
        self.ask_next();
        news
    }

    fn came(&mut self, key: SchemaKey, known: Known, what: &'static str) -> News {
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        self.known.insert(key, known);
        self.failing.remove(&key);
        self.answered += 1;
        News::Came(what)
    }

    fn failed(&mut self, key: SchemaKey, trouble: &Trouble, now: Instant) -> News {
        let why = trouble.to_string();
        // It was asked for again only to see whether the registry answers.
        if self.known.contains_key(&key) {
            return News::Away(why);
        }
        let new = Failing {
            why: String::new(),
            failures: 0,
            answered: self.answered,
            again: now,
            pause: PAUSES.0,
            called: false,
        };
        let failing = self.failing.entry(key).or_insert(new);
        failing.failures += u32::from(!matches!(trouble, Trouble::Away(_)));
        let answers = matches!(trouble, Trouble::Rejects(_)) || self.answered > failing.answered;
        let often = failing.failures >= FAILURES && !matches!(trouble, Trouble::Away(_));
        if often && answers {
            let why = format!(
                "schema {key}: the registry failed to give it {} times, while it answered others: \
                 {why}",
                failing.failures
            );
            let reason = Reason::new(Code::UnknownSchema, why);
            return self.came(key, Known::Refused(reason, now + GIVEN_UP), "refused");
        }
        failing.again = now + failing.pause;
        failing.pause = (failing.pause * 2).min(PAUSES.1);
        failing.why.clone_from(&why);
        if often {
            let found = |(key, known): (&SchemaKey, &Known)| {
                matches!(known, Known::Schema(_)).then_some(*key)
            };
            if let Some(other) = self.known.iter().find_map(found) {
                self.want(other);
            }
        }
        News::Away(why)
    }

    /// Whether a question that failed may be asked again. What nobody asks for then is forgotten.
    fn due(&mut self, now: Instant) -> bool {
        let (asked, queue) = (self.asked, &self.queue);
        let mut due = false;
        self.failing.retain(|key, failing| {
            if failing.again > now || asked == Some(*key) || queue.contains(key) {
                return true;
            }
            if std::mem::replace(&mut failing.called, true) {
                return false;
            }
            failing.again = now + failing.pause;
            due = true;
            true
        });
        due
    }

    /// Why a question fails, where one does.
    pub fn trouble(&self) -> Option<&str> {
        self.failing.values().next().map(|failing| failing.why.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    /// Asks for these, while time passes, until one is refused or all are found.
    fn run(schemas: &mut Schemas, keys: &[SchemaKey], rounds: u32) -> Vec<String> {
        let deadline = monotonic() + Duration::from_secs(30);
        let mut now = monotonic();
        let mut told = 0;
        let mut out = Vec::new();
        while told < rounds {
            assert!(monotonic() < deadline, "{out:?}");
            out = keys.iter().map(|key| said(schemas.lookup(*key, now))).collect();
            if out.iter().all(|said| said != "waits") {
                break;
            }
            told += u32::from(matches!(schemas.poll(now), News::Away(_)));
            now += Duration::from_secs(1);
            std::thread::yield_now();
        }
        out
    }

    fn said(lookup: Option<Lookup<'_>>) -> String {
        match lookup {
            None => "waits".to_owned(),
            Some(Lookup::Refused(reason)) => reason.message.clone(),
            Some(_) => "found".to_owned(),
        }
    }

    fn schema() -> Answer {
        Answer::Schema(Box::new(Schema::of(None, "\"string\"", &[]).unwrap()))
    }

    #[test]
    fn a_schema_that_the_registry_fails_at_starves_no_other_and_is_refused_at_last() {
        let [bad, good] = [1, 2].map(SchemaKey::Id);
        let ask = move |key| match key {
            SchemaKey::Id(1) => Answer::Away(Trouble::Fails("it answers 500".to_owned())),
            _ => schema(),
        };
        let mut schemas = Schemas::start(Box::new(ask)).unwrap();
        assert_eq!(run(&mut schemas, &[bad, good], 3), ["waits", "found"]);
        let said = run(&mut schemas, &[bad], 40);
        assert!(said[0].contains("schema 1: the registry failed to give it"), "{said:?}");
        assert_eq!(schemas.trouble(), None);
    }

    #[test]
    fn a_registry_that_answers_nobody_refuses_nothing() {
        for trouble in [Trouble::Fails, Trouble::Away] {
            let ask = move |_| Answer::Away(trouble("it answers 500".to_owned()));
            let mut schemas = Schemas::start(Box::new(ask)).unwrap();
            let keys = [1, 2].map(SchemaKey::Id);
            assert_eq!(run(&mut schemas, &keys, 60), ["waits", "waits"]);
            assert_eq!(schemas.trouble(), Some("it answers 500"));
        }
    }

    #[test]
    fn what_the_registry_rejects_is_refused_at_last() {
        let ask = |_| Answer::Away(Trouble::Rejects("it answers 422".to_owned()));
        let mut schemas = Schemas::start(Box::new(ask)).unwrap();
        let said = run(&mut schemas, &[SchemaKey::Id(1)], 40);
        assert!(said[0].contains("it answers 422"), "{said:?}");
    }
}
