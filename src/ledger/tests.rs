//! The rules, one at a time: what an event does to the cells that leave the shard.

mod amended;
mod channels;
mod own_measures;
mod visits;
mod zones;

use std::collections::BTreeMap;

use super::*;
use crate::model::calendar::Calendar;
use crate::model::definition::{Attribution, DirectoryEntry, Stage};
use crate::model::event::{EntityKind, EntityRef, Flags, Status};
use crate::model::measure::{Measure, MeasureKey};
use crate::model::money::{Currency, EXACT_ONE, Money};
use crate::model::partial::version;
use crate::model::slice::{Retention, Tier};
use crate::model::time::{Precision, Span};
use crate::model::window::WindowKind;

const HOUR: i64 = 3_600_000_000;

pub(super) fn definition() -> Definition {
    let set = |dimensions: &[&str]| dimensions.iter().map(|d| (*d).to_owned()).collect();
    Definition {
        shards: 1,
        partitions: 1,
        calendar: Calendar::of("UTC").unwrap(),
        zones: Default::default(),
        retention: Retention { fine: Span::days(8), days: Some(40) },
        windows: vec![WindowKind::RollingDays(28)],
        segments: vec![set(&[]), set(&["rep"]), set(&["territory"])],
        currency: Currency::parse("EUR").unwrap(),
        fx: crate::model::fx::Fx::default(),
        attribution: Attribution::AtEvent,
        settle: Span::minutes(5),
        cycle_from: Default::default(),
        stages: crate::model::definition::StageTable::default(),
        directory: crate::model::definition::Directory::default(),
        channels: Default::default(),
        kpis: crate::model::kpi::Kpis::ALL,
        measures: Default::default(),
        work: crate::model::workdays::WorkCalendars::default(),
        targets: crate::model::target::Targets::default(),
        sizes: false,
        customers: Default::default(),
    }
}

fn day(n: i32) -> Timestamp {
    Timestamp(i64::from(n) * 24 * HOUR)
}

fn event<'a>(op: Op, time: Timestamp, set: &[(Field, Value<'a>)]) -> Event<'a> {
    Event {
        id: "e".into(),
        tenant: "default".into(),
        source: "crm".into(),
        system: "hubspot".into(),
        kind: EventKind::Patch,
        entity: EntityRef { kind: EntityKind::Deal, id: "D1".into() },
        op,
        merged_into: None,
        time,
        precision: Precision::Millis,
        order: [time.millis(), 0],
        set: set.iter().map(|(f, v)| (FieldName::Known(*f), v.clone())).collect(),
        flags: Flags::default(),
        raw: None,
    }
}

fn text(text: &str) -> Value<'_> {
    Value::Text(text.into())
}

fn euros(n: i64) -> Value<'static> {
    let currency = Currency::parse("EUR").unwrap();
    Value::Money(Money { amount: n.to_string().parse().unwrap(), currency })
}

