//! The published JSON Schema of the canonical event, made from the tables that the decoder uses,
//! so that the two cannot part.

use serde_json::{Map, Value, json};

use crate::model::event::{EntityKind, EventKind, Field, FieldType, Flags, Op, Status};
use crate::model::split::{MAX_SPLITS, SplitKind};

/// The schema, draft 2020-12.
pub fn event_schema() -> Value {
    let mut set = Map::new();
    for (_, name, kind, doc) in Field::ALL {
        set.insert((*name).to_owned(), field_schema(*kind, doc));
    }
    let names = |all: Vec<&str>| json!(all);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://tidemark.dev/schema/event.v1.json",
        "title": "Tidemark canonical sales event",
        "description": "One fact about one entity. Absent means unknown or unchanged, null means cleared. A record holds one event, an array of events, or CloudEvents around them.",
        "type": "object",
        "required": ["id", "entity", "time"],
        "properties": {
            "v": {"const": 1, "description": "Version of the contract; absent means 1."},
            "id": {"type": ["string", "number"], "maxLength": 512, "description": "Names the event: the same for every delivery of it. May be lent by a CloudEvents envelope."},
            "tenant": {"type": "string", "default": "default"},
            "source": {"type": "string", "description": "Which connection it came through; the configured source's name where absent."},
            "system": {"type": "string", "description": "Which kind of system it came from: hubspot, salesforce, …"},
            "kind": {"enum": names(EventKind::ALL.iter().map(|(_, n)| *n).collect()), "default": "patch"},
            "entity": {
                "type": "object",
                "required": ["type", "id"],
                "properties": {
                    "type": {"enum": names(EntityKind::ALL.iter().map(|(_, n)| *n).collect())},
                    "id": {"type": ["string", "number"], "maxLength": 512}
                }
            },
            "op": {"enum": names(Op::ALL.iter().map(|(_, n)| *n).collect()), "description": "update where absent; snapshot for facts. Only create says when the entity came into being."},
            "merged_into": {"type": ["string", "null"], "description": "The entity that absorbed this one, with op merge."},
            "time": {"type": "string", "description": "When it happened: RFC 3339, or a date (start of that day in the configured zone)."},
            "time_precision": {"enum": ["us", "ms", "s", "day"]},
            "order": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer"}], "minItems": 2, "maxItems": 2, "items": false, "description": "Position among the entity's events; higher wins, field by field. [time in ms, 0] where absent."},
            "set": {
                "type": "object",
                "description": "Fields stated. Others are ignored and counted, but for x.*, which are kept as text.",
                "properties": set,
                "patternProperties": {"^x\\..+": {"type": ["string", "number", "null"]}}
            },
            "prev": {"type": "object", "description": "Former values; never required, not read."},
            "flags": {"type": "array", "items": {"enum": names(Flags::ALL.iter().map(|(_, n)| *n).collect())}},
            "raw": {"type": "object", "description": "Where Tidemark read it from; written by Tidemark."}
        }
    })
}

fn field_schema(kind: FieldType, doc: &str) -> Value {
    match kind {
        FieldType::Text => json!({"type": ["string", "number", "null"], "description": doc}),
        FieldType::Status => json!({
            "anyOf": [{"enum": Status::ALL.map(|(_, n)| n)}, {"type": ["string", "null"]}],
            "description": doc
        }),
        FieldType::Number => json!({"type": ["string", "number", "null"], "description": doc}),
        FieldType::Time => json!({"type": ["string", "null"], "description": doc}),
        FieldType::Bool => json!({"type": ["boolean", "null"], "description": doc}),
        FieldType::Money => json!({
            "type": ["object", "null"],
            "required": ["value", "currency"],
            "properties": {
                "value": {"type": ["string", "number", "null"], "description": "Decimal in major units; kept exactly, up to 18 significant digits and 12 decimals."},
                "currency": {"type": "string", "pattern": "^[A-Za-z]{3}$", "description": "ISO 4217."}
            },
            "description": doc
        }),
        FieldType::Splits => json!({
            "type": ["array", "null"],
            "maxItems": MAX_SPLITS,
            "items": {
                "type": "object",
                "required": ["owner", "share"],
                "properties": {
                    "owner": {"type": ["string", "number"], "maxLength": 512, "description": "Id of the rep."},
                    "share": {"type": ["string", "number"], "description": "Decimal from 0 to 1, at most 8 decimals, kept exactly."},
                    "type": {"enum": SplitKind::ALL.map(|(_, n)| n), "default": "revenue"}
                }
            },
            "description": doc
        }),
    }
}
