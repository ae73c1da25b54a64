//! What the KPIs are, for joins in PromQL, and which of their series are left out.

use super::Telemetry;
use crate::model::kpi::Kpis;

impl Telemetry {
    /// The KPIs that rows have.
    pub fn kpis(&self, kpis: &Kpis) {
        for kpi in kpis.kpis() {
            let kind = if kpi.leading { "leading" } else { "lagging" };
            let labels = [&*kpi.name, &*kpi.family, kpi.unit.as_str(), kpi.clock.as_str(), kind];
            self.metrics.kpi_info.with_label_values(&labels).set(1.0);
        }
    }

    /// KPI series left out because their family was full.
    pub fn series_dropped(&self, family: &str, n: u64) {
        self.metrics.series_dropped.with_label_values(&[family]).inc_by(n);
    }
}