const WON: (Field, Value<'static>) = (Field::Status, Value::Status(Status::Won));
const LOST: (Field, Value<'static>) = (Field::Status, Value::Status(Status::Lost));
const OPEN: (Field, Value<'static>) = (Field::Status, Value::Status(Status::Open));

/// A shard under test; offsets count by themselves.
struct Shard(Ledger);

impl Shard {
    fn new(definition: Definition) -> Shard {
        Shard(Ledger::new(Arc::new(definition), Partition(0)))
    }

    fn apply(&mut self, event: &Event<'_>) -> Applied {
        self.0.apply(self.0.next(), event)
    }

    fn beat(&mut self, watermark: Timestamp) {
        self.beat_idle(watermark, watermark);
    }

    /// The watermark follows the clock, the newest event does not.
    fn beat_idle(&mut self, watermark: Timestamp, newest: Timestamp) {
        let topology = vec![("sales".to_owned(), 1)];
        let beat = Heartbeat {
            topic: "sales".to_owned(),
            partition: 0,
            topology,
            watermark,
            idle: false,
            next: 0,
            newest: Some(newest),
            mark: None,
        };
        self.0.beat(self.0.next(), &beat);
    }

    /// The sum of a measure over the day cells of a segment, by day.
    fn days(&self, segment: &str, measure: Measure) -> Vec<(i32, i128)> {
        let mut out = Vec::new();
        for ((id, slice), cell) in &self.0.cells {
            let n = cell.measures.total(measure);
            let named = self.0.credits.resolve(*id).to_string() == segment;
            if slice.tier == Tier::Day && named && n != 0 {
                out.push((slice.index, n));
            }
        }
        out.sort_unstable();
        out
    }

    /// The day cells of a segment, by day.
    fn of_days(&self, segment: &str) -> BTreeMap<i32, &Measures> {
        let of = |id: &SegmentId| self.0.credits.resolve(*id).to_string() == segment;
        let days = self.0.cells.iter().filter(|((_, slice), _)| slice.tier == Tier::Day);
        days.filter(|((id, _), _)| of(id)).map(|((_, s), cell)| (s.index, &cell.measures)).collect()
    }
}

#[test]
fn a_repeated_win_does_not_move_the_win_and_a_new_one_does() {
    let mut shard = Shard::new(definition());
    shard.apply(&event(Op::Create, day(1), &[(Field::Amount, euros(3))]));
    shard.apply(&event(Op::Update, day(5), &[WON]));
    shard.apply(&event(Op::Update, day(7), &[WON]));
    assert_eq!(shard.days("overall", Measure::DealsWon), [(5, 1)]);
    assert_eq!(shard.days("overall", Measure::CycleWon), [(5, 1)]);
    shard.apply(&event(Op::Update, day(6), &[LOST]));
    assert_eq!(shard.days("overall", Measure::DealsWon), [(7, 1)]);
    assert_eq!(shard.days("overall", Measure::DealsLost), []);
    assert_eq!(shard.days("overall", Measure::WonAmount), [(7, 3 * EXACT_ONE)]);
    assert_eq!(shard.days("overall", Measure::WonSizes), [], "nobody asks");
    assert_eq!(shard.days("overall", Measure::CohortWon), [(1, 1)]);
}

#[test]
fn a_reopened_deal_is_open_again_and_won_nowhere() {
    let mut shard = Shard::new(definition());
    shard.apply(&event(Op::Create, day(1), &[]));
    shard.apply(&event(Op::Update, day(5), &[WON]));
    assert_eq!(shard.days("overall", Measure::OpenDeals), [(1, 1), (5, -1)]);
    shard.apply(&event(Op::Update, day(8), &[OPEN]));
    assert_eq!(shard.days("overall", Measure::DealsWon), []);
    assert_eq!(shard.days("overall", Measure::OpenDeals), [(1, 1), (5, -1), (8, 1)]);
}

#[test]
fn a_stated_closing_time_counts_from_the_closing_on() {
    let mut shard = Shard::new(definition());
    let stated = |n| (Field::ClosedAt, Value::Time(day(n)));
    shard.apply(&event(Op::Create, day(1), &[stated(3)]));
    shard.apply(&event(Op::Update, day(5), &[WON]));
    assert_eq!(shard.days("overall", Measure::DealsWon), [(5, 1)]);
    shard.apply(&event(Op::Update, day(9), &[stated(4)]));
    assert_eq!(shard.days("overall", Measure::DealsWon), [(4, 1)]);
    shard.apply(&event(Op::Update, day(10), &[(Field::ClosedAt, Value::Null)]));
    assert_eq!(shard.days("overall", Measure::DealsWon), [(5, 1)]);
}

#[test]
fn an_unknown_dimension_settles_within_a_while_and_no_longer() {
    let mut shard = Shard::new(definition());
    let born = day(1);
    shard.apply(&event(Op::Create, born, &[]));
    assert_eq!(shard.days("rep=unknown", Measure::DealsCreated), [(1, 1)]);
    let late = born + Span::minutes(5) + Span::seconds(1);
    shard.apply(&event(Op::Update, late, &[(Field::Owner, text("late"))]));
    assert_eq!(shard.days("rep=unknown", Measure::DealsCreated), [(1, 1)]);
    shard.apply(&event(Op::Update, born + Span::minutes(5), &[(Field::Owner, text("r1"))]));
    assert_eq!(shard.days("rep=unknown", Measure::DealsCreated), []);
    assert_eq!(shard.days("rep=r1", Measure::DealsCreated), [(1, 1)]);
}

#[test]
fn the_directory_fills_what_no_event_stated() {
    let values = [("territory".to_owned(), "West".to_owned())].into();
    let mut job = definition();
    job.directory
        .reps
        .insert("r1".to_owned(), DirectoryEntry { values, ..DirectoryEntry::default() });
    let mut shard = Shard::new(job);
    shard.apply(&event(Op::Create, day(1), &[(Field::Owner, text("r1"))]));
    assert_eq!(shard.days("territory=West", Measure::DealsCreated), [(1, 1)]);
    let east = [WON, (Field::Territory, text("East"))];
    shard.apply(&event(Op::Update, day(2), &east));
    assert_eq!(shard.days("territory=East", Measure::DealsWon), [(2, 1)]);
    assert_eq!(shard.days("territory=West", Measure::DealsCreated), [(1, 1)]);
    shard.apply(&event(Op::Update, day(2), &[(Field::Territory, Value::Null)]));
    assert_eq!(shard.days("territory=East", Measure::DealsWon), [(2, 1)], "the tie is East's");
    let mut later = event(Op::Update, day(2), &[(Field::Territory, Value::Null), WON]);
    later.order[1] = 1;
    shard.apply(&later);
    shard.apply(&event(Op::Update, day(2), &[OPEN]));
    assert_eq!(shard.days("territory=West", Measure::OpenDeals), [(1, 1), (2, -1)]);
}

#[test]
fn credit_is_by_the_fact_or_by_the_present() {
    for (attribution, winner) in
        [(Attribution::AtEvent, "rep=r1"), (Attribution::Current, "rep=r2")]
    {
        let mut shard = Shard::new(Definition { attribution, ..definition() });
        shard.apply(&event(Op::Create, day(1), &[(Field::Owner, text("r1"))]));
        shard.apply(&event(Op::Update, day(2), &[WON]));
        shard.apply(&event(Op::Update, day(3), &[(Field::Owner, text("r2"))]));
        assert_eq!(shard.days(winner, Measure::DealsWon), [(2, 1)], "{attribution:?}");
        assert_eq!(shard.days("overall", Measure::DealsWon), [(2, 1)]);
        // A stock follows whoever held it, whatever the attribution.
        assert_eq!(shard.days("rep=r1", Measure::OpenDeals), [(1, 1), (2, -1)]);
    }
}

#[test]
fn stages_mean_what_the_table_says() {
    let mut job = definition();
    for (pipeline, stage, status) in [
        ("", "closedwon", Status::Won),
        ("renewals", "closedwon", Status::Open),
        ("", "gone", Status::Lost),
    ] {
        job.stages.insert((String::new(), pipeline.to_owned()), stage, Stage::of(status));
    }
    let mut shard = Shard::new(job);
    shard.apply(&event(Op::Create, day(1), &[(Field::Pipeline, text("sales"))]));
    let stage = |name: &'static str| (Field::Stage, text(name));
    let applied = shard.apply(&event(Op::Update, day(2), &[stage("Closed Won!")]));
    assert!(applied.unknown_stage && applied.verdict == Verdict::Counted);
    assert_eq!(shard.days("overall", Measure::DealsWon), []);
    assert!(!shard.apply(&event(Op::Update, day(3), &[stage("closedwon")])).unknown_stage);
    assert_eq!(shard.days("overall", Measure::DealsWon), [(3, 1)]);
    shard.apply(&event(Op::Update, day(4), &[stage("warranty")]));
    assert_eq!(shard.days("overall", Measure::DealsWon), [], "an unknown stage is open");
    shard.apply(&event(Op::Update, day(5), &[stage("closedwon"), LOST]));
    assert_eq!(shard.days("overall", Measure::DealsLost), [(5, 1)], "what is said outright holds");
    let applied = shard.apply(&event(Op::Update, day(5) + Span::minutes(1), &[stage("warranty")]));
    assert!(applied.unknown_stage);
    assert_eq!(shard.days("overall", Measure::DealsLost), [(5, 1)], "also in an unknown stage");
    let renewed = [(Field::Pipeline, text("renewals")), stage("closedwon")];
    shard.apply(&event(Op::Update, day(6), &renewed));
    assert_eq!(shard.days("overall", Measure::DealsLost), []);
    assert_eq!(
        shard.days("overall", Measure::OpenDeals),
        [(1, 1), (3, -1), (4, 1), (5, -1), (6, 1)]
    );
    let sales = [(Field::Pipeline, text("sales"))];
    shard.apply(&event(Op::Update, day(7), &sales));
    assert_eq!(shard.days("overall", Measure::DealsWon), [(7, 1)], "another pipeline's meaning");
    shard.apply(&event(Op::Update, day(8), &[OPEN]));
    shard.apply(&event(Op::Update, day(9), &sales));
    assert_eq!(shard.days("overall", Measure::DealsWon), [], "the same pipeline says nothing new");
}

/// Nightly snapshots state stage and pipeline again, more often than a history is long.
#[test]
fn what_is_only_stated_again_overrules_nothing_though_its_first_statement_is_forgotten() {
    for fields in [&[Field::Stage][..], &[Field::Pipeline], &[Field::Stage, Field::Pipeline]] {
        let mut job = definition();
        let place = (String::new(), "sales".to_owned());
        job.stages.insert(place, "sales", Stage::of(Status::Open));
        let mut shard = Shard::new(job);
        let place = [Field::Stage, Field::Pipeline].map(|field| (field, text("sales")));
        shard.apply(&event(Op::Create, day(1), &place));
        shard.apply(&event(Op::Update, day(2), &[LOST]));
        let again: Vec<_> = fields.iter().map(|field| (*field, text("sales"))).collect();
        for n in 0..300 {
            shard.apply(&event(Op::Update, day(3) + Span::minutes(n), &again));
        }
        assert_eq!(shard.days("overall", Measure::DealsLost), [(2, 1)], "{fields:?}");
    }
}

#[test]
fn deletion_and_merge_take_everything_back_until_a_restoration() {
    for op in [Op::Delete, Op::Merge] {
        let mut shard = Shard::new(definition());
        shard.apply(&event(Op::Create, day(1), &[(Field::Amount, euros(3))]));
        shard.apply(&event(Op::Update, day(5), &[WON]));
        shard.apply(&event(op, day(6), &[]));
        assert!(shard.0.cells.values().all(|c| c.measures.is_zero()), "{op:?}");
        shard.apply(&event(Op::Update, day(7), &[(Field::Owner, text("r1"))]));
        assert!(shard.0.cells.values().all(|c| c.measures.is_zero()), "a patch is no restoration");
        shard.apply(&event(Op::Restore, day(8), &[]));
        assert_eq!(shard.days("overall", Measure::DealsWon), [(5, 1)]);
        assert_eq!(shard.days("overall", Measure::OpenDeals), [(1, 1), (5, -1)]);
    }
}

#[test]
fn verdicts_say_what_became_of_an_event() {
    let mut shard = Shard::new(definition());
    let created = event(Op::Create, day(50), &[]);
    assert_eq!(shard.apply(&created).verdict, Verdict::Counted);
    assert_eq!(shard.apply(&created).verdict, Verdict::Repeated);
    assert_eq!(shard.0.apply(Offset(0), &created).verdict, Verdict::Folded);
    let name = [(Field::Name, text("a better name"))];
    assert_eq!(shard.apply(&event(Op::Update, day(51), &name)).verdict, Verdict::Irrelevant);
    let gap = Event { kind: EventKind::Gap, ..event(Op::Update, day(51), &[WON]) };
    assert_eq!(shard.apply(&gap).verdict, Verdict::Gap);
    let mut rep = event(Op::Update, day(51), &[]);
    rep.entity.kind = EntityKind::Rep;
    assert_eq!(shard.apply(&rep).verdict, Verdict::NotKept);
    assert_eq!(shard.days("overall", Measure::DealsWon), []);
    shard.beat(day(52));
    let won = event(Op::Update, day(51), &[WON]);
    assert!(shard.apply(&won).late);
    assert!(!shard.apply(&won).late, "a repetition amends nothing");
    let rep = Event { time: day(51), ..rep };
    assert!(!shard.apply(&rep).late, "nor does what is not kept");
    assert!(!shard.apply(&event(Op::Update, day(52), &[LOST])).late);
}

#[test]
fn a_clock_that_is_years_ahead_lets_nothing_go() {
    let mut shard = Shard::new(definition());
    shard.apply(&event(Op::Create, day(10), &[WON]));
    shard.beat(day(10));
    let before = shard.days("overall", Measure::DealsWon);
    assert_eq!(before.len(), 1);
    // Nothing comes, and the idle partition follows a clock that is wrong.
    shard.beat_idle(day(5_000), day(10));
    assert_eq!(shard.days("overall", Measure::DealsWon), before);
    assert!(!shard.apply(&event(Op::Update, day(11), &[LOST])).too_late);
}

#[test]
fn behind_the_retention_flows_are_dropped_and_stocks_are_not() {
    let mut shard = Shard::new(definition());
    shard.apply(&event(Op::Create, day(100), &[(Field::Amount, euros(2))]));
    shard.apply(&event(Op::Update, day(101), &[WON]));
    let first = shard.0.publish();
    assert!(first.expired.is_empty());
    // 40 days are kept: day 100 goes, day 101 stays.
    shard.beat(day(141));
    assert_eq!(shard.days("overall", Measure::DealsCreated), []);
    assert_eq!(shard.days("overall", Measure::OpenDeals), [(100, 1), (101, -1)]);
    let next = shard.0.publish();
    let cut: Vec<_> =
        next.cells.iter().filter(|c| c.slice.tier == Tier::Day).map(|c| c.slice.index).collect();
    assert_eq!(cut, [100, 100, 100], "the stocks of the day are repeated without its flows");
    assert!(next.expired.iter().all(|(_, slice)| slice.tier == Tier::Fine));
    assert_eq!(next.expired.len(), 2 * 3, "fine cells are to be deleted, one a segment");
    let applied = shard.apply(&event(Op::Delete, day(141), &[]));
    assert!(applied.too_late);
    assert!(shard.0.cells.values().all(|c| c.measures.is_zero()), "no flow goes below zero");
}

#[test]
fn a_cell_that_came_back_is_not_deleted() {
    let mut shard = Shard::new(definition());
    let mut lead = event(Op::Create, day(100), &[]);
    lead.entity.kind = EntityKind::Lead;
    shard.apply(&lead);
    shard.0.publish();
    shard.beat(day(150));
    shard.apply(&event(Op::Create, day(100), &[]));
    let out = shard.0.publish();
    let sent: Vec<_> = out.cells.iter().map(|c| (&c.segment, c.slice)).collect();
    assert!(sent.iter().any(|(_, slice)| slice.tier == Tier::Day));
    assert!(out.expired.iter().all(|(segment, slice)| !sent.contains(&(segment, *slice))));
}

#[test]
fn the_first_event_is_remembered_behind_any_number_of_others() {
    let run = |orders: &mut dyn Iterator<Item = i32>| {
        let mut shard = Shard::new(Definition {
            retention: Retention { fine: Span::days(8), days: None },
            ..definition()
        });
        for n in orders {
            let owner = ["r1", "r2", "r3"][n as usize % 3];
            shard.apply(&event(Op::Update, day(n), &[(Field::Owner, text(owner))]));
        }
        let open = shard.days("overall", Measure::OpenDeals);
        (open, shard.days("rep=r2", Measure::OpenDeals))
    };
    let forth = run(&mut (10..1060));
    assert_eq!(forth.0, [(10, 1)]);
    assert_eq!(forth, run(&mut (10..1060).rev()));
}

#[test]
fn publication_is_absolute_sorted_and_once() {
    let mut shard = Shard::new(definition());
    shard.apply(&event(Op::Create, day(1), &[(Field::Owner, text("r1"))]));
    let first = shard.0.publish().cells;
    assert!(first.windows(2).all(|w| (w[0].slice, &w[0].segment) < (w[1].slice, &w[1].segment)));
    assert!(first.iter().all(|c| c.version == 1));
    assert!(shard.0.publish().cells.is_empty());
    shard.0.re_emit();
    assert_eq!(shard.0.publish().cells, first, "the same offset, the same values");
    shard.apply(&event(Op::Update, day(1), &[(Field::Amount, euros(1))]));
    let days: Vec<_> = shard.0.publish().cells;
    assert!(days.iter().all(|c| c.version == 2 && c.slice == Slice { tier: Tier::Day, index: 1 }));
    assert_eq!(days.len(), 3, "an amount of an open deal moves stocks only: no fine cell");
}

fn small_image() -> (Definition, Vec<u8>) {
    let mut shard = Shard::new(definition());
    shard.apply(&event(
        Op::Create,
        day(1),
        &[(Field::Owner, text("r1")), (Field::Amount, euros(7))],
    ));
    shard.apply(&event(Op::Update, day(2), &[WON]));
    shard.beat(day(3));
    (definition(), shard.0.image())
}

#[test]
fn an_image_holds_the_whole_shard() {
    let (job, image) = small_image();
    let mut back = Shard(Ledger::restore(Arc::new(job), Partition(0), &image).unwrap());
    assert_eq!(back.0.next(), Offset(3));
    assert_eq!(back.0.watermark(), Some(day(3)));
    assert_eq!(back.0.image(), image);
    assert!(back.0.publish().cells.is_empty(), "nothing changed since");
    let again = back.apply(&event(Op::Update, day(2), &[WON]));
    assert_eq!(again.verdict, Verdict::Repeated);
    back.apply(&event(Op::Update, day(3), &[OPEN]));
    assert_eq!(back.days("rep=r1", Measure::DealsWon), []);
}

#[test]
fn an_image_with_any_byte_changed_or_cut_off_is_refused() {
    let (job, image) = small_image();
    let job = Arc::new(job);
    let restore = |bytes: &[u8]| Ledger::restore(job.clone(), Partition(0), bytes);
    for i in 0..image.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut broken = image.clone();
            broken[i] ^= flip;
            assert!(restore(&broken).is_err(), "byte {i} ^ {flip:02x}");
        }
        assert!(restore(&image[..i]).is_err(), "cut at {i}");
    }
    let mut longer = image.clone();
    longer.push(0);
    assert!(restore(&longer).is_err());
    assert!(matches!(restore(&[]), Err(ImageError::Broken(_))));
    let mut newer = image.clone();
    newer[4] = 99;
    assert!(matches!(restore(&newer), Err(ImageError::Newer(99))));
}

#[test]
fn an_image_of_another_shard_or_definition_is_refused() {
    let (job, image) = small_image();
    let other = Ledger::restore(Arc::new(job.clone()), Partition(1), &image);
    assert!(matches!(other, Err(ImageError::Shard { found: 0, own: 1 })));
    let zone = Calendar::of("Europe/Berlin").unwrap();
    let moved =
        Ledger::restore(Arc::new(Definition { calendar: zone, ..job }), Partition(0), &image);
    assert!(matches!(moved, Err(ImageError::Definition { .. })));
}

#[test]
fn a_changed_directory_computes_the_cells_anew() {
    let (mut job, image) = small_image();
    let values = [("territory".to_owned(), "West".to_owned())].into();
    job.directory
        .reps
        .insert("r1".to_owned(), DirectoryEntry { values, ..DirectoryEntry::default() });
    let mut shard = Shard(Ledger::restore(Arc::new(job), Partition(0), &image).unwrap());
    assert_eq!(shard.days("territory=West", Measure::DealsWon), [(2, 1)]);
    assert_eq!(shard.days("territory=unknown", Measure::DealsWon), []);
    // The former owner may have published up to the log's end: nothing leaves before that.
    let next = shard.0.next();
    shard.0.hold_until(next.next());
    assert!(shard.0.is_held() && shard.0.begins_epoch());
    assert!(shard.0.publish().cells.is_empty());
    shard.beat(day(4));
    let cells = shard.0.publish().cells;
    assert!(!cells.is_empty());
    assert!(cells.iter().all(|c| c.version == version(1, next.next())));
    // An image keeps the epoch; restored by the same data, none begins.
    shard.0.epoch_kept();
    assert!(!shard.0.begins_epoch());
}
