//! Single values as typed: how a number, a text or a boolean of the file becomes a value with a
//! meaning, and what a person reads where it does not.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A single value before it has a meaning.
#[derive(Clone, Copy, Debug)]
pub(super) enum Raw<'a> {
    /// A text.
    Text(&'a str),
    /// A whole number.
    Whole(i64),
    /// `true` or `false`.
    Bool(bool),
    /// Anything else, by its name.
    Other(&'static str),
}

impl fmt::Display for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Raw::Text("") => f.write_str("an empty text"),
            Raw::Text(text) => write!(f, "the text \"{}\"", clip(text)),
            Raw::Whole(n) => write!(f, "the number {n}"),
            Raw::Bool(b) => write!(f, "{b}"),
            Raw::Other(name) => f.write_str(name),
        }
    }
}

/// What is wrong, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) what: String,
    pub(super) mend: String,
}

impl Problem {
    pub(super) fn new(what: impl Into<String>, mend: impl Into<String>) -> Problem {
        Problem { what: what.into(), mend: mend.into() }
    }

    /// A value of the wrong type.
    pub(super) fn expected(noun: &str, found: Raw<'_>, mend: impl Into<String>) -> Problem {
        Problem::new(format!("expected {noun}, found {found}"), mend)
    }
}

/// A value that stands behind one key.
pub(super) trait Leaf: Sized {
    fn read(raw: Raw<'_>) -> Result<Self, Problem>;
}

/// A leaf inside a typed struct.
#[derive(Clone, Debug)]
pub(super) struct Given<T>(pub(super) T);

impl<'de, T: Leaf> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LeafVisitor(PhantomData))
    }
}

struct LeafVisitor<T>(PhantomData<T>);

impl<T: Leaf> LeafVisitor<T> {
    fn take<E: de::Error>(raw: Raw<'_>) -> Result<Given<T>, E> {
        T::read(raw).map(Given).map_err(|p| E::custom(p.what))
    }
}

impl<T: Leaf> Visitor<'_> for LeafVisitor<T> {
    type Value = Given<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a whole number or a boolean")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Given<T>, E> {
        Self::take(Raw::Text(text))
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Given<T>, E> {
        Self::take(Raw::Whole(n))
    }

    fn visit_bool<E: de::Error>(self, b: bool) -> Result<Given<T>, E> {
        Self::take(Raw::Bool(b))
    }
}

/// The text, or the problem that it is none.
pub(super) fn text<'a>(raw: Raw<'a>, noun: &str, mend: &str) -> Result<&'a str, Problem> {
    match raw {
        Raw::Text(text) => Ok(text),
        _ => Err(Problem::expected(noun, raw, mend)),
    }
}

/// Cuts what a message quotes.
pub(super) fn clip(text: &str) -> String {
    let mut out: String =
        text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        out.push('…');
    }
    out
}

/// A text that is not empty, on one line.
impl Leaf for String {
    fn read(raw: Raw<'_>) -> Result<String, Problem> {
        let text = text(raw, "a text", "write it in quotes")?;
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            let mend = "state a value, or leave the key out to take the default";
            return Err(Problem::new("expected a text of one line that is not empty", mend));
        }
        Ok(text.to_owned())
    }
}

impl Leaf for bool {
    fn read(raw: Raw<'_>) -> Result<bool, Problem> {
        match raw {
            Raw::Bool(b) => Ok(b),
            _ => {
                Err(Problem::expected("true or false", raw, "write true or false, without quotes"))
            }
        }
    }
}

/// A whole number of a range, ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<const MIN: u64, const MAX: u64>(pub(super) u64);

impl<const MIN: u64, const MAX: u64> Leaf for Whole<MIN, MAX> {
    fn read(raw: Raw<'_>) -> Result<Self, Problem> {
        let mend = format!("write a whole number from {MIN} to {MAX}, without quotes");
        match raw {
            Raw::Whole(n) => match u64::try_from(n).ok().filter(|n| (MIN..=MAX).contains(n)) {
                Some(n) => Ok(Whole(n)),
                None => Err(Problem::new(format!("{n} is outside {MIN} to {MAX}"), mend)),
            },
            _ => Err(Problem::expected("a whole number", raw, mend)),
        }
    }
}

const DAY_MS: u64 = 24 * 3600 * 1000;

/// Units of durations, with what people write instead.
const TIME_UNITS: [(&str, u64, &[&str]); 5] = [
    ("ms", 1, &["msec", "millis", "milliseconds", "millisecond"]),
    ("s", 1000, &["sec", "secs", "second", "seconds"]),
    ("m", 60_000, &["min", "mins", "minute", "minutes"]),
    ("h", 3_600_000, &["hr", "hrs", "hour", "hours"]),
    ("d", DAY_MS, &["day", "days"]),
];

