//! Debezium's change events (<https://debezium.io/documentation/reference/stable/>): the row before
//! and after, what happened to it, and where that stands in the log of its database. The flattened
//! form of the transform `ExtractNewRecordState` is a row with `__op` or `__deleted` of it.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::{Layer, Lent, Of, Reads, quoted, some, unquoted};
use crate::intake::json::{Json, Object};
use crate::intake::make::Moment;
use crate::model::deadletter::{Code, Reason};
use crate::model::event::{Op, Order};
use crate::model::source::{Unread, Wrapping};
use crate::model::time::{Precision, Timestamp};

/// What stands for a column that did not change and that the log does not hold: as text, as bytes,
/// and inside the arrays and maps that such columns become.
const UNCHANGED: [&str; 4] = [
    "\"__debezium_unavailable_value\"",
    "\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"",
    "[\"__debezium_unavailable_value\"]",
    "{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}",
];

/// What a change feed says of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What happened to it.
    pub op: Op,
    /// The row as it was before, or its key alone; JSON.
    pub before: Option<String>,
    /// When the database changed it.
    pub moment: Option<Moment>,
    /// Position in the database's log.
    pub order: Option<Order>,
    /// Its table, without the schema; empty where unknown.
    pub table: String,
    /// The row's own id, where the element is the payload of an outbox.
    outbox: Option<String>,
}

/// What Debezium states as attributes where it writes CloudEvents.
#[derive(Clone, Debug)]
pub struct Attributes {
    op: String,
    source: String,
}

impl Attributes {
    /// From the attributes of a CloudEvent, `iodebezium…`; none where it is not Debezium's.
    pub fn of(event: &Object<'_>) -> Option<Attributes> {
        const KEPT: [(&str, &str); 14] = [
            ("iodebeziumconnector", "connector"),
            ("iodebeziumtable", "table"),
            ("iodebeziumcollection", "collection"),
            ("iodebeziumtsms", "ts_ms"),
            ("iodebeziumtsus", "ts_us"),
            ("iodebeziumtsns", "ts_ns"),
            ("iodebeziumlsn", "lsn"),
            ("iodebeziumfile", "file"),
            ("iodebeziumpos", "pos"),
            ("iodebeziumscn", "scn"),
            ("iodebeziumchangelsn", "change_lsn"),
            ("iodebeziumcommitlsn", "commit_lsn"),
            ("iodebeziumord", "ord"),
            ("iodebeziumsnapshot", "snapshot"),
        ];
        let op = event.text("iodebeziumop")?.into_owned();
        let mut source = String::from("{");
        for (attribute, name) in KEPT {
            if let Some(json) = some(event, attribute) {
                let comma = if source.len() > 1 { "," } else { "" };
                let _ = write!(source, "{comma}\"{name}\":{}", json.raw());
            }
        }
        source.push('}');
        Some(Attributes { op, source })
    }
}

/// The parts of a change event, whatever its form.
struct Event<'t> {
    op: Cow<'t, str>,
    source: Object<'t>,
    before: Option<Json<'t>>,
    after: Option<Json<'t>>,
}

/// Takes the envelope off, if it is one.
pub fn peel<'t>(
    object: &Object<'t>,
    text: &'t str,
    reads: Reads,
    attributes: Option<&Attributes>,
    pin: Wrapping,
) -> Result<Option<Layer<'t>>, Reason> {
    let has_row = object.has("after") || object.has("before");
    let source = object.object("source");
    let stated = object.text("op").filter(|op| op.len() == 1);
    if let (Some(op), Some(source), true) = (&stated, source, has_row || stated.is_some()) {
        let (before, after) = (some(object, "before"), some(object, "after"));
        if has_row || matches!(&**op, "t" | "m") {
            let event = Event { op: op.clone(), source, before, after };
            return told(event, reads).map(Some);
        }
    }
    if let Some(attributes) = attributes.filter(|_| has_row) {
        // They are small, and the row outlives them.
        let source = Json::checked(&attributes.source).object().unwrap_or_default();
        let (before, after) = (some(object, "before"), some(object, "after"));
        let row = row_of(&attributes.op, &source, before)?;
        return element(row, before, after, reads).map(Some);
    }
    if object.has("__op") || object.has("__deleted") {
        return flattened(object, text, reads).map(Some);
    }
    if pin == Wrapping::Debezium && is_of_itself(object) {
        let what = Of::Ignored(Unread::NotARow, "no change of a row".to_owned());
        return Ok(Some(Layer { text: Cow::Borrowed(text), of: what }));
    }
    Ok(None)
}

