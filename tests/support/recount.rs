//! A second opinion: counts a batch of canonical events the slow and obvious way.
//!
//! This shares no code with the folds. It reads JSON trees, keeps every event of every entity,
//! sorts, and answers each question by walking the whole history. What it means by each number:
//!
//! * **Events.** One per id, the first delivery counts. `gap` events and events with the flag
//!   `test` are dropped. A time without a clock is the start of that day in UTC.
//! * **History.** Per entity, sorted by order, then op (create, snapshot, update, restore, merge,
//!   delete), then time. Per field the last write holds; absent says nothing, `null` clears.
//! * **Existence.** The last event that is no update decides: create, snapshot and restore say
//!   yes, merge and delete say no. With updates alone it exists. What does not exist counts
//!   nowhere, not even in the past.
//! * **Created.** The last `created_at` that is not null, else the earliest time of a `create`,
//!   else unknown: then it is in no created count, cycle or cohort.
//! * **Status.** `open` until written. Won or lost is what the last write says. The deal closed
//!   with the first write of the last run of that status: at its time, or at the present value of
//!   `closed_at` if that was written at or after it.
//! * **Credit.** Won and lost go to the dimension values as of that first write, created to those
//!   as of the earliest `create` (else the first event). A dimension never stated by then takes
//!   the first value stated within 5 s of event time after it. A dimension without a value then
//!   takes what the directory says about the owner of that moment (settled in the same way), else
//!   it is `unknown`. The dimension `rep` is the field `owner`.
//! * **Revenue.** The present amount of each deal won, in the window of its closing.
//! * **Cycle.** Difference of civil days in UTC between created and closed, of deals won.
//! * **Cohort.** Deals won now, in the window of their creation, with the credit of their creation;
//!   lost ones likewise.
//! * **Open.** A deal enters the stock at its created moment (else with its first event), leaves it
//!   when it closes, and moves with each change of owner, dimension or amount, by the values of
//!   that moment. A closing counts where **Status** puts it if it still holds, else at the time of
//!   its event. Moments never run backwards: a change that claims to be earlier than the change
//!   before it happens with that one. The stock of a window is what has happened before its end,
//!   so a change in the very moment of the end belongs to the next window.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Months, NaiveDate};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use tidemark::model::definition::Directory;
use tidemark::model::segment::Segment;

/// Event time within which a missing dimension is still filled, microseconds.
const SETTLE: i64 = 5_000_000;
const DAY: i64 = 86_400_000_000;

/// What to count.
pub struct Question<'a> {
    /// Dimension sets; the empty one is the whole business.
    pub segments: Vec<Vec<String>>,
    /// Windows in UTC.
    pub windows: Vec<Window>,
    /// Who is known in advance.
    pub directory: &'a Directory,
    /// Amounts in another currency are left out of the sums.
    pub currency: &'a str,
}

/// A half-open window.
#[derive(Clone, Debug)]
pub struct Window {
    /// Names it in the answer.
    pub name: String,
    /// First moment, microseconds since 1970.
    pub start: i64,
    /// First moment behind it.
    pub end: i64,
}

/// What was counted. A window and segment that is not in the answer has all zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub leads_created: i64,
    pub deals_created: i64,
    pub deals_won: i64,
    pub deals_lost: i64,
    /// Without trailing zeros.
    pub revenue: Decimal,
    /// Deals won by days from creation to closing.
    pub cycle_won: BTreeMap<i64, i64>,
    /// Deals won with an amount above zero, by its size: 64 steps an octave, from the smallest amount.
    pub won_sizes: BTreeMap<i64, i64>,
    /// Deals created in the window that are won now, by days from creation to closing.
    pub cohort_won: BTreeMap<i64, i64>,
    /// The same of those that are lost now.
    pub cohort_lost: BTreeMap<i64, i64>,
    /// At the end of the window.
    pub open_deals: i64,
    /// Without trailing zeros.
    pub open_amount: Decimal,
}

impl Tally {
    /// All that were won, ever.
    pub fn cohort_won_ever(&self) -> i64 {
        self.cohort_won.values().sum()
    }

    /// Those won within that many days.
    pub fn cohort_won_within(&self, days: i64) -> i64 {
        self.cohort_won.range(..=days).map(|(_, n)| n).sum()
    }
}

