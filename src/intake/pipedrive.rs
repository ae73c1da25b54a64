//! Pipedrive: webhooks of both versions (<https://pipedrive.readme.io/docs/guide-for-webhooks> and
//! `…-v2`). The version is told by the body: the default changed under everyone's feet once.
//!
//! - v1: `{v, event, meta, current, previous}`; `previous` is the whole former row; times of a row
//!   are UTC without saying so; the owner is `user_id`;
//! - v2: `{meta, data, previous}`; `previous` holds only what changed; the owner is `owner_id`.
//!
//! An event states the whole row, since a deal may be older than the connection; a change of
//! nothing that is read (counters, notes) is ignored. `creator_user_id` is not the owner.

use std::borrow::Cow;

use super::json::{Json, Object};
use super::make::{How, Moment, Outline, Unit, required};
use super::native::{Context, Out, unknown_shape};
use crate::model::deadletter::{Code, Reason};
use crate::model::event::{EntityKind, Field, Flags, Op, Status};
use crate::model::source::Unread;
use crate::model::time::{Precision, Timestamp};

const EXPECTED: &str = "meta with current and previous (webhooks v1) or with data (v2)";

const DEAL: &[(&str, Field)] = &[
    ("title", Field::Name),
    ("pipeline_id", Field::Pipeline),
    ("stage_id", Field::Stage),
    ("status", Field::Status),
    ("value", Field::Amount),
    ("user_id", Field::Owner),
    ("owner_id", Field::Owner),
    ("org_id", Field::Account),
    ("person_id", Field::Contact),
    ("channel", Field::Channel),
    ("add_time", Field::CreatedAt),
    ("expected_close_date", Field::ExpectedClose),
    ("probability", Field::Probability),
    ("lost_reason", Field::LostReason),
];

const LEAD: &[(&str, Field)] = &[
    ("owner_id", Field::Owner),
    ("source_name", Field::Source),
    ("channel", Field::Channel),
    ("organization_id", Field::Account),
    ("person_id", Field::Contact),
    ("add_time", Field::CreatedAt),
    // How far a lead has come, as the company words it: a list of ids
    // (<https://developers.pipedrive.com/docs/api/v1/Leads>).
    ("label_ids", Field::Stage),
];

const ACTIVITY: &[(&str, Field)] = &[
    ("type", Field::ActivityKind),
    ("done", Field::Done),
    ("user_id", Field::Owner),
    ("owner_id", Field::Owner),
    ("deal_id", Field::Deal),
    ("lead_id", Field::Lead),
    ("due_date", Field::PlannedAt),
    ("marked_as_done_time", Field::DoneAt),
    ("add_time", Field::CreatedAt),
];

/// A webhook of either version.
struct Hook<'a> {
    object: Cow<'a, str>,
    id: Cow<'a, str>,
    action: Cow<'a, str>,
    moment: Moment,
    row: Option<Object<'a>>,
    previous: Option<Object<'a>>,
    /// Whether `previous` holds only what changed.
    partial: bool,
    meta: Object<'a>,
}

/// Reads one element.
pub fn decode(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    let meta = object.object("meta").ok_or_else(|| unknown_shape(EXPECTED))?;
    let v2 = object.has("data");
    if !v2 && !object.has("current") {
        return Err(unknown_shape(EXPECTED));
    }
    let text = |name: &str| {
        meta.text(name)
            .ok_or_else(|| Reason::new(Code::MissingField, format!("meta.{name} is absent")))
    };
    let (kind, id) = if v2 { ("entity", "entity_id") } else { ("object", "id") };
    let hook = Hook {
        object: text(kind)?,
        id: text(id)?,
        action: text("action")?,
        moment: when(context, &meta)?,
        row: object.object(if v2 { "data" } else { "current" }),
        previous: object.object("previous"),
        partial: v2,
        meta: meta.clone(),
    };
    tell(context, &hook, out)
}

