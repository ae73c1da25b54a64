//! The webhook receiver over a socket: every answer, and what reaches the log.

#[path = "hooks/client.rs"]
mod client;
#[path = "hooks/fixture.rs"]
mod fixture;
#[path = "hooks/sign.rs"]
mod sign;
#[path = "support/mod.rs"]
mod support;

use client::Ask;
use fixture::Site;

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
