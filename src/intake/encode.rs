//! The canonical JSON as written: events and progress records on the events topic.

use std::borrow::Cow;

use crate::model::event::{EntityRef, Event, FieldName, Flags, Origin, Value};
use crate::model::money::Money;
use crate::model::split::Splits;
use crate::model::time::Timestamp;
use crate::model::watermark::{Heartbeat, Lost};

/// Keys of progress records start so; no entity key does, since those hold a slash first.
pub const BEAT_PREFIX: &str = "beat|";

/// Writes an event as one line of canonical JSON.
pub fn encode_event(event: &Event<'_>) -> Vec<u8> {
    let mut w = Writer(Vec::with_capacity(512));
    w.raw("{\"v\":1,\"id\":");
    w.text(&event.id);
    w.raw(",\"tenant\":");
    w.text(&event.tenant);
    w.raw(",\"source\":");
    w.text(&event.source);
    w.raw(",\"system\":");
    w.text(&event.system);
    w.raw(",\"kind\":\"");
    w.raw(event.kind.as_str());
    w.raw("\",\"entity\":{\"type\":\"");
    w.raw(event.entity.kind.as_str());
    w.raw("\",\"id\":");
    w.text(&event.entity.id);
    w.raw("},\"op\":\"");
    w.raw(event.op.as_str());
    w.raw("\"");
    if let Some(into) = &event.merged_into {
        w.raw(",\"merged_into\":");
        w.text(into);
    }
    w.raw(",\"time\":\"");
    w.time(event.time);
    w.raw("\",\"time_precision\":\"");
    w.raw(event.precision.as_str());
    w.raw("\",\"order\":[");
    w.raw(&format!("{},{}", event.order[0], event.order[1]));
    w.raw("],\"set\":{");
    for (i, (name, value)) in event.set.iter().enumerate() {
        if i > 0 {
            w.raw(",");
        }
        w.field(name, value);
    }
    w.raw("}");
    w.tail(event.flags, event.raw.as_ref());
    w.0
}

struct Writer(Vec<u8>);

impl Writer {
    fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn text(&mut self, text: &str) {
        if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
            self.0.push(b'"');
            self.raw(text);
            self.0.push(b'"');
        } else {
            serde_json::to_writer(&mut self.0, text).expect("a string serializes into memory");
        }
    }

    fn time(&mut self, at: Timestamp) {
        self.raw(&at.to_string());
    }

    fn money(&mut self, money: &Money) {
        self.raw("{\"value\":\"");
        self.raw(&money.amount.to_string());
        self.raw("\",\"currency\":\"");
        self.raw(&money.currency.to_string());
        self.raw("\"}");
    }

    fn splits(&mut self, splits: &Splits) {
        for (i, split) in splits.entries().iter().enumerate() {
            self.raw(if i == 0 { "[" } else { "," });
            self.raw("{\"owner\":");
            self.text(&split.owner);
            self.raw(&format!(
                ",\"share\":\"{}\",\"type\":\"{}\"}}",
                split.share,
                split.kind.as_str()
            ));
        }
        self.raw("]");
    }

    fn field(&mut self, name: &FieldName<'_>, value: &Value<'_>) {
        match name {
            FieldName::Known(field) => {
                self.raw("\"");
                self.raw(field.as_str());
                self.raw("\":");
            }
            FieldName::Custom(custom) => {
                self.text(&format!("x.{custom}"));
                self.raw(":");
            }
        }
        match value {
            Value::Null => self.raw("null"),
            Value::Text(text) => self.text(text),
            Value::Status(status) => self.text(status.as_str()),
            Value::Money(money) => self.money(money),
            Value::Number(n) => self.raw(&n.to_string()),
            Value::Time(at) => {
                self.raw("\"");
                self.time(*at);
                self.raw("\"");
            }
            Value::Bool(b) => self.raw(if *b { "true" } else { "false" }),
            Value::Splits(splits) => self.splits(splits),
        }
    }

    fn tail(&mut self, flags: Flags, raw: Option<&Origin<'_>>) {
        if flags != Flags::default() {
            self.raw(",\"flags\":[");
            let names = Flags::ALL.iter().filter(|(f, _)| flags.has(*f));
            for (i, (_, name)) in names.enumerate() {
                self.raw(if i > 0 { ",\"" } else { "\"" });
                self.raw(name);
                self.raw("\"");
            }
            self.raw("]");
        }
        if let Some(o) = raw {
            self.raw(",\"raw\":{\"topic\":");
            self.text(&o.topic);
            let place = format!(
                ",\"partition\":{},\"offset\":{},\"index\":{}}}",
                o.partition, o.offset, o.index
            );
            self.raw(&place);
        }
        self.raw("}");
    }
}

/// The key of a progress record: one a source partition, in every shard.
pub fn beat_key(beat: &Heartbeat) -> String {
    format!("{BEAT_PREFIX}{}|{}", beat.topic, beat.partition)
}

/// Writes a progress record.
pub fn encode_heartbeat(beat: &Heartbeat) -> Vec<u8> {
    serde_json::to_vec(beat).expect("plain data serializes into memory")
}

/// Reads a progress record.
pub fn decode_heartbeat(text: &str) -> serde_json::Result<Heartbeat> {
    serde_json::from_str(text)
}

/// Keys of records that tell of a loss start so.
pub const LOST_PREFIX: &str = "lost|";

/// The key of a record that tells of a loss.
pub fn lost_key(lost: &Lost) -> String {
    format!("{LOST_PREFIX}{}|{}", lost.topic, lost.partition)
}

/// Writes a loss.
pub fn encode_lost(lost: &Lost) -> Vec<u8> {
    serde_json::to_vec(lost).expect("plain data serializes into memory")
}

/// Reads a loss.
pub fn decode_lost(text: &str) -> serde_json::Result<Lost> {
    serde_json::from_str(text)
}

/// The same event, owning its strings.
pub fn into_owned(event: Event<'_>) -> Event<'static> {
    fn own(text: Cow<'_, str>) -> Cow<'static, str> {
        Cow::Owned(text.into_owned())
    }
    let value = |v: Value<'_>| match v {
        Value::Null => Value::Null,
        Value::Text(t) => Value::Text(own(t)),
        Value::Status(s) => Value::Status(s),
        Value::Money(m) => Value::Money(m),
        Value::Number(n) => Value::Number(n),
        Value::Time(t) => Value::Time(t),
        Value::Bool(b) => Value::Bool(b),
        Value::Splits(splits) => Value::Splits(splits),
    };
    let name = |n: FieldName<'_>| match n {
        FieldName::Known(f) => FieldName::Known(f),
        FieldName::Custom(c) => FieldName::Custom(own(c)),
    };
    Event {
        id: own(event.id),
        tenant: own(event.tenant),
        source: own(event.source),
        system: own(event.system),
        entity: EntityRef { kind: event.entity.kind, id: own(event.entity.id) },
        merged_into: event.merged_into.map(own),
        set: event.set.into_iter().map(|(n, v)| (name(n), value(v))).collect(),
        raw: event.raw.map(|o| Origin { topic: own(o.topic), ..o }),
        kind: event.kind,
        op: event.op,
        time: event.time,
        precision: event.precision,
        order: event.order,
        flags: event.flags,
    }
}
