//! The development CA: a hub has a certificate from its first start on.
//!
//! ```text
//! tls/ca.pem, ca.key                   made once, valid for 10 years; clients trust ca.pem
//! tls/server.pem, server.key           ECDSA; made anew when it nears its end, or the host name is another
//! tls/server-rsa.pem, server-rsa.key   RSA, for clients that verify nothing else; as the other
//! tls/hubs/                            certificates of the other hubs, for the same keys
//! ```

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm,
};
use time::{Duration, OffsetDateTime};
use tracing::warn;

use super::certificate::{
    CertificateError, Leaf, ServerCertificate, configured_certificate, read_chain,
};
use super::files::{Readable, Staged};

/// Certificate of the development CA, below the data directory.
pub const DEVELOPMENT_CA_FILE: &str = "tls/ca.pem";

/// All that stands in `tls` below the data directory.
pub const DEVELOPMENT_FILES: [&str; 6] =
    ["ca.pem", "ca.key", "server.pem", "server.key", "server-rsa.pem", "server-rsa.key"];

/// The certificates that are issued: names of their files, and what their keys sign with. An RSA
/// key of 2,048 bits is what clients that know only RSA can be expected to verify quickly.
const ISSUED: [(&str, &SignatureAlgorithm); 2] =
    [("server", &PKCS_ECDSA_P256_SHA256), ("server-rsa", &PKCS_RSA_SHA256)];

/// How long the CA is valid.
const CA_VALIDITY: Duration = Duration::days(3_650);

/// How long a server certificate is valid: longer ones are refused by some clients.
const SERVER_VALIDITY: Duration = Duration::days(397);

/// A certificate that ends sooner than this is made anew.
const RENEWAL: Duration = Duration::days(30);

/// Certificates are valid from yesterday on: clocks of devices are wrong.
const CLOCK_TOLERANCE: Duration = Duration::days(1);

/// Longest common name (X.520); a longer host name stands in the alternative names only.
const COMMON_NAME_CHARS_MAX: usize = 64;

/// The CA of one data directory.
#[derive(Debug)]
struct DevelopmentCa {
    certificate_path: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// Certificates for `host_name`, `localhost`, `127.0.0.1` and `::1` from the development CA in
/// `data_directory`: ECDSA P-256 and RSA 2048, in this order.
///
/// CA and certificates are made on the first start; a certificate again when it ends within 30 days
/// or does not name `host_name`. On a full disk what is still good is used on. The CA is on ECDSA
/// P-256. An RSA key is by far the dearest of it, and is made only when a certificate is issued.
///
/// # Errors
/// [`CertificateError`]; a damaged file is named and never replaced silently, because clients trust
/// what is there.
pub fn development_certificates(
    data_directory: &Path,
    host_name: &str,
    now: OffsetDateTime,
) -> Result<[ServerCertificate; 2], CertificateError> {
    let directory = data_directory.join("tls");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .map_err(|source| io_error("create", &directory, source))?;
    let (ca, age) = DevelopmentCa::open(&directory, now)?;
    let [ecdsa, rsa] = ISSUED.map(|(name, algorithm)| {
        let file = |kind: &str| directory.join(format!("{name}.{kind}"));
        let (certificate, key) = (file("pem"), file("key"));
        let mut unwritten = None;
        if age == Age::New || needs_issue(&certificate, &key, host_name, now)? {
            let pair = KeyPair::generate_for(algorithm)?;
            let issued = ca.issue(&pair, [&certificate, &key], host_name, now);
            unwritten = unless_disk_full(issued, age)?;
        }
        let loaded = configured_certificate(&certificate, &key, host_name, now);
        let loaded = match (unwritten, loaded) {
            (None, loaded) => loaded?,
            (Some(error), Err(_)) => return Err(error),
            (Some(error), Ok(loaded)) => {
                let (file, end) = (certificate.display(), loaded.not_after.date());
                warn!("{error}; the certificate in {file} is used on, until {end} at most");
                loaded
            }
        };
        Ok::<_, CertificateError>(ServerCertificate {
            ca: Some(ca.certificate_path.clone()),
            ..loaded
        })
    });
    Ok([ecdsa?, rsa?])
}

/// Whether the CA was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    New,
    Old,
}

