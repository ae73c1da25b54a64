//! Which measures the rows of a job read: a change of any other one leaves every row as it was.

use super::kpi::Kpi;
use super::measure::{Measure, Measures};

/// The measures behind some KPIs.
#[derive(Clone, Debug)]
pub struct Reads {
    own: Vec<bool>,
    compared: Vec<bool>,
    far: Vec<bool>,
}

impl Reads {
    /// Those behind the KPIs.
    pub fn of<'a>(kpis: impl Iterator<Item = &'a Kpi>) -> Reads {
        let none = vec![false; Measure::ALL.len()];
        let mut out = Reads { own: none.clone(), compared: none.clone(), far: none };
        for kpi in kpis {
            kpi.measures().into_iter().for_each(|m| out.own[m as usize] = true);
            kpi.formula.compared().into_iter().for_each(|m| out.compared[m as usize] = true);
            kpi.formula.compared_far().into_iter().for_each(|m| out.far[m as usize] = true);
        }
        out
    }

    /// With these too, which no KPI is made of.
    pub fn and(mut self, of: &[Measure]) -> Reads {
        of.iter().for_each(|m| self.own[*m as usize] = true);
        self
    }

    /// Whether rows read the measure.
    pub fn measure(&self, measure: Measure) -> bool {
        self.own[measure as usize]
    }

    /// Whether a change of these changes the row of a window that holds them.
    pub fn any(&self, of: &Measures) -> bool {
        of.entries().iter().any(|(key, _)| self.own[key.measure as usize])
    }

    /// Whether rows compare the measure with the window before.
    pub fn compares(&self, measure: Measure) -> bool {
        self.compared[measure as usize]
    }

    /// Of these the ones that rows compare with the window before.
    pub fn compared_of(&self, of: &Measures) -> Measures {
        let told = of.entries().iter().filter(|(key, _)| self.compares(key.measure));
        told.copied().collect()
    }

    /// Whether rows compare the measure with windows of the last quarter or year.
    pub fn far(&self, measure: Measure) -> bool {
        self.far[measure as usize]
    }

    /// Whether a change of these changes the row of a window that is compared with the one before,
    /// which holds them.
    pub fn any_compared(&self, of: &Measures) -> bool {
        of.entries().iter().any(|(key, _)| self.compared[key.measure as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kpi::{Kpis, View};
    use crate::model::measure::{MeasureKey, MeasureKind};
    use crate::model::money::{Currency, EXACT_ONE, Exact};
    use crate::model::size;
    use crate::model::time::Day;

    /// What a KPI computes changes with no measure that it is not said to read.
    #[test]
    fn every_measure_that_moves_a_kpi_is_one_that_it_reads() {
        let eur = Currency::parse("EUR").unwrap();
        let full = |m: Measure, kind: MeasureKind| -> Measures {
            let places = match kind {
                MeasureKind::Sum
                | MeasureKind::CountByCurrency
                | MeasureKind::StockByCurrency
                | MeasureKind::StockSum => vec![i64::from(eur.code())],
                MeasureKind::CountByDay => vec![-40],
                MeasureKind::AmountByCurrency => {
                    vec![size::amount_key(m, eur, Exact::whole(7)).place]
                }
                MeasureKind::SumByDay => {
                    vec![MeasureKey::currency_day(m, eur, Day(-40)).place]
                }
                _ => (0..8).collect(),
            };
            let of =
                |n: i128| places.iter().map(move |p| (MeasureKey { measure: m, place: *p }, n));
            match kind {
                MeasureKind::Sum | MeasureKind::StockSum | MeasureKind::SumByDay => {
                    of(3 * EXACT_ONE).collect()
                }
                _ => of(3).collect(),
            }
        };
        let mut all = Measures::new();
        Measure::ALL.iter().for_each(|(m, kind, _)| all.plus(&full(*m, *kind)));
        let compute = |kpi: &Kpi, of: &Measures, before: &Measures| {
            let (flow, stock) = of.clone().split_stock();
            kpi.compute(&View {
                flow: &flow,
                stock: &stock,
                opening: &stock,
                first_day: Day(0),
                before: [Some(before); 3],
                age_days: 200,
                followed: Some(Day(200)),
                working_days: Some(20),
                currency: eur,
            })
        };
        for kpi in Kpis::ALL.kpis() {
            let reads = Reads::of([kpi].into_iter());
            let mut moved = 0;
            for (m, kind, _) in Measure::ALL {
                let change = full(*m, *kind);
                let mut less = all.clone();
                less.minus(&change);
                let name = &kpi.name;
                if compute(kpi, &less, &all) != compute(kpi, &all, &all) {
                    moved += 1;
                    assert!(reads.any(&change), "{name} reads {m:?}");
                }
                if compute(kpi, &all, &less) != compute(kpi, &all, &all) {
                    let compared = reads.any_compared(&change) || reads.far(*m);
                    assert!(compared, "{name} compares {m:?}");
                }
            }
            assert!(moved > 0, "{} is moved by something", kpi.name);
        }
    }
}
