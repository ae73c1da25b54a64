//! The client of a schema registry that speaks Confluent's API
//! (<https://docs.confluent.io/platform/current/schema-registry/develop/api.html>), as those of
//! Redpanda, Karapace and Apicurio (`/apis/ccompat/v7`) do.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::{Answer, Trouble};
use crate::config::{Credentials, SchemaRegistry};
use crate::intake::{Schema, SchemaKey};
use crate::model::deadletter::{Code, Reason};

/// Largest answer that is read, bytes.
const ANSWER: u64 = 4 << 20;
/// Most schemas that one refers to, and these in turn.
const REFERENCES: usize = 200;

/// What is asked for fails so.
enum Failed {
    /// The registry has none, or none that can be used.
    Refused(String),
    /// It does not answer as a registry does.
    Away(Trouble),
}

/// A schema as the API gives it.
#[derive(serde::Deserialize)]
struct Given {
    schema: String,
    #[serde(rename = "schemaType", default)]
    kind: Option<String>,
    #[serde(default)]
    references: Option<Vec<Reference>>,
}

#[derive(serde::Deserialize)]
struct Reference {
    subject: String,
    version: i64,
}

#[derive(serde::Deserialize)]
struct Refusal {
    error_code: i64,
    #[serde(default)]
    message: String,
}

/// Asks one registry.
pub struct Client {
    agent: ureq::Agent,
    urls: Vec<String>,
    authorization: Option<String>,
}

impl Client {
    /// A client; the error says what is wrong with the certificates.
    pub fn new(config: &SchemaRegistry) -> Result<Client, String> {
        let mut builder = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_global(Some(config.timeout))
            .user_agent(concat!("tidemark/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &config.ca {
            let roots = roots(pem)?;
            let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).build();
            builder = builder.tls_config(tls);
        }
        let base64 = base64::engine::general_purpose::STANDARD;
        let authorization = match &config.credentials {
            Credentials::Anonymous => None,
            Credentials::Basic(user, password) => {
                Some(format!("Basic {}", base64.encode(format!("{user}:{password}"))))
            }
            Credentials::Bearer(token) => Some(format!("Bearer {token}")),
        };
        let agent = builder.build().new_agent();
        Ok(Client { agent, urls: config.urls.clone(), authorization })
    }

    /// A schema with all that it refers to.
    pub fn fetch(&mut self, key: SchemaKey) -> Answer {
        let refused = |why: String| Answer::Refused(Reason::new(Code::UnknownSchema, why));
        match self.whole(key) {
            Ok(Ok(schema)) => Answer::Schema(Box::new(schema)),
            Ok(Err(reason)) => refused(format!("schema {key}: {}", reason.message)),
            Err(Failed::Refused(why)) => refused(format!("schema {key}: {why}")),
            Err(Failed::Away(why)) => Answer::Away(why),
        }
    }

    fn whole(&self, key: SchemaKey) -> Result<Result<Schema, Reason>, Failed> {
        let given = self.get(&match key {
            SchemaKey::Id(id) => format!("/schemas/ids/{id}"),
            SchemaKey::Guid(_) => format!("/schemas/guids/{key}"),
        })?;
        let mut texts = Vec::new();
        let mut seen = BTreeSet::new();
        let mut left: Vec<Reference> = given.references.unwrap_or_default();
        while let Some(Reference { subject, version }) = left.pop() {
            if !seen.insert((subject.clone(), version)) {
                continue;
            }
            if seen.len() > REFERENCES {
                let why = format!("it refers to more than {REFERENCES} others");
                return Err(Failed::Refused(why));
            }
            let path = format!("/subjects/{}/versions/{version}", escaped(&subject));
            let inner = self.get(&path)?;
            left.extend(inner.references.unwrap_or_default());
            texts.push(inner.schema);
        }
        texts.reverse();
        Ok(Schema::of(given.kind.as_deref(), &given.schema, &texts))
    }

    /// Asks one URL after the other, until one answers.
    fn get(&self, path: &str) -> Result<Given, Failed> {
        let mut away = Vec::new();
        let mut worst: fn(String) -> Trouble = Trouble::Away;
        for url in &self.urls {
            match self.get_from(url, path) {
                Err(Failed::Away(trouble)) => {
                    away.push(format!("{url}: {trouble}"));
                    worst = match (trouble, worst(String::new())) {
                        (Trouble::Rejects(_), _) | (_, Trouble::Rejects(_)) => Trouble::Rejects,
                        (Trouble::Fails(_), _) | (_, Trouble::Fails(_)) => Trouble::Fails,
                        _ => Trouble::Away,
                    };
                }
                done => return done,
            }
        }
        Err(Failed::Away(worst(away.join("; "))))
    }

    fn get_from(&self, url: &str, path: &str) -> Result<Given, Failed> {
        let away = |why: String| Failed::Away(Trouble::Away(why));
        let mut request = self
            .agent
            .get(format!("{url}{path}"))
            .header("accept", "application/vnd.schemaregistry.v1+json, application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let mut response = request.call().map_err(|e| away(e.to_string()))?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER).read_to_vec();
        let body = match body {
            Err(ureq::Error::BodyExceedsLimit(_)) => {
                return Err(Failed::Refused(format!("the answer is longer than {ANSWER} bytes")));
            }
            body => body.map_err(|e| away(e.to_string()))?,
        };
        let strange = format!("it answers {status}, and not as a schema registry does");
        if status == 200 {
            return serde_json::from_slice(&body)
                .map_err(|_| Failed::Away(Trouble::Fails(strange)));
        }
        let said = serde_json::from_slice::<Refusal>(&body).ok();
        match said {
            // No such subject, version, schema. A proxy or a wrong path says 404 without them.
            Some(refusal) if (40_401..=40_403).contains(&refusal.error_code) => {
                let said: String = refusal.message.chars().take(200).collect();
                Err(Failed::Refused(format!("the registry does not have it: {said}")))
            }
            _ if status == 401 || status == 403 => {
                Err(away(format!("it answers {status}: it refuses the credentials")))
            }
            _ if status == 404 && path.starts_with("/schemas/guids/") => Err(Failed::Refused(
                "the registry answers 404: it does not have it, or is too old \
                     for GUIDs, which came with Confluent Platform 8.0"
                    .to_owned(),
            )),
            // A proxy says these of a registry that is gone or busy.
            _ if matches!(status, 407 | 408 | 429 | 502..=504) => Err(away(strange)),
            // 404 of a registry's own shape is that of a wrong path in the URL.
            Some(_) if (400..500).contains(&status) && status != 404 => {
                Err(Failed::Away(Trouble::Rejects(format!("it answers {status}"))))
            }
            _ => Err(Failed::Away(Trouble::Fails(strange))),
        }
    }
}

/// Certificates of a file.
fn roots(pem: &str) -> Result<Vec<Certificate<'static>>, String> {
    let mut out = Vec::new();
    for item in parse_pem(pem.as_bytes()) {
        match item {
            Ok(PemItem::Certificate(certificate)) => out.push(certificate),
            Ok(_) => {}
            Err(e) => return Err(format!("schema_registry.ca: {e}")),
        }
    }
    if out.is_empty() {
        return Err("schema_registry.ca holds no certificate in PEM".to_owned());
    }
    Ok(out)
}

/// A name as a part of a path.
fn escaped(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
