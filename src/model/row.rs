//! A row: the numbers of one (window, segment), as published. The JSON here is the contract of the
//! results topic, the API and `replay` (`docs/events.md`).

use std::fmt::Write as _;

use super::funnel::Funnel;
use super::kpi::{KpiValue, Number, Unit, Words};
use super::money::Currency;
use super::segment::Segment;
use super::target::{Standing, standings_json};
use super::time::Timestamp;
use super::window::WindowKind;

/// Which firing of the window the row is (Beam's panes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// The watermark has not passed the window's end.
    Early,
    /// The first row behind it.
    OnTime,
    /// A later event changed the closed window.
    Corrected,
}

impl Pane {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Pane::Early => "early",
            Pane::OnTime => "on_time",
            Pane::Corrected => "corrected",
        }
    }

    /// From the name on the wire.
    pub fn parse(text: &str) -> Option<Pane> {
        [Pane::Early, Pane::OnTime, Pane::Corrected].into_iter().find(|p| p.as_str() == text)
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Kind of window.
    pub kind: WindowKind,
    /// First instant.
    pub start: Timestamp,
    /// First instant after it.
    pub end: Timestamp,
    /// Zone of the calendar.
    pub zone: String,
    /// Segment.
    pub segment: Segment,
    /// Firing.
    pub pane: Pane,
    /// How often the closed window was amended.
    pub revision: u64,
    /// Offset of the newest partial included: with `as_of` the version of the row.
    pub version: u64,
    /// Watermark behind the row; `None` while it is unknown.
    pub as_of: Option<Timestamp>,
    /// Share of the window that the watermark has passed, 0 to 1.
    pub complete_ratio: f64,
    /// Records of a source were gone before they were read, and what they told may lie in here.
    pub incomplete: bool,
    /// The KPIs, in catalogue order.
    pub kpis: Vec<(Words, Unit, KpiValue)>,
    /// Reporting currency.
    pub currency: Currency,
    /// How KPIs stand against targets and benchmarks.
    pub targets: Vec<Standing>,
    /// What became of the visits of each stage; `None` where it is not asked for.
    pub funnel: Option<Funnel>,
}

impl Row {
    /// The key on the results topic. A calendar window is named by its start; a rolling or to-date
    /// window is always the current one, so that a compacted topic keeps its newest row only.
    pub fn key(&self) -> String {
        match self.kind {
            WindowKind::Calendar(_) => {
                format!("{}:{}|{}", self.kind.name(), self.start, self.segment)
            }
            _ => format!("{}|{}", self.kind.name(), self.segment),
        }
    }

    /// Whether it is of a rolling window.
    pub fn is_rolling(&self) -> bool {
        matches!(self.kind, WindowKind::RollingDays(_) | WindowKind::RollingFine(_))
    }

    /// The KPIs as a JSON object. Equal contents are equal bytes.
    pub fn kpis_json(&self) -> String {
        let mut out = String::from("{");
        for (i, (name, unit, value)) in self.kpis.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            let unit = match unit {
                Unit::Money => self.currency.to_string(),
                _ => unit.as_str().to_owned(),
            };
            write_kpi(&mut out, name, &unit, value);
        }
        out.push('}');
        out
    }

    /// What the row tells of its window: the KPIs, and the funnel where there is one.
    pub fn told_json(&self) -> String {
        let funnel = self.funnel.as_ref().map(Funnel::to_json);
        told(self.kpis_json(), funnel.as_deref())
    }

    /// The row as one line of JSON, around what [`Row::told_json`] gives.
    pub fn json_with(&self, told: &str) -> String {
        let mut out = String::with_capacity(told.len() + 400);
        let as_of = self.as_of.map_or("null".to_owned(), |t| format!("\"{t}\""));
        let _ = write!(
            out,
            "{{\"window\":{{\"kind\":\"{}\",\"start\":\"{}\",\"end\":\"{}\",\"zone\":{}}},\"segment\":{},",
            self.kind.name(),
            self.start,
            self.end,
            json_string(&self.zone),
            segment_json(&self.segment),
        );
        let _ = write!(
            out,
            "\"status\":\"{}\",\"revision\":{},\"version\":{},\"as_of\":{as_of},\"complete_ratio\":{}{},\"currency\":\"{}\",\"kpis\":{told}{}}}",
            self.pane.as_str(),
            self.revision,
            self.version,
            json_float(self.complete_ratio),
            if self.incomplete { ",\"incomplete\":true" } else { "" },
            self.currency,
            standings_json(&self.targets),
        );
        out
    }

    /// The row as one line of JSON.
    pub fn to_json(&self) -> String {
        self.json_with(&self.told_json())
    }
}

/// What a row tells of its window, from the JSON of its KPIs and of its funnel, as it stands behind
/// `"kpis":`.
pub fn told(kpis: String, funnel: Option<&str>) -> String {
    match funnel {
        Some(funnel) => kpis + ",\"funnel\":" + funnel,
        None => kpis,
    }
}

