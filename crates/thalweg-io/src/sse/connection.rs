//! The task that reads a feed, and reconnects.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::{sleep, timeout};

use super::{Sse, SseError, SseEvent, SseParser};
use crate::background::Outbox;
use crate::web::{MAX_ASKED, Session, WebError, asked_to_wait, backoff, broken, shown, spread};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const EVENT_STREAM: &str = "text/event-stream";

pub(super) type Events = Outbox<SseEvent, SseError>;

/// How a connection ended.
enum Ended {
    /// Reconnect, after the wait that the server asked for.
    Lost(Option<SseError>, Duration),
    /// No source to read for, or nothing more to read.
    ForGood(Option<SseError>),
}

/// Reads events until the server ends the feed, or cannot be reached.
pub(super) async fn read(sse: Sse, out: Events) {
    let session = match sse.request.session() {
        Ok(session) => session,
        Err(error) => {
            out.report(error.into()).await;
            return;
        }
    };
    let mut parser = SseParser::new(sse.max_len);
    parser.set_last_event_id(sse.last_event_id.as_str());
    let mut failures = 0;
    loop {
        let mut has_come = false;
        let ended = read_once(&sse, &session, &mut parser, &out, &mut has_come).await;
        let (error, asked) = match ended {
            Ended::Lost(error, asked) => (error, asked),
            Ended::ForGood(error) => {
                if let Some(error) = error {
                    out.report(error).await;
                }
                return;
            }
        };
        if let Some(error) = error
            && !out.report(error).await
        {
            return;
        }
        failures = if has_come { 0 } else { failures + 1 };
        let least = parser.retry().unwrap_or(sse.wait).min(MAX_ASKED);
        let wait = backoff(least, sse.max_wait, failures).max(asked);
        sleep(spread(wait)).await;
        parser.restart();
    }
}

async fn read_once(
    sse: &Sse,
    session: &Session,
    parser: &mut SseParser,
    out: &Events,
    has_come: &mut bool,
) -> Ended {
    let url = || shown(&session.url);
    let idle = || WebError::Idle {
        url: url(),
        idle: sse.idle_timeout,
    };
    let lost = |error: WebError| {
        let is_temporary = error.is_temporary();
        let error = Some(error.into());
        if is_temporary {
            Ended::Lost(error, Duration::ZERO)
        } else {
            Ended::ForGood(error)
        }
    };
    let limit = sse
        .request
        .options
        .connect_timeout
        .saturating_add(sse.idle_timeout);
    let mut response = match timeout(limit, session.get(headers(parser))).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return lost(error),
        Err(_) => return lost(idle()),
    };
    let status = response.status().as_u16();
    if status == 204 {
        return Ended::ForGood(None);
    }
    if status != 200 {
        return match lost(WebError::Status { url: url(), status }) {
            Ended::Lost(error, _) => Ended::Lost(error, asked_to_wait(&response)),
            ended => ended,
        };
    }
    let checked = check_type(&response, url());
    if let Err(error) = checked.and_then(|()| session.check_encoding(&response)) {
        return lost(error);
    }
    loop {
        let chunk = match timeout(sse.idle_timeout, response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Ended::Lost(None, Duration::ZERO),
            Ok(Err(error)) => return lost(broken(&session.url, error)),
            Err(_) => return lost(idle()),
        };
        let mut events = Vec::new();
        parser.push(&chunk, |event| events.push(event));
        for event in events {
            *has_come = true;
            let is_read = match event {
                Ok(event) => out.send(event).await,
                Err(source) => out.report(SseError::TooLong { url: url(), source }).await,
            };
            if !is_read {
                return Ended::ForGood(None);
            }
        }
    }
}

fn headers(parser: &SseParser) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let id = parser.last_event_id();
    // Ids contain no line ends; other control characters cannot be sent.
    if let Ok(id) = HeaderValue::from_bytes(id.as_bytes())
        && !id.is_empty()
    {
        headers.insert(LAST_EVENT_ID, id);
    }
    headers
}

fn check_type(response: &Response, url: String) -> Result<(), WebError> {
    let found = response.headers().get(CONTENT_TYPE);
    let found = found.map_or(String::new(), |found| {
        String::from_utf8_lossy(found.as_bytes()).into_owned()
    });
    let essence = found.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(EVENT_STREAM) {
        return Ok(());
    }
    Err(WebError::ContentType {
        url,
        found,
        expected: EVENT_STREAM,
    })
}
