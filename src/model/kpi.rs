//! What a KPI is, and how it is computed from measures.
//!
//! From the catalogue come the computation, the JSON names, the Prometheus families, `docs/kpis.md`
//! and `docs/metrics.md`. A zero denominator is absent, never 0; numerator, denominator and sample
//! size travel with each ratio, so that readers can roll up by summing both.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

pub use super::against::{Against, Compared};
use super::amounts::{
    gained, growth, mean_money, money, money_per, money_share, net_money, quantile_money,
};
pub use super::catalogue::{CATALOGUE, Group, Kpis};
use super::customers::{of_opening, stock_money_per};
use super::formula::Program;
use super::funnel;
use super::measure::{Measure, MeasureKey, Measures};
use super::money::{Currency, EXACT_ONE, Exact};
use super::own::OwnMeasure;
use super::quantile::quantile;
use super::retention::money_kept;
use super::survival::Followed;
use super::time::Day;
pub use super::usage::Grain;

/// What a value is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// The reporting currency.
    Money,
    /// A share, 0 to 1 (growth: any sign).
    Ratio,
    /// Civil days in rows; seconds on `/metrics`.
    Days,
    /// Minutes in rows; seconds on `/metrics`.
    Minutes,
    /// Points of a score.
    Points,
}

impl Unit {
    /// The name in rows and in the API; money has its currency's code in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::Count => "count",
            Unit::Money => "money",
            Unit::Ratio => "ratio",
            Unit::Days => "days",
            Unit::Minutes => "minutes",
            Unit::Points => "points",
        }
    }
}

/// Which clock dates the events behind a conversion (kpis.md 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The moment of the fact itself.
    EventTime,
    /// W1: closed in the window, by closing time.
    ClosedBasis,
    /// W2: created in the window, won (of leads: converted) so far.
    CohortSoFar,
    /// W4: created in the window, won (of leads: converted) within a horizon; only once the whole
    /// cohort is that old.
    CohortHorizon,
    /// W5: created in the window; what is open was followed until now, and no further.
    CohortCensored,
    /// What stands at the end of the window.
    Stock,
    /// Those of the parts, which differ.
    OfParts,
}

impl Clock {
    /// The name in the docs.
    pub fn as_str(self) -> &'static str {
        match self {
            Clock::EventTime => "event time",
            Clock::ClosedBasis => "W1, closed basis",
            Clock::CohortSoFar => "W2, created cohort so far",
            Clock::CohortHorizon => "W4, created cohort with horizon",
            Clock::CohortCensored => "W5, created cohort, open deals censored",
            Clock::Stock => "at the window's end",
            Clock::OfParts => "those of its parts",
        }
    }
}

/// A name or a text: of the catalogue, or of the user's own.
pub type Words = Cow<'static, str>;

/// A compiled formula of the catalogue, or of the user's own.
#[derive(Clone, Debug)]
pub enum Compiled {
    /// Of the catalogue: compiled when it is first used, which is a function of its text.
    Shipped(&'static LazyLock<Program>),
    /// Of the user's own.
    Own(Arc<Program>),
}

impl Deref for Compiled {
    type Target = Program;

