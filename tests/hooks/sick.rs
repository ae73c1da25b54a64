//! Topics and partitions that take nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tidemark::log::{Cleanup, Log, TopicSpec};

use crate::fixture::{How, Hurt, Site};
use crate::{BODY, sign, support};

/// One topic without a leader is no matter of the others.
#[test]
fn a_sick_topic_closes_its_own_endpoints_only() {
    let log = Hurt::default();
    log.ail("pay.raw", &[0, 1], false);
    let site = Site::over(Arc::new(log.clone()), "");
    let paid = || {
        let now = tidemark::clock::wall_ms();
        sign::stripe("whsec_new", "/stripe", BODY, now).send(site.address)
    };
    for _ in 0..3 {
        let answer = paid();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
        assert_eq!(site.hubspot(BODY).send(site.address).status, 200);
    }
    assert_eq!(site.records("crm.raw").len(), 3);
    // It is told, and no reason to take the instance away.
    site.until("the sick topic is told", |page| {
        page.contains("tidemark_hook_topic_open{topic=\"pay.raw\"} 0\n")
            && page.contains("tidemark_hook_topic_open{topic=\"crm.raw\"} 1\n")
    });
    let ready = site.page("/readyz?verbose");
    let said: serde_json::Value = serde_json::from_str(&ready.body).unwrap();
    assert_eq!(said["checks"]["hooks"], "ok", "{said}");
    let notes = &said["notes"];
    assert_eq!(notes["hooks crm.raw"], "ok", "{said}");
    assert!(notes["hooks pay.raw"].as_str().unwrap().contains("has no leader"), "{said}");
    // It comes back by itself.
    log.ail("pay.raw", &[], false);
    support::await_some("the topic is well", Duration::from_secs(20), || {
        std::thread::park_timeout(Duration::from_millis(20));
        (paid().status == 200).then_some(())
    });
}

/// Its records go to the others, at once or behind a while, and it is used again when it is well.
#[test]
fn a_partition_that_takes_nothing_does_not_close_its_topic() {
    for silent in [false, true] {
        let log = Hurt::default();
        let spec = TopicSpec {
            name: "crm.raw".to_owned(),
            partitions: 4,
            replication: 1,
            cleanup: Cleanup::Delete { retention: None },
            max_record_bytes: 1_000,
        };
        log.create(&spec).unwrap();
        let site = Site::over(Arc::new(log.clone()), "ack_timeout = \"1s\"");
        log.ail("crm.raw", &[0, 2], silent);
        let mut sent = 0;
        let mut taken = || {
            sent += 1;
            assert_eq!(site.hubspot(format!("[{sent}]").as_bytes()).send(site.address).status, 200);
            sent
        };
        (0..6).for_each(|_| {
            taken();
        });
        assert_eq!(log.asked_of_ill(), 2, "they are passed over once that is known");
        // One record a while is tried on it, and none of them is lost.
        support::await_some("it is tried again", Duration::from_secs(20), || {
            taken();
            std::thread::park_timeout(Duration::from_millis(20));
            (log.asked_of_ill() > 4).then_some(())
        });
        let passed = "tidemark_hook_partitions_passed_over{topic=\"crm.raw\"}";
        assert!(site.metrics().contains(&format!("{passed} 2\n")));
        assert!(site.metrics().contains("tidemark_hook_topic_open{topic=\"crm.raw\"} 1\n"));
        assert!(site.page("/readyz?verbose").body.contains("2 of 4 partitions take nothing"));
        assert!(site.records("crm.raw").iter().all(|record| record.partition.0 % 2 == 1));
        log.ail("crm.raw", &[], false);
        support::await_some("it is used again", Duration::from_secs(20), || {
            taken();
            std::thread::park_timeout(Duration::from_millis(20));
            site.metrics().contains(&format!("{passed} 0\n")).then_some(())
        });
        let last = (0..4).map(|_| taken()).max().unwrap();
        let records = site.records("crm.raw");
        assert!([0, 2].iter().all(|p| records.iter().any(|record| record.partition.0 == *p)));
        let there: BTreeSet<_> =
            records.into_iter().map(|r| String::from_utf8(r.value.unwrap()).unwrap()).collect();
        let missing: Vec<_> = (1..=last).filter(|i| !there.contains(&format!("[{i}]"))).collect();
        assert_eq!(missing, [0; 0], "all were answered with 200");
    }
}

/// Together with others that are well: those are answered too, and only once.
#[test]
fn what_was_written_beside_a_sick_partition_is_not_written_again() {
    let log = Hurt::default();
    let site = Site::over(Arc::new(log.clone()), "ack_timeout = \"20s\"");
    log.set(How::Stuck);
    let (before, address) = (site.hubspot(BODY), site.address);
    let asked: Vec<_> = (0..10).map(|i| site.hubspot(format!("[{i}]").as_bytes())).collect();
    let answers = std::thread::scope(|scope| {
        let mut held = vec![scope.spawn(|| before.send(address).status)];
        site.held();
        held.extend(asked.iter().map(|ask| scope.spawn(move || ask.send(address).status)));
        site.waiting(10);
        log.ail("crm.raw", &[1], false);
        log.set(How::Well);
        held.into_iter().map(|h| h.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(answers, [200; 11]);
    assert_eq!(log.asked_of_ill(), 5, "half of them went there first");
    assert_eq!(site.records("crm.raw").len(), 11);
}

/// Dead letters that cannot be written are no matter of records that are none.
#[test]
fn a_sick_topic_of_dead_letters_closes_no_endpoint() {
    let log = Hurt::default();
    log.ail("tidemark.dlq", &[0, 1, 2, 3], false);
    let site = Site::over(Arc::new(log.clone()), "max_body = \"2MiB\"");
    let large = site.hubspot(&vec![b'x'; (1 << 20) + 1]);
    for _ in 0..3 {
        assert_eq!(large.send(site.address).status, 503);
        assert_eq!(site.hubspot(BODY).send(site.address).status, 200);
    }
    log.ail("tidemark.dlq", &[], false);
    assert_eq!(large.send(site.address).status, 200);
    assert_eq!(site.records("tidemark.dlq").len(), 1);
}
