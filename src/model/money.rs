//! Money is exact: a decimal and a currency, never a float.
//!
//! An [`Amount`] is what an event carries (up to 18 significant digits, up to 12 decimals). Sums
//! are [`Exact`]: fixed point in an `i128` at 12 decimals, so that adding is associative and a
//! merge in any order gives the same bytes.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Decimals kept by [`Exact`].
pub const EXACT_SCALE: u32 = 12;

/// One unit (1.00 of the currency) in [`Exact`] steps.
pub const EXACT_ONE: i128 = 10_i128.pow(EXACT_SCALE);

/// Largest whole part of an amount. A sum of a hundred billion such amounts still fits `i128`.
const AMOUNT_LIMIT: i128 = 10_i128.pow(15);

/// An ISO 4217 alphabetic code such as `EUR`, packed; its order is alphabetical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Currency(u16);

impl Currency {
    /// Parses three ASCII letters; lower case is taken too (Stripe writes `eur`).
    pub fn parse(text: &str) -> Option<Currency> {
        let b = text.as_bytes();
        if b.len() != 3 || !b.iter().all(u8::is_ascii_alphabetic) {
            return None;
        }
        let pos = |i: usize| u16::from(b[i].to_ascii_uppercase() - b'A');
        Some(Currency(pos(0) * 676 + pos(1) * 26 + pos(2)))
    }

    /// The packed code, stable for ever: part of the partial and image formats.
    pub fn code(self) -> i32 {
        i32::from(self.0)
    }

    /// How many decimals the smallest unit of the currency is of (ISO 4217): 2 for EUR, 0 for JPY.
    pub fn decimals(self) -> i32 {
        match self.to_string().as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF"
            | "UGX" | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            "CLF" | "UYW" => 4,
            _ => 2,
        }
    }

    /// From the packed code.
    pub fn from_code(code: impl Into<i64>) -> Option<Currency> {
        let code = i32::try_from(code.into()).ok()?;
        u16::try_from(code).ok().filter(|c| *c < 26 * 676).map(Currency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |n: u16| char::from(b'A' + (n % 26) as u8);
        write!(f, "{}{}{}", letter(self.0 / 676), letter(self.0 / 26), letter(self.0))
    }
}

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a decimal number.
    #[error("\"{0}\" is not a decimal number")]
    NotDecimal(String),
    /// More digits than we keep exactly.
    #[error("\"{0}\" has more digits than can be kept exactly (18 significant, 12 decimals)")]
    TooPrecise(String),
    /// Beyond ±10^15.
    #[error("\"{0}\" is beyond the largest amount, 10^15")]
    TooLarge(String),
}

impl AmountError {
    /// What is wrong, without the text that it is of: dead letters quote nothing of a payload.
    pub fn without_text(&self) -> &'static str {
        match self {
            AmountError::NotDecimal(_) => "not a decimal number",
            AmountError::TooPrecise(_) => {
                "more digits than can be kept exactly (18 significant, 12 decimals)"
            }
            AmountError::TooLarge(_) => "beyond the largest amount, 10^15",
        }
    }
}

/// A decimal number as an event carries it: `mantissa × 10^-scale`, without trailing zeros, so
/// that equal amounts are equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Amount {
    mantissa: i64,
    scale: u8,
}

impl Amount {
    /// The parts: mantissa and number of decimals (0 to 12).
    pub fn parts(self) -> (i64, u8) {
        (self.mantissa, self.scale)
    }

    /// From parts as [`Amount::parts`] gave them.
    pub fn from_parts(mantissa: i64, scale: u8) -> Amount {
        Amount { mantissa, scale: scale.min(EXACT_SCALE as u8) }
    }

    /// As a fixed-point number that can be summed.
    pub fn exact(self) -> Exact {
        Exact(i128::from(self.mantissa) * 10_i128.pow(EXACT_SCALE - u32::from(self.scale)))
    }
}

/// Shown without trailing zeros, as [`Exact`].
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10u64.pow(u32::from(self.scale));
        let magnitude = self.mantissa.unsigned_abs();
        if self.mantissa < 0 {
            f.write_str("-")?;
        }
        write!(f, "{}", magnitude / one)?;
        match magnitude % one {
            0 => Ok(()),
            part => write!(f, ".{part:0width$}", width = usize::from(self.scale)),
        }
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    /// Parses `1234.50`, `-3`, `1e3`; the text of a JSON number is taken as it stands.
    fn from_str(text: &str) -> Result<Amount, AmountError> {
        if text.contains('_') {
            return Err(AmountError::NotDecimal(clip(text)));
        }
        let decimal = if text.contains(['e', 'E']) {
            Decimal::from_scientific(text)
        } else {
            Decimal::from_str_exact(text)
        };
        let decimal = match decimal {
            Ok(d) => d.normalize(),
            Err(rust_decimal::Error::ExceedsMaximumPossibleValue) => {
                return Err(AmountError::TooLarge(clip(text)));
            }
            Err(
                rust_decimal::Error::Underflow
                | rust_decimal::Error::ScaleExceedsMaximumPrecision(_),
            ) => {
                return Err(AmountError::TooPrecise(clip(text)));
            }
            Err(_) => return Err(AmountError::NotDecimal(clip(text))),
        };
        if decimal.scale() > EXACT_SCALE {
            return Err(AmountError::TooPrecise(clip(text)));
        }
        if decimal.mantissa().abs() > AMOUNT_LIMIT * 10_i128.pow(decimal.scale()) {
            return Err(AmountError::TooLarge(clip(text)));
        }
        match i64::try_from(decimal.mantissa()) {
            Ok(mantissa) => Ok(Amount { mantissa, scale: decimal.scale() as u8 }),
            Err(_) => Err(AmountError::TooPrecise(clip(text))),
        }
    }
}

fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

/// An amount of a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// How much, in major units.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

/// A sum: fixed point with 12 decimals. Shown without trailing zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Exact(pub i128);

impl Exact {
    /// A whole number.
    pub fn whole(n: i128) -> Exact {
        Exact(n * EXACT_ONE)
    }

    /// The whole number that it is; `None` where it has decimals.
    pub fn to_whole(self) -> Option<i128> {
        (self.0 % EXACT_ONE == 0).then_some(self.0 / EXACT_ONE)
    }

    /// The nearest float, for ratios and Prometheus only.
    pub fn to_f64(self) -> f64 {
        // Without the zeros that it ends with, most often two digits are behind the point: of what a
        // float holds whole the quotient is rounded once, and so the nearest one.
        const WHOLE: u128 = 1 << f64::MANTISSA_DIGITS;
        for zeros in [EXACT_SCALE, EXACT_SCALE - 2, 0] {
            let step = 10_i128.pow(zeros);
            if self.0 % step == 0 && (self.0 / step).unsigned_abs() <= WHOLE {
                return (self.0 / step) as f64 / (EXACT_ONE / step) as f64;
            }
        }
        // The text is read as the nearest one too, more slowly.
        self.to_string().parse().expect("digits with a point are a number")
    }
}

/// A text is no number that [`Exact`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number of at most 12 decimals")]
pub struct NotExact;

impl FromStr for Exact {
    type Err = NotExact;

    /// Reads what `Display` writes: digits, with a sign and up to 12 decimals where there are some.
    fn from_str(text: &str) -> Result<Exact, NotExact> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, part) = rest.split_once('.').unwrap_or((rest, "0"));
        let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > EXACT_SCALE as usize {
            return Err(NotExact);
        }
        // The sign goes in first: the least number has no positive twin.
        let signed = format!("{}{whole}{part:0<12}", if negative { "-" } else { "" });
        signed.parse().map(Exact).map_err(|_| NotExact)
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let one = EXACT_ONE.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        write!(f, "{}", magnitude / one)?;
        let part = magnitude % one;
        if part != 0 {
            let digits = format!("{part:012}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> String {
        let amount = text.parse::<Amount>().unwrap();
        assert_eq!(amount.to_string(), amount.exact().to_string());
        amount.exact().to_string()
    }

    #[test]
    fn amounts_are_exact_in_every_form() {
        assert_eq!(exact("1234.50"), "1234.5");
        assert_eq!(exact("-0.000000000001"), "-0.000000000001");
        assert_eq!(exact("1e3"), "1000");
        assert_eq!(exact("-7.05"), "-7.05");
        assert_eq!(exact("1000000000000000"), "1000000000000000");
        assert_eq!("1.50".parse::<Amount>(), "1.5".parse::<Amount>());
    }

    #[test]
    fn what_cannot_be_kept_exactly_is_refused_by_name() {
        let err = |t: &str| t.parse::<Amount>().unwrap_err();
        assert!(matches!(err("12,50"), AmountError::NotDecimal(_)));
        assert!(matches!(err(""), AmountError::NotDecimal(_)));
        assert!(matches!(err("NaN"), AmountError::NotDecimal(_)));
        assert!(matches!(err("0.0000000000001"), AmountError::TooPrecise(_)));
        assert!(matches!(err("123456789012.123456789"), AmountError::TooPrecise(_)));
        assert!(matches!(err("1000000000000000.5"), AmountError::TooLarge(_)));
        assert!("1e300".parse::<Amount>().is_err());
        assert!("1_000".parse::<Amount>().is_err());
    }

    #[test]
    fn a_float_of_a_sum_is_the_nearest_one() {
        let sums = ["1.33333333", "0.1", "1234567.89", "-7.05", "9007199254740993.1", "0", "-3"];
        // Whole, with cents, with every digit; up to what a float holds and beyond.
        let more = (1..400_u64).map(|i| {
            let n = i128::from(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (i % 40));
            Exact([n * EXACT_ONE, n * EXACT_ONE / 100, n, -n * 1_000_003][i as usize % 4])
        });
        for sum in sums.map(|text| text.parse::<Exact>().unwrap()).into_iter().chain(more) {
            let nearest: f64 = sum.to_string().parse().unwrap();
            assert_eq!(sum.to_f64(), nearest, "{sum}");
        }
    }

    #[test]
    fn sums_read_back_what_they_print() {
        for n in
            [0, 1, -1, EXACT_ONE, -EXACT_ONE / 4, 12_345 * EXACT_ONE + 67, i128::MAX, i128::MIN]
        {
            assert_eq!(Exact(n).to_string().parse(), Ok(Exact(n)));
        }
        for text in ["", "-", ".5", "1.", "1e3", "+1", "0.0000000000001", " 1", "1_0", "NaN"] {
            assert_eq!(text.parse::<Exact>(), Err(NotExact), "{text}");
        }
        assert!(format!("{}0", i128::MAX).parse::<Exact>().is_err());
    }

    #[test]
    fn currencies_pack_and_print() {
        for code in ["AAA", "EUR", "USD", "ZZZ"] {
            let c = Currency::parse(code).unwrap();
            assert_eq!(c.to_string(), code);
            assert_eq!(Currency::from_code(c.code()), Some(c));
        }
        assert_eq!(Currency::parse("eur"), Currency::parse("EUR"));
        assert_eq!(Currency::parse("EURO"), None);
        assert_eq!(Currency::parse("E1R"), None);
        assert!(Currency::parse("AUD") < Currency::parse("EUR"));
    }
}
