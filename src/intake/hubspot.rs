//! HubSpot, in its four shapes:
//!
//! - webhooks v3, one message a *property*: legacy types (`deal.propertyChange`) and generic ones
//!   (`object.propertyChange` with `objectTypeId`)
//!   (<https://developers.hubspot.com/docs/api/webhooks>);
//! - the "send a webhook" action of workflows: the whole object with the versions of each property
//!   (<https://knowledge.hubspot.com/workflows/how-do-i-use-webhooks-with-hubspot-workflows>);
//! - files of the webhooks journal, and its events one by one
//!   (<https://developers.hubspot.com/docs/api-reference/webhooks-journal>).
//!
//! Events of a batch come in no order, so each states its own instant and the ledger puts them in
//! place. `eventId` names nothing: two subscriptions to one property send it twice under two ids.

mod kinds;

use std::borrow::Cow;
use std::collections::BTreeMap;

use kinds::{Kind, SOURCES, kind_of};

use super::json::{Json, Object};
use super::make::{How, Moment, Outline, Unit, hashed, required};
use super::native::{Context, Out, id_of, unknown_shape};
use crate::model::deadletter::Reason;
use crate::model::event::{EntityKind, Field, FieldName, Flags, Op, Status, Value};
use crate::model::source::Unread;

const EXPECTED: &str = "subscriptionType (webhooks v3), objectType and properties (workflow), or \
                        journalEvents (journal)";

/// Reads one element.
pub fn decode(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    if let Some(kind) = object.text("subscriptionType") {
        return webhook(context, object, &kind, out);
    }
    if object.has("journalEvents") {
        let events = context.list(object.get("journalEvents"))?;
        for (i, json) in (0u32..).zip(events) {
            out.element(i, json, |out| {
                let event = json.object().ok_or_else(|| unknown_shape("an object"))?;
                journal(context, &event, out)
            });
        }
        return Ok(());
    }
    match object.object("properties") {
        Some(properties) if object.has("objectType") => workflow(context, object, &properties, out),
        _ if object.has("action") && object.has("objectTypeId") => journal(context, object, out),
        _ => Err(unknown_shape(EXPECTED)),
    }
}

/// Webhooks v3: one property, or one thing that happened to the whole object.
fn webhook(
    context: &Context<'_>,
    object: &Object<'_>,
    subscription: &str,
    out: &mut Out,
) -> Result<(), Reason> {
    let (name, action) = subscription
        .rsplit_once('.')
        .ok_or_else(|| unknown_shape("a subscriptionType such as deal.propertyChange"))?;
    let type_id = object.text("objectTypeId");
    let Some(kind) = kind_of(name, type_id.as_deref()) else {
        out.ignore(Unread::EntityNotRead, type_id.as_deref().unwrap_or(subscription));
        return Ok(());
    };
    let moment = required(context, "occurredAt", object.get("occurredAt"), Unit::Millis)?;
    let op = match action {
        "creation" => Op::Create,
        "propertyChange" => return property(context, object, kind, moment, out),
        "deletion" | "privacyDeletion" => Op::Delete,
        "restore" => Op::Restore,
        "merge" => return merge(context, object, kind, moment, out),
        _ => {
            out.ignore(Unread::TypeNotRead, subscription);
            return Ok(());
        }
    };
    whole(context, object, kind, op, moment, out)
}

/// Something happened to the whole object.
fn whole(
    context: &Context<'_>,
    object: &Object<'_>,
    kind: &Kind,
    op: Op,
    moment: Moment,
    out: &mut Out,
) -> Result<(), Reason> {
    let id = kind.id(id_of(object, "objectId")?);
    let mut outline = Outline::new(kind.entity, &*id, op, moment);
    outline.flags = flags(object);
    outline_activity(kind, op, &mut outline);
    out.event(context, outline, &name_of(object, kind, &id, op.as_str(), moment, None))
}

