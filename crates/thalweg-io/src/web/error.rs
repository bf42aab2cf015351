use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::{StatusCode, Url};

use super::shown;

/// Why a server could not be asked, or did not answer as it should. Each names the URL, without user, password and
/// query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// The URL, or a header, is none.
    #[error("cannot ask {url:?}: {reason}")]
    Invalid {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no connection.
    #[error("cannot connect to {url}: {source}")]
    Connect {
        /// The URL.
        url: String,
        /// The cause.
        source: io::Error,
    },
    /// The response broke off.
    #[error("lost the connection to {url}: {source}")]
    Broken {
        /// The URL.
        url: String,
        /// Why.
        source: io::Error,
    },
    /// Nothing came for too long.
    #[error("nothing came from {url} for {idle:?}")]
    Idle {
        /// The URL.
        url: String,
        /// The limit.
        idle: Duration,
    },
    /// The response has a status that is no success.
    #[error("{url} answered {}", describe(*status))]
    Status {
        /// The URL.
        url: String,
        /// The status.
        status: u16,
    },
    /// The response has another type.
    #[error("{url} sent {found:?}, not {expected:?}")]
    ContentType {
        /// The URL.
        url: String,
        /// The type it has.
        found: String,
        /// The type it should have.
        expected: &'static str,
    },
    /// A redirect leads to where requests do not go, unless they are told to follow redirects anywhere.
    #[error("{url} redirects to {to}, which is not followed: {reason}")]
    Redirect {
        /// The URL.
        url: String,
        /// Where to.
        to: String,
        /// The cause.
        reason: &'static str,
    },
}

impl WebError {
    pub(super) fn connect(url: &Url, error: reqwest::Error) -> Self {
        let error = error.without_url();
        // The innermost cause says what has happened; those around it say that something has.
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

    /// Whether asking again may help.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Broken { .. } | Self::Idle { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            Self::Invalid { .. } | Self::ContentType { .. } | Self::Redirect { .. } => false,
        }
    }
}

fn describe(status: u16) -> String {
    match StatusCode::from_u16(status) {
        Ok(status) => status.to_string(),
        Err(_) => status.to_string(),
    }
}
