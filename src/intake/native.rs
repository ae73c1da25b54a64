//! The native systems: what their webhooks and connectors send becomes canonical events.
//!
//! A decoder is a function of one element of a record and the settings of its source. It gives
//! events, says what it ignored and why, or why the element is bad; an element that is bad gives
//! no event at all, and its neighbors go on.

use std::borrow::Cow;

use super::envelope::{self, Found, Reads, Row};
use super::json::{Json, Object};
use super::make::{How, Moment, Outline};
use super::tape::Tape;
use super::{Decoder, Intake, canonical, json_reason};
use crate::model::deadletter::{Code, DeadLetter, Reason};
use crate::model::event::{Event, Field, FieldName, Op, Order};
use crate::model::mapping::{Body, Mapping};
use crate::model::record::Record;
use crate::model::source::{System, Unread};
use crate::model::time::{Precision, Timestamp};

/// An element that told of nothing that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Position in the record's array, 0 for a single one.
    pub index: u32,
    /// Why.
    pub reason: Unread,
    /// Which type or field it was, for people.
    pub what: String,
}

/// What the envelope of a change feed (Debezium) says of the row that is its element.
#[derive(Clone, Copy, Debug)]
pub struct Change<'c> {
    /// What happened to the row.
    pub op: Op,
    /// The row as it was before, or its key alone; `null` where unknown.
    pub before: Json<'c>,
    /// When the source changed it.
    pub moment: Option<Moment>,
    /// Position in the source's log.
    pub order: Option<Order>,
    /// Name of the table, without its schema; empty where unknown.
    pub table: &'c str,
}

/// What a decoder knows beside the element.
#[derive(Debug)]
pub struct Context<'c> {
    /// The source.
    pub decoder: &'c Decoder,
    /// The record that the element is of: for headers and origin.
    pub record: &'c Record,
    /// Latest instant that an event may carry.
    pub latest: Option<Timestamp>,
    /// When a bridge wrapped the element, where it says so.
    pub wrapped_at: Option<Timestamp>,
    /// What the envelope of a change feed says of the element.
    pub change: Option<Change<'c>>,
}

impl Context<'_> {
    /// A header of the webhook request, as it stands or as `http.…`.
    pub fn header(&self, name: &str) -> Option<&str> {
        envelope::http_header(self.record, name)
    }

    /// The elements of an array inside an element; none where it is anything else. It may have as
    /// many as the array of a record.
    pub fn list<'a>(&self, json: Json<'a>) -> Result<Vec<Json<'a>>, Reason> {
        let elements = json.elements();
        self.few(elements.len())?;
        Ok(elements)
    }

    /// Whether so many elements are within `intake.max_array`.
    pub fn few(&self, n: usize) -> Result<(), Reason> {
        let limit = self.decoder.limits.max_array;
        if n > limit {
            let why = format!("an array inside has {n} elements, the limit is {limit}");
            return Err(Reason::new(Code::TooMany, why));
        }
        Ok(())
    }

    /// When the record came, for changes that do not say when they happened: its timestamp, or the
    /// time of the envelope around it.
    pub fn came_at(&self) -> Option<Moment> {
        let stamped = self.record.timestamp_ms.filter(|ms| *ms > 0).map(Timestamp::from_millis);
        let header = || self.header("ce_time").and_then(Timestamp::parse_rfc3339);
        let at = stamped.or(self.wrapped_at).or_else(header)?;
        Some(Moment { at, precision: Precision::Millis })
    }

    /// The canonical field that a field of the source fills: as configured, else by `table`.
    pub fn field(&self, native: &str, table: &[(&str, Field)]) -> Option<FieldName<'static>> {
        let configured = &self.decoder.reading.fields;
        if let Some(name) = configured.get(native) {
            return Some(name.clone());
        }
        let (_, field) = table.iter().find(|(name, _)| *name == native)?;
        let name = FieldName::Known(*field);
        (!self.configured(&name)).then_some(name)
    }

    /// States the source's own fields of an object of which nothing else is read by its name.
    pub fn own(
        &self,
        object: &Object<'_>,
        how: &How<'_>,
        outline: &mut Outline,
    ) -> Result<(), Reason> {
        let fields = &self.decoder.reading.fields;
        if fields.is_empty() {
            return Ok(());
        }
        for (name, json) in object.iter() {
            if let Some(field) = fields.get(name) {
                outline.state(self, field, json, how)?;
            }
        }
        Ok(())
    }

    /// Whether the configuration gave the field to one of the source's own.
    pub fn configured(&self, name: &FieldName<'static>) -> bool {
        self.decoder.reading.fields.values().any(|taken| taken == name)
    }
}

