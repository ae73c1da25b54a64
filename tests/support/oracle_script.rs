//! The scenario scripts' interpreter: virtual clock, heartbeats made in the test, folds as they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tidemark::config::Config;
use tidemark::ledger::{Applied, Verdict};
use tidemark::model::definition::{Attribution, Definition, Stage};
use tidemark::model::event::{Field, FieldType, Status};
use tidemark::model::fiscal::{Fiscal, Pattern, Weekday, YearEnd};
use tidemark::model::fx::Fx;
use tidemark::model::time::{Day, Span, Timestamp};
use tidemark::model::watermark::{Heartbeat, Lost};
use tidemark::model::window::{Period, WindowKind};

use crate::flow::{Flow, is_incomplete, revision_of, status_of};
use crate::oracle::{at, currency, definition, kpis_of, record};

const TOPIC: &str = "sales";

pub struct Script {
    flow: Flow,
    lateness: Span,
    /// Number of partitions of the source topic.
    partitions: u32,
    /// Newest event time a partition.
    seen: BTreeMap<u32, Timestamp>,
    last: Option<Applied>,
    images: Vec<Option<Vec<u8>>>,
    lines: u64,
}

impl Script {
    /// Plays a script; gives it back with what was found behind each `=>`.
    pub fn tell(text: &str) -> String {
        let mut script: Option<Script> = None;
        let mut out = String::new();
        for line in text.lines() {
            let words: Vec<&str> =
                line.split(" #").next().unwrap_or("").split_whitespace().collect();
            let answer = match (words.first(), &mut script) {
                (Some(&"!job"), None) => {
                    script = Some(Script::new(&words[1..]));
                    None
                }
                (Some(first), Some(script)) if !first.starts_with('#') => script.line(&words),
                (Some(first), None) if !first.starts_with('#') => panic!("no !job before: {line}"),
                _ => None,
            };
            let asked = line.split(" =>").next().unwrap_or(line);
            match answer {
                Some(answer) => _ = writeln!(out, "{asked} => {answer}"),
                None => _ = writeln!(out, "{line}"),
            }
        }
        out
    }

