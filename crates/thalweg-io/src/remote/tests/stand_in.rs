//! An HTTP file server, which implements S3's protocol below `/bucket`.

use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};

use super::super::checksum::Checksum;

pub(super) const KEY: (&str, &str) = ("river", "s3cret");

/// A server that runs until the process ends.
#[derive(Clone)]
pub(super) struct StandIn {
    pub(super) address: String,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
pub(super) struct Shared {
    /// Files by path.
    pub(super) files: BTreeMap<String, Bytes>,
    uploads: HashMap<String, BTreeMap<u32, Bytes>>,
    /// Requests: method, path and range.
    pub(super) asked: Vec<String>,
    /// Statuses of the next responses.
    pub(super) failures: Vec<u16>,
    /// Headers of responses with a body.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) ignores_ranges: bool,
    /// Part number of an upload from which the server is busy.
    pub(super) fails_from_part: Option<u32>,
    /// Multipart uploads started, and aborted.
    pub(super) begun: usize,
    pub(super) given_up: usize,
}

impl StandIn {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::<Mutex<Shared>>::default();
        let router = Router::new().fallback(answer).with_state(shared.clone());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { address, shared }
    }

    pub(super) fn with(files: &[(&str, &[u8])]) -> Self {
        let server = Self::start();
        for (path, content) in files {
            let content = Bytes::copy_from_slice(content);
            server.lock().files.insert((*path).to_owned(), content);
        }
        server
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }
}

async fn answer(
    State(shared): State<Arc<Mutex<Shared>>>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let path = parts.uri.path().to_owned();
    let mut shared = shared.lock().unwrap();
    let range = parts
        .headers
        .get("range")
        .map(|range| range.to_str().unwrap());
    let line = format!("{} {path} {}", parts.method, range.unwrap_or_default());
    shared.asked.push(line.trim_end().to_owned());
    if !shared.failures.is_empty() {
        let status = shared.failures.remove(0);
        return plain(status, "");
    }
    if path.starts_with("/bucket/") && !is_allowed(&parts.headers) {
        let problem =
            "<Error><Code>InvalidAccessKeyId</Code><Message>The key is unknown.</Message></Error>";
        return plain(403, problem);
    }
    let query: HashMap<_, _> = (parts.uri.query().unwrap_or_default().split('&'))
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    match (parts.method, query.get("uploadId")) {
        (Method::GET, _) => shared.get(&path, range),
        (Method::HEAD, _) => {
            let mut answer = shared.get(&path, None);
            *answer.body_mut() = Body::empty();
            answer
        }
        (Method::PUT, Some(upload)) => {
            let number = query["partNumber"].parse().unwrap();
            if shared.fails_from_part.is_some_and(|first| number >= first) {
                return plain(503, "");
            }
            let tag = format!("\"{}\"", md5(&body));
            let upload = shared.uploads.get_mut(*upload).unwrap();
            upload.insert(number, body);
            tagged(&tag, "")
        }
        (Method::PUT, None) => {
            let tag = format!("\"{}\"", md5(&body));
            shared.files.insert(path, body);
            tagged(&tag, "")
        }
        (Method::POST, None) => {
            shared.begun += 1;
            let id = format!("upload{}", shared.begun);
            shared.uploads.insert(id.clone(), BTreeMap::new());
            let text = format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            );
            plain(200, &text)
        }
        (Method::POST, Some(upload)) => {
            let parts = shared.uploads.remove(*upload).unwrap();
            let whole: Vec<u8> = parts.into_values().flatten().collect();
            shared.files.insert(path, whole.into());
            plain(
                200,
                "<CompleteMultipartUploadResult><ETag>\"x-2\"</ETag></CompleteMultipartUploadResult>",
            )
        }
        (Method::DELETE, _) => {
            shared.given_up += 1;
            plain(204, "")
        }
        _ => plain(405, ""),
    }
}

impl Shared {
    fn get(&self, path: &str, range: Option<&str>) -> Response<Body> {
        let Some(content) = self.files.get(path) else {
            let problem = "<Error><Code>NoSuchKey</Code><Message>There is none.</Message></Error>";
            return plain(404, problem);
        };
        let mut answer = Response::builder()
            .header("ETag", format!("\"{}\"", md5(content)))
            .header("Accept-Ranges", "bytes");
        for (name, value) in &self.headers {
            answer = answer.header(*name, value);
        }
        let len = content.len();
        let (start, end) = match range.filter(|_| !self.ignores_ranges) {
            None => (0, len),
            Some(range) => {
                let (start, last) = range
                    .strip_prefix("bytes=")
                    .unwrap()
                    .split_once('-')
                    .unwrap();
                let start: usize = start.parse().unwrap();
                let last = last
                    .parse()
                    .unwrap_or(usize::MAX - 1)
                    .min(len.saturating_sub(1));
                if start >= len {
                    let range = format!("bytes */{len}");
                    let answer = answer.status(416).header("Content-Range", range);
                    return answer.body(Body::empty()).unwrap();
                }
                let range = format!("bytes {start}-{last}/{len}");
                answer = answer.status(206).header("Content-Range", range);
                (start, last + 1)
            }
        };
        let answer = answer.header("Content-Length", end - start);
        answer.body(Body::from(content.slice(start..end))).unwrap()
    }
}

fn is_allowed(headers: &HeaderMap) -> bool {
    let login = headers
        .get("authorization")
        .and_then(|login| login.to_str().ok());
    login.is_some_and(|login| login.contains(&format!("Credential={}/", KEY.0)))
}

fn plain(status: u16, text: &str) -> Response<Body> {
    let answer = Response::builder().status(StatusCode::from_u16(status).unwrap());
    answer.body(Body::from(text.to_owned())).unwrap()
}

fn tagged(tag: &str, text: &str) -> Response<Body> {
    let answer = Response::builder().header("ETag", tag);
    answer.body(Body::from(text.to_owned())).unwrap()
}

fn md5(bytes: &[u8]) -> String {
    let mut hasher = Checksum::md5("").hasher();
    hasher.update(bytes);
    hasher.finish()
}

/// Content in which every position is distinguishable.
pub(super) fn numbers(len: usize) -> Vec<u8> {
    let mut content = Vec::with_capacity(len + 8);
    for number in 0_u64.. {
        if content.len() >= len {
            break;
        }
        content.extend(number.to_be_bytes());
    }
    content.truncate(len);
    content
}

/// SHA-256 of some content.
pub(super) fn sha256(content: &[u8]) -> Checksum {
    let mut hasher = Checksum::sha256("").hasher();
    hasher.update(content);
    Checksum::sha256(hasher.finish())
}
