//! What formulas name beside KPIs: the measures of the catalogue, and those of the user's own.

use std::fmt::Write as _;

use crate::model::formula::{Program, WORKING_DAYS, WORKING_DAYS_DOC};
use crate::model::kpi::{Kpi, Kpis, Unit};
use crate::model::measure::{Measure, MeasureKind};
use crate::model::own::{OwnMeasure, OwnMeasures, field_name};

/// A measure, for lists.
#[derive(Debug, serde::Serialize)]
pub struct MeasureShown<'a> {
    name: String,
    /// What is counted; of the catalogue's own their note says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#where: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<String>,
    unit: &'static str,
    clock: &'static str,
    slice: &'static str,
    doc: &'a str,
    /// The KPIs that are made of it.
    kpis: Vec<String>,
    /// Whether formulas can name it.
    in_formulas: bool,
}

/// The KPIs that are made of a measure.
fn used_in(known: &Kpis, name: &str) -> Vec<String> {
    let uses = |kpi: &&Kpi| kpi.measure_names().iter().any(|measure| measure == name);
    known.kpis().filter(uses).map(|kpi| kpi.name.to_string()).collect()
}

const FLOW: &str = "that of 5 minutes and the day that hold the moment";
const CLOCK: &str = "event time: the moment at which it happened";

/// A measure of the user's own.
pub fn shown<'a>(measure: &'a OwnMeasure, known: &Kpis) -> MeasureShown<'a> {
    let meant = measure.meant();
    MeasureShown {
        name: measure.name.to_string(),
        of: Some(meant.of.as_str()),
        at: Some(meant.at.as_str()),
        r#where: Some(meant.condition.text()),
        sum: meant.sum.as_ref().map(field_name),
        unit: measure.unit().as_str(),
        clock: CLOCK,
        slice: FLOW,
        doc: &measure.doc,
        kpis: used_in(known, &measure.name),
        in_formulas: true,
    }
}

/// The measure of the catalogue of a name.
pub fn catalogued(name: &str, known: &Kpis) -> Option<MeasureShown<'static>> {
    if name == WORKING_DAYS {
        return Some(working_days(known));
    }
    let (measure, kind, doc) = Measure::ALL.iter().find(|(measure, ..)| measure.name() == name)?;
    if measure.is_own() {
        return None;
    }
    let program = Program::of_measure(*measure);
    let unit = match kind {
        MeasureKind::Sum | MeasureKind::SumByDay | MeasureKind::StockSum => Unit::Money.as_str(),
        MeasureKind::Histogram => "a count for each number of days or minutes",
        MeasureKind::CountByWord => "a count for each kind",
        MeasureKind::CountByDay => "a count for each day",
        MeasureKind::Distinct => "a count for each customer",
        MeasureKind::CountByStage => "a count for each stage",
        MeasureKind::AmountByCurrency => "a count for each currency and amount, within 1 %",
        _ => match &program {
            Some(program) => program.unit().map_or("", Unit::as_str),
            None => "a count for each key",
        },
    };
    let (clock, slice) = match measure.is_stock() {
        true => ("at the window's end", "the sum of all slices up to the window's end"),
        false => (CLOCK, FLOW),
    };
    Some(MeasureShown {
        name: measure.name(),
        of: None,
        at: None,
        r#where: None,
        sum: None,
        unit,
        clock,
        slice,
        doc,
        kpis: used_in(known, name),
        in_formulas: program.is_some() && *measure != Measure::CallSeconds,
    })
}

/// What no slice has: it follows from the calendar.
fn working_days(known: &Kpis) -> MeasureShown<'static> {
    let uses = known.kpis().filter(|kpi| kpi.formula.asks_for_working_days());
    MeasureShown {
        name: WORKING_DAYS.to_owned(),
        of: None,
        at: None,
        r#where: None,
        sum: None,
        unit: Unit::Count.as_str(),
        clock: "the calendar, up to the day in progress",
        slice: "none",
        doc: WORKING_DAYS_DOC,
        kpis: uses.map(|kpi| kpi.name.to_string()).collect(),
        in_formulas: true,
    }
}

/// As text: of the user's own with what it is made of.
pub fn show(shown: &MeasureShown<'_>, text: Option<&str>) -> String {
    let doc = match shown.doc {
        "" => "A measure of this configuration, for formulas.",
        doc => doc,
    };
    let mut out = format!("{}\n", shown.name);
    if let Some(text) = text {
        let _ = writeln!(out, "  = {text}");
    }
    let _ = writeln!(out, "  {doc}\n");
    let kpis = if shown.kpis.is_empty() { "none".to_owned() } else { shown.kpis.join(", ") };
    let formulas = if shown.in_formulas { "by this name" } else { "no" };
    for (label, text) in [
        ("unit", shown.unit),
        ("clock", shown.clock),
        ("slice", shown.slice),
        ("absent", "never: nothing is 0"),
        ("formulas", formulas),
        ("KPIs", &kpis),
    ] {
        let _ = writeln!(out, "  {label:<8} {text}");
    }
    out
}

/// Behind the KPIs, where there are any.
pub fn list_own(own: &OwnMeasures) -> String {
    let rows = own.all().iter().map(|m| [m.name.clone(), m.unit().as_str().to_owned(), m.text()]);
    let lines: Vec<[String; 3]> =
        [["MEASURE", "UNIT", "OF"].map(str::to_owned)].into_iter().chain(rows).collect();
    if lines.len() == 1 {
        return String::new();
    }
    let [a, b] = [0, 1].map(|i| lines.iter().map(|line| line[i].len()).max().unwrap_or(0));
    let mut out = String::from("\n");
    for [name, unit, text] in &lines {
        let _ = writeln!(out, "{name:a$}  {unit:b$}  {text}");
    }
    out
}
