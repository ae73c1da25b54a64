//! Whether deals are created as they were in the baseline, without which the lengths of the cycles
//! that end say nothing of how long deals take.
//!
//! Of the deals won on a day those are short that were created of late. Where fewer are created, old
//! ones are left to be won, and the mean grows though no deal takes longer (`kpis.md` 2.6: 29 days,
//! then 73, 139 and 249, behind the end of a lead feed).

use super::baseline::{Baseline, DayFacts, IsSure};

/// The shortest time looked back, days: no weekday weighs more than another.
const WEEK: i32 = 7;
/// Bounds of the longest one, days.
const SPAN: (f64, f64) = (28.0, 365.0);
/// Standard deviations from the mean of a normal distribution below which nine of ten are.
const NINE_OF_TEN: f64 = 1.2816;
/// What is created is far less below this share of the usual: the fall that charts of counts are
/// tuned to.
const FAR_LESS: f64 = 2.0 / 3.0;
/// And less than nine of ten such times of the baseline had: deals may be created in batches, so that
/// most weeks have none. One in ten may be a holiday.
const SELDOM: usize = 10;
/// What a division and a product may lose.
const TOLERANCE: f64 = 1e-9;
/// And only where chance does not explain it: standard deviations of a Poisson.
const CHANCE: f64 = 2.0;

/// What was created, from the first day of the baseline on.
pub(super) struct Supply {
    from: i32,
    /// Deals created a day of the baseline.
    usual: f64,
    /// The times looked back, in days: a week, and that in which nine of ten deals of the baseline
    /// were won; each with the least deals a day that are as usual in it.
    spans: [(i32, f64); 2],
    /// Before each day, and behind the last one: deals created, and days that are sure.
    before: Vec<(u64, u32)>,
}

impl Supply {
    pub(super) fn of(
        baseline: &Baseline,
        facts: &[(i32, DayFacts)],
        end: i32,
        is_sure: IsSure<'_>,
    ) -> Supply {
        let all = &baseline.all;
        let n = (all.facts.n as f64).max(1.0);
        let mean = all.facts.sum / n;
        let spread = (all.facts.squares / n - mean * mean).max(0.0).sqrt();
        let span = (mean + NINE_OF_TEN * spread).exp_m1().clamp(SPAN.0, SPAN.1);
        let mut known = facts.iter().filter(|(day, _)| *day >= baseline.from).peekable();
        let mut sum = (0, 0);
        let mut before = vec![sum];
        before.extend((baseline.from..end).map(|day| {
            let there = known.next_if(|(d, _)| *d == day);
            sum.0 += there.map_or(0, |(_, facts)| facts.created);
            sum.1 += u32::from(is_sure(day));
            sum
        }));
        let usual = all.facts.created as f64 / f64::from(all.days.max(1));
        let mut out = Supply { from: baseline.from, usual, spans: [(WEEK, usual); 2], before };
        out.spans = [WEEK, span.ceil() as i32].map(|length| {
            let ends = baseline.from + length..=baseline.to.min(end);
            let told = ends.map(|last| out.within(length, last));
            let told = told.filter(|(_, days)| i64::from(*days) == i64::from(length));
            let mut a_day: Vec<f64> = told.map(|(n, days)| n / f64::from(days)).collect();
            a_day.sort_unstable_by(f64::total_cmp);
            let least = a_day.get(a_day.len() / SELDOM).copied().unwrap_or(usual);
            (length, least.min(usual * FAR_LESS))
        });
        out
    }

    /// Deals created in so many days before a day, and how many of those are sure.
    fn within(&self, length: i32, end: i32) -> (f64, u32) {
        let at = |day: i32| {
            let place = usize::try_from(day.saturating_sub(self.from)).unwrap_or(0);
            self.before[place.min(self.before.len() - 1)]
        };
        let (first, last) = (at(end - length), at(end));
        ((last.0 - first.0) as f64, last.1 - first.1)
    }

    /// Whether as many deals as ever were created in the week up to a day, and in the time in which
    /// those won on it began.
    pub(super) fn is_steady(&self, day: i32) -> bool {
        self.spans.iter().all(|(length, least)| {
            let (n, days) = self.within(*length, day + 1);
            let expected = self.usual * f64::from(days);
            n + TOLERANCE >= least * f64::from(days) || expected - n <= CHANCE * expected.sqrt()
        })
    }
}
