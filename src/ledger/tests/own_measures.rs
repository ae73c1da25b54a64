//! Measures of the user's own: every moment of every type counts, on its day, for whom it is credited
//! to.

use super::*;
use crate::model::measure::MeasureKey;
use crate::model::own::{Asked, Condition, Meant, Moment, OwnMeasure, read};

fn measure(of: EntityKind, at: Moment, text: &str) -> OwnMeasure {
    let field = |name: &str| {
        Ok(Asked::Field(FieldName::Known(Field::parse(name).expect("a field of events"))))
    };
    let condition = match text {
        "" => Condition::default(),
        text => read(text, field).expect("a condition"),
    };
    OwnMeasure::new("m", "", Meant { of, at, condition, sum: None })
}

fn job(own: &OwnMeasure) -> Definition {
    Definition { measures: [own.clone()].into_iter().collect(), ..definition() }
}

/// A life that passes every moment: it is created on day 10, and what comes later comes on day 11, but
/// for what is due or ends on day 12.
fn life(of: EntityKind) -> Vec<Event<'static>> {
    let at = |n| Value::Time(day(n));
    let owner = (Field::Owner, text("r1"));
    let told: Vec<(Field, Value<'static>)> = match of {
        EntityKind::Activity => vec![(Field::PlannedAt, at(12)), (Field::Done, Value::Bool(true))],
        EntityKind::Order | EntityKind::Invoice => vec![(Field::PaidAt, at(11))],
        EntityKind::Subscription => vec![(Field::StartedAt, at(11)), (Field::EndedAt, at(12))],
        _ => vec![],
    };
    let mut out = vec![event(Op::Create, day(10), &[owner]), event(Op::Update, day(11), &told)];
    for event in &mut out {
        // The day of a campaign stands in its id.
        event.entity = EntityRef { kind: of, id: "a/b/1970-01-12".into() };
    }
    out
}

#[test]
fn every_moment_of_every_type_counts() {
    let mut counted = 0;
    for (of, name) in EntityKind::ALL {
        for at in Moment::of(of) {
            let own = measure(of, *at, "");
            let mut shard = Shard::new(job(&own));
            for event in life(of) {
                shard.apply(&event);
            }
            let outcomes: &[Moment] = &[Moment::Won, Moment::Lost, Moment::Closed];
            if outcomes.contains(at) {
                let outcome = if *at == Moment::Lost { LOST } else { WON };
                let mut close = event(Op::Update, day(11), &[outcome]);
                close.entity = life(of)[0].entity.clone();
                shard.apply(&close);
            }
            let expected = match at {
                Moment::Created | Moment::Touched | Moment::Answered => 10,
                Moment::Due | Moment::Ended => 12,
                _ => 11,
            };
            for segment in ["overall", "rep=r1"] {
                let found = shard.days(segment, Measure::OwnCount);
                assert_eq!(found, [(expected, 1)], "{name} {at:?} of {segment}");
            }
            let cells = shard.of_days("overall");
            assert_eq!(cells[&expected].at(own.key(Measure::OwnCount)), 1);
            counted += 1;
        }
    }
    assert_eq!(counted, 17);
}

/// What is said today of what began long ago is on time, though the day is not kept any more.
#[test]
fn what_is_said_later_is_not_too_late() {
    let own = measure(EntityKind::Deal, Moment::Created, "lost_reason = 'price'");
    let mut shard = Shard::new(job(&own));
    shard.apply(&event(Op::Create, day(100), &[]));
    shard.beat(day(150));
    let applied =
        shard.apply(&event(Op::Update, day(150), &[LOST, (Field::LostReason, text("price"))]));
    assert!(!applied.too_late && applied.verdict == Verdict::Counted);
    assert_eq!(shard.days("overall", Measure::OwnCount), []);
    assert_eq!(shard.days("overall", Measure::DealsLost), [(150, 1)]);
}

/// A subscription may be called open, as a deal is.
#[test]
fn a_status_is_a_word_too() {
    let own = measure(EntityKind::Subscription, Moment::Started, "status = 'open'");
    let mut shard = Shard::new(job(&own));
    let mut created = event(Op::Create, day(3), &[OPEN]);
    created.entity.kind = EntityKind::Subscription;
    shard.apply(&created);
    assert_eq!(shard.days("overall", Measure::OwnCount), [(3, 1)]);
    let key: MeasureKey = own.key(Measure::OwnCount);
    assert_eq!(shard.of_days("overall")[&3].at(key), 1);
}