/// Heartbeats, borders of transactions, and changes of a schema: on topics of their own, unless a
/// pattern of topics caught them.
fn is_of_itself(object: &Object<'_>) -> bool {
    let heartbeat = object.has("ts_ms") && object.iter().count() == 1;
    let transaction = matches!(object.text("status").as_deref(), Some("BEGIN" | "END"))
        && object.has("id")
        && object.has("event_count");
    heartbeat || transaction || (object.has("source") && object.has("ddl"))
}

fn told<'t>(event: Event<'t>, reads: Reads) -> Result<Layer<'t>, Reason> {
    let table = table_of(&event.source);
    if let "t" | "m" = &*event.op {
        let what = if event.op == "t" { "truncated" } else { "a message in the log" };
        let of = Of::Ignored(Unread::NotARow, format!("{table}: {what}"));
        return Ok(Layer { text: Cow::Borrowed("null"), of });
    }
    let row = row_of(&event.op, &event.source, event.before)?;
    element(row, event.before, event.after, reads)
}

fn row_of(op: &str, source: &Object<'_>, before: Option<Json<'_>>) -> Result<Row, Reason> {
    Ok(Row {
        op: op_of(op, source)?,
        before: before.map(|json| json.raw().to_owned()),
        moment: moment_of(source),
        order: order_of(source),
        table: table_of(source),
        outbox: None,
    })
}

/// What happened to a row. Old connectors write the rows of a snapshot as if they were inserted.
fn op_of(op: &str, source: &Object<'_>) -> Result<Op, Reason> {
    let is_live = source.text("snapshot").is_none_or(|word| word == "false");
    let is_live = is_live && source.get("snapshot").boolean() != Some(true);
    Ok(match op {
        "c" | "u" if !is_live => Op::Snapshot,
        "c" => Op::Create,
        "u" => Op::Update,
        "d" => Op::Delete,
        "r" => Op::Snapshot,
        _ => {
            let why = "op of Debezium is none of c, u, d, r, t, m";
            return Err(Reason::new(Code::BadEnvelope, why));
        }
    })
}

/// The element that a change event gives to its reader.
fn element<'t>(
    mut row: Row,
    before: Option<Json<'t>>,
    after: Option<Json<'t>>,
    reads: Reads,
) -> Result<Layer<'t>, Reason> {
    if row.op == Op::Delete {
        return Ok(match before.filter(|_| reads == Reads::Rows) {
            Some(before) => Layer { text: Cow::Borrowed(before.raw()), of: Of::Row(Box::new(row)) },
            None => gone(&row.table),
        });
    }
    let after = after.ok_or_else(|| {
        let why = "after is absent, and the row was not deleted";
        Reason::new(Code::BadEnvelope, why)
    })?;
    // MongoDB's documents come as JSON in a string.
    let text = stated(unquoted("after", after)?);
    if reads == Reads::Rows {
        return Ok(Layer { text, of: Of::Row(Box::new(row)) });
    }
    let (text, outbox) = match text {
        Cow::Borrowed(text) => payload(text)?,
        Cow::Owned(text) => {
            let (inner, outbox) = payload(&text)?;
            (Cow::Owned(inner.into_owned()), outbox)
        }
    };
    row.outbox = outbox;
    Ok(Layer { text, of: Of::Row(Box::new(row)) })
}

