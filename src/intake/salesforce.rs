//! Salesforce: change events of Change Data Capture
//! (<https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/>),
//! in the forms in which they reach Kafka:
//!
//! - the message as CometD gives it, `{schema, payload, event}`, alone or in `data`; Confluent's CDC
//!   connector writes the same with `SF_API`;
//! - flattened by Confluent's CDC connector: fields beside `ChangeEventHeader`, and null where
//!   nothing changed;
//! - fields alone with the header in the record's metadata (Redpanda Connect's `salesforce_cdc`),
//!   handed on as headers or in `metadata`;
//! - whole rows of a PushTopic through Confluent's connector, with `_ObjectType` and `_EventType`.
//!
//! One event may name many records: the same change, made in one transaction. The replay id is not
//! unique and names nothing by itself.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::json::{Json, Object};
use super::make::{How, Moment, Outline, Unit, missing, moment, required};
use super::native::{Context, Out, id_of, unknown_shape};
use crate::model::deadletter::{Code, Reason};
use crate::model::event::{EntityKind, Field, FieldName, Op, Status, Value};
use crate::model::source::Unread;

const EXPECTED: &str = "a ChangeEventHeader (Change Data Capture), metadata with operation and \
                        sobject (Redpanda Connect), or Id, _ObjectType and _EventType (PushTopic)";

const CURRENCY: &str = "CurrencyIsoCode";

const DEAL: &[(&str, Field)] = &[
    ("Name", Field::Name),
    ("StageName", Field::Stage),
    // A record type has stages of its own, as a pipeline has elsewhere.
    ("RecordTypeId", Field::Pipeline),
    ("Amount", Field::Amount),
    ("OwnerId", Field::Owner),
    ("AccountId", Field::Account),
    ("ContactId", Field::Contact),
    ("CampaignId", Field::Campaign),
    ("LeadSource", Field::Source),
    ("Type", Field::Type),
    ("CreatedDate", Field::CreatedAt),
    // A plan until the deal is closed, and editable for ever.
    ("CloseDate", Field::ExpectedClose),
    ("Probability", Field::Probability),
];

const LEAD: &[(&str, Field)] = &[
    ("Status", Field::Status),
    ("OwnerId", Field::Owner),
    ("LeadSource", Field::Source),
    ("CreatedDate", Field::CreatedAt),
    ("ConvertedOpportunityId", Field::ConvertedDeal),
    ("ConvertedAccountId", Field::Account),
    ("ConvertedContactId", Field::Contact),
    // Of users of Sales Engagement.
    ("FirstCallDateTime", Field::FirstCallAt),
    ("FirstEmailDateTime", Field::FirstEmailAt),
];

const TASK: &[(&str, Field)] = &[
    ("OwnerId", Field::Owner),
    ("CallType", Field::Direction),
    ("CallDisposition", Field::Outcome),
    ("Status", Field::Outcome),
    ("CallDurationInSeconds", Field::Duration),
    ("ActivityDate", Field::PlannedAt),
    ("CompletedDateTime", Field::DoneAt),
    ("CreatedDate", Field::CreatedAt),
];

const MEETING: &[(&str, Field)] = &[
    ("OwnerId", Field::Owner),
    ("StartDateTime", Field::PlannedAt),
    ("ActivityDateTime", Field::PlannedAt),
    ("CreatedDate", Field::CreatedAt),
];

const USER: &[(&str, Field)] =
    &[("Name", Field::Name), ("Email", Field::Email), ("IsActive", Field::Active)];

/// Salesforce knows of no payment: an order counts when it is activated.
const ORDER: &[(&str, Field)] = &[
    ("Status", Field::Status),
    ("TotalAmount", Field::Amount),
    ("ActivatedDate", Field::PaidAt),
    ("AccountId", Field::Customer),
    ("OpportunityId", Field::Deal),
    ("OwnerId", Field::Owner),
    ("CreatedDate", Field::CreatedAt),
];

