//! Measures: what entities contribute, and what windows are sums of.
//!
//! One representation serves every kind of measure: a sparse signed map from a key to an integer.
//! A count has one key, a sum one key a currency, a histogram one key a day, a stock is a count of
//! +1 and −1 whose prefix sum is the stock, a cohort counter is a histogram of ages kept in the
//! slice of creation. Such maps form an abelian group: adding is associative and commutative,
//! every value has a negative, zero entries vanish. So late, corrected and deleted are all the
//! same subtraction (differential-dataflow's `difference.rs`), merge order does not matter, and
//! equal contents are equal bytes.

use serde::{Deserialize, Serialize};

pub use super::key::{CURRENCIES, MeasureKey, STAGE_DAYS};
use super::money::{Currency, Exact};
use super::stage::StageIndex;
pub use super::words::{ACTIVITIES, TOUCHES, word_number};

macro_rules! measures {
    ($($variant:ident $kind:ident $doc:literal),* $(,)?) => {
        /// A kind of contribution. The numbers are part of the partial and image formats.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum Measure { $(#[doc = $doc] $variant),* }

        impl Measure {
            /// All measures: kind and meaning.
            pub const ALL: &'static [(Measure, MeasureKind, &'static str)] =
                &[$((Measure::$variant, MeasureKind::$kind, $doc)),*];
        }
    };
}

/// How the key of a measure is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasureKind {
    /// One number.
    Count,
    /// A sum a currency, in steps of [`crate::model::money::Exact`].
    Sum,
    /// A count a currency.
    CountByCurrency,
    /// A count a whole number of days.
    Histogram,
    /// A sum of plain decimal numbers, in steps of [`crate::model::money::Exact`].
    Quantity,
    /// A count a word, by the word's number.
    CountByWord,
    /// A count a civil day.
    CountByDay,
    /// A sum a currency and civil day: what it is of began on that day.
    SumByDay,
    /// A count that is to be summed over all slices up to a moment.
    Stock,
    /// A count a currency, summed like a stock.
    StockByCurrency,
    /// A sum a currency, summed like a stock.
    StockSum,
    /// A count a customer, by the hash of who it is.
    Distinct,
    /// A count a stage, by the number of its row in the stage table.
    CountByStage,
    /// A count a stage and whole number of days.
    HistogramByStage,
    /// A count a currency and size ([`crate::model::size`]).
    SizeByCurrency,
    /// A count a currency and amount of any sign, in finer sizes.
    AmountByCurrency,
    /// A count a measure of the user's own ([`crate::model::own`]).
    CountByOwn,
    /// A sum of plain decimal numbers a measure of the user's own.
    QuantityByOwn,
    /// A sum a measure of the user's own and currency.
    SumByOwn,
    /// A count a measure of the user's own and currency.
    CurrencyByOwn,
}

