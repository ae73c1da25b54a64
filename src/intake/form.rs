//! Forms as they are posted: `name=value&…`, every value a text.

use serde_json::{Map, Value};

/// How deep names may go: `response[user][traits][plan]`.
const DEPTH: usize = 4;

/// A form as JSON. Of a name that stands twice the last value counts; `a[b]=c` is `b` inside `a`.
pub fn json_of_form(body: &str) -> String {
    let mut form = Map::new();
    for (name, value) in pairs(body) {
        let mut path: Vec<&str> = match name.split_once('[') {
            Some((first, rest)) if !first.is_empty() => {
                let inner = rest.strip_suffix(']').unwrap_or(rest);
                std::iter::once(first).chain(inner.splitn(DEPTH - 1, "][")).collect()
            }
            _ => vec![name.as_str()],
        };
        let last = path.pop().unwrap_or_default().to_owned();
        let mut at = &mut form;
        for part in path {
            let inner = at.entry(part).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            at = inner.as_object_mut().expect("it was made one");
        }
        at.insert(last, Value::String(value));
    }
    Value::Object(form).to_string()
}

/// Names and values.
pub fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (plain(name), plain(value)))
}

/// `+` is a space, `%41` an `A`; what is no such code stays as it is.
pub fn plain(text: &str) -> String {
    if !text.contains(['%', '+']) {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        match (first, behind) {
            (b'%', [high, low, behind @ ..]) => match byte_of(*high, *low) {
                Some(byte) => {
                    out.push(byte);
                    rest = behind;
                }
                None => out.push(b'%'),
            },
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(*byte),
        }
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// The byte of two hexadecimal digits.
fn byte_of(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_they_are_written() {
        assert_eq!(json_of_form("a=1%2B1&b=x+y&c=%zz%4&a=2"), r#"{"a":"2","b":"x y","c":"%zz%4"}"#);
        assert_eq!(json_of_form("a=%+1%C3%A9&b=%ff"), "{\"a\":\"% 1é\",\"b\":\"\u{fffd}\"}");
        assert_eq!(json_of_form("none"), "{}");
        assert_eq!(
            json_of_form("a[b]=1&a[c][d]=2&a%5Be%5D=3"),
            r#"{"a":{"b":"1","c":{"d":"2"},"e":"3"}}"#
        );
        assert_eq!(
            json_of_form("a=1&a[b]=2&[x]=3&c[=4"),
            r#"{"a":{"b":"2"},"[x]":"3","c":{"":"4"}}"#
        );
        let deep = format!("a{}=1", "[b]".repeat(10_000));
        assert!(json_of_form(&deep).starts_with(r#"{"a":{"b":{"b":{"b][b]"#), "bounded");
    }
}
