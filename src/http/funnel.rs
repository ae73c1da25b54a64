//! What a row says of its funnel on `/metrics`: families with the label `stage`.

use super::metrics::{DAY_SECONDS, escape};
use crate::model::funnel::FAMILIES;
use crate::model::row::Row;

/// What each family tells.
const HELP: [&str; FAMILIES.len()] = [
    "Visits of the stage that began in the window",
    "Of them those that ended with a later stage, or with the deal won",
    "Of them those that ended with an earlier stage",
    "Of them those that ended with the deal lost",
    "Of them those that ended otherwise: another pipeline, an unknown stage, none",
    "Of them those that go on: the deal is still in the stage",
    "Deals won in the window that had come to the stage",
    "Deals won or lost in the window that had come to the stage",
    "Of the visits that began in the window the share that advanced",
    "Of the visits that began in the window the share that was lost",
    "Of the deals closed in the window that had come to the stage the share that was won",
    "Median time of the ended visits (86400 seconds a civil day)",
    "90th percentile of the time of the ended visits, likewise",
    "Visits that ended: those behind the times",
];

/// Every sample: suffix of the family, help, labels, value.
pub(crate) fn samples(
    row: &Row,
    labels: &str,
    mut sample: impl FnMut(&str, &'static str, &str, f64),
) {
    let Some(funnel) = &row.funnel else { return };
    for stage in &funnel.stages {
        let mut own = labels.trim_end_matches('}').to_owned();
        own.push_str(",stage=\"");
        escape(&mut own, &stage.step.name);
        own.push_str("\"}");
        let counts = stage.counts().map(|(_, n)| Some(n as f64));
        let [rate, drop, win] =
            [stage.step_rate, stage.drop_off, stage.win_rate].map(|r| r.map(|r| r.to_f64()));
        let [p50, p90] =
            [stage.days_p50, stage.days_p90].map(|d| d.map(|d| d.to_f64() * DAY_SECONDS));
        let others = [rate, drop, win, p50, p90, Some(stage.n as f64)];
        let values = counts.into_iter().chain(others);
        for ((suffix, help), value) in FAMILIES.iter().zip(HELP).zip(values) {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                sample(suffix, help, &own, value);
            }
        }
    }
}
