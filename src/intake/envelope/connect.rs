//! Kafka Connect's JSON with schema: exactly `schema` and `payload`. Where the schema says that a
//! value stands for something else, it becomes what a person would write: a decimal its digits, a
//! day its date, an instant RFC 3339.

use std::borrow::Cow;

use super::{Layer, Of, quoted, unquoted};
use crate::intake::json::{Json, Object};
use crate::intake::plain::{Logical, Plain};
use crate::model::deadletter::{Code, Reason};

/// Deepest level of a payload whose values are converted. Each level is read as often as it is deep.
const DEPTH: usize = 32;
/// Most bytes of schema that are read for one payload. A thousand rows of 100 KiB of schema fit.
const WORK: usize = 128 << 20;

/// Whether an object is such an envelope.
pub fn is_it(object: &Object<'_>) -> bool {
    let schema =
        object.find("schema").is_some_and(|s| s.raw() == "null" || s.raw().starts_with('{'));
    schema && object.has("payload") && object.iter().count() == 2
}

/// Takes it off.
pub fn peel<'t>(object: &Object<'t>) -> Result<Layer<'t>, Reason> {
    let (schema, payload) = (object.get("schema"), object.get("payload"));
    let text = match schema.object().filter(|_| says_more(schema.raw())) {
        Some(schema) => Cow::Owned(converted(payload, schema)?),
        None => unquoted("payload", payload)?,
    };
    Ok(Layer { text, of: Of::Connect })
}

/// Whether a schema names anything but what its JSON shows.
fn says_more(schema: &str) -> bool {
    Logical::PREFIXES.iter().any(|prefix| schema.contains(prefix))
}

/// What is still to be written.
enum Left<'t> {
    Text(Cow<'static, str>),
    Value(Json<'t>, Option<Object<'t>>, usize),
}

/// The payload with its values converted. Works on a list of what is left, not by calling itself.
fn converted<'t>(payload: Json<'t>, schema: Object<'t>) -> Result<String, Reason> {
    let mut out = String::with_capacity(payload.raw().len());
    let mut left = vec![Left::Value(payload, Some(schema), 0)];
    let mut work = 0;
    while let Some(next) = left.pop() {
        let (json, schema, depth) = match next {
            Left::Text(text) => {
                out.push_str(&text);
                continue;
            }
            Left::Value(json, schema, depth) => (json, schema, depth),
        };
        let Some(schema) = schema.filter(|_| depth < DEPTH && json.raw() != "null") else {
            out.push_str(json.raw());
            continue;
        };
        if let Some(plain) = value(json, &schema)? {
            out.push_str(&plain);
        } else if let Some(object) = json.object() {
            spend(&mut work, &schema, object.iter().count(), "values")?;
            members(&object, &schema, depth, &mut left);
        } else if json.raw().starts_with('[') {
            let elements = json.elements();
            spend(&mut work, &schema, elements.len(), "items")?;
            let items = of_items(&schema, "items");
            left.push(Left::Text(Cow::Borrowed("]")));
            for (i, element) in elements.into_iter().enumerate().rev() {
                left.push(Left::Value(element, items.clone(), depth + 1));
                left.push(Left::Text(Cow::Borrowed(if i == 0 { "[" } else { "," })));
            }
            if json.raw().trim_start_matches('[').trim_start().starts_with(']') {
                left.push(Left::Text(Cow::Borrowed("[")));
            }
        } else {
            out.push_str(json.raw());
        }
    }
    Ok(out)
}

/// Counts what a value costs: its schema is read again for each value that it describes, so a few
/// bytes of payload could ask for a large schema any number of times.
fn spend(
    work: &mut usize,
    schema: &Object<'_>,
    elements: usize,
    inner: &str,
) -> Result<(), Reason> {
    let read: usize = schema.iter().map(|(name, json)| name.len() + json.raw().len()).sum();
    let copied = elements.saturating_mul(schema.get(inner).raw().len());
    *work = work.saturating_add(read).saturating_add(copied);
    if *work > WORK {
        let why = "its schema describes too much too often: state less of it in one record";
        return Err(Reason::new(Code::TooMany, why));
    }
    Ok(())
}

/// The schema of what is inside, where it says anything.
fn of_items<'t>(schema: &Object<'t>, name: &str) -> Option<Object<'t>> {
    let inner = schema.get(name);
    inner.object().filter(|_| says_more(inner.raw()))
}

/// Puts the members of a struct, or of a map, on the list, the first one on top.
fn members<'t>(object: &Object<'t>, schema: &Object<'t>, depth: usize, left: &mut Vec<Left<'t>>) {
    let fields = schema.get("fields").elements();
    let mut known: Vec<(Cow<'t, str>, Object<'t>)> = Vec::new();
    for field in fields.into_iter().filter(|field| says_more(field.raw())) {
        if let Some(field) = field.object()
            && let Some(name) = field.text("field")
        {
            known.push((name, field));
        }
    }
    known.sort_by(|(a, _), (b, _)| a.cmp(b));
    let of_values = of_items(schema, "values");
    let all: Vec<_> = object.iter().collect();
    left.push(Left::Text(Cow::Borrowed("}")));
    for (i, (name, json)) in all.iter().enumerate().rev() {
        let at = known.binary_search_by(|(known, _)| known.as_ref().cmp(name));
        let schema = at.ok().map(|at| known[at].1.clone()).or_else(|| of_values.clone());
        left.push(Left::Value(*json, schema, depth + 1));
        let open = if i == 0 { '{' } else { ',' };
        left.push(Left::Text(Cow::Owned(format!("{open}{}:", quoted(name)))));
    }
    if all.is_empty() {
        left.push(Left::Text(Cow::Borrowed("{")));
    }
}

/// A value that stands for something else; `None` where it is what it shows.
fn value(json: Json<'_>, schema: &Object<'_>) -> Result<Option<String>, Reason> {
    let Some(logical) = schema.text("name").and_then(|name| Logical::of_connect(&name)) else {
        return Ok(None);
    };
    let bad = |why: &str| {
        let field = schema.text("field").unwrap_or(Cow::Borrowed("payload"));
        let field: String = field.chars().take(80).collect();
        Reason::new(Code::BadEnvelope, format!("{field}: {why}"))
    };
    let decimal = |text: &str, scale: i64| -> Result<Option<String>, Reason> {
        let bytes = super::cloud::base64(text)
            .ok_or_else(|| bad("the unscaled number of a decimal is not base64"))?;
        let plain =
            Plain::decimal(&bytes, scale).ok_or_else(|| bad("a decimal of too many digits"))?;
        Ok(Some(plain.json()))
    };
    match logical {
        Logical::Decimal if json.raw().starts_with('"') => {
            let parameters = schema.object("parameters").unwrap_or_default();
            let scale =
                parameters.get("scale").whole().ok_or_else(|| bad("a decimal without scale"))?;
            // `decimal.format = NUMERIC` writes a number, which is what it shows.
            decimal(&json.text().unwrap_or_default(), scale)
        }
        Logical::VariableDecimal => match json.object() {
            Some(parts) => {
                let scale =
                    parts.get("scale").whole().ok_or_else(|| bad("a decimal without scale"))?;
                decimal(&parts.text("value").unwrap_or_default(), scale)
            }
            None => Ok(None),
        },
        Logical::Decimal => Ok(None),
        Logical::Time(of) => {
            Ok(json.whole().and_then(|n| of.plain(n)).map(|plain: Plain| plain.json()))
        }
    }
}