    fn new(words: &[&str]) -> Script {
        let mut job = definition("UTC", "EUR", &[&[]], &[WindowKind::Calendar(Period::Day)]);
        let (mut lateness, mut partitions) = (Span(0), 1);
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or_else(|| panic!("no value: {word}"));
            match key {
                "lateness" => lateness = span(value),
                "partitions" => partitions = value.parse().expect("a number"),
                _ => set(&mut job, key, value),
            }
        }
        let shards = job.shards as usize;
        Script {
            flow: Flow::new(job, Timestamp(0)),
            lateness,
            partitions,
            seen: BTreeMap::new(),
            last: None,
            images: vec![None; shards],
            lines: 0,
        }
    }

    fn line(&mut self, words: &[&str]) -> Option<String> {
        self.lines += 1;
        match words {
            [time, partition, kind, id, what @ ..] if time.starts_with('@') => {
                self.event(at(&time[1..]), number(partition), (kind, id), what);
            }
            ["!beat"] => {
                for (partition, newest) in self.seen.clone() {
                    self.beat(partition, newest - self.lateness, false);
                }
            }
            ["!idle", partition, time] => self.beat(number(partition), at(time), true),
            ["!lose", partition, time] => self.flow.lose(&Lost {
                topic: TOPIC.to_owned(),
                partition: number(partition),
                from: 3,
                to: 5,
                until: at(time),
            }),
            ["!tick", time] => _ = self.flow.settle(at(time)),
            // Another table of rates: the rollups start again with it.
            ["!rates", rates] => {
                let mut job = (*self.flow.definition).clone();
                job.fx = Fx::default();
                set(&mut job, "rates", rates);
                self.flow.definition = Arc::new(job);
                self.flow.restart_rollups();
                self.flow.rollups.iter_mut().for_each(|r| r.re_emit());
            }
            ["!parked"] | ["!parked", "=>", ..] => {
                let mut all = BTreeMap::new();
                for (currency, n) in self.flow.rollups.iter().flat_map(|r| r.parked()) {
                    *all.entry(currency).or_insert(0) += n;
                }
                let told = all.iter().filter(|(_, n)| **n != 0).map(|(c, n)| format!("{n} {c}"));
                return Some(
                    Some(told.collect::<Vec<_>>().join(", "))
                        .filter(|t| !t.is_empty())
                        .unwrap_or("nothing".to_owned()),
                );
            }
            ["!repair"] => {
                self.flow.ledgers.iter_mut().for_each(|l| l.re_emit());
                self.flow.rollups.iter_mut().for_each(|r| r.re_emit());
            }
            ["!image"] => {
                self.images = self.flow.ledgers.iter().map(|l| Some(l.image())).collect();
            }
            ["!crash"] => {
                for shard in 0..self.images.len() {
                    let image = self.images[shard].clone();
                    self.flow.restart_ledger(shard, image.as_deref());
                }
                self.flow.restart_rollups();
            }
            ["!expect", kpi, segment, rest @ ..] => {
                let window = rest.split(|w| *w == "=>").next().unwrap_or(rest);
                return Some(self.row(kpi, segment, window));
            }
            ["!funnel", segment, rest @ ..] => {
                let window = rest.split(|w| *w == "=>").next().unwrap_or(rest);
                return Some(self.funnel(segment, window));
            }
            ["!last", ..] => return Some(self.last()),
            ["!written", ..] => return Some(self.written()),
            ["!watermark", ..] => return Some(self.watermark()),
            _ => panic!("no such line: {words:?}"),
        }
        None
    }

    fn event(&mut self, time: Timestamp, partition: u32, entity: (&str, &str), what: &[&str]) {
        let seen = self.seen.entry(partition).or_insert(time);
        *seen = (*seen).max(time);
        let (kind, id) = entity;
        let mut event = json!({
            "id": self.lines.to_string(), "entity": {"type": kind, "id": id},
            "time": time.to_string(), "op": "update",
        });
        let mut fields = Map::new();
        say(&mut event, &mut fields, what);
        event["set"] = Value::Object(fields);
        self.flow.accept(&record(self.lines, event.to_string()));
        self.last = self.flow.fold_all().pop();
    }

    fn beat(&mut self, partition: u32, watermark: Timestamp, idle: bool) {
        self.flow.beat(&Heartbeat {
            topic: TOPIC.to_owned(),
            partition,
            topology: vec![(TOPIC.to_owned(), self.partitions)],
            watermark,
            idle,
            next: 0,
            newest: Some(watermark),
            mark: None,
        });
    }

    /// Of each stage: entered, of which advanced, went back, were lost, left, are held; the median and
    /// the 90th percentile of the days; and of the deals closed how many were won.
    fn funnel(&self, segment: &str, window: &[&str]) -> String {
        let Some(json) = self.json(segment, window) else {
            return "nothing".to_owned();
        };
        let row: Value = serde_json::from_str(json).expect("a row is JSON");
        let Some(stages) = row["funnel"]["stages"].as_array() else {
            return "no funnel".to_owned();
        };
        let stage = |stage: &Value| {
            let counts = ["entered", "advanced", "back", "lost", "left", "held"];
            let counts = counts.map(|count| stage[count].to_string()).join("/");
            let days = format!("{} {}", stage["days_p50"], stage["days_p90"]);
            let won = format!("{}:{}", stage["won"], stage["closed"]);
            format!("{} {counts} {days} {won}", stage["name"].as_str().expect("a name"))
        };
        let told: Vec<String> = stages.iter().map(stage).collect();
        format!("{}#{} {}", status_of(json), revision_of(json), told.join(", "))
    }

    fn row(&self, kpi: &str, segment: &str, window: &[&str]) -> String {
        let Some(json) = self.json(segment, window) else {
            return "nothing".to_owned();
        };
        let kpis: Value = serde_json::from_str(kpis_of(json)).expect("KPIs are JSON");
        let found = &kpis[kpi];
        assert!(found.is_object(), "no KPI {kpi}");
        let quotient = match (&found["num"], &found["den"]) {
            (Value::Null, _) => String::new(),
            (num, den) => format!(" {num}/{den}"),
        };
        let beside = found.get("unconverted").map_or(String::new(), |u| format!(" beside {u}"));
        let (status, revision) = (status_of(json), revision_of(json));
        let (value, n) = (&found["value"], &found["n"]);
        let doubt = if is_incomplete(json) { " incomplete" } else { "" };
        format!("{status}#{revision} {value}{quotient} n={n}{beside}{doubt}")
    }

    fn json(&self, segment: &str, window: &[&str]) -> Option<&str> {
        let calendar = &self.flow.definition.calendar;
        let key = match window {
            [kind, day] => {
                let day = if day.len() == 7 { format!("{day}-01") } else { (*day).to_owned() };
                let start = calendar.start_of(Day::parse(&day).expect("a date"));
                format!("{kind}:{start}|{segment}")
            }
            [kind] => format!("{kind}|{segment}"),
            _ => panic!("no window: {window:?}"),
        };
        self.flow.results.get(&key).map(String::as_str)
    }

    fn last(&self) -> String {
        let Some(applied) = self.last else { return "nothing".to_owned() };
        let verdict = match applied.verdict {
            Verdict::Counted => "counted",
            Verdict::Repeated => "repeated",
            Verdict::NotKept => "not_kept",
            Verdict::Gap => "gap",
            Verdict::Folded => "folded",
            Verdict::Irrelevant => "irrelevant",
        };
        let notes = [
            (applied.late, " late"),
            (applied.too_late, " too_late"),
            (applied.unknown_stage, " unknown_stage"),
        ];
        let notes: String = notes.iter().filter(|n| n.0).map(|n| n.1).collect();
        format!("{verdict}{notes}")
    }

    fn written(&self) -> String {
        let mut rows: Vec<String> = self
            .flow
            .written
            .iter()
            .map(|(key, json)| format!("{key} {}#{}", status_of(json), revision_of(json)))
            .collect();
        rows.sort();
        if rows.is_empty() { "nothing".to_owned() } else { rows.join(", ") }
    }

    fn watermark(&self) -> String {
        let at = self.flow.watermark().map_or("unknown".to_owned(), |w| w.to_string());
        match self.flow.ledgers[0].watermark_holder() {
            Some(holder) if self.partitions > 1 => {
                format!("{at} held by {}[{}]", holder.group, holder.part)
            }
            _ => at,
        }
    }
}