    fn deref(&self) -> &Program {
        match self {
            Compiled::Shipped(program) => program,
            Compiled::Own(program) => program,
        }
    }
}

impl PartialEq for Compiled {
    fn eq(&self, other: &Compiled) -> bool {
        **self == **other
    }
}

/// A formula over measures.
#[derive(Clone, Debug, PartialEq)]
pub enum Formula {
    /// A count.
    Count(Measure),
    /// A sum of money; the second measure counts the amounts in it.
    Money(Measure, Measure),
    /// A sum of money divided by the number of amounts in it.
    MeanMoney(Measure, Measure),
    /// One count divided by the sum of several.
    Share(Measure, &'static [Measure]),
    /// One count divided by another, where there is any of the first: that there is none may be that
    /// nobody states them.
    Stated(Measure, Measure),
    /// One sum of money divided by the sum of several; the counts behind the denominator.
    MoneyShare(Measure, &'static [Measure], &'static [Measure]),
    /// Of a cohort those that arrived, by their age then, within so many days where given, divided by
    /// the cohort's size, the second measure.
    Cohort(Measure, Measure, Option<i32>),
    /// Of a cohort, the share won within so many days, as far as its open deals were followed.
    Incidence(i32),
    /// The age at which more than half of a cohort is closed, likewise.
    ClosingAge,
    /// Mean of a histogram of days or minutes.
    MeanDays(Measure),
    /// Quantile `num/den` of such a histogram, interpolated like SQL's `percentile_cont`.
    QuantileDays(Measure, i128, i128),
    /// Quantile `num/den` of the amounts of deals won, interpolated likewise between amounts that are
    /// within a step of those that were stated.
    QuantileMoney(i128, i128),
    /// A stock.
    Stock(Measure),
    /// A stock of money; the second measure counts the amounts in it.
    StockMoney(Measure, Measure),
    /// A sum of money divided by the same sum in the window compared with, minus 1.
    Growth(Measure, Against),
    /// A count of one word.
    CountAt(Measure, i32),
    /// The count of one word divided by that of another one.
    Proportion(Measure, i32, i32),
    /// A sum of decimal numbers; the second measure counts what they are of.
    Quantity(Measure, Measure),
    /// A sum of decimal numbers divided by how many there are.
    MeanQuantity(Measure, Measure),
    /// A sum of seconds; the second measure counts the durations in it.
    Minutes(Measure, Measure),
    /// One sum of money less another one; the third measure counts the amounts in the first.
    NetMoney(Measure, Measure, Measure),
    /// A sum of money divided by a count or a quantity; the second measure counts the amounts.
    MoneyPer(Measure, Measure, Measure),
    /// What a sum of money brought above its cost, divided by that cost.
    Return(Measure, Measure),
    /// One count less another one, of a hundred of a third.
    Points(Measure, Measure, Measure),
    /// Of a stock at the window's start, what ended in the window.
    Churn(Measure, Measure),
    /// Of a stock at the window's start, what a count of the window says of it.
    OfOpening(Measure, Measure),
    /// Of a stock of money at the window's start, what is left of it behind changes by day.
    MoneyKept(Measure, Measure),
    /// A stock of money divided by another stock; the third measure counts the amounts.
    StockMoneyPer(Measure, Measure, Measure),
    /// A count of those of the reporting currency.
    CountIn(Measure),
    /// The working days of the window that have begun.
    WorkingDays,
    /// Written out over measures and other KPIs.
    Written(Compiled),
    /// A measure of the user's own.
    Own(Arc<OwnMeasure>),
}

/// One KPI.
#[derive(Clone, Debug, PartialEq)]
pub struct Kpi {
    /// Which family it belongs to.
    pub group: Group,
    /// Name in rows and configs.
    pub name: Words,
    /// Suffix of the Prometheus family, behind `tidemark_<grain>_`.
    pub family: Words,
    /// Unit.
    pub unit: Unit,
    /// Clock.
    pub clock: Clock,
    /// Whether it moves before revenue does.
    pub leading: bool,
    /// How it is computed.
    pub formula: Formula,
    /// The formula in words.
    pub text: Words,
    /// What it means, and its traps.
    pub doc: Words,
    /// With fewer things behind it a value is marked; `None` leaves it to the kind of formula.
    pub least_n: Option<u32>,
    /// The shortest windows in which it means something; `None` leaves it to the kind of formula.
    pub shortest: Option<Grain>,
}

/// What a KPI is computed from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Sums over the window.
    pub flow: &'a Measures,
    /// Stocks at the window's end.
    pub stock: &'a Measures,
    /// Stocks at the end of the day before the window's first.
    pub opening: &'a Measures,
    /// The window's first day.
    pub first_day: Day,
    /// Sums over the windows compared with.
    pub before: Compared<'a>,
    /// Whole days by which the watermark is behind the window's end; negative before it.
    pub age_days: i32,
    /// The day of the watermark, up to which open deals were followed; `None` while it is unknown.
    pub followed: Option<Day>,
    /// How many working days of the window have begun; `None` where it begins within a day.
    pub working_days: Option<i64>,
    /// Reporting currency.
    pub currency: Currency,
}

/// A number: exact where it is a count or a sum, the nearest float where it is a quotient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Exact.
    Exact(Exact),
    /// A quotient.
    Float(f64),
}

