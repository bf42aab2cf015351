//! Sending requests, with retries.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Method, Response, Url};
use thalweg::RuntimeHandle;
use thalweg::trace::current_context;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::Fetch;
use super::hosts::Hosts;
use super::robots::{Key, MAX_LEN, Robots, Verdict, file_of};
use crate::background::spawn;
use crate::http::add_header;
use crate::saving::Saving;
use crate::web::{
    Clients, Guard, Request, Session, WebError, asked_to_wait, backoff, broken, shown, spread,
};
use crate::{HeaderMap, HttpError, HttpRequest, HttpResponse};

/// Sends the requests of a [`fetch`](super::FetchUrls::fetch): its connections, and the order of requests. Clones share
/// it.
#[derive(Clone, Debug)]
pub struct Fetcher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    fetch: Fetch,
    clients: Clients,
    room: Arc<Semaphore>,
    hosts: Hosts,
    robots: Robots,
}

/// Why there is no response, and the pause that the server asks for.
struct Refused {
    error: HttpError,
    asked: Duration,
}

impl<E: Into<HttpError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            asked: Duration::ZERO,
        }
    }
}

impl Fetcher {
    /// Creates a fetcher with these options.
    pub fn new(fetch: Fetch) -> Self {
        Self(Arc::new(Shared {
            clients: Clients::new(fetch.options.clone()),
            room: Arc::new(Semaphore::new(fetch.max_in_flight)),
            hosts: Hosts::new(fetch.per_host, fetch.interval),
            robots: Robots::default(),
            fetch,
        }))
    }

    /// Whether responses are emitted in the order of the requests.
    pub fn is_ordered(&self) -> bool {
        self.0.fetch.is_ordered
    }

    /// Sends a request when its turn has come, with retries; it waits on this runtime's clock. The response may have
    /// any status that a retry would not help against.
    ///
    /// # Errors
    /// The request is invalid; the last attempt failed; or the body is too large.
    pub fn fetch(
        &self,
        request: HttpRequest,
        runtime: Option<RuntimeHandle>,
    ) -> impl Future<Output = Result<HttpResponse, HttpError>> + Send + use<> {
        let shared = self.0.clone();
        async move { shared.fetch(request, runtime).await }
    }
}

/// Adds the trace of a request to its headers, unless they name one.
fn add_trace(headers: &mut HeaderMap) {
    if headers.contains_key("traceparent") {
        return;
    }
    if let Some(trace) = current_context() {
        add_header(headers, "traceparent", &trace.to_string());
        if let Some(state) = trace.state() {
            add_header(headers, "tracestate", state);
        }
    }
}

impl Shared {
    async fn fetch(
        self: Arc<Self>,
        request: HttpRequest,
        runtime: Option<RuntimeHandle>,
    ) -> Result<HttpResponse, HttpError> {
        let mut asked = Request::new(request.url.clone());
        asked.options = self.fetch.options.clone();
        let (url, mut headers) = asked.check()?;
        headers.extend(request.headers.clone());
        add_trace(&mut headers);
        let host = url.origin().ascii_serialization();
        let _turn = self.hosts.enter(&host).await;
        let mut session = self.clients.session(url, headers)?;
        let mut pause = Duration::ZERO;
        if self.fetch.robots {
            pause = self.check_robots(&session, &host, runtime.as_ref()).await?;
            let guard = self.guard(session.headers.clone(), runtime.clone());
            session = session.guarded(guard);
        }
        let turn = Turn {
            host: &host,
            pause,
            runtime: runtime.as_ref(),
        };
        let (session, request) = (Arc::new(session), Arc::new(request));
        self.ask_until(&turn, &session.url, &request.method, || {
            let (shared, session, request) = (self.clone(), session.clone(), request.clone());
            async move { shared.ask_here(&session, &request).await }
        })
        .await
    }

