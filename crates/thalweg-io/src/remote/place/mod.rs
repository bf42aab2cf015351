//! Location of a file, and its protocol: OpenDAL, HTTP or FTP.

#[cfg(feature = "remote-ftp")]
pub(crate) mod ftp;
mod http;
mod store;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::Stream;
use opendal::Operator;

use super::address::{Address, Scheme};
use super::error::Trouble;
use super::upload::Content;
use super::{Remote, RemoteError};
use crate::web::Clients;

/// Maximum number of cached stores.
const MAX_STORES: usize = 64;

/// Metadata of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meta {
    /// Length in bytes.
    pub(super) len: Option<u64>,
    pub(super) etag: Option<String>,
    /// MD5 of the content, in hexadecimal digits.
    pub(super) md5: Option<String>,
    pub(super) modified: Option<String>,
    /// Whether parts can be requested.
    pub(super) has_ranges: bool,
}

impl Meta {
    /// Whether it may be the same content.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let differ = |one: &Option<String>, other: &Option<String>| matches!((one, other), (Some(one), Some(other)) if one != other);
        let lens_differ = matches!((self.len, other.len), (Some(one), Some(other)) if one != other);
        !lens_differ && !differ(&self.etag, &other.etag) && !differ(&self.modified, &other.modified)
    }
}

/// Pieces of a file, from an offset on.
pub(super) type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Trouble>> + Send>>;

/// Connections to all systems: created as needed, and shared.
#[derive(Debug)]
pub(super) struct Places {
    remote: Remote,
    clients: Arc<Clients>,
    /// By scheme, host, port and user.
    stores: Mutex<HashMap<String, Operator>>,
}

/// Location of a file.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) address: Arc<Address>,
    pub(super) remote: Arc<Remote>,
    by: By,
}

#[derive(Clone, Debug)]
enum By {
    Store(Operator),
    Http(Arc<Clients>),
    #[cfg(feature = "remote-ftp")]
    Ftp,
}

/// Checks whether this build supports a system.
///
/// # Errors
/// It does not.
pub(super) fn check_support(address: &Address) -> Result<(), RemoteError> {
    let (is_there, feature) = match address.scheme {
        Scheme::S3 => (cfg!(feature = "remote-s3"), "remote-s3"),
        Scheme::Ftp | Scheme::Ftps => (cfg!(feature = "remote-ftp"), "remote-ftp"),
        Scheme::Sftp => (cfg!(all(feature = "remote-sftp", unix)), "remote-sftp"),
        _ => (true, "remote"),
    };
    if is_there {
        return Ok(());
    }
    Err(RemoteError::NotBuilt {
        url: address.shown(),
        feature,
    })
}

impl Places {
    pub(super) fn new(remote: &Remote) -> Self {
        Self {
            clients: Arc::new(Clients::new(remote.options.clone())),
            stores: Mutex::default(),
            remote: remote.clone(),
        }
    }

    /// # Errors
    /// The URL, or an option for its system, is invalid.
    pub(super) fn find(&self, url: &str) -> Result<Place, RemoteError> {
        let address = self.remote.address(url)?;
        let by = match address.scheme {
            Scheme::Http | Scheme::Https => By::Http(self.clients.clone()),
            #[cfg(feature = "remote-ftp")]
            Scheme::Ftp | Scheme::Ftps => By::Ftp,
            _ => By::Store(self.store(&address)?),
        };
        Ok(Place {
            address: Arc::new(address),
            remote: Arc::new(self.remote.clone()),
            by,
        })
    }

    fn store(&self, address: &Address) -> Result<Operator, RemoteError> {
        // Passwords of one user differ only if one of them is wrong: those are kept apart as well.
        let key = (
            &address.scheme,
            &address.host,
            address.port,
            &address.user,
            &address.password,
        );
        let key = format!("{key:?}");
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(&key) {
            return Ok(store.clone());
        }
        let made = store::make(address, &self.remote, &self.clients);
        let made = made.map_err(|problem| RemoteError::Invalid {
            url: address.shown(),
            problem,
        })?;
        if stores.len() >= MAX_STORES {
            stores.clear();
        }
        // A cached `ssh` program would outlive this one, which drops nothing at its end.
        if address.scheme != Scheme::Sftp {
            stores.insert(key, made.clone());
        }
        Ok(made)
    }
}

impl Place {
    /// Requests the metadata of the file.
    ///
    /// # Errors
    /// It does not exist, or the system does not tell.
    pub(super) async fn stat(&self) -> Result<Meta, Trouble> {
        match &self.by {
            By::Store(store) => store::stat(store, &self.address).await,
            By::Http(clients) => http::stat(clients, self).await,
            #[cfg(feature = "remote-ftp")]
            By::Ftp => ftp::stat(self).await,
        }
    }

    /// Reads from `offset` on, up to `end` if given, with metadata.
    ///
    /// # Errors
    /// It does not exist, cannot be read, or is not the `expected` one.
    pub(super) async fn read(
        &self,
        offset: u64,
        end: Option<u64>,
        expected: Option<&Meta>,
    ) -> Result<(Meta, Pieces), Trouble> {
        let (meta, pieces) = match &self.by {
            By::Store(store) => store::read(store, self, offset, end).await?,
            By::Http(clients) => http::read(clients, self, offset, end).await?,
            #[cfg(feature = "remote-ftp")]
            By::Ftp => ftp::read(self, offset, end).await?,
        };
        match expected {
            Some(expected) if !expected.is_same(&meta) => Err(Trouble::Changed),
            _ => Ok((meta, pieces)),
        }
    }

    /// Writes a file, which becomes visible when complete.
    ///
    /// # Errors
    /// It does not exist then, or is unchanged.
    pub(super) async fn write(&self, content: &Content) -> Result<(), Trouble> {
        match &self.by {
            By::Store(store) => store::write(store, self, content).await,
            By::Http(_) => Err(Trouble::lasting(
                super::RemoteFailure::Unsupported,
                "servers of the web are only read; use `to_http`, or `webdav:` if it speaks that",
            )),
            #[cfg(feature = "remote-ftp")]
            By::Ftp => ftp::write(self, content).await,
        }
    }
}

/// A unique number, for temporary names.
pub(super) fn number() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    RandomState::new().hash_one((std::process::id(), number))
}

/// The kind of failure of an error of OpenDAL.
#[cfg(test)]
pub(super) fn trouble_of(text: &str) -> super::RemoteFailure {
    let error = opendal::Error::new(opendal::ErrorKind::Unexpected, text);
    match store::trouble(error) {
        Trouble::Failed { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}
