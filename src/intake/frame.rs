//! The wire format of Confluent's serializers: which schema a value was written with, before the
//! value. Version 0 is a zero and an id of 32 bits; version 1 a one and a GUID; and the newest
//! serializers put the same into the header `__value_schema_id`, before a bare value. The bytes
//! after it are Avro, or JSON as it is; what a schema is kept as decides, and JSON shows itself.

use std::fmt;

use serde_json::value::RawValue;

use super::avro;
use crate::model::deadletter::{Code, Reason};
use crate::model::record::Record;

/// The header that the newest serializers write.
const HEADER: &str = "__value_schema_id";

/// Names a schema of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaKey {
    /// Its number, in the registry that gave it.
    Id(u32),
    /// Its GUID, in any registry.
    Guid([u8; 16]),
}

/// As the registry's API writes it.
impl fmt::Display for SchemaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaKey::Id(id) => id.fmt(f),
            SchemaKey::Guid(bytes) => {
                for (i, byte) in bytes.iter().enumerate() {
                    if matches!(i, 4 | 6 | 8 | 10) {
                        f.write_str("-")?;
                    }
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }
    }
}

/// A schema, as it is needed to read a value.
#[derive(Clone, Debug)]
pub struct Schema(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Json,
    Avro(avro::Schema),
}

impl Schema {
    /// A schema of Avro, and those that it refers to, each before the ones that refer to it.
    pub fn avro(text: &str, references: &[String]) -> Result<Schema, Reason> {
        avro::Schema::parse(text, references)
            .map(|schema| Schema(Kind::Avro(schema)))
            .map_err(|why| Reason::new(Code::UnknownSchema, format!("the schema of Avro: {why}")))
    }

    /// A schema as a registry gives it: of the named kind (`AVRO` where it names none).
    pub fn of(kind: Option<&str>, text: &str, references: &[String]) -> Result<Schema, Reason> {
        match kind.unwrap_or("AVRO") {
            "AVRO" => Schema::avro(text, references),
            "JSON" => Ok(Schema(Kind::Json)),
            "PROTOBUF" => {
                let why = "the schema is of Protobuf, which is not read: write Avro or JSON";
                Err(Reason::new(Code::UnknownSchema, why))
            }
            _ => Err(Reason::new(Code::UnknownSchema, "the schema is neither of Avro nor JSON")),
        }
    }
}

/// What is known of the schema that a record was written with.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'s> {
    /// Nobody was asked.
    Unasked,
    /// This is it.
    Found(&'s Schema),
    /// There is none that can be used.
    Refused(&'s Reason),
}

/// A value with the name of its schema.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'r> {
    /// The schema.
    pub key: SchemaKey,
    /// What stands before the payload; nothing where the header names the schema.
    pub prefix: &'r [u8],
    payload: &'r [u8],
}

/// The frame of a record; `None` where it has none. Text never begins as a frame does.
pub fn of(record: &Record) -> Result<Option<Frame<'_>>, Reason> {
    let value = record.value.as_deref().unwrap_or_default();
    if let Some(header) = record.header(HEADER) {
        let why = || Reason::new(Code::BadEnvelope, format!("the header {HEADER} names no schema"));
        let (key, rest) = key_of(header).ok_or_else(why)?;
        // Serializers of Protobuf put more into it.
        if rest.is_empty() || matches!(key, SchemaKey::Guid(_)) {
            return Ok(Some(Frame { key, prefix: &[], payload: value }));
        }
        return Err(why());
    }
    if !matches!(value.first(), Some(0 | 1)) {
        return Ok(None);
    }
    let why = || Reason::new(Code::BadEnvelope, "a magic byte, and no schema id behind it");
    let (key, payload) = key_of(value).ok_or_else(why)?;
    Ok(Some(Frame { key, prefix: &value[..value.len() - payload.len()], payload }))
}

/// The name of a schema at the start of bytes, and the rest.
fn key_of(bytes: &[u8]) -> Option<(SchemaKey, &[u8])> {
    let (magic, rest) = bytes.split_first()?;
    match magic {
        0 => {
            let (id, rest) = rest.split_first_chunk()?;
            Some((SchemaKey::Id(u32::from_be_bytes(*id)), rest))
        }
        1 => {
            let (guid, rest) = rest.split_first_chunk()?;
            Some((SchemaKey::Guid(*guid), rest))
        }
        _ => None,
    }
}

impl Frame<'_> {
    /// The payload where it is JSON: all of it, so that no Avro looks so.
    fn json(&self) -> Option<&str> {
        if !matches!(self.payload.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return None;
        }
        let text = std::str::from_utf8(self.payload).ok()?;
        serde_json::from_str::<&RawValue>(text).is_ok().then_some(text)
    }

    /// The schema without which it cannot be read.
    pub fn wants(&self) -> Option<SchemaKey> {
        self.json().is_none().then_some(self.key)
    }

    /// The payload as JSON, of at most so many bytes.
    pub fn open(&self, lookup: Lookup<'_>, limit: usize) -> Result<String, Reason> {
        if let Some(text) = self.json() {
            return Ok(text.to_owned());
        }
        let key = self.key;
        match lookup {
            Lookup::Found(Schema(Kind::Avro(schema))) => avro::json(schema, self.payload, limit)
                .map_err(|why| Reason::new(Code::BadAvro, format!("schema {key}: {why}"))),
            Lookup::Found(Schema(Kind::Json)) => {
                let why = format!("schema {key} is of JSON, and the value is not JSON");
                Err(Reason::new(Code::DecodeJson, why))
            }
            Lookup::Refused(reason) => Err(reason.clone()),
            Lookup::Unasked => {
                let why = format!(
                    "the value is Avro or Protobuf of schema {key}, and there is no schema \
                     registry to ask: set schema_registry.url"
                );
                Err(Reason::new(Code::UnknownSchema, why))
            }
        }
    }
}
