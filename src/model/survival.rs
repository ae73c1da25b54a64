//! What will become of a cohort, from what has become of it so far (kpis.md 2.6).
//!
//! A deal that is still open tells that it was not won up to its age, and no more: it is censored.
//! Aalen and Johansen's estimate of the share won within a number of days lets each deal count as
//! long as it was followed; what is lost can no longer be won. It needs three counts by age, which
//! are sums like any other: won, lost, open. Open deals are counted by the day of their creation, so
//! that their age follows the watermark and no count has to change when a day passes.
//!
//! Of events and censoring at the same age the events come first. Between two ages with censoring
//! the estimate is a plain share, so without censoring it is one division.

use super::kpi::{KpiValue, Number, View};
use super::measure::{Measure, MeasureKey, Measures};
use super::time::Day;

/// Ages that shares are published for, days.
pub const HORIZONS: [i32; 4] = [30, 60, 90, 180];
/// What products of shares may be off by: a tie is not told from one, and is none.
const TIE: f64 = 1e-12;
/// Of the normal distribution: 95 % lie so many deviations around the mean.
const NORMAL_95: f64 = 1.959_963_984_540_054;

/// A cohort, and up to which day its open deals were followed.
#[derive(Clone, Copy, Debug)]
pub struct Followed<'a> {
    flow: &'a Measures,
    until: Option<Day>,
}

/// What happened at an age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    age: i32,
    won: i128,
    lost: i128,
    /// Open, and of that age on the last day.
    open: i128,
}

impl<'a> Followed<'a> {
    /// The cohort of a window.
    pub fn of(view: &View<'a>) -> Followed<'a> {
        Followed { flow: view.flow, until: view.followed }
    }

    /// The share won within so many days: absent until one deal was followed for so long, unless
    /// none is left open. `n` is the deals of which it is known whether they were won in that time.
    pub fn incidence(self, horizon: i32) -> KpiValue {
        let Some(until) = self.until else { return KpiValue::default() };
        let mut curve = Curve::of(self.flow);
        let mut n = curve.at_risk;
        let mut unknown = false;
        for step in steps(self.flow, until).take_while(|step| step.age <= horizon) {
            curve.close(step);
            if step.age < horizon {
                curve.censor(step.open);
                n -= step.open;
                unknown = curve.at_risk == 0 && step.open > 0;
            }
        }
        if n <= 0 || unknown {
            return KpiValue { n: n.max(0), ..KpiValue::default() };
        }
        let share = curve.share();
        let interval = Some(curve.interval(share, n));
        KpiValue { value: Some(Number::Float(share)), n, interval, ..KpiValue::default() }
    }

    /// The first age by which more than half are closed; absent while it is not known. `n` is all.
    pub fn closing_age(self) -> KpiValue {
        let Some(until) = self.until else { return KpiValue::default() };
        let mut curve = Curve::of(self.flow);
        let mut out = KpiValue { n: curve.at_risk.max(0), ..KpiValue::default() };
        for step in steps(self.flow, until) {
            curve.close(step);
            if curve.open_share() < 0.5 - TIE {
                out.value = Some(Number::Float(f64::from(step.age)));
                break;
            }
            curve.censor(step.open);
        }
        out
    }
}

/// The entries of a measure whose places are days.
fn by_day(
    flow: &Measures,
    measure: Measure,
) -> impl DoubleEndedIterator<Item = (i32, i128)> + Clone + '_ {
    flow.of(measure).filter_map(|(place, n)| Some((i32::try_from(place).ok()?, n)))
}

/// Whether what is computed of a cohort may change where open deals are followed up to another day.
pub fn moves(flow: &Measures, from: Option<Day>, to: Day) -> bool {
    let mut open = by_day(flow, Measure::CohortOpen).rev().map(|(day, _)| day).peekable();
    let (Some(from), Some(newest)) = (from, open.peek()) else { return open.peek().is_some() };
    let events = [Measure::CohortWon, Measure::CohortLost];
    let oldest = events.iter().filter_map(|m| Some(by_day(flow, *m).next_back()?.0));
    let last = oldest.chain(HORIZONS).max().unwrap_or(0);
    if from.0.saturating_sub(*newest) > last {
        return false;
    }
    if to.0 != from.0 + 1 {
        return true;
    }
    let told = |age| {
        HORIZONS.contains(&age) || events.iter().any(|m| flow.at(MeasureKey::days(*m, age)) != 0)
    };
    // Their ages rise: behind the last event and the longest horizon nothing follows.
    open.map(|day| to.0.saturating_sub(day)).take_while(|age| *age <= last).any(told)
}

