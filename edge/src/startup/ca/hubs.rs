//! Certificates of the hubs beside the configured one, by the development CA.
//!
//! They are for the keys of the configured hub, so that a thousand hubs need no thousand keys,
//! which would take minutes to make. Whatever is missing or does not fit any more is issued again,
//! so that nothing has to be on disk for good before a hub is there.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rcgen::KeyPair;
use time::OffsetDateTime;

use super::{DevelopmentCa, ISSUED, RENEWAL, io_error, server_parameters};
use crate::startup::certificate::{CertificateError, ServerCertificate, configured_certificate};

/// Issues certificates for host names; the CA and the keys are there already.
#[derive(Debug)]
pub(in crate::startup) struct HubIssuer {
    tls: PathBuf,
    ca: DevelopmentCa,
    keys: [KeyPair; 2],
    now: OffsetDateTime,
}

impl HubIssuer {
    /// Reads CA and keys below the data directory.
    pub(in crate::startup) fn open(
        data_directory: &Path,
        now: OffsetDateTime,
    ) -> Result<Self, CertificateError> {
        let tls = data_directory.join("tls");
        let (ca, _) = DevelopmentCa::open(&tls, now)?;
        let [ecdsa, rsa] = ISSUED.map(|(name, _)| {
            let path = tls.join(format!("{name}.key"));
            let text = fs::read_to_string(&path).map_err(|error| io_error("read", &path, error))?;
            KeyPair::from_pem(&text)
                .map_err(|error| CertificateError::NoKey { path, reason: error.to_string() })
        });
        let hubs = directory(data_directory);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&hubs)
            .map_err(|error| io_error("create", &hubs, error))?;
        Ok(Self { tls, ca, keys: [ecdsa?, rsa?], now })
    }

    /// The certificates of a host: ECDSA and RSA, in this order.
    pub(in crate::startup) fn certificates(
        &self,
        host_name: &str,
    ) -> Result<[ServerCertificate; 2], CertificateError> {
        let [ecdsa, rsa] = [0, 1].map(|kind| {
            let certificate = file(&self.tls.join("hubs"), host_name, kind);
            let key = self.tls.join(format!("{}.key", ISSUED[kind].0));
            let load = || configured_certificate(&certificate, &key, host_name, self.now);
            match load() {
                Ok(loaded) if loaded.not_after >= self.now + RENEWAL => Ok(loaded),
                _ => {
                    let parameters = server_parameters(&[host_name], self.now)?;
                    let signed = parameters.signed_by(&self.keys[kind], &self.ca.issuer)?;
                    let beside = certificate.with_added_extension("new");
                    fs::write(&beside, signed.pem())
                        .and_then(|()| fs::rename(&beside, &certificate))
                        .map_err(|error| io_error("write", &certificate, error))?;
                    load()
                }
            }
        });
        Ok([ecdsa?, rsa?])
    }
}

/// Removes the certificates of a host; those that are not there are removed already.
pub(in crate::startup) fn remove(
    data_directory: &Path,
    host_name: &str,
) -> Result<(), CertificateError> {
    for kind in [0, 1] {
        let path = file(&directory(data_directory), host_name, kind);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(io_error("remove", &path, error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn directory(data_directory: &Path) -> PathBuf {
    data_directory.join("tls/hubs")
}

/// Host names have no character that means something in a path.
fn file(directory: &Path, host_name: &str, kind: usize) -> PathBuf {
    let suffix = ISSUED[kind].0.trim_start_matches("server");
    directory.join(format!("{host_name}{suffix}.pem"))
}
