//! Records and elements that are wrapped in something: from the outermost envelope to what a decoder
//! reads. What is bad keeps as much of its envelopes that it can be decoded by itself.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::canonical::Envelope;
use super::draft::Draft;
use super::envelope::{self, Found, Opened, Reads};
use super::frame::{self, Frame, Lookup};
use super::json::Json;
use super::{Decoder, Ignored, Intake, draft_of, encode, json_reason};
use crate::model::deadletter::{DeadLetter, Reason};
use crate::model::record::Record;
use crate::model::source::Wrapping;
use crate::model::time::Timestamp;

impl Decoder {
    /// The frame of Confluent's serializers around the value.
    pub(super) fn framed<'r>(&self, record: &'r Record) -> Result<Option<Frame<'r>>, Reason> {
        if self.reading.wrapping == Wrapping::Raw {
            return Ok(None);
        }
        let frame = frame::of(record)?;
        if frame.is_none() && self.reading.wrapping == Wrapping::Confluent {
            return Err(envelope::not_pinned(Wrapping::Confluent));
        }
        Ok(frame)
    }

    /// Decodes what a frame holds. What is bad of it stays in its frame.
    pub(super) fn unframed<'a>(
        &self,
        record: &'a Record,
        frame: &Frame<'_>,
        schema: Lookup<'_>,
        now: Option<Timestamp>,
    ) -> Intake<'a> {
        let mut out = Intake::default();
        let text = match frame.open(schema, self.limits.max_record_bytes.saturating_mul(8)) {
            Ok(text) => text,
            Err(reason) => {
                out.dead_letters.push(DeadLetter::new(record, reason, None));
                return out;
            }
        };
        let inner = Record {
            topic: record.topic.clone(),
            partition: record.partition,
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key.clone(),
            value: None,
            headers: record.headers.clone(),
        };
        out.absorb(self.text(&inner, &text, now));
        for dead in &mut out.dead_letters {
            match (dead.index, &mut dead.value) {
                (Some(_), Some(value)) => *value = [frame.prefix, value].concat(),
                _ => dead.value.clone_from(&record.value),
            }
        }
        out
    }

    /// Takes one element in whatever envelope it may have. The plain event and CloudEvents, which
    /// are tried first, cost the others nothing.
    pub(super) fn wrapped<'a>(
        &self,
        record: &'a Record,
        text: &'a str,
        place: Option<u32>,
        now: Option<Timestamp>,
        out: &mut Intake<'a>,
    ) -> Result<(), Reason> {
        let (pin, index) = (self.reading.wrapping, place.unwrap_or(0));
        let bare = Envelope::default();
        let (auto, before) = (matches!(pin, Wrapping::Auto | Wrapping::Confluent), out.counts());
        let plain = match pin {
            Wrapping::Auto | Wrapping::Confluent | Wrapping::CloudEvents => {
                let lent = envelope::of_headers(record, place);
                let done = self.element(record, text, index, &lent, now, out);
                if auto && done.is_err() {
                    done
                } else {
                    return done
                        .map_err(|reason| envelope::unless_pinned(pin, &lent, text, reason));
                }
            }
            Wrapping::Raw => return self.element(record, text, index, &bare, now, out),
            _ => Ok(()),
        };
        if !auto {
            Json::parse(text).map_err(json_reason)?;
        }
        match envelope::open(pin, Reads::Canonical, record, Json::checked(text.trim())) {
            Ok(Found::Ignored(reason, what)) => out.ignored.push(Ignored { index, reason, what }),
            Ok(Found::Element(opened)) if opened.is_news() || !auto => {
                out.cut(before);
                return self.opened(record, &opened, place, now, out);
            }
            Ok(_) => return plain,
            // It was recognized, and it is broken.
            Err(reason) => return Err(reason),
        }
        Ok(())
    }

    /// Takes what was found under the envelopes. Of bytes that are not the record's own, the events
    /// keep copies.
    fn opened<'a>(
        &self,
        record: &'a Record,
        opened: &Opened<'a>,
        place: Option<u32>,
        now: Option<Timestamp>,
        out: &mut Intake<'a>,
    ) -> Result<(), Reason> {
        match &opened.text {
            Cow::Borrowed(text) => self.inside(record, (text, opened), place, now, out),
            Cow::Owned(text) => {
                let mut inner = Intake::default();
                self.inside(record, (text, opened), place, now, &mut inner)?;
                out.absorb(inner);
                Ok(())
            }
        }
    }

    fn inside<'t>(
        &self,
        record: &'t Record,
        (text, opened): (&'t str, &Opened<'_>),
        place: Option<u32>,
        now: Option<Timestamp>,
        out: &mut Intake<'t>,
    ) -> Result<(), Reason> {
        let index = place.unwrap_or(0);
        if !text.starts_with('[') {
            let lent = opened.to_lend(record, place, None);
            return self.event(record, draft_of(text)?, index, &lent, now, out);
        }
        for (i, element) in (0u32..).zip(self.split(text)?) {
            let lent = opened.to_lend(record, place, Some(i));
            let done = draft_of(element.get())
                .and_then(|draft| self.event(record, draft, index, &lent, now, out));
            if let Err(reason) = done {
                let wrapped = opened.around(element.get(), place, i);
                let mut dead = DeadLetter::new(record, reason, Some((index, wrapped.as_bytes())));
                dead.inner = Some(i);
                envelope::renumber(&mut dead.headers, place, Some(i));
                out.dead_letters.push(dead);
            }
        }
        Ok(())
    }

    pub(super) fn structured<'a>(
        &self,
        record: &'a Record,
        draft: Draft<'a>,
        index: u32,
        now: Option<Timestamp>,
        out: &mut Intake<'a>,
    ) -> Result<(), Reason> {
        let inner = envelope::open_cloud(draft)?;
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
        self.within(&inner)?;
        let taken = self.text(&inner, self.body(&inner)?, now);
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
