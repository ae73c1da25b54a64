//! What is signed, put together from its parts.

use std::borrow::Cow;

use ring::digest;

use super::scheme::{Encoding, Part, Scheme};
use super::{Refusal, Request, same, stamp_text};

/// Most fields of a form.
const FIELDS: usize = 1_000;

/// A piece of a message.
pub(super) enum Piece<'m> {
    Bytes(&'m [u8]),
    /// Where the secret stands.
    Secret,
}

/// What is signed, in pieces; `None` is the secret.
pub(super) struct Message<'m>(Vec<Option<Cow<'m, [u8]>>>);

impl Message<'_> {
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        self.0.iter().map(|piece| piece.as_ref().map_or(Piece::Secret, |b| Piece::Bytes(b)))
    }

    pub(super) fn joined(&self) -> Vec<u8> {
        self.0.iter().flatten().flat_map(|piece| piece.iter().copied()).collect()
    }
}

/// The message of a request.
pub(super) fn of<'m>(
    scheme: &'m Scheme,
    request: &Request<'m>,
    public_url: &str,
    given: &'m [u8],
) -> Result<Message<'m>, Refusal> {
    let mut out = Vec::with_capacity(scheme.message.len());
    for part in &scheme.message {
        out.push(match part {
            Part::Text(text) => Some(Cow::Borrowed(text.as_bytes())),
            Part::Method => Some(Cow::Borrowed(request.method.as_bytes())),
            Part::Url => Some(Cow::Owned(url(public_url, request.target))),
            Part::UrlDecoded => Some(Cow::Owned(decoded(&url(public_url, request.target)))),
            Part::Body => Some(Cow::Borrowed(request.body)),
            Part::Form => Some(Cow::Owned(form(request, scheme.signs_url())?)),
            Part::Timestamp => {
                let stamp = scheme.stamp.as_ref().ok_or(Refusal::Malformed)?;
                Some(Cow::Borrowed(stamp_text(stamp, request, given)?))
            }
            Part::Secret => None,
            Part::Header(name) => {
                Some(Cow::Borrowed(request.header(name)?.ok_or(Refusal::Malformed)?))
            }
        });
    }
    Ok(Message(out))
}

/// The same message with something else in the place of the body.
pub(super) fn with_body<'m>(message: &Message<'m>, body: &[u8], other: &'m [u8]) -> Message<'m> {
    let swap = |piece: &Option<Cow<'m, [u8]>>| match piece {
        Some(Cow::Borrowed(bytes)) if std::ptr::eq(*bytes, body) => Some(Cow::Borrowed(other)),
        piece => piece.clone(),
    };
    Message(message.0.iter().map(swap).collect())
}

fn url(public_url: &str, target: &str) -> Vec<u8> {
    [public_url.as_bytes(), target.as_bytes()].concat()
}

/// The escapes that HubSpot decodes before it signs, and no others.
const DECODED: [([u8; 2], u8); 12] = [
    (*b"3a", b':'),
    (*b"2f", b'/'),
    (*b"3f", b'?'),
    (*b"40", b'@'),
    (*b"21", b'!'),
    (*b"24", b'$'),
    (*b"27", b'\''),
    (*b"28", b'('),
    (*b"29", b')'),
    (*b"2a", b'*'),
    (*b"2c", b','),
    (*b"3b", b';'),
];

/// In one pass: what comes of an escape is not looked at again.
fn decoded(url: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(url.len());
    let mut rest = url;
    while let [first, behind @ ..] = rest {
        let escape = match rest {
            [b'%', high, low, ..] => {
                let escape = [high.to_ascii_lowercase(), low.to_ascii_lowercase()];
                DECODED.iter().find(|(e, _)| *e == escape)
            }
            _ => None,
        };
        match escape {
            Some((_, character)) => {
                out.push(*character);
                rest = &rest[3..];
            }
            None => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    out
}

/// The fields of a form as Twilio signs them. Of a body that is no form its hash stands in the URL,
/// which proves something only where that is signed too.
fn form(request: &Request<'_>, url_is_signed: bool) -> Result<Vec<u8>, Refusal> {
    if !request.is_form()? {
        if !url_is_signed {
            return Err(Refusal::Malformed);
        }
        let stated = Request::parameter(request.query().as_bytes(), "bodySHA256")?;
        let stated = stated.and_then(|text| Encoding::Hex.decode(&text));
        let hash = digest::digest(&digest::SHA256, request.body);
        let holds = stated.is_some_and(|stated| same(&stated, hash.as_ref()));
        return if holds { Ok(Vec::new()) } else { Err(Refusal::Malformed) };
    }
    let mut fields: Vec<_> = form_urlencoded::parse(request.body).take(FIELDS + 1).collect();
    if fields.len() > FIELDS {
        return Err(Refusal::Malformed);
    }
    fields.sort_unstable();
    fields.dedup();
    Ok(fields.iter().flat_map(|(k, v)| [k.as_bytes(), v.as_bytes()]).collect::<Vec<_>>().concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hubspot_decodes_twelve_escapes_once() {
        let all = b"https://x/a?q=%3A%2f%3F%40%21%24%27%28%29%2A%2C%3b%20%26%3D%25&r=%253A%2";
        assert_eq!(decoded(all), b"https://x/a?q=:/?@!$'()*,;%20%26%3D%25&r=%253A%2");
    }
}
