//! Sources that no decoder knows: a [`Mapping`] says what their elements become. What it gives is
//! checked like what a decoder gives. Nothing of a mapping is parsed here, and no element makes it
//! do more than its own size asks for.

mod element;
mod form;
mod value;

pub use form::json_of_form;

use std::borrow::Cow;

use super::json::{Json, Object};
use super::make::{Moment, Outline, missing};
use super::native::{Context, Out};
use crate::model::deadletter::{Code, Reason};
use crate::model::event::{FieldName, Flags, Op, Value};
use crate::model::mapping::{Expr, Gives, Nulls, OpOf, Place, Recipe, Rule, Stated};
use crate::model::source::Unread;
use element::Element;
use value::Got;

/// Reads one element.
pub fn decode(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    let mapping = context.decoder.reading.mapping.as_deref();
    let mapping = mapping.expect("only a source with a mapping comes here");
    let mut element = Element::new(context, mapping, object);
    // By the place of the array: which of its elements no rule took yet.
    let mut exploded: Vec<(Place, Vec<bool>, Vec<Json<'_>>)> = Vec::new();
    for rule in &mapping.rules {
        let Some(place) = rule.explode else {
            if element.holds(&rule.when)? {
                return element.give(rule, out);
            }
            continue;
        };
        let known = exploded.iter().position(|(at, ..)| *at == place);
        let known = match known {
            Some(known) => known,
            None => {
                let items = element.items(place)?;
                exploded.push((place, vec![true; items.len()], items));
                exploded.len() - 1
            }
        };
        let (_, left, items) = &mut exploded[known];
        for (left, item) in left.iter_mut().zip(items).filter(|(left, _)| **left) {
            element.take_item(Some(*item));
            if element.holds(&rule.when)? {
                *left = false;
                element.give(rule, out)?;
            }
        }
        element.take_item(None);
    }
    let mut told = false;
    for (_, left, items) in &exploded {
        told |= !left.is_empty();
        for (_, item) in left.iter().zip(items).filter(|(left, _)| **left) {
            element.take_item(Some(*item));
            out.ignore(Unread::TypeNotRead, element.kind()?);
        }
    }
    if !told {
        element.take_item(None);
        out.ignore(Unread::TypeNotRead, element.kind()?);
    }
    Ok(())
}

impl<'x> Element<'x> {
    /// What the conditions of all rules ask of it, for people.
    fn kind(&mut self) -> Result<String, Reason> {
        let mut out = String::new();
        for (place, path) in &self.mapping.asked {
            if let Some(text) = self.text(*place)? {
                let end = text.char_indices().nth(40).map_or(text.len(), |(end, _)| end);
                let comma = if out.is_empty() { "" } else { ", " };
                out.extend([comma, path, " = ", &text[..end]]);
            }
        }
        Ok(if out.is_empty() { "no rule fits".to_owned() } else { out })
    }

    /// What a rule makes of it.
    fn give(&mut self, rule: &'x Rule, out: &mut Out) -> Result<(), Reason> {
        match &rule.gives {
            Gives::Event(recipe) => self.event(recipe, out),
            Gives::Nothing(reason) => {
                let kind = self.kind()?;
                out.ignore(*reason, kind);
                Ok(())
            }
        }
    }

    fn event(&mut self, rule: &'x Recipe, out: &mut Out) -> Result<(), Reason> {
        let mut flags = Flags::default();
        for (flag, when) in &rule.flags {
            if self.holds(when)? {
                flags.0 |= flag.0;
            }
        }
        if flags.has(Flags::TEST) {
            out.test();
            return Ok(());
        }
        let op = match self.op(rule)? {
            Ok(op) => op,
            Err(word) => {
                out.ignore(Unread::TypeNotRead, format!("{}, {word}", rule.entity.as_str()));
                return Ok(());
            }
        };
        let (moment, dated) = self.moment(rule)?;
        let id = self.word(&rule.id, "entity.id")?;
        let id =
            id.ok_or_else(|| Reason::new(Code::MissingEntity, "entity.id is absent or empty"))?;
        let mut outline = Outline::new(rule.entity, &*id, op, moment);
        outline.order = self.order(rule, moment)?;
        outline.flags = flags;
        if let Some(expr) = &rule.merged_into {
            outline.merged_into = self.word(expr, "merged_into")?.map(Cow::into_owned);
        }
        // What is gone is stated no more.
        if !matches!(op, Op::Delete | Op::Merge) {
            outline.expect(rule.set.len());
            self.state(rule, &mut outline)?;
            if op == Op::Update && outline.is_empty() && !rule.set.is_empty() {
                let entity = rule.entity.as_str();
                out.ignore(Unread::FieldNotRead, format!("{entity} {id}: nothing that is read"));
                return Ok(());
            }
        }
        let name = self.name(rule, &id, op, dated.then_some(moment), &outline)?;
        out.room(self.context, outline.size())?;
        out.event(self.context, outline, &name)
    }

    /// What happened, or the word for it that is no operation.
    fn op(&mut self, rule: &'x Recipe) -> Result<Result<Op, String>, Reason> {
        let expr = match &rule.op {
            None => return Ok(Ok(self.context.change.map_or(Op::Update, |change| change.op))),
            Some(OpOf::Always(op)) => return Ok(Ok(*op)),
            Some(OpOf::From(expr)) => expr,
        };
        let word = self.word(expr, "op");
        let word = match word {
            // A table for operations need not list those that nobody wants to read.
            Err(reason) if reason.code == Code::UnknownValue => {
                self.from(&expr.from)?.text()?.unwrap_or_default()
            }
            other => other?.unwrap_or_default(),
        };
        let op = Op::ALL.iter().find(|(_, name)| *name == word);
        Ok(op.map(|(op, _)| *op).ok_or_else(|| {
            let word: String = word.chars().take(40).collect();
            format!("op: \"{word}\" is no operation")
        }))
    }

    /// When it happened, and whether that was told rather than taken from the record's arrival.
    fn moment(&mut self, rule: &'x Recipe) -> Result<(Moment, bool), Reason> {
        // A deletion knows the row's key alone, or the row as it was: not when it went.
        let time = rule.time.as_ref().filter(|_| !self.is_gone());
        if let Some(expr) = time {
            return match self.expr(expr).map_err(|r| of(&self.at_path("time", expr), r))? {
                Got::Time(moment) => Ok((moment, !expr.asks_arrival())),
                _ => Err(missing("time")),
            };
        }
        if let Some(moment) = self.context.change.and_then(|change| change.moment) {
            return Ok((moment, true));
        }
        let came = self.context.came_at();
        came.map(|moment| (moment, false)).ok_or_else(|| {
            let why = "the mapping names no time, and the record has no timestamp";
            Reason::new(Code::MissingField, why)
        })
    }

    /// Whether it is the row that was deleted, rather than a row that says so of a record.
    fn is_gone(&self) -> bool {
        self.context.change.is_some_and(|change| change.op == Op::Delete)
    }

    fn order(&mut self, rule: &'x Recipe, moment: Moment) -> Result<[i64; 2], Reason> {
        let mut given = Vec::with_capacity(2);
        for (i, expr) in rule.order.iter().enumerate() {
            let n = match self.expr(expr).map_err(|r| of(&self.at_path("order", expr), r))? {
                Got::Time(moment) => Some(moment.at.millis()),
                Got::Absent | Got::Null if self.is_gone() => {
                    Some(last(expr, i == 0 && rule.order.len() > 1, moment)?)
                }
                Got::Absent | Got::Null => Some(0),
                other => other.text()?.and_then(|text| text.trim().parse().ok()),
            };
            given.push(n.ok_or_else(|| {
                Reason::new(Code::DecodeJson, "order: expected a whole number of 64 bits")
            })?);
        }
        Ok(match given[..] {
            [rank] => [moment.at.millis(), rank],
            [first, second] => [first, second],
            _ => match self.context.change.and_then(|change| change.order) {
                Some(order) if rule.time.is_none() => order,
                _ => moment.order(),
            },
        })
    }

    fn state(&mut self, rule: &'x Recipe, outline: &mut Outline) -> Result<(), Reason> {
        for stated in &rule.set {
            let value = self.value(&stated.field, &stated.value)?;
            let Some(value) = value else { continue };
            if value == Value::Null && !self.clears(rule.nulls, stated)? {
                continue;
            }
            outline.put(stated.field.clone(), value);
        }
        Ok(())
    }

    /// Whether a null clears the field.
    fn clears(&mut self, nulls: Nulls, stated: &Stated) -> Result<bool, Reason> {
        match (nulls, &stated.native) {
            (Nulls::Cleared, _) => Ok(true),
            (Nulls::Unknown(Some(place)), Some(native)) => self.lists(place, native),
            (Nulls::Unknown(_), _) => Ok(false),
        }
    }

    /// The name of the event: the same for every delivery, and another for every change.
    fn name(
        &mut self,
        rule: &'x Recipe,
        id: &str,
        op: Op,
        moment: Option<Moment>,
        outline: &Outline,
    ) -> Result<String, Reason> {
        let mut parts = Parts::default();
        parts.add(Some(rule.entity.as_str()));
        parts.add(Some(id));
        let mut is_any = false;
        for expr in &rule.name {
            let part = match self.expr(expr).map_err(|r| of(&self.at_path("id", expr), r))? {
                Got::Time(moment) => Some(Cow::Owned(moment.at.0.to_string())),
                Got::Json(json) => Some(json.text().unwrap_or(Cow::Borrowed(json.raw()))),
                other => other.text()?,
            };
            is_any |= part.is_some();
            parts.add(part.as_deref());
        }
        if rule.name.is_empty() {
            parts.add(Some(op.as_str()));
            parts.add(moment.map(|moment| moment.at.0.to_string()).as_deref());
            if let Some(order) = self.context.change.and_then(|change| change.order) {
                parts.add(Some(&format!("{order:?}")));
            }
            // Another delivery comes at another time.
            let arrives = |name: &FieldName<'_>| {
                rule.set.iter().any(|s| s.field == *name && s.value.asks_arrival())
            };
            for (name, value) in outline.stated() {
                match name {
                    FieldName::Known(field) => parts.add(Some(field.as_str())),
                    FieldName::Custom(name) => parts.add(Some(&format!("x.{name}"))),
                }
                parts.add(shown(value).filter(|_| !arrives(name)).as_deref());
            }
        } else if !is_any {
            return Err(missing("each part of id"));
        }
        Ok(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&parts.0)))
    }
}

