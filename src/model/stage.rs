//! The stage table: what the stages of each system mean, in which order they come, and how they
//! are shown.

use std::collections::BTreeMap;

use super::event::Status;

/// What the table says of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Outcome of a deal that stands in it.
    pub status: Status,
    /// Place among the stages of its pipeline, for showing.
    pub order: Option<u32>,
    /// Name to show; the source's own name stays the value.
    pub label: Option<String>,
}

impl Stage {
    /// A stage of which only the outcome is known.
    pub fn of(status: Status) -> Stage {
        Stage { status, order: None, label: None }
    }
}

/// Where a row of the table holds: an empty system or pipeline stands for any.
pub type Place = (String, String);

/// What stages mean. Won and lost come from here, or from an explicit `status`, never from the
/// stage's name.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct StageTable {
    /// By the stage as the source names it, so that a look-up allocates nothing.
    by_stage: BTreeMap<String, BTreeMap<Place, Stage>>,
}

impl StageTable {
    /// Adds a row; gives back the one that it replaced.
    pub fn insert(&mut self, place: Place, stage: &str, row: Stage) -> Option<Stage> {
        self.by_stage.entry(stage.to_owned()).or_default().insert(place, row)
    }

    /// Whether it has no rows. Then no stage is unknown either: nothing is read from stages.
    pub fn is_empty(&self) -> bool {
        self.by_stage.is_empty()
    }

    /// Its rows: system and pipeline, stage, what is said of it.
    pub fn rows(&self) -> impl Iterator<Item = (&Place, &str, &Stage)> {
        self.by_stage
            .iter()
            .flat_map(|(stage, places)| places.iter().map(move |(p, row)| (p, &**stage, row)))
    }

    /// What the most exact row says: system and pipeline, system alone, pipeline alone, neither.
    /// `None` where the table does not know the stage: such a deal is open, and the caller counts it.
    pub fn find(&self, system: &str, pipeline: &str, stage: &str) -> Option<&Stage> {
        let fits = |named: &str, own: &str| named.is_empty() || named == own;
        let places = self.by_stage.get(stage)?.iter();
        places
            .filter(|((s, p), _)| fits(s, system) && fits(p, pipeline))
            .max_by_key(|((s, p), _)| (!s.is_empty(), !p.is_empty()))
            .map(|(_, row)| row)
    }

    /// The outcome of a stage.
    pub fn status(&self, system: &str, pipeline: &str, stage: &str) -> Option<Status> {
        self.find(system, pipeline, stage).map(|row| row.status)
    }

    /// The stages as a dimension shows them. One name may stand in several pipelines: it has a
    /// label only where all rows that have one agree, and its first order.
    pub fn shown(&self) -> impl Iterator<Item = (&str, Option<&str>, Option<u32>)> {
        self.by_stage.iter().map(|(stage, places)| {
            let mut labels = places.values().filter_map(|row| row.label.as_deref());
            let label = labels.next().filter(|first| labels.all(|l| l == *first));
            (&**stage, label, places.values().filter_map(|row| row.order).min())
        })
    }

    /// All that decides a number, as text: labels and orders are for showing.
    pub fn meaning(&self) -> String {
        let row = |(place, stage, row): (&Place, &str, &Stage)| {
            format!("{place:?} {stage:?} {:?}", row.status)
        };
        self.rows().map(row).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, &str, &str, Stage)]) -> StageTable {
        let mut out = StageTable::default();
        for (system, pipeline, stage, row) in rows {
            out.insert(((*system).to_owned(), (*pipeline).to_owned()), stage, row.clone());
        }
        out
    }

    #[test]
    fn the_most_exact_stage_wins() {
        let table = table(&[
            ("", "", "closedwon", Stage::of(Status::Won)),
            ("", "renewals", "closedwon", Stage::of(Status::Lost)),
            ("hubspot", "renewals", "closedwon", Stage::of(Status::Open)),
            ("hubspot", "", "signed", Stage::of(Status::Won)),
            ("", "renewals", "signed", Stage::of(Status::Lost)),
        ]);
        assert_eq!(table.status("hubspot", "default", "closedwon"), Some(Status::Won));
        assert_eq!(table.status("hubspot", "renewals", "closedwon"), Some(Status::Open));
        assert_eq!(table.status("close", "renewals", "closedwon"), Some(Status::Lost));
        assert_eq!(table.status("hubspot", "renewals", "signed"), Some(Status::Won));
        assert_eq!(table.status("close", "", "signed"), None);
        assert_eq!(table.status("hubspot", "default", "Closed Won!"), None);
    }

    #[test]
    fn a_name_of_several_pipelines_is_labeled_where_they_agree() {
        let stage = |order, label: &str| Stage {
            order: Some(order),
            label: Some(label.to_owned()),
            ..Stage::of(Status::Open)
        };
        let table = table(&[
            ("pipedrive", "1", "3", stage(3, "Demo")),
            ("pipedrive", "2", "3", stage(1, "Call")),
            ("pipedrive", "1", "4", stage(4, "Offer")),
            ("pipedrive", "2", "4", stage(5, "Offer")),
            ("pipedrive", "2", "5", Stage::of(Status::Lost)),
        ]);
        assert_eq!(
            table.shown().collect::<Vec<_>>(),
            [("3", None, Some(1)), ("4", Some("Offer"), Some(4)), ("5", None, None)]
        );
    }

    #[test]
    fn labels_and_orders_decide_no_number() {
        let plain = table(&[("a", "b", "c", Stage::of(Status::Open))]);
        let named = Stage { order: Some(1), label: Some("C".to_owned()), status: Status::Open };
        assert_eq!(table(&[("a", "b", "c", named)]).meaning(), plain.meaning());
        let won = table(&[("a", "b", "c", Stage::of(Status::Won))]);
        assert_ne!(won.meaning(), plain.meaning());
    }
}
