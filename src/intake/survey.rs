//! Surveys, in the two forms in which most of their services send a response: whole, with a metric
//! beside each answer (SatisMeter, Refiner), and as a form with one score, sent when it is given and
//! again when it is revised (Wootric). The body tells which.
//!
//! An answer is a survey response of its own, named by response and question; a revised score is
//! the same one, later. Which metric a score is of is read where it stands, and never guessed from
//! its scale.

use super::json::{Json, Object};
use super::make::{How, Moment, Outline, Unit, moment, required};
use super::native::{Context, Out, id_of, unknown_shape};
use crate::model::deadletter::Reason;
use crate::model::event::{EntityKind, Field, FieldName, Op, Value};
use crate::model::source::Unread;

/// The metrics that are read.
pub const METRICS: [&str; 3] = ["nps", "csat", "ces"];

/// What a response says beside its answers.
const RESPONSE: &[(&str, Field)] = &[
    ("end_user_id", Field::Contact),
    ("user_id", Field::Contact),
    ("deal_id", Field::Deal),
    ("owner_id", Field::Owner),
];

/// What it says of who gave it. Names and addresses are not read.
const PERSON: &[(&str, Field)] = &[
    ("id", Field::Contact),
    ("userId", Field::Contact),
    ("user_id", Field::Contact),
    ("deal_id", Field::Deal),
    ("owner_id", Field::Owner),
];

const HOW: How<'static> = How { unit: Unit::Epoch, currency: None, shift: 0 };

/// A response, and what its event says of it.
struct Told<'a> {
    response: Object<'a>,
    op: Op,
    moment: Moment,
    created: Option<Moment>,
}

/// Reads one element.
pub fn decode(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    let kind = object.text("event_name").or_else(|| object.text("event"));
    let kind = kind.unwrap_or_default();
    let inner = object.object("response");
    if inner.is_none() && object.object("decline").is_some() {
        out.ignore(Unread::TypeNotRead, "decline");
        return Ok(());
    }
    let whole = || Some(object.clone()).filter(|o| o.has("answers"));
    let Some(response) = inner.or_else(whole) else {
        return Err(unknown_shape("a response, or an object with answers"));
    };
    let (answered, scored) = (response.has("answers"), response.has("score"));
    if !answered && !scored {
        return Err(unknown_shape("a response with answers or a score"));
    }
    let told = told(context, response, &kind)?;
    if answered {
        return answers(context, &told, object, out);
    }
    let id = id_of(&told.response, "id")?.into_owned();
    let named = [&told.response, object].iter().find_map(|o| o.text("metric"));
    let metric = named.as_deref().and_then(known);
    answer(context, &told, (&id, metric, told.response.get("score")), object, out)
}

/// When it was given, and whether it is new, revised, or counts no more.
fn told<'a>(context: &Context<'_>, response: Object<'a>, kind: &str) -> Result<Told<'a>, Reason> {
    let at = |names: &[&str]| {
        let json = names.iter().map(|name| response.get(name)).find(|json| !json.is_empty());
        json.unwrap_or(Json::NULL)
    };
    let created = moment(context, "created", at(&["created", "created_at"]), Unit::Epoch)?;
    let changed = at(&["updated", "updated_at"]);
    let moment = match created {
        Some(created) => moment(context, "updated", changed, Unit::Epoch)?.unwrap_or(created),
        None => required(context, "created or updated", changed, Unit::Epoch)?,
    };
    // The service itself leaves it out.
    let excluded = response.get("excluded_from_calculations").boolean() == Some(true);
    let op = match kind {
        _ if excluded => Op::Delete,
        "deleted" => Op::Delete,
        "updated" => Op::Snapshot,
        _ if created.is_some_and(|created| created.at == moment.at) => Op::Create,
        _ => Op::Snapshot,
    };
    Ok(Told { response, op, moment, created })
}

fn known(metric: &str) -> Option<&'static str> {
    METRICS.into_iter().find(|name| name.eq_ignore_ascii_case(metric.trim()))
}

fn answers(
    context: &Context<'_>,
    told: &Told<'_>,
    whole: &Object<'_>,
    out: &mut Out,
) -> Result<(), Reason> {
    let id = id_of(&told.response, "id")?.into_owned();
    let mut read = false;
    for given in context.list(told.response.get("answers"))? {
        let Some(given) = given.object() else { continue };
        let Some(metric) = given.text("metric").as_deref().and_then(known) else { continue };
        let scores = ["value", "score", "rating"].map(|name| given.get(name));
        let score = scores.into_iter().find(|json| !json.is_empty());
        let Some(score) = score else { continue };
        let question = ["id", "question_id", "name"].into_iter().find_map(|n| given.text(n));
        let name = format!("{id}/{}", question.as_deref().unwrap_or(metric));
        answer(context, told, (&name, Some(metric), score), whole, out)?;
        read = true;
    }
    if !read {
        out.ignore(Unread::FieldNotRead, "no answer has a metric and a score");
    }
    Ok(())
}

fn answer(
    context: &Context<'_>,
    told: &Told<'_>,
    (id, metric, score): (&str, Option<&str>, Json<'_>),
    whole: &Object<'_>,
    out: &mut Out,
) -> Result<(), Reason> {
    let mut outline = Outline::new(EntityKind::SurveyResponse, id, told.op, told.moment);
    let name = format!("{id}:{}:{}", told.op.as_str(), told.moment.at.0);
    if told.op == Op::Delete {
        return out.event(context, outline, &name);
    }
    if let Some(metric) = metric {
        outline.text(Field::Metric, metric);
        if metric == "nps" {
            outline.whole(Field::ScaleMax, 10);
        }
    }
    outline.state(context, &FieldName::Known(Field::Score), score, &HOW)?;
    if let Some(created) = told.created {
        outline.put(FieldName::Known(Field::CreatedAt), Value::Time(created.at));
    }
    let response = &told.response;
    let inside = |name: &str| response.object(name).or_else(|| whole.object(name));
    let person = inside("user").or_else(|| inside("contact"));
    let traits = person.as_ref().and_then(|person| person.object("traits"));
    let properties = inside("end_user_properties");
    for (table, object) in [
        (RESPONSE, Some(response)),
        (PERSON, person.as_ref()),
        (&PERSON[3..], traits.as_ref()),
        (&PERSON[3..], properties.as_ref()),
    ] {
        for (native, json) in object.into_iter().flat_map(Object::iter) {
            let field = context.field(native, table).filter(|_| !json.is_empty());
            if let Some(field) = field {
                outline.state(context, &field, json, &HOW)?;
            }
        }
    }
    out.event(context, outline, &name)
}
