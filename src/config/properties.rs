//! Properties that are handed to librdkafka: which may be set, and whose values may be shown.

use super::leaf::{Leaf, Problem, Raw, clip};

/// The value of a librdkafka property: a text; numbers and booleans are taken as their text.
#[derive(Clone)]
pub(super) struct PropertyText(pub(super) String);

impl Leaf for PropertyText {
    fn read(raw: Raw<'_>) -> Result<PropertyText, Problem> {
        match raw {
            Raw::Text(text) => Ok(PropertyText(text.to_owned())),
            Raw::Whole(n) => Ok(PropertyText(n.to_string())),
            Raw::Bool(b) => Ok(PropertyText(b.to_string())),
            Raw::Other(_) => Err(Problem::expected(
                "the value of a librdkafka property",
                raw,
                "write a text in quotes, or for a secret { file = \"/path\" } or { env = \"NAME\" }",
            )),
        }
    }
}

/// Properties that Tidemark sets itself, with the key that decides them, if any.
const OWN_PROPERTIES: [(&str, &str); 17] = [
    ("bootstrap.servers", "kafka.brokers"),
    ("metadata.broker.list", "kafka.brokers"),
    ("client.id", "kafka.client_id"),
    ("session.timeout.ms", "kafka.session_timeout"),
    ("request.timeout.ms", "kafka.request_timeout"),
    ("group.id", "app.name"),
    ("enable.auto.commit", ""),
    ("enable.auto.offset.store", ""),
    ("auto.offset.reset", ""),
    ("isolation.level", ""),
    ("partition.assignment.strategy", ""),
    ("group.protocol", ""),
    ("allow.auto.create.topics", ""),
    ("enable.idempotence", ""),
    ("acks", ""),
    ("request.required.acks", ""),
    ("transactional.id", ""),
];

/// Checks the name of a librdkafka property.
pub(super) fn check(name: &str) -> Result<(), Problem> {
    if let Some((_, key)) = OWN_PROPERTIES.iter().find(|(own, _)| *own == name) {
        let mend = match *key {
            "" => "remove it: the promise of exact numbers rests on its value".to_owned(),
            key => format!("remove it and set {key}"),
        };
        return Err(Problem::new(
            format!("the property \"{name}\" is set by Tidemark itself"),
            mend,
        ));
    }
    if name.is_empty()
        || !name.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
        })
    {
        let mend = "write it as librdkafka's CONFIGURATION.md does: \"security.protocol\"";
        return Err(Problem::new(
            format!("\"{}\" is not the name of a property", clip(name)),
            mend,
        ));
    }
    Ok(())
}

/// Whether the value of a property may be shown. A list of what may, because a list of secrets is
/// never complete.
pub(super) fn is_public(name: &str) -> bool {
    const ENDINGS: [&str; 9] = [
        ".ms",
        ".bytes",
        ".kbytes",
        ".protocol",
        ".mechanism",
        ".mechanisms",
        ".rack",
        ".max",
        ".messages",
    ];
    const NAMES: [&str; 7] = [
        "debug",
        "compression.type",
        "compression.codec",
        "ssl.ca.location",
        "ssl.ca.certificate.stores",
        "statistics.interval.ms",
        "log_level",
    ];
    ENDINGS.iter().any(|end| name.ends_with(end))
        || NAMES.contains(&name)
        || name.starts_with("enable.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_public() {
        for name in [
            "sasl.password",
            "ssl.key.pem",
            "sasl.oauthbearer.config",
            "sasl.username",
            "ssl.key.password",
        ] {
            assert!(!is_public(name), "{name}");
        }
        assert!(is_public("security.protocol"));
    }
}
