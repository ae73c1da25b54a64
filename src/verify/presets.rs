//! How the systems sign that Tidemark knows: one entry each, from what they publish.
//!
//! Where a system does not say how old a signature may be when it delivers again, a day is taken:
//! a repetition changes no number, and a refusal makes some senders give up.

use super::scheme::{
    Algorithm, Encoding, FirstElement, Given, Part, Pick, Place, Scheme, Stamp, StampAt, Unit,
};
use crate::model::time::Span;

/// What a system asks of an address before it sends events there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// Nothing.
    None,
    /// That a GET or HEAD is answered.
    Get,
    /// That a GET with `hub.verify_token` is answered with its `hub.challenge`.
    Hub,
    /// That a POST of nothing but a `challenge` is answered with the same.
    Echo,
}

impl Handshake {
    /// All of them, by their names in the configuration.
    pub const ALL: [(&'static str, Handshake); 4] = [
        ("none", Handshake::None),
        ("get", Handshake::Get),
        ("hub", Handshake::Hub),
        ("echo", Handshake::Echo),
    ];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// A system that is known.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Name in the configuration.
    pub name: &'static str,
    /// What to give it as the secret.
    pub secret: &'static str,
    /// Headers that its records carry.
    pub headers: &'static [&'static str],
    /// What it asks first.
    pub handshake: Handshake,
    schemes: fn() -> Vec<Scheme>,
}

