//! The replay's rows against an independent recount of the same events, which shares no code with
//! the folds: so a fault that they share with the instances under test does not hide.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use tidemark::model::definition::Directory;

use crate::recount::{Question, Tally, micros, months, recount};
use crate::rows::Expected;

/// Compares the counts of every month and segment; returns how many numbers were compared. `None`
/// where two events of different content share an id, which a batch count cannot tell apart.
pub fn agree(expected: &Expected, events: &[String]) -> Result<Option<usize>, String> {
    let mut by_id: HashMap<String, &String> = HashMap::new();
    for event in events {
        let id = serde_json::from_str::<Value>(event).unwrap()["id"].to_string();
        if *by_id.entry(id).or_insert(event) != event {
            return Ok(None);
        }
    }
    let names = |sets: &[&[&str]]| -> Vec<Vec<String>> {
        sets.iter().map(|set| set.iter().map(|d| (*d).to_owned()).collect()).collect()
    };
    let directory = Directory::default();
    let question = Question {
        segments: names(&[&[], &["rep"], &["territory"], &["channel"]]),
        windows: months("2025-01-01", 60),
        directory: &directory,
        currency: "USD",
    };
    let tallies = recount(events.iter().map(String::as_str), &question);
    let starts: BTreeMap<&str, i64> =
        question.windows.iter().map(|w| (w.name.as_str(), w.start)).collect();
    let mut shown: BTreeMap<(i64, String), [i64; 4]> = BTreeMap::new();
    for (key, kpis) in &expected.rows {
        let Some((start, segment)) = key.strip_prefix("month:").and_then(|k| k.split_once('|'))
        else {
            continue;
        };
        let kpis: Value = serde_json::from_str(kpis).unwrap();
        let count = |name: &str| kpis[name]["value"].as_i64().unwrap();
        let counts = ["leads_created", "deals_created", "deals_won", "deals_lost"].map(count);
        if counts != [0; 4] {
            shown.insert((micros(start), segment.to_owned()), counts);
        }
    }
    let counted = |t: &Tally| [t.leads_created, t.deals_created, t.deals_won, t.deals_lost];
    let wanted: BTreeMap<(i64, String), [i64; 4]> = tallies
        .iter()
        .map(|((month, segment), tally)| {
            ((starts[month.as_str()], segment.clone()), counted(tally))
        })
        .filter(|(_, counts)| *counts != [0; 4])
        .collect();
    if shown != wanted {
        let odd = shown.iter().find(|(key, counts)| wanted.get(key) != Some(counts));
        let other = wanted.iter().find(|(key, counts)| shown.get(key) != Some(counts));
        return Err(format!("the replay differs from the recount: {odd:?} against {other:?}"));
    }
    Ok(Some(wanted.len() * 4))
}

#[test]
fn the_recount_is_compared_and_a_changed_number_is_seen() {
    let text = "[[sources]]\nname = \"crm\"\ntopics = [\"s\"]\n[windows]\nrolling = []\ncalendar = [\"month\"]\n";
    let config = tidemark::config::Config::from_toml(text, "t.toml", std::iter::empty()).unwrap();
    let events = crate::rows::company(9, 30);
    let mut expected = crate::rows::expected(&config, &events);
    assert!(agree(&expected, &events).unwrap().is_some_and(|n| n > 100));
    // The company lives in the days before today, so how many anybody has won changes with them.
    let won = |kpis: &str| -> i64 {
        serde_json::from_str::<Value>(kpis).unwrap()["deals_won"]["value"].as_i64().unwrap()
    };
    let some = expected.rows.values_mut().find(|kpis| won(kpis) > 0).unwrap();
    let n = won(some);
    let told = |n: i64| format!("\"deals_won\":{{\"value\":{n},");
    *some = some.replace(&told(n), &told(n + 1));
    assert!(agree(&expected, &events).is_err());
}
