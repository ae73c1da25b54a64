//! What all boards have: variables, annotations, links.

use serde_json::{Value, json};

use super::SPAN;
use super::panel::{Row, lay};

/// A board.
#[derive(Clone, Debug)]
pub(super) struct Board {
    /// For ever the same: links and bookmarks name it.
    pub uid: &'static str,
    pub title: &'static str,
    pub about: &'static str,
    /// Its variables, beside data source and job.
    pub variables: Vec<Value>,
    pub rows: Vec<Row>,
}

impl Board {
    /// As Grafana reads it.
    pub fn json(self, runbooks: &str) -> Value {
        let mut variables =
            vec![datasource(), one("job", "Job", "label_values(tidemark_build_info, job)", None)];
        variables.extend(self.variables);
        json!({
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["tidemark"],
            "schemaVersion": 42,
            "editable": false,
            "graphTooltip": 1,
            "refresh": "1m",
            "time": { "from": SPAN, "to": "now" },
            "timezone": "browser",
            "annotations": { "list": annotations() },
            "links": links(runbooks),
            "templating": { "list": variables },
            "panels": lay(self.rows),
        })
    }
}

fn datasource() -> Value {
    json!({
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
        "refresh": 1, "multi": false, "includeAll": false,
    })
}

/// A variable with one value; `first` is what it is before anybody chooses.
pub(super) fn one(name: &str, label: &str, query: &str, first: Option<&str>) -> Value {
    let mut out = asked(name, label, query);
    if let Some(first) = first {
        out["current"] = json!({ "text": first, "value": first });
    }
    out
}

/// A variable with any number of values, all of them to begin with.
pub(super) fn many(name: &str, label: &str, query: &str) -> Value {
    let mut out = asked(name, label, query);
    out["multi"] = true.into();
    out["includeAll"] = true.into();
    out["allValue"] = ".+".into();
    out["current"] = json!({ "text": "All", "value": "$__all" });
    out
}

fn asked(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name, "label": label, "type": "query",
        "datasource": { "type": "prometheus", "uid": "${datasource}" },
        "query": { "query": query, "refId": "Variable" },
        // Asked anew when the span changes: what has ended is not offered.
        "refresh": 2, "sort": 1, "multi": false, "includeAll": false,
    })
}

/// The window: every query of a KPI pins it. Whichever segments the job has, they have the same ones.
pub(super) fn window() -> Value {
    let query =
        "label_values({__name__=~\"tidemark_.+_window_complete_ratio\", job=\"$job\"}, window)";
    one("window", "Window", query, Some("rolling_28d"))
}

/// The members of a dimension.
pub(super) fn members(dimension: &str, label: &str) -> Value {
    let query = format!(
        "label_values(tidemark_{dimension}_window_complete_ratio{{job=\"$job\"}}, {dimension})"
    );
    many(dimension, label, &query)
}

/// The reps of the chosen territories, as the directory has them today; of whom it names no territory
/// all, so that without a directory everybody can be chosen.
pub(super) fn reps() -> Value {
    let known = "tidemark_rep_info{job=\"$job\", territory=~\"$territory\"}";
    let others = "tidemark_rep_window_complete_ratio{job=\"$job\"} unless on (rep) \
                  tidemark_rep_info{job=\"$job\", territory!=\"\"}";
    let query = format!("query_result(group by (rep) ({known}) or group by (rep) ({others}))");
    let mut out = many("rep", "Rep", &query);
    // "All" is then those that are offered, and not everybody.
    if let Some(out) = out.as_object_mut() {
        out.shift_remove("allValue");
    }
    out["regex"] = "/rep=\"((?:[^\"\\\\]|\\\\.)*)\"/".into();
    out
}

fn annotations() -> Value {
    let annotation = |name: &str, color: &str, expr: &str, title: &str, text: &str| {
        json!({
            "name": name, "enable": true, "hide": false, "iconColor": color,
            "datasource": { "type": "prometheus", "uid": "${datasource}" },
            "target": { "expr": expr, "refId": "Annotation" },
            "titleFormat": title, "textFormat": text,
        })
    };
    json!([
        annotation(
            "Alerts",
            "red",
            "ALERTS{alertname=~\"Tidemark.+\", alertstate=\"firing\"}",
            "{{alertname}}",
            "{{severity}} {{instance}} {{stage}} {{part}} {{territory}} {{channel}} {{team}} {{rep}}",
        ),
        annotation(
            "Restarts",
            "blue",
            "changes(process_start_time_seconds{job=\"$job\"}[2m]) > 0",
            "Restart",
            "{{instance}}",
        ),
        annotation(
            "Configuration",
            "purple",
            "count by (definition, reference) (tidemark_config_info{job=\"$job\"}) unless \
             count by (definition, reference) \
             (last_over_time(tidemark_config_info{job=\"$job\"}[1h] offset 2m))",
            "Another configuration",
            "{{definition}} {{reference}}",
        ),
    ])
}

fn links(runbooks: &str) -> Value {
    let runbooks = format!("{}/README.md", runbooks.trim_end_matches('/'));
    json!([
        {
            "type": "dashboards", "title": "Tidemark", "tags": ["tidemark"], "icon": "dashboard",
            "tooltip": "", "asDropdown": false, "includeVars": true, "keepTime": true,
            "targetBlank": false,
        },
        {
            "type": "link", "title": "Runbooks", "tags": [], "icon": "doc", "url": runbooks,
            "tooltip": "What to do when an alert fires", "asDropdown": false, "includeVars": false,
            "keepTime": false, "targetBlank": true,
        },
    ])
}
