//! What one receiver has heard of the alerts of one partition, and what waits to be told.

use std::collections::{BTreeMap, BTreeSet};

use super::{Alert, Standing, Wanted, is_news};
use crate::model::record::{Offset, Record};
use crate::model::time::Timestamp;

/// Something to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The alert.
    pub alert: Alert,
    /// How it stands.
    pub standing: Standing,
    /// The record since which it stands so: by this notices are told apart, after a restart too.
    pub stood: Offset,
    /// The first record since it was last told of: its place in the outbox.
    pub from: Offset,
}

/// What is known of one alert.
#[derive(Debug)]
struct Known {
    order: (u64, Option<Timestamp>),
    /// How it stands by the last word of it.
    standing: Standing,
    /// Where it began to stand so, but that what fires and waits again by a correction still fires:
    /// so it was told, and so it is told again. It depends on the topic alone, and not on what was
    /// told when.
    stood: Offset,
    /// As what it stands there.
    stands: Standing,
    /// Where it came to be pending; where it fired without that, there.
    pended: Offset,
    /// Whether the topic had it fire since it was last over: then somebody may have heard of that.
    fired: bool,
    /// How it stood by what the receiver last heard; what he does not want to hear counts as heard.
    heard: Option<Standing>,
    /// Whether that was told in vain until it was given up.
    given_up: bool,
    /// How often it was refused when it was told again, in a row.
    refusals: u32,
    /// The alert itself, while it is open or waits.
    alert: Option<Alert>,
    /// Where the last word of it is.
    at: Offset,
    waits: Option<Offset>,
}

impl Known {
    /// Whether it has fired and is not over, though it may wait again by a correction.
    fn still_fires(&self) -> bool {
        self.fired && !self.standing.is_over()
    }
}

/// What one receiver has heard of the alerts of one partition, and what waits. The topic itself is
/// the queue: no position is committed past what waits, and of one alert only the newest state
/// waits.
#[derive(Debug)]
pub struct Outbox {
    wanted: Wanted,
    known: BTreeMap<String, Known>,
    waiting: BTreeMap<Offset, String>,
    /// Of these, what stood open when the receiver was new. Until it is told nothing is committed:
    /// a restart would take what was over before for something that ended since.
    inherited: BTreeSet<Offset>,
    /// Where alerts fired that were not told of, and wait again by a correction. There is nothing to
    /// tell, but no position is committed past them: a restart would take what fired for told.
    held: BTreeMap<Offset, String>,
    /// To a new receiver what was over before is history.
    since: Option<Timestamp>,
    /// Whether what is open is not told yet.
    catches_up: bool,
    judged_to: Option<Timestamp>,
}

/// What somebody has heard last, of an alert that is said to stand like this without being news. One
/// that a correction made wait again was told to fire: its end must be told as well.
fn now_heard(before: Option<Standing>, standing: Standing) -> Standing {
    match (before, standing) {
        (Some(Standing::Firing), Standing::Pending) => Standing::Firing,
        _ => standing,
    }
}

impl Outbox {
    /// Of a receiver who wants to hear of these, and has heard of nothing.
    pub fn new(wanted: Wanted) -> Outbox {
        let (known, waiting, held) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (inherited, since, catches_up, judged_to) = (BTreeSet::new(), None, false, None);
        Outbox { wanted, known, waiting, inherited, held, since, catches_up, judged_to }
    }

    /// The receiver is new, and what was over before then is history to it: an end is not told whose
    /// beginning was not.
    pub fn since(&mut self, at: Timestamp) {
        self.since = Some(at);
    }

    /// Whether history is being read: what is open then waits for what becomes of it.
    pub fn catches_up(&mut self, so: bool) {
        self.catches_up = so;
    }

    /// How far days were closed in the newest judgment of the partition.
    pub fn judged_to(&self) -> Option<Timestamp> {
        self.judged_to
    }

    /// Whether an alert was over before things are told.
    fn is_history(&self, alert: &Alert) -> bool {
        let over = alert.standing().is_over().then(|| alert.over_since()).flatten();
        over.zip(self.since).is_some_and(|(at, since)| at < since)
    }

