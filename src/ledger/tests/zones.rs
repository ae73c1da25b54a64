//! Segments with zones of their own: each counts days as they are there.

use super::*;
use crate::model::definition::TerritoryEntry;
use crate::model::measure::Measure as M;
use crate::model::time::Day;
use crate::model::zones::Zones;

const TOKYO: &str = "territory=Tokyo";
const YORK: &str = "territory=York";

fn job() -> Definition {
    let mut job = definition();
    let zone = |value: &str, zone: &str| {
        ("territory".to_owned(), value.to_owned(), Calendar::of(zone).expect("it is there"))
    };
    let rows = [zone("Tokyo", "Asia/Tokyo"), zone("York", "America/New_York")];
    job.zones = Zones::new(&job.calendar, rows);
    job
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("it is there")
}

fn on(text: &str) -> i32 {
    Day::parse(text).expect("it is there").0
}

fn territory(name: &str) -> (Field, Value<'_>) {
    (Field::Territory, text(name))
}

/// Places and numbers of a measure in the day cells of a segment.
fn places(shard: &Shard, segment: &str, measure: M) -> Vec<(i32, i64, i128)> {
    let days = shard.of_days(segment).into_iter();
    days.flat_map(|(day, sum)| sum.of(measure).map(move |(place, n)| (day, place, n)))
        .filter(|(.., n)| *n != 0)
        .collect()
}

#[test]
fn a_deal_is_won_on_the_day_that_it_is_in_each_segment_and_as_old_as_there() {
    let mut shard = Shard::new(job());
    // In New York the 7th, in Tokyo the 8th.
    let set = [territory("York"), (Field::Amount, euros(3))];
    shard.apply(&event(Op::Create, at("2026-03-07T20:00:00Z"), &set));
    // Four hours behind midnight in UTC, half past midnight on the day of 23 hours in New York.
    shard.apply(&event(Op::Update, at("2026-03-09T04:30:00Z"), &[WON]));
    assert_eq!(shard.days("overall", M::DealsWon), [(on("2026-03-09"), 1)]);
    assert_eq!(shard.days(YORK, M::DealsWon), [(on("2026-03-09"), 1)]);
    assert_eq!(places(&shard, "overall", M::CycleWon), [(on("2026-03-09"), 2, 1)]);
    assert_eq!(places(&shard, YORK, M::CycleWon), [(on("2026-03-09"), 2, 1)]);
    // An hour and a half before, it is still the 8th there.
    let earlier = (Field::ClosedAt, Value::Time(at("2026-03-09T03:59:59Z")));
    shard.apply(&event(Op::Update, at("2026-03-09T05:00:00Z"), &[earlier]));
    assert_eq!(shard.days("overall", M::DealsWon), [(on("2026-03-09"), 1)]);
    assert_eq!(shard.days(YORK, M::DealsWon), [(on("2026-03-08"), 1)]);
    assert_eq!(places(&shard, YORK, M::CycleWon), [(on("2026-03-08"), 1, 1)]);
    assert_eq!(places(&shard, YORK, M::CohortWon), [(on("2026-03-07"), 1, 1)]);
    assert_eq!(shard.days(YORK, M::OpenDeals), [(on("2026-03-07"), 1), (on("2026-03-08"), -1)]);
    let rep = "rep=unknown";
    assert_eq!(shard.days(rep, M::DealsWon), shard.days("overall", M::DealsWon));
}

#[test]
fn a_deal_that_moves_takes_its_days_along_and_leaves_none_behind() {
    let mut shard = Shard::new(job());
    shard.apply(&event(Op::Create, at("2026-03-07T20:00:00Z"), &[territory("York")]));
    shard.apply(&event(Op::Update, at("2026-03-10T16:00:00Z"), &[territory("Tokyo")]));
    // At one moment, which is of one day in the one and of another in the other.
    assert_eq!(shard.days(YORK, M::OpenDeals), [(on("2026-03-07"), 1), (on("2026-03-10"), -1)]);
    assert_eq!(shard.days(TOKYO, M::OpenDeals), [(on("2026-03-11"), 1)]);
    assert_eq!(shard.days("overall", M::OpenDeals), [(on("2026-03-07"), 1)]);
    // That it never was in York is told late: nothing of it stays.
    let mut fix = event(Op::Update, at("2026-03-07T20:00:00Z"), &[territory("Tokyo")]);
    fix.order = [fix.order[0], 1];
    shard.apply(&fix);
    assert_eq!(shard.days(TOKYO, M::OpenDeals), [(on("2026-03-08"), 1)]);
    assert_eq!(shard.days(YORK, M::OpenDeals), []);
    shard.apply(&event(Op::Delete, at("2026-03-12T20:00:00Z"), &[]));
    for segment in ["overall", YORK, TOKYO, "territory=unknown"] {
        assert!(shard.of_days(segment).values().all(|sum| sum.is_zero()), "{segment}");
    }
}

