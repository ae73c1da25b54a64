//! Who shares in a deal: owners with their shares, as one value of one field.
//!
//! Revenue shares divide what the deal brought, so together they are all of it. Overlay shares credit
//! people beside it and take from nobody. A list is kept sorted, so that equal lists are equal values
//! however they were written.

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use super::money::{Amount, EXACT_ONE, EXACT_SCALE};

/// Most entries of a list.
pub const MAX_SPLITS: usize = 16;

/// Decimals of a share.
const DECIMALS: u32 = 8;

/// The whole, in steps of a share.
const WHOLE: u32 = 10_u32.pow(DECIMALS);

/// What a share is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SplitKind {
    /// A part of what the deal brought.
    Revenue = 0,
    /// Credit beside it, in no total.
    Overlay = 1,
}

impl SplitKind {
    /// All kinds with their names on the wire.
    pub const ALL: [(SplitKind, &'static str); 2] =
        [(SplitKind::Revenue, "revenue"), (SplitKind::Overlay, "overlay")];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// From the name on the wire.
    pub fn parse(text: &str) -> Option<SplitKind> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(kind, _)| *kind)
    }
}

/// A share, 0 to 1, in steps of 10^-8.
///
/// ```
/// let share: tidemark::model::split::Share = "0.60".parse().unwrap();
/// assert_eq!((share.steps(), share.to_string().as_str()), (60_000_000, "0.6"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

impl Share {
    /// How many steps of 10^-8.
    pub fn steps(self) -> u32 {
        self.0
    }
}

/// Why a text is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// Not a decimal number.
    #[error("is not a decimal number")]
    NotDecimal,
    /// More decimals than are kept.
    #[error("has more than {DECIMALS} decimals")]
    TooFine,
    /// Below 0 or above 1.
    #[error("is not between 0 and 1; 60 % is 0.6")]
    Beyond,
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Share, ShareError> {
        use super::money::AmountError::{NotDecimal, TooLarge, TooPrecise};
        let steps = match text.parse::<Amount>() {
            Ok(amount) => amount.exact().0,
            Err(NotDecimal(_)) => return Err(ShareError::NotDecimal),
            Err(TooPrecise(_)) => return Err(ShareError::TooFine),
            Err(TooLarge(_)) => return Err(ShareError::Beyond),
        };
        let finer = 10_i128.pow(EXACT_SCALE - DECIMALS);
        if !(0..=EXACT_ONE).contains(&steps) {
            Err(ShareError::Beyond)
        } else if steps % finer != 0 {
            Err(ShareError::TooFine)
        } else {
            Ok(Share((steps / finer) as u32))
        }
    }
}

/// Shown without trailing zeros.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Share(steps) = *self;
        write!(f, "{}", Amount::from_parts(i64::from(steps), DECIMALS as u8).exact())
    }
}

/// One owner's share. Sorted by kind, then owner, then share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Split {
    /// What the share is of.
    pub kind: SplitKind,
    /// Id of the rep, as the source has it.
    pub owner: String,
    /// How much.
    pub share: Share,
}

/// All who share in a deal: never empty, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splits(Box<[Split]>);

/// Why a list is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitsError {
    /// Too many entries.
    #[error("has {0} entries, the limit is {MAX_SPLITS}")]
    TooMany(usize),
    /// The revenue shares are not the whole.
    #[error("has revenue shares that sum to {0}, not to 1")]
    NotWhole(Share),
}

impl Splits {
    /// A list in order; none where it is empty. Revenue shares must sum to 1, give or take one step,
    /// so that three thirds may be written as such.
    pub fn of(mut list: Vec<Split>) -> Result<Option<Splits>, SplitsError> {
        if list.len() > MAX_SPLITS {
            return Err(SplitsError::TooMany(list.len()));
        }
        let revenue = list.iter().filter(|split| split.kind == SplitKind::Revenue);
        let sum: u32 = revenue.clone().map(|split| split.share.0).sum();
        if revenue.count() > 0 && sum.abs_diff(WHOLE) > 1 {
            return Err(SplitsError::NotWhole(Share(sum)));
        }
        list.sort_unstable();
        Ok((!list.is_empty()).then(|| Splits(list.into())))
    }

    /// Its entries, in order.
    pub fn entries(&self) -> &[Split] {
        &self.0
    }

    /// As one text, which [`unpacked`] reads: equal lists are equal texts.
    pub fn packed(&self) -> String {
        let mut out = String::new();
        for Split { kind, owner, share } in &self.0 {
            let _ = write!(out, "{};{};{};{owner}", *kind as u8, share.0, owner.len());
        }
        out
    }
}

/// The entries of a packed list: kind, owner, steps of the share.
pub fn unpacked(mut text: &str) -> impl Iterator<Item = (SplitKind, &str, u32)> {
    std::iter::from_fn(move || {
        let mut parts = text.splitn(4, ';');
        let [kind, share, length] = [parts.next()?, parts.next()?, parts.next()?];
        let (owner, rest) = parts.next()?.split_at_checked(length.parse().ok()?)?;
        text = rest;
        let kind = SplitKind::ALL.get(kind.parse::<usize>().ok()?)?.0;
        Some((kind, owner, share.parse().ok()?))
    })
}

