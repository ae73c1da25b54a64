//! Expressions: where a value comes from, what is done with it, what it is read as.

use std::borrow::Cow;

use base64::Engine as _;

use super::element::{Element, word};
use super::of;
use crate::intake::digits::{money, number, shifted};
use crate::intake::json::Json;
use crate::intake::make::{How, Moment, Unit, instant, wrong};
use crate::intake::plain::Plain;
use crate::intake::splits;
use crate::model::calendar::Calendar;
use crate::model::deadletter::{Code, Reason};
use crate::model::event::{FieldName, FieldType, Status, Value};
use crate::model::mapping::{Expr, Input, MoneyForm, Read, Step, TimeForm, Unlisted};
use crate::model::money::{Amount, Currency, Money};
use crate::model::time::{Day, Precision, Timestamp};

/// What an expression gives.
pub enum Got<'x> {
    /// The source says nothing of it.
    Absent,
    /// The source says that there is none.
    Null,
    /// A value as it came.
    Json(Json<'x>),
    /// A text that was made.
    Text(Cow<'x, str>),
    /// A number that was made.
    Number(Amount),
    /// Money.
    Money(Money),
    /// An instant.
    Time(Moment),
}

impl<'x> Got<'x> {
    fn of(json: Option<Json<'x>>) -> Got<'x> {
        match json {
            None => Got::Absent,
            Some(json) if json.is_empty() => Got::Null,
            Some(json) => Got::Json(json),
        }
    }

    fn made(text: impl Into<Cow<'x, str>>) -> Got<'x> {
        let text = text.into();
        if text.is_empty() { Got::Null } else { Got::Text(text) }
    }

    /// Its text; none where it has none to begin with.
    pub fn text(self) -> Result<Option<Cow<'x, str>>, Reason> {
        match self {
            Got::Absent | Got::Null => Ok(None),
            Got::Text(text) => Ok(Some(text)),
            Got::Number(number) => Ok(Some(Cow::Owned(number.to_string()))),
            Got::Json(json) => word(json).map(Some).ok_or_else(|| {
                Reason::new(
                    Code::DecodeJson,
                    format!("expected a single value, found {}", json.kind()),
                )
            }),
            Got::Money(_) | Got::Time(_) => {
                Err(Reason::new(Code::DecodeJson, "expected a single value, found money or a time"))
            }
        }
    }
}

impl<'x> Element<'x> {
    /// The text of an expression.
    pub fn word(&mut self, expr: &'x Expr, what: &str) -> Result<Option<Cow<'x, str>>, Reason> {
        self.expr(expr).and_then(Got::text).map_err(|reason| of(&self.at_path(what, expr), reason))
    }

    /// What is read, with the path that it is read from, where that is a single one.
    pub(super) fn at_path(&self, what: &str, expr: &Expr) -> String {
        match &expr.from {
            Input::Place(place) => format!("{what} (from {})", self.mapping.places.show(*place)),
            Input::Expr(inner) => self.at_path(what, inner),
            _ => what.to_owned(),
        }
    }

    /// What an expression gives as the value of a field; none where the field is not stated.
    pub fn value(
        &mut self,
        field: &FieldName<'static>,
        expr: &'x Expr,
    ) -> Result<Option<Value<'static>>, Reason> {
        let (what, kind) = match field {
            FieldName::Known(field) => (Cow::Borrowed(field.as_str()), field.field_type()),
            FieldName::Custom(name) => (Cow::Owned(format!("x.{name}")), FieldType::Text),
        };
        let got = self.expr(expr).map_err(|reason| of(&self.at_path(&what, expr), reason))?;
        let what = || self.at_path(&what, expr);
        let text = match got {
            Got::Absent => return Ok(None),
            Got::Null => return Ok(Some(Value::Null)),
            Got::Money(money) => return Ok(Some(Value::Money(money))),
            Got::Time(moment) => return Ok(Some(Value::Time(moment.at))),
            Got::Json(json) if kind == FieldType::Splits => {
                return splits::written(&what(), json.raw()).map(Some);
            }
            Got::Json(json) => word(json).ok_or_else(|| wrong(&what(), "a single value", json))?,
            Got::Text(text) => text,
            Got::Number(number) if kind == FieldType::Number => {
                return Ok(Some(Value::Number(number)));
            }
            Got::Number(number) => Cow::Owned(number.to_string()),
        };
        Ok(Some(match kind {
            FieldType::Text => Value::Text(Cow::Owned(text.into_owned())),
            FieldType::Status => match Status::parse(&text) {
                Some(status) => Value::Status(status),
                None => Value::Text(Cow::Owned(text.into_owned())),
            },
            FieldType::Number => Value::Number(number(&what(), text.trim())?),
            FieldType::Bool => match &*text {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => {
                    let why = format!("{}: expected true or false", what());
                    return Err(Reason::new(Code::DecodeJson, why));
                }
            },
            FieldType::Splits => splits::written(&what(), &text)?,
            // The configuration lets nothing else fill such a field.
            FieldType::Money | FieldType::Time => {
                let why = format!("{}: expected money or a time", what());
                return Err(Reason::new(Code::DecodeJson, why));
            }
        }))
    }

    /// What an expression gives. Expressions nest as deep as the mapping has them.
    pub fn expr(&mut self, expr: &'x Expr) -> Result<Got<'x>, Reason> {
        let mut got = self.from(&expr.from)?;
        let mut steps = &expr.steps[..];
        // The array is read once, however often it is asked for.
        if let (Input::Place(place), [end @ (Step::First | Step::Last), rest @ ..]) =
            (&expr.from, steps)
            && matches!(got, Got::Json(json) if json.raw().starts_with('['))
        {
            let at = if *end == Step::First { 0 } else { -1 };
            got = Got::of(Some(self.nth(*place, at)?.unwrap_or(Json::NULL)));
            steps = rest;
        }
        for step in steps {
            got = self.step(step, got)?;
        }
        match &expr.read {
            Read::Plain => Ok(got),
            Read::Money(form, currency) => self.money(got, *form, currency.as_deref()),
            Read::Time(form, zone) => self.time(got, *form, zone.as_deref()),
        }
    }

    pub(super) fn from(&mut self, from: &'x Input) -> Result<Got<'x>, Reason> {
        match from {
            Input::Place(place) => match self.told(*place) {
                Some(text) => Ok(text.map_or(Got::Absent, Got::made)),
                None => Ok(Got::of(self.get(*place)?)),
            },
            Input::Const(text) => Ok(Got::made(text.as_str())),
            Input::Coalesce(all) => {
                let mut is_null = false;
                for expr in all {
                    match self.expr(expr)? {
                        Got::Absent => {}
                        Got::Null => is_null = true,
                        // `Owner.id` is null, and `Owner` is what it is in.
                        Got::Json(json) if is_null && json.raw().starts_with('{') => {}
                        got => return Ok(got),
                    }
                }
                Ok(if is_null { Got::Null } else { Got::Absent })
            }
            Input::Concat(all, by) => {
                let mut out = String::new();
                for (i, expr) in all.iter().enumerate() {
                    let text = match self.expr(expr)? {
                        Got::Absent => return Ok(Got::Absent),
                        Got::Null => return Ok(Got::Null),
                        got => got.text()?.unwrap_or_default(),
                    };
                    if i > 0 {
                        out.push_str(by);
                    }
                    out.push_str(&text);
                    self.fits(out.len())?;
                    self.spend(text.len())?;
                }
                Ok(Got::made(out))
            }
            Input::Expr(expr) => self.expr(expr),
            Input::Header(name) => {
                Ok(self.context.header(name).map_or(Got::Absent, |text| Got::made(text.trim())))
            }
            Input::Key => {
                let key = self.context.record.key.as_deref();
                let key = key.and_then(|key| std::str::from_utf8(key).ok());
                Ok(key.map_or(Got::Absent, Got::made))
            }
            Input::Received => Ok(self.context.came_at().map_or(Got::Absent, Got::Time)),
        }
    }

    /// No text that is made is larger than a record may be.
    fn fits(&self, bytes: usize) -> Result<(), Reason> {
        let limit = self.context.decoder.limits.max_record_bytes;
        if bytes > limit {
            let why = format!("a text of more than {limit} bytes, the limit of a record");
            return Err(Reason::new(Code::TooLarge, why));
        }
        Ok(())
    }

    fn step(&mut self, step: &'x Step, got: Got<'x>) -> Result<Got<'x>, Reason> {
        if let (Step::First | Step::Last, Got::Json(json)) = (step, &got) {
            if !json.raw().starts_with('[') {
                return Ok(got);
            }
            let list = self.context.list(*json)?;
            let found = if *step == Step::First { list.first() } else { list.last() };
            return Ok(Got::of(Some(found.copied().unwrap_or(Json::NULL))));
        }
        if matches!(got, Got::Absent | Got::Null) {
            return Ok(got);
        }
        let Some(text) = got.text()? else { return Ok(Got::Absent) };
        self.spend(text.len())?;
        Ok(match step {
            Step::First | Step::Last => Got::made(text),
            Step::Trim => cut(text, |text| Some(text.trim())),
            Step::TrimPrefix(prefix) => {
                cut(text, |text| Some(text.strip_prefix(prefix.as_str()).unwrap_or(text)))
            }
            Step::Split(by, n) => cut(text, |text| match usize::try_from(*n) {
                Ok(n) => text.split(by.as_str()).nth(n),
                Err(_) => {
                    let back = n.unsigned_abs().saturating_sub(1);
                    usize::try_from(back).ok().and_then(|n| text.rsplit(by.as_str()).nth(n))
                }
            }),
            Step::Replace(find, with) => {
                let more = with.len().saturating_sub(find.len());
                self.fits(text.len() + text.matches(find.as_str()).count().saturating_mul(more))?;
                Got::made(text.replace(find.as_str(), with))
            }
            Step::Lower => Got::made(text.to_lowercase()),
            Step::Upper => Got::made(text.to_uppercase()),
            Step::Map(table, unlisted) => match (table.get(&*text), unlisted) {
                (Some(to), _) | (None, Unlisted::Const(to)) => Got::made(to.as_str()),
                (None, Unlisted::Keep) => Got::made(text),
                (None, Unlisted::Leave) => Got::Absent,
                (None, Unlisted::Refuse) => {
                    let n = text.chars().count();
                    let why = format!("a text, {n} characters long, that is not in the map");
                    return Err(Reason::new(Code::UnknownValue, why));
                }
            },
            Step::Number(shift) => Got::Number(decimal(&shifted(&text, *shift))?),
            Step::Neg => {
                let (mantissa, scale) = decimal(text.trim())?.parts();
                Got::Number(Amount::from_parts(mantissa.saturating_neg(), scale))
            }
            Step::Bool => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "on" | "1" => Got::made("true"),
                "false" | "f" | "no" | "n" | "off" | "0" => Got::made("false"),
                _ => {
                    let why = "expected a word for yes or no (true, yes, 1, …)";
                    return Err(Reason::new(Code::DecodeJson, why));
                }
            },
            Step::Hash => {
                Got::made(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes())))
            }
        })
    }

    fn money(
        &mut self,
        got: Got<'x>,
        form: MoneyForm,
        currency: Option<&'x Expr>,
    ) -> Result<Got<'x>, Reason> {
        if matches!(got, Got::Absent | Got::Null) {
            return Ok(got);
        }
        let currency = match currency {
            Some(expr) => self.word(expr, "currency")?,
            None => None,
        };
        let code = currency.as_deref();
        let mut how = How { currency: code, ..How::plain(Unit::Epoch) };
        let digits = match (form, got) {
            (MoneyForm::Connect(scale), Got::Json(json)) => connect(json, scale)?,
            (_, got) => got.text()?.unwrap_or_default(),
        };
        how.shift = match form {
            MoneyForm::Major | MoneyForm::Connect(_) => 0,
            MoneyForm::Cents => -2,
            MoneyForm::Micros => -6,
            MoneyForm::Minor => {
                let code = code.and_then(Currency::parse).or(self.context.decoder.reading.currency);
                -code.map_or(2, Currency::decimals)
            }
        };
        money(self.context, "the amount", &digits, &how).map(Got::Money)
    }

    fn time(
        &self,
        got: Got<'x>,
        form: TimeForm,
        zone: Option<&Calendar>,
    ) -> Result<Got<'x>, Reason> {
        let Some(text) = got_text(&got)? else { return Ok(got) };
        let text = text.trim();
        let calendar = zone.unwrap_or(&self.context.decoder.calendar);
        let moment = match form {
            TimeForm::Rfc3339 => rfc3339(text),
            TimeForm::Seconds => seconds(text),
            TimeForm::Millis => {
                text.parse().ok().map(|ms| moment(Timestamp::from_millis(ms), Precision::Millis))
            }
            TimeForm::Micros => {
                let number = text.parse().ok();
                // An envelope with a schema has made a text of the number.
                let number = number.map(|us| moment(Timestamp(us), Precision::Micros));
                number.or_else(|| naive(text, zone)).or_else(|| rfc3339(text))
            }
            TimeForm::Days => text.parse().ok().map(|days| start_of(calendar, Day(days))),
            TimeForm::Date => date(text).map(|day| start_of(calendar, day)),
            TimeForm::Naive => naive(text, zone),
            TimeForm::DotNet => dotnet(text),
        };
        let name = TimeForm::ALL[form as usize].1;
        let why = || Reason::new(Code::BadTime, format!("no time of the form {name}"));
        moment.map(Got::Time).ok_or_else(why)
    }
}

