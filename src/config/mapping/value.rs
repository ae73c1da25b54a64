//! From a mapping as typed to the program: its values.

use std::fmt;

use super::compile::{Compiler, nothing};
use super::typed::{MoneyWord, UnlistedWord, Value, ValueRow};
use crate::config::leaf::{Given, Leaf, Raw};
use crate::config::read::child;
use crate::model::mapping::{DEPTH, Expr, Input, MoneyForm, Read, Step, TimeForm, Unlisted};
use crate::model::money::Currency;

/// What a value will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What it is in the source.
    Any,
    /// A text.
    Text,
    /// A number.
    Number,
    /// Yes or no.
    Bool,
    /// A short name for a text.
    Hash,
    /// Money.
    Money,
    /// An instant.
    Time,
}

impl Kind {
    /// The key that makes it something else than a text.
    pub(super) fn read_as(self) -> Option<&'static str> {
        match self {
            Kind::Money => Some("money"),
            Kind::Time => Some("time"),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Any => "a value as it comes",
            Kind::Text => "a text",
            Kind::Number => "a number",
            Kind::Bool => "true or false",
            Kind::Hash => "a hash",
            Kind::Money => "money",
            Kind::Time => "a time",
        })
    }
}

/// What is known of a value before there is one.
pub(super) struct Known {
    pub(super) kind: Kind,
    /// All that it can be, where that is written in the mapping.
    pub(super) texts: Option<Vec<String>>,
    /// The source's name for it.
    pub(super) native: Option<String>,
}

impl Known {
    fn of(kind: Kind) -> Known {
        Known { kind, texts: None, native: None }
    }
}

