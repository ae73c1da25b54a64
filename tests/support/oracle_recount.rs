//! A batch recount: all events of an entity at once, sorted, then every window from scratch. It
//! shares no code with the pipeline: JSON values, ordered maps, and jiff for the calendar.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde_json::Value;

use crate::more::customers::Purchase;
use crate::more::{Life, Mark};

/// What is asked.
pub struct Question<'a> {
    pub zone: &'a str,
    pub currency: &'a str,
    /// Microseconds.
    pub settle: i64,
    pub sets: &'a [&'a [&'a str]],
    /// Credit by the values that hold now, instead of at the fact.
    pub current: bool,
    /// Where the windows stand, microseconds.
    pub now: i64,
    /// The watermark, microseconds.
    pub as_of: i64,
    /// What makes a customer, and after how many days without a purchase it lapses.
    pub customers: (&'a str, i64),
    /// The field of a deal that states when its cycle began, instead of its creation.
    pub cycle_field: Option<&'a str>,
}

impl Question<'_> {
    /// Civil days from the start of a deal's cycle to its end.
    fn cycle(
        &self,
        history: &History,
        clock: &Clock,
        created: Option<i64>,
        closed: Option<i64>,
    ) -> Option<i64> {
        let began = match self.cycle_field {
            None => created,
            Some(field) => history.last(field).and_then(|(_, value)| clock.moment(value)),
        };
        Some(clock.days(began?, closed?))
    }
}

/// Dimension to value; `rep` is the owner.
pub type Credit = BTreeMap<&'static str, String>;
/// Minor units of a hundredth, and currency.
pub type Money = (i128, String);

/// At which age in days a deal was closed, won or not; none while it is open.
pub type Outcome = Option<(i64, bool)>;

/// When a lead was created, whose it is, how many minutes it waited, and at how many days it became a
/// deal.
pub type Lead = (i64, Credit, Option<i64>, Option<i64>);

/// Whom an open deal belongs to, and how much it is.
pub type Holding = (Credit, Option<Money>);

/// What one entity adds.
#[derive(Default)]
pub struct Facts {
    pub leads: Vec<Lead>,
    /// When, for whom, and what has become of it.
    pub created: Vec<(i64, Credit, Outcome)>,
    pub closed: Vec<Closing>,
    /// By day: what holds from then on. Empty where it is not open.
    pub open: Vec<(Date, Option<Holding>)>,
    /// The same of a subscription that runs.
    pub running: Vec<(Date, Option<Holding>)>,
    /// What other kinds add.
    pub marks: Vec<Mark>,
    pub purchases: Vec<Purchase>,
}

pub struct Closing {
    pub at: i64,
    pub credit: Credit,
    /// Who shares in what was won, and how much of 1 each has; the owner alone where nobody does.
    pub sharers: Vec<(Credit, f64)>,
    /// Who has credit beside it.
    pub overlays: Vec<(Credit, f64)>,
    pub won: bool,
    pub amount: Option<Money>,
    /// What was changed of it since it was won.
    pub amended: Vec<Money>,
    /// Civil days from its start to its end.
    pub cycle: Option<i64>,
}

/// Place of an event: its order, how its operation ranks on a tie, its time.
pub type Place = ([i64; 2], usize, i64);

const RANKS: [&str; 6] = ["create", "snapshot", "update", "restore", "merge", "delete"];
const DIMENSIONS: [&str; 3] = ["rep", "territory", "channel"];

/// One entity's events, field by field, in their order.
pub struct History {
    places: Vec<(Place, bool)>,
    pub fields: BTreeMap<String, BTreeMap<Place, Value>>,
}

pub struct Clock {
    tz: TimeZone,
    /// Zones in which a date without a time has begun where it stands.
    dates: Vec<TimeZone>,
}

impl Clock {
    pub fn of(zone: &str) -> Clock {
        Clock::with_dates(zone, &[zone])
    }

