//! What a running period will come to, by methods that anyone can redo, each with how wrong it was
//! before. Nothing is said of a method that cannot be tried on at least [`LEAST`] past periods.
//!
//! Every method is tried on the past periods at the same share of their working days. The ratios of
//! what came to what was forecast give the interval, as that of one more such ratio (Student). How
//! often such intervals held what came, each made of the periods before it, is told beside it.

mod pipeline;

pub use pipeline::{FEWEST_CLOSED, Pipeline};

use std::collections::BTreeMap;

use pipeline::{Tried, backtest, yielded};

use super::interval::student;
use super::time::Day;
use super::window::Period;
use super::workdays::WorkOf;

/// Past periods that a method must have been tried on.
pub const LEAST: usize = 6;
/// Past periods that are looked at, the newest.
pub const MOST: usize = 24;
/// Ratios that an interval is made of at least, where past intervals are checked.
const FEWEST: usize = 4;
/// What an interval covers.
pub const LEVEL: f64 = 0.8;

/// How a forecast is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// What came so far, as much a working day until the end.
    RunRate,
    /// What came in the same period a year before.
    LastYear,
    /// What came in the month three months before: the same month of its quarter.
    LastQuarter,
    /// What came so far, and of what is open by stage so much as came before in the rest of a period.
    Pipeline,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 4] =
        [Method::RunRate, Method::LastYear, Method::LastQuarter, Method::Pipeline];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::RunRate => "run_rate",
            Method::LastYear => "same_period_last_year",
            Method::LastQuarter => "same_month_last_quarter",
            Method::Pipeline => "weighted_pipeline",
        }
    }

    /// By how many periods back it looks, where it looks back at all; `None` where the period has
    /// no such season.
    fn back(self, period: Period) -> Option<usize> {
        match (self, period) {
            (Method::RunRate, _) => Some(0),
            (Method::LastYear, Period::Week | Period::SundayWeek) => Some(52),
            (Method::LastYear, Period::Month | Period::FiscalMonth(_)) => Some(12),
            (Method::LastYear, Period::Quarter | Period::FiscalQuarter(_)) => Some(4),
            (Method::LastYear, Period::Year | Period::FiscalYear(_)) => Some(1),
            (Method::LastQuarter, Period::Month | Period::FiscalMonth(_)) => Some(3),
            _ => None,
        }
    }
}

/// How a method did on past periods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backtest {
    /// On how many it was tried.
    pub periods: usize,
    /// Mean of how far it was off, relative to what came (MAPE); of those in which something came.
    pub error: Option<f64>,
    /// Of how many past intervals it was checked whether they held what came, and how many did.
    pub covered: (usize, usize),
}

/// What a method says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Which method.
    pub method: Method,
    /// Of the whole period.
    pub value: f64,
    /// Its interval, which covers [`LEVEL`].
    pub interval: (f64, f64),
    /// How it did before.
    pub backtest: Backtest,
}

/// Why a method says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// No working day of the period has passed yet, or nothing came yet that could be gone on with.
    TooEarly,
    /// Too few past periods to try it on: how many there are.
    History(usize),
    /// Too few visits of stages are of deals that are closed: how many.
    Visits(u64),
    /// Nothing is open that could be won.
    NothingOpen,
}

/// How a running period stands, and what it may come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// Its first day.
    pub start: Day,
    /// The first day behind it.
    pub end: Day,
    /// What came on the days that are over.
    pub so_far: f64,
    /// Working days that are over, and of the whole period.
    pub worked: (i64, i64),
    /// What each method says, that of the least error first.
    pub forecasts: Vec<Forecast>,
    /// The methods that say nothing, and why.
    pub lacking: Vec<(Method, Lack)>,
}

/// What is known.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What came by day; nothing on a day that is not there.
    pub daily: &'a BTreeMap<Day, f64>,
    /// The first day of which it is known.
    pub first: Day,
    /// The first day that is not over.
    pub today: Day,
    /// The working days.
    pub work: WorkOf<'a>,
    /// The stages, where they are known and the number is one of deals that are won.
    pub pipeline: Option<&'a Pipeline>,
}

