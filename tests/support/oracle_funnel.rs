//! The recount of the funnel: a deal's raw events one after the other, a list of visits, and each
//! number by looking at every one of them. It shares no code with the pipeline.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde_json::{Value, json};

/// Pipeline (empty for any), stage, how a deal stands in it, its order.
pub type TableRow = (&'static str, &'static str, &'static str, Option<u32>);

/// What is asked.
pub struct Funnels<'a> {
    pub table: &'a [TableRow],
    pub zone: &'a str,
    /// An owner who is named so soon behind a fact had it, microseconds.
    pub settle: i64,
}

/// What became of a visit, and after how many days; none while it goes on.
type End = Option<(&'static str, i64)>;

/// A stay of a deal in a stage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Visit {
    pub at: i64,
    pub owner: Option<String>,
    /// Place of its row in the table.
    pub row: usize,
    /// What became of it, and after how many days; none while it goes on.
    pub end: Option<(&'static str, i64)>,
}

/// A deal that is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub at: i64,
    pub owner: Option<String>,
    pub won: bool,
    /// The rows of the open stages that it had come to.
    pub rows: BTreeSet<usize>,
}

/// Where a deal stands.
#[derive(Clone, Debug)]
struct Stay {
    /// The event that it began with, and its time; none where no visit goes on.
    since: Option<(usize, i64)>,
    stage: String,
    pipeline: Option<String>,
}

/// What the events of a deal have come to.
#[derive(Default)]
struct Deal {
    exists: Option<bool>,
    stage: Option<String>,
    /// As stated last.
    pipeline: Option<String>,
    stay: Option<Stay>,
    status: String,
    /// What the source said outright, and whether it has since the last move.
    outright: Option<String>,
    spoken: bool,
    /// Which event named which owner, when.
    owners: Vec<(usize, i64, Option<String>)>,
    visits: Vec<(usize, i64, usize, End)>,
    /// When it moved into which stages, and whether those are of the table and mean that it is open.
    moves: Vec<(i64, String, bool)>,
    /// The event since which it stands as it does, and its time.
    since: (usize, i64),
}

/// A deal that was won.
pub struct Win {
    pub at: i64,
    pub owner: Option<String>,
    /// Civil days since it first moved into one of the stages that cycles begin with.
    pub cycle: Option<i64>,
}

impl Deal {
    /// Who had it at an event.
    fn owner(&self, i: usize, at: i64, settle: i64) -> Option<String> {
        let first = || self.owners.first().filter(|(_, named, _)| *named <= at + settle);
        self.owners.iter().rfind(|(j, ..)| *j <= i).or_else(first).and_then(|o| o.2.clone())
    }
}

/// The events of each deal.
fn deals(events: &[Value]) -> BTreeMap<&str, Vec<&Value>> {
    let mut out: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for event in events.iter().filter(|e| e["entity"]["type"] == "deal") {
        let id = event["entity"]["id"].as_str().expect("an id");
        out.entry(id).or_default().push(event);
    }
    out
}

