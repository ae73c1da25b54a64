//! From how many false alarms are tolerated to charts: steps and thresholds.

use super::arl::{Lattice, both_sides, ewma_limit, normal_threshold};
use super::baseline::{Baseline, DayFacts, Usual};
use super::chart::{
    Chart, Cusum, Ewma, FACTOR, LAMBDA, ODDS, Step, bernoulli, odds_times, poisson,
};
use crate::model::alert::{ChartKind, Direction, Rule};

/// What the mixture looks for: by how much odds move.
const ODDS_GRID: [f64; 5] = [1.25, 1.5, ODDS, 2.25, 3.0];
/// Looks that an EWMA takes to a false alarm at least, on average.
const LEAST_LOOKS: f64 = 2.0;
/// By how much durations and counts do.
const FACTOR_GRID: [f64; 5] = [1.15, 1.3, FACTOR, 2.0, 3.0];

/// Both charts of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Charts {
    pub(super) sides: [Side; 2],
    /// Mean observations between two false alarms of both together.
    pub(super) arl0: f64,
    /// False alarms a month over all streams of the rule, were they all like this one.
    pub(super) false_alarms: f64,
}

/// A chart that looks one way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Side {
    pub(super) direction: Direction,
    /// At zero.
    pub(super) chart: Chart,
    arl: f64,
    /// Of a proportion: what a hit and what a miss add, by phase.
    steps: Vec<(f64, f64)>,
}

impl Charts {
    /// Those of a baseline. Each side may take half of what is tolerated.
    pub(super) fn of(rule: &Rule, baseline: &Baseline) -> Charts {
        let tolerated = f64::from(rule.false_alarms_a_year.max(1)) / 12.0;
        let streams = rule.streams.max(1) as f64;
        let target = (streams * baseline.a_month / tolerated).max(1.0);
        let kind = (rule.chart, baseline.a_look);
        let side = |direction| Side::of(&baseline.usual, direction, 2.0 * target, kind);
        let up = side(Direction::Up);
        let down = match baseline.usual {
            // A mean is watched alike both ways.
            Usual::Logarithm(..) => Side { direction: Direction::Down, ..up.clone() },
            Usual::Proportion(_) | Usual::Count(..) => side(Direction::Down),
        };
        let sides = [up, down];
        let arl0 = both_sides(sides[0].arl, sides[1].arl);
        Charts { sides, arl0, false_alarms: streams * baseline.a_month / arl0 }
    }
}

/// The alternative of a factor, or what undoes it.
fn towards(direction: Direction, factor: f64) -> f64 {
    if direction == Direction::Up { factor } else { 1.0 / factor }
}

impl Side {
    /// `arl` is in cases; an EWMA is looked at once in so many.
    fn of(usual: &Usual, direction: Direction, arl: f64, kind: (ChartKind, f64)) -> Side {
        let side = |chart, arl| Side { direction, chart, arl, steps: Vec::new() };
        match (usual, kind) {
            (Usual::Proportion(phases), _) => proportion(phases, direction, arl),
            (Usual::Logarithm(_, sigma), kind) => {
                let sums = Cusum::new(normal_threshold(reference(*sigma), arl));
                match kind {
                    (ChartKind::Cusum, _) => side(Chart::Cusum(sums), arl),
                    // Both sides of one mean: each has twice the run length of both.
                    (ChartKind::Ewma, a_look) => {
                        let looks = (arl / 2.0 / a_look).max(LEAST_LOOKS);
                        let chart = Ewma::new(LAMBDA, ewma_limit(LAMBDA, looks));
                        side(Chart::Ewma(chart, sums), 2.0 * looks * a_look)
                    }
                }
            }
            // A CUSUM of log-likelihood ratios is never above its Shiryaev-Roberts sum, which
            // reaches `arl` after at least as many slices, whatever the means of the days are.
            (Usual::Count(..), _) => side(Chart::Cusum(Cusum::new(arl.ln())), arl),
        }
    }

    /// What a day does to the chart.
    pub(super) fn step(&self, usual: &Usual, phase: usize, facts: &DayFacts) -> Step {
        let n = facts.n as f64;
        let sums = |sum: f64| Step { sum, z: 0.0 };
        match usual {
            Usual::Proportion(_) => {
                let (hit, miss) = self.steps[phase];
                sums(facts.hits as f64 * hit + (n - facts.hits as f64) * miss)
            }
            Usual::Logarithm(mean, sigma) => {
                let sign = if self.direction == Direction::Up { 1.0 } else { -1.0 };
                let above = sign * (facts.sum - n * mean[phase]) / sigma;
                Step { sum: above - n * reference(*sigma), z: above / n.sqrt() }
            }
            Usual::Count(mean, spread) => {
                sums(poisson(n, mean[phase], towards(self.direction, FACTOR)) / spread)
            }
        }
    }

