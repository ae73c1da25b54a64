//! The webhook receiver, from as typed to as meant.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::build::{Env, resolve, usize_of};
use super::leaf::Given;
use super::read::Reader;
use super::typed::{self, EndpointRow, SchemeTable, Secret, StampTable};
use super::{Config, Source, summary};
use crate::model::time::Span;
use crate::verify::scheme::{
    Algorithm, Encoding, FirstElement, Given as Signature, Pick, Place, Scheme, Stamp, StampAt,
    Unit,
};
use crate::verify::{Handshake, Verifier};

/// The webhook receiver.
#[derive(Clone, Debug)]
pub struct Hooks {
    /// Address listened on.
    pub listen: SocketAddr,
    /// Whether an address other than loopback was meant.
    pub allow_remote: bool,
    /// Most open connections.
    pub max_connections: usize,
    /// Time to send the head of a request.
    pub header_timeout: Duration,
    /// Time to send a body.
    pub body_timeout: Duration,
    /// Time until the log has acknowledged.
    pub ack_timeout: Duration,
    /// Largest body, bytes.
    pub max_body: usize,
    /// Bodies held at one time, bytes.
    pub max_buffered: usize,
    /// Requests that wait for the log.
    pub max_waiting: usize,
    /// Authentic requests a second of one endpoint; any number without it.
    pub max_rate: Option<u32>,
    /// Where systems post to.
    pub endpoints: Vec<Hook>,
}

/// Where a system posts to.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Path of its address.
    pub path: String,
    /// Name of the source that reads it.
    pub source: String,
    /// Topic that its records go to.
    pub topic: String,
    /// How it is called that it signs.
    pub scheme: String,
    /// What is believed.
    pub verifier: Verifier,
    /// Headers that its records carry, in lower case.
    pub headers: Vec<String>,
    /// What the system asks first.
    pub handshake: Handshake,
    /// The token of that handshake.
    pub verify_token: Option<HookToken>,
}

/// A secret word. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct HookToken(pub String);

impl std::fmt::Debug for HookToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(summary::REDACTED)
    }
}

/// Headers that every record carries.
const ALWAYS: [&str; 2] = ["content-type", "content-encoding"];
/// Headers that hold secrets.
const NEVER: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "x-webhook-token"];

/// What a row needs beside itself.
struct Around<'a> {
    sources: &'a [Source],
    public_url: Option<&'a str>,
    base: &'a Path,
    env: &'a Env,
}

pub(super) fn hooks(
    reader: &mut Reader,
    typed: typed::Hooks,
    sources: &[Source],
    base: &Path,
    env: &Env,
) -> Option<Hooks> {
    let rows = typed.endpoint.unwrap_or_default();
    let checked = !reader.faulty(&["hooks", "sources"]);
    let Some(Given(listen)) = typed.listen else {
        if checked && !rows.is_empty() {
            let what = "there are endpoints, and nothing listens for them";
            reader.fault("hooks.endpoint", what, "add to [hooks] listen = \"127.0.0.1:9465\"");
        }
        return None;
    };
    let allow_remote = typed.allow_remote.0;
    if !listen.ip().is_loopback() && !allow_remote && checked {
        let what = format!(
            "{listen} can be reached from other machines, which hooks.allow_remote = false forbids"
        );
        let mend = format!(
            "listen on 127.0.0.1:{} behind a proxy that speaks TLS; or, where something else decides who may come in, set hooks.allow_remote = true",
            listen.port()
        );
        reader.fault("hooks.listen", what, mend);
    }
    if rows.is_empty() && checked {
        let mend = "add a table [[hooks.endpoint]] for each system that posts here, or remove hooks.listen";
        reader.fault("hooks.listen", "nothing is received: there is no endpoint", mend);
    }
    if typed.max_buffered.0.0 < typed.max_body.0.0 && checked {
        let what = "less may be held than one body can have";
        reader.fault("hooks.max_buffered", what, "make it several times hooks.max_body");
    }
    let public_url = typed.public_url.map(|url| url.0.0);
    let around = Around { sources, public_url: public_url.as_deref(), base, env };
    let (mut endpoints, mut paths) = (Vec::new(), BTreeSet::new());
    // Rows with faults are left out, and the indices behind them no longer match.
    for (i, row) in rows.into_iter().enumerate().filter(|_| checked) {
        let at = format!("hooks.endpoint[{i}]");
        if !paths.insert(row.path.0.0.clone()) {
            let what = format!("there are two endpoints \"{}\"", row.path.0.0);
            reader.fault(&format!("{at}.path"), what, "give each a path of its own");
        }
        endpoints.extend(hook(reader, &at, row, &around));
    }
    Some(Hooks {
        listen,
        allow_remote,
        max_connections: usize_of(typed.max_connections.0.0),
        header_timeout: typed.header_timeout.0.0,
        body_timeout: typed.body_timeout.0.0,
        ack_timeout: typed.ack_timeout.0.0,
        max_body: usize_of(typed.max_body.0.0),
        max_buffered: usize_of(typed.max_buffered.0.0),
        max_waiting: usize_of(typed.max_waiting.0.0),
        max_rate: Some(super::build::small(typed.max_rate.0.0)).filter(|rate| *rate > 0),
        endpoints,
    })
}

