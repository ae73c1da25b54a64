//! The schema registry: where it is and how to ask it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::build::resolve;
use super::leaf::{Leaf, Problem, Raw, clip, text};
use super::read::Reader;
use super::typed::{self, Secret};

/// Where schemas are asked for. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SchemaRegistry {
    /// Base URLs, tried in turn, without a slash at the end.
    pub urls: Vec<String>,
    /// Who asks.
    pub credentials: Credentials,
    /// Certificates that are trusted instead of the public ones, PEM.
    pub ca: Option<String>,
    /// How long one request may take.
    pub timeout: Duration,
}

/// Who asks a registry. Never print it.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular.
    Anonymous,
    /// A user with a password.
    Basic(String, String),
    /// The holder of a token.
    Bearer(String),
}

impl fmt::Debug for SchemaRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaRegistry")
            .field("urls", &self.urls)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Base URLs, joined by commas.
#[derive(Clone, Debug)]
pub(super) struct Urls(Vec<String>);

impl Leaf for Urls {
    fn read(raw: Raw<'_>) -> Result<Urls, Problem> {
        let usual = "write \"https://registry:8081\", several joined by commas";
        let all = text(raw, "the URL of a schema registry", usual)?;
        let mut out = Vec::new();
        for url in all.split(',').map(|url| url.trim().trim_end_matches('/')) {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            let host = rest.map_or("", |rest| rest.split('/').next().unwrap_or_default());
            if host.contains('@') {
                let mend = "write the user into schema_registry.username, and where the password \
                            stands into schema_registry.password";
                return Err(Problem::new("a URL of a schema registry names a user", mend));
            }
            if host.is_empty() || url.contains(|c: char| c.is_whitespace() || "?#".contains(c)) {
                let what = format!("\"{}\" is not the URL of a schema registry", clip(url));
                return Err(Problem::new(what, usual));
            }
            out.push(url.to_owned());
        }
        Ok(Urls(out))
    }
}

/// The registry as meant; none where no URL is given.
pub(super) fn meant(
    reader: &mut Reader,
    typed: typed::SchemaRegistry,
    base: &Path,
    env: &BTreeMap<String, String>,
) -> Option<SchemaRegistry> {
    // A faulty secret is left out: who asks is no fault of its own then.
    let unclear = reader.faulty(&["schema_registry.password", "schema_registry.token"]);
    let mut fault = |key: &str, what: String, mend: &str| {
        let key = format!("schema_registry.{key}");
        if !reader.faulty(&[&key]) {
            reader.fault(&key, what, mend);
        }
    };
    let urls = typed.url?.0.0;
    if !cfg!(feature = "registry") {
        let what = "this binary was built without the client of schema registries".to_owned();
        fault("url", what, "build it with the cargo feature \"registry\", or remove the key");
    }
    let mut secret = |key: &str, from: Option<Secret>| {
        let Some(Secret::Elsewhere(from)) = from else { return None };
        resolve(&from, base, env).map_err(|(what, mend)| fault(key, what, &mend)).ok()
    };
    let (had_password, had_token) = (typed.password.is_some(), typed.token.is_some());
    let (password, token) = (secret("password", typed.password), secret("token", typed.token));
    let credentials = match (typed.username, password, token) {
        (Some(user), Some(password), None) => Credentials::Basic(user.0, password),
        (None, None, Some(token)) => Credentials::Bearer(token),
        (user, ..) => {
            let (key, what) = match (user.is_some(), had_password, had_token) {
                (true, _, true) | (_, true, true) => ("token", "a token beside a user"),
                (true, false, false) => ("username", "a user without a password"),
                (false, true, false) => ("password", "a password without a user"),
                _ => ("", ""),
            };
            if !key.is_empty() && !unclear {
                let mend = "give username and password, or token, or none of them";
                fault(key, what.to_owned(), mend);
            }
            Credentials::Anonymous
        }
    };
    let ca = typed.ca.and_then(|file| {
        let path = base.join(&file.0);
        std::fs::read_to_string(&path)
            .map_err(|e| {
                let what = format!("the file \"{}\" cannot be read: {e}", path.display());
                fault("ca", what, "name a file of certificates in PEM");
            })
            .ok()
    });
    Some(SchemaRegistry { urls, credentials, ca, timeout: typed.timeout.0.0 })
}
