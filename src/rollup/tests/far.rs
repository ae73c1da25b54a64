//! Growth against the same window of the last quarter and of the last year.

use super::*;
use crate::model::window::SliceRange;

fn a_year_ago(text: &str) -> Slice {
    Slice { index: day(text).index - 365, ..day(text) }
}

#[test]
fn a_month_grows_against_that_of_a_quarter_and_of_a_year_ago() {
    let mut part = Part::new(&[MONTH, WindowKind::RollingDays(28)], &[], at("4-10", 12));
    part.state(a_year_ago("4-10"), 1, won(1, 10));
    part.state(a_year_ago("4-11"), 1, won(1, 100));
    part.state(day("1-8"), 1, won(1, 20));
    part.state(day("4-9"), 1, won(1, 40));
    part.tick(at("4-10", 12));
    let window = "month:2026-04-01|overall";
    let of = |part: &Part, window: &str| {
        ["revenue_growth_quarter", "revenue_growth_year"]
            .map(|k| part.kpi(window, k)["value"].clone())
    };
    assert_eq!(of(&part, window), [1.0, 3.0], "ten days against ten");
    // April 9th is a Thursday: 52 weeks before it was April 10th.
    assert_eq!(of(&part, "rolling_28d|overall"), [1.0, 40.0 / 110.0 - 1.0]);

    // What is corrected a year ago corrects the growth of today.
    part.state(a_year_ago("4-9"), 1, won(1, 30));
    let due = part.tick(at("4-10", 13));
    assert!(due.contains(&format!("{window} early#0")), "{due:?}");
    assert_eq!(of(&part, window), [1.0, 0.0]);

    // Behind the retention days keep their revenue; what is taken back counts no longer.
    let floor = part.rollup.floor();
    assert!(a_year_ago("4-10").index > floor);
    part.tick(at("6-30", 0));
    assert!(a_year_ago("4-10").index < part.rollup.floor());
    let kept: Measures =
        won(1, 10).entries().iter().copied().filter(|(k, _)| k.measure.lasts()).collect();
    part.state(a_year_ago("4-10"), 2, kept);
    part.tick(at("6-30", 1));
    assert_eq!(of(&part, window)[1], 40.0 / 140.0 - 1.0);
    for known in ["4-9", "4-11"] {
        let key = cell_key(0, &Segment::overall(), a_year_ago(known));
        part.offset += 1;
        part.rollup.forget(Offset(part.offset), &key);
    }
    // July 2025 is a quarter behind what was taken back.
    let due = ["month:2025-07-01|overall early#0".to_owned(), format!("{window} early#0")];
    assert_eq!(part.tick(at("6-30", 2)), due);
    assert_eq!(of(&part, window)[1], 3.0);
}

#[test]
fn what_no_row_compares_is_not_remembered() {
    let mut part = Part::new(&[MONTH], &[], at("4-10", 12));
    let plain = MeasureKey::plain(Measure::DealsLost);
    part.state(day("4-9"), 1, [(plain, 1)].into_iter().collect());
    assert!(part.rollup.segments[0].past(SliceRange::days(Day(0), Day(40_000))).is_zero());
}

#[test]
fn a_moving_window_is_due_when_what_it_is_compared_with_changed() {
    let rolling = WindowKind::RollingDays(28);
    let mut part = Part::new(&[rolling], &[], at("3-30", 10));
    part.state(day("3-20"), 1, won(1, 10));
    part.tick(at("3-30", 10));
    part.state(day("2-20"), 1, won(1, 5));
    assert_eq!(part.tick(at("3-30", 11)), ["rolling_28d|overall early#0"]);
    assert_eq!(part.kpi("rolling_28d|overall", "revenue_growth")["value"], 1.0);
}