/// What a row of an outbox holds in its column `payload`, and the row's id; any other row is the
/// element itself.
fn payload(text: &str) -> Result<(Cow<'_, str>, Option<String>), Reason> {
    let Some(row) = Json::checked(text).object() else { return Ok((Cow::Borrowed(text), None)) };
    let Some(payload) = some(&row, "payload") else { return Ok((Cow::Borrowed(text), None)) };
    let inner = unquoted("the column payload", payload)?;
    if !inner.starts_with(['{', '[']) {
        return Ok((Cow::Borrowed(text), None));
    }
    Ok((inner, Some(row.text("id").map(Cow::into_owned).unwrap_or_default())))
}

/// A row without the columns of which it only says that they did not change.
fn stated(text: Cow<'_, str>) -> Cow<'_, str> {
    let marked = UNCHANGED[..2].iter().any(|mark| text.contains(mark.trim_matches('"')));
    let Some(row) = Json::checked(&text).object().filter(|_| marked) else { return text };
    let mut out = String::with_capacity(text.len());
    for (name, json) in row.iter().filter(|(_, json)| !UNCHANGED.contains(&json.raw())) {
        let open = if out.is_empty() { '{' } else { ',' };
        let _ = write!(out, "{open}{}:{}", quoted(name), json.raw());
    }
    if out.is_empty() {
        out.push('{');
    }
    out.push('}');
    Cow::Owned(out)
}

fn flattened<'t>(object: &Object<'t>, text: &'t str, reads: Reads) -> Result<Layer<'t>, Reason> {
    const KEPT: [(&str, &str); 18] = [
        ("__source_ts_ms", "ts_ms"),
        ("__source_ts_us", "ts_us"),
        ("__source_ts_ns", "ts_ns"),
        ("__source_lsn", "lsn"),
        ("__lsn", "lsn"),
        ("__source_file", "file"),
        ("__source_pos", "pos"),
        ("__file", "file"),
        ("__pos", "pos"),
        ("__table", "table"),
        ("__source_table", "table"),
        ("__source_connector", "connector"),
        ("__connector", "connector"),
        ("__source_snapshot", "snapshot"),
        ("__snapshot", "snapshot"),
        ("__source_scn", "scn"),
        ("__source_change_lsn", "change_lsn"),
        ("__source_commit_lsn", "commit_lsn"),
    ];
    let mut members = String::from("{\"connector\":null");
    // Of a name that stands twice the last one counts, and a null only where nothing else is.
    for nulls in [true, false] {
        for (name, kept) in KEPT {
            if let Some(json) = object.find(name).filter(|json| (json.raw() == "null") == nulls) {
                let _ = write!(members, ",\"{kept}\":{}", json.raw());
            }
        }
    }
    members.push('}');
    let source = Json::checked(&members).object().unwrap_or_default();
    let deleted = object.get("__deleted").boolean() == Some(true);
    let op = match object.text("__op") {
        _ if deleted => Op::Delete,
        Some(op) => op_of(&op, &source)?,
        None => op_of("u", &source)?,
    };
    let mut row = Row {
        op,
        before: None,
        moment: moment_of(&source),
        order: order_of(&source),
        table: table_of(&source),
        outbox: None,
    };
    if op == Op::Delete {
        if reads != Reads::Rows {
            return Ok(gone(&row.table));
        }
        // The rewritten deletion is the row as it was.
        row.before = Some(text.to_owned());
        return Ok(Layer { text: Cow::Borrowed(text), of: Of::Row(Box::new(row)) });
    }
    element(row, None, Some(Json::checked(text)), reads)
}

fn gone(table: &str) -> Layer<'static> {
    let of = Of::Ignored(Unread::RowGone, table.to_owned());
    Layer { text: Cow::Borrowed("null"), of }
}

