//! What moves without an event: open deals of a cohort are followed up to the watermark's day, and
//! working days begin.

use super::*;
use crate::model::kpi::Group;

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
    // (The running window follows the working days.)
    let due = |part: &mut Part, now| -> Vec<String> {
        part.tick(now).into_iter().filter(|row| row.starts_with(window)).collect()
    };
    part.beat(at("2-2", 1));
    assert_eq!(due(&mut part, at("2-2", 2)), Vec::<String>::new());
    part.beat(at("2-3", 1));
    assert_eq!(due(&mut part, at("2-3", 2)), [format!("{window} corrected#2")]);
    // A deal that is lost leaves the open ones in the window of its creation.
    part.state(day("1-22"), 3, cohort(day("1-22"), [1, 0, 1, 8]));
    assert_eq!(part.tick(at("2-3", 3)), [format!("{window} corrected#3")]);
    // All are older than the longest horizon, and than any was when it was closed.
    part.beat(at("8-20", 1));
    part.tick(at("8-20", 2));
    part.beat(at("8-21", 1));
    assert_eq!(due(&mut part, at("8-21", 2)), Vec::<String>::new());
    assert_eq!(part.kpi(window, "win_incidence_180d")["n"], 20);
}

#[test]
fn a_running_window_follows_the_working_days_that_begin() {
    let mut part = Part::new(&[MONTH], &[], at("3-5", 10));
    part.state(day("3-5"), 1, won(2, 110));
    part.beat(at("3-5", 9));
    part.tick(at("3-5", 10));
    let window = "month:2026-03-01|overall";
    let told = |part: &Part| {
        let kpi = part.kpi(window, "revenue_per_working_day");
        let of = |key: &str| kpi[key].as_f64();
        (of("value"), of("num"), of("den"), of("n"))
    };
    // March 2026 begins on a Sunday: Monday to Thursday.
    assert_eq!(told(&part), (Some(27.5), Some(110.0), Some(4.0), Some(2.0)));
    assert_eq!(part.tick(at("3-6", 1)), [format!("{window} early#0")]);
    assert_eq!(told(&part).0, Some(22.0));
    // Nobody works on Saturday, nor on Sunday.
    assert_eq!(part.tick(at("3-7", 1)), Vec::<String>::new());
    assert_eq!(part.tick(at("3-8", 1)), Vec::<String>::new());
    assert_eq!(part.tick(at("3-9", 1)), [format!("{window} early#0")]);
    // Over it has all of its days, whatever follows.
    part.beat(at("4-1", 0));
    part.tick(at("4-1", 1));
    assert_eq!(told(&part), (Some(5.0), Some(110.0), Some(22.0), Some(2.0)));
    let later = part.tick(at("4-2", 1));
    assert!(later.iter().all(|row| !row.starts_with(window)), "{later:?}");
}

#[test]
fn a_window_that_was_told_ahead_has_its_days_when_they_are_over() {
    let mut part = Part::new(&[DAY, WindowKind::RollingFine(288)], &[], at("3-4", 10));
    let planned = [(MeasureKey::word(Measure::ActivitiesDone, 1), 6)].into_iter().collect();
    part.state(day("3-10"), 1, planned);
    part.beat(at("3-4", 9));
    part.tick(at("3-4", 10));
    let (ahead, kpi) = ("day:2026-03-10|overall", "activities_per_working_day");
    // Days later, at once.
    let due = part.tick(at("3-12", 10));
    assert!(due.contains(&format!("{ahead} early#0")), "{due:?}");
    assert_eq!(part.kpi(ahead, kpi)["value"], 6.0);
    // It begins within a day.
    assert_eq!(part.kpi("rolling_24h|overall", kpi)["value"], serde_json::Value::Null);
}

#[test]
fn a_running_window_grows_against_as_many_days() {
    let deals = [Group::Deals].into_iter().collect();
    let job = Arc::new(Definition { kpis: deals, ..definition(&[MONTH], &[]) });
    let mut part = Part { rollup: Rollup::new(job, Partition(0), at("3-1", 0)), offset: 0 };
    part.state(day("3-1"), 1, won(1, 10));
    part.state(day("3-20"), 1, won(1, 30));
    part.state(day("4-1"), 1, won(1, 20));
    part.tick(at("4-1", 10));
    let window = "month:2026-04-01|overall";
    assert_eq!(part.kpi(window, "revenue_growth")["value"], 1.0, "one day against one");
    // Days pass in which nothing happens: the growth is another one, so the row goes out again.
    assert!(!part.tick(at("4-19", 10)).contains(&format!("{window} early#0")));
    assert_eq!(part.tick(at("4-20", 10)), [format!("{window} early#0")]);
    assert_eq!(part.kpi(window, "revenue_growth")["value"], -0.5);
}
