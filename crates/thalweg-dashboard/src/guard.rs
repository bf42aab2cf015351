//! Who may ask, and what a browser may do with the answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Nothing but what comes from here; no scripts and styles within pages.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The same for pages with buttons.
const POLICY_OF_CONTROL: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                                 img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The names that a dashboard answers to.
///
/// A page from elsewhere whose name is made to lead here comes with its own name: it gets nothing.
pub(crate) struct Names {
    addr: SocketAddr,
    more: Vec<String>,
    allows_control: bool,
}

impl Names {
    pub(crate) fn new(addr: SocketAddr, more: Vec<String>, allows_control: bool) -> Self {
        Self {
            addr,
            more,
            allows_control,
        }
    }

    /// Whether a `Host` header names this dashboard.
    fn include(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            // The colons of an address are within brackets.
            Some((name, port)) if !port.ends_with(']') => name,
            _ => host,
        };
        if name.eq_ignore_ascii_case("localhost") {
            return true;
        }
        if self.more.iter().any(|more| more.eq_ignore_ascii_case(name)) {
            return true;
        }
        let address: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
        address.is_some_and(|address| {
            // An address cannot be made to lead elsewhere.
            address.is_loopback() || !self.addr.ip().is_loopback()
        })
    }
}

pub(crate) async fn check(
    State(names): State<Arc<Names>>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let mut response = if names.include(host) {
        next.run(request).await
    } else {
        let text = "this dashboard answers to its own address, and to the names it was given\n";
        (StatusCode::FORBIDDEN, text).into_response()
    };
    let headers = response.headers_mut();
    // Without it, browsers do not say which page a form comes from.
    let (policy, referrer) = match names.allows_control {
        true => (POLICY_OF_CONTROL, "same-origin"),
        false => (POLICY, "no-referrer"),
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, referrer),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_names_are_answered() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 8787));
        let names = Names::new(loopback, vec!["Box.example".to_string()], false);
        for own in [
            "localhost",
            "LOCALHOST:8787",
            "127.0.0.1:8787",
            "[::1]:1",
            "[::1]",
            "box.example:80",
        ] {
            assert!(names.include(own), "{own}");
        }
        for foreign in [
            "",
            "evil.example",
            "evil.example:8787",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "localhost.evil",
        ] {
            assert!(!names.include(foreign), "{foreign}");
        }
        let anywhere = Names::new(SocketAddr::from(([0, 0, 0, 0], 8787)), Vec::new(), false);
        assert!(anywhere.include("10.0.0.1:8787"));
        assert!(!anywhere.include("evil.example"));
    }
}
