//! Measures of the user's own, as the ledger looks them up: which of them a moment of an entity is
//! for, and in which slots it keeps what they ask for.

use std::sync::Arc;

use super::dimensions::Dimensions;
use super::entity::{Kind, Slot};
use super::fixed_slot;
use crate::model::cycle::CycleStart;
use crate::model::definition::Definition;
use crate::model::event::FieldName;
use crate::model::kpi::Unit;
use crate::model::own::{Asked, Meant, Moment, OwnMeasure};

/// Where a test of a condition finds what it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this slot of the entity; nowhere without one.
    Held(Option<Slot>),
    /// In what it is credited to: the dimension of this number.
    Credited(usize),
}

/// What a measure adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summed {
    /// One.
    One,
    /// The money in a slot.
    Money(Slot),
    /// The number in a slot, be it written as a text.
    Number(Slot),
    /// The same as money, in the currency of the money in the other slot, where there is any.
    Stated(Slot, Option<Slot>),
}

/// A measure of the user's own.
#[derive(Debug)]
pub struct Plan {
    kind: Kind,
    /// The measure.
    pub measure: Arc<OwnMeasure>,
    /// By test of its condition.
    pub places: Box<[Place]>,
    /// What it adds.
    pub sum: Summed,
}

/// All of them, and the fields that are kept for them alone.
#[derive(Debug)]
pub struct Own {
    plans: Vec<Plan>,
    fields: Vec<(Kind, String)>,
    /// Whether any looks at where a deal stands.
    ask_for_stages: bool,
    /// Where a deal keeps when its cycle began, where a field of the user's own tells it.
    cycle: Option<Slot>,
}

impl Own {
    /// Those of a definition.
    pub fn of(definition: &Definition, dimensions: &Dimensions) -> Own {
        let kept = definition.kept().into_iter();
        let fields = kept.filter_map(|(of, name)| Some((Kind::of(of)?, name))).collect();
        let mut out = Own { plans: Vec::new(), fields, ask_for_stages: false, cycle: None };
        for measure in definition.measures.all() {
            // Two names of one meaning share their cells, so it counts once.
            let same = |plan: &Plan| plan.measure.meant().same_as(measure.meant());
            if out.plans.iter().any(same) {
                continue;
            }
            let plan = out.plan(measure, definition, dimensions);
            out.plans.extend(plan);
        }
        let stages = [Slot::STAGE, Slot::PIPELINE].map(|slot| Place::Held(Some(slot)));
        let deals = out.plans.iter().filter(|plan| plan.kind == Kind::Deal);
        let mut places = deals.flat_map(|plan| plan.places.iter());
        out.ask_for_stages = places.any(|place| stages.contains(place));
        if let CycleStart::Field(name) = &definition.cycle_from {
            let name = FieldName::Custom(name.into());
            let dimension = dimensions.slot(Kind::Deal, &name);
            out.cycle = dimension.or_else(|| out.slot(Kind::Deal, &name));
        }
        out
    }

    fn plan(
        &self,
        measure: &Arc<OwnMeasure>,
        definition: &Definition,
        dimensions: &Dimensions,
    ) -> Option<Plan> {
        let Meant { of, condition, sum, .. } = measure.meant();
        let kind = Kind::of(*of)?;
        let stages = !definition.stages.is_empty();
        let slot = |field: &FieldName<'_>| {
            let kept = fixed_slot(kind, field, stages).or_else(|| dimensions.slot(kind, field));
            kept.or_else(|| self.slot(kind, field))
        };
        let place = |asked: &Asked| match asked {
            Asked::Field(field) => Place::Held(slot(field)),
            Asked::Credited(dimension) => {
                let at = dimensions.names().iter().position(|name| name == dimension);
                at.map_or(Place::Held(None), Place::Credited)
            }
        };
        let places = condition.tests().iter().map(|test| place(&test.asked)).collect();
        let sum = match (sum, measure.unit()) {
            (None, _) => Summed::One,
            (Some(field @ FieldName::Custom(_)), Unit::Money) => {
                let beside = measure.meant().beside();
                Summed::Stated(
                    slot(field)?,
                    beside.and_then(|money| slot(&FieldName::Known(money))),
                )
            }
            (Some(field), Unit::Money) => Summed::Money(slot(field)?),
            (Some(field), _) => Summed::Number(slot(field)?),
        };
        Some(Plan { kind, measure: measure.clone(), places, sum })
    }

    /// The slot of a field that is kept for them alone.
    pub fn slot(&self, kind: Kind, name: &FieldName<'_>) -> Option<Slot> {
        let is_it = |kept: &str| match name {
            FieldName::Known(field) => kept == field.as_str(),
            FieldName::Custom(custom) => kept.strip_prefix("x.") == Some(custom),
        };
        let at = self.fields.iter().position(|(of, kept)| *of == kind && is_it(kept))?;
        Some(Slot(Slot::OWN + at as u8))
    }

    /// Where a deal keeps when its cycle began, where a field of the user's own tells it.
    pub fn cycle_slot(&self) -> Option<Slot> {
        self.cycle
    }

    /// Whether one of a deal looks at its stage or its pipeline, so that a move may change what the deal
    /// adds while it is open.
    pub fn ask_for_stages(&self) -> bool {
        self.ask_for_stages
    }

    /// Those that count a moment of such an entity.
    pub fn at(&self, kind: Kind, at: Moment) -> impl Iterator<Item = &Plan> {
        let these = move |plan: &&Plan| plan.kind == kind && plan.measure.meant().at == at;
        self.plans.iter().filter(these)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::EntityKind;
    use crate::model::event::{Field, Status};
    use crate::model::own::{field_name, is_kept, is_summable, is_text};
    use crate::model::stage::Stage;

    /// The model's table of what is kept anyway is that of the slots.
    #[test]
    fn what_is_said_to_be_kept_has_a_slot() {
        for stages in [false, true] {
            let mut definition = super::super::tests::definition();
            if stages {
                let row = Stage { status: Status::Won, order: None, label: None };
                definition.stages.insert((String::new(), String::new()), "won", row);
            }
            definition.segments.push(vec!["stage".to_owned(), "x.size".to_owned()]);
            let (names, dimensions) = (definition.dimensions(), Dimensions::of(&definition));
            for (of, _) in EntityKind::ALL {
                let Some(kind) = Kind::of(of) else { continue };
                let known = Field::ALL.iter().map(|(field, ..)| FieldName::Known(*field));
                let own = ["size", "other"].map(|name| FieldName::Custom(name.into()));
                for field in known.chain(own) {
                    let slot =
                        fixed_slot(kind, &field, stages).or_else(|| dimensions.slot(kind, &field));
                    let asked = is_text(of, &field) || is_summable(&field);
                    if asked {
                        let said = is_kept(of, &field, &names, stages);
                        assert_eq!(said, slot.is_some(), "{} of {kind:?}", field_name(&field));
                    }
                }
            }
        }
    }
}
