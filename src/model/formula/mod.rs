//! Formulas as text: `demos / deals_won`, `100 * (nps_promoters - nps_detractors) / nps_answers`.
//!
//! A small total language: names of KPIs and measures, numbers, `+ - * /` and parentheses. No
//! condition, no call, no way to loop: a formula is compiled once into a list of steps, and each
//! window does each step once. Kinds of numbers are checked when it is compiled, so that money is
//! never added to a count. Sums stay exact; a quotient of sums is divided once, at the end, and its
//! numerator and denominator travel. What is absent makes the whole absent: a zero denominator is
//! never 0.

mod dimension;
mod fault;
mod fraction;
mod read;
mod run;

use std::ops::Range;
use std::sync::Arc;

pub use dimension::Dimension;
pub use fault::Fault;
pub use read::{What, Written, read};

use self::{fraction::Fraction, run::Item};
use super::kpi::{Clock, Formula, Kpi, KpiValue, Unit, View};
use super::measure::{Measure, MeasureKind};
use super::money::Exact;
use super::own::OwnMeasure;

/// Longest text, bytes.
pub const MAX_CHARS: usize = 1_000;
/// Most measures and KPIs in a formula, once the formulas that it names are written out. It bounds
/// the work of a window, and the digits of what is in between.
pub const MAX_OPERANDS: usize = 64;
/// Most steps of a formula, counted so too: numbers and operators are work and digits as well.
pub const MAX_STEPS: usize = 512;

/// What joins two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The sum.
    Plus,
    /// The difference.
    Minus,
    /// The product.
    Times,
    /// The quotient.
    Over,
}

impl Operator {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Operator::Plus => "+",
            Operator::Minus => "-",
            Operator::Times => "*",
            Operator::Over => "/",
        }
    }
}

/// What can be said of a number before it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Written in the formula; whether it is whole.
    Number(bool),
    /// A sum over what happened, which adds up over windows and segments; whether it is exact.
    Sum(bool),
    /// A quotient of two sums.
    Quotient,
    /// Anything else.
    Other,
}

impl Form {
    fn of(formula: &Formula) -> Form {
        match formula {
            _ if formula.is_exact() => Form::Sum(true),
            _ if formula.is_plain_quotient() => Form::Quotient,
            Formula::Own(_) => Form::Sum(false),
            _ => Form::Other,
        }
    }

    fn join(operator: Operator, a: Form, b: Form) -> Form {
        use Form::{Number, Other, Quotient, Sum};
        match (operator, a, b) {
            (Operator::Over, Number(_), Number(_)) => Number(false),
            (_, Number(a), Number(b)) => Number(a && b),
            (Operator::Plus | Operator::Minus, Sum(a), Sum(b)) => Sum(a && b),
            (Operator::Times, Sum(a), Number(b)) | (Operator::Times, Number(b), Sum(a)) => {
                Sum(a && b)
            }
            (Operator::Over, Sum(_), Number(_)) => Sum(false),
            (Operator::Over, Sum(_), Sum(_)) => Quotient,
            (Operator::Times, Quotient, Number(_)) | (Operator::Times, Number(_), Quotient) => {
                Quotient
            }
            (Operator::Over, Quotient, Number(_)) => Quotient,
            _ => Other,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Number(Exact),
    Load(Formula),
    Negate,
    Join(Operator),
    /// Money by money: a share of nothing or less says nothing.
    Share,
}

/// A compiled formula.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    steps: Vec<Step>,
    form: Form,
    dimension: Dimension,
    /// Of numerator and denominator, where it has them.
    parts: Option<(Dimension, Dimension)>,
    /// The clock of all that it names; `None` where they have several.
    clock: Option<Clock>,
    /// Whether it is 0 whatever happens, or absent.
    is_nothing: bool,
}

impl Program {
    /// The program that takes one KPI as it is.
    pub fn of_kpi(formula: &Formula, unit: Unit, clock: Clock) -> Program {
        if let Formula::Written(program) = formula {
            return (**program).clone();
        }
        let form = Form::of(formula);
        let parts = formula.parts().filter(|_| form == Form::Quotient);
        Program {
            steps: vec![Step::Load(formula.clone())],
            form,
            dimension: Dimension::of(unit, formula.parts()),
            parts: parts.map(|(num, den)| (Dimension::unit(num), Dimension::unit(den))),
            clock: Some(clock),
            is_nothing: false,
        }
    }

