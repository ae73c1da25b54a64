//! What is posted, by the type of the receiver.

use serde_json::{Map, Value, json};

use super::{Alert, Notice, Standing, text};
use crate::model::calendar::Calendar;
use crate::model::time::{Span, Timestamp};

/// How long Alertmanager is told an open alert lasts: several times as long as the pause until it
/// is told again, so that it ends by itself where nobody is left to tell.
pub const AHEAD: Span = Span::minutes(5);

/// The id of a message: the same whenever this is told, so that receivers can fold repetitions, and
/// another one when a correction makes an alert stand again as it stood before. So it is made of where
/// it came to stand so, and not of what else was told before or behind it, nor of days that a
/// correction moves.
pub fn id(notice: &Notice) -> String {
    let (alert, standing, stood) = (notice.alert.id(), notice.standing.as_str(), notice.stood);
    let text = format!("{alert}|{standing}|{stood}");
    format!("msg_{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
}

/// The alert as it stands on the topic, wrapped for whoever takes webhooks.
pub fn webhook(notice: &Notice, app: &str) -> String {
    let [id, app, summary] =
        [id(notice), app.to_owned(), text::summary(&notice.alert, notice.standing)]
            .map(|text| Value::from(text).to_string());
    format!(
        "{{\"type\":\"alert\",\"id\":{id},\"app\":{app},\"state\":\"{}\",\"summary\":{summary},\
         \"data\":{}}}",
        notice.standing.as_str(),
        notice.alert.json()
    )
}

/// One message, as Slack's incoming webhooks take it, and what speaks like them.
pub fn slack(notice: &Notice, calendar: &Calendar) -> String {
    let (alert, standing) = (&notice.alert, notice.standing);
    let head = standing.as_str().to_uppercase();
    let said =
        format!("{}\n{}", text::summary(alert, standing), text::details(alert, standing, calendar));
    // Slack reads these three as markup.
    let said = said.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "text": format!("*{head}* {said}") }).to_string()
}

/// Alerts as Alertmanager's API v2 takes them. What is open ends [`AHEAD`] of `now` unless it is
/// told again.
pub fn alertmanager<'a>(
    alerts: impl IntoIterator<Item = (&'a Alert, Standing)>,
    app: &str,
    calendar: &Calendar,
    now: Timestamp,
) -> String {
    let one = |(alert, standing): (&Alert, Standing)| {
        // It refuses what begins behind its end, and a demo's days may lie ahead of the clock.
        let starts = alert.said.since.0.min(now);
        let ended = alert.said.resolved.map_or(now, |at| at.0).min(now).max(starts);
        let ends = if standing.is_over() { ended } else { now + AHEAD };
        json!({
            "labels": labels(alert, app),
            "annotations": {
                "summary": text::summary(alert, standing),
                "description": text::details(alert, standing, calendar),
            },
            "startsAt": starts.to_string(),
            "endsAt": ends.to_string(),
        })
    };
    Value::Array(alerts.into_iter().map(one).collect()).to_string()
}

/// What Alertmanager tells alerts apart by. The id is one of them, so that the end of one episode is
/// not the end of the next one.
fn labels(alert: &Alert, app: &str) -> Map<String, Value> {
    let said = &alert.said;
    let own = [
        ("alertname", "TidemarkDrift"),
        ("alert_id", &said.id),
        ("app", app),
        ("kpi", &said.kpi),
        ("direction", &said.direction),
        // By this the shipped routes know what is for those who sell.
        ("area", "drift"),
        ("severity", "warning"),
    ];
    let mut out: Map<String, Value> =
        own.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    for (dimension, value) in &said.segment {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let mut name: String = dimension.chars().map(plain).collect();
        while out.contains_key(&name) || name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert_str(0, "dimension_");
        }
        out.insert(name, value.clone());
    }
    out
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
