//! What stands on the stack while a formula is computed: a number with its parts, and how it is
//! joined with another one.

use std::collections::BTreeMap;

use super::fraction::Fraction;
use super::{Form, Operator};
use crate::model::kpi::{Formula, KpiValue, Number, View, quotient};
use crate::model::money::{Currency, Exact};

/// A number while a formula is computed.
pub struct Item {
    form: Form,
    num: Fraction,
    /// Of a quotient that is not divided yet.
    den: Option<Fraction>,
    /// How many things are behind it; `None` of a number that is written in the formula, and of days.
    n: Option<i128>,
    /// Something that it needs is undefined.
    absent: bool,
    /// What it does not hold, by currency.
    others: BTreeMap<Currency, Fraction>,
    /// The amounts without a rate of each sum that was loaded, by what it is a sum of.
    parked: BTreeMap<String, Vec<(Currency, Exact)>>,
    /// Of a sum in it all that is known is in other currencies: no quotient is made of that.
    hollow: bool,
}

impl Item {
    /// A number that is written in the formula.
    pub fn number(number: Exact) -> Item {
        Item {
            form: Form::Number(number.to_whole().is_some()),
            num: Fraction::exact(number),
            den: None,
            n: None,
            absent: false,
            others: BTreeMap::new(),
            parked: BTreeMap::new(),
            hollow: false,
        }
    }

    /// What a formula over measures gives.
    pub fn load(formula: &Formula, view: &View<'_>) -> Item {
        let kpi = formula.compute(view);
        let form = Form::of(formula);
        let hollow = kpi.hollow;
        let mut parked = BTreeMap::new();
        if !kpi.unconverted.is_empty() {
            parked.insert(formula.sum_of(), kpi.unconverted.clone());
        }
        let (num, den) = match (form, kpi.num, kpi.den) {
            (Form::Quotient, Some(num), Some(den)) => {
                (Some(Fraction::exact(num)), Some(Fraction::exact(den)))
            }
            _ => match kpi.value {
                Some(Number::Exact(number)) => (Some(Fraction::exact(number)), None),
                Some(Number::Float(number)) => (Fraction::float(number), None),
                None => (None, None),
            },
        };
        let others = kpi.unconverted.into_iter();
        Item {
            form,
            absent: kpi.value.is_none() || num.is_none(),
            num: num.unwrap_or_else(|| Fraction::exact(Exact(0))),
            den,
            // Days are no things that happened.
            n: (*formula != Formula::WorkingDays).then_some(kpi.n),
            others: others.map(|(currency, n)| (currency, Fraction::exact(n))).collect(),
            parked,
            hollow,
        }
    }

    /// Negates it.
    pub fn negate(&mut self) {
        let zero = || Fraction::exact(Exact(0));
        self.num = std::mem::replace(&mut self.num, zero()).negative();
        for n in self.others.values_mut() {
            *n = std::mem::replace(n, zero()).negative();
        }
    }

    /// Joins two.
    pub fn join(operator: Operator, a: Item, b: Item) -> Item {
        let form = Form::join(operator, a.form, b.form);
        let hollow = a.hollow || b.hollow;
        let is_sum = matches!(form, Form::Sum(_));
        // A sum holds what is known beside what it does not; anything else would be made of nothing.
        let absent = a.absent || b.absent || (hollow && !is_sum);
        let n = joined_n(operator, &a, &b);
        let is_number = |item: &Item| matches!(item.form, Form::Number(_));
        let others = if is_sum { others_of(operator, &a, &b) } else { BTreeMap::new() };
        let parked = a.parked.iter().chain(&b.parked).map(|(of, all)| (of.clone(), all.clone()));
        let parked = parked.collect();
        let (num, den) = match (operator, form) {
            // Not divided yet: both parts travel.
            (Operator::Over, Form::Quotient) if !is_number(&b) => (Some(a.num), Some(b.num)),
            (Operator::Over, Form::Quotient) => (a.num.over(b.num), a.den),
            (_, Form::Quotient) => (Some(a.num.times(b.num)), a.den.or(b.den)),
            (_, Form::Sum(_)) => (done(operator, a.num, b.num), None),
            _ => {
                let (a, b) = (a.divided(), b.divided());
                (a.zip(b).and_then(|(a, b)| done(operator, a, b)), None)
            }
        };
        Item {
            form,
            absent: absent || num.is_none(),
            num: num.unwrap_or_else(|| Fraction::exact(Exact(0))),
            den,
            n,
            others,
            parked,
            hollow,
        }
    }

