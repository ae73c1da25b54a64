//! From a mapping as typed to the program: its rules.

use std::path::Path;

use super::typed::{Condition, MappingFile, NullsWord, PathText, RuleRow, Value, When};
use super::value::{Kind, Known};
use crate::config::leaf::{Given, Leaf, Raw};
use crate::config::near::did_you_mean;
use crate::config::read::{Reader, child};
use crate::config::words::{FieldText, Name};
use crate::model::event::{EntityKind, Field, FieldName, FieldType, Flags, Op, Status};
use crate::model::mapping::{
    Body, Expr, Gives, Input, Is, Mapping, Nulls, OpOf, Place, Places, Read, Recipe, Rule, Stated,
    Test,
};
use crate::model::money::Amount;

/// Reads the rules; none where something is wrong with one.
pub(super) fn compile(
    reader: &mut Reader,
    prefix: &str,
    file: MappingFile,
    name: &str,
) -> Option<Mapping> {
    let system = match file.system {
        Some(system) => system.0.0,
        None => {
            let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str());
            match Name::read(Raw::Text(stem.unwrap_or(""))) {
                Ok(name) => name.0,
                Err(_) => {
                    let what = "the name of the file cannot be the system of its events";
                    reader.fault(prefix, what, "add system = \"…\" at the top of the file");
                    return None;
                }
            }
        }
    };
    let rows = file.map.unwrap_or_default();
    if rows.is_empty() {
        let what = format!("the mapping \"{name}\" has no rule, so nothing would be read");
        reader.fault(prefix, what, "write [[map]] above each rule");
        return None;
    }
    let mut compiler = Compiler { reader, places: Places::default(), explodes: false };
    let body = file.decode.map_or(Body::Json, |body| body.0);
    let rules = rows
        .iter()
        .enumerate()
        .map(|(i, row)| compiler.rule(&format!("{prefix}.map[{i}]"), row))
        .collect();
    let Compiler { reader, places, .. } = compiler;
    let ok = !reader.faulty(&[prefix]);
    ok.then(|| Mapping::new(system, body, places, rules))
}

/// What the rules of a mapping share while they are read.
pub(super) struct Compiler<'r> {
    pub(super) reader: &'r mut Reader,
    places: Places,
    /// Whether the rule has an array whose elements are `@`.
    explodes: bool,
}

