//! What formulas are made of: parts, measures, and what they are compared with.

use super::funnel::ENDS;
use super::kpi::{Against, Formula, Unit};
use super::measure::Measure;
use super::own::OwnMeasure;

impl Formula {
    /// Whether its value is a count or a sum, exact, and no quotient.
    pub fn is_exact(&self) -> bool {
        match self {
            Formula::Written(program) => program.is_exact(),
            Formula::Own(own) => own.is_exact(),
            _ => matches!(
                self,
                Formula::Count(_)
                    | Formula::CountAt(..)
                    | Formula::CountIn(_)
                    | Formula::Stock(_)
                    | Formula::Money(..)
                    | Formula::NetMoney(..)
                    | Formula::StockMoney(..)
                    | Formula::Quantity(..)
                    | Formula::WorkingDays
            ),
        }
    }

    /// Whether its value is its numerator divided by its denominator, as they stand.
    pub fn is_plain_quotient(&self) -> bool {
        matches!(
            self,
            Formula::MeanMoney(..)
                | Formula::Share(..)
                | Formula::MoneyShare(..)
                | Formula::Cohort(..)
                | Formula::MeanDays(_)
                | Formula::Proportion(..)
                | Formula::MeanQuantity(..)
                | Formula::Stated(..)
                | Formula::MoneyPer(..)
                | Formula::Return(..)
                | Formula::Points(..)
                | Formula::Churn(..)
                | Formula::OfOpening(..)
                | Formula::MoneyKept(..)
                | Formula::StockMoneyPer(..)
        )
    }

    /// What the numerator and the denominator are counted in; `None` where it has none.
    pub fn parts(&self) -> Option<(Unit, Unit)> {
        match self {
            Formula::Count(_) | Formula::CountAt(..) | Formula::CountIn(_) => None,
            Formula::Stock(_) | Formula::Own(_) | Formula::WorkingDays => None,
            Formula::Written(program) => program.parts(),
            Formula::Money(..) | Formula::NetMoney(..) | Formula::StockMoney(..) => None,
            Formula::Quantity(..) | Formula::Minutes(..) | Formula::QuantileDays(..) => None,
            Formula::Incidence(_) | Formula::ClosingAge | Formula::QuantileMoney(..) => None,
            Formula::MeanMoney(..) | Formula::MoneyPer(..) | Formula::StockMoneyPer(..) => {
                Some((Unit::Money, Unit::Count))
            }
            Formula::MoneyShare(..)
            | Formula::Growth(..)
            | Formula::Return(..)
            | Formula::MoneyKept(..) => Some((Unit::Money, Unit::Money)),
            Formula::Share(..)
            | Formula::Proportion(..)
            | Formula::Cohort(..)
            | Formula::OfOpening(..)
            | Formula::Stated(..)
            | Formula::Churn(..) => Some((Unit::Count, Unit::Count)),
            Formula::MeanDays(Measure::ResponseMinutes) => Some((Unit::Minutes, Unit::Count)),
            Formula::MeanDays(_) => Some((Unit::Days, Unit::Count)),
            Formula::MeanQuantity(..) | Formula::Points(..) => Some((Unit::Points, Unit::Count)),
        }
    }

    /// Whether it looks at how many days of the window were worked on.
    pub fn asks_for_working_days(&self) -> bool {
        match self {
            Formula::Written(program) => program.formulas().any(|f| f.asks_for_working_days()),
            _ => matches!(self, Formula::WorkingDays),
        }
    }

    /// Whether it looks at what stood at the window's start.
    pub fn asks_for_opening(&self) -> bool {
        match self {
            Formula::Churn(..) | Formula::OfOpening(..) | Formula::MoneyKept(..) => true,
            Formula::Written(program) => program.formulas().any(|f| f.asks_for_opening()),
            _ => false,
        }
    }

    /// The measures of the user's own that it is made of.
    pub(super) fn own(&self) -> Box<dyn Iterator<Item = &OwnMeasure> + '_> {
        match self {
            Formula::Own(own) => Box::new(std::iter::once(&**own)),
            Formula::Written(program) => Box::new(program.formulas().flat_map(Formula::own)),
            _ => Box::new(std::iter::empty()),
        }
    }

    /// The measures that it compares with the window before.
    pub(super) fn compared(&self) -> Vec<Measure> {
        match self {
            Formula::Growth(m, Against::Before) => grown(*m),
            Formula::Written(program) => {
                program.formulas().flat_map(|formula| formula.compared()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The measures that it compares with windows further away.
    pub(super) fn compared_far(&self) -> Vec<Measure> {
        match self {
            Formula::Growth(_, Against::Before) => Vec::new(),
            Formula::Growth(m, _) => grown(*m),
            Formula::Written(program) => {
                program.formulas().flat_map(|formula| formula.compared_far()).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn measures(&self) -> Vec<Measure> {
        let several = |first: &[Measure], more: &[&[Measure]]| {
            [first].iter().chain(more).flat_map(|list| list.iter().copied()).collect()
        };
        match *self {
            Formula::WorkingDays => Vec::new(),
            // No slice has it.
            Formula::Count(Measure::StageHeld) => several(&[Measure::StageEntered], &[&ENDS]),
            Formula::Count(m)
            | Formula::CountIn(m)
            | Formula::CountAt(m, _)
            | Formula::Stock(m)
            | Formula::MeanDays(m)
            | Formula::QuantileDays(m, ..)
            | Formula::Proportion(m, ..) => vec![m],
            Formula::Growth(m, _) => {
                let mut all = grown(m);
                all.extend(Some(m.counted()).filter(|counted| !all.contains(counted)));
                all
            }
            Formula::Money(a, b)
            | Formula::MeanMoney(a, b)
            | Formula::StockMoney(a, b)
            | Formula::Quantity(a, b)
            | Formula::MeanQuantity(a, b)
            | Formula::Minutes(a, b)
            | Formula::OfOpening(a, b)
            | Formula::Stated(a, b)
            | Formula::Cohort(a, b, _)
            | Formula::Churn(a, b) => vec![a, b],
            Formula::Return(a, b) => vec![a, a.counted(), b],
            Formula::QuantileMoney(..) => {
                vec![Measure::WonAmounts, Measure::WonAmount, Measure::WonPriced]
            }
            Formula::MoneyKept(change, stock) => vec![change, stock, stock.counted()],
            Formula::NetMoney(a, b, c)
            | Formula::MoneyPer(a, b, c)
            | Formula::StockMoneyPer(a, b, c)
            | Formula::Points(a, b, c) => vec![a, b, c],
            Formula::Share(m, of) => several(&[m], &[of]),
            Formula::MoneyShare(m, of, counts) => several(&[m], &[of, counts]),
            Formula::Own(ref own) => own.measures().to_vec(),
            Formula::Incidence(_) | Formula::ClosingAge => {
                vec![Measure::CohortWon, Measure::CohortLost, Measure::CohortOpen]
            }
            Formula::Written(ref program) => {
                program.formulas().flat_map(|formula| formula.measures()).collect()
            }
        }
    }
}

/// The sums that grow, or shrink what does. What is left of a sum may be above 0 where none of its own
/// amounts has a rate, so how many have one is asked for too.
fn grown(m: Measure) -> Vec<Measure> {
    let less = m.less();
    [Some(m), less, less.map(|_| m.counted())].into_iter().flatten().collect()
}
