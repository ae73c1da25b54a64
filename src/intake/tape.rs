//! A JSON text read once, from end to end: where each value in it begins and ends, so that no level
//! of an object need be looked for again inside the one around it.
//!
//! It takes exactly what `serde_json` takes, to which laws below hold it. It keeps places, not values: numbers stay text. Nothing here calls itself.

use super::json::Json;

/// A value, or the name of one: from where to where, and how many nodes it is with all inside it.
/// The members of an object are a name and a value each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// First byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
    /// Nodes, this one and those inside it, which follow it.
    pub size: u32,
    /// A string with an escape in it, or an object with one in a name of its members.
    pub escaped: bool,
}

/// What was read of a text.
#[derive(Debug)]
pub struct Tape(Vec<Node>);

impl Tape {
    /// Reads a text without space around it; `None` where it is no JSON, or has more than 4 GiB.
    pub fn of(text: &str) -> Option<Tape> {
        u32::try_from(text.len()).ok()?;
        Reader { bytes: text.as_bytes(), at: 0, nodes: Vec::new(), open: Vec::new() }.read()
    }

    /// The text that it was read of.
    pub fn json<'t>(&'t self, text: &'t str) -> Json<'t> {
        Json::on(text, &self.0)
    }
}

/// The nodes of the values in an object or array, and in an object of their names, by turns.
pub fn inside(nodes: &[Node]) -> impl Iterator<Item = &[Node]> {
    let mut rest = nodes.get(1..).unwrap_or_default();
    std::iter::from_fn(move || {
        let size = rest.first()?.size as usize;
        let (one, behind) = rest.split_at_checked(size)?;
        rest = behind;
        Some(one)
    })
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    nodes: Vec<Node>,
    /// Objects and arrays around here.
    open: Vec<usize>,
}

impl Reader<'_> {
    fn read(mut self) -> Option<Tape> {
        // Of what systems send, a value or a name takes ten bytes and more.
        self.nodes.reserve(self.bytes.len() / 10 + 8);
        loop {
            self.value()?;
            // What ended may end what is around it.
            loop {
                let Some(around) = self.open.last().copied() else {
                    return (self.at == self.bytes.len()).then_some(Tape(self.nodes));
                };
                self.space();
                let is_object = self.bytes[self.nodes[around].start as usize] == b'{';
                match (self.next()?, is_object) {
                    (b',', true) => {
                        self.space();
                        self.name()?;
                        break;
                    }
                    (b',', false) => {
                        self.space();
                        break;
                    }
                    (b'}', true) | (b']', false) => self.close(around),
                    _ => return None,
                }
            }
        }
    }

    /// A value that ends here, or opens: then the first value inside it.
    fn value(&mut self) -> Option<()> {
        loop {
            let start = self.at;
            let first = self.next()?;
            match first {
                b'"' => {
                    let escaped = self.string()?;
                    self.leaf(start, escaped);
                    return Some(());
                }
                b'{' | b'[' => {
                    self.open.push(self.nodes.len());
                    self.leaf(start, false);
                    self.space();
                    let end = if first == b'{' { b'}' } else { b']' };
                    if self.bytes.get(self.at) == Some(&end) {
                        self.at += 1;
                        let around = *self.open.last()?;
                        self.close(around);
                        return Some(());
                    }
                    if first == b'{' {
                        self.name()?;
                    }
                }
                _ => {
                    match first {
                        b't' => self.word(b"rue")?,
                        b'f' => self.word(b"alse")?,
                        b'n' => self.word(b"ull")?,
                        b'-' | b'0'..=b'9' => self.number(first)?,
                        _ => return None,
                    }
                    self.leaf(start, false);
                    return Some(());
                }
            }
        }
    }

    fn leaf(&mut self, start: usize, escaped: bool) {
        let node = Node { start: start as u32, end: self.at as u32, size: 1, escaped };
        self.nodes.push(node);
    }

    fn close(&mut self, around: usize) {
        self.open.pop();
        let size = (self.nodes.len() - around) as u32;
        let node = &mut self.nodes[around];
        (node.end, node.size) = (self.at as u32, size);
    }

    /// The name of a member, up to its value.
    fn name(&mut self) -> Option<()> {
        let start = self.at;
        if self.next()? != b'"' {
            return None;
        }
        let escaped = self.string()?;
        self.leaf(start, escaped);
        if escaped {
            let around = *self.open.last()?;
            self.nodes[around].escaped = true;
        }
        self.space();
        if self.next()? != b':' {
            return None;
        }
        self.space();
        Some(())
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        let is_it = self.bytes[self.at..].starts_with(rest);
        self.at += rest.len();
        is_it.then_some(())
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.at - from
    }

    fn number(&mut self, first: u8) -> Option<()> {
        let first = if first == b'-' { self.next()? } else { first };
        match first {
            b'0' => {}
            b'1'..=b'9' => {
                self.digits();
            }
            _ => return None,
        }
        // A digit behind a leading zero is refused by what must follow a value.
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            (self.digits() > 0).then_some(())?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            (self.digits() > 0).then_some(())?;
        }
        Some(())
    }

    /// The rest of a string behind its quote; whether it has an escape.
    fn string(&mut self) -> Option<bool> {
        let mut escaped = false;
        loop {
            self.at += plain(&self.bytes[self.at..]);
            match self.next()? {
                b'"' => return Some(escaped),
                b'\\' => {
                    escaped = true;
                    match self.next()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                        b'u' => {
                            let four = self.bytes.get(self.at..self.at + 4)?;
                            four.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                            self.at += 4;
                        }
                        _ => return None,
                    }
                }
                _ => return None,
            }
        }
    }
}

