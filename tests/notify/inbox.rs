//! A receiver in this process: keeps what is posted to it, and answers as it is told.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::watch;

/// One request.
#[derive(Clone, Debug)]
pub struct Posted {
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    /// What it was answered.
    pub status: u16,
}

impl Posted {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name)?;
        std::str::from_utf8(&found.1).ok()
    }
}

#[derive(Default)]
struct Held {
    posted: Vec<Posted>,
    /// Answers to come, with a header; then 200.
    answers: VecDeque<(u16, Option<(&'static str, String)>)>,
    always: Option<u16>,
    /// Answers so to whatever has this text.
    fails: Option<(&'static str, u16)>,
}

type Shared = Arc<Mutex<Held>>;
/// What was posted, and whether answers are kept back.
type Kept = (Shared, watch::Receiver<bool>);

/// It ends with the test.
pub struct Inbox {
    pub url: String,
    held: Shared,
    holds: watch::Sender<bool>,
    _runtime: tokio::runtime::Runtime,
}

async fn take(State(kept): State<Kept>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let (held, mut holds) = kept;
    let response = answer(&held, uri, headers, body);
    let _ = holds.wait_for(|holds| !holds).await;
    response
}

fn answer(held: &Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut held = held.lock().unwrap();
    let text = String::from_utf8_lossy(&body);
    let fails = held.fails.filter(|(part, _)| text.contains(part)).map(|(_, status)| status);
    let always = fails.or(held.always).map(|status| (status, None));
    let (status, header) = always.or_else(|| held.answers.pop_front()).unwrap_or((200, None));
    let headers = headers.iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect();
    held.posted.push(Posted { target: uri.to_string(), headers, body: body.to_vec(), status });
    let status = StatusCode::from_u16(status).unwrap();
    match header {
        Some(header) => (status, [header], "").into_response(),
        None => (status, "").into_response(),
    }
}

impl Inbox {
    pub fn start() -> Inbox {
        let held = Shared::default();
        let (holds, holding) = watch::channel(false);
        let router = Router::new().fallback(take).with_state((held.clone(), holding));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
        Inbox { url, held, holds, _runtime: runtime }
    }

    /// Answers so from now on; `None` as usual.
    pub fn always(&self, status: Option<u16>) {
        self.held.lock().unwrap().always = status;
    }

    /// Answers so to whatever has this text.
    pub fn fails(&self, fails: Option<(&'static str, u16)>) {
        self.held.lock().unwrap().fails = fails;
    }

    /// Keeps its answers back, or no longer.
    pub fn hold(&self, holds: bool) {
        self.holds.send_replace(holds);
    }

    /// Answers the next request so.
    pub fn answer(&self, status: u16, header: Option<(&'static str, String)>) {
        self.held.lock().unwrap().answers.push_back((status, header));
    }

    pub fn all(&self) -> Vec<Posted> {
        self.held.lock().unwrap().posted.clone()
    }

    /// What it took: id and state of each alert.
    pub fn taken(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let said = |posted: Posted| {
            let body = posted.json();
            match &body["text"] {
                Value::String(message) => message.lines().next().unwrap().to_owned(),
                _ => format!("{} {}", text(&body["data"]["id"]), text(&body["state"])),
            }
        };
        self.all().into_iter().filter(|p| p.status == 200).map(said).collect()
    }
}
