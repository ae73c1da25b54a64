//! What was a dead letter and is put back becomes what it would have become at first.

use tidemark::intake::Decoder;
use tidemark::model::deadletter::DeadLetter;
use tidemark::model::event::Event;
use tidemark::model::record::{Header, Record};
use tidemark::model::source::{System, Wrapping};
use tidemark::model::time::Timestamp;

use crate::{decoder, now, record};

/// As `tidemark dlq redrive` writes it.
fn put_back(dead: DeadLetter) -> Record {
    let DeadLetter { key, value, headers, timestamp_ms, cut, .. } = dead;
    assert_eq!(cut, None);
    Record { key, value, headers, timestamp_ms, ..record("{}") }
}

fn told(decoder: &Decoder, record: &Record) -> Vec<String> {
    let taken = decoder.take(record, now());
    assert_eq!(taken.dead_letters, [], "{record:?}");
    let told = |event: &Event<'_>| {
        let Event { id, entity, time, order, set, .. } = event;
        format!("{id} {} {time} {order:?} {set:?}", entity.id)
    };
    taken.events.iter().map(told).collect()
}

const WEBHOOK: &[(&str, &str)] = &[("Webhook-Id", "msg_1"), ("webhook-timestamp", "1772442009")];
const SVIX: &[(&str, &str)] = &[("http.svix-id", "msg_2")];
const BINARY: &[(&str, &str)] = &[
    ("ce_specversion", "1.0"),
    ("ce_id", "7"),
    ("ce_source", "/crm#eu"),
    ("ce_time", "2026-03-02T08:00:00Z"),
];

/// Two events without ids, the time as given.
fn two(time: &str) -> String {
    let one = |id: u32| {
        format!(r#"{{"entity":{{"type":"lead","id":"{id}"}},{time}"set":{{"owner":"r-1"}}}}"#)
    };
    format!("[{},{}]", one(1), one(2))
}

/// Headers, what the source is pinned to, and a body.
type Case = (&'static [(&'static str, &'static str)], Wrapping, String);

/// Every carrier that lends ids or times to several events, in every place of several.
fn carried() -> Vec<Case> {
    let (bare, dated) = (two(""), two(r#""time":"2026-03-02T08:30:00Z","#));
    let at = r#""2026-03-02T09:00:00Z""#;
    let webhook = |data: &str| format!(r#"{{"type":"t","timestamp":{at},"data":{data}}}"#);
    let cloud = |data: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"c#1","source":"/s","type":"t","time":{at},"data":{data}}}"#
        )
    };
    let connect = |data: &str| format!(r#"{{"schema":null,"payload":{data}}}"#);
    let outbox = |payload: &str| {
        let payload = serde_json::to_string(payload).unwrap();
        let row = format!(r#"{{"id":"o-1","payload":{payload}}}"#);
        let source = r#"{"ts_ms":1772442000000,"table":"outbox#1"}"#;
        format!(r#"{{"op":"c","source":{source},"before":null,"after":{row}}}"#)
    };
    let many = |body: &str| format!("[{body},{body}]");
    let (auto, standard) = (Wrapping::Auto, Wrapping::StandardWebhooks);
    vec![
        (WEBHOOK, auto, webhook(&bare)),
        (WEBHOOK, standard, webhook(&bare)),
        (SVIX, auto, many(&webhook(&bare))),
        (SVIX, standard, many(&webhook(&bare))),
        (WEBHOOK, auto, dated.clone()),
        (WEBHOOK, auto, webhook(&connect(&bare))),
        (WEBHOOK, auto, cloud(&connect(&bare))),
        (SVIX, auto, many(&cloud(&connect(&bare)))),
        (BINARY, auto, bare.clone()),
        (BINARY, Wrapping::CloudEvents, bare.clone()),
        (BINARY, auto, connect(&bare)),
        (BINARY, auto, many(&connect(&bare))),
        (&[], auto, cloud(&bare)),
        (&[], auto, many(&cloud(&bare))),
        (&[], auto, cloud(&connect(&bare))),
        (&[], auto, outbox(&bare)),
        (&[], Wrapping::Debezium, outbox(&bare)),
        (&[], auto, connect(&outbox(&bare))),
        (&[], auto, cloud(&outbox(&bare))),
        (WEBHOOK, auto, outbox(&bare)),
        (&[], auto, many(&outbox(&bare))),
    ]
}

/// A clock that is behind makes all of them dead letters; with the right one they are put back.
#[test]
fn what_is_put_back_keeps_its_identity_and_its_time() {
    let behind = Some(Timestamp::parse_rfc3339("2001-01-01T00:00:00Z").unwrap());
    for (headers, wrapping, body) in carried() {
        let mut record = record(&body);
        record.headers = headers.iter().map(|(name, value)| Header::new(*name, *value)).collect();
        let mut decoder = decoder(System::Canonical);
        decoder.reading.wrapping = wrapping;
        let expected = told(&decoder, &record);
        let mut ids: Vec<_> = expected.iter().map(|e| e.split(' ').next()).collect();
        ids.sort_unstable();
        ids.dedup();
        // The same envelope twice is the same event twice.
        let is_twice = |id: &str| body.matches(id).count() > 1;
        let is_named = |n: usize| n == expected.len() || is_twice("\"c#1\"") || is_twice("o-1");
        assert!(expected.len() > 1 && is_named(ids.len()), "{body} {expected:?}");
        let letters = decoder.take(&record, behind).dead_letters;
        assert_eq!(letters.len(), expected.len(), "{body}");
        let mut again = Vec::new();
        for dead in letters {
            // What fails once more is buried and put back once more.
            let mut once = decoder.take(&put_back(dead), behind).dead_letters;
            assert_eq!(once.len(), 1, "{body}");
            again.extend(told(&decoder, &put_back(once.remove(0))));
        }
        assert_eq!(again, expected, "{headers:?} {wrapping:?} {body}");
    }
}
