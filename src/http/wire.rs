//! The parts of a published row that the board looks at.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::Serializer;

use crate::model::row::Pane;
use crate::model::segment::Segment;
use crate::model::time::Timestamp;

/// A row as read back; the KPIs stay bytes.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct WireRow {
    pub window: WireWindow,
    #[serde(deserialize_with = "segment")]
    pub segment: Segment,
    #[serde(rename = "status", deserialize_with = "pane")]
    pub pane: Pane,
    pub version: u64,
    #[serde(deserialize_with = "maybe_at")]
    pub as_of: Option<Timestamp>,
}

#[derive(Debug, serde::Deserialize)]
pub(crate) struct WireWindow {
    pub kind: String,
    #[serde(deserialize_with = "at")]
    pub start: Timestamp,
    #[serde(deserialize_with = "at")]
    pub end: Timestamp,
    pub zone: String,
}

impl WireRow {
    /// The row and its text; `None` where the bytes are no row.
    pub fn parse(bytes: &[u8]) -> Option<(WireRow, &str)> {
        let text = std::str::from_utf8(bytes).ok()?;
        let row = serde_json::from_str(text).ok()?;
        Some((row, text))
    }
}

fn at<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    maybe_at(from)?.ok_or_else(|| D::Error::custom("expected a time"))
}

fn maybe_at<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    let read = Timestamp::parse_rfc3339(&text);
    read.map(Some).ok_or_else(|| D::Error::custom("expected an RFC 3339 time"))
}

fn pane<'de, D: Deserializer<'de>>(from: D) -> Result<Pane, D::Error> {
    let text = String::deserialize(from)?;
    Pane::parse(&text).ok_or_else(|| D::Error::custom("unknown status"))
}

/// Keeps the order of the dimensions, which is part of the segment.
fn segment<'de, D: Deserializer<'de>>(from: D) -> Result<Segment, D::Error> {
    struct Parts;
    impl<'de> Visitor<'de> for Parts {
        type Value = Segment;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of dimensions")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Segment, A::Error> {
            let mut parts = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, String>()? {
                parts.push((name.into_boxed_str(), value.into_boxed_str()));
            }
            Ok(Segment { parts })
        }
    }
    from.deserialize_map(Parts)
}

/// Writes an instant as RFC 3339.
pub(super) fn instant<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

/// Writes an instant as RFC 3339, or null.
pub(super) fn maybe_instant<S: Serializer>(
    at: &Option<Timestamp>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.collect_str(at),
        None => to.serialize_none(),
    }
}
