//! TLS for what is not the web: by rustls, with the certificates that the system trusts.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls_platform_verifier::BuilderVerifierExt;

/// How a client speaks TLS. Certificates are always verified.
///
/// # Errors
/// The system has no certificates to verify others by.
pub(crate) fn client_config() -> Result<ClientConfig, rustls::Error> {
    let versions =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(versions.with_platform_verifier()?.with_no_client_auth())
}

/// The program's provider of cryptography, or ours.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let provider = CryptoProvider::get_default().cloned();
    provider.unwrap_or_else(|| Arc::new(ring::default_provider()))
}
