use super::*;
use crate::model::record::Partition;
use crate::notify::usual;

/// A word of an alert: its id, state, whether it has fired and was withdrawn, and its version.
fn word(offset: u64, id: &str, state: &str, version: u64) -> Record {
    let (state, withdrawn) = if state == "withdrawn" { ("resolved", true) } else { (state, false) };
    let fired = state != "pending" && state != "unfired";
    let state = if state == "unfired" { "resolved" } else { state };
    let json = format!(
        "{{\"id\":\"{id}\",\"kpi\":\"win_rate\",\"segment\":{{}},\"direction\":\"down\",\
         \"state\":\"{state}\",\"fired\":{fired},\"withdrawn\":{withdrawn},\
         \"since\":\"2026-04-20T00:00:00Z\",\"resolved\":null,\"end\":null,\
         \"change_time\":\"2026-04-10T00:00:00Z\",\"now\":0.25,\"n\":61,\"interval\":null,\
         \"baseline\":0.5,\"unit\":\"ratio\",\"effect\":-0.5,\
         \"expected_false_alarms_per_month\":0.3,\"as_of\":\"2026-04-22T00:00:00Z\",\
         \"version\":{version}}}"
    );
    Record {
        topic: "alerts".into(),
        partition: Partition(0),
        offset: Offset(offset),
        timestamp_ms: None,
        key: Some(id.as_bytes().to_vec()),
        value: Some(json.into_bytes()),
        headers: Vec::new(),
    }
}

/// All that waits, told one after the other.
fn tell(outbox: &mut Outbox) -> Vec<(String, &'static str)> {
    let mut out = Vec::new();
    while let Some(notice) = outbox.next(None) {
        out.push((notice.alert.id().to_owned(), notice.standing.as_str()));
        outbox.told(&notice);
    }
    out
}

