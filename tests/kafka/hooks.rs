//! Webhooks, from a real HTTP client through the receiver and a real Kafka to the numbers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tidemark::clock::wall_ms;

use crate::client::Ask;
use crate::cluster::Cluster;
use crate::job::Job;
use crate::process::{Process, pause};
use crate::sign;
use crate::support::{await_some, fresh_name, kafka_bootstrap};

pub const URL: &str = "https://hooks.example.com";
pub const HUBSPOT: &str = "the client secret";
const STRIPE: &str = "whsec_the_signing_secret";
const DAY: i64 = 86_400_000;
/// 2026-01-05, a Monday.
const START: i64 = 1_767_571_200_000;

/// A job with sources of HubSpot and Stripe behind the receiver.
pub fn job(bootstrap: &str, dir: &Path, stem: &str) -> Job {
    let secret = |name: &str, text: &str| {
        let file = dir.join(name);
        std::fs::write(&file, format!("{text}\n")).unwrap();
        file.display().to_string()
    };
    let (hubspot, stripe) = (secret("hubspot", HUBSPOT), secret("stripe", STRIPE));
    let (crm, pay) = (fresh_name("hubspot"), fresh_name("stripe"));
    let extra = format!(
        r#"
[hooks]
listen = "127.0.0.1:0"
public_url = "{URL}"
[[hooks.endpoint]]
path = "/hubspot"
source = "hub"
verify = "hubspot-v3"
secrets = [{{ file = "{hubspot}" }}]
[[hooks.endpoint]]
path = "/stripe"
source = "pay"
verify = "stripe"
secrets = [{{ file = "{stripe}" }}]
[[sources]]
name = "hub"
system = "hubspot"
currency = "USD"
topics = ["{crm}"]
[[sources]]
name = "pay"
system = "stripe"
topics = ["{pay}"]
[[stages.stage]]
system = "hubspot"
stage = "open"
status = "open"
[[stages.stage]]
system = "hubspot"
stage = "won"
status = "won"
[[stages.stage]]
system = "hubspot"
stage = "lost"
status = "lost"
"#
    );
    Job::new(bootstrap, stem, &extra)
}

/// Where the receiver of an instance listens.
pub fn receiver(instance: &Process) -> SocketAddr {
    await_some("the receiver says where it listens", Duration::from_secs(60), || {
        let said = instance.said();
        let line = said.lines().find(|line| line.contains("receiving webhooks"));
        let found = line.and_then(|line| {
            let rest = line.split("listen=").nth(1)?;
            let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)));
            rest[..end.unwrap_or(rest.len())].parse().ok()
        });
        if found.is_none() {
            pause();
        }
        found
    })
}

/// What a deal comes to, counted by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    created: i64,
    won: i64,
    lost: i64,
    cents: i64,
}

/// Changes of deals as HubSpot tells them, one property each, and what they come to by owner.
pub fn deals(n: i64) -> (Vec<Value>, BTreeMap<String, Sums>) {
    let mut changes = Vec::new();
    let mut sums = BTreeMap::<String, Sums>::new();
    for i in 0..n {
        let (deal, at) = (7_036_839_000 + i, START + i % 40 * DAY + i * 1_000);
        let owner = format!("80{}", i % 3);
        let cents = 10_000 + i * 1_337;
        let mut tell = |what: &str, at: i64, more: Value| {
            let mut change = json!({
                "appId": 1, "portalId": 2, "eventId": changes.len(), "subscriptionId": 3,
                "attemptNumber": 0, "changeSource": "CRM", "occurredAt": at, "objectId": deal,
                "subscriptionType": format!("deal.{what}"),
            });
            change.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            changes.push(change);
        };
        let set = |name: &str, value: &str| json!({"propertyName": name, "propertyValue": value});
        tell("creation", at, json!({"changeFlag": "CREATED"}));
        tell("propertyChange", at, set("hubspot_owner_id", &owner));
        tell("propertyChange", at, set("dealstage", "open"));
        tell("propertyChange", at, set("amount", "1.5"));
        let amount = format!("{}.{:02}", cents / 100, cents % 100);
        tell("propertyChange", at + 3_600_000, set("amount", &amount));
        let stage = ["won", "lost", "open"][(i % 3 + i / 3) as usize % 3];
        if stage != "open" {
            tell("propertyChange", at + 2 * DAY, set("dealstage", stage));
        }
        for of in [owner, String::new()] {
            let sums = sums.entry(of).or_default();
            sums.created += 1;
            sums.won += i64::from(stage == "won");
            sums.lost += i64::from(stage == "lost");
            sums.cents += if stage == "won" { cents } else { 0 };
        }
    }
    (changes, sums)
}

