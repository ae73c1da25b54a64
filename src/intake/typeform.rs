//! Typeform: responses (<https://www.typeform.com/developers/webhooks/>). A response is a touch, and
//! each of its answers on a scale an answer to a survey, where the question's `ref` begins with the
//! metric: `nps`, `csat` or `ces`. What a scale measures is nowhere else.

use super::json::Object;
use super::make::{How, Outline, Unit, missing, required};
use super::native::{Context, Out, id_of, unknown_shape};
use crate::model::deadletter::Reason;
use crate::model::event::{EntityKind, Field, Op};
use crate::model::source::Unread;

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
    out.event(context, touch.clone(), &name)?;
    let answers = context.list(response.get("answers"))?;
    for answer in answers.into_iter().filter_map(|json| json.object()) {
        let Some(field) = answer.object("field") else { continue };
        let question = field.text("ref").unwrap_or_default();
        let metric = ["nps", "csat", "ces"].into_iter().find(|metric| question.starts_with(metric));
        let (Some(metric), true) = (metric, answer.has("number")) else { continue };
        let id = format!("{token}/{}", id_of(&field, "id")?);
        let mut survey = Outline::new(EntityKind::SurveyResponse, &*id, Op::Create, moment);
        survey.text(Field::Metric, metric);
        survey.field(context, Field::Score, answer.get("number"), &how)?;
        if metric == "nps" {
            survey.whole(Field::ScaleMax, 10);
        }
        for (native, json) in hidden.iter() {
            let field = context.field(native, &HIDDEN[6..]).filter(|_| !json.is_empty());
            if let Some(field) = field {
                survey.state(context, &field, json, &how)?;
            }
        }
        out.event(context, survey, &format!("{name}:{id}"))?;
    }
    Ok(())
}
