//! The certificate that all listeners present.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Certificate chain and key, checked to belong together and to be valid now.
#[derive(Debug)]
pub struct ServerCertificate {
    /// The chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Private key of the leaf.
    pub key: PrivateKeyDer<'static>,
    /// Certificate of the CA that clients have to trust; `None` when the certificate was
    /// configured.
    pub ca: Option<PathBuf>,
    /// When the leaf ends.
    pub not_after: OffsetDateTime,
    /// True when the leaf names the host name of the hub; clients refuse to connect otherwise.
    pub names_host: bool,
}

/// A certificate or key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file holds no `CERTIFICATE` block, or one that is no X.509 certificate.
    #[error("{} holds no usable certificate: {reason}", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file holds no private key.
    #[error("{} holds no usable private key: {reason}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Key and certificate are of different pairs.
    #[error("the key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// File with the key.
        key: PathBuf,
        /// File with the certificate.
        certificate: PathBuf,
    },
    /// The certificate is not valid any more.
    #[error("the certificate in {} expired on {}", path.display(), not_after.date())]
    Expired {
        /// The file.
        path: PathBuf,
        /// When it ended.
        not_after: OffsetDateTime,
    },
    /// The certificate is not valid yet.
    #[error("the certificate in {} is valid from {} on only: is the clock right?", path.display(), not_before.date())]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// When it begins.
        not_before: OffsetDateTime,
    },
    /// The development CA could not issue a certificate.
    #[error("the development CA cannot issue a certificate: {0}")]
    Issue(#[from] rcgen::Error),
}

/// Loads a configured certificate and its key.
///
/// # Errors
/// [`CertificateError`], naming the file: missing, nothing usable in it, key of another pair,
/// expired, not yet valid.
pub fn configured_certificate(
    certificate: &Path,
    key: &Path,
    host_name: &str,
    now: OffsetDateTime,
) -> Result<ServerCertificate, CertificateError> {
    let chain = read_chain(certificate)?;
    let key_der = read_key(key)?;
    check_pair(&chain, &key_der, certificate, key)?;
    let leaf = Leaf::parse(&chain[0], certificate)?;
    if now > leaf.not_after {
        let path = certificate.to_owned();
        return Err(CertificateError::Expired { path, not_after: leaf.not_after });
    }
    if now < leaf.not_before {
        let path = certificate.to_owned();
        return Err(CertificateError::NotYetValid { path, not_before: leaf.not_before });
    }
    let names_host = leaf.names(host_name);
    Ok(ServerCertificate { chain, key: key_der, ca: None, not_after: leaf.not_after, names_host })
}

/// All certificates of a PEM file, at least one.
pub(super) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let reason = match chain {
        Ok(chain) if !chain.is_empty() => return Ok(chain),
        Ok(_) => "there is no CERTIFICATE block".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(CertificateError::NoCertificate { path: path.to_owned(), reason })
}

/// The first private key of a PEM file.
fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| {
        let reason = match error {
            pem::Error::NoItemsFound => {
                "there is no PRIVATE KEY block (an encrypted one cannot be used)".to_owned()
            }
            other => other.to_string(),
        };
        CertificateError::NoKey { path: path.to_owned(), reason }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|source| CertificateError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })
}

fn check_pair(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    certificate_path: &Path,
    key_path: &Path,
) -> Result<(), CertificateError> {
    match CertifiedKey::from_der(chain.to_vec(), key.clone_key(), &default_provider()) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(CertificateError::Mismatch {
            key: key_path.to_owned(),
            certificate: certificate_path.to_owned(),
        }),
        Err(error) => {
            let reason = error.to_string();
            Err(CertificateError::NoKey { path: key_path.to_owned(), reason })
        }
    }
}

/// What has to be known of a certificate.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) not_before: OffsetDateTime,
    pub(super) not_after: OffsetDateTime,
    dns_names: Vec<String>,
    addresses: Vec<Vec<u8>>,
}

impl Leaf {
    /// Parses `der`; `path` is the file named in errors.
    pub(super) fn parse(der: &[u8], path: &Path) -> Result<Self, CertificateError> {
        let unusable =
            |reason: String| CertificateError::NoCertificate { path: path.to_owned(), reason };
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|error| unusable(error.to_string()))?;
        let validity = certificate.validity();
        let mut leaf = Self {
            not_before: validity.not_before.to_datetime(),
            not_after: validity.not_after.to_datetime(),
            dns_names: Vec::new(),
            addresses: Vec::new(),
        };
        let names = certificate
            .subject_alternative_name()
            .map_err(|error| unusable(error.to_string()))?
            .map_or(&[][..], |extension| &extension.value.general_names);
        for name in names {
            match name {
                GeneralName::DNSName(name) => leaf.dns_names.push((*name).to_owned()),
                GeneralName::IPAddress(address) => leaf.addresses.push(address.to_vec()),
                _ => {}
            }
        }
        Ok(leaf)
    }

    /// True when a client that dials `host` finds it in the certificate; `*` stands for one whole
    /// label.
    pub(super) fn names(&self, host: &str) -> bool {
        let bytes = match host.parse() {
            Ok(std::net::IpAddr::V4(address)) => address.octets().to_vec(),
            Ok(std::net::IpAddr::V6(address)) => address.octets().to_vec(),
            Err(_) => return self.dns_names.iter().any(|name| matches_name(name, host)),
        };
        self.addresses.contains(&bytes)
    }
}

fn matches_name(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => {
            host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent))
        }
        None => pattern.eq_ignore_ascii_case(host),
    }
}
