//! Which measures are summed how, where they are kept, and for how long.

use super::measure::{Measure, MeasureKind};

impl Measure {
    /// Whether it is summed over all slices up to a moment instead of over a window.
    pub fn is_stock(self) -> bool {
        matches!(
            self.kind(),
            MeasureKind::Stock | MeasureKind::StockByCurrency | MeasureKind::StockSum
        )
    }

    /// Whether windows sum it over their slices.
    pub fn is_flow(self) -> bool {
        let apart = matches!(self, Measure::Buyers | Measure::BuyersLevel | Measure::WonSizes);
        !self.is_stock() && !apart
    }

    /// Whether fine slices have it too: what is summed up to a moment, and what only whole days are
    /// asked for, they do not.
    pub fn is_in_fine(self) -> bool {
        !self.is_stock() && self != Measure::WonSizes
    }

    /// Whether it says what became of something since, on the day on which that began. What measures
    /// of the user's own ask for may be said at any time, and so may what stages a closed deal came to.
    pub fn is_followed(self) -> bool {
        let told = matches!(
            self,
            Measure::CohortWon
                | Measure::CohortLost
                | Measure::CohortOpen
                | Measure::ResponseMinutes
                | Measure::LeadsConverted
                | Measure::StageEntered
                | Measure::StageAdvanced
                | Measure::StageBack
                | Measure::StageLost
                | Measure::StageHeld
                | Measure::StageLeft
                | Measure::StageWon
                | Measure::StageClosed
                | Measure::AmendedAmount
                | Measure::AmendedPriced
        );
        told || self.is_own()
    }

    /// What is taken off a sum where it is compared with another window.
    pub fn less(self) -> Option<Measure> {
        (self == Measure::OrderAmount).then_some(Measure::OrderRefunded)
    }

    /// Whether it holds measures of the user's own.
    pub fn is_own(self) -> bool {
        use MeasureKind::{CountByOwn, CurrencyByOwn, QuantityByOwn, SumByOwn};
        matches!(self.kind(), CountByOwn | QuantityByOwn | SumByOwn | CurrencyByOwn)
    }

    /// Whether days keep it beyond the retention: what is told of all time, or of the same window of a
    /// year before, is read off it.
    pub fn lasts(self) -> bool {
        self.is_stock()
            || matches!(
                self,
                Measure::WonAmount
                    | Measure::OrderAmount
                    | Measure::OrderPriced
                    | Measure::OrderRefunded
                    | Measure::Buyers
                    | Measure::BuyersLevel
                    | Measure::PurchaseAmount
                    | Measure::PurchasePriced
            )
    }
}