/// An order that is no order, the same in every run.
fn shuffled<T>(mut all: Vec<T>) -> Vec<T> {
    let mut state = 0x9e37_79b9_u64;
    for i in (1..all.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        all.swap(i, (state >> 33) as usize % (i + 1));
    }
    all
}

/// Sends until it is taken, as the systems do. Returns how often it was asked to come again.
pub fn insist(address: SocketAddr, sign: impl Fn() -> Ask) -> u32 {
    let mut refused = 0;
    await_some("the webhook is taken", Duration::from_secs(90), || {
        let answer = sign().send(address);
        if answer.status != 200 {
            assert_eq!(answer.status, 503);
            assert!(answer.header("retry-after").is_some());
            refused += 1;
            pause();
        }
        (answer.status == 200).then_some(())
    });
    refused
}

/// The KPIs of the year: of a rep, or of all.
fn year(instance: &mut Process, rep: &str) -> Option<(Sums, i64)> {
    let grain = if rep.is_empty() { "grain=overall".into() } else { format!("rep={rep}") };
    let (status, body) =
        instance.get(&format!("/api/v1/rows?window=year&from=2026-01-01&{grain}"))?;
    assert_eq!(status, 200, "{body}");
    let page: Value = serde_json::from_str(&body).unwrap();
    let kpis = &page["rows"].as_array()?.first()?["kpis"];
    let number = |name: &str| kpis[name]["value"].as_f64().unwrap_or(0.0);
    let sums = Sums {
        created: number("deals_created") as i64,
        won: number("deals_won") as i64,
        lost: number("deals_lost") as i64,
        cents: (number("revenue") * 100.0).round() as i64,
    };
    Some((sums, number("leads_created") as i64))
}

pub fn await_sums(instance: &mut Process, sums: &BTreeMap<String, Sums>, leads: i64) {
    for (rep, expected) in sums {
        let mut last = None;
        let expected = (*expected, if rep.is_empty() { leads } else { 0 });
        let deadline = tidemark::clock::monotonic() + Duration::from_secs(80);
        await_some("the numbers are right", Duration::from_secs(90), || {
            last = year(instance, rep);
            let right = last == Some(expected);
            if !right {
                let over = tidemark::clock::monotonic() > deadline;
                assert!(!over, "{rep:?}: {last:?}, not {expected:?}\n{}", instance.said());
                pause();
            }
            right.then_some(())
        });
    }
}

