//! The webhook receiver over a socket: every answer, and what reaches the log.

#[path = "hooks/client.rs"]
mod client;
#[path = "hooks/fixture.rs"]
mod fixture;
#[path = "hooks/shared.rs"]
mod shared;
#[path = "hooks/sick.rs"]
mod sick;
#[path = "hooks/sign.rs"]
mod sign;
#[path = "support/mod.rs"]
mod support;

use std::sync::Arc;

use client::Ask;
use fixture::{How, Hurt, SECRETS, Site};
use tidemark::log::{Cleanup, Log, TopicSpec};

const BODY: &[u8] = b"[{\"eventId\":1}]";

#[test]
fn what_is_authentic_is_in_the_log_before_it_is_answered() {
    let site = Site::open("");
    let asked = site.hubspot(BODY);
    assert_eq!(asked.send(site.address).status, 200);
    let [record] = &site.records("crm.raw")[..] else { panic!("one record") };
    assert_eq!(record.value.as_deref(), Some(BODY));
    let header = |name: &str| record.header(name).map(|v| String::from_utf8_lossy(v).into_owned());
    assert_eq!(header("tidemark.hook.source").as_deref(), Some("crm"));
    assert_eq!(header("tidemark.hook.verified").as_deref(), Some("hubspot-v3"));
    assert_eq!(header("http.content-type").as_deref(), Some("application/json"));
    assert!(header("http.x-hubspot-request-timestamp").is_some());
    assert!(header("tidemark.hook.received_at").is_some_and(|at| at.ends_with('Z')));
    assert_eq!(header("http.x-hubspot-signature-v3"), None, "no signature is handed on");
    // Version 3 signs its time; nobody signs the content type.
    assert_eq!(header("tidemark.hook.unsigned").as_deref(), Some("content-type"));
}

#[test]
fn what_is_not_authentic_is_refused_and_leaves_nothing() {
    let site = Site::open("");
    let mut forged = site.hubspot(BODY);
    forged.body[2] ^= 1;
    let answer = forged.send(site.address);
    assert_eq!((answer.status, answer.body.as_str()), (401, ""));
    assert_eq!(Ask::post("/hubspot", &[], BODY).send(site.address).status, 401);
    assert_eq!(site.records("crm.raw"), []);
}

#[test]
fn a_body_comes_in_chunks_or_whole_and_reaches_the_log_byte_by_byte() {
    let site = Site::open("");
    let mut body: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    body.splice(0..0, BODY.iter().copied());
    let asked = site.hubspot(&body);
    assert_eq!(asked.send_chunked(site.address, 977).status, 200);
    assert_eq!(asked.send(site.address).status, 200);
    let values: Vec<_> = site.records("crm.raw").into_iter().map(|r| r.value.unwrap()).collect();
    assert_eq!(values, [body.clone(), body]);
}

#[test]
fn the_address_that_is_signed_is_the_one_of_the_configuration() {
    let site = Site::open("");
    let now = tidemark::clock::wall_ms();
    // The client says `Host: evil.example`; what it forwards is not believed either.
    let mut asked = sign::hubspot(SECRETS[0].1, "https://evil.example", "/hubspot", BODY, now);
    asked.headers.push(("X-Forwarded-Host".into(), "evil.example".into()));
    asked.headers.push(("X-Forwarded-Proto".into(), "https".into()));
    assert_eq!(asked.send(site.address).status, 401);
    let query = sign::hubspot(SECRETS[0].1, fixture::URL, "/hubspot?a=1&b=x", BODY, now);
    assert_eq!(query.send(site.address).status, 200);
    let old = sign::hubspot(SECRETS[0].1, fixture::URL, "/hubspot", BODY, now - 301_000);
    let ahead = sign::hubspot(SECRETS[0].1, fixture::URL, "/hubspot", BODY, now + 400_000);
    assert_eq!([old.send(site.address).status, ahead.send(site.address).status], [401, 401]);
    let page = site.metrics();
    for outcome in ["mismatch", "stale", "ahead", "accepted"] {
        let line = format!(
            "tidemark_hook_requests_total{{endpoint=\"/hubspot\",outcome=\"{outcome}\"}} 1"
        );
        assert!(page.contains(&line), "{line}\n{page}");
    }
}

