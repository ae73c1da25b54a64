//! The canonical JSON: an event as typed becomes an event as meant, or a reason why not.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::draft::{Draft, MoneyDraft, SetDraft, Text, kind_of, text_of};
use super::splits::splits;
use crate::model::calendar::Calendar;
use crate::model::deadletter::{Code, Reason};
use crate::model::event::{
    EntityKind, EntityRef, Event, EventKind, Field, FieldName, FieldType, Flags, Op, Origin,
    Status, Value,
};
use crate::model::money::{Amount, AmountError, Currency, Money};
use crate::model::record::{Offset, Partition};
use crate::model::time::{Day, Precision, Span, Timestamp};

/// Longest id of an event or entity, bytes.
pub const MAX_ID: usize = 512;

/// What stands where an event says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Defaults<'d> {
    /// `source`
    pub source: &'d str,
    /// `system`
    pub system: &'d str,
    /// Dates stand at the start of their day in this calendar.
    pub calendar: &'d Calendar,
    /// Latest instant that an event may carry; `None` checks the calendar's range only.
    pub latest: Option<Timestamp>,
}

/// What an envelope says about the event inside it.
#[derive(Clone, Debug, Default)]
pub struct Envelope<'a> {
    /// Id to use where the event has none.
    pub id: Option<Cow<'a, str>>,
    /// Time to use where the event has none.
    pub time: Option<&'a RawValue>,
    /// The same as text (from a header).
    pub time_text: Option<Cow<'a, str>>,
}

fn bad(code: Code, message: impl AsRef<str>) -> Reason {
    Reason::new(code, message)
}

/// Checks a draft. Returns the event and the number of unknown fields that were ignored.
pub fn mean<'a>(
    draft: Draft<'a>,
    envelope: &Envelope<'a>,
    defaults: &Defaults<'_>,
) -> Result<(Event<'a>, u32), Reason> {
    if let Some(v) = draft.v.filter(|v| *v != 1) {
        return Err(bad(Code::UnknownVersion, format!("v is {v}; this version reads 1")));
    }
    let id = draft.id.map(|t| t.0).or_else(|| envelope.id.clone());
    let id = checked_id("id", id.ok_or_else(|| bad(Code::MissingField, "id is absent"))?)?;
    let entity = entity(draft.entity)?;
    let kind = one_of("kind", draft.kind, &EventKind::ALL)?.unwrap_or_default();
    let op = one_of("op", draft.op, &Op::ALL)?.unwrap_or(match kind {
        EventKind::Fact => Op::Snapshot,
        _ => Op::Update,
    });
    let (time, precision) = when(draft.time, draft.time_precision, envelope, defaults)?;
    let draft_set = draft.set.unwrap_or_default();
    let unknown = draft_set.unknown;
    let set = fields(draft_set, defaults)?;
    let status = (FieldName::Known(Field::Status), EntityKind::Deal);
    if set.iter().any(|(n, v)| (n.clone(), entity.kind) == status && matches!(v, Value::Text(_))) {
        return Err(bad(Code::UnknownValue, "set.status of a deal is none of open, won, lost"));
    }
    let owned = |text: Option<Text<'a>>, default: &str| {
        text.map_or_else(|| Cow::Owned(default.to_owned()), |t| t.0)
    };
    let event = Event {
        id,
        tenant: draft.tenant.map_or(Cow::Borrowed("default"), |t| t.0),
        source: owned(draft.source, defaults.source),
        system: owned(draft.system, defaults.system),
        kind,
        entity,
        op,
        merged_into: draft.merged_into.map(|t| t.0),
        time,
        precision,
        order: draft.order.unwrap_or([placed(time, precision, defaults.calendar).millis(), 0]),
        set,
        flags: flags(draft.flags)?,
        raw: draft.raw.map(|o| Origin {
            topic: o.topic.0,
            partition: Partition(o.partition),
            offset: Offset(o.offset),
            index: o.index,
        }),
    };
    Ok((event, unknown))
}

