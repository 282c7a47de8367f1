//! Whom the load generator trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};

use crate::storm::Tickets;

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The CA file cannot be read, or is no PEM.
    #[error("cannot read certificates from {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls::pki_types::pem::Error,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate", .0.display())]
    Empty(PathBuf),
    /// A certificate is malformed.
    #[error("a certificate to trust is unusable: {0}")]
    Certificate(#[from] rustls::Error),
}

/// Trusts the certificates of `ca` and nothing else. Without `tickets` sessions are never resumed:
/// every connection pays in full.
pub(crate) fn client_config(
    ca: &Path,
    tickets: Option<Arc<Tickets>>,
) -> Result<Arc<ClientConfig>, TrustError> {
    let unreadable = |source| TrustError::Unreadable { path: ca.to_owned(), source };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(unreadable)? {
        roots.add(certificate.map_err(unreadable)?)?;
    }
    if roots.is_empty() {
        return Err(TrustError::Empty(ca.to_owned()));
    }
    let mut config = config_of(roots)?;
    if let Some(tickets) = tickets {
        config.resumption = Resumption::store(tickets);
    }
    Ok(Arc::new(config))
}

/// TLS 1.3 alone, whose secrets may be taken out when the handshake is over.
pub(crate) fn config_of(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.enable_secret_extraction = true;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_file_that_cannot_be_used() {
        let missing = client_config(Path::new("/nowhere/ca.pem"), None).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/ca.pem"), "{missing}");
        let empty = client_config(Path::new("/dev/null"), None).unwrap_err();
        assert!(matches!(empty, TrustError::Empty(_)), "{empty}");
    }
}