#[test]
fn both_secrets_hold_while_one_takes_the_place_of_the_other() {
    let site = Site::open("");
    let now = tidemark::clock::wall_ms();
    let asked = |secret: &str| sign::stripe(secret, "/stripe", BODY, now).send(site.address).status;
    assert_eq!(["whsec_new", "whsec_old", "whsec_none"].map(asked), [200, 200, 401]);
    let from = site.records("pay.raw");
    let partitions: Vec<u32> = from.iter().map(|r| r.partition.0).collect();
    assert_eq!(partitions, [0, 1], "all partitions are used in turn");
}

#[test]
fn a_scheme_of_ones_own() {
    let site = Site::open("");
    let now = tidemark::clock::wall_ms();
    let asked = |id: &str, now: i64| sign::own("meta's secret", "/own", id, BODY, now);
    assert_eq!(asked("7", now).send(site.address).status, 200);
    assert_eq!(asked("7", now - 61_000).send(site.address).status, 401, "max_age = \"1m\"");
    let mut other = asked("7", now);
    other.headers[0].1 = "8".to_owned();
    assert_eq!(other.send(site.address).status, 401, "the header is part of what is signed");
}

#[test]
fn what_is_authentic_and_unreadable_is_taken() {
    let site = Site::open("max_body = \"2MiB\"");
    let deep = [b"[".repeat(50_000), b"]".repeat(50_000)].concat();
    let many = format!("[{}1]", "1,".repeat(5_000)).into_bytes();
    for body in [&b"not json"[..], b"", b"\xff\xfe\x00", &deep, &many] {
        assert_eq!(site.hubspot(body).send(site.address).status, 200);
    }
    assert_eq!(site.records("crm.raw").len(), 5);
    // Larger than intake takes, and not than the receiver: a dead letter, the same for each delivery.
    let large = site.hubspot(&vec![b'x'; (1 << 20) + 1]);
    for _ in 0..2 {
        assert_eq!(large.send(site.address).status, 200);
    }
    assert_eq!(site.records("crm.raw").len(), 5);
    let dead = site.records("tidemark.dlq");
    let header = |i: usize, name: &str| String::from_utf8_lossy(dead[i].header(name).unwrap());
    assert_eq!(dead.len(), 2);
    assert_eq!(header(0, "tidemark.error.code"), "TOO_LARGE");
    assert_eq!(header(0, "tidemark.error.topic"), "crm.raw");
    assert_eq!(header(0, "tidemark.error.stage"), "hooks");
    assert_eq!(header(0, "tidemark.error.id"), header(1, "tidemark.error.id"));
    assert!(dead[0].value.as_ref().unwrap().len() <= 1 << 20);
}

