//! What a web form posts, as JSON: the names `data[merges][FNAME]` are objects inside objects.

use serde_json::{Map, Value};

use crate::intake::form::plain;

/// Names inside a name; what is deeper is one name.
const DEPTH: usize = 6;

/// A form as JSON. Of a name that stands twice the last value counts; `a[]` is an array.
pub fn json_of_form(body: &str) -> String {
    let mut form = Map::new();
    for (name, value) in body.split('&').filter_map(|pair| pair.split_once('=')) {
        put(&mut form, &plain(name), plain(value));
    }
    Value::Object(form).to_string()
}

fn put(form: &mut Map<String, Value>, name: &str, value: String) {
    let mut path = split(name);
    let last = path.pop().unwrap_or_default();
    // `a[]`: the elements of an array.
    let list = last.is_empty() && !path.is_empty();
    let last = if list { path.pop().unwrap_or_default() } else { last };
    let mut level = form;
    for name in path {
        let inner = level.entry(name).or_insert_with(|| Value::Object(Map::new()));
        if !inner.is_object() {
            *inner = Value::Object(Map::new());
        }
        let Value::Object(inner) = inner else { return };
        level = inner;
    }
    match level.get_mut(&last) {
        Some(Value::Array(items)) if list => items.push(Value::String(value)),
        _ if list => {
            level.insert(last, Value::Array(vec![Value::String(value)]));
        }
        _ => {
            level.insert(last, Value::String(value));
        }
    }
}

/// `a[b][c]` as a, b, c; what is not of this form is one name.
fn split(name: &str) -> Vec<String> {
    let whole = || vec![name.to_owned()];
    let Some((head, rest)) = name.split_once('[') else { return whole() };
    let Some(inside) = rest.strip_suffix(']') else { return whole() };
    let mut path = vec![head.to_owned()];
    path.extend(inside.splitn(DEPTH, "][").map(str::to_owned));
    if head.is_empty() { whole() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_brackets_are_objects() {
        for (form, json) in [
            (
                "type=subscribe&data%5Bmerges%5D%5BFNAME%5D=Ana+B&data[id]=7",
                r#"{"type":"subscribe","data":{"merges":{"FNAME":"Ana B"},"id":"7"}}"#,
            ),
            ("a[]=1&a[]=2", r#"{"a":["1","2"]}"#),
            ("a=1&a[b]=2", r#"{"a":{"b":"2"}}"#),
            ("a[b]=2&a=1", r#"{"a":"1"}"#),
            ("[a]=1&b]=2&c[d=3", r#"{"[a]":"1","b]":"2","c[d":"3"}"#),
            ("none", "{}"),
        ] {
            assert_eq!(json_of_form(form), json, "{form}");
        }
        let deep = format!("a{}=1", "[b]".repeat(10_000));
        assert!(json_of_form(&deep).len() < 40_000);
    }
}