/// When the event happened, and how exactly that is known; the envelope lends its time.
fn when(
    raw: Option<&RawValue>,
    precision: Option<Text<'_>>,
    envelope: &Envelope<'_>,
    defaults: &Defaults<'_>,
) -> Result<(Timestamp, Precision), Reason> {
    let (time, natural) = match (raw, envelope.time, &envelope.time_text) {
        (Some(raw), ..) | (None, Some(raw), _) => instant("time", raw.get(), defaults)?,
        (None, None, Some(text)) => instant_text("time", text, defaults)?,
        (None, None, None) => return Err(bad(Code::MissingField, "time is absent")),
    };
    let precision = match precision {
        Some(Text(p)) => Precision::parse(&p)
            .ok_or_else(|| bad(Code::UnknownValue, "time_precision is none of us, ms, s, day"))?,
        None => natural,
    };
    Ok((time, precision))
}

fn checked_id<'a>(what: &str, id: Cow<'a, str>) -> Result<Cow<'a, str>, Reason> {
    if id.is_empty() {
        Err(bad(Code::BadId, format!("{what} is empty")))
    } else if id.len() > MAX_ID {
        Err(bad(Code::BadId, format!("{what} has {} bytes, the limit is {MAX_ID}", id.len())))
    } else {
        Ok(id)
    }
}

