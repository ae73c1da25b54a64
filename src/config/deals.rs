//! `[deals]`: with what the cycle of a deal begins.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::leaf::{Given, Leaf, Problem, Raw, clip, text};
use super::near::did_you_mean;
use super::read::Reader;
use super::shape::{Shape, Shaped, table};
use super::words;
use crate::model::cycle::CycleStart;
use crate::model::event::Status;
use crate::model::stage::StageTable;

table! {
    /// The section.
    Typed {
        cycle_from: From,
    }
    /// A start that is not the creation.
    Start {
        stage: Option<Names>,
        field: Option<Given<OwnField>>,
    }
}

/// `"created"`, or a table that says with what else.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum From {
    Creation(Given<Creation>),
    Other(Start),
}

impl Shaped for From {
    const SHAPE: Shape = Shape::Either(&<Given<Creation> as Shaped>::SHAPE, &Start::SHAPE);
}

/// A stage, or an array of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Names {
    One(Given<String>),
    Several(Vec<Given<String>>),
}

impl Shaped for Names {
    const SHAPE: Shape =
        Shape::Either(&<Given<String> as Shaped>::SHAPE, &<Vec<Given<String>> as Shaped>::SHAPE);
}

/// The word for the creation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Creation;

impl Leaf for Creation {
    fn read(raw: Raw<'_>) -> Result<Creation, Problem> {
        let usual =
            "write \"created\", { stage = \"qualified\" } or { field = \"x.first_contact_at\" }";
        match text(raw, "what the cycle of a deal begins with", usual)? {
            "created" => Ok(Creation),
            other => {
                let what = format!("\"{}\" is nothing that a cycle begins with", clip(other));
                let mend = match other {
                    "lead" | "lead.created" | "touch" | "first_touch" => {
                        "a lead and a touch lie in other shards than their deal: name a field of the deal with their time, { field = \"x.lead_created_at\" }, or a stage, { stage = \"qualified\" }"
                    }
                    _ => usual,
                };
                Err(Problem::new(what, mend))
            }
        }
    }
}

/// A field of the user's own, without the `x.`.
#[derive(Clone, Debug)]
pub(super) struct OwnField(String);

impl Leaf for OwnField {
    fn read(raw: Raw<'_>) -> Result<OwnField, Problem> {
        let usual = "name a field of your own that holds a date or a time: \"x.first_contact_at\"";
        let name = text(raw, "a field of your own", usual)?;
        match name.strip_prefix("x.") {
            Some(own) => words::dimension(name).map(|()| OwnField(own.to_owned())).map_err(|p| {
                Problem::new(format!("\"{}\" is not a field of your own", clip(name)), p.mend)
            }),
            None => {
                Err(Problem::new(format!("\"{}\" is not a field of your own", clip(name)), usual))
            }
        }
    }
}

const KEY: &str = "deals.cycle_from";
const STAGE: &str = "deals.cycle_from.stage";

/// With what cycles begin; what is wrong with it goes to the reader.
pub(super) fn cycle_start(reader: &mut Reader, typed: Typed, stages: &StageTable) -> CycleStart {
    let From::Other(Start { stage, field }) = typed.cycle_from else { return CycleStart::Created };
    if reader.faulty(&["deals"]) {
        return CycleStart::Created;
    }
    match (stage, field) {
        (None, Some(field)) => CycleStart::Field(field.0.0),
        (Some(names), None) => CycleStart::Stage(named(reader, names, stages)),
        (both, _) => {
            let what = match both {
                Some(_) => "a cycle begins with a stage or with a field, not with both",
                None => "cycle_from names neither a stage nor a field",
            };
            let mend = "write { stage = \"qualified\" }, { field = \"x.first_contact_at\" } or \"created\"";
            reader.fault(KEY, what, mend);
            CycleStart::Created
        }
    }
}

fn named(reader: &mut Reader, names: Names, stages: &StageTable) -> BTreeSet<String> {
    let (names, several) = match names {
        Names::One(name) => (vec![name], false),
        Names::Several(names) => (names, true),
    };
    let names: Vec<String> = names.into_iter().map(|name| name.0).collect();
    if reader.faulty(&["stages"]) {
        return names.into_iter().collect();
    }
    if names.is_empty() {
        reader.fault(STAGE, "no stage is named", "name one: stage = \"qualified\"");
    } else if stages.is_empty() {
        let what = "cycles begin with a stage, and there is no stage table";
        reader.fault(
            STAGE,
            what,
            "add the stages to [stages]; config/example/stages.toml shows how",
        );
        return names.into_iter().collect();
    }
    let known: BTreeSet<&str> = stages.rows().map(|(_, stage, _)| stage).collect();
    let known: Vec<&str> = known.into_iter().collect();
    for (i, name) in names.iter().enumerate() {
        let key = if several { format!("{STAGE}[{i}]") } else { STAGE.to_owned() };
        let mut rows = stages.rows().filter(|(_, stage, _)| stage == name).peekable();
        if rows.peek().is_none() {
            let what = format!("the stage table has no stage \"{}\"", clip(name));
            reader.fault(&key, what, did_you_mean(name, &known));
        } else if rows.all(|(_, _, row)| row.status != Status::Open) {
            let what = format!("\"{}\" closes deals, and a cycle ends there", clip(name));
            reader.fault(&key, what, "name a stage in which deals are open");
        }
    }
    names.into_iter().collect()
}
