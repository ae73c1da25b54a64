//! Envelopes: what carriers wrap around what a source sends, and what they know of it.
//!
//! One understanding for every kind of source: headers, then the body's own marks. Bodies are probed
//! for CloudEvents (`specversion`), Kafka Connect's JSON with schema (exactly `schema` and
//! `payload`), and Debezium (`op`, `source`, `before`, `after`; or flattened, with `__op`). Each may
//! stand around the others, once: a chain of envelopes ends after three, however deep a record is.
//! A source that is pinned has the envelope that it names, and nothing else is tried.

mod cloud;
mod connect;
mod debezium;
mod webhook;

pub use cloud::{of_headers, open as open_cloud};
pub use debezium::Row;
pub use webhook::header as http_header;

use std::borrow::Cow;

use super::canonical;
use super::json::{Json, Object};
use crate::model::deadletter::{Code, Reason};
use crate::model::record::{Header, Record};
use crate::model::source::{Unread, Wrapping};
use crate::model::time::Timestamp;

/// Who reads what is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Canonical events: `data` of a Standard Webhook, the `payload` column of an outbox.
    Canonical,
    /// A decoder of a native system: the webhook's body, the `payload` column of an outbox.
    Native,
    /// A mapping: rows as they are, deletions too.
    Rows,
}

/// What an envelope says of the event inside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lent {
    /// Names the event where it has no id of its own.
    pub id: Option<String>,
    /// Dates it where it has no time of its own; RFC 3339.
    pub time: Option<String>,
}

/// What was found under the envelopes of an element.
#[derive(Debug)]
pub struct Opened<'a> {
    /// The element, or an array of several: JSON that was checked.
    pub text: Cow<'a, str>,
    /// The element, where it was read a level deep already.
    pub object: Option<Object<'a>>,
    /// What the envelopes lend to it.
    pub lent: Lent,
    /// What a change feed says of it.
    pub row: Option<Row>,
    seen: Seen,
}

/// What came of opening an element.
#[derive(Debug)]
pub enum Found<'a> {
    /// Something to decode.
    Element(Opened<'a>),
    /// Nothing that is read, and why.
    Ignored(Unread, String),
}

/// Envelopes that were taken off.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    cloud: bool,
    connect: bool,
    webhook: bool,
    /// The `data` of the webhook was taken.
    data: bool,
}

/// One envelope, taken off.
struct Layer<'t> {
    text: Cow<'t, str>,
    of: Of,
}

/// Which one it was, and what it said.
enum Of {
    Cloud(Lent, Option<debezium::Attributes>),
    Connect,
    Row(Box<Row>),
    Ignored(Unread, String),
}

impl Opened<'_> {
    /// Whether more than CloudEvents was taken off, or something was lent by headers.
    pub fn is_news(&self) -> bool {
        self.seen.connect || self.seen.webhook || self.row.is_some()
    }

    /// When the carrier says that it happened.
    pub fn wrapped_at(&self) -> Option<Timestamp> {
        self.lent.time.as_deref().and_then(Timestamp::parse_rfc3339)
    }

    /// What is lent to a canonical event at this place of the record, and of the array inside.
    pub fn to_lend<'r>(
        &self,
        record: &'r Record,
        place: Option<u32>,
        inner: Option<u32>,
    ) -> canonical::Envelope<'r> {
        let headers = of_headers(record, place);
        let mut id: Option<Cow<'r, str>> = self.lent.id.clone().map(Cow::Owned);
        // One request has one id for all of its elements.
        if let (Some(id), true) = (&mut id, self.seen.webhook) {
            id.to_mut().push_str(&number(place, None));
        }
        let mut id = id.or(headers.id);
        if let Some(id) = &mut id {
            id.to_mut().push_str(&number(None, inner));
        }
        let time_text = self.lent.time.clone().map(Cow::Owned).or(headers.time_text);
        canonical::Envelope { id, time: None, time_text }
    }

    /// The same envelopes, no larger than they must be, around one element of several: what becomes
    /// of it alone is what became of it among the others. What headers lend is for [`renumber`].
    pub fn around(&self, element: &str, place: Option<u32>, inner: u32) -> String {
        let number = number(place.filter(|_| self.seen.webhook), Some(inner));
        let mut text = element.to_owned();
        if let Some(row) = &self.row {
            text = row.around(&text, &number);
        }
        if self.seen.connect {
            text = format!("{{\"schema\":null,\"payload\":{text}}}");
        }
        let time = self.lent.time.as_deref();
        if self.seen.cloud {
            let id = self.lent.id.as_ref().map(|id| format!("{id}{number}"));
            text = cloud::around(id.as_deref(), time, &text);
        } else if let Some(time) = time.filter(|_| self.seen.data) {
            text = webhook::around(time, &text);
        }
        text
    }
}

