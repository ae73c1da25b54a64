//! Targets and benchmarks as a row has them in JSON.

use std::fmt::Write as _;

use super::{Aim, Standing};
use crate::model::kpi::Number;
use crate::model::row::{json_float, json_string};

/// The standings as two members of a JSON object, each with a comma before it: `targets` and
/// `benchmarks`. What is empty is left out.
pub fn standings_json(standings: &[Standing]) -> String {
    let mut out = String::new();
    for (aim, list, value) in
        [(Aim::Target, "targets", "target"), (Aim::Benchmark, "benchmarks", "benchmark")]
    {
        let mut own = standings.iter().filter(|s| s.aim == aim).peekable();
        if own.peek().is_none() {
            continue;
        }
        let _ = write!(out, ",\"{list}\":");
        for (i, standing) in own.enumerate() {
            out.push(if i == 0 { '{' } else { ',' });
            write_standing(&mut out, standing, value);
        }
        out.push('}');
    }
    out
}

/// Why a KPI that adds up has no pace.
const RIPENS: &str = "what came in this window goes on changing when the window is over";

fn write_standing(out: &mut String, s: &Standing, value: &str) {
    let float = |number: Option<f64>| number.map_or("null".to_owned(), json_float);
    let gap = match s.gap {
        Some(Number::Exact(exact)) => exact.to_string(),
        Some(Number::Float(number)) => json_float(number),
        None => "null".to_owned(),
    };
    let _ = write!(out, "{}:{{\"{value}\":{},\"gap\":{gap}", json_string(&s.kpi), s.value);
    let ratio = if s.aim == Aim::Target { "attainment" } else { "share" };
    let _ = write!(out, ",\"{ratio}\":{}", float(s.attainment));
    if let Some(days) = s.days {
        let _ = write!(
            out,
            ",\"pace\":{},\"required_per_day\":{},\"working_days\":{{\"total\":{},\"elapsed\":{},\"remaining\":{}}}",
            float(s.pace),
            float(s.required_per_day),
            days.total,
            days.elapsed,
            days.remaining
        );
    }
    if s.ripens {
        let _ = write!(out, ",\"no_pace\":{}", json_string(RIPENS));
    }
    if let Some(whole) = s.step_of {
        let _ = write!(out, ",\"step_of\":\"{}\"", whole.as_str());
    }
    for (name, text) in [("owner", &s.owner), ("note", &s.note)] {
        if let Some(text) = text {
            let _ = write!(out, ",\"{name}\":{}", json_string(text));
        }
    }
    out.push('}');
}
