//! TLS for servers, by rustls, with certificates from files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::TcpError;

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

    /// Creates the acceptor of connections.
    ///
    /// # Errors
    /// [`TcpError::Tls`].
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, TcpError> {
        let provider = CryptoProvider::get_default().cloned();
        let provider = provider.unwrap_or_else(|| Arc::new(ring::default_provider()));
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&self.certificate, error))?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(path)? {
                    roots.add(authority).map_err(|error| wrong(path, error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                let verifier = verifier.build().map_err(|error| wrong(path, error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|error| wrong(&self.key, error))?;
        let config = builder.with_single_cert(certificates(&self.certificate)?, key);
        let config = config.map_err(|error| wrong(&self.certificate, error))?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TcpError> {
    let found = CertificateDer::pem_file_iter(path).map_err(|error| wrong(path, error))?;
    let found: Vec<_> = found
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(path, error))?;
    if found.is_empty() {
        return Err(wrong(path, "there is no certificate in it"));
    }
    Ok(found)
}

fn wrong(path: &Path, problem: impl ToString) -> TcpError {
    TcpError::Tls {
        path: path.to_path_buf(),
        problem: problem.to_string(),
    }
}