/// One endpoint; `None` where it has faults.
fn hook(reader: &mut Reader, at: &str, row: EndpointRow, around: &Around<'_>) -> Option<Hook> {
    let source = row.source.0.0;
    let known = around.sources.iter().find(|s| s.name == source);
    if known.is_none() {
        let names: Vec<&str> = around.sources.iter().map(|s| s.name.as_str()).collect();
        let mend = match names.is_empty() {
            true => "add a table [[sources]] with this name and a topic".to_owned(),
            false => super::near::did_you_mean(&source, &names),
        };
        reader.fault(&format!("{at}.source"), format!("there is no source \"{source}\""), mend);
    }
    let topic = known.and_then(|source| source.topics.first()).cloned();
    let preset = row.verify.map(|v| v.0);
    let (name, mut schemes) = match (preset, row.scheme) {
        (Some(preset), None) => (preset.name.to_owned(), preset.schemes()),
        (None, Some(table)) => ("own".to_owned(), vec![own(reader, at, table)?]),
        (preset, _) => {
            let (what, key) = match preset {
                Some(_) => ("it names both a way of signing and one of its own", ".verify"),
                None => ("it does not say how requests are verified", ""),
            };
            let mend = "write verify = \"stripe\" (or another name that docs/webhooks.md lists), or [hooks.endpoint.scheme]; verify = \"none\" believes everybody";
            reader.fault(&format!("{at}{key}"), what, mend);
            return None;
        }
    };
    for stamp in schemes.iter_mut().filter_map(|s| s.stamp.as_mut()) {
        stamp.max_age = row.max_age.as_ref().map_or(stamp.max_age, |d| Span::from(d.0.0));
        stamp.max_ahead = row.max_ahead.as_ref().map_or(stamp.max_ahead, |d| Span::from(d.0.0));
    }
    if row.batches.as_ref().is_some_and(|batches| batches.0) {
        let alone = |s: &&mut Scheme| s.first_element == FirstElement::Alone;
        let believed =
            schemes.iter_mut().filter(alone).map(|s| s.first_element = FirstElement::Any);
        if believed.count() == 0 {
            let what = format!("\"{name}\" signs batches whole");
            let mend = "remove the key: it is for verify = \"segment\", which signs the first element only";
            reader.fault(&format!("{at}.batches"), what, mend);
        }
    }
    if schemes.iter().any(Scheme::signs_url) && around.public_url.is_none() {
        let what = format!("\"{name}\" signs the address, and that is not known here");
        let mend = "add to [hooks] public_url = \"https://…\": what stands before the path in the address that the system was given";
        reader.fault(at, what, mend);
        return None;
    }
    let credentials: Vec<String> = schemes.iter().filter_map(Scheme::credential).collect();
    let verifier = verifier(reader, at, (&name, schemes), row.secrets, around)?;
    let headers = headers(reader, at, preset, (row.headers.unwrap_or_default(), &credentials));
    let handshake = row.handshake.map(|h| h.0).or(preset.map(|p| p.handshake));
    let handshake = handshake.unwrap_or(Handshake::None);
    let verify_token = token(reader, at, handshake, row.verify_token, around);
    Some(Hook {
        path: row.path.0.0,
        source,
        topic: topic?,
        scheme: name,
        verifier,
        headers,
        handshake,
        verify_token,
    })
}

