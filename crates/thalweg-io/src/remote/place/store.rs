//! Files of systems that OpenDAL supports.

use std::future;
use std::io;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use opendal::layers::HttpClientLayer;
use opendal::raw::{HttpBody, HttpClient, HttpFetch};
use opendal::{Buffer, ErrorKind, Operator, services};
use reqwest::Url;

use super::{Meta, Pieces, Place, number};
use crate::remote::address::{Address, Scheme};
use crate::remote::error::Trouble;
use crate::remote::upload::Content;
use crate::remote::{Remote, RemoteFailure};
use crate::web::{Clients, WebError};

/// Operations of a system.
///
/// # Errors
/// The options are invalid.
pub(super) fn make(
    address: &Address,
    remote: &Remote,
    clients: &Arc<Clients>,
) -> Result<Operator, String> {
    // OpenDAL creates its own client before it accepts ours.
    crate::web::install_provider();
    let made = match address.scheme {
        Scheme::WebDav | Scheme::WebDavs => webdav(address),
        #[cfg(feature = "remote-s3")]
        Scheme::S3 => s3(address, remote),
        #[cfg(all(feature = "remote-sftp", unix))]
        Scheme::Sftp => sftp(address, remote),
        _ => Operator::new(services::Fs::default().root("/")).map(|made| made.finish()),
    };
    let _ = remote;
    let made = made.map_err(|error| describe(&error))?;
    let client = HttpClient::with(Client(clients.clone()));
    Ok(made.layer(HttpClientLayer::new(client)))
}

fn webdav(address: &Address) -> opendal::Result<Operator> {
    let scheme = match address.scheme {
        Scheme::WebDavs => "https",
        _ => "http",
    };
    let host = match address.host.contains(':') {
        true => format!("[{}]", address.host),
        false => address.host.clone(),
    };
    let port = address.port.map(|port| format!(":{port}"));
    let endpoint = format!("{scheme}://{host}{}", port.unwrap_or_default());
    let mut builder = services::Webdav::default().endpoint(&endpoint);
    if let Some(user) = &address.user {
        builder = builder.username(user);
        builder = builder.password(address.password.as_deref().unwrap_or_default());
    }
    Ok(Operator::new(builder)?.finish())
}

#[cfg(feature = "remote-s3")]
fn s3(address: &Address, remote: &Remote) -> opendal::Result<Operator> {
    let login = &remote.login;
    let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let mut builder = services::S3::default().bucket(&address.host);
    let endpoint = login.endpoint.clone();
    if let Some(endpoint) = endpoint.or_else(|| variable("AWS_ENDPOINT_URL")) {
        builder = builder.endpoint(&endpoint);
    }
    let region = login.region.clone().or_else(|| variable("AWS_REGION"));
    let region = region.or_else(|| variable("AWS_DEFAULT_REGION"));
    builder = builder.region(region.as_deref().unwrap_or("us-east-1"));
    if let Some((id, secret)) = &login.access_key {
        builder = builder.access_key_id(id).secret_access_key(secret);
        // Given values take precedence: nothing of another account is taken from the environment.
        builder = builder.disable_config_load().disable_ec2_metadata();
    }
    if let Some(token) = &login.session_token {
        builder = builder.session_token(token);
    }
    if login.is_anonymous {
        builder = builder.skip_signature();
    }
    Ok(Operator::new(builder)?.finish())
}

#[cfg(all(feature = "remote-sftp", unix))]
fn sftp(address: &Address, remote: &Remote) -> opendal::Result<Operator> {
    let host = match address.host.contains(':') {
        true => format!("[{}]", address.host),
        false => address.host.clone(),
    };
    let port = address.port.map(|port| format!(":{port}"));
    let endpoint = format!("ssh://{host}{}", port.unwrap_or_default());
    let mut builder = services::Sftp::default().endpoint(&endpoint).root("/");
    if let Some(user) = &address.user {
        builder = builder.user(user);
    }
    if let Some(key) = &remote.login.key_file {
        builder = builder.key(&key.to_string_lossy());
    }
    // A host with an unknown key is refused.
    Ok(Operator::new(builder.known_hosts_strategy("Strict"))?.finish())
}

