//! The ranks of a published truth, as the leaderboard gives them of a replay of its data.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::Value;
use tidemark::replay::Replay;

use super::{MONTH, fixture, json};

#[path = "../support/oracle.rs"]
mod oracle;

use oracle::{at, csv, decoder_of, definition, deliver, maven_events, shared};

const DIMENSIONS: [(&str, &str); 5] = [
    ("rep", "rep"),
    ("manager", "x.manager"),
    ("territory", "territory"),
    ("product", "product"),
    ("sector", "x.sector"),
];

/// By member: its rank; none of who has none.
fn ranks(body: &Value, dimension: &str) -> BTreeMap<String, Option<u64>> {
    let of = |list: &str| body[list].as_array().expect("a list").clone();
    let all = of("ranked").into_iter().chain(of("unranked"));
    let member = |shown: &Value| shown["segment"][dimension].as_str().expect("a text").to_owned();
    all.map(|shown| (member(&shown), shown["rank"].as_u64())).collect()
}

/// Of the whole there is no leaderboard. Deals without a sector are nobody's, so they have no rank;
/// in the truth they come last, since none of them was ever won.
#[tokio::test]
async fn the_published_ranks_are_those_of_the_leaderboard() {
    let (Some(stream), Some(truth)) = (shared("events.csv"), shared("truth.csv")) else {
        println!("skipped: the reference data is not here; ties are tested on made-up rows");
        return;
    };
    let sets: Vec<[&str; 1]> = DIMENSIONS.iter().map(|(_, dimension)| [*dimension]).collect();
    let sets: Vec<&[&str]> = sets.iter().map(|set| set.as_slice()).collect();
    let definition = definition("UTC", "USD", &sets, &[MONTH]);
    let as_of = Some(at("2018-01-01T00:00:00Z"));
    let mut replay = Replay::new(definition.clone(), decoder_of(&definition), as_of);
    for record in deliver(&maven_events(&stream), 5, 9) {
        assert!(replay.feed(&record).is_empty());
    }
    let mut rows = Vec::new();
    replay.finish(|row| rows.push(row));
    let mut state = fixture::state(&rows);
    let info = Arc::get_mut(&mut state.info).expect("nobody else has it");
    (info.calendar, info.grains) = (definition.calendar.clone(), definition.segments.clone());

    let mut of_month: BTreeMap<(&str, &str), Vec<BTreeMap<&str, &str>>> = BTreeMap::new();
    for line in csv(&truth) {
        of_month.entry((line["dim"], line["month"])).or_default().push(line);
    }
    let (mut ranked, mut unranked) = (0, 0);
    for ((dim, month), lines) in of_month {
        let Some((_, dimension)) = DIMENSIONS.iter().find(|(name, _)| *name == dim) else {
            assert_eq!(dim, "all");
            continue;
        };
        let path =
            format!("/api/v1/leaderboard?window=month&grain={dimension}&kpi=revenue&from={month}");
        let (status, body) = json(&state, &path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        let mut got = ranks(&body, dimension);
        // Nobody's: of a dimension that every deal states, what came before its creation did.
        let nobody = got.remove("unknown");
        assert!(nobody.is_none_or(|rank| rank.is_none()), "{path}");
        for line in lines {
            let (key, want) = (line["key"], line["revenue_rank"].parse().expect("a rank"));
            if key == "<null>" {
                assert_eq!((nobody, line["revenue"]), (Some(None), "0"), "{path}");
                unranked += 1;
            } else {
                assert_eq!(got.remove(key), Some(Some(want)), "{path} {key}");
                ranked += 1;
            }
        }
        assert!(got.is_empty(), "{path}: {got:?}");
    }
    assert_eq!((ranked, unranked), (56 * 15, 15));
}
