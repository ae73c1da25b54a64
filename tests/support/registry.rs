//! A schema registry in this process: the part of Confluent's API that a reader asks, with its errors.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

#[derive(Default)]
struct Held {
    ids: BTreeMap<String, Value>,
    versions: BTreeMap<(String, u32), Value>,
    away: bool,
    old: bool,
    asked: usize,
    authorization: Option<String>,
}

type Shared = Arc<Mutex<Held>>;

/// A registry; it ends with the test.
pub struct Registry {
    pub url: String,
    held: Shared,
    _runtime: tokio::runtime::Runtime,
}

fn refusal(status: StatusCode, code: i64, message: &str) -> Response {
    (status, Json(json!({"error_code": code, "message": message}))).into_response()
}

/// Why nothing is answered, if so.
fn shut(held: &mut Held, headers: &HeaderMap) -> Option<Response> {
    held.asked += 1;
    if held.away {
        return Some((StatusCode::SERVICE_UNAVAILABLE, "upstream is away").into_response());
    }
    let given = headers.get("authorization").and_then(|v| v.to_str().ok());
    let wanted = held.authorization.as_deref();
    (wanted.is_some() && wanted != given)
        .then(|| refusal(StatusCode::UNAUTHORIZED, 40101, "Unauthorized"))
}

async fn by_name(
    State(held): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let mut held = held.lock().unwrap();
    if let Some(shut) = shut(&mut held, &headers) {
        return shut;
    }
    match held.ids.get(&name) {
        Some(schema) => Json(schema.clone()).into_response(),
        None if held.old && name.contains('-') => {
            refusal(StatusCode::NOT_FOUND, 404, "HTTP 404 Not Found")
        }
        None => refusal(StatusCode::NOT_FOUND, 40403, &format!("Schema {name} not found")),
    }
}

async fn by_version(
    State(held): State<Shared>,
    Path((subject, version)): Path<(String, u32)>,
    headers: HeaderMap,
) -> Response {
    let mut held = held.lock().unwrap();
    if let Some(shut) = shut(&mut held, &headers) {
        return shut;
    }
    match held.versions.get(&(subject.clone(), version)) {
        Some(schema) => Json(schema.clone()).into_response(),
        None => refusal(StatusCode::NOT_FOUND, 40401, &format!("Subject '{subject}' not found.")),
    }
}

impl Registry {
    pub fn start() -> Registry {
        let held = Shared::default();
        let router = Router::new()
            .route("/schemas/ids/{id}", get(by_name))
            .route("/schemas/guids/{guid}", get(by_name))
            .route("/subjects/{subject}/versions/{version}", get(by_version))
            .with_state(held.clone());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
        Registry { url, held, _runtime: runtime }
    }

    /// A schema of Avro by its id, or its GUID, with what it refers to.
    pub fn put(&self, name: impl ToString, schema: &str, references: &[(&str, u32)]) {
        let references: Vec<Value> = references
            .iter()
            .map(|(subject, version)| json!({"name": "n", "subject": subject, "version": version}))
            .collect();
        let given = json!({"schema": schema, "references": references});
        self.held.lock().unwrap().ids.insert(name.to_string(), given);
    }

    pub fn put_kind(&self, id: u32, kind: &str, schema: &str) {
        let given = json!({"schema": schema, "schemaType": kind});
        self.held.lock().unwrap().ids.insert(id.to_string(), given);
    }

    pub fn put_version(&self, subject: &str, version: u32, schema: &str) {
        let given = json!({"subject": subject, "version": version, "id": 1, "schema": schema});
        self.held.lock().unwrap().versions.insert((subject.to_owned(), version), given);
    }

    /// Answers nothing but 503, as a proxy does before a registry that is gone.
    pub fn set_away(&self, away: bool) {
        self.held.lock().unwrap().away = away;
    }

    /// Knows no route for GUIDs, as before Confluent Platform 8.0.
    pub fn without_guids(&self) {
        self.held.lock().unwrap().old = true;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.held.lock().unwrap().asked
    }

    /// Answers only who says this.
    pub fn demand(&self, authorization: &str) {
        self.held.lock().unwrap().authorization = Some(authorization.to_owned());
    }
}

/// A value in the framing of version 0.
pub fn framed(id: u32, payload: &[u8]) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], payload].concat()
}

/// A value as Avro writes it.
pub fn avro(schema: &apache_avro::Schema, value: impl Into<apache_avro::types::Value>) -> Vec<u8> {
    let writer = apache_avro::writer::datum::GenericDatumWriter::builder(schema).build().unwrap();
    let mut out = Vec::new();
    writer.write_value(&mut out, value.into()).unwrap();
    out
}
