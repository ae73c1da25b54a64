//! A JSON value as the text that it is, read a level at a time. Numbers stay text, so no amount
//! and no id of 64 bits ever goes through a float; nothing here calls itself, so no nesting is too
//! deep.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::draft::{Text, kind_of, text_of};
use super::tape::{self, Node};

/// A value, as its text. The text was checked when the whole was parsed.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a> {
    text: &'a str,
    /// Where what is inside begins and ends; nothing where only the text is known.
    nodes: &'a [Node],
}

impl PartialEq for Json<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Json<'_> {}

impl<'a> Json<'a> {
    /// What stands for a value that is absent.
    pub const NULL: Json<'static> = Json { text: "null", nodes: &[] };

    /// Checks a text. The error says where it is broken.
    pub fn parse(text: &'a str) -> serde_json::Result<Json<'a>> {
        serde_json::from_str::<&RawValue>(text).map(Json::of)
    }

    /// A value that was checked already.
    pub fn of(raw: &'a RawValue) -> Json<'a> {
        Json::checked(raw.get())
    }

    /// A text that was checked already, without space around it.
    pub fn checked(text: &'a str) -> Json<'a> {
        Json { text, nodes: &[] }
    }

    /// A text that was read, and what is where in it.
    pub fn on(text: &'a str, nodes: &'a [Node]) -> Json<'a> {
        Json { text, nodes }
    }

    /// The text.
    pub fn raw(self) -> &'a str {
        self.text
    }

    /// What kind of value it is, for messages.
    pub fn kind(self) -> &'static str {
        kind_of(self.text)
    }

    /// Whether it is `null`, or an empty string: many sources clear a field so.
    pub fn is_empty(self) -> bool {
        matches!(self.text, "null" | "\"\"")
    }

    /// A string, or the digits of a number.
    pub fn text(self) -> Option<Cow<'a, str>> {
        match self.nodes {
            [node, ..] if !node.escaped && self.text.starts_with('"') => {
                Some(Cow::Borrowed(&self.text[1..self.text.len() - 1]))
            }
            _ => text_of(self.text),
        }
    }

    /// A boolean; its name as a string is taken too.
    pub fn boolean(self) -> Option<bool> {
        match self.text {
            "true" | "\"true\"" => Some(true),
            "false" | "\"false\"" => Some(false),
            _ => None,
        }
    }

    /// A whole number of 64 bits; its digits as a string are taken too.
    pub fn whole(self) -> Option<i64> {
        self.text()?.parse().ok()
    }

    /// What is inside, by the nodes of it.
    fn inside(self) -> impl Iterator<Item = Json<'a>> {
        let base = self.nodes.first().map_or(0, |node| node.start);
        tape::inside(self.nodes).map(move |nodes| {
            let (start, end) = nodes.first().map_or((base, base), |node| (node.start, node.end));
            Json { text: &self.text[(start - base) as usize..(end - base) as usize], nodes }
        })
    }

    /// An object, one level of it.
    pub fn object(self) -> Option<Object<'a>> {
        if !self.text.starts_with('{') {
            return None;
        }
        #[cfg(test)]
        cost::add(self.text.len());
        if !self.nodes.is_empty() {
            let mut members = Vec::with_capacity(16);
            let mut all = self.inside();
            while let (Some(name), Some(value)) = (all.next(), all.next()) {
                members.push((name.text()?, value));
            }
            let mut out = Object(members);
            out.dedupe();
            return Some(out);
        }
        serde_json::from_str(self.text).ok()
    }

    /// Whether what is inside is known by place, so that finding it reads nothing again.
    pub fn is_placed(self) -> bool {
        !self.nodes.is_empty()
    }

    /// The value of one name of an object, without a look at the others' values. Of a name that
    /// stands twice the last one counts.
    pub fn member(self, name: &str) -> Option<Json<'a>> {
        let (object, members) = match self.nodes.split_first() {
            Some(nodes) if !nodes.0.escaped && self.text.starts_with('{') => nodes,
            // Names with an escape in them are compared as what they mean.
            _ => return self.object()?.find(name),
        };
        #[cfg(test)]
        cost::add(self.text.len());
        let text = |node: &Node| {
            &self.text[(node.start - object.start) as usize..(node.end - object.start) as usize]
        };
        let (mut rest, mut found) = (members, None);
        while let [key, value, ..] = rest {
            let here = &rest[1..=value.size as usize];
            if (key.end - key.start) as usize == name.len() + 2
                && text(key).as_bytes()[1..=name.len()] == *name.as_bytes()
            {
                found = Some(Json { text: text(value), nodes: here });
            }
            rest = &rest[1 + here.len()..];
        }
        found
    }

    /// The elements of an array, however many; none where it is anything else. Decoders ask the
    /// context, which knows the limit.
    pub fn elements(self) -> Vec<Json<'a>> {
        if !self.text.starts_with('[') {
            return Vec::new();
        }
        #[cfg(test)]
        cost::add(self.text.len());
        if !self.nodes.is_empty() {
            return self.inside().collect();
        }
        let raw: Vec<&RawValue> = serde_json::from_str(self.text).unwrap_or_default();
        raw.into_iter().map(Json::of).collect()
    }
}

