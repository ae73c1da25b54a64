//! A record, or an element of one, that is no event: why, where from, and its bytes.

use std::fmt::Write as _;

use super::record::{Header, Record};
use super::time::Timestamp;

macro_rules! codes {
    ($($variant:ident $name:literal $doc:literal),* $(,)?) => {
        /// Why something is a dead letter. Codes are stable: they label metrics and headers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Code { $(#[doc = $doc] $variant),* }

        impl Code {
            /// All codes with their stable names and meanings.
            pub const ALL: &'static [(Code, &'static str, &'static str)] =
                &[$((Code::$variant, $name, $doc)),*];
        }
    };
}

codes! {
    Empty "EMPTY" "The record has no value.",
    NotUtf8 "NOT_UTF8" "The bytes are not UTF-8.",
    DecodeJson "DECODE_JSON" "The bytes are not JSON, or a value is of the wrong type.",
    NotAnEvent "NOT_AN_EVENT" "The JSON is neither an object nor an array of objects.",
    TooLarge "TOO_LARGE" "The record, or what a mapping would make of it, is larger than `intake.max_record_bytes` allows.",
    TooMany "TOO_MANY" "An array, of the record or inside an element, has more elements than `intake.max_array`; or the topic of targets has more than are held.",
    UnknownVersion "UNKNOWN_VERSION" "`v` is not 1.",
    MissingField "MISSING_FIELD" "A required field is absent.",
    MissingEntity "MISSING_ENTITY" "`entity.type` or `entity.id` is absent or empty.",
    UnknownEntity "UNKNOWN_ENTITY" "`entity.type` is not one of the contract's.",
    UnknownValue "UNKNOWN_VALUE" "`kind`, `op`, `flags` or a status has a value that is not one of the contract's.",
    BadTime "BAD_TIME" "A time is neither RFC 3339 nor a date, or is outside 1970 to 2199.",
    FutureTimestamp "FUTURE_TIMESTAMP" "`time` lies further in the future than `time.future_limit`.",
    BadAmount "BAD_AMOUNT" "An amount is not a decimal, or has more digits than can be kept exactly.",
    BadCurrency "BAD_CURRENCY" "A currency is not an ISO 4217 code of three letters.",
    BadId "BAD_ID" "An id is empty or longer than 512 bytes.",
    BadSplits "BAD_SPLITS" "`splits` lacks an owner or a share, a share is not a decimal of at most 8 decimals between 0 and 1, there are more than 16 entries, or the revenue shares do not sum to 1.",
    BadCloudEvent "BAD_CLOUDEVENT" "The CloudEvents envelope lacks an attribute or its data cannot be read.",
    BadEnvelope "BAD_ENVELOPE" "The envelope (Debezium, Kafka Connect, Standard Webhooks, Confluent's framing) is broken, or is not the one that the source is pinned to.",
    UnknownSchema "UNKNOWN_SCHEMA" "The schema registry has no schema of the record's id, or one that cannot be used.",
    BadAvro "BAD_AVRO" "The bytes do not follow their Avro schema, or are larger or deeper than is read.",
    BadTarget "BAD_TARGET" "A record of the targets topic is no target that this job can show: the message names the key and how to mend it.",
    UnknownShape "UNKNOWN_SHAPE" "It has none of the shapes that the source's system is known to send.",
    Panicked "PANICKED" "Decoding or folding it broke an invariant of ours: please report it.",
}

impl Code {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// A code and what exactly was wrong, for people. Never an excerpt of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Stable code.
    pub code: Code,
    /// What was wrong and where, at most [`Reason::LIMIT`] bytes, no control characters.
    pub message: String,
}

impl Reason {
    /// Longest message, bytes.
    pub const LIMIT: usize = 1024;

    /// A reason; the message is cut and its control characters are escaped.
    pub fn new(code: Code, message: impl AsRef<str>) -> Reason {
        let mut text = String::new();
        for c in message.as_ref().chars() {
            if text.len() + 8 > Self::LIMIT {
                text.push('…');
                break;
            }
            if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
        }
        Reason { code, message: text }
    }
}

/// What goes to the dead-letter topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why.
    pub reason: Reason,
    /// Position in the record's array; `None` where the whole record is meant.
    pub index: Option<u32>,
    /// Position in the array that the envelope at `index` holds.
    pub inner: Option<u32>,
    /// Original key bytes.
    pub key: Option<Vec<u8>>,
    /// Original bytes: of the record, or of the one element that is bad.
    pub value: Option<Vec<u8>>,
    /// Original headers; of an element, an id in them that stands for several is numbered.
    pub headers: Vec<Header>,
    /// Where it was read from.
    pub origin: (String, u32, u64),
    /// Timestamp of the record, milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// Size and xxh3 hash of the value before it was cut.
    pub cut: Option<(usize, u64)>,
}

