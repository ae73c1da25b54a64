//! Writes canonical events by hand: the world is a load generator too, and a JSON tree an event
//! would cost more than the event.

use chrono::Datelike;

use super::cast::System;
use super::{DAY, HOUR, season};
use crate::model::event::{EntityKind, Field, Op};
use crate::model::money::Currency;
use crate::model::time::Precision;

/// Tenant of all events of a world.
pub const TENANT: &str = "default";

/// An event that is written, and when it happened.
pub(super) struct Posting {
    pub moment: i64,
    pub key: String,
    pub entity: EntityKind,
    pub json: String,
    pub latency: f64,
}

/// An entity as it signs its events.
#[derive(Debug)]
pub(super) struct Subject {
    pub kind: EntityKind,
    pub id: String,
    pub system: &'static System,
    pub test: bool,
    /// Events so far; part of the ids and of the order.
    pub written: u32,
}

/// An event being written.
pub(super) struct Draft {
    json: String,
    empty: bool,
    merged_into: Option<String>,
}

/// The id of the entity with that number.
pub(super) fn entity_id(kind: EntityKind, number: u64) -> String {
    match kind {
        EntityKind::Lead => format!("l-{number:07}"),
        EntityKind::Activity => format!("a-{number}"),
        EntityKind::Order => format!("o-{number}"),
        EntityKind::Invoice => format!("i-{number}"),
        EntityKind::Subscription => format!("s-{number}"),
        EntityKind::Touch => format!("t-{number}"),
        EntityKind::SurveyResponse => format!("q-{number}"),
        _ => format!("d-{number:07}"),
    }
}

impl Subject {
    /// Begins the entity's next event. `moment` is in milliseconds; what the system cannot tell
    /// apart in time, it tells apart by the second number of the order.
    pub(super) fn draft(&mut self, op: Op, moment: i64) -> Draft {
        self.written += 1;
        let System { name, source, precision, .. } = self.system;
        let mut json = String::with_capacity(448);
        json.push_str("{\"v\":1,\"id\":\"");
        for part in [source, ":", self.kind.as_str(), ":", &self.id, ":"] {
            json.push_str(part);
        }
        digits(&mut json, u64::from(self.written), 1);
        for part in [
            "\",\"tenant\":\"",
            TENANT,
            "\",\"source\":\"",
            source,
            "\",\"system\":\"",
            name,
            "\",\"kind\":\"patch\",\"entity\":{\"type\":\"",
            self.kind.as_str(),
            "\",\"id\":\"",
            &self.id,
            "\"},\"op\":\"",
            op.as_str(),
            "\",\"time\":\"",
        ] {
            json.push_str(part);
        }
        instant(&mut json, moment, *precision);
        json.push_str("\",\"time_precision\":\"");
        json.push_str(precision.as_str());
        json.push_str("\",\"order\":[");
        digits(&mut json, rounded(moment, *precision).max(0) as u64, 1);
        json.push(',');
        digits(&mut json, u64::from(self.written), 1);
        json.push_str("],\"set\":{");
        Draft { json, empty: true, merged_into: None }
    }

    /// Ends an event and sends it.
    pub(super) fn post(&self, draft: Draft, moment: i64, flags: &str, out: &mut Vec<Posting>) {
        let mut json = draft.json;
        json.push('}');
        if let Some(id) = draft.merged_into {
            json.push_str(",\"merged_into\":\"");
            escaped(&mut json, &id);
            json.push('"');
        }
        match (flags, self.test) {
            ("", false) => {}
            ("", true) => json.push_str(",\"flags\":[\"test\"]"),
            (flag, test) => {
                json.push_str(",\"flags\":[\"");
                json.push_str(flag);
                json.push_str(if test { "\",\"test\"]" } else { "\"]" });
            }
        }
        json.push('}');
        let kind = self.kind.as_str();
        let mut key = String::with_capacity(TENANT.len() + kind.len() + self.id.len() + 2);
        for part in [TENANT, "/", kind, "/", &self.id] {
            key.push_str(part);
        }
        let latency = self.system.latency;
        out.push(Posting { moment, key, entity: self.kind, json, latency });
    }
}

impl Draft {
    pub(super) fn text(&mut self, field: Field, value: &str) -> &mut Draft {
        self.texts(field, &[value])
    }

    /// A text in pieces.
    pub(super) fn texts(&mut self, field: Field, pieces: &[&str]) -> &mut Draft {
        self.name(field);
        self.json.push('"');
        for piece in pieces {
            escaped(&mut self.json, piece);
        }
        self.json.push('"');
        self
    }

    pub(super) fn null(&mut self, field: Field) -> &mut Draft {
        self.name(field);
        self.json.push_str("null");
        self
    }

    /// A number of hundredths.
    pub(super) fn hundredths(&mut self, field: Field, value: u32) -> &mut Draft {
        self.name(field);
        decimal(&mut self.json, i64::from(value));
        self
    }