    /// A sum of money as a share of another one, which is absent where that is not above 0.
    pub fn share(a: Item, b: Item) -> Item {
        let is_any = b.num.is_positive();
        let mut out = Item::join(Operator::Over, a, b);
        out.absent |= !is_any;
        out
    }

    /// What a quotient or a product does not hold: the amounts of all its sums, each once.
    fn beside(&self) -> Vec<(Currency, Exact)> {
        let mut out: BTreeMap<Currency, i128> = BTreeMap::new();
        for (currency, n) in self.parked.values().flatten() {
            *out.entry(*currency).or_default() += n.0;
        }
        out.into_iter().map(|(currency, n)| (currency, Exact(n))).collect()
    }

    fn divided(self) -> Option<Fraction> {
        match self.den {
            Some(den) => self.num.over(den),
            None => Some(self.num),
        }
    }

    /// What comes out in the end.
    pub fn value(self) -> KpiValue {
        let n = self.n.unwrap_or(0);
        let absent = self.absent;
        let hollow = self.hollow;
        let unconverted: Vec<_> = match self.form {
            Form::Sum(_) => {
                let others = self.others.iter().filter(|(_, n)| !n.is_zero());
                others.filter_map(|(currency, n)| Some((*currency, n.to_exact()?))).collect()
            }
            _ => self.beside(),
        };
        if let Some(den) = self.den {
            let (num, den) = (self.num, den);
            let exact = (num.to_exact(), den.to_exact());
            let mut out = match exact {
                (Some(num), Some(den)) => quotient(num, den, n),
                _ => {
                    let value = num.over(den).map(|value| Number::Float(value.to_f64()));
                    KpiValue { value, num: exact.0, den: exact.1, n, ..KpiValue::default() }
                }
            };
            out.value = out.value.filter(|_| !absent);
            out.unconverted = unconverted;
            return out;
        }
        let value = match self.form {
            Form::Sum(true) => self.num.to_exact().map(Number::Exact),
            _ => Some(Number::Float(self.num.to_f64())),
        };
        KpiValue { value: value.filter(|_| !absent), n, unconverted, hollow, ..KpiValue::default() }
    }
}

pub(super) fn done(operator: Operator, a: Fraction, b: Fraction) -> Option<Fraction> {
    match operator {
        Operator::Plus => Some(a.plus(b)),
        Operator::Minus => Some(a.plus(b.negative())),
        Operator::Times => Some(a.times(b)),
        Operator::Over => a.over(b),
    }
}

/// What a sum does not hold is made of its parts as the sum is.
fn others_of(operator: Operator, a: &Item, b: &Item) -> BTreeMap<Currency, Fraction> {
    let mut out: BTreeMap<Currency, Fraction> = BTreeMap::new();
    for currency in a.others.keys().chain(b.others.keys()) {
        let part = |item: &Item| match (item.form, item.others.get(currency)) {
            (Form::Number(_), _) => item.num.clone(),
            (_, Some(n)) => n.clone(),
            (_, None) => Fraction::exact(Exact(0)),
        };
        if let Some(n) = done(operator, part(a), part(b)) {
            out.insert(*currency, n);
        }
    }
    out
}

/// Of a sum the things behind both parts, of a quotient of sums those behind the denominator, else
/// the fewest behind any part.
fn joined_n(operator: Operator, a: &Item, b: &Item) -> Option<i128> {
    let (Some(one), Some(other)) = (a.n, b.n) else {
        return a.n.or(b.n);
    };
    let sums = matches!((a.form, b.form), (Form::Sum(_), Form::Sum(_)));
    Some(match operator {
        Operator::Plus | Operator::Minus if sums => one + other,
        Operator::Over if sums => other,
        _ => one.min(other),
    })
}
