//! Customer.io: reporting webhooks
//! (<https://docs.customer.io/journeys/webhooks/>): one event a request, in whole seconds. Opens and
//! clicks are touches. `human_…` and `machine_…` repeat them by who did it, and are not read.

use super::json::Object;
use super::make::{How, Outline, Unit, missing, required};
use super::native::{Context, Out, unknown_shape};
use crate::model::deadletter::Reason;
use crate::model::event::{EntityKind, Field, Op};
use crate::model::source::Unread;

/// Reads one element.
pub fn decode(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    let kind = (object.text("object_type"), object.text("metric"));
    let (Some(medium), Some(metric)) = kind else {
        return Err(unknown_shape("object_type and metric"));
    };
    let touch = match &*metric {
        "opened" => "open",
        "clicked" => "click",
        _ => {
            out.ignore(Unread::TypeNotRead, format!("{medium} {metric}"));
            return Ok(());
        }
    };
    let id = object.text("event_id").ok_or_else(|| missing("event_id"))?;
    let moment = required(context, "timestamp", object.get("timestamp"), Unit::Seconds)?;
    let mut outline = Outline::new(EntityKind::Touch, &*id, Op::Create, moment);
    outline.text(Field::ActivityKind, touch);
    outline.text(Field::Medium, medium);
    let data = object.object("data").unwrap_or_default();
    let person = data.object("identifiers").and_then(|ids| ids.text("id"));
    if let Some(person) = person.or_else(|| data.text("customer_id")) {
        outline.text(Field::Contact, person);
    }
    let campaigns = ["campaign_id", "broadcast_id", "newsletter_id"];
    if let Some(campaign) = campaigns.iter().find_map(|name| data.text(name)) {
        outline.text(Field::Campaign, campaign);
    }
    context.own(&data, &How::plain(Unit::Seconds), &mut outline)?;
    out.event(context, outline, &id)
}
