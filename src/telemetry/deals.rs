//! Deals that were seen to be won or lost, with the newest one beside each count.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use prometheus::IntCounter;

use super::latency::{self, braced, escaped, exemplar};
use super::{OTHER, Telemetry, clip};

/// The families.
const WON: &str = "tidemark_deals_won_total";
const LOST: &str = "tidemark_deals_lost_total";

/// Whom a closed deal is credited to; empty where nothing is counted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoldIn<'a> {
    /// Territory.
    pub territory: &'a str,
    /// Channel.
    pub channel: &'a str,
}

impl SoldIn<'_> {
    /// As the text format writes the labels of its series.
    fn text(self) -> String {
        let SoldIn { territory, channel } = self;
        let (territory, channel) = (escaped(territory), escaped(channel));
        format!("{{channel=\"{channel}\",territory=\"{territory}\"}}")
    }
}

/// A deal, as an exemplar names it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Named<'a> {
    /// Its id.
    pub deal: &'a str,
    /// Its amount.
    pub amount: f64,
    /// In which currency.
    pub currency: &'a str,
    /// When it was seen, milliseconds since 1970.
    pub at_ms: i64,
}

#[derive(Debug)]
struct Newest {
    labels: String,
    amount: f64,
    at_ms: i64,
}

/// The newest deal of each series, by labels; every series is there. Those lost, then those won.
#[derive(Debug, Default)]
pub(super) struct Deals(Mutex<[BTreeMap<String, Option<Newest>>; 2]>);

impl Telemetry {
    /// Deals may be closed there: its series begin at 0, as long as there are less than `most`.
    pub fn sells_in(&self, place: SoldIn<'_>, most: usize) {
        for won in [true, false] {
            self.series_of(won, place, most).1.inc_by(0);
        }
    }

    /// A deal was won, or lost. Beyond `most` series it counts as one of somewhere else.
    pub fn deal_closed(&self, won: bool, at: SoldIn<'_>, most: usize, named: Option<Named<'_>>) {
        let (key, counter) = self.series_of(won, at, most);
        counter.inc();
        let Some(Named { deal, amount, currency, at_ms }) = named else { return };
        let Some(labels) = braced([("deal_id", deal), ("currency", currency)]) else { return };
        let mut held = self.deals.0.lock().unwrap_or_else(PoisonError::into_inner);
        held[usize::from(won)].insert(key, Some(Newest { labels, amount, at_ms }));
    }

    fn series_of(&self, won: bool, at: SoldIn<'_>, most: usize) -> (String, IntCounter) {
        let at = SoldIn { territory: clip(at.territory), channel: clip(at.channel) };
        let mut held = self.deals.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = &mut held[usize::from(won)];
        let other = SoldIn { territory: OTHER, channel: OTHER };
        let at = if held.len() < most || held.contains_key(&at.text()) { at } else { other };
        held.entry(at.text()).or_default();
        let counters = if won { &self.metrics.deals_won } else { &self.metrics.deals_lost };
        (at.text(), counters.with_label_values(&[at.territory, at.channel]))
    }

    /// The text of a family with its exemplars, for OpenMetrics.
    pub fn with_exemplars(&self, family: &str, text: &str) -> String {
        match family {
            latency::FAMILY => self.with_entities(text),
            WON | LOST => self.with_deals(family, text),
            _ => text.to_owned(),
        }
    }

    fn with_deals(&self, family: &str, text: &str) -> String {
        let held = self.deals.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = &held[usize::from(family == WON)];
        let mut out = String::with_capacity(text.len());
        for line in text.lines() {
            out.push_str(line);
            let labels = line.strip_prefix(family).and_then(|rest| rest.rsplit_once(' '));
            let newest = labels.and_then(|(labels, _)| held.get(labels)?.as_ref());
            if let Some(Newest { labels, amount, at_ms }) = newest {
                exemplar(&mut out, labels, *amount, *at_ms);
            }
            let _ = writeln!(out);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::{Encoder, TextEncoder};

    fn page(telemetry: &Telemetry, name: &str) -> Vec<String> {
        let all = telemetry.registry().gather();
        let family = all.into_iter().find(|family| family.name() == name).unwrap();
        let mut text = Vec::new();
        TextEncoder::new().encode(&[family], &mut text).unwrap();
        let text = telemetry.with_exemplars(name, std::str::from_utf8(&text).unwrap());
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn the_newest_deal_stands_beside_its_count() {
        let telemetry = Telemetry::new("0.0.0", "2026a", "EUR");
        let at = |territory| SoldIn { territory, channel: "a \"web\"\\" };
        let named = |deal, at_ms| Named { deal, amount: 12_000.5, currency: "EUR", at_ms };
        telemetry.sells_in(at("north"), 9);
        telemetry.deal_closed(true, at("south"), 9, Some(named("D-4", 1_764_000_000_042)));
        telemetry.deal_closed(true, at("south"), 9, Some(named("D-5", 1_764_000_001_042)));
        telemetry.deal_closed(true, at("south"), 9, None);
        telemetry.deal_closed(false, at("south"), 9, Some(named(&"x".repeat(200), 5)));
        let south = "{channel=\"a \\\"web\\\"\\\\\",territory=\"south\"}";
        let wanted = [
            format!("{WON}{} 0", south.replace("south", "north")),
            format!("{WON}{south} 3 # {{deal_id=\"D-5\",currency=\"EUR\"}} 12000.5 1764000001.042"),
        ];
        assert_eq!(page(&telemetry, WON), wanted);
        assert_eq!(page(&telemetry, LOST)[1], format!("{LOST}{south} 1"));
    }

    #[test]
    fn no_sender_mints_series_without_end() {
        let telemetry = Telemetry::new("0.0.0", "2026a", "EUR");
        for i in 0..20 {
            let territory = format!("t-{i:02}");
            let at = SoldIn { territory: &territory, channel: "" };
            telemetry.deal_closed(true, at, 3, None);
            telemetry.deal_closed(true, at, 3, None);
        }
        let page = page(&telemetry, WON);
        assert_eq!(page.len(), 4, "{page:?}");
        assert_eq!(page[2], format!("{WON}{{channel=\"\",territory=\"t-02\"}} 2"));
        assert_eq!(page[3], format!("{WON}{{channel=\"other\",territory=\"other\"}} 34"));
    }
}