measures! {
    LeadsCreated Count "Leads created in the slice.",
    DealsCreated Count "Deals created in the slice.",
    DealsWon Count "Deals won in the slice.",
    DealsLost Count "Deals lost in the slice.",
    WonAmount Sum "Amounts of the deals won in the slice.",
    WonPriced CountByCurrency "Deals won in the slice with a known amount.",
    LostAmount Sum "Amounts of the deals lost in the slice.",
    LostPriced CountByCurrency "Deals lost in the slice with a known amount.",
    CycleWon Histogram "Days from the start of the cycle to winning, of the deals won in the slice.",
    CohortWon Histogram "Age at winning in days, of the deals created in the slice and won since.",
    OpenDeals Stock "Deals that became open (+1) or ceased to be open (-1) in the slice.",
    OpenAmount StockSum "Amounts that entered or left the open pipeline in the slice.",
    OpenPriced StockByCurrency "Open deals with a known amount, as a stock.",
    ActivitiesDone CountByWord "Activities done in the slice, by kind.",
    CallSeconds Quantity "Durations of the calls done in the slice, seconds.",
    CallsTimed Count "Calls done in the slice with a known duration.",
    ActivitiesDue Count "Activities planned for the slice.",
    ActivitiesKept Count "Activities planned for the slice and done since, whenever that was.",
    OrdersPaid Count "Orders paid in the slice.",
    OrderAmount Sum "Amounts of the orders paid in the slice, refunds not taken off.",
    OrderPriced CountByCurrency "Orders paid in the slice with a known amount.",
    OrderRefunded Sum "What was refunded of the orders paid in the slice, whenever that was.",
    OrderRefunds CountByCurrency "Orders paid in the slice of which something was refunded.",
    InvoicesPaid Count "Invoices paid in the slice.",
    InvoiceAmount Sum "Amounts of the invoices paid in the slice, refunds not taken off.",
    InvoicePriced CountByCurrency "Invoices paid in the slice with a known amount.",
    InvoiceRefunded Sum "What was refunded of the invoices paid in the slice, whenever that was.",
    InvoiceRefunds CountByCurrency "Invoices paid in the slice of which something was refunded.",
    Spend Sum "Spend of the campaign days in the slice.",
    SpendPriced CountByCurrency "Campaign days in the slice with a known spend.",
    CampaignDays Count "Campaign days in the slice.",
    Impressions Quantity "Impressions of the campaign days in the slice.",
    AdClicks Quantity "Clicks of the campaign days in the slice.",
    AdConversions Quantity "Conversions of the campaign days in the slice.",
    NpsAnswers Count "Answers to how likely one would recommend, in the slice.",
    NpsPromoters Count "Of them the promoters.",
    NpsDetractors Count "Of them the detractors.",
    CsatAnswers Count "Answers to how satisfied one is, in the slice.",
    CsatTop Count "Of them those in the two best grades.",
    CesAnswers Count "Answers to how much effort it took, in the slice.",
    CesScore Quantity "Sum of their scores.",
    Touches CountByWord "Touches in the slice, by kind.",
    SubscriptionsStarted Count "Subscriptions started in the slice.",
    SubscriptionsEnded CountByDay "Subscriptions ended in the slice, by the day on which they had started.",
    ActiveSubscriptions Stock "Subscriptions that started (+1) or ended (-1) in the slice.",
    Mrr StockSum "Monthly recurring revenue that came or went in the slice.",
    MrrPriced StockByCurrency "Active subscriptions with a known monthly revenue, as a stock.",
    NewMrr Sum "Monthly revenue of the subscriptions started in the slice, as it was then.",
    NewMrrPriced CountByCurrency "Subscriptions started in the slice with a known monthly revenue.",
    ChurnedMrr Sum "Monthly revenue of the subscriptions ended in the slice, as it was before.",
    ChurnedMrrPriced CountByCurrency "Subscriptions ended in the slice with a known monthly revenue.",
    CohortLost Histogram "Age at losing in days, of the deals created in the slice and lost since.",
    CohortOpen CountByDay "Deals created in the slice and still open, by the day of their creation.",
    SplitAmount Sum "What splits move of the amounts won in the slice: from the owner to those who share.",
    SplitPriced CountByCurrency "Those credited with amounts won in the slice: each who shares, less the owner.",
    SplitDeals Quantity "What splits move of the deals won in the slice, as parts of one.",
    SplitCredits Count "Those credited with deals won in the slice: each who shares, less the owner.",
    OverlayAmount Sum "Overlay shares of the amounts won in the slice.",
    OverlayPriced CountByCurrency "Overlay shares of deals won in the slice with a known amount.",
    Buyers Distinct "Purchases in the slice, by customer.",
    BuyersLevel CountByWord "How many times the customers of the slice were halved, one a shard.",
    Purchases Count "Purchases in the slice by a known customer.",
    AnonymousPurchases Count "Purchases in the slice by nobody knows whom.",
    PurchaseAmount Sum "Amounts of the purchases in the slice by a known customer, less refunds.",
    PurchasePriced CountByCurrency "Of those purchases the ones with a known amount.",
    BuyingCustomers Count "Customers that bought in the window.",
    NewCustomers Count "Of them those that had never bought before.",
    ReturningCustomers Count "Of them those that had bought before the window.",
    LapsedCustomers Count "Customers that had not bought for so long in the window.",
    Customers Stock "Customers that ever bought.",
    RepeatCustomers Stock "Of them those that bought twice or more.",
    ActiveCustomers Stock "Of them those that have not lapsed.",
    LifetimeAmount StockSum "Amounts of all purchases so far by known customers, less refunds.",
    LifetimePriced StockByCurrency "All purchases so far by known customers with a known amount.",
    StageEntered CountByStage "Visits of stages that began in the slice: a deal moved into the stage.",
    StageAdvanced HistogramByStage "Of them those that ended with a later stage of the pipeline, or with the deal won, by how many days they took.",
    StageBack HistogramByStage "Of them those that ended with an earlier stage of the pipeline, likewise.",
    StageLost HistogramByStage "Of them those that ended with the deal lost, likewise.",
    StageHeld CountByStage "Of them those that have not ended: the deal is still in the stage. No slice has it, it is what the others leave.",
    StageLeft HistogramByStage "Of them those that ended otherwise, by how many days they took: with another pipeline, a stage that the table does not know, or none.",
    StageWon CountByStage "Deals won in the slice, in each open stage that they had come to.",
    StageClosed CountByStage "Deals won or lost in the slice, in each open stage that they had come to.",
    WonSizes SizeByCurrency "Deals won on the day with an amount above zero, by currency and size (64 steps an octave), where drift watches `average_deal_size`.",
    ExpansionMrr Sum "By how much the monthly revenue of running subscriptions rose in the slice.",
    ExpansionMrrPriced CountByCurrency "Rises of it in the slice.",
    ContractionMrr Sum "By how much it fell in the slice without ending.",
    ContractionMrrPriced CountByCurrency "Falls of it in the slice, ends apart.",
    MrrChange SumByDay "By how much it changed in the slice, an end being a fall to 0, by the day since when the subscription had one.",
    MrrFall SumByDay "What was lost of it in the slice, below 0, by the day on which that had been gained.",
    OrderSoldPrice Sum "Amounts of the orders paid in the slice whose discount is known, be it none.",
    OrderListPrice Sum "The same with the discounts: what they would be at list prices.",
    OrderListPriced CountByCurrency "Orders paid in the slice with a known amount and discount.",
    ResponseMinutes Histogram "Minutes from creation to the first answer, of the leads created in the slice and answered since.",
    OwnCount CountByOwn "What measures of your own count in the slice.",
    OwnQuantity QuantityByOwn "Numbers that measures of your own sum in the slice.",
    OwnNumbered CountByOwn "How many numbers are in those sums.",
    OwnAmount SumByOwn "Amounts that measures of your own sum in the slice.",
    OwnPriced CurrencyByOwn "How many amounts are in those sums.",
    LeadsConverted Histogram "Age in days when a deal was named that they became, of the leads created in the slice that have become one since.",
    CycleLost Histogram "Days from the start of the cycle to losing, of the deals lost in the slice; kept where a KPI of the group `distribution` is asked for.",
    WonAmounts AmountByCurrency "Deals won in the slice with a known amount, by currency and amount in steps of 0.5 %; kept likewise.",
    AmendedAmount Sum "What was changed of the amounts of the deals won in the slice since they were won.",
    AmendedPriced CountByCurrency "Deals won in the slice whose amount was changed since.",
}

