//! Measures of one's own over random histories: deals that are amended, reopened, handed over and
//! deleted, activities that are undone, orders whose payment is corrected; conditions over fields that
//! change and are cleared. Whatever the order of arrival, and whatever was lost on the way, each is
//! what a recount gives that shares no code with the folds; and a changed configuration never mixes
//! what it meant before with what it means now.

#[path = "support/oracle_flow.rs"]
mod flow;
#[path = "own_measures/history.rs"]
mod history;
#[path = "support/oracle.rs"]
mod oracle;

use std::collections::BTreeMap;
use std::sync::Arc;

use flow::Flow;
use history::{Told, events, time, told};
use oracle::{Random, at, deliver};
use proptest::prelude::*;
use serde_json::{Value, json};
use tidemark::config::Config;
use tidemark::ledger::{ImageError, Ledger};
use tidemark::model::definition::Definition;
use tidemark::model::event::EntityKind;
use tidemark::model::kpi::Number;
use tidemark::model::money::EXACT_ONE;
use tidemark::model::record::Partition;
use tidemark::model::row::Row;
use tidemark::rollup::Rollup;

const START: &str = "2026-03-01T00:00:00Z";
const DAYS: i64 = 40;
const HOUR: i64 = 3_600_000_000;

const MEASURES: &str = r#"
[measures.demo_calls]
of = "activity"
at = "done"
where = "kind in ('meeting', 'call') and x.demo = 'YES'"

[measures.talk]
of = "activity"
at = "done"
where = "outcome != 'no answer'"
sum = "duration_s"

[measures.health]
of = "deal"
at = "won"
where = "x.industry in ('Health', 'pharma')"
sum = "amount"

[measures.lost_for_nothing]
of = "deal"
at = "lost"
where = "lost_reason is unknown"

[measures.northern]
of = "deal"
at = "closed"
where = "territory = 'North' and not rep = 'r2'"

[measures.large]
of = "deal"
at = "created"
where = "type = 'enterprise' or type = 'corporate'"

[measures.seats]
of = "order"
at = "paid"
where = "not (plan = 'free')"
sum = "x.seats"

[measures.cost]
of = "deal"
at = "won"
sum = "x.cost"
unit = "money"
"#;

const KPIS: &str = r#"
[kpis.custom]
k_demo_calls = { formula = "demo_calls" }
k_talk = { formula = "talk" }
k_health = { formula = "health" }
k_lost_for_nothing = { formula = "lost_for_nothing" }
k_northern = { formula = "northern" }
k_large = { formula = "large" }
k_seats = { formula = "seats" }
k_cost = { formula = "cost" }
margin = { formula = "(revenue - cost) / revenue" }
health_a_demo = { formula = "health / demo_calls" }
"#;

const KEYS: [&str; 8] =
    ["demo_calls", "talk", "health", "lost_for_nothing", "northern", "large", "seats", "cost"];

fn job(measures: &str, kpis: &str) -> Definition {
    let text = format!(
        "[topology]\nshards = 3\npartitions = 2\n[time]\nzone = \"UTC\"\n[windows]\nrolling = []\n\
         calendar = [\"day\", \"month\"]\nto_date = []\n[segments]\n\
         sets = [\"overall\", \"rep\", \"territory\"]\n[money]\ncurrency = \"EUR\"\n\
         [[fx.rate]]\ndate = \"2026-01-01\"\nfrom = \"GBP\"\nto = \"EUR\"\nrate = \"1.25\"\n\
         [[directory.rep]]\nid = \"r1\"\nterritory = \"north\"\n\
         [[directory.rep]]\nid = \"r2\"\nterritory = \"north\"\n\
         [[directory.rep]]\nid = \"r3\"\nterritory = \"south\"\n{measures}{kpis}"
    );
    match Config::from_toml(&text, "test", std::iter::empty()) {
        Ok(config) => config.definition,
        Err(error) => panic!("{error}"),
    }
}

/// What a recount knows of an entity: what was stated of each field, when, in order.
struct Known<'t> {
    writes: BTreeMap<&'t str, Vec<(i64, &'t Value)>>,
    born: Option<i64>,
    exists: bool,
}

