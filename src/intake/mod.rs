//! Intake: bytes of a source record become canonical events, or dead letters with the reason.
//!
//! Never fails and keeps no state. A record may hold one event, an array of events, or CloudEvents
//! (structured, batch, or binary by headers); one bad element does not touch its neighbors. What the
//! native systems send is read by a decoder each, a file a system.

mod aircall;
mod avro;
mod breaker;
mod calendly;
mod canonical;
mod close;
mod customerio;
mod digits;
mod draft;
mod encode;
mod envelope;
mod form;
mod frame;
mod hubspot;
mod json;
mod link;
mod make;
mod mapping;
mod native;
mod pipedrive;
mod plain;
mod salesforce;
mod schema;
mod segment;
mod sendgrid;
mod shopify;
mod splits;
mod stripe;
mod survey;
mod tape;
mod twilio;
mod typeform;
mod wrapped;

pub use breaker::{Breaker, BreakerLimits};
pub use encode::{beat_key, encode_event, encode_heartbeat, encode_lost, lost_key};
pub use frame::{Lookup, Schema, SchemaKey};
pub use native::Ignored;
pub use schema::event_schema;

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::model::calendar::Calendar;
use crate::model::deadletter::{Code, DeadLetter, Reason};
use crate::model::event::{Event, Flags, Origin};
use crate::model::record::Record;
use crate::model::source::{Reading, System, Unread, Wrapping};
use crate::model::time::{Span, Timestamp};
use crate::model::watermark::{Heartbeat, Lost};
pub use canonical::placed;
use canonical::{Defaults, Envelope};
use draft::Draft;

/// Limits on what a source may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest record value, bytes.
    pub max_record_bytes: usize,
    /// Most elements of an array.
    pub max_array: usize,
    /// How far ahead of the clock an event may lie.
    pub future_limit: Span,
}

/// A configured source, as intake needs it.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// `source` of events that name none.
    pub source: String,
    /// Which decoder reads it; `system` of events that name none.
    pub system: System,
    /// What the source leaves open.
    pub reading: Reading,
    /// Dates stand at the start of their day here.
    pub calendar: Calendar,
    /// Limits.
    pub limits: Limits,
}

/// What a record turned out to be.
#[derive(Debug, Default)]
pub struct Intake<'a> {
    /// Its events, in the order of the record.
    pub events: Vec<Event<'a>>,
    /// What was no event.
    pub dead_letters: Vec<DeadLetter>,
    /// Events flagged as test data, dropped.
    pub test: u32,
    /// Fields that the contract does not know, ignored.
    pub unknown_fields: u32,
    /// What was well-formed and told of nothing that is read.
    pub ignored: Vec<Ignored>,
}

impl Decoder {
    /// The name of the system: `system` of its events.
    pub fn system_name(&self) -> &str {
        self.reading.mapping.as_ref().map_or(self.system.as_str(), |mapping| &mapping.system)
    }

