//! Which event won or lost a deal, for those who watch events pass. No number is made of it: that of
//! deals won is in the cells, where corrections take back.

use super::project::Contribution;
use super::settle::ByZone;
use super::symbols::Credit;
use crate::model::measure::Measure;
use crate::model::money::{Currency, Exact};

/// A deal that an event won or lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Whether it is won.
    pub won: bool,
    /// Its amount; `None` where that is unknown.
    pub amount: Option<(Exact, Currency)>,
    pub(super) credit: Credit,
}

impl Closed {
    /// Reads it off the difference that an event makes. One that only amends a closed deal takes back
    /// as much as it adds, so it closes none.
    pub(super) fn of(difference: &ByZone) -> Option<Closed> {
        let list = difference.of_job();
        let one = |won: bool| {
            let (count, sum) = match won {
                true => (Measure::DealsWon, Measure::WonAmount),
                false => (Measure::DealsLost, Measure::LostAmount),
            };
            let of = |measure| list.iter().filter(move |c| c.key.measure == measure);
            let closes = of(count).map(|c| c.n).sum::<i128>() > 0;
            let added = |c: &&Contribution| c.n > 0;
            let credit = of(count).rfind(added).filter(|_| closes)?.credit;
            let priced = of(sum).rfind(|c| c.n != 0);
            let amount = priced.and_then(|c| Some((Exact(c.n), Currency::from_code(c.key.place)?)));
            Some(Closed { won, amount, credit })
        };
        one(true).or_else(|| one(false))
    }
}