/// An element that is bad: its place, or its two places, why, and its bytes.
type Dead = (u32, Option<u32>, Reason, Vec<u8>);

/// What came of the elements so far.
#[derive(Debug, Default)]
pub struct Out {
    events: Vec<Event<'static>>,
    ignored: Vec<Ignored>,
    dead: Vec<Dead>,
    test: u32,
    index: u32,
    /// Bytes that were stated, more or less.
    stated: usize,
}

impl Out {
    /// Whether so much more may be stated of one record: an element may become many events, each
    /// with the same long text.
    pub fn room(&mut self, context: &Context<'_>, bytes: usize) -> Result<(), Reason> {
        self.stated = self.stated.saturating_add(bytes);
        if self.stated > context.decoder.limits.max_record_bytes.saturating_mul(8) {
            let why = "too many events, too large to state of each";
            return Err(Reason::new(Code::TooMany, why));
        }
        Ok(())
    }

    /// An event; `id` names it, the same for every delivery.
    pub fn event(
        &mut self,
        context: &Context<'_>,
        outline: Outline,
        id: &str,
    ) -> Result<(), Reason> {
        self.events.push(outline.finish(context, id, self.index)?);
        Ok(())
    }

    /// Nothing is read from the element.
    pub fn ignore(&mut self, reason: Unread, what: impl Into<String>) {
        let what = what.into().chars().filter(|c| !c.is_control()).take(120).collect();
        self.ignored.push(Ignored { index: self.index, reason, what });
    }

    /// The element is test data.
    pub fn test(&mut self) {
        self.test += 1;
    }

    /// Takes an element: all of what it gives, or none of it where it is bad.
    pub fn element(
        &mut self,
        index: u32,
        json: Json<'_>,
        decode: impl FnOnce(&mut Out) -> Result<(), Reason>,
    ) {
        let outer = std::mem::replace(&mut self.index, index);
        if let Err(reason) = self.attempt(decode) {
            self.dead.push((index, None, reason, json.raw().as_bytes().to_vec()));
        }
        self.index = outer;
    }

    /// All of what it gives, or none of it.
    fn attempt(
        &mut self,
        decode: impl FnOnce(&mut Out) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        let before = (self.events.len(), self.ignored.len(), self.test);
        decode(self).inspect_err(|_| {
            self.events.truncate(before.0);
            self.ignored.truncate(before.1);
            self.test = before.2;
        })
    }
}

/// Reads one element.
type Decode = fn(&Context<'_>, &Object<'_>, &mut Out) -> Result<(), Reason>;

fn decode_of(system: System) -> Option<Decode> {
    Some(match system {
        System::Canonical => return None,
        System::HubSpot => super::hubspot::decode,
        System::Salesforce => super::salesforce::decode,
        System::Pipedrive => super::pipedrive::decode,
        System::Close => super::close::decode,
        System::Stripe => super::stripe::decode,
        System::Segment | System::RudderStack => super::segment::decode,
        System::Shopify => super::shopify::decode,
        System::SendGrid => super::sendgrid::decode,
        System::CustomerIo => super::customerio::decode,
        System::Calendly => super::calendly::decode,
        System::Typeform => super::typeform::decode,
        System::Survey => super::survey::decode,
        System::Twilio => super::twilio::decode,
        System::Aircall => super::aircall::decode,
    })
}

/// Decodes a record of a native system; `None` where the source is canonical.
pub fn take<'a>(
    decoder: &Decoder,
    record: &'a Record,
    body: &str,
    now: Option<Timestamp>,
) -> Option<Intake<'a>> {
    let mapping = decoder.reading.mapping.as_deref();
    let decode = match mapping {
        Some(_) => super::mapping::decode,
        None => decode_of(decoder.system)?,
    };
    let form = form(decoder, mapping, body.trim());
    let body = form.as_deref().unwrap_or(body);
    let latest = canonical::latest(now, decoder.limits.future_limit);
    let context = Context { decoder, record, latest, wrapped_at: None, change: None };
    let mut out = Out::default();
    let mut whole = None;
    let tape = Tape::of(body.trim());
    match elements(decoder, body, tape.as_ref()) {
        Ok((is_array, elements)) => {
            for (i, json) in (0u32..).zip(elements) {
                out.element(i, json, |out| unwrapped(&context, json, out, decode));
            }
            // A bad record of one element is buried as it came.
            if !is_array
                && let [(_, None, reason, bytes)] = out.dead.as_slice()
                && bytes.len() == body.trim().len()
            {
                whole = Some(reason.clone());
            }
        }
        Err(reason) => whole = Some(reason),
    }
    let dead_letters = match whole {
        Some(reason) => vec![DeadLetter::new(record, reason, None)],
        None => {
            let dead = out.dead.into_iter();
            let letter = |(i, inner, reason, bytes): Dead| DeadLetter {
                inner,
                ..DeadLetter::new(record, reason, Some((i, &bytes)))
            };
            dead.map(letter).collect()
        }
    };
    let Out { events, ignored, test, .. } = out;
    Some(Intake { events, dead_letters, test, unknown_fields: 0, ignored })
}

