//! Whom the load generator trusts, and what it shows of itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
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
    /// The certificate of the devices has no key beside it that fits.
    #[error(
        "{} must hold the key of the certificate behind it, unencrypted: {source}", path.display()
    )]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A certificate with those of authorities in between, and its key.
pub(crate) type ClientIdentity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Trusts the certificates of `ca` and nothing else, and shows that of `certificate`. Without
/// `tickets` sessions are never resumed: every connection pays in full.
pub(crate) fn client_config(
    ca: &Path,
    certificate: Option<&Path>,
    tickets: Option<Arc<Tickets>>,
) -> Result<Arc<ClientConfig>, TrustError> {
    let mut roots = RootCertStore::empty();
    certificates(ca)?.into_iter().try_for_each(|certificate| roots.add(certificate))?;
    let mut config = match certificate {
        None => config_of(roots, None)?,
        Some(path) => {
            let key = PrivateKeyDer::from_pem_file(path).map_err(|source| key_of(path, source))?;
            let identity = (certificates(path)?, key);
            config_of(roots, Some(identity)).map_err(|source| key_of(path, source))?
        }
    };
    if let Some(tickets) = tickets {
        config.resumption = Resumption::store(tickets);
    }
    Ok(Arc::new(config))
}

fn key_of(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> TrustError {
    TrustError::Key { path: path.to_owned(), source: Box::new(source) }
}

/// The certificates of a file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let unreadable = |source| TrustError::Unreadable { path: path.to_owned(), source };
    let found = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(unreadable)?;
    if found.is_empty() { Err(TrustError::Empty(path.to_owned())) } else { Ok(found) }
}

/// TLS 1.3 alone, whose secrets may be taken out when the handshake is over.
pub(crate) fn config_of(
    roots: RootCertStore,
    identity: Option<ClientIdentity>,
) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])?;
    let builder = builder.with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
    };
    config.resumption = Resumption::disabled();
    config.enable_secret_extraction = true;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_file_that_cannot_be_used() {
        let missing = certificates(Path::new("/nowhere/ca.pem")).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/ca.pem"), "{missing}");
        let empty = certificates(Path::new("/dev/null")).unwrap_err();
        assert!(matches!(empty, TrustError::Empty(_)), "{empty}");
    }
}
