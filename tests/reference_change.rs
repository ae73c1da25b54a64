//! A changed directory on a running job: what the former owner published behind its last image must
//! not count beside what the new one publishes.

use std::sync::Arc;

use tidemark::config::Config;
use tidemark::intake::{Decoder, Limits};
use tidemark::ledger::Ledger;
use tidemark::model::alive::Alive;
use tidemark::model::definition::{Definition, DirectoryEntry};
use tidemark::model::measure::Measure;
use tidemark::model::partial::{PartialMessage, ShardBeat};
use tidemark::model::record::{Offset, Partition, Record};
use tidemark::model::source::{Reading, System};
use tidemark::model::time::{Day, Span, Timestamp};
use tidemark::model::watermark::Heartbeat;
use tidemark::rollup::Rollup;

const DEALS: u64 = 20;

fn definition(territory: &str) -> Arc<Definition> {
    let text =
        "[topology]\nshards = 1\npartitions = 1\n[segments]\nsets = [\"overall\", \"territory\"]\n";
    let config = Config::from_toml(text, "test", std::iter::empty()).unwrap();
    let mut definition = config.definition;
    let values = [("territory".to_owned(), territory.to_owned())].into();
    let entry = DirectoryEntry { values, ..DirectoryEntry::default() };
    definition.directory.reps.insert("r1".to_owned(), entry);
    Arc::new(definition)
}

fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-03-20T00:00:00Z").unwrap()
}

fn fold(ledger: &mut Ledger, from: u64, to: u64) {
    (from..to).for_each(|i| fold_one(ledger, (i, i), "create"));
}

/// Folds an event of a deal.
fn fold_one(ledger: &mut Ledger, (at, i): (u64, u64), op: &str) {
    let day = 1 + i % 15;
    let text = format!(
        r#"{{"id":"{at}","entity":{{"type":"deal","id":"{i}"}},"op":"{op}","time":"2026-03-{day:02}T10:00:00Z","set":{{"owner":"r1","status":"won"}}}}"#
    );
    apply(ledger, at, text);
}

fn apply(ledger: &mut Ledger, at: u64, text: String) {
    let decoder = Decoder {
        source: "s".into(),
        system: System::Canonical,
        reading: Reading::default(),
        calendar: definition("x").calendar.clone(),
        limits: Limits { max_record_bytes: 10_000, max_array: 1, future_limit: Span::days(1) },
    };
    let record = Record {
        topic: "t".into(),
        partition: Partition(0),
        offset: Offset(at),
        timestamp_ms: None,
        key: None,
        value: Some(text.into_bytes()),
        headers: Vec::new(),
    };
    ledger.apply(Offset(at), &decoder.take(&record, None).events[0]);
}

fn beat(ledger: &mut Ledger, offset: u64) -> ShardBeat {
    let (topic, topology) = ("t".to_owned(), vec![("t".to_owned(), 1)]);
    ledger.beat(
        Offset(offset),
        &Heartbeat {
            topic,
            partition: 0,
            topology,
            watermark: now(),
            idle: false,
            next: 0,
            newest: Some(now()),
            mark: None,
        },
    );
    ledger.progress()
}

/// The same where the directory knows "r1" of the source's system as someone with an id of its own.
fn claimed(territory: &str) -> Arc<Definition> {
    let mut definition = Arc::unwrap_or_clone(definition(territory));
    let mut entry = definition.directory.reps.remove("r1").unwrap();
    entry.ids.insert("canonical".to_owned(), "r1".to_owned());
    definition.directory.reps.insert("ana".to_owned(), entry);
    definition.segments.push(vec!["rep".to_owned()]);
    Arc::new(definition)
}

/// The same without the claim: nobody knows whose id "r1" is.
fn unclaimed(territory: &str) -> Arc<Definition> {
    let mut definition = Arc::unwrap_or_clone(claimed(territory));
    definition.directory.reps.get_mut("ana").unwrap().ids.clear();
    Arc::new(definition)
}

