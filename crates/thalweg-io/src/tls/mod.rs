//! TLS by rustls, except for HTTP clients: with the system's certificates, or those in files.

#[cfg(any(feature = "mqtt", feature = "redis", feature = "websocket"))]
mod client;
#[cfg(any(feature = "http-server", feature = "tcp"))]
mod server;

#[cfg(any(
    feature = "http-server",
    feature = "mqtt",
    feature = "redis",
    feature = "tcp"
))]
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(any(
    feature = "mqtt",
    feature = "postgres",
    feature = "redis",
    feature = "remote-ftp",
    feature = "websocket"
))]
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
#[cfg(any(
    feature = "http-server",
    feature = "mqtt",
    feature = "redis",
    feature = "tcp"
))]
use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
#[cfg(any(
    feature = "mqtt",
    feature = "postgres",
    feature = "redis",
    feature = "remote-ftp",
    feature = "websocket"
))]
use rustls_platform_verifier::BuilderVerifierExt;

#[cfg(any(feature = "mqtt", feature = "redis", feature = "websocket"))]
pub(crate) use self::client::{ClientFiles, is_refusal};
#[cfg(any(feature = "mqtt", feature = "redis"))]
pub(crate) use self::client::{REMEDY, secure};
#[cfg(any(feature = "http-server", feature = "tcp"))]
pub use self::server::TlsFiles;

/// Configuration of TLS clients. Certificates are always verified.
///
/// # Errors
/// The system has no certificates to verify servers with.
#[cfg(any(feature = "postgres", feature = "remote-ftp"))]
pub(crate) fn client_config() -> Result<ClientConfig, rustls::Error> {
    Ok(verifying_by_system()?.with_no_client_auth())
}

/// The program's provider of cryptography, or ours.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let provider = CryptoProvider::get_default().cloned();
    provider.unwrap_or_else(|| Arc::new(ring::default_provider()))
}

#[cfg(any(
    feature = "mqtt",
    feature = "postgres",
    feature = "redis",
    feature = "remote-ftp",
    feature = "websocket"
))]
fn verifying_by_system()
-> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, rustls::Error> {
    let versions =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    versions.with_platform_verifier()
}

/// Files that cannot be used for TLS, or missing certificates of the system.
#[cfg(any(
    feature = "http-server",
    feature = "mqtt",
    feature = "redis",
    feature = "tcp"
))]
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("TLS: {path}: {problem}", path = path.display())]
    File { path: PathBuf, problem: String },
    #[error("TLS: {0}")]
    System(rustls::Error),
}

#[cfg(any(
    feature = "http-server",
    feature = "mqtt",
    feature = "redis",
    feature = "tcp"
))]
impl TlsError {
    fn file(path: &Path, problem: impl ToString) -> Self {
        Self::File {
            path: path.to_path_buf(),
            problem: problem.to_string(),
        }
    }
}

/// The certificates of a PEM file, at least one.
#[cfg(any(
    feature = "http-server",
    feature = "mqtt",
    feature = "redis",
    feature = "tcp"
))]
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path);
    let found = found.map_err(|error| TlsError::file(path, error))?;
    let found: Vec<_> = found
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::file(path, error))?;
    if found.is_empty() {
        return Err(TlsError::file(path, "there is no certificate in it"));
    }
    Ok(found)
}

/// Authorities of the other end's certificate.
#[cfg(any(
    feature = "http-server",
    feature = "mqtt",
    feature = "redis",
    feature = "tcp"
))]
fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path)? {
        let added = roots.add(authority);
        added.map_err(|error| TlsError::file(path, error))?;
    }
    Ok(roots)
}

#[cfg(any(
    feature = "http-server",
    feature = "mqtt",
    feature = "redis",
    feature = "tcp"
))]
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| {
        TlsError::file(
            path,
            match error {
                pem::Error::NoItemsFound => "there is no key in it".to_string(),
                error => error.to_string(),
            },
        )
    })
}