/// What happened, by age.
fn steps(flow: &Measures, until: Day) -> impl Iterator<Item = Step> + '_ {
    let mut won = by_day(flow, Measure::CohortWon).peekable();
    let mut lost = by_day(flow, Measure::CohortLost).peekable();
    let open = by_day(flow, Measure::CohortOpen).rev();
    let mut open = open.map(move |(day, n)| (until.0.saturating_sub(day), n)).peekable();
    std::iter::from_fn(move || {
        let next = [won.peek(), lost.peek(), open.peek()];
        let age = next.into_iter().flatten().map(|(age, _)| *age).min()?;
        let at = |entry: Option<(i32, i128)>| entry.map_or(0, |(_, n)| n);
        Some(Step {
            age,
            won: at(won.next_if(|e| e.0 == age)),
            lost: at(lost.next_if(|e| e.0 == age)),
            open: at(open.next_if(|e| e.0 == age)),
        })
    })
}

/// The estimate up to an age.
#[derive(Clone, Copy, Debug)]
struct Curve {
    /// Deals that are neither closed nor censored.
    at_risk: i128,
    /// Of the last censoring: deals at risk behind it, share open, share won.
    base: (i128, f64, f64),
    /// Won since.
    won: i128,
    variance: Variance,
}

/// Sums over ages, of which the variance of the share won is made when it is known: the delta method
/// on Greenwood's and Aalen's terms, which without censoring is that of a plain share.
#[derive(Clone, Copy, Debug, Default)]
struct Variance {
    hazard: [f64; 3],
    own: f64,
    joint: [f64; 2],
}

impl Curve {
    fn of(flow: &Measures) -> Curve {
        let kinds = [Measure::CohortWon, Measure::CohortLost, Measure::CohortOpen];
        let at_risk = kinds.into_iter().map(|measure| flow.total(measure)).sum();
        Curve { at_risk, base: (at_risk, 1.0, 0.0), won: 0, variance: Variance::default() }
    }

    fn open_share(&self) -> f64 {
        let (at_risk, open, _) = self.base;
        if at_risk > 0 { open * (self.at_risk as f64 / at_risk as f64) } else { open }
    }

    fn share(&self) -> f64 {
        let (at_risk, open, won) = self.base;
        let since = if at_risk > 0 { open * (self.won as f64 / at_risk as f64) } else { 0.0 };
        (won + since).min(1.0)
    }

    fn close(&mut self, step: Step) {
        let closed = step.won + step.lost;
        if closed <= 0 || self.at_risk <= 0 {
            return;
        }
        let open = self.open_share();
        let at_risk = self.at_risk;
        self.won += step.won;
        self.at_risk -= closed;
        self.variance.add(at_risk as f64, (step.won as f64, closed as f64), open, self.share());
    }

    fn censor(&mut self, n: i128) {
        if n != 0 {
            self.base = (self.at_risk - n, self.open_share(), self.share());
            (self.at_risk, self.won) = (self.at_risk - n, 0);
        }
    }

    /// Wilson's interval of 95 %, of as many deals as would have this variance without censoring.
    fn interval(&self, share: f64, n: i128) -> [f64; 2] {
        let (own, variance) = (share * (1.0 - share), self.variance.of(share));
        let n = if own > TIE && variance > 0.0 { own / variance } else { n as f64 };
        let z = NORMAL_95;
        let middle = share + z * z / (2.0 * n);
        let half = z * (own / n + z * z / (4.0 * n * n)).sqrt();
        [middle - half, middle + half].map(|end| (end / (1.0 + z * z / n)).clamp(0.0, 1.0))
    }
}

impl Variance {
    fn add(&mut self, at_risk: f64, (won, closed): (f64, f64), open: f64, share: f64) {
        // Where all are closed the share stays as it is, and this term is 0.
        if at_risk > closed {
            let hazard = closed / (at_risk * (at_risk - closed));
            self.hazard[0] += hazard;
            self.hazard[1] += hazard * share;
            self.hazard[2] += hazard * share * share;
        }
        self.own += open * open * won * (at_risk - won) / (at_risk * at_risk * at_risk);
        let joint = open * won / (at_risk * at_risk);
        self.joint[0] += joint;
        self.joint[1] += joint * share;
    }

    fn of(&self, share: f64) -> f64 {
        let [once, first, second] = self.hazard;
        let hazard = share * share * once - 2.0 * share * first + second;
        hazard + self.own - 2.0 * (share * self.joint[0] - self.joint[1])
    }
}

#[cfg(test)]
#[path = "survival_tests.rs"]
mod tests;
