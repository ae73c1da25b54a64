//! Whether a webhook request is authentic: one verifier that is told by data how a system signs.
//!
//! It reads the bytes as they came, before anything is parsed; compares in constant time; and takes
//! the time as an argument. It never guesses: a request that lacks what its scheme reads, or has it
//! twice, is refused. Pure, like the folds: `ring` does the arithmetic.

mod body;
mod key;
mod message;
pub mod presets;
pub mod scheme;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use ring::hmac;

use crate::model::time::Timestamp;
pub use body::challenge;
use key::Key;
pub use key::WrongKey;
pub use presets::{Handshake, Preset};
use scheme::{Algorithm, FirstElement, Given, Part, Pick, Place, Scheme, Stamp, StampAt};

/// A request as it came.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Method, in upper case.
    pub method: &'r str,
    /// Path and query, as they were sent.
    pub target: &'r str,
    /// Headers, names in lower case.
    pub headers: &'r [(&'r str, &'r [u8])],
    /// Body, as it was sent.
    pub body: &'r [u8],
}

impl<'r> Request<'r> {
    /// A header that occurs once; that it occurs at all is said by `Ok(None)`.
    fn header(&self, name: &str) -> Result<Option<&'r [u8]>, Refusal> {
        let mut found = self.headers.iter().filter(|(n, _)| *n == name).map(|(_, value)| *value);
        let first = found.next();
        if found.next().is_some() { Err(Refusal::Repeated) } else { Ok(first) }
    }

    /// The query, without its question mark.
    fn query(&self) -> &'r str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    fn is_form(&self) -> Result<bool, Refusal> {
        let kind = self.header("content-type")?.unwrap_or_default();
        let kind = kind.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        Ok(kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded"))
    }

    /// The parameter of a form or of a query that occurs once.
    fn parameter(text: &'r [u8], name: &str) -> Result<Option<Cow<'r, [u8]>>, Refusal> {
        let mut found = form_urlencoded::parse(text).filter(|(n, _)| n == name).map(|(_, v)| v);
        let first = found.next();
        if found.next().is_some() {
            return Err(Refusal::Repeated);
        }
        Ok(first.map(|value| match value {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }))
    }

    /// What stands at a place, where it does.
    fn at(&self, place: &Place) -> Result<Option<Cow<'r, [u8]>>, Refusal> {
        match place {
            Place::Header(name) => Ok(self.header(name)?.map(Cow::Borrowed)),
            Place::Query(name) => Self::parameter(self.query().as_bytes(), name),
            Place::Field(name) if self.is_form()? => Self::parameter(self.body, name),
            Place::Field(name) => body::member(self.body, name),
        }
    }
}

/// Why a request is not taken for authentic. Says nothing of what would have been right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It carries no signature.
    Unsigned,
    /// What decides stands there more than once.
    Repeated,
    /// What the scheme reads is absent or cannot be read.
    Malformed,
    /// The signature is another one.
    Mismatch,
    /// It is signed, and too old.
    Stale,
    /// It is signed, and dated too far ahead of our clock.
    Ahead,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 6] = [
        Refusal::Unsigned,
        Refusal::Repeated,
        Refusal::Malformed,
        Refusal::Mismatch,
        Refusal::Stale,
        Refusal::Ahead,
    ];

    /// A stable name, for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::Unsigned => "unsigned",
            Refusal::Repeated => "repeated",
            Refusal::Malformed => "malformed",
            Refusal::Mismatch => "mismatch",
            Refusal::Stale => "stale",
            Refusal::Ahead => "ahead",
        }
    }
}

/// A verifier: schemes with their keys. `Debug` shows no key.
#[derive(Clone)]
pub struct Verifier {
    schemes: Vec<(Scheme, Vec<Key>)>,
    public_url: String,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schemes: Vec<_> = self.schemes.iter().map(|(s, keys)| (s, keys.len())).collect();
        let mut shown = f.debug_struct("Verifier");
        shown.field("schemes", &schemes).field("public_url", &self.public_url).finish()
    }
}

/// Most signatures of one header that are looked at: a sender that rolls its secret sends two.
const MOST: usize = 16;

impl Verifier {
    /// Puts schemes and secrets together. The first scheme whose signature is in a request decides
    /// about it; `public_url` is what stands before the target in URLs that are signed.
    pub fn new(
        schemes: Vec<Scheme>,
        secrets: &[Vec<u8>],
        public_url: &str,
    ) -> Result<Verifier, WrongKey> {
        let mut out = Vec::with_capacity(schemes.len());
        for scheme in schemes {
            let keys = match scheme.algorithm {
                Algorithm::None => Vec::new(),
                _ => secrets.iter().map(|s| Key::of(&scheme, s)).collect::<Result<_, _>>()?,
            };
            out.push((scheme, keys));
        }
        Ok(Verifier { schemes: out, public_url: public_url.to_owned() })
    }

    /// Whether the request is authentic at this time: by which scheme, or why not.
    pub fn check(&self, request: &Request<'_>, now: Timestamp) -> Result<&str, Refusal> {
        for (scheme, keys) in &self.schemes {
            if scheme.algorithm == Algorithm::None {
                return Ok(&scheme.name);
            }
            let Some(given) = request.at(&scheme.signature.place)? else {
                continue;
            };
            if let Some((name, value)) = &scheme.when
                && request.header(name)? != Some(value.as_bytes())
            {
                continue;
            }
            self.hold(scheme, keys, request, &given)?;
            let dated = scheme.stamp.as_ref().map(|stamp| (stamp, instant(stamp, request, &given)));
            if let Some((stamp, at)) = dated {
                within(stamp, at?, now)?;
            }
            self.alike(scheme, request)?;
            return Ok(&scheme.name);
        }
        Err(Refusal::Unsigned)
    }

