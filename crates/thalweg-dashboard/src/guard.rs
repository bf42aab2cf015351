//! Host check and security headers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Content security policy: only this server's own resources, no inline scripts or styles.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The same with forms, for a dashboard with buttons.
const CONTROL_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                                 img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Host names that a dashboard answers to.
///
/// This prevents DNS rebinding: a foreign page whose name resolves to this machine sends its own name, and is refused.
pub(crate) struct AllowedHosts {
    addr: SocketAddr,
    more: Vec<String>,
    allows_control: bool,
}

impl AllowedHosts {
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
            // An IPv6 address has its colons within brackets.
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
            // An IP address cannot be rebound.
            address.is_loopback() || !self.addr.ip().is_loopback()
        })
    }
}

pub(crate) async fn check(
    State(hosts): State<Arc<AllowedHosts>>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let mut response = if hosts.include(host) {
        next.run(request).await
    } else {
        let text = "this dashboard answers to its own address, and to the names it was given\n";
        (StatusCode::FORBIDDEN, text).into_response()
    };
    let headers = response.headers_mut();
    // Forms need an `Origin` header, which browsers omit under `no-referrer`.
    let (policy, referrer) = match hosts.allows_control {
        true => (CONTROL_POLICY, "same-origin"),
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
    fn only_requests_for_its_own_host_names_are_answered() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 8787));
        let hosts = AllowedHosts::new(loopback, vec!["Box.example".to_string()], false);
        for own in [
            "localhost",
            "LOCALHOST:8787",
            "127.0.0.1:8787",
            "[::1]:1",
            "[::1]",
            "box.example:80",
        ] {
            assert!(hosts.include(own), "{own}");
        }
        for foreign in [
            "",
            "evil.example",
            "evil.example:8787",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "localhost.evil",
        ] {
            assert!(!hosts.include(foreign), "{foreign}");
        }
        let anywhere = AllowedHosts::new(SocketAddr::from(([0, 0, 0, 0], 8787)), Vec::new(), false);
        assert!(anywhere.include("10.0.0.1:8787"));
        assert!(!anywhere.include("evil.example"));
    }
}