/// One key of `!job`.
fn set(job: &mut Definition, key: &str, value: &str) {
    let list = || value.split(',');
    match key {
        "zone" => job.calendar = crate::oracle::calendar(value),
        "currency" => job.currency = currency(value),
        // `GBP@2026-03-01:1.25`: what a pound is from that day on.
        "rates" => {
            for (from, rate) in list().filter_map(|r| r.split_once(':')) {
                let (from, day) = from.split_once('@').expect("a currency and a day");
                let day = Day::parse(day).expect("a date");
                job.fx.insert(currency(from), day, rate.parse().expect("a rate"));
            }
        }
        "settle" => job.settle = span(value),
        "fine" => job.retention.fine = span(value),
        "days" => job.retention.days = Some(value.parse().expect("a number")),
        "credit" => job.attribution = Attribution::parse(value).expect("a rule of credit"),
        // `r1@2026-03-15:S`: from that day on the rep r1 is of the territory S.
        "moves" => {
            for (rep, territory) in list().filter_map(|r| r.split_once(':')) {
                let (rep, day) = rep.split_once('@').expect("a rep and a day");
                let entry = job.directory.reps.entry(rep.to_owned()).or_default();
                let values = [("territory".to_owned(), territory.to_owned())].into();
                entry.moves.insert(Day::parse(day).expect("a date"), values);
            }
        }
        "windows" => job.windows = list().map(window).collect(),
        "segments" => {
            let dimensions = |set: &str| match set {
                "overall" => Vec::new(),
                set => set.split('+').map(str::to_owned).collect(),
            };
            job.segments = list().map(dimensions).collect();
        }
        // `demos_per_win:demos/deals_won`: a KPI of one's own.
        "own" => {
            let table = |(name, text)| format!("[kpis.custom.{name}]\nformula = \"{text}\"\n");
            let text: String = list().filter_map(|k| k.split_once(':')).map(table).collect();
            let config = Config::from_toml(&text, "own.toml", std::iter::empty()).expect("KPIs");
            let own = config.definition.kpis.own().to_vec();
            job.kpis = job.kpis.clone().with_own(own);
        }
        "reps" => {
            for (rep, territory) in list().filter_map(|r| r.split_once(':')) {
                let values = [("territory".to_owned(), territory.to_owned())].into();
                job.directory.reps.entry(rep.to_owned()).or_default().values = values;
            }
        }
        // `r-1:close/7`: the rep r-1 is 7 in close.
        "ids" => {
            for (rep, known) in list().filter_map(|r| r.split_once(':')) {
                let (place, id) = known.split_once('/').expect("a system and an id");
                let entry = job.directory.reps.entry(rep.to_owned()).or_default();
                entry.ids.insert(place.to_owned(), id.to_owned());
            }
        }
        // `2:4-5-4:nearest:saturday`, or `4:months`: the windows named after it are of this year.
        "fiscal" => set_fiscal(job, value),
        "stages" => {
            // `closedwon:won`, or `renewals/closedwon:open` in one pipeline.
            for (stage, status) in list().filter_map(|s| s.split_once(':')) {
                let (pipeline, stage) = stage.split_once('/').unwrap_or(("", stage));
                let status = Status::parse(status).expect("open, won or lost");
                let place = (String::new(), pipeline.to_owned());
                job.stages.insert(place, stage, Stage::of(status));
            }
        }
        _ => panic!("no such key of !job: {key}"),
    }
}