impl Known<'_> {
    fn of(told: &Told) -> Known<'_> {
        let mut out = Known { writes: BTreeMap::new(), born: None, exists: true };
        let mut hours = 0;
        for step in &told.steps {
            hours += step.hours;
            match step.op {
                "create" => out.born = Some(hours),
                "delete" => out.exists = false,
                _ => {}
            }
            if matches!(step.op, "create" | "restore" | "snapshot") {
                out.exists = true;
            }
            for (name, value) in &step.set {
                out.writes.entry(name).or_default().push((hours, value));
            }
        }
        out
    }

    fn now(&self, field: &str) -> Option<&Value> {
        self.writes.get(field)?.last().map(|(_, value)| *value).filter(|value| !value.is_null())
    }

    fn is(&self, field: &str, texts: &[&str]) -> bool {
        let text = self.now(field).and_then(Value::as_str).map(str::to_lowercase);
        text.is_some_and(|text| texts.contains(&text.as_str()))
    }

    /// When the last run of such values began.
    fn since(&self, field: &str, such: impl Fn(&Value) -> bool) -> Option<i64> {
        let all = self.writes.get(field)?;
        all.iter().rev().take_while(|(_, value)| such(value)).last().map(|(hours, _)| *hours)
    }

    fn owner(&self, hours: i64) -> Option<&str> {
        let all = self.writes.get("owner")?;
        all.iter().rev().find(|(at, _)| *at <= hours)?.1.as_str()
    }
}

fn territory(rep: Option<&str>) -> Option<&'static str> {
    match rep {
        Some("r1" | "r2") => Some("north"),
        Some("r3") => Some("south"),
        _ => None,
    }
}

/// Value in 10^-12, n, and what is in a currency without a rate.
type Sum = (i128, i128, i128);
/// By window, segment and measure.
type Sums = BTreeMap<(String, String, &'static str), Sum>;

fn decimal(text: &str) -> Option<i128> {
    let text = text.trim();
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part: i128 = if part.is_empty() { 0 } else { format!("{part:0<12}").parse().ok()? };
    Some(sign * (whole.parse::<i128>().ok()? * EXACT_ONE + part))
}

fn recount(told: &[Told]) -> Sums {
    let mut out = Sums::new();
    for entity in told {
        let known = Known::of(entity);
        if !known.exists {
            continue;
        }
        let mut add = |measure: &'static str, hours: i64, fact: i64, (value, n, parked): Sum| {
            let rep = known.owner(fact);
            let of = |dimension: &str, value: Option<&str>| {
                format!("{dimension}={}", value.unwrap_or("unknown"))
            };
            let segments = ["overall".to_owned(), of("rep", rep), of("territory", territory(rep))];
            let day = time(hours).to_string()[..10].to_owned();
            for window in [day.clone(), day[..7].to_owned()] {
                for segment in &segments {
                    let sum = out.entry((window.clone(), segment.clone(), measure)).or_default();
                    *sum = (sum.0 + value, sum.1 + n, sum.2 + parked);
                }
            }
        };
        let one: Sum = (EXACT_ONE, 1, 0);
        match entity.kind {
            "deal" => deal(&known, one, &mut add),
            "activity" => activity(&known, one, &mut add),
            _ => order(&known, &mut add),
        }
    }
    out
}

fn converted(value: i128, currency: &str) -> Sum {
    match currency {
        "EUR" => (value, 1, 0),
        "GBP" => (value / 4 * 5, 1, 0),
        _ => (0, 0, value),
    }
}

fn deal(known: &Known<'_>, one: Sum, add: &mut impl FnMut(&'static str, i64, i64, Sum)) {
    if let Some(born) = known.born
        && known.is("type", &["enterprise", "corporate"])
    {
        add("large", born, born, one);
    }
    let last = known.writes.get("status").and_then(|all| all.last()).map(|(_, value)| *value);
    let Some(status) = last.filter(|status| *status == "won" || *status == "lost") else { return };
    let Some(closed) = known.since("status", |value| value == status) else { return };
    let rep = known.owner(closed);
    if territory(rep) == Some("north") && rep != Some("r2") {
        add("northern", closed, closed, one);
    }
    if status == "lost" && known.now("lost_reason").is_none() {
        add("lost_for_nothing", closed, closed, one);
    }
    if status == "lost" {
        return;
    }
    let amount = known.now("amount");
    if let Some(cost) = known.now("x.cost").and_then(Value::as_str).and_then(decimal) {
        let currency = amount.and_then(|amount| amount["currency"].as_str());
        add("cost", closed, closed, converted(cost, currency.unwrap_or("EUR")));
    }
    if let Some(amount) = amount
        && known.is("x.industry", &["health", "pharma"])
    {
        let value = amount["value"].as_str().and_then(decimal).expect("a decimal");
        add("health", closed, closed, converted(value, amount["currency"].as_str().unwrap()));
    }
}