/// v1 gives microseconds beside seconds; v2 a text, and in one published sample seconds.
fn when(context: &Context<'_>, meta: &Object<'_>) -> Result<Moment, Reason> {
    match meta.get("timestamp_micro").whole() {
        Some(micros) => Ok(Moment { at: Timestamp(micros), precision: Precision::Micros }),
        None => required(context, "meta.timestamp", meta.get("timestamp"), Unit::Seconds),
    }
}

fn tell(context: &Context<'_>, hook: &Hook<'_>, out: &mut Out) -> Result<(), Reason> {
    let (entity, table) = match &*hook.object {
        "deal" => (EntityKind::Deal, DEAL),
        "lead" => (EntityKind::Lead, LEAD),
        "activity" => (EntityKind::Activity, ACTIVITY),
        other => {
            out.ignore(Unread::EntityNotRead, other);
            return Ok(());
        }
    };
    let op = match &*hook.action {
        "added" | "create" => Op::Create,
        "updated" | "change" | "merged" => Op::Update,
        "deleted" | "delete" => Op::Delete,
        other => {
            out.ignore(Unread::TypeNotRead, format!("{other} of {}", hook.object));
            return Ok(());
        }
    };
    if op == Op::Update && !hook.changes(context, table) {
        out.ignore(Unread::FieldNotRead, format!("{} {}", hook.object, hook.action));
        return Ok(());
    }
    let op = match entity {
        EntityKind::Deal if op != Op::Delete => hook.life().unwrap_or(op),
        _ => op,
    };
    let merged = hook.merged_into().filter(|_| op == Op::Delete);
    let op = if merged.is_some() { Op::Merge } else { op };
    let converted = hook.converted().filter(|_| entity == EntityKind::Lead);
    // A lead that became a deal leaves the list of leads; it was one all the same.
    let op = if converted.is_some() && op == Op::Delete { Op::Update } else { op };
    let mut outline = Outline::new(entity, &*hook.id, op, hook.moment);
    outline.merged_into = merged;
    if hook.meta.get("is_bulk_update").boolean() == Some(true)
        || hook.meta.get("is_bulk_edit").boolean() == Some(true)
    {
        outline.flags = Flags::BULK;
    }
    if let Some(row) = hook.row.as_ref().filter(|_| !matches!(op, Op::Delete | Op::Merge)) {
        state(context, entity, row, table, &mut outline)?;
    }
    if let Some(deal) = converted {
        outline.text(Field::ConvertedDeal, deal);
        outline.text(Field::Stage, "converted");
    }
    let company = hook.meta.text("company_id").unwrap_or_default();
    let correlation = hook.meta.text("correlation_id").unwrap_or_default();
    let at = hook.moment.at.0;
    let id = format!("{company}:{}:{}:{}:{at}:{correlation}", hook.object, hook.id, hook.action);
    out.event(context, outline, &id)
}

fn state(
    context: &Context<'_>,
    entity: EntityKind,
    row: &Object<'_>,
    table: &[(&str, Field)],
    outline: &mut Outline,
) -> Result<(), Reason> {
    let code = row.text("currency");
    for (name, json) in row.iter() {
        let Some(field) = context.field(name, table) else { continue };
        if entity == EntityKind::Deal && name == "status" {
            if let Some(status) = json.text().and_then(|text| Status::parse(&text)) {
                outline.status(status);
            }
            continue;
        }
        let how = How {
            unit: Unit::Seconds,
            currency: code.as_deref(),
            shift: if name == "probability" { -2 } else { 0 },
        };
        let json = match name {
            "label_ids" if json.raw().starts_with('[') => {
                context.list(json)?.first().copied().unwrap_or(Json::NULL)
            }
            _ => json,
        };
        let json = number_of(json);
        outline.state(context, &field, json, &how)?;
    }
    match entity {
        EntityKind::Deal => closed(context, row, outline),
        EntityKind::Activity => duration(row, outline),
        _ => Ok(()),
    }
}

