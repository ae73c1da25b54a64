//! How a system signs, as data.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::time::Span;

/// How the signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-1.
    HmacSha1,
    /// HMAC with SHA-256.
    HmacSha256,
    /// SHA-256 of a message that holds the secret.
    Sha256,
    /// ECDSA on P-256 with SHA-256; the secret is the public key.
    EcdsaP256,
    /// RSA PKCS#1 v1.5 with SHA-256; the secret is the public key.
    RsaSha256,
    /// No signature: the secret itself is sent.
    Token,
    /// Anybody is believed.
    None,
}

impl Algorithm {
    /// All of them, by their names in the configuration.
    pub const ALL: [(&'static str, Algorithm); 7] = [
        ("hmac-sha1", Algorithm::HmacSha1),
        ("hmac-sha256", Algorithm::HmacSha256),
        ("sha256", Algorithm::Sha256),
        ("ecdsa-p256", Algorithm::EcdsaP256),
        ("rsa-sha256", Algorithm::RsaSha256),
        ("token", Algorithm::Token),
        ("none", Algorithm::None),
    ];

    /// Whether it signs a message.
    pub fn signs(self) -> bool {
        !matches!(self, Algorithm::Token | Algorithm::None)
    }
}

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Plain,
    /// Hexadecimal, in lower case.
    Hex,
    /// Base64 with its padding.
    Base64,
}

impl Encoding {
    /// All of them, by their names in the configuration.
    pub const ALL: [(&'static str, Encoding); 3] =
        [("utf8", Encoding::Plain), ("hex", Encoding::Hex), ("base64", Encoding::Base64)];

    /// The bytes, where the text is the one right spelling of them.
    pub fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Encoding::Plain => Some(text.to_vec()),
            Encoding::Hex => hex(text),
            Encoding::Base64 => STANDARD.decode(text).ok(),
        }
    }
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: &u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

/// Where something stands in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A header, by its name in lower case.
    Header(String),
    /// A parameter of the query.
    Query(String),
    /// A member of the JSON object that is the body, or a field of the form.
    Field(String),
}

/// Which part of the text at its place is a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// All of it.
    Whole,
    /// The values of this name in `t=…,v1=…`.
    Keyed(String),
    /// Each word of a list that has the prefix.
    Spaced,
}

/// Where the signature stands, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Where.
    pub place: Place,
    /// How it is written.
    pub encoding: Encoding,
    /// What stands before it.
    pub prefix: String,
    /// Which part.
    pub pick: Pick,
}

/// A piece of the message that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A text.
    Text(String),
    /// The method.
    Method,
    /// The public URL: that of the configuration, and the target of the request behind it.
    Url,
    /// The same with certain escapes decoded, as HubSpot's version 3 wants it.
    UrlDecoded,
    /// The body as it came.
    Body,
    /// The fields of the form, sorted, each name followed by its value.
    Form,
    /// The time of the signature, as it was written.
    Timestamp,
    /// The secret.
    Secret,
    /// A header.
    Header(String),
}

impl Part {
    /// From its name in the configuration, such as `{body}` or `{header:webhook-id}`; any other text
    /// stands for itself.
    pub fn parse(text: &str) -> Option<Part> {
        let Some(name) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
            return (!text.contains(['{', '}'])).then(|| Part::Text(text.to_owned()));
        };
        Some(match name {
            "method" => Part::Method,
            "url" => Part::Url,
            "url-decoded" => Part::UrlDecoded,
            "body" => Part::Body,
            "form" => Part::Form,
            "timestamp" => Part::Timestamp,
            "secret" => Part::Secret,
            _ => Part::Header(name.strip_prefix("header:")?.to_ascii_lowercase()),
        })
    }
}

/// What a timestamp counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
}

impl Unit {
    /// How many milliseconds it is.
    pub fn millis(self) -> i64 {
        match self {
            Unit::Seconds => 1000,
            Unit::Millis => 1,
        }
    }
}