const MEMBER: &[(&str, Field)] =
    &[("CampaignId", Field::Campaign), ("LeadId", Field::Contact), ("ContactId", Field::Contact)];

fn kind_of(object: &str) -> Option<(EntityKind, &'static [(&'static str, Field)])> {
    Some(match object {
        "Opportunity" => (EntityKind::Deal, DEAL),
        "Lead" => (EntityKind::Lead, LEAD),
        "Task" => (EntityKind::Activity, TASK),
        "Event" => (EntityKind::Activity, MEETING),
        "Order" => (EntityKind::Order, ORDER),
        "CampaignMember" => (EntityKind::Touch, MEMBER),
        "User" => (EntityKind::Rep, USER),
        _ => return None,
    })
}

/// A change, whatever it came in.
struct Change<'a> {
    object: Cow<'a, str>,
    ids: Vec<Cow<'a, str>>,
    kind: Cow<'a, str>,
    moment: Moment,
    order: [i64; 2],
    /// Names the change, beside object and record.
    name: String,
    /// Fields that changed; none where the source does not say.
    changed: Option<Vec<Cow<'a, str>>>,
    nulled: Vec<Cow<'a, str>>,
    /// Whether the row is whole, so that null is what a field is.
    whole: bool,
    fields: Object<'a>,
}

/// Reads one element.
pub fn decode(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    let opened = object.object("data").filter(|data| data.has("payload"));
    let message = opened.as_ref().unwrap_or(object);
    let payload = message.object("payload").filter(|p| p.has("ChangeEventHeader"));
    let fields = payload.as_ref().unwrap_or(message);
    let change = if let Some(header) = fields.object("ChangeEventHeader") {
        captured(context, &header, fields)?
    } else if let Some(change) = redpanda(context, object)? {
        change
    } else if object.has("_EventType") && object.has("_ObjectType") {
        pushed(context, object)?
    } else {
        return Err(unknown_shape(EXPECTED));
    };
    tell(context, &change, out)
}

/// An event with its header.
fn captured<'a>(
    context: &Context<'_>,
    header: &Object<'a>,
    fields: &Object<'a>,
) -> Result<Change<'a>, Reason> {
    let moment = required(context, "commitTimestamp", header.get("commitTimestamp"), Unit::Millis)?;
    let texts = |name: &str| -> Result<Vec<Cow<'a, str>>, Reason> {
        let list = context.list(header.get(name))?;
        Ok(list.iter().filter_map(|json| json.text()).collect())
    };
    let number = |name: &str| -> Result<i64, Reason> {
        let json = header.get(name);
        if json.is_empty() {
            return Ok(0);
        }
        let why = || Reason::new(Code::DecodeJson, format!("{name} is no number of 64 bits"));
        json.whole().ok_or_else(why)
    };
    let (commit, sequence) = (number("commitNumber")?, number("sequenceNumber")?);
    let transaction = header.text("transactionKey").ok_or_else(|| missing("transactionKey"))?;
    let changed = match header.has("changedFields") {
        true => Some(texts("changedFields")?),
        false => None,
    };
    if changed.iter().flatten().any(|field| field.starts_with("0x")) {
        let why =
            "changedFields are bits of an Avro schema: decode the Pub/Sub API with its schema";
        return Err(Reason::new(Code::UnknownShape, why));
    }
    Ok(Change {
        object: header.text("entityName").ok_or_else(|| missing("entityName"))?,
        ids: texts("recordIds")?,
        kind: header.text("changeType").ok_or_else(|| missing("changeType"))?,
        moment,
        // Within a transaction the sequence decides. Commit numbers of different transactions lie
        // further apart than a transaction is long.
        order: [moment.at.millis(), commit.saturating_add(sequence)],
        name: format!("{transaction}:{sequence}"),
        changed,
        nulled: texts("nulledFields")?,
        whole: false,
        fields: fields.clone(),
    })
}

