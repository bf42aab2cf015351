use std::sync::{Arc, OnceLock};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use thalweg::ops::MapAsync;
use thalweg::{Element, RuntimeHandle, Sink, Stream, WeakStream};

use super::{Fetch, Fetcher};
use crate::web::{Request, RequestOptions, WebError};
use crate::{HttpBody, HttpError, HttpRequest, HttpResponse};

/// Maximum number of elements of a node in progress or queued.
const MAX_WAITING: usize = 1024;

/// The node whose runtime a function uses, known once it has been built.
struct Place<T>(Arc<OnceLock<WeakStream<T>>>);

impl<T> Clone for Place<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Element> Place<T> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn is(&self, stream: &Stream<T>) {
        let _ = self.0.set(stream.downgrade());
    }

    fn runtime(&self) -> Option<RuntimeHandle> {
        self.0.get()?.runtime()
    }
}

/// HTTP requests: [`Stream::fetch`](FetchUrls::fetch).
pub trait FetchUrls {
    /// Sends each element, a URL or an [`HttpRequest`], to its server, and emits the responses, in order unless they
    /// are [unordered](Fetch::unordered).
    ///
    /// A response may have any status, except that those that ask for a retry are failures of the node after the last
    /// one, as are requests that cannot be sent. At most 1024 elements are in progress or queued; then the emitter
    /// waits.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// use thalweg::Stream;
    /// use thalweg_io::{Fetch, prelude::*};
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let url = format!("http://{}/", server.local_addr()?);
    /// # let server = std::thread::spawn(move || {
    /// #     let mut client = server.accept().unwrap().0;
    /// #     client.read(&mut [0; 1024]).unwrap();
    /// #     client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n20.5").unwrap();
    /// # });
    /// let urls = Stream::new();
    /// let bodies = urls.fetch(Fetch::new()).map(|response| response.text()).sink_to_list();
    /// urls.emit(url).wait()?;
    /// urls.drain("10s").wait()?;
    /// assert_eq!(bodies.to_vec(), ["20.5"]);
    /// # server.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn fetch(&self, fetch: Fetch) -> Stream<HttpResponse>;
}

impl<T: Element + Into<HttpRequest>> FetchUrls for Stream<T> {
    fn fetch(&self, fetch: Fetch) -> Stream<HttpResponse> {
        let fetcher = Fetcher::new(fetch);
        let place = Place::new();
        let here = place.clone();
        let is_ordered = fetcher.is_ordered();
        let ask = move |x: T| fetcher.fetch(x.into(), here.runtime());
        let responses = match is_ordered {
            true => self.apply(MapAsync::ordered(MAX_WAITING, ask)),
            false => self.apply(MapAsync::unordered(MAX_WAITING, ask)),
        };
        place.is(&responses);
        responses.named("fetch")
    }
}

/// Destination of posted elements: [`Stream::to_http`](ToHttp::to_http).
///
/// ```
/// use thalweg_io::{Fetch, HttpSink, RequestOptions};
///
/// let options = RequestOptions::new().header("Authorization", "Bearer 123");
/// let sink = HttpSink::new("https://example.org/readings").fetch(Fetch::new().options(options).retries(10));
/// assert!(sink.check().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct HttpSink {
    url: String,
    method: Method,
    fetch: Fetch,
}

impl HttpSink {
    /// Creates a sink that posts to an `http` or `https` URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            method: Method::POST,
            fetch: Fetch::new(),
        }
    }

    /// Sets the method of requests: `POST` by default.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Sets the options of requests: headers, retries, limits.
    #[must_use]
    pub fn fetch(mut self, fetch: Fetch) -> Self {
        self.fetch = fetch;
        self
    }

    /// Checks the URL and the headers, before anything is sent.
    ///
    /// # Errors
    /// [`WebError::Invalid`].
    pub fn check(&self) -> Result<(), WebError> {
        let mut request = Request::new(self.url.clone());
        request.options = RequestOptions::clone(&self.fetch.options);
        request.check().map(drop)
    }

    /// The sender of elements.
    pub fn poster(&self) -> Poster {
        Poster {
            url: self.url.clone(),
            method: self.method.clone(),
            fetcher: Fetcher::new(self.fetch.clone()),
        }
    }
}

impl<T: Into<String>> From<T> for HttpSink {
    fn from(url: T) -> Self {
        Self::new(url)
    }
}

/// Sends the elements of an [`HttpSink`].
#[derive(Clone, Debug)]
pub struct Poster {
    url: String,
    method: Method,
    fetcher: Fetcher,
}

impl Poster {
    /// Sends a body; it waits on this runtime's clock.
    ///
    /// # Errors
    /// As [`Fetcher::fetch`]; a status that is not one of 200 to 299.
    pub fn post(
        &self,
        body: HttpBody,
        runtime: Option<RuntimeHandle>,
    ) -> impl Future<Output = Result<(), HttpError>> + Send + use<> {
        let mut request = HttpRequest::new(self.method.clone(), self.url.clone());
        let content_type = HeaderValue::from_static(body.content_type);
        request.headers.insert(CONTENT_TYPE, content_type);
        request.body = body.bytes;
        let sent = self.fetcher.fetch(request, runtime);
        let url = Request::new(self.url.clone()).shown();
        async move {
            let response = sent.await?;
            if response.is_success() {
                return Ok(());
            }
            let status = response.status;
            Err(WebError::Status { url, status }.into())
        }
    }
}

/// Posting elements: [`Stream::to_http`](ToHttp::to_http).
pub trait ToHttp {
    /// Posts each element, text, bytes or JSON, to a URL, or as an [`HttpSink`] says. An element is acknowledged when
    /// the server has answered with a status from 200 to 299; until then, its emitter waits.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// use thalweg::Stream;
    /// use thalweg_io::prelude::*;
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let url = format!("http://{}/", server.local_addr()?);
    /// # let server = std::thread::spawn(move || {
    /// #     let mut client = server.accept().unwrap().0;
    /// #     client.read(&mut [0; 1024]).unwrap();
    /// #     client.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").unwrap();
    /// # });
    /// let readings = Stream::new();
    /// readings.to_http(url);
    /// readings.emit("20.5").wait()?;
    /// # server.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn to_http(&self, sink: impl Into<HttpSink>) -> Sink;
}

impl<T: Element + Into<HttpBody>> ToHttp for Stream<T> {
    fn to_http(&self, sink: impl Into<HttpSink>) -> Sink {
        let poster = sink.into().poster();
        let place = Place::new();
        let here = place.clone();
        let sink = self.try_sink_async(move |x: T| poster.post(x.into(), here.runtime()));
        place.is(sink.stream());
        sink.named("to_http")
    }
}