/// What is behind the id of what carries several, for the one of them at a place of the record, and
/// of the array inside.
fn number(place: Option<u32>, inner: Option<u32>) -> String {
    place.into_iter().chain(inner).fold(String::new(), |text, i| format!("{text}#{i}"))
}

/// Makes headers that lend one id to all elements of a record those of one element: alone it is named
/// as it was among the others.
pub fn renumber(headers: &mut [Header], place: Option<u32>, inner: Option<u32>) {
    let number = number(place, inner);
    for header in headers {
        if header.name == cloud::ID || webhook::is_id(&header.name) {
            header.value.extend_from_slice(number.as_bytes());
        }
    }
}

/// Takes the envelopes of an element off, which is JSON that was checked.
pub fn open<'a>(
    pin: Wrapping,
    reads: Reads,
    record: &Record,
    json: Json<'a>,
) -> Result<Found<'a>, Reason> {
    let mut seen = Seen::default();
    let text = json.raw();
    let mut out =
        Opened { text: Cow::Borrowed(text), object: None, lent: Lent::default(), row: None, seen };
    if matches!(pin, Wrapping::Auto | Wrapping::Confluent | Wrapping::StandardWebhooks) {
        seen.webhook = webhook::open(reads, record, json, &mut out);
        seen.data = out.text.len() < text.len();
    }
    let mut attributes = None;
    loop {
        let done = out.row.is_some() && pin == Wrapping::Debezium;
        let asked = Asked { pin, reads, seen, attributes: attributes.as_ref() };
        let layer = match &out.text {
            _ if done => None,
            Cow::Borrowed(text) => {
                let is_whole = text.len() == json.raw().len();
                let object = if is_whole { json } else { Json::checked(text) }.object();
                let layer = asked.peel(text, object.as_ref(), out.row.is_some())?;
                out.object = object.filter(|_| layer.is_none());
                layer
            }
            Cow::Owned(text) => asked
                .peel(text, Json::checked(text).object().as_ref(), out.row.is_some())?
                .map(|layer| Layer { text: Cow::Owned(layer.text.into_owned()), of: layer.of }),
        };
        let Some(layer) = layer else { break };
        out.text = layer.text;
        match layer.of {
            Of::Ignored(reason, what) => return Ok(Found::Ignored(reason, what)),
            Of::Connect => seen.connect = true,
            Of::Cloud(lent, of_debezium) => {
                seen.cloud = true;
                attributes = of_debezium;
                out.lent = lent;
            }
            Of::Row(row) => {
                out.lent = row.lends(out.lent);
                out.row = Some(*row);
            }
        }
    }
    out.seen = seen;
    pinned(pin, &out, record)?;
    Ok(Found::Element(out))
}

