//! What is known of the members of a dimension besides their numbers: the names of reps, the labels
//! and the order of stages. For showing only; rows are about ids.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::definition::Definition;
use crate::model::segment::Segment;

/// One member, as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Name to show instead of the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Place among the members that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
}

/// The members of each dimension in use of which something is known, by their values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Members(BTreeMap<&'static str, BTreeMap<String, Member>>);

impl Members {
    /// What a definition says of them.
    pub fn of(definition: &Definition) -> Members {
        let mut out = Members::default();
        let used = definition.dimensions();
        let uses = |dimension: &str| used.iter().any(|d| d == dimension);
        if uses("rep") {
            let named = definition.directory.reps.iter().filter(|(_, rep)| rep.name.is_some());
            let shown = |name: &Option<String>| Member { label: name.clone(), order: None };
            let reps = named.map(|(id, rep)| (id.clone(), shown(&rep.name)));
            out.0.insert("rep", reps.collect());
        }
        if uses("stage") {
            let stages = definition.stages.shown().map(|(stage, label, order)| {
                (stage.to_owned(), Member { label: label.map(str::to_owned), order })
            });
            out.0.insert("stage", stages.collect());
        }
        out
    }

    /// How a segment is shown, where a name or label of any of its values is known.
    pub fn label(&self, segment: &Segment) -> Option<String> {
        let known = |(dimension, value): &(Box<str>, Box<str>)| -> Option<&str> {
            self.0.get(&**dimension)?.get(&**value)?.label.as_deref()
        };
        segment.parts.iter().any(|part| known(part).is_some()).then(|| {
            let shown: Vec<&str> =
                segment.parts.iter().map(|part| known(part).unwrap_or(&part.1)).collect();
            shown.join(", ")
        })
    }
}
