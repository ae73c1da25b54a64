//! Measures of the user's own: `[measures.<name>]`, what counts, when, and under which condition.

use super::formulas::spelled;
use super::leaf::{Leaf, Problem, Raw, clip, text};
use super::near::{listed, nearest};
use super::read::{Reader, child};
use super::typed::{MeasureRow, Measures};
use super::words::{dimension, one_of};
use crate::model::event::{EntityKind, Field, FieldName, FieldType};
use crate::model::formula::WORKING_DAYS;
use crate::model::kpi::Kpi;
use crate::model::measure::Measure;
use crate::model::own::{
    self, Asked, CREDITED, Condition, Meant, Moment, OwnMeasure, OwnMeasures, is_summable, is_text,
};

/// The types of entities that can be counted.
fn kinds() -> Vec<&'static str> {
    let counted = EntityKind::ALL.iter().filter(|(kind, _)| !Moment::of(*kind).is_empty());
    counted.map(|(_, name)| *name).collect()
}

/// A type of entity that can be counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted(pub(super) EntityKind);

impl Leaf for Counted {
    fn read(raw: Raw<'_>) -> Result<Counted, Problem> {
        one_of(raw, "a type of entity that is counted", &kinds(), |name| {
            EntityKind::parse(name).filter(|kind| !Moment::of(*kind).is_empty()).map(Counted)
        })
    }
}

/// The text of a condition, which may go over several lines.
#[derive(Clone, Debug)]
pub(super) struct Where(pub(super) String);

impl Leaf for Where {
    fn read(raw: Raw<'_>) -> Result<Where, Problem> {
        let mend = "write it in quotes: \"kind = 'meeting'\"";
        let text = text(raw, "a condition", mend)?;
        let strange = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if text.trim().is_empty() {
            let mend = "leave the key out where everything counts";
            return Err(Problem::new("expected a condition that is not empty", mend));
        }
        if let Some((i, c)) = text.chars().enumerate().find(|(_, c)| strange(*c)) {
            let place = i + 1;
            let what = format!("character {place} of the condition is {}", c.escape_unicode());
            let mend = "remove it: no text that is compared has a character that nobody sees";
            return Err(Problem::new(what, mend));
        }
        Ok(Where(text.to_owned()))
    }
}

/// What the numbers of a field of one's own are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SumUnit {
    Count,
    Money,
}

impl Leaf for SumUnit {
    fn read(raw: Raw<'_>) -> Result<SumUnit, Problem> {
        one_of(raw, "a unit", &["count", "money"], |name| match name {
            "count" => Some(SumUnit::Count),
            "money" => Some(SumUnit::Money),
            _ => None,
        })
    }
}

impl Leaf for Moment {
    fn read(raw: Raw<'_>) -> Result<Moment, Problem> {
        one_of(raw, "a moment", &Moment::ALL.map(|(_, name)| name), Moment::parse)
    }
}

/// Whether one's own measure may have this name.
pub(super) fn name_rule(name: &str) -> Result<(), Problem> {
    spelled(name, "a measure")?;
    let mend = "choose another name, such as \"our_…\"";
    if Kpi::named(name).is_some() {
        return Err(Problem::new(format!("\"{name}\" is a KPI of the catalogue"), mend));
    }
    if name == WORKING_DAYS || Measure::ALL.iter().any(|(measure, ..)| measure.name() == name) {
        return Err(Problem::new(format!("\"{name}\" is a measure that there is already"), mend));
    }
    Ok(())
}

fn key_of(name: &str, key: &str) -> String {
    let whole = child("measures", name);
    if key.is_empty() { whole } else { child(&whole, key) }
}

/// The measures; what is wrong goes to the reader. `dimensions` are those of the segments.
pub(super) fn measures(
    reader: &mut Reader,
    typed: Option<Measures>,
    dimensions: &[String],
) -> OwnMeasures {
    let rows = typed.map(|measures| measures.0).unwrap_or_default();
    if rows.len() > own::MOST {
        let what =
            format!("there are {} measures of your own, and at most {}", rows.len(), own::MOST);
        let mend =
            "leave out those that no formula names: each is asked of every event of its type";
        reader.fault("measures", what, mend);
    }
    rows.into_iter().filter_map(|(name, row)| measure(reader, &name, row, dimensions)).collect()
}

