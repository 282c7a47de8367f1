//! Client certificates: what they hash to, and whether a chain leads to an authority.
//!
//! The handshake has proved that the client holds the key of the leaf, and nothing else.

mod authority;
mod text;

use std::fmt::Write as _;
use std::time::Duration;

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use crate::limits::CERTIFICATE_CHAIN_MAX;
use crate::time::UnixMillis;

pub use authority::Authority;
pub use text::certificate_of;

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
    /// More certificates came along than [`CERTIFICATE_CHAIN_MAX`].
    #[error("the chain has too many certificates")]
    ChainLength,
    /// None or several stand where one is needed.
    #[error("exactly one certificate is needed")]
    NotOne,
    /// It has more bytes than [`CERTIFICATE_BYTES_MAX`](crate::limits::CERTIFICATE_BYTES_MAX).
    #[error("the certificate has too many bytes")]
    TooLarge,
    /// The common name of a proof is not the verification code.
    #[error("the common name of the certificate is not the verification code")]
    Code,
    /// A proof has another issuer than the authority that it is for.
    #[error("the certificate is not signed by the authority that it is to prove")]
    Signer,
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
        valid_until(&parse(self.leaf())?, now)
    }

    /// True when the one common name of the leaf is `name`, with case.
    #[must_use]
    pub fn is_for(&self, name: &str) -> bool {
        parse(self.leaf()).is_ok_and(|leaf| is_for(&leaf, name))
    }

    /// Checks that the leaf is for clients and that one of `authorities` has issued it, directly or
    /// over the other certificates, all valid now. Costs a signature for each certificate of a
    /// path, and a hundred at most, whatever was sent and however many authorities there are.
    ///
    /// A leaf of version 1, as common tools make it, counts directly below an authority.
    ///
    /// # Errors
    /// [`CertificateRefused`]: of all paths the one that got furthest.
    pub fn issuer<'a>(
        &self,
        authorities: impl IntoIterator<Item = &'a Authority>,
        now: UnixMillis,
    ) -> Result<Issuer<'a>, CertificateRefused> {
        if self.0.len() > CERTIFICATE_CHAIN_MAX {
            return Err(CertificateRefused::ChainLength);
        }
        let authorities: Vec<&Authority> = authorities.into_iter().collect();
        let ders: Vec<CertificateDer<'_>> =
            self.0.iter().map(|der| CertificateDer::from(&**der)).collect();
        match EndEntityCert::try_from(&ders[0]) {
            Ok(leaf) => Path { leaf: &leaf, between: &ders[1..] }.to(&authorities, now),
            Err(webpki::Error::UnsupportedCertVersion) => {
                self.issuer_of_version_1(&authorities, now)
            }
            Err(error) => Err(refusal(&error)),
        }
    }

    fn issuer_of_version_1<'a>(
        &self,
        authorities: &[&'a Authority],
        now: UnixMillis,
    ) -> Result<Issuer<'a>, CertificateRefused> {
        let leaf = parse(self.leaf())?;
        let until = valid_until(&leaf, now)?;
        let mut refusal = CertificateRefused::UnknownAuthority;
        for authority in authorities.iter().filter(|authority| authority.has_signed(&leaf)) {
            match authority.valid_until(now) {
                // Names that it may not issue for cannot be looked up here.
                Ok(_) if authority.anchor.name_constraints.is_some() => {
                    refusal = CertificateRefused::Chain;
                }
                Ok(end) => return Ok(Issuer { authority, until: until.min(end) }),
                Err(why) => refusal = why,
            }
        }
        Err(refusal)
    }
}

/// Who has issued a certificate.
#[derive(Clone, Copy, Debug)]
pub struct Issuer<'a> {
    /// At the end of the path.
    pub authority: &'a Authority,
    /// When the first certificate of the path ends.
    pub until: UnixMillis,
}

/// What a client has sent, on its way to an authority.
struct Path<'p> {
    leaf: &'p EndEntityCert<'p>,
    between: &'p [CertificateDer<'p>],
}

impl Path<'_> {
    fn to<'a>(
        &self,
        authorities: &[&'a Authority],
        now: UnixMillis,
    ) -> Result<Issuer<'a>, CertificateRefused> {
        let anchors: Vec<_> = authorities.iter().map(|known| known.anchor.clone()).collect();
        // Two may have one name and one key: an authority whose certificate was renewed.
        let end_of = |path: &VerifiedPath<'_>| {
            let place = anchors.iter().position(|anchor| std::ptr::eq(anchor, path.anchor()));
            place.map(|place| authorities[place]).ok_or(webpki::Error::UnknownIssuer)
        };
        let since_epoch = u64::try_from(now.as_millis()).unwrap_or_default();
        let time = UnixTime::since_unix_epoch(Duration::from_millis(since_epoch));
        let path = self.leaf.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &anchors,
            self.between,
            time,
            KeyUsage::client_auth(),
            None,
            Some(&|path: &VerifiedPath<'_>| end_of(path)?.allows(path, now, time)),
        );
        let path = path.map_err(|error| refusal(&error))?;
        let authority = end_of(&path).map_err(|error| refusal(&error))?;
        let mut until = authority.not_after;
        let leaf = path.end_entity().der();
        let between = path.intermediate_certificates().map(webpki::Cert::der);
        for der in std::iter::once(leaf).chain(between) {
            until = until.min(valid_until(&parse(&der)?, now)?);
        }
        Ok(Issuer { authority, until })
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateRefused> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CertificateRefused::Unreadable),
    }
}

fn is_for(certificate: &X509Certificate<'_>, name: &str) -> bool {
    let mut names = certificate.subject.iter_common_name();
    let first = names.next().and_then(|name| name.as_str().ok());
    first == Some(name) && names.next().is_none()
}

fn valid_until(
    certificate: &X509Certificate<'_>,
    now: UnixMillis,
) -> Result<UnixMillis, CertificateRefused> {
    let validity = &certificate.validity;
    within(millis(validity.not_before), millis(validity.not_after), now)
}

/// The end of a time that `now` lies in.
fn within(
    from: UnixMillis,
    until: UnixMillis,
    now: UnixMillis,
) -> Result<UnixMillis, CertificateRefused> {
    match now {
        _ if now < from => Err(CertificateRefused::NotYetValid),
        _ if now > until => Err(CertificateRefused::Expired),
        _ => Ok(until),
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
