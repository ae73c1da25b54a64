//! Whatever a stranger sends to a webhook endpoint, in headers, address and body: no preset panics,
//! and none believes it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tidemark::model::time::Timestamp;
use tidemark::verify::presets::PRESETS;
use tidemark::verify::scheme::{Algorithm, Encoding, Place, Scheme, StampAt};
use tidemark::verify::{Request, Verifier, challenge};

/// A secret that is long enough not to be guessed.
const SECRET: &[u8] = b"3c1a0b8e5f7d49269a8b7c6d5e4f30211f2e3d4c5b6a79880716253443526170";
const EC: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";

/// Each preset but `none`, with its schemes.
static ALL: LazyLock<Vec<(Vec<Scheme>, Verifier)>> = LazyLock::new(|| {
    let believes_nobody = |scheme: &Scheme| scheme.algorithm != Algorithm::None;
    let of = |schemes: Vec<Scheme>| {
        let secret = match schemes[0].algorithm {
            Algorithm::EcdsaP256 => EC.as_bytes(),
            // Its key would be a secret of nobody's: the same code as ECDSA.
            Algorithm::RsaSha256 => return None,
            _ if schemes[0].secret == Encoding::Base64 => &SECRET[..32],
            _ => SECRET,
        };
        let url = "https://hooks.example.com";
        let verifier = Verifier::new(schemes.clone(), &[secret.to_vec()], url).ok()?;
        Some((schemes, verifier))
    };
    PRESETS.iter().map(|p| p.schemes()).filter(|s| s.iter().all(believes_nobody)).filter_map(of).collect()
});

fuzz_target!(|data: &[u8]| {
    // Signature, time, content type, query and body, apart at zeros.
    let mut parts = data.splitn(5, |b| *b == 0);
    let mut next = || parts.next().unwrap_or_default();
    let (signature, stamp, kind, query, body) = (next(), next(), next(), next(), next());
    let query: String = String::from_utf8_lossy(query).chars().filter(|c| c.is_ascii_graphic()).collect();
    let _ = challenge(body);
    let now = Timestamp::from_millis(1_772_442_000_000);
    for (schemes, verifier) in ALL.iter() {
        for scheme in schemes {
            let target = format!("/in?{query}");
            let mut headers: Vec<(&str, &[u8])> = vec![("content-type", kind)];
            let whole = [scheme.signature.prefix.as_bytes(), signature].concat();
            for value in [signature, &whole] {
                headers.truncate(1);
                if let Place::Header(name) = &scheme.signature.place {
                    headers.push((name, value));
                }
                if let Some(StampAt::Header(name)) = scheme.stamp.as_ref().map(|s| &s.at) {
                    headers.push((name, stamp));
                }
                for id in ["webhook-id", "svix-id", "x-hubspot-signature-version"] {
                    headers.push((id, stamp));
                }
                let request = Request { method: "POST", target: &target, headers: &headers, body };
                assert!(verifier.check(&request, now).is_err(), "{} believed it", scheme.name);
            }
        }
    }
});