/// Deals won in March, by segment.
fn won(rollup: &mut Rollup) -> Vec<(String, i128)> {
    rollup.tick(now());
    let march = rollup.current_rows().into_iter().filter(|r| r.kind.name() == "month");
    let mut out: Vec<_> = march
        .map(|r| {
            let won = r.kpis.iter().find(|(name, ..)| *name == "deals_won").unwrap().2.n;
            (r.segment.to_string(), won)
        })
        .filter(|(_, won)| *won != 0)
        .collect();
    out.sort();
    out
}

/// What the group `distribution` is made of is kept where one of its KPIs is asked for and nowhere
/// else; asked for later, the past is counted too.
#[test]
fn closings_are_kept_one_by_one_where_that_is_asked_for() {
    let job = |kpis: &str| {
        let text = format!(
            "[topology]\nshards = 1\npartitions = 1\n[segments]\nsets = [\"overall\"]\n[kpis]\n{kpis}"
        );
        Arc::new(Config::from_toml(&text, "test", std::iter::empty()).unwrap().definition)
    };
    let close = |ledger: &mut Ledger, at: u64, status: &str| {
        let set = r#""amount":{"value":100,"currency":"EUR"}"#;
        let text = format!(
            r#"{{"id":"{at}","entity":{{"type":"deal","id":"{at}"}},"op":"create","time":"2026-03-02T10:00:00Z","set":{{{set},"status":"{status}"}}}}"#
        );
        apply(ledger, at, text);
    };
    let told = |ledger: &mut Ledger| {
        let cells = ledger.publish().cells;
        [Measure::CycleLost, Measure::WonAmounts]
            .map(|m| cells.iter().map(|cell| cell.measures.total(m)).max().unwrap_or(0))
    };
    let plain = job("groups = [\"deals\"]\n");
    let folded = |job: &Arc<Definition>| {
        let mut ledger = Ledger::new(job.clone(), Partition(0));
        close(&mut ledger, 0, "won");
        close(&mut ledger, 1, "lost");
        ledger
    };
    assert_eq!(told(&mut folded(&plain)), [0; 2]);
    for kpis in [
        "groups = [\"deals\", \"distribution\"]\n",
        "groups = [\"deals\"]\n[kpis.custom.half]\nformula = \"deal_size_p50 / 2\"\n",
        "groups = [\"deals\"]\n[kpis.custom.known]\nformula = \"cycle_lost / deals_lost\"\n",
    ] {
        let asked = job(kpis);
        assert_eq!(told(&mut folded(&asked)), [1; 2], "{kpis}");
        assert_eq!(asked.hash(), plain.hash());
        assert_ne!(asked.reference_hash(), plain.reference_hash(), "{kpis}");
        let image = folded(&plain).image();
        let mut ledger = Ledger::restore(asked, Partition(0), &image).unwrap();
        close(&mut ledger, 2, "won");
        assert_eq!(told(&mut ledger), [1, 2], "{kpis}");
    }
}

#[test]
fn a_shard_tells_on_which_days_something_happened_also_behind_a_restart() {
    let mut ledger = Ledger::new(definition("x"), Partition(0));
    fold(&mut ledger, 0, 3);
    ledger.publish();
    let mut days = Alive::default();
    for day in ["2026-03-01", "2026-03-02", "2026-03-03"] {
        days.add(Day::parse(day).unwrap().0);
    }
    assert_eq!(beat(&mut ledger, 3).alive.as_ref(), Some(&days));
    let mut next = Ledger::restore(definition("x"), Partition(0), &ledger.image()).unwrap();
    assert_eq!(next.progress().alive, Some(days));
    fold(&mut next, 4, 5);
    next.publish();
    assert_ne!(next.progress().alive, ledger.progress().alive);

    // What is taken back was never there, in between or behind a restart.
    fold_one(&mut next, (5, 1), "delete");
    next.publish();
    let days = ["2026-03-01", "2026-03-03", "2026-03-05"].map(|day| Day::parse(day).unwrap().0);
    assert_eq!(next.progress().alive, Some(days.into_iter().collect()));
    let behind = Ledger::restore(definition("x"), Partition(0), &next.image()).unwrap();
    assert_eq!(behind.progress().alive, next.progress().alive);
}

