//! The way from the requests to the thread that writes to their topic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

use super::bounds::Held;
use crate::model::record::Header;

/// The log does not have the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwritten;

/// A record on its way to the log.
#[derive(Debug)]
pub struct Offered {
    /// Topic that it goes to.
    pub topic: Arc<str>,
    /// The body as it came.
    pub value: Vec<u8>,
    /// What is told of the request.
    pub headers: Vec<Header>,
    _held: Held,
    answer: Option<oneshot::Sender<Result<(), Unwritten>>>,
}

impl Offered {
    pub(super) fn new(
        topic: Arc<str>,
        value: Vec<u8>,
        headers: Vec<Header>,
        held: Held,
    ) -> Offered {
        Offered { topic, value, headers, _held: held, answer: None }
    }

    /// Whether somebody still waits for the answer.
    pub fn is_awaited(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| !answer.is_closed())
    }

    /// Says what became of it.
    pub fn answer(self, outcome: Result<(), Unwritten>) {
        if let Some(answer) = self.answer {
            // Whoever asked may be gone.
            let _ = answer.send(outcome);
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    is_open: AtomicBool,
    /// How many wait in this queue and in those beside it.
    waiting: Arc<AtomicUsize>,
}

/// The side of the requests.
#[derive(Clone, Debug)]
pub struct Queue {
    sender: SyncSender<Offered>,
    shared: Arc<Shared>,
}

/// The side of the thread that writes.
#[derive(Debug)]
pub struct Waiting {
    receiver: Receiver<Offered>,
    shared: Arc<Shared>,
}

impl Queue {
    /// A queue of so many records, counted together with those beside it. Nothing is taken until it
    /// is opened.
    pub fn of(records: usize, waiting: &Arc<AtomicUsize>) -> (Queue, Waiting) {
        let (sender, receiver) = sync_channel(records);
        let shared = Arc::new(Shared { waiting: waiting.clone(), ..Shared::default() });
        (Queue { sender, shared: shared.clone() }, Waiting { receiver, shared })
    }

    /// Whether records are written now.
    pub fn is_open(&self) -> bool {
        self.shared.is_open.load(Ordering::Acquire)
    }

    /// How many wait, in all queues.
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Hands a record over; `None` where there is no room, or nobody to take it.
    pub(super) fn offer(
        &self,
        mut offered: Offered,
    ) -> Option<oneshot::Receiver<Result<(), Unwritten>>> {
        let (answer, answered) = oneshot::channel();
        offered.answer = Some(answer);
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        if self.sender.try_send(offered).is_err() {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(answered)
    }
}

impl Waiting {
    /// Says whether records are written now. What waits when it is closed is answered.
    pub fn set_open(&self, is_open: bool) {
        self.shared.is_open.store(is_open, Ordering::Release);
        while !is_open && let Ok(offered) = self.receiver.try_recv() {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            offered.answer(Err(Unwritten));
        }
    }

    /// How many wait, in all queues.
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Takes what is there, up to `max`; waits up to `wait` for the first. False when all requests
    /// are over and none can come.
    pub fn take(&self, max: usize, wait: Duration, out: &mut Vec<Offered>) -> bool {
        match self.receiver.recv_timeout(wait) {
            Ok(first) => out.push(first),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        out.extend(self.receiver.try_iter().take(max.saturating_sub(1)));
        self.shared.waiting.fetch_sub(out.len(), Ordering::Relaxed);
        // Whoever gave up waiting sends it again.
        out.retain(Offered::is_awaited);
        true
    }
}
