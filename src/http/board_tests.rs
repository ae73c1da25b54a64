use super::*;

fn row(kind: &str, start: &str, rep: Option<&str>, version: u64, as_of: &str) -> (String, String) {
    let (segment, name) = match rep {
        Some(rep) => (format!(r#"{{"rep":"{rep}"}}"#), format!("rep={rep}")),
        None => ("{}".to_owned(), "overall".to_owned()),
    };
    let json = format!(
        r#"{{"window":{{"kind":"{kind}","start":"{start}T00:00:00Z","end":"{start}T12:00:00Z","zone":"UTC"}},"segment":{segment},"status":"early","revision":0,"version":{version},"as_of":"{as_of}T00:00:00Z","complete_ratio":0.5,"currency":"EUR","kpis":{{"deals_won":{{"value":{version}}}}}}}"#
    );
    (format!("{kind}:{start}|{name}"), json)
}

fn board(rows: &[(String, String)]) -> Arc<Board> {
    let board = Board::new(7, 1000);
    for (key, json) in rows {
        assert_eq!(board.apply(key, Some(json.as_bytes())), Applied::Changed, "{key}");
    }
    board
}

fn keys(answer: &Answer) -> Vec<&str> {
    answer.rows.iter().map(|(key, _)| &**key).collect()
}

#[test]
fn the_highest_version_stays_whatever_the_order() {
    let old = row("month", "2026-03-01", None, 4, "2026-03-02");
    let new = row("month", "2026-03-01", None, 4, "2026-03-03");
    let newest = row("month", "2026-03-01", None, 5, "2026-03-01");
    let board = board(&[old.clone(), newest.clone()]);
    for (key, json) in [&old, &new, &newest] {
        assert_eq!(board.apply(key, Some(json.as_bytes())), Applied::Stale);
    }
    let answer = board.query(&Query::default());
    assert_eq!((answer.total, &*answer.rows[0].1), (1, newest.1.as_str()));
    assert_eq!(board.apply("x", Some(b"{}")), Applied::Unreadable);
    assert_eq!(board.apply("x", Some(b"\xff")), Applied::Unreadable);
}

#[test]
fn queries_filter_sort_and_page() {
    let board = board(&[
        row("month", "2026-03-01", Some("b"), 1, "2026-03-02"),
        row("month", "2026-03-01", Some("a"), 2, "2026-03-02"),
        row("month", "2026-02-01", None, 3, "2026-03-02"),
        row("day", "2026-03-01", None, 4, "2026-03-02"),
        row("month", "2026-03-01", None, 5, "2026-03-02"),
    ]);
    let month = Query { window: Some("month".to_owned()), ..Query::default() };
    let answer = board.query(&month);
    assert_eq!(
        keys(&answer),
        [
            "month:2026-02-01|overall",
            "month:2026-03-01|overall",
            "month:2026-03-01|rep=a",
            "month:2026-03-01|rep=b"
        ]
    );
    let page = board.query(&Query { limit: 2, offset: 1, ..month.clone() });
    assert_eq!(page.total, 4);
    assert_eq!(keys(&page), ["month:2026-03-01|overall", "month:2026-03-01|rep=a"]);
    assert!(board.query(&Query { offset: 9, ..month.clone() }).rows.is_empty());
}

#[test]
fn queries_filter_by_start_and_segment() {
    let board = board(&[
        row("month", "2026-03-01", Some("b"), 1, "2026-03-02"),
        row("month", "2026-03-01", Some("a"), 2, "2026-03-02"),
        row("month", "2026-02-01", None, 3, "2026-03-02"),
        row("month", "2026-03-01", None, 4, "2026-03-02"),
    ]);
    let month = Query { window: Some("month".to_owned()), ..Query::default() };
    let from = Timestamp::parse_rfc3339("2026-03-01T00:00:00Z").map(Start::At);
    assert_eq!(board.query(&Query { from, ..month.clone() }).total, 3);
    assert_eq!(board.query(&Query { to: from, ..month.clone() }).total, 1);
    let only = |segments| board.query(&Query { segments, ..month.clone() }).total;
    let a = vec![("rep".to_owned(), "a".to_owned())];
    assert_eq!(only(Segments::Grain("rep".to_owned(), Vec::new())), 2);
    assert_eq!(only(Segments::Grain("overall".to_owned(), Vec::new())), 2);
    assert_eq!(only(Segments::Grain("rep".to_owned(), a.clone())), 1);
    assert_eq!(only(Segments::Exact(a)), 1);
    assert_eq!(only(Segments::Exact(Vec::new())), 2);
    let corrected = Query { status: Some(Pane::Corrected), ..Query::default() };
    assert_eq!(board.query(&corrected).total, 0);
}

#[test]
fn changes_are_read_once_and_in_order() {
    let board = board(&[
        row("month", "2026-03-01", Some("b"), 1, "2026-03-02"),
        row("month", "2026-03-01", Some("a"), 2, "2026-03-02"),
        row("month", "2026-03-01", Some("c"), 3, "2026-03-02"),
    ]);
    let mut query = Query { since: Some(Since::Start), limit: 2, ..Query::default() };
    let first = board.query(&query);
    assert_eq!(keys(&first), ["month:2026-03-01|rep=b", "month:2026-03-01|rep=a"]);
    query.since = Some(Since::Cursor(first.cursor));
    let second = board.query(&query);
    assert_eq!(keys(&second), ["month:2026-03-01|rep=c"]);
    query.since = Some(Since::Cursor(second.cursor));
    assert_eq!(board.query(&query).total, 0);

    let (key, json) = row("month", "2026-03-01", Some("b"), 9, "2026-03-02");
    board.apply(&key, Some(json.as_bytes()));
    let third = board.query(&query);
    assert_eq!((keys(&third), third.reset), (vec!["month:2026-03-01|rep=b"], false));
    assert_eq!(Cursor::parse(&third.cursor.to_string()), Some(third.cursor));
}

#[test]
fn a_removal_or_another_life_resets_the_reader() {
    let board = board(&[
        row("month", "2026-03-01", Some("b"), 1, "2026-03-02"),
        row("month", "2026-03-01", Some("a"), 2, "2026-03-02"),
    ]);
    let seen = board.query(&Query { since: Some(Since::Start), ..Query::default() }).cursor;
    assert_eq!(board.apply("month:2026-03-01|rep=b", None), Applied::Changed);
    assert_eq!(board.apply("month:2026-03-01|rep=b", None), Applied::Stale);
    let from =
        |cursor| board.query(&Query { since: Some(Since::Cursor(cursor)), ..Query::default() });
    let after = from(seen);
    assert_eq!((after.reset, keys(&after)), (true, vec!["month:2026-03-01|rep=a"]));
    assert!(!from(after.cursor).reset);
    assert!(from(Cursor { epoch: 8, ..after.cursor }).reset);
    assert!(from(Cursor { epoch: 7, seq: 999 }).reset);
}

#[test]
fn the_oldest_windows_leave_a_full_board() {
    let board = Board::new(7, 2);
    for (i, start) in ["2026-03-02", "2026-03-01", "2026-03-03"].iter().enumerate() {
        let (key, json) = row("day", start, None, i as u64, "2026-03-03");
        board.apply(&key, Some(json.as_bytes()));
    }
    let answer = board.query(&Query::default());
    assert_eq!(keys(&answer), ["day:2026-03-02|overall", "day:2026-03-03|overall"]);
    assert_eq!(board.len(), 2);
    let seen = board.query(&Query::default()).cursor;
    let (key, json) = row("day", "2026-03-01", None, 9, "2026-03-03");
    assert_eq!(board.apply(&key, Some(json.as_bytes())), Applied::Stale, "it would leave at once");
    assert_eq!(board.query(&Query::default()).cursor, seen);
}

#[test]
fn the_current_window_is_the_newest_that_has_begun() {
    let board = board(&[
        row("day", "2026-03-02", None, 1, "2026-03-02"),
        row("day", "2026-03-03", None, 2, "2026-03-03"),
        // An event of tomorrow, inside the limit for clocks that run ahead.
        row("day", "2026-03-04", None, 3, "2026-03-03"),
        row("month", "2026-03-01", None, 4, "2026-03-03"),
    ]);
    let shown: Vec<String> =
        board.current_windows("UTC").iter().map(|w| format!("{} {}", w.kind, w.start)).collect();
    assert_eq!(shown, ["day 2026-03-03T00:00:00Z", "month 2026-03-01T00:00:00Z"]);
    assert_eq!(board.as_of(), Timestamp::parse_rfc3339("2026-03-03T00:00:00Z"));
}

/// A row of a day of a zone.
fn zoned(zone: &str, start: &str, team: &str, as_of: &str) -> (String, String) {
    let json = format!(
        r#"{{"window":{{"kind":"day","start":"{start}","end":"{start}","zone":"{zone}"}},"segment":{{"team":"{team}"}},"status":"early","revision":0,"version":1,"as_of":"{as_of}","complete_ratio":0.5,"currency":"EUR","kpis":{{}}}}"#
    );
    (format!("day:{start}|team={team}"), json)
}

#[test]
fn a_date_is_that_day_in_the_zone_of_each_row() {
    let as_of = "2026-03-02T20:00:00Z";
    let board = board(&[
        zoned("Asia/Tokyo", "2026-03-01T15:00:00Z", "tokyo", as_of),
        zoned("Asia/Tokyo", "2026-03-02T15:00:00Z", "tokyo", as_of),
        zoned("Europe/Berlin", "2026-03-01T23:00:00Z", "berlin", as_of),
        zoned("America/New_York", "2026-03-02T05:00:00Z", "york", as_of),
        zoned("America/New_York", "2026-03-01T05:00:00Z", "york", as_of),
    ]);
    let on = |day: &str| Day::parse(day).map(Start::On);
    let day = Query { window: Some("day".to_owned()), ..Query::default() };
    let second = Query { from: on("2026-03-02"), to: on("2026-03-03"), ..day.clone() };
    assert_eq!(
        keys(&board.query(&second)),
        [
            "day:2026-03-01T15:00:00Z|team=tokyo",
            "day:2026-03-01T23:00:00Z|team=berlin",
            "day:2026-03-02T05:00:00Z|team=york",
        ]
    );
    let at = Timestamp::parse_rfc3339("2026-03-01T23:00:00Z").map(Start::At);
    assert_eq!(board.query(&Query { from: at, ..day }).total, 3);
    // Where one zone has a newer day already, the current one is that of the zone asked for.
    let current = |zone: &str| board.current_windows(zone)[0].start.to_string();
    assert_eq!(current("Europe/Berlin"), "2026-03-01T23:00:00Z");
    assert_eq!(current("Asia/Tokyo"), "2026-03-02T15:00:00Z");
    assert_eq!(current("America/New_York"), "2026-03-02T05:00:00Z");
    assert_eq!(current("UTC"), "2026-03-02T15:00:00Z", "where none is, any");
}