impl Number {
    /// As a float, for Prometheus.
    pub fn to_f64(self) -> f64 {
        match self {
            Number::Exact(e) => e.to_f64(),
            Number::Float(f) => f,
        }
    }
}

/// A computed KPI.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct KpiValue {
    /// The value; `None` where it is undefined (zero denominator, cohort too young).
    pub value: Option<Number>,
    /// Numerator of a quotient.
    pub num: Option<Exact>,
    /// Denominator of a quotient.
    pub den: Option<Exact>,
    /// Of a mean of days or minutes the sum of their squares: it tells how far they spread.
    pub squares: Option<i128>,
    /// How many things are behind it.
    pub n: i128,
    /// Amounts in other currencies, which the value does not hold.
    pub unconverted: Vec<(Currency, Exact)>,
    /// Of an estimate, the interval of 95 % that holds it.
    pub interval: Option<[f64; 2]>,
    /// Fewer things are behind the value than it takes to mean much.
    pub low_n: bool,
    /// Customers are counted by a sample behind it: it is an estimate.
    pub approx: bool,
    /// Of a sum in it all that is known is in currencies without a rate: it is no 0.
    pub hollow: bool,
}

impl Kpi {
    /// The KPI of that name.
    pub fn named(name: &str) -> Option<&'static Kpi> {
        CATALOGUE.iter().find(|k| k.name == name)
    }

    /// Whether its value is a count or a sum, exact, and no quotient.
    pub fn is_exact(&self) -> bool {
        self.formula.is_exact()
    }

    /// Whether what it counts may come in parts of one, as conversions of an ad platform do.
    pub fn is_decimal(&self) -> bool {
        matches!(
            self.formula,
            Formula::Quantity(..)
                | Formula::MeanQuantity(..)
                | Formula::MoneyPer(..)
                | Formula::Written(_)
        )
    }

    /// Whether it is so many of so many, each of which is a hit or is not.
    pub fn is_proportion(&self) -> bool {
        match &self.formula {
            Formula::Share(hits, all) => all.contains(hits),
            Formula::Cohort(..) => true,
            _ => false,
        }
    }

    /// What the numerator and the denominator are counted in; `None` where it has none.
    pub fn parts(&self) -> Option<(Unit, Unit)> {
        self.formula.parts()
    }

    /// Computes it.
    pub fn compute(&self, view: &View<'_>) -> KpiValue {
        let mut out = self.formula.compute(view);
        out.low_n = out.value.is_some() && out.n < i128::from(self.min_n());
        out
    }
}