    /// Takes a record before the committed position: it was told of, or was no news.
    pub fn learn(&mut self, record: &Record) {
        let Some((key, alert)) = self.newer(record) else { return };
        let before = self.known.get(&key).and_then(|known| known.heard);
        let heard = now_heard(before, alert.standing());
        self.put(key, alert, record.offset, (Some(heard), None));
    }

    /// What was learned so far was never told: the receiver is new. What is over does not concern
    /// it, and what is open is news.
    pub fn inherit(&mut self) {
        for (key, known) in &mut self.known {
            let Some(alert) = known.alert.as_ref().filter(|_| !known.standing.is_over()) else {
                continue;
            };
            // Of what it was before that, nobody heard either.
            let fires = known.standing == Standing::Firing;
            let fired = std::mem::replace(&mut known.fired, fires) && !fires;
            known.heard = None;
            if fired {
                // A restart would take it for told, and what fires of it then for no news.
                self.inherited.insert(known.at);
            }
            if is_news(None, alert, &self.wanted) {
                known.waits = Some(known.at);
                self.waiting.insert(known.at, key.clone());
                self.inherited.insert(known.at);
            }
        }
    }

    /// Takes a record from the committed position on.
    pub fn take(&mut self, record: &Record) {
        let Some((key, alert)) = self.newer(record) else { return };
        let before = self.known.get(&key);
        let (heard, waited) = before.map_or((None, None), |k| (k.heard, k.waits));
        let unheard = before.filter(|k| k.waits.is_none()).map(|k| k.at);
        let unheard = unheard.is_some_and(|at| self.inherited.remove(&at));
        // Told before a restart, and not committed.
        let perhaps = before.is_some_and(|k| k.fired).then_some(Standing::Firing);
        let ends = alert.standing().is_over() && heard.is_none_or(|h| h == Standing::Pending);
        let heard_of = if ends { perhaps.or(heard) } else { heard };
        let displaced = alert.standing() == Standing::Pending
            && heard != Some(Standing::Firing)
            && before.is_some_and(Known::still_fires);
        let history = heard.is_none() && self.is_history(&alert);
        if !history && is_news(heard_of, &alert, &self.wanted) {
            // The first record stays: were the position committed behind it, a restart would take
            // it for something told.
            let from = waited.unwrap_or(record.offset);
            self.held.remove(&from);
            self.waiting.insert(from, key.clone());
            if unheard {
                self.inherited.insert(from);
            }
            self.put(key, alert, record.offset, (heard, Some(from)));
        } else if let Some(from) = waited.filter(|_| displaced) {
            self.drop_waiting(waited);
            self.held.insert(from, key.clone());
            self.put(key, alert, record.offset, (heard, waited));
        } else {
            self.drop_waiting(waited);
            if unheard && !alert.standing().is_over() {
                self.inherited.insert(record.offset);
            }
            let heard = now_heard(heard, alert.standing());
            self.put(key, alert, record.offset, (Some(heard), None));
        }
    }

    /// What to tell next: what waits longest, or longest behind this.
    pub fn next(&self, behind: Option<Offset>) -> Option<Notice> {
        let from = behind.map_or(Offset(0), Offset::next);
        let (from, known) = self.due().find(|(at, _)| *at >= from)?;
        let alert = known.alert.clone()?;
        let standing = known.standing;
        let stood = if standing == Standing::Pending { known.pended } else { known.stood };
        Some(Notice { alert, standing, stood, from })
    }

    /// What waits and is to be told now.
    fn due(&self) -> impl Iterator<Item = (Offset, &Known)> {
        let known = |(at, key): (&Offset, &String)| Some((*at, self.known.get(key)?));
        let is_due = |(_, known): &(Offset, &Known)| known.standing.is_over() || !self.catches_up;
        self.waiting.iter().filter_map(known).filter(is_due)
    }

    /// How many wait to be told now.
    pub fn waiting_now(&self) -> usize {
        self.due().count()
    }

    /// It was told.
    pub fn told(&mut self, notice: &Notice) {
        self.heard(notice, false);
    }

    /// It was tried in vain: the receiver may hear of it by other ways, and is told of what comes
    /// next.
    pub fn gave_up(&mut self, notice: &Notice) {
        self.heard(notice, true);
    }