fn entity(draft: Option<super::draft::EntityDraft<'_>>) -> Result<EntityRef<'_>, Reason> {
    let draft = draft.ok_or_else(|| bad(Code::MissingEntity, "entity is absent"))?;
    let kind = draft.kind.ok_or_else(|| bad(Code::MissingEntity, "entity.type is absent"))?.0;
    let id = draft.id.ok_or_else(|| bad(Code::MissingEntity, "entity.id is absent"))?.0;
    let kind = EntityKind::parse(&kind).ok_or_else(|| {
        let names: Vec<_> = EntityKind::ALL.iter().map(|(_, n)| *n).collect();
        bad(Code::UnknownEntity, format!("entity.type is none of {}", names.join(", ")))
    })?;
    if id.is_empty() {
        return Err(bad(Code::MissingEntity, "entity.id is empty"));
    }
    Ok(EntityRef { kind, id: checked_id("entity.id", id)? })
}

fn one_of<T: Copy>(
    what: &str,
    text: Option<Text<'_>>,
    all: &[(T, &'static str)],
) -> Result<Option<T>, Reason> {
    let Some(Text(text)) = text else {
        return Ok(None);
    };
    match all.iter().find(|(_, name)| *name == text) {
        Some((value, _)) => Ok(Some(*value)),
        None => {
            let names: Vec<_> = all.iter().map(|(_, n)| *n).collect();
            Err(bad(Code::UnknownValue, format!("{what} is none of {}", names.join(", "))))
        }
    }
}

fn flags(texts: Option<Vec<Text<'_>>>) -> Result<Flags, Reason> {
    let mut out = Flags::default();
    for text in texts.into_iter().flatten() {
        if let Some(flag) = one_of("flags", Some(text), &Flags::ALL)? {
            out.0 |= flag.0;
        }
    }
    Ok(out)
}

fn fields<'a>(
    draft: SetDraft<'a>,
    defaults: &Defaults<'_>,
) -> Result<Vec<(FieldName<'a>, Value<'a>)>, Reason> {
    let mut out = Vec::with_capacity(draft.fields.len());
    for (name, raw) in draft.fields {
        let value = match &name {
            FieldName::Known(field) => value(*field, raw.get(), defaults)?,
            FieldName::Custom(custom) => match raw.get() {
                "null" => Value::Null,
                raw => stated(
                    text_of(raw).ok_or_else(|| wrong(&format!("x.{custom}"), "a string", raw))?,
                ),
            },
        };
        out.push((name, value));
    }
    Ok(out)
}

/// A text; one with nothing in it states that there is none, as forms send it. As a member of a
/// dimension it would be a row of its own, with a label that Prometheus takes for no label.
fn stated(text: Cow<'_, str>) -> Value<'_> {
    if text.trim().is_empty() { Value::Null } else { Value::Text(text) }
}

fn wrong(field: &str, expected: &str, raw: &str) -> Reason {
    bad(Code::DecodeJson, format!("set.{field}: expected {expected}, found {}", kind_of(raw)))
}

fn value<'a>(field: Field, raw: &'a str, defaults: &Defaults<'_>) -> Result<Value<'a>, Reason> {
    if raw == "null" {
        return Ok(Value::Null);
    }
    let name = field.as_str();
    let text = |expected| text_of(raw).ok_or_else(|| wrong(name, expected, raw));
    Ok(match field.field_type() {
        FieldType::Text => stated(text("a string")?),
        FieldType::Status => {
            let text = text("a string")?;
            // A status of an entity other than a deal may be any word; it decides nothing here.
            match Status::parse(&text) {
                Some(status) => Value::Status(status),
                None => Value::Text(text),
            }
        }
        FieldType::Number => Value::Number(amount(name, &text("a number")?)?),
        FieldType::Time => {
            let at = instant(&format!("set.{name}"), raw, defaults)?.0;
            // A date that is planned may lie ahead; one that has happened may not.
            Value::Time(at)
        }
        FieldType::Bool => match raw {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return Err(wrong(name, "true or false", raw)),
        },
        FieldType::Money => money(name, raw)?,
        FieldType::Splits => splits(&format!("set.{name}"), raw)?,
    })
}

fn amount(field: &str, text: &str) -> Result<Amount, Reason> {
    text.parse().map_err(|e: AmountError| {
        bad(Code::BadAmount, format!("set.{field}: {}", e.without_text()))
    })
}

fn money<'a>(field: &str, raw: &'a str) -> Result<Value<'a>, Reason> {
    if !raw.starts_with('{') {
        return Err(wrong(field, "an object with value and currency", raw));
    }
    let draft: MoneyDraft<'_> = serde_json::from_str(raw)
        .map_err(|e| bad(Code::DecodeJson, format!("set.{field}: {}", super::json_fault(&e))))?;
    let value = match draft.value.map(|v| v.get()) {
        None => return Err(bad(Code::BadAmount, format!("set.{field}.value is absent"))),
        Some("null") => return Ok(Value::Null),
        Some(raw) => {
            text_of(raw).ok_or_else(|| wrong(&format!("{field}.value"), "a decimal", raw))?
        }
    };
    let amount = amount(&format!("{field}.value"), &value)?;
    let currency = draft
        .currency
        .ok_or_else(|| bad(Code::BadCurrency, format!("set.{field}.currency is absent")))?;
    let currency = Currency::parse(&currency.0).ok_or_else(|| {
        bad(Code::BadCurrency, format!("set.{field}.currency is no code of three letters"))
    })?;
    Ok(Value::Money(Money { amount, currency }))
}

fn instant(
    what: &str,
    raw: &str,
    defaults: &Defaults<'_>,
) -> Result<(Timestamp, Precision), Reason> {
    match text_of(raw) {
        Some(text) if raw.starts_with('"') => instant_text(what, &text, defaults),
        _ => Err(bad(
            Code::BadTime,
            format!("{what}: expected an RFC 3339 string, found {}", kind_of(raw)),
        )),
    }
}

fn instant_text(
    what: &str,
    text: &str,
    defaults: &Defaults<'_>,
) -> Result<(Timestamp, Precision), Reason> {
    let (at, precision) = match (Timestamp::parse_rfc3339(text), Day::parse(text)) {
        (Some(at), _) => (at, Precision::Millis),
        (None, Some(day)) => (defaults.calendar.start_of(day), Precision::Day),
        (None, None) => {
            return Err(bad(
                Code::BadTime,
                format!("{what} is neither RFC 3339 (2026-11-24T08:30:00Z) nor a date"),
            ));
        }
    };
    if !at.in_range() {
        return Err(bad(Code::BadTime, format!("{what} is outside 1970 to 2199")));
    }
    let planned = matches!(what, "set.expected_close" | "set.planned_at" | "set.ended_at");
    if defaults.latest.is_some_and(|latest| at > latest) && !planned {
        return Err(bad(
            Code::FutureTimestamp,
            format!("{what} {at} lies beyond time.future_limit"),
        ));
    }
    Ok((at, precision))
}

/// The place of a time among others: a date comes before all that happened on it, in whatever zone.
pub fn placed(at: Timestamp, precision: Precision, dates: &Calendar) -> Timestamp {
    if precision == Precision::Day { dates.first_began(at) } else { at }
}

/// The latest instant that an event may carry at `now`.
pub fn latest(now: Option<Timestamp>, future_limit: Span) -> Option<Timestamp> {
    now.map(|now| now + future_limit)
}