pub(super) async fn stat(store: &Operator, address: &Address) -> Result<Meta, Trouble> {
    let found = store.stat(&address.path).await.map_err(trouble)?;
    if !found.is_file() {
        return Err(Trouble::lasting(
            RemoteFailure::Unsupported,
            "it is a folder",
        ));
    }
    let is_s3 = address.scheme == Scheme::S3;
    Ok(Meta {
        len: Some(found.content_length()),
        etag: found.etag().map(str::to_owned),
        md5: found.content_md5().and_then(super::http::md5_digits),
        // S3 has tags for this, and times only in seconds.
        modified: found
            .last_modified()
            .filter(|_| !is_s3)
            .map(|time| time.to_string()),
        has_ranges: true,
    })
}

pub(super) async fn read(
    store: &Operator,
    place: &Place,
    offset: u64,
    end: Option<u64>,
) -> Result<(Meta, Pieces), Trouble> {
    let meta = stat(store, &place.address).await?;
    let len = meta.len.unwrap_or(u64::MAX);
    let end = end.unwrap_or(len).min(len);
    if offset >= end {
        return Ok((meta, Box::pin(stream::empty())));
    }
    let mut reader = store.reader_with(&place.address.path);
    if let Some(etag) = &meta.etag
        && store.info().full_capability().read_with_if_match
    {
        reader = reader.if_match(etag);
    }
    let reader = reader.await.map_err(trouble)?;
    let pieces = reader.into_stream(offset..end).await.map_err(trouble)?;
    let pieces = pieces.map(|piece| piece.map(|piece| piece.to_bytes()).map_err(trouble));
    Ok((meta, Box::pin(pieces)))
}

pub(super) async fn write(
    store: &Operator,
    place: &Place,
    content: &Content,
) -> Result<(), Trouble> {
    let path = &place.address.path;
    // Systems with renaming get a temporary name first. On S3 a file gets its name when it is complete.
    let partial = (store.info().full_capability().rename).then(|| place.address.partial(number()));
    let written = write_to(store, partial.as_deref().unwrap_or(path), place, content).await;
    let written = match (&partial, written) {
        (Some(partial), Ok(())) => {
            let renamed = store.rename(partial, path).await.map_err(trouble);
            if renamed.is_err() {
                let len = content.len(place).await.unwrap_or(0);
                place.remote.progress.take_back(len);
            }
            renamed
        }
        (_, written) => written,
    };
    if let (Some(partial), Err(_)) = (&partial, &written) {
        // It has failed already: the reason matters more than a leftover temporary file.
        let _ = store.delete(partial).await;
    }
    written
}

async fn write_to(
    store: &Operator,
    path: &str,
    place: &Place,
    content: &Content,
) -> Result<(), Trouble> {
    let capability = store.info().full_capability();
    if !capability.write_can_multi {
        let body = content.whole(place).await?;
        let len = body.len() as u64;
        store.write(path, body).await.map_err(trouble)?;
        place.remote.progress.add_done(len);
        return Ok(());
    }
    let part_len = place.remote.part_len as usize;
    let mut writer = store
        .writer_with(path)
        .chunk(part_len)
        .concurrent(place.remote.parallel)
        .await
        .map_err(trouble)?;
    let mut pieces = content.pieces(place).await?;
    let mut done = 0;
    let written = async {
        while let Some(piece) = pieces.next().await? {
            let len = piece.len() as u64;
            writer.write(piece).await.map_err(trouble)?;
            place.remote.progress.add_done(len);
            done += len;
        }
        writer.close().await.map_err(trouble)?;
        Ok(())
    };
    let written = written.await;
    if written.is_err() {
        place.remote.progress.take_back(done);
        // Abandoned parts cost money until they are removed.
        let _ = writer.abort().await;
    }
    written
}

/// The message of an OpenDAL error, without its own words, and without possible secrets.
fn describe(error: &opendal::Error) -> String {
    let message = error.message();
    // The system's message, in XML.
    if let (Some((_, code)), Some((_, text))) = (
        message.split_once("code: \""),
        message.split_once("message: \""),
    ) {
        let code = code.split('"').next().unwrap_or_default();
        let text = text.split('"').next().unwrap_or_default();
        return format!("{text} ({code})").trim_start().to_owned();
    }
    // A page for people says no more than its status.
    if let Some(status) = status(&error.to_string()) {
        let status = reqwest::StatusCode::from_u16(status);
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        return format!("the server answered {status}");
    }
    causes(error).join(": ")
}

