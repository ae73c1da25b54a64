//! Values as people write them: what Kafka Connect, Debezium and Avro keep as numbers and bytes
//! becomes the text of a decimal, a date, a time of day, an instant.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};

use crate::model::time::Day;

/// Most bytes of the unscaled number of a decimal: 154 digits, where databases have 38 to 65.
const UNSCALED: usize = 64;
/// Largest scale, and largest number of zeros behind a number of a negative scale.
const SCALE: i64 = 512;

/// What a value is, by the name of its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logical {
    /// Unscaled bytes; the scale is of the schema.
    Decimal,
    /// A struct of scale and unscaled bytes.
    VariableDecimal,
    /// A number that is a time.
    Time(Time),
}

/// A number that is a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Days since 1970.
    Days,
    /// Since midnight, so many a second.
    OfDay(i64),
    /// Since 1970 in UTC, so many a second.
    Instant(i64),
    /// Since 1970 on a clock of no stated zone, so many a second.
    Local(i64),
}

/// A value as a person would write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plain {
    /// The digits of a decimal.
    Number(String),
    /// A time.
    Text(String),
}

const MILLIS: i64 = 1_000;
const MICROS: i64 = 1_000_000;
const NANOS: i64 = 1_000_000_000;

impl Logical {
    /// How the names begin that say more than the JSON shows.
    pub const PREFIXES: [&'static str; 3] =
        ["org.apache.kafka.connect.data.", "io.debezium.time.", "io.debezium.data.VariableScale"];

    /// By the name of a schema of Kafka Connect.
    pub fn of_connect(name: &str) -> Option<Logical> {
        let time = match name {
            "org.apache.kafka.connect.data.Decimal" => return Some(Logical::Decimal),
            "io.debezium.data.VariableScaleDecimal" => return Some(Logical::VariableDecimal),
            "org.apache.kafka.connect.data.Date" | "io.debezium.time.Date" => Time::Days,
            "org.apache.kafka.connect.data.Time" | "io.debezium.time.Time" => Time::OfDay(MILLIS),
            "io.debezium.time.MicroTime" => Time::OfDay(MICROS),
            "io.debezium.time.NanoTime" => Time::OfDay(NANOS),
            "org.apache.kafka.connect.data.Timestamp" => Time::Instant(MILLIS),
            // Of columns without a zone.
            "io.debezium.time.Timestamp" => Time::Local(MILLIS),
            "io.debezium.time.MicroTimestamp" => Time::Local(MICROS),
            "io.debezium.time.NanoTimestamp" => Time::Local(NANOS),
            _ => return None,
        };
        Some(Logical::Time(time))
    }

    /// By a logical type of Avro.
    pub fn of_avro(name: &str) -> Option<Logical> {
        let time = match name {
            "decimal" => return Some(Logical::Decimal),
            "date" => Time::Days,
            "time-millis" => Time::OfDay(MILLIS),
            "time-micros" => Time::OfDay(MICROS),
            "timestamp-millis" => Time::Instant(MILLIS),
            "timestamp-micros" => Time::Instant(MICROS),
            "timestamp-nanos" => Time::Instant(NANOS),
            "local-timestamp-millis" => Time::Local(MILLIS),
            "local-timestamp-micros" => Time::Local(MICROS),
            "local-timestamp-nanos" => Time::Local(NANOS),
            _ => return None,
        };
        Some(Logical::Time(time))
    }
}

impl Time {
    /// The time as text; `None` where no calendar has it, and the number stays.
    pub fn plain(self, n: i64) -> Option<Plain> {
        let parts = |rate: i64| {
            let nanos = n.rem_euclid(rate).checked_mul(NANOS / rate)?;
            DateTime::<Utc>::from_timestamp(n.div_euclid(rate), u32::try_from(nanos).ok()?)
        };
        let common = |at: &DateTime<Utc>| (0..=9999).contains(&chrono::Datelike::year(at));
        let text = match self {
            Time::Days => {
                let day = i32::try_from(n).ok().filter(|n| (-719_528..2_932_897).contains(n))?;
                NaiveDate::to_string(&Day(day).date())
            }
            Time::OfDay(rate) => {
                let nanos = n.rem_euclid(rate).checked_mul(NANOS / rate)?;
                let seconds = u32::try_from(n.div_euclid(rate)).ok()?;
                let nanos = u32::try_from(nanos).ok()?;
                NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)?.to_string()
            }
            Time::Instant(rate) => {
                let at = parts(rate).filter(common)?;
                at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
            }
            Time::Local(rate) => {
                let at = parts(rate).filter(common)?;
                let text = at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                text.trim_end_matches('Z').to_owned()
            }
        };
        Some(Plain::Text(text))
    }
}

impl Plain {
    /// A decimal of an unscaled number, big-endian in two's complement; `None` where it has more
    /// digits than anybody counts in.
    pub fn decimal(bytes: &[u8], scale: i64) -> Option<Plain> {
        if bytes.len() > UNSCALED || !(-SCALE..=SCALE).contains(&scale) {
            return None;
        }
        let negative = bytes.first().is_some_and(|b| b & 0x80 != 0);
        let mut digits = magnitude(bytes, negative);
        if scale < 0 && digits != "0" {
            digits.extend(std::iter::repeat_n('0', usize::try_from(-scale).ok()?));
        }
        let scale = usize::try_from(scale).unwrap_or(0);
        if digits.len() <= scale {
            digits.insert_str(0, &"0".repeat(scale + 1 - digits.len()));
        }
        if scale > 0 {
            digits.insert(digits.len() - scale, '.');
        }
        if negative {
            digits.insert(0, '-');
        }
        Some(Plain::Number(digits))
    }

    /// As JSON. A decimal is a number, which no reader of ours takes through a float: so it is told
    /// from the base64 of a decimal that no envelope had the schema of.
    pub fn json(self) -> String {
        match self {
            Plain::Number(digits) => digits,
            Plain::Text(text) => format!("\"{text}\""),
        }
    }
}

/// The digits of a number of bytes without its sign.
fn magnitude(bytes: &[u8], negative: bool) -> String {
    let mut rest: Vec<u8> = if negative {
        // Two's complement: all bits turned, and one added.
        let mut carry = true;
        let mut out: Vec<u8> = bytes
            .iter()
            .rev()
            .map(|b| {
                let (sum, over) = (!b).overflowing_add(u8::from(carry));
                carry = over;
                sum
            })
            .collect();
        if carry {
            out.push(1);
        }
        out.reverse();
        out
    } else {
        bytes.to_vec()
    };
    let mut groups: Vec<u32> = Vec::new();
    while rest.iter().any(|b| *b != 0) {
        let mut left: u64 = 0;
        for byte in &mut rest {
            let n = left << 8 | u64::from(*byte);
            *byte = u8::try_from(n / 1_000_000_000).unwrap_or(u8::MAX);
            left = n % 1_000_000_000;
        }
        groups.push(u32::try_from(left).unwrap_or(0));
    }
    let mut groups = groups.into_iter().rev();
    let mut out = groups.next().map_or("0".to_owned(), |first| first.to_string());
    for group in groups {
        let _ = write!(out, "{group:09}");
    }
    out
}
