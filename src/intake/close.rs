//! Close: webhooks (<https://developer.close.com/topics/webhooks/>): the whole row, what changed
//! in it, and who owns it. Times without a zone are UTC; values are in cents.

use super::json::Object;
use super::make::{How, Outline, Unit, missing, moment, required};
use super::native::{Context, Out, id_of, unknown_shape};
use crate::model::deadletter::Reason;
use crate::model::event::{EntityKind, Field, FieldName, Op, Status, Value};
use crate::model::source::Unread;

const DEAL: &[(&str, Field)] = &[
    ("status_id", Field::Stage),
    ("pipeline_id", Field::Pipeline),
    ("value", Field::Amount),
    ("value_period", Field::Type),
    ("user_id", Field::Owner),
    ("lead_id", Field::Account),
    ("contact_id", Field::Contact),
    ("confidence", Field::Probability),
    ("expected_date", Field::ExpectedClose),
    ("date_created", Field::CreatedAt),
];

const LEAD: &[(&str, Field)] =
    &[("status_label", Field::Status), ("date_created", Field::CreatedAt)];

const ACTIVITY: &[(&str, Field)] = &[
    ("direction", Field::Direction),
    ("disposition", Field::Outcome),
    ("duration", Field::Duration),
    ("lead_id", Field::Lead),
    ("starts_at", Field::PlannedAt),
    ("due_date", Field::PlannedAt),
    ("date_created", Field::CreatedAt),
];

/// Reads one element.
pub fn decode(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    let event = object.object("event").filter(|e| e.has("object_type") && e.has("action"));
    let event = event.ok_or_else(|| unknown_shape("an event with object_type and action"))?;
    let kind = event.text("object_type").unwrap_or_default();
    let (entity, table, activity) = match kind.split_once('.') {
        None if kind == "opportunity" => (EntityKind::Deal, DEAL, None),
        None if kind == "lead" => (EntityKind::Lead, LEAD, None),
        Some(("activity", name @ ("call" | "email" | "meeting" | "note" | "sms"))) => {
            (EntityKind::Activity, ACTIVITY, Some(name))
        }
        Some(("task", _)) => (EntityKind::Activity, ACTIVITY, Some("task")),
        _ => {
            out.ignore(Unread::EntityNotRead, &*kind);
            return Ok(());
        }
    };
    let action = event.text("action").unwrap_or_default();
    let op = match &*action {
        "created" => Op::Create,
        "updated" | "completed" | "sent" | "answered" => Op::Update,
        "deleted" => Op::Delete,
        _ => {
            out.ignore(Unread::TypeNotRead, format!("{kind} {action}"));
            return Ok(());
        }
    };
    let name = event.text("id").ok_or_else(|| missing("event.id"))?;
    let at = ["date_updated", "date_created"].map(|name| event.get(name));
    let at = at.into_iter().find(|json| !json.is_empty()).unwrap_or(event.get("date_updated"));
    let moment = required(context, "event.date_updated", at, Unit::Seconds)?;
    let mut outline = Outline::new(entity, &*id_of(&event, "object_id")?, op, moment);
    let row = event.object("data").filter(|_| op != Op::Delete);
    let changed = context.list(event.get("changed_fields"))?;
    let changed: Vec<_> = changed.iter().filter_map(|json| json.text()).collect();
    if let Some(row) = &row {
        let reads = |name: &str| {
            context.field(name, table).is_some()
                || [
                    "status_id",
                    "status_type",
                    "value_currency",
                    "status",
                    "is_complete",
                    "date_won",
                    "date_lost",
                ]
                .contains(&name)
        };
        if op == Op::Update && !changed.is_empty() && !changed.iter().any(|f| reads(f)) {
            out.ignore(Unread::FieldNotRead, changed.join(", "));
            return Ok(());
        }
        state(context, row, table, &mut outline)?;
        if entity == EntityKind::Deal {
            let closing = ["status_type", "date_won", "date_lost"];
            let closes = op == Op::Create || changed.iter().any(|f| closing.contains(&&**f));
            outcome(context, row, closes, &mut outline)?;
        }
        if let Some(activity) = activity {
            done(activity, row, &mut outline);
        }
    }
    out.event(context, outline, &name)
}

fn state(
    context: &Context<'_>,
    row: &Object<'_>,
    table: &[(&str, Field)],
    outline: &mut Outline,
) -> Result<(), Reason> {
    let currency = row.text("value_currency");
    for (name, json) in row.iter() {
        let Some(field) = context.field(name, table) else { continue };
        let cents = matches!(name, "value" | "confidence");
        let how = How {
            unit: Unit::Seconds,
            currency: currency.as_deref(),
            shift: if cents { -2 } else { 0 },
        };
        outline.state(context, &field, json, &how)?;
    }
    Ok(())
}

/// Won or lost, and on which day where the user said another one than today: the day alone would
/// move a win of this afternoon to midnight, before the deal was there.
fn outcome(
    context: &Context<'_>,
    row: &Object<'_>,
    changed: bool,
    outline: &mut Outline,
) -> Result<(), Reason> {
    let (status, date) = match row.text("status_type").as_deref() {
        Some("active") => (Status::Open, None),
        Some("won") => (Status::Won, Some("date_won")),
        Some("lost") => (Status::Lost, Some("date_lost")),
        _ => return Ok(()),
    };
    outline.status(status);
    let Some(date) = date.filter(|_| changed) else { return Ok(()) };
    let Some(stated) = moment(context, date, row.get(date), Unit::Seconds)? else { return Ok(()) };
    let calendar = &context.decoder.calendar;
    if !calendar.is_all_on(outline.time(), calendar.day_of(stated.at)) {
        outline.put(FieldName::Known(Field::ClosedAt), Value::Time(stated.at));
    }
    Ok(())
}

/// What kind of activity it is, whose, and whether it was done.
fn done(activity: &str, row: &Object<'_>, outline: &mut Outline) {
    outline.text(Field::ActivityKind, activity);
    if let Some(owner) = ["user_id", "assigned_to", "created_by"].iter().find_map(|n| row.text(n)) {
        outline.text(Field::Owner, owner);
    }
    let status = row.text("status");
    let done = match (activity, status.as_deref()) {
        ("task", _) => row.get("is_complete").boolean() == Some(true),
        ("note", _) => true,
        ("email" | "sms", status) => matches!(status, Some("sent" | "inbox")),
        (_, status) => status == Some("completed"),
    };
    outline.put(FieldName::Known(Field::Done), Value::Bool(done));
}