#[test]
fn cells_published_behind_the_image_count_no_more() {
    let total = i128::from(DEALS);
    let mut log: Vec<PartialMessage> = Vec::new();
    // The former owner: an image in the middle, publications up to the end.
    let mut west = Ledger::new(definition("West"), Partition(0));
    fold(&mut west, 0, DEALS / 2);
    let image = west.image();
    fold(&mut west, DEALS / 2, DEALS);
    log.extend(west.publish().cells.into_iter().map(PartialMessage::Cell));
    log.push(PartialMessage::Beat(beat(&mut west, DEALS)));
    let mut rollup = Rollup::new(definition("West"), Partition(0), now());
    for (i, message) in log.iter().enumerate() {
        rollup.merge(Offset(i as u64), message.clone());
    }
    assert_eq!(won(&mut rollup), [("overall".into(), total), ("territory=West".into(), total)]);

    // The next owner: another directory, from the image, folded to the log's end.
    let mut east = Ledger::restore(definition("East"), Partition(0), &image).unwrap();
    east.re_emit();
    east.hold_until(Offset(DEALS + 1));
    fold(&mut east, DEALS / 2, DEALS - 1);
    assert!(east.publish().cells.is_empty(), "an epoch that is not complete must not show");
    fold(&mut east, DEALS - 1, DEALS);
    let progress = beat(&mut east, DEALS);
    log.extend(east.publish().cells.into_iter().map(PartialMessage::Cell));
    log.push(PartialMessage::Beat(progress));

    // For a rollup that saw it all, for one that starts afterwards, and for one that reads the
    // former owner's partials last, as a zombie writes them.
    let expected = [("overall".to_owned(), total), ("territory=East".to_owned(), total)];
    let zombie: Vec<PartialMessage> = log.iter().cloned().chain(log[..3].iter().cloned()).collect();
    for messages in [&log, &zombie] {
        let mut rollup = Rollup::new(definition("East"), Partition(0), now());
        for (i, message) in messages.iter().enumerate() {
            rollup.merge(Offset(i as u64), message.clone());
            if i % 7 == 0 {
                rollup.tick(now());
            }
        }
        assert_eq!(won(&mut rollup), expected);
    }
}

#[test]
fn a_rep_whose_other_id_is_stated_later_gets_what_was_won_before() {
    let total = i128::from(DEALS);
    let mut before = Ledger::new(unclaimed("West"), Partition(0));
    fold(&mut before, 0, DEALS);
    let mut log: Vec<PartialMessage> =
        before.publish().cells.into_iter().map(PartialMessage::Cell).collect();
    log.push(PartialMessage::Beat(beat(&mut before, DEALS)));
    let image = before.image();
    let mut rollup = Rollup::new(unclaimed("West"), Partition(0), now());
    for (i, message) in log.iter().enumerate() {
        rollup.merge(Offset(i as u64), message.clone());
    }
    let unknown = ["overall", "rep=r1", "territory=unknown"].map(|s| (s.to_owned(), total));
    assert_eq!(won(&mut rollup), unknown);

    let mut after = Ledger::restore(claimed("West"), Partition(0), &image).unwrap();
    let at = log.len() as u64;
    log.extend(after.publish().cells.into_iter().map(PartialMessage::Cell));
    log.push(PartialMessage::Beat(beat(&mut after, DEALS + 1)));
    assert!(log.len() as u64 > at + 1, "the image was counted anew");
    let mut rollup = Rollup::new(claimed("West"), Partition(0), now());
    for (i, message) in log.iter().enumerate() {
        rollup.merge(Offset(i as u64), message.clone());
    }
    let known = ["overall", "rep=ana", "territory=West"].map(|s| (s.to_owned(), total));
    assert_eq!(won(&mut rollup), known);
    let mut fresh = Ledger::new(claimed("West"), Partition(0));
    fold(&mut fresh, 0, DEALS);
    beat(&mut fresh, DEALS);
    after.re_emit();
    let cells = |ledger: &mut Ledger| {
        let cells = ledger.publish().cells.into_iter().filter(|cell| !cell.measures.is_zero());
        cells.map(|cell| (cell.segment, cell.slice, cell.measures)).collect::<Vec<_>>()
    };
    assert!(cells(&mut after) == cells(&mut fresh), "not as if it had been known from the start");
}
