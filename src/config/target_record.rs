//! A target as a record of the targets topic: the keys of a row of a file, as one JSON object.
//! Checked as a row is; what is wrong becomes the reason of a dead letter.

use config::{Map, Value, ValueKind};
use serde_json::Value as Json;

use super::Config;
use super::leaf::{Problem, Raw, clip};
use super::near::did_you_mean;
use super::shape::{Shape, Shaped};
use super::targets::{Check, TargetRow};
use crate::model::deadletter::{Code, Reason};
use crate::model::target::{Goal, Scope};

/// Longest key and value of a record, bytes: a target is a line.
const LONGEST_KEY: usize = 1 << 10;
const LONGEST: usize = 4 << 10;

impl Config {
    /// Whether targets come from the topic too.
    pub fn follows_targets(&self) -> bool {
        self.followed.is_some()
    }

    /// Fingerprint of what decides whether a record is a target.
    pub fn target_rules(&self) -> u64 {
        let of = &self.definition;
        let kpis: Vec<_> = of.kpis.kpis().map(|kpi| (&kpi.name, kpi.accrues())).collect();
        let text = format!(
            "v1 {kpis:?} {:?} {:?} {:?} {}",
            of.segments, of.windows, self.followed, of.targets.steps
        );
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }

    /// What a record of the targets topic states.
    pub fn target_of(&self, key: &[u8], value: &[u8]) -> Result<(Scope, Goal), Reason> {
        let bad = |message: String| Reason::new(Code::BadTarget, message);
        if key.len() > LONGEST_KEY {
            let length = key.len();
            return Err(bad(format!(
                "a key of {length} bytes: it has at most {LONGEST_KEY}; write a shorter one"
            )));
        }
        if value.len() > LONGEST {
            return Err(bad(format!(
                "a value of {} bytes: a target has at most {LONGEST}",
                value.len()
            )));
        }
        let json = serde_json::from_slice::<Json>(value)
            .map_err(|e| Reason::new(Code::DecodeJson, format!("not JSON: {e}")))?;
        let Json::Object(object) = json else {
            return Err(bad("not an object; write {\"kpi\": …, \"value\": …}".to_owned()));
        };
        let steps = self.definition.targets.steps;
        let fiscal = self.followed.unwrap_or_default();
        let check = Check { definition: &self.definition, fiscal, steps };
        let said =
            |key: &str, problem: Problem| bad(format!("{key}: {}; {}", problem.what, problem.mend));
        let row = row(&object).map_err(|(key, problem)| said(&key, problem))?;
        check.row(row).map_err(|(key, problem)| said(key, problem))
    }
}

/// The object as a row; or what is wrong, and with which key.
fn row(object: &serde_json::Map<String, Json>) -> Result<TargetRow, (String, Problem)> {
    let Shape::Table(shape) = TargetRow::SHAPE else {
        unreachable!("a row is declared as a table");
    };
    let names: Vec<&str> = shape.keys.iter().map(|key| key.name).collect();
    let mut out = Map::new();
    // A null states nothing, as an empty cell of a file.
    for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        let Some(key) = shape.keys.iter().find(|key| key.name == name) else {
            let mend = did_you_mean(name, &names);
            return Err((clip(name), Problem::new("no key of a target", mend)));
        };
        let Shape::Leaf(check) = key.shape else { continue };
        let (raw, plain) = leaf(value);
        check(raw).map_err(|problem| (name.clone(), problem))?;
        out.insert(name.clone(), Value::new(None, plain));
    }
    if let Some(key) = shape.keys.iter().find(|k| k.required && !out.contains_key(k.name)) {
        let mend = format!("write \"{}\": …", key.name);
        return Err((key.name.to_owned(), Problem::new("is missing", mend)));
    }
    // Each key was checked: this finds nothing more.
    let read = Value::new(None, ValueKind::Table(out)).try_deserialize();
    read.map_err(|e| ("record".to_owned(), Problem::new(e.to_string(), "mend the record")))
}

fn leaf(value: &Json) -> (Raw<'_>, ValueKind) {
    match value {
        Json::String(text) => (Raw::Text(text), ValueKind::String(text.clone())),
        Json::Bool(b) => (Raw::Bool(*b), ValueKind::Boolean(*b)),
        Json::Number(n) => match n.as_i64() {
            Some(n) => (Raw::Whole(n), ValueKind::I64(n)),
            None if n.is_u64() => (Raw::Other("a number that is too large"), ValueKind::Nil),
            None => (Raw::Other("a number with a fraction"), ValueKind::Nil),
        },
        Json::Array(_) => (Raw::Other("an array"), ValueKind::Nil),
        Json::Object(_) => (Raw::Other("an object"), ValueKind::Nil),
        Json::Null => (Raw::Other("null"), ValueKind::Nil),
    }
}