/// The calendar days from `first` to `last` (`2025-01-31`), both included.
pub fn days(first: &str, last: &str) -> Vec<Window> {
    let last: NaiveDate = last.parse().unwrap();
    let dates = first.parse::<NaiveDate>().unwrap().iter_days();
    dates
        .take_while(|d| *d <= last)
        .map(|d| window(d.to_string(), d, d.succ_opt().unwrap()))
        .collect()
}

/// Calendar months beginning with that of `first` (`2025-01-01`).
pub fn months(first: &str, count: u32) -> Vec<Window> {
    let first: NaiveDate = first.parse().unwrap();
    let month = |i: u32| first + Months::new(i);
    (0..count)
        .map(|i| window(month(i).format("%Y-%m").to_string(), month(i), month(i + 1)))
        .collect()
}

fn window(name: String, start: NaiveDate, end: NaiveDate) -> Window {
    let micros = |d: NaiveDate| d.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp_micros();
    Window { name, start: micros(start), end: micros(end) }
}

/// Counts, by window name and segment text.
pub fn recount<'a>(
    events: impl IntoIterator<Item = &'a str>,
    question: &Question<'_>,
) -> BTreeMap<(String, String), Tally> {
    let mut answer = Answer { question, tallies: BTreeMap::new() };
    for ((_, kind, _), history) in histories(events) {
        if history.exists() {
            match kind.as_str() {
                "lead" => answer.count_lead(&history),
                "deal" => answer.count_deal(&history),
                _ => {}
            }
        }
    }
    answer.tallies.retain(|_, tally| {
        // Both sums may carry zeros behind the point.
        (tally.revenue, tally.open_amount) =
            (tally.revenue.normalize(), tally.open_amount.normalize());
        *tally != Tally::default()
    });
    answer.tallies
}

struct Written {
    order: [i64; 2],
    rank: usize,
    time: i64,
    set: Map<String, Value>,
}

/// All events of one entity in order.
struct History(Vec<Written>);

/// Ops by rank.
const OPS: [&str; 6] = ["create", "snapshot", "update", "restore", "merge", "delete"];
const CREATE: usize = 0;
const UPDATE: usize = 2;
const MERGE: usize = 4;

fn histories<'a>(
    events: impl IntoIterator<Item = &'a str>,
) -> BTreeMap<(String, String, String), History> {
    let mut seen = BTreeSet::new();
    let mut out: BTreeMap<(String, String, String), History> = BTreeMap::new();
    for json in events {
        let event: Value = serde_json::from_str(json).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let flags = event.get("flags").and_then(Value::as_array);
        let test = flags.is_some_and(|flags| flags.iter().any(|flag| flag == "test"));
        if test || event["kind"] == "gap" || !seen.insert(text(&event["id"])) {
            continue;
        }
        let entity = &event["entity"];
        let key = (text(&event["tenant"]), text(&entity["type"]), text(&entity["id"]));
        out.entry(key).or_insert_with(|| History(Vec::new())).0.push(Written {
            order: [0, 1].map(|i| event["order"][i].as_i64().unwrap()),
            rank: OPS.iter().position(|op| event["op"] == *op).unwrap(),
            time: micros(event["time"].as_str().unwrap()),
            set: event["set"].as_object().cloned().unwrap_or_default(),
        });
    }
    for history in out.values_mut() {
        history.0.sort_by_key(|e| (e.order, e.rank, e.time));
    }
    out
}

/// The instant of a text, microseconds since 1970.
pub fn micros(text: &str) -> i64 {
    match DateTime::parse_from_rfc3339(text) {
        Ok(at) => at.timestamp_micros(),
        Err(_) => {
            window(String::new(), text.parse().unwrap(), NaiveDate::MAX.pred_opt().unwrap()).start
        }
    }
}

/// A closing: which event closed the deal, and when that counts.
struct Closing {
    event: usize,
    at: i64,
    won: bool,
}

impl History {
    fn exists(&self) -> bool {
        self.0.iter().rev().find(|e| e.rank != UPDATE).is_none_or(|e| e.rank < MERGE)
    }

