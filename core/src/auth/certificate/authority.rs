//! Certificates that may issue others.

use std::time::Duration;

use aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, RawPublicKeyEntity, VerifiedPath, anchor_from_trusted_cert};
use x509_parser::certificate::X509Certificate;

use super::{CertificateRefused, hex_digest, is_for, millis, parse, valid_until, within};
use crate::limits::CERTIFICATE_BYTES_MAX;
use crate::time::UnixMillis;

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
    pub(super) anchor: TrustAnchor<'static>,
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
    /// [`CertificateRefused::Unreadable`], [`TooLarge`](CertificateRefused::TooLarge), or
    /// [`Issuer`](CertificateRefused::Issuer) for one that is no authority.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateRefused> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateRefused::TooLarge);
        }
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

    /// When it ends, if it counts now.
    ///
    /// # Errors
    /// [`CertificateRefused::Expired`] or [`NotYetValid`](CertificateRefused::NotYetValid).
    pub fn valid_until(&self, now: UnixMillis) -> Result<UnixMillis, CertificateRefused> {
        within(self.not_before, self.not_after, now)
    }

    /// Checks that `proof`, a certificate in DER, is signed with the key of this authority for the
    /// name `code`, and valid now: whoever has it made has the key. Costs a signature.
    ///
    /// # Errors
    /// [`CertificateRefused`].
    ///
    /// Source: control-plane reference, "Certificates".
    pub fn check_proof(
        &self,
        proof: &[u8],
        code: &str,
        now: UnixMillis,
    ) -> Result<(), CertificateRefused> {
        let proof = parse(proof)?;
        if !is_for(&proof, code) {
            return Err(CertificateRefused::Code);
        }
        if !self.has_signed(&proof) {
            return Err(CertificateRefused::Signer);
        }
        valid_until(&proof, now).map(drop)
    }

    /// True when `certificate` names this authority as its issuer and has its signature.
    pub(super) fn has_signed(&self, certificate: &X509Certificate<'_>) -> bool {
        let Ok(own) = parse(&self.der) else { return false };
        if certificate.issuer.as_raw() != own.subject.as_raw() {
            return false;
        }
        let key = SubjectPublicKeyInfoDer::from(own.subject_pki.raw);
        let Ok(key) = RawPublicKeyEntity::try_from(&key) else { return false };
        let (message, signature) =
            (certificate.tbs_certificate.as_ref(), &*certificate.signature_value.data);
        // Algorithms for other kinds of keys are passed over before anything is calculated.
        let verifies = |algorithm| key.verify_signature(algorithm, message, signature).is_ok();
        ALL_VERIFICATION_ALGS.iter().any(|algorithm| verifies(*algorithm))
    }

    /// What an anchor is not asked for: it is trusted whatever it says of itself.
    pub(super) fn allows(
        &self,
        path: &VerifiedPath<'_>,
        now: UnixMillis,
        time: UnixTime,
    ) -> Result<(), webpki::Error> {
        let since_epoch = |millis: UnixMillis| {
            let seconds = u64::try_from(millis.as_secs()).unwrap_or_default();
            UnixTime::since_unix_epoch(Duration::from_secs(seconds))
        };
        let below = path.intermediate_certificates().count();
        if self.path_len_max.is_some_and(|max| below > max) {
            return Err(webpki::Error::PathLenConstraintViolated);
        }
        match self.valid_until(now) {
            Err(CertificateRefused::NotYetValid) => Err(webpki::Error::CertNotValidYet {
                time,
                not_before: since_epoch(self.not_before),
            }),
            Err(_) => {
                Err(webpki::Error::CertExpired { time, not_after: since_epoch(self.not_after) })
            }
            Ok(_) => Ok(()),
        }
    }
}