/// What names an event: what happened to what and when, and never which subscription or which
/// attempt told of it.
fn name_of(
    object: &Object<'_>,
    kind: &Kind,
    id: &str,
    action: &str,
    moment: Moment,
    state: Option<&str>,
) -> String {
    let portal = object.text("portalId").unwrap_or_default();
    let hash = state.map_or(String::new(), |state| format!(":{}", hashed(state)));
    format!("{portal}:{}:{id}:{action}:{}{hash}", kind.name, moment.at.millis())
}

fn flags(object: &Object<'_>) -> Flags {
    match object.text("changeSource").as_deref() {
        Some("IMPORT") => Flags::IMPORT,
        _ => Flags::default(),
    }
}

/// Calls, e-mails and notes are logged when they are done; meetings and tasks are planned.
fn outline_activity(kind: &Kind, op: Op, outline: &mut Outline) {
    let Some(name) = kind.activity.filter(|_| op != Op::Delete) else { return };
    outline.text(Field::ActivityKind, name);
    if op == Op::Create && matches!(name, "call" | "email" | "note") {
        outline.put(FieldName::Known(Field::Done), Value::Bool(true));
    }
}

/// One property changed.
fn property(
    context: &Context<'_>,
    object: &Object<'_>,
    kind: &Kind,
    moment: Moment,
    out: &mut Out,
) -> Result<(), Reason> {
    let id = kind.id(id_of(object, "objectId")?);
    let name = id_of(object, "propertyName")?;
    let value = object.get("propertyValue");
    let mut outline = Outline::new(kind.entity, &*id, Op::Update, moment);
    outline.flags = flags(object);
    let state = State::from([(name.to_string(), value)]);
    if let Some(unread) = states(context, kind, &state, &state, &mut outline)? {
        out.ignore(unread, &*name);
        return Ok(());
    }
    outline_activity(kind, Op::Update, &mut outline);
    let action = format!("change:{name}");
    let id = name_of(object, kind, &id, &action, moment, Some(value.raw()));
    out.event(context, outline, &id)
}

/// Several objects became one. The one that remains may have a new id.
fn merge(
    context: &Context<'_>,
    object: &Object<'_>,
    kind: &Kind,
    moment: Moment,
    out: &mut Out,
) -> Result<(), Reason> {
    let primary = kind.id(id_of(object, "primaryObjectId")?);
    let winner = object.text("newObjectId").map_or_else(|| primary.clone(), |id| kind.id(id));
    let merged = context.list(object.get("mergedObjectIds"))?;
    // The list names the primary object too, or does not.
    let merged = merged.iter().filter_map(|json| json.text()).map(|id| kind.id(id));
    let mut losers: Vec<_> = merged.chain([primary]).collect();
    losers.sort();
    losers.dedup();
    for loser in losers.into_iter().filter(|loser| *loser != winner) {
        let mut outline = Outline::new(kind.entity, &*loser, Op::Merge, moment);
        outline.merged_into = Some(winner.to_string());
        out.event(context, outline, &name_of(object, kind, &loser, "merge", moment, None))?;
    }
    Ok(())
}

/// An event of the journal: all properties that changed together.
fn journal(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    if let Some(other) = object.text("type").filter(|name| name != "CRM_OBJECT") {
        out.ignore(Unread::TypeNotRead, other);
        return Ok(());
    }
    let type_id = id_of(object, "objectTypeId")?;
    let action = object.text("action").unwrap_or_default();
    let Some(kind) = kind_of("", Some(&type_id)) else {
        out.ignore(Unread::EntityNotRead, &*type_id);
        return Ok(());
    };
    let moment = required(context, "occurredAt", object.get("occurredAt"), Unit::Millis)?;
    let op = match &*action {
        "CREATE" => Op::Create,
        "UPDATE" => Op::Update,
        "DELETE" => Op::Delete,
        "RESTORE" => Op::Restore,
        "MERGE" => return merge(context, object, kind, moment, out),
        _ => {
            out.ignore(Unread::TypeNotRead, &*action);
            return Ok(());
        }
    };
    let changes = object.get("propertyChanges");
    let Some(changed) = changes.object().filter(|_| op != Op::Delete) else {
        return whole(context, object, kind, op, moment, out);
    };
    let id = kind.id(id_of(object, "objectId")?);
    let mut outline = Outline::new(kind.entity, &*id, op, moment);
    let state: State<'_> = changed.iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let unread = states(context, kind, &state, &state, &mut outline)?;
    if let Some(unread) = unread.filter(|_| op == Op::Update) {
        let names: Vec<_> = state.keys().map(String::as_str).collect();
        out.ignore(unread, names.join(", "));
        return Ok(());
    }
    if let Some(priced) = &kind.priced
        && state.contains_key(priced.currency)
        && !state.contains_key(priced.amount)
    {
        // What the amount is worth now is told by a change of both.
        out.ignore(Unread::SaysNothingAlone, priced.currency);
    }
    outline_activity(kind, op, &mut outline);
    let id = name_of(object, kind, &id, op.as_str(), moment, Some(changes.raw()));
    out.event(context, outline, &id)
}