    /// Decodes a record. `now` is the wall clock, against which the future is checked; replay
    /// passes `None`.
    pub fn take<'a>(&self, record: &'a Record, now: Option<Timestamp>) -> Intake<'a> {
        self.take_with(record, Lookup::Unasked, now)
    }

    /// The schema of a registry without which the record cannot be decoded.
    pub fn wants(&self, record: &Record) -> Option<SchemaKey> {
        self.framed(record).ok().flatten().and_then(|frame| frame.wants())
    }

    /// Decodes a record with what is known of the schema that it [wants](Decoder::wants).
    pub fn take_with<'a>(
        &self,
        record: &'a Record,
        schema: Lookup<'_>,
        now: Option<Timestamp>,
    ) -> Intake<'a> {
        let mut out = Intake::default();
        if record.value.is_none() && self.has_tombstones() {
            out.ignored.push(Ignored { index: 0, reason: Unread::RowGone, what: String::new() });
            return out;
        }
        let framed = self.within(record).and_then(|()| self.framed(record));
        let body = match framed {
            Ok(Some(frame)) => return self.unframed(record, &frame, schema, now),
            Ok(None) => self.body(record),
            Err(reason) => Err(reason),
        };
        match body {
            Ok(body) => self.text(record, body, now),
            Err(reason) => {
                out.dead_letters.push(DeadLetter::new(record, reason, None));
                out
            }
        }
    }

    fn text<'a>(&self, record: &'a Record, body: &'a str, now: Option<Timestamp>) -> Intake<'a> {
        native::take(self, record, body, now).unwrap_or_else(|| {
            let mut out = Intake::default();
            self.elements(record, body, now, &mut out);
            out
        })
    }

    /// Whether the value is there and no larger than is read.
    fn within(&self, record: &Record) -> Result<(), Reason> {
        let size = record.value.as_ref().map_or(0, Vec::len);
        let limit = self.limits.max_record_bytes;
        match size {
            0 => Err(Reason::new(Code::Empty, "the record has no value")),
            _ if size > limit => {
                Err(Reason::new(Code::TooLarge, format!("{size} bytes, the limit is {limit}")))
            }
            _ => Ok(()),
        }
    }

    /// Whether a record without a value is usual here: behind a deletion, for compaction.
    fn has_tombstones(&self) -> bool {
        matches!(
            self.reading.wrapping,
            Wrapping::Debezium | Wrapping::Connect | Wrapping::Confluent
        )
    }

    fn body<'a>(&self, record: &'a Record) -> Result<&'a str, Reason> {
        // One vectorized check here saves the parser one a string.
        simdutf8::compat::from_utf8(record.value.as_deref().unwrap_or_default()).map_err(|e| {
            Reason::new(Code::NotUtf8, format!("not UTF-8 from byte {}", e.valid_up_to()))
        })
    }

    fn elements<'a>(
        &self,
        record: &'a Record,
        body: &'a str,
        now: Option<Timestamp>,
        out: &mut Intake<'a>,
    ) {
        match body.trim_start().as_bytes().first() {
            Some(b'{') => {
                let done = self.wrapped(record, body, None, now, out);
                if let Err(reason) = done {
                    out.dead_letters.push(DeadLetter::new(record, reason, None));
                }
            }
            Some(b'[') => match self.split(body) {
                Ok(elements) => {
                    for (i, element) in (0u32..).zip(elements) {
                        let done = self.wrapped(record, element.get(), Some(i), now, out);
                        if let Err(reason) = done {
                            let element = Some((i, element.get().as_bytes()));
                            let mut dead = DeadLetter::new(record, reason, element);
                            envelope::renumber(&mut dead.headers, Some(i), None);
                            out.dead_letters.push(dead);
                        }
                    }
                }
                Err(reason) => out.dead_letters.push(DeadLetter::new(record, reason, None)),
            },
            _ => {
                let reason = Reason::new(Code::NotAnEvent, "neither a JSON object nor an array");
                out.dead_letters.push(DeadLetter::new(record, reason, None));
            }
        }
    }

    fn split<'a>(&self, body: &'a str) -> Result<Vec<&'a RawValue>, Reason> {
        let elements: Vec<&RawValue> = serde_json::from_str(body).map_err(json_reason)?;
        self.few(elements.len())?;
        Ok(elements)
    }

    /// Whether so many elements of a record are within the limit.
    fn few(&self, n: usize) -> Result<(), Reason> {
        let limit = self.limits.max_array;
        if n > limit {
            return Err(Reason::new(Code::TooMany, format!("{n} elements, the limit is {limit}")));
        }
        Ok(())
    }

    /// Takes one element: an event, or a CloudEvents envelope around one or several.
    fn element<'a>(
        &self,
        record: &'a Record,
        text: &'a str,
        index: u32,
        envelope: &Envelope<'a>,
        now: Option<Timestamp>,
        out: &mut Intake<'a>,
    ) -> Result<(), Reason> {
        let draft = draft_of(text)?;
        if draft.specversion.is_some() && self.reading.wrapping != Wrapping::Raw {
            // Envelopes do not nest: a chain of them could be as deep as the record is long.
            if envelope.id.is_some() {
                let why = "an envelope inside an envelope";
                return Err(Reason::new(Code::BadCloudEvent, why));
            }
            return self.structured(record, draft, index, now, out);
        }
        if self.reading.wrapping == Wrapping::CloudEvents && envelope.id.is_none() {
            return Err(envelope::not_pinned(Wrapping::CloudEvents));
        }
        self.event(record, draft, index, envelope, now, out)
    }

    /// Takes an event that is bare by now.
    fn event<'a>(
        &self,
        record: &'a Record,
        draft: Draft<'a>,
        index: u32,
        envelope: &Envelope<'a>,
        now: Option<Timestamp>,
        out: &mut Intake<'a>,
    ) -> Result<(), Reason> {
        let defaults = Defaults {
            source: &self.source,
            system: self.system.as_str(),
            calendar: &self.calendar,
            latest: canonical::latest(now, self.limits.future_limit),
        };
        let (mut event, unknown) = canonical::mean(draft, envelope, &defaults)?;
        out.unknown_fields += unknown;
        if event.flags.has(Flags::TEST) {
            out.test += 1;
            return Ok(());
        }
        event.raw = Some(Origin {
            topic: Cow::Borrowed(&record.topic),
            partition: record.partition,
            offset: record.offset,
            index,
        });
        out.events.push(event);
        Ok(())
    }
}