impl Known<'_> {
    fn sum(&self, from: Day, to: Day) -> f64 {
        // Days that are not over are left out everywhere.
        let days = self.daily.range(from..to.min(self.today).max(from));
        // Not `sum`, whose nothing is -0.
        days.fold(0.0, |sum, (_, value)| sum + value)
    }

    fn working_days(&self, from: Day, to: Day) -> i64 {
        self.work.on(from).count(from, to)
    }

    /// The first working day behind so many working days of a period.
    fn behind(&self, start: Day, end: Day, worked: i64) -> Day {
        let calendar = self.work.on(start);
        let mut left = worked;
        let mut day = start;
        // What comes on the days off behind the last of them is there before the next one begins.
        while day < end && (left > 0 || !calendar.works(day)) {
            left -= i64::from(calendar.works(day));
            day = Day(day.0 + 1);
        }
        day
    }

    /// The first day of a period at which a share of its working days is over.
    fn at_share(&self, start: Day, end: Day, share: (i64, i64)) -> Day {
        let all = self.working_days(start, end);
        let worked = (all as f64 * share.0 as f64 / share.1.max(1) as f64).round() as i64;
        self.behind(start, end, worked)
    }

    /// How a period stood then. What cannot be weighted is left out.
    fn weighed(&self, pipeline: &Pipeline, start: Day, end: Day, at: Day) -> Option<Tried> {
        let weighted = pipeline.weighted(at).ok()?;
        Some(Tried { so_far: self.sum(start, at), came: self.sum(start, end), weighted })
    }

    /// What a method says of a period of which a share of the working days is over.
    fn guess(&self, method: Method, period: Period, start: Day, share: (i64, i64)) -> Option<f64> {
        let end = period.next(start);
        let back = method.back(period)?;
        if back > 0 {
            let mut from = start;
            for _ in 0..back {
                from = period.previous(from);
            }
            return (from >= self.first).then(|| self.sum(from, period.next(from)));
        }
        let all = self.working_days(start, end);
        let at = self.at_share(start, end, share);
        let worked = self.working_days(start, at);
        let so_far = self.sum(start, at);
        (worked > 0).then(|| so_far / worked as f64 * all as f64)
    }
}

/// Looks ahead to the end of the period that is running.
pub fn outlook(known: &Known<'_>, period: Period) -> Outlook {
    let start = period.start(known.today);
    let end = period.next(start);
    let share = (known.working_days(start, known.today), known.working_days(start, end));
    let mut past = Vec::new();
    let mut at = period.previous(start);
    while at >= known.first && past.len() < MOST {
        past.push(at);
        at = period.previous(at);
    }
    past.reverse();
    let (mut forecasts, mut lacking) = (Vec::new(), Vec::new());
    match by_pipeline(known, period, start, share, &past) {
        None => {}
        Some(Ok(forecast)) => forecasts.push(forecast),
        Some(Err(lack)) => lacking.push((Method::Pipeline, lack)),
    }
    for method in Method::ALL.into_iter().filter(|m| m.back(period).is_some()) {
        let tried: Vec<(f64, f64)> = past
            .iter()
            .filter_map(|start| {
                let guess = known.guess(method, period, *start, share)?;
                Some((guess, known.sum(*start, period.next(*start))))
            })
            .filter(|(guess, _)| *guess > 0.0)
            .collect();
        let value = known.guess(method, period, start, share).filter(|value| *value > 0.0);
        match value {
            // Without a working day there is nothing to go on with, also in past periods.
            None if method == Method::RunRate && share.0 == 0 => {
                lacking.push((method, Lack::TooEarly));
            }
            _ if tried.len() < LEAST => lacking.push((method, Lack::History(tried.len()))),
            None => lacking.push((method, Lack::TooEarly)),
            Some(value) => forecasts.push(told(method, value, &tried)),
        }
    }
    forecasts.sort_by(|a, b| {
        let error = |f: &Forecast| f.backtest.error.unwrap_or(f64::INFINITY);
        error(a).total_cmp(&error(b))
    });
    let so_far = known.sum(start, known.today);
    Outlook { start, end, so_far, worked: share, forecasts, lacking }
}