/// A workflow sends the object as it is, and of each property what it was and since when: an
/// event for each instant at which something that is read changed.
fn workflow(
    context: &Context<'_>,
    object: &Object<'_>,
    properties: &Object<'_>,
    out: &mut Out,
) -> Result<(), Reason> {
    let type_name = object.text("objectType").unwrap_or_default();
    let Some(kind) = kind_of(&type_name, object.text("objectTypeId").as_deref()) else {
        out.ignore(Unread::EntityNotRead, &*type_name);
        return Ok(());
    };
    let id = kind.id(id_of(object, "objectId")?);
    let mut newest = None;
    let mut changes: BTreeMap<Moment, State<'_>> = BTreeMap::new();
    for (name, property) in properties.iter() {
        let Some(property) = property.object() else { continue };
        let versions = context.list(property.get("versions"))?;
        // What the property is now stands last.
        let versions: Vec<_> = versions.into_iter().filter_map(Json::object).collect();
        for version in versions.iter().chain([&property]) {
            let at = version.get("timestamp");
            let at = required(context, &format!("{name}.timestamp"), at, Unit::Millis)?;
            newest = newest.max(Some(at));
            if reads(context, kind, name) {
                let state = changes.entry(at).or_default();
                state.entry(name.to_owned()).or_insert(version.get("value"));
            }
        }
    }
    let mut current = State::new();
    let mut told = false;
    for (moment, changed) in &changes {
        current.extend(changed.iter().map(|(name, value)| (name.clone(), *value)));
        let mut outline = Outline::new(kind.entity, &*id, Op::Snapshot, *moment);
        if states(context, kind, changed, &current, &mut outline)?.is_some() {
            continue;
        }
        outline_activity(kind, Op::Snapshot, &mut outline);
        let parts: Vec<_> = changed.iter().map(|(n, v)| format!("{n}={}", v.raw())).collect();
        let id = name_of(object, kind, &id, "state", *moment, Some(&parts.join("&")));
        out.event(context, outline, &id)?;
        told = true;
    }
    match newest.filter(|_| object.get("isDeleted").boolean() == Some(true)) {
        Some(moment) => whole(context, object, kind, Op::Delete, moment, out),
        None if told => Ok(()),
        None => {
            out.ignore(Unread::FieldNotRead, "none of its properties is read");
            Ok(())
        }
    }
}

/// Properties with their values.
type State<'a> = BTreeMap<String, Json<'a>>;

const OUTCOME: [&str; 3] = ["hs_is_closed", "hs_is_closed_won", "hs_is_closed_lost"];

fn reads(context: &Context<'_>, kind: &Kind, name: &str) -> bool {
    let deals = kind.entity == EntityKind::Deal && OUTCOME.contains(&name);
    deals || kind.prices(name) || context.field(name, kind.fields).is_some()
}

/// The currency of an object, which is a property of its own.
fn currency<'a>(kind: &Kind, current: &State<'a>) -> Option<Cow<'a, str>> {
    let code = current.get(kind.priced.as_ref()?.currency)?.text()?;
    (!code.is_empty()).then_some(code)
}