    /// The program that takes a measure; `None` of one that is no number of a unit that we have.
    pub fn of_measure(measure: Measure) -> Option<Program> {
        let (formula, unit) = match measure.kind() {
            // Windows count customers instead of telling them apart.
            MeasureKind::Distinct => return None,
            // They are counted in windows by `won_priced`.
            MeasureKind::SizeByCurrency | MeasureKind::AmountByCurrency => return None,
            // All of the user's own together say nothing: see [`Program::of_own`].
            MeasureKind::CountByOwn
            | MeasureKind::QuantityByOwn
            | MeasureKind::SumByOwn
            | MeasureKind::CurrencyByOwn => return None,
            // Says nothing without the window's start.
            MeasureKind::SumByDay => return None,
            // How often they were halved says nothing to anybody else.
            _ if measure == Measure::BuyersLevel => return None,
            MeasureKind::Count
            | MeasureKind::CountByWord
            | MeasureKind::CountByDay
            | MeasureKind::CountByStage
            | MeasureKind::HistogramByStage
            | MeasureKind::Histogram => (Formula::Count(measure), Unit::Count),
            MeasureKind::Stock => (Formula::Stock(measure), Unit::Count),
            MeasureKind::CountByCurrency | MeasureKind::StockByCurrency => {
                (Formula::CountIn(measure), Unit::Count)
            }
            MeasureKind::Sum => (Formula::Money(measure, measure.counted()), Unit::Money),
            MeasureKind::StockSum => (Formula::StockMoney(measure, measure.counted()), Unit::Money),
            MeasureKind::Quantity => {
                let unit = match measure {
                    Measure::CallSeconds => return None,
                    Measure::CesScore => Unit::Points,
                    _ => Unit::Count,
                };
                (Formula::Quantity(measure, measure.counted()), unit)
            }
        };
        let clock = if measure.is_stock() { Clock::Stock } else { Clock::EventTime };
        Some(Program::of_kpi(&formula, unit, clock))
    }

    /// The program that takes a measure of the user's own.
    pub fn of_own(own: &Arc<OwnMeasure>) -> Program {
        Program::of_kpi(&Formula::Own(own.clone()), own.unit(), Clock::EventTime)
    }

    /// Compiles what was read. `named` gives what a name stands for; `None` where it is unknown.
    pub fn compile(
        written: &[Written],
        mut named: impl FnMut(&str) -> Option<Program>,
    ) -> Result<Program, Fault> {
        let mut steps = Vec::new();
        let mut stack: Vec<Operand> = Vec::new();
        let mut clocks: Vec<Option<Clock>> = Vec::new();
        let mut operands = 0;
        for Written { what, at } in written {
            match what {
                What::Number(number) => {
                    stack.push(Operand::new(Told::number(*number), at, steps.len()));
                    steps.push(Step::Number(*number));
                }
                What::Name(name) => {
                    let program = named(name).ok_or_else(|| Fault::unknown(name, at))?;
                    operands += program.formulas().count();
                    if operands > MAX_OPERANDS {
                        let what = format!(
                            "with \"{name}\" the formula is of more than {MAX_OPERANDS} parts, those \
                             of the formulas that it names counted"
                        );
                        return Err(Fault::new(at.clone(), what, "make it of fewer"));
                    }
                    clocks.push(program.clock);
                    stack.push(Operand::new(Told::program(&program), at, steps.len()));
                    steps.extend(program.steps);
                }
                What::Negate => {
                    steps.push(Step::Negate);
                    if let Some(held) = stack.last_mut() {
                        held.negate(at);
                    }
                }
                What::Join(operator) => {
                    let (b, a) = (stack.pop(), stack.pop());
                    let (Some(a), Some(b)) = (a, b) else {
                        return Err(Fault::new(at.clone(), "something is missing here", "add it"));
                    };
                    let is_share =
                        *operator == Operator::Over && a.told.is_money() && b.told.is_money();
                    stack.push(Operand::join(*operator, a, b, (at, &steps))?);
                    steps.push(if is_share { Step::Share } else { Step::Join(*operator) });
                }
            }
            if steps.len() > MAX_STEPS {
                let what = format!(
                    "the formula is of more than {MAX_STEPS} steps, those of the formulas that it \
                     names counted"
                );
                return Err(Fault::new(at.clone(), what, "make it of fewer"));
            }
        }
        let whole = written.iter().map(|w| w.at.start).min().unwrap_or(0)
            ..written.iter().map(|w| w.at.end).max().unwrap_or(0);
        let Some(Operand { told, .. }) = stack.pop().filter(|_| operands > 0) else {
            let mend = "name at least one: \"demos / deals_won\"";
            return Err(Fault::new(whole, "the formula names no KPI and no measure", mend));
        };
        let same = clocks.iter().all(|clock| *clock == clocks[0]);
        Ok(Program {
            steps,
            form: told.form,
            dimension: told.dimension,
            parts: told.parts,
            clock: clocks.first().copied().flatten().filter(|_| same),
            is_nothing: told.is_nothing(),
        })
    }