fn headers(
    reader: &mut Reader,
    at: &str,
    preset: Option<&crate::verify::Preset>,
    (own, credentials): (Vec<Given<super::hook_words::HeaderName>>, &[String]),
) -> Vec<String> {
    let usual = ALWAYS.iter().chain(preset.map_or(&[][..], |p| p.headers));
    let mut out: Vec<String> = usual.map(|name| (*name).to_owned()).collect();
    for (i, name) in own.into_iter().map(|h| h.0.0).enumerate() {
        if NEVER.contains(&name.as_str()) || credentials.contains(&name) {
            let what = format!("\"{name}\" holds a secret, and records are read by many");
            reader.fault(&format!("{at}.headers[{i}]"), what, "remove it");
        } else if !out.contains(&name) {
            out.push(name);
        }
    }
    out
}

fn token(
    reader: &mut Reader,
    at: &str,
    handshake: Handshake,
    given: Option<Secret>,
    around: &Around<'_>,
) -> Option<HookToken> {
    let key = format!("{at}.verify_token");
    match (handshake, given) {
        (Handshake::Hub, None) => {
            let what = "the handshake \"hub\" compares a token, and there is none";
            let mend = "add verify_token = { env = \"NAME\" } (or file), with the token that you typed in at the system";
            reader.fault(at, what, mend);
            None
        }
        (Handshake::Hub, Some(secret)) => {
            let value = secret_of(reader, &key, &secret, around)?;
            Some(HookToken(value))
        }
        (_, Some(_)) => {
            let what = "verify_token belongs to the handshake \"hub\"";
            reader.fault(&key, what, "remove it, or set handshake = \"hub\"");
            None
        }
        (_, None) => None,
    }
}

fn secret_of(
    reader: &mut Reader,
    key: &str,
    secret: &Secret,
    around: &Around<'_>,
) -> Option<String> {
    let Secret::Elsewhere(secret) = secret else {
        return None;
    };
    match resolve(secret, around.base, around.env) {
        Ok(value) => Some(value),
        Err((what, mend)) => {
            reader.fault(key, what, mend);
            None
        }
    }
}

fn verifier(
    reader: &mut Reader,
    at: &str,
    (name, schemes): (&str, Vec<Scheme>),
    given: Option<Vec<Secret>>,
    around: &Around<'_>,
) -> Option<Verifier> {
    let given = given.unwrap_or_default();
    let believes_all = schemes.iter().all(|s| s.algorithm == Algorithm::None);
    if believes_all != given.is_empty() {
        let (what, mend) = match believes_all {
            true => (
                "a secret is given, and nothing is verified",
                "remove secrets, or say in verify how requests are signed",
            ),
            false => (
                "there is no secret to verify with",
                "add secrets = [{ env = \"NAME\" }] (or file); two while the secret is changed; verify = \"none\" believes everybody",
            ),
        };
        reader.fault(at, what, mend);
        return None;
    }
    let url = around.public_url.unwrap_or_default();
    let mut secrets = Vec::new();
    for (i, secret) in given.iter().enumerate() {
        let key = format!("{at}.secrets[{i}]");
        let value = secret_of(reader, &key, secret, around)?.into_bytes();
        if let Err(wrong) = Verifier::new(schemes.clone(), std::slice::from_ref(&value), url) {
            reader.fault(
                &key,
                wrong.to_string(),
                format!("see what \"{name}\" takes in docs/webhooks.md"),
            );
            return None;
        }
        secrets.push(value);
    }
    Verifier::new(schemes, &secrets, url).ok()
}