    pub fn with_dates(zone: &str, all: &[&str]) -> Clock {
        let of = |zone: &str| TimeZoneDatabase::bundled().get(zone).expect("a zone");
        Clock { tz: of(zone), dates: all.iter().map(|zone| of(zone)).collect() }
    }

    pub fn day(&self, at: i64) -> Date {
        let at = jiff::Timestamp::from_microsecond(at).expect("in range");
        self.tz.to_datetime(at).date()
    }

    pub fn start(&self, day: Date) -> i64 {
        Clock::begins(day, &self.tz)
    }

    fn begins(day: Date, tz: &TimeZone) -> i64 {
        day.to_zoned(tz.clone()).expect("in range").timestamp().as_microsecond()
    }

    /// Where a date without a time stands.
    pub fn date(&self, day: Date) -> i64 {
        self.dates.iter().map(|tz| Clock::begins(day, tz)).max().expect("at least one")
    }

    pub fn read(&self, value: &Value) -> Option<i64> {
        let text = value.as_str()?;
        match text.parse::<jiff::Timestamp>() {
            Ok(at) => Some(at.as_microsecond()),
            Err(_) => Some(self.date(text.parse().expect("a date"))),
        }
    }

    /// A time in a field of the user's own, however it is written.
    fn moment(&self, value: &Value) -> Option<i64> {
        let text = value.as_str()?;
        let exact = text.parse::<jiff::Timestamp>().map(|at| at.as_microsecond()).ok();
        let day = || text.parse().map(|day| self.date(day)).ok();
        exact.or_else(day).or_else(|| text.parse::<i64>().map(|ms| ms * 1000).ok())
    }

    fn days(&self, from: i64, to: i64) -> i64 {
        let span = self.day(from).until(self.day(to)).expect("in range");
        i64::from(span.get_days())
    }
}

/// The greater of two values that claim the same place holds.
fn greater(a: &Value, b: &Value) -> bool {
    let status = |v: &Value| ["open", "won", "lost"].iter().position(|s| v == s);
    match (a, b) {
        (Value::Null, _) => false,
        (_, Value::Null) => true,
        (Value::Number(a), Value::Number(b)) => a.as_f64() > b.as_f64(),
        (Value::Bool(a), Value::Bool(b)) => a > b,
        (Value::Object(_), Value::Object(_)) => money(a) > money(b),
        (Value::Array(_), Value::Array(_)) => packed(a) > packed(b),
        _ if status(a).is_some() && status(b).is_some() => status(a) > status(b),
        _ => a.as_str() > b.as_str(),
    }
}

pub fn money(value: &Value) -> Option<Money> {
    let text = match &value["value"] {
        Value::String(text) => text.clone(),
        Value::Number(n) => n.to_string(),
        _ => return None,
    };
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest.to_owned()),
        None => (1, text),
    };
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let cents: i128 = format!("{whole}{part:0<2}").parse().expect("at most two decimals");
    let currency = value["currency"].as_str().expect("money has a currency");
    Some((sign * cents, currency.to_owned()))
}

/// Kind, owner and 10^-8 of each who shares. Lists of the laws are in order.
fn shares(value: &Value) -> Vec<(bool, &str, u32)> {
    let mut out = Vec::new();
    for split in value.as_array().map_or(&[][..], Vec::as_slice) {
        let share = split["share"].as_str().expect("a text");
        let (whole, part) = share.split_once('.').unwrap_or((share, ""));
        let share = format!("{whole}{part:0<8}").parse().expect("at most eight decimals");
        let owner = split["owner"].as_str().expect("an id");
        out.push((split["type"] == "overlay", owner, share));
    }
    out
}

fn packed(value: &Value) -> String {
    let all = shares(value).into_iter();
    all.map(|(over, owner, n)| format!("{};{n};{};{owner}", u8::from(over), owner.len())).collect()
}

