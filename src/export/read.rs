//! A published row read back whole: every digit of the results topic, or of what `replay` wrote.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{funnel, standing};
use crate::http::wire::WireRow;
use crate::model::kpi::{Kpi, KpiValue, Kpis, Number, Words};
use crate::model::money::{Currency, Exact};
use crate::model::row::Row;
use crate::model::window::WindowKind;

/// Why a text is no row.
#[derive(Debug, thiserror::Error)]
pub enum NoRow {
    /// Not of the shape of a row.
    #[error("it is no row")]
    Shape,
    /// Of the shape of a row, and a part of it cannot be read.
    #[error("it is no whole row: {0}")]
    Part(#[from] serde_json::Error),
    /// A kind of window that this release does not know.
    #[error("its window \"{0}\" is not known to this release")]
    Window(String),
    /// A currency that is none.
    #[error("its currency \"{0}\" is not three letters")]
    Currency(String),
    /// A number that is none.
    #[error("\"{1}\" of its \"{0}\" is not a number that can be kept exactly")]
    Number(Words, String),
}

/// What [`WireRow`] leaves in bytes.
#[derive(Deserialize)]
struct Rest<'a> {
    revision: u64,
    #[serde(borrow)]
    kpis: BTreeMap<String, Figure<'a>>,
    /// Not as a float: serde_json's own reading of one may be off by a bit.
    #[serde(borrow)]
    complete_ratio: Option<&'a RawValue>,
    #[serde(default)]
    incomplete: bool,
    currency: String,
    #[serde(borrow, default)]
    targets: standing::List<'a>,
    #[serde(borrow, default)]
    benchmarks: standing::List<'a>,
    #[serde(borrow)]
    funnel: Option<funnel::Shown<'a>>,
}

#[derive(Deserialize)]
struct Figure<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    num: Option<&'a RawValue>,
    #[serde(borrow)]
    den: Option<&'a RawValue>,
    squares: Option<i128>,
    #[serde(borrow)]
    n: &'a RawValue,
    interval: Option<[f64; 2]>,
    #[serde(default)]
    low_n: bool,
    #[serde(default)]
    approx: bool,
    #[serde(borrow, default)]
    unconverted: BTreeMap<String, &'a RawValue>,
}

/// The row of a JSON text. A KPI that the row does not have is left out of it; so is one that is
/// neither in the catalogue of this release nor one of these of the user's own.
pub fn row_of(json: &str, kpis: &Kpis) -> Result<Row, NoRow> {
    let (head, _) = WireRow::parse(json.as_bytes()).ok_or(NoRow::Shape)?;
    let rest: Rest<'_> = serde_json::from_str(json)?;
    let kind = WindowKind::parse(&head.window.kind).ok_or(NoRow::Window(head.window.kind))?;
    let currency = Currency::parse(&rest.currency).ok_or(NoRow::Currency(rest.currency))?;
    let known = kpis.known().filter_map(|kpi| Some((kpi, rest.kpis.get(&*kpi.name)?)));
    let values =
        known.map(|(kpi, figure)| Ok((kpi.name.clone(), kpi.unit, value_of(kpi, figure)?)));
    Ok(Row {
        kind,
        start: head.window.start,
        end: head.window.end,
        zone: head.window.zone,
        segment: head.segment,
        pane: head.pane,
        revision: rest.revision,
        version: head.version,
        as_of: head.as_of,
        complete_ratio: match rest.complete_ratio {
            Some(raw) => raw.get().parse().map_err(|_| no_number("complete_ratio".into(), raw))?,
            None => f64::NAN,
        },
        incomplete: rest.incomplete,
        kpis: values.collect::<Result<_, NoRow>>()?,
        currency,
        funnel: rest.funnel.map(funnel::Shown::funnel).transpose()?,
        targets: standing::standings(rest.targets, rest.benchmarks, kpis)?,
    })
}

pub(super) fn no_number(of: Words, raw: &RawValue) -> NoRow {
    NoRow::Number(of, raw.get().chars().take(80).collect())
}

fn value_of(kpi: &Kpi, figure: &Figure<'_>) -> Result<KpiValue, NoRow> {
    let wrong = |raw: &RawValue| no_number(kpi.name.clone(), raw);
    let exact = |raw: &RawValue| raw.get().parse::<Exact>().map_err(|_| wrong(raw));
    let value = match figure.value {
        None => None,
        Some(raw) if kpi.is_exact() => Some(Number::Exact(exact(raw)?)),
        Some(raw) => Some(Number::Float(raw.get().parse().map_err(|_| wrong(raw))?)),
    };
    let mut unconverted = Vec::new();
    for (code, raw) in &figure.unconverted {
        let currency = Currency::parse(code).ok_or_else(|| NoRow::Currency(code.clone()))?;
        unconverted.push((currency, exact(raw)?));
    }
    Ok(KpiValue {
        value,
        num: figure.num.map(exact).transpose()?,
        den: figure.den.map(exact).transpose()?,
        squares: figure.squares,
        n: figure.n.get().parse().map_err(|_| wrong(figure.n))?,
        unconverted,
        interval: figure.interval,
        low_n: figure.low_n,
        approx: figure.approx,
        hollow: false,
    })
}
