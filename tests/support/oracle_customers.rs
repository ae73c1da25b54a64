//! The recount of customers: from the list of purchases, each number by looking at every customer.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::Date;

use crate::recount::{Credit, Facts, Money};

/// A deal won, or an order or an invoice paid.
pub struct Purchase {
    pub at: i64,
    pub credit: Credit,
    /// Who bought; `None` where nobody knows.
    pub account: Option<String>,
    pub amount: Option<Money>,
    pub refunded: Option<Money>,
}

/// A KPI as counted: value and how many things are behind it.
type Counted = (Option<f64>, i128);

/// What is asked of them, of one segment and window.
pub struct Customers<'a> {
    /// Those of the segment.
    pub purchases: Vec<&'a Purchase>,
    pub currency: &'a str,
    pub day: &'a dyn Fn(i64) -> Date,
    pub within: &'a dyn Fn(i64) -> bool,
    pub first_day: Date,
    pub last_day: Date,
    pub today: Date,
    /// Whether the window begins with a day.
    pub of_days: bool,
    pub lapse_after: i64,
    /// Spend of the window, and of how many amounts.
    pub spend: (f64, i128),
}

fn later(day: Date, days: i64) -> Date {
    day.checked_add(days.days()).expect("in range")
}

fn ratio(num: f64, den: i128) -> Option<f64> {
    (den != 0).then(|| num / den as f64)
}

impl Customers<'_> {
    fn people(&self) -> BTreeSet<&str> {
        self.purchases.iter().filter_map(|p| p.account.as_deref()).collect()
    }

    fn of<'b>(&'b self, who: &'b str) -> impl Iterator<Item = &'b Purchase> + 'b {
        self.purchases.iter().copied().filter(move |p| p.account.as_deref() == Some(who))
    }

    /// How many people there are of whom something holds.
    fn count(&self, holds: impl Fn(&str) -> bool) -> i128 {
        self.people().into_iter().filter(|who| holds(who)).count() as i128
    }

    /// Those with so many purchases up to the end of a day.
    fn ever(&self, least: usize, day: Date) -> i128 {
        self.count(|who| self.of(who).filter(|p| (self.day)(p.at) <= day).count() >= least)
    }

    /// Those who bought within so many days up to the end of a day.
    fn active(&self, day: Date) -> i128 {
        let since = later(day, -self.lapse_after);
        let lately = |p: &Purchase| (self.day)(p.at) > since && (self.day)(p.at) <= day;
        self.count(|who| self.of(who).any(lately))
    }

    fn lapses(&self) -> i128 {
        let until = self.last_day.min(self.today);
        let mut out = 0;
        for who in self.people() {
            let days: BTreeSet<Date> = self.of(who).map(|p| (self.day)(p.at)).collect();
            for day in &days {
                let end = later(*day, self.lapse_after);
                let again = days.iter().any(|d| d > day && *d <= end);
                out += i128::from(!again && self.first_day <= end && end <= until);
            }
        }
        out
    }

    /// What known customers paid, and how many amounts it is of.
    fn paid(&self, such: impl Fn(&Purchase) -> bool) -> (f64, i128) {
        let known = self.purchases.iter().filter(|p| p.account.is_some() && such(p));
        let (mut sum, mut n) = (0, 0);
        for purchase in known {
            let own = |m: &&Money| m.1 == self.currency;
            if let Some(amount) = purchase.amount.as_ref().filter(own) {
                (sum, n) = (sum + amount.0, n + 1);
            }
            sum -= purchase.refunded.as_ref().filter(own).map_or(0, |m| m.0);
        }
        (sum as f64 / 100.0, n)
    }

    pub fn kpis(&self, out: &mut BTreeMap<&'static str, Counted>) {
        let within = |p: &Purchase| (self.within)(p.at);
        let buying = self.count(|who| self.of(who).any(within));
        let new = self.count(|who| self.of(who).min_by_key(|p| p.at).is_some_and(within));
        let known = |p: &&&Purchase| p.account.is_some();
        let all = self.purchases.iter().filter(|p| within(p));
        let (bought, all) = (all.clone().filter(known).count() as i128, all.count() as i128);
        let customers = self.ever(1, self.last_day);
        let repeat = self.ever(2, self.last_day);
        let lapsed = self.lapses();
        let count = |n: i128| (Some(n as f64), n);
        for (kpi, n) in [
            ("customers", customers),
            ("new_customers", new),
            ("buying_customers", buying),
            ("returning_customers", buying - new),
            ("repeat_customers", repeat),
            ("active_customers", self.active(self.last_day.min(self.today))),
            ("customers_lapsed", lapsed),
            ("anonymous_purchases", all - bought),
        ] {
            out.insert(kpi, count(n));
        }
        let before = later(self.first_day, -1);
        let (held, active) = match self.of_days {
            true => (self.ever(1, before), self.active(before)),
            false => (0, 0),
        };
        let ((paid, priced), (ever, ever_priced)) =
            (self.paid(within), self.paid(|p| (self.day)(p.at) <= self.last_day));
        let said = |value: Option<f64>, priced: i128| value.filter(|_| priced != 0);
        for (kpi, value, n) in [
            ("repeat_purchase_rate", ratio(repeat as f64, customers), customers),
            ("purchase_frequency", ratio(bought as f64, buying), buying),
            ("sales_per_customer", said(ratio(paid, buying), priced), buying),
            ("customer_retention", ratio((buying - new) as f64, held), held),
            ("customer_churn_rate", ratio(lapsed as f64, active), active),
            ("revenue_per_customer", said(ratio(ever, customers), ever_priced), customers),
            ("customer_acquisition_cost", said(ratio(self.spend.0, new), self.spend.1), new),
        ] {
            out.insert(kpi, (value, n));
        }
    }
}

impl Facts {
    /// Takes a purchase.
    pub fn buy(&mut self, at: i64, credit: Credit, said: [Option<&serde_json::Value>; 4]) {
        let [account, customer, amount, refunded] = said;
        let named = |v: Option<&serde_json::Value>| {
            let name = v.and_then(|v| v.as_str()).map(str::trim).filter(|a| !a.is_empty());
            name.map(str::to_owned)
        };
        let money = |v: Option<&serde_json::Value>| v.and_then(crate::recount::money);
        self.purchases.push(Purchase {
            at,
            credit,
            account: named(account).or_else(|| named(customer)),
            amount: money(amount),
            refunded: money(refunded),
        });
    }
}
