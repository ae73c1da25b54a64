//! The webhook receiver: a server of its own that writes what it believes to the source topics.
//!
//! It promises that a 2xx means an acknowledged record, and that an authentic request gets one
//! whatever its body is: senders punish refusals, and what cannot be read becomes a dead letter
//! further on. 401 is for a signature that is not right, 503 for all that may pass. Everything it
//! holds is bounded. It never looks into a body, but for a secret or a challenge that stands there;
//! it never unpacks one; it never logs a body, a header or a query.

mod bounds;
mod queue;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use tokio::time::{timeout, timeout_at};

use crate::clock::monotonic;
use crate::model::record::Header;
use crate::model::time::Timestamp;
use crate::telemetry::Telemetry;
use crate::verify::{self, Handshake, Refusal, Verifier};

use bounds::{Bucket, Budget, Held};
pub use queue::{Offered, Queue, Unwritten, Waiting};

/// Where senders post to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Path of its address.
    pub path: String,
    /// Name of the source that reads it.
    pub source: String,
    /// Topic that its records go to.
    pub topic: Arc<str>,
    /// What is believed.
    pub verifier: Verifier,
    /// Headers that its records carry, in lower case.
    pub headers: Vec<String>,
    /// What the sender asks first.
    pub handshake: Handshake,
    /// The token of that handshake.
    pub verify_token: Option<Token>,
    /// The way to its topic.
    pub queue: Queue,
}

/// A secret word. `Debug` does not show it.
#[derive(Clone)]
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// How much the receiver takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookLimits {
    /// Largest body; nothing beyond it is kept.
    pub max_body: usize,
    /// Bodies held at one time, bytes.
    pub max_buffered: usize,
    /// Time to send a body.
    pub body_read: Duration,
    /// Time until the log has acknowledged.
    pub acknowledge: Duration,
    /// Authentic requests a second that an endpoint takes; any number without it.
    pub rate: Option<u32>,
}

/// Reads the time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Longest challenge that is sent back, bytes.
const CHALLENGE: usize = 1024;
/// Of a body that is refused, so many times the largest one is read over.
const DRAINED: usize = 4;
/// Least time between two warnings of one endpoint.
const WARN: Duration = Duration::from_secs(60);
/// Seconds until it makes sense to come again: the queue drains within one, the log takes longer.
const SOON: &str = "1";
const LATER: &str = "5";

/// The receiver.
pub struct Receiver {
    endpoints: BTreeMap<String, Door>,
    limits: HookLimits,
    budget: Arc<Budget>,
    telemetry: Arc<Telemetry>,
    now: Now,
}

/// An endpoint at work.
struct Door {
    endpoint: Endpoint,
    bucket: Option<Mutex<Bucket>>,
    warned: Mutex<Option<Instant>>,
}

/// What became of a request.
enum Outcome {
    Accepted,
    Handshake(String, &'static str),
    NoEndpoint,
    NotAllowed,
    Refused(Refusal),
    BadHandshake,
    TooLarge,
    TooSlow,
    CutOff,
    Busy(Busy),
}

/// Why it may come again.
#[derive(Clone, Copy)]
enum Busy {
    Rate,
    Buffers,
    Queue,
    Log,
    Unacknowledged,
}

impl Outcome {
    /// The label.
    fn as_str(&self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Handshake(..) => "handshake",
            Outcome::NoEndpoint => "no_endpoint",
            Outcome::NotAllowed => "not_allowed",
            Outcome::Refused(why) => why.as_str(),
            Outcome::BadHandshake => "bad_handshake",
            Outcome::TooLarge => "too_large",
            Outcome::TooSlow => "too_slow",
            Outcome::CutOff => "cut_off",
            Outcome::Busy(Busy::Rate) => "rate",
            Outcome::Busy(Busy::Buffers) => "buffers_full",
            Outcome::Busy(Busy::Queue) => "queue_full",
            Outcome::Busy(Busy::Log) => "log_away",
            Outcome::Busy(Busy::Unacknowledged) => "unacknowledged",
        }
    }
}