/// Who gives a record up, and when.
#[derive(Clone, Copy, Debug)]
pub struct Burial<'a> {
    /// Stage that could not go on with it.
    pub stage: &'a str,
    /// Name of the application.
    pub app: &'a str,
    /// Now.
    pub now: Timestamp,
    /// Whether the header names of Kafka Connect are written too.
    pub connect: bool,
}

/// On a record that was put back: the how manieth time it is.
pub const REDRIVE_ATTEMPT: &str = "tidemark.redrive.attempt";
/// On a record that was put back: when it became a dead letter first, milliseconds since 1970.
pub const REDRIVE_FIRST: &str = "tidemark.redrive.first_seen";
/// Headers of Kafka Connect on what it could not process start so.
pub const CONNECT: &str = "__connect.errors.";

fn size_of_headers(headers: &[Header]) -> usize {
    headers.iter().map(|h| h.name.len() + h.value.len() + 16).sum()
}

impl DeadLetter {
    /// A dead letter for a record, or for one element of its array. An element leaves a large key and
    /// large headers out: all elements of one record together would hold them a thousand times.
    pub fn new(record: &Record, reason: Reason, element: Option<(u32, &[u8])>) -> DeadLetter {
        let light = |size: usize| element.is_none() || size <= Self::HEADER_LIMIT;
        let headers = light(size_of_headers(&record.headers));
        let size = element.map_or(0, |(_, bytes)| bytes.len());
        DeadLetter {
            reason,
            index: element.map(|(i, _)| i),
            inner: None,
            key: record.key.as_ref().filter(|key| light(key.len())).cloned(),
            value: element.map(|(_, bytes)| bytes.to_vec()).or_else(|| record.value.clone()),
            headers: if headers { record.headers.clone() } else { Vec::new() },
            origin: (record.topic.to_string(), record.partition.0, record.offset.0),
            timestamp_ms: record.timestamp_ms,
            cut: (!headers).then_some((size, 0)),
        }
    }

    /// The same for every delivery of the same record: tools fold repetitions by it.
    pub fn id(&self) -> String {
        let (topic, partition, offset) = &self.origin;
        let mut id = format!("{topic}/{partition}/{offset}");
        for i in self.index.into_iter().chain(self.inner) {
            let _ = write!(id, "/{i}");
        }
        id
    }

    /// Cuts what the dead-letter topic could not take: the value to `limit` bytes, and the original
    /// headers where they alone are larger. Says so in headers of ours.
    pub fn cut(&mut self, limit: usize) {
        let size = self.value.as_ref().map_or(0, Vec::len);
        let key = self.key.as_ref().map_or(0, Vec::len);
        if size + key > limit {
            let hash = xxhash_rust::xxh3::xxh3_64(self.value.as_deref().unwrap_or_default());
            self.key.take_if(|k| k.len() > limit / 2);
            if let Some(value) = &mut self.value {
                value.truncate(limit / 2);
            }
            self.cut = Some((size, hash));
        }
        if size_of_headers(&self.headers) > Self::HEADER_LIMIT {
            self.headers.clear();
            self.cut.get_or_insert((size, 0));
        }
    }

    /// Most bytes of original headers that are kept.
    pub const HEADER_LIMIT: usize = 32 * 1024;

    /// The original headers, then ours: `tidemark.error.*`, and those that consoles know of Kafka
    /// Connect where they are asked for.
    pub fn headers(&self, by: &Burial<'_>) -> Vec<Header> {
        let (topic, partition, offset) = &self.origin;
        let mut out = self.headers.clone();
        let known = |name: &str| {
            let header = self.headers.iter().rev().find(|h| h.name == name);
            header.map(|h| String::from_utf8_lossy(&h.value).into_owned())
        };
        let attempt = known(REDRIVE_ATTEMPT).unwrap_or_else(|| "0".to_owned());
        let first = known(REDRIVE_FIRST).unwrap_or_else(|| by.now.millis().to_string());
        let mut put = |name: &str, value: String| {
            out.push(Header::new(format!("tidemark.error.{name}"), value.into_bytes()));
        };
        put("id", self.id());
        put("code", self.reason.code.as_str().to_owned());
        put("message", self.reason.message.clone());
        put("stage", by.stage.to_owned());
        put("topic", topic.clone());
        put("partition", partition.to_string());
        put("offset", offset.to_string());
        if let Some(i) = self.index {
            put("index", i.to_string());
        }
        if let Some((size, hash)) = self.cut {
            put("size", size.to_string());
            put("xxh3", format!("{hash:016x}"));
        }
        if let Some(ms) = self.timestamp_ms {
            put("timestamp", ms.to_string());
        }
        put("app", by.app.to_owned());
        put("version", env!("CARGO_PKG_VERSION").to_owned());
        put("attempt", attempt);
        put("first_seen", first);
        if by.connect {
            self.like_connect(by, &mut out);
        }
        out
    }
}

