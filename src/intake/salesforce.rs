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
//! One event may name many records: the same change, made in one transaction. `ReplayId` is not
//! unique and names nothing.

use std::borrow::Cow;

use super::json::{Json, Object};
use super::make::{How, Moment, Outline, Unit, missing, required};
use super::native::{Context, Out, id_of, unknown_shape};
use crate::model::deadletter::{Code, Reason};
use crate::model::event::{EntityKind, Field, FieldName, Op, Status, Value};
use crate::model::source::Unread;

const EXPECTED: &str = "a ChangeEventHeader (Change Data Capture), metadata with operation and \
                        sobject (Redpanda Connect), or Id, _ObjectType and _EventType (PushTopic)";

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

fn kind_of(object: &str) -> Option<(EntityKind, &'static [(&'static str, Field)])> {
    Some(match object {
        "Opportunity" => (EntityKind::Deal, DEAL),
        "Lead" => (EntityKind::Lead, LEAD),
        "Task" => (EntityKind::Activity, TASK),
        "Event" => (EntityKind::Activity, MEETING),
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
    let texts = |name: &str| -> Vec<Cow<'a, str>> {
        header.get(name).elements().iter().filter_map(|json| json.text()).collect()
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
    let changed = header.has("changedFields").then(|| texts("changedFields"));
    if changed.iter().flatten().any(|field| field.starts_with("0x")) {
        let why =
            "changedFields are bits of an Avro schema: decode the Pub/Sub API with its schema";
        return Err(Reason::new(Code::UnknownShape, why));
    }
    Ok(Change {
        object: header.text("entityName").ok_or_else(|| missing("entityName"))?,
        ids: texts("recordIds"),
        kind: header.text("changeType").ok_or_else(|| missing("changeType"))?,
        moment,
        // Within a transaction the sequence decides. Commit numbers of different transactions lie
        // further apart than a transaction is long.
        order: [moment.at.millis(), commit.saturating_add(sequence)],
        name: format!("{transaction}:{sequence}"),
        changed,
        nulled: texts("nulledFields"),
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
    let stamp = ["LastModifiedDate", "SystemModstamp", "CreatedDate"];
    let at = stamp.iter().map(|name| fields.get(name)).find(|json| !json.is_empty());
    let moment = required(context, "LastModifiedDate", at.unwrap_or(Json::NULL), Unit::Millis)?;
    let ids = match of("record_ids") {
        Some(text) => {
            let clean = text.trim_matches(['[', ']']);
            let ids = clean.split(',').map(|id| id.trim().trim_matches('"').to_owned());
            ids.filter(|id| !id.is_empty()).map(Cow::Owned).collect()
        }
        None => vec![id_of(&fields, "Id")?],
    };
    let kind = if operation == "read" { "SNAPSHOT".to_owned() } else { operation.to_uppercase() };
    let name = of("event_uuid").or_else(|| of("replay_id"));
    Ok(Some(Change {
        object: Cow::Owned(sobject),
        ids,
        kind: Cow::Owned(kind),
        moment,
        order: moment.order(),
        name: name.unwrap_or_else(|| moment.at.millis().to_string()),
        changed: None,
        nulled: Vec::new(),
        fields,
    }))
}

/// A row of a PushTopic: whole, as it was when it was sent.
fn pushed<'a>(context: &Context<'_>, object: &Object<'a>) -> Result<Change<'a>, Reason> {
    let stamp = ["LastModifiedDate", "SystemModstamp", "CreatedDate"];
    let at = stamp.iter().map(|name| object.get(name)).find(|json| !json.is_empty());
    let moment = required(context, "LastModifiedDate", at.unwrap_or(Json::NULL), Unit::Millis)?;
    let kind = match object.text("_EventType").as_deref() {
        Some("created") => "CREATE",
        Some("updated") => "SNAPSHOT",
        Some("deleted") => "DELETE",
        Some("undeleted") => "UNDELETE",
        _ => return Err(unknown_shape("_EventType created, updated, deleted or undeleted")),
    };
    Ok(Change {
        object: object.text("_ObjectType").unwrap_or_default(),
        ids: vec![id_of(object, "Id")?],
        kind: Cow::Borrowed(kind),
        moment,
        order: moment.order(),
        name: format!("{kind}:{}", moment.at.millis()),
        changed: None,
        nulled: Vec::new(),
        fields: object.clone(),
    })
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
    let mut outline = Outline::new(entity, "", op, change.moment);
    outline.order = change.order;
    if gap {
        // The fields are lost, and whether the record is still there is all that a gap could say;
        // a snapshot heals it.
        outline = outline.gap();
    } else {
        state(context, change, op, table, &mut outline)?;
        if op == Op::Update && outline.is_empty() {
            let fields = change.changed.iter().flatten().map(|f| &**f).collect::<Vec<_>>();
            out.ignore(Unread::FieldNotRead, fields.join(", "));
            return Ok(());
        }
    }
    for id in &change.ids {
        let event = outline.clone().about(&**id);
        out.event(context, event, &format!("{}:{id}:{}", change.object, change.name))?;
    }
    Ok(())
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
    let currency = change.fields.text("CurrencyIsoCode");
    for (name, json) in change.fields.iter() {
        let Some(field) = context.field(name, table) else { continue };
        // In flat forms null stands for "did not change" too: only the header tells.
        if json.is_empty() && !change.cleared(name, op) {
            continue;
        }
        let money = matches!(&field, FieldName::Known(Field::Amount));
        let how = How {
            // The connectors write a date as days.
            unit: Unit::Connect,
            currency: currency.as_deref().filter(|_| money),
            shift: if name == "Probability" { -2 } else { 0 },
        };
        outline.state(context, &field, json, &how)?;
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

impl Change<'_> {
    /// Whether null means that someone cleared the field.
    fn cleared(&self, name: &str, op: Op) -> bool {
        // A compound field is listed by its parts: `Name.FirstName`.
        let lists = |list: &[Cow<'_, str>]| {
            list.iter().any(|f| f == name || f.rsplit('.').next() == Some(name))
        };
        op == Op::Update && (lists(&self.nulled) || self.changed.as_deref().is_some_and(lists))
    }
}
