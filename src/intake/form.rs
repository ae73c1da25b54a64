//! Forms as they are posted: `name=value&…`, every value a text.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// How deep names may go: `response[user][traits][plan]`.
const DEPTH: usize = 4;
/// So many names are looked through one by one.
const FEW: usize = 16;

/// A form as JSON. Of a name that stands twice the last value counts; `a[b]=c` is `b` inside `a`.
pub fn json_of_form(body: &str) -> String {
    let mut form = Fields::default();
    for (name, value) in pairs(body) {
        let (path, last) = match name.split_once('[') {
            Some((first, rest)) if !first.is_empty() => {
                let inner = rest.strip_suffix(']').unwrap_or(rest);
                let inner = inner.splitn(DEPTH - 1, "][").map(str::to_owned);
                let mut path: Vec<String> =
                    std::iter::once(first.to_owned()).chain(inner).collect();
                let last = path.pop().unwrap_or_default();
                (path, Cow::Owned(last))
            }
            _ => (Vec::new(), name),
        };
        *form.inside(path).slot(last) = Node::Text(value);
    }
    form.json()
}

/// What a form says under a name.
#[derive(Debug)]
pub(super) enum Node<'a> {
    /// A value.
    Text(Cow<'a, str>),
    /// Values of a name that is a list.
    List(Vec<Cow<'a, str>>),
    /// Names inside it.
    Fields(Fields<'a>),
}

/// Names with what is said under them, in the order of their first mention.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    entries: Vec<(Cow<'a, str>, Node<'a>)>,
    /// Where each stands, once they are more than a few.
    places: BTreeMap<Cow<'a, str>, usize>,
}

impl<'a> Fields<'a> {
    /// What is inside these names. What was a value there is one no more.
    pub fn inside(&mut self, path: Vec<String>) -> &mut Fields<'a> {
        path.into_iter().fold(self, |level, name| {
            let node = level.slot(Cow::Owned(name));
            if !matches!(node, Node::Fields(_)) {
                *node = Node::Fields(Fields::default());
            }
            match node {
                Node::Fields(inner) => inner,
                _ => unreachable!("it was made one"),
            }
        })
    }

    /// What is said under a name: an empty text where nothing was.
    pub fn slot(&mut self, name: Cow<'a, str>) -> &mut Node<'a> {
        let known = match self.places.is_empty() {
            true => self.entries.iter().position(|(own, _)| *own == name),
            false => self.places.get(&name).copied(),
        };
        let at = known.unwrap_or_else(|| {
            let at = self.entries.len();
            if at == FEW {
                let all = self.entries.iter().enumerate();
                self.places = all.map(|(i, (own, _))| (own.clone(), i)).collect();
            }
            if at >= FEW {
                self.places.insert(name.clone(), at);
            }
            self.entries.push((name, Node::Text(Cow::Borrowed(""))));
            at
        });
        &mut self.entries[at].1
    }

    /// As JSON.
    pub fn json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        out.push('{');
        for (i, (name, node)) in self.entries.iter().enumerate() {
            out.push_str(if i > 0 { "," } else { "" });
            quoted(name, out);
            out.push(':');
            match node {
                Node::Text(text) => quoted(text, out),
                Node::Fields(inner) => inner.write(out),
                Node::List(items) => {
                    for (i, item) in items.iter().enumerate() {
                        out.push(if i > 0 { ',' } else { '[' });
                        quoted(item, out);
                    }
                    out.push(']');
                }
            }
        }
        out.push('}');
    }
}

fn quoted(text: &str, out: &mut String) {
    let plain = |b: &u8| *b >= 0x20 && !matches!(b, b'"' | b'\\');
    if text.as_bytes().iter().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// Names and values.
pub fn pairs(text: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (plain(name), plain(value)))
}

/// `+` is a space, `%41` an `A`; what is no such code stays as it is.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.as_bytes().iter().any(|b| matches!(b, b'%' | b'+')) {
        return Cow::Borrowed(text);
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
    let lossy = |e: std::string::FromUtf8Error| String::from_utf8_lossy(e.as_bytes()).into_owned();
    Cow::Owned(String::from_utf8(out).unwrap_or_else(lossy))
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
        let many: Vec<String> = (0..40).chain([3]).map(|i| format!("n{i}={i}")).collect();
        let json: serde_json::Value = serde_json::from_str(&json_of_form(&many.join("&"))).unwrap();
        assert_eq!((json["n3"].as_str(), json.as_object().unwrap().len()), (Some("3"), 40));
        let deep = format!("a{}=1", "[b]".repeat(10_000));
        assert!(json_of_form(&deep).starts_with(r#"{"a":{"b":{"b":{"b][b]"#), "bounded");
    }
}