/// States what the changed properties say, seen beside the others that are known. Returns why
/// nothing is stated, where nothing is.
fn states(
    context: &Context<'_>,
    kind: &Kind,
    changed: &State<'_>,
    current: &State<'_>,
    outline: &mut Outline,
) -> Result<Option<Unread>, Reason> {
    let code = currency(kind, current);
    let plain = How { currency: code.as_deref(), ..How::plain(Unit::Millis) };
    let mut halves = false;
    for (name, value) in changed {
        let deal = kind.entity == EntityKind::Deal;
        if deal && OUTCOME.contains(&name.as_str()) {
            halves = true;
            continue;
        }
        if kind.prices(name) {
            halves |= !amount(context, kind, current, outline)?;
            // Beside the amount, the currency may fill a field of the company's own.
            if kind.is_currency(name)
                && let Some(field) = context.field(name, kind.fields)
            {
                outline.state(context, &field, *value, &plain)?;
            }
            continue;
        }
        let Some(field) = context.field(name, kind.fields) else { continue };
        // A call lasts milliseconds here.
        let shift = if name == "hs_call_duration" { -3 } else { 0 };
        // What HubSpot converted for the portal is not in the currency of the object.
        let currency = plain.currency.filter(|_| !kinds::is_converted(name));
        outline.state(context, &field, *value, &How { shift, currency, ..plain })?;
        if name == "hs_analytics_source" && context.decoder.reading.channels.default_grouping {
            outline.reword(Field::Channel, &SOURCES);
        }
        if name == "hs_survey_type" {
            outline.reword(Field::Metric, &[("NPS", "nps"), ("CSAT", "csat"), ("CES", "ces")]);
        }
        if name == kinds::PAYMENT_STATUS {
            paid(*value, outline);
        }
        if matches!(name.as_str(), "hs_task_status" | "hs_meeting_outcome") {
            let done = value.text().as_deref() == Some("COMPLETED");
            outline.put(FieldName::Known(Field::Done), Value::Bool(done));
        }
    }
    if halves && let Some(status) = outcome(current) {
        outline.status(status);
    }
    Ok(match (outline.is_empty(), halves) {
        (false, _) => None,
        (true, true) => Some(Unread::SaysNothingAlone),
        (true, false) => Some(Unread::FieldNotRead),
    })
}

/// A payment was paid when its status came to say so.
fn paid(status: Json<'_>, outline: &mut Outline) {
    let name = FieldName::Known(Field::PaidAt);
    match status.text().as_deref().and_then(kinds::paid) {
        Some(true) => outline.put(name, Value::Time(outline.time())),
        Some(false) => outline.put(name, Value::Null),
        None => {}
    }
}

/// The amount in its currency. False where there is no amount.
fn amount(
    context: &Context<'_>,
    kind: &Kind,
    current: &State<'_>,
    outline: &mut Outline,
) -> Result<bool, Reason> {
    let Some(name) = kind.priced.as_ref().map(|priced| priced.amount) else { return Ok(false) };
    let Some(field) = context.field(name, kind.fields) else { return Ok(false) };
    let Some(amount) = current.get(name) else { return Ok(false) };
    let code = currency(kind, current);
    let how = How { currency: code.as_deref(), ..How::plain(Unit::Millis) };
    outline.state(context, &field, *amount, &how)?;
    Ok(true)
}

/// Won or lost is told by two properties that may come apart: "closed" alone says neither.
fn outcome(current: &State<'_>) -> Option<Status> {
    let is = |name: &str| current.get(name).and_then(|json| json.boolean());
    match (is(OUTCOME[0]), is(OUTCOME[1]), is(OUTCOME[2])) {
        (_, Some(true), _) => Some(Status::Won),
        (_, _, Some(true)) => Some(Status::Lost),
        (Some(false), ..) => Some(Status::Open),
        (Some(true), Some(false), _) => Some(Status::Lost),
        _ => None,
    }
}