    fn heard(&mut self, notice: &Notice, given_up: bool) {
        let Some(key) = self.waiting.get(&notice.from).cloned() else { return };
        self.drop_waiting(Some(notice.from));
        if let Some(known) = self.known.get_mut(&key) {
            if notice.standing == Standing::Pending && known.still_fires() {
                // That it fired was not told, and is not by this.
                self.held.insert(notice.from, key);
                known.heard = Some(notice.standing);
                return;
            }
            (known.heard, known.waits, known.given_up) = (Some(notice.standing), None, given_up);
            known.refusals = 0;
            known.alert = known.alert.take().filter(|_| !known.standing.is_over());
        }
    }

    /// Whether what waits since then still does.
    pub fn waits(&self, from: Offset) -> bool {
        self.waiting.contains_key(&from)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// One that fires was told again, and taken.
    pub fn renewed(&mut self, id: &str) {
        if let Some(known) = self.known.get_mut(id) {
            known.refusals = 0;
        }
    }

    /// One that fires was told again, alone, and refused. Returns how often, in a row.
    pub fn refused(&mut self, id: &str) -> u32 {
        let Some(known) = self.known.get_mut(id) else { return 0 };
        known.refusals += 1;
        known.refusals
    }

    /// One that fires is told again no more, until something of it is news.
    pub fn set_aside(&mut self, id: &str) {
        if let Some(known) = self.known.get_mut(id) {
            known.given_up = true;
        }
    }

    /// Alerts that fire and were told, as they stand now.
    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        let fires = |known: &&Known| {
            (known.standing, known.heard) == (Standing::Firing, Some(Standing::Firing))
                && !known.given_up
        };
        self.known.values().filter(fires).filter_map(|known| known.alert.as_ref())
    }

    /// Up to where everything is told, where records were taken up to `next`; `None` while nothing
    /// may be committed.
    pub fn settled(&self, next: Offset) -> Option<Offset> {
        let first = [&self.waiting, &self.held].into_iter().filter_map(|of| of.keys().next()).min();
        let first = first.copied();
        self.inherited.is_empty().then(|| first.unwrap_or(next))
    }

    /// The alert of a record, unless something newer is known of it. A stale owner may write late.
    fn newer(&mut self, record: &Record) -> Option<(String, Alert)> {
        let key = std::str::from_utf8(record.key.as_deref()?).ok()?;
        let Some(value) = record.value.as_deref() else {
            let gone = self.known.remove(key);
            if let Some(known) = gone {
                self.inherited.remove(&known.at);
                self.drop_waiting(known.waits);
            }
            return None;
        };
        let alert = Alert::parse(value)?;
        self.judged_to = self.judged_to.max(alert.judged_to());
        let stale = self.known.get(key).is_some_and(|known| known.order > alert.order());
        (!stale).then(|| (key.to_owned(), alert))
    }

    fn put(
        &mut self,
        key: String,
        alert: Alert,
        at: Offset,
        (heard, waits): (Option<Standing>, Option<Offset>),
    ) {
        let (order, standing) = (alert.order(), alert.standing());
        let alert = Some(alert).filter(|_| waits.is_some() || !standing.is_over());
        let before = self.known.get(&key);
        let given_up = before.is_some_and(|k| k.given_up && k.heard == heard);
        let refusals = before.filter(|k| k.heard == heard).map_or(0, |k| k.refusals);
        let stands = now_heard(before.map(|k| k.stands), standing);
        let stood = before.filter(|k| k.stands == stands).map_or(at, |k| k.stood);
        let pended =
            if stands == Standing::Pending { Some(stood) } else { before.map(|k| k.pended) };
        let pended = pended.unwrap_or(at);
        let fired = match standing {
            Standing::Firing => true,
            Standing::Pending => before.is_some_and(Known::still_fires),
            _ => before.is_some_and(|k| k.fired),
        };
        let known = Known {
            order,
            standing,
            stood,
            stands,
            pended,
            fired,
            heard,
            given_up,
            refusals,
            alert,
            at,
            waits,
        };
        self.known.insert(key, known);
    }

    fn drop_waiting(&mut self, from: Option<Offset>) {
        if let Some(from) = from {
            self.waiting.remove(&from);
            self.held.remove(&from);
            self.inherited.remove(&from);
        }
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