impl Formula {
    /// Computes it.
    pub fn compute(&self, view: &View<'_>) -> KpiValue {
        let own = view.currency;
        let count_of = |of: &Measures, m| of.at(MeasureKey::currency(m, own));
        match *self {
            Formula::Written(ref program) => program.compute(view),
            Formula::WorkingDays => match view.working_days {
                Some(days) => count(days.into()),
                None => KpiValue::default(),
            },
            Formula::Own(ref measure) => measure.compute(view.flow, own),
            Formula::CountIn(m) => {
                count(count_of(if m.is_stock() { view.stock } else { view.flow }, m))
            }
            Formula::Count(Measure::StageHeld) => count(funnel::held(view.flow)),
            Formula::Count(m) => count(view.flow.total(m)),
            Formula::Stock(m) => count(view.stock.total(m)),
            Formula::Money(sum, priced) => money(view.flow, sum, priced, own),
            Formula::StockMoney(sum, priced) => money(view.stock, sum, priced, own),
            Formula::MeanMoney(sum, priced) => mean_money(view.flow, sum, priced, own),
            Formula::Share(num, den) => {
                let n = den.iter().map(|m| view.flow.total(*m)).sum();
                quotient(Exact::whole(view.flow.total(num)), Exact::whole(n), n)
            }
            Formula::Stated(num, den) => {
                let [num, n] = [num, den].map(|m| view.flow.total(m));
                let out = quotient(Exact::whole(num), Exact::whole(n), n);
                KpiValue { value: out.value.filter(|_| num != 0), ..out }
            }
            Formula::MoneyShare(num, den, counts) => money_share(view.flow, num, den, counts, own),
            Formula::Cohort(hits, all, horizon) => cohort(view, hits, all, horizon),
            Formula::Incidence(horizon) => Followed::of(view).incidence(horizon),
            Formula::ClosingAge => Followed::of(view).closing_age(),
            Formula::MeanDays(m) => mean_days(view.flow, m),
            Formula::QuantileDays(m, num, den) => quantile(view.flow.of(m), num, den),
            Formula::QuantileMoney(num, den) => quantile_money(view.flow, (num, den), own),
            Formula::Growth(m, against) => growth(view, m, against),
            Formula::CountAt(m, place) => count(view.flow.at(MeasureKey::word(m, place))),
            Formula::Proportion(m, num, den) => {
                let [num, den] = [num, den].map(|place| view.flow.at(MeasureKey::word(m, place)));
                quotient(Exact::whole(num), Exact::whole(den), den)
            }
            Formula::Quantity(m, counted) => {
                let value = Number::Exact(Exact(view.flow.total(m)));
                plain(value, view.flow.total(counted))
            }
            Formula::MeanQuantity(m, counted) => {
                let n = view.flow.total(counted);
                quotient(Exact(view.flow.total(m)), Exact::whole(n), n)
            }
            Formula::Minutes(m, counted) => {
                let minutes = Number::Float(divide(view.flow.total(m), 60 * EXACT_ONE));
                plain(minutes, view.flow.total(counted))
            }
            Formula::NetMoney(sum, less, priced) => net_money(view.flow, sum, less, priced, own),
            Formula::MoneyPer(sum, priced, per) => money_per(view, sum, priced, per),
            Formula::Return(gain, cost) => gained(view, gain, cost),
            Formula::Points(more, less, of) => {
                let n = view.flow.total(of);
                let points = 100 * (view.flow.total(more) - view.flow.total(less));
                quotient(Exact::whole(points), Exact::whole(n), n)
            }
            Formula::Churn(ended, active) => churn(view, ended, active),
            Formula::OfOpening(part, whole) => of_opening(view, part, whole),
            Formula::MoneyKept(change, stock) => money_kept(view, change, stock),
            Formula::StockMoneyPer(sum, priced, per) => stock_money_per(view, [sum, priced], per),
        }
    }
}

fn mean_days(flow: &Measures, m: Measure) -> KpiValue {
    let days = flow.of(m).map(|(d, n)| i128::from(d) * n).sum();
    let n = flow.total(m);
    let squares = flow.of(m).map(|(d, n)| i128::from(d) * i128::from(d) * n).sum();
    let squares = (n > 0).then_some(squares);
    KpiValue { squares, ..quotient(Exact::whole(days), Exact::whole(n), n) }
}

fn plain(value: Number, n: i128) -> KpiValue {
    KpiValue { value: Some(value), n, ..KpiValue::default() }
}

fn count(n: i128) -> KpiValue {
    plain(Number::Exact(Exact::whole(n)), n)
}

fn churn(view: &View<'_>, ended: Measure, active: Measure) -> KpiValue {
    let before = view.flow.of(ended).filter(|(day, _)| *day < view.first_day.0.into());
    let ended = before.map(|(_, n)| n).sum();
    let n = view.opening.total(active);
    quotient(Exact::whole(ended), Exact::whole(n), n)
}

pub(super) fn quotient(num: Exact, den: Exact, n: i128) -> KpiValue {
    let value = (den.0 != 0).then(|| Number::Float(divide(num.0, den.0)));
    KpiValue { value, num: Some(num), den: Some(den), n, ..KpiValue::default() }
}

/// `num / den` as the nearest float to within one rounding of the fraction: the whole part is
/// split off first, so that large sums keep their digits.
pub(super) fn divide(num: i128, den: i128) -> f64 {
    let (whole, rest) = (num / den, num % den);
    whole as f64 + rest as f64 / den as f64
}

fn cohort(view: &View<'_>, hits: Measure, all: Measure, horizon: Option<i32>) -> KpiValue {
    let hits = view
        .flow
        .of(hits)
        .filter(|(age, _)| horizon.is_none_or(|limit| *age <= limit.into()))
        .map(|(_, n)| n)
        .sum();
    let created = view.flow.total(all);
    let mut out = quotient(Exact::whole(hits), Exact::whole(created), created);
    if horizon.is_some_and(|limit| view.age_days < limit) {
        out.value = None;
    }
    out
}

#[cfg(test)]
#[path = "kpi_tests.rs"]
mod tests;
