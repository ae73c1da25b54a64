//! What the decoders of the native systems share: from a value of a source to a canonical value,
//! and from an outline to an event that was checked like a canonical one.

use std::borrow::Cow;

use super::canonical::{MAX_ID, placed};
use super::digits::{money, number, shifted};
use super::json::Json;
use super::native::Context;
use super::splits;
use crate::model::deadletter::{Code, Reason};
use crate::model::event::{
    EntityKind, EntityRef, Event, EventKind, Field, FieldName, FieldType, Flags, Op, Order, Origin,
    Status, Value,
};
use crate::model::money::Amount;
use crate::model::time::{Day, Precision, Timestamp};

/// An instant, and how exactly it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// How exactly.
    pub precision: Precision,
}

impl Moment {
    /// The usual order of an event: its time in milliseconds, and the rest of it in microseconds.
    pub fn order(self) -> Order {
        [self.at.millis(), self.at.0.rem_euclid(1000)]
    }
}

/// What the numbers of a source mean where they are times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds since 1970.
    Millis,
    /// Seconds since 1970.
    Seconds,
    /// Seconds since 1970, or milliseconds where the number is too large for them: what people
    /// write themselves.
    Epoch,
    /// Milliseconds since 1970, or days where the number is small, as Kafka Connect has it.
    Connect,
}

/// How the values of a source are to be taken.
#[derive(Clone, Copy, Debug)]
pub struct How<'a> {
    /// What numbers mean that are times.
    pub unit: Unit,
    /// Currency of an amount; the one of the configuration where absent.
    pub currency: Option<&'a str>,
    /// Decimals by which numbers and amounts are to be moved: -2 makes euros of cents, and a
    /// fraction of a percentage.
    pub shift: i32,
}

impl How<'_> {
    /// Times in this unit, amounts in major units of the configured currency.
    pub fn plain(unit: Unit) -> How<'static> {
        How { unit, currency: None, shift: 0 }
    }
}

/// An event in the making.
#[derive(Clone, Debug)]
pub struct Outline {
    kind: EventKind,
    entity: EntityKind,
    id: String,
    op: Op,
    moment: Moment,
    /// Position among the entity's events.
    pub order: Order,
    /// Notes.
    pub flags: Flags,
    /// The entity that absorbed this one.
    pub merged_into: Option<String>,
    set: Vec<(FieldName<'static>, Value<'static>)>,
    /// Fields that the configuration took from the source's own: nothing else fills them.
    own: Vec<FieldName<'static>>,
}

impl Outline {
    /// An event of an entity.
    pub fn new(entity: EntityKind, id: impl Into<String>, op: Op, moment: Moment) -> Outline {
        Outline {
            kind: EventKind::Patch,
            entity,
            id: id.into(),
            op,
            moment,
            order: moment.order(),
            flags: Flags::default(),
            merged_into: None,
            set: Vec::new(),
            own: Vec::new(),
        }
    }

    /// The source says that it lost changes of the entity.
    pub fn gap(mut self) -> Outline {
        self.kind = EventKind::Gap;
        self
    }

    /// When it happened.
    pub fn time(&self) -> Timestamp {
        self.moment.at
    }

    /// The same event of another entity.
    pub fn about(mut self, id: impl Into<String>) -> Outline {
        self.id = id.into();
        self
    }

    /// What is stated.
    pub fn stated(&self) -> &[(FieldName<'static>, Value<'static>)] {
        &self.set
    }

    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Makes room for so many statements.
    pub fn expect(&mut self, statements: usize) {
        self.set.reserve(statements);
    }

    /// States a value; a former one of the same field gives way.
    pub fn put(&mut self, name: FieldName<'static>, value: Value<'static>) {
        if !self.own.contains(&name) {
            self.replace(name, value);
        }
    }

    fn replace(&mut self, name: FieldName<'static>, value: Value<'static>) {
        match self.set.iter_mut().find(|(n, _)| *n == name) {
            Some((_, held)) => *held = value,
            None => self.set.push((name, value)),
        }
    }