impl Funnels<'_> {
    fn row(&self, pipeline: Option<&str>, stage: &str) -> Option<usize> {
        let of =
            |wanted: &str| self.table.iter().position(|(p, s, ..)| *p == wanted && *s == stage);
        of(pipeline.unwrap_or("")).or_else(|| of(""))
    }

    fn rank(&self, row: usize) -> (u32, usize) {
        (self.table[row].3.unwrap_or(u32::MAX), row)
    }

    fn days(&self, from: i64, to: i64) -> i64 {
        self.civil(from, to).clamp(0, 4095)
    }

    fn civil(&self, from: i64, to: i64) -> i64 {
        let tz: TimeZone = TimeZoneDatabase::bundled().get(self.zone).expect("a zone");
        let day =
            |at: i64| tz.to_datetime(Timestamp::from_microsecond(at).expect("in range")).date();
        i64::from(day(from).until(day(to)).expect("in range").get_days())
    }

    /// The visits of all deals, and those that are closed. Each event of a deal must have an order of
    /// its own.
    pub fn visits(&self, events: &[Value]) -> (Vec<Visit>, Vec<Closed>) {
        let (mut visits, mut closed) = (Vec::new(), Vec::new());
        for (of, end) in deals(events).into_values().map(|events| self.visits_of(events)) {
            visits.extend(of);
            closed.extend(end);
        }
        (visits, closed)
    }

    /// The deals that were won, where cycles begin with the first move into one of these stages.
    pub fn wins(&self, events: &[Value], from: &[&str]) -> Vec<Win> {
        let won = |events| {
            let deal = self.come_to(events);
            let (i, at) = deal.since;
            let start =
                deal.moves.iter().find(|(_, stage, open)| *open && from.contains(&stage.as_str()));
            let cycle = start.map(|(began, ..)| self.civil(*began, at));
            let owner = deal.owner(i, at, self.settle);
            let counts = deal.exists != Some(false) && deal.status == "won";
            counts.then_some(Win { at, owner, cycle })
        };
        deals(events).into_values().filter_map(won).collect()
    }

    fn come_to(&self, mut events: Vec<&Value>) -> Deal {
        events.sort_by_key(|e| e["order"][0].as_i64().expect("an order"));
        events.dedup_by_key(|e| e["order"][0].as_i64());
        let mut deal = Deal { status: "open".to_owned(), ..Deal::default() };
        for (i, event) in events.iter().enumerate() {
            let at: Timestamp = event["time"].as_str().expect("a time").parse().expect("a time");
            self.step(&mut deal, i, at.as_microsecond(), event);
        }
        deal
    }

    fn visits_of(&self, events: Vec<&Value>) -> (Vec<Visit>, Option<Closed>) {
        let mut deal = self.come_to(events);
        if deal.exists == Some(false) {
            return (Vec::new(), None);
        }
        if let Some(Stay { since: Some((i, at)), stage, pipeline }) = &deal.stay
            && let Some(row) = self.row(pipeline.as_deref(), stage)
        {
            deal.visits.push((*i, *at, row, None));
        }
        let visits = deal.visits.iter().map(|(i, at, row, end)| Visit {
            at: *at,
            owner: deal.owner(*i, *at, self.settle),
            row: *row,
            end: *end,
        });
        let came = |(i, _, row, _): &(usize, i64, usize, End)| {
            (*i <= deal.since.0 && self.table[*row].2 == "open").then_some(*row)
        };
        let closed = (deal.status != "open").then(|| Closed {
            at: deal.since.1,
            owner: deal.owner(deal.since.0, deal.since.1, self.settle),
            won: deal.status == "won",
            rows: deal.visits.iter().filter_map(came).collect(),
        });
        (visits.collect(), closed)
    }

    fn step(&self, deal: &mut Deal, i: usize, at: i64, event: &Value) {
        match event["op"].as_str().expect("an operation") {
            "delete" | "merge" => deal.exists = Some(false),
            "create" | "snapshot" | "restore" => deal.exists = Some(true),
            _ => {}
        }
        let set = event["set"].as_object().expect("fields");
        let text = |v: &Value| v.as_str().map(str::to_owned);
        if let Some(owner) = set.get("owner") {
            deal.owners.push((i, at, text(owner)));
        }
        let before = std::mem::take(&mut deal.status);
        let moved = self.moves(deal, set);
        let said = set.get("status").map(|v| text(v).expect("a status"));
        deal.status = self.stands(deal, &before, moved.is_some(), said, set);
        if deal.status != before {
            deal.since = (i, at);
        }
        if let Some(to) = &deal.stay {
            if moved.is_some() {
                deal.moves.push((at, to.stage.clone(), false));
            }
            let row = self.row(to.pipeline.as_deref(), &to.stage);
            let open = row.is_some_and(|row| self.table[row].2 == "open");
            deal.moves.last_mut().expect("it moved there").2 = open;
        }
        let open = |stay: &Stay| {
            let row = self.row(stay.pipeline.as_deref(), &stay.stage);
            row.filter(|row| self.table[*row].2 == "open")
        };
        if let Some(from) = moved {
            self.leave(deal, from.as_ref(), at);
            // Nobody saw it there while it was open: no visit.
            let unseen = |stay: &Stay| {
                let closed = open(stay).is_some() && deal.status != "open";
                closed && (before != "open" || from.is_none())
            };
            if let Some(stay) = deal.stay.as_ref().filter(|stay| !unseen(stay)) {
                deal.stay = Some(Stay { since: Some((i, at)), ..stay.clone() });
            }
        }
        let Some(stay) = &mut deal.stay else { return };
        let Some(row) = open(stay) else { return };
        match stay.since {
            Some((began, since)) if deal.status != "open" => {
                let how = if deal.status == "won" { "advanced" } else { "lost" };
                deal.visits.push((began, since, row, Some((how, self.days(since, at)))));
                stay.since = None;
            }
            None if before != "open" && deal.status == "open" => stay.since = Some((i, at)),
            _ => {}
        }
    }

    /// Takes stage and pipeline; where the deal moved, gives what it moved from.
    fn moves(&self, deal: &mut Deal, set: &serde_json::Map<String, Value>) -> Option<Option<Stay>> {
        if !set.contains_key("stage") && !set.contains_key("pipeline") {
            return None;
        }
        let text = |v: &Value| v.as_str().map(str::to_owned);
        if let Some(stage) = set.get("stage") {
            deal.stage = text(stage);
        }
        if let Some(pipeline) = set.get("pipeline") {
            deal.pipeline = text(pipeline);
        }
        let Some(stage) = deal.stage.clone() else {
            return Some(deal.stay.take());
        };
        let pipeline = deal.pipeline.clone();
        if let Some(stay) = deal.stay.as_mut().filter(|stay| stay.stage == stage) {
            match (&stay.pipeline, pipeline.as_ref()) {
                (Some(own), Some(other)) if own != other => {}
                (None, Some(_)) => {
                    stay.pipeline = pipeline;
                    return None;
                }
                _ => return None,
            }
        }
        deal.spoken = false;
        Some(deal.stay.replace(Stay { since: None, stage, pipeline: deal.pipeline.clone() }))
    }

    /// How the deal stands behind an event.
    fn stands(
        &self,
        deal: &mut Deal,
        before: &str,
        moved: bool,
        said: Option<String>,
        set: &serde_json::Map<String, Value>,
    ) -> String {
        if let Some(said) = said {
            deal.outright = Some(said.clone());
            deal.spoken = true;
            return said;
        }
        let stated = set.contains_key("stage") || set.contains_key("pipeline");
        let Some(stay) = deal.stay.as_ref().filter(|_| stated && (moved || !deal.spoken)) else {
            return before.to_owned();
        };
        match self.row(deal.pipeline.as_deref(), &stay.stage).map(|row| self.table[row].2) {
            Some(means) => {
                if deal.outright.as_deref() != Some(means) {
                    deal.outright = None;
                }
                means.to_owned()
            }
            None if deal.outright.is_none() => "open".to_owned(),
            None => before.to_owned(),
        }
    }

    /// A deal left where it was.
    fn leave(&self, deal: &mut Deal, from: Option<&Stay>, at: i64) {
        let Some(from) = from else { return };
        let Some((began, since)) = from.since else { return };
        let Some(row) = self.row(from.pipeline.as_deref(), &from.stage) else { return };
        let was = self.table[row].2;
        let next = deal.stay.as_ref().and_then(|to| {
            let same = match (&from.pipeline, &to.pipeline) {
                (Some(a), Some(b)) => a == b,
                _ => true,
            };
            same.then(|| self.row(to.pipeline.as_deref(), &to.stage))?
        });
        let onward = deal.stay.as_ref().is_some_and(|to| {
            let row = self.row(to.pipeline.as_deref(), &to.stage);
            row.is_some_and(|row| self.table[row].2 == "open")
        });
        let how = match (deal.status.as_str(), next) {
            ("lost", _) if was != "lost" && !onward => "lost",
            ("won", _) if was != "won" && !onward => "advanced",
            (_, None) => "left",
            (_, Some(_)) if was != "open" && onward => "back",
            (_, Some(next)) if self.rank(next) > self.rank(row) => "advanced",
            _ => "back",
        };
        deal.visits.push((began, since, row, Some((how, self.days(since, at)))));
    }

    /// The funnel of these visits and closed deals, as rows have it.
    pub fn told<'v>(
        &self,
        visits: impl Iterator<Item = &'v Visit>,
        ends: impl Iterator<Item = &'v Closed>,
    ) -> Value {
        let (visits, ends): (Vec<&Visit>, Vec<&Closed>) = (visits.collect(), ends.collect());
        let mut rows: Vec<usize> = (0..self.table.len()).collect();
        rows.sort_by_key(|row| (self.table[*row].0, self.rank(*row)));
        let any = |pipeline: &str| {
            let came = ends.iter().flat_map(|end| &end.rows);
            let mut rows = visits.iter().map(|v| &v.row).chain(came);
            rows.any(|row| self.table[*row].0 == pipeline)
        };
        let mut stages = Vec::new();
        let mut worst: Option<(f64, String)> = None;
        for row in rows.into_iter().filter(|row| any(self.table[*row].0)) {
            let (pipeline, stage, status, _) = self.table[row];
            let own: Vec<&&Visit> = visits.iter().filter(|v| v.row == row).collect();
            let of =
                |how: &str| own.iter().filter(|v| v.end.is_some_and(|end| end.0 == how)).count();
            let came = ends.iter().filter(|end| end.rows.contains(&row));
            let (won, closed) = (came.clone().filter(|end| end.won).count(), came.count());
            let mut days: Vec<i64> = own.iter().filter_map(|v| Some(v.end?.1)).collect();
            days.sort_unstable();
            let twice = self.table.iter().filter(|r| r.1 == stage).count() > 1;
            let name = match twice && !pipeline.is_empty() {
                true => format!("{pipeline}/{stage}"),
                false => stage.to_owned(),
            };
            let rate = |n: usize| {
                (status == "open" && !own.is_empty()).then(|| n as f64 / own.len() as f64)
            };
            if let Some(drop) = rate(of("lost")).filter(|d| own.len() >= 30 && *d > 0.0)
                && worst.as_ref().is_none_or(|worst| drop > worst.0)
            {
                worst = Some((drop, name.clone()));
            }
            let mut told = json!({
                "name": name, "stage": stage, "status": status, "entered": own.len(),
                "advanced": of("advanced"), "back": of("back"), "lost": of("lost"),
                "left": of("left"), "held": own.iter().filter(|v| v.end.is_none()).count(),
                "won": won, "closed": closed, "win_rate": (closed > 0).then(|| won as f64 / closed as f64),
                "step_rate": rate(of("advanced")), "drop_off": rate(of("lost")),
                "days_p50": quantile(&days, 0.5), "days_p90": quantile(&days, 0.9), "n": days.len(),
            });
            if !pipeline.is_empty() {
                told["pipeline"] = json!(pipeline);
            }
            let few = [
                ("step_rate", own.len(), 30),
                ("drop_off", own.len(), 30),
                ("win_rate", closed, 30),
                ("days_p50", days.len(), 10),
                ("days_p90", days.len(), 30),
            ];
            let few =
                few.into_iter().filter(|(name, n, least)| n < least && !told[*name].is_null());
            let few: Vec<&str> = few.map(|(name, ..)| name).collect();
            if !few.is_empty() {
                told["low_n"] = json!(few);
            }
            stages.push(told);
        }
        json!({"stages": stages, "bottleneck": worst.map(|worst| worst.1)})
    }
}

fn quantile(sorted: &[i64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = q * last as f64;
    let (low, high) = (sorted[place as usize], sorted[(place as usize + 1).min(last)]);
    Some(low as f64 + (high - low) as f64 * place.fract())
}

/// Whether two funnels tell the same; quotients to the last digits of a float.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().expect("a number"), b.as_f64().expect("a number"));
            (a - b).abs() < 1e-9
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w)))
        }
        _ => a == b,
    }
}
