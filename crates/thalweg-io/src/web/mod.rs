//! HTTP requests: with verified TLS, and restricted redirects.

mod address;
mod error;
mod options;
#[cfg(test)]
pub(crate) mod testing;
mod waiting;

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, Url};
use rustls::crypto::{CryptoProvider, ring};

use self::address::{is_private, is_this_machine};
pub use self::error::WebError;
pub use self::options::RequestOptions;
#[cfg(feature = "sse")]
pub(crate) use self::waiting::MAX_ASKED;
pub(crate) use self::waiting::{asked_to_wait, backoff, spread};

/// Maximum redirects followed per request.
const MAX_REDIRECTS: usize = 10;

/// Destination and headers of requests.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) options: RequestOptions,
}

impl Request {
    pub(crate) fn new(url: String) -> Self {
        Self {
            url,
            options: RequestOptions::new(),
        }
    }

    /// The URL without secrets.
    pub(crate) fn shown(&self) -> String {
        match Url::parse(&self.url) {
            Ok(url) => shown(&url),
            // An invalid URL may contain a password nevertheless.
            Err(_) if self.url.contains('@') => "a URL with a password".to_owned(),
            Err(_) => {
                let end = self.url.find(['?', '#']).unwrap_or(self.url.len());
                self.url[..end].to_owned()
            }
        }
    }

    /// Checks the URL and the headers.
    ///
    /// # Errors
    /// One of them is invalid.
    pub(crate) fn check(&self) -> Result<(Url, HeaderMap), WebError> {
        let invalid = |reason: String| WebError::Invalid {
            url: self.shown(),
            reason,
        };
        let url = Url::parse(&self.url).map_err(|error| invalid(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid(
                "its scheme is neither `http` nor `https`".to_owned(),
            ));
        }
        let headers = self.options.headers().map_err(invalid)?;
        Ok((url, headers))
    }

    /// Creates a client for it.
    ///
    /// # Errors
    /// As [`check`](Self::check); or the system has no certificates to verify servers with.
    pub(crate) fn session(&self) -> Result<Session, WebError> {
        let (url, headers) = self.check()?;
        Clients::new(self.options.clone()).session(url, headers)
    }
}

/// Clients created as needed, which share their connections.
#[derive(Debug)]
pub(crate) struct Clients {
    options: RequestOptions,
    /// By whether they verify certificates, and whether they use a proxy.
    made: Mutex<HashMap<(bool, bool), Client>>,
}

impl Clients {
    pub(crate) fn new(options: RequestOptions) -> Self {
        Self {
            options,
            made: Mutex::default(),
        }
    }

    /// Returns a client for a URL, with headers for its server.
    ///
    /// # Errors
    /// The system has no certificates to verify servers with.
    pub(crate) fn session(&self, url: Url, headers: HeaderMap) -> Result<Session, WebError> {
        let follows_anywhere = self.options.follows_anywhere;
        // Certificates are loaded only if they are needed.
        let verifies = url.scheme() != "http" || follows_anywhere;
        let kind = (verifies, !is_this_machine(&url));
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match made.get(&kind) {
            Some(client) => client.clone(),
            None => {
                let client = self.build(kind);
                let client = client.map_err(|error| WebError::connect(&url, error))?;
                made.insert(kind, client.clone());
                client
            }
        };
        Ok(Session {
            client,
            url,
            headers,
            follows_anywhere,
            guard: None,
        })
    }

