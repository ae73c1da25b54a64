//! Typeform: responses (<https://www.typeform.com/developers/webhooks/>). A response is a touch, and
//! each of its answers on a scale an answer to a survey, where the question's `ref` begins with the
//! metric (`nps`, `csat` or `ces`), or the configuration names it as a `score`. What a scale measures
//! is nowhere else, but for a hidden field `metric`.

use super::json::{Json, Object};
use super::make::{How, Outline, Unit, missing, required};
use super::native::{Context, Out, id_of, unknown_shape};
use super::survey::METRICS;
use crate::model::deadletter::Reason;
use crate::model::event::{EntityKind, Field, FieldName, Op};
use crate::model::source::Unread;

const SCORE: FieldName<'static> = FieldName::Known(Field::Score);
const METRIC: FieldName<'static> = FieldName::Known(Field::Metric);

/// What of it says something of the answers too.
const OF_SURVEYS: &[(&str, Field)] = &[
    ("contact_id", Field::Contact),
    ("user_id", Field::Contact),
    ("deal_id", Field::Deal),
    ("owner_id", Field::Owner),
    ("metric", Field::Metric),
];

/// What a form may hand through in hidden fields.
const HIDDEN: &[(&str, Field)] = &[
    ("utm_campaign", Field::Campaign),
    ("utm_medium", Field::Medium),
    ("utm_source", Field::Source),
    ("referrer", Field::Referrer),
    ("contact_id", Field::Contact),
    ("user_id", Field::Contact),
    ("deal_id", Field::Deal),
    ("owner_id", Field::Owner),
];

/// Reads one element.
pub fn decode(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    let (Some(kind), Some(response)) = (object.text("event_type"), object.object("form_response"))
    else {
        return Err(unknown_shape("event_type and form_response"));
    };
    if kind != "form_response" {
        out.ignore(Unread::TypeNotRead, kind);
        return Ok(());
    }
    let name = object.text("event_id").ok_or_else(|| missing("event_id"))?;
    let token = id_of(&response, "token")?;
    let moment = required(context, "submitted_at", response.get("submitted_at"), Unit::Millis)?;
    let how = How::plain(Unit::Millis);
    let hidden = response.object("hidden").unwrap_or_default();
    let mut touch = Outline::new(EntityKind::Touch, &*token, Op::Create, moment);
    touch.text(Field::ActivityKind, "form");
    for (native, json) in hidden.iter() {
        if let Some(field) = context.field(native, HIDDEN).filter(|_| !json.is_empty()) {
            touch.state(context, &field, json, &how)?;
        }
    }
    let answers = context.list(response.get("answers"))?;
    let answers: Vec<Object<'_>> = answers.into_iter().filter_map(Json::object).collect();
    let mut surveys = Vec::new();
    for answer in &answers {
        let Some(field) = answer.object("field") else { continue };
        let question = field.text("ref").unwrap_or_default();
        let metric = METRICS.into_iter().find(|metric| question.starts_with(metric));
        let own = context.decoder.reading.fields.get(&*question);
        let scores = own == Some(&SCORE) || (own.is_none() && metric.is_some());
        if let Some(own) = own.filter(|_| !scores) {
            let value = value_of(answer);
            if !value.is_empty() {
                touch.state(context, own, value, &how)?;
            }
        } else if scores && answer.has("number") {
            let id = format!("{token}/{}", id_of(&field, "id")?);
            let mut survey = Outline::new(EntityKind::SurveyResponse, &*id, Op::Create, moment);
            if let Some(metric) = metric {
                survey.text(Field::Metric, metric);
            }
            survey.state(context, &SCORE, answer.get("number"), &how)?;
            for (native, json) in hidden.iter() {
                let field = context.field(native, OF_SURVEYS).filter(|_| !json.is_empty());
                if let Some(field) = field.filter(|field| !(metric.is_some() && *field == METRIC)) {
                    survey.state(context, &field, json, &how)?;
                }
            }
            surveys.push((metric, survey, format!("{name}:{id}")));
        }
    }
    out.event(context, touch, &name)?;
    for (metric, mut survey, name) in surveys {
        if metric == Some("nps") {
            survey.whole(Field::ScaleMax, 10);
        }
        out.event(context, survey, &name)?;
    }
    Ok(())
}

/// The value of an answer, whatever its type. Addresses and numbers of telephones are not read.
fn value_of<'a>(answer: &Object<'a>) -> Json<'a> {
    let plain = ["number", "text", "boolean", "date"].map(|name| answer.get(name));
    let choice = answer.object("choice").map(|choice| choice.get("label"));
    plain.into_iter().chain(choice).find(|json| !json.is_empty()).unwrap_or(Json::NULL)
}