impl Measure {
    /// How the key is to be read.
    pub fn kind(self) -> MeasureKind {
        Self::ALL[self as usize].1
    }

    /// The name in formulas.
    ///
    /// ```
    /// assert_eq!(tidemark::model::measure::Measure::WonAmount.name(), "won_amount");
    /// ```
    pub fn name(self) -> String {
        let mut out = String::new();
        for c in format!("{self:?}").chars() {
            if c.is_ascii_uppercase() && !out.is_empty() {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        }
        out
    }

    /// The measure that counts what a sum is of; of a count itself.
    pub fn counted(self) -> Measure {
        match self {
            Measure::WonAmount => Measure::WonPriced,
            Measure::LostAmount => Measure::LostPriced,
            Measure::OpenAmount => Measure::OpenPriced,
            Measure::CallSeconds => Measure::CallsTimed,
            Measure::OrderAmount => Measure::OrderPriced,
            Measure::OrderRefunded => Measure::OrderRefunds,
            Measure::OrderSoldPrice | Measure::OrderListPrice => Measure::OrderListPriced,
            Measure::InvoiceAmount => Measure::InvoicePriced,
            Measure::InvoiceRefunded => Measure::InvoiceRefunds,
            Measure::Spend => Measure::SpendPriced,
            Measure::Impressions | Measure::AdClicks | Measure::AdConversions => {
                Measure::CampaignDays
            }
            Measure::CesScore => Measure::CesAnswers,
            Measure::Mrr => Measure::MrrPriced,
            Measure::NewMrr => Measure::NewMrrPriced,
            Measure::ChurnedMrr => Measure::ChurnedMrrPriced,
            Measure::ExpansionMrr => Measure::ExpansionMrrPriced,
            Measure::ContractionMrr => Measure::ContractionMrrPriced,
            Measure::SplitAmount => Measure::SplitPriced,
            Measure::SplitDeals => Measure::SplitCredits,
            Measure::OverlayAmount => Measure::OverlayPriced,
            Measure::PurchaseAmount => Measure::PurchasePriced,
            Measure::LifetimeAmount => Measure::LifetimePriced,
            Measure::AmendedAmount => Measure::AmendedPriced,
            count => count,
        }
    }
}

/// A value of the group: sorted by key, without zeros.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measures(Vec<(MeasureKey, i128)>);

impl Measures {
    /// Zero.
    pub const fn new() -> Measures {
        Measures(Vec::new())
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries, sorted by key, none zero.
    pub fn entries(&self) -> &[(MeasureKey, i128)] {
        &self.0
    }

    /// Adds `n` at one key.
    pub fn add(&mut self, key: MeasureKey, n: i128) {
        if n == 0 {
            return;
        }
        match self.0.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(i) => {
                self.0[i].1 += n;
                if self.0[i].1 == 0 {
                    self.0.remove(i);
                }
            }
            Err(i) => self.0.insert(i, (key, n)),
        }
    }

