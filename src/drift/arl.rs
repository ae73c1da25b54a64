//! Average run lengths: how long a chart runs until it alarms. From them a threshold follows from
//! how many false alarms are tolerated, instead of the other way round.

use statrs::distribution::{ContinuousCDF, Normal};

/// Steps of a Bernoulli chart on a lattice: the exactly calibrated form of log-likelihood steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lattice {
    /// What an event adds.
    pub up: u32,
    /// What its absence takes away; the sum never falls below zero.
    pub down: u32,
}

/// Finest lattice: a step of one side in so many units.
const FINEST: u32 = 8;
/// How far the ratio of the two steps may be off.
const NEAR: f64 = 0.02;
/// Longest run length that is told apart from forever.
const LONGEST: f64 = 1e12;

impl Lattice {
    /// The coarsest lattice that has the ratio of two steps to within 2 %.
    pub fn of(up: f64, down: f64) -> Lattice {
        let ratio = down / up;
        let steps = |fine: u32| {
            let other = |r: f64| (f64::from(fine) * r).round().max(1.0) as u32;
            match ratio >= 1.0 {
                true => Lattice { up: fine, down: other(ratio) },
                false => Lattice { up: other(1.0 / ratio), down: fine },
            }
        };
        let off = |l: &Lattice| (f64::from(l.down) / f64::from(l.up) / ratio - 1.0).abs();
        let all = || (1..=FINEST).map(steps);
        let best = || all().min_by(|a, b| off(a).total_cmp(&off(b)));
        all().find(|l| off(l) <= NEAR).or_else(best).unwrap_or(Lattice { up: 1, down: 1 })
    }

    /// Mean number of observations until the sum reaches `h`, where an event has probability `p`.
    ///
    /// Exact: the chart is a Markov chain on `0..h`. Its equations are banded and diagonally
    /// dominant, so elimination needs no pivots.
    pub fn run_length(self, h: u32, p: f64) -> f64 {
        let (n, up, down) = (h.max(1) as usize, self.up as usize, self.down as usize);
        // Row i holds columns i − down ..= i + up.
        let width = up + down + 1;
        let mut a = vec![0.0; n * width];
        let mut b = vec![1.0; n];
        for i in 0..n {
            let at = |j: usize| i * width + (j + down - i);
            a[at(i)] += 1.0;
            a[at(i.saturating_sub(down))] -= 1.0 - p;
            if i + up < n {
                a[at(i + up)] -= p;
            }
        }
        for i in 0..n {
            let pivot = a[i * width + down];
            for r in i + 1..(i + down + 1).min(n) {
                let factor = a[r * width + (i + down - r)] / pivot;
                if factor == 0.0 {
                    continue;
                }
                for j in i..(i + up + 1).min(n) {
                    a[r * width + (j + down - r)] -= factor * a[i * width + (j + down - i)];
                }
                b[r] -= factor * b[i];
            }
        }
        for i in (0..n).rev() {
            for j in i + 1..(i + up + 1).min(n) {
                b[i] -= a[i * width + (j + down - i)] * b[j];
            }
            b[i] /= a[i * width + down];
        }
        b[0]
    }

    /// The least threshold whose run length without drift is at least `arl`, and that run length.
    pub fn threshold(self, p: f64, arl: f64) -> (u32, f64) {
        let arl = arl.min(LONGEST);
        let (mut low, mut high) = (0, self.up.max(1));
        // A threshold is at most logarithmic in the run length; the bound is for absurd inputs.
        while self.run_length(high, p) < arl && high < 1 << 14 {
            (low, high) = (high, high * 2);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.run_length(middle, p) < arl {
                true => low = middle,
                false => high = middle,
            }
        }
        (high, self.run_length(high, p))
    }
}

/// Run length of a one-sided normal CUSUM (reference value `k`, threshold `h`, both in standard
/// deviations) whose observations have mean `shift`: Siegmund's approximation, within 1 % for
/// `h` of 3 and more.
pub fn siegmund(k: f64, h: f64, shift: f64) -> f64 {
    let (drift, b) = (shift - k, h + 1.166);
    if drift.abs() < 1e-9 {
        return b * b;
    }
    let x = 2.0 * drift * b;
    ((-x).exp() + x - 1.0) / (2.0 * drift * drift)
}

