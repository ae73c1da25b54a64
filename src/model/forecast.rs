//! What a running period will come to, by methods that anyone can redo, each with how wrong it was
//! before. Nothing is said of a method that cannot be tried on at least [`LEAST`] past periods.
//!
//! Every method is tried on the past periods at the same share of their working days. The ratios of
//! what came to what was forecast give the interval, as that of one more such ratio (Student). How
//! often such intervals held what came, each made of the periods before it, is told beside it. A
//! period of which a method said that nothing would come is a miss where something came.

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
    /// Of how many periods the error is the mean.
    pub periods: usize,
    /// How many more it was tried on that have no relative error: nothing came, or it had said that
    /// nothing would.
    pub left_out: usize,
    /// Mean of how far it was off, relative to what came (MAPE).
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
    /// Whether value or interval would be below what has come, and were raised to that.
    pub clipped: bool,
    /// How it did before.
    pub backtest: Backtest,
}

/// Why a method says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// No working day of the period has passed yet.
    TooEarly,
    /// What came adds up to nothing that could be gone on with.
    NothingCame,
    /// What came in the period that it goes by adds up to nothing.
    NothingThen,
    /// Too few past periods to try it on: how many there are.
    History(usize),
    /// Deals that are closed had come to too few stages: how many.
    Closed(u64),
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
    /// Whether the number only grows while a period goes on, as counts do.
    pub grows: bool,
}

/// A past period: what a method would have said, what came, and what it could not come below.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Try {
    guess: f64,
    came: f64,
    least: f64,
}

impl Known<'_> {
    fn sum(&self, from: Day, to: Day) -> f64 {
        // Days that are not over are left out everywhere.
        let days = self.daily.range(from..to.min(self.today).max(from));
        // Not `sum`, whose nothing is -0.
        days.fold(0.0, |sum, (_, value)| sum + value)
    }

    /// What a period cannot come below when that day begins: what has come, where the number only
    /// grows and no day took any back.
    fn least(&self, start: Day, at: Day) -> f64 {
        let grows = self.grows && self.daily.values().all(|value| *value >= 0.0);
        if grows { self.sum(start, at) } else { f64::NEG_INFINITY }
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
        let least = self.least(start, at);
        Some(Tried { so_far: self.sum(start, at), came: self.sum(start, end), weighted, least })
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
    let least = known.least(start, known.today);
    match by_pipeline(known, period, start, share, &past) {
        None => {}
        Some(Ok(forecast)) => forecasts.push(forecast),
        Some(Err(lack)) => lacking.push((Method::Pipeline, lack)),
    }
    for method in Method::ALL.into_iter().filter(|m| m.back(period).is_some()) {
        let tried: Vec<Try> = past
            .iter()
            .filter_map(|start| {
                let guess = known.guess(method, period, *start, share)?;
                let end = period.next(*start);
                let least = known.least(*start, known.at_share(*start, end, share));
                // What would be nothing stays nothing: no method is made of another one.
                let guess = if guess > 0.0 { guess.max(least) } else { guess };
                Some(Try { guess, came: known.sum(*start, end), least })
            })
            .collect();
        let n = said(&tried);
        let value = known.guess(method, period, start, share).filter(|value| *value > 0.0);
        match value {
            // Without a working day there is nothing to go on with, also in past periods.
            None if method == Method::RunRate && share.0 == 0 => {
                lacking.push((method, Lack::TooEarly));
            }
            _ if n < LEAST => lacking.push((method, Lack::History(n))),
            None if method == Method::RunRate => lacking.push((method, Lack::NothingCame)),
            None => lacking.push((method, Lack::NothingThen)),
            Some(value) => forecasts.push(told(method, value, least, &tried)),
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
    worked: (i64, i64),
    past: &[Day],
) -> Option<Result<Forecast, Lack>> {
    let pipeline = known.pipeline?;
    let past: Vec<Tried> = past
        .iter()
        .filter_map(|start| {
            let end = period.next(*start);
            known.weighed(pipeline, *start, end, known.at_share(*start, end, worked))
        })
        .collect();
    let tried = backtest(&past);
    let (n, least) = (said(&tried), known.least(start, known.today));
    Some(pipeline.weighted(known.today).and_then(|weighted| match yielded(&past) {
        Some(share) if n >= LEAST => {
            let value = known.sum(start, known.today) + share * weighted;
            let is_any = value > 0.0;
            let lack = if worked.0 == 0 { Lack::TooEarly } else { Lack::NothingCame };
            is_any.then(|| told(Method::Pipeline, value, least, &tried)).ok_or(lack)
        }
        _ => Err(Lack::History(n)),
    }))
}

/// On how many it said that something would come.
fn said(tried: &[Try]) -> usize {
    tried.iter().filter(|t| t.guess > 0.0).count()
}

fn told(method: Method, value: f64, least: f64, tried: &[Try]) -> Forecast {
    let (mut ratios, mut covered) = (Vec::new(), (0, 0));
    for Try { guess, came, least } in tried.iter().copied() {
        let held = match guess > 0.0 {
            true => interval(guess, &ratios)
                .map(|(low, high)| (low.max(least)..=high.max(least)).contains(&came)),
            // Of a forecast of nothing there is no interval around it: it holds nothing but nothing.
            false => (came != 0.0).then_some(false),
        };
        if let Some(held) = held.filter(|_| ratios.len() >= FEWEST) {
            covered = (covered.0 + usize::from(held), covered.1 + 1);
        }
        if guess > 0.0 {
            ratios.push(came / guess);
        }
    }
    let relative = tried.iter().filter(|t| t.guess > 0.0 && t.came != 0.0);
    let off: Vec<f64> = relative.map(|t| ((t.came - t.guess) / t.came).abs()).collect();
    let error = (!off.is_empty()).then(|| off.iter().sum::<f64>() / off.len() as f64);
    // As each past one was tried.
    let raised = value.max(least);
    let (low, high) = interval(raised, &ratios).unwrap_or((raised, raised));
    let left_out = tried.len() - off.len();
    Forecast {
        method,
        value: raised,
        interval: (low.max(least), high.max(least)),
        clipped: value.min(low).min(high) < least,
        backtest: Backtest { periods: off.len(), left_out, error, covered },
    }
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
mod tests;