/// Where a timestamp stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StampAt {
    /// A header.
    Header(String),
    /// A value of the header that has the signature, as in `t=…,v1=…`.
    Keyed(String),
}

/// When a request was signed, and how far that may be from our clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Where it stands.
    pub at: StampAt,
    /// What it counts.
    pub unit: Unit,
    /// How old it may be.
    pub max_age: Span,
    /// How far ahead it may be.
    pub max_ahead: Span,
}

/// Whether the first element of a batch may be what is signed in place of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstElement {
    /// Never.
    Not,
    /// Where it is the whole batch: nothing is taken on trust.
    Alone,
    /// Whatever stands behind it.
    Any,
}

/// How a system signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// Name, for the record and for metrics.
    pub name: String,
    /// It is this scheme only if a header has this value.
    pub when: Option<(String, String)>,
    /// How the signature is made.
    pub algorithm: Algorithm,
    /// How the secret is written where it is configured.
    pub secret: Encoding,
    /// What is signed, joined.
    pub message: Vec<Part>,
    /// Where the signature is.
    pub signature: Given,
    /// When it was signed.
    pub stamp: Option<Stamp>,
    /// What of a batch may be what is signed.
    pub first_element: FirstElement,
}

impl Scheme {
    /// Whether the URL is part of what is signed.
    pub fn signs_url(&self) -> bool {
        self.message.iter().any(|p| matches!(p, Part::Url | Part::UrlDecoded))
    }

    /// The header that holds the signature, or the secret itself.
    pub fn credential(&self) -> Option<String> {
        match &self.signature.place {
            Place::Header(name) => Some(name.clone()),
            _ => None,
        }
    }

    /// What is wrong with it, and how to mend it.
    pub fn wrong(&self) -> Option<(&'static str, &'static str)> {
        let has = |part: &Part| self.message.contains(part);
        if self.algorithm.signs() && !has(&Part::Body) && !has(&Part::Form) {
            return Some((
                "the message does not hold the body: whatever is sent would be believed",
                "add \"{body}\" (or \"{form}\") to message",
            ));
        }
        if has(&Part::Form) && !self.signs_url() {
            return Some((
                "\"{form}\" without the address: a body that is no form is vouched for by a hash there, which anybody could write",
                "add \"{url}\" to message, or sign \"{body}\"",
            ));
        }
        if self.algorithm == Algorithm::Sha256 && !has(&Part::Secret) {
            return Some((
                "the message does not hold the secret: anybody could sign",
                "begin message with \"{secret}\", as \"sha256\" is a plain hash",
            ));
        }
        if self.algorithm != Algorithm::Sha256 && has(&Part::Secret) {
            return Some((
                "\"{secret}\" is a part of the message only for \"sha256\"",
                "remove \"{secret}\" from message: the secret is the key",
            ));
        }
        if !self.algorithm.signs() && !self.message.is_empty() {
            return Some(("nothing is signed, and yet there is a message", "remove message"));
        }
        if has(&Part::Timestamp) && self.stamp.is_none() {
            return Some(("\"{timestamp}\" has no place", "add timestamp = { … }"));
        }
        if let Some(stamp) = &self.stamp {
            let header = match &stamp.at {
                StampAt::Header(name) => has(&Part::Header(name.clone())),
                StampAt::Keyed(_) => false,
            };
            if !has(&Part::Timestamp) && !header {
                return Some((
                    "the timestamp is no part of the message: anybody could change it",
                    "add \"{timestamp}\" to message, or remove timestamp",
                ));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_signed_with_its_address() {
        let mut twilio = crate::verify::Preset::parse("twilio").unwrap().schemes().remove(0);
        assert_eq!(twilio.wrong(), None);
        twilio.message = vec![Part::Form];
        assert!(twilio.wrong().is_some_and(|(what, _)| what.contains("without the address")));
    }
}
