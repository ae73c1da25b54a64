//! Open deals of a cohort are followed up to the watermark's day.

use super::*;

/// Deals of a day: so many won at 5 days, others at 20, lost at 12, open.
fn cohort(day: Slice, [early, late, lost, open]: [i128; 4]) -> Measures {
    [
        (MeasureKey::plain(Measure::DealsCreated), early + late + lost + open),
        (MeasureKey::days(Measure::CohortWon, 5), early),
        (MeasureKey::days(Measure::CohortWon, 20), late),
        (MeasureKey::days(Measure::CohortLost, 12), lost),
        (MeasureKey::day(Measure::CohortOpen, Day(day.index)), open),
    ]
    .into_iter()
    .collect()
}

#[test]
fn a_closed_window_follows_what_is_open() {
    let mut part = Part::new(&[MONTH], &[], at("1-31", 10));
    let window = "month:2026-01-01|overall";
    let value = |part: &Part| part.kpi(window, "win_incidence_30d")["value"].clone();
    part.state(day("1-2"), 1, cohort(day("1-2"), [1, 1, 1, 7]));
    part.state(day("1-22"), 2, cohort(day("1-22"), [1, 0, 0, 9]));
    // The first ones are 29 days old, the others 9: nobody is known at 30.
    part.beat(at("2-1", 0));
    part.tick(at("2-1", 1));
    assert_eq!(value(&part), serde_json::Value::Null);
    // The watermark's day counts once it has begun. Two of twenty are won at 5 days; at 10 the nine
    // younger ones are censored, at 12 one of nine is lost, at 20 one of eight is won.
    part.beat(at("2-1", 1));
    assert_eq!(part.tick(at("2-1", 2)), [format!("{window} corrected#1")]);
    let kpi = part.kpi(window, "win_incidence_30d");
    assert_eq!(kpi["n"], 11);
    let want = 0.1 + 0.9 * (8.0 / 9.0) / 8.0;
    assert!((kpi["value"].as_f64().expect("a number") - want).abs() < 1e-12, "{kpi}");
    let [low, high] = [0, 1].map(|i| kpi["interval"][i].as_f64().expect("a number"));
    assert!(low < want && want < high, "{kpi}");
    // Another age at which nothing happened is no news, another at which something did is some.
    part.beat(at("2-2", 1));
    assert_eq!(part.tick(at("2-2", 2)), Vec::<String>::new());
    part.beat(at("2-3", 1));
    assert_eq!(part.tick(at("2-3", 2)), [format!("{window} corrected#2")]);
    // A deal that is lost leaves the open ones in the window of its creation.
    part.state(day("1-22"), 3, cohort(day("1-22"), [1, 0, 1, 8]));
    assert_eq!(part.tick(at("2-3", 3)), [format!("{window} corrected#3")]);
    // All are older than the longest horizon, and than any was when it was closed.
    part.beat(at("8-20", 1));
    part.tick(at("8-20", 2));
    part.beat(at("8-21", 1));
    assert_eq!(part.tick(at("8-21", 2)), Vec::<String>::new());
    assert_eq!(part.kpi(window, "win_incidence_180d")["n"], 20);
}