    /// The last write of a field as of an event: `None` if it was never written by then.
    fn as_of(&self, event: usize, field: &str) -> Option<&Value> {
        let limit = self.0[event].order;
        self.0.iter().filter(|e| e.order <= limit).filter_map(|e| e.set.get(field)).next_back()
    }

    /// The last write of a field.
    fn now(&self, field: &str) -> Option<&Value> {
        self.0.iter().rev().find_map(|e| e.set.get(field))
    }

    /// As of an event; what was never written by then may still be settled.
    fn settled(&self, event: usize, field: &str) -> Option<String> {
        if let Some(value) = self.as_of(event, field) {
            return value.as_str().map(str::to_owned);
        }
        let Written { order, time, .. } = &self.0[event];
        let later = self.0.iter().filter(|e| e.order > *order && e.time <= time + SETTLE);
        later.filter_map(|e| e.set.get(field)?.as_str()).next().map(str::to_owned)
    }

    fn creation_event(&self) -> usize {
        let creates = (0..self.0.len()).filter(|i| self.0[*i].rank == CREATE);
        creates.min_by_key(|i| self.0[*i].time).unwrap_or(0)
    }

    fn created(&self) -> Option<i64> {
        let stated = self.0.iter().rev().find_map(|e| e.set.get("created_at")?.as_str());
        let creates = self.0.iter().filter(|e| e.rank == CREATE).map(|e| e.time);
        stated.map(micros).or_else(|| creates.min())
    }

    /// Status after each event.
    fn statuses(&self) -> Vec<&str> {
        let mut status = "open";
        let after =
            |e: &'_ Written| e.set.get("status").map(|s| s.as_str().unwrap_or("open").to_owned());
        self.0
            .iter()
            .map(|e| {
                status = match after(e).as_deref() {
                    Some("won") => "won",
                    Some("lost") => "lost",
                    Some(_) => "open",
                    None => status,
                };
                status
            })
            .collect()
    }

    fn closing(&self) -> Option<Closing> {
        let statuses = self.statuses();
        let last = *statuses.last()?;
        if last == "open" {
            return None;
        }
        // The first event of the last run: behind the last event after which it was otherwise.
        let event = statuses.iter().rposition(|s| *s != last).map_or(0, |i| i + 1);
        let dated = self.0.iter().rev().find_map(|e| Some((e.order, e.set.get("closed_at")?)));
        let at = match dated {
            Some((order, Value::String(text))) if order >= self.0[event].order => micros(text),
            _ => self.0[event].time,
        };
        Some(Closing { event, at, won: last == "won" })
    }
}

struct Answer<'a> {
    question: &'a Question<'a>,
    tallies: BTreeMap<(String, String), Tally>,
}

