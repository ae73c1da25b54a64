//! Who is told of drift alerts: `[[alerts.receivers]]`, from as typed to as meant.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::build::{Env, repeated, resolve};
use super::leaf::{Given, Leaf, Positive, Problem, Raw, show_duration, text};
use super::read::Reader;
use super::shape::{Shape, Shaped};
use super::typed::{ReceiverRow, Secret, SecretRef};
use super::words::one_of;
use super::{Config, summary};
use crate::notify::{Signer, Standing, Wanted, usual};

/// Somebody who is told of drift alerts.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Name, unique.
    pub name: String,
    /// How it is spoken to.
    pub kind: ReceiverKind,
    /// Where it is.
    pub url: ReceiverUrl,
    /// What it is told of.
    pub states: Wanted,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long one message is tried.
    pub give_up_after: Duration,
}

/// How a receiver is spoken to.
#[derive(Clone, Debug)]
pub enum ReceiverKind {
    /// The alert as JSON, signed.
    Webhook(Signer),
    /// A message, as Slack's incoming webhooks take it.
    Slack,
    /// The API of Alertmanager, version 2.
    Alertmanager,
}

/// The types by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Webhook,
    Slack,
    Alertmanager,
}

impl Type {
    const ALL: [(&'static str, Type); 3] =
        [("webhook", Type::Webhook), ("slack", Type::Slack), ("alertmanager", Type::Alertmanager)];
}

impl Leaf for Type {
    fn read(raw: Raw<'_>) -> Result<Type, Problem> {
        let names = Type::ALL.map(|(name, _)| name);
        let parse = |text: &str| Type::ALL.iter().find(|(n, _)| *n == text).map(|(_, t)| *t);
        one_of(raw, "a type of receiver", &names, parse)
    }
}

impl Leaf for Standing {
    fn read(raw: Raw<'_>) -> Result<Standing, Problem> {
        let names = Standing::ALL.map(|(_, name)| name);
        one_of(raw, "a state that receivers are told of", &names, Standing::parse)
    }
}

/// Where a receiver is. The path may be a secret, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiverUrl(String);

const USUAL_URL: &str = "write \"https://…\", or where it stands if it is a secret: { file = \"/path\" } or { env = \"NAME\" }";

impl ReceiverUrl {
    /// The whole of it. Never print it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Scheme and host.
    pub fn shown(&self) -> String {
        let (scheme, rest) = self.0.split_once("://").unwrap_or_default();
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let more = if host.len() < rest.trim_end_matches('/').len() { "/…" } else { "" };
        format!("{scheme}://{host}{more}")
    }

    /// No message quotes what was written.
    fn parse(url: &str) -> Result<ReceiverUrl, Problem> {
        let url = url.trim();
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let host = rest.map_or("", |rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
        if host.contains('@') {
            let mend = "remove what stands before the @: receivers are asked without a user";
            return Err(Problem::new("the URL of the receiver names a user", mend));
        }
        let fits = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
        if host.is_empty() || !fits || url.bytes().any(|b| !b.is_ascii_graphic() || b == b'#') {
            return Err(Problem::new("this is not the URL of a receiver", USUAL_URL));
        }
        Ok(ReceiverUrl(url.to_owned()))
    }
}

impl fmt::Debug for ReceiverUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Leaf for ReceiverUrl {
    fn read(raw: Raw<'_>) -> Result<ReceiverUrl, Problem> {
        // A text is not quoted, whatever is wrong with it.
        ReceiverUrl::parse(text(raw, "the URL of a receiver", USUAL_URL)?)
    }
}

/// A URL, or where it stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum UrlOrSecret {
    Here(Given<ReceiverUrl>),
    Elsewhere(SecretRef),
}

impl Shaped for UrlOrSecret {
    const SHAPE: Shape = Shape::Either(&<Given<ReceiverUrl> as Shaped>::SHAPE, &SecretRef::SHAPE);
}

/// How long a request may take: a stop waits for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience(Duration);

impl Leaf for Patience {
    fn read(raw: Raw<'_>) -> Result<Patience, Problem> {
        let time = Positive::read(raw)?.0;
        if time > PATIENCE {
            let what = format!("a receiver is waited for up to {}", show_duration(PATIENCE));
            return Err(Problem::new(what, "write \"10s\" or less"));
        }
        Ok(Patience(time))
    }
}

/// Longest and usual time that one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Usual time that one message is tried: longer than a weekend.
const ENOUGH: Duration = Duration::from_secs(3 * 24 * 3_600);

/// The receivers.
pub(super) fn receivers(
    reader: &mut Reader,
    rows: Vec<ReceiverRow>,
    base: &Path,
    env: &Env,
) -> Vec<Receiver> {
    // Rows with faults are left out, and the indices behind them no longer match.
    if reader.faulty(&["alerts"]) {
        return Vec::new();
    }
    if !cfg!(feature = "notify") && !rows.is_empty() {
        let mend = "build it with the cargo feature \"notify\", or remove the receivers";
        reader.fault("alerts.receivers", "this binary was built without their client", mend);
    }
    for i in repeated(rows.iter().map(|row| &row.name.0.0)) {
        let what = format!("there are two receivers \"{}\"", rows[i].name.0.0);
        let mend = "give each a name of its own: it says how far it was told";
        reader.fault(&format!("alerts.receivers[{i}].name"), what, mend);
    }
    let meant = |(i, row)| receiver(reader, &format!("alerts.receivers[{i}]"), row, base, env);
    rows.into_iter().enumerate().filter_map(meant).collect()
}

fn receiver(
    reader: &mut Reader,
    at: &str,
    row: ReceiverRow,
    base: &Path,
    env: &Env,
) -> Option<Receiver> {
    let url = match row.url {
        UrlOrSecret::Here(url) => Ok(url.0),
        UrlOrSecret::Elsewhere(from) => resolve(&from, base, env).and_then(|text| {
            ReceiverUrl::parse(&text).map_err(|p| (format!("{} that stands there", p.what), p.mend))
        }),
    };
    let url = url.map_err(|(what, mend)| reader.fault(&format!("{at}.url"), what, mend)).ok();
    let whole = |url: &&ReceiverUrl| {
        let path = url.0.trim_end_matches('/');
        row.r#type.0 == Type::Alertmanager
            && (path.ends_with("/api/v2/alerts") || path.ends_with("/api/v2"))
    };
    if url.as_ref().filter(whole).is_some() {
        let what = "the URL of an Alertmanager ends with the path that is added to it";
        let mend =
            "leave out /api/v2/alerts: write \"http://HOST:9093\", with its prefix if it has one";
        reader.fault(&format!("{at}.url"), what, mend);
    }
    let kind = match (row.r#type.0, row.secret) {
        (Type::Webhook, Some(Secret::Elsewhere(from))) => {
            let signer = resolve(&from, base, env).and_then(|text| {
                let mend = "make one with: echo whsec_$(openssl rand -base64 32)";
                Signer::new(&text).map_err(|wrong| (wrong.to_string(), mend.to_owned()))
            });
            let key = format!("{at}.secret");
            signer.map(ReceiverKind::Webhook).map_err(|(what, mend)| reader.fault(&key, what, mend))
        }
        (Type::Webhook, _) => {
            let mend =
                "add secret = { env = \"NAME\" } (or file): \"whsec_\" and 32 bytes as Base64";
            reader.fault(at, "a webhook is signed, and there is no secret", mend);
            Err(())
        }
        (_, Some(_)) => {
            let mend = "remove it; a URL that is a secret is written url = { env = \"NAME\" }";
            reader.fault(&format!("{at}.secret"), "only webhooks are signed", mend);
            Err(())
        }
        (Type::Slack, None) => Ok(ReceiverKind::Slack),
        (Type::Alertmanager, None) => Ok(ReceiverKind::Alertmanager),
    };
    let states = match row.states {
        None => usual(),
        Some(states) => states.into_iter().map(|state| state.0).collect(),
    };
    if states.is_empty() {
        let mend = "leave the key out for firing, resolved and withdrawn; or remove the receiver";
        reader.fault(&format!("{at}.states"), "it is told of nothing", mend);
    }
    if row.r#type.0 == Type::Alertmanager && states != usual() {
        let mend =
            "remove the key: it knows alerts that fire and alerts that are over, and needs both";
        reader.fault(&format!("{at}.states"), "Alertmanager is told of all that fires", mend);
    }
    let timeout = row.timeout.map_or(PATIENCE, |time| time.0.0);
    let give_up_after = row.give_up_after.map_or(ENOUGH, |time| time.0.0);
    let name = row.name.0.0;
    Some(Receiver { name, kind: kind.ok()?, url: url?, states, timeout, give_up_after })
}

impl Config {
    /// The receivers in lines of the summary.
    pub(super) fn receiver_lines(&self) -> Vec<(&'static str, String)> {
        let line = |Receiver { name, kind, url, states, .. }: &Receiver| {
            let kind = match kind {
                ReceiverKind::Webhook(_) => "webhook",
                ReceiverKind::Slack => "slack",
                ReceiverKind::Alertmanager => "alertmanager",
            };
            let states: Vec<_> = states.iter().map(|state| state.as_str()).collect();
            ("receiver", format!("{name}: {kind} at {}, {}", url.shown(), states.join(", ")))
        };
        self.receivers.iter().map(line).collect()
    }
}

/// Whether a setting is a URL that may be a secret.
pub(super) fn is_url(path: &str) -> bool {
    path.starts_with("alerts.receivers[") && path.ends_with("].url")
}

/// What is shown in its place.
pub(super) fn shown_url(text: &str) -> String {
    ReceiverUrl::parse(text).map_or(summary::REDACTED.to_owned(), |url| url.shown())
}