    /// Sends it when its turn has come, and again if that may help.
    async fn ask_until<R: Send + 'static, F>(
        self: &Arc<Self>,
        turn: &Turn<'_>,
        url: &Url,
        method: &Method,
        mut ask: impl FnMut() -> F,
    ) -> Result<R, HttpError>
    where
        F: Future<Output = Result<R, Refused>> + Send + 'static,
    {
        let mut attempts = 0;
        loop {
            if let Some(runtime) = turn.runtime {
                let now = runtime.now();
                let at = self.hosts.turn(turn.host, now, turn.pause);
                if at > now {
                    runtime.sleep_until(at).await;
                }
                self.hosts.clean(now);
            }
            let refused = match self.ask(url, ask()).await {
                Ok(response) => return Ok(response),
                Err(refused) => refused,
            };
            if attempts >= self.fetch.retries || !may_repeat(method, &refused.error) {
                return Err(refused.error);
            }
            let wait = backoff(self.fetch.wait, self.fetch.max_wait, attempts);
            attempts += 1;
            if let Some(runtime) = turn.runtime {
                runtime.sleep(spread(wait.max(refused.asked))).await;
            }
        }
    }

    /// Sends it once, on the threads of the background runtime.
    async fn ask<R: Send + 'static>(
        &self,
        url: &Url,
        asking: impl Future<Output = Result<R, Refused>> + Send + 'static,
    ) -> Result<R, Refused> {
        // The semaphore is never closed.
        let _room = self.room.acquire().await;
        let (sender, answer) = oneshot::channel();
        let url = shown(url);
        let idle = self.fetch.time_limit;
        let _asking = spawn(async move {
            let answer = match timeout(idle, asking).await {
                Ok(answer) => answer,
                Err(_) => Err(WebError::Idle { url, idle }.into()),
            };
            // The waiting future may be gone.
            let _ = sender.send(answer);
        })
        .map_err(HttpError::Start)?;
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::Start(io::Error::other("the runtime has ended")).into()),
        }
    }

    /// Checks whether the server's `robots.txt` allows a request; returns the pause between requests that it asks for.
    ///
    /// # Errors
    /// It does not.
    async fn check_robots(
        self: &Arc<Self>,
        session: &Session,
        host: &str,
        runtime: Option<&RuntimeHandle>,
    ) -> Result<Duration, HttpError> {
        let key = Key::new(&session.url, &session.headers);
        let at = now(runtime);
        let verdict = self.robots.verdict(&key, at, async {
            let turn = Turn {
                host,
                pause: Duration::ZERO,
                runtime,
            };
            let file = file_of(&session.url);
            let asked = self.ask_until(&turn, &file, &Method::GET, || {
                let (shared, url, key) = (self.clone(), file.clone(), key.clone());
                async move { shared.ask_robots_here(url, &key).await }
            });
            asked
                .await
                .unwrap_or_else(|error| Verdict::Unknown(error.to_string()))
        });
        let verdict = verdict.await;
        verdict.check(&session.url, &key)?;
        Ok(verdict.delay())
    }

    /// Checks of redirects.
    fn guard(self: &Arc<Self>, headers: HeaderMap, runtime: Option<RuntimeHandle>) -> Guard {
        let shared = self.clone();
        Arc::new(move |url| {
            let (shared, key) = (shared.clone(), Key::new(&url, &headers));
            let at = now(runtime.as_ref());
            Box::pin(async move {
                // The redirected request has a permit already: waiting for another could deadlock.
                let verdict = shared.robots.verdict_at_once(&key, at, async {
                    let asked = shared.ask_robots_here(file_of(&url), &key).await;
                    asked.unwrap_or_else(|refused| Verdict::Unknown(refused.error.to_string()))
                });
                let allowed = verdict.await.check(&url, &key);
                allowed.map_err(|_| "the robots.txt there does not allow it")
            })
        })
    }

    /// Reads a server's `robots.txt`.
    async fn ask_robots_here(&self, url: Url, key: &Key) -> Result<Verdict, Refused> {
        let mut asked = Request::new(url.to_string());
        asked.options = self.fetch.options.clone();
        let (url, headers) = asked.check()?;
        let session = self.clients.session(url, headers)?;
        let mut response = session.get(HeaderMap::new()).await?;
        refuse_if_busy(&session, &response)?;
        let mut file = BytesMut::new();
        if response.status().is_success() {
            while file.len() < MAX_LEN
                && let Some(chunk) = next(&session, &mut response).await?
            {
                file.extend_from_slice(&chunk);
            }
        }
        Ok(key.parse(&file))
    }

    async fn ask_here(
        &self,
        session: &Session,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refused> {
        let sent = session.send(
            request.method.clone(),
            Default::default(),
            request.body.clone(),
        );
        let mut response = sent.await?;
        refuse_if_busy(session, &response)?;
        let mut result = HttpResponse::new(response.status().as_u16());
        result.headers = std::mem::take(response.headers_mut());
        result.url = response.url().to_string();
        match &request.file {
            Some(file) if response.status().is_success() => {
                self.save(session, &mut response, file).await?;
                result.file = Some(file.clone());
            }
            _ => result.body = self.read(session, &mut response).await?,
        }
        Ok(result)
    }

    async fn read(&self, session: &Session, response: &mut Response) -> Result<Bytes, HttpError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = next(session, response).await? {
            if body.len() + chunk.len() > self.fetch.max_len {
                return Err(too_long(session, self.fetch.max_len as u64));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// Writes a body to a temporary file beside the final one.
    async fn save(
        &self,
        session: &Session,
        response: &mut Response,
        path: &Path,
    ) -> Result<(), HttpError> {
        let failed = |source| HttpError::File {
            url: shown(&session.url),
            path: path.to_owned(),
            source,
        };
        let (saving, mut file) = Saving::create(path).await.map_err(failed)?;
        let mut len = 0;
        while let Some(chunk) = next(session, response).await? {
            len += chunk.len() as u64;
            if len > self.fetch.max_file_len {
                return Err(too_long(session, self.fetch.max_file_len));
            }
            file.write_all(&chunk).await.map_err(failed)?;
        }
        saving.finish(file).await.map_err(failed)
    }
}

/// Waiting for its turn.
struct Turn<'a> {
    host: &'a str,
    /// Minimum pause between two requests.
    pause: Duration,
    runtime: Option<&'a RuntimeHandle>,
}

/// The pipeline's time.
fn now(runtime: Option<&RuntimeHandle>) -> Duration {
    runtime.map(|runtime| runtime.now()).unwrap_or_default()
}

/// # Errors
/// The status asks for a retry.
fn refuse_if_busy(session: &Session, response: &Response) -> Result<(), Refused> {
    let error = WebError::Status {
        url: shown(&session.url),
        status: response.status().as_u16(),
    };
    if !error.is_temporary() {
        return Ok(());
    }
    Err(Refused {
        asked: asked_to_wait(response),
        ..error.into()
    })
}

async fn next(session: &Session, response: &mut Response) -> Result<Option<Bytes>, HttpError> {
    let chunk = response.chunk().await;
    Ok(chunk.map_err(|error| broken(&session.url, error))?)
}

fn too_long(session: &Session, max_len: u64) -> HttpError {
    HttpError::TooLong {
        url: shown(&session.url),
        max_len,
    }
}

/// Whether a request may be retried after this.
fn may_repeat(method: &Method, error: &HttpError) -> bool {
    let HttpError::Web(error) = error else {
        return false;
    };
    match error {
        WebError::Connect { .. } => true,
        // It was not accepted.
        WebError::Status {
            status: 429 | 503, ..
        } => true,
        error => method.is_idempotent() && error.is_temporary(),
    }
}
