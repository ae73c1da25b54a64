//! How KPIs stand against targets and benchmarks, read back from a published row.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::read::{NoRow, no_number};
use crate::model::kpi::{Kpi, Kpis, Number};
use crate::model::money::Exact;
use crate::model::target::{Aim, Standing, WorkingDays};
use crate::model::window::Period;

/// One of them, as published.
#[derive(Deserialize)]
pub(super) struct Shown<'a> {
    #[serde(borrow, alias = "benchmark")]
    target: &'a RawValue,
    #[serde(borrow)]
    gap: Option<&'a RawValue>,
    #[serde(borrow, alias = "share")]
    attainment: Option<&'a RawValue>,
    #[serde(borrow)]
    pace: Option<&'a RawValue>,
    #[serde(borrow)]
    required_per_day: Option<&'a RawValue>,
    #[serde(borrow)]
    no_pace: Option<&'a RawValue>,
    working_days: Option<Days>,
    step_of: Option<String>,
    owner: Option<String>,
    note: Option<String>,
}

#[derive(Deserialize)]
struct Days {
    total: i64,
    elapsed: i64,
    remaining: i64,
}

/// By the name of the KPI.
pub(super) type List<'a> = BTreeMap<String, Shown<'a>>;

/// Targets, then benchmarks, of the KPIs of this release and of the user's own, in the order of the
/// KPIs.
pub(super) fn standings(
    targets: List<'_>,
    benchmarks: List<'_>,
    kpis: &Kpis,
) -> Result<Vec<Standing>, NoRow> {
    let mut out = Vec::new();
    for (aim, mut list) in [(Aim::Target, targets), (Aim::Benchmark, benchmarks)] {
        for kpi in kpis.known() {
            if let Some(shown) = list.remove(&*kpi.name) {
                out.push(shown.standing(aim, kpi)?);
            }
        }
    }
    Ok(out)
}

impl Shown<'_> {
    fn standing(self, aim: Aim, kpi: &Kpi) -> Result<Standing, NoRow> {
        let wrong = |raw: &RawValue| no_number(kpi.name.clone(), raw);
        let exact = |raw: &RawValue| raw.get().parse::<Exact>().map_err(|_| wrong(raw));
        let float = |raw: &RawValue| raw.get().parse::<f64>().map_err(|_| wrong(raw));
        let gap = |raw: &RawValue| match kpi.is_exact() {
            true => exact(raw).map(Number::Exact),
            false => float(raw).map(Number::Float),
        };
        let days = |days: Days| WorkingDays {
            total: days.total,
            elapsed: days.elapsed,
            remaining: days.remaining,
        };
        Ok(Standing {
            aim,
            kpi: kpi.name.to_string(),
            value: exact(self.target)?,
            step_of: self.step_of.as_deref().and_then(Period::parse),
            attainment: self.attainment.map(float).transpose()?,
            gap: self.gap.map(gap).transpose()?,
            pace: self.pace.map(float).transpose()?,
            required_per_day: self.required_per_day.map(float).transpose()?,
            days: self.working_days.map(days),
            ripens: self.no_pace.is_some(),
            owner: self.owner,
            note: self.note,
        })
    }
}