impl Preset {
    /// The preset of that name.
    pub fn parse(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// How it signs: the first whose signature is in a request decides.
    pub fn schemes(&self) -> Vec<Scheme> {
        (self.schemes)()
    }
}

macro_rules! presets {
    ($($name:literal $schemes:expr, $secret:literal, [$($header:literal)*], $handshake:ident;)*) => {
        /// All of them.
        pub const PRESETS: &[Preset] = &[$(Preset {
            name: $name,
            secret: $secret,
            headers: &[$($header),*],
            handshake: Handshake::$handshake,
            schemes: || $schemes,
        }),*];
    };
}

presets! {
    "standard-webhooks" vec![standard("webhook"), standard("svix")],
        "the signing secret, `whsec_…`",
        ["webhook-id" "webhook-timestamp" "svix-id" "svix-timestamp"], None;
    "stripe" vec![keyed("stripe", "stripe-signature", 300)],
        "the signing secret of the endpoint, `whsec_…`", [], None;
    "hubspot" vec![hubspot_v3(), hubspot_v2(Some("v2")), hubspot_v1()],
        "the client secret of the app",
        ["x-hubspot-signature-version" "x-hubspot-request-timestamp"], None;
    "hubspot-v3" vec![hubspot_v3()],
        "the client secret of the app", ["x-hubspot-request-timestamp"], None;
    "hubspot-v2" vec![hubspot_v2(None)], "the client secret of the app", [], None;
    "hubspot-v1" vec![hubspot_v1()], "the client secret of the app", [], None;
    "shopify" vec![
            body("shopify", "x-shopify-hmac-sha256", Encoding::Base64),
            body("shopify", "shopify-hmac-sha256", Encoding::Base64),
        ],
        "the client secret of the app, or the secret that the admin page shows",
        ["x-shopify-topic" "x-shopify-event-id" "x-shopify-webhook-id" "x-shopify-triggered-at"
         "x-shopify-shop-domain" "x-shopify-api-version" "x-shopify-test" "shopify-topic"
         "shopify-event-id" "shopify-webhook-id" "shopify-triggered-at" "shopify-shop-domain"
         "shopify-api-version" "shopify-test"], None;
    "sendgrid" vec![sendgrid()],
        "the verification key of the event webhook, a public key", [], None;
    "github" vec![prefixed("github", "x-hub-signature-256", Encoding::Hex)],
        "the secret of the webhook", ["x-github-event" "x-github-delivery"], None;
    "meta" vec![prefixed("meta", "x-hub-signature-256", Encoding::Hex)],
        "the app secret; `verify_token` is the token typed in beside the address", [], Hub;
    "customerio" vec![stamped("customerio", "x-cio-signature", "x-cio-timestamp", Unit::Seconds,
            vec![text("v0:"), Part::Timestamp, text(":"), Part::Body])],
        "the signing key of the reporting webhook", [], None;
    "close" vec![Scheme {
            secret: Encoding::Hex,
            ..stamped("close", "close-sig-hash", "close-sig-timestamp", Unit::Seconds,
                vec![Part::Timestamp, Part::Body])
        }],
        "the signature key of the subscription, hexadecimal as Close gives it", [], None;
    "twilio" vec![twilio()],
        "the auth token of the account", ["i-twilio-idempotency-token"], None;
    "segment" vec![segment()],
        "the shared secret of the webhook destination", [], None;
    "attio" vec![
            body("attio", "attio-signature", Encoding::Hex),
            body("attio", "x-attio-signature", Encoding::Hex),
        ],
        "the secret of the webhook", ["idempotency-key"], None;
    "typeform" vec![prefixed("typeform", "typeform-signature", Encoding::Base64)],
        "the secret of the webhook", [], None;
    "calendly" vec![keyed("calendly", "calendly-webhook-signature", 180)],
        "the signing key of the subscription", [], None;
    "twenty" vec![stamped("twenty", "x-twenty-webhook-signature", "x-twenty-webhook-timestamp",
            Unit::Millis, vec![Part::Timestamp, text(":"), Part::Body])],
        "the secret of the webhook", ["x-twenty-webhook-nonce"], None;
    "klaviyo" vec![stamped("klaviyo", "klaviyo-signature", "klaviyo-timestamp", Unit::Seconds,
            vec![Part::Body, Part::Timestamp])],
        "the secret of the webhook", ["klaviyo-webhook-id"], None;
    "surveymonkey" vec![Scheme {
            algorithm: Algorithm::HmacSha1,
            ..body("surveymonkey", "sm-signature", Encoding::Base64)
        }],
        "client id and client secret, joined by `&`", [], Get;
    "highlevel" vec![Scheme {
            algorithm: Algorithm::RsaSha256,
            ..body("highlevel", "x-wh-signature", Encoding::Base64)
        }],
        "the public key that HighLevel publishes, PEM", [], None;
    "aircall" vec![token("aircall", Place::Field("token".to_owned()), "")],
        "the token of the webhook, which comes in the body", [], None;
    "zoho" vec![token("zoho", Place::Field("token".to_owned()), "")],
        "the token of the notification channel, which comes in the body", [], None;
    "google-ads" vec![token("google-ads", Place::Field("google_key".to_owned()), "")],
        "the key of the lead form, which comes in the body as `google_key`", [], None;
    "monday" vec![token("monday", Place::Query("token".to_owned()), "")],
        "a token of your own, in the address as `?token=…`", [], Echo;
    "mailchimp" vec![token("mailchimp", Place::Query("token".to_owned()), "")],
        "a token of your own, in the address as `?token=…`", [], Get;
    "bearer" vec![token("bearer", header("authorization"), "Bearer ")],
        "the token that comes as `Authorization: Bearer …`", [], None;
    "token" vec![token("token", header("x-webhook-token"), "")],
        "the token that comes as `X-Webhook-Token`", [], None;
    "basic" vec![basic()],
        "user and password, joined by a colon", [], None;
    "none" vec![Scheme { algorithm: Algorithm::None, ..token("none", header(""), "") }],
        "none: whoever reaches the address is believed", [], None;
}

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

fn header(name: &str) -> Place {
    Place::Header(name.to_owned())
}

fn given(name: &str, encoding: Encoding) -> Given {
    Given { place: header(name), encoding, prefix: String::new(), pick: Pick::Whole }
}

/// The body signed with HMAC-SHA256.
fn body(name: &str, signature: &str, encoding: Encoding) -> Scheme {
    Scheme {
        name: name.to_owned(),
        when: None,
        algorithm: Algorithm::HmacSha256,
        secret: Encoding::Plain,
        message: vec![Part::Body],
        signature: given(signature, encoding),
        stamp: None,
        first_element: FirstElement::Not,
    }
}

/// The same behind `sha256=`.
fn prefixed(name: &str, signature: &str, encoding: Encoding) -> Scheme {
    let mut scheme = body(name, signature, encoding);
    scheme.signature.prefix = "sha256=".to_owned();
    scheme
}

fn stamp(at: StampAt, unit: Unit, max_age: Span) -> Option<Stamp> {
    Some(Stamp { at, unit, max_age, max_ahead: Span::minutes(5) })
}

/// A body and a time, signed in hexadecimal.
fn stamped(name: &str, signature: &str, at: &str, unit: Unit, message: Vec<Part>) -> Scheme {
    let stamp = stamp(StampAt::Header(at.to_owned()), unit, Span::days(1));
    Scheme { message, stamp, ..body(name, signature, Encoding::Hex) }
}

/// `t=…,v1=…`.
fn keyed(name: &str, signature: &str, seconds: i64) -> Scheme {
    let mut scheme = body(name, signature, Encoding::Hex);
    scheme.signature.pick = Pick::Keyed("v1".to_owned());
    scheme.message = vec![Part::Timestamp, text("."), Part::Body];
    scheme.stamp = stamp(StampAt::Keyed("t".to_owned()), Unit::Seconds, Span::seconds(seconds));
    scheme
}

fn standard(family: &str) -> Scheme {
    let of = |what: &str| format!("{family}-{what}");
    let mut scheme = body("standard-webhooks", &of("signature"), Encoding::Base64);
    scheme.secret = Encoding::Base64;
    scheme.signature.prefix = "v1,".to_owned();
    scheme.signature.pick = Pick::Spaced;
    scheme.message =
        vec![Part::Header(of("id")), text("."), Part::Timestamp, text("."), Part::Body];
    scheme.stamp = stamp(StampAt::Header(of("timestamp")), Unit::Seconds, Span::minutes(5));
    scheme
}

fn hubspot_v3() -> Scheme {
    let mut scheme = body("hubspot-v3", "x-hubspot-signature-v3", Encoding::Base64);
    scheme.message = vec![Part::Method, Part::UrlDecoded, Part::Body, Part::Timestamp];
    let at = StampAt::Header("x-hubspot-request-timestamp".to_owned());
    scheme.stamp = stamp(at, Unit::Millis, Span::minutes(5));
    scheme
}

fn hubspot_v2(version: Option<&str>) -> Scheme {
    Scheme {
        when: version.map(|v| ("x-hubspot-signature-version".to_owned(), v.to_owned())),
        algorithm: Algorithm::Sha256,
        message: vec![Part::Secret, Part::Method, Part::Url, Part::Body],
        ..body("hubspot-v2", "x-hubspot-signature", Encoding::Hex)
    }
}

fn hubspot_v1() -> Scheme {
    Scheme {
        algorithm: Algorithm::Sha256,
        message: vec![Part::Secret, Part::Body],
        ..body("hubspot-v1", "x-hubspot-signature", Encoding::Hex)
    }
}

fn sendgrid() -> Scheme {
    let mut scheme = body("sendgrid", "x-twilio-email-event-webhook-signature", Encoding::Base64);
    scheme.algorithm = Algorithm::EcdsaP256;
    scheme.message = vec![Part::Timestamp, Part::Body];
    let at = StampAt::Header("x-twilio-email-event-webhook-timestamp".to_owned());
    scheme.stamp = stamp(at, Unit::Seconds, Span::days(1));
    scheme
}

fn twilio() -> Scheme {
    Scheme {
        algorithm: Algorithm::HmacSha1,
        message: vec![Part::Url, Part::Form],
        ..body("twilio", "x-twilio-signature", Encoding::Base64)
    }
}

fn segment() -> Scheme {
    Scheme {
        algorithm: Algorithm::HmacSha1,
        first_element: FirstElement::Alone,
        ..body("segment", "x-signature", Encoding::Hex)
    }
}

fn token(name: &str, place: Place, prefix: &str) -> Scheme {
    Scheme {
        algorithm: Algorithm::Token,
        message: Vec::new(),
        signature: Given {
            place,
            encoding: Encoding::Plain,
            prefix: prefix.to_owned(),
            pick: Pick::Whole,
        },
        ..body(name, "", Encoding::Plain)
    }
}

fn basic() -> Scheme {
    let mut scheme = token("basic", header("authorization"), "Basic ");
    scheme.signature.encoding = Encoding::Base64;
    scheme
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn presets_are_sound_and_named_once() {
        let names: BTreeSet<&str> = PRESETS.iter().map(|p| p.name).collect();
        assert_eq!(names.len(), PRESETS.len());
        for preset in PRESETS {
            for scheme in preset.schemes() {
                assert_eq!(scheme.wrong(), None, "{}", preset.name);
            }
            for name in preset.headers {
                assert_eq!(*name, name.to_ascii_lowercase(), "{}", preset.name);
            }
        }
        for (i, (name, handshake)) in Handshake::ALL.iter().enumerate() {
            assert_eq!((*handshake as usize, handshake.as_str()), (i, *name));
        }
    }
}