impl History {
    fn of(events: &[&Value], clock: &Clock) -> History {
        let mut out = History { places: Vec::new(), fields: BTreeMap::new() };
        for event in events {
            let time = clock.read(&event["time"]).expect("an event has a time");
            let op = event["op"].as_str().unwrap_or("update");
            let order = match &event["order"] {
                Value::Array(o) => [0, 1].map(|i: usize| o[i].as_i64().expect("a number")),
                _ => [time.div_euclid(1000), 0],
            };
            let rank = RANKS.iter().position(|r| *r == op).expect("known");
            let place = (order, rank, time);
            out.places.push((place, op == "create"));
            let mut say = |field: &str, value: Value| {
                let known = out.fields.entry(field.to_owned()).or_default();
                match known.get(&place) {
                    Some(held) if !greater(&value, held) => {}
                    _ => _ = known.insert(place, value),
                }
            };
            match op {
                "delete" | "merge" => say("exists", Value::from("no")),
                "update" => {}
                _ => say("exists", Value::from("yes")),
            }
            for (field, value) in event["set"].as_object().into_iter().flatten() {
                say(if field == "owner" { "rep" } else { field }, value.clone());
            }
        }
        out.places.sort_unstable();
        out
    }

    pub fn last(&self, field: &str) -> Option<(&Place, &Value)> {
        self.fields.get(field)?.last_key_value()
    }

    pub fn as_of(&self, field: &str, order: [i64; 2]) -> Option<&Value> {
        let known = self.fields.get(field)?;
        known.iter().rev().find(|(p, _)| p.0 <= order).map(|(_, v)| v)
    }

    pub fn credit(&self, order: [i64; 2], settle: Option<i64>) -> Credit {
        let mut out = Credit::new();
        for dimension in DIMENSIONS {
            let known = self.as_of(dimension, order).or_else(|| {
                let (place, value) = self.fields.get(dimension)?.first_key_value()?;
                (place.2 <= settle?).then_some(value)
            });
            if let Some(text) = known.and_then(Value::as_str) {
                out.insert(dimension, text.to_owned());
            }
        }
        out
    }
}

/// What the events of one entity add.
pub fn facts(events: &[&Value], question: &Question<'_>, clock: &Clock) -> Facts {
    let history = History::of(events, clock);
    let mut out = Facts::default();
    if history.last("exists").is_some_and(|(_, v)| v == "no") {
        return out;
    }
    let first = history.places[0].0;
    let creations = history.places.iter().filter(|p| p.1);
    let birth = creations.map(|p| p.0).min_by_key(|p| (p.2, *p));
    let stated = history.last("created_at").and_then(|(_, v)| clock.read(v));
    let created = stated.or(birth.map(|p| p.2));
    let credit_at = |place: Place| match question.current {
        true => history.credit([i64::MAX; 2], None),
        false => history.credit(place.0, Some(place.2 + question.settle)),
    };
    let born = credit_at(birth.unwrap_or(first));
    let entity = &events[0]["entity"];
    match entity["type"].as_str().expect("an entity has a type") {
        "deal" => {}
        "lead" => {
            out.leads.extend(created.map(|at| lead(&history, clock, at, born)));
            return out;
        }
        kind => {
            let id = entity["id"].as_str().expect("an entity has an id");
            let credit_at: &dyn Fn(Place) -> Credit = &credit_at;
            let life = Life { history: &history, clock, first, birth, created, credit_at };
            life.count(kind, id, question.customers.0, &mut out);
            return out;
        }
    }
    let statuses: Vec<(Place, &str)> = history
        .fields
        .get("status")
        .into_iter()
        .flatten()
        .map(|(p, v)| (*p, v.as_str().unwrap_or("open")))
        .collect();
    let status = statuses.last().map_or("open", |s| s.1);
    let run = statuses.iter().rev().take_while(|s| s.1 == status).last();
    let closing = run.filter(|_| status != "open").map(|(place, _)| {
        let stated = history.last("closed_at").filter(|(p, _)| p.0 >= place.0);
        let at = stated.and_then(|(_, v)| clock.read(v)).unwrap_or(place.2);
        (*place, at)
    });
    let age = closing.and_then(|(_, at)| Some(clock.days(created?, at)));
    let cycle = question.cycle(&history, clock, created, closing.map(|(_, at)| at));
    let outcome = age.map(|age| (age, status == "won"));
    out.created.extend(created.map(|at| (at, born, outcome)));
    if let Some((place, at)) =
        closing.filter(|_| status == "won" && question.customers.0 == "deals")
    {
        let said = ["account", "amount"].map(|field| history.last(field).map(|(_, v)| v));
        out.buy(at, credit_at(place), [said[0], None, said[1], None]);
    }
    out.closed.extend(closing.map(|(place, at)| Closing {
        at,
        sharers: sharing(&history, place, &credit_at(place), question, false),
        overlays: sharing(&history, place, &credit_at(place), question, true),
        credit: credit_at(place),
        won: status == "won",
        amount: history.last("amount").and_then(|(_, v)| money(v)),
        amended: amended(&history, place, question.settle),
        cycle,
    }));
    open_days(&history, &statuses, closing, created.unwrap_or(first.2), clock, &mut out);
    out
}