/// A row of Redpanda Connect: its metadata stand in `metadata`, or in headers of the record.
fn redpanda<'a>(context: &Context<'_>, object: &Object<'a>) -> Result<Option<Change<'a>>, Reason> {
    let metadata = object.object("metadata");
    let of = |name: &str| -> Option<String> {
        let inside = metadata.as_ref().and_then(|m| m.text(name)).map(Cow::into_owned);
        inside.or_else(|| context.header(name).map(str::to_owned))
    };
    let (Some(operation), Some(sobject)) = (of("operation"), of("sobject")) else {
        return Ok(None);
    };
    let body = ["content", "payload", "value"].iter().find_map(|name| object.object(name));
    let fields = body.filter(|_| metadata.is_some()).unwrap_or_else(|| object.clone());
    let kind = if operation == "read" { "SNAPSHOT".to_owned() } else { operation.to_uppercase() };
    let replay = of("replay_id");
    let (stamped, order, name) = stamped(context, &kind, &fields, replay.as_deref())?;
    let ids = match of("record_ids") {
        Some(text) => {
            let clean = text.trim_matches(['[', ']']);
            context.few(clean.split(',').count())?;
            let ids = clean.split(',').map(|id| id.trim().trim_matches('"').to_owned());
            ids.filter(|id| !id.is_empty()).map(Cow::Owned).collect()
        }
        None => vec![id_of(&fields, "Id")?],
    };
    Ok(Some(Change {
        object: Cow::Owned(sobject),
        ids,
        whole: kind == "SNAPSHOT",
        kind: Cow::Owned(kind),
        moment: stamped,
        order,
        name: of("event_uuid").unwrap_or(name),
        changed: None,
        nulled: Vec::new(),
        fields,
    }))
}

/// A row of a PushTopic: whole, as it was when it was sent.
fn pushed<'a>(context: &Context<'_>, object: &Object<'a>) -> Result<Change<'a>, Reason> {
    let kind = match object.text("_EventType").as_deref() {
        Some("created") => "CREATE",
        Some("updated") => "SNAPSHOT",
        Some("deleted") => "DELETE",
        Some("undeleted") => "UNDELETE",
        _ => return Err(unknown_shape("_EventType created, updated, deleted or undeleted")),
    };
    let replay = ["ReplayId", "replayId", "replay_id"].iter().find_map(|name| object.text(name));
    let (moment, order, name) = stamped(context, kind, object, replay.as_deref())?;
    Ok(Change {
        object: object.text("_ObjectType").unwrap_or_default(),
        ids: vec![id_of(object, "Id")?],
        kind: Cow::Borrowed(kind),
        moment,
        order,
        name,
        changed: None,
        nulled: Vec::new(),
        whole: true,
        fields: object.clone(),
    })
}

/// When a row without a header changed, its order, and its name. A deletion or a gap brings no
/// field, and a row need not say when it was modified: then when the record came is all that is
/// known. Its creation dates nothing but the creation.
fn stamped(
    context: &Context<'_>,
    kind: &str,
    row: &Object<'_>,
    replay: Option<&str>,
) -> Result<(Moment, [i64; 2], String), Reason> {
    let names = ["LastModifiedDate", "SystemModstamp", "CreatedDate"];
    let names = if kind == "CREATE" { &names[..] } else { &names[..2] };
    let at = names.iter().map(|name| row.get(name)).find(|json| !json.is_empty());
    let stated = moment(context, "LastModifiedDate", at.unwrap_or(Json::NULL), Unit::Millis)?;
    let came = || {
        let why = "LastModifiedDate is absent, and so is the timestamp of the record";
        context.came_at().ok_or_else(|| Reason::new(Code::MissingField, why))
    };
    let moment = stated.map_or_else(came, Ok)?;
    let [millis, rest] = moment.order();
    let order = [millis, replay.and_then(|id| id.parse().ok()).unwrap_or(rest)];
    // The record may come again at another time; what the row says stays.
    let name = match (replay, stated) {
        (Some(replay), None) => format!("{kind}:{replay}"),
        (Some(replay), Some(_)) => format!("{kind}:{millis}:{replay}"),
        (None, _) => format!("{kind}:{millis}"),
    };
    Ok((moment, order, name))
}

