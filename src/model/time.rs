//! Instants, and the precision with which a source knows them.

use std::fmt;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// An instant in UTC, microseconds since 1970-01-01T00:00:00Z. Event time everywhere.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Timestamp(pub i64);

/// A length of time in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub i64);

impl Span {
    /// Whole seconds.
    pub const fn seconds(n: i64) -> Span {
        Span(n * 1_000_000)
    }
    /// Whole minutes.
    pub const fn minutes(n: i64) -> Span {
        Span::seconds(n * 60)
    }
    /// Periods of 24 hours (not calendar days).
    pub const fn days(n: i64) -> Span {
        Span::minutes(n * 24 * 60)
    }
}

impl From<std::time::Duration> for Span {
    fn from(d: std::time::Duration) -> Span {
        Span(i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
    }
}

impl std::ops::Add<Span> for Timestamp {
    type Output = Timestamp;
    fn add(self, s: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(s.0))
    }
}

impl std::ops::Sub<Span> for Timestamp {
    type Output = Timestamp;
    fn sub(self, s: Span) -> Timestamp {
        Timestamp(self.0.saturating_sub(s.0))
    }
}

/// First instant that events may carry: 1970-01-01.
pub const EARLIEST: Timestamp = Timestamp(0);
/// One past the last instant that events may carry: 2200-01-01. The calendars reach as far.
pub const LATEST: Timestamp = Timestamp(7_258_118_400_000_000);

impl Timestamp {
    /// From milliseconds since 1970.
    pub fn from_millis(ms: i64) -> Timestamp {
        Timestamp(ms.saturating_mul(1000))
    }

    /// Milliseconds since 1970, rounded down.
    pub fn millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Seconds since 1970 as a float, for Prometheus.
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Parses RFC 3339 (`2026-11-24T08:30:00.123Z`, any offset); finer than a microsecond is cut.
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        // Nearly every time on the wire has this form, and two are read for each event.
        if let Some(at) = parse_utc(text.as_bytes()) {
            return Some(at);
        }
        let at = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Timestamp(at.timestamp_micros()))
    }

    /// Whether the instant is inside what the calendars cover.
    pub fn in_range(self) -> bool {
        (EARLIEST..LATEST).contains(&self)
    }
}

/// `YYYY-MM-DDThh:mm:ss[.f…]Z` of an ordinary second; `None` leaves the rest to chrono.
fn parse_utc(b: &[u8]) -> Option<Timestamp> {
    let number = |from: usize, to: usize| number(&b[from..to]);
    let fixed = [(10, b'T'), (13, b':'), (16, b':')];
    if b.len() < 20 || b[b.len() - 1] != b'Z' || fixed.iter().any(|(i, c)| b[*i] != *c) {
        return None;
    }
    let micros = match &b[19..b.len() - 1] {
        [] => 0,
        [b'.', digits @ ..] if (1..=6).contains(&digits.len()) => {
            number(20, b.len() - 1)? * 10i64.pow(6 - digits.len() as u32)
        }
        _ => return None,
    };
    let date = parse_date(&b[..10])?;
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(Day::from_date(date).0) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Timestamp(seconds * 1_000_000 + micros))
}

/// `YYYY-MM-DD`, all digits.
fn parse_date(b: &[u8]) -> Option<NaiveDate> {
    if b.len() != 10 || (b[4], b[7]) != (b'-', b'-') {
        return None;
    }
    let (year, month, day) = (number(&b[..4])?, number(&b[5..7])?, number(&b[8..])?);
    NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))
}

/// Shown as RFC 3339 in UTC, with no, three or six digits of a second, as needed.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use chrono::Datelike;
        if !self.in_range() {
            return match DateTime::<Utc>::from_timestamp_micros(self.0) {
                Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
                None => write!(f, "{}us", self.0),
            };
        }
        let (seconds, micros) = (self.0.div_euclid(1_000_000), self.0.rem_euclid(1_000_000));
        let date = Day(seconds.div_euclid(86_400) as i32).date();
        let second = seconds.rem_euclid(86_400);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let mut put = |at: usize, digits: usize, mut n: u32| {
            for place in text[at..at + digits].iter_mut().rev() {
                *place = b'0' + (n % 10) as u8;
                n /= 10;
            }
        };
        put(0, 4, date.year() as u32);
        put(5, 2, date.month());
        put(8, 2, date.day());
        put(11, 2, (second / 3600) as u32);
        put(14, 2, (second / 60 % 60) as u32);
        put(17, 2, (second % 60) as u32);
        put(20, 6, micros as u32);
        let length = match (micros, micros % 1000) {
            (0, _) => 19,
            (_, 0) => 23,
            _ => 26,
        };
        text[length] = b'Z';
        f.write_str(std::str::from_utf8(&text[..=length]).expect("digits and signs are ASCII"))
    }
}