/// What the amount is beside what it was at the close, by currency.
fn amended(history: &History, close: Place, settle: i64) -> Vec<Money> {
    let Some(writes) = history.fields.get("amount") else { return Vec::new() };
    let (then, since): (Vec<_>, Vec<_>) =
        writes.iter().partition(|(p, _)| p.0 <= close.0 || p.2 <= close.2 + settle);
    let then = then.last().and_then(|(_, v)| money(v));
    let then = then.or_else(|| since.iter().find_map(|(_, v)| money(v)));
    let mut by: BTreeMap<String, i128> = BTreeMap::new();
    for (sign, money) in [(-1, then), (1, history.last("amount").and_then(|(_, v)| money(v)))] {
        let Some((cents, currency)) = money else { continue };
        *by.entry(currency).or_default() += sign * cents;
    }
    by.into_iter().filter(|(_, n)| *n != 0).map(|(currency, n)| (n, currency)).collect()
}

/// Who shares in a deal that was closed there, with how much of 1 each.
fn sharing(
    history: &History,
    place: Place,
    owner: &Credit,
    question: &Question<'_>,
    overlay: bool,
) -> Vec<(Credit, f64)> {
    let stated = match question.current {
        true => history.as_of("splits", [i64::MAX; 2]),
        false => history.as_of("splits", place.0).or_else(|| {
            let (first, value) = history.fields.get("splits")?.first_key_value()?;
            (first.2 <= place.2 + question.settle).then_some(value)
        }),
    };
    let list: Vec<_> = stated.map_or(Vec::new(), shares);
    let list: Vec<_> = list.into_iter().filter(|share| share.0 == overlay).collect();
    let whole = if overlay { 1e8 } else { list.iter().map(|share| f64::from(share.2)).sum() };
    let mut out: Vec<(Credit, f64)> = Vec::new();
    for (_, rep, share) in &list {
        let credit = owner.clone().into_iter().chain([("rep", (*rep).to_owned())]).collect();
        out.push((credit, f64::from(*share) / whole));
    }
    if out.is_empty() && !overlay {
        out.push((owner.clone(), 1.0));
    }
    out
}

/// From which day on the deal is open, with whom and how much; never backwards in time.
fn open_days(
    history: &History,
    statuses: &[(Place, &str)],
    closing: Option<(Place, i64)>,
    start: i64,
    clock: &Clock,
    out: &mut Facts,
) {
    let fields = ["rep", "territory", "channel", "amount", "status"];
    let written = fields.iter().filter_map(|f| history.fields.get(*f));
    let mut places: Vec<Place> = written.flat_map(|f| f.keys().copied()).collect();
    places.push(history.places[0].0);
    places.sort_unstable();
    places.dedup();
    let mut now = start;
    for (i, place) in places.iter().enumerate() {
        let at = match closing {
            Some((closed, at)) if closed == *place => at,
            _ if i == 0 => start,
            _ => place.2,
        };
        now = now.max(at);
        let status = statuses.iter().rev().find(|s| s.0 <= *place);
        let open = status.is_none_or(|s| s.1 == "open").then(|| {
            let amount = history.as_of("amount", place.0).and_then(money);
            (history.credit(place.0, None), amount)
        });
        out.open.push((clock.day(now), open));
    }
}