const ONES: u64 = u64::MAX / 255;

/// How many bytes at the beginning are neither a quote, a backslash nor a control character: eight
/// at a time. The lowest bit that is found is exact; those above it may be an effect of the borrow.
fn plain(bytes: &[u8]) -> usize {
    let (eights, rest) = bytes.as_chunks::<8>();
    for (i, eight) in eights.iter().enumerate() {
        let word = u64::from_le_bytes(*eight);
        let none = |byte: u8| {
            let same = word ^ (ONES * u64::from(byte));
            same.wrapping_sub(ONES) & !same
        };
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (none(b'"') | none(b'\\') | control) & (ONES * 0x80);
        if found != 0 {
            return i * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    let is_plain = |byte: &&u8| !matches!(**byte, b'"' | b'\\' | 0..0x20);
    eights.len() * 8 + rest.iter().take_while(is_plain).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    /// Walks all that a text is, once by the tape and once by the other reader, level by level.
    fn same(text: &str) {
        let other = serde_json::from_str::<&RawValue>(text);
        let tape = Tape::of(text);
        assert_eq!(tape.is_some(), other.is_ok() && text.trim() == text, "{text}");
        let Some(tape) = tape else { return };
        let mut left = vec![(tape.json(text), Json::checked(text))];
        while let Some((one, two)) = left.pop() {
            let json = one;
            assert_eq!(one.raw(), two.raw(), "{text}");
            assert_eq!(one.text(), two.text(), "{text}");
            assert_eq!(one.object().is_some(), two.object().is_some(), "{text}");
            let (ones, twos) = (one.elements(), two.elements());
            assert_eq!(ones.len(), twos.len(), "{text}");
            left.extend(ones.into_iter().zip(twos));
            if let (Some(one), Some(two)) = (one.object(), two.object()) {
                let names = |object: &crate::intake::json::Object<'_>| {
                    object.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
                };
                assert_eq!(names(&one), names(&two), "{text}");
                for name in names(&one) {
                    assert_eq!(json.member(&name).map(Json::raw), one.find(&name).map(Json::raw));
                    left.push((one.get(&name), two.get(&name)));
                }
            }
        }
    }

    #[test]
    fn what_is_json_is_what_the_other_reader_takes() {
        for text in [
            "",
            " ",
            "1",
            "-",
            "-0",
            "01",
            "1.",
            ".5",
            "1.5e",
            "1e+9",
            "-1.25E-3",
            "1x",
            "1 1",
            "tru",
            "true",
            "truex",
            "null",
            "nul",
            "\"",
            "\"a",
            "\"a\"",
            "\"\\",
            "\"\\\"",
            "\"\\u12\"",
            "\"\\u12aG\"",
            "\"\\ud800\"",
            "\"\\x\"",
            "\"a\u{1}\"",
            "\"\u{7f}é\u{2028}\"",
            "{",
            "{}",
            "{ }",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":1 , \"b\" : [ ] }",
            "{\"a\":1]",
            "[",
            "[]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[[],{}]",
            "[1}",
            "]",
            "{\"a\":1}}",
            "{1:2}",
            "{\"a\":1 \"b\":2}",
            "{\"\\u0061\":1,\"a\":2}",
            "\u{feff}{}",
            "[\"1234567\\n\"]",
            "[\"12345678\"]",
            "[\"1234567\",\"123456789\"]",
            "nan",
            "[-]",
            "[1e5,2E-0]",
        ] {
            same(text);
        }
        same(&format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000)));
        assert!(Tape::of(&"[".repeat(50_000)).is_none());
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
            "\"([a-z \u{e9}]|\\\\[nt\"/]|\\\\u00[0-9a-f]{2}){0,20}\"",
            "true|false|null|\"\"",
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let name = "\"([a-c]|\\\\u0061){0,3}\"";
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5)
                    .prop_map(|all| format!("[{}]", all.join(" ,"))),
                prop::collection::vec((name, "[ \n]?", inner), 0..5).prop_map(|all| {
                    let all: Vec<String> =
                        all.into_iter().map(|(n, s, v)| format!("{n}{s}:{s}{v}")).collect();
                    format!("{{{}}}", all.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_read_as_the_other_reader_reads_it(text in json()) {
            prop_assert!(Tape::of(&text).is_some(), "{}", text);
            same(&text);
        }

        #[test]
        fn broken_json_is_refused_as_the_other_reader_refuses_it(
            text in json(),
            at in any::<prop::sample::Index>(),
            with in prop::sample::select(&[b'"', b'\\', b'{', b']', b',', b':', b'0', b'e', b' ', 7][..]),
        ) {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = with;
            if let Ok(text) = String::from_utf8(bytes) {
                same(text.trim());
            }
        }
    }
}
