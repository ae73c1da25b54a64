//! The stage table: what the stages of each system mean, in which order they come, and how they
//! are shown.

use std::collections::BTreeMap;

use super::event::Status;

/// What the table says of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Outcome of a deal that stands in it.
    pub status: Status,
    /// Place among the stages of its pipeline. A funnel goes by it; without one a stage comes behind
    /// those that have one, in the order of the rows.
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

/// The number of a row: its place among the rows as they were given. Measures of stages are kept by
/// it, so it is part of what the table means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StageIndex(pub u32);

/// Where a stage comes among those of its pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(bool, u32, StageIndex);

/// What stages mean. Won and lost come from here, or from an explicit `status`, never from the
/// stage's name.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct StageTable {
    /// By the stage as the source names it, so that a look-up allocates nothing.
    by_stage: BTreeMap<String, BTreeMap<Place, (StageIndex, Stage)>>,
    given: u32,
}

/// A row of the table as it is found: its number, where it comes, what is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'t> {
    /// The number of the row.
    pub index: StageIndex,
    /// The row.
    pub stage: &'t Stage,
}

impl Found<'_> {
    /// Where it comes among the stages of a pipeline.
    pub fn rank(&self) -> Rank {
        Rank(self.stage.order.is_none(), self.stage.order.unwrap_or(0), self.index)
    }
}

impl StageTable {
    /// Adds a row; gives back the one that it replaced.
    pub fn insert(&mut self, place: Place, stage: &str, row: Stage) -> Option<Stage> {
        let index = StageIndex(self.given);
        self.given += 1;
        let places = self.by_stage.entry(stage.to_owned()).or_default();
        places.insert(place, (index, row)).map(|(_, replaced)| replaced)
    }

    /// Whether it has no rows. Then no stage is unknown either: nothing is read from stages.
    pub fn is_empty(&self) -> bool {
        self.by_stage.is_empty()
    }

    /// Its rows: system and pipeline, stage, what is said of it.
    pub fn rows(&self) -> impl Iterator<Item = (&Place, &str, &Stage)> {
        self.numbered().map(|(place, stage, found)| (place, stage, found.stage))
    }

    /// Its rows with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (&Place, &str, Found<'_>)> {
        self.by_stage.iter().flat_map(|(name, places)| {
            places.iter().map(move |(place, (index, stage))| {
                (place, &**name, Found { index: *index, stage })
            })
        })
    }

    /// What the most exact row says: system and pipeline, system alone, pipeline alone, neither.
    /// `None` where the table does not know the stage: such a deal is open, and the caller counts it.
    pub fn find(&self, system: &str, pipeline: &str, stage: &str) -> Option<Found<'_>> {
        let fits = |named: &str, own: &str| named.is_empty() || named == own;
        let places = self.by_stage.get(stage)?.iter();
        places
            .filter(|((s, p), _)| fits(s, system) && fits(p, pipeline))
            .max_by_key(|((s, p), _)| (!s.is_empty(), !p.is_empty()))
            .map(|(_, (index, stage))| Found { index: *index, stage })
    }

    /// The outcome of a stage.
    pub fn status(&self, system: &str, pipeline: &str, stage: &str) -> Option<Status> {
        self.find(system, pipeline, stage).map(|found| found.stage.status)
    }

    /// The stages as a dimension shows them. One name may stand in several pipelines: it has a
    /// label only where all rows that have one agree, and its first order.
    pub fn shown(&self) -> impl Iterator<Item = (&str, Option<&str>, Option<u32>)> {
        self.by_stage.iter().map(|(stage, places)| {
            let mut labels = places.values().filter_map(|(_, row)| row.label.as_deref());
            let label = labels.next().filter(|first| labels.all(|l| l == *first));
            (&**stage, label, places.values().filter_map(|(_, row)| row.order).min())
        })
    }

    /// All that decides a number, as text: labels are for showing.
    pub fn meaning(&self) -> String {
        let row = |(place, stage, found): (&Place, &str, Found<'_>)| {
            let Found { index, stage: Stage { status, order, .. } } = found;
            format!("{place:?} {stage:?} {status:?} {order:?} {}", index.0)
        };
        self.numbered().map(row).collect::<Vec<_>>().join("\n")
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
    fn labels_decide_no_number_and_orders_do() {
        let open = || Stage::of(Status::Open);
        let plain = table(&[("a", "b", "c", open()), ("", "", "d", open())]);
        let meaning = |c: Stage| table(&[("a", "b", "c", c), ("", "", "d", open())]).meaning();
        let named = Stage { label: Some("C".to_owned()), ..open() };
        assert_eq!(meaning(named), plain.meaning());
        assert_ne!(meaning(Stage::of(Status::Won)), plain.meaning());
        // What is behind what decides whether a deal advanced or went back.
        assert_ne!(meaning(Stage { order: Some(1), ..open() }), plain.meaning());
        let turned = table(&[("", "", "d", open()), ("a", "b", "c", open())]);
        assert_ne!(turned.meaning(), plain.meaning());
    }

    #[test]
    fn stages_without_an_order_come_behind_the_others_as_they_were_written() {
        let stage = |order| Stage { order, ..Stage::of(Status::Open) };
        let table = table(&[
            ("", "", "late", stage(None)),
            ("", "", "second", stage(Some(2))),
            ("", "", "later", stage(None)),
            ("", "sales", "first", stage(Some(1))),
        ]);
        let mut found: Vec<_> = ["late", "second", "later", "first"]
            .map(|name| (table.find("", "sales", name).unwrap().rank(), name))
            .into();
        found.sort_unstable();
        let names: Vec<_> = found.into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["first", "second", "late", "later"]);
    }
}
