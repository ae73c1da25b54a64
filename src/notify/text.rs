//! An alert in a sentence or two, for people.

use super::alert::Explained;
use super::{Alert, Standing};
use crate::model::calendar::Calendar;

/// The unit of a count, which has no cases but itself.
const COUNT: &str = "count_per_day";

fn cases(n: u64) -> String {
    if n == 1 { "1 case".to_owned() } else { format!("{n} cases") }
}

/// What has happened, in one sentence.
pub(super) fn summary(alert: &Alert, standing: Standing) -> String {
    let said = &alert.said;
    let what = format!("{} {}", said.kpi.replace('_', " "), place(alert));
    let way = &said.direction;
    let (now, usual) = (value(said.now, &said.unit), value(said.baseline, &said.unit));
    match standing {
        Standing::Pending => format!("{what} may be {way}: {now}, usual is {usual}"),
        Standing::Firing => format!("{what} is {way}: {now}, usual is {usual}"),
        Standing::Resolved => {
            let over = match said.end.as_deref() {
                Some("recovered") => {
                    return format!(
                        "{what}: the evidence that it is {way} has fallen back; it was at {now}, usual is {usual}"
                    );
                }
                Some("no_data") => match said.end_reason.as_deref() {
                    Some("supply") => "has no data any more, since fewer deals are created",
                    Some("doubt") => "has no data any more, since days may lack records",
                    _ => "has no data any more",
                },
                Some("rebaselined") => "is judged by another baseline or other settings now",
                Some("unwatched") => "is watched no longer",
                _ => "is over",
            };
            format!("{what} {over}; it was {way} at {now}, usual is {usual}")
        }
        Standing::Withdrawn => {
            format!("{what} was not {way}: corrections took the alert back")
        }
    }
}

/// On what it rests.
pub(super) fn details(alert: &Alert, standing: Standing, calendar: &Calendar) -> String {
    let said = &alert.said;
    let day = |at: super::alert::Timestamp3339| said.day_of(at, calendar);
    let seen = match (said.unit.as_str(), said.n) {
        (COUNT, 0) => "None".to_owned(),
        (COUNT, n) => n.to_string(),
        (_, n) => cases(n),
    };
    let mut out = format!("{seen} since {}", day(said.change_time));
    if let Some((low, high)) = said.interval {
        let [low, high] = [low, high].map(|v| value(Some(v), &said.unit));
        out.push_str(&format!(", 95 % interval {low} to {high}"));
    }
    if let Some(effect) = said.effect {
        let side = if effect < 0.0 { "below" } else { "above" };
        out.push_str(&format!(", {:.0} % {side} usual", effect.abs() * 100.0));
    }
    let began = if standing == Standing::Pending { "Pending" } else { "Fired" };
    out.push_str(&format!(". {began} on the numbers of {}", day(said.since)));
    if let Some(resolved) = said.resolved {
        out.push_str(&format!(", over on {}", day(resolved)));
    }
    if let Some(explained) = said.explained.first().filter(|_| standing != Standing::Withdrawn) {
        out.push_str(&why(explained, &said.unit));
    }
    if let Some(beside) = said.siblings.filter(|_| standing != Standing::Withdrawn) {
        let streams = beside.streams;
        out.push_str(&match beside.believed {
            true => format!(". Believed also among the {streams} that were looked at"),
            false => format!(". One of {streams} that were looked at: chance may have picked it"),
        });
    }
    if let Some(rate) = said.false_alarms {
        out.push_str(&format!(
            ". False alarms expected: {rate:.2} a month, over all segments that share its tolerance"
        ));
        if let Some(run) = said.arl0 {
            let unit = if said.unit == COUNT { "days" } else { "cases" };
            out.push_str(&format!("; here one in {run:.0} {unit} (ARL0)"));
        }
    }
    out.push('.');
    out
}

/// Why it moved, by the dimension that says most.
fn why(explained: &Explained, unit: &str) -> String {
    let by = explained.by.replace('_', " ");
    let mut out = String::new();
    if let (Some(mix), Some(rate)) = (explained.mix, explained.rate) {
        out.push_str(&format!(
            ". Of the change of {}, by {by}: {} by their own numbers, {} by other weights",
            change(explained.change, unit),
            change(rate, unit),
            change(mix, unit)
        ));
    }
    let most = explained.contributors.iter().map(|who| {
        let name = who.segment.get(&explained.by).and_then(|value| value.as_str());
        format!(
            "{by} {} {} ({} to {}{})",
            name.unwrap_or_default(),
            change(who.effect, unit),
            value(who.baseline, unit),
            value(who.now, unit),
            // Of a count the value says how many there were.
            if unit == COUNT { String::new() } else { format!(" on {}", cases(who.n)) }
        )
    });
    let most: Vec<String> = most.collect();
    if !most.is_empty() {
        out.push_str(&format!(". Most by {}", most.join(", ")));
    }
    if explained.simpson {
        out.push_str(&format!(". Every {by} that moved went the other way: only weights changed"));
    }
    out
}

/// A change, with its sign.
fn change(change: f64, unit: &str) -> String {
    match unit {
        "ratio" => format!("{:+.1} points", change * 100.0),
        "days" => format!("{change:+.1} days"),
        COUNT => format!("{change:+.1} a day"),
        currency => format!("{change:+.*} {currency}", cents(change)),
    }
}

/// Where: `overall`, or `of territory north, channel web`.
fn place(alert: &Alert) -> String {
    if alert.said.segment.is_empty() {
        return "overall".to_owned();
    }
    let part = |(name, value): (&String, &serde_json::Value)| {
        format!("{name} {}", value.as_str().unwrap_or_default())
    };
    let parts: Vec<String> = alert.said.segment.iter().map(part).collect();
    format!("of {}", parts.join(", "))
}

fn value(value: Option<f64>, unit: &str) -> String {
    match (value, unit) {
        (None, _) => "nothing".to_owned(),
        (Some(value), "ratio") => format!("{:.1} %", value * 100.0),
        (Some(value), "days") => format!("{value:.1} days"),
        (Some(value), COUNT) => format!("{value:.1} a day"),
        (Some(value), currency) => format!("{value:.*} {currency}", cents(value)),
    }
}

/// Decimals of an amount: none where nobody would read them.
fn cents(amount: f64) -> usize {
    if amount.abs() < 1000.0 { 2 } else { 0 }
}
