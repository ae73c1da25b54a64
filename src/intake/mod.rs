//! Intake: bytes of a source record become canonical events, or dead letters with the reason.
//!
//! Never fails and keeps no state. A record may hold one event, an array of events, or CloudEvents
//! (structured, batch, or binary by headers); one bad element does not touch its neighbors. What the
//! native systems send is read by a decoder each, a file a system.

mod aircall;
mod breaker;
mod calendly;
mod canonical;
mod channels;
mod close;
mod customerio;
mod draft;
mod encode;
mod envelope;
mod form;
mod hubspot;
mod json;
mod link;
mod make;
mod native;
mod pipedrive;
mod salesforce;
mod schema;
mod segment;
mod sendgrid;
mod shopify;
mod stripe;
mod survey;
mod twilio;
mod typeform;

pub use breaker::{Breaker, BreakerLimits};
pub use encode::{beat_key, encode_event, encode_heartbeat, encode_lost, lost_key};
pub use native::Ignored;
pub use schema::event_schema;

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::model::calendar::Calendar;
use crate::model::deadletter::{Code, DeadLetter, Reason};
use crate::model::event::{Event, Flags, Origin};
use crate::model::record::Record;
use crate::model::source::{Reading, System};
use crate::model::time::{Span, Timestamp};
use crate::model::watermark::{Heartbeat, Lost};
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
    /// Decodes a record. `now` is the wall clock, against which the future is checked; replay
    /// passes `None`.
    pub fn take<'a>(&self, record: &'a Record, now: Option<Timestamp>) -> Intake<'a> {
        let mut out = self.taken(record, now);
        channels::fill(&self.reading, &mut out.events);
        out
    }

    fn taken<'a>(&self, record: &'a Record, now: Option<Timestamp>) -> Intake<'a> {
        let mut out = Intake::default();
        match self.body(record) {
            Ok(body) => match native::take(self, record, body, now) {
                Some(taken) => return taken,
                None => self.elements(record, body, now, &mut out),
            },
            Err(reason) => out.dead_letters.push(DeadLetter::new(record, reason, None)),
        }
        out
    }

    fn body<'a>(&self, record: &'a Record) -> Result<&'a str, Reason> {
        let value = match record.value.as_deref() {
            None | Some([]) => return Err(Reason::new(Code::Empty, "the record has no value")),
            Some(value) => value,
        };
        let limit = self.limits.max_record_bytes;
        if value.len() > limit {
            let size = value.len();
            return Err(Reason::new(Code::TooLarge, format!("{size} bytes, the limit is {limit}")));
        }
        // One vectorized check here saves the parser one a string.
        simdutf8::compat::from_utf8(value).map_err(|e| {
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
                let envelope = envelope::of_headers(record, None);
                let done = self.element(record, body, 0, &envelope, now, out);
                if let Err(reason) = done {
                    out.dead_letters.push(DeadLetter::new(record, reason, None));
                }
            }
            Some(b'[') => match self.split(body) {
                Ok(elements) => {
                    for (i, element) in (0u32..).zip(elements) {
                        let envelope = envelope::of_headers(record, Some(i));
                        let done = self.element(record, element.get(), i, &envelope, now, out);
                        if let Err(reason) = done {
                            let element = Some((i, element.get().as_bytes()));
                            out.dead_letters.push(DeadLetter::new(record, reason, element));
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
        let limit = self.limits.max_array;
        if elements.len() > limit {
            let n = elements.len();
            return Err(Reason::new(Code::TooMany, format!("{n} elements, the limit is {limit}")));
        }
        Ok(elements)
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
        if !text.trim_start().starts_with('{') {
            return Err(Reason::new(Code::NotAnEvent, "the element is not a JSON object"));
        }
        let draft: Draft<'a> = serde_json::from_str(text).map_err(json_reason)?;
        if draft.specversion.is_some() {
            // Envelopes do not nest: a chain of them could be as deep as the record is long.
            if envelope.id.is_some() {
                let why = "an envelope inside an envelope";
                return Err(Reason::new(Code::BadCloudEvent, why));
            }
            return self.structured(record, draft, index, now, out);
        }
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

    fn structured<'a>(
        &self,
        record: &'a Record,
        draft: Draft<'a>,
        index: u32,
        now: Option<Timestamp>,
        out: &mut Intake<'a>,
    ) -> Result<(), Reason> {
        let inner = envelope::open(draft)?;
        // Data in base64 is decoded into memory of its own, so its events must own what they keep:
        // they are re-read from a record made of it.
        if let Some(bytes) = inner.decoded {
            return self.decoded(record, bytes, index, &inner.envelope, now, out);
        }
        let data = inner.data.map_or("", RawValue::get);
        if data.starts_with('[') {
            for (i, element) in (0u32..).zip(self.split(data)?) {
                let envelope = inner.envelope.numbered(i);
                if let Err(reason) = self.element(record, element.get(), index, &envelope, now, out)
                {
                    // With an envelope of its own, since what it borrowed from the one around all
                    // of them is part of it.
                    let wrapped = envelope.around(element);
                    let element = Some((index, wrapped.as_bytes()));
                    let mut dead = DeadLetter::new(record, reason, element);
                    dead.inner = Some(i);
                    out.dead_letters.push(dead);
                }
            }
            return Ok(());
        }
        self.element(record, data, index, &inner.envelope, now, out)
    }

    fn decoded<'a>(
        &self,
        record: &'a Record,
        bytes: Vec<u8>,
        index: u32,
        envelope: &Envelope<'a>,
        now: Option<Timestamp>,
        out: &mut Intake<'a>,
    ) -> Result<(), Reason> {
        let inner = Record { value: Some(bytes), headers: envelope.to_headers(), ..record.clone() };
        let taken = self.take(&inner, now);
        out.test += taken.test;
        out.unknown_fields += taken.unknown_fields;
        for event in taken.events {
            let mut event = encode::into_owned(event);
            if let Some(raw) = &mut event.raw {
                raw.index = index;
            }
            out.events.push(event);
        }
        match taken.dead_letters.into_iter().next() {
            Some(first) => Err(first.reason),
            None => Ok(()),
        }
    }
}

fn json_reason(error: serde_json::Error) -> Reason {
    Reason::new(Code::DecodeJson, error.to_string())
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