impl DeadLetter {
    /// The same in the names of Kafka Connect. What an earlier failure wrote there gives way.
    fn like_connect(&self, by: &Burial<'_>, out: &mut Vec<Header>) {
        out.retain(|header| !header.name.starts_with(CONNECT));
        let (topic, partition, offset) = &self.origin;
        for (name, value) in [
            ("topic", topic.as_str()),
            ("partition", &partition.to_string()),
            ("offset", &offset.to_string()),
            ("connector.name", by.app),
            ("task.id", "0"),
            ("stage", by.stage),
            ("class.name", "tidemark"),
            ("exception.class.name", self.reason.code.as_str()),
            ("exception.message", &self.reason.message),
        ] {
            out.push(Header::new(format!("{CONNECT}{name}"), value.as_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::{Offset, Partition};

    #[test]
    fn a_dead_letter_never_exceeds_what_its_topic_takes() {
        let record = Record {
            topic: "t".into(),
            partition: Partition(0),
            offset: Offset(7),
            timestamp_ms: None,
            key: Some(vec![b'k'; 900]),
            value: Some(vec![b'v'; 5000]),
            headers: vec![Header::new("big", vec![0; DeadLetter::HEADER_LIMIT])],
        };
        let reason = Reason::new(Code::TooLarge, "5000 bytes");
        let mut dead = DeadLetter::new(&record, reason.clone(), None);
        dead.cut(1000);
        let size = dead.key.as_ref().map_or(0, Vec::len) + dead.value.as_ref().map_or(0, Vec::len);
        assert!(size <= 1000 && dead.value.as_ref().is_some_and(|v| v.len() == 500));
        let burial =
            Burial { stage: "intake", app: "a", now: Timestamp::from_millis(9), connect: false };
        let headers = dead.headers(&burial);
        let get = |n: &str| headers.iter().find(|h| h.name == n).map(|h| h.value.clone());
        assert_eq!(get("big"), None);
        assert_eq!(get("tidemark.error.size"), Some(b"5000".to_vec()));
        // What fits stays whole, and says nothing of a size.
        let mut small = DeadLetter::new(&Record { headers: Vec::new(), ..record }, reason, None);
        small.cut(6000);
        assert_eq!((small.value.as_ref().map(Vec::len), small.cut), (Some(5000), None));
    }

    #[test]
    fn elements_of_one_record_do_not_multiply_its_key_and_headers() {
        let record = Record {
            topic: "t".into(),
            partition: Partition(0),
            offset: Offset(7),
            timestamp_ms: None,
            key: Some(vec![b'k'; DeadLetter::HEADER_LIMIT + 1]),
            value: Some(b"[1,2]".to_vec()),
            headers: vec![Header::new("big", vec![0; DeadLetter::HEADER_LIMIT])],
        };
        let reason = Reason::new(Code::NotAnEvent, "no object");
        let dead = DeadLetter::new(&record, reason, Some((1, b"2")));
        assert_eq!((&dead.key, dead.headers.len(), dead.cut), (&None, 0, Some((1, 0))));
        assert_eq!(dead.value, Some(b"2".to_vec()));
    }

    #[test]
    fn consoles_that_know_kafka_connect_are_told_too() {
        let record = Record {
            topic: "t".into(),
            partition: Partition(2),
            offset: Offset(7),
            timestamp_ms: None,
            key: None,
            value: Some(b"{".to_vec()),
            headers: vec![
                Header::new("__connect.errors.topic", "elsewhere"),
                Header::new(REDRIVE_ATTEMPT, "3"),
                Header::new(REDRIVE_FIRST, "5"),
            ],
        };
        let dead = DeadLetter::new(&record, Reason::new(Code::DecodeJson, "no JSON"), None);
        let burial =
            Burial { stage: "intake", app: "a", now: Timestamp::from_millis(9), connect: false };
        let values = |burial: &Burial<'_>, name: &str| -> Vec<String> {
            let all = dead.headers(burial).into_iter().filter(|h| h.name == name);
            all.map(|h| String::from_utf8(h.value).unwrap()).collect()
        };
        assert_eq!(values(&burial, "__connect.errors.topic"), ["elsewhere"]);
        assert_eq!(values(&burial, "__connect.errors.exception.class.name").len(), 0);
        assert_eq!(values(&burial, "tidemark.error.app"), ["a"]);
        assert_eq!(values(&burial, "tidemark.error.attempt"), ["3"]);
        assert_eq!(values(&burial, "tidemark.error.first_seen"), ["5"]);
        let told = Burial { connect: true, ..burial };
        for (name, value) in [
            ("topic", "t"),
            ("partition", "2"),
            ("offset", "7"),
            ("connector.name", "a"),
            ("exception.class.name", "DECODE_JSON"),
            ("exception.message", "no JSON"),
        ] {
            assert_eq!(values(&told, &format!("{CONNECT}{name}")), [value], "{name}");
        }
    }

    #[test]
    fn messages_are_cut_and_escaped() {
        let reason = Reason::new(Code::DecodeJson, format!("a\u{1b}[31m{}", "x".repeat(5000)));
        assert!(reason.message.starts_with("a\\u{1b}[31m"));
        assert!(reason.message.len() <= Reason::LIMIT);
    }
}
