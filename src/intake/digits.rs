//! Numbers and amounts as the digits that a source sends, never as floats.

use std::borrow::Cow;
use std::str::FromStr;

use rust_decimal::Decimal;

use super::make::How;
use super::native::Context;
use crate::model::deadletter::{Code, Reason};
use crate::model::money::{Amount, AmountError, Currency, Money};

/// The digits with the point moved, as text.
pub fn shifted(digits: &str, shift: i32) -> Cow<'_, str> {
    let digits = digits.trim();
    match (shift, digits.split_once(['e', 'E'])) {
        (0, _) => Cow::Borrowed(digits),
        (by, Some((head, exponent))) => {
            let exponent = exponent.parse::<i32>().unwrap_or(i32::MAX);
            Cow::Owned(format!("{head}e{}", exponent.saturating_add(by)))
        }
        (by, None) => Cow::Owned(format!("{digits}e{by}")),
    }
}

/// A number that is no money: what is finer than 12 decimals is rounded, as a probability of
/// `0.200000000000000011` is one of 0.2.
pub fn number(what: &str, digits: &str) -> Result<Amount, Reason> {
    let amount = digits.parse().or_else(|error| match error {
        AmountError::TooPrecise(_) => {
            let rounded = Decimal::from_str(digits).map(|d| d.round_dp(12).normalize());
            rounded.map_err(|_| error)?.to_string().parse()
        }
        _ => Err(error),
    });
    amount.map_err(|e| not_one(what, &e))
}

fn not_one(what: &str, error: &AmountError) -> Reason {
    Reason::new(Code::BadAmount, format!("{what}: {}", error.without_text()))
}

/// An amount of the given currency, or of the configured one.
pub fn money(
    context: &Context<'_>,
    what: &str,
    digits: &str,
    how: &How<'_>,
) -> Result<Money, Reason> {
    let amount = shifted(digits, how.shift).parse().map_err(|e| not_one(what, &e))?;
    let currency = match how.currency {
        Some(code) => Currency::parse(code).ok_or_else(|| {
            Reason::new(
                Code::BadCurrency,
                format!("{what}: the currency is no code of three letters"),
            )
        })?,
        None => context.decoder.reading.currency.ok_or_else(|| {
            let why = format!("{what} comes without a currency: set sources.currency");
            Reason::new(Code::BadCurrency, why)
        })?,
    };
    Ok(Money { amount, currency })
}