/// The message with its causes, without redundant ones.
fn causes(error: &opendal::Error) -> Vec<String> {
    let mut causes = vec![error.message().to_owned()];
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        // The server's message, within that of the client.
        let text = match text.split_once("Err Message: ") {
            Some((_, text)) => text
                .split(", Language Tag")
                .next()
                .unwrap_or(text)
                .to_owned(),
            // Programs give the reason on their last line.
            None => text
                .trim_end()
                .lines()
                .last()
                .unwrap_or_default()
                .to_owned(),
        };
        if !causes.iter().any(|seen| seen.contains(&text)) {
            causes.push(text);
        }
        next = cause.source();
    }
    if causes.len() > 1 && matches!(causes[0].as_str(), "sftp error" | "ssh error") {
        causes.remove(0);
    }
    causes
}

/// The status of a response, from the context of an error.
fn status(text: &str) -> Option<u16> {
    let (_, behind) = text.split_once("Parts { status: ")?;
    behind.get(..3)?.parse().ok()
}

pub(super) fn trouble(error: opendal::Error) -> Trouble {
    let (text, problem) = (error.to_string(), describe(&error));
    let said = format!("{text}\n{problem}");
    let contains = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let reason = match (error.kind(), status(&text)) {
        (ErrorKind::ConditionNotMatch, _) => return Trouble::Changed,
        (ErrorKind::NotFound, _) => RemoteFailure::NotFound,
        (ErrorKind::PermissionDenied, _) | (_, Some(401 | 403 | 407)) => RemoteFailure::Denied,
        (ErrorKind::Unsupported, _) => RemoteFailure::Unsupported,
        // OpenDAL has no kind for these.
        (_, Some(507)) => RemoteFailure::Full,
        _ if contains(&["No space left", "StorageFull", "QuotaExceeded"]) => RemoteFailure::Full,
        _ if contains(&["Permission denied", "Host key verification"]) => RemoteFailure::Denied,
        _ if error.message() == "ssh error" => return of_ssh(problem),
        _ if error.is_temporary() => RemoteFailure::Network,
        _ => RemoteFailure::Other,
    };
    let is_temporary = error.is_temporary() && reason == RemoteFailure::Network;
    Trouble::new(reason, problem, is_temporary)
}

/// Why `ssh` could not connect.
fn of_ssh(problem: String) -> Trouble {
    // The program was not found.
    if problem.contains("os error 2)") {
        let problem = "SFTP needs the program `ssh`: install OpenSSH's client";
        return Trouble::lasting(RemoteFailure::Unsupported, problem);
    }
    Trouble::passing(problem)
}

/// The HTTP client of other requests, with its redirects and its TLS.
struct Client(Arc<Clients>);

impl HttpFetch for Client {
    async fn fetch(
        &self,
        request: http::Request<Buffer>,
    ) -> opendal::Result<http::Response<HttpBody>> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|error| opendal::Error::new(ErrorKind::ConfigInvalid, error.to_string()))?;
        let is_head = parts.method == http::Method::HEAD;
        let session = self.0.session(url, parts.headers).map_err(failed)?;
        let sent = session.send(parts.method, Default::default(), body.to_bytes());
        let mut response = sent.await.map_err(failed)?;
        let encoded = response
            .headers()
            .contains_key(http::header::CONTENT_ENCODING);
        let len = response.content_length().filter(|_| !is_head && !encoded);
        let mut result = http::Response::new(());
        *result.status_mut() = response.status();
        *result.headers_mut() = std::mem::take(response.headers_mut());
        let url = session.url.clone();
        let pieces = (response.bytes_stream())
            .try_filter(|piece| future::ready(!piece.is_empty()))
            .map_ok(Buffer::from)
            .map_err(move |error| failed(crate::web::broken(&url, error)));
        Ok(result.map(|()| HttpBody::new(pieces, len)))
    }
}

/// Converts an error of our client to OpenDAL's.
fn failed(error: WebError) -> opendal::Error {
    let is_temporary = error.is_temporary();
    let failed = opendal::Error::new(ErrorKind::Unexpected, error.to_string());
    match is_temporary {
        true => failed.set_temporary(),
        false => failed.set_source(io::Error::other(error)),
    }
}
