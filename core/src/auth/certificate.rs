//! Client certificates: what they hash to, and whether a chain leads to an authority.
//!
//! The handshake has proved that the client holds the key of the leaf, and nothing else.

use std::fmt::Write as _;
use std::time::Duration;

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use crate::time::UnixMillis;

/// Why a certificate does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRefused {
    /// No X.509 certificate in DER.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// Its time has passed.
    #[error("the certificate has expired")]
    Expired,
    /// Its time has not come.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// Neither thumbprint of the identity is that of the certificate.
    #[error("Thumbprint does not match configuration")]
    Thumbprint,
    /// No chain leads to a certificate authority that the hub knows and has verified.
    #[error("no verified certificate authority of the hub has issued the certificate")]
    UnknownAuthority,
    /// Its extended key usage has no client authentication.
    #[error("the certificate is not for clients")]
    Purpose,
    /// An issuer in the chain is none, or has more below it than it allows.
    #[error("an issuer in the chain may not issue the certificate")]
    Issuer,
    /// The common name is not that of the identity.
    #[error("the common name of the certificate is not that of the identity")]
    CommonName,
    /// Anything else: a signature, a critical extension, a version.
    #[error("the chain of the certificate is invalid")]
    Chain,
}

/// The certificates that a client sent, leaf first, at least one.
///
/// Kept from the handshake until the identity is known, and no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateChain(Box<[Box<[u8]>]>);

impl CertificateChain {
    /// Copies certificates in DER; `None` when there is none.
    pub fn new<'a>(certificates: impl Iterator<Item = &'a [u8]>) -> Option<Box<Self>> {
        let copies: Box<[Box<[u8]>]> = certificates.map(Box::from).collect();
        (!copies.is_empty()).then(|| Box::new(Self(copies)))
    }

    fn leaf(&self) -> &[u8] {
        &self.0[0]
    }

    /// True when `thumbprint` is the SHA-1 (40 digits) or SHA-256 (64 digits) of the leaf, in
    /// hexadecimal digits of any case.
    ///
    /// Source: device-endpoints reference, "Client certificates (X.509)".
    #[must_use]
    pub fn has_thumbprint(&self, thumbprint: &str) -> bool {
        let of = match thumbprint.len() {
            40 => &SHA1_FOR_LEGACY_USE_ONLY,
            64 => &SHA256,
            _ => return false,
        };
        hex_digest(of, self.leaf()).eq_ignore_ascii_case(thumbprint)
    }

    /// When the leaf ends, if it is valid now.
    ///
    /// # Errors
    /// [`CertificateRefused::Unreadable`], [`Expired`](CertificateRefused::Expired) or
    /// [`NotYetValid`](CertificateRefused::NotYetValid).
    pub fn valid_until(&self, now: UnixMillis) -> Result<UnixMillis, CertificateRefused> {
        let leaf = parse(self.leaf())?;
        let (from, until) = (millis(leaf.validity.not_before), millis(leaf.validity.not_after));
        if now < from {
            Err(CertificateRefused::NotYetValid)
        } else if now > until {
            Err(CertificateRefused::Expired)
        } else {
            Ok(until)
        }
    }

    /// True when the one common name of the leaf is `name`, with case.
    #[must_use]
    pub fn is_for(&self, name: &str) -> bool {
        let Ok(leaf) = parse(self.leaf()) else { return false };
        let mut names = leaf.subject.iter_common_name();
        let first = names.next().and_then(|name| name.as_str().ok());
        first == Some(name) && names.next().is_none()
    }

    /// Checks that the leaf is for clients and that `authority` has issued it, directly or over
    /// the other certificates, all valid now. Costs a signature for each certificate of the path.
    ///
    /// # Errors
    /// [`CertificateRefused`].
    pub fn check(&self, authority: &Authority, now: UnixMillis) -> Result<(), CertificateRefused> {
        let ders: Vec<CertificateDer<'_>> =
            self.0.iter().map(|der| CertificateDer::from(&**der)).collect();
        let leaf = EndEntityCert::try_from(&ders[0]).map_err(|error| refusal(&error))?;
        let since_epoch = u64::try_from(now.as_millis()).unwrap_or_default();
        let path = leaf.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            std::slice::from_ref(&authority.anchor),
            &ders[1..],
            UnixTime::since_unix_epoch(Duration::from_millis(since_epoch)),
            KeyUsage::client_auth(),
            None,
            None,
        );
        let below = path.map_err(|error| refusal(&error))?.intermediate_certificates().count();
        // Anchors are trusted whatever they say of themselves, so that it is asked here.
        if authority.path_len_max.is_some_and(|max| below > max) {
            return Err(CertificateRefused::Issuer);
        }
        match now {
            _ if now < authority.not_before => Err(CertificateRefused::NotYetValid),
            _ if now > authority.not_after => Err(CertificateRefused::Expired),
            _ => Ok(()),
        }
    }
}

/// A certificate that may issue others.
#[derive(Clone, Debug)]
pub struct Authority {
    /// As it was uploaded, in DER.
    pub der: Box<[u8]>,
    /// Subject, such as `CN=Factory`.
    pub subject: String,
    /// First instant at which it counts.
    pub not_before: UnixMillis,
    /// Last instant at which it counts.
    pub not_after: UnixMillis,
    /// Authorities that may stand between it and a leaf; `None`: any number.
    path_len_max: Option<usize>,
    anchor: TrustAnchor<'static>,
}

impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Authority {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`CertificateRefused::Unreadable`], or [`Issuer`](CertificateRefused::Issuer) for one that
    /// is no authority.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateRefused> {
        let certificate = parse(der)?;
        let constraints = certificate.basic_constraints();
        let constraints = constraints.map_err(|_| CertificateRefused::Unreadable)?;
        let constraints = constraints.map(|extension| extension.value);
        let constraints =
            constraints.filter(|constraints| constraints.ca).ok_or(CertificateRefused::Issuer)?;
        let owned = CertificateDer::from(der);
        let anchor =
            anchor_from_trusted_cert(&owned).map_err(|_| CertificateRefused::Unreadable)?;
        Ok(Self {
            subject: certificate.subject.to_string(),
            not_before: millis(certificate.validity.not_before),
            not_after: millis(certificate.validity.not_after),
            path_len_max: constraints
                .path_len_constraint
                .map(|max| usize::try_from(max).unwrap_or(usize::MAX)),
            anchor: anchor.to_owned(),
            der: der.into(),
        })
    }

    /// SHA-1 of the certificate in upper-case digits.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        hex_digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der).to_ascii_uppercase()
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateRefused> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CertificateRefused::Unreadable),
    }
}

/// Times of certificates lie in the years 1950 to 9999.
fn millis(time: ASN1Time) -> UnixMillis {
    UnixMillis::from_millis(time.timestamp().saturating_mul(1000))
}

fn hex_digest(algorithm: &'static Algorithm, bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in digest(algorithm, bytes).as_ref() {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn refusal(error: &webpki::Error) -> CertificateRefused {
    use webpki::Error;
    match error {
        Error::CertExpired { .. } => CertificateRefused::Expired,
        Error::CertNotValidYet { .. } => CertificateRefused::NotYetValid,
        Error::UnknownIssuer => CertificateRefused::UnknownAuthority,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => {
            CertificateRefused::Purpose
        }
        Error::PathLenConstraintViolated
        | Error::EndEntityUsedAsCa
        | Error::CaUsedAsEndEntity
        | Error::NameConstraintViolation => CertificateRefused::Issuer,
        _ => CertificateRefused::Chain,
    }
}

#[cfg(test)]
mod tests;
