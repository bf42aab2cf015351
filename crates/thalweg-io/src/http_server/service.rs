//! Answering requests.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, EXPECT, HOST, HeaderValue, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use tokio::time::timeout;

use super::HttpExchange;
use super::live::Live;
use super::reply::{Answer, Reply};
use super::settings::{Kind, Settings};
use crate::{HttpRequest, HttpResponse};

/// `Retry-After` of a full pipeline, in seconds.
const STAY_AWAY: u64 = 1;

/// A server's requests as a [`tower::Service`](https://docs.rs/tower-service): a part of another server, such as an
/// axum `Router`, see [`HttpServer::service`](super::HttpServer::service).
#[derive(Clone, Debug)]
pub struct HttpService(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) live: Arc<Live>,
    pub(super) kind: Kind,
}

impl<B> tower_service::Service<Request<B>> for HttpService
where
    B: Body<Data = Bytes, Error: Into<thalweg::BoxError>> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = self.0.clone();
        Box::pin(async move { Ok(shared.answer(request).await) })
    }
}

impl Shared {
    pub(super) async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes, Error: Into<thalweg::BoxError>>,
    {
        let _answering = self.live.answering();
        let (head, body) = request.into_parts();
        if !self.settings.path.is_match(head.uri.path()) {
            return said(404, "there is nothing at this path");
        }
        if self.kind == Kind::Bodies && head.method != Method::POST {
            let mut response = said(405, "bodies are posted here");
            let allowed = HeaderValue::from_static("POST");
            response.headers_mut().insert(ALLOW, allowed);
            return response;
        }
        let max_len = self.settings.max_len;
        let mut body = pin!(body);
        if body.size_hint().lower() > max_len as u64 {
            if head.headers.contains_key(EXPECT) {
                // The client sends the body only if it is asked for.
                return said(413, TOO_LONG);
            }
            return self.too_long(body).await;
        }
        let whole = timeout(
            self.settings.read_timeout,
            Limited::new(body.as_mut(), max_len).collect(),
        );
        let body = match whole.await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                return self.too_long(body).await;
            }
            Ok(Err(_)) => return said(400, "the body broke off"),
            Err(_) => return said(408, "the body did not come in time"),
        };
        let Some(place) = self.live.enter(self.settings.max_in_flight) else {
            return full();
        };
        let mut headers = head.headers;
        // HTTP/2 has it elsewhere.
        if let Some(host) = head.uri.authority()
            && !headers.contains_key(HOST)
            && let Ok(host) = HeaderValue::from_str(host.as_str())
        {
            headers.insert(HOST, host);
        }
        let request = HttpRequest {
            method: head.method,
            url: match head.uri.path_and_query() {
                // Bodies are emitted alone.
                _ if self.kind == Kind::Bodies => String::new(),
                Some(path) => path.as_str().to_owned(),
                None => head.uri.path().to_owned(),
            },
            headers,
            body,
            file: None,
        };
        let (reply, answer) = Reply::new(place);
        if !self.live.hand_over(HttpExchange { request, reply }) {
            return said(503, CLOSING);
        }
        let answer = match self.time_limit() {
            Some(limit) => timeout(limit, answer).await,
            None => Ok(answer.await),
        };
        match answer {
            Ok(Ok(answer)) => self.to_response(answer),
            // All holders of the reply channel have dropped it.
            Ok(Err(_)) => said(500, FAILED),
            Err(_) => said(504, "the pipeline did not answer in time"),
        }
    }

    /// Answers a body that is too large. As much again is read of it: a client that is still sending would not see the
    /// answer, only a closed connection.
    async fn too_long<B>(&self, body: Pin<&mut B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes, Error: Into<thalweg::BoxError>>,
    {
        let rest = Limited::new(body, self.settings.max_len);
        let mut rest = pin!(rest);
        let _ = timeout(self.settings.read_timeout, async {
            while let Some(Ok(_)) = rest.frame().await {}
        })
        .await;
        said(413, TOO_LONG)
    }

    fn time_limit(&self) -> Option<Duration> {
        match self.kind {
            Kind::Bodies => self.settings.time_limit,
            Kind::Requests => Some(self.settings.time_limit.unwrap_or(Duration::from_secs(60))),
        }
    }

    fn to_response(&self, answer: Answer) -> Response<Full<Bytes>> {
        match answer {
            Answer::Response(response) => given(response),
            Answer::Taken => said(200, "OK"),
            Answer::Nothing => given(HttpResponse::new(204)),
            Answer::Failed(Some(reason)) if self.settings.shows_errors => {
                given(HttpResponse::from((500, reason)))
            }
            Answer::Failed(_) => said(500, FAILED),
            Answer::Closing => said(503, CLOSING),
        }
    }
}

const FAILED: &str = "the pipeline failed on this";
const TOO_LONG: &str = "the body is too long";
const CLOSING: &str = "the pipeline is closing";

fn full() -> Response<Full<Bytes>> {
    let mut response = said(503, "the pipeline is full");
    let wait = HeaderValue::from(STAY_AWAY);
    response.headers_mut().insert(RETRY_AFTER, wait);
    response
}

/// A response of the server itself.
pub(super) fn said(status: u16, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = to_status(status);
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn given(given: HttpResponse) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(given.body));
    *response.status_mut() = to_status(given.status);
    *response.headers_mut() = given.headers;
    response
}

/// An invalid status is a failure of the pipeline. Statuses below 200 are not final.
fn to_status(status: u16) -> StatusCode {
    let known = StatusCode::from_u16(status).ok();
    known
        .filter(|status| !status.is_informational())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