/// Whether more fields would be kept than there is room for.
pub(super) fn check_kept(reader: &mut Reader, kept: usize) {
    if kept > own::MOST_FIELDS {
        let what = format!(
            "measures of your own and deals.cycle_from ask for {kept} fields that nothing else keeps, and at most {} are kept",
            own::MOST_FIELDS
        );
        reader.fault(
            "measures",
            what,
            "ask for fewer fields: each is kept of every entity of its type",
        );
    }
}

fn measure(
    reader: &mut Reader,
    name: &str,
    row: MeasureRow,
    dimensions: &[String],
) -> Option<OwnMeasure> {
    let of = row.of.map(|of| of.0.0);
    if of.is_none() && !reader.faulty(&[&key_of(name, "of")]) {
        let mend = "add of = \"deal\", or another type of entity";
        reader.fault(&key_of(name, ""), format!("\"{name}\" does not say of what it is"), mend);
    }
    let at = moment(reader, name, of, row.at.map(|at| at.0));
    let of = of?;
    let condition = match row.r#where {
        None => Some(Condition::default()),
        Some(given) => own::read(&given.0.0, |asked| ask(of, asked, dimensions))
            .map_err(|fault| {
                let key = key_of(name, "where");
                reader.fault_in(&key, &given.0.0, fault.at, fault.what, fault.mend);
            })
            .ok(),
    };
    let sum = match row.sum.map(|name| summed(of, &name.0)).transpose() {
        Ok(sum) => sum,
        Err(Problem { what, mend }) => {
            reader.fault(&key_of(name, "sum"), what, mend);
            return None;
        }
    };
    let is_money = is_money(reader, name, sum.as_ref(), row.unit.map(|unit| unit.0))?;
    let meant = Meant { of, at: at?, condition: condition?, sum, is_money };
    let doc = row.doc.map_or_else(String::new, |doc| doc.0);
    Some(OwnMeasure::new(name, &doc, meant))
}

/// Whether what is summed is money that a field of the user's own states as a number.
fn is_money(
    reader: &mut Reader,
    name: &str,
    sum: Option<&FieldName<'_>>,
    unit: Option<SumUnit>,
) -> Option<bool> {
    let (what, mend) = match (sum, unit) {
        (_, None) => return Some(false),
        (Some(FieldName::Custom(_)), Some(unit)) => return Some(unit == SumUnit::Money),
        (Some(FieldName::Known(field)), _) => {
            (format!("\"{}\" has a unit of its own", field.as_str()), "leave out unit")
        }
        (None, _) => (
            format!("\"{name}\" sums nothing that could have a unit"),
            "add sum = \"x.…\", or leave out unit",
        ),
    };
    reader.fault(&key_of(name, "unit"), what, mend);
    None
}

/// When something counts, where that is said and fits.
fn moment(
    reader: &mut Reader,
    name: &str,
    of: Option<EntityKind>,
    at: Option<Moment>,
) -> Option<Moment> {
    let moments = of.map(Moment::of).unwrap_or_default();
    let listed = listed(moments.iter().map(|at| at.as_str()));
    let Some(at) = at else {
        if !reader.faulty(&[&key_of(name, "at")]) {
            let what = format!("\"{name}\" does not say when something counts");
            let mend = match moments {
                [] => "add at = \"created\", or another moment".to_owned(),
                [one] => format!("add at = \"{}\"", one.as_str()),
                _ => format!("add at = \"…\" with one of {listed}"),
            };
            reader.fault(&key_of(name, ""), what, mend);
        }
        return None;
    };
    let of = of?;
    if moments.contains(&at) {
        return Some(at);
    }
    let what = format!("the type {} has no moment \"{}\"", of.as_str(), at.as_str());
    reader.fault(&key_of(name, "at"), what, format!("write one of {listed}"));
    None
}

