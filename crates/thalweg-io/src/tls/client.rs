//! TLS for clients.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio_rustls::TlsConnector;
#[cfg(any(feature = "mqtt", feature = "redis"))]
use {rustls::pki_types::ServerName, tokio::net::TcpStream, tokio_rustls::client::TlsStream};

use super::{TlsError, authorities, certificates, private_key, provider, verifying_by_system};

/// PEM files of a TLS client; all are optional.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientFiles {
    /// Authorities of server certificates, instead of the system's.
    pub(crate) authorities: Option<PathBuf>,
    /// The client's own certificate, and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

impl ClientFiles {
    /// Creates the connector. Certificates are always verified.
    ///
    /// # Errors
    /// A file cannot be used, or the system has no certificates to verify servers with.
    pub(crate) fn connector(&self) -> Result<TlsConnector, TlsError> {
        let builder = match &self.authorities {
            None => verifying_by_system().map_err(TlsError::System)?,
            Some(path) => {
                let builder = ClientConfig::builder_with_provider(provider());
                let builder = builder.with_safe_default_protocol_versions();
                let builder = builder.map_err(TlsError::System)?;
                builder.with_root_certificates(authorities(path)?)
            }
        };
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let made = builder.with_client_auth_cert(chain, private_key(key)?);
                made.map_err(|error| TlsError::file(key, error))?
            }
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// Performs the handshake with the server of a host, a name or an address.
#[cfg(any(feature = "mqtt", feature = "redis"))]
pub(crate) async fn secure(
    tls: &TlsConnector,
    host: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    tls.connect(name, stream).await
}

/// Whether a connection failed because one end does not accept the other, which a retry would not change.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<rustls::Error>())
}

/// The remedy.
#[cfg(any(feature = "mqtt", feature = "redis"))]
pub(crate) const REMEDY: &str = "check the server's certificate: whether it is for this host, in its time, and vouched for by the authorities; \
     and that the port speaks TLS, and accepts the client's certificate";
