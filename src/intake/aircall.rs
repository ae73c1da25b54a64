//! Aircall: webhooks of calls (<https://developer.aircall.io/api-references/#webhooks>). A call is
//! told once, when it has ended; its times are seconds since 1970.

use super::json::Object;
use super::make::{How, Outline, Unit, required};
use super::native::{Context, Out, id_of, unknown_shape};
use crate::model::deadletter::Reason;
use crate::model::event::{EntityKind, Field, FieldName, Op, Value};
use crate::model::source::Unread;

const CALL: &[(&str, Field)] = &[
    ("direction", Field::Direction),
    ("status", Field::Outcome),
    ("duration", Field::Duration),
    ("started_at", Field::CreatedAt),
    ("ended_at", Field::DoneAt),
];

/// Reads one element.
pub fn decode(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    let parts = (object.text("event"), object.text("resource"), object.object("data"));
    let (Some(event), Some(resource), Some(call)) = parts else {
        return Err(unknown_shape("event, resource and data"));
    };
    if resource != "call" {
        out.ignore(Unread::EntityNotRead, resource);
        return Ok(());
    }
    if event != "call.ended" {
        out.ignore(Unread::TypeNotRead, event);
        return Ok(());
    }
    let id = id_of(&call, "id")?;
    let moment = required(context, "data.ended_at", call.get("ended_at"), Unit::Seconds)?;
    let mut outline = Outline::new(EntityKind::Activity, &*id, Op::Create, moment);
    outline.text(Field::ActivityKind, "call");
    for (name, json) in call.iter() {
        if let Some(field) = context.field(name, CALL) {
            outline.state(context, &field, json, &How::plain(Unit::Seconds))?;
        }
    }
    let answered = !call.get("answered_at").is_empty();
    outline.put(FieldName::Known(Field::Done), Value::Bool(answered));
    for (name, field) in [("user", Field::Owner), ("contact", Field::Contact)] {
        if let Some(id) = call.object(name).and_then(|who| who.text("id")) {
            outline.text(field, id);
        }
    }
    out.event(context, outline, &format!("{event}:{id}:{}", moment.at.0))
}
