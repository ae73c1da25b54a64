//! Single values of `[hooks]`: addresses, and how a system signs.

use super::leaf::{Leaf, Problem, Raw, clip, text};
use super::near::did_you_mean;
use super::words::one_of;
use crate::verify::presets::PRESETS;
use crate::verify::scheme::{Algorithm, Encoding, Part, Pick, Unit};
use crate::verify::{Handshake, Preset};

/// The path of an endpoint.
#[derive(Clone, Debug)]
pub(super) struct HookPath(pub(super) String);

impl Leaf for HookPath {
    fn read(raw: Raw<'_>) -> Result<HookPath, Problem> {
        let usual =
            "write a path of letters, digits and . _ ~ - / that begins with a slash: \"/hubspot\"";
        let path = text(raw, "a path", usual)?;
        let fits = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~-/".contains(&b));
        if !fits || !path.starts_with('/') || path.len() > 100 {
            return Err(Problem::new(format!("\"{}\" is not a path", clip(path)), usual));
        }
        Ok(HookPath(path.to_owned()))
    }
}

/// What stands before the path in the address that systems are given.
#[derive(Clone, Debug)]
pub(super) struct PublicUrl(pub(super) String);

impl Leaf for PublicUrl {
    fn read(raw: Raw<'_>) -> Result<PublicUrl, Problem> {
        let usual = "write what stands before the endpoint's path in the address that you give to the system: \"https://hooks.example.com\"";
        let url = text(raw, "a URL", usual)?.trim_end_matches('/');
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let fits = url.bytes().all(|b| b.is_ascii_graphic() && !b"?#".contains(&b));
        if !fits || host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
            return Err(Problem::new(format!("\"{}\" is not such a URL", clip(url)), usual));
        }
        Ok(PublicUrl(url.to_owned()))
    }
}

/// The name of an HTTP header, in lower case.
#[derive(Clone, Debug)]
pub(super) struct HeaderName(pub(super) String);

impl Leaf for HeaderName {
    fn read(raw: Raw<'_>) -> Result<HeaderName, Problem> {
        let usual = "write it as \"x-request-id\"";
        let name = text(raw, "the name of a header", usual)?;
        let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !fits || name.is_empty() || name.len() > 100 {
            let what = format!("\"{}\" is not the name of a header", clip(name));
            return Err(Problem::new(what, usual));
        }
        Ok(HeaderName(name.to_ascii_lowercase()))
    }
}

/// A text in the place of a secret.
#[derive(Clone, Debug)]
pub(super) struct NotHere;

impl Leaf for NotHere {
    fn read(_: Raw<'_>) -> Result<NotHere, Problem> {
        let mend = "write where it stands: { file = \"/path\" } or { env = \"NAME\" }";
        Err(Problem::new("a secret is never written into the configuration", mend))
    }
}

impl Leaf for &'static Preset {
    fn read(raw: Raw<'_>) -> Result<&'static Preset, Problem> {
        let names: Vec<&str> = PRESETS.iter().map(|p| p.name).collect();
        one_of(raw, "a way of signing that Tidemark knows", &names, Preset::parse)
    }
}

/// The value of a table of names.
fn named<T: Copy>(raw: Raw<'_>, noun: &str, table: &[(&'static str, T)]) -> Result<T, Problem> {
    let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
    one_of(raw, noun, &names, |text| table.iter().find(|(n, _)| *n == text).map(|(_, v)| *v))
}

impl Leaf for Handshake {
    fn read(raw: Raw<'_>) -> Result<Handshake, Problem> {
        named(raw, "a handshake", &Handshake::ALL)
    }
}

impl Leaf for Algorithm {
    fn read(raw: Raw<'_>) -> Result<Algorithm, Problem> {
        named(raw, "an algorithm", &Algorithm::ALL)
    }
}

impl Leaf for Encoding {
    fn read(raw: Raw<'_>) -> Result<Encoding, Problem> {
        named(raw, "an encoding", &Encoding::ALL)
    }
}

impl Leaf for Unit {
    fn read(raw: Raw<'_>) -> Result<Unit, Problem> {
        named(raw, "a unit", &[("s", Unit::Seconds), ("ms", Unit::Millis)])
    }
}

impl Leaf for Part {
    fn read(raw: Raw<'_>) -> Result<Part, Problem> {
        let text = text(raw, "a part of the message", "write it in quotes: \"{body}\"")?;
        Part::parse(text).ok_or_else(|| {
            let names = [
                "{method}",
                "{url}",
                "{url-decoded}",
                "{body}",
                "{form}",
                "{timestamp}",
                "{secret}",
                "{header:…}",
            ];
            let what = format!("\"{}\" is not a part of a message", clip(text));
            let near = did_you_mean(text, &names);
            let mend = format!("{near} (a text without braces stands for itself)");
            Problem::new(what, mend)
        })
    }
}

impl Leaf for Pick {
    fn read(raw: Raw<'_>) -> Result<Pick, Problem> {
        let usual = "write \"whole\", \"kv:v1\" for the values of v1 in \"t=…,v1=…\", or \"words\" for a list with spaces";
        match text(raw, "a part of a header", usual)? {
            "whole" => Ok(Pick::Whole),
            "words" => Ok(Pick::Spaced),
            other => match other.strip_prefix("kv:").filter(|name| !name.is_empty()) {
                Some(name) => Ok(Pick::Keyed(name.to_owned())),
                None => {
                    let what = format!("\"{}\" is not a part of a header", clip(other));
                    Err(Problem::new(what, usual))
                }
            },
        }
    }
}