fn activity(known: &Known<'_>, one: Sum, add: &mut impl FnMut(&'static str, i64, i64, Sum)) {
    let Some(done) = known.since("done", |value| *value == json!(true)) else { return };
    if known.is("kind", &["meeting", "call"]) && known.is("x.demo", &["yes"]) {
        add("demo_calls", done, done, one);
    }
    if let Some(seconds) = known.now("duration_s").and_then(Value::as_i64)
        && !known.is("outcome", &["no answer"])
    {
        add("talk", done, done, (i128::from(seconds) * EXACT_ONE, 1, 0));
    }
}

fn order(known: &Known<'_>, add: &mut impl FnMut(&'static str, i64, i64, Sum)) {
    let Some(paid) = known.now("paid_at").and_then(Value::as_str).map(at) else { return };
    let fact = known.since("paid_at", |value| !value.is_null()).expect("it is held");
    let seats = known.now("x.seats").and_then(Value::as_str).and_then(decimal);
    if let Some(seats) = seats.filter(|_| !known.is("plan", &["free"])) {
        add("seats", (paid.0 - at(START).0) / HOUR, fact, (seats, 1, 0));
    }
}

fn calendar_rows(flow: &Flow) -> Vec<Row> {
    let first = flow.rollups.iter().filter_map(Rollup::first_day).min();
    let rollups = flow.rollups.iter();
    rollups.flat_map(|r| first.into_iter().flat_map(|day| r.calendar_rows(day))).collect()
}

/// The same of rows, as far as they say something.
fn found(rows: &[Row]) -> Sums {
    let mut out = Sums::new();
    for row in rows {
        let start = row.start.to_string();
        let window = if row.kind.name() == "day" { &start[..10] } else { &start[..7] };
        for key in KEYS {
            let name = format!("k_{key}");
            let (_, _, value) = row.kpis.iter().find(|(kpi, ..)| *kpi == name).expect("a KPI");
            let number = match value.value.expect("a sum is never absent") {
                Number::Exact(exact) => exact.0,
                // Minutes; whole seconds are told apart.
                Number::Float(minutes) => (minutes * 60.0).round() as i128 * EXACT_ONE,
            };
            let parked = value.unconverted.iter().map(|(_, n)| n.0).sum();
            let segment = row.segment.to_string();
            let at = (window.to_owned(), segment, key);
            assert!(out.insert(at, (number, value.n, parked)).is_none());
        }
    }
    out
}

fn spoken(mut sums: Sums) -> Sums {
    sums.retain(|_, sum| *sum != (0, 0, 0));
    sums
}

fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { 96 };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_delivery_gives_what_a_recount_gives(told in told(), seed in any::<u64>()) {
        let mut random = Random::new(seed);
        let mut flow = Flow::new(job(MEASURES, KPIS), at(START));
        let mut images: Vec<Option<Vec<u8>>> = vec![None; flow.ledgers.len()];
        for source in deliver(&events(&told), 30, seed) {
            flow.accept(&source);
            let shard = random.below(images.len());
            match random.below(6) {
                0 => { flow.fold(shard, usize::MAX); images[shard] = Some(flow.ledgers[shard].image()); }
                1 => flow.restart_ledger(shard, images[shard].clone().as_deref()),
                2 => _ = flow.settle(time(random.below(900) as i64)),
                3 => flow.restart_rollups(),
                _ => {}
            }
        }
        flow.settle(time(DAYS * 24));
        prop_assert_eq!(spoken(found(&calendar_rows(&flow))), spoken(recount(&told)));
    }

    /// What the image has been counting is no matter: the entities tell what a changed measure asks.
    #[test]
    fn a_change_of_measures_counts_the_past_anew(told in told(), seed in any::<u64>()) {
        // Another meaning under the same names, and one more that asks for the same fields.
        let before = MEASURES
            .replace("'YES'", "'no'")
            .replace("('Health', 'pharma')", "('steel')")
            .replace("is unknown", "is known")
            .replace("[measures.seats]", "[measures.chairs]");
        let (old, new) = (job(&before, &KPIS.replace("\"seats\"", "\"chairs\"")), job(MEASURES, KPIS));
        prop_assert_eq!(old.hash(), new.hash());
        let mut flow = Flow::new(old, at(START));
        for source in deliver(&events(&told), 10, seed) {
            flow.accept(&source);
        }
        flow.settle(time(DAYS * 24));
        let published = flow.partials.clone();
        flow.definition = Arc::new(new.clone());
        // A rollup of the new configuration over cells of the former one: nothing is taken for what it
        // is not, and what is the same counts on.
        flow.restart_rollups();
        flow.tick(time(DAYS * 24));
        let mut same = recount(&told);
        let changed = ["demo_calls", "health", "lost_for_nothing"];
        same.retain(|(.., measure), _| !changed.contains(measure));
        prop_assert_eq!(spoken(found(&calendar_rows(&flow))), spoken(same));
        // Then shard by shard starts with the new one.
        for shard in 0..flow.ledgers.len() {
            let image = flow.ledgers[shard].image();
            flow.restart_ledger(shard, Some(&image));
            // Under the same offset the former values stand published: one more event is needed.
            prop_assert!(flow.ledgers[shard].begins_epoch());
        }
        prop_assert!(flow.partials == published);
        flow.publish_all();
        flow.merge_all();
        flow.tick(time(DAYS * 24));
        prop_assert_eq!(spoken(found(&calendar_rows(&flow))), spoken(recount(&told)));
    }
}