/// A reference is a number, or in some payloads an object around it.
fn number_of(json: Json<'_>) -> Json<'_> {
    match json.object() {
        Some(object) if object.has("value") => object.get("value"),
        Some(object) if object.has("id") => object.get("id"),
        _ => json,
    }
}

/// When the deal was won or lost: its row says so for ever after. What an open row says of it is
/// of a former life.
fn closed(context: &Context<'_>, row: &Object<'_>, outline: &mut Outline) -> Result<(), Reason> {
    let name = match row.text("status").as_deref() {
        Some("won") => "won_time",
        Some("lost") => "lost_time",
        _ => return Ok(()),
    };
    let at = [name, "close_time"].map(|name| row.get(name));
    match at.into_iter().find(|json| !json.is_empty()) {
        Some(json) => outline.field(context, Field::ClosedAt, json, &How::plain(Unit::Seconds)),
        None => Ok(()),
    }
}

/// `hh:mm`, or with seconds.
fn duration(row: &Object<'_>, outline: &mut Outline) -> Result<(), Reason> {
    let Some(text) = row.text("duration") else { return Ok(()) };
    let parts: Option<Vec<i64>> = text.split(':').map(|part| part.parse().ok()).collect();
    let seconds = match parts.as_deref() {
        Some([h, m]) if (0..1000).contains(h) && (0..60).contains(m) => h * 3600 + m * 60,
        Some([h, m, s]) if (0..1000).contains(h) && (0..60).contains(m) && (0..60).contains(s) => {
            h * 3600 + m * 60 + s
        }
        _ => return Err(Reason::new(Code::DecodeJson, "duration is not hh:mm")),
    };
    outline.whole(Field::Duration, seconds);
    Ok(())
}

impl Hook<'_> {
    /// Whether something changed that is read. Where that is not told, it may have.
    fn changes(&self, context: &Context<'_>, table: &[(&str, Field)]) -> bool {
        let (Some(row), Some(previous)) = (&self.row, &self.previous) else { return true };
        let extra = [
            "currency",
            "won_time",
            "lost_time",
            "close_time",
            "duration",
            "converted_deal_id",
            "converted_to_deal_id",
        ];
        let reads = |name: &str| extra.contains(&name) || context.field(name, table).is_some();
        let differs = |name: &str, old: Json<'_>| self.partial || row.get(name) != old;
        previous.iter().any(|(name, old)| reads(name) && differs(name, old))
    }

    /// What becomes of a deal by what its rows say, where its life is at stake: a deal that is deleted keeps its row for a while, and
    /// may come back.
    fn life(&self) -> Option<Op> {
        let deleted = |row: &Option<Object<'_>>| {
            row.as_ref().map(|row| row.text("status").as_deref() == Some("deleted"))
        };
        match (deleted(&self.previous), deleted(&self.row)) {
            (_, Some(true)) => Some(Op::Delete),
            (Some(true), _) => Some(Op::Restore),
            _ => None,
        }
    }

    /// The deal that a lead became.
    fn converted(&self) -> Option<String> {
        let rows = [self.row.as_ref(), self.previous.as_ref(), Some(&self.meta)];
        let of = |row: &Object<'_>| {
            ["converted_deal_id", "converted_to_deal_id"]
                .iter()
                .find_map(|name| number_of(row.get(name)).text().filter(|id| !id.is_empty()))
                .map(Cow::into_owned)
        };
        rows.into_iter().flatten().find_map(of)
    }

    /// Into which row this one was merged: v2 deletes it and says so.
    fn merged_into(&self) -> Option<String> {
        let rows = [self.row.as_ref(), self.previous.as_ref(), Some(&self.meta)];
        rows.into_iter().flatten().find_map(|row| row.text("merged_to_id")).map(Cow::into_owned)
    }
}