#[test]
fn a_move_of_the_directory_is_one_moment_for_all_zones() {
    let mut job = job();
    let mut rep = DirectoryEntry::default();
    rep.values.insert("territory".to_owned(), "York".to_owned());
    let moves = [("territory".to_owned(), "Tokyo".to_owned())].into();
    rep.moves.insert(Day::parse("2026-03-10").expect("it is there"), moves);
    job.directory.reps.insert("r1".to_owned(), rep);
    job.directory.territories.insert("York".to_owned(), TerritoryEntry::default());
    let mut shard = Shard::new(job);
    let owner = (Field::Owner, text("r1"));
    shard.apply(&event(Op::Create, at("2026-03-07T20:00:00Z"), &[owner]));
    // Midnight in the zone of the job is evening in New York and morning in Tokyo.
    assert_eq!(shard.days(YORK, M::OpenDeals), [(on("2026-03-07"), 1), (on("2026-03-09"), -1)]);
    assert_eq!(shard.days(TOKYO, M::OpenDeals), [(on("2026-03-10"), 1)]);
}

#[test]
fn whether_a_call_was_planned_is_told_by_the_day_of_the_segment() {
    let mut shard = Shard::new(job());
    // Logged on the 7th for the same evening, which in Tokyo is the next day.
    let set = [
        territory("Tokyo"),
        (Field::Done, Value::Bool(true)),
        (Field::PlannedAt, Value::Time(at("2026-03-07T20:00:00Z"))),
    ];
    let mut call = event(Op::Create, at("2026-03-07T13:00:00Z"), &set);
    call.entity.kind = EntityKind::Activity;
    shard.apply(&call);
    assert_eq!(shard.days("overall", M::ActivitiesDue), []);
    assert_eq!(shard.days(TOKYO, M::ActivitiesDue), [(on("2026-03-08"), 1)]);
    assert_eq!(shard.days(TOKYO, M::ActivitiesDone), [(on("2026-03-07"), 1)]);
}

#[test]
fn a_day_of_spend_is_that_day_everywhere() {
    let mut shard = Shard::new(job());
    for name in ["Tokyo", "York"] {
        let set = [territory(name), (Field::Spend, euros(9))];
        let mut spend = event(Op::Snapshot, at("2026-03-12T08:00:00Z"), &set);
        spend.entity = EntityRef {
            kind: EntityKind::CampaignDay,
            id: format!("ads/1/{name}/2026-03-08").into(),
        };
        shard.apply(&spend);
    }
    assert_eq!(shard.days("overall", M::CampaignDays), [(on("2026-03-08"), 2)]);
    assert_eq!(shard.days(TOKYO, M::CampaignDays), [(on("2026-03-08"), 1)]);
    assert_eq!(shard.days(YORK, M::CampaignDays), [(on("2026-03-08"), 1)]);
}

#[test]
fn no_day_is_let_go_of_before_it_is_old_in_every_zone() {
    let mut shard = Shard::new(job());
    shard.apply(&event(Op::Create, at("2026-03-07T20:00:00Z"), &[territory("York"), WON]));
    // In UTC the 41st day has begun; in New York it has not.
    shard.beat(at("2026-04-17T03:00:00Z"));
    assert_eq!(shard.days(YORK, M::DealsWon), [(on("2026-03-07"), 1)]);
    assert_eq!(shard.days("overall", M::DealsWon), [(on("2026-03-07"), 1)]);
    let applied = shard.apply(&event(Op::Update, at("2026-03-07T21:00:00Z"), &[LOST]));
    assert!(!applied.too_late);
    shard.beat(at("2026-04-17T04:00:00Z"));
    assert_eq!(shard.days(YORK, M::DealsLost), []);
    assert_eq!(shard.days("overall", M::DealsLost), []);
}

#[test]
fn an_image_keeps_whose_days_its_cells_are() {
    let job = Arc::new(job());
    let mut shard = Shard::new((*job).clone());
    let won = [territory("Tokyo"), WON];
    shard.apply(&event(Op::Create, at("2026-03-07T20:00:00Z"), &won));
    let image = shard.0.image();
    let mut back = Shard(Ledger::restore(job.clone(), Partition(0), &image).expect("it is there"));
    back.apply(&event(Op::Update, at("2026-03-08T20:00:00Z"), &[OPEN]));
    assert_eq!(back.days(TOKYO, M::DealsWon), []);
    assert_eq!(back.days(TOKYO, M::OpenDeals), [(on("2026-03-09"), 1)]);
    // Other zones are another definition, and a job without any is the one that it was.
    let other = Definition { zones: Zones::default(), ..(*job).clone() };
    assert!(Ledger::restore(Arc::new(other.clone()), Partition(0), &image).is_err());
    assert_eq!(other.hash(), definition().hash());
}