    /// Adds another value.
    pub fn plus(&mut self, other: &Measures) {
        self.combine(&other.0, 1);
    }

    /// Adds entries that are sorted by key, each key once.
    pub fn plus_sorted(&mut self, entries: &[(MeasureKey, i128)]) {
        debug_assert!(entries.is_sorted_by(|a, b| a.0 < b.0));
        self.combine(entries, 1);
    }

    /// Subtracts another value.
    pub fn minus(&mut self, other: &Measures) {
        self.combine(&other.0, -1);
    }

    /// Windows of a year have thousands of keys, and a cell tens of thousands of customers: what is
    /// there is changed where it stands, and what is new is let in by one move of what lies behind.
    fn combine(&mut self, other: &[(MeasureKey, i128)], sign: i128) {
        let (mut at, mut fresh, mut gone) = (0, 0, false);
        for (key, n) in other {
            at += before(&self.0[at..], key);
            match self.0.get_mut(at) {
                Some((k, held)) if k == key => {
                    *held += sign * n;
                    gone |= *held == 0;
                    at += 1;
                }
                _ => fresh += 1,
            }
        }
        if fresh > 0 {
            self.let_in(other, sign, fresh);
        }
        if gone {
            self.0.retain(|(_, n)| *n != 0);
        }
    }

    /// Inserts the keys that it has not, which are `fresh` in number: from the last to the first,
    /// each entry moves once.
    fn let_in(&mut self, other: &[(MeasureKey, i128)], sign: i128, fresh: usize) {
        let mut end = self.0.len();
        let mut to = end + fresh;
        self.0.resize(to, (MeasureKey::plain(Measure::LeadsCreated), 0));
        for (key, n) in other.iter().rev() {
            let place = before_from_end(&self.0[..end], key);
            if self.0[..end].get(place).is_some_and(|(k, _)| k == key) {
                continue;
            }
            to -= end - place;
            self.0.copy_within(place..end, to);
            end = place;
            to -= 1;
            self.0[to] = (*key, sign * n);
        }
    }

    /// `new − old`.
    pub fn difference(new: &Measures, old: &Measures) -> Measures {
        // Most of a cell is as it was: little room is needed.
        let mut out = Vec::new();
        let mut add = |key: MeasureKey, n: i128| {
            if n != 0 {
                out.push((key, n));
            }
        };
        let (mut a, mut b) = (&new.0[..], &old.0[..]);
        loop {
            let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
            (a, b) = (&a[same..], &b[same..]);
            match (a, b) {
                ([x, rest @ ..], [y, others @ ..]) if x.0 == y.0 => {
                    add(x.0, x.1 - y.1);
                    (a, b) = (rest, others);
                }
                ([x, ..], [y, others @ ..]) if x.0 > y.0 => {
                    add(y.0, -y.1);
                    b = others;
                }
                ([x, rest @ ..], _) => {
                    add(x.0, x.1);
                    a = rest;
                }
                ([], [y, others @ ..]) => {
                    add(y.0, -y.1);
                    b = others;
                }
                ([], []) => break,
            }
        }
        Measures(out)
    }

