//! What the KPIs are, for joins in PromQL.

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
}