/// A segment as a JSON object; the whole business is `{}`.
pub fn segment_json(segment: &Segment) -> String {
    let mut out = String::from("{");
    for (i, (dimension, value)) in segment.parts.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(out, "{comma}{}:{}", json_string(dimension), json_string(value));
    }
    out.push('}');
    out
}

fn write_kpi(out: &mut String, name: &str, unit: &str, kpi: &KpiValue) {
    let _ = write!(out, "\"{name}\":{{\"value\":");
    out.push_str(&json_number(kpi.value));
    for (part, label) in [(kpi.num, "num"), (kpi.den, "den")] {
        if let Some(part) = part {
            let _ = write!(out, ",\"{label}\":{part}");
        }
    }
    if let Some(squares) = kpi.squares {
        let _ = write!(out, ",\"squares\":{squares}");
    }
    let _ = write!(out, ",\"n\":{},\"unit\":\"{unit}\"", kpi.n);
    if let Some([low, high]) = kpi.interval {
        let _ = write!(out, ",\"interval\":[{},{}]", json_float(low), json_float(high));
    }
    if kpi.low_n {
        out.push_str(",\"low_n\":true");
    }
    if kpi.approx {
        out.push_str(",\"approx\":true");
    }
    if !kpi.unconverted.is_empty() {
        out.push_str(",\"unconverted\":{");
        for (i, (currency, sum)) in kpi.unconverted.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let _ = write!(out, "{comma}\"{currency}\":{sum}");
        }
        out.push('}');
    }
    out.push('}');
}

/// A number of a row, or null.
pub(super) fn json_number(number: Option<Number>) -> String {
    match number {
        Some(Number::Exact(e)) => e.to_string(),
        Some(Number::Float(f)) => json_float(f),
        None => "null".to_owned(),
    }
}

/// A text as a JSON string.
pub fn json_string(text: &str) -> String {
    serde_json::to_string(text).expect("a string always serializes")
}

/// A finite float as a JSON number, in the shortest form that reads back the same.
pub(super) fn json_float(f: f64) -> String {
    if f.is_finite() {
        serde_json::to_string(&f).expect("a finite float serializes")
    } else {
        "null".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kpi::{Group, Kpis, View};
    use crate::model::measure::{Measure, MeasureKey, Measures};
    use crate::model::money::Exact;
    use crate::model::time::Day;
    use crate::model::window::Period;

    fn row() -> Row {
        let eur = Currency::parse("EUR").unwrap();
        let flow: Measures = [
            (MeasureKey::plain(Measure::DealsWon), 1),
            (MeasureKey::plain(Measure::DealsLost), 2),
            (MeasureKey::currency(Measure::WonAmount, eur), Exact::whole(1).0 / 4),
            (MeasureKey::currency(Measure::WonPriced, eur), 1),
        ]
        .into_iter()
        .collect();
        let stock = Measures::new();
        let deals: Kpis = [Group::Deals].into_iter().collect();
        let view = View {
            flow: &flow,
            stock: &stock,
            opening: &stock,
            first_day: Day(0),
            before: [None; 3],
            age_days: 0,
            followed: None,
            working_days: Some(20),
            currency: eur,
        };
        Row {
            kind: WindowKind::Calendar(Period::Month),
            start: Timestamp::parse_rfc3339("2026-02-28T23:00:00Z").unwrap(),
            end: Timestamp::parse_rfc3339("2026-03-31T22:00:00Z").unwrap(),
            zone: "Europe/Berlin".to_owned(),
            segment: Segment::of([("rep", "O\"Brien | x")]),
            pane: Pane::Corrected,
            revision: 2,
            version: 41,
            as_of: None,
            complete_ratio: 0.5,
            incomplete: false,
            kpis: deals.kpis().map(|k| (k.name.clone(), k.unit, k.compute(&view))).collect(),
            currency: eur,
            targets: Vec::new(),
            funnel: None,
        }
    }

    #[test]
    fn a_row_is_json_and_keeps_its_numbers() {
        let row = row();
        let json: serde_json::Value = serde_json::from_str(&row.to_json()).unwrap();
        assert_eq!(json["kpis"]["revenue"]["value"], 0.25);
        assert_eq!(json["kpis"]["win_rate"]["num"], 1);
        assert_eq!(json["kpis"]["win_rate"]["den"], 3);
        assert_eq!(json["kpis"]["cohort_conversion"]["value"], serde_json::Value::Null);
        assert_eq!(json["segment"]["rep"], "O\"Brien | x");
        let doubtful: serde_json::Value =
            serde_json::from_str(&Row { incomplete: true, ..row.clone() }.to_json()).unwrap();
        assert_eq!((&doubtful["incomplete"], json.get("incomplete")), (&true.into(), None));
        assert_eq!(row.key(), "month:2026-02-28T23:00:00Z|rep=O\"Brien %7C x");
        insta::assert_snapshot!(row.to_json());
    }
}