impl Answer<'_> {
    /// Changes the tallies of the window around `at`, in every segment.
    fn add(&mut self, at: i64, credit: &dyn Fn(&str) -> String, change: &dyn Fn(&mut Tally)) {
        let question = self.question;
        for window in question.windows.iter().filter(|w| w.start <= at && at < w.end) {
            for segment in &question.segments {
                let text = segment_text(segment, credit);
                change(self.tallies.entry((window.name.clone(), text)).or_default());
            }
        }
    }

    /// The value of a dimension, given the values of the fields.
    fn dimension(&self, name: &str, field: &dyn Fn(&str) -> Option<String>) -> String {
        if name == "rep" {
            return field("owner").unwrap_or_else(|| "unknown".to_owned());
        }
        let known =
            || self.question.directory.reps.get(&field("owner")?)?.values.get(name).cloned();
        field(name).or_else(known).unwrap_or_else(|| "unknown".to_owned())
    }

    fn count_lead(&mut self, lead: &History) {
        let question = self.question;
        let Some(created) = lead.created() else {
            return;
        };
        let birth = lead.creation_event();
        let at_birth = |name: &str| credit(question, name, lead, birth);
        self.add(created, &at_birth, &|tally| tally.leads_created += 1);
    }

    fn count_deal(&mut self, deal: &History) {
        let question = self.question;
        let (created, closing) = (deal.created(), deal.closing());
        let amount = amount(deal.now("amount"), question.currency);
        let birth = deal.creation_event();
        let at_birth = |name: &str| credit(question, name, deal, birth);
        let cycle =
            |closing: &Closing| created.map(|c| closing.at.div_euclid(DAY) - c.div_euclid(DAY));
        if let Some(created) = created {
            self.add(created, &at_birth, &|tally| tally.deals_created += 1);
            if let Some((closing, days)) = closing.as_ref().and_then(|c| Some((c, cycle(c)?))) {
                self.add(created, &at_birth, &|tally| {
                    let ages =
                        if closing.won { &mut tally.cohort_won } else { &mut tally.cohort_lost };
                    *ages.entry(days).or_default() += 1;
                });
            }
        }
        if let Some(closing) = &closing {
            let at_close = |name: &str| credit(question, name, deal, closing.event);
            self.add(closing.at, &at_close, &|tally| {
                if !closing.won {
                    tally.deals_lost += 1;
                    return;
                }
                tally.deals_won += 1;
                tally.revenue += amount;
                if let Some(size) = size(amount) {
                    *tally.won_sizes.entry(size).or_default() += 1;
                }
                if let Some(days) = cycle(closing) {
                    *tally.cycle_won.entry(days).or_default() += 1;
                }
            });
        }
        self.count_open(deal, created, closing.as_ref());
    }

    /// Looks at the deal at the end of each window.
    fn count_open(&mut self, deal: &History, created: Option<i64>, closing: Option<&Closing>) {
        let question = self.question;
        let statuses = deal.statuses();
        let moves = self.moves(deal, created, closing);
        for window in &question.windows {
            let Some((_, event)) = moves.iter().rfind(|(at, _)| *at < window.end) else {
                continue;
            };
            if statuses[*event] != "open" {
                continue;
            }
            let amount = amount(deal.as_of(*event, "amount"), question.currency);
            for segment in &question.segments {
                let field = |name: &str| deal.as_of(*event, name)?.as_str().map(str::to_owned);
                let text = segment_text(segment, &|name| self.dimension(name, &field));
                let tally = self.tallies.entry((window.name.clone(), text)).or_default();
                tally.open_deals += 1;
                tally.open_amount += amount;
            }
        }
    }

    /// The events that can move the deal in the stock, each with its moment.
    fn moves(
        &self,
        deal: &History,
        created: Option<i64>,
        closing: Option<&Closing>,
    ) -> Vec<(i64, usize)> {
        let dimensions = self.question.segments.iter().flatten().map(String::as_str);
        let fields: BTreeSet<&str> = dimensions.chain(["owner", "status", "amount"]).collect();
        let mut out: Vec<(i64, usize)> = Vec::new();
        for (i, event) in deal.0.iter().enumerate() {
            let says = event.set.keys().any(|name| fields.contains(name.as_str()));
            let at = match closing {
                Some(closing) if closing.event == i => closing.at,
                _ if i == 0 => created.unwrap_or(event.time),
                _ if says => event.time,
                _ => continue,
            };
            let before = out.last().map_or(i64::MIN, |(at, _)| *at);
            out.push((at.max(before), i));
        }
        out
    }
}

/// The value of a dimension that a fact of that event is credited to.
fn credit(question: &Question<'_>, name: &str, history: &History, event: usize) -> String {
    let answer = Answer { question, tallies: BTreeMap::new() };
    answer.dimension(name, &|field| history.settled(event, field))
}

fn segment_text(segment: &[String], credit: &dyn Fn(&str) -> String) -> String {
    let values: Vec<String> = segment.iter().map(|name| credit(name)).collect();
    let pairs = segment.iter().zip(&values).map(|(name, value)| (name.as_str(), value.as_str()));
    Segment::of(pairs).to_string()
}

/// By the logarithm, where the product counts it out of integers.
fn size(amount: Decimal) -> Option<i64> {
    let steps = f64::try_from(amount).ok().filter(|amount| *amount > 0.0)? * 1e12;
    Some((steps.log2() * 64.0).floor() as i64)
}

fn amount(value: Option<&Value>, currency: &str) -> Decimal {
    let Some(Value::Object(money)) = value else {
        return Decimal::ZERO;
    };
    if money["currency"] != currency {
        return Decimal::ZERO;
    }
    match &money["value"] {
        Value::String(text) => text.parse().unwrap(),
        other => other.to_string().parse().unwrap(),
    }
}