/// A civil date as the number of days since 1970-01-01; which instants it covers depends on the
/// zone ([`crate::model::calendar::Calendar`]).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Day(pub i32);

/// Days from 0001-01-01 (chrono's day 1) to 1970-01-01.
const EPOCH_FROM_CE: i32 = 719_163;

impl Day {
    /// From a civil date.
    pub fn from_date(date: NaiveDate) -> Day {
        use chrono::Datelike;
        Day(date.num_days_from_ce() - EPOCH_FROM_CE)
    }

    /// The civil date. Days outside chrono's range (±262,000 years) are clamped to its ends.
    pub fn date(self) -> NaiveDate {
        NaiveDate::from_num_days_from_ce_opt(self.0.saturating_add(EPOCH_FROM_CE))
            .unwrap_or(if self.0 < 0 { NaiveDate::MIN } else { NaiveDate::MAX })
    }

    /// Parses `2026-11-24`.
    pub fn parse(text: &str) -> Option<Day> {
        if text.len() != 10 {
            return None;
        }
        if let Some(date) = parse_date(text.as_bytes()) {
            return Some(Day::from_date(date));
        }
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Day::from_date)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.date().fmt(f)
    }
}

/// How exactly a source knows a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Precision {
    /// Microseconds.
    Micros,
    /// Milliseconds; the default.
    #[default]
    Millis,
    /// Whole seconds (Stripe, SendGrid): ties are frequent.
    Seconds,
    /// A date; it stands at the start of that day in the configured zone.
    Day,
}

impl Precision {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Precision::Micros => "us",
            Precision::Millis => "ms",
            Precision::Seconds => "s",
            Precision::Day => "day",
        }
    }

    /// From the name on the wire.
    pub fn parse(text: &str) -> Option<Precision> {
        [Precision::Micros, Precision::Millis, Precision::Seconds, Precision::Day]
            .into_iter()
            .find(|p| p.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_quick_ways_agree_with_chrono(micros in 0..LATEST.0, unit in 0..3usize) {
            let at = Timestamp(micros / [1, 1000, 1_000_000][unit] * [1, 1000, 1_000_000][unit]);
            let chrono = DateTime::<Utc>::from_timestamp_micros(at.0).unwrap();
            let text = chrono.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            prop_assert_eq!(at.to_string(), text.clone());
            prop_assert_eq!(Timestamp::parse_rfc3339(&text), Some(at));
        }

        #[test]
        fn what_the_quick_way_reads_chrono_reads_too(text in "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,7})?Z") {
            let chrono = DateTime::parse_from_rfc3339(&text).ok().map(|t| t.timestamp_micros());
            prop_assert_eq!(Timestamp::parse_rfc3339(&text).map(|t| t.0), chrono);
            let date = NaiveDate::parse_from_str(&text[..10], "%Y-%m-%d").ok();
            prop_assert_eq!(Day::parse(&text[..10]), date.map(Day::from_date));
        }
    }

    #[test]
    fn rfc3339_round_trips_and_offsets_are_applied() {
        let t = Timestamp::parse_rfc3339("2025-11-25T16:00:00.123Z").unwrap();
        assert_eq!(t.to_string(), "2025-11-25T16:00:00.123Z");
        assert_eq!(Timestamp::parse_rfc3339("2025-11-25T17:00:00.123+01:00"), Some(t));
        assert_eq!(Timestamp::parse_rfc3339("2025-11-25"), None);
        assert_eq!(Timestamp::parse_rfc3339("yesterday"), None);
    }

    #[test]
    fn days_round_trip_on_both_sides_of_the_epoch() {
        for n in [-800_000, -1, 0, 1, 20_000, 84_005] {
            assert_eq!(Day::from_date(Day(n).date()), Day(n));
        }
        assert_eq!(Day::parse("1970-01-02"), Some(Day(1)));
        assert_eq!(Day(-1).to_string(), "1969-12-31");
    }

    #[test]
    fn latest_is_the_first_instant_of_2200() {
        assert_eq!(LATEST.to_string(), "2200-01-01T00:00:00Z");
    }
}
