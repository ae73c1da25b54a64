//! The two looks into a body that some schemes need. Neither recurses, nor keeps what it passes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Refusal;

/// The text of a member of the object that is the body. It must occur once; a number stands for
/// its digits.
pub(super) fn member<'b>(body: &'b [u8], name: &str) -> Result<Option<Cow<'b, [u8]>>, Refusal> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let found = reader.deserialize_map(Member(name)).map_err(|_| Refusal::Malformed)?;
    reader.end().map_err(|_| Refusal::Malformed)?;
    match found {
        Found::None => Ok(None),
        Found::Twice => Err(Refusal::Repeated),
        Found::One(raw) if raw.get().starts_with('"') => {
            let text: String = serde_json::from_str(raw.get()).map_err(|_| Refusal::Malformed)?;
            Ok(Some(Cow::Owned(text.into_bytes())))
        }
        Found::One(raw) if raw.get().starts_with(|c: char| c.is_ascii_digit()) => {
            Ok(Some(Cow::Borrowed(raw.get().as_bytes())))
        }
        Found::One(_) => Err(Refusal::Malformed),
    }
}

enum Found<'b> {
    None,
    One(&'b RawValue),
    Twice,
}

struct Member<'n>(&'n str);

impl<'b> Visitor<'b> for Member<'_> {
    type Value = Found<'b>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<Found<'b>, A::Error> {
        let mut found = Found::None;
        while let Some(name) = map.next_key::<Cow<'b, str>>()? {
            if name != self.0 {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let raw = map.next_value::<&'b RawValue>()?;
            found = if matches!(found, Found::None) { Found::One(raw) } else { Found::Twice };
        }
        Ok(found)
    }
}

/// The bytes of the first element of an array, or of the array `batch` of an object; and whether the
/// body holds nothing else.
pub(super) fn first_element(body: &[u8]) -> Option<(&[u8], bool)> {
    let wrapped = *body.trim_ascii_start().first()? == b'{';
    let array = match wrapped {
        true => {
            let mut reader = serde_json::Deserializer::from_slice(body);
            let Found::One(raw) = reader.deserialize_map(Member("batch")).ok()? else {
                return None;
            };
            reader.end().ok()?;
            raw.get().as_bytes()
        }
        false => body,
    };
    let mut reader = serde_json::Deserializer::from_slice(array);
    let (first, alone) = reader.deserialize_seq(First).ok()?;
    reader.end().ok()?;
    Some((first?.get().as_bytes(), alone && !wrapped))
}

struct First;

impl<'b> Visitor<'b> for First {
    type Value = (Option<&'b RawValue>, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let first = seq.next_element::<&'b RawValue>()?;
        let mut alone = true;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            alone = false;
        }
        Ok((first, alone))
    }
}

/// The text of a challenge: of a body that is an object with nothing but a `challenge`.
pub fn challenge(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Challenge {
        challenge: String,
    }
    let challenge: Challenge = serde_json::from_slice(body).ok()?;
    Some(challenge.challenge)
}