/// The threshold whose run length without drift is `arl`, by [`siegmund`].
pub fn normal_threshold(k: f64, arl: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while siegmund(k, high, 0.0) < arl.min(LONGEST) && high < 1e4 {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        match siegmund(k, middle, 0.0) < arl {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}

/// Run length of a one-sided normal CUSUM as a Markov chain (Brook and Evans, 1972).
pub fn normal_cusum(k: f64, h: f64, shift: f64) -> f64 {
    const STATES: usize = 120;
    let width = 2.0 * h / (2 * STATES - 1) as f64;
    let normal = Normal::standard();
    // From the middle of state i to at most the upper edge of state j.
    let below =
        |i: usize, j: usize| normal.cdf((j as f64 - i as f64) * width + width / 2.0 + k - shift);
    let moves = |i: usize| {
        let mut before = 0.0;
        (0..STATES).map(|j| below(i, j) - std::mem::replace(&mut before, below(i, j))).collect()
    };
    absorbed(0, (0..STATES).map(moves).collect())
}

/// Run length of two one-sided charts that run together.
pub fn both_sides(up: f64, down: f64) -> f64 {
    1.0 / (1.0 / up + 1.0 / down)
}

/// Run length of a two-sided EWMA of weight `lambda` with fixed limits at `l` standard deviations
/// of its long run (Lucas and Saccucci, 1990). With weight 1 it is a Shewhart chart.
pub fn ewma(lambda: f64, l: f64, shift: f64) -> f64 {
    const SIDE: usize = 60;
    const STATES: usize = 2 * SIDE + 1;
    let limit = l * (lambda / (2.0 - lambda)).sqrt();
    let width = 2.0 * limit / STATES as f64;
    let normal = Normal::standard();
    let middle = |i: usize| (i as f64 - SIDE as f64) * width;
    let below = |i: usize, edge: usize| {
        normal.cdf((middle(edge) - width / 2.0 - (1.0 - lambda) * middle(i)) / lambda - shift)
    };
    let moves = |i: usize| -> Vec<f64> {
        let edges: Vec<f64> = (0..=STATES).map(|edge| below(i, edge)).collect();
        edges.windows(2).map(|pair| pair[1] - pair[0]).collect()
    };
    if shift != 0.0 {
        return absorbed(SIDE, (0..STATES).map(moves).collect());
    }
    // Without drift both sides of the mean are one: half of the states, an eighth of the work.
    let folded = |i: usize| {
        let row = moves(i);
        let other = |j: usize| if j > SIDE { row[STATES - 1 - j] } else { 0.0 };
        (SIDE..STATES).map(|j| row[j] + other(j)).collect()
    };
    absorbed(0, (SIDE..STATES).map(folded).collect())
}

/// The limit, in standard deviations of its long run, at which a two-sided EWMA of weight `lambda`
/// has a run length without drift of `arl`, by [`ewma`].
pub fn ewma_limit(lambda: f64, arl: f64) -> f64 {
    let wanted = arl.clamp(2.0, LONGEST).ln();
    let over = |l: f64| ewma(lambda, l, 0.0).ln() - wanted;
    // The logarithm grows with the limit about as a parabola, so false positions halve the end that
    // stays (Illinois) and come within a thousandth of the run length in a few steps.
    let (mut low, mut high) = ((0.5, over(0.5)), (8.0, over(8.0)));
    for _ in 0..20 {
        let middle = (low.0 * high.1 - high.0 * low.1) / (high.1 - low.1);
        let at = over(middle);
        if at.abs() < 1e-3 {
            return middle;
        }
        (low, high) = match at < 0.0 {
            true => ((middle, at), (high.0, high.1 / 2.0)),
            false => ((low.0, low.1 / 2.0), (middle, at)),
        };
    }
    high.0
}

/// Mean steps until absorption from a state, where a row has the chances to move from a state to
/// each; what it lacks to one is absorption.
fn absorbed(from: usize, moves: Vec<Vec<f64>>) -> f64 {
    let n = moves.len();
    let mut a = moves;
    for (i, row) in a.iter_mut().enumerate() {
        row.iter_mut().for_each(|p| *p = -*p);
        row[i] += 1.0;
    }
    let mut b = vec![1.0; n];
    for i in 0..n {
        let (done, rest) = a.split_at_mut(i + 1);
        let pivot = &done[i];
        for (r, row) in rest.iter_mut().enumerate() {
            let factor = row[i] / pivot[i];
            for j in i..n {
                row[j] -= factor * pivot[j];
            }
            b[i + 1 + r] -= factor * b[i];
        }
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| a[i][j] * b[j]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    b[from]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Within 1 %.
    fn close(got: f64, expected: f64) {
        assert!((got / expected - 1.0).abs() < 0.01, "{got} is not near {expected}");
    }

    fn two_sided(k: f64, h: f64, shift: f64) -> f64 {
        both_sides(normal_cusum(k, h, shift), normal_cusum(k, h, -shift))
    }

    #[test]
    fn bernoulli_run_lengths_are_the_published_ones() {
        let chart = Lattice { up: 1, down: 3 };
        for (h, arl, fifth, seventh) in
            [(21, 520.1, 76.6, 46.9), (26, 1098.3, 100.8, 59.4), (39, 6518.9, 165.1, 91.9)]
        {
            close(chart.run_length(h, 0.70), arl);
            close(chart.run_length(h, 0.80), fifth);
            close(chart.run_length(h, 0.85), seventh);
        }
    }

    #[test]
    fn a_threshold_is_the_least_that_keeps_the_promise() {
        let chart = Lattice::of((0.8f64 / 0.7).ln(), (0.3f64 / 0.2).ln());
        assert_eq!(chart, Lattice { up: 1, down: 3 });
        assert_eq!(chart.threshold(0.7, 1098.0).0, 26);
        for (p, up, down, arl) in [(0.05, 5, 1, 3e4), (0.45, 5, 8, 500.0), (0.9, 1, 15, 1e6)] {
            let chart = Lattice { up, down };
            let (h, run) = chart.threshold(p, arl);
            assert!(run >= arl && chart.run_length(h - 1, p) < arl, "{p} {arl}: {h} {run}");
        }
    }

    #[test]
    fn lattices_have_the_ratio_of_their_steps() {
        for ratio in [0.01, 0.07, 0.3, 0.6, 1.0, 1.27, 1.595, 3.036, 17.0] {
            let Lattice { up, down } = Lattice::of(1.0, ratio);
            let got = f64::from(down) / f64::from(up);
            assert!((got / ratio - 1.0).abs() < 0.05, "{ratio}: {down}/{up}");
        }
    }

    #[test]
    fn normal_cusum_run_lengths_are_the_published_ones() {
        close(two_sided(0.5, 4.0, 0.0), 167.68);
        for (shift, arl) in [(0.25, 74.22), (0.5, 26.63), (1.0, 8.38), (1.5, 4.75), (2.0, 3.34)] {
            close(two_sided(0.5, 4.0, shift), arl);
        }
        close(two_sided(0.5, 4.77, 0.0), 368.56);
        close(two_sided(0.5, 4.77, 1.0), 9.92);
        close(two_sided(0.5, 5.0, 0.0), 465.44);
        close(two_sided(0.5, 5.0, 1.0), 10.38);
        for (h, arl) in [(3.0, 117.60), (4.0, 335.37), (5.0, 930.89)] {
            close(normal_cusum(0.5, h, 0.0), arl);
            close(siegmund(0.5, h, 0.0), arl);
        }
    }

    #[test]
    fn cycle_length_run_lengths_are_the_computed_ones() {
        let k = 0.2253;
        for (h, arl, quarter, half) in [(9.2117, 500.0, 92.4, 36.3), (10.6978, 1000.0, 118.5, 42.9)]
        {
            close(two_sided(k, h, 0.0), arl);
            close(normal_cusum(k, h, 1.25f64.ln() / 0.9), quarter);
            close(normal_cusum(k, h, 1.5f64.ln() / 0.9), half);
            close(normal_threshold(k, 2.0 * arl), h);
        }
    }

    #[test]
    fn ewma_run_lengths_are_the_published_ones() {
        close(ewma(0.1, 2.7, 0.0), 368.99);
        close(ewma(0.1, 2.7, 1.0), 9.73);
        close(ewma(0.1, 2.7, 0.5), 28.19);
        close(ewma(0.1, 2.8143, 0.0), 499.99);
        close(ewma(0.1, 2.8143, 1.0), 10.33);
        close(ewma(0.1, 2.8143, 0.5), 31.31);
        close(ewma(0.03, 2.437, 0.0), 499.86);
        for (shift, arl) in [(0.25, 76.73), (0.5, 29.32), (1.0, 12.60)] {
            close(ewma(0.03, 2.437, shift), arl);
        }
        for (lambda, arl, l) in [(0.1, 368.99, 2.7), (0.1, 499.99, 2.8143), (0.03, 499.86, 2.437)] {
            assert!((ewma_limit(lambda, arl) / l - 1.0).abs() < 0.003, "{lambda} {arl}");
        }
        for arl in [3.0, 40.0, 6e3, 1e6] {
            close(ewma(0.1, ewma_limit(0.1, arl), 0.0), arl);
        }
        close(ewma(1.0, 3.0, 0.0), 370.40);
        close(ewma(1.0, 3.0, 1.0), 43.89);
    }
}
