//! The JSON Schema of an alert, which is the contract of the alerts topic and of webhooks.

use serde_json::{Value, json};

use super::alert::{End, Signal, Silence, State};

/// As `docs/alert.schema.json` has it.
pub fn alert_schema() -> Value {
    let kpis: Vec<&str> = Signal::ALL.iter().map(|(_, name)| *name).collect();
    let states: Vec<&str> =
        [State::Pending, State::Firing, State::Resolved].map(State::as_str).to_vec();
    let ends: Vec<Option<&str>> =
        End::ALL.iter().map(|(_, name)| Some(*name)).chain([None]).collect();
    let mut properties = json!({
        "id": {"type": "string", "description": "Key of the record: KPI, segment, first day of the baseline, direction and number of the episode. Stable over corrections and restarts."},
        "rule": {"enum": kpis},
        "kpi": {"enum": kpis},
        "segment": {"$ref": "#/$defs/segment"},
        "direction": {"enum": ["up", "down"]},
        "state": {"enum": states},
        "fired": {"type": "boolean", "description": "Whether it ever fired; not all that is pending does."},
        "withdrawn": {"type": "boolean", "description": "Corrections undid it."},
        "since": {"$ref": "#/$defs/instant"},
        "resolved": {"anyOf": [{"$ref": "#/$defs/instant"}, {"type": "null"}]},
        "end": {"enum": ends, "description": "How it was resolved; null while it is open, and where it is withdrawn. `rebaselined`: by another baseline, or by other settings."},
        "change_time": {"$ref": "#/$defs/instant"},
        "now": {"type": ["number", "null"]},
        "n": {"$ref": "#/$defs/count"},
        "interval": {"$ref": "#/$defs/interval"},
        "baseline": {"type": ["number", "null"], "description": "What the same days would have had under the baseline."},
        "baseline_n": {"$ref": "#/$defs/count"},
        "baseline_interval": {"$ref": "#/$defs/interval"},
        "baseline_from": {"$ref": "#/$defs/instant"},
        "baseline_to": {"$ref": "#/$defs/instant"},
        "unit": {"anyOf": [{"enum": ["ratio", "days", "count_per_day"]}, {"type": "string", "pattern": "^[A-Z]{3}$"}], "description": "Of amounts the reporting currency."},
        "effect": {"type": "number", "description": "How far it moved, relative to the baseline."},
        "statistic": {"type": "number", "minimum": 0},
        "threshold": {"type": "number", "exclusiveMinimum": 0},
        "e_value": {"type": "number", "minimum": 0},
        "arl0": {"type": "number", "description": "Mean cases (days, for counts) between two false alarms of this stream (ARL0)."},
        "expected_false_alarms_per_month": {"type": "number", "minimum": 0},
        "siblings": {"anyOf": [{"$ref": "#/$defs/siblings"}, {"type": "null"}]},
        "explained": {"type": "array", "items": {"$ref": "#/$defs/explained"}, "description": "Why it moved; by the dimension that says most first."},
        "as_of": {"$ref": "#/$defs/instant"},
        "judged_to": {"anyOf": [{"$ref": "#/$defs/instant"}, {"type": "null"}]},
        "version": {"$ref": "#/$defs/count"}
    });
    let required: Vec<String> =
        properties.as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
    let zone = "Whose days its days are, where that is not the zone of the job.";
    properties["judged_by"] = json!({"type": "string", "pattern": "^[0-9a-f]{16}$", "description": "Hash of the settings of [drift] that it was judged by; absent in what an older build told."});
    let reasons = [Silence::Quiet, Silence::Supply, Silence::Doubt].map(Silence::as_str);
    properties["end_reason"] =
        json!({"enum": reasons, "description": "Where `end` is `no_data`: why there is none."});
    properties["zone"] = json!({"type": "string", "description": zone});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://tidemark.dev/schema/alert.v1.json",
        "title": "Tidemark drift alert",
        "description": "One episode of drift of one KPI in one segment, as it stands. docs/drift.md says what each field means. Fields may be added.",
        "type": "object",
        "required": required,
        "properties": properties,
        "$defs": definitions()
    })
}

fn definitions() -> Value {
    json!({
        "instant": {"type": "string", "format": "date-time", "pattern": "Z$"},
        "count": {"type": "integer", "minimum": 0},
        "interval": {
            "anyOf": [
                {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
                {"type": "null"}
            ],
            "description": "Of 95 %."
        },
        "segment": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Value by dimension; empty for the whole business."},
        "siblings": {
            "type": "object",
            "required": ["streams", "believed"],
            "properties": {"streams": {"type": "integer", "minimum": 2}, "believed": {"type": "boolean"}},
            "additionalProperties": false
        },
        "explained": {
            "type": "object",
            "required": ["by", "change", "mix", "rate", "rate_interval", "simpson", "contributors"],
            "properties": {
                "by": {"type": "string", "description": "The dimension."},
                "change": {"type": "number", "description": "Mix and rate sum to it."},
                "mix": {"type": ["number", "null"], "description": "What other weights of the members did; null of counts."},
                "rate": {"type": ["number", "null"], "description": "What the members' own numbers did; null of counts."},
                "rate_interval": {"$ref": "#/$defs/interval"},
                "simpson": {"type": "boolean", "description": "Every member that moved went against the whole."},
                "contributors": {"type": "array", "maxItems": 3, "items": {"$ref": "#/$defs/contributor"}}
            },
            "additionalProperties": false
        },
        "contributor": {
            "type": "object",
            "required": ["segment", "effect", "mix", "rate", "now", "n", "baseline", "baseline_n"],
            "properties": {
                "segment": {"$ref": "#/$defs/segment"},
                "effect": {"type": "number"},
                "mix": {"type": ["number", "null"]},
                "rate": {"type": ["number", "null"]},
                "now": {"type": ["number", "null"]},
                "n": {"$ref": "#/$defs/count"},
                "baseline": {"type": ["number", "null"]},
                "baseline_n": {"$ref": "#/$defs/count"}
            },
            "additionalProperties": false
        }
    })
}