/// The facts of all entities.
pub fn recount(events: &[Value], question: &Question<'_>) -> Vec<Facts> {
    recount_by(events, question, &Clock::of(question.zone))
}

/// The same, by a clock.
pub fn recount_by(events: &[Value], question: &Question<'_>, clock: &Clock) -> Vec<Facts> {
    let mut entities: BTreeMap<(String, String, String), Vec<&Value>> = BTreeMap::new();
    for event in events {
        let text = |v: &Value| v.as_str().unwrap_or("default").to_owned();
        let entity = &event["entity"];
        let key = (text(&event["tenant"]), text(&entity["type"]), text(&entity["id"]));
        entities.entry(key).or_default().push(event);
    }
    entities.values().map(|e| facts(e, question, clock)).collect()
}

/// A lead: how long it waited for an answer, and at how many days it became a deal.
fn lead(history: &History, clock: &Clock, at: i64, born: Credit) -> Lead {
    let answers = ["responded_at", "first_call_at", "first_email_at"];
    let told = answers.iter().filter_map(|f| clock.read(history.last(f)?.1)).min();
    let wait = told.filter(|told| *told >= at).map(|told| (told - at) / 60_000_000);
    let days = became_a_deal(history).map(|named| clock.days(at, named));
    (at, born, wait, days)
}

/// Since when a deal is named.
fn became_a_deal(lead: &History) -> Option<i64> {
    let named = |v: &Value| v.as_str().is_some_and(|deal| !deal.is_empty());
    let run = lead.fields.get("converted_deal")?.iter().rev().take_while(|(_, v)| named(v));
    run.last().map(|(place, _)| place.2)
}

/// As SQL's `percentile_cont`.
pub fn quantile(sorted: &[i64], q: f64) -> Option<f64> {
    let place = sorted.len().checked_sub(1)? as f64 * q;
    let at = |i: f64| sorted[i as usize] as f64;
    Some(at(place.floor()) + (at(place.ceil()) - at(place.floor())) * place.fract())
}

/// The segments that anything is credited to.
pub fn segments(facts: &[Facts], sets: &[&[&str]]) -> BTreeSet<Vec<(&'static str, String)>> {
    let mut credits: BTreeSet<&Credit> = BTreeSet::new();
    for f in facts {
        credits.extend(f.leads.iter().map(|l| &l.1));
        credits.extend(f.created.iter().map(|c| &c.1));
        credits.extend(f.closed.iter().map(|c| &c.credit));
        let shared = f.closed.iter().filter(|c| c.won);
        credits.extend(shared.flat_map(|c| c.sharers.iter().chain(&c.overlays)).map(|s| &s.0));
        credits.extend(f.open.iter().filter_map(|o| o.1.as_ref()).map(|o| &o.0));
        credits.extend(f.running.iter().filter_map(|o| o.1.as_ref()).map(|o| &o.0));
        credits.extend(f.marks.iter().map(|m| &m.credit));
    }
    let mut out = BTreeSet::new();
    for set in sets {
        for credit in &credits {
            let part = |d: &&str| {
                let (name, value) = match credit.get_key_value(*d) {
                    Some((name, value)) => (*name, value.clone()),
                    None => (name_of(d), "unknown".to_owned()),
                };
                (name, value)
            };
            out.insert(set.iter().map(part).collect());
        }
    }
    out
}

fn name_of(dimension: &str) -> &'static str {
    let names = ["rep", "territory", "channel"];
    names.into_iter().find(|n| *n == dimension).expect("a dimension of the laws")
}