    /// States that a field was cleared, unless another one that fills it says what it is.
    pub fn clear(&mut self, context: &Context<'_>, name: FieldName<'static>) {
        if context.configured(&name) && !self.own.contains(&name) {
            self.own.push(name.clone());
        }
        if !self.set.iter().any(|(n, _)| *n == name) {
            self.replace(name, Value::Null);
        }
    }

    /// How many bytes its texts and names take, more or less.
    pub fn size(&self) -> usize {
        let of = |(_, value): &(FieldName<'static>, Value<'static>)| match value {
            Value::Text(text) => text.len() + 32,
            _ => 32,
        };
        self.set.iter().map(of).sum()
    }

    /// States a text of ours.
    pub fn text(&mut self, field: Field, text: impl Into<String>) {
        self.put(FieldName::Known(field), Value::Text(Cow::Owned(text.into())));
    }

    /// Says a stated text in other words, where there are any for it.
    pub fn reword(&mut self, field: Field, words: &[(&str, &'static str)]) {
        let held = self.set.iter_mut().find(|(name, _)| *name == FieldName::Known(field));
        let Some((_, Value::Text(text))) = held else { return };
        if let Some((_, word)) = words.iter().find(|(word, _)| word == text) {
            *text = Cow::Borrowed(word);
        }
    }

    /// States a whole number.
    pub fn whole(&mut self, field: Field, n: i64) {
        self.put(FieldName::Known(field), Value::Number(Amount::from_parts(n, 0)));
    }

    /// States an outcome.
    pub fn status(&mut self, status: Status) {
        self.put(FieldName::Known(Field::Status), Value::Status(status));
    }

    /// Whether it brings the entity into being.
    pub fn creates(&self) -> bool {
        self.op == Op::Create
    }

    /// Whether something is stated of the field.
    pub fn states(&self, field: Field) -> bool {
        self.set.iter().any(|(name, _)| *name == FieldName::Known(field))
    }

    /// States what a field of the source says of the field that [`Context::field`] names for it:
    /// its type decides what is expected.
    pub fn state(
        &mut self,
        context: &Context<'_>,
        name: &FieldName<'static>,
        json: Json<'_>,
        how: &How<'_>,
    ) -> Result<(), Reason> {
        let value = if json.is_empty() { Value::Null } else { read(context, name, json, how)? };
        if context.configured(name) && !self.own.contains(name) {
            self.own.push(name.clone());
        }
        self.replace(name.clone(), value);
        Ok(())
    }

    /// States what the decoder itself takes from a value for a field of the contract.
    pub fn field(
        &mut self,
        context: &Context<'_>,
        field: Field,
        json: Json<'_>,
        how: &How<'_>,
    ) -> Result<(), Reason> {
        let name = FieldName::Known(field);
        if context.configured(&name) {
            return Ok(());
        }
        let value = if json.is_empty() { Value::Null } else { read(context, &name, json, how)? };
        self.put(name, value);
        Ok(())
    }

    /// The event, if it is one that a canonical source could have sent too. `id` names it: the same
    /// for every delivery.
    pub fn finish(
        mut self,
        context: &Context<'_>,
        id: &str,
        index: u32,
    ) -> Result<Event<'static>, Reason> {
        // What the configuration gave to the source's own fields comes from nowhere else.
        let Outline { set, own, .. } = &mut self;
        set.retain(|(name, _)| own.contains(name) || !context.configured(name));
        if self.id.is_empty() || self.id.len() > MAX_ID {
            let why = format!("the id has {} bytes; 1 to {MAX_ID} are possible", self.id.len());
            return Err(Reason::new(Code::MissingEntity, why));
        }
        in_time("the event", self.moment.at, context, false)?;
        for (name, value) in &self.set {
            if let (FieldName::Known(field), Value::Time(at)) = (name, value) {
                let planned = [Field::ExpectedClose, Field::PlannedAt, Field::EndedAt];
                in_time(field.as_str(), *at, context, planned.contains(field))?;
            }
            let word = (name.clone(), self.entity) == (STATUS, EntityKind::Deal);
            if word && matches!(value, Value::Text(_)) {
                let why = "the status of a deal is none of open, won, lost";
                return Err(Reason::new(Code::UnknownValue, why));
            }
        }
        let decoder = context.decoder;
        let Moment { at, precision } = self.moment;
        if self.order[0] == at.millis() {
            self.order[0] = placed(at, precision, &decoder.calendar).millis();
        }
        Ok(Event {
            id: Cow::Owned(named(decoder.system_name(), id)),
            tenant: match &decoder.reading.tenant {
                Some(tenant) => Cow::Owned(tenant.clone()),
                None => Cow::Borrowed("default"),
            },
            source: Cow::Owned(decoder.source.clone()),
            system: match &decoder.reading.mapping {
                Some(mapping) => Cow::Owned(mapping.system.clone()),
                None => Cow::Borrowed(decoder.system.as_str()),
            },
            kind: self.kind,
            entity: EntityRef { kind: self.entity, id: Cow::Owned(self.id) },
            op: self.op,
            merged_into: self.merged_into.map(Cow::Owned),
            time: self.moment.at,
            precision: self.moment.precision,
            order: self.order,
            set: self.set,
            flags: self.flags,
            raw: Some(Origin {
                topic: Cow::Owned(context.record.topic.to_string()),
                partition: context.record.partition,
                offset: context.record.offset,
                index,
            }),
        })
    }
}

const STATUS: FieldName<'static> = FieldName::Known(Field::Status);

/// The name behind that of the system; its hash where it is too long for an id.
fn named(system: &str, id: &str) -> String {
    let joined = format!("{system}:{id}");
    if joined.len() <= MAX_ID {
        return joined;
    }
    format!("{system}:{:032x}", xxhash_rust::xxh3::xxh3_128(joined.as_bytes()))
}

/// A short name for a value, for the ids of events.
pub fn hashed(text: &str) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
}