    /// Whether the signature of that scheme covers a header.
    pub fn signs(&self, scheme: &str, header: &str) -> bool {
        let covers = |scheme: &Scheme| {
            scheme.message.iter().any(|part| match part {
                Part::Header(name) => name == header,
                Part::Timestamp => scheme.stamp.as_ref().is_some_and(
                    |stamp| matches!(&stamp.at, StampAt::Header(name) if name == header),
                ),
                _ => false,
            })
        };
        self.schemes.iter().any(|(of, _)| of.name == scheme && covers(of))
    }

    /// Whether what a system also writes under another name says the same: only one of them is signed,
    /// and a decoder may read the other.
    fn alike(&self, by: &Scheme, request: &Request<'_>) -> Result<(), Refusal> {
        let spelled = |scheme: &Scheme| {
            let signed = scheme.message.iter().filter_map(|part| match part {
                Part::Header(name) => Some(name.clone()),
                _ => None,
            });
            let stamp = scheme.stamp.iter().filter_map(|stamp| match &stamp.at {
                StampAt::Header(name) => Some(name.clone()),
                StampAt::Keyed(_) => None,
            });
            signed.chain(stamp).collect::<Vec<_>>()
        };
        let others = self.schemes.iter().filter(|(s, _)| s.name == by.name && s != by);
        for (other, _) in others {
            for (ours, theirs) in spelled(by).iter().zip(spelled(other)) {
                let also = request.header(&theirs)?;
                if also.is_some() && also != request.header(ours)? {
                    return Err(Refusal::Repeated);
                }
            }
        }
        Ok(())
    }

    /// Whether one of the signatures is one of the keys'.
    fn hold(
        &self,
        scheme: &Scheme,
        keys: &[Key],
        request: &Request<'_>,
        given: &[u8],
    ) -> Result<(), Refusal> {
        let signatures = signatures(&scheme.signature, given);
        if signatures.is_empty() {
            return Err(Refusal::Malformed);
        }
        let message = message::of(scheme, request, &self.public_url, given)?;
        let whole = keys.iter().any(|key| key.holds(&message, &signatures));
        // Where only the first element of a batch is signed, the rest is taken on trust, if at all.
        let first = || {
            let (first, alone) = body::first_element(request.body)?;
            if !alone && scheme.first_element != FirstElement::Any {
                return None;
            }
            let message = message::with_body(&message, request.body, first);
            Some(keys.iter().any(|key| key.holds(&message, &signatures)))
        };
        let held = whole || (scheme.first_element != FirstElement::Not && first().unwrap_or(false));
        if held { Ok(()) } else { Err(Refusal::Mismatch) }
    }
}

/// The signatures that a header offers, decoded. Only one spelling of each is taken.
fn signatures(given: &Given, text: &[u8]) -> Vec<Vec<u8>> {
    let one = |text: &[u8]| {
        let prefix = given.prefix.as_bytes();
        let (before, text) = text.split_at_checked(prefix.len())?;
        // RFC 9110: the name before credentials is read in upper and lower case alike.
        let is_name = given.place == Place::Header("authorization".to_owned());
        if !(before == prefix || is_name && before.eq_ignore_ascii_case(prefix)) {
            return None;
        }
        given.encoding.decode(text)
    };
    match &given.pick {
        Pick::Whole => one(text).into_iter().collect(),
        Pick::Keyed(name) => keyed(text, name).take(MOST).filter_map(one).collect(),
        Pick::Spaced => text.split(|b| *b == b' ').take(MOST).filter_map(one).collect(),
    }
}

/// The values of a name in `t=1,v1=a,v1=b`.
fn keyed<'t>(text: &'t [u8], name: &str) -> impl Iterator<Item = &'t [u8]> {
    let pairs = text.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    pairs.filter_map(move |pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// The text of the time that a request was signed at.
fn stamp_text<'a>(
    stamp: &Stamp,
    request: &Request<'a>,
    given: &'a [u8],
) -> Result<&'a [u8], Refusal> {
    match &stamp.at {
        StampAt::Header(name) => request.header(name)?.ok_or(Refusal::Malformed),
        StampAt::Keyed(name) => {
            let mut found = keyed(given, name);
            let first = found.next().ok_or(Refusal::Malformed)?;
            if found.next().is_some() { Err(Refusal::Repeated) } else { Ok(first) }
        }
    }
}

fn instant(stamp: &Stamp, request: &Request<'_>, given: &[u8]) -> Result<Timestamp, Refusal> {
    let text = stamp_text(stamp, request, given)?;
    let digits = std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    let number = digits.and_then(|t| t.parse::<i64>().ok());
    let at = number.and_then(|n| n.checked_mul(stamp.unit.millis()));
    at.map(Timestamp::from_millis).filter(|at| at.in_range()).ok_or(Refusal::Malformed)
}

fn within(stamp: &Stamp, at: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    if at + stamp.max_age < now {
        Err(Refusal::Stale)
    } else if at > now + stamp.max_ahead {
        Err(Refusal::Ahead)
    } else {
        Ok(())
    }
}

/// Whether two texts are the same, in a time that depends on their lengths alone.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"tidemark: only to compare");
    hmac::verify(&key, a, hmac::sign(&key, b).as_ref()).is_ok()
}
