//! Measures of the user's own: `[measures.<name>]`, what counts, when, and under which condition.

use super::formulas::spelled;
use super::leaf::{Leaf, Problem, Raw, clip};
use super::near::nearest;
use super::read::{Reader, child};
use super::typed::{MeasureRow, Measures};
use super::words::{dimension, one_of};
use crate::model::event::{EntityKind, Field, FieldName, FieldType};
use crate::model::kpi::Kpi;
use crate::model::measure::Measure;
use crate::model::own::{
    self, Asked, CREDITED, Meant, Moment, OwnMeasure, OwnMeasures, is_summable, is_text,
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
    if Measure::ALL.iter().any(|(measure, ..)| measure.name() == name) {
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
        return OwnMeasures::default();
    }
    rows.into_iter().filter_map(|(name, row)| measure(reader, &name, row, dimensions)).collect()
}

/// Whether more fields would be kept than there is room for.
pub(super) fn check_kept(reader: &mut Reader, kept: usize) {
    if kept > own::MOST_FIELDS {
        let what = format!(
            "measures of your own ask for {kept} fields that nothing else keeps, and at most {} are kept",
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
    let at = row.at.map(|at| at.0);
    let moments: Vec<&str> =
        of.map(|of| Moment::of(of).iter().map(|at| at.as_str()).collect()).unwrap_or_default();
    let listed = || moments.iter().map(|at| format!("\"{at}\"")).collect::<Vec<_>>().join(", ");
    if of.is_none() && !reader.faulty(&[&key_of(name, "of")]) {
        let mend = "add of = \"deal\", or another type of entity";
        reader.fault(&key_of(name, ""), format!("\"{name}\" does not say of what it is"), mend);
    }
    if at.is_none() && !reader.faulty(&[&key_of(name, "at")]) {
        let mend = match moments.first() {
            Some(first) => format!("add at = \"{first}\"; there are {}", listed()),
            None => "add at = \"created\", or another moment".to_owned(),
        };
        reader.fault(
            &key_of(name, ""),
            format!("\"{name}\" does not say when something counts"),
            mend,
        );
    }
    let of = of?;
    let fits = at.is_none_or(|at| Moment::of(of).contains(&at));
    if let Some(at) = at.filter(|_| !fits) {
        let what = format!("a {} is never \"{}\"", of.as_str().replace('_', " "), at.as_str());
        reader.fault(&key_of(name, "at"), what, format!("write one of {}", listed()));
    }
    let sum = row.sum.and_then(|text| match summed(&text.0) {
        Ok(field) => Some(Some(field)),
        Err(Problem { what, mend }) => {
            reader.fault(&key_of(name, "sum"), what, mend);
            None
        }
    });
    let wants_sum = reader.faulty(&[&key_of(name, "sum")]);
    let condition = match &row.r#where {
        None => own::Condition::default(),
        Some(text) => match own::read(&text.0, |asked| ask(of, asked, dimensions)) {
            Ok(condition) => condition,
            Err(fault) => {
                let key = key_of(name, "where");
                reader.fault_in(&key, &text.0, fault.at, fault.what, fault.mend);
                return None;
            }
        },
    };
    let meant = Meant { of, at: at.filter(|_| fits && !wants_sum)?, condition, sum: sum.flatten() };
    let doc = row.doc.map_or_else(String::new, |doc| doc.0);
    Some(OwnMeasure::new(name, &doc, meant))
}

/// The field that is summed.
fn summed(name: &str) -> Result<FieldName<'static>, Problem> {
    if let Some(own) = name.strip_prefix("x.") {
        return dimension(name).map(|()| FieldName::Custom(own.to_owned().into()));
    }
    match Field::parse(name).map(FieldName::Known) {
        Some(field) if is_summable(&field) => Ok(field),
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
        return Ok(Asked::Field(FieldName::Known(field)));
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