impl Change<'_> {
    /// Whether the currency changed and the amount is not beside it. Where no one says what changed
    /// it did if nothing else is told.
    fn is_recoined(&self, nothing_else: bool) -> bool {
        let changed = self.changed.iter().flatten().any(|f| f == CURRENCY);
        let alone = self.changed.is_none() && nothing_else && self.fields.has(CURRENCY);
        (changed || alone) && self.fields.get("Amount").is_empty()
    }
}

/// One event a record.
fn tell(context: &Context<'_>, change: &Change<'_>, out: &mut Out) -> Result<(), Reason> {
    let Some((entity, table)) = kind_of(&change.object) else {
        out.ignore(Unread::EntityNotRead, &*change.object);
        return Ok(());
    };
    let (op, gap) = match change.kind.strip_prefix("GAP_") {
        Some(kind) => (op_of(kind).unwrap_or(Op::Update), true),
        None => {
            let why = || unknown_shape("changeType CREATE, UPDATE, DELETE, UNDELETE or GAP_…");
            (op_of(&change.kind).ok_or_else(why)?, false)
        }
    };
    if change.ids.is_empty() {
        return Err(Reason::new(Code::MissingEntity, "recordIds is absent or empty"));
    }
    // All records of an object, as in `006*`: no record is named, whatever the change is called.
    let (all, ids): (Vec<_>, Vec<_>) = change.ids.iter().partition(|id| id.contains('*'));
    for id in all {
        let all = Outline::new(entity, &**id, Op::Update, change.moment).gap();
        out.event(context, all, &format!("{}:{id}:{}", change.object, change.name))?;
    }
    if ids.is_empty() {
        return Ok(());
    }
    let responded =
        if entity == EntityKind::Touch && !gap { answered(change, op) } else { Some(op) };
    let Some(op) = responded else {
        out.ignore(Unread::SaysNothingAlone, "a campaign member without a response");
        return Ok(());
    };
    let mut outline = Outline::new(entity, "", op, change.moment);
    outline.order = change.order;
    if !gap {
        state(context, change, op, table, &mut outline)?;
        if entity == EntityKind::Deal && change.is_recoined(outline.is_empty()) {
            // What the amount is worth now is told by a row with both.
            out.ignore(Unread::SaysNothingAlone, CURRENCY);
            if op == Op::Update && outline.is_empty() {
                return Ok(());
            }
        }
        if op == Op::Update && outline.is_empty() {
            let fields = change.changed.iter().flatten().map(|f| &**f).collect::<Vec<_>>();
            out.ignore(Unread::FieldNotRead, fields.join(", "));
            return Ok(());
        }
    }
    // Each event has the texts for itself.
    let limit = context.decoder.limits.max_record_bytes.saturating_mul(8);
    if ids.len().saturating_mul(outline.size()) > limit {
        let why = format!("a change of {} records, too large to state of each", ids.len());
        return Err(Reason::new(Code::TooMany, why));
    }
    for id in ids {
        let name = format!("{}:{id}:{}", change.object, change.name);
        if gap {
            // The fields are lost; a snapshot heals it. That a record is gone is told all the same.
            out.event(context, outline.clone().about(&**id).gap(), &name)?;
            if op == Op::Delete {
                out.event(context, outline.clone().about(&**id), &format!("{name}:delete"))?;
            }
        } else {
            out.event(context, outline.clone().about(&**id), &name)?;
        }
    }
    Ok(())
}

