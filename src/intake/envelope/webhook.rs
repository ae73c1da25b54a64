//! Standard Webhooks (<https://github.com/standard-webhooks/standard-webhooks>): an id in the
//! headers that is the same in every attempt, and by recommendation a body of `type`, `timestamp`
//! and `data`.

use std::borrow::Cow;

use super::{Opened, Reads, quoted};
use crate::intake::json::Json;
use crate::model::record::Record;
use crate::model::time::Timestamp;

/// A header of the webhook request: as it stands, or as a receiver passes it on (`http.…`). Names of
/// HTTP headers do not tell upper from lower case.
pub fn header<'r>(record: &'r Record, name: &str) -> Option<&'r str> {
    let header = record.headers.iter().rev().find(|h| is(&h.name, name))?;
    std::str::from_utf8(&header.value).ok()
}

fn is(given: &str, name: &str) -> bool {
    given.strip_prefix("http.").unwrap_or(given).eq_ignore_ascii_case(name)
}

/// Whether it is the name of the header of the id.
pub fn is_id(given: &str) -> bool {
    PREFIXES.iter().any(|prefix| is(given, &format!("{prefix}id")))
}

/// A body of one event, dated as given.
pub fn around(time: &str, element: &str) -> String {
    let time = quoted(time);
    format!("{{\"type\":\"tidemark.event\",\"timestamp\":{time},\"data\":{element}}}")
}

const PREFIXES: [&str; 2] = ["webhook-", "svix-"];

/// A header of the standard, by its name without the prefix; Svix's own prefix is taken too.
fn of<'r>(record: &'r Record, name: &str) -> Option<&'r str> {
    PREFIXES.iter().find_map(|prefix| header(record, &format!("{prefix}{name}")))
}

/// Takes what the webhook lends, and for canonical events its `data`; whether it is one at all.
pub fn open<'a>(reads: Reads, record: &Record, json: Json<'a>, out: &mut Opened<'a>) -> bool {
    if record.headers.is_empty() {
        return false;
    }
    let Some(id) = of(record, "id").filter(|id| !id.is_empty()) else { return false };
    out.lent.id = Some(id.to_owned());
    // The header has the time of this attempt, the body that of the event.
    let attempt = || {
        let seconds: i64 = of(record, "timestamp")?.parse().ok()?;
        Some(Timestamp(seconds.saturating_mul(1_000_000)).to_string())
    };
    let Some(body) = json.object() else { return true };
    let stated = body.text("timestamp").filter(|at| Timestamp::parse_rfc3339(at).is_some());
    let stated = stated.map(Cow::into_owned);
    if reads == Reads::Canonical {
        out.lent.time = stated;
        let data = body.find("data").filter(|_| body.has("type") && body.has("timestamp"));
        if let Some(data) = data.filter(|data| data.raw().starts_with(['{', '['])) {
            out.text = Cow::Borrowed(data.raw());
        }
    } else {
        out.lent.time = stated.or_else(attempt);
    }
    true
}
