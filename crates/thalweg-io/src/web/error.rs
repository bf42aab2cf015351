use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::{StatusCode, Url};

use super::shown;

/// Errors of HTTP requests. Each names the URL, without user, password and query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// The URL or a header is invalid.
    #[error("cannot ask {url:?}: {reason}")]
    Invalid {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Connecting failed.
    #[error("cannot connect to {url}: {source}")]
    Connect {
        /// The URL.
        url: String,
        /// The cause.
        source: io::Error,
    },
    /// The response is incomplete.
    #[error("lost the connection to {url}: {source}")]
    Broken {
        /// The URL.
        url: String,
        /// The cause.
        source: io::Error,
    },
    /// Nothing was received for too long.
    #[error("nothing came from {url} for {idle:?}")]
    Idle {
        /// The URL.
        url: String,
        /// The limit.
        idle: Duration,
    },
    /// The status is not a success.
    #[error("{url} answered {}", describe(*status))]
    Status {
        /// The URL.
        url: String,
        /// The status.
        status: u16,
    },
    /// The response has an unexpected media type.
    #[error("{url} sent {found:?}, not {expected:?}")]
    ContentType {
        /// The URL.
        url: String,
        /// The media type.
        found: String,
        /// The expected media type.
        expected: &'static str,
    },
    /// The body is compressed.
    #[error(
        "{url} sent a body compressed with {encoding:?}, which was not asked for and is not decompressed; have the \
         server respect `Accept-Encoding: identity`"
    )]
    Encoded {
        /// The URL.
        url: String,
        /// The content encoding.
        encoding: String,
    },
    /// A redirect to an address that is not allowed, unless all redirects are to be followed.
    #[error("{url} redirects to {to}, which is not followed: {reason}")]
    Redirect {
        /// The URL.
        url: String,
        /// Its target.
        to: String,
        /// The cause.
        reason: &'static str,
    },
}

impl WebError {
    pub(super) fn connect(url: &Url, error: reqwest::Error) -> Self {
        let error = error.without_url();
        // Only the innermost cause says what happened.
        let mut cause: &(dyn Error + 'static) = &error;
        let mut kind = io::ErrorKind::Other;
        while let Some(inner) = cause.source() {
            cause = inner;
            if let Some(refused) = cause.downcast_ref::<io::Error>() {
                kind = refused.kind();
            }
        }
        if error.is_timeout() {
            kind = io::ErrorKind::TimedOut;
        }
        Self::Connect {
            url: shown(url),
            source: io::Error::new(kind, cause.to_string()),
        }
    }

    /// Whether a retry may help.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Broken { .. } | Self::Idle { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            Self::Invalid { .. }
            | Self::ContentType { .. }
            | Self::Encoded { .. }
            | Self::Redirect { .. } => false,
        }
    }
}

fn describe(status: u16) -> String {
    match StatusCode::from_u16(status) {
        Ok(status) => status.to_string(),
        Err(_) => status.to_string(),
    }
}
