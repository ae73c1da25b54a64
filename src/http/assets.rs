//! The page's files, compiled in: no build step, nothing from elsewhere.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

const PAGE: &str = include_str!("../board/index.html");

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// Name, type and contents of each.
const ASSETS: &[(&str, &str, &str)] = &[
    ("alerts.js", SCRIPT, include_str!("../board/alerts.js")),
    ("app.js", SCRIPT, include_str!("../board/app.js")),
    ("feed.js", SCRIPT, include_str!("../board/feed.js")),
    ("forecast.js", SCRIPT, include_str!("../board/forecast.js")),
    ("funnel.js", SCRIPT, include_str!("../board/funnel.js")),
    ("format.js", SCRIPT, include_str!("../board/format.js")),
    ("dom.js", SCRIPT, include_str!("../board/dom.js")),
    ("tables.js", SCRIPT, include_str!("../board/tables.js")),
    ("trend.js", SCRIPT, include_str!("../board/trend.js")),
    ("style.css", STYLE, include_str!("../board/style.css")),
    ("icon.svg", IMAGE, include_str!("../board/icon.svg")),
];

pub(super) async fn page() -> Html<&'static str> {
    Html(PAGE)
}

pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|(asset, ..)| *asset == name) {
        Some((_, kind, contents)) => ([(header::CONTENT_TYPE, *kind)], *contents).into_response(),
        None => super::failure(StatusCode::NOT_FOUND, "there is no such file"),
    }
}