/// One level of an object. Of a name that stands twice the last one counts, as in JavaScript.
#[derive(Clone, Debug, Default)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Object<'a> {
    /// Keeps the last value of each name, so that no look-up meets a name twice.
    fn dedupe(&mut self) {
        let names = self.0.iter().map(|(name, _)| name);
        if self.0.len() <= 16
            && !names.clone().enumerate().any(|(i, n)| names.clone().skip(i + 1).any(|m| m == n))
        {
            return;
        }
        if self.are_apart() {
            return;
        }
        // Names whose hashes all differ all differ; equal hashes prove nothing, and cost no more
        // than a sort whoever chose the names.
        let mut hashes: Vec<u64> =
            self.0.iter().map(|(name, _)| xxhash_rust::xxh3::xxh3_64(name.as_bytes())).collect();
        hashes.sort_unstable();
        if hashes.windows(2).all(|pair| pair[0] != pair[1]) {
            return;
        }
        let mut last: BTreeMap<Cow<'a, str>, usize> = BTreeMap::new();
        for (i, (name, _)) in self.0.iter().enumerate() {
            last.insert(name.clone(), i);
        }
        if last.len() < self.0.len() {
            let mut i = 0;
            self.0.retain(|(name, _)| {
                i += 1;
                last.get(name) == Some(&(i - 1))
            });
        }
    }

    /// Whether the names of an object of usual size fall on different places of a small table, or
    /// stand there alone by their hashes.
    fn are_apart(&self) -> bool {
        const PLACES: usize = 512;
        if self.0.len() > PLACES / 2 {
            return false;
        }
        let mut table = [0u64; PLACES];
        for (name, _) in &self.0 {
            let hash = xxhash_rust::xxh3::xxh3_64(name.as_bytes()) | 1;
            let mut at = (hash >> 32) as usize % PLACES;
            while table[at] != 0 {
                if table[at] == hash {
                    return false;
                }
                at = (at + 1) % PLACES;
            }
            table[at] = hash;
        }
        true
    }

    /// A value by its name; `null` is a value.
    pub fn find(&self, name: &str) -> Option<Json<'a>> {
        #[cfg(test)]
        cost::add(self.0.len());
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
    }

    /// A value by its name; `null` where it is absent.
    pub fn get(&self, name: &str) -> Json<'a> {
        self.find(name).unwrap_or(Json::NULL)
    }

    /// Whether the name is there.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// A string or the digits of a number, if there are any.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).text().filter(|text| !text.is_empty())
    }

    /// An object by its name.
    pub fn object(&self, name: &str) -> Option<Object<'a>> {
        self.get(name).object()
    }

    /// Names and values in order, taken out.
    pub fn into_members(self) -> Vec<(Cow<'a, str>, Json<'a>)> {
        self.0
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Json<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Level;
        impl<'de> Visitor<'de> for Level {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut out = Object::default();
                while let Some(Text(name)) = map.next_key()? {
                    out.0.push((name, Json::of(map.next_value()?)));
                }
                out.dedupe();
                Ok(out)
            }
        }
        deserializer.deserialize_map(Level)
    }
}

/// What reading cost on this thread: bytes of what was read a level of, and names that were
/// compared. A clock would tell it less well.
#[cfg(test)]
pub mod cost {
    use std::cell::Cell;

    thread_local! {
        static COST: Cell<usize> = const { Cell::new(0) };
    }

    /// So much more.
    pub fn add(more: usize) {
        COST.set(COST.get() + more);
    }

    /// All of it, and nothing from here on.
    pub fn take() -> usize {
        COST.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_every_digit() {
        let text =
            r#" {"n":1725357365187780609,"m":0.10000000000000000001,"s":"7036839888","t":true} "#;
        let object = Json::parse(text).unwrap().object().unwrap();
        assert_eq!(object.get("n").whole(), Some(1_725_357_365_187_780_609));
        assert_eq!(object.text("m").as_deref(), Some("0.10000000000000000001"));
        assert_eq!(object.get("s").whole(), Some(7_036_839_888));
        assert_eq!((object.get("t").boolean(), object.get("absent")), (Some(true), Json::NULL));
    }

    #[test]
    fn names_may_be_escaped_and_the_last_one_counts() {
        let object = Json::parse(r#"{"a":1,"\u0061":"\u00e9"}"#).unwrap().object().unwrap();
        assert_eq!(object.text("a").as_deref(), Some("é"));
        assert_eq!(object.iter().count(), 1);
    }

    #[test]
    fn no_nesting_is_too_deep() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!("{{\"a\":{deep}}}");
        let object = Json::parse(&text).unwrap().object().unwrap();
        assert_eq!(object.get("a").elements().len(), 1);
        assert!(Json::parse("{\"a\":1} x").is_err());
    }
}