fn set_fiscal(job: &mut Definition, value: &str) {
    let parts: Vec<&str> = value.split(':').collect();
    let mut fiscal = Fiscal {
        first_month: parts[0].parse().expect("a month"),
        pattern: Pattern::parse(parts[1]).expect("a pattern"),
        ..Fiscal::default()
    };
    if let [_, _, rule, weekday] = parts[..] {
        let weekday = Weekday::parse(weekday).expect("a weekday");
        let last = rule == "last";
        fiscal.end = if last { YearEnd::Last(weekday) } else { YearEnd::Nearest(weekday) };
    }
    for kind in &mut job.windows {
        *kind = match *kind {
            WindowKind::Calendar(period) => WindowKind::Calendar(period.of_fiscal(fiscal)),
            WindowKind::ToDate(period) => WindowKind::ToDate(period.of_fiscal(fiscal)),
            rolling => rolling,
        };
    }
}

fn window(name: &str) -> WindowKind {
    if let Some(period) = Period::parse(name) {
        return WindowKind::Calendar(period);
    }
    if let Some(period) = name.strip_suffix("_to_date").and_then(Period::parse) {
        return WindowKind::ToDate(period);
    }
    let length = name.strip_prefix("rolling_").expect("a kind of window");
    let minutes = u32::try_from(span(length).0 / 60_000_000).expect("in range");
    WindowKind::rolling(minutes).expect("a rolling window")
}

fn span(text: &str) -> Span {
    let (n, unit) = text.split_at(text.len() - 1);
    let n: i64 = n.parse().expect("a number");
    match unit {
        "s" => Span::seconds(n),
        "m" => Span::minutes(n),
        "h" => Span::minutes(n * 60),
        "d" => Span::days(n),
        _ => panic!("no unit: {text}"),
    }
}

fn number(partition: &str) -> u32 {
    partition.trim_start_matches('p').parse().expect("a partition such as p0")
}

/// What an event says, in words: `won 100.00 EUR owner r1`.
fn say(event: &mut Value, fields: &mut Map<String, Value>, what: &[&str]) {
    let mut words = what.iter().copied().peekable();
    while let Some(word) = words.next() {
        match word {
            "created" => event["op"] = json!("create"),
            "seen" => event["op"] = json!("snapshot"),
            "deleted" => event["op"] = json!("delete"),
            "restored" => event["op"] = json!("restore"),
            "gap" => event["kind"] = json!("gap"),
            "from" => event["system"] = json!(words.next().expect("which system")),
            "through" => event["source"] = json!(words.next().expect("which source")),
            "merged" => {
                event["op"] = json!("merge");
                event["merged_into"] = json!(words.next().expect("into which"));
            }
            "won" | "lost" | "open" => _ = fields.insert("status".to_owned(), json!(word)),
            "order" => {
                let order = words.next().expect("a number").parse::<i64>().expect("a number");
                event["order"] = json!([order, 0]);
            }
            amount if amount.parse::<f64>().is_ok() => {
                let currency = words.next().expect("a currency");
                let money = json!({"value": amount, "currency": currency});
                fields.insert("amount".to_owned(), money);
            }
            field => {
                let value = match words.next().unwrap_or_else(|| panic!("{field} of what?")) {
                    "null" => Value::Null,
                    "true" => json!(true),
                    "false" => json!(false),
                    text => typed(field, text, &mut words),
                };
                fields.insert(field.to_owned(), value);
            }
        }
    }
}

/// A value as its field takes it: money is `refunded 5 EUR`, a number `score 9`.
fn typed<'a>(field: &str, text: &str, words: &mut impl Iterator<Item = &'a str>) -> Value {
    match Field::parse(field).map(Field::field_type) {
        Some(FieldType::Money) => {
            json!({"value": text, "currency": words.next().expect("a currency")})
        }
        // `splits r1=0.6+r2=0.4+overlay:r3=0.25`
        Some(FieldType::Splits) => text.split('+').map(split).collect(),
        Some(FieldType::Number) => json!(text.parse::<f64>().expect("a number")),
        _ => json!(text),
    }
}

fn split(text: &str) -> Value {
    let (kind, text) = text.split_once(':').unwrap_or(("revenue", text));
    let (owner, share) = text.split_once('=').expect("an owner and a share");
    json!({"owner": owner, "share": share, "type": kind})
}