/// Divides an amount in steps of [`Exact`](super::money::Exact) by shares: each part is its share of
/// it, rounded to a step up or down, and all parts together are the amount. The steps that rounding
/// down leaves go to the largest rests, of equal ones to the first.
///
/// ```
/// use tidemark::model::split::divide;
/// assert_eq!(divide(100, &[1, 1, 1]), [34, 33, 33]);
/// assert_eq!(divide(-100, &[1, 1, 1]), [-34, -33, -33]);
/// ```
pub fn divide(amount: i128, shares: &[u32]) -> Vec<i128> {
    let whole: i128 = shares.iter().map(|share| i128::from(*share)).sum();
    if whole == 0 {
        return vec![0; shares.len()];
    }
    let (sign, magnitude) = (amount.signum(), amount.abs());
    let (mut parts, mut rests) = (Vec::new(), Vec::new());
    for (i, share) in shares.iter().enumerate() {
        let product = magnitude * i128::from(*share);
        parts.push(product / whole);
        rests.push((-(product % whole), i));
    }
    rests.sort_unstable();
    let left = magnitude - parts.iter().sum::<i128>();
    for (_, i) in rests.into_iter().take(left as usize) {
        parts[i] += 1;
    }
    parts.iter().map(|part| part * sign).collect()
}

/// An overlay share of an amount, in the same steps, rounded to the nearest, halves away from zero.
pub fn part(amount: i128, share: u32) -> i128 {
    let whole = i128::from(WHOLE);
    let twice = 2 * amount.abs() * i128::from(share) + whole;
    amount.signum() * (twice / (2 * whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(kind: SplitKind, owner: &str, share: &str) -> Split {
        Split { kind, owner: owner.to_owned(), share: share.parse().unwrap() }
    }

    fn revenue(shares: &[&str]) -> Result<Option<Splits>, SplitsError> {
        Splits::of(shares.iter().map(|s| split(SplitKind::Revenue, "r", s)).collect())
    }

    #[test]
    fn shares_are_exact_or_refused_by_name() {
        let shown = |text: &str| text.parse::<Share>().map(|share| share.to_string());
        for (text, as_shown) in
            [("0.60", "0.6"), ("1", "1"), ("0", "0"), ("0.00000001", "0.00000001"), ("1e-1", "0.1")]
        {
            assert_eq!(shown(text).as_deref(), Ok(as_shown));
        }
        assert_eq!(shown("0.333333333"), Err(ShareError::TooFine));
        assert_eq!(shown("0.00000000000001"), Err(ShareError::TooFine));
        assert_eq!(shown("60"), Err(ShareError::Beyond));
        assert_eq!(shown("1.00000001"), Err(ShareError::Beyond));
        assert_eq!(shown("-0.1"), Err(ShareError::Beyond));
        assert_eq!(shown("10000000000000000"), Err(ShareError::Beyond));
        assert!(shown("1e300").is_err());
        assert_eq!(shown("half"), Err(ShareError::NotDecimal));
    }

    #[test]
    fn revenue_shares_are_the_whole_and_overlays_anything() {
        for whole in [&["0.6", "0.4"][..], &["0.33333333"; 3], &["0.33333334", "0.66666667"]] {
            assert!(revenue(whole).is_ok(), "{whole:?}");
        }
        let not = |shares: &[&str]| revenue(shares).unwrap_err().to_string();
        assert_eq!(not(&["0.6", "0.3"]), "has revenue shares that sum to 0.9, not to 1");
        assert_eq!(
            not(&["0.6", "0.39999998"]),
            "has revenue shares that sum to 0.99999998, not to 1"
        );
        assert_eq!(
            not(&["0.5", "0.50000002"]),
            "has revenue shares that sum to 1.00000002, not to 1"
        );
        assert_eq!(not(&["0"]), "has revenue shares that sum to 0, not to 1");
        assert_eq!(not(&["0.0625"; 17]), "has 17 entries, the limit is 16");
        let overlays =
            vec![split(SplitKind::Overlay, "a", "1"), split(SplitKind::Overlay, "b", "0.7")];
        assert_eq!(Splits::of(overlays).unwrap().unwrap().entries().len(), 2);
        assert_eq!(Splits::of(Vec::new()), Ok(None));
    }

    #[test]
    fn a_list_is_the_same_however_it_was_written_and_comes_out_of_its_text() {
        let a = split(SplitKind::Overlay, "a;1;2;é", "0.5");
        let b = split(SplitKind::Revenue, "", "0.25");
        let c = split(SplitKind::Revenue, "z", "0.75");
        let list = Splits::of(vec![a.clone(), b.clone(), c.clone()]).unwrap().unwrap();
        assert_eq!(Splits::of(vec![c, a, b]).unwrap().unwrap(), list);
        let text = list.packed();
        let read: Vec<_> = unpacked(&text).collect();
        let own = |split: &Split| (split.kind, split.owner.clone(), split.share.steps());
        let read: Vec<_> = read.into_iter().map(|(k, o, s)| (k, o.to_owned(), s)).collect();
        assert_eq!(read, list.entries().iter().map(own).collect::<Vec<_>>());
        assert_eq!(unpacked("no list").count(), 0);
    }

    #[test]
    fn an_overlay_is_rounded_to_the_nearest_step() {
        assert_eq!([part(100, 50_000_000), part(1, 50_000_000), part(-1, 50_000_000)], [50, 1, -1]);
        assert_eq!([part(1, 49_999_999), part(3, 33_333_333), part(7, 0)], [0, 1, 0]);
    }

    proptest! {
        /// The largest amount times the largest share fits.
        #[test]
        fn parts_sum_to_the_amount_and_are_a_step_off_at_most(
            amount in -10_i128.pow(27)..=10_i128.pow(27),
            shares in proptest::collection::vec(0..=WHOLE, 1..=MAX_SPLITS),
        ) {
            let whole: i128 = shares.iter().map(|s| i128::from(*s)).sum();
            prop_assume!(whole > 0);
            let parts = divide(amount, &shares);
            prop_assert_eq!(parts.iter().sum::<i128>(), amount);
            for (part, share) in parts.iter().zip(&shares) {
                prop_assert!((part * whole - amount * i128::from(*share)).abs() < whole);
            }
        }
    }
}