#[test]
fn a_record_that_its_topic_does_not_take_hurts_no_other() {
    let log = Hurt::default();
    let spec = TopicSpec {
        name: "crm.raw".to_owned(),
        partitions: 1,
        replication: 1,
        cleanup: Cleanup::Delete { retention: None },
        max_record_bytes: 1_000,
    };
    log.create(&spec).unwrap();
    let site = Site::over(Arc::new(log.clone()), "");
    // They are written together: one before them holds the writer until all wait.
    log.set(How::Stuck);
    let (before, address) = (site.hubspot(BODY), site.address);
    let asked = [10, 5_000, 20, 30].map(|n| site.hubspot(&vec![b'1'; n]));
    let answers = std::thread::scope(|scope| {
        let mut held = vec![scope.spawn(|| before.send(address).status)];
        site.held();
        held.extend(asked.iter().map(|ask| scope.spawn(move || ask.send(address).status)));
        site.waiting(4);
        log.set(How::Well);
        held.into_iter().map(|h| h.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(answers, [200; 5]);
    let records = site.records("crm.raw");
    let mut sizes: Vec<_> = records.iter().map(|r| r.value.as_ref().unwrap().len()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    assert_eq!(sizes, [10, BODY.len(), 20, 30]);
    assert_eq!(site.records("tidemark.dlq").len(), 1);
}

/// A dead letter that is itself too large would close the receiver, and be sent again for ever.
#[test]
fn a_dead_letter_that_the_log_does_not_take_is_cut_until_it_does() {
    for (takes, kept) in [(100_000, 32 * 1024), (10, 0)] {
        let log = Hurt::default();
        let spec = TopicSpec {
            name: "tidemark.dlq".to_owned(),
            partitions: 1,
            replication: 1,
            cleanup: Cleanup::Delete { retention: None },
            max_record_bytes: takes,
        };
        log.create(&spec).unwrap();
        let site = Site::over(Arc::new(log), "max_body = \"2MiB\"");
        let large = vec![b'x'; (1 << 20) + 1];
        for _ in 0..2 {
            assert_eq!(site.hubspot(&large).send(site.address).status, 200, "{takes}");
        }
        assert_eq!(site.hubspot(BODY).send(site.address).status, 200, "{takes}");
        assert_eq!(site.records("crm.raw").len(), 1);
        let dead = site.records("tidemark.dlq");
        let sizes: Vec<_> = dead.iter().map(|d| d.value.as_ref().map_or(0, Vec::len)).collect();
        assert_eq!(sizes, [kept; 2]);
        assert_eq!(dead[0].header("tidemark.error.code"), Some(&b"TOO_LARGE"[..]));
        assert_eq!(dead[0].header("http.content-type").is_some(), kept > 0);
        assert_eq!(dead[0].header("tidemark.error.size"), Some(&b"1048577"[..]));
    }
}

#[test]
fn what_is_beyond_the_largest_body_is_refused_and_not_kept() {
    let site = Site::open("max_body = \"1KiB\"");
    let [fits, over] = [1024, 1025].map(|n| site.hubspot(&vec![b'1'; n]));
    for ask in [&fits, &over] {
        let expected = if ask.body.len() > 1024 { 413 } else { 200 };
        assert_eq!(ask.send(site.address).status, expected);
        assert_eq!(ask.send_chunked(site.address, 100).status, expected);
    }
    assert_eq!(site.records("crm.raw").len(), 2);
    // Nobody has to send what will not be taken.
    let declared = "POST /hubspot HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n\
                    content-length: 999999999999\r\n\r\n";
    assert!(client::raw(site.address, declared.as_bytes()).starts_with("HTTP/1.1 413"));
}

#[test]
fn what_does_not_fit_into_the_buffers_comes_again() {
    let log = Hurt::default();
    let site = Site::over(Arc::new(log.clone()), "max_body = \"2KiB\"\nmax_buffered = \"3KiB\"");
    log.set(How::Stuck);
    let asked = site.hubspot(&[b'1'; 2000]);
    let address = site.address;
    std::thread::scope(|scope| {
        let first = scope.spawn(|| asked.send(address));
        site.held();
        let second = asked.send(address);
        assert_eq!((second.status, second.header("retry-after")), (503, Some("1")));
        log.set(How::Well);
        assert_eq!(first.join().unwrap().status, 200);
    });
    assert_eq!(asked.send(address).status, 200, "what was held is given back");
    assert!(site.metrics().contains("outcome=\"buffers_full\"} 1"));
}

#[test]
fn a_full_queue_is_said_at_once() {
    let log = Hurt::default();
    let site = Site::over(Arc::new(log.clone()), "max_waiting = 1\nack_timeout = \"20s\"");
    log.set(How::Stuck);
    let (asked, address) = (site.hubspot(BODY), site.address);
    std::thread::scope(|scope| {
        // One is with the writer and one waits; then there is no place.
        let mut held = vec![scope.spawn(|| asked.send(address))];
        site.held();
        held.push(scope.spawn(|| asked.send(address)));
        site.waiting(1);
        let third = asked.send(address);
        assert_eq!((third.status, third.header("retry-after")), (503, Some("1")));
        log.set(How::Well);
        for held in held {
            assert_eq!(held.join().unwrap().status, 200);
        }
    });
    assert!(site.metrics().contains("outcome=\"queue_full\"} 1"));
}

#[test]
fn while_the_log_is_away_senders_are_asked_to_come_again() {
    let log = Hurt::default();
    log.set(How::Away);
    let site = Site::before(Arc::new(log.clone()), "");
    let answer = site.hubspot(BODY).send(site.address);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    log.set(How::Well);
    site.reachable();
    assert_eq!(site.hubspot(BODY).send(site.address).status, 200);
    // It goes away under a request that is believed: that one is told so too.
    log.set(How::Away);
    assert_eq!(site.hubspot(BODY).send(site.address).status, 503);
    site.unreachable();
    // A large body is read over, or its sender would see a broken connection and not the answer.
    assert_eq!(site.hubspot(&vec![b'1'; 3 << 20]).send(site.address).status, 503);
    log.set(How::Well);
    site.reachable();
    assert_eq!(site.hubspot(BODY).send(site.address).status, 200);
}

#[test]
fn a_log_that_does_not_answer_in_time_is_not_waited_for() {
    let log = Hurt::default();
    let site = Site::over(Arc::new(log.clone()), "ack_timeout = \"50ms\"");
    log.set(How::Stuck);
    assert_eq!(site.hubspot(BODY).send(site.address).status, 503);
    log.set(How::Well);
    site.reachable();
    assert_eq!(site.hubspot(BODY).send(site.address).status, 200);
}

#[test]
fn an_endpoint_takes_its_rate_and_a_stranger_cannot_use_it_up() {
    let site = Site::open("max_rate = 2");
    for _ in 0..20 {
        assert_eq!(Ask::post("/stripe", &[], BODY).send(site.address).status, 401);
    }
    let now = tidemark::clock::wall_ms();
    let asked = sign::stripe("whsec_new", "/stripe", BODY, now);
    let statuses: Vec<u16> = (0..20).map(|_| asked.send(site.address).status).collect();
    assert_eq!(statuses[..2], [200, 200]);
    assert!(statuses.contains(&503), "{statuses:?}");
    assert_eq!(site.hubspot(BODY).send(site.address).status, 200, "each endpoint has its own");
}

#[test]
fn handshakes() {
    let site = Site::open("");
    let get = |target: &str| Ask::get(target).send(site.address);
    let hub = "hub.mode=subscribe&hub.challenge=11%3C58&hub.verify_token=";
    let answer = get(&format!("/meta?{hub}a+token%20typed+in"));
    assert_eq!((answer.status, answer.body.as_str()), (200, "11<58"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(get(&format!("/meta?{hub}another")).status, 403);
    assert_eq!(get("/meta?hub.challenge=1158").status, 403);
    assert_eq!(sign::meta("meta's secret", "/meta", BODY).send(site.address).status, 200);

    assert_eq!((get("/mailchimp").status, get("/hubspot").status), (200, 405));
    assert_eq!(get("/hubspot").header("allow"), Some("POST"));

    let token = "token=a%20token%20typed%20in";
    let asked = |target: &str, body: &[u8]| Ask::post(target, &[], body).send(site.address);
    let challenge = br#"{"challenge":"3eZbrw"}"#;
    let answer = asked(&format!("/monday?{token}"), challenge);
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"challenge":"3eZbrw"}"#));
    assert_eq!(asked("/monday", challenge).status, 401);
    assert_eq!(site.records("any.raw").len(), 1, "a handshake is no event");
    assert_eq!(asked(&format!("/monday?{token}"), br#"{"event":{}}"#).status, 200);
    assert_eq!(site.records("any.raw").len(), 2);
}

#[test]
fn other_paths_and_headers() {
    let site = Site::open("");
    for target in ["/", "/hubspot/", "/HUBSPOT", "/hubspot%2f", "//hubspot", "/metrics"] {
        assert_eq!(Ask::post(target, &[], BODY).send(site.address).status, 404, "{target}");
    }
    let headers = [("X-Request-ID", "a"), ("x-request-id", "b"), ("Cookie", "c"), ("X-Other", "d")];
    assert_eq!(Ask::post("/open", &headers, BODY).send(site.address).status, 200);
    let records = site.records("any.raw");
    let names: Vec<&str> = records[0].headers.iter().map(|h| h.name.as_str()).collect();
    let ours = ["source", "received_at", "verified"].map(|n| format!("tidemark.hook.{n}"));
    assert_eq!(names[..3], ours);
    assert_eq!(names[3..], ["http.x-request-id", "http.x-request-id", "tidemark.hook.unsigned"]);
    assert_eq!(records[0].header("tidemark.hook.unsigned"), Some(&b"x-request-id"[..]));
    assert_eq!(records[0].header("tidemark.hook.verified"), Some(&b"none"[..]));
}

#[test]
fn a_sender_that_dribbles_is_cut_off() {
    let site = Site::open("header_timeout = \"100ms\"\nbody_timeout = \"100ms\"");
    let head = b"POST /hubspot HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n";
    let large = [&head[..], b"x-large: ", &[b'x'; 17 << 10], b"\r\n\r\n"].concat();
    assert!(client::raw(site.address, &large).starts_with("HTTP/1.1 431"));
    assert!(client::raw(site.address, b"no request\r\n\r\n").starts_with("HTTP/1.1 400"));
    // The client reads to the end of the connection, and would fail after 20 s.
    assert!(!client::raw(site.address, head).contains("200 OK"));
    let body = [&head[..], b"\r\n[1"].concat();
    assert!(client::raw(site.address, &body).starts_with("HTTP/1.1 408"));
    let chunked =
        b"POST /hubspot HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[1\r\n";
    assert!(client::raw(site.address, chunked).starts_with("HTTP/1.1 408"));
    assert_eq!(site.hubspot(BODY).send(site.address).status, 200);
}

#[test]
fn at_the_end_what_is_under_way_is_still_answered() {
    let log = Hurt::default();
    let mut site = Site::over(Arc::new(log.clone()), "ack_timeout = \"20s\"");
    log.set(How::Stuck);
    let (asked, address) = (site.hubspot(BODY), site.address);
    let answer = std::thread::scope(|scope| {
        let held = scope.spawn(|| asked.send(address));
        site.held();
        site.running.as_ref().unwrap().stop.request(tidemark::runtime::StopReason::Asked);
        // Nobody is taken any more.
        support::await_some("the listener is closed", std::time::Duration::from_secs(20), || {
            std::thread::park_timeout(std::time::Duration::from_millis(5));
            std::net::TcpStream::connect(address).is_err().then_some(())
        });
        log.set(How::Well);
        held.join().unwrap()
    });
    assert_eq!(answer.status, 200);
    assert!(site.stop(), "all of it ends in time");
    assert_eq!(site.records("crm.raw").len(), 1);
}

#[test]
fn the_embedded_log_keeps_what_was_answered() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        Arc::new(
            tidemark::log::embedded::EmbeddedLog::open(dir.path(), tidemark::clock::wall_ms)
                .unwrap(),
        )
    };
    let mut site = Site::over(open(), "");
    assert_eq!(site.hubspot(BODY).send(site.address).status, 200);
    assert!(site.stop());
    drop(site);
    let site = Site::over(open(), "");
    assert_eq!(site.records("crm.raw")[0].value.as_deref(), Some(BODY));
}

/// The page about webhooks: its examples load, and it names every way of signing.
#[test]
fn the_page_about_webhooks_is_true() {
    let page = include_str!("../docs/webhooks.md");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shop");
    std::fs::write(&file, "hunter2").unwrap();
    let env = ["HUBSPOT_CLIENT_SECRET", "STRIPE_WEBHOOK_SECRET"];
    let mut examples = 0;
    for example in page.split("```toml\n").skip(1) {
        let text = example.split("```").next().unwrap();
        let text = text.replace("/run/secrets/shop", file.to_str().unwrap());
        let env = env.map(|name| (name.to_owned(), "hunter2".to_owned()));
        let config = tidemark::config::Config::from_toml(&text, "page", env.into_iter());
        let config = config.unwrap_or_else(|e| panic!("{e}"));
        assert!(!config.hooks.unwrap().endpoints.is_empty());
        examples += 1;
    }
    assert_eq!(examples, 2);
    for preset in tidemark::verify::presets::PRESETS {
        assert!(page.contains(&format!("`{}`", preset.name)), "{}", preset.name);
    }
}
