//! A segment: the part of the business that a number is about.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::record::Partition;

/// The value of a dimension that an entity does not have.
pub const UNKNOWN: &str = "unknown";

/// Values of one configured set of dimensions, such as `territory=West` or
/// `territory=West,channel=web`; without any it is the whole business.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Segment {
    /// Dimension and value, in the order in which the config names the dimensions.
    pub parts: Vec<(Box<str>, Box<str>)>,
}

impl Segment {
    /// The whole business.
    pub fn overall() -> Segment {
        Segment::default()
    }

    /// A segment of dimension and value pairs.
    pub fn of<'a>(parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Segment {
        Segment { parts: parts.into_iter().map(|(d, v)| (d.into(), v.into())).collect() }
    }

    /// The name of the dimension set: `overall`, `rep`, `territory_channel`.
    pub fn grain(&self) -> String {
        if self.parts.is_empty() {
            return "overall".to_owned();
        }
        self.parts.iter().map(|(d, _)| &**d).collect::<Vec<_>>().join("_")
    }

    /// Whether it is of a dimension set.
    pub fn is_of(&self, set: &[String]) -> bool {
        self.parts.iter().map(|(d, _)| &**d).eq(set.iter().map(String::as_str))
    }

    /// The value of a dimension.
    pub fn value(&self, dimension: &str) -> Option<&str> {
        self.parts.iter().find(|(d, _)| &**d == dimension).map(|(_, v)| &**v)
    }

    /// The partition of the partials and result topics that holds this segment.
    pub fn partition(&self, partitions: u32) -> Partition {
        let hash = xxhash_rust::xxh3::xxh3_64(self.to_string().as_bytes());
        Partition((hash % u64::from(partitions.max(1))) as u32)
    }
}

/// `overall`, or `dimension=value` joined by commas; the characters `%`, `,`, `=` and `|` and
/// control characters in values are percent-encoded, so that the text is unambiguous.
impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parts.is_empty() {
            return f.write_str("overall");
        }
        for (i, (dimension, value)) in self.parts.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{dimension}=")?;
            for c in value.chars() {
                if c.is_control() || matches!(c, '%' | ',' | '=' | '|') {
                    let mut bytes = [0; 4];
                    for b in c.encode_utf8(&mut bytes).bytes() {
                        write!(f, "%{b:02X}")?;
                    }
                } else {
                    write!(f, "{c}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_unambiguous() {
        let plain = Segment::of([("rep", "Moses Frase")]);
        assert_eq!(plain.to_string(), "rep=Moses Frase");
        let tricky = Segment::of([("rep", "a,territory=b|%")]);
        assert_eq!(tricky.to_string(), "rep=a%2Cterritory%3Db%7C%25");
        assert_ne!(tricky, Segment::of([("rep", "a"), ("territory", "b|%")]));
        assert_eq!(Segment::overall().to_string(), "overall");
        assert_eq!(
            Segment::of([("territory", "W"), ("channel", "web")]).grain(),
            "territory_channel"
        );
    }

    #[test]
    fn partitions_are_stable_over_releases() {
        assert_eq!(Segment::overall().partition(8), Partition(1));
        assert_eq!(Segment::of([("rep", "r1")]).partition(1), Partition(0));
    }
}
