//! Files of HTTP servers.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, future};
use reqwest::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName,
    HeaderValue, LAST_MODIFIED, RANGE,
};
use reqwest::{Method, Response, StatusCode};

use super::{Meta, Pieces, Place};
use crate::remote::RemoteFailure;
use crate::remote::checksum::digits;
use crate::remote::error::Trouble;
use crate::web::{Clients, Request, Session, WebError, asked_to_wait, broken};

fn session(clients: &Arc<Clients>, place: &Place) -> Result<Session, Trouble> {
    let mut url = place.address.url.clone();
    // Both fail for URLs that have no place for it.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let mut request = Request::new(url.to_string());
    request.options = place.remote.options.clone();
    let (url, mut headers) = request.check().map_err(of_web)?;
    if let Some(user) = &place.address.user {
        let password = place.address.password.as_deref().unwrap_or_default();
        let value = opendal::raw::format_authorization_by_basic(user, password);
        let value = value
            .ok()
            .and_then(|value| HeaderValue::from_str(&value).ok());
        if let Some(mut value) = value {
            value.set_sensitive(true);
            headers.insert(reqwest::header::AUTHORIZATION, value);
        }
    }
    clients.session(url, headers).map_err(of_web)
}

pub(super) async fn stat(clients: &Arc<Clients>, place: &Place) -> Result<Meta, Trouble> {
    let session = session(clients, place)?;
    let sent = session.send(Method::HEAD, HeaderMap::new(), Bytes::new());
    let response = sent.await.map_err(of_web)?;
    match response.status() {
        // Servers need not support this method: then nothing is known.
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Ok(Meta::default()),
        status if status.is_success() => {
            let mut meta = meta(response.headers());
            meta.len = text(response.headers(), &CONTENT_LENGTH).and_then(|len| len.parse().ok());
            Ok(meta)
        }
        _ => Err(of_status(&response)),
    }
}

pub(super) async fn read(
    clients: &Arc<Clients>,
    place: &Place,
    offset: u64,
    end: Option<u64>,
) -> Result<(Meta, Pieces), Trouble> {
    let session = session(clients, place)?;
    let mut headers = HeaderMap::new();
    if offset > 0 || end.is_some() {
        let last = end.map(|end| end.saturating_sub(1).to_string());
        let range = format!("bytes={offset}-{}", last.unwrap_or_default());
        let range = HeaderValue::from_str(&range);
        headers.insert(RANGE, range.expect("numbers are fine in a header"));
    }
    let response = session.get(headers).await.map_err(of_web)?;
    let mut meta = meta(response.headers());
    let mut skip = match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let range = text(response.headers(), &CONTENT_RANGE).unwrap_or_default();
            let Some((first, len)) = content_range(range) else {
                let problem = format!("the server sent the range {range:?}");
                return Err(Trouble::lasting(RemoteFailure::Other, problem));
            };
            if first > offset {
                let problem = format!("the server sent byte {first} and not {offset}");
                return Err(Trouble::lasting(RemoteFailure::Other, problem));
            }
            (meta.len, meta.has_ranges) = (len, true);
            // It is that of the part.
            meta.md5 = None;
            offset - first
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let range = text(response.headers(), &CONTENT_RANGE).unwrap_or_default();
            meta.len = range
                .strip_prefix("bytes */")
                .and_then(|len| len.parse().ok());
            if meta.len.is_none_or(|len| len <= offset) {
                return Ok((meta, Box::pin(futures_util::stream::empty())));
            }
            return Err(of_status(&response));
        }
        status if status.is_success() => {
            // The range was ignored: earlier bytes are sent again.
            meta.len = match response.headers().contains_key(CONTENT_ENCODING) {
                true => None,
                false => response.content_length(),
            };
            meta.has_ranges = false;
            offset
        }
        _ => return Err(of_status(&response)),
    };
    let url = session.url.clone();
    let mut left = end.map_or(u64::MAX, |end| end.saturating_sub(offset));
    let pieces = (response.bytes_stream())
        .map_err(move |error| of_web(broken(&url, error)))
        .map_ok(move |mut piece| {
            let skipped = skip.min(piece.len() as u64);
            skip -= skipped;
            let mut piece = piece.split_off(skipped as usize);
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= piece.len() as u64;
            piece
        })
        .try_filter(|piece| future::ready(!piece.is_empty()));
    Ok((meta, pieces.boxed()))
}

fn meta(headers: &HeaderMap) -> Meta {
    let owned = |name| text(headers, name).map(str::to_owned);
    Meta {
        len: None,
        etag: owned(&ETAG),
        md5: text(headers, &HeaderName::from_static("content-md5")).and_then(md5_digits),
        modified: owned(&LAST_MODIFIED),
        has_ranges: text(headers, &ACCEPT_RANGES) == Some("bytes"),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Start of a range, and total length.
fn content_range(range: &str) -> Option<(u64, Option<u64>)> {
    let (part, len) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = part.split_once('-')?;
    Some((first.parse().ok()?, len.parse().ok()))
}

/// Converts an MD5 in base64, as in headers, to hexadecimal digits.
pub(super) fn md5_digits(text: &str) -> Option<String> {
    let mut bits = 0_u32;
    let mut bytes = Vec::with_capacity(16);
    for (number, letter) in text.trim().trim_end_matches('=').bytes().enumerate() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        if number % 4 > 0 {
            bytes.push((bits >> (6 - 2 * (number % 4))) as u8);
        }
    }
    (bytes.len() == 16).then(|| digits(&bytes))
}

fn of_status(response: &Response) -> Trouble {
    let status = response.status();
    let reason = match status.as_u16() {
        401 | 403 | 407 => RemoteFailure::Denied,
        404 | 410 => RemoteFailure::NotFound,
        507 => RemoteFailure::Full,
        408 | 425 | 429 | 500.. => RemoteFailure::Network,
        _ => RemoteFailure::Other,
    };
    Trouble::Failed {
        reason,
        problem: format!("the server answered {status}"),
        is_temporary: reason == RemoteFailure::Network,
        asked: asked_to_wait(response),
    }
}

fn of_web(error: WebError) -> Trouble {
    let is_temporary = error.is_temporary();
    let reason = match is_temporary {
        true => RemoteFailure::Network,
        false => RemoteFailure::Other,
    };
    Trouble::new(reason, error.to_string(), is_temporary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_parsed() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(content_range("lines 5-9/10"), None);
        let found = md5_digits("kAFQmDzST7DWlj99KOF/cg==");
        assert_eq!(found.as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!(md5_digits("kAFQ"), None);
        assert_eq!(md5_digits("?"), None);
    }
}