/// Whether the envelope that the source is pinned to was there.
fn pinned(pin: Wrapping, opened: &Opened<'_>, record: &Record) -> Result<(), Reason> {
    let is_there = match pin {
        Wrapping::Auto | Wrapping::Raw | Wrapping::Confluent => true,
        Wrapping::CloudEvents => opened.seen.cloud || record.header("ce_specversion").is_some(),
        Wrapping::Debezium => opened.row.is_some(),
        Wrapping::Connect => opened.seen.connect,
        Wrapping::StandardWebhooks => opened.seen.webhook,
    };
    if is_there { Ok(()) } else { Err(not_pinned(pin)) }
}

/// Why an element is bad, of a source that may be pinned to CloudEvents: because it is none, or as
/// was found.
pub fn unless_pinned(
    pin: Wrapping,
    lent: &canonical::Envelope<'_>,
    text: &str,
    found: Reason,
) -> Reason {
    let is_one = || Json::parse(text).ok()?.object().map(|object| object.has("specversion"));
    match pin == Wrapping::CloudEvents && lent.id.is_none() && is_one() == Some(false) {
        true => not_pinned(pin),
        false => found,
    }
}

/// Why something is not of the envelope that its source is pinned to.
pub fn not_pinned(pin: Wrapping) -> Reason {
    let expected = match pin {
        Wrapping::Auto | Wrapping::Raw => "no envelope",
        Wrapping::CloudEvents => "specversion, or the headers ce_specversion, ce_id and ce_source",
        Wrapping::Debezium => "op, source, and before or after; or a row with __op",
        Wrapping::Connect => "exactly schema and payload",
        Wrapping::StandardWebhooks => "the header webhook-id",
        Wrapping::Confluent => "a magic byte and a schema id, or the header __value_schema_id",
    };
    let pin = pin.as_str();
    let why = format!(
        "it is not in the envelope that the source is pinned to, \"{pin}\": expected {expected}"
    );
    Reason::new(Code::BadEnvelope, why)
}

/// What may be taken off next.
struct Asked<'s> {
    pin: Wrapping,
    reads: Reads,
    seen: Seen,
    attributes: Option<&'s debezium::Attributes>,
}

impl Asked<'_> {
    fn peel<'t>(
        &self,
        text: &'t str,
        object: Option<&Object<'t>>,
        has_row: bool,
    ) -> Result<Option<Layer<'t>>, Reason> {
        let may = |pins: &[Wrapping]| {
            matches!(self.pin, Wrapping::Auto | Wrapping::Confluent) || pins.contains(&self.pin)
        };
        let Some(object) = object else { return Ok(None) };
        if !self.seen.cloud
            && may(&[Wrapping::CloudEvents, Wrapping::Debezium])
            && object.has("specversion")
        {
            return cloud::peel(object).map(Some);
        }
        if !self.seen.connect
            && may(&[Wrapping::Connect, Wrapping::Debezium])
            && connect::is_it(object)
        {
            return connect::peel(object).map(Some);
        }
        if !has_row && may(&[Wrapping::Debezium]) {
            return debezium::peel(object, text, self.reads, self.attributes, self.pin);
        }
        Ok(None)
    }
}

/// A string that holds JSON is that JSON: outboxes and string columns carry it so.
fn unquoted<'t>(what: &str, json: Json<'t>) -> Result<Cow<'t, str>, Reason> {
    let Some(text) = json.text().filter(|_| json.raw().starts_with('"')) else {
        return Ok(Cow::Borrowed(json.raw()));
    };
    let bare = text.trim();
    if !bare.starts_with(['{', '[']) {
        return Ok(Cow::Borrowed(json.raw()));
    }
    Json::parse(bare).map_err(|e| {
        Reason::new(Code::DecodeJson, format!("the text of {what} is not JSON: {e}"))
    })?;
    Ok(Cow::Owned(bare.to_owned()))
}

/// A member that is there and is not null.
fn some<'t>(object: &Object<'t>, name: &str) -> Option<Json<'t>> {
    object.find(name).filter(|json| json.raw() != "null")
}

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string serializes")
}
