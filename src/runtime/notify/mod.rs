//! Tells receivers of drift alerts: one worker each, a consumer group of its own on the alerts
//! topic. The topic is the queue, so a receiver that is dead holds up nobody but itself, and is told
//! when it lives again, after a restart as well. A position is committed behind the delivery:
//! everything is told at least once, and repetitions have the same id. A message that fails alone
//! lets the others pass, and none is tried for longer than the receiver's `give_up_after`.

#[cfg(feature = "notify")]
mod client;
mod pace;
mod part;
mod renewal;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::news::News;
use super::{BATCH, Context, Fault, Worker, read_through};
use crate::clock::wall_ms;
use crate::config::{Receiver, ReceiverKind};
use crate::log::{LogError, Member, Offset, Partition, Position, Reader, Record, TopicPartition};
use crate::model::time::{Span, Timestamp};
use crate::notify::{self, AHEAD, Notice, Outbox, Standing};
use pace::Pace;
use part::Part;
use renewal::{RENEW, Renewal, Went};

/// Most alerts that wait in memory; beyond it the topic is read no further.
const MOST: usize = 1_000;
/// How far a judgment may be behind the clock, beyond what the watermark is by the configuration, to
/// be told of: longer than a weekend in which nothing runs.
const PAST: Span = Span::days(4);
/// So often a receiver may refuse a message before it is given up.
const TRIES: u32 = 3;

/// What is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What follows the URL of the receiver.
    pub path: &'static str,
    /// Headers beside the usual ones.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: String,
}

/// What becomes of a request. No text of it names the URL, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// It may have it later: in so long, where it says so.
    Later(String, Option<Duration>),
    /// It does not want it.
    Refused(String),
}

/// Posts to a receiver.
type Post = Box<dyn Fn(&Request) -> Outcome + Send>;

#[cfg(feature = "notify")]
fn poster(receiver: &Receiver) -> Post {
    let client = client::Client::new(receiver);
    Box::new(move |request| client.post(request))
}

/// The configuration said already that nobody can be told.
#[cfg(not(feature = "notify"))]
fn poster(_: &Receiver) -> Post {
    Box::new(|_| Outcome::Refused("this binary was built without the client".to_owned()))
}

struct Notifier {
    context: Context,
    receiver: Receiver,
    /// Its name among the notes of `/readyz`.
    note: String,
    post: Post,
    member: Box<dyn Member>,
    reader: Box<dyn Reader>,
    news: News,
    topic: Arc<str>,
    wanted: Vec<u32>,
    parts: BTreeMap<u32, Part>,
    batch: Vec<Record>,
    pace: Pace,
    /// What failed last: the others have their turn before it is tried again.
    behind: Option<(u32, Offset)>,
    renewal: Renewal,
    /// What was refused alone in this round of renewals, and how.
    alone: Vec<(u32, String, String)>,
    /// Whether the last request was a renewal: then what is new has its turn first.
    renewed: bool,
}

/// Opens the worker of one receiver.
pub fn open(context: &Context, receiver: &Receiver) -> Result<Box<dyn Worker>, Fault> {
    let topic: Arc<str> = context.topics.alerts.as_str().into();
    let group = format!("{}.notify.{}", context.config.app, receiver.name);
    context.telemetry.notifies(&receiver.name);
    Ok(Box::new(Notifier {
        note: note(receiver),
        post: poster(receiver),
        member: context.log.join(&group, &[&topic])?,
        reader: context.log.reader()?,
        news: News::default(),
        topic,
        wanted: Vec::new(),
        parts: BTreeMap::new(),
        batch: Vec::with_capacity(BATCH),
        pace: Pace::default(),
        behind: None,
        renewal: Renewal::new((context.timer)()),
        alone: Vec::new(),
        renewed: false,
        receiver: receiver.clone(),
        context: context.clone(),
    }))
}

/// The name of a receiver's worker, and among the notes of `/readyz`.
pub fn note(receiver: &Receiver) -> String {
    format!("notify {}", receiver.name)
}

impl Worker for Notifier {
    fn step(&mut self) -> Result<(), Fault> {
        self.rebalance()?;
        if self.waiting_now() < MOST {
            self.read()?;
        } else {
            self.context.stop.wait(self.context.wait);
        }
        self.context.telemetry.notify_waiting(&self.receiver.name, self.waiting_now());
        // At most one request a step: a stop waits for it, and for no more.
        let may = self.pace.is_open((self.context.timer)()) && !self.context.stop.is_requested();
        if may {
            // In turns: neither may keep the other from being asked, however it fails.
            let new_first = self.renewed && self.waiting_now() > 0;
            self.renewed = !new_first && self.renew();
            if !self.renewed {
                self.deliver();
            }
        }
        self.commit()
    }

