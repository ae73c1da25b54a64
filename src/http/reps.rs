//! The reps of the directory on `/metrics`: what numbers by rep are joined with, and chosen by.

use std::fmt::Write as _;

use super::metrics::{Caps, Help, KpiPage, escape};
use crate::model::definition::{Directory, DirectoryEntry};
use crate::model::time::Day;

/// The family.
const FAMILY: &str = "tidemark_rep_info";

impl KpiPage {
    /// Who is who on a day: id, name, team, territory and region, as far as the directory has them.
    pub fn of_directory(directory: &Directory, today: Day, caps: Caps) -> KpiPage {
        let mut page = KpiPage::default();
        let mut before = String::new();
        for (id, rep) in &directory.reps {
            let labels = labels(directory, (id, rep), today);
            let help = "Always 1: a rep of the directory as of today";
            page.add(FAMILY, Help::Fixed(help), &labels, 1.0, labels != before, caps);
            before = labels;
        }
        page
    }
}

fn labels(directory: &Directory, (id, rep): (&str, &DirectoryEntry), today: Day) -> String {
    let moved = rep.moves.range(..=today).count();
    let of = |dimension| rep.value(dimension, moved);
    let territory = of("territory");
    let entry = territory.and_then(|territory| directory.territories.get(territory));
    let region = entry.map(|entry| entry.region_on(today)).or_else(|| of("region"));
    let told = [
        ("rep", Some(id)),
        ("name", rep.name.as_deref()),
        ("team", of("team")),
        ("territory", territory),
        ("region", region),
    ];
    let mut out = String::from("{");
    for (name, value) in told {
        let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
        let _ = write!(out, "{}{name}=\"", if out.len() > 1 { "," } else { "" });
        escape(&mut out, value);
        out.push('"');
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::definition::TerritoryEntry;

    fn values(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_rep_stands_where_the_directory_has_them_today() {
        let day = |text| Day::parse(text).unwrap();
        let moved = values(&[("territory", "France")]);
        let ana = DirectoryEntry {
            name: Some("Ana \"C\"".to_owned()),
            values: values(&[("team", "mid"), ("territory", "Iberia"), ("x.desk", "4")]),
            moves: [(day("2026-07-01"), moved)].into(),
            ..DirectoryEntry::default()
        };
        let bob = DirectoryEntry { values: values(&[("region", "own")]), ..Default::default() };
        let south = TerritoryEntry { region: "South".to_owned(), ..TerritoryEntry::default() };
        let directory = Directory {
            reps: [("r-1".to_owned(), ana), ("r-2".to_owned(), bob)].into(),
            territories: [("Iberia".to_owned(), south)].into(),
            ..Directory::default()
        };
        let page = |on, per_family| {
            let caps = Caps { per_family, ..Caps::NONE };
            KpiPage::of_directory(&directory, day(on), caps).text()
        };
        let told = page("2026-06-30", 9);
        assert!(told.starts_with("# HELP tidemark_rep_info Always 1: "), "{told}");
        let ana = "tidemark_rep_info{rep=\"r-1\",name=\"Ana \\\"C\\\"\",team=\"mid\",\
                   territory=\"Iberia\",region=\"South\"} 1\n";
        assert!(told.contains(ana), "{told}");
        assert!(told.ends_with("tidemark_rep_info{rep=\"r-2\",region=\"own\"} 1\n"), "{told}");
        assert!(page("2026-07-01", 9).contains("team=\"mid\",territory=\"France\"} 1\n"));
        assert!(!page("2026-07-01", 1).contains("r-2"), "the family has a limit");
    }
}
