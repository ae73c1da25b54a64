//! Twilio: status callbacks of calls (<https://www.twilio.com/docs/voice/api/call-resource>), as the
//! form that Twilio posts or as JSON. A call is an activity. Only callbacks of its progress say
//! when; the webhook that asks what to do with an incoming call does not.

use chrono::DateTime;

use super::json::Object;
use super::make::{How, Moment, Outline, Unit, missing};
use super::native::{Context, Out, id_of, unknown_shape};
use crate::model::deadletter::{Code, Reason};
use crate::model::event::{EntityKind, Field, FieldName, Op, Value};
use crate::model::source::Unread;
use crate::model::time::{Precision, Timestamp};

/// Reads one element.
pub fn decode(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    if object.has("MessageSid") {
        out.ignore(Unread::EntityNotRead, "a message");
        return Ok(());
    }
    let status = object.text("CallStatus");
    let status = status.ok_or_else(|| unknown_shape("CallSid and CallStatus"))?;
    let id = id_of(object, "CallSid")?;
    let over = ["completed", "busy", "no-answer", "failed", "canceled"].contains(&&*status);
    let moment = match object.text("Timestamp") {
        Some(text) => {
            let at = DateTime::parse_from_rfc2822(&text)
                .map_err(|_| Reason::new(Code::BadTime, "Timestamp is no time as in an e-mail"))?;
            let at = Timestamp(at.timestamp_micros());
            Moment { at, precision: Precision::Seconds }
        }
        // The status callback of a <Dial> or of an old number has none: it comes when it happens.
        None if over => context.came_at().ok_or_else(|| missing("Timestamp"))?,
        None => {
            out.ignore(Unread::SaysNothingAlone, format!("{status}, without a time"));
            return Ok(());
        }
    };
    let at = moment.at;
    let mut outline = Outline::new(EntityKind::Activity, &*id, Op::Update, moment);
    // Several callbacks fall into one second, and are numbered.
    outline.order = [at.millis(), object.get("SequenceNumber").whole().unwrap_or(0)];
    let how = How::plain(Unit::Seconds);
    outline.text(Field::ActivityKind, "call");
    outline.text(Field::Outcome, &*status);
    if let Some(direction) = object.text("Direction") {
        let way = if direction.starts_with("outbound") { "outbound" } else { "inbound" };
        outline.text(Field::Direction, way);
    }
    if over {
        outline.put(FieldName::Known(Field::Done), Value::Bool(status == "completed"));
        if object.has("CallDuration") {
            outline.field(context, Field::Duration, object.get("CallDuration"), &how)?;
        }
    }
    context.own(object, &how, &mut outline)?;
    out.event(context, outline, &format!("{id}:{status}"))
}
