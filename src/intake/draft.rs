//! An event as typed: whatever fields the JSON holds, not yet checked. One pass over the bytes,
//! typed, borrowing; values of `set` stay raw text until their field says what they must be, so
//! that no number ever goes through a float.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::model::event::{Field, FieldName};

/// A JSON string (borrowed where it has no escapes), or a number as its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        text_of(raw.get()).map(Text).ok_or_else(|| {
            serde::de::Error::custom(format_args!(
                "expected a string, found {}",
                kind_of(raw.get())
            ))
        })
    }
}

/// The text of a raw JSON string or number; `None` for anything else.
pub fn text_of(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => {
            let inner = &raw[1..raw.len() - 1];
            if inner.contains('\\') {
                serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
            } else {
                Some(Cow::Borrowed(inner))
            }
        }
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(raw)),
        _ => None,
    }
}

/// What a raw JSON value is, for messages: never its contents.
pub fn kind_of(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') => "a number",
        _ => "nothing",
    }
}

/// `entity` as typed.
#[derive(Debug, Default, serde::Deserialize)]
pub struct EntityDraft<'a> {
    /// `type`
    #[serde(borrow, default, rename = "type")]
    pub kind: Option<Text<'a>>,
    /// `id`
    #[serde(borrow, default)]
    pub id: Option<Text<'a>>,
}

/// `set` as typed: known and custom fields in order, and how many others there were.
#[derive(Debug, Default)]
pub struct SetDraft<'a> {
    /// Field and raw value.
    pub fields: Vec<(FieldName<'a>, &'a RawValue)>,
    /// Fields that are neither of the contract nor `x.*`.
    pub unknown: u32,
}

impl<'de: 'a, 'a> Deserialize<'de> for SetDraft<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = SetDraft<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of fields")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut out = SetDraft::default();
                while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
                    let name = match Field::parse(&key) {
                        Some(field) => FieldName::Known(field),
                        None if key.len() > 2 && key.starts_with("x.") => {
                            FieldName::Custom(match key {
                                Cow::Borrowed(k) => Cow::Borrowed(&k[2..]),
                                Cow::Owned(ref k) => Cow::Owned(k[2..].to_owned()),
                            })
                        }
                        None => {
                            map.next_value::<IgnoredAny>()?;
                            out.unknown += 1;
                            continue;
                        }
                    };
                    if out.fields.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom(format_args!(
                            "set.{key} stands twice"
                        )));
                    }
                    out.fields.push((name, map.next_value()?));
                }
                Ok(out)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// An event, or a CloudEvents envelope around one, as typed.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Draft<'a> {
    /// Version of the contract.
    #[serde(default)]
    pub v: Option<u32>,
    /// Event id.
    #[serde(borrow, default)]
    pub id: Option<Text<'a>>,
    /// Tenant.
    #[serde(borrow, default)]
    pub tenant: Option<Text<'a>>,
    /// Connection; in CloudEvents the producer's URI.
    #[serde(borrow, default)]
    pub source: Option<Text<'a>>,
    /// System.
    #[serde(borrow, default)]
    pub system: Option<Text<'a>>,
    /// Patch, fact or gap.
    #[serde(borrow, default)]
    pub kind: Option<Text<'a>>,
    /// Entity.
    #[serde(borrow, default)]
    pub entity: Option<EntityDraft<'a>>,
    /// Operation.
    #[serde(borrow, default)]
    pub op: Option<Text<'a>>,
    /// Absorbing entity.
    #[serde(borrow, default)]
    pub merged_into: Option<Text<'a>>,
    /// Event time, raw.
    #[serde(borrow, default)]
    pub time: Option<&'a RawValue>,
    /// Precision of the time.
    #[serde(borrow, default)]
    pub time_precision: Option<Text<'a>>,
    /// Position among the entity's events.
    #[serde(default)]
    pub order: Option<[i64; 2]>,
    /// Stated fields.
    #[serde(borrow, default)]
    pub set: Option<SetDraft<'a>>,
    /// Notes.
    #[serde(borrow, default)]
    pub flags: Option<Vec<Text<'a>>>,
    /// Origin, on the events topic.
    #[serde(borrow, default)]
    pub raw: Option<OriginDraft<'a>>,
    /// CloudEvents: its presence makes the object an envelope.
    #[serde(borrow, default)]
    pub specversion: Option<Text<'a>>,
    /// CloudEvents: the payload.
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
    /// CloudEvents: the payload as base64.
    #[serde(borrow, default)]
    pub data_base64: Option<Text<'a>>,
}

/// `raw` as typed.
#[derive(Debug, serde::Deserialize)]
pub struct OriginDraft<'a> {
    /// Source topic.
    #[serde(borrow)]
    pub topic: Text<'a>,
    /// Source partition.
    pub partition: u32,
    /// Offset.
    pub offset: u64,
    /// Index in the record's array.
    #[serde(default)]
    pub index: u32,
}

/// `{ value, currency }` as typed.
#[derive(Debug, serde::Deserialize)]
pub struct MoneyDraft<'a> {
    /// Decimal string or number, raw.
    #[serde(borrow, default)]
    pub value: Option<&'a RawValue>,
    /// Currency code.
    #[serde(borrow, default)]
    pub currency: Option<Text<'a>>,
}
