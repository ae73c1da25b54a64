//! What the page says of the running period where the server cannot, or will not, tell.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tidemark::http::{HttpState, router};
use tidemark::model::time::Timestamp;

use super::fixture::state;
use super::{check_forecast, dom_of, rows};

/// Longer than the pause behind a failure, which is half a minute.
const LONG_MS: u32 = 45_000;
/// Shorter than that.
const SHORT_MS: u32 = 20_000;

/// A page of a server that answers its first questions for a forecast with these, and how often it was
/// asked.
fn behind(state: HttpState, answers: &[StatusCode], virtual_ms: u32) -> Option<(String, usize)> {
    let answers = Arc::new(Mutex::new(answers.to_vec()));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let answer = move |request: Request, next: Next| {
        let (answers, count) = (answers.clone(), count.clone());
        async move {
            if request.uri().path() != "/api/v1/forecast" {
                return next.run(request).await;
            }
            count.fetch_add(1, Ordering::Relaxed);
            let status = {
                let mut left = answers.lock().unwrap();
                if left.is_empty() { None } else { Some(left.remove(0)) }
            };
            match status {
                Some(status) => status.into_response(),
                None => next.run(request).await,
            }
        }
    };
    let dom = dom_of(router(state).layer(from_fn(answer)), virtual_ms)?;
    Some((dom, asked.load(Ordering::Relaxed)))
}

fn is_hidden(dom: &str) -> bool {
    let start = dom.find("id=\"forecast\"").expect("it is part of the page");
    dom[start..].split('>').next().is_some_and(|tag| tag.contains(" hidden"))
}

#[test]
fn a_failed_forecast_is_asked_for_again_after_a_pause_and_not_before() {
    let unwell = [StatusCode::SERVICE_UNAVAILABLE];
    let Some((dom, asked)) = behind(state(&rows()), &unwell, SHORT_MS) else { return };
    assert_eq!((asked, is_hidden(&dom)), (1, true), "it is left alone for a while");
    assert!(dom.contains("data-state=\"live\""), "all else goes on");
    let Some((dom, asked)) = behind(state(&rows()), &unwell, LONG_MS) else { return };
    assert_eq!((asked, is_hidden(&dom)), (2, false));
    check_forecast(&dom);
}

#[test]
fn what_cannot_be_told_is_asked_once() {
    let Some((dom, asked)) = behind(state(&rows()), &[StatusCode::BAD_REQUEST], LONG_MS) else {
        return;
    };
    assert_eq!((asked, is_hidden(&dom)), (1, true));
    assert!(dom.contains("data-state=\"live\""));
}

/// The status with a watermark in the next day.
async fn a_day_later(response: Response) -> Response {
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let mut status: Value = serde_json::from_slice(&body).unwrap();
    let now = Timestamp::parse_rfc3339(status["now"].as_str().unwrap()).unwrap();
    status["watermark"] = Timestamp(now.0 + 86_400_000_000).to_string().into();
    Json(status).into_response()
}

#[test]
fn what_was_told_yesterday_stays_while_today_cannot_be_told() {
    let [status, forecasts] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let asked = forecasts.clone();
    let answer = move |request: Request, next: Next| {
        let (status, forecasts) = (status.clone(), forecasts.clone());
        async move {
            match request.uri().path() {
                "/api/v1/status" => {
                    let is_next_day = status.fetch_add(1, Ordering::Relaxed) > 3;
                    let response = next.run(request).await;
                    if is_next_day { a_day_later(response).await } else { response }
                }
                "/api/v1/forecast" if forecasts.fetch_add(1, Ordering::Relaxed) > 0 => {
                    StatusCode::SERVICE_UNAVAILABLE.into_response()
                }
                _ => next.run(request).await,
            }
        }
    };
    let page = router(state(&rows())).layer(from_fn(answer));
    let Some(dom) = dom_of(page, SHORT_MS) else { return };
    assert_eq!((asked.load(Ordering::Relaxed), is_hidden(&dom)), (2, false));
    check_forecast(&dom);
}
