//! Measures of the user's own: every moment of every type counts, on its day, for whom it is credited
//! to.

use super::*;
use crate::model::event::{FieldName, FieldType};
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
    OwnMeasure::new("m", "", Meant { of, at, condition, sum: None, is_money: false })
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

/// Each field that can be summed is, at the moment that its type passes.
#[test]
fn every_field_that_holds_a_number_is_summed() {
    use EntityKind as Of;
    let known = |field| FieldName::Known(field);
    let units = || FieldName::Custom("units".into());
    let sums = [
        (Of::Lead, Moment::Created, known(Field::Amount)),
        (Of::Deal, Moment::Created, known(Field::Amount)),
        (Of::Deal, Moment::Created, known(Field::Probability)),
        (Of::Deal, Moment::Created, units()),
        (Of::Activity, Moment::Done, known(Field::Duration)),
        (Of::Order, Moment::Paid, known(Field::Amount)),
        (Of::Order, Moment::Paid, known(Field::Refunded)),
        (Of::Order, Moment::Paid, known(Field::Discount)),
        (Of::Invoice, Moment::Paid, known(Field::Refunded)),
        (Of::CampaignDay, Moment::Day, known(Field::Spend)),
        (Of::CampaignDay, Moment::Day, known(Field::Impressions)),
        (Of::CampaignDay, Moment::Day, known(Field::Clicks)),
        (Of::CampaignDay, Moment::Day, known(Field::Conversions)),
        (Of::SurveyResponse, Moment::Answered, known(Field::Score)),
        (Of::Subscription, Moment::Ended, known(Field::Mrr)),
    ];
    for (of, at, field) in sums {
        let meant = Meant {
            of,
            at,
            condition: Condition::default(),
            sum: Some(field.clone()),
            is_money: false,
        };
        let own = OwnMeasure::new("m", "", meant);
        let mut shard = Shard::new(job(&own));
        let is_money = matches!(&field, FieldName::Known(f) if f.field_type() == FieldType::Money);
        let value = match &field {
            _ if is_money => euros(7),
            FieldName::Custom(_) => text("7"),
            FieldName::Known(_) => Value::Number("7".parse().expect("7 is a number")),
        };
        let mut life = life(of);
        life[0].set.push((field.clone(), value));
        life.iter().for_each(|event| _ = shard.apply(event));
        let [sum, count] = match is_money {
            true => [Measure::OwnAmount, Measure::OwnPriced],
            false => [Measure::OwnQuantity, Measure::OwnNumbered],
        };
        let sums: Vec<i128> = shard.days("overall", sum).into_iter().map(|(_, n)| n).collect();
        let counts: Vec<i128> = shard.days("rep=r1", count).into_iter().map(|(_, n)| n).collect();
        assert_eq!((sums, counts), (vec![7 * EXACT_ONE], vec![1]), "{of:?} {field:?}");
    }
}
