//! Signature vectors that lie beside the repository: it is not ours to keep them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tidemark::model::time::Timestamp;
use tidemark::verify::{Preset, Request, Verifier};

#[derive(serde::Deserialize)]
struct Vector {
    name: String,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    public_key: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    timestamp: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    params: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    expect: String,
}

/// Name there, preset here, header of the signature, header of the time.
const NAMES: &[(&str, &str, &str, &str)] = &[
    ("hubspot_v1", "hubspot-v1", "x-hubspot-signature", ""),
    ("hubspot_v2", "hubspot-v2", "x-hubspot-signature", ""),
    ("hubspot_v3", "hubspot-v3", "x-hubspot-signature-v3", "x-hubspot-request-timestamp"),
    ("standard_webhooks_v1", "standard-webhooks", "webhook-signature", "webhook-timestamp"),
    (
        "sendgrid_ecdsa",
        "sendgrid",
        "x-twilio-email-event-webhook-signature",
        "x-twilio-email-event-webhook-timestamp",
    ),
    ("stripe", "stripe", "stripe-signature", ""),
    ("calendly", "calendly", "calendly-webhook-signature", ""),
    ("shopify", "shopify", "x-shopify-hmac-sha256", ""),
    ("meta", "meta", "x-hub-signature-256", ""),
    ("typeform", "typeform", "typeform-signature", ""),
    ("attio", "attio", "attio-signature", ""),
    ("customerio", "customerio", "x-cio-signature", "x-cio-timestamp"),
    ("close", "close", "close-sig-hash", "close-sig-timestamp"),
    ("twenty", "twenty", "x-twenty-webhook-signature", "x-twenty-webhook-timestamp"),
    ("klaviyo", "klaviyo", "klaviyo-signature", "klaviyo-timestamp"),
    ("segment", "segment", "x-signature", ""),
    ("twilio", "twilio", "x-twilio-signature", ""),
    ("surveymonkey", "surveymonkey", "sm-signature", ""),
];

/// A request that can be changed.
struct Sent {
    target: String,
    headers: BTreeMap<String, Vec<u8>>,
    body: Vec<u8>,
}

impl Sent {
    fn is_believed(&self, verifier: &Verifier, now: Timestamp) -> bool {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        let (target, body) = (self.target.as_str(), self.body.as_slice());
        verifier.check(&Request { method: "POST", target, headers: &headers, body }, now).is_ok()
    }
}

#[test]
fn every_shared_vector_verifies_and_with_one_bit_flipped_fails() {
    let base = std::env::var("TIDEMARK_SHARED").unwrap_or_else(|_| "../shared".into());
    let file = PathBuf::from(base).join("payloads/signatures/vectors.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return;
    };
    for vector in serde_json::from_str::<Vec<Vector>>(&text).unwrap() {
        let known = NAMES.iter().find(|(name, ..)| *name == vector.name);
        let (_, preset, signature, at) = known.unwrap_or_else(|| panic!("{}", vector.name));
        let (base, target) = match vector.url.match_indices('/').nth(2) {
            Some((i, _)) => vector.url.split_at(i),
            None => ("", "/"),
        };
        let secret = format!("{}{}", vector.secret, vector.public_key).into_bytes();
        let schemes = Preset::parse(preset).unwrap().schemes();
        let verifier = Verifier::new(schemes, &[secret], base).unwrap();
        let header = |(name, value): (&String, &String)| (name.clone(), value.clone().into_bytes());
        let mut headers: BTreeMap<String, Vec<u8>> = vector.headers.iter().map(header).collect();
        let mut body = vector.body.clone();
        if !vector.params.is_empty() {
            let kind = "application/x-www-form-urlencoded";
            headers.insert("content-type".to_owned(), kind.into());
            let pairs: Vec<_> = vector.params.iter().map(|(k, v)| format!("{k}={v}")).collect();
            body = pairs.join("&");
        }
        let stamp = vector.headers.get(*at).cloned().unwrap_or(vector.timestamp);
        if !at.is_empty() {
            headers.insert((*at).to_owned(), stamp.clone().into_bytes());
        }
        headers.insert((*signature).to_owned(), vector.expect.clone().into_bytes());
        let stamp: i64 = stamp.parse().unwrap_or(1_764_086_400);
        let seconds = if stamp > 100_000_000_000 { stamp / 1000 } else { stamp };
        let now = Timestamp::from_millis(seconds * 1000);
        let mut sent = Sent { target: target.to_owned(), headers, body: body.into_bytes() };
        assert!(sent.is_believed(&verifier, now), "{}", vector.name);
        for bit in 0..vector.expect.len() * 8 {
            sent.headers.get_mut(*signature).unwrap()[bit / 8] ^= 1 << (bit % 8);
            assert!(!sent.is_believed(&verifier, now), "{}: bit {bit}", vector.name);
            sent.headers.get_mut(*signature).unwrap()[bit / 8] ^= 1 << (bit % 8);
        }
        for bit in 0..sent.body.len() * 8 {
            sent.body[bit / 8] ^= 1 << (bit % 8);
            assert!(!sent.is_believed(&verifier, now), "{}: body bit {bit}", vector.name);
            sent.body[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
