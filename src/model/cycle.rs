//! Where the sales cycle of a deal begins. It ends where the deal is won.

use std::collections::BTreeSet;

use chrono::DateTime;

use super::calendar::Calendar;
use super::time::{Day, Timestamp};

/// What a cycle begins with. A deal without it has no cycle, so means and quantiles are of the others,
/// and their `n` says how many those are.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum CycleStart {
    /// The creation of the deal. The default.
    #[default]
    Created,
    /// Its first move into one of these stages, which stand in the stage table.
    Stage(BTreeSet<String>),
    /// The time that a field of the user's own states, without the `x.`.
    Field(String),
}

impl CycleStart {
    /// In words.
    pub fn text(&self) -> String {
        match self {
            CycleStart::Created => "the creation of the deal".to_owned(),
            CycleStart::Stage(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
                format!("the first move into {}", names.join(" or "))
            }
            CycleStart::Field(name) => format!("the time in x.{name}"),
        }
    }
}

/// A time as CRMs write it into fields of their users: RFC 3339, the same with an offset without a
/// colon (Salesforce), a date, which stands where `dates` has its start, or milliseconds since 1970
/// (HubSpot). `None` of anything else.
pub fn moment(text: &str, dates: &Calendar) -> Option<Timestamp> {
    let text = text.trim();
    let day = Day::parse(text).map(|day| dates.start_of(day));
    let at = day.or_else(|| Timestamp::parse_rfc3339(text)).or_else(|| {
        let at = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z").ok()?;
        Some(Timestamp(at.timestamp_micros()))
    });
    let at = at.or_else(|| {
        let is_number = (11..=14).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| is_number).map(Timestamp::from_millis)
    });
    at.filter(|at| at.in_range())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_crms_write_it() {
        let berlin = Calendar::of("Europe/Berlin").unwrap();
        let read = |text: &str| moment(text, &berlin).map(|at| at.to_string());
        let at = |text: &str| Some(text.to_owned());
        assert_eq!(read("2026-03-01T10:00:00Z"), at("2026-03-01T10:00:00Z"));
        assert_eq!(read(" 2026-03-01T10:00:00.000+0100 "), at("2026-03-01T09:00:00Z"));
        assert_eq!(read("2026-03-01"), at("2026-02-28T23:00:00Z"));
        assert_eq!(read("1772359200000"), at("2026-03-01T10:00:00Z"));
        for not in ["", "soon", "42", "20260301", "0001-01-01T00:00:00Z", "99999999999999"] {
            assert_eq!(read(not), None, "{not}");
        }
    }
}