/// Longer makes no sense, and shorter than this fits every type that durations go into.
const LONGEST_MS: u64 = 36_500 * DAY_MS;

const DURATION_MEND: &str = "write a whole number and a unit (ms, s, m, h or d) in quotes: \"30s\"";

/// A duration such as `250ms`; zero is one.
impl Leaf for Duration {
    fn read(raw: Raw<'_>) -> Result<Duration, Problem> {
        let text = match raw {
            Raw::Text(text) => text.trim(),
            Raw::Whole(n) if n >= 0 => {
                let mend = format!(
                    "add the unit, in quotes: \"{n}s\" for seconds, \"{n}ms\" for milliseconds"
                );
                return Err(Problem::expected("a duration", raw, mend));
            }
            _ => return Err(Problem::expected("a duration", raw, DURATION_MEND)),
        };
        let (digits, unit) = split_number(text);
        let not = || format!("\"{}\" is not a duration", clip(text));
        let Some(number) = digits.parse::<u64>().ok() else {
            return Err(Problem::new(not(), DURATION_MEND));
        };
        let Some(factor) = TIME_UNITS.iter().find(|(name, ..)| *name == unit).map(|(_, ms, _)| *ms)
        else {
            let lower = unit.to_ascii_lowercase();
            let meant = TIME_UNITS
                .iter()
                .find(|(name, _, also)| *name == lower || also.contains(&lower.as_str()));
            let mend = match meant {
                Some((name, ..)) => format!("write \"{number}{name}\""),
                None if matches!(lower.as_str(), "w" | "week" | "weeks") => {
                    format!("write \"{}d\"", number.saturating_mul(7))
                }
                None => DURATION_MEND.to_owned(),
            };
            return Err(Problem::new(not(), mend));
        };
        match number.checked_mul(factor).filter(|ms| *ms <= LONGEST_MS) {
            Some(ms) => Ok(Duration::from_millis(ms)),
            None => Err(Problem::new(
                format!("\"{}\" is longer than a hundred years", clip(text)),
                "write a shorter one, at most \"36500d\"",
            )),
        }
    }
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// A duration in the shortest form that [`Duration::read`] takes.
pub(super) fn show_duration(d: Duration) -> String {
    let ms = u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    let unit = TIME_UNITS.iter().rev().find(|(_, factor, _)| ms >= *factor && ms % factor == 0);
    match unit {
        Some((name, factor, _)) => format!("{}{name}", ms / factor),
        None => "0s".to_owned(),
    }
}

/// A duration longer than zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Positive(pub(super) Duration);

impl Leaf for Positive {
    fn read(raw: Raw<'_>) -> Result<Positive, Problem> {
        match Duration::read(raw)? {
            Duration::ZERO => {
                Err(Problem::new("must be longer than zero", "write a duration such as \"1s\""))
            }
            d => Ok(Positive(d)),
        }
    }
}

/// How long something is kept: a duration, or `forever` (`None`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep(pub(super) Option<Duration>);

impl Leaf for Keep {
    fn read(raw: Raw<'_>) -> Result<Keep, Problem> {
        match raw {
            Raw::Text("forever") => Ok(Keep(None)),
            _ => match Positive::read(raw) {
                Ok(Positive(d)) => Ok(Keep(Some(d))),
                Err(p) => Err(Problem::new(p.what, format!("{}; or \"forever\"", p.mend))),
            },
        }
    }
}

/// How many days something is kept: whole days, or `forever` (`None`).
#[derive(Clone, Copy, Debug)]
pub(super) struct KeepDays(pub(super) Option<u32>);

impl Leaf for KeepDays {
    fn read(raw: Raw<'_>) -> Result<KeepDays, Problem> {
        let Keep(Some(keep)) = Keep::read(raw)? else {
            return Ok(KeepDays(None));
        };
        let seconds = keep.as_secs();
        if keep.subsec_millis() != 0 || seconds % 86_400 != 0 {
            return Err(Problem::new(
                format!("expected whole days, found {}", show_duration(keep)),
                format!("write \"{}d\", or \"forever\"", seconds / 86_400 + 1),
            ));
        }
        // At most 36,500 by the limit on durations.
        Ok(KeepDays(Some(u32::try_from(seconds / 86_400).unwrap_or(u32::MAX))))
    }
}

/// Units of sizes, with what people write instead.
const SIZE_UNITS: [(&str, u64, &[&str]); 4] = [
    ("B", 1, &["byte", "bytes"]),
    ("KiB", 1 << 10, &["k", "kb", "kib"]),
    ("MiB", 1 << 20, &["m", "mb", "mib"]),
    ("GiB", 1 << 30, &["g", "gb", "gib"]),
];

/// A size in bytes of a range, ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<const MIN: u64, const MAX: u64>(pub(super) u64);

impl<const MIN: u64, const MAX: u64> Leaf for Bytes<MIN, MAX> {
    fn read(raw: Raw<'_>) -> Result<Self, Problem> {
        let usual = "write a whole number and a unit (B, KiB, MiB or GiB) in quotes: \"64MiB\"";
        let text = match raw {
            Raw::Text(text) => text.trim(),
            Raw::Whole(n) if n >= 0 => {
                return Err(Problem::expected(
                    "a size",
                    raw,
                    format!("add the unit, in quotes: \"{n}B\" for bytes"),
                ));
            }
            _ => return Err(Problem::expected("a size", raw, usual)),
        };
        let (digits, unit) = split_number(text);
        let not = || format!("\"{}\" is not a size", clip(text));
        let Some(number) = digits.parse::<u64>().ok() else {
            return Err(Problem::new(not(), usual));
        };
        let Some(factor) = SIZE_UNITS.iter().find(|(name, ..)| *name == unit).map(|(_, b, _)| *b)
        else {
            let lower = unit.to_ascii_lowercase();
            let meant = SIZE_UNITS
                .iter()
                .find(|(_, _, also)| lower == "b" || also.contains(&lower.as_str()));
            let mend =
                meant.map_or(usual.to_owned(), |(name, ..)| format!("write \"{number}{name}\""));
            return Err(Problem::new(not(), mend));
        };
        match number.checked_mul(factor).filter(|b| (MIN..=MAX).contains(b)) {
            Some(bytes) => Ok(Bytes(bytes)),
            None => {
                let range = format!("{} to {}", show_size(MIN), show_size(MAX));
                Err(Problem::new(
                    format!("\"{}\" is outside {range}", clip(text)),
                    format!("write a size from {range}"),
                ))
            }
        }
    }
}

/// A size in the largest unit that holds it exactly.
pub(super) fn show_size(bytes: u64) -> String {
    let unit = SIZE_UNITS
        .iter()
        .rev()
        .find(|(_, factor, _)| bytes >= *factor && bytes.is_multiple_of(*factor));
    match unit {
        Some((name, factor, _)) => format!("{}{name}", bytes / factor),
        None => "0B".to_owned(),
    }
}

/// An address to listen on.
impl Leaf for SocketAddr {
    fn read(raw: Raw<'_>) -> Result<SocketAddr, Problem> {
        let usual =
            "write an IP address and a port, in quotes: \"127.0.0.1:9464\" or \"[::1]:9464\"";
        let text = text(raw, "an address and a port", usual)?;
        text.parse().map_err(|_| {
            let mend = match text.rsplit_once(':') {
                Some(("localhost", port)) => format!("write \"127.0.0.1:{port}\""),
                Some(("" | "*", port)) => {
                    format!("write \"0.0.0.0:{port}\" for all interfaces (and allow_remote = true)")
                }
                _ => usual.to_owned(),
            };
            Problem::new(format!("\"{}\" is not an address and a port", clip(text)), mend)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mend<T: Leaf + fmt::Debug>(raw: Raw<'_>) -> String {
        T::read(raw).unwrap_err().mend
    }

    #[test]
    fn durations_take_one_number_and_one_unit() {
        for text in ["250ms", "30s", "90m", "24h", "800d", "0s"] {
            let read = Duration::read(Raw::Text(text)).unwrap();
            assert_eq!(Duration::read(Raw::Text(&show_duration(read))).unwrap(), read, "{text}");
        }
        assert_eq!(show_duration(Duration::from_secs(600)), "10m");
        for bad in
            ["", "s", "-1s", "1.5h", "1h30m", "5 fortnights", "99999999999999999999d", "40000d"]
        {
            assert!(Duration::read(Raw::Text(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_unit_that_is_nearly_right_is_mended() {
        assert_eq!(mend::<Duration>(Raw::Text("10 minutes")), "write \"10m\"");
        assert_eq!(mend::<Duration>(Raw::Text("2w")), "write \"14d\"");
        assert_eq!(mend::<Bytes<0, 9>>(Raw::Text("64MB")), "write \"64MiB\"");
        assert_eq!(mend::<KeepDays>(Raw::Text("36h")), "write \"2d\", or \"forever\"");
        assert_eq!(mend::<SocketAddr>(Raw::Text("localhost:80")), "write \"127.0.0.1:80\"");
        assert!(mend::<Duration>(Raw::Whole(30)).contains("\"30s\""));
    }

    #[test]
    fn sizes_stay_in_their_range() {
        assert_eq!(Bytes::<1, 2048>::read(Raw::Text("2KiB")).unwrap().0, 2048);
        assert!(Bytes::<1, 2048>::read(Raw::Text("3KiB")).is_err());
        assert!(Bytes::<1, 2048>::read(Raw::Text("18446744073709551615GiB")).is_err());
        assert_eq!(show_size(64 << 20), "64MiB");
    }
}
