//! What is told by days, in the recount: of working days, until leads were answered and became deals;
//! and what was changed of amounts since deals were won.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use super::{Closing, Count, Counted, Stretch};
use crate::recount::{Money, quantile};

impl Count<'_> {
    /// Sums over the working days that have begun: Monday to Friday.
    pub(super) fn working_days(&self, own: Stretch, out: &mut BTreeMap<&'static str, Counted>) {
        let days = match own {
            Stretch::Days(from, to) => {
                let over = self.as_of >= self.clock.start(to);
                let begun = |day: &Date| *day < to && (over || *day <= self.today);
                let days = from.series(1.day()).take_while(begun);
                let works =
                    |day: &Date| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
                days.filter(works).count()
            }
            Stretch::Steps(..) => 0,
        };
        for (kpi, of) in [
            ("revenue_per_working_day", "revenue"),
            ("deals_won_per_working_day", "deals_won"),
            ("activities_per_working_day", "activities_done"),
        ] {
            let (sum, n) = out[of];
            let a_day = sum.filter(|_| days > 0).map(|sum| sum / days as f64);
            out.insert(kpi, (a_day, n));
        }
    }

    /// What deals that were won had for an amount then, and what was changed of it.
    pub(super) fn amended(
        &self,
        won: &[&&Closing],
        (revenue, priced): (f64, i128),
        out: &mut BTreeMap<&'static str, Counted>,
    ) {
        let changes: Vec<&Money> = won.iter().flat_map(|closing| &closing.amended).collect();
        let (by, n) = self.own(&changes);
        out.insert("amended_revenue", (Some(by), n));
        out.insert("revenue_at_close", (Some(revenue - by), priced));
    }
}

/// How long the leads of a window waited, of those that were answered.
pub(super) fn answered(waits: &[Option<i64>], out: &mut BTreeMap<&'static str, Counted>) {
    let mut minutes: Vec<i64> = waits.iter().flatten().copied().collect();
    minutes.sort_unstable();
    let (n, all) = (minutes.len() as i128, waits.len() as i128);
    let share = |num: i64, den: i128| (den > 0).then(|| num as f64 / den as f64);
    out.insert("leads_answered", (Some(n as f64), n));
    out.insert("response_rate", (share(n as i64, all), all));
    out.insert("response_time_mean", (share(minutes.iter().sum(), n), n));
    out.insert("response_time_p50", (quantile(&minutes, 0.5), n));
    out.insert("response_time_p90", (quantile(&minutes, 0.9), n));
}

/// How many leads of a window became a deal, and at how many days.
pub(super) fn converted(
    became: &[Option<i64>],
    is_old: bool,
    out: &mut BTreeMap<&'static str, Counted>,
) {
    let (all, n) = (became.len() as i128, became.iter().flatten().count());
    let share = |n: usize| (all > 0).then(|| n as f64 / all as f64);
    let soon = became.iter().flatten().filter(|days| **days <= 90).count();
    out.insert("leads_converted", (Some(n as f64), n as i128));
    out.insert("lead_conversion", (share(n), all));
    out.insert("lead_conversion_90d", (share(soon).filter(|_| is_old), all));
}
