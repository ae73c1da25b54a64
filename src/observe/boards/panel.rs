//! Panels, and how they lie on a board.

use serde_json::{Value, json};

use crate::model::kpi::{Kpi, Unit};

/// Columns of a board.
const COLUMNS: u64 = 24;

/// Width and height of a panel, in columns and rows of Grafana's grid.
pub(super) type Size = (u64, u64);

/// A row of panels; without a title they lie at the top.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub title: String,
    /// Whether it is folded up when the board opens: then it asks nothing of Prometheus.
    pub collapsed: bool,
    pub panels: Vec<Value>,
}

/// A row that is open.
pub(super) fn row(title: &str, panels: Vec<Value>) -> Row {
    Row { title: title.to_owned(), collapsed: false, panels }
}

/// A row that is folded up.
pub(super) fn folded(title: &str, panels: Vec<Value>) -> Row {
    Row { title: title.to_owned(), collapsed: true, panels }
}

/// A query over the span of the board.
pub(super) fn query(expr: &str, legend: &str) -> Value {
    json!({ "editorMode": "code", "expr": expr, "legendFormat": legend, "range": true })
}

/// The same with the exemplars that Prometheus keeps beside its series.
pub(super) fn query_named(expr: &str, legend: &str) -> Value {
    let mut out = query(expr, legend);
    out["exemplar"] = true.into();
    out
}

/// A query of now, as rows of a table.
pub(super) fn now(expr: &str) -> Value {
    json!({
        "editorMode": "code", "expr": expr, "format": "table", "instant": true, "range": false,
    })
}

/// A query of now, as one bar or number a series.
pub(super) fn bar(expr: &str, legend: &str) -> Value {
    json!({
        "editorMode": "code", "expr": expr, "legendFormat": legend, "instant": true, "range": false,
    })
}

/// A panel without options of its kind.
fn panel(
    kind: &str,
    (title, about): (&str, &str),
    unit: &str,
    size: Size,
    asked: Vec<Value>,
) -> Value {
    let targets: Vec<Value> = asked
        .into_iter()
        .zip('A'..)
        .map(|(mut target, letter)| {
            target["refId"] = letter.to_string().into();
            target
        })
        .collect();
    json!({
        "type": kind,
        "title": title,
        "description": about,
        "datasource": { "type": "prometheus", "uid": "${datasource}" },
        "gridPos": { "h": size.1, "w": size.0, "x": 0, "y": 0 },
        "fieldConfig": {
            "defaults": { "unit": unit, "noValue": "no data" },
            "overrides": [],
        },
        "options": {},
        "targets": targets,
    })
}

/// Lines over time.
pub(super) fn lines(told: (&str, &str), unit: &str, size: Size, asked: Vec<Value>) -> Value {
    let mut out = panel("timeseries", told, unit, size, asked);
    out["options"] = json!({
        "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [] },
        "tooltip": { "mode": "multi", "sort": "desc" },
    });
    out["fieldConfig"]["defaults"]["custom"] =
        json!({ "lineWidth": 2, "fillOpacity": 0, "showPoints": "never", "spanNulls": false });
    out
}

/// One number with its course behind it.
pub(super) fn number(told: (&str, &str), unit: &str, size: Size, asked: Vec<Value>) -> Value {
    let mut out = panel("stat", told, unit, size, asked);
    out["options"] = json!({
        "colorMode": "none", "graphMode": "area", "justifyMode": "auto", "textMode": "auto",
        "orientation": "auto", "wideLayout": true, "showPercentChange": false,
        "percentChangeColorMode": "standard",
        "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
    });
    out
}

/// One bar a series.
pub(super) fn bars(told: (&str, &str), unit: &str, size: Size, asked: Vec<Value>) -> Value {
    let mut out = panel("bargauge", told, unit, size, asked);
    out["options"] = json!({
        "displayMode": "basic", "orientation": "horizontal", "valueMode": "text",
        "namePlacement": "auto", "showUnfilled": true, "sizing": "auto",
        "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300,
        "legend": { "displayMode": "list", "placement": "bottom", "showLegend": false, "calcs": [] },
        "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
    });
    out["fieldConfig"]["defaults"]["min"] = 0.into();
    out
}

/// A table of what several queries say of the same labels; columns with name and unit.
pub(super) fn table(told: (&str, &str), size: Size, columns: &[(&str, &str, &str)]) -> Value {
    let asked = columns.iter().map(|(_, _, expr)| now(expr)).collect();
    let mut out = panel("table", told, "short", size, asked);
    let mut renamed = serde_json::Map::new();
    let mut overrides = Vec::new();
    for ((name, unit, _), letter) in columns.iter().zip('A'..) {
        renamed.insert(format!("Value #{letter}"), (*name).into());
        overrides.push(json!({
            "matcher": { "id": "byName", "options": name },
            "properties": [{ "id": "unit", "value": unit }],
        }));
    }
    // One query alone is called otherwise.
    if let [(name, _, _)] = columns {
        renamed.insert("Value".to_owned(), (*name).into());
    }
    out["fieldConfig"]["overrides"] = overrides.into();
    out["options"] = json!({ "showHeader": true, "frameIndex": 0, "cellHeight": "sm" });
    out["transformations"] = json!([
        { "id": "merge", "options": {} },
        { "id": "organize", "options": {
            "excludeByName": { "Time": true, "__name__": true }, "indexByName": {},
            "renameByName": renamed,
        } },
    ]);
    out
}

