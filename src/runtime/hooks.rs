//! Writes what the webhook receiver believes to the source topics.
//!
//! One thread a topic, with a writer of its own, takes what waits, writes it, and answers all of it
//! behind the acknowledgement: many requests share one round trip, and the next ones gather
//! meanwhile. Records have no key, so any partition will do: what one of them does not take in half
//! of the time goes to another, and that one is passed over until a record that is tried on it now
//! and then is taken. Where the topic takes nothing at all, what waits is answered at once, and
//! nothing is taken until it can be written again; the other topics go on.
//! A record may be written and yet be answered as if it were not, or be written twice: its sender
//! repeats it too, and a repetition changes no number.

mod lanes;
mod scribe;
mod state;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Context, Fault, kind};
use crate::http::hooks::Waiting;

use lanes::AllLanes;
use scribe::Scribe;
use state::{CHECK, State, States};

/// Time between two attempts to reach the log.
const AGAIN: Duration = Duration::from_secs(1);

/// Starts a thread a topic. They end when no request can come any more.
pub fn start(
    context: &Context,
    waiting: Vec<(Arc<str>, Waiting)>,
) -> std::io::Result<Vec<JoinHandle<()>>> {
    let states = Arc::new(States::of(waiting.iter().map(|(topic, _)| topic)));
    let threads = waiting.into_iter().map(|(topic, waiting)| {
        let (context, states) = (context.clone(), states.clone());
        let run = move || run(&context, &topic, &waiting, &states);
        std::thread::Builder::new().name("hooks".to_owned()).spawn(run)
    });
    threads.collect()
}

/// Writes until no request can come. Says each trouble once, not at every attempt.
fn run(context: &Context, topic: &Arc<str>, waiting: &Waiting, states: &States) {
    let (worked, opened) = (Cell::new(false), Cell::new(false));
    let mut lanes = AllLanes::default();
    let mut said = String::new();
    loop {
        opened.set(false);
        let attempt = || -> Result<(), Fault> {
            let scribe = Scribe::open(context, topic, &mut lanes, states)?;
            opened.set(true);
            scribe.tell();
            waiting.set_open(true);
            scribe.work(waiting, &worked)
        };
        let (fault, away) = match catch_unwind(AssertUnwindSafe(attempt)) {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => {
                let mut away = false;
                if let Fault::Log(error) = &fault {
                    context.telemetry.log_error(kind(error));
                    away = !opened.get() && error.is_retriable();
                }
                (fault.to_string(), away)
            }
            Err(_) => {
                context.telemetry.panicked(CHECK);
                ("the thread that writes webhooks panicked".to_owned(), false)
            }
        };
        waiting.set_open(false);
        let state = if away { State::LogAway } else { State::Closed };
        states.tell(context, topic, state(fault.clone()));
        if fault != said || worked.replace(false) {
            tracing::warn!(fault, %topic, "webhooks are refused until their topic takes them");
            said = fault;
        }
        if context.stop.wait(AGAIN) {
            return;
        }
    }
}
