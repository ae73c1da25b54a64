//! Customers: who bought, how often, since when.
//!
//! A customer is no entity of its own: the deals of one account lie in several shards. It is a place
//! of the measure [`Measure::Buyers`], by a hash of tenant and account, with the number of its
//! purchases there. So it is added, taken back and merged like any other measure.
//!
//! A partial must fit a message. Of a cell with more customers than the bound a shard publishes
//! those only whose hash ends with so many zero bits, the fewest that bring it below the bound; how
//! many is a measure beside them. A hash says by itself whether it is in the sample, so samples of
//! shards and slices are of the same customers, can be added and subtracted, and those of two
//! windows can be compared: what a HyperLogLog cannot. A cell's sample is a function of its value.

use super::kpi::{KpiValue, View, quotient};
use super::measure::{Measure, MeasureKey, Measures};
use super::money::Exact;

/// Most customers of a cell that may be published: with them a partial stays below 900 KB.
pub const MOST_EXACT: u32 = 65_000;

/// So many days without a purchase nobody can go: longer than time.
pub const NEVER_LAPSED: i32 = 1 << 20;

/// The numbers of customers that rows tell.
pub const COUNTED: [Measure; 7] = [
    Measure::BuyingCustomers,
    Measure::NewCustomers,
    Measure::ReturningCustomers,
    Measure::LapsedCustomers,
    Measure::Customers,
    Measure::RepeatCustomers,
    Measure::ActiveCustomers,
];

/// What makes somebody a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Purchase {
    /// A deal won.
    #[default]
    Deals,
    /// An order paid.
    Orders,
    /// An invoice paid.
    Invoices,
    /// Nothing: customers are not counted.
    Nothing,
}

impl Purchase {
    /// All, with their names in the config.
    pub const ALL: [(Purchase, &'static str); 4] = [
        (Purchase::Deals, "deals"),
        (Purchase::Orders, "orders"),
        (Purchase::Invoices, "invoices"),
        (Purchase::Nothing, "nothing"),
    ];

    /// The name in the config.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// From the name in the config.
    pub fn parse(text: &str) -> Option<Purchase> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(purchase, _)| *purchase)
    }
}

/// How customers are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomerRules {
    /// What makes somebody one.
    pub by: Purchase,
    /// Cells with more of them are published as a sample.
    pub exact_up_to: u32,
    /// Who has not bought for so many days has lapsed. It decides rows only, and no cell.
    pub lapse_after: i32,
}

impl Default for CustomerRules {
    fn default() -> CustomerRules {
        CustomerRules { by: Purchase::Deals, exact_up_to: 50_000, lapse_after: 365 }
    }
}

/// The place of a customer: a stable hash of tenant and account. The length of the first says where
/// the second begins.
pub fn customer(tenant: &str, account: &str) -> i64 {
    let length = (tenant.len() as u64).to_le_bytes();
    let bytes = [&length, tenant.as_bytes(), account.as_bytes()].concat();
    xxhash_rust::xxh3::xxh3_64(&bytes).cast_signed()
}

/// Whether a customer is in the sample of a level: each level halves it.
pub fn is_sampled(place: i64, level: u32) -> bool {
    place.trailing_zeros() >= level
}

/// The measures of a cell as they are published: with a sample of its customers where there are
/// more than `most`.
pub fn thinned(measures: &Measures, most: u32) -> Measures {
    let mut out = measures.clone();
    let buyers = measures.of(Measure::Buyers);
    let mut level = 0;
    while buyers.clone().filter(|(place, _)| is_sampled(*place, level)).nth(most as usize).is_some()
    {
        level += 1;
    }
    if level > 0 {
        out.retain(|key| key.measure != Measure::Buyers || is_sampled(key.place, level));
        out.add(MeasureKey { measure: Measure::BuyersLevel, place: level.into() }, 1);
    }
    out
}

/// A share of what was there at the window's start.
pub(super) fn of_opening(view: &View<'_>, part: Measure, whole: Measure) -> KpiValue {
    let n = view.opening.total(whole);
    quotient(Exact::whole(view.flow.total(part)), Exact::whole(n), n)
}

/// A sum that stands at the window's end, a piece; absent where no amount is known.
pub(super) fn stock_money_per(
    view: &View<'_>,
    [money, priced]: [Measure; 2],
    per: Measure,
) -> KpiValue {
    let [sum, priced] =
        [money, priced].map(|m| view.stock.at(MeasureKey::currency(m, view.currency)));
    let n = view.stock.total(per);
    let mut out = quotient(Exact(sum), Exact::whole(n), n);
    out.value = out.value.filter(|_| priced != 0);
    out.unconverted = view.stock.foreign(money, view.currency);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cell(accounts: impl Iterator<Item = u32>) -> Measures {
        let key = |i: u32| MeasureKey {
            measure: Measure::Buyers,
            place: customer("t", &format!("a-{i}")),
        };
        accounts.map(|i| (key(i), 1)).collect()
    }

    #[test]
    fn a_customer_is_the_same_in_every_release() {
        let bytes = b"\x04\0\0\0\0\0\0\0acmea-1";
        assert_eq!(customer("acme", "a-1"), xxhash_rust::xxh3::xxh3_64(bytes) as i64);
        assert_ne!(customer("acme", "a-1"), customer("acm", "ea-1"));
    }

    #[test]
    fn a_cell_within_the_bound_is_published_as_it_is() {
        let all = cell(0..100);
        assert_eq!(thinned(&all, 100), all);
        let sample = thinned(&all, 99);
        assert_eq!(sample.of(Measure::BuyersLevel).collect::<Vec<_>>(), [(1, 1)]);
        assert!(sample.of(Measure::Buyers).count() < 70);
    }

    #[test]
    fn a_sample_tells_how_many_there_are() {
        let all = cell(0..40_000);
        let sample = thinned(&all, 5_000);
        let (level, _) = sample.of(Measure::BuyersLevel).next().unwrap();
        let told = sample.of(Measure::Buyers).count() << level;
        assert!((38_000..42_000).contains(&told), "{told}");
    }

    #[test]
    fn the_fullest_cell_that_may_be_published_fits_a_message() {
        let mut all = cell(0..MOST_EXACT);
        all.plus(&cell(0..MOST_EXACT));
        let bytes = postcard::to_allocvec(&thinned(&all, MOST_EXACT)).unwrap();
        assert!(bytes.len() < 900_000, "{}", bytes.len());
    }

    proptest! {
        /// What is taken back from a sample leaves the sample of what is left, at its level.
        #[test]
        fn samples_add_and_subtract(gone in proptest::collection::btree_set(0u32..400, 0..300)) {
            let sampled = |m: &Measures| {
                let mut out = m.clone();
                out.retain(|key| is_sampled(key.place, 2));
                out
            };
            let mut rest = cell(0..400);
            rest.minus(&cell(gone.iter().copied()));
            let mut sample = sampled(&cell(0..400));
            sample.minus(&sampled(&cell(gone.iter().copied())));
            prop_assert_eq!(sample, sampled(&rest));
        }
    }
}
