//! Schemas of Avro (<https://avro.apache.org/docs/1.12.0/specification/>), flat: a list of types that
//! name each other by place, so that a type may hold itself.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::intake::plain::{Logical, Time};

/// Most types of one schema.
const TYPES: usize = 50_000;

/// A type of Avro, with what its logical type makes of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    Null,
    Boolean,
    /// `int` and `long`, which are written the same.
    Whole,
    /// The same, and a time.
    Time(Time),
    Float,
    Double,
    Bytes,
    String,
    /// Bytes, or fixed of this size, that are the unscaled number of a decimal.
    Decimal(i64, Option<usize>),
    /// Debezium's record of scale and unscaled number.
    VariableDecimal,
    Fixed(usize),
    /// Fixed of 16 bytes.
    Uuid,
    /// Symbols as JSON strings.
    Enum(Vec<String>),
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    /// Names as JSON strings with a colon behind, and the types of the fields.
    Record(Vec<(String, usize)>),
    /// A name that was met before its type.
    Unknown,
}

/// A schema that a value was written with.
#[derive(Clone, Debug)]
pub struct Schema {
    pub(super) types: Vec<Type>,
    pub(super) root: usize,
}

impl Schema {
    /// Reads a schema, and those that it refers to, each before the ones that refer to it.
    pub fn parse(text: &str, references: &[String]) -> Result<Schema, String> {
        let mut build = Build::default();
        let mut root = 0;
        for text in references.iter().map(String::as_str).chain([text]) {
            // Nested no deeper than the parser allows, which is 128 levels.
            let json: Value =
                serde_json::from_str(text).map_err(|e| format!("it is not JSON: {e}"))?;
            root = build.read(&json, "")?;
        }
        let unknown = build.names.iter().find(|(_, at)| build.types[**at] == Type::Unknown);
        if let Some((name, _)) = unknown {
            return Err(format!("it names {:?}, which it does not define", clip(name)));
        }
        Ok(Schema { types: build.types, root })
    }
}

fn clip(text: &str) -> String {
    text.chars().take(100).collect()
}

#[derive(Default)]
struct Build {
    types: Vec<Type>,
    names: BTreeMap<String, usize>,
}

impl Build {
    fn put(&mut self, of: Type) -> Result<usize, String> {
        if self.types.len() >= TYPES {
            return Err(format!("it has more than {TYPES} types"));
        }
        self.types.push(of);
        Ok(self.types.len() - 1)
    }

    /// The place of a named type; kept for it where it was not met yet.
    fn named(&mut self, full: String) -> Result<usize, String> {
        if let Some(at) = self.names.get(&full) {
            return Ok(*at);
        }
        let at = self.put(Type::Unknown)?;
        self.names.insert(full, at);
        Ok(at)
    }

    fn read(&mut self, json: &Value, space: &str) -> Result<usize, String> {
        match json {
            Value::String(name) => self.by_name(name, space),
            Value::Array(branches) => {
                let read = branches.iter().map(|b| match b {
                    Value::Array(_) => Err("a union stands in a union".to_owned()),
                    b => self.read(b, space),
                });
                let read: Vec<usize> = read.collect::<Result<_, _>>()?;
                self.put(Type::Union(read))
            }
            Value::Object(object) => match object.get("type") {
                // `{"type": {"type": …}}` is the inner one.
                Some(inner @ (Value::Object(_) | Value::Array(_))) => self.read(inner, space),
                Some(Value::String(of)) => self.typed(of, json, space),
                _ => Err("a type has no \"type\"".to_owned()),
            },
            _ => Err("a type is neither a name, an object nor an array".to_owned()),
        }
    }

    fn by_name(&mut self, name: &str, space: &str) -> Result<usize, String> {
        if let Some(primitive) = primitive(name) {
            return self.put(primitive);
        }
        let inside = full_name(name, space);
        match self.names.get(&inside).or_else(|| self.names.get(name)) {
            Some(at) => Ok(*at),
            None => self.named(inside),
        }
    }

