//! Whatever a stranger sends to a webhook endpoint, in headers, address and body: no preset panics,
//! and none believes it.
#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use tidemark::model::time::Timestamp;
use tidemark::verify::presets::PRESETS;
use tidemark::verify::scheme::{Algorithm, Encoding, Place, Scheme, StampAt};
use tidemark::verify::{Request, Verifier, challenge};

/// A secret that is long enough not to be guessed.
const SECRET: &[u8] = b"3c1a0b8e5f7d49269a8b7c6d5e4f30211f2e3d4c5b6a79880716253443526170";
/// A public key; who has its other half is not told.
const RSA: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA2lerrvTX+etUYhLmtJu3q8ZQ6uRemrh7C3HGGdGut2/i5UeYhPToXUcEM0d0leMiU+qFpm8qDlgMGDZ8CN0se/rvqweXvwAA2K2NL2slSmFJwhz/0v+K5XAh2rdx7+9NBMfu1ripSsFvfHHLH2W5qx+8eCaeIOCqE59E61niVNOoXT3LL4kbqy1AzERyiEHEbPyAa2FivXW4lFl6vnJeBJlRNN+thHYkvtnb6hjYTZchQJSGr6+PP2kmaTpT/pdA4CJg5Tp4npjz6XNtzMm/GsIQae8ISuZGGsDpD9oS8tewqxvtzubR0aIoYAUm0OgxSZKKUBoQas8sbm1qexuQcQIDAQAB";
const EC: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";

/// Each preset but `none`, with its schemes.
static ALL: LazyLock<Vec<(Vec<Scheme>, Verifier)>> = LazyLock::new(|| {
    let of = |schemes: Vec<Scheme>| {
        let secret = match (schemes[0].algorithm, schemes[0].secret) {
            (Algorithm::EcdsaP256, _) => EC.as_bytes(),
            (Algorithm::RsaSha256, _) => RSA.as_bytes(),
            (_, Encoding::Base64) => &SECRET[..32],
            _ => SECRET,
        };
        let url = "https://hooks.example.com";
        let verifier = Verifier::new(schemes.clone(), &[secret.to_vec()], url);
        (schemes, verifier.expect("the keys are of the kinds that the presets take"))
    };
    let believes_all = |schemes: &Vec<Scheme>| schemes[0].algorithm == Algorithm::None;
    let all: Vec<_> =
        PRESETS.iter().map(|p| p.schemes()).filter(|s| !believes_all(s)).map(of).collect();
    assert_eq!(all.len() + 1, PRESETS.len(), "all presets but \"none\"");
    all
});

fuzz_target!(|data: &[u8]| {
    // Signature, time, content type, query and body, apart at zeros.
    let mut parts = data.splitn(5, |b| *b == 0);
    let mut next = || parts.next().unwrap_or_default();
    let (signature, stamp, kind, query, body) = (next(), next(), next(), next(), next());
    let query: String = String::from_utf8_lossy(query).chars().filter(|c| c.is_ascii_graphic()).collect();
    let _ = challenge(body);
    let now = Timestamp::from_millis(1_772_442_000_000);
    // As it came; behind its prefix; and a signature of the right size, so that a public key is asked.
    let sized = |n: usize| STANDARD.encode(signature.iter().copied().cycle().take(n).collect::<Vec<_>>());
    for (schemes, verifier) in ALL.iter() {
        for scheme in schemes {
            let prefixed = [scheme.signature.prefix.as_bytes(), signature].concat();
            let sized = match scheme.algorithm {
                Algorithm::RsaSha256 => sized(256),
                Algorithm::EcdsaP256 => STANDARD.encode(signature),
                _ => String::new(),
            };
            for value in [signature, &prefixed, sized.as_bytes()] {
                let mut headers: Vec<(&str, &[u8])> = vec![("content-type", kind)];
                let mut target = format!("/in?{query}");
                let text = String::from_utf8_lossy(value);
                let mut whole = body.to_vec();
                match &scheme.signature.place {
                    Place::Header(name) => headers.push((name, value)),
                    Place::Query(name) => {
                        let pairs = form_urlencoded::Serializer::new(String::new())
                            .append_pair(name, &text).finish();
                        target = format!("{target}&{pairs}");
                    }
                    // Before what came: it may be a form, or JSON that goes on.
                    Place::Field(name) => {
                        let first = serde_json::json!({ name: text }).to_string();
                        whole = [&first.as_bytes()[..first.len() - 1], b",", body].concat();
                    }
                }
                if let Some(StampAt::Header(name)) = scheme.stamp.as_ref().map(|s| &s.at) {
                    headers.push((name, stamp));
                }
                for id in ["webhook-id", "svix-id", "x-hubspot-signature-version"] {
                    headers.push((id, stamp));
                }
                for body in [body, &whole] {
                    let request = Request { method: "POST", target: &target, headers: &headers, body };
                    assert!(verifier.check(&request, now).is_err(), "{} believed it", scheme.name);
                }
            }
        }
    }
});
