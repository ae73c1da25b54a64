//! Amounts: what the deals of a day say by the logarithms of their amounts, winsorized. One deal of
//! fifty millions is one large deal.

use super::baseline::DayFacts;
use super::judge::Days;
use crate::model::alert::Rule;
use crate::model::fx::{Fx, RATE_ONE};
use crate::model::measure::{Measure, Measures};
use crate::model::money::{Currency, EXACT_ONE};
use crate::model::size::{self, STEPS};
use crate::model::time::Day;

/// The share of the baseline, on each side, whose logarithms are moved onto the limits.
const MOVED: f64 = 0.05;

/// How far a limit is from the median at least, as a factor, so that one list price leaves room to
/// move: this, or what the gate on the effect asks for, twice.
const ROOM: f64 = 3.0;

/// Logarithms outside these are moved onto them. They are those of a frozen baseline, so the order in
/// which deals came decides nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    low: f64,
    high: f64,
}

/// How amounts are read: in which currency, and within which limits. Before there are limits, deals
/// are counted and say nothing more.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Rates to the reporting currency.
    pub fx: &'a Fx,
    /// The reporting currency.
    pub own: Currency,
    /// Limits.
    pub limits: Option<Limits>,
}

impl Reading<'_> {
    /// Logarithms of the amounts of a day's deals in the reporting currency, and how many. What no rate
    /// converts is left out, as it is of the KPI.
    fn logs(&self, day: i32, of: &Measures) -> impl Iterator<Item = (f64, u64)> {
        of.of(Measure::WonSizes).filter_map(move |(place, n)| {
            let (code, size) = size::parts(place);
            let currency = Currency::from_code(code)?;
            let rate = match currency == self.own {
                true => 1.0,
                false => self.fx.rate(code, Day(day))?.steps() as f64 / RATE_ONE as f64,
            };
            // In the middle of its step.
            let octaves = (size as f64 + 0.5) / STEPS as f64;
            let ln = octaves * std::f64::consts::LN_2 - (EXACT_ONE as f64).ln() + rate.ln();
            Some((ln, u64::try_from(n).ok().filter(|n| *n > 0)?))
        })
    }

    /// What a day says.
    pub(super) fn facts(&self, day: i32, of: &Measures) -> DayFacts {
        let mut out = DayFacts::default();
        for (ln, n) in self.logs(day, of) {
            out.n += n;
            let Some(Limits { low, high }) = self.limits else { continue };
            let ln = ln.clamp(low, high);
            out.sum += n as f64 * ln;
            out.squares += n as f64 * ln * ln;
        }
        out
    }

    /// The limits of the baseline of a stream; `None` where it has none. `measures` are those of its
    /// days, `moment` is that at which they are judged.
    pub fn limits_of(
        self,
        rule: &Rule,
        measures: &[(i32, &Measures)],
        moment: Days<'_>,
    ) -> Option<Limits> {
        let plain = Reading { limits: None, ..self };
        let counts: Vec<(i32, DayFacts)> =
            measures.iter().map(|(day, of)| (*day, plain.facts(*day, of))).collect();
        let moment = Days { facts: &counts, ..moment };
        let baseline = moment.baseline(rule)?;
        let inside = measures
            .iter()
            .filter(|(day, _)| (baseline.from..baseline.to).contains(day) && moment.is_sure(*day));
        let mut logs: Vec<(f64, u64)> = inside.flat_map(|(day, of)| plain.logs(*day, of)).collect();
        logs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all = logs.iter().map(|(_, n)| *n).sum::<u64>();
        let moved = (all as f64 * MOVED) as u64;
        let median = behind(logs.iter(), all / 2)?;
        let [down, up] = room(rule);
        let low = behind(logs.iter(), moved)?.min(median - down);
        Some(Limits { low, high: behind(logs.iter().rev(), moved)?.max(median + up) })
    }
}

/// How far a logarithm may at least go down and up. A fall by a share of the whole or more, there is
/// not.
fn room(rule: &Rule) -> [f64; 2] {
    let effect = f64::from(rule.gates.effect_percent) / 100.0;
    let down = if effect < 1.0 { -2.0 * (-effect).ln_1p() } else { 0.0 };
    [down, 2.0 * effect.ln_1p()].map(|room| room.max(ROOM.ln()))
}

/// The first logarithm behind so many.
fn behind<'a>(logs: impl Iterator<Item = &'a (f64, u64)>, mut skip: u64) -> Option<f64> {
    for (ln, n) in logs {
        if *n > skip {
            return Some(*ln);
        }
        skip -= n;
    }
    None
}

#[cfg(test)]
#[path = "amounts_tests.rs"]
mod tests;
