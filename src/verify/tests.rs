use std::collections::BTreeMap;

use proptest::prelude::*;

use super::presets::PRESETS;
use super::*;

/// A signed request; which system published it, or how it was computed, stands beside it.
#[derive(Clone, Debug, serde::Deserialize)]
struct Vector {
    name: String,
    preset: String,
    secret: String,
    #[serde(default)]
    public_url: String,
    #[serde(default = "root")]
    target: String,
    /// Seconds since 1970.
    #[serde(default)]
    now: i64,
    headers: BTreeMap<String, String>,
    body: String,
}

fn root() -> String {
    "/in".to_owned()
}

fn vectors() -> Vec<Vector> {
    let file = format!("{}/tests/fixtures/signatures/vectors.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// A request that can be changed.
#[derive(Clone, Debug)]
struct Sent {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Vector {
    fn sent(&self) -> Sent {
        let header = |(name, value): (&String, &String)| (name.clone(), value.clone().into_bytes());
        Sent {
            method: "POST".to_owned(),
            target: self.target.clone(),
            headers: self.headers.iter().map(header).collect(),
            body: self.body.clone().into_bytes(),
        }
    }

    fn verifier(&self, secrets: &[&str]) -> Verifier {
        let secrets: Vec<Vec<u8>> = secrets.iter().map(|s| s.as_bytes().to_vec()).collect();
        let mut schemes = Preset::parse(&self.preset).unwrap().schemes();
        if self.name == "segment-batch" {
            schemes[0].first_element = FirstElement::Any;
        }
        Verifier::new(schemes, &secrets, &self.public_url).unwrap()
    }

    fn check(&self, sent: &Sent) -> Result<String, Refusal> {
        sent.check(&self.verifier(&[&self.secret]), self.now)
    }

    /// The header with the signature, where there is one.
    fn signature(&self) -> Option<String> {
        let schemes = Preset::parse(&self.preset).unwrap().schemes();
        schemes.into_iter().find_map(|scheme| match scheme.signature.place {
            Place::Header(name) if self.headers.contains_key(&name) => Some(name),
            _ => None,
        })
    }
}

impl Sent {
    fn check(&self, verifier: &Verifier, now: i64) -> Result<String, Refusal> {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        let request = Request {
            method: &self.method,
            target: &self.target,
            headers: &headers,
            body: &self.body,
        };
        verifier.check(&request, Timestamp::from_millis(now * 1000)).map(str::to_owned)
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.to_owned(), value.to_vec()));
    }
}

fn vector(name: &str) -> Vector {
    vectors().into_iter().find(|v| v.name == name).unwrap()
}

#[test]
fn every_preset_has_a_vector_and_every_vector_verifies() {
    let vectors = vectors();
    for preset in PRESETS.iter().filter(|p| p.name != "none") {
        assert!(vectors.iter().any(|v| v.preset == preset.name), "{}", preset.name);
    }
    for vector in &vectors {
        let by = vector.check(&vector.sent());
        let schemes = Preset::parse(&vector.preset).unwrap().schemes();
        assert!(schemes.iter().any(|s| by.as_ref() == Ok(&s.name)), "{}: {by:?}", vector.name);
    }
}

/// Every bit of the signature, wherever it is part of one.
#[test]
fn a_flipped_bit_of_the_signature_fails() {
    for vector in vectors() {
        let Some(name) = vector.signature() else { continue };
        let text = vector.headers[&name].clone().into_bytes();
        // What the scheme passes over may be changed at will: other versions, and what never matched.
        let from = match vector.name.as_str() {
            "stripe" => text.len() - 64,
            "svix" => text.len() - 47,
            "bearer" => "Bearer ".len(),
            "basic" => "Basic ".len(),
            _ => 0,
        };
        for bit in from * 8..text.len() * 8 {
            let mut sent = vector.sent();
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            sent.set(&name, &flipped);
            assert!(vector.check(&sent).is_err(), "{}: bit {bit}", vector.name);
        }
    }
}

#[test]
fn a_flipped_bit_of_the_body_fails() {
    for vector in vectors() {
        let signs = Preset::parse(&vector.preset).unwrap().schemes()[0].algorithm.signs();
        // Of a batch of Segment's only the first element is signed.
        let signed = if vector.name == "segment-batch" { 1..34 } else { 0..vector.body.len() };
        // A form may be spelled in several ways, and the other letter of an escape is one.
        let same = |i: usize, bit: u8| {
            vector.name == "twilio" && vector.body.as_bytes()[i].is_ascii_hexdigit() && bit == 5
        };
        for i in signed.filter(|_| signs) {
            for bit in (0..8).filter(|bit| !same(i, *bit)) {
                let mut sent = vector.sent();
                sent.body[i] ^= 1 << bit;
                assert!(vector.check(&sent).is_err(), "{}: byte {i} bit {bit}", vector.name);
            }
        }
    }
}

#[test]
fn a_flipped_bit_of_the_key_fails() {
    for vector in vectors() {
        for i in 0..vector.secret.len() {
            let mut secret = vector.secret.clone().into_bytes();
            secret[i] ^= 1;
            let schemes = Preset::parse(&vector.preset).unwrap().schemes();
            let url = &vector.public_url;
            // What is no key at all is refused at start.
            let Ok(other) = Verifier::new(schemes, &[secret.clone()], url) else { continue };
            // The frame of a PEM, and `whsec_`, are no part of the key.
            let bare = |s: &[u8]| {
                let text = String::from_utf8_lossy(s).into_owned();
                let lines = text.lines().filter(|l| !l.starts_with("-----"));
                lines.collect::<String>().replace("whsec_", "")
            };
            if bare(&secret) == bare(vector.secret.as_bytes()) {
                continue;
            }
            let said = vector.sent().check(&other, vector.now);
            assert!(said.is_err(), "{}: byte {i}", vector.name);
        }
    }
}

#[test]
fn what_was_signed_at_another_time_is_refused_both_ways() {
    for (name, age) in [("hubspot-v3", 300), ("stripe", 300), ("calendly", 180), ("close", 86_400)]
    {
        let mut vector = vector(name);
        let (sent, at) = (vector.sent(), vector.now);
        vector.now = at + age;
        assert!(vector.check(&sent).is_ok(), "{name}");
        vector.now = at + age + 1;
        assert_eq!(vector.check(&sent), Err(Refusal::Stale), "{name}");
        vector.now = at - 299;
        assert!(vector.check(&sent).is_ok(), "{name}");
        vector.now = at - 301;
        assert_eq!(vector.check(&sent), Err(Refusal::Ahead), "{name}");
    }
}

#[test]
fn old_and_new_secret_hold_while_they_are_rolled() {
    for vector in vectors() {
        let other = match vector.preset.as_str() {
            "highlevel" | "sendgrid" => continue,
            "close" => "00ff",
            "standard-webhooks" => "whsec_AAAA",
            _ => "the other secret",
        };
        for secrets in [[other, &*vector.secret], [&*vector.secret, other]] {
            let said = vector.sent().check(&vector.verifier(&secrets), vector.now);
            assert!(said.is_ok(), "{}", vector.name);
        }
        let gone = vector.sent().check(&vector.verifier(&[other]), vector.now);
        assert_eq!(gone, Err(Refusal::Mismatch), "{}", vector.name);
    }
}

/// HubSpot sends all its versions at once: whoever strikes the strong one out must not win.
#[test]
fn the_weaker_signature_never_stands_in_for_the_stronger() {
    let all = vector("hubspot-all");
    let mut sent = all.sent();
    assert_eq!(all.check(&sent), Ok("hubspot-v3".to_owned()));
    sent.set("x-hubspot-signature-v3", b"AAAA");
    assert_eq!(all.check(&sent), Err(Refusal::Mismatch));
    sent.set("x-hubspot-signature-v3", b"");
    assert_eq!(all.check(&sent), Err(Refusal::Mismatch));
    let v2 = vector("hubspot-by-version");
    assert_eq!(v2.check(&v2.sent()), Ok("hubspot-v2".to_owned()));
    let mut as_v1 = v2.sent();
    as_v1.set("x-hubspot-signature-version", b"v1");
    assert_eq!(v2.check(&as_v1), Err(Refusal::Mismatch));
    // Who asks for version 3 gets nothing less.
    let strict = Verifier::new(
        Preset::parse("hubspot-v3").unwrap().schemes(),
        &[v2.secret.clone().into_bytes()],
        &v2.public_url,
    );
    assert_eq!(v2.sent().check(&strict.unwrap(), v2.now), Err(Refusal::Unsigned));
}

#[test]
fn what_stands_there_twice_decides_nothing() {
    for (name, header) in [
        ("hubspot-v3", "x-hubspot-signature-v3"),
        ("hubspot-v3", "x-hubspot-request-timestamp"),
        ("standard-webhooks", "webhook-id"),
        ("basic", "authorization"),
    ] {
        let vector = vector(name);
        let mut sent = vector.sent();
        let again = sent.headers.iter().find(|(n, _)| n == header).unwrap().clone();
        sent.headers.push(again);
        assert_eq!(vector.check(&sent), Err(Refusal::Repeated), "{name}: {header}");
    }
    let mut twice = vector("aircall");
    twice.body = twice.body.replace('}', r#","token":"a secret of ours"}"#);
    assert!(twice.check(&twice.sent()).is_err());
    let mut twice = vector("mailchimp");
    twice.target.push_str("&token=x");
    assert_eq!(twice.check(&twice.sent()), Err(Refusal::Repeated));
    let mut twice = vector("stripe");
    twice.headers.values_mut().for_each(|v| v.push_str(",t=1"));
    assert_eq!(twice.check(&twice.sent()), Err(Refusal::Repeated));
}

#[test]
fn nothing_is_believed_without_a_signature() {
    for vector in vectors() {
        let Some(name) = vector.signature() else { continue };
        let mut sent = vector.sent();
        sent.headers.retain(|(n, _)| !n.contains("signature") && *n != name);
        assert_eq!(vector.check(&sent), Err(Refusal::Unsigned), "{}", vector.name);
    }
    // The time is part of what is signed: its header cannot be left out.
    let vector = vector("hubspot-v3");
    let mut sent = vector.sent();
    sent.headers.retain(|(n, _)| n != "x-hubspot-request-timestamp");
    assert_eq!(vector.check(&sent), Err(Refusal::Malformed));
}

/// A JSON body has no fields, so Twilio puts its hash into the URL. Without that anybody who saw one
/// request could send any body.
#[test]
fn a_body_that_twilio_did_not_sign_is_refused() {
    let json = vector("twilio-json");
    let mut sent = json.sent();
    sent.body = b"{}".to_vec();
    assert_eq!(json.check(&sent), Err(Refusal::Malformed));
    let form = vector("twilio");
    let mut sent = form.sent();
    sent.set("content-type", b"application/json");
    assert_eq!(form.check(&sent), Err(Refusal::Malformed));
}

#[test]
fn the_rest_of_a_batch_of_segment_is_on_trust_and_its_first_element_is_not() {
    let batch = vector("segment-batch");
    let mut sent = batch.sent();
    sent.body = batch.body.replace("track\"}]", "page\"}]").into_bytes();
    assert!(batch.check(&sent).is_ok());
    sent.body = batch.body.replacen("track", "page", 1).into_bytes();
    assert_eq!(batch.check(&sent), Err(Refusal::Mismatch));
    sent.body = format!("{{\"batch\":{}}}", batch.body).into_bytes();
    assert!(batch.check(&sent).is_ok());
}

/// Whoever saw the signature of one event could send any others behind it.
#[test]
fn a_batch_of_segment_is_believed_where_it_is_asked_for() {
    let batch = vector("segment-batch");
    let schemes = Preset::parse("segment").unwrap().schemes();
    let usual = Verifier::new(schemes, &[batch.secret.clone().into_bytes()], "").unwrap();
    let mut sent = batch.sent();
    assert_eq!(sent.check(&usual, batch.now), Err(Refusal::Mismatch));
    let first = r#"{"type":"track", "messageId":"1"}"#;
    sent.body = format!("[{first}]").into_bytes();
    assert!(sent.check(&usual, batch.now).is_ok());
    sent.body = format!(r#"{{"batch":[{first}],"sentAt":"x"}}"#).into_bytes();
    assert_eq!(sent.check(&usual, batch.now), Err(Refusal::Mismatch));
}

/// Of two families of headers only one is signed, and the envelope reads both.
#[test]
fn an_unsigned_id_beside_the_signed_one_is_refused() {
    for (name, other) in [("svix", "webhook"), ("standard-webhooks", "svix")] {
        let vector = vector(name);
        let family = if name == "svix" { "svix" } else { "webhook" };
        for what in ["id", "timestamp"] {
            let mut sent = vector.sent();
            let same = vector.headers[&format!("{family}-{what}")].clone();
            sent.set(&format!("{other}-{what}"), same.as_bytes());
            assert!(vector.check(&sent).is_ok(), "{name}: the same under both names");
            sent.set(&format!("{other}-{what}"), b"forged");
            assert_eq!(vector.check(&sent), Err(Refusal::Repeated), "{name}: {what}");
        }
    }
}

#[test]
fn names_of_http_schemes_have_no_case() {
    for (name, cases) in [("bearer", ["bearer", "BEARER"]), ("basic", ["basic", "BASIC"])] {
        let vector = vector(name);
        let (_, credentials) = vector.headers["authorization"].split_once(' ').unwrap();
        for case in cases {
            let mut sent = vector.sent();
            sent.set("authorization", format!("{case} {credentials}").as_bytes());
            assert!(vector.check(&sent).is_ok(), "{case}");
            sent.set("authorization", format!("{case}x{credentials}").as_bytes());
            assert!(vector.check(&sent).is_err(), "{case}");
        }
    }
}

/// The hash of a body proves something only in an address that is signed.
#[test]
fn a_hash_in_an_address_that_nobody_signed_proves_nothing() {
    let json = vector("twilio-json");
    let mut schemes = Preset::parse("twilio").unwrap().schemes();
    schemes[0].message = vec![scheme::Part::Form];
    let verifier = Verifier::new(schemes, &[json.secret.clone().into_bytes()], "").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, json.secret.as_bytes());
    let mut sent = json.sent();
    let of_nothing =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hmac::sign(&key, b""));
    sent.set("x-twilio-signature", of_nothing.as_bytes());
    assert_eq!(sent.check(&verifier, json.now), Err(Refusal::Malformed));
}

/// A body may nest as deeply as it likes: nothing recurses into it.
#[test]
fn a_deep_body_is_no_trouble() {
    let deep = [b"[".repeat(200_000), b"]".repeat(200_000)].concat();
    let aircall = vector("aircall");
    let mut sent = aircall.sent();
    sent.body = [br#"{"data":"#, &deep[..], br#","token":"a secret of ours"}"#].concat();
    assert!(aircall.check(&sent).is_ok());
    let segment = vector("segment");
    let mut sent = segment.sent();
    sent.body = deep;
    assert_eq!(segment.check(&sent), Err(Refusal::Mismatch));
}

#[test]
fn secrets_are_checked_at_start_and_never_shown() {
    let of = |preset: &str, secret: &str| {
        let schemes = Preset::parse(preset).unwrap().schemes();
        Verifier::new(schemes, &[secret.as_bytes().to_vec()], "").map(|v| format!("{v:?}"))
    };
    assert_eq!(of("close", "xyz"), Err(WrongKey::NotHex));
    assert_eq!(of("standard-webhooks", "whsec_!"), Err(WrongKey::NotBase64));
    assert_eq!(of("stripe", ""), Err(WrongKey::Empty));
    assert!(matches!(of("sendgrid", "abc"), Err(WrongKey::NotPublicKey(_))));
    // The public key of the other kind.
    assert!(matches!(of("highlevel", &vector("sendgrid").secret), Err(WrongKey::NotPublicKey(_))));
    assert!(matches!(of("sendgrid", &vector("highlevel").secret), Err(WrongKey::NotPublicKey(_))));
    assert!(!of("stripe", "hunter2").unwrap().contains("hunter2"));
}

proptest! {
    /// Any bytes in any place: never a panic, and never believed.
    #[test]
    fn no_forgery_is_believed(
        which in 0..PRESETS.len(),
        signature in proptest::collection::vec(any::<u8>(), 0..200),
        stamp in "[0-9]{0,20}",
        target in "/[ -~]{0,40}",
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let preset = &PRESETS[which];
        prop_assume!(preset.name != "none");
        let known = vectors().into_iter().find(|v| v.preset == preset.name).unwrap();
        for scheme in preset.schemes() {
            let mut sent = Sent { method: "POST".into(), target: target.clone(), headers: vec![], body: body.clone() };
            if let Place::Header(name) = &scheme.signature.place {
                let text = [scheme.signature.prefix.as_bytes(), &signature].concat();
                sent.set(name, &text);
            }
            if let Some(Stamp { at: scheme::StampAt::Header(name), .. }) = &scheme.stamp {
                sent.set(name, stamp.as_bytes());
            }
            prop_assert!(known.check(&sent).is_err());
        }
    }

    /// The order of the headers, and headers that nobody asks for, decide nothing.
    #[test]
    fn headers_are_a_set(which in 0usize..40, turn in 0usize..10, other in "[a-z]{3,9}") {
        let all = vectors();
        let vector = &all[which % all.len()];
        let mut sent = vector.sent();
        sent.headers.push((format!("x-{other}-nobody-asks"), b"\xff\xfe".to_vec()));
        let n = sent.headers.len();
        sent.headers.rotate_left(turn % n);
        prop_assert!(vector.check(&sent).is_ok());
    }

    /// Whole text, whatever it is made of, is signed as its bytes.
    #[test]
    fn any_body_can_be_signed(body in proptest::collection::vec(any::<u8>(), 0..300), bit in any::<prop::sample::Index>()) {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"k");
        let tag = hmac::sign(&key, &body);
        let hex: String = tag.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let verifier = Verifier::new(Preset::parse("attio").unwrap().schemes(), &[b"k".to_vec()], "").unwrap();
        let mut sent = Sent { method: "POST".into(), target: "/".into(), headers: vec![], body };
        sent.set("attio-signature", hex.as_bytes());
        prop_assert!(sent.check(&verifier, 0).is_ok());
        if !sent.body.is_empty() {
            let bit = bit.index(sent.body.len() * 8);
            sent.body[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(sent.check(&verifier, 0), Err(Refusal::Mismatch));
        }
    }
}