/// Whoever is a member of a campaign was only written to: the response is the touch. What becomes of
/// it; none where there was none.
fn answered(change: &Change<'_>, op: Op) -> Option<Op> {
    let stated = change.fields.get("HasResponded").boolean();
    let dated = !change.fields.get("FirstRespondedDate").is_empty();
    match (op, stated.or(dated.then_some(true))) {
        (Op::Delete, _) | (Op::Update, Some(false)) => Some(Op::Delete),
        (Op::Update, Some(true)) => Some(Op::Snapshot),
        (_, Some(true)) => Some(op),
        _ => None,
    }
}

fn op_of(kind: &str) -> Option<Op> {
    Some(match kind {
        "CREATE" => Op::Create,
        "UPDATE" | "OVERFLOW" => Op::Update,
        "DELETE" => Op::Delete,
        "UNDELETE" => Op::Restore,
        "SNAPSHOT" => Op::Snapshot,
        _ => return None,
    })
}

fn state(
    context: &Context<'_>,
    change: &Change<'_>,
    op: Op,
    table: &[(&str, Field)],
    outline: &mut Outline,
) -> Result<(), Reason> {
    if op == Op::Delete {
        return Ok(());
    }
    let currency = change.fields.text(CURRENCY);
    let cleared = change.cleared(op);
    for (name, json) in change.fields.iter() {
        let Some(field) = context.field(name, table) else { continue };
        if json.is_empty() {
            // In flat forms null stands for "did not change" too: only the header tells.
            if change.whole || cleared.contains(name) {
                outline.clear(context, field);
            }
            continue;
        }
        let how = How {
            // The connectors write a date as days.
            unit: Unit::Connect,
            currency: currency.as_deref(),
            shift: if name == "Probability" { -2 } else { 0 },
        };
        outline.state(context, &field, json, &how)?;
    }
    // A message may leave out what it says is nulled.
    for name in change.nulled.iter().filter(|_| op == Op::Update).map(|name| last_part(name)) {
        if let Some(field) =
            context.field(name, table).filter(|_| change.fields.get(name).is_empty())
        {
            outline.clear(context, field);
        }
    }
    match &*change.object {
        "Opportunity" => {
            let is = |name: &str| change.fields.get(name).boolean();
            match (is("IsWon"), is("IsClosed")) {
                (Some(true), _) => outline.status(Status::Won),
                (_, Some(false)) => outline.status(Status::Open),
                (Some(false), Some(true)) => outline.status(Status::Lost),
                _ => {}
            }
        }
        "Lead" if change.fields.get("IsConverted").boolean() == Some(true) => {
            outline.text(Field::Stage, "converted");
        }
        "Task" => task(change, op, outline),
        "CampaignMember" => outline.text(Field::ActivityKind, "reply"),
        "Event" if !outline.is_empty() || op != Op::Update => {
            outline.text(Field::ActivityKind, "meeting");
        }
        _ => {}
    }
    Ok(())
}

/// A task is a call or an e-mail by its subtype, and done by its status.
fn task(change: &Change<'_>, op: Op, outline: &mut Outline) {
    let subtype = change.fields.text("TaskSubtype").or_else(|| change.fields.text("Type"));
    match subtype.as_deref() {
        Some("Call") => outline.text(Field::ActivityKind, "call"),
        Some("Email" | "ListEmail") => outline.text(Field::ActivityKind, "email"),
        _ if op != Op::Update => outline.text(Field::ActivityKind, "task"),
        _ => {}
    }
    let closed = change.fields.get("IsClosed").boolean();
    let completed = change.fields.text("Status").map(|status| status == "Completed");
    if let Some(done) = closed.or(completed) {
        outline.put(FieldName::Known(Field::Done), Value::Bool(done));
    }
}

/// A compound field is listed by its parts: `Name.FirstName`.
fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

impl Change<'_> {
    /// Fields of which null means that someone cleared them.
    fn cleared(&self, op: Op) -> BTreeSet<&str> {
        let listed = self.nulled.iter().chain(self.changed.iter().flatten());
        let listed = listed.filter(|_| op == Op::Update);
        listed.flat_map(|name| [&**name, last_part(name)]).collect()
    }
}