/// Which state a thing was in, over time: value, word, color.
pub(super) fn states(
    told: (&str, &str),
    size: Size,
    asked: Vec<Value>,
    words: &[(i64, &str, &str)],
) -> Value {
    let mut out = panel("state-timeline", told, "none", size, asked);
    out["options"] = json!({
        "mergeValues": true, "rowHeight": 0.9, "showValue": "auto", "alignValue": "left",
        "legend": { "displayMode": "list", "placement": "bottom", "showLegend": false, "calcs": [] },
        "tooltip": { "mode": "single", "sort": "none" },
    });
    let mut shown = serde_json::Map::new();
    for (i, (value, word, color)) in words.iter().enumerate() {
        shown.insert(value.to_string(), json!({ "text": word, "color": color, "index": i }));
    }
    out["fieldConfig"]["defaults"]["mappings"] = json!([{ "type": "value", "options": shown }]);
    out
}

/// What a link carries of the variable of the window.
pub(super) const WINDOW: &str = "${window:queryparam}";

/// With one more link from its values to another board. It carries the span, data source and job, and
/// these values of variables that the other board has.
pub(super) fn drill(mut panel: Value, title: &str, uid: &str, carried: &[&str]) -> Value {
    let always = ["${__url_time_range}", "${datasource:queryparam}", "${job:queryparam}"];
    let carried: Vec<&str> = always.iter().chain(carried).copied().collect();
    let url = format!("/d/{uid}?{}", carried.join("&"));
    let link = json!({ "title": title, "url": url, "targetBlank": false });
    match panel["fieldConfig"]["defaults"]["links"].as_array_mut() {
        Some(links) => links.push(link),
        None => panel["fieldConfig"]["defaults"]["links"] = json!([link]),
    }
    panel
}

/// Grafana's unit of a KPI on `/metrics`.
pub(super) fn unit_of(kpi: &Kpi) -> &'static str {
    match kpi.unit {
        Unit::Count | Unit::Money => "short",
        Unit::Ratio => "percentunit",
        Unit::Days | Unit::Minutes => "s",
        Unit::Points => "none",
    }
}

/// What a KPI is called on a panel.
pub(super) fn title_of(kpi: &Kpi) -> String {
    let words: Vec<String> = kpi
        .name
        .split('_')
        .enumerate()
        .map(|(i, word)| match word {
            "mrr" | "nps" | "csat" | "ces" | "roi" => word.to_uppercase(),
            "p50" => "(median)".to_owned(),
            "p90" => "(90th percentile)".to_owned(),
            "90d" => "within 90 days".to_owned(),
            word if i == 0 => {
                let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
                first.to_uppercase() + rest
            }
            word => word.to_owned(),
        })
        .collect();
    words.join(" ")
}

/// What a panel says of a KPI.
pub(super) fn about(kpi: &Kpi) -> String {
    let money = if kpi.unit == Unit::Money { " In the reporting currency." } else { "" };
    format!("{}: {}. {}{money}", kpi.name, kpi.text, kpi.doc)
}

/// The panels with their places and numbers.
pub(super) fn lay(rows: Vec<Row>) -> Vec<Value> {
    let mut out = Vec::new();
    let (mut y, mut id) = (0, 0);
    let mut next = || {
        id += 1;
        id
    };
    for row in rows {
        let mut head = None;
        if !row.title.is_empty() {
            head = Some(json!({
                "type": "row", "id": next(), "title": row.title, "collapsed": row.collapsed,
                "gridPos": { "h": 1, "w": COLUMNS, "x": 0, "y": y }, "panels": [],
            }));
            y += 1;
        }
        let (mut x, mut height, mut placed) = (0, 0, Vec::new());
        let (top, mut at) = (y, y);
        for mut panel in row.panels {
            let place = |key: &str| panel["gridPos"][key].as_u64().unwrap_or(1);
            let (w, h) = (place("w"), place("h"));
            if x + w > COLUMNS {
                (x, at, height) = (0, at + height, 0);
            }
            panel["gridPos"] = json!({ "h": h, "w": w, "x": x, "y": at });
            panel["id"] = next().into();
            (x, height) = (x + w, height.max(h));
            placed.push(panel);
        }
        // What is folded up takes no room.
        y = if row.collapsed { top } else { at + height };
        match head {
            Some(mut head) if row.collapsed => {
                head["panels"] = placed.into();
                out.push(head);
            }
            head => {
                out.extend(head);
                out.extend(placed);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_flow_and_folded_rows_take_no_room() {
        let one = |w, h| number(("t", "d"), "short", (w, h), vec![query("up", "")]);
        let rows = vec![
            row("", vec![one(12, 4), one(12, 6), one(8, 3)]),
            folded("f", vec![one(24, 5)]),
            row("o", vec![one(6, 2)]),
        ];
        let laid = lay(rows);
        let places: Vec<(u64, u64)> = laid
            .iter()
            .map(|p| (p["gridPos"]["x"].as_u64().unwrap(), p["gridPos"]["y"].as_u64().unwrap()))
            .collect();
        assert_eq!(places, [(0, 0), (12, 0), (0, 6), (0, 9), (0, 10), (0, 11)]);
        assert_eq!(laid[3]["panels"][0]["gridPos"]["y"], 10);
        let ids: Vec<u64> = laid.iter().map(|p| p["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, [1, 2, 3, 4, 6, 7]);
    }

    #[test]
    fn kpis_have_titles() {
        let titles: Vec<String> =
            ["revenue", "cycle_length_p50", "cohort_conversion_90d", "new_mrr"]
                .iter()
                .map(|name| title_of(Kpi::named(name).unwrap()))
                .collect();
        let wanted =
            ["Revenue", "Cycle length (median)", "Cohort conversion within 90 days", "New MRR"];
        assert_eq!(titles, wanted);
    }
}