/// Where a deletion that knows the key alone stands among the events of its row: behind all others of
/// its moment. Where no time orders them first, nothing tells where it belongs.
fn last(expr: &Expr, is_first: bool, moment: Moment) -> Result<i64, Reason> {
    match (is_first, expr.is_time()) {
        (_, true) => Ok(moment.at.millis()),
        (false, false) => Ok(i64::MAX),
        (true, false) => Err(Reason::new(
            Code::MissingField,
            "order: this deletion has the key of its row alone, which does not say where it stands \
             among the other changes: send the row as it was (REPLICA IDENTITY FULL), or order by a \
             time first",
        )),
    }
}

/// A value as text; none where the field was cleared.
fn shown<'v>(value: &'v Value<'_>) -> Option<Cow<'v, str>> {
    Some(match value {
        Value::Null => return None,
        Value::Text(text) => Cow::Borrowed(text),
        Value::Status(status) => Cow::Borrowed(status.as_str()),
        Value::Money(money) => Cow::Owned(format!("{} {}", money.amount, money.currency)),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Time(at) => Cow::Owned(at.0.to_string()),
        Value::Bool(yes) => Cow::Borrowed(if *yes { "true" } else { "false" }),
        Value::Splits(splits) => Cow::Owned(splits.packed()),
    })
}

/// Texts with their lengths, so that no two lists of them are the same bytes.
#[derive(Default)]
struct Parts(Vec<u8>);

impl Parts {
    fn add(&mut self, part: Option<&str>) {
        match part {
            None => self.0.push(0),
            Some(text) => {
                self.0.push(1);
                self.0.extend((text.len() as u64).to_le_bytes());
                self.0.extend(text.as_bytes());
            }
        }
    }
}

/// The same reason, with what it is about.
fn of(what: &str, reason: Reason) -> Reason {
    Reason::new(reason.code, format!("{what}: {}", reason.message))
}

#[cfg(test)]
mod tests;