    fn build(&self, (verifies, uses_proxy): (bool, bool)) -> reqwest::Result<Client> {
        install_provider();
        let mut client = Client::builder()
            .redirect(Policy::none())
            .referer(false)
            .user_agent(concat!("thalweg/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.options.connect_timeout);
        if !verifies {
            client = client.tls_certs_only([]);
        }
        if !uses_proxy {
            client = client.no_proxy();
        }
        client.build()
    }
}

/// Installs a provider of cryptography, unless the program has done so. Clients cannot be built without one.
pub(crate) fn install_provider() {
    if CryptoProvider::get_default().is_none() {
        // Another thread may have been faster.
        let _ = ring::default_provider().install_default();
    }
}

/// The reason not to follow a redirect to a URL, if there is one.
pub(crate) type Guard = Arc<dyn Fn(Url) -> Guarding + Send + Sync>;

type Guarding = Pin<Box<dyn Future<Output = Result<(), &'static str>> + Send>>;

/// A client, and its request.
pub(crate) struct Session {
    client: Client,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    follows_anywhere: bool,
    guard: Option<Guard>,
}

impl Session {
    /// Adds a check of redirects, besides that of their address.
    pub(crate) fn guarded(mut self, guard: Guard) -> Self {
        self.guard = Some(guard);
        self
    }

    /// Sends a GET request with these additional headers, and follows redirects; returns the head of the response.
    ///
    /// # Errors
    /// Connecting failed, or a redirect is not allowed.
    pub(crate) async fn get(&self, headers: HeaderMap) -> Result<Response, WebError> {
        self.send(Method::GET, headers, Bytes::new()).await
    }

    /// The same with any method, and a body.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn send(
        &self,
        mut method: Method,
        headers: HeaderMap,
        mut body: Bytes,
    ) -> Result<Response, WebError> {
        let mut url = self.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut all = headers.clone();
            // Headers may contain secrets meant for one server.
            if url.origin() == self.url.origin() {
                all.extend(self.headers.clone());
            }
            if method == Method::GET {
                all.remove(CONTENT_TYPE);
            }
            // Without the header a server may choose any encoding.
            let encoding = all.entry(ACCEPT_ENCODING);
            encoding.or_insert(HeaderValue::from_static("identity"));
            let mut request = self
                .client
                .request(method.clone(), url.clone())
                .headers(all);
            if !body.is_empty() {
                request = request.body(body.clone());
            }
            let sent = request.send().await;
            let response = sent.map_err(|error| WebError::connect(&url, error))?;
            let status = response.status();
            let location = response.headers().get(LOCATION);
            let (true, Some(location)) = (status.is_redirection() && status != 304, location)
            else {
                return Ok(response);
            };
            let refused = |to: String, reason| WebError::Redirect {
                url: shown(&url),
                to,
                reason,
            };
            let next = location.to_str().ok().and_then(|to| url.join(to).ok());
            let next = next.ok_or_else(|| refused("nowhere".to_owned(), "it is no URL"))?;
            if let Err(reason) = self.may_follow(&url, &next).await {
                return Err(refused(shown(&next), reason));
            }
            let turns_to_get = match status.as_u16() {
                303 => method != Method::HEAD,
                // As browsers do.
                301 | 302 => method == Method::POST,
                _ => false,
            };
            if turns_to_get {
                (method, body) = (Method::GET, Bytes::new());
            }
            url = next;
        }
        Err(WebError::Redirect {
            url: shown(&self.url),
            to: shown(&url),
            reason: "there are more than 10 in a row",
        })
    }

    /// Checks that the body of a response is not compressed.
    ///
    /// # Errors
    /// [`WebError::Encoded`].
    pub(crate) fn check_encoding(&self, response: &Response) -> Result<(), WebError> {
        let mut encodings = response.headers().get_all(CONTENT_ENCODING).iter();
        let compressed =
            encodings.find(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
        match compressed {
            Some(value) => Err(WebError::Encoded {
                url: shown(&self.url),
                encoding: String::from_utf8_lossy(value.as_bytes()).into_owned(),
            }),
            None => Ok(()),
        }
    }

    async fn check(&self, to: &Url) -> Result<(), &'static str> {
        match &self.guard {
            Some(guard) => guard(to.clone()).await,
            None => Ok(()),
        }
    }

    async fn may_follow(&self, from: &Url, to: &Url) -> Result<(), &'static str> {
        if self.follows_anywhere {
            return match to.scheme() {
                "http" | "https" => self.check(to).await,
                _ => Err("its scheme is neither `http` nor `https`"),
            };
        }
        if from.scheme() != to.scheme() {
            return Err("its scheme is another");
        }
        if is_private(to).await && !is_private(from).await {
            return Err("it leads from a public address to a private one");
        }
        self.check(to).await
    }
}

/// A URL for errors: without user, password and query.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail for URLs that have no place for it.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// The error of a response that ends too early or stalls.
pub(crate) fn broken(url: &Url, error: reqwest::Error) -> WebError {
    WebError::Broken {
        url: shown(url),
        source: io::Error::other(error.without_url()),
    }
}
