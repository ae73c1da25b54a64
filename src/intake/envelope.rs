//! CloudEvents 1.0 around canonical events: structured, batch, and binary mode over Kafka.
//!
//! The envelope lends its id and time to an event that has none of its own
//! (<https://github.com/cloudevents/spec>, Kafka protocol binding).

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::canonical::Envelope;
use super::draft::{Draft, Text};
use crate::model::deadletter::{Code, Reason};
use crate::model::record::{Header, Record};

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
    match (text("ce_specversion"), text("ce_id"), text("ce_source")) {
        (Some(_), Some(id), Some(source)) => Envelope {
            id: Some(Cow::Owned(joined(source, id, index))),
            time: None,
            time_text: text("ce_time").map(Cow::Borrowed),
        },
        _ => Envelope::default(),
    }
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
        let (source, id) = self.id.as_deref().and_then(|id| id.split_once('#')).unwrap_or_default();
        let text = |text: &str| serde_json::to_string(text).expect("a string serializes");
        let time = self.time.map_or(String::new(), |time| format!(",\"time\":{time}"));
        format!(
            "{{\"specversion\":\"1.0\",\"type\":\"tidemark.event\",\"source\":{},\"id\":{}{time},\"data\":{event}}}",
            text(source),
            text(id),
        )
    }

    /// The envelope as headers of binary mode, for data that is decoded into a record of its own.
    pub fn to_headers(&self) -> Vec<Header> {
        let mut out = vec![Header::new("ce_specversion", "1.0")];
        if let Some((source, id)) = self.id.as_deref().and_then(|id| id.rsplit_once('#')) {
            out.push(Header::new("ce_source", source));
            out.push(Header::new("ce_id", id));
        }
        if let Some(time) = self.time {
            out.push(Header::new("ce_time", time.get().trim_matches('"')));
        }
        out
    }
}

/// Standard base64, with or without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
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