/// What the pipeline says; `None` where it is not known.
fn by_pipeline(
    known: &Known<'_>,
    period: Period,
    start: Day,
    share: (i64, i64),
    past: &[Day],
) -> Option<Result<Forecast, Lack>> {
    let pipeline = known.pipeline?;
    let past: Vec<Tried> = past
        .iter()
        .filter_map(|start| {
            let end = period.next(*start);
            known.weighed(pipeline, *start, end, known.at_share(*start, end, share))
        })
        .collect();
    let tried = backtest(&past);
    Some(pipeline.weighted(known.today).and_then(|weighted| match yielded(&past) {
        Some(share) if tried.len() >= LEAST => {
            let value = known.sum(start, known.today) + share * weighted;
            let is_any = value > 0.0;
            is_any.then(|| told(Method::Pipeline, value, &tried)).ok_or(Lack::TooEarly)
        }
        _ => Err(Lack::History(tried.len())),
    }))
}

fn told(method: Method, value: f64, tried: &[(f64, f64)]) -> Forecast {
    let ratios: Vec<f64> = tried.iter().map(|(guess, came)| came / guess).collect();
    let checked = (FEWEST..tried.len()).filter_map(|i| {
        let (low, high) = interval(tried[i].0, &ratios[..i])?;
        Some((low..=high).contains(&tried[i].1))
    });
    let checked: Vec<bool> = checked.collect();
    let off: Vec<f64> = tried
        .iter()
        .filter(|(_, came)| *came != 0.0)
        .map(|(guess, came)| ((came - guess) / came).abs())
        .collect();
    let error = (!off.is_empty()).then(|| off.iter().sum::<f64>() / off.len() as f64);
    let covered = (checked.iter().filter(|held| **held).count(), checked.len());
    let interval = interval(value, &ratios).unwrap_or((value, value));
    let backtest = Backtest { periods: tried.len(), error, covered };
    Forecast { method, value, interval, backtest }
}