    /// The log-likelihood ratio of a day under each alternative of the mixture.
    pub(super) fn ratios(&self, usual: &Usual, phase: usize, facts: &DayFacts) -> [f64; 5] {
        let n = facts.n as f64;
        let grid = if matches!(usual, Usual::Proportion(_)) { ODDS_GRID } else { FACTOR_GRID };
        grid.map(|factor| {
            let factor = towards(self.direction, factor);
            match usual {
                Usual::Proportion(p) => {
                    let (hit, miss) = bernoulli(p[phase], odds_times(p[phase], factor));
                    facts.hits as f64 * hit + (n - facts.hits as f64) * miss
                }
                Usual::Logarithm(mean, sigma) => {
                    let shift = factor.ln() / sigma;
                    shift * (facts.sum - n * mean[phase]) / sigma - n * shift * shift / 2.0
                }
                Usual::Count(mean, spread) => poisson(n, mean[phase], factor) / spread,
            }
        })
    }
}

/// Half of the shift that a duration's chart is tuned to, in standard deviations.
fn reference(sigma: f64) -> f64 {
    FACTOR.ln() / sigma / 2.0
}

/// Each phase has steps of its own, in units of log-likelihood; the threshold is that of the phase
/// that needs the highest.
fn proportion(phases: &[f64], direction: Direction, arl: f64) -> Side {
    let (mut steps, mut highest, mut arl0) = (Vec::with_capacity(phases.len()), 0.0, 0.0);
    for p in phases {
        let (hit, miss) = bernoulli(*p, odds_times(*p, towards(direction, ODDS)));
        // The event is what grows more frequent.
        let rising = direction == Direction::Up;
        let (event, up, down) = if rising { (*p, hit, -miss) } else { (1.0 - p, miss, -hit) };
        let lattice = Lattice::of(up, down);
        let unit = up / f64::from(lattice.up);
        let (threshold, run) = lattice.threshold(event, arl);
        let (up, down) = (up, -unit * f64::from(lattice.down));
        steps.push(if rising { (up, down) } else { (down, up) });
        if f64::from(threshold) * unit > highest {
            (highest, arl0) = (f64::from(threshold) * unit, run);
        }
    }
    Side { direction, chart: Chart::Cusum(Cusum::new(highest)), arl: arl0, steps }
}

#[cfg(test)]
#[path = "ewma_tests.rs"]
mod ewma_tests;

#[cfg(test)]
mod tests {
    use super::*;

    const CUSUM: (ChartKind, f64) = (ChartKind::Cusum, 1.0);

    #[test]
    fn the_chart_of_thirty_per_cent_is_the_published_one() {
        let side = Side::of(&Usual::Proportion(vec![0.3]), Direction::Down, 1098.0, CUSUM);
        let (hit, miss) = side.steps[0];
        assert!((hit / miss + 3.0).abs() < 1e-9, "won −3, lost +1");
        assert!((side.chart.threshold() / miss - 26.0).abs() < 1e-9);
        assert!((side.arl / 1098.3 - 1.0).abs() < 0.01);
        // Thresholds stand on a lattice: what is told is what it is, and not what was asked.
        let side = Side::of(&Usual::Proportion(vec![0.3]), Direction::Down, 6_000.0, CUSUM);
        assert!((side.arl / 6_518.9 - 1.0).abs() < 0.01, "{}", side.arl);
    }

    #[test]
    fn both_sides_of_an_ewma_together_run_as_long_as_was_asked() {
        let usual = Usual::Logarithm(vec![3.0], 0.9);
        // 499.99 looks at four cases each.
        let of = |direction| Side::of(&usual, direction, 8.0 * 499.99, (ChartKind::Ewma, 4.0));
        let [up, down] = [of(Direction::Up), of(Direction::Down)];
        assert!((both_sides(up.arl, down.arl) / (4.0 * 499.99) - 1.0).abs() < 1e-9);
        let width = (0.1_f64 / 1.9).sqrt();
        assert!((up.chart.threshold() / width / 2.8143 - 1.0).abs() < 0.001, "{up:?}");
        let facts = DayFacts { n: 4, hits: 0, sum: 4.0 * 3.9, squares: 0.0, ..DayFacts::default() };
        assert!((up.step(&usual, 0, &facts).z - 2.0).abs() < 1e-9, "the mean is two of its own");
        assert!((down.step(&usual, 0, &facts).z + 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_run_length_is_never_below_what_was_asked() {
        for p in [0.02, 0.3, 0.55, 0.97] {
            for direction in [Direction::Up, Direction::Down] {
                let side = Side::of(&Usual::Proportion(vec![p]), direction, 5_000.0, CUSUM);
                assert!(side.arl >= 5_000.0, "{p} {direction:?} {}", side.arl);
            }
        }
    }
}
