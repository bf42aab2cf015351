use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::address::Address;
use super::progress::TransferProgress;
use super::{RemoteError, error};
use crate::web::RequestOptions;

/// Settings for remote files: logins, limits, retries. The same for all systems; each uses those that apply.
///
/// A login in a URL takes precedence. For S3, missing values come from the environment (`AWS_ACCESS_KEY_ID`,
/// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`) and from the files of Amazon's
/// programs. Logins are never shown.
///
/// ```
/// use thalweg_io::Remote;
///
/// let remote = Remote::new().endpoint("http://localhost:9000").access_key("river", "s3cret").retries(5);
/// assert!(!format!("{remote:?}").contains("s3cret"));
/// ```
#[derive(Clone)]
pub struct Remote {
    pub(super) options: RequestOptions,
    pub(super) login: Login,
    pub(super) schemes: Option<Vec<String>>,
    pub(super) retries: u32,
    pub(super) wait: Duration,
    pub(super) max_wait: Duration,
    pub(super) time_limit: Duration,
    pub(super) max_in_flight: usize,
    pub(super) is_ordered: bool,
    pub(super) max_len: u64,
    pub(super) max_file_len: u64,
    pub(super) part_len: u64,
    pub(super) parallel: usize,
    pub(super) verify_etag: bool,
    pub(super) progress: TransferProgress,
}

/// Credentials.
#[derive(Clone, Default)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) access_key: Option<(String, String)>,
    pub(super) session_token: Option<String>,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) is_anonymous: bool,
    pub(super) key_file: Option<PathBuf>,
}

impl Remote {
    /// 16 transfers at a time, 3 retries, 16 MiB for a file in memory, parts of 8 MiB, four at a time.
    pub fn new() -> Self {
        Self {
            options: RequestOptions::new(),
            login: Login::default(),
            schemes: None,
            retries: 3,
            wait: Duration::from_secs(1),
            max_wait: Duration::from_secs(30),
            time_limit: Duration::from_secs(60),
            max_in_flight: 16,
            is_ordered: true,
            max_len: 16 << 20,
            max_file_len: 1 << 40,
            part_len: 8 << 20,
            parallel: 4,
            verify_etag: false,
            progress: TransferProgress::new(),
        }
    }

    /// Headers of requests over HTTP (not of WebDAV and S3), connection timeout, and which redirects are followed.
    #[must_use]
    pub fn options(mut self, options: RequestOptions) -> Self {
        self.options = options;
        self
    }

    /// User and password, for HTTP, WebDAV, FTP, and the user for SFTP.
    #[must_use]
    pub fn login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login.user = Some(user.into());
        self.login.password = Some(password.into());
        self
    }

    /// Access key of S3: its identifier and the secret.
    #[must_use]
    pub fn access_key(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.login.access_key = Some((id.into(), secret.into()));
        self
    }

    /// Session token of S3, for temporary keys.
    #[must_use]
    pub fn session_token(mut self, token: impl Into<String>) -> Self {
        self.login.session_token = Some(token.into());
        self
    }

    /// Region of S3.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.login.region = Some(region.into());
        self
    }

    /// URL of an S3-compatible server: Amazon's by default.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.login.endpoint = Some(url.into());
        self
    }

    /// Uses S3 without a login, for public buckets.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.login.is_anonymous = true;
        self
    }

    /// Private key file for SFTP; by default `ssh` uses its own keys and agent.
    #[must_use]
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.login.key_file = Some(path.into());
        self
    }

    /// Allows these schemes of URLs only. By default all are allowed, including `file`: restrict them if URLs come from
    /// outside.
    ///
    /// ```
    /// use thalweg_io::Remote;
    ///
    /// let remote = Remote::new().schemes(["https", "s3"]);
    /// assert!(remote.check("file:///etc/hostname").is_err());
    /// ```
    #[must_use]
    pub fn schemes<S: Into<String>>(mut self, schemes: impl IntoIterator<Item = S>) -> Self {
        self.schemes = Some(schemes.into_iter().map(Into::into).collect());
        self
    }

    /// Maximum number of consecutive attempts without progress: 3 by default. Bytes already read are not read again.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Pause before the first retry, in real time: 1 s by default, unless the server says otherwise. It doubles each
    /// time, plus a random part of up to a half.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Maximum pause between retries: 30 s by default.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Maximum time without any answer, in real time: 60 s by default.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Limit of concurrent transfers: 16 by default, at least 1.
    #[must_use]
    pub fn max_in_flight(mut self, count: usize) -> Self {
        self.max_in_flight = count.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// Emits files as they arrive, instead of in the order of their URLs.
    #[must_use]
    pub fn unordered(mut self) -> Self {
        self.is_ordered = false;
        self
    }

    /// Limit of a file in memory, in bytes: 16 MiB by default. A longer one is a failure of the node.
    #[must_use]
    pub fn max_len(mut self, bytes: u64) -> Self {
        self.max_len = bytes;
        self
    }

    /// Limit of a file that is saved to a local one, in bytes: 1 TiB by default.
    #[must_use]
    pub fn max_file_len(mut self, bytes: u64) -> Self {
        self.max_file_len = bytes;
        self
    }

    /// Size of the parts of a large file, in bytes: 8 MiB by default; at least 5 MiB for S3.
    #[must_use]
    pub fn part_len(mut self, bytes: u64) -> Self {
        self.part_len = bytes.max(1);
        self
    }

    /// Maximum number of concurrent transfers of parts of a file: 4 by default, at least 1.
    #[must_use]
    pub fn parallel(mut self, count: usize) -> Self {
        self.parallel = count.max(1);
        self
    }

    /// Treats S3's `ETag` as the MD5 of the file, and checks it. That is wrong for files encrypted with the service's
    /// keys; files written in parts are not checked.
    #[must_use]
    pub fn verify_etag(mut self) -> Self {
        self.verify_etag = true;
        self
    }

    /// Counts the bytes of all transfers here.
    #[must_use]
    pub fn progress(mut self, progress: &TransferProgress) -> Self {
        self.progress = progress.clone();
        self
    }

    /// Checks a URL, before anything is transferred.
    ///
    /// # Errors
    /// [`RemoteError::Invalid`]: the URL is invalid, its scheme is not allowed or unknown, or this build does not
    /// support it.
    pub fn check(&self, url: &str) -> Result<(), RemoteError> {
        self.address(url).map(drop)
    }

    /// Parses the URL.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(super) fn address(&self, url: &str) -> Result<Address, RemoteError> {
        let mut address = Address::parse(url)?;
        if let Some(allowed) = &self.schemes
            && !(allowed.iter()).any(|scheme| scheme == address.scheme_name())
        {
            return Err(RemoteError::Invalid {
                url: address.shown(),
                problem: format!("its scheme is none of the allowed {}", allowed.join(", ")),
            });
        }
        super::place::check_support(&address)?;
        if address.user.is_none() {
            address.user.clone_from(&self.login.user);
            address.password.clone_from(&self.login.password);
        }
        Ok(address)
    }

    /// The pause after this many attempts without progress.
    pub(super) fn pause(&self, failures: u32, trouble: &error::Trouble) -> Duration {
        let wait = crate::web::backoff(self.wait, self.max_wait, failures);
        crate::web::spread(wait.max(trouble.asked()))
    }
}

impl Default for Remote {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("options", &self.options)
            .field("retries", &self.retries)
            .field("max_in_flight", &self.max_in_flight)
            .field("max_len", &self.max_len)
            .finish_non_exhaustive()
    }
}
