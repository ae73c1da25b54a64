//! What operators load into Prometheus and Grafana: alerting rules and dashboards, made from the
//! declarations that the code runs on, so that no name in them can be one that is not there.
//!
//! [`alerts`] declares the rules, [`rules`] writes them as YAML for Prometheus. [`boards`] declares
//! the dashboards from the catalogue of KPIs, and writes them as JSON for Grafana. `tidemark
//! generate alerts` and `tidemark generate dashboards` put them into files; what stands in `deploy/`
//! is their output, and tests compare it.

pub mod alerts;
pub mod boards;
pub mod rules;

/// Where the runbooks are read, without the name of the page.
pub const RUNBOOKS: &str = "https://github.com/tidemark/tidemark/blob/main/docs/runbooks";
