//! TLS for servers.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::{TlsError, authorities, certificates, private_key, provider};

/// PEM files of a TLS server.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
    clients: Option<PathBuf>,
}

impl TlsFiles {
    /// The server's certificate, followed by intermediate ones, and its key. Both may be in one file.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            clients: None,
        }
    }

    /// Requires client certificates issued by one of these authorities.
    #[must_use]
    pub fn clients(mut self, authorities: impl Into<PathBuf>) -> Self {
        self.clients = Some(authorities.into());
        self
    }

    /// Creates the acceptor of connections, with these protocols for ALPN; none if the list is empty.
    ///
    /// # Errors
    /// A file cannot be used, or the key belongs to another certificate.
    pub(crate) fn acceptor(&self, protocols: &[&[u8]]) -> Result<TlsAcceptor, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::System)?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(authorities(path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                let verifier = verifier.build();
                let verifier = verifier.map_err(|error| TlsError::file(path, error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = private_key(&self.key)?;
        let config = builder.with_single_cert(certificates(&self.certificate)?, key);
        let mut config = config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                let certificate = self.certificate.display();
                TlsError::file(
                    &self.key,
                    format!("it is not the key of the certificate in {certificate}"),
                )
            }
            error => TlsError::file(&self.certificate, error),
        })?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