fn draft_of(text: &str) -> Result<Draft<'_>, Reason> {
    if !text.trim_start().starts_with('{') {
        return Err(Reason::new(Code::NotAnEvent, "the element is not a JSON object"));
    }
    serde_json::from_str(text).map_err(json_reason)
}

impl<'a> Intake<'a> {
    /// How much of everything came so far.
    fn counts(&self) -> Counts {
        Counts {
            events: self.events.len(),
            dead_letters: self.dead_letters.len(),
            test: self.test,
            unknown_fields: self.unknown_fields,
        }
    }

    /// Takes back what came since.
    fn cut(&mut self, to: Counts) {
        self.events.truncate(to.events);
        self.dead_letters.truncate(to.dead_letters);
        self.test = to.test;
        self.unknown_fields = to.unknown_fields;
    }

    /// Takes over what came of bytes that are gone now.
    fn absorb(&mut self, other: Intake<'_>) {
        for event in other.events {
            self.events.push(encode::into_owned(event));
        }
        self.dead_letters.extend(other.dead_letters);
        self.ignored.extend(other.ignored);
        self.test += other.test;
        self.unknown_fields += other.unknown_fields;
    }
}

/// How much came of a record so far.
#[derive(Clone, Copy)]
struct Counts {
    events: usize,
    dead_letters: usize,
    test: u32,
    unknown_fields: u32,
}

/// What is wrong with a text that is to be JSON, without any of it: `serde_json` quotes values that
/// are of another type than expected.
fn json_fault(error: &serde_json::Error) -> String {
    let told = error.to_string();
    if error.classify() != serde_json::error::Category::Data || told.starts_with("missing field") {
        return told;
    }
    match told.rsplit_once(", expected ") {
        Some((_, expected)) => format!("a value of another type than expected: {expected}"),
        None => format!("a bad value at line {} column {}", error.line(), error.column()),
    }
}

fn json_reason(error: serde_json::Error) -> Reason {
    Reason::new(Code::DecodeJson, json_fault(&error))
}

/// A value on the events topic.
#[derive(Debug)]
pub enum Stored<'a> {
    /// A canonical event.
    Event(Event<'a>),
    /// Progress of a source partition.
    Beat(Heartbeat),
    /// Records of a source partition that nobody can read any more.
    Lost(Lost),
}

/// Reads a record of the events topic. It was checked when it was written; what cannot be read now
/// was not written by us, and is a dead letter.
pub fn read_stored<'a>(record: &'a Record, calendar: &Calendar) -> Result<Stored<'a>, Reason> {
    let value = record.value.as_deref().unwrap_or_default();
    let text =
        simdutf8::basic::from_utf8(value).map_err(|_| Reason::new(Code::NotUtf8, "not UTF-8"))?;
    let keyed =
        |prefix: &str| record.key.as_deref().is_some_and(|k| k.starts_with(prefix.as_bytes()));
    if keyed(encode::BEAT_PREFIX) {
        return encode::decode_heartbeat(text).map(Stored::Beat).map_err(json_reason);
    }
    if keyed(encode::LOST_PREFIX) {
        return encode::decode_lost(text).map(Stored::Lost).map_err(json_reason);
    }
    let draft: Draft<'a> = serde_json::from_str(text).map_err(json_reason)?;
    let defaults = Defaults { source: "", system: "", calendar, latest: None };
    canonical::mean(draft, &Envelope::default(), &defaults).map(|(event, _)| Stored::Event(event))
}

#[cfg(test)]
mod tests;