    /// The entries of one measure, by place.
    pub fn of(
        &self,
        measure: Measure,
    ) -> impl DoubleEndedIterator<Item = (i64, i128)> + Clone + '_ {
        let from = &self.0[self.0.partition_point(|(k, _)| k.measure < measure)..];
        let end = from.partition_point(|(k, _)| k.measure == measure);
        from[..end].iter().map(|(k, n)| (k.place, *n))
    }

    /// What a sum of money has in other currencies than this one.
    pub fn foreign(&self, sum: Measure, own: Currency) -> Vec<(Currency, Exact)> {
        let all = self.of(sum).filter(|(code, _)| *code != i64::from(own.code()));
        all.filter_map(|(code, n)| Some((Currency::from_code(code)?, Exact(n)))).collect()
    }

    /// The entries of a measure of stages and days that are of one stage: days, and how many.
    pub fn of_stage(
        &self,
        measure: Measure,
        stage: StageIndex,
    ) -> impl Iterator<Item = (i64, i128)> + Clone + '_ {
        let first = MeasureKey::stage_days(measure, stage, 0);
        let from = &self.0[self.0.partition_point(|(k, _)| *k < first)..];
        let last = MeasureKey { place: first.place + STAGE_DAYS, ..first };
        let end = from.partition_point(|(k, _)| *k < last);
        from[..end].iter().map(move |(k, n)| (k.place - first.place, *n))
    }

    /// The value at one key, 0 where absent.
    pub fn at(&self, key: MeasureKey) -> i128 {
        match self.0.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(i) => self.0[i].1,
            Err(_) => 0,
        }
    }

    /// The sum over all places of a measure.
    pub fn total(&self, measure: Measure) -> i128 {
        self.of(measure).map(|(_, n)| n).sum()
    }

    /// The parts that are summed over a window, and those that are stocks.
    pub fn split_stock(self) -> (Measures, Measures) {
        if !self.0.iter().any(|(k, _)| k.measure.is_stock()) {
            return (self, Measures::new());
        }
        let (stock, flow) = self.0.into_iter().partition(|(k, _)| k.measure.is_stock());
        (Measures(flow), Measures(stock))
    }

    /// Takes out what tells customers apart: windows count them instead.
    pub fn take_buyers(&mut self) -> Measures {
        let from = self.0.partition_point(|(k, _)| k.measure < Measure::Buyers);
        let to = self.0.partition_point(|(k, _)| k.measure <= Measure::BuyersLevel);
        Measures(self.0.drain(from..to).collect())
    }

    /// Drops what only days are asked for.
    pub fn drop_sizes(&mut self) {
        self.0.retain(|(k, _)| k.measure != Measure::WonSizes);
    }

    /// Makes it zero, and keeps its memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Keeps only what lasts.
    pub fn retain_lasting(&mut self) {
        self.0.retain(|(k, _)| k.measure.lasts());
    }

    /// Keeps the entries of such keys.
    pub fn retain(&mut self, keep: impl Fn(MeasureKey) -> bool) {
        self.0.retain(|(k, _)| keep(*k));
    }
}

/// Up to so many entries are gone through one by one: a cell that comes from far in memory comes
/// faster in order than by halves, each of which waits for the one before.
const FEW: usize = 64;

/// How many entries lie before a key.
fn before(entries: &[(MeasureKey, i128)], key: &MeasureKey) -> usize {
    if entries.len() > FEW {
        return entries.partition_point(|(k, _)| k < key);
    }
    entries.iter().position(|(k, _)| k >= key).unwrap_or(entries.len())
}

/// The same, where it is looked for from the last entry on.
fn before_from_end(entries: &[(MeasureKey, i128)], key: &MeasureKey) -> usize {
    if entries.len() > FEW {
        return entries.partition_point(|(k, _)| k < key);
    }
    entries.iter().rposition(|(k, _)| k < key).map_or(0, |last| last + 1)
}

impl FromIterator<(MeasureKey, i128)> for Measures {
    fn from_iter<T: IntoIterator<Item = (MeasureKey, i128)>>(iter: T) -> Measures {
        let mut out = Measures::new();
        for (key, n) in iter {
            out.add(key, n);
        }
        out
    }
}

#[cfg(test)]
#[path = "measure_tests.rs"]
mod tests;
