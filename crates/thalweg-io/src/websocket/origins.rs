//! Origins of pages whose browsers may connect.
//!
//! Browsers connect to any server on behalf of any page, with that server's cookies, and to servers that only this
//! machine can reach; the header `Origin` names the page. Other clients send no such header.

use std::net::IpAddr;

use tokio_tungstenite::tungstenite::http::HeaderMap;
use tokio_tungstenite::tungstenite::http::header::{HOST, HeaderName, ORIGIN};

use super::WebSocketError;

/// Allowed origins, besides the server's own.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    named: Vec<String>,
    any: bool,
}

impl Origins {
    pub(super) fn add(&mut self, origin: String) {
        match &*origin {
            "*" => self.any = true,
            _ => self.named.push(origin),
        }
    }

    /// # Errors
    /// One of the origins is invalid.
    pub(super) fn check(&self) -> Result<(), WebSocketError> {
        let wrong = self.named.iter().find(|origin| !is_origin(origin));
        wrong.map_or(Ok(()), |origin| {
            Err(WebSocketError::Invalid {
                url: format!("origin {origin:?}"),
                problem: "it is a scheme and a host, and a port unless it is the scheme's own: \
                          \"https://example.com\", or \"null\", or \"*\" for all"
                    .to_owned(),
            })
        })
    }

    /// # Errors
    /// Reason to refuse a client with these headers at a server that listens at `place`.
    pub(super) fn admit(&self, headers: &HeaderMap, place: &str) -> Result<(), String> {
        let mut all = headers.get_all(ORIGIN).iter();
        let Some(origin) = all.next() else {
            return Ok(());
        };
        let is_one = all.next().is_none();
        let origin = origin.to_str().unwrap_or_default();
        let is_named = self
            .named
            .iter()
            .any(|named| named.eq_ignore_ascii_case(origin));
        if is_one && (self.any || is_named || is_own(origin, text(headers, HOST), place)) {
            return Ok(());
        }
        let shown = origin.escape_debug();
        Err(format!(
            "pages of {shown} may not connect here, unless the server names that among its origins\n"
        ))
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// Whether the origin is the server's own host. For a loopback server a host name does not count, since anybody's DNS
/// may point to it.
fn is_own(origin: &str, host: &str, place: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default = match &*scheme.to_ascii_lowercase() {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    // `Host` includes the port, unless it is the default of its scheme, which is unknown behind a proxy.
    let plain = |authority: &str| {
        let authority = authority.to_ascii_lowercase();
        let short = authority.strip_suffix(default).map(str::to_owned);
        short.unwrap_or(authority)
    };
    !host.is_empty()
        && plain(authority) == plain(host)
        && (!is_local(place) || is_local(name_of(authority)))
}

/// The host, without the port if there is one.
fn name_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => authority,
    }
}

fn is_local(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_origin(origin: &str) -> bool {
    if origin == "null" {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let is_part = |byte: u8| byte.is_ascii_graphic() && !b"/?#@\\*\"<>".contains(&byte);
    !scheme.is_empty()
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !authority.is_empty()
        && authority.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(origins: &[&str], origin: &str, host: &str, place: &str) -> bool {
        let mut known = Origins::default();
        for origin in origins {
            known.add((*origin).to_owned());
        }
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().expect("it is a header"));
        headers.insert(ORIGIN, origin.parse().expect("it is a header"));
        known.admit(&headers, place).is_ok()
    }

    #[test]
    fn same_host_pages_and_allowed_origins_may_connect() {
        let admitted = |origin: &str, host: &str| admits(&[], origin, host, "0.0.0.0");
        assert!(admitted("http://river.example:9000", "river.example:9000"));
        assert!(admitted("https://River.example", "river.example"));
        assert!(admitted("https://river.example", "river.example:443"));
        assert!(!admitted("https://evil.example", "river.example"));
        assert!(!admitted("https://river.example.evil", "river.example"));
        assert!(!admitted("http://river.example:9001", "river.example:9000"));
        assert!(!admitted("null", "river.example"));
        assert!(!admitted("file://", ""));
        assert!(!admitted("", ""));
        let named = |origin: &str| {
            let known = ["https://app.example", "null"];
            admits(&known, origin, "river.example", "0.0.0.0")
        };
        assert!(named("https://APP.example") && named("null") && named("http://river.example"));
        assert!(!named("http://app.example") && !named("https://app.example.evil"));
        assert!(admits(
            &["*"],
            "https://evil.example",
            "river.example",
            "0.0.0.0"
        ));
    }

    #[test]
    fn a_rebound_dns_name_is_not_the_same_host() {
        let admitted = |name: &str, place: &str| {
            let host = format!("{name}:9000");
            admits(&[], &format!("http://{host}"), &host, place)
        };
        for name in ["localhost", "127.0.0.1", "[::1]"] {
            assert!(
                admitted(name, "localhost") && admitted(name, "127.0.0.1"),
                "{name}"
            );
        }
        assert!(!admitted("evil.example", "localhost"));
        assert!(!admitted("localhost.evil.example", "::1"));
        assert!(admitted("river.example", "0.0.0.0"));
    }

    #[test]
    fn contradicting_origins_are_refused_and_a_missing_origin_is_accepted() {
        let mut headers = HeaderMap::new();
        let origins = Origins::default();
        assert!(origins.admit(&headers, "localhost").is_ok());
        headers.insert(HOST, "localhost".parse().expect("it is a header"));
        headers.append(ORIGIN, "http://localhost".parse().expect("it is a header"));
        assert!(origins.admit(&headers, "localhost").is_ok());
        headers.append(ORIGIN, "http://localhost".parse().expect("it is a header"));
        assert!(origins.admit(&headers, "localhost").is_err());
    }

    #[test]
    fn an_invalid_origin_is_reported() {
        for (origin, is_one) in [
            ("https://example.com", true),
            ("http://localhost:3000", true),
            ("http://[::1]:3000", true),
            ("null", true),
            ("*", true),
            ("example.com", false),
            ("https://example.com/", false),
            ("https://*.example.com", false),
            ("https://", false),
        ] {
            let mut origins = Origins::default();
            origins.add(origin.to_owned());
            assert_eq!(origins.check().is_ok(), is_one, "{origin}");
        }
    }
}