    /// A whole number.
    pub(super) fn whole(&mut self, field: Field, value: u32) -> &mut Draft {
        self.name(field);
        digits(&mut self.json, value.into(), 1);
        self
    }

    pub(super) fn flag(&mut self, field: Field, value: bool) -> &mut Draft {
        self.name(field);
        self.json.push_str(if value { "true" } else { "false" });
        self
    }

    pub(super) fn money(&mut self, field: Field, cents: i64, currency: Currency) -> &mut Draft {
        self.name(field);
        self.json.push_str("{\"value\":\"");
        decimal(&mut self.json, cents);
        self.json.push_str("\",\"currency\":\"");
        self.json.push_str(&currency.to_string());
        self.json.push_str("\"}");
        self
    }

    pub(super) fn time(&mut self, field: Field, ms: i64, precision: Precision) -> &mut Draft {
        self.name(field);
        self.json.push('"');
        instant(&mut self.json, ms, precision);
        self.json.push('"');
        self
    }

    /// A list of owner, share and type.
    pub(super) fn splits(&mut self, field: Field, list: &[(&str, &str, &str)]) -> &mut Draft {
        self.name(field);
        for (i, (owner, share, kind)) in list.iter().enumerate() {
            self.json.push_str(if i == 0 { "[{\"owner\":\"" } else { ",{\"owner\":\"" });
            escaped(&mut self.json, owner);
            for part in ["\",\"share\":\"", share, "\",\"type\":\"", kind, "\"}"] {
                self.json.push_str(part);
            }
        }
        self.json.push(']');
        self
    }

    /// Names the entity that this one was merged into.
    pub(super) fn merged_into(&mut self, id: String) {
        self.merged_into = Some(id);
    }

    fn name(&mut self, field: Field) {
        self.json.push_str(if self.empty { "\"" } else { ",\"" });
        self.empty = false;
        self.json.push_str(field.as_str());
        self.json.push_str("\":");
    }
}

fn escaped(json: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if u32::from(c) < 0x20 => {
                json.push_str("\\u00");
                json.push(char::from_digit(u32::from(c) >> 4, 16).expect("below 2"));
                json.push(char::from_digit(u32::from(c) & 15, 16).expect("below 16"));
            }
            c => json.push(c),
        }
    }
}

/// At least `width` digits.
fn digits(json: &mut String, mut n: u64, width: usize) {
    let mut buffer = [b'0'; 20];
    let mut at = buffer.len();
    while n > 0 {
        at -= 1;
        buffer[at] = b'0' + (n % 10) as u8;
        n /= 10;
    }
    let from = at.min(buffer.len() - width);
    json.extend(buffer[from..].iter().map(|b| char::from(*b)));
}

fn decimal(json: &mut String, cents: i64) {
    if cents < 0 {
        json.push('-');
    }
    digits(json, cents.unsigned_abs() / 100, 1);
    json.push('.');
    digits(json, cents.unsigned_abs() % 100, 2);
}

/// As exact as the system knows it.
fn rounded(ms: i64, precision: Precision) -> i64 {
    match precision {
        Precision::Micros | Precision::Millis => ms,
        Precision::Seconds => ms - ms.rem_euclid(1000),
        Precision::Day => ms - ms.rem_euclid(DAY),
    }
}

fn instant(json: &mut String, ms: i64, precision: Precision) {
    let date = season::date(ms.div_euclid(DAY));
    digits(json, date.year().unsigned_abs().into(), 4);
    json.push('-');
    digits(json, date.month().into(), 2);
    json.push('-');
    digits(json, date.day().into(), 2);
    if precision == Precision::Day {
        return;
    }
    let rest = ms.rem_euclid(DAY) as u64;
    json.push('T');
    digits(json, rest / HOUR as u64, 2);
    json.push(':');
    digits(json, rest / 60_000 % 60, 2);
    json.push(':');
    digits(json, rest / 1000 % 60, 2);
    if precision != Precision::Seconds {
        json.push('.');
        digits(json, rest % 1000, 3);
    }
    json.push('Z');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(write: impl FnOnce(&mut String)) -> String {
        let mut text = String::new();
        write(&mut text);
        text
    }

    #[test]
    fn numbers_and_instants_are_padded() {
        assert_eq!(shown(|t| digits(t, 0, 1)), "0");
        assert_eq!(shown(|t| digits(t, 1234, 2)), "1234");
        assert_eq!(shown(|t| decimal(t, -5)), "-0.05");
        let ms = 1_764_086_400_023;
        assert_eq!(shown(|t| instant(t, ms, Precision::Millis)), "2025-11-25T16:00:00.023Z");
        assert_eq!(shown(|t| instant(t, ms, Precision::Seconds)), "2025-11-25T16:00:00Z");
        assert_eq!(shown(|t| instant(t, ms, Precision::Day)), "2025-11-25");
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(shown(|t| escaped(t, "a\"b\\c\nø")), "a\\\"b\\\\c\\u000aø");
    }
}
