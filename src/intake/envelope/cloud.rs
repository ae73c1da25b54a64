//! CloudEvents 1.0 around canonical events: structured, batch, and binary mode over Kafka.
//!
//! The envelope lends its id and time to an event that has none of its own
//! (<https://github.com/cloudevents/spec>, Kafka protocol binding).

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::debezium::Attributes;
use super::{Layer, Lent, Of, quoted, unquoted};
use crate::intake::canonical::Envelope;
use crate::intake::draft::{Draft, Text};
use crate::intake::json::{Json, Object};
use crate::model::deadletter::{Code, Reason};
use crate::model::record::{Header, Record};

/// The header of the id in binary mode.
pub const ID: &str = "ce_id";

/// What a structured envelope holds.
pub struct Inner<'a> {
    /// What it lends to the event.
    pub envelope: Envelope<'a>,
    /// `data`
    pub data: Option<&'a RawValue>,
    /// `data_base64`, decoded.
    pub decoded: Option<Vec<u8>>,
}

/// Opens a structured envelope.
pub fn open(draft: Draft<'_>) -> Result<Inner<'_>, Reason> {
    let missing = |what: &str| Reason::new(Code::BadCloudEvent, format!("{what} is absent"));
    let version = draft.specversion.map(|t| t.0).unwrap_or_default();
    if version != "1.0" {
        return Err(Reason::new(Code::BadCloudEvent, "specversion is not 1.0"));
    }
    let id = draft.id.ok_or_else(|| missing("id"))?.0;
    let source = draft.source.ok_or_else(|| missing("source"))?.0;
    let envelope = Envelope {
        id: Some(Cow::Owned(joined(&source, &id, None))),
        time: draft.time,
        time_text: None,
    };
    let decoded = match draft.data_base64 {
        Some(Text(text)) => Some(
            base64(&text)
                .ok_or_else(|| Reason::new(Code::BadCloudEvent, "data_base64 is not base64"))?,
        ),
        None => None,
    };
    if decoded.is_none() && draft.data.is_none() {
        return Err(missing("data"));
    }
    Ok(Inner { envelope, data: draft.data, decoded })
}

/// What the headers of binary mode (`ce_*`) lend to the event; nothing where there are none.
pub fn of_headers(record: &Record, index: Option<u32>) -> Envelope<'_> {
    let text = |name: &str| record.header(name).and_then(|v| std::str::from_utf8(v).ok());
    match (text("ce_specversion"), text(ID), text("ce_source")) {
        (Some(_), Some(id), Some(source)) => Envelope {
            id: Some(Cow::Owned(joined(source, id, index))),
            time: None,
            time_text: text("ce_time").map(Cow::Borrowed),
        },
        _ => Envelope::default(),
    }
}

/// Takes a structured envelope off, around whatever it holds: for sources that are not canonical,
/// and for what bridges wrap. It need not name itself, since its id is lent to canonical events only.
pub fn peel<'t>(object: &Object<'t>) -> Result<Layer<'t>, Reason> {
    let bad = |why: &str| Reason::new(Code::BadCloudEvent, why);
    let id = object.text("id").zip(object.text("source"));
    let time = object.text("time").map(Cow::into_owned);
    let lent = Lent { id: id.map(|(id, source)| joined(&source, &id, None)), time };
    let text = match (object.find("data"), object.text("data_base64")) {
        (Some(data), _) => unquoted("data", data)?,
        (None, Some(text)) => {
            let bytes = base64(&text).ok_or_else(|| bad("data_base64 is not base64"))?;
            let text =
                String::from_utf8(bytes).map_err(|_| bad("data_base64 is not text in UTF-8"))?;
            let json = Json::parse(&text).map_err(|_| bad("data_base64 is not JSON"))?;
            Cow::Owned(json.raw().to_owned())
        }
        (None, None) => return Err(bad("data is absent")),
    };
    Ok(Layer { text, of: Of::Cloud(lent, Attributes::of(object)) })
}

/// The envelope around one element, of this id (`source#id`) and time.
pub fn around(id: Option<&str>, time: Option<&str>, element: &str) -> String {
    let (source, id) = id.and_then(|id| id.split_once('#')).unwrap_or(("", ""));
    let time = time.map_or(String::new(), |time| format!(",\"time\":{}", quoted(time)));
    format!(
        "{{\"specversion\":\"1.0\",\"type\":\"tidemark.event\",\"source\":{},\"id\":{}{time},\"data\":{element}}}",
        quoted(source),
        quoted(id),
    )
}

/// An event is named by source and id together, and by its place where several share an envelope.
fn joined(source: &str, id: &str, index: Option<u32>) -> String {
    match index {
        Some(i) => format!("{source}#{id}#{i}"),
        None => format!("{source}#{id}"),
    }
}

impl<'a> Envelope<'a> {
    /// The same envelope for the `i`th event inside it.
    pub fn numbered(&self, i: u32) -> Envelope<'a> {
        Envelope { id: self.id.as_ref().map(|id| Cow::Owned(format!("{id}#{i}"))), ..self.clone() }
    }

    /// The envelope around one event: structured, and of the same id and time.
    pub fn around(&self, event: &RawValue) -> String {
        let time = self.time.map(|time| time.get().trim_matches('"'));
        around(self.id.as_deref(), time, event.get())
    }

    /// The envelope as headers of binary mode, for data that is decoded into a record of its own.
    pub fn to_headers(&self) -> Vec<Header> {
        let mut out = vec![Header::new("ce_specversion", "1.0")];
        if let Some((source, id)) = self.id.as_deref().and_then(|id| id.rsplit_once('#')) {
            out.push(Header::new("ce_source", source));
            out.push(Header::new(ID, id));
        }
        if let Some(time) = self.time {
            out.push(Header::new("ce_time", time.get().trim_matches('"')));
        }
        out
    }
}

/// Standard base64, with or without padding.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&base64::alphabet::STANDARD, lenient).decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_rfc_4648() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob")]
        {
            assert_eq!(base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(base64("Z"), None);
        assert_eq!(base64("Zm9v!"), None);
    }
}