impl IntoResponse for Outcome {
    /// Says no more than the status: whoever is refused learns nothing.
    fn into_response(self) -> Response {
        let bare = |status: StatusCode| status.into_response();
        match self {
            Outcome::Accepted => bare(StatusCode::OK),
            Outcome::Handshake(text, kind) => {
                let safe = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");
                ([(header::CONTENT_TYPE, kind), safe], text).into_response()
            }
            Outcome::NoEndpoint => bare(StatusCode::NOT_FOUND),
            Outcome::NotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response()
            }
            Outcome::Refused(_) => {
                (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Signature")])
                    .into_response()
            }
            Outcome::BadHandshake => bare(StatusCode::FORBIDDEN),
            Outcome::TooLarge => bare(StatusCode::PAYLOAD_TOO_LARGE),
            Outcome::TooSlow => {
                (StatusCode::REQUEST_TIMEOUT, [(header::CONNECTION, "close")]).into_response()
            }
            Outcome::CutOff => bare(StatusCode::BAD_REQUEST),
            Outcome::Busy(why) => {
                let again = match why {
                    Busy::Rate | Busy::Buffers | Busy::Queue => SOON,
                    Busy::Log | Busy::Unacknowledged => LATER,
                };
                (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, again)]).into_response()
            }
        }
    }
}

impl Receiver {
    /// A receiver of these endpoints, each of which hands its records to the queue of its topic.
    pub fn new(
        endpoints: Vec<Endpoint>,
        limits: HookLimits,
        telemetry: Arc<Telemetry>,
        now: Now,
    ) -> Receiver {
        let door = |endpoint: Endpoint| {
            let bucket = limits.rate.map(|rate| Mutex::new(Bucket::full(rate, monotonic())));
            (endpoint.path.clone(), Door { endpoint, bucket, warned: Mutex::default() })
        };
        Receiver {
            endpoints: endpoints.into_iter().map(door).collect(),
            limits,
            budget: Budget::of(limits.max_buffered),
            telemetry,
            now,
        }
    }

    /// Its routes.
    pub fn router(self) -> Router {
        Router::new().fallback(receive).with_state(Arc::new(self))
    }

    async fn handle(&self, door: &Door, parts: &Parts, body: &mut Body) -> Outcome {
        let endpoint = &door.endpoint;
        if parts.method != Method::POST {
            return handshake(endpoint, &parts.method, parts.uri.query().unwrap_or_default());
        }
        if !endpoint.queue.is_open() {
            return Outcome::Busy(Busy::Log);
        }
        let (body, held) = match self.read(&parts.headers, body).await {
            Ok(read) => read,
            Err(outcome) => return outcome,
        };
        let now = (self.now)();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let verified = match believed(endpoint, &parts.method, target, &parts.headers, &body, now) {
            Ok(scheme) => scheme,
            Err(why) => return Outcome::Refused(why),
        };
        // Only what is authentic counts: a stranger must not use up the sender's rate.
        if let Some(bucket) = &door.bucket {
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            if !bucket.take(monotonic()) {
                return Outcome::Busy(Busy::Rate);
            }
        }
        if endpoint.handshake == Handshake::Echo
            && let Some(text) = verify::challenge(&body).filter(|text| text.len() <= CHALLENGE)
        {
            let text = serde_json::json!({ "challenge": text }).to_string();
            return Outcome::Handshake(text, "application/json");
        }
        self.telemetry.hook_bytes(&endpoint.path, body.len() as u64);
        let headers = carried(endpoint, &parts.headers, &verified, now);
        self.write(endpoint, body, headers, held).await
    }

    /// Reads a body within its limits.
    async fn read(&self, headers: &HeaderMap, body: &mut Body) -> Result<(Vec<u8>, Held), Outcome> {
        if declared(headers) > self.limits.max_body {
            return Err(Outcome::TooLarge);
        }
        let deadline = self.deadline();
        let mut bytes = Vec::new();
        let mut held = self.budget.hold();
        loop {
            let frame = match timeout_at(deadline, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => return Ok((bytes, held)),
                Ok(Some(Err(_))) => return Err(Outcome::CutOff),
                Err(_) => return Err(Outcome::TooSlow),
            };
            // Trailers say nothing that is read.
            let Some(data) = frame.data_ref() else { continue };
            if bytes.len() + data.len() > self.limits.max_body {
                return Err(Outcome::TooLarge);
            }
            if !held.more(data.len()) {
                return Err(Outcome::Busy(Busy::Buffers));
            }
            bytes.extend_from_slice(data);
        }
    }

    fn deadline(&self) -> tokio::time::Instant {
        tokio::time::Instant::from_std(monotonic() + self.limits.body_read)
    }

    /// Takes what is left of a body, and keeps nothing of it: whoever still sends when the connection
    /// is closed may never read the answer.
    async fn drain(&self, headers: &HeaderMap, mut body: Body) {
        let deadline = self.deadline();
        let mut left = self.limits.max_body.saturating_mul(DRAINED);
        // Whoever waits for a "100 Continue" has sent nothing.
        if declared(headers) > left || headers.contains_key(header::EXPECT) {
            return;
        }
        while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
            let size = frame.data_ref().map_or(0, |data| data.len());
            match left.checked_sub(size) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }

    /// Hands a record over and waits until the log has it.
    async fn write(
        &self,
        endpoint: &Endpoint,
        body: Vec<u8>,
        headers: Vec<Header>,
        held: Held,
    ) -> Outcome {
        let offered = Offered::new(endpoint.topic.clone(), body, headers, held);
        let Some(answer) = endpoint.queue.offer(offered) else {
            return Outcome::Busy(if endpoint.queue.is_open() { Busy::Queue } else { Busy::Log });
        };
        self.telemetry.hook_waiting(endpoint.queue.waiting());
        match timeout(self.limits.acknowledge, answer).await {
            Ok(Ok(Ok(()))) => Outcome::Accepted,
            Ok(Ok(Err(Unwritten))) => Outcome::Busy(Busy::Log),
            // Nobody answers any more, or not in time.
            Ok(Err(_)) | Err(_) => Outcome::Busy(Busy::Unacknowledged),
        }
    }

    /// Says that requests are refused: now and then, since anybody can make it happen.
    fn warn(&self, door: &Door, why: &str) {
        let now = monotonic();
        let mut warned = door.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|before| now >= before + WARN) {
            *warned = Some(now);
            let endpoint = &door.endpoint.path;
            tracing::warn!(endpoint, why, "refused a webhook; tidemark_hook_requests_total counts");
        }
    }
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let began = monotonic();
    let Some(door) = receiver.endpoints.get(request.uri().path()) else {
        receiver.telemetry.hook_request("other", Outcome::NoEndpoint.as_str());
        return Outcome::NoEndpoint.into_response();
    };
    let (parts, mut body) = request.into_parts();
    let outcome = receiver.handle(door, &parts, &mut body).await;
    if !matches!(outcome, Outcome::TooSlow) {
        receiver.drain(&parts.headers, body).await;
    }
    let label = outcome.as_str();
    receiver.telemetry.hook_request(&door.endpoint.path, label);
    receiver.telemetry.hook_took(monotonic().saturating_duration_since(began));
    if !matches!(outcome, Outcome::Accepted | Outcome::Handshake(..)) {
        receiver.warn(door, label);
    }
    outcome.into_response()
}

/// Size of the body as the head states it; 0 where it does not.
fn declared(headers: &HeaderMap) -> usize {
    let stated = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    stated.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The name of the scheme by which the request is authentic.
fn believed(
    endpoint: &Endpoint,
    method: &Method,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<String, Refusal> {
    let headers: Vec<(&str, &[u8])> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let request = verify::Request { method: method.as_str(), target, headers: &headers, body };
    endpoint.verifier.check(&request, now).map(str::to_owned)
}

/// What the record tells of the request.
fn carried(
    endpoint: &Endpoint,
    headers: &HeaderMap,
    verified: &str,
    now: Timestamp,
) -> Vec<Header> {
    let mut out = vec![
        Header::new("tidemark.hook.source", endpoint.source.as_bytes()),
        Header::new("tidemark.hook.received_at", now.to_string().into_bytes()),
        Header::new("tidemark.hook.verified", verified.as_bytes()),
    ];
    let mut unsigned = Vec::new();
    for name in &endpoint.headers {
        if headers.contains_key(name) && !endpoint.verifier.signs(verified, name) {
            unsigned.push(name.as_str());
        }
        for value in headers.get_all(name) {
            out.push(Header::new(format!("http.{name}"), value.as_bytes()));
        }
    }
    if !unsigned.is_empty() {
        out.push(Header::new("tidemark.hook.unsigned", unsigned.join(",").into_bytes()));
    }
    out
}

/// The answer to a request that is no event.
fn handshake(endpoint: &Endpoint, method: &Method, query: &str) -> Outcome {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match endpoint.handshake {
        Handshake::Get if reads => Outcome::Handshake(String::new(), "text/plain"),
        Handshake::Hub if reads => {
            let value = |name: &str| {
                let mut pairs = form_urlencoded::parse(query.as_bytes());
                pairs.find(|(n, _)| n == name).map(|(_, value)| value)
            };
            let token = value("hub.verify_token").unwrap_or_default();
            let known = endpoint.verify_token.as_ref();
            let known =
                known.is_some_and(|known| verify::same(known.0.as_bytes(), token.as_bytes()));
            match value("hub.challenge").filter(|text| known && text.len() <= CHALLENGE) {
                Some(text) => Outcome::Handshake(text.into_owned(), "text/plain"),
                None => Outcome::BadHandshake,
            }
        }
        _ => Outcome::NotAllowed,
    }
}