/// The JSON of a form, where the source posts forms and this is one.
fn form(decoder: &Decoder, mapping: Option<&Mapping>, body: &str) -> Option<String> {
    if body.starts_with(['{', '[']) {
        return None;
    }
    match mapping {
        Some(mapping) => {
            let is_form = mapping.body == Body::Form && body.contains('=');
            is_form.then(|| super::mapping::json_of_form(body))
        }
        // The native systems that post forms.
        None => matches!(decoder.system, System::Twilio | System::Survey)
            .then(|| super::form::json_of_form(body)),
    }
}

/// The elements of a body, and whether they were an array. Every system is read both ways: a
/// bridge may split or batch what its system sends.
fn elements<'b>(
    decoder: &Decoder,
    body: &'b str,
    tape: Option<&'b Tape>,
) -> Result<(bool, Vec<Json<'b>>), Reason> {
    let body = body.trim();
    match (body.as_bytes().first(), tape) {
        (Some(b'['), Some(tape)) => {
            let elements = tape.json(body).elements();
            decoder.few(elements.len())?;
            Ok((true, elements))
        }
        (Some(b'{'), Some(tape)) => Ok((false, vec![tape.json(body)])),
        // The other reader says where it is broken.
        (Some(b'['), None) => Ok((true, decoder.split(body)?.into_iter().map(Json::of).collect())),
        (Some(b'{'), None) => Ok((false, vec![Json::parse(body).map_err(json_reason)?])),
        _ => Err(Reason::new(Code::NotAnEvent, "neither a JSON object nor an array")),
    }
}

/// Takes the envelopes of an element off, around one thing to decode or an array of several.
fn unwrapped(
    context: &Context<'_>,
    json: Json<'_>,
    out: &mut Out,
    decode: Decode,
) -> Result<(), Reason> {
    let reading = &context.decoder.reading;
    let reads = if reading.mapping.is_some() { Reads::Rows } else { Reads::Native };
    let opened = match envelope::open(reading.wrapping, reads, context.record, json)? {
        Found::Element(opened) => opened,
        Found::Ignored(reason, what) => {
            out.ignore(reason, what);
            return Ok(());
        }
    };
    let change = opened.row.as_ref().map(Change::of);
    let context = &Context { wrapped_at: opened.wrapped_at(), change, ..*context };
    let why = || Reason::new(Code::NotAnEvent, "the element is not a JSON object");
    let inner = Json::checked(&opened.text);
    if !inner.raw().starts_with('[') || opened.text == json.raw() {
        return match &opened.object {
            Some(object) => decode(context, object, out),
            None => {
                Json::parse(inner.raw()).map_err(json_reason)?;
                decode(context, &inner.object().ok_or_else(why)?, out)
            }
        };
    }
    for (i, json) in (0u32..).zip(context.list(inner)?) {
        let outer = std::mem::replace(&mut out.index, i);
        let done = out.attempt(|out| decode(context, &json.object().ok_or_else(why)?, out));
        out.index = outer;
        if let Err(reason) = done {
            let bytes = opened.around(json.raw(), None, i).into_bytes();
            out.dead.push((outer, Some(i), reason, bytes));
        }
    }
    Ok(())
}

impl<'c> Change<'c> {
    /// What the envelope said.
    fn of(row: &'c Row) -> Change<'c> {
        let before = row.before.as_deref().map_or(Json::NULL, Json::checked);
        Change { op: row.op, before, moment: row.moment, order: row.order, table: &row.table }
    }
}

/// What was expected where a body has no known shape.
pub fn unknown_shape(expected: &str) -> Reason {
    Reason::new(Code::UnknownShape, format!("of no known shape; expected {expected}"))
}

/// An id that must be there: a string, or the digits of a number.
pub fn id_of<'a>(object: &Object<'a>, name: &str) -> Result<Cow<'a, str>, Reason> {
    object
        .text(name)
        .ok_or_else(|| Reason::new(Code::MissingEntity, format!("{name} is absent or empty")))
}
