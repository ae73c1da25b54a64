//! Who shares in a deal, as JSON: a list of `{owner, share, type}`, or a text that holds one.

use std::borrow::Cow;

use super::canonical::MAX_ID;
use super::draft::{Text, kind_of, text_of};
use crate::model::deadletter::{Code, Reason};
use crate::model::event::Value;
use crate::model::split::{Split, SplitKind, Splits};

/// An entry as typed.
#[derive(serde::Deserialize)]
struct Draft<'a> {
    #[serde(borrow, default)]
    owner: Option<Text<'a>>,
    #[serde(borrow, default)]
    share: Option<Text<'a>>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
}

/// The value of the field from raw JSON that is not null: an array, empty where nobody shares.
pub fn splits(what: &str, raw: &str) -> Result<Value<'static>, Reason> {
    if !raw.starts_with('[') {
        let why = format!("{what}: expected a list of owners and shares, found {}", kind_of(raw));
        return Err(Reason::new(Code::DecodeJson, why));
    }
    let drafts: Vec<Draft<'_>> = serde_json::from_str(raw)
        .map_err(|e| Reason::new(Code::DecodeJson, format!("{what}: {}", super::json_fault(&e))))?;
    let bad = |why: String| Reason::new(Code::BadSplits, format!("{what}{why}"));
    let mut list = Vec::new();
    for (i, draft) in drafts.into_iter().enumerate() {
        let at = |why: &str| bad(format!("[{i}].{why}"));
        let Some(Text(owner)) = draft.owner.filter(|owner| !owner.0.is_empty()) else {
            return Err(at("owner is absent or empty"));
        };
        if owner.len() > MAX_ID {
            return Err(at(&format!("owner has {} bytes, the limit is {MAX_ID}", owner.len())));
        }
        let Some(Text(share)) = draft.share else { return Err(at("share is absent")) };
        let share = share.trim().parse().map_err(|e| at(&format!("share {e}")))?;
        let kind = match draft.kind {
            None => SplitKind::Revenue,
            Some(Text(kind)) => {
                SplitKind::parse(&kind).ok_or_else(|| at("type is none of revenue, overlay"))?
            }
        };
        list.push(Split { kind, owner: owner.into_owned(), share });
    }
    let splits = Splits::of(list).map_err(|e| bad(format!(" {e}")))?;
    Ok(splits.map_or(Value::Null, Value::Splits))
}

/// The same of a system that can only keep texts: its field holds the list as JSON.
pub fn written(what: &str, raw: &str) -> Result<Value<'static>, Reason> {
    let text = match raw.as_bytes().first() {
        Some(b'"') => text_of(raw).unwrap_or_default(),
        _ => Cow::Borrowed(raw),
    };
    match text.trim() {
        "" | "null" => Ok(Value::Null),
        text => splits(what, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Result<String, String> {
        match written("set.splits", raw) {
            Ok(Value::Splits(splits)) => Ok(splits.packed()),
            Ok(other) => Ok(format!("{other:?}")),
            Err(reason) => Err(format!("{} {}", reason.code.as_str(), reason.message)),
        }
    }

    #[test]
    fn a_list_is_read_as_it_is_or_from_a_text() {
        let list = r#"[{"owner":"b","share":"0.60"},{"owner":7,"share":0.4,"type":"revenue"}]"#;
        let packed = "0;40000000;1;70;60000000;1;b";
        assert_eq!(read(list).as_deref(), Ok(packed));
        assert_eq!(read(&serde_json::to_string(list).unwrap()).as_deref(), Ok(packed));
        let overlay = r#"[{"owner":"c","share":1,"type":"overlay","note":"not read"}]"#;
        assert_eq!(read(overlay).as_deref(), Ok("1;100000000;1;c"));
        for nobody in ["[]", "\"\"", "\" [] \"", "\"null\""] {
            assert_eq!(read(nobody).as_deref(), Ok("Null"), "{nobody}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (raw, told) in [
            ("7", "DECODE_JSON set.splits: expected a list of owners and shares, found a number"),
            (
                "\"half\"",
                "DECODE_JSON set.splits: expected a list of owners and shares, found nothing",
            ),
            (r#"[{"share":1}]"#, "BAD_SPLITS set.splits[0].owner is absent or empty"),
            (r#"[{"owner":"","share":1}]"#, "BAD_SPLITS set.splits[0].owner is absent or empty"),
            (r#"[{"owner":"a"}]"#, "BAD_SPLITS set.splits[0].share is absent"),
            (
                r#"[{"owner":"a","share":60},{"owner":"b","share":40}]"#,
                "BAD_SPLITS set.splits[0].share is not between 0 and 1; 60 % is 0.6",
            ),
            (
                r#"[{"owner":"a","share":"0.123456789"}]"#,
                "BAD_SPLITS set.splits[0].share has more than 8 decimals",
            ),
            (
                r#"[{"owner":"a","share":1,"type":"team"}]"#,
                "BAD_SPLITS set.splits[0].type is none of revenue, overlay",
            ),
            (
                r#"[{"owner":"a","share":0.6},{"owner":"b","share":0.3}]"#,
                "BAD_SPLITS set.splits has revenue shares that sum to 0.9, not to 1",
            ),
        ] {
            assert_eq!(read(raw), Err(told.to_owned()), "{raw}");
        }
        assert!(read(r#"[{"owner":{},"share":1}]"#).unwrap_err().starts_with("DECODE_JSON"));
        let long = format!(r#"[{{"owner":"{}","share":1}}]"#, "x".repeat(MAX_ID + 1));
        assert!(read(&long).unwrap_err().contains("513 bytes"));
        let many = format!("[{}]", [r#"{"owner":"a","share":0}"#; 17].join(","));
        assert!(read(&many).unwrap_err().contains("17 entries"));
    }
}