fn in_time(what: &str, at: Timestamp, context: &Context<'_>, planned: bool) -> Result<(), Reason> {
    if !at.in_range() {
        return Err(Reason::new(Code::BadTime, format!("{what} is dated outside 1970 to 2199")));
    }
    if context.latest.is_some_and(|latest| at > latest) && !planned {
        let why = format!("{what} is dated {at}, beyond time.future_limit");
        return Err(Reason::new(Code::FutureTimestamp, why));
    }
    Ok(())
}

fn read(
    context: &Context<'_>,
    name: &FieldName<'static>,
    json: Json<'_>,
    how: &How<'_>,
) -> Result<Value<'static>, Reason> {
    let FieldName::Known(field) = name else {
        let own = "a field of your own";
        return Ok(Value::Text(Cow::Owned(word(json).ok_or_else(|| wrong(own, "a text", json))?)));
    };
    let what = field.as_str();
    let text = || word(json).ok_or_else(|| wrong(what, "a text", json));
    let digits = || json.text().ok_or_else(|| wrong(what, "a number", json));
    Ok(match field.field_type() {
        FieldType::Text => Value::Text(Cow::Owned(text()?)),
        FieldType::Status => {
            let text = text()?;
            Status::parse(&text).map_or(Value::Text(Cow::Owned(text)), Value::Status)
        }
        FieldType::Number => Value::Number(number(what, &shifted(&digits()?, how.shift))?),
        FieldType::Bool => {
            Value::Bool(json.boolean().ok_or_else(|| wrong(what, "true or false", json))?)
        }
        FieldType::Time => match moment(context, what, json, how.unit)? {
            Some(moment) => Value::Time(moment.at),
            None => Value::Null,
        },
        // The currency of the row is not the one of the company.
        FieldType::Money if *field == Field::AmountHome => {
            Value::Money(money(context, what, &digits()?, &How { currency: None, ..*how })?)
        }
        FieldType::Money => Value::Money(money(context, what, &digits()?, how)?),
        FieldType::Splits => splits::written(what, json.raw())?,
    })
}