impl DevelopmentCa {
    /// Loads the CA in `directory`, or makes one when there is none or it nears its end.
    fn open(directory: &Path, now: OffsetDateTime) -> Result<(Self, Age), CertificateError> {
        let (certificate, key) = (directory.join("ca.pem"), directory.join("ca.key"));
        if !exists(&certificate)? || !exists(&key)? {
            return Ok((Self::create(certificate, &key, now)?, Age::New));
        }
        let leaf = Leaf::parse(&read_chain(&certificate)?[0], &certificate)?;
        if leaf.not_after < now + SERVER_VALIDITY {
            match Self::create(certificate.clone(), &key, now) {
                Err(error) if error.is_disk_full() && now < leaf.not_after => {
                    let end = leaf.not_after.date();
                    warn!("{error}; the old CA is used on, until {end} at most");
                }
                created => return Ok((created?, Age::New)),
            }
        }
        let text = fs::read_to_string(&key).map_err(|source| io_error("read", &key, source))?;
        let key = KeyPair::from_pem(&text)
            .map_err(|error| CertificateError::NoKey { path: key, reason: error.to_string() })?;
        Ok((
            Self { certificate_path: certificate, issuer: Issuer::new(ca_parameters(now), key) },
            Age::Old,
        ))
    }

    fn create(
        certificate: PathBuf,
        key: &Path,
        now: OffsetDateTime,
    ) -> Result<Self, CertificateError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let parameters = ca_parameters(now);
        let signed = parameters.self_signed(&pair)?;
        write([&certificate, key], [&signed.pem(), &pair.serialize_pem()])?;
        Ok(Self { certificate_path: certificate, issuer: Issuer::new(parameters, pair) })
    }

    /// Makes a certificate of the server for `pair` and writes both.
    fn issue(
        &self,
        pair: &KeyPair,
        [certificate, key]: [&Path; 2],
        host_name: &str,
        now: OffsetDateTime,
    ) -> Result<(), CertificateError> {
        let local = ["localhost", "127.0.0.1", "::1"].into_iter();
        let local = local.filter(|name| !host_name.eq_ignore_ascii_case(name));
        let hosts: Vec<&str> = std::iter::once(host_name).chain(local).collect();
        let signed = server_parameters(&hosts, now)?.signed_by(pair, &self.issuer)?;
        write([certificate, key], [&signed.pem(), &pair.serialize_pem()])
    }
}

fn ca_parameters(now: OffsetDateTime) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = common_name("ringhub development CA");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.not_before = now - CLOCK_TOLERANCE;
    parameters.not_after = now + CA_VALIDITY;
    parameters
}

/// Parameters for hosts, of which the first gives the certificate its name.
fn server_parameters(
    hosts: &[&str],
    now: OffsetDateTime,
) -> Result<CertificateParams, rcgen::Error> {
    let host_name = hosts.first().copied().unwrap_or_default();
    let names: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut parameters = CertificateParams::new(names)?;
    let is_short = host_name.len() <= COMMON_NAME_CHARS_MAX;
    parameters.distinguished_name = common_name(if is_short { host_name } else { "ringhub" });
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.use_authority_key_identifier_extension = true;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.not_before = now - CLOCK_TOLERANCE;
    parameters.not_after = parameters.not_before + SERVER_VALIDITY;
    Ok(parameters)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn needs_issue(
    certificate: &Path,
    key: &Path,
    host_name: &str,
    now: OffsetDateTime,
) -> Result<bool, CertificateError> {
    if !exists(certificate)? || !exists(key)? {
        return Ok(true);
    }
    let leaf = Leaf::parse(&read_chain(certificate)?[0], certificate)?;
    Ok(leaf.not_after < now + RENEWAL || !leaf.names(host_name))
}

fn exists(path: &Path) -> Result<bool, CertificateError> {
    path.try_exists().map_err(|source| io_error("look for", path, source))
}

/// Writes certificate and key, both or none for want of room: they belong together.
fn write(
    [certificate, key]: [&Path; 2],
    [certificate_text, key_text]: [&str; 2],
) -> Result<(), CertificateError> {
    let key = Staged::new(key, key_text, Readable::ByOwner)?;
    let certificate = Staged::new(certificate, certificate_text, Readable::ByAll)?;
    key.publish()?;
    Ok(certificate.publish()?)
}

/// The error of a full disk, which an old certificate may make up for: not where the CA that signed
/// it is another one.
fn unless_disk_full(
    issued: Result<(), CertificateError>,
    age: Age,
) -> Result<Option<CertificateError>, CertificateError> {
    match issued {
        Err(error) if error.is_disk_full() && age == Age::Old => Ok(Some(error)),
        issued => issued.map(|()| None),
    }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> CertificateError {
    CertificateError::Io { action, path: path.to_owned(), source }
}

pub(super) mod hubs;
#[cfg(test)]
mod tests;