impl Compiler<'_> {
    pub(super) fn fault(&mut self, at: &str, what: impl Into<String>, mend: impl Into<String>) {
        self.reader.fault(at, what, mend);
    }

    /// The place of a path, and the source's name for what is there.
    pub(super) fn place(&mut self, at: &str, path: &PathText) -> (Place, Option<String>) {
        // Its form was checked when it was read.
        let place = match self.places.of(&path.0) {
            Ok(place) => place,
            Err(why) => {
                self.fault(at, format!("no path: {why}"), "mend the path");
                Place(0)
            }
        };
        if self.places.0.get(place.0).is_some_and(|node| node.of_item) && !self.explodes {
            let what = "\"@\" is an element of the array that explode names, and the rule has none";
            self.fault(at, what, "add explode = \"…\" to the rule, or remove the @");
        }
        (place, self.places.native(place).map(str::to_owned))
    }

    fn rule(&mut self, at: &str, row: &RuleRow) -> Rule {
        self.explodes = false;
        let explode = row.explode.as_ref().map(|p| self.place(&child(at, "explode"), &p.0).0);
        self.explodes = explode.is_some();
        let when = row.when.as_ref().map_or_else(Vec::new, |w| self.when(&child(at, "when"), w));
        let gives = match &row.ignore {
            Some(reason) => {
                self.nothing_else(at, row);
                Gives::Nothing(reason.0)
            }
            None => Gives::Event(Box::new(self.recipe(at, row))),
        };
        Rule { when, explode, gives }
    }

    /// A rule that ignores an element makes nothing of it.
    fn nothing_else(&mut self, at: &str, row: &RuleRow) {
        let keys = [
            ("entity", row.entity.is_some()),
            ("op", row.op.is_some()),
            ("time", row.time.is_some()),
            ("order", row.order.is_some()),
            ("id", row.id.is_some()),
            ("merged_into", row.merged_into.is_some()),
            ("flags", row.flags.is_some()),
            ("set", row.set.is_some()),
        ];
        if let Some((key, _)) = keys.iter().find(|(_, given)| *given) {
            let what = "a rule that ignores an element makes no event of it";
            self.fault(&child(at, key), what, format!("remove {key}, or ignore"));
        }
    }

    fn recipe(&mut self, at: &str, row: &RuleRow) -> Recipe {
        let given = row.entity.as_ref();
        let kind = given.and_then(|entity| entity.r#type.as_ref()).map(|kind| kind.0);
        let entity_at = child(at, "entity");
        let mend =
            "write entity = { type = \"deal\", id = \"…\" }: what it is, and where its id stands";
        if kind.is_none() {
            self.fault(&entity_at, "the rule does not say which entity it is about", mend);
        }
        let entity = kind.unwrap_or(EntityKind::Deal);
        let id = match given.and_then(|entity| entity.id.as_ref()) {
            Some(id) => self.text(&child(&entity_at, "id"), id),
            None => {
                self.fault(
                    &entity_at,
                    "the rule does not say where the id of the entity stands",
                    mend,
                );
                nothing()
            }
        };
        let time = row.time.as_ref().map(|time| self.time(&child(at, "time"), time));
        let order = row.order.as_deref().unwrap_or_default();
        if order.len() > 2 {
            let mend = "write one number, which counts behind the time, or two instead of it";
            self.fault(&child(at, "order"), "an order has one or two numbers", mend);
        }
        let order = self.several(&child(at, "order"), order);
        let name = self.several(&child(at, "id"), row.id.as_deref().unwrap_or_default());
        let merged = row.merged_into.as_ref();
        Recipe {
            entity,
            id,
            op: row.op.as_ref().map(|op| self.op(&child(at, "op"), op)),
            time,
            order,
            name,
            merged_into: merged.map(|value| self.text(&child(at, "merged_into"), value)),
            set: self.set(&child(at, "set"), entity, row),
            flags: self.flags(&child(at, "flags"), row),
            nulls: self.nulls(at, row),
        }
    }

    fn when(&mut self, at: &str, when: &When) -> Vec<Test> {
        let mut out = Vec::new();
        for (path, condition) in &when.0 {
            let at = child(at, path);
            let place = self.place(&at, &PathText(path.clone())).0;
            let is = match condition {
                Condition::Words(words) => Is::OneOf(words.texts()),
                Condition::Row(row) => match (&row.exists, &row.not) {
                    (Some(there), None) => Is::There(there.0),
                    (None, Some(words)) => Is::NoneOf(words.texts()),
                    _ => {
                        let mend = "write { exists = true }, { exists = false } or { not = … }";
                        self.fault(&at, "a condition is exactly one of exists and not", mend);
                        continue;
                    }
                },
            };
            if matches!(&is, Is::OneOf(texts) | Is::NoneOf(texts) if texts.is_empty()) {
                self.fault(&at, "there is no value to compare with", "write at least one value");
            }
            out.push(Test { place, is });
        }
        out
    }

    fn flags(&mut self, at: &str, row: &RuleRow) -> Vec<(Flags, Vec<Test>)> {
        let rows = row.flags.iter().flat_map(|rows| &rows.0);
        rows.filter_map(|(name, when)| {
            let flag = Flags::ALL.iter().find(|(_, known)| known == name)?.0;
            Some((flag, self.when(&child(at, name), when)))
        })
        .collect()
    }

    fn nulls(&mut self, at: &str, row: &RuleRow) -> Nulls {
        let is_unknown = row.nulls.as_ref().is_some_and(|word| word.0 == NullsWord::Unknown);
        let changed = row.changed.as_ref().map(|p| self.place(&child(at, "changed"), &p.0).0);
        if changed.is_some() && !is_unknown {
            let what = "changed says which nulls are real, and here all of them are";
            let mend = "add nulls = \"unknown\", or remove changed";
            self.fault(&child(at, "changed"), what, mend);
        }
        if is_unknown { Nulls::Unknown(changed) } else { Nulls::Cleared }
    }

    /// An operation by its name, or what gives one.
    fn op(&mut self, at: &str, value: &Value) -> OpOf {
        let named = |name: &str| Op::ALL.iter().find(|(_, op)| *op == name).map(|(op, _)| *op);
        if let Value::Path(Given(path)) = value
            && let Some(op) = named(&path.0)
        {
            return OpOf::Always(op);
        }
        let (expr, known) = self.value(at, value, 0);
        let names: Vec<&str> = Op::ALL.iter().map(|(_, name)| *name).collect();
        self.single(at, &known);
        let wrong = known.texts.iter().flatten().find(|text| named(text).is_none());
        if let Some(text) = wrong {
            let what = format!("\"{text}\" is no operation");
            self.fault(at, what, did_you_mean(text, &names));
        }
        OpOf::From(expr)
    }

    fn time(&mut self, at: &str, value: &Value) -> Expr {
        let (expr, known) = self.value(at, value, 0);
        if known.kind != Kind::Time {
            let what = "the form of the time is not said";
            let mend = "write { from = \"…\", time = \"rfc3339\" }; other forms: s, ms, us, days, date, naive, dotnet";
            self.fault(at, what, mend);
        }
        expr
    }

    fn several(&mut self, at: &str, values: &[Value]) -> Vec<Expr> {
        let mut out = Vec::new();
        for (i, value) in values.iter().enumerate() {
            let at = format!("{at}[{i}]");
            let (expr, known) = self.value(&at, value, 0);
            if known.kind == Kind::Money {
                self.fault(&at, "money cannot stand here", "remove money from the expression");
            }
            out.push(expr);
        }
        out
    }

    /// A value that must be a text.
    pub(super) fn text(&mut self, at: &str, value: &Value) -> Expr {
        let (expr, known) = self.value(at, value, 0);
        self.single(at, &known);
        expr
    }

    fn single(&mut self, at: &str, known: &Known) {
        if let Some(key) = known.kind.read_as() {
            let what = format!("a text is expected here, and {key} makes none");
            self.fault(at, what, format!("remove {key} from the expression"));
        }
    }

    fn set(&mut self, at: &str, entity: EntityKind, row: &RuleRow) -> Vec<Stated> {
        let mut out = Vec::new();
        for (name, value) in row.set.iter().flat_map(|rows| &rows.0) {
            let at = child(at, name);
            let (expr, known) = self.value(&at, value, 0);
            // The name was checked when it was read.
            let Ok(FieldText(field)) = FieldText::read(Raw::Text(name)) else { continue };
            self.fits(&at, &field, entity, &known);
            out.push(Stated { field, value: expr, native: known.native });
        }
        out
    }

    /// Whether such a value can fill the field.
    fn fits(&mut self, at: &str, name: &FieldName<'_>, entity: EntityKind, known: &Known) {
        let kind = match name {
            FieldName::Known(field) => field.field_type(),
            FieldName::Custom(_) => FieldType::Text,
        };
        let mend = match (kind, known.kind) {
            (FieldType::Money, Kind::Money) | (FieldType::Time, Kind::Time) => None,
            (FieldType::Money, _) => Some(
                "say what its digits count: money = \"major\", \"minor\", \"cents\", \"micros\" or \"connect\"",
            ),
            (FieldType::Time, _) => Some(
                "say its form: time = \"rfc3339\", \"s\", \"ms\", \"us\", \"days\", \"date\", \"naive\" or \"dotnet\"",
            ),
            (_, Kind::Money) => Some("remove money, or fill a field that takes it, such as amount"),
            (_, Kind::Time) => {
                Some("remove time, or fill a field that takes one, such as created_at")
            }
            (FieldType::Number, Kind::Bool) => Some("remove bool"),
            (FieldType::Number, Kind::Hash) => Some("remove hash"),
            (FieldType::Bool, Kind::Number | Kind::Hash) => Some("add bool = true instead"),
            (FieldType::Splits, Kind::Any | Kind::Text) => None,
            (FieldType::Splits, _) => Some(
                "take the list as it is: a path to an array of { owner, share, type }, or to a text that holds one",
            ),
            _ => None,
        };
        if let Some(mend) = mend {
            let takes = match kind {
                FieldType::Text | FieldType::Status => "a text",
                FieldType::Number => "a number",
                FieldType::Money => "money",
                FieldType::Time => "a time",
                FieldType::Bool => "true or false",
                FieldType::Splits => "a list of owners and shares",
            };
            self.fault(at, format!("the field takes {takes}, and this is {}", known.kind), mend);
            return;
        }
        let is_outcome = *name == FieldName::Known(Field::Status) && entity == EntityKind::Deal;
        let bad = |text: &&String| match kind {
            _ if text.is_empty() => false,
            FieldType::Status => is_outcome && Status::parse(text).is_none(),
            FieldType::Number => text.parse::<Amount>().is_err(),
            FieldType::Bool => !matches!(text.as_str(), "true" | "false"),
            _ => false,
        };
        if let Some(text) = known.texts.iter().flatten().find(bad) {
            let (what, mend) = match kind {
                FieldType::Status => (
                    "the status of a deal",
                    "write open, won or lost; other words belong into stage",
                ),
                FieldType::Number => ("a number", "write a decimal number: \"0.5\""),
                _ => ("true or false", "write true or false"),
            };
            self.fault(at, format!("\"{text}\" is not {what}"), mend);
        }
    }
}

/// What stands where a fault was found.
pub(super) fn nothing() -> Expr {
    Expr { from: Input::Const(String::new()), steps: Vec::new(), read: Read::Plain }
}
