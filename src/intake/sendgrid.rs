//! SendGrid: the event webhook
//! (<https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event>): arrays of events,
//! in whole seconds. Opens and clicks are touches.

use super::json::Object;
use super::make::{How, Outline, Unit, missing, required};
use super::native::{Context, Out, unknown_shape};
use crate::model::deadletter::Reason;
use crate::model::event::{EntityKind, Field, Op};
use crate::model::source::Unread;

const TOUCH: &[(&str, Field)] = &[
    ("marketing_campaign_name", Field::Campaign),
    ("contact_id", Field::Contact),
    ("user_id", Field::Contact),
];

/// Reads one element.
pub fn decode(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    let known = object.has("sg_event_id") || object.has("sg_message_id");
    let kind = object.text("event").filter(|_| known);
    let kind = kind.ok_or_else(|| unknown_shape("event and sg_event_id"))?;
    let touch = match &*kind {
        "open" if object.get("sg_machine_open").boolean() == Some(true) => {
            out.ignore(Unread::Machine, "an open by the mail provider");
            return Ok(());
        }
        "open" => "open",
        "click" => "click",
        other => {
            out.ignore(Unread::TypeNotRead, other);
            return Ok(());
        }
    };
    let id = object.text("sg_event_id").ok_or_else(|| missing("sg_event_id"))?;
    let moment = required(context, "timestamp", object.get("timestamp"), Unit::Seconds)?;
    let mut outline = Outline::new(EntityKind::Touch, &*id, Op::Create, moment);
    outline.text(Field::ActivityKind, touch);
    outline.text(Field::Medium, "email");
    for (name, json) in object.iter() {
        if let Some(field) = context.field(name, TOUCH) {
            outline.state(context, &field, json, &How::plain(Unit::Seconds))?;
        }
    }
    out.event(context, outline, &id)
}