/// A text, a number as its digits, a boolean as its name.
fn word(json: Json<'_>) -> Option<String> {
    match json.boolean() {
        Some(yes) => Some(yes.to_string()),
        None => json.text().map(Cow::into_owned),
    }
}

/// What was expected of a value, and what it is.
pub fn wrong(what: &str, expected: &str, json: Json<'_>) -> Reason {
    Reason::new(Code::DecodeJson, format!("{what}: expected {expected}, found {}", json.kind()))
}

/// A value that must be there.
pub fn missing(what: &str) -> Reason {
    Reason::new(Code::MissingField, format!("{what} is absent"))
}

/// The instant that a value names; none where it is `null` or empty. Texts tell their form
/// themselves: RFC 3339 (an offset without a colon is taken too), a date, or a time without a zone,
/// which is UTC in every system that sends one. Digits are a number in the unit of the source.
pub fn moment(
    context: &Context<'_>,
    what: &str,
    json: Json<'_>,
    unit: Unit,
) -> Result<Option<Moment>, Reason> {
    if json.is_empty() {
        return Ok(None);
    }
    let bad = || {
        Reason::new(
            Code::BadTime,
            format!("{what} is no time of a form that the source is known for"),
        )
    };
    let text = json.text().ok_or_else(bad)?;
    let of = |at: Timestamp, precision| Some(Moment { at, precision });
    if let Ok(n) = text.parse::<i64>() {
        let seconds = |n: i64| Timestamp(n.saturating_mul(1_000_000));
        return Ok(match unit {
            Unit::Seconds => of(seconds(n), Precision::Seconds),
            // As seconds it would be the year 5138, as milliseconds 1973.
            Unit::Epoch if n.unsigned_abs() < 100_000_000_000 => of(seconds(n), Precision::Seconds),
            Unit::Connect if n.abs() < 1_000_000 => {
                let day = Day(i32::try_from(n).map_err(|_| bad())?);
                of(context.decoder.calendar.start_of(day), Precision::Day)
            }
            Unit::Millis | Unit::Epoch | Unit::Connect => {
                of(Timestamp::from_millis(n), Precision::Millis)
            }
        });
    }
    if let Some(day) = Day::parse(&text) {
        return Ok(of(context.decoder.calendar.start_of(day), Precision::Day));
    }
    let (at, fraction) = instant(&text).ok_or_else(bad)?;
    let precision = match fraction {
        0 => Precision::Seconds,
        1..=3 => Precision::Millis,
        _ => Precision::Micros,
    };
    Ok(of(at, precision))
}

/// A moment that must be there.
pub fn required(
    context: &Context<'_>,
    what: &str,
    json: Json<'_>,
    unit: Unit,
) -> Result<Moment, Reason> {
    moment(context, what, json, unit)?.ok_or_else(|| missing(what))
}

/// The instant, and how many digits of a second the text has.
pub fn instant(text: &str) -> Option<(Timestamp, usize)> {
    let (Some(date), Some(rest)) = (text.get(..10), text.get(11..)) else {
        return None;
    };
    let clock = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(clock);
    let fraction = |clock: &str| clock.split_once('.').map_or(0, |(_, digits)| digits.len());
    // What is RFC 3339 as it stands need not be written anew.
    if text.as_bytes()[10] == b'T'
        && matches!(zone.len(), 1 | 6)
        && !clock.ends_with(char::is_whitespace)
    {
        return Some((Timestamp::parse_rfc3339(text)?, fraction(clock)));
    }
    let clock = clock.trim_end();
    let zone = match zone.as_bytes() {
        [] => "Z".to_owned(),
        [_, a, b, c, d] if [a, b, c, d].iter().all(|d| d.is_ascii_digit()) => {
            format!("{}:{}", &zone[..3], &zone[3..])
        }
        _ => zone.to_owned(),
    };
    let at = Timestamp::parse_rfc3339(&format!("{date}T{clock}{zone}"))?;
    Some((at, fraction(clock)))
}