/// A scheme of the user's own.
fn own(reader: &mut Reader, at: &str, table: SchemeTable) -> Option<Scheme> {
    let at = format!("{at}.scheme");
    let Some(algorithm) = table.algorithm.map(|a| a.0) else {
        reader.fault(&at, "\"algorithm\" is missing", "add algorithm = \"hmac-sha256\"");
        return None;
    };
    let signature = table.signature;
    let places = [
        signature.as_ref().and_then(|s| s.header.clone()).map(|n| Place::Header(n.0.0)),
        signature.as_ref().and_then(|s| s.query.clone()).map(|n| Place::Query(n.0)),
        signature.as_ref().and_then(|s| s.field.clone()).map(|n| Place::Field(n.0)),
    ];
    let mut places = places.into_iter().flatten();
    let (Some(place), None) = (places.next(), places.next()) else {
        let what = "the signature stands in one header, query parameter or field";
        reader.fault(
            &at,
            what,
            "write signature = { header = \"x-signature\", encoding = \"hex\" }",
        );
        return None;
    };
    let usual = if algorithm.signs() { Encoding::Hex } else { Encoding::Plain };
    let part = signature.as_ref();
    let signature = Signature {
        place,
        encoding: part.and_then(|s| s.encoding.as_ref()).map_or(usual, |e| e.0),
        prefix: part.and_then(|s| s.prefix.as_ref()).map_or(String::new(), |p| p.0.clone()),
        pick: part.and_then(|s| s.pick.as_ref()).map_or(Pick::Whole, |p| p.0.clone()),
    };
    let stamp = match table.timestamp {
        Some(stamp) => Some(own_stamp(reader, &at, stamp)?),
        None => None,
    };
    let scheme = Scheme {
        name: "own".to_owned(),
        when: None,
        algorithm,
        secret: table.secret_encoding.map_or(Encoding::Plain, |e| e.0),
        message: table.message.unwrap_or_default().into_iter().map(|p| p.0).collect(),
        signature,
        stamp,
        first_element: FirstElement::Not,
    };
    if let Some((what, mend)) = scheme.wrong() {
        reader.fault(&at, what, mend);
        return None;
    }
    Some(scheme)
}

fn own_stamp(reader: &mut Reader, at: &str, table: StampTable) -> Option<Stamp> {
    let at_what = match (table.header, table.pick.map(|p| p.0)) {
        (Some(name), None) => StampAt::Header(name.0.0),
        (None, Some(Pick::Keyed(name))) => StampAt::Keyed(name),
        _ => {
            let what = "the timestamp stands in a header, or beside the signature";
            let mend = "write timestamp = { header = \"x-timestamp\", unit = \"s\" }, or pick = \"kv:t\" in place of header";
            reader.fault(&format!("{at}.timestamp"), what, mend);
            return None;
        }
    };
    Some(Stamp {
        at: at_what,
        unit: table.unit.map_or(Unit::Seconds, |u| u.0),
        max_age: Span::minutes(5),
        max_ahead: Span::minutes(5),
    })
}

impl Config {
    /// The receiver in lines of the summary.
    pub(super) fn hook_lines(&self) -> Vec<(&'static str, String)> {
        let Some(hooks) = &self.hooks else { return Vec::new() };
        let remote = if hooks.allow_remote { ", remote allowed" } else { "" };
        let mut out = vec![("hooks", format!("{}{remote}", hooks.listen))];
        for Hook { path, source, topic, scheme, .. } in &hooks.endpoints {
            out.push(("hook", format!("{path}: {scheme}, for {source} into {topic}")));
        }
        out
    }
}
