//! The certificate that all listeners present.

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::files::{NotWritten, Room, is_disk_full};
use crate::tls::KeyKind;

/// Certificate chain and key, checked to belong together and to be valid now.
#[derive(Debug)]
pub struct ServerCertificate {
    /// The chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Private key of the leaf.
    pub key: PrivateKeyDer<'static>,
    /// File that the chain was read from.
    pub certificate_file: PathBuf,
    /// File that the key was read from.
    pub key_file: PathBuf,
    /// Certificate of the CA that clients have to trust; `None` when the certificate was
    /// configured.
    pub ca: Option<PathBuf>,
    /// When the leaf ends.
    pub not_after: OffsetDateTime,
}

/// A certificate or key that cannot be used; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}{}", path.display(), Access(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file holds no `CERTIFICATE` block, or one that is no X.509 certificate.
    #[error(
        "{} holds no usable certificate: {reason}; the chain is due there in PEM, the hub's own certificate first",
        path.display()
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file holds no private key.
    #[error(
        "{} holds no usable private key: {reason}; an unencrypted key in PEM is due there",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Key and certificate are of different pairs.
    #[error(
        "the key in {key} does not belong to the certificate in {certificate}: replace both together; `openssl x509 -noout -pubkey -in {certificate}` and `openssl pkey -pubout -in {key}` have to print the same",
        key = key.display(), certificate = certificate.display()
    )]
    Mismatch {
        /// File with the key.
        key: PathBuf,
        /// File with the certificate.
        certificate: PathBuf,
    },
    /// The certificate is not valid any more.
    #[error(
        "the certificate in {} expired on {}: put a renewed one there, or set the clock of this machine right",
        path.display(), not_after.date()
    )]
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
    /// Clients that dial the host name would refuse the certificate.
    #[error(
        "the certificate in {} is for {}, not for {host_name}, which clients dial: have one issued that names it, or say with `host_name` below `[[tls.certificate]]` what it is for",
        path.display(), Names(names)
    )]
    WrongName {
        /// The file.
        path: PathBuf,
        /// The name that is not in it.
        host_name: String,
        /// Those that are.
        names: Vec<String>,
    },
    /// Two certificates of a host have keys of the same kind, so that one would never be presented.
    #[error(
        "{} and {} are both for {host_name} with {key_kind} keys: one of each kind is due, such as ECDSA and RSA",
        first.display(), second.display()
    )]
    SameKind {
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// Whom both are for.
        host_name: String,
        /// What both sign with.
        key_kind: KeyKind,
    },
    /// The development CA could not issue a certificate.
    #[error("the development CA cannot issue a certificate: {0}")]
    Issue(#[from] rcgen::Error),
}

/// What to do when a file cannot be read or written.
struct Access<'a>(&'a io::Error);

impl fmt::Display for Access<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            io::ErrorKind::NotFound => {
                f.write_str("; is the path below `[[tls.certificate]]` right?")
            }
            io::ErrorKind::PermissionDenied => {
                let user = rustix::process::geteuid().as_raw();
                write!(
                    f,
                    "; the hub runs as user {user}, let that one read it (`setfacl -m u:{user}:r`, and `:x` on the folders above)"
                )
            }
            _ => Room(self.0).fmt(f),
        }
    }
}

impl CertificateError {
    /// Whether a file could not be written for want of room.
    pub(super) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_disk_full(source))
    }
}

impl From<NotWritten> for CertificateError {
    fn from(NotWritten { path, source }: NotWritten) -> Self {
        Self::Io { action: "write", path, source }
    }
}

/// The names of a certificate, as many as a reader wants to see.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_MAX: usize = 5;
        match self.0 {
            [] => f.write_str("no host (it has no alternative names)"),
            names if names.len() > SHOWN_MAX => write!(f, "{}, …", names[..SHOWN_MAX].join(", ")),
            names => f.write_str(&names.join(", ")),
        }
    }
}

/// Loads a configured certificate and its key, for clients that dial `host_name`.
///
/// # Errors
/// [`CertificateError`], naming the file: missing, nothing usable in it, key of another pair,
/// expired, not yet valid, for another host.
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
    if !leaf.names(host_name) {
        let (path, host_name) = (certificate.to_owned(), host_name.to_owned());
        return Err(CertificateError::WrongName { path, host_name, names: leaf.all_names() });
    }
    Ok(ServerCertificate {
        chain,
        key: key_der,
        certificate_file: certificate.to_owned(),
        key_file: key.to_owned(),
        ca: None,
        not_after: leaf.not_after,
    })
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
    addresses: Vec<IpAddr>,
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
                GeneralName::IPAddress(address) => leaf.addresses.extend(ip_address(address)),
                _ => {}
            }
        }
        Ok(leaf)
    }

    /// True when a client that dials `host` finds it in the certificate; `*` stands for one whole
    /// label.
    pub(super) fn names(&self, host: &str) -> bool {
        match host.parse() {
            Ok(address) => self.addresses.contains(&address),
            Err(_) => self.dns_names.iter().any(|name| matches_name(name, host)),
        }
    }

    /// All hosts that it is for.
    fn all_names(&self) -> Vec<String> {
        let addresses = self.addresses.iter().map(ToString::to_string);
        self.dns_names.iter().cloned().chain(addresses).collect()
    }
}

/// An address as certificates hold it; `None` for a length that no address has.
fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn matches_name(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => {
            host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent))
        }
        None => pattern.eq_ignore_ascii_case(host),
    }
}
