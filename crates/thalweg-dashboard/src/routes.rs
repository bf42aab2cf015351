//! Routes of the server.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};

use crate::control;
use crate::guard::{self, AllowedHosts};
use crate::pages::{self, Page};
use crate::server::App;
use crate::{live, metrics};

const STYLE: &str = include_str!("../assets/style.css");
const ICON: &str = include_str!("../assets/icon.svg");
const SCRIPT: &str = include_str!("../assets/live.js");

type Shared = State<Arc<App>>;

pub(crate) fn router(app: Arc<App>, hosts: AllowedHosts) -> Router {
    let guard = middleware::from_fn_with_state(Arc::new(hosts), guard::check);
    let pages = match app.controls {
        Some(_) => control::router(),
        None => Router::new(),
    };
    pages
        .route("/", get(|| async { Redirect::to("/status") }))
        .route("/status", get(|app: Shared| page(app, Page::Status)))
        .route("/graph", get(|app: Shared| page(app, Page::Graph)))
        .route("/tasks", get(|app: Shared| page(app, Page::Tasks)))
        .route("/failures", get(|app: Shared| page(app, Page::Failures)))
        .route("/node/{pipeline}/{node}", get(node))
        .route("/live/status", get(|app: Shared| events(app, Page::Status)))
        .route("/live/graph", get(|app: Shared| events(app, Page::Graph)))
        .route("/live/tasks", get(|app: Shared| events(app, Page::Tasks)))
        .route(
            "/live/failures",
            get(|app: Shared| events(app, Page::Failures)),
        )
        .route("/live/node/{pipeline}/{node}", get(node_events))
        .route("/metrics", get(exposition))
        .route("/info", get(info))
        .route("/health", get(|| async { "ok\n" }))
        .route("/style.css", get(style))
        .route(
            "/live.js",
            get(|| asset("text/javascript; charset=utf-8", SCRIPT)),
        )
        .route("/icon.svg", get(|| asset("image/svg+xml", ICON)))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "there is no such page: see /status\n",
            )
        })
        .layer(guard)
        .with_state(app)
}

async fn page(State(app): Shared, page: Page) -> Response {
    app.refresh_now().await;
    page.prepare(&app).await;
    let status = if page.exists(&app) {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    (status, Html(pages::document(&app, page).into_string())).into_response()
}

async fn node(app: Shared, Path((pipeline, node)): Path<(u64, u64)>) -> Response {
    page(app, Page::Node(pipeline, node)).await
}

async fn events(State(app): Shared, page: Page) -> Response {
    live::stream(app, page)
}

async fn node_events(app: Shared, Path((pipeline, node)): Path<(u64, u64)>) -> Response {
    events(app, Page::Node(pipeline, node)).await
}

async fn exposition(State(app): Shared) -> Response {
    app.refresh_now().await;
    match metrics::text(&app.snapshot()) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            let text = format!("no metrics: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

async fn info(State(app): Shared) -> Response {
    app.refresh_now().await;
    Json(pages::info(&app)).into_response()
}

async fn style() -> Response {
    let style = format!("{STYLE}\n{}", thalweg::view::svg_style());
    asset("text/css; charset=utf-8", style).await
}

async fn asset(kind: &'static str, content: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, kind)], content).into_response()
}