    fn typed(&mut self, of: &str, json: &Value, space: &str) -> Result<usize, String> {
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let logical = text("logicalType").and_then(Logical::of_avro);
        let logical = logical.or_else(|| text("connect.name").and_then(Logical::of_connect));
        let inner = |name: &str| json.get(name).ok_or(format!("{of} has no \"{name}\""));
        match of {
            "array" => {
                let items = self.read(inner("items")?, space)?;
                self.put(Type::Array(items))
            }
            "map" => {
                let values = self.read(inner("values")?, space)?;
                self.put(Type::Map(values))
            }
            "record" | "error" | "enum" | "fixed" => self.define(of, json, space, logical),
            _ => match (primitive(of), logical) {
                (Some(Type::Whole), Some(Logical::Time(time))) => self.put(Type::Time(time)),
                (Some(Type::Bytes), Some(Logical::Decimal)) => {
                    self.put(Type::Decimal(scale(json), None))
                }
                (Some(primitive), _) => self.put(primitive),
                (None, _) => self.by_name(of, space),
            },
        }
    }

    /// A type with a name of its own.
    fn define(
        &mut self,
        of: &str,
        json: &Value,
        space: &str,
        logical: Option<Logical>,
    ) -> Result<usize, String> {
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let name = text("name").ok_or(format!("{of} has no \"name\""))?;
        let space = text("namespace").unwrap_or(space);
        let full = full_name(name, space);
        let space = full.rsplit_once('.').map_or("", |(space, _)| space).to_owned();
        let at = self.named(full.clone())?;
        let defined = match of {
            "enum" => {
                let symbols = json.get("symbols").and_then(Value::as_array);
                let symbols = symbols.ok_or("enum has no \"symbols\"")?;
                Type::Enum(symbols.iter().map(Value::to_string).collect())
            }
            "fixed" => {
                let size = json.get("size").and_then(Value::as_u64);
                let size = size.and_then(|n| usize::try_from(n).ok());
                let size = size.ok_or("fixed has no \"size\"")?;
                match (logical, text("logicalType")) {
                    (Some(Logical::Decimal), _) => Type::Decimal(scale(json), Some(size)),
                    (_, Some("uuid")) if size == 16 => Type::Uuid,
                    _ => Type::Fixed(size),
                }
            }
            _ => {
                let fields = json.get("fields").and_then(Value::as_array);
                let mut read = Vec::new();
                for field in fields.ok_or("record has no \"fields\"")? {
                    let name = field.get("name").and_then(Value::as_str);
                    let name = name.ok_or("a field has no \"name\"")?;
                    let of = field.get("type").ok_or("a field has no \"type\"")?;
                    read.push((format!("{}:", Value::from(name)), self.read(of, &space)?));
                }
                match &read[..] {
                    [(a, _), (b, _)]
                        if full == "io.debezium.data.VariableScaleDecimal"
                            && (a.as_str(), b.as_str()) == ("\"scale\":", "\"value\":") =>
                    {
                        Type::VariableDecimal
                    }
                    _ => Type::Record(read),
                }
            }
        };
        self.types[at] = defined;
        Ok(at)
    }
}

fn full_name(name: &str, space: &str) -> String {
    if name.contains('.') || space.is_empty() { name.to_owned() } else { format!("{space}.{name}") }
}

fn scale(json: &Value) -> i64 {
    json.get("scale").and_then(Value::as_i64).unwrap_or(0)
}

fn primitive(name: &str) -> Option<Type> {
    Some(match name {
        "null" => Type::Null,
        "boolean" => Type::Boolean,
        "int" | "long" => Type::Whole,
        "float" => Type::Float,
        "double" => Type::Double,
        "bytes" => Type::Bytes,
        "string" => Type::String,
        _ => return None,
    })
}
