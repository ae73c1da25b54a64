//! Forms as they are posted: `name=value&…`, every value a text.

use std::collections::BTreeMap;

/// A form as JSON: of a name that stands twice the last value counts.
pub fn json_of_form(body: &str) -> String {
    let form: BTreeMap<String, String> = pairs(body).collect();
    serde_json::to_string(&form).expect("texts serialize")
}

/// Names and values.
pub fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (plain(name), plain(value)))
}

/// `+` is a space, `%41` an `A`; what is no such code stays as it is.
pub fn plain(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_they_are_written() {
        assert_eq!(json_of_form("a=1%2B1&b=x+y&c=%zz%4&a=2"), r#"{"a":"2","b":"x y","c":"%zz%4"}"#);
        assert_eq!(json_of_form("none"), "{}");
    }
}
