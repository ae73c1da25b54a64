//! Calendly: webhooks (<https://developer.calendly.com/api-docs>) of invitees. A meeting is an
//! activity of the invitee. Moving it cancels one and creates another, so such a cancellation has
//! the outcome `rescheduled` and not `canceled`.

use super::json::Object;
use super::link;
use super::make::{How, Outline, Unit, required};
use super::native::{Context, Out, id_of, unknown_shape};
use crate::model::deadletter::Reason;
use crate::model::event::{EntityKind, Field, FieldName, Op, Value};
use crate::model::source::Unread;

/// Reads one element.
pub fn decode(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    let (Some(kind), Some(payload)) = (object.text("event"), object.object("payload")) else {
        return Err(unknown_shape("event and payload"));
    };
    let (op, outcome) = match &*kind {
        "invitee.created" => (Op::Create, None),
        "invitee.canceled" if payload.get("rescheduled").boolean() == Some(true) => {
            (Op::Update, Some("rescheduled"))
        }
        "invitee.canceled" => (Op::Update, Some("canceled")),
        "invitee_no_show.created" => (Op::Update, Some("no_show")),
        other => {
            out.ignore(Unread::TypeNotRead, other);
            return Ok(());
        }
    };
    let uri = id_of(&payload, if outcome == Some("no_show") { "invitee" } else { "uri" })?;
    let moment = required(context, "created_at", object.get("created_at"), Unit::Millis)?;
    let mut outline = Outline::new(EntityKind::Activity, tail(&uri), op, moment);
    let how = How::plain(Unit::Millis);
    outline.text(Field::ActivityKind, "meeting");
    if let Some(outcome) = outcome {
        outline.text(Field::Outcome, outcome);
        outline.put(FieldName::Known(Field::Done), Value::Bool(false));
    }
    if let Some(tracking) = payload.object("tracking") {
        link::tags(context, &tracking, &mut outline)?;
    }
    if let Some(meeting) = payload.object("scheduled_event") {
        outline.field(context, Field::PlannedAt, meeting.get("start_time"), &how)?;
        let hosts = context.list(meeting.get("event_memberships"))?;
        let host = hosts.first().and_then(|json| json.object()).and_then(|h| h.text("user"));
        if let Some(host) = host {
            outline.text(Field::Owner, tail(&host));
        }
    }
    context.own(&payload, &how, &mut outline)?;
    out.event(context, outline, &format!("{kind}:{uri}:{}", moment.at.0))
}

/// The id at the end of an address.
fn tail(uri: &str) -> &str {
    uri.trim_end_matches('/').rsplit('/').next().unwrap_or(uri)
}
