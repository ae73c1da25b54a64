//! Schemas from a registry, for intake: asked for on a thread of their own, so that a registry that
//! is slow or away holds up those partitions alone whose records need it. What came is kept; a
//! registry that is away is asked again, less and less often, and nothing is lost meanwhile.

#[cfg(feature = "registry")]
mod client;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::config::SchemaRegistry;
use crate::intake::{Lookup, Schema, SchemaKey};
use crate::model::deadletter::Reason;

/// Most schemas that are kept; a topic has a handful.
const KEPT: usize = 1_000;
/// How long a schema that the registry does not have is not asked for again: registries that follow
/// another one have it late.
const REFUSED: Duration = Duration::from_secs(60);
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
    Away(String),
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

/// The schemas that are known, and how the others are asked for.
pub struct Schemas {
    known: BTreeMap<SchemaKey, Known>,
    questions: Sender<SchemaKey>,
    answers: Receiver<(SchemaKey, Answer)>,
    asked: bool,
    trouble: Option<String>,
    again: Option<Instant>,
    pause: Duration,
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
            asked: false,
            trouble: None,
            again: None,
            pause: PAUSES.0,
        })
    }

    /// What is known of a schema; where nothing is, it is asked for.
    pub fn lookup(&mut self, key: SchemaKey, now: Instant) -> Option<Lookup<'_>> {
        if matches!(self.known.get(&key), Some(Known::Refused(_, until)) if *until <= now) {
            self.known.remove(&key);
        }
        if !self.known.contains_key(&key) {
            let may = !self.asked && self.again.is_none_or(|again| again <= now);
            self.asked |= may && self.questions.send(key).is_ok();
            return None;
        }
        self.known.get(&key).map(|known| match known {
            Known::Schema(schema) => Lookup::Found(schema),
            Known::Refused(reason, _) => Lookup::Refused(reason),
        })
    }

    /// Takes what was answered since.
    pub fn poll(&mut self, now: Instant) -> News {
        let Ok((key, answer)) = self.answers.try_recv() else {
            let due = !self.asked && self.again.is_none_or(|again| again <= now);
            return if due { News::Try } else { News::None };
        };
        self.asked = false;
        let (known, what) = match answer {
            Answer::Away(why) => {
                self.again = Some(now + self.pause);
                self.pause = (self.pause * 2).min(PAUSES.1);
                self.trouble = Some(why.clone());
                return News::Away(why);
            }
            Answer::Schema(schema) => (Known::Schema(schema), "found"),
            Answer::Refused(reason) => (Known::Refused(reason, now + REFUSED), "refused"),
        };
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        self.known.insert(key, known);
        (self.trouble, self.again, self.pause) = (None, None, PAUSES.0);
        News::Came(what)
    }

    /// Why the registry is away, where it is.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}