impl Compiler<'_> {
    pub(super) fn value(&mut self, at: &str, value: &Value, depth: usize) -> (Expr, Known) {
        if depth > DEPTH {
            let what = format!("values are nested more than {DEPTH} deep");
            self.fault(at, what, "nest them less deep");
            return (nothing(), Known::of(Kind::Any));
        }
        match value {
            Value::Path(Given(path)) => {
                let (place, native) = self.place(at, path);
                let from = Input::Place(place);
                let expr = Expr { from, steps: Vec::new(), read: Read::Plain };
                (expr, Known { native, ..Known::of(Kind::Any) })
            }
            Value::Row(row) => self.row(at, row, depth),
        }
    }

    fn row(&mut self, at: &str, row: &ValueRow, depth: usize) -> (Expr, Known) {
        let (from, mut known) = self.input(at, row, depth);
        let mut steps = Vec::new();
        let inner = known.kind;
        self.texts(at, row, &mut steps, &mut known);
        self.numbers(row, &mut steps, &mut known);
        let read = self.read(at, row, &mut known, depth);
        if let Some(key) = inner.read_as()
            && (!steps.is_empty() || read != Read::Plain)
        {
            let what = format!("{key} ends a value, and this goes on behind it");
            self.fault(at, what, format!("move {key} from the inner value out to this one"));
        }
        (Expr { from, steps, read }, known)
    }

    /// Where the value comes from: exactly one of the keys that say so.
    fn input(&mut self, at: &str, row: &ValueRow, depth: usize) -> (Input, Known) {
        let keys = [
            ("from", row.from.is_some()),
            ("const", row.r#const.is_some()),
            ("coalesce", row.coalesce.is_some()),
            ("concat", row.concat.is_some()),
            ("header", row.header.is_some()),
            ("key", row.key.is_some()),
            ("received", row.received.is_some()),
        ];
        let given: Vec<&str> = keys.iter().filter(|(_, is)| *is).map(|(key, _)| *key).collect();
        if given.len() != 1 {
            let what = match given[..] {
                [] => "it is not said where the value comes from".to_owned(),
                _ => format!("the value comes from {} at once", given.join(" and ")),
            };
            let mend =
                "write exactly one of from, const, coalesce, concat, header, key and received";
            self.fault(at, what, mend);
            return (Input::Const(String::new()), Known::of(Kind::Any));
        }
        if row.by.is_some() && row.concat.is_none() {
            let mend =
                "remove it; a separator for split stands inside: split = { by = \",\", n = 0 }";
            self.fault(
                &child(at, "by"),
                "\"by\" joins the parts of concat, and there is none",
                mend,
            );
        }
        if let Some(from) = &row.from {
            let (expr, known) = self.value(&child(at, "from"), from, depth + 1);
            let plain = expr.steps.is_empty() && expr.read == Read::Plain;
            return (if plain { expr.from } else { Input::Expr(Box::new(expr)) }, known);
        }
        if let Some(text) = &row.r#const {
            let text = text.0.0.clone();
            let known = Known { texts: Some(vec![text.clone()]), ..Known::of(Kind::Text) };
            return (Input::Const(text), known);
        }
        if let Some(all) = &row.coalesce {
            return self.coalesce(&child(at, "coalesce"), all, depth);
        }
        if let Some(all) = &row.concat {
            let at = child(at, "concat");
            let mut parts = Vec::new();
            for (i, value) in all.iter().enumerate() {
                let at = format!("{at}[{i}]");
                let (expr, known) = self.value(&at, value, depth + 1);
                if let Some(key) = known.kind.read_as() {
                    let what = format!("a part of concat is a text, and {key} makes none");
                    self.fault(&at, what, format!("remove {key}"));
                }
                parts.push(expr);
            }
            let by = row.by.as_ref().map_or(String::new(), |by| by.0.0.clone());
            return (Input::Concat(parts, by), Known::of(Kind::Text));
        }
        match &row.header {
            Some(name) => (Input::Header(name.0.clone()), Known::of(Kind::Text)),
            None if row.received.is_some() => (Input::Received, Known::of(Kind::Time)),
            None => (Input::Key, Known::of(Kind::Text)),
        }
    }

    fn coalesce(&mut self, at: &str, all: &[Value], depth: usize) -> (Input, Known) {
        let mut out = Vec::new();
        let mut kinds = Vec::new();
        let mut native = None;
        let mut texts = Some(Vec::new());
        for (i, value) in all.iter().enumerate() {
            let (expr, known) = self.value(&format!("{at}[{i}]"), value, depth + 1);
            out.push(expr);
            kinds.push(known.kind);
            native = native.or(known.native);
            match (&mut texts, known.texts) {
                (Some(all), Some(more)) => all.extend(more),
                _ => texts = None,
            }
        }
        let Some(first) = kinds.first().copied() else {
            self.fault(at, "there is nothing to choose from", "write at least one value");
            return (Input::Const(String::new()), Known::of(Kind::Any));
        };
        let differs = |kind: &Kind| kind.read_as() != first.read_as();
        if kinds.iter().any(differs) {
            let what = "some of the values are money or times, and some are not";
            self.fault(at, what, "write money or time behind coalesce, once for all of them");
        }
        let kind = if kinds.iter().all(|kind| *kind == first) { first } else { Kind::Any };
        (Input::Coalesce(out), Known { kind, texts, native })
    }

    /// The transforms of texts, in their order.
    fn texts(&mut self, at: &str, row: &ValueRow, steps: &mut Vec<Step>, known: &mut Known) {
        let before = steps.len();
        if row.first.is_some() {
            steps.push(Step::First);
        }
        if row.last.is_some() {
            steps.push(Step::Last);
        }
        let arrays = steps.len();
        if row.trim.is_some() {
            steps.push(Step::Trim);
        }
        if let Some(prefix) = &row.trim_prefix {
            steps.push(Step::TrimPrefix(prefix.0.0.clone()));
        }
        if let Some(split) = &row.split {
            match (&split.by, &split.n) {
                (Some(by), Some(n)) => steps.push(Step::Split(by.0.0.clone(), n.0.0.into())),
                _ => self.fault(
                    &child(at, "split"),
                    "split needs a separator and a number",
                    "write split = { by = \",\", n = 0 }",
                ),
            }
        }
        if let Some(replace) = &row.replace {
            match (&replace.find, &replace.with) {
                (Some(find), Some(with)) => {
                    steps.push(Step::Replace(find.0.0.clone(), with.0.0.clone()));
                }
                _ => self.fault(
                    &child(at, "replace"),
                    "replace needs what to find and what to put there",
                    "write replace = { find = \",\", with = \".\" }",
                ),
            }
        }
        if row.lower.is_some() {
            steps.push(Step::Lower);
        }
        if row.upper.is_some() {
            steps.push(Step::Upper);
        }
        if steps.len() > arrays {
            known.kind = Kind::Text;
        }
        if steps.len() > before {
            known.texts = None;
        }
        self.table(at, row, steps, known);
    }

    fn table(&mut self, at: &str, row: &ValueRow, steps: &mut Vec<Step>, known: &mut Known) {
        let unlisted = match (&row.r#else, &row.unlisted) {
            (None, None) => Unlisted::Refuse,
            (Some(text), None) => Unlisted::Const(text.0.0.clone()),
            (None, Some(Given(UnlistedWord::Leave))) => Unlisted::Leave,
            (None, Some(Given(UnlistedWord::Keep))) => Unlisted::Keep,
            (Some(_), Some(_)) => {
                let what = "a value that is not in the map cannot be two things at once";
                self.fault(&child(at, "unlisted"), what, "keep one of else and unlisted");
                Unlisted::Refuse
            }
        };
        let Some(table) = &row.map else {
            if unlisted != Unlisted::Refuse {
                let key = if row.r#else.is_some() { "else" } else { "unlisted" };
                let what = format!("\"{key}\" says what is not in the map, and there is no map");
                self.fault(
                    &child(at, key),
                    what,
                    "add map = { … }; a default is the last one of coalesce",
                );
            }
            return;
        };
        let table: std::collections::BTreeMap<String, String> =
            table.0.iter().map(|(from, to)| (from.clone(), to.0.0.clone())).collect();
        let mut texts: Vec<String> = table.values().cloned().collect();
        known.texts = match &unlisted {
            Unlisted::Keep => None,
            Unlisted::Const(text) => {
                texts.push(text.clone());
                Some(texts)
            }
            Unlisted::Refuse | Unlisted::Leave => Some(texts),
        };
        known.kind = Kind::Text;
        steps.push(Step::Map(table, unlisted));
    }

    fn numbers(&mut self, row: &ValueRow, steps: &mut Vec<Step>, known: &mut Known) {
        let before = steps.len();
        if let Some(number) = &row.number {
            steps.push(Step::Number(number.0.0));
            known.kind = Kind::Number;
        }
        if row.neg.is_some() {
            steps.push(Step::Neg);
            known.kind = Kind::Number;
        }
        if row.bool.is_some() {
            steps.push(Step::Bool);
            known.kind = Kind::Bool;
        }
        if row.hash.is_some() {
            steps.push(Step::Hash);
            known.kind = Kind::Hash;
        }
        if steps.len() > before {
            known.texts = None;
        }
    }

    fn read(&mut self, at: &str, row: &ValueRow, known: &mut Known, depth: usize) -> Read {
        if let (Some(_), Some(_)) = (&row.money, &row.time) {
            let what = "a value is money or a time, not both";
            self.fault(&child(at, "time"), what, "remove one of the two");
        }
        for (key, given) in [("currency", row.currency.is_some()), ("scale", row.scale.is_some())] {
            if given && row.money.is_none() {
                let what = format!("\"{key}\" belongs to money, and there is none");
                self.fault(&child(at, key), what, "add money = \"major\", or another form");
            }
        }
        if let Some(money) = &row.money {
            known.kind = Kind::Money;
            let currency = row
                .currency
                .as_ref()
                .map(|value| Box::new(self.currency(&child(at, "currency"), value, depth)));
            return Read::Money(self.form(at, money.0, row), currency);
        }
        let zone = row.zone.as_ref().map(|zone| Box::new(zone.0.0.clone()));
        let Some(time) = row.time.as_ref() else {
            if zone.is_some() {
                let what = "\"zone\" belongs to a time, and there is none";
                self.fault(&child(at, "zone"), what, "add time = \"naive\" or \"date\"");
            }
            return Read::Plain;
        };
        if zone.is_some() && !matches!(time.0, TimeForm::Naive | TimeForm::Date | TimeForm::Days) {
            let what = "a time of this form needs no zone: it names an instant";
            self.fault(
                &child(at, "zone"),
                what,
                "remove it; a zone goes with naive, date and days",
            );
        }
        known.kind = Kind::Time;
        Read::Time(time.0, zone)
    }

    fn form(&mut self, at: &str, word: MoneyWord, row: &ValueRow) -> MoneyForm {
        let scale = row.scale.as_ref().map(|scale| scale.0.0);
        if scale.is_some() && word != MoneyWord::Connect {
            let what = "\"scale\" belongs to money = \"connect\"";
            self.fault(&child(at, "scale"), what, "remove it");
        }
        match word {
            MoneyWord::Major => MoneyForm::Major,
            MoneyWord::Minor => MoneyForm::Minor,
            MoneyWord::Cents => MoneyForm::Cents,
            MoneyWord::Micros => MoneyForm::Micros,
            MoneyWord::Connect => {
                if !scale.is_some_and(|scale| (-28..=28).contains(&scale)) {
                    let what = "money = \"connect\" needs the decimals of its column";
                    let mend = "add scale = 2, or what the schema of the connector says, -28 to 28";
                    self.fault(&child(at, "money"), what, mend);
                }
                MoneyForm::Connect(scale.unwrap_or(0))
            }
        }
    }

    fn currency(&mut self, at: &str, value: &Value, depth: usize) -> Expr {
        if let Value::Path(Given(path)) = value
            && path.0.len() == 3
            && path.0.bytes().all(|b| b.is_ascii_uppercase())
        {
            let what = format!("\"{}\" is a path here, and looks like a currency", path.0);
            self.fault(at, what, format!("write currency = {{ const = \"{}\" }}", path.0));
        }
        let (expr, known) = self.value(at, value, depth + 1);
        if let Some(key) = known.kind.read_as() {
            self.fault(
                at,
                format!("a currency is a text, and {key} makes none"),
                format!("remove {key}"),
            );
        }
        for text in known.texts.iter().flatten() {
            if let Err(problem) = Currency::read(Raw::Text(text)) {
                self.fault(at, problem.what, problem.mend);
            }
        }
        expr
    }
}