fn said(out: &[(String, &'static str)]) -> Vec<String> {
    out.iter().map(|(id, state)| format!("{id} {state}")).collect()
}

fn taking(wanted: Wanted, states: &[&str]) -> Vec<String> {
    let mut outbox = Outbox::new(wanted);
    let mut out = Vec::new();
    for (i, state) in (0..).zip(states) {
        outbox.take(&word(i, "a", state, i));
        out.extend(said(&tell(&mut outbox)));
    }
    out
}

#[test]
fn transitions_are_told_and_repetitions_are_not() {
    let course =
        ["pending", "firing", "firing", "resolved", "resolved", "firing", "withdrawn", "withdrawn"];
    let usually = taking(usual(), &course);
    assert_eq!(usually, ["a firing", "a resolved", "a firing", "a withdrawn"]);
    let all: Wanted = Standing::ALL.iter().map(|(s, _)| *s).collect();
    assert_eq!(taking(all, &course)[..2], ["a pending", "a firing"]);
    assert_eq!(taking([Standing::Firing].into(), &course), ["a firing", "a firing"]);
}

#[test]
fn what_never_fired_ends_unheard_unless_pending_is_asked_for() {
    assert_eq!(taking(usual(), &["pending", "unfired"]), [""; 0]);
    let all: Wanted = Standing::ALL.iter().map(|(s, _)| *s).collect();
    assert_eq!(taking(all, &["pending", "unfired"]), ["a pending", "a resolved"]);
}

#[test]
fn what_fired_and_waits_again_by_a_correction_ends_aloud() {
    assert_eq!(taking(usual(), &["firing", "pending", "unfired"]), ["a firing", "a resolved"]);
    assert_eq!(taking(usual(), &["firing", "pending", "firing"]), ["a firing"]);
}

#[test]
fn the_newest_word_takes_the_place_of_one_that_waits_and_the_position_stays() {
    let mut outbox = Outbox::new(usual());
    outbox.take(&word(10, "a", "firing", 1));
    outbox.take(&word(11, "b", "firing", 1));
    outbox.take(&word(12, "a", "resolved", 2));
    assert_eq!((outbox.waiting(), outbox.settled(Offset(13))), (2, Some(Offset(10))));
    // A stale owner writes late.
    outbox.take(&word(13, "a", "firing", 1));
    assert_eq!(said(&tell(&mut outbox)), ["a resolved", "b firing"]);
    assert_eq!(outbox.settled(Offset(14)), Some(Offset(14)));
}

#[test]
fn what_went_back_to_what_was_heard_waits_no_more() {
    let mut outbox = Outbox::new(usual());
    outbox.take(&word(0, "a", "firing", 0));
    tell(&mut outbox);
    outbox.take(&word(1, "a", "withdrawn", 1));
    assert_eq!(outbox.settled(Offset(2)), Some(Offset(1)));
    outbox.take(&word(2, "a", "firing", 2));
    assert_eq!((outbox.waiting(), outbox.settled(Offset(3))), (0, Some(Offset(3))));
    assert_eq!(outbox.firing().count(), 1);
}

#[test]
fn a_restart_neither_repeats_nor_forgets() {
    let log = [
        word(0, "a", "firing", 0),
        word(1, "b", "firing", 1),
        word(2, "a", "firing", 2),
        word(3, "b", "resolved", 3),
        word(4, "c", "firing", 4),
    ];
    let whole = {
        let mut outbox = Outbox::new(usual());
        log.iter().for_each(|r| outbox.take(r));
        said(&tell(&mut outbox))
    };
    assert_eq!(whole, ["a firing", "b resolved", "c firing"]);
    // Stopped behind any number of records and messages: what comes then is what is left.
    for read in 0..=log.len() {
        let mut outbox = Outbox::new(usual());
        log[..read].iter().for_each(|r| outbox.take(r));
        let mut heard = Vec::new();
        loop {
            let from = outbox.settled(Offset(read as u64)).unwrap();
            let mut next = Outbox::new(usual());
            let (before, behind) = log.split_at(from.0 as usize);
            before.iter().for_each(|r| next.learn(r));
            behind.iter().for_each(|r| next.take(r));
            let mut all = heard.clone();
            all.extend(said(&tell(&mut next)));
            for id in ["a firing", "b resolved", "c firing"] {
                assert!(all.iter().any(|said| said == id), "{read}: {all:?}");
            }
            let Some(notice) = outbox.next(None) else { break };
            heard.push(format!("{} {}", notice.alert.id(), notice.standing.as_str()));
            outbox.told(&notice);
        }
        // All was told and committed: a restart says nothing of it.
        let mut next = Outbox::new(usual());
        log[..read].iter().for_each(|r| next.learn(r));
        assert_eq!(said(&tell(&mut next)), [""; 0]);
    }
}

#[test]
fn the_end_is_told_though_compaction_took_the_beginning() {
    let mut outbox = Outbox::new(usual());
    outbox.take(&word(10, "a", "resolved", 2));
    assert_eq!(said(&tell(&mut outbox)), ["a resolved"]);
    assert_eq!(outbox.next(None), None);
}

#[test]
fn a_new_receiver_hears_of_what_is_open_and_commits_behind_it() {
    let mut outbox = Outbox::new(usual());
    for record in
        [word(0, "a", "resolved", 0), word(1, "b", "firing", 1), word(2, "c", "pending", 2)]
    {
        outbox.learn(&record);
    }
    outbox.inherit();
    assert_eq!(outbox.settled(Offset(3)), None);
    outbox.take(&word(3, "d", "firing", 3));
    outbox.take(&word(4, "b", "firing", 4));
    assert_eq!((outbox.waiting(), outbox.settled(Offset(5))), (2, None));
    let notice = outbox.next(None).unwrap();
    outbox.told(&notice);
    assert_eq!((notice.alert.id(), outbox.settled(Offset(5))), ("b", Some(Offset(3))));
    assert_eq!(said(&tell(&mut outbox)), ["d firing"]);
    // Nothing to inherit: that it was there is committed at once.
    let mut empty = Outbox::new(usual());
    empty.learn(&word(0, "a", "resolved", 0));
    empty.inherit();
    assert_eq!(empty.settled(Offset(1)), Some(Offset(1)));
}

#[test]
fn what_cannot_be_read_and_what_is_deleted_waits_for_nobody() {
    let mut outbox = Outbox::new(usual());
    outbox.take(&Record { value: Some(b"{}".to_vec()), ..word(0, "a", "firing", 0) });
    outbox.take(&Record { key: None, ..word(1, "a", "firing", 0) });
    assert_eq!(outbox.waiting(), 0);
    outbox.take(&word(2, "a", "firing", 0));
    outbox.take(&Record { value: None, ..word(3, "a", "firing", 0) });
    assert_eq!((outbox.waiting(), outbox.settled(Offset(4))), (0, Some(Offset(4))));
}

#[test]
fn one_that_fails_lets_the_next_one_pass_and_keeps_its_place() {
    let mut outbox = Outbox::new(usual());
    for (offset, id) in (0..).zip(["a", "b", "c"]) {
        outbox.take(&word(offset, id, "firing", 1));
    }
    let behind = |outbox: &Outbox, at| outbox.next(at).map(|n| n.alert.id().to_owned());
    assert_eq!(behind(&outbox, Some(Offset(0))).as_deref(), Some("b"));
    assert_eq!(behind(&outbox, Some(Offset(2))), None);
    let b = outbox.next(Some(Offset(0))).unwrap();
    outbox.told(&b);
    assert!(outbox.waits(Offset(0)) && !outbox.waits(Offset(1)));
    assert_eq!(behind(&outbox, Some(Offset(0))).as_deref(), Some("c"));
    // Nothing is committed past what waits.
    assert_eq!(outbox.settled(Offset(3)), Some(Offset(0)));
}

#[test]
fn what_was_given_up_is_not_renewed_until_it_is_told_anew() {
    let mut outbox = Outbox::new(usual());
    outbox.take(&word(0, "a", "firing", 0));
    let notice = outbox.next(None).unwrap();
    outbox.gave_up(&notice);
    outbox.take(&word(1, "a", "firing", 1));
    assert_eq!((outbox.waiting(), outbox.firing().count()), (0, 0));
    outbox.take(&word(2, "a", "withdrawn", 2));
    outbox.take(&word(3, "b", "firing", 2));
    assert_eq!(said(&tell(&mut outbox)), ["a withdrawn", "b firing"]);
    outbox.take(&word(4, "a", "firing", 3));
    assert_eq!(said(&tell(&mut outbox)), ["a firing"]);
    assert_eq!(outbox.firing().count(), 2);
}

/// What is told behind a message that is stuck since the first record, with ids.
fn past_the_stuck(outbox: &mut Outbox) -> Vec<(String, String)> {
    let mut out = Vec::new();
    while let Some(notice) = outbox.next(Some(Offset(0))) {
        let said = format!("{} {}", notice.alert.id(), notice.standing.as_str());
        out.push((said, crate::notify::id(&notice)));
        outbox.told(&notice);
    }
    out
}

#[test]
fn behind_a_stuck_message_a_restart_tells_under_the_ids_of_before() {
    let log = ["firing", "firing", "resolved", "resolved", "firing"];
    let stuck = word(0, "stuck", "firing", 0);
    let word = |i: usize| word(i as u64 + 1, "a", log[i], i as u64);
    for read in 1..=log.len() {
        let mut outbox = Outbox::new(usual());
        outbox.take(&stuck);
        let mut before = Vec::new();
        for i in 0..read {
            outbox.take(&word(i));
            before.extend(past_the_stuck(&mut outbox));
        }
        assert_eq!(outbox.settled(Offset(9)), Some(Offset(0)), "nothing is committed");
        // A new worker takes all of it at once, and what came since.
        for came in read..=log.len() {
            let mut next = Outbox::new(usual());
            next.take(&stuck);
            (0..came).for_each(|i| next.take(&word(i)));
            let again = past_the_stuck(&mut next).pop().unwrap();
            let told_before = before.iter().any(|(_, id)| *id == again.1);
            // As it stands was told before under the same id, or it is news under a new one.
            let news = log[read - 1..came].windows(2).any(|pair| pair[0] != pair[1]);
            assert_eq!(told_before, !news, "{read} {came}: {again:?} behind {before:?}");
        }
    }
}

#[test]
fn what_waits_for_a_while_or_fires_since_another_day_by_a_correction_keeps_its_id() {
    let stuck = word(0, "stuck", "firing", 0);
    let since_another_day = |record: Record| {
        let json = String::from_utf8(record.value.unwrap()).unwrap();
        let moved = json.replace("2026-04-20T00", "2026-04-17T00");
        Record { value: Some(moved.into_bytes()), ..record }
    };
    let log = [
        word(1, "a", "firing", 1),
        word(2, "a", "pending", 2),
        word(3, "a", "pending", 3),
        since_another_day(word(4, "a", "firing", 4)),
        word(5, "a", "resolved", 5),
        since_another_day(word(6, "a", "resolved", 6)),
    ];
    let told = |log: &[Record]| {
        let mut outbox = Outbox::new(usual());
        outbox.take(&stuck);
        log.iter().for_each(|record| outbox.take(record));
        past_the_stuck(&mut outbox)
    };
    assert_eq!(told(&log[..1])[0].0, "a firing");
    assert_eq!(told(&log[..4]), told(&log[..1]), "a restart repeats it");
    assert_eq!(told(&log[..5])[0].0, "a resolved");
    assert_eq!(told(&log), told(&log[..5]));
}

#[test]
fn what_may_have_been_told_to_fire_ends_aloud_behind_a_restart() {
    // Told in front of the restart, and not committed for what is stuck before it.
    let log = ["firing", "pending", "unfired", "unfired"];
    for read in 3..=log.len() {
        let mut outbox = Outbox::new(usual());
        outbox.take(&word(0, "stuck", "firing", 0));
        for (at, state) in (1..).zip(&log[..read]) {
            outbox.take(&word(at, "a", state, at));
        }
        let told: Vec<String> = past_the_stuck(&mut outbox).into_iter().map(|(t, _)| t).collect();
        assert_eq!(told, ["a resolved"], "{read}");
    }
    // What waits once more behind its end, and never fires, ends unheard.
    assert_eq!(taking(usual(), &["firing", "resolved", "pending", "unfired"]).len(), 2);
}

#[test]
fn what_is_refused_alone_is_counted_until_it_is_taken_and_set_aside_until_it_is_news() {
    let mut outbox = Outbox::new(usual());
    for (offset, id) in (0..).zip(["a", "b"]) {
        outbox.take(&word(offset, id, "firing", 1));
    }
    tell(&mut outbox);
    assert_eq!((outbox.refused("a"), outbox.refused("a"), outbox.refused("b")), (1, 2, 1));
    outbox.renewed("a");
    outbox.take(&word(2, "b", "firing", 2));
    assert_eq!((outbox.refused("a"), outbox.refused("b")), (1, 2), "another day forgives nothing");
    outbox.set_aside("b");
    outbox.take(&word(3, "b", "firing", 3));
    let firing: Vec<&str> = outbox.firing().map(Alert::id).collect();
    assert_eq!((firing, outbox.waiting()), (vec!["a"], 0));
    outbox.take(&word(4, "b", "resolved", 4));
    tell(&mut outbox);
    outbox.take(&word(5, "b", "firing", 5));
    tell(&mut outbox);
    assert_eq!((outbox.firing().count(), outbox.refused("b")), (2, 1));
}

#[test]
fn what_fired_untold_and_waits_again_is_told_when_it_fires_whoever_restarts_meanwhile() {
    let all: Wanted = Standing::ALL.iter().map(|(s, _)| *s).collect();
    let courses = [
        (usual(), ["firing", "pending", "pending", "firing"], "a firing"),
        (usual(), ["firing", "pending", "pending", "unfired"], "a resolved"),
        (all, ["firing", "pending", "pending", "firing"], "a firing"),
    ];
    for (wanted, states, last) in courses {
        let log: Vec<_> = (0..).zip(states).map(|(i, state)| word(i, "a", state, i)).collect();
        for read in 1..=log.len() {
            // What fires is not told before the restart; what is pending may be.
            let mut outbox = Outbox::new(wanted.clone());
            log[..read].iter().for_each(|record| outbox.take(record));
            let waits = outbox.next(None).filter(|n| n.standing == Standing::Pending);
            waits.iter().for_each(|notice| outbox.told(notice));
            let from = outbox.settled(Offset(read as u64)).unwrap();
            assert_eq!(from, Offset(0), "{states:?} {read}");
            let mut next = Outbox::new(wanted.clone());
            log[..from.0 as usize].iter().for_each(|record| next.learn(record));
            log[from.0 as usize..].iter().for_each(|record| next.take(record));
            assert_eq!(said(&tell(&mut next)), [last], "{read}");
            assert_eq!(next.settled(Offset(4)), Some(Offset(4)));
        }
    }
}

#[test]
fn a_new_receiver_has_heard_of_nothing_that_is_open() {
    let new = || {
        let mut outbox = Outbox::new(usual());
        outbox.learn(&word(0, "a", "firing", 0));
        outbox.learn(&word(1, "a", "pending", 1));
        outbox.inherit();
        outbox
    };
    let mut fires = new();
    fires.take(&word(2, "a", "firing", 2));
    assert_eq!(said(&tell(&mut fires)), ["a firing"]);
    let mut ends = new();
    ends.take(&word(2, "a", "unfired", 2));
    assert_eq!(said(&tell(&mut ends)), [""; 0]);
    assert_eq!(ends.settled(Offset(3)), Some(Offset(3)));
}

#[test]
fn a_restart_takes_nothing_for_told_that_a_new_receiver_never_heard() {
    let mut outbox = Outbox::new(usual());
    outbox.learn(&word(0, "a", "firing", 0));
    outbox.learn(&word(1, "a", "pending", 1));
    outbox.inherit();
    // It waits; were a position committed, what is before it would be learned as told.
    outbox.take(&word(2, "a", "pending", 2));
    assert_eq!((outbox.waiting(), outbox.settled(Offset(3))), (0, None));
    outbox.take(&word(3, "a", "firing", 3));
    assert_eq!(outbox.settled(Offset(4)), None);
    assert_eq!(said(&tell(&mut outbox)), ["a firing"]);
    assert_eq!(outbox.settled(Offset(4)), Some(Offset(4)));
    // What is deleted holds nothing up.
    let mut gone = Outbox::new(usual());
    gone.learn(&word(0, "a", "firing", 0));
    gone.learn(&word(1, "a", "pending", 1));
    gone.inherit();
    gone.take(&Record { value: None, ..word(2, "a", "firing", 0) });
    assert_eq!(gone.settled(Offset(3)), Some(Offset(3)));
}

#[test]
fn a_pending_alert_is_repeated_under_its_id_though_it_fired_in_between() {
    let all: Wanted = Standing::ALL.iter().map(|(s, _)| *s).collect();
    let told = |states: &[&str]| {
        let mut outbox = Outbox::new(all.clone());
        outbox.take(&word(0, "stuck", "firing", 0));
        for (at, state) in (1..).zip(states) {
            outbox.take(&word(at, "a", state, at));
        }
        past_the_stuck(&mut outbox)
    };
    assert_eq!(told(&["pending"])[0].0, "a pending");
    assert_eq!(told(&["pending", "firing", "pending"]), told(&["pending"]));
}

/// The same word, of an alert that was over on a day, as judged up to another one.
fn judged(record: Record, resolved: Option<&str>, judged_to: &str) -> Record {
    let json = String::from_utf8(record.value.unwrap()).unwrap();
    let over = resolved.map_or("null".to_owned(), |day| format!("\"{day}T00:00:00Z\""));
    let json = json.replace("\"resolved\":null", &format!("\"resolved\":{over}"));
    let judged_to = format!("\"judged_to\":\"{judged_to}T00:00:00Z\",\"version\"");
    Record { value: Some(json.replace("\"version\"", &judged_to).into_bytes()), ..record }
}

#[test]
fn a_new_receiver_hears_no_end_of_long_ago_whose_beginning_it_did_not_hear() {
    let since = Timestamp::parse_rfc3339("2026-11-20T00:00:00Z").unwrap();
    let told = |is_new: bool, records: &[Record]| {
        let mut outbox = Outbox::new(usual());
        if is_new {
            outbox.since(since);
        }
        records.iter().for_each(|record| outbox.take(record));
        let out = said(&tell(&mut outbox));
        assert_eq!(outbox.settled(Offset(9)), Some(Offset(9)));
        out
    };
    let over = judged(word(0, "a", "resolved", 0), Some("2026-05-20"), "2026-11-23");
    let undone = judged(word(1, "b", "withdrawn", 1), None, "2026-11-23");
    let open = judged(word(2, "c", "firing", 2), None, "2026-11-23");
    let late = judged(word(3, "d", "resolved", 3), Some("2026-11-22"), "2026-11-23");
    let whole = [over, undone, open, late];
    assert_eq!(told(true, &whole), ["c firing", "d resolved"]);
    // To one that was there before, compaction may have taken the beginning.
    assert_eq!(told(false, &whole), ["a resolved", "b withdrawn", "c firing", "d resolved"]);
    // What was told to fire ends aloud, however long ago.
    let mut outbox = Outbox::new(usual());
    outbox.since(since);
    outbox.take(&judged(word(0, "a", "firing", 0), None, "2026-11-22"));
    tell(&mut outbox);
    outbox.take(&judged(word(1, "a", "resolved", 1), Some("2026-05-20"), "2026-11-23"));
    assert_eq!(said(&tell(&mut outbox)), ["a resolved"]);
}

#[test]
fn what_is_open_waits_while_history_is_read() {
    let since = Timestamp::parse_rfc3339("2026-11-20T00:00:00Z").unwrap();
    let mut outbox = Outbox::new(usual());
    outbox.since(since);
    outbox.catches_up(true);
    outbox.take(&judged(word(0, "a", "firing", 0), None, "2026-05-10"));
    outbox.take(&judged(word(1, "b", "firing", 1), None, "2026-05-12"));
    assert_eq!((outbox.waiting_now(), outbox.next(None)), (0, None));
    outbox.take(&judged(word(2, "a", "resolved", 2), Some("2026-05-20"), "2026-05-21"));
    assert_eq!(outbox.judged_to(), Timestamp::parse_rfc3339("2026-05-21T00:00:00Z"));
    assert_eq!(said(&tell(&mut outbox)), [""; 0]);
    outbox.catches_up(false);
    assert_eq!(
        said(&tell(&mut outbox)),
        ["b firing"],
        "as it stands, however old its own judgment"
    );
}