/// Where the next ratio is to be expected, times the value.
fn interval(value: f64, ratios: &[f64]) -> Option<(f64, f64)> {
    let n = ratios.len() as f64;
    let mean = ratios.iter().sum::<f64>() / n;
    let variance = ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = student(n - 1.0, 0.5 + LEVEL / 2.0)? * (variance * (1.0 + 1.0 / n)).sqrt();
    half.is_finite().then_some((value * (mean - half), value * (mean + half)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::definition::Directory;
    use crate::model::segment::Segment;
    use crate::model::workdays::WorkCalendars;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn look(daily: &BTreeMap<Day, f64>, first: &str, today: &str, period: Period) -> Outlook {
        let (calendars, directory) = (WorkCalendars::default(), Directory::default());
        let segment = Segment::overall();
        let work = calendars.of(&segment, &directory);
        outlook(
            &Known { daily, first: day(first), today: day(today), work, pipeline: None },
            period,
        )
    }

    /// A hundred each weekday, more in the second half of a month by a factor.
    fn sales(from: &str, to: &str, later: f64) -> BTreeMap<Day, f64> {
        use chrono::Datelike;
        let works = |d: &Day| WorkCalendars::default().default.works(*d);
        let value = |d: Day| if d.date().day() > 15 { 100.0 * later } else { 100.0 };
        let days = (day(from).0..day(to).0).map(Day).filter(works);
        days.map(|d| (d, value(d))).collect()
    }

    #[test]
    fn an_even_stream_is_forecast_to_the_cent() {
        let daily = sales("2025-01-01", "2026-05-12", 1.0);
        let out = look(&daily, "2025-01-01", "2026-05-12", Period::Month);
        // May 2026 has 21 weekdays, seven of them before the 12th.
        assert_eq!((out.worked, out.so_far), ((7, 21), 700.0));
        let run = out.forecasts[0];
        assert_eq!(
            (run.method, run.value, run.interval),
            (Method::RunRate, 2100.0, (2100.0, 2100.0))
        );
        assert_eq!(run.backtest, Backtest { periods: 16, error: Some(0.0), covered: (12, 12) });
    }

    #[test]
    fn a_month_that_always_ends_well_has_its_interval_above_the_run_rate() {
        let daily = sales("2025-01-01", "2026-05-12", 3.0);
        let out = look(&daily, "2025-01-01", "2026-05-12", Period::Month);
        let run = out.forecasts.iter().find(|f| f.method == Method::RunRate).unwrap();
        assert_eq!(run.value, 2100.0);
        // It comes to 11 × 100 + 10 × 300.
        assert!(run.interval.0 > 3900.0 && run.interval.1 < 4500.0, "{run:?}");
        assert!(run.backtest.error.unwrap() > 0.4, "{run:?}");
        let before = out.forecasts.iter().find(|f| f.method == Method::LastQuarter).unwrap();
        assert!(before.backtest.error.unwrap() < 0.1, "{before:?}");
        assert_eq!(out.forecasts[0].method, Method::LastQuarter, "the least error comes first");
        assert_eq!(before.backtest.periods, 13);
        assert_eq!(out.lacking, [(Method::LastYear, Lack::History(4))]);
    }

    #[test]
    fn without_history_nothing_is_forecast_and_it_says_so() {
        let daily = sales("2026-01-01", "2026-05-12", 1.0);
        let out = look(&daily, "2026-01-01", "2026-05-12", Period::Month);
        assert_eq!(out.forecasts, []);
        assert_eq!(out.lacking[0], (Method::RunRate, Lack::History(4)));
        let weeks = look(&daily, "2026-01-01", "2026-05-12", Period::Week);
        assert_eq!(weeks.forecasts[0].value, 500.0);
        // The first of a month that begins on a Saturday: no working day is over.
        let daily = sales("2025-01-01", "2026-08-03", 1.0);
        let out = look(&daily, "2025-01-01", "2026-08-03", Period::Month);
        assert_eq!(out.lacking[0], (Method::RunRate, Lack::TooEarly));
        assert_eq!(out.so_far.to_string(), "0", "and not -0");
        assert!(out.forecasts.iter().any(|f| f.method == Method::LastQuarter));
    }

    #[test]
    fn what_comes_on_days_off_is_in_the_run_rate() {
        let days = (day("2025-01-01").0..day("2026-06-01").0).map(|d| (Day(d), 100.0));
        let daily: BTreeMap<Day, f64> = days.collect();
        let run = |today: &str| {
            let out = look(&daily, "2025-01-01", today, Period::Month);
            let run = out.forecasts.into_iter().find(|f| f.method == Method::RunRate).unwrap();
            (out.so_far, run.value)
        };
        // All working days of May 2026 are over on its last Sunday, and the Saturday counts.
        let (so_far, value) = run("2026-05-31");
        assert_eq!((so_far, value), (3000.0, 3000.0));
        // Over the weekend of the 9th the run rate does not fall and rise again by a fifth.
        let [friday, monday] = ["2026-05-09", "2026-05-11"].map(|today| run(today).1);
        assert!((monday / friday - 1.0).abs() < 0.3, "{friday} {monday}");
    }

    #[test]
    fn what_is_not_over_is_left_out() {
        let mut daily = sales("2025-01-01", "2026-05-12", 1.0);
        let without = look(&daily, "2025-01-01", "2026-05-12", Period::Month);
        daily.insert(day("2026-05-12"), 1e9);
        daily.insert(day("2027-01-01"), 1e9);
        assert_eq!(look(&daily, "2025-01-01", "2026-05-12", Period::Month), without);
    }

    #[test]
    fn intervals_cover_about_what_they_promise() {
        use rand::{Rng, SeedableRng};
        let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let (mut held, mut all) = (0, 0);
        for _ in 0..120 {
            let mut daily = sales("2024-01-01", "2026-06-01", 1.0);
            daily.values_mut().for_each(|v| *v *= dice.random_range(0.0..2.0));
            let came: f64 = daily.range(day("2026-05-01")..).map(|(_, v)| v).sum();
            let out = look(&daily, "2024-01-01", "2026-05-14", Period::Month);
            let run = out.forecasts.iter().find(|f| f.method == Method::RunRate).unwrap();
            held += usize::from((run.interval.0..=run.interval.1).contains(&came));
            all += 1;
        }
        let share = held as f64 / all as f64;
        assert!((0.70..0.90).contains(&share), "{share}");
    }
}
