//! Levels: whatever happens, what is summed over the reps of a team is the team's, over the teams of a
//! territory the territory's, and over the territories the company's, in every window.

#[path = "support/oracle.rs"]
mod oracle;

use std::collections::BTreeMap;

use oracle::{MONTH, Rows, definition, record, replay};
use proptest::prelude::*;
use serde_json::Value;
use tidemark::model::customers::COUNTED;
use tidemark::model::definition::{Attribution, Definition};
use tidemark::model::kpi::{Formula, Kpi, Kpis};
use tidemark::model::window::WindowKind;
use tidemark::world::{World, WorldSettings, directory};

/// Each level with the one above it behind it.
const LEVELS: [&[&str]; 4] =
    [&["territory", "team", "rep"], &["territory", "team"], &["territory"], &[]];

/// What of a KPI may be summed: the value of a count or a sum, the parts of a quotient of such. Who is
/// a customer of two reps is one of their team, so customers are not, nor what is made of them.
fn summed(kpi: &Kpi) -> &'static [&'static str] {
    let of_customers = kpi.measures().iter().any(|m| COUNTED.contains(m));
    match &kpi.formula {
        _ if of_customers => &[],
        _ if kpi.is_exact() => &["value", "n"],
        Formula::Share(..) | Formula::MoneyPer(..) | Formula::MoneyShare(..) => &["num", "den"],
        _ => &[],
    }
}

/// The sums of each level, by window, segment of that level, KPI and part.
type Sums = BTreeMap<(String, String, String, &'static str, &'static str), f64>;

fn sums(rows: &Rows, level: &[&str], above: &[&str]) -> Sums {
    let mut out = Sums::new();
    for (name, kpis) in &rows.0 {
        let (kind, start, _, segment) = name;
        let segment: BTreeMap<String, Value> = serde_json::from_str(segment).expect("an object");
        if segment.len() != level.len() {
            continue;
        }
        let above: BTreeMap<_, _> = above.iter().map(|key| (*key, &segment[*key])).collect();
        let above = serde_json::to_string(&above).expect("an object");
        let kpis: Value = serde_json::from_str(kpis).expect("KPIs are JSON");
        for kpi in Kpis::ALL.kpis() {
            for part in summed(kpi) {
                let found = &kpis[kpi.name.as_ref()][*part];
                let n = found.as_f64().unwrap_or(0.0);
                let key = (kind.clone(), start.clone(), above.clone(), part_of(&kpi.name), *part);
                *out.entry(key).or_default() += n;
            }
        }
    }
    out.retain(|_, n| n.abs() > 1e-9);
    out
}

fn part_of(name: &str) -> &'static str {
    Kpi::named(name).expect("of the catalogue").name.as_ref()
}

fn job(settings: &WorldSettings, attribution: Attribution) -> Definition {
    let windows = [MONTH, WindowKind::RollingDays(28), WindowKind::RollingFine(288)];
    Definition {
        attribution,
        directory: directory(settings),
        ..definition("Europe/Berlin", "EUR", &LEVELS, &windows)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn children_sum_to_their_parent(
        seed in 0u64..1_000,
        [reopen, reown, split, delete] in [0.0..0.3f64, 0.0..0.4, 0.0..0.6, 0.0..0.1],
        credit in 0..Attribution::ALL.len(),
    ) {
        let settings = WorldSettings {
            seed, reopen, reown, split, delete,
            days: Some(40),
            deals_per_day: 6.0,
            reps: 9,
            others: true,
            ..WorldSettings::default()
        };
        let job = job(&settings, Attribution::ALL[credit].0);
        let records: Vec<_> = (0u64..)
            .zip(World::new(settings))
            .map(|(i, arrival)| record(i, arrival.json))
            .collect();
        let (rows, _) = replay(&job, &records, None);
        let mut compared = 0;
        for pair in LEVELS.windows(2) {
            let (children, parents) =
                (sums(&rows, pair[0], pair[1]), sums(&rows, pair[1], pair[1]));
            for (key, n) in &children {
                let parent = parents.get(key).copied().unwrap_or_default();
                // tests/splits.rs compares parts of amounts to the last digit.
                let same = (n - parent).abs() <= 1e-9 * parent.abs().max(1.0);
                prop_assert!(same, "{:?}: {} below {}", key, n, parent);
            }
            prop_assert_eq!(children.len(), parents.len());
            compared += children.len();
        }
        prop_assert!(compared > 2_000, "{}", compared);
    }
}
