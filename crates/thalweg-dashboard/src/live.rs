//! Pages that go on changing: the server sends what is to be shown.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::pages::Page;
use crate::server::App;

/// How many pages are kept up to date at most.
const PAGES: usize = 100;

/// How long a connection is silent at most.
const SILENCE: Duration = Duration::from_secs(15);

/// Sends a page's content now, and whenever it has changed.
pub(crate) fn stream(app: Arc<App>, page: Page) -> Response {
    let Some((looker, looks)) = app.come(PAGES) else {
        // A connection that stays open takes the place of somebody else's.
        let headers = [(header::RETRY_AFTER, "10"), (header::CONNECTION, "close")];
        let text = "too many pages are open\n";
        return (StatusCode::SERVICE_UNAVAILABLE, headers, text).into_response();
    };
    let state = (app, looker, looks, String::new());
    let events = stream::unfold(state, move |(app, looker, mut looks, shown)| async move {
        loop {
            // The sender lives as long as the dashboard does.
            looks.changed().await.ok()?;
            page.prepare(&app).await;
            let content = page.content(&app).into_string().replace('\r', " ");
            if content != shown {
                let event = Event::default().data(&content);
                return Some((Ok::<_, Infallible>(event), (app, looker, looks, content)));
            }
        }
    });
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(SILENCE));
    events.into_response()
}
