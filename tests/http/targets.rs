//! The history of targets over the API.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tidemark::config::Config;
use tidemark::http::TargetsNow;
use tidemark::log::Offset;
use tidemark::model::money::Exact;
use tidemark::model::segment::Segment;
use tidemark::model::target::{Aim, Goal, Holds, Scope, Stated, Targets};
use tidemark::model::time::Day;
use tidemark::model::window::Period;

/// Two revisions of a month and a benchmark from a file, and one target for each rep from the topic.
fn targets() -> Targets {
    let text = "[segments]\nsets = [\"overall\", \"rep\"]\n[windows]\nrolling = []\n\
        calendar = [\"month\"]\n[[targets.target]]\nsegment = \"rep=a\"\nkpi = \"revenue\"\n\
        period = \"month\"\nstart = \"2026-03-01\"\nvalue = \"100.5\"\nnote = \"first\"\n\
        [[targets.target]]\nsegment = \"rep=a\"\nkpi = \"revenue\"\nperiod = \"month\"\n\
        start = \"2026-03-01\"\nvalue = \"90\"\nvalid_from = \"2026-03-09\"\n\
        [[targets.target]]\nkind = \"benchmark\"\nkpi = \"win_rate\"\nvalue = \"0.3\"\n";
    let config = Config::from_toml(text, "t.toml", std::iter::empty()).unwrap();
    let mut targets = config.definition.targets.clone();
    let month = Holds::Every(Period::Month);
    let goal = Goal {
        aim: Aim::Target,
        kpi: "revenue".to_owned(),
        accrues: true,
        ripens: false,
        holds: month,
        value: Exact::whole(7),
        growth: Exact(0),
        valid_from: None,
        owner: Some("Ana".to_owned()),
        note: None,
        stated: Stated::Record(Offset(12)),
    };
    targets.insert(Scope::Each("rep".to_owned()), goal.clone());
    let quarter = Holds::Once(Period::Quarter, Day::parse("2020-01-01").unwrap());
    targets.insert(Scope::Of(Segment::of([("rep", "b")])), Goal { holds: quarter, ..goal });
    targets
}

#[tokio::test]
async fn the_revisions_of_targets_are_told_with_their_places() {
    let mut state = super::state(&super::rows());
    state.targets = TargetsNow::new(targets(), Some("t.targets".to_owned()));

    let (status, body) = super::json(&state, "/api/v1/targets?rep=a&on=2026-03-20").await;
    assert_eq!((status, &body["on"]), (StatusCode::OK, &"2026-03-20".into()), "{body}");
    let told = body["revisions"].as_array().unwrap();
    let of = |i: usize| {
        let r = &told[i];
        let number = |key: &str| r[key].as_u64().unwrap();
        (
            r["value"].to_string(),
            number("revision"),
            number("revisions"),
            r["holds"].as_bool().unwrap(),
        )
    };
    // March 2026 is over, so the revision that was valid on its last day decides.
    assert_eq!(of(0), ("100.5".to_owned(), 1, 2, false));
    assert_eq!(of(1), ("90".to_owned(), 2, 2, true));
    assert_eq!(of(2), ("7".to_owned(), 1, 1, false));
    assert_eq!(
        (&told[0]["valid_from"], &told[1]["valid_from"]),
        (&Value::Null, &"2026-03-09".into())
    );
    assert_eq!(told[0]["stated"], json!({"file": "t.toml", "line": 6}));
    assert_eq!(told[2]["stated"], json!({"topic": "t.targets", "partition": 0, "offset": 12}));
    assert_eq!((&told[0]["note"], &told[2]["owner"]), (&"first".into(), &"Ana".into()));
    assert_eq!((&told[2]["segment"], &told[2]["repeat"]), (&"rep=*".into(), &true.into()));
    let (_, april) = super::json(&state, "/api/v1/targets?rep=a&on=2026-04-01&kpi=revenue").await;
    let holds: Vec<bool> = april["revisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["holds"].as_bool().unwrap())
        .collect();
    assert_eq!(holds, [false, false, true]);
    let (_, whole) = super::json(&state, "/api/v1/targets?grain=overall").await;
    assert_eq!(whole["total"], 1, "{whole}");
    assert_eq!(whole["revisions"][0]["kind"], "benchmark");
    let (_, all) = super::json(&state, "/api/v1/targets?limit=2&offset=1").await;
    assert_eq!((all["total"].as_u64(), all["revisions"].as_array().unwrap().len()), (Some(5), 2));
    // That of each month goes on; the quarter has ended with none behind it.
    let (_, ended) = super::json(&state, "/api/v1/targets?rep=b").await;
    let last = json!({"topic": "t.targets", "partition": 0, "offset": 12});
    let stale = json!([{"segment": "rep=b", "kpi": "revenue", "period": "quarter",
        "since": "2020-04-01", "stated": last}]);
    assert_eq!((&ended["stale"], &all["stale"]), (&stale, &stale));
    for none in ["rep=a", "rep=b&kpi=win_rate"] {
        let (_, none) = super::json(&state, &format!("/api/v1/targets?{none}")).await;
        assert_eq!(none["stale"], json!([]));
    }
    for (query, parameter) in [("kpi=none", "kpi"), ("on=soon", "on"), ("team=a", "team")] {
        let (status, body) = super::json(&state, &format!("/api/v1/targets?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(body["error"]["parameter"], parameter, "{query}");
    }
}
