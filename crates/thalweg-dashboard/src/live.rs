//! Live pages, updated by server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::pages::Page;
use crate::server::App;

/// Limit of open event streams.
const MAX_STREAMS: usize = 100;

/// Interval of keep-alive comments on a stream without updates.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Sends a page's content now and after every change.
pub(crate) fn stream(app: Arc<App>, page: Page) -> Response {
    let Some((viewer, updates)) = app.join(MAX_STREAMS) else {
        // A connection kept alive would occupy a slot that another client could use.
        let headers = [(header::RETRY_AFTER, "10"), (header::CONNECTION, "close")];
        let text = "too many pages are open\n";
        return (StatusCode::SERVICE_UNAVAILABLE, headers, text).into_response();
    };
    let state = (app, viewer, updates, String::new());
    let events = stream::unfold(state, move |(app, viewer, mut updates, shown)| async move {
        loop {
            // The sender lives as long as the dashboard does.
            updates.changed().await.ok()?;
            page.prepare(&app).await;
            let content = page.content(&app).into_string().replace('\r', " ");
            if content != shown {
                let event = Event::default().data(&content);
                return Some((Ok::<_, Infallible>(event), (app, viewer, updates, content)));
            }
        }
    });
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    events.into_response()
}