/// What was not kept cannot be asked of the past: the job says so instead of counting from now on.
#[test]
fn a_field_that_was_not_kept_is_a_new_generation() {
    let (none, all) = (job("", ""), job(MEASURES, KPIS));
    let kept = [
        (EntityKind::Deal, "lost_reason"),
        (EntityKind::Deal, "type"),
        (EntityKind::Deal, "x.cost"),
        (EntityKind::Deal, "x.industry"),
        (EntityKind::Activity, "x.demo"),
        (EntityKind::Order, "plan"),
        (EntityKind::Order, "x.seats"),
    ];
    assert_eq!(all.kept(), kept.map(|(of, name)| (of, name.to_owned())).into());
    assert_ne!(none.hash(), all.hash());
    let image = Ledger::new(Arc::new(none.clone()), Partition(0)).image();
    let restored = Ledger::restore(Arc::new(all), Partition(0), &image);
    assert!(matches!(restored, Err(ImageError::Definition { .. })));
    // What the ledger keeps anyway can be asked for at any time.
    let plain = "[measures.long_calls]\nof = \"activity\"\nat = \"done\"\n\
                 where = \"kind = 'call' and outcome is known and territory = 'north'\"\n\
                 sum = \"duration_s\"\n";
    let plain = job(plain, "");
    assert!(plain.kept().is_empty());
    assert_eq!(none.hash(), plain.hash());
    assert_ne!(none.reference_hash(), plain.reference_hash());
    let restored = Ledger::restore(Arc::new(plain), Partition(0), &image).expect("it can go on");
    assert!(restored.begins_epoch());
}

/// Names, notes and the order of the configuration decide no number.
#[test]
fn only_the_meaning_counts() {
    let named = job(&MEASURES.replace("measures.seats", "measures.chairs"), "");
    let noted = MEASURES.replace("at = \"paid\"", "at = \"paid\"\ndoc = \"Chairs sold.\"");
    for other in [named, job(&noted, "")] {
        assert_eq!(job(MEASURES, "").reference_hash(), other.reference_hash());
    }
    let other = job(&MEASURES.replace("'YES'", "'no'"), "");
    assert_ne!(job(MEASURES, "").reference_hash(), other.reference_hash());
    // A second name of one meaning is not counted twice.
    let twice = format!("{MEASURES}{}", MEASURES.replace("[measures.", "[measures.also_"));
    assert_eq!(job(MEASURES, "").reference_hash(), job(&twice, "").reference_hash());
    let event = json!({
        "id": "1", "entity": {"type": "deal", "id": "1"}, "op": "create",
        "time": time(5).to_string(), "set": {"type": "enterprise"},
    });
    let mut flow = Flow::new(job(&twice, KPIS), at(START));
    flow.accept(&deliver(&[event], 0, 1)[0]);
    flow.settle(time(24));
    let rows = spoken(found(&calendar_rows(&flow)));
    assert_eq!(rows[&("2026-03".to_owned(), "overall".to_owned(), "large")], (EXACT_ONE, 1, 0));
}
