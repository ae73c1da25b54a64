//! The board of drift: each watched KPI against its baseline.

use serde_json::{Value, json};

use super::frame::{Board, members};
use super::panel::{Row, folded, lines, query, row, states, table, title_of};
use crate::model::alert::{Kind, Signal};
use crate::model::kpi::Kpi;

const WORDS: [(i64, &str, &str); 4] = [
    (-1, "no data", "gray"),
    (0, "quiet", "green"),
    (1, "pending", "yellow"),
    (2, "firing", "red"),
];

/// Of whom a line is: the labels that it lacks are empty.
const LEGEND: &str = "{{kpi}} {{region}} {{territory}} {{channel}} {{team}} {{rep}}";
/// What has a band of its own: what is watched unless told otherwise, but for the whole.
const BANDS: [(&str, &str); 3] =
    [("territory", "Territory"), ("channel", "Channel"), ("team", "Team")];

pub(super) fn board() -> Board {
    let fired = states(
        (
            "States",
            "What is watched, over time. `no data` is a state of its own: no baseline yet, or a \
             stream that fell silent; `tidemark_<grain>_drift_no_data{reason}` says why.",
        ),
        (24, 10),
        vec![query(
            "max without (instance) ({__name__=~\"tidemark_.+_drift_state\", job=\"$job\"})",
            LEGEND,
        )],
        &WORDS,
    );
    let told = (
        "Evidence",
        "In thresholds: at 1 an alert is pending or fires. The threshold follows from the false \
         alarms that `drift.false_alarms` tolerates.",
    );
    let expr = "max without (instance) ({__name__=~\"tidemark_.+_drift_score\", job=\"$job\"})";
    let evidence = lines(told, "none", (24, 8), vec![query(expr, LEGEND)]);
    let mut rows = vec![row("", vec![fired, evidence, promised()])];
    rows.extend(Signal::ALL.iter().map(|(signal, name)| of(*signal, name)));
    Board {
        uid: "tidemark-drift",
        title: "Tidemark 5: Drift",
        about: "Whether segments still sell as they used to: value and interval against the frozen \
                baseline. docs/drift.md has the method.",
        variables: BANDS.iter().map(|(grain, label)| members(grain, label)).collect(),
        rows,
    }
}

/// How seldom a stream alarms falsely, and on how much that stands.
fn promised() -> Value {
    let all = |suffix: &str| {
        format!(
            "max without (instance) ({{__name__=~\"tidemark_.+_drift_{suffix}\", job=\"$job\"}})"
        )
    };
    let (arl0, samples) = (all("arl0"), all("baseline_samples"));
    let age = format!("time() - {}", all("baseline_end_timestamp_seconds"));
    let told = (
        "What is promised",
        "Mean cases (days, of counts) between two false alarms of a stream (ARL0), how many cases \
         its baseline has, and how long ago that ended. A baseline is an estimate: on few cases \
         false alarms come sooner or later than this.",
    );
    let columns = [
        ("Cases between two false alarms", "short", &*arl0),
        ("Cases in the baseline", "short", &*samples),
        ("Age of the baseline", "s", &*age),
    ];
    table(told, (24, 8), &columns)
}

/// One KPI: overall, and a panel a territory, channel and team.
fn of(signal: Signal, name: &str) -> Row {
    let title = Kpi::named(name).map_or_else(|| name.to_owned(), title_of);
    let unit = match signal.kind() {
        Kind::Proportion => "percentunit",
        Kind::Duration => "s",
        Kind::Count | Kind::Amount => "short",
    };
    let mut panels = vec![band("overall", &format!("{title}: overall"), name, unit, "", (24, 8))];
    for (grain, _) in BANDS {
        let mut one = band(
            grain,
            &format!("{title}: ${grain}"),
            name,
            unit,
            &format!(", {grain}=\"${grain}\""),
            (8, 7),
        );
        one["repeat"] = grain.into();
        one["repeatDirection"] = "h".into();
        one["maxPerRow"] = 3.into();
        panels.push(one);
    }
    match signal {
        Signal::WinRate | Signal::CycleLength => row(&title, panels),
        _ => folded(&title, panels),
    }
}

/// A value with its interval as a band, and the baseline across.
fn band(grain: &str, title: &str, kpi: &str, unit: &str, picked: &str, size: (u64, u64)) -> Value {
    let series = |suffix: &str| {
        format!("max(tidemark_{grain}_drift_{suffix}{{job=\"$job\", kpi=\"{kpi}\"{picked}}})")
    };
    let asked = vec![
        query(&series("value_lower"), "95 % from"),
        query(&series("value_upper"), "95 % to"),
        query(&series("value"), "now"),
        query(&series("baseline"), "baseline"),
    ];
    let told = (
        title,
        "The value that is judged (of 28 days, or since the change) with its interval of 95 %, and \
         what the same days would have had under the baseline. Empty where it is not watched, or \
         has no baseline yet.",
    );
    let mut out = lines(told, unit, size, asked);
    let custom = |id: &str, value: Value| json!({ "id": format!("custom.{id}"), "value": value });
    let over = |name: &str, properties: Vec<Value>| json!({ "matcher": { "id": "byName", "options": name }, "properties": properties });
    let fixed =
        |color: &str| json!({ "id": "color", "value": { "mode": "fixed", "fixedColor": color } });
    out["fieldConfig"]["overrides"] = json!([
        over("95 % from", vec![fixed("blue"), custom("lineWidth", json!(0))]),
        over(
            "95 % to",
            vec![
                fixed("blue"),
                custom("lineWidth", json!(0)),
                custom("fillBelowTo", json!("95 % from")),
                custom("fillOpacity", json!(20)),
            ],
        ),
        over("now", vec![fixed("blue")]),
        over(
            "baseline",
            vec![fixed("orange"), custom("lineStyle", json!({ "fill": "dash", "dash": [10, 10] }))],
        ),
    ]);
    out
}