fn table_of(source: &Object<'_>) -> String {
    let name = source.text("table").or_else(|| source.text("collection"));
    name.map(Cow::into_owned).unwrap_or_default()
}

/// When the database changed the row, as exactly as it says; never when the connector read it.
fn moment_of(source: &Object<'_>) -> Option<Moment> {
    // Old connectors write 0 where they do not know.
    let number = |name: &str| source.get(name).whole().filter(|n| *n > 0);
    let micros = number("ts_us").or_else(|| number("ts_ns").map(|ns| ns.div_euclid(1000)));
    // Many databases know milliseconds or seconds, and the finer numbers are those with zeros.
    let at = match micros {
        Some(micros) => Timestamp(micros),
        None => Timestamp::from_millis(number("ts_ms")?),
    };
    let precision = if at.0 % 1000 == 0 { Precision::Millis } else { Precision::Micros };
    Some(Moment { at, precision })
}

/// Where the change stands in the log of its database. A snapshot that takes hours is read at one
/// position, so a row of it never beats a change that was made meanwhile; times would let it. A
/// row without position, of a database that has positions, is older than all that has one.
fn order_of(source: &Object<'_>) -> Option<Order> {
    const POSITIONS: [&str; 6] = ["lsn", "file", "pos", "scn", "change_lsn", "commit_lsn"];
    const CONNECTORS: [&str; 6] = ["mysql", "mariadb", "postgresql", "oracle", "sqlserver", "db2"];
    let connector = source.text("connector");
    let counts = connector.is_some_and(|connector| CONNECTORS.contains(&&*connector))
        || POSITIONS.iter().any(|name| source.has(name));
    if counts {
        return Some(position_of(source).unwrap_or([0, 0]));
    }
    let number = |name: &str| source.get(name).whole();
    number("ord").and_then(|ord| Some([number("ts_ms")?, ord]))
}

/// The position in the log; none where it is absent or empty.
fn position_of(source: &Object<'_>) -> Option<Order> {
    let number = |name: &str| source.get(name).whole();
    if let Some(lsn) = number("lsn") {
        return Some([lsn, 0]);
    }
    if let (Some(file), Some(pos)) = (source.text("file"), number("pos")) {
        let digits = file.rsplit('.').next().unwrap_or_default();
        return Some([digits.parse().unwrap_or(0), pos]);
    }
    if let Some(scn) = number("scn") {
        return Some([scn, 0]);
    }
    let lsn = source.text("change_lsn").or_else(|| source.text("commit_lsn"))?;
    let mut parts = lsn.split(':').map(|part| i64::from_str_radix(part, 16).ok());
    let (high, low, slot) = (parts.next()??, parts.next()??, parts.next()??);
    Some([high.checked_mul(1 << 32)?.checked_add(low)?, slot])
}

impl Row {
    /// What is lent to an event of an outbox that has no id or time of its own.
    pub fn lends(&self, given: Lent) -> Lent {
        let id = self.outbox.as_ref().filter(|id| !id.is_empty());
        Lent {
            id: id.map(|id| format!("{}#{id}", self.table)).or(given.id),
            time: self.moment.map(|m| m.at.to_string()).or(given.time),
        }
    }

    /// The envelope around one element of an outbox, with its number behind the id.
    pub fn around(&self, element: &str, number: &str) -> String {
        let source = match self.moment {
            Some(moment) => {
                format!("{{\"ts_us\":{},\"table\":{}}}", moment.at.0, quoted(&self.table))
            }
            None => format!("{{\"table\":{}}}", quoted(&self.table)),
        };
        let id = self.outbox.as_ref().filter(|id| !id.is_empty());
        let id = id.map_or(String::new(), |id| format!("{id}{number}"));
        let row = format!("{{\"id\":{},\"payload\":{}}}", quoted(&id), quoted(element));
        format!("{{\"before\":null,\"after\":{row},\"source\":{source},\"op\":\"c\"}}")
    }
}