    /// What its value is counted in, or in words why no unit says it.
    pub fn unit(&self) -> Result<Unit, String> {
        self.dimension.to_unit().ok_or_else(|| self.dimension.to_string())
    }

    /// The kind of number that it is.
    pub fn dimension(&self) -> Dimension {
        self.dimension
    }

    /// The clock of all that it names; `None` where they have several.
    pub fn clock(&self) -> Option<Clock> {
        self.clock
    }

    /// Whether its value is an exact sum, which adds up over windows.
    pub fn is_exact(&self) -> bool {
        self.form == Form::Sum(true)
    }

    /// Whether its value adds up over windows, exact or not.
    pub fn adds_up(&self) -> bool {
        matches!(self.form, Form::Sum(_))
    }

    /// What numerator and denominator are counted in; `None` where it is no quotient of two sums.
    pub fn parts(&self) -> Option<(Unit, Unit)> {
        let unit = |dimension: Dimension| dimension.to_unit().unwrap_or(Unit::Count);
        self.parts.filter(|_| self.form == Form::Quotient).map(|(a, b)| (unit(a), unit(b)))
    }

    /// What it is computed from.
    pub fn formulas(&self) -> impl Iterator<Item = &Formula> {
        self.steps.iter().filter_map(|step| match step {
            Step::Load(formula) => Some(formula),
            _ => None,
        })
    }

    /// Whether it is a sum, divided by the working days.
    pub fn is_a_day(&self) -> bool {
        let last_but_one = self.steps.len().checked_sub(2).map(|i| &self.steps[i..]);
        let days = Step::Load(Formula::WorkingDays);
        let by_days = last_but_one.is_some_and(|s| s == [days, Step::Join(Operator::Over)]);
        by_days && self.form == Form::Quotient
    }

    /// Computes it.
    pub fn compute(&self, view: &View<'_>) -> KpiValue {
        let mut stack: Vec<Item> = Vec::new();
        for step in &self.steps {
            match step {
                Step::Number(number) => stack.push(Item::number(*number)),
                Step::Load(formula) => stack.push(Item::load(formula, view)),
                Step::Negate => {
                    if let Some(item) = stack.last_mut() {
                        item.negate();
                    }
                }
                Step::Join(operator) => {
                    let (b, a) = (stack.pop(), stack.pop());
                    let (Some(a), Some(b)) = (a, b) else { continue };
                    stack.push(Item::join(*operator, a, b));
                }
                Step::Share => {
                    let (b, a) = (stack.pop(), stack.pop());
                    let (Some(a), Some(b)) = (a, b) else { continue };
                    stack.push(Item::share(a, b));
                }
            }
        }
        stack.pop().map(Item::value).unwrap_or_default()
    }
}

/// What formulas call the working days of a window that have begun.
pub const WORKING_DAYS: &str = "working_days";
/// What they are.
pub const WORKING_DAYS_DOC: &str = "Working days of the window that have begun, today included, by the working days and holidays of the segment's territory or of its rep's; of rolling windows up to 7 days, which begin within a day, it is absent.";

/// What a name of the catalogue stands for: a KPI, or else a measure.
pub fn catalogued(name: &str) -> Option<Program> {
    match Kpi::named(name) {
        Some(kpi) => Some(Program::of_kpi(&kpi.formula, kpi.unit, kpi.clock)),
        None => measures().find(|(of, _)| of == name).map(|(_, program)| program),
    }
}

/// The measures that formulas can name, by their names, and the working days. Where a KPI has the same
/// name, that one is meant.
pub fn measures() -> impl Iterator<Item = (String, Program)> {
    let all = Measure::ALL.iter().map(|(measure, ..)| (measure.name(), *measure));
    let free = all.filter(|(name, _)| Kpi::named(name).is_none());
    let days = Program::of_kpi(&Formula::WorkingDays, Unit::Count, Clock::EventTime);
    let measures = free.filter_map(|(name, measure)| Some((name, Program::of_measure(measure)?)));
    measures.chain([(WORKING_DAYS.to_owned(), days)])
}

/// Compiles a formula of the catalogue.
pub(super) fn shipped(text: &str) -> Result<Program, Fault> {
    Program::compile(&read(text)?, catalogued)
}

/// A part of a formula: what is known of it, where it stands, and with which step it begins.
struct Operand {
    told: Told,
    at: Range<usize>,
    from: usize,
}

impl Operand {
    fn new(told: Told, at: &Range<usize>, from: usize) -> Operand {
        Operand { told, at: at.clone(), from }
    }