/// A piece of a text, borrowed where the text is; absent where there is no such piece.
fn cut<'x>(text: Cow<'x, str>, piece: impl Fn(&str) -> Option<&str>) -> Got<'x> {
    match text {
        Cow::Borrowed(text) => piece(text).map_or(Got::Absent, Got::made),
        Cow::Owned(text) => piece(&text).map_or(Got::Absent, |piece| Got::made(piece.to_owned())),
    }
}

fn got_text<'g>(got: &'g Got<'_>) -> Result<Option<Cow<'g, str>>, Reason> {
    match got {
        Got::Absent | Got::Null => Ok(None),
        Got::Text(text) => Ok(Some(Cow::Borrowed(text))),
        Got::Number(number) => Ok(Some(Cow::Owned(number.to_string()))),
        Got::Json(json) => Got::Json(*json).text(),
        Got::Money(_) | Got::Time(_) => Ok(None),
    }
}

fn decimal(text: &str) -> Result<Amount, Reason> {
    number("the number", text)
}

/// The digits of Connect's `Decimal`: base64 of the unscaled number, most significant byte first.
/// Connectors may also write a number, and an envelope with a schema has made one of it; or an
/// object with a scale of its own.
fn connect(json: Json<'_>, scale: i32) -> Result<Cow<'_, str>, Reason> {
    let bad =
        |why: &str| Reason::new(Code::BadAmount, format!("no decimal of Kafka Connect: {why}"));
    let (value, scale) = match json.object() {
        Some(object) => {
            let scale = object.get("scale").whole();
            (object.get("value"), scale.ok_or_else(|| bad("it is an object without a scale"))?)
        }
        None => (json, i64::from(scale)),
    };
    let text = value.text().ok_or_else(|| bad("expected base64 or a number"))?;
    if !value.raw().starts_with('"') {
        return Ok(text);
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim());
    let bytes = bytes.ok().filter(|bytes| !bytes.is_empty());
    let bytes = bytes.ok_or_else(|| bad("it is not base64; read digits as money = \"major\""))?;
    match Plain::decimal(&bytes, scale) {
        Some(Plain::Number(digits)) => Ok(Cow::Owned(digits)),
        _ => Err(bad("it has more digits than anybody counts in")),
    }
}

fn moment(at: Timestamp, precision: Precision) -> Moment {
    Moment { at, precision }
}

fn start_of(calendar: &Calendar, day: Day) -> Moment {
    moment(calendar.start_of(day), Precision::Day)
}

fn precise((at, digits): (Timestamp, usize)) -> Moment {
    let precision = match digits {
        0 => Precision::Seconds,
        1..=3 => Precision::Millis,
        _ => Precision::Micros,
    };
    moment(at, precision)
}

fn has_zone(text: &str) -> bool {
    text.get(11..).is_some_and(|clock| clock.contains(['Z', 'z', '+', '-']))
}

fn rfc3339(text: &str) -> Option<Moment> {
    instant(text).filter(|_| has_zone(text)).map(precise)
}

/// The date that the text begins with.
fn date(text: &str) -> Option<Day> {
    let rest = text.get(10..)?;
    (rest.is_empty() || rest.starts_with(['T', ' '])).then(|| Day::parse(&text[..10])).flatten()
}

/// Without a zone of its own it is UTC.
fn naive(text: &str, zone: Option<&Calendar>) -> Option<Moment> {
    let (civil, digits) = instant(text).filter(|_| !has_zone(text))?;
    let at = zone.map_or(civil, |calendar| calendar.at_civil(civil));
    Some(precise((at, digits)))
}

/// Whole seconds, or with a fraction.
fn seconds(text: &str) -> Option<Moment> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(moment(Timestamp(seconds.saturating_mul(1_000_000)), Precision::Seconds));
    }
    let (mantissa, scale) = number("", text).ok()?.parts();
    let micros = i128::from(mantissa) * 1_000_000 / 10_i128.pow(u32::from(scale));
    Some(precise((Timestamp(i64::try_from(micros).ok()?), usize::from(scale))))
}

/// `/Date(1764086400000+0000)/`: milliseconds since 1970, whatever the offset behind them.
fn dotnet(text: &str) -> Option<Moment> {
    let inside = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let end = inside.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-'));
    let digits = end.map_or(inside, |(end, _)| &inside[..end]);
    Some(moment(Timestamp::from_millis(digits.parse().ok()?), Precision::Millis))
}