/// The field that is summed.
fn summed(of: EntityKind, name: &str) -> Result<FieldName<'static>, Problem> {
    if let Some(own) = name.strip_prefix("x.") {
        return dimension(name).map(|()| FieldName::Custom(own.to_owned().into()));
    }
    match Field::parse(name).map(FieldName::Known) {
        Some(FieldName::Known(field)) if is_summable(&FieldName::Known(field)) => {
            strange(of, field).map(|()| FieldName::Known(field))
        }
        Some(_) => {
            let what = format!("\"{name}\" is neither money nor a number");
            let mend = "sum a field that is: docs/events-reference.md has the types; \
                        without a sum entities are counted";
            Err(Problem::new(what, mend))
        }
        None => {
            let all = Field::ALL.iter().map(|(field, name, ..)| (FieldName::Known(*field), *name));
            let known = all.filter(|(field, _)| is_summable(field)).map(|(_, name)| name);
            let mend = match nearest(name, known) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write \"amount\", or a field of your own: \"x.seats\"".to_owned(),
            };
            Err(Problem::new(format!("there is no field \"{}\"", clip(name)), mend))
        }
    }
}

/// Refuses a field that only other types of entities have: it would be unknown for ever.
fn strange(of: EntityKind, field: Field) -> Result<(), Problem> {
    let Some(types) = own::only_of(field).filter(|types| !types.contains(&of)) else {
        return Ok(());
    };
    let what = format!("the type {} has no field \"{}\"", of.as_str(), field.as_str());
    let types = listed(types.iter().map(|of| of.as_str()));
    Err(Problem::new(what, format!("it is one of {types}; a field of your own is \"x.…\"")))
}

/// What a name in a condition stands for.
fn ask(of: EntityKind, name: &str, dimensions: &[String]) -> Result<Asked, (String, String)> {
    if let Some(credited) = CREDITED.into_iter().find(|credited| *credited == name) {
        if dimensions.iter().any(|dimension| dimension == name) {
            return Ok(Asked::Credited(credited));
        }
        let what = format!("\"{name}\" is known only where it is a dimension, and no set has it");
        return Err((what, format!("add \"{name}\" to segments.sets")));
    }
    if let Some(own) = name.strip_prefix("x.") {
        let field = Asked::Field(FieldName::Custom(own.to_owned().into()));
        return dimension(name).map(|()| field).map_err(|p| (p.what, p.mend));
    }
    let Some(field) = Field::parse(name) else {
        let all = Field::ALL.iter().map(|(field, name, ..)| (FieldName::Known(*field), *name));
        let texts = all.filter(|(field, _)| is_text(of, field)).map(|(_, name)| name);
        let mend = match (name, nearest(name, texts.chain(CREDITED))) {
            ("user" | "seller" | "salesperson", _) => {
                "the owner is the dimension \"rep\"".to_owned()
            }
            (_, Some(near)) => format!("did you mean \"{near}\"?"),
            (_, None) => {
                "docs/events-reference.md has the fields; one of your own is \"x.…\"".to_owned()
            }
        };
        return Err((format!("there is no field \"{}\"", clip(name)), mend));
    };
    if is_text(of, &FieldName::Known(field)) {
        let asked = Asked::Field(FieldName::Known(field));
        return strange(of, field).map(|()| asked).map_err(|p| (p.what, p.mend));
    }
    let (is, mend) = match (field, field.field_type()) {
        (Field::Owner, _) => ("is an id of its system", "the owner is the dimension \"rep\""),
        (Field::Name | Field::Email, _) => ("is not kept", "ask for another field"),
        (_, FieldType::Money | FieldType::Number) => {
            ("is a number, and conditions compare texts", "a number can be summed: sum = \"…\"")
        }
        (_, FieldType::Time) => ("is a time", "when something counts is said by at = \"…\""),
        (_, FieldType::Status) => {
            ("is open, won or lost", "what became of a deal is said by at = \"won\" or \"lost\"")
        }
        (_, FieldType::Bool) => ("is true or false", "that it was done is said by at = \"done\""),
        (_, FieldType::Splits) => ("is a list", "ask for another field"),
        (_, FieldType::Text) => ("is no text", "ask for another field"),
    };
    Err((format!("\"{name}\" {is}"), mend.to_owned()))
}
