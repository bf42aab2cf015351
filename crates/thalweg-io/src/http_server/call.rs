//! Requests from a server that does not run on tokio.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::HttpService;
use crate::background::{Running, spawn};
use crate::{HttpRequest, HttpResponse};

/// A request being answered on the threads of this crate, with a body that arrives in pieces; see
/// [`HttpService::begin`]. Dropped before it is answered, it is abandoned.
#[derive(Debug)]
pub struct HttpCall {
    /// Dropped first: the end of the pieces must not count as an answer.
    _task: Running,
    pieces: UnboundedSender<Piece>,
    /// Bytes that may still arrive: more is not needed to see that a body is too large.
    room: AtomicUsize,
}

#[derive(Debug)]
enum Piece {
    Data(Bytes),
    End,
}

impl HttpService {
    /// Starts to answer a request, for a server that does not run on tokio, and calls `answered` with the response on a
    /// thread of this crate. The request's own body is ignored: its pieces follow.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::{HttpRequest, HttpServer, prelude::*};
    ///
    /// let server = HttpServer::mounted();
    /// let service = server.service()?;
    /// let requests = Stream::from_http_requests(server);
    /// requests.map(|request| request.text().to_uppercase()).respond();
    /// requests.start()?;
    /// let (answered, answers) = std::sync::mpsc::channel();
    /// loop {
    ///     let answered = answered.clone();
    ///     let call = service.begin(HttpRequest::post("/", ""), move |answer| drop(answered.send(answer)))?;
    ///     assert!(call.push("riv") && call.push("er"));
    ///     call.end();
    ///     let answer = answers.recv()?;
    ///     // 503 until the source is running.
    ///     if answer.status != 503 {
    ///         assert_eq!((answer.status, answer.text()), (200, "RIVER".to_owned()));
    ///         break;
    ///     }
    /// }
    /// requests.drain("10s").wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The system has no thread or descriptor left.
    pub fn begin(
        &self,
        request: HttpRequest,
        answered: impl FnOnce(HttpResponse) + Send + 'static,
    ) -> io::Result<HttpCall> {
        let shared = self.0.clone();
        let (pieces, coming) = unbounded_channel();
        let room = AtomicUsize::new(shared.settings.max_len.saturating_mul(2));
        let task = spawn(async move {
            let answer = match to_head(request) {
                Some((head, len)) => {
                    let body = Pieces {
                        coming,
                        len,
                        has_ended: false,
                    };
                    shared.answer(head.map(|()| body)).await
                }
                None => super::service::said(400, "the URL is invalid"),
            };
            answered(to_answer(answer).await);
        })?;
        Ok(HttpCall {
            pieces,
            room,
            _task: task,
        })
    }
}

impl HttpCall {
    /// Adds a piece to the body; returns whether more is wanted: not once the request has been answered, or when the
    /// body is far too large.
    pub fn push(&self, piece: impl Into<Bytes>) -> bool {
        let piece = piece.into();
        let len = piece.len();
        let room = self.room.load(Ordering::Relaxed);
        self.room.store(room.saturating_sub(len), Ordering::Relaxed);
        let is_taken = self.pieces.send(Piece::Data(piece)).is_ok();
        if len > room {
            self.end();
        }
        is_taken && len <= room
    }

    /// Ends the body. Without this call, the body is incomplete.
    pub fn end(&self) {
        // An earlier answer counts.
        let _ = self.pieces.send(Piece::End);
    }
}

/// The head of a request, and the length of its body if known; `None` if its URL is invalid.
fn to_head(request: HttpRequest) -> Option<(Request<()>, u64)> {
    let len = request.headers.get(CONTENT_LENGTH);
    let len = len.and_then(|len| len.to_str().ok()?.parse().ok());
    let mut head = Request::new(());
    *head.method_mut() = request.method;
    *head.uri_mut() = request.url.parse().ok()?;
    *head.headers_mut() = request.headers;
    Some((head, len.unwrap_or(0)))
}

async fn to_answer(response: Response<Full<Bytes>>) -> HttpResponse {
    let (head, body) = response.into_parts();
    let mut answer = HttpResponse::new(head.status.as_u16());
    answer.headers = head.headers;
    // It is complete, and cannot fail.
    answer.body = body.collect().await.unwrap_or_default().to_bytes();
    answer
}

/// The pieces as a body.
struct Pieces {
    coming: UnboundedReceiver<Piece>,
    len: u64,
    has_ended: bool,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        self.coming.poll_recv(cx).map(|piece| match piece {
            Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => {
                self.has_ended = true;
                None
            }
            None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        })
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.len);
        hint
    }
}