    fn negate(&mut self, at: &Range<usize>) {
        self.at.start = at.start;
        self.told.always = self.told.always.take().map(Fraction::negative);
    }

    fn join(
        operator: Operator,
        a: Operand,
        b: Operand,
        (at, steps): (&Range<usize>, &[Step]),
    ) -> Result<Operand, Fault> {
        if operator == Operator::Over && b.told.is_nothing() {
            let what = "what it is divided by is always 0, so it would never have a value";
            return Err(Fault::new(b.at, what, "divide by something that is not always 0"));
        }
        let alike = steps[a.from..b.from] == steps[b.from..];
        let span = a.at.start..b.at.end;
        let mut told = Told::join(operator, a.told, b.told, at)?;
        if operator == Operator::Minus && alike {
            told.always = Some(Fraction::exact(Exact(0)));
        }
        Ok(Operand { told, at: span, from: a.from })
    }
}

/// What is known of a number while a formula is compiled.
struct Told {
    form: Form,
    dimension: Dimension,
    parts: Option<(Dimension, Dimension)>,
    /// What it is whatever happens, where it is not absent.
    always: Option<Fraction>,
}

impl Told {
    fn number(number: Exact) -> Told {
        let form = Form::Number(number.to_whole().is_some());
        let always = Some(Fraction::exact(number));
        Told { form, dimension: Dimension::BARE, parts: None, always }
    }

    fn program(program: &Program) -> Told {
        Told {
            form: program.form,
            dimension: program.dimension,
            parts: program.parts,
            always: program.is_nothing.then(|| Fraction::exact(Exact(0))),
        }
    }

    fn is_money(&self) -> bool {
        matches!(self.form, Form::Sum(_)) && self.dimension == Dimension::unit(Unit::Money)
    }

    fn is_nothing(&self) -> bool {
        self.always.as_ref().is_some_and(Fraction::is_zero)
    }

    fn join(operator: Operator, a: Told, b: Told, at: &Range<usize>) -> Result<Told, Fault> {
        let form = Form::join(operator, a.form, b.form);
        let dimension = match operator {
            Operator::Plus | Operator::Minus => {
                a.dimension.same(b.dimension).ok_or_else(|| unlike(operator, &a, &b, at))?
            }
            Operator::Times => a.dimension.times(b.dimension),
            Operator::Over => a.dimension.over(b.dimension),
        };
        let parts = match (form, a.form, b.form) {
            (Form::Quotient, Form::Sum(_), Form::Sum(_)) => Some((a.dimension, b.dimension)),
            _ => a.parts.or(b.parts),
        };
        let nothing = match operator {
            Operator::Times => a.is_nothing() || b.is_nothing(),
            Operator::Over => a.is_nothing(),
            _ => false,
        };
        let always = match (a.always, b.always) {
            _ if nothing => Some(Fraction::exact(Exact(0))),
            (Some(a), Some(b)) => run::done(operator, a, b),
            _ => None,
        };
        let parts = parts.filter(|_| form == Form::Quotient);
        Ok(Told { form, dimension, parts, always })
    }
}

fn unlike(operator: Operator, a: &Told, b: &Told, at: &Range<usize>) -> Fault {
    let verb = if operator == Operator::Plus { "added to" } else { "taken from" };
    let (first, second) = match operator {
        Operator::Plus => (a.dimension, b.dimension),
        _ => (b.dimension, a.dimension),
    };
    let what = format!("{first} cannot be {verb} {second}");
    let bare = a.dimension == Dimension::BARE || b.dimension == Dimension::BARE;
    let mend = if bare {
        "a number alone has no unit: multiply one that has by it, or divide first"
    } else {
        "both sides must be of one kind: multiply or divide one of them first"
    };
    Fault::new(at.clone(), what, mend)
}

#[cfg(test)]
mod tests;
