//! Segments with zones of their own: their windows begin, close and are shown by their own clocks.

use super::*;
use crate::model::zones::Zones;

fn tokyo() -> Segment {
    Segment::of([("rep", "tokyo")])
}

fn part(windows: &[WindowKind], now: Timestamp) -> Part {
    let mut job = definition(windows, &["tokyo", "york"]);
    let zone = |rep: &str, zone| {
        ("rep".to_owned(), rep.to_owned(), Calendar::of(zone).expect("it is there"))
    };
    let rows = [zone("tokyo", "Asia/Tokyo"), zone("york", "America/New_York")];
    job.zones = Zones::new(&job.calendar, rows);
    Part { rollup: Rollup::new(Arc::new(job), Partition(0), now), offset: 0 }
}

#[test]
fn a_day_begins_and_closes_at_its_own_midnight() {
    let mut part = part(&[DAY], at("3-9", 12));
    assert_eq!(
        part.tick(at("3-9", 12)),
        [
            "day:2026-03-08T15:00:00Z|rep=tokyo early#0",
            "day:2026-03-09|overall early#0",
            "day:2026-03-09T04:00:00Z|rep=york early#0",
        ]
    );
    // Three in the afternoon in UTC is midnight in Tokyo: a moment on the edge is of the day before.
    assert_eq!(part.tick(at("3-9", 15)), Vec::<String>::new());
    assert_eq!(part.tick(at("3-9", 16)), ["day:2026-03-09T15:00:00Z|rep=tokyo early#0"]);
    part.merge(&tokyo(), day("3-10"), (0, 1), won(1, 5));
    assert_eq!(part.tick(at("3-9", 17)), ["day:2026-03-09T15:00:00Z|rep=tokyo early#0"]);
    assert_eq!(part.kpi("day:2026-03-09T15:00:00Z|rep=tokyo", "deals_won")["value"], 1);
    // What went out before a watermark was known goes out again.
    part.beat(at("3-9", 14));
    assert_eq!(part.tick(at("3-9", 17)).len(), 4);
    // The watermark closes days where they are over, and no other.
    part.beat(at("3-9", 15));
    assert_eq!(part.tick(at("3-9", 18)), ["day:2026-03-08T15:00:00Z|rep=tokyo on_time#0"]);
    part.beat(at("3-10", 1));
    assert_eq!(
        part.tick(at("3-10", 1)),
        ["day:2026-03-09|overall on_time#0", "day:2026-03-10|overall early#0"]
    );
    part.beat(at("3-10", 5));
    assert_eq!(
        part.tick(at("3-10", 5)),
        [
            "day:2026-03-09T04:00:00Z|rep=york on_time#0",
            "day:2026-03-10T04:00:00Z|rep=york early#0",
        ]
    );
}

#[test]
fn a_day_of_a_clock_change_is_as_long_as_it_is_there() {
    let mut part = part(&[DAY], at("3-8", 12));
    part.rollup.tick(at("3-8", 12));
    let rows = part.rollup.current_rows();
    let lengths: Vec<(String, i64, &str)> = rows
        .iter()
        .map(|r| (r.segment.to_string(), (r.end.0 - r.start.0) / HOUR, r.zone.as_str()))
        .collect();
    assert!(lengths.contains(&("rep=york".to_owned(), 23, "America/New_York")), "{lengths:?}");
    assert!(lengths.contains(&("rep=tokyo".to_owned(), 24, "Asia/Tokyo")), "{lengths:?}");
    assert!(lengths.contains(&("overall".to_owned(), 24, "UTC")), "{lengths:?}");
}

#[test]
fn months_to_date_and_days_rolled_over_follow_the_day_of_the_segment() {
    let windows = [WindowKind::ToDate(Period::Month), WindowKind::RollingDays(2)];
    let mut part = part(&windows, at("3-31", 12));
    part.merge(&tokyo(), day("3-31"), (0, 1), won(1, 5));
    part.merge(&tokyo(), day("4-1"), (0, 2), won(2, 7));
    part.rollup.tick(at("3-31", 12));
    let value = |part: &Part, window: &str| {
        let rows = part.rollup.pane_rows(false);
        let row = rows
            .iter()
            .find(|r| r.kind.name() == window && r.segment == tokyo())
            .expect("it is there");
        let kpis: serde_json::Value = serde_json::from_str(&row.kpis_json()).expect("it is there");
        (kpis["deals_won"]["value"].as_i64().expect("it is there"), row.start.to_string())
    };
    assert_eq!(value(&part, "month_to_date"), (1, "2026-02-28T15:00:00Z".to_owned()));
    // Of the business it is still March; in Tokyo April has begun.
    part.rollup.tick(at("3-31", 16));
    assert_eq!(value(&part, "month_to_date"), (2, "2026-03-31T15:00:00Z".to_owned()));
    assert_eq!(value(&part, "rolling_2d"), (3, "2026-03-30T15:00:00Z".to_owned()));
}

#[test]
fn a_window_that_was_shown_before_a_restart_is_found_by_its_own_day() {
    let mut part = part(&[DAY], at("3-20", 12));
    part.rollup.seen("day:2026-03-08T15:00:00Z|rep=tokyo", "{}", false, Pane::Early, 3);
    part.beat(at("3-20", 11));
    let due = part.tick(at("3-20", 12));
    assert!(due.contains(&"day:2026-03-08T15:00:00Z|rep=tokyo on_time#0".to_owned()), "{due:?}");
}