/// Signed batches of HubSpot and Stripe, every request twice and nothing in its order.
#[test]
fn webhooks_sent_twice_and_out_of_order_give_the_right_numbers() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let dir = tempfile::tempdir().unwrap();
    let job = job(&bootstrap, dir.path(), "hooks");
    job.create_topics();
    let mut instance = job.start("a");
    let address = receiver(&instance);
    let (changes, sums) = deals(120);
    let batches: Vec<Vec<u8>> =
        shuffled(changes).chunks(17).map(|batch| serde_json::to_vec(&batch).unwrap()).collect();
    let customers: Vec<Vec<u8>> = (0..25)
        .map(|i| {
            let at = START / 1000 + i * 86_400;
            let customer = json!({"id": format!("cus_{i}"), "object": "customer", "created": at});
            let event = json!({"id": format!("evt_{i}"), "object": "event", "created": at,
                "livemode": true, "type": "customer.created", "data": {"object": customer}});
            serde_json::to_vec(&event).unwrap()
        })
        .collect();
    let hubspot = |body: &[u8]| sign::hubspot(HUBSPOT, URL, "/hubspot", body, wall_ms());
    let stripe = |body: &[u8]| sign::stripe(STRIPE, "/stripe", body, wall_ms());
    // What is forged would count if it were taken.
    let (forged, _) = deals(500);
    let forged = serde_json::to_vec(&forged[2_000..]).unwrap();
    insist(address, || hubspot(&batches[0]));
    let mut ask = hubspot(&forged);
    ask.body.push(b' ');
    assert_eq!(ask.send(address).status, 401);

    let twice = |n: usize| shuffled((0..n).chain(0..n).collect::<Vec<_>>());
    std::thread::scope(|scope| {
        // Several connections at once, as HubSpot has them.
        let order = twice(batches.len());
        for part in order.chunks(order.len() / 4 + 1) {
            let (part, batches) = (part.to_vec(), &batches);
            scope.spawn(move || {
                part.iter().for_each(|i| {
                    insist(address, || hubspot(&batches[*i]));
                })
            });
        }
        let (order, customers) = (twice(customers.len()), &customers);
        scope.spawn(move || {
            order.iter().for_each(|i| {
                insist(address, || stripe(&customers[*i]));
            })
        });
    });
    instance.ready();
    await_sums(&mut instance, &sums, 25);
    let (_, page) = instance.get("/metrics").unwrap();
    let taken = format!(
        "tidemark_hook_requests_total{{endpoint=\"/hubspot\",outcome=\"accepted\"}} {}",
        batches.len() * 2 + 1
    );
    assert!(page.contains(&taken), "{taken}\n{page}");
    assert!(page.contains("outcome=\"mismatch\"} 1"), "{page}");
    // Neither secret nor signature nor body is in the log.
    let said = instance.said();
    for secret in [HUBSPOT, STRIPE, "propertyValue", "v1="] {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(instance.terminate().success(), "{}", instance.said());
}

/// The only broker goes away under the receiver. Nobody is told that a record is there which is not,
/// and what was refused is taken when it comes again.
#[test]
fn while_the_broker_is_away_webhooks_are_put_off_and_none_is_lost() {
    if kafka_bootstrap().is_none() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let dir = tempfile::tempdir().unwrap();
    let job = job(&cluster.bootstrap, dir.path(), "hooksaway");
    job.create_topics();
    let mut instance = job.start("a");
    let address = receiver(&instance);
    let (changes, sums) = deals(60);
    let batches: Vec<Vec<u8>> =
        shuffled(changes).chunks(13).map(|batch| serde_json::to_vec(&batch).unwrap()).collect();
    let hubspot = |body: &[u8]| sign::hubspot(HUBSPOT, URL, "/hubspot", body, wall_ms());
    let (first, second) = batches.split_at(batches.len() / 2);
    first.iter().for_each(|body| {
        insist(address, || hubspot(body));
    });
    instance.ready();
    cluster.kill(1);
    for _ in 0..3 {
        let began = tidemark::clock::monotonic();
        assert_eq!(hubspot(&second[0]).send(address).status, 503);
        let took = tidemark::clock::monotonic() - began;
        assert!(took < Duration::from_secs(4), "{took:?}: the sender has given up");
    }
    // The topic is told of at once, and the log behind its time limit.
    let (_, told) = instance.get("/readyz").unwrap();
    assert!(told.contains("hooks hubspot-"), "{told}");
    await_some("the instance is not ready", Duration::from_secs(60), || {
        pause();
        (instance.get("/readyz")?.0 == 503).then_some(())
    });
    cluster.restart(1);
    let refused: u32 = second.iter().map(|body| insist(address, || hubspot(body))).sum();
    println!("{refused} requests were put off after the broker came back");
    await_sums(&mut instance, &sums, 0);
    instance.ready();
}
