//! What stands in the pipeline, and what of it comes within a period.
//!
//! Of what is open in a stage at the beginning of a day, so much is expected to be won in the end as
//! was won of the deals that had come to that stage and were closed before: the weighted pipeline. How much of it
//! comes before the period ends, and how much new business comes beside it, is read off earlier
//! periods at the same share of their working days: what came in their rest, to what was weighted
//! then.

use std::collections::BTreeMap;

use super::{Lack, Try};
use crate::model::time::Day;

/// Deals that were closed in so many days say how often a stage was won.
const LOOKS_BACK: i32 = 365;
/// So many of them must have come to a stage, or it is taken as all stages together: half the width of the 95 % interval of a share is at most 0.18 then.
pub const FEWEST_CLOSED: u64 = 30;

/// What is known of the stages of a segment, by the name of the stage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pipeline {
    stages: BTreeMap<String, Past>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Past {
    /// What was open when a day ended; as before where it is not there.
    open: BTreeMap<Day, f64>,
    /// Of the deals that had come to the stage those that were won on a day, and won or lost.
    ends: BTreeMap<Day, (u64, u64)>,
}

impl Pipeline {
    /// Tells what was open in a stage when a day ended.
    pub fn open(&mut self, stage: &str, day: Day, open: f64) {
        self.stage(stage).open.insert(day, open);
    }

    /// Tells of deals that had come to a stage: how many were won on a day, and how many won or lost.
    /// Two stages of one name, of different pipelines, add up.
    pub fn ends(&mut self, stage: &str, day: Day, won: u64, closed: u64) {
        let ends = self.stage(stage).ends.entry(day).or_default();
        *ends = (ends.0 + won, ends.1 + closed);
    }

    fn stage(&mut self, name: &str) -> &mut Past {
        self.stages.entry(name.to_owned()).or_default()
    }

    /// What was open when a day began, each stage by how often it was won in the end.
    pub(super) fn weighted(&self, day: Day) -> Result<f64, Lack> {
        let all = self.stages.values().map(|past| past.known(day));
        let all = all.fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1));
        if all.1 < FEWEST_CLOSED {
            return Err(Lack::Closed(all.1));
        }
        let weigh = |past: &Past| {
            let open = past.open.range(..day).next_back().map_or(0.0, |(_, open)| *open);
            let own = past.known(day);
            let (won, closed) = if own.1 < FEWEST_CLOSED { all } else { own };
            open.max(0.0) * won as f64 / closed as f64
        };
        match self.stages.values().map(weigh).fold(0.0, |sum, n| sum + n) {
            sum if sum > 0.0 => Ok(sum),
            _ => Err(Lack::NothingOpen),
        }
    }
}

impl Past {
    /// Of the deals closed before a day those that were won, and all.
    fn known(&self, day: Day) -> (u64, u64) {
        let ends = self.ends.range(Day(day.0 - LOOKS_BACK)..day);
        ends.fold((0, 0), |sum, (_, n)| (sum.0 + n.0, sum.1 + n.1))
    }
}

/// A past period at the same share of its working days.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried {
    /// What had come by then.
    pub so_far: f64,
    /// What came in all.
    pub came: f64,
    /// What was weighted then.
    pub weighted: f64,
    /// What it could not come below.
    pub least: f64,
}

/// Periods that say how much of what is weighted comes in the rest of one.
const CALIBRATE: usize = 3;

/// What comes in the rest of a period for what is weighted, from earlier periods; `None` where they
/// are too few, or nothing was weighted.
pub(super) fn yielded(earlier: &[Tried]) -> Option<f64> {
    let weighted: f64 = earlier.iter().map(|t| t.weighted).sum();
    let rest: f64 = earlier.iter().map(|t| t.came - t.so_far).sum();
    (earlier.len() >= CALIBRATE && weighted > 0.0).then(|| rest / weighted)
}

/// What each past period would have been forecast, by those before it only, and what came.
pub(super) fn backtest(past: &[Tried]) -> Vec<Try> {
    let guess = |(i, tried): (usize, &Tried)| {
        let share = yielded(&past[..i])?;
        let guess = tried.so_far + share * tried.weighted;
        Some(Try { guess, came: tried.came, least: tried.least })
    };
    past.iter().enumerate().filter_map(guess).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(closed: u64) -> Pipeline {
        let mut out = Pipeline::default();
        out.open("talk", Day(490), 1000.0);
        out.open("talk", Day(500), 500.0);
        out.open("offer", Day(495), 200.0);
        out.ends("talk", Day(190), 10, closed - 20);
        out.ends("talk", Day(390), 5, 20);
        out.ends("talk", Day(500), 0, 1000);
        out.ends("offer", Day(489), 30, 40);
        out
    }

    #[test]
    fn what_is_open_counts_by_how_often_its_stage_was_won() {
        let weighted = |day: i32| pipeline(60).weighted(Day(day));
        // 15 of 60, and 30 of 40.
        assert_eq!(weighted(495), Ok(250.0), "what a day ends with is open when the next begins");
        assert_eq!(weighted(496), Ok(250.0 + 150.0));
        assert_eq!(weighted(500), Ok(250.0 + 150.0), "what is closed on the day is not known yet");
        assert_eq!(weighted(490), Err(Lack::NothingOpen), "nothing is open yet");
        assert_eq!(weighted(180), Err(Lack::Closed(0)));
    }

    #[test]
    fn a_stage_of_which_too_little_is_known_is_as_all_of_them() {
        // 15 of 29 and 30 of 40: 45 of 69, so of the first stage too.
        let told = pipeline(29).weighted(Day(496)).unwrap();
        assert!((told - (1000.0 * 45.0 / 69.0 + 150.0)).abs() < 1e-9, "{told}");
        let mut few = pipeline(29);
        few.open("new", Day(495), 69.0);
        assert!((few.weighted(Day(496)).unwrap() - told - 45.0).abs() < 1e-9);
    }

    #[test]
    fn each_period_is_forecast_by_those_before_it() {
        let of = |so_far, came, weighted| Tried { so_far, came, weighted, least: so_far };
        let past =
            [of(10.0, 60.0, 100.0), of(0.0, 50.0, 100.0), of(5.0, 55.0, 100.0), of(7.0, 9.0, 40.0)];
        assert_eq!(yielded(&past[..2]), None);
        assert_eq!(yielded(&past[..3]), Some(0.5));
        assert_eq!(backtest(&past), [Try { guess: 27.0, came: 9.0, least: 7.0 }]);
        assert_eq!(yielded(&[of(0.0, 1.0, 0.0); 3]), None, "nothing was weighted");
    }
}
