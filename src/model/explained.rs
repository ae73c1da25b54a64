//! Why a watched number moved, as an alert says it: divided over the parts of its segment into what
//! their numbers did (rate) and what their weights did (mix). `docs/drift.md` has the fields.

use std::fmt::Write as _;

use super::row::{json_float, json_string, segment_json};
use super::segment::Segment;

/// A change, divided over the members of one more dimension. In the unit of the alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The dimension.
    pub by: String,
    /// The whole change; mix and rate sum to it.
    pub change: f64,
    /// What other weights of the members did; `None` of a count, which has no weights.
    pub mix: Option<f64>,
    /// What the members' own numbers did.
    pub rate: Option<f64>,
    /// Interval of 95 % of `rate`, the weights taken as they are.
    pub rate_interval: Option<(f64, f64)>,
    /// The whole moved one way, and every member that moved went the other way.
    pub simpson: bool,
    /// The members that did most, the largest effect first, whichever way.
    pub contributors: Vec<Contributor>,
}

/// A member, and what it did to the whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Contributor {
    /// Which.
    pub segment: Segment,
    /// Its part of the change.
    pub effect: f64,
    /// By its weight: more of a member that is better than the rest lifts the whole.
    pub mix: Option<f64>,
    /// By its own number.
    pub rate: Option<f64>,
    /// Its value since the change.
    pub now: Option<f64>,
    /// Cases behind it.
    pub n: u64,
    /// Its value in the baseline, as the same days would have had it.
    pub baseline: Option<f64>,
    /// Cases of the baseline.
    pub baseline_n: u64,
}

/// As JSON: a list.
pub(super) fn json(list: &[Explained]) -> String {
    let mut out = String::from("[");
    for (i, explained) in list.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let interval = explained.rate_interval.map_or("null".to_owned(), |(low, high)| {
            format!("[{},{}]", json_float(low), json_float(high))
        });
        let _ = write!(
            out,
            "{comma}{{\"by\":{},\"change\":{},\"mix\":{},\"rate\":{},\"rate_interval\":{interval},\
             \"simpson\":{},\"contributors\":[",
            json_string(&explained.by),
            json_float(explained.change),
            number(explained.mix),
            number(explained.rate),
            explained.simpson,
        );
        for (i, member) in explained.contributors.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let _ = write!(
                out,
                "{comma}{{\"segment\":{},\"effect\":{},\"mix\":{},\"rate\":{},\"now\":{},\"n\":{},\
                 \"baseline\":{},\"baseline_n\":{}}}",
                segment_json(&member.segment),
                json_float(member.effect),
                number(member.mix),
                number(member.rate),
                number(member.now),
                member.n,
                number(member.baseline),
                member.baseline_n,
            );
        }
        out.push_str("]}");
    }
    out.push(']');
    out
}

/// As JSON: how many siblings there are, and whether the stream is believed beside them.
pub(super) fn siblings_json(siblings: Option<(usize, bool)>) -> String {
    siblings.map_or("null".to_owned(), |(streams, believed)| {
        format!("{{\"streams\":{streams},\"believed\":{believed}}}")
    })
}

fn number(value: Option<f64>) -> String {
    value.map_or("null".to_owned(), json_float)
}
