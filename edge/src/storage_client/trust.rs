//! Whom the client believes that it talks to a storage account.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tracing::warn;

/// The configured authorities cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("storage.ca_file: {path} cannot be used: {reason}; name a PEM file with certificates")]
pub struct TrustError {
    path: PathBuf,
    reason: String,
}

/// The authorities of `ca_file`, or of the system, and the development CA of the hub, if there is
/// one: the hub itself shows a certificate of that.
///
/// # Errors
/// [`TrustError`] when a file cannot be read.
pub(crate) fn trusted_authorities(
    ca_file: Option<&Path>,
    development_ca: &Path,
) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let mut all = match ca_file {
        Some(path) => read(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    if all.is_empty() {
        warn!(
            "this system trusts no authorities: storage accounts are reached only by storage.ca_file"
        );
    }
    match fs::metadata(development_ca) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        _ => all.extend(read(development_ca)?),
    }
    Ok(all)
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let bad = |reason: String| TrustError { path: path.to_owned(), reason };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let read: Vec<_> = read.map_err(|error| bad(error.to_string()))?;
    if read.is_empty() { Err(bad("it holds no certificate".to_owned())) } else { Ok(read) }
}