    fn finish(mut self: Box<Self>) -> Result<(), Fault> {
        self.commit()?;
        self.member.leave();
        Ok(())
    }
}

impl Notifier {
    /// What waits to be told now.
    fn waiting_now(&self) -> usize {
        self.parts.values().map(|part| part.outbox.waiting_now()).sum()
    }

    /// What is judged up to before is history.
    fn since(&self) -> Timestamp {
        let lag = Span::from(self.context.config.time.allowed_lag());
        Timestamp((self.context.clock)().0.saturating_sub(lag.0).saturating_sub(PAST.0))
    }

    fn partition(&self, partition: u32) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: Partition(partition) }
    }

    /// Takes what the group gives and takes away; one partition a step is learned.
    fn rebalance(&mut self) -> Result<(), Fault> {
        let mut changed = false;
        while let Some(owned) = self.news.take(&mut *self.member)? {
            changed = true;
            self.parts.retain(|partition, _| owned.contains(partition));
            self.wanted = owned;
        }
        let missing = self.wanted.iter().find(|p| !self.parts.contains_key(p)).copied();
        if let Some(partition) = missing
            && let Some(part) = self.restore(partition)?
        {
            self.parts.insert(partition, part);
            changed = true;
        }
        if changed {
            let at: Vec<_> =
                self.parts.iter().map(|(p, part)| (self.partition(*p), part.next.next)).collect();
            self.reader.assign(&at)?;
            if self.pace.is_well() {
                self.context.health.tell(&self.note, Ok(()));
            }
        }
        Ok(())
    }

    /// Reads what was told before. `None` where the group took the partition away in between.
    fn restore(&mut self, number: u32) -> Result<Option<Part>, Fault> {
        let partition = self.partition(number);
        let committed = self.member.committed(std::slice::from_ref(&partition))?.pop().flatten();
        let end = self.reader.bounds(&partition)?.end;
        // A topic that ends before it was created anew.
        let mut known = committed.filter(|at| at.next <= end);
        let until = known.map_or(end, |at| at.next);
        let mut outbox = Outbox::new(self.receiver.states.clone());
        let mut next = Position::from(until);
        let since = self.since();
        // Whether the records from there on have begun: then it is known who the receiver is.
        let mut begun = false;
        let (news, member) = (&mut self.news, &mut self.member);
        let mut keep = || Ok(news.keeps(&mut **member, number)?);
        let each = |record: Record| {
            if record.offset.next() == until {
                // So is one that has another record where the last one told of was.
                let mark = record.mark();
                known = known.filter(|at| at.mark.is_none_or(|told| told == mark));
                next.mark = Some(mark);
            }
            if record.offset < until {
                outbox.learn(&record);
                return Ok(());
            }
            if !std::mem::replace(&mut begun, true) && known.is_none() {
                outbox.inherit();
                outbox.since(since);
            }
            outbox.take(&record);
            next = Position { next: record.offset.next(), mark: Some(record.mark()) };
            Ok(())
        };
        let mut reader = self.context.log.reader()?;
        if read_through(&self.context, &mut *reader, &partition, None, &mut keep, each)?.is_none() {
            return Ok(None);
        }
        if !begun && known.is_none() {
            outbox.inherit();
            outbox.since(since);
        }
        tracing::info!(receiver = self.receiver.name, %partition, from = %until,
            waiting = outbox.waiting(), "telling of drift alerts");
        let (committed, failing) = (known.map(|at| at.next), BTreeMap::new());
        let now = (self.context.timer)();
        let catches_up = known.is_none().then(|| (outbox.judged_to(), now));
        let mut part = Part { outbox, next, committed, failing, catches_up };
        part.catch_up(since, now);
        Ok(Some(part))
    }

    fn read(&mut self) -> Result<(), Fault> {
        self.reader.poll(BATCH, self.context.wait, &mut self.batch)?;
        for record in self.batch.drain(..) {
            let Some(part) = self.parts.get_mut(&record.partition.0) else { continue };
            part.outbox.take(&record);
            part.next = Position { next: record.offset.next(), mark: Some(record.mark()) };
        }
        let (since, now) = (self.since(), (self.context.timer)());
        self.parts.values_mut().for_each(|part| part.catch_up(since, now));
        Ok(())
    }

    /// What is told next: what waits longest behind what failed last, or else what waits longest.
    fn next(&self) -> Option<(u32, Notice)> {
        let of = |p: u32, part: &Part, behind| Some((p, part.outbox.next(behind)?));
        let rest = self.behind.and_then(|(number, from)| {
            let behind = |p: u32| Some(from).filter(|_| p == number);
            self.parts.range(number..).find_map(|(p, part)| of(*p, part, behind(*p)))
        });
        rest.or_else(|| self.parts.iter().find_map(|(p, part)| of(*p, part, None)))
    }

    /// Whether something was tried for as long as the receiver is given, with this time.
    fn is_hopeless(&mut self, number: u32, from: Offset) -> bool {
        let now = (self.context.timer)();
        let Some(part) = self.parts.get_mut(&number) else { return false };
        part.failing.retain(|at, _| part.outbox.waits(*at));
        let since = *part.failing.entry(from).or_insert(now);
        now.saturating_duration_since(since) >= self.receiver.give_up_after
    }

    /// Tells one thing.
    fn deliver(&mut self) {
        let Some((number, notice)) = self.next() else { return };
        let outcome = (self.post)(&self.request(&notice));
        let (name, id) = (self.receiver.name.clone(), notice.alert.id().to_owned());
        let state = notice.standing.as_str();
        let why = self.tried(outcome);
        let failed = why.is_some();
        let tell: Option<fn(&mut Outbox, &Notice)> = match why {
            None => {
                tracing::info!(receiver = name, id, state, "told of a drift alert");
                self.context.telemetry.notified(&name, "delivered");
                Some(Outbox::told)
            }
            // Nothing else goes before it: who refuses one message for what he is asked refuses all.
            Some(why) if self.pace.refusals(number, notice.from) >= TRIES => {
                self.pace.gave_up();
                self.give_up(&id, notice.standing, &why);
                Some(Outbox::gave_up)
            }
            Some(why) if self.is_hopeless(number, notice.from) => {
                self.give_up(&id, notice.standing, &why);
                // It was not refused: once the receiver lives, a renewal may tell what is open still.
                Some(Outbox::told)
            }
            Some(_) => {
                self.context.telemetry.notified(&name, "failed");
                if !self.pace.is_refused() {
                    self.behind = Some((number, notice.from));
                }
                None
            }
        };
        let given_up = tell.is_some() && failed;
        if let (Some(part), Some(tell)) = (self.parts.get_mut(&number), tell) {
            tell(&mut part.outbox, &notice);
        }
        if given_up {
            self.rest();
        }
    }

    /// Something was given up. Where nothing waits for the receiver, nobody is to look after it.
    fn rest(&self) {
        if self.waiting_now() == 0 {
            self.context.health.tell(&self.note, Ok(()));
        }
    }

    fn give_up(&self, id: &str, standing: Standing, why: &str) {
        let receiver = &self.receiver;
        tracing::error!(
            receiver = receiver.name,
            at = receiver.url.shown(),
            id,
            state = standing.as_str(),
            why,
            "gave up to tell of a drift alert"
        );
        self.context.telemetry.notified(&receiver.name, "given_up");
    }

    /// Tells Alertmanager again what fires, or a part of it. Returns whether it was asked.
    fn renew(&mut self) -> bool {
        let timer = (self.context.timer)();
        if !matches!(self.receiver.kind, ReceiverKind::Alertmanager) {
            return false;
        }
        let firing: Vec<_> = self
            .parts
            .iter()
            .flat_map(|(p, part)| part.outbox.firing().map(move |alert| (*p, alert)))
            .collect();
        let turn = self.renewal.turn(firing.len(), timer);
        let Some(turn) = turn else {
            self.set_aside();
            return false;
        };
        let chunk = &firing[turn.clone()];
        let request = self.to_alertmanager(chunk.iter().map(|(_, a)| (*a, Standing::Firing)));
        let ids: Vec<_> = chunk.iter().map(|(p, alert)| (*p, alert.id().to_owned())).collect();
        let why = self.tried((self.post)(&request));
        let how = match &why {
            None => Went::Taken,
            Some(_) if self.pace.is_refused() => Went::Refused,
            Some(_) => Went::Failed,
        };
        if self.renewal.went(&turn, timer, how) {
            self.pace.go_on();
        }
        match why {
            None => {
                self.context.telemetry.notified(&self.receiver.name, "renewed");
                ids.iter().for_each(|(p, id)| self.renewed(*p, id));
            }
            Some(why) => {
                self.context.telemetry.notified(&self.receiver.name, "failed");
                if let ([(p, id)], Went::Refused) = (&ids[..], how) {
                    self.alone.push((*p, id.clone(), why));
                }
            }
        }
        self.set_aside();
        true
    }

    fn renewed(&mut self, partition: u32, id: &str) {
        if let Some(part) = self.parts.get_mut(&partition) {
            part.outbox.renewed(id);
        }
    }

    /// Where a round is over: what was refused alone while others were taken, again and again, is set
    /// aside, as what is new is. Who takes nothing at all refuses for reasons of his own.
    fn set_aside(&mut self) {
        let Some(taken) = self.renewal.over() else { return };
        for (partition, id, why) in std::mem::take(&mut self.alone) {
            let part = self.parts.get_mut(&partition).filter(|_| taken);
            let Some(outbox) = part.map(|part| &mut part.outbox) else { continue };
            if outbox.refused(&id) >= TRIES {
                outbox.set_aside(&id);
                self.give_up(&id, Standing::Firing, &why);
                self.rest();
            }
        }
    }

    /// Notes how a request went, for who asks and for the next one. Returns why it failed.
    fn tried(&mut self, outcome: Outcome) -> Option<String> {
        let now = (self.context.timer)();
        let (why, after, refused) = match outcome {
            Outcome::Delivered => {
                if self.pace.worked() {
                    tracing::info!(receiver = self.receiver.name, "takes alerts again");
                }
                self.context.health.tell(&self.note, Ok(()));
                return None;
            }
            Outcome::Later(why, after) => (why, after, false),
            Outcome::Refused(why) => (why, None, true),
        };
        if self.pace.failed(now, after, refused) {
            let (receiver, at) = (&self.receiver.name, self.receiver.url.shown());
            tracing::warn!(receiver, at, why, "takes no alerts; it is tried again and again");
        }
        self.context.health.tell(&self.note, Err(why.clone()));
        Some(why)
    }

    fn request(&self, notice: &Notice) -> Request {
        let (app, calendar) = (&self.context.config.app, &self.context.config.definition.calendar);
        match &self.receiver.kind {
            ReceiverKind::Slack => {
                let body = notify::slack(notice, calendar);
                Request { path: "", headers: Vec::new(), body }
            }
            ReceiverKind::Alertmanager => self.to_alertmanager([(&notice.alert, notice.standing)]),
            ReceiverKind::Webhook(signer) => {
                let (id, body) = (notify::id(notice), notify::webhook(notice, app));
                // Whoever verifies compares it with his clock, whatever the time in a demo.
                let seconds = wall_ms().div_euclid(1000);
                let signature = signer.sign(&id, seconds, &body);
                let headers = vec![
                    ("webhook-id", id),
                    ("webhook-timestamp", seconds.to_string()),
                    ("webhook-signature", signature),
                ];
                Request { path: "", headers, body }
            }
        }
    }

    fn to_alertmanager<'a>(
        &self,
        alerts: impl IntoIterator<Item = (&'a notify::Alert, Standing)>,
    ) -> Request {
        let (app, calendar) = (&self.context.config.app, &self.context.config.definition.calendar);
        let now = Timestamp::from_millis(wall_ms());
        let body = notify::alertmanager(alerts, app, calendar, now);
        Request { path: "/api/v2/alerts", headers: Vec::new(), body }
    }

    /// Commits behind what is told.
    fn commit(&mut self) -> Result<(), Fault> {
        for (number, part) in &mut self.parts {
            let Some(at) = part
                .outbox
                .settled(part.next.next)
                .filter(|at| part.committed.is_none_or(|committed| committed < *at))
            else {
                continue;
            };
            let position = if at == part.next.next { part.next } else { Position::from(at) };
            let partition =
                TopicPartition { topic: self.topic.clone(), partition: Partition(*number) };
            match self.member.commit(&[(partition, position)]) {
                Ok(()) => part.committed = Some(at),
                // Its new owner has a position of his own; the group says so next.
                Err(LogError::NotOwner(_)) => {}
                Err(error) if error.is_retriable() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

const _: () = assert!(AHEAD.0 >= 3 * RENEW.as_micros() as i64, "an open alert outlives two pauses");
