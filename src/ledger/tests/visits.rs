//! Visits of stages: what begins one, what ends it, and what becomes of it.

use super::*;
use crate::model::event::FieldName;
use crate::model::funnel::ENDS;
use crate::model::measure::Measures;
use crate::model::own::{Asked, Meant, Moment, OwnMeasure, read};
use crate::model::stage::StageIndex;

/// Of the pipeline: talk, demo, offer, won, gone; and of another one that only has "talk".
fn job() -> Definition {
    let mut job = definition();
    for (pipeline, stage, status) in [
        ("", "talk", Status::Open),
        ("", "demo", Status::Open),
        ("", "offer", Status::Open),
        ("", "won", Status::Won),
        ("", "gone", Status::Lost),
        ("renewals", "talk", Status::Open),
    ] {
        job.stages.insert((String::new(), pipeline.to_owned()), stage, Stage::of(status));
    }
    job
}

const TALK: u32 = 0;
const DEMO: u32 = 1;
const WON_STAGE: u32 = 3;
const RENEWED: u32 = 5;

/// What happened: on which day, and what was said.
type Told<'a> = (i32, &'a [(Field, Value<'a>)]);

fn shard(told: &[Told<'_>]) -> Shard {
    let mut shard = Shard::new(job());
    for (i, (on, set)) in told.iter().enumerate() {
        let op = if i == 0 { Op::Create } else { Op::Update };
        shard.apply(&event(op, day(*on), set));
    }
    shard
}

fn stage(name: &str) -> (Field, Value<'_>) {
    (Field::Stage, text(name))
}

/// By the day on which they began: entered, advanced, back, lost, held.
fn visits(shard: &Shard, of: u32) -> Vec<(i32, [i128; 5])> {
    visits_in(shard, "overall", of)
}

fn visits_in(shard: &Shard, segment: &str, of: u32) -> Vec<(i32, [i128; 5])> {
    let counts = |sum: &Measures| {
        let entered = sum.at(MeasureKey::stage(Measure::StageEntered, StageIndex(of)));
        let [advanced, back, lost, left] =
            ENDS.map(|m| sum.of_stage(m, StageIndex(of)).map(|(_, n)| n).sum::<i128>());
        [entered, advanced, back, lost, entered - advanced - back - lost - left]
    };
    let counts = shard.of_days(segment).into_iter().map(|(day, sum)| (day, counts(sum)));
    counts.filter(|(_, n)| *n != [0; 5]).collect()
}

/// How many days the ended visits of a stage took, by the day on which they began.
fn took(shard: &Shard, of: u32) -> Vec<(i32, i64)> {
    let days = shard.of_days("overall").into_iter();
    days.flat_map(|(day, sum)| {
        let all: Vec<_> = ENDS.iter().flat_map(|m| sum.of_stage(*m, StageIndex(of))).collect();
        all.into_iter().map(move |(days, _)| (day, days))
    })
    .collect()
}

/// By the day of closing: how many closed deals had come to a stage, and how many of them are won.
fn ends(shard: &Shard, of: u32) -> Vec<(i32, [i128; 2])> {
    let key = |m| MeasureKey::stage(m, StageIndex(of));
    let counts = |sum: &Measures| [Measure::StageClosed, Measure::StageWon].map(|m| sum.at(key(m)));
    let days = shard.of_days("overall").into_iter().map(|(day, sum)| (day, counts(sum)));
    days.filter(|(_, n)| *n != [0; 2]).collect()
}

const ADVANCED: [i128; 5] = [1, 1, 0, 0, 0];
const BACK: [i128; 5] = [1, 0, 1, 0, 0];
const LOST_THERE: [i128; 5] = [1, 0, 0, 1, 0];
const HELD: [i128; 5] = [1, 0, 0, 0, 1];
const LEFT: [i128; 5] = [1, 0, 0, 0, 0];

#[test]
fn a_visit_counts_where_it_began_and_says_what_became_of_it() {
    let shard = shard(&[
        (1, &[stage("talk")]),
        (3, &[stage("demo")]),
        (4, &[stage("demo")]), // stated again: no visit of its own
        (9, &[stage("talk")]),
        (10, &[stage("offer")]), // demo is skipped, and not entered
        (12, &[stage("won")]),
    ]);
    assert_eq!(visits(&shard, TALK), [(1, ADVANCED), (9, ADVANCED)]);
    assert_eq!(visits(&shard, DEMO), [(3, BACK)]);
    assert_eq!(visits(&shard, 2), [(10, ADVANCED)]);
    assert_eq!(visits(&shard, WON_STAGE), [(12, HELD)]);
    assert_eq!(took(&shard, TALK), [(1, 2), (9, 1)]);
    assert_eq!(took(&shard, DEMO), [(3, 6)]);
    assert_eq!(took(&shard, WON_STAGE), []);
}

#[test]
fn what_closes_a_deal_ends_its_visit_and_what_reopens_it_begins_another() {
    let shard = shard(&[
        (1, &[stage("talk")]),
        (2, &[LOST]),          // said outright, the stage stays
        (3, &[stage("talk")]), // and is stated again
        (5, &[OPEN]),          // reopened where it stands
        (6, &[stage("gone")]), // lost by what the stage means
        (8, &[stage("demo")]), // out of a stage that closes
        (9, &[WON]),
        (10, &[LOST]), // corrected: no visit went on
    ]);
    assert_eq!(visits(&shard, TALK), [(1, LOST_THERE), (5, LOST_THERE)]);
    assert_eq!(visits(&shard, 4), [(6, BACK)]);
    assert_eq!(visits(&shard, DEMO), [(8, ADVANCED)]);
    assert_eq!(took(&shard, TALK), [(1, 1), (5, 1)]);
}

#[test]
fn a_deal_that_is_closed_by_the_event_that_moves_it_was_there_for_no_time() {
    let closed = shard(&[(1, &[stage("talk")]), (4, &[stage("demo"), LOST])]);
    // Lost once, in the stage that it moved on to.
    assert_eq!(visits(&closed, TALK), [(1, ADVANCED)]);
    assert_eq!(visits(&closed, DEMO), [(4, LOST_THERE)]);
    assert_eq!((took(&closed, TALK), took(&closed, DEMO)), (vec![(1, 3)], vec![(4, 0)]));
    let back = shard(&[(1, &[stage("demo")]), (4, &[stage("talk"), WON])]);
    assert_eq!((visits(&back, DEMO), visits(&back, TALK)), (vec![(1, BACK)], vec![(4, ADVANCED)]));
}

#[test]
fn a_deal_that_was_closed_before_it_was_seen_there_visits_nothing() {
    let first = shard(&[(1, &[stage("talk"), LOST]), (4, &[stage("demo"), WON])]);
    assert_eq!((visits(&first, TALK), visits(&first, DEMO)), (vec![], vec![]));
    let edited = shard(&[(1, &[stage("talk")]), (2, &[LOST]), (5, &[stage("demo"), LOST])]);
    assert_eq!((visits(&edited, TALK), visits(&edited, DEMO)), (vec![(1, LOST_THERE)], vec![]));
    // Reopened it is there.
    let again = shard(&[(1, &[stage("talk"), LOST]), (4, &[OPEN])]);
    assert_eq!(visits(&again, TALK), [(4, HELD)]);
}

#[test]
fn an_unknown_stage_none_and_another_pipeline_end_a_visit_and_advance_nothing() {
    for gone in [&[stage("warranty")][..], &[(Field::Stage, Value::Null)]] {
        let shard = shard(&[(1, &[stage("demo")]), (3, gone), (4, &[stage("offer")])]);
        assert_eq!(visits(&shard, DEMO), [(1, LEFT)], "{gone:?}");
        assert_eq!(took(&shard, DEMO), [(1, 2)]);
    }
    let of = |name: &'static str| (Field::Pipeline, text(name));
    let moved = shard(&[(1, &[stage("talk"), of("sales")]), (3, &[of("renewals")])]);
    assert_eq!(visits(&moved, TALK), [(1, LEFT)]);
    assert_eq!(visits(&moved, RENEWED), [(3, HELD)]);
    // Told later of which pipeline it is: that is where it was all along.
    let told = shard(&[(1, &[stage("talk")]), (3, &[of("renewals")]), (4, &[stage("demo")])]);
    assert_eq!(visits(&told, TALK), []);
    // The row of the other stage has no order of its own, and was written before.
    assert_eq!(visits(&told, RENEWED), [(1, BACK)]);
    let unknown = shard(&[(1, &[stage("warranty")]), (2, &[LOST]), (3, &[OPEN])]);
    assert!(
        unknown.of_days("overall").iter().all(|(_, sum)| sum.total(Measure::StageEntered) == 0)
    );
}

#[test]
fn the_order_of_the_table_decides_what_is_later() {
    let mut job = job();
    job.stages = Default::default();
    for (name, order) in [("talk", 2), ("demo", 1)] {
        let row = Stage { order: Some(order), ..Stage::of(Status::Open) };
        job.stages.insert(Default::default(), name, row);
    }
    let mut turned = Shard::new(job);
    turned.apply(&event(Op::Create, day(1), &[stage("talk")]));
    turned.apply(&event(Op::Update, day(2), &[stage("demo")]));
    assert_eq!(visits(&turned, TALK), [(1, BACK)]);
}

#[test]
fn a_visit_goes_with_who_had_the_deal_when_it_began_and_with_the_deal() {
    let rep = |name: &'static str| (Field::Owner, text(name));
    let told: [Told<'_>; 3] =
        [(1, &[stage("talk"), rep("r1")]), (2, &[rep("r2")]), (4, &[stage("demo")])];
    let mut shard = shard(&told);
    assert_eq!(visits_in(&shard, "rep=r1", TALK), [(1, ADVANCED)]);
    assert_eq!(visits_in(&shard, "rep=r2", TALK), []);
    assert_eq!(visits_in(&shard, "rep=r2", DEMO), [(4, HELD)]);
    shard.apply(&event(Op::Delete, day(6), &[]));
    assert!(shard.0.cells.values().all(|c| c.measures.is_zero()));
    shard.apply(&event(Op::Restore, day(7), &[]));
    assert_eq!(visits(&shard, DEMO), [(4, HELD)]);
}

/// Of a visit whose beginning was forgotten nobody knows when it began.
#[test]
fn a_visit_without_a_known_beginning_is_none() {
    let mut shard = shard(&[(1, &[stage("talk")])]);
    for n in 0..300 {
        shard.apply(&event(Op::Update, day(2) + Span::minutes(n), &[stage("talk")]));
    }
    assert_eq!(visits(&shard, TALK), []);
    shard.apply(&event(Op::Update, day(5), &[stage("demo")]));
    assert_eq!(visits(&shard, DEMO), [(5, HELD)]);
}

#[test]
fn times_are_whole_days_from_0_to_the_most_that_a_place_holds() {
    let key = |days| MeasureKey::stage_days(Measure::StageLeft, StageIndex(2), days);
    assert_eq!((key(-3), key(5000)), (key(0), key(4095)));
    let sum: Measures = [(key(7), 2), (key(5000), 1)].into_iter().collect();
    let of = |stage| sum.of_stage(Measure::StageLeft, StageIndex(stage)).collect::<Vec<_>>();
    assert_eq!((of(1), of(2), of(3)), (vec![], vec![(7, 2), (4095, 1)], vec![]));
}

/// What becomes of an old visit amends it, where it is kept; the event that says so may be new.
#[test]
fn what_ends_an_old_visit_is_not_too_late_and_what_is_old_itself_is() {
    let mut shard = Shard::new(job());
    shard.apply(&event(Op::Create, day(100), &[stage("talk")]));
    shard.beat(day(150));
    assert!(!shard.apply(&event(Op::Update, day(150), &[stage("demo")])).too_late);
    assert!(shard.apply(&event(Op::Update, day(101), &[stage("offer")])).too_late);
}

#[test]
fn a_pipeline_that_is_told_of_an_old_closed_deal_is_not_too_late() {
    let mut job = job();
    let place = (String::new(), "renewals".to_owned());
    job.stages.insert(place, "signing", Stage::of(Status::Open));
    let mut shard = Shard::new(job);
    shard.apply(&event(Op::Create, day(100), &[stage("signing")]));
    shard.apply(&event(Op::Update, day(110), &[WON]));
    shard.beat(day(200));
    let told = shard.apply(&event(Op::Update, day(200), &[(Field::Pipeline, text("renewals"))]));
    assert_eq!((told.verdict, told.too_late), (Verdict::Counted, false));
}

/// A deal that only moves on adds nothing but visits, unless something else looks at its stage.
#[test]
fn a_move_changes_what_a_measure_of_the_users_own_asks_of_the_stage() {
    let field = |name: &str| {
        Ok(Asked::Field(FieldName::Known(Field::parse(name).expect("a field of events"))))
    };
    let condition = read("stage = 'demo'", field).expect("a condition");
    let meant =
        Meant { of: EntityKind::Deal, at: Moment::Created, condition, sum: None, is_money: false };
    let own = OwnMeasure::new("m", "", meant);
    let mut shard = Shard::new(Definition { measures: [own].into_iter().collect(), ..job() });
    let mut counted = |event: Event<'_>| {
        shard.apply(&event);
        shard.days("overall", Measure::OwnCount)
    };
    assert_eq!(counted(event(Op::Create, day(10), &[stage("talk")])), []);
    assert_eq!(counted(event(Op::Update, day(12), &[stage("demo")])), [(10, 1)]);
    assert_eq!(counted(event(Op::Update, day(11), &[stage("offer")])), [(10, 1)]);
    assert_eq!(counted(event(Op::Update, day(13), &[stage("offer")])), []);
}

#[test]
fn a_closed_deal_counts_where_it_was_closed_once_for_each_open_stage_that_it_came_to() {
    let told: &[Told<'_>] = &[
        (1, &[stage("talk")]),
        (3, &[stage("demo")]),
        (5, &[stage("talk")]),
        (7, &[stage("won")]),
        (8, &[stage("demo")]), // reopened
        (9, &[LOST]),
    ];
    assert_eq!(ends(&shard(&told[..3]), TALK), [], "it is open");
    let won = shard(&told[..4]);
    assert_eq!((ends(&won, TALK), ends(&won, DEMO)), (vec![(7, [1, 1])], vec![(7, [1, 1])]));
    assert_eq!((ends(&won, 2), ends(&won, WON_STAGE)), (vec![], vec![]));
    assert_eq!(ends(&shard(&told[..5]), TALK), [], "taken back while it is open again");
    let lost = shard(told);
    assert_eq!((ends(&lost, TALK), ends(&lost, DEMO)), (vec![(9, [1, 0])], vec![(9, [1, 0])]));
}

#[test]
fn a_move_that_arrives_when_its_deal_is_closed_counts_where_that_was_closed() {
    let mut late = shard(&[(1, &[stage("talk")]), (9, &[stage("won")])]);
    assert_eq!((ends(&late, TALK), ends(&late, DEMO)), (vec![(9, [1, 1])], vec![]));
    late.apply(&event(Op::Update, day(4), &[stage("demo")]));
    assert_eq!((ends(&late, TALK), ends(&late, DEMO)), (vec![(9, [1, 1])], vec![(9, [1, 1])]));
    assert_eq!(visits(&late, DEMO), [(4, ADVANCED)]);
}

/// As the win is: on the day that the source states, and for who has the credit for it.
#[test]
fn a_closed_deal_counts_for_its_stages_as_it_counts_as_won() {
    let job = Definition { attribution: Attribution::AtCreate, ..job() };
    let mut shard = Shard::new(job);
    let owner = |name| (Field::Owner, text(name));
    shard.apply(&event(Op::Create, day(1), &[stage("talk"), owner("r1")]));
    shard.apply(&event(Op::Update, day(5), &[owner("r2")]));
    let closed = (Field::ClosedAt, Value::Time(day(7)));
    shard.apply(&event(Op::Update, day(9), &[stage("won"), closed]));
    let key = MeasureKey::stage(Measure::StageWon, StageIndex(TALK));
    let won = |segment: &str| {
        let days = shard.of_days(segment).into_iter().filter(|(_, sum)| sum.at(key) != 0);
        days.map(|(day, _)| day).collect::<Vec<_>>()
    };
    for (segment, days) in [("overall", vec![7]), ("rep=r1", vec![7]), ("rep=r2", vec![])] {
        assert_eq!(won(segment), days, "{segment}");
        assert_eq!(shard.days(segment, Measure::DealsWon).len(), days.len(), "{segment}");
    }
}
