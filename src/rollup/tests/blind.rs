//! Rows that go out before anybody knows up to where events are complete.

use super::*;

/// The rows that are due: key, `as_of`.
fn due(part: &mut Part, now: Timestamp) -> Vec<(String, serde_json::Value)> {
    let told = |row: DueRow| {
        let json: serde_json::Value = serde_json::from_str(&row.json).expect("JSON");
        (row.key, json["as_of"].clone())
    };
    part.rollup.tick(now).into_iter().map(told).collect()
}

#[test]
fn rows_that_went_out_blind_are_repeated_once_when_a_watermark_is_known() {
    let windows = [MONTH, WindowKind::RollingFine(288), WindowKind::RollingDays(28)];
    let mut part = Part::new(&windows, &["r-1"], at("3-20", 10));
    part.state(day("3-20"), 1, won(1, 5));
    let first = due(&mut part, at("3-20", 10));
    assert_eq!(first.len(), 6, "three windows of two segments: {first:?}");
    assert!(first.iter().all(|(_, as_of)| as_of.is_null()), "{first:?}");
    assert_eq!(due(&mut part, at("3-20", 11)), []);
    part.beat(at("3-20", 9));
    let again = due(&mut part, at("3-20", 11));
    let keys = |rows: &[(String, serde_json::Value)]| {
        rows.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(keys(&again), keys(&first));
    assert!(again.iter().all(|(_, as_of)| as_of == "2026-03-20T09:00:00Z"), "{again:?}");
    part.beat(at("3-20", 10));
    assert_eq!(due(&mut part, at("3-20", 12)), [], "once");
}
