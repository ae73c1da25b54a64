//! Signs as the systems do.
#![allow(dead_code, reason = "each test program uses a part of it")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::client::Ask;

fn mac(secret: &str, message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A webhook of HubSpot's, version 3.
pub fn hubspot(secret: &str, url: &str, target: &str, body: &[u8], now_ms: i64) -> Ask {
    let at = now_ms.to_string();
    let message = [b"POST", url.as_bytes(), target.as_bytes(), body, at.as_bytes()].concat();
    let signature = STANDARD.encode(mac(secret, &message));
    let headers = [
        ("X-HubSpot-Signature-v3", signature.as_str()),
        ("X-HubSpot-Request-Timestamp", &at),
        ("content-type", "application/json"),
    ];
    Ask::post(target, &headers, body)
}

/// A webhook of Stripe's.
pub fn stripe(secret: &str, target: &str, body: &[u8], now_ms: i64) -> Ask {
    let at = (now_ms / 1000).to_string();
    let message = [at.as_bytes(), b".", body].concat();
    let signature = format!("t={at},v1={}", hex(mac(secret, &message).as_ref()));
    Ask::post(target, &[("Stripe-Signature", &signature)], body)
}

/// A webhook of Meta's.
pub fn meta(secret: &str, target: &str, body: &[u8]) -> Ask {
    let signature = format!("sha256={}", hex(mac(secret, body).as_ref()));
    Ask::post(target, &[("X-Hub-Signature-256", &signature)], body)
}

/// A webhook of nobody's, by the scheme in the fixture.
pub fn own(secret: &str, target: &str, id: &str, body: &[u8], now_ms: i64) -> Ask {
    let at = now_ms.to_string();
    let message = [id.as_bytes(), b"/", at.as_bytes(), b"/", body].concat();
    let signature = format!("v0={}", STANDARD.encode(mac(secret, &message)));
    Ask::post(target, &[("x-id", id), ("x-at", &at), ("x-sig", &signature)], body)
}
